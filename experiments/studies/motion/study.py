"""The motion experiment as a study: denoisers × arms × seeds on real motions, and what real data score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.correctors.anchors import temporal_frequencies
from selfcorrect.loop.correctors.loop_correction import Correction
from selfcorrect.loop.models.diffusion.denoiser_table import DENOISERS
from selfcorrect.loop.models.diffusion.model import choose_device
from selfcorrect.loop.models.diffusion.presets import preset
from selfcorrect.loop.models.protocol import GenerativeModel
from selfcorrect.loop.policy import parse_policy
from selfcorrect.loop.policy_table import POLICIES, split_policy
from selfcorrect.loop.remedies.remedies import RemedyInputs, with_place, with_remedy
from selfcorrect.loop.remedies.spectrum import restore_energy
from selfcorrect.loop.remedies.table import REMEDIES
from selfcorrect.loop.run import Arm, Task
from selfcorrect.loop.store.origin import digest_settings
from selfcorrect.loop.store.run_folder import FEASIBILITY_FILE, REFERENCES_FILE
from selfcorrect.loop.trial import try_correction, try_policy
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.motion.measures.metrics import METRIC_TABLE, added_metrics, load_metric
from selfcorrect.runtime.identity import Identity, identity_of
from selfcorrect.runtime.progress import Progress, silent
from selfcorrect.runtime.registry import import_callable
from selfcorrect.simulators.corrector import MIN_SAMPLES
from selfcorrect.simulators.settings.engine_table import ENGINES

from ...jobs.identities import identity_of_data
from ...jobs.run import RUNNERS, use_one_thread
from ...jobs.where import Resources, Where
from ..arms import ArmSettings
from ..loop_arms import make_loop_arm
from ..study import LOOP_RESOURCES, Measure, SeedRun, Study, StudyTask, seed_runs
from .correctors.own import CorrectorInputs, build_corrector, own_identity, try_corrector
from .correctors.table import corrector_row, is_own
from .measures import measure_model, score_references
from .own_generator import identify_generator, try_own_model
from .settings import DEFAULTS, MotionSettings, RunOptions, extends
from .task import MotionTask, Sharing, as_samples, make_motion_task, motion_data, sampled_task, trained_model

_HERE = Where()


@dataclass(frozen=True, kw_only=True)
class MotionStudyTask(StudyTask[MotionTask]):
    """The arms of a denoiser."""

    experiment: MotionSettings
    options: RunOptions
    device: str = ""
    """Device of all jobs; "" for that of the options."""

    def make_task(self, run: SeedRun, progress: Progress = silent) -> MotionTask:
        """Return the task of a denoiser and seed."""
        experiment = self.experiment
        has_first = run.first().latest >= 0
        sharing = Sharing(
            device=self.device or self.options.device,
            progress=progress,
            training_steps=(experiment.steps if has_first else experiment.initial_steps)[run.task],
        )
        return make_motion_task(experiment, run.task, run.stream, sharing)

    def make_arm(self, arm: ArmSettings, task: MotionTask, run: SeedRun, progress: Progress) -> tuple[Task, Arm]:
        """Make the loop's task, and its arm with corrector, place and remedy."""
        experiment = self.experiment
        first_model = task.model.load_state(run.first().state(0))
        inputs = corrector_inputs(experiment, self.options, run, task, first_model, progress)
        corrector = build_corrector(arm.corrector, inputs)
        correction = None
        if corrector is not None:
            drops = not is_own(arm.corrector) and corrector_row(arm.corrector).residual_free
            on_rejection = "drop" if drops and arm.rejected == "redraw" else arm.rejected
            correction = Correction(corrector, arm.strength, arm.operator, on_rejection=on_rejection)
        loop_arm = make_loop_arm(arm, experiment.generations, experiment.steps[run.task], correction, task.fresh_source)
        placed_task, loop_arm = with_place(sampled_task(task, arm, progress), loop_arm, arm.place)
        remedy_inputs = RemedyInputs(embed=temporal_frequencies, finish=partial(finish_children, task.codec))
        return with_remedy(placed_task, loop_arm, arm.remedy, remedy_inputs)

    def describe(
        self, run: SeedRun, arm: ArmSettings | None, task: MotionTask, loop_arm: Arm | None
    ) -> Mapping[str, object]:
        return {
            "arm": "first generation" if arm is None else arm.key,
            "seed": run.seed,
            "experiment": self.experiment.arm_settings(run.task),
            "device": self.options.device,
        }

    def identify_data(self, run: SeedRun, task: MotionTask) -> Mapping[str, Identity]:
        return data_identities(run.seed, task.real, as_samples(task.data.reference, task.codec))


