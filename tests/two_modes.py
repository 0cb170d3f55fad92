"""A small loop on points in two modes, and a corrector."""

import torch

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.run import Task, train_first_generation
from selfcorrect.models.diffusion.config import DiffusionConfig
from selfcorrect.models.diffusion.model import MotionDiffusion
from selfcorrect.storage.runs.memory import MemoryStore

STREAM = streams(6)
DEVIATION = 0.25


def two_modes(count: int = 400) -> Samples:
    """Return points around −1, and a fifth around 1."""
    generator = STREAM.child("data").generator()
    side = torch.where(torch.rand(count, generator=generator) < 0.2, 1.0, -1.0)
    values = side + DEVIATION * torch.randn(count, generator=generator)
    return Samples.real(values.reshape(-1, 1, 1))


def start_small_loop() -> tuple[Task, MemoryStore]:
    """Return a small diffusion model of two modes, and a store with its generation 0."""
    config = DiffusionConfig(width=32, depth=1, diffusion_steps=20, sampling_steps=5, batch_size=16)
    model = MotionDiffusion(config, 1, 1, 1, device=torch.device("cpu"))
    task = Task(model, two_modes(24), lambda candidate: {}, initial_steps=30)
    first = MemoryStore()
    train_first_generation(task, first, STREAM)
    return task, first


def halve(samples: Samples) -> Samples:
    return samples.with_values(samples.values / 2)
