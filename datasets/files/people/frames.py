"""Stack each person's arrays over the frames of a file that is a list of frames.

A frame lists its people in any order. They are followed by their identities, and a person who comes later, leaves or
returns gives a motion for each stretch of frames. People without identities are taken in the order in which they are
listed, which is refused if it changes.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np
from scipy.optimize import linear_sum_assignment

from selfcorrect.core.errors import InputError
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.storage.pickles.json_results import IDENTITIES
from selfcorrect.storage.pickles.results import Results

from .smpl_tools import detect_program

_IN_FRAME = re.compile(r"(?P<before>(?:[^.]*[^.\d][^.]*\.)?)(?P<frame>\d+)\.(?P<name>.+)")
"""Pattern of the name of an array within a frame, such as "0.people.0.transl" or "frames.0.transl"."""


class FramesOfPeople(Results):
    """Results whose arrays are stacked over the frames.

    For example, "0.people.1.transl" (3,), "1.people.1.transl" (3,) and so on become "people.1.transl" (T, 3).
    """

    def __init__(self, results: Results, frames: Mapping[str, list[str]]) -> None:
        self.path = results.path
        self.shapes = {name: (len(names), *results.shapes[names[0]]) for name, names in frames.items()}
        self.numbers = results.numbers
        self.others = results.others
        self._results = results
        self._frames = frames

    def array(self, name: str) -> np.ndarray:
        return np.stack([self._results.array(frame_name) for frame_name in self._frames[name]])

    def write(self, target: Path, changed: Mapping[str, np.ndarray], frames: int) -> None:
        of_frames = {}
        for name, array in changed.items():
            if len(array) != len(self._frames[name]):
                raise InputError(f"{self.path}: expected {len(self._frames[name])} frames, got {len(array)}")
            of_frames |= dict(zip(self._frames[name], array, strict=True))
        self._results.write(target, of_frames, 0)


def stack_frames(results: Results) -> Results:
    """Stack the arrays of all frames, for each person those of the same person.

    An array is stacked only if all frames have it in the same shape. If the file is not a list of frames, its results
    are returned unchanged.

    Raises:
        InputError: Who is who in two frames cannot be told.
    """
    by_name: dict[str, dict[int, str]] = {}
    for name in results.shapes:
        if match := _IN_FRAME.fullmatch(name):
            by_name.setdefault(match["before"] + match["name"], {})[int(match["frame"])] = name
    count = max((len(frames) for frames in by_name.values()), default=0)
    stacked = {}
    for name, frames in by_name.items():
        shapes = {results.shapes[frame_name] for frame_name in frames.values()}
        first = min(frames)
        if count > 1 and sorted(frames) == list(range(first, first + count)) and len(shapes) == 1:
            stacked[name] = [frames[frame] for frame in sorted(frames)]
    stretches = _follow_people(results, _find_people(results))
    if stretches:
        prefixes = {prefix for stretch in stretches for prefix in stretch.slots}
        stacked = {name: names for name, names in stacked.items() if not name.startswith(tuple(prefixes))}
        stacked |= _stack_stretches(results, stretches)
    if not stacked:
        return results
    people = FramesOfPeople(results, stacked)
    notes = [stretch.note for stretch in stretches] + [note_spacing(_find_frame_numbers(results))]
    people.notes = tuple(dict.fromkeys(filter(None, (*results.notes, *notes))))
    return people


def note_spacing(numbers: Sequence[float]) -> str:
    """Describe that frames are numbered with gaps, or return ""."""
    steps = {after - before for before, after in pairwise(numbers)}
    if not steps:
        return ""
    if len(steps) == 1:
        step = min(steps)
        if step <= 1:  # 0: the numbers are not those of frames
            return ""
        shown = ", ".join(f"{number:g}" for number in numbers[:_NUMBERS_SHOWN])
        return (
            f"frames are numbered {shown}, …: played at the rate of all frames, the motion is {step:g} times too fast; "
            "pass the rate of these frames as --fps"
        )
    before = next(before for before, after in pairwise(numbers) if after - before != min(steps, key=abs))
    return f"frame numbers are not evenly spaced after {before:g}, where the motion jumps"


_NUMBERS_SHOWN = 3
_FRAME_NUMBERS = ("frame", "frame_id", "frame_ids")


def _find_frame_numbers(results: Results) -> list[float]:
    """Return the numbers that the frames of a list give themselves, or an empty list."""
    for key in _FRAME_NUMBERS:
        of_frames = {}
        for name, number in results.numbers.items():
            if (match := _IN_FRAME.fullmatch(name)) and match["name"] == key:
                of_frames[int(match["frame"])] = number
        if of_frames:
            return [of_frames[frame] for frame in sorted(of_frames)]
    return []


Sightings: TypeAlias = dict[int, dict[str, dict[str, str]]]
"""Frame → prefix of a person's arrays below the frame, such as "people.1." → own name of an array → its name."""
_SLOT = re.compile(r"(?P<person>(?:[^.]*[^.\d][^.]*\.)*\d+\.)(?P<name>.+)")


