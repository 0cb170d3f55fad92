# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert times between action, scene and program.

Needs no Blender.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_SAME_TIME = 0.01
"""Frames by which keys may lie beside even times; importers round them."""
_FILLED = 0.9
"""Share of its even times at which a curve has keys if these are its clock."""


@dataclass(frozen=True)
class Clock:
    """Evenly spaced times of an action.

    A motion is read, corrected and written at them.
    """

    first: float
    """Time of the first step, in frames of the action."""
    step: float
    """Frames of the action from one step to the next."""
    count: int
    stretch: float = 1.0
    """Frames of the action in a frame of the scene, which Time Stretching sets."""
    part: tuple[int, int] | None = None
    """The first and the last step that may change, None for all; the correction blends in and out inside them."""

    @property
    def times(self) -> np.ndarray:
        """Return step times (T,) in the action."""
        return self.first + self.step * np.arange(self.count)

    def to_scene(self, step: float) -> float:
        """Return the scene's frame of a step."""
        return (self.first + self.step * step) / self.stretch

    def name_frame(self, step: int) -> int:
        """Return the whole scene frame of a step."""
        return round(self.to_scene(step))

    def get_fps(self, scene_fps: float) -> float:
        """Return steps per second at a scene's rate."""
        return scene_fps * self.stretch / self.step


def find_even_step(times: np.ndarray) -> float | None:
    """Return the step of even key times, or None.

    Times (K,) are sorted, and lie nearly without gaps.
    """
    gaps = np.diff(times)
    gaps = gaps[gaps > _SAME_TIME]
    if not len(gaps):
        return None
    span = times[-1] - times[0]
    count = round(span / np.median(gaps[gaps < 1.5 * gaps.min()]))
    places = (times - times[0]) * count / span
    is_even = np.abs(places - places.round()).max() * span / count <= _SAME_TIME
    return span / count if is_even and len(times) > _FILLED * count else None


def cover(first: float, last: float) -> tuple[float, float]:
    """Return start and step of even times.

    The step is of about one frame, from a first to a last one.
    """
    if max(abs(first - round(first)), abs(last - round(last))) <= _SAME_TIME:
        return round(first), 1.0
    return first, (last - first) / max(round(last - first), 1)


def make_clock(
    start: float, step: float, read: tuple[float, float], corrected: tuple[float, float], stretch: float
) -> Clock:
    """Make the clock of a range with a part.

    The range is of an action, and the part may change.

    Args:
        start: One of the even times.
        step: Their distance.
        read: Ends of the range.
        corrected: Ends of the part.
        stretch: Frames of the action in a frame of the scene.
    """
    place = round((read[0] - start) / step)
    first = start + step * place
    count = round((read[1] - start) / step) - place + 1
    part = None
    if read != corrected:
        tolerance = _SAME_TIME / step
        part = (
            max(math.ceil((corrected[0] - first) / step - tolerance), 0),
            min(math.floor((corrected[1] - first) / step + tolerance), count - 1),
        )
    return Clock(first, step, count, stretch, part)
