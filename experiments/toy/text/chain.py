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
from selfcorrect.loop.run import Arm, Candidate, Task

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
from ..models.markov import MarkovChain
from ..toys import Bundle, Setup, Sweep, ToySettings, bundle_replicates

CHAIN = NONE, TENTH, ALL = "chain: none kept", "chain: 10 % kept", "chain: accumulate"


@dataclass(frozen=True)
class WordChain(ToySettings):
    """Chains in many replicates; their truth is drawn once from the seed and begins at its stationary distribution.

    Predictions are of each row as a separate categorical distribution. Approximation: every generation estimates it
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
        """Mean number of transitions out of each word in a generation, (words,)."""
        return (self.truth.stationary().numpy() * self.texts * (self.length - 1)).round().astype(int)

    def make_bundle(self) -> Bundle:
        """Return the arms that replace, keep a tenth, and accumulate."""
        policies = {NONE: Replace(), TENTH: Keep(0.1), ALL: Accumulate(1.0)}
        arms = {arm: Arm(policy, self.generations) for arm, policy in policies.items()}
        truth = self.truth
        replicates = replace(
            truth,
            initial=truth.initial.expand(self.seeds, *truth.initial.shape),
            transition=truth.transition.expand(self.seeds, *truth.transition.shape),
        )
        untrained = MarkovChain.uniform(self.seeds, words=self.words, length=self.length)

        def set_up(stream: Stream) -> Setup:
            real = Samples.real(replicates.sample(torch.zeros(self.texts), stream.child("real")))
            return Setup(Task(untrained, real, _measure), arms)

        return bundle_replicates("chain", self.seed, set_up)

    def predict_repetition(self) -> dict[str, np.ndarray]:
        """Return the predicted Σ p² of every row from the first estimate on, (T + 1, words) per arm."""
        count = self.generations + 1
        rows: dict[str, list[np.ndarray]] = {NONE: [], TENTH: [], ALL: []}
        for row, draws in zip(self.truth.transition.numpy(), self.draws, strict=True):
            rows[NONE].append(theory.expected_simpson(row, draws, count)[1:])
            rows[TENTH].append(theory.kept_simpson(row, draws, 0.1, count)[1:])
            rows[ALL].append(theory.accumulated_simpson(row, draws, count)[1:])
        return {arm: np.stack(curves, axis=-1) for arm, curves in rows.items()}

    def predict_transitions(self) -> np.ndarray:
        """Return the predicted number of transitions in use if no texts are kept, (T + 1,)."""
        by_row = []
        for row, draws in zip(self.truth.transition.numpy(), self.draws, strict=True):
            by_row.append(theory.expected_vocabulary(row, draws, self.generations + 1)[1:])
        return np.sum(by_row, axis=0)

    def make_sweep(self) -> Sweep:
        """Return Σ p² of every row at the end, by how often it is estimated."""
        order = np.argsort(self.draws)
        return Sweep(
            title="Word chain: rows of the last generation",
            x_label="draws per row",
            y_label="Σ p² of the row",
            x=self.draws[order],
            lines={arm: [final_value(arm, name_row(word)) for word in order] for arm in CHAIN},
            predicted={arm: law[-1, order] for arm, law in self.predict_repetition().items()},
        )

    def make_claims(self) -> list[Claim]:
        """Return claims about the entropy rate, the transitions in use, and the rows."""
        draws = self.draws
        middle = self.generations // 2
        last = self.generations
        true_rate = float(self.truth.entropy_rate())
        bias = self.words * (self.words - 1) / (2 * draws.sum())  # of frequencies (Basharin 1959)
        rows = {arm: law[-1] for arm, law in self.predict_repetition().items()}
        transitions_left = {NONE: self.predict_transitions()}
        by_draws = np.argsort(draws)
        rarest = by_draws[0]
        commonest = by_draws[-1]

        def measure_late_loss(arm: str) -> Quantity:
            """The share of the entropy rate that is lost in the second half."""
            return (value_at(arm, "entropy rate", middle) - value_at(arm, "entropy rate", last)) / true_rate

        def claim_mean_row(arm: str) -> Claim:
            def average(curves: Curves) -> np.ndarray:
                final_rows = [curves[arm][name_row(word)][:, -1] for word in range(self.words)]
                return np.stack(final_rows, axis=-1).mean(-1)

            statement = f"{arm.replace(':', ',')}: mean Σ p² of the rows"
            return expect_agreement(statement, Quantity(average), rows[arm].mean())

        def claim_row(name: str, word: int) -> Claim:
            statement = f"chain, none kept: Σ p² after the {name} word"
            return expect_agreement(statement, final_value(NONE, name_row(word)), rows[NONE][word], 0.1)

        first_rate = initial_value(NONE, "entropy rate")
        first_claim = expect_agreement("chain: first estimate of the entropy rate", first_rate, true_rate - bias, 0.01)
        statement = "chain, none kept: transitions left at generation {t}"
        bounded = "share of the entropy rate lost late, bounded"
        return [
            *mark_unpublished(first_claim),
            expect_below("chain, none kept: the entropy rate falls", final_change(NONE, "entropy rate")),
            *expect_predictions(statement, "transitions", transitions_left, times=(middle, last)),
            claim_mean_row(NONE),
            *mark_unpublished(claim_mean_row(TENTH), claim_mean_row(ALL)),
            claim_row("rarest", rarest),
            claim_row("commonest", commonest),
            expect_above("chain, none kept: share of the entropy rate lost late", measure_late_loss(NONE), 0.05),
            expect_below(f"chain, 10 % kept: {bounded}", measure_late_loss(TENTH), 0.02),
            expect_below(f"chain, accumulate: {bounded}", measure_late_loss(ALL), 0.02),
        ]


def name_row(word: int) -> str:
    """Return the key of Σ p² of a row."""
    return f"Σ p² after word {word}"


def _measure(candidate: Candidate) -> dict[str, Tensor]:
    chain = candidate.model
    assert isinstance(chain, MarkovChain)
    repetition = chain.transition.square().sum(-1)
    rows = {name_row(word): row for word, row in enumerate(repetition.unbind(-1))}
    return {"entropy rate": chain.entropy_rate(), "transitions": (chain.transition > 0).sum((-2, -1)), **rows}
