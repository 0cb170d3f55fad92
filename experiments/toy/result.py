"""What a toy experiment says: a sentence, a table of its arms, curves with predictions, statements checked by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from selfcorrect.statistics import CollapseFinding, Interval

Outcome = Literal["holds", "fails", "undecided"]


@dataclass(frozen=True)
class Line:
    """One line of a panel over its x: values per seed (S, X), a prediction (X,), or both."""

    name: str
    values: np.ndarray | None = None
    prediction: np.ndarray | None = None


@dataclass(frozen=True)
class Panel:
    """A diagram."""

    title: str
    x_label: str
    y_label: str
    x: np.ndarray
    lines: Sequence[Line]
    log_x: bool = False
    log_y: bool = False
    caveat: str = ""
    """Which assumption of its predictions the run does not fully meet; written into it."""


@dataclass(frozen=True)
class Map:
    """Measured values (Y, X) over a grid, with curves drawn on it (name → x, y) and cells crossed out (Y, X) bool."""

    title: str
    x_label: str
    y_label: str
    x: np.ndarray
    y: np.ndarray
    values: np.ndarray
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]]
    crossed: np.ndarray
    value_label: str = ""
    crossed_label: str = ""


@dataclass(frozen=True)
class Pictures:
    """Grey images (count, height, width) in [0, 1], shown in rows of `columns` with one caption per row."""

    title: str
    images: np.ndarray
    columns: int
    captions: Sequence[str]


@dataclass(frozen=True)
class Scatter:
    """Points in the plane per named column: name → (N, 2)."""

    title: str
    points: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Ends:
    """A table of where arms ended: a row of cells for each."""

    columns: Sequence[str]
    rows: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Check:
    """A statement, what was predicted and measured, and whether the run bears it out."""

    statement: str
    outcome: Outcome
    measured: str
    predicted: str = ""
    published: bool = True
    """The statement is a claim of the cited papers, so that "fails" means that it did not reproduce."""


@dataclass(frozen=True)
class Result:
    """One experiment's outcome, ready for the report."""

    reading: str
    """What came out, in a sentence or two."""
    checks: Sequence[Check]
    ends: Ends | None = None
    figures: Sequence[Panel | Map | Pictures | Scatter] = ()
    profiles: Mapping[str, Sequence[CollapseFinding]] = field(default_factory=dict)
    notes: Sequence[str] = ()
    warnings: Sequence[str] = ()

    def holds(self) -> bool:
        return all(check.outcome == "holds" for check in self.checks)


def ends_of(curves: Mapping[str, Mapping[str, np.ndarray]], columns: Mapping[str, tuple[str, str]]) -> Ends:
    """Means over seeds at the last generation.

    curves: arm → key → values (S, T) by seed and generation; columns: title → key and format.
    """
    rows = {
        arm: [format(table[key][:, -1].mean(), form) for key, form in columns.values()] for arm, table in curves.items()
    }
    return Ends(list(columns), rows)


def agrees(
    statement: str, measured: Interval, predicted: float, tolerance: float = 0.05, *, published: bool = True
) -> Check:
    """Holds where the prediction lies in the interval, or within `tolerance` (relative) of the estimate.

    The tolerance stands for what a first-order prediction leaves out, so that many seeds do not refute it for that.
    """
    near = abs(measured.estimate - predicted) <= tolerance * abs(predicted)
    holds = near or measured.low <= predicted <= measured.high
    return Check(statement, "holds" if holds else "fails", str(measured), f"{predicted:.3g}", published)


def above(statement: str, measured: Interval, threshold: float = 0.0, *, published: bool = True) -> Check:
    """Holds where the whole interval is above the threshold, fails where it is all below, else undecided."""
    outcome = "holds" if measured.low > threshold else "fails" if measured.high <= threshold else "undecided"
    return Check(statement, outcome, str(measured), f"> {threshold:.3g}", published)


def below(statement: str, measured: Interval, threshold: float = 0.0, *, published: bool = True) -> Check:
    """Holds where the whole interval is below the threshold, fails where it is all above, else undecided."""
    outcome = "holds" if measured.high < threshold else "fails" if measured.low >= threshold else "undecided"
    return Check(statement, outcome, str(measured), f"< {threshold:.3g}", published)
