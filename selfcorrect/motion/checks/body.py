"""Rules of the body: limbs through limbs, joints beyond their limits, the pose of a rig instead of a person's."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from ..geometry.rotations import applied, inverted
from ..geometry.vectors import unit
from .findings import Measured, runs
from .motion_features import MotionFeatures

SIDES = ("left", "right")
_BONES = {
    "trunk": ("pelvis", "neck"),
    **{f"{side} thigh": (f"{side}_hip", f"{side}_knee") for side in SIDES},
    **{f"{side} shank": (f"{side}_knee", f"{side}_ankle") for side in SIDES},
    **{f"{side} upper arm": (f"{side}_shoulder", f"{side}_elbow") for side in SIDES},
    **{f"{side} forearm": (f"{side}_elbow", f"{side}_wrist") for side in SIDES},
}
_AXIS_M = {"trunk": 0.07, "thigh": 0.055, "shank": 0.04, "upper arm": 0.035, "forearm": 0.028}
"""Thickness around a bone's axis that never gives way: about three quarters of an adult's smallest half width there."""

_ADULT_LEG_M = 0.82


def through_m(features: MotionFeatures) -> Measured:
    """How deep bones that are no neighbours are in each other, for bodies of all sizes as if they were adults."""
    bones = {name: ends for name, parts in _BONES.items() if (ends := features.places(*parts)) is not None}
    pairs = [pair for pair in combinations(bones, 2) if not _neighbours(*pair)]
    if not pairs:
        return Measured.nothing()
    scale = _leg_m(features) / _ADULT_LEG_M
    depths = [
        (_thickness_m(one) + _thickness_m(two)) - _segment_distance_m(bones[one], bones[two]) / scale
        for one, two in pairs
    ]
    return Measured(np.stack(depths, axis=1), tuple(f"{one} – {two}" for one, two in pairs))


def _neighbours(one: str, two: str) -> bool:
    """Bones that meet in a joint, or would but for the width of hips and shoulders."""
    if one.split()[0] == two.split()[0]:
        return True
    across = {"trunk", "left thigh", "right thigh"}, {"trunk", "left upper arm", "right upper arm"}
    return any({one, two} <= group for group in across)


def _thickness_m(bone: str) -> float:
    return _AXIS_M[bone.removeprefix("left ").removeprefix("right ")]


def _leg_m(features: MotionFeatures) -> float:
    """Length of thigh and shank, the longer leg's; an adult's where they are unknown."""
    legs = [features.places(*(f"{side}_{part}" for part in ("hip", "knee", "ankle"))) for side in SIDES]
    lengths = [float(np.linalg.norm(np.diff(leg[0], axis=0), axis=-1).sum()) for leg in legs if leg is not None]
    return max(lengths, default=_ADULT_LEG_M) or _ADULT_LEG_M


def _segment_distance_m(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Distances (T,) of segments (T, 2, 3): the nearest points of their lines, clamped (Ericson 2005, §5.1.9)."""
    start, other = one[:, 0], two[:, 0]
    first, second, between = one[:, 1] - start, two[:, 1] - other, start - other
    a, e, f = (np.einsum("ti,ti->t", *pair) for pair in ((first, first), (second, second), (second, between)))
    b, c = np.einsum("ti,ti->t", first, second), np.einsum("ti,ti->t", first, between)
    apart = np.maximum(a * e - b * b, 1e-12)
    along = np.clip((b * f - c * e) / apart, 0.0, 1.0)
    beside = np.clip((b * along + f) / np.maximum(e, 1e-12), 0.0, 1.0)
    along = np.clip((b * beside - c) / np.maximum(a, 1e-12), 0.0, 1.0)
    return np.linalg.norm(between + along[:, None] * first - beside[:, None] * second, axis=-1)


def backwards_deg(features: MotionFeatures) -> Measured:
    """How far knees are bent forwards, and knees and elbows folded beyond what soft tissue admits."""
    bends = []
    for side in SIDES:
        for part, ends in (("knee", ("hip", "ankle")), ("elbow", ("shoulder", "wrist"))):
            joint, limb = f"{side}_{part}", features.places(*(f"{side}_{name}" for name in (ends[0], part, ends[1])))
            if limb is not None:
                folded = _folded_deg(limb) - _FOLDED_DEG[part]
                bends.append((joint, np.maximum(folded, _forwards_deg(features, side)) if part == "knee" else folded))
    if not bends:
        return Measured.nothing()
    return Measured(np.stack([values for _, values in bends], axis=1), tuple(name for name, _ in bends))


_HIPS_WEIGHT, _TELLING = 0.25, 0.05
"""Weight of the hips, which thighs may be turned against, beside the foot; and the least mean that determines an
axis."""

_FOLDED_DEG = {"knee": 140.0, "elbow": 135.0}
"""Where folding starts to count, so that the threshold for bending backwards serves for both."""


