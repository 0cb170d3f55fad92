"""The jobs of a motion experiment: generation 0 and the arms of each denoiser and seed, and what real data score.

Worker processes import this file, so it needs nothing of the report.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from torch import Tensor

from selfcorrect.core.errors import RunFolderError
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.anchors import temporal_frequencies
from selfcorrect.correctors.contract import Corrector
from selfcorrect.correctors.correction import Correction
from selfcorrect.loop.policy import parse_policy, reads_past
from selfcorrect.loop.run import Plan, Task, run_loop, train_first_generation
from selfcorrect.models.protocol import GenerativeModel
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.preferences.reward import Reward
from selfcorrect.remedies.spectrum import energy_kept
from selfcorrect.storage.runs.folder_store import FolderReader, FolderStore
from selfcorrect.storage.runs.protocol import Generation
from selfcorrect.storage.runs.tracking import MetricsFile

from ...curation.in_loops import kept_reward, raters_of
from ...jobs.identities import IDENTITIES, IdentityFile, identity_of_data
from ...jobs.progress_bars import Progress
from ...jobs.run import Job
from ...remedies.remedies import RemedyInputs, with_remedy
from ..correctors.builtin import CorrectorInputs, build_corrector
from ..correctors.table import corrector_row, is_own
from ..settings.arms import Arm
from ..settings.presets import MotionSettings
from ..settings.run_options import DEFAULTS, RunOptions
from .feasibility import write_feasibility
from .models import sampled_task, sampling_state
from .references import write_references
from .seed_runs import SeedRun, seed_runs
from .task import MotionTask, as_samples, motion_task

ACCEPT = "--accept-changed"
"""The option that lets a run resume with what was changed."""


def jobs(settings: MotionSettings, folder: Path, options: RunOptions = DEFAULTS) -> list[Job]:
    """All jobs: generation 0 of each denoiser and seed, then its arms; and what real data score for each seed."""
    result = []
    for run in seed_runs(settings, folder, options):
        label = f"{run.comparison.preset.character} seed {run.seed}"
        first = Job(f"{label} generation 0", run_first_generation, (run,), 1)
        result.append(first)
        if run.comparison == settings.comparisons[0]:
            result.append(Job(f"real data seed {run.seed}", run_references, (run,), 1))
        result += [
            Job(f"{label} {arm.label}", run_arm, (run, arm), settings.generations, (first.name,))
            for arm in run.comparison.arms
        ]
    return result


def record_data(run: SeedRun, real: Samples, reference: Samples) -> None:
    """Keep what the data of a seed are; RunFolderError where they were changed since the run began."""
    data = {
        f"the real training data of seed {run.seed}": identity_of_data(real),
        f"what seed {run.seed} is judged against": identity_of_data(reference),
    }
    run.folder.mkdir(parents=True, exist_ok=True)
    IdentityFile(run.folder / IDENTITIES, ACCEPT).record(data, accept_changed=run.options.accept_changed)


def _store(run: SeedRun, folder: Path, task: MotionTask, arm: Arm | None, *, keep_samples: bool = True) -> FolderStore:
    """The run folder of an arm, or of generation 0, with all that its results depend on as its config."""
    config = {
        "arm": arm.name if arm else "first generation",
        "seed": run.seed,
        "experiment": run.settings.of_arms(run.comparison.denoiser),
        "device": run.options.device,
        **({"accelerated": True} if run.options.accelerated else {}),
    }
    return FolderStore(folder, config, keep_models=False, keep_samples=keep_samples, repair=run.options.repair)


def run_references(run: SeedRun, progress: Progress) -> None:
    """Score real data, raw and corrected."""
    task = motion_task(
        run.settings, run.comparison, run.stream, run.options.device, progress, acceleration=run.acceleration
    )
    write_references(
        run.seed_folder, task, _inputs(run, task, task.task.model, progress), run.stream, repair=run.options.repair
    )
    progress("generation", 0, run.settings.generations)


def run_first_generation(run: SeedRun, progress: Progress) -> None:
    """Train and commit the generation 0 that all arms of a run share."""
    steps = run.settings.initial_steps[run.comparison.denoiser]
    task = motion_task(run.settings, run.comparison, run.stream, run.options.device, progress, steps, run.acceleration)
    record_data(run, task.task.real, as_samples(task.data.reference, task.codec))
    with _store(run, run.first_folder, task, None) as store:
        train_first_generation(task.task, store, run.stream)
    progress("generation", 0, run.settings.generations)


def run_arm(run: SeedRun, arm: Arm, progress: Progress) -> None:
    """Run one arm from where it stands to its last generation."""
    steps = run.settings.steps[run.comparison.denoiser]
    task = motion_task(run.settings, run.comparison, run.stream, run.options.device, progress, steps, run.acceleration)
    first = FolderReader(run.first_folder)
    loop_task, plan = arm_plan(run, arm, task, first, progress)
    keep = run.options.keep or "all"
    keep_samples = keep == "all" or reads_past(plan.policy)
    with _store(run, run.arm_folder(arm), task, arm, keep_samples=keep_samples) as store:
        _require_kept(store, plan)
        for generation in range(1, store.latest + 1):
            progress("generation", generation, run.settings.generations)
        metrics = MetricsFile(run.arm_folder(arm) / "metrics.jsonl", store, first)

        def observe(generation: Generation) -> None:
            metrics(generation)
            progress("generation", generation.number, run.settings.generations)

        model = run_loop(loop_task, plan, store, first, run.stream, observe)
        write_feasibility(run, task, arm)
        if keep != "all":
            store.finish(sampling_state(model) if keep == "sampling" else None)


def _require_kept(store: FolderStore, plan: Plan) -> None:
    """RunFolderError where a finished arm cannot go on, because what it takes was not kept."""
    if 0 < store.latest < plan.generations and not store.has_whole_model(store.latest):
        raise RunFolderError(
            f"{store.folder} was finished with --keep sampling, from which no model is trained on: it has "
            f"{store.latest} generations and cannot go on to {plan.generations}; use another --out, or --keep all there"
        )
    if 1 < store.latest < plan.generations and reads_past(plan.policy) and not store.has_samples(1):
        raise RunFolderError(
            f"{store.folder} was finished with --keep needed, and its policy reads past samples: it has "
            f"{store.latest} generations and cannot go on to {plan.generations}; use another --out, or --keep all there"
        )


def arm_plan(run: SeedRun, arm: Arm, task: MotionTask, first: FolderReader, progress: Progress) -> tuple[Task, Plan]:
    """The loop's task and plan for an arm."""
    inputs = _inputs(run, task, task.task.model.load_state(first.state(0)), progress)
    loop_task = sampled_task(task, arm, progress)
    corrector = build_corrector(arm.corrector, inputs)
    plan = Plan(
        policy=parse_policy(arm.policy, task.fresh_source),
        generations=run.settings.generations,
        steps=run.settings.steps[run.comparison.denoiser],
        correction=None if corrector is None else _correction(corrector, arm),
        correct_real=arm.correct_real,
    )
    return with_remedy(loop_task, plan, arm.remedy, _remedy_inputs(task.codec, inputs.reward))


