"""Score the generations that a motion experiment's run folder kept with today's metrics, as JSON lines.

python docs/tools/rescore.py runs/motion-short rows.jsonl --generations 0 10

Each row has the commit and the versions of the run. Score it on the machine and the day of the run, which each row has,
too.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated

import torch
import tyro

from selfcorrect.core.randomness import streams
from selfcorrect.experiments.studies.arm_curves import REAL_AGAINST_REAL
from selfcorrect.experiments.studies.motion.rescore import rescore_folder
from selfcorrect.experiments.studies.motion.settings import settings_from_config
from selfcorrect.experiments.studies.motion.task import MotionParts, motion_data
from selfcorrect.loop.store.run_folder import CONFIG
from selfcorrect.runtime.machine import find_processor
from selfcorrect.storage.files.digests import read_with_digest

MADE = "environment.json"
"""What a run folder keeps of the run."""


def main(
    folder: Annotated[Path, tyro.conf.Positional],
    rows: Annotated[Path, tyro.conf.Positional],
    generations: tuple[int, ...] = (),
) -> None:
    """Write the scores of a run folder, which may be unfinished.

    Args:
        generations: Generations to score; all by default.
    """
    torch.set_num_threads(1)
    made = {"processor": find_processor(), "date": f"{date.today()}"}
    made |= json.loads((folder / MADE).read_text(encoding="utf-8"))
    made.pop("sha256", None)
    with rows.open("w", encoding="utf-8") as file:
        for kept in rescore_folder(folder, generations or None):
            file.write(json.dumps({**asdict(kept), "made": made}) + "\n")
        for seed, scores in score_real(folder):
            file.write(json.dumps({"seed": seed, "arm": REAL_AGAINST_REAL, "generation": 0, "scores": scores}) + "\n")


def score_real(folder: Path) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield seeds, and scores of real windows that no model was trained on."""
    settings = settings_from_config(read_with_digest(folder / CONFIG))
    for seed in range(settings.first_seed, settings.first_seed + settings.seeds):
        parts = MotionParts(settings, motion_data(settings, streams(seed)))
        yield seed, parts.evaluator.evaluate(parts.data.fresh.batch, parts.data.fresh.labels)


if __name__ == "__main__":
    tyro.cli(main)
