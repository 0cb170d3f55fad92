"""Generations kept in memory, for toys and tests."""

from collections.abc import Mapping

from torch import Tensor

from ...core.errors import RunFolderError
from ...core.samples import Samples
from ..correctors.loop_correction import CorrectedBatch
from .protocol import Generation, Metrics, check_next


class MemoryStore:
    """A store that keeps generations in memory."""

    def __init__(self) -> None:
        self._generations: dict[int, Generation] = {}

    @property
    def latest(self) -> int:
        return max(self._generations, default=-1)

    def commit(self, generation: Generation) -> None:
        check_next(generation.number, self.latest)
        self._generations[generation.number] = generation

    def state(self, generation: int) -> dict[str, Tensor]:
        return dict(self._generations[generation].state)

    def samples(self, generation: int) -> Samples:
        return self.batch(generation).samples

    def batch(self, generation: int) -> CorrectedBatch:
        batch = self._generations[generation].batch
        if batch is None:
            raise RunFolderError(f"generation {generation} has no synthetic samples")
        return batch

    def metrics(self, generation: int) -> Metrics:
        return self._generations[generation].metrics

    def timings(self, generation: int) -> Mapping[str, float]:
        return self._generations[generation].timings

    def corrector_state(self, generation: int) -> dict[str, Tensor]:
        return dict(self._generations[generation].corrector)
