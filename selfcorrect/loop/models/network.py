"""Base class of models made of one neural network: training by batches, state, immutability."""

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Generic, Self, TypeVar

import torch
from torch import Tensor, nn

from ...core.errors import InputError
from ...core.randomness import Stream
from ...core.samples import Samples
from .adam import Adam, Optimiser
from .saving import Saveable
from .training import Batch, StepLosses, batches, layer_randomness, to_device, update

_CPU = torch.device("cpu")

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, eq=False)
class NetworkModel(Saveable, ABC, Generic[Network]):
    """A generative model with the parameters of one module.

    Subclasses define how to build the module, what to minimise, and how to sample. All random numbers, except those
    inside layers, are drawn on the CPU whatever the device. States are on the CPU, too.
    """

    learning_rate: float = 2e-3
    batch_size: int = 128
    network: Network | None = field(default=None, repr=False)
    device: torch.device = _CPU
    training_loss: float = field(default=math.nan, repr=False, kw_only=True)
    """Mean loss over the last quarter of the last fit's steps, not part of the state."""

    @abstractmethod
    def build(self) -> Network:
        """Return a freshly initialised network."""

    @abstractmethod
    def loss(self, network: Network, values: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Return the scalar loss of a batch.

        Args:
            values: (B, *event) float32, on the device.
            labels: (B,) int64, on the device.
            generator: Random numbers, on the CPU.
        """

    @abstractmethod
    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        """Draw values (N, *event) for labels (N,) int64."""

    def fit(self, samples: Samples, steps: int, stream: Stream) -> Self:
        """Train for a number of optimiser steps.

        Batches are drawn in proportion to the samples' weights.

        Args:
            samples: The training set, values (N, *event).
            steps: Number of optimiser steps.
            stream: Random numbers for batches and layers.

        Raises:
            TrainingDivergedError: The loss is not finite. The message names the step.
        """
        generator = stream.child("batches").generator()
        with layer_randomness(stream.child("layers"), self.device):
            network = copy.deepcopy(self.network) if self.network is not None else self.build().to(self.device)
            drawn = batches(samples, self.batch_size, steps, generator)
            loss = self.train(network.train(), drawn, generator)
        return replace(self, network=network.eval(), training_loss=math.nan if loss is None else loss)

    def make_optimiser(self, network: Network) -> Optimiser:
        """Return the optimiser of a fit.

        It starts anew in each fit, unless it works on buffers of the network.
        """
        return Adam(network.parameters(), self.learning_rate)

    def train(self, network: Network, drawn: Iterator[Batch], generator: torch.Generator) -> float | None:
        """Train a network in place, minimising the loss on each batch.

        Args:
            drawn: Batches of values (B, *event) and labels (B,), on the CPU.
            generator: Random numbers, on the CPU.

        Returns:
            The mean loss over the last quarter of the steps. A subclass that does not record the loss returns None.
        """
        optimiser = self.make_optimiser(network)
        losses = StepLosses()
        for values, labels in drawn:
            loss = self.loss(network, to_device(values, self.device), to_device(labels, self.device), generator)
            losses.append(loss)
            update(optimiser, loss)
        return losses.mean_late()

    @property
    def trained(self) -> Network:
        """The network.

        Raises:
            InputError: The model is not trained yet.
        """
        if self.network is None:
            raise InputError(f"this {type(self).__name__} is not trained yet: call fit or load_state first")
        return self.network

    def state(self) -> dict[str, Tensor]:
        if self.network is None:
            return {}
        return {name: value.to("cpu", copy=True) for name, value in self.network.state_dict().items()}

    def load_state(self, state: dict[str, Tensor]) -> Self:
        if not state:
            return replace(self, network=None)
        with layer_randomness(Stream(0), self.device):
            network = self.build().to(self.device)
        network.load_state_dict(state)
        return replace(self, network=network.eval())


def perceptron(inputs: int, width: int, depth: int, outputs: int) -> nn.Module:
    """Return a multilayer perceptron with SiLU activations and a linear output."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise([inputs, *[width] * depth]):
        layers += [nn.Linear(fan_in, fan_out), nn.SiLU()]
    return nn.Sequential(*layers, nn.Linear(width, outputs))
