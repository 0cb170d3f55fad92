"""How fast the diffusion model trains and samples, beside the published model's own training step.

    python -m benchmarks.training                                        # a smaller size, for a CPU
    python -m benchmarks.training --device cuda --width 512 --depth 8 --batch 64 --frames 196 --steps 50

The reference is written here from the description and the public code of the motion diffusion model (Tevet et al.
2023), reduced to arithmetic. It has a transformer encoder over frames with a token for time and condition. It has
uniform times, noise tables kept in NumPy, a masked squared error, and AdamW with PyTorch's defaults. In every step it
reads back the norms of gradients and weights and the losses for a log. It samples with two passes per step, with and
without the condition. All are timed in alternation, on a CPU by processor time, with one thread.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
import tyro
from torch import Tensor, nn

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.models.diffusion.acceleration import EXACT, FAST, Acceleration
from selfcorrect.models.diffusion.config import DiffusionConfig
from selfcorrect.models.diffusion.model import MotionDiffusion
from selfcorrect.models.diffusion.schedule import cosine_schedule

CONDITION = 512
"""Width of a text's vector."""


@dataclass(frozen=True)
class Arguments:
    """Time training steps and samples of both."""

    device: str = "cpu"
    width: int = 128
    depth: int = 4
    batch: int = 16
    frames: int = 96
    features: int = 263
    steps: int = 5
    """Training steps in a round."""
    sampling_steps: int = 3
    rounds: int = 3
    compiled: bool = False
    """Compile the accelerated network."""


class PublishedNetwork(nn.Module):
    """The published denoiser: tokens first, condition by a linear map of a text's vector."""

    table: Tensor

    def __init__(self, arguments: Arguments) -> None:
        super().__init__()
        width = arguments.width
        positions, rates = torch.arange(5000)[:, None], torch.exp(torch.arange(0, width, 2) * (-math.log(1e4) / width))
        table = torch.stack([(positions * rates).sin(), (positions * rates).cos()], -1).flatten(1)
        self.register_buffer("table", table[:, None])
        self.read, self.write = nn.Linear(arguments.features, width), nn.Linear(width, arguments.features)
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.text, self.dropout = nn.Linear(CONDITION, width), nn.Dropout(0.1)
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.1, "gelu")
        self.encoder = nn.TransformerEncoder(layer, arguments.depth, enable_nested_tensor=False)

    def forward(self, noisy: Tensor, times: Tensor, texts: Tensor) -> Tensor:
        """Clean (B, T, D) from noisy (B, T, D), times (B,), texts (B, CONDITION)."""
        token = self.time(self.table[times]).permute(1, 0, 2) + self.text(texts)
        tokens = torch.cat([token, self.read(noisy.permute(1, 0, 2))])
        tokens = self.dropout(tokens + self.table[: len(tokens)])
        return self.write(self.encoder(tokens)[1:]).permute(1, 0, 2)


