"""Causes of lost modes: drift as in a population, and bias of the learner, each switched on separately.

A memoriser that draws evenly is the population of Wright (1931) and Fisher (1930); theory gives its surviving founders
exactly. Noise makes it a kernel density estimate, whose founders are lost by drift all the same. A pull towards the
mean of each label, the bias of a learner, loses more than drift does, and descendants walk in one direction.

    selfcorrect toy examples/loops/lineages.py --quick
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy import stats
from scipy.spatial.distance import cdist
from torch import Tensor

import selfcorrect as sc
from selfcorrect import claims, toys
from selfcorrect.loop.bias import Bias, sample_plainly
from selfcorrect.loop.models.protocol import TensorModel
from selfcorrect.loop.remedies.matching import lineage_matched

DIMENSION = 16
SURVIVAL = "surviving_lineages"
COVERAGE = "coverage"
BY_DRIFT = "coverage_by_drift"
PERSISTENCE = "lineage_persistence"


@dataclass(frozen=True)
class Lineages(toys.ToySettings):
    """Points of labels with the sizes of the motion experiment; fully synthetic loops of memorisers."""

    label_sizes: tuple[int, ...] = (3, 4, 6, 7, 9, 9, 9, 10, 10, 10, 11, 13, 13, 14)
    unevenness: float = 0.67
    """Squared coefficient of variation of the chances, in the uneven arms."""
    bandwidths: tuple[float, ...] = (0.05, 0.1, 0.2)
    """Bandwidths of the kernel arms, in standard deviations of the data."""
    pull: float = 0.1
    """Share of the way to the mean, in the biased arms."""
    preference: float = 1.0
    """Preference for points near the mean, in the biased arms."""
    draws: int = 8
    """Candidates per sample of the matched arms."""
    generations: int = 12


QUICK = Lineages(bandwidths=(0.05, 0.2), seeds=20)


@dataclass(frozen=True)
class Memoriser(TensorModel):
    """Draws training points of a label.

    Draws have the shape (N, d). Options add what a real learner does besides copying.
    """

    points: Tensor
    labels: Tensor
    chances: Tensor
    unevenness: float = 0.0
    """Squared coefficient of variation of the points' chances to be drawn, gamma distributed and new in each fit."""
    bandwidth: float = 0.0
    """Standard deviation of Gaussian noise on each draw, the novelty of a kernel density estimate."""
    pull: float = 0.0
    """Share of the way to the mean of its label by which each draw is moved: a bias of the learner."""
    preference: float = 0.0
    """Another bias: points are drawn with chances exp(−preference d²/2) at a relative distance d from the mean."""

    @classmethod
    def create(cls) -> Memoriser:
        """Return a point at the origin, with all knobs at 0."""
        origin = torch.zeros(1, DIMENSION, dtype=torch.float64)
        return cls(origin, torch.zeros(1, dtype=torch.int64), torch.ones(1, dtype=torch.float64))

    def fit(self, samples: sc.Samples, steps: int, stream: sc.Stream) -> Memoriser:
        """Remember the samples."""
        chances = torch.ones(len(samples), dtype=torch.float64)
        if self.unevenness:
            draws = stream.numpy().gamma(1 / self.unevenness, self.unevenness, len(samples))
            chances = torch.from_numpy(draws).clamp(min=1e-300)
        return replace(self, points=samples.values.to(self.points), labels=samples.labels, chances=chances)

    def sample(self, labels: Tensor, stream: sc.Stream) -> Tensor:
        """Draw one point (d,) per label.

        The training set must contain every label.
        """
        values = torch.empty((len(labels), self.points.shape[1]), dtype=self.points.dtype)
        for label in labels.unique():
            is_wanted = labels == label
            is_candidate = self.labels == label
            points = self.points[is_candidate]
            to_mean = points.mean(0) - points
            squared_distance = to_mean.square().sum(1)
            relative = squared_distance / squared_distance.mean().clamp(min=1e-12)
            chances = self.chances[is_candidate] * torch.exp(-self.preference / 2 * relative)
            generator = stream.child(int(label)).generator()
            rows = torch.multinomial(chances, int(is_wanted.sum()), replacement=True, generator=generator)
            values[is_wanted] = points[rows] + self.pull * to_mean[rows]
        noise = torch.randn(values.shape, generator=stream.child("noise").generator(), dtype=values.dtype)
        return values + self.bandwidth * noise


