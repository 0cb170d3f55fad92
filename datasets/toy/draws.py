"""Draws of toy loops."""

import torch
from torch import Tensor

from selfcorrect.core.randomness import Stream


def normal(count: int, stream: Stream, *event: int) -> Tensor:
    """Draw standard normal values (count, *event) in float64, where event = (*replicates, dimension)."""
    return torch.randn((count, *event), generator=stream.generator(), dtype=torch.float64)