@dataclass(frozen=True)
class RealDataScores(Measure[MotionTask]):
    """Scores of real data, also of corrected real data if arms or evaluations correct them."""

    experiment: MotionSettings
    options: RunOptions

    def measure(
        self, run: SeedRun, arm: ArmSettings | None, task: MotionTask, progress: Progress
    ) -> Mapping[str, object]:
        """Return the scores by title."""
        experiment = self.experiment
        inputs = corrector_inputs(experiment, self.options, run, task, task.model, progress)
        count = experiment.feasibility_count
        return score_references(task, inputs, run.stream, feasibility_count=count, corrected=experiment.corrects_real)


@dataclass(frozen=True)
class LastModelFigures(Measure[MotionTask]):
    """Figures of the last model of an arm."""

    experiment: MotionSettings

    def measure(
        self, run: SeedRun, arm: ArmSettings | None, task: MotionTask, progress: Progress
    ) -> Mapping[str, object]:
        """Return the figures by key."""
        assert arm is not None
        experiment = self.experiment
        model = trained_model(task, arm, run.generations(arm), experiment.generations)
        return measure_model(task, model, run.stream, experiment.feasibility_count, experiment.engine)


@dataclass(frozen=True, kw_only=True)
class MotionStudy(Study):
    """A motion experiment as a study."""

    experiment: MotionSettings
    options: RunOptions

    def extends(self, recorded: Mapping[str, Any], requested: Mapping[str, Any]) -> bool:
        """Return True if a config has all arms, seeds and generations of the recorded config."""
        return extends(recorded, requested)

    @property
    def fixed(self) -> Mapping[str, object]:
        return self.experiment.fixed()

    def try_code(self, names: Sequence[str]) -> None:
        """Try the users' policies, metrics and correctors of these names."""
        try_policies_and_metrics(self.experiment, names)
        try_correctors(self.experiment, names, limit_s=self.options.corrector_timeout_s)


def make_motion_study(settings: MotionSettings, name: str = "", options: RunOptions = DEFAULTS) -> MotionStudy:
    """Return a motion experiment, named like the preset."""
    return MotionStudy(
        name=f"motion {name}",
        task_word="denoiser",
        tasks={denoiser: _make_study_task(settings, options, denoiser) for denoiser in settings.arms},
        seeds=motion_runs(settings),
        config=settings.config(),
        keep=options.keep,
        measures=[
            RealDataScores("real data", "seed", REFERENCES_FILE, settings, options),
            LastModelFigures("feasibility", "arm", FEASIBILITY_FILE, settings),
        ],
        repair=options.repair,
        has_timings=True,
        experiment=settings,
        options=options,
    )


def motion_runs(settings: MotionSettings, root: Path = Path()) -> list[SeedRun]:
    """Return all seeds and denoisers of an experiment."""
    runs = seed_runs(settings.arms, settings.first_seed, settings.seeds, root)
    digest = digest_settings(settings.fixed())
    return [replace(run, study=digest) for run in runs]


def _make_study_task(settings: MotionSettings, options: RunOptions, denoiser: str) -> MotionStudyTask:
    arm_settings = settings.arm_settings(denoiser)
    plain = {name: value for name, value in arm_settings.items() if isinstance(value, str | bool | int | float)}
    sources = {"data": ", ".join(settings.data), "reference": ", ".join(settings.reference)}
    return MotionStudyTask(
        arms=settings.arms[denoiser],
        generations=settings.generations,
        title=settings.words(denoiser),
        settings={"generations": settings.generations, **plain, **sources},
        experiment=settings,
        options=options,
    )


