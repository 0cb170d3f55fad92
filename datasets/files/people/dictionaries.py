"""Open files of named arrays by the program that wrote them.

The suffixes are .npz, .npy (with Python objects), .pkl, .pt and .json. The names and shapes of the arrays show which
program wrote a file, and the program's reader opens the motions.
"""

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from itertools import accumulate, product
from pathlib import Path

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.motion import FURTHEST_READ_M
from selfcorrect.storage.files.arrays import read_npz, skip_to_objects
from selfcorrect.storage.files.limits import list_files, open_file, read_bytes
from selfcorrect.storage.pickles.json_results import JsonResults, parse_json_results
from selfcorrect.storage.pickles.results import Results, open_results

from ..formats import all_formats, find_layout
from ..motion_file import MotionFile, check_size, check_within
from ..skeletons.reading import Reading
from . import smpl_tools
from .damaged_frames import fill_damaged_frames
from .frames import find_places, note_spacing, stack_frames
from .joint_sets import open_joints

_MAX_LISTED = 12
"""Maximum number of arrays listed in a message."""
_JSON_START = 2**16
"""Number of bytes at the start of a .json file that are searched for poses."""
_MIN_FILES = 2
"""Smallest number of single-frame files that form a motion."""
_NUMBERED = re.compile(r"(?P<before>.*?)(?P<number>\d+)\.json", re.IGNORECASE)
"""Pattern of the names of single-frame files."""
_MAX_LAYOUTS = 3
"""Maximum number of layouts named in a message."""
_MAX_NAME_LENGTH = 60
"""Maximum number of characters of a name in a message."""


_POSITION_NAMES = ("global_joint_positions", "human_joints", "joint_positions", "joints")
"""Array names of joint positions (T, J, 3), as holosoma and OmniRetarget write them."""


def open_dictionary(path: Path, reading: Reading) -> MotionFile:
    """Open the motions in a file of named arrays.

    Raises:
        InputError: The file holds a robot's motion, or no known program writes such files. In the second case, the
            message lists the arrays of the file.
    """
    if path.suffix.lower() == ".npz":
        read_npz(path, (), skip_pickled=True)  # which says what else it may be
    results = _stack_frames_of_people(_open_results(path))
    if character := _find_character(results):
        raise InputError(
            f"{path}: holds the motion of a robot or simulated character ({character}); expected human motion. Correct "
            'the human motion before you retarget it: see the page "Before retargeting"'
        )
    reader = _find_reader(results)
    if reader is None:
        hint = ". If each file holds one frame, join the files into one list of frames" if _is_json(path) else ""
        raise InputError(f"{unknown(path, results.shapes)}{hint}")
    return reader(results, reading)


def _open_results(path: Path) -> Results:
    """Open a file of named arrays of any suffix.

    A numbered .json file with poses, such as EasyMocap's 000000.json, holds one frame, and all numbered files of its
    folder are joined into one motion.
    """
    if not _is_json(path):
        return open_results(path)
    frames = find_frame_files(path)
    if len(frames) < _MIN_FILES:
        return JsonResults(path, read_bytes(path))
    return _join_frames(path, frames)


def _join_frames(path: Path, frames: list[Path]) -> Results:
    """Join the files of single frames into one list.

    Raises:
        InputError: A frame is missing, holds no person, or cannot be read.
    """
    numbers = [_number_of(frame) for frame in frames]
    spacing = numbers[1] - numbers[0]
    for frame, following, step in zip(frames, frames[1:], np.diff(numbers), strict=False):
        if step == 0:
            raise InputError(f"{frame.name} and {following.name} are the same frame; remove one of them")
        if step != spacing:
            raise InputError(f"frames are missing between {frame.name} and {following.name}")
    folder = os.path.dirname(os.path.realpath(path))
    for frame in frames:
        if frame != path and os.path.dirname(os.path.realpath(frame)) != folder:
            raise InputError(f"{frame.name} is a link to a file outside of the folder; copy the file there")
    contents = [read_bytes(frame) for frame in frames]
    for frame, content in zip(frames, contents, strict=True):
        parse_json_results(frame, content)  # each by itself: texts that are no JSON can be JSON when they are joined
        if content.split() in ([b"[]"], [b"[", b"]"]):
            raise InputError(f"{frame.name} holds no person; remove all frames before it or all frames from it on")
    results = JsonResults(path, b"[" + b",".join(contents) + b"]")
    results.notes = tuple(filter(None, [note_spacing(numbers)]))
    return results


def find_frame_files(path: Path) -> list[Path]:
    """Find the single-frame files of a motion, sorted by frame number.

    They are the .json files of the folder whose names differ only in the number.
    """
    name = _NUMBERED.fullmatch(path.name)
    if name is None:
        return []
    files = _sort_by_number(list_files(path.parent, ".json")).get(name["before"], [])
    return files if _holds_one_frame(path) else []


