"""Ferbach et al. 2024: people keep the sample they prefer, and the loop optimises their reward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.loop.bias import best_of, unbiased
from selfcorrect.loop.policy import Augment, Replace
from selfcorrect.loop.run import Candidate, Plan, Task

from ...studies.claims import above, agrees, at, below, end, gain, rise
from ..declaration import Column, Setup, Toy, replicated
from ..models.categorical import Categorical

NONE, CURATED, KEPT, MIXED = "no curation", "curated", "curated, real data kept", "heterogeneous raters"


@dataclass(frozen=True)
class Curation:
    """Categories with the truth's probabilities and rewards; of two samples one is kept by Bradley–Terry choice."""

    probabilities: tuple[float, ...] = (0.3, 0.25, 0.2, 0.15, 0.1)
    rewards: tuple[float, ...] = (0.0, 0.5, 1.0, 1.5, 2.0)
    rival_rewards: tuple[float, ...] = (2.5, 0.0, 0.0, 0.0, 0.0)
    """Those of a second group of raters, who make every other choice in the arm with heterogeneous raters."""
    real_count: int = 2000
    generations: int = 30
    seeds: int = 30
    seed: int = 0


QUICK = Curation(generations=16, seeds=20)


def toy(settings: Curation) -> Toy:
    """All arms."""
    rewards, half = np.array(settings.rewards), settings.generations // 2
    raters = {
        NONE: (np.zeros(len(rewards)), 0.0),
        CURATED: (rewards, 0.0),
        KEPT: (rewards, 0.5),
        MIXED: (np.array([rewards, settings.rival_rewards]), 0.0),
    }
    laws = {
        arm: theory.curated_categories(settings.probabilities, wanted, share, settings.generations)
        for arm, (wanted, share) in raters.items()
    }
    return Toy(
        [replicated("curation", settings.seed, lambda stream: _setup(settings, stream))],
        [
            *(
                agrees(f"{arm}: mean reward at generation {half}", at(arm, "reward", half), law[half] @ rewards, 0.03)
                for arm, law in laws.items()
            ),
            above("curated: mean reward rises", rise(CURATED, "reward")),
            below("curated: the reward's variance falls", rise(CURATED, "reward_variance")),
            above("curated: nearly all mass is on the reward's maximiser", end(CURATED, "favourite"), 0.9),
            below("real data kept: the drift is bounded", end(KEPT, "favourite"), 0.6),
            above(
                "heterogeneous raters keep more variety than one kind",
                gain(MIXED, CURATED, "variety"),
                published=False,
            ),
        ],
        [
            Column("reward", "mean reward", predicted={arm: law @ rewards for arm, law in laws.items()}),
            Column(
                "variety", "effective categories", ".1f", predicted={arm: _variety(law) for arm, law in laws.items()}
            ),
        ],
        notes=("Two groups of raters are nearly balanced: in the end the drift of finite samples decides.",),
        caveat=f"predicted for infinitely many samples, here {settings.real_count}",
    )


def _setup(settings: Curation, stream: Stream) -> Setup:
    truth = Categorical.replicated(settings.probabilities, settings.seeds)
    real = Samples.real(truth.sample(torch.zeros(settings.real_count), stream.child("real")))
    ours, rivals = (rater(rewards) for rewards in (settings.rewards, settings.rival_rewards))
    curated, mixed = best_of(2, ours, choice_noise=1.0), best_of(2, ours, rivals, choice_noise=1.0)
    untrained = Categorical.uniform(settings.seeds, len(settings.rewards))
    arms = {NONE: (Replace(), unbiased), CURATED: (Replace(), curated), KEPT: (Augment(1.0), curated),
            MIXED: (Replace(), mixed)}  # fmt: skip
    plans = {arm: Plan(policy, settings.generations, bias=bias) for arm, (policy, bias) in arms.items()}
    return Setup(Task(untrained, real, lambda candidate: _scores(settings, candidate)), plans)


def rater(rewards: Sequence[float] | np.ndarray) -> Callable[[Tensor], Tensor]:
    """Scores categories by their rewards (V,)."""
    table = torch.tensor(np.asarray(rewards), dtype=torch.float64)
    return lambda values: table[values.long()]


def _scores(settings: Curation, candidate: Candidate) -> dict[str, Tensor]:
    model = candidate.model
    assert isinstance(model, Categorical)
    rewards = torch.tensor(settings.rewards, dtype=torch.float64)
    mean = model.probabilities @ rewards
    entropy = -(model.probabilities * model.probabilities.clamp(min=1e-300).log()).sum(-1)
    return {
        "reward": mean,
        "reward_variance": model.probabilities @ rewards.square() - mean.square(),
        "favourite": model.probabilities[:, int(rewards.argmax())],
        "variety": entropy.exp(),
    }


def _variety(probabilities: np.ndarray) -> np.ndarray:
    return np.exp(-(probabilities * np.log(np.maximum(probabilities, 1e-300))).sum(-1))
