"""Read ASF/AMC, Acclaim's text files of skeletons and motions, as CMU publishes them.

At rest, a bone has a direction and a length in the world. Its angles give a rotation R about its axes C, so its world
rotation is W = W_parent C R C⁻¹. Each bone becomes a joint at its start, whose frame is parallel to the world at rest.
A bone without children gets an end site. ASF/AMC is not written: corrections are written as BVH.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.geometry.rotations import compose, from_euler_angles, identity_rotations, invert
from selfcorrect.motion.kinematics import make_continuous
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import MAX_JOINTS, Skeleton
from selfcorrect.motion.views import Y_UP
from selfcorrect.storage.files.limits import list_files, path_below

from ...files.motion_file import MotionFile, check_size, rate_of
from ...files.rigs.bvh import clip_of
from ...files.rigs.bvh_body import open_rigged
from ...files.rigs.bvh_text import ROWS_AT_END, is_end_sound, read_bvh_text
from ...files.rigs.rig import BODY_M, LARGEST, find_tree
from ...files.skeletons.anatomy import recognize_parts
from ...files.skeletons.file_note import FileNote
from ...files.skeletons.reading import Reading
from ...files.skeletons.units import INCH_M, infer_unit, measure_stature

_CMU_FPS = 120.0
_ROOT = "root"
_TURNS = {"rx": "X", "ry": "Y", "rz": "Z"}
_MOVES = ("tx", "ty", "tz")
_LENGTH = "l"


@dataclass(frozen=True, eq=False)
class _Bone:
    """A bone of the skeleton, or the root, which has no length."""

    name: str
    reach: np.ndarray
    """(3,) vector from start to end at rest, in the file's unit."""
    axes: np.ndarray
    """(4,) rotation from world to bone axes at rest."""
    numbers: tuple[str, ...]
    """Kinds of the bone's numbers in each frame, in order: some of rx, ry, rz, tx, ty, tz and l."""


@dataclass(frozen=True, eq=False)
class _Acclaim:
    """The skeleton in an ASF file, parents first; the root is bone 0."""

    bones: tuple[_Bone, ...]
    parents: tuple[int, ...]
    unit_m: float
    """Stated length of the file's unit, in m."""
    in_degrees: bool


@dataclass(frozen=True)
class _Line:
    """A line of a section, split into words."""

    where: str
    words: tuple[str, ...]

    def read_numbers(self, count: int) -> np.ndarray:
        """Return the first `count` numbers after the keyword."""
        words = self.words[1 : count + 1]
        values = _parse_numbers(words)
        if len(words) != count or not (np.abs(values) <= LARGEST).all():
            raise InputError(f"{self.where}: expected {count} finite numbers after {self.words[0]}, got {words}")
        return values


def open_acclaim(path: Path, reading: Reading) -> MotionFile:
    """Open an AMC motion, y up, on the skeleton of the ASF file beside it."""
    text, _ = read_bvh_text(path)
    skeleton_path = _find_skeleton(path, text)
    skeleton = _parse_skeleton(skeleton_path)
    values, header, notes = _parse_frames(path, text, skeleton)
    rate_words = header.get(":samples-per-second", ())
    rates = {"fps": float(_parse_numbers(rate_words)[0])} if rate_words else {}
    fps, rate_notes = rate_of(path, rates, reading, _CMU_FPS, "CMU's recordings")
    ends = [bone for bone in range(1, len(skeleton.bones)) if bone not in skeleton.parents]
    frames = len(values[0])
    check_size(path, [(frames, len(skeleton.bones) + len(ends))], skeleton_path.stat().st_size)
    in_degrees = ":radians" not in header and (":degrees" in header or skeleton.in_degrees)
    motion = _make_motion(path, skeleton, ends, values, 1.0 if in_degrees else float(np.degrees(1.0)), fps)
    unit_m, unit_notes = _resolve_unit(motion, skeleton.unit_m, reading)
    scaled = replace(motion.skeleton, offsets_m=motion.skeleton.offsets_m * unit_m)
    clip = clip_of(replace(motion, skeleton=scaled, root_m=motion.root_m * unit_m))
    joints = len(skeleton.bones)
    channels = (*clip.channels[:joints], *[()] * len(ends))
    sites = frozenset(range(joints, joints + len(ends)))
    all_notes = (f"skeleton of {skeleton_path.name}", *rate_notes, *unit_notes, *notes)
    return open_rigged(path, replace(clip, channels=channels, end_sites=sites, notes=all_notes), reading, Y_UP)


