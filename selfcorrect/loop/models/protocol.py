"""The contract of generative models."""

from dataclasses import dataclass, fields, replace
from typing import Protocol, Self

from torch import Tensor

from ...core.randomness import Stream
from ...core.samples import Samples
from .saving import Saveable


class GenerativeModel(Protocol):
    """A trainable sampler.

    Values never change in place: `fit` returns another model.

    To train from scratch, a loop calls `fit` on the untrained model it was given; to fine-tune, on the last model.
    """

    def fit(self, samples: Samples, steps: int, stream: Stream) -> Self:
        """Train for some optimiser steps.

        The samples' weights are respected.

        Args:
            samples: The training set, values (N, *event), labels (N,) and weights (N,).
            steps: Number of optimiser steps; closed-form estimators ignore the number.
            stream: Random numbers of the fit.
        """
        ...

    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        """Return a value per label.

        Args:
            labels: (N,) int64.
            stream: Source of random numbers.

        Returns:
            Values (N, *event).
        """
        ...

    def state(self) -> dict[str, Tensor]:
        """Return the state as a flat dict of tensors.

        `load_state` needs nothing else for a bit-identical continuation.
        """
        ...

    def load_state(self, state: dict[str, Tensor]) -> Self:
        """Return this model with another's state.

        The other has the same configuration.
        """
        ...


@dataclass(frozen=True)
class TensorModel(Saveable):
    """A frozen dataclass with tensors as state.

    All other fields are the configuration.
    """

    def state(self) -> dict[str, Tensor]:
        """Return the fields that hold tensors."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}

    def load_state(self, state: dict[str, Tensor]) -> Self:
        """Return the model with these fields.

        Other state of a subclass is left to the subclass.
        """
        return replace(self, **{name: state[name] for name in TensorModel.state(self)})
