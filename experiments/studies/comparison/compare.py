"""`sc.compare`: a study of users' own tasks and arms."""

import math
import pickle
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from selfcorrect.core.checks import describe_value
from selfcorrect.core.errors import RunFolderError, SettingError
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.identity import Identity
from selfcorrect.loop.run import Arm, Candidate, Task
from selfcorrect.loop.trial import has_user_code, try_correction, try_model
from selfcorrect.models.resampling import RealDraws
from selfcorrect.runtime.processes import default_workers
from selfcorrect.runtime.progress import Progress
from selfcorrect.statistics import Bounds
from selfcorrect.storage.files.digests import encode_sealed
from selfcorrect.storage.files.writing import write_atomically
from selfcorrect.storage.runs.folder_store import FolderReader
from selfcorrect.storage.runs.run_folder import CONFIG
from selfcorrect.storage.runs.tracking import WandbChoice, WandbTarget, wandb_mode

from ...jobs.identities import IdentityFile, identity_of_data
from ...jobs.where import Where
from ..arms import ArmSettings
from ..claims import Statement
from ..report import Comparison
from ..run import Observe, run_study
from ..study import SeedRun, Study
from .arguments import check_arguments, check_qualities, choose_references, name_arms, wandb_target
from .inputs import ArmSource, ComparisonInputs, TaskSource, config_of, holds_code_of_users
from .novelty import measure_novelty_of
from .report import ComparisonView, Direction, check_measured, real_scores
from .sweeps import expand_arms, expand_tasks


def compare(
    tasks: TaskSource | Mapping[str, TaskSource],
    arms: Mapping[str, ArmSource] | Sequence[Arm],
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
    wandb: WandbChoice | WandbTarget = "off",
    wandb_project: str = "",
    wandb_entity: str = "",
    observe: Observe | None = None,
    claims: Sequence[Statement] = (),
    reference: str | Mapping[str, str] = "",
    primary: str = "",
    bounds: Mapping[str, Bounds] = MappingProxyType({}),
    gammas: Sequence[float] = (),
    real_counts: Sequence[int] = (),
) -> Comparison:
    """Run every arm on every task with every seed, and compare the arms with each other.

    Code of users is tried before anything is trained. An arm that fails ends no other: the report names what is
    missing, and the same call tries that again.

    Args:
        tasks: A task, a function of the seed's stream that makes one, or several of these by name.
        arms: Arms by name, or functions (task, stream) → arm. Arms in a list are named by what they are.
        seeds: Number of seeds. Every arm runs once per seed; arms of a seed share generation 0 and the random numbers.
        workers: Number of worker processes, by default one per core as far as memory allows. Results do not depend on
            it.
        out: Run folder, by default none is kept. Called again, it resumes byte for byte. With more seeds, arms or
            generations it computes only these.
        better: Better direction of each quality: "lower", "higher", "real" if the value of real data is the aim, or a
            number that is the aim. Only qualities named here are compared.
        command: Command that does it again, for the report.
        accept_changed: Resume although code or data were changed since the run began.
        where: Where the jobs run, such as a cluster, instead of `workers`.
        wandb: "offline" writes runs of Weights & Biases into `out`, "online" sends them. Each arm and seed is a run
            that grows with its generations.
        wandb_project: W&B project, by default `WANDB_PROJECT` or selfcorrect.
        wandb_entity: W&B user or team, by default `WANDB_ENTITY` or your own.
        observe: Function that gets a dictionary for each committed generation of each arm, from generation 0 on: task,
            arm, seed, generation, and what was measured.
        claims: Statements to check, made by `sc.claims`. They name an arm after its task if there are
            several.
        reference: Name of the arm that all others are compared with, or arm → reference for some. By default an arm
            with a correction is compared with the same arm without, any other with the one on real data alone.
        primary: The quality that decides, named before the run: its differences are a family of tests of their own.
        bounds: Least and greatest value of each quality that has them, such as (0, 1) of a share: intervals stay
            within.
        gammas: Strengths γ: each arm with a correction is run once with each. Results have them in `strength`.
        real_counts: Numbers n of real training samples: each task is run once with each. Results have them in
            `real_count`.

    Returns:
        The verdict, all curves and the tables of the report.

    Raises:
        SettingError: An argument or an evaluation is not as expected, or a model would not repeat itself.
        CorrectorError: A corrector fails, or would not repeat itself.
        RunFolderError: The folder belongs to other settings, code or data.
    """
    target = wandb_target(wandb, wandb_project, wandb_entity)
    check_arguments(
        seeds=seeds,
        first_seed=first_seed,
        workers=workers,
        out=out,
        better=better,
        title=title,
        command=command,
        where=where,
        observe=observe,
        claims=claims,
        primary=primary,
        bounds=bounds,
        gammas=gammas,
        real_counts=real_counts,
    )
    if wandb_mode(target.mode) == "offline" and out is None:
        raise SettingError("wandb='offline' writes into the run folder; give out=FOLDER, or wandb='online'")
    inputs = ComparisonInputs(tasks if isinstance(tasks, Mapping) else {"task": tasks}, name_arms(arms))
    inputs = ComparisonInputs(expand_tasks(inputs.tasks, real_counts), expand_arms(inputs.arms, gammas))
    packed = inputs.pack()
    first = {name: inputs.task(name, first_seed) for name in inputs.tasks}
    arm_settings, references, generations = arms_of(inputs, next(iter(first.values())), first_seed)
    references = choose_references(references, [arm.title for arm in arm_settings], reference)
    named = {"better": [*better], "bounds": [*bounds], "primary": [primary] if primary else []}
    _check_evaluations(named, first, first_seed)
    identities = inputs.identities(first)
    study = ComparisonStudy(
        packed=packed,
        arm_settings=arm_settings,
        length=generations,
        real_counts={name: len(task.real) for name, task in first.items()},
        seeds=seeds,
        first_seed=first_seed,
        given_title=title,
        of_users=identities,
    )
    where = where or Where(default_workers() if workers is None else workers)
    with _folder(out) as folder:
        return run_study(
            ComparisonView(study, arm_settings, references, better, title, claims, primary, bounds),
            folder,
            where,
            command=command,
            accept_changed=accept_changed,
            wandb=target,
            observe=observe,
            kept=out is not None,
        )


