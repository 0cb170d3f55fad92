"""Judge whether artefacts of corrected loops are diluted: `python docs/tools/dilution.py runs/dilution`.

The form is that of `selfcorrect.analysis.theory.diluted_level`. docs/results/ratios.md states both tests, that of the
form and that of coverage; they were written before the runs. The page has the tables, and the figure, of kept runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import matplotlib as mpl
import numpy as np
import tyro
from evidence import REAL, arms_by_name, average_late, format_interval, real_values
from matplotlib.figure import Figure
from shares import average_differences
from tables import table_lines

from selfcorrect.analysis.theory import corrected_ratio, diluted_level
from selfcorrect.experiments.studies.arms import ArmSettings
from selfcorrect.experiments.studies.figures import COLOURS, GREY, INK, STYLE, as_svg
from selfcorrect.experiments.studies.results import ArmCurves
from selfcorrect.experiments.studies.summary import Summary, read_summary
from selfcorrect.statistics import Interval, compare_paired, holm, mean_interval

PRIMARY = "penetration_mm"
RATIOS = (0.5, 1.0, 2.0, 4.0)
STRENGTHS = (0.25, 1.0, 4.0, math.inf)
CORRECTORS = {"physics": "physics", "kinematic": "kinematic clean-up"}
NETWORKS = {"dct-mlp": "DCT MLP", "patch-mixer": "patch mixer"}
RIVALS = ("one pass", "no effect", "full effect")
EXACT = 0.05
"""Level of the test."""
POWER = 0.8
"""Share of simulated experiments in which the test must find a deviation."""
CLOSE = 0.10
"""Root mean square error, as a share of |r − c|, up to which the form counts as close."""
KEPT = "dilution"
KEPT_OF_COVERAGE = ("coverage-smooth", "coverage-jittery")
"""Names of the kept runs: of the form, and of coverage at the size where its gain was seen."""


@dataclass(frozen=True)
class Fit:
    """The form against the arms of one corrector of one network, over all pairs of λ and γ."""

    measured: np.ndarray
    """(S, cells) levels."""
    residuals: np.ndarray
    """(S, cells), measured minus predicted."""
    ends: tuple[np.ndarray, np.ndarray]
    """r and c (S,), the levels after training on real data only and of the fully synthetic loop."""
    rivals: Mapping[str, np.ndarray]
    """Words → root mean square residual by seed (S,) of another form."""

    @property
    def span(self) -> float:
        """|r − c|, mean over seeds."""
        return abs(float((self.ends[0] - self.ends[1]).mean()))

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
        means = flips @ self.residuals / seeds
        spreads = np.sqrt(((self.residuals**2).sum(axis=0) - seeds * means**2) / (seeds - 1) / seeds)
        largest = np.abs(means / spreads).max(axis=1)
        return float((largest >= largest[0] * (1 - 1e-9)).mean())


def fit(
    arms: Mapping[str, ArmCurves], corrector: str, ratios: Sequence[float], strengths: Sequence[float], key: str
) -> Fit:
    """Compare the form with the arms of one network. Its constants come from two arms that are not judged.

    Args:
        arms: Name of each arm → its curves.
        corrector: Corrector of the arms that are judged.
        ratios: Synthetic samples per real one, λ.
        strengths: Strengths γ of the corrector.
        key: Metric.
    """
    real_only = average_late(arms["real+none"], key)
    corrected_only = average_late(arms[f"replace+{corrector}"], key)
    cells = list(product(ratios, strengths))
    measured = [
        average_late(arms[ArmSettings(f"augment:{ratio:g}", corrector, strength).name], key)
        for ratio, strength in cells
    ]
    values = np.stack(measured, axis=1)

    law = np.stack([diluted_level(real_only, corrected_only, *cell) for cell in cells], axis=1)
    shares = np.array([corrected_ratio(ratio, strength) / (1 + ratio) for ratio, strength in cells])
    once = real_only[:, None] + shares * (corrected_only - real_only)[:, None]
    rivals = (once, real_only[:, None], corrected_only[:, None])
    errors = {words: _root_mean_square(values - level) for words, level in zip(RIVALS, rivals, strict=True)}
    return Fit(measured=values, residuals=values - law, ends=(real_only, corrected_only), rivals=errors)


def verdict(adjusted_p: float, error: float) -> str:
    """Return the verdict on one corrector of one network."""
    if error <= CLOSE:
        return "not refuted" if adjusted_p > EXACT else "close, but refuted"
    return "refuted" if adjusted_p <= EXACT else "undecided"


def detectable_share(fit: Fit, *, tests: int, draws: int = 200) -> float:
    """Estimate the smallest deviation from the form, common to all cells, that the joint test finds.

    Seeds are drawn from a Gaussian with the covariance of the residuals.

    Args:
        fit: The form against the arms of one corrector of one network.
        tests: Number of tests over which Holm's method adjusts the level.
        draws: Number of simulated experiments for each deviation.

    Returns:
        The deviation as a share of |r − c|, in steps of 0.01.
    """
    rng = np.random.default_rng(0)
    seeds, cells = fit.residuals.shape
    covariance = np.cov(fit.residuals.T)
    factor = np.linalg.cholesky(covariance + 1e-6 * np.trace(covariance) / cells * np.eye(cells))
    noise = rng.normal(size=(draws, seeds, cells)) @ factor.T
    for percent in range(1, 100):
        deviation = percent / 100 * fit.span
        is_found = [replace(fit, residuals=sample + deviation).joint_p <= EXACT / tests for sample in noise]
        if np.mean(is_found) >= POWER:
            return percent / 100
    return math.inf


def fit_all(summary: Summary) -> dict[tuple[str, str], Fit]:
    """Return network and corrector → the form against their arms."""
    fits = {}
    for network, corrector in product(NETWORKS, CORRECTORS):
        arms = arms_by_name(summary, network)
        fits[network, corrector] = fit(arms, corrector, RATIOS, STRENGTHS, PRIMARY)
    return fits


def form_table(summary: Summary) -> Iterator[str]:
    """Yield lines of a table: the verdict on the form for each network and corrector."""
    fits = {}
    for (network, corrector), cell in fit_all(summary).items():
        fits[f"{NETWORKS[network]}, {CORRECTORS[corrector]}"] = cell
    adjusted = holm({name: cell.joint_p for name, cell in fits.items()})
    heads = ["", "r, mm", "c, mm", "error / (r − c)", "joint p, Holm", "verdict", "largest residual, mm"]
    heads += [f"{rival} − formula, mm" for rival in RIVALS]
    rows = []
    for name, cell in fits.items():
        row = [name, *(f"{end.mean():.1f}" for end in cell.ends), f"{cell.error:.2f}", f"{adjusted[name]:.3f}"]
        row += [verdict(adjusted[name], cell.error), format_interval(cell.largest, 1)]
        for rival in RIVALS:
            excess = mean_interval(cell.rivals[rival] - cell.by_seed)
            row.append(format_interval(excess, 1))
        rows.append(row)
    yield from table_lines(heads, rows)


def coverage_table(tests: Sequence[Summary]) -> Iterator[str]:
    """Yield lines of a table: the tests of physics and coverage, and beside them clean-up without physics."""
    heads = ["coverage, mean over λ", "seeds", "real", "physics − uncorrected", "p, Holm", "hypothesis"]
    rows = [
        [f"{name}, {summary.settings['real_count']} windows", *row]
        for summary in tests
        for name, row in _coverage_rows(summary)
    ]
    yield from table_lines([*heads, "clean-up − uncorrected"], rows)


def coverage_tests(summaries: Mapping[str, Summary]) -> list[Summary]:
    """Return the runs that judge coverage, the smaller loops first; each network of the larger ones is a run."""
    smooth = summaries[KEPT_OF_COVERAGE[0]]
    jittery = summaries[KEPT_OF_COVERAGE[1]]
    return [summaries[KEPT], replace(smooth, arms={**smooth.arms, **jittery.arms})]


def dilution_figure(summary: Summary) -> str:
    """Return SVG text: the level by the share λ′ / (1 + λ′), in which the form is a straight line from r to c."""
    shares = np.array([_share(*cell) for cell in product(RATIOS, STRENGTHS)])
    gammas = np.array([gamma for _, gamma in product(RATIOS, STRENGTHS)])
    fits = fit_all(summary)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10.8, 6.2), layout="constrained")
        panels = figure.subplots(len(CORRECTORS), len(NETWORKS), squeeze=False, sharex=True, sharey="row")
        for (row, corrector), (column, network) in product(enumerate(CORRECTORS), enumerate(NETWORKS)):
            panel = panels[row, column]
            cell = fits[network, corrector]
            ends = [mean_interval(end) for end in cell.ends]
            panel.plot((0, 1), [end.estimate for end in ends], color=GREY, linestyle="--", label="formula")
            _draw(panel, np.array([0.0, 1.0]), ends, color=GREY, marker="x", label="r and c, not judged")
            for gamma, marker in zip(STRENGTHS, "osD^", strict=True):
                is_chosen = gammas == gamma
                words = f"γ = {gamma:g}".replace("inf", "∞")
                levels = [mean_interval(level) for level in cell.measured[:, is_chosen].T]
                _draw(panel, shares[is_chosen], levels, color=COLOURS[corrector], marker=marker, label=words)
            if (real := real_values(summary, PRIMARY)) is not None:
                panel.axhline(real.mean(), color=INK, linestyle=":", linewidth=1, label=REAL)
            panel.set_title(f"{NETWORKS[network]}, {CORRECTORS[corrector]}")
            panel.set(ylabel="" if column else "floor penetration, mm", xlim=(-0.03, 1.03))
            if row == len(CORRECTORS) - 1:
                panel.set_xlabel("λ′ / (1 + λ′)")
        for panel in panels[:, 0]:
            panel.set_ylim(bottom=0)  # once all is drawn: it fixes the top of the row, too
        figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper left", ncols=7, frameon=False)
        return as_svg(figure)


def _format_real(summary: Summary, key: str, digits: int) -> str:
    values = real_values(summary, key)
    return "—" if values is None else f"{values.mean():.{digits}f}"


def _draw(panel: Any, shares: np.ndarray, levels: Sequence[Interval], **look: str) -> None:
    means = np.array([level.estimate for level in levels])
    ends = np.abs([[level.low for level in levels], [level.high for level in levels]] - means)
    panel.errorbar(shares, means, ends, linestyle="none", markersize=4.5, elinewidth=0.9, alpha=0.85, **look)


def _share(ratio: float, strength: float) -> float:
    corrected = float(corrected_ratio(ratio, strength))
    return corrected / (1 + corrected)


def _coverage_rows(summary: Summary) -> Iterator[tuple[str, list[str]]]:
    """Yield each network's name and its cells of the table."""
    arms = {network: arms_by_name(summary, network) for network in NETWORKS}
    gains = {network: _coverage_gain(network_arms, "physics") for network, network_arms in arms.items()}
    tests = {network: compare_paired(gain, np.zeros_like(gain)) for network, gain in gains.items()}
    adjusted = holm({network: test.p_value for network, test in tests.items()})
    for network, test in tests.items():
        is_confirmed = test.difference.estimate > 0 and adjusted[network] <= EXACT
        control = _coverage_gain(arms[network], "kinematic")
        cells = [
            str(len(gains[network])),
            _format_real(summary, "coverage", 2),
            format_interval(test.difference, 3),
            f"{adjusted[network]:.3f}",
            "confirmed" if is_confirmed else "not confirmed",
            format_interval(mean_interval(control), 3) if len(control) else "not run",
        ]
        yield NETWORKS[network], cells


