"""Wyllie et al. 2024: models shift the data that later models learn from, and a minority pays for it.

Two groups need different decision boundaries. Each generation a classifier, trained on all data, labels the samples
of a generator, and people keep what looks typical. Reparation weighs the groups equally in training.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.loop.bias import best_of
from selfcorrect.loop.policy import Augment, History, Policy, Replace
from selfcorrect.loop.run import Candidate, Plan, Task
from selfcorrect.statistics import Interval, mean_interval

from ..result import Check, Ends, Line, Panel, Result, above, below, ends_of
from ..running import Comparison, Curves, run_seeds

MAJORITY, MINORITY = 0, 1
CELL_MEANS = torch.tensor([[[-1.2, 0.0], [1.2, 0.0]], [[0.0, -1.2], [0.0, 1.2]]], dtype=torch.float64)  # group, label


@dataclass(frozen=True)
class Fairness:
    """n people, a share of them of the minority; `pickiness` is how much people prefer the typical of two samples."""

    real_count: int = 1000
    minority_share: float = 0.15
    pickiness: float = 0.1
    generations: int = 20
    seeds: int = 30
    seed: int = 0


def quick() -> Fairness:
    return Fairness(generations=12, seeds=20)


@dataclass(frozen=True)
class GroupedGaussians:
    """One Gaussian per group and label, and one linear classifier for all, which labels what is sampled.

    An event is (x₁, x₂, group, label).
    """

    shares: Tensor
    """(2, 2) of each group and label."""
    means: Tensor
    """(2, 2, 2) of each group, label and coordinate."""
    deviations: Tensor
    """(2, 2, 2), likewise."""
    boundary: Tensor
    """(3,) weights of 1, x₁, x₂."""

    @classmethod
    def untrained(cls) -> Self:
        ones = torch.ones((2, 2, 2), dtype=torch.float64)
        return cls(ones[0] / 4, 0 * ones, ones, torch.zeros(3, dtype=torch.float64))

    def fit(self, samples: Samples, steps: int, stream: Stream) -> Self:
        """Weighted moments of each cell, and weighted least squares for the boundary."""
        values, weights = samples.values.double(), samples.weights.double() / samples.weights.sum()
        group, label = values[:, 2].long(), values[:, 3].long()
        design = torch.cat([torch.ones(len(values), 1, dtype=torch.float64), values[:, :2]], dim=1)
        root = weights.sqrt()[:, None]
        boundary = torch.linalg.lstsq(root * design, root * (2 * label[:, None] - 1).double()).solution[:, 0]
        shares, means, deviations = self.shares.clone(), self.means.clone(), self.deviations.clone()
        for cell in ((g, y) for g in range(2) for y in range(2)):
            own = weights * ((group == cell[0]) & (label == cell[1]))
            shares[cell] = own.sum()
            if (own > 0).sum() > 1:
                means[cell] = own @ values[:, :2] / own.sum()
                deviations[cell] = (own @ (values[:, :2] - means[cell]).square() / own.sum()).sqrt()
        return replace(self, shares=shares, means=means, deviations=deviations, boundary=boundary)

    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        """People of groups drawn by share, labelled by the classifier."""
        cell = torch.multinomial(
            self.shares.flatten(), len(labels), replacement=True, generator=stream.child("cell").torch()
        )
        noise = torch.randn((len(labels), 2), generator=stream.child("noise").torch(), dtype=torch.float64)
        points = self.means.reshape(4, 2)[cell] + self.deviations.reshape(4, 2)[cell] * noise
        return torch.cat([points, (cell // 2)[:, None], self.classify(points)[:, None]], dim=1)

    def classify(self, points: Tensor) -> Tensor:
        """The classifier's labels (N,) of points (N, 2)."""
        return (self.boundary[0] + points @ self.boundary[1:] > 0).double()

    def state(self) -> dict[str, Tensor]:
        return {"shares": self.shares, "means": self.means, "deviations": self.deviations, "boundary": self.boundary}

    def load_state(self, state: dict[str, Tensor]) -> Self:
        return replace(self, **state)


@dataclass(frozen=True)
class Reparation:
    """Another policy with training weights that give both groups the same weight in all."""

    policy: Policy

    def count(self, real_count: int, generation: int) -> int:
        return self.policy.count(real_count, generation)

    def mix(self, real: Samples, history: History, generation: int, stream: Stream) -> Samples:
        mixed = self.policy.mix(real, history, generation, stream)
        group = mixed.values[:, 2].long()
        counts = torch.bincount(group, minlength=2).clamp(min=1)
        return mixed.with_weights(mixed.weights / counts[group] * len(mixed) / 2)


def people(count: int, minority_share: float, stream: Stream) -> Tensor:
    """The truth: (count, 4) of x₁, x₂, group, label."""
    generator = stream.torch()
    group = (torch.rand(count, generator=generator) < minority_share).long()
    label = torch.randint(2, (count,), generator=generator)
    points = CELL_MEANS[group, label] + torch.randn((count, 2), generator=generator, dtype=torch.float64)
    return torch.cat([points, group[:, None], label[:, None]], dim=1)


