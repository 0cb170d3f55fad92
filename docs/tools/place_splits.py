"""Runs the experiment of docs/results/place-splits/registration.txt: `python docs/tools/place_splits.py DATA RUNS`.

DATA is a folder that holds the data set as the folder cmu-bvh. Splits are those of `splits.py`, and run one after the
other. An interrupted run is resumed. Each complete split is kept in docs/results/place-splits/ and its results are not
shown. Run it from a copy of the repository that does not change meanwhile. `splits_page.py` makes the page.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from cone_residual import mean_residual_force
from splits import DATA_SET, RESULTS, SPLITS, choose_settings, draw_held_out, draw_windows, keep, prepare, run_split

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.loop_correction import Correction, apply_corrector
from selfcorrect.experiments.motion.correctors.own import build_corrector
from selfcorrect.experiments.motion.settings import DEFAULTS, MotionSettings
from selfcorrect.experiments.motion.study import corrector_inputs
from selfcorrect.experiments.motion.task import JudgedTask, trained_model
from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.experiments.studies.study import SeedRun, Study
from selfcorrect.runtime.progress import silent
from selfcorrect.storage.runs.folder_store import FolderReader

KEPT = RESULTS / "place-splits"
REGISTRATION = KEPT / "registration.txt"
REGISTERED_SHA256 = "20de3070a0751b4b40986aa6bc9aa508ece0ce2db1d937a1b05b1b07f62f3dac"
"""Digest of the registration, which is not touched after the first run."""

FIRST_SEED = 60
"""Seed of split 1; each later split has the next seed."""
DRAWS = 4
"""Draws of each model, over which scores are averaged."""
MEASURED_FORCES = 64
"""Samples of a set of which the residual force is measured."""
AFTERWARDS = "afterwards"
"""Samples of the real-data baseline that are corrected after the last generation."""

PAIRS = ArmSettings("real", "physics", place="preference")
KINEMATIC_PAIRS = ArmSettings("real", "kinematic", place="preference")
SHUFFLED_PAIRS = ArmSettings("real", "physics", place="shuffled-preference")
UNCORRECTED = ArmSettings("augment:1")
DATA = ArmSettings("augment:1", "physics")
FILTER = replace(DATA, place="filter")
PREFERENCE = replace(DATA, place="preference")
SYNTHETIC = ArmSettings("replace")
SYNTHETIC_DATA = ArmSettings("replace", "physics")
SYNTHETIC_PREFERENCE = replace(SYNTHETIC_DATA, place="preference")
SAMPLER = replace(DATA, place="sampler")
STAGES = (
    (BASELINE, DATA, PREFERENCE),
    (PAIRS, KINEMATIC_PAIRS, UNCORRECTED),
    (replace(DATA, remedy="lineages"), replace(PREFERENCE, remedy="lineages")),
    (SHUFFLED_PAIRS, FILTER),
    (SYNTHETIC, SYNTHETIC_DATA, SYNTHETIC_PREFERENCE),
    (SAMPLER,),
)
"""Arms in the order in which they are run: all splits of a stage before the next stage. The registration names
the first four stages; stages 5 and 6 were added when the first four were complete."""


def choose_place_settings(number: int, folder: Path, arms: Sequence[ArmSettings]) -> MotionSettings:
    """Return the settings of a split: subjects as in `splits.py`, another network, other seeds."""
    return replace(
        choose_settings(number, folder),
        arms={"dct-mlp": tuple(arms)},
        first_seed=FIRST_SEED - 1 + number,
        initial_steps={"dct-mlp": 1000},
        steps={"dct-mlp": 40},
    )


def measure_split(study: Study, settings: MotionSettings, run: SeedRun) -> dict[str, object]:
    """Return the scores of real windows of the held-out subjects, and of samples of each arm's last model.

    Samples have the labels of these windows, and all arms have the same random numbers.
    """
    task = study.tasks[run.task].make(run, silent)
    stream = run.stream.child("places")
    real = draw_held_out(task, stream)
    scores = {"real": score(task, [real]), "real_of_training_subjects": score(task, [draw_windows(task.fresh, stream)])}
    loops = {}
    for arm in study.arms(run.task):
        folder = run.arm_folder(arm)
        model = trained_model(task, arm, folder, study.generations)
        draws = []
        for draw in range(DRAWS):
            values = model.sample(real.labels, stream.child("sample", draw))
            draws.append(Samples.synthetic(values, real.labels, study.generations))
        scores[arm.name] = score(task, draws)
        loops[arm.name] = dict(FolderReader(folder).metrics(study.generations))
        if arm == BASELINE:
            corrected = correct_afterwards(settings, run, task, draws[0], stream.child("correct"))
            scores[AFTERWARDS] = score(task, [corrected])
    return {"windows": len(real), "scores": scores, "loops": loops}


def correct_afterwards(
    settings: MotionSettings, run: SeedRun, task: JudgedTask, samples: Samples, stream: Stream
) -> Samples:
    """Return samples after the physics corrector, without the rejected ones."""
    first = task.model.load_state(FolderReader(run.first_folder).state(0))
    corrector = build_corrector("physics", corrector_inputs(settings, DEFAULTS, run, task, first, silent))
    assert corrector is not None
    return apply_corrector(samples, Correction(corrector, on_rejection="drop"), stream).samples


def score(task: JudgedTask, draws: Sequence[Samples]) -> dict[str, float]:
    """Return the scores of draws against the windows of held-out subjects, averaged over draws.

    The residual root force is that of the first `MEASURED_FORCES` samples of the first draw.
    """
    motions = [task.codec.decode(samples.values) for samples in draws]
    evaluate = task.evaluator.evaluate
    scores = [evaluate(batch, samples.labels.numpy()) for batch, samples in zip(motions, draws, strict=True)]
    means = {key: float(np.mean([draw[key] for draw in scores])) for key in scores[0]}
    force = mean_residual_force(task.codec.decode(draws[0].values[:MEASURED_FORCES]))
    return {**means, "count": len(draws[0]), "draws": len(draws), "force_bodyweights": force}


def main(data: Annotated[Path, tyro.conf.Positional], runs: Annotated[Path, tyro.conf.Positional]) -> None:
    """Run the splits that are not kept yet, stage by stage.

    Args:
        data: Folder that holds the data set as the folder cmu-bvh.
        runs: Folder of the run folders.
    """
    runs = runs.resolve()
    prepare(data, REGISTRATION, REGISTERED_SHA256)
    for stage, number in itertools.product(range(1, len(STAGES) + 1), range(1, SPLITS + 1)):
        settings = choose_place_settings(number, Path(DATA_SET), STAGES[stage - 1])
        run = partial(run_split, number, settings, runs, REGISTRATION, measure_split)
        keep(KEPT / f"stage-{stage}-split-{number}.json", run)


if __name__ == "__main__":
    tyro.cli(main)
