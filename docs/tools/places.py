"""Keeps a seed of the comparison of docs/results/remedies.md, one line per arm: `python docs/tools/places.py RUN SEED`.

RUN is a folder of `selfcorrect motion --preset places`. The rival, real data only with samples that are corrected after
the last generation, is measured here: it needs no loop of its own.
"""

from __future__ import annotations

import json
from pathlib import Path

import tyro

from selfcorrect.core.samples import Samples
from selfcorrect.correctors.loop_correction import Correction
from selfcorrect.experiments.motion.correctors.builtin import build_corrector
from selfcorrect.experiments.motion.run.feasibility import feasibility
from selfcorrect.experiments.motion.run.models import trained_model
from selfcorrect.experiments.motion.run.parts import JudgedTask
from selfcorrect.experiments.motion.run.study import corrector_inputs, make_motion_study
from selfcorrect.experiments.motion.settings.experiment import MotionSettings, settings_from_config
from selfcorrect.experiments.motion.settings.run_options import DEFAULTS
from selfcorrect.experiments.studies.arms import BASELINE
from selfcorrect.experiments.studies.study import SeedRun
from selfcorrect.loop.policy import sampling_labels
from selfcorrect.loop.run import Candidate
from selfcorrect.runtime.progress import silent
from selfcorrect.storage.files.digests import read_sealed
from selfcorrect.storage.runs.folder_store import FolderReader
from selfcorrect.storage.runs.run_folder import FEASIBILITY_FILE, REFERENCES_FILE

OUT = Path(__file__).parents[1] / "results" / "places.jsonl"
AFTERWARDS = "real data only, corrected afterwards"


def main(run: tyro.conf.Positional[Path], seed: tyro.conf.Positional[int]) -> None:
    """Append the scores of a seed's last generation to docs/results/places.jsonl."""
    settings = settings_from_config(read_sealed(run / "config.json"))
    study = make_motion_study(settings)
    seed_run = next(candidate for candidate in study.runs(run) if candidate.seed == seed)
    last = settings.generations
    lines = []
    for arm in study.arms(seed_run.task):
        folder = seed_run.arm_folder(arm)
        scores = {**FolderReader(folder).metrics(last), **read_sealed(folder / FEASIBILITY_FILE)}
        del scores["generation"]
        lines.append({"arm": arm.label, "name": arm.name, "seed": seed, **scores})
    task = study.tasks[seed_run.task].make(seed_run, silent)
    lines.append({"arm": AFTERWARDS, "name": "afterwards", "seed": seed, **score_afterwards(settings, seed_run, task)})
    for name, scores in read_sealed(seed_run.data_folder / REFERENCES_FILE).items():
        lines.append({"arm": name, "name": name, "seed": seed, **scores})
    with OUT.open("a") as file:
        for line in lines:
            numbers = {key: value for key, value in line.items() if isinstance(value, int | float | str)}
            file.write(json.dumps(numbers) + "\n")


def score_afterwards(settings: MotionSettings, run: SeedRun, task: JudgedTask) -> dict[str, float]:
    """Score samples of the real-data baseline's last model after the physics corrector, as raw samples are scored."""
    last = settings.generations
    model = trained_model(task, BASELINE, run.arm_folder(BASELINE), last)
    first = task.model.load_state(FolderReader(run.first_folder).state(0))
    corrector = build_corrector("physics", corrector_inputs(settings, DEFAULTS, run, task, first, silent))
    assert corrector is not None
    correction = Correction(corrector, on_rejection="drop")
    stream = run.stream.child("generation", last, "evaluate")
    candidate = Candidate(last, model, correction, task.real, stream)
    batch = candidate.correct(candidate.samples(settings.evaluated_count))
    assert batch is not None
    values = task.codec.decode(batch.samples.values)
    scores = task.evaluator.evaluate(values, batch.samples.labels.numpy())
    return {**scores, "rejected_count": batch.rejected, **measure_force(settings, run, task, candidate)}


def measure_force(settings: MotionSettings, run: SeedRun, task: JudgedTask, candidate: Candidate) -> dict[str, float]:
    """Measure the root force of corrected samples, of the draws whose root force the run measures uncorrected."""
    stream = run.stream.child("unexplained")
    labels = sampling_labels(task.real.labels, settings.feasibility_count, stream.child("label"))
    values = candidate.model.sample(labels, stream.child("sample"))
    batch = candidate.correct(Samples.synthetic(values, labels, candidate.generation))
    assert batch is not None
    return feasibility(task.codec.decode(batch.samples.values), settings.engine)


if __name__ == "__main__":
    tyro.cli(main)
