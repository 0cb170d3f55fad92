"""Runs the next seeds of the experiment of docs/results/registration.md: `python docs/tools/recipe_runs.py DATA RUNS`.

Seeds run one after the other, in the order of the page, and so do stages. A run that was interrupted is resumed. Each
complete seed is kept in docs/results/recipe/, and its results are not shown. Run it from a copy of the repository
that does not change meanwhile.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import tyro
from recipe import REFERENCES, SEEDS, SPLITS, STAGES, Stage, keep_seed

TRAINING = {"A": "cmu-bvh#train", "B": "cmu-bvh#subjects=1,3,5,6,7,9,10,11,16,26,27,35,49,94,135"}
"""Motions that train, by split of the subjects."""


def find_missing_seeds() -> Iterator[tuple[Stage, int]]:
    """Yield the seeds that are not kept yet, in the order in which they run."""
    for stage in STAGES:
        for seed in SEEDS:
            if not stage.path(seed).exists():
                yield stage, seed


def build_options(stage: Stage, seed: int) -> list[str]:
    """Return the options of `selfcorrect motion` for a seed of a stage, as the page registers them."""
    split = SPLITS[seed]
    options = ["--preset", stage.preset, "--first-seed", str(seed), "--seeds", "1"]
    options += ["--data", TRAINING[split], "--reference", *REFERENCES[split]]
    if stage.denoiser != "dct-mixer":
        options += ["--denoiser", stage.denoiser]
        options += ["--initial-steps", str(stage.initial_steps), "--steps", str(stage.steps)]
    return options


def main(
    data: Annotated[Path, tyro.conf.Positional],
    runs: Annotated[Path, tyro.conf.Positional],
    count: int = 1,
    dry_run: bool = False,
) -> None:
    """Run the next seeds of the experiment, on one core.

    Args:
        data: Folder in which the data set is, as the folder cmu-bvh.
        runs: Folder of the run folders.
        count: Number of seeds.
        dry_run: Print the commands and run nothing.
    """
    for (stage, seed), _ in zip(list(find_missing_seeds()), range(count), strict=False):
        out = runs.resolve() / f"stage-{stage.number}-seed-{seed}"
        command = ["selfcorrect", "motion", *build_options(stage, seed)]
        command += ["--runner", "here", "--wandb", "off", "--out", str(out)]
        print(" ".join(command), flush=True)
        if dry_run:
            continue
        program = Path(sys.executable).with_name("selfcorrect")
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run([str(program), *command[1:]], cwd=data, env=environment, check=True, stdout=subprocess.DEVNULL)
        print(keep_seed(out), flush=True)


if __name__ == "__main__":
    tyro.cli(main)
