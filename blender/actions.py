# SPDX-License-Identifier: GPL-3.0-or-later
"""Store corrections in actions, as keys, additive layers and contact curves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Euler, Matrix, Quaternion

from .contacts import FEET, Contacts, find_spans
from .program import Failure, Steps
from .record import AMOUNT, clear_marks, play
from .rig import (
    ROTATION_PROPERTIES,
    Channels,
    Sampled,
    convert_to_basis,
    convert_to_pose,
    find_rig,
    get_curves,
    get_rotation_property,
    measure_difference,
)

_SAME_PLACE_M = 1e-4
_SAME_ANGLE_RAD = math.radians(0.01)
_SAME_SCALE = 1e-4
"""Largest differences of location, rotation and scale that get no keys."""
_DEFAULTS = {
    "scale": (1.0, 1.0, 1.0),
    "rotation_quaternion": (1.0, 0.0, 0.0, 0.0),
    "rotation_axis_angle": (0.0, 0.0, 1.0, 0.0),
}
_SAME_VALUES = 3e-4
"""Largest difference of locations (units of the scene) and rotations (rad) of controls that get no keys."""
_SAME_TIME = 0.01
"""Largest distance between a key and its time, in frames."""
_SAME_VALUE = 1e-7
"""Largest value of a layer that counts as 0."""
_REPEATED = 20
"""Number of cycles that an NLA strip shows before and after a cyclic action."""
_CREATED = ("actions", "objects", "armatures", "collections")
"""Kinds of data that a correction creates."""
_KEYS = ("co", "handle_left", "handle_right")
_KEY_ENUMS = ("interpolation", "handle_left_type", "handle_right_type", "easing", "type")


# --- keys of bones ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class BoneKeys:
    """A bone's transforms (T, 4, 4) in its own space, and the properties to key in addition to the rotation."""

    bases: np.ndarray
    has_location: bool
    has_scale: bool


def is_moved(sampled: Sampled, name: str, target: np.ndarray, unit_m: float) -> bool:
    """Return whether a bone's target (T, 4, 4) in the world differs visibly from its motion."""
    distance, angle_rad = measure_difference(sampled.world @ sampled.pose[name], target)
    return distance * unit_m > _SAME_PLACE_M or angle_rad > _SAME_ANGLE_RAD


def compute_keys(sampled: Sampled, targets: dict[str, np.ndarray], unit_m: float, *, everything: bool) -> Steps:
    """Compute keys bone by bone, in steps that end with the `BoneKeys` by name.

    Bones that are already in place with their current animation get no keys.

    Args:
        sampled: Motion before the correction.
        targets: Target transforms (T, 4, 4) of bones in the world, by name.
        unit_m: Length of the scene's unit.
        everything: Whether all bones of the body get keys, even if they are in place.
    """
    rig = find_rig(sampled.uid)
    bones = sorted((rig.data.bones[name] for name in sampled.pose), key=lambda bone: len(bone.parent_recursive))
    bone_names = [bone.name for bone in bones]
    new_pose: dict[str, np.ndarray] = {}
    keys: dict[str, BoneKeys] = {}
    to_armature = np.linalg.inv(sampled.world)
    for count, name in enumerate(bone_names):
        bone = find_rig(sampled.uid).data.bones[name]
        old_pose = sampled.pose[name]
        new_pose[name] = old_pose
        if bone.parent is not None and new_pose[bone.parent.name] is not sampled.pose[bone.parent.name]:
            bases = convert_to_basis(bone, old_pose, sampled.pose)
            new_pose[name] = convert_to_pose(bone, bases, new_pose)
            yield count / len(bone_names), "computing the keys"
            bone = find_rig(sampled.uid).data.bones[name]
        if name in targets:
            distance, angle_rad = measure_difference(sampled.world @ new_pose[name], targets[name])
            is_moved = distance * unit_m > _SAME_PLACE_M
            if everything or is_moved or angle_rad > _SAME_ANGLE_RAD:
                new_pose[name] = to_armature @ targets[name]
                bases = convert_to_basis(bone, new_pose[name], new_pose)
                is_attached = bone.use_connect and bone.parent is not None
                scales = np.linalg.norm(bases[:, :3, :3], axis=1)
                has_scale = everything and bool(np.abs(scales - 1).max() > _SAME_SCALE)
                keys[name] = BoneKeys(bases, (is_moved or everything) and not is_attached, has_scale)
        yield count / len(bone_names), "computing the keys"
    return keys


