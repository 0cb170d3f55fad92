"""Language on its own words: word frequencies and a word chain with known theory, a small transformer on real text.

Seddik et al. 2024: relative frequencies estimated from their own samples lose words as the Wright–Fisher chain says.
A Markov chain has one such distribution after each word, and a known entropy rate.
Shumailov et al. 2024, Gerstgrasser et al. 2024: held-out perplexity of a language model, fully synthetic, with a tenth
of the original kept, and with all text accumulated.
"""

from __future__ import annotations

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
from selfcorrect.loop.policy import Accumulate, Keep, Policy, RealOnly, Replace
from selfcorrect.loop.run import Candidate, Plan, Task
from selfcorrect.statistics import mean_interval

from ..models.categorical import Categorical
from ..models.language import LanguageModel
from ..models.markov import MarkovChain
from ..result import Check, Ends, Line, Panel, Result, above, agrees, below
from ..running import Comparison, Curves, run_arms, run_seeds


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


def quick() -> Language:
    return Language(chain_seeds=40, windows=200, held_out_windows=100, first_steps=300, steps=40, generations=3)


def run(settings: Language | None = None) -> Result:
    """Words, chain and text."""
    settings = settings or Language()
    replacing = Replace()
    stream = streams(settings.seed).child("words")
    words = run_arms(_word_task(settings, stream), {"replace": Plan(replacing, settings.word_generations)}, stream)[
        "replace"
    ]
    truth = _true_chain(settings)
    chain = _run_chain(settings, truth, replacing)
    train, held_out = _windows(settings)
    seeds = range(settings.seed, settings.seed + settings.seeds)
    text = run_seeds(lambda stream: _text(settings, stream, train, held_out, replacing), seeds)
    return Result(
        reading=_reading(words),
        ends=_ends(chain, text),
        checks=[*_word_checks(settings, words), *_chain_checks(settings, truth, chain), *_text_checks(text)],
        figures=[_word_panel(settings, words), *_chain_panels(settings, truth, chain), _text_panel(settings, text)],
        notes=(
            f"Perplexity is per character, on text that no model has seen. {_source(settings)}",
            "With real text alone the model overfits its few windows at equal steps: a rise above that is collapse.",
            "Chain: each row of the transition matrix is predicted as a separate categorical distribution, estimated "
            "anew from as many draws as the true chain visits the word. Approximate: in the loop the visits drift.",
        ),
    )


def _source(settings: Language) -> str:
    return f"Text: {settings.text}." if settings.text else "Text: the documentation that comes with Python."


# --- words -----------------------------------------------------------------------------------------------------------


def _word_task(settings: Language, stream: Stream) -> Task:
    truth = Categorical(zipf(settings.words).repeat(settings.word_seeds, 1))
    real = Samples.real(truth.sample(torch.zeros(settings.word_count), stream.child("real")))
    return Task(Categorical.uniform(settings.word_seeds, settings.words), real, _word_scores)


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


def _word_checks(settings: Language, words: dict[str, np.ndarray]) -> list[Check]:
    predicted, entropy = _predicted_words(settings), words["entropy"]
    half, last = settings.word_generations // 2, settings.word_generations
    return [
        *(
            agrees(f"words: {key} at generation {t}", mean_interval(words[key][:, t]), predicted[key][t], 0.03)
            for key in predicted
            for t in (half, last)
        ),
        below("words: the entropy falls", mean_interval(entropy[:, -1] - entropy[:, 0])),
    ]


# --- chain -----------------------------------------------------------------------------------------------------------


def _true_chain(settings: Language) -> MarkovChain:
    """A transition matrix drawn once, from its stationary distribution on."""
    stream = streams(settings.seed).child("chain", "truth")
    start = MarkovChain.uniform(words=settings.chain_words, length=settings.chain_length)
    chain = replace(start, transition=transitions(settings.chain_words, stream))
    return replace(chain, initial=chain.stationary())


def _run_chain(settings: Language, truth: MarkovChain, replacing: Policy) -> Curves:
    stream, seeds = streams(settings.seed).child("chain"), settings.chain_seeds
    shape = {"words": settings.chain_words, "length": settings.chain_length}
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

    policies = {"none kept": replacing, "10 % kept": Keep(0.1), "accumulate": Accumulate(1.0)}
    plans = {arm: Plan(policy, settings.chain_generations) for arm, policy in policies.items()}
    return run_arms(Task(MarkovChain.uniform(seeds, **shape), real, scores), plans, stream)


