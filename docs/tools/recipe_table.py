"""The table of verdicts of the registered experiment, for recipe.md."""

import csv
from collections.abc import Iterator, Mapping

import numpy as np
from claims import TITLES, join_stage
from evidence import arms_by_name, average_late, format_interval, late_change, real_values
from scipy.stats import t as student
from tables import SUMMARIES, table_lines

from selfcorrect.experiments.studies.results import ArmCurves
from selfcorrect.experiments.studies.summary import Summary
from selfcorrect.statistics import mean_interval

FORCE = "needed_force_bodyweights"
STAGES = {1: ("dct-mixer", "augment-1", "λ = 1"), 2: ("dct-mixer", "replace", "fully synthetic")} | {
    5: ("temporal-conv", "augment-1", "λ = 1")
}
"""Stage → denoiser, policy, and the policy in words."""
TESTS = {
    "T2": "*Registered:* physics needs less root force than a low-pass filter (T2)",
    "T4": "coverage with physics is as uncorrected, within 10 % (T4)",
    "T5": "matching + physics keeps recall of the real-data baseline (T5)",
}
DIFFERENCES = (
    ("uncorrected − baseline, Fréchet distance", "none", "baseline", "fid_kinematic", 1),
    ("uncorrected − baseline, recall", "none", "baseline", "recall", 3),
    ("uncorrected − baseline, coverage", "none", "baseline", "coverage", 3),
    ("physics − kinematic, root force (body weights)", "physics", "kinematic", FORCE, 3),
    ("physics − kinematic, penetration (mm)", "physics", "kinematic", "penetration_mm", 1),
    ("physics − kinematic, coverage", "physics", "kinematic", "coverage", 3),
)
"""Words, two correctors, metric and digits."""
NEARNESS = (("root force (body weights)", FORCE, 3), ("penetration (mm)", "penetration_mm", 1))
REWORKED = "`lineages-reworked` − static set with matching"

SAME, KEEPS, MORE, LESS = (
    ("T1", "T3", "T4"),
    ("T5", "T6", *(f"T{number}" for number in range(9, 21))),
    ("T7",),
    ("T2", "T8"),
)
"""Registered tests within a margin on both sides, within one below, above 0 and below 0; the others are two-sided."""
SEEDS = 8


def read_tests() -> list[dict[str, str]]:
    """Return the rows of the registered tests of all stages."""
    with (SUMMARIES / "recipe" / "tests.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def find_p(row: Mapping[str, str]) -> float:
    """Return the p-value of a registered test, not adjusted, from its difference with its 95 % interval and margin."""
    difference, low, high = (float(row[key]) for key in ("difference", "low", "high"))
    error = (high - low) / 2 / student.ppf(0.975, SEEDS - 1)
    margin = float(row["margin"] or 0)
    is_above, is_below = (float(student.sf((sign * difference + margin) / error, SEEDS - 1)) for sign in (1, -1))
    test = row["test"]
    if test in SAME:
        return max(is_above, is_below)
    if test in LESS:
        return is_below
    return is_above if test in KEEPS + MORE else 2 * min(is_above, is_below)


def recipe_table(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Yield the lines of the table: verdicts of tests, and differences with 95 % intervals over the later half."""
    stages = {number: join_stage(number) for number in STAGES}
    arms = {number: arms_by_name(stages[number], denoiser) for number, (denoiser, _, _) in STAGES.items()}
    verdicts = {(int(row["stage"]), row["test"]): row["verdict"] for row in read_tests()}
    rows = [[words, *(verdicts[number, test] for number in STAGES)] for test, words in TESTS.items()]
    for words, first, second, key, digits in DIFFERENCES:
        cells = []
        for number in STAGES:
            changed = _find_arm(arms[number], number, first)
            cells.append(format_interval(late_change(changed, _find_arm(arms[number], number, second), key), digits))
        rows.append([words, *cells])
    for words, key, digits in NEARNESS:
        cells = []
        for number, summary in stages.items():
            real = real_values(summary, key)
            physics, low_pass = (
                np.abs(average_late(_find_arm(arms[number], number, corrector), key) - real)
                for corrector in ("physics", "low-pass")
            )
            cells.append(format_interval(mean_interval(physics - low_pass), digits))
        rows.append([f"physics − low-pass, distance to real motion in {words}", *cells])
    reworked = arms_by_name(join_stage(4), "dct-mixer")["augment-1+none+lineages-reworked"]
    static = arms[1]["augment_once-1+none+matched"]
    for words, key in (("coverage", "coverage"), ("root force (body weights)", FORCE)):
        rows.append([f"{REWORKED}, {words}", format_interval(late_change(reworked, static, key), 3), "", ""])
    heads = [f"{TITLES[denoiser]}, {policy}" for denoiser, _, policy in STAGES.values()]
    rows[len(TESTS)][0] = f"*Differences with 95 % intervals:* {rows[len(TESTS)][0]}"
    yield from table_lines(["", *heads], rows)


def _find_arm(arms: Mapping[str, ArmCurves], number: int, corrector: str) -> ArmCurves:
    return arms["real+none" if corrector == "baseline" else f"{STAGES[number][1]}+{corrector}"]
