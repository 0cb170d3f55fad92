"""Rests: frames in which a body part, such as a hand, is slow and at one height.

A resting part may be supported. Only the forces can tell whether it is.
"""

from collections.abc import Iterator

import numpy as np

from ..geometry.runs import spans
from ..geometry.vectors import norms

REST_LEVEL_M = 0.03
"""Maximum deviation of a resting part's height, in m."""
REST_GAP_S = 0.07
"""Maximum interruption of a rest, in s."""
_FOOT_REST_M_S = 0.5
"""Maximum speed of a resting foot, in m/s."""
_FOOT_REST_S = 0.3
"""Minimum duration of a foot's rest, in s."""
_PART_REST_M_S = 0.3
"""Maximum speed of any other resting part, in m/s."""
_PART_REST_S = 0.7
"""Minimum duration of any other part's rest, in s."""


def find_rests(points_m: np.ndarray, may_rest: np.ndarray, fps: float, *, is_foot: bool) -> Iterator[tuple[int, int]]:
    """Yield start and stop (exclusive) of each rest of a body part.

    Args:
        points_m: (T, K, 3) points of the part. The lowest one decides whether the part is still.
        may_rest: (T,) whether the pose allows the part to rest.
        fps: Frames per second.
        is_foot: Whether the part is a foot. Feet rest for shorter times, and roll.
    """
    heights_m = points_m[..., 1].min(1)
    lowest = points_m[..., 1].argmin(1)[:, None]
    speeds_m_s = norms(np.gradient(points_m, 1 / fps, axis=0))
    lowest_m_s = np.take_along_axis(speeds_m_s, lowest, 1)[:, 0]
    fastest_m_s = _FOOT_REST_M_S if is_foot else _PART_REST_M_S
    shortest = round((_FOOT_REST_S if is_foot else _PART_REST_S) * fps)
    for first, last in spans(may_rest & (lowest_m_s < fastest_m_s), round(REST_GAP_S * fps)):
        yield from _find_level_runs(heights_m, first, last + 1, shortest)


def _find_level_runs(heights_m: np.ndarray, start: int, stop: int, shortest: int) -> Iterator[tuple[int, int]]:
    """Yield runs of nearly constant height between frames `start` and `stop`."""
    if stop - start < shortest:
        return
    lower_median = (stop - start - 1) // 2
    middle_m = np.partition(heights_m[start:stop], lower_median)[lower_median]
    is_level = np.abs(heights_m[start:stop] - middle_m) < REST_LEVEL_M
    longest = max(spans(is_level), key=lambda span: span[1] - span[0])
    run_start = start + longest[0]
    run_stop = start + longest[1] + 1
    if run_stop - run_start >= shortest:
        yield run_start, run_stop
    if (run_start, run_stop) != (start, stop):
        yield from _find_level_runs(heights_m, start, run_start, shortest)
        yield from _find_level_runs(heights_m, run_stop, stop, shortest)
