"""Runs killed at random moments, started again until they end, and compared with one that was never interrupted."""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import damage
import numpy as np
import torch
from bad_files import walker
from harness import Case, random_of

from selfcorrect.datasets.files.open import save_motion
from selfcorrect.experiments import text_to_motion
from selfcorrect.experiments.cli import main
from selfcorrect.experiments.correction import correct_file
from selfcorrect.experiments.jobs.run import Job, run_jobs
from selfcorrect.experiments.jobs.where import Where
from selfcorrect.experiments.motion.run.jobs import run_arm, run_first_generation
from selfcorrect.experiments.motion.run.seed_runs import seed_runs
from selfcorrect.experiments.motion.settings.arms import Arm
from selfcorrect.experiments.motion.settings.presets import Comparison, MotionSettings
from selfcorrect.experiments.motion.settings.run_options import RunOptions
from selfcorrect.motion.motion import Motion
from selfcorrect.storage.files.locks import LOCK
from selfcorrect.storage.files.written import JOURNAL
from selfcorrect.storage.runs.folder_store import damage_below


def prepare(folder: Path) -> None:
    """The data that all kinds of work begin with."""
    random, body = np.random.default_rng(0), walker(60)
    for index in range(4):
        root_m = body.root_m + np.cumsum(random.normal(0, 0.01, (60, 3)), axis=0) * [1, 0, 1]
        save_motion(folder / "data" / f"{index}.bvh", Motion(body.skeleton, root_m, body.rotations, 30.0))
        save_motion(folder / "amass" / f"{index}.npz", Motion(body.skeleton, root_m, body.rotations, 30.0))
    save_motion(folder / "tiny.bvh", walker(6))


def loop(folder: Path) -> None:
    """A loop of small Gaussians: nearly all of its time goes into commits."""
    damage.run(folder, 25)


def motion(folder: Path) -> None:
    """The smallest motion experiment, without its report, whose sealed settings name no place."""
    os.chdir(folder)
    settings = MotionSettings(
        (Comparison("dct-mlp", (Arm("replace"), Arm("augment:1"))),), generations=3, seeds=1,
        data=("data",),
        real_count=8, judged_count=12, frames=10, steps={"dct-mlp": 1}, initial_steps={"dct-mlp": 1},
    )  # fmt: skip
    (run,) = seed_runs(settings, Path("run"), RunOptions(device="cpu"))
    jobs = [Job("first", run_first_generation, (run,), 1)]
    jobs += [Job(arm.name, run_arm, (run, arm), 3, ("first",)) for arm in run.comparison.arms]
    run_jobs(jobs, Where(), "motion")


def command(*words: str) -> Callable[[Path], None]:
    """The real command line in a run's folder, its exit code told by SystemExit."""

    def work(folder: Path) -> None:
        os.chdir(folder)
        sys.exit(main(words))

    return work


def shards(folder: Path) -> None:
    """Motions as shards, and these corrected."""
    os.chdir(folder)
    made = main(["data", "shard", "data", "-o", "shards", "--motions-per-shard", "1", "--workers", "1"])
    sys.exit(made or main(["correct", "shards", "-o", "corrected", "--kinematic", "--workers", "1"]))


def filmed(folder: Path) -> None:
    """Corrections with films, whose content does not matter here."""
    correct_file.film = lambda path, pairs: path.write_bytes(b"film")
    command("correct", "data", "-o", "out", "--kinematic", "--video", "--workers", "1")(folder)


class _Words:
    """Captions as two numbers, in place of a language model."""

    name = "words"

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        return torch.tensor([[float("fast" in text), float("fast" not in text)] for text in texts])


def sentences(folder: Path) -> None:
    """Motions from sentences."""
    moving = walker(60)
    text_to_motion.load_motions = lambda _: [replace(moving, text="fast"), replace(moving, text="slow")]
    text_to_motion.minilm = _Words
    words = ("text-to-motion", "walk fast", "walk", "--data", "data", "--out", "out", "--steps", "5")
    command(*words, "--windows.frames", "16")(folder)


def two_workers(folder: Path) -> None:
    """Two programs that make and correct the same shards; the one that comes second is told so, and tries again."""
    other = _child(shards, folder)
    try:
        while (code := os.waitstatus_to_exitcode(os.waitpid(_child(shards, folder), 0)[1])) == 2:
            time.sleep(0.1)
    finally:
        os.waitpid(other, 0)
    sys.exit(code)


