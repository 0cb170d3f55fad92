"""Tables of all reports, as CSV and LaTeX files, too."""

import csv
import io
import math
import shutil
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import numpy as np

from selfcorrect.loop.run import LOSS_ON_CORRECTED, LOSS_ON_RAW
from selfcorrect.motion.measures.metrics import Metric
from selfcorrect.storage.files.writing import write_atomically

from .arm_curves import ArmCurves
from .arm_words import describe_treatment
from .claims import Check
from .effects import Effect, format_change
from .outcome import Outcome

FOLDER = "tables"
FIRST_GENERATION = "generation 0, where all arms start"
"""Title of the scores of generation 0, which no fully synthetic loop can be expected to beat."""


@dataclass(frozen=True)
class Cell:
    """A value and, in small print below, an interval."""

    value: str
    interval: str = ""


@dataclass(frozen=True)
class PageRow:
    """A row of a table; without cells it is a heading."""

    title: str
    cells: Sequence[Cell]
    soft: bool = False
    """In grey, for reference."""


@dataclass(frozen=True)
class Table:
    """A table with an id for links and tests."""

    id: str
    corner: str
    columns: Sequence[str]
    rows: list[PageRow] = field(default_factory=list)


def last_generation_table(outcome: Outcome, metrics: Sequence[Metric]) -> Table:
    """Tabulate quantities of all arms at the last generation, with intervals and real data's scores on top."""

    def list_cells(arm: ArmCurves) -> list[Cell]:
        return [last_cell(arm.values.get(metric.key), metric) for metric in metrics]

    table = arm_table("arms", [metric.title for metric in metrics], outcome, list_cells)
    firsts = list_first_rows(outcome, metrics)
    return _add_floors(replace(table, rows=[*firsts, *table.rows]), metrics, outcome.floors)


def list_first_rows(outcome: Outcome, metrics: Sequence[Metric], *, intervals: bool = True) -> list[PageRow]:
    """Return the scores of generation 0, a row for each task, with intervals unless they are left out."""
    rows = []
    for task, arms in outcome.curves.items():
        title = f"{FIRST_GENERATION}, {outcome.titles[task]}" if len(outcome.curves) > 1 else FIRST_GENERATION
        for arm in list(arms.values())[:1]:
            known = {key: values[:, 0] for key, values in arm.values.items()}
            cells = [last_cell(known.get(metric.key), metric) for metric in metrics]
            rows.append(PageRow(title, cells if intervals else [Cell(cell.value) for cell in cells]))
    return rows


def differences_table(outcome: Outcome) -> Table:
    """Tabulate means at the last generation by arm and judged metric, with differences from the reference."""
    effects = {(id(effect.arm), effect.metric.key): effect for pair in outcome.effects for effect in pair}
    metrics = outcome.judged_metrics

    def list_cells(arm: ArmCurves) -> list[Cell]:
        return [marked_cell(arm, metric, effects.get((id(arm), metric.key))) for metric in metrics]

    table = arm_table("differences", [metric.title for metric in metrics], outcome, list_cells)
    firsts = list_first_rows(outcome, metrics, intervals=False)
    real = dict(list(outcome.floors.items())[:1])
    return _add_floors(replace(table, rows=[*firsts, *table.rows]), metrics, real)


def _add_floors(table: Table, metrics: Sequence[Metric], floors: Mapping[str, Mapping[str, np.ndarray]]) -> Table:
    """Add real data's scores on top of a table."""
    rows = []
    for title, scores in floors.items():
        known = {key: values[np.isfinite(values)] for key, values in scores.items()}
        rows.append(PageRow(title, [last_cell(known.get(metric.key), metric) for metric in metrics], soft=True))
    return replace(table, rows=[*rows, *table.rows])


def last_cell(values: np.ndarray | None, metric: Metric) -> Cell:
    """Return a cell with mean and interval, or a dash for a metric that was not measured.

    Args:
        values: Values of all seeds, (S,), or over generations (S, T), where the last counts; None without values.
    """
    if values is None or not len(values):
        return Cell("–")
    interval = metric.interval(values[:, -1] if values.ndim > 1 else values)
    if math.isnan(interval.estimate):
        return Cell("–")
    digits = metric.digits
    bounds = "" if math.isnan(interval.low) else f"{interval.low:.{digits}f} … {interval.high:.{digits}f}"
    return Cell(f"{interval.estimate:.{digits}f}", bounds)


MARKS = {"better": "↑", "worse": "↓", "higher": "higher", "lower": "lower", "no clear difference": "·"}
MARKS_LEGEND = (
    "Means of the last generation. Compared with the reference: ↑ better, ↓ worse, · no difference found, ? undecided. "
    '"higher" and "lower" mark differences that are neither.'
)
BELOW_MEANS = "Below each mean: the difference, its interval and its adjusted p."


