"""Alemohammad et al. 2024 (MAD): self-consuming loops with cherry-picked samples, with and without fresh data.

Sampling bias λ_bias multiplies the variance of the samples, from 1 (as the model is) towards 0 (its mode only). Quality
is the share of samples inside the region that holds 95 % of the truth, diversity the share of the truth inside the
model's own.

`selfcorrect toy examples/loops/mad.py --quick` runs the loop.
"""

from dataclasses import dataclass

import numpy as np
from torch import Tensor
from toy_models.gaussian_tasks import (
    DIMENSION,
    TAIL_RADIUS,
    distance_to_truth,
    fresh_normal,
    gaussian_task,
    share_inside,
)
from toy_models.laws import replace_variance, settled_variance

import selfcorrect as sc
from selfcorrect import claims, toys
from selfcorrect.datasets.toy.draws import normal
from selfcorrect.loop.bias import sampling_settings

SYNTHETIC = "fully synthetic"
AUGMENTED = "augmented"
FRESH = "fresh data"
EARLY = 5
"""The generation at which the fully synthetic variance is held against its prediction."""


@dataclass(frozen=True)
class Mad(toys.ToySettings):
    """n real points; each policy with every sampling bias."""

    real_count: int = 100
    biases: tuple[float, ...] = (1.0, 0.9, 0.7, 0.4, 0.1)
    generations: int = 40
    fresh_ratio: float = 1.0
    seeds: int = 100


QUICK = Mad(biases=(1.0, 0.7), generations=20, seeds=60)


def toy(settings: Mad) -> toys.Toy:
    """Declare all policies and biases."""

    def set_up(stream: sc.Stream) -> toys.Setup:
        task = gaussian_task(settings.real_count, settings.seeds, stream, _measure)
        fresh = sc.Fresh(fresh_normal(settings.seeds), settings.real_count, settings.fresh_ratio)
        policies = {SYNTHETIC: sc.Replace(), AUGMENTED: sc.Augment(settings.fresh_ratio), FRESH: fresh}
        arms = {}
        for name, policy in policies.items():
            for bias in settings.biases:
                sampling = sampling_settings(temperature=bias)
                arms[_name_arm(name, bias)] = sc.Arm(policy, settings.generations, bias=sampling)
        return toys.Setup(task, arms)

    strongest = min(settings.biases)
    plain = _name_arm(SYNTHETIC, 1.0)
    picked = _name_arm(SYNTHETIC, strongest)
    fresh = _name_arm(FRESH, strongest)
    decay = {}
    settled = {}
    for bias in settings.biases:
        decay[_name_arm(SYNTHETIC, bias)] = replace_variance(settings.real_count, settings.generations, bias)
    for policy in (AUGMENTED, FRESH):
        for bias in settings.biases:
            level = settled_variance(settings.fresh_ratio, 0.0, bias)
            settled[_name_arm(policy, bias)] = np.full(settings.generations + 1, level)
    early_decay = {picked: decay[picked]}
    quality_gain = claims.final_difference(picked, plain, "quality")
    diversity_gain = claims.final_difference(picked, plain, "diversity")
    statements = [
        *claims.expect_predictions("{arm}: variance at the end", "variance", settled, 0.06),
        *claims.expect_predictions("{arm}: variance at generation {t}", "variance", early_decay, 0.06, (EARLY,)),
        claims.expect_above("fully synthetic: cherry-picking keeps quality", quality_gain),
        claims.expect_below("fully synthetic: cherry-picking loses diversity", diversity_gain),
        claims.expect_below(
            "fully synthetic, cherry-picked: diversity is gone", claims.final_value(picked, "diversity"), 0.1
        ),
        claims.expect_above(
            "fresh data hold diversity under cherry-picking", claims.final_value(fresh, "diversity"), 0.5
        ),
    ]
    columns = [
        toys.Column("quality", "quality"),
        toys.Column("diversity", "diversity"),
        toys.Column("variance", "variance (truth 1)", "", predicted=decay | settled),
    ]
    return toys.Toy(
        title="Cherry-picked samples",
        source="Alemohammad et al. 2024",
        bundles=[toys.bundle_replicates("mad", settings.seed, set_up)],
        claims=statements,
        columns=columns,
        rows=(plain, picked, fresh),
        groups=(SYNTHETIC, AUGMENTED, FRESH),
    )


def _name_arm(policy: str, bias: float) -> str:
    return f"{policy}, λ_bias = {bias:g}"


def _measure(candidate: sc.Candidate) -> dict[str, Tensor]:
    samples = candidate.samples(300).values
    truth = normal(300, candidate.stream.child("truth"), DIMENSION)
    return {
        **distance_to_truth(candidate),
        "quality": (samples.norm(dim=-1) < TAIL_RADIUS).double().mean(0),
        "diversity": share_inside(candidate.model, truth, TAIL_RADIUS),
    }
