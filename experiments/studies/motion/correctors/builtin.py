"""Built-in correctors by name.

A user's module may have some, too.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.loop.correctors.anchors import AnchoredCorrector, fit_anchors, temporal_frequencies
from selfcorrect.loop.correctors.contract import (
    Corrected,
    Corrector,
    call_corrector,
    chain,
    filter_of,
    random_perturbation,
)
from selfcorrect.loop.policy import sampling_labels
from selfcorrect.motion.body.surface import sole_corners_m
from selfcorrect.motion.editing.artefacts import jitter_roots, offset_heights, raise_bodies, slide_bodies
from selfcorrect.motion.editing.transforms import put_on_floor
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.perception.observed_ground import observe_ground
from selfcorrect.runtime.progress import Progress
from selfcorrect.simulators.corrector import correct_samples
from selfcorrect.simulators.pipeline import Pipeline, release_simulator
from selfcorrect.simulators.presets import FILES, SAMPLES, find_simulation
from selfcorrect.simulators.results.results import CorrectedMotion
from selfcorrect.simulators.settings.tracker import FALLBACK, WITHOUT_RESIDUAL, FallbackChoice, TrackerSettings

from .contact_forces import ForceModel
from .lifting import encode_corrections
from .low_pass import as_smooth_as
from .own import CorrectorInputs
from .projection import Projector

ANCHOR_SOURCE_COUNT = 1024
"""Generation-0 samples that are clustered into anchors."""

LOW_PASS_SOURCE_COUNT = 64
"""Generation-0 samples that determine the cut-off of the low-pass filter."""

RANDOM_SOURCE_COUNT = 24
"""Generation-0 samples that determine the share that the random verifier keeps."""


def none(inputs: CorrectorInputs) -> None:
    """Make no corrector."""


def residual_free_pipeline(engine: str, fallback: FallbackChoice = "none") -> Pipeline:
    """Return the stages that correct a loop's samples without root force, in an engine with compliant joints.

    Args:
        fallback: Treatment of bodies that fall.
    """
    tracker = TrackerSettings.without_residual(engine, fallback=fallback)
    search = FALLBACK if tracker.has_fallback else WITHOUT_RESIDUAL
    # Fewer copies than for files: of 16 real windows 11 were followed so; with 64 more copies 13, in almost three times
    # the time.
    shorter = replace(
        search, particle_counts=(16,), beam_width=8, window_s=0.1, backtrack_windows=(8,), alternative=None
    )
    return replace(SAMPLES, tracker=replace(tracker, residual_free=shorter))


def physics(inputs: CorrectorInputs) -> Corrector:
    """Make the physics corrector of features; "fine" is the preset "simulated" of `selfcorrect correct`."""
    pipeline = find_simulation(inputs.simulation, inputs.engine)
    return SampleCorrector(pipeline, inputs.codec, inputs.progress, "physics")


@dataclass(frozen=True)
class SampleCorrector:
    """A corrector that corrects the motions behind features (N, T, D), and reports progress."""

    pipeline: Pipeline
    codec: FeatureCodec
    progress: Progress
    name: str

    def __call__(self, samples: Samples) -> Corrected:
        motions = self.codec.decode(samples.values)
        corrections: list[CorrectedMotion] = []
        for batch in correct_samples(self.pipeline, motions):
            corrections += batch
            self.progress("correct", len(corrections), len(motions))
        release_simulator()
        return encode_corrections(samples, motions, corrections, self.codec)


def kinematic(inputs: CorrectorInputs) -> Corrector:
    """Make the kinematic clean-up alone, which the physics corrector does before it simulates."""
    return SampleCorrector(Pipeline(SAMPLES.cleanup), inputs.codec, inputs.progress, "kinematic")


def clean_up(inputs: CorrectorInputs) -> Corrector:
    """Make the clean-up of files, which finds the floor of each sample; `kinematic` takes the floor as known."""
    return SampleCorrector(Pipeline(FILES.cleanup), inputs.codec, inputs.progress, "clean-up")


def project(inputs: CorrectorInputs) -> Corrector:
    """Make the projection onto motions that stand and do not sink, in the units of the training windows' features."""
    return Projector(inputs.codec, FeatureCodec.fit(inputs.codec.decode(inputs.real.values)))


