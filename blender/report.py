# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the program's reports on corrections and findings. This module does not need Blender."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .clock import Clock
from .program import Failure, describe_exit, remove_file_name

_DONE = ("accepted", "unchanged")
"""Verdicts on motions that are returned."""
_OPTIONS = {
    r"; 'drop' puts it onto the floor$": "",  # Blender has no such option, but Floor: Zero does that
    r"'drop' puts it onto the floor, or ": "",
    r"'floor' says": "Floor: At Height says",
    r"another axis up\?": "another axis up? Turn the armature, so that it stands",
    r"'floor' (-?[\d.]+)": r"Floor: At Height \1",
    r"support 'off'": "Support: Unknown",
    r"(?:strength|fallback) '(\w)(\w+)'": lambda match: f"Strength: {match[1].upper()}{match[2]}",
    r"'kinematic'|--kinematic": "Kinematic Only",
    "--remove-drift": "Remove Drift",
    "--level": "Level Floor",
    "--floor": "Floor: At Height",
    r"(?:[;,] [^;,()`]*| ?\([^()`]*)--[a-z-]+[^;,()`]*\)?": "",  # Blender has no such option
}
"""Options as the program's sentences name them, and as the extension shows them."""
_ERRORS = (("penetration_m", "penetration", "mm"), ("slip_m", "slip", "mm per stance"))
"""Errors to show before and after the correction: key, title and unit."""
_GROUND = "on ground.json"
"""Beginning of the note on a given ground, which users of the extension know."""
_UNREADABLE = "The program's answer is cut or of another version; run the command again, or install a newer program"
_RULE = re.compile(r"\[[A-Z]\d+ [\w-]+\]")
"""A rule in a note, as in "[F4 floor-elsewhere]". The list of findings shows these."""
_PACE_RULE = "P1"
"""Rule for motions that are faster or slower than gravity allows."""
_AXIS_RULE = "R2"
"""Rule for bodies that lie stretched out, as if another axis were up."""
_FRAMES = re.compile(r"\b(frames? )(\d+(?:(?:[–-]| to | and )\d+)?(?:, \d+(?:[–-]\d+)?)*)")


@dataclass(frozen=True)
class Finding:
    """A broken rule of `check`, in frames that count from 0."""

    rule: str
    name: str
    first_frame: int
    last_frame: int
    """Last frame in which the rule is broken."""
    worst_frame: int
    joints: tuple[str, ...]
    """Joints or body parts, the worst first."""
    value: float
    unit: str
    sentence: str

    @property
    def amount(self) -> str:
        """The value with its unit."""
        return f"{self.value:.3g} {self.unit}".strip()


@dataclass(frozen=True)
class Correction:
    """A correction as described in the report."""

    summary: str
    """Errors before and after, and the mean distance from the input."""
    joints: dict[str, str]
    """Joints of the file that are body parts, by the names of the parts."""
    warnings: tuple[str, ...]
    """Sentences for the user on large moves, failed checks, uncorrected faults and assumptions."""
    notes: tuple[str, ...]
    """Further notes of the program on the motion."""
    findings_before: tuple[Finding, ...] = ()
    """What `check` found in the motion, and in the corrected motion."""
    findings_left: tuple[Finding, ...] = ()

    @property
    def parts(self) -> frozenset[str]:
        """Joints that are body parts, by their names in the file."""
        return frozenset(self.joints.values())


def shift_frames(sentence: str, clock: Clock) -> str:
    """Replace the frames in a sentence, which count from 0, by frames of the scene."""

    def shift(match: re.Match[str]) -> str:
        return match[1] + re.sub(r"\d+", lambda number: str(clock.name_frame(int(number[0]))), match[2])

    return _FRAMES.sub(shift, sentence)


def translate(sentence: str, clock: Clock) -> str:
    """Translate a sentence of the program, with frames of the scene and options of the extension."""
    for pattern, words in _OPTIONS.items():
        sentence = re.sub(pattern, words, sentence)
    return shift_frames(remove_file_name(sentence), clock)


@contextmanager
def translating_failures(clock: Clock) -> Iterator[None]:
    """Translate the message of a failure of the program."""
    try:
        yield
    except Failure as error:
        raise Failure(translate(str(error), clock)) from error


