"""Report findings as text, JSON, JUnit XML, or a picture of the worst moments."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from selfcorrect.core.checks import count_noun
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.motion.checks.findings import Finding
from selfcorrect.motion.measures.physical import SLIP
from selfcorrect.runtime.bugs import remove_path
from selfcorrect.storage.files.strict_json import to_json
from selfcorrect.storage.files.writing import replacing

from .check_files import CheckedFile

_ROWS = 12
"""Maximum number of findings in a picture."""
MOMENTS = 5
"""Number of frames drawn for each finding, with the worst one in the middle."""

_APART_S = 0.1
"""Time between these frames, in s."""
_TRACKS_S = 1.0
"""Time before and after a finding for which foot tracks are drawn, in s."""
_SIZE_PX = 220
"""Width and height of a drawn frame, in pixels."""
_DECLARATION = "<?xml version='1.0' encoding='utf-8'?>\n"
_NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def format_lines(checked: CheckedFile) -> Iterator[str]:
    """Yield lines about a file, or none if there are no findings, residuals or notes."""
    if checked.error:
        yield f"{checked.path}: unreadable: {remove_path(checked.error, checked.path)}"
    if checked.flaw:
        yield f"{checked.path}: {checked.flaw}"
    if checked.all_findings:
        assumptions = [note for note in checked.assumed if note not in checked.damage]
        assumed = f" ({', '.join(assumptions)})" if assumptions else ""
        yield f"{checked.path}: {count_noun(len(checked.all_findings), 'finding')}{assumed}"
        for number, findings in enumerate(checked.findings):
            where = f"motion {number}: " if len(checked.findings) > 1 else ""
            yield from (f"  {where}{finding}" for finding in findings)
    yield from (f"{checked.path}: {conclusion}" for conclusion in checked.conclusions)
    for slip in checked.slips if checked.conclusions else ():
        yield f"{checked.path}: {replace(SLIP, digits=0).format(slip[SLIP.key])}"
    yield from _format_needed(checked)
    yield from (f"{checked.path}: warning: {damage}" for damage in checked.damage)
    yield from (f"{checked.path}: note: {note}" for note in checked.notes)


def _format_needed(checked: CheckedFile) -> Iterator[str]:
    """Yield a line with the measured root residual of each motion."""
    for number, needed in enumerate(checked.needed):
        where = f"motion {number}: " if len(checked.needed) > 1 else ""
        if needed is not None:
            yield f"{checked.path}: {where}{needed}"


def summarize_files(all_checked: Sequence[CheckedFile]) -> str:
    """Summarise how many files have findings, by which rules, and how many could not be read."""
    broken, unreadable, refused = _count_files(all_checked)
    rules = Counter[str]()
    for checked in all_checked:
        rules.update({finding.code for finding in checked.all_findings})
    line = f"No findings in {count_noun(len(all_checked), 'file')}"
    if broken:
        is_single = len(all_checked) == 1
        by_rule = ", ".join(code if is_single else f"{code} in {count}" for code, count in sorted(rules.items()))
        line = f"Findings in {broken} of {len(all_checked)} files ({by_rule})"
    further = {
        "unreadable": unreadable,
        "refused by `correct`": refused,
        "damaged": sum(bool(checked.damage) for checked in all_checked),
        "with notes": sum(bool(checked.notes) for checked in all_checked),
    }
    return line + "".join(f", {count} {words}" for words, count in further.items() if count)


def _count_files(all_checked: Sequence[CheckedFile]) -> tuple[int, int, int]:
    """Count the files that break rules, that could not be read, and that `correct` refuses."""
    broken = sum(bool(checked.all_findings) for checked in all_checked)
    unreadable = sum(bool(checked.error) for checked in all_checked)
    refused = sum(bool(checked.flaw) for checked in all_checked)
    return broken, unreadable, refused


def to_findings_json(all_checked: Sequence[CheckedFile]) -> str:
    """Format the findings as JSON, by file and motion.

    Frames count from 0, and `stop` is exclusive. If root residuals were measured, `needed` has the residual of each
    motion, or null if it could not be measured.
    """
    return json.dumps(to_json([_to_values(checked) for checked in all_checked]), indent=1, allow_nan=False)


def _to_values(checked: CheckedFile) -> dict[str, Any]:
    motions = []
    for findings in checked.findings:
        motions.append([asdict(finding) | {"says": finding.words()} for finding in findings])
    values: dict[str, Any] = {
        "path": str(checked.path),
        "error": checked.error,
        "flaw": checked.flaw,
        "assumed": list(checked.assumed),
        "notes": list(checked.notes),
        "motions": motions,
        "slips": list(checked.slips),
    }
    if checked.conclusions:
        values["reading"] = [asdict(conclusion) for conclusion in checked.conclusions]
    if checked.references:
        values["references"] = list(checked.references)
    if checked.needed:
        values["needed"] = [force and asdict(force) for force in checked.needed]
    return values


def to_junit(all_checked: Sequence[CheckedFile]) -> str:
    """Format the findings as JUnit XML with a test case per file, whose failure lists the findings."""
    _, unreadable, refused = _count_files(all_checked)
    broken = sum(bool(checked.all_findings or checked.damage) for checked in all_checked)
    attributes = {"tests": str(len(all_checked)), "failures": str(broken), "errors": str(unreadable + refused)}
    root = ElementTree.Element("testsuites", attributes)
    suite = ElementTree.SubElement(root, "testsuite", {"name": "selfcorrect check", **attributes})
    for checked in all_checked:
        case = ElementTree.SubElement(suite, "testcase", classname="selfcorrect.check", name=str(checked.path))
        for message in filter(None, (checked.error, checked.flaw)):
            ElementTree.SubElement(case, "error", message=message)
        if lines := [*checked.damage, *map(str, checked.all_findings)]:
            failure = ElementTree.SubElement(case, "failure", message=lines[0])
            failure.text = "\n".join(lines)
        if lines := [*_format_needed(checked), *checked.notes]:
            ElementTree.SubElement(case, "system-out").text = "\n".join(lines)
    return write_xml(root)


def write_xml(root: ElementTree.Element) -> str:
    """Format an XML document, with characters escaped that XML cannot hold."""
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return _DECLARATION + _NOT_IN_XML.sub(lambda odd: odd[0].encode("unicode_escape").decode(), text)


def draw_worst(path: Path, all_checked: Sequence[CheckedFile], reading: Reading, *, overwrite: bool = True) -> None:
    """Draw the worst findings as a PNG.

    The worst finding of each rule in each file gets a row, with frames around it and tracks of the feet. Findings in
    the same frame of a file share a row.

    Raises:
        SettingError: The file exists and may not be replaced.
    """
    from selfcorrect.motion.pictures.drawing import film_strip, save_picture  # slow to import
    from selfcorrect.motion.pictures.panels import PicturePanel
    from selfcorrect.motion.pictures.tracks import FootTracks, draw_tracks

    rows = []
    for checked in all_checked:
        worst: dict[str, tuple[Path, int, Finding]] = {}
        for index, findings in enumerate(checked.findings):
            for finding in findings:
                if finding.code not in worst or finding.value > worst[finding.code][2].value:
                    worst[finding.code] = checked.path, index, finding
        rows += worst.values()
    rows.sort(key=lambda row: -row[2].severity)
    findings_at: dict[tuple[Path, int, int], list[Finding]] = {}
    for checked_path, index, finding in rows:
        findings_at.setdefault((checked_path, index, finding.frame), []).append(finding)
    pictures = []
    for (checked_path, index, frame), findings in list(findings_at.items())[:_ROWS]:
        motion = open_motion(checked_path, reading, any_body=True).motions[index]
        step = max(1, round(_APART_S * motion.fps)) if findings[0].stop - findings[0].start > 3 else 1
        frames = np.clip(frame + step * (np.arange(MOMENTS) - MOMENTS // 2), 0, len(motion) - 1)
        codes = ", ".join(finding.code for finding in findings)
        title = f"{checked_path.stem}, frame {frame}: {codes}"
        strip = film_strip([PicturePanel(motion.select_frames(frames), title)], pictures=MOMENTS, size_px=_SIZE_PX)
        around = round(_TRACKS_S * motion.fps)
        track = FootTracks.from_motion(motion, "", max(0, frame - around), frame + around + 1)
        tracks = [] if track is None else [track]
        beside = draw_tracks(tracks, width_px=2 * _SIZE_PX, height_px=_SIZE_PX)
        pictures.append(np.concatenate([strip, beside], axis=1))
    with replacing(path, overwrite=overwrite) as temporary:
        save_picture(temporary, np.concatenate(pictures))
