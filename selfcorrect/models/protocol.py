"""What the loop asks of a generative model."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Protocol, Self

from torch import Tensor

from ..core.randomness import Stream
from ..core.samples import Samples


class GenerativeModel(Protocol):
    """A trainable sampler. Values never change in place: `fit` returns another model.

    To train from scratch, a loop calls `fit` on the untrained model it was given; to fine-tune, on the last one.
    """

    def fit(self, samples: Samples, steps: int, stream: Stream) -> Self:
        """Train for `steps` optimiser steps (ignored by closed-form estimators) with the samples' weights."""
        ...

    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        """Draw one value per label: labels (N,) int64 → values (N, *event)."""
        ...

    def state(self) -> dict[str, Tensor]:
        """All that `load_state` needs for a bit-identical continuation, as a flat dict of tensors."""
        ...

    def load_state(self, state: dict[str, Tensor]) -> Self:
        """This model with the state of another one of the same configuration."""
        ...


@dataclass(frozen=True)
class TensorModel:
    """A frozen dataclass whose state is its fields that hold tensors; the others are its configuration."""

    def state(self) -> dict[str, Tensor]:
        """The fields that hold tensors."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}

    def load_state(self, state: dict[str, Tensor]) -> Self:
        """The same with these fields; what else a subclass keeps is left to it."""
        return replace(self, **{name: state[name] for name in TensorModel.state(self)})
