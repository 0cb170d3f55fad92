#!/usr/bin/env bash
# Pinocchio leaves out the mass of MJCF geoms that collide with nothing.
#
# Guess: contype and conaffinity concern contacts only, so a geom with mass="1" weighs 1 kg whatever they are.
# Seen:  a body of two spheres of 1 kg weighs 2 kg in MuJoCo and Drake, and 1 kg in Pinocchio if one of the spheres has
#        contype="0" and conaffinity="0". The inertia and the centre of mass change likewise.
# Tried with pin 4.1.0, drake 1.51.1, mujoco 4.0.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check pin==4.1.0 drake==1.51.1 mujoco==4.0.0 numpy==2.3.5
environment/bin/python - <<'PYTHON'
from pathlib import Path

import mujoco
import numpy as np
import pinocchio
from pydrake.multibody.parsing import Parser
from pydrake.multibody.plant import MultibodyPlant

MODEL = """
<mujoco model="arm"><worldbody><body name="arm">
  <joint name="elbow" axis="0 0 1"/>
  <geom type="sphere" size="0.1" mass="1"/>
  <geom type="sphere" size="0.1" mass="1" pos="0.5 0 0" {contacts}/>
</body></worldbody></mujoco>"""


def find_masses(contacts):
    """Return the mass and the distance of the centre of mass from the joint in MuJoCo, Drake and Pinocchio."""
    Path("arm.xml").write_text(MODEL.format(contacts=contacts))
    model = mujoco.MjModel.from_xml_path("arm.xml")
    plant = MultibodyPlant(0.0)
    Parser(plant).AddModels("arm.xml")
    plant.Finalize()
    body = plant.GetBodyByName("arm")
    inertia = pinocchio.buildModelFromMJCF("arm.xml").inertias[1]
    return np.array([
        [model.body("arm").mass[0], model.body("arm").ipos[0]],
        [body.default_mass(), body.default_com()[0]],
        [inertia.mass, inertia.lever[0]],
    ])


both, one = find_masses(""), find_masses('contype="0" conaffinity="0"')
print("mass and lever, colliding: ", both.round(3).tolist())
print("mass and lever, visual:    ", one.round(3).tolist())
assert np.allclose(both, [2, 0.25])
assert np.allclose(one[:2], [2, 0.25])
assert np.allclose(one[2], [1, 0])
PYTHON
