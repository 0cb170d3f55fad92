"""Conformers of drugs, after Gerstgrasser et al. 2024: a diffusion model on its own samples, replaced or accumulated.

Does what physics does for motion hold for molecules: does a force field remove artefacts, and leave the loss of modes?
A network learns Cartesian coordinates of all atoms, so that its errors show in bonds and angles, which a model of
torsions would take from a table. The conformers are those that RDKit's ETKDG makes (Riniker and Landrum 2015), the
force field is MMFF94 (Halgren 1996), and its steps of minimisation are the strength of correction.

    pip install 'selfcorrect[molecules]'
    selfcorrect toy examples/loops/molecules.py --quick
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from itertools import islice

import numpy as np
import torch
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers
from scipy.stats import wasserstein_distance
from torch import Tensor

import selfcorrect as sc
from selfcorrect import claims, toys
from selfcorrect.correctors.contract import Corrector, call_corrector
from selfcorrect.models.diffusion.config import DiffusionConfig
from selfcorrect.models.diffusion.model import MotionDiffusion

REAL, AUGMENTED, ACCUMULATED, PLAIN = "real only", "augment", "accumulate", "replace"
VERIFIED = "replace, verifier"
PERTURBED, ACCEPTED = "replace, random perturbation", "replace, random acceptance"
OTHER, MINIMA, FROM_NOISE = "other real conformers", "the same, minimised", "noise, minimised"
STRAIN = "strain_kcal_mol"
STEPS_TO_MINIMUM = 500
"""Steps after which the minimum of MMFF94 counts as reached."""
NEAR_A = 0.75
"""Threshold of coverage in Å, as Jing et al. 2022 (torsional diffusion) have it for drug-like molecules."""
BOND_RANGE = (0.7, 1.3)
"""Distances of bonded atoms, lowest and highest, in sums of covalent radii; all other atoms are farther apart.

