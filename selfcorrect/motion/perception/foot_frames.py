"""A rig's foot frames and soles, estimated from stances.

Soles are placed relative to ankles and toe joints as if the rest pose stood flat on the soles of an ordinary shoe (see
`surface`). But some rigs point their feet down at rest, so these frames are tilted in stance, and in others the toe
joints lie in the sole. In a flat stance, the sole's normal points up, and the toe joint is as high as the sole is
thick.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...runtime.object_cache import remember_by_object
from ..geometry.rotations import invert, rotate
from ..geometry.vectors import UP, find_distinct, median, norms, percentile
from ..kinematics import forward_kinematics
from ..motion import SLAB, Motion
from ..skeleton import BOX_FOOT_SOLE_M, SIDES, SOLE_BELOW_TOE_JOINT_M, FootFrames, Quaternion, Skeleton
from ..views import LevelFeet
from .observation import FLAT_S, Observation, observe
from .stances import SAME_LEVEL_M

IN_AIR_M = 0.03
"""Minimum height of the lowest point of a sole in the air, in m. Rolling heels and toes are below it."""

_FLATTEST_PERCENTILE = 25
"""Percentile of the ankle's height above the toe joint that flat feet have. Feet are flat when the ankle is lowest;
otherwise they are on tiptoe or about to leave the ground."""
_FLAT_TOLERANCE_M = 0.012
"""Maximum deviation from that height in flat frames, in m."""
_FLAT_TOLERANCE_RAD = float(np.radians(10.0))
"""Maximum deviation from the mean normal in flat frames, in rad."""
_MIN_FRAMES = 5
"""Minimum number of flat frames to estimate a foot's frame."""
_MAX_TILTED_RAD = float(np.radians(40.0))
"""Maximum tilt of a flat foot relative to the rest pose, in rad. Beyond it, feet stand on their edges or tips, or lie.
"""
_SLOPES_RAD = float(np.radians(0.0)), float(np.radians(50.0))
"""Maximum slope from toe joint to ankle of a flat foot, in rad; steeper feet are on tiptoe."""
_STEEPER_RAD = float(np.radians(12.0))
"""Slope beyond that of the other foot from which on a foot is on tiptoe, in rad."""

_DEPTHS_M = {True: (0.0, SOLE_BELOW_TOE_JOINT_M, 0.05), False: (0.03, -BOX_FOOT_SOLE_M, 0.11)}
"""Minimum, usual and maximum sole depth in m: below toe joints (True), or below ankles if there are none (False)."""
_WRONG_FLOOR_M = 0.01, 0.02
"""Toe joint heights, in m beyond what a sole explains, that show a wrong floor. From the first value on, the floor may
be off as well; from the second on, the height says nothing about the sole."""

_FLOOR_ERROR_M = 0.015
"""Maximum difference between the sole depths of a motion and its rig that a floor error may explain, in m."""


@dataclass(frozen=True, eq=False)
class _Stance:
    """K frames in which a foot stands."""

    normals: np.ndarray
    """(K, 3) up direction in the ankle's frame."""
    toe_normals: np.ndarray
    """(K, 3) up direction in the frame of the toe joint, or of the ankle if there is none."""
    rises_m: np.ndarray
    """(K,) ankle height above the toe joint, or above y = 0 if there is none."""
    reaches_m: np.ndarray
    """(K,) horizontal distance from ankle to toe joint."""
    heights_m: np.ndarray
    """(K,) height of the toe joint, or of the ankle if there is none."""
    clips: np.ndarray
    """(K,) index of the clip that each frame belongs to."""

    def select_frames(self, frames: np.ndarray) -> _Stance:
        """Return the stance with only these frames."""
        return _Stance(**{name: values[frames] for name, values in vars(self).items()})


