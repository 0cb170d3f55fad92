"""The field's protocol: captions and crops are drawn anew in each of 20 repetitions, and their means reported.

Guo et al., CVPR 2022, as text-to-motion papers have used it since. Its 95 % intervals are over repetitions of one
model, and leave out how trainings of it differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.core.randomness import Stream
from selfcorrect.metrics.frechet import frechet_distance

from .evaluator import FRAMES, TextMotionEvaluator
from .evaluator_networks import UNIT_FRAMES
from .joint_space import BATCH, PAIRS, batch_precision, diversity, matching_distance, multimodality

REPETITIONS = 20
_SHORTER = 1 / 3
"""Probability that a crop leaves out one movement more than it must."""


@dataclass(frozen=True, eq=False)
class CaptionedMotions:
    """A real motion and the captions that people gave it."""

    rows: np.ndarray
    """(T, D) in HumanML3D's units."""
    captions: tuple[str, ...]
    """Sentences."""
    tokens: tuple[str, ...]
    """The same captions as "word/PART"."""


@dataclass(frozen=True)
class MotionRequest:
    """A request for a generated motion: the caption of a real motion, and the length of a crop of it."""

    motion: int
    caption: int
    start: int
    frames: int


Generate: TypeAlias = Callable[[Sequence[MotionRequest], Stream], Sequence[np.ndarray]]
"""Function that generates motions (T, D) in HumanML3D's units, one for each request."""


@dataclass(frozen=True)
class Multimodality:
    """Numbers of captions, of motions for each, and of pairs of these that are compared."""

    captions: int = 100
    motions: int = 30
    pairs: int = 10


def draw_requests(motions: Sequence[CaptionedMotions], stream: Stream) -> list[MotionRequest]:
    """Draw a caption and a crop of each motion, in random order.

    A crop fills whole movements of four frames, and in a third of all cases leaves out one of them.
    """
    generator = stream.numpy()
    requests = []
    for index in generator.permutation(len(motions)):
        motion = motions[index]
        units = min(len(motion.rows), FRAMES) // UNIT_FRAMES - int(generator.random() < _SHORTER)
        if units < 1:
            raise InputError(
                f"motion {index} has {len(motion.rows)} frames, and evaluation needs at least {2 * UNIT_FRAMES}"
            )
        frames = UNIT_FRAMES * units
        start = int(generator.integers(len(motion.rows) - frames + 1))
        caption = int(generator.integers(len(motion.tokens)))
        requests.append(MotionRequest(int(index), caption, start, frames))
    return requests


def real_motions(motions: Sequence[CaptionedMotions]) -> Generate:
    """Return a generator that answers with the real motions, as the row "real" of the field's tables."""

    def crop(requests: Sequence[MotionRequest], stream: Stream) -> list[np.ndarray]:
        del stream
        return [motions[request.motion].rows[request.start : request.start + request.frames] for request in requests]

    return crop


def run_repetition(
    evaluator: TextMotionEvaluator,
    motions: Sequence[CaptionedMotions],
    generate: Generate,
    stream: Stream,
    requests: Sequence[MotionRequest] | None = None,
) -> dict[str, float]:
    """Run one repetition of the protocol.

    Args:
        evaluator: The field's evaluator.
        motions: Real motions, at least 32.
        generate: Generates motions for requests.
        stream: Randomness.
        requests: The motions to generate; by default a caption and a crop of each real motion.

    Returns:
        Values by the keys of the metric table.

    Raises:
        InputError: There are too few real motions.
    """
    if len(motions) < BATCH:
        raise InputError(f"the field's protocol counts in batches of {BATCH} motions, got {len(motions)} real ones")
    if requests is None:
        requests = draw_requests(motions, stream.child("asked"))
    real_requests = draw_requests(motions, stream.child("real"))
    real = evaluator.motions(real_motions(motions)(real_requests, stream))
    generated = evaluator.motions(generate(requests, stream.child("made")))
    captions = evaluator.captions([motions[request.motion].tokens[request.caption] for request in requests])
    pairs = PAIRS if len(generated) > PAIRS else len(generated) // 2
    precision = batch_precision(captions, generated)
    return {
        "field_fid": frechet_distance(real, generated),
        **{f"field_precision_{k}": float(share) for k, share in enumerate(precision, start=1)},
        "field_matching": matching_distance(captions, generated),
        "field_diversity": diversity(generated, stream.child("pairs").numpy(), pairs),
    }


def spread_of_captions(
    evaluator: TextMotionEvaluator,
    motions: Sequence[CaptionedMotions],
    generate: Generate,
    stream: Stream,
    sizes: Multimodality,
) -> float:
    """Measure multimodality: the distance between motions of one caption.

    Args:
        evaluator: The field's evaluator.
        motions: Real motions, from which captions are drawn at random.
        generate: Generates motions for requests.
        stream: Randomness.
        sizes: Numbers of captions, motions and pairs.

    Returns:
        The multimodality.
    """
    requests = draw_requests(motions, stream.child("asked"))[: sizes.captions]
    repeated = [request for request in requests for _ in range(sizes.motions)]
    generated = evaluator.motions(generate(repeated, stream.child("made")))
    by_caption = generated.reshape(len(requests), sizes.motions, -1)
    return multimodality(by_caption, stream.child("pairs").numpy(), min(sizes.pairs, sizes.motions))


def run_protocol(
    evaluator: TextMotionEvaluator,
    motions: Sequence[CaptionedMotions],
    generate: Generate,
    stream: Stream,
    repetitions: int = REPETITIONS,
    multimodal: Multimodality | None = None,
) -> dict[str, np.ndarray]:
    """Run all repetitions of the protocol.

    Args:
        evaluator: The field's evaluator.
        motions: Real motions, at least 32.
        generate: Generates motions for requests.
        stream: Randomness.
        repetitions: Number of repetitions.
        multimodal: Sizes for multimodality; None leaves it out.

    Returns:
        Values (repetitions,) of each metric by its key.
    """
    rows: list[Mapping[str, float]] = []
    for index in range(repetitions):
        repetition_stream = stream.child("repetition", index)
        row = run_repetition(evaluator, motions, generate, repetition_stream)
        if multimodal is not None:
            multimodality_stream = repetition_stream.child("multimodality")
            row["field_multimodality"] = spread_of_captions(
                evaluator, motions, generate, multimodality_stream, multimodal
            )
        rows.append(row)
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}
