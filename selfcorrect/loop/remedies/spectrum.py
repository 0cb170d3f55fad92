"""High-frequency energy of sequences, restored in each generation.

Matching compares children with parents only at low frequencies, because these distinguish the modes. Higher frequencies
are left to the learner, whose errors there accumulate along lineages: motion becomes jerky. Scaling each label's
high-frequency energy to that of its parents keeps it from growing or fading.
"""

import numpy as np
import scipy.fft
import torch
from torch import Tensor

from ..correctors.anchors import LOW_FREQUENCIES


def restore_energy(children: Tensor, parents: Tensor, labels: Tensor) -> Tensor:
    """Scale children to their parents' high-frequency energy, per label.

    Args:
        children: (N, T, D) samples.
        parents: (N, T, D) parent of each child.
        labels: (N,) labels of both.
    """
    child_coefficients = _cosine_transform(children)
    parent_coefficients = _cosine_transform(parents)
    for label in labels.unique():
        rows = (labels == label).numpy()
        energy = np.square(child_coefficients[rows, LOW_FREQUENCIES:]).sum()
        if energy > 0:
            target = np.square(parent_coefficients[rows, LOW_FREQUENCIES:]).sum()
            child_coefficients[rows, LOW_FREQUENCIES:] *= np.sqrt(target / energy)
    return torch.as_tensor(scipy.fft.idct(child_coefficients, axis=1, norm="ortho")).to(children)


def _cosine_transform(values: Tensor) -> np.ndarray:
    return np.asarray(scipy.fft.dct(values.detach().cpu().double().numpy(), axis=1, norm="ortho"))
