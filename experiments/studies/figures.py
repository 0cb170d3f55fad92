"""Figures of all reports as SVG."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Collection, Mapping, Sequence
from functools import singledispatch
from math import ceil
from typing import TYPE_CHECKING, Any, TypeAlias

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, MaxNLocator

from selfcorrect.motion.measures.metrics import Metric
from selfcorrect.statistics import band

from .arm_curves import MEMORISER, ArmCurves
from .arm_words import describe_line, describe_treatment
from .drawables import Drawable, Line, Panel, Pictures, Scatter
from .outcome import MIN_RATIOS

if TYPE_CHECKING:
    from .arms import ArmSettings
    from .outcome import Outcome

GREY, VERMILION, BLUE, GREEN, ORANGE, PURPLE, SKY, WINE, OLIVE, INK = PALETTE = (
    "#6b7280", "#d55e00", "#0072b2", "#009e73", "#e69f00", "#cc79a7", "#56b4e9", "#882255", "#999933", "#1f2937"
)  # fmt: skip
"""Colours that colour-blind readers can distinguish (after Okabe and Ito 2008, and Tol 2021)."""

COLOURS = {
    "baseline (real data only)": GREY,
    "real data only": GREY,
    "real-data baseline": GREY,
    "uncorrected": VERMILION,
    "physics": BLUE,
    "kinematic": GREEN,
    "low-pass": ORANGE,
    "anchored": PURPLE,
    "random-perturbation": INK,
    "lineages": SKY,
    "static training set": OLIVE,
}
"""Colours of the arms of most figures, by corrector or remedy: the same in the whole project."""
OTHERS = (WINE, PURPLE, INK, SKY, OLIVE)
"""In order for all other arms."""
MAX_LINES = 8
"""In a panel; more become small multiples."""

Look: TypeAlias = tuple[str, str]  # colour, stroke
Levels: TypeAlias = Mapping[str, Mapping[str, float]]
"""Label in the legend → key of a metric → value of a horizontal line, such as what held-out real data score."""
REAL_LOOK: Look = ("#111827", ":")
MEMORISER_LOOK: Look = ("#6b7280", "--")

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "selfcorrect",
    "text.parse_math": False,  # names of users may hold a $
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e5e7eb",
    "axes.edgecolor": "#9ca3af",
    "axes.titlesize": 10,
}


LABEL_WIDTH = 30
"""Characters in a line of a name beside a panel."""
WIDTH_IN = 10.8
"""Width of figures."""
MAX_COLUMNS = 4
"""Panels side by side."""

_CHARACTER_IN, _SIGN_IN = 0.067, 0.45
"""Room in a legend for a character, and for what stands before each label."""

_TITLE_CHARACTER_IN = 0.082
"""Room for a character of a panel's title."""

STROKES = ("-", ":", "-.")
"""In order as colours begin again; dashes are for predictions and baselines."""


def looks(titles: Sequence[str]) -> dict[str, Look]:
    """Return each arm's colour and stroke by its title.

    A title looks the same in every panel, and a corrector keeps its colour with a remedy.
    """
    palette: dict[str, Look] = {}
    others = 0
    for title in dict.fromkeys(titles):
        corrector = title.partition(", ")[0].rpartition(" + ")[2]  # without remedy and settings
        colour = COLOURS.get(title, COLOURS.get(corrector))
        if colour is None or (colour in (GREY, VERMILION) and title not in COLOURS):
            colour = OTHERS[others % len(OTHERS)]
            others = others + 1
        use_count = sum(used == colour for used, _ in palette.values())
        palette[title] = colour, STROKES[use_count % len(STROKES)]
    return palette


def look(index: int) -> Look:
    """Colour and stroke of a line by number."""
    round_number, colour = divmod(index, len(PALETTE))
    return PALETTE[colour], STROKES[round_number % len(STROKES)]


