"""Language on its own words: word frequencies and a word chain with known theory, a small transformer on real text.

Seddik et al. 2024: relative frequencies estimated from their own samples lose words as the Wright–Fisher chain says.
A Markov chain has one such distribution after each word, and a known entropy rate.
Shumailov et al. 2024, Gerstgrasser et al. 2024: held-out perplexity of a language model, fully synthetic, with a tenth
of the original kept, and with all text accumulated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from torch import Tensor

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.datasets.toy.draws import zipf
from selfcorrect.datasets.toy.text import documentation
from selfcorrect.loop.policy import Accumulate, Keep, RealOnly, Replace
from selfcorrect.loop.run import Arm, Task
from selfcorrect.storage.files.limits import read_text

from ...studies.claims import Claim, expect_above, expect_below, expect_predictions, final_change, final_difference
from ..models.language import LanguageModel
from ..toys import START, Column, Setup, Toy, ToySettings, bundle_replicates, bundle_seeds
from .chain import CHAIN, NONE, WordChain
from .tasks import entropy, perplexity_of, windows_of, word_task

WORDS = "words: replace"
TEXT = TEXT_NONE, TEXT_TENTH, TEXT_ALL, TEXT_REAL = (
    "text: none kept",
    "text: 10 % kept",
    "text: accumulate",
    "text: real only",
)


@dataclass(frozen=True)
class Language(ToySettings):
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


def toy(settings: Language) -> Toy:
    """Declare words, chain and text."""
    text = read_text(settings.text) if settings.text else documentation()
    train, held_out = windows_of(text, settings.alphabet, settings.window, settings.windows, settings.held_out_windows)
    source = str(settings.text) if settings.text else "the documentation that comes with Python"
    chain = replace(settings.chain, seed=settings.seed)
    true_rate = np.full(chain.generations + 1, float(chain.truth.entropy_rate()))
    frequencies = zipf(settings.words).numpy()
    count = settings.word_generations + 1
    vocabulary = {WORDS: theory.expected_vocabulary(frequencies, settings.word_count, count)[1:]}
    simpson = {WORDS: theory.expected_simpson(frequencies, settings.word_count, count)[1:]}
    times = (settings.word_generations // 2, settings.word_generations)
    bundles = [
        bundle_replicates("words", settings.seed, partial(set_up_words, settings)),
        chain.make_bundle(),
        bundle_seeds(settings, lambda stream: set_up_text(settings, train, held_out)),
    ]
    claims = [
        *expect_predictions("words: vocabulary at generation {t}", "vocabulary", vocabulary, 0.03, times),
        *expect_predictions("words: simpson at generation {t}", "simpson", simpson, 0.03, times),
        expect_below("words: the entropy falls", final_change(WORDS, "entropy")),
        *chain.make_claims(),
        *_make_text_claims(),
    ]
    columns = [
        Column("vocabulary", "words in use", ".0f", predicted=vocabulary),
        Column("entropy rate", "entropy rate of the word chain, nats", predicted={"known truth": true_rate}),
        Column(
            "transitions", "transitions of the word chain in use", "", predicted={NONE: chain.predict_transitions()}
        ),
        Column("perplexity", "perplexity per character"),
    ]
    return Toy(
        bundles=bundles,
        claims=claims,
        columns=columns,
        rows=(START, WORDS, *CHAIN, *TEXT),
        figures=[chain.make_sweep()],
        notes=(
            f"Perplexity is per character, on text that no model has seen. Text: {source}.",
            "With real text alone the model overfits its few windows at equal steps: a rise above that is collapse.",
            "Chain: each row of the transition matrix is predicted as a separate categorical distribution, estimated "
            "anew from as many draws as the true chain visits the word. Approximate: in the loop the visits drift.",
        ),
        caveat="every word visited as often as in the truth",
    )


def _make_text_claims() -> Iterator[Claim]:
    yield expect_above("text: perplexity rises when none is kept", final_change(TEXT_NONE, "perplexity"))
    over_real = final_difference(TEXT_NONE, TEXT_REAL, "perplexity")
    yield expect_above("text: more than with real text alone at equal steps", over_real)
    over_tenth = final_difference(TEXT_NONE, TEXT_TENTH, "perplexity")
    yield expect_above("text: a tenth kept is better than none", over_tenth)
    over_accumulated = final_difference(TEXT_NONE, TEXT_ALL, "perplexity")
    yield expect_above("text: accumulating is better than replacing", over_accumulated)


def set_up_words(settings: Language, stream: Stream) -> Setup:
    """Words of Zipf's law, in replicates."""

    def measure(probabilities: Tensor) -> dict[str, Tensor]:
        return {
            "vocabulary": (probabilities > 0).sum(-1),
            "simpson": probabilities.square().sum(-1),
            "entropy": entropy(probabilities),
        }

    task = word_task(zipf(settings.words), settings.word_count, measure, stream, settings.word_seeds)
    return Setup(task, {WORDS: Arm(Replace(), settings.word_generations)})


def set_up_text(settings: Language, train: Tensor, held_out: Tensor) -> Setup:
    """A transformer on windows of characters, with each policy."""
    model = LanguageModel(vocabulary=settings.alphabet, length=settings.window, batch_size=32)
    policies = {
        TEXT_NONE: Replace(),
        TEXT_TENTH: Keep(0.1),
        TEXT_ALL: Accumulate(1.0),
        TEXT_REAL: RealOnly(),
    }
    arms = {arm: Arm(policy, settings.generations, steps=settings.steps) for arm, policy in policies.items()}
    return Setup(Task(model, Samples.real(train), perplexity_of(held_out), settings.initial_steps), arms)