def _compute_rotations(pose_bone: bpy.types.PoseBone, bases: np.ndarray, near: np.ndarray | None = None) -> np.ndarray:
    """Return the rotation values (T, 3 or 4) of a bone's transforms, without jumps by a full turn.

    Args:
        pose_bone: The bone.
        bases: Transforms (T, 4, 4) of the bone.
        near: Values (T, 3 or 4) to which the result is closest; by default, each value is closest to the previous one.
    """
    kind = get_rotation_property(pose_bone)
    values = [tuple(getattr(pose_bone, kind))]
    for step, basis in enumerate(bases.tolist()):
        quaternion = Matrix(basis).to_quaternion()
        reference = values[-1] if near is None else near[step].tolist()
        if kind == "rotation_quaternion":
            if quaternion.dot(Quaternion(reference)) < 0:
                quaternion.negate()
            values.append(tuple(quaternion))
        elif kind == "rotation_axis_angle":
            axis, angle = quaternion.to_axis_angle()
            sign = math.copysign(1.0, sum(a * b for a, b in zip(axis, reference[1:], strict=True)))
            values.append((sign * angle, *(sign * axis)))
        else:
            mode = pose_bone.rotation_mode
            values.append(tuple(quaternion.to_euler(mode, Euler(reference, mode))))
    return np.array(values[1:])


def _list_tracks(pose_bone: bpy.types.PoseBone, keys: BoneKeys, rotations: np.ndarray) -> dict[str, np.ndarray]:
    """Return the values to key for a bone, by property."""
    tracks = {get_rotation_property(pose_bone): rotations}
    if keys.has_location:
        tracks["location"] = keys.bases[:, :3, 3]
    if keys.has_scale:
        tracks["scale"] = np.array([Matrix(basis).to_scale() for basis in keys.bases.tolist()])
    return tracks


def write_keys(
    bag: bpy.types.ActionChannelbag,
    pose_bone: bpy.types.PoseBone,
    keys: BoneKeys,
    times: np.ndarray,
    present: Channels | None = None,
) -> set[str]:
    """Replace a bone's keys at these times, and leave all others.

    Args:
        bag: Curves of an action.
        pose_bone: The bone.
        keys: Keys of the bone.
        times: Times (T,) of the keys, in frames of the action.
        present: Channels of the bone before. If given, channels that stay the same get no keys, and neither do times at
            which a line between other keys is the same.

    Returns:
        Types of the modifiers that were removed because the keys already include their effect.
    """
    path = pose_bone.path_from_id()
    rotations = _compute_rotations(pose_bone, keys.bases, present.rotation if present else None)
    baked: set[str] = set()
    for name, values in _list_tracks(pose_bone, keys, rotations).items():
        if present is None:
            for index, column in enumerate(values.T):
                baked |= _write_curve(bag, f"{path}.{name}", index, column, times, pose_bone.name)
            continue
        before = present.rotation if name.startswith("rotation") else getattr(present, name)
        is_same = np.abs(values - before).max(axis=0) <= _SAME_VALUES
        if is_same.all():
            continue
        is_needed = find_needed_keys(values, _SAME_VALUES)
        for index, column in enumerate(values.T):
            if not is_same[index] or name.startswith("rotation"):
                baked |= _write_curve(
                    bag,
                    f"{path}.{name}",
                    index,
                    column[is_needed],
                    times[is_needed],
                    pose_bone.name,
                    ends=times[[0, -1]],
                )
    return baked


