"""Wyllie et al. 2024: models shift the data that later models learn from, and a minority pays for it.

Two groups need different decision boundaries. Each generation a classifier, trained on all data, labels the samples
of a generator, and people keep what looks typical. Reparation weighs the groups equally in training.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.datasets.toy.draws import people, typicality
from selfcorrect.loop.bias import best_of
from selfcorrect.loop.policy import Augment, ModifiedPolicy, Replace
from selfcorrect.loop.run import Arm, Candidate, Task

from ...studies.claims import expect_above, expect_below, final_change, final_difference
from ..models.grouped import GroupedGaussians
from ..toys import START, Column, Setup, Toy, ToySettings, bundle_seeds

PLAIN = "replace"
AUGMENTED = "augment"
REPAIRED = "replace, reparation"
MAJORITY = 0
MINORITY = 1


@dataclass(frozen=True)
class Fairness(ToySettings):
    """n people, a share of them of the minority; `pickiness` is how much people prefer the typical of two samples."""

    real_count: int = 1000
    minority_share: float = 0.15
    pickiness: float = 0.1
    generations: int = 20


QUICK = Fairness(generations=12, seeds=20)


def toy(settings: Fairness) -> Toy:
    """Declare all policies, with and without reparation."""
    fall = final_change(PLAIN, "minority_accuracy")
    fall_with_real_data = final_change(AUGMENTED, "minority_accuracy")
    overall_fall = final_change(PLAIN, "overall_accuracy")
    repair = final_difference(REPAIRED, PLAIN, "minority_accuracy")
    share_gain = final_difference(REPAIRED, PLAIN, "minority_share")
    claims = [
        expect_below("replace: minority accuracy falls by more than 5 points", fall, -0.05),
        expect_above("replace: overall accuracy hides it, falling by less than 3 points", overall_fall, -0.03),
        expect_below("replace: the minority's share falls", final_change(PLAIN, "minority_share")),
        expect_above("reparation raises minority accuracy by more than 10 points", repair, 0.1),
        expect_above("reparation restores the minority's share", share_gain, 0.05),
        expect_below("keeping real data slows the loss of minority accuracy", fall - fall_with_real_data),
    ]
    columns = [
        Column("overall_accuracy", "overall accuracy"),
        Column("minority_accuracy", "minority accuracy"),
        Column("majority_accuracy", "majority accuracy", ""),
        Column("minority_share", "minority share"),
    ]
    return Toy(
        bundles=[bundle_seeds(settings, partial(set_up, settings))],
        claims=claims,
        columns=columns,
        rows=(START, PLAIN, REPAIRED),
        notes=("Accuracies are those of the classifier on fresh people of each group with their true labels.",),
    )


class Reparation(ModifiedPolicy):
    """Another policy with training weights that give both groups the same weight in all."""

    def change(self, mixed: Samples, stream: Stream) -> Samples:
        group = mixed.values[:, 2].long()
        counts = torch.bincount(group, minlength=2).clamp(min=1)
        return mixed.with_weights(mixed.weights / counts[group] * len(mixed) / 2)


def set_up(settings: Fairness, stream: Stream) -> Setup:
    """All arms with the same people."""
    real = Samples.real(people(settings.real_count, settings.minority_share, stream.child("real")))
    task = Task(GroupedGaussians.make_untrained(), real, partial(_measure, settings))

    def rate_typicality(values: Tensor) -> Tensor:
        return typicality(values, settings.minority_share)

    bias = best_of(2, rate_typicality, choice_noise=1 / settings.pickiness)
    policies = {
        PLAIN: Replace(),
        AUGMENTED: Augment(1.0),
        REPAIRED: Reparation(Replace()),
        f"{AUGMENTED}, reparation": Reparation(Augment(1.0)),
    }
    return Setup(task, {arm: Arm(policy, settings.generations, bias=bias) for arm, policy in policies.items()})


def _measure(settings: Fairness, candidate: Candidate) -> dict[str, Tensor]:
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