class Published:
    """The reference: its model, training step and sampling."""

    def __init__(self, arguments: Arguments, values: Tensor) -> None:
        self._arguments, self._values = arguments, values
        self._network = PublishedNetwork(arguments).to(arguments.device)
        self._optimiser = torch.optim.AdamW(self._network.parameters(), lr=1e-4)
        alpha_bars = cosine_schedule(1000).alpha_bars.numpy()
        self._tables = np.sqrt(alpha_bars), np.sqrt(1 - alpha_bars)
        self._texts = torch.randn(len(values), CONDITION)

    def _row(self, table: np.ndarray, times: Tensor, like: Tensor) -> Tensor:
        return torch.from_numpy(table).to(like.device)[times].float()[:, None, None].expand(like.shape)

    def train(self, steps: int) -> None:
        """Train for so many steps."""
        network, device = self._network.train(), self._arguments.device
        for _ in range(steps):
            rows = torch.randint(len(self._values), (self._arguments.batch,))
            clean, texts = self._values[rows].to(device), self._texts[rows].to(device)
            texts = texts * (torch.rand(len(texts), 1, device=device) >= 0.1)
            times = torch.from_numpy(np.random.default_rng().choice(1000, size=len(rows), p=np.full(1000, 1e-3)))
            times, noise = times.to(device), torch.randn_like(clean)
            noisy = sum(self._row(*pair, clean) * part for pair, part in zip(
                ((table, times) for table in self._tables), (clean, noise), strict=True))  # fmt: skip
            mask = torch.ones(*clean.shape[:2], 1, device=device)
            squares = (network(noisy, times, texts) - clean).square() * mask
            losses = squares.sum((1, 2)) / (mask.sum((1, 2)) * clean.shape[2])
            self._optimiser.zero_grad()
            losses.mean().backward()
            self._log(times, losses)
            self._optimiser.step()

    def _log(self, times: Tensor, losses: Tensor) -> list[float]:
        """What is read back from the device in every step."""
        parameters = [one for one in self._network.parameters() if one.grad is not None]
        norms = [float(torch.norm(part.detach())) for one in parameters for part in (one.grad, one) if part is not None]
        quarters = [float(time) // 250 for time in times]
        return [*norms, *quarters, *(float(loss) for loss in losses.detach())]

    @torch.no_grad()
    def sample(self, count: int) -> Tensor:
        """Draw so many samples."""
        network, arguments = self._network.eval(), self._arguments
        shape, texts = (count, arguments.frames, arguments.features), self._texts[:count].to(arguments.device)
        values, schedule = torch.randn(shape, device=arguments.device), cosine_schedule(1000)
        times = [*schedule.sampling_times(arguments.sampling_steps), 0]
        for now, then in pairwise(times):
            at = torch.full((count,), now, device=arguments.device)
            free = network(values, at, torch.zeros_like(texts))
            clean = free + 2.5 * (network(values, at, texts) - free)
            values = schedule.reverse_step(values, clean, torch.randn_like(values), now, then, 1.0) if now else clean
        return values.cpu()


class Ours:
    """This package's model."""

    def __init__(self, arguments: Arguments, values: Tensor, acceleration: Acceleration) -> None:
        config = DiffusionConfig(
            denoiser="transformer", width=arguments.width, depth=arguments.depth, dropout=0.1, diffusion_steps=1000,
            sampling_steps=arguments.sampling_steps, guidance_scale=2.5, learning_rate=1e-4, batch_size=arguments.batch,
        )  # fmt: skip
        device = torch.device(arguments.device)
        self._model = MotionDiffusion(
            config, arguments.frames, arguments.features, 16, device, acceleration=acceleration
        )
        self._samples = Samples.real(values, torch.arange(len(values)) % 16)

    def train(self, steps: int) -> None:
        """Train for so many steps."""
        self._model = self._model.fit(self._samples, steps, streams(0))

    def sample(self, count: int) -> Tensor:
        """Draw so many samples."""
        return self._model.sample(torch.arange(count) % 16, streams(1))


def seconds(work: Callable[[int], object], count: int, device: str) -> float:
    """Processor time on a CPU, time until all is done on another device."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    start = clock()
    work(count)
    if device != "cpu":
        torch.cuda.synchronize(device)
    return clock() - start


def main(arguments: Arguments) -> None:
    """Print a line for each."""
    torch.set_num_threads(1)
    values = torch.randn(4 * arguments.batch, arguments.frames, arguments.features)
    kinds = {
        "published": Published(arguments, values),
        "ours": Ours(arguments, values, EXACT),
        "ours, accelerated": Ours(arguments, values, replace(FAST, compiled=arguments.compiled)),
    }
    trained: dict[str, list[float]] = {name: [] for name in kinds}
    sampled: dict[str, list[float]] = {name: [] for name in kinds}
    for kind in kinds.values():
        kind.train(1)
    for _ in range(arguments.rounds):
        for name, kind in kinds.items():
            trained[name].append(seconds(kind.train, arguments.steps, arguments.device) / arguments.steps)
            sampled[name].append(seconds(kind.sample, arguments.batch, arguments.device) / arguments.batch)
    for name in kinds:
        step_s, sample_s = float(np.median(trained[name])), float(np.median(sampled[name]))
        faster = [float(np.median(each["published"])) / of for each, of in ((trained, step_s), (sampled, sample_s))]
        print(
            f"{name:18}{1e3 * step_s:9.1f} ms a step, {faster[0]:5.2f} x; {1e3 * sample_s:9.1f} ms a sample "
            f"of {arguments.sampling_steps} steps, {faster[1]:5.2f} x"
        )


if __name__ == "__main__":
    main(tyro.cli(Arguments))
