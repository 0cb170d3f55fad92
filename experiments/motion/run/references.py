"""Scores of real data: the floor under every arm, and the fidelity of the corrector on real motion."""

from collections.abc import Mapping
from pathlib import Path

import torch

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.correction import Correction
from selfcorrect.loop.run import correct_real_data
from selfcorrect.storage.files.digests import encode_sealed, read_sealed
from selfcorrect.storage.files.writing import write_atomically

from ...reporting.results import MEMORISER
from ...reporting.results import REAL_AGAINST_REAL as REAL
from ..correctors.builtin import CorrectorInputs, physics
from .feasibility import SAMPLES, feasibility, feasible_rows
from .parts import JudgedTask
from .task import novelty_of_samples

CORRECTED_REAL = "real, corrected by physics"
HELD_OUT = "real, held out"
SHUFFLED = "real, captions shuffled"
TEST_SET = "real, the test set itself"

FILE = "references.json"


def write_references(
    folder: Path,
    task: JudgedTask,
    inputs: CorrectorInputs,
    stream: Stream,
    *,
    feasibility_count: int = SAMPLES,
    repair: bool = False,
) -> None:
    """Judge fresh real windows as if a model had made them, raw and corrected, and a memoriser; kept in `folder`.

    The memoriser draws training windows with replacement. Scores that it reaches do not show that a model generalises.
    Where labels are captions, windows that were held out are judged by theirs, too, and the fresh ones by those of
    others, which shows what chance retrieves.

    feasibility_count: of how many windows the root force is measured.
    repair: do it again whatever is there. DamagedError where that is not what was written.
    """
    path = folder / FILE
    if has_references(folder) and not repair:
        read_references(folder)
        return
    corrected = correct_real_data(task.fresh, Correction(physics(inputs)), stream)
    rows = feasible_rows(task, stream, feasibility_count)
    scores = {
        name: {**_scores(task, samples), **feasibility(task.codec.decode(samples.take(rows).values), inputs.engine)}
        for name, samples in ((REAL, task.fresh), (CORRECTED_REAL, corrected))
    }
    scores[MEMORISER] = _scores(task, resample_training(task, stream))
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, encode_sealed({**scores, **_of_captions(task, stream), **_of_field(task, stream)}))


def has_references(folder: Path) -> bool:
    """Return whether real data of one seed have been scored."""
    return (folder / FILE).exists()


def read_references(folder: Path) -> dict[str, dict[str, float]]:
    """The scores of real data of one seed, by name: those of `REAL` first."""
    return read_sealed(folder / FILE)


def resample_training(task: JudgedTask, stream: Stream) -> Samples:
    """Return as many training windows as there are fresh ones, drawn with replacement."""
    draws = stream.child("memoriser").numpy().integers(len(task.task.real), size=len(task.fresh))
    return task.task.real.take(torch.from_numpy(draws))


def _scores(task: JudgedTask, samples: Samples) -> dict[str, float]:
    batch = task.codec.decode(samples.values)
    labels = samples.labels.numpy()
    retrieved = task.captions.scores(batch, labels) if task.captions else {}
    new = {} if task.field else novelty_of_samples(task.evaluator, task.data.training, batch, labels)
    return {**task.evaluator.evaluate(batch, labels), **new, **retrieved}


def _of_field(task: JudgedTask, stream: Stream) -> dict[str, Mapping[str, float]]:
    """Score the test set itself with the field's evaluator."""
    if task.field is None:
        return {}
    return {
        TEST_SET: {key: float(values.mean()) for key, values in task.field.score_real(stream.child("field")).items()}
    }


def _of_captions(task: JudgedTask, stream: Stream) -> dict[str, Mapping[str, float]]:
    if task.captions is None:
        return {}
    held_out = task.data.reference
    fresh = task.data.fresh
    shuffled = stream.child("captions", "shuffled").numpy().permutation(fresh.labels)
    scores: dict[str, Mapping[str, float]] = {SHUFFLED: task.captions.scores(fresh.batch, shuffled)}
    if task.data.held_out == "nothing":  # then the reference is what trained the judge
        return scores
    return {HELD_OUT: task.captions.scores(held_out.batch, held_out.labels), **scores}
