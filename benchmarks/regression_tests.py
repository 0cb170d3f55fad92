"""How often a regression test of a loop decides rightly with default settings, over data sets drawn anew.

python -m benchmarks.regression_tests 100
"""

from __future__ import annotations

import sys
import time
from collections import Counter

import torch

import selfcorrect as sc


def whiten(samples: sc.Samples) -> sc.Samples:
    """The guide's corrector, which knows that the truth is a standard normal."""
    centred = samples.values - samples.values.mean(0)
    root = torch.linalg.cholesky(centred.T @ centred / len(centred))
    return samples.with_values(torch.linalg.solve_triangular(root, centred.T, upper=False).T)


LOOPS = {
    "fully synthetic, corrected": (sc.Replace(), whiten),
    "fully synthetic": (sc.Replace(), None),
    "λ = 1, a corrector that changes nothing": (sc.Augment(1.0), lambda samples: samples),
}


def main() -> None:
    """Print for each loop of the guide how many trials ended with which verdict, and their mean time."""
    count = int(sys.argv[1])
    for name, (policy, corrector) in LOOPS.items():
        start, verdicts, seeds = time.monotonic(), Counter[str](), Counter[int]()
        for seed in range(count):
            data = torch.randn((80, 2), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
            measured = sc.measure_stability(sc.Gaussian.standard(2), data, policy, corrector)
            verdicts[measured.label] += 1
            seeds[measured.seeds] += 1
        each_s = (time.monotonic() - start) / count
        print(f"{name}: {dict(verdicts)}, seeds {dict(sorted(seeds.items()))}, {each_s:.2f} s each")


if __name__ == "__main__":
    main()
