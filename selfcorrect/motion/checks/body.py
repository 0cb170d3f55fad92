"""Rules of the body: intersecting limbs, joint limits, T-poses, size and vertical axis.

An implausible size or axis shows that a file was read with the wrong unit or the wrong axis up.
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from ..body.smpl import T_POSE_DEG
from ..geometry.rotations import invert, rotate
from ..geometry.runs import find_runs
from ..geometry.vectors import angles_rad, dot, normalize_safely, norms
from ..motion import Motion
from ..perception.motion_features import MotionFeatures
from ..skeleton import ADULT_LEG_M, SIDES
from .findings import Measurement, deviation_factor

_BONES = {
    "trunk": ("pelvis", "neck"),
    **{f"{side} thigh": (f"{side}_hip", f"{side}_knee") for side in SIDES},
    **{f"{side} shank": (f"{side}_knee", f"{side}_ankle") for side in SIDES},
    **{f"{side} upper arm": (f"{side}_shoulder", f"{side}_elbow") for side in SIDES},
    **{f"{side} forearm": (f"{side}_elbow", f"{side}_wrist") for side in SIDES},
}
_AXIS_M = {"trunk": 0.07, "thigh": 0.055, "shank": 0.04, "upper arm": 0.035, "forearm": 0.028}
"""Radius of the firm core around a bone, in m: about three quarters of an adult's smallest half width there."""


def interpenetration_m(features: MotionFeatures) -> Measurement | None:
    """Measure how deep non-adjacent bones intersect, scaled to an adult's size."""
    bones = {name: ends for name, parts in _BONES.items() if (ends := features.places(*parts)) is not None}
    pairs = [pair for pair in combinations(bones, 2) if not _are_adjacent(*pair)]
    if not pairs:
        return None
    scale = longest_leg_m(features) / ADULT_LEG_M
    depths = []
    for first, second in pairs:
        thickness_m = _thickness_m(first) + _thickness_m(second)
        depths.append(thickness_m - _segment_distance_m(bones[first], bones[second]) / scale)
    return Measurement(np.stack(depths, axis=1), tuple(f"{first} – {second}" for first, second in pairs))


def _are_adjacent(first: str, second: str) -> bool:
    """Return whether two bones meet at a joint.

    All bones at the hips count as adjacent, and all bones at the shoulders.
    """
    if first.split()[0] == second.split()[0]:
        return True
    hips = {"trunk", "left thigh", "right thigh"}
    shoulders = {"trunk", "left upper arm", "right upper arm"}
    return {first, second} <= hips or {first, second} <= shoulders


def _thickness_m(bone: str) -> float:
    return _AXIS_M[bone.removeprefix("left ").removeprefix("right ")]


def longest_leg_m(features: MotionFeatures) -> float:
    """Return the longer leg's thigh plus shank, or an adult's if both are unknown."""
    lengths_m = [0.0]
    for side in SIDES:
        leg_m = _leg_positions_m(features, side)
        if leg_m is not None:
            lengths_m.append(float(norms(np.diff(leg_m[0], axis=0)).sum()))
    return max(lengths_m) or ADULT_LEG_M


def _leg_positions_m(features: MotionFeatures, side: str) -> np.ndarray | None:
    """Return positions (T, 3, 3) of hip, knee and ankle, or None if one is missing."""
    return features.places(f"{side}_hip", f"{side}_knee", f"{side}_ankle")


