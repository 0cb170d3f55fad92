"""Summarise saved choices of raters: agreement, pull of the sides, strengths of samples and sources, and the reward.

    python examples/curation/summarize_choices.py choices-ada.jsonl choices-bob.jsonl --out ratings.json

Agreement is Krippendorff's alpha. Strengths are those of Bradley and Terry, with ties by Davidson.
"""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from selfcorrect.core.errors import InputError, SelfcorrectError
from selfcorrect.core.randomness import streams
from selfcorrect.experiments.curation.choices import Choice, Ratings, differences, outcomes, read_ratings
from selfcorrect.experiments.curation.reward import FEWEST_CHOICES, fit_reward, select_comparisons
from selfcorrect.experiments.curation.strengths import best_fit
from selfcorrect.statistics import UNMEASURED, Interval
from selfcorrect.storage.files.strict_json import as_json, to_json
from selfcorrect.storage.files.writing import write_atomically

_NORMAL_95 = 1.959964
_SAMPLES_SHOWN = 8
"""Samples that the terminal shows, the strongest and the weakest."""
_FOLDS = 5
_RESAMPLES = 2000
_KINDS = 3
"""Answers about a pair: its first sample by id, its second sample, or a tie."""


def summarize_ratings(ratings: Ratings) -> dict[str, Any]:
    """Return intervals by name, rows of sources and samples, the strongest first, and the reward.

    The reward is None if too few choices are about samples with features.
    """
    choices = ratings.choices
    samples = sorted(set().union(*(choice.pair for choice in choices)))
    signs = differences(choices, samples)
    fit = best_fit(signs, outcomes(choices))
    try:
        reward = fit_reward(ratings)
    except InputError:
        reward = None
    results = signs * outcomes(choices)[:, None]
    rows = []
    for index, sample in enumerate(samples):
        item = ratings.items[sample]
        rows.append(
            {
                "id": sample,
                "name": item.name,
                "source": item.source,
                "label": item.label,
                "strength": float(fit.weights[index]),
                "error": float(fit.errors[index]),
                "wins": int((results[:, index] > 0).sum()),
                "losses": int((results[:, index] < 0).sum()),
                "ties": int((signs[:, index] != 0).sum() - (results[:, index] != 0).sum()),
            }
        )
    sources = []
    for source in dict.fromkeys(row["source"] for row in rows):
        members = [index for index, row in enumerate(rows) if row["source"] == source]
        error = math.sqrt(fit.covariance[np.ix_(members, members)].mean())
        strength = float(fit.weights[members].mean())
        sources.append({"source": source, "strength": strength, "error": error, "samples": len(members)})
    return {
        "choices": choices,
        "krippendorff_alpha": measure_agreement([choice for choice in choices if choice.common]),
        "pull_left_logits": _normal_interval(fit.side, float(fit.errors[-2]), len(choices)),
        "reward_predicts_unseen": predicted_share(ratings),
        "sources": sorted(sources, key=lambda row: -row["strength"]),
        "samples": sorted(rows, key=lambda row: -row["strength"]),
        "reward": reward,
    }


def format_summary(summary: dict[str, Any]) -> str:
    """Return the figures and the tables of a summary for the terminal."""
    choices = summary["choices"]
    samples = summary["samples"]
    rows = [
        ("choices", f"{len(choices)} about {len(samples)} samples"),
        ("raters", _format_counts(choice.rater for choice in choices)),
        ("answers", _format_counts(choice.answer for choice in choices)),
        ("median time", f"{np.median([choice.seconds for choice in choices]):.1f} s"),
        ("Krippendorff's alpha", summary["krippendorff_alpha"]),
        ("pull to the left", summary["pull_left_logits"]),
        ("reward predicts", summary["reward_predicts_unseen"]),
    ]
    if summary["reward"] is not None:
        for name, weight in zip(summary["reward"].features, summary["reward"].common, strict=True):
            rows.append((f"reward, ln {name}", f"{weight:+.2f}"))
    lines = [f"{name:28}{'not measured' if value == UNMEASURED else value}" for name, value in rows]
    half = _SAMPLES_SHOWN // 2
    shown = samples if len(samples) <= _SAMPLES_SHOWN else samples[:half] + samples[-half:]
    for title, table in (("source", summary["sources"]), ("name", shown)):
        lines.append(f"\n{title:32}  strength, 95 %")
        lines += [f"{row[title]:32}  {row['strength']:+.2f} ± {_NORMAL_95 * row['error']:.2f}" for row in table]
    return "\n".join(lines)


def _normal_interval(estimate: float, error: float, count: int) -> Interval:
    reach = _NORMAL_95 * error
    return Interval(estimate, estimate - reach, estimate + reach, count, "normal")


def _format_counts(values: Iterable[str]) -> str:
    return ", ".join(f"{value} {count}" for value, count in Counter(values).most_common())


