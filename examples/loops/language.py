"""Language on its own words: word frequencies and a word chain with known theory, a small transformer on real text.

Seddik et al. 2024: relative frequencies estimated from their own samples lose words as the Wright–Fisher chain says.
A Markov chain has one such distribution after each word, and a known entropy rate.
Shumailov et al. 2024, Gerstgrasser et al. 2024: held-out perplexity of a language model, fully synthetic, with a tenth
of the original kept, and with all text accumulated.

`selfcorrect toy examples/loops/language.py --quick` runs the loop.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from toy_data.draws import transitions, zipf
from toy_data.text import documentation, windows_of
from toy_models.language import LanguageModel, perplexity_of
from toy_models.words import entropy, expected_simpson, expected_vocabulary, word_task

import selfcorrect as sc
from selfcorrect import claims, toys
from selfcorrect.models.protocol import TensorModel
from selfcorrect.storage.files.limits import read_text

MIXING_STEPS = 2**16  # steps to the long-run frequencies; a power of two is cheap, and rounding stays below 1e-10


@dataclass(frozen=True)
class MarkovChain(TensorModel):
    """Texts of T words from a first-order Markov chain over V words, or R ≥ 1 replicates of it.

    An event has the shape (*replicates, length) and holds the numbers of the words as floats.
    """

    initial: Tensor
    """(*replicates, V) first words."""
    transition: Tensor
    """(*replicates, V, V), row i the words after word i."""
    length: int

    @classmethod
    def uniform(cls, *replicates: int, words: int, length: int) -> Self:
        """Independent words of equal probabilities."""
        initial = torch.full((*replicates, words), 1 / words, dtype=torch.float64)
        return cls(initial, initial.unsqueeze(-2).expand(*replicates, words, words), length)

    def fit(self, samples: sc.Samples, steps: int, stream: sc.Stream) -> Self:
        """Maximum likelihood, the weighted relative frequencies without smoothing; `steps` and `stream` are not used.

        The likelihood says nothing about a word that none follows: it keeps its row.
        """
        texts = samples.values.long()
        words = self.transition.shape[-1]
        weights = samples.weights.to(self.transition)
        first = _counts(texts[..., :1], weights, words)
        pairs = _counts(texts[..., :-1] * words + texts[..., 1:], weights, words**2).reshape(self.transition.shape)
        visits = pairs.sum(-1, keepdim=True)
        transition = torch.where(visits > 0, pairs / visits, self.transition)
        return replace(self, initial=first / first.sum(-1, keepdim=True), transition=transition)

    def sample(self, labels: Tensor, stream: sc.Stream) -> Tensor:
        """One text (*replicates, length) per entry of `labels`, float32."""
        generator = stream.generator()
        words = self.initial.shape[-1]
        initial = self.initial.reshape(-1, words)
        rows = self.transition.reshape(-1, words)
        first_rows = torch.arange(len(initial))[:, None] * words
        text = [torch.multinomial(initial, len(labels), replacement=True, generator=generator)]
        for _ in range(self.length - 1):
            after = rows[(first_rows + text[-1]).flatten()]
            text.append(torch.multinomial(after, 1, generator=generator).reshape(text[-1].shape))
        texts = torch.stack(text, dim=-1).transpose(0, 1)
        return texts.reshape(len(labels), *self.initial.shape[:-1], self.length).float()

    def stationary(self) -> Tensor:
        """Long-run frequencies of the words, (*replicates, V), in texts that begin as this chain's do.

        The lazy chain (1 + P)/2 has the stationary distributions of P, and converges where P goes in circles.
        """
        lazy = (self.transition + torch.eye(self.initial.shape[-1]).to(self.transition)) / 2
        return (self.initial.unsqueeze(-2) @ torch.linalg.matrix_power(lazy, MIXING_STEPS)).squeeze(-2)

    def entropy_rate(self) -> Tensor:
        """Entropy of a word given the one before, nats, (*replicates,): Σ_i π_i H(P_i) (Shannon 1948, §7)."""
        return -(self.stationary() * torch.xlogy(self.transition, self.transition).sum(-1)).sum(-1)


def _counts(numbers: Tensor, weights: Tensor, kinds: int) -> Tensor:
    """Weighted counts (*replicates, kinds) of numbers (N, *replicates, positions), weights (N,)."""
    rows = numbers.flatten(1, -2).permute(1, 0, 2) if numbers.dim() > 2 else numbers[None]
    counts = torch.zeros((len(rows), kinds), dtype=weights.dtype)
    counts.scatter_add_(1, rows.flatten(1), weights[:, None].expand(rows.shape).flatten(1))
    return counts.reshape(*numbers.shape[1:-1], kinds)


CHAIN = NONE, TENTH, ALL = "chain: none kept", "chain: 10 % kept", "chain: accumulate"


@dataclass(frozen=True)
class WordChain(toys.ToySettings):
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
        chain = replace(start, transition=transitions(self.words, sc.streams(self.seed).child("chain", "truth")))
        return replace(chain, initial=chain.stationary())

    @property
    def draws(self) -> np.ndarray:
        """Mean number of transitions out of each word in a generation, (words,)."""
        return (self.truth.stationary().numpy() * self.texts * (self.length - 1)).round().astype(int)

    def make_bundle(self) -> toys.Bundle:
        """Return the arms that replace, keep a tenth, and accumulate."""
        policies = {NONE: sc.Replace(), TENTH: sc.Keep(0.1), ALL: sc.Accumulate(1.0)}
        arms = {arm: sc.Arm(policy, self.generations) for arm, policy in policies.items()}
        truth = self.truth
        initial, transition = (table.expand(self.seeds, *table.shape) for table in (truth.initial, truth.transition))
        replicates = replace(truth, initial=initial, transition=transition)
        untrained = MarkovChain.uniform(self.seeds, words=self.words, length=self.length)

        def set_up(stream: sc.Stream) -> toys.Setup:
            real = sc.Samples.real(replicates.sample(torch.zeros(self.texts), stream.child("real")))
            return toys.Setup(sc.Task(untrained, real, _measure), arms)

        return toys.bundle_replicates("chain", self.seed, set_up)

    def predict(self, law: Callable[..., np.ndarray], *kept: float) -> np.ndarray:
        """Return the law of a categorical distribution for every row, from the first estimate on, (T + 1, words)."""
        rows = zip(self.truth.transition.numpy(), self.draws, strict=True)
        return np.stack([law(row, draws, *kept, self.generations + 1)[1:] for row, draws in rows], axis=-1)

    def predict_repetition(self) -> dict[str, np.ndarray]:
        """Return the predicted Σ p² of every row, (T + 1, words) per arm."""
        kept = self.predict(kept_simpson, 0.1)
        return {NONE: self.predict(expected_simpson), TENTH: kept, ALL: self.predict(accumulated_simpson)}

    def predict_transitions(self) -> np.ndarray:
        """Return the predicted number of transitions in use if no texts are kept, (T + 1,)."""
        return np.sum(list(self.predict(expected_vocabulary).T), axis=0)

    def make_sweep(self) -> toys.Sweep:
        """Return Σ p² of every row at the end, by how often it is estimated."""
        order = np.argsort(self.draws)
        return toys.Sweep(
            title="Word chain: rows of the last generation",
            x_label="draws per row",
            y_label="Σ p² of the row",
            x=self.draws[order],
            lines={arm: [claims.final_value(arm, name_row(word)) for word in order] for arm in CHAIN},
            predicted={arm: law[-1, order] for arm, law in self.predict_repetition().items()},
        )

    def make_claims(self) -> list[claims.Claim]:
        """Return claims about the entropy rate, the transitions in use, and the rows."""
        middle, last = self.generations // 2, self.generations
        true_rate = float(self.truth.entropy_rate())
        bias = self.words * (self.words - 1) / (2 * self.draws.sum())  # of frequencies (Basharin 1959)
        rows = {arm: law[-1] for arm, law in self.predict_repetition().items()}
        rarest, *_, commonest = np.argsort(self.draws)

        def measure_late_loss(arm: str) -> claims.Quantity:
            """The share of the entropy rate that is lost in the second half."""
            early = claims.value_at(arm, "entropy rate", middle)
            return (early - claims.value_at(arm, "entropy rate", last)) / true_rate

        def claim_mean_row(arm: str) -> claims.Claim:
            statement = f"{arm.replace(':', ',')}: mean Σ p² of the rows"
            return claims.expect_agreement(statement, claims.final_value(arm, "Σ p²"), rows[arm].mean())

        def claim_row(name: str, word: int) -> claims.Claim:
            statement = f"chain, none kept: Σ p² after the {name} word"
            return claims.expect_agreement(statement, claims.final_value(NONE, name_row(word)), rows[NONE][word], 0.1)

        first_rate = claims.initial_value(NONE, "entropy rate")
        first = "chain: first estimate of the entropy rate"
        left = "chain, none kept: transitions left at generation {t}"
        transitions_left = {NONE: self.predict_transitions()}
        bounded = "share of the entropy rate lost late, bounded"
        return [
            *claims.mark_unpublished(claims.expect_agreement(first, first_rate, true_rate - bias, 0.01)),
            claims.expect_below("chain, none kept: the entropy rate falls", claims.final_change(NONE, "entropy rate")),
            *claims.expect_predictions(left, "transitions", transitions_left, times=(middle, last)),
            claim_mean_row(NONE),
            *claims.mark_unpublished(claim_mean_row(TENTH), claim_mean_row(ALL)),
            claim_row("rarest", rarest),
            claim_row("commonest", commonest),
            claims.expect_above("chain, none kept: share of the entropy rate lost late", measure_late_loss(NONE), 0.05),
            claims.expect_below(f"chain, 10 % kept: {bounded}", measure_late_loss(TENTH), 0.02),
            claims.expect_below(f"chain, accumulate: {bounded}", measure_late_loss(ALL), 0.02),
        ]


def name_row(word: int) -> str:
    """Return the key of Σ p² of a row."""
    return f"Σ p² after word {word}"


def _measure(candidate: sc.Candidate) -> dict[str, Tensor]:
    chain = candidate.model
    assert isinstance(chain, MarkovChain)
    repetition = chain.transition.square().sum(-1)
    return {
        "entropy rate": chain.entropy_rate(),
        "transitions": (chain.transition > 0).sum((-2, -1)),
        "Σ p²": repetition.mean(-1),
        **{name_row(word): row for word, row in enumerate(repetition.unbind(-1))},
    }


WORDS = "words: replace"
TEXT = tuple(f"text: {kept}" for kept in ("none kept", "10 % kept", "accumulate", "real only"))
TEXT_NONE, TEXT_TENTH, TEXT_ALL, TEXT_REAL = TEXT


@dataclass(frozen=True)
class Language(toys.ToySettings):
    """Words: a Zipf vocabulary, as often drawn. Chain: a Markov chain over few words, so many short texts of it.

    Text: windows of characters, a transformer, one file or none.
    """

    words: int = 100
    word_count: int = 200
    word_generations: int = 40
    word_seeds: int = 100
    chain: WordChain = field(default_factory=WordChain)
    text: Path | None = None
    alphabet: int = 64
    window: int = 32
    windows: int = 800
    held_out_windows: int = 300
    initial_steps: int = 600
    steps: int = 80
    generations: int = 4
    seeds: int = 3


QUICK = Language(
    chain=WordChain(seeds=40), windows=200, held_out_windows=100, initial_steps=300, steps=40, generations=3
)


def toy(settings: Language) -> toys.Toy:
    """Declare words, chain and text."""
    text = read_text(settings.text) if settings.text else documentation()
    train, held_out = windows_of(text, settings.alphabet, settings.window, settings.windows, settings.held_out_windows)
    source = str(settings.text) if settings.text else "the documentation that comes with Python"
    chain = replace(settings.chain, seed=settings.seed)
    true_rate = np.full(chain.generations + 1, float(chain.truth.entropy_rate()))
    frequencies = zipf(settings.words).numpy()
    count = settings.word_generations + 1
    vocabulary = {WORDS: expected_vocabulary(frequencies, settings.word_count, count)[1:]}
    simpson = {WORDS: expected_simpson(frequencies, settings.word_count, count)[1:]}
    times = (settings.word_generations // 2, settings.word_generations)
    bundles = [
        toys.bundle_replicates("words", settings.seed, partial(set_up_words, settings)),
        chain.make_bundle(),
        toys.bundle_seeds(settings, lambda stream: set_up_text(settings, train, held_out)),
    ]
    statements = [
        *claims.expect_predictions("words: vocabulary at generation {t}", "vocabulary", vocabulary, 0.03, times),
        *claims.expect_predictions("words: simpson at generation {t}", "simpson", simpson, 0.03, times),
        claims.expect_below("words: the entropy falls", claims.final_change(WORDS, "entropy")),
        *chain.make_claims(),
        *_make_text_claims(),
    ]
    columns = [
        toys.Column("vocabulary", "words in use", ".0f", predicted=vocabulary),
        toys.Column("entropy rate", "entropy rate of the word chain, nats", predicted={"known truth": true_rate}),
        toys.Column(
            "transitions", "transitions of the word chain in use", "", predicted={NONE: chain.predict_transitions()}
        ),
        toys.Column("perplexity", "perplexity per character"),
    ]
    return toys.Toy(
        title="Words and text",
        source="Seddik et al. 2024; Shumailov et al. 2024; Gerstgrasser et al. 2024",
        bundles=bundles,
        claims=statements,
        columns=columns,
        rows=(toys.START, WORDS, *CHAIN, *TEXT),
        figures=[chain.make_sweep()],
        notes=(
            f"Perplexity is per character, on text that no model has seen. Text: {source}.",
            "With real text alone the model overfits its few windows at equal steps: a rise above that is collapse.",
            "Chain: each row of the transition matrix is predicted as a separate categorical distribution, estimated "
            "anew from as many draws as the true chain visits the word. Approximate: in the loop the visits drift.",
        ),
        caveat="every word visited as often as in the truth",
    )


def _make_text_claims() -> Iterator[claims.Claim]:
    yield claims.expect_above("text: perplexity rises when none is kept", claims.final_change(TEXT_NONE, "perplexity"))
    for arm, words in (
        (TEXT_REAL, "more than with real text alone at equal steps"),
        (TEXT_TENTH, "a tenth kept is better than none"),
        (TEXT_ALL, "accumulating is better than replacing"),
    ):
        yield claims.expect_above(f"text: {words}", claims.final_difference(TEXT_NONE, arm, "perplexity"))


def set_up_words(settings: Language, stream: sc.Stream) -> toys.Setup:
    """Words of Zipf's law, in replicates."""

    def measure(probabilities: Tensor) -> dict[str, Tensor]:
        return {
            "vocabulary": (probabilities > 0).sum(-1),
            "simpson": probabilities.square().sum(-1),
            "entropy": entropy(probabilities),
        }

    task = word_task(zipf(settings.words), settings.word_count, measure, stream, settings.word_seeds)
    return toys.Setup(task, {WORDS: sc.Arm(sc.Replace(), settings.word_generations)})


