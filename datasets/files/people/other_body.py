"""Move a motion to a body with other bone lengths, with standing feet in place.

With the same rotations on longer legs, feet sink into the floor, and with the same root path, they slide. The root path
is therefore scaled about the floor by the ratio of the leg lengths. Then it is raised by the height error of standing
feet, and moved horizontally against the speed at which they still slide. Steps of longer or shorter legs thus end at
other positions.
"""

from dataclasses import replace

import numpy as np

from selfcorrect.motion.editing.transforms import raise_motion
from selfcorrect.motion.geometry.filters import gaussian_filter1d
from selfcorrect.motion.geometry.vectors import ALONG_FLOOR
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.observation import Observation, find_feet_m, observe

_SAME = 1e-3
"""Largest relative difference between equal leg lengths."""
_BLEND_S = 0.1
"""Smoothing time of the root's shift from one stance to the next, in s."""


def keep_feet_in_place(original: Motion, posed: Motion) -> Motion:
    """Fit a root path that keeps standing feet in place.

    The path is scaled by the ratio of the leg lengths about the point of the floor below the root's first position.

    Args:
        original: The motion on its own body, y up.
        posed: The same poses and root path on another body.

    Returns:
        The poses with the fitted root path, or `posed` itself if both bodies have the same legs.
    """
    own_leg_m = original.skeleton.leg_m
    if not own_leg_m or not len(original):
        return posed
    ratio = posed.skeleton.leg_m / own_leg_m
    observation = observe(original)
    own_feet_m = find_feet_m(original)
    if abs(ratio - 1) < _SAME and np.abs(find_feet_m(posed) - own_feet_m).max() < _SAME * own_leg_m:
        return posed
    pivot_m = original.root_m[0] * ALONG_FLOOR + [0.0, observation.floor_m, 0.0]
    scaled = replace(posed, root_m=pivot_m + ratio * (posed.root_m - pivot_m))
    goals_m = pivot_m + ratio * (own_feet_m - pivot_m)
    feet_off_m = find_feet_m(scaled) - goals_m
    off_m = _interpolate_stances(feet_off_m, observation, original.fps)
    slid_m = _integrate_slide(feet_off_m, observation)
    slid_m += np.mean(off_m - slid_m, axis=0)
    off_m[:, [0, 2]] = slid_m[:, [0, 2]]
    placed = replace(scaled, root_m=scaled.root_m - off_m)
    sunk_m = observation.floor_m - observe(placed).floor_m
    return raise_motion(placed, sunk_m)


def _interpolate_stances(off_m: np.ndarray, observation: Observation, fps: float) -> np.ndarray:
    """Average the errors `off_m` (T, 2, K, 3) of standing foot points, and interpolate between stances.

    Returns errors (T, 3), smoothed over time.
    """
    weights = observation.standing
    total = weights.sum((1, 2))
    means_m = (off_m * weights[..., None]).sum((1, 2)) / np.maximum(total, 1e-9)[:, None]
    stands = np.flatnonzero(observation.stands.any(-1))
    if not len(stands):
        return np.zeros_like(means_m)
    frames = np.arange(len(means_m))
    filled_m = np.stack([np.interp(frames, stands, column[stands]) for column in means_m.T], axis=-1)
    return gaussian_filter1d(filled_m, _BLEND_S * fps, axis=0, mode="nearest")


def _integrate_slide(off_m: np.ndarray, observation: Observation) -> np.ndarray:
    """Integrate the slide (T, 3) of standing foot points from their errors `off_m` (T, 2, K, 3).

    The slide stays constant while no foot stands.
    """
    weights = np.minimum(observation.standing[1:], observation.standing[:-1])
    steps_m = (np.diff(off_m, axis=0) * weights[..., None]).sum((1, 2))
    steps_m /= np.maximum(weights.sum((1, 2)), 1e-9)[:, None]
    return np.concatenate([np.zeros((1, 3)), np.cumsum(steps_m, axis=0)])
