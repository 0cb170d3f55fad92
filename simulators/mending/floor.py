"""How high the floor is, a constant error of a capture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from selfcorrect.motion.correction.timeline import spans
from selfcorrect.simulators.body.curves import smoothstep


@dataclass(frozen=True)
class FloorSettings:
    """What shows the floor's height; set by hand on CMU clips, level ones and those of stairs."""

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
    """Ground that much lower …"""
    stance_s: float = 0.3
    """… and stood on for that long is another level …"""
    longer_m: float = 0.05
    """… unless legs would have to be longer by so much."""
    worth_m: float = 0.3
    """Ground on which a motion stands all the time may be that much further from y = 0 than another to be put there."""
    far_m: float = 0.2
    """A floor further from y = 0 must be shown well, or else a body that hovers or climbs would be put on it …"""
    often_shown: float = 0.25
    """… by a flat and slow sole this often …"""
    shown_m: float = 0.03
    """… that near to it. Of CMU's training clips on level ground 3 in 150 show less: tiptoe dancers and acrobats."""
    near_zero_m: tuple[float, float] = (0.004, 0.01)
    """A floor nearer to y = 0 than the first is there, as far as feet can tell; only feet then move. From the second on
    the whole body does."""


FLOOR = FloorSettings()
"""The defaults."""


def floor_height(
    soles_m: np.ndarray, speed_m_s: np.ndarray, flat: np.ndarray, settings: FloorSettings = FLOOR
) -> float:
    """Height of the floor from the lowest point of each sole (T, 2), its speed (T, 2) and whether it is flat (T, 2).

    The 40th percentile of the lower sole's height while it is still, or of the lower of those that are flat too if it
    often is and these do not stand on another level; of all low frames where it hardly ever is still.
    """
    still = speed_m_s < settings.still_m_s
    lower = still & (soles_m == soles_m.min(1, keepdims=True))
    standing_m = soles_m[lower]
    if len(standing_m) < settings.fewest_frames:
        return float(np.percentile(soles_m.min(1), 20))
    usual_m = float(np.percentile(standing_m, 40))
    if (lower & flat).sum() < settings.often_flat * len(standing_m):
        return usual_m
    flat_m = np.where(still & flat, soles_m, np.inf).min(1)
    flat_m = float(np.percentile(flat_m[np.isfinite(flat_m)], 40))
    return flat_m if flat_m < usual_m + settings.level_m else usual_m


def in_doubt(
    height_m: float, soles_m: np.ndarray, speed_m_s: np.ndarray, flat: np.ndarray, settings: FloorSettings = FLOOR
) -> bool:
    """Whether a floor far from y = 0 may be none; heights (T, 2) of the soles, and the rest, as for `floor_height`."""
    shows = flat & (speed_m_s < settings.still_m_s) & (np.abs(soles_m - height_m) < settings.shown_m)
    return abs(height_m) > settings.far_m and float(shows.any(1).mean()) < settings.often_shown


def off_zero(height_m: float, settings: FloorSettings = FLOOR) -> float:
    """How far a body whose floor is at a height is to be lowered: by less where that height is next to nothing."""
    there_m, off_m = settings.near_zero_m
    return height_m * float(smoothstep((np.abs(height_m) - there_m) / (off_m - there_m)))


def lowest_level(
    soles_m: np.ndarray,
    stands: np.ndarray,
    root_m: np.ndarray,
    highest_m: float,
    fps: float,
    settings: FloorSettings = FLOOR,
) -> float:
    """Height of the lowest ground on which a foot stands for a while, `highest_m` if none is clearly lower.

    soles_m: (T, 2) lowest point of each sole; stands: (T, 2) whether it may be standing; root_m: (T,) the root's
    height, which is no further above the lower ground than above the higher. The 40th percentile, again and again, of
    the heights in stances below the last level found.
    """
    height_m = np.where(stands, soles_m, np.inf).min(1)
    above_m = root_m - soles_m.min(1)
    while True:
        low = height_m < highest_m - settings.level_m
        tallest_m = np.percentile(above_m[~low], 95) + settings.longer_m if (~low).any() else np.inf
        long = [span for span in spans(low, round(fps / 15)) if span[1] - span[0] + 1 >= settings.stance_s * fps]
        stances = [(first, last) for first, last in long if np.median(above_m[first : last + 1]) < tallest_m]
        if not stances:
            return highest_m
        stood_m = np.concatenate([height_m[first : last + 1] for first, last in stances])
        highest_m = float(np.percentile(stood_m[np.isfinite(stood_m)], 40))
