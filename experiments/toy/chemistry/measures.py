"""Conformers held against real ones: coverage and matching, strain, bond lengths, bond angles, validity."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdForceFieldHelpers
from scipy.stats import wasserstein_distance

from selfcorrect.datasets.toy.molecules import Molecule

NEAR_A = 0.75
"""Threshold of coverage in Å, as Jing et al. 2022 (torsional diffusion) have it for drug-like molecules."""
COVALENT = (0.7, 1.3)
"""Distances of bonded atoms, lowest and highest, in sums of covalent radii; all other atoms are farther apart.

RDKit finds bonds in coordinates by the same 1.3."""
CLASH = 0.6
"""Atoms more than three bonds apart are not nearer than this times the sum of their van der Waals radii."""


def aligned(positions: np.ndarray, onto: np.ndarray, heavy: np.ndarray) -> np.ndarray:
    """Positions (N, A, 3) turned and moved so that heavy atoms come nearest to those of `onto` (A, 3)."""
    centred = positions - positions[:, heavy].mean(axis=1, keepdims=True)
    target = onto - onto[heavy].mean(axis=0)
    turn = _rotations(np.einsum("nhi,hj->nij", centred[:, heavy], target[heavy]))
    return centred @ turn + onto[heavy].mean(axis=0)


def _rotations(covariance: np.ndarray) -> np.ndarray:
    """The rotations R (…, 3, 3) for which x R comes nearest to y, of the sums of xᵀ y (Kabsch 1976)."""
    left, _, right = np.linalg.svd(covariance)
    left[..., :, 2] *= np.sign(np.linalg.det(left @ right))[..., None]
    return left @ right


def best_rmsd(of: Molecule, reference: np.ndarray, candidate: np.ndarray) -> np.ndarray:
    """(N, M) root mean square deviations in Å of heavy atoms, least over poses and symmetries.

    reference (N, A, 3), candidate (M, A, 3).
    """
    centred = [each[:, of.heavy] - each[:, of.heavy].mean(axis=1, keepdims=True) for each in (reference, candidate)]
    squares = [np.square(each).sum(axis=(1, 2)) for each in centred]
    orders = centred[1][:, of.symmetries]  # (M, P, H, 3)
    covariance = np.einsum("nhi,mphj->nmpij", centred[0], orders)
    singular = np.linalg.svd(covariance, compute_uv=False)
    singular[..., 2] *= np.sign(np.linalg.det(covariance))
    least = squares[0][:, None, None] + squares[1][:, None] - 2 * singular.sum(axis=-1)
    return np.sqrt(np.maximum(least, 0).min(axis=-1) / len(of.heavy))


def lengths_A(of: Molecule, positions: np.ndarray) -> np.ndarray:
    """(N, B) bond lengths."""
    return np.linalg.norm(positions[:, of.bonds[:, 0]] - positions[:, of.bonds[:, 1]], axis=-1)


def angles_deg(of: Molecule, positions: np.ndarray) -> np.ndarray:
    """(N, K) bond angles."""
    one, other = (positions[:, of.angles[:, end]] - positions[:, of.angles[:, 1]] for end in (0, 2))
    cosine = (one * other).sum(-1) / (np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1))
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def energies_kcal_mol(of: Molecule, positions: np.ndarray) -> np.ndarray:
    """(N,) MMFF94 energies (Halgren 1996)."""
    return relaxed(of, positions, 0)[1]


def relaxed(of: Molecule, positions: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions (N, A, 3) and energies (N,) in kcal/mol after at most so many steps of MMFF94 minimisation (BFGS)."""
    graph = of.with_conformers(positions)
    outcomes = rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(graph, maxIters=steps)
    moved = np.stack([conformer.GetPositions() for conformer in graph.GetConformers()])
    return moved, np.array([energy for _, energy in outcomes])


def faults(of: Molecule, positions: np.ndarray) -> dict[str, np.ndarray]:
    """What is wrong with positions (N, A, 3), by kind: (N,) bool each."""
    tables = Chem.GetPeriodicTable()
    numbers = [atom.GetAtomicNum() for atom in of.graph.GetAtoms()]
    covalent, contact = (
        np.add.outer(radii, radii)
        for radii in (
            np.array([tables.GetRcovalent(number) for number in numbers]),
            np.array([tables.GetRvdw(number) for number in numbers]),
        )
    )
    bonds_between = Chem.GetDistanceMatrix(of.graph)
    upper = np.triu(np.ones_like(covalent, dtype=bool), 1)
    distance_A = np.linalg.norm(positions[:, :, None] - positions[:, None], axis=-1)
    bonded = (bonds_between == 1) & upper
    near, far = COVALENT
    stretched = (distance_A > far * covalent) | (distance_A < near * covalent)
    merged = (distance_A < far * covalent) & ((bonds_between > 1) & upper)
    clashing = (distance_A < CLASH * contact) & ((bonds_between > 3) & upper)
    return {
        "valence": (stretched & bonded).any(axis=(1, 2)) | merged.any(axis=(1, 2)),
        "chirality": np.array([_stereoisomer(each, of) != _stereoisomer(None, of) for each in positions]),
        "clash": clashing.any(axis=(1, 2)),
    }


def _stereoisomer(positions: np.ndarray | None, of: Molecule) -> str:
    """The SMILES with the stereochemistry of positions (A, 3), or with that of the molecule as it was written."""
    graph = Chem.Mol(of.graph)
    if positions is not None:
        graph = of.with_conformers(positions[None])
        Chem.AssignStereochemistryFrom3D(graph, 0, replaceExistingTags=True)
    return Chem.MolToSmiles(graph)


def measured(of: Molecule, reference: np.ndarray, candidate: np.ndarray, lowest_kcal_mol: float) -> dict[str, float]:
    """What conformers (M, A, 3) of one molecule are worth against real ones (N, A, 3).

    coverage and matching_A are COV-R and MAT-R of Xu et al. 2021. The first is the share of real conformers with a
    candidate within `NEAR_A`, the second the mean distance to the nearest. precision_A (MAT-P) is the mean distance
    from each candidate to the nearest real one. strain_kcal_mol is the median MMFF94 energy above the lowest known.
    bond_A and angle_deg are Wasserstein distances between distributions, the mean over bonds or angles. valid is the
    share without `faults`.
    """
    rmsd_A = best_rmsd(of, reference, candidate)
    wrong = np.any(list(faults(of, candidate).values()), axis=0)
    return {
        "coverage": float((rmsd_A.min(axis=1) <= NEAR_A).mean()),
        "matching_A": float(rmsd_A.min(axis=1).mean()),
        "precision_A": float(rmsd_A.min(axis=0).mean()),
        "strain_kcal_mol": float(np.median(energies_kcal_mol(of, candidate)) - lowest_kcal_mol),
        "bond_A": _apart(lengths_A(of, reference), lengths_A(of, candidate)),
        "angle_deg": _apart(angles_deg(of, reference), angles_deg(of, candidate)),
        "valid": float(1 - wrong.mean()),
    }


def _apart(reference: np.ndarray, candidate: np.ndarray) -> float:
    """The Wasserstein distance between columns (N, K) and (M, K), the mean over them."""
    pairs = zip(reference.T, candidate.T, strict=True)
    return float(np.mean([wasserstein_distance(one, other) for one, other in pairs]))


def mean_over(parts: list[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each quantity."""
    return {key: float(np.mean([part[key] for part in parts])) for key in parts[0]}
