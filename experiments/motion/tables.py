"""The tables of the motion report."""

from collections.abc import Mapping

import numpy as np

from selfcorrect.motion.measures.metrics import EXPLAINED, FIELD, MEASURED, RETRIEVED, TRAINED, find_metric
from selfcorrect.statistics import Interval, mean_interval

from ..remedies.table import REMEDIES
from ..studies import tables as shared
from ..studies.arms import ArmSettings
from ..studies.outcome import Outcome
from ..studies.results import ArmCurves
from ..studies.study import Study
from ..studies.tables import Cell, PageRow, Table
from .axes import budget


def all_metrics_table(outcome: Outcome) -> Table:
    """All metrics of all arms at the last generation, also of feasibility where known, real data on top."""
    arms = [curves for group in outcome.curves.values() for curves in group.values()]
    measured = {key for curves in arms for key in curves.values}
    trained = [find_metric(key) for key in TRAINED if key in measured]
    evaluated = [metric for metric in (*RETRIEVED, *FIELD) if metric.key in measured]
    explained = [find_metric(key) for key in EXPLAINED if key in outcome.real]
    shown = (*MEASURED, *trained, *evaluated, *explained)
    return shared.last_generation_table(outcome, shown)


def budgets_table(study: Study, outcome: Outcome) -> Table:
    """Return the table of what each arm's corrector knew, and of what the loop really did."""
    rows = []
    for denoiser, arms in outcome.curves.items():
        for arm, curves in arms.items():
            title = f"{study.tasks[denoiser].title}, {arm.title}"
            rows.append(PageRow(title, [Cell(budget(arm)), *shared.loop_cells(curves)]))
    return Table("budgets", "Arm", ["Corrector knows", *shared.LOOP_COLUMNS], rows)


# --- remedies ---

_PLAIN = ArmSettings("replace")


def _cell(interval: Interval) -> Cell:
    return shared.interval_cell(interval, 2)


def remedies_table(curves: Mapping[str, Mapping[ArmSettings, ArmCurves]]) -> Table:
    """All remedies of the fully synthetic loop side by side: what they keep, cost and know, what was claimed and found.

    curves: denoiser → arm → what was measured. Found is the paired difference in coverage at the last generation.
    """
    columns = [
        "Half-life of recall", "Half-life of coverage", "Fréchet distance, kinematic", "Novelty", "Cost, measured",
        "Knows", "Source", "Claimed", "Found: coverage, against none",
    ]  # fmt: skip
    table = Table("remedies", "Remedy", columns)
    for denoiser, arms in curves.items():
        with_remedy = [arm for arm in arms if arm.policy == "replace" and arm.corrector == "none"]
        if len(with_remedy) > 1 and _PLAIN in arms:
            table.rows.append(PageRow(denoiser, []))
            for arm in with_remedy:
                table.rows.append(PageRow(arm.treatment, _remedy_cells(arm, arms[arm], arms[_PLAIN])))
    return table


def _remedy_cells(arm: ArmSettings, curves: ArmCurves, plain: ArmCurves) -> list[Cell]:
    row = REMEDIES.row(arm.remedy)
    gain = Cell("")
    if curves is not plain:
        gain = _cell(mean_interval(curves.last("coverage") - plain.last("coverage")))
    return [
        shared.half_life_cell(curves.values["recall"]),
        shared.half_life_cell(curves.values["coverage"]),
        _cell(mean_interval(curves.last("fid_kinematic"))),
        _cell(mean_interval(curves.last("novelty"))),
        Cell(f"{_seconds(curves) / _seconds(plain):.1f} ×"),
        Cell(row.knows),
        Cell(row.source),
        Cell(row.claim),
        gain,
    ]


def _seconds(curves: ArmCurves) -> float:
    """Seconds of sampling and training per generation after generation 0."""
    spent = sum(curves.values[f"seconds_{phase}"][:, 1:] for phase in ("sample", "train"))
    return max(float(np.mean(spent)), 1e-9)
