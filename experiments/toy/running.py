"""Runs the arms of a toy experiment through the one loop engine and collects their curves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import numpy as np
from tqdm import tqdm

from selfcorrect.core.randomness import Stream, streams
from selfcorrect.loop.run import Plan, Task, run_loop, train_first_generation
from selfcorrect.storage.runs.memory import MemoryStore
from selfcorrect.storage.runs.protocol import Generation

Curves: TypeAlias = dict[str, dict[str, np.ndarray]]  # arm → quantity → (S, T + 1), generation 0 first
Arms: TypeAlias = Mapping[str, "Plan | tuple[Task, Plan]"]  # plans, some with a task of their own
Comparison: TypeAlias = tuple[Task, Arms]


def run_arms(
    task: Task,
    arms: Arms,
    stream: Stream,
    observe: Callable[[str, Generation], None] = lambda arm, generation: None,
) -> Curves:
    """Run every arm from one shared generation 0; seeds are the replicates in the model's events.

    A quantity is what `task.evaluate` measures, a number or one per replicate, or what the loop does of itself.
    observe: called with the arm's name after each generation from 1 on.
    """
    first = MemoryStore()
    train_first_generation(task, first, stream)
    plans = {name: arm if isinstance(arm, tuple) else (task, arm) for name, arm in arms.items()}
    total = sum(plan.generations for _, plan in plans.values())
    curves = {}
    with tqdm(total=total, unit="generation", leave=False, disable=None) as bar:
        for name, (own_task, plan) in plans.items():
            bar.set_description(name)
            store = MemoryStore()

            def finished(generation: Generation, arm: str = name) -> None:
                observe(arm, generation)
                bar.update()

            run_loop(own_task, plan, store, first, stream, finished)
            curves[name] = _curves(first, store, plan.generations)
    return curves


def run_seeds(compare: Callable[[Stream], Comparison], seeds: Iterable[int]) -> Curves:
    """Run a comparison once per seed, for models without replicates, and stack the seeds."""
    runs = [run_arms(*compare(stream), stream) for stream in map(streams, tqdm(seeds, leave=False, disable=None))]
    return {
        arm: {name: np.concatenate([run[arm][name] for run in runs]) for name in quantities}
        for arm, quantities in runs[0].items()
    }


def _curves(first: MemoryStore, store: MemoryStore, generations: int) -> dict[str, np.ndarray]:
    """Quantities (S, T + 1); S = 1 where a quantity is a single number, NaN in generation 0 for those of the loop."""
    rows = [first.metrics(0), *(store.metrics(generation) for generation in range(1, generations + 1))]
    names = rows[0].keys() | rows[-1].keys()
    return {name: np.atleast_2d(np.array([row.get(name, np.nan) for row in rows]).T) for name in names}
