#!/usr/bin/env bash
# vendi_score's score_X takes the order q and does not use it.
#
# Guess: score_X(X, q) is score_K(X @ X.T, q), as score and score_dual are: q=2 weighs common samples, q="inf" the most.
# Seen:  for 50 samples of 8 features score_X gives 7.40, the score of order 1, for q of 0.5, 1, 2 and "inf". The other three
#        agree on 7.69, 7.40, 6.91 and 4.71.
# Why it matters: orders above 1 are chosen to see a mode that takes over; score_X shows the same number without them.
# Tried with vendi-score 0.0.3, SciPy 1.17.1, scikit-learn 1.9.1, NumPy 2.4.6.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check \
    vendi-score==0.0.3 scipy==1.17.1 scikit-learn==1.9.1 numpy==2.4.6
environment/bin/python -W ignore - <<'PYTHON'
import numpy as np
from vendi_score import vendi

samples = np.random.default_rng(0).standard_normal((50, 8))
samples /= np.linalg.norm(samples, axis=1, keepdims=True)
for order, right in ((0.5, 7.686), (1, 7.398), (2, 6.909), ("inf", 4.714)):
    others = (
        vendi.score_K(samples @ samples.T, q=order),
        vendi.score_dual(samples, q=order),
        vendi.score(samples, np.dot, q=order),
    )
    seen = vendi.score_X(samples, q=order)
    print(f"order {order}: score_X {seen:.3f}, score_K, score_dual and score", np.round(others, 3))
    assert np.allclose(others, right, atol=1e-3)
    assert np.isclose(seen, 7.398, atol=1e-3)
PYTHON
