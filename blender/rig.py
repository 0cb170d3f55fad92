# SPDX-License-Identifier: GPL-3.0-or-later
"""The motion of an armature as Blender evaluates it, and a new action that holds its correction."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import bpy
import numpy as np
from mathutils import Matrix, Quaternion

from .exchange import FEET, Y_UP, Block, Clip, Contacts, spans
from .program import Failure

Drift: TypeAlias = "tuple[float, float]"
"""How far a bone's head lies from where it should, in units of the scene, and the difference of its axes in radians."""

_SAME_PLACE_M, _SAME_TURN_RAD, _SAME_SCALE = 1e-4, math.radians(0.01), 1e-4
"""Differences that get no keys."""
_HEADS_APART = 1e-4
_FROM_RIG, _FROM_ACTION = "selfcorrect rig", "selfcorrect action"
"""Properties of a corrected action: what it was made from."""
SEEN_M = 1e-3
"""Distance from the correction beyond which the user is warned."""
_LOOKED_AT = 8
"""Frames in which a new action is compared with what it should show."""


def found(uid: int) -> bpy.types.Object:
    """An object by its session identifier, which stays valid where undo moves it in memory."""
    for each in bpy.data.objects:
        if each.session_uid == uid:
            return each
    raise Failure("The armature was removed while the program was working on it")


def frames_of(rig: bpy.types.Object, scene: bpy.types.Scene, extent: str) -> range:
    """The frames of a rig's action, or of the scene's (preview) range where that is asked for or there is no action."""
    action = rig.animation_data.action if rig.animation_data else None
    if extent == "ACTION" and action and np.ptp(action.frame_range) > 0:
        return range(math.floor(action.frame_range[0]), math.ceil(action.frame_range[1]) + 1)
    if scene.use_preview_range:
        return range(scene.frame_preview_start, scene.frame_preview_end + 1)
    return range(scene.frame_start, scene.frame_end + 1)


def check_rig(rig: bpy.types.Object) -> None:
    """Raise Failure where the motion of a rig cannot be read or changed."""
    if rig.data.pose_position == "REST":
        raise Failure(f"{rig.name} shows its rest position; set Armature › Pose to Pose Position")
    if rig.mode == "EDIT":
        raise Failure(f"{rig.name} is in edit mode; leave it first")
    if rig.animation_data and rig.animation_data.use_tweak_mode:
        raise Failure(f"An NLA strip of {rig.name} is being tweaked; leave tweak mode first")
    if abs(rig.matrix_world.determinant()) < 1e-12:
        raise Failure(f"{rig.name} is scaled to nothing; expected a scale other than 0")


# --- which bones -----------------------------------------------------------------------------------------------------


def bones_of(rig: bpy.types.Object) -> tuple[list[str], list[int]]:
    """Bones that make up the body, depth first, and the index of each one's parent, −1 at the top.

    All bones of a plain skeleton; the deform bones of a rig with constraints. Their parents are then the nearest
    deform bones above them, or those that follow the control bones above them.
    """
    bones = rig.data.bones
    plain = not any(active(pose) for pose in rig.pose.bones) or not any(bone.use_deform for bone in bones)
    chosen = {bone.name for bone in bones if plain or bone.use_deform}
    followers = {} if plain else _followers(rig, chosen)
    above = {name: _parent(bones[name], chosen, followers) for name in chosen}
    below: dict[str, list[str]] = {}
    for bone in bones:  # in their order, which the file keeps
        if bone.name in chosen:
            below.setdefault(above[bone.name], []).append(bone.name)
    names: list[str] = []
    waiting = below.get("", [])[::-1]
    while waiting:
        names.append(waiting.pop())
        waiting += below.get(names[-1], [])[::-1]
    index = {name: place for place, name in enumerate(names)}
    return names, [index.get(above[name], -1) for name in names]


