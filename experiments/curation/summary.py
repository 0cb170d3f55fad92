"""Summarise choices: agreement, pull of the sides, strengths of samples and their sources, and the reward."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.preferences.agreement import agreement_of
from selfcorrect.preferences.bradley_terry import Strengths, strengths
from selfcorrect.preferences.choices import Choice, drop_rejections
from selfcorrect.preferences.reward import FEWEST_CHOICES, Reward, fit_reward, predicted_share
from selfcorrect.statistics import Interval

from .choices_file import RatedItem, Ratings, RecordedChoice

_NORMAL_95 = 1.959964
_SAMPLES_SHOWN = 8
"""Samples that the terminal shows, the strongest and the weakest."""


@dataclass(frozen=True, eq=False)
class RatingSummary:
    """The summary of ratings. Rows of samples and sources are sorted, the strongest first."""

    choices: Sequence[RecordedChoice]
    figures: dict[str, Any]
    """Agreement, side and predicted share, as the JSON file has them. An interval is [estimate, low, high]."""
    samples: list[dict[str, Any]]
    sources: list[dict[str, Any]]
    reward: Reward | None
    """None if too few choices are about samples with features."""

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "choices": [asdict(choice) for choice in self.choices],
            **self.figures,
            "sources": self.sources,
            "samples": self.samples,
            "reward": self.reward and asdict(self.reward),
        }

    def to_text(self) -> str:
        """Return the figures and the tables for the terminal."""
        agreement = self.figures["agreement"]
        side = self.figures["side"]
        reach = _NORMAL_95 * side["error"]
        rows = [
            ("choices", f"{len(self.choices)} about {len(self.samples)} samples"),
            ("raters", _format_counts(choice.rater for choice in self.choices)),
            ("answers", _format_counts(choice.answer for choice in self.choices)),
            ("median time", f"{np.median([choice.seconds for choice in self.choices]):.1f} s"),
            ("common pairs", str(agreement["pairs"])),
            ("Krippendorff's alpha", _format_interval(agreement["krippendorff_alpha"])),
            ("same answer", _format_interval(agreement["same_answer"])),
            ("left sample won", f"{side['left_won']:.2f}"),
            ("pull to the left", f"{side['pull_left_logits']:+.2f} ± {reach:.2f} logits"),
            ("reward predicts", _format_interval(self.figures["reward_predicts_unseen"])),
        ]
        if self.reward is not None:
            for name, weight in zip(self.reward.features, self.reward.common, strict=True):
                rows.append((f"reward, {name}", f"{weight:+.2f}"))
        lines = [f"{name:24}{value}" for name, value in rows]
        half = _SAMPLES_SHOWN // 2
        shown = self.samples if len(self.samples) <= _SAMPLES_SHOWN else self.samples[:half] + self.samples[-half:]
        for title, table in (("source", self.sources), ("name", shown)):
            lines.append(f"\n{title:32}  strength, 95 %  rejected")
            for row in table:
                strength = f"{row['strength']:+.2f} ± {_NORMAL_95 * row['error']:.2f}"
                lines.append(f"{row[title]:32}  {strength:>14}  {row['rejected']:>8}")
        return "\n".join(lines)


def summarize_ratings(ratings: Ratings) -> RatingSummary:
    """Return the summary of ratings."""
    choices = ratings.choices
    rated_samples = {sample for choice in choices for sample in choice.pair}
    items = {sample: item for sample, item in ratings.items.items() if sample in rated_samples}
    fitted = strengths(choices, list(items))
    agreement = agreement_of([choice for choice in choices if choice.common])
    reward, predicted = _fit_reward(choices, items, ratings.study.features)
    decided = [choice.outcome for choice in choices if choice.outcome]
    agreement_figures = {
        "pairs": agreement.pairs,
        "krippendorff_alpha": _to_bounds(agreement.alpha),
        "same_answer": _to_bounds(agreement.same),
    }
    side_figures = {
        "left_won": decided.count(1) / len(decided) if decided else math.nan,
        "pull_left_logits": fitted.fit.side,
        "error": fitted.fit.side_error,
    }
    figures = {
        "agreement": agreement_figures,
        "side": side_figures,
        "reward_predicts_unseen": _to_bounds(predicted),
    }
    samples = _sample_rows(choices, items, fitted)
    return RatingSummary(choices, figures, samples, _source_rows(samples, fitted), reward)


def fit_ratings_reward(ratings: Ratings) -> Reward:
    """Return the reward of ratings; InputError if too few choices are about samples with features."""
    reward, _ = _fit_reward(ratings.choices, ratings.items, ratings.study.features)
    if reward is None:
        raise InputError(
            f"{ratings.name}: a reward needs at least {FEWEST_CHOICES} comparisons of motions whose features are known"
        )
    return reward


def _fit_reward(
    choices: Sequence[Choice], items: dict[str, RatedItem], names: Sequence[str]
) -> tuple[Reward | None, Interval]:
    """Return the reward and the share of choices that it predicts about samples that it was not fitted to."""
    rated_samples = {sample for choice in choices for sample in choice.pair}
    features = {}
    for sample, item in items.items():
        if sample in rated_samples and len(item.features) == len(names) > 0:
            features[sample] = np.array(item.features)
    usable = [choice for choice in drop_rejections(choices) if choice.pair <= features.keys()]
    if len(usable) < FEWEST_CHOICES:
        return None, Interval(math.nan, math.nan, math.nan, 0, "none")
    return fit_reward(choices, features, names), predicted_share(choices, features)


def _sample_rows(choices: Sequence[Choice], items: dict[str, RatedItem], fitted: Strengths) -> list[dict[str, Any]]:
    rejections = Counter(sample for choice in choices for sample in choice.rejected)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for choice in drop_rejections(choices):
        counts[choice.left][("ties", "wins", "losses")[choice.outcome or 0]] += 1
        counts[choice.right][("ties", "losses", "wins")[choice.outcome or 0]] += 1
    rows = []
    for sample, strength, error in zip(fitted.samples, fitted.values, fitted.errors, strict=True):
        item = items[sample]
        row = {"id": sample, "name": item.name, "source": item.source, "label": item.label}
        row |= {"strength": float(strength), "error": float(error)}
        row |= {key: counts[sample][key] for key in ("wins", "losses", "ties")}
        rows.append(row | {"rejected": rejections[sample]})
    return sorted(rows, key=_strongest_first)


def _source_rows(samples: list[dict[str, Any]], fitted: Strengths) -> list[dict[str, Any]]:
    """Return the mean strength of the samples of each source, with its standard error."""
    by_source: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in samples:
        by_source[row["source"]].append(row)
    rows = []
    for source, members in by_source.items():
        indices = [fitted.samples.index(row["id"]) for row in members]
        strength = fitted.values[indices].mean()
        error = np.sqrt(fitted.fit.covariance[np.ix_(indices, indices)].mean())
        rejected = sum(row["rejected"] > 0 for row in members)
        row = {"source": source, "strength": float(strength), "error": float(error)}
        rows.append(row | {"samples": len(members), "rejected": rejected})
    return sorted(rows, key=_strongest_first)


def _strongest_first(row: dict[str, Any]) -> tuple[float, str]:
    return -row["strength"], row.get("id", row["source"])


def _to_bounds(interval: Interval) -> list[float]:
    return [interval.estimate, interval.low, interval.high]


def _format_interval(bounds: Sequence[float]) -> str:
    estimate, low, high = bounds
    return "not measured" if math.isnan(estimate) else f"{estimate:.2f} [{low:.2f}, {high:.2f}]"


def _format_counts(values: Any) -> str:
    return ", ".join(f"{value} {count}" for value, count in Counter(values).most_common())
