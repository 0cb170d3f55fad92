"""Gillman et al. 2024: a Gaussian in an augmented loop, corrected towards the truth with growing strength.

Beside the ideal corrector, which knows the truth, stands an empirical corrector, which knows the training data. A
control gets as many fresh real samples as the ideal corrector injects. The authors' program, which differs from their
text, is `examples/loops/gillman_program.py`.

`selfcorrect toy examples/loops/gaussian_correct.py --quick` runs the loop.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np
from toy_models.gaussian_tasks import (
    DIMENSION,
    RealAndFresh,
    draw_from,
    draw_truth,
    fresh_normal,
    gaussian_task,
    per_seed,
)
from toy_models.laws import augment_error, expected_wasserstein

import selfcorrect as sc
from selfcorrect import claims, toys

DISTANCE = "2-Wasserstein distance to the truth"
REAL = "real only"


name_ideal, name_empirical, name_fresh = (
    "ideal γ = {:g}".format,
    "empirical γ = {:g}".format,
    "fresh data as γ = {:g}".format,
)
"""Name of an arm by γ: corrected towards the truth, towards the training data, or with fresh real data instead."""


@dataclass(frozen=True)
class GaussianCorrect(toys.ToySettings):
    """The paper's setting: 50 real points in the plane, λ = 0.5, 500 generations."""

    real_count: int = 50
    ratio: float = 0.5
    strengths: tuple[float, ...] = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 2.0, 5.0)
    generations: int = 500
    seeds: int = 100

    def __post_init__(self) -> None:
        is_ascending = all(low < high for low, high in pairwise(self.strengths))
        if len(self.strengths) < 2 or not is_ascending:
            got = ", ".join(f"{strength:g}" for strength in self.strengths)
            raise sc.SettingError(f"gaussian-correct needs two or more strengths γ in ascending order, got {got}")

    def count_injected(self, strength: float) -> int:
        """Count the fresh samples that a correction injects.

        A mixture correction of this strength does so per generation.
        """
        share = 1.0 if math.isinf(strength) else strength / (1 + strength)
        return round(round(self.ratio * self.real_count) * share)


QUICK = GaussianCorrect(strengths=(0.0, 0.3, 2.0), generations=60, seeds=200)


def toy(settings: GaussianCorrect) -> toys.Toy:
    """Declare the three kinds of corrector."""
    strengths = settings.strengths
    weak = strengths[0]
    strong = strengths[-1]
    late_count = max(1, (settings.generations + 1) // 10)
    laws = {}
    for strength in strengths:
        error = augment_error(settings.real_count, settings.ratio, strength, settings.generations)
        laws[name_ideal(strength)] = expected_wasserstein(error, DIMENSION)
    ideal_arms = {f"γ = {strength:g}": name_ideal(strength) for strength in strengths}
    injecting = [strength for strength in strengths if settings.count_injected(strength)]
    rows = {
        "uncorrected": name_ideal(weak),
        "corrected towards the training data": name_empirical(strong),
        "corrected towards the truth": name_ideal(strong),
        "as many fresh real samples, no loop": name_fresh(strong),
    }

    def measure_settled(name_arm: Callable[[float], str]) -> list[claims.Quantity]:
        return [claims.late_mean(name_arm(strength), "distance", late_count) for strength in injecting]

    def format_settled(curves: np.ndarray) -> str:
        return f"{curves[:, -late_count:].mean(1).mean():.3f}"

    sweep = toys.Sweep(
        title="Settled distance: what the corrector knows",
        x_label="γ",
        y_label=DISTANCE,
        x=injecting,
        lines={
            "ideal": measure_settled(name_ideal),
            "empirical": measure_settled(name_empirical),
            "fresh samples instead": measure_settled(name_fresh),
        },
        log=True,
    )
    return toys.Toy(
        bundles=[toys.bundle_replicates("gaussian-correct", settings.seed, partial(set_up, settings))],
        claims=_make_claims(settings, laws, late_count),
        columns=[toys.Column("distance", DISTANCE, format_settled, predicted=laws)],
        rows=rows,
        groups={"measured (lines) and predicted (dashes)": ideal_arms},
        figures=[sweep],
        risk="distance",
        profiled=[arm for arm in (name_ideal(0.0), name_ideal(1.0)) if arm in laws],
        title="A Gaussian, corrected towards the truth",
        source="Gillman et al. 2024",
        notes=("The prediction has no fitted constant; it is first order in 1/n.",),
    )


def set_up(settings: GaussianCorrect, stream: sc.Stream) -> toys.Setup:
    """Set up correctors, fresh and real data.

    Each corrector comes with each strength, fresh data instead of it, and real data only.
    """
    task = gaussian_task(settings.real_count, settings.seeds, stream)
    augment = sc.Arm(sc.Augment(settings.ratio), settings.generations)
    fresh_source = fresh_normal(settings.seeds)
    draw_real = draw_from(task.real)
    arms = {}
    for strength in settings.strengths:
        arms[name_ideal(strength)] = replace(augment, correction=per_seed(draw_truth, strength))
    for strength in settings.strengths:
        count = settings.count_injected(strength)
        if count:
            arms[name_empirical(strength)] = replace(augment, correction=per_seed(draw_real, strength))
            arms[name_fresh(strength)] = replace(augment, policy=RealAndFresh(fresh_source, count))
    return toys.Setup(task, {**arms, REAL: replace(augment, policy=sc.RealOnly())})


def _make_claims(settings: GaussianCorrect, laws: Mapping[str, np.ndarray], late_count: int) -> list[claims.Claim]:
    weak = settings.strengths[0]
    strong = settings.strengths[-1]
    first_distance = claims.initial_value(REAL, "distance")
    settled = {
        strength: claims.late_mean(name_ideal(strength), "distance", late_count) for strength in settings.strengths
    }
    empirical = claims.late_mean(name_empirical(strong), "distance", late_count)
    fresh = claims.late_mean(name_fresh(strong), "distance", late_count)

    def fit_slope(curves: claims.Curves) -> np.ndarray:
        """Fit the slope of distances over strengths.

        The distances are settled, the strengths in their order, per seed.
        """
        distances = np.array([quantity.per_seed(curves) for quantity in settled.values()])
        return np.polynomial.polynomial.polyfit(np.arange(len(distances)), distances, 1)[1]

    predictions = []
    for strength, quantity in settled.items():
        statement = f"settled distance at γ = {strength:g} is the predicted one"
        predictions.append(claims.expect_agreement(statement, quantity, laws[name_ideal(strength)][-1]))
    only_training_data = f"a corrector that knows only the training data (γ = {strong:g}) cannot beat generation 0"
    no_better = f"the ideal corrector (γ = {strong:g}) is no better than the fresh samples it injects"
    return [
        *claims.mark_unpublished(*predictions),
        claims.expect_below("stronger correction towards the truth ends nearer to it", claims.Quantity(fit_slope)),
        claims.expect_above("no correction ends worse than generation 0", settled[weak] - first_distance),
        claims.expect_below("strong correction ends better than generation 0", settled[strong] - first_distance),
        *claims.mark_unpublished(
            claims.expect_above(only_training_data, empirical - first_distance),
            claims.expect_above(no_better, settled[strong] - fresh, -0.005),
        ),
    ]
