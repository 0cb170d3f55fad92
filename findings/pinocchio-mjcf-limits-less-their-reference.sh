#!/usr/bin/env bash
# Pinocchio subtracts ref from the limits of an MJCF joint, and not from its position.
#
# Guess: a joint with range="0 60" and ref="30" has in Pinocchio the positions and limits of MuJoCo: drawn at 30 degrees,
#        between 0 and 60.
# Seen:  it is drawn at 30 degrees, and its places at 0 and 30 degrees are those of MuJoCo, but its limits are -30 and 30.
#        A slide of -1 to 1 m with ref="0.2" has -1.2 and 0.8. So half of the range is refused, and clipping to the limits
#        moves a joint that MuJoCo allows. Nothing is said.
# Tried with pin 4.1.0, mujoco 4.0.0, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check pin==4.1.0 mujoco==4.0.0 numpy==2.3.5
cat > leg.xml <<'MJCF'
<mujoco model="leg"><compiler angle="degree" autolimits="true"/><worldbody>
  <body name="thigh" pos="0 0 1">
    <joint name="hip" axis="0 1 0" ref="30" range="0 60"/>
    <geom type="box" size="0.05 0.05 0.2" pos="0 0 -0.2" mass="2"/>
    <body name="foot" pos="0 0 -0.4"><geom type="sphere" size="0.05" mass="1"/></body>
  </body>
</worldbody></mujoco>
MJCF
cat > rail.xml <<'MJCF'
<mujoco model="rail"><compiler angle="radian" autolimits="true"/><worldbody>
  <body name="foot" pos="0 0 1"><joint name="rail" type="slide" axis="1 0 0" ref="0.2" range="-1 1"/><geom size="0.1"/></body>
</worldbody></mujoco>
MJCF
environment/bin/python - <<'PYTHON'
import mujoco
import numpy as np
import pinocchio


def find_limits(path, positions):
    """Return the limits in MuJoCo and Pinocchio, after a check that the foot is at one place in both."""
    first, second = mujoco.MjModel.from_xml_path(path), pinocchio.buildModelFromMJCF(path)
    data, other = mujoco.MjData(first), second.createData()
    for position in positions:
        data.qpos[:] = position
        mujoco.mj_kinematics(first, data)
        pinocchio.framesForwardKinematics(second, other, np.array([position]))
        assert np.allclose(data.body("foot").xpos, other.oMf[second.getFrameId("foot")].translation)
    return first.jnt_range[0], np.array([second.lowerPositionLimit[0], second.upperPositionLimit[0]])


hip, rail = find_limits("leg.xml", np.radians([0, 30, 45])), find_limits("rail.xml", [0, 0.2, 0.9])
print("hip in MuJoCo and Pinocchio:", np.degrees(hip).round(3).tolist(), "degrees; rail:", np.round(rail, 3).tolist(), "m")
assert np.allclose(np.degrees(hip), [[0, 60], [-30, 30]])
assert np.allclose(rail, [[-1, 1], [-1.2, 0.8]])
PYTHON
