"""A small causal transformer over the characters of a text."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from selfcorrect.core.randomness import Stream
from selfcorrect.loop.models.network import NetworkModel
from selfcorrect.loop.run import Candidate, Evaluate


class CausalTransformer(nn.Module):
    """Predict the next token's logits.

    Tokens (N, L) → logits (N, L + 1, vocabulary); position 0 predicts the first token.
    """

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
class LanguageModel(NetworkModel[CausalTransformer]):
    """Predicts next tokens of windows.

    A window is an event of shape (length,) with token numbers as floats. Sampling starts each window afresh and draws
    from the model's own distribution.
    """

    vocabulary: int = 128
    length: int = 32
    width: int = 64
    depth: int = 2
    heads: int = 4

    def build(self) -> CausalTransformer:
        return CausalTransformer(self.vocabulary, self.length, self.width, self.depth, self.heads)

    def loss(self, network: CausalTransformer, values: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Cross-entropy per token in nats."""
        return _token_losses(network, values).mean()

    @torch.no_grad()
    def cross_entropy(self, values: Tensor) -> float:
        """Return the mean loss per token in nats.

        The loss is the negative log-likelihood of windows (N, length). Its exponential is the perplexity.
        """
        return float(torch.cat([_token_losses(self.trained, part) for part in values.split(256)]).mean())

    @torch.no_grad()
    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        """One window (length,) per entry of `labels`, float32."""
        generator = stream.generator()
        tokens = torch.zeros((len(labels), 0), dtype=torch.int64)
        for _ in range(self.length):
            logits = self.trained(tokens)[:, -1]
            drawn = torch.multinomial(logits.softmax(-1), 1, generator=generator)
            tokens = torch.cat([tokens, drawn], dim=1)
        return tokens.float()


def _token_losses(network: CausalTransformer, values: Tensor) -> Tensor:
    tokens = values.long()
    logits = network(tokens[:, :-1])
    return cross_entropy(logits.transpose(1, 2), tokens, reduction="none")


def perplexity_of(held_out: Tensor) -> Evaluate:
    """Return the judge of perplexity per character.

    Language models are judged on windows (N, length).
    """

    def scores(candidate: Candidate) -> dict[str, float]:
        assert isinstance(candidate.model, LanguageModel)
        return {"perplexity": float(np.exp(candidate.model.cross_entropy(held_out)))}

    return scores
