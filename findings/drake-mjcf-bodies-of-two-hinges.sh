#!/usr/bin/env bash
# Drake turns an MJCF body of two hinges about the origin of its parent.
#
# Guess: a body with two hinges, the usual way to write a shoulder or hip in MJCF, moves as in MuJoCo: both axes pass
#        through the body's own frame.
# Seen:  the first hinge passes through the parent's origin. A body 0.4 m below its parent is 0.12 m away from MuJoCo's
#        place at 0.3 rad of the first hinge, and its inertia about that hinge is 0.164 instead of 0.004 kg m2. Drake
#        warns of nothing. A body of one hinge agrees, and so does Pinocchio for both.
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

MODEL = """
<mujoco model="leg"><worldbody><body name="hip" pos="0 0 -0.4">
  <joint name="flexion" axis="0 1 0"/>{second}
  <geom type="sphere" size="0.1" mass="1"/>
</body></worldbody></mujoco>"""


def find_hip_and_inertia(text, angles_rad):
    """Return the place of the body and its inertia about the first hinge in MuJoCo, Pinocchio and Drake."""
    Path("leg.xml").write_text(text)
    model = mujoco.MjModel.from_xml_path("leg.xml")
    data = mujoco.MjData(model)
    data.qpos[:] = angles_rad
    mujoco.mj_forward(model, data)
    full = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, full)
    yield data.body("hip").xpos, full[0, 0]

    model = pinocchio.buildModelFromMJCF("leg.xml")
    data = model.createData()
    pinocchio.framesForwardKinematics(model, data, np.array(angles_rad))
    yield data.oMf[model.getFrameId("hip")].translation, pinocchio.crba(model, data, np.array(angles_rad))[0, 0]

    plant = MultibodyPlant(0.0)
    Parser(plant).AddModels("leg.xml")
    plant.Finalize()
    context = plant.CreateDefaultContext()
    plant.SetPositions(context, angles_rad)
    place = plant.EvalBodyPoseInWorld(context, plant.GetBodyByName("hip")).translation()
    yield place, plant.CalcMassMatrixViaInverseDynamics(context)[0, 0]


for place, inertia in find_hip_and_inertia(MODEL.format(second=""), [0.3]):
    assert np.allclose(place, [0, 0, -0.4])
    assert np.isclose(inertia, 0.004)
two = list(find_hip_and_inertia(MODEL.format(second='<joint name="abduction" axis="1 0 0"/>'), [0.3, 0.0]))
for name, (place, inertia) in zip(("MuJoCo", "Pinocchio", "Drake"), two, strict=True):
    print(f"{name}: hip at {place.round(3)} m, inertia about the first hinge {inertia:.3f} kg m2")
for place, inertia in two[:2]:
    assert np.allclose(place, [0, 0, -0.4])
    assert np.isclose(inertia, 0.004)
assert np.allclose(two[2][0], -0.4 * np.array([np.sin(0.3), 0, np.cos(0.3)]))
assert np.isclose(two[2][1], 0.164)
PYTHON
