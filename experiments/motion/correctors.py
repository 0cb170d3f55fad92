"""Correctors of the motion experiment, by name or from a user's module."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from selfcorrect.anchors import AnchoredCorrector, fit_anchors, temporal_frequencies
from selfcorrect.corrector import Corrector, chain, filter_of, import_corrector, lift, name_of, placebo
from selfcorrect.experiments.jobs import Progress
from selfcorrect.models.protocol import GenerativeModel
from selfcorrect.motion.correction.lifting import each_motion, lift_motions
from selfcorrect.motion.correction.results import CorrectMotions, MotionCorrection
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.motion.motion import Motion
from selfcorrect.policy import sampling_labels
from selfcorrect.randomness import Stream
from selfcorrect.samples import Samples
from selfcorrect.simulators.corrector import BATCH, KinematicCorrector, PhysicsCorrector
from selfcorrect.simulators.mending.precondition import PreconditionSettings

MODEL_WORLD = PreconditionSettings(estimate_floor=False, estimate_drift=False, fit_soles=False, support="floor")
"""A model's samples live in a world whose floor is known; estimating floor and drift would throw them about."""

ANCHOR_SOURCE_COUNT = 1024
"""Generation-0 samples that are clustered into anchors."""


@dataclass(frozen=True)
class Workshop:
    """What correctors are made from: nothing here has seen held-out data."""

    codec: FeatureCodec
    real: Samples
    first_model: GenerativeModel
    stream: Stream
    progress: Progress


def build_corrector(name: str, workshop: Workshop) -> Corrector | None:
    """The corrector with a name of `arms.BUDGETS`, or at "package.module:function"; None for "none".

    A user's function may take `motion` (a Motion → a Motion), `values` (a tensor → a tensor) or `samples`
    (Samples → Samples or Corrected), told apart by the name of its first parameter.
    """
    if name == "none":
        return None
    if ":" in name:
        return _lifted(import_corrector(name), workshop.codec)
    return _BUILDERS[name](workshop)


def _lifted(function: Corrector, codec: FeatureCodec) -> Corrector:
    first = next(iter(inspect.signature(function).parameters), "samples")
    if first == "motion":
        return lift_motions(each_motion(function), codec, name_of(function))  # type: ignore[arg-type]
    if first == "values":
        return lift(function, name_of(function))  # type: ignore[arg-type]
    return function


def physics(workshop: Workshop) -> Corrector:
    """The physics corrector on features."""
    correct = PhysicsCorrector(precondition=MODEL_WORLD)
    return lift_motions(_with_progress(correct, workshop.progress), workshop.codec, "physics")


def _with_progress(correct: CorrectMotions, progress: Progress) -> CorrectMotions:
    """The same correction, a batch at a time, reporting each."""

    def correct_batches(motions: Sequence[Motion]) -> list[MotionCorrection]:
        corrections: list[MotionCorrection] = []
        for start in range(0, len(motions), BATCH):
            corrections += correct(motions[start : start + BATCH])
            progress("correct", len(corrections), len(motions))
        return corrections

    return correct_batches


def kinematic(workshop: Workshop) -> Corrector:
    """The preconditioner of the physics corrector alone."""
    return lift_motions(KinematicCorrector(MODEL_WORLD), workshop.codec, "kinematic")


def anchors(workshop: Workshop, *, real: bool, frozen: bool) -> AnchoredCorrector:
    """Centroids of the real training windows (about two each), or as many of samples of generation 0."""
    if real:
        source, name = workshop.real, "real training windows"
    else:
        labels = sampling_labels(workshop.real.labels, ANCHOR_SOURCE_COUNT, workshop.stream.child("label"))
        values = workshop.first_model.sample(labels, workshop.stream.child("sample"))
        source, name = Samples.synthetic(values, labels, 0), "generation-0 samples"
    per_centroid = max(1, 2 * len(source) // len(workshop.real))
    fitted = fit_anchors(source, per_centroid, workshop.stream.child("anchors"), name, temporal_frequencies)
    return AnchoredCorrector(
        fitted, embed=temporal_frequencies, project=partial(_project, workshop.codec), frozen=frozen
    )


def _project(codec: FeatureCodec, values: Tensor) -> Tensor:
    """Features with orthonormal rotations."""
    return codec.encode(codec.decode(values)).to(values)


def anchored_physics(workshop: Workshop, *, real: bool) -> Corrector:
    """Anchors for the modes, then physics for realism."""
    return chain(anchors(workshop, real=real, frozen=False), physics(workshop), name="anchored+physics")


_BUILDERS: dict[str, Callable[[Workshop], Corrector]] = {
    "kinematic": kinematic,
    "physics": physics,
    "anchored": partial(anchored_physics, real=False),
    "anchored-real": partial(anchored_physics, real=True),
    "frozen": partial(anchors, real=False, frozen=True),
    "frozen-real": partial(anchors, real=True, frozen=True),
    "placebo": lambda workshop: placebo(physics(workshop), "placebo"),
    "filter": lambda workshop: filter_of(physics(workshop), "filter"),
}