def find_needed_keys(values: np.ndarray, tolerance: float) -> np.ndarray:
    """Return a mask (T,) of the keys between which lines stay within a tolerance of the values (T, K)."""
    is_needed = np.zeros(len(values), dtype=bool)
    is_needed[[0, -1]] = True
    pending = [(0, len(values) - 1)]
    while pending:
        first, last = pending.pop()
        if last - first < 2:
            continue
        shares = np.linspace(0, 1, last - first + 1)[1:-1, None]
        line = (1 - shares) * values[first] + shares * values[last]
        off = np.abs(values[first + 1 : last] - line).max(axis=1)
        if off.max() > tolerance:
            middle = first + 1 + int(off.argmax())
            is_needed[middle] = True
            pending += [(first, middle), (middle, last)]
    return is_needed


def _write_curve(
    bag: bpy.types.ActionChannelbag,
    path: str,
    index: int,
    values: np.ndarray,
    times: np.ndarray,
    group: str,
    patterns: Sequence[bpy.types.FCurve] = (),
    ends: np.ndarray | None = None,
) -> set[str]:
    """Write a linear key for each time.

    Args:
        bag: Curves of an action.
        path: Path of the property.
        index: Index of the property.
        values: Values (T,) of the keys.
        times: Times (T,) of the keys, in frames of the action.
        group: Group of a new curve.
        patterns: Further curves whose cycles a new curve may copy, in addition to those of the action.

    Returns:
        Types of the modifiers that were removed because the keys already include their effect.
    """
    curve = bag.fcurves.find(path, index=index)
    if curve is None:
        curve = bag.fcurves.new(path, index=index)
        curve.group = bag.groups.get(group) or bag.groups.new(group)
        _copy_cycles([*bag.fcurves, *patterns], curve)
    curve.mute = False
    baked = set()
    for modifier in list(curve.modifiers):
        if modifier.type != "CYCLES" and not modifier.mute:
            baked.add(modifier.type)
            curve.modifiers.remove(modifier)
    points = np.stack([times, values], axis=1)
    columns = _read_keys(curve, times if ends is None else ends)
    step = np.array([np.diff(times[:2], append=times[-1] + 1)[0] / 3, 0.0])
    new_columns = {"co": points, "handle_left": points - step, "handle_right": points + step}
    count = len(points)
    for name in _KEY_ENUMS:
        item = {"interpolation": "LINEAR", "easing": "AUTO", "type": "KEYFRAME"}.get(name, "AUTO_CLAMPED")
        new_columns[name] = np.full(count, bpy.types.Keyframe.bl_rna.properties[name].enum_items[item].value)
    merged = {name: np.concatenate([columns[name], new_columns[name]]) for name in columns}
    order = np.argsort(merged["co"][:, 0], kind="stable")
    curve.keyframe_points.clear()
    curve.keyframe_points.add(len(order))
    for name, column in merged.items():
        curve.keyframe_points.foreach_set(name, column[order].ravel())
    curve.update()
    return baked


def _read_keys(curve: bpy.types.FCurve, times: np.ndarray) -> dict[str, np.ndarray]:
    """Return the keys of a curve that are outside the range of these times."""
    count = len(curve.keyframe_points)
    columns = {}
    for name in _KEYS:
        column = np.empty(2 * count)
        curve.keyframe_points.foreach_get(name, column)
        columns[name] = column.reshape(-1, 2)
    for name in _KEY_ENUMS:
        column = np.empty(count, dtype=np.int32)
        curve.keyframe_points.foreach_get(name, column)
        columns[name] = column
    places = columns["co"][:, 0]
    is_outside = (places < times[0] - _SAME_TIME) | (places > times[-1] + _SAME_TIME)
    return {name: column[is_outside] for name, column in columns.items()}


