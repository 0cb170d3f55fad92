"""Estimate the height of the floor and the thickness of soles from standing feet.

Arrays: (N, T, 2) for motions, frames, left and right foot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from selfcorrect.motion.body.foot_frames import estimate_feet_on_any_floor, find_low_toes_m, sole_depths_m
from selfcorrect.motion.corrector_interface.timeline import spans
from selfcorrect.motion.geometry.vectors import median, percentile
from selfcorrect.motion.measures.contacts import height_of_floor_m
from selfcorrect.motion.support import Support, ground_of_feet_m

from ..body.curves import smoothstep
from ..body.soles import fit_soles
from .cleaning import CleanupState
from .foot_lock import FootSettings
from .planting import PlantFeet
from .stance import PosedMotions, has_boxes


@dataclass(frozen=True)
class LevelFloor:
    """Put the ground on which motions stand at y = 0: of several grounds the lowest, if supports are looked for.

    Set by hand on CMU clips, level ones and those of stairs.
    """

    still_m_s: float = 0.36
    """A sole slower than this may be standing."""
    flat_rad: float = float(np.radians(15.0))
    """Feet tilted by less are flat enough to show the thickness of their soles."""
    tilted_rad: float = float(np.radians(20.0))
    """Feet tilted by more do not show where the ground is: on their tips, rigid toes seem to be far below it."""
    fewest_frames: int = 5
    """Smallest number of still frames that show the floor's height."""
    often_flat: float = 0.4
    """Share of these frames in which the lower sole must be flat, so that flat soles show the height."""
    level_m: float = 0.06
    """Ground that is lower by more than this may be another level."""
    stance_s: float = 0.3
    """Ground must be stood on for this long to be another level."""
    longer_m: float = 0.05
    """It is not another level if legs would have to be longer than elsewhere by more than this."""
    worth_m: float = 0.3
    """Ground on which a motion always stands may be this much further from y = 0 than other ground, to be put there."""
    far_m: float = 0.2
    """A floor further from y = 0 needs strong evidence, or a body that floats or climbs would be put on it."""
    often_shown: float = 0.25
    """Share of frames in which a flat and slow sole must show such a floor."""
    shown_m: float = 0.03
    """Largest distance from such a floor of a sole that shows it. Of CMU's training clips on level ground 3 in 150 show
    less: tiptoe dancers and acrobats."""
    near_zero_m: tuple[float, float] = (0.008, 0.014)
    """A floor nearer to y = 0 than the first counts as being there; only feet then move. From the second on the whole
    body does."""

    misjudged_m: tuple[float, float] = (0.02, 0.035)
    """If soles that stand are usually less far off than the first distance from a floor that few flat feet show, it is
    right; from the second distance on it is moved to them."""
    kept_m: tuple[float, float] = (0.006, 0.012)
    """A body that is too high by less than the first distance keeps its height; from the second on it is lowered fully.
    The floor of feet that were planted is found within the first distance."""
    kept_off_flat_m: tuple[float, float] = (0.012, 0.024)
    """The distances of `kept_m` for bodies whose feet never stand flat, so that the floor is less certain."""
    at_zero: float = 0.25
    """Share of flat and slow soles of known thickness that must be at y = 0, so that the floor is there."""
    tolerance_m: float = 0.01
    """Ground comes out no higher than this above what soles of any thickness explain."""
    sunk_tolerance_m: float = 0.005
    """Ground that is below what they explain by less than this stays at its height: joints of captures hardly stand
    lower. From twice the distance on it comes to y = 0."""
    raised_m: float = 0.01
    """Ground comes to y = 0 if even low toes are above the tolerance by this distance."""
    farthest_move_m: float = float("inf")
    """A floor further from y = 0 than this stays at its height."""

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        posed = cleaning.posed
        if posed.motions.ground is not None:
            return cleaning
        down_m = estimate_floor_heights_m(posed, self, lowest=cleaning.mode.finds_supports)
        levelled = posed.shift(-down_m[:, None, None] * (0.0, 1.0, 0.0))
        if posed.motions.skeleton.soles_m is not None:
            feet = (cleaning.find_step(PlantFeet) or PlantFeet()).feet
            further_down_m = estimate_standing_heights_m(levelled, feet, self)
            levelled = levelled.shift(-further_down_m[:, None, None] * (0.0, 1.0, 0.0))
        return cleaning.with_posed_motions(levelled)