def active(pose: bpy.types.PoseBone) -> list[bpy.types.Constraint]:
    """The constraints that move a bone."""
    return [each for each in pose.constraints if not each.mute and each.influence > 0 and each.is_valid]


def _followers(rig: bpy.types.Object, chosen: set[str]) -> dict[str, str]:
    """Control bone → the deform bone that copies it, be it muted, as on baked copies, or lies on it as its child."""
    followers = {}
    for bone in (bone for bone in rig.data.bones if bone.name in chosen):
        for each in rig.pose.bones[bone.name].constraints:
            if each.type in ("COPY_TRANSFORMS", "COPY_ROTATION") and each.target == rig and each.subtarget:
                followers.setdefault(each.subtarget, bone.name)
        parent = bone.parent
        if parent and parent.name not in chosen and _same_place(parent, bone):
            followers.setdefault(parent.name, bone.name)
    return followers


def _same_place(one: bpy.types.Bone, other: bpy.types.Bone) -> bool:
    return (one.head_local - other.head_local).length < _HEADS_APART * max(one.length, 1e-9)


def _parent(bone: bpy.types.Bone, chosen: set[str], followers: dict[str, str]) -> str:
    """The body's bone above one, "" where there is none."""
    for above in bone.parent_recursive:
        name = above.name if above.name in chosen else followers.get(above.name, "")
        if name and name != bone.name and bone not in bone.id_data.bones[name].parent_recursive:
            return name
    return ""


def chain_of(pose: bpy.types.PoseBone, constraint: bpy.types.Constraint) -> list[str]:
    """The bones that a constraint moves: those of a chain for inverse kinematics, else the bone itself."""
    if constraint.type not in ("IK", "SPLINE_IK"):
        return [pose.name]
    chain = [pose, *pose.parent_recursive]
    if constraint.type == "IK" and not constraint.use_tail:
        chain = chain[1:]
    return [each.name for each in chain[: constraint.chain_count or None]]


def holders_of(rig: bpy.types.Object, names: set[str]) -> list[bpy.types.Constraint]:
    """The constraints that hold some of these bones, which keys therefore could not move."""
    return [one for pose in rig.pose.bones for one in active(pose) if names & set(chain_of(pose, one))]


def drivers_of(rig: bpy.types.Object, names: set[str]) -> list[bpy.types.FCurve]:
    """The drivers of these bones' transforms."""
    paths = {f"{rig.pose.bones[name].path_from_id()}.{kind}" for name in names for kind in ("location", *_ROTATIONS)}
    return [each for each in (rig.animation_data.drivers if rig.animation_data else ()) if each.data_path in paths]


# --- its motion ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Sampled:
    """The motion of a rig, as Blender shows it."""

    uid: int
    frames: range
    names: list[str]
    """J bones of the body, depth first."""
    parents: list[int]
    pose: dict[str, np.ndarray]
    """Bone → (T, 4, 4) in the armature, of the body's bones and all above them."""
    world: np.ndarray
    """(T, 4, 4) of the armature object."""


def sample(uid: int, frames: range) -> Iterator[tuple[float, str]]:
    """Steps that end with the motion (`Sampled`) of a rig. Restores the scene's frame."""
    before, subframe = bpy.context.scene.frame_current, bpy.context.scene.frame_subframe
    names, parents = bones_of(found(uid))
    bones = found(uid).data.bones
    needed = {above.name for name in names for above in (bones[name], *bones[name].parent_recursive)}
    pose = {name: np.empty((len(frames), 4, 4)) for name in needed}
    world = np.empty((len(frames), 4, 4))
    try:
        for step, frame in enumerate(frames):
            bpy.context.scene.frame_set(frame)  # asked for anew, as undo may move it in memory
            seen = found(uid).evaluated_get(bpy.context.evaluated_depsgraph_get())
            world[step] = seen.matrix_world
            for name in needed:
                pose[name][step] = seen.pose.bones[name].matrix
            yield step / len(frames), "reading the motion"
    finally:
        bpy.context.scene.frame_set(before, subframe=subframe)
    return Sampled(uid, frames, names, parents, pose, world)


