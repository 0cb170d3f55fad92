"""Provenance of samples: columns with one row per sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Provenance:
    """Origin of N samples, as NumPy columns (N,)."""

    synthetic: np.ndarray
    """bool, true for samples of a model."""
    generation: np.ndarray
    """int64, generation of the model that drew the sample, 0 for real data."""
    draw: np.ndarray
    """int64, index of the raw sample within its generation, before correction, or of the real sample."""
    parent: np.ndarray
    """int64, row of the parent in the model's training set, −1 if ancestry is not traced."""
    founder: np.ndarray
    """int64, row of the real sample from which the lineage descends, −1 if ancestry is not traced."""
    walk: np.ndarray
    """float64, sum of squared steps along the lineage, 0 if ancestry is not traced."""
    corrector: np.ndarray
    """str, name of the last corrector that changed the sample, "" for none."""
    distance: np.ndarray
    """float32, root-mean-square change by the corrector, in the unit of the values."""
    accepted: np.ndarray
    """bool, false if a corrector or filter rejected the sample."""

    @classmethod
    def real(cls, count: int) -> Self:
        rows = np.arange(count, dtype=np.int64)
        return replace(cls.uniform(count, synthetic=False, generation=0), founder=rows)

    @classmethod
    def uniform(cls, count: int, *, synthetic: bool, generation: int) -> Self:
        return cls(
            synthetic=np.full(count, synthetic),
            generation=np.full(count, generation, dtype=np.int64),
            draw=np.arange(count, dtype=np.int64),
            parent=np.full(count, -1, dtype=np.int64),
            founder=np.full(count, -1, dtype=np.int64),
            walk=np.zeros(count),
            corrector=np.full(count, "", dtype=np.dtypes.StringDType()),
            distance=np.zeros(count, dtype=np.float32),
            accepted=np.ones(count, dtype=bool),
        )

    def __len__(self) -> int:
        return len(self.synthetic)

    def columns(self) -> dict[str, np.ndarray]:
        """Return the columns by name, in order."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def take(self, indices: Tensor | np.ndarray) -> Self:
        """Select rows by indices (M,) int64 or a mask (N,) bool."""
        rows = indices.cpu().numpy() if isinstance(indices, torch.Tensor) else indices
        return type(self)(**{name: column[rows] for name, column in self.columns().items()})

    def with_correction(self, corrector: str, distance: np.ndarray, accepted: np.ndarray) -> Self:
        """Return the same rows after a correction.

        Args:
            corrector: Name of the corrector.
            distance: (N,) root-mean-square change of each sample.
            accepted: (N,) bool, false for rejected samples.
        """
        names = np.where(distance > 0, corrector, self.corrector).astype(np.dtypes.StringDType())
        return replace(self, corrector=names, distance=distance.astype(np.float32), accepted=self.accepted & accepted)

    def with_ancestry(self, parent: np.ndarray, founder: np.ndarray, walk: np.ndarray) -> Self:
        """Return the same rows with ancestry."""
        return replace(self, parent=parent.astype(np.int64), founder=founder.astype(np.int64), walk=walk)

    @classmethod
    def concatenate(cls, parts: Sequence[Provenance]) -> Self:
        tables = [part.columns() for part in parts]
        return cls(**{name: np.concatenate([table[name] for table in tables]) for name in tables[0]})
