"""Make checkpoints of the motion diffusion model (MDM), with a reference network and sampler.

Both are plain PyTorch, written from the paper (Tevet et al. 2023) and the names and shapes in published files, and
independent of the code under test: time is the first axis, operations are in the reference's order, and the posterior
has the usual form of Ho et al. 2020.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

ARGUMENTS: dict[str, Any] = {
    "arch": "trans_enc",
    "batch_size": 64,
    "cond_mask_prob": 0.1,
    "dataset": "humanml",
    "diffusion_steps": 1000,
    "emb_trans_dec": False,
    "lambda_fc": 0.0,
    "lambda_rcxyz": 0.0,
    "lambda_vel": 0.0,
    "latent_dim": 512,
    "layers": 8,
    "lr": 0.0001,
    "noise_schedule": "cosine",
    "save_dir": "save/my_humanml_trans_enc_512",
    "sigma_small": True,
    "weight_decay": 0.0,
}
"""Those values of a published `args.json` that programs read."""

TINY = {"latent_dim": 16, "layers": 2, "diffusion_steps": 12}


def sinusoids(width: int, count: int = 5000) -> Tensor:
    table = torch.zeros(count, 1, width)
    for place in range(0, width, 2):
        angle = torch.arange(count) * math.exp(-math.log(10000.0) * place / width)
        table[:, 0, place], table[:, 0, place + 1] = torch.sin(angle), torch.cos(angle)
    return table


class Reference:
    """The published network, as separate modules and a call that runs them."""

    def __init__(self, arguments: dict[str, Any], text_width: int, seed: int = 0) -> None:
        self.arguments = arguments
        width = arguments["latent_dim"]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.pose = nn.Linear(263, width)
            self.text = nn.Linear(text_width, width)
            self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
            self.final = nn.Linear(width, 263)
            layer = nn.TransformerEncoderLayer(width, nhead=4, dim_feedforward=1024, dropout=0.1, activation="gelu")
            self.blocks = nn.TransformerEncoder(layer, num_layers=arguments["layers"], enable_nested_tensor=False)
            for parameter in self.blocks.parameters():  # copies of one layer are made different
                parameter.data += 0.05 * torch.randn_like(parameter)
        self.blocks.eval()
        self.positions = sinusoids(width)

    def state(self) -> dict[str, Tensor]:
        parts = {
            "input_process.poseEmbedding": self.pose,
            "seqTransEncoder": self.blocks,
            "embed_timestep.time_embed": self.time,
            "embed_text": self.text,
            "output_process.poseFinal": self.final,
        }
        named = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}
        return named | {
            "sequence_pos_encoder.pe": self.positions,
            "embed_timestep.sequence_pos_encoder.pe": self.positions,
        }

    @torch.no_grad()
    def __call__(self, noisy: Tensor, times: Tensor, text: Tensor) -> Tensor:
        """Predict clean motions (N, T, D) from noisy ones.

        Text embeddings (N, E) are zero where the text is hidden.
        """
        condition = self.text(text)[None] + self.time(self.positions[times].permute(1, 0, 2))
        tokens = self.pose(noisy.permute(1, 0, 2))
        tokens = torch.cat((condition, tokens), dim=0)
        tokens = tokens + self.positions[: len(tokens)]
        return self.final(self.blocks(tokens)[1:]).permute(1, 0, 2)


def cosine_betas(steps: int) -> np.ndarray:
    def alpha_bar_at(time: float) -> float:
        return math.cos((time + 0.008) / 1.008 * math.pi / 2) ** 2

    return np.array(
        [min(1 - alpha_bar_at((step + 1) / steps) / alpha_bar_at(step / steps), 0.999) for step in range(steps)]
    )


def sample_reference(reference: Reference, start: Tensor, noises: list[Tensor], text: Tensor, scale: float) -> Tensor:
    """Run the reference's ancestral sampling from given noise, with the smaller of the two usual variances."""
    steps = reference.arguments["diffusion_steps"]
    betas = cosine_betas(steps)
    alpha_bar = np.cumprod(1 - betas)
    before = np.append(1.0, alpha_bar[:-1])
    values = start
    for step in reversed(range(steps)):
        times = torch.full((len(start),), step)
        with_text = reference(values, times, text)
        without = reference(values, times, torch.zeros_like(text))
        clean = without + scale * (with_text - without)
        mean = clean * (betas[step] * math.sqrt(before[step]) / (1 - alpha_bar[step]))
        mean = mean + values * ((1 - before[step]) * math.sqrt(1 - betas[step]) / (1 - alpha_bar[step]))
        variance = betas[step] * (1 - before[step]) / (1 - alpha_bar[step])
        values = mean + (math.sqrt(variance) * noises[steps - 1 - step] if step else 0.0)
    return values


def write_mdm(
    folder: Path, *, text_width: int = 8, steps: int = 475_000, seed: int = 0, **changed: Any
) -> tuple[Path, Reference]:
    """Write a tiny checkpoint in the published layout, and return its path and network."""
    arguments = {**ARGUMENTS, **TINY, **changed}
    reference = Reference(arguments, text_width, seed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "args.json").write_text(json.dumps(arguments, indent=4, sort_keys=True))
    path = folder / f"model{steps:09d}.pt"
    torch.save(reference.state(), path)
    return path, reference
