"""Presentation of a study while it runs and when it is done: rows, curves, a page, and what W&B is told."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from selfcorrect.motion.measures.metrics import Metric
from selfcorrect.storage.runs.folder_store import FolderReader
from selfcorrect.storage.runs.tracking import LineChart, Row, make_rows

from ..reporting.results import ArmCurves, collect
from ..reporting.webpage import Page, Table
from .arms import ArmSettings
from .outcome import Outcome
from .study import SeedRun


@dataclass(frozen=True)
class StudyReport:
    """Report of a study: page, verdict and tables."""

    page: Page
    sentences: Sequence[str]
    """The verdict: a headline, and what stands below it on a terminal."""
    overview: Table | None = None
    """Table of arms and judged metrics for a terminal."""
    media: Sequence[Path] = ()
    """Files that the page has beside it."""
    tables: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    """Further tables for W&B, by name."""
    charts: Mapping[str, LineChart] = field(default_factory=dict)
    """Figures for W&B, by name."""
    summary: Mapping[str, float] = field(default_factory=dict)
    """Final figures, which sweeps of W&B aim at."""


class View(ABC):
    """Presentation of a study. It stays in the process that runs the study."""

    study: Any
    """The `Study`."""
    title: str
    """Question of the study."""
    task_word: ClassVar[str] = "task"
    """Word for its tasks, a column of its rows."""

    @abstractmethod
    def select_metrics(self, root: Path) -> Sequence[Metric]:
        """The metrics that the verdict rests on, as far as they are known in the run folder."""

    @abstractmethod
    def outcome(self, root: Path, gaps: Sequence[str] = ()) -> Outcome[Any]:
        """Collect the results in a finished run folder."""

    @abstractmethod
    def make_report(
        self, outcome: Outcome[Any], root: Path, rows: Sequence[Row], seconds: float, command: str
    ) -> StudyReport:
        """Return the report; rows: all of the study; seconds: that the call took."""

    @abstractmethod
    def settings(self, outcome: Outcome[Any]) -> Mapping[str, Any]:
        """The settings in the summary, as JSON values."""

    # --- what all pages say ---

    def warnings(self, outcome: Outcome[Any]) -> list[str]:
        """Return warnings: missing results, and that one seed proves nothing."""
        single_seed = ["One seed proves nothing: this run shows that the machinery works, and no more."]
        return [*outcome.gaps, *(single_seed if len(self._seeds) == 1 else [])]

    def counts(self) -> dict[str, str]:
        """Seeds and generations, as facts of a page."""
        seeds = self._seeds
        return {"Seeds": f"{len(seeds)}, from {seeds[0]}", "Generations": str(self.study.generations)}

    @property
    def _seeds(self) -> list[int]:
        return list(dict.fromkeys(run.seed for run in self.study.runs(Path())))

    # --- rows and curves ---

    def arm_word(self, arm: ArmSettings) -> str:
        """An arm in its rows."""
        return arm.name

    def rows(self, run: SeedRun, arm: ArmSettings) -> list[dict[str, Any]]:
        """Return a row for each committed generation of an arm: who it is, seed and metrics, of replicates the mean.

        There is none where generation 0 is missing, on which the others rest.
        """
        first = FolderReader(run.first_folder)
        if first.latest < 0:
            return []
        who = {self.task_word: run.task, "arm": self.arm_word(arm), "seed": run.seed}
        rows = make_rows(self.study.record(run, arm), first)[: self.study.generations_of(run.task) + 1]
        return [who | {name: _number(value) for name, value in row.items()} for row in rows]

    def group(self, task: str, arm: ArmSettings) -> str:
        """The group of an arm's curves in tables and sentences."""
        return arm.group

    def titles(self) -> Mapping[str, str]:
        """Tasks in words, "" for one that needs none."""
        return {}

    def curves(self, runs: Sequence[SeedRun]) -> dict[str, dict[Any, ArmCurves]]:
        """Return the curves of all arms by task, without tasks that have no generation 0 of any seed."""
        curves_by_task: dict[str, dict[Any, ArmCurves]] = {}
        for task in dict.fromkeys(run.task for run in runs):
            task_runs = [run for run in runs if run.task == task]
            if all(FolderReader(run.first_folder).latest < 0 for run in task_runs):
                continue
            curves_by_task[task] = {arm: self.curves_of(arm, task_runs) for arm in self.study.arms(task)}
        return curves_by_task

    def curves_of(self, arm: ArmSettings, runs: Sequence[SeedRun], *, whole: bool = True) -> ArmCurves:
        """Return the curves of an arm.

        Args:
            arm: The arm.
            runs: Seeds of one task.
            whole: Cover all generations, with NaN for missing ones.
        """
        rows = [row for run in runs for row in self.rows(run, arm)]
        count = self.study.generations_of(runs[0].task) if whole else None
        seeds = [run.seed for run in runs] if whole else []
        curves = collect(rows, arm.name, self.group(runs[0].task, arm), arm.title, count, seeds)
        return replace(curves, axes=self.axes_of(runs[0].task, arm))

    def real_count(self, task: str, arm: ArmSettings) -> int | None:
        """Return the number n of real training samples, None if it is not known."""
        return None

    def axes_of(self, task: str, arm: ArmSettings) -> dict[str, Any]:
        """Return an arm's axes, and the number of real training samples where it is known."""
        count = self.real_count(task, arm)
        return arm.axes if count is None else {**arm.axes, "real_count": count}

    # --- Weights & Biases ---

    def labels(self) -> Mapping[str, str]:
        """Return labels of the study, such as its preset: fields of its W&B run, and tags."""
        return {}

    @abstractmethod
    def list_measured(self, runs: Sequence[SeedRun]) -> Sequence[str]:
        """The keys of the metrics in the table of results."""

    @property
    @abstractmethod
    def best(self) -> Mapping[str, Literal["min", "max"]]:
        """The better direction of metrics that have one."""

    def arm_config(self, run: SeedRun, arm: ArmSettings) -> Mapping[str, Any]:
        """All that an arm of one seed depends on, as flat fields."""
        return {self.task_word: run.task, **self.axes_of(run.task, arm), "seed": run.seed, "arm": self.arm_word(arm)}

    def tags(self, run: SeedRun, arm: ArmSettings) -> Sequence[str]:
        """Words by which an arm's runs can be filtered."""
        return (run.task, arm.title)


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) else float(np.mean(value))