@dataclass(frozen=True)
class _Stretch:
    """Successive frames in which a person is seen."""

    frames: range
    slots: tuple[str, ...]
    """Prefix of the person's arrays in each frame."""
    arrays: tuple[Mapping[str, str], ...]
    """Names of the person's arrays in each frame, by own name."""
    note: str


def _find_people(results: Results) -> Sightings:
    """Find the people in all frames."""
    sightings: Sightings = {}
    for name in results.shapes:
        if match := _IN_FRAME.fullmatch(name):
            slot = _SLOT.fullmatch(match["name"])
            person, own_name = (slot["person"], slot["name"]) if slot else ("", match["name"])
            people = sightings.setdefault(int(match["frame"]), {})
            people.setdefault(match["before"] + person, {})[own_name] = name
    known: dict[frozenset[str], bool] = {}
    for people in sightings.values():
        for person, arrays in [*people.items()]:
            names = frozenset(arrays)
            if names not in known:
                known[names] = detect_program(arrays) is not None
            if not known[names]:
                del people[person]
    return sightings


def _follow_people(results: Results, sightings: Sightings) -> list[_Stretch]:
    """Follow people by their identities over the frames.

    Returns:
        A stretch for each person, and for each return of a person. Empty if nobody changes the place in the list, so
        that the arrays can be stacked by name.

    Raises:
        InputError: The number or order of people changes, and they have no identities; or identities are missing or
            occur twice.
    """
    frames = sorted(sightings)
    seen = [frame for frame in frames if sightings[frame]]
    if len(frames) < 2 or not seen:
        return []
    identities = {frame: _identify(results, frame, sightings[frame]) for frame in seen}
    places = {tuple(identities[frame].items()) for frame in seen}
    if len(places) == 1 and len(seen) == frames[-1] - frames[0] + 1:
        if None in identities[seen[0]].values():
            _check_order(results, sightings)
        return []
    known = {identity for people in identities.values() for identity in people.values()}
    if None in known and max(map(len, identities.values())) > 1:
        raise InputError(
            f"{results.path}: the people in frames {seen[0]} to {seen[-1]} change, and not all have a number "
            f"{IDENTITIES[0]!r} that tells who is who; add the numbers, or split the file where people come and go"
        )
    stretches = []
    open_stretches: dict[float | None, list[tuple[int, str]]] = {}

    def close(identity: float | None) -> None:
        sighted = open_stretches.pop(identity)
        own_frames = range(sighted[0][0], sighted[-1][0] + 1)
        is_whole = len(own_frames) == frames[-1] - frames[0] + 1
        who = "the person" if identity is None else f"person {identity:g}"
        note = "" if is_whole else f"{who} is seen in frames {own_frames[0]} to {own_frames[-1]}: a motion of its own"
        arrays = tuple(sightings[frame][slot] for frame, slot in sighted)
        stretches.append(_Stretch(own_frames, tuple(slot for _, slot in sighted), arrays, note))

    for frame in range(frames[0], frames[-1] + 1):
        people = {identity: slot for slot, identity in identities.get(frame, {}).items()}
        for identity in [identity for identity in open_stretches if identity not in people]:
            close(identity)
        for identity, slot in people.items():
            open_stretches.setdefault(identity, []).append((frame, slot))
    for identity in [*open_stretches]:
        close(identity)
    is_list_of_rows = not any(_SLOT.fullmatch(f"{stretch.slots[0]}x") for stretch in stretches)
    if is_list_of_rows and len(stretches) > len(known) > 1:
        raise InputError(
            f"{results.path}: rows of {len(known)} people alternate, expected a list of people in each frame"
        )
    return sorted(stretches, key=lambda stretch: (stretch.frames[0], stretch.slots[0]))


