"""How long the command line takes to answer, and a worker process to start, beside an interpreter that starts and ends.

    python -m benchmarks.startup

Each command runs several times in a separate process; the fastest counts, as everything else is the machine's.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from dataclasses import dataclass

import tyro

COMMANDS = (
    "--help", "--version", "correct --help", "motion --help", "data check --help", "corect", "correct --stength 1",
    "correct nosuch.bvh", "view nosuch.bvh", "motion --data nosuch", "correct x.bvh --strength strong", "data list",
)  # fmt: skip
WORKER = "import selfcorrect.simulators.pipeline, selfcorrect.simulators.engines.pybullet_world"
"""What a process that corrects motions imports."""


@dataclass(frozen=True)
class Arguments:
    """Time help, mistakes and wrong files."""

    repeats: int = 5
    """Runs of each command."""


def fastest(program: list[str], repeats: int) -> tuple[float, float]:
    """Wall-clock and processor seconds of the fastest of several runs."""
    return min(_timed(program) for _ in range(repeats))


def _timed(program: list[str]) -> tuple[float, float]:
    before, start = _processor_s(), time.perf_counter()
    subprocess.run(program, capture_output=True, check=False)
    return time.perf_counter() - start, _processor_s() - before


def _processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(arguments: Arguments) -> None:
    """Print a line per command."""
    empty_s, _ = fastest([sys.executable, "-c", "pass"], arguments.repeats)
    print(f"{'':<34}{'wall s':>8}{'processor s':>13}{'x an empty interpreter':>25}")
    _row("a worker", [sys.executable, "-c", WORKER], arguments.repeats, empty_s)
    for command in COMMANDS:
        _row(
            command, [sys.executable, "-m", "selfcorrect.experiments.cli", *command.split()], arguments.repeats, empty_s
        )


def _row(name: str, program: list[str], repeats: int, empty_s: float) -> None:
    wall_s, processor_s = fastest(program, repeats)
    print(f"{name:<34}{wall_s:>8.2f}{processor_s:>13.2f}{wall_s / empty_s:>25.1f}")


if __name__ == "__main__":
    main(tyro.cli(Arguments))
