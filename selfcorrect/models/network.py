"""What generative models made of a small neural network have in common: training by batches, state, immutability."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Generic, Self, TypeVar

import torch
from torch import Tensor, nn

from ..core.errors import InputError
from ..core.randomness import Stream
from ..core.samples import Samples
from .training import Batch, batches, descend, layer_randomness

_CPU = torch.device("cpu")

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, eq=False)
class NetworkModel(ABC, Generic[Network]):
    """A generative model whose parameters are those of one module; the optimiser starts afresh in each fit.

    Subclasses say how to build the module, what to minimise, and how to sample. All random numbers but those inside
    layers are drawn on the CPU, whatever the device; states are on the CPU, too.
    """

    learning_rate: float = 2e-3
    batch_size: int = 128
    network: Network | None = field(default=None, repr=False)
    device: torch.device = _CPU

    @abstractmethod
    def build(self) -> Network:
        """A freshly initialised network."""

    @abstractmethod
    def loss(self, network: Network, values: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """The scalar to minimise on a batch of float32 values (B, *event) with labels (B,) int64, on the device."""

    @abstractmethod
    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        """One value per entry of `labels`."""

    def fit(self, samples: Samples, steps: int, stream: Stream) -> Self:
        """Train for `steps` optimiser steps on batches drawn in proportion to the samples' weights."""
        generator = stream.child("batches").generator()
        with layer_randomness(stream.child("layers"), self.device):
            network = copy.deepcopy(self.network) if self.network is not None else self.build().to(self.device)
            self.train(network.train(), batches(samples, self.batch_size, steps, generator), generator)
        return replace(self, network=network.eval())

    def train(self, network: Network, drawn: Iterator[Batch], generator: torch.Generator) -> None:
        """Minimise the loss on each batch in turn, in place."""
        optimiser = torch.optim.Adam(network.parameters(), lr=self.learning_rate)
        for step, (values, labels) in enumerate(drawn):
            place = self.device
            descend(optimiser, self.loss(network, values.to(place), labels.to(place), generator), step)

    @property
    def trained(self) -> Network:
        if self.network is None:
            raise InputError(f"this {type(self).__name__} is not trained yet: call fit or load_state first")
        return self.network

    def state(self) -> dict[str, Tensor]:
        if self.network is None:
            return {}
        return {key: value.to("cpu", copy=True) for key, value in self.network.state_dict().items()}

    def load_state(self, state: dict[str, Tensor]) -> Self:
        if not state:
            return replace(self, network=None)
        with layer_randomness(Stream(0), self.device):
            network = self.build().to(self.device)
        network.load_state_dict(state)
        return replace(self, network=network.eval())


def perceptron(inputs: int, width: int, depth: int, outputs: int) -> nn.Module:
    """`depth` ≥ 1 hidden layers of `width` units and a linear output."""
    sizes = [inputs, *[width] * depth]
    hidden = [layer for before, after in pairwise(sizes) for layer in (nn.Linear(before, after), nn.SiLU())]
    return nn.Sequential(*hidden, nn.Linear(width, outputs))