_CORRECT = ("correct", "data/0.bvh", "data/1.bvh", "-o", "out", "--workers", "1")
_TINY = ("correct", "tiny.bvh", "-o", "out", "--workers", "1")
_MOTION = (
    *("motion", "--preset", "quick", "--data", "data", "--out", "run", "--generations", "2", "--real-count", "8"),
    *("--judged-count", "12", "--steps", "1", "--initial-steps", "1", "--workers", "1", "--wandb", "off"),
)
WORKS: dict[str, tuple[Callable[[Path], None], int]] = {
    "loop": (loop, 320),
    "shards": (shards, 50),
    "motion": (motion, 50),
    "motion command": (command(*_MOTION), 25),
    "toy": (command("toy", "weighting", "--quick", "--out", "out", "--workers", "1"), 50),
    "correct": (command("correct", "data", "-o", "out", "--kinematic", "--workers", "1"), 180),
    "films": (filmed, 60),
    "sentences": (sentences, 20),
    "two workers": (two_workers, 10),
    "mujoco": (command(*_CORRECT, "--engine", "mujoco"), 10),
    "residual-free": (command(*_TINY, "--engine", "mujoco", "--strength", "residual-free"), 10),
    "scene": (command(*_CORRECT, "--scene.slope-deg", "5", "--scene.load-kg", "3"), 10),
    "correct workers": (command("correct", "data", "-o", "out", "--kinematic", "--workers", "2"), 25),
    "convert": (command("data", "convert", "data", "--out", "out", "--to", "amass", "--overwrite"), 130),
}
"""What is run, and how many of a thousand kills it gets."""


def _content(folder: Path) -> Mapping[str, bytes]:
    """What a run leaves that must not depend on interruptions; nor on times, nor on where it is."""
    skipped = (
        "timings.json",
        "metrics.csv",  # times, beside the figures of metrics.jsonl
        LOCK,
        JOURNAL,
        "report.json",
        "environment.json",
        "report.html",
        "gallery.html",
        "summary.json",
    )
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in skipped]
    paths = [path for path in paths if not (path.name == "digests.json" and (path.parent / "report.html").exists())]
    return {
        str(path.relative_to(folder)): _without_times(path.read_bytes().replace(str(folder).encode(), b""), path.suffix)
        for path in paths
        if not {".records", ".ledger", "data", "amass"} & set(path.relative_to(folder).parts)
    }


def _without_times(content: bytes, suffix: str) -> bytes:
    if suffix not in (".json", ".jsonl"):
        return content
    timeless, count = re.subn(rb'"seconds[a-z_]*": [-0-9.e]+', b"", content)
    return re.sub(rb'"sha256": "[0-9a-f]+"', b"", timeless) if count else content  # a digest of the times, too


def _child(work: Callable[[Path], None], folder: Path) -> int:
    child = os.fork()
    if child == 0:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        sys.stdout, sys.stderr = open(1, "w"), open(2, "w")  # noqa: SIM115 - those of the process
        code = 99
        try:
            work(folder)
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            os._exit(code)
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


KILLS_PER_CASE = 5


def kill_cases(seed: int, count: int, folder: Path) -> list[Case]:
    """Runs that are killed `KILLS_PER_CASE` times each; the works have their shares of the cases."""
    shares = np.cumsum([share for _, share in WORKS.values()])
    shares = shares / shares[-1]
    names = [list(WORKS)[int(np.searchsorted(shares, (case + 0.5) / count))] for case in range(count)]
    for name in dict.fromkeys(names):
        _whole(name, folder)
    return [Case(f"kills:{case} {name}", partial(_case, name, seed, case, folder)) for case, name in enumerate(names)]


def _case(name: str, seed: int, case: int, folder: Path) -> str:
    warnings.simplefilter("ignore")
    random, place = random_of(seed, f"kills {name}", case), folder / f"{name}-{case}"
    (wanted, span_s), work = _whole(name, folder), WORKS[name][0]
    prepare(place)
    kills = 0
    while kills < KILLS_PER_CASE:
        if not _killed(work, place, random.uniform(0, span_s)):
            span_s *= 0.7  # it had ended before, as it has less to do each time
            continue
        kills += 1
        broken = [
            lines
            for run in {path.parent for path in place.rglob("generation-*") if path.parent.suffix != ".tmp"}
            for lines in damage_below(run).values()
        ]
        if broken:
            return f"left damage: {broken[0][0]}"
    code = os.waitstatus_to_exitcode(os.waitpid(_child(work, place), 0)[1])
    if code:
        return f"could not be finished: exit code {code}"
    got = _content(place)
    if left := [*place.rglob(".*.tmp")]:
        return f"left {left[0].relative_to(place)}"
    shutil.rmtree(place)
    if got.keys() != wanted.keys():
        return f"other files: {sorted(got.keys() ^ wanted.keys())[:3]}"
    different = [one for one in got if got[one] != wanted[one]]
    return f"other content: {different[:3]}" if different else ""


def _killed(work: Callable[[Path], None], place: Path, after_s: float) -> bool:
    """Start work and kill it, unless it has ended by then."""
    child = _child(work, place)
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])
