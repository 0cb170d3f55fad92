"""Data, model and evaluators of a loop that keeps captions and replaces their motions."""

from collections.abc import Callable, Mapping
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
    MotionParts,
    MotionTask,
    Sharing,
    grow_split,
    select_windows,
    usual_windows,
)
from selfcorrect.loop.run import Candidate
from selfcorrect.models.diffusion.model import MotionDiffusion
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


@dataclass(frozen=True, eq=False, kw_only=True)
class CaptionTask(MotionTask):
    """The loop's task, with retrieval by captions beside the usual scores."""

    judge: CaptionJudge

    def score_windows(self, batch: MotionBatch, labels: np.ndarray) -> dict[str, float]:
        """Return novelty and retrieval of real windows, as if they were samples."""
        return super().score_windows(batch, labels) | self.judge.scores(batch, labels)

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


@dataclass(frozen=True, eq=False)
class CaptionParts(MotionParts):
    """Data, evaluators and captions that the arms of a seed share."""

    vectors: Tensor
    judge: CaptionJudge

    def make_task(
        self, denoiser: str, sharing: Sharing, make_model: Callable[..., MotionDiffusion] = DescribedDiffusion
    ) -> CaptionTask:
        """Return the loop's task."""
        task = super().make_task(denoiser, sharing, partial(make_model, vectors=self.vectors))

        def evaluate(candidate: Candidate) -> Mapping[str, float]:
            prompts = torch.from_numpy(self.judge.select_captions(self.settings.evaluated_count))
            drawn = candidate.model.sample(prompts, candidate.stream.child("captions"))
            return {**task.evaluate(candidate), **self.judge.scores(task.codec.decode(drawn), prompts.numpy())}

        return CaptionTask(**{**vars(task), "evaluate": evaluate}, judge=self.judge)


@lru_cache(maxsize=1)
def load_parts(settings: MotionSettings, stream: Stream) -> CaptionParts:
    """Return data, evaluators and captions of a seed; the judge is trained on windows that no loop trains on."""
    needed = settings.real_count + 2 * settings.evaluated_count
    split = load_split(settings.data, settings.reference, settings.frames, settings.fps, needed)
    data = select_windows(settings, split, stream)
    vectors = sentence_vectors(minilm(), data.training.label_names)
    judge = CaptionJudge.fit(data.others, data.training.labels, vectors, stream.child("retrieval"))
    return CaptionParts(settings, data, vectors, judge)


@lru_cache(maxsize=2)
def load_split(data: tuple[str, ...], reference: tuple[str, ...], frames: int, fps: float, needed: int) -> Split:
    """Return windows of motions whose labels are their first captions."""
    motions = [motion for source in data for motion in load_motions(source)]
    others = [motion for source in reference for motion in load_motions(source)]
    windows = replace(usual_windows(frames, fps), cap_per_label=WINDOWS_PER_CAPTION, stride=CAPTION_STRIDE)
    if any(motion.text for motion in motions):  # texts may name sides, and describe more than a cycle
        windows = replace(windows, mirrored=False, cyclic=frozenset())
    return grow_split(label_by_caption(motions), label_by_caption(others), windows, needed)