@dataclass(frozen=True)
class _Foot:
    """Frame and sole of one foot."""

    ankle: np.ndarray
    """(3,) sole normal in the ankle's frame."""
    toe: np.ndarray
    """(3,) sole normal in the toe joint's frame."""
    sole_m: float
    """Depth of the sole below the toe joint, or below the ankle if there is none."""
    confidence: float
    """Confidence in this depth, from 0 to 1."""
    slope_rad: float
    """Slope of the line from toe joint to ankle."""

    def reconcile_with(self, opposite: _Foot | None) -> _Foot:
        """Return this foot, or the mirrored opposite foot if that is much flatter."""
        if opposite is None or self.slope_rad < opposite.slope_rad + _STEEPER_RAD:
            return self
        return opposite.mirror()

    def reconciled_depth_m(self, opposite: _Foot) -> float:
        """Return the sole depth, reconciled with the opposite foot.

        Both shoes are alike, so the depth moves towards the opposite foot's if that is more certain.
        """
        return self.sole_m + max(opposite.confidence - self.confidence, 0.0) * (opposite.sole_m - self.sole_m)

    def mirror(self) -> _Foot:
        """Return the mirrored foot."""
        return replace(self, ankle=self.ankle * (-1, 1, 1), toe=self.toe * (-1, 1, 1))


def level_feet(motion: Motion) -> Motion:
    """Return the motion with level foot frames.

    In stance, its foot frames are level, and its soles have the estimated depth.
    """
    return LevelFeet(get_foot_frames(motion)).view(motion)


@remember_by_object
def get_foot_frames(motion: Motion) -> FootFrames:
    """Return a motion's foot frames, estimating them if it has none.

    An estimate is computed once per motion.
    """
    return motion.feet or estimate_foot_frames([motion])


def fit_feet_to_rig(motion: Motion, rig: FootFrames) -> FootFrames:
    """Fit a rig's foot frames to a motion.

    The motion keeps its own sole depths if they are near the rig's. No floor is known to the centimetre, so a motion
    may stand a little higher or lower than other motions of its rig.
    """
    soles_m = estimate_foot_frames([motion]).soles_m
    if soles_m is None or rig.soles_m is None:
        return rig
    is_near = all(
        abs(sole_m - rig_sole_m) < _FLOOR_ERROR_M for sole_m, rig_sole_m in zip(soles_m, rig.soles_m, strict=True)
    )
    return replace(rig, soles_m=soles_m) if is_near else rig


def estimate_foot_frames(motions: Sequence[Motion]) -> FootFrames:
    """Estimate the foot frames of motions on one skeleton.

    If feet never stand flat, the result is that of the rest pose. Sole depths explain the height of standing toe joints
    above y = 0, within the depths that soles can have. If there are several motions, their median decides, and the
    usual depth is one more value, because each floor may be off.
    """
    feet = _estimate_feet(motions, list(map(observe, motions)))
    if feet is None:
        return FootFrames()
    left, right = feet
    return _make_foot_frames(left, right, soles_m=(left.reconciled_depth_m(right), right.reconciled_depth_m(left)))


def estimate_feet_by_depth(motion: Motion, observation: Observation) -> tuple[FootFrames, float]:
    """Estimate foot frames independently of the floor's height.

    Also returns the mean depth of both soles in m. If feet never stand flat, the result is that of the rest pose.
    """
    feet = _estimate_feet([motion], [observation])
    least_m, usual_m, largest_m = sole_depths_m(motion.skeleton)
    if feet is None:
        return FootFrames(), usual_m
    differences_m = (observation.left_deeper_m, -observation.left_deeper_m)
    left_m, right_m = np.clip(np.add(observation.sole_depth_m, differences_m), least_m, largest_m).tolist()
    return _make_foot_frames(*feet, soles_m=(left_m, right_m)), (left_m + right_m) / 2


def measure_gap_m(motion: Motion, observation: Observation, feet_m: np.ndarray) -> float:
    """Measure the gap between modelled soles and observed ground, in m.

    The gap is negative if soles are below the ground. A foot on its heel may seem to stand on a level of its own, far
    above its sole. Such a foot is ignored if the other one stands on the floor.

    Args:
        feet_m: (≥ T, 2, C, 3) sole corners.
    """
    gaps_m = feet_m[: len(motion), ..., 1].min(-1) - observation.ground_m
    is_off = (gaps_m > IN_AIR_M) & (observation.off_m > IN_AIR_M)
    stands = observation.stands & np.logical_not(is_off)
    if not observation.is_floor_plausible or not stands.any():
        return 0.0
    least_m, _, largest_m = sole_depths_m(motion.skeleton)
    is_on_floor = np.abs(observation.ground_m - observation.floor_m) < SAME_LEVEL_M
    is_alone = np.logical_not((stands & is_on_floor)[:, ::-1])
    shows = stands & (is_on_floor | is_alone | (np.abs(gaps_m) < largest_m - least_m))
    gap_m = float(median(gaps_m[shows]))
    return float(np.clip(gap_m, least_m - largest_m, largest_m - least_m))


