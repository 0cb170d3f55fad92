"""Language on its own words: word frequencies and a word chain with known theory, a small transformer on real text.

Seddik et al. 2024: relative frequencies estimated from their own samples lose words as the Wright–Fisher chain says.
A Markov chain has one such distribution after each word, and a known entropy rate.
Shumailov et al. 2024, Gerstgrasser et al. 2024: held-out perplexity of a language model, fully synthetic, with a tenth
of the original kept, and with all text accumulated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples
from selfcorrect.datasets.toy.draws import transitions, zipf
from selfcorrect.datasets.toy.text import Alphabet, documentation, read_text, split_windows, spread
from selfcorrect.loop.policy import Accumulate, Keep, RealOnly, Replace
from selfcorrect.loop.run import Candidate, Plan, Task

from ...studies.claims import Claim, Curves, Quantity, above, agrees, at, below, end, gain, rise, start
from ..declaration import START, Column, Setup, Sweep, Toy, by_seed, replicated
from ..models.categorical import Categorical
from ..models.language import LanguageModel
from ..models.markov import MarkovChain

WORDS = "words: replace"
CHAIN = NONE, TENTH, ALL = "chain: none kept", "chain: 10 % kept", "chain: accumulate"
TEXT_NONE, TEXT_TENTH, TEXT_ALL = (arm.replace("chain", "text") for arm in CHAIN)
TEXT_REAL = "text: real only"
TEXT = (TEXT_NONE, TEXT_TENTH, TEXT_ALL, TEXT_REAL)


@dataclass(frozen=True)
class Language:
    """Words: a Zipf vocabulary, as often drawn. Chain: a Markov chain over few words, so many short texts of it.

    Text: windows of characters, a transformer, one file or none.
    """

    words: int = 100
    word_count: int = 200
    word_generations: int = 40
    word_seeds: int = 100
    chain_words: int = 10
    chain_texts: int = 60
    chain_length: int = 41
    chain_generations: int = 20
    chain_seeds: int = 100
    text: Path | None = None
    alphabet: int = 64
    window: int = 32
    windows: int = 800
    held_out_windows: int = 300
    first_steps: int = 600
    steps: int = 80
    generations: int = 4
    seeds: int = 3
    seed: int = 0


QUICK = Language(chain_seeds=40, windows=200, held_out_windows=100, first_steps=300, steps=40, generations=3)


def toy(settings: Language) -> Toy:
    """Words, chain and text."""
    truth, (train, held_out) = _true_chain(settings), _windows(settings)
    known = float(truth.entropy_rate())
    words, left = _predicted_words(settings), _predicted_transitions(settings, truth)
    rows, order = _predicted_repetition(settings, truth), np.argsort(_draws(settings, truth))
    source = f"{settings.text}" if settings.text else "the documentation that comes with Python"
    return Toy(
        [
            replicated("words", settings.seed, lambda stream: _word_setup(settings, stream)),
            replicated("chain", settings.seed, lambda stream: _chain_setup(settings, truth, stream)),
            by_seed(settings.seed, settings.seeds, lambda stream: _text_setup(settings, train, held_out)),
        ],
        [*_word_claims(settings, words), *_chain_claims(settings, truth, left), *_text_claims()],
        [
            Column("vocabulary", "words in use", ".0f", predicted={WORDS: words["vocabulary"]}),
            Column(
                "entropy rate",
                "entropy rate of the word chain, nats",
                predicted={"known truth": np.full(settings.chain_generations + 1, known)},
            ),
            Column("transitions", "transitions of the word chain in use", "", predicted={NONE: left}),
            Column("perplexity", "perplexity per character"),
        ],
        rows=(START, WORDS, *CHAIN, *TEXT),
        figures=[
            Sweep(
                "Word chain: rows of the last generation",
                "draws per row",
                "Σ p² of the row",
                _draws(settings, truth)[order],
                {arm: [end(arm, _row(word)) for word in order] for arm in CHAIN},
                {arm: law[-1, order] for arm, law in rows.items()},
            )
        ],
        notes=(
            f"Perplexity is per character, on text that no model has seen. Text: {source}.",
            "With real text alone the model overfits its few windows at equal steps: a rise above that is collapse.",
            "Chain: each row of the transition matrix is predicted as a separate categorical distribution, estimated "
            "anew from as many draws as the true chain visits the word. Approximate: in the loop the visits drift.",
        ),
        caveat="every word visited as often as in the truth",
    )


# --- words -----------------------------------------------------------------------------------------------------------


def _word_setup(settings: Language, stream: Stream) -> Setup:
    truth = Categorical(zipf(settings.words).repeat(settings.word_seeds, 1))
    real = Samples.real(truth.sample(torch.zeros(settings.word_count), stream.child("real")))
    task = Task(Categorical.uniform(settings.word_seeds, settings.words), real, _word_scores)
    return Setup(task, {WORDS: Plan(Replace(), settings.word_generations)})


def _word_scores(candidate: Candidate) -> dict[str, Tensor]:
    model = candidate.model
    assert isinstance(model, Categorical)
    probabilities = model.probabilities
    return {
        "vocabulary": (probabilities > 0).sum(-1),
        "simpson": probabilities.square().sum(-1),
        "entropy": -(probabilities * probabilities.clamp(min=1e-300).log()).sum(-1),
    }


def _predicted_words(settings: Language) -> dict[str, np.ndarray]:
    """From the first estimate on, shape (T + 1,) each."""
    arguments = (zipf(settings.words).numpy(), settings.word_count, settings.word_generations + 1)
    return {
        "vocabulary": theory.expected_vocabulary(*arguments)[1:],
        "simpson": theory.expected_simpson(*arguments)[1:],
    }


def _word_claims(settings: Language, predicted: Mapping[str, np.ndarray]) -> list[Claim]:
    return [
        *(
            agrees(f"words: {key} at generation {t}", at(WORDS, key, t), law[t], 0.03)
            for key, law in predicted.items()
            for t in (settings.word_generations // 2, settings.word_generations)
        ),
        below("words: the entropy falls", rise(WORDS, "entropy")),
    ]


# --- chain -----------------------------------------------------------------------------------------------------------


def _true_chain(settings: Language) -> MarkovChain:
    """A transition matrix drawn once, from its stationary distribution on."""
    stream = streams(settings.seed).child("chain", "truth")
    start = MarkovChain.uniform(words=settings.chain_words, length=settings.chain_length)
    chain = replace(start, transition=transitions(settings.chain_words, stream))
    return replace(chain, initial=chain.stationary())


def _chain_setup(settings: Language, truth: MarkovChain, stream: Stream) -> Setup:
    seeds = settings.chain_seeds
    replicates = replace(
        truth, initial=truth.initial.expand(seeds, -1), transition=truth.transition.expand(seeds, -1, -1)
    )
    real = Samples.real(replicates.sample(torch.zeros(settings.chain_texts), stream.child("real")))

    def scores(candidate: Candidate) -> dict[str, Tensor]:
        chain = candidate.model
        assert isinstance(chain, MarkovChain)
        rows = chain.transition.square().sum(-1)
        by_row = {_row(word): rows[:, word] for word in range(settings.chain_words)}
        return {"entropy rate": chain.entropy_rate(), "transitions": (chain.transition > 0).sum((-2, -1)), **by_row}

    policies = dict(zip(CHAIN, (Replace(), Keep(0.1), Accumulate(1.0)), strict=True))
    plans = {arm: Plan(policy, settings.chain_generations) for arm, policy in policies.items()}
    untrained = MarkovChain.uniform(seeds, words=settings.chain_words, length=settings.chain_length)
    return Setup(Task(untrained, real, scores), plans)


def _row(word: int) -> str:
    return f"Σ p² after word {word}"


def _draws(settings: Language, truth: MarkovChain) -> np.ndarray:
    """How many transitions out of each word a generation has on average, (words,)."""
    pairs = settings.chain_texts * (settings.chain_length - 1)
    return (truth.stationary().numpy() * pairs).round().astype(int)


def _predicted_repetition(settings: Language, truth: MarkovChain) -> dict[str, np.ndarray]:
    """Expected Σ p² of every row from the first estimate on, (T + 1, words) per arm.

    Each row is a categorical distribution. Approximation: every generation estimates it from as many draws as
    the true chain visits its word, while in the loop the visits vary and drift.
    """
    last = settings.chain_generations + 1
    laws = {
        NONE: lambda row, n: theory.expected_simpson(row, n, last),
        TENTH: lambda row, n: theory.kept_simpson(row, n, 0.1, last),
        ALL: lambda row, n: theory.accumulated_simpson(row, n, last),
    }
    rows = list(zip(truth.transition.numpy(), _draws(settings, truth), strict=True))
    return {arm: np.stack([law(*row)[1:] for row in rows], axis=-1) for arm, law in laws.items()}


def _predicted_transitions(settings: Language, truth: MarkovChain) -> np.ndarray:
    """Expected number of transitions in use without original texts, (T + 1,), in the same approximation."""
    rows = zip(truth.transition.numpy(), _draws(settings, truth), strict=True)
    return np.sum([theory.expected_vocabulary(row, n, settings.chain_generations + 1)[1:] for row, n in rows], axis=0)


def _chain_claims(settings: Language, truth: MarkovChain, left: np.ndarray) -> list[Claim]:
    half, last = settings.chain_generations // 2, settings.chain_generations
    draws, known = _draws(settings, truth), float(truth.entropy_rate())
    bias = settings.chain_words * (settings.chain_words - 1) / (2 * draws.sum())  # of frequencies (Basharin 1959)
    late = {arm: (at(arm, "entropy rate", half) - at(arm, "entropy rate", last)) / known for arm in CHAIN}
    rows = {arm: law[-1] for arm, law in _predicted_repetition(settings, truth).items()}
    order = np.argsort(draws)

    def mean_row(arm: str) -> Quantity:
        def mean(curves: Curves) -> np.ndarray:
            words = range(settings.chain_words)
            return np.stack([curves[arm][_row(word)][:, -1] for word in words], axis=-1).mean(-1)

        return Quantity(mean)

    return [
        agrees("chain: first estimate of the entropy rate", start(NONE, "entropy rate"), known - bias, 0.01,
               published=False),
        below("chain, none kept: the entropy rate falls", rise(NONE, "entropy rate")),
        *(
            agrees(f"chain, none kept: transitions left at generation {t}", at(NONE, "transitions", t), left[t])
            for t in (half, last)
        ),
        *(
            agrees(f"{arm.replace(':', ',')}: mean Σ p² of the rows", mean_row(arm), law.mean(), published=arm == NONE)
            for arm, law in rows.items()
        ),
        *(
            agrees(f"chain, none kept: Σ p² after the {name} word", end(NONE, _row(word)), rows[NONE][word], 0.1)
            for name, word in (("rarest", order[0]), ("commonest", order[-1]))
        ),
        above("chain, none kept: share of the entropy rate lost late", late[NONE], 0.05),
        below("chain, 10 % kept: share of the entropy rate lost late, bounded", late[TENTH], 0.02),
        below("chain, accumulate: share of the entropy rate lost late, bounded", late[ALL], 0.02),
    ]  # fmt: skip


# --- text ------------------------------------------------------------------------------------------------------------


def _windows(settings: Language) -> tuple[Tensor, Tensor]:
    """Training and held-out windows, evenly spread over their parts of the text."""
    text = read_text(settings.text) if settings.text else documentation()
    train, held_out = split_windows(Alphabet.of(text, settings.alphabet).encode(text), settings.window, 0.1)
    return spread(train, settings.windows), spread(held_out, settings.held_out_windows)


def _text_setup(settings: Language, train: Tensor, held_out: Tensor) -> Setup:
    model = LanguageModel(vocabulary=settings.alphabet, length=settings.window, batch_size=32)

    def scores(candidate: Candidate) -> dict[str, float]:
        trained = candidate.model
        assert isinstance(trained, LanguageModel)
        return {"perplexity": float(np.exp(trained.cross_entropy(held_out)))}

    policies = dict(zip(TEXT, (Replace(), Keep(0.1), Accumulate(1.0), RealOnly()), strict=True))
    plans = {name: Plan(policy, settings.generations, steps=settings.steps) for name, policy in policies.items()}
    return Setup(Task(model, Samples.real(train), scores, settings.first_steps), plans)


def _text_claims() -> list[Claim]:
    return [
        above("text: perplexity rises when none is kept", rise(TEXT_NONE, "perplexity")),
        above("text: more than with real text alone at equal steps", gain(TEXT_NONE, TEXT_REAL, "perplexity")),
        above("text: a tenth kept is better than none", gain(TEXT_NONE, TEXT_TENTH, "perplexity")),
        above("text: accumulating is better than replacing", gain(TEXT_NONE, TEXT_ALL, "perplexity")),
    ]
