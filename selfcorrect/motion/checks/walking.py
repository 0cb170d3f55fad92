"""How fast, and how evenly, time runs while people walk.

Over each standing leg a walking body is an inverted pendulum, whose period follows from gravity and the length of the
leg: played faster, its acceleration would tip it over. The pace follows from how much faster that would be: when the
zero moment point, through which the floor's force has to go, leaves the soles (Vukobratović and Borovac 2004,
"Zero-Moment Point: thirty five years of its life"). Walkers of all speeds keep about the same distance from that.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.ndimage import gaussian_filter1d

from .findings import Measurement, find_runs
from .floor import GRAVITY_M_S2, LOW_M, OTHERS_LOW_M
from .motion_features import MotionFeatures
from .smoothness import noise_m

_SHORTEST_STEP, _ASTRIDE = 0.45, 0.12
"""Least length of a step, and distance of the ankles within it, in lengths of a leg."""

_FORWARDS, _FLIGHT_M, _FEWEST_STEPS = 0.85, 0.03, 3
"""A step goes where the hips face (least cosine), without a flight; so many in a row are a walk."""

_ANKLE_M = 0.07
"""Height of an ankle above the sole."""

_WAY_S, _STRIDE_S, _FORCE_S = 0.25, 0.04, 0.05
"""Standard deviations of the Gaussians that smooth the way, the stride, and the places that give accelerations."""

_ENDS_S, _FEWEST_FRAMES, _NOISY_M = 0.12, 8, 0.004
"""At the ends accelerations are unknown, and noisier motions have those of the noise."""

_OUTSIDE, _FURTHEST_M, _USUAL = 0.045, 0.15, 0.726
"""Root mean square of the distance from the soles, in lengths of a leg, at which a walk would tip over; the largest
distance that counts; and the pace, over the recorded one, at which CMU's walking training clips get there. Of these
clips, 40 of 41 get there within 10 %, whatever their speed."""

_USUAL_RATIOS = (1.19, 1.65)
"""5th and 95th percentile of the walk ratio in CMU's training clips; slow motion has more, fast motion less."""

_UPRIGHT, _STRAIGHT, _LIFTS = 0.94, 0.935, (0.12, 0.32)
"""A walk of usual style: least cosine of the trunk's angle to the vertical, least length of the longer leg over that of
a straight one in three quarters of the frames, and how much higher one ankle gets than the other, in lengths of a leg.
In CMU's training walks the last is 0.17 to 0.24, and the second is above 0.945."""

_PACES = np.exp(np.linspace(np.log(0.25), np.log(4.0), 81))

_DIRECTIONS = np.stack([(np.cos(angle), np.sin(angle)) for angle in np.arange(16) * np.pi / 8])

_REGULAR, _ENOUGH_STEPS = 0.1, 4
"""Steps that are so regular in length (standard deviation of its logarithm), and so many, should be so in time."""


@dataclass(frozen=True, eq=False)
class Walk:
    """K steps of a walk: frames (K + 1,), not whole, in which the feet are furthest apart, and lengths (K,)."""

    frames: np.ndarray
    lengths: np.ndarray
    """In lengths of a leg."""
    leg_m: float

    def __len__(self) -> int:
        return len(self.lengths)


