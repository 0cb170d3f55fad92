"""Read and write BVH (Biovision hierarchy), a text format for a skeleton and its motion.

A motion read from a file keeps the file's joints, names, order and joint frames. At zero rotation, joint frames are
parallel to the world. `Skeleton` expects this pose to be upright and to face +z. Whether it does is up to the file:
most files comply, CMU's own skeletons only nearly (see `cmu`). End sites become joints without channels, named
`<parent>_end`, so that hands, feet and the head end in the right places. Because many programs need an end site in
every leaf joint, leaf joints without one are written with the end of an average body.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.smpl import SMPL, SMPL_BODY
from selfcorrect.motion.body.surface import (
    HEAD_ABOVE_HEAD_JOINT_M,
    HEAD_ABOVE_NECK_M,
    HEAD_RADIUS_M,
    TOE_TIP_BEYOND_TOE_JOINT_M,
)
from selfcorrect.motion.geometry.rotations import from_euler_angles, identity_rotations, rotate, slerp, to_euler_angles
from selfcorrect.motion.geometry.vectors import median, norms
from selfcorrect.motion.inverse_kinematics import aligning_turns
from selfcorrect.motion.kinematics import make_continuous
from selfcorrect.motion.motion import Motion, check_numbers
from selfcorrect.motion.skeleton import MAX_JOINTS, MAX_LEVELS, SOLE_BELOW_TOE_JOINT_M, Skeleton, strip_side
from selfcorrect.storage.files.limits import check_unpacked
from selfcorrect.storage.files.writing import replacing

from ..skeletons.anatomy import recognize_parts
from ..skeletons.units import infer_unit
from .bvh_text import BLANKS, BvhText, byte_order_mark, parse_text, read_bvh_text
from .rig import RiggedMotion, describe_changed_names, make_unique, order_below, warn_of_changed_names

_ROWS = 256
"""Number of rows read or written at once, chosen to fit into the processor's cache."""
_TURNS_TOGETHER = 2**13
"""Number of rotations converted to angles at once."""
_NO_BONE = 0.1
"""Length, relative to the offset, below which a channel position is added to the offset instead of replacing it."""

_FINGERTIP_M = 0.028
"""Length of an average fingertip beyond the last joint, in m. Joints that belong to no body part end there, too."""
_ENDS_M = {
    "foot": (0.0, -SOLE_BELOW_TOE_JOINT_M, TOE_TIP_BEYOND_TOE_JOINT_M),
    "ankle": (0.0, 0.0, _FINGERTIP_M),
    "neck": (0.0, HEAD_ABOVE_NECK_M + HEAD_RADIUS_M, 0.0),
    "head": (0.0, HEAD_ABOVE_HEAD_JOINT_M + HEAD_RADIUS_M, 0.0),
    "wrist": tuple(SMPL.average().offsets_m[SMPL.names.index("left_hand")]),
}
"""Ends of an average body relative to its last joints, in m.

The end of a foot without a toe joint is so near to the ankle that it is not read as a toe joint."""


def read_bvh(path: Path, metres_per_unit: float | None = None, fps: float | None = None) -> RiggedMotion:
    """Read a BVH file.

    Args:
        metres_per_unit: Length of the file's unit; see `parse_bvh`.
        fps: Frame rate, which overrides the file's frame time.

    Returns:
        The clip, y up. `write_bvh` writes it with the same names in the same encoding.

    Raises:
        InputError: The file is malformed. The message names the line and what was expected there.
    """
    text, encoding = read_bvh_text(path)
    content = parse_text(text, str(path), fps)
    del text  # as large as the file
    return replace(_pose_clip(content, str(path), metres_per_unit), encoding=encoding)


