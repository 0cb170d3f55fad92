"""Detect contacts by plain bounds on height and speed, independently of the package's observation of contacts."""

import numpy as np

from selfcorrect.motion.body.surface import sole_corners_m, sole_points
from selfcorrect.motion.geometry.filters import remove_short_runs
from selfcorrect.motion.geometry.vectors import norms, percentile
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.skeleton import SIDES, Skeleton

_NEAR_M = 0.03
"""Joints that stand are less than this above the 30th percentile of their height."""
_RISING_M_S = 0.1
"""Joints that stand rise or sink more slowly than this."""
_SLIDING_M_S = 0.5
"""Joints that stand slide more slowly than this."""
_SHORTEST_S = 0.1
"""Joints stand for at least this long."""


def foot_contacts(
    moving: Motion | MotionBatch,
    height_m: float = 0.035,
    speed_m_s: float = 0.3,
    shortest_s: float = 0.1,
    longest_gap_s: float = 0.067,
) -> np.ndarray:
    """Detect when each foot stands on the floor.

    A foot stands while its lowest sole corner is below `height_m` (sunk feet stand too) and its middle moves slower
    than `speed_m_s`, measured over the two frames around.

    Args:
        moving: Motion of T frames, or batch of N motions.
        height_m: Height below which the lowest sole corner is on the floor.
        speed_m_s: Speed below which the middle of the sole stands.
        shortest_s: Contacts shorter than this are dropped, after gaps are closed.
        longest_gap_s: Gaps up to this are closed.

    Returns:
        (T, 2) or (N, T, 2) bool, left foot first.
    """
    lowest_m, sole_speed_m_s = _soles(moving)
    longest_gap = round(longest_gap_s * moving.fps)
    shortest_run = round(shortest_s * moving.fps)
    return _remove_flicker((lowest_m < height_m) & (sole_speed_m_s < speed_m_s), longest_gap, shortest_run)


def foot_joints(skeleton: Skeleton) -> list[int]:
    """Return the indices of the ankles and toe joints that the skeleton has."""
    parts = [f"{side}_{part}" for part in ("ankle", "foot") for side in SIDES]
    return [joint for part in parts if (joint := skeleton.joint(part)) is not None]


def _feet_m(motion: Motion) -> np.ndarray:
    """Return the positions (T, K, 3) of ankles and toe joints.

    Heights are above the ground if it is known.
    """
    places_m = joint_positions(motion, foot_joints(motion.skeleton))
    return places_m if motion.ground is None else motion.ground.standing_on(places_m)


def find_standing_joints(motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions (T, K, 3) of ankles and toe joints, and whether they stand (T, K).

    A joint stands if, for `_SHORTEST_S` or longer, it stays near the 30th percentile of its height, neither rises nor
    sinks, and moves along the floor more slowly than in a swing. So a sliding joint counts as standing, and soles are
    not needed.
    """
    places_m = _feet_m(motion)
    if len(motion) < 2:
        return places_m, np.zeros(places_m.shape[:2], dtype=bool)
    velocities_m_s = np.gradient(places_m, 1 / motion.fps, axis=0)
    stands = places_m[..., 1] < percentile(places_m[..., 1], 30, axis=0) + _NEAR_M
    stands &= np.abs(velocities_m_s[..., 1]) < _RISING_M_S
    stands &= norms(velocities_m_s[..., [0, 2]]) < _SLIDING_M_S
    return places_m, _remove_flicker(stands, 0, round(_SHORTEST_S * motion.fps))


def standing_speeds_m_s(before: Motion, *after: Motion) -> tuple[float, ...]:
    """Return the mean speeds along the floor, in `before` and each of `after`, of joints that stand in `before`.

    Joints that slide count as standing. All speeds are 0 if no joint stands.
    """
    places_m, stands = find_standing_joints(before)
    if not stands.any():
        return (0.0,) * (1 + len(after))
    speeds_m_s = []
    for feet_m in (places_m, *map(_feet_m, after)):
        speed_m_s = _speed(feet_m[..., [0, 2]], before.fps)
        speeds_m_s.append(float(speed_m_s[stands].mean()))
    return tuple(speeds_m_s)


def _soles(moving: Motion | MotionBatch) -> tuple[np.ndarray, np.ndarray]:
    """Return heights of the lowest sole corners and speeds of the soles' middles.

    Heights in m and speeds in m/s are (..., T, 2), left foot first.
    """
    soles_m = sole_corners_m(moving)
    side = sole_points(moving.skeleton).side
    if moving.ground is not None:
        soles_m = moving.ground.standing_on(soles_m)
    feet_m = np.stack([soles_m[..., side == foot, :] for foot in (0, 1)], axis=-3)
    return feet_m[..., 1].min(axis=-1), _speed(feet_m.mean(axis=-2), moving.fps)


def _speed(points_m: np.ndarray, fps: float) -> np.ndarray:
    """Return the speeds (..., T, K) of points, in m/s.

    Points have the shape (..., T, K, 3). Differences are central, and one-sided at the ends.
    """
    if points_m.shape[-3] == 1:
        return np.zeros(points_m.shape[:-1])
    return norms(np.gradient(points_m, 1 / fps, axis=-3))


def _remove_flicker(contacts: np.ndarray, longest_gap: int, shortest_run: int) -> np.ndarray:
    """Close gaps of up to `longest_gap` frames in contacts (..., T, 2), then drop runs below `shortest_run` frames."""
    margin = max(longest_gap, shortest_run) + 1
    width = [(0, 0)] * (contacts.ndim - 2) + [(margin, margin), (0, 0)]
    # Before its first frame and after its last one, a motion is taken to stay as it is there.
    padded = np.pad(contacts, width, mode="edge")
    closed = ~remove_short_runs(~padded, longest_gap + 1, axis=-2)
    opened = remove_short_runs(closed, max(shortest_run, 1), axis=-2)
    return opened[..., margin:-margin, :]
