#!/usr/bin/env bash
# trimesh computes volume, area, mass and inertia of a scene without the scales of its nodes.
#
# Guess: Scene.volume, area, center_mass and moment_inertia are those of the mesh that the scene's to_mesh() gives, as
#        their documentation speaks of every instance.
# Seen:  a box of 100 cm under a glTF node of scale 0.01 has a volume of 1,000,000 in the scene and of 1 as a mesh; its
#        bounds are right. With a second box of scale 0.02, the centre of mass is at 1.5 and at 2.67 as a mesh.
# Why it matters: exporters put the conversion from centimetres in such a node.
# Tried with trimesh 5.2.0, NumPy 2.3.5, SciPy 1.17.1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check trimesh==5.2.0 numpy==2.3.5 scipy==1.17.1
environment/bin/python - <<'PYTHON'
import numpy as np
import trimesh


def make_node(scale, x_m):
    matrix = np.diag([scale, scale, scale, 1.0])
    matrix[0, 3] = x_m
    return matrix


scene = trimesh.Scene()
scene.add_geometry(trimesh.creation.box([100, 100, 100]), geom_name="box", transform=make_node(0.01, 0))
scene.export("box.glb")
scene = trimesh.load_scene("box.glb")
mesh = scene.to_mesh()
print(f"one box of 1 m: volume of the scene {scene.volume:.0f}, of the mesh {mesh.volume:.3f};", scene.extents)
assert np.allclose(scene.extents, 1)
assert np.isclose(mesh.volume, 1)
assert np.isclose(scene.volume, 1e6)
assert np.isclose(scene.area, 6e4)

scene.graph.update(frame_to="second", matrix=make_node(0.02, 3), geometry=next(iter(scene.geometry)))
mesh = scene.to_mesh()
print("two boxes: centre of mass of the scene", scene.center_mass.round(3), "of the mesh", mesh.center_mass.round(3))
assert np.allclose(scene.center_mass, [1.5, 0, 0])
assert np.allclose(mesh.center_mass, [8 / 3, 0, 0])
assert not np.allclose(scene.moment_inertia, mesh.moment_inertia, rtol=0.5)
PYTHON