RDKit finds bonds in coordinates by the same 1.3."""
CLASH = 0.6
"""Atoms more than three bonds apart are not nearer than this times the sum of their van der Waals radii."""
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


@dataclass(frozen=True)
class Molecules(toys.ToySettings):
    """Drugs, real conformers of each, steps of relaxation by strength, and how far the verifier is from the data."""

    drugs: int = 24
    conformers: int = 12
    relaxation: tuple[int, ...] = (10, 100)
    strain_margin_kcal_mol: float = 50.0
    initial_steps: int = 2500
    steps: int = 60
    generations: int = 5
    seeds: int = 4


QUICK = Molecules(drugs=4, conformers=8, relaxation=(20,), initial_steps=400, steps=30, generations=2, seeds=2)


def toy(settings: Molecules) -> toys.Toy:
    """Declare all arms."""
    relaxed_arms = [f"replace, {name_relaxation(steps)}" for steps in settings.relaxation]
    relaxed_beside_data = f"augment, {name_relaxation(settings.relaxation[-1])}"
    effects = claim_effects(weak=relaxed_arms[0], strong=relaxed_arms[-1])
    floors = (OTHER, MINIMA, FROM_NOISE)
    return toys.Toy(
        bundles=[toys.bundle_seeds(settings, partial(set_up, settings), "molecules")],
        claims=[*claim_collapse(), *claims.mark_unpublished(*effects)],
        columns=[
            toys.Column("coverage", "coverage"),
            toys.Column("valid", "valid share"),
            toys.Column("matching_A", "matching RMSD (Å)", ""),
            toys.Column("precision_A", "RMSD to the nearest real one (Å)", ""),
            toys.Column(STRAIN, "strain (kcal/mol)", "", log=True),
            toys.Column("bond_A", "error of bond lengths, Å", ".3f"),
            toys.Column("angle_deg", "error of bond angles, °", ""),
        ],
        rows=(OTHER, FROM_NOISE, REAL, ACCUMULATED, PLAIN, *relaxed_arms),
        groups={
            "corrected": (REAL, PLAIN, *relaxed_arms, VERIFIED, PERTURBED, ACCEPTED, *floors),
            "data policies": (REAL, AUGMENTED, ACCUMULATED, PLAIN, relaxed_beside_data, *floors),
        },
        title="Conformers of drugs",
        source="after Gerstgrasser et al. 2024",
        notes=(
            f"{settings.drugs} drugs, {settings.conformers} conformers of each to train on, and as many to judge raw "
            "samples against.",
            "Means over molecules. Coverage: real conformers with a sample within 0.75 Å. Strain: median MMFF94 energy "
            "above the lowest known. Errors: Wasserstein distances.",
            "The force field knows what the training data do not show: it moves real conformers too (the same, "
            "minimised).",
        ),
    )


def claim_collapse() -> list[claims.Claim]:
    """Return the claims of Gerstgrasser et al. about replaced and accumulated data."""
    less_coverage = claims.final_difference(PLAIN, ACCUMULATED, "coverage")
    farther_A = claims.final_difference(PLAIN, ACCUMULATED, "matching_A")
    less_than_real = claims.final_difference(PLAIN, REAL, "coverage")
    return [
        claims.expect_below("replace ends with less coverage than accumulate", less_coverage),
        claims.expect_above("replace ends farther from real conformers", farther_A),
        claims.expect_below("replace ends with less coverage than real data only", less_than_real),
    ]


def claim_effects(weak: str, strong: str) -> Iterator[claims.Claim]:
    """Relaxation removes artefacts and leaves the loss of modes; weak, strong: arms with few and many steps."""

    def compare_strain(arm: str, other: str) -> claims.Quantity:
        """Ratio of strain, which spans orders of magnitude, in powers of ten."""
        ratio = claims.final_value(arm, STRAIN) / claims.final_value(other, STRAIN)
        return ratio.map(np.log10)

    for arm in (weak, strong):
        yield claims.expect_below(f"{arm}: less strain than replace (log₁₀)", compare_strain(arm, PLAIN))
    for arm in (weak, strong):
        more_valid = claims.final_difference(arm, PLAIN, "valid")
        yield claims.expect_above(f"{arm}: more valid samples", more_valid)
    for arm in (weak, strong):
        lengths_A = claims.final_difference(arm, PLAIN, "bond_A")
        yield claims.expect_below(f"{arm}: bond lengths nearer to real", lengths_A)
    for arm in (weak, strong):
        angles_deg = claims.final_difference(arm, PLAIN, "angle_deg")
        yield claims.expect_below(f"{arm}: bond angles nearer to real", angles_deg)
    for arm in (weak, strong, VERIFIED):
        gain = claims.final_difference(arm, PLAIN, "coverage")
        yield claims.expect_below(f"{arm}: gains less than 0.05 of coverage", gain, 0.05)
    for arm in (weak, strong, VERIFIED):
        loss = claims.final_difference(arm, REAL, "coverage")
        yield claims.expect_below(f"{arm}: less coverage than real data only", loss)
    noise = claims.final_difference(FROM_NOISE, strong, "coverage")
    yield claims.expect_above("minimised noise, without a model, covers more than the relaxed loop", noise)
    perturbed = compare_strain(PERTURBED, strong)
    yield claims.expect_above("random perturbation leaves more strain than relaxation (log₁₀)", perturbed)
    verified = compare_strain(VERIFIED, ACCEPTED)
    yield claims.expect_below("a verifier leaves less strain than random acceptance (log₁₀)", verified)
    gain = claims.final_difference(VERIFIED, ACCEPTED, "coverage")
    yield claims.expect_below("a verifier gains no coverage over random acceptance", gain)


# --- task and arms ---


def set_up(settings: Molecules, stream: sc.Stream) -> toys.Setup:
    """Conformers to train on, to judge against and to compare with; the model; the arms."""
    molecules = [read_molecule(name, smiles) for name, smiles in islice(DRUGS.items(), settings.drugs)]

    def embed(part: str) -> list[np.ndarray]:
        return [
            embed_conformers(molecule, settings.conformers, stream.child(part, molecule.name)) for molecule in molecules
        ]

    training = embed("training")
    reference = embed("reference")
    fresh = embed("other")
    codec = ConformerCodec.fit(molecules, training)
    lowest = []
    for molecule, *conformers in zip(molecules, training, reference, strict=True):
        lowest.append(find_lowest_energy(molecule, np.concatenate(conformers)))
    judge = Judge(codec, reference, lowest)
    config = DiffusionConfig(
        "dct-mlp", width=256, depth=2, learning_rate=5e-3, fine_tune_learning_rate=2e-3,
        sampler="ddim", eta=1.0,  # of the figures that the theory gallery keeps
    )  # fmt: skip
    # Over three axes a cosine transform is a rotation: the network sees all coordinates of all atoms.
    model = MotionDiffusion(config, 3, codec.size, len(molecules), device=torch.device("cpu"))
    task = sc.Task(model, codec.make_samples(training), judge, settings.initial_steps)
    floors = measure_floors(judge, fresh, stream.child("noise"))
    return toys.Setup(task, make_arms(settings, codec, training), floors)


def make_arms(settings: Molecules, codec: ConformerCodec, training: Sequence[np.ndarray]) -> dict[str, sc.Arm]:
    def correct(corrector: Corrector) -> sc.Correction:
        # Rejected samples are dropped: a molecule that the model cannot make would be drawn for ever.
        return sc.Correction(corrector, on_rejection="drop")

    relaxations = {steps: Relaxation(codec, steps) for steps in settings.relaxation}
    strongest = relaxations[settings.relaxation[-1]]
    highest = []
    for molecule, positions in zip(codec.molecules, training, strict=True):
        most_strained = measure_energies(molecule, positions).max()
        highest.append(float(most_strained) + settings.strain_margin_kcal_mol)
    verifier = Verifier(codec, highest)
    plain = sc.Arm(sc.Replace(), settings.generations, settings.steps)
    augmented = replace(plain, policy=sc.Augment(1.0))
    relaxed_arms = {}
    for relaxation in relaxations.values():
        relaxed_arms[f"replace, {relaxation.name}"] = replace(plain, correction=correct(relaxation))
    return {
        REAL: replace(plain, policy=sc.RealOnly()),
        AUGMENTED: augmented,
        ACCUMULATED: replace(plain, policy=sc.Accumulate(1.0)),
        PLAIN: plain,
        **relaxed_arms,
        f"augment, {strongest.name}": replace(augmented, correction=correct(strongest)),
        VERIFIED: replace(plain, correction=correct(verifier)),
        PERTURBED: replace(plain, correction=correct(sc.random_perturbation(strongest))),
        ACCEPTED: replace(plain, correction=correct(RandomAcceptance(verifier))),
    }


def measure_floors(judge: Judge, fresh: Sequence[np.ndarray], stream: sc.Stream) -> dict[str, dict[str, float]]:
    """Measure other real conformers, the same in their minima, and what the force field alone makes of noise."""
    real = judge.codec.make_samples(fresh)
    minimise = Relaxation(judge.codec, STEPS_TO_MINIMUM)
    noise = real.with_values(torch.randn(real.values.shape, generator=stream.generator()))
    return {
        OTHER: judge.measure(real),
        MINIMA: judge.measure(minimise(real)),
        FROM_NOISE: judge.measure(minimise(noise)),
    }


# --- molecules ---


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
        """(P, H) orders of the heavy atoms that leave the graph as it is, positions in `heavy`."""
        bare = Chem.RemoveHs(self.graph)
        return np.array(bare.GetSubstructMatches(bare, uniquify=False))

    @cached_property
    def bonds(self) -> np.ndarray:
        """(B, 2) the atoms of each bond."""
        return np.array([(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in self.graph.GetBonds()])

    @cached_property
    def angles(self) -> np.ndarray:
        """(K, 3) the atoms of each bond angle, its apex in the middle."""
        angles = []
        for apex in self.graph.GetAtoms():
            neighbours = [atom.GetIdx() for atom in apex.GetNeighbors()]
            for place, first in enumerate(neighbours):
                angles += [(first, apex.GetIdx(), second) for second in neighbours[:place]]
        return np.array(angles)

    def with_conformers(self, positions: np.ndarray) -> Chem.Mol:
        """Return RDKit's molecule with conformers at positions (N, A, 3) in Å, numbered from 0."""
        graph = Chem.Mol(self.graph)
        graph.RemoveAllConformers()
        for conformer_positions in np.asarray(positions, dtype=np.float64):
            conformer = Chem.Conformer(self.size)
            conformer.SetPositions(np.ascontiguousarray(conformer_positions))
            graph.AddConformer(conformer, assignId=True)
        return graph


