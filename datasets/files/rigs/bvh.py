"""BVH, the Biovision hierarchy: skeleton and motion in one text file.

A motion read from a file keeps the file's joints, names, order and frames of reference: at zero rotation joint frames
are parallel to the world, whatever pose that is. The promise of `Skeleton` that this pose is upright and faces +z is
then the file's to keep; most files do, CMU's own skeletons only nearly (see `cmu`). End sites are joints without
channels, named `<parent>_end`, so that hands, feet and heads end where they should.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.core.errors import InputError
from selfcorrect.motion.geometry.kinematics import make_continuous
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import MOST_JOINTS, MOST_LEVELS, Skeleton
from selfcorrect.storage.files.limits import check_unpacked, read_text
from selfcorrect.storage.files.writing import replacing

from ..skeletons.anatomy import recognize_parts, top_of_body
from ..skeletons.units import body_size, unit_of
from .rig import LARGEST, RiggedMotion, unique

_CHANNELS = {f"{axis}{kind}".lower(): f"{axis}{kind}" for axis in "XYZ" for kind in ("position", "rotation")}
_NO_BONE = 0.1
"""Share of its offset below which a joint's position is no place, but what is added to that."""
_FPS_ROUNDING = 1e-4
_FRAME_TIME_S = (1e-5, 100.0)


@dataclass
class _Joint:
    """A joint of the hierarchy while it is being read."""

    name: str
    parent: int
    line: int
    is_end: bool
    offset: list[float] | None = None
    channels: tuple[str, ...] | None = None


class _Lines:
    """The lines of a file in words, braces standing alone, and how to complain about them."""

    def __init__(self, text: str, source: str) -> None:
        self.lines = text.splitlines()
        self.source, self.line, self.words = source, 0, list[str]()
        self._rows = self._split()

    def _split(self) -> Iterator[tuple[int, list[str]]]:
        for number, line in enumerate(self.lines, start=1):
            if not line or line.isspace():  # a file may have millions
                continue
            for piece in re.split(r"([{}])", line):
                if words := piece.split():
                    yield number, words

    def next(self, expected: str) -> list[str]:
        self.line, self.words = next(self._rows, (len(self.lines), []))
        if not self.words:
            raise InputError(f"{self.source}, line {self.line}: the file ends where {expected} was expected")
        return self.words

    def wrong(self, expected: str) -> InputError:
        got = " ".join(self.words)[:60]
        return InputError(f"{self.source}, line {self.line}: expected {expected}, got {got!r}")

    def expect(self, word: str) -> None:
        if [part.upper() for part in self.next(f'"{word}"')] != [word]:
            raise self.wrong(f'"{word}"')

    def numbers(self, count: int, what: str) -> list[float]:
        """The words after the first as `count` numbers that are finite and not too large."""
        values = [_number(word) for word in self.words[1 : count + 2]]
        if len(values) != count or not np.all(np.abs(values) <= LARGEST):
            raise self.wrong(f"{count} finite numbers after {what}, none beyond ±{LARGEST:g}")
        return values


def read_bvh(path: Path, metres_per_unit: float | None = None) -> RiggedMotion:
    """Read a BVH file; see `parse_bvh`. Raises InputError that names file and line, and what was expected there."""
    return parse_bvh(read_text(path), str(path), metres_per_unit)


