"""An independent judge: the distribution of ankle paths.

The other measures of the feet share parts with the corrector: its soles, its floor and its rules for when a foot
stands. This judge knows none of them. It describes a motion by 24 statistics of its two ankle joints, in the world and
relative to the root joint, and compares samples with real motion by their energy distance. So an artefact counts
because real ankles do not move like that.

The statistics do not depend on heading or horizontal position. Heights are heights of joints in the world, so a body
that sinks differs from real motion without an estimate of the ground.
"""

import numpy as np

from ...core.errors import InputError
from ...statistics.energy import energy_distance
from ..geometry.vectors import norms
from ..kinematics import forward_kinematics
from ..motion import MotionBatch

STATISTICS = 24
"""Number of statistics: eleven of each ankle and two of both."""
_SPEED_M_S = 0.1
_ACCELERATION_M_S2 = 1.0
"""Speeds and accelerations count linearly up to these values and logarithmically beyond, as in `kinematic_features`."""
_LOW_SHARE = 0.25
"""Share of frames in which an ankle counts as low: those below this quantile of its own height."""


def ankle_statistics(batch: MotionBatch) -> np.ndarray:
    """Describe ankle paths.

    Eleven statistics of each ankle:

    * height in the world: 10 % quantile, median and 90 % quantile, in m;
    * horizontal speed: 10 % quantile, median, 90 % quantile, and the mean over the ankle's lowest quarter of frames;
    * vertical speed: mean;
    * acceleration: median;
    * relative to the root joint: mean height, in m, and mean speed.

    Two statistics of both ankles: the mean and the 90 % quantile of their horizontal distance, in m, which follow the
    step length. Speeds are logarithms over 0.1 m/s, accelerations over 1 m/s².

    Args:
        batch: N motions of equal length, with at least 3 frames.

    Returns:
        (N, 24) statistics, not standardised; left ankle first.

    Raises:
        InputError: The skeleton has no ankles, or the motions have too few frames.
    """
    ankles = batch.skeleton.pair("ankle")
    if ankles is None:
        raise InputError("statistics of ankles need a skeleton with a left and a right ankle")
    if batch.root_m.shape[1] < 3:
        raise InputError(f"statistics of ankles need at least 3 frames, got {batch.root_m.shape[1]}")
    positions_m, _ = forward_kinematics(batch.skeleton, batch.root_m, batch.rotations, ankles)
    velocities_m_s = np.diff(positions_m, axis=1) * batch.fps
    accelerations_m_s2 = norms(np.diff(velocities_m_s, axis=1) * batch.fps)
    from_root_m = positions_m - batch.root_m[:, :, None]
    from_root_m_s = norms(np.diff(from_root_m, axis=1) * batch.fps)
    heights_m = positions_m[..., 1]
    horizontal_m_s = norms(velocities_m_s[..., [0, 2]])
    middle_heights_m = (heights_m[:, 1:] + heights_m[:, :-1]) / 2
    is_low = middle_heights_m <= np.quantile(middle_heights_m, _LOW_SHARE, axis=1, keepdims=True)
    low_m_s = np.sum(horizontal_m_s * is_low, axis=1) / is_low.sum(axis=1)
    of_each = [
        *np.quantile(heights_m, (0.1, 0.5, 0.9), axis=1),
        *np.log1p(np.quantile(horizontal_m_s, (0.1, 0.5, 0.9), axis=1) / _SPEED_M_S),
        np.log1p(low_m_s / _SPEED_M_S),
        np.log1p(np.abs(velocities_m_s[..., 1]).mean(axis=1) / _SPEED_M_S),
        np.log1p(np.median(accelerations_m_s2, axis=1) / _ACCELERATION_M_S2),
        from_root_m[..., 1].mean(axis=1),
        np.log1p(from_root_m_s.mean(axis=1) / _SPEED_M_S),
    ]
    apart_m = norms((positions_m[:, :, 0] - positions_m[:, :, 1])[..., [0, 2]])
    of_both = np.stack([apart_m.mean(axis=1), np.quantile(apart_m, 0.9, axis=1)], axis=1)
    return np.concatenate([np.stack(of_each, axis=-1).reshape(len(batch), -1), of_both], axis=1)


def ankle_distance(reference: np.ndarray, candidate: np.ndarray) -> float:
    """Return the energy distance of ankle statistics (M, 24) to those of real motion (N, 24).

    Each statistic is standardised by the mean and the standard deviation of real motion. A statistic that does not vary
    in real motion keeps its unit.
    """
    mean = reference.mean(axis=0)
    deviation = reference.std(axis=0)
    scale = np.where(deviation > 1e-9, deviation, 1.0)
    return energy_distance((reference - mean) / scale, (candidate - mean) / scale)
