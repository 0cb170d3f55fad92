"""Rules of continuity: jitter, spikes, splices, repeated frames, and motions that do not move."""

from math import comb

import numpy as np

from ..geometry.filters import FRAME_S, median_filter1d
from ..geometry.rotations import invert, rotate
from ..geometry.runs import find_runs
from ..geometry.vectors import median, norms, standard_lengths
from ..perception.joint_noise import JointNoise
from ..perception.motion_features import MotionFeatures
from .findings import Measurement

_WINDOW_S = 0.5
_MAX_SHAKING_SHARE = 0.5
"""Maximum share of joints that shake individually; if more do, the body shakes."""
_NOISE_RATIO = 2.0
"""Minimum ratio of fourth to second differences in noise. White noise has √(70/6) = 3.4, a finely sampled motion
nearly 0."""


def shaking_m(features: MotionFeatures) -> Measurement | None:
    """Measure white noise in positions.

    The body's is that of the median joint. A single joint's is measured at the end of the limb that it moves, and
    counts only if at most half of all joints shake.
    """
    body_m = noise_m(features)
    if body_m is None:
        return None
    ends_m = JointNoise.from_motion(features.given).ends_m
    joints = np.flatnonzero(ends_m)
    if len(joints) > _MAX_SHAKING_SHARE * len(ends_m):
        joints = joints[:0]
    names = features.given.skeleton.names
    ends_by_frame_m = np.tile(ends_m[joints], (len(features), 1))
    return Measurement(np.column_stack([body_m, ends_by_frame_m]), ("body", *(names[joint] for joint in joints)))


def noise_m(features: MotionFeatures) -> np.ndarray | None:
    """Measure the median joint's white noise (T,).

    It is the standard deviation per axis over half a second, estimated from fourth differences of positions. It is 0
    unless these are much larger than second differences, which is the case for noise but not for fast motion.
    """
    if len(features) < 9:
        return None
    second = _difference_level(features, 2)
    fourth = _difference_level(features, 4)
    level = np.where(fourth > _NOISE_RATIO * second, fourth / np.sqrt(comb(8, 4)), 0.0)
    level_of_median_joint = median(level, axis=1)
    return np.pad(level_of_median_joint, (2, 2), mode="edge")


def _difference_level(features: MotionFeatures, order: int) -> np.ndarray:
    """Return the typical size of differences of one order.

    It is (T − 4, B), per axis, for frames 2 to T − 3.
    """
    differences = norms(np.diff(features.body_m, order, axis=0)) / np.sqrt(3.0)
    inner = differences[1:-1] if order == 2 else differences
    window = min(len(inner), max(5, round(_WINDOW_S * features.fps)))
    return median_filter1d(inner, window, axis=0, mode="nearest")


_MIN_GROWTH = 3.0
"""Minimum growth of the squared remainder from the shorter to the longer time. For runners in CMU's training clips, it
is 6 and more."""


def wandering_m(features: MotionFeatures) -> float | None:
    """Measure how far the whole body random-walks within a second.

    Steps of such a walk along the floor are independent of each other and common to all joints, even those of standing
    feet. The body's own motion moves joints relative to each other, so fourth differences of positions leave little
    that all joints have in common. This remainder grows with the time between positions, while that of a random walk
    does not. So the part that grows is attributed to the body.
    """
    short_stride = max(1, round(FRAME_S * features.fps))
    long_stride = max(2, round(3 * FRAME_S * features.fps))
    if len(features) < 6 * long_stride:
        return None
    short_m = _shared_random_walk_m(features, short_stride)
    long_m = _shared_random_walk_m(features, long_stride)
    body_m2 = max(long_m**2 - short_m**2, 0.0) / _MIN_GROWTH
    return float(np.sqrt(max(short_m**2 - body_m2, 0.0)))


