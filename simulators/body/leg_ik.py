"""Analytic two-bone inverse kinematics of both legs.

Ankles move to targets, and everything above the hips stays in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.geometry.curves import smoothstep
from selfcorrect.motion.geometry.filters import gaussian_filter1d
from selfcorrect.motion.geometry.rotations import compose, rotate, shortest_turn
from selfcorrect.motion.geometry.vectors import dot, norms
from selfcorrect.motion.inverse_kinematics import MAXIMUM_REACH, STRAIGHT_M
from selfcorrect.motion.kinematics import local_rotations, pose_joints
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton

_HARD_REACH = 0.9999
"""Maximum reach of limbs that do not slow down near full length, as a share of that length."""

_SHIFT_SMOOTHING_S = 0.05
"""Smoothing time of the body's shift towards targets that limbs cannot reach, in s."""

_ROUNDS = 12
"""Number of rounds in which each limb in turn shifts the body."""

_REACH_EXPONENT = 3.0
"""Exponent that slows a leg near maximum reach. The higher it is, the later the leg slows."""

_MIN_FOLD_M = 0.01
"""Minimum hip-ankle distance of a folded leg, in m beyond the difference of the leg's two bones."""


@dataclass(frozen=True, eq=False)
class Legs:
    """Joints of both legs, or of another limb with two bones.

    Joint indices are arrays (2,), left first. Masks (2, J) select the joints that move with thigh, shank and foot.
    """

    hips: np.ndarray
    knees: np.ndarray
    ankles: np.ndarray
    with_thigh: np.ndarray
    with_shank: np.ndarray
    with_foot: np.ndarray
    bends: float = 1.0
    """Bend direction of straight limbs: 1 for forwards, like knees, and −1 for backwards, like elbows."""
    soft: bool = True
    """Whether limbs slow down as they approach full length."""

    @property
    def joints(self) -> np.ndarray:
        """(2, 3) hip, knee and ankle of each leg."""
        return np.stack([self.hips, self.knees, self.ankles], axis=-1)

    @classmethod
    @lru_cache(maxsize=8)
    def from_skeleton(cls, skeleton: Skeleton) -> Legs:
        """Find the legs of a skeleton.

        Raises:
            InputError: The skeleton lacks a hip, knee or ankle.
        """
        hips = _find_both_sides(skeleton, "hip")
        knees = _find_both_sides(skeleton, "knee")
        ankles = _find_both_sides(skeleton, "ankle")
        return cls._from_joints(skeleton, hips, knees, ankles)

    @classmethod
    def ending_at(cls, skeleton: Skeleton, joint: int) -> Legs:
        """Find the two-bone limb that ends at a joint, with arrays of length 1.

        Raises:
            InputError: There are no two bones above the joint.
        """
        middle = skeleton.parents[joint]
        upper = skeleton.parents[middle] if middle > 0 else -1
        if upper <= 0:
            raise InputError(f"{skeleton.names[joint]}: expected two bones above this joint, which can bend")
        limb = cls._from_joints(skeleton, np.array([upper]), np.array([middle]), np.array([joint]))
        is_arm = skeleton.parts[middle].endswith("elbow")
        return replace(limb, bends=-1.0 if is_arm else 1.0, soft=False)

    @classmethod
    def _from_joints(cls, skeleton: Skeleton, hips: np.ndarray, knees: np.ndarray, ankles: np.ndarray) -> Legs:
        below_hip = skeleton.descendants[hips]
        below_knee = skeleton.descendants[knees]
        below_ankle = skeleton.descendants[ankles]
        return cls(
            hips=hips,
            knees=knees,
            ankles=ankles,
            with_thigh=below_hip & ~below_knee,
            with_shank=below_knee & ~below_ankle,
            with_foot=below_ankle,
        )


def _find_both_sides(skeleton: Skeleton, part: str) -> np.ndarray:
    joints = skeleton.pair(part)
    if joints is None:
        raise InputError(f"legs need the parts left_{part} and right_{part}, but the skeleton has {skeleton.parts}")
    return np.array(joints)


