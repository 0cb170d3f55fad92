"""Draw the pictures of the concept pages and of the guide to statistics, docs/pictures/*.svg.

    python docs/tools/pictures.py

Diagrams are boxes and arrows; `diseases` and `knowledge` are runs of the loop on points around a circle.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from torch import Tensor

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.anchors import AnchoredCorrector, fit_anchors
from selfcorrect.correctors.contract import chain, lift
from selfcorrect.correctors.loop_correction import Correction
from selfcorrect.experiments.studies.figures import BLUE, GREY, INK, ORANGE, SKY, VERMILION, as_svg
from selfcorrect.experiments.studies.figures import STYLE as REPORT_STYLE
from selfcorrect.experiments.toy.table import load_toy_module
from selfcorrect.loop.policy import Replace
from selfcorrect.loop.run import Arm, Candidate, Task, run_loop, train_first_generation
from selfcorrect.statistics import band, compare_paired, half_life_interval
from selfcorrect.storage.runs.memory import MemoryStore

OUT = Path(__file__).resolve().parents[1] / "pictures"
LOOPS = Path(__file__).resolve().parents[2] / "examples" / "loops"
SOFT = GREY
TINTS = {BLUE: "#dbeafe", VERMILION: "#fde8da", SKY: "#e3f3fc", ORANGE: "#fdf1d6", SOFT: "#f3f4f6"}
STYLE: dict[Any, Any] = {
    "svg.fonttype": "path",
    "svg.hashsalt": "selfcorrect",
    "font.family": "DejaVu Sans",
    "font.size": 9,
}

# --- diagrams --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Box:
    """A box of a diagram, its centre at x, y in inches."""

    x: float
    y: float
    title: str
    text: str = ""
    colour: str = BLUE
    width: float = 1.35
    height: float = 0.62


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty page, one unit per inch."""
    page = Figure(figsize=(width, height))
    axes = page.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    return page, axes


def draw_box(axes: Axes, box: Box) -> None:
    corner = box.x - box.width / 2, box.y - box.height / 2
    style = "round,pad=0,rounding_size=0.08"
    face, edge = TINTS[box.colour], box.colour
    axes.add_patch(FancyBboxPatch(corner, box.width, box.height, style, facecolor=face, edgecolor=edge, linewidth=1.2))
    lines = box.text.count("\n") + 1 if box.text else 0
    axes.text(box.x, box.y + 0.08 * lines, box.title, ha="center", va="center", weight="bold", color=INK)
    if box.text:
        axes.text(box.x, box.y - 0.12, box.text, ha="center", va="center", color=INK, fontsize=7.5, linespacing=1.25)


def arrow(axes: Axes, start: tuple[float, float], stop: tuple[float, float], colour: str = SOFT) -> None:
    axes.add_patch(FancyArrowPatch(start, stop, arrowstyle="-|>", mutation_scale=11, color=colour, lw=1.3))


def loop() -> Figure:
    """The loop of one arm, and generation 0 that all arms share."""
    page, axes = canvas(7.6, 3.75)
    steps = [
        Box(2.6, 3.1, "sample", "from the last model", BLUE),
        Box(4.5, 3.1, "bias", "best of k, guidance …", BLUE),
        Box(6.4, 3.1, "correct", "your corrector", SKY),
        Box(6.4, 1.75, "mix", "the data policy", BLUE),
        Box(4.5, 1.75, "train", "anew, or go on", BLUE),
        Box(2.6, 1.75, "commit", "all of it or nothing", BLUE),
    ]
    for box in steps:
        draw_box(axes, box)
    for start, stop in pairwise(steps[:3]):
        arrow(axes, (start.x + 0.68, start.y), (stop.x - 0.68, stop.y))
    arrow(axes, (6.4, 2.78), (6.4, 2.07))
    for start, stop in pairwise(steps[3:]):
        arrow(axes, (start.x - 0.68, start.y), (stop.x + 0.68, stop.y))
    arrow(axes, (2.6, 2.07), (2.6, 2.78))
    axes.text(2.52, 2.42, "next generation", ha="right", va="center", color=SOFT, fontsize=8)
    draw_box(axes, Box(6.4, 0.5, "real data", "training half", ORANGE))
    arrow(axes, (6.4, 0.82), (6.4, 1.43), ORANGE)
    draw_box(axes, Box(4.5, 0.5, "evaluate", "raw samples only", VERMILION))
    arrow(axes, (4.5, 1.43), (4.5, 0.82), VERMILION)
    draw_box(axes, Box(2.6, 0.5, "held-out data", "never corrected with", ORANGE))
    arrow(axes, (3.28, 0.5), (3.82, 0.5), ORANGE)
    draw_box(axes, Box(0.75, 3.1, "generation 0", "real data alone;\nshared by all arms", ORANGE, 1.2, 0.75))
    arrow(axes, (1.36, 3.1), (1.92, 3.1), ORANGE)
    return page


