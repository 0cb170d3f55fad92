# SPDX-License-Identifier: GPL-3.0-or-later
"""The BVH file through which Blender and the program exchange the motion of a skeleton. Needs no Blender.

Lengths are metres and y is up, as BVH files have it. A joint's frame is parallel to the world in the rest pose.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""Turns vectors of Blender's world, z up, into those of the file: who faces −y faces +z there."""

_POSITION = ("Xposition", "Yposition", "Zposition")
_ROTATION = ("Zrotation", "Xrotation", "Yrotation")
_THIN_M = 1e-4
"""Thickness that is given to planes."""
_CLOSING = -1
"""Stands for the brace that ends a joint."""
_RIGID_M = 1e-4
"""Way of a joint in its parent's frame up to which its bone counts as rigid; Blender computes in single precision."""


class ExchangeError(Exception):
    """A file is not what the extension has written."""


@dataclass(frozen=True, eq=False)
class Clip:
    """A motion of J joints over T frames."""

    names: tuple[str, ...]
    """Joint names, depth first, the root first."""
    parents: tuple[int, ...]
    """Index of each joint's parent, −1 for the root."""
    positions_m: np.ndarray
    """(T, J, 3) in the world, y up."""
    rotations: np.ndarray
    """(T, J, 3, 3) orientations in the world; identity in the rest pose."""
    fps: float
    tips_m: dict[int, np.ndarray]
    """End (3,) of each bone without children, in its joint's frame."""