def _copy_cycles(patterns: Sequence[bpy.types.FCurve], curve: bpy.types.FCurve) -> None:
    """Copy the cycles modifier of another curve.

    The other curve is preferably of the same bone, so that a cycle stays a cycle.
    """
    holder, _, _ = curve.data_path.rpartition(".")
    cycles = {}
    for pattern_curve in patterns:
        for modifier in pattern_curve.modifiers:
            if modifier.type == "CYCLES" and not modifier.mute:
                closeness = 2 * (pattern_curve.data_path == curve.data_path) + pattern_curve.data_path.startswith(
                    holder
                )
                cycles.setdefault(closeness, modifier)
    if not cycles:
        return
    pattern = cycles[max(cycles)]
    copy = curve.modifiers.new("CYCLES")
    for side in ("before", "after"):
        mode = getattr(pattern, f"mode_{side}")
        if mode == "REPEAT_OFFSET" and not curve.data_path.endswith("location"):
            mode = "REPEAT"
        setattr(copy, f"mode_{side}", mode)
        setattr(copy, f"cycles_{side}", getattr(pattern, f"cycles_{side}"))


# --- an additive layer -----------------------------------------------------------------------------------------------


def write_layer_keys(
    bag: bpy.types.ActionChannelbag,
    pose_bone: bpy.types.PoseBone,
    keys: BoneKeys,
    channels: Channels,
    times: np.ndarray,
    patterns: Sequence[bpy.types.FCurve],
) -> dict[str, np.ndarray]:
    """Write additive keys for a bone: the differences between its corrected transforms and its channels.

    Args:
        bag: Curves of the layer.
        pose_bone: The bone.
        keys: Corrected transforms of the bone.
        channels: Channels of the bone without the layer.
        times: Times (T,) of the keys, in frames of the action.
        patterns: Curves below the layer. If they are cyclic, so is the layer.

    Returns:
        The channels (T, K) to which the layer is added, by path.
    """
    path = pose_bone.path_from_id()
    rotations = _compute_rotations(pose_bone, keys.bases, channels.rotation)
    bases = {}
    for name, values in _list_tracks(pose_bone, keys, rotations).items():
        base = channels.rotation if name.startswith("rotation") else getattr(channels, name)
        bases[f"{path}.{name}"] = base
        for index, column in enumerate((values - base).T):
            if np.abs(column).max() > _SAME_VALUE:
                _write_curve(bag, f"{path}.{name}", index, column, times, pose_bone.name, patterns)
    return bases


def read_layer(rig: bpy.types.Object, times: np.ndarray) -> dict[str, dict[int, np.ndarray]]:
    """Return what a rig's correction layer adds at these times, by path and index; nothing if it has no layer."""
    data = rig.animation_data
    if not is_layer(rig) or data.action_blend_type != "ADD" or data.action_influence == 0:
        return {}
    added: dict[str, dict[int, np.ndarray]] = {}
    for curve in get_curves(data.action, data.action_slot):
        values = np.array([curve.evaluate(time) for time in times])
        added.setdefault(curve.data_path, {})[curve.array_index] = data.action_influence * values
    return added


def subtract_layer(
    pose_bone: bpy.types.PoseBone, channels: Channels, added: dict[str, dict[int, np.ndarray]]
) -> Channels:
    """Return a bone's channels without what a layer, which a new one replaces, adds."""
    path = pose_bone.path_from_id()
    arrays = {"location": channels.location.copy(), "scale": channels.scale.copy()}
    arrays[get_rotation_property(pose_bone)] = channels.rotation.copy()
    for name, values in arrays.items():
        for index, column in added.get(f"{path}.{name}", {}).items():
            values[:, index] -= column
    return Channels(arrays["location"], arrays[get_rotation_property(pose_bone)], arrays["scale"])


def hold_pose(rig: bpy.types.Object, bases: dict[str, np.ndarray], frame: float) -> None:
    """Hold the values of unanimated channels in an NLA strip, because a layer would be added to their defaults.

    Args:
        rig: Armature object whose action was pushed down.
        bases: Values (T, K) of the channels, by path.
        frame: First frame of the action.
    """
    animated_paths = {curve.data_path for curve in collect_strip_curves(rig)}
    first = math.floor(frame)  # strips begin at whole frames
    action = None
    for path, values in bases.items():
        default = _DEFAULTS.get(path.rpartition(".")[2], (0.0, 0.0, 0.0))
        if path in animated_paths or np.abs(values - default).max() <= _SAME_VALUE:
            continue
        if action is None:
            action = bpy.data.actions.new(f"{rig.name} pose")
            slot = action.slots.new(id_type="OBJECT", name=rig.name)
        for index, value in enumerate(values[0]):
            get_bag(action, slot).fcurves.new(path, index=index).keyframe_points.insert(first, float(value))
    if action is not None:
        track = rig.animation_data.nla_tracks.new()
        track.name = action.name
        strip = track.strips.new(action.name, first, action)
        strip.action_slot = slot


