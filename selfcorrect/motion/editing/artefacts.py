"""Known artefacts, added on purpose to test measures and correctors.

Measures should notice these artefacts, and correctors should remove them.
"""

from dataclasses import replace

import numpy as np

from ..geometry.rotations import compose, quaternions
from ..motion import MotionBatch


def raise_bodies(batch: MotionBatch, height_m: float | np.ndarray) -> MotionBatch:
    """Raise motions above the floor.

    `height_m` is common to all, or one per motion (N,). Negative heights lower them.
    """
    heights_m = np.broadcast_to(height_m, len(batch))
    return _move(batch, heights_m[:, None, None] * (0.0, 1.0, 0.0))


def offset_heights(batch: MotionBatch, deviation_m: float, rng: np.random.Generator) -> MotionBatch:
    """Offset each motion's height by a Gaussian with this standard deviation."""
    return raise_bodies(batch, deviation_m * rng.standard_normal(len(batch)))


def slide_bodies(batch: MotionBatch, speed_m_s: float, rng: np.random.Generator) -> MotionBatch:
    """Slide each body along the floor at constant speed, in a random direction."""
    angles = rng.uniform(0, 2 * np.pi, len(batch))
    directions = np.stack([np.cos(angles), np.zeros(len(batch)), np.sin(angles)], axis=-1)
    times_s = np.arange(batch.root_m.shape[1]) / batch.fps
    return _move(batch, speed_m_s * times_s[:, None] * directions[:, None])


def jitter_roots(batch: MotionBatch, deviation_m: float, rng: np.random.Generator) -> MotionBatch:
    """Add independent Gaussian noise to each root coordinate in each frame."""
    return _move(batch, deviation_m * rng.standard_normal(batch.root_m.shape))


def jitter_joints(batch: MotionBatch, deviation_rad: float, rng: np.random.Generator) -> MotionBatch:
    """Add independent Gaussian rotation noise to each joint in each frame.

    `deviation_rad` is the standard deviation about each of the three axes.
    """
    turns = quaternions(deviation_rad * rng.standard_normal((*batch.rotations.shape[:-1], 3)))
    return replace(batch, rotations=compose(batch.rotations, turns))


def _move(batch: MotionBatch, offsets_m: np.ndarray) -> MotionBatch:
    return replace(batch, root_m=batch.root_m + offsets_m)
