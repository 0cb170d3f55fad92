"""Gliding: standing people who drift over the floor.

Both feet move over the floor at a constant distance from each other, and the root moves with them. Nobody who stands on
one or both feet for seconds can do so. In motion from speech, avatars or video, it is root drift, too slow to be
distinguished from feet that roll in a walk. So it is detected only while neither foot steps, or while one foot stands
and the other is never still.
"""

import numpy as np

from ..geometry.curves import FADING_S
from ..geometry.filters import gaussian_filter1d
from ..geometry.runs import spans
from ..geometry.vectors import norms
from .stances import SHORTEST_STANCE_S

_STAND_S = 2.0
"""Minimum duration of a stand without steps that can show a glide, in s."""
_STEP_M_S = 0.04
"""Minimum speed of a stepping foot, relative to the other foot or vertically, in m/s."""
_SLOWEST_GLIDE_M_S = 0.012
"""Minimum mean speed of a glide, in m/s, which no CMU clip reaches."""
TRAVEL_M_S = 0.3
"""Minimum speed of a body that travels, or rides while it stands, in m/s."""
_SHORTEST_GLIDE_M = 0.04
"""Minimum distance of a glide, in m."""
_STRAIGHT_GLIDE = 0.6
"""Minimum straightness of a glide: distance between its ends over the length of the feet's path. A swaying body
returns, so its ends are close."""
_SLOWEST_ALONE_M_S = 0.08
"""Minimum mean speed of a glide on one leg, in m/s. Feet that turn in slow motion are slower."""
_STRAIGHT_ALONE = 0.9
"""Minimum straightness of a glide on one leg."""
_ROOT_SHARES = (0.5, 2.0)
"""Range of the root's distance relative to the feet's."""
VELOCITY_SMOOTHING_S = 0.15
"""Smoothing time of velocities that show glides and rides, in s."""


def estimate_standing_glide(joints_m: np.ndarray, root_m: np.ndarray, fps: float) -> np.ndarray:
    """Estimate the velocity at which a standing body glides.

    Args:
        joints_m: (T, 2, 3) toe joint or ankle of each foot in the world, in m.
        root_m: (T, 3) root in the world, in m.
        fps: Frames per second.

    Returns:
        (T − 1, 2) velocity along x and z in m/s, zero unless the body stands.
    """
    glide_m_s = np.zeros((max(len(root_m) - 1, 0), 2))
    if len(root_m) < _STAND_S * fps:
        return glide_m_s
    steps_m_s = np.diff(joints_m, axis=0) * fps
    smooth_m_s = gaussian_filter1d(steps_m_s, VELOCITY_SMOOTHING_S * fps, axis=0, mode="nearest")
    is_level = np.abs(smooth_m_s[..., 1]) < _STEP_M_S
    apart_m_s = norms((smooth_m_s[:, 0] - smooth_m_s[:, 1])[:, [0, 2]])
    is_still = is_level & (norms(smooth_m_s[..., [0, 2]]) < _STEP_M_S)
    stands = is_level.all(axis=1) & (apart_m_s < _STEP_M_S)
    glide_m_s = _estimate_glide(smooth_m_s.mean(axis=1), stands, root_m, fps, _SLOWEST_GLIDE_M_S, _STRAIGHT_GLIDE)
    if glide_m_s.any():
        return glide_m_s
    glides_m_s = []
    for foot in range(2):
        stands = is_level[:, foot] & (is_still[:, foot] | ~is_still[:, 1 - foot])
        foot_m_s = smooth_m_s[:, foot]
        glides_m_s.append(_estimate_glide(foot_m_s, stands, root_m, fps, _SLOWEST_ALONE_M_S, _STRAIGHT_ALONE))
    feet_shown = np.any(glides_m_s, axis=2).sum(axis=0)
    return np.sum(glides_m_s, axis=0) / np.maximum(feet_shown, 1)[:, None]


def _estimate_glide(
    velocity_m_s: np.ndarray, stands: np.ndarray, root_m: np.ndarray, fps: float, slowest_m_s: float, straight: float
) -> np.ndarray:
    """Estimate the glide velocity (S, 2) of feet where they stand.

    Args:
        velocity_m_s: (S, 3) velocity of the feet.
        stands: (S,) whether the feet stand.
        root_m: (S + 1, 3) root in the world, in m.
        fps: Frames per second.
        slowest_m_s: Minimum mean speed of a glide.
        straight: Minimum straightness of a glide.

    Returns:
        Velocity along x and z in m/s, zero where feet do not stand or do not glide.
    """
    feet_m_s = velocity_m_s[:, [0, 2]]
    glide_m_s = np.zeros_like(feet_m_s)
    is_standing = stands & (norms(feet_m_s) < TRAVEL_M_S)
    for first, last in spans(is_standing, round(SHORTEST_STANCE_S * fps)):
        stretch = slice(first, last + 1)
        steps = last + 1 - first
        if steps < _STAND_S * fps:
            continue
        feet_steps_m = feet_m_s[stretch] / fps
        distance_m = float(np.linalg.norm(feet_steps_m.sum(axis=0)))
        root_distance_m = float(np.linalg.norm((root_m[last + 1] - root_m[first])[[0, 2]]))
        least_share, largest_share = _ROOT_SHARES
        is_glide = distance_m > max(_SHORTEST_GLIDE_M, slowest_m_s * steps / fps)
        is_glide &= distance_m > straight * float(norms(feet_steps_m).sum())
        is_glide &= least_share * distance_m < root_distance_m < largest_share * distance_m
        if is_glide:
            begins = np.arange(1.0, steps + 1) if first else np.full(steps, np.inf)
            ends = np.arange(steps, 0.0, -1) if last + 1 < len(glide_m_s) else np.full(steps, np.inf)
            share = np.clip(np.minimum(begins, ends) / (FADING_S * fps), 0.0, 1.0)
            share *= share * (3 - 2 * share)
            glide_m_s[stretch] = share[:, None] * feet_m_s[stretch]
    return glide_m_s