def arms_of(inputs: ComparisonInputs, task: Task, seed: int) -> tuple[tuple[ArmSettings, ...], dict[str, str], int]:
    """Return the arms of a comparison, the name of each one's reference, and their generations.

    The reference is the same arm without correction, else the baseline; the baseline has none.
    """
    loop_arms = {name: inputs.arm(name, task, seed) for name in inputs.arms}
    lengths = {name: arm.generations for name, arm in loop_arms.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{title} has {count}" for title, count in lengths.items())
        raise SettingError(f"all arms of a comparison need the same number of generations: {listed}")
    arms = tuple(ArmSettings.from_arm(loop_arm, name) for name, loop_arm in loop_arms.items())
    baseline = next((arm.title for arm in arms if arm.is_baseline), "")
    references = {arm.title: _plain(arm.title, loop_arms) or baseline for arm in arms if not arm.is_baseline}
    return arms, references, next(iter(lengths.values()))


def _plain(name: str, arms: Mapping[str, Arm]) -> str:
    """The name of the same arm without correction, "" for none."""
    if arms[name].correction is None:
        return ""
    plain = replace(arms[name], correction=None, correct_real=False)
    return next((other_name for other_name, arm in arms.items() if arm == plain), "")


@contextmanager
def _folder(out: str | Path | None) -> Iterator[Path]:
    """The run folder, or one that is gone afterwards."""
    if out is not None:
        yield Path(out)
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _check_evaluations(named: Mapping[str, Sequence[str]], first: Mapping[str, Task], seed: int) -> None:
    """Raise SettingError for an evaluation that measures nothing, or that lacks a quality that an argument names.

    named: Argument of `compare` → the qualities that it names.
    """
    for name, task in first.items():
        try:
            scores = _evaluate_real(measure_novelty_of(task), task.real, streams(seed).child("directions"))
        except Exception:  # an evaluation may ask a model for anything, and there is none yet
            continue
        if not isinstance(scores, Mapping):
            raise SettingError(
                f"the evaluation of task {name!r} must return numbers by name, got {describe_value(scores)}"
            )
        check_qualities(name, [*scores])
        for argument, names in named.items():
            check_measured(argument, names, [*scores])


@dataclass(frozen=True)
class Ready:
    """A seed's task, and what made it, which no other job shares."""

    task: Task
    given: ComparisonInputs


@dataclass(frozen=True)
class ComparisonStudy(Study):
    """Users' tasks and arms, packed for other processes; each job works on a copy, so that none changes another."""

    packed: bytes
    """`ComparisonInputs` as bytes."""
    arm_settings: Sequence[ArmSettings]
    length: int
    """Generations after generation 0."""
    real_counts: Mapping[str, int]
    """Name of each task → number of its real training samples."""
    seeds: int
    first_seed: int
    given_title: str
    of_users: Mapping[str, Identity]
    """Identities of users' code, by a name for messages."""

    accept = "accept_changed=True (--accept-changed)"
    each_alone = True

    @property
    def title(self) -> str:
        return self.given_title or "compare"

    @property
    def generations(self) -> int:
        return self.length

    def runs(self, root: Path) -> list[SeedRun]:
        seeds = range(self.first_seed, self.first_seed + self.seeds)
        return [SeedRun(name, seed, root) for seed in seeds for name in self.real_counts]

    def arms(self, task: str) -> Sequence[ArmSettings]:
        return self.arm_settings

    def config(self) -> Mapping[str, object]:
        return {"comparison": 1, "tasks": [*self.real_counts]}

    def identities(self) -> Mapping[str, Identity]:
        return self.of_users

    def try_out(self, unknown: Sequence[str]) -> Mapping[str, Identity]:
        """Try models and correctors of users on two real and on two generated samples."""
        if not unknown:
            return {}
        inputs: ComparisonInputs = pickle.loads(self.packed)
        stream = streams(self.first_seed).child("trial")
        for task_name in inputs.tasks:
            task = inputs.task(task_name, self.first_seed)
            model = try_model(task.model, task.real, stream) if holds_code_of_users(task.model) else None
            for arm_name in inputs.arms:
                loop_arm = inputs.arm(arm_name, task, self.first_seed)
                if loop_arm.correction is not None and has_user_code(loop_arm.correction):
                    model = model or task.model.fit(task.real, 1, stream.child("train"))
                    try_correction(loop_arm.correction, model, task.real, stream)
        return {}

    def begin(self, ledger: IdentityFile, *, accept_changed: bool) -> None:
        """Refuse to leave out an arm that the run folder has: the others would be compared with another arm."""
        names = {arm.name for arm in self.arm_settings}
        left_out: dict[str, None] = {}
        for run in self.runs(ledger.path.parent):
            folders = run.folder.iterdir() if run.folder.is_dir() else ()
            for folder in sorted(folders):
                if (folder / CONFIG).is_file() and folder != run.first_folder and folder.name not in names:
                    left_out[folder.name] = None
        if not left_out:
            return
        message = f"the arms of {ledger.path.parent} include {', '.join(left_out)}, which this call leaves out"
        if not accept_changed:
            raise RunFolderError(
                f"{message}, so that others may be compared with another arm than before; give all arms again, or "
                f"another folder; {self.accept} reports without them"
            )
        print(f"selfcorrect: {message}", file=sys.stderr)

    def prepare(self, run: SeedRun, progress: Progress, *, first: bool) -> Ready:
        inputs: ComparisonInputs = pickle.loads(self.packed)
        return Ready(measure_novelty_of(inputs.task(run.task, run.seed)), inputs)

    def data(self, run: SeedRun, ready: Ready) -> Mapping[str, Identity]:
        return {f"the real training data of seed {run.seed}": identity_of_data(ready.task.real)}

    def loop_arm(
        self, run: SeedRun, arm: ArmSettings, ready: Ready, first: FolderReader, progress: Progress
    ) -> tuple[Task, Arm]:
        return ready.task, ready.given.arm(arm.title, ready.task, run.seed)

    def first_config(self, run: SeedRun, ready: Ready) -> Mapping[str, object]:
        return {"task": run.task, "seed": run.seed, "initial_steps": ready.task.initial_steps}

    def arm_config(self, run: SeedRun, arm: ArmSettings, loop_arm: Arm) -> Mapping[str, object]:
        return {"arm": arm.title, "task": run.task, "seed": run.seed, "settings": config_of(loop_arm)}

    def after_first(self, run: SeedRun, ready: Ready) -> None:
        """Score real data."""
        if not (path := real_scores(run)).exists():
            write_atomically(path, encode_sealed(score_real_data(ready.task, run.stream.child("real"))))


def score_real_data(task: Task, stream: Stream) -> dict[str, object]:
    """Return the scores of a memoriser and of held-out real data, where the task has some.

    Returns:
        "memoriser": scores of the training set resampled, by name, and "held_out": those of held-out data. Or
        "missing": why the evaluation cannot score real data.
    """
    try:
        scores = {"memoriser": _scores_of(task, task.real, stream)}
        if task.held_out is not None:
            scores["held_out"] = _scores_of(task, task.held_out, stream.child("held out"))
    except Exception as error:  # an evaluation may ask a model for anything; the floor is not worth the run
        return {"missing": f"{type(error).__name__}: {error}"}
    values = {name: value for own in scores.values() for name, value in own.items()}
    if odd := [name for name, value in values.items() if not math.isfinite(value)]:
        return {"missing": f"{odd[0]} of real data is {values[odd[0]]}"}
    return {**scores}


def _scores_of(task: Task, data: Samples, stream: Stream) -> dict[str, float]:
    """Return the scores of real data as if a model had drawn them: the mean of each quality."""
    return {name: float(np.mean(np.asarray(value))) for name, value in _evaluate_real(task, data, stream).items()}


def _evaluate_real(task: Task, data: Samples, stream: Stream) -> Any:
    """Return the scores of real data as if a model had drawn them."""
    return task.evaluate(Candidate(0, RealDraws(data), None, task.real, stream))  # type: ignore[arg-type]
