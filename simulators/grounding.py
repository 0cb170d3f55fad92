"""Where the floor is, and how it slides: constant errors of a capture's height and horizontal velocity."""

from __future__ import annotations

import numpy as np

from selfcorrect.motion.timeline import spans

STILL_M_S = 0.36
"""A sole slower than this may be standing."""

LEVEL_M = 0.06
STANCE_S = 0.3
"""Ground that much lower, stood on for that long, is another level."""

DRIFT_KERNEL_M_S = 0.12
DRIFT_NEAR_M_S = 0.24
MINIMUM_DRIFT_M_S = 0.24
MINIMUM_DRIFT_SECONDS = 4 / 3


def floor_height(soles_m: np.ndarray, speed_m_s: np.ndarray) -> float:
    """Height of the floor from the lowest point of each sole (T, 2) and its speed (T, 2).

    The 40th percentile of the lower sole's height while it is still; of all low frames where it hardly ever is.
    """
    lower = soles_m == soles_m.min(1, keepdims=True)
    standing_m = soles_m[lower & (speed_m_s < STILL_M_S)]
    if len(standing_m) >= 5:
        return float(np.percentile(standing_m, 40))
    return float(np.percentile(soles_m.min(1), 20))


def lowest_level(soles_m: np.ndarray, stands: np.ndarray, highest_m: float, fps: float) -> float:
    """Height of the lowest ground on which a foot stands for a while, `highest_m` if none is clearly lower.

    soles_m: (T, 2) lowest point of each sole; stands: (T, 2) whether it may be standing. The 40th percentile, again and
    again, of the heights in stances below the last level found.
    """
    height_m = np.where(stands, soles_m, np.inf).min(1)
    while True:
        low = height_m < highest_m - LEVEL_M
        stances = [span for span in spans(low, round(fps / 15)) if span[1] - span[0] + 1 >= STANCE_S * fps]
        if not stances:
            return highest_m
        stood_m = np.concatenate([height_m[first : last + 1] for first, last in stances])
        highest_m = float(np.percentile(stood_m[np.isfinite(stood_m)], 40))


def steady_drift(soles_m: np.ndarray, velocity_m_s: np.ndarray, fps: float) -> np.ndarray:
    """Horizontal velocity (2,), x and z, that all standing feet share; zero unless it is blatant.

    soles_m: (T, 2) height of each sole; velocity_m_s: (T − 1, 2 feet, 2). A moving floor shows as a cluster of the
    lowest foot's velocities away from zero, much denser than the one at zero (mean shift, Comaniciu and Meer 2002).
    """
    lowest = soles_m[:-1].argmin(1)
    low = soles_m[:-1].min(1) < np.percentile(soles_m.min(1), 30) + 0.03
    candidates = velocity_m_s[np.arange(len(lowest)), lowest][low]
    if len(candidates) < MINIMUM_DRIFT_SECONDS * fps:
        return np.zeros(2)
    mode = _densest(candidates)
    near_mode = np.mean(np.linalg.norm(candidates - mode, axis=1) < DRIFT_NEAR_M_S)
    near_zero = np.mean(np.linalg.norm(candidates, axis=1) < DRIFT_NEAR_M_S)
    blatant = np.linalg.norm(mode) > MINIMUM_DRIFT_M_S and near_mode > 0.42 and near_zero < 0.4 * near_mode
    return mode if blatant else np.zeros(2)


def _densest(points: np.ndarray) -> np.ndarray:
    """The densest place (2,) among points (K, 2), by mean shift from the best of 400 of them."""
    starts = points[:: max(1, len(points) // 400)]
    density = _kernel(starts[:, None] - starts[None]).sum(1)
    place = starts[density.argmax()]
    for _ in range(8):
        weights = _kernel(points - place)
        place = weights @ points / weights.sum()
    return place


def _kernel(differences: np.ndarray) -> np.ndarray:
    return np.exp(-np.sum(differences**2, axis=-1) / (2 * DRIFT_KERNEL_M_S**2))
