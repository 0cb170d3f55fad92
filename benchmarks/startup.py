"""Time the answers of the command line and the start of a worker process, beside an empty interpreter.

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
"""Imports of a process that corrects motions."""


@dataclass(frozen=True)
class Arguments:
    """Time help, mistakes and wrong files."""

    repeats: int = 5
    """Runs of each command."""


def time_fastest(program: list[str], repeats: int) -> tuple[float, float]:
    """Return wall-clock and processor seconds of the fastest of several runs."""
    return min(_time_run(program) for _ in range(repeats))


def _time_run(program: list[str]) -> tuple[float, float]:
    processor_start_s = _get_processor_s()
    start_s = time.perf_counter()
    subprocess.run(program, capture_output=True, check=False)
    return time.perf_counter() - start_s, _get_processor_s() - processor_start_s


def _get_processor_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main(arguments: Arguments) -> None:
    """Print a line per command."""
    empty_s, _ = time_fastest([sys.executable, "-c", "pass"], arguments.repeats)
    print(f"{'':<34}{'wall s':>8}{'processor s':>13}{'x an empty interpreter':>25}")
    programs = {"a worker": [sys.executable, "-c", WORKER]}
    for command in COMMANDS:
        programs[command] = [sys.executable, "-m", "selfcorrect.experiments.cli", *command.split()]
    for name, program in programs.items():
        wall_s, processor_s = time_fastest(program, arguments.repeats)
        print(f"{name:<34}{wall_s:>8.2f}{processor_s:>13.2f}{wall_s / empty_s:>25.1f}")


if __name__ == "__main__":
    main(tyro.cli(Arguments))
