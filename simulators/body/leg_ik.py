"""Two-bone inverse kinematics of both legs at once: put the ankles somewhere, keep everything above the hips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter1d

from selfcorrect.core.errors import InputError
from selfcorrect.motion.geometry.kinematics import local_rotations, world_poses
from selfcorrect.motion.geometry.rotations import compose, rotate
from selfcorrect.motion.geometry.vectors import cross, dot, norms
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton

from .curves import smoothstep

MAXIMUM_REACH = 0.9985
"""Share of its full length to which a leg may be straightened; beyond, knees snap."""

_STRAIGHTEST = 0.9999
"""The same of limbs that must reach."""

_YIELDING_S, _ROUNDS = 0.05, 12
"""Standard deviation in time over which a body that gives way does so, and how often its limbs are asked."""

_FIRMNESS = 3.0
"""Exponent by which a leg that is being straightened slows down towards its maximum reach: the higher, the later."""

_FOLDED_M = 0.01
"""A leg whose bones are of different lengths is folded to no less than this beyond their difference."""

_STRAIGHT_M = 0.02
"""A knee nearer than this to the line from hip to ankle determines its plane the less, the nearer: it bends
forwards."""


@dataclass(frozen=True, eq=False)
class Legs:
    """The legs of a skeleton, left first: (2,) joints, and (2, J) masks of what moves with thigh, shank and foot; or
    another limb of two bones by the same names.
    """

    hips: np.ndarray
    knees: np.ndarray
    ankles: np.ndarray
    with_thigh: np.ndarray
    with_shank: np.ndarray
    with_foot: np.ndarray
    bends: float = 1.0
    """Whether straight ones bend forwards, as knees do, or backwards: −1, as elbows do."""
    soft: bool = True
    """Whether they slow down before they are straight."""

    @classmethod
    @lru_cache(maxsize=8)
    def from_skeleton(cls, skeleton: Skeleton) -> Legs:
        """Find the legs; raises ValueError where the skeleton lacks a hip, knee or ankle."""
        return cls._by_joints(skeleton, *(_find_both_sides(skeleton, part) for part in ("hip", "knee", "ankle")))

    @classmethod
    def ending_at(cls, skeleton: Skeleton, joint: int) -> Legs:
        """The limb of two bones that ends at a joint, (1,) instead of (2,); InputError where there are no two above."""
        middle = skeleton.parents[joint]
        upper = skeleton.parents[middle] if middle > 0 else -1
        if upper <= 0:
            raise InputError(f"{skeleton.names[joint]}: has no limb of two bones above it, which could be bent")
        limb = cls._by_joints(skeleton, np.array([upper]), np.array([middle]), np.array([joint]))
        return replace(limb, bends=-1.0 if skeleton.parts[middle].endswith("elbow") else 1.0, soft=False)

    @classmethod
    def _by_joints(cls, skeleton: Skeleton, hips: np.ndarray, knees: np.ndarray, ankles: np.ndarray) -> Legs:
        below_hip, below_knee, below_ankle = (skeleton.descendants[joints] for joints in (hips, knees, ankles))
        return cls(hips, knees, ankles, below_hip & ~below_knee, below_knee & ~below_ankle, below_ankle)


def _find_both_sides(skeleton: Skeleton, part: str) -> np.ndarray:
    joints = [skeleton.joint(f"{side}_{part}") for side in ("left", "right")]
    if None in joints:
        raise InputError(f"legs need the parts left_{part} and right_{part}, the skeleton has {skeleton.parts}")
    return np.array(joints)


def solve_leg_ik(
    skeleton: Skeleton,
    positions_m: np.ndarray,
    orientations: np.ndarray,
    root_shift_m: np.ndarray,
    ankles_m: np.ndarray,
    foot_turns: np.ndarray,
    limbs: Legs | None = None,
) -> np.ndarray:
    """Local rotations (..., J, 4) that put the ankles at `ankles_m` (..., 2, 3) as far as the legs reach.

    `ankles_m` may have further axes in front, for several answers to one pose.
    The posed skeleton in the world is positions_m (..., J, 3) and orientations (..., J, 4). By root_shift_m (..., 3)
    root and hips have moved since. The feet turn in the world by foot_turns (..., 2, 4). Knees keep their plane. limbs:
    others than the legs.
    """
    legs = limbs or Legs.from_skeleton(skeleton)
    hips_m, knees_m, old_ankles_m = (positions_m[..., joints, :] for joints in (legs.hips, legs.knees, legs.ankles))
    moved_hips_m = hips_m + root_shift_m[..., None, :]
    pelvis = orientations[..., np.array(skeleton.parents)[legs.hips], :]
    forward = legs.bends * knee_forward(pelvis, knees_m - hips_m)
    limbs_m = knees_m - hips_m, old_ankles_m - hips_m
    new_knees_m, new_ankles_m = _solve_two_bones(moved_hips_m, *limbs_m, ankles_m, forward, soft=legs.soft)
    thigh_turns = shortest_turn(knees_m - hips_m, new_knees_m - moved_hips_m)
    shank_turns = shortest_turn(old_ankles_m - knees_m, new_ankles_m - new_knees_m)
    shape = np.broadcast_shapes(ankles_m.shape[:-2], orientations.shape[:-2])
    world = np.broadcast_to(orientations, (*shape, *orientations.shape[-2:])).copy()
    for side in range(len(legs.hips)):
        for turns, moving in (
            (thigh_turns, legs.with_thigh),
            (shank_turns, legs.with_shank),
            (foot_turns, legs.with_foot),
        ):
            world[..., moving[side], :] = compose(turns[..., [side], :], world[..., moving[side], :])
    return local_rotations(skeleton, world)


def move_joints_to(motion: Motion, joints: Sequence[int], places_m: np.ndarray) -> tuple[Motion, np.ndarray]:
    """The motion with joints (K,) at places (T, K, 3), world, and by how much (T,) its body gave way for that.

    Their limbs of two bones follow; where these are too short, the whole body moves towards the places, and its ankles
    stay. The joints keep their orientation in the world. InputError for a joint without two bones above it.
    """
    limbs = [Legs.ending_at(motion.skeleton, joint) for joint in joints]
    poses = world_poses(motion)
    shift_m = _shifts_towards(limbs, poses[0], places_m)
    if shift_m.any():
        smooth_m = gaussian_filter1d(shift_m, _YIELDING_S * motion.fps, axis=0, mode="nearest")
        shift_m = smooth_m + _shifts_towards(limbs, poses[0] + smooth_m[:, None], places_m)
        ankles_m = poses[0][:, Legs.from_skeleton(motion.skeleton).ankles]
        unturned = np.broadcast_to([0.0, 0.0, 0.0, 1.0], (len(motion), 2, 4))
        rotations = solve_leg_ik(motion.skeleton, *poses, shift_m, ankles_m, unturned)
        motion = replace(motion, root_m=motion.root_m + shift_m, rotations=rotations)
    unturned, stays_m = np.broadcast_to([0.0, 0.0, 0.0, 1.0], (len(motion), 1, 4)), np.zeros((len(motion), 3))
    for index, limb in enumerate(limbs):
        rotations = solve_leg_ik(motion.skeleton, *world_poses(motion), stays_m, places_m[:, [index]], unturned, limb)
        motion = replace(motion, rotations=rotations)
    return motion, norms(shift_m)


def _shifts_towards(limbs: Sequence[Legs], positions_m: np.ndarray, places_m: np.ndarray) -> np.ndarray:
    """The least shifts (T, 3) of joints (T, J, 3) with which the ends of limbs (K,) reach places (T, K, 3)."""
    shift_m = np.zeros((len(positions_m), 3))
    for index in list(range(len(limbs))) * _ROUNDS:
        upper_m, middle_m, end_m = (
            positions_m[:, joints[0]] for joints in (limbs[index].hips, limbs[index].knees, limbs[index].ankles)
        )
        reach_m = _STRAIGHTEST * (_length(middle_m - upper_m) + _length(end_m - middle_m))
        away_m = places_m[:, index] - upper_m - shift_m
        distance_m = np.maximum(_length(away_m), 1e-9)
        shift_m += away_m / distance_m * np.maximum(distance_m - reach_m, 0.0)
    return shift_m


def knee_forward(pelvis: np.ndarray, thighs_m: np.ndarray) -> np.ndarray:
    """Where straight legs' knees bend to (..., 3): the pelvis' forward axis, swung with the thighs but not twisted."""
    down, forward = (rotate(pelvis, np.array(axis)) for axis in ((0.0, -1.0, 0.0), (0.0, 0.0, 1.0)))
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
    """Knees and ankles (..., 3) of legs from the hips towards target ankles, both (..., 3).

    The vectors thighs_m, from hip to knee, and legs_m, from hip to ankle, are those before the move. They give lengths
    and the plane of the knee. A straight leg bends its knee in the direction forward.
    """
    thigh_m, shank_m = _length(thighs_m), _length(legs_m - thighs_m)
    distance_m = _length(ankles_m - hips_m)
    along = (ankles_m - hips_m) / np.maximum(distance_m, 1e-9)
    whole_m = thigh_m + shank_m
    softly_m = _soften_reach(distance_m, _length(legs_m), MAXIMUM_REACH * whole_m)
    reached_m = softly_m if soft else np.minimum(distance_m, _STRAIGHTEST * whole_m)
    reached_m = np.maximum(reached_m, np.abs(thigh_m - shank_m) + _FOLDED_M)
    before_knee_m = (thigh_m**2 - shank_m**2 + reached_m**2) / (2 * reached_m)
    aside_m = np.sqrt(np.maximum(thigh_m**2 - before_knee_m**2, 0.0))
    bend, straight = _reject_from_axis(thighs_m, along), _reject_from_axis(forward, along)
    bend = bend + _STRAIGHT_M * smoothstep(1 - _length(bend) / _STRAIGHT_M) * straight
    bend = bend / np.maximum(_length(bend), 1e-9)
    return hips_m + before_knee_m * along + aside_m * bend, hips_m + reached_m * along


def _soften_reach(distance_m: np.ndarray, before_m: np.ndarray, furthest_m: np.ndarray) -> np.ndarray:
    """How long legs of lengths `before_m` from hip to ankle are that reach for `distance_m`.

    Shorter ones are as long as that. Longer ones come close to `furthest_m` but not beyond, ever more slowly: near its
    full length a leg that grows evenly would snap its knee.
    """
    room_m = np.maximum(furthest_m - before_m, 1e-6)
    more_m = np.maximum(distance_m - before_m, 0.0)
    return np.minimum(distance_m, before_m) + more_m / (1 + (more_m / room_m) ** _FIRMNESS) ** (1 / _FIRMNESS)


def _length(vectors: np.ndarray) -> np.ndarray:
    return norms(vectors)[..., None]


def _reject_from_axis(vectors: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """The part of vectors that is perpendicular to unit directions."""
    return vectors - dot(vectors, direction)[..., None] * direction


def shortest_turn(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Quaternions (..., 4) of the smallest rotations that turn vectors `before` into the directions of `after`."""
    before, after = before / _length(before), after / _length(after)
    cosine = dot(before, after)[..., None]
    turn = np.concatenate([cross(before, after), 1 + cosine], axis=-1)
    return turn / np.maximum(_length(turn), 1e-12)
