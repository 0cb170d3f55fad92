"""A detector of synthetic samples in front of the training set: how good must it be to stop collapse?

The pool of every generation holds the real data and many cherry-picked synthetic samples. A detector removes synthetic
samples with its true positive rate and, by mistake, real ones with its false positive rate.

`selfcorrect toy examples/loops/provenance.py --quick` runs the loop.
"""

from dataclasses import dataclass

import numpy as np
import torch
from toy_models.gaussian_tasks import gaussian_task
from toy_models.laws import settled_variance

import selfcorrect as sc
from selfcorrect import claims, toys
from selfcorrect.loop.bias import sampling_settings
from selfcorrect.loop.policy import ModifiedPolicy


@dataclass(frozen=True)
class ProvenanceLoop(toys.ToySettings):
    """n real points, λ synthetic ones per real, whose variance is cherry-picked down to `bias` of the model's."""

    real_count: int = 200
    ratio: float = 9.0
    bias: float = 0.5
    true_positive_rates: tuple[float, ...] = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 1.0)
    false_positive_rate: float = 0.1
    tolerated_variance: float = 0.8
    generations: int = 25


QUICK = ProvenanceLoop(true_positive_rates=(0.0, 0.8, 0.95, 1.0), generations=15, seeds=20)


@dataclass(frozen=True)
class Detector(ModifiedPolicy):
    """Another policy's data without samples that a detector classifies as synthetic."""

    true_positive_rate: float
    false_positive_rate: float

    def change(self, mixed: sc.Samples, stream: sc.Stream) -> sc.Samples:
        coins = torch.rand(len(mixed), generator=stream.child("detector").generator(), dtype=torch.float64)
        synthetic = torch.from_numpy(mixed.provenance.synthetic)
        return mixed.take(coins >= torch.where(synthetic, self.true_positive_rate, self.false_positive_rate))


def toy(settings: ProvenanceLoop) -> toys.Toy:
    """Declare all detectors."""
    rates = settings.true_positive_rates
    lost = settings.false_positive_rate
    variance = settings.tolerated_variance

    def set_up(stream: sc.Stream) -> toys.Setup:
        bias = sampling_settings(temperature=settings.bias)
        arms = {}
        for rate in rates:
            policy = Detector(sc.Augment(settings.ratio), rate, lost)
            arms[_name_arm(rate)] = sc.Arm(policy, settings.generations, bias=bias)
        return toys.Setup(gaussian_task(settings.real_count, settings.seeds, stream), arms)

    settled = [claims.late_mean(_name_arm(rate), "variance", 5) for rate in rates]
    remaining_ratios = [filtered_ratio(settings.ratio, rate, lost) for rate in rates]
    predicted = np.array([settled_variance(ratio, 0.0, settings.bias) for ratio in remaining_ratios])

    def find_needed_rate(curves: claims.Curves) -> np.ndarray:
        """Find the tolerated variance's detection rate.

        This is the true positive rate at which the loop settles at that variance, interpolated because 1 / variance is
        linear in the rate.
        """
        variances = np.stack([quantity.per_seed(curves) for quantity in settled], axis=1)
        return np.array([np.interp(-1 / variance, -1 / row, rates) for row in variances])

    tolerated = tolerated_ratio(variance, settings.bias)
    needed_rate = needed_true_positive_rate(settings.ratio, tolerated, lost)
    statements = claims.mark_unpublished(
        *(
            claims.expect_agreement(f"detector that finds {rate:.0%}: settled variance", quantity, law)
            for rate, quantity, law in zip(rates, settled, predicted, strict=True)
        ),
        claims.expect_below("without a detector the variance collapses", settled[0], 0.3),
        claims.expect_agreement(
            f"true positive rate needed for a variance of {variance:g}",
            claims.Quantity(find_needed_rate),
            needed_rate,
            0.03,
        ),
    )
    sweep = toys.Sweep(
        title="Variance that the loop settles at",
        x_label="share of synthetic samples found",
        y_label="variance (truth 1)",
        x=rates,
        lines={"settled": settled},
        predicted={"settled": predicted},
    )
    return toys.Toy(
        title="A detector of synthetic samples",
        source="provenance filtering, after Alemohammad et al. 2024",
        bundles=[toys.bundle_replicates("provenance", settings.seed, set_up)],
        claims=statements,
        columns=[toys.Column("variance", "variance (truth 1)", lambda curve: f"{curve[:, -5:].mean():.2f}")],
        figures=[sweep],
        notes=(f"Cherry-picked to {settings.bias:g} of the variance; the detector loses {lost:.0%} of the real data.",),
    )


def _name_arm(rate: float) -> str:
    return f"found {rate:.0%}"


def filtered_ratio(synthetic_ratio: float, true_positive_rate: float, false_positive_rate: float) -> float:
    """Return λ after filtering by a detector.

    The remaining ratio is λ (1 − tpr) / (1 − fpr).

    Args:
        synthetic_ratio: λ, synthetic samples per real one.
        true_positive_rate: Share of synthetic samples that the detector finds.
        false_positive_rate: Share of real samples lost with them.
    """
    return synthetic_ratio * (1 - true_positive_rate) / (1 - false_positive_rate)


def needed_true_positive_rate(synthetic_ratio: float, tolerated: float, false_positive_rate: float) -> float:
    """Return the true positive rate needed for a tolerated λ, or 0."""
    return max(0.0, 1 - (1 - false_positive_rate) * tolerated / synthetic_ratio)


def tolerated_ratio(variance: float, spread: float) -> float:
    """Return the λ that settles at a variance.

    The loop is uncorrected and the variance below 1; inverts `settled_variance` for γ = 0.
    """
    return (1 - variance) / (variance * (1 - spread))