def clip_of(sampled: Sampled, scene: bpy.types.Scene) -> Clip:
    """The motion as the program reads it: metres, y up, frames of joints parallel to the world at rest.

    The rest pose stands as the armature object does in the first frame, but for its heading.
    """
    rig, unit_m = found(sampled.uid), scene.unit_settings.scale_length
    names, parents = list(sampled.names), list(sampled.parents)
    start = _without_heading(sampled.world[0])
    heads = np.stack([(sampled.world @ sampled.pose[name])[:, :3, 3] for name in names], axis=1)
    turns = np.stack([_turns((sampled.world @ sampled.pose[name])[:, :3, :3]) for name in names], axis=1)
    rests = np.stack([_turns(start @ np.array(rig.data.bones[name].matrix_local)[:3, :3]) for name in names])
    positions_m = heads @ Y_UP.T * unit_m
    rotations = Y_UP @ turns @ rests.swapaxes(-1, -2) @ Y_UP.T
    childless = set(range(len(names))) - set(parents)
    tips_m = {joint: Y_UP @ start @ _tail_from_head(rig.data.bones[names[joint]]) * unit_m for joint in childless}
    if parents.count(-1) > 1:  # the format has one root
        names, parents = ["scene", *names], [-1, *(parent + 1 for parent in parents)]
        positions_m = np.concatenate([np.zeros_like(positions_m[:, :1]), positions_m], axis=1)
        rotations = np.concatenate([np.tile(np.eye(3), (len(heads), 1, 1, 1)), rotations], axis=1)
        tips_m = {joint + 1: tip for joint, tip in tips_m.items()}
    fps = scene.render.fps / scene.render.fps_base
    return Clip(tuple(names), tuple(parents), positions_m, rotations, fps, tips_m)


def _tail_from_head(bone: bpy.types.Bone) -> np.ndarray:
    """From head to tail (3,) of a bone at rest, in the armature."""
    return np.array(bone.tail_local - bone.head_local)


def _without_heading(world: np.ndarray) -> np.ndarray:
    """Turn and scale (3, 3) of an object without its rotation about the vertical axis."""
    turn = Matrix(_turns(world[:3, :3]).tolist()).to_quaternion()
    heading = Quaternion((turn.w, 0, 0, turn.z))
    if heading.magnitude < 1e-6:
        return world[:3, :3]
    return np.array(heading.normalized().to_matrix()).T @ world[:3, :3]


def _turns(matrices: np.ndarray) -> np.ndarray:
    """The nearest rotations (..., 3, 3), or rotations with a reflection, to matrices that may also scale."""
    left, _, right = np.linalg.svd(matrices)
    return left @ right


# --- its correction --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Keys:
    """The transforms of a bone in its own space, frame by frame."""

    basis: list[Matrix]
    with_location: bool
    with_scale: bool


def wanted_worlds(
    sampled: Sampled, turns: np.ndarray, positions_m: np.ndarray, scene: bpy.types.Scene
) -> dict[str, np.ndarray]:
    """Where the body's bones should be: (T, 4, 4) in Blender's world.

    turns (T, J, 3, 3) and positions (T, J, 3) are those of `exchange.changed_world`.
    """
    skipped = turns.shape[1] - len(sampled.names)
    turns, positions_m = turns[:, skipped:], positions_m[:, skipped:]
    wanted = {}
    for joint, name in enumerate(sampled.names):
        world = sampled.world @ sampled.pose[name]
        world[:, :3, :3] = Y_UP.T @ turns[:, joint] @ Y_UP @ world[:, :3, :3]
        world[:, :3, 3] = positions_m[:, joint] @ Y_UP / scene.unit_settings.scale_length
        wanted[name] = world
    return wanted


