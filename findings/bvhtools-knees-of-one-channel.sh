#!/usr/bin/env bash
# bvhTools reads a BVH joint with one rotation channel and keeps it straight.
#
# Guess: a knee with CHANNELS 1 Xrotation bends, as a reader that follows the channels' names turns any subset of them.
# Seen:  at 90 degrees the foot of a leg of 80 cm stays 80 cm below the hip, without a warning. bvhio bends the knee.
#        The same knee with two more channels, both 0, bends in bvhTools, too.
# Tried with bvhtools 1.6.0, bvhio 1.5.4.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check bvhtools==1.6.0 bvhio==1.5.4 numpy==2.3.5
environment/bin/python -W ignore - <<'PYTHON'
from pathlib import Path

import bvhio
import numpy as np
from bvhTools.bvhIO import readBvh

TEXT = """HIERARCHY
ROOT Hips
{{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Knee
  {{
    OFFSET 0 -40 0
    CHANNELS {channels}
    JOINT Foot
    {{
      OFFSET 0 -40 0
      CHANNELS 3 Zrotation Xrotation Yrotation
      End Site
      {{
        OFFSET 0 0 15
      }}
    }}
  }}
}}
MOTION
Frames: 1
Frame Time: 0.01
0 0 0 0 0 0 {angles} 0 0 0
"""


def find_feet(channels, angles):
    Path("leg.bvh").write_text(TEXT.format(channels=channels, angles=angles))
    hierarchy = bvhio.readAsHierarchy("leg.bvh")
    hierarchy.loadPose(0)
    foot = hierarchy.Children[0].Children[0].PositionWorld
    return np.round(readBvh("leg.bvh").getFKAtFrame(0)["Foot"][1], 4), np.round([foot.x, foot.y, foot.z], 4)


one, three = find_feet("1 Xrotation", "90"), find_feet("3 Zrotation Xrotation Yrotation", "0 90 0")
print("foot with one channel: bvhTools", one[0], "bvhio", one[1], "; with three: bvhTools", three[0], "bvhio", three[1])
assert np.allclose(one[0], [0, -80, 0])
assert np.allclose([one[1], *three], [0, -40, -40], atol=1e-3)
PYTHON
