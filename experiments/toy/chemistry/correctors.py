"""Correctors of conformers: relaxation by a force field with strength in steps, a verifier, and their controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.contract import Corrected, Corrector, call_corrector
from selfcorrect.datasets.toy.molecules import Molecule

from .measures import aligned, energies_kcal_mol, faults, relaxed


@dataclass(frozen=True, eq=False)
class ConformerCodec:
    """Values (N, 3, A) of conformers of several molecules: turned onto one of each, without its mean, in one scale.

    A is the size of the largest molecule; places beyond a smaller one are 0.
    """

    molecules: Sequence[Molecule]
    """By label."""
    templates: Sequence[np.ndarray]
    """(A, 3) in Å of each molecule: conformers are turned onto its heavy atoms."""
    means: Sequence[np.ndarray]
    """(A, 3) in Å of each molecule's training conformers, once turned."""
    scale_A: float
    """Standard deviation of training conformers around their means."""

    @classmethod
    def fit(cls, molecules: Sequence[Molecule], training: Sequence[np.ndarray]) -> Self:
        """training: positions (N, A, 3) in Å of each molecule."""
        pairs = list(zip(molecules, training, strict=True))
        turned = [aligned(positions, positions[0], of.heavy) for of, positions in pairs]
        means = [positions.mean(axis=0) for positions in turned]
        rest = np.concatenate([(each - mean).ravel() for each, mean in zip(turned, means, strict=True)])
        return cls(molecules, [positions[0] for positions in training], means, float(rest.std()))

    @property
    def size(self) -> int:
        """Atoms of the largest molecule."""
        return max(of.size for of in self.molecules)

    def encode(self, label: int, positions: np.ndarray) -> Tensor:
        """Values (N, 3, A) float32 of positions (N, A, 3) in Å of one molecule."""
        turned = aligned(positions, self.templates[label], self.molecules[label].heavy)
        values = np.zeros((len(positions), 3, self.size), dtype=np.float32)
        values[:, :, : turned.shape[1]] = ((turned - self.means[label]) / self.scale_A).transpose(0, 2, 1)
        return torch.from_numpy(values)

    def decode(self, label: int, values: Tensor) -> np.ndarray:
        """Positions (N, A, 3) in Å of one molecule from values (N, 3, A)."""
        coordinates = values.double().numpy().transpose(0, 2, 1)[:, : self.molecules[label].size]
        return coordinates * self.scale_A + self.means[label]

    def samples(self, each: Sequence[np.ndarray]) -> Samples:
        """Real samples of positions (N, A, 3) in Å of each molecule, labelled by their places."""
        values = torch.cat([self.encode(label, positions) for label, positions in enumerate(each)])
        counts = torch.tensor([len(positions) for positions in each])
        return Samples.real(values, torch.repeat_interleave(torch.arange(len(each)), counts))

    def positions(self, samples: Samples) -> dict[int, tuple[Tensor, np.ndarray]]:
        """Label → rows (M,) in the samples and positions (M, A, 3) in Å."""
        rows = {int(label): (samples.labels == label).nonzero().squeeze(1) for label in samples.labels.unique()}
        return {label: (chosen, self.decode(label, samples.values[chosen])) for label, chosen in rows.items()}


@dataclass(frozen=True, eq=False)
class Relaxation:
    """Moves conformers down the MMFF94 energy; the strength is the number of steps of minimisation."""

    codec: ConformerCodec
    steps: int

    @property
    def name(self) -> str:
        return f"MMFF94, {self.steps} steps"

    def __call__(self, samples: Samples) -> Samples:
        values = samples.values.clone()
        for label, (rows, positions) in self.codec.positions(samples).items():
            moved, _ = relaxed(self.codec.molecules[label], positions, self.steps)
            values[rows] = self.codec.encode(label, moved)
        return samples.with_values(values)


@dataclass(frozen=True, eq=False)
class Verifier:
    """Accepts conformers without faults that are hardly more strained than the most strained of the training data."""

    codec: ConformerCodec
    highest_kcal_mol: Sequence[float]
    """Of accepted energies, for each molecule."""
    name: str = "verifier"

    def __call__(self, samples: Samples) -> Corrected:
        accepted = torch.ones(len(samples), dtype=torch.bool)
        reason = np.full(len(samples), "", dtype="U9")
        for label, (rows, positions) in self.codec.positions(samples).items():
            of = self.codec.molecules[label]
            strained = energies_kcal_mol(of, positions) > self.highest_kcal_mol[label]
            for kind, wrong in {"strain": strained, **faults(of, positions)}.items():
                reason[rows[torch.from_numpy(wrong)].numpy()] = kind
                accepted[rows] &= torch.from_numpy(~wrong)
        return Corrected(samples, accepted, {"reason": reason})


@dataclass(frozen=True, eq=False)
class RandomAcceptance:
    """The control that accepts as many samples of each label as a corrector accepts, whichever they are."""

    corrector: Corrector
    name: str = "random acceptance"

    def __call__(self, samples: Samples, stream: Stream) -> Corrected:
        wanted = call_corrector(self.corrector, samples, stream.child("corrector")).accepted
        accepted = wanted.clone()
        for label in samples.labels.unique():
            rows = (samples.labels == label).nonzero().squeeze(1)
            order = torch.randperm(len(rows), generator=stream.child("order", int(label)).torch())
            accepted[rows] = wanted[rows[order]]
        accepted[0] |= not accepted.any()  # a loop needs something to train on
        return Corrected(samples, accepted)
