"""Calibration of samplers whose truth is known."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

import selfcorrect as sc
from selfcorrect.core.randomness import streams
from selfcorrect.loop.models.diffusion.config import DiffusionConfig
from selfcorrect.loop.models.diffusion.model import MotionDiffusion
from selfcorrect.loop.models.resampling import Copying

LABELS = torch.arange(200) % 2
REAL = sc.Samples.real(torch.randn(200, 3, generator=streams(0).generator()), LABELS)


@dataclass(frozen=True)
class Shrinking(Copying):
    """Copies half moved to their label's mean.

    The mean is of the first half of the members only.
    """

    def sample(self, labels: Tensor, stream: sc.Stream) -> Tensor:
        half = replace(self, members=self.members.take(torch.arange(len(self.members) // 2)))
        means = torch.stack([self.members.values[self.members.labels == label].mean(0) for label in (0, 1)])
        return means[labels] + 0.5 * (Copying.sample(half, labels, stream) - means[labels])


def test_copies_keep_all() -> None:
    calibration = sc.calibrate_sampler(Copying(REAL), REAL, streams(1), draws=50)
    assert calibration.offspring_variance == pytest.approx(1 - 1 / 100, abs=0.05)
    assert calibration.within_labels == pytest.approx(1 - 1 / 100, abs=0.05)
    assert calibration.variance_kept == {}
    assert "offspring variance" in str(calibration)


def test_what_shrinks_and_favours_shows() -> None:
    calibration = sc.calibrate_sampler(Shrinking(REAL), REAL, streams(1), draws=20)
    assert calibration.within_labels == pytest.approx(0.25, abs=0.05)
    assert calibration.offspring_variance > 2


def test_diffusion_model_states_variance() -> None:
    config = DiffusionConfig(width=8, depth=1)
    model = MotionDiffusion(config, 3, 1, 2, device=torch.device("cpu"))
    real = sc.Samples.real(REAL.values[..., None], LABELS)
    calibration = sc.calibrate_sampler(model.fit(real, 2, streams(0)), real, streams(1), draws=1)
    assert calibration.variance_kept == {variance: model.variance_kept(variance) for variance in (1.0, 0.1)}
