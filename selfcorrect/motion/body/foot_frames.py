"""Where the soles of a rig are, learned from frames in which its feet stand.

Soles are placed in the frames of ankles and toe joints, as if the rest pose stood flat on soles of an ordinary shoe
(see `surface`). Rigs whose feet point down at rest stand with these frames tilted, and toe joints may lie in the sole.
While a foot stands flat its sole's normal is up, and its toe joint as high as the sole is thick.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..geometry.kinematics import SLAB, forward_kinematics
from ..geometry.rotations import compose, invert, rotate, rotation_vectors
from ..geometry.vectors import median, norms, percentile
from ..geometry.views import LevelFeet
from ..motion import Motion
from ..skeleton import FootFrames, Quaternion, Skeleton
from .surface import BOX_FOOT_SOLE_M, SOLE_BELOW_TOE_JOINT_M

SIDES = ("left", "right")

_AROUND_S = 0.05
"""Time before and after a frame over which speeds are taken."""
_RISES_M_S, _TURNS_RAD_S, _SLIDES_M_S = 0.08, 0.8, 0.15
"""A standing foot rises, sinks and turns more slowly, and slides more slowly where one often does: floors drift, and
cycles walk on the spot."""
_LOW_M = 0.03
"""It is lower than this above where the lower foot usually is."""
_FLATTEST_PERCENTILE, _AS_FLAT_M, _AS_FLAT_RAD = 25, 0.012, float(np.radians(10.0))
"""Feet stand flat where ankles are lowest, compared with their toe joints; others are on tiptoe or about to leave. How
far the ankle's rise and the sole's normal may be from those."""
_FEWEST_FRAMES, _FEWEST_S = 5, 0.15
"""How much flat stance shows a foot's frame."""
_MOST_TILTED_RAD = float(np.radians(40.0))
"""Feet that are tilted by more than this from the rest pose stand on their edges or tips, or lie."""
_SLOPES_RAD = float(np.radians(0.0)), float(np.radians(50.0))
"""Slopes of the line from toe joint to ankle in feet that are flat: at more they stand on tiptoe."""
_STEEPER_RAD = float(np.radians(12.0))
"""A foot that is steeper by more than the other one stands on tiptoe."""

_DEPTHS_M = {True: (0.0, SOLE_BELOW_TOE_JOINT_M, 0.05), False: (0.03, -BOX_FOOT_SOLE_M, 0.11)}
"""Least, usual and largest depth of the sole below toe joints, or (False) below ankles of feet without any."""
_OFF_M = 0.01, 0.02
"""Joints higher or lower than soles explain, by the first or more, show a floor that is off, and by the second nothing
else."""

_FLOORS_OFF_M = 0.015
"""Floors of clips may be off by so much, and stay where they are."""


@dataclass(frozen=True, eq=False)
class _Stance:
    """K frames in which a foot stands."""

    normals: np.ndarray
    """(K, 3) the world's up direction in the ankle's frame."""
    toe_normals: np.ndarray
    """(K, 3) in that of the toe joint; of the ankle without one."""
    rises_m: np.ndarray
    """(K,) height of the ankle above the toe joint; above y = 0 without one."""
    reaches_m: np.ndarray
    """(K,) horizontal distance from ankle to toe joint."""
    heights_m: np.ndarray
    """(K,) height of the toe joint, or of the ankle without one."""
    clips: np.ndarray
    """(K,) which clip each is of."""

    def select_frames(self, frames: np.ndarray) -> _Stance:
        """Some of the frames."""
        return _Stance(**{name: values[frames] for name, values in vars(self).items()})


@dataclass(frozen=True)
class _Foot:
    """How one foot stands."""

    ankle: np.ndarray
    """(3,) normal of the sole in the ankle's frame."""
    toe: np.ndarray
    """(3,) the same in that of the toe joint."""
    sole_m: float
    """Its depth below the toe joint, or below the ankle without one."""
    sure: float
    """How surely its heights show that, from 0 to 1."""
    slope_rad: float
    """Of the line from toe joint to ankle."""

    def reconcile_with(self, other: _Foot | None) -> _Foot:
        """This foot, or the mirror image of the other where that is flatter by far."""
        if other is None or self.slope_rad < other.slope_rad + _STEEPER_RAD:
            return self
        return other.mirror()

    def reconciled_depth_m(self, other: _Foot) -> float:
        """The sole's depth, as far as the other foot shows it more surely that of this one: shoes are alike."""
        return self.sole_m + max(other.sure - self.sure, 0.0) * (other.sole_m - self.sole_m)

    def mirror(self) -> _Foot:
        """The foot of the other side."""
        return replace(self, ankle=self.ankle * (-1, 1, 1), toe=self.toe * (-1, 1, 1))


