"""Loops whose collapse has an exact law: counts, coins, and Gaussians that a corrector shrinks.

A Poisson loop is a critical branching process, a Bernoulli loop a Wright–Fisher chain (Suresh, Thangaraj and
Khandavally 2024, arXiv 2412.17646). A corrector that multiplies deviations by c leaves c² of the variance. A corrector
that moves each sample to the nearest of a few k-means centres of the truth holds the variance, because no sample is
left between the centres. With many centres it only copies, and the variance drifts away. An unbiased estimate keeps the
expected variance for ever, but in ever fewer directions and ever fewer seeds. By maximum likelihood, too, the mean
hangs on few seeds: the median seed loses half of its variance in a third of the time that the mean takes.

    selfcorrect toy examples/loops/counting.py --quick
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Literal

import numpy as np
import torch
from scipy import stats
from torch import Tensor
from toy_models.gaussian_tasks import gaussian_task

import selfcorrect as sc
from selfcorrect import claims, toys
from selfcorrect.loop.bias import sampling_settings
from selfcorrect.loop.models.protocol import TensorModel
from selfcorrect.statistics import Interval, half_life_interval

COIN = "coin, p = 0.5"
SYNTHETIC, MIXED = "shrunk, fully synthetic", "shrunk, λ = 1"
FEW, MANY = "k-means, 4 centres", "k-means, 128 centres"
LINE, SPACE = "unbiased, 1 dimension", "unbiased, 15 dimensions"
DIMENSION = {LINE: 1, SPACE: 15}
UNBIASED_GENERATIONS = {LINE: 250, SPACE: 10}
LIKELY = "maximum likelihood, n = 100"
LIKELY_COUNT = 100
MEAN_HALF_LIFE, MEDIAN_HALF_LIFE = 69, 24
"""Generations until the mean and the median of the variance have halved, with 100 samples per generation."""
ALIVE, VARIANCE = "alive", "variance"


@dataclass(frozen=True)
class Counting(toys.ToySettings):
    """Loops of n samples per generation."""

    real_count: int = 20
    rates: tuple[float, ...] = (1.0, 10.0)
    """Rates of the Poisson loops."""
    shrinking: float = 0.9
    """c, factor on deviations."""
    snapped_count: int = 128
    """n of the loops whose corrector moves samples to centres."""
    generations: int = 500
    seeds: int = 5000


QUICK = Counting(generations=60, seeds=1000)


@dataclass(frozen=True)
class Counts(TensorModel):
    """Poisson or Bernoulli draws with trained means, (seeds,).

    The means are those of the training set.
    """

    mean: Tensor
    kind: Literal["poisson", "coin"]

    def fit(self, samples: sc.Samples, steps: int, stream: sc.Stream) -> Counts:
        """Return the maximum-likelihood estimate."""
        return replace(self, mean=samples.values.mean(0))

    def sample(self, labels: Tensor, stream: sc.Stream) -> Tensor:
        """Draw a count per label and seed."""
        means = self.mean.expand(len(labels), -1)
        draw = torch.poisson if self.kind == "poisson" else torch.bernoulli
        return draw(means, generator=stream.generator())


def toy(settings: Counting) -> toys.Toy:
    """Declare all loops with their laws."""
    count, last = settings.real_count, settings.generations
    models = {name_rate(rate): Counts(torch.full((settings.seeds,), rate), "poisson") for rate in settings.rates}
    models[COIN] = Counts(torch.full((settings.seeds,), 0.5), "coin")
    rates = {name_rate(rate): poisson_survival(count, rate, last) for rate in settings.rates}
    coin = {COIN: coin_survival(count, 0.5, last)}
    centres = {FEW: normal_centres(4), MANY: normal_centres(128)}
    shrunk = {
        SYNTHETIC: shrunk_variance(count, settings.shrinking, last),
        MIXED: mixed_variance(count, settings.shrinking, last),
    }
    snapped = {name: snapped_variance(settings.snapped_count, places, last) for name, places in centres.items()}
    bundles = [
        toys.bundle_replicates(name, settings.seed, partial(set_up_counts, settings, name, model))
        for name, model in models.items()
    ]
    for name, size, arms in list_gaussians(settings, centres):
        setup = partial(set_up_gaussians, settings, size, DIMENSION.get(name, 1), arms)
        bundles.append(toys.bundle_replicates(name, settings.seed, setup))
    alive = "{arm}: share alive at generation {t}"
    variance = "{arm}: variance at generation {t}"
    few_alive = claims.expect_predictions(alive, ALIVE, coin, 0.05, (5, 20), absolute_tolerance=0.03)
    return toys.Toy(
        bundles=bundles,
        claims=[
            *claims.expect_predictions(
                alive, ALIVE, rates, 0.05, (last // 6, last // 2, last), absolute_tolerance=0.03
            ),
            *few_alive,
            *claims.mark_unpublished(
                *claims.expect_predictions(variance, VARIANCE, shrunk, 0.05, (5, 20), absolute_tolerance=0.003),
                *claims.expect_predictions(variance, VARIANCE, snapped, 0.1, (last,), absolute_tolerance=0.03),
                *claim_half_lives(),
                *claim_unbiased(count),
            ),
        ],
        columns=[
            toys.Column(ALIVE, "share of loops that still vary", predicted=rates | coin, predicted_title="predicted"),
            toys.Column(
                VARIANCE, "variance (truth 1)", predicted=shrunk | snapped, predicted_title="predicted", log=True
            ),
        ],
        groups={
            "counts": list(models), "shrunk": list(shrunk), "snapped": list(snapped), "likely": [LIKELY],
            "unbiased": list(DIMENSION),
        },
        title="Counts, coins, and corrections that shrink",
        source="Suresh et al. 2024, arXiv 2412.17646",
    )  # fmt: skip


def name_rate(rate: float) -> str:
    """Return the name of a Poisson loop."""
    return f"Poisson, rate {rate:g}"


def set_up_counts(settings: Counting, name: str, model: Counts, stream: sc.Stream) -> toys.Setup:
    """Make real counts and a fully synthetic loop of all seeds."""
    real = sc.Samples.real(model.sample(torch.zeros(settings.real_count), stream.child("real")))
    task = sc.Task(model, real, partial(measure_alive, settings.real_count))
    return toys.Setup(task, {name: sc.Arm(sc.Replace(), settings.generations)})


def measure_alive(count: int, candidate: sc.Candidate) -> dict[str, Tensor]:
    """Return 1 for each seed whose samples still differ, and 0 for others."""
    model = candidate.model
    assert isinstance(model, Counts)
    is_alive = (model.mean > 0) & ((model.mean < 1 - 0.5 / count) | (model.kind == "poisson"))
    return {ALIVE: is_alive.double()}


def list_gaussians(
    settings: Counting, centres: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, int, dict[str, sc.Arm]]]:
    """List bundles of Gaussian loops.

    Yields the name, the number n and the arms of each bundle.
    """
    last = settings.generations
    shrinking = sc.Correction(partial(shrink, settings.shrinking))
    policies = {SYNTHETIC: sc.Replace(), MIXED: sc.Augment(1.0)}
    arms = {name: sc.Arm(policy, last, correction=shrinking) for name, policy in policies.items()}
    yield "shrunk", settings.real_count, arms
    snapping = {name: sc.Correction(partial(snap, torch.from_numpy(places))) for name, places in centres.items()}
    arms = {name: sc.Arm(sc.Replace(), last, correction=correction) for name, correction in snapping.items()}
    yield "snapped", settings.snapped_count, arms
    yield "likely", LIKELY_COUNT, {LIKELY: sc.Arm(sc.Replace(), MEAN_HALF_LIFE)}
    bias = sampling_settings(temperature=settings.real_count / (settings.real_count - 1))  # takes back that of the fit
    for name, generations in UNBIASED_GENERATIONS.items():
        yield name, settings.real_count, {name: sc.Arm(sc.Replace(), generations, bias=bias)}


def set_up_gaussians(
    settings: Counting, count: int, dimension: int, arms: Mapping[str, sc.Arm], stream: sc.Stream
) -> toys.Setup:
    """Make real normal points of all seeds.

    A model fits them by maximum likelihood.
    """
    return toys.Setup(gaussian_task(count, settings.seeds, stream, measure_spectrum, (dimension,)), arms)


def claim_half_lives() -> list[claims.Claim]:
    """Claim the half-lives of the mean and the median over seeds."""
    mean = claims.final_value(LIKELY, VARIANCE) / claims.initial_value(LIKELY, VARIANCE)

    def measure_median(curves: claims.Curves) -> Interval:
        return half_life_interval(curves[LIKELY][VARIANCE])

    return [
        claims.expect_agreement(f"{LIKELY}: mean share of the variance at generation {MEAN_HALF_LIFE}", mean, 0.5, 0.1),
        claims.expect_agreement(f"{LIKELY}: half-life of the median seed", measure_median, MEDIAN_HALF_LIFE, 0.1),
    ]


def claim_unbiased(count: int) -> list[claims.Claim]:
    """Claim that unbiased loops lose variance, although its expectation stays 1 − 1/n."""
    expected = 1 - 1 / count
    line, space = UNBIASED_GENERATIONS[LINE], UNBIASED_GENERATIONS[SPACE]
    rank = claims.ratio_of_means(
        claims.final_value(SPACE, "squared_trace"), claims.final_value(SPACE, "trace_of_square")
    )
    law = unbiased_rank(count, DIMENSION[SPACE], space)
    return [
        claims.expect_agreement(
            f"{SPACE}: variance at generation {space}", claims.final_value(SPACE, VARIANCE), expected, 0.1
        ),
        claims.expect_agreement(f"{SPACE}: ratio of means (tr Σ)² / tr Σ² at generation {space}", rank, law, 0.1),
        claims.expect_agreement(
            f"{SPACE}: effective rank at generation {space}", claims.final_value(SPACE, "rank"), 2.0, 0.1
        ),
        claims.expect_below(
            f"{LINE}: the mean of all seeds at generation {line} is below the expected variance",
            claims.final_value(LINE, VARIANCE),
            expected,
        ),
    ]


def snap(centres: Tensor, samples: sc.Samples) -> sc.Samples:
    """Move each value to the nearest of ascending centres."""
    nearest = torch.bucketize(samples.values, (centres[1:] + centres[:-1]) / 2)
    return samples.with_values(centres.to(samples.values)[nearest])


def shrink(factor: float, samples: sc.Samples) -> sc.Samples:
    """Multiply deviations from the true mean 0."""
    return samples.with_values(factor * samples.values)


def measure_spectrum(candidate: sc.Candidate) -> dict[str, Tensor]:
    """Measure the variance per dimension and seed.

    In several dimensions also the squared trace, the trace of the square, and their ratio, the effective rank.
    """
    assert isinstance(candidate.model, sc.Gaussian)
    covariance = candidate.model.covariance
    trace = covariance.diagonal(dim1=-2, dim2=-1).sum(-1)
    variance = {VARIANCE: trace / covariance.shape[-1]}
    if covariance.shape[-1] == 1:
        return variance
    trace_of_square = covariance.square().sum((-2, -1))
    rank = trace.square() / trace_of_square
    return {**variance, "squared_trace": trace.square(), "trace_of_square": trace_of_square, "rank": rank}


def poisson_survival(count: int, rate: float, generations: int) -> np.ndarray:
    """Return the probability (t + 1,) that a Poisson loop is not constantly 0.

    The sum of a generation has a Poisson distribution around the sum before it: a branching process with one Poisson
    child per individual on average. A line is extinct after t generations with q_t = exp(q_(t−1) − 1), q_0 = 0.
    """
    extinct = 0.0
    alive = []
    for _ in range(generations + 1):
        alive.append(1 - np.exp(count * rate * (extinct - 1)))
        extinct = np.exp(extinct - 1)
    return np.array(alive)


def coin_survival(count: int, probability: float, generations: int) -> np.ndarray:
    """Return a Bernoulli loop's survival (t + 1,).

    This is the probability that the loop has lost neither side, in the chain of Wright and Fisher.
    """
    sums = np.arange(count + 1)
    chain = stats.binom.pmf(sums, count, sums[:, None] / count)
    current = stats.binom.pmf(sums, count, probability)
    alive = []
    for _ in range(generations + 1):
        alive.append(current[1:-1].sum())
        current = current @ chain
    return np.array(alive)


def shrunk_variance(count: int, factor: float, generations: int) -> np.ndarray:
    """Return shrunk variances (t + 1,).

    The expected variance of a fully synthetic loop keeps c² (1 − 1/n) in each generation. At n = 128, shrinking by 0.4
    % doubles the loss.
    """
    return (1 - 1 / count) * (factor**2 * (1 - 1 / count)) ** np.arange(generations + 1)


def mixed_variance(count: int, factor: float, generations: int, synthetic_ratio: float = 1.0) -> np.ndarray:
    """Return variances (t + 1,) beside real data.

    These are expected variances, without terms in 1/n². The loop settles near 1/(1 + λ(1 − c²)). The result is exact
    for large n; the first term in 1/n is the loss of the real data's own mean.
    """
    share = synthetic_ratio / (1 + synthetic_ratio)
    variances = [1 - 1 / count]
    for _ in range(generations):
        variances.append((1 - share) * (1 - 1 / count) + share * factor**2 * variances[-1])
    return np.array(variances)


@cache
def normal_centres(count: int) -> np.ndarray:
    """Return the k-means centres of N(0, 1), in ascending order.

    Lloyd's algorithm starts from evenly spaced quantiles.
    """
    centres = stats.norm.ppf((np.arange(count) + 0.5) / count)
    for _ in range(2000):
        edges = find_edges(centres)
        centres = -np.diff(stats.norm.pdf(edges)) / np.diff(stats.norm.cdf(edges))
    return centres


def find_edges(centres: np.ndarray) -> np.ndarray:
    """Return bounds (K + 1,) between ascending centres (K,)."""
    return np.concatenate([[-np.inf], (centres[1:] + centres[:-1]) / 2, [np.inf]])


def snapped_variance(count: int, centres: np.ndarray, generations: int) -> np.ndarray:
    """Return variances (t + 1,) snapped to centres.

    These are expected variances of a fully synthetic loop whose samples move to centres, to first order in 1/n: v → (1
    − 1/n) Σ p_i(v) c_i², where p_i(v) is the share of N(0, v) nearest to c_i. The drift of the mean is left out.
    """
    edges = find_edges(centres)
    variances = [1 - 1 / count]
    for _ in range(generations):
        shares = np.diff(stats.norm.cdf(edges / np.sqrt(variances[-1])))
        variances.append((1 - 1 / count) * (shares @ centres**2))
    return np.array(variances)


def unbiased_rank(count: int, dimension: int, generations: int) -> float:
    """Return an unbiased loop's effective rank.

    The effective rank is E (tr Σ)² / E tr Σ² of a fully synthetic loop after t generations; the result is exact. A
    generation draws (n − 1) Σ' from a Wishart distribution with n − 1 degrees of freedom, whose second moments are E tr
    Σ'² = (1 + 1/(n − 1)) tr Σ² + (tr Σ)²/(n − 1) and E (tr Σ')² = (tr Σ)² + 2 tr Σ²/(n − 1).
    """
    freedom = count - 1
    trace_of_square, squared_trace = float(dimension), float(dimension) ** 2
    for _ in range(generations + 1):
        trace_of_square, squared_trace = (
            (1 + 1 / freedom) * trace_of_square + squared_trace / freedom,
            squared_trace + 2 * trace_of_square / freedom,
        )
    return squared_trace / trace_of_square
