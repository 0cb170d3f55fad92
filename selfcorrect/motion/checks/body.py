"""Rules of the body: limbs through limbs, joints beyond their limits, the pose of a rig instead of a person's.

Also those of its size and axis, which show a wrong reading.
"""

from itertools import combinations

import numpy as np

from ..geometry.rotations import invert, rotate
from ..geometry.vectors import normalize_safely
from ..motion import Motion
from .findings import Measurement, find_runs
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


def interpenetration_m(features: MotionFeatures) -> Measurement:
    """How deep bones that are no neighbours are in each other, for bodies of all sizes as if they were adults."""
    bones = {name: ends for name, parts in _BONES.items() if (ends := features.places(*parts)) is not None}
    pairs = [pair for pair in combinations(bones, 2) if not _are_adjacent(*pair)]
    if not pairs:
        return Measurement.empty()
    scale = _leg_m(features) / _ADULT_LEG_M
    depths = [
        (_thickness_m(one) + _thickness_m(two)) - _segment_distance_m(bones[one], bones[two]) / scale
        for one, two in pairs
    ]
    return Measurement(np.stack(depths, axis=1), tuple(f"{one} – {two}" for one, two in pairs))


def _are_adjacent(one: str, two: str) -> bool:
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


def overextension_deg(features: MotionFeatures) -> Measurement:
    """How far knees are bent forwards, and knees and elbows folded beyond what soft tissue admits."""
    bends = []
    for side in SIDES:
        for part, ends in (("knee", ("hip", "ankle")), ("elbow", ("shoulder", "wrist"))):
            joint, limb = f"{side}_{part}", features.places(*(f"{side}_{name}" for name in (ends[0], part, ends[1])))
            if limb is not None:
                folded = _flexion_deg(limb) - _FOLDED_DEG[part]
                bends.append(
                    (joint, np.maximum(folded, _hyperextension_deg(features, side)) if part == "knee" else folded)
                )
    if not bends:
        return Measurement.empty()
    return Measurement(np.stack([values for _, values in bends], axis=1), tuple(name for name, _ in bends))


_HIPS_WEIGHT, _TELLING = 0.25, 0.05
"""Weight of the hips, which thighs may be turned against, beside the foot; and the least mean that determines an
axis."""

_FOLDED_DEG = {"knee": 140.0, "elbow": 135.0}
"""Where folding starts to count, so that the threshold for bending backwards serves for both."""


def _flexion_deg(limb_m: np.ndarray) -> np.ndarray:
    """(T,) angle by which the joint in the middle of (T, 3, 3) is bent, 0 where straight."""
    upper, lower = limb_m[:, 1] - limb_m[:, 0], limb_m[:, 2] - limb_m[:, 1]
    return _angles_deg(upper, lower)


def _hyperextension_deg(features: MotionFeatures, side: str) -> np.ndarray:
    """(T,) angle by which a knee is bent forwards, negative where it is bent as knees are, about its hinge."""
    leg_m = features.places(*(f"{side}_{part}" for part in ("hip", "knee", "ankle")))
    hip = features.skeleton.joint(f"{side}_hip")
    assert leg_m is not None, "the caller has seen the leg"
    assert hip is not None
    own = invert(features.orientations[:, hip])
    thigh, shank = (rotate(own, bone) for bone in np.moveaxis(np.diff(leg_m, axis=1), 1, 0))
    hinge = _hinge(rotate(own, _leftwards(features, side, leg_m)))
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
        left += np.cross(normalize_safely(toes[:, 1] - toes[:, 0]), normalize_safely(leg_m[:, 2] - leg_m[:, 1]))
    if hips is not None:
        left += _HIPS_WEIGHT * normalize_safely(hips[:, 1] - hips[:, 0])
    return left


