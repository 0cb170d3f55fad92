"""What correcting shards costs beside the corrections: time, memory, and what is lost with two processes.

    python -m benchmarks.shards --motions 100000 --make shards --source path/to/motions
    selfcorrect correct shards -o corrected --kinematic --workers 2
    python -m benchmarks.shards --source path/to/motions

The first writes a set of short motions of mixed skeletons and lengths, made from the source. They are cut anywhere, of
eight statures, sunk or raised by some centimetres, with shaken limbs. The last measures on a small set. All times are
of the processor, so other work on the machine does not count.
"""

from __future__ import annotations

import contextlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import tyro
from scipy.spatial.transform import Rotation

from selfcorrect.datasets.load import load_motions
from selfcorrect.datasets.shards.manifest import Manifest, ShardFacts, write_manifest
from selfcorrect.datasets.shards.schema import Entry
from selfcorrect.datasets.shards.writing import Sizes, put_shards
from selfcorrect.experiments.correction import correct_shards
from selfcorrect.experiments.correction.correct_shards import ShardsTask, correct_shard
from selfcorrect.experiments.correction.options import CorrectionOptions
from selfcorrect.motion.motion import Motion
from selfcorrect.runtime.progress import silent
from selfcorrect.storage.files.places import LocalPlace

STATURES = np.linspace(0.85, 1.15, 8)
PART = 20_000


@dataclass(frozen=True)
class Arguments:
    """Make a large set of shards, or measure on a small one."""

    source: str = "deepmimic"
    """What the motions are made from: deepmimic, or a path."""
    motions: int = 4096
    """How many."""
    frames: tuple[int, int] = (16, 48)
    """Of each motion, from and to."""
    make: Path | None = None
    """Only make shards, in this folder."""
    physics: int = 128
    """Motions that are corrected with physics, too."""


def perturbed(clips: Sequence[Motion], number: int, frames: tuple[int, int]) -> Motion:
    """The motion with that number: a clip's window on a body of another stature, its height and limbs disturbed."""
    random = np.random.default_rng(number)
    clip, stature = clips[number % len(clips)], STATURES[random.integers(len(STATURES))]
    length = min(int(random.integers(frames[0], frames[1] + 1)), len(clip))
    start = int(random.integers(len(clip) - length + 1))
    motion = clip.frames(start, start + length)
    shaken = Rotation.from_quat(motion.rotations.reshape(-1, 4)) * Rotation.from_rotvec(
        random.normal(scale=0.01, size=(motion.rotations.size // 4, 3))
    )
    return replace(
        motion,
        skeleton=replace(motion.skeleton, offsets_m=stature * motion.skeleton.offsets_m),
        root_m=stature * motion.root_m + [0.0, random.normal(scale=0.03), 0.0],
        rotations=shaken.as_quat().reshape(motion.rotations.shape),
    )


def make(folder: Path, arguments: Arguments) -> Manifest:
    """A set of perturbed motions."""
    clips = [clip for clip in load_motions(arguments.source) if len(clip) >= arguments.frames[0]]
    out, facts = LocalPlace(folder), list[ShardFacts]()
    for part in range(-(-arguments.motions // PART)):
        numbers = range(part * PART, min((part + 1) * PART, arguments.motions))
        entries = (Entry(str(number), perturbed(clips, number, arguments.frames)) for number in numbers)
        facts += put_shards(out, part, entries, Sizes())
    return write_manifest(out, facts)


def resident_mb() -> float:
    """Memory of this process that is its own."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["RssAnon"].split()[0]) / 1024


@dataclass
class Clock:
    """Processor time spent in a function."""

    spent_s: float = 0.0

    @contextlib.contextmanager
    def around(self, module: object, name: str) -> Iterator[None]:
        function = getattr(module, name)

        def timed(*arguments: object) -> object:
            start = time.process_time()
            try:
                return function(*arguments)
            finally:
                self.spent_s += time.process_time() - start

        with patch.object(module, name, timed):
            yield


def overhead(source: Path, options: CorrectionOptions, shards: Sequence[ShardFacts]) -> None:
    """Correct shards in this process; print what is spent beside the corrections, and memory after every shard."""
    with tempfile.TemporaryDirectory() as out:
        task, clock, memory = ShardsTask(str(source), out, options), Clock(), list[float]()
        correct_shard(task, shards[0], silent)  # load what corrections need
        start = time.process_time()
        with clock.around(correct_shards, "correct_each"):
            for shard in shards:
                correct_shard(task, shard, silent)
                memory.append(resident_mb())
        spent_s = time.process_time() - start
    motions = sum(shard.motions for shard in shards)
    what = "kinematic" if options.kinematic else "physics"
    print(
        f"{what}: {motions} motions, {1e3 * spent_s / motions:.2f} ms each, {motions / spent_s:.1f} a second and core, "
        f"{spent_s / clock.spent_s - 1:.2%} beside corrections; memory after each shard "
        f"{memory[0]:.0f} to {memory[-1]:.0f} MB, at most {max(memory):.0f}",
        flush=True,
    )


def command_s(source: Path, workers: int) -> float:
    """Processor time of the command with all its processes, start included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "selfcorrect.experiments.cli", "correct", str(source), "-o", f"{out}/out"]
        subprocess.run([*command, "--kinematic", "--workers", str(workers)], check=False, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(arguments: Arguments) -> None:
    """Make shards, or measure."""
    if arguments.make is not None:
        made = make(arguments.make, arguments)
        print(f"{made.motions} motions in {len(made.shards)} shards → {arguments.make}")
        return
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        shards = make(Path(folder) / "shards", arguments).shards
        print(f"made {arguments.motions} motions in {time.process_time() - start:.1f} s")
        source = Path(folder) / "shards"
        overhead(source, CorrectionOptions(kinematic=True), shards)
        overhead(source, CorrectionOptions(), shards[: max(1, arguments.physics // Sizes().motions)])
        one_s, two_s = command_s(source, 1), command_s(source, 2)
        print(f"one process: {one_s:.1f} s; two processes: {two_s:.1f} s, so {one_s / two_s:.3f} x 2 of one's speed")


if __name__ == "__main__":
    main(tyro.cli(Arguments))