def parse_bvh(text: str, source: str, metres_per_unit: float | None = None, fps: float | None = None) -> RiggedMotion:
    """Parse a BVH text into a clip, y up.

    Args:
        metres_per_unit: Length of the file's unit, which BVH does not state. None infers the likeliest of the usual
            units (see `units`).
        fps: Frame rate, which overrides the file's frame time.

    Raises:
        InputError: The text is malformed. The message names the line and what was expected there.
    """
    return _pose_clip(parse_text(text, source, fps), source, metres_per_unit)


def _pose_clip(content: BvhText, source: str, metres_per_unit: float | None) -> RiggedMotion:
    """Build the clip from a file's content."""
    frames = len(content.values)
    joints = len(content.joints)
    check_unpacked(source, frames * joints * 4 * 8, stored=content.size)
    parents = tuple(joint.parent for joint in content.joints)
    offsets = np.array([joint.offset for joint in content.joints], dtype=float)
    positions, rotations = _split_channels(content.values, content.channels, offsets)
    if content.damaged_rows:
        positions, rotations = _fill_rows(positions, rotations, list(content.damaged_rows))
    usual_offsets, relative = _place_joints(positions, offsets)
    end_sites = frozenset(index for index, joint in enumerate(content.joints) if joint.is_end)
    end_names = frozenset(content.names[joint] for joint in end_sites)
    skeleton = Skeleton(content.names, parents, usual_offsets, ("",) * joints, rigid=end_names)
    root = positions.pop(0, np.tile(offsets[0], (frames, 1)))
    motion = recognize_parts(Motion(skeleton, root, rotations, content.fps, source=source))
    skeleton = motion.skeleton
    unit_m = metres_per_unit
    name_note = describe_changed_names("BVH", content.names, make_bvh_names(content.names))
    notes = (*content.notes, *filter(None, [name_note]))
    if not unit_m:
        unit_m, unit_note = infer_unit(motion)
        notes = (*notes, unit_note)
    scaled = replace(skeleton, offsets_m=skeleton.offsets_m * unit_m)
    motion = replace(motion, skeleton=scaled, root_m=root * unit_m)
    return RiggedMotion(
        motion,
        content.channels,
        offsets,
        end_sites,
        unit_m,
        stretches_m={joint: track * unit_m for joint, track in positions.items()},
        relative=relative,
        rest_positions=dict(zip(content.names, _find_rest_positions(offsets, parents), strict=True)),
        notes=notes,
        placeholder_rate=content.placeholder_rate,
    )


def _find_rest_positions(offsets: np.ndarray, parents: Sequence[int]) -> np.ndarray:
    """Return joint positions (J, 3) at zero rotation, with the root at the origin."""
    places = np.zeros_like(offsets)
    for joint, parent in enumerate(parents):
        if parent >= 0:
            places[joint] = places[parent] + offsets[joint]
    return places


def _place_joints(positions: dict[int, np.ndarray], offsets: np.ndarray) -> tuple[np.ndarray, frozenset[int]]:
    """Decide whether channel positions replace the joints' offsets or are added to them.

    Positions are added if bones would have no length otherwise; these tracks (T, 3) in `positions` then change in
    place.

    Returns:
        Median offsets (J, 3) from the parent, zero for the root, and the joints whose positions are added.
    """
    places = offsets.copy()
    relative = set()
    for joint, track in positions.items():
        places[joint] = median(track, axis=0)
        if joint and np.linalg.norm(places[joint]) < _NO_BONE * np.linalg.norm(offsets[joint]):
            relative.add(joint)
            positions[joint] = track + offsets[joint]
            places[joint] = median(positions[joint], axis=0)
    places[0] = 0
    return places, frozenset(relative)


