"""Bring bodies that float or sink back to the ground.

A body that rises or sinks while its feet bear weight is displaced: see `estimate_body_rise_m`. The root is moved back
by as much, stretch by stretch. In other motions, the hips stay up although the legs bend, as in squats that were
retargeted to another body. Then the root is lowered by the height of the lowest point. If the height of the root was
never recorded, so that it is the same in all frames, feet alone show it: all of them stand on one floor.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from selfcorrect.motion.body.surface import lowest_point_m
from selfcorrect.motion.checks.bearing import RISE_M, estimate_body_rise_m
from selfcorrect.motion.checks.lost_height import find_lost_height_m
from selfcorrect.motion.geometry.curves import smooth_gaussian
from selfcorrect.motion.measures.moves import UNCHANGED_M
from selfcorrect.motion.perception.motion_features import MotionFeatures
from selfcorrect.motion.support import Surroundings

from ...core.cleaning import CleanupState
from ..row import Hypothesis

DISPLACED_BODY = Hypothesis(
    name="displaced-body",
    reference=f"{__name__}:SettleBody",
    summary="The body leaves the floor or sinks into it without falling.",
    place="step",
    evidence="retargeted squats, samples of motion models",
    is_gain=True,
)

_HEIGHT_S = 0.04
"""Time in which a body's height may change, in s."""
_TRAVELS_M = 0.1
"""Minimum distance that a body travels with a height that changes, in m."""
_FLOOR_AT_ZERO = Surroundings(ground_m=0.0)
"""Surroundings after the floor was levelled: the lowest ground is at y = 0."""


@dataclass(frozen=True)
class SettleBody:
    """Bring bodies back that leave the floor without falling.

    Bodies that something at rest could carry are left unchanged. The contact solve lowers no feet that do not stand:
    without this step, three of 204 captures sink or float by 1 to 12 mm more. The parameters were set by hand on CMU
    clips, which hardly change, and on walks that bounce.
    """

    hypothesis: ClassVar[str] = DISPLACED_BODY.name
    moves_to_floor: ClassVar[bool] = True

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
            x_m, y_m, z_m = np.ptp(posed.motions.root_m[index], axis=0)
            has_height = y_m > UNCHANGED_M or max(x_m, z_m) < _TRAVELS_M
            if max(heights_m.max(), off_m.max()) > RISE_M or not has_height:
                features = MotionFeatures.of_joints(posed.motions[index], _FLOOR_AT_ZERO)
                floor_m, rise_m = find_lost_height_m(features, heights_m, highest_m[index].min(axis=1))
                if not rise_m.any():
                    has_only_floor = not (cleaning.mode.finds_supports and has_height)
                    rise_m = estimate_body_rise_m(
                        features, sole_heights_m[index], highest_m[index], has_only_floor=has_only_floor
                    )
                smooth_m = smooth_gaussian(rise_m[None], _HEIGHT_S * features.fps)[0]
                shift_m[index, :, 1] = -(floor_m + smooth_m)
        return cleaning.with_posed_motions(posed.shift(shift_m))