def collect_strip_curves(rig: bpy.types.Object) -> list[bpy.types.FCurve]:
    """Return the curves of a rig's NLA strips."""
    curves: list[bpy.types.FCurve] = []
    for track in rig.animation_data.nla_tracks:
        for strip in track.strips:
            if strip.action and not track.mute and not strip.mute:
                curves += get_curves(strip.action, strip.action_slot)
    return curves


def is_stacked(rig: bpy.types.Object) -> bool:
    """Return whether a rig's motion is not its action alone.

    The action is a layer, or NLA strips play without an action.
    """
    data = rig.animation_data
    if data is None:
        return False
    if data.action is None:
        return any(not track.mute and len(track.strips) for track in data.nla_tracks)
    return data.action_blend_type != "REPLACE" or data.action_influence < 1


def push_down(rig: bpy.types.Object, scene: bpy.types.Scene) -> None:
    """Move a rig's action to a new NLA strip that plays it as before. The action itself does not change."""
    data = rig.animation_data or rig.animation_data_create()
    action, slot = data.action, data.action_slot
    if action is None:
        return
    blend_type, influence = data.action_blend_type, data.action_influence
    first, last = action.curve_frame_range
    data.action = None
    track = data.nla_tracks.new()
    track.name = action.name
    strip = track.strips.new(action.name, math.floor(first), action)
    if slot is not None:
        strip.action_slot = slot
    # Beyond its ends, a strip holds its first and last pose. A longer strip shows cycles there.
    modifiers = [modifier for curve in get_curves(action, slot) for modifier in curve.modifiers]
    repeated = _REPEATED * (last - first) if any(modifier.type == "CYCLES" for modifier in modifiers) else 0
    stretch = scene.render.frame_map_old / scene.render.frame_map_new
    strip.action_frame_start = min(first - repeated, scene.frame_start * stretch)
    strip.action_frame_end = max(last + repeated, scene.frame_end * stretch, first + 1)
    strip.frame_start = strip.action_frame_start
    strip.frame_end = strip.action_frame_end
    strip.blend_type = blend_type
    strip.extrapolation = data.action_extrapolation
    if influence < 1:
        strip.use_animated_influence = True
        strip.fcurves.find("influence").keyframe_points[0].co[1] = influence


# --- the new action --------------------------------------------------------------------------------------------------


def get_bag(action: bpy.types.Action, slot: bpy.types.ActionSlot) -> bpy.types.ActionChannelbag:
    """Return the curves of a slot, and create them if there are none."""
    layer = action.layers[0] if action.layers else action.layers.new("Layer")
    strip = layer.strips[0] if layer.strips else layer.strips.new(type="KEYFRAME")
    return strip.channelbag(slot, ensure=True)


def create_action(rig: bpy.types.Object, name: str, *, is_copy: bool) -> tuple[bpy.types.Action, bpy.types.ActionSlot]:
    """Create an action with a slot for the rig, which is saved with the file even if nothing plays it.

    Args:
        rig: The armature object.
        name: Name of the action.
        is_copy: Whether the action is a copy of the rig's action, or empty.
    """
    data = rig.animation_data
    if not is_copy or data is None or data.action is None:
        action = bpy.data.actions.new(name)
        slot = action.slots.new(id_type="OBJECT", name=rig.name)
    else:
        action = data.action.copy()
        action.name = name
        clear_marks(action)
        identifier = data.action_slot.identifier if data.action_slot else ""
        slot = next((slot for slot in action.slots if slot.identifier == identifier), None)
        slot = slot or action.slots.new(id_type="OBJECT", name=rig.name)
    action.use_fake_user = True
    return action, slot


