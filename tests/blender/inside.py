"""Runs inside Blender without a window: installs the extension, and does what a user would do, case by case.

usage: python inside.py ZIP CLIP PROGRAM FAKE RESULTS [CASE], CLIP being a BVH file. The JSON file RESULTS is written.
"""

import contextlib
import json
import math
import os
import sys
import time
import traceback
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
from mathutils import Euler, Matrix, Vector

ZIP, CLIP, PROGRAM, FAKE, RESULTS = map(Path, sys.argv[1:6])
NAME = "bl_ext.user_default.selfcorrect"
ONLY = sys.argv[6] if sys.argv[6:] else ""
LIFT = Vector((0, 0, 0.1))


def fresh(acts: str = "lift", clip: Path = CLIP) -> bpy.types.Object:
    """An empty scene with the clip, and a program of which is known what it does; "" for the true one."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=False)
    bpy.context.preferences.addons[NAME].preferences.program = str(FAKE if acts else PROGRAM)
    os.environ["FAKE"] = acts
    FAKE.touch()  # another program, of which nothing is remembered
    return imported(clip)


def imported(clip: Path) -> bpy.types.Object:
    bpy.ops.import_anim.bvh(filepath=str(clip), global_scale=0.01, update_scene_fps=True, update_scene_duration=True)
    return bpy.context.object


def seen(rig: bpy.types.Object, frames=(1, 9, 30)) -> dict:
    """Bone → world matrices (T, 4, 4), axes without scale."""
    worlds: dict = {bone.name: [] for bone in rig.pose.bones}
    for frame in frames:
        bpy.context.scene.frame_set(frame)
        shown = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
        for bone in shown.pose.bones:
            place, turn, _ = (shown.matrix_world @ bone.matrix).decompose()
            worlds[bone.name].append(np.array(Matrix.LocRotScale(place, turn, None)))
    return {name: np.array(each) for name, each in worlds.items()}


def same(one: dict, other: dict, apart_m: float = 1e-4, degrees: float = 0.01) -> None:
    """Whether two motions agree in all bones of the first."""
    for name, world in one.items():
        off = np.linalg.norm(world[:, :3, 3] - other[name][:, :3, 3], axis=-1).max()
        turned = np.degrees(np.linalg.norm(world[:, :3, :3] - other[name][:, :3, :3], axis=(1, 2)).max() / math.sqrt(2))
        assert off <= apart_m, f"{name} is {off:.5f} m off"
        assert turned <= degrees, f"{name} is turned by {turned:.4f}°"


def curves(action: bpy.types.Action) -> dict:
    """(path, index) → keys."""
    bags = [bag for layer in action.layers for strip in layer.strips for bag in strip.channelbags]
    return {
        (curve.data_path, curve.array_index): [tuple(point.co) for point in curve.keyframe_points]
        for bag in bags
        for curve in bag.fcurves
    }


def lifted(before: dict, knee: str = "left_knee", below=("left_ankle", "left_foot")) -> dict:
    """What the pretended correction makes of a motion, written for Blender's axes."""
    about = np.array(Matrix.Rotation(0.2, 3, "Z"))
    after = {name: world.copy() for name, world in before.items()}
    for name, world in after.items():
        if name in (knee, *below):
            arm = before[name][:, :3, 3] - before[knee][:, :3, 3]
            world[:, :3, 3] = before[knee][:, :3, 3] + arm @ about.T
            world[:, :3, :3] = about @ world[:, :3, :3]
        world[:, :3, 3] += LIFT
    return after


def corrected(rig: bpy.types.Object, **options) -> bpy.types.Action:
    """Correct a rig, check that the old action did not change, return the new one."""
    for each in bpy.context.selected_objects:
        each.select_set(False)
    bpy.context.view_layer.objects.active = rig
    old = rig.animation_data.action if rig.animation_data else None
    kept = curves(old) if old else None
    assert bpy.ops.selfcorrect.correct(**options) == {"FINISHED"}
    new = bpy.context.object.animation_data.action
    assert new != old
    if old:
        assert curves(old) == kept
        assert old.use_fake_user or old.users or old.library
    return new


def error_of(operator, **options) -> str:
    """The one sentence that an operator ends with."""
    try:
        operator(**options)
    except RuntimeError as error:
        (line,) = str(error).strip().splitlines()
        return line.removeprefix("Error: ")
    raise AssertionError("no error")


