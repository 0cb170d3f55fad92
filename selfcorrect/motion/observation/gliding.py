"""Glide of people who stand: both feet keep their distance and move over the floor, and the root with them.

Nobody who stands for seconds does so. In motion from speech, from avatars or from video it is drift of the root, too
slow to be distinguished from how feet roll in a walk. So it is looked for only while neither foot steps.
"""

import numpy as np

from ..geometry.filters import gaussian_filter1d
from ..geometry.runs import spans
from ..geometry.vectors import norms
from . import thresholds as limits


def estimate_standing_glide(joints_m: np.ndarray, root_m: np.ndarray, fps: float) -> np.ndarray:
    """Return the velocity of one motion's glide, zero outside stretches in which it stands.

    Args:
        joints_m: (T, 2, 3) toe joint, or ankle, of each foot, world.
        root_m: (T, 3) root, world.

    Returns:
        (T − 1, 2) in m/s, x and z.
    """
    glide_m_s = np.zeros((max(len(root_m) - 1, 0), 2))
    if len(root_m) < limits.STAND_S * fps:
        return glide_m_s
    steps_m_s = np.diff(joints_m, axis=0) * fps
    smooth_m_s = gaussian_filter1d(steps_m_s, limits.STAND_SMOOTHED_S * fps, axis=0, mode="nearest")
    feet_m_s = smooth_m_s.mean(axis=1)[:, [0, 2]]
    is_standing = norms((smooth_m_s[:, 0] - smooth_m_s[:, 1])[:, [0, 2]]) < limits.STEPS_M_S
    is_standing &= (np.abs(smooth_m_s[..., 1]) < limits.STEPS_M_S).all(axis=1)
    is_standing &= norms(feet_m_s) < limits.RIDES_M_S
    for first, last in spans(is_standing, round(limits.STAND_GAP_S * fps)):
        stretch = slice(first, last + 1)
        steps = last + 1 - first
        if steps < limits.STAND_S * fps:
            continue
        feet_way_m = feet_m_s[stretch] / fps
        distance_m = float(np.linalg.norm(feet_way_m.sum(axis=0)))
        root_distance_m = float(np.linalg.norm((root_m[last + 1] - root_m[first])[[0, 2]]))
        least_share, largest_share = limits.ROOT_SHARES
        is_glide = distance_m > max(limits.SHORTEST_GLIDE_M, limits.SLOWEST_GLIDE_M_S * steps / fps)
        is_glide &= distance_m > limits.STRAIGHT_GLIDE * float(norms(feet_way_m).sum())
        is_glide &= least_share * distance_m < root_distance_m < largest_share * distance_m
        if is_glide:
            begins = np.arange(1.0, steps + 1) if first else np.full(steps, np.inf)
            ends = np.arange(steps, 0.0, -1) if last + 1 < len(glide_m_s) else np.full(steps, np.inf)
            share = np.clip(np.minimum(begins, ends) / (limits.STAND_FADES_S * fps), 0.0, 1.0)
            share *= share * (3 - 2 * share)
            glide_m_s[stretch] = share[:, None] * feet_m_s[stretch]
    return glide_m_s
