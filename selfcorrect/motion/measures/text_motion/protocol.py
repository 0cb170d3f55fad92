"""The field's protocol: captions and crops are drawn anew in each of 20 repetitions, and their means reported.

Guo et al., CVPR 2022, as text-to-motion papers have used it since. Its 95 % intervals are over repetitions of one
model, and leave out how trainings of it differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ....core.errors import InputError
from ....core.randomness import Stream
from ....metrics.frechet import frechet_distance
from ....metrics.joint_space import BATCH, PAIRS, batch_precision, diversity, matching_distance, multimodality
from .evaluator import FRAMES, TextMotionEvaluator
from .networks import UNIT_FRAMES

REPETITIONS = 20
_SHORTER = 1 / 3
"""Probability that a crop leaves out one movement more than it must."""


@dataclass(frozen=True, eq=False)
class CaptionedMotions:
    """A real motion and what people said of it."""

    rows: np.ndarray
    """(T, D) in HumanML3D's units."""
    captions: tuple[str, ...]
    """Sentences."""
    tokens: tuple[str, ...]
    """The same as "word/PART"."""


@dataclass(frozen=True)
class MotionRequest:
    """A caption of a motion, and a crop of it: what is generated has the caption and the length."""

    motion: int
    caption: int
    start: int
    frames: int


Generate: TypeAlias = Callable[[Sequence[MotionRequest], Stream], Sequence[np.ndarray]]
"""Makes motions (T, D) in HumanML3D's units, one for each that is asked for."""


@dataclass(frozen=True)
class Multimodality:
    """How many captions get how many motions each, and how many pairs of these are compared."""

    captions: int = 100
    motions: int = 30
    pairs: int = 10


def draw_requests(motions: Sequence[CaptionedMotions], stream: Stream) -> list[MotionRequest]:
    """A caption and a crop of each motion, in random order.

    A crop fills whole movements of four frames, and in a third of all cases leaves out one of them.
    """
    draw, asked = stream.numpy(), []
    for index in draw.permutation(len(motions)):
        one = motions[index]
        units = min(len(one.rows), FRAMES) // UNIT_FRAMES - int(draw.random() < _SHORTER)
        if units < 1:
            raise InputError(f"motion {index} has {len(one.rows)} frames, and judging needs at least {2 * UNIT_FRAMES}")
        frames = UNIT_FRAMES * units
        start = int(draw.integers(len(one.rows) - frames + 1))
        asked.append(MotionRequest(int(index), int(draw.integers(len(one.tokens))), start, frames))
    return asked


def real_motions(motions: Sequence[CaptionedMotions]) -> Generate:
    """The real motions themselves, as the row "real" of the field's tables has them."""

    def crops(asked: Sequence[MotionRequest], stream: Stream) -> list[np.ndarray]:
        del stream
        return [motions[one.motion].rows[one.start : one.start + one.frames] for one in asked]

    return crops


def run_repetition(
    evaluator: TextMotionEvaluator,
    motions: Sequence[CaptionedMotions],
    generate: Generate,
    stream: Stream,
    asked: Sequence[MotionRequest] | None = None,
) -> dict[str, float]:
    """One repetition, by the keys of the metric table; at least 32 motions.

    asked: what is generated, by default a caption and a crop of each motion.
    """
    if len(motions) < BATCH:
        raise InputError(f"the field's protocol counts in batches of {BATCH} motions, got {len(motions)} real ones")
    asked = draw_requests(motions, stream.child("asked")) if asked is None else asked
    real = evaluator.motions(real_motions(motions)(draw_requests(motions, stream.child("real")), stream))
    made = evaluator.motions(generate(asked, stream.child("made")))
    captions = evaluator.captions([motions[one.motion].tokens[one.caption] for one in asked])
    pairs = PAIRS if len(made) > PAIRS else len(made) // 2
    return {
        "field_fid": frechet_distance(real, made),
        **{f"field_precision_{k}": float(share) for k, share in enumerate(batch_precision(captions, made), start=1)},
        "field_matching": matching_distance(captions, made),
        "field_diversity": diversity(made, stream.child("pairs").numpy(), pairs),
    }


def spread_of_captions(
    evaluator: TextMotionEvaluator,
    motions: Sequence[CaptionedMotions],
    generate: Generate,
    stream: Stream,
    sizes: Multimodality,
) -> float:
    """Multimodality: how far motions of one caption are apart, for some captions drawn at random."""
    asked = draw_requests(motions, stream.child("asked"))[: sizes.captions]
    repeated = [one for one in asked for _ in range(sizes.motions)]
    made = evaluator.motions(generate(repeated, stream.child("made")))
    return multimodality(
        made.reshape(len(asked), sizes.motions, -1), stream.child("pairs").numpy(), min(sizes.pairs, sizes.motions)
    )


def run_protocol(
    evaluator: TextMotionEvaluator,
    motions: Sequence[CaptionedMotions],
    generate: Generate,
    stream: Stream,
    repetitions: int = REPETITIONS,
    multimodal: Multimodality | None = None,
) -> dict[str, np.ndarray]:
    """Values (repetitions,) of each metric by its key."""
    rows: list[Mapping[str, float]] = []
    for index in range(repetitions):
        own = stream.child("repetition", index)
        row = run_repetition(evaluator, motions, generate, own)
        if multimodal is not None:
            row["field_multimodality"] = spread_of_captions(
                evaluator, motions, generate, own.child("multimodality"), multimodal
            )
        rows.append(row)
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}