def curve_grid(columns: Mapping[str, Sequence[ArmCurves]], metrics: Sequence[Metric], levels: Levels) -> str:
    """Draw metrics over generations as SVG, with a row of panels per metric and a column per group of arms.

    Groups of more than `MAX_LINES` arms take several columns. Lines are means over seeds, and bands are 95 %
    intervals; with two seeds, both seeds are drawn instead.

    Args:
        columns: Title of a group → arms.
    """
    palette = looks([curves.title for arms in columns.values() for curves in arms])
    parts: dict[str, Sequence[ArmCurves]] = {}
    for group, arms in columns.items():
        parts |= _split_group(group, arms) if len(arms) > MAX_LINES else {group: arms}
    with mpl.rc_context(STYLE):
        figure, axes = _make_panels(len(metrics), len(parts), 2.3)
        for column, (group, arms) in enumerate(parts.items()):
            for row, metric in enumerate(metrics):
                panel = axes[row, column]
                _draw_arms(panel, arms, metric, palette)
                _draw_levels(panel, metric, levels)
                _name(panel, metric.title, group, row, column, len(parts))
        _add_legend(figure, axes, "generation")
        return as_svg(figure)


def _split_group(group: str, arms: Sequence[ArmCurves]) -> dict[str, Sequence[ArmCurves]]:
    """Split a group into parts of three arms, each beside the arms that all others are compared with."""
    beside = [arm for arm in arms if COLOURS.get(arm.title) in (GREY, VERMILION)]
    others = [arm for arm in arms if arm not in beside]
    starts = range(0, len(others), 3)
    return {f"{group} ({start // 3 + 1})": [*beside, *others[start : start + 3]] for start in starts}


def _draw_arms(panel: Any, arms: Sequence[ArmCurves], metric: Metric, palette: Mapping[str, Look]) -> None:
    for arm in arms:
        if metric.key in arm.values:
            values = arm.values[metric.key]
            _draw_line(panel, arm.title, np.arange(values.shape[1]), values, metric, palette)
    panel.xaxis.get_major_locator().set_params(integer=True)


def _draw_line(
    panel: Any,
    title: str,
    x: np.ndarray,
    values: np.ndarray,
    metric: Metric,
    palette: Mapping[str, Look],
    *,
    is_thin: bool = False,
    marker: str = "",
) -> None:
    """Draw a metric's values (S, X) over x (X,) as a mean line with 95 % intervals over seeds.

    With two seeds, both are drawn instead.
    """
    colour, stroke = palette[title]
    if len(values) == 2:  # an interval of two seeds would dwarf the panel
        panel.plot(x, values.T, color=colour, alpha=0.4, linewidth=0.7)
    elif not is_thin:
        intervals = [metric.interval(column) for column in values.T]
        low = [interval.low for interval in intervals]
        high = [interval.high for interval in intervals]
        panel.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)
    width, alpha, size = (0.9, 0.6, 2) if is_thin else (1.7, 1.0, 4)
    style = {"color": colour, "linewidth": width, "alpha": alpha, "marker": marker, "markersize": size}
    panel.plot(x, values.mean(axis=0), stroke, label=title, **style)


# --- the last generation by synthetic ratio ---------------------------------------------------------------------------
#
# Lines are ordered by synthetic share, λ / (1 + λ), because it is finite for the fully synthetic loop. Words and axes
# name the ratio λ, as the literature does: "100 %" of Gillman et al. (2024) is λ = 1, which is a share of half.


def by_share(arms: Mapping[ArmSettings, ArmCurves]) -> dict[str, dict[float, ArmCurves]]:
    """Return lines over the synthetic share, from real data only to fully synthetic.

    Lines with too few ratios are left out.

    Returns:
        Title → synthetic share, 0 to 1 → curves.
    """
    lines: dict[str, dict[float, ArmCurves]] = {}
    for arm, curves in arms.items():
        if line := describe_line(arm):
            lines.setdefault(line, {})[arm.synthetic_share] = curves
    baseline = next((curves for arm, curves in arms.items() if arm.is_baseline), None)
    start = {} if baseline is None else {0.0: baseline}
    return {title: start | line for title, line in lines.items() if len(line) >= MIN_RATIOS}