def sole_depths_m(skeleton: Skeleton) -> tuple[float, float, float]:
    """Return minimum, usual and maximum sole depth, in m.

    They are measured below toe joints, or below ankles if there are none.
    """
    ankle, toe = _find_ankle_and_toe(skeleton, 0)
    least_m, usual_m, largest_m = _DEPTHS_M[toe != ankle]
    deeper_m = skeleton.usual_sole_m - SOLE_BELOW_TOE_JOINT_M if toe != ankle else 0.0
    size = skeleton.size
    return (least_m + deeper_m) * size, (usual_m + deeper_m) * size, (largest_m + deeper_m) * size


def _make_foot_frames(left: _Foot, right: _Foot, soles_m: tuple[float, float]) -> FootFrames:
    return FootFrames(
        ankles=(_rotation_to_up(left.ankle), _rotation_to_up(right.ankle)),
        toes=(_rotation_to_up(left.toe), _rotation_to_up(right.toe)),
        soles_m=soles_m,
    )


def _estimate_feet(motions: Sequence[Motion], observations: Sequence[Observation]) -> tuple[_Foot, _Foot] | None:
    """Estimate both feet of motions on one skeleton.

    Returns None if the feet never stand flat.
    """
    skeleton = motions[0].skeleton
    fps = motions[0].fps
    if skeleton.pair("ankle") is None:
        return None
    stances = []
    for clip, (motion, observation) in enumerate(zip(motions, observations, strict=True)):
        if len(motion) >= _MIN_FRAMES:
            stances.append(_find_stances(motion, clip, observation.stands_flat))
    if not stances:
        return None
    shown_left = _estimate_foot([feet[0] for feet in stances], skeleton, 0, fps)
    shown_right = _estimate_foot([feet[1] for feet in stances], skeleton, 1, fps)
    left = shown_left or (shown_right and shown_right.mirror())
    right = shown_right or (shown_left and shown_left.mirror())
    if left is None or right is None:
        return None
    return left.reconcile_with(right), right.reconcile_with(left)


def _find_stances(motion: Motion, clip: int, stands_flat: np.ndarray) -> list[_Stance]:
    """Return each foot's stance in a motion."""
    skeleton = motion.skeleton
    count = min(len(motion), SLAB)
    joints = np.array([_find_ankle_and_toe(skeleton, side) for side in (0, 1)])
    poses = forward_kinematics(skeleton, motion.root_m[:count], motion.rotations[:count], joints.ravel().tolist())
    # (T, 2 feet, ankle and toe joint, …)
    positions_m = poses[0].reshape(count, *joints.shape, -1)
    orientations = poses[1].reshape(count, *joints.shape, -1)
    if motion.ground is not None:
        positions_m = motion.ground.to_floor_frame(positions_m)
        orientations = motion.ground.orientations_to_floor_frame(orientations)
    ankles_m = positions_m[:, :, 0]
    toes_m = positions_m[:, :, 1]
    has_toe = joints[:, 0] != joints[:, 1]
    heights_m = toes_m[..., 1] if motion.ground is None else motion.ground.in_own_frame.above_m(toes_m)
    up = rotate(invert(orientations), UP)
    toe_to_ankle_m = ankles_m - toes_m
    stances = []
    for side, frames in enumerate(stands_flat[:count].T):
        ankles_from_toes_m = toe_to_ankle_m[frames, side]
        stance = _Stance(
            normals=up[frames, side, 0],
            toe_normals=up[frames, side, 1],
            rises_m=ankles_from_toes_m[:, 1] if has_toe[side] else heights_m[frames, side],
            reaches_m=norms(ankles_from_toes_m[:, [0, 2]]),
            heights_m=heights_m[frames, side],
            clips=np.full(frames.sum(), clip),
        )
        stances.append(stance)
    return stances


def _find_ankle_and_toe(skeleton: Skeleton, side: int) -> tuple[int, int]:
    """Return a foot's ankle and toe joint, or the ankle twice without a toe joint."""
    ankle = skeleton.joint(f"{SIDES[side]}_ankle")
    toe = skeleton.joint(f"{SIDES[side]}_foot")
    assert ankle is not None
    return ankle, ankle if toe is None else toe


