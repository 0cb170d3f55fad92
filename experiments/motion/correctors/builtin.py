"""Correctors of the motion experiment, by name or from a user's module."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.anchors import AnchoredCorrector, fit_anchors, temporal_frequencies
from selfcorrect.correctors.contract import (
    Corrected,
    Corrector,
    call_corrector,
    chain,
    filter_of,
    placebo,
)
from selfcorrect.loop.policy import sampling_labels
from selfcorrect.motion.correction.lifting import MotionCorrector
from selfcorrect.motion.correction.results import CorrectedMotion
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.runtime.heap import give_back_freed_memory
from selfcorrect.runtime.progress import Progress
from selfcorrect.simulators.cleanup.clean import CleanupSettings
from selfcorrect.simulators.corrector import KinematicCorrector, PhysicsCorrector, correct_samples
from selfcorrect.simulators.pipeline import release_simulator
from selfcorrect.simulators.settings.engine_table import PUBLISHED_ENGINE
from selfcorrect.simulators.settings.tracker import (
    FALLBACK,
    PRESETS,
    RESIDUAL_FREE,
    SIMULATED,
    WITHOUT_RESIDUAL,
    FallbackChoice,
)
from selfcorrect.simulators.stages.scene import PLAIN, Scene
from selfcorrect.simulators.stages.values import select_motions

from .low_pass import as_smooth_as
from .own import CorrectorInputs, own_corrector
from .table import CORRECTORS, is_own, stages

HARDEST_PUSH_N, HEAVIEST_LOAD_KG = 300.0, 15.0
"""Bounds of what is drawn for `scenes`."""

SAMPLES_IN_SCENE = 16
"""Samples that are in each of these scenes."""

ANCHOR_SOURCE_COUNT = 1024
"""Generation-0 samples that are clustered into anchors."""

LOW_PASS_SOURCE_COUNT = 64
"""Generation-0 samples on which the cut-off of the low-pass filter is found."""

RANDOM_SOURCE_COUNT = 24
"""Generation-0 samples that say which share the random verifier keeps."""


def build_corrector(name: str, inputs: CorrectorInputs) -> Corrector | None:
    """The corrector with a name of `CORRECTORS`, or at "package.module:function"; None for "none".

    Names joined by "+" are built-in correctors that work one after the other.

    The name of its first parameter says what a function of a user or of another package does. It may take `motion` (a
    Motion → a Motion), `values` (a tensor → a tensor) or `samples` (Samples → Samples or Corrected). Or it makes a
    corrector from `inputs` (CorrectorInputs → Corrector). It runs in a separate process unless `inputs.in_process`.
    """
    if is_own(name):
        return own_corrector(name, inputs)
    made = [CORRECTORS.load(stage)(inputs) for stage in stages(name)]
    return made[0] if len(made) == 1 else chain(*made, name=name)


def none(inputs: CorrectorInputs) -> None:
    """No corrector."""


def sample_corrector(engine: str = PUBLISHED_ENGINE, scene: Scene = PLAIN) -> PhysicsCorrector:
    """The physics corrector of a loop's samples: the preset "simulated", as of `selfcorrect correct`."""
    preset = PRESETS[SIMULATED]
    return PhysicsCorrector(
        preset.tracker(engine), CleanupSettings.for_samples(), scene=scene, simulate=preset.simulate
    )


def residual_free_corrector(engine: str, fallback: FallbackChoice = "none") -> PhysicsCorrector:
    """The corrector of a loop's samples without root force, in an engine with compliant joints.

    fallback: what becomes of bodies that fall.
    """
    tracker = PRESETS[RESIDUAL_FREE].tracker(engine, fallback=fallback)
    search = FALLBACK if tracker.has_fallback else WITHOUT_RESIDUAL
    # Fewer copies than for files: of 16 real windows 11 were followed so; with 64 more copies 13, in almost three times
    # the time.
    shorter = replace(search, particle_counts=(16,), beam_width=8, window_s=0.1, backtrack_windows=(8,))
    return PhysicsCorrector(replace(tracker, residual_free=shorter), CleanupSettings.for_samples())


def physics(inputs: CorrectorInputs) -> Corrector:
    """The physics corrector on features."""
    return _on_samples(sample_corrector(inputs.engine), inputs.codec, inputs.progress, "physics")


def _on_samples(
    corrector: KinematicCorrector | PhysicsCorrector, codec: FeatureCodec, progress: Progress, name: str
) -> MotionCorrector:
    """A corrector on features, which reports its progress."""
    return MotionCorrector(lambda motions: _correct_batches([(corrector, motions)], progress), codec, name)


def _correct_batches(
    batches: Sequence[tuple[KinematicCorrector | PhysicsCorrector, MotionBatch]], progress: Progress
) -> list[CorrectedMotion]:
    """Correct batches, each with its corrector; a simulator and training take memory in turn."""
    give_back_freed_memory()
    corrections: list[CorrectedMotion] = []
    for corrector, motions in batches:
        for some in correct_samples(corrector, motions):
            corrections += some
            progress("correct", len(corrections), sum(len(each) for _, each in batches))
    release_simulator()
    return corrections


