"""Judge a loop's models by the field's protocol.

The models make motions for captions of the test set.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from torch import Tensor

from selfcorrect.core.randomness import Stream
from selfcorrect.loop.models.protocol import GenerativeModel
from selfcorrect.motion.editing.transforms import canonicalise
from selfcorrect.motion.measures.evaluation import MotionEvaluator
from selfcorrect.motion.motion import MotionBatch

from .codec import HumanML3DCodec
from .model import MdmDiffusion
from .network import Prompts
from .protocol import FieldProtocol, MotionRequest, Multimodality

MULTIMODAL = Multimodality()
TEST_SET = "real, the test set itself"


@dataclass(frozen=True, eq=False)
class FieldJudge(FieldProtocol):
    """The test set, its encoded captions, and the evaluator."""

    prompts: Prompts
    """Prompts of the motions' captions, in their order."""
    codec: HumanML3DCodec
    frames: int
    """Length of the beginnings on which all other metrics are measured."""
    repetitions: int
    """Repetitions for the last generation."""

    def sample_motions(self, model: GenerativeModel, requests: Sequence[MotionRequest], stream: Stream) -> Tensor:
        """Draw samples (N, T, D) for requests, which are captions and lengths."""
        first = self.prompts.first.tolist()
        rows = torch.tensor([first[request.motion] + request.caption for request in requests])
        lengths = torch.tensor([request.frames for request in requests])
        prompted_model = cast(MdmDiffusion, model).with_prompts(self.prompts.take(rows, lengths))
        return prompted_model.sample(torch.arange(len(requests)), stream)

    def score_samples(self, values: Tensor, requests: Sequence[MotionRequest], stream: Stream) -> dict[str, float]:
        """Score samples drawn for these requests."""
        rows = self.codec.rows(values)
        return self.run_repetition(lambda *_: rows, stream, requests)

    def score_model(self, model: GenerativeModel, stream: Stream) -> dict[str, float]:
        """Scores of a model by key, means over repetitions."""

        def generate(requests: Sequence[MotionRequest], stream: Stream) -> list[np.ndarray]:
            return self.codec.rows(self.sample_motions(model, requests, stream))

        scores = self.run(generate, stream.child("field"), self.repetitions, self.multimodal)
        return {key: float(values.mean()) for key, values in scores.items()}

    def score_real(self, stream: Stream) -> dict[str, dict[str, float]]:
        """Score the test set itself.

        Published tables show this score in the row "real".
        """
        scores = self.run(self.crop_real, stream.child("field"), self.repetitions)
        return {TEST_SET: {key: float(values.mean()) for key, values in scores.items()}}

    @property
    def multimodal(self) -> Multimodality:
        """Return the usual sizes, limited by captions."""
        return replace(MULTIMODAL, captions=min(MULTIMODAL.captions, len(self.motions)))

    def cut_beginnings(self, batch: MotionBatch) -> MotionBatch:
        """Cut motions' first frames.

        Cut motions begin at the origin and face +z. A motion that is shorter holds its last pose.
        """
        frames = self.frames
        count = len(batch)
        last = np.minimum(np.arange(frames), batch.lengths[:, None] - 1)
        rows = np.arange(count)[:, None]
        cut = MotionBatch(
            batch.skeleton, batch.root_m[rows, last], batch.rotations[rows, last], np.full(count, frames), batch.fps
        )
        return canonicalise(cut)


@dataclass(frozen=True, eq=False)
class BeginningsEvaluator(MotionEvaluator):
    """Compares the beginnings of motions of several lengths, as one class."""

    frames_of: FieldJudge | None = None

    def evaluate(self, batch: MotionBatch, labels: np.ndarray) -> dict[str, float]:
        """Evaluate the `MEASURED` metrics of motions of several lengths, by key."""
        assert self.frames_of is not None
        return super().evaluate(self.frames_of.cut_beginnings(batch), np.zeros_like(labels))