def keys_of(sampled: Sampled, wanted: dict[str, np.ndarray], unit_m: float, everything: bool) -> dict[str, Keys]:
    """Keys of the bones that would not be where they should with the animation they have.

    everything: keys for all bones of the body, also where they are in place.
    """
    rig = found(sampled.uid)
    new_pose: dict[str, np.ndarray] = {}
    keys: dict[str, Keys] = {}
    into_armature = np.linalg.inv(sampled.world)
    for bone in sorted((rig.data.bones[name] for name in sampled.pose), key=lambda bone: len(bone.parent_recursive)):
        name, old = bone.name, sampled.pose[bone.name]
        basis = _converted(bone, old, sampled.pose, invert=True)
        kept = new_pose[name] = old if _parent_stays(bone, sampled, new_pose) else _converted(bone, basis, new_pose)
        if name not in wanted:
            continue
        should = into_armature @ wanted[name]
        apart, turned = drift(sampled.world @ kept, wanted[name])
        if not everything and apart * unit_m <= _SAME_PLACE_M and turned <= _SAME_TURN_RAD:
            continue
        own = _converted(bone, should, new_pose, invert=True)
        moves = apart * unit_m > _SAME_PLACE_M or everything
        scales = everything and np.abs(np.linalg.norm(own[:, :3, :3], axis=1) - 1).max() > _SAME_SCALE
        keys[name] = Keys([Matrix(each) for each in own.tolist()], moves and not _is_fixed(bone), bool(scales))
        new_pose[name] = should
    return keys


def _is_fixed(bone: bpy.types.Bone) -> bool:
    """Whether a bone's head stays at its parent's tail."""
    return bone.use_connect and bone.parent is not None


def _parent_stays(bone: bpy.types.Bone, sampled: Sampled, new_pose: dict[str, np.ndarray]) -> bool:
    return bone.parent is None or new_pose[bone.parent.name] is sampled.pose[bone.parent.name]


def _converted(
    bone: bpy.types.Bone, matrices: np.ndarray, pose: dict[str, np.ndarray], invert: bool = False
) -> np.ndarray:
    """Transforms (T, 4, 4) of a bone in its own space as poses in the armature below those of its parent; or back."""
    parent, rest = bone.parent, bone.matrix_local
    if parent is None:
        return np.array([bone.convert_local_to_pose(Matrix(each), rest, invert=invert) for each in matrices.tolist()])
    above = {"parent_matrix_local": parent.matrix_local, "invert": invert}
    return np.array([
        bone.convert_local_to_pose(Matrix(each), rest, parent_matrix=Matrix(over), **above)
        for each, over in zip(matrices.tolist(), pose[parent.name].tolist(), strict=True)
    ])  # fmt: skip


def drift(worlds: np.ndarray, wanted: np.ndarray) -> Drift:
    """The largest differences between two tracks (T, 4, 4) of a bone."""
    apart = np.linalg.norm(worlds[:, :3, 3] - wanted[:, :3, 3], axis=-1).max()
    axes = [each[:, :3, :3] / np.linalg.norm(each[:, :3, :3], axis=1, keepdims=True) for each in (worlds, wanted)]
    return float(apart), float(np.linalg.norm(axes[0] - axes[1], axis=(1, 2)).max() / math.sqrt(2))


# --- actions ---------------------------------------------------------------------------------------------------------

_ROTATIONS = ("rotation_quaternion", "rotation_axis_angle", "rotation_euler")


def bag_of(action: bpy.types.Action, slot: bpy.types.ActionSlot) -> bpy.types.ActionChannelbag:
    """The curves of a slot, made where there are none."""
    layer = action.layers[0] if action.layers else action.layers.new("Layer")
    strip = layer.strips[0] if layer.strips else layer.strips.new(type="KEYFRAME")
    return strip.channelbag(slot, ensure=True)


