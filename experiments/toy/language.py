"""Language on its own words: word frequencies with known theory, and a small transformer on real text.

Seddik et al. 2024: relative frequencies estimated from their own samples lose words as the Wright–Fisher chain says.
Shumailov et al. 2024, Gerstgrasser et al. 2024: held-out perplexity of a language model, fully synthetic, with a tenth
of the original kept, and with all text accumulated.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from selfcorrect import theory
from selfcorrect.datasets.text import Alphabet, documentation, read_text, split_windows
from selfcorrect.datasets.toy import zipf
from selfcorrect.experiments.toy.result import Check, Line, Panel, Result, above, agrees, below
from selfcorrect.experiments.toy.running import Comparison, Curves, run_arms, run_seeds
from selfcorrect.loop import Candidate, Plan, Task
from selfcorrect.models.categorical import Categorical
from selfcorrect.models.language import LanguageModel
from selfcorrect.policy import Accumulate, Keep, Policy, RealOnly, Replace
from selfcorrect.randomness import Stream, streams
from selfcorrect.samples import Samples
from selfcorrect.statistics import mean_interval


@dataclass(frozen=True)
class Language:
    """Words: a Zipf vocabulary, as often drawn. Text: windows of characters, a transformer, one file or none."""

    words: int = 100
    word_count: int = 200
    word_generations: int = 40
    word_seeds: int = 100
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
    return Language(windows=200, held_out_windows=100, first_steps=300, steps=40, generations=3)


def run(settings: Language | None = None, replaced_by: Policy | None = None) -> Result:
    """Words and text; `replaced_by` runs another policy in place of the fully synthetic one."""
    settings = settings or Language()
    replacing = replaced_by or Replace()
    stream = streams(settings.seed).child("words")
    words = run_arms(_word_task(settings, stream), {"replace": Plan(replacing, settings.word_generations)}, stream)[
        "replace"
    ]
    train, held_out = _windows(settings)
    seeds = range(settings.seed, settings.seed + settings.seeds)
    text = run_seeds(lambda stream: _text(settings, stream, train, held_out, replacing), seeds)
    return Result(
        reading=_reading(words, text),
        checks=[*_word_checks(settings, words), *_text_checks(text)],
        figures=_panels(settings, words, text),
        notes=(
            f"Perplexity is per character, on text that no model has seen. {_source(settings)}",
            "With real text alone the model overfits its few windows at equal steps: a rise above that is collapse.",
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


# --- text ------------------------------------------------------------------------------------------------------------


def _windows(settings: Language) -> tuple[Tensor, Tensor]:
    """Training and held-out windows, evenly spread over their parts of the text."""
    text = read_text(settings.text) if settings.text else documentation()
    train, held_out = split_windows(Alphabet.of(text, settings.alphabet).encode(text), settings.window, 0.1)
    return _spread(train, settings.windows), _spread(held_out, settings.held_out_windows)


def _spread(windows: Tensor, count: int) -> Tensor:
    return windows[torch.linspace(0, len(windows) - 1, min(count, len(windows))).long()]


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


def _reading(words: dict[str, np.ndarray], text: Curves) -> str:
    start = text["none kept"]["perplexity"][:, 0].mean()
    ends = ", ".join(f"{table['perplexity'][:, -1].mean():.2f} ({arm})" for arm, table in text.items())
    left = words["vocabulary"]
    return (
        f"{left[:, 0].mean():.0f} words in use at first, {left[:, -1].mean():.0f} at the end; held-out perplexity per "
        f"character from {start:.2f} to {ends}."
    )


def _panels(settings: Language, words: dict[str, np.ndarray], text: Curves) -> list[Panel]:
    predicted = _predicted_words(settings)
    generations = {"words": np.arange(settings.word_generations + 1), "text": np.arange(settings.generations + 1)}
    lines = [Line(arm, table["perplexity"]) for arm, table in text.items()]
    vocabulary = [Line("replace", words["vocabulary"], predicted["vocabulary"])]
    return [
        Panel("Words in use", "generation", "words", generations["words"], vocabulary),
        Panel("Real text", "generation", "held-out perplexity per character", generations["text"], lines),
    ]
