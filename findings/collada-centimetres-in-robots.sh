#!/usr/bin/env bash
# Pinocchio, yourdfpy and urchin place a COLLADA mesh in centimetres as if it were in metres.
#
# Guess: <unit name="centimeter" meter="0.01"/> scales the mesh of a URDF link to metres: the three read COLLADA through
#        libraries that know the unit.
# Seen:  a mesh of 100, 200 and 300 cm collides and shows in the three with 100, 200 and 300 m. Assimp, which Pinocchio
#        uses, has the factor 0.01 in its root node; trimesh, which the others use, says that the units are 0.01 m.
#        Panda3D applies the unit. Nothing is said.
# Tried with pin 4.1.0, coal 3.0.3, yourdfpy 0.0.60, urchin 0.0.30, trimesh 5.2.0, pycollada 0.9.3, Panda3D 1.10.16,
# assimp-py 1.1.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check pin==4.1.0 coal==3.0.3 \
    yourdfpy==0.0.60 urchin==0.0.30 trimesh==5.2.0 pycollada==0.9.3 panda3d==1.10.16 assimp-py==1.1.0 numpy==2.3.5
cat > wedge.dae <<'DAE'
<?xml version="1.0" encoding="utf-8"?>
<COLLADA xmlns="http://www.collada.org/2005/11/COLLADASchema" version="1.4.1">
<asset>
  <created>2020-01-01T00:00:00</created><modified>2020-01-01T00:00:00</modified>
  <unit name="centimeter" meter="0.01"/><up_axis>Z_UP</up_axis>
</asset>
<library_geometries><geometry id="wedge"><mesh>
  <source id="points">
    <float_array id="numbers" count="12">0 0 0 100 0 0 0 200 0 0 0 300</float_array>
    <technique_common><accessor source="#numbers" count="4" stride="3">
      <param name="X" type="float"/><param name="Y" type="float"/><param name="Z" type="float"/>
    </accessor></technique_common>
  </source>
  <vertices id="vertices"><input semantic="POSITION" source="#points"/></vertices>
  <triangles count="4"><input semantic="VERTEX" source="#vertices" offset="0"/><p>0 2 1 0 1 3 0 3 2 1 2 3</p></triangles>
</mesh></geometry></library_geometries>
<library_visual_scenes><visual_scene id="scene">
  <node id="node"><instance_geometry url="#wedge"/></node>
</visual_scene></library_visual_scenes>
<scene><instance_visual_scene url="#scene"/></scene>
</COLLADA>
DAE
cat > robot.urdf <<'URDF'
<robot name="robot"><link name="link">
  <visual><geometry><mesh filename="wedge.dae"/></geometry></visual>
  <collision><geometry><mesh filename="wedge.dae"/></geometry></collision>
</link></robot>
URDF
environment/bin/python -W ignore - 2> errors.txt <<'PYTHON' || { cat errors.txt; exit 1; }
import assimp_py
import numpy as np
import pinocchio
import trimesh
import urchin
import yourdfpy
from panda3d.core import Filename, Loader, NodePath

model = pinocchio.buildModelFromUrdf("robot.urdf")
shapes = pinocchio.buildGeomFromUrdf(model, "robot.urdf", pinocchio.GeometryType.COLLISION, package_dirs=["."])
shape = shapes.geometryObjects[0].geometry
shape.computeLocalAABB()
sizes = {
    "pinocchio": shape.aabb_local.max_ - shape.aabb_local.min_,
    "yourdfpy": yourdfpy.URDF.load("robot.urdf").scene.extents,
    "urchin": next(iter(urchin.URDF.load("robot.urdf").visual_trimesh_fk())).extents,
}
low, high = NodePath(Loader.getGlobalPtr().loadSync(Filename("wedge.dae"))).getTightBounds()
panda3d_size = sorted(high - low)
factor = assimp_py.import_file("wedge.dae", 0).root_node.transformation[0][0]
units = trimesh.load_scene("wedge.dae").units
print("sizes:", sizes, "Panda3D:", panda3d_size, "factor of Assimp:", factor, "units of trimesh:", units)
for size in sizes.values():
    assert np.allclose(size, [100, 200, 300])
assert np.allclose(panda3d_size, [1, 2, 3])
assert np.isclose(factor, 0.01)
assert units == "0.01 * meters"
PYTHON
