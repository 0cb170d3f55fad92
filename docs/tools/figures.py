"""Fill in figures of running text.

A mark right behind a number names the kept data that the number follows from.

    coverage falls to 0.05<!-- split-ten coverage 10: replace+none -->

Before the colon stand a table of `TABLES`, or a run of docs/results, and its columns; behind it stand rows: `A`, `A
less B` (paired by seed or split), or `A times B over C times D` (a ratio of means). In front, a word of `STATISTICS`
takes one number from the values. The number keeps the form that the page gives it: 0.05, +0.05, 0.05 [0.03, 0.07] (95 %
interval) or 0.05 ± 0.02 (half of the interval); +5.6 % has a space.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from claims import join_stage
from conditioning_page import ARMS, Scores, predict_founders
from evidence import arms_by_name, average_late, real_values, use_minus_signs
from founders import correlate_recall, read_scores
from loop_rows import read_rows as read_loop_rows
from physics_page import read_scores as read_long_loops
from recipe_tests import find_p, read_tests
from scipy.stats import ttest_ind
from split_tables import NETWORKS, read_rows
from splits import BASELINE, FORCES, PLACES, REAL, read_results, sign_flip_p
from tables import SUMMARIES

from selfcorrect.experiments.studies.motion.presets import select_controls
from selfcorrect.experiments.studies.summary import Summary
from selfcorrect.runtime.stopwatch import PROCESSOR
from selfcorrect.statistics import Interval, holm, jackknife_ratio, mean_interval, student_p

FIGURE = re.compile(r"([+−]?)(\d+(?:\.(\d+))?)( %)?( \[[^]<]*\]| ± [\d.]+)?<!-- (\w[^>]*: [^>]*) -->")
ANCESTRAL = select_controls()["ancestral"][0].key.removeprefix("replace+none+")
FRESH = ("first", "fresh real", "calibrated")
STATISTICS: dict[str, Callable[[np.ndarray], Any]] = {
    "p": sign_flip_p,
    "student": student_p,
    "above": lambda values: (values > 0).sum(),
    "welch": lambda values: ttest_ind(*np.split(values, 2), equal_var=False)[1],
}
"""The exact test's p; Student's p; how many values lie above 0; p of the two halves of the values by Welch's test."""


def fill_figures(page: str, summaries: Mapping[str, Summary]) -> str:
    """Fill in anew the marked numbers of a page's running text."""

    def write(match: re.Match[str]) -> str:
        sign, _, digits, percent, spread, mark = match.groups(default="")
        interval = estimate(mark, summaries)
        value, low, high = ((100 if percent else 1) * end for end in (interval.estimate, interval.low, interval.high))
        form = f".{len(digits)}f"
        half = f" ± {(high - low) / 2:{form}}" if "±" in spread else ""
        form = f"+{form}" if sign else form
        bounds = f" [{low:{form}}, {high:{form}}]" if "[" in spread else ""
        return f"{use_minus_signs(f'{value:{form}}{percent}{half}{bounds}')}<!-- {mark} -->"

    return FIGURE.sub(write, page)


def estimate(mark: str, summaries: Mapping[str, Summary]) -> Interval:
    """Compute a mark's value, with its 95 % interval over seeds or splits if there are several."""
    head, _, rows = mark.partition(": ")
    table, *columns = head.split()
    if table == "founders-r":
        return correlate_recall(rows, *columns)
    find = TABLES[table] if table in TABLES else partial(_find_arm, _find_run(table, summaries))
    judge, _, rest = rows.partition(" ")
    if " over " in rows:
        sides = [[find(row, *columns) for row in side.split(" times ")] for side in rows.split(" over ")]
        return jackknife_ratio(*sides)
    first, *others = (find(row, *columns) for row in (rest if judge in STATISTICS else rows).split(" less "))
    values = first - sum(others)
    return mean_interval(np.atleast_1d(STATISTICS[judge](values)) if judge in STATISTICS else values)


def _find_run(name: str, summaries: Mapping[str, Summary]) -> Summary:
    """Find a kept run by name; `recipe-N` is a stage of the registered experiment."""
    return join_stage(int(name.removeprefix("recipe-"))) if name.startswith("recipe-") else summaries[name]


def _find_arm(run: Summary, arm: str, metric: str, generation: str = "late", half: str = "") -> np.ndarray:
    """Find the values (S,) of an arm or of real data.

    Args:
        generation: A number, `late` for the average over the later half, or `distance` for distances to the value of
            real data, averaged over the later half.
        half: `first` or `second` half of the seeds, which other subjects judge in the registered experiment.
    """
    if arm == REAL:
        values = real_values(run, metric)
        assert values is not None, f"no {metric} of real data"
    else:
        (denoiser,) = run.arms
        curves = arms_by_name(run, denoiser)[arm.replace("ancestral", ANCESTRAL)]
        if metric == "seconds":
            parts = [
                values
                for key, values in curves.values.items()
                if key.startswith("seconds_") and key != f"seconds_{PROCESSOR}"
            ]
            curves = replace(curves, values={metric: np.sum(np.nan_to_num(parts), axis=0)})
        if generation == "distance":
            values = np.abs(average_late(curves, metric) - _find_arm(run, REAL, metric))
        else:
            values = average_late(curves, metric) if generation == "late" else curves.values[metric][:, int(generation)]
    return np.split(values, 2)[half == "second"] if half else values


def _find_force(arm: str) -> np.ndarray:
    """Find the root forces (splits,) that an arm or real motion needs, in body weights."""
    return np.array([{**split["force"], REAL: split[REAL]}[arm] for split in read_results(FORCES)])