def parse_bvh(text: str, source: str, metres_per_unit: float | None = None) -> RiggedMotion:
    """The clip in a BVH file's text, y up; `source` is its name in messages.

    metres_per_unit: length of the file's unit, which the format does not say; without it, the likeliest of the usual
    units (see `units`).
    """
    lines = _Lines(text, source)
    joints = _parse_hierarchy(lines)
    frames, frame_time_s = _parse_motion_head(lines)
    channels = tuple(joint.channels or () for joint in joints)
    stored, turns = sum(map(len, lines.lines)), frames * len(joints) * 4 * 8
    check_unpacked(source, turns, stored=stored)
    values = _parse_values(lines, frames, sum(map(len, channels)))
    names = _names(joints, lines)
    parents = tuple(joint.parent for joint in joints)
    offsets = np.array([joint.offset for joint in joints], dtype=float)
    positions, rotations = _channel_values(values, channels, offsets)
    relative = _relative(positions, offsets)
    positions |= {joint: positions[joint] + offsets[joint] for joint in relative}
    ends = frozenset(name for name, joint in zip(names, joints, strict=True) if joint.is_end)
    skeleton = Skeleton(names, parents, _usual_offsets(offsets, positions), ("",) * len(names), rigid=ends)
    root = positions.get(0, np.tile(offsets[0], (frames, 1)))
    read = recognize_parts(Motion(skeleton, root, rotations, _frame_rate(frame_time_s), source=source))
    size = body_size(parents, read.skeleton.offsets_m, top_of_body(read.skeleton))
    unit_m, note = (metres_per_unit, "") if metres_per_unit else unit_of(size, names)
    stretches_m = {joint: track * unit_m for joint, track in positions.items() if joint > 0}
    skeleton = replace(read.skeleton, offsets_m=read.skeleton.offsets_m * unit_m)
    motion = replace(read, skeleton=skeleton, root_m=root * unit_m)
    ends = frozenset(index for index, joint in enumerate(joints) if joint.is_end)
    return RiggedMotion(motion, channels, offsets, ends, unit_m, stretches_m, relative, unit_note=note)


def _values_and_channels(text: str, source: str) -> tuple[np.ndarray, list[str]]:
    """All channels (T, C) of a file, and what each is."""
    lines = _Lines(text, source)
    names = [name for joint in _parse_hierarchy(lines) for name in joint.channels or ()]
    frames, _ = _parse_motion_head(lines)
    return _parse_values(lines, frames, len(names)), names


def _relative(positions: Mapping[int, np.ndarray], offsets: np.ndarray) -> frozenset[int]:
    """Joints whose positions (T, 3) are added to their offsets (J, 3): read as they are, their bones had no length."""
    usual = {joint: np.linalg.norm(np.median(track, axis=0)) for joint, track in positions.items() if joint}
    return frozenset(joint for joint, away in usual.items() if away < _NO_BONE * np.linalg.norm(offsets[joint]))


def _usual_offsets(offsets: np.ndarray, positions: Mapping[int, np.ndarray]) -> np.ndarray:
    """Offsets (J, 3) in the file's unit, zero for the root; the median one of a joint that moves in its parent."""
    usual = offsets.copy()
    for joint, track in positions.items():
        usual[joint] = np.median(track, axis=0)
    usual[0] = 0
    return usual


def _parse_hierarchy(lines: _Lines) -> list[_Joint]:
    """Joints in the file's order, parents first."""
    lines.expect("HIERARCHY")
    joints: list[_Joint] = []
    open_joints: list[int] = []
    while open_joints or not joints:
        expected = "JOINT, End Site, OFFSET, CHANNELS or }" if open_joints else "ROOT"
        keyword = lines.next(expected)[0].upper()
        if keyword in (("JOINT", "END") if open_joints else ("ROOT",)):
            if len(joints) >= MOST_JOINTS or len(open_joints) >= MOST_LEVELS:
                raise lines.wrong(f"a skeleton of at most {MOST_JOINTS} joints, {MOST_LEVELS} below one another")
            joints.append(_open_joint(lines, keyword, open_joints, joints))
            open_joints.append(len(joints) - 1)
            lines.expect("{")
        elif keyword == "OFFSET" and open_joints:
            joints[open_joints[-1]].offset = lines.numbers(3, "OFFSET")
        elif keyword == "CHANNELS" and open_joints and not joints[open_joints[-1]].is_end:
            joints[open_joints[-1]].channels = _parse_channels(lines)
        elif keyword == "}" and open_joints:
            _check_closed(joints[open_joints.pop()], lines)
        else:
            raise lines.wrong(expected)
    return joints


def _open_joint(lines: _Lines, keyword: str, open_joints: Sequence[int], joints: Sequence[_Joint]) -> _Joint:
    parent = open_joints[-1] if open_joints else -1
    if keyword == "END":
        return _Joint(f"{joints[parent].name}_end", parent, lines.line, is_end=True)
    if len(lines.words) < 2:
        raise lines.wrong(f"a name after {keyword}")
    return _Joint(" ".join(lines.words[1:]), parent, lines.line, is_end=False)


