#!/usr/bin/env bash
# yourdfpy reads mimic joints and saves them as joints of their own.
#
# Guess: a URDF that yourdfpy loads and writes unchanged keeps <mimic>, which it follows when it places the links.
# Seen:  the second finger of a gripper follows the first after loading, and is free after writing: two joints are
#        actuated instead of one, and MuJoCo reads no equality. Safety limits are lost, too; damping and friction
#        stay. No warning appears. urchin keeps all of these.
# Tried with yourdfpy 0.0.60, urchin 0.0.30, mujoco 4.0.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check \
    yourdfpy==0.0.60 urchin==0.0.30 mujoco==4.0.0 numpy==2.3.5
environment/bin/python - <<'PYTHON'
from pathlib import Path

import mujoco
import urchin
import yourdfpy

LINK = '<link name="{}"><inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial></link>'
JOINT = """
<joint name="{name}" type="revolute"><parent link="hand"/><child link="{name}"/><axis xyz="0 0 1"/>
  <limit lower="-1" upper="1" effort="1" velocity="1"/><dynamics damping="2" friction="0.5"/>
  <safety_controller soft_lower_limit="-0.9" soft_upper_limit="0.9" k_position="1" k_velocity="1"/>{mimic}</joint>"""
Path("given.urdf").write_text(
    '<robot name="gripper">'
    + "".join(LINK.format(name) for name in ("hand", "left", "right"))
    + JOINT.format(name="left", mimic="")
    + JOINT.format(name="right", mimic='<mimic joint="left" multiplier="-1"/>')
    + "</robot>"
)
yourdfpy.URDF.load("given.urdf").write_xml_file("yourdfpy.urdf")
urchin.URDF.load("given.urdf").save("urchin.urdf")
actuated, equalities, limits = {}, {}, {}
for path in ("given.urdf", "urchin.urdf", "yourdfpy.urdf"):
    actuated[path] = yourdfpy.URDF.load(path).actuated_joint_names
    model = mujoco.MjModel.from_xml_path(path)
    equalities[path] = model.neq
    limits[path] = "safety_controller" in Path(path).read_text()
    assert model.dof_damping.tolist() == [2, 2]
    assert model.dof_frictionloss.tolist() == [0.5, 0.5]
print("actuated:", actuated, "equalities in MuJoCo:", equalities, "with safety limits:", limits)
assert actuated == {"given.urdf": ["left"], "urchin.urdf": ["left"], "yourdfpy.urdf": ["left", "right"]}
assert equalities == {"given.urdf": 1, "urchin.urdf": 1, "yourdfpy.urdf": 0}
assert limits == {"given.urdf": True, "urchin.urdf": True, "yourdfpy.urdf": False}
PYTHON
