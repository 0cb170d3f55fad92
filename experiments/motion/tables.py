"""The tables of the motion report."""

from selfcorrect.motion.measures.metrics import EXPLAINED, FIELD, MEASURED, RETRIEVED, TRAINED, find_metric

from ..studies import tables as shared
from ..studies.outcome import Outcome
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
