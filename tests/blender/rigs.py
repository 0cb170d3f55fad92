"""Turn a walking skeleton into rigs of the kinds that people use, with their usual constraints."""

import contextlib
import math

import bpy
import numpy as np
from mathutils import Matrix, Vector

SIDES = ("left", "right")
_MIXAMO = {"pelvis": "Hips", "spine1": "Spine", "spine2": "Spine1", "spine3": "Spine2", "neck": "Neck", "head": "Head"}
_MIXAMO_LIMBS = {
    "hip": "UpLeg", "knee": "Leg", "ankle": "Foot", "foot": "ToeBase", "collar": "Shoulder", "shoulder": "Arm",
    "elbow": "ForeArm", "wrist": "Hand",
}  # fmt: skip


@contextlib.contextmanager
def edit_bones(rig: bpy.types.Object):
    """Enter edit mode and yield the edit bones of the active rig."""
    bpy.ops.object.mode_set(mode="EDIT")
    yield rig.data.edit_bones
    bpy.ops.object.mode_set(mode="OBJECT")


def add_empty(place=(0, 0, 0)) -> bpy.types.Object:
    item = bpy.data.objects.new("empty", None)
    bpy.context.collection.objects.link(item)
    item.location = place
    return item


def constrain(rig: bpy.types.Object, bone: str, kind: str, **values) -> bpy.types.Constraint:
    constraint = rig.pose.bones[bone].constraints.new(kind)
    for name, value in values.items():
        setattr(constraint, name, value)
    return constraint


def limit_knees_of_mixamo(rig) -> None:
    for part, name in _MIXAMO.items():
        rig.data.bones[part].name = f"mixamorig:{name}"
    for side in SIDES:
        for part, name in _MIXAMO_LIMBS.items():
            rig.data.bones[f"{side}_{part}"].name = f"mixamorig:{side.capitalize()}{name}"
        limit = {"use_limit_x": True, "min_x": -3.0, "max_x": 3.0, "owner_space": "LOCAL"}
        constrain(rig, f"mixamorig:{side.capitalize()}Leg", "LIMIT_ROTATION", **limit)


def look_at_an_empty(rig) -> None:
    constrain(rig, "head", "DAMPED_TRACK", target=add_empty((0, -10, 1.6)), track_axis="TRACK_Z")


def maintain_volume(rig) -> None:
    for name in ("spine1", "left_elbow", "right_elbow"):
        constrain(rig, name, "MAINTAIN_VOLUME")


def keep_feet_above_a_floor(rig) -> None:
    ground = add_empty()
    for side in SIDES:
        constrain(rig, f"{side}_ankle", "FLOOR", target=ground, floor_location="FLOOR_Z", offset=-1.0)


def share_twist(rig) -> None:
    with edit_bones(rig) as bones:
        for side in SIDES:
            twist, arm = bones.new(f"{side}_twist"), bones[f"{side}_elbow"]
            twist.head, twist.tail, twist.parent, twist.roll = arm.head.lerp(arm.tail, 0.5), arm.tail, arm, arm.roll
    for side in SIDES:
        space = {"target_space": "LOCAL", "owner_space": "LOCAL", "influence": 0.5, "use_x": False, "use_z": False}
        constrain(rig, f"{side}_twist", "COPY_ROTATION", target=rig, subtarget=f"{side}_wrist", **space)


def hold_a_prop_and_follow_an_empty(rig) -> None:
    with edit_bones(rig) as bones:
        prop = bones.new("sword")
        prop.head, prop.tail = bones["right_wrist"].head, bones["right_wrist"].head + Vector((0, 0, 0.8))
    inverse = (rig.matrix_world @ rig.data.bones["right_wrist"].matrix_local).inverted()
    constrain(rig, "sword", "CHILD_OF", target=rig, subtarget="right_wrist", inverse_matrix=inverse)
    constrain(rig, "pelvis", "CHILD_OF", target=add_empty())


def copy_feet_as_unreal(rig) -> None:
    names = [f"{side}_{part}" for side in SIDES for part in ("ankle", "wrist")]
    with edit_bones(rig) as bones:
        for name in names:
            follower = bones.new(f"ik_{name}")
            for key in ("head", "tail", "roll"):
                setattr(follower, key, getattr(bones[name], key))
    for name in names:
        constrain(rig, f"ik_{name}", "COPY_TRANSFORMS", target=rig, subtarget=name)


def layer_controls_over_deform_bones(rig) -> None:
    """Deform bones copy controls, as Auto-Rig Pro has them, with a limit that holds nothing back."""
    names = rig.data.bones.keys()
    for name in names:
        rig.data.bones[name].name = f"c_{name}.x"
    with edit_bones(rig) as bones:
        for name in names:
            deform = bones.new(name)
            for key in ("head", "tail", "roll"):
                setattr(deform, key, getattr(bones[f"c_{name}.x"], key))
        for name in names:
            above = bones[f"c_{name}.x"].parent
            if above:
                bones[name].parent = bones[above.name[2:-2]]
    for name in names:
        rig.data.bones[f"c_{name}.x"].use_deform = False
        constrain(rig, name, "COPY_TRANSFORMS", target=rig, subtarget=f"c_{name}.x")
    constrain(rig, "c_left_knee.x", "LIMIT_ROTATION", owner_space="LOCAL")


