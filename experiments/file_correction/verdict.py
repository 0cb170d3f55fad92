"""Verdict on a corrected file, and the figures that became worse.

A motion is rejected where a stage of the correction says so, as a `Failure` in `simulators.evaluate` or an error on the
way there; a file that cannot be read, or whose correction ends in an error, has failed. A figure that became worse
changes no verdict: it is listed beside it, on the console and in the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from selfcorrect.motion.measures.physical import MotionFigure

Verdict = Literal["accepted", "partly", "rejected", "failed"]
"""Corrected; only some of the file's motions were; rejected, so left as it was; or not possible to work on."""

WORSE_BY = {"penetration_m": 0.002, "skate_m_s": 0.01, "jerk_m_s3": 20.0, "standing_m_s": 0.005}
"""By how much more than a tenth each figure must grow to be worse: about the repeatability of each."""
FLOATING_PER_PENETRATION = 3.0
"""Penetration does not count as worse if floating falls by this many times as much."""
FLOATING_WITHOUT_SKATING_M = 0.02
"""Skating is comparable if the input floats by at most this more than the result: feet that hover do not skate."""
LOST_CONTACTS = 0.08
"""Share of contacts that may be lost: feet that roll over seem to stand for a while."""


def merge_verdicts(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict on a file from those on its motions."""
    kinds = set(verdicts)
    if kinds <= {"accepted"}:
        return "accepted"
    return "partly" if "accepted" in kinds else "rejected"


def is_worse(figure: MotionFigure, before: Mapping[str, float], after: Mapping[str, float]) -> bool:
    """Return whether a figure has grown by more than its margin.

    Args:
        figure: The figure to compare.
        before: Figures of the original motion, by key.
        after: Figures of the corrected motion, by key.
    """
    margin = WORSE_BY.get(figure.key)
    if margin is None or figure.key not in before or figure.key not in after:
        return False
    if after[figure.key] <= 1.1 * before[figure.key] + margin:
        return False
    growth = after[figure.key] - before[figure.key]
    floating_removed_m = before.get("floating_m", 0.0) - after.get("floating_m", 0.0)
    if figure.key == "penetration_m":
        return floating_removed_m < FLOATING_PER_PENETRATION * growth
    if figure.key == "skate_m_s":
        return floating_removed_m <= FLOATING_WITHOUT_SKATING_M
    return True
