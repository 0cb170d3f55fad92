#!/usr/bin/env bash
# kinpy turns a URDF joint that names no axis about z; the format and other readers turn it about x.
#
# Guess: a joint without <axis> turns about (1, 0, 0), the default of the URDF specification.
# Seen:  kinpy turns it about (0, 0, 1), without a warning. MuJoCo, Pinocchio, yourdfpy and urchin agree on x.
# Tried with kinpy 0.6.1, mujoco 4.0.0, pin 4.1.0, yourdfpy 0.0.60, urchin 0.0.30.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check \
    kinpy==0.6.1 mujoco==4.0.0 pin==4.1.0 yourdfpy==0.0.60 urchin==0.0.30 numpy==2.3.5 scipy==1.17.1
cat > arm.urdf <<'URDF'
<robot name="arm">
  <link name="base"/>
  <link name="arm"><inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial></link>
  <joint name="elbow" type="revolute">
    <parent link="base"/><child link="arm"/><limit lower="-2" upper="2" effort="1" velocity="1"/>
  </joint>
</robot>
URDF
environment/bin/python -W ignore - <<'PYTHON'
from pathlib import Path

import kinpy
import mujoco
import numpy as np
import pinocchio
import urchin
import yourdfpy
from scipy.spatial.transform import Rotation

angle_rad = 0.5
model = mujoco.MjModel.from_xml_path("arm.urdf")
data = mujoco.MjData(model)
data.qpos[:] = angle_rad
mujoco.mj_forward(model, data)
pin_model = pinocchio.buildModelFromUrdf("arm.urdf")
pin_data = pin_model.createData()
pinocchio.forwardKinematics(pin_model, pin_data, np.array([angle_rad]))
robot = yourdfpy.URDF.load("arm.urdf")
robot.update_cfg([angle_rad])
chain = kinpy.build_chain_from_urdf(Path("arm.urdf").read_text())
rotvecs = {
    "MuJoCo": Rotation.from_matrix(data.body("arm").xmat.reshape(3, 3)),
    "Pinocchio": Rotation.from_matrix(pin_data.oMi[1].rotation),
    "yourdfpy": Rotation.from_matrix(robot.get_transform("arm", "base")[:3, :3]),
    "urchin": Rotation.from_matrix(urchin.URDF.load("arm.urdf").link_fk({"elbow": angle_rad}, link="arm")[:3, :3]),
    "kinpy": Rotation.from_quat(chain.forward_kinematics({"elbow": angle_rad})["arm"].rot, scalar_first=True),
}
rotvecs = {name: rotation.as_rotvec().round(6).tolist() for name, rotation in rotvecs.items()}
print("rotation vectors:", rotvecs)
assert rotvecs.pop("kinpy") == [0, 0, angle_rad]
assert all(rotvec == [angle_rad, 0, 0] for rotvec in rotvecs.values())
PYTHON
