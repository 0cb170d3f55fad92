"""The same planar data through four kinds of models: kernel density, flow, autoencoder, adversarial network.

Shumailov (autoencoders), Bertrand (flows), Gerstgrasser (autoencoders), MAD (adversarial networks): what happens to
coverage and distance when real data are replaced, or kept beside the synthetic ones?

`selfcorrect toy examples/loops/shapes.py --quick` runs the loop.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from toy_data.draws import SHAPES
from toy_models.distances import measure_wasserstein
from toy_models.flow import Flow
from toy_models.kernel_density import KernelDensity

import selfcorrect as sc
from selfcorrect import claims, toys
from selfcorrect.loop.models.adam import Adam
from selfcorrect.loop.models.training import Batch, descend
from selfcorrect.loop.policy import Policy


class Adversaries(nn.Module):
    """The two networks that train against each other."""

    def __init__(self, dimension: int, latent: int, width: int, depth: int) -> None:
        super().__init__()
        self.generator = sc.perceptron(latent, width, depth, dimension)
        self.discriminator = sc.perceptron(dimension, width, depth, 1)


@dataclass(frozen=True, eq=False)
class AdversarialNetwork(sc.NetworkModel[Adversaries]):
    """An adversarial network on points (d,).

    The latent is standard normal; generator and discriminator take turns, one step each per batch.
    """

    dimension: int = 2
    latent: int = 4
    width: int = 128
    depth: int = 3
    gradient_penalty: float = 0.1
    learning_rate: float = 1e-3

    def build(self) -> Adversaries:
        return Adversaries(self.dimension, self.latent, self.width, self.depth)

    def train(self, network: Adversaries, drawn: Iterator[Batch], generator: torch.Generator) -> None:
        generator_optimizer, discriminator_optimizer = (
            Adam(part.parameters(), self.learning_rate, betas=(0.0, 0.9))
            for part in (network.generator, network.discriminator)
        )
        for step, (batch, labels) in enumerate(drawn):
            descend(discriminator_optimizer, self.loss(network, batch, labels, generator), step)
            score = network.discriminator(self._draw_fake(network, len(batch), generator))
            descend(generator_optimizer, softplus(-score).mean(), step)

    def loss(self, network: Adversaries, values: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Return the discriminator's non-saturating loss.

        The loss includes a penalty on the gradient at real data.
        """
        real = values.requires_grad_()
        fake = self._draw_fake(network, len(values), generator).detach()
        score = network.discriminator(real)
        (gradient,) = torch.autograd.grad(score.sum(), real, create_graph=True)
        penalty = gradient.square().sum(1).mean()
        return (softplus(-score) + softplus(network.discriminator(fake))).mean() + self.gradient_penalty / 2 * penalty

    def _draw_fake(self, network: Adversaries, count: int, generator: torch.Generator) -> Tensor:
        return network.generator(torch.randn((count, self.latent), generator=generator))

    @torch.no_grad()
    def sample(self, labels: Tensor, stream: sc.Stream) -> Tensor:
        """Draw one point (d,) per entry of `labels`."""
        return self._draw_fake(self.trained, len(labels), stream.generator())


class AutoencoderNetwork(nn.Module):
    """Encoder, decoder and the decoder's logarithmic variance per dimension."""

    def __init__(self, dimension: int, latent: int, width: int, depth: int) -> None:
        super().__init__()
        self.encoder = sc.perceptron(dimension, width, depth, 2 * latent)
        self.decoder = sc.perceptron(latent, width, depth, dimension)
        self.log_variance = nn.Parameter(torch.full((dimension,), -2.0))


