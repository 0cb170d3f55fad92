"""Parts of a seed of the motion experiment: its real windows, and its task with codec and evaluation."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from selfcorrect.core.samples import Samples
from selfcorrect.datasets.windows import Windows
from selfcorrect.loop.policy import FreshSource
from selfcorrect.loop.run import Task
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.motion.measures.evaluation import MotionEvaluator
from selfcorrect.motion.motion import MotionBatch

from .captions import CaptionJudge
from .field import FieldJudge


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


@dataclass(frozen=True, eq=False)
class MotionTask:
    """The loop's task with what is needed to read its values as motions."""

    task: Task
    codec: FeatureCodec
    data: MotionData
    fresh: Samples
    fresh_source: FreshSource


@dataclass(frozen=True, eq=False)
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
