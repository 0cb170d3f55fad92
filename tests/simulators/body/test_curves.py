"""Splines through frames."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from selfcorrect.simulators.body.curves import NaturalSpline


@pytest.mark.parametrize("count", [4, 50])
def test_natural_splines_are_those_of_scipy(count):
    values, fps = np.random.default_rng(0).normal(size=(count, 5, 2)), 30.0
    own, other = NaturalSpline.through(values, fps), CubicSpline(np.arange(count) / fps, values, bc_type="natural")
    times_s = np.append(np.linspace(0, (count - 1) / fps, 101), np.arange(count) / fps)
    np.testing.assert_allclose(own.at(times_s), other(times_s), atol=1e-12)
    np.testing.assert_allclose(own.curvature, other(np.arange(count) / fps, 2), atol=1e-8)


def test_a_spline_s_bits_do_not_depend_on_its_company():
    values = np.random.default_rng(1).normal(size=(40, 70))
    together = NaturalSpline.through(values, 30.0)
    for column in (0, 33, 69):
        assert np.array_equal(
            NaturalSpline.through(values[:, [column]], 30.0).curvature[:, 0], together.curvature[:, column]
        )
