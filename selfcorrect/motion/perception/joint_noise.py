"""White noise in the rotations of single joints.

Such noise shakes the end of the limb. The second, fourth and eighth differences of white noise with variance r have
variances 6 r, 70 r and 12870 r, so all three give the same estimate of r for a joint that shakes. Rhythmic movement,
even a tremor, is far below the highest frequency that the frames can show, so its eighth differences give a much
smaller estimate. Rotations from captures are noisy, too, but joints compensate each other, so that head, hands and feet
are quiet.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np

from ..geometry.rotations import invert, rotate
from ..geometry.vectors import median, norms, standard_lengths
from ..kinematics import forward_kinematics, make_continuous
from ..motion import SLAB, Motion
from ..skeleton import Skeleton

_WHITE_RATIO = 0.8
"""Minimum ratio of noise estimates from successive orders, eighth to fourth and fourth to second. Below it, the motion
is faster than the noise, and smoothing would cost more than it gains."""
_SHAKE_M = 0.0045
"""Minimum noise at a limb's end, per axis, in m."""
_OWN_SHARE = 0.75
"""Minimum noise at a limb's end relative to what the joint alone would cause. Joints that compensate each other stay
below."""
_HAND_M = 0.15
"""Distance from a limb's last joint to its end, in m. Skeletons end at wrists, toes and heads."""
_MIN_FRAMES = 45
"""Minimum number of frames to distinguish noise from motion."""


@dataclass(frozen=True, eq=False)
class JointNoise:
    """White noise of joints that shake, 0 for all others."""

    rotations_rad: np.ndarray
    """(J,) rotation noise of each joint over all axes, in rad."""
    ends_m: np.ndarray
    """(J,) noise at the end of the limb that a joint moves, per axis, in m, as seen from the joint."""

    @classmethod
    def from_motion(cls, motion: Motion) -> JointNoise:
        """Estimate the noise of joints that shake.

        Only the first `SLAB` frames of a longer motion are used.
        """
        noise = cls(np.zeros(len(motion.skeleton)), np.zeros(len(motion.skeleton)))
        if len(motion) < _MIN_FRAMES:
            return noise
        motion = motion.frames(0, SLAB)
        rotations = make_continuous(motion.rotations)
        levels = _measure_levels(rotations)
        least_rad = 2 * np.sqrt(3) * levels.min(axis=0)
        candidates = np.flatnonzero(_is_white(levels) & (least_rad > _SHAKE_M))  # of arms of a metre at most
        if not len(candidates):
            return noise
        positions_m, orientations = forward_kinematics(motion.skeleton, motion.root_m, motion.rotations)
        leaves = _find_leaves(motion.skeleton)
        bones_m = motion.skeleton.offsets_m[leaves]
        tips_m = _HAND_M * bones_m / np.maximum(norms(bones_m), 1e-9)[:, None]
        ends_m = positions_m[:, leaves] + rotate(orientations[:, leaves], tips_m[None])
        for joint in candidates.tolist():
            moved = [index for index, leaf in enumerate(leaves) if _is_beyond(motion.skeleton, joint, leaf)]
            if not moved:
                continue
            arms_m = ends_m[:, moved] - positions_m[:, joint, None]
            parent = motion.skeleton.parents[joint]
            frames = [arms_m]  # in the world, where joints may make up for a parent's noise, and from the parent
            if parent >= 0:
                frames.append(rotate(invert(orientations[:, parent, None]), arms_m))
            levels_m = np.stack([_measure_levels(arms) for arms in frames])
            least_m = levels_m.min(axis=(0, 1))
            own_m = least_rad[joint] * norms(arms_m).mean(axis=0) * np.sqrt(2) / 3
            is_white = np.all([_is_white(levels) for levels in levels_m], axis=0)
            shakes = is_white & (least_m > np.maximum(_SHAKE_M, _OWN_SHARE * own_m))
            if shakes.any():
                noise.rotations_rad[joint] = least_rad[joint]
                noise.ends_m[joint] = least_m[shakes].max()
        return noise


def _measure_levels(values: np.ndarray) -> np.ndarray:
    """Estimate noise (3, K) per direction.

    The estimates are from second, fourth and eighth differences of values (T, K, C).
    """
    levels = []
    for order in (2, 4, 8):
        lengths = standard_lengths(np.diff(values, order, axis=0), 3)
        levels.append(median(lengths, axis=0) / np.sqrt(comb(2 * order, order)))
    return np.stack(levels)


def _is_white(levels: np.ndarray) -> np.ndarray:
    """Return where estimates (3, ...) are those of white noise that exceeds the motion."""
    second, fourth, eighth = levels
    return (eighth > _WHITE_RATIO * fourth) & (fourth > _WHITE_RATIO * second)


def _find_leaves(skeleton: Skeleton) -> list[int]:
    """Return the last body part of each limb.

    For example, it is the wrist even if it has fingers. Without any parts, all joints without children are returned.
    """
    parts = {joint for joint, part in enumerate(skeleton.parts) if part}
    above = {ancestor for joint in parts for ancestor in skeleton.path_to_root(joint)[1:]}
    return sorted(parts - above) or [joint for joint, children in enumerate(skeleton.children) if not children]


def _is_beyond(skeleton: Skeleton, joint: int, leaf: int) -> bool:
    """Return whether a leaf is a joint or one of its descendants."""
    while leaf > joint:
        leaf = skeleton.parents[leaf]
    return leaf == joint
