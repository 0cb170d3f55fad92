"""Compare published claims about loops with a corrector with the runs and the long loops in docs/results.

A claim names an arm and the arm that it is compared with, paired by seed, mostly the arm that trains on real data only
with as many steps. The claim is *reproduced* if the 95 % interval lies on the claimed side (of zero, or of a margin if
something is to stay as it was), *not reproduced* if the interval lies on the other side, and open if on both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np
from evidence import arms_by_name, average_late, format_interval
from physics_page import Scores
from tables import SUMMARIES, make_table

from selfcorrect.experiments.studies.arm_curves import ArmCurves
from selfcorrect.experiments.studies.summary import Summary, join_summaries, read_summary
from selfcorrect.motion.measures.metrics import find_metric
from selfcorrect.statistics import mean_interval

MARGIN = 0.1
"""Largest change of a value that "stays", as a share of its reference."""


@dataclass(frozen=True)
class Claim:
    """A published claim as a difference of runs."""

    source: str
    words: str
    where: str
    """Model and data of the run, in words."""
    summary: str
    denoiser: str
    arm: str
    """Its name in the summary."""
    metric: str
    way: Literal["falls", "rises", "stays"]
    than: str
    """The name of another arm."""
    generation: int | None = None
    """The later half by default."""


TITLES = {"dct-mixer": "DCT mixer", "temporal-conv": "temporal convolutions"}
"""Denoiser of the registered experiment → words."""

_SMALL = ("small DCT MLP", "ratios-quick-pybullet", "small-dct-mlp")
_TEN = ("small DCT MLP, ten generations", "split-ten", "small-dct-mlp")
_LONG = ("small DCT MLP, ten generations", "physics", "small-dct-mlp")
_HELD_OUT = ("small DCT MLP, held-out subjects", "split-cmu", "small-dct-mlp")
_JITTERY = ("patch mixer", "own-corrector", "patch-mixer")
_MIXER = ("DCT mixer, held-out subjects, ancestral steps", "recipe-1", "dct-mixer")
_MIXER_ALONE = ("DCT mixer, held-out subjects, ancestral steps", "recipe-2", "dct-mixer")
_CONVOLUTIONS = ("temporal convolutions, held-out subjects, ancestral steps", "recipe-5", "temporal-conv")
"""Model and motions in words, the summary, the denoiser."""
_STAGES = (1, 2, 5)
"""Stages of the registered experiment, in which both splits of the subjects are judged together."""
_MIXED = (_SMALL, _MIXER, _CONVOLUTIONS)
_REPLACED = (_TEN, _HELD_OUT, _JITTERY, _MIXER_ALONE)
_CORRECTED = (_SMALL, _JITTERY, _MIXER_ALONE)
_ROUNDED = (_SMALL, _JITTERY)

_REAL_ONLY = "real+none"
"""The arm of each run that trains on real data only, with the same steps."""

_REAL_DATA_KEEP = "enough real data keep diversity"
_DIVERSITY_IS_LOST = "diversity is lost if all data are replaced"
_DRIFTS = "uncorrected, the loop drifts"
_STAYS = "corrected, it stays near training on real data only"
_BETTER = "corrected, it is better than uncorrected"
_ROUNDS = "three rounds of generating, correcting and training improve it"
_GILLMAN = "Gillman et al. 2024"
_MORPH = "Li et al. 2025 (Morph)"

CLAIMS = (
    *(
        Claim(source, words, f"{model}, {where}", summary, denoiser, arm, metric, way, than, generation)  # type: ignore[arg-type]
        for source, words, where, arm, metric, way, than, generation, runs in (
            ("Shumailov et al. 2024", _DIVERSITY_IS_LOST, "fully synthetic",
             "replace+none", "coverage", "falls", _REAL_ONLY, None, _REPLACED),
            ("Bertrand et al. 2024", _REAL_DATA_KEEP, "λ = 1",
             "augment-1+none", "coverage", "stays", _REAL_ONLY, None, _MIXED),
            (_GILLMAN, _DRIFTS, "λ = 1",
             "augment-1+none", "fid_kinematic", "rises", _REAL_ONLY, None, _MIXED),
            (_GILLMAN, _STAYS, "λ = 1",
             "augment-1+physics", "fid_kinematic", "stays", _REAL_ONLY, None, _MIXED),
            (_GILLMAN, _BETTER, "λ = 1",
             "augment-1+physics", "fid_kinematic", "falls", "augment-1+none", None, _MIXED),
            (_GILLMAN, _BETTER, "fully synthetic",
             "replace+physics", "fid_kinematic", "falls", "replace+none", None, _CORRECTED),
            (_MORPH, _ROUNDS, "fully synthetic, generation 3",
             "replace+physics", "fid_kinematic", "falls", _REAL_ONLY, 3, _ROUNDED),
            (_MORPH, "not in the paper: diversity stays", "fully synthetic, generation 3",
             "replace+physics", "coverage", "stays", _REAL_ONLY, 3, _ROUNDED),
            (_MORPH, "floor penetration falls", "fully synthetic, generation 3",
             "replace+physics", "penetration_mm", "falls", _REAL_ONLY, 3, _ROUNDED),
            ("Cai et al. 2025 (LSF)", "with only correction, diversity is lost, too", "fully synthetic",
             "replace+physics", "coverage", "falls", _REAL_ONLY, None, _CORRECTED),
        )
        for model, summary, denoiser in runs
    ),
    *(
        Claim(_GILLMAN, words, f"{_LONG[0]}, {where}", *_LONG[1:], arm, metric, way, than, 10)  # type: ignore[arg-type]
        for words, where, arm, way, than in (
            (_DRIFTS, "λ = 1", "augment-1+none", "rises", _REAL_ONLY),
            (_STAYS, "λ = 1", "augment-1+physics", "stays", _REAL_ONLY),
            (_BETTER, "λ = 1", "augment-1+physics", "falls", "augment-1+none"),
            (_BETTER, "fully synthetic", "replace+physics", "falls", "replace+none"),
        )
        for metric in ("fid_kinematic", "fid_ground")
    ),
)  # fmt: skip


def claims_table(claims: Sequence[Claim], summaries: Mapping[str, Summary]) -> str:
    """Return the claims as table rows; words that repeat from row to row stand once."""
    rows = []
    summaries = {**summaries, **{f"recipe-{number}": join_stage(number) for number in _STAGES}, _LONG[1]: read_long()}
    groups: dict[tuple[str, str], list[Claim]] = {}
    for claim in claims:
        groups.setdefault((claim.source, claim.words), []).append(claim)
    for words, group in groups.items():
        for row, claim in enumerate(group):
            measured, verdict = judge_claim(claim, summaries[claim.summary])
            rows.append([*(("", "") if row else words), claim.where, measured, verdict])
    return make_table(["Source", "Claim", "Where", "Measured", ""], rows)


@cache
def join_stage(number: int) -> Summary:
    """Join all seeds of a registered stage, of both splits, in one summary."""
    seeds = [read_summary(path) for path in sorted(SUMMARIES.glob(f"recipe/stage-{number}-seed-*.json"))]
    pooled = {"data": [], "reference": []}
    return join_summaries([replace(seed, settings={**seed.settings, **pooled}) for seed in seeds])


@cache
def read_long() -> Summary:
    """Return the long loops of physics.csv at λ = 1 and fully synthetic, for the seeds that both have."""
    scores = Scores()
    seeds = scores.seeds("ratios")
    blocks = {"real": "ratios", "augment:1 none": "ratios", "augment:1 physics": "ratios", "replace none": "main",
              "replace physics": "main"}  # fmt: skip
    arms = []
    for arm, block in blocks.items():
        name = _REAL_ONLY if arm == "real" else arm.replace(":", "-").replace(" ", "+")
        values = {
            key: np.stack([scores.values(block, arm, key, str(number), seeds) for number in range(11)], axis=1)
            for key in ("fid_kinematic", "fid_ground")
        }
        arms.append(ArmCurves(name, "", name, values))
    return Summary("", {}, {}, {_LONG[2]: tuple(arms)}, {})


def judge_claim(claim: Claim, summary: Summary) -> tuple[str, str]:
    """Return the measured values in words, and the verdict."""
    arms = arms_by_name(summary, claim.denoiser)
    values = _select_values(arms[claim.arm], claim)
    before = _select_values(arms[claim.than], claim)
    change = mean_interval(values - before)
    metric = find_metric(claim.metric)
    bound = MARGIN * float(before.mean())
    not_worse = (-bound, np.inf) if metric.better == "higher" else (-np.inf, bound)
    low, high = {"falls": (-np.inf, 0.0), "rises": (0.0, np.inf), "stays": not_worse}[claim.way]
    holds = change.is_within(low, high)
    fails = change.is_below(low) or change.is_above(high)
    verdict = "reproduced" if holds else "**not reproduced**" if fails else "open"
    numbers = f"{before.mean():.{metric.digits}f} → {values.mean():.{metric.digits}f}"
    return f"{metric.title} {numbers} ({format_interval(change, metric.digits)})", verdict


def _select_values(curves: ArmCurves, claim: Claim) -> np.ndarray:
    """Return the values (S,) of the claim's generation."""
    if claim.generation is None:
        return average_late(curves, claim.metric)
    return curves.values[claim.metric][:, claim.generation]