def pipeline() -> Figure:
    """Draw the stages of the physics corrector."""
    page, axes = canvas(9.0, 2.6)
    stages = [
        Box(0.8, 1.55, "read", "axes, units,\nrest pose", ORANGE, 1.15, 0.8),
        Box(2.28, 1.55, "clean up", "noise, floor,\ndrift, feet", BLUE, 1.15, 0.8),
        Box(3.76, 1.55, "find supports", "steps, seats,\nholds", BLUE, 1.25, 0.8),
        Box(5.24, 1.55, "plan", "contacts, forces\nthey must give", BLUE, 1.15, 0.8),
        Box(6.72, 1.55, "track", "a simulated body\nfollows", SKY, 1.15, 0.8),
        Box(8.2, 1.55, "judge", "kept and removed;\naccept or reject", VERMILION, 1.15, 0.8),
    ]
    for box in stages:
        draw_box(axes, box)
    for start, stop in pairwise(stages):
        arrow(axes, (start.x + start.width / 2 + 0.02, 1.55), (stop.x - stop.width / 2 - 0.02, 1.55))
    for first, last, words in (
        (0, 0, "any file"),
        (1, 1, "kinematics"),
        (2, 3, "inverse dynamics"),
        (4, 4, "physics"),
    ):
        low, high = stages[first].x - 0.55, stages[last].x + 0.55
        axes.plot([low, low, high, high], [2.12, 2.18, 2.18, 2.12], color=SOFT, linewidth=1)
        axes.text((low + high) / 2, 2.25, words, ha="center", va="bottom", color=SOFT, fontsize=8)
    below = "with --kinematic the corrector stops here"
    axes.annotate(below, (2.28, 1.13), (2.28, 0.55), ha="center", color=SOFT, fontsize=8, arrowprops=_THIN)
    bound = "the residual root force is bounded, measured, reported"
    axes.annotate(bound, (6.72, 1.13), (6.72, 0.55), ha="center", color=SOFT, fontsize=8, arrowprops=_THIN)
    return page


_THIN = {"arrowstyle": "-|>", "color": SOFT, "linewidth": 0.9}


def packages() -> Figure:
    """Draw the packages, with an arrow from each to those that it may import."""
    page, axes = canvas(7.2, 3.2)
    draw_box(axes, Box(3.6, 2.75, "experiments", "commands, presets, jobs, reports, toys", VERMILION, 3.4))
    draw_box(axes, Box(1.8, 1.65, "simulators", "the physics corrector", SKY, 2.3))
    draw_box(axes, Box(5.4, 1.65, "datasets", "files, known collections, windows", ORANGE, 2.5))
    words = "the loop, policies, correctors, models, metrics, theory, statistics, storage, motion"
    draw_box(axes, Box(3.6, 0.5, "selfcorrect", words, BLUE, 5.6))
    for start, stop in (
        ((2.6, 2.43), (2.0, 1.97)),
        ((4.6, 2.43), (5.2, 1.97)),
        ((3.6, 2.43), (3.6, 0.82)),
        ((1.9, 1.33), (2.3, 0.82)),
        ((5.3, 1.33), (4.9, 0.82)),
    ):
        arrow(axes, start, stop)
    axes.text(3.66, 1.2, "imports", color=SOFT, fontsize=8)
    return page