def _find_skeleton(path: Path, text: str) -> Path:
    """Find the ASF file that belongs to an AMC file.

    It is the one with whose name the AMC file's name begins, or the one named in the AMC file, or the only one in the
    folder.
    """
    candidates = list_files(path.parent, ".asf")
    stem = path.stem.lower()
    alike = [file for file in candidates if stem.startswith(file.stem.lower())]
    header = re.search(r"^#!OML:ASF\s+(.*\S)", text, re.MULTILINE | re.IGNORECASE)
    stated = re.split(r"[/\\]", header[1])[-1].lower() if header else ""
    named = [file for file in candidates if file.name.lower() == stated]
    if alike or named:
        chosen = max(alike, key=lambda file: len(file.stem)) if alike else named[0]
        return path_below(path.parent, chosen.name)
    if len(candidates) != 1:
        there = f"several others ({', '.join(file.name for file in candidates[:3])})" if candidates else "no .asf file"
        wanted = stated or f"{re.split('_', path.stem)[0]}.asf"
        raise InputError(f"{path}: expected its skeleton {wanted} in the same folder, got {there}")
    return path_below(path.parent, candidates[0].name)


def _parse_skeleton(path: Path) -> _Acclaim:
    """Parse the skeleton in an ASF file."""
    text, _ = read_bvh_text(path)
    sections: dict[str, list[_Line]] = defaultdict(list)
    section = ""
    bone_count = 0
    for number, line in enumerate(text.splitlines(), 1):
        words = tuple(line.partition("#")[0].split())
        if words and words[0].startswith(":"):
            section = words[0].lower()
            words = words[1:]
        bone_count += section == ":bonedata" and words[:1] == ("begin",)
        if bone_count >= MAX_JOINTS:
            raise InputError(f"{path}, line {number}: expected a skeleton of at most {MAX_JOINTS} joints, got more")
        if words:
            sections[section].append(_Line(f"{path}, line {number}", words))
    units = _collect_fields(sections[":units"])
    in_degrees = "angle" not in units or not units["angle"].words[-1].lower().startswith("rad")
    length = float(units["length"].read_numbers(1)[0]) if "length" in units else 1.0
    if not length > 0:
        raise InputError(f"{units['length'].where}: expected a length above 0, got {length:g}")
    bones = [_parse_root(_collect_fields(sections[":root"]), path)]
    fields: list[_Line] = []
    for line in sections[":bonedata"]:
        keyword = line.words[0].lower()
        if keyword == "end":
            bones.append(_parse_bone(_collect_fields(fields), line.where, in_degrees))
        fields = [] if keyword in ("begin", "end") else [*fields, line]
    parents = _parse_hierarchy(sections[":hierarchy"], bones, path)
    try:
        order = find_tree(range(len(bones)), parents)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if len(order) != len(bones):
        raise InputError(f"{path}: expected all {len(bones) - 1} bones below the root in :hierarchy")
    indices = {bone: index for index, bone in enumerate(order)}
    ordered_parents = tuple(indices[parents[bone]] if parents[bone] >= 0 else -1 for bone in order)
    return _Acclaim(tuple(bones[bone] for bone in order), ordered_parents, INCH_M / length, in_degrees)


def _collect_fields(lines: Iterable[_Line]) -> dict[str, _Line]:
    return {line.words[0].lower(): line for line in lines}


def _parse_root(fields: Mapping[str, _Line], path: Path) -> _Bone:
    for name in ("position", "orientation"):
        if name in fields and fields[name].read_numbers(3).any():
            raise InputError(f"{fields[name].where}: expected 0 0 0 as the root's {name}, got other numbers")
    if "order" not in fields:
        raise InputError(f"{path}: expected the order of numbers in :root, such as `order TX TY TZ RX RY RZ`, got none")
    return _Bone(_ROOT, np.zeros(3), identity_rotations(1)[0], _parse_kinds(fields["order"]))


