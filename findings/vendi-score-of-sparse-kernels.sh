#!/usr/bin/env bash
# vendi_score keeps six eigenvalues of a sparse kernel, so 50 unlike samples score 1.6.
#
# Guess: score_K of a kernel as scipy.sparse.csr_matrix, which the code has a branch for, equals score_K of the same
#        kernel as an array.
# Seen:  50 samples that share nothing score 50.0 as an array and 1.6 as csr_matrix; 10 groups of 5 equal samples score 10.0
#        and 4.0. No warning is given. csr_array and csc_matrix are refused (ValueError).
# Why it matters: kernels of many samples with few neighbours are kept sparse, and the score falls as samples differ more.
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
from scipy import sparse
from vendi_score import vendi

unlike, groups = np.eye(50), np.kron(np.eye(10), np.ones((5, 5)))
for kernel, right, seen in ((unlike, 50, 1.599), (groups, 10, 3.981)):
    scores = vendi.score_K(kernel), vendi.score_K(sparse.csr_matrix(kernel))
    print(f"as an array {scores[0]:.3f}, as csr_matrix {scores[1]:.3f}")
    assert np.allclose(scores, [right, seen], atol=1e-3)
for kind in (sparse.csr_array, sparse.csc_matrix):
    try:
        vendi.score_K(kind(unlike))
    except ValueError as error:
        print(kind.__name__, "is refused:", error)
    else:
        raise SystemExit(f"{kind.__name__} is taken now")
PYTHON
