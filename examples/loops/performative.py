"""A population that reacts to the model: repeated retraining after Perdomo et al. 2020.

The mean of new real data is 1 + ε times the mean of the model's samples. A loop that retrains on them settles at
1 / (1 − ε) if ε < 1, and leaves any bound if ε > 1. A corrector to the untouched population divides ε by 1 + γ.

    selfcorrect toy examples/loops/performative.py --quick
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

import selfcorrect as sc
from selfcorrect import claims, toys
from selfcorrect.datasets.toy.draws import normal
from selfcorrect.loop.policy import ModifiedPolicy

UNTOUCHED = 1.0
"""Mean of the population that has seen no model."""


@dataclass(frozen=True)
class Performative(toys.ToySettings):
    """Loops over ε; the strongest reaction also with a corrector of γ = 1."""

    real_count: int = 64
    reactions: tuple[float, ...] = (0.5, 0.8, 1.2)
    generations: int = 20
    seeds: int = 400


QUICK = Performative(generations=12, seeds=200)


@dataclass(frozen=True)
class React(ModifiedPolicy):
    """New real data that react to samples.

    Their mean follows the mean of the samples that another policy would train on.
    """

    reaction: float = 0.0

    def change(self, mixed: sc.Samples, stream: sc.Stream) -> sc.Samples:
        shown = mixed.values.mean(0, keepdim=True)
        noise = normal(len(mixed), stream.child("people"), *mixed.values.shape[1:])
        return mixed.with_values(UNTOUCHED + self.reaction * shown + noise)


def show_untouched(values: Tensor) -> Tensor:
    """Correct samples to the mean of the untouched population."""
    return torch.full_like(values, UNTOUCHED)


def list_arms(settings: Performative) -> dict[str, tuple[float, float]]:
    """Map arm names to ε and γ."""
    arms = {f"ε = {reaction:g}": (reaction, 0.0) for reaction in settings.reactions}
    return {**arms, f"ε = {settings.reactions[-1]:g}, corrected": (settings.reactions[-1], 1.0)}


def predict(settings: Performative, reaction: float, strength: float) -> np.ndarray:
    """Predict the model's mean (T + 1,)."""
    means = [UNTOUCHED]
    for _ in range(settings.generations):
        means.append(UNTOUCHED + reaction * (means[-1] + strength * UNTOUCHED) / (1 + strength))
    return np.array(means)


def toy(settings: Performative) -> toys.Toy:
    """Declare loops with weak and strong reactions."""
    laws = {name: predict(settings, *arm) for name, arm in list_arms(settings).items()}
    strongest, corrected = list(laws)[-2:]
    stable = claims.expect_predictions("{arm}: mean at generation {t}", "mean", laws, 0.05, (4, settings.generations))
    change = claims.final_difference(corrected, strongest, "mean")
    tamed = claims.expect_below("a corrector tames the strongest reaction", change)
    return toys.Toy(
        bundles=[toys.bundle_replicates("performative", settings.seed, partial(set_up, settings))],
        claims=[*stable[:-2], *claims.mark_unpublished(*stable[-2:], tamed)],
        columns=[toys.Column("mean", "mean of the model", predicted=laws, predicted_title="predicted")],
        title="A population that reacts",
        source="Perdomo et al. 2020, arXiv 2002.06673",
    )


def set_up(settings: Performative, stream: sc.Stream) -> toys.Setup:
    """Set up models, points and arms.

    There is an arm for each ε; the untouched real points are those of all seeds.
    """
    real = sc.Samples.real(UNTOUCHED + normal(settings.real_count, stream.child("real"), settings.seeds, 1))
    arms = {}
    for name, (reaction, strength) in list_arms(settings).items():
        correction = sc.Correction(show_untouched, strength, replicate_axes=1) if strength else None
        arms[name] = sc.Arm(React(sc.Replace(), reaction), settings.generations, correction=correction)
    return toys.Setup(sc.Task(sc.Gaussian.standard(settings.seeds, 1), real, measure_mean), arms)


def measure_mean(candidate: sc.Candidate) -> dict[str, Tensor]:
    """Return the mean of the model, per seed."""
    assert isinstance(candidate.model, sc.Gaussian)
    return {"mean": candidate.model.mean[..., 0]}