def _angles_deg(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    lengths = np.maximum(np.linalg.norm(one, axis=-1) * np.linalg.norm(two, axis=-1), 1e-12)
    return np.degrees(np.arccos(np.clip(np.einsum("ti,ti->t", one, two) / lengths, -1, 1)))


def neck_twist_deg(features: MotionFeatures) -> Measurement:
    """How far the head is turned against the chest."""
    joints = [features.skeleton.joint(part) for part in ("spine3", "head")]
    if None in joints:
        return Measurement.empty()
    chest, head = (features.orientations[:, joint] for joint in joints)
    dots = np.abs(np.einsum("ti,ti->t", chest, head)).clip(0, 1)
    return Measurement(2 * np.degrees(np.arccos(dots))[:, None], ("head",))


def t_pose_deg(features: MotionFeatures) -> Measurement:
    """The largest angle of a limb off the T of a rig's pose, as its negative; not a number where people pose so.

    People lower their arms from a T that opens a take, and dancers raise them to one. The body of a rig jumps into its
    pose or out of it, never leaves it, or nothing bends for a while amid the take.
    """
    off_deg = _off_t_pose_deg(features)
    if off_deg is None:
        return Measurement.empty()
    values = -off_deg
    for start, stop in find_runs(off_deg < T_POSE_DEG):
        at_ends = (start == 0) + (stop == len(features))
        held = at_ends == 2 or (at_ends == 0 and _is_rigid(features, start, stop))
        if not (held or _has_jump(features, start - 1) or _has_jump(features, stop - 1)):
            values[start:stop] = np.nan
    return Measurement(values[:, None], ("body",))


def count_t_pose_frames(motion: Motion) -> int:
    """How many frames with a rig's T-pose open a motion, before it jumps to where it begins; 0 where none do."""
    first_deg = _off_t_pose_deg(MotionFeatures(motion.frames(0, 1)))
    if first_deg is None or first_deg[0] >= T_POSE_DEG:
        return 0
    features = MotionFeatures(motion)
    off_deg = _off_t_pose_deg(features)
    assert off_deg is not None, "the first frame has the same joints"
    _, stop = find_runs(off_deg < T_POSE_DEG)[0]
    return stop if _has_jump(features, stop - 1) else 0


def _off_t_pose_deg(features: MotionFeatures) -> np.ndarray | None:
    """(T,) largest angle of a limb off a T; None where the skeleton lacks a limb."""
    places = features.places("pelvis", "neck", *(part for bone in _T_BONES for part in bone))
    if places is None:
        return None
    bones = places[:, 2::2] - places[:, 3::2]
    up, left = (places[:, 1] - places[:, 0])[:, None], (places[:, 2] - places[:, 6])[:, None]
    towards = np.concatenate([up, up, up, up, -left, -left, left, left], axis=1)
    lengths = np.linalg.norm(bones, axis=-1) * np.linalg.norm(towards, axis=-1)
    cosines = np.einsum("tbi,tbi->tb", bones, towards) / np.maximum(lengths, 1e-12)
    return np.degrees(np.arccos(np.clip(cosines, -1, 1))).max(axis=1)


def _has_jump(features: MotionFeatures, step: int) -> bool:
    """Whether a joint is faster in a step than people's are, or all of a sudden as fast as only those of fast ones."""
    if not 0 <= step < len(features) - 1:
        return False
    first, last = max(step - 1, 0), min(step + 2, len(features) - 1)
    speeds_m_s = np.linalg.norm(features.steps_m[first:last], axis=-1) * features.fps
    own_m_s, others_m_s = speeds_m_s[step - first], np.delete(speeds_m_s, step - first, axis=0)
    sudden = own_m_s > np.maximum(_FAST_M_S, _SUDDENLY * others_m_s.max(axis=0, initial=0.0))
    return bool(own_m_s.max() > _FASTEST_M_S or sudden.any())


def _is_rigid(features: MotionFeatures, start: int, stop: int) -> bool:
    """Whether no joint turns for a while within some frames."""
    turns = np.abs(np.diff(features.motion.rotations[start:stop, features.joints[1:]], axis=0))
    rigid = find_runs(np.asarray(turns.max(axis=(1, 2), initial=0.0) * features.fps < _RIGID_PER_S))
    least = max(_FEWEST_RIGID, _RIGID_S * features.fps)
    return any(last - first >= least for first, last in rigid)


T_POSE_DEG = 20.0
"""A T-pose: all limbs are within this angle of it."""

_FASTEST_M_S, _FAST_M_S, _SUDDENLY = 14.0, 5.0, 3.0
"""Speeds of a joint: one that no person reaches, as in the rule of speed, and one that no arm reaches so suddenly that
it is so many times as fast as in the steps before and after."""

_FEWEST_RIGID, _RIGID_S, _RIGID_PER_S = 2, 0.2, 0.003
"""So many steps, and so long, in which no component of a quaternion changes faster show that nobody moves."""

_T_BONES = (
    ("left_hip", "left_knee"), ("left_knee", "left_ankle"), ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
    ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"), ("right_shoulder", "right_elbow"),
    ("right_elbow", "right_wrist"),
)  # fmt: skip
"""Legs, which hang from their upper joints along the trunk, and arms, which point away from the other side."""

_USUAL_M = 1.35
"""From the head's joint to the ankle along an adult's bones."""


def size_factor(features: MotionFeatures) -> Measurement:
    """How many times larger or smaller than an adult's the way from head to ankle along the bones is."""
    ends = [features.skeleton.joint(part) for part in ("head", "left_ankle")]
    if None in ends:
        return Measurement.empty()
    length_m = sum(_to_root_m(features, end) for end in ends if end is not None)
    return Measurement.from_scalar(max(length_m / _USUAL_M, _USUAL_M / max(length_m, 1e-9)))


def _to_root_m(features: MotionFeatures, joint: int) -> float:
    length_m = 0.0
    while joint > 0:
        length_m += float(np.linalg.norm(features.skeleton.offsets_m[joint]))
        joint = features.skeleton.parents[joint]
    return length_m


def lying_share(features: MotionFeatures) -> Measurement:
    """Share of frames in which the body lies stretched out, or stands on its head, as if another axis were up."""
    places = features.places("pelvis", "neck", "left_ankle", "right_ankle")
    if places is None or len(features) < 2:
        return Measurement.empty()
    up = normalize_safely(places[:, 1] - places[:, 0])
    stretched = np.einsum("ti,ti->t", normalize_safely(places[:, 0] - places[:, 2:].mean(axis=1)), up) > _STRETCHED
    lies = (up[:, 1] < _UPRIGHT) & stretched
    return Measurement.from_scalar(float(lies.mean()))


_STRETCHED, _UPRIGHT = 0.7, 0.4
"""Cosines: of the angle between trunk and legs of somebody who stands, and of a trunk's angle to the vertical."""