def _split_channels(
    values: np.ndarray, channels: Sequence[tuple[str, ...]], offsets: np.ndarray
) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """Split channel values into positions and rotations.

    Returns the positions (T, 3), in the file's unit, of each joint with position channels, and the rotations (T, J, 4)
    of all joints.
    """
    rotations = identity_rotations(len(values), len(channels))
    positions: dict[int, np.ndarray] = {}
    for joint, columns, axes in _list_columns(channels, "position"):
        track = np.tile(offsets[joint], (len(values), 1))
        track[:, _number_axes(axes)] = values[:, columns]
        positions[joint] = track
    turning_joints = _group_by_axes(channels)
    for start in range(0, len(values), _ROWS):
        rows = slice(start, start + _ROWS)
        for axes, (joints, columns) in turning_joints.items():
            rotations[rows, joints] = from_euler_angles(axes, values[rows][:, columns])
    make_continuous(rotations, out=rotations)
    return positions, rotations


def _fill_rows(
    positions: dict[int, np.ndarray], rotations: np.ndarray, rows: list[int]
) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """Interpolate positions and rotations of damaged rows, which have sound rows before and after."""
    sound = np.setdiff1d(np.arange(len(rotations)), rows)
    after = np.searchsorted(sound, rows)
    first, last = sound[after - 1], sound[after]
    share = (np.array(rows) - first) / (last - first)
    filled = {}
    for joint, track in positions.items():
        filled[joint] = track.copy()
        filled[joint][rows] = track[first] + share[:, None] * (track[last] - track[first])
    rotations = rotations.copy()
    rotations[rows] = slerp(rotations[first], rotations[last], share[:, None, None])
    return filled, make_continuous(rotations)


def _list_columns(channels: Sequence[tuple[str, ...]], kind: str) -> Iterator[tuple[int, list[int], str]]:
    """Yield joint, columns and axes of the channels of one kind, for each joint that has them."""
    start = 0
    for joint, names in enumerate(channels):
        places = [place for place, name in enumerate(names) if name.endswith(kind)]
        if places:
            axes = "".join(names[place][0] for place in places)
            yield joint, [start + place for place in places], axes
        start += len(names)


def _group_by_axes(channels: Sequence[tuple[str, ...]]) -> dict[str, tuple[list[int], list[list[int]]]]:
    """Group joints by their order of rotation axes, each with the columns of its angles."""
    turning: dict[str, tuple[list[int], list[list[int]]]] = {}
    for joint, columns, axes in _list_columns(channels, "rotation"):
        joints, joint_columns = turning.setdefault(axes, ([], []))
        joints.append(joint)
        joint_columns.append(columns)
    return turning


def _number_axes(axes: str) -> list[int]:
    return ["XYZ".index(axis) for axis in axes]


def clip_of(motion: Motion, metres_per_unit: float = 0.01, rotation_order: str = "ZYX") -> RiggedMotion:
    """Prepare a motion for writing as BVH, with position channels only at the root.

    Args:
        metres_per_unit: Length of the file's unit, by default a centimetre.
        rotation_order: Axes of the Euler angles, the outermost first.
    """
    rotations = tuple(f"{axis}rotation" for axis in rotation_order)
    channels = (("Xposition", "Yposition", "Zposition", *rotations), *[rotations] * (len(motion.skeleton) - 1))
    return RiggedMotion(motion, channels, motion.skeleton.offsets_m / metres_per_unit, frozenset(), metres_per_unit)


def write_motion(path: Path, motion: Motion) -> None:
    """Write a motion that was not read from BVH as BVH, in centimetres and ZYX angles."""
    warn_of_changed_names("BVH", motion.skeleton.names, make_bvh_names(motion.skeleton.names))
    write_bvh(path, clip_of(motion))


def write_bvh(path: Path, clip: RiggedMotion) -> None:
    """Write a clip as BVH.

    Its motion may have been replaced by another motion of the same skeleton.
    """
    lines = _format_lines(clip)
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(byte_order_mark(clip.encoding))
        file.writelines(f"{line}\n".encode(clip.encoding, errors="replace") for line in lines)


