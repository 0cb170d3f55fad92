"""Measurements beside the loop: the root force that samples need, and scores of real data."""

from collections.abc import Mapping

import torch

from selfcorrect.core.randomness import Stream
from selfcorrect.loop.correctors.loop_correction import Correction
from selfcorrect.loop.models.protocol import GenerativeModel
from selfcorrect.loop.policy import sampling_labels
from selfcorrect.loop.run import correct_real_data
from selfcorrect.motion.measures.metrics import EXPLAINED, FEASIBILITY, find_metric
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.simulators.clean import CleanupSettings
from selfcorrect.simulators.feasibility import compute_contact_residual, select_evaluation_engine, simulate_residual

from ..arm_curves import MEMORISER, REAL_AGAINST_REAL
from .correctors.own import CorrectorInputs, build_corrector
from .settings import FEASIBILITY_COUNT
from .task import MotionTask

CORRECTED_REAL = "real, corrected by physics"


def measure_feasibility(motions: MotionBatch, made_by: str) -> dict[str, float]:
    """Measure the root residual of motions in the two ways of `simulators.feasibility`.

    Args:
        made_by: Engine of the loop's correctors. The residual is simulated in another engine; if none is installed, the
            keys of `FEASIBILITY` are absent.

    Returns:
        Means over motions by the keys of `EXPLAINED`: unchanged, and after kinematic clean-up.
    """
    engine = select_evaluation_engine(made_by)
    cleanup = CleanupSettings.for_samples()
    contacts = compute_contact_residual(motions, cleanup)
    figures = contacts.mean_force_bodyweights, contacts.without_support
    diagnostics = dict(zip(EXPLAINED[len(FEASIBILITY) :], figures, strict=True))
    if engine is not None:
        needed = simulate_residual(motions, cleanup, engine)
        figures = needed.mean_force_bodyweights, needed.mean_moment_nm, needed.without_support
        diagnostics = dict(zip(FEASIBILITY, figures, strict=True)) | diagnostics
    return {key: find_metric(key).unit.convert(float(values.mean())) for key, values in diagnostics.items()}


def measure_model(
    task: MotionTask, model: GenerativeModel, stream: Stream, count: int, engine: str
) -> dict[str, float]:
    """Measure the feasibility of a model's raw samples, and its scores by the field's protocol if that is run.

    Args:
        stream: Random numbers of the seed.
        count: Number of samples with a measured root force.
        engine: Engine of the loop's correctors.
    """
    drawn = stream.child("unexplained")
    labels = sampling_labels(task.real.labels, count, drawn.child("label"))
    scores = measure_feasibility(task.beginnings(model.sample(labels, drawn.child("sample"))), engine)
    return scores | task.score_model(model, stream)


def score_references(
    task: MotionTask,
    inputs: CorrectorInputs,
    stream: Stream,
    *,
    feasibility_count: int = FEASIBILITY_COUNT,
    corrected: bool = False,
) -> dict[str, Mapping[str, float]]:
    """Score fresh real windows and a memoriser like a model.

    The memoriser draws training windows with replacement; to reach its scores does not show that a model generalises.

    Args:
        task: The seed's data and evaluator.
        stream: Random numbers of the seed.
        feasibility_count: Number of windows with a measured root force.
        corrected: Score the windows after the physics corrector, too, which shows what it changes in real motion.
    """
    real = {REAL_AGAINST_REAL: task.fresh}
    physics = build_corrector("physics", inputs) if corrected else None
    if physics is not None:
        real[CORRECTED_REAL] = correct_real_data(task.fresh, Correction(physics), stream)
    order = stream.child("unexplained").numpy().permutation(len(task.fresh))
    rows = torch.from_numpy(order[:feasibility_count])
    scores: dict[str, Mapping[str, float]] = {}
    for name, samples in real.items():
        feasible = task.codec.decode(samples.take(rows).values)
        scores[name] = {**task.score_samples(samples), **measure_feasibility(feasible, inputs.engine)}
    draws = stream.child("memoriser").numpy().integers(len(task.real), size=len(task.fresh))
    scores[MEMORISER] = task.score_samples(task.real.take(torch.from_numpy(draws)))
    return scores | task.score_real(stream)