# --- runs ------------------------------------------------------------------------------------------------------------

MODES, COUNT, BLUR, SEED = 8, 200, 0.12, 1
SPREAD_RAD, REACH_RAD = 0.08, 0.24
"""Standard deviation along an arc, and how near a point must be for the arc to count as alive."""
SHOWN = (0, 5, 20, 80)


def ring(count: int, seed: int) -> Tensor:
    """Points (N, 2) on eight arcs of the unit circle: the truth."""
    random = np.random.default_rng(seed)
    angles = 2 * math.pi * np.arange(count) / MODES + random.normal(scale=SPREAD_RAD, size=count)
    return torch.from_numpy(np.stack([np.cos(angles), np.sin(angles)], axis=1))


def onto_circle(points: Tensor) -> Tensor:
    """The law without the data: every point goes to the nearest one of the unit circle."""
    return points / points.norm(dim=1, keepdim=True).clamp_min(1e-9)


def snapshots(correction: Correction | None) -> list[np.ndarray]:
    """Return what the model of each generation in `SHOWN` draws in a fully synthetic loop, before any correction."""
    seen: dict[int, np.ndarray] = {}

    def evaluate(candidate: Candidate) -> Mapping[str, float]:
        if candidate.generation in SHOWN:
            seen[candidate.generation] = candidate.samples(COUNT).values.numpy()
        return {}

    kernel_density = load_toy_module(str(LOOPS / "shapes.py")).KernelDensity
    task = Task(
        kernel_density.empty(2, scale=BLUR),
        Samples.real(ring(COUNT, SEED)),
        evaluate,
    )
    first, stream = MemoryStore(), streams(SEED)
    train_first_generation(task, first, stream)
    run_loop(task, Arm(Replace(), max(SHOWN), correction=correction), MemoryStore(), first, stream)
    return [seen[generation] for generation in SHOWN]


def rows_of_points(rows: Mapping[str, list[np.ndarray]]) -> Figure:
    """One row of pictures per loop, one column per generation; the truth as a thin line, lost arcs as crosses."""
    page = Figure(figsize=(7.4, 1.85 * len(rows) + 0.2), layout="constrained")
    grid = page.subplots(len(rows), len(SHOWN), squeeze=False)
    circle = np.linspace(0, 2 * math.pi, 200)
    centres = 2 * math.pi * np.arange(MODES) / MODES
    for (name, pictures), panels in zip(rows.items(), grid, strict=True):
        for generation, points, panel in zip(SHOWN, pictures, panels, strict=True):
            panel.plot(np.cos(circle), np.sin(circle), color="#d1d5db", linewidth=0.8)
            panel.plot(*points.T, ".", markersize=2.5, color=BLUE)
            angles = np.arctan2(points[:, 1], points[:, 0])
            apart = np.abs((angles[:, None] - centres + math.pi) % (2 * math.pi) - math.pi)
            lost = centres[(apart > REACH_RAD).all(axis=0)]
            panel.plot(np.cos(lost), np.sin(lost), "x", markersize=6, color=VERMILION, markeredgewidth=1.6)
            panel.set(xlim=(-1.5, 1.5), ylim=(-1.5, 1.5), xticks=[], yticks=[], aspect="equal")
            for spine in panel.spines.values():
                spine.set_color("#d1d5db")
            off = np.abs(np.linalg.norm(points, axis=1) - 1).mean()
            panel.set_xlabel(f"off the circle {off:.2f}; arcs {MODES - len(lost)} of {MODES}", fontsize=7)
            if name == next(iter(rows)):
                panel.set_title(f"generation {generation}", fontsize=9)
        panels[0].set_ylabel(name, fontsize=9)
    return page


