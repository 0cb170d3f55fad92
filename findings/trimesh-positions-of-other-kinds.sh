#!/usr/bin/env bash
# trimesh loads glTF positions without their sparse values and without their normalization.
#
# Guess: trimesh moves the points that a sparse accessor replaces, as glTF 2.0 has it, and divides normalized int16
#        positions by 32767, or refuses a file that requires KHR_mesh_quantization.
# Seen:  a corner that is moved from x = 1 to x = 5 by sparse values stays at 1 (Assimp: 5), and a triangle of 1 m in
#        normalized int16 is 32,767 m large. Nothing is said.
# Why it matters: quantized positions are how such files are made small for the web.
# Tried with trimesh 5.2.0, assimp-py 1.1.0, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check trimesh==5.2.0 assimp-py==1.1.0 numpy==2.3.5
environment/bin/python - <<'PYTHON'
import base64
import json

import assimp_py
import numpy as np
import trimesh

FLOAT, SHORT, UNSIGNED_SHORT = 5126, 5122, 5123
CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], "<f4")


def write(path, arrays, accessor, first_view={}, **others):
    """Write a glTF of one triangle whose arrays are buffer views, each from a multiple of 4 bytes."""
    views, data = [], b""
    for array in arrays:
        data += bytes(-len(data) % 4)
        views.append({"buffer": 0, "byteOffset": len(data), "byteLength": array.nbytes})
        data += array.tobytes()
    views[0] |= first_view
    uri = "data:application/octet-stream;base64," + base64.b64encode(data).decode()
    document = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "buffers": [{"byteLength": len(data), "uri": uri}],
        "bufferViews": views,
        "accessors": [{"bufferView": 0, "count": 3, "type": "VEC3"} | accessor],
    } | others
    with open(path, "w") as stream:
        json.dump(document, stream)


sparse = {
    "count": 1,
    "indices": {"bufferView": 1, "componentType": UNSIGNED_SHORT},
    "values": {"bufferView": 2},
}
write(
    "sparse.gltf",
    [CORNERS, np.array([1], "<u2"), np.array([[5, 0, 0]], "<f4")],
    {"componentType": FLOAT, "sparse": sparse, "min": [0, 0, 0], "max": [5, 1, 0]},
)
padded = np.zeros((3, 4), "<i2")  # rows of 8 bytes: positions start at multiples of 4
padded[:, :3] = 32767 * CORNERS
write(
    "quantized.gltf",
    [padded],
    {"componentType": SHORT, "normalized": True, "min": [0, 0, 0], "max": [32767, 32767, 0]},
    first_view={"byteStride": 8, "target": 34962},
    extensionsUsed=["KHR_mesh_quantization"],
    extensionsRequired=["KHR_mesh_quantization"],
)

sizes = {name: trimesh.load_scene(name + ".gltf").extents.tolist() for name in ("sparse", "quantized")}
scene = assimp_py.import_file("sparse.gltf", 0)
corners = np.reshape(scene.meshes[0].vertices, (3, 3))
print("sizes in trimesh:", sizes, "corners of the sparse triangle in Assimp:", corners.tolist())
assert sizes == {"sparse": [1, 1, 0], "quantized": [32767, 32767, 0]}
assert np.allclose(corners, [[0, 0, 0], [5, 0, 0], [0, 1, 0]])
PYTHON
