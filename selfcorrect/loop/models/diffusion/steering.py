"""Diffusion models with steered sampling: predictions are projected on the way."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeAlias, TypeVar

from torch import Tensor

from ....core.errors import InputError, SettingError
from ..protocol import GenerativeModel
from .model import MotionDiffusion

Steered = TypeVar("Steered", bound=MotionDiffusion)


def steer(kind: type[Steered], model: GenerativeModel, **settings: Any) -> Steered:
    """Copy a diffusion model, with its weights, as a subclass that samples differently.

    Args:
        kind: A subclass of `MotionDiffusion`, such as `Projected`.
        model: The model to copy.
        settings: Further fields of the subclass.

    Raises:
        InputError: The model is not a diffusion model.
    """
    if not isinstance(model, MotionDiffusion):
        raise InputError(f"{kind.__name__.lower()} sampling needs a diffusion model, got {type(model).__name__}")
    weights_and_settings = {entry.name: getattr(model, entry.name) for entry in fields(MotionDiffusion)}
    return kind(**weights_and_settings, **settings)


Project: TypeAlias = Callable[[Tensor, Tensor, int], Tensor]
"""Function of predicted clean values (N, T, D), labels (N,) and the denoising step, from 0, that returns the values
(N, T, D) to continue with."""


@dataclass(frozen=True, eq=False)
class Projected(MotionDiffusion):
    """Diffusion model whose predictions are projected in some denoising steps.

    PhysDiff (Yuan et al. 2023, arXiv 2212.02500) projects the predicted clean sample with a simulator. In step i = 0 …
    S − 1, the sampler moves towards x̂₀, the network's prediction or its extrapolation. If i is one of first, first +
    every, first + 2 every, …, then x̂₀ is replaced by its projection before the reverse step. Extrapolation uses the
    unprojected predictions. If the last step is one of these, samples are projected values. If it is the only one,
    plain sampling is followed by a projection.
    """

    values_together: ClassVar[int] = sys.maxsize

    project: Project | None = field(default=None, repr=False)
    every: int = 1
    first: int = 0

    def __post_init__(self) -> None:
        if not (self.every >= 1 and 0 <= self.first < self.config.sampling_steps):
            raise SettingError(
                f"projection needs every ≥ 1 and a first step from 0 to {self.config.sampling_steps - 1}, "
                f"got every {self.every} and first {self.first}"
            )

    def adjust(self, clean: Tensor, labels: Tensor, step: int) -> Tensor:
        if self.project is None or step < self.first or (step - self.first) % self.every:
            return clean
        return self.project(clean, labels, step).to(clean)
