"""Runs the experiment of docs/results/splits/registration.txt, split by split: `python docs/tools/splits.py DATA RUNS`.

DATA is a folder that holds the data set as the folder cmu-bvh. Splits run one after the other, in the order of the
page. An interrupted run is resumed. Each complete split is kept in docs/results/splits/ and its results are not shown.
Run it from a copy of the repository that does not change meanwhile. `splits_page.py` makes the page.
"""

from __future__ import annotations

import csv
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import numpy as np
import torch
import tyro
from cone_residual import mean_residual_force

from selfcorrect.core.errors import InputError
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.experiments.jobs.run import run_jobs, use_one_thread
from selfcorrect.experiments.jobs.where import Where
from selfcorrect.experiments.motion.settings import MotionSettings, RunOptions
from selfcorrect.experiments.motion.study import make_motion_study
from selfcorrect.experiments.motion.task import JudgedTask, as_samples, trained_model
from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.experiments.studies.jobs import jobs_of
from selfcorrect.experiments.studies.study import SeedRun, Study
from selfcorrect.runtime.progress import silent
from selfcorrect.storage.files.digests import compute_file_digest
from selfcorrect.storage.files.writing import write_atomically
from selfcorrect.storage.runs.folder_store import FolderReader
from selfcorrect.storage.runs.run_folder import describe_environment

RESULTS = Path(__file__).resolve().parents[1] / "results"
KEPT = RESULTS / "splits"
REGISTRATION = KEPT / "registration.txt"
REGISTERED_SHA256 = "6717ffac905eeb0eca7b5a7b77c4e1167ee059c0dc9c02831013a4d8d5f0874d"
"""Digest of the registration, which is not touched after the first run."""

DATA_SET = "cmu-bvh"
SPLITS = 8
FIRST_SEED = 40
"""Seed of split 1; each later split has the next seed."""
FORCE_COUNT = 128
"""Real windows, and samples of each arm, of which the force is measured."""

PHYSICS = ArmSettings("augment:1", "physics")
LOW_PASS = ArmSettings("augment:1", "low-pass")
ARMS = (BASELINE, PHYSICS, LOW_PASS)


Result: TypeAlias = dict[str, Any]
Measure: TypeAlias = Callable[[Study, MotionSettings, SeedRun], Result]


def make_loops(settings: MotionSettings, name: str) -> Study:
    """Return a motion experiment whose jobs only train loops; forces are measured here."""
    return replace(make_motion_study(settings, name, RunOptions(device="cpu", keep="sampling")), measures=())


def deal_subjects(index: Path) -> list[list[int]]:
    """Return the subjects that each split holds out.

    Subjects go from the most frames to the fewest, and are dealt to the splits to and fro. Subjects 60 and 61 dance
    with each other and count as one.
    """
    frames: dict[tuple[int, ...], int] = defaultdict(int)
    with index.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            subject = int(row["subject"])
            frames[(60, 61) if subject in (60, 61) else (subject,)] += int(row["frames"])
    order = sorted(frames, key=lambda subjects: (-frames[subjects], subjects))
    splits: list[list[int]] = [[] for _ in range(SPLITS)]
    for position, subjects in enumerate(order):
        lap, place = divmod(position, SPLITS)
        splits[place if lap % 2 == 0 else SPLITS - 1 - place].extend(subjects)
    return [sorted(subjects) for subjects in splits]


def choose_settings(number: int, folder: Path) -> MotionSettings:
    """Return the settings of a split: one seed, training on all subjects but those that are held out.

    Args:
        number: Number of the split, from 1 on.
        folder: Folder of the data set.
    """
    groups = deal_subjects(folder / "index.csv")
    held_out = groups.pop(number - 1)
    training = [subject for group in groups for subject in group]
    return MotionSettings(
        {"temporal-conv": ARMS},
        data=(f"{folder}#{_name_subjects(training)}",),
        reference=(f"{folder}#{_name_subjects(held_out)}",),
        generations=3,
        seeds=1,
        first_seed=FIRST_SEED - 1 + number,
        real_count=128,
        evaluated_count=128,
        engine="pybullet",
        initial_steps={"temporal-conv": 1000},
        steps={"temporal-conv": 50},
    )


