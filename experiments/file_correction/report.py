"""Report of a correction: results of all files as JSON, and on the console as a table and a summary."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median, pstdev
from typing import get_args

from selfcorrect.core.errors import DamagedError, InputError
from selfcorrect.motion.measures.physical import FIGURES, MotionFigure
from selfcorrect.runtime.bugs import remove_path, try_optional
from selfcorrect.simulators.compare.evaluate import UNEXPLAINED_BODYWEIGHTS
from selfcorrect.simulators.results.results import Stage
from selfcorrect.simulators.views.floor import NOTED_M
from selfcorrect.storage.files.digests import format_ending, read_with_digest
from selfcorrect.storage.files.strict_json import to_json
from selfcorrect.storage.files.writing import text_output

from .file_result import FileResult, encode_text, to_json_text
from .options import CorrectionOptions
from .verdict import WRITTEN, FileVerdict

REPORT = "report.json"
"""Name of the report in an output folder."""
_NAME_WIDTH = 40
LISTED = 20
"""Most files of a kind that get a line in the summary."""
LINE_WIDTH = 119
"""Longest line of the summary, characters."""
_VERDICTS = ("failed", "rejected", "partly", "unchanged", "accepted")
"""Verdicts from worst to best."""


def is_report(path: Path) -> bool:
    """Return whether a file is an unchanged report of this command on the file's folder."""
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
    """All results in a folder as JSON with a digest; results are in memory one by one."""
    counts = {verdict: verdicts.count(verdict) for verdict in get_args(FileVerdict)}
    digest = hashlib.sha256()
    with text_output(path) as file:
        for text in _iterate_report({"output": ".", "settings": options, "counts": counts}, results):
            digest.update(encode_text(text))
            file.write(text)
        file.write("," + format_ending(digest.hexdigest()).decode())


def _iterate_report(head: dict[str, object], results: Iterable[FileResult]) -> Iterator[str]:
    """The text of a report, piece by piece, up to the digest."""
    yield to_json_text(head).removesuffix("\n}\n") + ',\n "motions": ['
    for count, result in enumerate(results):
        values = {name: value for name, value in result.to_values().items() if name not in vars(result.state)}
        values["worse"] = result.worse
        yield f"{',' if count else ''}\n{to_json_text(to_json(values)).rstrip()}"
    yield "\n ]"


def format_table(results: Sequence[FileResult]) -> list[str]:
    """A line per motion: errors before → after, how far the motion moved and rose, or why it failed; assumptions."""
    if not results:
        return []
    width = max(4, *(min(len(result.shown_name), _NAME_WIDTH) for result in results))
    head = f"{'file':<{width}}  {''.join(figure.heading.rjust(_column_width(figure)) for figure in FIGURES)}"
    head += "  assumed" if any(result.content.assumed for result in results) else ""
    lines = [head]
    for result in results:
        name = result.shown_name
        if len(name) > _NAME_WIDTH:
            name = f"…{name[1 - _NAME_WIDTH :]}"
        lines.append(f"{name:<{width}}  {_format_figures(result)}")
    return lines


def _format_figures(result: FileResult) -> str:
    if result.verdict not in WRITTEN:
        passed = {"original": " (passed through)", "earlier": " (earlier file kept)"}.get(result.output, "")
        assumed = f" (assumed: {', '.join(result.content.assumed)})" if result.content.assumed else ""
        return f"{result.verdict}{passed}: {remove_path(result.reason, result.source)}{assumed}"
    cells = "".join(result.figures.format(figure).rjust(_column_width(figure)) for figure in FIGURES)
    unchanged = ("unchanged",) * (result.verdict == "unchanged")
    return f"{cells}  {', '.join((*unchanged, *result.content.assumed))}".rstrip()


def _column_width(figure: MotionFigure) -> int:
    """Return the width of a column, with two spaces before."""
    return 2 + len(figure.heading) if figure.of_correction else 16


def print_results(results: Sequence[FileResult], out: Path | str, options: CorrectionOptions, *, quiet: bool) -> int:
    """Print the results of files, problems first.

    Args:
        out: Folder of the corrected files.
        quiet: Leave out the files that were corrected.

    Returns:
        The exit code: 0 if all were corrected or needed no correction, 1 if some were not or became worse.

    Raises:
        InputError: None of the files could be read.
    """
    shown = sorted(results, key=lambda result: _VERDICTS.index(result.verdict))
    if quiet:
        shown = [result for result in shown if result.verdict not in ("accepted", "unchanged")]
    table, table_note = try_optional("no table", partial(format_table, shown), [])
    summary, summary_note = try_optional("no summary", partial(summarize_results, results, out), [])
    lines = [*table, ""] if table else []
    lines += [*summary, *filter(None, (table_note, summary_note))]
    if not options.kinematic:
        lines.append(f"engine: {options.engine}")
    print(*lines, f"report: {out}/{REPORT}", sep="\n")
    return find_exit_code(results)


def find_exit_code(results: Sequence[FileResult]) -> int:
    """Return 0 if all files were corrected or needed no correction, 1 if some were not or became worse.

    Raises:
        InputError: None of the files could be read.
    """
    if all(result.verdict == "failed" for result in results):
        raise InputError(f"none of the files could be read and worked on; the first: {results[0].reason}")
    is_done = [result.verdict in ("accepted", "unchanged") for result in results]
    has_faults = any(result.worse or result.remaining_faults for result in results)
    return 0 if all(is_done) and not has_faults else 1


