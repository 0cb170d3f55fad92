"""The motion diffusion model's network, with the parameters of published checkpoints.

Names and shapes of parameters are the published ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .arguments import COLUMNS, DROPOUT, FEED_FORWARD, HEADS, MdmArguments

LONGEST = 5000
"""Number of positions and diffusion times that have sinusoids."""


class Positions(nn.Module):
    """Adds sinusoids to a sequence.

    Sinusoids follow Vaswani et al. 2017; `pe` is (5000, 1, width), and not part of the state.
    """

    pe: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        frequencies = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
        angles = torch.arange(LONGEST)[:, None] * frequencies
        table = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
        self.register_buffer("pe", table[:, None], persistent=False)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens (N, K, width) with their positions."""
        return self.dropout(tokens + self.pe[: tokens.shape[1], 0])


class TimeEmbedder(nn.Module):
    """Diffusion times (N,) → (N, width)."""

    def __init__(self, width: int, positions: Positions) -> None:
        super().__init__()
        self.sequence_pos_encoder = positions
        self.time_embed = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, times: Tensor) -> Tensor:
        return self.time_embed(self.sequence_pos_encoder.pe[times, 0])


class Mdm(nn.Module):
    """Denoises motions by time and caption.

    Noisy motions, diffusion times and encoded captions → clean motions (Tevet et al., ICLR 2023). A token for each
    frame, and as the first token the sum of the diffusion time and the caption.
    """

    def __init__(self, arguments: MdmArguments, text_width: int) -> None:
        super().__init__()
        width = arguments.latent_dim
        self.input_process = nn.ModuleDict({"poseEmbedding": nn.Linear(COLUMNS, width)})
        self.sequence_pos_encoder = Positions(width)
        layer = nn.TransformerEncoderLayer(width, HEADS, FEED_FORWARD, DROPOUT, "gelu", batch_first=True)
        self.seqTransEncoder = nn.TransformerEncoder(layer, arguments.layers, enable_nested_tensor=False)
        self.embed_timestep = TimeEmbedder(width, self.sequence_pos_encoder)
        self.embed_text = nn.Linear(text_width, width)
        self.output_process = nn.ModuleDict({"poseFinal": nn.Linear(width, COLUMNS)})

    def forward(self, noisy: Tensor, times: Tensor, text: Tensor) -> Tensor:
        """Return clean motions (N, T, D).

        Args:
            noisy: (N, T, D).
            times: (N,) int64.
            text: (N, E), zeros for no caption.
        """
        condition = self.embed_timestep(times) + self.embed_text(text)
        tokens = torch.cat([condition[:, None], self.input_process["poseEmbedding"](noisy)], dim=1)
        hidden = self.seqTransEncoder(self.sequence_pos_encoder(tokens))
        return self.output_process["poseFinal"](hidden[:, 1:])


@dataclass(frozen=True, eq=False)
class Prompts:
    """Captions and lengths of motions to draw.

    Label m has the captions `first[m]` to `first[m + 1]`.
    """

    text: Tensor
    """(P, E) float32 encoded captions."""
    lengths: Tensor
    """(P,) int64 frames of the motion that each caption describes."""
    first: Tensor
    """(C + 1,) int64, ascending from 0 to P."""

    @property
    def labels(self) -> int:
        """C, the number of motions."""
        return len(self.first) - 1

    def take(self, rows: Tensor, lengths: Tensor) -> Prompts:
        """Use captions (M,), with lengths (M,), as labels."""
        return Prompts(self.text[rows], lengths, torch.arange(len(rows) + 1))


class PromptedNetwork(nn.Module):
    """The network with a table of prompts.

    Prompts are selected by row: row r is caption r, and row P + r is the same without its words. They are not weights:
    they are not trained and not part of the state.
    """

    def __init__(self, mdm: Mdm, prompts: Prompts) -> None:
        super().__init__()
        self.mdm = mdm
        self.text: Tensor
        self.register_buffer("text", prompts.text, persistent=False)

    def forward(self, noisy: Tensor, times: Tensor, rows: Tensor) -> Tensor:
        """Predict clean motions (N, T, D).

        Noisy motions at times (N,) are given, for rows (N,) int64.
        """
        count = len(self.text)
        text = self.text[rows % count].masked_fill((rows >= count)[:, None], 0.0)
        return self.mdm(noisy, times, text)