def layer_between(before: str, after: str, source: str) -> str:
    """Return the additive animation layer between two BVH texts.

    Adding the layer's channels to those of `before` gives those of `after`.

    Args:
        after: Text of a clip with the same channels, such as the correction.
        source: Name of the clips in messages.

    Returns:
        The layer as BVH text, with angles between -180 and 180 degrees.

    Raises:
        InputError: Channels or frames differ.
    """
    new = parse_text(after, source)
    old = parse_text(before, source)
    if new.values.shape != old.values.shape:
        raise InputError(
            f"{source}: a layer needs equal numbers of frames and channels before and after, got {old.values.shape} "
            f"and {new.values.shape}"
        )
    names = list(chain.from_iterable(new.channels))
    angles = [index for index, name in enumerate(names) if name.endswith("rotation")]
    added = new.values - old.values
    added[:, angles] = (added[:, angles] + 180.0) % 360.0 - 180.0
    head, frame_time = re.split("(?=frame time)", after, maxsplit=1, flags=re.IGNORECASE)
    lines = [head + frame_time.splitlines()[0]]
    lines += [" ".join(f"{value:.6f}" for value in row) for row in added]
    return "\n".join(lines) + "\n"


def _format_lines(clip: RiggedMotion) -> Iterator[str]:
    """Yield the file's lines, not all at once, because the text of a long motion is larger than its numbers."""
    values = _join_channels(clip)
    ends = np.cumsum([len(names) for names in clip.channels])
    columns: list[int] = []
    for joint in order_below(0, clip.motion.skeleton.children):
        columns += range(ends[joint] - len(clip.channels[joint]), ends[joint])
    names = make_bvh_names(clip.motion.skeleton.names)
    leaves = [joint for joint, children in enumerate(clip.motion.skeleton.children) if not children]
    can_end = len(names) + len(set(leaves) - clip.end_sites) <= MAX_JOINTS
    head = ["HIERARCHY", *_format_joint(clip, names, 0, 0, can_end), "MOTION", f"Frames: {len(values)}"]
    return chain(head, [f"Frame Time: {1 / clip.motion.fps:.7f}"], format_channels(values, columns))


def format_channels(values: np.ndarray, columns: Sequence[int]) -> Iterator[str]:
    """Yield the formatted columns of values (T, C), in blocks of lines, with six decimals."""
    row_format = " ".join(["%.6f"] * len(columns))
    for start in range(0, len(values), _ROWS):
        rows = values[start : start + _ROWS].take(columns, axis=1)
        # Adding zero turns −0 into 0.
        yield "\n".join(row_format % tuple(row) for row in (rows.round(6) + 0.0).tolist())


