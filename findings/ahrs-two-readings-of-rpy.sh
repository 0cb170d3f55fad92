#!/usr/bin/env bash
# AHRS reads the same rpy angles as two rotations: DCM takes the first angle as yaw, Quaternion takes it as roll.
#
# Guess: DCM(rpy=angles) and Quaternion(rpy=angles) are one rotation, of roll, pitch and yaw in this order.
# Seen:  for 0.1, 0.2 and 0.3 rad the two are 17.7 degrees apart. Quaternion is Rz(0.3) Ry(0.2) Rx(0.1), DCM is
#        Rz(0.1) Ry(0.2) Rx(0.3). Quaternion.to_angles() returns 0.1, 0.2 and 0.3.
# Tried with AHRS 0.4.0, NumPy 2.3.5, SciPy 1.17.1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check AHRS==0.4.0 numpy==2.3.5 scipy==1.17.1
environment/bin/python - <<'PYTHON'
import ahrs
import numpy as np
from scipy.spatial.transform import Rotation

angles = np.array([0.1, 0.2, 0.3])
matrix = Rotation.from_matrix(np.asarray(ahrs.DCM(rpy=angles)))
quaternion = ahrs.Quaternion(rpy=angles)
rotation = Rotation.from_quat(np.asarray(quaternion), scalar_first=True)
apart_deg = np.degrees((matrix.inv() * rotation).magnitude())
print(f"{apart_deg:.1f} degrees apart; extrinsic xyz angles of DCM {matrix.as_euler('xyz').round(3)},",
      f"of Quaternion {rotation.as_euler('xyz').round(3)}")
assert np.allclose(rotation.as_euler("xyz"), angles)
assert np.allclose(matrix.as_euler("xyz"), angles[::-1])
assert np.allclose(quaternion.to_angles(), angles)
assert abs(apart_deg - 17.7) < 0.1
PYTHON
