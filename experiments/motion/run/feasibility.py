"""How feasible samples are: the force that the floor cannot give them, which only physics can take out."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from selfcorrect.core.randomness import Stream
from selfcorrect.experiments.motion.run.models import trained_model
from selfcorrect.experiments.motion.run.seed_runs import SeedRun
from selfcorrect.experiments.motion.run.task import MotionTask
from selfcorrect.experiments.motion.settings.arms import Arm
from selfcorrect.loop.policy import sampling_labels
from selfcorrect.motion.measures.metrics import EXPLAINED, metric_of
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.simulators.checks import missing_bodyweights
from selfcorrect.simulators.cleanup.clean import CleanupSettings
from selfcorrect.storage.files.digests import sealed, unsealed
from selfcorrect.storage.files.writing import write_atomically

UNSUPPORTED_BODYWEIGHTS = 0.5
"""A frame is unsupported in which more than this of the force is missing that bears the body."""

SAMPLES = 64
"""Of each arm and seed."""

KEYS = EXPLAINED
FILE = "feasibility.json"


def unexplained(motions: MotionBatch) -> dict[str, float]:
    """Mean size of the missing force in body weights, and unsupported frames in per cent, by `KEYS`.

    Motions are cleaned up by kinematics first, so that what is left is neither penetration nor skating.
    """
    missing = missing_bodyweights(motions, CleanupSettings.for_samples())
    figures = np.linalg.norm(missing, axis=-1).mean(), (missing[..., 1] > UNSUPPORTED_BODYWEIGHTS).mean()
    return {key: metric_of(key).unit.of(float(figure)) for key, figure in zip(KEYS, figures, strict=True)}


def of_arm(run: SeedRun, task: MotionTask, arm: Arm, count: int = SAMPLES) -> dict[str, float]:
    """Those of raw samples of an arm's last model, as they are judged."""
    model = trained_model(task, arm, run.arm_folder(arm), run.settings.generations)
    stream = run.stream.child("unexplained")
    labels = sampling_labels(task.task.real.labels, count, stream.child("label"))
    return unexplained(task.codec.decode(model.sample(labels, stream.child("sample"))))


def feasible_rows(task: MotionTask, stream: Stream, count: int = SAMPLES) -> Tensor:
    """Which real windows are measured."""
    return torch.from_numpy(stream.child("unexplained").numpy().permutation(len(task.fresh))[:count])


def write_feasibility(run: SeedRun, task: MotionTask, arm: Arm) -> None:
    """Measure an arm's last generation, unless that was done, and keep it; a failure costs these figures alone."""
    path, generation = run.arm_folder(arm) / FILE, run.settings.generations
    if path.exists() and not run.options.repair and unsealed(path)["generation"] == generation:
        return
    try:
        write_atomically(path, sealed({"generation": generation, **of_arm(run, task, arm)}))
    except Exception as error:
        warnings.warn(f"the feasibility of {arm.label}, seed {run.seed}, was not measured: {error}", stacklevel=2)


def read_feasibility(folder: Path) -> dict[int, dict[str, float]]:
    """Generation → figures by `KEYS`, of the one that was measured; nothing where none was."""
    if not (folder / FILE).is_file():
        return {}
    kept = unsealed(folder / FILE)
    return {kept["generation"]: {key: kept[key] for key in KEYS}}
