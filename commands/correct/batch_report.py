"""Report on a correction: the results of all files as JSON, and as a table and a summary on the console."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median, pstdev
from typing import Any, get_args

from selfcorrect.core.errors import DamagedError, InputError
from selfcorrect.motion.checks.rules import all_rules
from selfcorrect.motion.measures.physical import FIGURES, SHOWN_ERRORS, MotionFigure, is_worse
from selfcorrect.runtime.bugs import remove_path, try_optional
from selfcorrect.simulators.compare.evaluate import UNEXPLAINED_BODYWEIGHTS
from selfcorrect.simulators.results.results import NOTED_M, Stage
from selfcorrect.storage.files.digests import format_ending, read_with_digest
from selfcorrect.storage.files.strict_json import to_json
from selfcorrect.storage.files.writing import text_output

from .file_result import WRITTEN, FileResult, FileVerdict, encode_text, to_json_text
from .options import CorrectionOptions

REPORT = "report.json"
"""Name of the report in an output folder."""
_NAME_WIDTH = 40
NOTHING_READ = "no file could be read."
"""Beginning of the error if all of several files failed, followed by the reason of the first one."""
LISTED = 20
"""Maximum number of files of a kind that get a line of their own in the summary."""
LINE_WIDTH = 119
"""Maximum length of a summary line, in characters."""
_VERDICTS = ("failed", "rejected", "partly", "unchanged", "accepted")
"""Verdicts from worst to best."""


def is_report(path: Path) -> bool:
    """Return whether a file is an unchanged report on its own folder."""
    if not path.is_file():
        return False
    try:
        values = read_with_digest(path)
    except DamagedError:
        return False
    return "motions" in values and values.get("output", ".") == "."


def write_correction_report(
    path: Path, options: dict[str, object], verdicts: Sequence[str], results: Iterable[FileResult]
) -> None:
    """Write all results as JSON with a digest."""
    with text_output(path) as file:
        for text in format_correction_report(options, verdicts, results):
            file.write(text)


def format_correction_report(
    options: dict[str, object], verdicts: Sequence[str], results: Iterable[FileResult]
) -> Iterator[str]:
    """Yield the text of a report, with its digest at the end. Results are consumed one by one to save memory."""
    counts = {verdict: verdicts.count(verdict) for verdict in get_args(FileVerdict)}
    digest = hashlib.sha256()
    for text in _iterate_report({"output": ".", "settings": options, "counts": counts}, results):
        digest.update(encode_text(text))
        yield text
    yield "," + format_ending(digest.hexdigest()).decode()


def _iterate_report(head: dict[str, object], results: Iterable[FileResult]) -> Iterator[str]:
    """Yield the text of a report up to its digest."""
    yield to_json_text(head).removesuffix("\n}\n") + ',\n "motions": ['
    for count, result in enumerate(results):
        values = {name: value for name, value in result.to_values().items() if name not in vars(result.state)}
        values["worse"] = result.worse
        yield f"{',' if count else ''}\n{to_json_text(to_json(values)).rstrip()}"
    yield "\n ]"


_RESULTS = {
    "accepted": "corrected",
    "unchanged": "unchanged",
    "partly": "partly",
    "rejected": "rejected",
    "failed": "failed",
}
"""Words for the verdicts in the table."""
_TABLE = ("file", "result", "moved", "what was wrong")


def format_table(results: Sequence[FileResult]) -> list[str]:
    """Format a table with a line per motion: the result, how far the motion moved, and what was wrong with it."""
    if not results:
        return []
    rows: list[tuple[str, str, str, str]] = [_TABLE]
    for result in results:
        is_written = result.verdict in WRITTEN
        moved = f"{1000 * result.figures.body.moved_m:.0f} mm" if is_written else "–"
        rows.append((_cut_name(result.shown_name), _RESULTS[result.verdict], moved, _describe_faults(result)))
    name, verdict, moved = (max(len(row[column]) for row in rows) for column in range(3))
    return [f"{row[0]:<{name}}  {row[1]:<{verdict}}  {row[2]:>{moved}}  {row[3]}".rstrip() for row in rows]


def _describe_faults(result: FileResult) -> str:
    """Describe what was wrong with a motion (before → after), or why it was not corrected."""
    if result.verdict not in WRITTEN:
        return _describe_refusal(result)
    figures = result.figures
    faults = []
    floor_m = figures.body.floor_m
    if abs(floor_m) > NOTED_M and result.is_floor_moved:
        faults.append(f"floor {abs(1000 * floor_m):.0f} mm too {'low' if floor_m < 0 else 'high'}")
    for figure in SHOWN_ERRORS:
        if is_worse(figure, figures.after, figures.before):
            values = [figure.unit.convert(source[figure.key]) for source in (figures.before, figures.after)]
            faults.append(f"{figure.title} {values[0]:.0f} → {values[1]:.0f} {figure.unit.symbol}")
    small = "nothing found" if result.verdict == "unchanged" else "only small faults"
    found = ", ".join(faults) or ("" if result.content.checked.findings_left else small)
    left = list_findings([finding for finding in result.content.checked.findings_left if not finding.get("reason")])
    return "; ".join(filter(None, (found, f"left: {left}" if left else "")))


def list_findings(findings: Sequence[Mapping[str, Any]]) -> str:
    """List findings in words, each rule once with its first frames, as "sliding in frames 40 to 55"."""
    texts = {}
    for finding in findings:
        last = finding["stop"] - 1
        where = f"frame {last}" if last == finding["start"] else f"frames {finding['start']} to {last}"
        texts.setdefault(finding["code"], f"{finding['name'].replace('-', ' ')} in {where}")
    return ", ".join(texts.values())


def _describe_refusal(result: FileResult) -> str:
    """Describe why a motion was not corrected, and which file is at the output's path."""
    passed = {"original": " (passed through)", "earlier": " (earlier file kept)"}.get(result.output, "")
    return remove_path(result.reason, result.source) + passed


