"""A small GPT of transformers on the documentation of Python: its own text, and its own text after a verifier.

Model and tokenizer come from the library `transformers` through `sc.CausalLanguageModel`, initialised at random. The
verifier knows which pairs of tokens follow each other in the real training text: it keeps texts whose share of known
pairs is at least that of the lower tenth of real texts that nobody trains on or judges by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from selfcorrect.core.extras import needed_for
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.contract import verifier
from selfcorrect.correctors.correction import Correction
from selfcorrect.datasets.toy.text import documentation
from selfcorrect.loop.policy import Keep, RealOnly, Replace
from selfcorrect.loop.run import Candidate, Plan, Task
from selfcorrect.models.adapters.language_model import CausalLanguageModel
from selfcorrect.models.adapters.tokenizer import byte_level_tokenizer

from ...studies.claims import Quantity, above, below, end, gain, ours
from ..declaration import Column, Setup, Toy, ToySettings, by_seed

REAL, PLAIN, TENTH, VERIFIED = "real only", "synthetic", "10 % kept", "verified"


@dataclass(frozen=True)
class SmallGpt(ToySettings):
    """Windows of `length` tokens: so many to train on, to calibrate the verifier on, and held out."""

    vocabulary: int = 512
    length: int = 24
    windows: int = 200
    calibration: int = 100
    held_out: int = 100
    width: int = 48
    layers: int = 2
    first_steps: int = 120
    steps: int = 15
    generations: int = 3
    seeds: int = 3


QUICK = SmallGpt(windows=60, calibration=60, held_out=20, first_steps=120, steps=10, generations=2, seeds=2)


def toy(settings: SmallGpt) -> Toy:
    """All arms."""
    text = documentation()
    tokenizer = byte_level_tokenizer([text[: len(text) // 2]], settings.vocabulary)
    tokens = torch.tensor(tokenizer(text)["input_ids"], dtype=torch.float32)

    def growth(arm: str) -> Quantity:
        """Logarithm of the perplexity, over that with real text only."""
        return (end(arm, "perplexity") / end(REAL, "perplexity")).map(np.log)

    return Toy(
        [by_seed(settings, lambda stream: _setup(settings, tokenizer, tokens, stream))],
        [
            above("synthetic: a higher perplexity than with real text only", growth(PLAIN)),
            below("10 % kept: a lower perplexity than none", growth(TENTH) - growth(PLAIN)),
            *ours(
                above("the verifier raises the share of known pairs", gain(VERIFIED, PLAIN, "known")),
                below("the verifier lowers the perplexity", growth(VERIFIED) - growth(PLAIN)),
                below("the verifier costs distinct pairs", gain(VERIFIED, PLAIN, "distinct")),
                above("10 % kept: more distinct pairs than verified", gain(TENTH, VERIFIED, "distinct")),
            ),
        ],
        [
            Column("perplexity", "perplexity", ".0f", log=True),
            Column("known", "known pairs", ".0%"),
            Column("distinct", "distinct pairs of tokens per pair", ""),
        ],
        notes=(
            "Perplexity is per token, of held-out text. Each seed has its own windows of the documentation that comes "
            "with Python.",
            "A verifier that accepts at random would leave the loop as it is: samples are independent.",
        ),
    )


def gpt_model(tokenizer: Any, length: int, width: int, layers: int) -> CausalLanguageModel:
    """A GPT-2 of `layers` blocks without dropout, random weights."""
    with needed_for("the loop small-gpt", "hub"):
        from transformers import GPT2Config
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=length + 1, n_embd=width, n_layer=layers, n_head=4, resid_pdrop=0.0,
        embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    return CausalLanguageModel(module=config, tokenizer=tokenizer, length=length, batch_size=32, learning_rate=3e-3)


def _setup(settings: SmallGpt, tokenizer: Any, tokens: Tensor, stream: Stream) -> Setup:
    windows = tokens[: len(tokens) // settings.length * settings.length].reshape(-1, settings.length)
    order = torch.randperm(len(windows), generator=stream.child("windows").torch())
    counts = (settings.windows, settings.calibration, settings.held_out)
    train, calibration, held_out = (windows[rows] for rows in order[: sum(counts)].split(counts))
    known = KnownPairs.of(train, len(tokenizer))
    least = float(known.share(calibration).quantile(0.1))

    def scores(candidate: Candidate) -> dict[str, float]:
        model, drawn = candidate.model, candidate.samples(settings.held_out).values
        assert isinstance(model, CausalLanguageModel)
        return {
            "perplexity": float(np.exp(model.cross_entropy(held_out))),
            "known": float(known.share(drawn).mean()),
            "distinct": len(pairs_of(drawn).unique(dim=0)) / len(pairs_of(drawn)),
        }

    model = gpt_model(tokenizer, settings.length, settings.width, settings.layers)
    knows = Correction(verifier(lambda samples: known.share(samples.values) >= least), max_draws_per_sample=1000)
    policies = {REAL: RealOnly(), PLAIN: Replace(), TENTH: Keep(0.1), VERIFIED: Replace()}
    plans = {
        arm: Plan(policy, settings.generations, settings.steps, correction=knows if arm == VERIFIED else None)
        for arm, policy in policies.items()
    }
    return Setup(Task(model, Samples.real(train), scores, settings.first_steps), plans)


@dataclass(frozen=True)
class KnownPairs:
    """Which tokens follow which, (vocabulary, vocabulary) bool."""

    table: Tensor

    @classmethod
    def of(cls, windows: Tensor, vocabulary: int) -> Self:
        """Those of windows (N, length)."""
        table = torch.zeros((vocabulary, vocabulary), dtype=torch.bool)
        table[tuple(pairs_of(windows).T)] = True
        return cls(table)

    def share(self, windows: Tensor) -> Tensor:
        """The share of known pairs in each window, (N,)."""
        return self.table[tuple(pairs_of(windows).T)].reshape(len(windows), -1).double().mean(1)


def pairs_of(windows: Tensor) -> Tensor:
    """Neighbouring tokens (N · (length − 1), 2)."""
    return windows.long().unfold(1, 2, 1).flatten(0, 1)