def _segment_distance_m(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the distance (T,) between segments (T, 2, 3).

    Nearest points of the lines are clamped to the segments (Ericson 2005, §5.1.9).
    """
    d1 = first[:, 1] - first[:, 0]
    d2 = second[:, 1] - second[:, 0]
    r = first[:, 0] - second[:, 0]
    a = dot(d1, d1)
    e = dot(d2, d2)
    f = dot(d2, r)
    b = dot(d1, d2)
    c = dot(d1, r)
    denominator = np.maximum(a * e - b * b, 1e-12)
    s = np.clip((b * f - c * e) / denominator, 0.0, 1.0)
    t = np.clip((b * s + f) / np.maximum(e, 1e-12), 0.0, 1.0)
    s = np.clip((b * t - c) / np.maximum(a, 1e-12), 0.0, 1.0)
    return norms(r + s[:, None] * d1 - t[:, None] * d2)


def overextension_deg(features: MotionFeatures) -> Measurement | None:
    """Measure how far joints bend beyond their limits.

    Knees must not bend forwards, and neither knees nor elbows may fold further than soft tissue allows. Thighs and
    trunk must not leave the range of the hips, see `_beyond_hips_deg`.
    """
    names = []
    angles_deg = []
    for name, angle_deg in _beyond_hips_deg(features):
        names.append(name)
        angles_deg.append(angle_deg)
    for side in SIDES:
        for part, upper, lower in (("knee", "hip", "ankle"), ("elbow", "shoulder", "wrist")):
            limb = features.places(f"{side}_{upper}", f"{side}_{part}", f"{side}_{lower}")
            if limb is None:
                continue
            flexion_rad = angles_rad(limb[:, 1] - limb[:, 0], limb[:, 2] - limb[:, 1])
            angle_deg = np.degrees(flexion_rad) - _FOLDED_DEG[part]
            if part == "knee":
                angle_deg = np.maximum(angle_deg, _hyperextension_deg(features, side))
            names.append(f"{side}_{part}")
            angles_deg.append(angle_deg)
    if not names:
        return None
    return Measurement(np.stack(angles_deg, axis=1), tuple(names))


_HIPS_DEG = {"backwards": 50.0, "across": 35.0, "trunk": 60.0}
"""Angles of thigh and trunk that people hardly reach, minus the rule's threshold, in degrees. CMU's clips stay within
the sum unless they have spikes or flips."""
_LIFTED_DEG = 150.0
"""Angle above which a thigh is lifted ahead of the body instead of behind it, in degrees."""


def _beyond_hips_deg(features: MotionFeatures) -> Iterator[tuple[str, np.ndarray]]:
    """Yield by how much thighs and trunk leave their range (T,), by part.

    Directions are seen from the pelvis. Its frame differs between rigs, so its left and its top are those of the hips
    and the trunk, on average over the motion.
    """
    places = features.places("right_hip", "left_hip", "pelvis", "neck", "right_knee", "left_knee")
    if places is None:
        return
    to_pelvis = invert(features.orientations(features.skeleton.joint("pelvis") or 0))
    left, trunk, right_thigh, left_thigh = (
        rotate(to_pelvis, normalize_safely(places[:, end] - places[:, start]))
        for start, end in ((0, 1), (2, 3), (0, 4), (1, 5))
    )
    x, front = _hinge(left), np.cross(left.mean(axis=0), trunk.mean(axis=0))
    if x is None or np.linalg.norm(front) < _MIN_MEAN_LENGTH:
        return
    z = front / np.linalg.norm(front)
    y = np.cross(z, x)
    yield "spine", np.degrees(np.arccos(np.clip(trunk @ y, -1.0, 1.0))) - _HIPS_DEG["trunk"]
    for side, thigh, outwards in (("right", right_thigh, -x), ("left", left_thigh, x)):
        behind_deg = np.degrees(np.arctan2(-(thigh @ z), -(thigh @ y)))
        is_behind = (behind_deg < _LIFTED_DEG) & (norms(thigh - (thigh @ x)[:, None] * x) > _MIN_MEAN_LENGTH)
        across_deg = np.degrees(np.arcsin(np.clip(-(thigh @ outwards), -1.0, 1.0)))
        behind_deg = np.where(is_behind, behind_deg - _HIPS_DEG["backwards"], -_HIPS_DEG["backwards"])
        yield f"{side}_hip", np.maximum(behind_deg, across_deg - _HIPS_DEG["across"])


_HIPS_WEIGHT = 0.25
"""Weight of the hips relative to the foot. Thighs may be rotated relative to the hips."""
_MIN_MEAN_LENGTH = 0.05
"""Minimum length of the mean of unit vectors that determines an axis."""

_FOLDED_DEG = {"knee": 140.0, "elbow": 135.0}
"""Angle of a fully folded joint minus the rule's threshold, in degrees. A single threshold then serves for folding and
for bending forwards."""


def _hyperextension_deg(features: MotionFeatures, side: str) -> np.ndarray:
    """Return how far a knee bends forwards about its hinge.

    Angles (T,) are negative if the knee bends as knees do.
    """
    leg_m = _leg_positions_m(features, side)
    hip = features.skeleton.joint(f"{side}_hip")
    assert leg_m is not None, "the caller has seen the leg"
    assert hip is not None
    world_to_thigh = invert(features.orientations(hip))
    bones_m = np.diff(leg_m, axis=1)
    thigh_m = rotate(world_to_thigh, bones_m[:, 0])
    shank_m = rotate(world_to_thigh, bones_m[:, 1])
    hinge = _hinge(rotate(world_to_thigh, _find_left(features, side, leg_m)))
    if hinge is None:
        return np.zeros(len(features))
    thigh_m = thigh_m - (thigh_m @ hinge)[:, None] * hinge
    shank_m = shank_m - (shank_m @ hinge)[:, None] * hinge
    sines = -(np.cross(thigh_m, shank_m) @ hinge)
    return np.degrees(np.arctan2(sines, dot(thigh_m, shank_m)))


def _hinge(leftwards: np.ndarray) -> np.ndarray | None:
    """Return a knee's bend axis (3,) in the thigh's frame.

    The axis differs between rigs, and often between legs, so it is estimated as the mean of the body's left (T, 3) in
    that frame. The result is None if nothing determines it.
    """
    mean = leftwards.mean(axis=0)
    length = float(np.linalg.norm(mean))
    return mean / length if length > _MIN_MEAN_LENGTH else None


def _find_left(features: MotionFeatures, side: str, leg_m: np.ndarray) -> np.ndarray:
    """Return the direction (T, 3) of the body's left in the world.

    It follows from the foot and, with less weight, from the hips, as far as these are known. The foot points ahead of
    the shank whatever knee and hip do, so it is right for bent and rotated legs.
    """
    toes = features.places(f"{side}_ankle", f"{side}_foot")
    hips = features.places("right_hip", "left_hip")
    left = np.zeros((len(features), 3))
    if toes is not None:
        foot_direction = normalize_safely(toes[:, 1] - toes[:, 0])
        left += np.cross(foot_direction, normalize_safely(leg_m[:, 2] - leg_m[:, 1]))
    if hips is not None:
        left += _HIPS_WEIGHT * normalize_safely(hips[:, 1] - hips[:, 0])
    return left


OFF_FLOOR_M = 0.02
"""Minimum height of a body off the floor, in m."""


def neck_twist_deg(features: MotionFeatures) -> np.ndarray | None:
    """Return the angle between head and chest, relative to rest."""
    chest = features.skeleton.joint("spine3")
    head = features.skeleton.joint("head")
    if chest is None or head is None:
        return None
    dots = dot(features.orientations(chest), features.orientations(head))
    half_turns_rad = np.arccos(np.abs(dots).clip(0, 1))
    return 2 * np.degrees(half_turns_rad)


def t_pose_deg(features: MotionFeatures) -> np.ndarray | None:
    """Measure how close limbs are to a rig's T-pose.

    The value is minus the largest angle between a limb and its direction in a T, and NaN in frames in which a person
    poses. People lower their arms from a T that opens a take, and dancers raise them to a T. A rig's T-pose differs:
    the body jumps into or out of it, never leaves it, or is rigid for a while in the middle of the take or at both
    ends.
    """
    deviation_deg = _t_pose_deviation_deg(features)
    if deviation_deg is None:
        return None
    values = -deviation_deg
    runs = find_runs(deviation_deg < T_POSE_DEG)
    is_at_both_ends = bool(runs) and runs[0][0] == 0 and runs[-1][1] == len(features)
    are_ends_rigid = is_at_both_ends and all(_is_rigid(features, *runs[end]) for end in (0, -1))
    for start, stop in runs:
        ends_touched = (start == 0) + (stop == len(features))
        is_held = ends_touched == 2 or (ends_touched == 0 and _is_rigid(features, start, stop))
        is_held |= ends_touched == 1 and are_ends_rigid
        if not (is_held or _has_jump(features, start - 1) or _has_jump(features, stop - 1)):
            values[start:stop] = np.nan
    return values


def count_t_pose_frames(motion: Motion) -> int:
    """Count T-pose frames before a jump to the motion."""
    if not _begins_in_t_pose(motion):
        return 0
    features = MotionFeatures(motion)
    deviation_deg = _t_pose_deviation_deg(features)
    assert deviation_deg is not None, "the first frame has the same joints"
    _, stop = find_runs(deviation_deg < T_POSE_DEG)[0]
    return stop if _has_jump(features, stop - 1) else 0


def count_held_t_pose_frames(motion: Motion) -> int:
    """Count rigid T-pose frames before the body starts to move.

    People who stand in a T are never rigid. If the motion never leaves the T-pose, the count is 0.
    """
    if not _begins_in_t_pose(motion):
        return 0
    is_moving = _find_turning_steps(motion.rotations, motion.fps)
    steps = int(np.argmax(is_moving)) if is_moving.any() else 0
    return steps + 1 if steps >= _count_rigid_steps(motion.fps) else 0


def find_ends_in_t_pose(motion: Motion) -> tuple[bool, bool]:
    """Return whether the first and the last frame are in a T-pose."""
    deviation_deg = _t_pose_deviation_deg(MotionFeatures.of_joints(motion.select_frames(np.array([0, -1]))))
    if deviation_deg is None:
        return False, False
    first, last = (deviation_deg < T_POSE_DEG).tolist()
    return first, last


def _begins_in_t_pose(motion: Motion) -> bool:
    first_deg = _t_pose_deviation_deg(MotionFeatures.of_joints(motion.frames(0, 1)))
    return first_deg is not None and bool(first_deg[0] < T_POSE_DEG)


def _find_turning_steps(rotations: np.ndarray, fps: float) -> np.ndarray:
    """Return in which steps (T − 1,) any of the rotations (T, J, 4) changes."""
    turns = np.abs(np.diff(rotations, axis=0)).max(axis=(1, 2), initial=0.0)
    return np.asarray(turns * fps >= _RIGID_PER_S)


def _count_rigid_steps(fps: float) -> float:
    """Return how many motionless steps make a pose rigid."""
    return max(_MIN_RIGID_STEPS, _MIN_RIGID_S * fps)


def _t_pose_deviation_deg(features: MotionFeatures) -> np.ndarray | None:
    """Return the largest angle (T,) between a limb and its direction in a T.

    The result is None if the skeleton lacks a limb.
    """
    places = features.places("pelvis", "neck", *(part for bone in _T_BONES for part in bone))
    if places is None:
        return None
    bones = places[:, 2::2] - places[:, 3::2]
    up = (places[:, 1] - places[:, 0])[:, None]
    left = (places[:, 2] - places[:, 6])[:, None]
    towards = np.concatenate([up, up, up, up, -left, -left, left, left], axis=1)
    return np.degrees(angles_rad(bones, towards)).max(axis=1)


def _has_jump(features: MotionFeatures, step: int) -> bool:
    """Return whether a joint jumps in a step.

    It does if it is faster than people, or suddenly as fast as only fast joints are.
    """
    if not 0 <= step < len(features) - 1:
        return False
    start = max(step - 1, 0)
    stop = min(step + 2, len(features) - 1)
    speeds_m_s = norms(features.steps_m[start:stop]) * features.fps
    step_speeds_m_s = speeds_m_s[step - start]
    neighbour_speeds_m_s = np.delete(speeds_m_s, step - start, axis=0).max(axis=0, initial=0.0)
    is_sudden = step_speeds_m_s > np.maximum(_FAST_M_S, _SUDDEN_FACTOR * neighbour_speeds_m_s)
    return bool(step_speeds_m_s.max() > FASTEST_M_S or is_sudden.any())


def _is_rigid(features: MotionFeatures, start: int, stop: int) -> bool:
    """Return whether no joint rotates within frames `start` to `stop` (exclusive)."""
    is_moving = _find_turning_steps(features.frames(start, stop).rotations[:, features.joints[1:]], features.fps)
    return bool(find_runs(~is_moving, _count_rigid_steps(features.fps)))


FASTEST_M_S = 14.0
"""Joint speed that no person reaches, in m/s."""
_FAST_M_S = 5.0
"""Speed that no arm reaches within one step, in m/s, because arms accelerate slowly."""
_SUDDEN_FACTOR = 3.0
"""Minimum speed of a suddenly fast joint, relative to the steps before and after."""

_MIN_RIGID_STEPS = 2
"""Minimum number of motionless steps in a rigid pose."""
_MIN_RIGID_S = 0.2
"""Minimum duration of these steps, in s."""
_RIGID_PER_S = 0.003
"""Maximum rate of quaternion components in a rigid pose, per s."""

_T_BONES = (
    ("left_hip", "left_knee"), ("left_knee", "left_ankle"), ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
    ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"), ("right_shoulder", "right_elbow"),
    ("right_elbow", "right_wrist"),
)  # fmt: skip
"""Bones with a known direction in a T-pose. Legs hang along the trunk, and arms point away from the other side."""

_USUAL_M = 1.35
"""Distance from an adult's head joint to the ankle along the bones, in m."""


def size_factor(features: MotionFeatures) -> float | None:
    """Return the ratio of the body's size to an adult's, or its inverse: at least 1.

    The distance from head to ankle along the bones is compared.
    """
    head = features.skeleton.joint("head")
    ankle = features.skeleton.joint("left_ankle")
    if head is None or ankle is None:
        return None
    joints = features.skeleton.path_to_root(head) + features.skeleton.path_to_root(ankle)
    length_m = float(norms(features.skeleton.offsets_m[joints]).sum())
    return deviation_factor(length_m / _USUAL_M)


def lying_share(features: MotionFeatures) -> float | None:
    """Return the share of frames in which the body lies.

    The body lies stretched out or stands on its head, as if another axis were vertical.
    """
    places = features.places("pelvis", "neck", "left_ankle", "right_ankle")
    if places is None:
        return None
    up = normalize_safely(places[:, 1] - places[:, 0])
    legs_up = normalize_safely(places[:, 0] - places[:, 2:].mean(axis=1))
    is_stretched = dot(legs_up, up) > _STRETCHED_COSINE
    is_lying = (up[:, 1] < _UPRIGHT_COSINE) & is_stretched
    return float(is_lying.mean())


_STRETCHED_COSINE = 0.7
"""Minimum cosine between trunk and legs of a stretched body."""
_UPRIGHT_COSINE = 0.4
"""Minimum cosine between the trunk and the vertical of an upright body."""
