"""Verdict on a corrected file, and the figures that became worse.

A motion is rejected where a stage of the correction says so, as a `Failure` in `simulators.evaluate` or an error on the
way there; a file that cannot be read, or with an error in the correction, has failed. A figure that became worse
changes no verdict: the figure is listed beside the verdict, on the console and in the report.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

from selfcorrect.motion.measures.physical import MotionFigure

FileVerdict = Literal["accepted", "unchanged", "partly", "rejected", "failed"]
"""Corrected; came out unchanged; only some of the file's motions were accepted; rejected, so left unchanged; or not
possible to work on."""
WRITTEN: tuple[FileVerdict, ...] = ("accepted", "unchanged", "partly")
"""Verdicts on files with an output."""

WORSE_BY = {"penetration_m": 0.003, "skate_m_s": 0.01, "jerk_m_s3": 20.0}
"""By how much more than a tenth each figure must grow to be worse: about the repeatability of each."""
FAULTY_FROM = {"penetration_m": 0.04, "floating_m": 0.04, "skate_m_s": 0.2}
"""Least figures of an unchanged motion that still needs a correction. Most clean captures have less."""
FLOATING_PER_PENETRATION = 3.0
"""Penetration does not count as worse if floating falls by this many times as much."""
LOST_CONTACTS = 0.08
"""Share of contacts that may be lost: feet that roll over seem to stand for a while."""


def merge_verdicts(verdicts: Iterable[FileVerdict]) -> FileVerdict:
    """Return the verdict on a file from the verdicts on its motions."""
    kinds = set(verdicts)
    if kinds == {"unchanged"}:
        return "unchanged"
    if kinds <= {"accepted", "unchanged"}:
        return "accepted"
    return "partly" if kinds & {"accepted", "unchanged"} else "rejected"


def is_worse(figure: MotionFigure, before: Mapping[str, float], after: Mapping[str, float]) -> bool:
    """Return whether a figure has grown by more than the margin."""
    margin = WORSE_BY.get(figure.key)
    if margin is None or figure.key not in before or figure.key not in after:
        return False
    if after[figure.key] <= 1.1 * before[figure.key] + margin:
        return False
    growth = after[figure.key] - before[figure.key]
    floating_removed_m = before.get("floating_m", 0.0) - after.get("floating_m", 0.0)
    return figure.key != "penetration_m" or floating_removed_m < FLOATING_PER_PENETRATION * growth
