"""Verifiers and selection through a network that an adapter brings: `sc.TorchModel` with a flow of PyTorch modules.

Yi et al. 2026: a verifier whose belief is wrong first improves the loop, then draws it to its belief. Qiao et al. 2026:
the share α of samples that is nearest to a local reference takes the spread away. Both have Gaussian toys in
`biased-corrector`; here the model is a neural network that knows no Gaussian.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.contract import Corrector, verifier
from selfcorrect.correctors.correction import Correction
from selfcorrect.loop.policy import RealOnly, Replace
from selfcorrect.loop.run import Candidate, Plan, Task
from selfcorrect.models.adapters.torch_model import TorchModel
from selfcorrect.remedies.selection import at_random, nearest_to, selected

from ...studies.claims import above, below, end, gain, ours, rise
from ..declaration import Column, Setup, Toy, ToySettings, by_seed
from ..models.flow import Flow

PLAIN, RIGHT, WRONG = "synthetic", "right verifier", "wrong verifier"
TOP, AT_RANDOM = "top-α, partial reference", "selection at random"


@dataclass(frozen=True)
class ImperfectVerifier(ToySettings):
    """n real points of N(0, I) in the plane; a verifier that keeps what is within `radius` of a belief off by `bias`.

    Selection keeps one of `draws` samples, those nearest to a slice of the real data: the half with larger x.
    """

    real_count: int = 60
    bias: float = 0.8
    radius: float = 1.5
    draws: int = 2
    width: int = 48
    synthetic_per_real: float = 6.0
    first_steps: int = 300
    steps: int = 150
    generations: int = 5
    judged: int = 1000
    seeds: int = 6


QUICK = ImperfectVerifier(generations=3, steps=120, seeds=3)


def toy(settings: ImperfectVerifier) -> Toy:
    """All arms."""
    nearer = end(WRONG, "to_belief") - end(WRONG, "error")
    return Toy(
        [by_seed(settings, lambda stream: _setup(settings, stream))],
        [
            below("wrong verifier: the loop ends nearer to the belief than to the truth", nearer),
            below("wrong verifier: it comes nearer to the belief", rise(WRONG, "to_belief")),
            above("wrong verifier: it ends farther from the truth than it began", rise(WRONG, "error")),
            below("right verifier: it ends nearer to the truth than without", gain(RIGHT, PLAIN, "error")),
            below("top-α selection takes more spread away than no selection", gain(TOP, PLAIN, "spread")),
            below("top-α selection takes more spread away than selection at random", gain(TOP, AT_RANDOM, "spread")),
            below("top-α selection: less than half of the spread is left", end(TOP, "spread"), 0.5),
            *ours(
                above("selection at random ends no narrower than no selection", gain(AT_RANDOM, PLAIN, "spread"), -0.1)
            ),
        ],
        [
            Column("error", "distance to the truth"),
            Column("to_belief", "distance to the belief"),
            Column("spread", "deviation"),
        ],
        notes=(
            "Distances are those of the model's mean; the deviation of the truth is 1.",
            "The model is a flow-matching network through `sc.TorchModel`.",
            "Selection at random keeps as many samples as top-α selection.",
        ),
    )


def network_model(width: int) -> TorchModel:
    """The flow of `models/flow.py` as a user would bring it: a module, its loss, its sampler."""
    flow = Flow(width=width, depth=2, sampling_steps=10)

    def draw(network: nn.Module, labels: Tensor, generator: torch.Generator) -> Tensor:
        return flow.carried(network, torch.randn((len(labels), flow.dimension), generator=generator))

    return TorchModel(module=flow.build, objective=flow.loss, sampler=draw, learning_rate=3e-3)


def _setup(settings: ImperfectVerifier, stream: Stream) -> Setup:
    real = Samples.real(torch.randn((settings.real_count, 2), generator=stream.child("real").torch()))
    belief = torch.tensor([settings.bias, 0.0])

    def scores(candidate: Candidate) -> dict[str, Tensor]:
        values = candidate.samples(settings.judged).values
        distances = {"error": values.mean(0).norm(), "to_belief": (values.mean(0) - belief).norm()}
        return {**distances, "spread": values.var(0).mean().sqrt()}

    task = Task(network_model(settings.width), real, scores, settings.first_steps)
    plan = Plan(Replace(settings.synthetic_per_real), settings.generations, steps=settings.steps)
    slice_of_real = real.values[real.values[:, 0] > real.values[:, 0].median()]
    beliefs, rules = {RIGHT: torch.zeros(2), WRONG: belief}, {TOP: nearest_to(slice_of_real), AT_RANDOM: at_random}
    plans = {
        "real only": replace(plan, policy=RealOnly()),
        PLAIN: plan,
        **{arm: replace(plan, correction=Correction(_near(one, settings.radius))) for arm, one in beliefs.items()},
        **{arm: replace(plan, bias=selected(settings.draws, rule)) for arm, rule in rules.items()},
    }
    return Setup(task, plans)


def _near(belief: Tensor, radius: float) -> Corrector:
    """Keeps what is within `radius` of the belief."""
    return verifier(lambda samples: (samples.values - belief).norm(dim=1) <= radius)
