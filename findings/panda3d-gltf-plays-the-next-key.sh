#!/usr/bin/env bash
# panda3d-gltf holds the next key of a linear glTF animation from the moment after the last one.
#
# Guess: a channel with the interpolation LINEAR, glTF's default, turns a joint steadily between its keys.
# Seen:  a knee with the keys 0 rad at 0 s, 1 rad at 1 s and 0 rad at 3 s stands at 1 rad for the first second and at 0 rad
#        for the other two, without a warning. STEP holds the key before, as it should. Keys at every 1/30 s, the pace at
#        which the package samples, are played as they are: only sparse keys show the jumps.
# Tried with panda3d-gltf 1.3.0, Panda3D 1.10.16, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check \
    panda3d-gltf==1.3.0 panda3d==1.10.16 numpy==2.3.5
environment/bin/python - 2> errors.txt <<'PYTHON' || { cat errors.txt; exit 1; }
import base64
import json

import gltf
import numpy as np
from direct.actor.Actor import Actor
from panda3d.core import Filename, NodePath

FLOAT, BYTE = 5126, 5121


def write(path, times_s, angles_rad, interpolation):
    turns = np.zeros((len(angles_rad), 4), "<f4")
    turns[:, 2], turns[:, 3] = np.sin(np.divide(angles_rad, 2)), np.cos(np.divide(angles_rad, 2))
    bind = np.tile(np.eye(4, dtype="<f4"), (2, 1, 1))
    bind[1, 3, 1] = -1  # the knee is 1 m above the hip; columns of glTF are rows here
    arrays = [
        (np.array(times_s, "<f4"), FLOAT, "SCALAR"),
        (turns, FLOAT, "VEC4"),
        (np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], "<f4"), FLOAT, "VEC3"),
        (np.zeros((3, 4), "u1"), BYTE, "VEC4"),
        (np.tile(np.array([1, 0, 0, 0], "<f4"), (3, 1)), FLOAT, "VEC4"),
        (bind, FLOAT, "MAT4"),
    ]
    views, accessors, data = [], [], b""
    for index, (values, component, kind) in enumerate(arrays):
        views.append({"buffer": 0, "byteOffset": len(data), "byteLength": values.nbytes})
        accessors.append({"bufferView": index, "componentType": component, "count": len(values), "type": kind})
        data += values.tobytes()
    accessors[0] |= {"min": [min(times_s)], "max": [max(times_s)]}
    accessors[2] |= {"min": [0, 0, 0], "max": [1, 1, 0]}
    document = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0, 2]}],
        "nodes": [
            {"name": "hip", "children": [1]},
            {"name": "knee", "translation": [0, 1, 0]},
            {"name": "body", "mesh": 0, "skin": 0},
        ],
        "skins": [{"joints": [0, 1], "inverseBindMatrices": 5}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 2, "JOINTS_0": 3, "WEIGHTS_0": 4}, "material": 0}]}],
        "materials": [{}],
        "animations": [{
            "name": "bend",
            "channels": [{"sampler": 0, "target": {"node": 1, "path": "rotation"}}],
            "samplers": [{"input": 0, "output": 1, "interpolation": interpolation}],
        }],
        "buffers": [{
            "byteLength": len(data),
            "uri": "data:application/octet-stream;base64," + base64.b64encode(data).decode(),
        }],
        "bufferViews": views,
        "accessors": accessors,
    }
    with open(path, "w") as stream:
        json.dump(document, stream)


def play(times_s, angles_rad, interpolation, at_s):
    write("bend.gltf", times_s, angles_rad, interpolation)
    actor = Actor(NodePath(gltf.load_model(Filename("bend.gltf"))))
    assert actor.getFrameRate("bend") == 30
    knee = actor.exposeJoint(None, "modelRoot", "knee")
    for time_s in at_s:
        actor.pose("bend", round(time_s * 30))
        actor.update(force=True)
        yield round(float(knee.getQuat().getAngleRad()), 3)


at_s = (0.1, 0.5, 0.9, 1.1, 2.0, 2.9)
linear, step = (list(play((0, 1, 3), (0, 1, 0), way, at_s)) for way in ("LINEAR", "STEP"))
dense = list(play(np.arange(61) / 30, np.arange(61) / 60, "LINEAR", (0.5, 1.0, 1.5)))
print("at", at_s, "s: linear", linear, "step", step, "rad; keys at every frame:", dense)
assert linear == [1, 1, 1, 0, 0, 0]
assert step == [0, 0, 0, 1, 1, 1]
assert np.allclose(dense, [0.25, 0.5, 0.75], atol=0.02)
PYTHON
