"""Pad sequences of several lengths in one tensor.

After the end of a sequence every column is zero.
"""

import torch
from torch import Tensor


def measure_lengths(values: Tensor) -> Tensor:
    """Measure lengths (N,) int64 of sequences (N, T, D) padded by zeros at the end."""
    filled = (values != 0).any(dim=2)
    return (filled * torch.arange(1, values.shape[1] + 1, device=values.device)).amax(dim=1)


def zero_padding(values: Tensor, lengths: Tensor) -> Tensor:
    """Zero sequences (N, T, D) after their lengths (N,)."""
    steps = torch.arange(values.shape[1], device=values.device)
    return values * (steps < lengths.to(values.device)[:, None])[..., None]
