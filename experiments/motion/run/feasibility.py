"""Feasibility of samples: the root residual that they need, in the two ways of `simulators.feasibility`."""

import warnings
from pathlib import Path

import torch
from torch import Tensor

from selfcorrect.core.randomness import Stream
from selfcorrect.loop.policy import sampling_labels
from selfcorrect.models.protocol import GenerativeModel
from selfcorrect.motion.measures.metrics import EXPLAINED, FEASIBILITY, FIELD, find_metric
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.simulators.cleanup.clean import CleanupSettings
from selfcorrect.simulators.feasibility import compute_contact_residual, select_evaluation_engine, simulate_residual
from selfcorrect.storage.files.digests import encode_sealed, read_sealed
from selfcorrect.storage.files.writing import write_atomically
from selfcorrect.storage.runs.run_folder import FEASIBILITY_FILE

from ...studies.arms import ArmSettings
from .models import trained_model
from .parts import JudgedTask
from .seed_runs import MotionRun

SAMPLES = 64
"""Samples of each arm and seed that benchmarks measure."""

KEYS = EXPLAINED
_KEPT = (*KEYS, *(metric.key for metric in FIELD))


def feasibility(motions: MotionBatch, made_by: str) -> dict[str, float]:
    """Means over motions by `KEYS`: as they are, in an engine that did not make them, and after kinematic clean-up.

    made_by: the engine of the loop's correctors. Where no other one is installed, the keys of `FEASIBILITY` are absent.
    """
    engine = select_evaluation_engine(made_by)
    cleanup = CleanupSettings.for_samples()
    contacts = compute_contact_residual(motions, cleanup)
    figures = contacts.mean_force_bodyweights, contacts.without_support
    diagnostics = dict(zip(KEYS[len(FEASIBILITY) :], figures, strict=True))
    if engine is not None:
        needed = simulate_residual(motions, cleanup, engine)
        figures = needed.mean_force_bodyweights, needed.mean_moment_nm, needed.without_support
        diagnostics = dict(zip(FEASIBILITY, figures, strict=True)) | diagnostics
    return {key: find_metric(key).unit.convert(float(values.mean())) for key, values in diagnostics.items()}


def of_arm(run: MotionRun, task: JudgedTask, arm: ArmSettings, count: int = SAMPLES) -> dict[str, float]:
    """Those of raw samples of an arm's last model, as they are evaluated."""
    model = trained_model(task, arm, run.arm_folder(arm), run.settings.generations)
    stream = run.stream.child("unexplained")
    labels = sampling_labels(task.task.real.labels, count, stream.child("label"))
    figures = feasibility(task.beginnings(model.sample(labels, stream.child("sample"))), run.settings.engine)
    return {**figures, **of_field(task, model, run.stream.child("field"))}


def of_field(task: JudgedTask, model: GenerativeModel, stream: Stream) -> dict[str, float]:
    """Means over the repetitions of the field's protocol, where the published model is run."""
    scores = task.field.score_model(model, stream) if task.field else {}
    return {key: float(values.mean()) for key, values in scores.items()}


def feasible_rows(task: JudgedTask, stream: Stream, count: int = SAMPLES) -> Tensor:
    """Select the real windows that are measured."""
    return torch.from_numpy(stream.child("unexplained").numpy().permutation(len(task.fresh))[:count])


def is_measured(run: MotionRun, arm: ArmSettings) -> bool:
    """Return True if an arm's last generation has its figures."""
    path = run.arm_folder(arm) / FEASIBILITY_FILE
    return path.exists() and not run.options.repair and read_sealed(path)["generation"] == run.settings.generations


def write_feasibility(run: MotionRun, task: JudgedTask, arm: ArmSettings) -> None:
    """Measure an arm's last generation and keep it; a failure costs these figures alone."""
    path = run.arm_folder(arm) / FEASIBILITY_FILE
    generation = run.settings.generations
    try:
        figures = of_arm(run, task, arm, run.settings.feasibility_count)
        write_atomically(path, encode_sealed({"generation": generation, **figures}))
    except Exception as error:
        warnings.warn(f"the feasibility of {arm.label}, seed {run.seed}, was not measured: {error}", stacklevel=2)


def read_feasibility(folder: Path) -> dict[int, dict[str, float]]:
    """Generation → figures by `KEYS` and of the field's evaluator, of the one that was measured; else nothing."""
    if not (folder / FEASIBILITY_FILE).is_file():
        return {}
    content = read_sealed(folder / FEASIBILITY_FILE)
    return {content.pop("generation"): {key: content[key] for key in _KEPT if key in content}}
