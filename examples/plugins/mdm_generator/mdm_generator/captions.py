"""Captions as the published checkpoints take them: CLIP's vector of each, or DistilBERT's state of each token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from selfcorrect.core.errors import InputError
from selfcorrect.core.extras import requires_extra

from .network import Prompts

CLIP_TOKENS = 22
"""MDM gives CLIP at most 20 tokens of a caption, between those for start and end."""
_BATCH = 64


class CaptionEncoder(Protocol):
    """Maps captions to states (N, L, E), float32, and to a mask of the tokens that they have (N, L), bool."""

    def __call__(self, captions: Sequence[str]) -> tuple[Tensor, Tensor]: ...


@dataclass(frozen=True)
class ClipCaptions:
    """One vector for each caption, float32; the published program rounds CLIP to float16."""

    tokenizer: Any
    network: Any

    @torch.inference_mode()
    def __call__(self, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
        vectors = [torch.zeros(0, self.network.config.projection_dim)]
        for start in range(0, len(captions), _BATCH):
            batch = list(captions[start : start + _BATCH])
            tokens = self.tokenizer(batch, padding=True, truncation=True, max_length=CLIP_TOKENS, return_tensors="pt")
            vectors.append(self.network(**tokens.to(self.network.device)).text_embeds.float().cpu())
        states = torch.cat(vectors).clone()[:, None]
        return states, torch.ones(states.shape[:2], dtype=torch.bool)


@dataclass(frozen=True)
class BertCaptions:
    """The last hidden state of each token."""

    tokenizer: Any
    network: Any

    @torch.inference_mode()
    def __call__(self, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
        width = self.network.config.hidden_size
        states: list[Tensor] = []
        for start in range(0, len(captions), _BATCH):
            tokens = self.tokenizer(list(captions[start : start + _BATCH]), padding=True, return_tensors="pt")
            hidden = self.network(**tokens.to(self.network.device)).last_hidden_state.float().cpu()
            counts = tokens["attention_mask"].sum(1).tolist()
            states += [tokens_hidden[:count] for tokens_hidden, count in zip(hidden, counts, strict=True)]
        longest = max((len(caption_states) for caption_states in states), default=1)
        text = torch.zeros(len(states), longest, width)
        present = torch.zeros(len(states), longest, dtype=torch.bool)
        for row, caption_states in enumerate(states):
            text[row, : len(caption_states)] = caption_states
            present[row, : len(caption_states)] = True
        return text, present


def caption_encoder(kind: str, place: str = "") -> CaptionEncoder:
    """Return the encoder `clip` or `bert` from a folder or Hugging Face's cache; nothing is downloaded."""
    if kind == "clip":
        return _read_clip(place or "openai/clip-vit-base-patch32")
    place = place or "distilbert/distilbert-base-uncased"
    with requires_extra("text conditioning"):
        from transformers import AutoModel, AutoTokenizer
    try:
        network: Any = AutoModel.from_pretrained(place, local_files_only=True).eval()
        return BertCaptions(AutoTokenizer.from_pretrained(place, local_files_only=True), network)
    except OSError as error:
        raise InputError(
            f"{place}: no DistilBERT here; give a folder that holds it, or fetch it into Hugging Face's cache first "
            "(hf download distilbert/distilbert-base-uncased)"
        ) from error


def _read_clip(model: str) -> ClipCaptions:
    """Return CLIP's text encoder from a folder in Hugging Face's layout, or from its cache; nothing is downloaded.

    Projected vectors, not normalised, as motion models use them (Radford et al., ICML 2021). InputError if it is not
    there.
    """
    with requires_extra("text conditioning"):
        from transformers import CLIPTextModelWithProjection, CLIPTokenizer
    try:
        network: Any = CLIPTextModelWithProjection.from_pretrained(model, local_files_only=True)
        tokenizer = CLIPTokenizer.from_pretrained(model, local_files_only=True)
    except OSError as error:
        raise InputError(
            f"{model}: no CLIP here; give a folder that holds it, or fetch it into Hugging Face's cache first "
            f"(hf download openai/clip-vit-base-patch32)"
        ) from error
    return ClipCaptions(tokenizer, network.eval())


def make_prompts(captions: Sequence[Sequence[str]], lengths: Sequence[int], encode: CaptionEncoder) -> Prompts:
    """Return prompts for motions.

    Args:
        captions: Captions of each motion, at least one.

    Raises:
        InputError: A motion has no caption.
    """
    if empty := [index for index, motion_captions in enumerate(captions) if not motion_captions]:
        raise InputError(f"motion {empty[0]} has no caption, and a text-conditioned model needs one")
    counts = torch.tensor([len(motion_captions) for motion_captions in captions])
    text, present = encode([caption for motion_captions in captions for caption in motion_captions])
    first = torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)])
    return Prompts(text, present, torch.as_tensor(lengths).repeat_interleave(counts), first)
