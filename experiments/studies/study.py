"""An experiment as a value: tasks, their arms, seeds, and the rows of what is measured beside the loop.

`jobs.jobs_of` makes the jobs of a `Study`, and `run.run_study` runs, resumes, logs and reports it. Every arm of a seed
starts from the same generation 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from selfcorrect.core.randomness import Stream, streams
from selfcorrect.correctors.identity import Identity
from selfcorrect.loop.run import Arm, Task
from selfcorrect.models.protocol import GenerativeModel
from selfcorrect.runtime.progress import Progress
from selfcorrect.storage.runs.folder_store import FolderReader
from selfcorrect.storage.runs.protocol import Record

from .arms import ArmSettings, folder_name
from .measured_store import MEASURED_FILE, MeasuredStore

if TYPE_CHECKING:
    import numpy as np

    from ..jobs.identities import IdentityFile
    from .report import Page

KeepLevel: TypeAlias = Literal["all", "needed", "sampling", "measured"]
"""Models and samples of a finished arm to keep: all; needed, the last ones, from which the arm can be extended;
sampling, the part of the last model that draws samples; measured, none of them, only what was measured."""

ACCEPT = "accept_changed=True (--accept-changed)"
"""The option that lets a run resume with code or data that were changed."""


@dataclass(frozen=True)
class SeedRun:
    """A task and seed of a study: where its results are."""

    task: str
    seed: int
    root: Path
    """The run folder of the study."""
    own_stream: Stream | None = None
    """Root stream if it is not the seed's."""
    own_place: str = ""
    """Folder of the task below the root if it is not the task's name."""

    @property
    def stream(self) -> Stream:
        """The root stream, the same for all arms."""
        return streams(self.seed) if self.own_stream is None else self.own_stream

    @property
    def folder(self) -> Path:
        """All that belongs to this task and seed."""
        return self.root / (self.own_place or folder_name(self.task)) / f"seed-{self.seed}"

    @property
    def first_folder(self) -> Path:
        """Folder of generation 0, which all arms share."""
        return self.folder / "first-generation"

    @property
    def data_folder(self) -> Path:
        """Folder of results that depend only on the seed's data."""
        return self.root / "real" / f"seed-{self.seed}"

    def arm_folder(self, arm: ArmSettings) -> Path:
        """Return the folder of an arm's other generations."""
        return self.folder / folder_name(arm.key)


MakeArm: TypeAlias = Callable[[Task, SeedRun, Progress], Arm | tuple[Task, Arm]]
"""Function that makes an arm of a seed, with a task of its own if the arm changes it."""


@dataclass(frozen=True)
class StudyTask:
    """A task of a study with its arms. Functions travel to other processes."""

    make: Callable[[SeedRun, Progress], Task]
    """Makes the task of a seed."""
    arms: Mapping[ArmSettings, MakeArm]
    generations: int
    """Generations after generation 0."""
    title: str = ""
    """The task in words, "" for a task that needs none in tables."""
    real_counts: Mapping[str, int] = field(default_factory=dict)
    """Key of each arm → number n of real training samples, where it is known."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """Further settings on which the results depend, as flat fields for W&B."""


@dataclass(frozen=True)
class Measure:
    """A measurement beside the loop, which is made once and kept as a JSON file with its digest."""

    name: str
    """Name in jobs and messages."""
    when: Literal["first", "seed", "arm"]
    """first: after generation 0 of each task and seed; seed: in a job of its own for each seed, with the first task;
    arm: in a job of its own after each arm, whose rows have the figures. An arm is not lost if that job fails."""
    file: str
    """File in the folder of the task and seed, of the seed's data, or of the arm."""
    function: Callable[[SeedRun, ArmSettings | None, Callable[[], Task], Progress], Mapping[str, object]]
    """(run, arm, function that returns the task, progress) → JSON values."""

    def path(self, run: SeedRun, arm: ArmSettings | None = None) -> Path:
        """Return the file of the result."""
        if arm is not None:
            return run.arm_folder(arm) / self.file
        return (run.data_folder if self.when == "seed" else run.folder) / self.file


