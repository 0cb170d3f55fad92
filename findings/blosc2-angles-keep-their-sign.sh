#!/usr/bin/env bash
# blosc2's remainder of a negative angle is negative for slices and positive for single items.
#
# Guess: x % 360 of a blosc2 array is NumPy's, as the documentation of remainder says, however the expression is read.
# Seen:  of -190 and 350, (x % 360)[:] is -190 and 350, and (x % 360)[0] is 170. blosc2.remainder, integers, compute() and
#        lazyexpr("x % 360") give -190, too. blosc2.round, which names np.round as its reference, rounds 0.5 and 2.5 to 1
#        and 3, where NumPy gives 0 and 2; a single item is rounded as in NumPy. Floor division agrees with NumPy.
# Why it matters: headings are wrapped with %, and a test that looks at single items passes.
# Tried with blosc2 4.14.1, numexpr 2.14.2, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check blosc2==4.14.1 numexpr==2.14.2 numpy==2.3.5
environment/bin/python - <<'PYTHON'
import blosc2
import numpy as np

angles_deg = np.array([-190.0, 350.0])
given, whole = blosc2.asarray(angles_deg), blosc2.asarray(angles_deg.astype(int))
wrapped = given % 360
slices = [
    wrapped[:],
    wrapped.compute()[:],
    (whole % 360)[:],
    blosc2.remainder(given, 360)[:],
    blosc2.lazyexpr("x % 360", {"x": given})[:],
]
halves = np.array([0.5, 2.5])
rounded = blosc2.round(blosc2.asarray(halves))
print("slices:", slices, "item:", wrapped[0], "NumPy:", angles_deg % 360)
print("rounded slice:", rounded[:], "item:", rounded[0], "NumPy:", np.round(halves))
for values in slices:
    assert np.array_equal(values, [-190, 350])
assert wrapped[0] == 170
assert np.array_equal(rounded[:], [1, 3])
assert rounded[0] == 0
assert np.array_equal((given // 360)[:], angles_deg // 360)
PYTHON
