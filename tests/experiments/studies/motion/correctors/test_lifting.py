"""Corrections of motions as correctors of features."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from selfcorrect.core.errors import SampleError
from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.experiments.studies.motion.correctors.lifting import lift_motions
from selfcorrect.loop.correctors.contract import call_corrector
from selfcorrect.motion.editing.transforms import canonicalise
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.results.each import each_motion
from selfcorrect.simulators.results.results import CorrectedMotion, Failure

Make = Callable[..., Motion]


@pytest.fixture
def codec(random_motion: Make) -> FeatureCodec:
    return FeatureCodec.fit(canonicalise(MotionBatch.stack([random_motion(seed) for seed in range(4)])))


@pytest.fixture
def samples(codec: FeatureCodec) -> Samples:
    values = torch.randn(5, 48, len(codec.mean), generator=torch.Generator().manual_seed(0))
    return Samples.synthetic(values, None, generation=1)


def lift_10_cm(motion: Motion) -> Motion:
    return replace(motion, root_m=motion.root_m + np.array([0, 0.1, 0]))


def test_function_becomes_corrector(codec: FeatureCodec, samples: Samples):
    corrected = call_corrector(lift_motions(each_motion(lift_10_cm), codec, "lift"), samples, streams(0))
    before = codec.decode(samples.values)
    after = codec.decode(corrected.samples.values)
    np.testing.assert_allclose(after.root_m - before.root_m, np.full_like(before.root_m, 0.1) * (0, 1, 0), atol=1e-5)
    assert corrected.accepted.all()


def test_in_place_change_is_allowed(codec: FeatureCodec, samples: Samples):
    """Changing samples in place works as returning new ones; SciPy does not turn read-only arrays."""

    def lift_in_place(motion: Motion) -> Motion:
        motion.root_m[:] = Rotation.identity().apply(motion.root_m) + np.array([0, 0.1, 0])
        return motion

    anew = call_corrector(lift_motions(each_motion(lift_10_cm), codec, "lift"), samples, streams(0)).samples.values
    in_place = call_corrector(
        lift_motions(each_motion(lift_in_place), codec, "lift"), samples, streams(0)
    ).samples.values
    assert torch.equal(in_place, anew)
    assert not torch.equal(in_place, samples.values)


@pytest.mark.parametrize("is_cached", [False, True])
def test_in_place_skeleton_raises(codec: FeatureCodec, samples: Samples, is_cached: bool):
    """The loop's own skeleton stays unchanged, although its identity may have been asked for before."""
    codec = replace(codec, skeleton=replace(codec.skeleton))
    offsets_m = codec.skeleton.offsets_m.copy()
    assert not is_cached or codec.skeleton.identity

    def stretch(motion: Motion) -> Motion:
        motion.skeleton.offsets_m[1] *= 2
        return motion

    with pytest.raises(SampleError, match="keep skeleton"):
        call_corrector(lift_motions(each_motion(stretch), codec, "stretch"), samples, streams(0))
    np.testing.assert_array_equal(codec.skeleton.offsets_m, offsets_m)


def test_unchanged_motions_keep_features(codec: FeatureCodec, samples: Samples):
    def correct(motions: Sequence[Motion]) -> list[CorrectedMotion]:
        broken = replace(motions[1], root_m=motions[1].root_m * np.nan)
        answers = [CorrectedMotion(motion) for motion in motions]
        answers[1] = CorrectedMotion(broken, Failure(words="fell"), figures={"height_m": 0.2})
        answers[3] = CorrectedMotion(lift_10_cm(motions[3]), figures={"height_m": 0.9})
        return answers

    corrected = call_corrector(lift_motions(correct, codec, "mixed"), samples, streams(0))
    unchanged = (corrected.samples.values == samples.values).flatten(1).all(dim=1)
    assert unchanged.tolist() == [True, True, True, False, True]
    assert corrected.accepted.tolist() == [True, False, True, True, True]
    assert corrected.info["reason"].tolist() == ["", "fell", "", "", ""]
    np.testing.assert_array_equal(corrected.info["height_m"], [np.nan, 0.2, np.nan, 0.9, np.nan])


def fails_on_the_third(motions: Sequence[Motion]) -> list[CorrectedMotion]:
    counter = iter(range(len(motions)))

    def function(motion: Motion) -> Motion:
        if next(counter) == 2:
            raise RuntimeError("no foot")
        return motion

    return [*each_motion(function)(motions)]


def shorter(motion: Motion) -> Motion:
    return motion.frames(0, 10)


def not_finite(motion: Motion) -> Motion:
    return replace(motion, rotations=motion.rotations * np.nan)


@pytest.mark.parametrize(
    ("function", "sample", "message"),
    [
        (fails_on_the_third, 2, "RuntimeError: no foot"),
        (each_motion(shorter), 0, "48 frames at 30.0 per second.*got 10 frames"),
        (each_motion(not_finite), 0, "not finite"),
        (lambda motions: list(motions), 0, "must return a motion, got Motion"),
    ],
)
def test_bad_answer_names_sample(codec: FeatureCodec, samples: Samples, function: Callable, sample: int, message: str):
    with pytest.raises(SampleError, match=message) as caught:
        lift_motions(function, codec, "bad")(samples)  # type: ignore[call-arg]
    assert caught.value.sample == sample


def test_a_missing_answer_is_refused(codec: FeatureCodec, samples: Samples):
    with pytest.raises(ValueError, match="got 0 for 5"):
        lift_motions(lambda motions: [], codec, "none")(samples)  # type: ignore[call-arg]
