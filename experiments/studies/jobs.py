"""The jobs of a study: generation 0 of each task and seed, then its arms, each from where it stands.

Worker processes import this file, so it imports nothing from the report.
"""

from pathlib import Path
from typing import Any

from selfcorrect.core.errors import RunFolderError
from selfcorrect.loop.policy import reads_past
from selfcorrect.loop.run import Arm, run_loop, train_first_generation
from selfcorrect.runtime.progress import Progress
from selfcorrect.storage.runs.folder_store import FolderReader, FolderStore
from selfcorrect.storage.runs.protocol import Generation
from selfcorrect.storage.runs.run_folder import IDENTITIES_FILE

from ..jobs.identities import IdentityFile
from ..jobs.run import Job
from .arms import ArmSettings
from .study import SeedRun, Study


def jobs_of(study: Study, root: Path, *, accept_changed: bool = False) -> list[Job]:
    """Return all jobs of a study in an order in which they can run one after the other.

    Args:
        accept_changed: Resume although code or data were changed.

    Returns:
        The jobs. Those of arms have the arguments study, run and arm.
    """
    jobs: list[Job] = []
    for run in study.runs(root):
        label = f"{study.words(run.task)} seed {run.seed}"
        first = Job(f"{label} generation 0", run_first_generation, (study, run, accept_changed), 1)
        jobs.append(first)
        jobs += [
            Job(job_of(study, run, arm), run_arm, (study, run, arm), study.generations_of(run.task), (first.name,))
            for arm in study.arms(run.task)
        ]
        jobs += study.more_jobs(run)
    return jobs


def job_of(study: Study, run: SeedRun, arm: ArmSettings) -> str:
    """Return the name of an arm's job."""
    return f"{study.words(run.task)} seed {run.seed} {arm.label}"


def run_first_generation(study: Study, run: SeedRun, accept_changed: bool, progress: Progress) -> None:
    """Train and commit the generation 0 that all arms of a task and seed share.

    Args:
        accept_changed: Resume although data were changed.
        progress: Function that gets the committed generation.
    """
    if study.is_done(run):
        progress("start", 0, study.generations_of(run.task))
        progress("generation", 0, study.generations_of(run.task))
        return
    ready = study.prepare(run, progress, first=True)
    run.folder.mkdir(parents=True, exist_ok=True)
    IdentityFile(run.folder / IDENTITIES_FILE, study.accept).record(
        study.data(run, ready), accept_changed=accept_changed
    )
    with FolderStore(run.first_folder, study.first_config(run, ready), keep_models=False, repair=study.repair) as store:
        train_first_generation(ready.task, store, run.stream)
    study.after_first(run, ready)
    progress("generation", 0, study.generations_of(run.task))


def run_arm(study: Study, run: SeedRun, arm: Any, progress: Progress) -> None:
    """Run one arm from where it stands to its last generation.

    Args:
        progress: Function that gets each committed generation.
    """
    length = study.generations_of(run.task)
    if study.is_done(run, arm):
        _tell_done(progress, length, length)
        return
    ready = study.prepare(run, progress, first=False)
    first = FolderReader(run.first_folder)
    task, loop_arm = study.loop_arm(run, arm, ready, first, progress)
    with study.store(run, arm, loop_arm) as store:
        if isinstance(store, FolderStore):
            _require_kept(store, loop_arm)
        _tell_done(progress, store.latest, length)

        def observe(generation: Generation) -> None:
            progress("generation", generation.number, length)

        model = run_loop(task, loop_arm, store, first, run.stream, observe)
        study.after_arm(run, arm, ready, store, model)


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
