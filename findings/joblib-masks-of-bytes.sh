#!/usr/bin/env bash
# joblib's Memory takes masked arrays of bytes that differ in their masks for equal, and refuses other masked arrays.
#
# Guess: a cached function of a masked array runs again for another mask: the digest covers all that makes the argument.
# Seen:  for uint8 (and bool, int8) the digest covers the data only. The cached mean of [1, 2, 7] with 7 masked is 1.5, and
#        1.5 comes back with 2 masked (4.0) and with nothing masked (3.33). A masked array of float64 or int64 raises a
#        ValueError that speaks of reshaping. Masked arrays without a mask pass.
# Why it matters: gaps of captured markers and labels of contacts are kept as masked arrays.
# Tried with joblib 1.6.0, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check joblib==1.6.0 numpy==2.3.5
environment/bin/python - <<'PYTHON'
import joblib
import numpy as np

MASKS = [0, 0, 1], [0, 1, 0], [0, 0, 0]


@joblib.Memory("cache", verbose=0).cache
def find_mean(array):
    return float(array.mean())


bytes_ = [np.ma.masked_array(np.array([1, 2, 7], np.uint8), mask) for mask in MASKS]
seen, right = [find_mean(array) for array in bytes_], [float(array.mean()) for array in bytes_]
print("means of uint8 from the cache:", seen, "right:", right)
assert np.allclose(right, [1.5, 4, 10 / 3])
assert seen == [1.5, 1.5, 1.5]
for kind in (np.int8, np.bool_):
    assert len({joblib.hash(np.ma.masked_array(np.ones(3, kind), mask)) for mask in MASKS}) == 1
for kind in (np.float64, np.float32, np.int64):
    try:
        find_mean(np.ma.masked_array(np.array([1, 2, 7], kind), MASKS[0]))
    except ValueError as error:
        print(kind.__name__, "is refused:", error)
        assert "reshape" in str(error)
    else:
        raise SystemExit("joblib takes masked arrays now")
    assert find_mean(np.ma.masked_array(np.array([1, 2, 7], kind))) > 3.3
PYTHON
