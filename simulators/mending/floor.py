"""How high the floor is, a constant error of a capture."""

from __future__ import annotations

import numpy as np

from selfcorrect.motion.correction.timeline import spans

STILL_M_S = 0.36
"""A sole slower than this may be standing."""

FEWEST_FRAMES = 5
OFTEN_FLAT = 0.4
"""Frames that show the floor's height; share in which the lower sole is flat if flat soles show it."""

LEVEL_M = 0.06
STANCE_S = 0.3
LONGER_M = 0.05
"""Ground that much lower, stood on for that long, is another level, unless legs would have to be longer by so much."""


def floor_height(soles_m: np.ndarray, speed_m_s: np.ndarray, flat: np.ndarray) -> float:
    """Height of the floor from the lowest point of each sole (T, 2), its speed (T, 2) and whether it is flat (T, 2).

    The 40th percentile of the lower sole's height while it is still, or of the lower of those that are flat too if it
    often is and these do not stand on another level; of all low frames where it hardly ever is still.
    """
    still = speed_m_s < STILL_M_S
    lower = still & (soles_m == soles_m.min(1, keepdims=True))
    standing_m = soles_m[lower]
    if len(standing_m) < FEWEST_FRAMES:
        return float(np.percentile(soles_m.min(1), 20))
    usual_m = float(np.percentile(standing_m, 40))
    if (lower & flat).sum() < OFTEN_FLAT * len(standing_m):
        return usual_m
    flat_m = np.where(still & flat, soles_m, np.inf).min(1)
    flat_m = float(np.percentile(flat_m[np.isfinite(flat_m)], 40))
    return flat_m if flat_m < usual_m + LEVEL_M else usual_m


def lowest_level(soles_m: np.ndarray, stands: np.ndarray, root_m: np.ndarray, highest_m: float, fps: float) -> float:
    """Height of the lowest ground on which a foot stands for a while, `highest_m` if none is clearly lower.

    soles_m: (T, 2) lowest point of each sole; stands: (T, 2) whether it may be standing; root_m: (T,) the root's
    height, which is no further above the lower ground than above the higher. The 40th percentile, again and again, of
    the heights in stances below the last level found.
    """
    height_m = np.where(stands, soles_m, np.inf).min(1)
    above_m = root_m - soles_m.min(1)
    while True:
        low = height_m < highest_m - LEVEL_M
        tallest_m = np.percentile(above_m[~low], 95) + LONGER_M if (~low).any() else np.inf
        long = [span for span in spans(low, round(fps / 15)) if span[1] - span[0] + 1 >= STANCE_S * fps]
        stances = [(first, last) for first, last in long if np.median(above_m[first : last + 1]) < tallest_m]
        if not stances:
            return highest_m
        stood_m = np.concatenate([height_m[first : last + 1] for first, last in stances])
        highest_m = float(np.percentile(stood_m[np.isfinite(stood_m)], 40))
