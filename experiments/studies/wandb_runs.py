"""A study in Weights & Biases: a run for each arm and seed as it goes on, and one for the whole."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from selfcorrect.loop.store.tracking import MetricRow, TrackedRun, WandbLog
from selfcorrect.storage.files.locks import read_identity
from selfcorrect.storage.files.strict_json import spell_infinity

from .arm_words import list_axes
from .arms import ArmSettings
from .study import SeedRun, Study
from .study_report import REPORT
from .study_rows import axes_of, make_rows
from .summary import realised_name
from .tables import FOLDER


def name_wandb_group(folder: Path) -> str:
    """Name a study's W&B group by the folder's name and the beginning of its identity."""
    return f"{folder.name}-{read_identity(folder)[:8]}"


def arm_run(study: Study, run: SeedRun, arm: ArmSettings, rows: Sequence[MetricRow] = ()) -> TrackedRun:
    """Return the W&B run of one arm and seed, with fields and tags to filter by, and a row per generation."""
    who = {study.task_word: run.task, **axes_of(study, run.task, arm), "seed": run.seed, "arm": arm.key}
    return TrackedRun(
        name=f"{run.task} {arm.key} seed {run.seed}",
        group=name_wandb_group(run.root),
        config=spell_infinity({**who, **study.tasks[run.task].settings, "version": version("selfcorrect")}),
        rows=[{realised_name(name, list_axes(arm)): value for name, value in row.items()} for row in rows],
        tags=(run.task, arm.policy, arm.corrector, arm.remedy),
        job_type="arm",
    )


def log_arm(log: WandbLog, study: Study, run: SeedRun, arm: ArmSettings, *, last: bool) -> None:
    """Log an arm's committed generations; the last time, end its run."""

    def update() -> None:
        tracked = arm_run(study, run, arm, make_rows(study, run, arm))
        log.log(tracked)
        if last:
            log.finish(tracked.name)

    log.attempt(update)


def study_run(study: Study, final: Mapping[str, float], folder: Path, command: str) -> TrackedRun:
    """Return the study's W&B run, with final figures and the report.

    Args:
        final: Figures of the last generation, which sweeps aim at.
        command: Command that does it again.
    """
    return TrackedRun(
        name=f"{folder.name} report",
        group=name_wandb_group(folder),
        config=spell_infinity({**study.config, "command": command, "version": version("selfcorrect")}),
        tags=("report",),
        job_type="report",
        summary=final,
        report=folder / REPORT,
        tables=sorted((folder / FOLDER).glob("*.csv")),
    )