def _load_json(path: Path) -> Any:
    """Load a file of the program. Raises Failure if it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Failure(_UNREADABLE) from error


def read_findings(path: Path, count: int = 1) -> list[list[Finding]]:
    """Read the findings in some files of one motion each. Raises Failure if the program could not read them."""
    content = _load_json(path)
    try:
        findings = []
        for result in content:
            if reason := result["error"] or result.get("flaw"):
                raise Failure(remove_file_name(reason))
            findings.append([_read_finding(finding) for finding in result["motions"][0]])
        if len(findings) != count:
            raise ValueError(len(findings))
        return findings
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise Failure(_UNREADABLE) from error


def _read_finding(finding: Mapping[str, Any]) -> Finding:
    return Finding(
        rule=finding["code"],
        name=finding["name"],
        first_frame=finding["start"],
        last_frame=finding["stop"] - 1,
        worst_frame=finding["frame"],
        joints=tuple(finding["things"]),
        value=float(finding["value"]),
        unit=finding["unit"],
        sentence=finding["says"],
    )


def get_pace(finding: Finding) -> float | None:
    """Return the speed, relative to real time, that a finding states, or None for a finding of another rule."""
    if finding.rule != _PACE_RULE:
        return None
    factor = 1 + finding.value
    return factor if "too fast" in finding.joints else 1 / factor


def read_report(path: Path, clock: Clock, ignored_rules: tuple[str, ...] = ()) -> Correction:
    """Read the correction of a single motion from its report.

    Args:
        path: The report.
        clock: Times of the motion.
        ignored_rules: Rules of `check` that do not apply.

    Raises:
        Failure: The motion was not corrected, or the report cannot be read.
    """
    if not path.is_file():
        raise Failure(describe_exit(None))
    content = _load_json(path)
    try:
        (motion,) = content["motions"]
        return _read_correction(motion, clock, ignored_rules)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Failure(_UNREADABLE) from error


def _names_rule(note: str, codes: tuple[str, ...]) -> bool:
    """Return whether a note names one of these rules of `check`, as in "[F4 floor-elsewhere]"."""
    return any(f"[{code} " in note for code in codes)


def _read_correction(motion: Mapping[str, Any], clock: Clock, ignored_rules: tuple[str, ...]) -> Correction:
    if motion["verdict"] not in _DONE:
        reason = translate(motion["reason"] or motion["verdict"], clock)
        frame = motion.get("frame")
        place = "" if frame is None or "frame" in reason else f" at frame {clock.name_frame(frame)}"
        axis = [
            f"; {translate(finding.sentence, clock)}"
            for finding in _read_findings(motion.get("findings", ()), ignored_rules)
            if finding.rule == _AXIS_RULE
        ]
        raise Failure(f"Not corrected: {reason}{place}{''.join(axis)}")
    changes = []
    for key, title, unit in _ERRORS:
        if key in motion["before"] and key in motion["after"]:
            changes.append(f"{title} {1000 * motion['before'][key]:.0f} → {1000 * motion['after'][key]:.0f} {unit}")
    moved = f"joints moved by {1000 * motion['moved_m']:.0f} mm on average"
    all_notes = [translate(note, clock) for note in motion.get("notes", ())]
    all_notes = [note for note in all_notes if not _names_rule(note, ignored_rules)]
    warnings = [translate(warning, clock) for warning in _collect_warnings(motion)]
    failed_checks = tuple(motion.get("failed_checks", ()))
    if "findings_left" in motion:  # what remains matters, not what was repaired
        left = [translate(text, clock) for text in (*motion["faults_left"], *motion["left_on_purpose"])]
        warnings[1:1] = [text for text in left if not _names_rule(text, ignored_rules)]
    elif failed_checks:
        warnings[1:1] = [note for note in all_notes if _names_rule(note, failed_checks)]
    warnings = [warning for warning in dict.fromkeys(warnings) if warning]
    return Correction(
        summary="; ".join([*filter(None, [", ".join(changes)]), moved]),
        joints={str(part): joint for part, joint in motion["parts"].items()},
        warnings=tuple(warnings),
        notes=tuple(note for note in all_notes if note not in warnings and not _RULE.search(note)),
        findings_before=_read_findings(motion.get("findings", ()), ignored_rules),
        findings_left=_read_findings(motion.get("findings_left", ()), ignored_rules),
    )


def _read_findings(findings: Sequence[Mapping[str, Any]], ignored_rules: tuple[str, ...]) -> tuple[Finding, ...]:
    return tuple(_read_finding(finding) for finding in findings if finding["code"] not in ignored_rules)


def _collect_warnings(motion: Mapping[str, Any]) -> list[str]:
    """Collect the warnings other than failed checks, the reason for a large move first."""
    warnings = [motion.get("large_move_reason", ""), *motion.get("not_corrected", "").split("; ")]
    warnings += [
        f"assumed: {assumption}" for assumption in motion.get("assumed", ()) if not assumption.startswith(_GROUND)
    ]
    return warnings
