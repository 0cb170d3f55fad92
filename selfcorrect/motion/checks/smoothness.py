"""Rules of continuity: jitter, spikes, splices, frames that repeat, and motions that do not move."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import median_filter

from selfcorrect.motion.checks.findings import Measured, runs
from selfcorrect.motion.checks.sight import Sight

_WINDOW_S = 0.5
_NOISE_RATIO = 2.0
"""Of fourth to second differences; that of white noise is √(70/6) = 3.4, that of a motion sampled finely near 0."""


def noise_m(sight: Sight) -> Measured:
    """White noise on the median joint's place, its standard deviation in a direction, half a second around each frame.

    Fourth differences of places tell it; where they are not much larger than second differences, as those of noise are
    and those of fast motion are not, there is none.
    """
    if len(sight) < 9:
        return Measured.nothing()
    second, fourth = (_level(sight, order) for order in (2, 4))
    level = np.where(fourth > _NOISE_RATIO * second, fourth / np.sqrt(70.0), 0.0)
    return Measured(np.pad(np.median(level, axis=1), (2, 2), mode="edge")[:, None], ("body",))


def _level(sight: Sight, order: int) -> np.ndarray:
    """(T − 4, B) typical size in a direction of the differences of an order, around frames 2 to T − 3."""
    differences = np.linalg.norm(np.diff(sight.body_m, order, axis=0), axis=-1) / np.sqrt(3.0)
    inner = differences[1:-1] if order == 2 else differences
    window = min(len(inner), max(5, round(_WINDOW_S * sight.fps)))
    return median_filter(inner, size=(window, 1), mode="nearest")


def speed_m_s(sight: Sight) -> Measured:
    """Speeds of joints until the next frame."""
    if len(sight) < 2:
        return Measured.nothing()
    speeds = np.linalg.norm(sight.steps_m, axis=-1) * sight.fps
    return Measured(np.vstack([speeds, speeds[-1:] * 0]), sight.names)


def out_and_back_m(sight: Sight) -> Measured:
    """How far a joint is from the middle between its places one frame before and after, if it goes there and back.

    The share of the way out that is also the way back counts, so that fast limbs on their way do not.
    """
    if len(sight) < 3:
        return Measured.nothing()
    out, back = sight.steps_m[:-1], -sight.steps_m[1:]
    lengths = np.linalg.norm(out, axis=-1), np.linalg.norm(back, axis=-1)
    along = np.einsum("tji,tji->tj", out, back) / np.maximum(np.maximum(*lengths), 1e-9)
    return Measured(np.pad(np.maximum(along, 0.0), ((1, 1), (0, 0))), sight.names)


def jump_m(sight: Sight) -> Measured:
    """How much further the body's joints go in one step than in the longer one of the steps around it, on average."""
    if len(sight) < 4:
        return Measured.nothing()
    steps = sight.steps_m
    around = (steps[:-2] + steps[2:]) / 2
    excess = np.linalg.norm(steps[1:-1] - around, axis=-1) - np.linalg.norm(steps[2:] - steps[:-2], axis=-1)
    mean = np.maximum(excess, 0.0).mean(axis=1)
    return Measured(np.pad(mean, (2, 1))[:, None], ("body",))


def frozen_frames(sight: Sight) -> Measured:
    """Of how many frames in a row, each, nothing differs from the one before, while the body moves elsewhere."""
    if len(sight) < 3:
        return Measured.nothing()
    still = np.abs(sight.steps_m).max(axis=(1, 2)) < 1e-6
    if still.all():
        return Measured.nothing()
    repeated = np.zeros(len(sight))
    for start, stop in runs(still):
        repeated[start + 1 : stop + 1] = stop - start
    return Measured(repeated[:, None], ("body",))


def stillness_m(sight: Sight) -> Measured:
    """How little the most moving joint moves, as the negative of its range."""
    return Measured.whole(-float(np.ptp(sight.body_m, axis=0).max())) if len(sight) > 1 else Measured.nothing()
