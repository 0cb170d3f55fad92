#!/usr/bin/env bash
# Drake reads an MJCF joint without its armature and without a word; Pinocchio and MuJoCo keep it.
#
# Guess: a parser that warns of each attribute that it leaves out (timestep, stiffness, springref) warns of armature,
#        or uses it.
# Seen:  the inertia of a hinge with armature 0.5 is 0.590 kg m2 in MuJoCo and Pinocchio and 0.090 in Drake, whose
#        warnings name other attributes.
# Tried with drake 1.51.1, pin 4.1.0, mujoco 4.0.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check drake==1.51.1 pin==4.1.0 mujoco==4.0.0 numpy==2.3.5
environment/bin/python - <<'PYTHON'
from pathlib import Path

import mujoco
import numpy as np
import pinocchio
from pydrake.multibody.parsing import Parser
from pydrake.multibody.plant import MultibodyPlant

Path("hinge.xml").write_text("""
<mujoco model="hinge"><worldbody><body name="arm" pos="0 0 1">
  <joint name="hinge" type="hinge" axis="0 1 0" armature="0.5"/>
  <geom type="capsule" size="0.05" fromto="0 0 0 0 0 -0.5" mass="1"/>
</body></worldbody></mujoco>""")
model = mujoco.MjModel.from_xml_path("hinge.xml")
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
full = np.zeros((1, 1))
mujoco.mj_fullM(model, data, full)
pin_model = pinocchio.buildModelFromMJCF("hinge.xml")
crba = pinocchio.crba(pin_model, pin_model.createData(), np.zeros(1))
plant = MultibodyPlant(0.0)
Parser(plant).AddModels("hinge.xml")
plant.Finalize()
drake = plant.CalcMassMatrixViaInverseDynamics(plant.CreateDefaultContext())
print(f"inertia: MuJoCo {full[0, 0]:.3f}, Pinocchio {crba[0, 0]:.3f}, Drake {drake[0, 0]:.3f} kg m2")
assert np.allclose([full, crba], 0.59, atol=1e-3)
assert np.allclose(drake, 0.09, atol=1e-3)
PYTHON
