"""Zhang et al. 2026: models with conflicting curators that train on each other's curated samples.

Curation serves a model's own raters while it trains mostly on its own samples, and works against them when it trains
mostly on those of the other. Controls: no curation at the same exchange, and curation without exchange.

`selfcorrect toy examples/loops/cross_curation.py --quick` runs the loop.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.special import expit
from torch import Tensor
from toy_models.words import word_task

import selfcorrect as sc
from selfcorrect import claims, toys
from selfcorrect.loop.bias import Score
from selfcorrect.loop.policy import ModifiedPolicy

NONE = "no curation"
BOTH = "both curated"
OWN = "own curation only"
CURATED = {NONE: (False, False), BOTH: (True, True), OWN: (True, False)}
"""Arm → do people curate the first and the second model? The first is judged by its own raters."""


@dataclass(frozen=True)
class CrossCuration(toys.ToySettings):
    """Two models, whose raters want the opposite ends of a scale, with λ synthetic samples per real one."""

    probabilities: tuple[float, ...] = (0.2, 0.2, 0.2, 0.2, 0.2)
    rewards: tuple[tuple[float, ...], ...] = ((0.0, 0.5, 1.0, 1.5, 2.0), (2.0, 1.5, 1.0, 0.5, 0.0))
    own_shares: tuple[float, ...] = (1.0, 0.8, 0.5, 0.2, 0.0)
    """Share of own samples among the synthetic training samples of a model."""
    ratio: float = 1.0
    real_count: int = 1000
    generations: int = 20


QUICK = CrossCuration(own_shares=(1.0, 0.5, 0.2), real_count=500, generations=15, seeds=20)


@dataclass(frozen=True)
class ShareOut(ModifiedPolicy):
    """Each of two models trains on `own` of its synthetic samples and, beside them, on samples of the other.

    Values are (N, replicates, 2). The real samples stay with their models.
    """

    own: float

    def change(self, mixed: sc.Samples, stream: sc.Stream) -> sc.Samples:
        synthetic_rows = torch.from_numpy(mixed.provenance.synthetic).nonzero().flatten()
        exchanged_rows = synthetic_rows[round(self.own * len(synthetic_rows)) :]
        values = mixed.values.clone()
        values[exchanged_rows] = values[exchanged_rows].flip(2)
        return mixed.with_values(values)


def toy(settings: CrossCuration) -> toys.Toy:
    """Declare each share of own samples, with and without curation."""
    shares = settings.own_shares
    laws = {
        name_arm(share, curated): _predict_reward(settings, share, curated) for share in shares for curated in CURATED
    }
    names = {curated: [name_arm(share, curated) for share in shares] for curated in CURATED}
    title = "mean reward of the own raters"
    sweep = toys.Sweep(
        title="Whom curation serves",
        x_label="share of own samples",
        y_label=title,
        x=shares,
        lines={curated: [claims.final_value(name, "first") for name in names[curated]] for curated in CURATED},
        predicted={curated: np.array([laws[name][-1] for name in names[curated]]) for curated in CURATED},
    )
    return toys.Toy(
        title="Curated models that feed each other",
        source="Zhang et al. 2026 (arXiv 2605.29267)",
        bundles=[toys.bundle_replicates("cross-curation", settings.seed, partial(set_up, settings))],
        claims=_make_claims(settings, {arm: law for arm, law in laws.items() if not arm.endswith(NONE)}),
        columns=[toys.Column("first", title, predicted=laws)],
        groups=[f"{share:.0%} own samples" for share in shares],
        figures=[sweep],
        notes=("Every arm draws pairs and keeps one; without curation the choice between them is a coin's.",),
        caveat=f"predicted for infinitely many samples, here {settings.real_count}",
    )


def name_arm(share: float, curated: str) -> str:
    """Return the arm's name for a share."""
    return f"{share:.0%} own samples, {curated}"


