#!/usr/bin/env bash
# c3d writes the last seen place into the gaps of a marker.
#
# Guess: a point that is given as 0 0 0 (or NaN) with residual -1 comes back so, as in files of other writers.
# Seen:  the file holds the place of the last frame in which the marker was seen, still with residual -1, and so reads
#        c3d's own reader. A gap in a file that ezc3d wrote reads as 0 0 0. ezc3d turns both into NaN.
# Why it matters: code that finds gaps by zeros, or averages without residuals, sees a marker that stands still.
# Tried with c3d 0.6.0, ezc3d 1.7.2, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check c3d==0.6.0 ezc3d==1.7.2 numpy==2.3.5
environment/bin/python -W ignore - <<'PYTHON'
import c3d
import ezc3d
import numpy as np

places = np.array([[1, 2, 3], [4, 5, 6], [0, 0, 0], [np.nan, np.nan, np.nan], [7, 8, 9]], np.float32)
residuals = np.array([0, 0, -1, -1, 0], np.float32)

writer = c3d.Writer(point_rate=100, analog_rate=0)
for place, residual in zip(places, residuals, strict=True):
    point = np.array([[*place, residual, 0]], np.float32)
    writer.add_frames([(point, np.array([], np.float32))])
writer.set_point_labels(["HEAD"])
with open("c3d.c3d", "wb") as stream:
    writer.write(stream)

file = ezc3d.c3d()
file["parameters"]["POINT"]["RATE"]["value"] = [100.0]
file["parameters"]["POINT"]["LABELS"]["value"] = ["HEAD"]
file["data"]["points"] = np.ones((4, 1, len(places)))
file["data"]["points"][:3, 0] = np.where(residuals < 0, np.nan, places.T)
file.write("ezc3d.c3d")


def read_c3d(path):
    with open(path, "rb") as stream:
        return np.array([points[0, :4] for _, points, _ in c3d.Reader(stream).read_frames()])


own, other = read_c3d("c3d.c3d"), read_c3d("ezc3d.c3d")
print("frames 3 and 4, written by c3d:", own[2:4].tolist(), "by ezc3d:", other[2:4].tolist())
assert own[2:4].tolist() == [[4, 5, 6, -1]] * 2
assert other[2:4].tolist() == [[0, 0, 0, -1]] * 2
for path in ("c3d.c3d", "ezc3d.c3d"):
    assert np.isnan(ezc3d.c3d(path)["data"]["points"][:3, 0, 2:4]).all()
PYTHON
