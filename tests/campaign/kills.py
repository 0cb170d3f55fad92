"""Runs killed at random moments, started again until they end, and compared with one that was never interrupted."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import re
import shutil
import signal
import sys
import time
import traceback
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
from selfcorrect.experiments.cli import main
from selfcorrect.experiments.correction import correct_file
from selfcorrect.experiments.jobs.run import run_jobs
from selfcorrect.experiments.jobs.where import Where
from selfcorrect.experiments.motion import text_to_motion
from selfcorrect.experiments.motion.run.study import MotionStudy, run_references
from selfcorrect.experiments.motion.settings.arms import Arm
from selfcorrect.experiments.motion.settings.presets import DenoiserArms, MotionSettings
from selfcorrect.experiments.motion.settings.run_options import RunOptions
from selfcorrect.experiments.studies.jobs import jobs_of
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
    save_motion(folder / "tiny.bvh", walker(12))


def loop(folder: Path) -> None:
    """A loop of small Gaussians: nearly all of its time goes into commits."""
    damage.run(folder, 25)


def motion(folder: Path) -> None:
    """The smallest motion experiment, without its report, whose sealed settings name no place."""
    os.chdir(folder)
    settings = MotionSettings(
        (DenoiserArms("dct-mlp", (Arm("replace"), Arm("augment:1"))),), generations=3, seeds=1,
        data=("data",),
        real_count=8, judged_count=12, frames=10, steps={"dct-mlp": 1}, initial_steps={"dct-mlp": 1},
    )  # fmt: skip
    study = MotionStudy(settings, options=RunOptions(device="cpu"))
    jobs = [job for job in jobs_of(study, Path("run")) if job.function is not run_references]
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
    other = child(shards, folder)
    try:
        while (code := os.waitstatus_to_exitcode(os.waitpid(child(shards, folder), 0)[1])) == 2:
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


def content(folder: Path) -> Mapping[str, bytes]:
    """What a run leaves that must not depend on interruptions; nor on times, nor on where it is."""
    skipped = (
        "timings.json",
        "metrics.csv",  # times, beside the figures of metrics.jsonl
        LOCK,
        JOURNAL,
        "report.json",
        "environment.json",
        "report.html",
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


def child(work: Callable[[Path], None], folder: Path) -> int:
    """Start work in a forked process; what it says goes into a file beside the folder."""
    process = os.fork()
    if process == 0:
        told = os.open(_message_file(folder), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(told, 1)
        os.dup2(told, 2)
        sys.stdout, sys.stderr = open(1, "w"), open(2, "w")  # noqa: SIM115 - those of the process
        code = 99
        try:
            work(folder)
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return process


def _message_file(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.told")


def ended(process: int, folder: Path) -> str:
    """Wait for work: "" where it was done, "killed", or how else it ended, with the last line that it said."""
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status):
        return "killed"
    if not (code := os.waitstatus_to_exitcode(status)):
        return ""
    lines = _message_file(folder).read_text(errors="replace").split("\n")
    return f"ended with exit code {code}: {next(filter(None, reversed(lines)), '')}"


@functools.cache
def whole(work: Callable[[Path], None], place: Path) -> tuple[Mapping[str, bytes], float]:
    """What the work leaves when nobody interrupts it, and how long it takes once all it needs is imported."""
    for _ in range(2):
        shutil.rmtree(place, ignore_errors=True)
        prepare(place)
        start = time.monotonic()
        wrong = ended(child(partial(_telling_modules, work), place), place)
        assert not wrong, f"{place.name} {wrong}, without being killed"
        _import_all(place)
    return content(place), time.monotonic() - start


def _telling_modules(work: Callable[[Path], None], place: Path) -> None:
    try:
        work(place)
    finally:
        _modules(place).write_text("\n".join(sys.modules))


def _import_all(place: Path) -> None:
    """Import what the work imported, so that what is forked from here need not: that takes longer than most works."""
    for name in _modules(place).read_text().split("\n"):
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def _modules(place: Path) -> Path:
    return place.with_name(f"{place.name}.modules")


def unfinished(work: Callable[[Path], None], place: Path, wanted: Mapping[str, bytes]) -> str:
    """What is wrong where the work is done again and should be like what nobody interrupted; removes the place."""
    if wrong := ended(child(work, place), place):
        return f"could not be finished: {wrong}"
    got = content(place)
    if left := [*place.rglob(".*.tmp")]:
        return f"left {left[0].relative_to(place)}"
    shutil.rmtree(place)
    if got.keys() != wanted.keys():
        return f"other files: {sorted(got.keys() ^ wanted.keys())[:3]}"
    different = [one for one in got if got[one] != wanted[one]]
    return f"other content: {different[:3]}" if different else ""


KILLS_PER_CASE = 5


def kill_cases(seed: int, count: int, folder: Path) -> list[Case]:
    """Runs that are killed `KILLS_PER_CASE` times each; the works have their shares of the cases."""
    names = shared({name: share for name, (_, share) in WORKS.items()}, count)
    for name in dict.fromkeys(names):
        whole(WORKS[name][0], folder / f"whole-{name}")
    return [Case(f"kills:{case} {name}", partial(_case, name, seed, case, folder)) for case, name in enumerate(names)]


def shared(shares: Mapping[str, float], count: int) -> list[str]:
    """So many names, each as often as its share says."""
    edges = np.cumsum(list(shares.values()))
    return [list(shares)[int(np.searchsorted(edges / edges[-1], (case + 0.5) / count))] for case in range(count)]


def _case(name: str, seed: int, case: int, folder: Path) -> str:
    warnings.simplefilter("ignore")
    random, place = random_of(seed, f"kills {name}", case), folder / f"{name}-{case}"
    work = WORKS[name][0]
    wanted, span_s = whole(work, folder / f"whole-{name}")
    prepare(place)
    kills = 0
    while kills < KILLS_PER_CASE:
        process = child(work, place)
        time.sleep(random.uniform(0, span_s))
        os.kill(process, signal.SIGKILL)
        if (wrong := ended(process, place)) != "killed":
            if wrong:
                return f"could not go on after {kills} kills: {wrong}"
            span_s *= 0.7  # it had ended before, as it has less to do each time
            continue
        kills += 1
        if broken := damage_in(place):
            return f"left damage: {broken[0]}"
    return unfinished(work, place, wanted)


def damage_in(place: Path) -> list[str]:
    """What is wrong with the generations in and below a folder."""
    runs = {path.parent for path in place.rglob("generation-*") if path.parent.suffix != ".tmp"}
    return [line for run in runs for lines in damage_below(run).values() for line in lines]