def set_up(settings: CrossCuration, stream: sc.Stream) -> toys.Setup:
    """Set up two models in replicates, for each share and kind of curation."""
    arms = {}
    for share in settings.own_shares:
        for curated in CURATED:
            policy = ShareOut(sc.Augment(settings.ratio), share)
            bias = sc.best_of(2, make_rater(_tabulate_rewards(settings, curated)), choice_noise=1.0)
            arms[name_arm(share, curated)] = sc.Arm(policy, settings.generations, bias=bias)
    first_rewards = torch.tensor(settings.rewards[0], dtype=torch.float64)

    def measure(probabilities: Tensor) -> dict[str, Tensor]:
        return {"first": (probabilities[:, 0] * first_rewards).sum(-1)}

    return toys.Setup(word_task(settings.probabilities, settings.real_count, measure, stream, settings.seeds, 2), arms)


def make_rater(rewards: np.ndarray) -> Score:
    """Make a rater of two models' categories by rewards (2, V).

    The categories are (N, replicates, 2).
    """
    table = torch.from_numpy(rewards)
    return lambda values: table[torch.arange(2), values.long()]


def _tabulate_rewards(settings: CrossCuration, curated: str) -> np.ndarray:
    """Return both raters' rewards (2, V), or 0 for a model that nobody curates."""
    return np.array(settings.rewards) * np.array(CURATED[curated])[:, None]


def _predict_reward(settings: CrossCuration, share: float, curated: str) -> np.ndarray:
    """Predict the mean reward (T + 1,) of the first model's raters.

    The prediction holds for infinitely many samples.
    """
    real_share = 1 / (1 + settings.ratio)
    rewards = _tabulate_rewards(settings, curated)
    categories = exchanged_curation(settings.probabilities, rewards, share, real_share, settings.generations)
    return categories[:, 0] @ np.array(settings.rewards[0])


def _make_claims(settings: CrossCuration, curated_laws: Mapping[str, np.ndarray]) -> list[claims.Claim]:
    most = max(settings.own_shares)
    least = min(settings.own_shares)

    def measure_service(share: float, curated: str) -> claims.Quantity:
        """Measure the first model's gain by curation, in its own mean reward."""
        return claims.final_difference(name_arm(share, curated), name_arm(share, NONE), "first")

    dampening = measure_service(0.5, OWN) - measure_service(most, BOTH)
    return [
        claims.expect_above("without exchange, curation raises the own raters' reward", measure_service(most, BOTH)),
        claims.expect_below("exchange dampens what own curation gains", dampening),
        claims.expect_below(
            f"with {least:.0%} own samples, curation lowers the own raters' reward", measure_service(least, BOTH)
        ),
        *claims.mark_unpublished(
            claims.expect_above(
                f"with {least:.0%} own samples, own curation alone does not lower it",
                measure_service(least, OWN),
                -0.02,
            ),
            *claims.expect_predictions("{arm}: mean reward at the end", "first", curated_laws, 0.03),
        ),
    ]


def exchanged_curation(
    probabilities: ArrayLike, rewards: ArrayLike, own_share: float, real_share: float, generations: int
) -> np.ndarray:
    """Return two models under exchanged curation.

    Both models are categorical, are curated by pairs, and train on each other's curated samples. Like
    `curated_categories`, the result holds for infinitely many samples.

    Args:
        probabilities: (categories,) true distribution.
        rewards: (2, categories), 0 for no curation.
        own_share: Share of its own curated samples in a model's synthetic training set.
        real_share: Share of the true distribution that is mixed in afterwards.

    Returns:
        (t + 1, 2, categories).
    """
    real = np.asarray(probabilities, dtype=float)
    table = np.asarray(rewards, dtype=float)
    wins = expit(table[:, :, None] - table[:, None, :])
    history = [np.tile(real, (2, 1))]
    for _ in range(generations):
        curated = 2 * history[-1] * np.einsum("mij,mj->mi", wins, history[-1])
        mixed = own_share * curated + (1 - own_share) * curated[::-1]
        history.append(real_share * real + (1 - real_share) * mixed)
    return np.array(history)
