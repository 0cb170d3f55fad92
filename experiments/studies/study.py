"""A study as a value: tasks × arms × seeds, what is measured beside the loop, and the jobs that this takes.

`jobs_of` makes the jobs of a `Study`: generation 0 of each task and seed, the arms, each from the last generation on
disk, and measurements. `run.run_study` runs, resumes, logs and reports a study. Every arm of a seed starts from the
same generation 0. A study defines the methods of a `StudyTask` and of each `Measure`.
"""

import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from selfcorrect.core.errors import DamagedError, RunFolderError
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.loop.policy import reads_past
from selfcorrect.loop.run import Arm, Task, run_loop, train_first_generation
from selfcorrect.loop.store.folder_store import FolderReader, FolderStore
from selfcorrect.loop.store.origin import BELONGS_TO, FIRST_FOLDER, PUT_BACK, Owner, digest_settings
from selfcorrect.loop.store.protocol import Generation
from selfcorrect.loop.store.run_folder import IDENTITIES_FILE
from selfcorrect.runtime.identity import Identity
from selfcorrect.runtime.progress import Progress
from selfcorrect.storage.files.digests import read_with_digest, write_with_digest

from ..jobs.identities import IdentityFile
from ..jobs.run import Job
from ..jobs.where import Resources
from .arm_words import describe_arm
from .arms import ArmSettings, folder_name
from .measured_store import MEASURED_FILE, MeasuredStore

KeepLevel: TypeAlias = Literal["all", "samples", "sampling", "measured"]
"""What stays of a finished arm: all models and samples; samples, all samples and the last two models; sampling, the
part of the last model that draws samples; measured, only what was measured."""


LOOP_RESOURCES = Resources(memory_gb=2.0)
"""What a job of a loop asks for; the published networks take 0.8 GB."""


@dataclass(frozen=True)
class SeedRun:
    """A task and seed of a study, with the path of the results."""

    task: str
    seed: int
    root: Path
    """The run folder of the study."""
    own_stream: Stream | None = None
    """Root stream if not the seed's."""
    own_folder: str = ""
    """Folder of the task below the root if not the task's name."""
    study: str = ""
    """Digest of the study's settings, which stored parts record; "" if it is not known."""

    @property
    def stream(self) -> Stream:
        """The root stream, the same for all arms."""
        return streams(self.seed) if self.own_stream is None else self.own_stream

    @property
    def folder(self) -> Path:
        """All that belongs to this task and seed."""
        return self.root / (self.own_folder or folder_name(self.task)) / f"seed-{self.seed}"

    @property
    def first_folder(self) -> Path:
        """Folder of the generation 0 of all arms."""
        return self.folder / FIRST_FOLDER

    @property
    def data_folder(self) -> Path:
        """Folder of results that depend only on a seed's data."""
        return self.root / "real" / f"seed-{self.seed}"

    def arm_folder(self, arm: ArmSettings) -> Path:
        """Return the folder of an arm's other generations."""
        return self.folder / folder_name(arm.key)

    def own(self, path: Path, arm: ArmSettings | None = None) -> Owner:
        """Return what a path below the run folder belongs to; without an arm, to what all arms share."""
        key = "" if arm is None else arm.key
        return Owner(self.task, key, self.seed, self.study, path.relative_to(self.root).as_posix())

    def first(self) -> FolderReader:
        """Return a reader of generation 0."""
        return FolderReader(self.first_folder, self.own(self.first_folder))

    def generations(self, arm: ArmSettings) -> FolderReader:
        """Return a reader of an arm's other generations."""
        folder = self.arm_folder(arm)
        return FolderReader(folder, self.own(folder, arm), self.first())


TaskType = TypeVar("TaskType", bound=Task)


@dataclass(frozen=True, kw_only=True)
class StudyTask(ABC, Generic[TaskType]):
    """A task of a study with all arms; all fields can be pickled, because it travels to other processes."""

    arms: Sequence[ArmSettings]
    generations: int
    """Generations after generation 0."""
    title: str = ""
    """The task in words, "" for a task that needs none in tables."""
    real_counts: Mapping[str, int] = field(default_factory=dict)
    """Key of each arm → number n of real training samples, if known."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """Further settings that change the results, as flat fields for W&B."""

    @abstractmethod
    def make_task(self, run: SeedRun, progress: Progress) -> TaskType:
        """Return the task of a seed's arms."""

    @abstractmethod
    def make_arm(self, arm: ArmSettings, task: TaskType, run: SeedRun, progress: Progress) -> tuple[Task, Arm]:
        """Make a seed's arm and the loop's task, which is another one if the arm changes it."""

    @abstractmethod
    def describe(
        self, run: SeedRun, arm: ArmSettings | None, task: TaskType, loop_arm: Arm | None
    ) -> Mapping[str, object]:
        """Describe what an arm's results depend on as JSON values; without an arm, those of generation 0."""

    def identify_data(self, run: SeedRun, task: TaskType) -> Mapping[str, Identity]:
        """Identify the data of a seed; names are for messages."""
        return {}