def _join_channels(clip: RiggedMotion) -> np.ndarray:
    """Return channel values (T, C) in skeleton order."""
    motion = check_numbers(clip.motion)
    values = np.zeros((len(motion), sum(map(len, clip.channels))))
    moves_root = any(name.endswith("position") for name in clip.channels[0])
    if not moves_root and np.ptp(motion.root_m, axis=0).max() > 1e-6:
        raise InputError(f"{motion.source or 'motion'}: the root moves, but the file has no position channels for it")
    for joint, columns, axes in _list_columns(clip.channels, "position"):
        numbers = _number_axes(axes)
        still_m = np.tile(motion.skeleton.offsets_m[joint], (len(motion), 1))
        track_m = clip.stretches_m.get(joint, still_m) if joint else motion.root_m
        if len(track_m) != len(motion):
            track_m = still_m
        values[:, columns] = track_m[:, numbers] / clip.metres_per_unit
        if joint in clip.relative:
            values[:, columns] -= clip.offsets[joint][numbers]
    for axes, (joints, columns) in _group_by_axes(clip.channels).items():
        all_axes = axes + "".join(axis for axis in "XYZ" if axis not in axes)
        together = max(_TURNS_TOGETHER // max(len(motion), 1), 1)  # bounds the memory
        for start in range(0, len(joints), together):
            some = slice(start, start + together)
            angles_deg = to_euler_angles(all_axes, motion.rotations[:, joints[some]])[..., : len(axes)]
            values[:, columns[some]] = np.unwrap(angles_deg, period=360, axis=0)
    return values


@lru_cache(maxsize=8)
def make_bvh_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Convert joint names to names that BVH can hold.

    Such names are unique, not empty, and a single line without braces. Comment marks at the beginning of a name or
    after a blank become `_`, because readers take them for a comment.
    """
    written: list[str] = []
    for name in names:
        line = re.sub(r"[\t\n\v\f\r\x85\u2028\u2029]+", " ", name).strip(BLANKS)
        line = re.sub(r"(^|\s)(//|[#;](?=\s))", r"\1_", line)
        written.append(re.sub(r"[{}\x00-\x1f\x7f-\x9f\ud800-\udfff]", "_", line) or "joint")
    return make_unique(written)


def _format_joint(clip: RiggedMotion, names: Sequence[str], joint: int, depth: int, can_end: bool) -> list[str]:
    """Format a joint and its descendants; `can_end` allows end sites to be added."""
    skeleton = clip.motion.skeleton
    if joint in clip.end_sites:
        return _format_braces("End Site", clip.offsets[joint], [], depth)
    channels = clip.channels[joint]
    words = ("CHANNELS", str(len(channels)), *channels)
    content = ["\t" * (depth + 1) + " ".join(words)]
    for child in skeleton.children[joint]:
        content += _format_joint(clip, names, child, depth + 1, can_end)
    if not skeleton.children[joint] and can_end and depth + 2 <= MAX_LEVELS:
        end = find_leaf_end_m(skeleton, joint) / clip.metres_per_unit
        content += _format_braces("End Site", end, [], depth + 1)
    return _format_braces(f"{'JOINT' if depth else 'ROOT'} {names[joint]}", clip.offsets[joint], content, depth)


def _format_braces(title: str, offset: np.ndarray, content: Sequence[str], depth: int) -> list[str]:
    """Format a title, followed by an offset (3,) and content in braces."""
    margin = "\t" * depth
    x, y, z = offset.round(6) + 0.0
    return [f"{margin}{title}", f"{margin}{{", f"{margin}\tOFFSET {x:.6f} {y:.6f} {z:.6f}", *content, f"{margin}}}"]


def find_leaf_end_m(skeleton: Skeleton, joint: int) -> np.ndarray:
    """Find where the body part of a leaf joint ends.

    Direction and length are an average body's, whatever the rest pose. They are scaled by the length of the legs for
    neck and head, and by the last two bones elsewhere. Fingers, and joints that belong to no body part, end a fingertip
    further along the same bone.

    Returns:
        The end (3,) in the joint's frame, in m.
    """
    part = skeleton.parts[joint]
    bone_m = skeleton.offsets_m[joint]
    length_m = float(np.linalg.norm(bone_m))
    if (end_m := _ENDS_M.get(strip_side(part))) is not None:
        average = SMPL_BODY.average()
        average_joint = average.names.index(part)
        average_bones_m = average.offsets_m[[average.parents[average_joint], average_joint]]
        bones_m = skeleton.offsets_m[None, [skeleton.parents[joint], joint]]
        mirror = [-1.0 if part.startswith("right") else 1.0, 1.0, 1.0]
        rotation = aligning_turns(average_bones_m, bones_m, identity_rotations(1))
        leg_m = skeleton.leg_m
        if leg_m and part in ("neck", "head"):  # spines are divided in many ways
            scale = leg_m / average.leg_m
        else:
            scale = norms(bones_m).sum() / norms(average_bones_m).sum()
        return (scale or 1.0) * rotate(rotation, np.array([end_m]) * mirror)[0]
    if not length_m:
        return np.array([0.0, _FINGERTIP_M, 0.0])
    return min(_FINGERTIP_M, length_m) / length_m * bone_m
