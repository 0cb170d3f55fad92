"""A loop killed at random moments and started again ends byte for byte like one that was never interrupted."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

LOOP = """
import os, signal, sys, time
from pathlib import Path

import torch

from selfcorrect.correction import Correction
from selfcorrect.corrector import Corrected
from selfcorrect.loop import Plan, Task, run_loop, train_first_generation
from selfcorrect.models.gaussian import Gaussian
from selfcorrect.policy import parse_policy
from selfcorrect.randomness import streams
from selfcorrect.samples import Samples
from selfcorrect.store import FolderStore
from selfcorrect.tracking import MetricsFile

CONFIG = {"generations": 40, "policy": "accumulate_subsample:60"}


def shrink_and_reject(samples, stream):
    noise = torch.randn(samples.values.shape, generator=stream.torch(), dtype=torch.float64)
    return Corrected(samples.with_values(samples.values * 0.9 + 0.1 * noise), samples.values[:, 0] > -1)


def run(folder):
    stream = streams(11)
    model = Gaussian.standard(2)
    real = Samples.real(model.sample(torch.zeros(50, dtype=torch.int64), stream.child("data")))
    task = Task(model, real, lambda candidate: {"mean": candidate.samples(20).values.mean()})
    plan = Plan(parse_policy(CONFIG["policy"]), CONFIG["generations"], correction=Correction(shrink_and_reject, 2.0))
    with FolderStore(folder / "first", CONFIG) as first, FolderStore(folder / "arm", CONFIG, keep_models=False) as arm:
        train_first_generation(task, first, stream)
        run_loop(task, plan, arm, first, stream, observe=MetricsFile(folder / "arm" / "metrics.jsonl", arm, first))


def run_until_killed(folder, seconds):
    child = os.fork()
    if child == 0:
        run(folder)
        os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


folder, *delays = sys.argv[1:]
print(sum(run_until_killed(Path(folder), float(delay)) for delay in delays))
run(Path(folder))
"""


def start(folder: Path, delays: list[float]) -> int:
    """Run the loop in another process, killing it after each delay, then to its end; returns the number of kills."""
    command = [sys.executable, "-c", LOOP, str(folder), *map(str, delays)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "timings.json"
    }


@pytest.mark.slow
def test_the_final_folder_is_the_same_byte_for_byte(tmp_path: Path):
    delays = np.random.default_rng(0).uniform(0.02, 0.3, size=8).tolist()
    assert start(tmp_path / "whole", []) == 0
    assert start(tmp_path / "killed", delays) >= 3
    whole = digests(tmp_path / "whole")
    assert len(whole) > 40 * 3
    assert digests(tmp_path / "killed") == whole
    lines = (tmp_path / "killed/arm/metrics.jsonl").read_text().splitlines()
    assert len(lines) == 41
