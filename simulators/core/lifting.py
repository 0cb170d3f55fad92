"""Keep trunk and limbs above the floor.

A body with a sunken trunk is lifted. Knees, elbows and hands below the floor are tilted up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from selfcorrect.motion.body.surface import SURFACE_RADII_M
from selfcorrect.motion.geometry.curves import blur, smooth_gaussian
from selfcorrect.motion.geometry.filters import FRAME_S, maximum_filter1d
from selfcorrect.motion.geometry.rotations import compose, quaternions, rotate, rotation_vectors, shortest_turn
from selfcorrect.motion.geometry.vectors import ALONG_FLOOR, UP, norms
from selfcorrect.motion.ground import Ground
from selfcorrect.motion.kinematics import cached_poses, local_rotations
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.skeleton import SIDES, Skeleton, strip_side

from .cleaning import CleanupState

TRUNK = ("pelvis", "spine1", "spine2", "spine3", "neck", "hip", "collar", "shoulder")
"""Parts that lift the whole body if they are in the floor."""
BONES = (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"))
"""Bones that are tilted up, by the parts at their upper and lower joints."""
SUNKEN_M = 0.004
"""Depth by which soft parts give way, in m."""


def trunk_lift(skeleton: Skeleton, positions_m: np.ndarray, fps: float) -> np.ndarray:
    """Return the rise that keeps trunks above the floor.

    Args:
        positions_m: (N, T, J, 3) joints, with heights above the floor.

    Returns:
        (N, T, 3) upward shifts in m, smoothed over time.
    """
    joints = []
    radii_m = []
    for joint, part in enumerate(map(strip_side, skeleton.parts)):
        if part in TRUNK:
            joints.append(joint)
            radii_m.append(SURFACE_RADII_M[part])
    depths_m = (np.array(radii_m) - SUNKEN_M - positions_m[:, :, np.array(joints), 1]).max(-1)
    frames = max(3, round(3 * FRAME_S * fps))
    deepest_m = maximum_filter1d(np.maximum(depths_m, 0.0), frames, axis=1)
    lift_m = blur(deepest_m, 1.0, fps)
    return lift_m[..., None] * UP


def raise_limbs(motions: MotionBatch, spread_s: float = 0.0) -> MotionBatch:
    """Raise limbs out of the floor, as far as bones reach.

    Ankles and wrists keep their heights above the floor while knees and elbows rise, the more so the more level the
    bones are, so that what rests on the floor still rests there.

    Args:
        spread_s: Smoothing time of bone tilts, in s; 0 for none. The end of an upright bone rises by nothing at first.
    """
    positions_m, orientations = cached_poses(motions)
    is_sunken = []
    for _, lower, radius_m in _find_bones(motions.skeleton):
        heights_m = _heights_m(motions.ground, positions_m[:, :, lower])
        is_sunken.append((heights_m < radius_m - SUNKEN_M).any(1))
    sunken = np.any(is_sunken, axis=0)
    if not sunken.any():
        return motions
    rotations = motions.rotations.copy()
    rotations[sunken] = _raise_bones(motions, positions_m[sunken], orientations[sunken], spread_s * motions.fps)
    return replace(motions, rotations=rotations)


def _heights_m(ground: Ground | None, points_m: np.ndarray) -> np.ndarray:
    """Return heights (...) of points (..., 3) above the known ground, or else above y = 0."""
    return points_m[..., 1] if ground is None else ground.above_m(points_m)


def _raise_bones(motions: MotionBatch, positions_m: np.ndarray, orientations: np.ndarray, spread: float) -> np.ndarray:
    """Tilt sunken bones up, and return local rotations (N, T, J, 4).

    Args:
        positions_m: (N, T, J, 3) joints; changed in place.
        orientations: (N, T, J, 4) of the joints, world; changed in place.
        spread: Smoothing time of bone tilts, in frames; 0 for none.
    """
    skeleton = motions.skeleton
    rounds = 2 if spread else 1  # a tilt that is spread falls a little short at first
    bones = _find_bones(skeleton)
    for _ in range(rounds):
        given_m = _heights_m(motions.ground, positions_m).copy()
        for upper, lower, radius_m in bones:
            bones_m = positions_m[:, :, lower] - positions_m[:, :, upper]
            heights_m = _heights_m(motions.ground, positions_m[:, :, lower])
            higher_m = np.maximum(given_m[:, :, lower], radius_m - SUNKEN_M) - heights_m
            if spread and not higher_m.any():
                continue
            rises_m = np.maximum(higher_m, 0.0)
            if spread:
                rises_m = maximum_filter1d(rises_m, 2 * round(2 * spread) + 1, axis=1)
            levelness = 1 - (bones_m[..., 1] / norms(bones_m)) ** 2
            falls_m = np.minimum(higher_m, 0.0) * levelness
            raised_m = _tilt_bones(bones_m, rises_m + falls_m, orientations[:, :, upper])
            turns = shortest_turn(bones_m, raised_m)
            if spread:
                turns = quaternions(smooth_gaussian(rotation_vectors(turns), spread))
                raised_m = rotate(turns, bones_m)
            below_bone = skeleton.descendants[lower]
            turned = skeleton.descendants[upper] & ~below_bone
            orientations[:, :, turned] = compose(turns[:, :, None], orientations[:, :, turned])
            positions_m[:, :, below_bone] += (raised_m - bones_m)[:, :, None]
    return local_rotations(skeleton, orientations)


def _find_bones(skeleton: Skeleton) -> list[tuple[int, int, float]]:
    """List the bones that can be raised.

    Each has an upper joint, a lower joint, and the surface radius around the lower joint.
    """
    lengths_m = norms(skeleton.offsets_m)
    bones = []
    for side in SIDES:
        for upper_part, lower_part in BONES:
            upper = skeleton.joint(f"{side}_{upper_part}")
            lower = skeleton.joint(f"{side}_{lower_part}")
            if upper is not None and lower is not None and lengths_m[lower] > 0:
                bones.append((upper, lower, SURFACE_RADII_M.get(lower_part, -np.inf)))
    return bones


def _tilt_bones(bones_m: np.ndarray, higher_m: np.ndarray, orientations: np.ndarray) -> np.ndarray:
    """Tilt bones (..., 3) so that their ends rise by heights (...).

    A bone turns in its own vertical plane, or towards the joint's front if it is vertical.
    """
    lengths_m = norms(bones_m)
    heights_m = np.clip(bones_m[..., 1] + higher_m, -lengths_m, lengths_m)
    front = rotate(orientations, np.array([0.0, 0.0, 1.0]))
    across_m = (bones_m + 1e-3 * lengths_m[..., None] * front) * ALONG_FLOOR
    across_m /= np.maximum(norms(across_m)[..., None], 1e-9)
    raised_m = across_m * np.sqrt(lengths_m**2 - heights_m**2)[..., None]
    raised_m[..., 1] = heights_m
    return np.where((higher_m != 0)[..., None], raised_m, bones_m)


@dataclass(frozen=True)
class LiftTrunk:
    """Raise bodies whose trunk is in the floor.

    The rise is the greatest depth around each frame, smoothed. Contacts of trunks are not solved: without this step,
    bodies that get up sink by 4 mm more on average.
    """

    moves_to_floor: ClassVar[bool] = True

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        posed = cleaning.posed
        standing_m = posed.standing_m(posed.positions_m)
        lift_m = trunk_lift(posed.motions.skeleton, standing_m, posed.motions.fps)
        return cleaning.with_posed_motions(posed.shift(lift_m))


@dataclass(frozen=True)
class LiftLimbs:
    """Tilt limbs out of the floor.

    The ends of their bones then lie on it. Contacts of limbs are not solved: without this step, bodies that crawl, roll
    or get up sink by 5 mm more on average.
    """

    moves_to_floor: ClassVar[bool] = True

    spread_s: float = 0.08
    """Smoothing time of bone tilts, in s; 0 for none."""

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        return replace(cleaning, motions=raise_limbs(cleaning.motions, self.spread_s))
