"""The jobs of a study: generation 0 of each task and seed, its arms, each from where it stands, and measurements.

Worker processes import this file, so it imports nothing from the report.
"""

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol, cast

import numpy as np
from torch import Tensor

from selfcorrect.core.errors import RunFolderError, SelfcorrectError
from selfcorrect.loop.policy import reads_past
from selfcorrect.loop.run import Arm, Task, run_loop, train_first_generation
from selfcorrect.models.protocol import GenerativeModel
from selfcorrect.runtime.progress import Progress
from selfcorrect.storage.files.digests import read_sealed, write_sealed
from selfcorrect.storage.runs.folder_store import FolderReader, FolderStore
from selfcorrect.storage.runs.protocol import Generation
from selfcorrect.storage.runs.run_folder import IDENTITIES_FILE

from ..jobs.identities import IdentityFile
from ..jobs.run import Job
from .arms import ArmSettings
from .measured_store import MEASURED_FILE, MeasuredStore
from .study import ACCEPT, Measure, SeedRun, Study

FIRST_KEY = "first-generation.json"
"""File of a seed with the key of its generation 0, which `Study.first_key` returns."""

DRAWS = "draws.npy"
"""Drawings of all generations of an arm from 1 on, by `Study.draw`."""


def jobs_of(study: Study, root: Path, *, accept_changed: bool = False) -> list[Job]:
    """Return all jobs of a study in an order in which they can run one after the other.

    Args:
        accept_changed: Resume although code or data were changed.

    Returns:
        The jobs. Those of arms have the arguments study, run and arm.
    """
    study = replace(
        study, code={}, try_code=None, begin=None, page=None
    )  # of this process; may hold what cannot travel
    jobs: list[Job] = []
    first_task = next(iter(study.tasks))
    for run in study.runs(root):
        label = f"{study.tasks[run.task].title or run.task} seed {run.seed}"
        length = study.tasks[run.task].generations
        first = Job(f"{label} generation 0", run_first_generation, (study, run, accept_changed), 1)
        arm_jobs = {
            arm: Job(f"{label} {arm.title}", run_arm, (study, run, arm), length, (first.name,))
            for arm in study.arms(run.task)
        }
        jobs += [first, *arm_jobs.values()]
        for measure in study.measures:
            if measure.when == "seed" and run.task == first_task:
                jobs.append(Job(f"{measure.name} seed {run.seed}", run_measure, (study, run, None, measure), 1))
            if measure.when == "arm":
                for arm, job in arm_jobs.items():
                    name = f"{job.name} {measure.name}"
                    jobs.append(Job(name, run_measure, (study, run, arm, measure), 0, (job.name,)))
    return jobs


def run_first_generation(study: Study, run: SeedRun, accept_changed: bool, progress: Progress) -> None:
    """Train and commit the generation 0 that all arms of a task and seed share, and measure beside it.

    Args:
        accept_changed: Resume although data were changed.
        progress: Function that gets the committed generation.
    """
    length = study.tasks[run.task].generations
    if study.is_done(run):
        progress("start", 0, length)
        progress("generation", 0, length)
        return
    task = study.tasks[run.task].make(run, progress)
    run.folder.mkdir(parents=True, exist_ok=True)
    data = study.identify_data(run, task) if study.identify_data else {}
    IdentityFile(run.folder / IDENTITIES_FILE, ACCEPT).record(data, accept_changed=accept_changed)
    config = study.describe(run, None, task, None)
    with FolderStore(run.first_folder, config, keep_models=False, repair=study.repair) as store:
        if store.latest < 0:
            _make_first_generation(study, run, task, store)
    for measure in study.measures:
        if measure.when == "first":
            write_measure(study, measure, run, None, lambda: task, progress)
    progress("generation", 0, length)


def _make_first_generation(study: Study, run: SeedRun, task: Task, store: FolderStore) -> None:
    """Commit generation 0: an intact one of the same key in a run folder beside this one, or else a new one.

    The key is written after the generation that it describes, and removed before, so that no kill leaves a wrong key.
    """
    key = study.first_key(run, task) if study.first_key else ""
    path = run.folder / FIRST_KEY
    path.unlink(missing_ok=True)
    kept = _find_first_generation(run, key) if key else None
    if kept is None:
        train_first_generation(task, store, run.stream)
    else:
        store.commit(kept)
    if key:
        write_sealed(path, {"key": key})


def _find_first_generation(run: SeedRun, key: str) -> Generation | None:
    """Return the generation 0 of a key from a run folder beside the run's own, None if there is none that is intact."""
    place = run.folder.relative_to(run.root)
    for path in sorted(run.root.resolve().parent.glob(f"*/{place.as_posix()}/{FIRST_KEY}")):
        first = FolderReader(path.with_name(run.first_folder.name))
        try:
            if read_sealed(path).get("key") == key:
                return Generation(0, first.state(0), None, first.metrics(0), first.timings(0))
        except (SelfcorrectError, OSError):  # damaged, or removed meanwhile
            continue
    return None


