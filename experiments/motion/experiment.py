"""Does physics keep a self-consuming motion model from collapsing? The main experiment, from data to report."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from selfcorrect.anchors import temporal_frequencies
from selfcorrect.correction import Correction
from selfcorrect.experiments.defences import DefenceInputs, defended
from selfcorrect.experiments.jobs import Job, require_runner, run_jobs
from selfcorrect.experiments.motion.arms import Arm
from selfcorrect.experiments.motion.correctors import CorrectorInputs, build_corrector
from selfcorrect.experiments.motion.models import sampled_task
from selfcorrect.experiments.motion.presets import MotionSettings
from selfcorrect.experiments.motion.references import write_references
from selfcorrect.experiments.motion.report import write_report
from selfcorrect.experiments.motion.seed_runs import SeedRun, seed_runs
from selfcorrect.experiments.motion.task import MotionTask, motion_data, motion_task
from selfcorrect.experiments.progress_bars import Progress
from selfcorrect.experiments.where import Where
from selfcorrect.loop import Plan, Task, run_loop, train_first_generation
from selfcorrect.models.diffusion.model import choose_device
from selfcorrect.models.protocol import GenerativeModel
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.policy import parse_policy, reads_past
from selfcorrect.randomness import streams
from selfcorrect.samples import fingerprint
from selfcorrect.spectrum import energy_kept
from selfcorrect.storage.folder_store import FolderReader, FolderStore
from selfcorrect.storage.protocol import Generation
from selfcorrect.storage.run_folder import claim_folder
from selfcorrect.tracking import MetricsFile, WandbMode


def run_experiment(
    settings: MotionSettings,
    folder: Path,
    name: str,
    where: Where,
    *,
    command: str = "",
    wandb: WandbMode = "offline",
    **how: Any,
) -> None:
    """Run an experiment, or what is left of it in its run folder, and write its report.

    command: what does it again, for its report; `how` as in `seed_runs`.
    """
    require_runner(where)
    if not where.cluster.cluster:
        choose_device(
            how.get("device", "auto")
        )  # a bad device ends the run before it has written anything, as bad data
    motion_data(settings, streams(settings.first_seed))  # as bad data do
    started = time.monotonic()
    with claim_folder(folder, settings.config()):
        run_jobs(jobs(settings, folder, **how), where, f"motion {name}", folder=folder)
        print(f"\n{write_report(settings, folder, name, command or name, wandb, time.monotonic() - started)}")
    print(f"\nReport: {folder / 'report.html'}")


def _store(run: SeedRun, folder: Path, task: MotionTask, arm: Arm | None, *, keep_samples: bool = True) -> FolderStore:
    """The run folder of an arm, or of generation 0, with all that its results depend on as its config."""
    config = {
        "arm": arm.name if arm else "first generation",
        "seed": run.seed,
        "experiment": run.settings.config(),
        "data": fingerprint(task.task.real),
        "device": run.device,
        **({"accelerated": True} if run.accelerated else {}),
    }
    return FolderStore(folder, config, keep_models=False, keep_samples=keep_samples, repair=run.repair)


def run_references(run: SeedRun, progress: Progress) -> None:
    """Score real data, raw and corrected."""
    task = motion_task(run.settings, run.comparison, run.stream, run.device, progress, acceleration=run.acceleration)
    write_references(
        run.seed_folder, task, _inputs(run, task, task.task.model, progress), run.stream, repair=run.repair
    )
    progress("generation", 0, run.settings.generations)


def run_first_generation(run: SeedRun, progress: Progress) -> None:
    """Train and commit the generation 0 that all arms of a run share."""
    steps = run.settings.initial_steps[run.comparison.denoiser]
    task = motion_task(run.settings, run.comparison, run.stream, run.device, progress, steps, run.acceleration)
    with _store(run, run.first_folder, task, None) as store:
        train_first_generation(task.task, store, run.stream)
    progress("generation", 0, run.settings.generations)


def run_arm(run: SeedRun, arm: Arm, progress: Progress) -> None:
    """Run one arm from where it stands to its last generation."""
    steps = run.settings.steps[run.comparison.denoiser]
    task = motion_task(run.settings, run.comparison, run.stream, run.device, progress, steps, run.acceleration)
    first = FolderReader(run.first_folder)
    loop_task, plan = arm_plan(run, arm, task, first, progress)
    keep_samples = run.keep == "all" or reads_past(plan.policy)
    with _store(run, run.arm_folder(arm), task, arm, keep_samples=keep_samples) as store:
        for generation in range(1, store.latest + 1):
            progress("generation", generation, run.settings.generations)
        metrics = MetricsFile(run.arm_folder(arm) / "metrics.jsonl", store, first)

        def observe(generation: Generation) -> None:
            metrics(generation)
            progress("generation", generation.number, run.settings.generations)

        run_loop(loop_task, plan, store, first, run.stream, observe)
        if run.keep == "needed":
            store.finish()


def arm_plan(run: SeedRun, arm: Arm, task: MotionTask, first: FolderReader, progress: Progress) -> tuple[Task, Plan]:
    """The loop's task and plan for an arm."""
    inputs = _inputs(run, task, task.task.model.load_state(first.state(0)), progress)
    loop_task = sampled_task(task, arm, progress)
    corrector = build_corrector(arm.corrector, inputs)
    plan = Plan(
        policy=parse_policy(arm.policy, task.fresh_source),
        generations=run.settings.generations,
        steps=run.settings.steps[run.comparison.denoiser],
        correction=None if corrector is None else Correction(corrector, arm.strength, arm.operator),
        correct_real=arm.correct_real,
    )
    return defended(loop_task, plan, arm.defence, _defence_inputs(task.codec))


def _defence_inputs(codec: FeatureCodec) -> DefenceInputs:
    return DefenceInputs(embed=temporal_frequencies, finish=partial(finish_children, codec))


def finish_children(codec: FeatureCodec, children: Tensor, parents: Tensor, labels: Tensor) -> Tensor:
    """Children (N, T, D) with valid rotations and, per label, their parents' energy at high frequencies.

    Rotations are made valid first, because that adds energy, which would add up along the lines.
    """
    valid = codec.encode(codec.decode(children))
    return codec.encode(codec.decode(energy_kept(valid, parents, labels)))


def _inputs(run: SeedRun, task: MotionTask, first_model: GenerativeModel, progress: Progress) -> CorrectorInputs:
    stream = run.stream.child("corrector")
    return CorrectorInputs(task.codec, task.task.real, first_model, stream, progress, run.limit_s)


def jobs(settings: MotionSettings, folder: Path, **how: Any) -> list[Job]:
    """All jobs: generation 0 of each denoiser and seed, then its arms; and what real data score for each seed."""
    result = []
    for run in seed_runs(settings, folder, **how):
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