# --- cases -----------------------------------------------------------------------------------------------------------


def case_the_result_is_that_of_the_command_line():
    rig = fresh("")
    before = rig.animation_data.action
    action = corrected(rig)
    assert (before.name, action.name) == ("clip", "clip corrected")
    assert {value for _, value in curves(action)['["left foot stands"]', 0]} == {0, 1}
    theirs = imported(CLIP.parent / "corrected" / CLIP.name)
    frames = range(1, 40)
    same(seen(rig, frames), seen(theirs, frames), apart_m=1e-3, degrees=0.1)
    rig.animation_data.action = before
    off = [np.linalg.norm(a[:, :3, 3] - b[:, :3, 3], axis=-1).max() for a, b in zip_seen(rig, theirs, frames)]
    assert max(off) > 2e-3, "the correction changes something"
    bpy.ops.export_anim.bvh(filepath=str(RESULTS.with_name("exported.bvh")), global_scale=100, rotate_mode="NATIVE")


def zip_seen(one, other, frames):
    first, second = seen(one, frames), seen(other, frames)
    return [(first[name], second[name]) for name in first]


def case_findings_are_listed_marked_and_jumped_to():
    rig = fresh("", CLIP.with_name("spoiled.bvh"))
    scene = bpy.context.scene
    for _ in range(2):  # the second time replaces the first
        assert bpy.ops.selfcorrect.check() == {"FINISHED"}
    found = scene.selfcorrect_findings
    told = json.loads(CLIP.with_name("spoiled.json").read_text())[0]["motions"][0]
    assert {(row.rule, row.name) for row in found} == {(each["code"], each["name"]) for each in told}
    assert sorted(marker.frame for marker in scene.timeline_markers) == sorted(row.worst for row in found)
    assert all(marker.name.startswith("check: ") for marker in scene.timeline_markers)
    assert all(1 <= row.first <= row.worst <= row.last <= 115 for row in found)
    scene.frame_set(7)
    scene.selfcorrect_finding = len(found) - 1
    assert scene.frame_current == found[-1].worst
    assert rig.animation_data.action.name == "spoiled"


def case_without_a_correction_nothing_moves_and_no_bone_gets_keys():
    rig = fresh("identity")
    rig.matrix_world = Matrix.LocRotScale((5, -3, 1), Euler((0.3, 0.2, 1.0)), (0.7, 0.7, 0.7))
    before, keys = seen(rig), curves(rig.animation_data.action)
    assert curves(corrected(rig)) == keys
    same(before, seen(rig), apart_m=0, degrees=0)


def case_a_correction_is_what_the_program_says():
    rig = fresh()
    before, old = seen(rig), rig.animation_data.action
    action = corrected(rig)
    same(lifted(before), seen(rig))
    changed = {path for (path, index), keys in curves(action).items() if curves(old).get((path, index)) != keys}
    knee, hips = 'pose.bones["left_knee"].rotation_euler', 'pose.bones["pelvis"].location'
    assert changed - {'pose.bones["pelvis"].rotation_euler'} == {knee, hips}


def case_bones_may_be_named_like_the_words_of_the_file():
    rig = fresh()
    rig.data.bones["spine2"].name = "the MOTION of JOINT"
    before = seen(rig)
    corrected(rig)
    same(lifted(before), seen(rig))


def case_armatures_may_be_scaled_turned_parented_and_constrained():
    for change in (_scaled, _turned, _parented, _constrained, _mirrored):
        rig = fresh()
        change(rig)
        bpy.context.view_layer.update()
        before = seen(rig)
        corrected(rig)
        same(lifted(before), seen(rig), apart_m=2e-4, degrees=0.02)


def _scaled(rig):
    rig.scale = (0.01,) * 3
    rig.parent = bpy.data.objects.new("hundred", None)
    rig.parent.scale = (100,) * 3
    bpy.context.collection.objects.link(rig.parent)


def _turned(rig):
    rig.rotation_euler = (0, 0, 2)
    rig.location = (3, 4, 5)


def _parented(rig):
    """Below an empty that moves and turns."""
    rig.parent = bpy.data.objects.new("cart", None)
    bpy.context.collection.objects.link(rig.parent)
    for frame, turn in ((1, 0), (40, 1)):
        rig.parent.rotation_euler, rig.parent.location = (0, 0.1 * turn, turn), (frame, 0, 0)
        rig.parent.keyframe_insert("rotation_euler", frame=frame)
        rig.parent.keyframe_insert("location", frame=frame)