def project_with_forces(inputs: CorrectorInputs) -> Corrector:
    """Make the projection onto motions that contacts can also carry, as far as they can carry the training windows."""
    windows = inputs.codec.decode(inputs.real.values)
    model = ForceModel.from_skeleton(windows.skeleton, windows.root_m.shape[1], windows.fps)
    free_force = float(model.find_contacts(windows).unexplained.mean())
    return Projector(
        inputs.codec, FeatureCodec.fit(windows), name="force-projection", free_force_bodyweights=free_force
    )


@dataclass(frozen=True)
class Reencoder:
    """A corrector that encodes every motion of features (N, T, D) anew, changed or not."""

    change: Callable[[MotionBatch], MotionBatch]
    codec: FeatureCodec
    name: str

    def __call__(self, samples: Samples) -> Samples:
        motions = self.change(self.codec.decode(samples.values))
        return samples.with_values(self.codec.encode(motions).to(samples.values))


def re_encoded(inputs: CorrectorInputs) -> Corrector:
    """Make the control that decodes each sample to a motion and encodes it again, unchanged."""
    return Reencoder(lambda motions: motions, inputs.codec, "re-encoded")


def floor(inputs: CorrectorInputs) -> Corrector:
    """Make the control that puts the lowest point of each window on the floor."""
    return Reencoder(put_on_floor, inputs.codec, "floor")


def ground(inputs: CorrectorInputs) -> Corrector:
    """Make the control that puts the ground of each window on the floor; before another one, it finds its floor."""
    return Reencoder(put_ground_on_floor, inputs.codec, "ground")


def put_ground_on_floor(batch: MotionBatch) -> MotionBatch:
    """Move the ground that each motion's standing feet show to y = 0.

    A motion that shows no ground stays where it is.
    """
    corners_m = sole_corners_m(batch)
    soles_m = corners_m.reshape(*corners_m.shape[:2], 2, -1, 3)
    heights_m = np.zeros(len(batch))
    for index in range(len(batch)):
        motion = batch[index]
        height_m = observe_ground(motion).find_height_below_m(soles_m[index, : len(motion)], lowest=False)
        heights_m[index] = height_m or 0.0
    return raise_bodies(batch, -heights_m)


@dataclass(frozen=True)
class Damage:
    """A positive control that gives every sample an artefact of a known size."""

    change: Callable[[MotionBatch, np.random.Generator], MotionBatch]
    codec: FeatureCodec
    name: str

    def __call__(self, samples: Samples, stream: Stream) -> Samples:
        motions = self.change(self.codec.decode(samples.values), stream.numpy())
        return samples.with_values(self.codec.encode(motions).to(samples.values))


def sunk(inputs: CorrectorInputs) -> Corrector:
    """Make the damage that sinks by 2 cm."""
    return Damage(lambda motions, rng: raise_bodies(motions, -0.02), inputs.codec, "sunk")


def sliding(inputs: CorrectorInputs) -> Corrector:
    """Make the damage that slides each body at 0.1 m/s in a random direction."""
    return Damage(lambda motions, rng: slide_bodies(motions, 0.1, rng), inputs.codec, "sliding")


def jittery(inputs: CorrectorInputs) -> Corrector:
    """Make the damage that adds noise of 5 mm to the root in each frame."""
    return Damage(lambda motions, rng: jitter_roots(motions, 0.005, rng), inputs.codec, "jittery")


def uneven(inputs: CorrectorInputs) -> Corrector:
    """Make the damage that raises or sinks each sample by its own height, with a standard deviation of 5 cm."""
    return Damage(lambda motions, rng: offset_heights(motions, 0.05, rng), inputs.codec, "uneven")


