"""Faster training and sampling on a GPU, which changes results by rounding or by other random numbers."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

import torch


@dataclass(frozen=True)
class Acceleration:
    """Use of a device; by default plain, with the same bytes for the same stream."""

    precision: Literal["float32", "bfloat16"] = "float32"
    """Precision of matrix products; weights, losses and the optimiser stay float32."""
    draws_on_device: bool = False
    """Keep the training set on the device and draw batches there: nothing is copied in a step."""
    check_every: int = 1
    """Optimiser steps between two checks that the loss is finite; each check waits for the device."""
    compiled: bool = False
    """Compile the network for training, which takes a minute and needs a C++ compiler."""
    sampling_chunk: int | None = None
    """Samples that go through the network together, None for all."""

    def autocast(self, device: torch.device) -> AbstractContextManager[object]:
        """Return a context in which matrix products have the precision."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bfloat16")


EXACT = Acceleration()
FAST = Acceleration("bfloat16", draws_on_device=True, check_every=50, compiled=True, sampling_chunk=256)
"""Settings for GPUs."""