@lru_cache(maxsize=64)
def read_molecule(name: str, smiles: str) -> Molecule:
    """Return the molecule that a SMILES describes."""
    graph = Chem.MolFromSmiles(smiles)
    if graph is None:
        raise sc.InputError(f"{name}: expected a SMILES that RDKit reads, got {smiles!r}")
    return Molecule(name, Chem.AddHs(graph))


def embed_conformers(molecule: Molecule, count: int, stream: sc.Stream) -> np.ndarray:
    """Return positions (count, A, 3) in Å of independent conformers, not relaxed by any force field."""
    settings = rdDistGeom.ETKDGv3()
    settings.randomSeed = stream.seed % 2**31
    graph = Chem.Mol(molecule.graph)
    numbers = rdDistGeom.EmbedMultipleConfs(graph, count, settings)
    if len(numbers) != count:
        raise sc.InputError(f"{molecule.name}: expected {count} conformers of ETKDG, got {len(numbers)}")
    return np.stack([graph.GetConformer(number).GetPositions() for number in numbers])


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
    def fit(cls, molecules: Sequence[Molecule], training: Sequence[np.ndarray]) -> ConformerCodec:
        """Fit to positions (N, A, 3) in Å of each molecule."""
        templates = []
        means = []
        offsets = []
        for molecule, positions in zip(molecules, training, strict=True):
            turned = align(positions, positions[0], molecule.heavy)
            mean = turned.mean(axis=0)
            templates.append(positions[0])
            means.append(mean)
            offsets.append((turned - mean).ravel())
        scale_A = float(np.concatenate(offsets).std())
        return cls(molecules, templates, means, scale_A)

    @property
    def size(self) -> int:
        """Atoms of the largest molecule."""
        return max(molecule.size for molecule in self.molecules)

    def encode(self, label: int, positions: np.ndarray) -> Tensor:
        """Return values (N, 3, A) float32 of positions (N, A, 3) in Å of one molecule."""
        turned = align(positions, self.templates[label], self.molecules[label].heavy)
        values = np.zeros((len(positions), 3, self.size), dtype=np.float32)
        offsets = (turned - self.means[label]) / self.scale_A
        values[:, :, : turned.shape[1]] = offsets.transpose(0, 2, 1)
        return torch.from_numpy(values)

    def decode(self, label: int, values: Tensor) -> np.ndarray:
        """Return positions (N, A, 3) in Å of one molecule from values (N, 3, A)."""
        coordinates = values.double().numpy().transpose(0, 2, 1)[:, : self.molecules[label].size]
        return coordinates * self.scale_A + self.means[label]

    def make_samples(self, positions_by_label: Sequence[np.ndarray]) -> sc.Samples:
        """Return real samples of positions (N, A, 3) in Å of each molecule."""
        values = torch.cat([self.encode(label, positions) for label, positions in enumerate(positions_by_label)])
        counts = torch.tensor([len(positions) for positions in positions_by_label])
        labels = torch.repeat_interleave(torch.arange(len(counts)), counts)
        return sc.Samples.real(values, labels)

    def split(self, samples: sc.Samples) -> Iterator[tuple[int, Tensor, np.ndarray]]:
        """Yield each label with its rows (M,) in the samples and their positions (M, A, 3) in Å."""
        for label in samples.labels.unique().tolist():
            rows = (samples.labels == label).nonzero().squeeze(1)
            yield label, rows, self.decode(label, samples.values[rows])


