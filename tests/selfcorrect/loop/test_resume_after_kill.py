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

from selfcorrect.correctors.correction import Correction
from selfcorrect.correctors.contract import Corrected
from selfcorrect.loop.run import Plan, Task, run_loop, train_first_generation
from selfcorrect.models.gaussian import Gaussian
from selfcorrect.loop.policy import parse_policy
from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.storage.runs.folder_store import FolderStore

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
        run_loop(task, plan, arm, first, stream)


def at_sync(count, act):
    fsync, calls = os.fsync, iter(range(1, 10**6))

    def acting(descriptor):
        if next(calls) == count:
            act()
        fsync(descriptor)

    os.fsync = acting


def run_until_killed(folder, moment):
    # when it is about to sync its n-th file, which is in the middle of a commit, or after so many seconds: it waits at
    # some sync for that, so that it certainly still works
    kind, number = moment.split("=")
    child = os.fork()
    if child == 0:
        if kind == "sync":
            at_sync(int(number), lambda: os.kill(os.getpid(), signal.SIGKILL))
        else:
            at_sync(MOST_SYNCS, lambda: time.sleep(10**6))
        run(folder)
        os._exit(0)
    if kind == "seconds":
        time.sleep(float(number))
        os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


folder, syncs, *moments = sys.argv[1:]
MOST_SYNCS = int(syncs)
print(sum(run_until_killed(Path(folder), moment) for moment in moments))
run(Path(folder))
"""


MOST_SYNCS = 12
"""Syncs after which each killed loop has gone on by some generations, and all of them together are not done."""


def start(folder: Path, moments: list[str]) -> int:
    """Run the loop in another process, killing it at each moment, then to its end; returns the number of kills."""
    command = [sys.executable, "-c", LOOP, str(folder), str(MOST_SYNCS), *moments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("timings.json", ".selfcorrect.lock")
    }


@pytest.mark.long
def test_the_final_folder_is_the_same_byte_for_byte(tmp_path: Path):
    random = np.random.default_rng(0)
    in_commits = [f"sync={count}" for count in random.integers(1, MOST_SYNCS, size=8)]
    at_any_time = [f"seconds={delay}" for delay in random.uniform(0.02, 0.2, size=6)]
    assert start(tmp_path / "whole", []) == 0
    assert start(tmp_path / "killed", random.permutation(in_commits + at_any_time).tolist()) == 14
    whole = digests(tmp_path / "whole")
    assert len(whole) > 40 * 3
    assert digests(tmp_path / "killed") == whole
