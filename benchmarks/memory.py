"""How much memory and time `selfcorrect correct` takes for ever longer motions.

    python -m benchmarks.memory --frames 1000 10000 100000

A built-in clip is run to and fro until it is long enough, written as BVH, and corrected by the command in a process of
its own.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro

from selfcorrect.datasets.collections.deepmimic import load_deepmimic
from selfcorrect.datasets.files.rigs.bvh import clip_of, write_bvh
from selfcorrect.motion.motion import Motion


@dataclass(frozen=True)
class Arguments:
    """Correct ever longer motions and print what each takes."""

    frames: tuple[int, ...] = (1000, 10_000, 100_000)
    """Lengths of the motions, from short to long."""
    kinematic: bool = False
    """Clean up by kinematics alone."""


def to_and_fro(motion: Motion, frames: int) -> Motion:
    """The motion forwards and backwards in turns."""
    rows = np.concatenate([np.arange(len(motion)), np.arange(len(motion) - 2, 0, -1)])
    rows = rows[np.arange(frames) % len(rows)]
    return replace(motion, root_m=motion.root_m[rows], rotations=motion.rotations[rows])


def main(arguments: Arguments) -> None:
    """Print a line per length."""
    dance = next(clip for clip in load_deepmimic() if clip.label == "dance_a")
    options = ["--kinematic"] if arguments.kinematic else []
    with tempfile.TemporaryDirectory() as folder:
        for frames in sorted(arguments.frames):  # the system keeps the peak over all processes so far
            source, motion = Path(folder) / f"{frames}.bvh", to_and_fro(dance, frames)
            write_bvh(source, clip_of(motion))
            command = [sys.executable, "-m", "selfcorrect.experiments.cli", "correct", str(source), *options]
            start = time.perf_counter()
            subprocess.run([*command, "-o", f"{folder}/out"], check=True, capture_output=True)
            spent_s = time.perf_counter() - start
            peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            print(f"{frames:8} frames{peak_mb:8.0f} MB{spent_s:8.1f} s{motion.seconds / spent_s:8.1f} x real time")


if __name__ == "__main__":
    main(tyro.cli(Arguments))
