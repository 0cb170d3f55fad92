"""Ferbach et al. 2024: people keep the sample they prefer, and the loop optimises their reward.

`selfcorrect toy examples/loops/curation.py --quick` runs the loop.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from toy_models.words import curated_categories, entropy, make_rater, word_task

import selfcorrect as sc
from selfcorrect import claims, toys

NONE = "no curation"
CURATED = "curated"
KEPT = "curated, real data kept"
MIXED = "heterogeneous raters"


@dataclass(frozen=True)
class Curation(toys.ToySettings):
    """Categories with the truth's probabilities and rewards; either of two samples is kept by Bradley–Terry choice."""

    probabilities: tuple[float, ...] = (0.3, 0.25, 0.2, 0.15, 0.1)
    rewards: tuple[float, ...] = (0.0, 0.5, 1.0, 1.5, 2.0)
    rival_rewards: tuple[float, ...] = (2.5, 0.0, 0.0, 0.0, 0.0)
    """Rewards of a second group of raters, who make every other choice in the arm with heterogeneous raters."""
    real_count: int = 2000
    generations: int = 30


QUICK = Curation(generations=16, seeds=20)


def toy(settings: Curation) -> toys.Toy:
    """Declare all arms."""
    rewards = np.array(settings.rewards)
    both_rewards = np.array([settings.rewards, settings.rival_rewards])
    laws = {
        NONE: _predict_categories(settings, np.zeros(len(rewards))),
        CURATED: _predict_categories(settings, rewards),
        KEPT: _predict_categories(settings, rewards, real_share=0.5),
        MIXED: _predict_categories(settings, both_rewards),
    }
    reward = {arm: law @ rewards for arm, law in laws.items()}
    variety = {arm: entropy(torch.from_numpy(law)).exp().numpy() for arm, law in laws.items()}
    half = settings.generations // 2
    favourite = claims.final_value(CURATED, "favourite")
    variety_gain = claims.final_difference(MIXED, CURATED, "variety")
    statements = [
        *claims.expect_predictions("{arm}: mean reward at generation {t}", "reward", reward, 0.03, (half,)),
        claims.expect_above("curated: mean reward rises", claims.final_change(CURATED, "reward")),
        claims.expect_below("curated: the reward's variance falls", claims.final_change(CURATED, "reward_variance")),
        claims.expect_above("curated: nearly all mass is on the reward's maximiser", favourite, 0.9),
        claims.expect_below("real data kept: the drift is bounded", claims.final_value(KEPT, "favourite"), 0.6),
        *claims.mark_unpublished(
            claims.expect_above("heterogeneous raters keep more variety than one kind", variety_gain)
        ),
    ]
    columns = [
        toys.Column("reward", "mean reward", predicted=reward),
        toys.Column("variety", "effective categories", ".1f", predicted=variety),
    ]
    return toys.Toy(
        bundles=[toys.bundle_replicates("curation", settings.seed, partial(set_up, settings))],
        claims=statements,
        columns=columns,
        notes=("Two groups of raters are nearly balanced: in the end the drift of finite samples decides.",),
        caveat=f"predicted for infinitely many samples, here {settings.real_count}",
        title="Human curation",
        source="Ferbach et al. 2024",
    )


def _predict_categories(settings: Curation, rewards: np.ndarray, real_share: float = 0.0) -> np.ndarray:
    """Predict probabilities (T + 1, V) for infinite samples."""
    return curated_categories(settings.probabilities, rewards, real_share, settings.generations)


def set_up(settings: Curation, stream: sc.Stream) -> toys.Setup:
    """All arms with the same words."""
    rater = make_rater(settings.rewards)
    rival = make_rater(settings.rival_rewards)
    curated = sc.best_of(2, rater, choice_noise=1.0)
    mixed = sc.best_of(2, rater, rival, choice_noise=1.0)
    arms = {
        NONE: sc.Arm(sc.Replace(), settings.generations),
        CURATED: sc.Arm(sc.Replace(), settings.generations, bias=curated),
        KEPT: sc.Arm(sc.Augment(1.0), settings.generations, bias=curated),
        MIXED: sc.Arm(sc.Replace(), settings.generations, bias=mixed),
    }
    rewards = torch.tensor(settings.rewards, dtype=torch.float64)

    def measure(probabilities: Tensor) -> dict[str, Tensor]:
        mean = probabilities @ rewards
        return {
            "reward": mean,
            "reward_variance": probabilities @ rewards.square() - mean.square(),
            "favourite": probabilities[:, int(rewards.argmax())],
            "variety": entropy(probabilities).exp(),
        }

    return toys.Setup(word_task(settings.probabilities, settings.real_count, measure, stream, settings.seeds), arms)
