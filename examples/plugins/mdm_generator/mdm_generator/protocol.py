"""Run the field's protocol of 20 repetitions.

Captions and crops are drawn anew in each, and their means reported. Guo et al., CVPR 2022, as text-to-motion papers
have used it since. Its 95 % intervals are over repetitions of one model, and leave out how trainings of it differ.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from selfcorrect import frechet_distance
from selfcorrect.core.errors import InputError
from selfcorrect.core.randomness import Stream

from .evaluator import FRAMES, TextMotionEvaluator
from .evaluator_networks import UNIT_FRAMES
from .joint_space import BATCH, PAIRS, batch_precision, diversity, matching_distance
from .rows import CaptionedRows

_SHORTER = 1 / 3
"""Probability that a crop leaves out one movement more than it must."""


@dataclass(frozen=True)
class MotionRequest:
    """A request for a generated motion.

    The request has the caption of a real motion, and the length of a crop of that motion.
    """

    motion: int
    caption: int
    start: int
    frames: int


Generate: TypeAlias = Callable[[Sequence[MotionRequest], Stream], Sequence[np.ndarray]]
"""Function that generates motions (T, D) in HumanML3D's units, one for each request."""


@dataclass(frozen=True)
class Multimodality:
    """Numbers of captions, of motions per caption, and of compared pairs of these."""

    captions: int = 100
    motions: int = 30
    pairs: int = 10


@dataclass(frozen=True, eq=False)
class FieldProtocol:
    """The field's evaluator, and the real motions to compare with."""

    evaluator: TextMotionEvaluator
    motions: Sequence[CaptionedRows]
    """At least 32."""

    def draw_requests(self, stream: Stream) -> list[MotionRequest]:
        """Draw a caption and crop of each motion, in random order.

        A crop fills whole movements of four frames, and in a third of all cases leaves out one of them.
        """
        generator = stream.numpy()
        requests = []
        for index in generator.permutation(len(self.motions)):
            motion = self.motions[index]
            units = min(len(motion.rows), FRAMES) // UNIT_FRAMES - int(generator.random() < _SHORTER)
            if units < 1:
                raise InputError(
                    f"motion {index} has {len(motion.rows)} frames, and evaluation needs at least {2 * UNIT_FRAMES}"
                )
            frames = UNIT_FRAMES * units
            start = int(generator.integers(len(motion.rows) - frames + 1))
            caption = int(generator.integers(len(motion.captions)))
            requests.append(MotionRequest(int(index), caption, start, frames))
        return requests

    def crop_real(self, requests: Sequence[MotionRequest], stream: Stream) -> list[np.ndarray]:
        """Return the real motions of requests.

        Published tables score them in the row "real". No random numbers are drawn.
        """
        return [
            self.motions[request.motion].rows[request.start : request.start + request.frames] for request in requests
        ]

    def run_repetition(
        self, generate: Generate, stream: Stream, requests: Sequence[MotionRequest] | None = None
    ) -> dict[str, float]:
        """Run one repetition; return values by key.

        The keys are those of the metric table.

        Args:
            requests: The motions to generate; by default a caption and a crop of each real motion.

        Raises:
            InputError: There are too few real motions.
        """
        if len(self.motions) < BATCH:
            raise InputError(
                f"the field's protocol counts in batches of {BATCH} motions, got {len(self.motions)} real ones"
            )
        if requests is None:
            requests = self.draw_requests(stream.child("asked"))
        real = self.evaluator.motions(self.crop_real(self.draw_requests(stream.child("real")), stream))
        generated = self.evaluator.motions(generate(requests, stream.child("made")))
        tokens = [self.motions[request.motion].captions[request.caption].tokens for request in requests]
        captions = self.evaluator.captions(tokens)
        pairs = PAIRS if len(generated) > PAIRS else len(generated) // 2
        precision = batch_precision(captions, generated)
        return {
            "field_fid": frechet_distance(real, generated),
            **{f"field_precision_{k}": float(share) for k, share in enumerate(precision, start=1)},
            "field_matching": matching_distance(captions, generated),
            "field_diversity": diversity(generated, stream.child("pairs").numpy(), pairs),
        }

    def measure_multimodality(self, generate: Generate, stream: Stream, sizes: Multimodality) -> float:
        """Measure the mean distance between motions of one caption.

        Captions are drawn at random.
        """
        requests = self.draw_requests(stream.child("asked"))[: sizes.captions]
        repeated = [request for request in requests for _ in range(sizes.motions)]
        generated = self.evaluator.motions(generate(repeated, stream.child("made")))
        by_caption = generated.reshape(len(requests), sizes.motions, -1)
        return diversity(by_caption, stream.child("pairs").numpy(), min(sizes.pairs, sizes.motions))

    def run(
        self, generate: Generate, stream: Stream, repetitions: int, multimodal: Multimodality | None = None
    ) -> dict[str, np.ndarray]:
        """Return metrics' values (repetitions,) by key.

        Multimodality comes only if its sizes are given.
        """
        rows = []
        for index in range(repetitions):
            repetition = stream.child("repetition", index)
            row = self.run_repetition(generate, repetition)
            if multimodal is not None:
                drawn = repetition.child("multimodality")
                row["field_multimodality"] = self.measure_multimodality(generate, drawn, multimodal)
            rows.append(row)
        return {key: np.array([row[key] for row in rows]) for key in rows[0]}