# --- correctors ---


def name_relaxation(steps: int) -> str:
    return f"MMFF94, {steps} steps"


@dataclass(frozen=True, eq=False)
class Relaxation:
    """Moves conformers down the MMFF94 energy; the strength is the number of steps of minimisation."""

    codec: ConformerCodec
    steps: int

    @property
    def name(self) -> str:
        return name_relaxation(self.steps)

    def __call__(self, samples: sc.Samples) -> sc.Samples:
        values = samples.values.clone()
        for label, rows, positions in self.codec.split(samples):
            relaxed, _ = relax(self.codec.molecules[label], positions, self.steps)
            values[rows] = self.codec.encode(label, relaxed)
        return samples.with_values(values)


@dataclass(frozen=True, eq=False)
class Verifier:
    """Accepts conformers without faults that are hardly more strained than the most strained of the training data."""

    codec: ConformerCodec
    highest_kcal_mol: Sequence[float]
    """Highest accepted energy of each molecule."""
    name: str = "verifier"

    def __call__(self, samples: sc.Samples) -> sc.Corrected:
        accepted = torch.ones(len(samples), dtype=torch.bool)
        reason = np.full(len(samples), "", dtype="U9")
        for label, rows, positions in self.codec.split(samples):
            molecule = self.codec.molecules[label]
            is_strained = measure_energies(molecule, positions) > self.highest_kcal_mol[label]
            for fault, is_wrong in {"strain": is_strained, **find_faults(molecule, positions)}.items():
                reason[rows[torch.from_numpy(is_wrong)].numpy()] = fault
                accepted[rows] &= torch.from_numpy(~is_wrong)
        return sc.Corrected(samples, accepted, {"reason": reason})


