"""Test the extension inside Blender without a window.

This script installs the extension, does what a user would do, case by case, and writes the outcomes to a JSON file.

usage: python inside.py ZIP CLIP PROGRAM FAKE RESULTS [CASE]

ZIP is the extension, CLIP a BVH file, PROGRAM the real program, FAKE its stand-in, and RESULTS the JSON file. With
CASE, only cases whose names begin with it run.
"""

import contextlib
import json
import math
import os
import re
import sys
import time
import traceback
from pathlib import Path
from types import SimpleNamespace
from warnings import catch_warnings, simplefilter

import bpy
import numpy as np
from drawing import Sketch, make_svg
from mathutils import Euler, Matrix, Vector
from rigs import RIGS, edit_bones

ZIP, CLIP, PROGRAM, FAKE, RESULTS = map(Path, sys.argv[1:6])
NAME = "bl_ext.user_default.selfcorrect"
ONLY = sys.argv[6] if sys.argv[6:] else ""
ROOTS = ("pelvis", "Hips")
LIFT = Vector((0, 0, 0.1))


def module(name: str):
    """Return a module of the extension."""
    return sys.modules[f"{NAME}.{name}"]


def preferences() -> bpy.types.AddonPreferences:
    return bpy.context.preferences.addons[NAME].preferences


def warnings() -> list[str]:
    """Return the warnings of the last correction."""
    return [note.name for note in bpy.context.scene.selfcorrect_notes if note.is_warning]


def fresh(acts: str = "lift", clip: Path = CLIP) -> bpy.types.Object:
    """Empty the scene and load a clip.

    Corrections then call the stand-in, which acts as `acts` says, or the real program if `acts` is "".
    """
    empty_scene(FAKE if acts else PROGRAM)
    os.environ["FAKE"] = acts
    os.environ.pop("FAKE_KNEE", None)
    FAKE.touch()  # the extension takes it for another program and remembers nothing of it
    return import_clip(clip)


def empty_scene(program: Path) -> None:
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=False)
    preferences().program = str(program)


def add_object(name: str, data: bpy.types.ID | None = None) -> bpy.types.Object:
    """Add an object to the scene; without data it is an empty."""
    item = bpy.data.objects.new(name, data)
    bpy.context.collection.objects.link(item)
    return item


def select_bone(rig: bpy.types.Object, name: str) -> None:
    """Select only one bone, in any version of Blender."""
    for bone in rig.pose.bones:
        (bone if hasattr(bone, "select") else bone.bone).select = bone.name == name


def import_clip(clip: Path) -> bpy.types.Object:
    bpy.ops.import_anim.bvh(filepath=str(clip), global_scale=0.01, update_scene_fps=True, update_scene_duration=True)
    return bpy.context.object


def read_worlds(rig: bpy.types.Object, frames=(1, 9, 30)) -> dict:
    """Return the world matrices (T, 4, 4), without scale, of each bone in some frames."""
    worlds: dict = {bone.name: [] for bone in rig.pose.bones}
    for frame in frames:
        bpy.context.scene.frame_set(frame)
        shown = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
        for bone in shown.pose.bones:
            place, turn, _ = (shown.matrix_world @ bone.matrix).decompose()
            worlds[bone.name].append(np.array(Matrix.LocRotScale(place, turn, None)))
    return {name: np.array(item) for name, item in worlds.items()}


def assert_same(expected: dict, worlds: dict, apart_m: float = 1e-4, degrees: float = 0.01) -> None:
    """Assert that two motions agree in all bones of the first."""
    for name, world in expected.items():
        off = np.linalg.norm(world[:, :3, 3] - worlds[name][:, :3, 3], axis=-1).max()
        turned = np.degrees(
            np.linalg.norm(world[:, :3, :3] - worlds[name][:, :3, :3], axis=(1, 2)).max() / math.sqrt(2)
        )
        assert off <= apart_m, f"{name} is {off:.5f} m off"
        assert turned <= degrees, f"{name} is turned by {turned:.4f}°"


def curves(action: bpy.types.Action) -> dict:
    """Return the keys of each curve by (data path, array index)."""
    bags = [bag for layer in action.layers for strip in layer.strips for bag in strip.channelbags]
    return {
        (curve.data_path, curve.array_index): [tuple(point.co) for point in curve.keyframe_points]
        for bag in bags
        for curve in bag.fcurves
    }


def changed_paths(old: dict, new: dict) -> set[str]:
    """Return the data paths whose keys differ between two results of `curves`."""
    return {path for (path, index), keys in new.items() if old.get((path, index)) != keys}


def keyed_bones(action: bpy.types.Action) -> set[str]:
    return {path.split('"')[1] for path, _ in curves(action) if path.startswith("pose")}


def lift(before: dict, knee: str = "left_knee", below=("left_ankle", "left_foot")) -> dict:
    """Apply the stand-in's lift and turn of a knee in Blender's axes."""
    about = np.array(Matrix.Rotation(0.2, 3, "Z"))
    after = {name: world.copy() for name, world in before.items()}
    for name, world in after.items():
        if name in (knee, *below):
            arm = before[name][:, :3, 3] - before[knee][:, :3, 3]
            world[:, :3, 3] = before[knee][:, :3, 3] + arm @ about.T
            world[:, :3, :3] = about @ world[:, :3, :3]
        world[:, :3, 3] += LIFT
    return after


def correct(rig: bpy.types.Object, **options) -> bpy.types.Action:
    """Correct a rig, check that its old action did not change, and return the new one."""
    for item in bpy.context.selected_objects:
        item.select_set(False)
    bpy.context.view_layer.objects.active = rig
    old = rig.animation_data.action if rig.animation_data else None
    old_curves = curves(old) if old else None
    assert bpy.ops.selfcorrect.correct(**options) == {"FINISHED"}
    new = bpy.context.object.animation_data.action
    assert new != old
    if old:
        assert curves(old) == old_curves
        assert old.use_fake_user or old.users or old.library
    return new


def error_of(operator, **options) -> str:
    """Return the error, which must be one line, that an operator ends with."""
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
    action = correct(rig)
    assert (before.name, action.name) == ("clip", "clip corrected")
    assert {value for _, value in curves(action)['["left foot stands"]', 0]} == {0, 1}
    theirs = import_clip(CLIP.parent / "corrected" / CLIP.name)
    frames = range(1, 40)
    assert_same(read_worlds(rig, frames), read_worlds(theirs, frames), apart_m=1e-3, degrees=0.1)
    rig.animation_data.action = before
    worlds, corrected = read_worlds(rig, frames), read_worlds(theirs, frames)
    assert measure_off(worlds, corrected) > 2e-3, "the correction changes something"


def case_findings_are_listed_marked_and_jumped_to():
    rig = fresh("", CLIP.with_name("spoiled.bvh"))
    scene = bpy.context.scene
    for _ in range(2):  # the second time replaces the first
        assert bpy.ops.selfcorrect.check() == {"FINISHED"}
    findings = scene.selfcorrect_findings
    report = json.loads(CLIP.with_name("spoiled.json").read_text())[0]["motions"][0]
    shown = {(row.rule, row.name) for row in findings}
    reported = {(item["code"], item["name"]) for item in report}
    clear = {(item["code"], item["name"]) for item in report if item["value"] > 1.05 * item["threshold"]}
    assert clear <= shown <= reported, (shown, reported)  # Blender rounds, which matters near a threshold
    assert sorted(marker.frame for marker in scene.timeline_markers) == sorted(row.worst_frame for row in findings)
    assert all(marker.name.startswith("check: ") for marker in scene.timeline_markers)
    assert all(1 <= row.first_frame <= row.worst_frame <= row.last_frame <= 115 for row in findings)
    scene.frame_set(7)
    scene.selfcorrect_finding = len(findings) - 1
    assert scene.frame_current == findings[-1].worst_frame
    assert rig.animation_data.action.name == "spoiled"


def case_without_a_correction_nothing_moves_and_no_bone_gets_keys():
    rig = fresh("identity")
    rig.matrix_world = Matrix.LocRotScale((5, -3, 1), Euler((0.3, 0.2, 1.0)), (0.7, 0.7, 0.7))
    before = read_worlds(rig)
    keys = curves(rig.animation_data.action)
    assert curves(correct(rig)) == keys
    assert_same(before, read_worlds(rig), apart_m=0, degrees=0)


def case_a_correction_is_what_the_program_says():
    rig = fresh()
    before = read_worlds(rig)
    old = rig.animation_data.action
    action = correct(rig)
    assert_same(lift(before), read_worlds(rig))
    changed = changed_paths(curves(old), curves(action))
    knee = 'pose.bones["left_knee"].rotation_euler'
    hips = 'pose.bones["pelvis"].location'
    assert changed - {'pose.bones["pelvis"].rotation_euler'} == {knee, hips}


def case_armatures_may_be_scaled_turned_parented_and_constrained():
    for change in (_scale, _turn, _parent, _constrain, _mirror):
        rig = fresh()
        change(rig)
        bpy.context.view_layer.update()
        ground = rig.parent or bpy.data.objects.new("origin", None)  # on a cart, the lift is along its up axis
        before = read_on(ground, rig, (1, 9, 30))
        correct(rig)
        assert_same(lift(before), read_on(ground, rig, (1, 9, 30)), apart_m=2e-4, degrees=0.02)


def _scale(rig):
    rig.scale = (0.01,) * 3
    rig.parent = add_object("hundred")
    rig.parent.scale = (100,) * 3


def _turn(rig):
    rig.rotation_euler = (0, 0, 2)
    rig.location = (3, 4, 5)


def _parent(rig):
    """Parent the rig to an empty that moves and turns."""
    rig.parent = add_object("cart")
    for frame, turn in ((1, 0), (40, 1)):
        rig.parent.rotation_euler = (0, 0.1 * turn, turn)
        rig.parent.location = (frame, 0, 0)
        rig.parent.keyframe_insert("rotation_euler", frame=frame)
        rig.parent.keyframe_insert("location", frame=frame)


def _constrain(rig):
    lead = add_object("lead")
    lead.location = (0, 2, 0)
    lead.rotation_euler = (0, 0, 1)
    rig.constraints.new("COPY_TRANSFORMS").target = lead


def _mirror(rig):
    rig.scale = (-1, 1, 1)


def case_rotation_modes_rates_units_and_several_armatures():
    for mode in ("QUATERNION", "AXIS_ANGLE", "YXZ"):
        second_rig = fresh()
        rig = import_clip(CLIP)
        scene = bpy.context.scene
        scene.render.fps = 24
        scene.render.fps_base = 1.001
        for bone in rig.pose.bones:
            bone.rotation_mode = mode
        rig.animation_data.action = None  # then it is still, over the scene's frame range
        scene.frame_start = 3
        scene.frame_end = 12
        rig.pose.bones["left_hip"].location = (0, 0.01, 0)
        before = read_worlds(rig, (3, 12))
        beside = curves(second_rig.animation_data.action)
        action = correct(rig)
        assert action.name == f"{rig.name} corrected"
        assert_same(lift(before), read_worlds(rig, (3, 12)))
        assert curves(second_rig.animation_data.action) == beside
        assert tuple(action.frame_range) == (3, 12)