def level_feet(motion: Motion) -> Motion:
    """The same motion, its feet seen in frames in which they stand level, with soles of the depth that they show."""
    return LevelFeet(get_foot_frames(motion)).view(motion)


def get_foot_frames(motion: Motion) -> FootFrames:
    """How the feet of a motion's rig stand: as it carries along, else as it shows."""
    return motion.feet or estimate_foot_frames([motion])


def fit_feet_to_rig(motion: Motion, rig: FootFrames) -> FootFrames:
    """How the feet of a motion stand whose rig other motions showed: as those do, at the height at which it stands.

    Its own soles count where they are nearly as deep: no floor is known to the centimetre.
    """
    own_m = estimate_foot_frames([motion]).soles_m
    if own_m is None or rig.soles_m is None:
        return rig
    near = all(abs(own - usual) < _FLOORS_OFF_M for own, usual in zip(own_m, rig.soles_m, strict=True))
    return replace(rig, soles_m=own_m) if near else rig


def estimate_foot_frames(motions: Sequence[Motion]) -> FootFrames:
    """How the feet of motions on one skeleton stand; as at rest where they never stand flat.

    Depths explain how high toe joints are above y = 0 as far as soles can. Among several motions the median decides,
    with the usual depth as one more, because the floor of each may be off.
    """
    skeleton = motions[0].skeleton
    if None in (skeleton.joint("left_ankle"), skeleton.joint("right_ankle")):
        return FootFrames()
    seen = [_find_stances(motion, clip) for clip, motion in enumerate(motions) if len(motion) >= _FEWEST_FRAMES]
    if not seen:
        return FootFrames()
    left, right = (_estimate_foot([feet[side] for feet in seen], skeleton, side, motions[0].fps) for side in (0, 1))
    left, right = left or (right and right.mirror()), right or (left and left.mirror())
    if left is None or right is None:
        return FootFrames()
    left, right = left.reconcile_with(right), right.reconcile_with(left)
    return FootFrames(
        ankles=(_turn_onto_up(left.ankle), _turn_onto_up(right.ankle)),
        toes=(_turn_onto_up(left.toe), _turn_onto_up(right.toe)),
        soles_m=(left.reconciled_depth_m(right), right.reconciled_depth_m(left)),
    )


def _find_stances(motion: Motion, clip: int) -> list[_Stance]:
    """When each foot of a motion stands."""
    skeleton, fps, count = motion.skeleton, motion.fps, min(len(motion), SLAB)
    joints = np.array([_find_ankle_and_toe(skeleton, side) for side in (0, 1)])
    poses = forward_kinematics(skeleton, motion.root_m[:count], motion.rotations[:count], joints.ravel().tolist())
    # (T, 2 feet, ankle and toe joint, …)
    positions_m, orientations = (values.reshape(count, *joints.shape, -1) for values in poses)
    if motion.ground is not None:
        positions_m, orientations = (
            motion.ground.to_floor_frame(positions_m),
            motion.ground.orientations_to_floor_frame(orientations),
        )
    ankles_m, toes_m = positions_m[:, :, 0], positions_m[:, :, 1]
    apart, toed = max(1, round(_AROUND_S * fps)), joints[:, 0] != joints[:, 1]
    first, last = np.maximum(np.arange(count) - apart, 0), np.minimum(np.arange(count) + apart, count - 1)
    for_s = ((last - first) / fps)[:, None]
    turned = compose(orientations[last, :, 0], invert(orientations[first, :, 0]))
    calm = norms(rotation_vectors(turned)) < _TURNS_RAD_S * for_s
    calm &= (np.abs(positions_m[last, ..., 1] - positions_m[first, ..., 1]) < _RISES_M_S * for_s[..., None]).all(-1)
    heights_m = toes_m[..., 1] if motion.ground is None else motion.ground.in_own_frame.above_m(toes_m)
    lowest_m = percentile(heights_m.min(1), 25)
    stands = calm & (heights_m < lowest_m + _LOW_M)
    still = stands & (norms((ankles_m[last] - ankles_m[first])[..., [0, 2]]) < _SLIDES_M_S * for_s)
    stands = np.where(still.sum(0) >= _minimum_flat_frames(fps), still, stands)
    up, away_m = rotate(invert(orientations), np.array([0.0, 1.0, 0.0])), ankles_m - toes_m
    return [
        _Stance(
            normals=up[own, side, 0],
            toe_normals=up[own, side, 1],
            rises_m=away_m[own, side, 1] if toed[side] else heights_m[own, side],
            reaches_m=norms(away_m[own, side][:, [0, 2]]),
            heights_m=heights_m[own, side],
            clips=np.full(own.sum(), clip),
        )
        for side, own in enumerate(stands.T)
    ]


