"""The outcome of a toy: a sentence, a table of its arms, figures with predictions, and checked statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from selfcorrect.statistics import CollapseFinding

from ..studies.claims import Check

Drawings: TypeAlias = Mapping[str, np.ndarray]
"""Arm → drawings of each generation from 1 on: images (T, N, height, width) or points (T, N, 2)."""


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
    """An assumption of its predictions that the run does not fully meet; written into it."""


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
    title: str = ""
    """The quantity if it is the same in all columns."""


@dataclass(frozen=True)
class Result:
    """One experiment's outcome, ready for the report."""

    reading: str
    """The outcome in a sentence or two."""
    checks: Sequence[Check]
    ends: Ends
    figures: Sequence[Panel | Map | Pictures | Scatter] = ()
    profiles: Mapping[str, Sequence[CollapseFinding]] = field(default_factory=dict)
    notes: Sequence[str] = ()