def case_partly_keyed_actions_keep_what_else_they_animate():
    rig = fresh()
    action = rig.animation_data.action
    bag = action.layers[0].strips[0].channelbags[0]
    for curve in [*bag.fcurves]:
        if "right_wrist" not in curve.data_path and "spine1" not in curve.data_path:
            bag.fcurves.remove(curve)
    rig["mood"] = 1.0
    rig.keyframe_insert('["mood"]', frame=4)
    rig.pose.bones["head"].scale = (1, 1.5, 1)
    rig.pose.bones["head"].keyframe_insert("scale", frame=2)
    before = read_worlds(rig)
    old_curves = curves(action)
    new = curves(correct(rig))
    assert {key: new[key] for key in old_curves} == old_curves
    assert {path for path, _ in new} - {path for path, _ in old_curves} <= {
        f'pose.bones["{bone}"].{kind}'
        for bone, kind in (("pelvis", "location"), ("pelvis", "rotation_euler"), ("left_knee", "rotation_euler"))
    }
    assert_same(lift(before), read_worlds(rig))


def case_fingers_custom_bones_and_other_frames_keep_their_animation():
    rig = fresh("", CLIP.with_name("spoiled.bvh"))
    with edit_bones(rig) as bones:
        for name, above in (("LeftHandIndex1", "left_wrist"), ("jaw", "head"), ("tail", "pelvis")):
            bone, parent = bones.new(name), bones[above]
            bone.head, bone.tail, bone.parent = parent.tail, parent.tail + Vector((0.03, 0, 0.01)), parent
    random = np.random.default_rng(0)
    bone_names = ("LeftHandIndex1", "jaw", "tail")
    for bone in (rig.pose.bones[name] for name in bone_names):
        for frame in range(1, 115, 3):
            bone.rotation_quaternion = (1, *random.normal(0, 0.2, 3))
            bone.keyframe_insert("rotation_quaternion", frame=frame)
    old = curves(rig.animation_data.action)
    outside = read_worlds(rig, (1, 39, 81, 115))
    scene = bpy.context.scene
    scene.use_preview_range, scene.frame_preview_start, scene.frame_preview_end = True, 40, 80
    new = curves(correct(rig, kinematic=True, extent="SCENE"))
    assert_same(outside, read_worlds(rig, (1, 39, 81, 115)))
    changed = changed_paths(old, new)
    assert 'pose.bones["left_knee"].rotation_euler' in changed
    assert not any(name in path for name in bone_names for path in changed)


def case_undo_takes_the_action_away():
    fresh()
    bpy.ops.ed.undo_push(message="before")
    correct(bpy.context.object)
    bpy.ops.ed.undo_push(message="after")
    bpy.ops.ed.undo()
    rig = next(item for item in bpy.data.objects if item.type == "ARMATURE")
    assert rig.animation_data.action.name == "clip"
    assert [item.name for item in bpy.data.actions] == ["clip"]


def make_constrained_rig() -> tuple[bpy.types.Object, bpy.types.Object]:
    """Return a rig whose deform bones copy control bones, as in Rigify, and its mesh."""
    rig = fresh()
    with edit_bones(rig) as bones:
        for control in list(bones):
            deform = bones.new(f"DEF-{control.name}")
            for name in ("head", "tail", "roll", "parent"):
                setattr(deform, name, getattr(control, name))
    for bone in rig.pose.bones:
        rig.data.bones[bone.name].use_deform = bone.name.startswith("DEF-")
        if bone.name.startswith("DEF-"):
            copying = bone.constraints.new("COPY_TRANSFORMS")
            copying.target, copying.subtarget = rig, bone.name.removeprefix("DEF-")
    mesh = add_object("skin", bpy.data.meshes.new("skin"))
    mesh.modifiers.new("rig", "ARMATURE").object = rig
    return rig, mesh


def read_deforming(rig: bpy.types.Object) -> dict:
    return {name: world for name, world in read_worlds(rig).items() if name.startswith("DEF-")}


def case_controls_of_rigs_get_the_keys():
    rig, _ = make_constrained_rig()
    before = read_deforming(rig)
    actions = rig.animation_data.action
    action = correct(rig)
    assert bpy.context.object == rig
    assert rig.animation_data.action == action != actions
    expected = lift(before, "DEF-left_knee", ("DEF-left_ankle", "DEF-left_foot"))
    assert_same(expected, read_deforming(rig), apart_m=2e-4, degrees=0.02)
    assert not any("DEF-" in path for path, _ in curves(action))
    assert len(bpy.data.objects) == 2, "there is no second character"
    rig, _ = make_constrained_rig()
    correct(rig, result="LAYER")
    assert_same(expected, read_deforming(rig), apart_m=2e-4, degrees=0.02)
    rig.animation_data.action_influence = 0.0
    assert_same(before, read_deforming(rig))


def case_rigs_with_constraints_can_be_baked_on_a_copy():
    """Deform bones copy control bones, which are also their parents, as in Rigify."""
    rig, mesh = make_constrained_rig()
    hat = add_object("hat")
    sword = add_object("sword")
    hat.parent, hat.parent_type, hat.parent_bone = rig, "BONE", "DEF-head"
    follow = sword.constraints.new("CHILD_OF")
    follow.target, follow.subtarget = rig, "DEF-right_wrist"
    before = read_deforming(rig)
    action = correct(rig, held_rigs="COPY")
    copy = bpy.context.object
    assert (copy.name, copy.animation_data.action) == (f"{rig.name} corrected", action)
    expected = lift(before, "DEF-left_knee", ("DEF-left_ankle", "DEF-left_foot"))
    assert_same(expected, read_worlds(copy))
    assert {bone.name for bone in copy.data.bones if not bone.hide} == set(before)
    assert not any(bone.hide for bone in rig.data.bones)
    followers = {item.name.partition(".")[0]: item for item in copy.users_collection[0].objects if item != copy}
    assert followers["hat"].parent == copy
    assert followers["sword"].constraints[0].target == copy
    assert (followers["skin"].modifiers[0].object, mesh.modifiers[0].object) == (copy, rig)
    assert all(item.hide_viewport for item in (rig, mesh, hat, sword))
    assert not any(item.hide_viewport for item in followers.values())
    assert bpy.ops.selfcorrect.toggle() == {"FINISHED"}
    assert (rig.hide_viewport, copy.hide_viewport, hat.hide_viewport) == (False, True, False)
    assert_same(before, read_deforming(rig))
    assert not any(item.mute for bone in rig.pose.bones for item in bone.constraints)


def case_targets_of_inverse_kinematics_get_the_keys():
    rig = fresh()
    with edit_bones(rig) as bones:
        for side in ("left", "right"):
            target, pole = bones.new(f"{side} target"), bones.new(f"{side} pole")
            target.head, target.tail = bones[f"{side}_ankle"].head, bones[f"{side}_ankle"].head + Vector((0, 0.1, 0))
            knee = bones[f"{side}_knee"].head
            pole.head, pole.tail = knee + Vector((0, -0.5, 0)), knee + Vector((0, -0.6, 0))
    rig.animation_data.action = None
    for bone in rig.pose.bones:
        bone.rotation_mode = "XYZ"
        bone.matrix_basis = Matrix()
    for side in ("left", "right"):
        ik = rig.pose.bones[f"{side}_knee"].constraints.new("IK")
        ik.target, ik.subtarget, ik.chain_count = rig, f"{side} target", 2
        ik.pole_target, ik.pole_subtarget, ik.pole_angle = rig, f"{side} pole", -math.pi / 2
        rig.data.bones[f"{side} target"].use_deform = rig.data.bones[f"{side} pole"].use_deform = False
        for frame in range(1, 40, 3):
            bone = rig.pose.bones[f"{side} target"]
            bone.location = (0.05 * math.sin(frame), 0.1, 0.1 + 0.05 * math.cos(frame))
            bone.keyframe_insert("location", frame=frame)
    body = [bone.name for bone in rig.data.bones if bone.use_deform]
    before = {name: world for name, world in read_worlds(rig).items() if name in body}
    action = correct(rig)
    paths = {path for path, _ in curves(action)}
    assert any("left target" in path for path in paths)
    assert any("left pole" in path for path in paths)
    assert not any("left_knee" in path for path in paths)
    after = read_worlds(rig)
    shifts = {name: world[:, :3, 3] - before[name][:, :3, 3] for name, world in after.items() if name in body}
    for name in ("pelvis", "left_hip", "head", "right_wrist", "right_knee", "right_ankle"):
        assert np.abs(shifts[name] - LIFT).max() < 1e-3, (name, shifts[name])


def case_rigs_with_ordinary_constraints_are_corrected():
    """The body rises as the stand-in says, no rig is refused or copied, and Before restores it exactly."""
    frames = range(1, 40, 3)
    for change in RIGS:
        rig = fresh()
        change(rig)
        os.environ["FAKE_KNEE"] = "no joint"
        before = read_worlds(rig, frames)
        joints = [name for name in before if not name.endswith(("_pole", "_target"))]
        few = count_keys(rig.animation_data.action)
        action = correct(rig)
        assert bpy.context.object == rig, change
        after = read_worlds(rig, frames)
        for name in joints:
            off_m = np.abs(after[name][:, :3, 3] - before[name][:, :3, 3] - LIFT).max()
            assert off_m < 2e-3, (change.__name__, name, off_m)
        assert not warnings(), (change.__name__, warnings())
        assert count_keys(action) < 1.2 * few + 200, (change.__name__, few, count_keys(action))
        assert bpy.ops.selfcorrect.toggle() == {"FINISHED"}
        assert measure_off(before, read_worlds(rig, frames)) < 1e-6, change.__name__


