"""Description of a motion for the reward: six visible features on a logarithmic scale."""

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.editing.transforms import resample
from selfcorrect.motion.geometry.kinematics import forward_kinematics
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.measures.physical import errors_of_poses
from selfcorrect.motion.motion import Motion, MotionBatch

FEATURE_FPS = 30.0
"""Jerk and skating depend on the frame rate, so all motions are described at the same rate."""

_FLOORS = {
    "penetration_m": 1e-3,
    "floating_m": 1e-3,
    "skate_m_s": 1e-2,
    "jerk_m_s3": 1.0,
    "limb_speed_m_s": 1e-2,
    "travel_speed_m_s": 1e-2,
}
"""Added to each figure before its logarithm is taken: what nobody sees."""

MOTION_FEATURES = tuple(_FLOORS)


def reward_features(batch: MotionBatch) -> np.ndarray:
    """(N, 6) logarithms of penetration, floating, skating, jerk, speed of the joints around the root, and its own."""
    if not np.isclose(batch.fps, FEATURE_FPS, rtol=1e-3):
        batch = MotionBatch.stack([resample(batch[row], FEATURE_FPS) for row in range(len(batch))])
    positions_m, orientations = forward_kinematics(batch.skeleton, batch.root_m, batch.rotations)
    errors = errors_of_poses(batch, positions_m, orientations)
    around_m_s = norms(np.diff(positions_m - positions_m[..., :1, :], axis=1)).mean(-1) * batch.fps
    travel_m_s = norms(np.diff(batch.root_m[..., [0, 2]], axis=1)) * batch.fps
    figures = {**vars(errors), "limb_speed_m_s": _mean(around_m_s, batch), "travel_speed_m_s": _mean(travel_m_s, batch)}
    return np.stack([np.log(figures[name] + floor) for name, floor in _FLOORS.items()], axis=1)


def features_or_none(motion: Motion) -> tuple[float, ...]:
    """Features of a motion; empty where its body has no feet to measure, or its numbers are not finite."""
    try:
        values = reward_features(MotionBatch.stack([motion]))[0]
    except InputError:
        return ()
    return tuple(values.tolist()) if np.isfinite(values).all() else ()


def _mean(values: np.ndarray, batch: MotionBatch) -> np.ndarray:
    """Means (N,) of values (N, T − 1) over the frames that count."""
    counted = np.arange(values.shape[1]) < batch.lengths[:, None] - 1
    return (values * counted).sum(1) / np.maximum(counted.sum(1), 1)
