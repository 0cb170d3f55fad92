"""What a loop asks of the place where its generations are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from torch import Tensor

from ...core.errors import RunFolderError
from ...core.samples import Samples
from ...correctors.correction import CorrectedBatch

Metrics: TypeAlias = Mapping[str, float | Sequence[float]]  # a sequence holds one value per replicate


@dataclass(frozen=True)
class Generation:
    """What a finished generation leaves behind."""

    number: int
    """Which generation it is."""
    state: Mapping[str, Tensor]
    """All numbers of its model."""
    batch: CorrectedBatch | None
    """The synthetic samples that the policy could train it on, None in generation 0."""
    metrics: Metrics
    """What was measured; the same in every rerun."""
    timings: Mapping[str, float]
    """Seconds per phase."""
    corrector: Mapping[str, Tensor] = field(default_factory=dict)
    """What its corrector keeps between calls, {} for one that keeps nothing."""


class Record(Protocol):
    """Committed generations, read one at a time."""

    @property
    def latest(self) -> int:
        """The last committed generation, -1 before the first."""
        ...

    def state(self, generation: int) -> dict[str, Tensor]: ...

    def count(self, generation: int) -> int:
        """Number of synthetic samples that a generation had for training, without reading them."""
        ...

    def samples(self, generation: int) -> Samples:
        """The synthetic samples that a generation had for training; values may stay on disk until they are used."""
        ...

    def batch(self, generation: int) -> CorrectedBatch: ...

    def metrics(self, generation: int) -> Metrics: ...

    def timings(self, generation: int) -> Mapping[str, float]: ...

    def corrector_state(self, generation: int) -> dict[str, Tensor]:
        """What the corrector kept after a generation."""
        ...


class Store(Record, Protocol):
    """A record that a loop can continue."""

    def commit(self, generation: Generation) -> None: ...


def check_next(number: int, latest: int) -> None:
    """Raise RunFolderError where generation `number` cannot be committed after `latest` (-1: none yet)."""
    if latest >= 0 and number != latest + 1:
        raise RunFolderError(f"generation {number} cannot follow generation {latest}")