def new_action(rig: bpy.types.Object, name: str) -> tuple[bpy.types.Action, bpy.types.ActionSlot]:
    """A copy of a rig's action, or an empty one, and the slot of the rig in it."""
    data = rig.animation_data
    if data is None or data.action is None:
        action = bpy.data.actions.new(name)
        return action, action.slots.new(id_type="OBJECT", name=rig.name)
    action = data.action.copy()
    action.name = name
    own = data.action_slot.identifier if data.action_slot else ""
    slot = next((each for each in action.slots if each.identifier == own), None)
    return action, slot or action.slots.new(id_type="OBJECT", name=rig.name)


def key_bone(bag: bpy.types.ActionChannelbag, pose: bpy.types.PoseBone, keys: Keys, frames: range) -> None:
    """Replace a bone's curves within these frames; keys outside them stay."""
    path = pose.path_from_id()
    if keys.with_location:
        _key(bag, f"{path}.location", np.array([each.translation for each in keys.basis]), frames, pose.name)
    if keys.with_scale:
        _key(bag, f"{path}.scale", np.array([each.to_scale() for each in keys.basis]), frames, pose.name)
    kind, values = _rotation_values(pose, keys.basis)
    _key(bag, f"{path}.{kind}", values, frames, pose.name)


def _rotation_values(pose: bpy.types.PoseBone, basis: Sequence[Matrix]) -> tuple[str, np.ndarray]:
    """The property of a bone's rotation mode and its values (T, 3 or 4), without jumps by whole turns."""
    turns = [each.to_quaternion() for each in basis]
    for before, turn in pairwise(turns):
        if before.dot(turn) < 0:
            turn.negate()
    if pose.rotation_mode == "QUATERNION":
        return "rotation_quaternion", np.array(turns)
    if pose.rotation_mode == "AXIS_ANGLE":
        return "rotation_axis_angle", np.array([(angle, *axis) for axis, angle in (q.to_axis_angle() for q in turns)])
    values, last = [], pose.rotation_euler.copy()
    for turn in turns:
        last = turn.to_euler(pose.rotation_mode, last)
        values.append(last)
    return "rotation_euler", np.array(values)


def _key(bag: bpy.types.ActionChannelbag, path: str, values: np.ndarray, frames: range, group: str) -> None:
    for index, column in enumerate(values.T):
        curve = bag.fcurves.find(path, index=index)
        if curve is None:
            curve = bag.fcurves.new(path, index=index)
            curve.group = bag.groups.get(group) or bag.groups.new(group)
        curve.mute = False
        for modifier in list(curve.modifiers):
            curve.modifiers.remove(modifier)
        for point in reversed(curve.keyframe_points):
            if frames[0] <= point.co[0] <= frames[-1]:
                curve.keyframe_points.remove(point, fast=True)
        first = len(curve.keyframe_points)
        curve.keyframe_points.add(len(frames))
        for point, frame, value in zip(list(curve.keyframe_points)[first:], frames, column, strict=True):
            point.co, point.interpolation = (frame, value), "LINEAR"
        curve.update()


def key_contacts(
    bag: bpy.types.ActionChannelbag, rig: bpy.types.Object, contacts: Contacts, frames: range, unit_m: float
) -> None:
    """Keep when each foot stands as a curve that is 1 where it does, and where as two more, keyed where they change."""
    for foot, part in enumerate(FEET):
        stands, places = contacts.stands[:, foot], contacts.places_m[:, foot] / unit_m
        rig[f"{part} stands"], rig[f"{part} place"] = int(stands[0]), np.nan_to_num(places[0]).tolist()
        _key_steps(bag, f'["{part} stands"]', 0, stands.astype(float), frames)
        for index, column in enumerate(places.T):
            _key_steps(bag, f'["{part} place"]', index, column, frames)


