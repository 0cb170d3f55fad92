#!/usr/bin/env bash
# pyomeca computes no angles in the sequence yxz and returns an array that nothing was written to.
#
# Guess: Angles.from_rototrans returns the angles that Rototrans.from_euler_angles was given, in each sequence that both take:
#        its documentation names all permutations of xyz.
# Seen:  for 0.1, 0.2 and 0.3 rad so do the other five sequences of three axes, zyz, zxz and those of one or two axes. yxz
#        returns what lay in memory, here 0, 0, 0, without a warning, although the matrix is right.
# Why it matters: yxz is a usual order for bones whose y axis points along them, and zeros look like a neutral pose.
# Tried with pyomeca 2026.0.2, xarray 2026.9.0, SciPy 1.17.1, NumPy 2.4.6.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check \
    pyomeca==2026.0.2 xarray==2026.9.0 scipy==1.17.1 numpy==2.4.6
environment/bin/python -W ignore - <<'PYTHON'
import numpy as np
from pyomeca import Angles, Rototrans
from scipy.spatial.transform import Rotation

angles_rad = np.array([0.1, 0.2, 0.3])
for sequence in ("xyz", "xzy", "yxz", "yzx", "zxy", "zyx", "zyz", "zxz", "yx", "xz", "y"):
    given = angles_rad[: len(sequence)]
    matrix = Rototrans.from_euler_angles(Angles(given.reshape(-1, 1, 1)), sequence)
    seen = Angles.from_rototrans(matrix, sequence).values.ravel()
    print(sequence, seen.round(3))
    right = Rotation.from_euler(sequence.upper(), given if len(given) > 1 else given[0])
    assert np.allclose(matrix.values[:3, :3, 0], right.as_matrix())
    assert np.allclose(seen, given) == (sequence != "yxz")
PYTHON
