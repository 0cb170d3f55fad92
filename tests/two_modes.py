"""Make small loops over two-mode or Gaussian points, and a corrector for them."""

import torch

from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.models.diffusion.config import DiffusionConfig
from selfcorrect.loop.models.diffusion.model import MotionDiffusion
from selfcorrect.loop.models.gaussian import Gaussian
from selfcorrect.loop.run import Task, train_first_generation
from selfcorrect.loop.store.memory import MemoryStore

STREAM = streams(6)
DEVIATION = 0.25


def two_modes(count: int = 400) -> Samples:
    """Return points of which four fifths are around −1 and one fifth is around 1."""
    generator = STREAM.child("data").generator()
    side = torch.where(torch.rand(count, generator=generator) < 0.2, 1.0, -1.0)
    values = side + DEVIATION * torch.randn(count, generator=generator)
    return Samples.real(values.reshape(-1, 1, 1))


def start_small_loop() -> tuple[Task, MemoryStore]:
    """Return the task of a small diffusion model on two-mode points, and a store with its generation 0."""
    config = DiffusionConfig(width=32, depth=1, diffusion_steps=20, sampling_steps=5, batch_size=16)
    model = MotionDiffusion(config, 1, 1, 1, device=torch.device("cpu"))
    task = Task(model, two_modes(24), lambda candidate: {}, initial_steps=30)
    first = MemoryStore()
    train_first_generation(task, first, STREAM)
    return task, first


def own_task(stream: Stream) -> Task:
    """Return a task as a user would write it: a Gaussian model with 40 real points."""
    values = torch.randn((40, 2), generator=stream.child("data").generator(), dtype=torch.float64)
    return Task(Gaussian.standard(2), Samples.real(values), lambda drawn: {"spread": drawn.samples(200).values.std()})


def halve(samples: Samples) -> Samples:
    return samples.with_values(samples.values / 2)
