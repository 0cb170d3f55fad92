"""Children in a matched loop keep valid rotations and their parents' energy at high frequencies."""

from dataclasses import replace

import numpy as np
import scipy.fft
import torch

from selfcorrect.core.randomness import streams
from selfcorrect.experiments.studies.motion.presets import PRESETS
from selfcorrect.experiments.studies.motion.study import finish_children
from selfcorrect.experiments.studies.motion.task import as_samples, motion_data
from selfcorrect.loop.correctors.anchors import LOW_FREQUENCIES
from selfcorrect.loop.remedies.spectrum import restore_energy
from selfcorrect.motion.encodings.features import FeatureCodec


def energy(values: torch.Tensor) -> float:
    return float(np.square(scipy.fft.dct(values.double().numpy(), axis=1, norm="ortho")[:, LOW_FREQUENCIES:]).sum())


def test_rotations_valid_with_parents_energy() -> None:
    """Raw samples are not quite rotations, and making them valid adds energy, which must not stay."""
    data = motion_data(replace(PRESETS["quick"], real_count=24, evaluated_count=12), streams(0))
    codec = FeatureCodec.fit(data.training.batch)
    real = as_samples(data.training, codec)
    parents = codec.encode(codec.decode(real.values))
    raw = codec.mean + codec.std * parents
    raw[..., 3:] *= 0.9  # all rotations a little short
    children = ((raw - codec.mean) / codec.std).float()
    finished = finish_children(codec, children, parents, real.labels)
    torch.testing.assert_close(codec.encode(codec.decode(finished)), finished, atol=1e-3, rtol=0)
    assert abs(energy(finished) / energy(parents) - 1) < 0.01
    assert energy(codec.encode(codec.decode(restore_energy(children, parents, real.labels)))) > 1.05 * energy(parents)