def case_rigs_with_constraints_are_corrected_as_skeletons_that_show_the_same():
    """Of a walk that sinks, slides and shakes, each rig gets the correction of a copy with keys only.

    What constraints hold off it is named.
    """
    frames = range(1, 116, 3)
    for change in RIGS:
        rig = fresh("", CLIP.with_name("spoiled.bvh"))
        change(rig)
        shown = read_worlds(rig, frames)
        correct(rig, kinematic=True)
        named_mm = [float(number) for text in warnings() for number in re.findall(r"lies up to (\d+) mm off", text)]
        corrected = read_worlds(rig, frames)
        rig = fresh("", CLIP.with_name("spoiled.bvh"))
        change(rig)
        bake(rig)
        plain = read_worlds(rig, frames)
        assert measure_off(plain, shown) < 1e-4, change.__name__
        correct(rig, kinematic=True)
        expected = read_worlds(rig, frames)
        assert measure_off(plain, expected) > 0.05, change.__name__
        off_mm = 1000 * measure_off(expected, corrected)
        if named_mm:  # where a leg is nearly straight, inverse kinematics turns its knee as it likes
            assert "ik_legs" in change.__name__, (change.__name__, named_mm)
            assert off_mm < min(25.0, named_mm[0] + 0.5), (change.__name__, off_mm, named_mm)
        else:
            assert off_mm < 0.2, (change.__name__, off_mm)


def bake(rig: bpy.types.Object) -> None:
    """Replace the constraints of a rig by keys.

    Each frame has keys, and what is not part of the body is removed.
    """
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="POSE")
    first, last = map(int, rig.animation_data.action.frame_range)
    bpy.ops.nla.bake(
        frame_start=first, frame_end=last, only_selected=False, visual_keying=True, clear_constraints=True,
        use_current_action=False, bake_types={"POSE"},
    )  # fmt: skip
    bpy.ops.object.mode_set(mode="OBJECT")
    with edit_bones(rig) as bones:
        for bone in [bone for bone in bones if not (bone.parent_recursive or [bone])[-1].name.endswith(ROOTS)]:
            bones.remove(bone)


def case_the_basic_metarig_of_rigify_is_corrected_as_it_is():
    fresh()
    bpy.ops.preferences.addon_enable(module="rigify")
    bpy.ops.object.armature_basic_human_metarig_add()
    rig = bpy.context.object
    os.environ["FAKE_KNEE"] = "no joint"
    for frame, turn in ((1, -0.4), (20, 0.4), (39, -0.4)):
        for side, sign in (("L", 1), ("R", -1)):
            bone = rig.pose.bones[f"thigh.{side}"]
            bone.rotation_quaternion = (math.cos(turn / 2), sign * math.sin(turn / 2), 0, 0)
            bone.keyframe_insert("rotation_quaternion", frame=frame)
    limit = rig.pose.bones["shin.L"].constraints.new("LIMIT_ROTATION")
    limit.owner_space = "LOCAL"
    before = read_worlds(rig)
    action = correct(rig)
    assert keyed_bones(action) <= {"spine", "thigh.L", "thigh.R"}
    after = read_worlds(rig)
    assert max(np.abs(after[name][:, :3, 3] - before[name][:, :3, 3] - LIFT).max() for name in before) < 1e-4
    assert bpy.ops.selfcorrect.toggle() == {"FINISHED"}
    assert measure_off(before, read_worlds(rig)) == 0


def case_limits_hold_keys_back_and_are_named():
    """A limit that the corrected motion would break is no refusal: the user is told which bone it holds."""
    rig = fresh()
    os.environ["FAKE_KNEE"] = "left_knee"
    limit = rig.pose.bones["pelvis"].constraints.new("LIMIT_LOCATION")
    limit.use_max_z, limit.max_z = True, 0.5
    correct(rig)
    assert any("the constraint Limit Location" in text for text in warnings()), warnings()


def make_rigify_rig() -> bpy.types.Object:
    """Make a Rigify rig without face and fingers.

    Its torso and left hand are animated, and inverse kinematics drives its limbs.
    """
    fresh()
    bpy.ops.preferences.addon_enable(module="rigify")
    bpy.ops.object.armature_human_metarig_add()
    for bone in bpy.context.object.pose.bones:
        bone.rigify_type = "" if "face" in bone.name else bone.rigify_type
    with edit_bones(bpy.context.object) as bones:
        faces = [bone for bone in bones if "face" in (bone.name, *(above.name for above in bone.parent_recursive))]
        fingers = [bone for bone in bones if bone.name.startswith(("palm", "thumb", "f_"))]
        for bone in (*faces, *fingers):
            bones.remove(bone)
    bpy.ops.pose.rigify_generate()
    rig = bpy.context.object
    torso = rig.pose.bones["torso"]
    hand = rig.pose.bones["hand_ik.L"]
    for frame, down in ((1, 0.05), (20, 0.12), (39, 0.05)):
        torso.matrix = Matrix.Translation((0, 0, -down)) @ torso.bone.matrix_local
        hand.matrix = Matrix.Translation((-0.2, -0.2, -down)) @ hand.bone.matrix_local
        torso.keyframe_insert("location", frame=frame)
        hand.keyframe_insert("location", frame=frame)
    return rig


def case_rigs_of_rigify_get_keys_on_their_controls():
    """Limbs stay in IK or FK mode.

    Hands and feet are right in both; in IK, the bones of limbs stretch.
    """
    for is_fk, apart_m, degrees in ((True, 1e-3, 0.2), (False, 8e-3, 180.0)):
        rig = make_rigify_rig()
        os.environ["FAKE_KNEE"] = "DEF-shin.L"
        holders = ("upper_arm_parent.L", "upper_arm_parent.R", "thigh_parent.L", "thigh_parent.R")
        if is_fk:
            for name in holders:
                rig.pose.bones[name]["IK_FK"] = 1.0
            for name in ("hand_fk.L", "foot_fk.L", "shin_fk.L"):
                rig.pose.bones[name].keyframe_insert(module("rig").get_rotation_property(rig.pose.bones[name]), frame=1)
        before = read_deforming(rig)
        objects = len(bpy.data.objects)
        action = correct(rig)
        after = read_deforming(rig)
        expected = lift(before, "DEF-shin.L", ("DEF-shin.L.001", "DEF-foot.L", "DEF-toe.L"))
        for name in ("DEF-thigh.L.001", *(() if is_fk else ("DEF-shin.L.001",))):
            del expected[name]  # these bones share the twist of the leg
        assert_same(expected, after, apart_m=apart_m, degrees=degrees)
        for name in ("DEF-foot.L", "DEF-hand.L", "DEF-foot.R"):
            assert_same({name: expected[name]}, after, apart_m=1e-3, degrees=0.5)
        assert not is_fk or not any("a bone lies" in text for text in warnings()), warnings()
        keyed = {path.split('"')[1] for path, _ in curves(action)} - {"left foot stands", "right foot stands"}
        moving = {"torso", "shin_fk.L"} if is_fk else {"torso", "foot_ik.L", "foot_ik.R", "hand_ik.R"}
        idle = {"foot_ik.L", "hand_ik.R"} if is_fk else {"thigh_fk.L", "thigh_fk.R", "upper_arm_fk.R"}
        assert moving <= keyed, keyed
        assert not idle & keyed, keyed
        assert not any(name.startswith(("DEF-", "ORG-", "MCH-")) for name in keyed), keyed
        assert not any("IK_FK" in path for path, _ in curves(action)), "the switches stay as the animator set them"
        assert [rig.pose.bones[name]["IK_FK"] for name in holders] == [float(is_fk)] * 4
        assert len(bpy.data.objects) == objects


def make_rigify_walk(drop_m: float = 0.03) -> bpy.types.Object:
    """Make a Rigify character that walks.

    Its IK legs have a key in every fourth frame, and its feet are in the floor.
    """
    rig = make_rigify_rig()
    preferences().program = str(PROGRAM)
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = 30, 1.0
    scene.frame_start, scene.frame_end = 1, 39
    rig.animation_data.action = None
    bones = rig.pose.bones
    for bone in bones:
        bone.matrix_basis = Matrix()
    for side in "LR":
        bones[f"upper_arm_parent.{side}"]["IK_FK"] = 1.0
    for frame in range(1, 40, 4):
        scene.frame_set(frame)
        cycle = (frame - 1) / 32
        torso = bones["torso"]
        torso.matrix = Matrix.Translation((0, 0.3 - cycle, -0.02 - drop_m)) @ torso.bone.matrix_local
        torso.keyframe_insert("location", frame=frame)
        bpy.context.view_layer.update()
        for side, phase in (("L", 0.0), ("R", 0.5)):
            steps, part = divmod(cycle + phase, 1.0)
            swing = max(part - 0.6, 0.0) / 0.4
            forward = steps - phase + 3 * swing**2 - 2 * swing**3 + 0.02 * min(part, 0.6)
            foot = bones[f"foot_ik.{side}"]
            height = 0.12 * math.sin(math.pi * swing) - drop_m
            foot.matrix = Matrix.Translation((0, -forward, height)) @ foot.bone.matrix_local
            foot.keyframe_insert("location", frame=frame)
            foot.keyframe_insert(module("rig").get_rotation_property(foot), frame=frame)
    return rig


def count_keys(action: bpy.types.Action) -> int:
    return sum(len(keys) for keys in curves(action).values())


def measure_off(first: dict, second: dict) -> float:
    """Return the largest distance between the bones of two motions, in m."""
    return max(np.linalg.norm(first[name][:, :3, 3] - second[name][:, :3, 3], axis=-1).max() for name in first)


def case_a_walk_of_rigify_is_restored_exactly_and_fed_back_unchanged():
    """Before, After and unedited contacts move nothing; feet stand on the floor; keys stay few."""
    rig = make_rigify_walk()
    frames = range(1, 40, 2)
    before = read_worlds(rig, frames)
    few = count_keys(rig.animation_data.action)
    switch = rig.pose.bones["thigh_parent.L"]
    os.environ["FAKE"] = ""
    start_s = time.process_time()
    first = correct(rig, kinematic=True)
    assert time.process_time() - start_s < 10
    assert count_keys(first) < 6 * few, (count_keys(first), few)
    after = read_worlds(rig, frames)
    assert measure_off(before, after) > 0.02
    assert bpy.ops.selfcorrect.toggle() == {"FINISHED"}
    assert measure_off(before, read_worlds(rig, frames)) == 0
    assert bpy.ops.selfcorrect.toggle() == {"FINISHED"}
    assert measure_off(after, read_worlds(rig, frames)) == 0
    assert bpy.ops.selfcorrect.correct(use_contacts=True) == {"FINISHED"}
    assert rig.animation_data.action != first
    assert measure_off(after, read_worlds(rig, frames)) < 1e-6
    assert switch["IK_FK"] == 0
    # A leg that must be switched to FK has no key of the switch in the action before.
    bag = next(bag for layer in first.layers for strip in layer.strips for bag in strip.channelbags)
    bpy.ops.selfcorrect.show(action=first.name)
    bag.fcurves.new('pose.bones["thigh_parent.L"]["IK_FK"]').keyframe_points.insert(1, 1.0)
    record = module("record")
    record.change_record(
        first, unkeyed={**record.read_record(first).unkeyed, 'pose.bones["thigh_parent.L"]["IK_FK"]': 0.0}
    )
    bpy.context.scene.frame_set(5)
    assert switch["IK_FK"] == 1
    assert bpy.ops.selfcorrect.toggle() == {"FINISHED"}
    assert measure_off(before, read_worlds(rig, frames)) == 0