def marked_cell(arm: ArmCurves, metric: Metric, effect: Effect | None = None) -> Cell:
    """Return a cell with a metric's mean at the last generation and a mark, and the change below.

    Args:
        effect: Difference from the reference; None for an arm without reference.
    """
    value = last_cell(arm.values.get(metric.key), metric).value
    if effect is None:
        return Cell(value)
    mark = MARKS.get(effect.word, f"? {effect.word}")
    return Cell(f"{value} {mark}", format_change(effect))


def change_cell(effect: Effect) -> Cell:
    """Return a cell with a paired difference and a mark, and interval and adjusted p-value below."""
    change = effect.change
    if math.isnan(change.estimate):
        return Cell("–")
    digits = effect.metric.digits
    bounds = "" if math.isnan(change.low) else f"{change.low:+.{digits}f} … {change.high:+.{digits}f}, "
    interval = f"{bounds}p = {effect.p_value:.2g}" if bounds else ""
    return Cell(f"{change.estimate:+z.{digits}f} {MARKS.get(effect.word, f'? {effect.word}')}", interval)


def arm_table(id: str, columns: Sequence[str], outcome: Outcome, cells: Callable[[ArmCurves], Sequence[Cell]]) -> Table:
    """Return a table with a row per arm, under the title of its group."""
    table = Table(id, "Arm", columns)
    for task, title, arms in outcome.groups():
        if title:
            table.rows.append(PageRow(title, []))
        table.rows.extend(PageRow(describe_treatment(arm), cells(outcome.curves[task][arm])) for arm in arms)
    return table


def claims_table(id: str, checks: Sequence[Check]) -> Table:
    """Tabulate statements with what was predicted and measured; see `CLAIMS_TEXT`."""
    table = Table(id, "Statement", ["Predicted", "Measured, 95 % interval", "Outcome"])
    for check in checks:
        mark = "" if check.published else " (ours)"
        cells = [Cell(check.predicted), Cell(check.measured), Cell(check.outcome)]
        table.rows.append(PageRow(check.statement + mark, cells))
    return table


CLAIMS_TEXT = (
    "A statement holds or fails if the whole interval is on one side. Statements marked “ours” are not from a paper."
)
"""Explanation of `claims_table`."""


JOINTS_MOVED = "moved_mm"
"""Key of the displacement of joints by a correction, root mean square, in mm."""
JOINTS_MOVED_WITHIN = "moved_within_body_mm"
"""Key of the same without the displacement of the root."""
JOINTS_TURNED = "turned_deg"
"""Key of the change of joint rotations by a correction, root mean square, in degrees."""

LOOP_COLUMNS = (
    "λ realised",
    "synthetic share",
    "rejected of drawn",
    "moved (feature units)",
    "joints moved (mm)",
    "without the root (mm)",
    "joints turned (°)",
    "loss on corrected / raw samples",
    "corrector calls per sample",
)


def loop_cells(curves: ArmCurves) -> list[Cell]:
    """Return the cells of an arm under `LOOP_COLUMNS`."""
    if "drawn_count" not in curves.values:
        return [Cell("–")] * len(LOOP_COLUMNS)

    def last(key: str) -> float:
        return float(np.mean(curves.last(key)))

    drawn = float(np.nansum(curves.values["drawn_count"]))
    rejected = float(np.nansum(curves.values["rejected_count"]))
    ratio = last("synthetic_ratio")
    accepted = drawn - rejected
    displacements = {JOINTS_MOVED: 0, JOINTS_MOVED_WITHIN: 0, JOINTS_TURNED: 1}
    losses = (LOSS_ON_CORRECTED, LOSS_ON_RAW)
    calls = curves.values.get("corrector_calls")  # which earlier runs did not count
    return [
        Cell("∞" if not math.isfinite(ratio) else f"{ratio:.2f}"),
        Cell(f"{last('synthetic_share'):.2f}"),
        Cell(f"{rejected / drawn:.1%}" if drawn else "–"),
        Cell(f"{last('corrected_distance'):.2f}"),
        *(Cell(f"{last(key):.{digits}f}" if key in curves.values else "–") for key, digits in displacements.items()),
        Cell(" / ".join(f"{last(key):.3f}" for key in losses) if losses[0] in curves.values else "–"),
        Cell("–" if calls is None or not accepted else f"{float(np.nansum(calls)) / accepted:.2f}"),
    ]


