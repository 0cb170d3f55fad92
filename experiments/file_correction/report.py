"""Report of a correction: results of all files as JSON, and a line of a table for each."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import get_args

from selfcorrect.core.errors import DamagedError
from selfcorrect.motion.measures.physical import FIGURES, MotionFigure
from selfcorrect.runtime.bugs import remove_path
from selfcorrect.storage.files.digests import format_ending, read_with_digest
from selfcorrect.storage.files.strict_json import to_json
from selfcorrect.storage.files.writing import text_output

from ..jobs.targets import place_of
from .file_result import FileResult, encode_text, to_json_text
from .verdict import WRITTEN, FileVerdict

REPORT = "report.json"
"""Its name in an output folder, where no other is asked for."""
_NAME_WIDTH = 40


def is_report(path: Path, out: Path) -> bool:
    """Return whether a file is a report of this command on that output folder, as it was written."""
    if not path.is_file():
        return False
    try:
        values = read_with_digest(path)
    except DamagedError:
        return False
    return "motions" in values and values.get("output", ".") == relative_folder(out, path)


def relative_folder(out: Path, report: Path) -> str:
    """The output folder as seen from the report's."""
    try:
        return Path(os.path.relpath(place_of(out), place_of(report).parent)).as_posix()
    except ValueError:  # another drive of Windows
        return place_of(out).as_posix()


def write_correction_report(
    path: Path, output: str, options: dict[str, object], verdicts: Sequence[str], results: Iterable[FileResult]
) -> None:
    """All results in the folder `output` as JSON with its digest; results are in memory one by one."""
    counts = {verdict: verdicts.count(verdict) for verdict in get_args(FileVerdict)}
    digest = hashlib.sha256()
    with text_output(path) as file:
        for text in _iterate_report({"output": output, "settings": options, "counts": counts}, results):
            digest.update(encode_text(text))
            file.write(text)
        file.write("," + format_ending(digest.hexdigest()).decode())


def _iterate_report(head: dict[str, object], results: Iterable[FileResult]) -> Iterator[str]:
    """The text of a report, piece by piece, up to its digest."""
    yield to_json_text(head).removesuffix("\n}\n") + ',\n "motions": ['
    for count, result in enumerate(results):
        values = {name: value for name, value in result.to_values().items() if name not in vars(result.state)}
        values["worse"] = result.worse
        yield f"{',' if count else ''}\n{to_json_text(to_json(values)).rstrip()}"
    yield "\n ]"


def format_table(results: Sequence[FileResult]) -> list[str]:
    """A line per motion: its errors before → after, how far it moved and rose, or why it failed; what was assumed."""
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
    """Return the width of a column, with two spaces before it."""
    return 2 + len(figure.heading) if figure.of_correction else 16
