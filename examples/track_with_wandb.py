"""Curves of loops in Weights & Biases, offline, and live on a terminal.

Nothing leaves the machine: files are written below `runs/tracked/wandb`, and `wandb sync` sends them if you want that.
"""

import torch

import selfcorrect as sc


def task(stream: sc.Stream) -> sc.Task:
    real = sc.Samples.real(torch.randn(100, 2, generator=stream.child("data").generator()))
    return sc.Task(sc.Gaussian.standard(2), real, lambda candidate: {"spread": candidate.samples(500).values.std()})


def show(row: dict) -> None:
    if row["generation"] == 20:
        print(f"{row['arm']}, generation 20: spread {row['spread']:.2f}")


if __name__ == "__main__":
    arms = [sc.Arm(sc.parse_policy(text), generations=20) for text in ("replace", "augment:1")]
    comparison = sc.compare(task, arms, seeds=1, out="runs/tracked", wandb="offline", observe=show)
    print("written to", comparison.folder)
