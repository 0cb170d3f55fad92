"""Pace and regularity of time in walks.

Over each standing leg, a walking body is an inverted pendulum whose period follows from gravity and leg length. Played
faster, its accelerations would tip the body over: the zero moment point, through which the floor's force must pass,
would leave the soles (Vukobratović and Borovac 2004, "Zero-Moment Point: thirty five years of its life"). Walkers keep
about the same distance from that at all speeds. So the pace follows from how much faster the motion would have to be
played to tip over.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..body.surface import HIGH_SOLES_M, SOFT_PART_DEPTH_M
from ..geometry.filters import gaussian_filter1d
from ..geometry.runs import find_runs
from ..geometry.vectors import GRAVITY_M_S2, dot, median, normalize_safely, norms, percentile
from ..perception.foot_frames import IN_AIR_M
from ..perception.motion_features import STEP_SMOOTHING_S, MotionFeatures
from .smoothness import noise_m

_SHORTEST_STEP = 0.45
"""Minimum step length, in leg lengths."""
_ANKLES_APART = 0.12
"""Minimum distance between the ankles when a step turns, in leg lengths."""

_FORWARD_COSINE = 0.85
"""Minimum cosine between the step and the direction in front of the hips."""
_MIN_STEPS = 3
"""Minimum number of consecutive steps of a walk."""

_ANKLE_M = 0.07
"""Height of the ankle above the sole, in m."""

_ANKLE_SMOOTHING_S = 0.04
"""Smoothing time of the distance between the ankles, in s."""
_POSITION_SMOOTHING_S = 0.05
"""Smoothing time of positions before accelerations are computed, in s."""

_ENDS_S = 0.12
"""Time at either end for which accelerations are unknown, in s."""
_MIN_FRAMES = 8
"""Minimum number of frames that determine a pace."""
_MAX_FRAMES = 0.75
"""Minimum share of a walk's frames in which only feet are on the floor."""
_NOISY_M = 0.004
"""Maximum noise for usable accelerations, in m."""

_TIPPING_DISTANCE = 0.045
"""Distance of the zero moment point from the soles at which a walk tips over, in leg lengths, as root mean square."""
_FURTHEST_M = 0.15
"""Distance from the soles up to which it counts, in m."""
_USUAL_PACE = 0.726
"""Usual pace at which a walk tips over, relative to the recording. Of CMU's 41 walking training clips that tip over, 40
are within 10 %."""

_USUAL_RATIOS = (1.19, 1.65)
"""5th and 95th percentile of the walk ratio in CMU's training clips. In slow motion it is larger, in fast motion
smaller."""

_PACE_ERROR = 1.15
"""Factor by which a pendulum's pace may be wrong."""

_UPRIGHT_COSINE = 0.94
"""Minimum cosine between trunk and vertical in a usual walk."""
_LEG_EXTENSION = 0.935
"""Minimum extension of the longer leg, relative to a straight leg, in three quarters of the frames (CMU: above
0.945)."""
_ANKLE_LIFTS = (0.12, 0.32)
"""Range of the largest height of one ankle above the other, in leg lengths (CMU: 0.17 to 0.24)."""

_PACES = np.exp(np.linspace(np.log(0.25), np.log(4.0), 81))
"""Playback speeds that are tried."""

_DIRECTIONS = np.stack([(np.cos(angle), np.sin(angle)) for angle in np.arange(16) * np.pi / 8])

_MAX_LENGTH_SPREAD = 0.1
"""Maximum spread of even step lengths: the standard deviation of their logarithm."""
_MIN_TIMED_STEPS = 4
"""Minimum number of steps to judge the timing."""


@dataclass(frozen=True, eq=False)
class Walk:
    """A walk of K steps.

    `frames` (K + 1,) are fractional frames in which the feet are furthest apart; `lengths` (K,) are step lengths.
    """

    frames: np.ndarray
    lengths: np.ndarray
    """(K,) in leg lengths."""
    leg_m: float


