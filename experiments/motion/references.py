"""Scores of real data: the floor under every arm, and the fidelity of the corrector on real motion."""

from collections.abc import Mapping

import torch

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.loop_correction import Correction
from selfcorrect.loop.run import correct_real_data

from ..studies.results import MEMORISER, REAL_AGAINST_REAL
from .correctors.own import CorrectorInputs, build_corrector
from .feasibility import SAMPLES, feasibility, feasible_rows
from .task import JudgedTask, novelty_of_samples

CORRECTED_REAL = "real, corrected by physics"
HELD_OUT = "real, held out"
SHUFFLED = "real, captions shuffled"
TEST_SET = "real, the test set itself"


def score_references(
    task: JudgedTask,
    inputs: CorrectorInputs,
    stream: Stream,
    *,
    feasibility_count: int = SAMPLES,
    corrected: bool = False,
) -> dict[str, Mapping[str, float]]:
    """Score fresh real windows as if a model had made them, and a memoriser.

    The memoriser draws training windows with replacement. Scores that it reaches do not show that a model generalises.
    If labels are captions, held-out windows are scored with their captions, and fresh ones with those of others, which
    shows what chance retrieves.

    Args:
        task: The seed's data and evaluator.
        stream: Random numbers of the seed.
        feasibility_count: Number of windows of which the root force is measured.
        corrected: Score the windows after the physics corrector, too, which shows what it changes in real motion.
    """
    real = {REAL_AGAINST_REAL: task.fresh}
    physics = build_corrector("physics", inputs) if corrected else None
    if physics is not None:
        real[CORRECTED_REAL] = correct_real_data(task.fresh, Correction(physics), stream)
    rows = feasible_rows(task, stream, feasibility_count)
    scores: dict[str, Mapping[str, float]] = {}
    for name, samples in real.items():
        feasible = task.codec.decode(samples.take(rows).values)
        scores[name] = {**_score(task, samples), **feasibility(feasible, inputs.engine)}
    scores[MEMORISER] = _score(task, resample_training(task, stream))
    scores |= _score_captions(task, stream)
    if task.field is not None:
        test_scores = task.field.score_real(stream.child("field"))
        scores[TEST_SET] = {key: float(values.mean()) for key, values in test_scores.items()}
    return scores


def resample_training(task: JudgedTask, stream: Stream) -> Samples:
    """Return as many training windows as there are fresh ones, drawn with replacement."""
    draws = stream.child("memoriser").numpy().integers(len(task.real), size=len(task.fresh))
    return task.real.take(torch.from_numpy(draws))


def _score(task: JudgedTask, samples: Samples) -> dict[str, float]:
    batch = task.codec.decode(samples.values)
    labels = samples.labels.numpy()
    scores = task.evaluator.evaluate(batch, labels)
    if task.field is None:
        scores |= novelty_of_samples(task.evaluator, task.data.training, batch, labels)
    if task.captions is not None:
        scores |= task.captions.scores(batch, labels)
    return scores


def _score_captions(task: JudgedTask, stream: Stream) -> dict[str, Mapping[str, float]]:
    """Score retrieval of held-out windows, and of fresh ones with shuffled captions."""
    if task.captions is None:
        return {}
    scores: dict[str, Mapping[str, float]] = {}
    if task.data.held_out != "nothing":  # otherwise the caption judge was trained on the reference
        held_out = task.data.reference
        scores[HELD_OUT] = task.captions.scores(held_out.batch, held_out.labels)
    fresh = task.data.fresh
    shuffled = stream.child("captions", "shuffled").numpy().permutation(fresh.labels)
    scores[SHUFFLED] = task.captions.scores(fresh.batch, shuffled)
    return scores