def stretch_a_muscle(rig) -> None:
    with edit_bones(rig) as bones:
        muscle = bones.new("muscle")
        muscle.head, muscle.tail, muscle.parent = bones["left_hip"].head, bones["left_knee"].head, bones["pelvis"]
    constrain(rig, "muscle", "STRETCH_TO", target=rig, subtarget="left_knee")


def lock_tracks(rig) -> None:
    """The head turns to an empty about one axis, and a hand is limited in distance from it."""
    empty = add_empty((0, -5, 1.0))
    constrain(rig, "head", "LOCKED_TRACK", target=empty, track_axis="TRACK_Z", lock_axis="LOCK_Y")
    constrain(rig, "left_wrist", "LIMIT_DISTANCE", target=empty, distance=100.0, limit_mode="LIMITDIST_INSIDE")


def walk_on_ik_legs(rig) -> None:
    _add_ik_legs(rig, has_poles=True)


def walk_on_ik_legs_without_poles(rig) -> None:
    _add_ik_legs(rig, has_poles=False)


def _add_ik_legs(rig: bpy.types.Object, *, has_poles: bool) -> None:
    """Add IK targets and poles, with keys.

    The legs move nearly as before.
    """
    first, last = map(int, rig.animation_data.action.frame_range)
    frames = range(first, last + 1)
    heads = {bone.name: [] for bone in rig.pose.bones}
    for frame in frames:
        bpy.context.scene.frame_set(frame)
        for bone in rig.pose.bones:
            heads[bone.name].append(bone.head.copy())
    with edit_bones(rig) as bones:
        for side in SIDES:
            ankle, knee = bones[f"{side}_ankle"].head.copy(), bones[f"{side}_knee"].head.copy()
            shin = (knee - ankle).length
            ahead = _take_across(bones[f"{side}_foot"].head - ankle, bones[f"{side}_hip"].head - ankle)
            target, pole = bones.new(f"{side}_target"), bones.new(f"{side}_pole")
            target.head, target.tail = ankle, ankle + 0.2 * shin * ahead
            pole.head, pole.tail = knee + shin * ahead, knee + 1.1 * shin * ahead
    for side in SIDES:
        target, pole = rig.pose.bones[f"{side}_target"], rig.pose.bones[f"{side}_pole"]
        target.bone.use_deform = pole.bone.use_deform = False
        for step, frame in enumerate(frames):
            hip, knee, ankle, toe = (heads[f"{side}_{part}"][step] for part in ("hip", "knee", "ankle", "foot"))
            bent = _take_across(knee - hip, ankle - hip, least=0.02 * (knee - hip).length)
            ahead = bent if bent.length else _take_across(toe - ankle, ankle - hip)
            for bone, place in ((target, ankle), (pole, knee + (knee - ankle).length * ahead)):
                bone.matrix = Matrix.Translation(place) @ bone.bone.matrix_local.to_3x3().to_4x4()
                bone.keyframe_insert("location", frame=frame)
        ik = constrain(rig, f"{side}_knee", "IK", target=rig, subtarget=target.name, chain_count=2)
        if has_poles:
            ik.pole_target, ik.pole_subtarget = rig, pole.name
            angles = np.linspace(-math.pi, math.pi, 72, endpoint=False)
            ik.pole_angle = min(angles, key=lambda angle: _measure_knee(rig, ik, angle, heads, f"{side}_ankle"))


def _take_across(vector: Vector, axis: Vector, least: float = 0.0) -> Vector:
    """Return the direction of a vector across an axis, or 0 if it is shorter than `least` there."""
    across = vector - vector.project(axis)
    return across.normalized() if across.length > least else Vector()


def _measure_knee(rig, ik, angle: float, heads: dict, ankle: str) -> float:
    """Return the distance of a leg's joints from where they were, with an angle of the pole, in two frames."""
    ik.pole_angle = angle
    knee = rig.pose.bones[ankle].parent
    off = 0.0
    first = int(rig.animation_data.action.frame_range[0])
    for step in (8, 29):
        bpy.context.scene.frame_set(first + step)
        off += sum((bone.head - heads[bone.name][step]).length for bone in (rig.pose.bones[ankle], knee))
        off += (rig.pose.bones[ankle].children[0].head - heads[rig.pose.bones[ankle].children[0].name][step]).length
    return off


RIGS = (
    limit_knees_of_mixamo,
    look_at_an_empty,
    maintain_volume,
    keep_feet_above_a_floor,
    share_twist,
    hold_a_prop_and_follow_an_empty,
    copy_feet_as_unreal,
    layer_controls_over_deform_bones,
    stretch_a_muscle,
    lock_tracks,
    walk_on_ik_legs,
    walk_on_ik_legs_without_poles,
)
