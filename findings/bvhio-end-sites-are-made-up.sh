#!/usr/bin/env bash
# bvhio's hierarchy forgets End Sites and writes others.
#
# Guess: a BVH file that is read as a hierarchy and written again keeps the OFFSET of each End Site, as the OFFSET of
#        each joint is kept: End Sites are the tips of toes, fingers and heads.
# Seen:  the End Site of a joint becomes 0.3 times as long as the bone above the joint, whatever the file says: with a
#        bone of 30 the tips at 10 and at 50 both come out at 9. Read and written without a hierarchy (readAsBvh,
#        writeBvh) they stay.
# Tried with bvhio 1.5.4.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check bvhio==1.5.4 numpy==2.3.5
environment/bin/python -W ignore - <<'PYTHON'
from pathlib import Path

import bvhio

TEXT = """HIERARCHY
ROOT Hips
{{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Head
  {{
    OFFSET 0 30 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {{
      OFFSET 0 {tip} 0
    }}
  }}
}}
MOTION
Frames: 1
Frame Time: 0.0333333
0 90 0 0 0 0 0 0 0
"""


def find_offsets(path):
    return [float(line.split()[2]) for line in Path(path).read_text().splitlines() if "OFFSET" in line]


for tip in (10, 50):
    Path("given.bvh").write_text(TEXT.format(tip=tip))
    bvhio.writeHierarchy("hierarchy.bvh", bvhio.readAsHierarchy("given.bvh"), 1 / 30)
    bvhio.writeBvh("plain.bvh", bvhio.readAsBvh("given.bvh"))
    print("given:", find_offsets("given.bvh"), "hierarchy:", find_offsets("hierarchy.bvh"), "plain:", find_offsets("plain.bvh"))
    assert find_offsets("hierarchy.bvh") == [0, 30, 9]
    assert find_offsets("plain.bvh") == [0, 30, tip]
PYTHON