def _list_in_line(head: str, texts: Sequence[str], separator: str = ", ") -> str:
    """Return a line of the summary with as many texts as fit, and the number of texts that are left out."""
    line = f"{head}: {texts[0]}"
    for index, text in enumerate(texts[1:], start=1):
        more = f"{separator}and {len(texts) - index} more, in the report"
        is_last = index == len(texts) - 1
        if len(line) + len(separator) + len(text) + (0 if is_last else len(more)) > LINE_WIDTH:
            return _cut_line(line, more)
        line += f"{separator}{text}"
    return _cut_line(line)


def _list_counted(head: str, texts: Sequence[str], separator: str = ", ") -> list[str]:
    """Return a line of the summary with the number of texts in the head; no line without texts."""
    return [_list_in_line(f"{head} ({len(texts)})", texts, separator)] if texts else []


def _list_by_line(texts: Sequence[str]) -> list[str]:
    """Return a line for each of the first texts; thousands of files have a report."""
    more = [f"and {len(texts) - LISTED} more, in the report"] if len(texts) > LISTED else []
    return [*map(_cut_line, texts[:LISTED]), *more]


def _cut_line(line: str, end: str = "") -> str:
    """Return a line and an end; the line is cut if both are too long, because the report holds the whole."""
    longest = LINE_WIDTH - len(end)
    return line + end if len(line) <= longest else f"{line[: longest - 1]}…{end}"


def summarize_results(results: Sequence[FileResult], out: Path | str) -> list[str]:
    """Return the lines that end a run: how many files were corrected, and the files that need a look.

    Returns:
        Lines of at most `LINE_WIDTH` characters, except that of the folder.
    """
    accepted = [result for result in results if result.verdict == "accepted"]
    partly = [result for result in results if result.verdict == "partly"]
    others = [result for result in results if result.verdict in ("rejected", "failed")]
    worse = [result for result in accepted if result.worse]
    unchanged = [result for result in results if result.verdict == "unchanged"]
    unchanged_count = f", {len(unchanged)} unchanged" if unchanged else ""
    lines = [f"{len(accepted) - len(worse)} of {len(results)} motions corrected{unchanged_count} → {out}"]
    for head, kinds in (("unchanged", unchanged), ("corrected", [*accepted, *partly])):
        faulty = [
            f"{result.name} ({'; '.join(result.remaining_faults)})" for result in kinds if result.remaining_faults
        ]
        lines += _list_counted(f"{head}, but faults remain", faulty)
    figures = [f"{result.name} ({'; '.join(result.worse)})" for result in worse]
    lines += _list_counted("corrected, but worse in some figure", figures)
    scenes = [result.name for result in [*accepted, *partly] if result.figures.in_scene]
    lines += _list_counted("followed in a scene, so figures are not compared with the input's", scenes)
    stages = Counter(result.stage for result in [*accepted, *unchanged, *partly] if result.stage)
    if stages:
        counts = [f"{stages[stage]} {stage}" for stage in Stage if stages[stage]]
        lines.append(f"what came out: {', '.join(counts)}")
    lines += _summarize_floors([result.figures.floor_m for result in [*accepted, *unchanged, *partly]])
    lines += [_summarize_motions(result) for result in partly]
    pushed = []
    for result in accepted:
        if result.figures.residual.get("unexplained_force_bodyweights", 0.0) > UNEXPLAINED_BODYWEIGHTS:
            pushed.append(result.name)
    lines += _list_counted("unexplained external force; check frame rate or feet", pushed)
    remarks = [
        [(result.name, result.figures.large_move_reason) for result in [*accepted, *partly]],
        [(result.name, result.figures.not_corrected) for result in results],
        [(result.name, result.figures.contacts_missed) for result in accepted],
    ]
    for kind in remarks:
        lines += _list_by_line([f"{name}: {remark}" for name, remark in kind if remark])
    failing = []
    for result in results:
        if result.content.failed_checks:
            failing.append(f"{result.name} ({', '.join(result.content.failed_checks)})")
    lines += _list_counted("inputs that fail `selfcorrect check`, see the notes", failing, "; ")
    lines += _list_counted("not corrected", [result.shown_name for result in others])
    kept = [result.name for result in others if result.output == "earlier"]
    lines += _list_counted("files of earlier settings or inputs, kept", kept)
    raised = [result.name for result in accepted if result.figures.supports]
    return lines + _list_counted("on steps, seats or the like", raised)


def _summarize_floors(heights_m: Sequence[float]) -> list[str]:
    """Return the line on the floors that were put at 0; no line if none was."""
    moved_mm = [1000 * height_m for height_m in heights_m if abs(height_m) > NOTED_M]
    if not moved_mm:
        return []
    spread = f" ({len(moved_mm)} motions, ± {pstdev(moved_mm):.0f})" if len(moved_mm) > 1 else ""
    return [f"floor {median(moved_mm):+.0f} mm{spread}: put at 0, --keep-level keeps it"]


def _summarize_motions(result: FileResult) -> str:
    """Return the line of a file with only some motions corrected."""
    failed = [index for index, motion in enumerate(result.motions) if motion.get("verdict") not in WRITTEN]
    names = [str(result.motions[index].get("name", "")) for index in failed]
    head = f"{result.name}: {len(failed)} of {len(result.motions)} motions"
    if any(names):
        return _list_in_line(f"{head} not corrected", names)
    return _cut_line(f"{head} stay unchanged: {failed}")
