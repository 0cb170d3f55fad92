#!/usr/bin/env bash
# joblib's Memory runs a function again for an argument that equals the cached one.
#
# Guess: equal arguments are found in the cache, whatever the layout of an array in memory and whether two entries of a
#        dictionary are one object or two equal ones.
# Seen:  the digest of an array covers its strides: x[::2] and its copy, C and Fortran order, and x[:, :1] and its copy differ,
#        and the function runs twice. {"a": t, "b": t} differs from the same dictionary with two equal lists or tuples, so
#        what was read back from a file (JSON, pickle of parts) is not found. Sets in other orders are equal.
# Why it matters: a resumed run, whose clips are slices in one process and copies in the next, computes all again.
# Tried with joblib 1.6.0, NumPy 2.3.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check joblib==1.6.0 numpy==2.3.5
environment/bin/python - <<'PYTHON'
import json

import joblib
import numpy as np

memory = joblib.Memory("cache", verbose=0)
runs = []


@memory.cache
def find_sum(argument):
    runs.append(argument)
    return float(np.sum(argument))


def count_runs(first, second):
    """Return how often the cached function runs for the two arguments."""
    runs.clear()
    find_sum.clear(warn=False)
    assert find_sum(first) == find_sum(second)
    return len(runs)


clip = np.arange(12.0).reshape(4, 3)
seen = {
    "slice and copy": count_runs(clip[::2], clip[::2].copy()),
    "C and Fortran order": count_runs(clip, np.asfortranarray(clip)),
    "first column and copy": count_runs(clip[:, :1], clip[:, :1].copy()),
    "copy and copy": count_runs(clip.copy(), clip.copy()),
}
print("runs for two equal arrays:", seen)
assert list(seen.values()) == [2, 2, 2, 1]
offset = [0.0, 1.0]
shared = {"left": offset, "right": offset}
equal = {
    "JSON": joblib.hash(shared) == joblib.hash(json.loads(json.dumps(shared))),
    "tuples": joblib.hash((tuple(offset),) * 2) == joblib.hash((tuple(offset), tuple(list(offset)))),
    "sets": joblib.hash({1, 2, 3}) == joblib.hash({3, 2, 1}),
}
print("equal digests:", equal)
assert list(equal.values()) == [False, False, True]
PYTHON
