#!/usr/bin/env bash
# SAPIEN reads the damping of a URDF joint and gives each joint the friction of its own, 0.05, whatever the file says.
#
# Guess: <dynamics damping="0.2" friction="0.25"/> sets both in the joint, and a joint without <dynamics> has neither.
# Seen:  the damping is the file's, and the friction is 0.05 for joints with friction 0.25, 0, or without <dynamics>. The
#        loader passes the value on, and no warning is given. Set by hand (set_friction), the value stays.
# Tried with sapien 3.0.3, NumPy 2.3.5, on a CPU.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check sapien==3.0.3 numpy==2.3.5
environment/bin/python -W ignore - <<'PYTHON'
import numpy as np
import sapien

TEXT = """<robot name="arm">
<link name="base"/>
<link name="rod"><inertial><mass value="2"/><inertia ixx="0.1" iyy="0.1" izz="0.1" ixy="0" ixz="0" iyz="0"/></inertial></link>
<joint name="elbow" type="continuous"><parent link="base"/><child link="rod"/><axis xyz="0 0 1"/>{}</joint>
</robot>"""

for dynamics, damping in (
    ("", 0),
    ('<dynamics damping="0.2" friction="0"/>', 0.2),
    ('<dynamics damping="0.2" friction="0.25"/>', 0.2),
):
    with open("arm.urdf", "w") as stream:
        stream.write(TEXT.format(dynamics))
    scene = sapien.Scene([sapien.physx.PhysxCpuSystem()])
    loader = scene.create_urdf_loader()
    loader.fix_root_link = True
    (joint,) = loader.load("arm.urdf").active_joints
    print(dynamics or "no dynamics", "; damping", round(joint.damping, 4), "friction", round(joint.friction, 4))
    assert np.isclose(joint.damping, damping)
    assert np.isclose(joint.friction, 0.05)
    joint.set_friction(0.25)
    assert np.isclose(joint.friction, 0.25)
PYTHON
