"""The tables of the motion report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from selfcorrect.analysis import theory
from selfcorrect.core.randomness import streams
from selfcorrect.metrics.neighbours import near_by_label
from selfcorrect.motion.measures.metrics import EXPLAINED, FIELD, MEASURED, RETRIEVED, TRAINED, find_metric
from selfcorrect.statistics import CollapseFinding, Interval, collapse_profile, mean_interval

from ..remedies.table import REMEDIES
from ..studies import tables as shared
from ..studies.arms import ArmSettings
from ..studies.outcome import Judged, Outcome
from ..studies.results import ArmCurves
from ..studies.tables import Cell, PageRow, Table
from .axes import budget
from .settings import MotionSettings
from .task import motion_data, motion_evaluator

MotionOutcome: TypeAlias = Outcome[MotionSettings]
MotionJudged: TypeAlias = Judged[MotionSettings]


def last_generation_table(outcome: MotionOutcome) -> Table:
    """All metrics of all arms at the last generation, also of feasibility where known, real data on top."""
    arms = [curves for group in outcome.curves.values() for curves in group.values()]
    trained = [find_metric(key) for key in TRAINED if any(key in curves.values for curves in arms)]
    metrics = [find_metric(key) for key in EXPLAINED if key in outcome.real]
    asked = (*(RETRIEVED if outcome.settings.captions else ()), *(FIELD if outcome.settings.published.mdm else ()))
    shown = (*MEASURED, *trained, *asked, *metrics)
    return shared.last_generation_table(outcome.columns().items(), shown, outcome.floors)


def speed_table(outcome: MotionOutcome) -> Table:
    """Return the table of the speed at which diversity is lost in each arm, without half-lives that no arm reaches."""
    all_curves = [curves for arms in outcome.curves.values() for curves in arms.values()]
    reached = []
    for key in ("recall", "coverage"):
        cells_of_key = [shared.half_life_cell(curves.values[key]) for curves in all_curves]
        if any(cell.value != "not reached" for cell in cells_of_key):
            reached.append(key)

    def cells(arm: ArmSettings, curves: ArmCurves) -> list[Cell]:
        halves = [shared.half_life_cell(curves.values[key]) for key in reached]
        recall = np.maximum(curves.values["recall"], 1 / 512)  # 1/(2 · 256) stands for 0
        rates = (recall[:, -1] / recall[:, 0]) ** (1 / (recall.shape[1] - 1))
        return [*halves, shared.interval_cell(mean_interval(rates), 2)]

    columns = [*(f"Half-life of {key}" for key in reached), "Recall, factor per generation"]
    return shared.arm_table("speed", columns, outcome, cells)


def differences_table(judged: MotionJudged) -> Table:
    """Paired differences of every corrected arm to its uncorrected arm, in the judged measures."""
    columns = [metric.title for metric in judged.metrics]
    return shared.effects_table(judged.effects, "Corrected against uncorrected", columns)


def profile_table(outcome: MotionOutcome) -> Table:
    """Return the table of published definitions of collapse that arms meet, without what is not measurable here."""
    all_curves = [curves for arms in outcome.curves.values() for curves in arms.values()]
    findings = [finding for curves in all_curves for finding in _profile(curves)]
    decided = [finding.definition for finding in findings if finding.status != "not measurable"]
    columns = list(dict.fromkeys(decided))

    def cells(arm: ArmSettings, curves: ArmCurves) -> list[Cell]:
        status = {finding.definition: finding.status for finding in _profile(curves)}
        if all(status[definition] == "not measurable" for definition in columns):
            return []
        return [Cell(status[definition].replace("not measurable", "–")) for definition in columns]

    return shared.arm_table("profile", columns, outcome, cells)


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
    rows = []
    for denoiser, arms in outcome.curves.items():
        for arm, curves in arms.items():
            title = f"{outcome.settings.words(denoiser)}, {arm.label}"
            rows.append(PageRow(title, [Cell(budget(arm)), *shared.loop_cells(curves)]))
    return Table("budgets", "Arm", ["Corrector knows", *shared.LOOP_COLUMNS], rows)


# --- lines of descent, remedies ---

PLAIN = ArmSettings("replace")


@dataclass(frozen=True, eq=False)
class Founders:
    """The real training windows of the first seed, as far as drift depends on them."""

    sizes: Sequence[int]
    """Number of windows of each label."""
    near: np.ndarray
    """(R, L), how many of each label are near enough to a reference window to cover it."""


def founders_of(settings: MotionSettings) -> Founders:
    """Those of an experiment's first seed, seen as its evaluation sees them."""
    stream = streams(settings.first_seed)
    data = motion_data(settings, stream)
    evaluator = motion_evaluator(settings, stream)
    windows = evaluator.geometric(data.training.batch)
    labels = data.training.labels
    sizes = np.unique(labels, return_counts=True)[1].tolist()
    return Founders(sizes, near_by_label(evaluator.reference.geometric, windows, labels))