def assign(rig: bpy.types.Object, action: bpy.types.Action, slot: bpy.types.ActionSlot, blend_type: str) -> None:
    """Assign an action to a rig. Its previous action stays in the file.

    Args:
        rig: The armature object.
        action: The action.
        slot: The rig's slot in it.
        blend_type: "REPLACE" or "ADD".
    """
    data = rig.animation_data or rig.animation_data_create()
    if data.action and data.action.library is None:
        data.action.use_fake_user = True
    data.action = action
    data.action_slot = slot
    data.action_blend_type = blend_type
    data.action_influence = 1.0


def is_layer(rig: bpy.types.Object) -> bool:
    """Return whether a rig's action is a correction layer over its other animation."""
    data = rig.animation_data
    return bool(data and data.action and AMOUNT in data.action)


@contextmanager
def restoring_if_interrupted(uid: int) -> Iterator[None]:
    """Restore a rig's actions, NLA strips, copies and visibility if the work ends early.

    Args:
        uid: Session identifier of the armature object.
    """
    rig = find_rig(uid)
    data = rig.animation_data
    action = data.action if data else None
    played_uid = action.session_uid if action else None
    identifier = data.action_slot.identifier if action and data.action_slot else None
    influence = (data.action_blend_type, data.action_influence) if data else None
    tracks = len(data.nla_tracks) if data else 0
    protected = {action.session_uid for action in bpy.data.actions if action.use_fake_user}
    names = [name for part in FEET for name in _name_properties(part)]
    contacts = {name: _copy_property(rig[name]) for name in names if name in rig}
    is_selected = rig.select_get()
    hidden = {item.session_uid: (item.hide_viewport, item.hide_render) for item in bpy.data.objects}
    existing = {kind: {block.session_uid for block in getattr(bpy.data, kind)} for kind in _CREATED}
    active = bpy.context.view_layer.objects.active
    active_uid = active.session_uid if active else None
    try:
        yield
    except BaseException:
        for kind in _CREATED:
            blocks = getattr(bpy.data, kind)
            for block in [block for block in blocks if block.session_uid not in existing[kind]]:
                blocks.remove(block)
        rig = find_rig(uid)
        for name in names:
            if name in contacts:
                rig[name] = contacts[name]
            elif name in rig:
                del rig[name]
        if rig.animation_data:
            for track in list(rig.animation_data.nla_tracks)[tracks:]:
                rig.animation_data.nla_tracks.remove(track)
            played = next((action for action in bpy.data.actions if action.session_uid == played_uid), None)
            play(rig, played, identifier)
        if influence:
            rig.animation_data.action_blend_type, rig.animation_data.action_influence = influence
        for action in bpy.data.actions:
            if action.library is None:
                action.use_fake_user = action.session_uid in protected
        for item in bpy.data.objects:
            if item.session_uid in hidden:
                item.hide_viewport, item.hide_render = hidden[item.session_uid]
        rig.select_set(is_selected)
        bpy.context.view_layer.objects.active = find_rig(active_uid) if active_uid else None
        raise


def _copy_property(value: object) -> object:
    """Copy the value of a custom property, because Blender's arrays change with the object."""
    return value.to_list() if hasattr(value, "to_list") else value


# --- contacts --------------------------------------------------------------------------------------------------------


def _name_properties(part: str) -> tuple[str, str]:
    """Return the names of a foot's custom properties for when and where it stands."""
    return f"{part} stands", f"{part} place"


def write_contacts(
    bag: bpy.types.ActionChannelbag, rig: bpy.types.Object, contacts: Contacts, times: np.ndarray
) -> None:
    """Write the contacts of each foot as curves: one is 1 while it stands, and two hold its position.

    Args:
        bag: Curves of the rig's action.
        rig: Armature object whose properties they animate.
        contacts: Contacts over T frames.
        times: Times (T,), in frames of the action.
    """
    for foot, part in enumerate(FEET):
        stands_name, place_name = _name_properties(part)
        is_standing = contacts.is_standing[:, foot]
        places = contacts.places[:, foot]
        rig[stands_name] = int(is_standing[0])
        rig[place_name] = np.nan_to_num(places[0]).tolist()
        _write_steps(bag, f'["{stands_name}"]', 0, is_standing.astype(float), times)
        for index, column in enumerate(places.T):
            _write_steps(bag, f'["{place_name}"]', index, column, times)


