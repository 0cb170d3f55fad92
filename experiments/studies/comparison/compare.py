"""`sc.compare`: a study of user tasks and arms."""

import math
import pickle
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from selfcorrect.core.checks import describe_value
from selfcorrect.core.errors import RunFolderError, SettingError
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.calibration import calibrate_sampler
from selfcorrect.loop.models.resampling import RealDraws
from selfcorrect.loop.run import Arm, Candidate, Task, try_evaluation
from selfcorrect.loop.store.run_folder import CONFIG
from selfcorrect.loop.trial import try_correction, try_model, try_policy
from selfcorrect.runtime import global_generators
from selfcorrect.runtime.identity import Identity
from selfcorrect.runtime.progress import Progress
from selfcorrect.runtime.registry import replace_options
from selfcorrect.runtime.user_code import is_of_users
from selfcorrect.storage.files.strict_json import as_json

from ...jobs.identities import ACCEPT, identity_of_data
from ..arms import ArmSettings, folder_name
from ..loop_arms import read_loop_arm
from ..run import run_study
from ..study import Measure, SeedRun, Study, StudyTask, seed_runs
from ..study_report import Comparison
from .arguments import DEFAULT_COMPARISON, ComparisonOptions, check_qualities, choose_references
from .comparison_page import CALIBRATION_FILE, REAL_SCORES_FILE, make_comparison_page
from .inputs import ArmSource, ComparisonInputs, TaskSource, config_of, name_arms, pack
from .novelty import measure_novelty_of
from .sweeps import add_copying, expand_arms, expand_tasks

MAX_CALIBRATED = 2000
"""Size of the largest training set with a calibrated sampler: a calibration draws as many samples again."""


def compare(
    tasks: TaskSource | Mapping[str, TaskSource],
    arms: Mapping[str, ArmSource] | Sequence[Arm],
    options: ComparisonOptions = DEFAULT_COMPARISON,
    **changes: object,
) -> Comparison:
    """Run arms on tasks with several seeds each, and compare them.

    User code is tried before anything is trained. An arm that fails does not end the others: the report names what is
    missing, and the same call tries it again.

    Args:
        tasks: A task, a function of the seed's stream that makes one, or several of these by name.
        arms: Arms by name, or functions (task, stream) → arm. Arms in a list are named by what they are.
        options: Options of the comparison.
        changes: Other values of options by name, as in `compare(task, arms, seeds=8)`.

    Raises:
        SettingError: An argument or an evaluation is not as expected, or a model would not repeat itself.
        CorrectorError: A corrector fails, or would not repeat itself.
        RunFolderError: The folder belongs to other settings, code or data.
    """
    options = replace_options(options, changes)
    if options.mode == "offline" and options.out is None:
        raise SettingError("wandb='offline' writes into the run folder; give out=FOLDER, or wandb='online'")
    where = options.where or options.to_where(options.workers)
    stream = streams(options.first_seed)
    named_tasks = tasks if isinstance(tasks, Mapping) else {"task": tasks}
    inputs = ComparisonInputs.from_sources(named_tasks, name_arms(arms))
    expanded = expand_arms(inputs.arms, options.gammas)
    expanded = add_copying(expanded) if options.copying else expanded
    inputs = ComparisonInputs(expand_tasks(inputs.tasks, options.real_counts), expanded)
    first = {name: entry.make(stream) for name, entry in inputs.tasks.items()}
    arm_settings, references, generations = arms_of(inputs, next(iter(first.values())), stream)
    references = choose_references(references, [arm.key for arm in arm_settings], options.reference)
    _check_evaluations(options, first, stream)
    packed = pack(inputs)
    page = make_comparison_page(arm_settings, references, options, generations)
    study_tasks = {}
    for name, task in first.items():
        study_tasks[name] = ComparedTask(
            arms=arm_settings,
            generations=generations,
            title=name if len(first) > 1 else "",
            real_counts={arm.key: len(task.real) for arm in arm_settings},
            packed=packed,
        )
    study = ComparisonStudy(
        name=options.title or "compare",
        tasks=study_tasks,
        seeds=seed_runs(first, options.first_seed, options.seeds),
        config={"comparison": 1, "tasks": [*first]},
        repair=options.repair,
        code=inputs.identities(first),
        measures=[
            RealScores("scores of real data", "first", REAL_SCORES_FILE),
            Calibration("calibration of the sampler", "first", CALIBRATION_FILE),
        ],
    )
    out = options.out
    with nullcontext(out) if out is not None else tempfile.TemporaryDirectory() as folder:
        return run_study(
            study,
            page,
            Path(folder),
            where,
            command=options.command,
            accept_changed=options.accept_changed,
            wandb=options,
            observe=options.observe,
            kept=out is not None,
        )


