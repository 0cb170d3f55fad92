#!/usr/bin/env bash
# iDynTree says that it has loaded a URDF with a planar or floating joint, and holds an empty model.
#
# Guess: loadModelFromFile returns False for a URDF that iDynTree cannot read.
# Seen:  it returns True for a planar and for a floating joint, and the model has no links and weighs nothing. Loading it
#        for computations returns True, too; errors stand on stderr only. A mimic joint is read as a free one, without a
#        message. Pinocchio reads the three: 6 kg, and 3, 6 and 1 degrees of freedom.
# Tried with idyntree 15.1.0, pin 4.1.0, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check idyntree==15.1.0 pin==4.1.0 numpy==2.3.5
environment/bin/python - 2> errors.txt <<'PYTHON' || { cat errors.txt; exit 1; }
import idyntree.bindings as idyntree
import numpy as np
import pinocchio

LINK = """<link name="{}"><inertial><origin xyz="0 0 0" rpy="0 0 0"/><mass value="2"/>
  <inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial></link>"""
JOINT = """<joint name="{name}" type="{kind}"><origin xyz="0 0 1" rpy="0 0 0"/><parent link="{parent}"/><child link="{child}"/>
  <axis xyz="0 0 1"/>{more}</joint>"""
LIMITS = '<limit lower="-1" upper="1" effort="1" velocity="1"/>'
MIMIC = LIMITS + '<mimic joint="first" multiplier="1"/>'


def write(first, second):
    """Write a URDF of three links of 2 kg with two joints, each a kind and the elements inside."""
    joints = [
        JOINT.format(name=name, kind=kind, parent=parent, child=child, more=more)
        for name, parent, child, (kind, more) in (("first", "a", "b", first), ("second", "b", "c", second))
    ]
    with open("robot.urdf", "w") as stream:
        stream.write(f'<robot name="robot">{"".join(LINK.format(name) for name in "abc")}{"".join(joints)}</robot>')


def load_idyntree():
    loader = idyntree.ModelLoader()
    loaded = loader.loadModelFromFile("robot.urdf")
    model = loader.model()
    computer = idyntree.KinDynComputations()
    valid = computer.loadRobotModel(model)
    return loaded, model.getNrOfLinks(), model.getNrOfDOFs(), model.getTotalMass(), valid


def load_pinocchio():
    model = pinocchio.buildModelFromUrdf("robot.urdf", mimic=True)
    return model.nv, pinocchio.computeTotalMass(model) + 2  # the fixed base of 2 kg is not part of the sum


FIXED, HINGE = ("fixed", ""), ("revolute", LIMITS)
cases = {
    "hinge": (HINGE, FIXED, (True, 3, 1, 6, True), (1, 6)),
    "planar": (("planar", ""), FIXED, (True, 0, 0, 0, True), (3, 6)),
    "floating": (("floating", ""), FIXED, (True, 0, 0, 0, True), (6, 6)),
    "mimic": (HINGE, ("revolute", MIMIC), (True, 3, 2, 6, True), (1, 6)),
}
for name, (first, second, seen, right) in cases.items():
    write(first, second)
    loaded, other = load_idyntree(), load_pinocchio()
    print(name, "iDynTree: loaded, links, freedoms, kg, valid:", loaded, "Pinocchio: freedoms, kg:", other)
    assert np.allclose(loaded, seen)
    assert np.allclose(other, right)
PYTHON
