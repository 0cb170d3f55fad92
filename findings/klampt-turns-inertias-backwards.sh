#!/usr/bin/env bash
# Klampt turns the inertia of a URDF link by the opposite of the angles that the file gives.
#
# Guess: the moments of a link whose <inertial> is turned by rpy are R I R^T in the frame of the link, so that Klampt and
#        Pinocchio have one mass matrix.
# Seen:  Klampt has R^T I R. A rod turned by 30 degrees about z has the product of inertia +0.039 instead of -0.039 kg m2,
#        and the moment 0.099 instead of 0.024 kg m2 about a joint near its length. Pinocchio and MuJoCo agree on the
#        latter. Without rpy all three agree.
# Why it matters: exporters of CAD programs write principal axes and their rpy.
# Tried with Klampt 0.10.1.post1, pin 4.1.0, mujoco 4.0.0, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check \
    klampt==0.10.1.post1 pin==4.1.0 mujoco==4.0.0 numpy==2.3.5
environment/bin/python -W ignore - <<'PYTHON'
import klampt
import mujoco
import numpy as np
import pinocchio

TEXT = """<robot name="arm">
<link name="base"/>
<link name="rod"><inertial><origin xyz="0 0 0" rpy="{rpy}"/><mass value="2"/>
  <inertia ixx="0.01" iyy="0.1" izz="0.1" ixy="0" ixz="0" iyz="0"/></inertial></link>
<joint name="elbow" type="revolute"><parent link="base"/><child link="rod"/><axis xyz="0.6 0.8 0"/>
  <limit lower="-2" upper="2" effort="1" velocity="1"/></joint>
</robot>"""


def find_moments(rpy_deg):
    """Return Klampt's inertia in the frame of the link, and the moment about the joint in Klampt, Pinocchio and MuJoCo."""
    with open("arm.urdf", "w") as stream:
        stream.write(TEXT.format(rpy=" ".join(str(angle) for angle in np.radians(rpy_deg))))
    world = klampt.WorldModel()
    assert world.loadElement("arm.urdf") >= 0
    robot = world.robot(0)
    index = next(i for i in range(robot.numLinks()) if robot.link(i).getName() == "rod")
    inertia = np.array(robot.link(index).getMass().getInertia()).reshape(3, 3)
    first = np.array(robot.getMassMatrix())[index, index]
    model = pinocchio.buildModelFromUrdf("arm.urdf")
    second = pinocchio.crba(model, model.createData(), np.zeros(1))[0, 0]
    model = mujoco.MjModel.from_xml_path("arm.urdf")
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    third = np.zeros((1, 1))
    mujoco.mj_fullM(model, data, third)
    return inertia, np.array([first, second, third[0, 0]])


for rpy_deg, product, seen in (
    ((0, 0, 0), 0, (0.0676, 0.0676, 0.0676)),
    ((0, 0, 30), 0.0390, (0.0987, 0.0239, 0.0239)),
    ((30, 40, 0), -0.0222, (0.0538, 0.0810, 0.0810)),
):
    inertia, moments = find_moments(rpy_deg)
    print("rpy", rpy_deg, "product xy in Klampt:", inertia[0, 1].round(4), "; moments about the joint:", moments.round(4))
    assert np.isclose(inertia[0, 1], product, atol=1e-4)
    assert np.allclose(moments, seen, atol=1e-4)
PYTHON
