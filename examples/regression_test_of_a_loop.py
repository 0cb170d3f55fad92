"""A regression test of a loop.

Put such functions into your test suite. `assert_loop_stable` runs the loop on several seeds beside a baseline on real
data alone and judges realism *and* diversity on held-out data. It ends as soon as the seeds decide.
`python -m pytest examples/regression_test_of_a_loop.py` runs these tests in seconds.
"""

import pytest
import torch

import selfcorrect as sc

DATA = torch.randn((80, 2), generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def whiten(samples: sc.Samples) -> sc.Samples:
    """Give a batch mean 0 and covariance 1, which the corrector knows of the truth."""
    centred = samples.values - samples.values.mean(0)
    root = torch.linalg.cholesky(centred.T @ centred / len(centred))
    return samples.with_values(torch.linalg.solve_triangular(root, centred.T, upper=False).T)


def test_corrected_loop_is_stable() -> None:
    sc.assert_loop_stable(sc.Gaussian.standard(2), DATA, sc.Replace(), whiten)


def test_without_the_corrector_it_degrades() -> None:
    with pytest.raises(AssertionError, match="the loop is degraded"):
        sc.assert_loop_stable(sc.Gaussian.standard(2), DATA, sc.Replace())


def test_identity_beside_real_data_is_stable() -> None:
    sc.assert_loop_stable(sc.Gaussian.standard(2), DATA, sc.Augment(1.0), lambda samples: samples)


if __name__ == "__main__":
    print("corrected:", sc.assert_loop_stable(sc.Gaussian.standard(2), DATA, sc.Replace(), whiten))
    print("uncorrected:", sc.measure_stability(sc.Gaussian.standard(2), DATA, sc.Replace()))
