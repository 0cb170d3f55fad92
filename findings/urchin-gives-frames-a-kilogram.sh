#!/usr/bin/env bash
# urchin saves a URDF link without inertia as one of 1 kg.
#
# Guess: a robot that urchin loads and saves unchanged weighs the same: a link without <inertial> has no mass.
# Seen:  each such link is saved with a mass of 1 kg and moments of inertia of 1 kg m2. An arm of 2 kg with a base and a
#        tool frame weighs 4 kg afterwards, and in Pinocchio its moment about the joint grows from 0.27 to 1.52 kg m2.
# Tried with urchin 0.0.30, pin 4.1.0, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check urchin==0.0.30 pin==4.1.0 numpy==2.3.5
cat > given.urdf <<'URDF'
<robot name="arm">
  <link name="base"/>
  <link name="arm">
    <inertial>
      <origin xyz="0 0 -0.25" rpy="0 0 0"/>
      <mass value="2"/>
      <inertia ixx="0.145" iyy="0.145" izz="0.01" ixy="0" ixz="0" iyz="0"/>
    </inertial>
  </link>
  <link name="tool"/>
  <joint name="elbow" type="revolute">
    <parent link="base"/><child link="arm"/><axis xyz="0 1 0"/><limit lower="-2" upper="2" effort="1" velocity="1"/>
  </joint>
  <joint name="mount" type="fixed"><origin xyz="0 0 -0.5" rpy="0 0 0"/><parent link="arm"/><child link="tool"/></joint>
</robot>
URDF
environment/bin/python -W ignore - <<'PYTHON'
from xml.etree import ElementTree

import numpy as np
import pinocchio
import urchin

urchin.URDF.load("given.urdf").save("saved.urdf")


def read_masses_kg(path):
    links = ElementTree.parse(path).findall("link[inertial]")
    return {link.get("name"): float(link.find("inertial/mass").get("value")) for link in links}


def find_moment_kg_m2(path):
    model = pinocchio.buildModelFromUrdf(path)
    return pinocchio.crba(model, model.createData(), np.zeros(1))[0, 0]


moments = [find_moment_kg_m2(path) for path in ("given.urdf", "saved.urdf")]
print("masses:", read_masses_kg("given.urdf"), read_masses_kg("saved.urdf"), "moments about the elbow:", np.round(moments, 3))
assert read_masses_kg("given.urdf") == {"arm": 2}
assert read_masses_kg("saved.urdf") == {"base": 1, "arm": 2, "tool": 1}
assert np.isclose(moments[0], 0.27)
assert np.isclose(moments[1], 1.52)
PYTHON