def arms_of(
    inputs: ComparisonInputs, task: Task, stream: Stream
) -> tuple[tuple[ArmSettings, ...], dict[str, str], int]:
    """Return arms, references by arm name, and the number of generations.

    An arm's reference is the same arm without correction, or else the baseline, which has none.
    """
    loop_arms = {name: entry.make(task, stream)[1] for name, entry in inputs.arms.items()}
    lengths = {name: arm.generations for name, arm in loop_arms.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{title} has {count}" for title, count in lengths.items())
        raise SettingError(f"all arms of a comparison need the same number of generations: {listed}")
    arms = tuple(read_loop_arm(loop_arm, name) for name, loop_arm in loop_arms.items())
    baseline = next((arm.key for arm in arms if arm.is_baseline), "")
    references = {arm.key: _find_uncorrected(arm.key, loop_arms) or baseline for arm in arms if not arm.is_baseline}
    return arms, references, next(iter(lengths.values()))


def _find_uncorrected(name: str, arms: Mapping[str, Arm]) -> str:
    """Return the name of the same arm without correction, "" for none."""
    if arms[name].correction is None:
        return ""
    plain = replace(arms[name], correction=None, correct_real=False)
    return next((other_name for other_name, arm in arms.items() if arm == plain), "")


def _check_evaluations(options: ComparisonOptions, first: Mapping[str, Task], stream: Stream) -> None:
    """Check that evaluations measure the options' qualities.

    Raises SettingError for an evaluation that measures nothing, or that lacks a quality that an option names.
    """
    for name, task in first.items():
        try:
            scores = _evaluate_real(measure_novelty_of(task), task.real, stream.child("directions"))
        except Exception:  # an evaluation may ask a model for anything, and there is none yet
            continue
        if not isinstance(scores, Mapping):
            raise SettingError(
                f"the evaluation of task {name!r} must return numbers by name, got {describe_value(scores)}"
            )
        check_qualities(name, [*scores])
        options.check_measured([*scores])


@dataclass(frozen=True, kw_only=True)
class ComparedTask(StudyTask[Task]):
    """A user's task with all arms; each job works on copies, so that none changes another."""

    packed: bytes
    """All tasks and arms."""

    @property
    def inputs(self) -> ComparisonInputs:
        """Copies of all tasks and arms."""
        return pickle.loads(self.packed)

    def make_task(self, run: SeedRun, progress: Progress) -> Task:
        return measure_novelty_of(self.inputs.tasks[run.task].make(run.stream))

    def make_arm(self, arm: ArmSettings, task: Task, run: SeedRun, progress: Progress) -> tuple[Task, Arm]:
        return self.inputs.arms[arm.key].make(task, run.stream)

    def describe(self, run: SeedRun, arm: ArmSettings | None, task: Task, loop_arm: Arm | None) -> Mapping[str, object]:
        if arm is None or loop_arm is None:
            return {"task": run.task, "seed": run.seed, "initial_steps": task.initial_steps}
        return {"arm": arm.key, "task": run.task, "seed": run.seed, "settings": config_of(loop_arm)}

    def identify_data(self, run: SeedRun, task: Task) -> Mapping[str, Identity]:
        """Identify the real data of a seed."""
        return {f"the real training data of seed {run.seed}": identity_of_data(task.real)}


@dataclass(frozen=True, kw_only=True)
class ComparisonStudy(Study):
    """A comparison of user arms as a study."""

    tasks: Mapping[str, ComparedTask]

    def try_code(self, names: Sequence[str]) -> None:
        """Try all user models, evaluations, policies and correctors before anything is trained."""
        seed_stream = self.seeds[0].stream
        stream = seed_stream.child("trial")
        inputs = next(iter(self.tasks.values())).inputs
        for task_entry in inputs.tasks.values():
            task = task_entry.make(seed_stream)
            model = try_model(task.model, task.real, stream) if is_of_users(task.model) else None
            if is_of_users(task.evaluate):
                model = model or task.model.fit(task.real, 1, stream.child("train"))
                try_evaluation(replace(task, model=model), model, stream)
            for arm_entry in inputs.arms.values():
                _, loop_arm = arm_entry.make(task, seed_stream)
                if is_of_users(loop_arm.policy):
                    try_policy(loop_arm.policy, task.real, stream)
                if loop_arm.correction is not None and is_of_users(loop_arm.correction.corrector):
                    model = model or task.model.fit(task.real, 1, stream.child("train"))
                    try_correction(loop_arm.correction, model, task.real, stream)

    def check_folder(self, root: Path, *, accept_changed: bool) -> None:
        """Refuse to leave out a recorded arm, because the others would be compared with another arm."""
        left_out: dict[str, None] = {}
        for run in self.runs(root):
            names = {folder_name(arm.key) for arm in self.arms(run.task)}
            folders = run.folder.iterdir() if run.folder.is_dir() else ()
            for folder in sorted(folders):
                if (folder / CONFIG).is_file() and folder != run.first_folder and folder.name not in names:
                    left_out[folder.name] = None
        if not left_out:
            return
        message = f"the arms of {root} include {', '.join(left_out)}, which this call leaves out"
        if not accept_changed:
            raise RunFolderError(
                f"{message}, so other arms may get another reference than before; pass all arms again, or choose "
                f"another folder; {ACCEPT} reports without them"
            )
        print(f"selfcorrect: {message}", file=sys.stderr)


@dataclass(frozen=True)
class RealScores(Measure[Task]):
    """Scores of memoriser and held-out data, for tasks that have some."""

    def measure(self, run: SeedRun, arm: ArmSettings | None, task: Task, progress: Progress) -> Mapping[str, object]:
        """Return the scores.

        Returns:
            "memoriser": scores of the training set resampled, by name, and "held_out": those of held-out data. Or
            "missing": why the evaluation cannot score real data.
        """
        stream = run.stream.child("real")
        try:
            scores = {"memoriser": _score_real(task, task.real, stream)}
            if task.held_out is not None:
                scores["held_out"] = _score_real(task, task.held_out, stream.child("held out"))
        except Exception as error:  # an evaluation may ask a model for anything; the floor is not worth the run
            return {"missing": f"{type(error).__name__}: {error}"}
        values = {name: value for own in scores.values() for name, value in own.items()}
        if not_finite := [name for name, value in values.items() if not math.isfinite(value)]:
            return {"missing": f"{not_finite[0]} of real data is {values[not_finite[0]]}"}
        return scores


@dataclass(frozen=True)
class Calibration(Measure[Task]):
    """What the sampler of generation 0 keeps."""

    def measure(self, run: SeedRun, arm: ArmSettings | None, task: Task, progress: Progress) -> Mapping[str, object]:
        """Measure what the sampler keeps; empty if the model or data do not tell."""
        stream = run.stream.child("calibration")
        if len(task.real) > MAX_CALIBRATED:
            return {}
        try:
            with global_generators.use_seed(stream.seed):
                model = task.model.load_state(run.first().state(0))
                calibration = calibrate_sampler(model, task.real, stream, draws=1)
        except Exception:  # values of users may be of any shape; the figures are not worth the run
            return {}
        figures = (calibration.offspring_variance, calibration.within_labels, *calibration.variance_kept.values())
        return as_json(asdict(calibration)) if all(map(math.isfinite, figures)) else {}


def _score_real(task: Task, data: Samples, stream: Stream) -> dict[str, float]:
    """Return real data's mean score per quality, as if a model had drawn the data."""
    return {name: float(np.mean(np.asarray(value))) for name, value in _evaluate_real(task, data, stream).items()}


def _evaluate_real(task: Task, data: Samples, stream: Stream) -> Any:
    """Score real data like a model's draws."""
    return task.evaluate(Candidate(0, RealDraws(data), None, task.real, stream))  # type: ignore[arg-type]
