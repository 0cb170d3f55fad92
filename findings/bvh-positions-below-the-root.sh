#!/usr/bin/env bash
# bvh-converter and bvhtoolbox read the position channels of a joint below the root and do not use them.
#
# Guess: position channels move their joint in every reader, so readers agree where a chest with six channels is.
# Seen:  for a chest with OFFSET 0 10 0 and Yposition 12, bvhio and bvhsdk put the chest at 12, in place of the OFFSET;
#        bvh-converter and bvhtoolbox put it at 10, whatever the channels hold, and warn of nothing.
# Why it matters: bones that stretch, as retargeting and some solvers write them, keep their length in two readers.
# Tried with bvhio 1.5.4, bvhsdk 0.2.1, bvh-converter 1.0.2, bvhtoolbox 0.1.3.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check \
    bvhio==1.5.4 bvhsdk==0.2.1 bvh-converter==1.0.2 bvhtoolbox==0.1.3 numpy==2.3.5
cat > given.bvh <<'BVH'
HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Chest
  {
    OFFSET 0 10 0
    CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 5 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.01
0 0 0 0 0 0 0 10 0 0 0 0
0 0 0 0 0 0 0 12 0 0 0 0
BVH
environment/bin/python -W ignore - <<'PYTHON'
import contextlib
import csv
import io
import subprocess
import sys
from pathlib import Path

import bvhio
import bvhsdk
from bvhtoolbox.convert import bvh2csv


def read_heights_csv(path):
    rows = list(csv.DictReader(Path(path).read_text().lower().splitlines()))
    return [float(row["chest.y"]) for row in rows]


def find_heights_bvhio():
    hierarchy = bvhio.readAsHierarchy("given.bvh")
    for frame in range(2):
        hierarchy.loadPose(frame)
        yield hierarchy.Children[0].PositionWorld.y


with contextlib.redirect_stdout(io.StringIO()):
    chest = bvhsdk.ReadFile("given.bvh").getlistofjoints()[1]
    bvh2csv("given.bvh", export_position=True, export_rotation=False, export_hierarchy=False)
subprocess.run([sys.executable, "-m", "bvh_converter", "given.bvh"], check=True, capture_output=True)
heights = {
    "bvhio": [float(height) for height in find_heights_bvhio()],
    "bvhsdk": [float(chest.getPosition(frame)[1]) for frame in range(2)],
    "bvh-converter": read_heights_csv("given_worldpos.csv"),
    "bvhtoolbox": read_heights_csv("given_pos.csv"),
}
print("height of the chest for the channels 10 and 12:", heights)
assert heights["bvhio"] == heights["bvhsdk"] == [10, 12]
assert heights["bvh-converter"] == heights["bvhtoolbox"] == [10, 10]
PYTHON
