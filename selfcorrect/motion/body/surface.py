"""Soles and head: body surface that a skeleton does not describe.

All points are given in the frame of the joint that carries them. Joint frames coincide with the world in a rest pose
(see `Skeleton`), so x is the body's left, y up and z forward.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...core.errors import InputError
from ..geometry.rotations import rotate
from ..geometry.vectors import UP, norms
from ..kinematics import pose_joints
from ..motion import Motion, MotionBatch
from ..skeleton import BOX_FOOT_SOLE_M, SIDES, Skeleton, strip_side

HALF_FOOT_WIDTH_M = 0.045
_HEEL_BEHIND_ANKLE_M = 0.055
TOE_TIP_BEYOND_TOE_JOINT_M = 0.075
"""Distance from toe joint to toe tip, in m. With the two lengths above, it describes a rigid shoe on an adult's foot
around ankle and toe joints. Shoes of other bodies are scaled to their size."""

HEEL_RADIUS_M = 0.03
"""Radius of heels, in m. Soles are modelled with corners, but a foot lands on a round heel, whose contact point is
higher than the corner."""

BOX_FOOT_HEEL_M = -0.0435
BOX_FOOT_TIP_M = 0.1335
"""Distance from ankle to toe tip of a box foot, in m. With `BOX_FOOT_HEEL_M` and `BOX_FOOT_SOLE_M`, it describes the
foot of the DeepMimic humanoid, a box on the ankle. Skeletons without toe joints get this foot."""

CORNERS_WITH_TOES = 6
"""Number of corners of a foot with a toe joint: two each at heel, ball and tip."""

HEAD_ABOVE_NECK_M = 0.175
HEAD_RADIUS_M = 0.09
HEAD_ABOVE_HEAD_JOINT_M = HEAD_RADIUS_M
"""Height of the head's centre above its joint, which is at its lower end, in m."""

HIGH_SOLES_M = 0.05
"""Height above which a body has left the floor, in m."""
BEARING_M = 0.01
"""Maximum height of a bearing foot above the body's lowest point, in m."""

SOFT_PART_DEPTH_M = 0.03
"""Depth by which soft parts give way, in m. Parts of the body other than feet touch the ground within this height."""

HIP_SHARE_OF_STATURE = 0.53
"""Hip height of a standing adult as a share of stature (Winter 2009, "Biomechanics and Motor Control", figure 4.1)."""

SURFACE_RADII_M = {
    "pelvis": 0.09, "spine1": 0.09, "spine2": 0.09, "spine3": 0.09, "neck": 0.05, "hip": 0.06, "knee": 0.05,
    "collar": 0.05, "shoulder": 0.045, "elbow": 0.035, "wrist": 0.035,
}  # fmt: skip
"""Distance from joint to body surface in an adult, in m, by part without its side. Ankles and toes are missing because
they have soles."""


@dataclass(frozen=True, eq=False)
class SolePoints:
    """P corners of both soles.

    The left foot comes first, and each foot's corners run from heel to toe tip.
    """

    joints: np.ndarray
    """(P,) int64 joints that carry the points."""
    offsets_m: np.ndarray
    """(P, 3) positions in that joint's frame, in m."""
    side: np.ndarray
    """(P,) int64, 0 for left and 1 for right."""

    def __len__(self) -> int:
        return len(self.joints)


@lru_cache(maxsize=64)
def sole_points(skeleton: Skeleton) -> SolePoints:
    """Return the corners of both soles.

    A foot with a toe joint has 6 corners, two each at heel, ball and tip. A foot without has 4, at heel and tip.

    Raises:
        InputError: The skeleton has no ankles.
    """
    points = [(joint, offset, side) for side in (0, 1) for joint, offset in _foot_corners(skeleton, side)]
    joints, offsets_m, sides = zip(*points, strict=True)
    return SolePoints(np.array(joints), np.array(offsets_m), np.array(sides))