def _write_steps(bag: bpy.types.ActionChannelbag, path: str, index: int, values: np.ndarray, times: np.ndarray) -> None:
    """Write values (T,) as stepped keys where they change, but none for NaN."""
    curve = bag.fcurves.find(path, index=index)
    if curve is not None:
        bag.fcurves.remove(curve)
    curve = bag.fcurves.new(path, index=index)
    curve.group = bag.groups.get("Contacts") or bag.groups.new("Contacts")
    for step in (0, *(np.flatnonzero(np.diff(values)) + 1)):
        if not np.isnan(values[step]):
            point = curve.keyframe_points.insert(times[step], float(values[step]))
            point.interpolation = "CONSTANT"


def find_contact_curves(
    action: bpy.types.Action, slot: bpy.types.ActionSlot | None
) -> list[list[bpy.types.FCurve | None]]:
    """Return three contact curves for each foot: whether it stands, and its x and y; None for a missing curve."""
    curves = {(curve.data_path, curve.array_index): curve for curve in get_curves(action, slot)}
    found = []
    for part in FEET:
        stands_name, place_name = _name_properties(part)
        keys = ((f'["{stands_name}"]', 0), (f'["{place_name}"]', 0), (f'["{place_name}"]', 1))
        found.append([curves.get(key) for key in keys])
    return found


def read_contacts(action: bpy.types.Action, times: np.ndarray) -> Contacts:
    """Read contacts from an action's curves, which users may have edited.

    A position belongs to the contact during which it is keyed.
    """
    is_standing = np.zeros((len(times), len(FEET)), dtype=bool)
    places = np.full((len(times), len(FEET), 2), np.nan)
    for foot, (stands, x, y) in enumerate(find_contact_curves(action, None)):
        if stands is None:
            names = [_name_properties(part)[0] for part in FEET]
            if not any(curve for curve, _, _ in find_contact_curves(action, None)):
                raise Failure(f"{action.name} has no contacts; correct the motion first, then edit its new action")
            raise Failure(f"{action.name} has no curve {names[foot]!r}; a foot that never stands has a key of 0 there")
        is_standing[:, foot] = [stands.evaluate(time) >= 0.5 for time in times]
        if x is None or y is None:
            continue
        keyed = sorted(point.co[0] for curve in (x, y) for point in curve.keyframe_points)
        for first, last in find_spans(is_standing[:, foot]):
            inside = [time for time in keyed if times[first] - _SAME_TIME <= time <= times[last] + _SAME_TIME]
            if inside:
                places[first : last + 1, foot] = x.evaluate(inside[-1]), y.evaluate(inside[-1])
    return Contacts(is_standing, places)


def restore_contact_properties() -> None:
    """Restore the contact properties that library overrides lose when a file is saved, from the action's curves."""
    for rig in bpy.data.objects:
        data = rig.animation_data
        if rig.type != "ARMATURE" or data is None or data.action is None:
            continue
        for part, (stands, x, _) in zip(FEET, find_contact_curves(data.action, data.action_slot), strict=True):
            stands_name, place_name = _name_properties(part)
            if stands and stands_name not in rig:
                rig[stands_name] = 0
            if x and place_name not in rig:
                rig[place_name] = [0.0, 0.0]


def find_drivers(rig: bpy.types.Object, names: Sequence[str] | set[str]) -> list[bpy.types.FCurve]:
    """Return the drivers of the transforms of these bones."""
    properties = ("location", "scale", *ROTATION_PROPERTIES)
    paths = {f"{rig.pose.bones[name].path_from_id()}.{kind}" for name in names for kind in properties}
    drivers = rig.animation_data.drivers if rig.animation_data else ()
    return [driver for driver in drivers if driver.data_path in paths]
