"""Verdict on a corrected file, and the figures that became worse.

A motion is rejected where a stage of the correction says so, as a `Failure` in `simulators.evaluate` or an error on the
way there; a file that cannot be read, or with an error in the correction, has failed. A figure that became worse
changes no verdict: the figure is listed beside the verdict, on the console and in the report.
"""

from collections.abc import Iterable
from typing import Literal

FileVerdict = Literal["accepted", "unchanged", "partly", "rejected", "failed"]
"""Corrected; came out unchanged; only some of the file's motions were accepted; rejected, so left unchanged; or not
possible to work on."""
WRITTEN: tuple[FileVerdict, ...] = ("accepted", "unchanged", "partly")
"""Verdicts on files with an output."""

FAULTY_FROM = {"penetration_m": 0.04, "floating_m": 0.04, "skate_m_s": 0.2}
"""Least figures of an unchanged motion that still needs a correction. Most clean captures have less."""
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
