#!/usr/bin/env bash
# A C3D file of 70,000 frames comes back with 65,535 from ezc3d and with none from c3d.
#
# Guess: readers use the parameters that were added to C3D for more than 65,535 frames, or warn.
# Seen:  ezc3d writes the file and reads 65,535 frames of it without a warning; c3d 0.6.0 counts frames in 16 bits
#        and yields none, with warnings.
# Tried with ezc3d 1.7.2, c3d 0.6.0, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check ezc3d==1.7.2 c3d==0.6.0 numpy==2.3.5
environment/bin/python - <<'PYTHON'
import warnings

import c3d
import ezc3d
import numpy as np

frames = 70_000
file = ezc3d.c3d()
file["parameters"]["POINT"]["RATE"]["value"] = [240.0]
file["parameters"]["POINT"]["LABELS"]["value"] = ["HEAD"]
file["data"]["points"] = np.ones((4, 1, frames))
file.write("long.c3d")
seen = ezc3d.c3d("long.c3d")["data"]["points"].shape[2]
with warnings.catch_warnings(), open("long.c3d", "rb") as stream:
    warnings.simplefilter("ignore")
    counted = sum(1 for _ in c3d.Reader(stream).read_frames())
print(f"{frames} frames written; ezc3d reads {seen}, c3d {counted}")
assert seen == 65_535
assert counted == 0
PYTHON