def format_details(results: Sequence[FileResult]) -> list[str]:
    """Format a table with a line per motion and all figures.

    It shows errors before → after, how far the motion moved and rose, and the assumptions made in reading.
    """
    if not results:
        return []
    names = [_cut_name(result.shown_name) for result in results]
    width = max(4, *map(len, names))
    head = f"{'file':<{width}}  {''.join(figure.heading.rjust(_column_width(figure)) for figure in FIGURES)}"
    head += "  assumed" if any(result.content.assumed for result in results) else ""
    rows = [f"{name:<{width}}  {_format_figures(result)}" for name, result in zip(names, results, strict=True)]
    return [head, *rows]


def _cut_name(name: str) -> str:
    """Shorten a name to the width of its column."""
    return name if len(name) <= _NAME_WIDTH else f"…{name[1 - _NAME_WIDTH :]}"


def _format_figures(result: FileResult) -> str:
    if result.verdict not in WRITTEN:
        assumed = f" (assumed: {', '.join(result.content.assumed)})" if result.content.assumed else ""
        return f"{result.verdict}: {_describe_refusal(result)}{assumed}"
    cells = "".join(result.figures.format(figure).rjust(_column_width(figure)) for figure in FIGURES)
    unchanged = ("unchanged",) * (result.verdict == "unchanged")
    return f"{cells}  {', '.join((*unchanged, *result.content.assumed))}".rstrip()


def _column_width(figure: MotionFigure) -> int:
    """Return the width of a column, including two spaces."""
    return 2 + len(figure.heading) if figure.of_correction else max(16, 2 + len(figure.heading))


