"""Which captions lose retrieval in finished runs of the preset `text`, with an interval over captions.

    python -m benchmarks.caption_losses runs/seed-0 runs/seed-1

Models of generation 0 and of the last one draw motions for each caption that is judged. What a caption loses is the
difference of its R-precision. Intervals are percentiles of means over captions that are drawn again, rare and common
ones apart; captions of several seeds count as different. So they say what other captions would show, of these runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro

from selfcorrect.core.randomness import Stream, streams
from selfcorrect.experiments.motion.run.captions import THIRDS
from selfcorrect.experiments.motion.run.models import trained_model
from selfcorrect.experiments.motion.run.parts import JudgedTask
from selfcorrect.experiments.motion.run.seed_runs import MotionRun, seed_runs
from selfcorrect.experiments.motion.run.task import motion_task
from selfcorrect.experiments.motion.settings.experiment import settings_from_config
from selfcorrect.experiments.reporting.summary import read_summary
from selfcorrect.experiments.studies.arms import Arm
from selfcorrect.metrics.retrieval import r_precision

TOPS = (1, 3)
REPEATS = 2000


def precision(task: JudgedTask, arm: Arm, folder: Path, generation: int, draws: int, stream: Stream) -> np.ndarray:
    """R-precision (len(TOPS), C) of each caption; NaN for one that is not judged."""
    judge = task.captions
    assert judge is not None
    asked = np.repeat(np.flatnonzero(judge.third >= 0), draws)
    model = trained_model(task, arm, folder, generation)
    ranks = judge.ranks(task.codec.decode(model.sample(torch.from_numpy(asked), stream)), asked)
    found = np.full((len(TOPS), len(judge.third)), np.nan)
    for row, top in enumerate(TOPS):
        found[row, asked[::draws]] = r_precision(ranks, len(judge.third), top).reshape(-1, draws).mean(axis=1)
    return found


def losses(run: MotionRun, draws: int) -> Iterator[tuple[Arm, np.ndarray, np.ndarray]]:
    """Each arm with what its captions lose (len(TOPS), C) and their thirds (C,)."""
    task, stream = motion_task(run.settings, run.comparison, run.stream), streams(run.seed).child("caption losses")
    assert task.captions is not None
    before = precision(task, run.comparison.arms[0], run.first_folder, 0, draws, stream)
    for arm in run.comparison.arms:
        after = precision(task, arm, run.arm_folder(arm), run.settings.generations, draws, stream)
        yield arm, before - after, task.captions.third


def difference(lost: np.ndarray, third: np.ndarray) -> tuple[float, float, float]:
    """By how much more rare captions lose than common ones, and its interval; losses (C,), thirds (C,)."""
    rare, common = (lost[third == THIRDS.index(name)] for name in ("rare", "common"))
    rng = streams(0).child("captions drawn again").numpy()
    drawn = [rng.choice(part, (REPEATS, len(part))).mean(axis=1) for part in (rare, common)]
    low, high = np.percentile(drawn[0] - drawn[1], [2.5, 97.5])
    return float(rare.mean() - common.mean()), float(low), float(high)


def main(runs: Annotated[tuple[Path, ...], tyro.conf.Positional], draws: int = 10) -> None:
    """Print a table of all arms."""
    told: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for folder in runs:
        for run in seed_runs(settings_from_config(read_summary(folder).settings), folder):
            for arm, lost, third in losses(run, draws):
                told.setdefault(arm.label, []).append((lost, third))
    print("| arm | top | rare captions lose | common captions lose | rare − common |\n| --- | --- | --- | --- | --- |")
    for label, parts in told.items():
        lost, third = np.concatenate([part for part, _ in parts], axis=1), np.concatenate([part for _, part in parts])
        for row, top in enumerate(TOPS):
            means = [lost[row, third == THIRDS.index(name)].mean() for name in ("rare", "common")]
            apart, low, high = difference(lost[row], third)
            cells = f"{means[0]:+.3f} | {means[1]:+.3f} | {apart:+.3f} [{low:+.3f} … {high:+.3f}]".replace("-", "−")
            print(f"| {label} | {top} | {cells} |")


if __name__ == "__main__":
    tyro.cli(main)
