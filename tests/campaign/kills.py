"""Runs killed at random moments, started again until they end, and compared with one that was never interrupted."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import damage
import numpy as np
from bad_files import walker
from harness import Case, random_of

from selfcorrect.datasets.files.open import save_motion
from selfcorrect.experiments.cli import main
from selfcorrect.experiments.jobs import Job, run_jobs
from selfcorrect.experiments.motion.arms import Arm
from selfcorrect.experiments.motion.experiment import run_arm, run_first_generation
from selfcorrect.experiments.motion.presets import Comparison, MotionSettings
from selfcorrect.experiments.motion.seed_runs import seed_runs
from selfcorrect.motion.motion import Motion
from selfcorrect.storage.folder_store import damage_below


def prepare(folder: Path) -> None:
    """The data that all kinds of work begin with."""
    random, body = np.random.default_rng(0), walker(60)
    for index in range(4):
        root_m = body.root_m + np.cumsum(random.normal(0, 0.01, (60, 3)), axis=0) * [1, 0, 1]
        save_motion(folder / "data" / f"{index}.bvh", Motion(body.skeleton, root_m, body.rotations, 30.0))


def loop(folder: Path) -> None:
    """A loop of small Gaussians: nearly all of its time goes into commits."""
    damage.run(folder, 25)


def motion(folder: Path) -> None:
    """The smallest motion experiment, without its report."""
    settings = MotionSettings(
        (Comparison("dct-mlp", (Arm("replace"), Arm("augment:1"))),), generations=3, seeds=1,
        data=(str(folder / "data"),),
        real_count=8, judged_count=12, frames=10, steps={"dct-mlp": 1}, initial_steps={"dct-mlp": 1},
    )  # fmt: skip
    (run,) = seed_runs(settings, folder / "run", device="cpu")
    jobs = [Job("first", run_first_generation, (run,), 1)]
    jobs += [Job(arm.name, run_arm, (run, arm), 3, "first") for arm in run.comparison.arms]
    run_jobs(jobs, 1, "motion")


def correct(folder: Path) -> None:
    """Four motions corrected by kinematics."""
    main(["correct", str(folder / "data"), "-o", str(folder / "out"), "--kinematic"])


def convert(folder: Path) -> None:
    """Four motions converted, which leaves what was not finished beside what was."""
    main(["data", "convert", str(folder / "data"), "--out", str(folder / "out"), "--to", "amass", "--overwrite"])


WORKS: dict[str, tuple[Callable[[Path], None], float]] = {
    "loop": (loop, 0.55), "correct": (correct, 0.25), "convert": (convert, 0.1), "motion": (motion, 0.1),
}  # fmt: skip
"""What is run, and its share of the kills."""


def _content(folder: Path) -> Mapping[str, bytes]:
    """What a run leaves that must not depend on interruptions."""
    skipped = ("timings.json", ".lock", "report.json", "environment.json")
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in skipped]
    return {
        str(path.relative_to(folder)): path.read_bytes().replace(str(folder).encode(), b"") for path in paths
        if ".records" not in path.parts and "data" not in path.relative_to(folder).parts
    }  # fmt: skip


def _child(work: Callable[[Path], None], folder: Path) -> int:
    child = os.fork()
    if child == 0:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        try:
            work(folder)
        except BaseException:
            os._exit(99)
        os._exit(0)
    return child


@functools.cache
def _whole(name: str, folder: Path) -> tuple[Mapping[str, bytes], float]:
    """What the work leaves when nobody interrupts it, and how long it takes."""
    place = folder / f"whole-{name}"
    prepare(place)
    start = time.monotonic()
    code = os.waitstatus_to_exitcode(os.waitpid(_child(WORKS[name][0], place), 0)[1])
    assert code == 0, f"{name} ended with {code} without being killed"
    return _content(place), time.monotonic() - start


def kill_cases(seed: int, count: int, folder: Path) -> list[Case]:
    """Runs with `count` kills in all; several in each."""
    cases = []
    for name, (_, share) in WORKS.items():
        _whole(name, folder)
        for case in range(max(1, round(count * share / 5))):
            cases.append(Case(f"kills:{name} {case}", partial(_case, name, seed, case, folder)))
    return cases


KILLS_PER_CASE = 5


def _case(name: str, seed: int, case: int, folder: Path) -> str:
    warnings.simplefilter("ignore")
    random, place = random_of(seed, f"kills {name}", case), folder / f"{name}-{case}"
    (wanted, seconds), work = _whole(name, folder), WORKS[name][0]
    prepare(place)
    for _ in range(KILLS_PER_CASE):
        child = _child(work, place)
        time.sleep(random.uniform(0, seconds))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        broken = [
            lines
            for run in {path.parent for path in place.rglob("generation-*")}
            for lines in damage_below(run).values()
        ]
        if broken:
            return f"left damage: {broken[0][0]}"
    code = os.waitstatus_to_exitcode(os.waitpid(_child(work, place), 0)[1])
    if code:
        return f"could not be finished: exit code {code}"
    got = _content(place)
    if name != "convert" and (left := list(place.rglob(".*.tmp"))):
        return f"left {left[0].name}"
    shutil.rmtree(place)
    if got.keys() != wanted.keys():
        return f"other files: {sorted(got.keys() ^ wanted.keys())[:3]}"
    different = [one for one in got if got[one] != wanted[one]]
    return f"other content: {different[:3]}" if different else ""