@dataclass(frozen=True)
class FitSoles:
    """Fit the soles' thickness at heel, ball and toe tip to the flat stances of a single motion: see `fit_soles`."""

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        leveller = cleaning.find_step(LevelFloor)
        feet = (cleaning.find_step(PlantFeet) or PlantFeet()).feet
        posed = leveller(cleaning).posed if leveller else cleaning.posed
        is_flat = posed.is_flat((leveller or LevelFloor()).flat_rad)
        stands_flat = (is_flat & posed.detect_stances(feet))[0]
        is_ball_known = posed.motions.skeleton.soles_m is not None and posed.feet_m.shape[-2] > 4
        heights_m = posed.feet_m[0, ..., 1]
        if ground := posed.motions.ground:  # heels beyond the edge of a step are as high as its top
            heights_m = heights_m - ground.beneath_m(posed.feet_m[0]).max(-1, keepdims=True)
        soles = fit_soles(posed.soles, heights_m, stands_flat, posed.motions.fps, ball_known=is_ball_known)
        fitted = PosedMotions.from_motions(cleaning.motions, soles)
        return replace(cleaning, soles=soles).with_posed_motions(fitted)


def estimate_standing_heights_m(posed: PosedMotions, feet: FootSettings, settings: LevelFloor) -> np.ndarray:
    """Return the usual height (N,) of upright soles that stand; 0 for motions in which it is small, or few show it.

    Args:
        posed: Motions whose floor is nearly at y = 0.
        feet: Settings of stances.
        settings: Thresholds.
    """
    stands = posed.detect_stances(feet) & posed.is_flat(settings.tilted_rad)
    lowest_m = posed.feet_m[..., 1].min(-1)
    heights_m = []
    for motion_heights_m, is_standing in zip(lowest_m, stands, strict=True):
        standing_m = motion_heights_m[is_standing]
        usual_m = float(median(standing_m)) if len(standing_m) >= settings.fewest_frames else 0.0
        heights_m.append(shrink_small(usual_m, settings.misjudged_m))
    return np.array(heights_m)


def estimate_floor_height(soles_m: np.ndarray, speed_m_s: np.ndarray, flat: np.ndarray, settings: LevelFloor) -> float:
    """Estimate the height of the floor from the soles of one motion.

    It is that of `height_of_floor_m`, or the 40th percentile of the lower of the soles that are flat too, if these
    often are and do not stand on another level.

    Args:
        soles_m: (T, 2) height of the lowest point of each sole.
        speed_m_s: (T, 2) speed of each sole.
        flat: (T, 2) whether each sole is flat.
        settings: Thresholds.

    Returns:
        The height in m.
    """
    is_still = speed_m_s < settings.still_m_s
    default_m = height_of_floor_m(soles_m, is_still, settings.fewest_frames)
    is_lower = is_still & (soles_m == soles_m.min(1, keepdims=True))
    is_often_flat = (is_lower & flat).sum() >= settings.often_flat * is_lower.sum()
    if is_lower.sum() < settings.fewest_frames or not is_often_flat:
        return default_m
    lowest_flat_m = np.where(is_still & flat, soles_m, np.inf).min(1)
    flat_m = float(percentile(lowest_flat_m[np.isfinite(lowest_flat_m)], 40))
    return flat_m if flat_m < default_m + settings.level_m else default_m


def stands_at_zero(soles_m: np.ndarray, speed_m_s: np.ndarray, flat: np.ndarray, settings: LevelFloor) -> bool:
    """Return whether a motion often stands on a floor at y = 0.

    Args:
        soles_m: (T, 2) height of the lowest point of each sole.
        speed_m_s: (T, 2) speed of each sole.
        flat: (T, 2) whether each sole is flat.
        settings: Thresholds.
    """
    standing_m = soles_m[flat & (speed_m_s < settings.still_m_s)]
    if len(standing_m) == 0:
        return False
    is_near_zero = np.abs(standing_m) < settings.near_zero_m[1]
    return float(np.mean(is_near_zero)) > settings.at_zero


def is_floor_in_doubt(
    height_m: float, soles_m: np.ndarray, speed_m_s: np.ndarray, flat: np.ndarray, settings: LevelFloor
) -> bool:
    """Return whether a floor far from y = 0 is hardly shown by soles, so that it may not exist.

    Args:
        height_m: Height of the floor.
        soles_m: (T, 2) height of the lowest point of each sole.
        speed_m_s: (T, 2) speed of each sole.
        flat: (T, 2) whether each sole is flat.
        settings: Thresholds.
    """
    is_near_floor = np.abs(soles_m - height_m) < settings.shown_m
    shows_floor = flat & (speed_m_s < settings.still_m_s) & is_near_floor
    return abs(height_m) > settings.far_m and float(shows_floor.any(1).mean()) < settings.often_shown


