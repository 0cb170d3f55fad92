"""Rows and curves from a study's run folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from selfcorrect.core.errors import DamagedError
from selfcorrect.loop.store.tracking import list_metrics

from .arm_curves import ArmCurves
from .arm_words import describe_policy, describe_treatment, list_axes
from .arms import ArmSettings, folder_name
from .study import SeedRun, Study


def list_measured(study: Study, root: Path) -> list[str]:
    """List what generation 0 measured, in the evaluation's order; empty before there is a generation 0."""
    firsts = [run.first() for run in study.runs(root)]
    return [*next((first.metrics(0) for first in firsts if first.latest >= 0), ())]


def make_rows(study: Study, run: SeedRun, arm: ArmSettings) -> list[dict[str, Any]]:
    """Make a row per committed generation, with arm, seed and metrics (of replicates the mean).

    There are no rows before generation 0, on which the others rest. All arms share generation 0, whose seconds only the
    first arm has, so that seconds can be summed.

    Raises:
        DamagedError: A generation is damaged, missing, or belongs to another arm, seed or run.
    """
    first = run.first()
    record = study.record(run, arm)
    for reader in (first, record):
        reader.check_complete()
    if first.latest < 0:
        if record.latest > 0:
            raise DamagedError(f"{first.folder} is missing")
        return []
    figures = _read_figures(study, run, arm)
    who = {study.task_word: run.task, "arm": arm.key, "seed": run.seed}
    rows = []
    for row in list_metrics(record, first)[: study.tasks[run.task].generations + 1]:
        values = dict(who)
        for key, value in row.items():
            values[key] = value if isinstance(value, int | float) else float(np.mean(value))
        generation = row["generation"]
        values |= figures.get(generation, {})
        if study.has_timings and (generation or arm == study.arms(run.task)[0]):
            timings = (record if generation else first).timings(generation)
            values |= {f"seconds_{phase}": seconds for phase, seconds in timings.items()}
        rows.append(values)
    return rows


def _read_figures(study: Study, run: SeedRun, arm: ArmSettings) -> dict[int, dict[str, Any]]:
    """Read figures measured beside the loop, as generation → figures."""
    figures: dict[int, dict[str, Any]] = {}
    for measure in study.measures:
        if measure.when == "arm" and (content := measure.read(run, arm)):
            figures.setdefault(content.pop("generation"), {}).update(content)
    return figures


def read_measures(study: Study, file: str, task: str, root: Path) -> list[dict[str, Any]]:
    """Read a `Measure`'s result for each seed of a task; a seed without the file has none."""
    measure = study.measure(file)
    return [measure.read(run) for run in study.runs(root) if run.task == task]


def collect_curves(study: Study, runs: Sequence[SeedRun]) -> dict[str, dict[ArmSettings, ArmCurves]]:
    """Collect the curves of all arms, without tasks that have no generation 0 of any seed."""
    curves_by_task: dict[str, dict[ArmSettings, ArmCurves]] = {}
    for task in dict.fromkeys(run.task for run in runs):
        task_runs = [run for run in runs if run.task == task]
        if any(run.first().latest >= 0 for run in task_runs):
            curves_by_task[task] = {arm: collect_arm(study, arm, task_runs) for arm in study.arms(task)}
    return curves_by_task


def collect_arm(study: Study, arm: ArmSettings, runs: Sequence[SeedRun], *, whole: bool = True) -> ArmCurves:
    """Return the curves of an arm.

    Args:
        runs: Seeds of one task.
        whole: Cover all generations, with NaN for missing ones.
    """
    task = runs[0].task
    rows_by_seed = [make_rows(study, run, arm) for run in sorted(runs, key=lambda run: run.seed)]
    length = study.tasks[task].generations + 1 if whole else max(map(len, rows_by_seed))
    measured = {key for rows in rows_by_seed for row in rows for key in row if isinstance(row[key], int | float)}
    values = {}
    for key in sorted(measured - {"seed", "generation"}):
        values[key] = np.full((len(runs), length), np.nan)
        for seed, rows in enumerate(rows_by_seed):
            for row in rows:
                values[key][seed, row["generation"]] = row.get(key, np.nan)
    return ArmCurves(
        folder_name(arm.key), group_of(study, task, arm), describe_treatment(arm), values, axes_of(study, task, arm)
    )


def group_of(study: Study, task: str, arm: ArmSettings) -> str:
    """Return the group of an arm's curves in tables and sentences."""
    return ", ".join(filter(None, (study.tasks[task].title, describe_policy(arm))))


def axes_of(study: Study, task: str, arm: ArmSettings) -> dict[str, object]:
    """Return an arm's axes, with the number of real training samples where it is known."""
    counts = study.tasks[task].real_counts
    axes = list_axes(arm)
    return {**axes, "real_count": counts[arm.key]} if arm.key in counts else axes
