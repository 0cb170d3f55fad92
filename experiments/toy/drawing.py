"""Figures of toy experiments as SVG text that a page can embed."""

from __future__ import annotations

from functools import singledispatch
from math import ceil

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, MaxNLocator

from selfcorrect.statistics import band

from ..reporting.figures import BLUE, PALETTE, STYLE, WINE, Look, as_svg, look
from .result import Line, Map, Panel, Pictures, Scatter

LONGEST_CURVE = 200  # points drawn per line; more only make the page heavy


def draw(figure: Panel | Map | Pictures | Scatter) -> str:
    """The figure as SVG text."""
    with mpl.rc_context(STYLE):
        return as_svg(_draw(figure))


@singledispatch
def _draw(figure: object) -> Figure:
    raise TypeError(f"no drawing for {type(figure).__name__}")


@_draw.register
def _(panel: Panel) -> Figure:
    many = len(panel.lines) > len(PALETTE)
    page, axes = _page(6.4, 3.4 + 0.1 * many * len(panel.lines), panel.title)
    for index, line in enumerate(panel.lines):
        _draw_line(axes, panel.x, line, look(index), banded=not many)
    axes.set(xlabel=panel.x_label, ylabel=panel.y_label)
    axes.set_xscale("log" if panel.log_x else "linear")
    axes.set_yscale("log" if panel.log_y else "linear")
    for axis in [axes.xaxis] * panel.log_x + [axes.yaxis] * panel.log_y:
        axis.set_major_formatter(_PlainNumbers())
        axis.set_minor_formatter(_PlainNumbers())
    if panel.x_label == "generation":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8)
    if panel.caveat:
        page.supxlabel(f"dashes: {panel.caveat}", x=0.01, ha="left", color=WINE, fontsize=8)
    return page


class _PlainNumbers(LogFormatter):
    """Labels of a logarithmic axis without formulas, which `STYLE` leaves as they are written."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}" if super().__call__(x, pos) else ""


def _draw_line(axes: Axes, x: np.ndarray, line: Line, colour_and_stroke: Look, *, banded: bool) -> None:
    colour, stroke = colour_and_stroke
    keep = np.unique(np.linspace(0, len(x) - 1, LONGEST_CURVE).round().astype(int))
    marker = "o" if len(x) < 15 else None
    if line.values is not None:
        measured = keep[np.isfinite(line.values[:, keep]).all(axis=0)]  # some quantities begin after generation 0
        mean, low, high = band(line.values[:, measured])
        style = {"linestyle": stroke, "linewidth": 1.5, "marker": marker, "markersize": 3}
        axes.plot(x[measured], mean, color=colour, label=line.name, **style)
        if banded:  # more than a few hide each other
            axes.fill_between(x[measured], low, high, color=colour, alpha=0.15, linewidth=0)
    if line.prediction is not None:
        label = None if line.values is not None else line.name
        axes.plot(x[keep], line.prediction[keep], color=colour, linestyle="--", linewidth=1.1, label=label)


@_draw.register
def _(table: Map) -> Figure:
    page, axes = _page(6.0, 4.0, table.title)
    mesh = axes.pcolormesh(table.x, table.y, table.values, cmap="RdBu_r", vmin=0, vmax=2, shading="nearest")
    page.colorbar(mesh, ax=axes, label=table.value_label)
    limits = axes.get_xlim(), axes.get_ylim()
    for (name, (x, y)), style in zip(table.curves.items(), ("-", "--", ":"), strict=False):
        axes.plot(x, y, color="#111827", linestyle=style, label=name)
    rows, columns = np.nonzero(table.crossed)
    axes.plot(table.x[columns], table.y[rows], "x", color="#4b5563", markersize=3, label=table.crossed_label)
    axes.set(xlabel=table.x_label, ylabel=table.y_label, xlim=limits[0], ylim=limits[1], xscale="log")
    axes.grid(visible=False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), frameon=False, fontsize=8)
    return page


@_draw.register
def _(pictures: Pictures) -> Figure:
    rows = ceil(len(pictures.images) / pictures.columns)
    page = Figure(figsize=(0.55 * pictures.columns + 1.8, 0.6 * rows + 0.4), layout="constrained")
    page.suptitle(pictures.title)
    for axes, image in zip(page.subplots(rows, pictures.columns, squeeze=False).flat, pictures.images, strict=False):
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=1)
    for index, axes in enumerate(page.axes):
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
        if index % pictures.columns == 0:
            axes.set_ylabel(pictures.captions[index // pictures.columns], rotation=0, ha="right", va="center")
    return page


@_draw.register
def _(scatter: Scatter) -> Figure:
    page = Figure(figsize=(1.9 * len(scatter.points), 2.3), layout="constrained")
    page.suptitle(scatter.title)
    columns = page.subplots(1, len(scatter.points), squeeze=False, sharex=True, sharey=True)[0]
    for axes, (name, points) in zip(columns, scatter.points.items(), strict=True):
        axes.plot(points[:, 0], points[:, 1], ".", markersize=1.5, color=BLUE, rasterized=True)
        axes.set(title=name, aspect="equal")
    return page


def _page(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    page = Figure(figsize=(width, height), layout="constrained")
    axes = page.subplots()
    axes.set_title(title)
    return page, axes
