"""The preference loss of a diffusion model; see `selfcorrect.models.pairs`."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..pairs import Pairs
from .config import DiffusionConfig
from .schedule import NoiseSchedule


@dataclass(frozen=True)
class PairLoss:
    """Preference loss of batches of pairs, whose e(x) is the mean squared error of the predicted clean sample.

    Both sides of a pair and the reference share diffusion time and noise.
    """

    pairs: Pairs
    reference: nn.Module
    """Denoiser of the model that drew the losers."""
    schedule: NoiseSchedule
    config: DiffusionConfig
    null_label: int
    generator: torch.Generator
    """Random numbers, on the CPU."""
    device: torch.device

    def compute(self, network: Callable[..., Tensor]) -> Tensor:
        """Return the loss of the network on a batch of pairs, drawn with replacement."""
        pairs = self.pairs
        size = self.config.batch_size
        rows = torch.randint(len(pairs), (size,), generator=self.generator)
        times = torch.randint(len(self.schedule), (size,), generator=self.generator)
        is_hidden = torch.rand(size, generator=self.generator) < self.config.label_dropout
        labels = pairs.labels[rows].masked_fill(is_hidden, self.null_label).repeat(2).to(self.device)
        losers = pairs.losers[rows].float()
        noise = torch.randn(losers.shape, generator=self.generator).repeat(2, 1, 1)
        clean = torch.cat((pairs.winners[rows].float(), losers))
        times = times.repeat(2)
        noisy = self.schedule.add_noise(clean, noise, times).to(self.device)
        inputs = (noisy, times.to(self.device), labels)
        clean = clean.to(self.device)
        predicted = network(*inputs)
        with torch.no_grad():
            predicted_before = self.reference(*inputs)
        changes = _errors(predicted, clean) - _errors(predicted_before, clean)
        of_winners, of_losers = changes.chunk(2)
        return pairs.preference_loss(of_winners - of_losers)


def _errors(predicted: Tensor, clean: Tensor) -> Tensor:
    return (predicted - clean).square().flatten(1).mean(1)
