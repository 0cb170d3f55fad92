#!/usr/bin/env bash
# POT's Bures-Wasserstein distance is NaN for float32 samples that are fewer than their dimensions.
#
# Guess: the distance between two Gaussians fitted to 20 samples of 64 features is a number, and the one of a sample from
#        itself nearly 0, in float32 as in float64: the covariances get 1e-6 on their diagonals (reg).
# Seen:  NaN for each of 20 pairs and for each sample from itself in float32; in float64 about 8.6 and below 0.001. With 300
#        samples float32 agrees with float64. No error is raised.
# Why it matters: features of networks are float32, and this distance is the root of the Fréchet distance (FID).
# Tried with POT 0.9.7.post1, NumPy 2.3.5, SciPy 1.17.1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check POT==0.9.7.post1 numpy==2.3.5 scipy==1.17.1
environment/bin/python -W ignore - <<'PYTHON'
import numpy as np
from ot.gaussian import empirical_bures_wasserstein_distance


def find_distances(samples, kind):
    """Return the distances between the samples of 20 pairs, and of each first sample from itself."""
    distances = []
    for seed in range(20):
        first, second = np.random.default_rng(seed).standard_normal((2, samples, 64)).astype(kind)
        pairs = (first, second), (first, first)
        distances.append([empirical_bures_wasserstein_distance(*pair) for pair in pairs])
    return np.array(distances)


single, double = find_distances(20, np.float32), find_distances(20, np.float64)
print("20 samples, float32:", single[0], "float64:", double[0])
assert np.isnan(single).all()
assert np.allclose(double[:, 0], 8.6, atol=0.5)
assert np.all(double[:, 1] < 0.001)
many = find_distances(300, np.float32), find_distances(300, np.float64)
print("300 samples, float32:", many[0][0], "float64:", many[1][0])
assert np.allclose(many[0], many[1], atol=0.01)
PYTHON
