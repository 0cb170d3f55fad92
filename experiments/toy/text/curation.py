"""Ferbach et al. 2024: people keep the sample they prefer, and the loop optimises their reward."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.bias import best_of, unbiased
from selfcorrect.loop.policy import Augment, Replace
from selfcorrect.loop.run import Candidate, Plan, Task
from selfcorrect.statistics import mean_interval

from ..models.categorical import Categorical
from ..result import Check, Line, Panel, Result, above, agrees, below, ends_of
from ..running import Curves, run_arms


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


def quick() -> Curation:
    return Curation(generations=16, seeds=20)


def run(settings: Curation | None = None) -> Result:
    """All arms."""
    settings = settings or Curation()
    stream = streams(settings.seed).child("curation")
    truth = Categorical(
        torch.tensor(settings.probabilities, dtype=torch.float64).expand(settings.seeds, -1).contiguous()
    )
    real = Samples.real(truth.sample(torch.zeros(settings.real_count), stream.child("real")))
    task = Task(
        Categorical.uniform(settings.seeds, len(settings.rewards)), real, lambda candidate: _scores(settings, candidate)
    )
    curves = run_arms(task, _plans(settings), stream)
    return Result(
        reading=_reading(settings, curves),
        ends=ends_of(curves, {"mean reward": ("reward", ".2f"), "effective categories": ("variety", ".1f")}),
        checks=_checks(settings, curves),
        figures=_panels(settings, curves),
        notes=("Two groups of raters are nearly balanced: in the end the drift of finite samples decides.",),
    )


def _plans(settings: Curation) -> dict[str, Plan]:
    ours, rivals = (_rater(rewards) for rewards in (settings.rewards, settings.rival_rewards))
    curated = best_of(2, ours, choice_noise=1.0)
    plan = Plan(Replace(), settings.generations)
    return {
        "no curation": Plan(Replace(), settings.generations, bias=unbiased),
        "curated": Plan(Replace(), settings.generations, bias=curated),
        "curated, real data kept": Plan(Augment(1.0), settings.generations, bias=curated),
        "heterogeneous raters": Plan(
            plan.policy, settings.generations, bias=best_of(2, ours, rivals, choice_noise=1.0)
        ),
    }


def _rater(rewards: tuple[float, ...]):
    table = torch.tensor(rewards, dtype=torch.float64)
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


def _predicted(settings: Curation) -> Mapping[str, np.ndarray]:
    """Probabilities (T + 1, categories) per arm."""
    arms = {
        "no curation": (np.zeros(len(settings.rewards)), 0.0),
        "curated": (settings.rewards, 0.0),
        "curated, real data kept": (settings.rewards, 0.5),
        "heterogeneous raters": (np.array([settings.rewards, settings.rival_rewards]), 0.0),
    }
    return {
        name: theory.curated_categories(settings.probabilities, rewards, share, settings.generations)
        for name, (rewards, share) in arms.items()
    }


def _checks(settings: Curation, curves: Curves) -> list[Check]:
    rewards, predicted, half = np.array(settings.rewards), _predicted(settings), settings.generations // 2
    means = {arm: mean_interval(curves[arm]["reward"][:, half]) for arm in predicted}
    halfway = [
        agrees(f"{arm}: mean reward at generation {half}", means[arm], table[half] @ rewards, 0.03)
        for arm, table in predicted.items()
    ]
    curated, kept, mixed = (curves[arm] for arm in ("curated", "curated, real data kept", "heterogeneous raters"))
    return [
        *halfway,
        above("curated: mean reward rises", mean_interval(curated["reward"][:, -1] - curated["reward"][:, 0])),
        below(
            "curated: the reward's variance falls",
            mean_interval(curated["reward_variance"][:, -1] - curated["reward_variance"][:, 0]),
        ),
        above("curated: nearly all mass is on the reward's maximiser", mean_interval(curated["favourite"][:, -1]), 0.9),
        below("real data kept: the drift is bounded", mean_interval(kept["favourite"][:, -1]), 0.6),
        above(
            "heterogeneous raters keep more variety than one kind",
            mean_interval(mixed["variety"][:, -1] - curated["variety"][:, -1]),
            published=False,
        ),
    ]


def _reading(settings: Curation, curves: Curves) -> str:
    none, curated = (curves[arm]["variety"][:, -1].mean() for arm in ("no curation", "curated"))
    return (
        f"After {settings.generations} generations of curation {curated:.1f} effective categories are left, "
        f"without it {none:.1f}."
    )


def _panels(settings: Curation, curves: Curves) -> list[Panel]:
    generations, rewards, predicted = (
        np.arange(settings.generations + 1),
        np.array(settings.rewards),
        _predicted(settings),
    )
    caveat = f"predicted for infinitely many samples, here {settings.real_count}"
    mean = [Line(arm, table["reward"], predicted[arm] @ rewards) for arm, table in curves.items()]
    variety = [Line(arm, table["variety"], _variety(predicted[arm])) for arm, table in curves.items()]
    return [
        Panel("What curation optimises", "generation", "mean reward", generations, mean, caveat=caveat),
        Panel("What it costs", "generation", "effective number of categories", generations, variety, caveat=caveat),
    ]


def _variety(probabilities: np.ndarray) -> np.ndarray:
    return np.exp(-(probabilities * np.log(np.maximum(probabilities, 1e-300))).sum(-1))
