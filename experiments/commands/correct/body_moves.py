"""Moves of the whole body by a correction.

Stretch by stretch, with the evidence: feet that are off the floor or slide.

The whole body is moved if its floor is put at 0, drift is taken out, or a body that floats is brought down.
"""

from dataclasses import dataclass

import numpy as np

from selfcorrect.motion.geometry.runs import spans
from selfcorrect.motion.geometry.vectors import median, norms
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.observation import find_feet_m, observe

LEAST_M = 0.05
"""Smaller moves are not listed."""
LEAST_M_S = 0.05
"""Slower moves along the floor are not looked at."""
_JOINED_S = 0.25
"""Longest pause that does not end a stretch."""
_NEAR_PEAK = 0.5
"""Frames with this share of the largest move of a stretch show the evidence."""


@dataclass(frozen=True)
class BodyMove:
    """A move of the whole body over frames.

    The evidence are medians over frames in which feet stand.
    """

    first_frame: int
    last_frame: int
    """Inclusive."""
    up_m: float
    """Largest rise, or (negative) fall; 0 for a move along the floor."""
    along_m: float
    """Largest distance along the floor; 0 for a rise or fall."""
    before: float | None
    """Height of standing feet above the ground of the result (m), or speed along that (m/s), before the correction;
    None if no foot stands."""
    after: float | None
    """The same after the correction."""

    @property
    def size_m(self) -> float:
        """Largest distance, up or along the floor."""
        return max(abs(self.up_m), self.along_m)

    def __str__(self) -> str:
        move = f"moved along the floor by {self.along_m:.2f} m"
        evidence = f"standing feet slid at {self.before or 0.0:.2f} m/s, now at {self.after or 0.0:.2f} m/s"
        if self.up_m:
            move = f"{'raised' if self.up_m > 0 else 'lowered'} by {abs(self.up_m):.2f} m"
            evidence = f"standing feet were {self.before or 0.0:+.2f} m off the ground, now {self.after or 0.0:+.2f} m"
        if self.before is None:
            evidence = "no foot stands there"
        return f"frames {self.first_frame} to {self.last_frame}: the body was {move}: {evidence}"


def find_body_moves(before: Motion, after: Motion) -> list[BodyMove]:
    """Find root moves of `LEAST_M` or more.

    Rises of the whole motion and of stretches come first, then slides.

    Args:
        before: A motion with a level floor.
        after: Its correction, of the same length.
    """
    moved_m = after.root_m - before.root_m
    if not len(moved_m) or norms(moved_m).max() < LEAST_M:
        return []
    gap = round(_JOINED_S * after.fps)
    last = len(moved_m) - 1
    observation = observe(after)
    soles_m = observation.ground_m + observation.sole_depth_m
    heights_m = find_feet_m(before)[:, :, -1, 1] - soles_m, observation.feet_m[:, :, -1, 1] - soles_m
    speeds_m_s = observation.speeds_of(before), observation.speeds_of(after)

    moves = []
    up_m = float(median(moved_m[:, 1]))
    beyond_m = moved_m[:, 1] - up_m
    rises = [(0, last, np.full(last + 1, up_m)), *((*span, beyond_m) for span in spans(abs(beyond_m) >= LEAST_M, gap))]
    for first, final, by_m in rises:
        sizes_m = np.abs(by_m[first : final + 1])
        if (size_m := sizes_m.max()) >= LEAST_M:
            peak_m = float(by_m[first + int(sizes_m.argmax())])
            shown = observation.stands[first : final + 1] & (sizes_m >= _NEAR_PEAK * size_m)[:, None]
            values = (_find_usual(each[first : final + 1], shown) for each in heights_m)
            moves.append(BodyMove(first, final, peak_m, 0.0, *values))
    added_m_s = norms(np.gradient(moved_m[:, [0, 2]], axis=0)) * after.fps if last else np.zeros(1)
    for first, final in spans(added_m_s >= LEAST_M_S, gap):
        stretch = slice(first, final + 1)
        along_m = float(norms(moved_m[stretch, ::2] - moved_m[first, ::2]).max())
        if along_m >= LEAST_M:
            shown = observation.stands[stretch] & (added_m_s[stretch] >= LEAST_M_S)[:, None]
            values = (_find_usual(each[stretch], shown) for each in speeds_m_s)
            moves.append(BodyMove(first, final, 0.0, along_m, *values))
    return moves


def _find_usual(values: np.ndarray, shown: np.ndarray) -> float | None:
    """Return the median of the shown values (F, 2).

    Returns None without any.
    """
    return float(median(values[shown])) if shown.any() else None
