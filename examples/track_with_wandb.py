"""Curves of a loop in Weights & Biases, offline.

Nothing leaves the machine: files are written below `runs/tracked/wandb`, and `wandb sync` sends them if you want that.
"""

from pathlib import Path

import torch

import selfcorrect as sc
from selfcorrect.storage.runs.tracking import TrackedRun, publish_to_wandb, rows_of

stream = sc.streams(0)
real = sc.Samples.real(torch.randn(100, 2, generator=stream.child("data").torch()))
task = sc.Task(sc.Gaussian.standard(2), real, lambda candidate: {"spread": candidate.samples(500).values.std()})
first = sc.MemoryStore()
sc.train_first_generation(task, first, stream)

runs = []
for text in ("replace", "augment:1"):
    store = sc.MemoryStore()
    sc.run_loop(task, sc.Plan(sc.parse_policy(text), generations=20), store, first, stream)
    runs.append(TrackedRun(name=text, group="example", config={"policy": text}, rows=rows_of(store, first)))

folder = Path("runs/tracked")
folder.mkdir(parents=True, exist_ok=True)
written = publish_to_wandb(runs, folder, mode="offline")
print("written to" if written else "not written to", folder / "wandb")
