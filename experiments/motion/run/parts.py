"""Parts of a seed of the motion experiment: its real windows, and its task with codec and evaluation."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from torch import Tensor

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.datasets.windows import Windows
from selfcorrect.loop.policy import FreshSource
from selfcorrect.loop.run import Task
from selfcorrect.models.diffusion.acceleration import Acceleration
from selfcorrect.models.protocol import GenerativeModel
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.motion.measures.evaluation import MotionEvaluator
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.runtime.progress import Progress

from .captions import CaptionJudge


@dataclass(frozen=True, eq=False)
class MotionData:
    """Real windows of one seed, without a window in common."""

    training: Windows
    """The n windows that the loop has."""
    fresh: Windows
    """Real windows of the same clips, as many as are evaluated in each generation, for the noise floor and for controls
    with fresh real data."""
    reference: Windows
    """Windows against which samples are evaluated."""
    others: Windows
    """Real windows of the same clips that are in none of these, or in the reference alone."""
    held_out: Literal["nothing", "times", "sources"]
    """Material that only the reference shows: other times of the same clips, or other sources."""


@dataclass(frozen=True, eq=False, kw_only=True)
class MotionTask(Task):
    """The loop's task with what is needed to read its values as motions."""

    codec: FeatureCodec
    data: MotionData
    fresh: Samples
    fresh_source: FreshSource


class FieldJudge(Protocol):
    """The evaluator by which the field judges a published generator, and its test set."""

    def score_model(self, model: GenerativeModel, stream: Stream) -> dict[str, np.ndarray]:
        """Return the scores of a model by key of `FIELD`, (repetitions,) each."""
        ...

    def score_real(self, stream: Stream) -> dict[str, np.ndarray]:
        """Return the scores of the test set."""
        ...

    def cut_beginnings(self, batch: MotionBatch) -> MotionBatch:
        """Return the first frames of motions, in which motions of several lengths are compared."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class JudgedTask(MotionTask):
    """The same with its evaluators."""

    evaluator: MotionEvaluator
    captions: CaptionJudge | None = None
    """Evaluates what captions find, where labels are captions."""
    field: FieldJudge | None = None
    """Evaluates by the field's evaluator, where the published model is run."""

    def beginnings(self, values: Tensor) -> MotionBatch:
        """The motions behind values (N, T, D), all of one length."""
        batch = self.codec.decode(values)
        return batch if self.field is None else self.field.cut_beginnings(batch)


class GeneratorParts(Protocol):
    """Data, evaluator and model of a published generator, which the arms of a seed share."""

    @property
    def data(self) -> MotionData: ...

    @property
    def evaluator(self) -> MotionEvaluator: ...

    def make_task(
        self, initial_steps: int, device: str, progress: Progress, training_steps: int, acceleration: Acceleration
    ) -> JudgedTask:
        """Return the loop's task on a device, which reports steps of `training_steps` to `progress`."""
        ...
