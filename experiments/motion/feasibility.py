"""Feasibility of samples: the root residual that they need, in the two ways of `simulators.feasibility`."""

from collections.abc import Callable

import torch
from torch import Tensor

from selfcorrect.core.randomness import Stream
from selfcorrect.loop.policy import sampling_labels
from selfcorrect.models.protocol import GenerativeModel
from selfcorrect.motion.measures.metrics import EXPLAINED, FEASIBILITY, find_metric
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.runtime.progress import Progress

from ..studies.arms import ArmSettings
from ..studies.study import SeedRun
from .settings import MotionSettings
from .task import JudgedTask, trained_model

SAMPLES = 64
"""Samples of each arm and seed that benchmarks measure."""

KEYS = EXPLAINED


def feasibility(motions: MotionBatch, made_by: str) -> dict[str, float]:
    """Means over motions by `KEYS`: as they are, in an engine that did not make them, and after kinematic clean-up.

    made_by: the engine of the loop's correctors. Where no other one is installed, the keys of `FEASIBILITY` are absent.
    """
    from selfcorrect.simulators.cleanup.clean import CleanupSettings  # the simulators are only needed here
    from selfcorrect.simulators.feasibility import compute_contact_residual, select_evaluation_engine, simulate_residual

    engine = select_evaluation_engine(made_by)
    cleanup = CleanupSettings.for_samples()
    contacts = compute_contact_residual(motions, cleanup)
    figures = contacts.mean_force_bodyweights, contacts.without_support
    diagnostics = dict(zip(KEYS[len(FEASIBILITY) :], figures, strict=True))
    if engine is not None:
        needed = simulate_residual(motions, cleanup, engine)
        figures = needed.mean_force_bodyweights, needed.mean_moment_nm, needed.without_support
        diagnostics = dict(zip(FEASIBILITY, figures, strict=True)) | diagnostics
    return {key: find_metric(key).unit.convert(float(values.mean())) for key, values in diagnostics.items()}


def measure_feasibility(
    settings: MotionSettings,
    run: SeedRun,
    arm: ArmSettings | None,
    make_task: Callable[[], JudgedTask],
    progress: Progress,
) -> dict[str, float]:
    """Return the feasibility of raw samples of an arm's last model, as they are evaluated."""
    assert arm is not None
    task = make_task()
    model = trained_model(task, arm, run.arm_folder(arm), settings.generations)
    stream = run.stream.child("unexplained")
    labels = sampling_labels(task.real.labels, settings.feasibility_count, stream.child("label"))
    figures = feasibility(task.beginnings(model.sample(labels, stream.child("sample"))), settings.engine)
    return {**figures, **of_field(task, model, run.stream.child("field"))}


def of_field(task: JudgedTask, model: GenerativeModel, stream: Stream) -> dict[str, float]:
    """Means over the repetitions of the field's protocol, where the published model is run."""
    scores = task.field.score_model(model, stream) if task.field else {}
    return {key: float(values.mean()) for key, values in scores.items()}


def feasible_rows(task: JudgedTask, stream: Stream, count: int = SAMPLES) -> Tensor:
    """Select the real windows that are measured."""
    return torch.from_numpy(stream.child("unexplained").numpy().permutation(len(task.fresh))[:count])
