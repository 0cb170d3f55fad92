#!/usr/bin/env bash
# trimesh puts a skinned glTF mesh at its own node, where the format says to ignore that node.
#
# Guess: the transform of a node with a skin is ignored, as glTF 2.0 demands: only the joints place such a mesh.
# Seen:  a triangle whose joint is at the origin is loaded 5 m away, the translation of its node, and an export to GLB
#        keeps the 5 m and drops the skin, so that every viewer then shows the mesh there.
# Tried with trimesh 5.2.0, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check trimesh==5.2.0 numpy==2.3.5
environment/bin/python - <<'PYTHON'
import base64
import json

import numpy as np
import trimesh

FLOAT, BYTE, SHORT = 5126, 5121, 5123
arrays = [  # values, component type, type
    (np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], "<f4"), FLOAT, "VEC3"),
    (np.array([0, 1, 2, 0], "<u2"), SHORT, "SCALAR"),
    (np.zeros((3, 4), "u1"), BYTE, "VEC4"),
    (np.tile(np.array([1, 0, 0, 0], "<f4"), (3, 1)), FLOAT, "VEC4"),
    (np.eye(4, dtype="<f4"), FLOAT, "MAT4"),
]
views, accessors, data = [], [], b""
for index, (values, component, kind) in enumerate(arrays):
    views.append({"buffer": 0, "byteOffset": len(data), "byteLength": values.nbytes})
    count = 1 if kind == "MAT4" else 3
    accessors.append({"bufferView": index, "componentType": component, "count": count, "type": kind})
    data += values.tobytes()
accessors[0] |= {"min": [0, 0, 0], "max": [1, 1, 0]}
attributes = {"POSITION": 0, "JOINTS_0": 2, "WEIGHTS_0": 3}
document = {
    "asset": {"version": "2.0"},
    "scene": 0,
    "scenes": [{"nodes": [0, 1]}],
    "nodes": [{"mesh": 0, "skin": 0, "translation": [5, 0, 0]}, {"name": "joint"}],
    "meshes": [{"primitives": [{"attributes": attributes, "indices": 1}]}],
    "skins": [{"joints": [1], "inverseBindMatrices": 4}],
    "buffers": [{
        "byteLength": len(data),
        "uri": "data:application/octet-stream;base64," + base64.b64encode(data).decode(),
    }],
    "bufferViews": views,
    "accessors": accessors,
}
with open("skinned.gltf", "w") as stream:
    json.dump(document, stream)

scene = trimesh.load_scene("skinned.gltf")
scene.export("again.glb")
again = trimesh.load_scene("again.glb")
has_skin = b'"skins"' in open("again.glb", "rb").read()
print("bounds:", scene.bounds.tolist(), "after export:", again.bounds.tolist(), "with a skin:", has_skin)
assert scene.bounds.tolist() == again.bounds.tolist() == [[5, 0, 0], [6, 1, 0]]
assert not has_skin
PYTHON
