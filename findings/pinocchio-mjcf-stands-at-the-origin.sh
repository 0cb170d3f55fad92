#!/usr/bin/env bash
# Pinocchio's neutral configuration puts a free body of an MJCF at the origin.
#
# Guess: pinocchio.neutral of a model read from MJCF is the pose in the file, as MuJoCo's qpos0.
# Seen:  neutral is all zeros without a turn; the pose of the file is in referenceConfigurations["qpos0"], with the
#        scalar of the quaternion last.
# Tried with pin 4.1.0, mujoco 4.0.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check pin==4.1.0 mujoco==4.0.0 numpy==2.3.5
environment/bin/python - <<'PYTHON'
from pathlib import Path

import mujoco
import numpy as np
import pinocchio

Path("free.xml").write_text("""
<mujoco model="free"><worldbody><body name="box" pos="0 0 1" euler="0 0 90"><freejoint/>
  <geom type="box" size=".1 .2 .3" mass="1"/></body></worldbody></mujoco>""")
start = mujoco.MjModel.from_xml_path("free.xml").qpos0
model = pinocchio.buildModelFromMJCF("free.xml")
neutral = pinocchio.neutral(model)
kept = np.asarray(model.referenceConfigurations["qpos0"])
print("MuJoCo", start.round(3), "neutral", neutral, "qpos0", kept.round(3))
assert neutral.tolist() == [0, 0, 0, 0, 0, 0, 1]
assert np.allclose(kept[:3], start[:3])
assert np.allclose(kept[3:], start[[4, 5, 6, 3]])
PYTHON