def _coverage_gain(arms: Mapping[str, ArmCurves], corrector: str) -> np.ndarray:
    """Return the coverage (S,) that a full corrector adds, mean over the partial ratios; (0,) if it did not run."""
    plain = [name for name in arms if name.startswith("augment-") and name.endswith("+none")]
    pairs = [(name.replace("+none", f"+{corrector}"), name) for name in plain]
    if not pairs or any(corrected not in arms for corrected, _ in pairs):
        return np.zeros(0)
    return average_differences(arms, pairs, "coverage")


def _root_mean_square(residuals: np.ndarray) -> np.ndarray:
    return np.sqrt((residuals**2).mean(axis=1))


def main(run: Annotated[Path, tyro.conf.Positional]) -> None:
    """Print the tables of a finished run of `--preset dilution`, and the deviations that the test would find."""
    summary = read_summary(run / "summary.json" if run.is_dir() else run)
    print("\n".join([*form_table(summary), "", *coverage_table([summary]), ""]))
    fits = fit_all(summary)
    for (network, corrector), cell in fits.items():
        share = detectable_share(cell, tests=len(fits))
        print(f"{NETWORKS[network]}, {CORRECTORS[corrector]}: deviations from {share:.2f} of r − c on would be found")


if __name__ == "__main__":
    tyro.cli(main)
