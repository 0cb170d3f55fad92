#!/usr/bin/env bash
# pytransform3d reads a URDF joint with <mimic> as a joint of its own, which stays at 0.
#
# Guess: UrdfTransformManager moves both fingers of a gripper when the joint that the other one mimics is set, or refuses
#        the element as it refuses planar joints.
# Seen:  the second finger stays at 0 and no warning appears, so that the gripper of a trajectory closes with one finger.
#        yourdfpy, Pinocchio (mimic=True) and Klampt move the second finger by the multiplier and the offset.
# Tried with pytransform3d 3.17.0, yourdfpy 0.0.60, pin 4.1.0, Klampt 0.10.1.post1, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check \
    pytransform3d==3.17.0 yourdfpy==0.0.60 pin==4.1.0 klampt==0.10.1.post1 numpy==2.3.5
environment/bin/python - 2> errors.txt <<'PYTHON' || { cat errors.txt; exit 1; }
import warnings

import klampt
import numpy as np
import pinocchio
import yourdfpy
from pytransform3d.urdf import UrdfException, UrdfTransformManager

LINK = """<link name="{}"><inertial><origin xyz="0 0 0" rpy="0 0 0"/><mass value="1"/>
  <inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial></link>"""
JOINT = """<joint name="{name}" type="prismatic"><origin xyz="0 {y} 0" rpy="0 0 0"/><parent link="hand"/>
  <child link="{name} finger"/><axis xyz="0 1 0"/><limit lower="-1" upper="1" effort="1" velocity="1"/>{mimic}</joint>"""
TEXT = (
    '<robot name="gripper">'
    + "".join(LINK.format(name) for name in ("hand", "left finger", "right finger"))
    + JOINT.format(name="left", y=0.5, mimic="")
    + JOINT.format(name="right", y=-0.5, mimic='<mimic joint="left" multiplier="-1" offset="0.1"/>')
    + "</robot>"
)
CLOSED_M = -0.3


def find_pytransform3d():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        manager = UrdfTransformManager()
        manager.load_urdf(TEXT)
        manager.set_joint("left", CLOSED_M)
        return [manager.get_transform(f"{name} finger", "hand")[1, 3] for name in ("left", "right")]


def find_yourdfpy():
    robot = yourdfpy.URDF.load("gripper.urdf")
    robot.update_cfg({"left": CLOSED_M})
    return [robot.get_transform(f"{name} finger", "hand")[1, 3] for name in ("left", "right")]


def find_pinocchio():
    model = pinocchio.buildModelFromUrdf("gripper.urdf", mimic=True)
    data = model.createData()
    pinocchio.framesForwardKinematics(model, data, np.array([CLOSED_M]))
    return [data.oMf[model.getFrameId(f"{name} finger")].translation[1] for name in ("left", "right")]


def find_klampt():
    world = klampt.WorldModel()
    assert world.loadElement("gripper.urdf") >= 0
    robot = world.robot(0)
    names = [robot.link(index).getName() for index in range(robot.numLinks())]
    driver = next(robot.driver(index) for index in range(robot.numDrivers()) if robot.driver(index).getName() == "left finger")
    driver.setValue(CLOSED_M)
    robot.setConfig(robot.getConfig())  # a driver's value moves no link by itself
    return [robot.link(names.index(f"{name} finger")).getTransform()[1][1] for name in ("left", "right")]


with open("gripper.urdf", "w") as stream:
    stream.write(TEXT)
places_m = {find.__name__.removeprefix("find_"): np.round(find(), 6).tolist()
            for find in (find_pytransform3d, find_yourdfpy, find_pinocchio, find_klampt)}
print("left and right finger, in m:", places_m)
assert places_m.pop("pytransform3d") == [0.2, -0.5]
assert all(places == [0.2, -0.1] for places in places_m.values())
try:
    UrdfTransformManager().load_urdf(TEXT.replace("prismatic", "planar"))
except UrdfException as error:
    print("planar joints:", error)
else:
    raise SystemExit("planar joints are read now")
PYTHON
