"""Gerstgrasser et al. 2024: a diffusion model of drug conformers on its own samples, replaced or accumulated.

Does what physics does for motion hold for molecules: does a force field remove artefacts, and leave the loss of modes?
A network learns Cartesian coordinates of all atoms, so that its errors show in bonds and angles, which a model of
torsions would take from a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np
import torch

from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.contract import Corrector, placebo
from selfcorrect.correctors.correction import Correction
from selfcorrect.datasets.toy.molecules import DRUGS, Molecule, conformers, molecule
from selfcorrect.loop.policy import Accumulate, Augment, Policy, RealOnly, Replace
from selfcorrect.loop.run import Candidate, Plan, Task
from selfcorrect.models.diffusion.config import DiffusionConfig
from selfcorrect.models.diffusion.model import MotionDiffusion
from selfcorrect.statistics import Interval, mean_interval

from ..result import Check, Ends, Line, Panel, Result, above, below, ends_of
from ..running import Curves, run_arms
from .correctors import ConformerCodec, RandomAcceptance, Relaxation, Verifier
from .measures import mean_over, measured, relaxed

MINIMISED = 500
"""Steps after which MMFF94's minimum counts as reached."""
STRAIN = "strain_kcal_mol"
FROM_NOISE = "noise, minimised"
PERTURBED, ACCEPTED = "replace, random perturbation", "replace, random acceptance"
QUANTITIES = {
    "coverage": "coverage",
    "matching_A": "matching RMSD (Å)",
    "precision_A": "RMSD to the nearest real one (Å)",
    "strain_kcal_mol": "strain (kcal/mol)",
    "bond_A": "bond lengths, Wasserstein (Å)",
    "angle_deg": "bond angles, Wasserstein (°)",
    "valid": "valid share",
}


@dataclass(frozen=True)
class Molecules:
    """Drugs, real conformers of each, steps of relaxation by strength, and how far the verifier is from the data."""

    drugs: int = 24
    conformers: int = 12
    relaxation: tuple[int, ...] = (10, 100)
    strain_margin_kcal_mol: float = 50.0
    first_steps: int = 2500
    steps: int = 60
    generations: int = 5
    seeds: int = 4
    seed: int = 0


def quick() -> Molecules:
    return Molecules(drugs=4, conformers=8, relaxation=(20,), first_steps=400, steps=30, generations=2, seeds=2)


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


@dataclass(frozen=True, eq=False)
class Setup:
    """What a seed begins with."""

    task: Task
    plans: Mapping[str, Plan]
    floors: Mapping[str, Mapping[str, float]]
    """What is measured of samples that no model made, by their name."""


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
    floors = {"other real conformers": real, "the same, minimised": minimise(real), FROM_NOISE: minimise(noise)}
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
        "real only": plan(RealOnly()),
        "augment": plan(Augment(1.0)),
        "accumulate": plan(Accumulate(1.0)),
        "replace": plan(Replace()),
        **{f"replace, {relaxation.name}": plan(Replace(), relaxation) for relaxation in relaxations},
        f"augment, {strongest.name}": plan(Augment(1.0), strongest),
        "replace, verifier": plan(Replace(), verifier),
        PERTURBED: plan(Replace(), placebo(strongest)),
        ACCEPTED: plan(Replace(), RandomAcceptance(verifier)),
    }


def measure(settings: Molecules) -> tuple[Curves, dict[str, dict[str, np.ndarray]]]:
    """Arm → quantity → (S, G + 1) curves, and floor → quantity → (S,)."""
    runs, floors = [], []
    for seed in range(settings.seed, settings.seed + settings.seeds):
        stream = streams(seed).child("molecules")
        begun = setup(settings, stream)
        runs.append(run_arms(begun.task, begun.plans, stream))
        floors.append(begun.floors)
    curves = {arm: {key: np.concatenate([one[arm][key] for one in runs]) for key in QUANTITIES} for arm in runs[0]}
    return curves, {
        name: {key: np.array([each[name][key] for each in floors]) for key in QUANTITIES} for name in floors[0]
    }


def run(settings: Molecules | None = None) -> Result:
    """All arms."""
    settings = settings or Molecules()
    return told(settings, *measure(settings))


def told(settings: Molecules, curves: Curves, floors: Mapping[str, Mapping[str, np.ndarray]]) -> Result:
    """What measured curves and floors say."""
    return Result(
        reading=_reading(settings, curves, floors),
        ends=_ends(settings, curves),
        checks=_checks(settings, curves, floors),
        figures=list(_panels(settings, curves, floors)),
        notes=(
            f"{settings.drugs} drugs, {settings.conformers} conformers of each to train on, and as many to judge raw "
            "samples against.",
            "Means over molecules. Coverage: real conformers with a sample within 0.75 Å. Strain: median MMFF94 energy "
            "above the lowest known.",
            "The force field knows what the training data do not show: it moves real conformers too (the same, "
            "minimised).",
        ),
    )


