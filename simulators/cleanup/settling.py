"""Bring bodies back to the floor that swing up and down above it without falling.

A body whose lowest point leaves the floor is in flight, on a support, or displaced. In flight its centre of mass falls
with g. On a support a foot stays at one height for a while. Otherwise its root went up and down where its feet should
have stood, as in walks of generators that bounce. Or its hips stay up although its legs bend, as in squats that were
retargeted to another body. The root is lowered by the height of the lowest point then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from selfcorrect.motion.body.surface import lowest_point_m
from selfcorrect.motion.checks.floor import GRAVITY_M_S2
from selfcorrect.motion.checks.motion_features import MotionFeatures
from selfcorrect.motion.geometry.runs import holds_throughout, spans
from selfcorrect.motion.geometry.vectors import median, norms, percentile
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.observation import thresholds as limits
from selfcorrect.motion.observation.observation import find_feet_m, observe

from ..body.curves import smooth_gaussian
from .cleaning import CleanupState


@dataclass(frozen=True)
class SettleBody:
    """Lower bodies that leave the floor without falling, while nothing that stands still could carry them.

    Set by hand on CMU clips, which hardly change, and on walks that bounce.
    """

    highest_m: float = 0.13
    """A body that rises further may climb on something."""
    falling: float = 0.5
    """A body in flight falls at this share of g or more, on average and in most frames."""
    often: float = 0.2
    """Least share of the frames in which a body that swings up and down is off the floor: a hop that falls too slowly
    is none."""
    hips_follow: float = 0.33
    """Hips that rise or sink by less than this share of a rise of the lowest point do not follow the rise."""
    over_feet_m: float = 0.15
    """Hips that sink have lost height, too, if the centre of mass is no further than this from above the feet: who sits
    has the feet ahead."""
    lost_m: float = 0.1
    """Least height that hips have lost somewhere."""
    lost_s: float = 0.3
    """Least time for which they have."""
    lowest_percentile: float = 5.0
    """Percentile of the lowest point's heights at which such a body stands: stances in the air mislead the floor."""
    smooth_s: float = 0.04
    """Standard deviation of the Gaussian that smooths the shift."""

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        posed = cleaning.posed
        if posed.motions.ground is not None:
            return cleaning
        soles_m = posed.feet_m.reshape(*posed.feet_m.shape[:2], -1, 3)
        lowest_m = lowest_point_m(posed.motions.skeleton, soles_m, posed.positions_m, posed.orientations)
        shift_m = np.zeros_like(posed.motions.root_m)
        for index, heights_m in enumerate(lowest_m):
            if (heights_m > limits.LEFT_FLOOR_M).any():
                motion = posed.motions[index]
                lost_m = self.estimate_lost_height_m(motion, heights_m)
                shift_m[index, :, 1] = -(lost_m if lost_m.any() else self.estimate_rise_m(motion, heights_m))
        return cleaning.with_posed_motions(posed.shift(shift_m))

    def estimate_rise_m(self, motion: Motion, heights_m: np.ndarray) -> np.ndarray:
        """Return by how much (T,) a body is too high.

        Args:
            heights_m: (T,) height of its lowest point.
        """
        rise_m = np.zeros(len(heights_m))
        for frames in self._find_unsupported_spans(motion, heights_m):
            if heights_m[frames].max() < self.highest_m and not self._is_carried(motion, heights_m, frames):
                rise_m[frames] = heights_m[frames]
        if np.mean(rise_m > limits.LEFT_FLOOR_M) < self.often:
            return np.zeros(len(heights_m))
        return smooth_gaussian(rise_m[None], self.smooth_s * motion.fps)[0]

    def estimate_lost_height_m(self, motion: Motion, heights_m: np.ndarray) -> np.ndarray:
        """Return by how much (T,) hips are too high that stay at their height, or sink over the feet, while these rise.

        The floor is where the body stands lowest, unless the body is off that floor for other reasons, too: a shift
        of the whole body would leave it in the air there.

        Args:
            heights_m: (T,) height of its lowest point.
        """
        lowest_m = float(percentile(heights_m, self.lowest_percentile))
        lost_m, is_everywhere = self._find_lost_height_m(motion, heights_m - lowest_m)
        if lost_m.max() > self.lost_m and not is_everywhere:
            lowest_m = 0.0
            lost_m, _ = self._find_lost_height_m(motion, heights_m)
        if lost_m.max() <= self.lost_m:
            return np.zeros(len(heights_m))
        return lowest_m + smooth_gaussian(lost_m[None], self.smooth_s * motion.fps)[0]

    def _find_lost_height_m(self, motion: Motion, rises_m: np.ndarray) -> tuple[np.ndarray, bool]:
        """Return the height (T,) that hips have lost over a floor, and whether this explains all rises.

        Bodies that may hang from their hands or stand on them are left.

        Args:
            rises_m: (T,) height of the body's lowest point over that floor.
        """
        lost_m = np.zeros(len(rises_m))
        features = MotionFeatures.of_joints(motion)
        places_m = features.places("pelvis", "neck", "left_wrist", "right_wrist")
        is_low = rises_m < limits.LEFT_FLOOR_M
        if places_m is None or not is_low.any():
            return lost_m, False
        pelvis_m, neck_m, left_m, right_m = np.moveaxis(places_m[..., 1], 1, 0)
        hips_rise_m = pelvis_m - median(pelvis_m[is_low])
        is_on_hands = (np.maximum(left_m, right_m) > neck_m) | (neck_m < pelvis_m)
        feet_m = find_feet_m(motion).mean(axis=(1, 2))
        may_sit = (hips_rise_m < 0) & (norms((features.centre_m - feet_m)[:, [0, 2]]) > self.over_feet_m)
        does_follow = (np.where(may_sit, -hips_rise_m, hips_rise_m) > self.hips_follow * rises_m) | is_on_hands
        is_everywhere = True
        for frames in self._find_unsupported_spans(motion, rises_m):
            is_up = rises_m[frames] > limits.LEFT_FLOOR_M
            is_long = is_up.sum() >= self.lost_s * motion.fps
            if is_long and not does_follow[frames][is_up].any():
                lost_m[frames] = rises_m[frames]
            else:
                is_everywhere = False
        return lost_m, is_everywhere

    def _find_unsupported_spans(self, motion: Motion, heights_m: np.ndarray) -> Iterator[slice]:
        """Yield the frames in which a body is off the floor without falling.

        Args:
            heights_m: (T,) height of its lowest point.
        """
        falls_m_s2 = MotionFeatures.of_joints(motion).falls_m_s2
        for first, last in spans(heights_m > limits.BACK_ON_FLOOR_M, 0):
            frames = slice(first, last + 1)
            up = falls_m_s2[frames][heights_m[frames] > limits.LEFT_FLOOR_M]
            if len(up) and min(up.mean(), median(up)) <= self.falling * GRAVITY_M_S2:
                yield frames

    def _is_carried(self, motion: Motion, heights_m: np.ndarray, frames: slice) -> bool:
        """Return whether a foot, or a whole body, stays at one height for so long that something may carry the body.

        Args:
            heights_m: (T,) height of its lowest point above the floor.
        """
        observation = observe(motion)
        window = round(limits.LEVEL_SUPPORT_S * motion.fps)
        is_up = heights_m[frames] > limits.LEFT_FLOOR_M
        if self._is_level(heights_m[frames], is_up, window):
            return True
        for foot in range(2):
            stands = observation.stands[frames, foot]
            if self._is_level(observation.feet_m[frames, foot, -1, 1], stands, window):
                return True
        return False

    def _is_level(self, heights_m: np.ndarray, counts: np.ndarray, window: int) -> bool:
        """Return whether heights (T,) differ little in a window of frames that all count (T,)."""
        if len(heights_m) < window:
            return False
        spreads_m = np.ptp(sliding_window_view(heights_m, window), axis=1)
        return bool(((spreads_m < limits.LEVEL_SUPPORT_M) & holds_throughout(counts, window)).any())