def _parse_channels(lines: _Lines) -> tuple[str, ...]:
    names = tuple(_CHANNELS.get(word.lower(), "") for word in lines.words[2:])
    if lines.words[1:2] != [str(len(names))] or "" in names or len(set(names)) != len(names):
        raise lines.wrong("CHANNELS, their number, and as many different ones of Xposition to Zrotation")
    return names


def _check_closed(joint: _Joint, lines: _Lines) -> None:
    if joint.offset is None or (joint.channels is None and not joint.is_end):
        missing = "OFFSET" if joint.offset is None else "CHANNELS"
        raise InputError(f"{lines.source}, line {joint.line}: expected {missing} in joint {joint.name!r}, got none")


def _names(joints: Sequence[_Joint], lines: _Lines) -> tuple[str, ...]:
    """Names of all joints; further end sites of one parent are numbered, other names must be unique."""
    seen: dict[str, int] = {}
    copies: dict[str, int] = {}
    for joint in joints:
        name = joint.name
        while joint.is_end and name in seen:
            copies[joint.name] = copies.get(joint.name, 1) + 1
            name = f"{joint.name}{copies[joint.name]}"
        if name in seen:
            raise InputError(
                f"{lines.source}, line {joint.line}: expected a new joint name, got {name!r}, "
                f"which line {seen[name]} has already"
            )
        seen[name] = joint.line
    return tuple(seen)


def _parse_motion_head(lines: _Lines) -> tuple[int, float]:
    """Number of frames and frame time in seconds."""
    if lines.next("MOTION")[0].upper() == "ROOT":
        raise lines.wrong("MOTION after the first skeleton (a file with several roots holds several people)")
    if [word.upper() for word in lines.words] != ["MOTION"]:
        raise lines.wrong("MOTION")
    frames = re.fullmatch(r"frames\s*:\s*(\d{1,12})", " ".join(lines.next('"Frames: <number>"')), re.IGNORECASE)
    if frames is None or int(frames[1]) < 1:
        raise lines.wrong('"Frames: <number>", at least 1')
    time = re.fullmatch(r"frame time\s*:\s*(\S+)", " ".join(lines.next('"Frame Time: <seconds>"')), re.IGNORECASE)
    seconds = _number(time[1]) if time else np.nan
    if not _FRAME_TIME_S[0] <= seconds <= _FRAME_TIME_S[1]:
        raise lines.wrong(
            f'"Frame Time: <seconds>", a positive number from {_FRAME_TIME_S[0]:g} to {_FRAME_TIME_S[1]:g}'
        )
    return int(frames[1]), seconds


def _number(word: str) -> float:
    """The number that a word is, NaN if it is none."""
    try:
        return float(word)
    except ValueError:
        return np.nan


def _frame_rate(frame_time_s: float) -> float:
    """Frames per second, whole where the file's rounding of the frame time allows."""
    fps = 1 / frame_time_s
    return float(round(fps)) if abs(fps - round(fps)) < _FPS_ROUNDING * fps else fps


def _parse_values(lines: _Lines, frames: int, channels: int) -> np.ndarray:
    """The motion's numbers (frames, channels)."""
    rows = [(number, line) for number, line in enumerate(lines.lines[lines.line :], lines.line + 1) if line.strip()]
    if len(rows) != frames:
        raise InputError(
            f"{lines.source}, line {lines.line}: expected {frames} frames after the frame time, got {len(rows)}"
        )
    try:
        values = np.loadtxt([line for _, line in rows], comments=None, ndmin=2) if channels else np.zeros((frames, 0))
    except ValueError:
        values = np.empty((0, 0))
    if values.shape != (frames, channels) or not np.all(np.abs(values) <= LARGEST):
        raise _bad_row(lines, rows, channels)
    return values


