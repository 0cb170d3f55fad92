"""Runs arms × seeds of users' own tasks, in parallel and resumed where they stand, and reports them."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from selfcorrect.core.errors import JobsError, RunFolderError, SettingError
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.run import Candidate, Task, run_loop, train_first_generation
from selfcorrect.loop.trial import is_tried, try_correction, try_model
from selfcorrect.runtime.processes import default_workers
from selfcorrect.storage.files.digests import sealed
from selfcorrect.storage.files.writing import write_atomically
from selfcorrect.storage.runs.folder_store import FolderReader, FolderStore
from selfcorrect.storage.runs.protocol import Generation
from selfcorrect.storage.runs.run_folder import claim_folder

from ..jobs.identities import IDENTITIES, IdentityFile, identity_of_data
from ..jobs.progress_bars import Progress
from ..jobs.run import Job, require_runner, run_jobs
from ..jobs.where import Where
from .inputs import (
    Given,
    PlanSource,
    TaskSource,
    config_of,
    folder_name,
    holds_code_of_users,
)
from .outcome import (
    Arm,
    Comparison,
    Direction,
    Seed,
    check_measured,
    read_outcome,
)
from .report import write_report

ACCEPT = "accept_changed=True (--accept-changed)"


def compare(
    tasks: TaskSource | Mapping[str, TaskSource],
    plans: Mapping[str, PlanSource],
    *,
    seeds: int = 5,
    first_seed: int = 0,
    workers: int | None = None,
    out: str | Path | None = None,
    better: Mapping[str, Direction] = MappingProxyType({}),
    title: str = "",
    command: str = "",
    accept_changed: bool = False,
    where: Where | None = None,
) -> Comparison:
    """Run every plan on every task with every seed, and judge the plans against each other.

    tasks: A task, a function of the seed's stream that makes one, or several of these by name. plans: By name, each a
    `Plan` or a function of a seed's task and stream that makes one. A plan with a correction is compared with the same
    plan without, any other with the one that trains on real data alone (`RealOnly`), where there are such. seeds: How
    many, from `first_seed` on. workers: Processes, by default one per core; no result depends on them. out: The run
    folder, by default none is kept. Called again, it resumes byte for byte. With more seeds, plans or generations it
    computes only these. better: Which way each quality that the judge measures is good, "lower", "higher", or "real"
    where the value of real data is the aim. Only those named here are judged. accept_changed: Resume although code or
    data were changed since the run began. where: Instead of `workers`, e.g. a cluster.

    Code of users is tried before anything is trained: SettingError or CorrectorError say what would fail, or would not
    repeat itself. RunFolderError where the folder belongs to other settings, code or data. An arm that fails ends no
    other: the report names what is missing, and the same call tries that again.
    """
    given = Given(tasks if isinstance(tasks, Mapping) else {"task": tasks}, plans)
    if seeds < 1:
        raise SettingError(f"a comparison needs at least 1 seed, got {seeds}")
    where = where or Where(default_workers() if workers is None else workers)
    require_runner(where)
    packed = given.packed()
    first = {name: given.task(name, first_seed) for name in given.tasks}
    arms = _arms(given, first, first_seed)
    _check_directions(better, first, first_seed)
    with _folder(out) as folder:
        ledger = IdentityFile(folder / IDENTITIES, ACCEPT)
        identities = given.identities(first)
        if ledger.not_recorded(identities):
            _try_all(pickle.loads(packed), first_seed)
        with claim_folder(folder, {"comparison": 1, "tasks": [*given.tasks]}):
            ledger.record(identities, accept_changed=accept_changed)
            every = [
                SeedRun(packed, name, seed, folder, accept_changed)
                for seed in range(first_seed, first_seed + seeds)
                for name in given.tasks
            ]
            failed = _run_all(_jobs(every, arms), where, title or "compare", folder)
            outcome = read_outcome([run.place for run in every], arms, better, title, command, failed)
            return write_report(outcome, folder, kept=out is not None)


@contextmanager
def _folder(out: str | Path | None) -> Iterator[Path]:
    """The run folder, or one that is gone afterwards."""
    if out is not None:
        yield Path(out)
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _arms(given: Given, first: Mapping[str, Task], seed: int) -> list[Arm]:
    """The arms with the plans that the first seed and the first task have."""
    task = next(iter(first.values()))
    arms = [Arm(plan, folder_name(plan), given.plan(plan, task, seed)) for plan in given.plans]
    lengths = {arm.title: arm.plan.generations for arm in arms}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{title} has {count}" for title, count in lengths.items())
        raise SettingError(f"all plans of a comparison need as many generations: {told}")
    return arms


def _check_directions(better: Mapping[str, Direction], first: Mapping[str, Task], seed: int) -> None:
    """SettingError for a direction that is none, or of a quality that the judge does not find in real data."""
    for name, direction in better.items():
        if direction not in get_args(Direction):
            raise SettingError(f"`better` says {direction!r} of {name!r}, expected lower, higher or real")
    for task in first.values() if better else ():
        scores = _floor(task, streams(seed).child("directions")).get("scores")
        if isinstance(scores, Mapping):
            check_measured(better, [*scores])


def _run_all(jobs: list[Job], where: Where, title: str, folder: Path) -> Mapping[str, Exception]:
    """Run all jobs; the errors of those that failed, by name.

    Raises the first of a generation 0, on which all arms of a seed rest, and of a folder that belongs to another run.
    """
    try:
        run_jobs(jobs, where, title, folder=folder, each_alone=True)
    except JobsError as error:
        failed = {job: error.failed[job.name] for job in jobs if job.name in error.failed}
        for job, each in failed.items():
            if not job.after or isinstance(each, RunFolderError):
                raise each from error
        return {job.name: each for job, each in failed.items()}
    return {}


def _try_all(given: Given, seed: int) -> None:
    """Try models and correctors of users on two real and on two generated samples."""
    for name in given.tasks:
        task, stream = given.task(name, seed), streams(seed).child("trial")
        model = try_model(task.model, task.real, stream) if holds_code_of_users(task.model) else None
        for plan in (given.plan(each, task, seed) for each in given.plans):
            if plan.correction is not None and is_tried(plan.correction):
                model = model or task.model.fit(task.real, 1, stream.child("train"))
                try_correction(plan.correction, model, task.real, stream)


# --- jobs ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SeedRun:
    """One task and seed: what its jobs need."""

    packed: bytes
    """A `Given`."""
    task_name: str
    seed: int
    root: Path
    accept_changed: bool

    @cached_property
    def given(self) -> Given:
        return pickle.loads(self.packed)

    @property
    def place(self) -> Seed:
        return Seed(self.task_name, self.seed, self.root / folder_name(self.task_name) / f"seed-{self.seed}")

    @property
    def stream(self) -> Stream:
        return streams(self.seed)


def _jobs(runs: list[SeedRun], arms: list[Arm]) -> list[Job]:
    jobs = []
    for run in runs:
        first = Job(f"{run.task_name} seed {run.seed} generation 0", run_first_generation, (run,), 1)
        jobs += [
            first,
            *(
                Job(
                    f"{run.task_name} seed {run.seed} {arm.title}",
                    run_arm,
                    (run, arm.title, arm.plan.generations),
                    arm.plan.generations,
                    (first.name,),
                )
                for arm in arms
            ),
        ]
    return jobs


def run_first_generation(run: SeedRun, progress: Progress) -> None:
    """Train and commit the generation 0 that all arms of a seed share, and score its real data."""
    task, place = run.given.task(run.task_name, run.seed), run.place
    place.folder.mkdir(parents=True, exist_ok=True)
    data = {f"the real training data of seed {run.seed}": identity_of_data(task.real)}
    IdentityFile(place.folder / IDENTITIES, ACCEPT).record(data, accept_changed=run.accept_changed)
    config = {"task": run.task_name, "seed": run.seed, "initial_steps": task.initial_steps}
    with FolderStore(place.first, config, keep_models=True) as store:
        train_first_generation(task, store, run.stream)
    if not place.floor.exists():
        write_atomically(place.floor, sealed(_floor(task, run.stream.child("real"))))
    progress("generation", 0, 1)


def run_arm(run: SeedRun, name: str, generations: int, progress: Progress) -> None:
    """Run one arm from where it stands to its last generation."""
    task = run.given.task(run.task_name, run.seed)
    plan = run.given.plan(name, task, run.seed)
    first = FolderReader(run.place.first)
    config = {"arm": name, "task": run.task_name, "seed": run.seed, "plan": config_of(plan)}
    with FolderStore(run.place.arm(folder_name(name)), config, keep_models=False) as store:
        for number in range(1, min(store.latest, generations) + 1):
            progress("generation", number, generations)

        def observe(generation: Generation) -> None:
            progress("generation", generation.number, generations)

        run_loop(task, plan, store, first, run.stream, observe)


def _floor(task: Task, stream: Stream) -> dict[str, object]:
    """What the judge says of real training data, {"missing": why} where it cannot judge them."""
    try:
        scores = task.evaluate(Candidate(0, RealDraws(task.real), None, task.real, stream))  # type: ignore[arg-type]
        return {"scores": {name: float(np.mean(np.asarray(value))) for name, value in scores.items()}}
    except Exception as error:  # a judge may ask a model for anything; the floor is not worth the run
        return {"missing": f"{type(error).__name__}: {error}"}


@dataclass(frozen=True)
class RealDraws:
    """A model that draws real training samples of the labels asked for."""

    real: Samples

    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        """One real value per label."""
        rows = torch.empty(len(labels), dtype=torch.int64)
        for label in labels.unique():
            own = (self.real.labels == label).nonzero().flatten()
            wanted = labels == label
            chosen = torch.randint(len(own), (int(wanted.sum()),), generator=stream.child(int(label)).torch())
            rows[wanted] = own[chosen]
        return self.real.rows(rows)
