"""How many short motions the physics corrector mends per second, as in a self-consuming loop.

    python experiments/benchmarks/throughput.py --count 512

Windows of 48 frames at 30 per second are corrected in one process and in several; all times are of this run.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import tyro

from selfcorrect.datasets.deepmimic import load_deepmimic
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.corrector import KinematicCorrector, PhysicsCorrector
from selfcorrect.simulators.precondition import PreconditionSettings

FRAMES = 48
KNOWN_FLOOR = PreconditionSettings(estimate_floor=False, estimate_drift=False, fit_soles=False)


@dataclass(frozen=True)
class Arguments:
    """Correct many short motions and print how long it took."""

    count: int = 512
    """Motions to correct."""
    workers: int = 2
    """Processes of the second measurement."""


def windows(count: int) -> list[Motion]:
    """Windows of the built-in motion capture, starting at every other frame, repeated until there are enough."""
    clips = [clip for clip in load_deepmimic() if len(clip) >= FRAMES]
    cut = [clip.frames(start, start + FRAMES) for clip in clips for start in range(0, len(clip) - FRAMES + 1, 2)]
    return [cut[index % len(cut)] for index in range(count)]


def main(arguments: Arguments) -> None:
    """Time both correctors."""
    motions = windows(arguments.count)
    real_s = sum(motion.seconds for motion in motions)
    correctors = {
        "kinematics alone": KinematicCorrector(KNOWN_FLOOR),
        "physics, 1 process": PhysicsCorrector(precondition=KNOWN_FLOOR),
        f"physics, {arguments.workers} at once": PhysicsCorrector(precondition=KNOWN_FLOOR, workers=arguments.workers),
    }
    print(f"{arguments.count} motions of {FRAMES} frames, {real_s:.0f} s")
    for name, corrector in correctors.items():
        corrector(motions[: arguments.workers])  # start processes and build the body before the clock runs
        start = time.perf_counter()
        accepted = sum(correction.accepted for correction in corrector(motions))
        spent_s = time.perf_counter() - start
        each_ms = 1e3 * spent_s / len(motions)
        print(
            f"{name:24}{spent_s:8.1f} s{each_ms:8.1f} ms each{real_s / spent_s:8.1f} x real time{accepted:8} accepted"
        )


if __name__ == "__main__":
    main(tyro.cli(Arguments))