def write_tables(folder: Path, tables: Iterable[Table]) -> list[Path]:
    """Write each table as CSV and as LaTeX below `folder`, and return the files."""
    (folder / FOLDER).mkdir(exist_ok=True)
    written = []
    for table in tables:
        for suffix, text in ((".csv", csv_of(table)), (".tex", latex_of(table))):
            written.append(folder / FOLDER / f"{table.id}{suffix}")
            write_atomically(written[-1], text)
    return written


def format_text(table: Table, *, intervals: bool = True) -> list[str]:
    """Format a table as lines of aligned text for a terminal.

    Headings take several lines. Columns that do not fit side by side continue below, after an empty line.
    """
    rows = []
    for row in table.rows:
        cells = [row.title]
        for cell in row.cells:
            cells.append(f"{cell.value} ({cell.interval})" if intervals and cell.interval else cell.value)
        rows.append(cells)
    widths = [0, *[_HEAD_CHARACTERS] * len(table.columns)]
    for row in rows:
        for column, text in enumerate(row):
            if len(row) > 1:
                widths[column] = max(widths[column], len(text))
    heads = [textwrap.wrap(head, width) or [""] for head, width in zip(table.columns, widths[1:], strict=True)]
    height = max(map(len, heads), default=1)
    corner = [""] * (height - 1) + [table.corner]
    padded_heads = [[""] * (height - len(head)) + head for head in heads]
    lines: list[str] = []
    for columns in _split_columns(widths):
        lines += [""] * bool(lines)
        for row in [*zip(corner, *padded_heads, strict=True), *rows]:
            cells = [(row[column], widths[column]) for column in columns if column < len(row)]
            lines.append("  ".join(text.ljust(width) for text, width in cells).rstrip())
    return lines


def fit_screen(line: str) -> str:
    """Wrap a line of prose to the screen; lines that fit stay."""
    screen = shutil.get_terminal_size((120, 24)).columns
    return line if len(line) <= screen else textwrap.fill(line, screen, break_long_words=False, break_on_hyphens=False)


def _split_columns(widths: Sequence[int]) -> list[list[int]]:
    """Split columns into parts that fit on the screen, each with column 0."""
    screen = shutil.get_terminal_size((120, 24)).columns
    parts = [[0]]
    taken = widths[0]
    for column, width in enumerate(widths[1:], start=1):
        if taken + 2 + width > screen and len(parts[-1]) > 1:
            parts.append([0])
            taken = widths[0]
        parts[-1].append(column)
        taken += 2 + width
    return parts


_HEAD_CHARACTERS = 11
"""Smallest width of a column on a terminal; heads are wrapped to the width."""


def csv_of(table: Table) -> str:
    """Return a table as CSV, with a column for the group of rows and one or two per column: value and interval."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    bounded = [any(row.cells[place].interval for row in table.rows if row.cells) for place in range(len(table.columns))]
    heads = [(name, f"{name}, 95 %")[: 1 + has] for name, has in zip(table.columns, bounded, strict=True)]
    writer.writerow(["group", table.corner, *chain.from_iterable(heads)])
    group = ""
    for row in table.rows:
        if not row.cells:
            group = row.title
            continue
        texts = [(cell.value, cell.interval)[: 1 + has] for cell, has in zip(row.cells, bounded, strict=True)]
        writer.writerow([group, row.title, *chain.from_iterable(texts)])
    return text.getvalue()


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "λ": r"$\lambda$",
    "γ": r"$\gamma$",
    "∞": r"$\infty$",
    "−": "$-$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "×": r"$\times$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "·": r"$\cdot$",
    "…": r"\ldots{}",
    "³": r"$^3$",
    "²": r"$^2$",
    "°": r"$^{\circ}$",
    "–": "--",
}
"""Character → LaTeX. Other characters stay; LaTeX reads UTF-8."""


def latex_of(table: Table) -> str:
    """Return a table as a LaTeX tabular, which needs the package booktabs; intervals stand behind values."""
    lines = [
        "% needs \\usepackage{booktabs}",
        f"\\begin{{tabular}}{{l{'r' * len(table.columns)}}}",
        "\\toprule",
        _latex_row([table.corner, *table.columns]),
        "\\midrule",
    ]
    for row in table.rows:
        if not row.cells:
            lines.append(f"\\multicolumn{{{1 + len(table.columns)}}}{{l}}{{\\emph{{{_escape_latex(row.title)}}}}} \\\\")
            continue
        cells = [f"{cell.value} ({cell.interval})" if cell.interval else cell.value for cell in row.cells]
        lines.append(_latex_row([row.title, *cells]))
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(map(_escape_latex, cells)) + " \\\\"


def _escape_latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
