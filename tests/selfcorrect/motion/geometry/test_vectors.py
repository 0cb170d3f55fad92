"""Lengths and products of vectors against NumPy's own, which are slower for so short ones."""

from __future__ import annotations

import numpy as np
import pytest

from selfcorrect.motion.geometry.vectors import crosses, dots, lengths


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("shape", [(), (7,), (2, 0, 3), (2, 5, 3)])
def test_lengths_and_scalar_products_have_the_bits_of_numpy(shape: tuple[int, ...], size: int) -> None:
    one, other = np.random.default_rng(0).normal(size=(2, *shape, size))
    np.testing.assert_array_equal(lengths(one), np.linalg.norm(one, axis=-1))
    np.testing.assert_array_equal(dots(one, other), np.sum(one * other, axis=-1))


@pytest.mark.parametrize("shapes", [((3,), (3,)), ((4, 3), (3,)), ((5, 1, 3), (4, 3)), ((2, 5, 4, 3), (2, 5, 4, 3))])
def test_cross_products_have_the_bits_of_numpy(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    generator = np.random.default_rng(1)
    one, other = (generator.normal(size=shape) for shape in shapes)
    np.testing.assert_array_equal(crosses(one, other), np.cross(one, other))
