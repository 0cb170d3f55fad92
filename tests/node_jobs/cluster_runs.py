"""Run a small loop from the command line, whose results must not depend on where it runs."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cluster_jobs
import pytest

from selfcorrect.core.errors import JobsError, LostJobError
from selfcorrect.experiments.jobs.on_node import TRIES
from selfcorrect.experiments.jobs.run import Job

LOOP = (
    "motion --preset quick --seeds 1 --arms replace real --real-count 24 --evaluated-count 24 --steps 2 "
    "--initial-steps 5 --wandb off"
)
"""Command for two arms without physics."""
LIMIT_S = 1200
"""Time limit of a command, long enough for a busy machine."""
OUTPUT = "output.log"
TIMES = ("metrics.jsonl", "metrics.csv", "summary.json", "timings.json", "environment.json", "machines.json")
"""Files that record times or the machine of a run."""


def digest(folder: Path) -> dict[str, str]:
    """Return the digest of each file whose content must be the same wherever the loop runs."""
    digests = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in TIMES and path.suffix in (".json", ".safetensors", ".parquet", ".bvh"):
            digests[path.relative_to(folder).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return digests


def selfcorrect(line: str, cwd: Path) -> subprocess.Popen[str]:
    """Start a command with its output in a file, because Ray would fill a pipe that nobody reads."""
    words = [sys.executable, "-m", "selfcorrect.commands.cli", *line.split()]
    with (cwd / OUTPUT).open("w") as file:
        return subprocess.Popen(words, cwd=cwd, stdout=file, stderr=subprocess.STDOUT, text=True)


def succeed(process: subprocess.Popen[str], cwd: Path) -> None:
    """Wait for a command to end with code 0."""
    assert process.wait(LIMIT_S) == 0, (cwd / OUTPUT).read_text()


def assert_killer_is_isolated(run: Callable[..., Any], folder: Path) -> None:
    """Assert that a job that kills its worker, and one that fails, leave a third one alone."""
    jobs = [
        Job("deadly", cluster_jobs.die, (folder,), 1),
        Job("broken", cluster_jobs.fail, (), 1),
        Job("sound", cluster_jobs.note, (folder, "sound"), 1),
    ]
    with pytest.raises(JobsError) as raised:
        run(jobs)
    assert type(raised.value.failed["deadly"]) is LostJobError
    assert str(raised.value.failed["broken"]) == "this motion is broken"
    assert (folder / "tries").read_text() == "x" * TRIES
    assert (folder / "sound").exists()
