"""Interfaces of generation stores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from torch import Tensor

from ...core.errors import RunFolderError
from ...core.samples import Samples
from ..correctors.loop_correction import CorrectedBatch

Metrics: TypeAlias = Mapping[str, float | Sequence[float]]  # a sequence holds a value per replicate


@dataclass(frozen=True)
class Generation:
    """A finished generation."""

    number: int
    """Number of the generation, from 0."""
    state: Mapping[str, Tensor]
    """State of the model."""
    batch: CorrectedBatch | None
    """Synthetic samples that the policy could use for training, or None in generation 0."""
    metrics: Metrics
    """Measurements, which are equal in every rerun."""
    timings: Mapping[str, float]
    """Seconds per phase."""
    corrector: Mapping[str, Tensor] = field(default_factory=dict)
    """State of the corrector; empty for none."""


class Record(Protocol):
    """Committed generations that can be read one by one."""

    @property
    def latest(self) -> int:
        """Number of the last committed generation, or −1 before the first."""
        ...

    def state(self, generation: int) -> dict[str, Tensor]: ...

    def samples(self, generation: int) -> Samples:
        """Return a generation's synthetic training samples."""
        ...

    def batch(self, generation: int) -> CorrectedBatch: ...

    def metrics(self, generation: int) -> Metrics: ...

    def timings(self, generation: int) -> Mapping[str, float]: ...

    def corrector_state(self, generation: int) -> dict[str, Tensor]:
        """Return the state of the corrector after a generation."""
        ...


class Store(Record, Protocol):
    """A record that a loop can continue."""

    def commit(self, generation: Generation) -> None: ...


def check_next(number: int, latest: int) -> None:
    """Raise RunFolderError if generation `number` cannot be committed after `latest` (−1: none yet)."""
    if latest >= 0 and number != latest + 1:
        raise RunFolderError(f"generation {number} cannot follow generation {latest}")
