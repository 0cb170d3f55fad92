"""A word chain on its own texts: a Markov chain has a distribution after each word, and a known entropy rate."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples
from selfcorrect.datasets.toy.draws import transitions
from selfcorrect.loop.policy import Accumulate, Keep, Replace
from selfcorrect.loop.run import Candidate, Plan, Task

from ...studies.claims import (
    Claim,
    Curves,
    Quantity,
    expect_above,
    expect_agreement,
    expect_below,
    expect_predictions,
    final_change,
    final_value,
    initial_value,
    mark_unpublished,
    value_at,
)
from ..declaration import Bundle, Setup, Sweep, ToySettings, bundle_replicates
from ..models.markov import MarkovChain

CHAIN = NONE, TENTH, ALL = "chain: none kept", "chain: 10 % kept", "chain: accumulate"


@dataclass(frozen=True)
class WordChain(ToySettings):
    """Chains in many replicates; their truth is drawn once from the seed and begins at its stationary distribution.

    Predictions are of each row as a categorical distribution of its own. Approximation: every generation estimates it
    from as many draws as the true chain visits its word, while in the loop the visits vary and drift.
    """

    words: int = 10
    texts: int = 60
    length: int = 41
    generations: int = 20
    seeds: int = 100

    @property
    def truth(self) -> MarkovChain:
        start = MarkovChain.uniform(words=self.words, length=self.length)
        chain = replace(start, transition=transitions(self.words, streams(self.seed).child("chain", "truth")))
        return replace(chain, initial=chain.stationary())

    @property
    def draws(self) -> np.ndarray:
        """How many transitions out of each word a generation has on average, (words,)."""
        return (self.truth.stationary().numpy() * self.texts * (self.length - 1)).round().astype(int)

    def bundle(self) -> Bundle:
        """Replace, keep a tenth, accumulate."""
        policies = dict(zip(CHAIN, (Replace(), Keep(0.1), Accumulate(1.0)), strict=True))
        plans = {arm: Plan(policy, self.generations) for arm, policy in policies.items()}
        truth, untrained = self.truth, MarkovChain.uniform(self.seeds, words=self.words, length=self.length)
        rows = {"initial": truth.initial, "transition": truth.transition}
        replicates = replace(truth, **{key: row.expand(self.seeds, *row.shape) for key, row in rows.items()})

        def setup(stream: Stream) -> Setup:
            real = Samples.real(replicates.sample(torch.zeros(self.texts), stream.child("real")))
            return Setup(Task(untrained, real, _scores), plans)

        return bundle_replicates("chain", self.seed, setup)

    def repetition(self) -> dict[str, np.ndarray]:
        """Predicted Σ p² of every row from the first estimate on, (T + 1, words) per arm."""
        last = self.generations + 1
        laws = {
            NONE: lambda row, n: theory.expected_simpson(row, n, last),
            TENTH: lambda row, n: theory.kept_simpson(row, n, 0.1, last),
            ALL: lambda row, n: theory.accumulated_simpson(row, n, last),
        }
        rows = list(zip(self.truth.transition.numpy(), self.draws, strict=True))
        return {arm: np.stack([law(*row)[1:] for row in rows], axis=-1) for arm, law in laws.items()}

    def transitions_left(self) -> np.ndarray:
        """Predicted number of transitions in use where no texts are kept, (T + 1,)."""
        rows = zip(self.truth.transition.numpy(), self.draws, strict=True)
        return np.sum([theory.expected_vocabulary(row, n, self.generations + 1)[1:] for row, n in rows], axis=0)

    def sweep(self) -> Sweep:
        """Σ p² of every row at the end, by how often it is estimated."""
        order = np.argsort(self.draws)
        measured = {arm: [final_value(arm, row_of(word)) for word in order] for arm in CHAIN}
        predicted = {arm: law[-1, order] for arm, law in self.repetition().items()}
        return Sweep("Word chain: rows of the last generation", "draws per row", "Σ p² of the row",
                     self.draws[order], measured, predicted)  # fmt: skip

    def claims(self) -> list[Claim]:
        """Of the entropy rate, the transitions in use, and the rows."""
        draws, known, times = self.draws, float(self.truth.entropy_rate()), (self.generations // 2, self.generations)
        bias = self.words * (self.words - 1) / (2 * draws.sum())  # of frequencies (Basharin 1959)
        half, last = ({arm: value_at(arm, "entropy rate", t) for arm in CHAIN} for t in times)
        late = {arm: (half[arm] - last[arm]) / known for arm in CHAIN}
        rows, (rarest, *_, commonest) = {arm: law[-1] for arm, law in self.repetition().items()}, np.argsort(draws)
        left, first = {NONE: self.transitions_left()}, initial_value(NONE, "entropy rate")

        def mean_row(arm: str) -> Claim:
            def mean(curves: Curves) -> np.ndarray:
                return np.stack([curves[arm][row_of(word)][:, -1] for word in range(self.words)], axis=-1).mean(-1)

            return expect_agreement(f"{arm.replace(':', ',')}: mean Σ p² of the rows", Quantity(mean), rows[arm].mean())

        return [
            *mark_unpublished(expect_agreement("chain: first estimate of the entropy rate", first, known - bias, 0.01)),
            expect_below("chain, none kept: the entropy rate falls", final_change(NONE, "entropy rate")),
            *expect_predictions(
                "chain, none kept: transitions left at generation {t}", "transitions", left, times=times
            ),
            mean_row(NONE),
            *mark_unpublished(mean_row(TENTH), mean_row(ALL)),
            *(
                expect_agreement(
                    f"chain, none kept: Σ p² after the {name} word",
                    final_value(NONE, row_of(word)),
                    rows[NONE][word],
                    0.1,
                )
                for name, word in (("rarest", rarest), ("commonest", commonest))
            ),
            expect_above("chain, none kept: share of the entropy rate lost late", late[NONE], 0.05),
            expect_below("chain, 10 % kept: share of the entropy rate lost late, bounded", late[TENTH], 0.02),
            expect_below("chain, accumulate: share of the entropy rate lost late, bounded", late[ALL], 0.02),
        ]


def row_of(word: int) -> str:
    """The key of Σ p² of a row."""
    return f"Σ p² after word {word}"


def _scores(candidate: Candidate) -> dict[str, Tensor]:
    chain = candidate.model
    assert isinstance(chain, MarkovChain)
    rows = {row_of(word): row for word, row in enumerate(chain.transition.square().sum(-1).unbind(-1))}
    return {"entropy rate": chain.entropy_rate(), "transitions": (chain.transition > 0).sum((-2, -1)), **rows}
