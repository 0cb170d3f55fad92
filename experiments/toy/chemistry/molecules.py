"""Gerstgrasser et al. 2024: a diffusion model of drug conformers on its own samples, replaced or accumulated.

Does what physics does for motion hold for molecules: does a force field remove artefacts, and leave the loss of modes?
A network learns Cartesian coordinates of all atoms, so that its errors show in bonds and angles, which a model of
torsions would take from a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.contract import Corrector, placebo
from selfcorrect.correctors.correction import Correction
from selfcorrect.datasets.toy.molecules import DRUGS, Molecule, conformers, molecule
from selfcorrect.loop.policy import Accumulate, Augment, Policy, RealOnly, Replace
from selfcorrect.loop.run import Candidate, Plan, Task
from selfcorrect.models.diffusion.config import DiffusionConfig
from selfcorrect.models.diffusion.model import MotionDiffusion

from ...studies.claims import Claim, Quantity, above, below, end, gain, ours
from ..declaration import Column, Setup, Toy, ToySettings, by_seed
from .correctors import ConformerCodec, RandomAcceptance, Relaxation, Verifier
from .measures import mean_over, measured, relaxed

REAL, AUGMENTED, ACCUMULATED, PLAIN = "real only", "augment", "accumulate", "replace"
VERIFIED = "replace, verifier"
MINIMISED = 500
"""Steps after which MMFF94's minimum counts as reached."""
STRAIN = "strain_kcal_mol"
OTHER, MINIMA, FROM_NOISE = "other real conformers", "the same, minimised", "noise, minimised"
PERTURBED, ACCEPTED = "replace, random perturbation", "replace, random acceptance"


@dataclass(frozen=True)
class Molecules(ToySettings):
    """Drugs, real conformers of each, steps of relaxation by strength, and how far the verifier is from the data."""

    drugs: int = 24
    conformers: int = 12
    relaxation: tuple[int, ...] = (10, 100)
    strain_margin_kcal_mol: float = 50.0
    first_steps: int = 2500
    steps: int = 60
    generations: int = 5
    seeds: int = 4


QUICK = Molecules(drugs=4, conformers=8, relaxation=(20,), first_steps=400, steps=30, generations=2, seeds=2)


def toy(settings: Molecules) -> Toy:
    """All arms."""
    relaxed_arms = [f"replace, MMFF94, {steps} steps" for steps in settings.relaxation]
    relaxed_beside_data = relaxed_arms[-1].replace(PLAIN, AUGMENTED)
    policies, floors = (REAL, AUGMENTED, ACCUMULATED, PLAIN), (OTHER, MINIMA, FROM_NOISE)
    corrected = (REAL, PLAIN, *relaxed_arms, VERIFIED, PERTURBED, ACCEPTED)
    return Toy(
        [by_seed(settings, lambda stream: setup(settings, stream), "molecules")],
        [
            below("replace ends with less coverage than accumulate", gain(PLAIN, ACCUMULATED, "coverage")),
            above("replace ends farther from real conformers", gain(PLAIN, ACCUMULATED, "matching_A")),
            below("replace ends with less coverage than real data only", gain(PLAIN, REAL, "coverage")),
            *ours(*_claims(relaxed_arms[0], relaxed_arms[-1])),
        ],
        [
            Column("coverage", "coverage"),
            Column("valid", "valid share"),
            Column("matching_A", "matching RMSD (Å)", ""),
            Column("precision_A", "RMSD to the nearest real one (Å)", ""),
            Column(STRAIN, "strain (kcal/mol)", "", log=True),
            Column("bond_A", "error of bond lengths, Å", ".3f"),
            Column("angle_deg", "error of bond angles, °", ""),
        ],
        rows=(OTHER, FROM_NOISE, REAL, ACCUMULATED, PLAIN, *relaxed_arms),
        groups={
            "corrected": (*corrected, *floors),
            "data policies": (*policies, relaxed_beside_data, *floors),
        },
        notes=(
            f"{settings.drugs} drugs, {settings.conformers} conformers of each to train on, and as many to judge raw "
            "samples against.",
            "Means over molecules. Coverage: real conformers with a sample within 0.75 Å. Strain: median MMFF94 energy "
            "above the lowest known. Errors: Wasserstein distances.",
            "The force field knows what the training data do not show: it moves real conformers too (the same, "
            "minimised).",
        ),
    )


@dataclass(frozen=True, eq=False)
class Judge:
    """Holds samples against real conformers that no model has seen."""

    codec: ConformerCodec
    reference: Sequence[np.ndarray]
    """(N, A, 3) positions in Å of each molecule."""
    lowest_kcal_mol: Sequence[float]
    """The lowest energy known of each molecule."""

    def measured(self, samples: Samples) -> dict[str, float]:
        """The quantities of each molecule, the mean over molecules."""
        return mean_over(
            [
                measured(self.codec.molecules[label], self.reference[label], positions, self.lowest_kcal_mol[label])
                for label, (_, positions) in self.codec.positions(samples).items()
            ]
        )

    def __call__(self, candidate: Candidate) -> dict[str, float]:
        return self.measured(candidate.samples(len(candidate.real)))


