"""Plant feet again whose first planting was smoothed away."""

from dataclasses import replace

import numpy as np

from ..core.planting import plant_feet
from ..core.stance import PosedMotions
from ..stages.changes import keep_changes
from .state import PostprocessState


class PlantSlidFeet:
    """Plant feet again if they slid far.

    When such feet stand is better seen in the corrected motion. Smoothing also lets them slide again, because the
    changes that stop them are fast.
    """

    def __call__(self, state: PostprocessState) -> PostprocessState:
        slid = state.slid
        if slid is None or not slid.is_far.any():
            return state
        posed = PosedMotions.from_motions(state.motions, state.soles)
        ground_m = np.minimum(slid.ground_m, posed.standing_m(posed.feet_m)[..., 1].min(-1))
        planted = plant_feet(posed, ground_m, is_soft=True)
        return replace(state, motions=keep_changes(state.motions, planted, slid.is_far.astype(float)))