def case_legs_that_cannot_reach_are_switched_to_fk_and_back():
    rig = make_rigify_walk()
    os.environ["FAKE"] = "contacts"
    os.environ["FAKE_KNEE"] = "DEF-thigh.L"
    preferences().program = str(FAKE)
    module("controls")._MIDDLE_ERROR, middle = 0.0, module("controls")._MIDDLE_ERROR
    frames = range(1, 40, 3)
    before = read_worlds(rig, frames)
    try:
        action = correct(rig)
    finally:
        module("controls")._MIDDLE_ERROR = middle
    assert any("IK_FK" in path for path, _ in curves(action))
    assert rig.pose.bones["thigh_parent.L"]["IK_FK"] == 1
    after = read_worlds(rig, frames)
    for expected in (before, after, before):
        assert bpy.ops.selfcorrect.toggle() == {"FINISHED"}
        assert measure_off(expected, read_worlds(rig, frames)) < 1e-6
    assert rig.pose.bones["thigh_parent.L"]["IK_FK"] == 0


def case_before_restores_channels_without_keys():
    """Bones and properties that only the correction keys return to their values, in any order of corrections."""
    rig = fresh()
    rig.animation_data.action = None
    for bone in rig.pose.bones:
        bone.matrix_basis = Matrix()
    rig.pose.bones["left_knee"].rotation_mode = "XYZ"
    rig.pose.bones["left_knee"].rotation_euler = (0.2, 0, 0)
    rig.pose.bones["pelvis"].location = (0, 0.01, 0.02)
    rig.pose.bones["head"].keyframe_insert("rotation_quaternion", frame=1)
    rig.pose.bones["head"].keyframe_insert("rotation_quaternion", frame=30)
    old = rig.animation_data.action
    motions = {old.name: read_worlds(rig)}
    for _ in range(2):
        action = correct(rig)
        motions[action.name] = read_worlds(rig)
    record = module("record")
    assert [action.name for action in record.list_corrections(rig)] == list(motions)[1:]
    for name in (*reversed(motions), *motions):
        shown = "" if name == old.name else name
        assert bpy.ops.selfcorrect.show(action=shown) == {"FINISHED"}
        assert rig.animation_data.action.name == name
        assert measure_off(motions[name], read_worlds(rig)) == 0, name
    assert "has no correction" in error_of(bpy.ops.selfcorrect.show, action="nothing")


def case_a_second_layer_replaces_the_first():
    rig = fresh()
    before = read_worlds(rig)
    correct(rig, result="LAYER")
    once = read_worlds(rig)
    correct(rig, result="LAYER")
    assert_same(lift(lift(before)), read_worlds(rig))
    corrections = module("record").list_corrections(rig)
    for action, expected in zip(corrections, (once, lift(lift(before))), strict=True):
        assert bpy.ops.selfcorrect.show(action=action.name) == {"FINISHED"}
        assert_same(expected, read_worlds(rig))
    bpy.ops.selfcorrect.toggle()
    assert_same(before, read_worlds(rig))


def case_findings_are_those_of_the_motion_that_is_shown():
    """The list follows Before and After, and a marker of the user stays, whatever its name."""
    rig = fresh("", CLIP.with_name("spoiled.bvh"))
    scene = bpy.context.scene
    mine = scene.timeline_markers.new("check: mine", frame=3)
    bpy.ops.selfcorrect.check()
    before = [(row.rule, row.worst_frame) for row in scene.selfcorrect_findings]
    moved = next(marker for marker in scene.timeline_markers if marker != mine)
    moved.frame += 1
    kept = {("check: mine", 3), (moved.name, moved.frame)}
    correct(rig, kinematic=True)
    left = [(row.rule, row.worst_frame) for row in scene.selfcorrect_findings]
    assert len(left) < len(before)
    for shown in (before, left):
        bpy.ops.selfcorrect.toggle()
        assert [(row.rule, row.worst_frame) for row in scene.selfcorrect_findings] == shown
        assert len(scene.timeline_markers) == len(shown) + len(kept)
        assert kept <= {(marker.name, marker.frame) for marker in scene.timeline_markers}
    bpy.ops.selfcorrect.toggle()
    findings = module("findings")
    assert all(findings.is_current(row) for row in scene.selfcorrect_findings)
    rig.animation_data.action = bpy.data.actions["spoiled corrected"]  # as a user does in the action editor
    assert not any(findings.is_current(row) for row in scene.selfcorrect_findings)


def case_buttons_act_on_all_selected_armatures():
    first = fresh("", CLIP.with_name("spoiled.bvh"))
    second = import_clip(CLIP.with_name("spoiled.bvh"))
    for rig in (first, second):
        rig.select_set(True)
    assert bpy.ops.selfcorrect.check() == {"FINISHED"}
    rows = [row.rig for row in bpy.context.scene.selfcorrect_findings]
    assert rows.count(first) == rows.count(second) > 0
    assert bpy.ops.selfcorrect.correct(kinematic=True) == {"FINISHED"}
    names = [rig.animation_data.action.name for rig in (first, second)]
    second.select_set(False)
    bpy.context.view_layer.objects.active = first
    assert bpy.ops.selfcorrect.toggle() == {"FINISHED"}
    second.select_set(True)
    for is_after in (True, False):  # the first one decides, as they differ
        assert bpy.ops.selfcorrect.toggle() == {"FINISHED"}
        shown = [rig.animation_data.action.name for rig in (first, second)]
        assert [name in names for name in shown] == [is_after] * 2, shown


def case_feet_come_onto_the_ground_by_default():
    """The default gives what Zero gives, and the report does not say that feet are off the floor."""
    heights = []
    for options in ({}, {"floor_mode": "ZERO"}):
        rig = fresh("", CLIP.with_name("spoiled.bvh"))
        correct(rig, kinematic=True, **options)
        heights.append(read_worlds(rig, range(1, 116, 3)))
        notes = [note.name for note in bpy.context.scene.selfcorrect_notes]
        assert not any("off y = 0" in note for note in notes), notes
        assert not any(row.rule == "F4" for row in bpy.context.scene.selfcorrect_findings)
    assert measure_off(*heights) == 0
    rig = fresh("", CLIP.with_name("spoiled.bvh"))
    rig.location = (0, 0, 2)  # a stage
    correct(rig, kinematic=True)
    high = read_worlds(rig, range(1, 116, 3))
    for world in high.values():
        world[:, 2, 3] -= 2
    assert measure_off(heights[0], high) < 1e-3


def case_linked_rigs_get_a_local_copy():
    fresh()
    library = str(RESULTS.with_name("library.blend"))
    bpy.ops.wm.save_as_mainfile(filepath=library)
    empty_scene(FAKE)
    with bpy.data.libraries.load(library, link=True) as (there, loaded):
        loaded.objects = there.objects
    (rig,) = loaded.objects
    bpy.context.collection.objects.link(rig)
    before = read_worlds(rig)
    correct(rig)
    copy = bpy.context.object
    assert (copy.library, rig.library is None) == (None, False)
    assert_same(lift(before), read_worlds(copy))
    assert rig.hide_viewport
    rig.hide_viewport = False
    assert_same(before, read_worlds(rig))


def add_skin(rig: bpy.types.Object) -> None:
    """Add a skinned mesh, without which exporters drop the rest pose."""
    mesh = add_object("skin", bpy.data.meshes.new("skin"))
    mesh.data.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    mesh.parent = rig
    mesh.modifiers.new("rig", "ARMATURE").object = rig
    for bone in rig.data.bones:
        mesh.vertex_groups.new(name=bone.name).add([0, 1, 2], 1, "ADD")


def case_a_clip_by_gltf_comes_out_as_the_same_clip_by_bvh_at_any_rate():
    """Without ends of feet, which glTF files do not have."""
    path = str(RESULTS.with_name("spoiled.glb"))
    rig = fresh("", CLIP.with_name("spoiled-without-ends.bvh"))
    add_skin(rig)
    bpy.ops.export_scene.gltf(filepath=path)
    correct(rig, kinematic=True)
    expected = read_worlds(rig, range(1, 116, 6))
    for fps in (24, 30, 60):
        empty_scene(PROGRAM)
        bpy.context.scene.render.fps = fps
        bpy.ops.import_scene.gltf(filepath=path)
        rig = next(item for item in bpy.context.scene.objects if item.type == "ARMATURE")
        correct(rig, kinematic=True)
        assert max(map(len, curves(rig.animation_data.action).values())) == 115
        clock = module("rig").choose_clock(rig, bpy.context.scene, "ACTION")
        for index, step in enumerate(range(0, 115, 6)):
            module("rig").show_time(clock, step)
            shown = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
            for name, world in expected.items():
                off = np.array(shown.matrix_world @ shown.pose.bones[name].head) - world[index, :3, 3]
                assert np.abs(off).max() < 1e-4, (fps, name, step, off)


def case_fbx_and_gltf_armatures_work():
    for kind in ("fbx", "gltf"):
        path = RESULTS.with_name(f"rig.{'fbx' if kind == 'fbx' else 'glb'}")
        fresh()
        add_skin(bpy.context.object)
        export = getattr(bpy.ops.export_scene, kind)
        load = getattr(bpy.ops.import_scene, kind)
        export(filepath=str(path), **({"add_leaf_bones": False} if kind == "fbx" else {}))
        bpy.ops.object.select_all(action="SELECT")
        bpy.ops.object.delete()
        load(filepath=str(path))
        rig = next(item for item in bpy.context.scene.objects if item.type == "ARMATURE")
        before = read_worlds(rig)
        correct(rig)
        assert_same(lift(before), read_worlds(rig), apart_m=2e-4, degrees=0.02)


def case_a_floor_at_a_height_of_the_scene_is_taken_as_it_is():
    rig = fresh("")
    rig.location = (0, 0, 3)
    correct(rig, floor_mode="HEIGHT", floor=3.0, kinematic=True)
    high = read_worlds(rig, (1, 20))
    rig = fresh("")
    correct(rig, floor_mode="HEIGHT", kinematic=True)
    low = {name: np.array(Matrix.Translation((0, 0, 3))) @ world for name, world in read_worlds(rig, (1, 20)).items()}
    assert_same(high, low, apart_m=1e-3, degrees=0.1)