def setup(settings: Molecules, stream: Stream) -> Setup:
    """Conformers to train on, to judge against and to compare with; the model; the arms."""
    chosen = [molecule(name, smiles) for name, smiles in islice(DRUGS.items(), settings.drugs)]
    training, reference, other = (
        [conformers(of, settings.conformers, stream.child(part, of.name)) for of in chosen]
        for part in ("training", "reference", "other")
    )
    codec = ConformerCodec.fit(chosen, training)
    judge = Judge(codec, reference, [_lowest_kcal_mol(*each) for each in zip(chosen, training, reference, strict=True)])
    config = DiffusionConfig("dct-mlp", width=256, depth=2, learning_rate=5e-3, fine_tune_learning_rate=2e-3)
    # Of three axes a cosine transform is a rotation: the MLP sees all coordinates of all atoms.
    model = MotionDiffusion(config, 3, codec.size, len(chosen), device=torch.device("cpu"))
    task = Task(model, codec.samples(training), judge, settings.first_steps)
    return Setup(task, _plans(settings, codec, training), _floors(judge, other, stream.child("noise")))


def _floors(judge: Judge, other: Sequence[np.ndarray], stream: Stream) -> dict[str, dict[str, float]]:
    """Other real conformers, the same in their minima, and what the force field alone makes of noise."""
    real = judge.codec.samples(other)
    minimise = Relaxation(judge.codec, MINIMISED)
    noise = real.with_values(torch.randn(real.values.shape, generator=stream.torch()))
    floors = {OTHER: real, MINIMA: minimise(real), FROM_NOISE: minimise(noise)}
    return {name: judge.measured(samples) for name, samples in floors.items()}


def _lowest_kcal_mol(of: Molecule, *known: np.ndarray) -> float:
    return float(relaxed(of, np.concatenate(known), MINIMISED)[1].min())


def _plans(settings: Molecules, codec: ConformerCodec, training: Sequence[np.ndarray]) -> dict[str, Plan]:
    def plan(policy: Policy, corrector: Corrector | None = None) -> Plan:
        # Rejected samples are dropped: a molecule that the model cannot make would be drawn for ever.
        correction = None if corrector is None else Correction(corrector, on_rejection="drop")
        return Plan(policy, settings.generations, settings.steps, correction=correction)

    relaxations = [Relaxation(codec, steps) for steps in settings.relaxation]
    highest = [
        float(relaxed(of, positions, 0)[1].max()) + settings.strain_margin_kcal_mol
        for of, positions in zip(codec.molecules, training, strict=True)
    ]
    verifier = Verifier(codec, highest)
    strongest = relaxations[-1]
    return {
        REAL: plan(RealOnly()),
        AUGMENTED: plan(Augment(1.0)),
        ACCUMULATED: plan(Accumulate(1.0)),
        PLAIN: plan(Replace()),
        **{f"replace, {relaxation.name}": plan(Replace(), relaxation) for relaxation in relaxations},
        f"augment, {strongest.name}": plan(Augment(1.0), strongest),
        VERIFIED: plan(Replace(), verifier),
        PERTURBED: plan(Replace(), placebo(strongest)),
        ACCEPTED: plan(Replace(), RandomAcceptance(verifier)),
    }


def _claims(weak: str, strong: str) -> Iterator[Claim]:
    """Whether relaxation removes artefacts and leaves the loss of modes."""

    def tenfold(arm: str, other: str) -> Quantity:
        """Of strain, which spans orders of magnitude, in powers of ten."""
        return (end(arm, STRAIN) / end(other, STRAIN)).map(np.log10)

    yield from (below(f"{arm}: less strain than replace (log₁₀)", tenfold(arm, PLAIN)) for arm in (weak, strong))
    yield from (above(f"{arm}: more valid samples", gain(arm, PLAIN, "valid")) for arm in (weak, strong))
    yield from (below(f"{arm}: bond lengths nearer to real", gain(arm, PLAIN, "bond_A")) for arm in (weak, strong))
    yield from (below(f"{arm}: bond angles nearer to real", gain(arm, PLAIN, "angle_deg")) for arm in (weak, strong))
    for arm in (weak, strong, VERIFIED):
        yield below(f"{arm}: gains less than 0.05 of coverage", gain(arm, PLAIN, "coverage"), 0.05)
    for arm in (weak, strong, VERIFIED):
        yield below(f"{arm}: less coverage than real data only", gain(arm, REAL, "coverage"))
    alone = gain(FROM_NOISE, strong, "coverage")
    yield above("minimised noise, without a model, covers more than the relaxed loop", alone)
    yield above("random perturbation leaves more strain than relaxation (log₁₀)", tenfold(PERTURBED, strong))
    yield below("a verifier leaves less strain than random acceptance (log₁₀)", tenfold(VERIFIED, ACCEPTED))
    yield below("a verifier gains no coverage over random acceptance", gain(VERIFIED, ACCEPTED, "coverage"))
