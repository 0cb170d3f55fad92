"""The evaluator's three networks, with the parameters of the published checkpoint.

Names and shapes of parameters are the published ones. Guo et al., CVPR 2022: convolutions make a movement of each four
frames, and recurrent networks read movements and words. Sizes are those of the checkpoint.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

UNIT_FRAMES = 4
"""Number of frames of a movement."""
_SLOPE = 0.2
_DROPOUT = 0.2


class MovementEncoder(nn.Module):
    """Rows (N, T, C) → movements (N, T / 4, M)."""

    def __init__(self, columns: int, width: int, movement: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv1d(columns, width, 4, stride=2, padding=1),
            nn.Dropout(_DROPOUT),
            nn.LeakyReLU(_SLOPE),
            nn.Conv1d(width, movement, 4, stride=2, padding=1),
            nn.Dropout(_DROPOUT),
            nn.LeakyReLU(_SLOPE),
        )
        self.out_net = nn.Linear(movement, movement)

    def forward(self, rows: Tensor) -> Tensor:
        return self.out_net(self.main(rows.transpose(1, 2)).transpose(1, 2))


class SequenceEncoder(nn.Module):
    """Embed sequences (N, L, I) of lengths (N,) as (N, E).

    A recurrent network reads them from both ends.
    """

    def __init__(self, inputs: int, width: int, embedding: int) -> None:
        super().__init__()
        self.input_emb = nn.Linear(inputs, width)
        self.gru = nn.GRU(width, width, batch_first=True, bidirectional=True)
        self.output_net = nn.Sequential(
            nn.Linear(2 * width, width), nn.LayerNorm(width), nn.LeakyReLU(_SLOPE), nn.Linear(width, embedding)
        )
        self.hidden = nn.Parameter(torch.zeros(2, 1, width))

    def forward(self, sequences: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(self.input_emb(sequences), lengths.cpu(), batch_first=True, enforce_sorted=False)
        _, last = self.gru(packed, self.hidden.expand(-1, len(sequences), -1).contiguous())
        return self.output_net(torch.cat([last[0], last[1]], dim=-1))


class TextEncoder(SequenceEncoder):
    """Words (N, L, W) and their kinds (N, L, K) → embeddings (N, E)."""

    def __init__(self, word: int, kinds: int, width: int, embedding: int) -> None:
        super().__init__(word, width, embedding)
        self.pos_emb = nn.Linear(kinds, word)

    def embed(self, words: Tensor, kinds: Tensor, lengths: Tensor) -> Tensor:
        return self(words + self.pos_emb(kinds), lengths)


def networks_like(tables: Mapping[str, Mapping[str, Tensor]]) -> dict[str, nn.Module]:
    """Build networks as large as their parameters, named as in the checkpoint.

    Raises KeyError, IndexError or AttributeError if a parameter that determines a size is missing or malformed.
    """
    movement = tables["movement_encoder"]
    motion = tables["motion_encoder"]
    text = tables["text_encoder"]
    width, columns = movement["main.0.weight"].shape[:2]
    size = movement["out_net.weight"].shape[0]
    motion_size = motion["output_net.3.weight"].shape[0]
    text_size = text["output_net.3.weight"].shape[0]
    word, kinds = text["pos_emb.weight"].shape
    return {
        "movement_encoder": MovementEncoder(columns, width, size),
        "motion_encoder": SequenceEncoder(size, motion["input_emb.weight"].shape[0], motion_size),
        "text_encoder": TextEncoder(word, kinds, text["input_emb.weight"].shape[0], text_size),
    }
