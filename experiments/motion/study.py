"""The motion experiment as a study: denoisers × arms × seeds on real motions, and what real data score."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.anchors import temporal_frequencies
from selfcorrect.correctors.contract import Corrector
from selfcorrect.correctors.loop_correction import Correction
from selfcorrect.loop.run import Arm, Task
from selfcorrect.models.diffusion.denoiser_table import DENOISERS
from selfcorrect.models.diffusion.model import choose_device
from selfcorrect.models.diffusion.presets import preset
from selfcorrect.models.protocol import GenerativeModel
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.motion.measures.metrics import METRIC_TABLE, added_metrics
from selfcorrect.remedies.spectrum import restore_energy
from selfcorrect.runtime.identity import Identity
from selfcorrect.runtime.progress import Progress, silent
from selfcorrect.simulators.settings.engine_table import ENGINES
from selfcorrect.storage.runs.folder_store import FolderReader
from selfcorrect.storage.runs.run_folder import FEASIBILITY_FILE, REFERENCES_FILE

from ..jobs.identities import IdentityFile, identity_of_data
from ..jobs.run import use_one_thread
from ..remedies.remedies import RemedyInputs, with_place, with_remedy
from ..remedies.table import REMEDIES
from ..studies.arms import ArmSettings
from ..studies.study import Measure, SeedRun, Study, StudyTask, seed_runs
from .correctors.own import CorrectorInputs, build_corrector, own_identity, try_corrector
from .correctors.table import corrector_row, is_own
from .first_generation import key_first_generation
from .measures import measure_model, score_references
from .settings import DEFAULTS, GENERATORS, MotionSettings, RunOptions, extends
from .task import (
    MotionTask,
    Sharing,
    as_samples,
    motion_data,
    motion_task,
    sampled_task,
    trained_model,
)

if TYPE_CHECKING:
    from ..studies.report import Page


def make_motion_study(
    settings: MotionSettings, name: str = "", options: RunOptions = DEFAULTS, page: Page | None = None
) -> Study:
    """Return a motion experiment, named like the preset; with a page if run with a report."""
    return Study(
        name=f"motion {name}",
        task_word="denoiser",
        tasks={denoiser: _make_study_task(settings, options, denoiser) for denoiser in settings.arms},
        seeds=motion_runs(settings),
        config=settings.config(),
        extends=extends,
        page=page,
        describe=partial(_describe_job, settings, options),
        identify_data=_identify_data,
        first_key=partial(key_first_generation, settings, options),
        keep=options.keep,
        measures=[
            Measure("real data", "seed", REFERENCES_FILE, partial(_score_real_data, settings, options)),
            Measure("feasibility", "arm", FEASIBILITY_FILE, partial(_measure_arm, settings)),
        ],
        repair=options.repair,
        has_timings=True,
    )


def motion_runs(settings: MotionSettings, root: Path = Path()) -> list[SeedRun]:
    """Return all seeds and denoisers of an experiment."""
    return seed_runs(settings.arms, settings.first_seed, settings.seeds, root)


def _make_study_task(settings: MotionSettings, options: RunOptions, denoiser: str) -> StudyTask:
    arm_settings = settings.arm_settings(denoiser)
    plain = {name: value for name, value in arm_settings.items() if isinstance(value, str | bool | int | float)}
    sources = {"data": ", ".join(settings.data), "reference": ", ".join(settings.reference)}
    return StudyTask(
        make=partial(make_motion_task, settings, options),
        arms={arm: partial(make_motion_arm, settings, options, arm) for arm in settings.arms[denoiser]},
        generations=settings.generations,
        title=settings.words(denoiser),
        settings={"generations": settings.generations, **plain, **sources},
    )


def make_motion_task(
    settings: MotionSettings, options: RunOptions, run: SeedRun, progress: Progress = silent
) -> MotionTask:
    """Return the task that the arms of a denoiser and seed share."""
    has_first = FolderReader(run.first_folder).latest >= 0
    sharing = Sharing(
        device=options.device,
        progress=progress,
        training_steps=(settings.steps if has_first else settings.initial_steps)[run.task],
    )
    return motion_task(settings, run.task, run.stream, sharing)


def make_motion_arm(
    settings: MotionSettings,
    options: RunOptions,
    arm: ArmSettings,
    task: Task,
    run: SeedRun,
    progress: Progress,
) -> tuple[Task, Arm]:
    """Return the loop's task and the loop's arm, with corrector, place and remedy."""
    assert isinstance(task, MotionTask)
    first_model = task.model.load_state(FolderReader(run.first_folder).state(0))
    inputs = corrector_inputs(settings, options, run, task, first_model, progress)
    corrector = build_corrector(arm.corrector, inputs)
    correction = None if corrector is None else _correction(corrector, arm)
    loop_arm = arm.make_arm(settings.generations, settings.steps[run.task], correction, task.fresh_source)
    placed_task, loop_arm = with_place(sampled_task(task, arm, progress), loop_arm, arm.place)
    remedy_inputs = RemedyInputs(embed=temporal_frequencies, finish=partial(finish_children, task.codec))
    return with_remedy(placed_task, loop_arm, arm.remedy, remedy_inputs)


def _describe_job(
    settings: MotionSettings,
    options: RunOptions,
    run: SeedRun,
    arm: ArmSettings | None,
    task: Task,
    loop_arm: Arm | None,
) -> Mapping[str, object]:
    return {
        "arm": "first generation" if arm is None else arm.key,
        "seed": run.seed,
        "experiment": settings.arm_settings(run.task),
        "device": options.device,
    }


def _identify_data(run: SeedRun, task: Task) -> dict[str, Identity]:
    assert isinstance(task, MotionTask)
    return data_identities(run.seed, task.real, as_samples(task.data.reference, task.codec))


def data_identities(seed: int, real: Samples, reference: Samples) -> dict[str, Identity]:
    """Return the identities of a seed's data, by a name for messages."""
    return {
        f"the real training data of seed {seed}": identity_of_data(real),
        f"what seed {seed} is compared against": identity_of_data(reference),
    }


