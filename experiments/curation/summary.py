"""What choices say: agreement, pull of the sides, strengths of samples and of where they are from, the reward."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.preferences.agreement import Agreement, agreement_of
from selfcorrect.preferences.bradley_terry import Strengths, strengths
from selfcorrect.preferences.choices import Choice, compared
from selfcorrect.preferences.reward import FEWEST_CHOICES, Reward, fit_reward, predicted_share
from selfcorrect.statistics import Interval

from .database import Database, Rated

_NORMAL_95 = 1.959964
_SHOWN = 8
"""Samples in the table, the strongest and the weakest halves of it."""


@dataclass(frozen=True, eq=False)
class Ratings:
    """All that a database says."""

    items: Mapping[str, Rated]
    """Those that stand in a choice, by id."""
    choices: Sequence[Choice]
    seconds: Sequence[float]
    agreement: Agreement
    """On the pairs that all raters see; others are chosen to be close, so that raters agree less about them."""
    strengths: Strengths
    reward: Reward | None
    """None where too few choices are about samples with features."""
    predicted: Interval
    """Share of decided choices that the reward predicts without having seen their samples."""

    @property
    def rejections(self) -> Counter[str]:
        """How often each sample was rejected."""
        return Counter(sample for choice in self.choices for sample in choice.rejected)


def ratings_of(database: Database, names: Sequence[str]) -> Ratings:
    """What a database says; names: of its features. InputError where it has no choice yet."""
    choices = database.choices()
    if not choices:
        raise InputError(f"{database.path}: nobody has answered yet")
    used = set().union(*(choice.pair for choice in choices))
    items = {sample: item for sample, item in database.items().items() if sample in used}
    measured = {sample: np.array(item.features) for sample, item in items.items()}
    features = {sample: values for sample, values in measured.items() if len(values) == len(names) > 0}
    enough = sum(choice.pair <= features.keys() for choice in compared(choices)) >= FEWEST_CHOICES
    return Ratings(
        items,
        choices,
        database.seconds(),
        agreement_of(database.choices(common=True)),
        strengths(choices, list(items)),
        fit_reward(choices, features, names) if enough else None,
        predicted_share(choices, features) if enough else Interval(math.nan, math.nan, math.nan, 0, "none"),
    )


def reward_of(database: Database) -> Reward:
    """The reward of a database; InputError where too few choices are about samples with features."""
    names = database.study.features
    found = ratings_of(database, names).reward if database.choices() else None
    if found is None:
        raise InputError(
            f"{database.path}: a reward needs at least {FEWEST_CHOICES} comparisons of motions whose features are known"
        )
    return found


def lines(ratings: Ratings) -> list[str]:
    """The summary for the terminal."""
    answers = Counter(choice.answer for choice in ratings.choices)
    raters = Counter(choice.rater for choice in ratings.choices)
    return [
        f"{len(ratings.choices)} choices about {len(ratings.items)} samples, "
        f"median {np.median(ratings.seconds):.1f} s each",
        "raters: " + ", ".join(f"{rater} {count}" for rater, count in raters.items()),
        "answers: " + ", ".join(f"{answer} {count}" for answer, count in answers.most_common()),
        *_agreement_lines(ratings.agreement),
        _side_line(ratings),
        *_reward_lines(ratings),
        "",
        *_source_lines(ratings),
        *_sample_lines(ratings),
    ]


def _agreement_lines(agreement: Agreement) -> list[str]:
    if not agreement.pairs:
        return ["agreement: no common pair was judged by two raters"]
    return [
        f"agreement on {agreement.pairs} common pairs: Krippendorff's alpha {_interval(agreement.alpha)}, "
        f"same answer {_interval(agreement.same)}"
    ]


def _side_line(ratings: Ratings) -> str:
    fit = ratings.strengths.fit
    reach = _NORMAL_95 * fit.side_error
    decided = [choice.outcome for choice in ratings.choices if choice.outcome]
    share = np.mean([outcome > 0 for outcome in decided]) if decided else math.nan
    return (
        f"sides: the left one won {share:.2f} of {len(decided)} decided choices; pull to the left "
        f"{fit.side:+.2f} [{fit.side - reach:+.2f}, {fit.side + reach:+.2f}] logits"
    )


def _reward_lines(ratings: Ratings) -> list[str]:
    if ratings.reward is None:
        return [f"reward: needs {FEWEST_CHOICES} comparisons of motions whose features are known"]
    named = zip(ratings.reward.features, ratings.reward.common, strict=True)
    return [
        "reward, logits per standard deviation of a feature's logarithm: "
        + ", ".join(f"{name} {weight:+.2f}" for name, weight in named),
        f"reward: predicts {_interval(ratings.predicted)} of {ratings.predicted.count} decided choices about samples "
        "that it was not fitted to (chance: 0.50)",
    ]


def _interval(interval: Interval) -> str:
    bounds = "" if math.isnan(interval.low) else f" [{interval.low:.2f}, {interval.high:.2f}]"
    return f"{interval.estimate:.2f}{bounds}"


def _source_lines(ratings: Ratings) -> list[str]:
    rows = by_source(ratings)
    cells = [[row["source"], _strength(row), str(row["samples"]), str(row["rejected"])] for row in rows]
    return [*_table(["where from", "strength, 95 %", "samples", "rejected"], cells), ""] if len(rows) > 1 else []


def _sample_lines(ratings: Ratings) -> list[str]:
    rows = by_sample(ratings)
    shown = rows if len(rows) <= _SHOWN else [*rows[: _SHOWN // 2], *rows[-_SHOWN // 2 :]]
    cells = [[f"{row['name']} ({row['source']})", _strength(row), *map(str, _counts(row))] for row in shown]
    told = _table(["sample", "strength, 95 %", "wins", "losses", "ties", "rejected"], cells)
    if len(rows) > _SHOWN:
        told.insert(1 + _SHOWN // 2, f"… {len(rows) - _SHOWN} more: --out")
    return told


def _strength(row: Mapping[str, Any]) -> str:
    return f"{row['strength']:+.2f} ± {_NORMAL_95 * row['error']:.2f}"


def _counts(row: Mapping[str, Any]) -> list[int]:
    return [row[name] for name in ("wins", "losses", "ties", "rejected")]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table, the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    return [
        "  ".join(cell.rjust(width) if place else cell.ljust(width) for place, (cell, width) in enumerate(line))
        for line in (list(zip(row, widths, strict=True)) for row in (heads, *rows))
    ]


def by_source(ratings: Ratings) -> list[dict[str, Any]]:
    """Mean strength, with standard error, of the samples from each place, strongest first."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, sample in enumerate(ratings.strengths.samples):
        rows[ratings.items[sample].source].append(row)
    covariance, rejected = ratings.strengths.fit.covariance, ratings.rejections
    found = [
        {
            "source": source,
            "strength": float(ratings.strengths.values[own].mean()),
            "error": float(np.sqrt(covariance[np.ix_(own, own)].mean())),
            "samples": len(own),
            "rejected": sum(rejected[ratings.strengths.samples[row]] > 0 for row in own),
        }
        for source, own in rows.items()
    ]
    return sorted(found, key=lambda row: (-row["strength"], row["source"]))


