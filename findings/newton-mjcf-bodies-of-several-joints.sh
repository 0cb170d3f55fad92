#!/usr/bin/env bash
# Newton puts all joints of an MJCF body at the place of the first one, and slides before hinges.
#
# Guess: a body with several joints stands in Newton where it stands in MuJoCo at the same joint positions, as a body with one
#        joint does: each hinge turns about its own pos, in the order of the file.
# Seen:  two hinges with pos="0.1 0 0.2" and pos="0 0.3 0" both turn about the first place, so the body is 14 cm from
#        MuJoCo's. A hinge below a slide turns about the slide's place, the origin of the body. A slide that follows a hinge
#        comes before it, and the positions of both change places in joint_q. Hinges with one pos agree. No warning is given.
# Why it matters: shoulders, hips and planar roots are written so.
# Tried with newton 1.8.0, warp-lang 1.19.0, mujoco 4.0.0, NumPy 2.3.5, on a CPU.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check \
    newton==1.8.0 warp-lang==1.19.0 mujoco==4.0.0 numpy==2.3.5
environment/bin/python - <<'PYTHON'
import warnings

import mujoco
import newton
import numpy as np
import warp as wp

wp.config.quiet = True
np.set_printoptions(suppress=True)
HINGE, OTHER = '<joint axis="0 1 0" pos="0.1 0 0.2"/>', '<joint axis="1 0 0" pos="{}"/>'
SLIDE = '<joint type="slide" axis="0 0 1"/>'


def find_places(joints, positions):
    """Return the place in m of the body in MuJoCo and in Newton."""
    text = f'<mujoco><worldbody><body>{joints}<geom size="0.1" mass="1"/></body></worldbody></mujoco>'
    model = mujoco.MjModel.from_xml_string(text)
    data = mujoco.MjData(model)
    data.qpos[:] = positions
    mujoco.mj_forward(model, data)
    builder = newton.ModelBuilder()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        builder.add_mjcf(text)
    assert not [each for each in caught if each.category is UserWarning], caught
    model = builder.finalize()
    state = model.state()
    newton.eval_fk(model, wp.array(positions, dtype=float), model.joint_qd, state)
    return data.xpos[1], state.body_q.numpy()[0, :3]


for name, joints, positions in (
    ("one hinge", HINGE, [0.3]),
    ("hinges at one place", HINGE + OTHER.format("0.1 0 0.2"), [0.3, 0.4]),
    ("slide and hinge at the origin", SLIDE + OTHER.format("0 0 0"), [0.4, 0.3]),
):
    in_mujoco, in_newton = find_places(joints, positions)
    print(name, in_mujoco.round(4), in_newton.round(4))
    assert np.allclose(in_mujoco, in_newton, atol=1e-5)

same_place = HINGE + OTHER.format("0.1 0 0.2")
in_mujoco, in_newton = find_places(HINGE + OTHER.format("0 0.3 0"), [0.3, 0.4])
print("hinges at two places", in_mujoco.round(4), in_newton.round(4))
assert np.allclose(np.linalg.norm(in_mujoco - in_newton), 0.143, atol=1e-3)
assert np.allclose(in_newton, find_places(same_place, [0.3, 0.4])[0], atol=1e-5)

in_mujoco, in_newton = find_places(SLIDE + HINGE, [0.4, 0.3])
print("slide, then hinge", in_mujoco.round(4), in_newton.round(4))
assert np.allclose(in_mujoco, [-0.0546, 0, 0.4385], atol=1e-4)
assert np.allclose(in_newton, [0, 0, 0.4], atol=1e-5)

in_mujoco, in_newton = find_places(HINGE + SLIDE, [0.3, 0.4])
print("hinge, then slide", in_mujoco.round(4), in_newton.round(4))
assert np.allclose(in_mujoco, [0.0636, 0, 0.4206], atol=1e-4)
assert np.allclose(in_newton, [-0.07, 0, 0.3547], atol=1e-4)
PYTHON
