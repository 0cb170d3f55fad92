"""Drift and bias on text: matching against drift and extrapolation against bias in loops of a small transformer.

There are so few windows of characters that the model half-memorises them. The remedies know only what they are given:
windows are alike if each character occurs as often.

    selfcorrect toy examples/loops/text_mechanisms.py --quick
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import selfcorrect as sc
from selfcorrect.datasets.toy.text import Alphabet, documentation, select_evenly, split_windows
from selfcorrect.loop.policy import Policy

REMEDIES = ("none", "matched", "extrapolated", "lineages")
WAYS: dict[str, tuple[Policy, bool]] = {
    "fully synthetic": (sc.Replace(), False),
    "fully synthetic, trained anew": (sc.Replace(), True),
    "λ = 1": (sc.Augment(1.0), False),
    "accumulated": (sc.Accumulate(1.0), False),
}
"""Ways of training by name: the policy, and whether every generation starts from an untrained model."""


@dataclass(frozen=True)
class TextLoop(sc.toys.ToySettings):
    """Windows of the documentation that comes with Python."""

    windows: int = 200
    held_out: int = 300
    alphabet: int = 32
    length: int = 16
    generations: int = 6
    initial_steps: int = 600
    steps: int = 60
    seeds: int = 5
    ways: tuple[str, ...] = tuple(WAYS)


QUICK = TextLoop(generations=4, seeds=3, ways=("fully synthetic",))


def toy(settings: TextLoop) -> sc.toys.Toy:
    """Declare each way of training, without a remedy, with either and with both."""
    return sc.toys.Toy(
        [sc.toys.bundle_seeds(settings, partial(set_up, settings))],
        sc.claims.mark_unpublished(*make_claims(settings)),
        [
            sc.toys.Column("perplexity", "perplexity of text that no model has seen", ".0f", log=True),
            sc.toys.Column("surviving_lineages", "share of the real windows with a descendant", ""),
        ],
        groups=settings.ways,
        title="Drift and bias on text",
        source="this project",
        notes=(
            "Perplexity is per character. Lines of descent are traced by how often each character occurs in a window.",
        ),
    )


def set_up(settings: TextLoop, stream: sc.Stream) -> sc.toys.Setup:
    text = documentation()
    numbers = Alphabet.from_text(text, settings.alphabet).encode(text)
    beginning, end = split_windows(numbers, settings.length, held_out=0.1)
    real = sc.Samples.real(select_evenly(beginning, settings.windows))
    held_out = select_evenly(end, settings.held_out)
    count = partial(count_characters, alphabet=settings.alphabet)

    def measure(candidate: sc.Candidate) -> dict[str, float]:
        assert isinstance(candidate.model, LanguageModel)
        return {"perplexity": float(np.exp(candidate.model.cross_entropy(held_out)))}

    def to_space(values: Tensor) -> np.ndarray:
        return count(values).double().numpy()

    model = LanguageModel(vocabulary=settings.alphabet, length=settings.length, batch_size=32, width=32, depth=1)
    task = sc.Task(model, real, measure, settings.initial_steps, space=to_space)
    arms = {}
    for way in settings.ways:
        policy, is_trained_anew = WAYS[way]
        steps = settings.initial_steps if is_trained_anew else settings.steps
        arm = sc.Arm(policy, settings.generations, steps, from_scratch=is_trained_anew)
        for remedy in REMEDIES:
            arms[f"{way}, {remedy}"] = sc.with_remedy(task, arm, remedy, sc.RemedyInputs(embed=count))
    return sc.toys.Setup(task, arms)


def count_characters(values: Tensor, alphabet: int) -> Tensor:
    """Return how often each character occurs in windows (N, length), as square roots of counts (N, alphabet)."""
    numbers = values.long()
    return torch.zeros(len(values), alphabet).scatter_add_(1, numbers, torch.ones(numbers.shape)).sqrt()


def make_claims(settings: TextLoop) -> Iterator[sc.claims.Claim]:
    for way in settings.ways:
        plain = f"{way}, none"
        logarithm = sc.claims.final_value(plain, "perplexity").map(np.log)
        for remedy in REMEDIES[1:]:
            rise = sc.claims.final_value(f"{way}, {remedy}", "perplexity").map(np.log) - logarithm
            yield sc.claims.expect_below(f"{way}: {remedy} lowers the perplexity against no remedy", rise)
        if isinstance(WAYS[way][0], sc.Replace):
            lines = sc.claims.final_difference(f"{way}, matched", plain, "surviving_lineages")
            yield sc.claims.expect_above(f"{way}: matching keeps more lines", lines)


# --- the model: a causal transformer over characters ---


class CausalTransformer(nn.Module):
    """Tokens (N, L) → logits (N, L + 1, vocabulary) of each next token; position 0 predicts the first token."""

    def __init__(self, vocabulary: int, length: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.start = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.token = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(0.02 * torch.randn(length, width))
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, depth, norm=nn.LayerNorm(width), enable_nested_tensor=False)
        self.read_out = nn.Linear(width, vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        start = self.start.expand(len(tokens), -1, -1)
        hidden = torch.cat([start, self.token(tokens)], dim=1)
        hidden = hidden + self.position[: hidden.shape[1]]
        mask = nn.Transformer.generate_square_subsequent_mask(hidden.shape[1])
        return self.read_out(self.blocks(hidden, mask=mask, is_causal=True))


@dataclass(frozen=True, eq=False)
class LanguageModel(sc.NetworkModel[CausalTransformer]):
    """Next-token prediction on windows (length,) of token numbers."""

    vocabulary: int = 128
    length: int = 32
    width: int = 64
    depth: int = 2
    heads: int = 4

    def build(self) -> CausalTransformer:
        return CausalTransformer(self.vocabulary, self.length, self.width, self.depth, self.heads)

    def loss(self, network: CausalTransformer, values: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Return the cross-entropy per token in nats."""
        return measure_token_losses(network, values).mean()

    @torch.no_grad()
    def cross_entropy(self, values: Tensor) -> float:
        """Return the mean negative log-likelihood per token of windows (N, length); its exponential is perplexity."""
        return float(torch.cat([measure_token_losses(self.trained, part) for part in values.split(256)]).mean())

    @torch.no_grad()
    def sample(self, labels: Tensor, stream: sc.Stream) -> Tensor:
        """Draw one window (length,) per entry of `labels`."""
        generator = stream.generator()
        tokens = torch.zeros((len(labels), 0), dtype=torch.int64)
        for _ in range(self.length):
            logits = self.trained(tokens)[:, -1]
            following = torch.multinomial(logits.softmax(-1), 1, generator=generator)
            tokens = torch.cat([tokens, following], dim=1)
        return tokens.float()


def measure_token_losses(network: CausalTransformer, values: Tensor) -> Tensor:
    tokens = values.long()
    logits = network(tokens[:, :-1])
    return cross_entropy(logits.transpose(1, 2), tokens, reduction="none")