def set_up_text(settings: Language, train: Tensor, held_out: Tensor) -> toys.Setup:
    """A transformer on windows of characters, with each policy."""
    model = LanguageModel(vocabulary=settings.alphabet, length=settings.window, batch_size=32)
    policies = (sc.Replace(), sc.Keep(0.1), sc.Accumulate(1.0), sc.RealOnly())
    arms = {
        arm: sc.Arm(policy, settings.generations, settings.steps) for arm, policy in zip(TEXT, policies, strict=True)
    }
    return toys.Setup(sc.Task(model, sc.Samples.real(train), perplexity_of(held_out), settings.initial_steps), arms)


def kept_simpson(probabilities: ArrayLike, n: int, real_share: float, generations: int) -> np.ndarray:
    """Expected Σ p² of a categorical loop that trains on a share of n original words and on its own words.

    Shape (t + 1,), t = 0 the true distribution, t = 1 the n real words; the share is drawn anew, without replacement.
    With S the value at t = 1 and a = 1 − share: s ← a² s + (1 − a²) S + a (1 − s) / n + the spread of the draw, which
    settles below 1: collapse is bounded. Exact; the second moment of Seddik et al. 2024 with a constant part, and
    `expected_simpson` for a share of 0.
    """
    start = float(np.square(probabilities).sum())
    first = 1 - (1 - 1 / n) * (1 - start)
    synthetic_share = 1 - real_share
    # variance of the draw of real words: share (1 − share) Σ p̂ (1 − p̂) / (n − 1)
    draw_variance = (1 - start) * real_share * synthetic_share / n
    history = [start, first]
    for _ in range(generations - 1):
        last = history[-1]
        squares = synthetic_share**2 * last + (1 - synthetic_share**2) * first
        history.append(squares + synthetic_share * (1 - last) / n + draw_variance)
    return np.array(history[: generations + 1])


def accumulated_simpson(probabilities: ArrayLike, n: int, generations: int) -> np.ndarray:
    """Expected Σ p² of a categorical loop that trains on all words so far, n more in each generation, shape (t + 1,).

    1 − (1 − Σ p₀²) ∏ₖ (1 − 1/(n k²)), k = 1 … t: the k-th batch moves the frequencies by 1/k of that batch's error. As
    Σ 1/k² = π²/6, the loss stays below π²/6 times that of the real words alone (the bound of Gerstgrasser et al. 2024,
    here for words). Exact; t = 0 is the true distribution.
    """
    start = float(np.square(probabilities).sum())
    shares = np.cumprod(1 - 1 / (n * np.arange(1, generations + 1) ** 2.0))
    return 1 - (1 - start) * np.concatenate([[1.0], shares])
