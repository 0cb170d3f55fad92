"""The presets for files of users, from end to end on tiny files of the same layouts."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from selfcorrect.core.errors import InputError
from selfcorrect.core.randomness import streams
from selfcorrect.experiments.cli import main
from selfcorrect.experiments.hub import images as hub_images
from selfcorrect.experiments.hub.images import ImageLoop
from selfcorrect.experiments.hub.summaries import SummaryLoop, from_document, local_model, rouge_1
from selfcorrect.experiments.toy.networks.unet_digits import unet_model
from selfcorrect.models.adapters.tokenizer import byte_level_tokenizer

WORDS = ["a", "cat", "sat", "on", "the", "mat", "and", "dog", "ran", "far", "over", "hill", "to", "see", "it"]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Sixty images of CIFAR-10's binary layout."""
    generator = np.random.default_rng(0)
    labels = (np.arange(60) % 10).astype(np.uint8)[:, None]
    rows = np.concatenate([labels, generator.integers(0, 256, (60, 3072), dtype=np.uint8)], axis=1)
    (tmp_path / "data_batch_1.bin").write_bytes(rows.tobytes())
    return tmp_path


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """Forty documents with summaries."""
    generator = np.random.default_rng(0)
    documents = [" ".join(generator.choice(WORDS, 12)) for _ in range(40)]
    rows = [{"document": text, "summary": " ".join(text.split()[:4])} for text in documents]
    (tmp_path / "xsum.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path / "xsum.jsonl"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A tiny Llama, which SmolLM2 is, in Hugging Face's layout."""
    tokenizer = byte_level_tokenizer([" ".join(WORDS)], 280)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=64, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


COUNTS = {"seeds": 1, "real-count": 30, "generations": 1, "first-steps": 2, "steps": 1, "workers": 1}
SMALL = [*(word for name, count in COUNTS.items() for word in (f"--{name}", str(count))), "--device", "cpu"]


def rows_of(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.long
def test_cifar10_runs_from_end_to_end_and_resumes(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        hub_images, "unet_model", lambda *sizes, **more: unet_model(*sizes, **more | {"sampling_steps": 3})
    )
    out = tmp_path / "run"
    command = [
        "hub",
        "cifar10",
        "--data",
        str(images),
        "--out",
        str(out),
        *SMALL,
        "--judged",
        "20",
        "--widths",
        "8",
        "8",
    ]
    assert main(command) == 0
    rows = rows_of(out)
    assert {row["arm"] for row in rows} == {"real only", "synthetic", "augmented", "corrected"}
    assert all(np.isfinite(row["fid"]) for row in rows)
    assert (out / "report.html").is_file()
    kept = {path: path.read_bytes() for path in out.rglob("model.safetensors")}
    assert main(command) == 0
    assert {path: path.read_bytes() for path in out.rglob("model.safetensors")} == kept


@pytest.mark.slow
def test_xsum_runs_from_end_to_end(texts: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    files = ["--data", str(texts), "--model", str(model), "--out", str(out)]
    small = ["--calibration", "5", "--judged", "5", "--length", "6", *SMALL]
    assert main(["hub", "xsum", *files, *small]) == 0
    rows = rows_of(out)
    assert {row["arm"] for row in rows} == {"real only", "synthetic", "10 % kept", "verified"}
    assert all(np.isfinite(row["perplexity"]) for row in rows)


@pytest.mark.parametrize("preset", ["cifar10", "xsum"])
def test_without_files_it_says_which_in_one_sentence(preset: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hub", preset]) == 2
    told = capsys.readouterr().err
    assert f"preset {preset} needs files of yours: --" in told
    assert "nothing is downloaded" in told
    assert "Traceback" not in told


def test_too_few_data_and_a_folder_without_a_model_are_one_sentence(images: Path, texts: Path, model: Path) -> None:
    with pytest.raises(InputError, match="60 images, and the loop needs 5000 to train on and 2000"):
        ImageLoop(images).task(streams(0))
    with pytest.raises(InputError, match="40 pairs of texts, and the loop needs 3000"):
        SummaryLoop(model, texts).task(streams(0))
    with pytest.raises(InputError, match="no model in Hugging Face's layout"):
        local_model(texts.parent)
    (model / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(InputError, match="the model cannot be read"):
        local_model(model)


def test_the_verifier_counts_words_and_rouge_is_that_of_its_definition() -> None:
    assert from_document("The cat sat.", "the cat ran") == pytest.approx(2 / 3)
    assert from_document("The cat sat.", "...") == 0
    assert rouge_1("the cat the", "the cat sat on") == pytest.approx(2 * 2 / 7)
    assert rouge_1("a", "b") == 0
    assert rouge_1("same words", "Words same") == 1


def test_the_verifier_keeps_what_its_document_says(texts: Path, model: Path) -> None:
    loop = SummaryLoop(model, texts, real_count=30, calibration=5, judged=5, length=12)
    task = loop.task(streams(0))
    plan = loop.plans()["verified"](task, streams(0))  # type: ignore[operator]
    accepted = plan.correction.corrector(task.real, streams(1)).accepted
    assert accepted.all(), "real summaries copy words here"
    swapped = task.real.take(torch.arange(30)).with_values(task.model.encode(["zzz qqq"] * 30))
    assert not plan.correction.corrector(swapped, streams(1)).accepted.any()