def case_a_motion_on_a_tilted_floor_is_turned_level():
    """The result is that on a level floor, up to the error of the plane fitted to the feet.

    The clip has several steps, because a single step determines no plane.
    """
    rig = fresh("", CLIP.with_name("stroll.bvh"))
    correct(rig, kinematic=True)
    straight = read_worlds(rig, (1, 20))
    rig = fresh("", CLIP.with_name("stroll.bvh"))
    rig.rotation_euler = (0.0, math.radians(10.0), 0.0)
    correct(rig, kinematic=True, level=True)
    turned = read_worlds(rig, (1, 20))
    assert_same(straight, turned, apart_m=0.1, degrees=4.0)


def case_a_collection_of_meshes_is_the_ground():
    """A flat block gives the same result as a floor at the height of its top."""
    high = []
    for options in ({"floor_mode": "HEIGHT", "floor": 3.0}, {"ground": "blocks"}):
        rig = fresh("")
        rig.location = (0, 0, 3)
        bpy.ops.mesh.primitive_cube_add(size=2, location=(0, 0, 1))
        cube = bpy.context.object
        cube.scale = (20, 20, 2)
        blocks = bpy.data.collections.new("blocks")
        bpy.context.scene.collection.children.link(blocks)
        blocks.objects.link(cube)
        bpy.context.view_layer.update()
        correct(rig, kinematic=True, **options)
        high.append(read_worlds(rig, (1, 20)))
    assert_same(*high, apart_m=1e-3, degrees=0.1)
    assert bpy.ops.selfcorrect.check(ground="blocks") == {"FINISHED"}
    assert "no collection 'none' with meshes" in error_of(bpy.ops.selfcorrect.correct, ground="none")
    cube.location.x = 100
    bpy.context.view_layer.update()
    assert "lies beneath the path" in error_of(bpy.ops.selfcorrect.correct, ground="blocks")


def make_platform(rig: bpy.types.Object, **ends) -> bpy.types.Object:
    """Make a mesh that carries the rig, with Blender keys that move it from where it is to `ends`."""
    bpy.ops.mesh.primitive_cube_add(size=2, location=(0.3, 0.2, 1))
    platform = bpy.context.object
    platform.scale = (20, 20, 1)
    bpy.context.view_layer.update()
    rig.parent = platform
    rig.matrix_parent_inverse = platform.matrix_world.inverted()
    rig.location = (0, 0, 2)
    for name, values in ends.items():
        platform.keyframe_insert(name, frame=1)
        setattr(platform, name, values)
        platform.keyframe_insert(name, frame=115)
    bpy.context.scene.frame_set(1)
    return platform


def read_on(platform: bpy.types.Object, rig: bpy.types.Object, frames) -> dict:
    """Return the matrices of bones relative to a platform."""
    worlds = read_worlds(rig, frames)
    for step, frame in enumerate(frames):
        bpy.context.scene.frame_set(frame)
        place, turn, _ = platform.matrix_world.decompose()
        to_platform = np.linalg.inv(np.array(Matrix.LocRotScale(place, turn, None)))
        for world in worlds.values():
            world[step] = to_platform @ world[step]
    return worlds


def case_characters_on_a_moving_platform_are_corrected_as_on_a_still_one():
    frames = range(1, 116, 6)
    ways = ({}, {"location": (0.3, 0.2, 3)}, {"location": (2.3, 1.2, 1)}, {"rotation_euler": (0, 0, 1.5)})
    for options in ({}, {"ground": "Cube"}):
        expected = None
        for way in ways:
            rig = fresh("", CLIP.with_name("spoiled.bvh"))
            platform = make_platform(rig, **way)
            before = read_on(platform, rig, frames)
            correct(rig, kinematic=True, **options)
            is_told = any("the ground moves" in note.name for note in bpy.context.scene.selfcorrect_notes)
            assert is_told == bool(way), way
            assert not any("drift" in text for text in warnings()), warnings()
            worlds = read_on(platform, rig, frames)
            assert max(np.abs(worlds[name] - before[name])[:, :3, 3].max() for name in before) > 0.01
            expected = expected or worlds
            assert_same(expected, worlds, apart_m=5e-4, degrees=0.1)
    rig = fresh("")
    make_platform(rig, location=(0.3, 0.2, 3))
    bpy.ops.mesh.primitive_plane_add(size=9)
    bpy.context.collection.objects.unlink(plane := bpy.context.object)
    both = bpy.data.collections.new("both")
    bpy.context.scene.collection.children.link(both)
    both.objects.link(plane)
    both.objects.link(bpy.data.objects["Cube"])
    bpy.context.view_layer.objects.active = rig
    assert "of the ground move differently" in error_of(bpy.ops.selfcorrect.correct, ground="both")


def case_an_object_that_leads_a_walk_in_place_is_no_ground():
    """The parent has the travel of the walk, and the bones walk in place."""
    frames = range(1, 40, 2)
    rig = fresh("")
    correct(rig, kinematic=True)
    expected = read_worlds(rig, frames)
    rig = fresh("")
    path = read_worlds(rig, range(1, 40))["pelvis"][:, :3, 3]
    rig.parent = lead = add_object("lead")
    to_bone = np.array(rig.data.bones["pelvis"].matrix_local)[:3, :3].T @ np.array(rig.matrix_world)[:3, :3].T
    shifts = np.where([True, True, False], path - path[0], 0.0)
    for curve in all_curves(rig.animation_data.action):
        if curve.data_path == 'pose.bones["pelvis"].location':
            for point, shift in zip(curve.keyframe_points, shifts @ to_bone.T, strict=True):
                point.co[1] -= shift[curve.array_index]
            curve.update()
    for frame, shift in enumerate(shifts, start=1):
        lead.location = shift
        lead.keyframe_insert("location", frame=frame)
    correct(rig, kinematic=True)
    assert_same(expected, read_worlds(rig, frames), apart_m=1e-3, degrees=0.1)


def case_a_motion_is_read_and_written_at_the_times_of_its_own_keys():
    """Importers put keys of a 30 fps clip on fractional frames.

    In a 24 fps scene these keys are 0.8 frames apart, and Time Stretching changes the frames in which they are shown.
    """
    rig = fresh("")
    correct(rig, kinematic=True)
    expected = curves(rig.animation_data.action)
    for fps, old, new in ((24, 100, 100), (60, 100, 100), (60, 30, 60), (20, 30, 20)):
        rig = fresh("")
        scene = bpy.context.scene
        scene.render.fps = fps
        scene.render.frame_map_old, scene.render.frame_map_new = old, new
        step = fps * old / new / 30
        for curve in all_curves(rig.animation_data.action):
            for place, point in enumerate(curve.keyframe_points):
                point.co[0] = step * place + 7e-5 * (place % 2)
            curve.update()
        correct(rig, kinematic=True)
        keys = curves(rig.animation_data.action)
        for path, points in expected.items():
            if path[0].startswith("pose"):
                assert len(keys[path]) == len(points), (fps, path)
                assert np.allclose([point[0] for point in keys[path]], step * np.arange(39), atol=1e-3)
                assert np.allclose([point[1] for point in keys[path]], [point[1] for point in points], atol=2e-3), path
    scene.render.frame_map_old, scene.render.frame_map_new = 900, 1
    assert "check the frame rate and Time Stretching" in error_of(bpy.ops.selfcorrect.correct)


def case_a_manual_range_of_an_action_blends_in_and_out():
    rig = fresh("", CLIP.with_name("spoiled.bvh"))
    action = rig.animation_data.action
    action.use_frame_range, action.frame_start, action.frame_end = True, 40, 80
    before = read_worlds(rig, range(20, 101))
    correct(rig, kinematic=True)
    after = read_worlds(rig, range(20, 101))
    moved = np.max([np.linalg.norm(after[name][:, :3, 3] - before[name][:, :3, 3], axis=-1) for name in before], axis=0)
    assert moved[[*range(21), *range(60, 81)]].max() < 1e-3, moved
    assert moved[[21, 59]].max() < 0.01 < moved.max()


def case_contacts_are_curves_that_are_edited_and_fed_back():
    rig = fresh("contacts")
    before = read_worlds(rig)
    first = correct(rig)
    assert curves(first)['["left foot stands"]', 0] == [(1, 0), (5, 1), (12, 0)]
    bag = first.layers[0].strips[0].channelbags[0]
    bag.fcurves.find('["left foot place"]', index=0).keyframe_points[0].co = (5, 0.25)
    bag.fcurves.find('["left foot stands"]').keyframe_points[2].co = (15, 0)
    bag.fcurves.find('["right foot stands"]').keyframe_points.insert(30, 1).interpolation = "CONSTANT"
    assert bpy.ops.selfcorrect.correct(use_contacts=True) == {"FINISHED"}
    contacts = json.loads(RESULTS.with_name("given.json").read_text())
    assert [(item["part"], item["first_frame"], item["last_frame"]) for item in contacts["contacts"]] == [
        ("left foot", 4, 13), ("right foot", 29, 38),
    ]  # fmt: skip
    assert [item.get("position_m") for item in contacts["contacts"]] == [[0.25, 0.0, 0.0], None]
    second = rig.animation_data.action
    assert second not in (first, bpy.data.actions["clip"])
    assert_same(lift(before), read_worlds(rig))  # the original was corrected again, not the result
    os.environ["FAKE"] = "crash"
    error_of(bpy.ops.selfcorrect.correct, use_contacts=True)
    assert rig.animation_data.action == second
    bag = second.layers[0].strips[0].channelbags[0]
    bag.fcurves.remove(bag.fcurves.find('["left foot stands"]'))
    assert "has no curve 'left foot stands'" in error_of(bpy.ops.selfcorrect.correct, use_contacts=True)
    rig.animation_data.action = bpy.data.actions["clip"]
    assert "was not made by Correct with Physics" in error_of(bpy.ops.selfcorrect.correct, use_contacts=True)


def list_stances(rig: bpy.types.Object) -> list[tuple[str, int, int]]:
    contacts = json.loads(module("record").read_record(rig.animation_data.action).contacts)["contacts"]
    return [(item["part"], item["first_frame"], item["last_frame"]) for item in contacts]


def find_steps(rig: bpy.types.Object) -> list[bpy.types.Object]:
    """Return the footsteps of a rig in order of time."""
    footsteps = module("footsteps")
    items = footsteps.find_collection(rig.animation_data.action).objects
    return sorted(items, key=lambda item: footsteps.get_step(item).first_frame)


def correct_again(rig: bpy.types.Object) -> dict:
    """Correct with the edited contacts, and return the motion."""
    bpy.context.view_layer.objects.active = rig
    bpy.context.view_layer.update()
    assert bpy.ops.selfcorrect.correct(use_contacts=True) == {"FINISHED"}
    return read_worlds(rig, range(1, 116))