def print_results(
    results: Sequence[FileResult],
    written_to: str,
    options: CorrectionOptions,
    *,
    report: str = "",
    quiet: bool,
    verbose: bool = False,
) -> int:
    """Print the results of files, problems first.

    Args:
        results: Results of all files.
        written_to: File or folder of the corrected files, which ends in "/"; "" if nothing was written.
        options: Options of the correction.
        report: File of the report; "" if there is none.
        quiet: Omit the files that were corrected.
        verbose: Print all figures and assumptions of each file, and the physics engine.

    Returns:
        The exit code, as `find_exit_code`.

    Raises:
        InputError: None of the files could be read.
    """
    if len(results) == 1 and results[0].verdict == "failed" and not results[0].output:
        return find_exit_code(results)  # raises an error with all that the table would show
    shown = sorted(results, key=lambda result: _VERDICTS.index(result.verdict))
    if quiet:
        shown = [result for result in shown if result.verdict not in ("accepted", "unchanged")]
    table, table_note = try_optional("no table", partial(format_details if verbose else format_table, shown), [])
    summary, summary_note = try_optional("no summary", partial(summarize_results, results, written_to), [])
    lines = [*table, ""] if table else []
    lines += [*summary, *filter(None, (table_note, summary_note))]
    if verbose and not options.kinematic:
        lines.append(f"Physics engine: {options.engine}")
    if report:
        lines.append(f"Report: {report}")
    print(*lines, sep="\n")
    return find_exit_code(results)


def find_exit_code(results: Sequence[FileResult]) -> int:
    """Return the exit code of `correct`.

    Returns:
        0 if all files were undamaged and were corrected or needed no correction. 1 if some were damaged, were not
        corrected, became worse in a figure, do not hold a contact, or if `check` finds faults in a written file.

    Raises:
        InputError: None of the files could be read.
    """
    if all(result.verdict == "failed" for result in results):
        raise InputError(f"{NOTHING_READ} {results[0].reason}" if len(results) > 1 else results[0].reason)
    is_done = [result.verdict in ("accepted", "unchanged") for result in results]
    has_faults = any(
        result.content.damage or result.worse or result.remaining_faults or result.figures.ground.contacts_missed
        for result in results
    )
    return 0 if all(is_done) and not has_faults else 1


def _list_in_line(head: str, texts: Sequence[str], separator: str = ", ") -> str:
    """List as many texts as fit into a line of the summary, and the number of the others."""
    line = f"{head}: {texts[0]}"
    for index, text in enumerate(texts[1:], start=1):
        more = f"{separator}and {len(texts) - index} more, in the report"
        is_last = index == len(texts) - 1
        if len(line) + len(separator) + len(text) + (0 if is_last else len(more)) > LINE_WIDTH:
            return _cut_line(line, more)
        line += f"{separator}{text}"
    return _cut_line(line)


def _list_counted(one: str, several: str, texts: Sequence[str], separator: str = ", ") -> list[str]:
    """Count and list texts in one line; returns no line if there are no texts.

    Args:
        one: Heading for a single text.
        several: Heading for several texts, with {} for their number.
        texts: Texts to list.
        separator: Separator between texts.
    """
    head = one if len(texts) == 1 else several.format(len(texts))
    return [_list_in_line(head, texts, separator)] if texts else []


def _list_by_line(texts: Sequence[str]) -> list[str]:
    """Return a line for each of the first texts, and the number of the others, which are in the report."""
    more = [f"and {len(texts) - LISTED} more, in the report"] if len(texts) > LISTED else []
    return [*map(_cut_line, texts[:LISTED]), *more]


def _cut_line(line: str, end: str = "") -> str:
    """Shorten a line that is too long, but keep its end."""
    longest = LINE_WIDTH - len(end)
    return line + end if len(line) <= longest else f"{line[: longest - 1]}…{end}"


