"""Score what a run folder keeps with new metrics, for runs that are older than a metric."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from selfcorrect.core.errors import RunFolderError
from selfcorrect.core.randomness import Stream
from selfcorrect.loop.run import Candidate
from selfcorrect.loop.store.folder_store import FolderReader
from selfcorrect.loop.store.run_folder import CONFIG
from selfcorrect.storage.files.digests import read_with_digest

from ..arms import BASELINE, ArmSettings
from .settings import settings_from_config
from .study import motion_runs
from .task import MotionTask, make_motion_task, trained_model


@dataclass(frozen=True)
class KeptScores:
    """Scores of one generation's samples, each of an arm."""

    task: str
    seed: int
    arm: str
    """Key of the arm; "" for generation 0, which all arms share."""
    generation: int
    """Generation of the model that drew the samples."""
    count: int
    """Number of samples."""
    drawn_again: bool
    """True for the samples of the evaluation, which the kept model drew once more; False for the samples that the model
    drew as training data, before correction."""
    scores: Mapping[str, float]
    """Metric → value, in the shown units."""


def rescore_folder(root: Path, generations: Collection[int] | None = None) -> Iterator[KeptScores]:
    """Score all generations whose model or samples the folder of a motion experiment keeps.

    A kept model draws the samples of its evaluation again, with the same random numbers: metrics that the run measured
    have their old values. For a generation without a model, the samples are scored that it drew as training data. They
    are other draws, and as many as the arm's policy asked for; compare Fréchet distances at equal numbers only.

    Args:
        root: Run folder, which may be unfinished.
        generations: Generations to score; None for all.

    Raises:
        RunFolderError: The folder is not the run folder of a motion experiment.
    """
    config = read_with_digest(root / CONFIG) if (root / CONFIG).is_file() else {}
    if "comparisons" not in config:
        raise RunFolderError(f"{root}: expected the run folder of a motion experiment, got no {CONFIG} of one")
    settings = settings_from_config(config)
    for run in motion_runs(settings, root):
        task = make_motion_task(settings, run.task, run.stream)
        first = run.first()
        if first.latest == 0 and (generations is None or 0 in generations):
            scores = _evaluate_again(task, BASELINE, first, 0, run.stream)
            yield KeptScores(run.task, run.seed, "", 0, settings.evaluated_count, True, scores)
        for arm in settings.arms[run.task]:
            kept = run.generations(arm)
            for generation in range(1, kept.latest + 1):
                if generations is not None and generation not in generations:
                    continue
                if generation == kept.latest or kept.has_whole_model(generation):
                    scores = _evaluate_again(task, arm, kept, generation, run.stream)
                    yield KeptScores(run.task, run.seed, arm.key, generation, settings.evaluated_count, True, scores)
                elif kept.has_samples(generation + 1) and len(drawn := kept.batch(generation + 1).drawn):
                    scores = task.score_samples(drawn)
                    yield KeptScores(run.task, run.seed, arm.key, generation, len(drawn), False, scores)


def _evaluate_again(
    task: MotionTask, arm: ArmSettings, kept: FolderReader, generation: int, stream: Stream
) -> dict[str, float]:
    """Score the samples of a generation's evaluation, drawn again."""
    model = trained_model(task, arm, kept, generation)
    own_stream = stream.child("generation", generation, "evaluate")
    scores = task.evaluate(Candidate(generation, model, None, task.real, own_stream))
    return {key: float(np.asarray(value)) for key, value in scores.items()}
