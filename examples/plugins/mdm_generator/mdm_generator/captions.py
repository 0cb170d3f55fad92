"""Captions as the published checkpoints take them: CLIP's vector of each, or DistilBERT's state of each token."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

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
class _TokenReader:
    """A tokenizer and a network of transformers."""

    tokenizer: Any
    network: Any

    def read(self, captions: Sequence[str], **options: object) -> Iterator[tuple[Any, Any]]:
        """Yield the tokens and the network's output of each batch of captions."""
        for start in range(0, len(captions), _BATCH):
            batch = list(captions[start : start + _BATCH])
            tokens = self.tokenizer(batch, padding=True, return_tensors="pt", **options)
            yield tokens, self.network(**tokens.to(self.network.device))


class ClipCaptions(_TokenReader):
    """One vector for each caption, float32; the published program rounds CLIP to float16.

    Projected vectors, not normalised, as motion models use them (Radford et al., ICML 2021).
    """

    @torch.inference_mode()
    def __call__(self, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
        vectors = [torch.zeros(0, self.network.config.projection_dim)]
        for _, output in self.read(captions, truncation=True, max_length=CLIP_TOKENS):
            vectors.append(output.text_embeds.float().cpu())
        states = torch.cat(vectors).clone()[:, None]
        return states, torch.ones(states.shape[:2], dtype=torch.bool)


class BertCaptions(_TokenReader):
    """The last hidden state of each token."""

    @torch.inference_mode()
    def __call__(self, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
        states = [torch.zeros(1, self.network.config.hidden_size)]  # in place of no captions
        for tokens, output in self.read(captions):
            counts = tokens["attention_mask"].sum(1).tolist()
            hidden = output.last_hidden_state.float().cpu()
            states += [caption_states[:count] for caption_states, count in zip(hidden, counts, strict=True)]
        text = pad_sequence(states, batch_first=True)[1:].clone()
        counts = torch.tensor([len(caption_states) for caption_states in states[1:]], dtype=torch.long)
        return text, torch.arange(text.shape[1]) < counts[:, None]


@lru_cache(maxsize=1)
def caption_encoder(kind: str, place: str = "") -> CaptionEncoder:
    """Return the encoder `clip` or `bert` from a folder or Hugging Face's cache; nothing is downloaded.

    Raises:
        InputError: The encoder is not there.
    """
    with requires_extra("text conditioning"):
        from transformers import AutoModel, AutoTokenizer, CLIPTextModelWithProjection, CLIPTokenizer
    title, published, encoder, network_type, tokenizer_type = {
        "clip": ("CLIP", "openai/clip-vit-base-patch32", ClipCaptions, CLIPTextModelWithProjection, CLIPTokenizer),
        "bert": ("DistilBERT", "distilbert/distilbert-base-uncased", BertCaptions, AutoModel, AutoTokenizer),
    }[kind]
    place = place or published
    try:
        network: Any = network_type.from_pretrained(place, local_files_only=True).eval()
        return encoder(tokenizer_type.from_pretrained(place, local_files_only=True), network)
    except OSError as error:
        raise InputError(
            f"{place}: no {title} here; give a folder that holds it, or fetch it into Hugging Face's cache first "
            f"(hf download {published})"
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
    text, present = encode([caption for motion_captions in captions for caption in motion_captions])
    first = torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)])
    return Prompts(text, present, torch.as_tensor(lengths).repeat_interleave(counts), first)
