"""Shumailov et al. 2024: a mixture of Gaussians on its own samples; tails and rare components go first.

`selfcorrect toy examples/loops/mixture.py --quick` runs the loop.
"""

import warnings
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal
from toy_models.words import expected_simpson

import selfcorrect as sc
from selfcorrect import claims, toys
from selfcorrect.loop.correctors.anchors import AnchoredCorrector, fit_anchors
from selfcorrect.loop.correctors.contract import Corrector
from selfcorrect.loop.models.protocol import TensorModel

UNTRAINED = torch.tensor(False)


@dataclass(frozen=True)
class Mixture(TensorModel):
    """K Gaussians as a generative model.

    Weights are (K,), means (K, d), covariances (K, d, d). An event has the shape (d,).
    """

    weights: Tensor
    means: Tensor
    covariances: Tensor
    trained: Tensor = UNTRAINED
    """() bool, whether `fit` starts from these means."""

    @classmethod
    def make_untrained(cls, components: int, dimension: int) -> Self:
        covariances = torch.eye(dimension, dtype=torch.float64).repeat(components, 1, 1)
        weights = torch.full((components,), 1 / components, dtype=torch.float64)
        return cls(weights, torch.zeros(components, dimension, dtype=torch.float64), covariances)

    def fit(self, samples: sc.Samples, steps: int, stream: sc.Stream) -> Self:
        """Fit by expectation maximisation.

        It takes at most `steps` iterations, from k-means or from the last generation's means. Raises ValueError for
        unequal sample weights, which scikit-learn's estimator does not know.
        """
        from sklearn.exceptions import ConvergenceWarning  # takes seconds
        from sklearn.mixture import GaussianMixture

        if samples.weights.unique().numel() > 1:
            raise sc.InputError("a mixture of Gaussians is fitted to equally weighted samples only")
        estimator = GaussianMixture(
            len(self.weights),
            max_iter=steps,
            means_init=self.means.numpy() if self.trained else None,
            random_state=stream.seed % 2**32,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # `steps` is the stated budget
            estimator.fit(samples.values.double().numpy())
        parts = (estimator.weights_, estimator.means_, estimator.covariances_)
        return type(self)(*map(torch.tensor, parts), trained=torch.tensor(True))

    def sample(self, labels: Tensor, stream: sc.Stream) -> Tensor:
        """Draw one point (d,) per label, from a component drawn by weight."""
        component = torch.multinomial(
            self.weights, len(labels), replacement=True, generator=stream.child("component").generator()
        )
        noise = torch.randn((len(labels), self.means.shape[1]), generator=stream.child("noise").generator()).double()
        root = torch.linalg.cholesky(self.covariances)
        return self.means[component] + torch.einsum("nij,nj->ni", root[component], noise)

    def log_density(self, points: Tensor) -> Tensor:
        """Return the weighted log-densities (N, K) of components at points (N, d)."""
        components = MultivariateNormal(self.means, self.covariances)
        return self.weights.log() + components.log_prob(points[:, None])


PLAIN = "replace"
AUGMENTED = "augment"
ANCHORED = "replace, k-means corrector"
FITTED = "replace, mixture corrector"
RARE = 2
"""Index of the rare component."""
RARE_SHARE = 0.1
"""Weight of the rare component."""
TRUTH = Mixture(
    weights=torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64),
    means=torch.tensor([[-4.0, 0.0], [4.0, 0.0], [0.0, 6.0]], dtype=torch.float64),
    covariances=torch.eye(2, dtype=torch.float64).repeat(3, 1, 1),
)


@dataclass(frozen=True)
class MixtureLoop(toys.ToySettings):
    """n real points of three Gaussians with weights 0.6, 0.3 and 0.1; the model knows that there are three."""

    real_count: int = 150
    generations: int = 25
    samples_per_centroid: int = 5
    judged: int = 1000


QUICK = MixtureLoop(generations=12, seeds=12)


