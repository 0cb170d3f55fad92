"""Make a tiny text-to-motion evaluator in the layout of Guo et al. (2022).

Its networks are plain PyTorch modules with random weights.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

WORDS = ("unk", "sos", "eos", "a", "person", "walks", "walk", "kick", "left", "slowly", "jumps", "the", "sits")
WIDTH = 12
WORD = 10
EMBEDDING = 6


def plain_modules(columns: int = 263, seed: int = 0) -> dict[str, nn.ModuleDict]:
    """Return the three networks as tables of modules, under the names in the published checkpoint."""

    def recurrent(inputs: int) -> nn.ModuleDict:
        table = nn.ModuleDict(
            {
                "input_emb": nn.Linear(inputs, WIDTH),
                "gru": nn.GRU(WIDTH, WIDTH, batch_first=True, bidirectional=True),
                "output_net": nn.Sequential(
                    nn.Linear(2 * WIDTH, WIDTH), nn.LayerNorm(WIDTH), nn.LeakyReLU(0.2), nn.Linear(WIDTH, EMBEDDING)
                ),
            }
        )
        table.register_parameter("hidden", nn.Parameter(torch.randn(2, 1, WIDTH)))
        return table

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        movement = nn.ModuleDict(
            {
                "main": nn.Sequential(
                    nn.Conv1d(columns - 4, 8, 4, 2, 1), nn.Dropout(0.2), nn.LeakyReLU(0.2),
                    nn.Conv1d(8, 7, 4, 2, 1), nn.Dropout(0.2), nn.LeakyReLU(0.2),
                ),
                "out_net": nn.Linear(7, 7),
            }
        )  # fmt: skip
        motion = recurrent(7)
        text = recurrent(WORD)
        text["pos_emb"] = nn.Linear(15, WORD)
    return {"movement_encoder": movement, "motion_encoder": motion, "text_encoder": text}


def embed_tokens(table: Any, sequence: Tensor) -> Tensor:
    """Encode one sequence (L, I) with a recurrent encoder.

    The sequence is a batch of one, so nothing is padded.
    """
    _, last = table["gru"](table["input_emb"](sequence)[None], table.hidden)
    return table["output_net"](torch.cat([last[0, 0], last[1, 0]]))


def write_evaluator(folder: Path, columns: int = 263, seed: int = 0) -> dict[str, nn.ModuleDict]:
    """Write an evaluator and return its modules.

    `finest.tar`, the statistics and the word vectors are written to subfolders of `folder`, as published.
    """
    modules = plain_modules(columns, seed)
    path = folder / "text_mot_match" / "model" / "finest.tar"
    path.parent.mkdir(parents=True)
    state: dict[str, Any] = {name: module.state_dict() for name, module in modules.items()}
    optimiser = torch.optim.Adam(modules["text_encoder"].parameters()).state_dict()
    torch.save({**state, "opt_text_encoder": optimiser, "epoch": 3, "iter": 400}, path)
    draw = np.random.default_rng(seed)
    np.save(folder / "t2m_mean.npy", draw.normal(0, 0.1, columns).astype(np.float32))
    np.save(folder / "t2m_std.npy", draw.uniform(0.5, 2.0, columns).astype(np.float32))
    glove = folder / "glove"
    glove.mkdir()
    np.save(glove / "our_vab_data.npy", draw.normal(0, 1, (len(WORDS), WORD)))
    (glove / "our_vab_words.pkl").write_bytes(pickle.dumps(list(WORDS)))
    (glove / "our_vab_idx.pkl").write_bytes(pickle.dumps({word: row for row, word in enumerate(WORDS)}))
    return modules