@dataclass(frozen=True)
class Measure(ABC, Generic[TaskType]):
    """A measurement beside the loop, made once and kept as a JSON file with a digest."""

    name: str
    """Name in jobs and messages."""
    when: Literal["first", "seed", "arm", "generation"]
    """first: after generation 0 of each task and seed; seed: in a separate job for each seed, with the first task; arm:
    in a separate job after each arm, with figures in the arm's rows. An arm is not lost if that job fails. generation:
    after each later generation, on the task's model, where nothing else is kept (`keep="measured"`); the file lists the
    results that are not empty."""
    file: str
    """File in the folder of the task and seed, of the seed's data, or of the arm."""

    @abstractmethod
    def measure(
        self, run: SeedRun, arm: ArmSettings | None, task: TaskType, progress: Progress
    ) -> Mapping[str, object]:
        """Return what is measured, as JSON values."""

    def path(self, run: SeedRun, arm: ArmSettings | None = None) -> Path:
        """Return the file of the result."""
        if arm is not None:
            return run.arm_folder(arm) / self.file
        return (run.data_folder if self.when == "seed" else run.folder) / self.file

    def write(self, run: SeedRun, arm: ArmSettings | None, values: Mapping[str, object]) -> None:
        """Write the result with what it belongs to."""
        path = self.path(run, arm)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_with_digest(path, {BELONGS_TO: self._own(run, arm).to_json(), **values})

    def read(self, run: SeedRun, arm: ArmSettings | None = None) -> dict[str, Any]:
        """Read the result.

        Returns:
            The result; empty if there is no file.

        Raises:
            DamagedError: The file is damaged, or belongs to another arm, seed or run.
        """
        path = self.path(run, arm)
        if not path.exists():
            return {}
        values = read_with_digest(path)
        recorded = values.pop(BELONGS_TO, None)
        if recorded is None:  # of an older version
            return values
        if conflict := self._own(run, arm).describe_conflict(recorded):
            raise DamagedError(f"{path} {conflict}; {PUT_BACK}")
        return values

    def _own(self, run: SeedRun, arm: ArmSettings | None) -> Owner:
        owner = run.own(self.path(run, arm), arm)
        return replace(owner, task="") if self.when == "seed" else owner