def run(settings: Fairness | None = None) -> Result:
    """All arms."""
    settings = settings or Fairness()
    seeds = range(settings.seed, settings.seed + settings.seeds)
    curves = run_seeds(lambda stream: _compare(settings, stream), seeds)
    generations = np.arange(settings.generations + 1)
    quantities = ("minority_accuracy", "majority_accuracy", "overall_accuracy", "minority_share")
    return Result(
        reading=_reading(curves),
        ends=_ends(curves),
        checks=_checks(curves),
        figures=[
            Panel(
                key.replace("_", " "),
                "generation",
                key.replace("_", " "),
                generations,
                [Line(arm, table[key]) for arm, table in curves.items()],
            )
            for key in quantities
        ],
        notes=("Accuracies are those of the classifier on fresh people of each group with their true labels.",),
    )


def _compare(settings: Fairness, stream: Stream) -> Comparison:
    real = Samples.real(people(settings.real_count, settings.minority_share, stream.child("real")))
    task = Task(GroupedGaussians.untrained(), real, lambda candidate: _scores(settings, candidate))
    bias = best_of(2, lambda values: _typicality(values, settings.minority_share), choice_noise=1 / settings.pickiness)
    policies: dict[str, Policy] = {"replace": Replace(), "augment": Augment(1.0)}
    repaired = {f"{name}, reparation": Reparation(policy) for name, policy in policies.items()}
    return task, {
        name: Plan(policy, settings.generations, bias=bias) for name, policy in {**policies, **repaired}.items()
    }


def _typicality(values: Tensor, minority_share: float) -> Tensor:
    """Log-density (N,) of a person's group and features in the population."""
    group = values[:, 2].long()
    share = torch.tensor([1 - minority_share, minority_share], dtype=torch.float64).log()[group]
    distance = (values[:, None, :2] - CELL_MEANS[group]).square().sum(-1)
    return share + (-distance / 2).logsumexp(1)


def _scores(settings: Fairness, candidate: Candidate) -> dict[str, Tensor]:
    model = candidate.model
    assert isinstance(model, GroupedGaussians)
    judged = people(4000, 0.5, candidate.stream.child("people"))
    right = (model.classify(judged[:, :2]) == judged[:, 3]).double()
    majority, minority = (right[judged[:, 2] == group].mean() for group in (MAJORITY, MINORITY))
    return {
        "minority_accuracy": minority,
        "majority_accuracy": majority,
        "overall_accuracy": (1 - settings.minority_share) * majority + settings.minority_share * minority,
        "minority_share": candidate.samples(2000).values[:, 2].mean(),
    }


def _change(curves: Curves, arm: str, key: str) -> Interval:
    return mean_interval(curves[arm][key][:, -1] - curves[arm][key][:, 0])


def _gain(curves: Curves, key: str) -> Interval:
    """Of reparation over none at the last generation, fully synthetic."""
    return mean_interval(curves["replace, reparation"][key][:, -1] - curves["replace"][key][:, -1])


def _checks(curves: Curves) -> list[Check]:
    return [
        below(
            "replace: minority accuracy falls by more than 5 points",
            _change(curves, "replace", "minority_accuracy"),
            -0.05,
        ),
        above(
            "replace: overall accuracy hides it, falling by less than 3 points",
            _change(curves, "replace", "overall_accuracy"),
            -0.03,
        ),
        below("replace: the minority's share falls", _change(curves, "replace", "minority_share")),
        above("reparation raises minority accuracy by more than 10 points", _gain(curves, "minority_accuracy"), 0.1),
        above("reparation restores the minority's share", _gain(curves, "minority_share"), 0.05),
        below("keeping real data slows the loss of minority accuracy", _slowing(curves)),
    ]


def _slowing(curves: Curves) -> Interval:
    lost = {
        arm: curves[arm]["minority_accuracy"][:, 0] - curves[arm]["minority_accuracy"][:, -1]
        for arm in ("augment", "replace")
    }
    return mean_interval(lost["augment"] - lost["replace"])


def _reading(curves: Curves) -> str:
    start, end = curves["replace"]["minority_share"].mean(0)[[0, -1]]
    repaired = curves["replace, reparation"]["minority_share"][:, -1].mean()
    return (
        f"Fully synthetic, the minority's share goes from {start:.2f} to {end:.2f}. "
        f"With reparation it ends at {repaired:.2f}."
    )


def _ends(curves: Curves) -> Ends:
    keys = {key: key.replace("_", " ") for key in ("overall_accuracy", "minority_accuracy", "minority_share")}
    start = [f"{curves['replace'][key][:, 0].mean():.2f}" for key in keys]
    shown = {arm: curves[arm] for arm in ("replace", "replace, reparation")}
    ends = ends_of(shown, {title: (key, ".2f") for key, title in keys.items()})
    return Ends(ends.columns, {"generation 0": start, **ends.rows})
