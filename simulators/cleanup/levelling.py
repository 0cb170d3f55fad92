"""How high the floor is, and how thick soles are: what standing feet show of both.

Arrays: (N, T, 2) for motions, frames, left and right foot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from selfcorrect.motion.correction.timeline import spans
from selfcorrect.motion.geometry.vectors import median, percentile
from selfcorrect.motion.measures.contacts import height_of_floor_m
from selfcorrect.motion.support import Support, ground_of_feet_m

from ..body.curves import smoothstep
from ..body.soles import fit_soles
from .cleaning import CleanupState
from .planting import PlantFeet
from .stance import PosedMotions, has_boxes


@dataclass(frozen=True)
class LevelFloor:
    """Puts the ground on which motions stand at y = 0; of several grounds the lowest, where supports are looked for.

    Set by hand on CMU clips, level ones and those of stairs.
    """

    still_m_s: float = 0.36
    """A sole slower than this may be standing."""
    flat_rad: float = float(np.radians(15.0))
    """Feet tilted by less are flat enough to show the thickness of their soles."""
    tilted_rad: float = float(np.radians(20.0))
    """Feet tilted by more do not show where the ground is: on their tips, rigid toes seem to be far below it."""
    fewest_frames: int = 5
    """Still frames that show the floor's height."""
    often_flat: float = 0.4
    """Share of these in which the lower sole is flat if flat soles show it."""
    level_m: float = 0.06
    """Ground that is lower by this much may be another level."""
    stance_s: float = 0.3
    """Ground must be stood on for this long to be another level."""
    longer_m: float = 0.05
    """It is no other level where legs would have to be longer by this much."""
    worth_m: float = 0.3
    """Ground on which a motion stands all the time may be that much further from y = 0 than another to be put there."""
    far_m: float = 0.2
    """A floor further from y = 0 must be shown well, or else a body that floats or climbs would be put on it."""
    often_shown: float = 0.25
    """Share of frames in which a flat and slow sole must show such a floor."""
    shown_m: float = 0.03
    """Largest distance from such a floor of a sole that shows it. Of CMU's training clips on level ground 3 in 150 show
    less: tiptoe dancers and acrobats."""
    near_zero_m: tuple[float, float] = (0.008, 0.014)
    """A floor nearer to y = 0 than the first counts as being there; only feet then move. From the second on the whole
    body does."""

    at_zero: float = 0.25
    """Share of flat and slow soles that show, where it is known how thick they are, that the floor is at y = 0."""
    farthest_move_m: float = float("inf")
    """A floor further from y = 0 than this stays at its height."""

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        posed = cleaning.posed
        if posed.motions.ground is not None:
            return cleaning
        down_m = estimate_floor_heights_m(posed, self, lowest=cleaning.mode.finds_supports)
        return cleaning.with_posed_motions(posed.shift(-down_m[:, None, None] * (0.0, 1.0, 0.0)))


@dataclass(frozen=True)
class FitSoles:
    """Fits the soles' thickness at heel, ball and toe tip to the flat stances of a single motion: see `fit_soles`."""

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        leveller, feet = cleaning.find_step(LevelFloor), (cleaning.find_step(PlantFeet) or PlantFeet()).feet
        posed = leveller(cleaning).posed if leveller else cleaning.posed
        stands_flat = (posed.is_flat((leveller or LevelFloor()).flat_rad) & posed.detect_stances(feet))[0]
        known = posed.motions.skeleton.soles_m is not None and posed.feet_m.shape[-2] > 4
        heights_m = posed.feet_m[0, ..., 1]
        if ground := posed.motions.ground:  # heels beyond the edge of a step are as high as its top
            heights_m = heights_m - ground.beneath_m(posed.feet_m[0]).max(-1, keepdims=True)
        soles = fit_soles(posed.soles, heights_m, stands_flat, posed.motions.fps, ball_known=known)
        return replace(cleaning, soles=soles).with_posed_motions(PosedMotions.from_motions(cleaning.motions, soles))


def estimate_floor_height(soles_m: np.ndarray, speed_m_s: np.ndarray, flat: np.ndarray, settings: LevelFloor) -> float:
    """Height of the floor from the lowest point of each sole (T, 2), its speed (T, 2) and whether it is flat (T, 2).

    That of `height_of_floor_m`, or the 40th percentile of the lower of the soles that are flat too, if these often are
    and do not stand on another level.
    """
    still = speed_m_s < settings.still_m_s
    usual_m = height_of_floor_m(soles_m, still, settings.fewest_frames)
    lower = still & (soles_m == soles_m.min(1, keepdims=True))
    if lower.sum() < settings.fewest_frames or (lower & flat).sum() < settings.often_flat * lower.sum():
        return usual_m
    flat_m = np.where(still & flat, soles_m, np.inf).min(1)
    flat_m = float(percentile(flat_m[np.isfinite(flat_m)], 40))
    return flat_m if flat_m < usual_m + settings.level_m else usual_m


def stands_at_zero(soles_m: np.ndarray, speed_m_s: np.ndarray, flat: np.ndarray, settings: LevelFloor) -> bool:
    """Whether a motion often stands on a floor at y = 0; arguments as for `estimate_floor_height`."""
    shows_m = soles_m[flat & (speed_m_s < settings.still_m_s)]
    return len(shows_m) > 0 and float(np.mean(np.abs(shows_m) < settings.near_zero_m[1])) > settings.at_zero


def is_floor_in_doubt(
    height_m: float, soles_m: np.ndarray, speed_m_s: np.ndarray, flat: np.ndarray, settings: LevelFloor
) -> bool:
    """Return whether a floor far from y = 0 may be none; arguments as for `estimate_floor_height`."""
    shows = flat & (speed_m_s < settings.still_m_s) & (np.abs(soles_m - height_m) < settings.shown_m)
    return abs(height_m) > settings.far_m and float(shows.any(1).mean()) < settings.often_shown


