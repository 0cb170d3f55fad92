"""Train one motion model by several processes: torchrun --nproc-per-node 2 examples/several_gpus.py

Every process draws the same batch and takes its rows. Without dropout, the result differs from that of one process only
by the order of sums.
"""

import os
from dataclasses import replace

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.models.diffusion.model import MotionDiffusion
from selfcorrect.loop.models.diffusion.presets import preset
from selfcorrect.loop.models.diffusion.training import NoisyBatch

CPU = torch.device("cpu")


class SharedTraining(MotionDiffusion):
    """A diffusion model trained by all processes of a group together."""

    def _train(self, network, *arguments):
        return super()._train(DistributedDataParallel(network), *arguments)

    def _draw(self, samples, generator):
        batch = super()._draw(samples, generator)
        return NoisyBatch(*(part.chunk(dist.get_world_size())[dist.get_rank()] for part in batch))


def train(name: str = "dct-mlp", steps: int = 20) -> Tensor:
    """Return the weights after some steps on random motions."""
    kind = SharedTraining if dist.is_initialized() else MotionDiffusion
    generator = torch.Generator().manual_seed(0)
    samples = Samples.real(torch.randn(128, 60, 135, generator=generator), torch.arange(128) % 14)
    config = replace(preset(name).config, dropout=0.0)
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if torch.cuda.is_available() else CPU
    model = kind(config=config, frames=60, features=135, classes=14, device=device)
    model = model.fit(samples, steps, streams(1))
    return torch.cat([weight.detach().flatten() for weight in model.average.parameters()])


if __name__ == "__main__":
    if "RANK" in os.environ:
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    weights = train()
    if os.environ.get("RANK", "0") == "0":
        print(f"{len(weights)} weights, mean square {weights.square().mean():.9f}")
    if dist.is_initialized():
        dist.destroy_process_group()
