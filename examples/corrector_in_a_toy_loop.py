"""A corrector of your own in a toy loop.

A Gaussian that trains on its own samples loses variance. The corrector knows that the spread is one, and nothing else.
"""

from collections.abc import Mapping

import torch

import selfcorrect as sc


def unit_spread(samples: sc.Samples) -> sc.Samples:
    """Standardise every batch around its own mean."""
    values, mean = samples.values, samples.values.mean(0)
    return samples.with_values((values - mean) / values.std(0) + mean)


def judge(candidate: sc.Candidate) -> Mapping[str, float]:
    return {"spread": candidate.samples(1000).values.std(0).mean()}


stream = sc.streams(0)
real = sc.Samples.real(torch.randn(20, 2, generator=stream.child("data").generator()))
task = sc.Task(sc.Gaussian.standard(2), real, judge)
first = sc.MemoryStore()
sc.train_first_generation(task, first, stream)
for name, correction in (("uncorrected", None), ("corrected", sc.Correction(unit_spread))):
    store = sc.MemoryStore()
    sc.run_loop(task, sc.Arm(sc.Replace(), generations=60, correction=correction), store, first, stream)
    spreads = ", ".join(f"{store.metrics(generation)['spread']:.2f}" for generation in (1, 20, 40, 60))
    print(f"{name}: spread {spreads} in generations 1, 20, 40, 60; the truth is 1")