def _row(word: int) -> str:
    return f"Σ p² after word {word}"


def _repetition(settings: Language, chain: Curves) -> dict[str, np.ndarray]:
    """Σ p² of every row of the transition matrix, (S, T + 1, words) per arm."""
    names = [_row(word) for word in range(settings.chain_words)]
    return {arm: np.stack([table[name] for name in names], axis=-1) for arm, table in chain.items()}


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
        "none kept": lambda row, n: theory.expected_simpson(row, n, last),
        "10 % kept": lambda row, n: theory.kept_simpson(row, n, 0.1, last),
        "accumulate": lambda row, n: theory.accumulated_simpson(row, n, last),
    }
    rows = list(zip(truth.transition.numpy(), _draws(settings, truth), strict=True))
    return {arm: np.stack([law(*row)[1:] for row in rows], axis=-1) for arm, law in laws.items()}


def _predicted_transitions(settings: Language, truth: MarkovChain) -> np.ndarray:
    """Expected number of transitions in use without original texts, (T + 1,), in the same approximation."""
    rows = zip(truth.transition.numpy(), _draws(settings, truth), strict=True)
    return np.sum([theory.expected_vocabulary(row, n, settings.chain_generations + 1)[1:] for row, n in rows], axis=0)


def _chain_checks(settings: Language, truth: MarkovChain, chain: Curves) -> list[Check]:
    half, last = settings.chain_generations // 2, settings.chain_generations
    draws, known = _draws(settings, truth), float(truth.entropy_rate())
    bias = settings.chain_words * (settings.chain_words - 1) / (2 * draws.sum())  # of frequencies (Basharin 1959)
    none, rates = chain["none kept"], {arm: table["entropy rate"] for arm, table in chain.items()}
    late = {arm: mean_interval((rate[:, half] - rate[:, last]) / known) for arm, rate in rates.items()}
    left, first = _predicted_transitions(settings, truth), mean_interval(none["entropy rate"][:, 0])
    fallen = mean_interval(none["entropy rate"][:, last] - none["entropy rate"][:, 0])
    return [
        agrees("chain: first estimate of the entropy rate", first, known - bias, 0.01, published=False),
        below("chain, none kept: the entropy rate falls", fallen),
        *(
            agrees(f"chain, none kept: transitions left at generation {t}", mean_interval(none["transitions"][:, t]), n)
            for t, n in [(half, left[half]), (last, left[last])]
        ),
        *_row_checks(settings, truth, chain),
        above("chain, none kept: share of the entropy rate lost late", late["none kept"], 0.05),
        below("chain, 10 % kept: share of the entropy rate lost late, bounded", late["10 % kept"], 0.02),
        below("chain, accumulate: share of the entropy rate lost late, bounded", late["accumulate"], 0.02),
    ]


def _row_checks(settings: Language, truth: MarkovChain, chain: Curves) -> list[Check]:
    """The last generation's rows on average in every arm, and the rows of the rarest and the commonest word."""
    measured = {arm: rows[:, -1] for arm, rows in _repetition(settings, chain).items()}
    predicted = {arm: rows[-1] for arm, rows in _predicted_repetition(settings, truth).items()}
    order = np.argsort(_draws(settings, truth))
    none, expected = measured["none kept"], predicted["none kept"]
    return [
        *(
            agrees(f"chain, {arm}: mean Σ p² of the rows", mean, predicted[arm].mean(), published=arm == "none kept")
            for arm, mean in [(arm, mean_interval(rows.mean(-1))) for arm, rows in measured.items()]
        ),
        *(
            agrees(f"chain, none kept: Σ p² after the {name} word", mean_interval(none[:, word]), expected[word], 0.1)
            for name, word in [("rarest", order[0]), ("commonest", order[-1])]
        ),
    ]


# --- text ------------------------------------------------------------------------------------------------------------


def _windows(settings: Language) -> tuple[Tensor, Tensor]:
    """Training and held-out windows, evenly spread over their parts of the text."""
    text = read_text(settings.text) if settings.text else documentation()
    train, held_out = split_windows(Alphabet.of(text, settings.alphabet).encode(text), settings.window, 0.1)
    return spread(train, settings.windows), spread(held_out, settings.held_out_windows)


