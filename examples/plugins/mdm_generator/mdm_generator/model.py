"""Fine-tune and sample the motion diffusion model (MDM) in a loop."""

import copy
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from torch import Tensor, nn

from selfcorrect.core.errors import InputError
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.loop.models.diffusion.model import MotionDiffusion
from selfcorrect.loop.models.diffusion.training import NoisyBatch, draw_batch
from selfcorrect.loop.models.pairs import Pairs

from .arguments import COLUMNS, MdmArguments
from .network import Mdm, PromptedNetwork, Prompts
from .padding import measure_lengths, zero_padding

FRAMES = 196
"""T, the longest motion of the published model: 9.8 s of HumanML3D."""


@dataclass(frozen=True, eq=False)
class MdmDiffusion(MotionDiffusion):
    """The motion diffusion model for a loop.

    A label is the number of a motion among its prompts. Values (N, T, D) are HumanML3D's rows, normalised, with zeros
    after a motion's end. Training draws one of a label's captions each time, sampling takes its first.
    """

    arguments: MdmArguments = field(default_factory=MdmArguments)
    prompts: Prompts | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.prompts is None or self.prompts.labels != self.classes:
            raise InputError(f"{self.classes} labels need as many prompts, got {self.prompts and self.prompts.labels}")

    @classmethod
    def from_arguments(cls, arguments: MdmArguments, prompts: Prompts, device: torch.device) -> Self:
        """Return the untrained model for prompts.

        A prompt is the caption and length of a motion to draw.
        """
        return cls(arguments.config(), FRAMES, COLUMNS, prompts.labels, device, arguments=arguments, prompts=prompts)

    @property
    def _prompts(self) -> Prompts:
        assert self.prompts is not None
        return self.prompts

    def with_prompts(self, prompts: Prompts) -> Self:
        """Return the same weights for other motions."""
        modules: dict[str, PromptedNetwork | None] = {}
        for name in ("network", "average"):
            module = getattr(self, name)
            modules[name] = None if module is None else self._with_prompt_table(module.mdm, prompts)
        return replace(self, classes=prompts.labels, prompts=prompts, **modules)

    def with_weights(self, network: Mdm, steps: int) -> Self:
        """Return the model with trained weights and their number of optimiser steps.

        The given weights are not changed in place.
        """
        modules = {
            name: self._with_prompt_table(mdm, self._prompts)
            for name, mdm in (("network", network), ("average", copy.deepcopy(network)))
        }
        return replace(self, steps=steps, **modules)

    def fit_with_pairs(self, samples: Samples, pairs: Pairs, steps: int, stream: Stream) -> Self:
        """Raise InputError, because this network needs captions and pairs have labels."""
        raise InputError("the published motion diffusion model cannot learn from pairs")

    def loss(self, predicted: Tensor, clean: Tensor) -> Tensor:
        """Return the mean squared error of (B, T, D).

        The mean is taken over each motion's frames, then over motions.
        """
        lengths = measure_lengths(clean)
        errors = zero_padding((predicted - clean).square(), lengths).sum(dim=(1, 2))
        return (errors / (lengths.clamp_min(1) * clean.shape[2])).mean()

    @torch.no_grad()
    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        """Draw one motion (T, D) per label.

        Labels (N,) int64 → values (N, T, D) float32 on the CPU.
        """
        values = super().sample(labels, stream)
        return zero_padding(values, self._prompts.lengths[self._prompts.first[labels]])

    def _draw(self, samples: Samples, generator: torch.Generator) -> NoisyBatch:
        first = self._prompts.first
        all_seen = replace(self.config, label_dropout=0.0, guidance_scale=1.0)  # captions are hidden below
        batch = draw_batch(samples, self.schedule, all_seen, self.classes, generator)
        draws = torch.rand((2, len(batch.labels)), generator=generator)
        counts = first[batch.labels + 1] - first[batch.labels]
        rows = first[batch.labels] + (draws[0] * counts).long()
        rows = rows + int(first[-1]) * (draws[1] < self.config.label_dropout)
        return batch._replace(labels=rows)

    def denoise(self, noisy: Tensor, time: int, labels: Tensor) -> Tensor:
        """Predict clean values with guidance.

        Weights are the running average. Guidance goes from no prompt to a prompt.
        """
        average = self.trained
        scale = self.config.guidance_scale
        first = self._prompts.first.to(labels.device)
        rows = first[labels]
        silent = rows + first[-1]
        times = torch.full((len(noisy),), time, device=noisy.device)
        if scale in (0, 1):
            return average(noisy, times, rows if scale else silent)
        both_rows = torch.cat([rows, silent])
        predictions = average(noisy.repeat(2, 1, 1), times.repeat(2), both_rows)
        conditional, free = predictions.chunk(2)
        return free + scale * (conditional - free)

    def _build(self) -> nn.Module:
        return self._with_prompt_table(Mdm(self.arguments, self._prompts.text.shape[1]), self._prompts)

    def _with_prompt_table(self, mdm: Mdm, prompts: Prompts) -> PromptedNetwork:
        return PromptedNetwork(mdm, prompts).to(self.device).eval()
