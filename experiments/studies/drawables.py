"""Contents of figures, without the code that draws them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Line:
    """One line of a panel over x: values per seed (S, X), a prediction (X,), or both."""

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
    """An assumption of the predictions that the run does not fully meet; written into the panel."""


class Drawable(Protocol):
    """A figure that draws itself."""

    @property
    def title(self) -> str: ...

    def draw(self) -> Figure:
        """Return the matplotlib figure in report style."""
        ...


@dataclass(frozen=True)
class Pictures:
    """Grey images (count, height, width) in [0, 1], in rows of `columns` images with a caption per row."""

    title: str
    images: np.ndarray
    columns: int
    captions: Sequence[str]


@dataclass(frozen=True)
class Scatter:
    """Points (N, 2) per named column."""

    title: str
    points: Mapping[str, np.ndarray]
