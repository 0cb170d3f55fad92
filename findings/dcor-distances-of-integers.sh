#!/usr/bin/env bash
# dcor computes distances between integers in integers, and these overflow.
#
# Guess: samples of int16, as old C3D files hold coordinates, have the energy distance of the same samples as floats.
# Seen:  0, 9000, 18000, 27000 against 0, 5000, 10000, 15000 gives NaN in int16 and 3750 in float64; 0, 60, 120, 180
#        against 0, 50, 100, 150 gives 3.22 in uint8 and 7.5 in float64. A squared distance covariance of int64 with
#        itself is negative for 3,000 values up to 3,000,000. Of uint8 nothing is said; int16 and int64 bring warnings of
#        a power and of the speed. SciPy's energy_distance of the same uint8 is right.
# Tried with dcor 0.7, SciPy 1.17.1, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check dcor==0.7 numpy==2.3.5 scipy==1.17.1
environment/bin/python - <<'PYTHON'
import dcor
import numpy as np
from scipy import stats

count = np.arange(4)


def find_distances(first, second, kind):
    """Return the energy distance of samples of this kind, and of the same samples as float64."""
    return [float(dcor.energy_distance(first.astype(dtype), second.astype(dtype))) for dtype in (kind, np.float64)]


short, byte = find_distances(count * 9000, count * 5000, np.int16), find_distances(count * 60, count * 50, np.uint8)
scipy = stats.energy_distance((count * 60).astype(np.uint8), (count * 50).astype(np.uint8)) ** 2
long = np.arange(3000) * 1000
covariances = [float(dcor.distance_covariance_sqr(values, values)) for values in (long, long.astype(float))]
print("as integers and as floats: int16", short, "uint8", byte, "int64", covariances, "; SciPy, uint8:", scipy)
assert np.isnan(short[0])
assert np.allclose([short[1], byte[1], scipy], [3750, 7.5, 7.5])
assert abs(byte[0] - 3.22) < 0.01
assert covariances[0] < 0 < covariances[1]
PYTHON
