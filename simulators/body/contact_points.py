"""Contact points of a body: the ground beneath them, and how well they can carry."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from selfcorrect.motion.body.surface import SOFT_PART_DEPTH_M
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.support import CARRIED_PARTS, MAX_SUPPORT_DISTANCE_M, Support

from ..settings.plan import PLAN, ContactSettings
from .humanoid import Humanoid

_CARRYING_HEIGHTS_M = (0.003, 0.015)
"""Heights of points that can carry, in m: fully up to the first, and not at all above the second."""
FrameBounds = tuple[float | np.ndarray, float | np.ndarray]
"""Lower and upper bound, each a number or an array with a value per frame."""

SOFT_PARTS = ("seat", "left knee", "right knee", "back", "left hand", "right hand")
"""Parts of the body that give way under load."""


def find_carried_links(body: Humanoid, part: str) -> list[int]:
    """Find the links that can touch a support of a part.

    For a hand, this is the forearm, onto which the hand is frozen.
    """
    links = []
    for name in CARRIED_PARTS[part]:
        links.append(body.tree.joint(name.replace("wrist", "elbow")))
    return [link for link in links if link is not None]


@lru_cache(maxsize=64)
def find_carried_points(body: Humanoid, part: str) -> np.ndarray:
    """Find the contact points that a support of a part carries.

    On limbs, these are the points at the joint that gives the part its name. A hand's points are those beyond the
    elbow, of which the furthest grips. The pelvis and the trunk may lie on all of their points.

    Returns:
        Mask (C,).
    """
    points = body.contact_points
    is_on_part = _is_among(points.links, find_carried_links(body, part))
    reach_m = norms(points.offsets_m)
    if part.endswith("foot"):
        return is_on_part & (np.arange(len(points)) < len(body.soles))
    if part.endswith("hand"):
        return is_on_part & (reach_m > 0.1)
    if part.endswith("grip"):
        return is_on_part & (reach_m == (is_on_part * reach_m).max())
    limbs = [link for link, name in enumerate(body.tree.parts) if name.endswith(("_hip", "_knee"))]
    is_at_joint = reach_m < 1e-6
    return is_on_part & (is_at_joint | ~_is_among(points.links, limbs))


@lru_cache(maxsize=16)
def _find_soft_points(body: Humanoid) -> np.ndarray:
    """Find the contact points on soft parts, as a mask (C,)."""
    return np.any([find_carried_points(body, part) for part in SOFT_PARTS], axis=0)


def _is_among(links: np.ndarray, selected: Sequence[int]) -> np.ndarray:
    """Return which links (C,) are selected, faster than `np.isin`.

    For so few links, the comparison takes a tenth of the time.
    """
    return (links[:, None] == np.array(selected, dtype=int)).any(axis=1)


def above_ground_m(body: Humanoid, points_m: np.ndarray, supports: Sequence[Sequence[Support]]) -> np.ndarray:
    """Return contact points with heights above the floor or support beneath.

    Args:
        body: Body with C contact points.
        points_m: (N, T, C, 3) contact points, world.
        supports: Supports of each motion; empty if no motion has any.

    Returns:
        (N, T, C, 3).
    """
    above_m = points_m.copy()
    for motion_m, motion_supports in zip(above_m, supports, strict=False):
        motion_m[..., 1] -= _ground_m(body, motion_m, motion_supports)
    is_soft = _find_soft_points(body)
    above_m[:, :, is_soft, 1] -= np.clip(above_m[:, :, is_soft, 1], 0.0, SOFT_PART_DEPTH_M)
    return above_m


def _ground_m(body: Humanoid, points_m: np.ndarray, supports: Sequence[Support]) -> np.ndarray:
    """Return the ground height (T, C) beneath points (T, C, 3).

    Where a soft part touches a support, the ground follows the point as far as the part gives way.
    """
    ground_m = np.zeros(points_m.shape[:-1])
    for support in supports:
        frames = slice(support.first, support.last + 1)
        points = find_carried_points(body, support.part)
        top_m = support.top_m[1]
        above_m = points_m[frames, points, 1] - top_m
        gives_m = _yield_distance_m(support)
        beneath_m = top_m + np.clip(above_m, -gives_m, gives_m)
        is_carried = np.abs(above_m) < MAX_SUPPORT_DISTANCE_M
        ground_m[frames, points] = np.where(is_carried, beneath_m, ground_m[frames, points])
    return ground_m


def _yield_distance_m(support: Support) -> float:
    """Return how far a part on a support gives way, in m."""
    if support.part.endswith("foot"):
        return 0.0
    return MAX_SUPPORT_DISTANCE_M if support.is_grip else SOFT_PART_DEPTH_M


def contact_activation(
    heights_m: np.ndarray,
    speeds_m_s: np.ndarray,
    speed_bounds_m_s: FrameBounds,
    settings: ContactSettings = PLAN.contacts,
    lacking: float | np.ndarray = 0.0,
) -> np.ndarray:
    """Return how well points can carry.

    The activation decreases with height and with horizontal speed.

    Args:
        heights_m: (N, T, C) of points above the ground beneath.
        speeds_m_s: (N, T, C) of points along the ground.
        speed_bounds_m_s: Maximum speed of points that carry fully, and minimum speed of points that carry nothing.
        lacking: How much another contact is needed, in [0, 1]. It widens the bounds.

    Returns:
        (N, T, C) in [0, 1].
    """
    height_factor = 1.0 + settings.height_margin * lacking
    speed_factor = 1.0 + settings.speed_margin * lacking
    height_bounds_m = (_CARRYING_HEIGHTS_M[0] * height_factor, _CARRYING_HEIGHTS_M[1] * height_factor)
    slow_m_s, fast_m_s = speed_bounds_m_s
    is_slow = _share_below(speeds_m_s, (slow_m_s * speed_factor, fast_m_s * speed_factor))
    is_low = _share_below(heights_m, height_bounds_m)
    return (is_low * is_slow) ** 2


def _share_below(values: np.ndarray, bounds: FrameBounds) -> np.ndarray:
    """Return 1 below the lower bound, 0 above the upper, and linear values between."""
    low, high = bounds
    return np.clip((high - values) / (high - low), 0.0, 1.0)