def shrink_small(length_m: float, bounds_m: tuple[float, float]) -> float:
    """Return a signed length; 0 if it is smaller than the first bound, and less than all of it up to the second."""
    small_m, large_m = bounds_m
    return length_m * float(smoothstep((np.abs(length_m) - small_m) / (large_m - small_m)))


def find_lowest_level_m(
    soles_m: np.ndarray,
    stands: np.ndarray,
    root_m: np.ndarray,
    highest_m: float,
    fps: float,
    settings: LevelFloor,
) -> float:
    """Return the height of the lowest ground on which a foot stands for a while.

    The root must not be further above the lower ground than above the higher. The result is the 40th percentile of the
    heights in stances below the last level found, repeated until no lower level is found.

    Args:
        soles_m: (T, 2) lowest point of each sole.
        stands: (T, 2) whether it may be standing.
        root_m: (T,) the root's height.
        highest_m: Height of the floor found so far; the result if no ground is lower by a full level.
        fps: Frames per second.
        settings: Thresholds.

    Returns:
        The height in m.
    """
    height_m = np.where(stands, soles_m, np.inf).min(1)
    above_m = root_m - soles_m.min(1)
    while True:
        is_low = height_m < highest_m - settings.level_m
        tallest_m = np.inf
        if (~is_low).any():
            tallest_m = percentile(above_m[~is_low], 95) + settings.longer_m
        stances = []
        for first, last in spans(is_low, round(fps / 15)):
            is_long = last - first + 1 >= settings.stance_s * fps
            if is_long and median(above_m[first : last + 1]) < tallest_m:
                stances.append((first, last))
        if not stances:
            return highest_m
        stance_heights_m = np.concatenate([height_m[first : last + 1] for first, last in stances])
        highest_m = float(percentile(stance_heights_m[np.isfinite(stance_heights_m)], 40))


def estimate_floor_heights_m(posed: PosedMotions, settings: LevelFloor, *, lowest: bool) -> np.ndarray:
    """Return how far motions must be lowered so that the ground on which they stand comes to y = 0.

    A motion stays if its ground is far from y = 0, far from ground that is certain, and hardly shown.

    Args:
        posed: Motions with their poses.
        settings: Thresholds.
        lowest: Of several grounds, take the lowest on which a foot stands for a while.

    Returns:
        (N,) in m.
    """
    motions = posed.motions
    speed_m_s = posed.speeds_m_s
    lowest_m = posed.grounds_m()
    heights_m = _floor_heights_m(posed, settings)
    is_upright = posed.is_flat(settings.tilted_rad)
    lowerings_m = []
    for index, height_m in enumerate(heights_m):
        soles = (lowest_m[index], speed_m_s[index], is_upright[index])
        level_m = height_m
        if lowest:
            stands = (speed_m_s[index] < settings.still_m_s) & is_upright[index]
            root_m = motions.root_m[index, :, 1]
            level_m = find_lowest_level_m(lowest_m[index], stands, root_m, height_m, motions.fps, settings)
        is_near_certain_floor = (
            not is_floor_in_doubt(height_m, *soles, settings) and abs(level_m - height_m) < settings.far_m
        )
        is_accepted = is_near_certain_floor or not is_floor_in_doubt(level_m, *soles, settings)
        lowerings_m.append(shrink_small(level_m, settings.near_zero_m) if is_accepted else 0.0)
    return np.array(lowerings_m)


def _floor_heights_m(posed: PosedMotions, settings: LevelFloor) -> list[float]:
    """Return the height of each motion's floor.

    With fitted soles, the floor is not above what their lowest corners show, so no body is lowered into the ground.
    """
    speeds_m_s = posed.paces_m_s
    is_flat = posed.is_flat(settings.flat_rad)
    grounds_m = posed.grounds_m()
    lowest_m = posed.feet_m[..., 1].min(-1)
    heights_m = []
    for index in range(len(posed.motions)):
        feet = (grounds_m[index], speeds_m_s[index], is_flat[index])
        if posed.motions.skeleton.soles_m is None:
            heights_m.append(estimate_floor_height(*feet, settings))
            continue
        highest_m = estimate_floor_height(lowest_m[index], speeds_m_s[index], is_flat[index], settings)
        height_m = 0.0 if stands_at_zero(*feet, settings) else estimate_floor_height(*feet, settings)
        heights_m.append(min(height_m, max(highest_m, 0.0)))
    return heights_m


