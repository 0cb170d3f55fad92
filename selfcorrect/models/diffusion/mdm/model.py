"""The motion diffusion model as a generative model that a self-consuming loop fine-tunes and samples."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor, nn

from ....core.errors import InputError
from ....core.padding import measure_lengths, zero_padding
from ....core.randomness import Stream
from ....core.samples import Samples
from ..model import MotionDiffusion
from ..schedule import NoiseSchedule, cosine_schedule
from ..training import Batch, draw_batch
from .arguments import MdmArguments
from .network import Mdm, PromptedNetwork, Prompts

FRAMES = 196
"""T, the longest motion of the published model: 9.8 s of HumanML3D."""


@dataclass(frozen=True, eq=False)
class MdmDiffusion(MotionDiffusion):
    """The motion diffusion model; labels say which motion of its prompts is asked for.

    Values (N, T, D) are HumanML3D's rows, normalised, with zeros after a motion's end. Training draws one of a
    label's captions each time, sampling takes its first.
    """

    arguments: MdmArguments = field(default_factory=MdmArguments)
    prompts: Prompts | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.prompts is None or self.prompts.labels != self.classes:
            raise InputError(f"{self.classes} labels need as many prompts, got {self.prompts and self.prompts.labels}")

    @classmethod
    def untrained(
        cls, arguments: MdmArguments, prompts: Prompts, device: torch.device, *, averaged: bool = False
    ) -> Self:
        """The untrained model; averaged: whether the running average of its weights will sample."""
        config = arguments.config(averaged=averaged)
        return cls(config, FRAMES, arguments.columns, prompts.labels, device, arguments=arguments, prompts=prompts)

    @property
    def _prompts(self) -> Prompts:
        assert self.prompts is not None
        return self.prompts

    @cached_property
    def schedule(self) -> NoiseSchedule:
        """The checkpoint's own."""
        steps = self.config.diffusion_steps
        return cosine_schedule(steps) if self.arguments.noise_schedule == "cosine" else linear_schedule(steps)

    def with_prompts(self, prompts: Prompts) -> Self:
        """The same weights, asked for other motions."""
        known = {name: getattr(self, name) for name in ("network", "average")}
        modules = {
            name: None if one is None else self._with_prompt_table(one.mdm, prompts) for name, one in known.items()
        }
        return replace(self, classes=prompts.labels, prompts=prompts, **modules)

    def with_weights(self, network: Mdm, average: Mdm | None, steps: int) -> Self:
        """The model with some weights, which it does not change; average: what samples, by default the network."""
        modules = [self._with_prompt_table(one, self._prompts) for one in (network, average or copy.deepcopy(network))]
        return replace(self, network=modules[0], average=modules[1], steps=steps)

    def fit(self, samples: Samples, steps: int, stream: Stream) -> Self:
        """Train for `steps` optimiser steps on values (N, T, D), drawn in proportion to their weights."""
        if steps and self.arguments.geometric:
            raise InputError(
                "this checkpoint was trained with geometric losses (lambda_rcxyz, lambda_vel, lambda_fc), which are "
                "not here: it can be sampled and not trained on"
            )
        return super().fit(samples, steps, stream)

    def loss(self, predicted: Tensor, clean: Tensor) -> Tensor:
        """Mean squared error over each motion's own frames, then over motions, of (B, T, D)."""
        lengths = measure_lengths(clean)
        errors = zero_padding((predicted - clean).square(), lengths).sum(dim=(1, 2))
        return (errors / (lengths.clamp_min(1) * clean.shape[2])).mean()

    @torch.no_grad()
    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        """One motion for each label: labels (N,) int64 → values (N, T, D) float32 on the CPU."""
        values = super().sample(labels, stream)
        return zero_padding(values, self._prompts.lengths[self._prompts.first[labels]])

    def _draws(self, samples: Samples, stream: Stream) -> Callable[[], Batch]:
        place = self.device if self.acceleration.draws_on_device else torch.device("cpu")
        if place.type != "cpu":
            parts = (samples.values.float(), samples.labels, samples.weights)
            values, labels, weights = (part.to(place) for part in parts)
            samples = Samples(values, labels, samples.provenance, weights)
        schedule, generator = NoiseSchedule(self.schedule.alpha_bars.to(place)), stream.generator(place)
        first = self._prompts.first.to(place)
        all_seen = replace(self.config, label_dropout=0.0, guidance_scale=1.0)  # captions are hidden below

        def draw() -> Batch:
            batch = draw_batch(samples, schedule, all_seen, self.classes, generator)
            chance, hidden = torch.rand((2, len(batch.labels)), generator=generator, device=place)
            counts = first[batch.labels + 1] - first[batch.labels]
            rows = first[batch.labels] + (chance * counts).long()
            rows = rows + int(first[-1]) * (hidden < self.config.label_dropout)
            return batch._replace(labels=rows).to_device(self.device)

        return draw

    def _guide(self, noisy: Tensor, labels: Tensor, time: int) -> Tensor:
        average, scale = self.average, self.config.guidance_scale
        assert average is not None
        first = self._prompts.first.to(labels.device)
        rows, silent = first[labels], first[labels] + first[-1]
        times = torch.full((len(noisy),), time, device=noisy.device)
        if scale in (0, 1):
            return average(noisy, times, rows if scale else silent)
        conditional, free = average(noisy.repeat(2, 1, 1), times.repeat(2), torch.cat([rows, silent])).chunk(2)
        return free + scale * (conditional - free)

    def _build(self) -> nn.Module:
        return self._with_prompt_table(Mdm(self.arguments, self._prompts.text.shape[2]), self._prompts)

    def _with_prompt_table(self, mdm: Mdm, prompts: Prompts) -> PromptedNetwork:
        return PromptedNetwork(mdm, prompts).to(self.device).eval()


def linear_schedule(steps: int) -> NoiseSchedule:
    """Noise variances that rise linearly (Ho et al. 2020), as densely for any number of steps."""
    scale = 1000 / steps
    betas = torch.linspace(scale * 1e-4, scale * 0.02, steps, dtype=torch.float64)
    return NoiseSchedule(torch.cumprod(1 - betas, 0))