@dataclass(frozen=True)
class PopulationArm:
    """A memoriser, its sampling and offspring variance.

    Theory needs the variance of the number of children.
    """

    model: Memoriser
    bias: Bias = sample_plainly
    offspring_variance: float = 1.0


def toy(settings: Lineages) -> toys.Toy:
    """Declare all arms, with shared seeds and separate models."""
    arms = make_arms(settings)
    sizes = settings.label_sizes
    laws = {name: surviving_lineages(sizes, settings.generations, arm.offspring_variance) for name, arm in arms.items()}
    return toys.Toy(
        bundles=[toys.bundle_seeds(settings, partial(set_up, settings, name, arm)) for name, arm in arms.items()],
        claims=claims.mark_unpublished(*make_claims(settings, laws)),
        columns=[
            toys.Column(
                SURVIVAL, "founders with descendants", predicted=laws, predicted_title="predicted by drift alone"
            ),
            toys.Column(COVERAGE, "coverage of reference points", "", predicted_by=BY_DRIFT),
            toys.Column(PERSISTENCE, "persistence of the lines' walks, of a random walk", ""),
        ],
        title="Why modes are lost",
        source="after Wright 1931 and Fisher 1930; Alemohammad et al. 2025",
        notes=("Predictions are of drift alone, from the arm's settings; nothing is fitted to the loops.",),
    )


def make_arms(settings: Lineages) -> dict[str, PopulationArm]:
    even = Memoriser.create()
    uneven = replace(even, unevenness=settings.unevenness)
    biased = replace(even, bandwidth=settings.bandwidths[0], pull=settings.pull, preference=settings.preference)
    matched = lineage_matched(settings.draws, adaptive=False)
    matched_variance = matched_offspring_variance(settings.draws, settings.unevenness)
    return {
        "even": PopulationArm(even),
        "uneven": PopulationArm(uneven, offspring_variance=1 + settings.unevenness),
        "uneven, matched": PopulationArm(uneven, matched, matched_variance),
        **{name_kernel(width): PopulationArm(replace(even, bandwidth=width)) for width in settings.bandwidths},
        "biased": PopulationArm(biased),
        "biased, matched": PopulationArm(replace(biased, unevenness=settings.unevenness), matched, matched_variance),
    }


def name_kernel(bandwidth: float) -> str:
    return f"kernel {bandwidth:g}"


def set_up(settings: Lineages, name: str, arm: PopulationArm, stream: sc.Stream) -> toys.Setup:
    real = draw_points(settings.label_sizes, stream.child("real"))
    reference = draw_points(settings.label_sizes, stream.child("reference")).values.numpy()
    near = near_by_label(reference, real.values.numpy(), real.labels.numpy())
    by_drift = coverage_by_drift(near, settings.label_sizes, settings.generations, arm.offspring_variance)

    def measure(candidate: sc.Candidate) -> dict[str, float]:
        points = cast(Memoriser, candidate.model).points.numpy()  # all that it can draw, apart from noise
        coverage = sc.neighbour_metrics(reference, points)["coverage"]
        return {COVERAGE: coverage, BY_DRIFT: float(by_drift[candidate.generation])}

    task = sc.Task(arm.model, real, measure, space=Tensor.numpy)
    return toys.Setup(task, {name: sc.Arm(sc.Replace(), settings.generations, bias=arm.bias)})


def draw_points(label_sizes: tuple[int, ...], stream: sc.Stream) -> sc.Samples:
    labels = torch.repeat_interleave(torch.arange(len(label_sizes)), torch.tensor(label_sizes))
    points = torch.randn((len(labels), DIMENSION), generator=stream.generator(), dtype=torch.float64)
    return sc.Samples.real(points, labels)


