"""A GPT of transformers on text, after Shumailov et al. 2024 and Yi et al. 2026.

A small GPT-2 with random weights learns the documentation of Python, then its own text, or its own text after a
verifier. Model and tokenizer come from the library `transformers` through `hub_models.CausalLanguageModel`. The
verifier knows which pairs of tokens follow each other in the real training text: it keeps texts whose share of known
pairs is at least that of the lower tenth of real texts that nobody trains on or judges by.

    pip install ./examples/plugins/hub_models
    selfcorrect toy examples/loops/small_gpt.py --quick
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from hub_models import CausalLanguageModel, byte_level_tokenizer
from torch import Tensor
from toy_data.text import documentation
from transformers import GPT2Config

import selfcorrect as sc
from selfcorrect import claims, toys

REAL, PLAIN, TENTH, VERIFIED = "real only", "synthetic", "10 % kept", "verified"


@dataclass(frozen=True)
class SmallGpt(toys.ToySettings):
    """Windows of `length` tokens: some to train on, some to calibrate the verifier on, some held out."""

    vocabulary: int = 512
    length: int = 24
    windows: int = 200
    calibration: int = 100
    held_out: int = 100
    width: int = 48
    layers: int = 2
    initial_steps: int = 120
    steps: int = 15
    generations: int = 3
    seeds: int = 3


QUICK = SmallGpt(windows=60, calibration=60, held_out=20, initial_steps=120, steps=10, generations=2, seeds=2)


def toy(settings: SmallGpt) -> toys.Toy:
    """Declare all arms."""
    text = documentation()
    tokenizer = byte_level_tokenizer([text[: len(text) // 2]], settings.vocabulary)
    tokens = torch.tensor(tokenizer(text)["input_ids"], dtype=torch.float32)
    return toys.Toy(
        bundles=[toys.bundle_seeds(settings, partial(set_up, settings, tokenizer, tokens))],
        claims=make_claims(),
        columns=[
            toys.Column("perplexity", "perplexity", ".0f", log=True),
            toys.Column("known", "known pairs", ".0%"),
            toys.Column("distinct", "distinct pairs of tokens per pair", ""),
        ],
        title="A GPT of transformers on text",
        source="after Shumailov et al. 2024; Yi et al. 2026",
        notes=(
            "Perplexity is per token, of held-out text. Each seed has its own windows of the documentation that comes "
            "with Python.",
            "A verifier that accepts at random would leave the loop as it is: samples are independent.",
        ),
    )


def make_claims() -> list[claims.Claim]:
    def measure_growth(arm: str) -> claims.Quantity:
        """Logarithm of the perplexity, over that with real text only."""
        ratio = claims.final_value(arm, "perplexity") / claims.final_value(REAL, "perplexity")
        return ratio.map(np.log)

    plain = measure_growth(PLAIN)
    known_pairs = claims.final_difference(VERIFIED, PLAIN, "known")
    distinct_pairs = claims.final_difference(VERIFIED, PLAIN, "distinct")
    more_distinct_pairs = claims.final_difference(TENTH, VERIFIED, "distinct")
    return [
        claims.expect_above("synthetic: a higher perplexity than with real text only", plain),
        claims.expect_below("10 % kept: a lower perplexity than none", measure_growth(TENTH) - plain),
        *claims.mark_unpublished(
            claims.expect_above("the verifier raises the share of known pairs", known_pairs),
            claims.expect_below("the verifier lowers the perplexity", measure_growth(VERIFIED) - plain),
            claims.expect_below("the verifier costs distinct pairs", distinct_pairs),
            claims.expect_above("10 % kept: more distinct pairs than verified", more_distinct_pairs),
        ),
    ]


def set_up(settings: SmallGpt, tokenizer: Any, tokens: Tensor, stream: sc.Stream) -> toys.Setup:
    """Windows of a seed, the model, the verifier and the arms."""
    window_count = len(tokens) // settings.length
    windows = tokens[: window_count * settings.length].reshape(-1, settings.length)
    order = torch.randperm(len(windows), generator=stream.child("windows").generator())
    counts = (settings.windows, settings.calibration, settings.held_out)
    train_rows, calibration_rows, held_out_rows = order[: sum(counts)].split(counts)
    train = windows[train_rows]
    held_out = windows[held_out_rows]
    is_known = tabulate_pairs(train, len(tokenizer))
    calibration = measure_known_share(is_known, windows[calibration_rows])
    least = float(calibration.quantile(0.1))

    def measure(candidate: sc.Candidate) -> dict[str, float]:
        model = candidate.model
        drawn = candidate.samples(settings.held_out).values
        assert isinstance(model, CausalLanguageModel)
        pairs = list_pairs(drawn)
        return {
            "perplexity": float(np.exp(model.cross_entropy(held_out))),
            "known": float(measure_known_share(is_known, drawn).mean()),
            "distinct": len(pairs.unique(dim=0)) / len(pairs),
        }

    verifier = sc.verifier(lambda samples: measure_known_share(is_known, samples.values) >= least)
    plain = sc.Arm(sc.Replace(), settings.generations, settings.steps)
    arms = {
        REAL: replace(plain, policy=sc.RealOnly()),
        PLAIN: plain,
        TENTH: replace(plain, policy=sc.Keep(0.1)),
        VERIFIED: replace(plain, correction=sc.Correction(verifier, max_draws_per_sample=1000)),
    }
    model = make_gpt(tokenizer, settings.length, settings.width, settings.layers)
    return toys.Setup(sc.Task(model, sc.Samples.real(train), measure, settings.initial_steps), arms)


def make_gpt(tokenizer: Any, length: int, width: int, layers: int) -> CausalLanguageModel:
    """Return a GPT-2 of `layers` blocks without dropout, with random weights."""
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=length + 1,
        n_embd=width,
        n_layer=layers,
        n_head=4,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return CausalLanguageModel(module=config, tokenizer=tokenizer, length=length, batch_size=32, learning_rate=3e-3)


# --- pairs of tokens, which the verifier knows ---


def list_pairs(windows: Tensor) -> Tensor:
    """Return neighbouring tokens (N · (length − 1), 2) of windows (N, length)."""
    return windows.long().unfold(1, 2, 1).flatten(0, 1)


def tabulate_pairs(windows: Tensor, vocabulary: int) -> Tensor:
    """Return which tokens follow which in windows (N, length), (vocabulary, vocabulary) bool."""
    is_known = torch.zeros((vocabulary, vocabulary), dtype=torch.bool)
    first, second = list_pairs(windows).T
    is_known[first, second] = True
    return is_known


def measure_known_share(is_known: Tensor, windows: Tensor) -> Tensor:
    """Return the share of known pairs in each window, (N,)."""
    first, second = list_pairs(windows).T
    return is_known[first, second].reshape(len(windows), -1).double().mean(1)
