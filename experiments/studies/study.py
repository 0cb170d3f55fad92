"""A study, which one engine runs: tasks, arms and seeds. Every arm of a seed starts from the same generation 0."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfcorrect.core.randomness import Stream, streams
from selfcorrect.correctors.identity import Identity
from selfcorrect.loop.run import Arm, Task
from selfcorrect.models.protocol import GenerativeModel
from selfcorrect.runtime.progress import Progress
from selfcorrect.storage.runs.folder_store import FolderReader, FolderStore
from selfcorrect.storage.runs.protocol import Record, Store

from ..jobs.identities import IdentityFile
from ..jobs.run import Job
from .arms import ArmSettings, folder_name


@dataclass(frozen=True)
class SeedRun:
    """A task and seed of a study: where its runs are."""

    task: str
    seed: int
    root: Path
    """The run folder of the study."""

    @property
    def stream(self) -> Stream:
        """The root stream of the seed, the same for all arms."""
        return streams(self.seed)

    @property
    def place(self) -> str:
        """The folder of the task below the root."""
        return folder_name(self.task)

    @property
    def folder(self) -> Path:
        """All that belongs to this task and seed."""
        return self.root / self.place / f"seed-{self.seed}"

    @property
    def first_folder(self) -> Path:
        """Folder of generation 0, which all arms share."""
        return self.folder / "first-generation"

    def arm_folder(self, arm: ArmSettings) -> Path:
        """Return the folder of an arm's other generations."""
        return self.folder / arm.name


class Study(ABC):
    """Tasks × arms × seeds. It travels to other processes, so it holds what can be pickled.

    A subclass says what is run; `run.run_study` runs, resumes, logs and reports it. Hooks without a body are for
    studies that need them.
    """

    accept = "--accept-changed"
    """The option that lets a run resume with code or data that were changed."""
    each_alone = False
    """True if an arm that fails ends no other."""
    repair = False
    """True if damaged generations are done again."""

    @property
    @abstractmethod
    def title(self) -> str:
        """Its name on a terminal."""

    @property
    @abstractmethod
    def generations(self) -> int:
        """Generations after generation 0, the most of all tasks."""

    def generations_of(self, task: str) -> int:
        """Generations after generation 0 of a task."""
        return self.generations

    @abstractmethod
    def runs(self, root: Path) -> Sequence[SeedRun]:
        """All tasks and seeds."""

    @abstractmethod
    def arms(self, task: str) -> Sequence[ArmSettings]:
        """The arms of a task."""

    @abstractmethod
    def config(self) -> Mapping[str, object]:
        """Return the record in the run folder, as JSON values."""

    def extends(self, recorded: Mapping[str, object], wanted: Mapping[str, object]) -> bool:
        """Return True if a config asks for all that a recorded one does, and for more."""
        return False

    def words(self, task: str) -> str:
        """A task in messages."""
        return task

    # --- before anything runs ---

    def check(self, folder: Path, *, on_cluster: bool) -> None:  # noqa: B027
        """Raise what would end the run later."""

    def identities(self) -> Mapping[str, Identity]:
        """Return identities of users' code, by a name for messages."""
        return {}

    def try_out(self, unknown: Sequence[str]) -> Mapping[str, Identity]:
        """Try user code that the run folder has not recorded yet, by its names. Return the identities found."""
        return {}

    def begin(self, ledger: IdentityFile, *, accept_changed: bool) -> None:  # noqa: B027
        """Keep in the run folder what the jobs need."""

    def more_jobs(self, run: SeedRun) -> Sequence[Job]:
        """Jobs of a task and seed beside generation 0 and the arms."""
        return ()

    # --- what is kept of an arm ---

    def record(self, run: SeedRun, arm: ArmSettings) -> Record:
        """The generations of an arm that are committed."""
        return FolderReader(run.arm_folder(arm))

    def latest(self, run: SeedRun, arm: ArmSettings) -> int:
        """The last committed generation of an arm, -1 where it has none."""
        return self.record(run, arm).latest

    def is_done(self, run: SeedRun, arm: ArmSettings | None = None) -> bool:
        """Return True if an arm, by default generation 0, is complete, so that nothing is prepared for it."""
        return False

    def store(self, run: SeedRun, arm: ArmSettings, loop_arm: Arm) -> AbstractContextManager[Store]:
        """Return the store into which an arm commits its generations."""
        config = self.arm_config(run, arm, loop_arm)
        keep = self.keeps_samples(loop_arm)
        return FolderStore(run.arm_folder(arm), config, keep_models=False, keep_samples=keep, repair=self.repair)

    # --- in jobs ---

    @abstractmethod
    def prepare(self, run: SeedRun, progress: Progress, *, first: bool) -> Any:
        """Return the input of a job's other hooks, with the loop's task as `task`; first: for generation 0."""

    @abstractmethod
    def data(self, run: SeedRun, ready: Any) -> Mapping[str, Identity]:
        """Return identities of the data of a seed, by a name for messages."""

    @abstractmethod
    def loop_arm(
        self, run: SeedRun, arm: ArmSettings, ready: Any, first: FolderReader, progress: Progress
    ) -> tuple[Task, Arm]:
        """The loop's task, and an arm as the loop takes it; first: generation 0."""

    @abstractmethod
    def first_config(self, run: SeedRun, ready: Any) -> Mapping[str, object]:
        """Return the record in the folder of generation 0, as JSON values."""

    @abstractmethod
    def arm_config(self, run: SeedRun, arm: ArmSettings, loop_arm: Arm) -> Mapping[str, object]:
        """Return the record in the folder of an arm, as JSON values."""

    def keeps_samples(self, loop_arm: Arm) -> bool:
        """Return True if the samples of all generations of an arm stay."""
        return True

    def after_first(self, run: SeedRun, ready: Any) -> None:  # noqa: B027
        """Measure more beside generation 0."""

    def after_arm(self, run: SeedRun, arm: ArmSettings, ready: Any, store: Any, model: GenerativeModel) -> None:  # noqa: B027
        """Measure and keep more of a finished arm."""
