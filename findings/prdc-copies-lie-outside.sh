#!/usr/bin/env bash
# prdc gives precision, recall, density and coverage of 0 to samples that are the real samples.
#
# Guess: samples that equal the real samples, with all their repeats, have precision 1, recall 1 and coverage 1.
# Seen:  all four are 0 once each sample stands more than `nearest_k` times. The ball around such a sample has the radius
#        0, and prdc counts only what lies nearer than the radius. One sample of each real sample has recall 1 and
#        precision 0. Kynkäänniemi et al. (2019) define precision and recall with closed balls: both would be 1.
# Why it matters: loops that copy samples hold each survivor many times after some generations.
# Tried with prdc 0.2, scikit-learn 1.7.2, NumPy 2.3.5, SciPy 1.16.3.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check \
    prdc==0.2 scikit-learn==1.7.2 numpy==2.3.5 scipy==1.16.3
environment/bin/python - <<'PYTHON'
import numpy as np
from prdc import compute_prdc

single = np.random.default_rng(0).standard_normal((200, 64))
real = np.repeat(single, 6, axis=0)
copies = compute_prdc(real, real.copy(), nearest_k=5)
survivors = compute_prdc(real, single, nearest_k=5)
print("all copies:", copies)
print("one of each:", survivors)
assert set(copies.values()) == {0.0}
assert (survivors["precision"], survivors["recall"]) == (0.0, 1.0)
fewer = compute_prdc(np.repeat(single, 5, axis=0), np.repeat(single, 5, axis=0), nearest_k=5)
print("five of each:", fewer)
assert fewer["precision"] == 1.0
PYTHON
