"""Any PyTorch module as a generative model, given a loss and a sampler."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from ...core.checks import check_count
from ...core.errors import InputError, SettingError
from ...core.randomness import Stream
from .network import NetworkModel

Module: TypeAlias = nn.Module | Callable[[], nn.Module]
"""A module whose weights the first fit starts from, or a function that builds a module with random weights."""
Loss: TypeAlias = Callable[[Any, Tensor, Tensor, torch.Generator], Tensor]
"""Function of the module, values (B, *event), labels (B,) and a generator on the CPU that returns the scalar loss."""
Draw: TypeAlias = Callable[[Any, Tensor, torch.Generator], Tensor]
"""Function of the module, labels (N,) and a generator on the CPU that returns values (N, *event)."""


def build_module(module: Module) -> nn.Module:
    """Copy a module, or build one if given a function.

    Raises:
        SettingError: The function does not return a module.
    """
    network = copy.deepcopy(module) if isinstance(module, nn.Module) else module()
    if not isinstance(network, nn.Module):
        raise SettingError(
            f"a model needs a torch module, or a function that makes a module, got {type(network).__name__}"
        )
    return network


def draw_in_batches(labels: Tensor, size: int, draw: Callable[[Tensor], Tensor]) -> Tensor:
    """Draw values (N, *event) in batches, on the CPU.

    Args:
        labels: (N,) labels to sample.
        size: Number of labels per batch.
        draw: Function of labels (B,) that returns values (B, *event).

    Raises:
        SettingError: The size is below 1.
        InputError: A draw returns another number of values than labels.
    """
    check_count("sampling_batch", size, 1)
    parts = []
    with torch.no_grad():
        for batch in labels.split(size):
            parts.append(draw(batch).detach().float().cpu())
            if len(parts[-1]) != len(batch):
                raise InputError(f"a sampler must return one value per label, got {len(parts[-1])} for {len(batch)}")
    return torch.cat(parts)


@dataclass(frozen=True, eq=False)
class TorchModel(NetworkModel[nn.Module]):
    """A module with a loss and a sampler.

    Loss and sampler take all random numbers from the generator that they are given. Layers that draw themselves, such
    as dropout, use the stream of the fit. Values and labels are on `device`.
    """

    module: Module | None = None
    objective: Loss | None = None
    sampler: Draw | None = None
    sampling_batch: int = 1024
    """Labels per call of the sampler."""

    def __post_init__(self) -> None:
        missing = [name for name in ("module", "objective", "sampler") if not callable(getattr(self, name))]
        if missing:
            raise SettingError(f"TorchModel needs a callable {' and '.join(missing)}")

    @property
    def parts(self) -> tuple[object, ...]:
        """User code and weights, which identify the model in a run folder."""
        return (self.module, self.objective, self.sampler)

    def build(self) -> nn.Module:
        assert self.module is not None
        return build_module(self.module)

    def loss(self, network: nn.Module, values: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Return the user's loss of a batch, see `NetworkModel.loss`."""
        assert self.objective is not None
        return self.objective(network, values, labels, generator)

    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        """Draw a value for each label, float32 on the CPU."""
        generator = stream.generator()
        sampler = self.sampler
        assert sampler is not None
        return draw_in_batches(
            labels, self.sampling_batch, lambda part: sampler(self.trained, part.to(self.device), generator)
        )