@dataclass(frozen=True, eq=False)
class VariationalAutoencoder(sc.NetworkModel[AutoencoderNetwork]):
    """A variational autoencoder on points (d,).

    The latent is standard normal, with one learned variance per dimension around the decoder's mean.
    """

    dimension: int = 2
    latent: int = 4
    width: int = 128
    depth: int = 2

    def build(self) -> AutoencoderNetwork:
        return AutoencoderNetwork(self.dimension, self.latent, self.width, self.depth)

    def loss(self, network: AutoencoderNetwork, values: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Return the negative evidence lower bound per sample, up to a constant."""
        mean, log_variance = network.encoder(values).chunk(2, dim=1)
        latent = mean + (log_variance / 2).exp() * torch.randn(mean.shape, generator=generator)
        precision = (-network.log_variance).exp()
        error = (precision * (network.decoder(latent) - values).square() + network.log_variance).sum(1)
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
        return (error + divergence).mean() / 2

    @torch.no_grad()
    def sample(self, labels: Tensor, stream: sc.Stream) -> Tensor:
        """Draw one point (d,) per label, including decoder noise."""
        generator = stream.generator()
        latent = torch.randn((len(labels), self.latent), generator=generator)
        noise = torch.randn((len(labels), self.dimension), generator=generator)
        return self.trained.decoder(latent) + (self.trained.log_variance / 2).exp() * noise


MODELS: Mapping[str, sc.GenerativeModel] = {
    "kernel density": KernelDensity.empty(2),
    "flow": Flow(),
    "autoencoder": VariationalAutoencoder(),
    "adversarial network": AdversarialNetwork(),
}
ARMS: Mapping[str, Policy] = {"real only": sc.RealOnly(), "augment": sc.Augment(1.0), "replace": sc.Replace()}


@dataclass(frozen=True)
class Shapes(toys.ToySettings):
    """n real points per shape; networks take `initial_steps` optimiser steps in generation 0, then `steps` in each."""

    models: tuple[str, ...] = tuple(MODELS)
    shapes: tuple[str, ...] = tuple(SHAPES)
    real_count: int = 500
    judged: int = 400
    generations: int = 4
    initial_steps: int = 800
    steps: int = 200
    seeds: int = 2


QUICK = Shapes(models=("kernel density", "flow"), shapes=("eight-gaussians", "moons"), generations=4, initial_steps=600)


def toy(settings: Shapes) -> toys.Toy:
    """Declare all models on all shapes."""

    def draw_points(model: sc.GenerativeModel, stream: sc.Stream) -> Tensor:
        return model.sample(torch.zeros(settings.judged), stream)

    bundles = []
    statements = []
    for name in settings.models:
        statements += _make_claims(name)
        for shape in settings.shapes:
            setup = partial(set_up, settings, name, shape)
            bundles.append(toys.bundle_seeds(settings, setup, "shapes", shape, show=draw_points))
    return toys.Toy(
        title="Four kinds of models on planar data",
        source="Shumailov et al. 2024; Bertrand et al. 2024; Gerstgrasser et al. 2024; Alemohammad et al. 2024",
        bundles=bundles,
        claims=statements,
        columns=[toys.Column("coverage", "coverage"), toys.Column("distance", "2-Wasserstein distance", "")],
        groups=settings.models,
        notes=(
            f"Means over {len(settings.shapes) * settings.seeds} pairs of shape and seed. Matched compute: “real only” "
            "takes the same steps.",
            "At this budget the networks blur thin shapes from generation 0 on.",
        ),
    )


def _make_claims(name: str) -> Iterator[claims.Claim]:
    real, augmented, replaced = (f"{name}, {arm}" for arm in ARMS)
    coverage_loss = claims.final_difference(augmented, replaced, "coverage")
    yield claims.expect_above(f"{name}: replace ends with less coverage than augment", coverage_loss)
    for than, words in ((augmented, "augment"), (real, "real data only")):
        farther = claims.final_difference(replaced, than, "distance")
        yield claims.expect_above(f"{name}: replace ends farther from the truth than {words}", farther)


def set_up(settings: Shapes, name: str, shape: str, stream: sc.Stream) -> toys.Setup:
    """Set up a shape's points and arms.

    Samples are judged by as many other points as are drawn.
    """
    draw_shape = SHAPES[shape]
    real = sc.Samples.real(draw_shape(settings.real_count, stream.child("real")))
    reference = draw_shape(settings.judged, stream.child("reference")).numpy()

    def measure(candidate: sc.Candidate) -> dict[str, float]:
        points = candidate.samples(settings.judged).values.double().numpy()
        return {**sc.neighbour_metrics(reference, points), "distance": measure_wasserstein(reference, points)}

    arms = {f"{name}, {arm}": sc.Arm(policy, settings.generations, settings.steps) for arm, policy in ARMS.items()}
    return toys.Setup(sc.Task(MODELS[name], real, measure, settings.initial_steps), arms)