def _parse_bone(fields: Mapping[str, _Line], where: str, in_degrees: bool) -> _Bone:
    missing = [name for name in ("name", "direction", "length") if name not in fields or len(fields[name].words) < 2]
    if missing:
        raise InputError(f"{where}: the bone that ends here has no {missing[0]}")
    direction = fields["direction"].read_numbers(3)
    size = float(np.linalg.norm(direction))
    reach = direction / size * fields["length"].read_numbers(1)[0] if size else np.zeros(3)
    axes = identity_rotations(1)[0]
    if "axis" in fields:
        order = fields["axis"].words[4].upper() if len(fields["axis"].words) > 4 else "XYZ"
        if sorted(order) != ["X", "Y", "Z"]:
            raise InputError(f"{fields['axis'].where}: expected an axis order such as XYZ, got {order!r}")
        angles = fields["axis"].read_numbers(3)[["XYZ".index(letter) for letter in order]]
        axes = _to_rotations(order, angles if in_degrees else np.degrees(angles))
    numbers = _parse_kinds(fields["dof"]) if "dof" in fields else ()
    return _Bone(fields["name"].words[1], reach, axes, numbers)


def _parse_kinds(line: _Line) -> tuple[str, ...]:
    """Return the kinds of numbers that a line lists."""
    kinds = tuple(word.lower() for word in line.words[1:])
    if len(set(kinds)) != len(kinds) or not {*kinds} <= {*_TURNS, *_MOVES, _LENGTH}:
        raise InputError(f"{line.where}: expected some of {[*_TURNS, *_MOVES, _LENGTH]}, each once, got {kinds}")
    return kinds


def _parse_hierarchy(lines: Iterable[_Line], bones: Sequence[_Bone], path: Path) -> list[int]:
    """Return each bone's parent, −1 for the root."""
    indices = {bone.name: index for index, bone in enumerate(bones)}
    if len(indices) != len(bones):
        raise InputError(f"{path}: expected unique bone names, got the same name twice")
    parents = [-1] * len(bones)
    for line in lines:
        if line.words[0].lower() in ("begin", "end"):
            continue
        unknown = [name for name in line.words if name not in indices]
        if unknown:
            raise InputError(f"{line.where}: expected bones of :bonedata, got {unknown[0]!r}")
        for name in line.words[1:]:
            if parents[indices[name]] >= 0 or name == _ROOT:
                raise InputError(f"{line.where}: expected a bone without a parent, got {name!r}")
            parents[indices[name]] = indices[line.words[0]]
    return parents


