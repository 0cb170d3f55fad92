"""Encode captions by CLIP, one vector each, as published checkpoints need."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import torch
from torch import Tensor

from selfcorrect.core.errors import InputError
from selfcorrect.core.extras import requires_extra

from .network import Prompts

CLIP_TOKENS = 22
"""MDM gives CLIP at most 20 tokens of a caption, between those for start and end."""
PUBLISHED = "openai/clip-vit-base-patch32"
_BATCH = 64
CaptionEncoder: TypeAlias = Callable[[Sequence[str]], Tensor]
"""Captions → vectors (N, E), float32."""


@dataclass(frozen=True)
class ClipCaptions:
    """Encodes captions as float32 vectors.

    The published program rounds CLIP to float16. Projected vectors, not normalised, as motion models use them (Radford
    et al., ICML 2021).
    """

    tokenizer: Any
    network: Any

    @torch.inference_mode()
    def __call__(self, captions: Sequence[str]) -> Tensor:
        vectors = [torch.zeros(0, self.network.config.projection_dim)]
        for start in range(0, len(captions), _BATCH):
            batch = list(captions[start : start + _BATCH])
            tokens = self.tokenizer(batch, padding=True, truncation=True, max_length=CLIP_TOKENS, return_tensors="pt")
            vectors.append(self.network(**tokens.to(self.network.device)).text_embeds.float().cpu())
        return torch.cat(vectors).clone()


@lru_cache(maxsize=1)
def load_clip(place: str = "") -> ClipCaptions:
    """Load CLIP from disk without downloads.

    A folder or Hugging Face's cache holds it. InputError if CLIP is not there.
    """
    with requires_extra("text conditioning"):
        from transformers import CLIPTextModelWithProjection, CLIPTokenizer
    place = place or PUBLISHED
    try:
        network: Any = CLIPTextModelWithProjection.from_pretrained(place, local_files_only=True).eval()
        return ClipCaptions(CLIPTokenizer.from_pretrained(place, local_files_only=True), network)
    except OSError as error:
        raise InputError(
            f"{place}: no CLIP here; give a folder that holds it, or fetch it into Hugging Face's cache first "
            f"(hf download {PUBLISHED})"
        ) from error


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
    text = encode([caption for motion_captions in captions for caption in motion_captions])
    first = torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)])
    return Prompts(text, torch.as_tensor(lengths).repeat_interleave(counts), first)
