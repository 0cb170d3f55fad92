#!/usr/bin/env bash
# ezc3d and c3d swap the residuals and the camera masks of each other's files.
#
# Guess: the residual of a point, in a file of floats, is the same number in both packages, as the place of a point is.
# Seen:  a point with residual 5 that cameras 1, 2 and 3 saw (mask 7), written by ezc3d, has residual 7 and mask 5 in
#        c3d, and likewise the other way round. Each package reads back what it wrote. One takes the residual from the
#        low byte of the fourth word, the other from the high byte.
# Why it matters: markers are often dropped by their residual, and no reader warns. Gaps are safe: -1 stays -1.
# Tried with ezc3d 1.7.2, c3d 0.6.0, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check ezc3d==1.7.2 c3d==0.6.0 numpy==2.3.5
environment/bin/python -W ignore - <<'PYTHON'
import c3d
import ezc3d
import numpy as np

frames, residual, cameras = 3, 5, np.array([1, 1, 1, 0, 0, 0, 0], bool)
mask = int(cameras @ 2 ** np.arange(7))

file = ezc3d.c3d()
file["parameters"]["POINT"]["RATE"]["value"] = [100.0]
file["parameters"]["POINT"]["LABELS"]["value"] = ["HEAD"]
file["data"]["points"] = np.ones((4, 1, frames))
file["data"]["meta_points"]["residuals"] = np.full((1, 1, frames), float(residual))
file["data"]["meta_points"]["camera_masks"] = np.tile(cameras[:, None, None], (1, 1, frames))
file.write("ezc3d.c3d")

writer = c3d.Writer(point_rate=100, analog_rate=0)
point = np.array([[1, 1, 1, residual, mask]], np.float32)
writer.add_frames([(point, np.array([], np.float32))] * frames)
writer.set_point_labels(["HEAD"])
with open("c3d.c3d", "wb") as stream:
    writer.write(stream)


def read_ezc3d(path):
    seen = ezc3d.c3d(path)["data"]["meta_points"]
    return float(seen["residuals"][0, 0, 0]), int(seen["camera_masks"][:, 0, 0] @ 2 ** np.arange(7))


def read_c3d(path):
    with open(path, "rb") as stream:
        _, points, _ = next(iter(c3d.Reader(stream).read_frames()))
    return float(points[0, 3]), int(points[0, 4])


seen = {(name, path): read(path) for path in ("ezc3d.c3d", "c3d.c3d")
        for name, read in (("ezc3d", read_ezc3d), ("c3d", read_c3d))}
print(f"residual {residual} and mask {mask} as (reader, file): (residual, mask)", seen)
assert seen["ezc3d", "ezc3d.c3d"] == seen["c3d", "c3d.c3d"] == (residual, mask)
assert seen["c3d", "ezc3d.c3d"] == seen["ezc3d", "c3d.c3d"] == (mask, residual)
PYTHON