def _key_steps(bag: bpy.types.ActionChannelbag, path: str, index: int, values: np.ndarray, frames: range) -> None:
    """Keys of values (T,) where they change, which hold until the next one; none where they are no numbers."""
    if (curve := bag.fcurves.find(path, index=index)) is not None:
        bag.fcurves.remove(curve)
    curve = bag.fcurves.new(path, index=index)
    curve.group = bag.groups.get("Contacts") or bag.groups.new("Contacts")
    for step in (0, *(np.flatnonzero(np.diff(values)) + 1)):
        if not np.isnan(values[step]):
            curve.keyframe_points.insert(frames[step], float(values[step])).interpolation = "CONSTANT"


def contacts_in(action: bpy.types.Action, frames: range, unit_m: float) -> Contacts:
    """The contacts in the curves of an action, which people may have edited.

    A place counts for the contact in whose time it is keyed.
    """
    curves = {
        (curve.data_path, curve.array_index): curve
        for layer in action.layers
        for strip in layer.strips
        for bag in strip.channelbags
        for curve in bag.fcurves
    }
    feet = [curves.get((f'["{part} stands"]', 0)) for part in FEET]
    if None in feet:
        raise Failure(f"{action.name} has no contacts; correct the motion first, then edit those of the new action")
    stands = np.array([[curve.evaluate(frame) >= 0.5 for curve in feet] for frame in frames])
    places_m = np.full((*stands.shape, 2), np.nan)
    for foot, part in enumerate(FEET):
        x, y = (curves.get((f'["{part} place"]', index)) for index in (0, 1))
        keyed = sorted(point.co[0] for curve in (x, y) if curve for point in curve.keyframe_points)
        for first, last in spans(stands[:, foot]):
            own = [frame for frame in keyed if frames[first] <= frame <= frames[last]]
            if own and x and y:
                places_m[first : last + 1, foot] = unit_m * x.evaluate(own[-1]), unit_m * y.evaluate(own[-1])
    return Contacts(stands, places_m)


def blocks_of(name: str) -> list[Block]:
    """The meshes of a collection, and of those in it. Raises Failure where there are none."""
    collection = bpy.data.collections.get(name)
    meshes = [each for each in collection.all_objects if each.type == "MESH"] if collection else []
    if not meshes:
        raise Failure(f"There is no collection {name!r} with meshes that could be the ground")
    corners = [np.array([tuple(corner) for corner in each.bound_box]) for each in meshes]
    return [
        Block(each.name, np.array(each.matrix_world), np.array([own.min(axis=0), own.max(axis=0)]))
        for each, own in zip(meshes, corners, strict=True)
    ]


@contextmanager
def source_playing(rig: bpy.types.Object) -> Iterator[bpy.types.Object]:
    """The rig whose action was corrected to that which `rig` plays, playing it; after an error all is as before."""
    data = rig.animation_data
    source = data.action.get(_FROM_RIG) if data and data.action else None
    if source is None:
        raise Failure(f"The action of {rig.name} was not made by Correct with Physics, and has no contacts")
    uid, own = source.session_uid, source.animation_data or source.animation_data_create()
    played, old = own.action and own.action.session_uid, data.action.get(_FROM_ACTION)
    slot = own.action_slot and own.action_slot.identifier
    data.action.use_fake_user = True
    if source == rig:
        _play(source, old, slot)
    try:
        yield source
    except BaseException:
        _play(found(uid), next((each for each in bpy.data.actions if each.session_uid == played), None), slot)
        raise


def _play(rig: bpy.types.Object, action: bpy.types.Action | None, slot: str | None) -> None:
    """Let a rig play an action, by the slot with this identifier or the first that fits."""
    data = rig.animation_data
    data.action = action
    slots = list(data.action_suitable_slots) if action else []
    if slots:
        data.action_slot = next((each for each in slots if each.identifier == slot), slots[0])


def assign(rig: bpy.types.Object, action: bpy.types.Action, slot: bpy.types.ActionSlot) -> None:
    """Let a rig play an action; the one that it played stays in the file."""
    data = rig.animation_data or rig.animation_data_create()
    if data.action and data.action.library is None:
        data.action.use_fake_user = True
    data.action = action
    data.action_slot = slot
    data.action_blend_type, data.action_influence = "REPLACE", 1.0