def _correction(corrector: Corrector, arm: Arm) -> Correction:
    drops = not is_own(arm.corrector) and corrector_row(arm.corrector).residual_free
    return Correction(corrector, arm.strength, arm.operator, on_rejection="drop" if drops else "redraw")


def _remedy_inputs(codec: FeatureCodec, reward: Reward | None) -> RemedyInputs:
    raters = () if reward is None else raters_of(reward, codec)
    return RemedyInputs(embed=temporal_frequencies, finish=partial(finish_children, codec), raters=raters)


def finish_children(codec: FeatureCodec, children: Tensor, parents: Tensor, labels: Tensor) -> Tensor:
    """Children (N, T, D) with valid rotations and, per label, their parents' energy at high frequencies.

    Rotations are made valid first, because that adds energy, which would add up along the lines.
    """
    valid = codec.encode(codec.decode(children))
    return codec.encode(codec.decode(energy_kept(valid, parents, labels)))


def _inputs(run: SeedRun, task: MotionTask, first_model: GenerativeModel, progress: Progress) -> CorrectorInputs:
    stream = run.stream.child("corrector")
    options = run.options
    return CorrectorInputs(
        task.codec,
        task.task.real,
        first_model,
        stream,
        progress,
        limit_s=options.corrector_timeout_s,
        in_process=options.corrector_in_process,
        engine=run.settings.engine,
        reward=kept_reward(run.root),
    )
