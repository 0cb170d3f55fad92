"""Wyllie et al. 2024: models shift the data that later models learn from, and a minority pays for it.

Two groups need different decision boundaries. Each generation a classifier, trained on all data, labels the samples
of a generator, and people keep what looks typical. Reparation weighs the groups equally in training.

`selfcorrect toy examples/loops/fairness.py --quick` runs the loop.
"""

import itertools
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import torch
from torch import Tensor
from toy_data.draws import CELL_MEANS, people

import selfcorrect as sc
from selfcorrect import claims, toys
from selfcorrect.loop.models.protocol import TensorModel
from selfcorrect.loop.policy import ModifiedPolicy


@dataclass(frozen=True)
class GroupedGaussians(TensorModel):
    """Gaussians per group and one linear classifier.

    There is one Gaussian per group and label; the classifier labels what is sampled. An event is (x₁, x₂, group,
    label).
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
    def make_untrained(cls) -> Self:
        ones = torch.ones((2, 2, 2), dtype=torch.float64)
        return cls(ones[0] / 4, 0 * ones, ones, torch.zeros(3, dtype=torch.float64))

    def fit(self, samples: sc.Samples, steps: int, stream: sc.Stream) -> Self:
        """Fit weighted cell moments and the boundary, by weighted least squares."""
        values = samples.values.double()
        weights = samples.weights.double() / samples.weights.sum()
        groups = values[:, 2].long()
        labels = values[:, 3].long()
        design = torch.cat([torch.ones(len(values), 1, dtype=torch.float64), values[:, :2]], dim=1)
        root = weights.sqrt()[:, None]
        target = root * (2 * labels[:, None] - 1).double()
        boundary = torch.linalg.lstsq(root * design, target, driver="gels").solution[:, 0]  # always the same bits
        shares = self.shares.clone()
        means = self.means.clone()
        deviations = self.deviations.clone()
        for cell in itertools.product(range(2), range(2)):
            group, label = cell
            cell_weights = weights * ((groups == group) & (labels == label))
            shares[cell] = cell_weights.sum()
            if (cell_weights > 0).sum() > 1:
                means[cell] = cell_weights @ values[:, :2] / cell_weights.sum()
                squares = (values[:, :2] - means[cell]).square()
                deviations[cell] = (cell_weights @ squares / cell_weights.sum()).sqrt()
        return replace(self, shares=shares, means=means, deviations=deviations, boundary=boundary)

    def sample(self, labels: Tensor, stream: sc.Stream) -> Tensor:
        """Draw labelled people of groups.

        Groups are drawn by their shares, and the classifier gives the labels.
        """
        cell = torch.multinomial(
            self.shares.flatten(), len(labels), replacement=True, generator=stream.child("cell").generator()
        )
        noise = torch.randn((len(labels), 2), generator=stream.child("noise").generator(), dtype=torch.float64)
        points = self.means.reshape(4, 2)[cell] + self.deviations.reshape(4, 2)[cell] * noise
        return torch.cat([points, (cell // 2)[:, None], self.classify(points)[:, None]], dim=1)

    def classify(self, points: Tensor) -> Tensor:
        """Classify points (N, 2) into labels (N,)."""
        return (self.boundary[0] + points @ self.boundary[1:] > 0).double()


PLAIN = "replace"
AUGMENTED = "augment"
REPAIRED = "replace, reparation"
MAJORITY = 0
MINORITY = 1


@dataclass(frozen=True)
class Fairness(toys.ToySettings):
    """People with a minority, whose preferences train a loop.

    There are n people. `pickiness` is how much people prefer the typical of two samples.
    """

    real_count: int = 1000
    minority_share: float = 0.15
    pickiness: float = 0.1
    generations: int = 20


QUICK = Fairness(generations=12, seeds=20)


def toy(settings: Fairness) -> toys.Toy:
    """Declare all policies, with and without reparation."""
    fall = claims.final_change(PLAIN, "minority_accuracy")
    fall_with_real_data = claims.final_change(AUGMENTED, "minority_accuracy")
    overall_fall = claims.final_change(PLAIN, "overall_accuracy")
    repair = claims.final_difference(REPAIRED, PLAIN, "minority_accuracy")
    share_gain = claims.final_difference(REPAIRED, PLAIN, "minority_share")
    statements = [
        claims.expect_below("replace: minority accuracy falls by more than 5 points", fall, -0.05),
        claims.expect_above("replace: overall accuracy hides it, falling by less than 3 points", overall_fall, -0.03),
        claims.expect_below("replace: the minority's share falls", claims.final_change(PLAIN, "minority_share")),
        claims.expect_above("reparation raises minority accuracy by more than 10 points", repair, 0.1),
        claims.expect_above("reparation restores the minority's share", share_gain, 0.05),
        claims.expect_below("keeping real data slows the loss of minority accuracy", fall - fall_with_real_data),
    ]
    columns = [
        toys.Column("overall_accuracy", "overall accuracy"),
        toys.Column("minority_accuracy", "minority accuracy"),
        toys.Column("majority_accuracy", "majority accuracy", ""),
        toys.Column("minority_share", "minority share"),
    ]
    return toys.Toy(
        title="Who pays for the shift",
        source="Wyllie et al. 2024",
        bundles=[toys.bundle_seeds(settings, partial(set_up, settings))],
        claims=statements,
        columns=columns,
        rows=(toys.START, PLAIN, REPAIRED),
        notes=("Accuracies are those of the classifier on fresh people of each group with their true labels.",),
    )


class Reparation(ModifiedPolicy):
    """Another policy, in which both groups have the same total weight."""

    def change(self, mixed: sc.Samples, stream: sc.Stream) -> sc.Samples:
        group = mixed.values[:, 2].long()
        counts = torch.bincount(group, minlength=2).clamp(min=1)
        return mixed.with_weights(mixed.weights / counts[group] * len(mixed) / 2)


def set_up(settings: Fairness, stream: sc.Stream) -> toys.Setup:
    """All arms with the same people."""
    real = sc.Samples.real(people(settings.real_count, settings.minority_share, stream.child("real")))
    task = sc.Task(GroupedGaussians.make_untrained(), real, partial(_measure, settings))
    rate_typicality = partial(typicality, minority_share=settings.minority_share)
    bias = sc.best_of(2, rate_typicality, choice_noise=1 / settings.pickiness)
    policies = {
        PLAIN: sc.Replace(),
        AUGMENTED: sc.Augment(1.0),
        REPAIRED: Reparation(sc.Replace()),
        f"{AUGMENTED}, reparation": Reparation(sc.Augment(1.0)),
    }
    return toys.Setup(task, {arm: sc.Arm(policy, settings.generations, bias=bias) for arm, policy in policies.items()})


def _measure(settings: Fairness, candidate: sc.Candidate) -> dict[str, Tensor]:
    model = candidate.model
    assert isinstance(model, GroupedGaussians)
    judged = people(4000, 0.5, candidate.stream.child("people"))
    is_right = (model.classify(judged[:, :2]) == judged[:, 3]).double()
    majority_accuracy = is_right[judged[:, 2] == MAJORITY].mean()
    minority_accuracy = is_right[judged[:, 2] == MINORITY].mean()
    share = settings.minority_share
    return {
        "minority_accuracy": minority_accuracy,
        "majority_accuracy": majority_accuracy,
        "overall_accuracy": (1 - share) * majority_accuracy + share * minority_accuracy,
        "minority_share": candidate.samples(2000).values[:, 2].mean(),
    }


def typicality(values: Tensor, minority_share: float) -> Tensor:
    """Return people's log-density (N,), up to a constant.

    It depends on the group and the features of people (N, 4).
    """
    group = values[:, 2].long()
    shares = torch.tensor([1 - minority_share, minority_share], dtype=torch.float64)
    from_means = values[:, None, :2] - CELL_MEANS[group]
    squared_distances = from_means.square().sum(-1)
    likelihoods = (-squared_distances / 2).logsumexp(1)
    return shares.log()[group] + likelihoods
