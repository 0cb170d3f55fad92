"""A causal language model of transformers with its tokenizer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from selfcorrect.core.checks import check_count
from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.models.network import NetworkModel
from selfcorrect.models.torch_model import build_module, draw_in_batches


@dataclass(frozen=True, eq=False)
class CausalLanguageModel(NetworkModel[nn.Module]):
    """A causal model of transformers as a generative model of texts of up to `length` tokens.

    A value (length,) holds token numbers as float32; what follows the end token is filled up with it. Training
    minimises the mean cross-entropy per token, the first end token included. With `prompts`, a sample's label is the
    number of its prompt: the model is trained on, and asked for, what follows the prompt.
    """

    module: Any = None
    """A model of transformers, whose weights training starts from; a configuration, for random weights; or a function
    that builds a model."""
    tokenizer: Any = None
    """A tokenizer of transformers with an end token."""
    length: int = 64
    """Tokens of a value."""
    prompts: tuple[str, ...] = ()
    """Texts that condition samples, by label; none for texts from their beginning."""
    prompt_length: int = 256
    """Tokens of a prompt; longer ones are cut at their end."""
    temperature: float = 1.0
    top_k: int = 0
    """Number of likeliest tokens among which the next one is drawn; 0 for all."""
    top_p: float = 1.0
    """Total probability of the likeliest tokens among which the next one is drawn (Holtzman et al. 2020)."""
    sampling_batch: int = 256
    """Texts that are drawn together."""

    def __post_init__(self) -> None:
        from transformers import PretrainedConfig

        if not (callable(self.module) or isinstance(self.module, PretrainedConfig)):
            raise SettingError("CausalLanguageModel needs a model or a configuration of transformers as `module`")
        if getattr(self.tokenizer, "eos_token_id", None) is None:
            raise SettingError("CausalLanguageModel needs a tokenizer of transformers with an end token (eos_token)")
        check_count("length", self.length, 1)
        check_count("prompt_length", self.prompt_length, 1)
        if not (self.temperature > 0 and self.top_k >= 0 and 0 < self.top_p <= 1):
            settings = f"temperature {self.temperature}, top_k {self.top_k}, top_p {self.top_p}"
            raise SettingError(f"a temperature must be above 0, top_k at least 0, top_p in (0, 1]; got {settings}")

    @property
    def parts(self) -> tuple[object, ...]:
        """Code and weights of users, by which a run folder identifies the model."""
        return (self.module,)

    def build(self) -> nn.Module:
        from transformers import AutoModelForCausalLM, PretrainedConfig

        module = self.module
        is_config = isinstance(module, PretrainedConfig)
        network: Any = AutoModelForCausalLM.from_config(module) if is_config else build_module(module)
        token_count = network.get_input_embeddings().num_embeddings
        largest = max(self._end, len(self.tokenizer) - 1)
        if largest >= token_count:
            raise SettingError(
                f"the tokenizer has token {largest}, and the model has {token_count} tokens; use the model's tokenizer"
            )
        return network.float()

    # --- texts and values

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return values (N, length) of texts; longer ones are cut. InputError for a text without tokens."""
        tokens = self.tokenizer(list(texts), add_special_tokens=False, truncation=True, max_length=self.length)
        rows = []
        for number, row in enumerate(tokens["input_ids"]):
            if not row:
                raise InputError(f"text {number} has no tokens; leave empty texts out")
            rows.append(row + [self._end] * (self.length - len(row)))
        return torch.tensor(rows, dtype=torch.float32)

    def decode(self, values: Tensor) -> list[str]:
        """Return the texts of values (N, length), up to their end tokens."""
        rows = []
        for row in values.long().tolist():
            end = row.index(self._end) if self._end in row else None
            rows.append(row[:end])
        return list(self.tokenizer.batch_decode(rows, skip_special_tokens=True))

    def samples(self, texts: Sequence[str], labels: Tensor | None = None) -> Samples:
        """Return texts as real data.

        Args:
            labels: (N,) int64 numbers of their prompts; None for the first prompt.

        Returns:
            N samples with values (N, length), the tokens.
        """
        return Samples.real(self.encode(texts), labels)

    # --- training

    def loss(self, network: nn.Module, values: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Return the mean negative log-likelihood per token, in nats."""
        losses, counted = self._token_losses(network, values, labels)
        return losses[counted].mean()

    @torch.no_grad()
    def cross_entropy(self, values: Tensor, labels: Tensor | None = None) -> float:
        """Return the mean negative log-likelihood per token, the logarithm of the perplexity.

        Args:
            values: (N, length) tokens.
            labels: (N,) int64 numbers of the prompts; None for the first prompt.

        Returns:
            Nats per token.
        """
        labels = torch.zeros(len(values), dtype=torch.int64) if labels is None else labels
        total = 0.0
        count = 0
        for start in range(0, len(values), self.sampling_batch):
            batch_values = values[start : start + self.sampling_batch].to(self.device)
            batch_labels = labels[start : start + self.sampling_batch].to(self.device)
            losses, counted = self._token_losses(self.trained, batch_values, batch_labels)
            total += float(losses[counted].double().sum())
            count += int(counted.sum())
        return total / count

    def _token_losses(self, network: Any, values: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return each token's negative log-likelihood in nats, and a mask of the tokens of the text, (N, length)."""
        tokens = values.long()
        prompt, mask = self._prompt(labels)
        inputs = torch.cat([prompt, tokens], dim=1)
        mask = torch.cat([mask, torch.ones_like(tokens)], dim=1)
        output = network(input_ids=inputs, attention_mask=mask, position_ids=_positions(mask), use_cache=False)
        predictions = output.logits[:, prompt.shape[1] - 1 : -1].float()
        is_end = (tokens == self._end).long()
        ends_before = is_end.cumsum(1) - is_end
        return cross_entropy(predictions.transpose(1, 2), tokens, reduction="none"), ends_before == 0

    # --- sampling

    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        """Return one value (length,) per entry of `labels`, float32 on the CPU."""
        generator = stream.generator()
        return draw_in_batches(
            labels, self.sampling_batch, lambda part: self._draw_tokens(part.to(self.device), generator)
        )

    def _draw_tokens(self, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Draw token by token, on the CPU from the generator, with the model's cache of past keys and values."""
        network: Any = self.trained
        tokens, mask = self._prompt(labels)
        past = None
        drawn: list[Tensor] = []
        ended = torch.zeros(len(labels), dtype=torch.bool)
        for _ in range(self.length):
            positions = _positions(mask)[:, -tokens.shape[1] :]
            output = network(
                input_ids=tokens, attention_mask=mask, position_ids=positions, past_key_values=past, use_cache=True
            )
            past = output.past_key_values
            logits = output.logits[:, -1].float().cpu()
            following = torch.multinomial(self._probabilities(logits), 1, generator=generator)
            following[ended] = self._end
            ended |= following[:, 0] == self._end
            drawn.append(following)
            tokens = following.to(self.device)
            mask = torch.cat([mask, torch.ones_like(tokens)], dim=1)
        return torch.cat(drawn, dim=1)

    def _probabilities(self, logits: Tensor) -> Tensor:
        """Return probabilities of the next token (N, vocabulary), after temperature, top_k and top_p."""
        from transformers.generation import logits_process as process

        warpers = [process.TemperatureLogitsWarper(self.temperature)] if self.temperature != 1 else []
        warpers += [process.TopKLogitsWarper(self.top_k)] if self.top_k else []
        warpers += [process.TopPLogitsWarper(self.top_p)] if self.top_p < 1 else []
        for warp in warpers:
            logits = warp(torch.empty(0), logits)  # type: ignore[arg-type]
        return logits.softmax(-1)

    def _prompt(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return tokens (N, P) and attention mask of the prompts, padded on the left."""
        if not self.prompts:
            start = self.tokenizer.bos_token_id
            tokens = torch.full((len(labels), 1), self._end if start is None else start, device=self.device)
            return tokens, torch.ones_like(tokens)
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(self.prompts):
            raise InputError(f"labels must be numbers of the {len(self.prompts)} prompts, got {int(labels.max())}")
        texts = [self.prompts[int(label)] for label in labels]
        rows = self.tokenizer(texts, truncation=True, max_length=self.prompt_length)["input_ids"]
        rows = [row or [self._end] for row in rows]
        width = max(map(len, rows), default=1)
        tokens = torch.full((len(rows), width), self._end, device=self.device)
        mask = torch.zeros_like(tokens)
        for index, row in enumerate(rows):
            tokens[index, width - len(row) :] = torch.tensor(row, device=self.device)
            mask[index, width - len(row) :] = 1
        return tokens, mask

    @property
    def _end(self) -> int:
        return int(self.tokenizer.eos_token_id)


def _positions(mask: Tensor) -> Tensor:
    """Return the position of each token in its text (N, L), padding on the left not counted."""
    return (mask.cumsum(1) - 1).clamp(min=0)
