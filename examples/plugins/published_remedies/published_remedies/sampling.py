"""Published ways to sample a diffusion model: away from a worse model, with a rescaled score, stopped before the end.

And the confidence of a diffusion model in a sample, by its error in denoising it again.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.core.randomness import Stream
from selfcorrect.loop.models.diffusion.model import MotionDiffusion
from selfcorrect.loop.models.protocol import GenerativeModel


@dataclass(frozen=True, eq=False)
class Guided(MotionDiffusion):
    """Samples with the score (1 + ω) s − ω s₋, away from a worse model.

    Alemohammad et al. 2024, "SIMS" (arXiv 2408.16333): the worse model is the same one after training on its own
    samples. Scores are linear in the clean prediction, so predictions are combined.
    """

    worse: MotionDiffusion | None = field(default=None, repr=False)
    strength: float = 1.0

    def denoise(self, noisy: Tensor, time: int, labels: Tensor) -> Tensor:
        clean = super().denoise(noisy, time, labels)
        if self.worse is None:
            return clean
        return clean + self.strength * (clean - self.worse.denoise(noisy, time, labels))


@dataclass(frozen=True, eq=False)
class Rescaled(MotionDiffusion):
    """Temporal score rescaling (arXiv 2510.01184): the noise prediction times r_t = (η σ² + 1) / (η σ²/k + 1).

    η = ᾱ/(1 − ᾱ) is the signal-to-noise ratio. For data whose modes have variance σ², r_t is exactly what turns that
    variance into σ²/k: k < 1 broadens, k > 1 sharpens, and the modes stay where they are.
    """

    sharpness: float = 1.0
    variance: float = 1.0

    def __post_init__(self) -> None:
        if not (self.sharpness > 0 and self.variance > 0):
            raise SettingError("score rescaling needs a positive sharpness k and a positive variance σ²")

    def denoise(self, noisy: Tensor, time: int, labels: Tensor) -> Tensor:
        alpha_bar = float(self.schedule.alpha_bars[time])
        signal = alpha_bar / (1 - alpha_bar) * self.variance
        ratio = (signal + 1) / (signal / self.sharpness + 1)
        clean = super().denoise(noisy, time, labels)
        return (noisy - ratio * (noisy - alpha_bar**0.5 * clean)) / alpha_bar**0.5


@dataclass(frozen=True, eq=False)
class Truncated(MotionDiffusion):
    """Stops the reverse process at a noise level and returns the noisy state over √ᾱ, as early stopping does.

    The samples are then those of the model blurred by a Gaussian of variance (1 − ᾱ)/ᾱ (arXiv 2606.13796).
    """

    level: int = 0

    @torch.no_grad()
    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        """Draw one sequence (T, D) per label.

        Labels (N,) int64 → values (N, T, D) float32 on the CPU.
        """
        values = self.reverse(labels, stream, self.sampling_times(self.level))
        return (values / float(self.schedule.alpha_bars[self.level]) ** 0.5).cpu()


LEVELS = (0.3, 0.5, 0.7)
"""Noise levels at which samples are denoised, as shares of the diffusion time."""


@torch.no_grad()
def denoising_errors(model: GenerativeModel, values: Tensor, labels: Tensor, stream: Stream) -> Tensor:
    """Return samples' denoising errors.

    Errors are mean squared errors of the clean prediction over a few noise levels. Up to weights, they are the
    variational bound of a diffusion model, so they are small for samples that it finds likely.

    Args:
        model: A diffusion model.
        values: (N, T, D).
        labels: (N,).
        stream: Random numbers of the noise.

    Returns:
        (N,) errors.

    Raises:
        InputError: The model is no diffusion model.
    """
    if not isinstance(model, MotionDiffusion):
        raise InputError(f"denoising errors need a diffusion model, got {type(model).__name__}")
    noise = torch.randn(values.shape, generator=stream.generator()).to(values)
    total = torch.zeros(len(values))
    for level in LEVELS:
        time = round(level * (model.config.diffusion_steps - 1))
        noisy = model.schedule.add_noise(values, noise, torch.full((len(values),), time))
        errors = model.denoise(noisy, time, labels) - values
        total += errors.square().flatten(1).mean(1)
    return total / len(LEVELS)
