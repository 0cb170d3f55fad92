"""Rules of continuity: jitter, spikes, splices, frames that repeat, and motions that do not move."""

import numpy as np
from scipy.ndimage import median_filter

from .findings import Measurement, find_runs
from .motion_features import MotionFeatures

_WINDOW_S = 0.5
_NOISE_RATIO = 2.0
"""Of fourth to second differences; that of white noise is √(70/6) = 3.4, that of a motion sampled finely near 0."""


def noise_m(features: MotionFeatures) -> Measurement:
    """White noise on the median joint's place, its standard deviation in a direction, half a second around each frame.

    Fourth differences of places measure it; where they are not much larger than second differences, as those of noise
    are and those of fast motion are not, there is none.
    """
    if len(features) < 9:
        return Measurement.empty()
    second, fourth = (_level(features, order) for order in (2, 4))
    level = np.where(fourth > _NOISE_RATIO * second, fourth / np.sqrt(70.0), 0.0)
    return Measurement(np.pad(np.median(level, axis=1), (2, 2), mode="edge")[:, None], ("body",))


def _level(features: MotionFeatures, order: int) -> np.ndarray:
    """(T − 4, B) typical size in a direction of the differences of an order, around frames 2 to T − 3."""
    differences = np.linalg.norm(np.diff(features.body_m, order, axis=0), axis=-1) / np.sqrt(3.0)
    inner = differences[1:-1] if order == 2 else differences
    window = min(len(inner), max(5, round(_WINDOW_S * features.fps)))
    return median_filter(inner, size=(window, 1), mode="nearest")


_STEP_S, _LONGER_S, _GROWS = 1 / 30, 0.1, 3.0
"""Time between places whose differences show a random walk, a longer one, and a least growth from one to the other.
That growth is of the squared remainder that a body's motion leaves. It is 6 times and more in CMU's training clips of
runners."""

_MEDIAN_OF_TWO = float(np.sqrt(2 * np.log(2)))
"""Median length of vectors of two standard normal numbers."""


def wandering_m(features: MotionFeatures) -> Measurement:
    """How far a random walk along the floor takes the whole body within a second.

    Steps of such a walk are independent of each other and common to all joints, those of standing feet included. A
    body's motion moves its joints apart, so fourth differences of places leave little in common. That remainder grows
    with the time between places, whereas that of a random walk stays. So the part that grows belongs to the body.
    """
    near, far = (max(frames, round(seconds * features.fps)) for frames, seconds in ((1, _STEP_S), (2, _LONGER_S)))
    if len(features) < 6 * far:
        return Measurement.empty()
    near_m, far_m = (_shared_random_walk_m(features, stride) for stride in (near, far))
    own_m2 = max(far_m**2 - near_m**2, 0.0) / _GROWS
    return Measurement.from_scalar(float(np.sqrt(max(near_m**2 - own_m2, 0.0))))


def _shared_random_walk_m(features: MotionFeatures, stride: int) -> float:
    """Size within a second of the random walk, a step in so many frames, with the body's fourth differences."""
    places_m = features.body_m[..., [0, 2]]
    count = len(places_m) - 4 * stride
    fourth = sum(
        sign * places_m[step * stride : step * stride + count] for step, sign in enumerate((1.0, -4.0, 6.0, -4.0, 1.0))
    )
    together_m = np.linalg.norm(np.median(fourth, axis=1), axis=1)
    deviation_m = float(np.median(together_m)) / (_MEDIAN_OF_TWO * np.sqrt(20.0))  # of steps: 1, −3, 3, −1 of them
    return deviation_m * float(np.sqrt(features.fps / stride))


def speed_m_s(features: MotionFeatures) -> Measurement:
    """Speeds of joints until the next frame."""
    if len(features) < 2:
        return Measurement.empty()
    speeds = np.linalg.norm(features.steps_m, axis=-1) * features.fps
    return Measurement(np.vstack([speeds, speeds[-1:] * 0]), features.names)


def spike_m(features: MotionFeatures) -> Measurement:
    """How far a joint is from the middle between its places one frame before and after, if it goes there and back.

    The share of the way out that is also the way back counts, so that fast limbs on their way do not.
    """
    if len(features) < 3:
        return Measurement.empty()
    out, back = features.steps_m[:-1], -features.steps_m[1:]
    lengths = np.linalg.norm(out, axis=-1), np.linalg.norm(back, axis=-1)
    along = np.einsum("tji,tji->tj", out, back) / np.maximum(np.maximum(*lengths), 1e-9)
    return Measurement(np.pad(np.maximum(along, 0.0), ((1, 1), (0, 0))), features.names)


def jump_m(features: MotionFeatures) -> Measurement:
    """How much further the body's joints go in one step than in the longer one of the steps around it, on average."""
    if len(features) < 4:
        return Measurement.empty()
    steps = features.steps_m
    around = (steps[:-2] + steps[2:]) / 2
    excess = np.linalg.norm(steps[1:-1] - around, axis=-1) - np.linalg.norm(steps[2:] - steps[:-2], axis=-1)
    mean = np.maximum(excess, 0.0).mean(axis=1)
    return Measurement(np.pad(mean, (2, 1))[:, None], ("body",))


def frozen_frames(features: MotionFeatures) -> Measurement:
    """Of how many frames in a row, each, nothing differs from the one before, while the body moves elsewhere."""
    if len(features) < 3:
        return Measurement.empty()
    still = np.abs(features.steps_m).max(axis=(1, 2)) < 1e-6
    if still.all():
        return Measurement.empty()
    repeated = np.zeros(len(features))
    for start, stop in find_runs(still):
        repeated[start + 1 : stop + 1] = stop - start
    return Measurement(repeated[:, None], ("body",))


def stillness_m(features: MotionFeatures) -> Measurement:
    """How little the most moving joint moves, as the negative of its range."""
    return (
        Measurement.from_scalar(-float(np.ptp(features.body_m, axis=0).max()))
        if len(features) > 1
        else Measurement.empty()
    )