def _constrained(rig):
    lead = bpy.data.objects.new("lead", None)
    lead.location, lead.rotation_euler = (0, 2, 0), (0, 0, 1)
    bpy.context.collection.objects.link(lead)
    rig.constraints.new("COPY_TRANSFORMS").target = lead


def _mirrored(rig):
    rig.scale = (-1, 1, 1)


def case_rotation_modes_rates_units_and_several_armatures():
    for mode in ("QUATERNION", "AXIS_ANGLE", "YXZ"):
        other, rig = fresh(), imported(CLIP)
        scene = bpy.context.scene
        scene.render.fps, scene.render.fps_base = 24, 1.001
        for bone in rig.pose.bones:
            bone.rotation_mode = mode
        rig.animation_data.action = None  # still, in the scene's range
        scene.frame_start, scene.frame_end = 3, 12
        rig.pose.bones["left_hip"].location = (0, 0.01, 0)
        before, beside = seen(rig, (3, 12)), curves(other.animation_data.action)
        action = corrected(rig)
        assert action.name == f"{rig.name} corrected"
        same(lifted(before), seen(rig, (3, 12)))
        assert curves(other.animation_data.action) == beside
        assert tuple(action.frame_range) == (3, 12)


def case_partly_keyed_actions_keep_what_else_they_animate():
    rig = fresh()
    action = rig.animation_data.action
    bag = action.layers[0].strips[0].channelbags[0]
    for curve in [
        each for each in bag.fcurves if "right_wrist" not in each.data_path and "spine1" not in each.data_path
    ]:
        bag.fcurves.remove(curve)
    rig["mood"] = 1.0
    rig.keyframe_insert('["mood"]', frame=4)
    rig.pose.bones["head"].scale = (1, 1.5, 1)
    rig.pose.bones["head"].keyframe_insert("scale", frame=2)
    before, kept = seen(rig), curves(action)
    new = curves(corrected(rig))
    assert {key: new[key] for key in kept} == kept
    assert {path for path, _ in new} - {path for path, _ in kept} <= {
        f'pose.bones["{bone}"].{kind}'
        for bone, kind in (("pelvis", "location"), ("pelvis", "rotation_euler"), ("left_knee", "rotation_euler"))
    }
    same(lifted(before), seen(rig))


def case_fingers_custom_bones_and_other_frames_keep_their_animation():
    rig = fresh("", CLIP.with_name("spoiled.bvh"))
    bpy.ops.object.mode_set(mode="EDIT")
    for name, above in (("LeftHandIndex1", "left_wrist"), ("jaw", "head"), ("tail", "pelvis")):
        bone, parent = rig.data.edit_bones.new(name), rig.data.edit_bones[above]
        bone.head, bone.tail, bone.parent = parent.tail, parent.tail + Vector((0.03, 0, 0.01)), parent
    bpy.ops.object.mode_set(mode="OBJECT")
    random, own = np.random.default_rng(0), ("LeftHandIndex1", "jaw", "tail")
    for bone in (rig.pose.bones[name] for name in own):
        for frame in range(1, 115, 3):
            bone.rotation_quaternion = (1, *random.normal(0, 0.2, 3))
            bone.keyframe_insert("rotation_quaternion", frame=frame)
    old, outside = curves(rig.animation_data.action), seen(rig, (1, 39, 81, 115))
    new = curves(corrected(rig, kinematic=True, use_frames=True, frame_start=40, frame_end=80))
    same(outside, seen(rig, (1, 39, 81, 115)))
    changed = {path for (path, index), keys in new.items() if old.get((path, index)) != keys}
    assert 'pose.bones["left_knee"].rotation_euler' in changed
    assert not any(name in path for name in own for path in changed)


def case_undo_takes_the_action_away():
    fresh()
    bpy.ops.ed.undo_push(message="before")
    corrected(bpy.context.object)
    bpy.ops.ed.undo_push(message="after")
    bpy.ops.ed.undo()
    rig = next(each for each in bpy.data.objects if each.type == "ARMATURE")
    assert rig.animation_data.action.name == "clip"
    assert [each.name for each in bpy.data.actions] == ["clip"]


