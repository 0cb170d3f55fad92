"""Restore high-frequency energy of sequences.

It is restored in each generation. Matching compares children with parents at low frequencies only, because these
distinguish the modes. Higher frequencies are left to the learner, and errors there add up along the lines: motion
becomes jerky. Scaled so that each label has the parents' energy there, the energy can neither grow nor fade.
"""

import numpy as np
import scipy.fft
import torch
from torch import Tensor

LOWEST = 8
"""The first cosine frequency that counts as high; `anchors.temporal_frequencies` keeps the lower ones."""


def restore_energy(children: Tensor, parents: Tensor, labels: Tensor) -> Tensor:
    """Give children their parents' high-frequency energy.

    Children are (N, T, D); energies are equal per label.

    Args:
        children: (N, T, D) samples.
        parents: (N, T, D) the parent of each child.
        labels: (N,) labels of both.
    """
    child_coefficients = _cosine_transform(children)
    parent_coefficients = _cosine_transform(parents)
    for label in labels.unique():
        rows = (labels == label).numpy()
        energy = np.square(child_coefficients[rows, LOWEST:]).sum()
        if energy > 0:
            target = np.square(parent_coefficients[rows, LOWEST:]).sum()
            child_coefficients[rows, LOWEST:] *= np.sqrt(target / energy)
    return torch.as_tensor(scipy.fft.idct(child_coefficients, axis=1, norm="ortho")).to(children)


def _cosine_transform(values: Tensor) -> np.ndarray:
    return np.asarray(scipy.fft.dct(values.detach().cpu().double().numpy(), axis=1, norm="ortho"))
