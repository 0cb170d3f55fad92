"""Figures in running text: a mark right behind a number names the kept data that the number follows from.

    coverage falls to 0.05<!-- split-ten coverage 10: replace+none -->

Before the colon stand a table of `TABLES`, or a run of docs/results, and its columns; behind it stand rows: `A`, `A
less B` (paired by seed or split), or `A times B over C times D` (a ratio of means). `percent` in front changes the
unit; `p` (of the exact test), `above` and `below` (how many lie there) judge differences. The number keeps the form that the page
gives it: 0.05, +0.05, 0.05 [0.03, 0.07] (95 % interval) or 0.05 ± 0.02 (half of the interval).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
from claims import join_stage
from evidence import arms_by_name, average_late, real_values, use_minus_signs
from splits_page import BASELINE, FORCES, REAL, read_results, sign_flip_p

from selfcorrect.experiments.motion.presets import select_controls
from selfcorrect.experiments.studies.summary import Summary
from selfcorrect.statistics import Interval, jackknife_ratio, mean_interval

FIGURE = re.compile(r"([+−]?)(\d+(?:\.(\d+))?)( \[[^]<]*\]| ± [\d.]+)?<!-- (\w[^>]*: [^>]*) -->")
ANCESTRAL = select_controls()["ancestral"][0].key.removeprefix("replace+none+")
JUDGES: dict[str, Callable[[np.ndarray], float]] = {
    "p": sign_flip_p,
    "above": lambda differences: (differences > 0).sum(),
    "below": lambda differences: (differences < 0).sum(),
}


def fill_figures(page: str, summaries: Mapping[str, Summary]) -> str:
    """Return a page whose marked numbers in running text are computed anew."""

    def write(match: re.Match[str]) -> str:
        sign, _, digits, spread, mark = match.groups(default="")
        interval = estimate(mark, summaries)
        form = f".{len(digits)}f"
        half = f" ± {(interval.high - interval.low) / 2:{form}}" if "±" in spread else ""
        form = f"+{form}" if sign else form
        bounds = f" [{interval.low:{form}}, {interval.high:{form}}]" if "[" in spread else ""
        return f"{use_minus_signs(f'{interval.estimate:{form}}{half}{bounds}')}<!-- {mark} -->"

    return FIGURE.sub(write, page)


def estimate(mark: str, summaries: Mapping[str, Summary]) -> Interval:
    """Return what a mark asks for, with a 95 % interval where seeds or splits give one."""
    head, _, rows = mark.partition(": ")
    table, *columns = head.split()
    find = TABLES[table] if table in TABLES else partial(_find_arm, _find_run(table, summaries))
    change, _, rest = rows.partition(" ")
    if change == "percent":
        share = estimate(f"{head}: {rest}", summaries)
        return replace(share, estimate=100 * share.estimate, low=100 * share.low, high=100 * share.high)
    if change in JUDGES:
        first, second = (find(row, *columns) for row in rest.split(" less "))
        return Interval(float(JUDGES[change](first - second)), np.nan, np.nan, len(first), change)
    if " over " in rows:
        sides = [[find(row, *columns) for row in side.split(" times ")] for side in rows.split(" over ")]
        return jackknife_ratio(*sides)
    first, *others = (find(row, *columns) for row in rows.split(" less "))
    return mean_interval(first - sum(others))


def _find_run(name: str, summaries: Mapping[str, Summary]) -> Summary:
    """Return a kept run; `recipe-N` is a stage of the registered experiment."""
    return join_stage(int(name.removeprefix("recipe-"))) if name.startswith("recipe-") else summaries[name]


def _find_arm(run: Summary, arm: str, metric: str, generation: str = "late") -> np.ndarray:
    """Return values (S,) of an arm, or of real data, of a generation or averaged over the later half."""
    if arm == REAL:
        values = real_values(run, metric)
        assert values is not None, f"no {metric} of real data"
        return values
    (denoiser,) = run.arms
    curves = arms_by_name(run, denoiser)[arm.replace("ancestral", ANCESTRAL)]
    return average_late(curves, metric) if generation == "late" else curves.values[metric][:, int(generation)]


def _find_force(arm: str) -> np.ndarray:
    """Return distances (splits,) of an arm's root force to real motion, as shares of the real-data baseline's force."""
    splits = [(split["force"], split[REAL]) for split in read_results(FORCES)]
    return np.array([abs(force[arm] - real) / force[BASELINE] for force, real in splits])


TABLES: dict[str, Callable[..., np.ndarray]] = {"force-distance": _find_force}
"""Tables that are no runs: by row and columns they give values of seeds or splits."""
