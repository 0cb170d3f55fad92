"""Calm body parts that shake for a stretch of time.

Only that stretch and that part of the body change. Trunk, arms, legs and root are observed at points that show their
motion relative to the joint where they are attached. White noise of variance r has fourth differences of variance 70 r
and second differences of variance 6 r, whereas fourth differences of motion are smaller. A part shakes while both give
the same r, and r is larger than usual and than that of other parts.

Rotations x of a shaking part are replaced by the curve u that minimises Σ |u − x|² + r / q Σ |Δ²u|², where q is the
variance of second differences at other times: the Kalman smoother of a body whose velocity changes by white noise.
Outside the stretch, u = x.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from selfcorrect.motion.geometry.curves import smooth_whittaker
from selfcorrect.motion.geometry.filters import FRAME_S, median_filter1d
from selfcorrect.motion.geometry.rotations import compose, identity_rotations, rotate
from selfcorrect.motion.geometry.runs import find_runs
from selfcorrect.motion.geometry.vectors import median, norms
from selfcorrect.motion.kinematics import joint_positions, make_continuous
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import SIDES, Skeleton

_TRUNK = ("spine1", "spine2", "spine3", "neck", "head")
_LIMBS = (("arm", ("elbow", "wrist"), "wrist"), ("leg", ("ankle",), "foot"))
"""Kinds of limbs, with the joints that are observed, and the last joint that belongs to the limb."""
_TO_SIGMA = 1 / 1.5382
"""Ratio of the standard deviation of a component to the median length, for normal vectors in space."""
_FIXED_WEIGHT = 1e6
"""Weight of the frames around a stretch."""
_MIN_VARIANCE = 1e-8
"""Variance below which a channel has no noise, in m² or squared components of quaternions."""
_MAX_SMOOTHNESS = 1e4
"""Maximum ratio r / q. Such a part moves as slowly as the frames of ten steps show."""

_WINDOW_S = 0.25
"""Half window of local noise, and minimum time for which parts shake, in s."""
_MIN_SHAKING_M = 0.004
"""Minimum noise of a shaking part's end, in m."""
_MIN_CONTRAST = 4.5
"""Minimum ratio of a shaking part's noise to its usual noise, and to the median of the other parts at the same time."""
_MIN_RATIO_TO_OTHERS = 2.0
"""Minimum ratio of that noise to all other parts but one. People move several parts fast at once."""
_BURST_PARTS = 4
"""Number of noisy parts that shake together. If so many do, the other parts need not be calmer."""
_WHITENESS_RANGE = (0.6, 1.6)
"""Range of the ratio between noise from fourth and from second differences while a part shakes."""


def calm_stretches(motion: Motion) -> Motion:
    """Smooth parts while they shake.

    The parameters were set on CMU's training clips: as captured, with limbs that shake by 5 or 8 degrees, and with
    bodies that shake by 3 degrees for 0.8 s.
    """
    if len(motion) < 2 * round(_WINDOW_S * motion.fps) + 5:
        return motion
    parts = find_parts(motion.skeleton)
    points = [part.watch(motion) for part in parts]
    repaired = motion
    for part, start, stop in _find_shaking(parts, points, motion.fps):
        smoothness = part.smoothness(motion, start, stop)
        smoothed = part.smooth(repaired, start, stop, weight=1.0, smoothness=smoothness)
        if _shakes_m2(smoothed, start, stop) < _shakes_m2(repaired, start, stop):
            repaired = smoothed  # else joints beyond the part make up for its shaking
    return repaired


def _find_shaking(
    parts: Sequence[BodyPart], points: Sequence[np.ndarray], fps: float
) -> Iterator[tuple[BodyPart, int, int]]:
    """Yield shaking parts with their first and last frame (exclusive).

    Args:
        points: (T, P, 3) of each part.
    """
    window = 2 * round(_WINDOW_S * fps) + 1
    margin = max(2, round(2 * FRAME_S * fps))
    ends = [part_points[:, -1] for part_points in points]
    noise_m = np.stack([_noise_m(point_m, 4, 70.0, window) for point_m in ends])
    if noise_m.max() < _MIN_SHAKING_M:
        return
    slow_noise_m = np.stack([_noise_m(point_m, 2, 6.0, window) for point_m in ends])
    whiteness = noise_m / np.maximum(slow_noise_m, 1e-9)
    least, most = _WHITENESS_RANGE
    usual_m = median(noise_m, axis=1)
    is_loud = np.empty(noise_m.shape, dtype=bool)
    is_apart = np.empty(noise_m.shape, dtype=bool)
    for index, part in enumerate(parts):
        twins = [other for other, candidate in enumerate(parts) if candidate.kind == part.kind]
        is_loud[index] = noise_m[index] > max(_MIN_SHAKING_M, _MIN_CONTRAST * usual_m[twins].min())
        others_m = np.sort(np.delete(noise_m, index, axis=0), axis=0)
        enough_m = np.maximum(_MIN_CONTRAST * median(others_m, axis=0), _MIN_RATIO_TO_OTHERS * others_m[-2])
        is_apart[index] = noise_m[index] > enough_m
    is_white = (whiteness > least) & (whiteness < most)
    is_burst = np.sum(is_loud & is_white, axis=0) >= _BURST_PARTS
    for part, loud, ratios in zip(parts, is_loud & (is_apart | is_burst), whiteness, strict=True):
        for start, stop in find_runs(loud, _WINDOW_S * fps):
            if least < median(ratios[start:stop]) < most:
                yield part, max(start - margin, 0), min(stop + margin, len(loud))


