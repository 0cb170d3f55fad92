"""Drugs are what their names say, and conformers come from a stream alone."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rdkit", reason="needs the extra `molecules`: pip install 'selfcorrect[molecules]'")

from rdkit import Chem
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

from selfcorrect.core.errors import InputError
from selfcorrect.core.randomness import streams
from selfcorrect.datasets.toy.molecules import DRUGS, conformers, molecule

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
    graphs = {name: molecule(name, smiles).graph for name, smiles in DRUGS.items()}
    assert {name: CalcMolFormula(graph) for name, graph in graphs.items()} == FORMULAS
    found = {
        name: "".join(sorted(kind for _, kind in Chem.FindMolChiralCenters(graph, useLegacyImplementation=False)))
        for name, graph in graphs.items()
    }
    assert {name: kinds for name, kinds in found.items() if kinds.isupper()} == HANDED
    assert found["tranexamic acid"] == "rr"  # trans


def test_conformers_come_from_their_stream_alone() -> None:
    dopamine = molecule("dopamine", DRUGS["dopamine"])
    once, again, other = (conformers(dopamine, 3, streams(seed)) for seed in (1, 1, 2))
    assert once.shape == (3, dopamine.size, 3)
    assert np.array_equal(once, again)
    assert not np.allclose(once, other)
    kept = [conformer.GetPositions() for conformer in dopamine.with_conformers(once).GetConformers()]
    assert np.array_equal(kept, once)


def test_bonds_and_angles_are_those_of_the_graph() -> None:
    water, ethane = molecule("water", "O"), molecule("ethane", "CC")
    assert (len(water.bonds), len(water.angles), len(water.symmetries)) == (2, 1, 1)
    assert water.angles[0][1] == water.heavy[0] == 0
    assert (len(ethane.bonds), len(ethane.angles), len(ethane.symmetries)) == (7, 12, 2)


def test_what_is_no_molecule_is_one_sentence(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match=r"nonsense: expected a SMILES that RDKit reads, got 'C\(C'"):
        molecule("nonsense", "C(C")
