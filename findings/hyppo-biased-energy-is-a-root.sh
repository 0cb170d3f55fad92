#!/usr/bin/env bash
# hyppo's Energy statistic with bias=True grows with the root of the unit, and its MMD is not the kernel distance.
#
# Guess: Energy(bias=True).statistic is the energy distance (V-statistic) of its documentation, which SciPy's
#        energy_distance squared is, and MMD("rbf").statistic the unbiased squared MMD.
# Seen:  for 50 and 50 samples 0.896 instead of 0.100, for 50 and 10 samples 1.614 instead of 0.101. In millimetres in place of
#        metres the number grows 31.6 times, not 1,000 times: the root of a distance covariance is scaled as its square
#        would be. With bias=False it agrees with the U-statistic to 7 %. MMD("rbf") gives 0.0007 instead of 0.0072.
# Why it matters: p-values stay right, so only who compares statistics between papers, units or sample sizes is misled.
# Tried with hyppo 0.5.2, SciPy 1.17.1, scikit-learn 1.9.1, numba 0.68.1, NumPy 2.4.6.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check \
    hyppo==0.5.2 scipy==1.17.1 scikit-learn==1.9.1 numba==0.68.1 numpy==2.4.6
environment/bin/python -W ignore - <<'PYTHON'
import numpy as np
from hyppo.ksample import MMD, Energy
from scipy.stats import energy_distance
from sklearn.metrics.pairwise import rbf_kernel


def find_within(values):
    """Return the mean of a square matrix outside its diagonal."""
    count = len(values)
    return (values.sum() - np.trace(values)) / (count * (count - 1))


def find_between(first, second, kernel):
    """Return the unbiased squared distance between two samples: mean kernel within them less twice the one between."""
    within = find_within(kernel(first, first)) + find_within(kernel(second, second))
    return within - 2 * kernel(first, second).mean()


for count, biased_m in ((50, 0.896), (10, 1.614)):
    generator = np.random.default_rng(0)
    first, second = generator.standard_normal((50, 1)), generator.standard_normal((count, 1)) + 0.5
    right_m, seen_m, seen_mm = (
        energy_distance(first[:, 0], second[:, 0]) ** 2,
        Energy(bias=True).statistic(first, second),
        Energy(bias=True).statistic(1000 * first, 1000 * second),
    )
    unbiased = Energy().statistic(first, second), find_between(first, second, lambda a, b: -np.abs(a - b.T))
    print(f"50 and {count} samples: SciPy {right_m:.3f} m, hyppo {seen_m:.3f} m or {seen_mm:.1f} mm, unbiased", unbiased)
    assert np.allclose([right_m, seen_m], [0.100, biased_m], atol=1e-3)
    assert np.isclose(seen_mm, np.sqrt(1000) * seen_m)
    assert np.isclose(*unbiased, rtol=0.07)
    if count == 50:
        seen, right = MMD("rbf", gamma=1.0).statistic(first, second), find_between(first, second, rbf_kernel)
        print(f"MMD: hyppo {seen:.5f}, definition {right:.5f}")
        assert np.allclose([seen, right], [0.00069, 0.00715], atol=1e-5)
PYTHON