def _parse_frames(
    path: Path, text: str, skeleton: _Acclaim
) -> tuple[list[np.ndarray], dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Parse the frames of an AMC file.

    Returns the numbers (T, K) of each bone, the words of the header's lines, and notes on damage.
    """
    lines = [line.partition("#")[0] for line in text.splitlines()]
    header: dict[str, tuple[str, ...]] = {}
    words: list[str] = []
    for line in lines:
        if line.lstrip().startswith(":"):
            keyword, *values = line.split()
            header[keyword.lower()] = tuple(values)
        else:
            words += line.split()
    layout, width = _find_layout(path, words, skeleton)
    frames = len(words) // width
    rest = len(words) % width
    notes = []
    numbers = {bone: range(start, start + len(skeleton.bones[bone].numbers)) for start, bone in layout}
    columns = [column for bone in numbers.values() for column in bone]
    if not rest and frames > 1 and not text.endswith(("\n", "\r")):
        ends = [words[frame * width :][:width] for frame in range(max(frames - ROWS_AT_END, 0), frames)]
        if not is_end_sound([" ".join(row[column] for column in columns) for row in ends], len(columns)):
            frames -= 1
            rest = width
    if rest:
        notes.append(FileNote("damaged file: the last frame is cut off and was dropped", topic="damage"))
    del words[frames * width :]
    for start, bone in layout:
        names = words[start - 1 :: width]
        if names.count(skeleton.bones[bone].name) != frames:
            frame = next(frame for frame, name in enumerate(names) if name != skeleton.bones[bone].name)
            raise InputError(
                f"{path}: expected {skeleton.bones[bone].name} at the same position in frame {frame + 1} as in the "
                f"first frame, got {names[frame][:30]!r}"
            )
    values = []
    for bone in range(len(skeleton.bones)):
        tracks = [_parse_numbers(words[column::width]) for column in numbers.get(bone, ())]
        values.append(np.stack(tracks, axis=1) if tracks else np.zeros((frames, 0)))
        are_sound = (np.abs(values[-1]) <= LARGEST).all(axis=1)
        if not are_sound.all():
            frame = int(are_sound.argmin()) + 1
            raise InputError(f"{path}: expected finite numbers for {skeleton.bones[bone].name} in frame {frame}")
    return values, header, tuple(notes)


def _find_layout(path: Path, words: Sequence[str], skeleton: _Acclaim) -> tuple[list[tuple[int, int]], int]:
    """Find the layout of a frame.

    Returns the first column and the index of each bone, and the number of words in a frame.
    """
    indices = {bone.name: index for index, bone in enumerate(skeleton.bones)}
    layout: list[tuple[int, int]] = []
    at = 1
    while at < len(words) and words[at] in indices:
        bone = indices.pop(words[at])
        layout.append((at + 1, bone))
        at += 1 + len(skeleton.bones[bone].numbers)
    if at < len(words) and not words[at].isdecimal():
        raise InputError(f"{path}: expected bones of its skeleton and their numbers in frame 1, got {words[at][:30]!r}")
    if _ROOT in indices or at > len(words) or not words[0].isdecimal():
        raise InputError(f"{path}: expected frames of a number and a line for the root and each bone, got none")
    return layout, at


def _parse_numbers(words: Sequence[str]) -> np.ndarray:
    """Parse words as numbers. All are NaN if any word is not a number."""
    try:
        return np.array(words, dtype=float)
    except ValueError:
        return np.full(len(words), np.nan)


def _to_rotations(order: str, angles_deg: np.ndarray) -> np.ndarray:
    """Compose rotations about fixed axes, in the order of the axes (extrinsic Euler angles)."""
    return from_euler_angles(order[::-1], angles_deg[..., ::-1])


def _make_motion(
    path: Path,
    skeleton: _Acclaim,
    ends: Sequence[int],
    values: Sequence[np.ndarray],
    degrees_per_unit: float,
    fps: float,
) -> Motion:
    """Build the motion in the file's unit, with end sites after the bones."""
    frames = len(values[0])
    rotations = identity_rotations(frames, len(skeleton.bones) + len(ends))
    root = np.zeros((frames, 3))
    for index, (bone, numbers) in enumerate(zip(skeleton.bones, values, strict=True)):
        columns = [column for column, kind in enumerate(bone.numbers) if kind in _TURNS]
        order = "".join(_TURNS[bone.numbers[column]] for column in columns)
        if order:
            turned = _to_rotations(order, numbers[:, columns] * degrees_per_unit)
            rotations[:, index] = compose(compose(bone.axes, turned), invert(bone.axes))
        for column, kind in enumerate(bone.numbers):
            if kind in _MOVES and index == 0:
                root[:, _MOVES.index(kind)] = numbers[:, column]
            elif kind not in _TURNS and numbers[:, column].any():
                raise InputError(
                    f"{path}: {bone.name} moves relative to its parent or changes its length; expected rigid bones"
                )
    names = (*(bone.name for bone in skeleton.bones), *(f"{skeleton.bones[end].name}_end" for end in ends))
    parents = (*skeleton.parents, *ends)
    offsets = np.zeros((len(parents), 3))
    for joint, parent in enumerate(parents[1:], 1):
        offsets[joint] = skeleton.bones[parent].reach
    rigid = frozenset(names[len(skeleton.bones) :])
    rig = Skeleton(names, parents, offsets, ("",) * len(names), rigid=rigid)
    return recognize_parts(Motion(rig, root, make_continuous(rotations), fps, source=str(path)))


def _resolve_unit(motion: Motion, stated_m: float, reading: Reading) -> tuple[float, tuple[str, ...]]:
    """Resolve the unit in m.

    The option comes first, then the file's unit if it gives the body human size, and then the likeliest unit.
    """
    if reading.metres_per_unit:
        return reading.metres_per_unit, ()
    if BODY_M[0] < measure_stature(motion) * stated_m < BODY_M[1]:
        return stated_m, ()
    unit_m, note = infer_unit(motion)
    return unit_m, (note,)
