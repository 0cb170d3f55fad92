"""The plane on which feet stand: the tilt of a world whose floor is not level.

Motion from a tilted camera or a wrongly levelled capture walks uphill and leans. Its toe joints and ankles stand near
one plane all the same. That plane is fitted to their places in stance, robustly. It is believed only along directions
in which stances are far enough apart, and only if nearly all stances are near it: those on steps and curbs are not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from ..geometry.kinematics import SLAB, joint_positions
from ..geometry.vectors import norms
from ..motion import Motion

STEEPEST_DEG = 20.0
"""A steeper plane is a staircase."""
_STILL_M_S = 0.25
"""A standing joint is slower than this."""
_SHORTEST_S = 0.1
"""A stance lasts at least as long."""
_FEWEST_STANCES = 4
"""Smallest number of stances that show a plane."""
_OFF_M = 0.015
"""Largest root mean square of the stances' distances from a plane."""
_FARTHEST_OFF_M = 0.04
"""Largest distance of a stance from a plane."""
_SPREAD_M = 0.06
"""Smallest standard deviation of the stances' places along a direction in which they show a tilt."""
_UNSURE_RAD = 0.018
"""Largest standard error of a tilt that is believed."""
_HEIGHT_ERROR_M = 0.006
"""Standard deviation, at least, of the heights of stances on a plane."""
_ROUNDS = 6
"""Number of rounds in which stances off the plane lose weight."""


@dataclass(frozen=True)
class GroundPlane:
    """A plane on which feet stand."""

    normal: tuple[float, float, float]
    """Its upward normal, world."""
    stances: int
    """Number of stances that show it."""

    @property
    def tilt_deg(self) -> float:
        """Angle between the plane and the level."""
        return float(np.degrees(np.arccos(np.clip(self.normal[1], -1.0, 1.0))))

    @property
    def to_level(self) -> Rotation:
        """The smallest turn of the world that levels the plane."""
        x, y, z = self.normal
        axis = np.array([-z, 0.0, x])
        length = float(np.linalg.norm(axis))
        if length < 1e-12:
            return Rotation.identity()
        return Rotation.from_rotvec(np.arctan2(length, y) / length * axis)


LEVEL = GroundPlane(normal=(0.0, 1.0, 0.0), stances=0)


def estimate_ground_plane(motion: Motion) -> GroundPlane:
    """Estimate the plane on which the feet of a motion stand.

    Args:
        motion: Motion of T frames; the first few thousand count.

    Returns:
        The plane; a level one if stances show none, or one as steep as stairs.
    """
    places_m = _find_stance_places_m(motion.frames(0, min(len(motion), SLAB)))
    if len(places_m) < _FEWEST_STANCES:
        return LEVEL
    across_m = places_m[:, [0, 2]] - np.median(places_m[:, [0, 2]], axis=0)
    _, spreads, directions = np.linalg.svd(across_m, full_matrices=False)
    is_wide = spreads > _SPREAD_M * np.sqrt(len(across_m))
    is_sure = _UNSURE_RAD * spreads > _HEIGHT_ERROR_M
    shown = directions[is_wide & is_sure]
    if not len(shown):
        return LEVEL
    along_m = across_m @ shown.T
    slopes, off_m = _fit_robustly(along_m, places_m[:, 1])
    if np.sqrt(np.mean(off_m**2)) > _OFF_M or np.abs(off_m).max() > _FARTHEST_OFF_M:
        return LEVEL
    slope_x, slope_z = slopes @ shown
    normal = np.array([-slope_x, 1.0, -slope_z]) / np.sqrt(1 + slope_x**2 + slope_z**2)
    x, y, z = normal.tolist()
    plane = GroundPlane((x, y, z), len(places_m))
    return plane if plane.tilt_deg < STEEPEST_DEG else LEVEL


def _fit_robustly(along_m: np.ndarray, heights_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit heights (K,) as linear functions of places (K, D); return the slopes (D,) and the distances (K,) from it."""
    design = np.column_stack([along_m, np.ones(len(along_m))])
    weights = np.ones(len(along_m))
    solution = np.zeros(design.shape[1])
    off_m = heights_m
    for _ in range(_ROUNDS):
        root_weights = np.sqrt(weights)
        solution = np.linalg.lstsq(design * root_weights[:, None], heights_m * root_weights, rcond=None)[0]
        off_m = heights_m - design @ solution
        weights = 1 / (1 + (off_m / _OFF_M) ** 2)
    return solution[:-1], off_m


def _find_stance_places_m(motion: Motion) -> np.ndarray:
    """Return the mean places (K, 3) of the toe joints, or ankles without them, in the stances of both feet."""
    places_m = []
    for side in ("left", "right"):
        joint = motion.skeleton.joint(f"{side}_foot")
        joint = motion.skeleton.joint(f"{side}_ankle") if joint is None else joint
        if joint is None or len(motion) < 3:
            continue
        points_m = joint_positions(motion, [joint])[:, 0]
        is_still = norms(np.gradient(points_m, 1 / motion.fps, axis=0)) < _STILL_M_S
        of_foot = _mean_places_m(points_m, is_still, max(2, round(_SHORTEST_S * motion.fps)))
        places_m.append(of_foot)
    return np.concatenate(places_m) if places_m else np.empty((0, 3))


def _mean_places_m(points_m: np.ndarray, is_still: np.ndarray, shortest: int) -> np.ndarray:
    """Return the mean places (K, 3) of a joint at (T, 3) in runs of at least `shortest` still frames (T,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_still, [False]])))
    places_m = []
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        if stop - start >= shortest:
            places_m.append(points_m[start:stop].mean(axis=0))
    return np.array(places_m).reshape(-1, 3)