def case_footsteps_that_nobody_touches_move_nothing():
    """This holds with rigs of several kinds, and a pivot that was changed is no edit."""
    makers = (
        lambda: fresh("", CLIP.with_name("spoiled.bvh")),
        lambda: fresh("", CLIP.with_name("stroll.bvh")),
        lambda: turn_away(fresh("", CLIP.with_name("spoiled.bvh"))),
        make_rigify_walk,
    )
    for make in makers:
        rig = make()
        os.environ["FAKE"] = ""
        correct(rig, kinematic=True)
        expected = read_worlds(rig, range(1, 116))
        stances = list_stances(rig)
        assert stances
        assert bpy.ops.selfcorrect.footsteps() == {"FINISHED"}
        steps = find_steps(rig)
        assert len(steps) == len(stances)
        bpy.context.view_layer.objects.active = steps[0]
        bpy.ops.object.select_all(action="DESELECT")
        for pivot in ("HEEL", "TOE", "HEEL"):
            assert bpy.ops.selfcorrect.footstep_pivot(pivot=pivot) == {"FINISHED"}
        assert measure_off(expected, correct_again(rig)) < 1e-6
        assert list_stances(rig) == stances
        assert [module("footsteps").get_step(item).part for item in find_steps(rig)] == [part for part, _, _ in stances]


def turn_away(rig: bpy.types.Object) -> bpy.types.Object:
    rig.matrix_world = Matrix.LocRotScale((5, -3, 1), Euler((0, 0, 2.0)), (0.7, 0.7, 0.7))
    return rig


def case_footsteps_are_dragged_turned_and_deleted():
    rig = fresh("", CLIP.with_name("spoiled.bvh"))
    correct(rig, kinematic=True)
    before = read_worlds(rig, range(1, 116))
    stances = list_stances(rig)
    assert bpy.ops.selfcorrect.footsteps() == {"FINISHED"}
    steps = find_steps(rig)
    footsteps = module("footsteps")
    chosen = steps[2]
    step = footsteps.get_step(chosen)
    bones = [name.replace("left", step.part.split()[0]) for name in ("left_ankle", "left_foot")]
    middle = (step.first_frame + step.last_frame) // 2
    chosen.location.x += 0.08
    after = correct_again(rig)
    moved = after[bones[0]][middle, :3, 3] - before[bones[0]][middle, :3, 3]
    assert np.abs(moved - (0.08, 0, 0)).max() < 0.02, moved
    far = slice(min(step.last_frame + 40, 110), None)
    assert measure_off({"pelvis": before["pelvis"][far]}, {"pelvis": after["pelvis"][far]}) < 1e-3
    # A footstep turns about its heel, which stays.
    bpy.ops.selfcorrect.show(action="")
    bpy.ops.selfcorrect.show(action="spoiled corrected")
    rig.select_set(True)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.selfcorrect.footsteps()
    chosen = find_steps(rig)[2]
    footsteps.set_pivot(chosen, "HEEL")
    heel = chosen.matrix_world.translation.copy()
    centre = footsteps.find_middle(chosen)
    chosen.matrix_world = chosen.matrix_world @ Matrix.Rotation(0.3, 4, "Z")
    assert (chosen.matrix_world.translation - heel).length < 1e-6
    assert (footsteps.find_middle(chosen) - centre).length > 0.01
    after = correct_again(rig)
    headings = []
    for worlds in (before, after):
        along = worlds[bones[1]][middle, :3, 3] - worlds[bones[0]][middle, :3, 3]
        headings.append(math.atan2(along[1], along[0]))
    assert abs(math.remainder(headings[1] - headings[0] - 0.3, 2 * math.pi)) < 0.06, headings
    # A deleted one stays away.
    bpy.ops.selfcorrect.show(action="spoiled corrected")
    bpy.context.view_layer.objects.active = rig
    bpy.ops.selfcorrect.footsteps()
    chosen = find_steps(rig)[2]
    bpy.data.objects.remove(chosen)
    correct_again(rig)
    left = [(first, last) for part, first, last in list_stances(rig) if part == step.part]
    assert len(list_stances(rig)) == len(stances) - 1, (list_stances(rig), stances)
    assert not any(first <= middle <= last for first, last in left), left


class Layout:
    """A layout that checks that all properties and operators that panels draw exist."""

    def __getattr__(self, name):
        assert name in bpy.types.UILayout.bl_rna.functions or name in bpy.types.UILayout.bl_rna.properties, name
        return lambda *_, **__: Layout()

    def prop(self, holder, name, **_):
        assert hasattr(holder, name), name

    def operator(self, name, **_):
        group, short = name.split(".")
        getattr(getattr(bpy.ops, group), short).get_rna_type()


class Labels(Layout):
    """A layout that records the texts of labels."""

    def __init__(self):
        self.texts = []

    def label(self, text="", **_):
        self.texts.append(text)

    def split(self, **_):
        return self


def case_what_is_drawn_exists():
    rig = fresh("")
    bpy.ops.selfcorrect.correct(kinematic=True, result="LAYER")
    scene = bpy.context.scene
    row = scene.selfcorrect_findings.add()
    row.sentence = "slides along the floor"
    scene.selfcorrect_finding = 0
    scene.selfcorrect_frame_rate = 120
    scene.selfcorrect_notes.add().name = "the whole body moves"
    module("work").Running.title = "Correct"
    panels = module("panels")
    operators = module("operators")
    for kind in (operators.SELFCORRECT_OT_correct, operators.SELFCORRECT_OT_check):
        properties = getattr(bpy.ops.selfcorrect, kind.bl_idname.split(".")[1]).get_rna_type().properties
        kind.draw(SimpleNamespace(layout=Layout(), **{item.identifier: None for item in properties}), bpy.context)
    panels.SELFCORRECT_PT_panel.draw(SimpleNamespace(layout=Layout()), bpy.context)
    panels.draw_menu(SimpleNamespace(layout=Layout()), bpy.context)
    panels.SELFCORRECT_UL_findings.draw_item(None, bpy.context, Layout(), rig, row, 0, rig, "")
    names = {item.identifier: None for item in preferences().bl_rna.properties}
    module("preferences").SelfcorrectPreferences.draw(SimpleNamespace(layout=Layout(), **names), bpy.context)
    module("work").Running.title = ""


def case_the_picture_of_the_page_is_the_present_interface():
    """One job: check a walk, correct it, look at what is left. DRAW=1 writes the picture anew."""
    rig = fresh("", CLIP.with_name("spoiled.bvh"))
    panels = module("panels")
    kind = module("operators").SELFCORRECT_OT_correct
    bpy.ops.selfcorrect.check()
    bpy.context.scene.selfcorrect_finding = 0
    sidebars = []
    for _ in range(2):
        sidebar = Sketch()
        panels.SELFCORRECT_PT_panel.draw(SimpleNamespace(layout=sidebar), bpy.context)
        sidebars.append(sidebar)
        if len(sidebars) == 1:
            correct(rig, kinematic=True)
    properties = bpy.ops.selfcorrect.correct.get_rna_type()
    values = {item.identifier: item.default for item in properties.properties if hasattr(item, "default")}
    dialog = Sketch(properties)
    kind.draw(SimpleNamespace(layout=dialog, **{**values, "kinematic": True}), bpy.context)
    titles = ("1. Check Motion", "2. Correct with Physics", "3. What is left")
    drawn = make_svg(list(zip(titles, (sidebars[0], dialog, sidebars[1]), (270, 360, 270), strict=True)))
    page = os.environ.get("SELFCORRECT_PICTURE", "")
    if not page:
        return
    if os.environ.get("DRAW"):
        Path(page).write_text(drawn, encoding="utf-8")
    shown = Path(page).read_text(encoding="utf-8")
    texts = [re.findall(r"<text[^>]*>([^<]*)<", picture) for picture in (shown, drawn)]
    words = [[re.sub(r"[\d.–]+", "0", text) for text in each] for each in texts]  # figures change with the program
    fixed = [text for text in words[1] if text in words[0]]
    assert len(fixed) > 0.9 * len(words[1]), set(words[1]) ^ set(words[0])
    dialog_texts = [option.title for option in module("options").OPTIONS]
    assert set(dialog_texts) <= set(texts[0]), set(dialog_texts) - set(texts[0])


def case_errors_are_one_sentence_and_the_log_is_there():
    rig = fresh("crash")
    run = bpy.ops.selfcorrect.correct
    check = bpy.ops.selfcorrect.check
    assert error_of(run) == "the disk is full"
    bpy.ops.selfcorrect.show_log()
    assert "the disk is full" in bpy.data.texts["selfcorrect log"].as_string()
    os.environ["FAKE"] = "reject"
    assert error_of(run) == "Not corrected: fell at frame 8"
    os.environ["FAKE"] = "old"
    assert error_of(run) == "This program does not know --contacts-out; install a newer one"
    assert bpy.ops.selfcorrect.test_program() == {"FINISHED"}
    chosen = preferences()
    assert chosen.version.startswith("selfcorrect 9.9.9 (preferences: ")
    os.environ["FAKE"] = "another"
    assert "is not the program selfcorrect" in error_of(bpy.ops.selfcorrect.test_program)
    rig.data.pose_position = "REST"
    assert error_of(check) == "clip shows its rest position; set Armature › Pose to Pose Position"
    chosen.program = "/no/such/program"
    assert "there is no such file" in error_of(check)
    with catch_warnings():
        simplefilter("error")
        chosen.program = "//no such program"  # a relative path in a file that was never saved
    assert "there is no such file" in error_of(check)
    chosen.program, os.environ["PATH"], path = "", "", os.environ["PATH"]
    assert "install it in the preferences" in error_of(check)
    os.environ["PATH"] = path
    assert "Blender is offline" in error_of(bpy.ops.selfcorrect.install)
    chosen.wheels = str(RESULTS.with_name("no wheels"))
    assert "There is no folder" in error_of(bpy.ops.selfcorrect.install)
    chosen.wheels = ""
    assert rig.animation_data.action.name == "clip"
    assert [item.name for item in bpy.data.actions] == ["clip"]


# --- nothing moves that should not -----------------------------------------------------------------------------------


def case_tails_that_an_importer_made_up_are_no_feet():
    for clip, is_gltf, expected in ((CLIP, False, 5), (CLIP, True, 0), (CLIP.with_name("without-ends.bvh"), False, 0)):
        rig = fresh("", clip)
        if is_gltf:
            path = str(RESULTS.with_name("tails.glb"))
            add_skin(rig)
            bpy.ops.export_scene.gltf(filepath=path)
            empty_scene(PROGRAM)
            bpy.ops.import_scene.gltf(filepath=path)
            rig = next(item for item in bpy.context.scene.objects if item.type == "ARMATURE")
        leaves = [bone for bone in rig.data.bones if not bone.children]
        assert len(leaves) == 5
        with_tails = [bone for bone in leaves if not module("rig").has_invented_tail(bone, 1.0)]
        assert len(with_tails) == expected, [bone.name for bone in with_tails]


