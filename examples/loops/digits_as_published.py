"""The loop of digits of Gillman et al. 2024 with the settings of the paper.

Every generation trains one epoch on all real images and λ synthetic ones per real one, and Adam keeps its state.
Samples are drawn with classifier-free guidance of 0.5. The corrector replaces each by the nearest of the 16 cluster
centres of its digit, with strength γ. Three things differ from the paper: the images are scikit-learn's 8×8 digits
unless `--mnist` names a folder with MNIST, the network is a perceptron instead of a UNet, and features come from a
classifier of the real images instead of LeNet.

    selfcorrect toy examples/loops/digits_as_published.py --synthetic-ratio 0.2 0.5 1 --gamma 0 1 inf --quick
"""

import itertools
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from toy_data.digits import mnist
from toy_models.digit_judge import COLUMNS, DIGIT_COUNT, draw_one_of_each, fit_centres, split_digits

import selfcorrect as sc
from selfcorrect import claims, toys
from selfcorrect.datasets.toy.digits import bundled_digits
from selfcorrect.loop.fitting import FitEpochs
from selfcorrect.loop.models.adam import Adam

REAL = "real only"
NO_DIGIT = DIGIT_COUNT
"""Label of a sample whose digit is hidden, as guidance needs it."""
ADAM_STATE = ("step", "exp_avg", "exp_avg_sq")
"""What PyTorch's Adam stores of a parameter: the number of its steps, and two running means."""


@dataclass(frozen=True)
class DigitsAsPublished(toys.ToySettings):
    """λ and γ of the arms; epochs of generation 0 and of every later one."""

    real_count: int = 600
    ratios: tuple[float, ...] = (0.5, 1.0)
    strengths: tuple[float, ...] = (0.0, float("inf"))
    initial_epochs: float = 40
    epochs: float = 1
    generations: int = 6
    clusters_per_digit: int = 16
    judged: int = 400
    seeds: int = 5
    mnist: Path | None = None


QUICK = DigitsAsPublished(real_count=400, initial_epochs=30, generations=3, judged=200, ratios=(1.0,), seeds=2)