def by_sample(ratings: Ratings) -> list[dict[str, Any]]:
    """Strength, standard error and counts of each sample, strongest first."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for choice in compared(ratings.choices):
        for sample, sign in ((choice.left, 1), (choice.right, -1)):
            counts[sample][("ties", "wins", "losses")[sign * (choice.outcome or 0)]] += 1
    found = [
        {
            "id": sample,
            **{name: getattr(ratings.items[sample], name) for name in ("name", "source", "label")},
            "strength": float(value),
            "error": float(error),
            **{name: counts[sample][name] for name in ("wins", "losses", "ties")},
            "rejected": ratings.rejections[sample],
        }
        for sample, value, error in zip(
            ratings.strengths.samples, ratings.strengths.values, ratings.strengths.errors, strict=True
        )
    ]
    return sorted(found, key=lambda row: (-row["strength"], row["id"]))


def as_json(ratings: Ratings) -> dict[str, Any]:
    """All of it as JSON values."""
    fit = ratings.strengths.fit
    return {
        "choices": [asdict(choice) for choice in ratings.choices],
        "agreement": {
            "pairs": ratings.agreement.pairs,
            "krippendorff_alpha": _bounds(ratings.agreement.alpha),
            "same_answer": _bounds(ratings.agreement.same),
        },
        "side": {"pull_left_logits": fit.side, "error": fit.side_error},
        "sources": by_source(ratings),
        "samples": by_sample(ratings),
        "reward": ratings.reward and asdict(ratings.reward),
        "reward_predicts_unseen": _bounds(ratings.predicted),
    }


def as_csv(ratings: Ratings) -> str:
    """A row per sample."""
    rows, text = by_sample(ratings), io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _bounds(interval: Interval) -> list[float]:
    return [interval.estimate, interval.low, interval.high]
