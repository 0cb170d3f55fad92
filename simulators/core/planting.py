"""Plant standing feet still on the ground beneath them; root and legs follow."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.motion import MotionBatch

from ..stages.values import SlidFeet
from .cleaning import CleanupState
from .contact_solve import solve_contacts
from .foot_rotations import bend_toes, settle_foot_joints
from .frame_planting import plant_feet_per_frame
from .stance import SOLE_NEAR_M, PosedMotions, find_boxes_under_feet, has_boxes

_SLID_M = 0.015
"""Mean distance by which standing feet are moved along the floor from which on they slid, in m. In captures, it is
8 mm, and below this in 95 of 100. In samples of models, it is 47 mm."""


@dataclass(frozen=True)
class PlantFeet:
    """Plant standing feet still on the ground beneath them, and lift sunken feet.

    Root and legs share the change: see `contact_solve`. The boxes of a known ground that carry the feet become the
    motions' supports. Motions whose feet stand well are left unchanged. Feet that slid far are planted a second time
    after postprocessing.
    """

    is_soft: bool = True
    """Solve the contacts of all frames together. Otherwise feet are locked frame by frame, which is enough for motions
    that only a simulation follows."""

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        level = cleaning.posed
        is_ground_level = cleaning.mode.moves_to_floor or level.motions.ground is not None
        # If heights are left alone, a foot that hovers a little may stand on whatever is there.
        highest_m = 0.0 if is_ground_level else SOLE_NEAR_M
        ground_m = np.clip(level.feet_m[..., 1].min(-1), 0.0, highest_m)
        planted = replace(cleaning, motions=plant_feet(level, ground_m, is_soft=self.is_soft), unplanted=level)
        if self.is_soft:
            is_far = _measure_moves_m(level, planted.posed) > _SLID_M
            planted = replace(planted, slid=SlidFeet(cleaning.noisy | is_far, ground_m))
        if not has_boxes(level.motions):
            return planted
        return replace(planted, supports=find_boxes_under_feet(planted.posed))


def _measure_moves_m(before: PosedMotions, after: PosedMotions) -> np.ndarray:
    """Measure the mean distance by which standing feet are moved along the floor, for each of N motions, in m."""
    moves_m = norms((after.feet_m - before.feet_m)[..., [0, 2]].mean(-2))
    weights = before.standing.max(-1)
    return (weights * moves_m).sum((1, 2)) / np.maximum(weights.sum((1, 2)), 1e-9)


def plant_feet(posed: PosedMotions, ground_m: np.ndarray, *, is_soft: bool) -> MotionBatch:
    """Plant standing feet still on the ground; root and legs follow.

    Args:
        posed: N motions of T frames with poses.
        ground_m: (N, T, 2) height of the ground beneath each foot.
        is_soft: Whether the contacts of all frames are solved together, or else feet are locked frame by frame.

    Returns:
        The motions with planted feet.
    """
    if not is_soft:
        return plant_feet_per_frame(bend_toes(posed, ground_m, is_soft=False), ground_m)
    return solve_contacts(settle_foot_joints(posed, ground_m), ground_m)
