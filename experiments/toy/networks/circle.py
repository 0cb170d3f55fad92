"""Points in twelve narrow modes around a circle, all of one label, and a small diffusion model of them."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.loop.run import Candidate, Task
from selfcorrect.models.diffusion.config import DiffusionConfig
from selfcorrect.models.diffusion.model import MotionDiffusion

COVERAGE = "share of modes left"
_MODES = 12
_DEVIATION = 0.08
_REACH = 4.0
"""Standard deviations of a mode within which a sample is one of it."""
_CONFIG = DiffusionConfig(width=128, depth=2, diffusion_steps=50, sampling_steps=20, learning_rate=2e-3, ema_decay=0.95)


def circle_task(real_count: int, first_steps: int, judged: int, stream: Stream) -> Task:
    """A small network on points as sequences of one frame, and its judge."""
    model = MotionDiffusion(_CONFIG, frames=1, features=2, classes=1, device=torch.device("cpu"))

    def judge(candidate: Candidate) -> dict[str, float]:
        return scores(candidate.samples(judged).values)

    return Task(model, circle(real_count, stream.child("real")), judge, first_steps, space=_points)


def circle(count: int, stream: Stream) -> Samples:
    """Real points (N, 1, 2) of unit variance, in modes around a circle, in turn."""
    angles = 2 * math.pi * (torch.arange(count) % _MODES) / _MODES
    centres = math.sqrt(2) * torch.stack([angles.cos(), angles.sin()], 1)
    noise = torch.randn(centres.shape, generator=stream.torch())
    return Samples.real((centres + _DEVIATION * noise)[:, None], torch.zeros(count, dtype=torch.int64))


def scores(values: Tensor) -> dict[str, float]:
    """Coverage and precision of points (N, 1, 2)."""
    points = _points(values)
    angles = 2 * math.pi * np.arange(_MODES) / _MODES
    centres = math.sqrt(2) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    inside = np.linalg.norm(points[:, None] - centres, axis=-1) < _REACH * _DEVIATION
    return {"coverage": float(inside.any(axis=0).mean()), "precision": float(inside.any(axis=1).mean())}


def _points(values: Tensor) -> np.ndarray:
    return values.flatten(1).double().numpy()
