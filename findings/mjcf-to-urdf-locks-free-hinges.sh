#!/usr/bin/env bash
# mjcf_urdf_simple_converter turns a hinge without limits into a URDF joint that may not move.
#
# Guess: an MJCF hinge without a range becomes a continuous joint, or a revolute one with wide limits.
# Seen:  it becomes revolute with limits from 0 to 0. Pinocchio and yourdfpy take these as they are, so every random
#        configuration has the joint at 0; MuJoCo says that it ignores them. A hinge with a range keeps its range.
# Tried with mjcf_urdf_simple_converter 0.7.3, mujoco 4.0.0, pin 4.1.0, yourdfpy 0.0.60.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check \
    mjcf-urdf-simple-converter==0.7.3 mujoco==4.0.0 pin==4.1.0 yourdfpy==0.0.60 scipy==1.17.1 numpy==2.3.5
environment/bin/python -W ignore - <<'PYTHON'
from pathlib import Path

import mujoco
import numpy as np
import pinocchio
import yourdfpy
from mjcf_urdf_simple_converter import convert

Path("arm.xml").write_text("""
<mujoco><worldbody><body name="upper"><joint name="shoulder" axis="0 1 0"/><geom type="sphere" size="0.1" mass="1"/>
  <body name="lower" pos="0 0 -0.3"><joint name="elbow" axis="0 1 0" range="0 90"/><geom type="sphere" size="0.1" mass="1"/>
</body></body></worldbody></mujoco>""")
convert("arm.xml", "arm.urdf")

model = pinocchio.buildModelFromUrdf("arm.urdf")
random = np.array([pinocchio.randomConfiguration(model) for _ in range(100)])
joints = yourdfpy.URDF.load("arm.urdf", build_scene_graph=False, load_meshes=False).joint_map
limits = {name: (joints[name].type, joints[name].limit.lower, joints[name].limit.upper) for name in ("shoulder", "elbow")}
print("limits:", limits, "; widest of 100 random configurations:", np.ptp(random, axis=0).round(2).tolist())
assert limits["shoulder"] == ("revolute", 0, 0)
assert np.allclose(limits["elbow"][1:], [0, np.pi / 2])
assert np.all(random[:, 0] == 0)
assert np.ptp(random[:, 1]) > 1
assert not mujoco.MjModel.from_xml_path("arm.urdf").joint("shoulder").limited[0]
PYTHON