def summarize_results(results: Sequence[FileResult], written_to: str) -> list[str]:
    """Summarise a run: how many files were corrected, where they are, and which need a look.

    Returns:
        Lines of at most `LINE_WIDTH` characters, except for the first, which names the file or folder.
    """
    accepted = [result for result in results if result.verdict == "accepted"]
    partly = [result for result in results if result.verdict == "partly"]
    others = [result for result in results if result.verdict in ("rejected", "failed")]
    worse = [result for result in accepted if result.worse]
    unchanged = [result for result in results if result.verdict == "unchanged"]
    written = [*accepted, *unchanged, *partly]
    counts = Counter(verdict for result in results for verdict in _list_verdicts(result))
    groups = {"unchanged": "needed no correction", "faulty": "left unchanged"}
    parts = [f"{counts[verdict]} {words}" for verdict, words in groups.items() if counts[verdict]]
    clean = f" ({', '.join(parts)})" if parts else ""
    place = f"; written to {written_to}" if written_to else ""
    head = f"Corrected {counts['accepted']} of {counts.total()} motions{clean}{place}"
    lines = [head + _describe_floors([result.figures.body.floor_m for result in written if result.is_floor_moved])]
    damaged = []
    for result in results:
        if result.content.damage:
            damage = [note.removeprefix("damaged file: ") for note in result.content.damage]
            damaged.append(f"{result.input_name} ({'; '.join(damage)})")
    lines += _list_counted("Warning: 1 input is damaged", "Warning: {} inputs are damaged", damaged)
    changed = [*accepted, *partly]
    for kind, kinds in (("unchanged", unchanged), ("corrected", changed)):
        faulty = [
            f"{result.name} ({'; '.join(result.remaining_faults)})" for result in kinds if result.remaining_faults
        ]
        lines += _list_counted(f"Faults remain in 1 {kind} motion", f"Faults remain in {{}} {kind} motions", faulty)
    purposes = []
    for result in written:
        if explained := [finding for finding in result.content.checked.findings_left if finding.get("reason")]:
            reasons = dict.fromkeys(
                f"{finding['name'].replace('-', ' ')}: {finding['reason']}" for finding in explained
            )
            purposes.append(f"{result.name} ({'; '.join(reasons)})")
    lines += _list_counted("Left on purpose in 1 motion", "Left on purpose in {} motions", purposes)
    figures = [f"{result.name} ({'; '.join(result.worse)})" for result in worse]
    lines += _list_counted("1 motion became worse in a figure", "{} motions became worse in a figure", figures)
    scenes = [result.name for result in [*accepted, *partly] if result.figures.simulation.in_scene]
    lines += _list_counted("1 motion followed a scene, not its input", "{} motions followed a scene", scenes)
    done = Counter(sentences for result in changed if (sentences := _describe_stage(result)) is not None)
    for sentences in _STAGE_SENTENCES:
        if count := done[sentences]:
            one, several = sentences
            lines.append(one if count == 1 else several.format(count))
    lines += [_summarize_motions(result) for result in partly]
    pushed = []
    for result in accepted:
        if result.figures.simulation.residual.get("unexplained_force_bodyweights", 0.0) > UNEXPLAINED_BODYWEIGHTS:
            pushed.append(result.name)
    unexplained = "cannot be explained by contacts; check frame rate and feet"
    lines += _list_counted(f"1 motion {unexplained}", f"{{}} motions {unexplained}", pushed)
    remarks = [
        [(result.name, result.figures.large_move_reason) for result in [*accepted, *partly]],
        [(result.name, result.figures.not_corrected) for result in results],
        [(result.name, result.figures.ground.contacts_missed) for result in accepted],
    ]
    for kind in remarks:
        lines += _list_by_line([f"{name}: {remark}" for name, remark in kind if remark])
    failing = []
    names_by_code = {rule.code: rule.name for rule in all_rules()}
    for result in results:
        if result.content.checked.failed_checks:
            faults = ", ".join(
                names_by_code.get(code, code).replace("-", " ") for code in result.content.checked.failed_checks
            )
            failing.append(f"{result.input_name} ({faults})")
    lines += _list_counted("`check` finds faults in 1 input", "`check` finds faults in {} inputs", failing, "; ")
    names = [result.shown_name for result in others]
    lines += _list_counted("1 motion was not corrected", "{} motions were not corrected", names)
    kept = [result.name for result in others if result.output == "earlier"]
    lines += _list_counted("1 file is from an earlier run", "{} files are from an earlier run", kept)
    raised = [result.name for result in accepted if result.figures.ground.supports]
    supports = "on steps, seats or other supports"
    return lines + _list_counted(f"1 motion stands {supports}", f"{{}} motions stand {supports}", raised)


