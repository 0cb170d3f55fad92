#!/usr/bin/env bash
# pyomeca drops the first frame of a TRC file that has no empty line below its header.
#
# Guess: Markers.from_trc reads as many frames as the header counts, whether an empty line follows the names of the
#        coordinates, as some programs write, or not.
# Seen:  of 4 frames it reads 4 with the empty line and 3 without: the sixth line is always passed over. Times, rate and names
#        stay plausible, and no warning is given, although NumFrames says 4. Tabs have to be asked for in both cases
#        (pandas_kwargs), and an empty cell becomes NaN in the right marker.
# Why it matters: markers and forces or angles of other files are then one frame apart by index.
# Tried with pyomeca 2026.0.2, pandas 3.1.1, xarray 2026.9.0, SciPy 1.17.1, NumPy 2.4.6.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check \
    pyomeca==2026.0.2 pandas==3.1.1 xarray==2026.9.0 scipy==1.17.1 numpy==2.4.6
environment/bin/python -W ignore - <<'PYTHON'
from pathlib import Path

import numpy as np
from pyomeca import Markers

HEADER = """PathFileType,4,(X/Y/Z),walk.trc
DataRate,CameraRate,NumFrames,NumMarkers,Units,OrigDataRate,OrigDataStartFrame,OrigNumFrames
100,100,4,2,mm,100,1,4
Frame#,Time,HEAD,,,FOOT,,
,,X1,Y1,Z1,X2,Y2,Z2
"""
FRAMES = """1,0.00,10.5,11,12,20,21,22
2,0.01,13.5,14,15,23,24,25
3,0.02,16.5,17,18,,,
4,0.03,19.5,20,21,29,30,31
"""


def read_markers(text):
    Path("walk.trc").write_text(text.replace(",", "\t"))
    return Markers.from_trc("walk.trc", pandas_kwargs={"sep": "\t"})


for empty_line, times_s in (("\n", [0, 0.01, 0.02, 0.03]), ("", [0.01, 0.02, 0.03])):
    markers = read_markers(HEADER + empty_line + FRAMES)
    print("empty line" if empty_line else "none", markers.time.values, "x of HEAD:", markers.values[0, 0], markers.attrs)
    assert markers.time.values.tolist() == times_s
    assert markers.values[0, 0].tolist() == [10.5, 13.5, 16.5, 19.5][-len(times_s) :]
    assert np.isnan(markers.values[:3, 1, -2]).all()
    assert markers.values[:3, 1, -1].tolist() == [29, 30, 31]
    assert markers.attrs["rate"] == 100
    assert markers.channel.values.tolist() == ["HEAD", "FOOT"]
PYTHON