def _minimum_flat_frames(fps: float) -> float:
    """Return the number of flat frames needed to estimate a foot's frame."""
    return max(_MIN_FRAMES, FLAT_S * fps)


def _estimate_foot(stances: Sequence[_Stance], skeleton: Skeleton, side: int, fps: float) -> _Foot | None:
    """Estimate a foot's frame and sole from its stances in several clips.

    Returns None if the foot is rarely flat.
    """
    fields = _Stance.__annotations__
    stance = _Stance(*(np.concatenate([getattr(part, name) for part in stances]) for name in fields))
    if len(stance.clips) < _minimum_flat_frames(fps):
        return None
    flattest_m = percentile(stance.rises_m, _FLATTEST_PERCENTILE)
    flat = stance.select_frames(np.abs(stance.rises_m - flattest_m) < _FLAT_TOLERANCE_M)
    flat = flat.select_frames(_angles_rad(flat.normals, _mean_direction(flat.normals)) < _FLAT_TOLERANCE_RAD)
    ankle, toe = _find_ankle_and_toe(skeleton, side)
    has_toe = toe != ankle
    slope_rad = float(np.arctan2(median(flat.rises_m), median(flat.reaches_m))) if has_toe else 0.0
    normal = _mean_direction(flat.normals)
    has_slope_of_flat_foot = _SLOPES_RAD[0] <= slope_rad <= _SLOPES_RAD[1]
    if len(flat.clips) < _minimum_flat_frames(fps) or _is_tilted(normal) or not has_slope_of_flat_foot:
        return None
    toe_normal = _mean_direction(flat.toe_normals)
    heights_m = [float(median(flat.heights_m[flat.clips == clip])) for clip in find_distinct(flat.clips)]
    sole_m, confidence = _estimate_depth_m(np.array(heights_m), sole_depths_m(skeleton))
    return _Foot(
        ankle=normal,
        toe=normal if _is_tilted(toe_normal) else toe_normal,
        sole_m=sole_m,
        confidence=confidence,
        slope_rad=slope_rad,
    )


def _is_tilted(normal: np.ndarray) -> bool:
    """Return whether a sole normal is far from vertical.

    The foot then stands on its edge or tip, or lies.
    """
    return float(_angles_rad(normal, UP)) > _MAX_TILTED_RAD


def _estimate_depth_m(heights_m: np.ndarray, bounds_m: tuple[float, float, float]) -> tuple[float, float]:
    """Estimate a sole's depth, with a confidence from 0 to 1.

    The estimate is the most likely depth, given a normal prior of depths and Laplace-distributed floor heights. The
    depth alone then explains a single clip.

    Args:
        heights_m: (N,) height of the standing toe joint in each clip, in m.
        bounds_m: Minimum, usual and maximum depth, in m.
    """
    least_m, usual_m, largest_m = bounds_m
    within_m = np.clip(heights_m, least_m, largest_m)
    off_m = np.abs(heights_m - within_m)
    confidence = np.clip((_WRONG_FLOOR_M[1] - off_m) / (_WRONG_FLOOR_M[1] - _WRONG_FLOOR_M[0]), 0.0, 1.0)
    depths_m = np.linspace(least_m, largest_m, 101)
    prior = (depths_m - usual_m) ** 2 / (largest_m - least_m)
    likeliest = (prior + confidence @ np.abs(within_m[:, None] - depths_m)).argmin()
    return float(depths_m[likeliest]), float(confidence.max())


def _mean_direction(normals: np.ndarray) -> np.ndarray:
    """Return the mean direction (3,) of unit vectors (K, 3)."""
    total = normals.sum(0)
    return total / max(float(np.linalg.norm(total)), 1e-9)


def _angles_rad(normals: np.ndarray, direction: np.ndarray) -> np.ndarray:
    return np.arccos(np.clip(normals @ direction, -1.0, 1.0))


def _rotation_to_up(normal: np.ndarray) -> Quaternion:
    """Return the smallest rotation of a unit vector (3,) to the y axis."""
    x, y, z = normal.tolist()
    turn = np.array([-z, 0.0, x, 1 + y])  # the axis is normal × y
    a, b, c, d = (turn / np.linalg.norm(turn)).tolist()
    return a, b, c, d
