#!/usr/bin/env bash
# usd2gltf keeps the centimetres and the vertical z of a stage, plays it at another pace, and turns long turns the short way.
#
# Guess: the converter brings a stage to glTF's metres and y up, counts time by timeCodesPerSecond, and samples a turn of
#        270 degrees between its two keys.
# Seen:  a mesh 200 cm high along z is 200 m long along z in the glTF, with no scale and no turn in any node. With
#        timeCodesPerSecond 60, a motion of 1 s takes 2.5 s: framesPerSecond, a hint for players with the default 24, is
#        used. A turn about z from 0 to 270 degrees has two keys of quaternions 90 degrees apart, so that a viewer turns it
#        by -45 instead of 135 degrees at its half. Nothing is said.
# Tried with usd2gltf 0.3.5, usd-core 26.11, SciPy 1.17.1, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check \
    usd2gltf==0.3.5 usd-core==26.11 scipy==1.17.1 numpy==2.3.5
environment/bin/python - <<'PYTHON'
from pxr import Gf, Usd, UsdGeom

stage = Usd.Stage.CreateNew("given.usda")
UsdGeom.SetStageMetersPerUnit(stage, 0.01)
UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
stage.SetTimeCodesPerSecond(60)  # framesPerSecond keeps its default
stage.SetStartTimeCode(0)
stage.SetEndTimeCode(60)
stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, "/world").GetPrim())
mesh = UsdGeom.Mesh.Define(stage, "/world/flag")
mesh.CreatePointsAttr([(0, 0, 0), (100, 0, 0), (0, 0, 200)])
mesh.CreateFaceVertexCountsAttr([3])
mesh.CreateFaceVertexIndicesAttr([0, 1, 2])
turn = mesh.AddRotateXYZOp()
turn.Set(Gf.Vec3f(0, 0, 0), 0)
turn.Set(Gf.Vec3f(0, 0, 270), 60)
half = Usd.TimeCode(30)
print("turn in USD at the half:", turn.Get(half))
assert turn.Get(half) == Gf.Vec3f(0, 0, 135)
stage.Save()
PYTHON
environment/bin/usd2gltf -i given.usda -o converted.gltf
environment/bin/python - <<'PYTHON'
import json
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

document = json.loads(Path("converted.gltf").read_text())


def read(accessor):
    view = document["bufferViews"][accessor["bufferView"]]
    start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    data = Path(document["buffers"][view["buffer"]]["uri"]).read_bytes()
    width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[accessor["type"]]
    return np.frombuffer(data, "<f4", width * accessor["count"], start).reshape(-1, width)


accessors, nodes, animation = document["accessors"], document["nodes"], document["animations"][0]
points = accessors[document["meshes"][0]["primitives"][0]["attributes"]["POSITION"]]
moved = [node["name"] for node in nodes if "matrix" in node or node.get("scale", [1, 1, 1]) != [1, 1, 1]
         or node.get("rotation", [0, 0, 0, 1]) != [0, 0, 0, 1]]
channel = next(item for item in animation["channels"] if item["target"]["path"] == "rotation")
sampler = animation["samplers"][channel["sampler"]]
times_s, keys = read(accessors[sampler["input"]])[:, 0], read(accessors[sampler["output"]])
# glTF has quaternions interpolated the short way
half_deg = Slerp(times_s, Rotation.from_quat(keys))(times_s.mean()).as_euler("xyz", degrees=True)[2]
print("largest coordinates:", points["max"], "nodes with a scale or turn:", moved, "keys at", times_s.tolist(), "s:", len(keys),
      sampler["interpolation"], "turn at the half:", round(half_deg, 3))
assert points["max"] == [100, 0, 200]
assert not moved
assert times_s.tolist() == [0, 2.5]
assert sampler["interpolation"] == "LINEAR"
assert np.isclose(half_deg, -45, atol=1e-3)
PYTHON
