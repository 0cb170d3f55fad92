"""The low-pass filter that is physics' cheap rival."""

import numpy as np
import pytest
import torch

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.experiments.studies.motion.correctors.low_pass import LowPass, as_smooth_as
from selfcorrect.loop.correctors.contract import lift
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.motion.measures.physical import physical_errors
from selfcorrect.motion.motion import MotionBatch


@pytest.fixture(name="codec", scope="module")
def _codec(clips) -> FeatureCodec:
    return FeatureCodec.fit(MotionBatch.stack([clips["walk"].frames(0, 32)] * 4))


def _samples(codec: FeatureCodec, clips, noise: float) -> Samples:
    values = codec.encode(MotionBatch.stack([clips["walk"].frames(start, 32 + start) for start in range(4)]))
    noisy = values + noise * torch.randn(values.shape, generator=torch.Generator().manual_seed(0))
    return Samples.synthetic(noisy, torch.zeros(4, dtype=torch.int64), 0)


def _jerk_m_s3(codec: FeatureCodec, samples: Samples) -> float:
    return float(physical_errors(codec.decode(samples.values)).jerk_m_s3.mean())


@pytest.mark.parametrize(("cutoff_hz", "remaining_share"), [(4.0, 1.0), (2.0, 0.5), (0.5, 0.0)])
def test_slow_sway_passes(clips, codec, cutoff_hz, remaining_share):
    """Two passes halve the amplitude at the cut-off."""
    batch = codec.decode(torch.zeros(1, 120, len(codec.mean)))
    time_s = np.arange(120) / codec.fps
    batch.root_m[0, :, 1] += 0.1 * np.sin(2 * np.pi * 2.0 * time_s)
    samples = Samples.synthetic(codec.encode(batch), torch.zeros(1, dtype=torch.int64), 0)
    height_m = codec.decode(LowPass(codec, cutoff_hz)(samples).values).root_m[0, 40:80, 1]
    assert np.ptp(height_m) / 0.2 == pytest.approx(remaining_share, abs=0.08)


def test_cutoff_matches_jerk(clips, codec):
    samples = _samples(codec, clips, 0.05)
    rival = LowPass(codec, 5.0)
    low_pass = as_smooth_as(rival, samples, codec, streams(0))
    assert low_pass.cutoff_hz == pytest.approx(5.0, abs=0.02)
    assert _jerk_m_s3(codec, low_pass(samples)) == pytest.approx(_jerk_m_s3(codec, rival(samples)), rel=0.01)
    assert _jerk_m_s3(codec, low_pass(samples)) < 0.8 * _jerk_m_s3(codec, samples)


def test_smooth_samples_stay(clips, codec):
    samples = _samples(codec, clips, 0.0)
    shaking = lift(lambda values: values + 0.1 * torch.randn(values.shape, generator=torch.Generator().manual_seed(1)))
    low_pass = as_smooth_as(shaking, samples, codec, streams(0))
    assert torch.allclose(low_pass(samples).values, samples.values, atol=0.1)
