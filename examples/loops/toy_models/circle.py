"""Diffuse points in twelve modes on a circle.

The model is small, and all are of one label.
"""

import math

import numpy as np
import torch
from torch import Tensor

import selfcorrect as sc
from selfcorrect.loop.models.diffusion.config import DiffusionConfig
from selfcorrect.loop.models.diffusion.model import MotionDiffusion

MODES = 12
DEVIATION = 0.08
REACH = 4.0
"""Standard deviations of a mode within which a sample belongs to it."""


def make_circle_task(real_count: int, initial_steps: int, judged: int, stream: sc.Stream) -> sc.Task:
    """Make the task of a diffusion model on points (N, 1, 2), with their judge."""
    config = DiffusionConfig(
        width=128, depth=2, diffusion_steps=50, sampling_steps=20, learning_rate=2e-3, ema_decay=0.95,
        sampler="ddim", eta=1.0,  # of the figures that the theory gallery keeps
    )  # fmt: skip
    model = MotionDiffusion(config, frames=1, features=2, classes=1, device=torch.device("cpu"))
    real = draw_circle(real_count, stream.child("real"))

    def measure(candidate: sc.Candidate) -> dict[str, float]:
        return measure_modes(candidate.samples(judged).values)

    return sc.Task(model, real, measure, initial_steps, space=to_points)


def draw_circle(count: int, stream: sc.Stream) -> sc.Samples:
    """Draw real points (N, 1, 2) of unit variance from each mode in turn."""
    angles = 2 * math.pi * (torch.arange(count) % MODES) / MODES
    centres = math.sqrt(2) * torch.stack([angles.cos(), angles.sin()], 1)
    noise = torch.randn(centres.shape, generator=stream.generator())
    return sc.Samples.real((centres + DEVIATION * noise)[:, None], torch.zeros(count, dtype=torch.int64))


def measure_modes(values: Tensor) -> dict[str, float]:
    """Measure the shares of reached modes, and of points (N, 1, 2) in modes."""
    angles = 2 * math.pi * np.arange(MODES) / MODES
    centres = math.sqrt(2) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    distances = np.linalg.norm(to_points(values)[:, None] - centres, axis=-1)
    is_inside = distances < REACH * DEVIATION
    is_reached = is_inside.any(axis=0)
    is_in_a_mode = is_inside.any(axis=1)
    return {"coverage": float(is_reached.mean()), "precision": float(is_in_a_mode.mean())}


def to_points(values: Tensor) -> np.ndarray:
    return values.flatten(1).double().numpy()
