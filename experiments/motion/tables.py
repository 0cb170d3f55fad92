"""The tables of the motion report."""

from __future__ import annotations

import math

import numpy as np

from selfcorrect.experiments.motion.arms import Arm
from selfcorrect.experiments.motion.outcome import JUDGED, Outcome, by_pair, judged_effects
from selfcorrect.experiments.motion.quantities import QUANTITIES, quantity_of
from selfcorrect.experiments.motion.references import CORRECTED_REAL, REAL
from selfcorrect.experiments.reporting import verdict
from selfcorrect.experiments.reporting.results import ArmCurves
from selfcorrect.experiments.reporting.webpage import Cell, Row, Table
from selfcorrect.models.diffusion.presets import preset
from selfcorrect.statistics import Finding, Interval, collapse_profile, half_life_interval, mean_interval


def last_generation_table(outcome: Outcome) -> Table:
    """All quantities of all arms at the last generation, real data on top."""
    table = Table("arms", "Arm", [quantity.title for quantity in QUANTITIES])
    for title, scores in ((REAL, outcome.real), (CORRECTED_REAL, outcome.corrected_real)):
        cells = [_cell(mean_interval(scores[quantity.key]), quantity.digits) for quantity in QUANTITIES]
        table.rows.append(Row(title, cells, soft=True))
    for denoiser, title, arms in outcome.groups():
        table.rows.append(Row(title, []))
        for arm in arms:
            curves = outcome.curves[denoiser][arm]
            cells = [_cell(mean_interval(curves.last(quantity.key)), quantity.digits) for quantity in QUANTITIES]
            table.rows.append(Row(arm.title, cells))
    return table


def speed_table(outcome: Outcome) -> Table:
    """How fast diversity goes in each arm."""
    table = Table("speed", "Arm", ["Half-life of recall", "Half-life of coverage", "Recall, factor per generation"])
    for denoiser, title, arms in outcome.groups():
        table.rows.append(Row(title, []))
        for arm in arms:
            curves = outcome.curves[denoiser][arm].values
            halves = [half_life_cell(curves[key]) for key in ("recall", "coverage")]
            table.rows.append(Row(arm.title, [*halves, _cell(mean_interval(_rates(curves["recall"])), 2)]))
    return table


def _cell(interval: Interval, digits: int) -> Cell:
    bounds = "" if math.isnan(interval.low) else f"{interval.low:.{digits}f} … {interval.high:.{digits}f}"
    return Cell(f"{interval.estimate:.{digits}f}", bounds)


def half_life_cell(curves: np.ndarray) -> Cell:
    """Median over seeds; the range of the seeds below it, since three medians have no interval."""
    if not (curves[:, 0] > 0).all():
        return Cell("not defined", "starts at 0")
    middle = half_life_interval(curves).estimate
    return Cell("not reached" if math.isinf(middle) else f"{middle:.1f}")


def _rates(curves: np.ndarray) -> np.ndarray:
    """(S,) factor per generation of an exponential through the first and last value, 1/(2 · 256) standing for 0."""
    values = np.maximum(curves, 1 / 512)
    return (values[:, -1] / values[:, 0]) ** (1 / (curves.shape[1] - 1))


def differences_table(outcome: Outcome) -> Table:
    """Paired differences of every corrected arm to its uncorrected one, in the judged measures."""
    rows = [
        Row(
            f"{effects[0].arm.group}: {effects[0].arm.title}",
            [Cell(f"{effect.word}", verdict.signed(effect.change, effect.quantity.digits)) for effect in effects],
        )
        for effects in by_pair(judged_effects(outcome))
    ]
    return Table("differences", "Corrected against uncorrected", [quantity_of(key).title for key in JUDGED], rows)


def profile_table(outcome: Outcome) -> Table:
    """Which of the published definitions of collapse each arm meets."""
    rows: list[Row] = []
    columns: list[str] = []
    for denoiser, title, arms in outcome.groups():
        rows.append(Row(title, []))
        for arm in arms:
            findings = _profile(outcome.curves[denoiser][arm])
            columns = [finding.definition for finding in findings]
            rows.append(Row(arm.title, [Cell(finding.status) for finding in findings]))
    return Table("profile", "Arm", columns, rows)


def _profile(curves: ArmCurves) -> list[Finding]:
    values = curves.values
    return collapse_profile(
        {
            "risk": values["fid_geometric"],
            "variance": values["within_label_ratio"],
            "tail_mass": values["recall"],
            "outside_share": 1 - values["precision"],
        }
    )


def budgets_table(outcome: Outcome) -> Table:
    """What each arm's corrector knew, and what the loop really did."""
    columns = ["Corrector knows", "λ realised", "synthetic share", "rejected of drawn", "moved (feature units)"]
    rows = [
        Row(f"{preset(denoiser).character}, {arm.label}", _budget_cells(arm, curves))
        for denoiser, arms in outcome.curves.items()
        for arm, curves in arms.items()
    ]
    return Table("budgets", "Arm", columns, rows)


def _budget_cells(arm: Arm, curves: ArmCurves) -> list[Cell]:
    def last(key: str) -> float:
        return float(np.mean(curves.last(key)))

    drawn = float(np.nansum(curves.values["drawn_count"]))
    rejected = float(np.nansum(curves.values["rejected_count"]))
    ratio = last("synthetic_ratio")
    return [
        Cell(arm.budget),
        Cell("∞" if not math.isfinite(ratio) else f"{ratio:.2f}"),
        Cell(f"{last('synthetic_share'):.2f}"),
        Cell(f"{rejected / drawn:.1%}" if drawn else "–"),
        Cell(f"{last('corrected_distance'):.2f}"),
    ]
