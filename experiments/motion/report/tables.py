"""The tables of the motion report."""

import numpy as np

from selfcorrect.motion.measures.metrics import EXPLAINED, FIELD, MEASURED, RETRIEVED, TRAINED, find_metric
from selfcorrect.statistics import CollapseFinding, collapse_profile, mean_interval

from ...reporting import tables as shared
from ...reporting.results import ArmCurves
from ...reporting.webpage import Cell, PageRow, Table
from ...studies.arms import ArmSettings
from ..settings.arms import budget
from .conclusion import MotionJudged, MotionOutcome


def last_generation_table(outcome: MotionOutcome) -> Table:
    """All metrics of all arms at the last generation, those of feasibility where they are known, real data on top."""
    arms = [curves for group in outcome.curves.values() for curves in group.values()]
    trained = [find_metric(key) for key in TRAINED if any(key in curves.values for curves in arms)]
    metrics = [find_metric(key) for key in EXPLAINED if key in outcome.real]
    asked = (*(RETRIEVED if outcome.settings.captions else ()), *(FIELD if outcome.settings.published else ()))
    shown = (*MEASURED, *trained, *asked, *metrics)
    return shared.last_generation_table(outcome.columns().items(), shown, outcome.floors)


def speed_table(outcome: MotionOutcome) -> Table:
    """Return the table of the speed at which diversity is lost in each arm."""
    columns = ["Half-life of recall", "Half-life of coverage", "Recall, factor per generation"]

    def cells(arm: ArmSettings, curves: ArmCurves) -> list[Cell]:
        halves = [shared.half_life_cell(curves.values[key]) for key in ("recall", "coverage")]
        return [*halves, shared.interval_cell(mean_interval(_rates(curves.values["recall"])), 2)]

    return outcome.table("speed", columns, cells)


def _rates(curves: np.ndarray) -> np.ndarray:
    """(S,) factor per generation of an exponential through the first and last value, 1/(2 · 256) standing for 0."""
    values = np.maximum(curves, 1 / 512)
    return (values[:, -1] / values[:, 0]) ** (1 / (curves.shape[1] - 1))


def differences_table(judged: MotionJudged) -> Table:
    """Paired differences of every corrected arm to its uncorrected one, in the judged measures."""
    columns = [metric.title for metric in judged.metrics]
    return shared.effects_table(judged.effects, "Corrected against uncorrected", columns)


def profile_table(outcome: MotionOutcome) -> Table:
    """Return the table of published definitions of collapse that each arm meets."""
    all_curves = [curves for arms in outcome.curves.values() for curves in arms.values()]
    columns = [finding.definition for finding in _profile(all_curves[0])]
    return outcome.table("profile", columns, lambda arm, curves: [Cell(finding.status) for finding in _profile(curves)])


def _profile(curves: ArmCurves) -> list[CollapseFinding]:
    values = curves.values
    return collapse_profile(
        {
            "risk": values["fid_geometric"],
            "variance": values["within_label_ratio"],
            "tail_mass": values["recall"],
            "outside_share": 1 - values["precision"],
        }
    )


def budgets_table(outcome: MotionOutcome) -> Table:
    """Return the table of what each arm's corrector knew, and of what the loop really did."""
    rows = [
        PageRow(f"{outcome.settings.words(denoiser)}, {arm.label}", [Cell(budget(arm)), *shared.loop_cells(curves)])
        for denoiser, arms in outcome.curves.items()
        for arm, curves in arms.items()
    ]
    return Table("budgets", "Arm", ["Corrector knows", *shared.LOOP_COLUMNS], rows)