def _shared_random_walk_m(features: MotionFeatures, stride: int) -> float:
    """Measure the shared random walk within a second.

    The walk has a step every `stride` frames. The result includes the body's remainder.
    """
    differences_m = features.body_m[..., [0, 2]]
    for _ in range(4):
        differences_m = differences_m[stride:] - differences_m[:-stride]
    lengths_m = standard_lengths(median(differences_m, axis=1), 2)
    # A fourth difference of positions is a third difference of steps.
    deviation_m = float(median(lengths_m)) / np.sqrt(comb(6, 3))
    return deviation_m * float(np.sqrt(features.fps / stride))


def speed_m_s(features: MotionFeatures) -> Measurement:
    """Return joint speeds until the next frame."""
    speeds = norms(features.steps_m) * features.fps
    return Measurement(np.vstack([speeds, speeds[-1:] * 0]), features.names)


def spike_m(features: MotionFeatures) -> Measurement:
    """Measure how far a joint goes out and back within two frames.

    Only the part of the way out that is also the way back counts, so that fast limbs do not.
    """
    step_out = features.steps_m[:-1]
    step_back = -features.steps_m[1:]
    longer = np.maximum(norms(step_out), norms(step_back))
    along = np.einsum("tji,tji->tj", step_out, step_back) / np.maximum(longer, 1e-9)
    return Measurement(np.pad(np.maximum(along, 0.0), ((1, 1), (0, 0))), features.names)


def jump_m(features: MotionFeatures) -> np.ndarray:
    """Measure how far the whole body jumps in a step.

    Jumps count whether the body stays there or comes back at once.
    """
    spike_of_median_joint_m = median(spike_m(features).values, axis=1)
    return np.maximum(_splice_m(features), spike_of_median_joint_m)


def _splice_m(features: MotionFeatures) -> np.ndarray:
    """Measure splices (T,): how far joints jump on average."""
    return _measure_jumps_m(features.body_m).mean(axis=1)


def limb_jump_m(features: MotionFeatures) -> Measurement:
    """Measure how far a part of the body jumps in a step.

    It has to jump both as seen from the hips and in the world: feet that stand seem to jump if the hips do, and all
    parts of a body jump if it goes on elsewhere. Limbs accelerate more between frames that are further apart.
    """
    hips = features.skeleton.joint("pelvis") or 0
    to_hips = invert(features.orientations(hips))[:, None]
    seen_m = rotate(to_hips, features.body_m - features.find_places_m([hips]))
    jumps_m = np.minimum(_measure_jumps_m(seen_m), _measure_jumps_m(features.body_m))
    return Measurement(jumps_m * min(1.0, FRAME_S * features.fps), features.names)


def _measure_jumps_m(points_m: np.ndarray) -> np.ndarray:
    """Measure how far points jump onto each frame, (T, K).

    The value is how much further a point (T, K, 3) goes in a step than in the steps around it. The first and the last
    step have only one neighbour, which must tell of their change as well, so it counts twice.
    """
    steps_m = np.diff(points_m, axis=0)
    around_m = (steps_m[:-2] + steps_m[2:]) / 2
    inside_m = norms(steps_m[1:-1] - around_m) - norms(steps_m[2:] - steps_m[:-2])
    first_m = norms(steps_m[0] - steps_m[1]) - 2 * norms(steps_m[1] - steps_m[2])
    last_m = norms(steps_m[-1] - steps_m[-2]) - 2 * norms(steps_m[-2] - steps_m[-3])
    jumps_m = np.concatenate([first_m[None], inside_m, last_m[None]])
    return np.pad(np.maximum(jumps_m, 0.0), ((1, 0), (0, 0)))


def frozen_frames(features: MotionFeatures) -> np.ndarray | None:
    """Return how many identical frames each frame belongs to.

    Returns None if the body never moves.
    """
    is_still = np.abs(features.steps_m).max(axis=(1, 2)) < 1e-6
    if is_still.all():
        return None
    repeated = np.zeros(len(features))
    for start, stop in find_runs(is_still):
        repeated[start + 1 : stop + 1] = stop - start
    return repeated


def stillness_m(features: MotionFeatures) -> float:
    """Measure how little the body moves: minus the largest range of any joint."""
    return -float(np.ptp(features.body_m, axis=0).max())
