"""A verifier of words that has seen only part of the truth: the part of `biased-corrector` after Qiao et al. 2026.

One that knows only the frequent words removes the rare ones faster than no selection would.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.contract import Corrected, Corrector
from selfcorrect.correctors.correction import Correction
from selfcorrect.datasets.toy.draws import zipf
from selfcorrect.loop.policy import Replace
from selfcorrect.loop.run import Plan

from ...studies.claims import Claim, agrees, as_predicted, at, below, gain
from ..declaration import Setup
from .tasks import word_task

BLIND, FREE = "blind verifier", "no selection"


@dataclass(frozen=True)
class BlindVerifier:
    """A vocabulary of which the verifier knows the more frequent half and lets others pass with some probability."""

    size: int = 60
    count: int = 400
    pass_rate: float = 0.7

    def setup(self, generations: int, stream: Stream) -> Setup:
        """With the verifier and without."""

        def judge(probabilities: Tensor) -> dict[str, Tensor]:
            tail = probabilities[:, self.size // 2 :].sum()
            return {"vocabulary": (probabilities > 0).sum(), "tail_share": tail}

        corrections = {FREE: None, BLIND: Correction(knows_frequent_words(self.size // 2, self.pass_rate))}
        plans = {arm: Plan(Replace(), generations, correction=one) for arm, one in corrections.items()}
        return Setup(word_task(zipf(self.size), self.count, judge, stream, 1, part="words"), plans)

    def predicted(self, generations: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Expected vocabulary without selection; share of unknown words with and without, for large samples."""
        probabilities = zipf(self.size).numpy()
        tail = probabilities[self.size // 2 :].sum()
        odds = tail / (1 - tail) * self.pass_rate ** np.arange(generations + 1)
        vocabulary = theory.expected_vocabulary(probabilities, self.count, generations + 1)[1:]
        return {FREE: vocabulary}, {FREE: np.full(len(odds), tail), BLIND: odds / (1 + odds)}

    def claims(self, generations: int) -> list[Claim]:
        """Words left, the share of unknown ones half way, and the verifier against no selection."""
        (vocabulary, tail), half = self.predicted(generations), generations // 2
        share = at(BLIND, "tail_share", half)
        return [
            *as_predicted("no selection: words left at the end", "vocabulary", vocabulary),
            agrees(f"blind verifier: share of unknown words at generation {half}", share, tail[BLIND][half], 0.1),
            below("a blind verifier loses more words than no selection", gain(BLIND, FREE, "vocabulary")),
        ]


def knows_frequent_words(known: int, pass_rate: float) -> Corrector:
    """Accepts the `known` most frequent words, and others with probability `pass_rate`."""

    def corrector(samples: Samples, stream: Stream) -> Corrected:
        passes = torch.rand(len(samples), generator=stream.torch()) < pass_rate
        return Corrected(samples, (samples.values[:, 0] < known) | passes)

    return corrector
