# SPDX-License-Identifier: GPL-3.0-or-later
"""Exchange motion with the program as BVH. This module does not need Blender.

Lengths are in metres, and y is up, as in BVH files. In the rest pose, joint frames are parallel to the world.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from .program import Steps

_POSITION = ("Xposition", "Yposition", "Zposition")
_ROTATION = ("Zrotation", "Xrotation", "Yrotation")
_RIGID_M = 1e-4
"""Largest displacement of a joint in its parent's frame at which its bone is rigid, in m. Blender's transforms are in
single precision."""
_CLOSING = -1
"""Marker for the brace that closes a joint."""
_FADING_S = 0.25
"""Time within which a turned foot turns back beside its stance, in s."""
_ROWS = 100
"""Number of rows written in one step."""
_PREPARING, _READING = "preparing the motion", "reading the result"
_DAMAGED = "The motion that the program returned is cut or damaged"


@dataclass(frozen=True)
class Turn:
    """A footstep that was turned about the vertical."""

    part: str
    first_frame: int
    last_frame: int
    angle_rad: float


class ExchangeError(Exception):
    """A file of the program or a ground cannot be used. The message is a sentence for the user."""


@dataclass(frozen=True, eq=False)
class Clip:
    """A motion of J joints over T frames."""

    names: tuple[str, ...]
    """Joint names, depth first, the root first."""
    parents: tuple[int, ...]
    """Index of each joint's parent; −1 for the root."""
    positions_m: np.ndarray
    """(T, J, 3) positions in the world, y up."""
    rotations: np.ndarray
    """(T, J, 3, 3) orientations in the world, which are the identity in the rest pose."""
    fps: float
    tips_m: dict[int, np.ndarray]
    """End (3,) of each bone without children, in the frame of its joint."""


def make_file_names(names: Sequence[str]) -> tuple[str, ...]:
    """Convert bone names to unique names that BVH can hold, without line breaks and braces."""
    unique_names: dict[str, None] = {}
    for name in names:
        clean_name = re.sub(r"[{}\x00-\x1f\x7f]", "_", " ".join(name.split())) or "bone"
        file_name = clean_name
        number = 1
        while file_name in unique_names:
            number += 1
            file_name = f"{clean_name} {number}"
        unique_names[file_name] = None
    return tuple(unique_names)


# --- writing ---------------------------------------------------------------------------------------------------------


