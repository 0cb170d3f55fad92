"""Short-vector functions have the bits of NumPy's own.

Lengths, products, medians and percentiles, for which NumPy is slower.
"""

import numpy as np
import pytest

from selfcorrect.motion.geometry.vectors import (
    cross,
    dot,
    find_distinct,
    largest_components,
    limit_factors,
    median,
    median_of_known,
    norms,
    percentile,
    sum_points,
)


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("shape", [(), (7,), (2, 0, 3), (2, 5, 3)])
def test_lengths_match_numpy_bits(shape: tuple[int, ...], size: int) -> None:
    first, second = np.random.default_rng(0).normal(size=(2, *shape, size))
    np.testing.assert_array_equal(norms(first), np.linalg.norm(first, axis=-1))
    np.testing.assert_array_equal(dot(first, second), np.sum(first * second, axis=-1))


@pytest.mark.parametrize("shapes", [((3,), (3,)), ((4, 3), (3,)), ((5, 1, 3), (4, 3)), ((2, 5, 4, 3), (2, 5, 4, 3))])
def test_cross_matches_numpy_bits(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    generator = np.random.default_rng(1)
    first = generator.normal(size=shapes[0])
    second = generator.normal(size=shapes[1])
    np.testing.assert_array_equal(cross(first, second), np.cross(first, second))


@pytest.mark.parametrize("shape", [(1,), (2,), (7,), (150,), (31, 4), (30, 2, 3)])
@pytest.mark.parametrize("axis", [None, 0, -1])
def test_bits_are_those_of_numpy(shape: tuple[int, ...], axis: int | None) -> None:
    values = np.random.default_rng(0).normal(size=shape).round(2)  # some are equal
    np.testing.assert_array_equal(median(values, axis), np.median(values, axis=axis))
    with_unknown = np.where(values == values.flat[0], np.nan, values)
    np.testing.assert_array_equal(median(with_unknown, axis), np.median(with_unknown, axis=axis))
    for percent in (0, 5, 20, 25, 30, 40, 95, 100):
        np.testing.assert_array_equal(percentile(values, percent, axis), np.percentile(values, percent, axis=axis))


@pytest.mark.parametrize("shape", [(1,), (2,), (9,), (151,), (40, 5), (30, 2, 3)])
def test_known_medians_match_numpy(shape: tuple[int, ...]) -> None:
    generator = np.random.default_rng(2)
    values = generator.normal(size=shape).round(1)
    values[1:][generator.random(size=values[1:].shape) < 0.4] = np.nan
    np.testing.assert_array_equal(median_of_known(values), np.nanmedian(values, axis=0))
    assert np.isnan(median_of_known(np.full(shape, np.nan))).all()


@pytest.mark.parametrize("shape", [(0,), (1,), (50,), (6, 9)])
def test_distinct_values_are_numpys(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(3).integers(-5, 5, shape)
    for typed in (values, values / 2.0, values > 0):
        np.testing.assert_array_equal(find_distinct(typed), np.unique(typed), strict=True)


def test_of_nothing_there_is_none() -> None:
    assert np.isnan(median(np.zeros(0)))
    assert np.isnan(percentile(np.zeros((0, 3)), 20, axis=0)).tolist() == [True] * 3


@pytest.mark.parametrize("points", [1, 2, 9, 30])
def test_sums_match_numpy(points: int) -> None:
    vectors = np.random.default_rng(3).normal(size=(4, 5, points, 3))
    np.testing.assert_array_equal(sum_points(vectors), vectors.sum(axis=-2))
    np.testing.assert_array_equal(largest_components(vectors), np.abs(vectors).max(axis=-1))


def test_limit_factors_shorten_only_what_exceeds_limit():
    sizes = np.array([0.0, 1.0, 2.0, 8.0])
    assert np.allclose(sizes * limit_factors(sizes, 2.0), [0.0, 1.0, 2.0, 2.0])
    assert np.array_equal(limit_factors(sizes[:3], 2.0), np.ones(3))
