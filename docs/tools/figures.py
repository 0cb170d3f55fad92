"""Figures in running text: a comment right behind a number says how the number follows from kept data.

    coverage falls to 0.05<!-- after 10 split-ten replace+none coverage -->

The first word is one of `SOURCES`, the others are its arguments. `less` subtracts, seed by seed, `over` divides means,
and a word of `CHANGES` in front changes the value of all that follows. A number keeps its digits, its sign and its
form: 0.05, +0.05, 0.05 [0.03, 0.07] (95 % interval) or 0.05 ± 0.02 (half of the interval).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np
from claims import join_stage
from evidence import arms_by_name, average_late, real_values, use_minus_signs
from splits_page import FORCES, force_difference, read_results, sign_flip_p

from selfcorrect.experiments.studies.results import ArmCurves
from selfcorrect.experiments.studies.summary import Summary
from selfcorrect.statistics import mean_interval

FIGURE = re.compile(r"([+−]?)(\d+(?:\.(\d+))?)( \[[^]<]*\]| ± [\d.]+)?<!-- (\w[^>]*) -->")

CHANGES: dict[str, Callable[[np.ndarray], np.ndarray | float]] = {
    "percent": lambda values: 100 * values,
    "p": sign_flip_p,
    "above": lambda values: (values > 0).sum(),
    "below": lambda values: (values < 0).sum(),
}
"""`p`: of the exact test; `above`, `below`: how many values lie there."""


def fill_figures(page: str, summaries: Mapping[str, Summary]) -> str:
    """Return a page whose marked numbers in running text are computed anew."""

    def write(match: re.Match[str]) -> str:
        sign, _, digits, spread, how = match.groups()
        values = evaluate(how, summaries)
        form = f"{'+' if sign else ''}.{len(digits or '')}f"
        text = f"{values.mean():{form}}"
        if spread:
            interval = mean_interval(values)
            half = f" ± {(interval.high - interval.low) / 2:.{len(digits or '')}f}"
            text += f" [{interval.low:{form}}, {interval.high:{form}}]" if "[" in spread else half
        return f"{use_minus_signs(text)}<!-- {how} -->"

    return FIGURE.sub(write, page)


def evaluate(how: str, summaries: Mapping[str, Summary]) -> np.ndarray:
    """Return the values that a mark asks for, of seeds or splits (S,) or a single one (1,)."""
    first, _, rest = how.partition(" ")
    if first in CHANGES:
        return np.atleast_1d(CHANGES[first](evaluate(rest, summaries)))
    for word in (" less ", " over "):
        left, found, right = how.rpartition(word)
        if found:
            values, others = evaluate(left, summaries), evaluate(right, summaries)
            return values - others if word == " less " else np.atleast_1d(values.mean() / others.mean())
    return SOURCES[first](summaries, *rest.split())


def _find(summaries: Mapping[str, Summary], run: str) -> Summary:
    return join_stage(int(run.removeprefix("recipe-"))) if run.startswith("recipe-") else summaries[run]


def _curves(summaries: Mapping[str, Summary], run: str, arm: str) -> ArmCurves:
    summary = _find(summaries, run)
    (denoiser,) = summary.arms
    return arms_by_name(summary, denoiser)[arm]


def _after(summaries: Mapping[str, Summary], generation: str, run: str, arm: str, key: str) -> np.ndarray:
    return _curves(summaries, run, arm).values[key][:, int(generation)]


def _late(summaries: Mapping[str, Summary], run: str, arm: str, key: str) -> np.ndarray:
    return average_late(_curves(summaries, run, arm), key)


def _real(summaries: Mapping[str, Summary], run: str, key: str) -> np.ndarray:
    values = real_values(_find(summaries, run), key)
    assert values is not None, f"{run} has no {key} of real data"
    return values


def _further(summaries: Mapping[str, Summary], arm: str, other: str) -> np.ndarray:
    return np.array([force_difference(result, arm, other) for result in read_results(FORCES)])


SOURCES: dict[str, Callable[..., np.ndarray]] = {"after": _after, "late": _late, "real": _real, "further": _further}
"""`after GENERATION RUN ARM METRIC`: of one generation; `late RUN ARM METRIC`: means over the later half; `real RUN
METRIC`: of real data. A run is a file of docs/results, or `recipe-N` for the seeds of a stage. `further ARM OTHER`:
distance of the root force to real motion, in eight splits, as a share of the baseline's force."""
