"""The energy that sequences have at high frequencies, and keeping it from generation to generation.

Matching compares children with parents at low frequencies alone, which distinguish the modes. What lies above is
left to the learner, whose errors there add up along the lines: motion becomes jerky. Scaled so that each label has its
parents' energy there, it cannot grow, nor fade.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
import torch
from torch import Tensor

LOWEST = 8
"""The first cosine frequency that counts as high; those below it are what `anchors.temporal_frequencies` keeps."""


def restore_energy(children: Tensor, parents: Tensor, labels: Tensor, lowest: int = LOWEST) -> Tensor:
    """Children (N, T, D) whose cosine coefficients in time from `lowest` on have, per label, their parents' energy."""
    own, theirs = _coefficients(children), _coefficients(parents)
    for label in labels.unique():
        rows = (labels == label).numpy()
        energy = np.square(own[rows, lowest:]).sum()
        if energy > 0:
            own[rows, lowest:] *= np.sqrt(np.square(theirs[rows, lowest:]).sum() / energy)
    return torch.as_tensor(scipy.fft.idct(own, axis=1, norm="ortho")).to(children)


def _coefficients(values: Tensor) -> np.ndarray:
    return np.asarray(scipy.fft.dct(values.detach().cpu().double().numpy(), axis=1, norm="ortho"))