def make_claims(settings: Lineages, laws: Mapping[str, np.ndarray]) -> Iterator[claims.Claim]:
    last = settings.generations
    kernel = name_kernel(settings.bandwidths[-1])
    laws_of_drift = {name: law for name, law in laws.items() if not name.startswith("biased")}

    def measure_share_of_drift(name: str) -> claims.Quantity:
        """Measure the share of the final loss of lines that drift explains."""
        share = np.vectorize(partial(drift_share, predicted=float(laws[name][-1])))
        return claims.final_value(name, SURVIVAL).map(share)

    survivors = "{arm}: lines that survive {t} generations"
    yield from claims.expect_predictions(survivors, SURVIVAL, laws_of_drift, times=(2, last))
    for name in ("even", "uneven", "uneven, matched"):
        excess = claims.final_value(name, COVERAGE) - claims.final_value(name, BY_DRIFT)
        statement = f"{name}: coverage at generation {last}, over drift's"
        yield claims.expect_agreement(statement, excess, 0.0, absolute_tolerance=0.05)
    more_lines = claims.final_difference("uneven, matched", "uneven", SURVIVAL)
    yield claims.expect_above("matching keeps lines", more_lines)
    yield claims.expect_above("drift explains the loss of an unbiased kernel", measure_share_of_drift(kernel), 0.9)
    yield claims.expect_below("a biased learner loses more than by drift", measure_share_of_drift("biased"), 0.9)
    persistence = claims.final_value("biased", PERSISTENCE)
    yield claims.expect_above("lines of a biased learner walk in one direction", persistence, 1.3)
    persistence = claims.final_value(kernel, PERSISTENCE)
    yield claims.expect_below("lines of an unbiased kernel walk at random", persistence, 1.3)
    more_lines = claims.final_difference("biased, matched", "biased", SURVIVAL)
    yield claims.expect_above("matching keeps lines of a biased learner", more_lines)


def matched_offspring_variance(draws: float, excess: float) -> float:
    """Return the offspring variance under matching.

    To first order it is 2 p, for the share p = (1 + M c)^(−1/c) of parents without a candidate of their own: a parent
    that lost its place is replaced by a second child of another.

    Args:
        draws: M, candidates per parent.
        excess: c, the squared coefficient of variation of the parents' chances to be drawn, gamma distributed; 0 for
            even chances, p = e^(−M). Large populations.
    """
    return 2 * (math.exp(-draws) if excess == 0 else (1 + draws * excess) ** (-1 / excess))


# --- lines under drift alone ------------------------------------------------------------------------------------------


def surviving_lineages(label_sizes: ArrayLike, generations: int, offspring_variance: float = 1.0) -> np.ndarray:
    """Return the share of founders surviving drift, (t + 1,).

    This is the expected share of n founders that still have descendants under drift alone. Each label is a population
    of constant size whose members are drawn from the last generation's. σ² = 1: members are drawn evenly
    (Wright–Fisher). σ² > 1: chances vary by a squared coefficient of variation c = σ² − 1; they are gamma distributed
    and drawn anew in each generation. Then k members among n with the same founder have Beta-Binomial(n, k/c, (n −
    k)/c) children. σ² < 1: a share 1 − √(1 − σ²) of the places is drawn anew, and all other members keep their founder.
    The result is exact for these populations. For large populations it is 1 / (1 + σ² t / 2). Half is lost after 2/σ²
    generations whatever n is, down to a single founder per label.

    Args:
        label_sizes: (L,) number of founders of each label.
        generations: t, number of generations after generation 0.
        offspring_variance: σ² of the numbers of children, see `surviving_lineages`.
    """
    sizes = np.asarray(label_sizes, dtype=int)
    curves = {size: _line_survival(size, generations, offspring_variance)[:, 1] for size in np.unique(sizes).tolist()}
    return np.sum([size * curves[size] for size in sizes.tolist()], axis=0) / sizes.sum()


