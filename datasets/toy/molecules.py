"""Small well-known drugs and their conformers: what RDKit's ETKDG makes of a graph (Riniker & Landrum 2015)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from selfcorrect.core.errors import InputError
from selfcorrect.core.randomness import Stream

DRUGS = {
    "(S)-ibuprofen": "CC(C)Cc1ccc(cc1)[C@H](C)C(=O)O",
    "dopamine": "NCCc1ccc(O)c(O)c1",
    "levodopa": "N[C@@H](Cc1ccc(O)c(O)c1)C(=O)O",
    "dextroamphetamine": "C[C@H](N)Cc1ccccc1",
    "ephedrine": "C[C@H](NC)[C@H](O)c1ccccc1",
    "adrenaline": "CNC[C@H](O)c1ccc(O)c(O)c1",
    "(R)-isoprenaline": "CC(C)NC[C@H](O)c1ccc(O)c(O)c1",
    "phenylephrine": "CNC[C@H](O)c1cccc(O)c1",
    "methyldopa": "C[C@](N)(Cc1ccc(O)c(O)c1)C(=O)O",
    "gabapentin": "NCC1(CC(=O)O)CCCCC1",
    "pregabalin": "CC(C)C[C@H](CN)CC(=O)O",
    "arbaclofen": "NC[C@H](CC(=O)O)c1ccc(Cl)cc1",
    "(S)-vigabatrin": "C=C[C@@H](N)CCC(=O)O",
    "aminocaproic acid": "NCCCCCC(=O)O",
    "tranexamic acid": "NC[C@H]1CC[C@@H](CC1)C(=O)O",
    "valproic acid": "CCCC(CCC)C(=O)O",
    "captopril": "C[C@H](CS)C(=O)N1CCC[C@H]1C(=O)O",
    "acetylcysteine": "CC(=O)N[C@@H](CS)C(=O)O",
    "levetiracetam": "CC[C@@H](C(N)=O)N1CCCC1=O",
    "nicotine": "CN1CCC[C@H]1c1cccnc1",
    "phenelzine": "NNCCc1ccccc1",
    "benzocaine": "CCOC(=O)c1ccc(N)cc1",
    "meprobamate": "CCCC(C)(COC(N)=O)COC(N)=O",
    "dimethyl fumarate": "COC(=O)/C=C/C(=O)OC",
}
"""Name → SMILES, as single stereoisomers, neutral, 9 to 15 heavy atoms."""


@dataclass(frozen=True, eq=False)
class Molecule:
    """A molecule with all its hydrogens; A atoms in a fixed order, H of them heavy."""

    name: str
    graph: Chem.Mol

    @property
    def size(self) -> int:
        """A, the number of atoms."""
        return self.graph.GetNumAtoms()

    @cached_property
    def heavy(self) -> np.ndarray:
        """(H,) indices of the atoms that are no hydrogens."""
        return np.array([atom.GetIdx() for atom in self.graph.GetAtoms() if atom.GetAtomicNum() > 1])

    @cached_property
    def symmetries(self) -> np.ndarray:
        """(P, H) the orders of the heavy atoms that leave the graph as it is, positions in `heavy`."""
        bare = Chem.RemoveHs(self.graph)
        return np.array(bare.GetSubstructMatches(bare, uniquify=False))

    @cached_property
    def bonds(self) -> np.ndarray:
        """(B, 2) the atoms of each bond."""
        return np.array([(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in self.graph.GetBonds()])

    @cached_property
    def angles(self) -> np.ndarray:
        """(K, 3) the atoms of each bond angle, its apex in the middle."""
        around = [[neighbour.GetIdx() for neighbour in atom.GetNeighbors()] for atom in self.graph.GetAtoms()]
        return np.array(
            [(a, apex, b) for apex, near in enumerate(around) for place, a in enumerate(near) for b in near[:place]]
        )

    def with_conformers(self, positions: np.ndarray) -> Chem.Mol:
        """RDKit's molecule with conformers at positions (N, A, 3) in Å, numbered from 0."""
        graph = Chem.Mol(self.graph)
        graph.RemoveAllConformers()
        for each in np.asarray(positions, dtype=np.float64):
            conformer = Chem.Conformer(self.size)
            conformer.SetPositions(np.ascontiguousarray(each))
            graph.AddConformer(conformer, assignId=True)
        return graph


@lru_cache(maxsize=64)
def molecule(name: str, smiles: str) -> Molecule:
    """The molecule that a SMILES describes; InputError where RDKit cannot read it."""
    graph = Chem.MolFromSmiles(smiles)
    if graph is None:
        raise InputError(f"{name}: expected a SMILES that RDKit reads, got {smiles!r}")
    return Molecule(name, Chem.AddHs(graph))


def conformers(of: Molecule, count: int, stream: Stream) -> np.ndarray:
    """(count, A, 3) positions in Å: independent conformers by ETKDG version 3, not relaxed by any force field.

    InputError where RDKit finds fewer.
    """
    settings = rdDistGeom.ETKDGv3()
    settings.randomSeed = stream.seed % 2**31
    graph = Chem.Mol(of.graph)
    found = rdDistGeom.EmbedMultipleConfs(graph, count, settings)
    if len(found) != count:
        raise InputError(f"{of.name}: expected {count} conformers of ETKDG, got {len(found)}")
    return np.stack([graph.GetConformer(number).GetPositions() for number in found])
