"""Summarise choices: agreement, pull of the sides, strengths of samples and their sources, and the reward."""

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.statistics import UNMEASURED, Interval

from .agreement import measure_agreement
from .choices import Ratings, differences, outcomes
from .reward import fit_reward, predicted_share
from .strengths import best_fit

_NORMAL_95 = 1.959964
_SAMPLES_SHOWN = 8
"""Samples that the terminal shows, the strongest and the weakest."""


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
