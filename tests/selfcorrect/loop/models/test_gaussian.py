"""Gaussian models agree with NumPy and their law."""

from dataclasses import replace

import numpy as np
import torch

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.models.gaussian import Gaussian

STREAM = streams(4)


def data(*shape: int) -> Samples:
    return Samples.real(
        torch.randn(shape, generator=STREAM.generator(), dtype=torch.float64)
        @ torch.tensor([[2.0, 0.5, 0.0], [0.0, 1.0, 0.3], [0.0, 0.0, 0.1]], dtype=torch.float64)
        + 1
    )


def test_fit_matches_numpy():
    samples = data(30, 3)
    for weights in (samples.weights, torch.rand(30, generator=STREAM.generator(), dtype=torch.float64)):
        model = Gaussian.standard(3).fit(replace(samples, weights=weights), 0, STREAM)
        np.testing.assert_allclose(model.mean, np.average(samples.values, axis=0, weights=weights))
        np.testing.assert_allclose(model.covariance, np.cov(samples.values.T, aweights=weights, bias=True))


def test_replicates_are_independent_models():
    samples = data(30, 5, 3)
    together = Gaussian.standard(5, 3).fit(samples, 0, STREAM)
    for replicate in range(5):
        alone = Gaussian.standard(3).fit(Samples.real(samples.values[:, replicate]), 0, STREAM)
        torch.testing.assert_close(together.mean[replicate], alone.mean)
        torch.testing.assert_close(together.covariance[replicate], alone.covariance)


def test_samples_have_the_fitted_law():
    model = Gaussian.standard(2, 3).fit(data(30, 2, 3), 0, STREAM)
    values = model.sample(torch.zeros(200_000, dtype=torch.int64), STREAM)
    torch.testing.assert_close(values.mean(dim=0), model.mean, atol=0.02, rtol=0)
    for replicate in range(2):
        np.testing.assert_allclose(np.cov(values[:, replicate].T), model.covariance[replicate], atol=0.06)


def test_singular_covariance_is_kept():
    model = Gaussian.standard(3).fit(data(2, 3), 0, STREAM)  # two points span a line
    values = model.sample(torch.zeros(50, dtype=torch.int64), STREAM) - model.mean
    assert torch.linalg.matrix_rank(values, tol=1e-6) == 1