def measure_agreement(choices: Sequence[Choice]) -> Interval:
    """Return alpha of answers about pairs that two or more raters saw: 1 is full agreement, 0 agreement by chance.

    The order of a pair's samples is arbitrary. So each pair counts in both orders, which makes both answers equally
    likely by chance. The interval is a bootstrap over pairs; `count` is the number of pairs.
    """
    answers: dict[frozenset[str], dict[str, int]] = defaultdict(dict)
    for choice in choices:
        lead = choice.outcome if choice.left == min(choice.pair) else -choice.outcome
        answers[choice.pair][choice.rater] = {1: 0, -1: 1, 0: 2}[lead]
    units = [np.array([*by_rater.values()]) for by_rater in answers.values() if len(by_rater) > 1]
    if not units:
        return UNMEASURED
    mirror = np.array([1, 0, 2])
    tables = np.array([count_coincidences(unit, _KINDS) + count_coincidences(mirror[unit], _KINDS) for unit in units])
    estimate = compute_alpha(tables.sum(0) / 2)
    drawn = streams(0).child("agreement").numpy().multinomial(len(units), [1 / len(units)] * len(units), _RESAMPLES)
    resampled = [compute_alpha(table / 2) for table in np.tensordot(drawn, tables, axes=1)]
    low, high = np.nanquantile(resampled, [0.025, 0.975]) if len(units) > 1 else (np.nan, np.nan)
    return Interval(estimate, low, high, len(units), "bootstrap over pairs")


def count_coincidences(values: np.ndarray, kinds: int) -> np.ndarray:
    """Count coincidences of two values of a unit, (kinds, kinds); each value counts 1 in all."""
    counts = np.bincount(values, minlength=kinds)
    return (np.outer(counts, counts) - np.diag(counts)) / (len(values) - 1)


def compute_alpha(table: np.ndarray) -> float:
    """Return alpha of a table of coincidences, summed over units; NaN if all values are equal.

    Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", for nominal values.
    """
    total = table.sum()
    expected = total**2 - (table.sum(0) ** 2).sum()
    return float(1 - (total - 1) * (total - np.trace(table)) / expected) if expected > 0 else np.nan


def predicted_share(ratings: Ratings) -> Interval:
    """Return the share of decided choices that a reward predicts that has seen neither sample; 0.5 is chance.

    Samples are dealt into five folds. Choices between two folds are predicted from choices that touch neither. The
    interval is a bootstrap over samples, because choices share samples. NaN if too few choices are left to fit.
    """
    choices, samples, table = select_comparisons(ratings)
    if len(choices) < FEWEST_CHOICES:
        return UNMEASURED
    results = outcomes(choices)
    is_decided = results != 0
    results = results[is_decided]
    signs = differences(choices, samples)[is_decided]
    described = signs @ (table / np.maximum(table.std(0), 1e-9))
    fold_of_sample = streams(0).child("folds").numpy().permutation(len(samples)) % _FOLDS
    touched = np.stack([(signs != 0) @ (fold_of_sample == fold) for fold in range(_FOLDS)], axis=1)
    hits = np.full(len(results), np.nan)
    for first, second in combinations_with_replacement(range(_FOLDS), 2):
        unseen = touched[:, first] * touched[:, second] == (4 if first == second else 1)
        training = (touched[:, first] == 0) & (touched[:, second] == 0)
        if unseen.any() and training.sum() >= FEWEST_CHOICES:
            weights = best_fit(described[training], results[training]).weights
            hits[unseen] = np.sign(described[unseen] @ weights) == results[unseen]
    is_tested = np.isfinite(hits)
    if not is_tested.any():
        return UNMEASURED
    generator = streams(0).child("resamples").numpy()
    drawn = generator.multinomial(len(samples), [1 / len(samples)] * len(samples), _RESAMPLES)
    counts = drawn[:, signs[is_tested].argmax(1)] * drawn[:, signs[is_tested].argmin(1)]
    totals = counts.sum(1)
    shares = (counts @ hits[is_tested])[totals > 0] / totals[totals > 0]
    low, high = np.quantile(shares, [0.025, 0.975])
    return Interval(float(hits[is_tested].mean()), low, high, int(is_tested.sum()), "bootstrap over samples")


def main(files: tyro.conf.Positional[tuple[Path, ...]], out: Path | None = None, overwrite: bool = False) -> None:
    """Print the summary of saved choices.

    Args:
        files: Files of choices, as pages of `selfcorrect curate` save them, or folders of such files.
        out: File for the summary as JSON.
        overwrite: Replace that file if it exists.
    """
    summary = summarize_ratings(read_ratings(*files))
    print(format_summary(summary))
    if out is not None:
        text = json.dumps(to_json(as_json(summary, asdict)), indent=1)
        write_atomically(out, f"{text}\n", overwrite=overwrite)
        print(out)


if __name__ == "__main__":
    try:
        tyro.cli(main)
    except SelfcorrectError as error:
        raise SystemExit(f"summarize_choices: {error}") from None
