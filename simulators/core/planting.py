"""Plant standing feet flat and still on the ground beneath them; the legs follow."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.perception.observation import observe
from selfcorrect.motion.perception.stance_model import STANDS_M_S

from ..stages.changes import keep_changes
from .cleaning import CleanupState
from .foot_rotations import bend_toes
from .frame_planting import plant_feet_per_frame
from .levelling import LevelFloor
from .planting_gain import gains_by_planting
from .soft_planting import plant_feet_softly
from .stance import SOLE_NEAR_M, PosedMotions, find_boxes_under_feet, has_boxes


@dataclass(frozen=True)
class PlantFeet:
    """Plant standing feet flat and still on the ground beneath them.

    Legs follow by inverse kinematics. The boxes of a known ground that carry the feet become the motions' supports.
    Motions that gain nothing are left unchanged.
    """

    is_soft: bool = True
    """Lock feet softly. Otherwise they are locked frame by frame, which is enough for motions that only a simulation
    follows."""

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        level = cleaning.posed
        is_ground_level = cleaning.mode.moves_to_floor or level.motions.ground is not None
        # If heights are left alone, a foot that hovers a little may stand on whatever is there.
        highest_m = 0.0 if is_ground_level else SOLE_NEAR_M
        is_floor_known = cleaning.mode.moves_to_floor and cleaning.find_step(LevelFloor) is None
        is_floor_known = is_floor_known or level.motions.ground is not None

        def plant(posed: PosedMotions) -> MotionBatch:
            ground_m = np.clip(posed.feet_m[..., 1].min(-1), 0.0, highest_m)
            planted = plant_feet(posed, ground_m, is_soft=self.is_soft, reference=level, smoothed=cleaning.smoothed)
            if not self.is_soft:
                return planted
            is_gain = gains_by_planting(posed, planted, ground_m, is_floor_known=is_floor_known)
            return keep_changes(posed.motions, planted, is_gain)

        planted_motions = plant(level)
        # Long slides take two rounds, and motions without their noise show further stances once feet are planted.
        if self.is_soft and (is_unsettled := _find_long_slides(level, planted_motions) | cleaning.noisy).any():
            again = plant(PosedMotions.from_motions(planted_motions, level.soles))
            planted_motions = keep_changes(planted_motions, again, is_unsettled)
        planted = replace(cleaning, motions=planted_motions, unplanted=level)
        if not has_boxes(level.motions):
            return planted
        return replace(planted, supports=find_boxes_under_feet(planted.posed))


def plant_feet(
    posed: PosedMotions, ground_m: np.ndarray, *, is_soft: bool, reference: PosedMotions, smoothed: np.ndarray
) -> MotionBatch:
    """Plant standing feet flat and still on the ground; the legs follow.

    Args:
        posed: N motions of T frames with poses.
        ground_m: (N, T, 2) height of the ground beneath each foot.
        is_soft: Whether feet are locked softly, or else frame by frame.
        reference: Motions whose knee speeds limit those of softly locked legs.
        smoothed: (N,) whether noise was removed from each motion. Remaining noise moves feet slowly.

    Returns:
        The motions with planted feet.
    """
    bent = bend_toes(posed, ground_m, is_soft=is_soft)
    if not is_soft:
        return plant_feet_per_frame(bent, ground_m)
    return plant_feet_softly(bent, ground_m, reference, smoothed)


def _find_long_slides(given: PosedMotions, planted: MotionBatch) -> np.ndarray:
    """Find planted motions (N,) whose standing feet still slide fast.

    They are planted a second time. Captures hardly need the second round, but without it, standing feet of noisy
    motions slide at 59 instead of 51 mm/s.
    """
    slides = np.zeros(len(planted), dtype=bool)
    for index in range(len(planted)):
        is_planted = not np.array_equal(given.motions.rotations[index], planted.rotations[index])
        standing = observe(given.motions[index])
        slides[index] = is_planted and standing.standing_speed_m_s(planted[index]) > STANDS_M_S
    return slides
