#!/usr/bin/env bash
# One full step of mink towards a target that is turned leaves a free body away from it.
#
# Guess: a free body has no limits, so solving for the task's error and integrating the velocity once reaches the
#        target.
# Seen:  for a target 0.3 m away and turned by 90 degrees, the turn is exact and 0.24 m are left: the error is a
#        screw motion, MuJoCo's free joint moves straight.
# Tried with mink 1.3.0, mujoco 4.0.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check mink==1.3.0 mujoco==4.0.0 daqp numpy==2.3.5
environment/bin/python - <<'PYTHON'
import mink
import mujoco
import numpy as np

model = mujoco.MjModel.from_xml_string("""
<mujoco><worldbody><body name="box" pos="0 0 1" euler="0 0 90"><freejoint/>
  <geom type="box" size=".1 .2 .3" mass="1" pos="0.1 0 0"/></body></worldbody></mujoco>""")
configuration = mink.Configuration(model)
configuration.update(model.qpos0.copy())
task = mink.FrameTask("box", "body", position_cost=1.0, orientation_cost=1.0)
target = mink.SE3.from_rotation_and_translation(mink.SO3.identity(), np.array([0.3, 0.0, 1.0]))
task.set_target(target)
velocity = mink.solve_ik(configuration, [task], dt=0.01, solver="daqp")
configuration.integrate_inplace(velocity, 0.01)
left = task.compute_error(configuration)
print("left after one full step:", left.round(4))
assert np.abs(left[3:]).max() < 1e-6
assert abs(np.linalg.norm(left[:3]) - 0.244) < 0.002
for _ in range(3):
    configuration.integrate_inplace(mink.solve_ik(configuration, [task], dt=0.01, solver="daqp"), 0.01)
assert np.linalg.norm(task.compute_error(configuration)) < 1e-6
PYTHON
