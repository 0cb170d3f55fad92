"""Compare the recall of a loop's samples with the recall of the real windows that these descend from, the founders.

    python docs/tools/founders.py FOLDER   # runs the loops, or resumes them, and writes founders-recall.csv

Five loops of five generations on the built-in clips (128 training windows, small network, calibrated sampler, eight
seeds that no other experiment uses; about 12 processor minutes). A pair is the samples of one generation, after
correction, and the distinct training windows that these descend from by `selfcorrect.loop.ancestry`. Both recalls count
the same real windows, none of which is a training window. Nothing is fitted. Two kinds of recall are compared: as
published, with balls as wide as a set's own neighbours, and with balls of one size.

Expected, written down before the first score was computed. Before the loops began, the first expectation was of recall
as published; a test on Gaussian vectors then showed that the balls of few founders are wide, and balls of one size were
added:

* The recall of samples follows the recall of founders: r of at least 0.9 over all 200 pairs, with a bootstrap interval
  over seeds, and a mean difference of at most 0.05, with balls of one size. As published r is lower.
* A corrector leaves the founders as they are: physics and kinematic clean-up change the share of founders with a
  descendant after five generations by less than 0.03 of the training windows, and each interval includes 0.
* `lineages` and λ = 1 keep more founders than the fully synthetic loop, and more recall.

Added after the first scores: the recall, as published, of founders that count as often as they have descendants.

The script is frozen: it ran as docs/tools/founders.py at commit de4057ec, where its imports resolve.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from scipy.spatial.distance import cdist

from selfcorrect.experiments.jobs.where import Where
from selfcorrect.experiments.motion.report import make_motion_page
from selfcorrect.experiments.motion.settings import MotionSettings
from selfcorrect.experiments.motion.study import check_motion_study, make_motion_study
from selfcorrect.experiments.motion.task import make_motion_task
from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.experiments.studies.run import run_study
from selfcorrect.experiments.studies.study import SeedRun, seed_runs
from selfcorrect.runtime.processes import default_workers
from selfcorrect.statistics.neighbours import neighbour_metrics
from selfcorrect.storage.runs.folder_store import FolderReader

RESULTS = Path(__file__).with_suffix(".csv")
DENOISER = "small-dct-mlp"
ARMS = {
    "fully synthetic": ArmSettings("replace"),
    "physics": ArmSettings("replace", "physics"),
    "kinematic": ArmSettings("replace", "kinematic"),
    "lineages": ArmSettings("replace", remedy="lineages"),
    "λ = 1": ArmSettings("augment:1"),
}
SETTINGS = MotionSettings(
    {DENOISER: (BASELINE, *ARMS.values())},
    generations=5,
    seeds=8,
    first_seed=70,
    real_count=128,
    evaluated_count=128,
    feasibility_count=16,
    engine="mujoco",
)
COLUMNS = ("recall", "equal_recall", "founders", "founders_recall", "founders_equal_recall", "copies_recall")
"""Recall of samples, as published and with balls of one size; share of founders with a descendant; recall of founders
in both ways, and of one copy of a founder for each descendant."""


def find_equal_recall(reference: np.ndarray, vectors: np.ndarray, training: np.ndarray, neighbours: int = 5) -> float:
    """Return the share of reference vectors (N, D) in a ball around some vector (M, D), with balls of one size.

    The radius is the median distance of a training vector (n, D) to its k-th nearest neighbour, so that copies and
    shrinking among the vectors do not change the balls.
    """
    radius = np.median(np.sort(cdist(training, training), axis=1)[:, neighbours])
    return float((cdist(reference, vectors) < radius).any(axis=1).mean())


def compare_recall(
    reference: np.ndarray, samples: np.ndarray, founder: np.ndarray, training: np.ndarray
) -> tuple[float, ...]:
    """Return the `COLUMNS` of a set of samples.

    Args:
        reference: (R, D) real vectors that recall counts.
        samples: (N, D) vectors of samples.
        founder: (N,) rows of `training` that the samples descend from.
        training: (n, D) vectors of the training windows.
    """
    founders = training[np.unique(founder)]
    return (
        neighbour_metrics(reference, samples)["recall"],
        find_equal_recall(reference, samples, training),
        len(founders) / len(training),
        neighbour_metrics(reference, founders)["recall"],
        find_equal_recall(reference, founders, training),
        neighbour_metrics(reference, training[founder])["recall"],
    )


def score_seed(run: SeedRun) -> Iterator[tuple[int | str, ...]]:
    """Yield a row for each arm and generation of a seed."""
    task = make_motion_task(SETTINGS, DENOISER, run.stream)
    reference = task.evaluator.reference.geometric
    embed = task.evaluator.geometric
    training = embed(task.codec.decode(task.real.values))
    for title, arm in ARMS.items():
        reader = FolderReader(run.arm_folder(arm))
        for generation in range(1, SETTINGS.generations + 1):
            samples = reader.samples(generation)
            vectors = embed(task.codec.decode(samples.values))
            scores = compare_recall(reference, vectors, samples.provenance.founder, training)
            yield run.seed, title, generation, *(f"{score:.7g}" for score in scores)


def main(folder: Annotated[Path, tyro.conf.Positional]) -> None:
    """Run the loops and write the table."""
    study = check_motion_study(make_motion_study(SETTINGS, "founders"))
    run_study(study, make_motion_page(SETTINGS), folder, Where(default_workers()))
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("seed", "arm", "generation", *COLUMNS))
        for run in seed_runs([DENOISER], SETTINGS.first_seed, SETTINGS.seeds, folder):
            writer.writerows(score_seed(run))


if __name__ == "__main__":
    tyro.cli(main)
