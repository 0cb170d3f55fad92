# SPDX-License-Identifier: GPL-3.0-or-later
"""Sample the motion of an armature as Blender evaluates it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import bpy
import numpy as np
from mathutils import Matrix

from .clock import Clock, cover, find_even_step, make_clock
from .exchange import Clip
from .ground import Path3
from .options import STEP_M
from .placement import Y_UP, Placement, nearest_rotations
from .program import Failure

ROTATION_PROPERTIES = ("rotation_quaternion", "rotation_axis_angle", "rotation_euler")
LIMITS = frozenset({
    "LIMIT_LOCATION", "LIMIT_ROTATION", "LIMIT_SCALE", "LIMIT_DISTANCE", "MAINTAIN_VOLUME", "FLOOR",
})  # fmt: skip
"""Constraints that leave a bone to its keys, up to a limit."""
_MARGIN_S = 3.0
"""Time before and after a part of an action that is also read, in s, so that the program sees the context."""
_MIN_FPS, _MAX_FPS = 15, 2000
"""Range of frame rates in which keys are those of a capture."""
_SHORTEST_TIP_M = 0.002
"""Length of a bone without children from which on its tail is real, in m."""
_SAME_TAIL = 0.005
"""Largest difference in length between a bone and its child that repeats it, relative to the bone's length."""
_SMALLEST_M, _USUAL_M, _LARGEST_M = 0.4, 1.6, 3.5
"""Smallest, usual and largest longest side of the bounding box of a human body at rest, in m."""
_SAME_SIZE = 1.3
"""Largest ratio to the usual size at which a wrong unit explains the size of a body."""
_FACTORS = (1e-4, 1e-3, 0.01, 0.0254, 0.1, 0.3048, 3.28084, 10.0, 39.3701, 100.0, 1e3, 1e4)
"""Factors of common unit errors."""
_SAME_RIDE = 1e-4
"""Displacement (in units of the scene) or rotation of a ground up to which it stands still."""
_GAP = 0.4
"""Largest gap between neighbouring joints of a body, relative to its size. A shin is 0.26."""
_LOW_PERCENT = 5.0
"""Percentile of a body's lowest points over time at which it stands lowest."""
_LOW = 0.1
"""Height above the lowest joint up to which joints may stand, relative to the body's height."""
_WAY_S = 0.3
"""Time over which displacements of feet are compared, in s."""
_SAME_HEAD = 1e-4
"""Largest distance between coinciding heads, relative to the bone's length."""


def find_rig(uid: int) -> bpy.types.Object:
    """Return an object by its session identifier, which stays valid if undo moves the object in memory."""
    for candidate in bpy.data.objects:
        if candidate.session_uid == uid:
            return candidate
    raise Failure("The armature was removed while the program was working on it")


def check_rig(rig: bpy.types.Object) -> None:
    """Raise Failure if a rig's motion cannot be read or changed."""
    if not rig.data.bones:
        raise Failure(f"{rig.name} has no bones")
    if rig.data.pose_position == "REST":
        raise Failure(f"{rig.name} shows its rest position; set Armature › Pose to Pose Position")
    if rig.mode == "EDIT":
        raise Failure(f"{rig.name} is in edit mode; leave it first")
    if rig.animation_data and rig.animation_data.use_tweak_mode:
        raise Failure(f"An NLA strip of {rig.name} is being tweaked; leave tweak mode first")
    if abs(rig.matrix_world.determinant()) < 1e-12:
        raise Failure(f"{rig.name} is scaled to nothing; expected a scale other than 0")