def case_rigs_with_constraints_are_baked_on_a_copy():
    """Deform bones that copy control bones, as in Rigify: parents of deform bones are control bones."""
    rig = fresh()
    bpy.ops.object.mode_set(mode="EDIT")
    controls = list(rig.data.edit_bones)
    for control in controls:
        deform = rig.data.edit_bones.new(f"DEF-{control.name}")
        deform.head, deform.tail, deform.roll = control.head, control.tail, control.roll
        deform.parent = control.parent
    bpy.ops.object.mode_set(mode="OBJECT")
    for bone in rig.pose.bones:
        rig.data.bones[bone.name].use_deform = bone.name.startswith("DEF-")
        if bone.name.startswith("DEF-"):
            copying = bone.constraints.new("COPY_TRANSFORMS")
            copying.target, copying.subtarget = rig, bone.name.removeprefix("DEF-")
    mesh = bpy.data.objects.new("skin", bpy.data.meshes.new("skin"))
    bpy.context.collection.objects.link(mesh)
    mesh.modifiers.new("rig", "ARMATURE").object = rig
    before = {name: world for name, world in seen(rig).items() if name.startswith("DEF-")}
    action = corrected(rig)
    copy = bpy.context.object
    assert (copy.name, copy.animation_data.action) == (f"{rig.name} corrected", action)
    expected = lifted(before, "DEF-left_knee", ("DEF-left_ankle", "DEF-left_foot"))
    same(expected, seen(copy))
    same(before, seen(rig))
    assert not any(each.mute for bone in rig.pose.bones for each in bone.constraints)
    skin = next(each for each in copy.users_collection[0].objects if each.type == "MESH")
    assert (skin.modifiers[0].object, mesh.modifiers[0].object) == (copy, rig)


def case_linked_rigs_get_a_local_copy():
    fresh()
    library = str(RESULTS.with_name("library.blend"))
    bpy.ops.wm.save_as_mainfile(filepath=library)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=False)
    bpy.context.preferences.addons[NAME].preferences.program = str(FAKE)
    with bpy.data.libraries.load(library, link=True) as (there, here):
        here.objects = there.objects
    (rig,) = here.objects
    bpy.context.collection.objects.link(rig)
    before = seen(rig)
    corrected(rig)
    copy = bpy.context.object
    assert (copy.library, rig.library is None) == (None, False)
    same(lifted(before), seen(copy))
    same(before, seen(rig))


def case_fbx_and_gltf_armatures_work():
    for kind in ("fbx", "gltf"):
        path = RESULTS.with_name(f"rig.{'fbx' if kind == 'fbx' else 'glb'}")
        fresh()
        mesh = bpy.data.objects.new("skin", bpy.data.meshes.new("skin"))
        mesh.data.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
        bpy.context.collection.objects.link(mesh)
        mesh.parent = bpy.context.object
        mesh.modifiers.new("rig", "ARMATURE").object = bpy.context.object
        for bone in bpy.context.object.data.bones:
            mesh.vertex_groups.new(name=bone.name).add([0, 1, 2], 1, "ADD")
        export, load = getattr(bpy.ops.export_scene, kind), getattr(bpy.ops.import_scene, kind)
        export(filepath=str(path), **({"add_leaf_bones": False} if kind == "fbx" else {}))
        bpy.ops.object.select_all(action="SELECT")
        bpy.ops.object.delete()
        load(filepath=str(path))
        rig = next(each for each in bpy.context.scene.objects if each.type == "ARMATURE")
        before = seen(rig)
        corrected(rig)
        same(lifted(before), seen(rig), apart_m=2e-4, degrees=0.02)


def case_a_floor_at_a_height_of_the_scene_is_taken_as_it_is():
    rig = fresh("")
    rig.location = (0, 0, 3)
    corrected(rig, use_floor=True, floor=3.0, kinematic=True)
    high = seen(rig, (1, 20))
    rig = fresh("")
    corrected(rig, use_floor=True, kinematic=True)
    low = {name: np.array(Matrix.Translation((0, 0, 3))) @ world for name, world in seen(rig, (1, 20)).items()}
    same(high, low, apart_m=1e-3, degrees=0.1)


