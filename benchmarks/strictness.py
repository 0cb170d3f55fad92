"""What strict correctors accept in a finished run, by label and generation, and which labels their models still cover.

    python -m benchmarks.strictness runs/motion-strictness --out docs/results/strictness-labels.csv

The run must have been made with `--keep all`. Hard labels are those that no real window of an earlier look was followed
in without root force; easy ones those that always were. Coverage is that of reference windows with these labels, by raw
samples of the last generation.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import tyro

from selfcorrect.core.errors import InputError
from selfcorrect.experiments.motion.correctors.table import CORRECTORS, is_own
from selfcorrect.experiments.motion.run.models import trained_model
from selfcorrect.experiments.motion.run.parts import JudgedTask
from selfcorrect.experiments.motion.run.seed_runs import MotionRun, seed_runs
from selfcorrect.experiments.motion.run.task import motion_task
from selfcorrect.experiments.motion.settings.experiment import settings_from_config
from selfcorrect.experiments.reporting.summary import SUMMARY, read_summary
from selfcorrect.experiments.studies.arms import Arm
from selfcorrect.loop.policy import sampling_labels
from selfcorrect.metrics.neighbours import near_by_label
from selfcorrect.statistics import mean_interval
from selfcorrect.storage.runs.folder_store import FolderReader

HARD = ("backflip", "cartwheel", "roll", "spinkick")
EASY = ("walk", "crawl", "getup_facedown", "getup_faceup")
GROUPS = {"easy": EASY, "hard": HARD}


@dataclass(frozen=True)
class Row:
    """Samples of one label in one generation of an arm."""

    denoiser: str
    arm: str
    seed: int
    generation: int
    label: str
    drawn: int
    accepted: int


@dataclass(frozen=True)
class Covered:
    """The share of the reference windows of a group of labels that an arm's last model covers."""

    denoiser: str
    arm: str
    seed: int
    group: str
    coverage: float


def acceptance(run: MotionRun, arm: Arm, names: Sequence[str]) -> Iterator[Row]:
    """What an arm's corrector accepted; nothing for one whose corrector is not strict."""
    if is_own(arm.corrector) or not CORRECTORS.row(arm.corrector).residual_free:
        return
    store = FolderReader(run.arm_folder(arm))
    for generation in range(1, run.settings.generations + 1):
        drawn = store.batch(generation).drawn
        labels, accepted = drawn.labels.numpy(), drawn.provenance.accepted
        for label in np.unique(labels):
            here = labels == label
            counts = int(here.sum()), int(accepted[here].sum())
            yield Row(run.comparison.denoiser, arm.name, run.seed, generation, names[int(label)], *counts)


def covered(run: MotionRun, task: JudgedTask, arm: Arm) -> Iterator[Covered]:
    """What an arm's last model covers of each group."""
    model = trained_model(task, arm, run.arm_folder(arm), run.settings.generations)
    stream = run.stream.child("strictness")
    labels = sampling_labels(task.task.real.labels, run.settings.judged_count, stream.child("label"))
    batch = task.codec.decode(model.sample(labels, stream.child("sample")))
    reference = task.evaluator.reference
    near = near_by_label(reference.geometric, task.evaluator.geometric(batch), np.zeros(len(labels)))[:, 0] > 0
    names = np.array(task.data.training.label_names)[reference.labels]
    for group, members in GROUPS.items():
        own = near[np.isin(names, members)]
        if len(own):
            yield Covered(run.comparison.denoiser, arm.name, run.seed, group, float(own.mean()))


def acceptance_table(rows: Sequence[Row]) -> str:
    """Accepted of drawn by denoiser, arm and group of labels, generation by generation, in Markdown."""
    generations = sorted({row.generation for row in rows})
    lines = ["| denoiser | arm | labels | " + " | ".join(f"generation {each}" for each in generations) + " |"]
    lines.append("| --- | --- | --- |" + " --- |" * len(generations))
    for denoiser, arm in dict.fromkeys((row.denoiser, row.arm) for row in rows):
        for group, members in {**GROUPS, "all": None}.items():
            cells = []
            for generation in generations:
                own = [
                    row
                    for row in rows
                    if (row.denoiser, row.arm, row.generation) == (denoiser, arm, generation)
                    and (members is None or row.label in members)
                ]
                drawn, accepted = (sum(getattr(row, name) for row in own) for name in ("drawn", "accepted"))
                cells.append(f"{accepted} of {drawn}")
            lines.append(f"| {denoiser} | {arm} | {group} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def coverage_table(found: Sequence[Covered]) -> str:
    """Coverage of easy and hard labels by arm, means over seeds with 95 % intervals, in Markdown."""
    lines = ["| denoiser | arm | " + " | ".join(f"coverage, {group} labels" for group in GROUPS) + " |"]
    lines.append("| --- | --- |" + " --- |" * len(GROUPS))
    for denoiser, arm in dict.fromkeys((each.denoiser, each.arm) for each in found):
        cells = []
        for group in GROUPS:
            own = [each.coverage for each in found if (each.denoiser, each.arm, each.group) == (denoiser, arm, group)]
            interval = mean_interval(np.array(own), bounds=(0.0, 1.0))
            cells.append(f"{interval.estimate:.2f} [{interval.low:.2f}, {interval.high:.2f}]")
        lines.append(f"| {denoiser} | {arm} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


@dataclass(frozen=True)
class Arguments:
    """What strict correctors accept in a finished run, and what is left of easy and hard labels."""

    run: tyro.conf.Positional[Path]
    """A finished run of `selfcorrect motion`, made with `--keep all`."""
    out: Path | None = None
    """CSV of what was accepted, by label."""


def main(arguments: Arguments) -> None:
    """Print both tables, and write the counts by label."""
    settings = settings_from_config(read_summary(arguments.run / SUMMARY).settings)
    rows: list[Row] = []
    found: list[Covered] = []
    for run in seed_runs(settings, arguments.run):
        task = motion_task(settings, run.comparison, run.stream)
        for arm in run.comparison.arms:
            rows += acceptance(run, arm, task.data.training.label_names)
            found += covered(run, task, arm)
    if not rows:
        raise InputError(f"{arguments.run}: no arm of this run has a corrector without root force")
    print(acceptance_table(rows), coverage_table(found), sep="\n\n")
    if arguments.out is not None:
        with arguments.out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
            writer.writeheader()
            writer.writerows(asdict(row) for row in rows)


if __name__ == "__main__":
    main(tyro.cli(Arguments))
