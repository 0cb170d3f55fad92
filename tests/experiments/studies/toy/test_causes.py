"""Statements fail where their cause is taken out of the loop."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import LOOPS, outcomes, run_toy
from toy_models.gaussian_tasks import per_seed

from selfcorrect.core.randomness import streams
from selfcorrect.experiments.studies.toy.files import load_toy_module
from selfcorrect.experiments.studies.toy.study import load_settings
from selfcorrect.loop.bias import best_of, sample_plainly
from selfcorrect.loop.correctors.contract import verifier
from selfcorrect.loop.policy import Augment, Fresh, RealOnly, Replace

pytestmark = [pytest.mark.long, pytest.mark.nightly]

Detector = load_toy_module(LOOPS["provenance"]).Detector


def sample_without_bias(*_: object, **__: object) -> Any:
    """Sampling without any bias."""
    return sample_plainly


def mean_of(k: int, *raters: Any, **settings: Any) -> Any:
    """One rater with the mean of all opinions."""

    def mean(values: torch.Tensor) -> torch.Tensor:
        return torch.stack([rater(values) for rater in raters]).mean(0)

    return best_of(k, mean, **settings)


def repeat_real_data(source: Any, size: int, share: float) -> Fresh:
    """The same real data again and again."""
    return Fresh(lambda generation, count, stream: source(0, count, streams(0)), size, share)


def everything(*_: object) -> Any:
    """A verifier that accepts all."""
    return verifier(lambda samples: torch.full((len(samples),), True))


@dataclass(frozen=True)
class Cause:
    """What replaces a name in a toy's module, or in one that it uses, and what then fails."""

    toy: str
    name: str
    instead: Any
    statements: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)


pull_to_level = load_toy_module(LOOPS["dilution"]).pull_to_level

CAUSES = [
    Cause("gaussian-correct", "draw_truth", lambda samples: samples,
          ("settled distance at γ = 2 is the predicted one", "strong correction ends better than generation 0"),
          {"generations": 30}),
    Cause("gaussian-collapse", "sc.Replace", lambda: Augment(1.0),
          ("replace: log volume at the end",), {"seeds": 20, "sizes": (20,)}),
    Cause("stability", "per_seed", lambda draw, strength: per_seed(draw, 0.5 * strength),
          ("sampler with spread 1: contraction is spread · λ / ((1 + λ)(1 + γ))",),
          {"ratios": (0.5, 3.0), "seeds": 80}),
    Cause("counting", "sc.Replace", lambda: Augment(1.0),
          ("maximum likelihood, n = 100: mean share of the variance at generation 69",
           "maximum likelihood, n = 100: half-life of the median seed"),
          {"generations": 24, "seeds": 50}),
    Cause("linear", "sc.Accumulate", Replace,
          ("accumulate: error at generation 12", "accumulate: the error stays below π²/6 of generation 0's")),
    Cause("dilution", "pull_to_level", lambda survivors: pull_to_level(0.6),
          ("λ = 2, γ = 1: level", "λ = 0.5, γ = ∞: level")),
    Cause("weighting", "sc.Fresh", repeat_real_data,
          ("Gaussian mean: the golden weight beats weight 0.9",), {"seeds": 80}),
    Cause("biased-corrector", "accept_near_belief", everything,
          ("belief off by 0.4: the weights settle at the belief, not at the truth", "belief off by 0.05: early gain"),
          {"seeds": 8, "generations": 4}),
    Cause("biased-corrector", "accept_frequent_words", everything,
          ("a blind verifier loses more words than no selection",), {"seeds": 6, "generations": 4}),
    Cause("curation", "sc.best_of", sample_without_bias,
          ("curated: mean reward rises", "curated: mean reward at generation 8")),
    Cause("pluralistic", "sc.best_of", mean_of,
          ("several raters: share of the minority's favourite", "several raters keep more variety than their mean"),
          {"seeds": 5}),
    Cause("cross-curation", "sc.best_of", sample_without_bias,
          ("without exchange, curation raises the own raters' reward",
           "with 20% own samples, curation lowers the own raters' reward")),
    Cause("mad", "sc.Fresh", lambda *_: Replace(), ("fresh data hold diversity under cherry-picking",)),
    Cause("provenance", "Detector", lambda policy, rate, _: Detector(policy, min(rate, 0.9), min(rate, 0.9)),
          ("detector that finds 95%: settled variance", "true positive rate needed for a variance of 0.8")),
    Cause("crossfeed", "Exchange", lambda policy: policy,
          ("exchange slows the collapse down", "crossfed: variance at generation 15")),
    Cause("performative", "React", lambda policy, reaction: policy,
          ("ε = 0.5: mean at generation 12", "ε = 1.2: mean at generation 12")),
    Cause("reflow", "sc.Replace", RealOnly,
          ("one reflow straightens the paths", "repeated reflow moves away from the data"), {"generations": 3}),
    Cause("mixture", "sc.Replace", RealOnly,
          ("replace: the tails go", "replace: the held-out loss grows", "augment keeps more of the tails"),
          {"generations": 3, "seeds": 6}),
    Cause("fairness", "Reparation", lambda policy: policy,
          ("reparation raises minority accuracy by more than 10 points", "reparation restores the minority's share"),
          {"seeds": 6}),
    Cause("lineages", "lineage_matched", sample_without_bias,
          ("matching keeps lines", "uneven, matched: lines that survive 12 generations",
           "a biased learner loses more than by drift", "lines of a biased learner walk in one direction"),
          {"seeds": 5, "pull": 0.0, "preference": 0.0, "bandwidths": (0.05,)}),
    Cause("language", "sc.Replace", RealOnly,
          ("words: none kept: more than 0.1 nats of entropy are lost in the second half",
           "words: none kept: words in use at generation 40", "words: none kept: Σ p² at generation 40"),
          {"windows": 40, "held_out_windows": 20, "window": 16, "initial_steps": 20, "steps": 5, "generations": 1,
           "seeds": 2, "word_seeds": 40}),
]  # fmt: skip


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: f"{cause.toy} {cause.name}")
def test_statement_needs_its_cause(cause: Cause, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = LOOPS[cause.toy]
    owner: Any = load_toy_module(reference)
    *beside, name = cause.name.split(".")
    for part in beside:
        owner = getattr(owner, part)
    monkeypatch.setattr(owner, name, cause.instead)
    settings = replace(load_settings(reference, quick=True), **cause.settings)
    verdicts = outcomes(run_toy(cause.toy, settings, tmp_path).result)
    assert {verdicts[statement] for statement in cause.statements} <= {"fails", "undecided"}
