"""The noise schedule and a reverse step of a diffusion that predicts clean samples.

A noisy sample at time t is √ᾱ_t · clean + √(1 − ᾱ_t) · noise, with t = 0 (nearly clean) to steps − 1 (nearly noise).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_MAX_BETA = 0.999  # keeps ᾱ above zero at the last step (Nichol & Dhariwal 2021)


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """Share of signal variance left at each diffusion time: alpha_bars (steps,), float64, decreasing from ~1 to ~0."""

    alpha_bars: Tensor

    def __len__(self) -> int:
        return len(self.alpha_bars)

    def add_noise(self, clean: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """Return √ᾱ clean + √(1 − ᾱ) noise.

        Args:
            clean: (N, *event) samples.
            noise: (N, *event) unit noise.
            times: (N,) int64 diffusion times.

        Returns:
            (N, *event) noisy samples.
        """
        alpha_bars = self.alpha_bars[times.to(self.alpha_bars.device)].to(clean)
        alpha_bars = alpha_bars.reshape(-1, *(1,) * (clean.dim() - 1))
        return alpha_bars.sqrt() * clean + (1 - alpha_bars).sqrt() * noise

    def sampling_times(self, count: int) -> list[int]:
        """Return `count` diffusion times from the last time down to 0, evenly spaced."""
        return torch.linspace(len(self) - 1, 0, count, dtype=torch.float64).round().long().tolist()

    def reverse_step(
        self, noisy: Tensor, clean: Tensor, noise: Tensor, time: int, next_time: int, eta: float
    ) -> Tensor:
        """Return the samples at the earlier `next_time`, from the samples at `time` and the predicted clean samples.

        Song et al. 2021, equations 12 and 16.

        Args:
            noisy: (N, *event) at `time`.
            clean: (N, *event) predicted clean samples.
            noise: (N, *event) unit noise.
            eta: 0 for the deterministic step of DDIM, 1 for the ancestral step of DDPM with the posterior variance.

        Returns:
            (N, *event) at `next_time`.
        """
        alpha_bar = float(self.alpha_bars[time])
        next_alpha_bar = float(self.alpha_bars[next_time])
        noise_ratio = (1 - next_alpha_bar) / (1 - alpha_bar)
        deviation = eta * math.sqrt(noise_ratio * (1 - alpha_bar / next_alpha_bar))
        direction = math.sqrt(max(1 - next_alpha_bar - deviation**2, 0.0) / (1 - alpha_bar))
        # noisy − √ᾱ·clean is the predicted noise, scaled
        clean_weight = math.sqrt(next_alpha_bar) - direction * math.sqrt(alpha_bar)
        return clean_weight * clean + direction * noisy + deviation * noise


def cosine_schedule(steps: int, snr_factor: float = 1.0) -> NoiseSchedule:
    """Return the cosine schedule (Nichol & Dhariwal 2021) with its signal-to-noise ratio multiplied by `snr_factor`.

    A factor below 1 shifts log-SNR down by its logarithm (Hoogeboom et al. 2023, for large images). Then more of the
    steps decide the overall form of a long, strongly correlated sample.
    """
    edges = torch.cos((torch.arange(steps + 1, dtype=torch.float64) / steps + 0.008) / 1.008 * math.pi / 2) ** 2
    betas = (1 - edges[1:] / edges[:-1]).clamp(max=_MAX_BETA)
    alpha_bars = torch.cumprod(1 - betas, 0)
    return NoiseSchedule(alpha_bars * snr_factor / (alpha_bars * snr_factor + 1 - alpha_bars))
