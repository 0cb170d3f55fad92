"""Retrieval of captions by motions, with encoders that were trained on real data only.

Encoders of captions and motions are trained on real windows that the loop does not train on. R-precision is the
probability that a motion lies nearer to its own caption than to all but a few of 31 others. It is reported by how
often a caption is in the loop's real data.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from torch import Tensor

from selfcorrect.core.errors import InputError
from selfcorrect.core.randomness import Stream
from selfcorrect.datasets.windows import Windows
from selfcorrect.motion.measures.embedding import geometric_features, kinematic_features
from selfcorrect.motion.motion import Motion, MotionBatch, captions

from .contrastive import ContrastiveEncoders, ContrastiveSettings
from .retrieval import TOPS, r_precision, retrieval_ranks

THIRDS = ("rare", "middle", "common")
"""Thirds of the captions by their number of windows in the loop's real data."""


def label_by_caption(motions: Sequence[Motion]) -> list[Motion]:
    """The motions with their first caption as label; one without a caption keeps its label."""
    named = [replace(motion, label=next(iter(captions(motion.text)), motion.label)) for motion in motions]
    if unnamed := [motion for motion in named if not motion.label]:
        where = unnamed[0].source or "a motion"
        raise InputError(f"{where}: expected a caption or a label, found neither ({len(unnamed)} motions without)")
    return named


def thirds_by_count(labels: np.ndarray, captions: int) -> np.ndarray:
    """For each caption (C,) its place in `THIRDS`, by its number among labels (N,) int64; −1 for one that is not there.

    Ties are in the captions' order.
    """
    counts = np.bincount(labels, minlength=captions)
    order = np.argsort(counts, kind="stable")
    third = np.full(captions, -1)
    for place, members in enumerate(np.array_split(order[counts[order] > 0], len(THIRDS))):
        third[members] = place
    return third


@dataclass(frozen=True, eq=False)
class CaptionJudge:
    """Retrieves captions by motions."""

    encoders: ContrastiveEncoders
    captions: np.ndarray
    """(C, D) encoded captions."""
    third: np.ndarray
    """(C,) `thirds_by_count` in the loop's real data, −1 for captions that the loop or the encoders did not see."""

    @classmethod
    def fit(
        cls,
        windows: Windows,
        loop_labels: np.ndarray,
        vectors: Tensor,
        stream: Stream,
        settings: ContrastiveSettings | None = None,
    ) -> Self:
        """Train on real windows, whose labels and those of the loop's data (n,) are rows of the vectors (C, E)."""
        encoders = ContrastiveEncoders.fit(
            motion_features(windows.batch), windows.labels, vectors, settings or ContrastiveSettings(), stream
        )
        seen = loop_labels[np.isin(loop_labels, windows.labels)]
        if not len(seen):
            raise InputError("retrieval needs a caption in common of the training windows and other real windows")
        return cls(encoders, encoders.describe(vectors), thirds_by_count(seen, len(vectors)))

    def select_captions(self, count: int) -> np.ndarray:
        """(count,) int64 captions to draw motions for: each that is judged as often as the others, up to one."""
        return np.resize(np.flatnonzero(self.third >= 0), count)

    def ranks(self, batch: MotionBatch, labels: np.ndarray) -> np.ndarray:
        """(M,) how many captions lie as near to each canonical motion as its own, labels (M,) int64."""
        return retrieval_ranks(self.encoders.encode(motion_features(batch)), self.captions, labels)

    def scores(self, batch: MotionBatch, labels: np.ndarray) -> dict[str, float]:
        """The `RETRIEVED` metrics, by key, of canonical motions with labels (M,) int64: means over captions."""
        judged = self.third[labels] >= 0
        ranks = self.ranks(batch, labels)[judged]
        labels = labels[judged]
        hits = {top: r_precision(ranks, len(self.captions), top) for top in TOPS}
        overall = {f"r_precision_{top}": _mean_over(hits[top], labels) for top in TOPS}
        of_third = self.third[labels]
        last = TOPS[-1]
        return overall | {
            f"r_precision_{last}_{name}": _mean_over(hits[last][of_third == place], labels[of_third == place])
            for place, name in enumerate(THIRDS)
        }


def _mean_over(values: np.ndarray, labels: np.ndarray) -> float:
    """The mean over labels of the means of values (M,) within each; NaN for no values."""
    return float(np.mean([values[labels == label].mean() for label in np.unique(labels)])) if len(labels) else np.nan


def motion_features(batch: MotionBatch) -> np.ndarray:
    """Return the encoder's input for canonical motions (N, F): movements and places of joints, by blocks of time."""
    return np.concatenate([*kinematic_features(batch), *geometric_features(batch)], axis=1)