@dataclass(frozen=True, eq=False)
class RandomAcceptance:
    """The control that accepts as many samples of each label as a corrector accepts, whichever they are."""

    corrector: Corrector
    name: str = "random acceptance"

    def __call__(self, samples: sc.Samples, stream: sc.Stream) -> sc.Corrected:
        verdicts = call_corrector(self.corrector, samples, stream.child("corrector")).accepted
        accepted = verdicts.clone()
        for label in samples.labels.unique():
            rows = (samples.labels == label).nonzero().squeeze(1)
            order = torch.randperm(len(rows), generator=stream.child("order", int(label)).generator())
            accepted[rows] = verdicts[rows[order]]
        accepted[0] |= not accepted.any()  # a loop needs something to train on
        return sc.Corrected(samples, accepted)


# --- what is measured of conformers ---


@dataclass(frozen=True, eq=False)
class Judge:
    """Holds samples against real conformers that no model has seen."""

    codec: ConformerCodec
    reference: Sequence[np.ndarray]
    """(N, A, 3) positions in Å of each molecule."""
    lowest_kcal_mol: Sequence[float]
    """Lowest known energy of each molecule."""

    def measure(self, samples: sc.Samples) -> dict[str, float]:
        """Return the quantities of `measure_conformers`, the mean over molecules."""
        by_molecule = []
        for label, _, positions in self.codec.split(samples):
            molecule = self.codec.molecules[label]
            quantities = measure_conformers(molecule, self.reference[label], positions, self.lowest_kcal_mol[label])
            by_molecule.append(quantities)
        means = {}
        for key in by_molecule[0]:
            means[key] = float(np.mean([quantities[key] for quantities in by_molecule]))
        return means

    def __call__(self, candidate: sc.Candidate) -> dict[str, float]:
        return self.measure(candidate.samples(len(candidate.real)))


