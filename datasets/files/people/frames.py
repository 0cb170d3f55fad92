"""Stack each person's arrays over the frames of a file that is a list of frames."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.storage.pickles.results import Results

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
    """Stack the arrays of all frames.

    An array is stacked only if all frames have it in the same shape, so people who are missing in a frame are dropped.
    If the file is not a list of frames, its results are returned unchanged.
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
    return FramesOfPeople(results, stacked) if stacked else results