def find_longest_walk(features: MotionFeatures) -> Walk | None:
    """Find the longest walk forward on the floor, or return None."""
    places = features.places("pelvis", "left_hip", "right_hip", "left_knee", "left_ankle", "right_ankle")
    if places is None or not features.has_feet or len(features) < _MIN_FRAMES:
        return None
    pelvis_m, left_hip_m, right_hip_m, knee_m, left_m, right_m = np.moveaxis(places, 1, 0)
    leg_m = float(median(norms(knee_m - left_hip_m) + norms(left_m - knee_m))) + _ANKLE_M
    forward = _find_forward(left_hip_m - right_hip_m, features.fps)
    ahead_m = dot((left_m - right_m)[:, [0, 2]], forward)
    apart_m = _smooth(ahead_m, _ANKLE_SMOOTHING_S, features.fps)
    turns = _find_turning_frames(apart_m, _ANKLES_APART * leg_m)
    if len(turns) <= _MIN_STEPS:
        return None
    path_m = _smooth(pelvis_m[:, [0, 2]], STEP_SMOOTHING_S, features.fps)
    steps_m = np.diff(path_m[turns], axis=0)
    is_step = norms(steps_m) > _SHORTEST_STEP * leg_m
    is_step &= dot(steps_m, forward[turns[:-1]]) > _FORWARD_COSINE * norms(steps_m)
    is_step &= apart_m[turns[:-1]] * apart_m[turns[1:]] < 0
    is_clear = features.clear_m > IN_AIR_M
    has_flight = [is_clear[start:stop].any() for start, stop in pairwise(turns)]
    is_step &= np.logical_not(np.array(has_flight, dtype=bool))
    start, stop = max(find_runs(is_step), key=lambda run: run[1] - run[0], default=(0, 0))
    if stop - start < _MIN_STEPS:
        return None
    return Walk(_find_peaks(apart_m, turns[start : stop + 1]), norms(steps_m[start:stop]) / leg_m, leg_m)


def _smooth(values: np.ndarray, seconds: float, fps: float) -> np.ndarray:
    return gaussian_filter1d(values, seconds * fps, axis=0, mode="nearest")


def _find_forward(leftwards_m: np.ndarray, fps: float) -> np.ndarray:
    """Return unit vectors (T, 2) in front of the hips, along x and z.

    They follow from vectors (T, 3) from the right to the left hip.
    """
    ahead_m = np.stack([-leftwards_m[:, 2], leftwards_m[:, 0]], axis=1)
    facing = _smooth(ahead_m, STEP_SMOOTHING_S, fps)
    return normalize_safely(facing)


def _find_turning_frames(values: np.ndarray, least: float) -> np.ndarray:
    """Find extrema of values (T,) that are beyond `least`.

    Values count by their distance from 0.
    """
    slopes = np.diff(values)
    turn = np.flatnonzero((slopes[:-1] * slopes[1:] <= 0) & (slopes[:-1] != 0)) + 1
    return turn[np.abs(values[turn]) > least]