def _name_subjects(subjects: list[int]) -> str:
    return "subjects=" + ",".join(map(str, sorted(subjects)))


def run_split(number: int, settings: MotionSettings, runs: Path, registration: Path, measure: Measure) -> Result:
    """Run the loops of a split, or what is left of them, and return what the page needs of it."""
    started_s = time.process_time()
    study = make_loops(settings, f"split {number}")
    out = runs / f"split-{number}"
    run_jobs(jobs_of(study, out), Where(runner="here"), study.name, folder=out)
    (run,) = study.runs(out)
    measures = measure(study, settings, run)
    return {
        "split": number,
        "seed": run.seed,
        "training": settings.data[0].rpartition("#")[2],
        "held_out": settings.reference[0].rpartition("#")[2],
        "registration_sha256": compute_file_digest(registration),
        "environment": describe_environment(),
        "core_minutes": round((time.process_time() - started_s) / 60, 1),
        **measures,
    }


def draw_held_out(task: JudgedTask, stream: Stream) -> Samples:
    """Return windows of the held-out subjects, of labels that the training subjects have."""
    held_out = as_samples(task.data.reference, task.codec)
    is_known = torch.isin(held_out.labels, task.real.labels)
    return draw_windows(held_out.take(torch.nonzero(is_known).ravel()), stream.child("held out"))


def measure_split(study: Study, settings: MotionSettings, run: SeedRun) -> Result:
    """Return the residual force of real windows and of all arms, and the other scores of the last generation.

    Samples have the labels of the real windows of held-out subjects, and all arms have the same random numbers.
    """
    task = study.tasks[run.task].make(run, silent)
    stream = run.stream.child("cone")
    real = draw_held_out(task, stream)
    force = {}
    scores = {}
    for arm in study.arms(run.task):
        folder = run.arm_folder(arm)
        model = trained_model(task, arm, folder, study.generations)
        values = model.sample(real.labels, stream.child("sample"))
        force[arm.name] = mean_residual_force(task.codec.decode(values))
        scores[arm.name] = dict(FolderReader(folder).metrics(study.generations))
    return {
        "windows": len(real),
        "real": mean_residual_force(task.codec.decode(real.values)),
        "real_of_training_subjects": mean_residual_force(task.codec.decode(draw_windows(task.fresh, stream).values)),
        "force": force,
        "scores": scores,
    }


def draw_windows(samples: Samples, stream: Stream) -> Samples:
    """Return `FORCE_COUNT` of some samples without replacement, or all of fewer."""
    rows = stream.numpy().permutation(len(samples))[:FORCE_COUNT]
    return samples.take(torch.from_numpy(np.sort(rows)))


def prepare(data: Path, registration: Path, registered_sha256: str) -> None:
    """Go to the folder of the data; InputError if the registration is another file."""
    os.chdir(data)
    use_one_thread()
    if compute_file_digest(registration) != registered_sha256:
        raise InputError(f"{registration.name} is not the file that was registered")


def keep(path: Path, run: Callable[[], Result]) -> None:
    """Run a split and keep its result, unless it is kept already."""
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, json.dumps(run(), indent=1) + "\n")
        print(f"{path.stem} is kept", file=sys.stderr, flush=True)


def main(data: Annotated[Path, tyro.conf.Positional], runs: Annotated[Path, tyro.conf.Positional]) -> None:
    """Run the splits that are not kept yet.

    Args:
        data: Folder that holds the data set as the folder cmu-bvh.
        runs: Folder of the run folders.
    """
    runs = runs.resolve()
    prepare(data, REGISTRATION, REGISTERED_SHA256)
    for number in range(1, SPLITS + 1):
        settings = choose_settings(number, Path(DATA_SET))
        keep(KEPT / f"split-{number}.json", partial(run_split, number, settings, runs, REGISTRATION, measure_split))


if __name__ == "__main__":
    tyro.cli(main)
