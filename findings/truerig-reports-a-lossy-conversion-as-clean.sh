#!/usr/bin/env bash
# truerig converts MJCF to URDF without the anchors, references, damping and friction of joints, and reports no loss.
#
# Guess: a converter that prints a "fidelity report" keeps these or names them, as it names a capsule that becomes a
#        cylinder.
# Seen:  the verdict is PASS, without warnings or notes. A hip whose axis is 0.1 m above the frame of its thigh turns about
#        this frame afterwards: the foot is 0.049 m away at 0.5 rad. A knee of 0 to 120 degrees that is drawn at ref="20"
#        may move from 0 to 120 degrees about the drawn pose, not from -20 to 100. Damping, friction and armature are gone.
#        Pinocchio refuses the URDF, whose limits have no effort.
# Tried with truerig 0.1.1, mujoco 4.0.0, pin 4.1.0, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check \
    truerig==0.1.1 mujoco==4.0.0 pin==4.1.0 numpy==2.3.5
cat > given.xml <<'MJCF'
<mujoco><compiler angle="degree" autolimits="true"/><worldbody><body name="pelvis">
  <geom type="box" size="0.1 0.1 0.1" mass="5"/>
  <body name="thigh" pos="0 0.1 -0.3">
    <joint name="hip" axis="0 1 0" pos="0 0 0.1" range="-30 60" damping="3" frictionloss="0.4" armature="0.2"/>
    <geom type="box" size="0.05 0.05 0.2" pos="0 0 -0.2" mass="3"/>
    <body name="shin" pos="0 0 -0.4">
      <joint name="knee" axis="0 1 0" range="0 120" ref="20" damping="3" frictionloss="0.4" armature="0.2"/>
      <geom type="box" size="0.04 0.04 0.2" pos="0 0 -0.2" mass="2"/>
      <body name="foot" pos="0 0 -0.4"><geom type="box" size="0.1 0.04 0.02" mass="1"/></body>
    </body>
  </body>
</body></worldbody></mujoco>
MJCF
environment/bin/truerig convert given.xml converted.urdf | tee report.txt
grep -q 'PASS   errors=0  warnings=0  notes=0' report.txt
environment/bin/python - <<'PYTHON'
from pathlib import Path

import mujoco
import numpy as np
import pinocchio

given = mujoco.MjModel.from_xml_path("given.xml")
text = Path("converted.urdf").read_text()
keep = '<mujoco><compiler fusestatic="false"/></mujoco></robot>'
converted = mujoco.MjModel.from_xml_string(text.replace("</robot>", keep))


def find_foot_m(model, hip_rad):
    """Return the place of the foot in the pelvis, with the hip turned from the drawn pose."""
    data = mujoco.MjData(model)
    data.qpos[:] = model.qpos0
    data.qpos[model.joint("hip").qposadr] += hip_rad
    mujoco.mj_kinematics(model, data)
    return data.body("foot").xpos


def read_knee(model):
    knee = model.joint("knee")
    limits_deg = np.degrees(knee.range - knee.qpos0)
    return limits_deg.round(3).tolist(), float(knee.damping[0]), float(knee.frictionloss[0]), float(knee.armature[0])


apart_m = {hip_rad: float(np.linalg.norm(find_foot_m(given, hip_rad) - find_foot_m(converted, hip_rad))) for hip_rad in (0, 0.5)}
print("feet apart at hip angles:", apart_m, "limits from the drawn pose, damping, friction and armature of the knee:",
      read_knee(given), read_knee(converted))
assert apart_m[0] < 1e-6
assert abs(apart_m[0.5] - 0.0495) < 1e-3
assert read_knee(given) == ([-20, 100], 3, 0.4, 0.2)
assert read_knee(converted) == ([0, 120], 0, 0, 0)
try:
    pinocchio.buildModelFromUrdf("converted.urdf")
except ValueError as error:
    print("Pinocchio:", error)
else:
    raise SystemExit("Pinocchio reads the converted URDF now")
PYTHON
