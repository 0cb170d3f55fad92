"""Correctors of the motion experiment that draw at random."""

from __future__ import annotations

import pytest
import torch

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.contract import call_corrector
from selfcorrect.experiments.motion.correctors.builtin import HEAVIEST_LOAD_KG, SceneCorrector, drawn_scene
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.motion.motion import MotionBatch


def test_scenes_are_drawn_from_the_stream_alone():
    drawn = [drawn_scene(streams(seed).child("scene")) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(0 < scene.load_kg < HEAVIEST_LOAD_KG and scene.slope_deg == 0 for scene in drawn)


@pytest.mark.slow
def test_scenes_vary_the_same_sample(clips):
    """Two batches of the same window, each in its own scene."""
    batch = MotionBatch.stack([clips["walk"].frames(0, 24)] * 17)
    codec = FeatureCodec.fit(batch)
    samples = Samples.synthetic(codec.encode(batch), torch.zeros(17, dtype=torch.int64), 0)
    correct = SceneCorrector(codec, lambda *_: None)
    values, again = (call_corrector(correct, samples, streams(3)).samples.values for _ in range(2))
    assert torch.equal(values, again)
    assert torch.equal(values[0], values[15])
    assert not torch.allclose(values[0], values[16], atol=1e-3)
    other = call_corrector(correct, samples, streams(4)).samples.values
    assert not torch.allclose(values[0], other[0], atol=1e-3)


def test_answers_of_batches_are_joined(clips):
    batch = MotionBatch.stack([clips["walk"].frames(0, 12)] * 17)
    codec = FeatureCodec.fit(batch)
    samples = Samples.synthetic(codec.encode(batch), torch.arange(17), 0)
    corrected = call_corrector(SceneCorrector(codec, lambda *_: None), samples, streams(3))
    assert corrected.samples.labels.tolist() == list(range(17))
    assert corrected.accepted.all()
    assert len(corrected.info["moved_m"]) == 17