# --- copies of rigs that keys cannot move ----------------------------------------------------------------------------


def free_copy(rig: bpy.types.Object, names: set[str], scene: bpy.types.Scene) -> bpy.types.Object:
    """A local copy of a rig and its meshes, in a collection of their own, whose bones `names` nothing else moves."""
    title = f"{rig.name} corrected"
    copy = rig.copy()
    copy.name = title
    collection = bpy.data.collections.new(title)
    scene.collection.children.link(collection)
    collection.objects.link(copy)
    for pose in copy.pose.bones:
        for constraint in pose.constraints:
            for holder in (constraint, *getattr(constraint, "targets", ())):
                for role in ("target", "pole_target"):
                    if getattr(holder, role, None) == rig:
                        setattr(holder, role, copy)
    for constraint in holders_of(copy, names):
        constraint.mute = True
    for driver in drivers_of(copy, names):
        copy.animation_data.drivers.remove(driver)
    for mesh in [each for each in scene.objects if any(_armature(one) == rig for one in each.modifiers)]:
        twin = mesh.copy()
        collection.objects.link(twin)
        twin.parent = copy if mesh.parent == rig else mesh.parent
        for modifier in twin.modifiers:
            if _armature(modifier) == rig:
                modifier.object = copy
    return copy


def _armature(modifier: bpy.types.Modifier) -> bpy.types.Object | None:
    return modifier.object if modifier.type == "ARMATURE" else None


# --- all of it -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Written:
    """What became of a correction."""

    rig: bpy.types.Object
    action: bpy.types.Action
    bones: int
    """How many bones got keys."""
    off_m: float
    """How far a bone lies from the correction, at most, in the frames that were looked at."""


def write_action(
    sampled: Sampled, wanted: dict[str, np.ndarray], contacts: Contacts | None, scene: bpy.types.Scene
) -> Written:
    """Put a correction into a new action of the rig, or of a copy where the rig is linked or its bones are held.

    contacts: None where they are not known.
    """
    rig, unit_m = found(sampled.uid), scene.unit_settings.scale_length
    keys = keys_of(sampled, wanted, unit_m, everything=False)
    held = bool(holders_of(rig, set(keys)) or drivers_of(rig, set(keys)))
    if held:
        keys = keys_of(sampled, wanted, unit_m, everything=True)
    old = rig.animation_data.action if rig.animation_data else None
    action, slot = new_action(rig, f"{old.name if old else rig.name} corrected")
    target = free_copy(rig, set(keys) if held else set(), scene) if held or rig.library else rig
    bag = bag_of(action, slot)
    for name, each in keys.items():
        key_bone(bag, target.pose.bones[name], each, sampled.frames)
    if contacts is not None:
        key_contacts(bag, target, contacts, sampled.frames, unit_m)
    action[_FROM_RIG], action[_FROM_ACTION] = rig, old
    assign(target, action, slot)
    return Written(target, action, len(keys), _off(target, sampled, wanted, scene) * unit_m)


def _off(rig: bpy.types.Object, sampled: Sampled, wanted: dict[str, np.ndarray], scene: bpy.types.Scene) -> float:
    """The largest distance of a bone's head from where it should be, in some frames."""
    before, subframe = scene.frame_current, scene.frame_subframe
    worst = 0.0
    for step in np.unique(np.linspace(0, len(sampled.frames) - 1, _LOOKED_AT).astype(int)):
        scene.frame_set(sampled.frames[step])
        seen = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
        for name in sampled.names:
            head = np.array(seen.matrix_world @ seen.pose.bones[name].head)
            worst = max(worst, float(np.linalg.norm(head - wanted[name][step, :3, 3])))
    scene.frame_set(before, subframe=subframe)
    return worst