def solve_leg_ik(
    skeleton: Skeleton,
    positions_m: np.ndarray,
    orientations: np.ndarray,
    root_shift_m: np.ndarray | None,
    ankles_m: np.ndarray,
    foot_turns: np.ndarray | None = None,
    limbs: Legs | None = None,
) -> np.ndarray:
    """Rotate legs so that ankles reach targets.

    Ankles get as close as legs reach, and knees bend in the same direction as before.

    Args:
        positions_m: (..., J, 3) joints of the posed skeleton, world.
        orientations: (..., J, 4) joints, world.
        root_shift_m: (..., 3) shift of root and hips since that pose; None without a shift.
        ankles_m: (..., 2, 3) targets, world. Extra leading axes hold several targets for the same pose.
        foot_turns: (..., 2, 4) rotations applied to the feet, world; None keeps their orientation.
        limbs: Limbs other than the legs.

    Returns:
        (..., J, 4) local rotations.
    """
    legs = limbs or Legs.from_skeleton(skeleton)
    hips_m = positions_m[..., legs.hips, :]
    knees_m = positions_m[..., legs.knees, :]
    old_ankles_m = positions_m[..., legs.ankles, :]
    thighs_m = knees_m - hips_m
    moved_hips_m = hips_m if root_shift_m is None else hips_m + root_shift_m[..., None, :]
    pelvis = orientations[..., np.array(skeleton.parents)[legs.hips], :]
    forward = legs.bends * knee_forward(pelvis, thighs_m)
    legs_m = old_ankles_m - hips_m
    new_knees_m, new_ankles_m = _solve_two_bones(moved_hips_m, thighs_m, legs_m, ankles_m, forward, soft=legs.soft)
    thigh_turns = shortest_turn(thighs_m, new_knees_m - moved_hips_m)
    shank_turns = shortest_turn(old_ankles_m - knees_m, new_ankles_m - new_knees_m)
    shape = np.broadcast_shapes(ankles_m.shape[:-2], orientations.shape[:-2])
    world = np.broadcast_to(orientations, (*shape, *orientations.shape[-2:]))
    return turn_segments(skeleton, world, legs, thigh_turns, shank_turns, foot_turns)


def turn_segments(
    skeleton: Skeleton,
    orientations: np.ndarray,
    legs: Legs,
    thigh_turns: np.ndarray,
    shank_turns: np.ndarray,
    foot_turns: np.ndarray | None,
) -> np.ndarray:
    """Rotate thighs, shanks and feet in the world.

    Args:
        orientations: (..., J, 4) joints, world.
        thigh_turns: (..., 2, 4) rotations, world.
        shank_turns: (..., 2, 4) rotations, world.
        foot_turns: (..., 2, 4) rotations, world; None keeps the feet's orientation.

    Returns:
        (..., J, 4) local rotations.
    """
    world = orientations.copy()
    segments = [(thigh_turns, legs.with_thigh), (shank_turns, legs.with_shank)]
    if foot_turns is not None:
        segments.append((foot_turns, legs.with_foot))
    for side in range(len(legs.hips)):
        for turns, masks in segments:
            moving = masks[side]
            world[..., moving, :] = compose(turns[..., [side], :], world[..., moving, :])
    return local_rotations(skeleton, world)


def move_joints_to(motion: Motion, joints: Sequence[int], targets_m: np.ndarray) -> tuple[Motion, np.ndarray]:
    """Move joints of a motion to world positions.

    The two-bone limb above each joint bends to reach its target. If a limb is too short, the whole body moves towards
    the target while the ankles stay in place. The joints keep their orientation in the world.

    Args:
        motion: One motion of T frames.
        targets_m: (T, K, 3) targets of the joints, world.

    Returns:
        The motion, and the distances (T,) in m by which the body moved.

    Raises:
        InputError: There are no two bones above a joint.
    """
    limbs = [Legs.ending_at(motion.skeleton, joint) for joint in joints]
    positions_m, orientations = pose_joints(motion)
    shift_m = _shifts_towards(limbs, positions_m, targets_m)
    if shift_m.any():
        smooth_m = gaussian_filter1d(shift_m, _SHIFT_SMOOTHING_S * motion.fps, axis=0, mode="nearest")
        shift_m = smooth_m + _shifts_towards(limbs, positions_m + smooth_m[:, None], targets_m)
        ankles_m = positions_m[:, Legs.from_skeleton(motion.skeleton).ankles]
        rotations = solve_leg_ik(motion.skeleton, positions_m, orientations, shift_m, ankles_m)
        motion = replace(motion, root_m=motion.root_m + shift_m, rotations=rotations)
    for index, limb in enumerate(limbs):
        rotations = solve_leg_ik(motion.skeleton, *pose_joints(motion), None, targets_m[:, [index]], limbs=limb)
        motion = replace(motion, rotations=rotations)
    return motion, norms(shift_m)


