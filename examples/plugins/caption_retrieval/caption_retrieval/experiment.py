"""Data, model and evaluators of a loop that keeps captions and replaces their motions."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np
import torch
from torch import Tensor

from selfcorrect.core.randomness import Stream
from selfcorrect.datasets.load import load_motions
from selfcorrect.datasets.windows import Split
from selfcorrect.experiments.motion.settings import MotionSettings
from selfcorrect.experiments.motion.task import (
    MotionData,
    MotionTask,
    Sharing,
    fit_evaluator,
    grow_split,
    make_usual_task,
    novelty_of_samples,
    select_windows,
    usual_windows,
)
from selfcorrect.loop.run import Candidate
from selfcorrect.models.protocol import GenerativeModel
from selfcorrect.motion.measures.evaluation import MotionEvaluator
from selfcorrect.motion.motion import MotionBatch

from .captions import CaptionJudge, label_by_caption
from .described import DescribedDiffusion
from .text_embedding import minilm, sentence_vectors

WINDOWS_PER_CAPTION = 150
"""Most windows of a caption. Captions should differ in frequency, so that this limits only the most frequent."""
CAPTION_STRIDE = 8
"""Frames between windows of captioned motions, so that counts of captions follow the lengths of clips; halved while
there are too few windows."""
HELD_OUT = "real, held out"
SHUFFLED = "real, captions shuffled"


@dataclass(frozen=True, eq=False)
class CaptionScores:
    """Scores of retrieval that stand beside the usual scores."""

    judge: CaptionJudge
    data: MotionData
    evaluator: MotionEvaluator

    def score_windows(self, batch: MotionBatch, labels: np.ndarray) -> dict[str, float]:
        """Return novelty and retrieval of real windows, as if they were samples."""
        scores = novelty_of_samples(self.evaluator, self.data.training, batch, labels)
        return scores | self.judge.scores(batch, labels)

    def score_real(self, stream: Stream) -> dict[str, dict[str, float]]:
        """Return the retrieval of held-out windows, and of fresh windows with the captions of others: chance."""
        scores = {}
        if self.data.held_out != "nothing":  # otherwise the judge was trained on the reference
            held_out = self.data.reference
            scores[HELD_OUT] = self.judge.scores(held_out.batch, held_out.labels)
        fresh = self.data.fresh
        shuffled = stream.child("captions", "shuffled").numpy().permutation(fresh.labels)
        scores[SHUFFLED] = self.judge.scores(fresh.batch, shuffled)
        return scores

    def score_model(self, model: GenerativeModel, stream: Stream) -> dict[str, float]:
        """Return nothing: retrieval is evaluated in each generation."""
        return {}

    def cut_beginnings(self, batch: MotionBatch) -> MotionBatch:
        """Return the motions, which are all of one length."""
        return batch


@dataclass(frozen=True, eq=False)
class CaptionParts:
    """Data, evaluators and captions that the arms of a seed share."""

    settings: MotionSettings
    data: MotionData
    evaluator: MotionEvaluator
    vectors: Tensor
    judge: CaptionJudge

    def make_task(self, denoiser: str, sharing: Sharing) -> MotionTask:
        """Return the loop's task."""
        make_model = partial(DescribedDiffusion, vectors=self.vectors)
        task = make_usual_task(self.settings, denoiser, self.data, self.evaluator, sharing, make_model)

        def evaluate(candidate: Candidate) -> Mapping[str, float]:
            prompts = torch.from_numpy(self.judge.select_captions(self.settings.evaluated_count))
            drawn = candidate.model.sample(prompts, candidate.stream.child("captions"))
            return {**task.evaluate(candidate), **self.judge.scores(task.codec.decode(drawn), prompts.numpy())}

        return replace(task, evaluate=evaluate, judge=CaptionScores(self.judge, self.data, self.evaluator))


@lru_cache(maxsize=1)
def load_parts(settings: MotionSettings, stream: Stream) -> CaptionParts:
    """Return data, evaluators and captions of a seed; the judge is trained on windows that no loop trains on."""
    needed = settings.real_count + 2 * settings.evaluated_count
    split = load_split(settings.data, settings.reference, settings.frames, settings.fps, needed)
    data = select_windows(settings, split, stream)
    vectors = sentence_vectors(minilm(), data.training.label_names)
    judge = CaptionJudge.fit(data.others, data.training.labels, vectors, stream.child("retrieval"))
    return CaptionParts(settings, data, fit_evaluator(data), vectors, judge)


@lru_cache(maxsize=2)
def load_split(data: tuple[str, ...], reference: tuple[str, ...], frames: int, fps: float, needed: int) -> Split:
    """Return windows of motions whose labels are their first captions."""
    motions = [motion for source in data for motion in load_motions(source)]
    others = [motion for source in reference for motion in load_motions(source)]
    windows = replace(usual_windows(frames, fps), cap_per_label=WINDOWS_PER_CAPTION, stride=CAPTION_STRIDE)
    if any(motion.text for motion in motions):  # texts may name sides, and describe more than a cycle
        windows = replace(windows, mirrored=False, cyclic=frozenset())
    return grow_split(label_by_caption(motions), label_by_caption(others), windows, needed)