def case_a_collection_of_meshes_is_the_ground():
    """A flat block is a floor at its height."""
    high = []
    for options in ({"use_floor": True, "floor": 3.0}, {"ground": "blocks"}):
        rig = fresh("")
        rig.location = (0, 0, 3)
        bpy.ops.mesh.primitive_cube_add(size=2, location=(0, 0, 1))
        cube = bpy.context.object
        cube.scale = (20, 20, 2)
        blocks = bpy.data.collections.new("blocks")
        bpy.context.scene.collection.children.link(blocks)
        blocks.objects.link(cube)
        bpy.context.view_layer.update()
        corrected(rig, kinematic=True, **options)
        high.append(seen(rig, (1, 20)))
    same(*high, apart_m=1e-3, degrees=0.1)
    assert bpy.ops.selfcorrect.check(ground="blocks") == {"FINISHED"}
    assert "no collection 'none' with meshes" in error_of(bpy.ops.selfcorrect.correct, ground="none")
    ramp = cube.copy()
    blocks.objects.link(ramp)
    ramp.rotation_euler = (0.3, 0, 0)
    bpy.context.view_layer.update()
    assert "is not tilted as" in error_of(bpy.ops.selfcorrect.correct, ground="blocks")


def case_contacts_are_curves_that_are_edited_and_fed_back():
    rig = fresh("contacts")
    before = seen(rig)
    first = corrected(rig)
    assert curves(first)['["left foot stands"]', 0] == [(1, 0), (5, 1), (12, 0)]
    bag = first.layers[0].strips[0].channelbags[0]
    bag.fcurves.find('["left foot place"]', index=0).keyframe_points[0].co = (5, 0.25)
    bag.fcurves.find('["left foot stands"]').keyframe_points[2].co = (15, 0)
    bag.fcurves.find('["right foot stands"]').keyframe_points.insert(30, 1).interpolation = "CONSTANT"
    assert bpy.ops.selfcorrect.correct(use_contacts=True) == {"FINISHED"}
    given = json.loads(RESULTS.with_name("given.json").read_text())
    assert [(each["part"], each["first_frame"], each["last_frame"]) for each in given["contacts"]] == [
        ("left foot", 4, 13), ("right foot", 29, 38),
    ]  # fmt: skip
    assert [each.get("position_m") for each in given["contacts"]] == [[0.25, 0.0, 0.0], None]
    second = rig.animation_data.action
    assert second not in (first, bpy.data.actions["clip"])
    same(lifted(before), seen(rig))  # the original was corrected again, not the correction
    os.environ["FAKE"] = "crash"
    error_of(bpy.ops.selfcorrect.correct, use_contacts=True)
    assert rig.animation_data.action == second
    rig.animation_data.action = bpy.data.actions["clip"]
    assert "was not made by Correct with Physics" in error_of(bpy.ops.selfcorrect.correct, use_contacts=True)


class Layout:
    """Takes what panels draw, where it exists."""

    def __getattr__(self, name):
        assert name in bpy.types.UILayout.bl_rna.functions or name in bpy.types.UILayout.bl_rna.properties, name
        return lambda *_, **__: Layout()

    def prop(self, holder, name, **_):
        assert hasattr(holder, name), name

    def operator(self, name, **_):
        group, short = name.split(".")
        getattr(getattr(bpy.ops, group), short).get_rna_type()


def case_what_is_drawn_exists():
    rig = fresh("")
    modules = {name: sys.modules[f"{NAME}.{name}"] for name in ("operators", "panels")}
    properties = bpy.ops.selfcorrect.correct.get_rna_type().properties
    shown = SimpleNamespace(layout=Layout(), **{each.identifier: None for each in properties})
    row = bpy.context.scene.selfcorrect_findings.add()
    bpy.context.scene.selfcorrect_finding = 0
    modules["operators"].Running.title = "Correct"
    modules["operators"].SELFCORRECT_OT_correct.draw(shown, bpy.context)
    modules["panels"].SELFCORRECT_PT_panel.draw(shown, bpy.context)
    modules["panels"]._draw_menu(shown, bpy.context)
    modules["panels"].SELFCORRECT_UL_findings.draw_item(shown, bpy.context, Layout(), rig, row, 0, rig, "")
    preferences = bpy.context.preferences.addons[NAME].preferences
    names = {each.identifier: None for each in preferences.bl_rna.properties}
    modules["panels"].SelfcorrectPreferences.draw(SimpleNamespace(layout=Layout(), **names), bpy.context)
    modules["operators"].Running.title = ""