def data_identities(seed: int, real: Samples, reference: Samples) -> dict[str, Identity]:
    """Return the identities of a seed's data; names are for messages."""
    return {
        f"the real training data of seed {seed}": identity_of_data(real),
        f"what seed {seed} is compared against": identity_of_data(reference),
    }


def finish_children(codec: FeatureCodec, children: Tensor, parents: Tensor, labels: Tensor) -> Tensor:
    """Give children (N, T, D) valid rotations and, per label, the parents' energy at high frequencies.

    Rotations are made valid first, because that adds energy, which would add up along the lines.
    """
    valid = codec.encode(codec.decode(children))
    return codec.encode(codec.decode(restore_energy(valid, parents, labels)))


def corrector_inputs(
    settings: MotionSettings,
    options: RunOptions,
    run: SeedRun,
    task: MotionTask,
    first_model: GenerativeModel,
    progress: Progress,
) -> CorrectorInputs:
    """Return the inputs of a seed's correctors; `first_model` is of generation 0."""
    stream = run.stream.child("corrector")
    return CorrectorInputs(
        task.codec,
        task.real,
        first_model,
        stream,
        progress,
        limit_s=options.corrector_timeout_s,
        in_process=options.corrector_in_process,
        engine=settings.engine,
        simulation=settings.simulation,
    )


# --- before anything runs ---


def check_motion_study(study: MotionStudy, where: Where = _HERE) -> MotionStudy:
    """Check a study before anything is written, and return it with its user code, device and resources.

    The device is decided once, so that no job differs by the machine. Real data are read first, so that faults raise
    errors before anything is written.

    Raises:
        SettingError: Code of users has no source.
    """
    use_one_thread()  # before an evaluation is fitted, which jobs in this process share
    device = _decide_device(study.options.device, where)
    tasks = {name: replace(task, device=device) for name, task in study.tasks.items()}
    identities = own_identities(study.experiment, study.options.corrector_timeout_s)
    motion_data(study.experiment, streams(study.experiment.first_seed))
    if study.experiment.generator and ":" in study.experiment.generator[0]:
        _try_generator(study.experiment)
    return replace(study, code=identities, tasks=tasks, resources=_request_resources(study.experiment, device))


def _try_generator(settings: MotionSettings) -> None:
    """Try a user's generator, with every arm's changes, before anything is trained.

    Raises:
        SettingError: A change fails.
    """
    stream = streams(settings.first_seed)
    task = make_motion_task(settings, next(iter(settings.arms)), stream)
    try_own_model(settings.generator[0], task.model, task.real, stream.child("trial"))
    for arm in settings.all_arms:
        loop_arm = Arm(parse_policy(arm.policy, task.fresh_source), generations=1)
        with_remedy(sampled_task(task, arm), loop_arm, arm.remedy, RemedyInputs())


def _decide_device(name: str, where: Where) -> str:
    """Decide the device of all jobs; on a cluster, "auto" is a GPU if the jobs ask for one."""
    if RUNNERS.row(where.chosen).is_local:
        return str(choose_device(name))
    if name != "auto":
        return name
    return "cuda" if Resources().change(where.options).gpus else "cpu"


_LOOPS_PER_CARD = 4
"""Most loops that share a GPU by default: each takes memory there, and all wait for the same card. Not measured."""
_MAX_CORES = 16 // _LOOPS_PER_CARD
"""Most cores of a loop on a GPU by default: nodes have about 16 per GPU, for `_LOOPS_PER_CARD` loops."""


def _request_resources(settings: MotionSettings, device: str) -> Resources:
    """Return what a loop asks for: a core, or a share of a GPU and the cores that corrections can use."""
    if not device.startswith("cuda"):
        return LOOP_RESOURCES
    usable = settings.real_count // MIN_SAMPLES if settings.has_correctors else 1
    cores = max(1, min(usable, _MAX_CORES))
    return Resources(cores, 1 / _LOOPS_PER_CARD, memory_gb=4.0)


