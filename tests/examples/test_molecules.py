"""The example loop on conformers: drugs, measures against RDKit's own, correctors, and the loop in small."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import LOOPS, assert_all_is_declared, run_toy
from scipy.spatial.transform import Rotation

pytest.importorskip("rdkit", reason="needs the extra `molecules`: pip install 'selfcorrect[molecules]'")

from rdkit import Chem
from rdkit.Chem import rdForceFieldHelpers, rdMolAlign
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.contract import call_corrector
from selfcorrect.experiments.toy.files import load_toy_module

pytestmark = pytest.mark.long  # imports what costs seconds and memory
molecules = load_toy_module(LOOPS["molecules"])
DRUGS = molecules.DRUGS
FORMULAS = {
    "(S)-ibuprofen": "C13H18O2", "dopamine": "C8H11NO2", "levodopa": "C9H11NO4", "dextroamphetamine": "C9H13N",
    "ephedrine": "C10H15NO", "adrenaline": "C9H13NO3", "(R)-isoprenaline": "C11H17NO3", "phenylephrine": "C9H13NO2",
    "methyldopa": "C10H13NO4", "gabapentin": "C9H17NO2", "pregabalin": "C8H17NO2", "arbaclofen": "C10H12ClNO2",
    "(S)-vigabatrin": "C6H11NO2", "aminocaproic acid": "C6H13NO2", "tranexamic acid": "C8H15NO2",
    "valproic acid": "C8H16O2", "captopril": "C9H15NO3S", "acetylcysteine": "C5H9NO3S",
    "levetiracetam": "C8H14N2O2", "nicotine": "C10H14N2", "phenelzine": "C8H12N2", "benzocaine": "C9H11NO2",
    "meprobamate": "C9H18N2O4", "dimethyl fumarate": "C6H8O4",
}  # fmt: skip
HANDED = {
    "(S)-ibuprofen": "S", "levodopa": "S", "dextroamphetamine": "S", "ephedrine": "RS", "adrenaline": "R",
    "(R)-isoprenaline": "R", "phenylephrine": "R", "methyldopa": "S", "pregabalin": "S", "arbaclofen": "R",
    "(S)-vigabatrin": "S", "captopril": "SS", "acetylcysteine": "R", "levetiracetam": "S", "nicotine": "S",
}  # fmt: skip
"""Descriptors of Cahn, Ingold and Prelog that the drug's systematic name has, sorted."""


def test_drugs_have_the_formulas_and_the_handedness_of_their_names() -> None:
    graphs = {name: molecules.read_molecule(name, smiles).graph for name, smiles in DRUGS.items()}
    assert {name: CalcMolFormula(graph) for name, graph in graphs.items()} == FORMULAS
    centers = {
        name: "".join(sorted(kind for _, kind in Chem.FindMolChiralCenters(graph, useLegacyImplementation=False)))
        for name, graph in graphs.items()
    }
    assert {name: kinds for name, kinds in centers.items() if kinds.isupper()} == HANDED
    assert centers["tranexamic acid"] == "rr"  # trans


def test_bonds_and_angles_are_those_of_the_graph() -> None:
    water = molecules.read_molecule("water", "O")
    ethane = molecules.read_molecule("ethane", "CC")
    assert (len(water.bonds), len(water.angles), len(water.symmetries)) == (2, 1, 1)
    assert water.angles[0][1] == water.heavy[0] == 0
    assert (len(ethane.bonds), len(ethane.angles), len(ethane.symmetries)) == (7, 12, 2)


@pytest.fixture(name="drugs", scope="module")
def _drugs() -> dict[str, tuple[Any, np.ndarray]]:
    """Molecules with six conformers each: symmetric, chiral, flexible."""
    chosen = {
        name: molecules.read_molecule(name, DRUGS[name]) for name in ("(S)-ibuprofen", "captopril", "meprobamate")
    }
    return {name: (of, molecules.embed_conformers(of, 6, streams(0).child(name))) for name, of in chosen.items()}


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
        np.testing.assert_allclose(molecules.measure_rmsd(of, positions[:3], positions[3:]), expected, atol=1e-4)


def test_energies_are_rdkits_and_fall_with_the_steps(drugs) -> None:
    of, positions = drugs["captopril"]
    graph = of.with_conformers(positions)
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(graph)
    expected = [
        rdForceFieldHelpers.MMFFGetMoleculeForceField(graph, properties, confId=number).CalcEnergy()
        for number in range(len(positions))
    ]
    np.testing.assert_allclose(molecules.measure_energies(of, positions), expected, rtol=1e-9)
    unmoved, start = molecules.relax(of, positions, 0)
    np.testing.assert_allclose(unmoved, positions)
    energies = [start, *(molecules.relax(of, positions, steps)[1] for steps in (5, 50, 500))]
    assert all((after < before).all() for before, after in pairwise(energies))


def test_faults_are_told_by_their_kind(drugs) -> None:
    of, positions = drugs["captopril"]
    assert not any(wrong.any() for wrong in molecules.find_faults(of, positions).values())
    mirrored = molecules.find_faults(of, -positions)
    assert mirrored["chirality"].all()
    assert not np.any([mirrored["valence"], mirrored["clash"]])
    stretched = positions.copy()
    hydrogen = next(atom.GetIdx() for atom in of.graph.GetAtoms() if atom.GetAtomicNum() == 1)
    carbon = of.graph.GetAtomWithIdx(hydrogen).GetNeighbors()[0].GetIdx()
    stretched[:, hydrogen] += 1.0 * (stretched[:, hydrogen] - stretched[:, carbon])
    assert molecules.find_faults(of, stretched)["valence"].all()
    clashing = positions.copy()
    far = int(np.argmax(Chem.GetDistanceMatrix(of.graph)[hydrogen]))
    clashing[:, hydrogen] = clashing[:, far] + [1.2, 0, 0]
    assert molecules.find_faults(of, clashing)["clash"].all()


