"""The motion experiment in Weights & Biases: a run for each arm and seed as it goes on, and one for the whole."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from selfcorrect.motion.measures.metrics import EXPLAINED, MEASURED
from selfcorrect.storage.files.strict_json import as_json
from selfcorrect.storage.runs.folder_store import generation_name
from selfcorrect.storage.runs.generation_files import MODEL
from selfcorrect.storage.runs.tracking import Row, TrackedRun, WandbLog, experiment_id

from ...jobs.progress_bars import Event
from ...jobs.run import Job
from ..run.seed_runs import SeedRun, seed_runs
from ..settings.arms import BASELINE, Arm
from ..settings.presets import MotionSettings
from .conclusion import asked_pairs, pairs_of
from .media import ShownClip
from .outcome import Outcome, arm_rows

BEST: dict[str, Literal["min", "max"]] = {
    metric.key: "min" if metric.better == "lower" else "max" for metric in MEASURED if metric.better != "real"
}
"""The better direction of metrics that have one."""


def group_of(folder: Path) -> str:
    """The name of an experiment's group: its folder's name and the beginning of its identity."""
    return f"{folder.name}-{experiment_id(folder)[:8]}"


def arm_run(run: SeedRun, arm: Arm, preset: str, rows: Sequence[Row] = ()) -> TrackedRun:
    """The W&B run of one arm and seed, with what it can be filtered by."""
    return TrackedRun(
        name=f"{run.comparison.denoiser} {arm.name} seed {run.seed}",
        group=group_of(run.root),
        config=as_json(arm_config(run, arm)),
        rows=rows,
        tags=(preset, run.comparison.denoiser, arm.policy, arm.corrector, arm.remedy),
        job_type="arm",
    )


def arm_config(run: SeedRun, arm: Arm) -> dict[str, Any]:
    """All that an arm of one seed depends on, as flat fields."""
    settings = run.settings
    return {
        "denoiser": run.comparison.denoiser,
        "policy": arm.policy.partition(":")[0],
        "synthetic_ratio": arm.synthetic_ratio,
        "synthetic_share": arm.synthetic_share,
        "corrector": arm.corrector,
        "strength": arm.strength if arm.corrector != "none" else 0.0,
        "operator": arm.operator,
        "correct_real": arm.correct_real,
        "remedy": arm.remedy,
        **{f"sampling.{name}": value for name, value in arm.sampling.items()},
        "seed": run.seed,
        "data": ", ".join(settings.data),
        "reference": ", ".join(settings.reference),
        **{
            name: getattr(settings, name)
            for name in ("generations", "real_count", "judged_count", "judge_corrected", "frames", "fps")
        },
        "steps": settings.steps[run.comparison.denoiser],
        "initial_steps": settings.initial_steps[run.comparison.denoiser],
        "version": version("selfcorrect"),
        "arm": arm.name,
    }


class LiveRuns:
    """Logs each generation of an arm when its job reports that it is committed."""

    def __init__(self, log: WandbLog, jobs: Sequence[Job], preset: str) -> None:
        self._log, self._preset = log, preset
        self._arms: dict[str, tuple[SeedRun, Arm]] = {
            job.name: (job.arguments[0], job.arguments[1]) for job in jobs if len(job.arguments) == 2
        }

    def __call__(self, event: Event) -> None:
        if event.phase == "generation" and event.job in self._arms:
            run, arm = self._arms[event.job]
            self._log.attempt(lambda: self._update(run, arm, last=event.done == event.total))

    def _update(self, run: SeedRun, arm: Arm, *, last: bool) -> None:
        tracked = arm_run(run, arm, self._preset, arm_rows(run, arm))
        self._log.log(tracked)
        if last:
            self._log.finish(tracked.name)

    def complete(self) -> None:
        """Log what events did not report in time, and end the runs of all arms."""
        for run, arm in self._arms.values():
            self._log.attempt(lambda run=run, arm=arm: self._update(run, arm, last=True))


def experiment_run(outcome: Outcome, folder: Path, preset: str, command: str, clips: Sequence[ShownClip]) -> TrackedRun:
    """The W&B run of the whole: a table of all arms and seeds, videos, the report, and the models of generation 0.

    Its summary has the judged metrics of the arms that the experiment asks about, which a sweep can aim at.
    """
    settings = outcome.settings
    name = group_of(folder)
    models = {
        f"generation-0-{run.comparison.denoiser}-seed-{run.seed}-{name[-8:]}": ("model", _model_of(run))
        for run in seed_runs(settings, folder)
    }
    return TrackedRun(
        name=f"{folder.name} report",
        group=name,
        config=as_json({**settings.config(), "preset": preset, "command": command, "version": version("selfcorrect")}),
        tags=(preset, "report"),
        job_type="report",
        summary=_summary(outcome),
        tables={"results": _results(settings, folder)} | ({"videos": videos} if (videos := _videos(clips)) else {}),
        artifacts={f"report-{name[-8:]}": ("report", folder / "report.html"), **models},
        of_sweep=True,
    )


def _model_of(run: SeedRun) -> Path:
    return run.first_folder / generation_name(0) / MODEL


def _results(settings: MotionSettings, folder: Path) -> list[Row]:
    """One row per arm and seed: its axes and what its last generation measured."""
    axes = ("denoiser", "policy", "synthetic_ratio", "corrector", "strength", "remedy", "seed")
    keys = (*(metric.key for metric in MEASURED), *EXPLAINED)
    rows = []
    for run in seed_runs(settings, folder):
        for arm in run.comparison.arms:
            last, config = arm_rows(run, arm)[-1], as_json(arm_config(run, arm))
            rows.append({name: config[name] for name in axes} | {key: last.get(key) for key in keys})
    return [{**row, "synthetic_ratio": str(row["synthetic_ratio"]), "strength": str(row["strength"])} for row in rows]


def _videos(clips: Sequence[ShownClip]) -> list[Row]:
    return [
        {"denoiser": clip.denoiser, "arm": clip.arm, "generation": clip.generation, "words": clip.caption,
         "video": clip.film}
        for clip in clips
        if clip.film
    ]  # fmt: skip


def _summary(outcome: Outcome) -> dict[str, float]:
    """Mean over seeds and arms of the last generation: of the asked arms, the uncorrected ones, and real data only."""
    pairs = asked_pairs(outcome, pairs_of(outcome))
    of = {
        "": [outcome.curves[pair.denoiser][pair.arm] for pair in pairs],
        "uncorrected/": [outcome.curves[pair.denoiser][pair.plain] for pair in pairs],
        "real_only/": [arms[BASELINE] for arms in outcome.curves.values()],
    }
    return {
        f"{prefix}{key}": float(np.mean([arm.last(key) for arm in curves]))
        for prefix, curves in of.items()
        for key in (*(metric.key for metric in MEASURED), *EXPLAINED)
        if curves and all(key in arm.values for arm in curves)
    }
