"""Two encoders into a common space, trained so that a sample lies nearest to its own description."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from selfcorrect.core.errors import InputError
from selfcorrect.core.randomness import Stream
from selfcorrect.models.training import descend, layer_randomness

_CPU = torch.device("cpu")
_LEAST_SPREAD = 1e-6
"""Smallest standard deviation of a feature that varies; constant features are not scaled."""


@dataclass(frozen=True)
class ContrastiveSettings:
    """Settings of the encoders and of their training."""

    width: int = 256
    """Channels of the hidden layer of the samples' encoder."""
    outputs: int = 64
    """Dimensions of the shared space."""
    dropout: float = 0.5
    """Share of the samples' features, and of hidden channels, that each training step leaves out."""
    steps: int = 400
    """Optimiser steps."""
    batch_size: int = 256
    """Samples of a step."""
    learning_rate: float = 1e-3
    """Learning rate of AdamW, falling to 0 on a cosine."""
    weight_decay: float = 0.05
    """Decoupled weight decay of AdamW."""
    temperature: float = 0.1
    """Divisor of cosine similarities before the softmax over descriptions."""


@dataclass(frozen=True, eq=False)
class ContrastiveEncoders:
    """Encodes samples and descriptions as unit vectors; trained once, then frozen."""

    mean: Tensor
    """(F,) of the training samples' features."""
    scale: Tensor
    """(F,) their standard deviations."""
    samples: nn.Module
    descriptions: nn.Module

    @classmethod
    def fit(
        cls, features: np.ndarray, labels: np.ndarray, vectors: Tensor, settings: ContrastiveSettings, stream: Stream
    ) -> Self:
        """Train encoders of samples and of their descriptions.

        Each sample is compared with all descriptions (InfoNCE, van den Oord et al. 2018, from samples to descriptions).
        Samples are drawn so that every description is equally frequent. On the CPU, so that the same stream gives the
        same encoders.

        Args:
            features: (N, F) of the samples.
            labels: (N,) the description of each sample, a row of `vectors`.
            vectors: (C, E) of the descriptions.

        Raises:
            InputError: Labels do not fit.
        """
        if len(features) != len(labels) or not len(labels) or labels.max() >= len(vectors):
            raise InputError(
                f"contrastive training needs one of {len(vectors)} labels per sample, got {len(labels)} for "
                f"{len(features)} samples"
            )
        inputs = torch.as_tensor(features, dtype=torch.float32)
        targets = torch.from_numpy(labels)
        mean = inputs.mean(0)
        scale = inputs.std(0).clamp_min(_LEAST_SPREAD)
        inputs = (inputs - mean) / scale
        weights = 1.0 / torch.bincount(targets, minlength=len(vectors)).double()[targets]
        generator = stream.child("batches").generator()
        with layer_randomness(stream.child("layers"), _CPU):
            sample_encoder = nn.Sequential(
                nn.Dropout(settings.dropout),
                nn.Linear(inputs.shape[1], settings.width),
                nn.GELU(),
                nn.Dropout(settings.dropout),
                nn.Linear(settings.width, settings.outputs),
            )
            description_encoder = nn.Linear(vectors.shape[1], settings.outputs)
            parameters = [*sample_encoder.parameters(), *description_encoder.parameters()]
            optimiser = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)
            decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.steps)
            for step in range(settings.steps):
                rows = torch.multinomial(weights, settings.batch_size, replacement=True, generator=generator)
                samples = normalize(sample_encoder(inputs[rows]))
                descriptions = normalize(description_encoder(vectors))
                similarities = samples @ descriptions.T / settings.temperature
                descend(optimiser, cross_entropy(similarities, targets[rows]), step)
                decay.step()
        return cls(mean, scale, sample_encoder.eval(), description_encoder.eval())

    @torch.inference_mode()
    def encode(self, features: np.ndarray) -> np.ndarray:
        """Encode samples' features (N, F) as unit vectors (N, outputs) float32."""
        inputs = (torch.as_tensor(features, dtype=torch.float32) - self.mean) / self.scale
        return normalize(self.samples(inputs)).numpy()

    @torch.inference_mode()
    def describe(self, vectors: Tensor) -> np.ndarray:
        """Encode vectors (C, E) of descriptions as unit vectors (C, outputs) float32."""
        return normalize(self.descriptions(vectors)).numpy()