def _find_peaks(values: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Find fractional peak frames of values (T,) near `frames`, by parabolas."""
    before = values[frames - 1]
    peak = values[frames]
    after = values[frames + 1]
    bend = before - 2 * peak + after
    shift = 0.5 * (before - after) / np.where(bend == 0, 1.0, bend)
    return frames + np.where(np.abs(bend) > 1e-12, shift, 0.0)


def walking_pace(features: MotionFeatures) -> float | None:
    """Measure playback speed relative to real time in a walk.

    Returns None if there is no usable walk, or if it tips over at none or at all of the paces that are tried.
    """
    walk = find_longest_walk(features)
    if walk is None or _is_noisy(features):
        return None
    ends = round(_ENDS_S * features.fps)
    start = max(int(walk.frames[0]), ends)
    stop = min(int(walk.frames[-1]) + 1, len(features) - ends)
    outside_m = _outside_m(features, slice(start, max(start, stop)))
    if outside_m.shape[1] < max(_MIN_FRAMES, _MAX_FRAMES * (stop - start)):
        return None
    mean_m = np.sqrt((np.minimum(outside_m, _FURTHEST_M) ** 2).mean(axis=1))
    tips_over = mean_m > _TIPPING_DISTANCE * walk.leg_m  # for each of `_PACES`
    if not tips_over.any() or tips_over[-1]:
        return None
    last = int(np.flatnonzero(tips_over)[-1])
    share = np.interp(_TIPPING_DISTANCE * walk.leg_m, mean_m[[last + 1, last]], [1.0, 0.0])
    log_pace = (1 - share) * np.log(_PACES[last]) + share * np.log(_PACES[last + 1])
    return float(np.exp(log_pace)) / _USUAL_PACE


def has_unusual_steps(features: MotionFeatures) -> bool:
    """Return whether steps have an unusual length for their frequency.

    Time then seems to run slowly or fast. Walks of other styles have other steps in real time and are not pendulums, so
    they do not count.
    """
    walk = find_longest_walk(features)
    if walk is None or not _has_usual_style(features, walk):
        return False
    return not _USUAL_RATIOS[0] <= walk_ratio(walk, features.fps) <= _USUAL_RATIOS[1]


def has_usual_steps_at(features: MotionFeatures, speed: float) -> bool:
    """Return whether steps would be usual at this speed, within a pendulum's error."""
    walk = find_longest_walk(features)
    if walk is None:
        return False
    shortest, longest = _USUAL_RATIOS
    return shortest / _PACE_ERROR <= walk_ratio(walk, features.fps) * speed <= longest * _PACE_ERROR


def _has_usual_style(features: MotionFeatures, walk: Walk) -> bool:
    """Return whether the walk has a usual style.

    The walker is upright, over straight legs, and lifts the feet as usual. Without a trunk, the style is unknown and
    the result false.
    """
    places = features.places("pelvis", "neck", "left_hip", "right_hip", "left_ankle", "right_ankle")
    if places is None:
        return False
    places = places[int(walk.frames[0]) : int(walk.frames[-1]) + 1]
    trunk_m = places[:, 1] - places[:, 0]
    legs_m = places[:, 2:4] - places[:, 4:]
    uprightness = median(trunk_m[:, 1] / np.maximum(norms(trunk_m), 1e-9))
    straightness = percentile(norms(legs_m).max(axis=1), 25) / (walk.leg_m - _ANKLE_M)
    lift = np.abs(places[:, 4, 1] - places[:, 5, 1]).max() / walk.leg_m
    return bool(
        uprightness > _UPRIGHT_COSINE and straightness > _LEG_EXTENSION and _ANKLE_LIFTS[0] < lift < _ANKLE_LIFTS[1]
    )


def walk_ratio(walk: Walk, fps: float) -> float:
    """Return the dimensionless ratio of step length to step frequency.

    People keep it constant at all walking speeds (Sekiya and Nagasaki 1998, "Reproducibility of the walking patterns of
    normal young adults").
    """
    step_s = float(median(np.diff(walk.frames))) / fps
    return float(median(walk.lengths)) * step_s * float(np.sqrt(GRAVITY_M_S2 / walk.leg_m))


def _is_noisy(features: MotionFeatures) -> bool:
    noise = noise_m(features)
    return noise is not None and float(median(noise)) > _NOISY_M


def _outside_m(features: MotionFeatures, span: slice) -> np.ndarray:
    """Return how far the zero moment point is outside the soles.

    Distances (P, F) are from the convex hull of the soles on the floor. There is one row for each of the P `_PACES`,
    with the F frames of the span in which only feet touch the floor.
    """
    places_m = _smooth(features.body_m - (0.0, features.ground_m, 0.0), _POSITION_SMOOTHING_S, features.fps)
    velocities_m_s = np.gradient(places_m, 1 / features.fps, axis=0)
    accelerations_m_s2 = np.gradient(velocities_m_s, 1 / features.fps, axis=0)[span]
    places_m = places_m[span]
    soles_m = features.soles_m[span]
    shares = features.mass_shares
    is_low = soles_m[..., 1] < HIGH_SOLES_M
    only_feet_touch = is_low.any(axis=1) & (features.lowest_surface_m[span] > SOFT_PART_DEPTH_M)
    sole_reach_m = soles_m[..., [0, 2]] @ _DIRECTIONS.T
    reach_m = np.where(is_low[..., None], sole_reach_m, -np.inf).max(axis=1)
    # Σ m (g + a_y) z = Σ m (g x + a_y x − a_x y), with accelerations that fall with the square of the pace.
    level_m = places_m[..., [0, 2]]
    weight_at_m = np.einsum("tji,j->ti", level_m, shares)
    vertical = np.einsum("tj,tji,j->ti", accelerations_m_s2[..., 1], level_m, shares)
    moment = vertical - np.einsum("tji,tj,j->ti", accelerations_m_s2[..., [0, 2]], places_m[..., 1], shares)
    lift_m_s2 = np.einsum("tj,j->t", accelerations_m_s2[..., 1], shares)
    slower = (_PACES**-2)[:, None, None]
    force_m_s2 = np.maximum(GRAVITY_M_S2 + slower * lift_m_s2[:, None], 0.1 * GRAVITY_M_S2)
    points_m = (GRAVITY_M_S2 * weight_at_m + slower * moment) / force_m_s2
    outside_m = (points_m @ _DIRECTIONS.T - reach_m).max(axis=-1)
    return np.maximum(outside_m, 0.0)[:, only_feet_touch]


def timing_unevenness(features: MotionFeatures) -> float | None:
    """Measure how uneven the durations of even steps are.

    It is the standard deviation of their logarithm, if their lengths are even. Steps are compared with others of the
    same foot because limping is asymmetric.
    """
    walk = find_longest_walk(features)
    if walk is None or len(walk.lengths) < _MIN_TIMED_STEPS or float(np.log(walk.lengths).std()) > _MAX_LENGTH_SPREAD:
        return None
    times = np.log(np.diff(walk.frames))
    times = np.concatenate([times[side::2] - times[side::2].mean() for side in (0, 1)])
    return float(times.std())
