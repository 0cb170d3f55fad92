"""An assertion for test suites: motions are plausible."""

from collections.abc import Sequence

from ...core.checks import check_kind
from ..motion import Motion, MotionBatch
from .check import check

_FINDINGS_SHOWN = 10


def assert_plausible(
    motions: Sequence[Motion] | MotionBatch, select: Sequence[str] = (), ignore: Sequence[str] = (), allowed: int = 0
) -> None:
    """Raise AssertionError if more than `allowed` motions break rules of `check`.

    Args:
        motions: The motions to check.
        select: Codes or names of rules to apply, or first letters of codes; by default all.
        ignore: Codes or names of rules to leave out, or first letters of codes.
        allowed: Number of implausible motions that is tolerated.

    Raises:
        AssertionError: More motions are implausible. The message lists the first of them with a finding each.
        SettingError: A rule is unknown.
    """
    check_kind("motions", motions, Sequence, MotionBatch)
    lines = []
    for index in range(len(motions)):
        findings = check(motions[index], select, ignore)
        if findings:
            lines.append(f"motion {index}: {findings[0]}")
    if len(lines) > allowed:
        summary = f"{len(lines)} of {len(motions)} motions are implausible"
        raise AssertionError("\n".join([summary, *lines[:_FINDINGS_SHOWN]]))
