#!/usr/bin/env bash
# MJX loads polynomial springs and ellipsoids in a fluid and simulates others: linear springs, and the box model of drag.
#
# Guess: MJX refuses what it does not simulate (NotImplementedError), as it refuses the implicit integrator, so a model
#        that it loads has MuJoCo's accelerations.
# Seen:  for a hinge at 1 rad with stiffness="3 2 1", MJX has the acceleration of stiffness="3". For a geom with
#        fluidshape="ellipsoid", MJX has the acceleration of fluidshape="none": -15.0 instead of -46.8 rad/s2 for the
#        spring, -12.1 instead of -8.5 for the fluid. Nothing is said.
# Tried with mujoco-mjx 3.17.0, mujoco 3.17.0, jax 0.10.2.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check \
    mujoco-mjx==3.17.0 mujoco==3.17.0 jax==0.10.2 jaxlib==0.10.2 numpy==2.3.5
environment/bin/python -W ignore - 2> errors.txt <<'PYTHON' || { cat errors.txt; exit 1; }
import jax
import mujoco
import numpy as np
from mujoco import mjx

jax.config.update("jax_enable_x64", True)
MODEL = """
<mujoco><option density="{density}" integrator="{integrator}"/><worldbody><body>
  <joint axis="0 1 0" stiffness="{stiffness}"/>
  <geom type="box" size="0.1 0.2 0.05" pos="0.3 0 0" mass="1" fluidshape="{shape}"/>
</body></worldbody></mujoco>"""


def find_accelerations(stiffness="0", density=0, shape="none", integrator="Euler"):
    model = mujoco.MjModel.from_xml_string(
        MODEL.format(stiffness=stiffness, density=density, shape=shape, integrator=integrator)
    )
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = 1.0, 5.0
    other = jax.jit(mjx.forward)(mjx.put_model(model), mjx.put_data(model, data))
    mujoco.mj_forward(model, data)
    return float(data.qacc[0]), float(other.qacc[0])


for name, simple, full in (
    ("spring", {"stiffness": "3"}, {"stiffness": "3 2 1"}),
    ("fluid", {"density": 100}, {"density": 100, "shape": "ellipsoid"}),
):
    simple, full = find_accelerations(**simple), find_accelerations(**full)
    print(f"{name}: MuJoCo and MJX {np.round(simple, 2)}, with the option {np.round(full, 2)} rad/s2")
    assert np.isclose(*simple, rtol=1e-6)
    assert np.isclose(full[1], simple[1], rtol=1e-6)
    assert not np.isclose(*full, rtol=0.05)
try:
    find_accelerations(integrator="implicit")
except NotImplementedError as error:
    print("refused:", error)
else:
    raise SystemExit("MJX takes the implicit integrator now")
PYTHON