def _panels(settings: Molecules, curves: Curves, floors: Mapping[str, Mapping[str, np.ndarray]]) -> Iterator[Panel]:
    generations = np.arange(settings.generations + 1)
    policies = {arm: table for arm, table in curves.items() if not arm.startswith("replace, ")}
    replaced = {arm: table for arm, table in curves.items() if arm.startswith("replace") or arm == "real only"}
    shown = (("corrected", replaced, QUANTITIES), ("data policies", policies, ("coverage", "matching_A", "valid")))
    for group, arms, keys in shown:
        for key in keys:
            title = QUANTITIES[key]
            lines = [Line(arm, table[key]) for arm, table in arms.items()]
            flat = [Line(name, np.tile(each[key][:, None], len(generations))) for name, each in floors.items()]
            yield Panel(f"{title}, {group}", "generation", title, generations, [*lines, *flat], log_y=key == STRAIN)


def _checks(settings: Molecules, curves: Curves, floors: Mapping[str, Mapping[str, np.ndarray]]) -> list[Check]:
    """What the papers say of policies, then whether relaxation removes artefacts and leaves the loss of modes."""

    def change(arm: str, other: str, key: str) -> Interval:
        return mean_interval(curves[arm][key][:, -1] - curves[other][key][:, -1])

    def tenfold(arm: str, other: str) -> Interval:
        """Of strain, which spans orders of magnitude, in powers of ten."""
        return mean_interval(np.log10(curves[arm][STRAIN][:, -1] / curves[other][STRAIN][:, -1]))

    strong, weak = (f"replace, MMFF94, {settings.relaxation[place]} steps" for place in (-1, 0))
    less, more = partial(below, published=False), partial(above, published=False)
    alone = mean_interval(floors[FROM_NOISE]["coverage"] - curves[strong]["coverage"][:, -1])
    return [
        below("replace ends with less coverage than accumulate", change("replace", "accumulate", "coverage")),
        above("replace ends farther from real conformers", change("replace", "accumulate", "matching_A")),
        below("replace ends with less coverage than real data only", change("replace", "real only", "coverage")),
        *(less(f"{arm}: less strain than replace (log₁₀)", tenfold(arm, "replace")) for arm in (weak, strong)),
        *(more(f"{arm}: more valid samples", change(arm, "replace", "valid")) for arm in (weak, strong)),
        *(less(f"{arm}: bond lengths nearer to real", change(arm, "replace", "bond_A")) for arm in (weak, strong)),
        *(less(f"{arm}: bond angles nearer to real", change(arm, "replace", "angle_deg")) for arm in (weak, strong)),
        *(
            less(f"{arm}: gains less than 0.05 of coverage", change(arm, "replace", "coverage"), 0.05)
            for arm in (weak, strong, "replace, verifier")
        ),
        *(
            less(f"{arm}: less coverage than real data only", change(arm, "real only", "coverage"))
            for arm in (weak, strong, "replace, verifier")
        ),
        more("minimised noise, without a model, covers more than the relaxed loop", alone),
        more("random perturbation leaves more strain than relaxation (log₁₀)", tenfold(PERTURBED, strong)),
        less("a verifier leaves less strain than random acceptance (log₁₀)", tenfold("replace, verifier", ACCEPTED)),
        less("a verifier gains no coverage over random acceptance", change("replace, verifier", ACCEPTED, "coverage")),
    ]


def _reading(settings: Molecules, curves: Curves, floors: Mapping[str, Mapping[str, np.ndarray]]) -> str:
    alone = {name: each["coverage"].mean() for name, each in floors.items()}
    return (
        f"Other real conformers reach a coverage of {alone['other real conformers']:.2f}. "
        f"What the force field makes of noise, without a model, reaches {alone[FROM_NOISE]:.2f}."
    )


def _ends(settings: Molecules, curves: Curves) -> Ends:
    arms = ("real only", "accumulate", "replace", *(f"replace, MMFF94, {steps} steps" for steps in settings.relaxation))
    columns = {
        "coverage": ("coverage", ".2f"),
        "valid share": ("valid", ".2f"),
        "error of bond lengths, Å": ("bond_A", ".3f"),
    }
    return ends_of({arm: curves[arm] for arm in arms}, columns)
