#!/usr/bin/env bash
# transforms3d makes a quaternion of a matrix that is no rotation, and no axis and angle.
#
# Guess: both conversions of a matrix check that it is a rotation, or neither does.
# Seen:  a matrix that is 1 % too large gives the quaternion of the rotation in it; one that is 0.1 % too large has
#        no axis: "no unit eigenvector".
# Tried with transforms3d 0.4.2, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check transforms3d==0.4.2 numpy==2.3.5
environment/bin/python - <<'PYTHON'
import numpy as np
import transforms3d

turn = transforms3d.axangles.axangle2mat([0, 0, 1], 1.0)
quaternion = transforms3d.quaternions.mat2quat(1.01 * turn)
print("quaternion of 1.01 R:", quaternion)
assert np.allclose(quaternion, [np.cos(0.5), 0, 0, np.sin(0.5)])
try:
    transforms3d.axangles.mat2axangle(1.001 * turn)
except ValueError as error:
    print("axis of 1.001 R:", error)
else:
    raise SystemExit("mat2axangle accepts a scaled matrix now")
PYTHON