def run_arm(study: Study, run: SeedRun, arm: ArmSettings, progress: Progress) -> None:
    """Run one arm from where it stands to its last generation.

    Args:
        progress: Function that gets each committed generation.
    """
    study_task = study.tasks[run.task]
    length = study_task.generations
    if study.is_done(run, arm):
        _tell_done(progress, length, length)
        return
    task = study_task.make(run, progress)
    made = study_task.arms[arm](task, run, progress)
    loop_task, loop_arm = made if isinstance(made, tuple) else (task, made)
    draws: list[np.ndarray] = []

    def observe(generation: Generation) -> None:
        progress("generation", generation.number, length)
        if study.draw is not None and study.keep == "measured":
            drawing = study.draw(run, loop_task.model.load_state(dict(generation.state)))
            draws.extend([] if drawing is None else [drawing])

    first = FolderReader(run.first_folder)
    if study.keep == "measured":
        _tell_done(progress, 0, length)
        measured = MeasuredStore(run.arm_folder(arm) / MEASURED_FILE, loop_arm.generations)
        run_loop(loop_task, loop_arm, measured, first, run.stream, observe)
        _write_draws(run.arm_folder(arm), draws)
        measured.write()
        return
    config = study.describe(run, arm, task, loop_arm)
    keep_samples = study.keep == "all" or reads_past(loop_arm.policy)
    with FolderStore(
        run.arm_folder(arm), config, keep_models=False, keep_samples=keep_samples, repair=study.repair
    ) as store:
        _require_kept(store, loop_arm)
        _tell_done(progress, store.latest, length)
        model = run_loop(loop_task, loop_arm, store, first, run.stream, observe)
        if study.keep != "all":
            store.finish(_sampling_state(model) if study.keep == "sampling" else None)


def run_measure(study: Study, run: SeedRun, arm: ArmSettings | None, measure: Measure, progress: Progress) -> None:
    """Make a measurement in a job of its own; a failure after an arm costs only the figures."""
    make_task = partial(study.tasks[run.task].make, run, progress)
    try:
        write_measure(study, measure, run, arm, make_task, progress)
    except Exception as error:
        if arm is None:
            raise
        warnings.warn(f"the {measure.name} of {arm.title}, seed {run.seed}, was not measured: {error}", stacklevel=2)
    if arm is None:
        progress("generation", 0, study.generations)


def write_measure(
    study: Study,
    measure: Measure,
    run: SeedRun,
    arm: ArmSettings | None,
    make_task: Callable[[], Task],
    progress: Progress,
) -> None:
    """Measure and keep the result, unless an intact file has it and nothing is to be repaired.

    Args:
        arm: The arm, whose last generation is measured; None for a measurement of real data or of generation 0.

    Raises:
        DamagedError: The file is damaged.
    """
    path = measure.path(run, arm)
    of_generation = {} if arm is None else {"generation": study.tasks[run.task].generations}
    if path.exists() and not study.repair and of_generation.items() <= read_sealed(path).items():
        return
    values = measure.function(run, arm, make_task, progress)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_sealed(path, {**of_generation, **values})


class SamplingModel(Protocol):
    """A model that can be reduced to the part that draws samples."""

    def for_sampling(self) -> GenerativeModel: ...


def _sampling_state(model: GenerativeModel) -> dict[str, Tensor]:
    """Return the part of a model's state that sampling needs."""
    return dict(cast(SamplingModel, model).for_sampling().state())


def _write_draws(folder: Path, draws: list[np.ndarray]) -> None:
    if draws:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / DRAWS).open("wb") as file:
            np.save(file, np.stack(draws))


def _tell_done(progress: Progress, latest: int, length: int) -> None:
    """Report generations of earlier calls: "start" has their number, so that they do not count as speed."""
    progress("start", max(min(latest, length), 0), length)
    for generation in range(1, min(latest, length) + 1):
        progress("generation", generation, length)


def _require_kept(store: FolderStore, loop_arm: Arm) -> None:
    """RunFolderError where a finished arm cannot go on, because what it takes was not kept."""
    beyond = (
        f"it has {store.latest} generations and cannot go on to {loop_arm.generations}; "
        "use another --out, or --keep all there"
    )
    if 0 < store.latest < loop_arm.generations and not store.has_whole_model(store.latest):
        raise RunFolderError(
            f"{store.folder} was finished with --keep sampling, from which no model is trained on: {beyond}"
        )
    if 1 < store.latest < loop_arm.generations and reads_past(loop_arm.policy) and not store.has_samples(1):
        raise RunFolderError(
            f"{store.folder} was finished with --keep needed, and its policy reads past samples: {beyond}"
        )