def toy(settings: MixtureLoop) -> toys.Toy:
    """Declare all arms."""
    simpson = expected_simpson(TRUTH.weights.numpy(), settings.real_count, settings.generations + 1)[-1]

    def measure_remainder(key: str) -> claims.Quantity:
        """The last generation, over the mean of generation 0."""
        return claims.Quantity(lambda curves: curves[PLAIN][key][:, -1] / curves[PLAIN][key][:, 0].mean())

    def measure_rare_error(arm: str) -> claims.Quantity:
        return (claims.final_value(arm, "rare_share") - RARE_SHARE).map(np.abs)

    tail_loss = measure_remainder("variance") - measure_remainder("tail_mass")
    tail_gain = claims.final_difference(FITTED, PLAIN, "tail_mass")
    rare_gain = measure_rare_error(ANCHORED) - measure_rare_error(PLAIN)

    statements = [
        claims.expect_agreement("replace: Σ weight² at the end", claims.final_value(PLAIN, "simpson"), simpson, 0.03),
        claims.expect_below("replace: the tails go", claims.final_change(PLAIN, "tail_mass")),
        claims.expect_above("replace: more of the tails is lost than of the variance", tail_loss),
        claims.expect_above("replace: the held-out loss grows", claims.final_change(PLAIN, "risk")),
        claims.expect_above("augment keeps more of the tails", claims.final_difference(AUGMENTED, PLAIN, "tail_mass")),
        *claims.mark_unpublished(
            claims.expect_above("the mixture corrector keeps more of the tails", tail_gain),
            claims.expect_below("the k-means corrector holds the share of the rare component", rare_gain),
        ),
    ]
    columns = [
        toys.Column("tail_mass", "share of the tails", ".0%"),
        toys.Column("rare_share", "share of the rare component (10 %)", ""),
        toys.Column("risk", "loss (truth 0)"),
    ]
    return toys.Toy(
        title="A mixture of Gaussians",
        source="Shumailov et al. 2024",
        bundles=[toys.bundle_seeds(settings, partial(set_up, settings))],
        claims=statements,
        columns=columns,
        risk="risk",
        notes=(
            "The loss is the held-out one above the truth's, in nats.",
            f"The k-means corrector remembers {settings.real_count // settings.samples_per_centroid} centroids of the "
            "training data; the mixture corrector draws from a mixture fitted to them, at γ = 1.",
        ),
    )


def set_up(settings: MixtureLoop, stream: sc.Stream) -> toys.Setup:
    """All arms with the same points."""
    real = sc.Samples.real(TRUTH.sample(torch.zeros(settings.real_count), stream.child("real")))
    task = sc.Task(Mixture.make_untrained(3, 2), real, partial(_measure, settings), initial_steps=100)
    anchors = fit_anchors(real, settings.samples_per_centroid, stream.child("anchors"))
    fitted = task.model.fit(real, 100, stream.child("corrector"))
    plain = sc.Arm(sc.Replace(), settings.generations, 100)
    arms = {
        PLAIN: plain,
        AUGMENTED: replace(plain, policy=sc.Augment(1.0)),
        ANCHORED: replace(plain, correction=sc.Correction(AnchoredCorrector(anchors))),
        FITTED: replace(plain, correction=sc.Correction(redraw_from(fitted), 1.0)),
    }
    return toys.Setup(task, arms)


def redraw_from(model: sc.GenerativeModel) -> Corrector:
    """Return a corrector that replaces every sample by a draw from a model."""

    def redraw(samples: sc.Samples, stream: sc.Stream) -> sc.Samples:
        return samples.with_values(model.sample(samples.labels, stream))

    return redraw


def _find_threshold(share: float) -> float:
    """Find a log-density that few of the truth miss.

    The given share of the truth has a lower density.
    """
    points = TRUTH.sample(torch.zeros(20_000), sc.streams(0).child("tails"))
    return float(TRUTH.log_density(points).logsumexp(1).quantile(share))


TAIL, SUPPORT = map(_find_threshold, (0.05, 0.001))


def _measure(settings: MixtureLoop, candidate: sc.Candidate) -> dict[str, Tensor]:
    """Measure a model and its tail mass.

    Tail mass is the share of the truth's tail where the model is as dense as the truth is at the edge of its tail.
    """
    model = candidate.model
    assert isinstance(model, Mixture)
    tail_points = TRUTH.sample(torch.zeros(8000), sc.streams(0).child("tail points"))
    tail = tail_points[TRUTH.log_density(tail_points).logsumexp(1) < TAIL]
    samples = candidate.samples(settings.judged).values
    held_out = TRUTH.sample(torch.zeros(settings.judged), candidate.stream.child("truth"))
    is_covered = model.log_density(tail).logsumexp(1) > SUPPORT
    log_density = TRUTH.log_density(samples)
    is_outside = log_density.logsumexp(1) < SUPPORT
    is_rare = log_density.argmax(1) == RARE
    true_loss = -TRUTH.log_density(held_out).logsumexp(1)
    model_loss = -model.log_density(held_out).logsumexp(1)
    return {
        "tail_mass": is_covered.double().mean(),
        "outside_share": is_outside.double().mean(),
        "rare_share": is_rare.double().mean(),
        "simpson": model.weights.square().sum(),
        "variance": samples.var(0).sum(),
        "risk": (model_loss - true_loss).mean(),
    }
