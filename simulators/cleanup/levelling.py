"""Estimate the height of the floor and the thickness of soles from standing feet.

Arrays: (N, T, 2) for motions, frames, left and right foot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from selfcorrect.motion.body.foot_frames import sole_depths_m
from selfcorrect.motion.corrector_interface.grounding import find_feet_on_any_floor
from selfcorrect.motion.editing.transforms import raise_motion
from selfcorrect.motion.geometry.vectors import find_distinct, median
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.observation import thresholds as limits
from selfcorrect.motion.observation.observation import observe
from selfcorrect.motion.support import Support, ground_of_feet_m

from ..body.soles import fit_soles
from .cleaning import CleanupState
from .stance import PosedMotions, has_boxes


@dataclass(frozen=True)
class LevelFloor:
    """Put the ground on which motions stand at y = 0: of several grounds the lowest, if supports are looked for."""

    farthest_move_m: float = float("inf")
    """A floor further from y = 0 than this stays at its height."""

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        posed = cleaning.posed
        if posed.motions.ground is not None:
            return cleaning
        down_m = estimate_floor_heights_m(posed, lowest=cleaning.mode.finds_supports)
        return cleaning.with_posed_motions(posed.shift(-down_m[:, None, None] * (0.0, 1.0, 0.0)))


@dataclass(frozen=True)
class FitSoles:
    """Fit the soles' thickness at heel, ball and toe tip to the flat stances of a single motion: see `fit_soles`."""

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        leveller = cleaning.find_step(LevelFloor)
        posed = leveller(cleaning).posed if leveller else cleaning.posed
        is_flat = posed.is_flat(limits.FLAT_SOLE_RAD)
        stands_flat = (is_flat & posed.stands_on(0.0))[0]
        is_ball_known = posed.motions.skeleton.soles_m is not None and posed.feet_m.shape[-2] > 4
        heights_m = posed.feet_m[0, ..., 1]
        if ground := posed.motions.ground:  # heels beyond the edge of a step are as high as its top
            heights_m = heights_m - ground.beneath_m(posed.feet_m[0]).max(-1, keepdims=True)
        soles = fit_soles(posed.soles, heights_m, stands_flat, posed.motions.fps, ball_known=is_ball_known)
        fitted = PosedMotions.from_motions(cleaning.motions, soles)
        return replace(cleaning, soles=soles).with_posed_motions(fitted)


def estimate_floor_heights_m(posed: PosedMotions, *, lowest: bool) -> np.ndarray:
    """Return the heights (N,) of the ground on which motions stand; 0 for ground that is far away and hardly shown.

    It is the ground on which the modelled soles stand, which may lie beside that of the observation.

    Args:
        lowest: Of several grounds, take the lowest.
    """
    heights_m = []
    for index, feet_m in enumerate(posed.feet_m):
        motion = posed.motions[index]
        observation = observe(motion)
        if not observation.is_floor_trusted:
            heights_m.append(0.0)
            continue
        floor_m = observation.levels_m[0] if lowest else observation.floor_m
        heights_m.append(floor_m + _measure_gap_m(motion, feet_m))
    return np.array(heights_m)


def _measure_gap_m(motion: Motion, feet_m: np.ndarray) -> float:
    """Return by how much modelled soles stand above the ground that is observed; below it, if negative.

    A foot that stands on its heel may seem to stand on a level of its own, far above its sole. It shows no gap while
    the other foot stands on the floor.

    Args:
        feet_m: (≥ T, 2, C, 3) corners of its soles.
    """
    observation = observe(motion)
    gaps_m = feet_m[: len(motion), ..., 1].min(-1) - observation.ground_m
    is_off = (gaps_m > limits.IN_AIR_M) & (observation.off_m > limits.IN_AIR_M)
    stands = observation.stands & np.logical_not(is_off)
    if not observation.is_floor_trusted or not stands.any():
        return 0.0
    least_m, _, largest_m = sole_depths_m(motion.skeleton)
    is_on_floor = np.abs(observation.ground_m - observation.floor_m) < limits.SAME_LEVEL_M
    is_alone = np.logical_not((stands & is_on_floor)[:, ::-1])
    shows = stands & (is_on_floor | is_alone | (np.abs(gaps_m) < largest_m - least_m))
    gap_m = float(median(gaps_m[shows]))
    return float(np.clip(gap_m, least_m - largest_m, largest_m - least_m))