def diseases() -> Figure:
    """A loop without correction: points leave the circle, and arcs go lost."""
    return rows_of_points({"no correction": snapshots(None)})


def knowledge() -> Figure:
    """The same loop with a corrector that knows the law, with one that remembers where the arcs were, and with both."""
    real = Samples.real(ring(COUNT, SEED))
    anchors = fit_anchors(real, COUNT // MODES, streams(SEED).child("anchors"))
    law, memory = lift(onto_circle), AnchoredCorrector(anchors)
    return rows_of_points(
        {
            "knows the law": snapshots(Correction(law)),
            "remembers centroids": snapshots(Correction(memory)),
            "both": snapshots(Correction(chain(memory, law))),
        }
    )


# --- the guide to statistics -----------------------------------------------------------------------------------------


NEUTRAL = (INK, "#9ca3af")
"""Colours that no arm of a run has."""


def _run_guide() -> dict[str, np.ndarray]:
    """Return the curves (S, T) that the first block of code on docs/statistics.md makes."""
    page = (OUT.parent / "statistics.md").read_text()
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert code
    names: dict[str, Any] = {}
    exec(code[1], names)
    return {"arm A": names["arm_a"], "arm B": names["arm_b"]}


def draw_statistics() -> str:
    """Return the picture of docs/statistics.md as SVG text: bands, paired difference, half-lives."""
    curves = _run_guide()
    with mpl.rc_context(REPORT_STYLE):
        figure = Figure(figsize=(10.8, 3.2), layout="constrained")
        bands, differences, lives = figure.subplots(1, 3, width_ratios=(3, 3, 2))
        for (title, table), colour in zip(curves.items(), NEUTRAL, strict=True):
            mean, low, high = band(table)
            generations = np.arange(table.shape[1])
            bands.plot(generations, table.T, color=colour, linewidth=0.5, alpha=0.6)
            bands.fill_between(generations, low, high, color=colour, alpha=0.15, linewidth=0)
            bands.plot(generations, mean, color=colour, label=title)
        bands.set(title="Made-up quality: mean, 95 % band", xlabel="generation")
        bands.legend(frameon=False)
        _draw_differences(differences, curves["arm B"], curves["arm A"])
        for row, (title, table) in enumerate(curves.items()):
            life = half_life_interval(table)
            reach = [[life.estimate - life.low], [life.high - life.estimate]]
            lives.errorbar(life.estimate, row, xerr=reach, color=NEUTRAL[row], marker="o", capsize=3, label=title)
        lives.set(title="Half-life: median, 95 %", xlabel="generations", yticks=[0, 1], yticklabels=list(curves))
        lives.set(ylim=(-0.5, 1.5), xlim=(0, None))
        return as_svg(figure)


def _draw_differences(panel: Axes, first: np.ndarray, second: np.ndarray) -> None:
    """Draw the mean paired difference of each generation with its interval."""
    generations = np.arange(1, first.shape[1])
    intervals = [compare_paired(first[:, column], second[:, column]).difference for column in generations]
    lows = [interval.low for interval in intervals]
    highs = [interval.high for interval in intervals]
    panel.fill_between(generations, lows, highs, alpha=0.2, color=INK)
    panel.plot(generations, [interval.estimate for interval in intervals], color=INK)
    panel.axhline(0, color="#111827", linestyle=":", linewidth=1)
    panel.set(title="B − A, seed by seed", xlabel="generation")


def main() -> None:
    """Write all pictures."""
    OUT.mkdir(exist_ok=True)
    with mpl.rc_context(STYLE):
        for make in (loop, pipeline, packages, diseases, knowledge):
            make().savefig(OUT / f"{make.__name__}.svg", metadata={"Date": None})
            print(OUT / f"{make.__name__}.svg")
    (OUT / "statistics.svg").write_text(draw_statistics(), encoding="utf-8")


if __name__ == "__main__":
    main()