def _bad_row(lines: _Lines, rows: Sequence[tuple[int, str]], channels: int) -> InputError:
    """The complaint about the first frame that is not `channels` finite numbers."""
    for frame, (number, line) in enumerate(rows):
        words = line.split()
        bad = next((word for word in words if not abs(_number(word)) <= LARGEST), None)
        if bad is not None or len(words) != channels:
            got = repr(bad[:30]) if bad is not None else f"{len(words)} numbers"
            return InputError(
                f"{lines.source}, line {number}: expected {channels} finite numbers in frame {frame}, got {got}"
            )
    return InputError(f"{lines.source}: expected {len(rows)} frames of {channels} numbers")


def _channel_values(
    values: np.ndarray, channels: Sequence[tuple[str, ...]], offsets: np.ndarray
) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """Positions (T, 3) of joints with position channels, in file units, and rotations (T, J, 4) of all joints."""
    rotations = np.zeros((len(values), len(channels), 4))
    rotations[..., 3] = 1
    positions: dict[int, np.ndarray] = {}
    for joint, kind, columns, axes in _columns(channels):
        if kind == "position":
            track = positions.setdefault(joint, np.tile(offsets[joint], (len(values), 1)))
            track[:, ["XYZ".index(axis) for axis in axes]] = values[:, columns]
        else:
            rotations[:, joint] = Rotation.from_euler(axes, values[:, columns], degrees=True).as_quat()
    return positions, make_continuous(rotations)


def _columns(channels: Sequence[tuple[str, ...]]) -> Iterator[tuple[int, str, list[int], str]]:
    """For each joint and kind of channel it has: joint, kind, the columns of its values, and their axes in order."""
    start = 0
    for joint, names in enumerate(channels):
        for kind in ("position", "rotation"):
            places = [place for place, name in enumerate(names) if name.endswith(kind)]
            if places:
                yield joint, kind, [start + place for place in places], "".join(names[place][0] for place in places)
        start += len(names)


# --- writing ---------------------------------------------------------------------------------------------------------


def clip_of(motion: Motion, metres_per_unit: float = 0.01, rotation_order: str = "ZYX") -> RiggedMotion:
    """A motion from elsewhere as a clip to be written: centimetres, and position channels at the root only."""
    rotations = tuple(f"{axis}rotation" for axis in rotation_order)
    channels = (("Xposition", "Yposition", "Zposition", *rotations), *[rotations] * (len(motion.skeleton) - 1))
    return RiggedMotion(motion, channels, motion.skeleton.offsets_m / metres_per_unit, frozenset(), metres_per_unit)


def write_motion(path: Path, motion: Motion) -> None:
    """Write a motion from elsewhere as BVH: centimetres, ZYX."""
    write_bvh(path, clip_of(motion))


def write_bvh(path: Path, clip: RiggedMotion) -> None:
    """Write a clip as BVH: a clip as it was read, or with another motion of its skeleton (`dataclasses.replace`)."""
    lines = _format_lines(clip)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)


def layer_between(before: str, after: str, source: str) -> str:
    """The text of a BVH file whose channels are what has to be added to those of one file to get those of another.

    before, after: texts of files with the same channels, as a file and its correction have; angles are the shortest.
    InputError, which calls them `source`, where channels or frames differ.
    """
    (own, wanted), (given, _) = _values_and_channels(after, source), _values_and_channels(before, source)
    if own.shape != given.shape:
        raise InputError(
            f"{source}: a layer needs as many frames and channels before as after, got {given.shape} and {own.shape}"
        )
    added = own - given
    angles = [index for index, name in enumerate(wanted) if name.endswith("rotation")]
    added[:, angles] = (added[:, angles] + 180.0) % 360.0 - 180.0
    head = after[: after.upper().index("FRAME TIME")] + after[after.upper().index("FRAME TIME") :].splitlines()[0]
    return head + "\n" + "".join(" ".join(f"{value:.6f}" for value in row) + "\n" for row in added)


def format_bvh(clip: RiggedMotion) -> str:
    """The text of a BVH file; numbers have six decimals."""
    return "".join(f"{line}\n" for line in _format_lines(clip))


