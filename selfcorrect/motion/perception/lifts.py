"""Lifts: ground that carries a body up or down.

A lift moves steadily, for longer than any flight lasts, and carries both feet at once.
"""

import numpy as np

from ..geometry.filters import uniform_filter1d
from ..geometry.runs import find_runs
from ..geometry.vectors import median, norms
from .stances import SHORTEST_STANCE_S

RIDE_S = 1.0
"""Minimum duration of a ride, in s. A somersault is shorter."""
_LIFT_M = 1.0
"""Minimum height of a ride, in m. A person who pulls up on a bar raises both feet by less."""
_LIFT_M_S = 0.1
"""Minimum mean speed of a ride, in m/s."""
_STILL_LIFT_M_S = 0.01
"""Speed below which the ground does not move, in m/s."""
_TOGETHER_M_S = 0.15
"""Maximum horizontal speed of a foot on a lift, and maximum deviation of its vertical speed from both feet's mean, in
m/s."""
_LIFT_M_S2 = 3.0
"""Maximum median acceleration of a lift, in m/s², much less than gravity, as in a flight."""


def estimate_lift_m(joints_m: np.ndarray, fps: float) -> np.ndarray:
    """Estimate how far the ground has risen since the first frame.

    Args:
        joints_m: (T, P, 3) joints of both feet in the world, in m.
        fps: Frames per second.

    Returns:
        (T,) heights in m, zero if no lift carries the body.
    """
    steps_m = np.zeros(len(joints_m))
    heights_m = joints_m[..., 1].mean(axis=1)
    if len(joints_m) < 2 or np.ptp(heights_m) < _LIFT_M:
        return steps_m
    window = max(round(SHORTEST_STANCE_S * fps), 1)
    speeds_m_s = uniform_filter1d(np.gradient(joints_m, axis=0) * fps, window, axis=0)
    upward_m_s = speeds_m_s[..., 1].mean(axis=1)
    apart_m_s = np.abs(speeds_m_s[..., 1] - upward_m_s[:, None]).max(axis=1)
    along_m_s = norms(speeds_m_s[..., [0, 2]]).max(axis=1)
    is_carried = np.maximum(apart_m_s, along_m_s) < _TOGETHER_M_S
    is_carried &= np.abs(upward_m_s) > _STILL_LIFT_M_S
    foot_steps_m = np.diff(heights_m, prepend=heights_m[0])
    for start, stop in find_runs(is_carried, max(round(RIDE_S * fps), 2)):
        run_m_s = upward_m_s[start:stop]
        rise_m = abs(run_m_s.sum()) / fps
        is_flight = median(np.abs(np.gradient(run_m_s))) * fps > _LIFT_M_S2
        if rise_m > _LIFT_M and rise_m * fps > _LIFT_M_S * len(run_m_s) and not is_flight:
            steps_m[start:stop] = foot_steps_m[start:stop]
    rises_m = np.cumsum(steps_m)
    return rises_m - rises_m[0]