def file_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names of bones as a BVH file can hold them: one line, no braces, none twice."""
    taken: dict[str, None] = {}
    for name in names:
        clean = re.sub(r"[{}\x00-\x1f\x7f]", "_", " ".join(name.split())) or "bone"
        free, number = clean, 1
        while free in taken:
            number += 1
            free = f"{clean} {number}"
        taken[free] = None
    return tuple(taken)


def write_bvh(path: Path, clip: Clip) -> None:
    """Write a clip; joints that move in their parent's frame get position channels, others an offset."""
    local, places_m = _in_parents(clip)
    offsets_m = np.median(places_m, axis=0)
    moving = np.ptp(places_m, axis=0).max(axis=-1) > _RIGID_M
    moving[0] = True
    degrees = np.unwrap(np.degrees(zxy_angles(local)), period=360, axis=0)
    columns = []
    for joint in range(len(clip.names)):
        columns += [places_m[:, joint]] if moving[joint] else []
        columns.append(degrees[:, joint])
    rows = np.concatenate(columns, axis=1).round(6) + 0.0  # adding zero turns −0 into 0
    hierarchy = _format_hierarchy(clip, offsets_m, moving)
    lines = ["HIERARCHY", *hierarchy, "MOTION", f"Frames: {len(rows)}", f"Frame Time: {1 / clip.fps:.9f}"]
    lines += [" ".join(map("{:.6f}".format, row)) for row in rows.tolist()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _in_parents(clip: Clip) -> tuple[np.ndarray, np.ndarray]:
    """Rotations (T, J, 3, 3) and positions (T, J, 3) of joints in their parents' frames; the root's in the world."""
    parents = np.array(clip.parents[1:], dtype=int)
    local, places_m = clip.rotations.copy(), clip.positions_m.copy()
    above = clip.rotations[:, parents].swapaxes(-1, -2)
    local[:, 1:] = above @ clip.rotations[:, 1:]
    places_m[:, 1:] = (above @ (clip.positions_m[:, 1:] - clip.positions_m[:, parents])[..., None])[..., 0]
    return local, places_m


def _format_hierarchy(clip: Clip, offsets_m: np.ndarray, moving: np.ndarray) -> list[str]:
    """Return the lines of all joints, depth first; chains may be longer than Python's stack is deep."""
    names = file_names(clip.names)
    children: dict[int, list[int]] = {}
    for joint, parent in enumerate(clip.parents):
        children.setdefault(parent, []).append(joint)
    lines: list[str] = []
    pending: list[tuple[int, int]] = [(0, 0)]
    while pending:
        joint, depth = pending.pop()
        margin = "\t" * depth
        if joint < 0:
            lines.append(f"{margin}}}")
            continue
        channels = (*_POSITION, *_ROTATION) if moving[joint] else _ROTATION
        lines.append(f"{margin}{'JOINT' if depth else 'ROOT'} {names[joint]}")
        lines.append(f"{margin}{{")
        lines.append(f"{margin}\t{_offset(offsets_m[joint] if joint else np.zeros(3))}")
        lines.append(f"{margin}\tCHANNELS {len(channels)} {' '.join(channels)}")
        if joint in clip.tips_m:
            end_site = ("End Site", "{", f"\t{_offset(clip.tips_m[joint])}", "}")
            lines.extend(f"{margin}\t{line}" for line in end_site)
        pending.append((_CLOSING, depth))
        for child in reversed(children.get(joint, [])):
            pending.append((child, depth + 1))
    return lines


def _offset(vector_m: np.ndarray) -> str:
    return "OFFSET " + " ".join(f"{value:.6f}" for value in vector_m.round(6) + 0.0)


def read_bvh(path: Path) -> Clip:
    """Read a file with the channels that `write_bvh` writes. Raises ExchangeError where it has others."""
    try:
        hierarchy, _, motion = path.read_text(encoding="utf-8").partition("\nMOTION\n")
        names, parents, offsets_m, channels, tips_m = _read_hierarchy(hierarchy)
        count, time, *rows = [line for line in motion.splitlines() if line.strip()]
        frame_s = float(time.split(":")[1])
        values = np.array([row.split() for row in rows], dtype=float)
        is_whole = motion.endswith("\n") and values.shape == (int(count.split(":")[1]), sum(channels)) and frame_s > 0
    except (ValueError, IndexError):
        is_whole = False
    if not is_whole:
        raise ExchangeError("The motion that the program returned is cut or damaged; run the command again")
    rotations = np.empty((len(values), len(names), 3, 3))
    positions_m = np.empty((len(values), len(names), 3))
    ends = np.cumsum(channels)
    for joint, parent in enumerate(parents):
        own = values[:, ends[joint] - channels[joint] : ends[joint]]
        place_m = own[:, :3] if channels[joint] == 6 else np.tile(offsets_m[joint], (len(values), 1))
        turn = zxy_matrices(np.radians(own[:, -3:]))
        above = rotations[:, parent] if joint else np.eye(3)
        rotations[:, joint] = above @ turn
        positions_m[:, joint] = (above @ place_m[..., None])[..., 0] + (positions_m[:, parent] if joint else 0)
    return Clip(tuple(names), tuple(parents), positions_m, rotations, 1 / frame_s, tips_m)


def _read_hierarchy(
    text: str,
) -> tuple[list[str], list[int], list[np.ndarray], list[int], dict[int, np.ndarray]]:
    """Names, parents, offsets, number of channels and ends of bones."""
    names: list[str] = []
    parents: list[int] = []
    offsets_m: list[np.ndarray] = []
    channels: list[int] = []
    tips_m: dict[int, np.ndarray] = {}
    chain: list[int] = []
    for line in text.splitlines():
        word, *rest = line.split() or [""]
        if word in ("ROOT", "JOINT"):
            parents.append(chain[-1] if chain else -1)
            chain.append(len(names))
            names.append(" ".join(rest))
        elif word == "End":
            chain.append(-1)
        elif word == "OFFSET" and chain[-1] < 0:
            tips_m[chain[-2]] = np.array(rest, dtype=float)
        elif word == "OFFSET":
            offsets_m.append(np.array(rest, dtype=float))
        elif word == "CHANNELS":
            if tuple(rest[-3:]) != _ROTATION or len(rest) not in (4, 7):
                expected = f"expected the channels {' '.join(_ROTATION)} in {names[-1]}"
                raise ExchangeError(f"The motion that the program returned is cut or damaged: {expected}")
            channels.append(len(rest) - 1)
        elif word == "}":
            chain.pop()
    return names, parents, offsets_m, channels, tips_m


def zxy_angles(rotations: np.ndarray) -> np.ndarray:
    """Angles (..., 3) in radians about z, x and y whose product Rz Rx Ry is the rotation (..., 3, 3)."""
    about_z = np.arctan2(-rotations[..., 0, 1], rotations[..., 1, 1])
    about_x = np.arctan2(rotations[..., 2, 1], np.hypot(rotations[..., 0, 1], rotations[..., 1, 1]))
    # The last angle is what the first leaves over: so both fit together also where x is near ±90°.
    rest = np.cos(about_z)[..., None] * rotations[..., 0, :] + np.sin(about_z)[..., None] * rotations[..., 1, :]
    return np.stack([about_z, about_x, np.arctan2(rest[..., 2], rest[..., 0])], axis=-1)


def zxy_matrices(angles_rad: np.ndarray) -> np.ndarray:
    """Rotations Rz Rx Ry (..., 3, 3) by angles (..., 3) about z, x and y."""
    (sz, sx, sy), (cz, cx, cy) = (np.moveaxis(wave(angles_rad), -1, 0) for wave in (np.sin, np.cos))
    rows = [
        [cz * cy - sz * sx * sy, -sz * cx, cz * sy + sz * sx * cy],
        [sz * cy + cz * sx * sy, cz * cx, sz * sy - cz * sx * cy],
        [-cx * sy, sx, cx * cy],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


FEET = ("left foot", "right foot")
"""Parts of the body in a file of contacts."""


@dataclass(frozen=True, eq=False)
class Contacts:
    """When each foot stands over T frames, and where."""

    stands: np.ndarray
    """(T, 2) bool, left foot first."""
    places_m: np.ndarray
    """(T, 2, 2) where the middle of its sole then is, x and y of Blender's world; not a number where that is open."""


def spans(stands: np.ndarray) -> Iterator[tuple[int, int]]:
    """First and last frame of each time in which a foot stands (T,)."""
    edges = np.flatnonzero(np.diff(stands, prepend=False, append=False)).tolist()
    return ((first, stop - 1) for first, stop in zip(edges[::2], edges[1::2], strict=True))


def read_contacts(path: Path) -> Contacts:
    """Those of the program's file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        stands = np.zeros((content["frames"], len(FEET)), dtype=bool)
        places_m = np.full((*stands.shape, 2), np.nan)
        for contact in content["contacts"]:
            frames = slice(contact["first_frame"], contact["last_frame"] + 1)
            foot = FEET.index(contact["part"])
            stands[frames, foot] = True
            if position_m := contact.get("position_m"):
                places_m[frames, foot] = position_m[0], -position_m[2]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ExchangeError("The contacts that the program returned cannot be read; install a newer program") from error
    return Contacts(stands, places_m)


def write_contacts(path: Path, contacts: Contacts, fps: float) -> None:
    """Write when each foot stands, and where it does in the middle of that time."""
    told = []
    for foot, part in enumerate(FEET):
        for first, last in spans(contacts.stands[:, foot]):
            one = {"part": part, "first_frame": first, "last_frame": last}
            x_m, y_m = contacts.places_m[(first + last) // 2, foot].tolist()
            told.append(one if np.isnan(x_m + y_m) else {**one, "position_m": [x_m, 0.0, -y_m]})
    path.write_text(json.dumps({"frames": len(contacts.stands), "fps": fps, "contacts": told}), encoding="utf-8")


@dataclass(frozen=True, eq=False)
class Block:
    """A mesh of the scene that stands for a box."""

    name: str
    world: np.ndarray
    """(4, 4) of the object, in the scene's units."""
    corners: np.ndarray
    """(2, 3) least and greatest corner, in the object's frame."""


_AS_TILTED = 0.9998
"""Cosine of the angle, 1°, up to which blocks count as tilted alike."""


def write_ground(path: Path, blocks: Sequence[Block], floor_m: float, unit_m: float) -> None:
    """Write blocks as the program's file of a ground. Raises ExchangeError where some are tilted and others are not.

    Where all are, the floor slopes as they do, and lies at the lowest top.
    """
    normal = _axes(blocks[0])[:, -1]
    level = normal[2] > _AS_TILTED
    normal = np.array([0.0, 0.0, 1.0]) if level else normal
    boxes, tops_m = [], []
    for block in blocks:
        along, up, axes = _axes(block), _order(block)[-1], block.world[:3, :3]
        if along[:, -1] @ normal < _AS_TILTED:
            raise ExchangeError(f"{block.name} is not tilted as {blocks[0].name} is; all of a ground must be")
        lengths = np.linalg.norm(axes, axis=0) * np.ptp(block.corners, axis=0)
        size_m = np.maximum(unit_m * lengths, _THIN_M)[[_order(block)[0], up, _order(block)[1]]]
        centre_m = unit_m * (axes @ block.corners.mean(axis=0) + block.world[:3, 3])
        first = _upright(normal) @ along[:, 0]
        turn_deg = float(np.degrees(np.arctan2(first[1], first[0])))
        boxes.append({"centre_m": (Y_UP @ centre_m).tolist(), "size_m": size_m.tolist(), "turn_deg": turn_deg})
        tops_m.append(float(normal @ centre_m + size_m[1] / 2))
    ground: dict[str, object] = {"boxes": boxes, "floor_m": floor_m}
    if not level:
        slope_deg, uphill_deg = np.degrees([np.arccos(normal[2]), np.arctan2(-normal[0], normal[1])]).tolist()
        ground |= {"slope_deg": slope_deg, "uphill_deg": uphill_deg, "floor_m": min(tops_m) / normal[2]}
    path.write_text(json.dumps(ground), encoding="utf-8")


def _order(block: Block) -> list[int]:
    """The axes of a block: the two that lie, in the order of a right-handed frame, and the one that stands."""
    axes = block.world[:3, :3] / np.maximum(np.linalg.norm(block.world[:3, :3], axis=0), 1e-12)
    up = int(np.abs(axes[2]).argmax())
    return [(up + 1) % 3, (up + 2) % 3, up]


def _axes(block: Block) -> np.ndarray:
    """(3, 3) their directions in columns, the one that stands upwards."""
    axes = (block.world[:3, :3] / np.maximum(np.linalg.norm(block.world[:3, :3], axis=0), 1e-12))[:, _order(block)]
    axes[:, -1] *= np.sign(axes[2, -1])
    return axes


def _upright(normal: np.ndarray) -> np.ndarray:
    """The smallest rotation (3, 3) that turns a unit vector upwards."""
    x, y, z = normal
    cross = np.array([[0, 0, -x], [0, 0, -y], [x, y, 0]])  # of the axis normal × z, as a matrix
    return np.eye(3) + cross + cross @ cross / (1 + z)


def changed_world(clip: Clip, before: Clip, after: Clip, parts: Collection[str]) -> tuple[np.ndarray, np.ndarray]:
    """What a correction does to each joint in the world of the file.

    clip: as sampled; before, after: as read from the files that went to the program and came back; parts: joints that
    are parts of a body, in the files' names. Returns turns (T, J, 3, 3) that are applied to orientations from the left,
    and new positions (T, J, 3). Only differences between the two files count, so what the program left alone stays
    exactly as it was. Joints that carry no part, such as fingers, move with their parents alone. Raises ExchangeError
    where the files do not fit.
    """
    if (after.names, len(after.rotations)) != (before.names, len(before.rotations)):
        raise ExchangeError(
            f"the program returned {len(after.names)} joints and {len(after.rotations)} frames, "
            f"expected {len(before.names)} and {len(before.rotations)}"
        )
    turns = after.rotations @ before.rotations.swapaxes(-1, -2)
    positions_m = clip.positions_m + after.positions_m - before.positions_m
    body = set()
    for joint in reversed(range(len(before.names))):
        if before.names[joint] in parts or joint in body:
            body |= {joint, before.parents[joint]}
    for joint, parent in enumerate(before.parents):
        if joint not in body and parent >= 0:
            arm_m = clip.positions_m[:, joint] - clip.positions_m[:, parent]
            turns[:, joint] = turns[:, parent]
            positions_m[:, joint] = positions_m[:, parent] + (turns[:, parent] @ arm_m[..., None])[..., 0]
    return turns, positions_m
