"""Tests whether artefacts of corrected loops are diluted: `python docs/tools/dilution.py runs/dilution`.

The form is that of `selfcorrect.analysis.theory.diluted_level`. docs/results/dilution.md states the test; both were
written before the run. `found_table` shows how far the form is from the kept runs by ratio, on which it was found.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from evidence import between, judged
from tables import table_lines

from selfcorrect.analysis.theory import corrected_ratio, diluted_level
from selfcorrect.experiments.reporting.results import ArmCurves
from selfcorrect.experiments.reporting.summary import Summary, read_summary
from selfcorrect.experiments.studies.arms import Arm
from selfcorrect.statistics import Interval, compare_paired, holm, mean_interval

PRIMARY = "penetration_mm"
RATIOS, STRENGTHS = (0.5, 1.0, 2.0, 4.0), (0.25, 1.0, 4.0, math.inf)
CORRECTORS = {"physics": "physics", "kinematic": "kinematic clean-up"}
NETWORKS = {"dct-mlp": "DCT MLP", "patch-mixer": "patch mixer"}
EXACT, CLOSE = 0.05, 0.10
"""Level of the test, and the root mean square error, as a share of |r − c|, up to which the form counts as close."""
FOUND_ON = (("ratios-smooth", "dct-mlp"), ("ratios-jittery", "patch-mixer"))
"""Runs on which the form was found."""


@dataclass(frozen=True)
class Fit:
    """How far one corrector of one network is from the form, over all pairs of λ and γ."""

    residuals: np.ndarray
    """(S, cells), measured minus predicted."""
    span: float
    """|r − c|, mean over seeds."""
    rivals: Mapping[str, np.ndarray]
    """Words → root mean square residual by seed (S,) of another form."""

    @property
    def error(self) -> float:
        """Root mean square over cells of the mean residual, as a share of the span."""
        return float(np.sqrt((self.residuals.mean(axis=0) ** 2).mean()) / self.span)

    @property
    def by_seed(self) -> np.ndarray:
        """(S,) root mean square residuals."""
        return _root_mean_square(self.residuals)

    @property
    def largest(self) -> Interval:
        """The residual of the cell with the largest mean."""
        worst = int(np.abs(self.residuals.mean(axis=0)).argmax())
        return mean_interval(self.residuals[:, worst])

    @property
    def joint_p(self) -> float:
        """P-value of all cells at once: the largest |t| against its distribution over all flips of the seeds' signs."""
        seeds = len(self.residuals)
        flips = np.array(list(product((1.0, -1.0), repeat=seeds)))
        largest = np.array([_largest_t(self.residuals * flip[:, None]) for flip in flips])
        return float((largest >= largest[0] * (1 - 1e-9)).mean())


def fit(
    arms: Mapping[str, ArmCurves], corrector: str, ratios: Sequence[float], strengths: Sequence[float], key: str
) -> Fit:
    """The form against the arms of one network. Its constants come from two arms that are not judged."""
    real_only, corrected_only = judged(arms["real+none"], key), judged(arms[f"replace+{corrector}"], key)
    cells = list(product(ratios, strengths))
    measured = [judged(arms[Arm(f"augment:{ratio:g}", corrector, strength).name], key) for ratio, strength in cells]
    values = np.stack(measured, axis=1)

    def away(level: np.ndarray) -> np.ndarray:
        return values - level

    law = np.stack([diluted_level(real_only, corrected_only, *cell) for cell in cells], axis=1)
    shares = np.array([corrected_ratio(ratio, strength) / (1 + ratio) for ratio, strength in cells])
    once = real_only[:, None] + shares * (corrected_only - real_only)[:, None]
    rivals = {"one pass": once, "no effect": real_only[:, None], "full effect": corrected_only[:, None]}
    span = abs(float((real_only - corrected_only).mean()))
    return Fit(away(law), span, {words: _root_mean_square(away(level)) for words, level in rivals.items()})


def verdict(adjusted_p: float, error: float) -> str:
    """What the test says of one corrector of one network."""
    if error <= CLOSE:
        return "holds" if adjusted_p > EXACT else "holds approximately"
    return "refuted" if adjusted_p <= EXACT else "undecided"


def found_table(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Lines of a table: the form on the runs by ratio, where all synthetic samples are corrected."""
    heads = ["", "r, mm", "c, mm", "RMS error, share of r − c", "largest residual, mm", "RMS error of no effect"]
    rows = []
    for (name, network), (corrector, words) in product(FOUND_ON, CORRECTORS.items()):
        arms = {curves.name: curves for curves in summaries[name].arms[network]}
        one = fit(arms, corrector, (0.25, 0.5, 0.75, 1.0, 2.0, 4.0), (math.inf,), PRIMARY)
        ends = [f"{judged(arms[arm], PRIMARY).mean():.1f}" for arm in ("real+none", f"replace+{corrector}")]
        none = f"{one.rivals['no effect'].mean() / one.span:.2f}"
        rows.append([f"{NETWORKS[network]}, {words}", *ends, f"{one.error:.2f}", between(one.largest, 1), none])
    yield from table_lines(heads, rows)


def outcome(summary: Summary) -> Iterator[str]:
    """Lines of the tables of the test: the form for each network and corrector, then the hypothesis on coverage."""
    fits = {
        f"{NETWORKS[network]}, {words}": fit({each.name: each for each in arms}, corrector, RATIOS, STRENGTHS, PRIMARY)
        for (network, arms), (corrector, words) in product(summary.arms.items(), CORRECTORS.items())
    }
    adjusted = holm({name: one.joint_p for name, one in fits.items()})
    heads = ["", "RMS error", "joint p, Holm", "verdict", "largest residual, mm", "one pass − form, mm"]
    rows = [
        [
            name,
            f"{one.error:.2f}",
            f"{adjusted[name]:.3f}",
            verdict(adjusted[name], one.error),
            between(one.largest, 1),
            between(mean_interval(one.rivals["one pass"] - one.by_seed), 2),
        ]
        for name, one in fits.items()
    ]
    yield from table_lines(heads, rows)
    yield ""
    kept = {NETWORKS[network]: _coverage({each.name: each for each in arms}) for network, arms in summary.arms.items()}
    zeros = {name: compare_paired(values, np.zeros_like(values)) for name, values in kept.items()}
    adjusted = holm({name: one.p_value for name, one in zeros.items()})
    rows = [[name, between(one.difference, 3), f"{adjusted[name]:.3f}"] for name, one in zeros.items()]
    yield from table_lines(["", "coverage, physics − uncorrected, mean over λ", "p, Holm"], rows)


def _coverage(arms: Mapping[str, ArmCurves]) -> np.ndarray:
    """(S,) what physics at full strength changes, mean over the ratios."""
    pairs = [[Arm(f"augment:{ratio:g}", corrector).name for corrector in ("physics", "none")] for ratio in RATIOS]
    return np.mean([judged(arms[one], "coverage") - judged(arms[other], "coverage") for one, other in pairs], axis=0)


def _root_mean_square(residuals: np.ndarray) -> np.ndarray:
    return np.sqrt((residuals**2).mean(axis=1))


def _largest_t(residuals: np.ndarray) -> float:
    spread = residuals.std(axis=0, ddof=1) / math.sqrt(len(residuals))
    return float(np.abs(residuals.mean(axis=0) / spread).max())


def main(run: Annotated[Path, tyro.conf.Positional]) -> None:
    """Print the outcome of the test on a finished run."""
    print("\n".join(outcome(read_summary(run / "summary.json" if run.is_dir() else run))))


if __name__ == "__main__":
    tyro.cli(main)