@dataclass(frozen=True, kw_only=True)
class Study:
    """Tasks × arms × seeds; all fields can be pickled, because a study travels to other processes."""

    name: str
    """Name on a terminal."""
    tasks: Mapping[str, StudyTask[Any]]
    seeds: Sequence[SeedRun]
    """All tasks and seeds, below no root."""
    config: Mapping[str, object]
    """Record in the run folder, as JSON values."""
    code: Mapping[str, Identity] = field(default_factory=dict)
    """Identities of user code, by the name that messages use."""
    task_word: str = "task"
    """Word for tasks, a column of the rows."""
    keep: KeepLevel = "samples"
    measures: Sequence[Measure[Any]] = ()
    repair: bool = False
    """True if damaged generations are done again."""
    has_timings: bool = False
    """True if rows have the seconds of each phase."""
    resources: Resources = LOOP_RESOURCES
    """What each job asks for."""

    def extends(self, recorded: Mapping[str, Any], requested: Mapping[str, Any]) -> bool:
        """Return True if a config asks for all that a recorded config asks for, and perhaps more."""
        return False

    def try_code(self, names: Sequence[str]) -> None:
        """Try new user code, of names that the run folder does not know, before a run."""

    def check_folder(self, root: Path, *, accept_changed: bool) -> None:
        """Raise RunFolderError if a run folder has results that this study would leave out."""

    @property
    def fixed(self) -> Mapping[str, object]:
        """The part of the config that stays when a study is extended."""
        return self.config

    def runs(self, root: Path) -> list[SeedRun]:
        """Return all tasks and seeds below a run folder."""
        digest = digest_settings(self.fixed)
        return [replace(run, root=root, study=digest) for run in self.seeds]

    def arms(self, task: str) -> list[ArmSettings]:
        """Return the arms of a task."""
        return list(self.tasks[task].arms)

    @property
    def generations(self) -> int:
        """The most generations after generation 0 of all tasks."""
        return max(task.generations for task in self.tasks.values())

    @property
    def titles(self) -> dict[str, str]:
        """Titles of tasks in tables, by key; "" for a task that needs no title."""
        titles = {}
        for key, task in self.tasks.items():
            titles[key] = task.title if key in task.title or not task.title else f"{task.title} ({key})"
        return titles

    def measure(self, file: str) -> Measure[Any]:
        """Return the measurement with a file."""
        return next(measure for measure in self.measures if measure.file == file)

    def is_done(self, run: SeedRun, arm: ArmSettings | None = None) -> bool:
        """Return True if an arm, by default generation 0, is done and needs no preparation."""
        if self.keep != "measured":
            return False
        if arm is not None:
            return self.latest(run, arm) > 0
        files = [measure.path(run) for measure in self.measures if measure.when == "first"]
        return run.first().latest >= 0 and all(path.exists() for path in files)

    def record(self, run: SeedRun, arm: ArmSettings) -> FolderReader | MeasuredStore:
        """Return the generations of an arm that are committed."""
        if self.keep == "measured":
            path = run.arm_folder(arm) / MEASURED_FILE
            return MeasuredStore(path, self.tasks[run.task].generations, run.own(path, arm))
        return run.generations(arm)

    def latest(self, run: SeedRun, arm: ArmSettings) -> int:
        """Return an arm's last committed generation, −1 for none."""
        return self.record(run, arm).latest


def seed_runs(tasks: Iterable[str], first_seed: int, count: int, root: Path = Path()) -> list[SeedRun]:
    """Return all seeds of each task."""
    names = list(tasks)
    return [SeedRun(task, seed, root) for seed in range(first_seed, first_seed + count) for task in names]


def jobs_of(study: Study, root: Path, *, accept_changed: bool = False) -> list[Job]:
    """Return all jobs of a study in an order in which they can run one after the other.

    Args:
        accept_changed: Resume although code or data were changed.

    Returns:
        The jobs. Those of arms have the arguments study, run and arm.
    """
    jobs: list[Job] = []
    first_task = next(iter(study.tasks))
    for run in study.runs(root):
        label = f"{study.tasks[run.task].title or run.task} seed {run.seed}"
        length = study.tasks[run.task].generations
        first = Job(f"{label} generation 0", run_first_generation, (study, run, accept_changed), 1)
        arms = study.arms(run.task)
        titles = Counter(map(describe_arm, arms))
        arm_jobs = {}
        for arm in arms:
            title = describe_arm(arm)
            name = title if titles[title] == 1 else f"{title} ({arm.key})"  # jobs need different names
            arm_jobs[arm] = Job(f"{label} {name}", run_arm, (study, run, arm), length, (first.name,))
        jobs += [first, *arm_jobs.values()]
        for measure in study.measures:
            if measure.when == "seed" and run.task == first_task:
                jobs.append(Job(f"{measure.name} seed {run.seed}", run_measure, (study, run, None, measure), 0))
            if measure.when == "arm":
                for arm, job in arm_jobs.items():
                    name = f"{job.name} {measure.name}"
                    jobs.append(Job(name, run_measure, (study, run, arm, measure), 0, (job.name,)))
    return [replace(job, resources=study.resources) for job in jobs]


def run_first_generation(study: Study, run: SeedRun, accept_changed: bool, progress: Progress) -> None:
    """Train, commit and measure generation 0, which all arms of a task and seed share."""
    length = study.tasks[run.task].generations
    if study.is_done(run):
        progress("start", 0, length)
        progress("generation", 0, length)
        return
    study_task = study.tasks[run.task]
    task = study_task.make_task(run, progress)
    run.folder.mkdir(parents=True, exist_ok=True)
    data = study_task.identify_data(run, task)
    IdentityFile(run.folder / IDENTITIES_FILE).record(data, accept_changed=accept_changed)
    config = study_task.describe(run, None, task, None)
    owner = run.own(run.first_folder)
    with FolderStore(run.first_folder, config, keep_models=False, repair=study.repair, owner=owner) as store:
        if store.latest < 0:
            train_first_generation(task, store, run.stream)
        else:
            progress("start", 0, length)
    for measure in study.measures:
        if measure.when == "first":
            write_measure(study, measure, run, None, task, progress)
    progress("generation", 0, length)


