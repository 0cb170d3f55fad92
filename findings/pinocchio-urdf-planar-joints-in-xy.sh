#!/usr/bin/env bash
# Pinocchio moves a planar URDF joint in the plane of x and y, whatever its axis.
#
# Guess: a planar joint moves in the plane perpendicular to its axis, as the URDF specification says.
# Seen:  with axis 0 1 0, the floor of a world whose y is up, MuJoCo and Drake move the link in x and z and turn it
#        about y. Pinocchio lifts the link by 2 m along y, turns it about z, and warns of nothing.
# Tried with pin 4.1.0, drake 1.51.1, mujoco 4.0.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check pin==4.1.0 drake==1.51.1 mujoco==4.0.0 numpy==2.3.5
cat > walker.urdf <<'URDF'
<robot name="walker">
  <link name="floor"/>
  <link name="pelvis">
    <inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial>
  </link>
  <joint name="root" type="planar"><parent link="floor"/><child link="pelvis"/><axis xyz="0 1 0"/></joint>
</robot>
URDF
environment/bin/python - <<'PYTHON'
import mujoco
import numpy as np
import pinocchio
from pydrake.multibody.parsing import Parser
from pydrake.multibody.plant import MultibodyPlant

first_m, second_m, turn_rad = 1.0, 2.0, 0.5
model = mujoco.MjModel.from_xml_path("walker.urdf")
data = mujoco.MjData(model)
data.qpos[:] = first_m, second_m, turn_rad
mujoco.mj_forward(model, data)
plant = MultibodyPlant(0.0)
Parser(plant).AddModels("walker.urdf")
plant.WeldFrames(plant.world_frame(), plant.GetFrameByName("floor"))
plant.Finalize()
context = plant.CreateDefaultContext()
plant.SetPositions(context, [first_m, second_m, turn_rad])
drake = plant.EvalBodyPoseInWorld(context, plant.GetBodyByName("pelvis"))
pin_model = pinocchio.buildModelFromUrdf("walker.urdf")
pin_data = pin_model.createData()
configuration = np.array([first_m, second_m, np.cos(turn_rad), np.sin(turn_rad)])
pinocchio.framesForwardKinematics(pin_model, pin_data, configuration)
pin = pin_data.oMf[pin_model.getFrameId("pelvis")]
poses = {
    "MuJoCo": (data.body("pelvis").xpos, pinocchio.log3(data.body("pelvis").xmat.reshape(3, 3))),
    "Drake": (drake.translation(), pinocchio.log3(drake.rotation().matrix())),
    "Pinocchio": (pin.translation, pinocchio.log3(pin.rotation)),
}
for name, (place, rotvec) in poses.items():
    print(f"{name}: at {np.round(place, 6) + 0.0} m, rotation vector {np.round(rotvec, 6) + 0.0} rad")
for name in ("MuJoCo", "Drake"):
    assert np.allclose(poses[name], [[1, 0, -2], [0, 0.5, 0]])
assert np.allclose(poses["Pinocchio"], [[1, 2, 0], [0, 0, 0.5]])
PYTHON
