"""Read a run folder in pandas.

Every generation leaves `metrics.json` and `provenance.parquet`, with a row per raw draw: where it came from, how far
the corrector moved it, whether it was accepted. The run here is a small one; any other run folder looks the same.
"""

import json
from pathlib import Path

import pandas as pd
import torch

import selfcorrect as sc

folder, stream = Path("runs/example"), sc.streams(0)


def inside(samples: sc.Samples) -> torch.Tensor:
    return samples.values.norm(dim=1) < 2


real = sc.Samples.real(torch.randn(100, 2, generator=stream.child("data").generator()))
task = sc.Task(sc.Gaussian.standard(2), real, lambda candidate: {"spread": candidate.samples(500).values.std()})
first = sc.MemoryStore()
sc.train_first_generation(task, first, stream)
arm = sc.Arm(sc.Augment(1.0), generations=5, correction=sc.Correction(sc.verifier(inside)))
with sc.FolderStore(folder, {"example": "verifier"}) as store:
    sc.run_loop(task, arm, store, first, stream)  # a second call finds it finished

generations = sorted(folder.glob("generation-*"))
curves = pd.DataFrame([json.loads((generation / "metrics.json").read_text()) for generation in generations])
draws = pd.concat([pd.read_parquet(generation / "provenance.parquet") for generation in generations])
print(curves[["spread", "drawn_count", "rejected_count", "synthetic_share"]])
print(draws.groupby("generation").accepted.agg(["mean", "count"]))