@dataclass(frozen=True)
class GuidedDiffusion(sc.NetworkModel):
    """Diffusion of flat images with classifier-free guidance (Ho and Salimans 2022)."""

    size: int = field(default=8, kw_only=True)
    """Pixels of a side."""
    width: int = field(default=256, kw_only=True)
    levels: int = field(default=50, kw_only=True)
    """Noise levels, of which each sample passes all."""
    guidance: float = field(default=0.5, kw_only=True)
    """w: the noise is predicted as (1 + w) ε(x, digit) − w ε(x)."""
    hidden_share: float = field(default=0.1, kw_only=True)
    """Share of training samples whose digit is hidden."""

    def build(self) -> nn.Module:
        return NoisePredictor(self.size**2, self.width, self.levels)

    @property
    def kept_signal(self) -> Tensor:
        """Return ᾱ by noise level, (levels,).

        ᾱ is the share of the variance that is signal. It follows a cosine schedule.
        """
        times = torch.linspace(0, 1, self.levels + 1)[1:]
        return (torch.cos((times + 0.008) / 1.008 * torch.pi / 2) ** 2).clamp(1e-4, 0.9999)

    def make_optimiser(self, network: nn.Module) -> Adam:
        """Return Adam with the moments of the network, which are kept with its weights.

        Moments therefore persist over generations.
        """
        optimiser = Adam(network.parameters(), self.learning_rate)
        for index, parameter in enumerate(network.parameters()):
            optimiser.state[parameter] = {name: network.get_buffer(f"{name}_{index}") for name in ADAM_STATE}
        return optimiser

    def loss(self, network: nn.Module, values: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        levels = torch.randint(self.levels, (len(values),), generator=generator)
        noise = torch.randn(len(values), self.size**2, generator=generator)
        is_hidden = torch.rand(len(values), generator=generator) < self.hidden_share
        signal = self.kept_signal[levels, None]
        noisy = signal.sqrt() * values.flatten(1) + (1 - signal).sqrt() * noise
        digits = labels.masked_fill(is_hidden, NO_DIGIT)
        return (network(noisy, levels, digits) - noise).square().mean()

    def sample(self, labels: Tensor, stream: sc.Stream) -> Tensor:
        generator = stream.generator()
        values = torch.randn(len(labels), self.size**2, generator=generator)
        signals = torch.cat([torch.ones(1), self.kept_signal])
        with torch.no_grad():
            for level in reversed(range(self.levels)):
                clean = self._predict_clean(values, level, labels)
                signal, next_signal = signals[level + 1], signals[level]
                ratio = signal / next_signal
                mean = next_signal.sqrt() * (1 - ratio) * clean + ratio.sqrt() * (1 - next_signal) * values
                spread = ((1 - ratio) * (1 - next_signal) / (1 - signal)).sqrt()
                values = mean / (1 - signal) + spread * torch.randn(values.shape, generator=generator)
        return values.clamp(-1, 1).unflatten(1, (self.size, self.size))

    def _predict_clean(self, values: Tensor, level: int, labels: Tensor) -> Tensor:
        levels = torch.full((len(values),), level)
        with_digit = self.trained(values, levels, labels)
        without = self.trained(values, levels, torch.full_like(labels, NO_DIGIT))
        noise = (1 + self.guidance) * with_digit - self.guidance * without
        signal = self.kept_signal[level]
        return ((values - (1 - signal).sqrt() * noise) / signal.sqrt()).clamp(-1, 1)


class NoisePredictor(nn.Module):
    """A perceptron on noisy pixels, noise level and digit."""

    def __init__(self, pixels: int, width: int, levels: int) -> None:
        super().__init__()
        self.levels = nn.Embedding(levels, width)
        self.digits = nn.Embedding(DIGIT_COUNT + 1, width)
        self.pixels = nn.Linear(pixels, width)
        self.body = sc.perceptron(width, width, 2, pixels)
        for index, parameter in enumerate([*self.parameters()]):
            self.register_buffer(f"step_{index}", torch.zeros(()))
            for moment in ADAM_STATE[1:]:
                self.register_buffer(f"{moment}_{index}", torch.zeros_like(parameter))

    def forward(self, values: Tensor, levels: Tensor, labels: Tensor) -> Tensor:
        return self.body(self.pixels(values) + self.levels(levels) + self.digits(labels))


def toy(settings: DigitsAsPublished) -> toys.Toy:
    """Declare each λ with each γ."""
    images, labels = mnist(settings.mnist) if settings.mnist else bundled_digits()
    largest = max(settings.ratios)
    plain = name_arm(largest, min(settings.strengths))
    corrected = name_arm(largest, max(settings.strengths))
    distance = claims.final_difference(corrected, plain, "fid")
    recall = claims.final_difference(corrected, plain, "recall")
    nearer = claims.expect_below(f"λ = {largest:g}: correction lowers the Fréchet distance", distance)
    narrower = claims.expect_below(f"λ = {largest:g}: correction costs recall", recall)
    return toys.Toy(
        bundles=[
            toys.bundle_seeds(settings, partial(set_up, settings, images, labels), "digits", show=draw_one_of_each)
        ],
        claims=[nearer, *claims.mark_unpublished(narrower)],
        columns=COLUMNS,
        title="Digits with the settings of the paper",
        source="Gillman et al. 2024",
        notes=("Guidance 0.5, one epoch per generation, Adam's state kept; digits of 8×8 pixels and a perceptron.",),
    )


def name_arm(ratio: float, strength: float) -> str:
    """Return the arm's name for λ and γ."""
    return f"λ = {ratio:g}, γ = {strength:g}"


def set_up(settings: DigitsAsPublished, images: Tensor, labels: Tensor, stream: sc.Stream) -> toys.Setup:
    """Set up images, model, judge and arms.

    The images of a seed are to train on and to judge by.
    """
    real, measure = split_digits(images, labels, settings.real_count, settings.judged, stream)
    model = GuidedDiffusion(size=images.shape[1])
    initial_steps = round(settings.initial_epochs * len(real) / model.batch_size)
    corrector = fit_centres(real, settings.clusters_per_digit, stream)
    fitting = FitEpochs(settings.epochs)
    arms = {REAL: sc.Arm(sc.RealOnly(), settings.generations, fitting=fitting)}
    for ratio, strength in itertools.product(settings.ratios, settings.strengths):
        correction = sc.Correction(corrector, strength) if strength > 0 else None
        arm = sc.Arm(sc.Augment(ratio), settings.generations, correction=correction, fitting=fitting)
        arms[name_arm(ratio, strength)] = arm
    return toys.Setup(sc.Task(model, real, measure, initial_steps), arms)