def descent_table(outcome: MotionOutcome, founders: Founders) -> Table:
    """Return the table of surviving lines, for arms that draw samples in all generations."""
    columns = [
        "Founders with a descendant", "by drift alone", "loss that is drift", "Coverage kept", "by drift alone",
        "Offspring variance, first", "last",
        "Novelty, to the parents", "Novelty, to real data", "Persistence of lines",
    ]  # fmt: skip
    return shared.arm_table("descent", columns, outcome, lambda arm, curves: _descent_cells(arm, curves, founders))


def _descent_cells(arm: ArmSettings, curves: ArmCurves, founders: Founders) -> list[Cell]:
    """Return the cells of an arm in the table of descent, none if its lines were not traced to the end."""
    lines = curves.values.get("surviving_lineages")
    if lines is None or not np.isfinite(lines[:, -1]).all():
        return []
    last = [_cell(mean_interval(curves.last(key))) for key in ("surviving_lineages", "novelty", "novelty_to_real")]
    variances = [_cell(mean_interval(curves.values["offspring_variance"][:, column])) for column in (1, -1)]
    drawn_anew = arm.policy == "replace"
    drift = [_cell(interval) for interval in drift_of(curves, founders)] if drawn_anew else [Cell("–"), Cell("–")]
    coverage = [_cell(interval) for interval in coverage_kept(curves, founders)][: 2 if drawn_anew else 1]
    persistence = _cell(mean_interval(curves.last("lineage_persistence")))
    return [last[0], *drift, *coverage, *[Cell("–")] * (2 - len(coverage)), *variances, *last[1:], persistence]


def coverage_kept(curves: ArmCurves, founders: Founders) -> tuple[Interval, Interval]:
    """Coverage at the last generation as a share of generation 0's, measured and by drift alone (see `drift_of`)."""
    coverage = curves.values["coverage"]
    variances = curves.values["offspring_variance"][:, 1]
    generations = coverage.shape[1] - 1
    shares_by_drift = []
    for variance in variances:
        curve = theory.coverage_by_drift(founders.near, founders.sizes, generations, float(variance))
        shares_by_drift.append(curve[-1] / max(curve[0], 1e-9))
    begun = np.maximum(coverage[:, 0], 1e-9)  # a model that covers nothing has nothing to lose
    return mean_interval(coverage[:, -1] / begun), mean_interval(shares_by_drift)


def drift_of(curves: ArmCurves, founders: Founders) -> tuple[Interval, Interval]:
    """Lines that would survive by drift alone, and the share of their loss that it explains, at the last generation.

    The prediction takes the offspring variance of generation 1, before any loop, and nothing else of the run: later the
    learner's bias is in it.
    """
    lines = curves.values["surviving_lineages"]
    variances = curves.values["offspring_variance"][:, 1]
    generations = lines.shape[1] - 1
    predicted = []
    shares = []
    for measured, variance in zip(lines[:, -1], variances, strict=True):
        survivors = theory.surviving_lineages(founders.sizes, generations, float(variance))[-1]
        predicted.append(survivors)
        shares.append(theory.drift_share(float(measured), float(survivors)))
    return mean_interval(predicted), mean_interval(np.nan_to_num(shares, nan=1.0))


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
        if len(with_remedy) > 1 and PLAIN in arms:
            table.rows.append(PageRow(denoiser, []))
            for arm in with_remedy:
                table.rows.append(PageRow(arm.title, _remedy_cells(arm, arms[arm], arms[PLAIN])))
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
