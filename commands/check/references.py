"""Rank motions as training references: tables as text and CSV, and the list of clips to leave out."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from selfcorrect.core.checks import count_noun
from selfcorrect.motion.checks.references import REFERENCE_FIGURES, rate_reference
from selfcorrect.motion.geometry.vectors import median
from selfcorrect.motion.measures.physical import MotionFigure

from .check_files import CheckedFile

_NAME_WIDTH = 40
_SPREAD = (5, 95)
"""Percentiles between which the range of stance heights of all clips is reported."""


@dataclass(frozen=True)
class ReferenceRow:
    """A clip with its figures, and their ratios to the limits."""

    path: Path
    motion: int | None
    """Index of the motion in a file that holds several; None for a single motion."""
    figures: dict[str, float]
    ratios: dict[str, float]
    """Ratio of each figure to its limit, the largest first."""

    @property
    def name(self) -> str:
        return str(self.path) if self.motion is None else f"{self.path}, motion {self.motion}"

    @property
    def worst(self) -> float:
        """Largest ratio; 0 if no figure was measured."""
        return next(iter(self.ratios.values()), 0.0)

    @property
    def hurts(self) -> list[str]:
        """Titles of the figures beyond their limits, the worst first."""
        titles = {figure.key: figure.title for figure in REFERENCE_FIGURES}
        return [titles[key] for key, ratio in self.ratios.items() if ratio > 1]


def rank_references(all_checked: Sequence[CheckedFile]) -> list[ReferenceRow]:
    """Make the rows of all measured motions, the worst first."""
    rows = []
    for checked in all_checked:
        for number, figures in enumerate(checked.references):
            motion = number if len(checked.references) > 1 else None
            rows.append(ReferenceRow(checked.path, motion, figures, rate_reference(figures)))
    return sorted(rows, key=lambda row: -row.worst)


def format_reference_table(rows: Sequence[ReferenceRow]) -> list[str]:
    """Format a table with a line for each motion, and a summary."""
    if not rows:
        return []
    width = max(4, *(min(len(row.name), _NAME_WIDTH) for row in rows))
    lines = [f"{'clip':<{width}}  {'  '.join(figure.heading for figure in REFERENCE_FIGURES)}  what hurts"]
    for row in rows:
        name = row.name if len(row.name) <= _NAME_WIDTH else f"…{row.name[1 - _NAME_WIDTH :]}"
        cells = [_format_cell(figure, row.figures[figure.key]) for figure in REFERENCE_FIGURES]
        lines.append(f"{name:<{width}}  {'  '.join(cells)}  {', '.join(row.hurts)}".rstrip())
    return [*lines, _summarize_heights(rows)]


def _format_cell(figure: MotionFigure, value_si: float) -> str:
    width = len(figure.heading)
    if not math.isfinite(value_si):
        return "–".rjust(width)
    sign = "+" if figure.is_signed else ""
    return f"{figure.unit.convert(value_si):{sign}.{figure.digits}f}".rjust(width)


def _summarize_heights(rows: Sequence[ReferenceRow]) -> str:
    heights_m = np.array([row.figures["stance_height_m"] for row in rows])
    heights_mm = 1000 * heights_m[np.isfinite(heights_m)]
    left_out = sum(bool(row.hurts) for row in rows)
    line = f"{count_noun(len(rows), 'clip')}: {left_out} to correct or to leave out"
    if not len(heights_mm):
        return line
    low_mm, high_mm = np.percentile(heights_mm, _SPREAD)
    return (
        f"{line}; stance feet at {median(heights_mm):+.0f} mm in the median, "
        f"{high_mm - low_mm:.0f} mm apart (5 to 95 % of clips)"
    )


def to_reference_csv(rows: Sequence[ReferenceRow]) -> str:
    """Format the table as CSV in SI units. Cells of figures that were not measured are empty."""
    stream = io.StringIO()
    keys = [figure.key for figure in REFERENCE_FIGURES]
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["path", "motion", *keys, "worst", "hurts"])
    for row in rows:
        values = [f"{row.figures[key]:.6g}" if math.isfinite(row.figures[key]) else "" for key in keys]
        motion = "" if row.motion is None else row.motion
        writer.writerow([row.path, motion, *values, f"{row.worst:.3g}", "; ".join(row.hurts)])
    return stream.getvalue()


def list_left_out(rows: Sequence[ReferenceRow]) -> str:
    """List the paths of clips with a figure beyond its limit, one per line, the worst first."""
    paths = dict.fromkeys(str(row.path) for row in rows if row.hurts)
    return "".join(f"{path}\n" for path in paths)
