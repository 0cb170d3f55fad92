"""Curves over generations as SVG text that a page can embed."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from typing import Any, TypeAlias

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from selfcorrect.experiments.reporting.results import ArmCurves, Quantity
from selfcorrect.statistics import mean_interval

PALETTE = ("#6b7280", "#dc2626", "#2563eb", "#059669", "#d97706", "#7c3aed", "#0891b2", "#be185d", "#65a30d", "#1f2937")

Look: TypeAlias = tuple[str, str]  # colour, stroke

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "selfcorrect",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e5e7eb",
    "axes.edgecolor": "#9ca3af",
    "axes.titlesize": 10,
}


WIDTH_IN = 10.8
"""Of figures by synthetic ratio."""

_CHARACTER_IN, _SIGN_IN = 0.067, 0.45
"""Room in a legend for a character, and for what stands before each label."""

STROKES = ("-", ":", "-.")
"""One after the other as colours begin again; dashes are for predictions and baselines."""


def looks(titles: Sequence[str]) -> dict[str, Look]:
    """Colour and stroke for each arm title, the same in every panel."""
    return {title: look(index) for index, title in enumerate(dict.fromkeys(titles))}


def look(index: int) -> Look:
    """Colour and stroke of a line by its number."""
    again, colour = divmod(index, len(PALETTE))
    return PALETTE[colour], STROKES[again % len(STROKES)]


def curve_grid(
    columns: Mapping[str, Sequence[ArmCurves]],
    quantities: Sequence[Quantity],
    floor: Mapping[str, float],
    palette: Mapping[str, Look],
) -> str:
    """One row of panels per quantity, one column per group of arms; returns SVG text.

    Lines are means over seeds, bands the range of the seeds where there are few lines; the dotted line in black is real
    against real.
    """
    with mpl.rc_context(STYLE):
        width = max(3.6 * len(columns) + 0.6, 7.2)  # a single column is as wide as its legend
        figure = Figure(figsize=(width, 2.15 * len(quantities)), layout="constrained")
        axes = figure.subplots(len(quantities), len(columns), squeeze=False, sharex=True)
        for row, quantity in enumerate(quantities):
            for column, (group, arms) in enumerate(columns.items()):
                panel = axes[row, column]
                _draw_panel(panel, arms, quantity, floor.get(quantity.key), palette)
                if row == 0:
                    panel.set_title(group)
                if column == 0:
                    panel.set_ylabel(quantity.title)
                if row == len(quantities) - 1:
                    panel.set_xlabel("generation")
        handles = {
            label: handle
            for panel in axes.flat
            for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
        }
        ncols = _legend_columns(handles, 2 * len(columns), width)
        figure.legend(handles.values(), handles.keys(), loc="outside upper left", ncols=ncols, frameon=False)
        return as_svg(figure)


def _draw_panel(
    panel, arms: Sequence[ArmCurves], quantity: Quantity, floor: float | None, palette: Mapping[str, Look]
) -> None:
    for arm in arms:
        if quantity.key not in arm.values:
            continue
        values = arm.values[quantity.key]
        generations = np.arange(values.shape[1])
        colour, stroke = palette[arm.title]
        if len(palette) <= len(PALETTE):  # more bands than that hide each other
            low, high = values.min(axis=0), values.max(axis=0)
            panel.fill_between(generations, low, high, color=colour, alpha=0.15, linewidth=0)
        panel.plot(generations, values.mean(axis=0), stroke, color=colour, label=arm.title, linewidth=1.6)
    if floor is not None:
        panel.axhline(floor, color="#111827", linestyle=":", linewidth=1, label="real against real")
    panel.xaxis.get_major_locator().set_params(integer=True)


def end_points(
    lines: Mapping[str, Mapping[str, ArmCurves]],
    baseline: ArmCurves,
    quantities: Sequence[Quantity],
    floor: Mapping[str, float],
    palette: Mapping[str, Look],
    ends: Mapping[str, float],
) -> str:
    """What is left at the last generation, a panel per quantity; returns SVG text.

    lines: name of a line → place on the horizontal axis, in order → curves. Whiskers are 95 % intervals over seeds, the
    dashed line is the mean of `baseline`, the dotted one real against real. ends: words → where on the axis something
    ends, counted in places.
    """
    places = list(dict.fromkeys(place for line in lines.values() for place in line))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, 2.6 * ceil(len(quantities) / 2)), layout="constrained")
        panels = figure.subplots(ceil(len(quantities) / 2), 2, squeeze=False, sharex=True).flat
        for panel, quantity in zip(panels, quantities, strict=False):
            panel.axhline(baseline.last(quantity.key).mean(), color="#6b7280", linestyle="--", label=baseline.title)
            if quantity.key in floor:
                panel.axhline(floor[quantity.key], color="#111827", linestyle=":", label="real against real")
            for shift, (title, line) in enumerate(lines.items()):
                told = [mean_interval(curves.last(quantity.key)) for curves in line.values()]
                middle = np.array([each.estimate for each in told])
                reach = np.array([each.high - each.low for each in told]) / 2
                at = np.array([places.index(place) for place in line]) + 0.06 * (shift - (len(lines) - 1) / 2)
                panel.errorbar(
                    at, middle, reach, color=palette[title][0], marker="o", markersize=3, capsize=2, label=title
                )
            for (words, end), style in zip(ends.items(), ("-.", (0, (1, 4))), strict=False):
                panel.axvline(end, color="#9ca3af", linestyle=style, linewidth=1, label=words)
            panel.set(title=quantity.title, xticks=range(len(places)), xticklabels=places)
        named = dict(zip(*reversed(next(iter(figure.axes)).get_legend_handles_labels()), strict=True))
        ncols = _legend_columns(named, len(named), WIDTH_IN)
        figure.legend(named.values(), named.keys(), loc="outside upper left", ncols=ncols, frameon=False)
        return as_svg(figure)


def _legend_columns(labels: Iterable[str], most: int, width_in: float) -> int:
    """As many columns as fit beside each other, each with room for the longest label."""
    longest_in = _CHARACTER_IN * max(len(label) for label in labels) + _SIGN_IN
    return max(1, min(most, int(width_in / longest_in)))


def as_svg(figure: Figure) -> str:
    """SVG text without an XML header, the same for the same figure."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
