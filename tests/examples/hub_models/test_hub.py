"""The loops of other libraries' models, from end to end on tiny files of the same layouts."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import REPOSITORY
from hub_models import byte_level_tokenizer
from transformers import AutoModelForCausalLM, LlamaConfig

from selfcorrect.core.randomness import streams

pytestmark = pytest.mark.long  # imports what costs seconds and memory
HUB = REPOSITORY / "examples" / "hub"
WORDS = ["a", "cat", "sat", "on", "the", "mat", "and", "dog", "ran", "far", "over", "hill", "to", "see", "it"]
SMALL = "--seeds 1 --real-count 30 --generations 1 --initial-steps 2 --steps 1 --device cpu --out run".split()  # noqa: SIM905


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
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=64,
        bos_token_id=0,
        eos_token_id=0,
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def run(name: str, folder: Path, *options: str) -> list[dict[str, object]]:
    """The rows of an example's run folder, which two equal calls leave with the same models."""
    command = [sys.executable, str(HUB / f"{name}.py"), *options, *SMALL]
    paths = {"PYTHONPATH": str(REPOSITORY / "examples" / "plugins" / "hub_models")}
    subprocess.run(command, cwd=folder, env={**os.environ, **paths}, check=True, timeout=900)
    return [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.nightly
def test_cifar10_runs_from_end_to_end_and_resumes(images: Path, tmp_path: Path) -> None:
    options = ["--data", str(images), "--judged", "20", "--widths", "8", "8", "--sampling-steps", "3"]
    rows = run("cifar10", tmp_path, *options)
    assert {row["arm"] for row in rows} == {"real only", "synthetic", "augmented", "corrected"}
    assert all(np.isfinite(row["fid"]) for row in rows)  # type: ignore[call-overload]
    models = {path: path.read_bytes() for path in (tmp_path / "run").rglob("model.safetensors")}
    assert run("cifar10", tmp_path, *options) == rows
    assert {path: path.read_bytes() for path in models} == models


@pytest.mark.nightly
def test_xsum_runs_from_end_to_end(texts: Path, model: Path, tmp_path: Path) -> None:
    files = ["--data", str(texts), "--model", str(model)]
    rows = run("xsum", tmp_path, *files, "--calibration", "5", "--judged", "5", "--length", "6")
    assert {row["arm"] for row in rows} == {"real only", "synthetic", "10 % kept", "verified"}
    assert all(np.isfinite(row["perplexity"]) for row in rows)  # type: ignore[call-overload]


def test_the_verifier_counts_words_and_rouge_is_that_of_its_definition() -> None:
    xsum = runpy.run_path(str(HUB / "xsum.py"))
    assert xsum["measure_copied_share"]("The cat sat.", "the cat ran") == pytest.approx(2 / 3)
    assert xsum["measure_copied_share"]("The cat sat.", "...") == 0
    assert xsum["measure_rouge_1"]("the cat the", "the cat sat on") == pytest.approx(2 * 2 / 7)
    assert xsum["measure_rouge_1"]("a", "b") == 0
    assert xsum["measure_rouge_1"]("same words", "Words same") == 1


def test_the_verifier_keeps_what_its_document_says(texts: Path, model: Path) -> None:
    xsum = runpy.run_path(str(HUB / "xsum.py"))
    loop = xsum["SummaryLoop"](model, texts, real_count=30, calibration=5, judged=5, length=12)
    task = loop.make_task(streams(0))
    correction = loop.verify_words(task, streams(0)).correction
    assert correction.corrector(task.real, streams(1)).accepted.all(), "real summaries copy words here"
    swapped = task.real.with_values(task.model.encode(["zzz qqq"] * 30))
    assert not correction.corrector(swapped, streams(1)).accepted.any()
