"""Measure how many short motions the physics corrector corrects per second, as in a self-consuming loop.

    python -m benchmarks.throughput --count 512

Windows of 48 frames at 30 per second are corrected by kinematics alone, in one process, and in several; all times and
ratios are of this run.
"""

from __future__ import annotations

import multiprocessing
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from benchmarks.tracking import run_clocked
from selfcorrect.datasets.collections.deepmimic import load_deepmimic
from selfcorrect.motion.corrector_interface.results import CorrectMotions
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.presets import SAMPLES
from selfcorrect.simulators.settings.tracker import STRENGTHS, TrackerSettings

FRAMES = 48


@dataclass(frozen=True)
class Arguments:
    """Correct many short motions and print how long it took."""

    count: int = 512
    """Motions to correct."""
    workers: int = 2
    """Processes of the last measurement."""
    engine: str = "pybullet"
    """The simulator."""


def cut_windows(count: int) -> list[Motion]:
    """Cut windows of the built-in motion capture at every other frame, repeated until there are enough."""
    windows = []
    for clip in load_deepmimic():
        for start in range(0, len(clip) - FRAMES + 1, 2):
            windows.append(clip.frames(start, start + FRAMES))
    return [windows[index % len(windows)] for index in range(count)]


def measure(name: str, corrector: CorrectMotions, motions: list[Motion], warm_up: int) -> float:
    """Return the seconds that a corrector takes, and print them beside the duration of the motions."""
    corrector(motions[:warm_up])  # start processes and build the body before the clock runs
    start = time.perf_counter()
    accepted = sum(correction.accepted for correction in corrector(motions))
    spent_s = time.perf_counter() - start
    motion_s = sum(motion.seconds for motion in motions)
    mean_ms = 1e3 * spent_s / len(motions)
    print(f"{name:24}{spent_s:8.1f} s{mean_ms:8.1f} ms each{motion_s / spent_s:8.1f} x real time{accepted:8} accepted")
    return spent_s


def read_peak_memory_mb(process: int) -> float:
    """Return the most memory that a process has had in use so far (Linux)."""
    kilobytes = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    if kilobytes is None:
        raise OSError(f"/proc/{process}/status does not show the peak of its memory")
    return int(kilobytes[1]) / 1024


def main(arguments: Arguments) -> None:
    """Time all correctors and print their ratios."""
    motions = cut_windows(arguments.count)
    workers = arguments.workers
    print(f"{len(motions)} motions of {FRAMES} frames, {sum(motion.seconds for motion in motions):.0f} s")
    tracker = TrackerSettings.at_strength(STRENGTHS["balanced"], arguments.engine)
    physics = replace(SAMPLES.corrector(), tracker=tracker)
    kinematic_s = measure("kinematics alone", SAMPLES.kinematic_corrector, motions, 1)
    single_s = measure("physics, 1 process", physics, motions, 1)
    several_s = measure(f"physics, {workers} at once", replace(physics, workers=workers), motions, workers)
    _, speed = run_clocked(physics, motions)
    print(f"physics in one process: {speed}")
    print(f"physics takes {single_s / kinematic_s:.1f} x as long as kinematics alone")
    print(f"{workers} processes are {single_s / several_s:.2f} x as fast as one")
    for process in multiprocessing.active_children():
        print(f"worker {process.pid}: at most {read_peak_memory_mb(process.pid or 0):.0f} MB")


if __name__ == "__main__":
    main(tyro.cli(Arguments))