def test_conformers_against_themselves_are_perfect_and_half_of_them_are_not(drugs) -> None:
    of, positions = drugs["meprobamate"]
    lowest = float(molecules.measure_energies(of, positions).min())
    same = molecules.measure_conformers(of, positions, positions, lowest)
    assert same["coverage"] == same["valid"] == 1
    assert max(same[key] for key in ("matching_A", "precision_A", "bond_A", "angle_deg")) < 1e-5
    fewer = molecules.measure_conformers(of, positions, positions[:1], lowest)
    assert fewer["coverage"] < 1
    assert fewer["precision_A"] < 1e-5 < fewer["matching_A"]


COUNT = 8


@pytest.fixture(name="codec", scope="module")
def _codec() -> Any:
    chosen = [molecules.read_molecule(name, DRUGS[name]) for name in ("captopril", "dopamine")]
    return molecules.ConformerCodec.fit(
        chosen, [molecules.embed_conformers(of, COUNT, streams(0).child(of.name)) for of in chosen]
    )


@pytest.fixture(name="real", scope="module")
def _real(codec: Any) -> Samples:
    return codec.make_samples(
        [molecules.embed_conformers(of, COUNT, streams(1).child(of.name)) for of in codec.molecules]
    )


def _verifier(codec: Any, real: Samples) -> Any:
    highest = [
        float(molecules.measure_energies(codec.molecules[label], positions).max()) + 1
        for label, _, positions in codec.split(real)
    ]
    return molecules.Verifier(codec, highest)


def test_values_come_back_as_the_same_conformers_in_any_pose(codec: Any) -> None:
    for label, of in enumerate(codec.molecules):
        positions = molecules.embed_conformers(of, 3, streams(2))
        values = codec.encode(label, positions)
        assert values.shape == (3, 3, codec.size)
        assert (values[:, :, of.size :] == 0).all()
        turned = positions @ Rotation.random(rng=np.random.default_rng(0)).as_matrix() + 5.0
        torch.testing.assert_close(codec.encode(label, turned), values, atol=1e-4, rtol=0)
        assert np.diag(molecules.measure_rmsd(of, codec.decode(label, values), positions)).max() < 1e-5


def test_relaxation_lowers_every_energy_by_its_steps(codec: Any, real: Samples) -> None:
    shaken = real.with_values(real.values + 0.05 * torch.randn(real.values.shape, generator=streams(0).generator()))
    answers = [
        shaken,
        *(call_corrector(molecules.Relaxation(codec, steps), shaken, streams(0)).samples for steps in (5, 100)),
    ]
    energies = [
        np.concatenate(
            [
                molecules.measure_energies(codec.molecules[label], positions)
                for label, _, positions in codec.split(answer)
            ]
        )
        for answer in answers
    ]
    assert (energies[1] < energies[0]).all()
    assert (energies[2] < energies[1]).all()
    still = call_corrector(molecules.Relaxation(codec, 0), real, streams(0)).samples
    torch.testing.assert_close(still.values, real.values, atol=1e-4, rtol=0)


def test_the_verifier_accepts_real_conformers_and_names_what_is_wrong(codec: Any, real: Samples) -> None:
    verifier = _verifier(codec, real)
    assert call_corrector(verifier, real, streams(0)).accepted.all()
    broken = real.values.clone()
    broken[0] += torch.randn(broken[0].shape, generator=streams(0).generator())
    broken[COUNT:] = real.values[COUNT:]
    answer = call_corrector(verifier, real.with_values(broken), streams(0))
    assert answer.accepted.tolist() == [False] + [True] * (2 * COUNT - 1)
    assert answer.info["reason"][0] in ("strain", "valence", "chirality", "clash")
    assert not answer.info["reason"][1:].any()
    strict = molecules.Verifier(codec, [-1e9, 1e9])
    assert call_corrector(strict, real, streams(0)).info["reason"].tolist() == ["strain"] * COUNT + [""] * COUNT


FLOORS = (molecules.OTHER, molecules.MINIMA, molecules.FROM_NOISE)
TINY = replace(molecules.QUICK, drugs=2, conformers=6, initial_steps=120, steps=1, generations=1, seeds=2)


@pytest.fixture(name="curves", scope="module")
def _curves(tmp_path_factory: pytest.TempPathFactory):
    return run_and_measure(TINY, tmp_path_factory.mktemp("molecules"))


def run_and_measure(settings: Any, folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """What the toy shows of each arm and floor."""
    run = run_toy("molecules", settings, folder)
    assert_all_is_declared(run)
    keys = [column.key for column in run.toy.toy.columns]
    return {arm: {key: table[key] for key in keys} for arm, table in run.curves.items()}


def test_every_arm_and_floor_is_measured_on_every_seed(curves) -> None:
    tables = [table for arm in curves.values() for table in arm.values()]
    assert {table.shape for table in tables} == {(2, 2)}
    assert all(np.isfinite(table).all() for table in tables)
    real = curves[molecules.OTHER]
    minimised = curves[molecules.MINIMA]
    first = [arm["coverage"][:, 0] for name, arm in curves.items() if name not in FLOORS]
    assert all(np.array_equal(draw, first[0]) for draw in first)  # generation 0 is shared
    assert (real["valid"] == 1).all()
    assert (minimised["strain_kcal_mol"] < real["strain_kcal_mol"]).all()
    assert (real["bond_A"] < 0.02).all()
    assert (curves["real only"]["bond_A"][:, 0] > 3 * real["bond_A"][:, 0]).all()
