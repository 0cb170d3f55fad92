"""Tabulate root forces, the registered experiment, and all arms and runs."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from claims import TITLES, join_stage
from evidence import (
    arms_by_name,
    average_late,
    change_cell,
    distances,
    format_interval,
    late_change,
    mean_cell,
    real_values,
)
from figures import estimate
from recipe_tests import read_tests
from splits import FORCES, LOW_PASS, PHYSICS, REAL, read_results
from tables import make_table

from selfcorrect.experiments.studies.arm_curves import MEMORISER, ArmCurves
from selfcorrect.experiments.studies.arm_words import describe_arm
from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.experiments.studies.motion.settings import arms_from_config
from selfcorrect.experiments.studies.summary import Summary, format_rows
from selfcorrect.motion.measures.metrics import Metric, find_metric

FORCE = "needed_force_bodyweights"
JUDGES = (
    ("MuJoCo follows the motion, small DCT MLP, λ = 1", "ratios-quick-pybullet", "augment-1"),
    ("the same, fully synthetic", "ratios-quick-pybullet", "replace"),
    ("the same, patch mixer, fully synthetic", "own-corrector", "replace"),
)
"""Judge and network, run and policy of rows of the table of root forces."""
REGISTERED_JUDGE = (
    "the same, temporal convolutions, λ = 1, ancestral steps ([registered](index.md#the-registered-experiments))"
)
SPLITS_JUDGE = (
    "inverse dynamics and friction cones, temporal convolutions, λ = 1, ancestral steps "
    "([splits](tables.md#eight-splits-is-the-force-nearer))"
)


def forces_table(summaries: Mapping[str, Summary]) -> str:
    """Tabulate the root force of samples and real motion."""
    rows = []
    for judge, run, policy in JUDGES:
        forces = [estimate(f"{run} {FORCE}: {arm}", summaries) for arm in (REAL, f"{policy}+none", f"{policy}+physics")]
        real, plain, physics = (f"{force.estimate:.2f} ± {(force.high - force.low) / 2:.2f}" for force in forces)
        rows.append([judge, "built-in clips", real, plain, "", "", physics])
    arms = (REAL, *(f"augment-1+{corrector}" for corrector in ("none", "low-pass", "kinematic", "physics")))
    means = [f"{estimate(f'recipe-5 {FORCE}: {arm}', summaries).estimate:.2f}" for arm in arms]
    rows.append([REGISTERED_JUDGE, "CMU, two splits", *means])
    splits = read_results(FORCES)
    columns = (
        [split[REAL] for split in splits],
        *([split["force"][arm] for split in splits] for arm in (LOW_PASS, PHYSICS)),
    )
    real, low_pass, physics = (f"{min(column):.2f} to {max(column):.2f}" for column in columns)
    rows.append([SPLITS_JUDGE, "CMU, eight splits", real, "", low_pass, "", physics])
    return make_table(["judge", "windows", "real motion", "uncorrected", "low-pass", "kinematic", "physics"], rows)


STAGES = {1: ("dct-mixer", "augment-1", "λ = 1"), 2: ("dct-mixer", "replace", "fully synthetic")} | {
    5: ("temporal-conv", "augment-1", "λ = 1")
}
"""Stage of the registered experiment → denoiser, policy, and the policy in words."""
TESTS = {
    "T2": "*Registered:* physics needs less root force than a low-pass filter (T2)",
    "T4": "coverage with physics is as uncorrected, within 10 % (T4)",
    "T5": "matching + physics keeps recall of the real-data baseline (T5)",
}
DIFFERENCES = (
    (
        "*Differences with 95 % intervals:* uncorrected − baseline, Fréchet distance",
        "fid_kinematic: {0}+none less real+none",
        1,
    ),
    ("uncorrected − baseline, recall", "recall: {0}+none less real+none", 3),
    ("uncorrected − baseline, coverage", "coverage: {0}+none less real+none", 3),
    ("physics − kinematic, root force (body weights)", f"{FORCE}: {{0}}+physics less {{0}}+kinematic", 3),
    ("physics − kinematic, penetration (mm)", "penetration_mm: {0}+physics less {0}+kinematic", 1),
    ("physics − kinematic, coverage", "coverage: {0}+physics less {0}+kinematic", 3),
    (
        "physics − low-pass, distance to real motion in root force (body weights)",
        f"{FORCE} distance: {{0}}+physics less {{0}}+low-pass",
        3,
    ),
    (
        "physics − low-pass, distance to real motion in penetration (mm)",
        "penetration_mm distance: {0}+physics less {0}+low-pass",
        1,
    ),
)
"""Words, the mark of `figures.py` behind the stage, with the policy as {0}, and digits."""


def recipe_table(summaries: Mapping[str, Summary]) -> str:
    """Tabulate verdicts, and differences over the later half with 95 % intervals."""
    verdicts = {(int(row["stage"]), row["test"]): row["verdict"] for row in read_tests()}
    rows = [[words, *(verdicts[stage, test] for stage in STAGES)] for test, words in TESTS.items()]
    for words, mark, digits in DIFFERENCES:
        changes = [estimate(f"recipe-{stage} {mark.format(STAGES[stage][1])}", summaries) for stage in STAGES]
        rows.append([words, *(format_interval(change, digits) for change in changes)])
    reworked = arms_by_name(join_stage(4), "dct-mixer")["augment-1+none+lineages-reworked"]
    static = arms_by_name(join_stage(1), "dct-mixer")["augment_once-1+none+matched"]
    for words, key in (("coverage", "coverage"), ("root force (body weights)", FORCE)):
        change = format_interval(late_change(reworked, static, key), 3)
        rows.append([f"`lineages-reworked` − static set with matching, {words}", change, "", ""])
    heads = [f"{TITLES[denoiser]}, {policy}" for denoiser, _, policy in STAGES.values()]
    return make_table(["", *heads], rows)


KEYS = ("recall", "coverage", "penetration_mm", "skate_m_s", "jerk_m_s3", FORCE, "fid_kinematic")
"""Metrics of the table of all arms."""


def all_arms(summaries: Mapping[str, Summary]) -> str:
    """Return the site's table of all arms."""
    metrics = [find_metric(key) for key in KEYS]
    rows = []
    for name, summary in summaries.items():
        for denoiser in summary.arms:
            rows += [[f"**{name}, {denoiser}**"], *_real_rows(summary, metrics), *_arm_rows(summary, denoiser, metrics)]
    heads = ["", *(metric.title for metric in metrics), f"{metrics[0].name}, change"]
    return make_table(heads, rows)