_CLEANED = ("1 motion was cleaned up by kinematics only.", "{} motions were cleaned up by kinematics only.")
_FLOOR_MOVED = (
    "Only the floor of 1 motion was moved; no other change would improve it clearly.",
    "Only the floors of {} motions were moved; no other change would improve them clearly.",
)
_EXPLAINED = (
    "Contact forces explain 1 motion, which needed no simulation.",
    "Contact forces explain {} motions, which needed no simulation.",
)
_NOT_NEEDED = (
    "1 motion was simulated, but needs no simulated frames: contact forces explain it.",
    "{} motions were simulated, but need no simulated frames: contact forces explain them.",
)
_SIMULATED = ("Some or all frames of 1 motion were simulated.", "Some or all frames of {} motions were simulated.")
_STAGE_SENTENCES = (_CLEANED, _FLOOR_MOVED, _EXPLAINED, _NOT_NEEDED, _SIMULATED)
"""Sentences of the summary on what was done to one motion or several."""


def _describe_stage(result: FileResult) -> tuple[str, str] | None:
    """Return the sentences on what was done to a motion, or None if that is not known."""
    residual = result.figures.simulation.residual
    match result.stage:
        case Stage.CLEANED:
            is_floor_only = bool(residual) and result.is_floor_moved  # forces were planned, but the plan was dropped
            return _FLOOR_MOVED if is_floor_only else _CLEANED
        case Stage.PLANNED:
            return _NOT_NEEDED if "polished_m" in residual else _EXPLAINED
        case Stage.SIMULATED:
            return _SIMULATED
    return None


def _list_verdicts(result: FileResult) -> list[str]:
    """Return the verdict on a file, or on each motion of a set.

    It is "worse" if accepted with a worse figure, and "faulty" if unchanged with faults.
    """
    if not result.name.endswith(".parquet") or not result.motions:
        return [_refine_verdict(result.verdict, bool(result.worse), bool(result.remaining_faults))]
    verdicts = []
    for motion in result.motions:
        has_faults = bool(motion.get("faults_left"))
        verdicts.append(_refine_verdict(str(motion.get("verdict")), bool(motion.get("worse")), has_faults))
    return verdicts


def _refine_verdict(verdict: str, is_worse: bool, has_faults: bool) -> str:
    if verdict == "accepted" and is_worse:
        return "worse"
    return "faulty" if verdict == "unchanged" and has_faults else verdict


def _describe_floors(heights_m: Sequence[float]) -> str:
    """Describe the floors that were moved to 0, as the rest of a sentence; "" if there are none."""
    heights_mm = [1000 * height_m for height_m in heights_m if abs(height_m) > NOTED_M]
    if not heights_mm:
        return ""
    usual_mm = median(heights_mm)
    moved = f"moved {'up' if usual_mm < 0 else 'down'} by {abs(usual_mm):.0f} mm to zero"
    if len(heights_mm) == 1:
        return f"; the floor was {moved} (--keep-level leaves it)"
    spread = f"median of {len(heights_mm)} motions, ± {pstdev(heights_mm):.0f} mm"
    return f"; floors were {moved} ({spread}; --keep-level leaves them)"


def _summarize_motions(result: FileResult) -> str:
    """Summarise a partly corrected file in a line."""
    failed = [index for index, motion in enumerate(result.motions) if motion.get("verdict") not in WRITTEN]
    names = [str(result.motions[index].get("name", "")) for index in failed]
    head = f"{result.name}: {len(failed)} of {len(result.motions)} motions"
    if any(names):
        return _list_in_line(f"{head} not corrected", names)
    return _cut_line(f"{head} stay unchanged: {failed}")
