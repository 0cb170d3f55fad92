"""Judge the last generation of run folders by ankle paths with and without heights, as JSON lines.

python docs/tools/ankle_heights.py docs/results/repetition-heights.jsonl runs/repetition-208 runs/repetition-209

A correction that lifts bodies changes six of the 24 statistics. Without these, the energy distance says nothing about
the height of the floor.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import torch
import tyro

from selfcorrect.experiments.studies.motion.settings import settings_from_config
from selfcorrect.experiments.studies.motion.study import motion_runs
from selfcorrect.experiments.studies.motion.task import make_motion_task, trained_model
from selfcorrect.loop.run import Candidate
from selfcorrect.motion.measures.ankles import STATISTICS, ankle_distance, ankle_statistics
from selfcorrect.storage.files.digests import read_with_digest

HEIGHTS = (0, 1, 2, 11, 12, 13)
"""Statistics that are heights in the world."""
OTHERS = [index for index in range(STATISTICS) if index not in HEIGHTS]


def main(kept: Annotated[Path, tyro.conf.Positional], folders: Annotated[list[Path], tyro.conf.Positional]) -> None:
    """Write a row for each arm of each folder."""
    torch.set_num_threads(1)
    rows = [row for folder in folders for row in judge(folder)]
    kept.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def judge(folder: Path) -> Iterator[dict[str, object]]:
    """Yield arms with both distances."""
    settings = settings_from_config(read_with_digest(folder / "config.json"))
    commit = read_with_digest(folder / "environment.json")["git_commit"][:8]
    for run in motion_runs(settings, folder):
        task = make_motion_task(settings, run.task, run.stream)
        reference = ankle_statistics(task.data.reference.batch)
        for arm in settings.arms[run.task]:
            kept = run.generations(arm)
            model = trained_model(task, arm, kept, kept.latest)
            stream = run.stream.child("generation", kept.latest, "evaluate")
            samples = Candidate(kept.latest, model, None, task.real, stream).samples(settings.evaluated_count)
            ankles = ankle_statistics(task.codec.decode(samples.values))
            yield {
                "arm": arm.key,
                "seed": run.seed,
                "generation": kept.latest,
                "energy_ankles": float(f"{ankle_distance(reference, ankles):.6g}"),
                "energy_without_heights": float(f"{ankle_distance(reference[:, OTHERS], ankles[:, OTHERS]):.6g}"),
                "commit": commit,
            }


if __name__ == "__main__":
    tyro.cli(main)