def _find_force_distance(arm: str) -> np.ndarray:
    """Find distances (splits,) of an arm's root forces to real motion, as shares of the real-data baseline's force."""
    return np.abs(_find_force(arm) - _find_force(REAL)) / _find_force(BASELINE)


def _find_place(arm: str, score: str) -> np.ndarray:
    """Find a score (splits,) over that of the baseline, which trains on real data."""
    return np.array([split["scores"][arm][score] / split["scores"][BASELINE][score] for split in read_results(PLACES)])


def _read_lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (SUMMARIES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def _find_mixer(subjects: str, metric: str) -> np.ndarray:
    """Find the DCT mixer's scores (seeds,) over the floor, those of real motion of other subjects."""
    judged = [int(subject) for subject in subjects.split(",")]
    search = [row for row in _read_lines("generator-search") if row["evaluated_subjects"] == judged]
    floor, samples = (row["scores"][metric] for row in search)
    repeats = [row for row in _read_lines("generator-repeats") if (row["data"], row["net"]) == (subjects, "dct-mixer")]
    return np.array([samples / floor, *(row["scores"][metric] / row["floor"][metric] for row in repeats)])


def _find_trials(method: str) -> np.ndarray:
    """Find which clips (clips,) a method followed to their end, 1 or 0 each."""
    rows = [row for row in _read_lines("side-by-side") if row["method"] == method]
    return np.array([float(not row["failure"] and row["followed_share"] == 1) for row in rows])


def _find_draws(row: str, metric: str) -> np.ndarray:
    """Find scores (seeds,) of generation 0 by sampler; a row is NETWORK / SAMPLER."""
    title, _, sampler = row.partition(" / ")
    (network,) = (network for network in NETWORKS if network.title == title)
    rows = [row for row in read_rows("gen0") if network.has_drawn(row) and row["sampler"] == sampler]
    return np.array([row[metric] for row in rows])


@cache
def _read_scores() -> Scores:
    return Scores()


def _find_labels(row: str, metric: str, generation: str) -> np.ndarray:
    """Find a score (seeds,) of DATA / LABELS / ARM at a generation, or its share of generation 0 that is kept."""
    data, labels, title = row.split(" / ")
    (arm,) = (arm for arm, name in {**ARMS, FRESH: "fresh real motion"}.items() if name == title)
    scores = _read_scores()
    if generation == "kept":
        return scores.kept(data, int(labels), arm, metric)
    if metric == "founders-missed":
        founders = scores.values(data, int(labels), arm, "surviving_lineages")[:, int(generation)]
        return founders - predict_founders(scores, data, int(labels))
    return scores.values(data, int(labels), arm, metric)[:, int(generation)]


def _find_long_loop(row: str, metric: str, generation: str = "10") -> np.ndarray:
    """Find a long loop's score (seeds,) of ROW OF THE PLAN / ARM at a generation, or of `real windows`."""
    block, arm = row.split(" / ")
    scores = read_long_loops()
    if arm.startswith("real windows"):
        return scores.real(block, metric, arm.removeprefix("real windows").removeprefix(" after "))
    return scores.values(block, arm, metric, generation)


def _find_kept_loop(arm: str, name: str, metric: str, generation: str = "10") -> np.ndarray:
    """Find an arm's score (seeds,) at a generation in a file of rows that keep_rows.py made."""
    rows = read_loop_rows(name)
    return rows.values(arm, metric, rows.seeds([arm]), int(generation))


def _find_founders(arm: str, column: str, generation: str = "mean") -> np.ndarray:
    """Find a column (seeds,) of founders-recall.csv at a generation, or averaged over the generations.

    Args:
        column: `missed` is the recall of samples less the recall of founders, with balls of one size.
    """
    if column == "missed":
        scores = read_scores(arm, "equal_recall") - read_scores(arm, "founders_equal_recall")
    else:
        scores = read_scores(arm, column)
    return scores.mean(axis=1) if generation == "mean" else scores[:, int(generation) - 1]


def _find_statement(statement: str, toy: str, column: str = "measured") -> np.ndarray:
    """Find a toy statement's measured or predicted value (1,)."""
    checks = json.loads((Path(__file__).parent / "toys.json").read_text(encoding="utf-8"))[toy]["checks"]
    (check,) = (check for check in checks if check["statement"] == statement)
    return np.array([float(check[column].partition(" ")[0])])


def _find_fallen(verdict: str, *stages: str) -> np.ndarray:
    """Find how far p-values of registered tests, adjusted over all stages, exceed 0.05 (tests,)."""
    tests = {f"{row['stage']} {row['test']}": row for row in read_tests() if row["verdict"]}
    adjusted = holm({name: find_p(row) for name, row in tests.items()})
    chosen = [name for name, row in tests.items() if row["verdict"] == verdict]
    return np.array([adjusted[name] - 0.05 for name in chosen if not stages or name.split()[0] in stages])


TABLES: dict[str, Callable[..., np.ndarray]] = {
    "force": _find_force,
    "force-distance": _find_force_distance,
    "place-splits": _find_place,
    "dct-mixer": _find_mixer,
    "side-by-side": _find_trials,
    "recipe-tests": _find_fallen,
    "samplers": _find_draws,
    "conditioning": _find_labels,
    "founders": _find_founders,
    "physics": _find_long_loop,
    "loops": _find_kept_loop,
    "toys": _find_statement,
}
"""Tables that are no runs: by row and columns they give values of seeds or splits."""