def _score_real_data(
    settings: MotionSettings,
    options: RunOptions,
    run: SeedRun,
    arm: ArmSettings | None,
    make_task: Callable[[], Task],
    progress: Progress,
) -> Mapping[str, object]:
    """Score real data, and corrected real data if arms or evaluations correct real data."""
    task = make_task()
    assert isinstance(task, MotionTask)
    inputs = corrector_inputs(settings, options, run, task, task.model, progress)
    return score_references(
        task, inputs, run.stream, feasibility_count=settings.feasibility_count, corrected=settings.corrects_real
    )


def _measure_arm(
    settings: MotionSettings,
    run: SeedRun,
    arm: ArmSettings | None,
    make_task: Callable[[], Task],
    progress: Progress,
) -> Mapping[str, object]:
    """Measure the last model of an arm."""
    assert arm is not None
    task = make_task()
    assert isinstance(task, MotionTask)
    model = trained_model(task, arm, run.arm_folder(arm), settings.generations)
    return measure_model(task, model, run.stream, settings.feasibility_count, settings.engine)


def _correction(corrector: Corrector, arm: ArmSettings) -> Correction:
    drops = not is_own(arm.corrector) and corrector_row(arm.corrector).residual_free
    return Correction(corrector, arm.strength, arm.operator, on_rejection="drop" if drops else "redraw")


def finish_children(codec: FeatureCodec, children: Tensor, parents: Tensor, labels: Tensor) -> Tensor:
    """Children (N, T, D) with valid rotations and, per label, the parents' energy at high frequencies.

    Rotations are made valid first, because that adds energy, and the energy would add up along the lines.
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
    """Return the inputs of a seed's correctors; first_model: of generation 0."""
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
    )


# --- before anything runs ---


def check_motion_study(
    study: Study, settings: MotionSettings, options: RunOptions, *, is_elsewhere: bool = False
) -> Study:
    """Return a study that knows the users' code inside; raise what would end the run later.

    Real data are read first, so that faults raise errors before anything is written.

    Raises:
        SettingError: Code of users has no source.
    """
    use_one_thread()  # before an evaluation is fitted, which jobs in this process share
    if not is_elsewhere:
        choose_device(options.device)
    identities = own_identities(settings, options.corrector_timeout_s)
    motion_data(settings, streams(settings.first_seed))

    def identify_code(ledger: IdentityFile) -> dict[str, Identity]:
        try_correctors(settings, ledger.list_unrecorded(identities), limit_s=options.corrector_timeout_s)
        return identities

    return replace(study, identify_code=identify_code)


def own_identities(settings: MotionSettings, limit_s: float | None = None) -> dict[str, Identity]:
    """Return the identity of all code of users and other packages that settings name, by a name for messages.

    SettingError for one that cannot be loaded.
    """
    identities = {}
    for name in settings.own_correctors:
        identities[_corrector_named(name)] = own_identity(name, limit_s)
    denoisers = {preset(denoiser).config.denoiser for denoiser in settings.arms}
    remedies = {arm.remedy for arm in settings.all_arms}
    chosen = ((DENOISERS, denoisers), (REMEDIES, remedies), (ENGINES, {settings.engine}))
    added = (METRIC_TABLE, [metric.key for metric in added_metrics()])
    for registry, names in (*chosen, (GENERATORS, settings.generator[:1]), added):
        for name in sorted(names):
            identities |= registry.identify(name)
    return identities


def _corrector_named(corrector: str) -> str:
    """A corrector in messages."""
    return f"corrector {corrector!r}"


def try_correctors(settings: MotionSettings, unknown: Sequence[str], limit_s: float | None = None) -> None:
    """Call correctors of users on two real samples and on two of a network that has seen a single training step.

    Raises:
        CorrectorError: A corrector fails; a corrector that answers differently each time is warned of.
    """
    names = [name for name in settings.own_correctors if _corrector_named(name) in unknown]
    if not names:
        return
    stream = streams(settings.first_seed)
    task = motion_task(settings, next(iter(settings.arms)), stream)
    real = task.real
    trial = stream.child("trial")
    model = task.model.fit(real, 1, trial.child("train"))
    inputs = CorrectorInputs(task.codec, real, model, trial, silent, limit_s, engine=settings.engine)
    for name in names:
        if warning := try_corrector(name, inputs):
            print(f"selfcorrect: {warning}", file=sys.stderr)
