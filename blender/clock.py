# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert times between action, scene and program. This module does not need Blender."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_SAME_TIME = 0.01
"""Largest distance between keys and evenly spaced times, in frames, because importers round them."""
_FILLED = 0.9
"""Smallest share of evenly spaced times at which a curve has keys if they are its clock."""


@dataclass(frozen=True)
class Clock:
    """Evenly spaced times of an action, at which a motion is read, corrected and written."""

    first: float
    """Time of the first step, in frames of the action."""
    step: float
    """Interval between steps, in frames of the action."""
    count: int
    stretch: float = 1.0
    """Frames of the action per frame of the scene, which Time Stretching sets."""
    part: tuple[int, int] | None = None
    """First and last step that may change, between which the correction blends in and out; None for all."""

    @property
    def times(self) -> np.ndarray:
        """Times (T,) of the steps, in frames of the action."""
        return self.first + self.step * np.arange(self.count)

    def to_scene(self, step: float) -> float:
        """Convert a step to a frame of the scene."""
        return (self.first + self.step * step) / self.stretch

    def name_frame(self, step: int) -> int:
        """Return the nearest whole frame of the scene for a step."""
        return round(self.to_scene(step))

    def get_fps(self, scene_fps: float) -> float:
        """Return the number of steps per second at the scene's frame rate."""
        return scene_fps * self.stretch / self.step


def find_even_step(times: np.ndarray) -> float | None:
    """Return the interval of sorted key times (K,) if they are evenly spaced and nearly without gaps, or None."""
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
    """Return start and interval, of about one frame, of evenly spaced times from a first to a last one."""
    if max(abs(first - round(first)), abs(last - round(last))) <= _SAME_TIME:
        return round(first), 1.0
    return first, (last - first) / max(round(last - first), 1)


def make_clock(
    start: float, step: float, read: tuple[float, float], corrected: tuple[float, float], stretch: float
) -> Clock:
    """Make the clock of a range of an action, of which a part may change.

    Args:
        start: One of the evenly spaced times.
        step: Interval between the times.
        read: Ends of the range.
        corrected: Ends of the part that may change.
        stretch: Frames of the action per frame of the scene.
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