def find_longest_walk(features: MotionFeatures) -> Walk | None:
    """The most steps in a row with which a body walks forwards on the floor; None where there are fewer than three."""
    places = features.places("pelvis", "left_hip", "right_hip", "left_knee", "left_ankle", "right_ankle")
    if places is None or not features.has_feet or len(features) < _FEWEST_FRAMES:
        return None
    pelvis_m, left_hip_m, right_hip_m, knee_m, left_m, right_m = np.moveaxis(places, 1, 0)
    leg_m = float(np.median(_length(knee_m - left_hip_m) + _length(left_m - knee_m))) + _ANKLE_M
    forwards = _forwards(left_hip_m - right_hip_m, features.fps)
    apart_m = _smooth(np.einsum("ti,ti->t", (left_m - right_m)[:, [0, 2]], forwards), _STRIDE_S, features.fps)
    turns = _find_turning_frames(apart_m, _ASTRIDE * leg_m)
    if len(turns) <= _FEWEST_STEPS:
        return None
    way_m = np.diff(_smooth(pelvis_m[:, [0, 2]], _WAY_S, features.fps)[turns], axis=0)
    steps = _length(way_m) > _SHORTEST_STEP * leg_m
    steps &= np.einsum("ti,ti->t", way_m, forwards[turns[:-1]]) > _FORWARDS * _length(way_m)
    steps &= apart_m[turns[:-1]] * apart_m[turns[1:]] < 0
    clear = features.clear_m > _FLIGHT_M
    flown = [clear[start:stop].any() for start, stop in pairwise(turns)]
    steps &= np.logical_not(np.array(flown, dtype=bool))
    start, stop = max(find_runs(steps), key=lambda run: run[1] - run[0], default=(0, 0))
    if stop - start < _FEWEST_STEPS:
        return None
    return Walk(_find_peaks(apart_m, turns[start : stop + 1]), _length(way_m[start:stop]) / leg_m, leg_m)


def _length(vectors: np.ndarray) -> np.ndarray:
    return np.linalg.norm(vectors, axis=-1)


def _smooth(values: np.ndarray, seconds: float, fps: float) -> np.ndarray:
    return gaussian_filter1d(values, seconds * fps, axis=0, mode="nearest")


def _forwards(leftwards_m: np.ndarray, fps: float) -> np.ndarray:
    """(T, 2) unit vectors, x and z, to where hips face whose left one is (T, 3) from the right one."""
    facing = _smooth(np.stack([-leftwards_m[:, 2], leftwards_m[:, 0]], axis=1), _WAY_S, fps)
    return facing / np.maximum(_length(facing), 1e-9)[:, None]


def _find_turning_frames(values: np.ndarray, least: float) -> np.ndarray:
    """Frames in which values (T,) further from 0 than `least` turn back."""
    slopes = np.diff(values)
    turn = np.flatnonzero((slopes[:-1] * slopes[1:] <= 0) & (slopes[:-1] != 0)) + 1
    return turn[np.abs(values[turn]) > least]