def coverage_by_drift(
    near: ArrayLike, label_sizes: ArrayLike, generations: int, offspring_variance: float = 1.0
) -> np.ndarray:
    """Return coverage under drift alone, (t + 1,).

    This is the expected share of R reference points with a living line within their reach, in loops that copy. If the
    reach is the reference point's own ball, the share is coverage. If the reach is the founders' balls, it is recall.
    All lines near a point in a label die out together as a single line of their number would; labels are independent.
    The result is exact for the populations of `surviving_lineages`.

    Args:
        near: (R, L) number of founders of each label within the reach of each reference point.
        label_sizes: (L,) number of founders of each label.
        generations: t, number of generations after generation 0.
        offspring_variance: σ² of the numbers of children, see `surviving_lineages`.
    """
    near = np.asarray(near, dtype=int)
    sizes = np.asarray(label_sizes, dtype=int)
    dead = np.ones((generations + 1, len(near)))
    for column, size in enumerate(sizes.tolist()):
        dead *= 1 - _line_survival(size, generations, offspring_variance)[:, near[:, column]]
    return (1 - dead).mean(axis=1)


def _line_survival(size: int, generations: int, offspring_variance: float) -> np.ndarray:
    """Return lines' survival (t + 1, n + 1).

    A value is the probability that a line of 0 … n members, in a population of `size` = n, has not died out.
    """
    chain = line_sizes(size, offspring_variance)
    dead = [np.eye(size + 1)[0]]
    for _ in range(generations):
        dead.append(chain @ dead[-1])
    return 1 - np.array(dead)


def line_sizes(size: int, offspring_variance: float) -> np.ndarray:
    """Return the transitions (n + 1, n + 1) of lines.

    A line has 0 to n members in a population of n.
    """
    counts = np.arange(size + 1)
    before = counts[:, None]
    if offspring_variance < 1:  # a place keeps its line unless it is redrawn
        redrawn = 1 - math.sqrt(1 - offspring_variance)
        joins = redrawn * before / size
        stay = stats.binom.pmf(counts, before, 1 - redrawn + joins)
        join = stats.binom.pmf(counts, size - before, joins)
        return np.array([np.convolve(*rows)[: size + 1] for rows in zip(stay, join, strict=True)])
    if offspring_variance == 1:
        return stats.binom.pmf(counts, size, before / size)
    excess = offspring_variance - 1
    chain = np.eye(size + 1)
    chain[1:-1] = stats.betabinom.pmf(counts, size, before[1:-1] / excess, (size - before[1:-1]) / excess)
    return chain


def drift_share(surviving: float, predicted: float) -> float:
    """Return the part of a loss due to drift.

    The part is log(predicted) / log(surviving), in [0, 1]. `surviving` is the share of lines that a run has kept, and
    `predicted` that of `surviving_lineages`. The rest is the learner's bias. The result is NaN if nothing was lost.
    """
    if surviving >= 1:
        return math.nan
    return min(1.0, math.log(predicted) / math.log(surviving)) if surviving > 0 else 0.0


def near_by_label(reference: np.ndarray, candidate: np.ndarray, labels: np.ndarray, neighbours: int = 5) -> np.ndarray:
    """Count candidates in each reference's ball by label.

    The balls are those that coverage counts.

    Args:
        reference: (N, D) real vectors.
        candidate: (M, D) synthetic vectors.
        labels: (M,) labels of the candidates.
        neighbours: k of the balls, as in `neighbour_metrics`.

    Returns:
        (N, L) counts for the L labels that there are, in ascending order.
    """
    radii = np.partition(cdist(reference, reference), neighbours, axis=1)[:, neighbours]
    inside = cdist(reference, candidate) < radii[:, None]
    counts = [inside[:, labels == label].sum(axis=1) for label in np.unique(labels)]
    return np.stack(counts, axis=1)
