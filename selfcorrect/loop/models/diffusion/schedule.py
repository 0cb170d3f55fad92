"""Noise schedule and reverse process of diffusion.

The network predicts clean samples. A noisy sample at time t is √ᾱ_t · clean + √(1 − ᾱ_t) · noise, from t = 0 (almost
clean) to t = steps − 1 (almost noise).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor

_MAX_BETA = 0.999  # keeps ᾱ above zero at the last step (Nichol & Dhariwal 2021)
MIN_LOG_SNR = -3.0
"""Log-SNR at which sampling begins. The signal is 5 % of the value there."""

_ALL = slice(None)


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """Share of signal variance at each diffusion time.

    `alpha_bars` is (steps,) float64, decreasing from about 1 to about 0.
    """

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
        return (alpha_bars.sqrt() * clean).add_((1 - alpha_bars).sqrt() * noise)

    @cached_property
    def log_snr(self) -> Tensor:
        """Logarithm of √ᾱ / √(1 − ᾱ) at each diffusion time, (steps,) float64, decreasing."""
        return 0.5 * torch.log(self.alpha_bars / (1 - self.alpha_bars))

    def even_times(self, count: int, last: int = 0) -> list[int]:
        """Return `count` evenly spaced diffusion times, from the noisiest down to `last`."""
        return torch.linspace(len(self) - 1, last, count, dtype=torch.float64).round().long().tolist()

    def log_snr_times(self, count: int, last: int = 0) -> list[int]:
        """Return `count` diffusion times, about even in log-SNR.

        All times differ, and the last one is `last`. The first one is the least noisy time with a log-SNR of at most
        `MIN_LOG_SNR`, because noisier times hardly affect samples. Without such a time it is the noisiest one, and it
        moves to a noisier time if fewer than `count` times would follow.
        """
        dark = (self.log_snr <= MIN_LOG_SNR).nonzero().flatten().tolist()
        first = max(last + count - 1, dark[0] if dark else len(self) - 1)
        goals = torch.linspace(float(self.log_snr[first]), float(self.log_snr[last]), count, dtype=torch.float64)
        times: list[int] = []
        for step, goal in enumerate(goals):
            nearest = int((self.log_snr - goal).abs().argmin())
            latest = times[-1] - 1 if times else first
            times.append(max(min(nearest, latest), last + count - 1 - step))
        return times

    def reverse_step(
        self, noisy: Tensor, clean: Tensor, noise: Tensor, time: int, next_time: int, eta: float
    ) -> Tensor:
        """Take one reverse step from `time` to `next_time` (Song et al. 2021, equations 12 and 16).

        Args:
            noisy: (N, *event) samples at `time`.
            clean: (N, *event) predicted clean samples.
            noise: (N, *event) unit noise.
            time: Diffusion time of the samples.
            next_time: Earlier diffusion time.
            eta: 0 for the deterministic step of DDIM, 1 for the ancestral step of DDPM with the posterior variance.

        Returns:
            (N, *event) samples at `next_time`.
        """
        alpha_bar = float(self.alpha_bars[time])
        next_alpha_bar = float(self.alpha_bars[next_time])
        noise_ratio = (1 - next_alpha_bar) / (1 - alpha_bar)
        deviation = eta * math.sqrt(noise_ratio * (1 - alpha_bar / next_alpha_bar))
        direction = math.sqrt(max(1 - next_alpha_bar - deviation**2, 0.0) / (1 - alpha_bar))
        # noisy − √ᾱ·clean is the predicted noise, scaled
        clean_weight = math.sqrt(next_alpha_bar) - direction * math.sqrt(alpha_bar)
        return clean_weight * clean + direction * noisy + deviation * noise

    def reverse(
        self,
        values: Tensor,
        times: Sequence[int],
        predict: Callable[[Tensor, int, slice], Tensor],
        draw_noise: Callable[[], Tensor],
        *,
        order: int = 1,
        eta: float = 0.0,
        adjust: Callable[[Tensor, int, slice], Tensor] | None = None,
        parts: Sequence[slice] = (_ALL,),
    ) -> Tensor:
        """Run the reverse process from the first of `times` to the last.

        Order 1 takes steps of DDIM. Order 2 replaces the prediction D by D + h/(2 h′) (D − D′), where D′ is the
        previous prediction and h, h′ are the steps in log-SNR. With η = 0 this is DPM-Solver++ (2M) of Lu et al. 2022,
        and with η = 1 its solver of the stochastic equation. The first step has order 1.

        Args:
            values: (N, *event) samples at the first time.
            times: Decreasing diffusion times.
            predict: Function of a part's noisy values, the time and the part's rows that returns predicted clean
                samples.
            draw_noise: Function that returns unit noise (N, *event). It is not called if η = 0.
            order: 1 or 2.
            eta: Noise of each step, see `reverse_step`.
            adjust: Function of the values that a step moves towards, the step's number from 0, and the part's rows,
                that returns the values to move towards instead.
            parts: Rows that are denoised at once. Smaller parts need less memory, and the noise is the same.
        """
        values = values.clone()
        last_clean = torch.empty_like(values) if order == 2 else values
        last_stride = 0.0
        noise = torch.zeros((), dtype=values.dtype, device=values.device).expand_as(values)
        for step, (time, next_time) in enumerate(pairwise(times)):
            if eta:
                noise = draw_noise()
            stride = float(self.log_snr[next_time] - self.log_snr[time])
            for rows in parts:
                aim = predict(values[rows], time, rows)
                if order == 2:
                    clean = aim
                    if step:
                        aim = clean + stride / (2 * last_stride) * (clean - last_clean[rows])
                    last_clean[rows] = clean
                if adjust is not None:
                    aim = adjust(aim, step, rows)
                values[rows] = self.reverse_step(values[rows], aim, noise[rows], time, next_time, eta)
            last_stride = stride
        return values

    def variance_kept(self, times: Sequence[int], variance: float, *, order: int, eta: float) -> float:
        """Return the share of variance that sampling keeps.

        The data are N(0, `variance`), and the network's prediction is exact for them. It is linear, so each sample is a
        sum of independent draws: the initial noise and the noise of each step. Their factors are computed by passing
        them through `reverse` as values.
        """

        def predict(factors: Tensor, time: int, rows: slice = _ALL) -> Tensor:
            alpha_bar = float(self.alpha_bars[time])
            return variance * math.sqrt(alpha_bar) / (variance * alpha_bar + 1 - alpha_bar) * factors

        draws = iter(torch.eye(len(times), dtype=torch.float64))
        factors = self.reverse(next(draws), times, predict, lambda: next(draws), order=order, eta=eta)
        return float(predict(factors, times[-1]).square().sum()) / variance


def cosine_schedule(steps: int, snr_factor: float = 1.0) -> NoiseSchedule:
    """Return the cosine schedule (Nichol & Dhariwal 2021) with its signal-to-noise ratio multiplied by `snr_factor`.

    A factor below 1 lowers log-SNR by its logarithm (Hoogeboom et al. 2023, for large images). More steps then
    determine the overall form of a long, strongly correlated sample.
    """
    edges = torch.cos((torch.arange(steps + 1, dtype=torch.float64) / steps + 0.008) / 1.008 * math.pi / 2) ** 2
    betas = (1 - edges[1:] / edges[:-1]).clamp(max=_MAX_BETA)
    alpha_bars = torch.cumprod(1 - betas, 0)
    return NoiseSchedule(alpha_bars * snr_factor / (alpha_bars * snr_factor + 1 - alpha_bars))