def _foot_corners(skeleton: Skeleton, side: int) -> list[tuple[int, tuple[float, float, float]]]:
    """Return joint and offset of each corner of a foot, where side 0 is left."""
    name = SIDES[side]
    size = skeleton.size
    ankle = skeleton.joint(f"{name}_ankle")
    toe = skeleton.joint(f"{name}_foot")
    if ankle is None:
        raise InputError(f"the skeleton has no {name} ankle among its parts, so its soles are unknown")
    depth_m = None if skeleton.soles_m is None else skeleton.soles_m[side]
    if toe is None:
        sole_m = BOX_FOOT_SOLE_M * size if depth_m is None else -depth_m
        heel = (0.0, sole_m, BOX_FOOT_HEEL_M * size)
        tip = (0.0, sole_m, BOX_FOOT_TIP_M * size)
        return [(ankle, corner) for point in (heel, tip) for corner in _pair(point, size)]
    below_m = skeleton.usual_sole_m * size if depth_m is None else depth_m
    x, y, z = skeleton.offsets_m[toe]
    # Feet point a little outwards: the shoe's middle line runs between ankle and toe joint.
    heel = (0.5 * x, y - below_m, -_HEEL_BEHIND_ANKLE_M * size)
    ball = (0.5 * x, y - below_m, z)
    tip = (-0.3 * x, -below_m, TOE_TIP_BEYOND_TOE_JOINT_M * size)
    on_ankle = [(ankle, corner) for point in (heel, ball) for corner in _pair(point, size)]
    return on_ankle + [(toe, corner) for corner in _pair(tip, size)]


def _pair(middle_m: tuple[float, float, float], size: float) -> list[tuple[float, float, float]]:
    """Return the edge points left and right of a point on the foot's midline."""
    x, y, z = middle_m
    return [(float(x + half), float(y), float(z)) for half in (HALF_FOOT_WIDTH_M * size, -HALF_FOOT_WIDTH_M * size)]


def heel_relief_m(heels_m: np.ndarray, balls_m: np.ndarray) -> np.ndarray:
    """Return how much higher a round heel is than its corner.

    If the toes are raised by an angle θ, it is r (sin θ + cos θ − 1), otherwise 0.

    Args:
        heels_m: (..., 3) heel corners.
        balls_m: (..., 3) balls of the feet.

    Returns:
        (...) heights, in m.
    """
    feet_m = balls_m - heels_m
    sines = np.maximum(feet_m[..., 1], 0.0) / np.maximum(norms(feet_m), 1e-9)
    return HEEL_RADIUS_M * (sines + np.sqrt(1 - sines**2) - 1)


def world_sole_points(skeleton: Skeleton, positions_m: np.ndarray, orientations: np.ndarray) -> np.ndarray:
    """Return the sole corners in the world.

    Args:
        skeleton: Skeleton with J joints and ankles among its parts.
        positions_m: (..., J, 3) world positions of all joints, as from `forward_kinematics`.
        orientations: (..., J, 4) world orientations of all joints, likewise.

    Returns:
        (..., P, 3) positions of the P corners, in m.

    Raises:
        InputError: The skeleton has no ankles.
    """
    return _place_soles(skeleton, sole_points(skeleton).joints, positions_m, orientations)


def sole_corners_m(motion: Motion | MotionBatch) -> np.ndarray:
    """Return a motion's sole corners (..., T, P, 3) in the world, in m."""
    carriers = sole_points(motion.skeleton).joints
    joints = sorted(set(carriers.tolist()))
    return _place_soles(motion.skeleton, np.searchsorted(joints, carriers), *pose_joints(motion, joints))


def find_sole_middles_m(corners_m: np.ndarray) -> np.ndarray:
    """Return the midpoint (..., K / 2, 3) of each pair of sole corners (..., K, 3).

    The points are heel, ball if the foot has a toe joint, and tip.
    """
    return corners_m.reshape(*corners_m.shape[:-2], -1, 2, 3).mean(axis=-2)


def find_pivots_m(
    skeleton: Skeleton, middles_m: np.ndarray, ankles: np.ndarray, toes_m: np.ndarray | None
) -> np.ndarray:
    """Return the points (..., 2, 2, 3) about which standing feet turn, which rest while they bear weight.

    A foot lands on its heel, which is round, and turns about the centre. It leaves over its toes, which stay flat, and
    turns about the toe joint, or about its tip if it has no toe joint.

    Args:
        middles_m: (..., 2, K, 3) midlines of both soles, from heel to tip.
        ankles: (..., 2, 4) orientations of the ankles in the world.
        toes_m: (..., 2, 3) toe joints in the world; None without.
    """
    heels_m = middles_m[..., 0, :] + rotate(ankles, HEEL_RADIUS_M * skeleton.size * UP)
    return np.stack([heels_m, middles_m[..., -1, :] if toes_m is None else toes_m], axis=-2)