@dataclass(frozen=True)
class Study:
    """Tasks × arms × seeds. It travels to other processes, so it holds what can be pickled."""

    name: str
    """Name on a terminal."""
    tasks: Mapping[str, StudyTask]
    seeds: Sequence[SeedRun]
    """All tasks and seeds, below no root."""
    config: Mapping[str, object]
    """Record in the run folder, as JSON values."""
    describe: Callable[[SeedRun, ArmSettings | None, Task, Arm | None], Mapping[str, object]]
    """(run, arm, task, arm as the loop takes it) → all that the results of the arm depend on, as JSON values; without
    an arm those of generation 0."""
    page: Page | None = None
    """Contents of the page, which stays in the process that runs the study."""
    identify_data: Callable[[SeedRun, Task], Mapping[str, Identity]] | None = None
    """Returns identities of the data of a seed, by a name for messages."""
    task_word: str = "task"
    """Word for tasks, a column of the rows."""
    keep: KeepLevel = "all"
    measures: Sequence[Measure] = ()
    draw: Callable[[SeedRun, GenerativeModel], np.ndarray | None] | None = None
    """Draws something of each generation to look at, None for seeds that are not drawn; only where nothing else is kept
    (`keep="measured"`)."""
    repair: bool = False
    """True if damaged generations are done again."""
    has_timings: bool = False
    """True if rows have the seconds of each phase."""
    extends: Callable[[Mapping[str, object], Mapping[str, object]], bool] | None = None
    """Returns True if a config asks for all that a recorded one does, and for more."""
    code: Mapping[str, Identity] = field(default_factory=dict)
    """Identities of users' code, by a name for messages."""
    try_code: Callable[[Sequence[str]], Mapping[str, Identity]] | None = None
    """Tries user code that the run folder has not recorded yet, by these names. Returns the identities found."""
    first_key: Callable[[SeedRun, Task], str] | None = None
    """Returns the key of all on which generation 0 depends, "" for unknown code. A run takes the generation 0 of the
    same key from a run folder beside its own."""
    begin: Callable[[IdentityFile, bool], None] | None = None
    """Checks a run folder and keeps what jobs need there: (its identities, whether changes are accepted) → nothing."""

    def runs(self, root: Path) -> list[SeedRun]:
        """Return all tasks and seeds below a run folder."""
        return [replace(run, root=root) for run in self.seeds]

    def arms(self, task: str) -> list[ArmSettings]:
        """Return the arms of a task."""
        return list(self.tasks[task].arms)

    @property
    def generations(self) -> int:
        """The most generations after generation 0 of all tasks."""
        return max(task.generations for task in self.tasks.values())

    @property
    def titles(self) -> dict[str, str]:
        """Titles of tasks in tables, with their keys; "" for a task that needs no title."""
        titles = {}
        for key, task in self.tasks.items():
            titles[key] = task.title if key in task.title or not task.title else f"{task.title} ({key})"
        return titles

    def is_done(self, run: SeedRun, arm: ArmSettings | None = None) -> bool:
        """Return True if an arm, by default generation 0, is done so that nothing is prepared for it."""
        if self.keep != "measured":
            return False
        if arm is not None:
            return self.latest(run, arm) > 0
        files = [measure.path(run) for measure in self.measures if measure.when == "first"]
        return FolderReader(run.first_folder).latest >= 0 and all(path.exists() for path in files)

    def record(self, run: SeedRun, arm: ArmSettings) -> Record:
        """Return the generations of an arm that are committed."""
        if self.keep == "measured":
            return MeasuredStore(run.arm_folder(arm) / MEASURED_FILE, self.tasks[run.task].generations)
        return FolderReader(run.arm_folder(arm))

    def latest(self, run: SeedRun, arm: ArmSettings) -> int:
        """Return the last committed generation of an arm, −1 for none."""
        return self.record(run, arm).latest


def seed_runs(
    tasks: Sequence[str], first_seed: int, count: int, root: Path = Path(), *, has_plain_places: bool = False
) -> list[SeedRun]:
    """Return all seeds of each task.

    Args:
        has_plain_places: The folders of tasks have exactly the tasks' names.
    """
    seeds = range(first_seed, first_seed + count)
    return [SeedRun(task, seed, root, own_place=task * has_plain_places) for seed in seeds for task in tasks]