def run_arm(study: Study, run: SeedRun, arm: ArmSettings, progress: Progress) -> None:
    """Run one arm from the last generation on disk to its last generation."""
    study_task = study.tasks[run.task]
    length = study_task.generations
    if study.is_done(run, arm):
        _report_earlier(progress, length, length)
        return
    task = study_task.make_task(run, progress)
    loop_task, loop_arm = study_task.make_arm(arm, task, run, progress)
    is_measured = study.keep == "measured"
    rows = [measure for measure in study.measures if measure.when == "generation" and is_measured]
    results: dict[str, list[Mapping[str, object]]] = {measure.file: [] for measure in rows}

    def observe(generation: Generation) -> None:
        progress("generation", generation.number, length)
        for measure in rows:
            model = loop_task.model.load_state(dict(generation.state))
            values = measure.measure(run, arm, replace(loop_task, model=model), progress)
            results[measure.file] += [values] if values else []

    first = run.first()
    if is_measured:
        _report_earlier(progress, 0, length)
        path = run.arm_folder(arm) / MEASURED_FILE
        measured = MeasuredStore(path, loop_arm.generations, run.own(path, arm))
        run_loop(loop_task, loop_arm, measured, first, run.stream, observe)
        for measure in rows:
            if values := results[measure.file]:
                measure.write(run, arm, {"generations": values})
        measured.write()
        return
    config = study_task.describe(run, arm, task, loop_arm)
    keeps_sampler = study.keep == "sampling"
    with FolderStore(
        run.arm_folder(arm),
        config,
        keep_models=study.keep == "all",
        keep_samples=not keeps_sampler or reads_past(loop_arm.policy),
        repair=study.repair,
        owner=run.own(run.arm_folder(arm), arm),
        first=first,
    ) as store:
        _require_kept(store, loop_arm)
        _report_earlier(progress, store.latest, length)
        model = run_loop(loop_task, loop_arm, store, first, run.stream, observe)
        if keeps_sampler:
            drop_training = getattr(model, "for_sampling", None)  # models of the motion experiment have it
            store.finish(dict((drop_training() if drop_training else model).state()))


def run_measure(study: Study, run: SeedRun, arm: ArmSettings | None, measure: Measure, progress: Progress) -> None:
    """Make a measurement in a separate job, so that a failure after an arm costs only the figures."""
    try:
        write_measure(study, measure, run, arm, None, progress)
    except Exception as error:
        if arm is None:
            raise
        warnings.warn(
            f"the {measure.name} of {describe_arm(arm)}, seed {run.seed}, was not measured: {error}", stacklevel=2
        )


def write_measure(
    study: Study, measure: Measure, run: SeedRun, arm: ArmSettings | None, task: Task | None, progress: Progress
) -> None:
    """Measure and keep the result, unless an intact file holds it and nothing is to be repaired.

    Args:
        arm: The arm with the measured last generation; None for a measurement of real data or of generation 0.
        task: The task of the seed, None if it is not made yet.

    Raises:
        DamagedError: The file is damaged, or belongs elsewhere.
    """
    of_generation = {} if arm is None else {"generation": study.tasks[run.task].generations}
    if measure.path(run, arm).exists() and not study.repair and of_generation.items() <= measure.read(run, arm).items():
        return
    measured_task = study.tasks[run.task].make_task(run, progress) if task is None else task
    values = measure.measure(run, arm, measured_task, progress)
    measure.write(run, arm, {**of_generation, **values})


def _report_earlier(progress: Progress, latest: int, length: int) -> None:
    """Report generations of earlier calls; "start" has the number, so that none counts as speed."""
    progress("start", max(min(latest, length), 0), length)
    for generation in range(1, min(latest, length) + 1):
        progress("generation", generation, length)


def _require_kept(store: FolderStore, loop_arm: Arm) -> None:
    """Raise RunFolderError if a finished arm cannot go on because files were not kept."""
    has_all = store.has_whole_model(store.latest) and (not reads_past(loop_arm.policy) or store.has_samples(1))
    if 0 < store.latest < loop_arm.generations and not has_all:
        raise RunFolderError(
            f"{store.folder} was finished with --keep sampling, which keeps neither whole models nor past samples: it "
            f"has {store.latest} generations and cannot go on to {loop_arm.generations}; use another --out, or --keep "
            "samples there"
        )