def _shifts_towards(limbs: Sequence[Legs], positions_m: np.ndarray, targets_m: np.ndarray) -> np.ndarray:
    """Return the smallest body shifts (T, 3) that let limbs reach their targets.

    Args:
        limbs: K limbs.
        positions_m: (T, J, 3) joints, world.
        targets_m: (T, K, 3) targets of the limbs' ends, world.
    """
    shift_m = np.zeros((len(positions_m), 3))
    for index in list(range(len(limbs))) * _ROUNDS:
        limb = limbs[index]
        upper_m = positions_m[:, limb.hips[0]]
        middle_m = positions_m[:, limb.knees[0]]
        end_m = positions_m[:, limb.ankles[0]]
        reach_m = _HARD_REACH * (_length(middle_m - upper_m) + _length(end_m - middle_m))
        away_m = targets_m[:, index] - upper_m - shift_m
        distance_m = np.maximum(_length(away_m), 1e-9)
        shift_m += away_m / distance_m * np.maximum(distance_m - reach_m, 0.0)
    return shift_m


def knee_forward(pelvis: np.ndarray, thighs_m: np.ndarray) -> np.ndarray:
    """Return the bend direction (..., 3) of straight knees.

    The direction is the pelvis' forward axis, swung with the thighs but not twisted.
    """
    down = rotate(pelvis, np.array((0.0, -1.0, 0.0)))
    forward = rotate(pelvis, np.array((0.0, 0.0, 1.0)))
    return rotate(shortest_turn(down, thighs_m), forward)


def _solve_two_bones(
    hips_m: np.ndarray,
    thighs_m: np.ndarray,
    legs_m: np.ndarray,
    ankles_m: np.ndarray,
    forward: np.ndarray,
    *,
    soft: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Solve knees and ankles (..., 3) for ankle targets.

    Args:
        hips_m: (..., 3) hips after the move.
        thighs_m: (..., 3) from hip to knee before the move. Together with `legs_m`, these vectors give the bone lengths
            and the plane of the knee.
        legs_m: (..., 3) from hip to ankle before the move.
        ankles_m: (..., 3) targets.
        forward: (..., 3) bend direction of straight knees.
        soft: Whether legs slow down as they approach full length.
    """
    thigh_m = _length(thighs_m)
    shank_m = _length(legs_m - thighs_m)
    distance_m = _length(ankles_m - hips_m)
    along = (ankles_m - hips_m) / np.maximum(distance_m, 1e-9)
    full_length_m = thigh_m + shank_m
    if soft:
        reached_m = _soften_reach(distance_m, _length(legs_m), MAXIMUM_REACH * full_length_m)
    else:
        reached_m = np.minimum(distance_m, _HARD_REACH * full_length_m)
    reached_m = np.maximum(reached_m, np.abs(thigh_m - shank_m) + _MIN_FOLD_M)
    before_knee_m = (thigh_m**2 - shank_m**2 + reached_m**2) / (2 * reached_m)
    aside_m = np.sqrt(np.maximum(thigh_m**2 - before_knee_m**2, 0.0))
    bend = _reject_from_axis(thighs_m, along)
    straight = _reject_from_axis(forward, along)
    bend = bend + STRAIGHT_M * smoothstep(1 - _length(bend) / STRAIGHT_M) * straight
    bend = bend / np.maximum(_length(bend), 1e-9)
    new_knees_m = hips_m + before_knee_m * along + aside_m * bend
    return new_knees_m, hips_m + reached_m * along


def _soften_reach(distance_m: np.ndarray, before_m: np.ndarray, furthest_m: np.ndarray) -> np.ndarray:
    """Limit leg lengths smoothly near full reach.

    Legs that get shorter reach their targets exactly. Others approach `furthest_m` ever more slowly, because near full
    length a leg that lengthens at a steady rate would snap the knee.

    Args:
        distance_m: Distances from hip to ankle target.
        before_m: Distances from hip to ankle before the move.
        furthest_m: Maximum distances.

    Returns:
        Distances from hip to ankle.
    """
    room_m = np.maximum(furthest_m - before_m, 1e-6)
    growth_m = np.maximum(distance_m - before_m, 0.0)
    slowed_m = growth_m / (1 + (growth_m / room_m) ** _REACH_EXPONENT) ** (1 / _REACH_EXPONENT)
    return np.minimum(distance_m, before_m) + slowed_m


def _length(vectors: np.ndarray) -> np.ndarray:
    return norms(vectors)[..., None]


def _reject_from_axis(vectors: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Return the components of vectors perpendicular to unit directions."""
    return vectors - dot(vectors, direction)[..., None] * direction