def _find_peaks(values: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Where between frames the peaks of values (T,) are, by a parabola."""
    before, at, after = values[frames - 1], values[frames], values[frames + 1]
    bend = before - 2 * at + after
    return frames + np.where(np.abs(bend) > 1e-12, 0.5 * (before - after) / np.where(bend == 0, 1.0, bend), 0.0)


def walking_pace(features: MotionFeatures) -> float | None:
    """Playback speed relative to real time in a walk; None where it cannot be determined.

    A walk that tips over at no pace tried, or at all of them, determines none.
    """
    walk = find_longest_walk(features)
    if walk is None or _is_noisy(features):
        return None
    ends = round(_ENDS_S * features.fps)
    start, stop = max(int(walk.frames[0]), ends), min(int(walk.frames[-1]) + 1, len(features) - ends)
    outside_m = _outside_m(features, slice(start, max(start, stop)))
    if outside_m.shape[1] < _FEWEST_FRAMES:
        return None
    mean_m = np.sqrt((np.minimum(outside_m, _FURTHEST_M) ** 2).mean(axis=1))
    tips_over = mean_m > _OUTSIDE * walk.leg_m  # at paces that are so much slower than that of the file
    if not tips_over.any() or tips_over[-1]:
        return None
    last = int(np.flatnonzero(tips_over)[-1])
    share = np.interp(_OUTSIDE * walk.leg_m, mean_m[[last + 1, last]], [1.0, 0.0])
    return float(np.exp((1 - share) * np.log(_PACES[last]) + share * np.log(_PACES[last + 1]))) / _USUAL


def walks_at_another_pace(features: MotionFeatures) -> bool:
    """Whether the steps of a walk are so long for their number, or so short, that time runs slowly or fast.

    Walks of other styles have other steps at the pace of real time, and are no pendulums: they show nothing.
    """
    walk = find_longest_walk(features)
    if walk is None or not _has_usual_style(features, walk):
        return False
    return not _USUAL_RATIOS[0] <= walk_ratio(walk, features.fps) <= _USUAL_RATIOS[1]


def _has_usual_style(features: MotionFeatures, walk: Walk) -> bool:
    """Whether people walk upright, over straight legs, and lift the feet as usual."""
    places = features.places("pelvis", "neck", "left_hip", "right_hip", "left_ankle", "right_ankle")
    assert places is not None, "who walks has legs"
    places = places[int(walk.frames[0]) : int(walk.frames[-1]) + 1]
    trunk_m, legs_m = places[:, 1] - places[:, 0], places[:, 2:4] - places[:, 4:]
    upright = np.median(trunk_m[:, 1] / np.maximum(_length(trunk_m), 1e-9))
    straight = np.percentile(_length(legs_m).max(axis=1), 25) / (walk.leg_m - _ANKLE_M)
    lift = np.abs(places[:, 4, 1] - places[:, 5, 1]).max() / walk.leg_m
    return bool(upright > _UPRIGHT and straight > _STRAIGHT and _LIFTS[0] < lift < _LIFTS[1])


def walk_ratio(walk: Walk, fps: float) -> float:
    """Length of a walk's steps over their frequency, both without units: people keep it while they walk at any speed.

    Sekiya and Nagasaki 1998, "Reproducibility of the walking patterns of normal young adults".
    """
    step_s = float(np.median(np.diff(walk.frames))) / fps
    return float(np.median(walk.lengths)) * step_s * float(np.sqrt(GRAVITY_M_S2 / walk.leg_m))


def _is_noisy(features: MotionFeatures) -> bool:
    noise = noise_m(features).values
    return noise.size > 0 and float(np.median(noise)) > _NOISY_M


def _outside_m(features: MotionFeatures, span: slice) -> np.ndarray:
    """(P, F) distance of the zero moment point from the convex hull of the soles on the floor, if time ran `_PACES`
    times too fast. Only frames of a span in which feet alone are down count.
    """
    places_m = _smooth(features.body_m - (0.0, features.ground_m, 0.0), _FORCE_S, features.fps)
    up_m_s2 = np.gradient(np.gradient(places_m, 1 / features.fps, axis=0), 1 / features.fps, axis=0)[span]
    places_m, soles_m, shares = places_m[span], features.soles_m[span], features.mass_shares
    low = soles_m[..., 1] < LOW_M
    feet_alone = low.any(axis=1) & (features.surface_m[0][span].min(axis=1, initial=np.inf) > OTHERS_LOW_M)
    reach_m = np.where(low[..., None], soles_m[..., [0, 2]] @ _DIRECTIONS.T, -np.inf).max(axis=1)
    # Σ m (g + a_y) z = Σ m (g x + a_y x − a_x y), with accelerations that fall with the square of the pace.
    weight_at_m = np.einsum("tji,j->ti", places_m[..., [0, 2]], shares)
    vertical = np.einsum("tj,tji,j->ti", up_m_s2[..., 1], places_m[..., [0, 2]], shares)
    moment = vertical - np.einsum("tji,tj,j->ti", up_m_s2[..., [0, 2]], places_m[..., 1], shares)
    lift_m_s2 = np.einsum("tj,j->t", up_m_s2[..., 1], shares)
    slower = (_PACES**-2)[:, None, None]
    force_m_s2 = np.maximum(GRAVITY_M_S2 + slower * lift_m_s2[:, None], 0.1 * GRAVITY_M_S2)
    points_m = (GRAVITY_M_S2 * weight_at_m + slower * moment) / force_m_s2
    return np.maximum((points_m @ _DIRECTIONS.T - reach_m).max(axis=-1), 0.0)[:, feet_alone]


def timing_unevenness(features: MotionFeatures) -> Measurement:
    """How uneven in time the steps of a walk are whose lengths are even: the standard deviation of their logarithm.

    Steps of a foot are compared with those of the same foot: who limps walks so.
    """
    walk = find_longest_walk(features)
    if walk is None or len(walk) < _ENOUGH_STEPS or float(np.log(walk.lengths).std()) > _REGULAR:
        return Measurement.empty()
    times = np.log(np.diff(walk.frames))
    times = np.concatenate([times[side::2] - times[side::2].mean() for side in (0, 1)])
    return Measurement.from_scalar(float(times.std()))