_GUARANTEES = {"guaranteed at best, uncorrected": 1 / 3, "guaranteed at best, corrected": 1 / 2}
"""Synthetic shares up to which theory guarantees stability at best (κ = 1), λ of 1/2 and 1, by their words."""


SHARE_CAPTION = (
    "The last generation by synthetic ratio λ, from real data only (0) to fully synthetic (∞). Gillman et al. 2024 "
    "write λ = 1 as 100 %. Bands are 95 % intervals over seeds; thin lines are other correctors. To the left of the "
    "dashed line, theory guarantees at best that an uncorrected loop is stable (λ below 1/2); to the left of the "
    "dash-dotted line, a fully corrected loop (λ below 1). This assumes a model near its optimum whose error does not "
    "grow (Bertrand et al. 2024, Gillman et al. 2024). Loops beyond these lines may be stable, too."
)


def ratio_label(share: float) -> str:
    """Return λ of a synthetic share as text: 0.5 is "1", 1 is "∞"."""
    return "∞" if share >= 1 else f"{share / (1 - share):.3g}"


def share_picture(outcome: Outcome, metrics: Sequence[Metric], judged: Collection[str]) -> str:
    """Draw lines over the synthetic share as SVG, with a column per task; "" if no task has enough ratios.

    Lines go from real data only to fully synthetic. The horizontal axis is spaced by the synthetic share of the
    training set, λ / (1 + λ), and labelled by λ, the number of synthetic samples per real sample.

    Args:
        judged: Titles of the lines that the study asks about: strong lines with a band. Others are thin.
    """
    columns: dict[str, dict[str, dict[float, ArmCurves]]] = {}
    for task, arms in outcome.curves.items():
        if lines := by_share(arms):
            columns[outcome.titles.get(task, task)] = dict(sorted(lines.items(), key=lambda line: line[0] in judged))
    if not columns:
        return ""
    palette = looks([describe_treatment(arm) for _, _, arms in outcome.groups() for arm in arms])
    palette = looks([title for lines in columns.values() for title in lines]) | palette
    shares = sorted({share for lines in columns.values() for line in lines.values() for share in line})
    with mpl.rc_context(STYLE):
        figure, axes = _make_panels(len(metrics), len(columns), 2.5)
        for column, (title, lines) in enumerate(columns.items()):
            for row, metric in enumerate(metrics):
                panel = axes[row, column]
                for name, line in lines.items():
                    points = {share: curves for share, curves in sorted(line.items()) if metric.key in curves.values}
                    if points:
                        ends = np.stack([curves.last(metric.key) for curves in points.values()], axis=1)
                        x = np.array([*points])
                        _draw_line(panel, name, x, ends, metric, palette, is_thin=name not in judged, marker="o")
                _draw_levels(panel, metric, outcome.levels)
                for (words, share), style in zip(_GUARANTEES.items(), ("--", "-."), strict=True):
                    panel.axvline(share, color="#9ca3af", linestyle=style, linewidth=1, label=words)
                _clip(panel, metric)
                panel.set(xlim=(-0.02, 1.02))
                panel.set_xticks(shares, [ratio_label(share) for share in shares], fontsize=7.5)
                _name(panel, metric.title, title, row, column, len(columns))
        _add_legend(figure, axes, "λ, synthetic samples per real one (∞: fully synthetic)")
        return as_svg(figure)


def _make_panels(rows: int, columns: int, height_in: float) -> tuple[Figure, np.ndarray]:
    """Return a figure with its panels by row and column.

    Panels of a single column stand two in a row; columns beyond `MAX_COLUMNS` continue below.
    """
    wide = min(max(columns, 2), MAX_COLUMNS)
    high = ceil(rows / 2) if columns == 1 else rows * ceil(columns / wide)
    figure = Figure(figsize=(WIDTH_IN, height_in * high + 0.6), layout="constrained")
    panels = figure.subplots(high, wide, squeeze=False, sharex=True, sharey="none" if columns == 1 else "row")
    if columns == 1:
        axes = panels.flatten()[:rows, None]
    else:
        blocks = panels.reshape(-1, rows, wide)  # (block, row, column)
        axes = np.concatenate([*blocks], axis=1)[:, :columns]
    for panel in set(panels.flat) - set(axes.flat):
        panel.remove()
    return figure, axes


