"""Memory stays flat however long a model trains."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory from /proc")

TRAIN = """
import sys
from pathlib import Path

import torch
from torch import nn

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.loop.models.diffusion.config import DiffusionConfig
from selfcorrect.loop.models.diffusion.model import MotionDiffusion
from selfcorrect.loop.models.torch_model import TorchModel

torch.set_num_threads(1)
kind, steps = sys.argv[1], int(sys.argv[2])
FRAMES, FEATURES = 48, 93


def resident_mb():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def make_model():
    if kind == "diffusion":
        config = DiffusionConfig(width=32, depth=1, diffusion_steps=20, sampling_steps=5, batch_size=32)
        return MotionDiffusion(config, FRAMES, FEATURES, 2, device=torch.device("cpu"))
    def error(module, values, labels, generator):
        noise = torch.randn(values.shape, generator=generator)
        return (module(values + noise) - values).square().mean()
    return TorchModel(
        module=nn.Linear(FEATURES, FEATURES), objective=error, sampler=lambda *inputs: None, batch_size=32
    )


data = Samples.real(torch.randn(32, FRAMES, FEATURES), torch.arange(32) % 2)
make_model().fit(data, 100, Stream(0))
before_mb = resident_mb()
make_model().fit(data, steps, Stream(0))
print(resident_mb() - before_mb)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["diffusion", "torch"])
def test_memory_is_bounded(kind: str):
    answer = subprocess.run([sys.executable, "-c", TRAIN, kind, "3000"], capture_output=True, text=True, check=True)
    assert float(answer.stdout) < 100
