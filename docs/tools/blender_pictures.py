"""Draws the pictures of the page *Inside Blender* in Blender itself, without a window.

usage: PYTHON docs/tools/blender_pictures.py ZIP PROGRAM CLIP, where PYTHON has the module `bpy`, ZIP is what `make
blender` makes, PROGRAM is selfcorrect, and CLIP is the BVH file of `selfcorrect data samples --clip spoiled-walk`.
"""

import os
import sys
from pathlib import Path

import bpy
from mathutils import Matrix, Vector

ZIP, PROGRAM, CLIP = (str(Path(word).absolute()) for word in sys.argv[1:4])
PICTURES = Path(__file__).resolve().parents[1] / "pictures"
NAME = "bl_ext.user_default.selfcorrect"
FRAMES = range(12, 115, 17)
TOUCHING_M = 0.005
COLOURS = {"body": (0.2, 0.32, 0.55, 1), "below": (0.85, 0.1, 0.08, 1), "floor": (0.42, 0.42, 0.4, 1)}


def main() -> None:
    """Import the clip, correct it with the extension, draw both actions."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.extensions.package_install_files(filepath=ZIP, repo="user_default", enable_on_install=True)
    bpy.context.preferences.addons[NAME].preferences.program = PROGRAM
    bpy.ops.import_anim.bvh(filepath=CLIP, global_scale=0.01, update_scene_fps=True, update_scene_duration=True)
    rig = bpy.context.object
    before = rig.animation_data.action
    bpy.ops.selfcorrect.correct()
    after = rig.animation_data.action
    set_up()
    for title, action in (("before", before), ("after", after)):
        rig.animation_data.action = action
        bodies = [body for frame in FRAMES for body in bodies_at(rig, frame)]
        bpy.context.scene.render.filepath = str(PICTURES / f"blender-{title}.jpg")
        bpy.ops.render.render(write_still=True)
        for body in bodies:
            bpy.data.objects.remove(body)


def set_up() -> None:
    """Floor, light, camera and renderer."""
    scene = bpy.context.scene
    bpy.ops.mesh.primitive_plane_add(size=40)
    bpy.context.object.data.materials.append(material("floor", seen_through=0.45))
    sun = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
    sun.data.energy, sun.rotation_euler = 1.6, (0.7, 0.2, 0.5)
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(sun)
    scene.collection.objects.link(camera)
    camera.location = (8.6, -2.1, 1.2)
    aim = Vector((0, -2.1, 0.72)) - camera.location
    camera.rotation_euler = aim.to_track_quat("-Z", "Y").to_euler()
    camera.data.lens = 50
    scene.camera = camera
    scene.world = bpy.data.worlds.new("sky")
    scene.world.color = (0.9, 0.92, 0.95)
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = 48, True
    scene.render.resolution_x, scene.render.resolution_y = 900, 330
    scene.view_settings.view_transform = "Standard"
    scene.render.image_settings.file_format, scene.render.image_settings.quality = "JPEG", 90


def material(name: str, seen_through: float = 0.0) -> bpy.types.Material:
    """A plain colour."""
    made = bpy.data.materials.get(name) or bpy.data.materials.new(name)
    made.use_nodes = True
    surface = made.node_tree.nodes["Principled BSDF"]
    surface.inputs["Base Color"].default_value = COLOURS[name]
    surface.inputs["Alpha"].default_value = 1 - seen_through
    surface.inputs["Roughness"].default_value = 0.7
    return made


def bodies_at(rig: bpy.types.Object, frame: int) -> list[bpy.types.Object]:
    """An ellipsoid for each bone, red where it leads into the floor; toes end where the file says."""
    bpy.context.scene.frame_set(frame)
    shown = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    made = []
    for bone in (bone for bone in shown.pose.bones if bone.children or "foot" not in bone.name):
        head, tail = (shown.matrix_world @ end for end in (bone.head, bone.tail))
        along = tail - head
        bpy.ops.mesh.primitive_uv_sphere_add(segments=20, ring_count=12)
        body = bpy.context.object
        width = 0.04 if "ankle" in bone.name else 0.06
        turn = along.to_track_quat("Z", "Y")
        body.matrix_world = Matrix.LocRotScale((head + tail) / 2, turn, (width, width, along.length / 2 + 0.02))
        below = tail.z < TOUCHING_M
        body.data.materials.append(material("below" if below else "body"))
        bpy.ops.object.shade_smooth()
        made.append(body)
    return made


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # the module may hang when Python ends