def case_errors_are_one_sentence_and_the_log_is_there():
    rig = fresh("crash")
    correct, check = bpy.ops.selfcorrect.correct, bpy.ops.selfcorrect.check
    assert error_of(correct) == "motion.bvh: the disk is full"
    bpy.ops.selfcorrect.show_log()
    assert "the disk is full" in bpy.data.texts["selfcorrect log"].as_string()
    os.environ["FAKE"] = "reject"
    assert error_of(correct) == "Not corrected: fell at frame 8"
    assert error_of(correct, use_floor=True) == "selfcorrect 9.9.9 has no option --floor; install a newer one"
    assert "hold none of 1 to 39" in error_of(correct, use_frames=True, frame_start=90, frame_end=99)
    assert bpy.ops.selfcorrect.test_program() == {"FINISHED"}
    preferences = bpy.context.preferences.addons[NAME].preferences
    assert preferences.tested.startswith("selfcorrect 9.9.9 (preferences: ")
    os.environ["FAKE"] = "another"
    assert "is not the program selfcorrect" in error_of(bpy.ops.selfcorrect.test_program)
    rig.data.pose_position = "REST"
    assert error_of(check) == "clip shows its rest position; set Armature › Pose to Pose Position"
    preferences.program = "/no/such/program"
    assert "there is no such file" in error_of(check)
    preferences.program, os.environ["PATH"], path = "", "", os.environ["PATH"]
    assert "name it or install it" in error_of(check)
    os.environ["PATH"] = path
    assert "Name a Python 3.11" in error_of(bpy.ops.selfcorrect.install)
    preferences.python = sys.executable
    assert "Blender is offline" in error_of(bpy.ops.selfcorrect.install)
    assert rig.animation_data.action.name == "clip"
    assert [each.name for each in bpy.data.actions] == ["clip"]


def case_escape_ends_the_program_and_changes_nothing():
    rig = fresh("sleep")
    pid = os.environ["FAKE_PID"] = str(RESULTS.with_name("pid"))
    operators = sys.modules[f"{NAME}.operators"]
    kind = operators.SELFCORRECT_OT_correct
    said, folders = [], set(Path(bpy.app.tempdir).iterdir())
    properties = bpy.ops.selfcorrect.correct.get_rna_type().properties
    options = {each.identifier: each.default for each in properties if hasattr(each, "default")}
    running = SimpleNamespace(**options, bl_label=kind.bl_label, report=lambda level, text: said.append(text))
    for name in ("asked", "steps", "_corrected", "_sampled", "_on", "_done", "stop"):
        setattr(running, name, getattr(kind, name).__get__(running))
    quiet = SimpleNamespace(event_timer_remove=lambda timer: None, status_text_set=lambda text: None)
    screen = SimpleNamespace(areas=[])
    context = SimpleNamespace(object=rig, scene=bpy.context.scene, window_manager=quiet, workspace=quiet, screen=screen)
    running._work, running._timer = running.steps(context), object()
    tick, escape = SimpleNamespace(type="TIMER", value="NOTHING"), SimpleNamespace(type="ESC", value="PRESS")
    operators.Running.title = kind.bl_label
    bpy.context.scene.frame_set(5)
    until = time.monotonic() + 240
    while operators.Running.share < 0.4 and time.monotonic() < until:
        assert kind.modal(running, context, tick) == {"PASS_THROUGH"}
        time.sleep(0.01)
    assert kind.modal(running, context, SimpleNamespace(type="MOUSEMOVE", value="NOTHING")) == {"PASS_THROUGH"}
    assert kind.modal(running, context, escape) == {"CANCELLED"}
    assert said == ["Correct with Physics was cancelled; nothing was changed"]
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(Path(pid).read_text()), 0)
        raise AssertionError("the program still runs")
    assert set(Path(bpy.app.tempdir).iterdir()) - folders <= {operators.log_file()}
    assert (bpy.context.scene.frame_current, operators.Running.title) == (5, "")
    assert [each.name for each in bpy.data.actions] == ["clip"]


def main() -> None:
    """Install the extension, run all cases, write what became of each."""
    bpy.ops.extensions.package_install_files(filepath=str(ZIP), repo="user_default", enable_on_install=True)
    results = {}
    for name, case in [item for item in globals().items() if item[0].startswith(f"case_{ONLY}")]:
        start = time.monotonic()
        try:
            case()
            results[name] = ""
        except BaseException:
            results[name] = traceback.format_exc()
        print(name, f"{time.monotonic() - start:.1f} s", results[name], flush=True)
    RESULTS.write_text(json.dumps(results))
    sys.stdout.flush()
    os._exit(0)  # the module may hang when Python ends


if __name__ == "__main__":
    main()