def case_characters_stay_on_the_level_on_which_they_stand():
    """On a stage at z = 3 m, the result is the same, and the pelvis hardly moves."""
    levels = []
    for height in (0.0, 1.0, 3.0):
        rig = fresh("")
        rig.location = (0, 0, height)
        before = read_worlds(rig, (1, 20))
        correct(rig, kinematic=True)
        assert not warnings(), warnings()
        after = read_worlds(rig, (1, 20))
        assert np.abs(after["pelvis"][:, :3, 3] - before["pelvis"][:, :3, 3]).max() < 0.02
        down = np.array(Matrix.Translation((0, 0, -height)))
        levels.append({name: down @ world for name, world in after.items()})
    assert_same(levels[1], levels[2], apart_m=1e-4, degrees=0.1)
    before = read_worlds(rig, (20,))["pelvis"][0, 2, 3]
    correct(rig, kinematic=True, floor_mode="ZERO")
    assert read_worlds(rig, (20,))["pelvis"][0, 2, 3] < before - 2.9
    assert re.match(r"moved by up to (2\.9|3\.0)\d m: the motion was put on the floor", warnings()[0]), warnings()


def case_bodies_that_walk_upwards_are_refused_with_the_reason():
    rig = fresh("")
    rig.rotation_euler = (math.pi / 2, 0, 0)
    before = read_worlds(rig)
    assert "Turn the armature" in error_of(bpy.ops.selfcorrect.correct, kinematic=True)
    assert measure_off(before, read_worlds(rig)) == 0


def case_bodies_that_lie_on_their_side_are_a_warning():
    rig = fresh("")
    rig.rotation_euler = (0, math.pi / 2, 0)
    before = read_worlds(rig)
    correct(rig, kinematic=True)
    assert any("Turn the armature" in text for text in warnings()), warnings()
    is_named = any(sentence in text for text in warnings() for sentence in ("whole body", "moved by"))
    assert is_named or measure_off(before, read_worlds(rig)) < 0.2, warnings()


def add_cycles(rig: bpy.types.Object) -> None:
    """Repeat an action after its 39 frames, with the root continuing from where it is then."""
    for curve in all_curves(rig.animation_data.action):
        modifier = curve.modifiers.new("CYCLES")
        if "pelvis" in curve.data_path and curve.data_path.endswith("location"):
            modifier.mode_after = "REPEAT_OFFSET"


def all_curves(action: bpy.types.Action) -> list[bpy.types.FCurve]:
    return [
        curve for layer in action.layers for strip in layer.strips for bag in strip.channelbags for curve in bag.fcurves
    ]


def case_cycles_stay_cycles():
    for result in ("ACTION", "LAYER"):
        rig = fresh()
        add_cycles(rig)
        before = read_worlds(rig, (9, 9 + 38))
        correct(rig, result=result)
        after = read_worlds(rig, (9, 9 + 38))
        for name, world in after.items():
            moved = world[:, :3, 3] - before[name][:, :3, 3]
            assert np.abs(moved[0] - moved[1]).max() < 2e-3, (result, name, moved)
        assert not any("baked" in text for text in warnings())


def add_action(rig: bpy.types.Object) -> None:
    """Put the action into an NLA strip and play another action that is added to it."""
    data = rig.animation_data
    old = rig.animation_data.action
    data.action = None
    track = data.nla_tracks.new()
    track.strips.new("walk", 1, old)
    data.action = bpy.data.actions.new("wave")
    for name in ("left_shoulder", "spine1"):
        bone = rig.pose.bones[name]
        for frame in (1, 39):
            bone.rotation_euler = (0.3, 0, 0.1 * frame / 39)
            bone.keyframe_insert("rotation_euler", frame=frame)
    data.action_blend_type = "ADD"


def case_additive_actions_and_strips_keep_their_meaning():
    for result in ("ACTION", "LAYER"):
        rig = fresh()
        add_action(rig)
        before = read_worlds(rig)
        wave = curves(bpy.data.actions["wave"])
        action = correct(rig, result=result)
        assert_same(lift(before), read_worlds(rig))
        assert curves(bpy.data.actions["wave"]) == wave
        assert bpy.ops.selfcorrect.toggle() == {"FINISHED"}
        assert_same(before, read_worlds(rig))
        assert bpy.ops.selfcorrect.toggle() == {"FINISHED"}
        assert_same(lift(before), read_worlds(rig))
        if result == "ACTION":
            assert keyed_bones(action) == {*rig.pose.bones.keys()}, "the action holds the whole body"


def case_a_rig_that_plays_only_strips_gets_a_whole_action():
    rig = fresh()
    data = rig.animation_data
    old = rig.animation_data.action
    data.action = None
    data.nla_tracks.new().strips.new("walk", 11, old)
    before = read_worlds(rig, (11, 19, 40))
    action = correct(rig)
    assert_same(lift(before), read_worlds(rig, (11, 19, 40)))
    assert keyed_bones(action) == {*rig.pose.bones.keys()}
    assert tuple(action.frame_range) == (11, 49)


# --- a result that can be edited -------------------------------------------------------------------------------------


def case_a_layer_has_an_amount_and_leaves_the_action_alone():
    for mode in ("XYZ", "QUATERNION", "AXIS_ANGLE"):
        rig = fresh()
        for bone in rig.pose.bones:
            bone.rotation_mode = mode
        if mode != "XYZ":
            bpy.context.scene.frame_set(1)
            rig.pose.bones["left_shoulder"].keyframe_insert(module("rig").get_rotation_property(rig.pose.bones[0]))
        before = read_worlds(rig)
        old = rig.animation_data.action
        keys = curves(rig.animation_data.action)
        correct(rig, result="LAYER")
        strips = [strip for track in rig.animation_data.nla_tracks for strip in track.strips]
        assert strips[0].action == old
        assert curves(old) == keys
        assert_same(lift(before), read_worlds(rig))
        rig.animation_data.action_influence = 0.0
        assert_same(before, read_worlds(rig))
        rig.animation_data.action_influence = 0.5
        half = read_worlds(rig)["pelvis"][:, 2, 3] - before["pelvis"][:, 2, 3]
        assert np.abs(half - LIFT.z / 2).max() < 1e-4
        assert bpy.ops.selfcorrect.toggle() == {"FINISHED"}
        assert_same(before, read_worlds(rig))
        assert bpy.ops.selfcorrect.toggle() == {"FINISHED"}
        assert rig.animation_data.action_influence == 0.5


def case_before_and_after_can_be_toggled_and_saved():
    rig = fresh()
    before = read_worlds(rig)
    old = rig.animation_data.action
    action = correct(rig)
    bpy.ops.selfcorrect.toggle()
    assert rig.animation_data.action == old
    assert_same(before, read_worlds(rig))
    path = str(RESULTS.with_name("toggled.blend"))
    bpy.ops.wm.save_as_mainfile(filepath=path)
    names = (rig.name, action.name)
    bpy.ops.wm.open_mainfile(filepath=path)
    rig = bpy.data.objects[names[0]]
    action = bpy.data.actions[names[1]]
    assert action.use_fake_user
    bpy.context.view_layer.objects.active = rig
    bpy.ops.selfcorrect.toggle()
    assert rig.animation_data.action == action
    assert_same(lift(before), read_worlds(rig))
    rig.animation_data.action = None
    assert "was not corrected yet" in error_of(bpy.ops.selfcorrect.toggle)


def case_a_bone_that_is_not_where_it_should_be_has_its_cause_named():
    for cause in ("bones above it are not selected", "a driver moves left_knee"):
        rig = fresh()
        is_driven = cause.startswith("a driver")
        if is_driven:
            rig.driver_add('pose.bones["left_knee"].rotation_euler', 0).driver.expression = "0.3"
        else:
            with edit_bones(rig) as bones:
                bones["left_knee"].use_connect = True
            select_bone(rig, "left_knee")
        correct(rig, **({"held_rigs": "CONTROLS"} if is_driven else {"only_selected": True}))
        assert any(cause in text for text in warnings()), warnings()


def case_only_selected_bones_change():
    rig = fresh()
    select_bone(rig, "left_knee")
    before = read_worlds(rig)
    old = curves(rig.animation_data.action)
    new = curves(correct(rig, only_selected=True))
    assert {path.split('"')[1] for path in changed_paths(old, new)} == {"left_knee"}
    after = read_worlds(rig)
    assert_same({"pelvis": before["pelvis"], "right_foot": before["right_foot"]}, after)
    turned = lift(before)["left_knee"][:, :3, :3]
    assert np.abs(after["left_knee"][:, :3, :3] - turned).max() < 1e-3


def case_several_armatures_are_corrected_in_one_go():
    first_rig = fresh()
    second_rig = import_clip(CLIP)
    before = read_worlds(first_rig)
    first_rig.select_set(True)
    second_rig.select_set(True)
    bpy.context.view_layer.objects.active = second_rig
    assert bpy.ops.selfcorrect.correct() == {"FINISHED"}
    for rig in (first_rig, second_rig):
        assert_same(lift(before), read_worlds(rig))


def case_a_wrong_frame_rate_is_noticed_and_mended():
    """A leap played five times too slowly falls too slowly, and a walk played too fast would tip over."""
    for clip, wrong_fps in (("stroll.bvh", 60), ("stroll.bvh", 75), ("stroll.bvh", 90), ("leap.bvh", 12)):
        rig = fresh("", CLIP.with_name(clip))
        scene = bpy.context.scene
        fps = scene.render.fps
        scene.render.fps, scene.render.fps_base = wrong_fps, 1.0
        bpy.context.view_layer.objects.active = rig
        bpy.ops.selfcorrect.check()
        assert scene.selfcorrect_frame_rate == fps, (clip, scene.selfcorrect_frame_rate, fps)
        assert bpy.ops.selfcorrect.set_frame_rate() == {"FINISHED"}
        assert (scene.render.fps, scene.selfcorrect_frame_rate) == (fps, 0)
    assert "seems right" in error_of(bpy.ops.selfcorrect.set_frame_rate)


def case_contacts_and_findings_are_marked_in_the_viewport():
    rig = fresh("contacts")
    correct(rig)
    scene = bpy.context.scene
    overlay = module("overlay")
    scene.frame_set(6)
    (ring,) = overlay.find_rings(scene, rig)
    assert ring.colour == overlay.CONTACT_COLOUR
    assert ring.centre.xy.length < 1e-6
    row = scene.selfcorrect_findings.add()
    row.first_frame = 5
    row.last_frame = 8
    row.joints = "left knee, nothing"
    ring = overlay.find_rings(scene, rig)[-1]
    assert (ring.centre - rig.matrix_world @ rig.pose.bones["left_knee"].head).length < 1e-6
    scene.frame_set(20)
    assert overlay.find_rings(scene, rig) == []