def _check_order(results: Results, sightings: Sightings) -> None:
    """Raise InputError if people without identities are listed in another order than in the frame before.

    They are if they are nearer to their places of the frame before in another order.
    """
    before = np.empty((0, 3))
    for frame in sorted(sightings):
        places = find_places(results, sightings[frame].values())
        if len(places) == len(before) > 1 and not is_same_order(before, places):
            raise InputError(
                f"{results.path}: people of frame {frame} are nearer to those of the frame before in another order, "
                f"and not all have a number {IDENTITIES[0]!r} that tells who is who; add the numbers"
            )
        before = places


def find_places(results: Results, people: Iterable[Mapping[str, str]]) -> np.ndarray:
    """Return the first translations (P, 3) of people, given by the names of their arrays by own name."""
    places = []
    for arrays in people:
        program = detect_program(arrays)
        name = arrays.get(program[0].translation) if program is not None else None
        place = np.empty(0) if name is None else results.array(name).reshape(-1)
        places.append(place[:3] if len(place) >= 3 else np.full(3, np.nan))
    found = np.array(places).reshape(-1, 3)
    return found if np.isfinite(found).all() else np.empty((0, 3))


def is_same_order(before: np.ndarray, after: np.ndarray) -> bool:
    """Return whether no other order of people (P, 3) is nearer to that of the frame before."""
    distances = norms(before[:, None] - after[None])
    rows, columns = linear_sum_assignment(distances)
    return bool(distances[rows, columns].sum() >= np.trace(distances) - _ROUNDING * distances.max())


_ROUNDING = 1e-9
"""Share of a distance that is rounding."""


def _identify(results: Results, frame: int, people: Mapping[str, Mapping[str, str]]) -> dict[str, float | None]:
    """Return the number that identifies each person of a frame, None for a person without.

    Raises:
        InputError: Two people have the same number.
    """
    identities: dict[str, float | None] = {}
    for person, arrays in people.items():
        own_name, name = next(iter(arrays.items()))
        start = name.removesuffix(own_name)
        keys = [f"{start}{key}" for key in IDENTITIES]
        identity = next((results.numbers[key] for key in keys if key in results.numbers), None)
        if identity is not None and identity in identities.values():
            raise InputError(f"{results.path}: two people of frame {frame} have the number {identity:g}")
        identities[person] = identity
    return identities


def _stack_stretches(results: Results, stretches: Sequence[_Stretch]) -> dict[str, list[str]]:
    """List the names of each person's arrays over the frames, under a prefix of the person's own."""
    stacked: dict[str, list[str]] = {}
    taken = set[str]()
    for stretch in stretches:
        prefix = stretch.slots[0]
        container = prefix.rstrip(".").rstrip("0123456789")
        number = 0
        while prefix in taken:
            prefix = f"{container}{number}."
            number += 1
        taken.add(prefix)
        for own_name in stretch.arrays[0]:
            names = [arrays[own_name] for arrays in stretch.arrays if own_name in arrays]
            if len(names) == len(stretch.frames) and len({results.shapes[name] for name in names}) == 1:
                stacked[prefix + own_name] = names
    return stacked