def limit_processes(workers: int, device: str) -> int:
    """Limit workers to what the device allows."""
    return min(workers, _LOOPS_PER_CARD) if choose_device(device).type == "cuda" else workers


def own_identities(settings: MotionSettings, limit_s: float | None = None) -> dict[str, Identity]:
    """Return the identities of user code and of other packages' code that settings name, by names for messages.

    Raises:
        SettingError: Code cannot be loaded.
    """
    identities = {}
    for name in settings.own_correctors:
        identities[_describe_corrector(name)] = own_identity(name, limit_s)
    denoisers = set() if settings.generator else {preset(denoiser).config.denoiser for denoiser in settings.arms}
    if settings.generator:
        identities |= identify_generator(settings.generator[0])
    remedies = {arm.remedy for arm in settings.all_arms}
    policies = set()
    for policy in dict.fromkeys(split_policy(arm.policy)[0] for arm in settings.all_arms):
        if ":" in policy:
            identities[f"policy {policy!r}"] = identity_of(import_callable(policy, "policy", may_be_class=True))
        else:
            policies.add(policy)
    for reference in settings.metric:
        identities[f"metric {reference!r}"] = identity_of(load_metric(reference).measure)
    chosen = ((DENOISERS, denoisers), (REMEDIES, remedies), (POLICIES, policies), (ENGINES, {settings.engine}))
    added = (METRIC_TABLE, [metric.key for metric in added_metrics()])
    for registry, names in (*chosen, added):
        for name in sorted(names):
            identities |= registry.identify(name)
    return identities


def _describe_corrector(corrector: str) -> str:
    """A corrector in messages."""
    return f"corrector {corrector!r}"


def try_policies_and_metrics(settings: MotionSettings, unknown: Sequence[str]) -> None:
    """Try users' policies, and the metrics of users and other packages, on a few real samples.

    Raises:
        SettingError: One of them fails, or a policy gives another training set each time.
    """
    has_metrics = any(name.startswith(("metric ", f"{METRIC_TABLE.kind} ")) for name in unknown)
    all_policies = dict.fromkeys(arm.policy for arm in settings.all_arms)
    policies = [policy for policy in all_policies if _is_of_others(split_policy(policy)[0])]
    if not has_metrics and not policies:
        return
    stream = streams(settings.first_seed)
    task = make_motion_task(settings, next(iter(settings.arms)), stream)
    for policy in policies:
        try_policy(parse_policy(policy, task.fresh_source), task.real, stream)
    if has_metrics:
        task.score_samples(task.real.take(torch.arange(min(len(task.real), _TRIED))))


def _is_of_others(policy: str) -> bool:
    """Return whether a policy's name refers to code of users or another package."""
    return ":" in policy or POLICIES.is_added(policy)


_TRIED = 64
"""Most real samples on which metrics are tried."""


def try_correctors(settings: MotionSettings, unknown: Sequence[str], limit_s: float | None = None) -> None:
    """Try users' correctors on two real samples and on two of a network that has seen a single training step.

    An engine of another package is tried with the corrector that simulates in it.

    Raises:
        CorrectorError: A corrector fails, or gives other answers when it is called again.
        InputError: An engine fails.
    """
    names = [name for name in settings.own_correctors if _describe_corrector(name) in unknown]
    has_new_engine = any(name in unknown for name in ENGINES.identify(settings.engine))
    if not names and not has_new_engine:
        return
    stream = streams(settings.first_seed)
    task = make_motion_task(settings, next(iter(settings.arms)), stream)
    real = task.real
    trial = stream.child("trial")
    model = task.model.fit(real, 1, trial.child("train"))
    inputs = CorrectorInputs(task.codec, real, model, trial, silent, limit_s, engine=settings.engine)
    for name in names:
        try_corrector(name, inputs)
    if has_new_engine:
        corrector = build_corrector("physics", inputs)
        assert corrector is not None
        correction = Correction(corrector, name=f"physics in {ENGINES.title(settings.engine)}")
        try_correction(correction, model, real, trial)
