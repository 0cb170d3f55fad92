#!/usr/bin/env bash
# urdf-to-mjcf lets a URDF mimic joint lead the joint that it should follow.
#
# Guess: <mimic joint="lead" multiplier="2" offset="0.1"/> becomes an equality whose joint1 is the follower, as MuJoCo writes
#        the position of joint1 as a polynomial of joint2: follow = 0.1 + 2 lead.
# Seen:  joint1 is the leader and the coefficients are the file's, so the model keeps lead = 0.1 + 2 follow. With the leader
#        at 0.5 rad the place that the file means, 1.1 rad, has an error of 1.8 rad, and 0.2 rad has none. Nothing is said.
#        MuJoCo itself reads the same URDF as it is meant. A multiplier of 1 or -1 without an offset hides the change.
# Why it matters: the fingers of most grippers are mimic joints.
# Tried with urdf-to-mjcf 0.1.1, mujoco 4.0.0, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check urdf-to-mjcf==0.1.1 mujoco==4.0.0 numpy==2.3.5
cat > hand.urdf <<'URDF'
<robot name="hand">
<link name="palm"/>
<link name="first"><inertial><mass value="1"/><inertia ixx="0.1" iyy="0.1" izz="0.1" ixy="0" ixz="0" iyz="0"/></inertial></link>
<link name="second"><inertial><mass value="1"/><inertia ixx="0.1" iyy="0.1" izz="0.1" ixy="0" ixz="0" iyz="0"/></inertial></link>
<joint name="lead" type="revolute"><parent link="palm"/><child link="first"/><axis xyz="0 0 1"/>
  <limit lower="-3" upper="3" effort="1" velocity="1"/></joint>
<joint name="follow" type="revolute"><parent link="palm"/><child link="second"/><axis xyz="0 0 1"/>
  <limit lower="-3" upper="3" effort="1" velocity="1"/><mimic joint="lead" multiplier="2" offset="0.1"/></joint>
</robot>
URDF
environment/bin/urdf-to-mjcf hand.urdf --output converted/hand.xml > log.txt 2>&1 || { cat log.txt; exit 1; }
environment/bin/python -W ignore - <<'PYTHON'
import mujoco
import numpy as np


def find_errors(path):
    """Return the joints of the equality, its coefficients, and its errors in rad with the follower at 1.1 and at 0.2 rad."""
    spec = mujoco.MjSpec.from_file(path)
    for joint in spec.joints:
        if joint.type == mujoco.mjtJoint.mjJNT_FREE:
            spec.delete(joint)
            break
    model = spec.compile()
    data = mujoco.MjData(model)
    errors_rad = []
    for follower_rad in (1.1, 0.2):
        data.qpos[model.joint("lead").qposadr[0]] = 0.5
        data.qpos[model.joint("follow").qposadr[0]] = follower_rad
        mujoco.mj_forward(model, data)
        errors_rad.append(data.efc_pos[0])
    kind = mujoco.mjtObj.mjOBJ_JOINT
    joints = [mujoco.mj_id2name(model, kind, index) for index in (model.eq_obj1id[0], model.eq_obj2id[0])]
    return joints, model.eq_data[0, :2], np.array(errors_rad)


for path, expected_joints, expected_rad in (
    ("hand.urdf", ["follow", "lead"], [0, -0.9]),
    ("converted/hand.xml", ["lead", "follow"], [-1.8, 0]),
):
    joints, coefficients, errors_rad = find_errors(path)
    print(path, "equality of", joints, "with", coefficients, "; errors at 1.1 and 0.2 rad:", errors_rad.round(4))
    assert joints == expected_joints
    assert np.allclose(coefficients, [0.1, 2])
    assert np.allclose(errors_rad, expected_rad, atol=1e-6)
PYTHON
