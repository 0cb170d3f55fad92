#!/usr/bin/env bash
# brax loads an MJCF joint without its springref, frictionloss and limit of actuator force, and without a word.
#
# Guess: a loader that refuses the joint attribute ref by name (NotImplementedError) refuses other attributes that its
#        pipeline does not simulate, or simulates them.
# Seen:  20 steps after a start at 0.3 rad and 1.5 rad/s, the hinge has the speed of MuJoCo with damping, stiffness and
#        armature. With springref="30" the spring pulls to 0 in brax (1.76 instead of 2.31 rad/s), with frictionloss="2"
#        nothing rubs (2.10 instead of 1.67), with actuatorfrcrange the motor exceeds its limit (2.73 instead of 2.16),
#        and with gravcomp="1" the body falls (2.10 instead of 1.50).
# Tried with brax 0.14.2 (generalized pipeline), jax 0.10.2, mujoco 4.0.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check \
    brax==0.14.2 jax==0.10.2 jaxlib==0.10.2 mujoco==4.0.0 mujoco-mjx==3.17.0 numpy==2.3.5
environment/bin/python -W ignore - 2> errors.txt <<'PYTHON' || { cat errors.txt; exit 1; }
import jax
import mujoco
import numpy as np
from brax.generalized import pipeline
from brax.io import mjcf

jax.config.update("jax_enable_x64", True)
MODEL = """
<mujoco><option timestep="0.001"/><worldbody><body name="arm" {body}>
  <joint name="elbow" axis="0 1 0" {joint}/>
  <geom type="sphere" size="0.1" mass="1" pos="0.3 0 0"/>
</body></worldbody><actuator><motor joint="elbow" gear="{gear}"/></actuator></mujoco>"""


def find_speeds_rad_s(joint="", body="", gear=0):
    text = MODEL.format(joint=joint, body=body, gear=gear)
    model = mujoco.MjModel.from_xml_string(text)
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:], data.ctrl[:] = 0.3, 1.5, 1.0
    system = mjcf.loads(text)
    state = pipeline.init(system, jax.numpy.array([0.3]), jax.numpy.array([1.5]))
    step = jax.jit(pipeline.step)
    for _ in range(20):
        mujoco.mj_step(model, data)
        state = step(system, state, jax.numpy.ones(1))
    return float(data.qvel[0]), float(state.qd[0])


for joint in ('damping="2"', 'stiffness="5"', 'armature="0.5"'):
    speeds = find_speeds_rad_s(joint)
    print(joint, "MuJoCo and brax:", np.round(speeds, 3), "rad/s")
    assert np.isclose(*speeds, atol=2e-3)
for options, seen in (
    ({"joint": 'stiffness="5" springref="30"'}, (2.315, 1.760)),
    ({"joint": 'frictionloss="2"'}, (1.670, 2.095)),
    ({"joint": 'actuatorfrcrange="-0.3 0.3"', "gear": 3}, (2.159, 2.733)),
    ({"body": 'gravcomp="1"'}, (1.500, 2.095)),
):
    speeds = find_speeds_rad_s(**options)
    print(options, "MuJoCo and brax:", np.round(speeds, 3), "rad/s")
    assert np.allclose(speeds, seen, atol=2e-3)
try:
    find_speeds_rad_s('ref="30"')
except NotImplementedError as error:
    print("refused:", error)
else:
    raise SystemExit("brax reads ref now")
PYTHON