def _sort_by_number(files: Iterable[Path]) -> dict[str, list[Path]]:
    """Group files by the name before the number, and sort each group by number."""
    numbered: dict[str, list[Path]] = {}
    for file in files:
        if name := _NUMBERED.fullmatch(file.name):
            numbered.setdefault(name["before"], []).append(file)
    return {before: sorted(group, key=_number_of) for before, group in numbered.items()}


def _number_of(frame: Path) -> int:
    name = _NUMBERED.fullmatch(frame.name)
    assert name is not None, "a single-frame file"
    return int(name["number"])


@lru_cache(maxsize=1)
def _find_first_files(folder: Path, changed_ns: int) -> frozenset[Path]:
    """Return the first file of each numbered sequence in a folder.

    `changed_ns`, the time of the folder's last change, serves only as part of the cache key.
    """
    del changed_ns
    return frozenset(files[0] for files in _sort_by_number(folder.glob("*.json")).values())


def _holds_one_frame(path: Path) -> bool:
    """Return whether a .json file holds one frame, as EasyMocap writes it.

    Every person then has a single row, and no person occurs twice. Rows without identities are people of one frame if
    they are nearer to those of the next file than to each other; otherwise, they are frames of one person.
    """
    results = JsonResults(path, read_bytes(path))
    people = [name.removesuffix("Rh") for name in results.shapes if name.rpartition(".")[2] == "Rh"]
    if not people or any(results.shapes[f"{person}Rh"] != (1, 3) for person in people):
        return False
    numbers = [results.numbers[f"{person}id"] for person in people if f"{person}id" in results.numbers]
    if numbers or len(people) == 1:
        return len(people) - len(numbers) <= 1 and len({*numbers}) == len(numbers)
    following = _find_neighbour(path)
    return following is not None and _are_people(results, JsonResults(following, read_bytes(following)))


def _find_neighbour(path: Path) -> Path | None:
    """Return the file with the next number, or the one before if there is none; None if a file stands alone."""
    name = _NUMBERED.fullmatch(path.name)
    files = _sort_by_number(list_files(path.parent, ".json")).get(name["before"], []) if name else []
    if path not in files or len(files) < _MIN_FILES:
        return None
    index = files.index(path)
    return files[index + 1] if index + 1 < len(files) else files[index - 1]


def _are_people(results: Results, following: Results) -> bool:
    """Return whether rows are nearer to those of the next file, in any order, than to each other."""
    places, next_places = _find_rows(results), _find_rows(following)
    if len(places) != len(next_places) or len(places) < _MIN_FILES:
        return False
    distances = norms(places[:, None] - next_places[None])
    return bool(distances.min(1).mean() < norms(np.diff(places, axis=0)).mean())


def _find_rows(results: Results) -> np.ndarray:
    """Return the translations (P, 3) of all rows with poses."""
    prefixes = [name.removesuffix("Rh") for name in results.shapes if name.rpartition(".")[2] == "Rh"]
    rows = [
        {name.removeprefix(prefix): name for name in results.shapes if name.startswith(prefix)} for prefix in prefixes
    ]
    return find_places(results, rows)


def _is_json(path: Path) -> bool:
    return path.suffix.lower() == ".json"


def is_later_frame(path: Path) -> bool:
    """Return whether a .json file holds a frame of a motion but not its first one."""
    if not _is_json(path) or _NUMBERED.fullmatch(path.name) is None:
        return False
    try:
        is_first = path in _find_first_files(path.parent, path.parent.stat().st_mtime_ns)
        return not is_first and _holds_one_frame(path)
    except (InputError, OSError):
        return False


def _stack_frames_of_people(results: Results) -> Results:
    """If a file is a list of frames, stack each person's arrays over the frames."""
    if find_layout(results.shapes, _collect_names(results), results.path.suffix):  # whose reader knows what it reads
        return results
    stacked = stack_frames(results)
    program = smpl_tools.detect_program(stacked.shapes)
    if program is None:
        return results
    tool, people = program
    shapes = [stacked.shapes[f"{prefix}{tool.translation}"] for prefix in people]
    return stacked if all(math.prod(shape[1:]) == 3 for shape in shapes) else results


CHARACTERS = {
    "GMR": ("root_pos", "root_rot", "dof_pos"),
    "BeyondMimic or mjlab": ("joint_pos", "body_pos_w"),
    "ProtoMotions": ("dof_pos", "rigid_body_pos"),
    "holosoma": ("qpos",),
    "PBHC or SONIC": ("root_trans_offset", "dof"),
    "MimicKit": ("loop_mode", "frames"),
}
"""Arrays, by program, that occur only in files of robots or simulated characters."""


def _find_character(results: Results) -> str:
    """Return the program if a file holds a robot or simulated character, and "" otherwise."""
    words = {word for name in _collect_names(results) for word in name.split(".")}
    return next((program for program, keys in CHARACTERS.items() if set(keys) <= words), "")


