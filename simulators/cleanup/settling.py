"""Bring bodies back to the floor that float or sink for some strides, or that have hips at a wrong height.

A body that rises or sinks while its feet bear weight is displaced: see `estimate_body_rise_m`. The root is moved back
by as much, stretch by stretch. Or the hips of a body stay up although the legs bend, as in squats that were retargeted
to another body. The root is lowered by the height of the lowest point then.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from selfcorrect.motion.body.surface import lowest_point_m
from selfcorrect.motion.checks.bearing import RISE_M, estimate_body_rise_m
from selfcorrect.motion.checks.motion_features import MotionFeatures
from selfcorrect.motion.checks.pace import find_gravity_m_s2
from selfcorrect.motion.geometry.runs import spans
from selfcorrect.motion.geometry.vectors import median, norms, percentile
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.observation.observation import find_feet_m

from ..body.curves import smooth_gaussian
from .cleaning import CleanupState

_LEFT_FLOOR_M = 0.03
"""A body whose lowest point is higher has left the floor."""
_BACK_ON_FLOOR_M = 0.005
"""It is back on the floor when its lowest point is lower."""


@dataclass(frozen=True)
class SettleBody:
    """Bring bodies back to the floor that leave it without falling, while nothing that stands still could carry them.

    Set by hand on CMU clips that hardly change, and on walks that bounce.
    """

    falling: float = 0.5
    """A body in flight falls at this share of g or more, on average and in most frames."""
    hips_follow: float = 0.33
    """Hips that rise or sink by less than this share of a rise of the lowest point do not follow the rise."""
    over_feet_m: float = 0.15
    """Hips that sink have lost height, too, if the centre of mass is no further than this from above the feet: who sits
    has the feet ahead."""
    tall: float = 0.85
    """Least height of the hips over the ankles of a body that stands, as a share of the length of the legs."""
    seated: float = 0.35
    """Hips that have sunk by this share of the length of the legs may be on a seat."""
    lost_m: float = 0.1
    """Least height that hips have lost somewhere."""
    lost_s: float = 0.3
    """Least time for which they have."""
    lowest_percentile: float = 5.0
    """Percentile of the heights of soles, where such a body stands: stances in the air mislead the floor."""
    smooth_s: float = 0.04
    """Standard deviation of the Gaussian that smooths the shift."""

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        posed = cleaning.posed
        if posed.motions.ground is not None:
            return cleaning
        soles_m = posed.feet_m.reshape(*posed.feet_m.shape[:2], -1, 3)
        lowest_m = lowest_point_m(posed.motions.skeleton, soles_m, posed.positions_m, posed.orientations)
        sole_heights_m = posed.feet_m[..., 1].min(axis=-1)
        highest_m = posed.feet_m[..., 1].max(axis=-1)
        shift_m = np.zeros_like(posed.motions.root_m)
        for index, heights_m in enumerate(lowest_m):
            off_m = np.abs(sole_heights_m[index].min(axis=1))
            if max(heights_m.max(), off_m.max()) > RISE_M:
                motion = posed.motions[index]
                lost_m = self.estimate_lost_height_m(motion, heights_m, highest_m[index].min(axis=1))
                if not lost_m.any():
                    features = MotionFeatures.of_joints(motion)
                    has_only_floor = not cleaning.mode.finds_supports
                    feet_m = sole_heights_m[index], highest_m[index]
                    rise_m = estimate_body_rise_m(features, *feet_m, has_only_floor=has_only_floor)
                    lost_m = smooth_gaussian(rise_m[None], self.smooth_s * motion.fps)[0]
                shift_m[index, :, 1] = -lost_m
        return cleaning.with_posed_motions(posed.shift(shift_m))

    def estimate_lost_height_m(self, motion: Motion, heights_m: np.ndarray, whole_m: np.ndarray) -> np.ndarray:
        """Return by how much (T,) hips are too high that stay at their height, or sink over the feet, while these rise.

        The floor is where the body stands lowest, unless the body is off that floor for other reasons, too: a shift
        of the whole body would leave it in the air there.

        Args:
            heights_m: (T,) height of the body's lowest point.
            whole_m: (T,) height below which all of a sole is; toes alone may dip into the floor.
        """
        lowest_m = float(percentile(whole_m, self.lowest_percentile))
        lost_m, is_everywhere = self._find_lost_height_m(motion, heights_m - lowest_m)
        if lost_m.max() > self.lost_m and not is_everywhere:
            lowest_m = 0.0
            lost_m, _ = self._find_lost_height_m(motion, heights_m)
        if lost_m.max() <= self.lost_m:
            return np.zeros(len(heights_m))
        return lowest_m + smooth_gaussian(lost_m[None], self.smooth_s * motion.fps)[0]

    def _find_lost_height_m(self, motion: Motion, rises_m: np.ndarray) -> tuple[np.ndarray, bool]:
        """Return the height (T,) that hips have lost over a floor, and whether this explains all rises.

        Bodies that may hang from or stand on the hands are left.

        Args:
            rises_m: (T,) height of the body's lowest point over that floor.
        """
        lost_m = np.zeros(len(rises_m))
        features = MotionFeatures.of_joints(motion)
        places_m = features.places("pelvis", "neck", "left_wrist", "right_wrist")
        is_low = rises_m < _LEFT_FLOOR_M
        if places_m is None or not is_low.any():
            return lost_m, False
        pelvis_m, neck_m, left_m, right_m = np.moveaxis(places_m[..., 1], 1, 0)
        hips_rise_m = pelvis_m - median(pelvis_m[is_low])
        leg_m = motion.skeleton.leg_m
        if not self._is_tall(features, is_low, leg_m):
            return lost_m, False
        is_on_hands = (np.maximum(left_m, right_m) > neck_m) | (neck_m < pelvis_m)
        feet_m = find_feet_m(motion).mean(axis=(1, 2))
        is_off_feet = norms((features.centre_m - feet_m)[:, [0, 2]]) > self.over_feet_m
        may_sit = ((hips_rise_m < 0) & is_off_feet) | (hips_rise_m < -self.seated * leg_m)
        does_follow = (np.where(may_sit, -hips_rise_m, hips_rise_m) > self.hips_follow * rises_m) | is_on_hands
        is_everywhere = True
        for frames in self._find_unsupported_spans(motion, rises_m):
            is_up = rises_m[frames] > _LEFT_FLOOR_M
            is_long = is_up.sum() >= self.lost_s * motion.fps
            if is_long and not does_follow[frames][is_up].any():
                lost_m[frames] = rises_m[frames]
            else:
                is_everywhere = False
        return lost_m, is_everywhere

    def _is_tall(self, features: MotionFeatures, is_low: np.ndarray, leg_m: float) -> bool:
        """Return whether the hips are as high over the ankles as in standing while the feet are on the floor (T,)."""
        places_m = features.places("left_hip", "left_ankle", "right_hip", "right_ankle")
        if places_m is None:
            return False
        left_hip_m, left_m, right_hip_m, right_m = np.moveaxis(places_m[is_low, :, 1], 1, 0)
        high_m = np.maximum(left_hip_m - left_m, right_hip_m - right_m)
        return float(median(high_m)) > self.tall * leg_m

    def _find_unsupported_spans(self, motion: Motion, heights_m: np.ndarray) -> Iterator[slice]:
        """Yield the frames of a body that is off the floor without falling.

        Args:
            heights_m: (T,) height of the body's lowest point.
        """
        features = MotionFeatures.of_joints(motion)
        falls_m_s2 = features.falls_m_s2
        for first, last in spans(heights_m > _BACK_ON_FLOOR_M, 0):
            frames = slice(first, last + 1)
            up = falls_m_s2[frames][heights_m[frames] > _LEFT_FLOOR_M]
            if len(up) and min(up.mean(), median(up)) <= self.falling * find_gravity_m_s2(features):
                yield frames