@dataclass(frozen=True)
class BodyPart:
    """A body part that is repaired on its own."""

    kind: str
    watched: tuple[int, ...]
    """Joints that show the part, end last; none for the root."""
    turned: tuple[int, ...]
    """Joints whose rotations make up the part's motion."""

    def watch(self, motion: Motion) -> np.ndarray:
        """Return points that show the part, relative to where it is attached.

        Returns:
            (T, P, 3).
        """
        if self.kind == "root":
            arms_m = rotate(motion.rotations[:, :1], _ROOT_ARM_M * np.eye(3))
            return np.concatenate([motion.root_m[:, None], motion.root_m[:, None] + arms_m], axis=1)
        points_m = []
        place_m = np.zeros_like(motion.root_m)
        orientation = identity_rotations(len(motion))
        parent = motion.skeleton.parents[self.turned[0]]
        for joint in motion.skeleton.path_between(parent, self.watched[-1]):
            place_m = place_m + rotate(orientation, motion.skeleton.offsets_m[joint])
            orientation = compose(orientation, motion.rotations[:, joint])
            if joint in self.watched:
                points_m.append(place_m)
        return np.stack(points_m, axis=1)

    def smoothness(self, motion: Motion, start: int, stop: int) -> np.ndarray:
        """Return the ratios r / q (K,) of the part's channels.

        Channels are the turned joints and the root's position. Those without noise have 0.
        """
        ratios = []
        for channels in self._channels(motion):
            fast = np.square(np.diff(channels, 4, axis=0)).sum(-1) / 70
            slow = np.square(np.diff(channels, 2, axis=0)).sum(-1)
            inside = slice(start, max(stop - 4, start + 1))
            noise = fast[inside].mean()
            usual = np.delete(fast, np.s_[max(start - 4, 0) : stop])
            calm = np.delete(slow, np.s_[max(start - 2, 0) : stop])
            variance = calm.mean() if len(calm) >= stop - start else max(slow[inside].mean() - 6 * noise, noise / 100)
            is_noisy = noise > _MIN_VARIANCE and (not len(usual) or noise > 4 * usual.mean())
            ratios.append(min(noise / max(variance, 1e-12), _MAX_SMOOTHNESS) if is_noisy else 0.0)
        return np.array(ratios)

    def smooth(self, motion: Motion, start: int, stop: int, *, weight: float, smoothness: np.ndarray) -> Motion:
        """Smooth a part from `start` to `stop` (exclusive).

        Args:
            smoothness: (K,) weights of second differences, for each joint and for the root's position.
        """
        pad = max(8, round(8 * FRAME_S * motion.fps))
        around = slice(max(start - pad, 0), min(stop + pad, len(motion)))
        inside = slice(start - around.start, stop - around.start)
        rotations = motion.rotations.copy()
        root_m = motion.root_m.copy()
        curves = []
        for channels, ratio in zip(self._channels(motion), smoothness, strict=False):
            curve = channels[around]
            if ratio:
                weights = np.full(len(curve), _FIXED_WEIGHT * max(ratio, 1.0))
                weights[inside] = weight
                curve = smooth_whittaker(curve, ratio, weights)
            curves.append(curve[inside])
        for joint, curve, ratio in zip(self.turned, curves, smoothness, strict=False):
            if ratio:
                rotations[start:stop, joint] = curve / norms(curve)[:, None]
        if self.kind == "root" and smoothness[-1]:
            root_m[start:stop] = curves[-1]
        return replace(motion, root_m=root_m, rotations=rotations)

    def _channels(self, motion: Motion) -> list[np.ndarray]:
        """Return the rotations of the turned joints, and a root's position.

        Returns:
            Arrays (T, 4), and (T, 3) for the root.
        """
        rotations = make_continuous(motion.rotations[:, list(self.turned)])
        channels = list(np.moveaxis(rotations, 1, 0))
        return [*channels, motion.root_m] if self.kind == "root" else channels


_ROOT_ARM_M = 0.3
"""Distance from the root of the points that show its rotation, in m."""


def find_parts(skeleton: Skeleton) -> list[BodyPart]:
    """Find a skeleton's parts, root first.

    Unnamed joints between those of a limb, such as twist joints, belong to the limb.
    """
    parts = [BodyPart("root", (), (0,))]
    trunk = [joint for name in _TRUNK if (joint := skeleton.joint(name)) is not None]
    way_up = skeleton.path_between(0, trunk[-1]) if trunk else []
    if way_up:
        parts.append(BodyPart("trunk", (trunk[-1],), tuple(way_up)))
    for side, (kind, names, end) in product(SIDES, _LIMBS):
        watched = [skeleton.joint(f"{side}_{name}") for name in names]
        last = skeleton.joint(f"{side}_{end}")
        joints = [joint for joint in watched if joint is not None]
        if len(joints) == len(names):
            way = skeleton.path_between(0, joints[-1] if last is None else last)
            parts.append(BodyPart(kind, tuple(joints), tuple(joint for joint in way if joint not in way_up)))
    return parts


def _shakes_m2(motion: Motion, start: int, stop: int) -> float:
    """Return the mean squared second difference over all joints, from `start` to `stop` (exclusive)."""
    positions_m = joint_positions(motion.frames(max(start - 2, 0), stop + 2))
    return float(np.square(np.diff(positions_m, 2, axis=0)).mean())


def _noise_m(points_m: np.ndarray, order: int, factor: float, window: int) -> np.ndarray:
    """Return the local white noise (T,) of a point (T, 3).

    The standard deviation is estimated from differences of an order.

    Args:
        factor: Ratio of the variance of these differences to that of the noise.
        window: Number of frames around each frame that count.
    """
    lengths_m = norms(np.diff(points_m, order, axis=0))
    lengths_m = np.pad(lengths_m, order // 2)
    return median_filter1d(lengths_m, window, mode="constant") * _TO_SIGMA / np.sqrt(factor)