# --- messages and time -----------------------------------------------------------------------------------------------


def case_odd_rigs_and_answers_are_one_sentence():
    fresh("cut")
    assert error_of(bpy.ops.selfcorrect.correct).startswith("The program's answer is cut")
    os.environ["FAKE"] = "half"
    assert error_of(bpy.ops.selfcorrect.correct).startswith("The motion that the program returned is cut")
    bpy.ops.object.select_all(action="DESELECT")
    bpy.context.view_layer.objects.active = add_object("empty", bpy.data.armatures.new("empty"))
    for operator in (bpy.ops.selfcorrect.correct, bpy.ops.selfcorrect.check):
        assert error_of(operator) == "empty has no bones"


def case_one_click_installs_the_program_that_comes_with_the_extension():
    """Blender's own Python installs the program from a folder of wheels while Blender is offline."""
    fresh()
    assert not bpy.app.online_access
    wheels = RESULTS.with_name("wheels")
    wheels.mkdir(exist_ok=True)
    preferences().program, preferences().wheels = "", str(wheels)
    path = os.environ["PATH"]
    os.environ["PATH"] = "/usr/bin:/bin"
    try:
        assert bpy.ops.selfcorrect.install() == {"FINISHED"}
        chosen = module("preferences").choose_program()
    finally:
        os.environ["PATH"] = path
    assert chosen.origin == "environment of the extension"
    assert preferences().version == "selfcorrect 9.9.9"
    log = module("preferences").get_log_file().read_text()
    assert f"--no-index --find-links {wheels}" in log


def case_no_step_blocks_the_interface():
    """Reading, comparing and writing 1,200 frames is split into short steps."""
    rig = fresh()
    for curve in all_curves(rig.animation_data.action):
        for point in curve.keyframe_points:
            point.co[0] *= 1200 / 39
        curve.update()
    bpy.context.view_layer.objects.active = rig
    for result in ("ACTION", "LAYER"):
        running, _, _ = prepare_correction(rig, result=result)
        longest = 0.0
        stage = ""
        work = running.create_steps(bpy.context)
        with contextlib.suppress(StopIteration):
            while True:
                start = time.thread_time()
                _, doing = next(work)
                if doing != "computing" and time.thread_time() - start > longest:
                    longest = time.thread_time() - start
                    stage = doing
        print("longest step", result, f"{longest:.2f} s", stage)
        assert longest < 0.5, (longest, stage)


def prepare_correction(rig: bpy.types.Object, **chosen) -> tuple:
    """Return an operator, a context without a window, and the list that receives the operator's reports."""
    kind = module("operators").SELFCORRECT_OT_correct
    reports = []
    properties = bpy.ops.selfcorrect.correct.get_rna_type().properties
    options = {item.identifier: item.default for item in properties if hasattr(item, "default")}
    running = SimpleNamespace(
        **{**options, **chosen}, finished=(), bl_label=kind.bl_label, report=lambda level, text: reports.append(text)
    )
    for owner in (module("work").StepOperator, module("operators").RigOperator, kind):
        for name, value in vars(owner).items():
            if callable(value) and hasattr(value, "__get__") and not isinstance(value, type) and name[:2] != "__":
                setattr(running, name, value.__get__(running))
    quiet = SimpleNamespace(event_timer_remove=lambda timer: None, status_text_set=lambda text: None)
    context = SimpleNamespace(
        object=rig, selected_objects=[rig], scene=bpy.context.scene, window_manager=quiet, workspace=quiet,
        screen=SimpleNamespace(areas=[]),
    )  # fmt: skip
    return running, context, reports


def start_correction(rig: bpy.types.Object) -> tuple:
    """Start a correction as a user does, but without a window, and wait until it is well under way.

    Returns:
        The operator, its context and its reports.
    """
    running, context, reports = prepare_correction(rig)
    work = module("work")
    work.Running.start(running.bl_label, running.create_steps(context))
    running._steps, running._timer = work.Running.steps, object()
    until = time.monotonic() + 240
    while work.Running.share < 0.4 and time.monotonic() < until:
        assert running.modal(context, event("TIMER")) == {"PASS_THROUGH"}
        time.sleep(0.01)
    return running, context, reports


def event(kind: str, value: str = "NOTHING") -> SimpleNamespace:
    return SimpleNamespace(type=kind, value=value)


def assert_ended(pid: Path) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
        raise AssertionError("the program still runs")


def make_endless_program() -> tuple[bpy.types.Object, Path]:
    """Return a rig whose correction never ends, and the file into which the program writes its process id."""
    pid = RESULTS.with_name("pid")
    pid.unlink(missing_ok=True)
    os.environ["FAKE_PID"] = str(pid)
    return fresh("sleep"), pid


def case_escape_ends_the_program_and_changes_nothing():
    rig, pid = make_endless_program()
    folders = set(Path(bpy.app.tempdir).iterdir())
    bpy.context.scene.frame_set(5)
    running, context, reports = start_correction(rig)
    assert running.modal(context, event("MOUSEMOVE")) == {"PASS_THROUGH"}
    assert running.modal(context, event("ESC", "PRESS")) == {"CANCELLED"}
    assert reports == ["Correct with Physics was cancelled; nothing was changed"]
    assert_ended(pid)
    log = module("preferences").get_log_file()
    assert set(Path(bpy.app.tempdir).iterdir()) - folders <= {log}
    assert (bpy.context.scene.frame_current, module("work").Running.title) == (5, "")
    assert [action.name for action in bpy.data.actions] == ["clip"]


def read_state(rig: bpy.types.Object) -> dict:
    """Return everything in the file that a user could notice if it changed."""
    data = rig.animation_data
    return {
        "actions": sorted((action.name, action.use_fake_user, repr(curves(action))) for action in bpy.data.actions),
        "played": (data.action and data.action.name, data.action_blend_type, data.action_influence),
        "tracks": [(track.name, [strip.name for strip in track.strips]) for track in data.nla_tracks],
        "objects": sorted((item.name, item.hide_viewport, item.hide_render) for item in bpy.data.objects),
        "collections": sorted(item.name for item in bpy.data.collections),
        "properties": sorted((name, repr(value)) for name, value in rig.items()),
        "active": bpy.context.view_layer.objects.active.name,
        "frame": bpy.context.scene.frame_current,
    }


def case_escape_at_any_step_leaves_nothing():
    """This holds for every kind of result and every step at which the work ends."""
    makers = {
        "plain": lambda: (fresh("contacts"), {}),
        "layer": lambda: (fresh("contacts"), {"result": "LAYER"}),
        "controls": lambda: (make_constrained_rig()[0], {}),
        "copy": lambda: (make_constrained_rig()[0], {"held_rigs": "COPY"}),
    }
    for kind, make in makers.items():
        rig, options = make()
        before = read_state(rig)
        running, context, _ = prepare_correction(rig, **options)
        steps = running.create_steps(context)
        skip_computing(steps)
        count = sum(1 for _ in steps)
        for place in sorted({0, count // 2, int(0.8 * count), int(0.9 * count), count - 2, count - 1}):
            rig, options = make()
            running, context, _ = prepare_correction(rig, **options)
            steps = running.create_steps(context)
            skip_computing(steps)
            for _ in range(place):
                next(steps)
            steps.close()
            assert read_state(rig) == before, (kind, place, count)


def skip_computing(steps) -> None:
    """Run steps until the keys of the result are being computed."""
    for _, stage in steps:
        if stage == "computing the keys":
            return


def case_what_is_no_body_is_skipped_and_named():
    rig = fresh("")
    bpy.context.view_layer.objects.active = prop = add_object("sword", bpy.data.armatures.new("sword"))
    with edit_bones(prop) as bones:
        bone = bones.new("blade")
        bone.head, bone.tail = (0, 0, 0), (0, 0, 1)
    for name in (prop, rig):
        name.select_set(True)
    bpy.context.view_layer.objects.active = rig
    assert bpy.ops.selfcorrect.correct(kinematic=True) == {"FINISHED"}
    assert rig.animation_data.action.name == "clip corrected"
    assert any(text.startswith("sword: ") for text in warnings()), warnings()
    rig.select_set(False)
    bpy.context.view_layer.objects.active = prop
    for operator in (bpy.ops.selfcorrect.correct, bpy.ops.selfcorrect.check):
        sentence = error_of(operator)
        assert "newer program" not in sentence, sentence
        assert "body" in sentence or "humanoid" in sentence, sentence


def case_units_are_guessed_and_named():
    """Bodies in centimetres, or as small as a figurine, are corrected as at real size.

    A BVH file in centimetres is imported without scaling, at a thousandth of that, and as a giant.
    """
    rig = fresh("")
    correct(rig, kinematic=True)
    expected = read_worlds(rig)
    for scale in (1.0, 0.001, 0.0237):  # centimetres, a figurine, and a giant of 3.7 m, which no mistake explains
        fresh("")
        bpy.ops.import_anim.bvh(filepath=str(CLIP), global_scale=scale, update_scene_fps=True)
        rig = bpy.context.object
        correct(rig, kinematic=True)
        scaled = r"is [\d.]+ m tall; it was computed as if scaled by (0\.01|10|0\.4\d+)"
        assert any(re.search(scaled, text) for text in warnings()), warnings()
        worlds = read_worlds(rig)
        for world in worlds.values():
            world[:, :3, 3] *= 0.01 / scale
        assert_same(expected, worlds, apart_m=1e-3, degrees=0.1)


def case_a_prop_far_away_makes_nobody_taller():
    rig = fresh()
    with edit_bones(rig) as bones:
        for name, far in (("prop", 300), ("prop tip", 310)):
            prop = bones.new(name)
            prop.head, prop.tail = (far, 0, 0), (far + 5, 0, 0)
    os.environ["FAKE_KNEE"] = "no joint"
    correct(rig)
    assert not any("m tall" in text for text in warnings()), warnings()


def case_opening_a_file_or_disabling_the_extension_ends_the_program():
    rig, pid = make_endless_program()
    running, context, _ = start_correction(rig)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=False)
    assert_ended(pid)
    assert module("work").Running.title == ""
    assert running.modal(context, event("TIMER")) == {"CANCELLED"}
    correct(fresh())  # the next correction is not locked out
    rig, pid = make_endless_program()
    running, context, _ = start_correction(rig)
    running.cancel(context)  # as Blender does when its window closes
    assert_ended(pid)
    rig, pid = make_endless_program()
    start_correction(rig)
    bpy.ops.preferences.addon_disable(module=NAME)
    assert_ended(pid)
    bpy.ops.preferences.addon_enable(module=NAME)
    correct(fresh())


def main() -> None:
    """Install the extension, run all cases, write the outcomes."""
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
