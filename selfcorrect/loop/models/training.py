"""Training of any network: batches, optimiser steps that detect divergence, random layers, running averages."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from ...core.errors import TrainingDivergedError
from ...core.randomness import Stream
from ...core.samples import Samples
from .adam import Optimiser


@contextmanager
def layer_randomness(stream: Stream, device: torch.device) -> Iterator[None]:
    """Let layers draw random numbers from `stream`.

    Layers use PyTorch's global generators for initialisation and dropout. The generators of the CPU and of `device` are
    restored afterwards.
    """
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.default_generator.manual_seed(stream.seed)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(stream.seed)
        yield


def draw_rows(samples: Samples, size: int, generator: torch.Generator) -> Tensor:
    """Draw rows (size,) with replacement, in proportion to the samples' weights."""
    return torch.multinomial(samples.weights.double(), size, replacement=True, generator=generator)


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Move a tensor from the CPU to a device.

    A GPU takes it from pinned memory, so that nothing waits for the copy.
    """
    if device.type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


Batch: TypeAlias = tuple[Tensor, Tensor]
"""Values (B, *event) float32 and their labels (B,) int64."""


def batches(samples: Samples, size: int, steps: int, generator: torch.Generator) -> Iterator[Batch]:
    """Yield batches of values and labels.

    Rows are drawn with replacement in proportion to the samples' weights.
    """
    for _ in range(steps):
        rows = draw_rows(samples, size, generator)
        yield samples.values[rows].float(), samples.labels[rows]


def descend(optimiser: Optimiser, loss: Tensor, step: int) -> None:
    """Take one optimiser step.

    Raises:
        TrainingDivergedError: The loss is not finite. The message names the step.
    """
    if not torch.isfinite(loss):
        raise TrainingDivergedError(f"the training loss became {loss.item()} at optimiser step {step + 1}")
    update(optimiser, loss)


STEPS_CHECKED_TOGETHER = 50
"""Number of optimiser steps whose losses are checked at once, because each check waits for the device."""


class StepLosses:
    """Losses of a training, checked for finiteness.

    One tensor holds all losses. If each step kept a small tensor, these would lie between the large blocks that steps
    free, and the allocator could not return the blocks to the system: memory would grow by about a megabyte per step.
    """

    def __init__(self, explanation: str = "") -> None:
        self._values = torch.empty(0)
        self._count = 0
        self._explanation = explanation
        """End of the error's message."""

    def append(self, loss: Tensor) -> None:
        """Record the loss () of a step.

        Raises:
            TrainingDivergedError: A loss since the last check is not finite. The message names the first such step.
        """
        if self._count == len(self._values):
            larger = loss.new_empty(max(1024, 2 * self._count))
            larger[: self._count] = self._values
            self._values = larger
        self._values[self._count] = loss.detach()
        self._count += 1
        if self._count % STEPS_CHECKED_TOGETHER == 0:
            self._check(self._count - STEPS_CHECKED_TOGETHER)

    def mean_late(self) -> float:
        """Return the mean over the last quarter, or NaN without steps.

        Losses that are still unchecked are checked first.
        """
        if not self._count:
            return math.nan
        self._check((self._count - 1) // STEPS_CHECKED_TOGETHER * STEPS_CHECKED_TOGETHER)
        late = math.ceil(self._count / 4)
        return self._values[self._count - late : self._count].mean().item()

    def _check(self, first: int) -> None:
        is_finite = torch.isfinite(self._values[first : self._count])
        if not is_finite.all():
            index = first + int(is_finite.int().argmin())
            value = self._values[index].item()
            raise TrainingDivergedError(
                f"the training loss became {value} at optimiser step {index + 1}{self._explanation}"
            )


def update(optimiser: Optimiser, loss: Tensor, gradient_norm: float | None = None) -> None:
    """Take one optimiser step.

    Args:
        gradient_norm: Maximum norm of all gradients together, to which they are scaled down; None for no limit.
    """
    optimiser.zero_grad()
    loss.backward()
    if gradient_norm is not None:
        parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
        nn.utils.clip_grad_norm_(parameters, gradient_norm)
    optimiser.step()


@torch.no_grad()
def follow(averages: Sequence[Tensor], parameters: Sequence[Tensor], steps: int, decay: float) -> None:
    """Move running averages towards parameters, in place.

    In the first steps the decay is smaller, so that the average forgets the initial weights.
    """
    decay = min(decay, (1 + steps) / (10 + steps))
    get_ema_multi_avg_fn(decay)(list(averages), list(parameters), None)
