#!/usr/bin/env bash
# pyquaternion refuses most rotation matrices in single precision.
#
# Guess: a rotation matrix of float32 makes a quaternion, with float32's accuracy.
# Seen:  86 of 100 random rotations are refused as not orthogonal; the tolerance is meant for float64.
# Tried with pyquaternion 0.9.9, NumPy 2.3.5, SciPy 1.17.1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check pyquaternion==0.9.9 numpy==2.3.5 scipy==1.17.1
environment/bin/python - <<'PYTHON'
import numpy as np
from pyquaternion import Quaternion
from scipy.spatial.transform import Rotation

refused = 0
for seed in range(100):
    matrix = Rotation.random(rng=seed).as_matrix()
    Quaternion(matrix=matrix)
    try:
        Quaternion(matrix=matrix.astype(np.float32))
    except ValueError:
        refused += 1
print(f"refused in single precision: {refused} of 100")
assert refused == 86
PYTHON
