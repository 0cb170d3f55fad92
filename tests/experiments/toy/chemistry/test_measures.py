"""Measures of conformers against RDKit's own, known answers and symmetries."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("rdkit", reason="needs the extra `molecules`: pip install 'selfcorrect[molecules]'")

from rdkit import Chem
from rdkit.Chem import rdForceFieldHelpers, rdMolAlign
from scipy.spatial.transform import Rotation

from selfcorrect.core.randomness import streams
from selfcorrect.datasets.toy.molecules import DRUGS, Molecule, conformers, molecule
from selfcorrect.experiments.toy.chemistry import measures


@pytest.fixture(name="drugs", scope="module")
def _drugs() -> dict[str, tuple[Molecule, np.ndarray]]:
    """Molecules with six conformers each: symmetric, chiral, flexible."""
    chosen = {name: molecule(name, DRUGS[name]) for name in ("(S)-ibuprofen", "captopril", "meprobamate")}
    return {name: (of, conformers(of, 6, streams(0).child(name))) for name, of in chosen.items()}


def test_rmsd_is_rdkits_best(drugs) -> None:
    for of, positions in drugs.values():
        bare = Chem.RemoveHs(of.with_conformers(positions))
        expected = [
            [
                rdMolAlign.GetBestRMS(Chem.Mol(bare), Chem.Mol(bare), j, i, symmetrizeConjugatedTerminalGroups=False)
                for j in range(3, 6)
            ]
            for i in range(3)
        ]
        np.testing.assert_allclose(measures.best_rmsd(of, positions[:3], positions[3:]), expected, atol=1e-4)


def test_rmsd_knows_no_pose_but_handedness(drugs) -> None:
    of, positions = drugs["captopril"]
    moved = positions @ Rotation.random(rng=np.random.default_rng(0)).as_matrix() + [1.0, -2.0, 3.0]
    assert np.diag(measures.best_rmsd(of, positions, moved)).max() < 1e-6
    assert np.diag(measures.best_rmsd(of, positions, -positions)).min() > 0.1
    np.testing.assert_allclose(measures.aligned(moved, positions[0], of.heavy)[0], positions[0], atol=1e-6)


def test_exchanged_equal_groups_are_the_same_conformer(drugs) -> None:
    of, positions = drugs["(S)-ibuprofen"]
    assert len(of.symmetries) == 4
    swapped = positions.copy()
    swapped[:, of.heavy] = positions[:, of.heavy[of.symmetries[-1]]]
    assert np.diag(measures.best_rmsd(of, positions, swapped)).max() < 1e-6


def test_bond_lengths_and_angles_of_water() -> None:
    water = molecule("water", "O")
    positions = np.array([[[0.0, 0, 0], [1, 0, 0], [0, 2, 0]]])
    assert sorted(measures.lengths_A(water, positions)[0]) == [1.0, 2.0]
    assert measures.angles_deg(water, positions).tolist() == [[90.0]]


def test_energies_are_rdkits_and_fall_with_the_steps(drugs) -> None:
    of, positions = drugs["captopril"]
    graph = of.with_conformers(positions)
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(graph)
    expected = [
        rdForceFieldHelpers.MMFFGetMoleculeForceField(graph, properties, confId=number).CalcEnergy()
        for number in range(len(positions))
    ]
    np.testing.assert_allclose(measures.energies_kcal_mol(of, positions), expected, rtol=1e-9)
    unmoved, start = measures.relaxed(of, positions, 0)
    np.testing.assert_allclose(unmoved, positions)
    energies = [start, *(measures.relaxed(of, positions, steps)[1] for steps in (5, 50, 500))]
    assert all((after < before).all() for before, after in pairwise(energies))


def test_faults_are_told_by_their_kind(drugs) -> None:
    of, positions = drugs["captopril"]
    assert not any(wrong.any() for wrong in measures.faults(of, positions).values())
    mirrored = measures.faults(of, -positions)
    assert mirrored["chirality"].all()
    assert not np.any([mirrored["valence"], mirrored["clash"]])
    stretched = positions.copy()
    hydrogen = next(atom.GetIdx() for atom in of.graph.GetAtoms() if atom.GetAtomicNum() == 1)
    carbon = of.graph.GetAtomWithIdx(hydrogen).GetNeighbors()[0].GetIdx()
    stretched[:, hydrogen] += 1.0 * (stretched[:, hydrogen] - stretched[:, carbon])
    assert measures.faults(of, stretched)["valence"].all()
    clashing = positions.copy()
    far = int(np.argmax(Chem.GetDistanceMatrix(of.graph)[hydrogen]))
    clashing[:, hydrogen] = clashing[:, far] + [1.2, 0, 0]
    assert measures.faults(of, clashing)["clash"].all()


def test_conformers_against_themselves_are_perfect_and_half_of_them_are_not(drugs) -> None:
    of, positions = drugs["meprobamate"]
    lowest = float(measures.energies_kcal_mol(of, positions).min())
    same = measures.measured(of, positions, positions, lowest)
    assert same["coverage"] == same["valid"] == 1
    assert max(same[key] for key in ("matching_A", "precision_A", "bond_A", "angle_deg")) < 1e-5
    fewer = measures.measured(of, positions, positions[:1], lowest)
    assert fewer["coverage"] < 1
    assert fewer["precision_A"] < 1e-5 < fewer["matching_A"]
    assert measures.mean_over([{"a": 1.0}, {"a": 3.0}]) == {"a": 2.0}
