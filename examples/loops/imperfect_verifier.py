"""Wrong verifiers of a network (Yi et al. 2026; Qiao et al. 2026).

A verifier whose belief is wrong first improves the loop, then draws it to its belief. Selecting the samples that are
nearest to a partial reference takes the spread away. `biased_corrector.py` has the same with models whose theory is
known; here the model is a flow-matching network that `sc.TorchModel` brings into the loop.

    pip install ./examples/plugins/published_remedies
    selfcorrect toy examples/loops/imperfect_verifier.py --quick
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
from published_remedies.candidates import Pool, Rule, at_random, select_candidates
from torch import Tensor
from toy_models.flow import Flow

import selfcorrect as sc
from selfcorrect import claims, toys
from selfcorrect.loop.correctors.contract import Corrector

REAL, PLAIN = "real only", "synthetic"
RIGHT, WRONG = "right verifier", "wrong verifier"
TOP, AT_RANDOM = "top-α, partial reference", "selection at random"


@dataclass(frozen=True)
class ImperfectVerifier(toys.ToySettings):
    """Points of N(0, I) in the plane, with a biased verifier.

    There are n real points. The verifier keeps what is within `radius` of a belief that is off by `bias`.

    Selection keeps one of `draws` samples, those nearest to a slice of the real data: the half with larger x.
    """

    real_count: int = 60
    bias: float = 0.8
    radius: float = 1.5
    draws: int = 2
    width: int = 48
    synthetic_per_real: float = 6.0
    initial_steps: int = 300
    steps: int = 150
    generations: int = 5
    judged: int = 1000
    seeds: int = 6


QUICK = ImperfectVerifier(generations=3, steps=120, seeds=3)


def nearest_to(reference: Tensor) -> Rule:
    """Select the candidates nearest to a partial reference.

    Top-α selection by a verifier that knows only a reference (R, *event): nearest is to its mean. After Qiao et al.
    2026 (arXiv 2606.13732). α is 1 over the draws per sample.
    """
    centre = reference.flatten(1).double().mean(0)

    def rule(pool: Pool, count: int) -> Tensor:
        distances = (pool.values.flatten(1).double() - centre).norm(dim=1)
        return distances.argsort()[:count]

    return rule


def toy(settings: ImperfectVerifier) -> toys.Toy:
    """Declare all arms."""
    return toys.Toy(
        bundles=[toys.bundle_seeds(settings, partial(set_up, settings))],
        claims=list(make_claims()),
        columns=[
            toys.Column("error", "distance to the truth"),
            toys.Column("to_belief", "distance to the belief"),
            toys.Column("spread", "deviation"),
        ],
        title="Wrong verifiers of a network",
        source="Yi et al. 2026; Qiao et al. 2026",
        notes=(
            "Distances are those of the model's mean; the deviation of the truth is 1.",
            "The model is a flow-matching network through `sc.TorchModel`.",
            "Selection at random keeps as many samples as top-α selection.",
        ),
    )


def make_claims() -> Iterator[claims.Claim]:
    """Yield the claims on verifiers and selection.

    The papers have them of both verifiers; selection has a control.
    """
    nearer_to_belief = claims.final_value(WRONG, "to_belief") - claims.final_value(WRONG, "error")
    yield claims.expect_below("wrong verifier: the loop ends nearer to the belief than to the truth", nearer_to_belief)
    approach = claims.final_change(WRONG, "to_belief")
    yield claims.expect_below("wrong verifier: it comes nearer to the belief", approach)
    departure = claims.final_change(WRONG, "error")
    yield claims.expect_above("wrong verifier: it ends farther from the truth than it began", departure)
    less_error = claims.final_difference(RIGHT, PLAIN, "error")
    yield claims.expect_below("right verifier: it ends nearer to the truth than without", less_error)
    narrower = claims.final_difference(TOP, PLAIN, "spread")
    yield claims.expect_below("top-α selection takes more spread away than no selection", narrower)
    narrower_than_random = claims.final_difference(TOP, AT_RANDOM, "spread")
    yield claims.expect_below("top-α selection takes more spread away than selection at random", narrower_than_random)
    spread = claims.final_value(TOP, "spread")
    yield claims.expect_below("top-α selection: less than half of the spread is left", spread, 0.5)
    control = claims.final_difference(AT_RANDOM, PLAIN, "spread")
    no_narrower = claims.expect_above("selection at random ends no narrower than no selection", control, -0.1)
    yield from claims.mark_unpublished(no_narrower)


def make_flow(width: int) -> Flow:
    """Return the untrained model of points in the plane."""
    return Flow(width=width, depth=2, sampling_steps=10, learning_rate=3e-3)


def set_up(settings: ImperfectVerifier, stream: sc.Stream) -> toys.Setup:
    real = sc.Samples.real(torch.randn((settings.real_count, 2), generator=stream.child("real").generator()))
    truth, belief = torch.zeros(2), torch.tensor([settings.bias, 0.0])
    median = real.values[:, 0].median()
    right_half = real.values[real.values[:, 0] > median]

    def measure(candidate: sc.Candidate) -> dict[str, Tensor]:
        values = candidate.samples(settings.judged).values
        mean = values.mean(0)
        spread = values.var(0).mean().sqrt()
        return {"error": (mean - truth).norm(), "to_belief": (mean - belief).norm(), "spread": spread}

    plain = sc.Arm(sc.Replace(settings.synthetic_per_real), settings.generations, steps=settings.steps)
    arms = {
        REAL: replace(plain, policy=sc.RealOnly()),
        PLAIN: plain,
        RIGHT: replace(plain, correction=sc.Correction(accept_near(truth, settings.radius))),
        WRONG: replace(plain, correction=sc.Correction(accept_near(belief, settings.radius))),
        TOP: replace(plain, bias=select_candidates(settings.draws, nearest_to(right_half))),
        AT_RANDOM: replace(plain, bias=select_candidates(settings.draws, at_random)),
    }
    return toys.Setup(sc.Task(make_flow(settings.width), real, measure, settings.initial_steps), arms)


def accept_near(belief: Tensor, radius: float) -> Corrector:
    """Return a verifier that accepts samples within `radius` of a belief."""
    return sc.verifier(lambda samples: (samples.values - belief).norm(dim=1) <= radius)
