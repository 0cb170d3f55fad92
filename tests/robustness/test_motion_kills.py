"""`selfcorrect motion` is killed at any moment; the same command gives the bytes of a run that was never killed."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from robustness.damage import examples

from selfcorrect.commands.verification import verify

pytestmark = pytest.mark.nightly

SMALL = [
    *("motion", "--preset", "quick", "--workers", "2", "--wandb", "offline", "--labels", "window"),
    *("--seeds", "1", "--generations", "2", "--real-count", "16", "--evaluated-count", "16"),
    *("--steps", "3", "--initial-steps", "6", "--arms", "replace,sunk+kinematic", "replace"),
]
PROGRAM = "import sys; from selfcorrect.commands.cli import main; sys.exit(main())"
PRIVATE_FILES = ("timings.json", "environment.json", "machines.json", ".selfcorrect.lock")
"""Files that may differ from run to run."""
MOMENTS = (
    "config.json", "*/seed-0/first-generation/generation-0000", "real/seed-0/references.json", "*/*/*/generation-0002",
    "**/.*.tmp", "wandb/offline-run-*/*.wandb", "summary.json", "metrics.csv", "report.html", "tables/*", "SHA256SUMS",
)  # fmt: skip
"""Patterns of files after whose appearance the program is killed: in training, evaluation, logging and the report."""


def start(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, *SMALL, "--out", str(folder)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, text=True, start_new_session=True, **pipes)


def finish(folder: Path) -> None:
    """Run the command to its end."""
    with start(folder) as process:
        output, _ = process.communicate()
    assert process.returncode == 0, output
    assert "Traceback" not in output


def kill(folder: Path, moment: str, wait_s: float, *, alone: bool) -> None:
    """Kill the command some time after a file appears, with its workers or alone, as these end by themselves."""
    with start(folder) as process:
        while process.poll() is None and not any(folder.glob(moment)):
            time.sleep(0.01)
        time.sleep(wait_s)
        if process.poll() is None:
            (os.kill if alone else os.killpg)(process.pid, signal.SIGKILL)
        process.communicate(timeout=600)  # returns once no worker holds the pipe


def read_results(folder: Path) -> Mapping[str, object]:
    """Return all files of a run, without times and the name of the folder."""
    results: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and path.name not in PRIVATE_FILES and not name.startswith("wandb/"):
            results[name] = without_times(path, folder)
    return results


def without_times(path: Path, folder: Path) -> object:
    content = path.read_text(errors="surrogateescape").replace(str(folder), "")
    if path.name == "metrics.csv":
        rows = csv.DictReader(io.StringIO(content))
        return [{key: value for key, value in row.items() if not key.startswith("seconds")} for row in rows]
    if path.name == "summary.json":
        values = json.loads(content)
        values = {key: values[key] for key in ("settings", "floors", "arms")}
        for curves in (curves for group in values["arms"].values() for curves in group):
            curves["values"] = {key: value for key, value in curves["values"].items() if not key.startswith("seconds")}
        return values
    if path.name == "SHA256SUMS":
        return [line.split()[-1] for line in content.splitlines()]
    content = re.sub(r"<dt>(Command|Time [^<]*)</dt>.*", "", content)
    return re.sub(r'"(seconds[a-z_]*|summary|sha256)": ?("[0-9a-f]+"|[-0-9.e]+)', "", content)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, object]:
    folder = tmp_path_factory.mktemp("whole") / "run"
    finish(folder)
    return read_results(folder)


@pytest.mark.parametrize("seed", range(examples(3)))
def test_killed_run_ends_with_the_same_bytes(whole: Mapping[str, object], tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    folder = tmp_path / "run"
    for _ in range(random.integers(1, 4)):
        wait_s = float(random.choice([0.0, random.uniform(0, 2)]))
        kill(folder, str(random.choice(MOMENTS)), wait_s, alone=bool(random.integers(2)))
    finish(folder)
    results = read_results(folder)
    assert results.keys() == whole.keys()
    assert [name for name in results if results[name] != whole[name]] == []
    assert not verify(folder).damage
    assert not list(folder.rglob(".*.tmp"))