def make_anchors(inputs: CorrectorInputs, *, real: bool, centroids_only: bool) -> AnchoredCorrector:
    """Make a corrector towards centroids of two real windows each, or of as many samples of generation 0."""
    source = inputs.real if real else _draw_first_samples(inputs, ANCHOR_SOURCE_COUNT)
    per_centroid = max(1, 2 * len(source) // len(inputs.real))
    return AnchoredCorrector(
        fit_anchors(source, per_centroid, inputs.stream.child("anchors"), temporal_frequencies),
        embed=temporal_frequencies,
        project=partial(_project, inputs.codec),
        frozen=centroids_only,
    )


centroids_only = partial(make_anchors, real=False, centroids_only=True)
"""Makes the control that replaces each sample by a centroid of generation-0 samples."""
centroids_only_real = partial(make_anchors, real=True, centroids_only=True)
"""Makes the control that replaces each sample by a centroid of real windows."""


def _draw_first_samples(inputs: CorrectorInputs, count: int) -> Samples:
    """Draw samples of generation 0."""
    labels = sampling_labels(inputs.real.labels, count, inputs.stream.child("label"))
    return Samples.synthetic(inputs.first_model.sample(labels, inputs.stream.child("sample")), labels, 0)


def _project(codec: FeatureCodec, values: Tensor) -> Tensor:
    """Return features with orthonormal rotations."""
    return codec.encode(codec.decode(values)).to(values)


def anchor_to_samples(inputs: CorrectorInputs, *, real: bool = False) -> Corrector:
    """Make anchors for the modes, at generation-0 samples or real windows, followed by physics for realism."""
    anchors = make_anchors(inputs, real=real, centroids_only=False)
    return chain(anchors, physics(inputs), name="anchored+physics")


anchor_to_windows = partial(anchor_to_samples, real=True)
"""Makes anchors of real windows for the modes, then physics for realism."""


def perturb_like_physics(inputs: CorrectorInputs) -> Corrector:
    """Make a control that moves samples as far as physics does, in random directions."""
    return random_perturbation(physics(inputs), "random-perturbation")


def reject_like_physics(inputs: CorrectorInputs) -> Corrector:
    """Make the control that rejects what physics rejects, and moves nothing."""
    return filter_of(physics(inputs), "filter")


def residual_free(inputs: CorrectorInputs) -> Corrector:
    """Make physics without root force, which rejects bodies that fall."""
    return SampleCorrector(residual_free_pipeline(inputs.engine), inputs.codec, inputs.progress, "residual-free")


def residual_free_fallback(inputs: CorrectorInputs) -> Corrector:
    """Make physics without root force, except for bodies that fall: these get as little as necessary."""
    pipeline = residual_free_pipeline(inputs.engine, "balanced")
    return SampleCorrector(pipeline, inputs.codec, inputs.progress, "residual-free-fallback")


def residual_free_verifier(inputs: CorrectorInputs) -> Corrector:
    """Make the verifier that rejects bodies that fall without root force, and moves nothing."""
    return filter_of(residual_free(inputs), "residual-free-verifier")


@dataclass(frozen=True)
class RandomVerifier:
    """Verifier that keeps each sample with the same probability."""

    share: float
    name: str = "random-verifier"

    def __call__(self, samples: Samples, stream: Stream) -> Corrected:
        return Corrected(samples, torch.rand(len(samples), generator=stream.generator()) < self.share)


def random_verifier(inputs: CorrectorInputs) -> Corrector:
    """Make a verifier that keeps a random share, as large as the share of generation-0 samples tracked without root
    force.
    """
    samples = _draw_first_samples(inputs, RANDOM_SOURCE_COUNT)
    answer = call_corrector(residual_free(inputs), samples, inputs.stream.child("random-verifier"))
    return RandomVerifier(float(answer.accepted.double().mean()))


def low_pass(inputs: CorrectorInputs) -> Corrector:
    """Make a filter that leaves samples of generation 0 as smooth as physics does."""
    samples = _draw_first_samples(inputs, LOW_PASS_SOURCE_COUNT)
    return as_smooth_as(physics(inputs), samples, inputs.codec, inputs.stream.child("low-pass"))
