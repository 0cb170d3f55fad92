"""Other ways to sample a diffusion model: away from a worse one, with a rescaled score, stopped before the end, or with
a projection of its predictions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor

from ...core.errors import InputError, SettingError
from ...core.randomness import Stream
from ..protocol import GenerativeModel
from .model import MotionDiffusion

Steered = TypeVar("Steered", bound=MotionDiffusion)


def steer(kind: type[Steered], model: GenerativeModel, **settings: Any) -> Steered:
    """Return the diffusion model as one that samples in another way, with the same weights.

    Args:
        kind: `Guided`, `Rescaled`, `Truncated` or `Projected`.
        model: A diffusion model.

    Raises:
        InputError: The model is no diffusion model.
    """
    if not isinstance(model, MotionDiffusion):
        raise InputError(f"{kind.__name__.lower()} sampling needs a diffusion model, got {type(model).__name__}")
    weights_and_settings = {entry.name: getattr(model, entry.name) for entry in fields(MotionDiffusion)}
    return kind(**weights_and_settings, **settings)


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
        """One sequence per label: labels (N,) int64 → values (N, T, D) float32 on the CPU."""
        times = torch.linspace(self.config.diffusion_steps - 1, self.level, self.config.sampling_steps)
        values = self.reverse(labels, stream, times.round().long().tolist())
        return (values / float(self.schedule.alpha_bars[self.level]) ** 0.5).cpu()


Project: TypeAlias = Callable[[Tensor, Tensor, int], Tensor]
"""(predicted clean values (N, T, D), labels (N,), 0-based denoising step) → the values to go on with (N, T, D)."""


@dataclass(frozen=True, eq=False)
class Projected(MotionDiffusion):
    """Projects the predicted clean sample in some of the denoising steps, as PhysDiff does with a simulator.

    Yuan et al. 2023 (arXiv 2212.02500). In step i = 0 … S − 1 the network predicts x̂₀ from the noisy values. If i is
    one of first, first + every, first + 2 every, …, then x̂₀ is replaced by its projection before the reverse step. If
    the last step is one of these, samples are projected values. With the last step only, the projection comes after
    plain sampling.
    """

    project: Project | None = field(default=None, repr=False)
    every: int = 1
    first: int = 0

    def __post_init__(self) -> None:
        if not (self.every >= 1 and 0 <= self.first < self.config.sampling_steps):
            raise SettingError(
                f"projection needs every ≥ 1 and a first step from 0 to {self.config.sampling_steps - 1}, "
                f"got every {self.every} and first {self.first}"
            )

    def denoise(self, noisy: Tensor, time: int, labels: Tensor) -> Tensor:
        clean = super().denoise(noisy, time, labels)
        step = self.schedule.sampling_times(self.config.sampling_steps).index(time)
        if self.project is None or step < self.first or (step - self.first) % self.every:
            return clean
        return self.project(clean, labels, step).to(clean)
