"""How much memory, time and disk a long loop takes that accumulates every sample it ever made.

    python -m benchmarks.long_loop --generations 1000

A small diffusion model of made-up sequences is trained in a run folder; what is measured is the loop around it.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.policy import parse_policy
from selfcorrect.loop.run import Plan, Task, run_loop, train_first_generation
from selfcorrect.models.diffusion.config import DiffusionConfig
from selfcorrect.models.diffusion.model import MotionDiffusion
from selfcorrect.storage.runs.folder_store import FolderStore
from selfcorrect.storage.runs.memory import MemoryStore
from selfcorrect.storage.runs.protocol import Generation

CONFIG = DiffusionConfig(width=64, depth=1, diffusion_steps=10, sampling_steps=2)


@dataclass(frozen=True)
class Arguments:
    """Run a loop with a long memory and print what it takes every so often."""

    generations: int = 1000
    policy: str = "accumulate:1"
    real_count: int = 64
    """Real samples, and synthetic ones per generation."""
    frames: int = 48
    features: int = 69
    steps: int = 10
    """Optimiser steps per generation."""
    lineages: bool = False
    """Trace each sample to the nearest of all that its model was trained on, as the motion experiment does."""
    every: int = 100
    """Generations between two lines."""


def resident_mb() -> dict[str, float]:
    """Memory of this process by kind: its own, and of files that the system can drop at any time."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {name: int(lines[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile")}


def _flat(values: torch.Tensor) -> np.ndarray:
    return values.flatten(1).double().numpy()


def disk_mb(folder: Path) -> float:
    """The size of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def main(arguments: Arguments) -> None:
    """Print a line every so many generations."""
    torch.set_num_threads(1)
    stream = streams(0)
    shape = (arguments.real_count, arguments.frames, arguments.features)
    real = Samples.real(torch.randn(shape, generator=stream.child("real").torch()).cumsum(1) / 7)
    model = MotionDiffusion(CONFIG, arguments.frames, arguments.features, 1, torch.device("cpu"))
    task = Task(model, real, lambda candidate: {}, arguments.steps, space=_flat if arguments.lineages else None)
    first = MemoryStore()
    train_first_generation(task, first, stream)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, FolderStore(Path(folder) / "run", {}, keep_models=False) as store:

        def tell(generation: Generation) -> None:
            if generation.number % arguments.every == 0 or generation.number == 1:
                own, files = resident_mb().values()
                trained_on = int(generation.metrics["real_count"] + generation.metrics["synthetic_count"])  # type: ignore[operator]
                print(
                    f"generation {generation.number:5}: {trained_on:7} training samples, {own:7.0f} MB own memory, "
                    f"{files:5.0f} MB of files, {disk_mb(store.folder):8.1f} MB on disk, "
                    f"{sum(generation.timings.values()):6.2f} s a generation, {time.perf_counter() - started:7.0f} s",
                    flush=True,
                )

        plan = Plan(parse_policy(arguments.policy), arguments.generations, arguments.steps)
        run_loop(task, plan, store, first, stream, tell)


if __name__ == "__main__":
    main(tyro.cli(Arguments))
