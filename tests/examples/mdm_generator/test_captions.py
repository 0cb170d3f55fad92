"""Captions for the published checkpoints: CLIP's 22 tokens, DistilBERT's states, prompts of several captions."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from humanml3d_files import write_clip
from mdm_generator.captions import caption_encoder, make_prompts
from torch import Tensor

from selfcorrect.core.errors import InputError


def count_letters(captions: Sequence[str]) -> tuple[Tensor, Tensor]:
    """A token for each word, up to the longest caption; its state says how long the word is."""
    words = [caption.split() for caption in captions]
    longest = max(map(len, words))
    present = torch.tensor([[place < len(text) for place in range(longest)] for text in words])
    states = [[[float(len(word))] for word in text] + [[0.0]] * (longest - len(text)) for text in words]
    return torch.tensor(states), present


def test_each_motion_has_its_captions_and_its_length() -> None:
    prompts = make_prompts([["a b", "ccc"], ["dd"], ["e", "f", "g"]], [40, 60, 196], count_letters)
    assert prompts.first.tolist() == [0, 2, 3, 6]
    assert prompts.lengths.tolist() == [40, 40, 60, 196, 196, 196]
    assert prompts.labels == 3
    assert prompts.text[1].flatten().tolist() == [3, 0]
    selected = prompts.take(torch.tensor([2, 0]), torch.tensor([44, 48]))
    assert (selected.first.tolist(), selected.lengths.tolist()) == ([0, 1, 2], [44, 48])
    assert torch.equal(selected.text, prompts.text[[2, 0]])
    with pytest.raises(InputError, match="motion 1 has no caption"):
        make_prompts([["a"], []], [40, 40], count_letters)


@pytest.mark.slow
def test_clip_reads_twenty_tokens(tmp_path: Path) -> None:
    encode = caption_encoder("clip", str(write_clip(tmp_path / "clip")))
    letters = "a b c d e f g h i j k l m n o p q r s t"
    states, present = encode([letters, f"{letters} u v", "a"])
    assert (states.shape, present.all().item()) == ((3, 1, 8), True)
    torch.testing.assert_close(states[1], states[0])
    assert not torch.allclose(states[2], states[0])


@pytest.mark.slow
def test_bert_keeps_a_state_for_each_token(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="needs the extra `text`")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "person", "walks"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    transformers.DistilBertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    config = transformers.DistilBertConfig(vocab_size=len(words), dim=12, n_layers=1, n_heads=2, hidden_dim=16)
    transformers.DistilBertModel(config).save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["dim"] == 12
    encode = caption_encoder("bert", str(tmp_path))
    states, present = encode(["a person walks", "a"])
    assert present.sum(1).tolist() == [5, 3]
    assert (states.shape, states[1, 3:].abs().max().item()) == ((2, 5, 12), 0)
    alone, _ = encode(["a"])
    torch.testing.assert_close(alone[0], states[1, :3], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("kind", "message"), [("clip", "no CLIP here"), ("bert", "no DistilBERT here")])
def test_encoders_that_are_not_here_are_not_fetched(tmp_path: Path, kind: str, message: str) -> None:
    pytest.importorskip("transformers", reason="needs the extra `text`")
    with pytest.raises(InputError, match=message):
        caption_encoder(kind, str(tmp_path / "nothing"))


@pytest.mark.slow
def test_clip_is_read_from_a_folder(tmp_path: Path) -> None:
    encode = caption_encoder("clip", str(write_clip(tmp_path / "clip")))
    vectors = encode(["walk", "run fast", "walk"])[0][:, 0]
    assert vectors.shape == (3, 8)
    assert torch.equal(vectors[0], vectors[2])
    assert not torch.allclose(vectors[0], vectors[1])
    torch.testing.assert_close(encode(["walk"])[0][0, 0], vectors[0], atol=1e-5, rtol=1e-4)
