"""Wyllie et al. 2024: models shift the data that later models learn from, and a minority pays for it.

Two groups need different decision boundaries. Each generation a classifier, trained on all data, labels the samples
of a generator, and people keep what looks typical. Reparation weighs the groups equally in training.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.loop.bias import best_of
from selfcorrect.loop.policy import Augment, History, Policy, Replace
from selfcorrect.loop.run import Candidate, Plan, Task
from selfcorrect.models.protocol import TensorModel

from ...studies.claims import above, below, end, gain, rise, start
from ..declaration import START, Column, Setup, Toy, by_seed

PLAIN, AUGMENTED, REPAIRED = "replace", "augment", "replace, reparation"
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


QUICK = Fairness(generations=12, seeds=20)


def toy(settings: Fairness) -> Toy:
    """All policies, with and without reparation."""
    lost = {arm: start(arm, "minority_accuracy") - end(arm, "minority_accuracy") for arm in (PLAIN, AUGMENTED)}
    return Toy(
        [by_seed(settings.seed, settings.seeds, lambda stream: _setup(settings, stream))],
        [
            below("replace: minority accuracy falls by more than 5 points", rise(PLAIN, "minority_accuracy"), -0.05),
            above(
                "replace: overall accuracy hides it, falling by less than 3 points",
                rise(PLAIN, "overall_accuracy"),
                -0.03,
            ),
            below("replace: the minority's share falls", rise(PLAIN, "minority_share")),
            above(
                "reparation raises minority accuracy by more than 10 points",
                gain(REPAIRED, PLAIN, "minority_accuracy"),
                0.1,
            ),
            above("reparation restores the minority's share", gain(REPAIRED, PLAIN, "minority_share"), 0.05),
            below("keeping real data slows the loss of minority accuracy", lost[AUGMENTED] - lost[PLAIN]),
        ],
        [
            Column("overall_accuracy", "overall accuracy"),
            Column("minority_accuracy", "minority accuracy"),
            Column("majority_accuracy", "majority accuracy", ""),
            Column("minority_share", "minority share"),
        ],
        rows=(START, PLAIN, REPAIRED),
        notes=("Accuracies are those of the classifier on fresh people of each group with their true labels.",),
    )


@dataclass(frozen=True)
class GroupedGaussians(TensorModel):
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
        target = root * (2 * label[:, None] - 1).double()
        boundary = torch.linalg.lstsq(root * design, target, driver="gels").solution[:, 0]  # always the same bits
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


def _setup(settings: Fairness, stream: Stream) -> Setup:
    real = Samples.real(people(settings.real_count, settings.minority_share, stream.child("real")))
    task = Task(GroupedGaussians.untrained(), real, lambda candidate: _scores(settings, candidate))
    bias = best_of(2, lambda values: _typicality(values, settings.minority_share), choice_noise=1 / settings.pickiness)
    policies = {PLAIN: Replace(), AUGMENTED: Augment(1.0), REPAIRED: Reparation(Replace()),
                f"{AUGMENTED}, reparation": Reparation(Augment(1.0))}  # fmt: skip
    return Setup(task, {arm: Plan(policy, settings.generations, bias=bias) for arm, policy in policies.items()})


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