def all_runs(summaries: Mapping[str, Summary]) -> str:
    """Tabulate all runs on the site, with the command that repeats each and what it was made with."""
    rows = []
    for name, summary in summaries.items():
        record = summary.made
        version = record.get("packages", {}).get("selfcorrect", "")
        hours = f"{record['core_hours']:.2g}" if "core_hours" in record else ""
        rows.append([name, f"`{summary.command}`", hours, record["processor"], record["date"], version])
    return make_table(["experiment", "command", "core-hours", "processor", "date", "version"], rows)


def as_csv(summaries: Mapping[str, Summary]) -> str:
    """Return the last generations of all kept summaries as CSV, with a row per arm and seed."""
    rows = []
    for name, summary in summaries.items():
        rows += [{"experiment": name, **row} for row in summary.rows() if row["generation"] == summary.generations]
    return format_rows(rows)


def arms_of(summary: Summary, denoiser: str) -> Iterator[tuple[ArmSettings, ArmCurves, ArmCurves | None]]:
    """Yield arms, their curves, and the curves of their plain arm if that is another."""
    curves = arms_by_name(summary, denoiser)
    comparisons = summary.settings["comparisons"]
    comparison = next(comparison for comparison in comparisons if comparison["denoiser"] == denoiser)
    for arm in arms_from_config(comparison):
        yield arm, curves[arm.key], curves.get(arm.plain.key) if arm.plain != arm else None


def _arm_rows(summary: Summary, denoiser: str, metrics: Sequence[Metric]) -> Iterator[list[str]]:
    for arm, curves, plain in arms_of(summary, denoiser):
        cells = [cell(curves, metric, summary) for metric in metrics]
        yield [_label(arm), *cells, _change(curves, plain, metrics[0])]


def _real_rows(summary: Summary, metrics: Sequence[Metric]) -> Iterator[list[str]]:
    """Yield the rows of real data and of the memoriser, the training set resampled."""
    real = {metric.key: real_values(summary, metric.key) for metric in metrics}
    memoriser = {metric.key: summary.floors.get(MEMORISER, {}).get(metric.key) for metric in metrics}
    for title, scores in (("*real data*", real), ("*memoriser*", memoriser)):
        if any(values is not None for values in scores.values()):
            yield [title, *(_score_cell(scores[metric.key], metric) for metric in metrics)]


def _score_cell(values: np.ndarray | None, metric: Metric) -> str:
    return "" if values is None else mean_cell(values, metric)


def _label(arm: ArmSettings) -> str:
    return "real data only" if arm == BASELINE else describe_arm(arm)


def cell(curves: ArmCurves, metric: Metric, summary: Summary) -> str:
    """Format the mean ± half its interval; in brackets, the mean distance to real data if that is the aim."""
    if metric.key not in curves.values:
        return ""
    real_distances = distances(curves, metric, summary) if metric.better == "real" else None
    brackets = "" if real_distances is None else f" ({float(np.mean(real_distances)):.{metric.digits}f})"
    return mean_cell(average_late(curves, metric.key), metric) + brackets


def _change(curves: ArmCurves, plain: ArmCurves | None, metric: Metric) -> str:
    if plain is None or not {metric.key} <= curves.values.keys() & plain.values.keys():
        return ""
    return change_cell(late_change(curves, plain, metric.key), metric.digits)
