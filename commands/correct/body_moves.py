"""List where a correction moves the whole body, with the evidence: standing feet that were off the floor or slid.

The whole body moves if its floor is moved to 0, if drift is removed, or if a floating body is lowered.
"""

from dataclasses import dataclass

import numpy as np

from selfcorrect.motion.geometry.runs import spans
from selfcorrect.motion.geometry.vectors import median, norms
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.observation import find_feet_m, observe

MIN_M = 0.05
"""Smallest displacement that is listed, in m."""
MIN_M_S = 0.05
"""Smallest added speed along the floor that counts as a move, in m/s."""
_JOINED_S = 0.25
"""Longest pause within a move, in s."""
_NEAR_PEAK = 0.5
"""Share of a move's peak from which on frames serve as evidence."""


@dataclass(frozen=True)
class BodyMove:
    """A displacement of the whole body in a range of frames.

    The evidence is a median over the frames in which feet stand.
    """

    first_frame: int
    last_frame: int
    """Last frame, inclusive."""
    up_m: float
    """Largest upward (or negative downward) displacement; 0 for a move along the floor."""
    along_m: float
    """Largest displacement along the floor; 0 for a vertical move."""
    before: float | None
    """Before the correction, height of standing feet above the result's ground (m) or their speed along it (m/s); None
    if no foot stands."""
    after: float | None
    """The same after the correction."""

    @property
    def size_m(self) -> float:
        """Largest displacement, vertically or along the floor."""
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
    """Find displacements of the root by `MIN_M` or more.

    Args:
        before: A motion with a level floor.
        after: Its correction, of the same length.

    Returns:
        The vertical move of the whole motion, vertical moves in ranges of frames, and then moves along the floor.
    """
    moved_m = after.root_m - before.root_m
    if not len(moved_m) or norms(moved_m).max() < MIN_M:
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
    rises = [(0, last, np.full(last + 1, up_m)), *((*span, beyond_m) for span in spans(abs(beyond_m) >= MIN_M, gap))]
    for first, final, by_m in rises:
        sizes_m = np.abs(by_m[first : final + 1])
        if (size_m := sizes_m.max()) >= MIN_M:
            peak_m = float(by_m[first + int(sizes_m.argmax())])
            shown = observation.stands[first : final + 1] & (sizes_m >= _NEAR_PEAK * size_m)[:, None]
            values = (_find_usual(each[first : final + 1], shown) for each in heights_m)
            moves.append(BodyMove(first, final, peak_m, 0.0, *values))
    added_m_s = norms(np.gradient(moved_m[:, [0, 2]], axis=0)) * after.fps if last else np.zeros(1)
    for first, final in spans(added_m_s >= MIN_M_S, gap):
        stretch = slice(first, final + 1)
        along_m = float(norms(moved_m[stretch, ::2] - moved_m[first, ::2]).max())
        if along_m >= MIN_M:
            shown = observation.stands[stretch] & (added_m_s[stretch] >= MIN_M_S)[:, None]
            values = (_find_usual(each[stretch], shown) for each in speeds_m_s)
            moves.append(BodyMove(first, final, 0.0, along_m, *values))
    return moves


def _find_usual(values: np.ndarray, shown: np.ndarray) -> float | None:
    """Return the median of the values (F, 2) that `shown` selects, or None if it selects none."""
    return float(median(values[shown])) if shown.any() else None
