"""Estimate floor height and sole thickness from standing feet.

Arrays are (N, T, 2): motion, frame, left and right foot.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from selfcorrect.motion.geometry.vectors import UP
from selfcorrect.motion.perception.observation import observe
from selfcorrect.motion.perception.observed_ground import observe_ground

from ..body.soles import fit_soles
from .cleaning import CleanupState
from .stance import PosedMotions

_FLAT_SOLE_RAD = float(np.radians(15.0))
"""Maximum tilt of a foot that shows sole thickness, in rad."""


@dataclass(frozen=True)
class LevelFloor:
    """Move the ground beneath the soles to y = 0.

    If supports are inferred and there are several grounds, this is the lowest one. Later steps work at this height:
    without it, the contact solve lifts feet onto a floor at y = 0, and 218 motions sink by 9 instead of 3 mm. In
    the end, the move is undone (`CleanedMotions.on_floor`), because the floor of a correction is decided only once,
    from its corrected feet, by `MotionOnFloor.decide_floor`.
    """

    moves_to_floor: ClassVar[bool] = True

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        ground_m = _find_ground_m(cleaning)
        shifted = cleaning.posed.shift(-ground_m[:, None, None] * UP)
        return replace(cleaning, raised_m=cleaning.raised_m - ground_m).with_posed_motions(shifted)


def _find_ground_m(cleaning: CleanupState) -> np.ndarray:
    """Find the ground height (N,) below the soles, 0 if the ground is known."""
    posed = cleaning.posed
    ground_m = np.zeros(len(posed.motions))
    if posed.motions.ground is not None:
        return ground_m
    for index, feet_m in enumerate(posed.feet_m):
        ground = observe_ground(posed.motions[index])
        height_m = ground.find_height_below_m(feet_m, lowest=cleaning.mode.finds_supports)
        ground_m[index] = height_m or 0.0  # a body above a floor that it does not show is above y = 0
    return ground_m


@dataclass(frozen=True)
class FitSoles:
    """Fit heel, ball and tip of a single motion's soles to flat stances.

    Heights are those above the ground of each foot, so the floor need not be known yet. See `fit_soles`.
    """

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        posed = cleaning.posed
        is_flat = posed.is_flat(_FLAT_SOLE_RAD)
        heights_m = posed.feet_m[0, ..., 1]
        if ground := posed.motions.ground:
            stands_flat = (is_flat & posed.stands_on(0.0))[0]
            # heels beyond the edge of a step are as high as its top
            heights_m = heights_m - ground.beneath_m(posed.feet_m[0]).max(-1, keepdims=True)
        else:
            stands_flat = (is_flat & posed.stands)[0]
            heights_m = heights_m - observe(posed.motions[0]).ground_m[..., None]
        is_ball_known = posed.motions.skeleton.soles_m is not None and posed.feet_m.shape[-2] > 4
        soles = fit_soles(posed.soles, heights_m, stands_flat, posed.motions.fps, ball_known=is_ball_known)
        fitted = PosedMotions.from_motions(cleaning.motions, soles)
        return replace(cleaning, soles=soles).with_posed_motions(fitted)
