"""Captions have CLIP's 22 tokens.

Prompts may have several captions; the checkpoints are published.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from humanml3d_files import write_clip
from mdm_generator.captions import load_clip, make_prompts
from torch import Tensor

from selfcorrect.core.errors import InputError


def count_letters(captions: Sequence[str]) -> Tensor:
    """Return the length of each caption."""
    return torch.tensor([[float(len(caption))] for caption in captions])


def test_motions_have_captions_and_lengths() -> None:
    prompts = make_prompts([["a b", "ccc"], ["dd"], ["e", "f", "g"]], [40, 60, 196], count_letters)
    assert prompts.first.tolist() == [0, 2, 3, 6]
    assert prompts.lengths.tolist() == [40, 40, 60, 196, 196, 196]
    assert prompts.labels == 3
    assert prompts.text[1].tolist() == [3]
    selected = prompts.take(torch.tensor([2, 0]), torch.tensor([44, 48]))
    assert (selected.first.tolist(), selected.lengths.tolist()) == ([0, 1, 2], [44, 48])
    assert torch.equal(selected.text, prompts.text[[2, 0]])
    with pytest.raises(InputError, match="motion 1 has no caption"):
        make_prompts([["a"], []], [40, 40], count_letters)


@pytest.mark.slow
def test_clip_reads_twenty_tokens(tmp_path: Path) -> None:
    encode = load_clip(str(write_clip(tmp_path / "clip")))
    letters = "a b c d e f g h i j k l m n o p q r s t"
    states = encode([letters, f"{letters} u v", "a"])
    assert states.shape == (3, 8)
    torch.testing.assert_close(states[1], states[0])
    assert not torch.allclose(states[2], states[0])


def test_missing_encoder_is_not_downloaded(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra `text`")
    with pytest.raises(InputError, match="no CLIP here"):
        load_clip(str(tmp_path / "nothing"))


@pytest.mark.slow
def test_clip_reads_folder(tmp_path: Path) -> None:
    encode = load_clip(str(write_clip(tmp_path / "clip")))
    vectors = encode(["walk", "run fast", "walk"])
    assert vectors.shape == (3, 8)
    assert torch.equal(vectors[0], vectors[2])
    assert not torch.allclose(vectors[0], vectors[1])
    torch.testing.assert_close(encode(["walk"])[0], vectors[0], atol=1e-5, rtol=1e-4)
