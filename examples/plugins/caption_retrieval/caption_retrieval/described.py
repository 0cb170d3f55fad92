"""Diffusion whose labels are descriptions, given as vectors, so that unseen descriptions work, too."""

import copy
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from selfcorrect.core.errors import InputError
from selfcorrect.models.diffusion.model import MotionDiffusion


class DescribedLabels(nn.Module):
    """Embeds labels (N,) by the vectors (C, E) that describe them: (N, width). Label C is the null label.

    The vectors are no weights: they are not trained and not part of the state.
    """

    def __init__(self, vectors: Tensor, width: int) -> None:
        super().__init__()
        self.vectors: Tensor
        self.register_buffer("vectors", vectors, persistent=False)
        self.project = nn.Linear(vectors.shape[1], width)
        self.null = nn.Parameter(torch.zeros(width))

    def forward(self, labels: Tensor) -> Tensor:
        classes = len(self.vectors)
        described = self.project(self.vectors[labels.clamp(max=classes - 1)])
        return torch.where((labels == classes)[:, None], self.null, described)


@dataclass(frozen=True, eq=False)
class DescribedDiffusion(MotionDiffusion):
    """Denoising diffusion conditioned on descriptions, such as vectors of captions.

    `caption_retrieval.text_embedding` makes such vectors.
    """

    vectors: Tensor | None = None
    """(classes, E) float32, a vector per label, with entries of size about 1, as the network's other inputs have."""

    def __post_init__(self) -> None:
        if self.vectors is None or self.vectors.ndim != 2 or len(self.vectors) != self.classes:
            got = None if self.vectors is None else tuple(self.vectors.shape)
            raise InputError(f"{self.classes} labels need vectors of shape ({self.classes}, width), got {got}")

    def with_descriptions(self, vectors: Tensor) -> Self:
        """Return the same weights with other labels, described by vectors (C', E) of the same width."""
        modules = {name: copy.deepcopy(getattr(self, name)) for name in ("network", "average")}
        for module in modules.values():
            if module is not None:
                module.condition.label.vectors = vectors.to(self.device)
        return replace(self, classes=len(vectors), vectors=vectors, **modules)

    def _build(self) -> nn.Module:
        """Return the usual network with its table of labels exchanged."""
        network: Any = super()._build()
        assert self.vectors is not None
        network.condition.label = DescribedLabels(self.vectors, self.config.width).to(self.device)
        return network
