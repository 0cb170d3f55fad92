"""Alemohammad et al. 2024 (MAD): self-consuming loops with cherry-picked samples, with and without fresh data.

Sampling bias λ_bias multiplies the variance of the samples, from 1 (as the model is) towards 0 (its mode only). Quality
is the share of samples inside the region that holds 95 % of the truth, diversity the share of the truth inside the
model's own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats
from torch import Tensor

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import streams
from selfcorrect.datasets.toy.draws import normal
from selfcorrect.loop.bias import sampling_settings
from selfcorrect.loop.policy import Augment, Fresh, Policy, Replace
from selfcorrect.loop.run import Candidate, Plan
from selfcorrect.statistics import mean_interval

from ..result import Check, Line, Panel, Result, above, agrees, below, ends_of
from ..running import Curves, run_arms
from .tasks import (
    DIMENSION,
    distance_to_truth,
    fresh_normal,
    gaussian_task,
    share_inside,
)

RADIUS = math.sqrt(stats.chi2.ppf(0.95, DIMENSION))


@dataclass(frozen=True)
class Mad:
    """n real points; each policy with every sampling bias."""

    real_count: int = 100
    biases: tuple[float, ...] = (1.0, 0.9, 0.7, 0.4, 0.1)
    generations: int = 40
    fresh_ratio: float = 1.0
    seeds: int = 100
    seed: int = 0


def quick() -> Mad:
    return Mad(biases=(1.0, 0.7), generations=20, seeds=60)


def run(settings: Mad | None = None) -> Result:
    """All policies and biases."""
    settings = settings or Mad()
    stream = streams(settings.seed).child("mad")
    task = replace(gaussian_task(settings.real_count, settings.seeds, stream), evaluate=_evaluate)
    fresh = Fresh(fresh_normal(settings.seeds), settings.real_count, settings.fresh_ratio)
    policies: dict[str, Policy] = {
        "fully synthetic": Replace(),
        "augmented": Augment(settings.fresh_ratio),
        "fresh data": fresh,
    }
    plans = {
        _arm(name, bias): Plan(policy, settings.generations, bias=sampling_settings(temperature=bias))
        for name, policy in policies.items()
        for bias in settings.biases
    }
    curves = run_arms(task, plans, stream)
    return Result(
        reading=_reading(settings, curves),
        ends=ends_of(_shown(settings, curves), {"quality": ("quality", ".2f"), "diversity": ("diversity", ".2f")}),
        checks=_checks(settings, curves),
        figures=_panels(settings, curves, list(policies)),
    )


def _arm(policy: str, bias: float) -> str:
    return f"{policy}, λ_bias = {bias:g}"


def _evaluate(candidate: Candidate) -> dict[str, Tensor]:
    samples, truth = candidate.samples(300).values, normal(300, candidate.stream.child("truth"), DIMENSION)
    return {
        **distance_to_truth(candidate),
        "quality": (samples.norm(dim=-1) < RADIUS).double().mean(0),
        "diversity": share_inside(candidate.model, truth, RADIUS),
    }


def _predicted_variance(settings: Mad) -> Mapping[str, np.ndarray]:
    synthetic = {
        _arm("fully synthetic", bias): theory.replace_variance(settings.real_count, settings.generations, bias)
        for bias in settings.biases
    }
    settled = {
        _arm(policy, bias): np.full(settings.generations + 1, theory.settled_variance(settings.fresh_ratio, 0.0, bias))
        for policy in ("augmented", "fresh data")
        for bias in settings.biases
    }
    return {**synthetic, **settled}


def _checks(settings: Mad, curves: Curves) -> list[Check]:
    predicted, strongest = _predicted_variance(settings), min(settings.biases)
    last = {arm: {name: curve[:, -1] for name, curve in table.items()} for arm, table in curves.items()}
    plain, picked = (last[_arm("fully synthetic", bias)] for bias in (1.0, strongest))
    fresh = last[_arm("fresh data", strongest)]
    settled = [
        agrees(f"{arm}: variance at the end", mean_interval(last[arm]["variance"]), predicted[arm][-1], 0.06)
        for arm in (_arm(policy, bias) for policy in ("augmented", "fresh data") for bias in settings.biases)
    ]
    early = 5
    variance = mean_interval(curves[_arm("fully synthetic", strongest)]["variance"][:, early])
    expected = predicted[_arm("fully synthetic", strongest)][early]
    return [
        *settled,
        agrees(f"fully synthetic, λ_bias = {strongest:g}: variance at generation {early}", variance, expected, 0.06),
        above("fully synthetic: cherry-picking keeps quality", mean_interval(picked["quality"] - plain["quality"])),
        below(
            "fully synthetic: cherry-picking loses diversity", mean_interval(picked["diversity"] - plain["diversity"])
        ),
        below("fully synthetic, cherry-picked: diversity is gone", mean_interval(picked["diversity"]), 0.1),
        above("fresh data hold diversity under cherry-picking", mean_interval(fresh["diversity"]), 0.5),
    ]


def _shown(settings: Mad, curves: Curves) -> Curves:
    strongest = min(settings.biases)
    arms = (("fully synthetic", 1.0), ("fully synthetic", strongest), ("fresh data", strongest))
    return {arm: curves[arm] for arm in (_arm(*each) for each in arms)}


def _reading(settings: Mad, curves: Curves) -> str:
    synthetic, fresh = (
        curves[_arm(policy, min(settings.biases))]["diversity"][:, -1].mean()
        for policy in ("fully synthetic", "fresh data")
    )
    return (
        f"Cherry-picked for {settings.generations} generations, the fully synthetic loop has a diversity of "
        f"{synthetic:.2f}, with fresh data {fresh:.2f}."
    )


def _panels(settings: Mad, curves: Curves, policies: list[str]) -> list[Panel]:
    generations, predicted = np.arange(settings.generations + 1), _predicted_variance(settings)
    panels = []
    for policy in policies:
        arms = [(f"λ_bias = {bias:g}", _arm(policy, bias)) for bias in settings.biases]
        for quantity in ("quality", "diversity"):
            lines = [Line(title, curves[arm][quantity]) for title, arm in arms]
            panels.append(Panel(f"{policy}: {quantity}", "generation", quantity, generations, lines))
        lines = [Line(title, curves[arm]["variance"], predicted[arm]) for title, arm in arms]
        panels.append(Panel(f"{policy}: variance", "generation", "variance (truth 1)", generations, lines))
    return panels