def find_origins_m(cleaning: CleanupState, settings: LevelFloor) -> np.ndarray:
    """Return the heights (N,) that become y = 0: those there, or nearest to it, in the original motions.

    A second correction sees planted feet. So these decide how high a body without supports stands.
    """
    if has_boxes(cleaning.motions):
        return np.zeros(len(cleaning.motions))
    frames = cleaning.motions.root_m.shape[1]
    is_floor_estimated = cleaning.find_step(LevelFloor) is not None
    origins_m = []
    for index, (supports, raised_m) in enumerate(zip(cleaning.supports, cleaning.raised_m, strict=True)):
        ground_m = _find_nearest_ground_m(supports, frames, raised_m, settings)
        motion = cleaning.motions[index]
        soles_m = motion.skeleton.soles_m
        if soles_m is not None and is_floor_estimated and not supports:
            seen_m = estimate_feet_on_any_floor(motion).floor_m
            ground_m += seen_m - shrink_small(seen_m, settings.misjudged_m)
        height_m = ground_m - raised_m
        least_m, usual_m, largest_m = sole_depths_m(motion.skeleton)
        has_toes = motion.skeleton.pair("foot") is not None
        if soles_m is None and has_toes:
            kept_m = settings.kept_off_flat_m if height_m > 0 else settings.near_zero_m
            origins_m.append(raised_m + shrink_small(height_m, kept_m))
            continue
        depth_m = usual_m if soles_m is None else float(np.mean(soles_m))
        low_m = find_low_toes_m(cleaning.unraised[index]) + cleaning.lowered_m
        explained_m = _explained_height_m(height_m, low_m, depth_m, (least_m, largest_m), settings)
        too_high_m = height_m - explained_m
        origins_m.append(raised_m + (shrink_small(too_high_m, settings.kept_m) if too_high_m > 0 else too_high_m))
    return np.array(origins_m)


def _explained_height_m(
    height_m: float, low_m: float, depth_m: float, possible_m: tuple[float, float], settings: LevelFloor
) -> float:
    """Return the height above y = 0 at which a body comes out whose ground is at some height.

    It stays where it is as far as soles explain that: they are thinner or thicker than those of the skeleton, as far as
    soles can be. Every result is one that stays.

    Args:
        height_m: Height of the ground.
        low_m: Height to which toe joints often come down.
        depth_m: Depth of the skeleton's soles.
        possible_m: Least and largest depth that soles can have.
        settings: Thresholds.
    """
    least_m, largest_m = possible_m
    sunk_m = least_m - depth_m - height_m
    if sunk_m > 0:
        return height_m * _falling_share(sunk_m / settings.sunk_tolerance_m - 1.0)
    above_m = low_m - largest_m - settings.tolerance_m
    highest_m = largest_m - depth_m + settings.tolerance_m
    return min(height_m, highest_m) * _falling_share(above_m / settings.raised_m)


def _falling_share(excess: float) -> float:
    """Return 1 up to an excess of 0, falling to 0 at 1."""
    return float(np.clip(1.0 - excess, 0.0, 1.0))


def _find_nearest_ground_m(supports: Sequence[Support], frames: int, raised_m: float, settings: LevelFloor) -> float:
    """Return the height of the ground nearest to y = 0 in a motion that was raised so that its lowest ground is there.

    Of all grounds it is the one near y = 0 in the original motion on which it stands for long. A body on any step of a
    staircase stays there. One that floats or is sunk comes to the nearest ground. One that climbs far from all of them
    stays there: the file may just not show what leads there. So does one that would move by more than
    `farthest_move_m`.
    """
    ground_m = ground_of_feet_m(supports, frames).max(1)
    levels_m = np.unique(ground_m)
    is_on_level = np.abs(ground_m[:, None] - levels_m) < settings.level_m / 2
    share = np.mean(is_on_level, axis=0)
    costs_m = np.abs(levels_m - raised_m) - settings.worth_m * share
    nearest_m = float(levels_m[np.argmin(costs_m)])
    farthest_m = min(settings.far_m, settings.farthest_move_m) if supports else settings.farthest_move_m
    return raised_m if abs(nearest_m - raised_m) > farthest_m else nearest_m
