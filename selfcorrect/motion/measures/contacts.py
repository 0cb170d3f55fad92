"""When feet stand on the floor, and where the floor is."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_closing, binary_opening

from ..body.surface import sole_points, world_sole_points
from ..geometry.kinematics import forward_kinematics, in_chunks, joint_positions
from ..geometry.vectors import norms, percentile
from ..motion import Motion, MotionBatch
from ..skeleton import Skeleton

_STILL_M_S = 0.36
"""A sole slower than this may be standing."""
_NEAR_M = 0.03
"""Joints stand no higher than this above the 30th percentile of their height."""
_RISING_M_S, _SLIDING_M_S, _SHORTEST_S = 0.1, 0.5, 0.1
"""Joints that stand rise or sink, and slide, more slowly than this, for as long or longer."""
_FEWEST_FRAMES = 5
"""Still frames that show the floor's height."""


def foot_contacts(
    moving: Motion | MotionBatch,
    height_m: float = 0.035,
    speed_m_s: float = 0.3,
    shortest_s: float = 0.1,
    longest_gap_s: float = 0.067,
) -> np.ndarray:
    """Whether each foot stands on the floor: (T, 2) or (N, T, 2) bool, left foot first.

    A foot stands while its lowest sole corner is below `height_m` (sunk feet stand too) and its middle moves slower
    than `speed_m_s`, measured over the two frames around. Gaps up to `longest_gap_s` are closed; what is then shorter
    than `shortest_s` is dropped.
    """
    lowest_m, speed_of_sole_m_s = _soles(moving)
    gap, run = round(longest_gap_s * moving.fps), round(shortest_s * moving.fps)
    return _remove_flicker((lowest_m < height_m) & (speed_of_sole_m_s < speed_m_s), gap, run)


def floor_height_m(motion: Motion) -> float:
    """Height of the floor that a motion stands on, from its feet alone: that of `height_of_floor_m`."""
    lowest_m, speed_m_s = _soles(motion)
    return height_of_floor_m(lowest_m, speed_m_s < _STILL_M_S, _FEWEST_FRAMES)


def height_of_floor_m(lowest_m: np.ndarray, still: np.ndarray, fewest_frames: int) -> float:
    """Height of the floor from the lowest point of each sole (T, 2) and whether it is still (T, 2).

    The 40th percentile of the lower sole's height over the frames in which it is; the 20th of all frames where fewer
    than `fewest_frames` are left.
    """
    standing_m = lowest_m[still & (lowest_m == lowest_m.min(axis=1, keepdims=True))]
    if len(standing_m) < fewest_frames:
        return float(percentile(lowest_m.min(axis=1), 20))
    return float(percentile(standing_m, 40))


def _feet(skeleton: Skeleton) -> list[int]:
    """Ankles and toe joints."""
    parts = [f"{side}_{part}" for part in ("ankle", "foot") for side in ("left", "right")]
    return [joint for part in parts if (joint := skeleton.joint(part)) is not None]


def _feet_m(motion: Motion) -> np.ndarray:
    """(T, K, 3) ankles and toe joints, their heights above the ground where that is known."""
    places_m = joint_positions(motion, _feet(motion.skeleton))
    return places_m if motion.ground is None else motion.ground.standing_on(places_m)


def _standing_joints(motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    """Places (T, K, 3) of ankles and toe joints, and (T, K) whether they stand or slide, which needs no sole.

    That is for `_SHORTEST_S` or longer near the 30th percentile of their height, neither rising nor sinking, and slower
    along the floor than in a swing.
    """
    places_m = _feet_m(motion)
    if len(motion) < 2:
        return places_m, np.zeros(places_m.shape[:2], dtype=bool)
    velocities_m_s = np.gradient(places_m, 1 / motion.fps, axis=0)
    stand = places_m[..., 1] < percentile(places_m[..., 1], 30, axis=0) + _NEAR_M
    stand &= np.abs(velocities_m_s[..., 1]) < _RISING_M_S
    stand &= norms(velocities_m_s[..., [0, 2]]) < _SLIDING_M_S
    return places_m, _remove_flicker(stand, 0, round(_SHORTEST_S * motion.fps))


def standing_speeds_m_s(before: Motion, after: Motion) -> tuple[float, float]:
    """Mean speed along the floor of the joints that stand or slide in `before`, in that and in `after`, m/s.

    0 where none does.
    """
    places_m, stand = _standing_joints(before)
    if not stand.any():
        return 0.0, 0.0
    each = (places_m, _feet_m(after))
    speeds_m_s = [_speed(places[..., [0, 2]], before.fps)[stand].mean() for places in each]
    return float(speeds_m_s[0]), float(speeds_m_s[1])


def lost_contacts(before: Motion, after: Motion, lifted_m: float = 0.02) -> float:
    """Share of the frames in which joints stand or slide in `before` where they are lifted from the floor in `after`.

    A joint is lifted that is higher by more than `lifted_m`, and no longer near the 30th percentile of its height.
    """
    places_m, stand = _standing_joints(before)
    above_m = [each - percentile(each, 30, axis=0) for each in (places_m[..., 1], _feet_m(after)[..., 1])]
    lifted = (above_m[1] - above_m[0] > lifted_m) & (above_m[1] > _NEAR_M)
    return float(lifted[stand].mean()) if stand.any() else 0.0


def _soles(moving: Motion | MotionBatch) -> tuple[np.ndarray, np.ndarray]:
    """Height of each sole's lowest corner and speed of its middle, m and m/s, both (..., T, 2), left foot first."""
    skeleton = moving.skeleton
    soles_m = in_chunks(
        lambda *poses: world_sole_points(skeleton, *forward_kinematics(skeleton, *poses)),
        moving.root_m,
        moving.rotations,
    )
    side = sole_points(skeleton).side
    if moving.ground is not None:
        soles_m = moving.ground.standing_on(soles_m)
    feet_m = np.stack([soles_m[..., side == foot, :] for foot in (0, 1)], axis=-3)
    return feet_m[..., 1].min(axis=-1), _speed(feet_m.mean(axis=-2), moving.fps)


def _speed(points_m: np.ndarray, fps: float) -> np.ndarray:
    """Speeds (..., T, K) in m/s of points (..., T, K, 3), by central differences, one-sided at the ends."""
    if points_m.shape[-3] == 1:
        return np.zeros(points_m.shape[:-1])
    return norms(np.gradient(points_m, 1 / fps, axis=-3))


def _remove_flicker(contacts: np.ndarray, gap: int, run: int) -> np.ndarray:
    """Close gaps of up to `gap` frames in contacts (..., T, 2), then drop runs shorter than `run` frames."""
    margin = max(gap, run) + 1
    width = [(0, 0)] * (contacts.ndim - 2) + [(margin, margin), (0, 0)]
    # What a motion does not show is taken to be like its first and last frame.
    padded = np.pad(contacts, width, mode="edge")
    shape = (1,) * (contacts.ndim - 2)
    closed = binary_closing(padded, np.ones((*shape, gap + 1, 1)))
    opened = binary_opening(closed, np.ones((*shape, max(run, 1), 1)))
    return opened[..., margin:-margin, :]