def measure_conformers(
    molecule: Molecule, reference: np.ndarray, candidate: np.ndarray, lowest_kcal_mol: float
) -> dict[str, float]:
    """Hold conformers (M, A, 3) of one molecule against real ones (N, A, 3).

    coverage and matching_A are COV-R and MAT-R of Xu et al. 2021. The first is the share of real conformers with a
    candidate within `NEAR_A`, the second the mean distance to the nearest. precision_A (MAT-P) is the mean distance
    from each candidate to the nearest real one. strain_kcal_mol is the median MMFF94 energy above the lowest known.
    bond_A and angle_deg are Wasserstein distances between distributions, the mean over bonds or angles. valid is the
    share without faults.
    """
    rmsd_A = measure_rmsd(molecule, reference, candidate)
    faults = find_faults(molecule, candidate)
    has_fault = np.any(list(faults.values()), axis=0)
    real_bonds = measure_lengths(molecule, reference)
    bonds = measure_lengths(molecule, candidate)
    real_angles = measure_angles(molecule, reference)
    angles = measure_angles(molecule, candidate)
    return {
        "coverage": float((rmsd_A.min(axis=1) <= NEAR_A).mean()),
        "matching_A": float(rmsd_A.min(axis=1).mean()),
        "precision_A": float(rmsd_A.min(axis=0).mean()),
        STRAIN: float(np.median(measure_energies(molecule, candidate)) - lowest_kcal_mol),
        "bond_A": compare_columns(real_bonds, bonds),
        "angle_deg": compare_columns(real_angles, angles),
        "valid": float(1 - has_fault.mean()),
    }


def compare_columns(reference: np.ndarray, candidate: np.ndarray) -> float:
    """Return the Wasserstein distance between columns (N, K) and (M, K), the mean over them."""
    distances = []
    for real, synthetic in zip(reference.T, candidate.T, strict=True):
        distances.append(wasserstein_distance(real, synthetic))
    return float(np.mean(distances))


def align(positions: np.ndarray, target: np.ndarray, heavy: np.ndarray) -> np.ndarray:
    """Turn and move positions (N, A, 3) so that heavy atoms come nearest to those of a target (A, 3) (Kabsch 1976)."""
    centred = positions - positions[:, heavy].mean(axis=1, keepdims=True)
    target_centre = target[heavy].mean(axis=0)
    centred_target = target - target_centre
    covariance = np.einsum("nhi,hj->nij", centred[:, heavy], centred_target[heavy])
    left, _, right = np.linalg.svd(covariance)
    left[..., :, 2] *= np.sign(np.linalg.det(left @ right))[..., None]
    return centred @ (left @ right) + target_centre


def measure_rmsd(molecule: Molecule, reference: np.ndarray, candidate: np.ndarray) -> np.ndarray:
    """Return root mean square deviations (N, M) in Å of heavy atoms, the least over poses and symmetries.

    reference (N, A, 3), candidate (M, A, 3).
    """
    real = reference[:, molecule.heavy] - reference[:, molecule.heavy].mean(axis=1, keepdims=True)
    synthetic = candidate[:, molecule.heavy] - candidate[:, molecule.heavy].mean(axis=1, keepdims=True)
    real_squares = np.square(real).sum(axis=(1, 2))
    synthetic_squares = np.square(synthetic).sum(axis=(1, 2))
    permuted = synthetic[:, molecule.symmetries]  # (M, P, H, 3)
    covariance = np.einsum("nhi,mphj->nmpij", real, permuted)
    singular = np.linalg.svd(covariance, compute_uv=False)
    singular[..., 2] *= np.sign(np.linalg.det(covariance))
    least = real_squares[:, None, None] + synthetic_squares[:, None] - 2 * singular.sum(axis=-1)
    return np.sqrt(np.maximum(least, 0).min(axis=-1) / len(molecule.heavy))