def _text(settings: Language, stream: Stream, train: Tensor, held_out: Tensor, replacing: Policy) -> Comparison:
    model = LanguageModel(vocabulary=settings.alphabet, length=settings.window, batch_size=32)

    def scores(candidate: Candidate) -> dict[str, float]:
        trained = candidate.model
        assert isinstance(trained, LanguageModel)
        return {"perplexity": float(np.exp(trained.cross_entropy(held_out)))}

    policies = {
        "none kept": replacing,
        "10 % kept": Keep(0.1),
        "accumulate": Accumulate(1.0),
        "real only": RealOnly(),
    }
    plans = {name: Plan(policy, settings.generations, steps=settings.steps) for name, policy in policies.items()}
    return Task(model, Samples.real(train), scores, settings.first_steps), plans


def _text_checks(text: Curves) -> list[Check]:
    last = {arm: table["perplexity"][:, -1] for arm, table in text.items()}
    start = text["none kept"]["perplexity"][:, 0]
    return [
        above("text: perplexity rises when none is kept", mean_interval(last["none kept"] - start)),
        above(
            "text: more than with real text alone at equal steps", mean_interval(last["none kept"] - last["real only"])
        ),
        above("text: a tenth kept is better than none", mean_interval(last["none kept"] - last["10 % kept"])),
        above("text: accumulating is better than replacing", mean_interval(last["none kept"] - last["accumulate"])),
    ]


def _reading(words: dict[str, np.ndarray]) -> str:
    left = words["vocabulary"]
    return f"Of {left[:, 0].mean():.0f} words in use at first, {left[:, -1].mean():.0f} are left at the end."


def _ends(chain: Curves, text: Curves) -> Ends:
    rates = {arm: table["entropy rate"].mean(0) for arm, table in chain.items()}
    perplexities = {arm: table["perplexity"].mean(0) for arm, table in text.items()}
    first = [f"{rates['none kept'][0]:.2f}", f"{perplexities['none kept'][0]:.2f}"]
    rows = {
        arm: [f"{rates[arm][-1]:.2f}" if arm in rates else "", f"{curve[-1]:.2f}"]
        for arm, curve in perplexities.items()
    }
    return Ends(["entropy rate of the word chain, nats", "perplexity per character"], {"generation 0": first} | rows)


def _word_panel(settings: Language, words: dict[str, np.ndarray]) -> Panel:
    vocabulary = Line("replace", words["vocabulary"], _predicted_words(settings)["vocabulary"])
    return Panel("Words in use", "generation", "words", np.arange(settings.word_generations + 1), [vocabulary])


def _text_panel(settings: Language, text: Curves) -> Panel:
    lines = [Line(arm, table["perplexity"]) for arm, table in text.items()]
    generations = np.arange(settings.generations + 1)
    return Panel("Real text", "generation", "held-out perplexity per character", generations, lines)


def _chain_panels(settings: Language, truth: MarkovChain, chain: Curves) -> list[Panel]:
    generations, draws = np.arange(settings.chain_generations + 1), _draws(settings, truth)
    known = Line("known truth", prediction=np.full(len(generations), float(truth.entropy_rate())))
    rates = [Line(arm, table["entropy rate"]) for arm, table in chain.items()]
    laws = {"none kept": _predicted_transitions(settings, truth)}
    in_use = [Line(arm, table["transitions"], laws.get(arm)) for arm, table in chain.items()]
    measured, predicted, order = _repetition(settings, chain), _predicted_repetition(settings, truth), np.argsort(draws)
    rows = [Line(arm, values[:, -1, order], predicted[arm][-1, order]) for arm, values in measured.items()]
    caveat = "every word visited as often as in the truth"
    return [
        Panel("Word chain: entropy rate", "generation", "nats per word", generations, [*rates, known]),
        Panel("Word chain: transitions in use", "generation", "transitions", generations, in_use, caveat=caveat),
        Panel(
            "Word chain: rows of the last generation",
            "draws per row",
            "Σ p² of the row",
            draws[order],
            rows,
            caveat=caveat,
        ),
    ]