@dataclass(frozen=True)
class SceneCorrector:
    """Physics in a scene drawn anew for each few samples: variation that mechanics allows and no model has made."""

    codec: FeatureCodec
    progress: Progress
    engine: str = PUBLISHED_ENGINE
    name: str = "scenes"

    def __call__(self, samples: Samples, stream: Stream) -> Corrected:
        def correct(motions: MotionBatch) -> list[CorrectedMotion]:
            starts = range(0, len(motions), SAMPLES_IN_SCENE)
            scenes = [drawn_scene(stream.child("scene", start)) for start in starts]
            parts = [
                select_motions(motions, range(start, min(start + SAMPLES_IN_SCENE, len(motions)))) for start in starts
            ]
            correctors = [sample_corrector(self.engine, scene) for scene in scenes]
            return _correct_batches(list(zip(correctors, parts, strict=True)), self.progress)

        return MotionCorrector(correct, self.codec, self.name)(samples)


def drawn_scene(stream: Stream) -> Scene:
    """A scene on a level floor on Earth."""
    draw = stream.numpy()
    push_n, heading_rad = draw.uniform(0, HARDEST_PUSH_N), draw.uniform(0, 2 * np.pi)
    return Scene(
        push_n=(push_n * np.sin(heading_rad), 0.0, push_n * np.cos(heading_rad)),
        push_from_s=draw.uniform(0.1, 1.0),
        friction=draw.uniform(0.3, 0.9),
        load_kg=draw.uniform(0.0, HEAVIEST_LOAD_KG),
        mass=draw.uniform(0.8, 1.25),
    )


def scenes(inputs: CorrectorInputs) -> Corrector:
    """The physics corrector in scenes drawn at random."""
    return SceneCorrector(inputs.codec, inputs.progress, inputs.engine)


def kinematic(inputs: CorrectorInputs) -> Corrector:
    """The kinematic clean-up of the physics corrector alone."""
    corrector = KinematicCorrector(CleanupSettings.for_samples())
    return _on_samples(corrector, inputs.codec, inputs.progress, "kinematic")


def anchors(inputs: CorrectorInputs, *, real: bool, frozen: bool) -> AnchoredCorrector:
    """Centroids of the real training windows (about two each), or as many of samples of generation 0."""
    source = inputs.real if real else _first_samples(inputs, ANCHOR_SOURCE_COUNT)
    per_centroid = max(1, 2 * len(source) // len(inputs.real))
    fitted = fit_anchors(source, per_centroid, inputs.stream.child("anchors"), temporal_frequencies)
    return AnchoredCorrector(fitted, embed=temporal_frequencies, project=partial(_project, inputs.codec), frozen=frozen)


def _first_samples(inputs: CorrectorInputs, count: int) -> Samples:
    """Samples of generation 0."""
    labels = sampling_labels(inputs.real.labels, count, inputs.stream.child("label"))
    return Samples.synthetic(inputs.first_model.sample(labels, inputs.stream.child("sample")), labels, 0)


def _project(codec: FeatureCodec, values: Tensor) -> Tensor:
    """Features with orthonormal rotations."""
    return codec.encode(codec.decode(values)).to(values)


def anchored_physics(inputs: CorrectorInputs, *, real: bool) -> Corrector:
    """Anchors for the modes, then physics for realism."""
    return chain(anchors(inputs, real=real, frozen=False), physics(inputs), name="anchored+physics")


def physics_placebo(inputs: CorrectorInputs) -> Corrector:
    """Moves samples as far as physics, in random directions."""
    return placebo(physics(inputs), "placebo")


def physics_filter(inputs: CorrectorInputs) -> Corrector:
    """Rejects what physics rejects, and moves nothing."""
    return filter_of(physics(inputs), "filter")


def residual_free(inputs: CorrectorInputs) -> Corrector:
    """Physics without root force: rejects what falls."""
    correct = residual_free_corrector(inputs.engine)
    return _on_samples(correct, inputs.codec, inputs.progress, "residual-free")


def residual_free_fallback(inputs: CorrectorInputs) -> Corrector:
    """Physics without root force, but for bodies that fall: these get as little as helps."""
    correct = residual_free_corrector(inputs.engine, "balanced")
    return _on_samples(correct, inputs.codec, inputs.progress, "residual-free-fallback")


def residual_free_verifier(inputs: CorrectorInputs) -> Corrector:
    """Rejects what falls without root force, and moves nothing."""
    return filter_of(residual_free(inputs), "residual-free-verifier")


@dataclass(frozen=True)
class RandomVerifier:
    """Keeps each sample with one probability, whatever it is."""

    share: float
    name: str = "random-verifier"

    def __call__(self, samples: Samples, stream: Stream) -> Corrected:
        return Corrected(samples, torch.rand(len(samples), generator=stream.generator()) < self.share)


def random_verifier(inputs: CorrectorInputs) -> Corrector:
    """Keeps the share of samples that can be followed without root force, of generation 0."""
    samples = _first_samples(inputs, RANDOM_SOURCE_COUNT)
    answer = call_corrector(residual_free(inputs), samples, inputs.stream.child("random-verifier"))
    return RandomVerifier(float(answer.accepted.double().mean()))


def low_pass(inputs: CorrectorInputs) -> Corrector:
    """A filter that leaves samples of generation 0 as smooth as physics does."""
    samples = _first_samples(inputs, LOW_PASS_SOURCE_COUNT)
    return as_smooth_as(physics(inputs), samples, inputs.codec, inputs.stream.child("low-pass"))


anchored = partial(anchored_physics, real=False)
anchored_real = partial(anchored_physics, real=True)
frozen = partial(anchors, real=False, frozen=True)
frozen_real = partial(anchors, real=True, frozen=True)
