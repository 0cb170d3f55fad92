"""Results of the registered splits of docs/results/index.md.

As their registrations say, both experiments judge one primary difference by the exact test over splits.
"""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import permutation_test
from tables import SUMMARIES

from selfcorrect.core.errors import InputError

FORCES = SUMMARIES / "splits"
PLACES = SUMMARIES / "place-splits"
REAL = "real"
BASELINE = "real+none"
PHYSICS = "augment-1+physics"
LOW_PASS = "augment-1+low-pass"
Result = dict[str, Any]


@cache
def read_results(folder: Path) -> list[Result]:
    """Read the kept splits of all stages in order.

    Raises:
        InputError: A file belongs to another registration.
    """
    registered = hashlib.sha256((folder / "registration.txt").read_bytes()).hexdigest()
    results: dict[int, Result] = {}
    for path in sorted(folder.glob("*split-*.json")):
        stage = json.loads(path.read_text(encoding="utf-8"))
        if stage["registration_sha256"] != registered:
            raise InputError(f"{path.name} follows another registration")
        result = results.setdefault(stage["split"], stage)
        result["scores"] = stage["scores"] | result["scores"]
    return [results[number] for number in sorted(results)]


def sign_flip_p(differences: np.ndarray) -> float:
    """Return an exact two-sided p-value over all assignments of signs to differences (S,)."""
    ways = 2 ** len(differences)
    return float(permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=ways).pvalue)