def recognises(path: Path) -> bool:
    """Return whether `open_dictionary` should open a file.

    This is also true of a damaged file and of a robot's file, because the reader explains what is wrong with them.
    """
    try:
        results = _stack_frames_of_people(_open_results(path))
        return bool(_find_character(results)) or _find_reader(results) is not None
    except (InputError, OSError):
        return True


def holds_people(path: Path) -> bool:
    """Return whether a .json file holds the poses of a known program."""
    try:
        with open_file(path) as file:
            if b"pose" not in file.read(_JSON_START):
                return False
        if _NUMBERED.fullmatch(path.name) and _holds_one_frame(path):
            return True  # the reader reports damage in other frames
        results = _open_results(path)
    except (InputError, OSError):
        return False
    try:
        return _find_reader(_stack_frames_of_people(results)) is not None
    except InputError:
        return True  # people, and the reader reports that who is who is not known


def holds_objects(path: Path) -> bool:
    """Return whether a .npy file holds Python objects, such as dictionaries, instead of plain numbers."""
    if path.suffix.lower() != ".npy":
        return False
    try:
        with open_file(path) as file:
            skip_to_objects(path, file)
    except (InputError, OSError):  # the reader reports the damage
        return False
    return True


def _find_reader(results: Results) -> Callable[[Results, Reading], MotionFile] | None:
    """Return the reader of a file, or None if no layout fits.

    Raises InputError if the names fit a layout but one of the values is not an array.
    """
    names = _collect_names(results)
    if kind := find_layout(results.shapes, names, results.path.suffix):
        assert kind.layout, "find_layout returns formats with a layout"
        if not kind.layout.recognises:
            _check_arrays(results, kind.layout.keys)
        return partial(kind.call, kind.layout.reader)
    if (program := smpl_tools.detect_program(names)) is None:
        key = next((name for name in _POSITION_NAMES if len(results.shapes.get(name, ())) == 3), "")
        return partial(_open_joint_positions, key=key) if key else None
    tool, people = program
    _check_arrays(results, [f"{person}{key}" for person, key in product(people, tool.keys)])
    return partial(smpl_tools.open_parameters, tool=tool, people=people)


def _open_joint_positions(results: Results, reading: Reading, key: str) -> MotionFile:
    """Open a motion of joint positions (T, J, 3)."""
    positions = results.array(key)
    if positions.shape[2] != 3 or not len(positions) or positions.dtype.kind != "f":
        raise InputError(f"{results.path}: expected {key} (frames, joints, 3), got {positions.dtype} {positions.shape}")
    filled, _ = fill_damaged_frames({key: positions})
    check_within(f"{results.path}: {key} is", filled[key], FURTHEST_READ_M)
    check_size(results.path, [positions.shape[:2]])

    def write_positions(target: Path, written: np.ndarray) -> None:
        results.write(target, {key: written}, len(positions))

    return open_joints(results.path, positions, reading, results.numbers, write_positions)


def _collect_names(results: Results) -> dict[str, None]:
    """Return the names of all values in a file, and of the dictionaries and lists that hold them, in order."""
    names = (*results.shapes, *results.numbers, *results.others)
    return {start: None for name in names for start in accumulate(name.split("."), "{}.{}".format)}


def _check_arrays(results: Results, names: Iterable[str]) -> None:
    """Raise InputError unless each value is an array of numbers."""
    for name in names:
        if name not in results.shapes:
            raise InputError(f"{results.path}: expected {name} to be an array of numbers")


def unknown(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Describe a file of unknown layout by its arrays and the nearest known layouts."""
    names = ["".join(letter if letter.isprintable() else "?" for letter in name[:_MAX_NAME_LENGTH]) for name in shapes]
    contents = [f"{name} {shape}" for name, shape in zip(names, shapes.values(), strict=True)]
    more = f" and {len(contents) - _MAX_LISTED} more" if len(contents) > _MAX_LISTED else ""
    layouts = [kind.layout for kind in all_formats() if kind.layout]
    programs = {layout.keys: layout.program for layout in layouts if layout.keys}
    for tool in smpl_tools.TOOLS:
        programs.setdefault(tool.keys, tool.name)
    ends = {name.rpartition(".")[2] for name in shapes}

    def share_of_keys(keys: tuple[str, ...]) -> float:
        return sum(key.rpartition(".")[2] in ends for key in keys) / len(keys)

    known = sorted(programs, key=share_of_keys, reverse=True)
    nearest = "; ".join(f"{programs[keys]} ({', '.join(keys)})" for keys in known[:_MAX_LAYOUTS])
    return (
        f"{path}: unknown layout: it holds {', '.join(contents[:_MAX_LISTED]) or 'no arrays of numbers'}{more}; "
        f"the nearest known layouts are {nearest}"
    )
