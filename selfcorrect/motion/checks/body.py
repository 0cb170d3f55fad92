"""Rules of the body: limbs through limbs, joints beyond their limits, the pose of a rig instead of a person's."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from selfcorrect.motion.checks.findings import Measured
from selfcorrect.motion.checks.sight import Sight
from selfcorrect.motion.rotations import applied, inverted

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


def through_m(sight: Sight) -> Measured:
    """How deep bones that are no neighbours are in each other, for bodies of all sizes as if they were adults."""
    bones = {name: ends for name, parts in _BONES.items() if (ends := sight.places(*parts)) is not None}
    pairs = [pair for pair in combinations(bones, 2) if not _neighbours(*pair)]
    if not pairs:
        return Measured.nothing()
    scale = _leg_m(sight) / _ADULT_LEG_M
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


def _leg_m(sight: Sight) -> float:
    """Length of thigh and shank, the longer leg's; an adult's where they are unknown."""
    legs = [sight.places(*(f"{side}_{part}" for part in ("hip", "knee", "ankle"))) for side in SIDES]
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


def backwards_deg(sight: Sight) -> Measured:
    """How far knees are bent forwards, and knees and elbows folded beyond what flesh admits."""
    bends = []
    for side in SIDES:
        for part, ends in (("knee", ("hip", "ankle")), ("elbow", ("shoulder", "wrist"))):
            joint, limb = f"{side}_{part}", sight.places(*(f"{side}_{name}" for name in (ends[0], part, ends[1])))
            if limb is not None:
                folded = _folded_deg(limb) - _FOLDED_DEG[part]
                bends.append(
                    (joint, np.maximum(folded, _forwards_deg(sight, side, limb)) if part == "knee" else folded)
                )
    if not bends:
        return Measured.nothing()
    return Measured(np.stack([values for _, values in bends], axis=1), tuple(name for name, _ in bends))


_FOLDED_DEG = {"knee": 140.0, "elbow": 135.0}
"""Where folding starts to count, so that the threshold for bending backwards serves for both."""


def _folded_deg(limb_m: np.ndarray) -> np.ndarray:
    """(T,) angle by which the joint in the middle of (T, 3, 3) is bent, 0 where straight."""
    upper, lower = limb_m[:, 1] - limb_m[:, 0], limb_m[:, 2] - limb_m[:, 1]
    return _angles_deg(upper, lower)


def _forwards_deg(sight: Sight, side: str, leg_m: np.ndarray) -> np.ndarray:
    """(T,) angle by which a shank points ahead of its thigh, seen from the thigh's frame, whose z is ahead."""
    hip = sight.skeleton.joint(f"{side}_hip")
    own = inverted(sight.orientations[:, hip])
    thigh, shank = (applied(own, bone) for bone in np.moveaxis(np.diff(leg_m, axis=1), 1, 0))
    ahead = np.arctan2(shank[:, 2], -shank[:, 1]) - np.arctan2(thigh[:, 2], -thigh[:, 1])
    return np.degrees((ahead + np.pi) % (2 * np.pi) - np.pi)


def _angles_deg(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    lengths = np.maximum(np.linalg.norm(one, axis=-1) * np.linalg.norm(two, axis=-1), 1e-12)
    return np.degrees(np.arccos(np.clip(np.einsum("ti,ti->t", one, two) / lengths, -1, 1)))


def neck_deg(sight: Sight) -> Measured:
    """How far the head is turned against the chest."""
    joints = [sight.skeleton.joint(part) for part in ("spine3", "head")]
    if None in joints:
        return Measured.nothing()
    chest, head = (sight.orientations[:, joint] for joint in joints)
    dots = np.abs(np.einsum("ti,ti->t", chest, head)).clip(0, 1)
    return Measured(2 * np.degrees(np.arccos(dots))[:, None], ("head",))


def t_pose_deg(sight: Sight) -> Measured:
    """The largest angle of a limb off the T of a rig's pose, as its negative."""
    parts = ("pelvis", "neck", *(f"{side}_{part}" for side in SIDES for part in _LIMBS))
    places = sight.places(*parts)
    if places is None:
        return Measured.nothing()
    at = dict(zip(parts, np.moveaxis(places, 1, 0), strict=True))
    left = at["left_hip"] - at["right_hip"]
    up = at["neck"] - at["pelvis"]
    off = [_angles_deg(up, at[f"{side}_{top}"] - at[f"{side}_{low}"]) for side in SIDES for top, low in _DOWN]
    for side, out in zip(SIDES, (left, -left), strict=True):
        off += [_angles_deg(out, at[f"{side}_{low}"] - at[f"{side}_{top}"]) for top, low in _OUT]
    return Measured(-np.max(off, axis=0)[:, None], ("body",))


_LIMBS = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
_DOWN = (("hip", "knee"), ("knee", "ankle"))
_OUT = (("shoulder", "elbow"), ("elbow", "wrist"))
