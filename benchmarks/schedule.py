"""How long a million motions take on so many cores, and where more of them stop helping: a simulation.

    python -m benchmarks.schedule --source shards --sample 4
    python -m benchmarks.schedule --unit-s 19.8 20.4 21.1

Shards are corrected here for their processor times, or times are given; every simulated shard takes one of them, drawn
at random. Cores take the next shard when they are free. Some shards straggle, nodes fail and come back, and what ran
there begins anew. Printed are means over several draws.
"""

from __future__ import annotations

import heapq
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro

from selfcorrect.datasets.files.open import motion_files
from selfcorrect.datasets.files.parquet import read_named
from selfcorrect.experiments.correction.correct_file import FileTask, correct_files
from selfcorrect.experiments.correction.options import CorrectionOptions
from selfcorrect.runtime.progress import silent


@dataclass(frozen=True)
class Cluster:
    """Where shards are corrected."""

    cores_per_node: int = 16
    start_s: float = 60.0
    """Until a node's workers are ready, at the start and after a failure."""
    unit_s: float = 1.0
    """What a shard costs beside its corrections: to be given out, fetched, stored and recorded."""
    given_out_per_s: float = 200.0
    """Shards that the one process that gives them out can handle in a second."""
    failures_per_hour: float = 0.02
    """Of a node."""
    straggling: float = 0.01
    """Share of shards that take `straggler` times as long."""
    straggler: float = 4.0


@dataclass(frozen=True)
class Arguments:
    """Simulate the correction of many shards on clusters of several sizes."""

    source: str | None = None
    """Shards that are corrected for their times."""
    sample: int = 4
    """How many of them, spread over all."""
    strength: str = "balanced"
    engine: str = "pybullet"
    unit_s: tuple[float, ...] = ()
    """Processor times of shards, instead."""
    unit_motions: int = 256
    """Motions in a shard whose times are given."""
    motions: int = 1_000_000
    cores: tuple[int, ...] = (64, 256, 1024, 4096, 16384)
    shard_motions: tuple[int, ...] = (64, 256, 1024)
    """Sizes of shards to compare."""
    draws: int = 5
    seed: int = 0
    cluster: Cluster = Cluster()


def measured_s(arguments: Arguments) -> tuple[list[float], float]:
    """Processor times of some shards, and how many motions they have on average."""
    shards = motion_files(Path(arguments.source or ""))
    chosen = [shards[index] for index in np.linspace(0, len(shards) - 1, arguments.sample).round().astype(int)]
    times_s = []
    motions = [len(read_named(shard)) for shard in chosen]
    options = CorrectionOptions(arguments.strength, engine=arguments.engine)
    with tempfile.TemporaryDirectory() as out:
        for shard, count in zip(chosen, motions, strict=True):
            start = time.process_time()
            correct_files([FileTask(shard, shard.name, Path(out))], options, silent)
            times_s.append(time.process_time() - start)
            print(f"{shard.name}: {count} motions, {times_s[-1]:.1f} s", flush=True)
    return times_s, float(np.mean(motions))


def wall_s(units_s: Sequence[float], cores: int, cluster: Cluster, random: np.random.Generator) -> float:
    """Until the last shard is done, seconds.

    Cores of a node fail together: the first free worker does their work again.
    """
    nodes = -(-cores // cluster.cores_per_node)
    free = [(cluster.start_s, core) for core in range(cores)]
    fails_s = _failures(nodes, cluster, random)
    waiting, given_out_s, end_s = list(reversed(units_s)), 0.0, 0.0
    lost: list[tuple[float, float]] = []  # lost units: when, and how long they take
    while waiting or lost:
        now_s, core = heapq.heappop(free)
        if lost and (not waiting or lost[0][0] <= now_s):
            lost_s, unit_s = heapq.heappop(lost)
            now_s = max(now_s, lost_s)
        else:
            unit_s = waiting.pop()
        given_out_s = max(given_out_s + 1 / cluster.given_out_per_s, now_s)
        start_s, node = given_out_s, core // cluster.cores_per_node
        while fails_s[node][0] + cluster.start_s <= start_s:
            fails_s[node].pop(0)
        start_s = max(start_s, fails_s[node][0] + cluster.start_s) if fails_s[node][0] <= start_s else start_s
        done_s = start_s + unit_s
        failure_s = next(at_s for at_s in fails_s[node] if at_s > start_s)
        if failure_s < done_s:
            heapq.heappush(lost, (failure_s, unit_s))
            heapq.heappush(free, (failure_s + cluster.start_s, core))
        else:
            heapq.heappush(free, (done_s, core))
            end_s = max(end_s, done_s)
    return end_s


def _failures(nodes: int, cluster: Cluster, random: np.random.Generator) -> list[list[float]]:
    """When each node fails, seconds, in order, for as long as any run takes."""
    if not cluster.failures_per_hour:
        return [[np.inf] for _ in range(nodes)]
    between_s = random.exponential(3600 / cluster.failures_per_hour, size=(nodes, 64))
    return [[*np.cumsum(own).tolist(), np.inf] for own in between_s]


def drawn_s(times_s: Sequence[float], scale: float, count: int, cluster: Cluster, random: np.random.Generator) -> list:
    """Times of so many shards, each that of a measured one times `scale`, longest first as the command does it."""
    units = np.sort(random.choice(times_s, size=count) * scale)[::-1]
    straggles = np.where(random.random(count) < cluster.straggling, cluster.straggler, 1.0)
    return (units * straggles + cluster.unit_s).tolist()


def main(arguments: Arguments) -> None:
    """Print a line per size of shards and cluster."""
    if arguments.unit_s:
        times_s, motions = list(arguments.unit_s), float(arguments.unit_motions)
    else:
        times_s, motions = measured_s(arguments)
    each_s = float(np.mean(times_s)) / motions
    print(f"{1e3 * each_s:.1f} ms a motion: {arguments.motions * each_s / 3600:.1f} core-hours for {arguments.motions}")
    print(f"{'shard':>8}{'cores':>8}{'wall':>12}{'core-hours':>12}{'efficiency':>12}{'of it failures':>16}")
    for size in arguments.shard_motions:
        for cores in arguments.cores:
            with_failures, without = (
                _mean_s(arguments, times_s, motions, size, cores, cluster)
                for cluster in (arguments.cluster, replace(arguments.cluster, failures_per_hour=0.0))
            )
            ideal_s = arguments.motions * each_s / cores
            print(
                f"{size:>8}{cores:>8}{with_failures / 60:>8.1f} min{cores * with_failures / 3600:>12.1f}"
                f"{ideal_s / with_failures:>12.1%}{with_failures / without - 1:>16.1%}",
                flush=True,
            )


def _mean_s(
    arguments: Arguments, times_s: Sequence[float], motions: float, size: int, cores: int, cluster: Cluster
) -> float:
    walls_s = []
    for draw in range(arguments.draws):
        random = np.random.default_rng([arguments.seed, draw])
        units_s = drawn_s(times_s, size / motions, -(-arguments.motions // size), cluster, random)
        walls_s.append(wall_s(units_s, cores, cluster, random))
    return float(np.mean(walls_s))


if __name__ == "__main__":
    main(tyro.cli(Arguments))
