"""The interface of generative models."""

from dataclasses import dataclass, fields, replace
from typing import Protocol, Self

from torch import Tensor

from ...core.randomness import Stream
from ...core.samples import Samples
from .saving import Saveable


class GenerativeModel(Protocol):
    """A trainable sampler that never changes in place: `fit` returns another model.

    To train from scratch, a loop calls `fit` on the untrained model that it was given; to fine-tune, it calls `fit` on
    the last model.
    """

    def fit(self, samples: Samples, steps: int, stream: Stream) -> Self:
        """Train for a number of optimiser steps, respecting the samples' weights.

        Args:
            samples: The training set, values (N, *event), labels (N,) and weights (N,).
            steps: Number of optimiser steps, which closed-form estimators ignore.
            stream: Random numbers of the fit.
        """
        ...

    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        """Draw values (N, *event) for labels (N,) int64."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Return the state as tensors by name.

        `load_state` needs nothing else for a bit-identical continuation.
        """
        ...

    def load_state(self, state: dict[str, Tensor]) -> Self:
        """Return this model with the state of another one of the same configuration."""
        ...


@dataclass(frozen=True)
class TensorModel(Saveable):
    """A frozen dataclass with its state in tensors and its configuration in other fields."""

    def state(self) -> dict[str, Tensor]:
        """Return the fields that hold tensors."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}

    def load_state(self, state: dict[str, Tensor]) -> Self:
        """Return the model with these tensors.

        A subclass with further state loads that itself.
        """
        return replace(self, **{name: state[name] for name in TensorModel.state(self)})
