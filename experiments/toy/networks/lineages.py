"""Why modes are lost: drift as in a population, and bias of the learner, each switched on alone.

A memoriser that draws evenly is Wright's and Fisher's population; theory gives its surviving founders exactly. Noise
makes it a kernel density estimate, whose founders drift removes all the same. A pull towards the mean of each label,
the bias of a learner, loses more than drift does, and descendants walk in one direction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import numpy as np
import torch

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.loop.bias import Bias, unbiased
from selfcorrect.loop.policy import Replace
from selfcorrect.loop.run import Candidate, Plan, Task
from selfcorrect.metrics.neighbours import near_by_label, neighbour_metrics
from selfcorrect.remedies.matching import lineage_matched

from ...studies.claims import Claim, Quantity, above, agrees, as_predicted, below, end, gain, ours
from ..declaration import Column, Setup, Toy, ToySettings, by_seed
from ..models.memoriser import Memoriser

DIMENSION = 16
SURVIVAL = "surviving_lineages"


@dataclass(frozen=True)
class Lineages(ToySettings):
    """Points of labels with the sizes of the motion experiment; fully synthetic loops of memorisers."""

    label_sizes: tuple[int, ...] = (3, 4, 6, 7, 9, 9, 9, 10, 10, 10, 11, 13, 13, 14)
    unevenness: float = 0.67
    """c of the uneven arms."""
    bandwidths: tuple[float, ...] = (0.05, 0.1, 0.2)
    """Those of the kernel arms, in standard deviations of the data."""
    pull: float = 0.1
    """Of the biased arms: the share of the way to the mean."""
    preference: float = 1.0
    """Of the biased arms: how much points near the mean are preferred."""
    draws: int = 8
    """Candidates per sample of the matched arms."""
    generations: int = 12


QUICK = Lineages(bandwidths=(0.05, 0.2), seeds=20)


@dataclass(frozen=True)
class _Arm:
    model: Memoriser
    bias: Bias = unbiased
    offspring_variance: float = 1.0


def toy(settings: Lineages) -> Toy:
    """All arms; each has a separate model, and all share the seeds."""
    arms = _arms(settings)
    laws = {
        name: theory.surviving_lineages(settings.label_sizes, settings.generations, arm.offspring_variance)
        for name, arm in arms.items()
    }
    return Toy(
        [by_seed(settings, partial(_setup, settings, name, arm)) for name, arm in arms.items()],
        ours(*_claims(settings, laws)),
        [
            Column(SURVIVAL, "founders with descendants", predicted=laws, predicted_title="predicted by drift alone"),
            Column("coverage", "coverage of reference points", "", predicted_by="coverage_by_drift"),
            Column("lineage_persistence", "persistence of the lines' walks, of a random walk", ""),
        ],
        notes=("Predictions are of drift alone, from the arm's settings; nothing is fitted to the loops.",),
    )


def _arms(settings: Lineages) -> dict[str, _Arm]:
    even = Memoriser.empty(DIMENSION)
    uneven = replace(even, unevenness=settings.unevenness)
    biased = replace(even, bandwidth=settings.bandwidths[0], pull=settings.pull, preference=settings.preference)
    excess = 1 + settings.unevenness
    match = lineage_matched(settings.draws, adaptive=False)
    by_matching = theory.matched_offspring_variance(settings.draws, settings.unevenness)
    return {
        "even": _Arm(even),
        "uneven": _Arm(uneven, offspring_variance=excess),
        "uneven, matched": _Arm(uneven, match, by_matching),
        **{f"kernel {width:g}": _Arm(replace(even, bandwidth=width)) for width in settings.bandwidths},
        "biased": _Arm(biased),
        "biased, matched": _Arm(replace(biased, unevenness=settings.unevenness), match, by_matching),
    }


def _setup(settings: Lineages, name: str, arm: _Arm, stream: Stream) -> Setup:
    real, reference = (_real(settings, stream.child(kind)) for kind in ("real", "reference"))
    near = near_by_label(reference.values.numpy(), real.values.numpy(), real.labels.numpy())
    drift = theory.coverage_by_drift(near, settings.label_sizes, settings.generations, arm.offspring_variance)

    def judge(candidate: Candidate) -> dict[str, float]:
        points = cast(Memoriser, candidate.model).points.numpy()  # all that it can draw, but for its noise
        coverage = neighbour_metrics(reference.values.numpy(), points)["coverage"]
        return {"coverage": coverage, "coverage_by_drift": float(drift[candidate.generation])}

    task = Task(arm.model, real, judge, space=torch.Tensor.numpy)
    return Setup(task, {name: Plan(Replace(), settings.generations, bias=arm.bias)})


def _real(settings: Lineages, stream: Stream) -> Samples:
    labels = torch.repeat_interleave(torch.arange(len(settings.label_sizes)), torch.tensor(settings.label_sizes))
    return Samples.real(torch.randn((len(labels), DIMENSION), generator=stream.torch(), dtype=torch.float64), labels)


def _claims(settings: Lineages, laws: Mapping[str, np.ndarray]) -> Iterator[Claim]:
    last, kernel = settings.generations, f"kernel {settings.bandwidths[-1]:g}"
    unbiased = {name: law for name, law in laws.items() if not name.startswith("biased")}
    kept = {name: gain(f"{name}, matched", name, SURVIVAL) for name in ("uneven", "biased")}
    walks = {name: end(name, "lineage_persistence") for name in (kernel, "biased")}

    def explained(name: str) -> Quantity:
        """The share of the loss of lines at the end that drift explains."""

        def share(left: np.ndarray) -> np.ndarray:
            return np.array([theory.drift_share(float(one), float(laws[name][-1])) for one in left])

        return end(name, SURVIVAL).map(share)

    yield from as_predicted("{arm}: lines that survive {t} generations", SURVIVAL, unbiased, times=(2, last))
    for name in ("even", "uneven", "uneven, matched"):
        off = end(name, "coverage") - end(name, "coverage_by_drift")
        yield agrees(f"{name}: coverage at generation {last}, over drift's", off, 0.0)
    yield above("matching keeps lines", kept["uneven"])
    yield above("drift explains the loss of an unbiased kernel", explained(kernel), 0.9)
    yield below("a biased learner loses more than by drift", explained("biased"), 0.9)
    yield above("lines of a biased learner walk in one direction", walks["biased"], 1.3)
    yield below("lines of an unbiased kernel walk at random", walks[kernel], 1.3)
    yield above("matching keeps lines of a biased learner", kept["biased"])