def _find_ankle_and_toe(skeleton: Skeleton, side: int) -> tuple[int, int]:
    """Ankle and toe joint of a foot, the ankle twice without one."""
    ankle, toe = (skeleton.joint(f"{SIDES[side]}_{part}") for part in ("ankle", "foot"))
    assert ankle is not None
    return ankle, ankle if toe is None else toe


def _minimum_flat_frames(fps: float) -> float:
    """Frames of flat stance that show a foot's frame."""
    return max(_FEWEST_FRAMES, _FEWEST_S * fps)


def _estimate_foot(seen: Sequence[_Stance], skeleton: Skeleton, side: int, fps: float) -> _Foot | None:
    """How a foot stands in some clips; None where it hardly ever is flat."""
    stance = _Stance(*(np.concatenate([getattr(one, name) for one in seen]) for name in _Stance.__annotations__))
    if len(stance.clips) < _minimum_flat_frames(fps):
        return None
    flattest_m = percentile(stance.rises_m, _FLATTEST_PERCENTILE)
    flat = stance.select_frames(np.abs(stance.rises_m - flattest_m) < _AS_FLAT_M)
    flat = flat.select_frames(_angles_rad(flat.normals, _mean_direction(flat.normals)) < _AS_FLAT_RAD)
    ankle, toe = _find_ankle_and_toe(skeleton, side)
    toed = toe != ankle
    slope_rad = float(np.arctan2(median(flat.rises_m), median(flat.reaches_m))) if toed else 0.0
    normal = _mean_direction(flat.normals)
    tilted = float(_angles_rad(normal, np.array([0.0, 1.0, 0.0]))) > _MOST_TILTED_RAD
    if len(flat.clips) < _minimum_flat_frames(fps) or tilted or not _SLOPES_RAD[0] <= slope_rad <= _SLOPES_RAD[1]:
        return None
    toe_normal = _mean_direction(flat.toe_normals)
    bent = float(_angles_rad(toe_normal, np.array([0.0, 1.0, 0.0]))) > _MOST_TILTED_RAD
    heights_m = [float(median(flat.heights_m[flat.clips == clip])) for clip in np.unique(flat.clips)]
    return _Foot(normal, normal if bent else toe_normal, *_estimate_depth_m(np.array(heights_m), toed=toed), slope_rad)


def _estimate_depth_m(heights_m: np.ndarray, *, toed: bool) -> tuple[float, float]:
    """Depth of a sole from the height (N,) of its standing toe joint in each clip, and how sure that is, 0 to 1.

    The most likely one, with a normal distribution of depths and a Laplace distribution of the floors' heights: one
    clip is explained by its depth alone.
    """
    least_m, usual_m, largest_m = _DEPTHS_M[toed]
    within_m = np.clip(heights_m, least_m, largest_m)
    off_m = np.abs(heights_m - within_m)
    sure = np.clip((_OFF_M[1] - off_m) / (_OFF_M[1] - _OFF_M[0]), 0.0, 1.0)
    depths_m = np.linspace(least_m, largest_m, 101)
    prior = (depths_m - usual_m) ** 2 / (largest_m - least_m)
    likeliest = (prior + sure @ np.abs(within_m[:, None] - depths_m)).argmin()
    return float(depths_m[likeliest]), float(sure.max())


def _mean_direction(normals: np.ndarray) -> np.ndarray:
    """The mean direction (3,) of unit vectors (K, 3)."""
    total = normals.sum(0)
    return total / max(float(np.linalg.norm(total)), 1e-9)


def _angles_rad(normals: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.arccos(np.clip(normals @ other, -1.0, 1.0))


def _turn_onto_up(normal: np.ndarray) -> Quaternion:
    """The smallest turn that brings a unit vector (3,) onto the y axis."""
    x, y, z = normal.tolist()
    turn = np.array([-z, 0.0, x, 1 + y])  # the axis is normal × y
    a, b, c, d = (turn / np.linalg.norm(turn)).tolist()
    return a, b, c, d