def lowering_m(height_m: float, settings: LevelFloor) -> float:
    """How far to lower a body whose floor is at a height: by less where that height is next to nothing."""
    there_m, off_m = settings.near_zero_m
    return height_m * float(smoothstep((np.abs(height_m) - there_m) / (off_m - there_m)))


def find_lowest_level_m(
    soles_m: np.ndarray,
    stands: np.ndarray,
    root_m: np.ndarray,
    highest_m: float,
    fps: float,
    settings: LevelFloor,
) -> float:
    """Height of the lowest ground on which a foot stands for a while, `highest_m` if none is lower by a full level.

    Inputs: soles_m (T, 2), the lowest point of each sole; stands (T, 2), whether it may be standing; root_m (T,), the
    root's height. The root is no further above the lower ground than above the higher. The result is the 40th
    percentile, again and again, of the heights in stances below the last level found.
    """
    height_m = np.where(stands, soles_m, np.inf).min(1)
    above_m = root_m - soles_m.min(1)
    while True:
        low = height_m < highest_m - settings.level_m
        tallest_m = percentile(above_m[~low], 95) + settings.longer_m if (~low).any() else np.inf
        long = [span for span in spans(low, round(fps / 15)) if span[1] - span[0] + 1 >= settings.stance_s * fps]
        stances = [(first, last) for first, last in long if median(above_m[first : last + 1]) < tallest_m]
        if not stances:
            return highest_m
        stood_m = np.concatenate([height_m[first : last + 1] for first, last in stances])
        highest_m = float(percentile(stood_m[np.isfinite(stood_m)], 40))


def estimate_floor_heights_m(posed: PosedMotions, settings: LevelFloor, *, lowest: bool) -> np.ndarray:
    """(N,) how far motions are to be lowered so that the ground on which they stand comes to y = 0.

    Nothing for one whose ground is far from there, and from ground that is sure, and hardly shown. lowest: it is the
    lowest ground on which a foot stands for a while, where there may be several.
    """
    fps, speed_m_s, lowest_m = posed.motions.fps, posed.speeds_m_s, posed.grounds_m()
    heights_m, tilted = _floor_heights_m(posed, settings), posed.is_flat(settings.tilted_rad)
    shown = list(zip(lowest_m, speed_m_s, tilted, strict=True))
    sure = [not is_floor_in_doubt(height_m, *own, settings) for height_m, own in zip(heights_m, shown, strict=True)]
    levels_m = heights_m
    if lowest:
        stands = (speed_m_s < settings.still_m_s) & tilted
        each = zip(lowest_m, stands, posed.motions.root_m[..., 1], heights_m, strict=True)
        levels_m = [find_lowest_level_m(*feet, fps=fps, settings=settings) for feet in each]
    kept = [
        (own_sure and abs(level_m - height_m) < settings.far_m) or not is_floor_in_doubt(level_m, *own, settings)
        for level_m, height_m, own_sure, own in zip(levels_m, heights_m, sure, shown, strict=True)
    ]
    return np.array([lowering_m(one, settings) if keep else 0.0 for one, keep in zip(levels_m, kept, strict=True)])


def _floor_heights_m(posed: PosedMotions, settings: LevelFloor) -> list[float]:
    """Height of each motion's floor.

    Where soles were found, the floor is not above what their lowest corners show: no body is lowered into the ground.
    """
    speeds_m_s, flat = posed.paces_m_s, posed.is_flat(settings.flat_rad)
    each = list(zip(posed.grounds_m(), speeds_m_s, flat, strict=True))
    if posed.motions.skeleton.soles_m is None:
        return [estimate_floor_height(*feet, settings) for feet in each]
    lowest_m = posed.feet_m[..., 1].min(-1)
    highest_m = [
        max(estimate_floor_height(*feet, settings), 0.0) for feet in zip(lowest_m, speeds_m_s, flat, strict=True)
    ]
    heights_m = [0.0 if stands_at_zero(*feet, settings) else estimate_floor_height(*feet, settings) for feet in each]
    return [min(pair) for pair in zip(heights_m, highest_m, strict=True)]


def find_origins_m(cleaning: CleanupState, settings: LevelFloor) -> np.ndarray:
    """The heights (N,) that become y = 0: those there, or nearest to it, in the original motions."""
    if has_boxes(cleaning.motions):
        return np.zeros(len(cleaning.motions))
    frames = cleaning.motions.root_m.shape[1]
    each = zip(cleaning.supports, cleaning.raised_m, strict=True)
    return np.array([_find_origin_m(own, frames, raised, settings) for own, raised in each])


def _find_origin_m(supports: Sequence[Support], frames: int, raised_m: float, settings: LevelFloor) -> float:
    """The height that becomes y = 0 in a motion that has been raised so that its lowest ground is there.

    Of all grounds it is the one near y = 0 in the original motion on which it stands for long. A body on any step of a
    staircase stays there. One that floats or is sunk comes to the nearest ground. One that climbs far from all of them
    stays there: the file may just not show what leads there. So does one that would move by more than
    `farthest_move_m`.
    """
    stood_m = ground_of_feet_m(supports, frames).max(1)
    grounds_m = np.unique(stood_m)
    share = np.mean(np.abs(stood_m[:, None] - grounds_m) < settings.level_m / 2, axis=0)
    nearest_m = float(grounds_m[np.argmin(np.abs(grounds_m - raised_m) - settings.worth_m * share)])
    farthest_m = min(settings.far_m, settings.farthest_move_m) if supports else settings.farthest_move_m
    return raised_m if abs(nearest_m - raised_m) > farthest_m else nearest_m