def _folded_deg(limb_m: np.ndarray) -> np.ndarray:
    """(T,) angle by which the joint in the middle of (T, 3, 3) is bent, 0 where straight."""
    upper, lower = limb_m[:, 1] - limb_m[:, 0], limb_m[:, 2] - limb_m[:, 1]
    return _angles_deg(upper, lower)


def _forwards_deg(features: MotionFeatures, side: str) -> np.ndarray:
    """(T,) angle by which a knee is bent forwards, negative where it is bent as knees are, about its hinge."""
    leg_m = features.places(*(f"{side}_{part}" for part in ("hip", "knee", "ankle")))
    hip = features.skeleton.joint(f"{side}_hip")
    assert leg_m is not None, "the caller has seen the leg"
    assert hip is not None
    own = inverted(features.orientations[:, hip])
    thigh, shank = (applied(own, bone) for bone in np.moveaxis(np.diff(leg_m, axis=1), 1, 0))
    hinge = _hinge(applied(own, _leftwards(features, side, leg_m)))
    if hinge is None:
        return np.zeros(len(features))
    one, other = (bone - (bone @ hinge)[:, None] * hinge for bone in (thigh, shank))
    return np.degrees(np.arctan2(-(np.cross(one, other) @ hinge), np.einsum("ti,ti->t", one, other)))


def _hinge(leftwards: np.ndarray) -> np.ndarray | None:
    """(3,) axis about which a knee bends, in its thigh's frame, from where the body's left is there (T, 3).

    Which axis of a rig's frame that is differs from rig to rig, and often from leg to leg. None where nothing
    determines it.
    """
    mean = leftwards.mean(axis=0)
    length = float(np.linalg.norm(mean))
    return mean / length if length > _TELLING else None


def _leftwards(features: MotionFeatures, side: str, leg_m: np.ndarray) -> np.ndarray:
    """(T, 3) to the left of the foot and, with less weight, of the hips, as far as they are known, world.

    The foot points ahead of its shank whatever knee and hip do, so that bent and turned legs agree.
    """
    toes, hips = features.places(f"{side}_ankle", f"{side}_foot"), features.places("right_hip", "left_hip")
    left = np.zeros((len(features), 3))
    if toes is not None:
        left += np.cross(unit(toes[:, 1] - toes[:, 0]), unit(leg_m[:, 2] - leg_m[:, 1]))
    if hips is not None:
        left += _HIPS_WEIGHT * unit(hips[:, 1] - hips[:, 0])
    return left


def _angles_deg(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    lengths = np.maximum(np.linalg.norm(one, axis=-1) * np.linalg.norm(two, axis=-1), 1e-12)
    return np.degrees(np.arccos(np.clip(np.einsum("ti,ti->t", one, two) / lengths, -1, 1)))


def neck_deg(features: MotionFeatures) -> Measured:
    """How far the head is turned against the chest."""
    joints = [features.skeleton.joint(part) for part in ("spine3", "head")]
    if None in joints:
        return Measured.nothing()
    chest, head = (features.orientations[:, joint] for joint in joints)
    dots = np.abs(np.einsum("ti,ti->t", chest, head)).clip(0, 1)
    return Measured(2 * np.degrees(np.arccos(dots))[:, None], ("head",))


def t_pose_deg(features: MotionFeatures) -> Measured:
    """The largest angle of a limb off the T of a rig's pose, as its negative.

    Nothing is said of who stands so at the start or end of a take, to be calibrated, and moves from or into it.
    """
    parts = ("pelvis", "neck", *(f"{side}_{part}" for side in SIDES for part in _LIMBS))
    places = features.places(*parts)
    if places is None:
        return Measured.nothing()
    at = dict(zip(parts, np.moveaxis(places, 1, 0), strict=True))
    left = at["left_hip"] - at["right_hip"]
    up = at["neck"] - at["pelvis"]
    off = [_angles_deg(up, at[f"{side}_{top}"] - at[f"{side}_{low}"]) for side in SIDES for top, low in _DOWN]
    for side, out in zip(SIDES, (left, -left), strict=True):
        off += [_angles_deg(out, at[f"{side}_{low}"] - at[f"{side}_{top}"]) for top, low in _OUT]
    values = -np.max(off, axis=0)
    for start, stop in runs(values > -T_POSE_DEG):
        if _is_calibration(features, start, stop):
            values[start:stop] = np.nan
    return Measured(values[:, None], ("body",))


def _is_calibration(features: MotionFeatures, start: int, stop: int) -> bool:
    """Whether a pose in some frames opens or ends a take, and the body moves on from it or into it without a jump."""
    if (start == 0) == (stop == len(features)):
        return False
    step_m = features.steps_m[stop - 1 if start == 0 else start - 1]
    return float(np.linalg.norm(step_m, axis=-1).max()) * features.fps < _JUMP_M_S


T_POSE_DEG = 20.0
"""A T-pose: all limbs are within this angle of it."""

_JUMP_M_S = 5.0
"""No joint of somebody who lowers the arms is so fast."""

_LIMBS = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
_DOWN = (("hip", "knee"), ("knee", "ankle"))
_OUT = (("shoulder", "elbow"), ("elbow", "wrist"))
