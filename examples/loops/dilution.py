"""Artefacts in a corrected augmented loop are diluted.

A Gaussian loop has a corrector that pulls samples towards its own level. Real data have another level. The loop
settles between the two, at a mean that has a closed form.

    selfcorrect toy examples/loops/dilution.py --quick
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from toy_models.gaussian_tasks import gaussian_task, per_seed

import selfcorrect as sc
from selfcorrect import claims, toys

LEVEL = 2.0
"""The fixed point of the corrector; real data have the level 0."""


@dataclass(frozen=True)
class Dilution(toys.ToySettings):
    """Loops over λ and γ with a shrinking corrector.

    The corrector leaves the share κ = `kept` of a sample's distance from its level.
    """

    real_count: int = 64
    ratios: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)
    strengths: tuple[float, ...] = (0.0, 1 / 3, 1.0, math.inf)
    kept: float = 0.25
    generations: int = 30
    seeds: int = 400


QUICK = Dilution(ratios=(0.5, 2.0), generations=20, seeds=200)


def toy(settings: Dilution) -> toys.Toy:
    """Declare all pairs of λ and γ, with the level at which each should settle."""
    points = list_points(settings)
    laws = {}
    for arm, (ratio, strength) in points.items():
        level = float(diluted_level(0, LEVEL, ratio, strength, settings.kept))
        laws[arm] = np.full(settings.generations + 1, level)
    most_synthetic = [arm for arm, (ratio, _) in points.items() if ratio == settings.ratios[-1]]
    last_arm = most_synthetic[-1]
    spread = claims.final_value(last_arm, "spread")
    spread_as_a_mean = float(diluted_level(1, 0, *points[last_arm], settings.kept))
    levels = claims.expect_predictions("{arm}: level", "level", laws, absolute_tolerance=0.05)  # levels are shares
    no_mean = claims.expect_above(f"{last_arm}: the spread is no mean", spread, spread_as_a_mean)
    return toys.Toy(
        bundles=[toys.bundle_replicates("dilution", settings.seed, partial(set_up, settings))],
        claims=claims.mark_unpublished(*levels, no_mean),
        columns=[
            toys.Column("level", "level", ".3f", predicted=laws, predicted_title="predicted"),
            toys.Column("spread", "spread"),
        ],
        rows=most_synthetic,
        title="Artefacts are diluted",
        source="this project",
        figures=[sweep_ratios(settings)],
        notes=(
            f"A level is a mean over samples; the spread of two places is not, else it were {spread_as_a_mean:.2f}.",
        ),
    )


def list_points(settings: Dilution) -> dict[str, tuple[float, float]]:
    """Map arm names to λ and γ."""
    points = {}
    for strength in settings.strengths:
        for ratio in settings.ratios:
            points[name_arm(ratio, strength)] = (ratio, strength)
    return points


def set_up(settings: Dilution, stream: sc.Stream) -> toys.Setup:
    """Set up models, points and arms.

    There is an arm for each λ and γ; the real points are those of all seeds.
    """
    task = gaussian_task(settings.real_count, settings.seeds, stream, measure_level)
    corrector = pull_to_level(settings.kept)
    arms = {}
    for arm, (ratio, strength) in list_points(settings).items():
        arms[arm] = sc.Arm(sc.Augment(ratio), settings.generations, correction=per_seed(corrector, strength))
    return toys.Setup(task, arms)


def sweep_ratios(settings: Dilution) -> toys.Sweep:
    """Plot the last level against λ, with a line for each γ."""
    measured = {}
    predicted = {}
    for strength in settings.strengths:
        line = format_strength(strength)
        measured[line] = [claims.final_value(name_arm(ratio, strength), "level") for ratio in settings.ratios]
        predicted[line] = diluted_level(0, LEVEL, settings.ratios, strength, settings.kept)
    return toys.Sweep(
        title="Level of a corrected loop",
        x_label="λ",
        y_label="level",
        x=settings.ratios,
        lines=measured,
        predicted=predicted,
        log=True,
    )


def diluted_level(
    real_only: ArrayLike,
    corrected_only: ArrayLike,
    synthetic_ratio: ArrayLike,
    strength: ArrayLike = math.inf,
    remaining: ArrayLike = 0.0,
) -> np.ndarray:
    """Return the level at which an artefact settles.

    In a corrected augmented loop, it is (r + λ′ c) / (1 + λ′). The fixed point of x ← (r + λ (x + γ (c + κ (x − c))) /
    (1 + γ)) / (1 + λ); λ′ = λ (1 − κ) γ / (1 + γ) fully corrected samples per real sample have the same effect. Derived
    here. Assumes that a level is a mean over samples, and that a model trained on a mixture has the mixture of the
    levels that its parts alone would give. Real samples alone give r, the model's own samples give their level back,
    corrected samples c + κ (x − c). A count of modes is no mean over samples, so the form does not hold for it. All
    parameters broadcast.

    Args:
        real_only: r, the level after training on real data only.
        corrected_only: c, the level of the fully synthetic loop with this corrector.
        synthetic_ratio: λ, synthetic samples per real one.
        remaining: κ, share of a sample's distance from the corrector's fixed point that correction leaves.
    """
    real, corrected, ratio, gamma, left = (
        np.asarray(value, dtype=float) for value in (real_only, corrected_only, synthetic_ratio, strength, remaining)
    )
    weight = 1 - 1 / (1 + ratio * (1 - left) * (1 - 1 / (1 + gamma)))
    return real + weight * (corrected - real)


def format_strength(strength: float) -> str:
    return "γ = ∞" if math.isinf(strength) else f"γ = {strength:.2g}"


def name_arm(ratio: float, strength: float) -> str:
    return f"λ = {ratio:g}, {format_strength(strength)}"


def pull_to_level(kept: float) -> Callable[[sc.Samples], sc.Samples]:
    """Return a corrector that pulls to `LEVEL`.

    It moves the first coordinate, and leaves the share `kept` of its distance from the level.
    """

    def pull(samples: sc.Samples) -> sc.Samples:
        first = LEVEL + kept * (samples.values[..., :1] - LEVEL)
        return samples.with_values(torch.cat([first, samples.values[..., 1:]], dim=-1))

    return pull


def measure_level(candidate: sc.Candidate) -> dict[str, Tensor]:
    """Measure the first coordinate's mean and deviation per seed."""
    model = candidate.model
    assert isinstance(model, sc.Gaussian)
    return {"level": model.mean[..., 0], "spread": model.covariance[..., 0, 0].sqrt()}
