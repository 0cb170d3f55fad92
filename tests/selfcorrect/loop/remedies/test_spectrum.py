"""High-frequency energy is kept per label, and nothing else is changed."""

import math

import numpy as np
import scipy.fft
import torch

from selfcorrect.core.randomness import streams
from selfcorrect.loop.correctors.anchors import LOW_FREQUENCIES
from selfcorrect.loop.remedies.spectrum import restore_energy

GENERATOR = streams(8).generator()
LABELS = torch.arange(12) % 3
PARENTS = torch.randn((12, 48, 4), generator=GENERATOR) * (1 + LABELS)[:, None, None]
CHILDREN = torch.randn((12, 48, 4), generator=GENERATOR) * (1 + LABELS)[:, None, None]


def coefficients(values: torch.Tensor) -> np.ndarray:
    return np.asarray(scipy.fft.dct(values.double().numpy(), axis=1, norm="ortho"))


def energy(values: torch.Tensor, label: int) -> float:
    return float(np.square(coefficients(values)[(label == LABELS).numpy(), LOW_FREQUENCIES:]).sum())


def test_labels_get_parents_energy():
    restored = restore_energy(3 * CHILDREN, PARENTS, LABELS)
    for label in range(3):
        assert math.isclose(energy(restored, label), energy(PARENTS, label), rel_tol=1e-5)
    np.testing.assert_allclose(
        coefficients(restored)[:, :LOW_FREQUENCIES], coefficients(3 * CHILDREN)[:, :LOW_FREQUENCIES], atol=1e-5
    )


def test_right_energy_stays():
    torch.testing.assert_close(restore_energy(PARENTS, PARENTS, LABELS), PARENTS)


def test_zero_energy_stays():
    still = torch.ones(12, 48, 4)
    torch.testing.assert_close(restore_energy(still, PARENTS, LABELS), still, atol=1e-4, rtol=0)
