#!/usr/bin/env bash
# dtaidistance's pruning, which distance_fast uses, makes distances with a penalty infinite.
#
# Guess: pruning leaves out paths that cannot be the best, so distance_fast gives what distance gives for each penalty.
# Seen:  for 0, 0, 1, 2 and 0, 1, 2 with penalty 1 both give 1. With penalty 2 distance gives 2 and distance_fast infinity,
#        with max_dist=1e9, too. Without pruning distance_fast gives 2, with pruning distance gives infinity, as if the
#        bound left out the penalties. Of 50 pairs of normal samples of 40 and 30 values 18 are infinite with penalty 2 and
#        all with penalty 5; of 40 and 40 values 10 with penalty 5.
# Why it matters: a penalty keeps frames from being held; infinity is also what max_dist gives for pairs that are too far
#        apart, so near pairs are dropped as far ones.
# Tried with dtaidistance 2.5.1, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check dtaidistance==2.5.1 numpy==2.3.5
environment/bin/python - <<'PYTHON'
import numpy as np
from dtaidistance import dtw

held, plain = np.array([0.0, 0, 1, 2]), np.array([0.0, 1, 2])


def find_distances(penalty):
    given = {"penalty": penalty}
    return {
        "distance": dtw.distance(held, plain, **given),
        "distance_fast unpruned": dtw.distance_fast(held, plain, use_pruning=False, **given),
        "distance pruned": dtw.distance(held, plain, use_pruning=True, **given),
        "distance_fast to 1e9": dtw.distance_fast(held, plain, max_dist=1e9, **given),
        "distance_fast": dtw.distance_fast(held, plain, **given),
    }


def count_infinite(first, second, penalty):
    random = np.random.default_rng(0)
    pairs = [(random.normal(size=first), random.normal(size=second)) for _ in range(50)]
    assert np.isfinite([dtw.distance(*pair, penalty=penalty) for pair in pairs]).all()
    return int(np.isinf([dtw.distance_fast(*pair, penalty=penalty) for pair in pairs]).sum())


small, large = find_distances(1.0), find_distances(2.0)
counts = [count_infinite(*case) for case in ((40, 30, 2), (40, 30, 5), (40, 40, 5), (40, 40, 1))]
print("penalty 1:", small, "penalty 2:", large, "infinite of 50:", counts)
assert set(small.values()) == {1}
assert list(large.values()) == [2, 2, np.inf, np.inf, np.inf]
assert counts == [18, 50, 10, 0]
PYTHON