def _name(panel: Any, metric: str, column: str, row: int, panel_index: int, columns: int) -> None:
    """Title a panel of `_make_panels` with metric and column."""
    if columns == 1:
        panel.set_title(", ".join(filter(None, (metric, column))))
        return
    width_in = WIDTH_IN / min(columns, MAX_COLUMNS)
    panel.set_title(textwrap.fill(column, int(width_in / _TITLE_CHARACTER_IN)) if row == 0 else "")
    panel.set_ylabel("" if panel_index % MAX_COLUMNS else textwrap.fill(metric, 22))


def _add_legend(figure: Figure, axes: np.ndarray, x_label: str) -> None:
    """Label the lowest panels' axes, and put the labels of all lines on top in as many columns as fit."""
    for panel in axes[-2:].flat if axes.shape[1] == 1 else axes[-1]:
        panel.set_xlabel(x_label)
        panel.tick_params(labelbottom=True)
    handles = {
        label: handle for panel in axes.flat for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    if not handles:  # no metric yet while a run is under way
        return
    longest_in = _CHARACTER_IN * max(len(label) for label in handles) + _SIGN_IN
    ncols = max(1, min(len(handles), int(WIDTH_IN / longest_in)))
    figure.legend(handles.values(), handles.keys(), loc="outside upper left", ncols=ncols, frameon=False)


def opening_curves(
    columns: Mapping[str, Sequence[ArmCurves]], metrics: Sequence[Metric], levels: Levels, palette: Mapping[str, Look]
) -> str:
    """Draw metrics over generations as SVG, with the arms' names beside each panel.

    Args:
        columns: Title of a group → arms.
        metrics: Metrics of the panels, two in a row; one, or an even number.
        levels: Horizontal lines; the first is real motion.
        palette: Title of an arm → look.
    """
    real = {"real motion": next(iter(levels.values()))} if levels else {}
    with mpl.rc_context(STYLE):
        pairs = [metrics[first : first + 2] for first in range(0, len(metrics), 2)]
        rows = [(title, arms, pair) for title, arms in columns.items() for pair in pairs]
        figure = Figure(figsize=(WIDTH_IN * len(pairs[0]) / 2, 3.12 * len(rows)), layout="constrained")
        panels = figure.subplots(len(rows), len(pairs[0]), squeeze=False)
        for row, (title, arms, pair) in zip(panels, rows, strict=True):
            for panel, metric in zip(row, pair, strict=True):
                _draw_arms(panel, arms, metric, palette)
                _name_lines(panel, metric, real)
                panel.set_title(", ".join(filter(None, (metric.title, title * (len(columns) > 1)))))
                panel.set_xlabel("generation")
        return as_svg(figure)


def _name_lines(panel: Axes, metric: Metric, levels: Levels) -> None:
    """Name all lines beside the panel in the order of line ends, and draw the level of real motion."""
    _draw_levels(panel, metric, levels)
    _clip(panel, metric)
    ends = {}
    for line in panel.get_lines():
        title = str(line.get_label())
        end = float(np.asarray(line.get_ydata())[-1])
        if not title.startswith("_") and np.isfinite(end):
            ends[title.removeprefix("baseline (").removesuffix(")")] = end, line
    order = sorted(ends, key=lambda title: -ends[title][0])
    panel.legend(
        [ends[title][1] for title in order],
        [textwrap.fill(title, LABEL_WIDTH) for title in order],
        loc="center left",
        bbox_to_anchor=(1, 0.5),
        labelcolor="linecolor",
        frameon=False,
        handlelength=1.2,
    )


def _clip(panel: Axes, metric: Metric) -> None:
    """Show no values beyond the bounds of a metric."""
    low, high = panel.get_ylim()
    panel.set_ylim(max(low, metric.bounds[0]), min(high, metric.bounds[1]))


def _draw_levels(panel: Any, metric: Metric, levels: Levels) -> None:
    """Draw the levels of real data: dotted and black if held out, dashed and grey for a memoriser."""
    for label, values in levels.items():
        colour, stroke = MEMORISER_LOOK if label == MEMORISER else REAL_LOOK
        if metric.key in values:
            panel.axhline(values[metric.key], color=colour, linestyle=stroke, linewidth=1, label=label)


def as_svg(figure: Figure) -> str:
    """Return a figure as SVG without XML header, with coordinates of two decimals.

    The same figure gives the same text.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = buffer.getvalue()
    return _ATTRIBUTES.sub(lambda value: " ".join(_DECIMALS.sub(r"\1", value[0]).split()), text[text.index("<svg") :])


_ATTRIBUTES = re.compile(r'(?<==")[^"<]*(?=")')
_DECIMALS = re.compile(r"(\d\.\d\d)\d+")


# --- diagrams, images and points ---

LONGEST_CURVE = 200
"""Points drawn per line; more only make the page heavy."""


def draw(figure: Panel | Pictures | Scatter | Drawable) -> str:
    """The figure as SVG text."""
    with mpl.rc_context(STYLE):
        return as_svg(_draw(figure))


@singledispatch
def _draw(figure: Drawable) -> Figure:
    return figure.draw()


@_draw.register
def _(panel: Panel) -> Figure:
    many = len(panel.lines) > len(PALETTE)
    page = Figure(figsize=(6.4, 3.4 + 0.1 * many * len(panel.lines)), layout="constrained")
    axes = page.subplots()
    axes.set_title(panel.title)
    for index, line in enumerate(panel.lines):
        _draw_panel_line(axes, panel.x, line, look(index), banded=not many)
    axes.set(xlabel=panel.x_label, ylabel=panel.y_label)
    axes.set_xscale("log" if panel.log_x else "linear")
    axes.set_yscale("log" if panel.log_y else "linear")
    for axis in [axes.xaxis] * panel.log_x + [axes.yaxis] * panel.log_y:
        axis.set_major_formatter(PlainNumbers())
        axis.set_minor_formatter(PlainNumbers())
    if panel.x_label == "generation":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8)
    if panel.caveat:
        page.supxlabel(f"dashes: {panel.caveat}", x=0.01, ha="left", color=WINE, fontsize=8)
    return page


class PlainNumbers(LogFormatter):
    """Plain labels of a logarithmic axis, without formulas; `STYLE` leaves such labels unchanged."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}" if super().__call__(x, pos) else ""


def _draw_panel_line(axes: Axes, x: np.ndarray, line: Line, colour_and_stroke: Look, *, banded: bool) -> None:
    colour, stroke = colour_and_stroke
    keep = np.unique(np.linspace(0, len(x) - 1, LONGEST_CURVE).round().astype(int))
    marker = "o" if len(x) < 15 else None
    if line.values is not None:
        measured = keep[np.isfinite(line.values[:, keep]).all(axis=0)]  # some quantities begin after generation 0
        mean, low, high = band(line.values[:, measured]) if len(measured) else (np.zeros(0),) * 3
        style = {"linestyle": stroke, "linewidth": 1.5, "marker": marker, "markersize": 3}
        axes.plot(x[measured], mean, color=colour, label=line.name, **style)
        if banded:  # more than a few hide each other
            axes.fill_between(x[measured], low, high, color=colour, alpha=0.15, linewidth=0)
    if line.prediction is not None:
        label = None if line.values is not None else line.name
        axes.plot(x[keep], line.prediction[keep], color=colour, linestyle="--", linewidth=1.1, label=label)


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