def _format_lines(clip: RiggedMotion) -> Iterator[str]:
    """The lines of the file, the frames' one by one, because a long motion's text is longer than its numbers."""
    values, order = _values_of(clip), _file_order(clip.motion.skeleton)
    columns = [column for joint in order for column in _own_columns(clip.channels, joint)]
    names = written_names(clip.motion.skeleton.names)
    head = ["HIERARCHY", *_format_joint(clip, names, 0, 0), "MOTION", f"Frames: {len(values)}"]
    # Adding zero turns −0 into 0.
    frames = (" ".join(map("{:.6f}".format, (row[columns].round(6) + 0.0).tolist())) for row in values)
    return chain(head, [f"Frame Time: {1 / clip.motion.fps:.7f}"], frames)


def _file_order(skeleton: Skeleton, joint: int = 0) -> list[int]:
    """Joints from the root down, each followed by all below it: the order in which a file lists them."""
    return [joint, *(below for child in skeleton.children[joint] for below in _file_order(skeleton, child))]


def _own_columns(channels: Sequence[tuple[str, ...]], joint: int) -> range:
    start = sum(map(len, channels[:joint]))
    return range(start, start + len(channels[joint]))


def _values_of(clip: RiggedMotion) -> np.ndarray:
    """Channel values (T, C), joints in the skeleton's order."""
    motion = clip.motion
    _check_finite(motion)
    values = np.zeros((len(motion), sum(map(len, clip.channels))))
    if not any(name.endswith("position") for name in clip.channels[0]) and np.ptp(motion.root_m, axis=0).max() > 1e-6:
        raise InputError(f"{motion.source or 'the motion'}: its root moves, but the file has no channels for that")
    for joint, kind, columns, axes in _columns(clip.channels):
        if kind == "position":
            track_m = _track_m(clip, joint)[:, ["XYZ".index(axis) for axis in axes]]
            values[:, columns] = track_m / clip.metres_per_unit
            if joint in clip.relative:
                values[:, columns] -= clip.offsets[joint][["XYZ".index(axis) for axis in axes]]
        else:
            whole = axes + "".join(axis for axis in "XYZ" if axis not in axes)
            rotation = Rotation.from_quat(motion.rotations[:, joint])
            angles = rotation.as_euler(whole, degrees=True, suppress_warnings=True)[:, : len(axes)]
            values[:, columns] = np.unwrap(angles, period=360, axis=0)
    return values


def _check_finite(motion: Motion) -> None:
    """Refuse to write what no program could read."""
    finite = np.isfinite(motion.root_m).all(axis=1) & np.isfinite(motion.rotations).all(axis=(1, 2))
    if not finite.all():
        where = motion.source or "the motion"
        raise InputError(
            f"{where}: expected finite positions and rotations, got NaN or infinity in frame {finite.argmin()}"
        )


def _track_m(clip: RiggedMotion, joint: int) -> np.ndarray:
    """Position (T, 3) of a joint in its parent's frame; of the root in the world."""
    if joint == 0:
        return clip.motion.root_m
    still_m = np.tile(clip.motion.skeleton.offsets_m[joint], (len(clip.motion), 1))
    stretch_m = clip.stretches_m.get(joint, still_m)
    return stretch_m if len(stretch_m) == len(still_m) else still_m


def written_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names of joints as the format can hold them: in one line, without braces, none empty and none twice."""
    return unique([re.sub(r"[{}\x00-\x1f\x7f-\x9f]", "_", " ".join(name.split())) or "joint" for name in names])


def _format_joint(clip: RiggedMotion, names: Sequence[str], joint: int, depth: int) -> list[str]:
    """The lines of one joint and all below it."""
    skeleton, margin = clip.motion.skeleton, "\t" * depth
    offset = " ".join(f"{value:.6f}" for value in (clip.offsets[joint].round(6) + 0.0))
    if joint in clip.end_sites:
        return [f"{margin}End Site", f"{margin}{{", f"{margin}\tOFFSET {offset}", f"{margin}}}"]
    channels = clip.channels[joint]
    return [
        f"{margin}{'JOINT' if depth else 'ROOT'} {names[joint]}",
        f"{margin}{{",
        f"{margin}\tOFFSET {offset}",
        f"{margin}\t{' '.join(['CHANNELS', str(len(channels)), *channels])}",
        *(line for child in skeleton.children[joint] for line in _format_joint(clip, names, child, depth + 1)),
        f"{margin}}}",
    ]
