"""What `check` finds in a written file: faults, and what the correction leaves on purpose.

A finding is left on purpose if an option asks for it, or if it describes what the correction says that it leaves: a
tilted floor, cuts between takes, a rig's T-pose, feet that glide as on skates, or a body that something carries. Rules
of posture and time (P, R2, R3, S6) describe the recording. All other findings are faults, with which `correct` ends
with exit code 1. Both are named.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from selfcorrect.motion.checks.check import CheckResult, RuleChoice
from selfcorrect.motion.checks.findings import Finding
from selfcorrect.motion.motion import Motion
from selfcorrect.runtime.bugs import try_optional
from selfcorrect.simulators.hypotheses.splices import count_lost_frames
from selfcorrect.simulators.results.results import CorrectedMotion

from ..check.check_files import check_motion
from .options import CorrectionOptions, parse_span

_OF_RECORDINGS = ("P1", "P2", "R2", "R3", "S6")
"""Rules of posture and time, which a correction leaves as they were recorded."""
_OF_FEET = ("F2", "F3", "F7", "F8", "F9", "F10", "F11")
"""Rules for feet that slide, rise or hang, which do not hold for a body that something carries."""
_OF_HEIGHT = ("F2", "F4", "F9", "F10")
"""Rules for bodies above or below y = 0."""
_OF_SLIDING = ("F3", "F7", "F8", "F11")
_OF_JUMPS = ("S2", "S3", "S4", "S7")
"""Rules for jumps from one frame to the next."""
_NEARLY_ALL = 0.8
"""Share of frames with sliding feet from which on the feet may glide on purpose."""
_GLIDES_S = 4.0
"""Minimum duration of a motion whose feet may glide on purpose, in s."""
_SHORTEST_TAKE_S = 0.5
"""Minimum duration of a take, in s."""
_AROUND_CUT = 2
"""Frames before and after a cut in which joints seem to jump, as rules compare up to three steps."""


@dataclass(frozen=True)
class LeftFinding:
    """A finding in a written file."""

    finding: Finding
    reason: str = ""
    """Why the correction leaves it; "" for a fault."""

    def __str__(self) -> str:
        return f"{self.finding} ({self.reason})" if self.reason else str(self.finding)

    def to_values(self) -> dict[str, Any]:
        """Return the finding as data, with the text as `says`."""
        return asdict(self.finding) | {"says": self.finding.words(), "reason": self.reason}


def explain_findings(
    motion: Motion, correction: CorrectedMotion, options: CorrectionOptions
) -> tuple[LeftFinding, ...]:
    """Tell faults in the written file from what the correction leaves on purpose.

    Args:
        motion: The input.
        correction: Its correction, with the findings in the written file.
        options: Options of the correction.
    """
    findings = correction.left.findings
    if not findings:
        return ()
    of_tilt = _find_codes_of_tilt(motion, correction)
    glides = _glides_on_purpose(findings, motion)
    left = []
    for finding in findings:
        reasons = _list_reasons(finding, correction, options)
        reason = next(reasons, "")
        if not reason and finding.code in of_tilt:
            reason = "the floor is tilted; --level levels it"
        if not reason and glides and finding.code in _OF_SLIDING:
            reason = "the feet glide nearly all the time, as on skates"
        left.append(LeftFinding(finding, reason))
    return tuple(left)


def _list_reasons(finding: Finding, correction: CorrectedMotion, options: CorrectionOptions) -> Iterator[str]:
    """Yield reasons for which a correction leaves a finding."""
    world = correction.world
    last = len(correction.motion) - 1
    if finding.code in _OF_RECORDINGS:
        yield "as recorded; --retime changes the pace" if finding.code == "P1" else "as recorded"
    if world.t_poses.opening and finding.stop <= world.t_poses.opening + _AROUND_CUT:
        yield "in the rig's T-pose"
    if world.t_poses.closing and finding.start >= last - world.t_poses.closing - _AROUND_CUT:
        yield "in the rig's T-pose"
    cuts = [
        cut for cut in _find_cuts(correction) if cut - _AROUND_CUT <= finding.start < finding.stop <= cut + _AROUND_CUT
    ]
    if finding.code in _OF_JUMPS and cuts and not any(count_lost_frames(correction.motion, cut) for cut in cuts):
        yield "at the cut between takes; --join-takes joins them"
    if finding.code in _OF_FEET and correction.beliefs.is_carried and world.ride is None:
        yield "something other than the floor carries the body"
    if finding.code in _OF_HEIGHT and (options.keep_level or world.is_height_kept):
        yield "the height is kept"
    if finding.code in _OF_HEIGHT and correction.contacts.supports:
        yield "the motion shows steps, seats or other supports"
    lowest_m = correction.floor.lowest_ground_m
    if finding.code == "F1" and lowest_m is not None and finding.value - finding.threshold <= -lowest_m:
        yield f"the lowest ground is at {lowest_m:+.2f} m"
    if finding.code == "F7" and options.keeps_path:
        yield "the path is kept"
    span = parse_span(options.frames)
    if span is not None and not (span[0] <= finding.start and finding.stop <= span[1] + 1):
        yield "also in other frames than those to correct"


def _find_cuts(correction: CorrectedMotion) -> Iterator[int]:
    """Yield the cuts between takes that both last for a while. Few frames elsewhere are a fault."""
    shortest = _SHORTEST_TAKE_S * correction.motion.fps
    bounds = [0, *correction.world.takes, len(correction.motion)]
    for start, cut, stop in zip(bounds[:-2], bounds[1:-1], bounds[2:], strict=True):
        if min(cut - start, stop - cut) >= shortest:
            yield cut


def _find_codes_of_tilt(motion: Motion, correction: CorrectedMotion) -> set[str]:
    """Find the rules that only a tilted floor breaks, which the correction does not level."""
    _, level = correction.see_level(motion)
    if level is correction.motion:
        return set()
    check_level = partial(check_motion, level, RuleChoice(), None)
    result, note = try_optional("findings on the tilted floor are not explained", check_level, CheckResult())
    if note:
        return set()
    return {finding.code for finding in correction.left.findings} - {finding.code for finding in result.findings}


def _glides_on_purpose(findings: Sequence[Finding], motion: Motion) -> bool:
    """Return whether feet slide nearly all the time in a long motion, as a skater's do."""
    slides = np.zeros(len(motion), dtype=bool)
    for finding in findings:
        if finding.code in ("F3", "F11"):
            slides[finding.start : finding.stop] = True
    return slides.mean() > _NEARLY_ALL and len(motion) >= _GLIDES_S * motion.fps
