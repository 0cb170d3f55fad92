"""Verifiers and selection through a network that an adapter brings: `sc.TorchModel` with a flow of PyTorch modules.

Yi et al. 2026: a verifier whose belief is wrong first improves the loop, then draws it to its belief. Qiao et al. 2026:
the share α of samples that is nearest to a local reference takes the spread away. Both have Gaussian toys in
`biased-corrector`; here the model is a neural network that knows no Gaussian.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
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
from selfcorrect.statistics import mean_interval

from ..models.flow import Flow
from ..result import Check, Line, Panel, Result, above, below, ends_of
from ..running import Comparison, Curves, run_seeds

SHOWN = {
    "error": "distance of the mean to the truth",
    "to_belief": "distance of the mean to the belief",
    "spread": "standard deviation (truth 1)",
}


@dataclass(frozen=True)
class ImperfectVerifier:
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
    seed: int = 0


def quick() -> ImperfectVerifier:
    return ImperfectVerifier(generations=3, steps=120, seeds=3)


def run(settings: ImperfectVerifier | None = None) -> Result:
    """All arms."""
    settings = settings or ImperfectVerifier()
    seeds = range(settings.seed, settings.seed + settings.seeds)
    curves = run_seeds(lambda stream: _compare(settings, stream), seeds)
    generations = np.arange(settings.generations + 1)
    return Result(
        reading=_reading(curves),
        ends=ends_of(
            curves,
            {
                "distance to the truth": ("error", ".2f"),
                "distance to the belief": ("to_belief", ".2f"),
                "deviation": ("spread", ".2f"),
            },
        ),
        checks=_checks(curves),
        figures=[
            Panel(title, "generation", title, generations, [Line(arm, table[key]) for arm, table in curves.items()])
            for key, title in SHOWN.items()
        ],
        notes=(
            "The model is a flow-matching network through `sc.TorchModel`.",
            "Selection at random keeps as many samples as top-α selection.",
        ),
    )


def network_model(width: int) -> TorchModel:
    """The flow of `models/flow.py` as a user would bring it: a module, its loss, its sampler."""
    flow = Flow(width=width, depth=2, sampling_steps=10)

    def draw(network: nn.Module, labels: Tensor, generator: torch.Generator) -> Tensor:
        values = torch.randn((len(labels), flow.dimension), generator=generator)
        return flow.carried(network, values)

    return TorchModel(module=flow.build, objective=flow.loss, sampler=draw, learning_rate=3e-3)


def _compare(settings: ImperfectVerifier, stream: Stream) -> Comparison:
    real = Samples.real(torch.randn((settings.real_count, 2), generator=stream.child("real").torch()))
    belief = torch.tensor([settings.bias, 0.0])

    def scores(candidate: Candidate) -> dict[str, float]:
        values = candidate.samples(settings.judged).values
        mean = values.mean(0)
        return {
            "error": float(mean.norm()),
            "to_belief": float((mean - belief).norm()),
            "spread": float(values.var(0).mean().sqrt()),
        }

    task = Task(network_model(settings.width), real, scores, settings.first_steps)
    synthetic = Replace(settings.synthetic_per_real)
    plan = Plan(synthetic, settings.generations, steps=settings.steps)
    slice_of_real = real.values[real.values[:, 0] > real.values[:, 0].median()]
    rules = {"top-α, partial reference": nearest_to(slice_of_real), "selection at random": at_random}
    return task, {
        "real only": replace(plan, policy=RealOnly()),
        "synthetic": plan,
        "right verifier": replace(plan, correction=Correction(_near(torch.zeros(2), settings.radius))),
        "wrong verifier": replace(plan, correction=Correction(_near(belief, settings.radius))),
        **{name: replace(plan, bias=selected(settings.draws, rule)) for name, rule in rules.items()},
    }


def _near(belief: Tensor, radius: float) -> Corrector:
    """Keeps what is within `radius` of the belief."""

    def near(samples: Samples) -> Tensor:
        return (samples.values - belief).norm(dim=1) <= radius

    return verifier(near)


def _checks(curves: Curves) -> list[Check]:
    last: Callable[[str, str], np.ndarray] = lambda arm, key: curves[arm][key][:, -1]  # noqa: E731
    wrong, partial_view = "wrong verifier", "top-α, partial reference"
    return [
        below(
            "wrong verifier: the loop ends nearer to the belief than to the truth",
            mean_interval(last(wrong, "to_belief") - last(wrong, "error")),
        ),
        below(
            "wrong verifier: it comes nearer to the belief",
            mean_interval(last(wrong, "to_belief") - curves[wrong]["to_belief"][:, 0]),
        ),
        above(
            "wrong verifier: it ends farther from the truth than it began",
            mean_interval(last(wrong, "error") - curves[wrong]["error"][:, 0]),
        ),
        below(
            "right verifier: it ends nearer to the truth than without",
            mean_interval(last("right verifier", "error") - last("synthetic", "error")),
        ),
        below(
            "top-α selection takes more spread away than no selection",
            mean_interval(last(partial_view, "spread") - last("synthetic", "spread")),
        ),
        below(
            "top-α selection takes more spread away than selection at random",
            mean_interval(last(partial_view, "spread") - last("selection at random", "spread")),
        ),
        below(
            "top-α selection: less than half of the spread is left", mean_interval(last(partial_view, "spread")), 0.5
        ),
        above(
            "selection at random ends no narrower than no selection",
            mean_interval(last("selection at random", "spread") - last("synthetic", "spread")),
            -0.1,
            published=False,
        ),
    ]


def _reading(curves: Curves) -> str:
    right, wrong = (curves[arm]["error"][:, -1].mean() for arm in ("right verifier", "wrong verifier"))
    return f"The model's mean ends {right:.2f} off the truth with the right verifier, {wrong:.2f} with the wrong one."