def write_bvh(path: Path, clip: Clip) -> Steps:
    """Write a clip as BVH in steps: joint by joint, and then row by row.

    Joints that move in their parent's frame get position channels; all others get only an offset.
    """
    moving = []
    offsets_m = []
    columns = []
    for joint, parent in enumerate(clip.parents):
        rotations, positions_m = _compute_local(clip, joint, parent)
        moving.append(parent < 0 or bool(np.ptp(positions_m, axis=0).max() > _RIGID_M))
        offsets_m.append(np.median(positions_m, axis=0))
        if moving[joint]:
            columns.append(positions_m)
        columns.append(np.unwrap(np.degrees(compute_zxy_angles(rotations)), period=360, axis=0))
        yield 0.5 + 0.25 * joint / len(clip.parents), _PREPARING
    hierarchy = _format_hierarchy(clip, offsets_m, moving)
    frames = len(clip.rotations)
    lines = ["HIERARCHY", *hierarchy, "MOTION", f"Frames: {frames}", f"Frame Time: {1 / clip.fps:.9f}"]
    with path.open("w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
        for start in range(0, frames, _ROWS):
            rows = np.concatenate([column[start : start + _ROWS] for column in columns], axis=1)
            for row in (rows.round(6) + 0.0).tolist():  # adding zero turns −0 into 0
                file.write(" ".join(map("{:.6f}".format, row)) + "\n")
            yield 0.75 + 0.25 * start / frames, _PREPARING


def _compute_local(clip: Clip, joint: int, parent: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a joint's rotations (T, 3, 3) and positions (T, 3) in its parent's frame, or the root's in the world."""
    if parent < 0:
        return clip.rotations[:, joint], clip.positions_m[:, joint]
    to_parent = clip.rotations[:, parent].swapaxes(-1, -2)
    bones_m = clip.positions_m[:, joint] - clip.positions_m[:, parent]
    return to_parent @ clip.rotations[:, joint], (to_parent @ bones_m[..., None])[..., 0]


def _format_hierarchy(clip: Clip, offsets_m: Sequence[np.ndarray], moving: Sequence[bool]) -> list[str]:
    """Format the joints depth first, without recursion, because chains may be longer than Python's stack."""
    names = make_file_names(clip.names)
    children: dict[int, list[int]] = {}
    for joint, parent in enumerate(clip.parents):
        children.setdefault(parent, []).append(joint)
    lines: list[str] = []
    pending: list[tuple[int, int]] = [(0, 0)]
    while pending:
        joint, depth = pending.pop()
        margin = "\t" * depth
        if joint == _CLOSING:
            lines.append(f"{margin}}}")
            continue
        offset_m = offsets_m[joint] if joint else np.zeros(3)
        channels = (*_POSITION, *_ROTATION) if moving[joint] else _ROTATION
        lines.append(f"{margin}{'JOINT' if depth else 'ROOT'} {names[joint]}")
        lines.append(f"{margin}{{")
        lines.append(f"{margin}\t{_format_offset(offset_m)}")
        lines.append(f"{margin}\tCHANNELS {len(channels)} {' '.join(channels)}")
        if joint in clip.tips_m:
            for line in ("End Site", "{", f"\t{_format_offset(clip.tips_m[joint])}", "}"):
                lines.append(f"{margin}\t{line}")
        pending.append((_CLOSING, depth))
        for child in reversed(children.get(joint, [])):
            pending.append((child, depth + 1))
    return lines


def _format_offset(vector_m: np.ndarray) -> str:
    return "OFFSET " + " ".join(f"{value:.6f}" for value in vector_m.round(6) + 0.0)


_MOST = 1e6
"""Largest number that the program writes, in m or degrees."""


# --- reading ---------------------------------------------------------------------------------------------------------


@dataclass
class _Hierarchy:
    """The joints of a file, depth first."""

    names: list[str] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    offsets_m: list[np.ndarray] = field(default_factory=list)
    channel_counts: list[int] = field(default_factory=list)
    tips_m: dict[int, np.ndarray] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """True if each joint has an offset of three numbers, channels and, except for the first, a parent."""
        vectors_m = [*self.offsets_m, *self.tips_m.values()]
        are_vectors = all(vector_m.shape == (3,) and (np.abs(vector_m) <= _MOST).all() for vector_m in vectors_m)
        counts = {len(self.names), len(self.offsets_m), len(self.channel_counts)}
        return are_vectors and len(counts) == 1 and self.parents[0] == -1 and min(self.parents[1:], default=0) >= 0


def read_bvh(path: Path) -> Steps:
    """Read a clip with the channels that `write_bvh` writes. Raises ExchangeError for any other file."""
    try:
        head, _, motion = path.read_text(encoding="utf-8").partition("\nMOTION\n")
        hierarchy = _read_hierarchy(head)
        count, time, *rows = [line for line in motion.splitlines() if line.strip()]
        frame_s = float(time.split(":")[1])
        pieces = []
        for start in range(0, len(rows), _ROWS):
            pieces.append(np.array([row.split() for row in rows[start : start + _ROWS]], dtype=float))
            yield 0.5 * start / len(rows), _READING
        values = np.concatenate(pieces)
        expected_shape = (int(count.split(":")[1]), sum(hierarchy.channel_counts))
        is_whole = motion.endswith("\n") and values.shape == expected_shape and 0 < frame_s < np.inf
        is_whole = is_whole and hierarchy.is_whole and bool((np.abs(values) <= _MOST).all())
    except (ValueError, IndexError):
        is_whole = False
    if not is_whole:
        raise ExchangeError(f"{_DAMAGED}; run the command again")
    rotations, positions_m = yield from _compute_world(hierarchy, values)
    names = tuple(hierarchy.names)
    return Clip(names, tuple(hierarchy.parents), positions_m, rotations, 1 / frame_s, hierarchy.tips_m)


def _read_hierarchy(text: str) -> _Hierarchy:
    hierarchy = _Hierarchy()
    open_joints: list[int] = []
    for line in text.splitlines():
        word, *rest = line.split() or [""]
        if word in ("ROOT", "JOINT"):
            hierarchy.parents.append(open_joints[-1] if open_joints else -1)
            open_joints.append(len(hierarchy.names))
            hierarchy.names.append(" ".join(rest))
        elif word == "End":
            open_joints.append(_CLOSING)
        elif word == "OFFSET" and open_joints[-1] == _CLOSING:
            hierarchy.tips_m[open_joints[-2]] = np.array(rest, dtype=float)
        elif word == "OFFSET":
            hierarchy.offsets_m.append(np.array(rest, dtype=float))
        elif word == "CHANNELS":
            if tuple(rest[-3:]) != _ROTATION or len(rest) not in (4, 7):
                channels = " ".join(_ROTATION)
                raise ExchangeError(f"{_DAMAGED}: expected the channels {channels} in {hierarchy.names[-1]}")
            hierarchy.channel_counts.append(len(rest) - 1)
        elif word == "}":
            open_joints.pop()
    return hierarchy


def _compute_world(hierarchy: _Hierarchy, values: np.ndarray) -> Steps:
    """Compute rotations (T, J, 3, 3) and positions (T, J, 3) in the world from channel values (T, C), in steps."""
    frames = len(values)
    rotations = np.empty((frames, len(hierarchy.names), 3, 3))
    positions_m = np.empty((frames, len(hierarchy.names), 3))
    start = 0
    for joint, parent in enumerate(hierarchy.parents):
        channels = values[:, start : start + hierarchy.channel_counts[joint]]
        start += hierarchy.channel_counts[joint]
        local_m = np.tile(hierarchy.offsets_m[joint], (frames, 1))
        if hierarchy.channel_counts[joint] == 6:
            local_m = channels[:, :3]
        local_rotations = make_zxy_matrices(np.radians(channels[:, -3:]))
        if parent < 0:
            rotations[:, joint] = local_rotations
            positions_m[:, joint] = local_m
        else:
            rotations[:, joint] = rotations[:, parent] @ local_rotations
            bones_m = (rotations[:, parent] @ local_m[..., None])[..., 0]
            positions_m[:, joint] = positions_m[:, parent] + bones_m
        yield 0.5 + 0.5 * joint / len(hierarchy.parents), _READING
    return rotations, positions_m


def compute_zxy_angles(rotations: np.ndarray) -> np.ndarray:
    """Return angles (..., 3) in rad about z, x and y, whose product Rz Rx Ry is the rotation (..., 3, 3)."""
    about_z = np.arctan2(-rotations[..., 0, 1], rotations[..., 1, 1])
    about_x = np.arctan2(rotations[..., 2, 1], np.hypot(rotations[..., 0, 1], rotations[..., 1, 1]))
    # The last angle is computed from the remainder, so that both are consistent even if x is near ±90°.
    cosine = np.cos(about_z)[..., None]
    sine = np.sin(about_z)[..., None]
    remainder = cosine * rotations[..., 0, :] + sine * rotations[..., 1, :]
    about_y = np.arctan2(remainder[..., 2], remainder[..., 0])
    return np.stack([about_z, about_x, about_y], axis=-1)


def make_zxy_matrices(angles_rad: np.ndarray) -> np.ndarray:
    """Return the rotations Rz Rx Ry (..., 3, 3) for angles (..., 3) in rad about z, x and y."""
    sz, sx, sy = np.moveaxis(np.sin(angles_rad), -1, 0)
    cz, cx, cy = np.moveaxis(np.cos(angles_rad), -1, 0)
    rows = [
        [cz * cy - sz * sx * sy, -sz * cx, cz * sy + sz * sx * cy],
        [sz * cy + cz * sx * sy, cz * cx, sz * sy - cz * sx * cy],
        [-cx * sy, sx, cx * cy],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


# --- turned feet -----------------------------------------------------------------------------------------------------


def turn_feet(clip: Clip, turns: Sequence[Turn], feet: Mapping[str, Sequence[str]]) -> Clip:
    """Turn feet about the vertical through their ankles in some stances, fading in and out beside them.

    Args:
        clip: The motion.
        turns: Stances and angles.
        feet: Ankle and toe joint of each foot, by its name.
    """
    positions_m = clip.positions_m.copy()
    rotations = clip.rotations.copy()
    frames = np.arange(len(rotations))
    for turn in turns:
        ankle = next((joint for joint, name in enumerate(clip.names) if name == feet[turn.part][0]), None)
        if ankle is None:
            raise ExchangeError(f"The {turn.part} cannot be turned, because its ankle was not recognised")
        below = [ankle]
        for joint, parent in enumerate(clip.parents):
            if parent in below:
                below.append(joint)
        away_s = np.maximum(turn.first_frame - frames, frames - turn.last_frame).clip(min=0) / clip.fps
        share = (1 - away_s / _FADING_S).clip(min=0)
        angles_rad = turn.angle_rad * share**2 * (3 - 2 * share)
        sine, cosine, zero, one = np.sin(angles_rad), np.cos(angles_rad), np.zeros(len(frames)), np.ones(len(frames))
        rows = [[cosine, zero, sine], [zero, one, zero], [-sine, zero, cosine]]
        about_up = np.moveaxis(np.array(rows), -1, 0)
        pivot_m = positions_m[:, [ankle]].copy()
        rotations[:, below] = about_up[:, None] @ rotations[:, below]
        positions_m[:, below] = (about_up[:, None] @ (positions_m[:, below] - pivot_m)[..., None])[..., 0] + pivot_m
    return replace(clip, positions_m=positions_m, rotations=rotations)


# --- the correction --------------------------------------------------------------------------------------------------


def compute_changes(clip: Clip, before: Clip, after: Clip, parts: Collection[str]) -> tuple[np.ndarray, np.ndarray]:
    """Compute how a correction changes each joint, in the world of the file.

    Only differences between the two files count, so joints that the program does not change stay exactly the same.
    Joints
    that carry no body part, such as fingers, move rigidly with their parents.

    Args:
        clip: Motion as sampled in Blender.
        before: Motion in the file that was sent to the program.
        after: Motion in the file that the program returned.
        parts: Joints that are body parts, by their names in the files.

    Returns:
        Rotations (T, J, 3, 3) to apply to orientations from the left, and new positions (T, J, 3) in metres.

    Raises:
        ExchangeError: Joints or frames of the files differ.
    """
    if (after.names, len(after.rotations)) != (before.names, len(before.rotations)):
        raise ExchangeError(
            f"The program returned {len(after.names)} joints and {len(after.rotations)} frames, "
            f"expected {len(before.names)} and {len(before.rotations)}"
        )
    changes = after.rotations @ before.rotations.swapaxes(-1, -2)
    positions_m = clip.positions_m + after.positions_m - before.positions_m
    body = _select_body(before, parts)
    for joint, parent in enumerate(before.parents):
        if joint not in body and parent >= 0:
            bones_m = clip.positions_m[:, joint] - clip.positions_m[:, parent]
            changes[:, joint] = changes[:, parent]
            positions_m[:, joint] = positions_m[:, parent] + (changes[:, parent] @ bones_m[..., None])[..., 0]
    return changes, positions_m


def _select_body(clip: Clip, parts: Collection[str]) -> set[int]:
    """Return the joints of the body and all their ancestors."""
    body: set[int] = set()
    for joint in reversed(range(len(clip.names))):
        if clip.names[joint] in parts or joint in body:
            body |= {joint, clip.parents[joint]}
    return body
