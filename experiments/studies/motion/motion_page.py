"""What stands on the page of the motion experiment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from selfcorrect.core.errors import RunFolderError
from selfcorrect.core.randomness import streams
from selfcorrect.loop.store.run_folder import REFERENCES_FILE
from selfcorrect.motion.measures.metrics import (
    DESCENT,
    EXPLAINED,
    FIELD,
    MEASURED,
    TRAINED,
    added_metrics,
    find_metric,
    name_metric,
)
from selfcorrect.storage.files.strict_json import as_json

from ..arm_curves import MEMORISER, REAL_AGAINST_REAL, ArmCurves
from ..arm_words import describe_arm, describe_treatment
from ..arms import BASELINE, ArmSettings
from ..figures import SHARE_CAPTION, looks, opening_curves, share_picture
from ..outcome import Outcome, make_metric
from ..page import (
    Page,
    Section,
    answer_sections,
    count_runs,
    curves_section,
    difference_section,
    made_section,
    notes_section,
    table_section,
)
from ..study import Study
from ..study_rows import read_measures
from ..tables import LOOP_COLUMNS, Cell, PageRow, Table, last_generation_table, loop_cells
from .answer import (
    JUDGED,
    conclude,
    format_answer,
    format_question,
    judge_outcome,
    list_arms,
    select_asked_correctors,
    select_pictured_arms,
    select_shown_pairs,
)
from .axes import budget
from .measures import CORRECTED_REAL
from .media import Media, show_motions
from .presets import PRESET_ROWS
from .settings import DEFAULTS, MotionSettings, RunOptions
from .split import describe_parts
from .task import MotionData, motion_data

OPENING = ("coverage", "within_label_ratio", "precision", "slide_m_s")
"""Metrics of the large curves of the first picture: diversity by both measures, realism and sliding."""
PICTURED = ("fid_kinematic", "coverage", "penetration_mm", "unsupported_percent")
"""Metrics of the picture by synthetic share: realism, diversity, artefacts and feasibility."""

DRAWN = (
    "energy_ankles",
    "fid_kinematic",
    "fid_geometric",
    "fid_ground",
    "precision",
    "coverage",
    "within_label_ratio",
    "recall",
    "penetration_mm",
    "skate_m_s",
    "slide_m_s",
    "jerk_m_s3",
    "surviving_lineages",
    "training_loss",
    "field_fid",
    "field_precision_3",
    "field_matching",
)
"""Metrics with curves, as far as measured; the table has all."""

NOTES = (
    "λ is the number of synthetic samples per real sample; fully synthetic means that no real sample trains the model "
    "after generation 0. γ is the correction strength: each sample is replaced by its corrected form with probability"
    " γ/(1+γ), so that γ = ∞, the default, corrects every sample.",
    "The energy distance of ankle paths compares statistics of the two ankle joints and uses no soles, no floor and no "
    "stances, which other measures share with correctors. "
    "A Fréchet distance compares means and covariances of fixed motion features; no network is trained for it. "
    "Precision and density say how many samples look real, and recall and coverage say how much of the real variety "
    "the samples reach. Penetration, floating and skate count what exceeds 5 mm. Real motion has some of each, so "
    "compare with the first row.",
    "The memoriser returns training windows, all equally often. A model with the same scores may have copied. "
    "Novelty is the median distance of a sample to the nearest training window of its label, divided by the median "
    "distance between neighbouring training windows: 0 for copies, about 1 for other real windows. The training loss "
    "is the mean over the last quarter of the steps of each generation.",
    "The centroids-only arm trains only on the remembered centroids. Where the anchored arm is not better than this "
    "arm, memory alone explains its result.",
)

NOTES_ON_METRICS = {
    "field_fid": (
        "The field's evaluator uses the text and motion encoders of Guo et al. 2022. R-precision says how often a "
        "caption finds its motion among 32. MM-dist is the distance between caption and motion, diversity the distance "
        "between motions, and multimodality the distance between motions of one caption. Generations are evaluated "
        "once, and the last one as often as the generator's options say. All other measures use the first two seconds "
        "of each motion."
    )
}
"""Metric → note for reports with this metric."""


@dataclass(frozen=True, kw_only=True)
class MotionPage(Page):
    """The page of a motion experiment."""

    experiment: MotionSettings
    options: RunOptions
    closing: str
    """Sentence below the answer, "" for none."""

    def show(self, study: Study, outcome: Outcome) -> list[Section]:
        """Return the page of a finished experiment; motions are written beside it."""
        first, *details = format_answer(outcome).splitlines()
        conclusion = "\n".join(conclude(outcome))
        numbers = [*details, *describe_parts(outcome), *filter(None, (self.closing,))]
        if conclusion:
            numbers.insert(0, first)
        media = self.show_media(outcome)
        measured = _list_measured_keys(outcome)
        drawn = [metric for metric in map(find_metric, DRAWN) if metric.key in measured]
        notes = [note for key, note in NOTES_ON_METRICS.items() if key in measured]
        return [
            *answer_sections(outcome, conclusion or first),
            picture_section(outcome),
            Section(text="\n".join(numbers)),
            *([media.side_by_side_section] if media.scenes else []),
            difference_section(outcome, DIFFERENCE_TEXT),
            curves_section(outcome, drawn),
            media.clips_section,
            Section("Tables"),
            table_section("Last generation", LAST_GENERATION_TEXT, all_metrics_table(outcome, self.experiment)),
            table_section("What each arm was given", BUDGET_TEXT, budgets_table(study, outcome)),
            made_section(outcome.command, {**count_runs(study), **_list_facts(self.experiment, outcome)}),
            notes_section([*NOTES, *notes]),
        ]

    def show_media(self, outcome: Outcome) -> Media:
        """Return the motions of a finished experiment."""
        pairs = select_shown_pairs(outcome)
        return show_motions(self.experiment, self.options, outcome, pairs, select_pictured_arms(outcome))

    def add_arms(
        self, curves: Mapping[str, Mapping[ArmSettings, ArmCurves]]
    ) -> Mapping[str, Mapping[ArmSettings, ArmCurves]]:
        """Add arms that did not run here, by denoiser."""
        return curves

    def judge(self, study: Study, measured: Outcome) -> Outcome:
        """Add scores of real data and pairs.

        Arms that stopped are left out, and so is a denoiser whose arm on real data only has stopped.

        Raises:
            RunFolderError: No denoiser is left.
        """
        curves = {task: dict(arms) for task, arms in measured.curves.items()}
        for run in study.runs(measured.folder):
            for arm in study.arms(run.task):
                if study.latest(run, arm) < study.generations:
                    curves.get(run.task, {}).pop(arm, None)
        all_curves = self.add_arms(curves)
        lacking = [task for task in study.tasks if BASELINE not in all_curves.get(task, {})]
        if len(lacking) == len(study.tasks):
            gaps = " ".join(measured.gaps)
            raise RunFolderError(f"no report of {measured.folder}: the arm on real data alone is missing. {gaps}")
        left_out = [f"{task} is left out, because its arm on real data alone is missing" for task in lacking]
        complete = {task: arms for task, arms in all_curves.items() if task not in lacking}
        scores = read_measures(study, REFERENCES_FILE, next(iter(study.tasks)), measured.folder)
        floors = floors_of(scores) if all(scores) else {}  # a job that failed reports missing scores
        gaps = [*measured.gaps, *left_out]
        return judge_outcome(replace(measured, curves=complete, floors=floors, gaps=gaps))

    def list_final(self, outcome: Outcome) -> dict[str, float]:
        """List means over seeds and arms at the last generation: corrected as asked, uncorrected, and on real data
        only.
        """
        pairs = [pair for pair in outcome.asked if pair.arm.corrector != "none"]
        curves_by_prefix = {
            "": [outcome.curves_of(pair)[0] for pair in pairs],
            "uncorrected/": [outcome.curves_of(pair)[1] for pair in pairs],
            "real_only/": [arms[BASELINE] for arms in outcome.curves.values()],
        }
        keys = [*(metric.key for metric in MEASURED), *EXPLAINED]
        figures = {}
        for prefix, curves in curves_by_prefix.items():
            for key in keys:
                if curves and all(key in arm.values for arm in curves):
                    figures[f"{prefix}{key}"] = float(np.mean([arm.last(key) for arm in curves]))
        return figures


def make_motion_page(settings: MotionSettings, name: str = "", options: RunOptions = DEFAULTS) -> MotionPage:
    """Return the page of a motion experiment, named like the preset."""
    row = PRESET_ROWS.get(name)
    return MotionPage(
        title=format_question(settings.all_arms),
        settings=as_json(settings.config()),
        early=JUDGED,
        experiment=settings,
        options=options,
        closing=row.closing if row else "",
    )


def floors_of(scores: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, np.ndarray]]:
    """Return the scores of real data, title → metric → (S,): fresh real data first, then the memoriser."""
    shared = [name for name in scores[0] if all(name in score for score in scores)]
    first = [name for name in (REAL_AGAINST_REAL, MEMORISER, CORRECTED_REAL) if name in shared]
    floors = {}
    for name in (*first, *(name for name in shared if name not in first)):
        keys = [key for key in scores[0][name] if all(key in score[name] for score in scores)]
        floors[name] = {key: np.array([score[name][key] for score in scores]) for key in keys}
    return floors


def _list_measured_keys(outcome: Outcome) -> set[str]:
    """Return the keys of the metrics measured of any arm."""
    return {key for arms in outcome.curves.values() for curves in arms.values() for key in curves.values}


def all_metrics_table(outcome: Outcome, settings: MotionSettings) -> Table:
    """Tabulate all metrics of all arms at the last generation, with real data on top."""
    evaluated = [*added_metrics(), *map(find_metric, (*DESCENT, *TRAINED)), *FIELD]
    measured = _list_measured_keys(outcome)
    explained = [find_metric(key) for key in EXPLAINED if key in outcome.real]
    evaluated += [make_metric(name_metric(reference)) for reference in settings.metric]
    shown = [metric for metric in (*MEASURED, *evaluated) if metric.key in measured]
    return last_generation_table(outcome, [*shown, *explained])


def budgets_table(study: Study, outcome: Outcome) -> Table:
    """Tabulate what correctors knew and loops did, with a row for each arm."""
    rows = []
    for denoiser, arms in outcome.curves.items():
        for arm, curves in arms.items():
            title = f"{study.tasks[denoiser].title}, {describe_arm(arm)}"
            rows.append(PageRow(title, [Cell(budget(arm)), *loop_cells(curves)]))
    return Table("budgets", "Arm", ["Corrector knows", *LOOP_COLUMNS], rows)


LAST_GENERATION_TEXT = (
    "Means over seeds, with 95 % intervals below (Student's t, which assumes roughly normal seeds). All arms start "
    "from generation 0. The baseline trains on real data for as many steps as the loops. Read realism and diversity "
    "together, because a model can gain realism by losing diversity."
)
DIFFERENCE_TEXT = (
    "Paired differences at the last generation: both arms start from the same generation 0 and draw the same noise. "
    "For the arms that the answer mentions, realism and diversity form one family of tests, and feet and root force "
    "form another. The tests of all other arms form two more families."
)
BUDGET_TEXT = (
    "A corrector that knows more about real motion than the training data brings new information into the loop. Do "
    "not mistake the effect of new information for stability."
)


def picture_section(outcome: Outcome) -> Section:
    """Return the section with the first picture, by synthetic share if several were run, else over generations."""
    all_curves = [curves for arms in outcome.curves.values() for curves in arms.values()]
    drawn = [find_metric(key) for key in PICTURED if all(key in curves.values for curves in all_curves)]
    correctors = ("none", *select_asked_correctors(list_arms(outcome)))
    asked = [describe_treatment(ArmSettings("replace", corrector)) for corrector in correctors]
    if picture := share_picture(outcome, drawn, asked):
        return Section(figures=[picture], caption=SHARE_CAPTION, id="answer")
    groups = {}
    for task, arms in select_pictured_arms(outcome).items():
        groups[outcome.titles[task]] = [outcome.curves[task][arm] for arm in arms]
    palette = looks([curves.title for arms in groups.values() for curves in arms])
    picture = opening_curves(groups, [find_metric(key) for key in OPENING], outcome.levels, palette)
    return Section(figures=[picture], caption=OPENING_CAPTION, id="answer")


OPENING_CAPTION = (
    "Diversity (coverage and variance within labels), precision, and sliding of the feet over generations. Lines are "
    "means over seeds, and bands are 95 % intervals. The dotted line is real motion that no model was trained on."
)


def _list_facts(settings: MotionSettings, outcome: Outcome) -> dict[str, str]:
    spent = outcome.sum_seconds_by_phase()
    total = sum(spent.values())
    shares = [f"{phase} {value / total:.0%}" for phase, value in spent.items() if value]
    steps = []
    for name in outcome.curves:
        steps.append(f"{name} {settings.steps[name]} ({settings.initial_steps[name]} in generation 0)")
    return {
        "Data": f"{', '.join(settings.data)}: windows of {settings.frames} frames at {settings.fps:g} per second",
        "Training windows per seed": f"n = {settings.real_count}",
        "Evaluated against": _describe_reference(motion_data(settings, streams(settings.first_seed))),
        "Evaluated in each generation": (
            f"{settings.evaluated_count} raw samples, the same noise and labels in every arm"
        ),
        "Engine": settings.engine,
        "Optimiser steps per generation": ", ".join(steps),
        "Time of this call": f"{outcome.seconds / 60:.1f} minutes",
        "Time by phase": ", ".join(shares),
    }


def _describe_reference(data: MotionData) -> str:
    count = len(data.reference)
    if data.held_out == "sources":
        return f"{count} real windows from other sources than the training windows; real against real compares the two"
    if data.held_out == "times":
        return f"{count} real windows from times that no training window covers"
    return (
        f"{count} other real windows of the same clips, which are too short to hold out whole windows. They share "
        "frames with training windows, so they show how far a loop drifts from its training data, and real against "
        "real is slightly optimistic"
    )