def find_followers(rig: bpy.types.Object, scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """Return the objects that move with a rig.

    These are its meshes, its children, and objects constrained to it.
    """
    followers: list[bpy.types.Object] = []
    is_growing = True
    while is_growing:
        leaders = {rig, *followers}
        new = [item for item in scene.objects if item not in leaders and leaders & _find_leaders(item)]
        followers += new
        is_growing = bool(new)
    return followers


def _find_leaders(item: bpy.types.Object) -> set[bpy.types.Object]:
    """Return the objects that an object follows by parenting, armature modifiers or constraints."""
    leaders = {item.parent} if item.parent else set()
    leaders |= {modifier.object for modifier in item.modifiers if modifier.type == "ARMATURE" and modifier.object}
    for constraint in item.constraints:
        holders = (constraint, *getattr(constraint, "targets", ()))
        leaders |= {holder.target for holder in holders if getattr(holder, "target", None)}
    return leaders


# --- frames ----------------------------------------------------------------------------------------------------------


def choose_clock(rig: bpy.types.Object, scene: bpy.types.Scene, extent: str) -> Clock:
    """Choose the clock at which a rig's motion is read and written.

    It covers the action or the scene's (preview) range, with the times of the action's keys if these are evenly spaced,
    and whole frames otherwise. If the range is only a part of the action, the correction blends in and out, so that
    nothing pops at its ends.

    Args:
        rig: The armature object.
        scene: Scene of the rig.
        extent: "ACTION" or "SCENE". Without an action, both are the scene's range.
    """
    stretch = scene.render.frame_map_old / scene.render.frame_map_new
    fps = stretch * scene.render.fps / scene.render.fps_base
    first, last = scene.frame_start, scene.frame_end
    if scene.use_preview_range:
        first, last = scene.frame_preview_start, scene.frame_preview_end
    corrected = (first * stretch, last * stretch)
    ends = find_action_ends(rig)
    if ends is None:
        return make_clock(corrected[0], stretch, corrected, corrected, stretch)
    start, step = find_key_times(rig, fps) or cover(*ends)
    if extent == "ACTION":
        action = rig.animation_data.action
        corrected = tuple(action.frame_range) if action and action.use_frame_range else ends
    margin = _MARGIN_S * fps
    read_first, read_last = corrected
    if ends[0] < corrected[0] <= ends[1]:
        read_first = max(ends[0], corrected[0] - margin)
    if ends[0] <= corrected[1] < ends[1]:
        read_last = min(ends[1], corrected[1] + margin)
    clock = make_clock(start, step, (read_first, read_last), corrected, stretch)
    if not 1 <= fps / step <= _MAX_FPS:
        rate = f"{fps / step:.3g} frames per second"
        raise Failure(f"The motion of {rig.name} has {rate}; check the frame rate and Time Stretching of the scene")
    return clock


def find_action_ends(rig: bpy.types.Object) -> tuple[float, float] | None:
    """Return the ends of a rig's action, or else of its NLA strips; None if it has neither."""
    data = rig.animation_data
    ends: list[float] = []
    if data and data.action:
        for curve in get_curves(data.action, data.action_slot):
            ends += list(curve.range())
    if not ends and data:
        for track in data.nla_tracks:
            for strip in track.strips:
                if not track.mute and not strip.mute:
                    ends += [strip.frame_start, strip.frame_end]
    return (min(ends), max(ends)) if ends and max(ends) > min(ends) else None


def find_key_times(rig: bpy.types.Object, fps: float) -> tuple[float, float] | None:
    """Return the first key and the key interval of the curve with most keys, or None if they are not a clock.

    A capture has keys at all of its times. An animator sets keys in some frames and lets curves fill the others.

    Args:
        rig: The armature object.
        fps: Frames of an action per second.
    """
    data = rig.animation_data
    curves = get_curves(data.action, data.action_slot) if data.action else []
    points = max((curve.keyframe_points for curve in curves), key=len, default=())
    if len(points) < 2:
        return None
    places = np.empty(2 * len(points), dtype=np.float32)
    points.foreach_get("co", places)
    kinds = np.empty(len(points), dtype=np.int32)
    points.foreach_get("interpolation", kinds)
    times = places[::2].astype(float)
    step = find_even_step(times)
    linear = bpy.types.Keyframe.bl_rna.properties["interpolation"].enum_items["LINEAR"].value
    if step is None or (step > 1.01 and (fps / step < _MIN_FPS or (kinds != linear).any())):
        return None
    if max(abs(step - 1), abs(times[0] - round(times[0]))) * len(times) < 0.01:
        return round(times[0]), 1.0
    return times[0], step


def show_time(clock: Clock, step: int) -> None:
    """Set the scene to a step of the motion."""
    frame = clock.to_scene(step)
    whole = math.floor(frame + 1e-6)
    bpy.context.scene.frame_set(whole, subframe=max(frame - whole, 0.0))


def get_curves(action: bpy.types.Action, slot: bpy.types.ActionSlot | None) -> list[bpy.types.FCurve]:
    """Return the curves of a slot, or all curves of the action for None."""
    curves: list[bpy.types.FCurve] = []
    for layer in action.layers:
        for strip in layer.strips:
            for bag in strip.channelbags:
                if slot is None or bag.slot_handle == slot.handle:
                    curves += bag.fcurves
    return curves


# --- which bones -----------------------------------------------------------------------------------------------------


def select_bones(rig: bpy.types.Object) -> tuple[list[str], list[int]]:
    """Select the bones of the body depth first, each with the index of its parent (−1 at the top).

    The body has all bones of a plain skeleton, or the deform bones of a rig with constraints. The parent of a deform
    bone is then the nearest deform bone above it, or the one that follows the control bone above it.
    """
    bones = rig.data.bones
    is_plain = not has_constraints(rig) or not any(bone.use_deform for bone in bones)
    chosen = {bone.name for bone in bones if is_plain or bone.use_deform}
    followers = {} if is_plain else find_followers_of_bones(rig, chosen)
    parents = {name: _find_parent(bones[name], chosen, followers) for name in chosen}
    children: dict[str, list[str]] = {}
    for bone in bones:  # the file keeps their order
        if bone.name in chosen:
            children.setdefault(parents[bone.name], []).append(bone.name)
    names: list[str] = []
    pending = children.get("", [])[::-1]
    while pending:
        name = pending.pop()
        names.append(name)
        pending += children.get(name, [])[::-1]
    indices = {name: index for index, name in enumerate(names)}
    return names, [indices.get(parents[name], -1) for name in names]


def has_constraints(rig: bpy.types.Object) -> bool:
    """Return whether constraints move any bone of a rig."""
    return any(get_active_constraints(pose_bone) for pose_bone in rig.pose.bones)


def get_active_constraints(pose_bone: bpy.types.PoseBone) -> list[bpy.types.Constraint]:
    """Return the constraints that move a bone, whatever its keys say. Limits only hold keys back."""
    return [
        constraint
        for constraint in pose_bone.constraints
        if constraint.type not in LIMITS and not constraint.mute and constraint.influence > 0 and constraint.is_valid
    ]


def find_followers_of_bones(rig: bpy.types.Object, chosen: set[str]) -> dict[str, str]:
    """Map control bones to the deform bones that follow them.

    A follower copies the control bone (with a constraint that may be muted, as on copies), or is its child in the same
    place.
    """
    followers: dict[str, str] = {}
    for bone in rig.data.bones:
        if bone.name not in chosen:
            continue
        for constraint in rig.pose.bones[bone.name].constraints:
            copies = constraint.type in ("COPY_TRANSFORMS", "COPY_ROTATION")
            if copies and constraint.target == rig and constraint.subtarget:
                followers.setdefault(constraint.subtarget, bone.name)
        parent = bone.parent
        if parent and parent.name not in chosen and _have_same_head(parent, bone):
            followers.setdefault(parent.name, bone.name)
    return followers


def _have_same_head(first: bpy.types.Bone, second: bpy.types.Bone) -> bool:
    distance = (first.head_local - second.head_local).length
    return distance < _SAME_HEAD * max(first.length, 1e-9)


def _find_parent(bone: bpy.types.Bone, chosen: set[str], followers: dict[str, str]) -> str:
    """Return the nearest bone of the body above a bone, or ""."""
    for ancestor in bone.parent_recursive:
        name = ancestor.name if ancestor.name in chosen else followers.get(ancestor.name, "")
        if name and name != bone.name and bone not in bone.id_data.bones[name].parent_recursive:
            return name
    return ""


# --- its motion ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Channels:
    """The animated properties of a bone over T frames."""

    location: np.ndarray
    """(T, 3) locations."""
    rotation: np.ndarray
    """(T, 3 or 4) rotations in the bone's rotation mode."""
    scale: np.ndarray
    """(T, 3) scales."""


@dataclass(frozen=True, eq=False)
class Sampled:
    """The motion of a rig as Blender shows it."""

    uid: int
    clock: Clock
    names: list[str]
    """Names of the J bones of the body, depth first."""
    parents: list[int]
    pose: dict[str, np.ndarray]
    """Transforms (T, 4, 4) in the armature of the body's bones and all their ancestors, by name."""
    world: np.ndarray
    """(T, 4, 4) transforms of the armature object."""
    channels: dict[str, Channels]
    """Animated properties of the bones, by name."""
    carrier: np.ndarray
    """(T, 4, 4) transforms of the armature object by parents and constraints, without its own keys."""
    ground: dict[str, np.ndarray]
    """Transforms (T, 4, 4) of the objects of the user's ground, by name."""

    @cached_property
    def ride(self) -> np.ndarray:
        """Motion (T, 4, 4) of the ground since the first frame; the identity if it stands still.

        If the user names a ground, it is the motion of its objects. Otherwise, what carries the rig is taken for the
        ground if feet slip less on it.

        Raises:
            Failure: Objects of the ground move differently.
        """
        rides = {name: measure_ride(worlds) for name, worlds in self.ground.items()}
        for name, ride in rides.items():
            first = next(iter(rides))
            if np.abs(ride - rides[first]).max() > _SAME_RIDE:
                raise Failure(f"{name} and {first} of the ground move differently; name the mesh under the feet")
        if rides:
            return next(iter(rides.values()))
        ride = measure_ride(self.carrier)
        heads = np.stack([(self.world @ self.pose[name])[:, :3, 3] for name in self.names], axis=1)
        on_carrier = np.einsum("tij,tkj->tki", np.linalg.inv(ride)[:, :3], np.insert(heads, 3, 1.0, axis=-1))
        scene = bpy.context.scene
        lag = max(round(_WAY_S * self.clock.get_fps(scene.render.fps / scene.render.fps_base)), 1)
        is_still = measure_slip(on_carrier, lag) >= measure_slip(heads, lag)
        return np.broadcast_to(np.eye(4), ride.shape) if is_still else ride

    @property
    def steady_world(self) -> np.ndarray:
        """Transforms (T, 4, 4) of the armature relative to the ground, as if it stayed as in the first frame."""
        return np.linalg.inv(self.ride) @ self.world


def measure_ride(worlds: np.ndarray) -> np.ndarray:
    """Return the rigid motion (T, 4, 4), since the first frame, of an object with these matrices (T, 4, 4)."""
    rigid = worlds.copy()
    rigid[:, :3, :3] = nearest_rotations(worlds[:, :3, :3])
    ride = rigid @ np.linalg.inv(rigid[0])
    return np.broadcast_to(np.eye(4), ride.shape) if np.abs(ride - np.eye(4)).max() < _SAME_RIDE else ride


def measure_slip(heads: np.ndarray, lag: int) -> float:
    """Return the median displacement of the stillest low joint.

    Args:
        heads: Positions (T, J, 3) of joints.
        lag: Number of frames over which displacements are measured, so that motion outweighs noise.
    """
    is_low = heads[..., 2] < heads[..., 2].min(axis=1, keepdims=True) + _LOW * np.ptp(heads[0], axis=0).max()
    ways = np.linalg.norm(heads[lag:] - heads[:-lag], axis=-1)
    stillest = np.where(is_low[lag:] & is_low[:-lag], ways, np.inf).min(axis=1)
    return float(np.median(stillest)) if len(stillest) else 0.0


def sample(uid: int, clock: Clock, ground: Sequence[str] = ()) -> Iterator[tuple[float, str]]:
    """Sample a rig's motion, in steps that end with `Sampled` and restore the scene's frame.

    Args:
        uid: Session identifier of the rig.
        clock: Times at which the motion is sampled.
        ground: Names of the objects of the ground.
    """
    frame_before = bpy.context.scene.frame_current
    subframe_before = bpy.context.scene.frame_subframe
    names, parents = select_bones(find_rig(uid))
    bones = find_rig(uid).data.bones
    needed = {ancestor.name for name in names for ancestor in (bones[name], *bones[name].parent_recursive)}
    pose = {name: np.empty((clock.count, 4, 4)) for name in needed}
    keyable = set(bones.keys()) if has_constraints(find_rig(uid)) else needed
    channels = {name: _make_channels(find_rig(uid).pose.bones[name], clock.count) for name in keyable}
    world, carrier = np.empty((2, clock.count, 4, 4))
    grounds = {name: np.empty((clock.count, 4, 4)) for name in ground}
    try:
        with shown_in_viewports(uid):
            for step in range(clock.count):
                show_time(clock, step)
                depsgraph = bpy.context.evaluated_depsgraph_get()
                evaluated = find_rig(uid).evaluated_get(depsgraph)  # undo may move the object in memory
                if not evaluated.is_evaluated:
                    raise Failure(f"{evaluated.name} is not in the view layer; enable its collection first")
                world[step] = evaluated.matrix_world
                carrier[step] = evaluated.matrix_world @ evaluated.matrix_basis.inverted_safe()
                for name, worlds in grounds.items():
                    worlds[step] = bpy.data.objects[name].evaluated_get(depsgraph).matrix_world
                for name in needed:
                    pose[name][step] = evaluated.pose.bones[name].matrix
                for name in keyable:
                    pose_bone = evaluated.pose.bones[name]
                    channels[name].location[step] = pose_bone.location
                    channels[name].rotation[step] = getattr(pose_bone, get_rotation_property(pose_bone))
                    channels[name].scale[step] = pose_bone.scale
                yield step / clock.count, "reading the motion"
    finally:
        bpy.context.scene.frame_set(frame_before, subframe=subframe_before)
    return Sampled(uid, clock, names, parents, pose, world, channels, carrier, grounds)


def _make_channels(pose_bone: bpy.types.PoseBone, frames: int) -> Channels:
    size = 3 if get_rotation_property(pose_bone) == "rotation_euler" else 4
    return Channels(np.empty((frames, 3)), np.empty((frames, size)), np.empty((frames, 3)))


def get_rotation_property(pose_bone: bpy.types.PoseBone) -> str:
    """Return the property that holds a bone's rotation."""
    if pose_bone.rotation_mode == "QUATERNION":
        return "rotation_quaternion"
    return "rotation_axis_angle" if pose_bone.rotation_mode == "AXIS_ANGLE" else "rotation_euler"


@contextmanager
def shown_in_viewports(uid: int) -> Iterator[None]:
    """Enable a rig and its collections in viewports for a while, because Blender does not evaluate disabled objects."""
    rig = find_rig(uid)
    disabled: list[tuple[str, str]] = []
    if rig.hide_viewport:
        disabled.append(("objects", rig.name))
    for collection in bpy.data.collections:
        if collection.hide_viewport and rig.name in collection.all_objects:
            disabled.append(("collections", collection.name))
    try:
        for kind, name in disabled:
            getattr(bpy.data, kind)[name].hide_viewport = False
        yield
    finally:
        for kind, name in disabled:
            if (block := getattr(bpy.data, kind).get(name)) is not None:
                block.hide_viewport = True


def guess_unit(sampled: Sampled, unit_m: float) -> tuple[float, list[str]]:
    """Guess the unit in which the body has human size.

    Args:
        sampled: The motion.
        unit_m: Length of the scene's unit.

    Returns:
        The unit in m, and a warning if it differs from the scene's.
    """
    rig = find_rig(sampled.uid)
    heads = np.array([rig.data.bones[name].head_local for name in sampled.names])
    scale = float(np.cbrt(abs(np.linalg.det(sampled.world[0][:3, :3]))))
    height_m = float(np.ptp(select_body(heads), axis=0).max() * scale * unit_m)
    if len(heads) < 2 or _SMALLEST_M < height_m < _LARGEST_M or height_m < 1e-9:
        return unit_m, []
    exact = _USUAL_M / height_m
    factor = min(_FACTORS, key=lambda factor: abs(math.log(factor / exact)))
    if abs(math.log(factor / exact)) > math.log(_SAME_SIZE):  # a giant, not a unit error
        factor = exact
    warning = f"{rig.name} is {height_m:.3g} m tall; it was computed as if scaled by {factor:.3g}"
    return unit_m * factor, [warning]


def select_body(heads: np.ndarray) -> np.ndarray:
    """Return the heads (K, 3) of the body's bones.

    Props that lie far away among all bones (J, 3) are left out.

    The body is the largest group of heads with gaps below `_GAP` of its own size.
    """
    while len(heads) > 1:
        size = np.ptp(heads, axis=0).max()
        is_near = np.linalg.norm(heads[:, None] - heads, axis=-1) < _GAP * size
        groups = np.arange(len(heads))
        for _ in range(len(heads)):
            joined = np.where(is_near, groups, len(heads)).min(axis=1)
            if (joined == groups).all():
                break
            groups = joined
        body = heads[groups == np.bincount(groups).argmax()]
        if len(body) == len(heads):
            break
        heads = body
    return heads


def find_level(sampled: Sampled, unit_m: float) -> float | None:
    """Return the height to which the feet of a character come, in m.

    This is height 0 of the scene, or that of the armature's origin, if the body's lowest point is within a step of it.
    Otherwise, the character is on a stage of its own, and the result is None.

    Args:
        sampled: The motion.
        unit_m: Length of the scene's unit.
    """
    heights = [(sampled.world @ sampled.pose[name])[:, 2, 3] for name in sampled.names]
    lowest_m = unit_m * float(np.percentile(np.min(heights, axis=0), _LOW_PERCENT))
    for level_m in (0.0, unit_m * float(sampled.world[0, 2, 3])):
        if abs(level_m - lowest_m) <= STEP_M:
            return level_m
    return None


def make_clip(sampled: Sampled, scene: bpy.types.Scene, placement: Placement) -> Iterator[tuple[float, str]]:
    """Make the clip for the program bone by bone, in steps that end with a `Clip`.

    Lengths are in metres, y is up, and joint frames are parallel to the world at rest. The rest pose has the
    orientation
    of the armature object in the first frame, except for its heading.

    Args:
        sampled: The motion.
        scene: Scene of the motion, which has the frame rate.
        placement: Frame of reference of the file.
    """
    rig = find_rig(sampled.uid)
    names = list(sampled.names)
    parents = list(sampled.parents)
    to_file = placement.rotation
    steady_world = sampled.steady_world
    start = Y_UP.T @ to_file @ sampled.world[0][:3, :3]
    heads = []
    orientations = []
    for name in names:
        worlds = steady_world @ sampled.pose[name]
        rest = nearest_rotations(start @ np.array(rig.data.bones[name].matrix_local)[:3, :3])
        heads.append(placement.to_file_m(worlds[:, :3, 3]))
        orientations.append(to_file @ nearest_rotations(worlds[:, :3, :3]) @ rest.T @ Y_UP.T)
        yield 0.5 * len(heads) / len(names), "preparing the motion"
        rig = find_rig(sampled.uid)
    positions_m = np.stack(heads, axis=1)
    rotations = np.stack(orientations, axis=1)
    tips_m = {}
    for joint in set(range(len(names))) - set(parents):
        bone = rig.data.bones[names[joint]]
        if not has_invented_tail(bone, placement.unit_m):
            tips_m[joint] = Y_UP @ start @ np.array(bone.tail_local - bone.head_local) * placement.unit_m
    if parents.count(-1) > 1:  # the format has one root
        names = ["scene", *names]
        parents = [-1, *(parent + 1 for parent in parents)]
        positions_m = np.concatenate([np.zeros_like(positions_m[:, :1]), positions_m], axis=1)
        roots = np.tile(np.eye(3), (len(rotations), 1, 1, 1))
        rotations = np.concatenate([roots, rotations], axis=1)
        tips_m = {joint + 1: tip_m for joint, tip_m in tips_m.items()}
    fps = sampled.clock.get_fps(scene.render.fps / scene.render.fps_base)
    return Clip(tuple(names), tuple(parents), positions_m, rotations, fps, tips_m)


def has_invented_tail(bone: bpy.types.Bone, unit_m: float) -> bool:
    """Return whether an importer invented the tail of a bone without children, because the file has none.

    The importer of BVH then repeats the parent's bone, that of glTF its length, or the tail is a millimetre long. The
    program must not take it for the end of a foot.
    """
    tail = bone.tail_local - bone.head_local
    if tail.length * unit_m < _SHORTEST_TIP_M:
        return True
    if bone.parent is None:
        return False
    tolerance = _SAME_TAIL * bone.parent.length + _SHORTEST_TIP_M / unit_m
    return abs(tail.length - bone.parent.length) < tolerance


def compute_targets(
    sampled: Sampled, changes: np.ndarray, positions_m: np.ndarray, placement: Placement
) -> dict[str, np.ndarray]:
    """Return the target transforms (T, 4, 4) of the body's bones in Blender's world, by name.

    Args:
        sampled: Motion before the correction.
        changes: Rotations (T, J, 3, 3) in the file, from `exchange.compute_changes`.
        positions_m: Positions (T, J, 3) in the file.
        placement: Frame of reference of the file.
    """
    skipped = changes.shape[1] - len(sampled.names)
    to_file = placement.rotation
    steady_world = sampled.steady_world
    targets = {}
    for joint, name in enumerate(sampled.names, start=skipped):
        world = steady_world @ sampled.pose[name]
        world[:, :3, :3] = to_file.T @ changes[:, joint] @ to_file @ world[:, :3, :3]
        world[:, :3, 3] = placement.to_scene(positions_m[:, joint])
        targets[name] = sampled.ride @ world
    return targets


# --- the ground ------------------------------------------------------------------------------------------------------


def find_ground(name: str) -> list[bpy.types.Object]:
    """Return the mesh of this name, or the meshes of this collection. Raises Failure if there are none."""
    collection = bpy.data.collections.get(name)
    candidates = list(collection.all_objects) if collection else [bpy.data.objects.get(name)]
    meshes = [candidate for candidate in candidates if candidate and candidate.type == "MESH"]
    if not meshes:
        raise Failure(f"There is no mesh and no collection {name!r} with meshes that could be the ground")
    return meshes


def collect_surface(ground: dict[str, np.ndarray]) -> np.ndarray:
    """Return the triangles (F, 3, 3) of the ground's meshes with their modifiers, as they are in the first frame.

    `ground` has the matrices (T, 4, 4) by object name. Raises Failure if the meshes have no faces.
    """
    surfaces = []
    for name, worlds in ground.items():
        mesh_object = bpy.data.objects[name]
        evaluated = mesh_object.evaluated_get(bpy.context.evaluated_depsgraph_get())
        mesh = evaluated.to_mesh()
        mesh.calc_loop_triangles()
        vertices = np.empty(3 * len(mesh.vertices), dtype=np.float32)
        triangles = np.empty(3 * len(mesh.loop_triangles), dtype=np.int32)
        mesh.vertices.foreach_get("co", vertices)
        mesh.loop_triangles.foreach_get("vertices", triangles)
        evaluated.to_mesh_clear()
        places = vertices.reshape(-1, 3).astype(float) @ worlds[0, :3, :3].T + worlds[0, :3, 3]
        surfaces.append(places[triangles.reshape(-1, 3)])
    surface = np.concatenate(surfaces)
    if not len(surface):
        raise Failure("The meshes of the ground have no faces")
    return surface


def collect_path(sampled: Sampled) -> Path3:
    """Return where the low joints of a body go.

    The path is seen from ground that moves. The height of the root there comes with it.
    """
    worlds = [sampled.steady_world @ sampled.pose[name] for name in sampled.names]
    heads = np.stack([world[:, :3, 3] for world in worlds], axis=1)
    reach = _LOW * np.ptp(heads[..., 2], axis=1).max()
    is_low = heads[..., 2] < heads[..., 2].min(axis=1, keepdims=True) + reach
    middles = np.median(heads[..., 2], axis=1)
    frames, joints = np.nonzero(is_low)
    return Path3(heads[frames, joints], middles[frames])


# --- transforms of bones ---------------------------------------------------------------------------------------------


def convert_to_basis(bone: bpy.types.Bone, poses: np.ndarray, pose: dict[str, np.ndarray]) -> np.ndarray:
    """Convert a bone's poses in the armature to its own space.

    Args:
        bone: The bone.
        poses: Poses (T, 4, 4) of the bone.
        pose: Poses (T, 4, 4) of all its ancestors, by name.
    """
    return _convert(bone, poses, pose, invert=True)


def convert_to_pose(bone: bpy.types.Bone, bases: np.ndarray, pose: dict[str, np.ndarray]) -> np.ndarray:
    """Convert a bone's transforms in its own space to poses in the armature.

    Args:
        bone: The bone.
        bases: Transforms (T, 4, 4) of the bone.
        pose: Poses (T, 4, 4) of all its ancestors, by name.
    """
    return _convert(bone, bases, pose, invert=False)


def _convert(bone: bpy.types.Bone, matrices: np.ndarray, pose: dict[str, np.ndarray], *, invert: bool) -> np.ndarray:
    rest = bone.matrix_local
    parent = bone.parent
    if bone.use_inherit_rotation and bone.inherit_scale == "FULL" and bone.use_local_location:
        to_pose = np.array(rest)
        if parent is not None:
            to_pose = pose[parent.name] @ np.linalg.inv(np.array(parent.matrix_local)) @ to_pose
        return (np.linalg.inv(to_pose) if invert else to_pose) @ matrices
    converted = []
    for step, matrix in enumerate(matrices.tolist()):
        options = {"invert": invert}
        if parent is not None:
            options["parent_matrix"] = Matrix(pose[parent.name][step].tolist())
            options["parent_matrix_local"] = parent.matrix_local
        converted.append(bone.convert_local_to_pose(Matrix(matrix), rest, **options))
    return np.array(converted)


def measure_difference(worlds: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
    """Return the largest distance, and the largest angle in rad, between two tracks (T, 4, 4) of a bone."""
    distance = np.linalg.norm(worlds[:, :3, 3] - targets[:, :3, 3], axis=-1).max()
    axes = worlds[:, :3, :3] / np.linalg.norm(worlds[:, :3, :3], axis=1, keepdims=True)
    target_axes = targets[:, :3, :3] / np.linalg.norm(targets[:, :3, :3], axis=1, keepdims=True)
    angle_rad = np.linalg.norm(axes - target_axes, axis=(1, 2)).max() / math.sqrt(2)
    return float(distance), float(angle_rad)