def measure_lengths(molecule: Molecule, positions: np.ndarray) -> np.ndarray:
    """Return bond lengths (N, B) in Å."""
    begin, end = molecule.bonds.T
    return np.linalg.norm(positions[:, begin] - positions[:, end], axis=-1)


def measure_angles(molecule: Molecule, positions: np.ndarray) -> np.ndarray:
    """Return bond angles (N, K) in degrees."""
    apex = positions[:, molecule.angles[:, 1]]
    first = positions[:, molecule.angles[:, 0]] - apex
    second = positions[:, molecule.angles[:, 2]] - apex
    lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    cosine = (first * second).sum(-1) / lengths
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def relax(molecule: Molecule, positions: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return positions (N, A, 3) and energies (N,) in kcal/mol after at most so many steps of minimisation (BFGS)."""
    graph = molecule.with_conformers(positions)
    outcomes = rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(graph, maxIters=steps)
    relaxed = np.stack([conformer.GetPositions() for conformer in graph.GetConformers()])
    return relaxed, np.array([energy for _, energy in outcomes])


def measure_energies(molecule: Molecule, positions: np.ndarray) -> np.ndarray:
    """Return MMFF94 energies (N,) in kcal/mol."""
    _, energies = relax(molecule, positions, 0)
    return energies


def find_lowest_energy(molecule: Molecule, positions: np.ndarray) -> float:
    """Return the lowest energy in kcal/mol of the minima next to known conformers (N, A, 3)."""
    _, energies = relax(molecule, positions, STEPS_TO_MINIMUM)
    return float(energies.min())


def find_faults(molecule: Molecule, positions: np.ndarray) -> dict[str, np.ndarray]:
    """Return which positions (N, A, 3) have each kind of fault, (N,) bool."""
    table = Chem.GetPeriodicTable()
    elements = [atom.GetAtomicNum() for atom in molecule.graph.GetAtoms()]
    covalent_radii = np.array([table.GetRcovalent(element) for element in elements])
    contact_radii = np.array([table.GetRvdw(element) for element in elements])
    covalent = np.add.outer(covalent_radii, covalent_radii)
    contact = np.add.outer(contact_radii, contact_radii)
    bonds_between = Chem.GetDistanceMatrix(molecule.graph)
    is_upper = np.triu(np.ones_like(covalent, dtype=bool), 1)
    distance_A = np.linalg.norm(positions[:, :, None] - positions[:, None], axis=-1)
    nearest, farthest = BOND_RANGE
    is_broken = (distance_A > farthest * covalent) | (distance_A < nearest * covalent)
    is_broken &= (bonds_between == 1) & is_upper
    is_merged = (distance_A < farthest * covalent) & (bonds_between > 1) & is_upper
    is_clashing = (distance_A < CLASH * contact) & (bonds_between > 3) & is_upper
    expected = name_stereoisomer(molecule)
    is_mirrored = [name_stereoisomer(molecule, conformer) != expected for conformer in positions]
    return {
        "valence": is_broken.any(axis=(1, 2)) | is_merged.any(axis=(1, 2)),
        "chirality": np.array(is_mirrored),
        "clash": is_clashing.any(axis=(1, 2)),
    }


def name_stereoisomer(molecule: Molecule, positions: np.ndarray | None = None) -> str:
    """Return the SMILES with the stereochemistry of positions (A, 3), or with that of the molecule as written."""
    graph = Chem.Mol(molecule.graph)
    if positions is not None:
        graph = molecule.with_conformers(positions[None])
        Chem.AssignStereochemistryFrom3D(graph, 0, replaceExistingTags=True)
    return Chem.MolToSmiles(graph)
