"""Flow matching (Lipman et al. 2023) for points."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from selfcorrect.core.randomness import Stream
from selfcorrect.loop.models.network import NetworkModel, perceptron


@dataclass(frozen=True, eq=False)
class Flow(NetworkModel[nn.Module]):
    """Noise flows to data along a learned velocity.

    Time goes from 0 to 1, and an event has the shape (d,). The target is straight paths.
    """

    dimension: int = 2
    width: int = 128
    depth: int = 3
    sampling_steps: int = 25

    def build(self) -> nn.Module:
        return perceptron(self.dimension + _TIME_FEATURES, self.width, self.depth, self.dimension)

    def loss(self, network: nn.Module, values: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(values.shape, generator=generator)
        times = torch.rand((len(values), 1), generator=generator)
        predicted = network(_with_time(noise + times * (values - noise), times))
        return (predicted - (values - noise)).square().mean()

    @torch.no_grad()
    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        """One point (d,) per entry of `labels`."""
        values = torch.randn((len(labels), self.dimension), generator=stream.generator())
        return self.integrate(self.trained, values)

    def integrate(self, network: nn.Module, values: Tensor) -> Tensor:
        """Integrate a network's velocity from noise (N, d) to data by the midpoint rule."""
        step = 1 / self.sampling_steps
        for index in range(self.sampling_steps):
            time = torch.full((len(values), 1), index * step)
            halfway = values + step / 2 * network(_with_time(values, time))
            values = values + step * network(_with_time(halfway, time + step / 2))
        return values


_TIME_FEATURES = 9


def _with_time(values: Tensor, times: Tensor) -> Tensor:
    """Append time and its Fourier features to values.

    Values have the shape (N, d), and time (N, 1).
    """
    phases = times * torch.pi * torch.arange(1, 5)
    return torch.cat([values, times, phases.sin(), phases.cos()], dim=1)