def find_origins_m(cleaning: CleanupState, settings: LevelFloor) -> np.ndarray:
    """Return the heights (N,) that become y = 0: those of the ground nearest to it in the original motions.

    Bodies whose ground is at y = 0 within the thickness of soles keep their heights. Planted feet show the ground and
    soles a little differently, as a second correction sees them. So they decide near the bounds.
    """
    if has_boxes(cleaning.motions):
        return np.zeros(len(cleaning.motions))
    origins_m = []
    beyond_m, within_m = limits.DOUBTED_M
    heights_m = _measure_heights_m(cleaning, settings)
    for index, (height_m, raised_m) in enumerate(zip(heights_m, cleaning.raised_m.tolist(), strict=True)):
        if _is_kept(height_m, -beyond_m) and not _is_kept(height_m, within_m):
            height_m = _measure_planted_height_m(cleaning, index, settings)
        origins_m.append(raised_m if _is_kept(height_m) else raised_m + height_m)
    return np.array(origins_m)


def _is_kept(height_m: float, margin_m: float = 0.0) -> bool:
    """Return whether the thickness of soles explains ground at a height, and at all heights within a margin."""
    return margin_m - limits.KEPT_BELOW_M < height_m < limits.KEPT_ABOVE_M - margin_m


def _measure_planted_height_m(cleaning: CleanupState, index: int, settings: LevelFloor) -> float:
    """Return the height of a motion's ground that a second correction would measure if it kept its height."""
    motion = raise_motion(cleaning.motions[index], -float(cleaning.raised_m[index]))
    feet = find_feet_on_any_floor(motion)
    motion = replace(motion, skeleton=replace(motion.skeleton, soles_m=feet.soles_m), feet=feet)
    planted = CleanupState.from_motions(MotionBatch.stack([motion]), cleaning.steps, cleaning.mode)
    for step in cleaning.steps:
        if isinstance(step, (FitSoles, LevelFloor)):
            planted = step(planted)
    (height_m,) = _measure_heights_m(replace(planted, supports=[cleaning.supports[index]]), settings)
    return height_m


def _measure_heights_m(cleaning: CleanupState, settings: LevelFloor) -> list[float]:
    """Return the heights above y = 0, in N original motions, of the ground nearest to it.

    Of the observed floor and the ground beneath modelled soles, the nearer one counts, and 0 between them.
    """
    frames = cleaning.motions.root_m.shape[1]
    unraised = PosedMotions.from_motions(cleaning.unraised, cleaning.soles)
    heights_m = []
    for index, (supports, raised_m) in enumerate(zip(cleaning.supports, cleaning.raised_m, strict=True)):
        soles_m = _find_nearest_ground_m(supports, frames, raised_m, settings) - raised_m
        floor_m = soles_m - _measure_gap_m(unraised.motions[index], unraised.feet_m[index])
        heights_m.append(float(median([0.0, soles_m, floor_m])))
    return heights_m


def _find_nearest_ground_m(supports: Sequence[Support], frames: int, raised_m: float, settings: LevelFloor) -> float:
    """Return the height of the ground nearest to y = 0 in a motion that was raised so that its lowest ground is there.

    Of all grounds it is the one near y = 0 in the original motion on which it stands for long. A body on any step of a
    staircase stays there. One that floats or is sunk comes to the nearest ground. One that climbs far from all of them
    stays there: the file may just not show what leads there. So does one that would move by more than
    `farthest_move_m`.
    """
    ground_m = ground_of_feet_m(supports, frames).max(1)
    levels_m = find_distinct(ground_m)
    is_on_level = np.abs(ground_m[:, None] - levels_m) < limits.OTHER_GROUND_M / 2
    share = np.mean(is_on_level, axis=0)
    costs_m = np.abs(levels_m - raised_m) - limits.OFTEN_STANDS_M * share
    nearest_m = float(levels_m[np.argmin(costs_m)])
    above_m = nearest_m - raised_m
    far_m = limits.FAR_ABOVE_M if above_m > 0 else limits.FAR_BELOW_M
    farthest_m = min(far_m, settings.farthest_move_m) if supports else settings.farthest_move_m
    return raised_m if abs(above_m) > farthest_m else nearest_m