def find_bearing_points_m(motion: Motion) -> np.ndarray:
    """Return the points (T, 2, K, 3) of both feet of which one rests while a foot bears weight.

    They are the points about which feet turn, and the tip. Their heights are those of the sole beneath them.
    """
    skeleton = motion.skeleton
    soles = sole_points(skeleton)
    joints = sorted(set(soles.joints.tolist()))
    positions_m, orientations = pose_joints(motion, joints)
    corners_m = _place_soles(skeleton, np.searchsorted(joints, soles.joints), positions_m, orientations)
    middles_m = find_sole_middles_m(corners_m.reshape(len(corners_m), 2, -1, 3))
    ankles, toes = skeleton.pair("ankle"), skeleton.pair("foot")
    assert ankles is not None, "soles need ankles"
    toes_m = None if toes is None else positions_m[:, np.searchsorted(joints, toes)]
    points_m = middles_m.copy()
    pivots_m = find_pivots_m(skeleton, middles_m, orientations[:, np.searchsorted(joints, ankles)], toes_m)
    points_m[..., :2, [0, 2]] = pivots_m[..., [0, 2]]
    return points_m


def _place_soles(
    skeleton: Skeleton, columns: np.ndarray, positions_m: np.ndarray, orientations: np.ndarray
) -> np.ndarray:
    """Place sole corners (..., P, 3) in the world.

    `columns` (P,) are the indices of the poses that carry the corners.
    """
    turned = rotate(orientations.take(columns, axis=-2), sole_points(skeleton).offsets_m)
    corners_m = positions_m.take(columns, axis=-2) + turned
    return corners_m if skeleton.soles_m is None else with_bent_toes(corners_m)


def with_bent_toes(corners_m: np.ndarray) -> np.ndarray:
    """Bend toes so that they do not go below the floor.

    Toes are hinges. The tips of sole corners (..., P, 3) are raised to the floor at y = 0, or to the height of the ball
    if that is lower.
    """
    feet_m = corners_m.reshape(*corners_m.shape[:-2], 2, -1, 3).copy()
    if feet_m.shape[-2] < CORNERS_WITH_TOES:
        return corners_m
    balls_m = feet_m[..., 2:4, 1].min(-1, keepdims=True)
    feet_m[..., 4:6, 1] = np.maximum(feet_m[..., 4:6, 1], np.minimum(balls_m, 0.0))
    return feet_m.reshape(corners_m.shape)


def head_point(skeleton: Skeleton) -> tuple[int, np.ndarray] | None:
    """Return the head's joint and centre, or None without a head.

    The centre (3,) is in the joint's frame, in m.
    """
    for part, above_m in (("head", HEAD_ABOVE_HEAD_JOINT_M), ("neck", HEAD_ABOVE_NECK_M)):
        joint = skeleton.joint(part)
        if joint is not None:
            return joint, np.array([0.0, above_m, 0.0])
    return None


def lowest_sole_at_rest_m(skeleton: Skeleton) -> float:
    """Return the height of the lowest sole corner at rest relative to the root.

    The height is negative for a standing body.
    """
    soles = sole_points(skeleton)
    corners_m = skeleton.rest_positions_m[soles.joints] + soles.offsets_m
    return float(corners_m[:, 1].min())


def stature_m(skeleton: Skeleton) -> float:
    """Return the standing height from soles to crown, in m.

    Without a head, it is estimated from hip height.
    """
    heights_m = skeleton.rest_positions_m[:, 1]
    lowest_m = lowest_sole_at_rest_m(skeleton)
    if (head := head_point(skeleton)) is None:
        hips = [joint for side in SIDES if (joint := skeleton.joint(f"{side}_hip")) is not None]
        return float(heights_m[hips].mean() - lowest_m) / HIP_SHARE_OF_STATURE
    joint, centre_m = head
    return float(heights_m[joint] + centre_m[1] + HEAD_RADIUS_M - lowest_m)


def lowest_point_m(
    skeleton: Skeleton, soles_m: np.ndarray, positions_m: np.ndarray, orientations: np.ndarray
) -> np.ndarray:
    """Return the height of the body's lowest point.

    The point may be on the soles, on the surface around other joints, or on the head.

    Args:
        soles_m: (..., P, 3) sole corners of the body, from `world_sole_points`.
        positions_m: (..., J, 3) world positions of all joints, as from `forward_kinematics`.
        orientations: (..., J, 4) world orientations of all joints, likewise.

    Returns:
        (...) heights, in m.
    """
    lowest = soles_m[..., 1].min(axis=-1)
    radii_m = [SURFACE_RADII_M.get(strip_side(part), -np.inf) for part in skeleton.parts]
    lowest = np.minimum(lowest, (positions_m[..., 1] - radii_m).min(axis=-1))
    if (head := head_point(skeleton)) is not None:
        joint, centre_m = head
        height_m = positions_m[..., joint, 1] + rotate(orientations[..., joint, :], centre_m)[..., 1]
        lowest = np.minimum(lowest, height_m - HEAD_RADIUS_M)
    return lowest
