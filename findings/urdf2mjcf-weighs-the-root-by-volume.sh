#!/usr/bin/env bash
# urdf2mjcf drops the inertia of the root link, and the damping and effort limits of all joints.
#
# Guess: a converted robot weighs what the URDF says, and its joints have the damping that MuJoCo reads from the URDF.
# Seen:  a root link of 2 kg becomes 6 kg, the volume of its collision box at MuJoCo's 1,000 kg/m3; the other links keep
#        their 2 kg. Damping of 2 N m s/rad, friction of 0.5 N m and a limit of 3 N m are gone. No message names them.
# Why it matters: the root of a humanoid is the pelvis, often the heaviest link.
# Tried with urdf2mjcf 0.2.39, mujoco 4.0.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check urdf2mjcf==0.2.39 mujoco==4.0.0 numpy==2.3.5
environment/bin/python - <<'PYTHON'
from pathlib import Path

import mujoco
from urdf2mjcf.convert import convert_urdf_to_mjcf

LINK = """
<link name="{name}">
  <inertial><origin xyz="0 0 0" rpy="0 0 0"/><mass value="2"/><inertia ixx="0.02" iyy="0.02" izz="0.02" ixy="0" ixz="0" iyz="0"/></inertial>
  <collision><geometry><box size="0.1 0.2 0.3"/></geometry></collision>
</link>"""
Path("robot.urdf").write_text(f"""<robot name="robot">{LINK.format(name="pelvis")}{LINK.format(name="thigh")}
<joint name="hip" type="revolute"><parent link="pelvis"/><child link="thigh"/><axis xyz="0 1 0"/>
  <dynamics damping="2" friction="0.5"/><limit lower="-1" upper="2" effort="3" velocity="4"/></joint>
</robot>""")
convert_urdf_to_mjcf(Path("robot.urdf"), Path("robot.xml"))
given, converted = (mujoco.MjModel.from_xml_path(path) for path in ("robot.urdf", "robot.xml"))
masses = {name: float(converted.body(name).mass[0]) for name in ("pelvis", "thigh")}


def read_hip(model):
    joint = model.joint("hip")
    return float(joint.damping[0]), float(joint.frictionloss[0]), float(model.jnt_actfrcrange[joint.id, 1])


print("masses after conversion:", masses, "kg; damping, friction and limit:", read_hip(given), "and", read_hip(converted))
assert abs(masses["pelvis"] - 6) < 1e-6
assert abs(masses["thigh"] - 2) < 1e-6
assert read_hip(given) == (2, 0.5, 3)
assert read_hip(converted) == (0, 0, 0)
assert converted.joint("hip").range.tolist() == given.joint("hip").range.tolist() == [-1, 2]
PYTHON
