"""Language on its own words: word frequencies with known theory, and a small transformer on real text.

Seddik et al. 2024: relative frequencies estimated from their own samples lose words as the Wright–Fisher chain says.
Shumailov et al. 2024, Gerstgrasser et al. 2024: held-out perplexity of a language model. Both are fully synthetic, with
a tenth of the original kept, and with all data accumulated.

    selfcorrect toy examples/loops/language.py --quick
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor
from toy_data.draws import zipf
from toy_data.text import documentation, windows_of
from toy_models.language import LanguageModel, perplexity_of
from toy_models.words import entropy, expected_simpson, expected_vocabulary, word_task

import selfcorrect as sc
from selfcorrect import claims, toys
from selfcorrect.storage.files.limits import read_text

KEPT = 0.1
POLICIES = NONE, TENTH, ALL, REAL = ("none kept", "10 % kept", "accumulate", "real only")


@dataclass(frozen=True)
class Language(toys.ToySettings):
    """Words: a Zipf vocabulary, as often drawn. Text: windows of characters, a transformer, one file or none."""

    words: int = 100
    word_count: int = 200
    word_generations: int = 40
    word_seeds: int = 2000
    """The laws are exact; half an interval is below 2 % of them, less than the tolerance."""
    text: Path | None = None
    alphabet: int = 64
    window: int = 32
    windows: int = 800
    held_out_windows: int = 300
    initial_steps: int = 600
    steps: int = 80
    generations: int = 4
    seeds: int = 5


QUICK = Language(word_seeds=200, windows=200, held_out_windows=100, initial_steps=300, steps=40, generations=3, seeds=3)


def toy(settings: Language) -> toys.Toy:
    """Declare words and text."""
    text = read_text(settings.text) if settings.text else documentation()
    train, held_out = windows_of(text, settings.alphabet, settings.window, settings.windows, settings.held_out_windows)
    source = str(settings.text) if settings.text else "the documentation that comes with Python"
    law = (zipf(settings.words).numpy(), settings.word_count)
    count = settings.word_generations + 1
    vocabulary = {f"words: {NONE}": expected_vocabulary(*law, count)[1:]}
    simpson = {
        f"words: {NONE}": expected_simpson(*law, count)[1:],
        f"words: {TENTH}": kept_simpson(*law, KEPT, count)[1:],
        f"words: {ALL}": accumulated_simpson(*law, count)[1:],
    }
    return toys.Toy(
        title="Words and text",
        source="Seddik et al. 2024; Shumailov et al. 2024; Gerstgrasser et al. 2024",
        bundles=[
            toys.bundle_replicates("words", settings.seed, partial(set_up_words, settings)),
            toys.bundle_seeds(settings, partial(set_up_text, settings, train, held_out)),
        ],
        claims=[*claim_of_words(settings, vocabulary, simpson), *claim_of_text()],
        columns=[
            toys.Column("vocabulary", "words in use", ".0f", predicted=vocabulary),
            toys.Column("simpson", "repetition of words, Σ p²", predicted=simpson),
            toys.Column("perplexity", "perplexity per character"),
        ],
        rows=(toys.START, *simpson, *(f"text: {name}" for name in POLICIES)),
        notes=(
            f"Perplexity is per character, on text that no model has seen. Text: {source}.",
            "With real text alone the model overfits its few windows at equal steps: a rise above that is collapse.",
        ),
    )


def make_arms(kind: str, generations: int, steps: int = 0) -> dict[str, sc.Arm]:
    """Return the arms of words or text."""
    policies = zip(POLICIES, (sc.Replace(), sc.Keep(KEPT), sc.Accumulate(1.0), sc.RealOnly()), strict=True)
    return {f"{kind}: {name}": sc.Arm(policy, generations, steps) for name, policy in policies}


# --- words ---


def set_up_words(settings: Language, stream: sc.Stream) -> toys.Setup:
    """Set up Zipf's words in replicates.

    Real words alone would only show the first estimate again.
    """

    def measure(probabilities: Tensor) -> dict[str, Tensor]:
        return {
            "vocabulary": (probabilities > 0).sum(-1),
            "simpson": probabilities.square().sum(-1),
            "entropy": entropy(probabilities),
        }

    task = word_task(zipf(settings.words), settings.word_count, measure, stream, settings.word_seeds)
    arms = make_arms("words", settings.word_generations)
    return toys.Setup(task, {name: arm for name, arm in arms.items() if REAL not in name})


def claim_of_words(
    settings: Language, vocabulary: Mapping[str, np.ndarray], simpson: Mapping[str, np.ndarray]
) -> Iterator[claims.Claim]:
    """Yield claims on vocabulary and repetition.

    Claims compare the number of words that are left and their repetition with the theory, and state that kept data
    bound the growth of repetition.
    """
    middle, last = times = (settings.word_generations // 2, settings.word_generations)
    yield from claims.expect_predictions("{arm}: words in use at generation {t}", "vocabulary", vocabulary, 0.03, times)
    published, *ours = (
        claims.expect_predictions("{arm}: Σ p² at generation {t}", "simpson", {arm: law}, 0.03, times)
        for arm, law in simpson.items()
    )
    yield from published
    yield from claims.mark_unpublished(*itertools.chain(*ours))
    for name, expect in ((NONE, claims.expect_below), (TENTH, claims.expect_above), (ALL, claims.expect_above)):
        arm = f"words: {name}"
        late = claims.value_at(arm, "entropy", last) - claims.value_at(arm, "entropy", middle)
        share = "more" if name == NONE else "less"
        yield expect(f"{arm}: {share} than 0.1 nats of entropy are lost in the second half", late, -0.1)


# --- text ---


def set_up_text(settings: Language, train: Tensor, held_out: Tensor, stream: sc.Stream) -> toys.Setup:
    """A transformer on windows of characters, with each policy."""
    model = LanguageModel(vocabulary=settings.alphabet, length=settings.window, batch_size=32)
    task = sc.Task(model, sc.Samples.real(train), perplexity_of(held_out), settings.initial_steps)
    return toys.Setup(task, make_arms("text", settings.generations, settings.steps))


def claim_of_text() -> Iterator[claims.Claim]:
    """Yield claims on perplexity and policies.

    Perplexity rises, and every policy that keeps data is better than one that keeps none.
    """
    none = f"text: {NONE}"
    yield claims.expect_above("text: perplexity rises when none is kept", claims.final_change(none, "perplexity"))
    for name, words in (
        (REAL, "more than with real text alone at equal steps"),
        (TENTH, "a tenth kept is better than none"),
        (ALL, "accumulating is better than replacing"),
    ):
        yield claims.expect_above(f"text: {words}", claims.final_difference(none, f"text: {name}", "perplexity"))


def kept_simpson(probabilities: ArrayLike, n: int, real_share: float, generations: int) -> np.ndarray:
    """Return a loop's Σ p² with kept words.

    This is the expected value of a categorical loop that trains on a share of n original words and on its own words.
    The result has the shape (t + 1,), with the true distribution at t = 0 and the n real words at t = 1; the share is
    drawn anew, without replacement. With S the value at t = 1 and a = 1 − share: s ← a² s + (1 − a²) S + a (1 − s) / n
    + the spread of the draw. This settles below 1, so collapse is bounded. The result is exact: the second moment of
    Seddik et al. 2024 with a constant part, and `expected_simpson` for a share of 0.
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
    """Return Σ p² where all words accumulate, (t + 1,).

    This is the expected value of a categorical loop that trains on all words so far, n more in each generation: 1 − (1
    − Σ p₀²) ∏ₖ (1 − 1/(n k²)), k = 1 … t. The k-th batch moves the frequencies by 1/k of that batch's error. As Σ 1/k²
    = π²/6, the loss stays below π²/6 times that of the real words alone (the bound of Gerstgrasser et al. 2024, here
    for words). The result is exact; t = 0 is the true distribution.
    """
    start = float(np.square(probabilities).sum())
    shares = np.cumprod(1 - 1 / (n * np.arange(1, generations + 1) ** 2.0))
    return 1 - (1 - start) * np.concatenate([[1.0], shares])
