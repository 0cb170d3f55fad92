"""The report of the motion experiment: the page, motions as BVH, and what W&B gets."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from selfcorrect.core.errors import RunFolderError
from selfcorrect.core.randomness import streams
from selfcorrect.motion.measures.metrics import EXPLAINED, MEASURED, Metric, find_metric
from selfcorrect.storage.files.digests import read_sealed
from selfcorrect.storage.files.strict_json import as_json
from selfcorrect.storage.runs.run_folder import REFERENCES_FILE

from ..studies import verdict
from ..studies.arms import BASELINE, ArmSettings
from ..studies.figures import Levels, Picture, curve_grid, looks, opening_curves, share_picture
from ..studies.outcome import Outcome, corrected_by_share
from ..studies.report import (
    FinishedRun,
    Page,
    Presentation,
    Section,
    StudyReport,
    count_facts,
    list_warnings,
    make_sections,
    seconds_by_phase,
    share_section,
)
from ..studies.results import ArmCurves
from ..studies.study import SeedRun, Study
from ..studies.study_rows import collect_curves
from ..studies.tables import overview_table
from .answer import (
    JUDGED,
    format_answer,
    format_question,
    judge_outcome,
    select_asked_correctors,
    select_pictured_arms,
    select_shown_pairs,
)
from .measures import CORRECTED_REAL, MEMORISER, REAL_AGAINST_REAL
from .media import show_motions
from .presets import PRESET_ROWS
from .settings import DEFAULTS, MotionSettings, RunOptions
from .tables import (
    MotionJudged,
    MotionOutcome,
    budgets_table,
    descent_table,
    differences_table,
    last_generation_table,
    remedies_table,
    speed_table,
)
from .task import MotionData, motion_data

OPENING = ("recall", "skate_m_s")
"""Metrics of the large curves of the first picture: diversity and sliding."""
SIGNS = (
    Metric("relative_loss", "Training loss, of real data only's", "realism", "neutral"),
    Metric("founders_left", "Founders with a descendant", "diversity", "higher", bounds=(0.0, 1.0)),
)
"""Early signs of collapse, below these curves."""
PICTURED = ("fid_kinematic", "recall", "penetration_mm", "unsupported_percent")
"""Metrics of the picture by synthetic share: realism, diversity, artefacts and feasibility."""


DRAWN = (
    "fid_kinematic",
    "fid_geometric",
    "precision",
    "recall",
    "coverage",
    "penetration_mm",
    "skate_m_s",
    "jerk_m_s3",
)
"""Metrics whose curves are shown; the table has all."""
RETRIEVAL_DRAWN = ("r_precision_3", "r_precision_3_rare", "r_precision_3_common")
"""Those where labels are captions."""
FIELD_DRAWN = ("field_fid", "field_precision_3", "field_matching")
"""Those of the field's evaluator."""

NOTES = (
    "λ is the number of synthetic samples per real sample; fully synthetic means that no real sample trains the model "
    "after generation 0. γ is the correction strength: each sample is replaced by its corrected form with probability"
    " γ/(1+γ), so that γ = ∞, the default, corrects every sample.",
    "A Fréchet distance compares means and covariances of fixed motion features, no trained network. Precision and "
    "density say how many samples look real; recall and coverage how much of the real variety the samples reach. "
    "Penetration, floating and skate count what exceeds 5 mm; real motion has some of each, so compare with the first"
    " row.",
    "The memoriser returns training windows, all equally often: a model that scores like it may have copied. "
    "Novelty is the median distance of a sample to the nearest training window of its label, divided by the median "
    "distance between neighbouring training windows: 0 for copies, about 1 for other real windows. The training loss "
    "is the mean over the last quarter of the steps of each generation.",
    "The half-life is the generation at which a metric has fallen to half of its value at generation 0 (median over"
    " seeds). The centroids-only arm trains on the remembered centroids alone: what the anchored arm does not do better"
    " than it, it does by memory alone.",
)

RETRIEVAL_NOTE = (
    "R-precision is the probability that a motion lies nearer to its own caption than to all but at most 0, 1 or 2 of "
    "31 others, to encoders that were trained on other real windows of the same clips. It is a mean over captions. "
    "Rare and common captions are the thirds of the captions with the fewest and the most real training windows."
)

FIELD_NOTE = (
    "The field's evaluator has the text and motion encoders of Guo et al. 2022. A caption looks for its motion among "
    "32 (R-precision); MM-dist is the distance between the two, diversity that between motions, multimodality that "
    "between motions of one caption. Generations are evaluated once, the last one by as many repetitions as the "
    "settings say. All other figures are of the first two seconds of each motion."
)


def present_motion(
    study: Study,
    settings: MotionSettings,
    name: str,
    options: RunOptions = DEFAULTS,
    *,
    films: bool = False,
) -> Presentation[MotionSettings]:
    """Return how a motion experiment is shown.

    Args:
        films: Draw short films for W&B.
    """
    row = PRESET_ROWS.get(name)
    return Presentation(
        title=format_question(settings),
        settings=as_json(settings.config()),
        choose_metrics=lambda root: [find_metric(key) for key in JUDGED],
        collect=partial(collect_motion, study, settings),
        make_report=partial(make_report, study, options, closing=row.closing if row else "", films=films),
        tags=lambda run, arm: (name, run.task, arm.policy, arm.corrector, arm.remedy),
        opening=row.opening if row else "",
    )


def collect_motion(study: Study, settings: MotionSettings, root: Path, gaps: Sequence[str] = ()) -> MotionOutcome:
    """Collect what a run folder holds, without arms that stopped and denoisers whose arm on real data alone did.

    Raises:
        RunFolderError: No denoiser is left.
    """
    runs = study.runs(root)
    curves = collect_curves(study, runs)
    for run in runs:
        for arm in study.arms(run.task):
            if study.latest(run, arm) < settings.generations:
                curves.get(run.task, {}).pop(arm, None)
    lacking = [task for task in study.tasks if BASELINE not in curves.get(task, {})]
    if len(lacking) == len(study.tasks):
        raise RunFolderError(f"no report of {root}: the arm on real data alone is missing. {' '.join(gaps)}")
    left_out = [f"{task} is left out, because its arm on real data alone is missing" for task in lacking]
    complete = {task: arms for task, arms in curves.items() if task not in lacking}
    return Outcome(settings, complete, _read_floors(study, runs), titles=study.titles, gaps=[*gaps, *left_out])


def _read_floors(study: Study, runs: Sequence[SeedRun]) -> dict[str, dict[str, np.ndarray]]:
    """Return what real data score, or nothing where that is missing for a seed, which a job reports."""
    first = next(iter(study.tasks))
    files = [run.data_folder / REFERENCES_FILE for run in runs if run.task == first]
    return floors_of([read_sealed(file) for file in files]) if all(file.exists() for file in files) else {}


def make_report(
    study: Study,
    options: RunOptions,
    outcome: MotionOutcome,
    run: FinishedRun,
    *,
    closing: str,
    films: bool,
) -> StudyReport:
    """Return the report of a motion experiment, with motions beside it."""
    settings = outcome.settings
    judged = judge_outcome(outcome)
    pairs = select_shown_pairs(judged)
    media = show_motions(outcome, run.root, pairs, select_pictured_arms(judged), options, films=films)
    sentences = format_answer(judged)
    lines = corrected_by_share(judged)
    overview = overview_table(judged)
    page = Page(
        title=format_question(settings),
        subtitle=run.command,
        answer="\n".join(filter(None, (sentences, closing))),
        picture=_picture(judged),
        warnings=list_warnings(study, outcome, sentences),
        curves=_curves_svg(outcome),
        sections=[*([share_section(outcome, lines)] if lines else []), *make_sections(SECTIONS, judged)],
        clips=media.clips,
        scenes=media.scenes,
        overview=overview,
        facts=_facts(outcome, count_facts(study), run.rows, run.seconds),
        notes=[*NOTES, *[RETRIEVAL_NOTE] * settings.captions, *[FIELD_NOTE] * bool(settings.published.mdm)],
    )
    return StudyReport(
        page=page,
        sentences=[*page.answer.splitlines(), *outcome.gaps],
        overview=overview,
        media=media.files,
        tables={"videos": media.videos} if media.videos else {},
        summary=_final(judged),
        differences=verdict.tabulate(effect for effects in judged.effects for effect in effects),
    )


def floors_of(scores: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, np.ndarray]]:
    """Return real data's scores of all seeds: title → metric → (S,); fresh real data first, then the memoriser.

    Shown is what all seeds have: runs of earlier versions lack the memoriser and novelty.
    """
    shared = [name for name in scores[0] if all(name in score for score in scores)]
    first = [name for name in (REAL_AGAINST_REAL, MEMORISER, CORRECTED_REAL) if name in shared]
    floors = {}
    for name in (*first, *(name for name in shared if name not in first)):
        keys = [key for key in scores[0][name] if all(key in score[name] for score in scores)]
        floors[name] = {key: np.array([score[name][key] for score in scores]) for key in keys}
    return floors


def _final(judged: MotionJudged) -> dict[str, float]:
    """Return means of the last generation over seeds and arms: corrected as asked, uncorrected, and real data only."""
    outcome = judged.outcome
    pairs = [pair for pair in judged.asked if pair.arm.corrector != "none"]
    of = {
        "": [outcome.curves_of(pair)[0] for pair in pairs],
        "uncorrected/": [outcome.curves_of(pair)[1] for pair in pairs],
        "real_only/": [arms[BASELINE] for arms in outcome.curves.values()],
    }
    keys = [*(metric.key for metric in MEASURED), *EXPLAINED]
    figures = {}
    for prefix, curves in of.items():
        for key in keys:
            if curves and all(key in arm.values for arm in curves):
                figures[f"{prefix}{key}"] = float(np.mean([arm.last(key) for arm in curves]))
    return figures


def _picture(judged: MotionJudged) -> Picture:
    """By synthetic share where several were run, else over generations, of what the answer rests on."""
    outcome = judged.outcome
    all_curves = [curves for arms in outcome.curves.values() for curves in arms.values()]
    drawn = [find_metric(key) for key in PICTURED if all(key in curves.values for curves in all_curves)]
    if picture := share_picture(outcome, drawn, strong_lines(outcome.settings), outcome.levels):
        return picture
    groups = {}
    for task, arms in select_pictured_arms(judged).items():
        groups[outcome.titles[task]] = [outcome.curves[task][arm] for arm in arms]
    return Picture(draw_opening(groups, outcome.levels), OPENING_CAPTION)


def draw_opening(groups: Mapping[str, Sequence[ArmCurves]], levels: Levels) -> str:
    """Draw diversity and sliding over generations, and early signs of collapse below; returns SVG text.

    Args:
        groups: Title of a group → its arms, first the arm on real data only.
        levels: Scores of real motion, the first of which is drawn.
    """
    signed = {title: [_add_signs(curves, arms[0]) for curves in arms] for title, arms in groups.items()}
    palette = looks([curves.title for arms in groups.values() for curves in arms])
    return opening_curves(signed, [find_metric(key) for key in OPENING], SIGNS, levels, palette)


def _add_signs(curves: ArmCurves, baseline: ArmCurves) -> ArmCurves:
    """Return curves with the quantities of `SIGNS`, as far as they were measured."""
    values = dict(curves.values)
    if "training_loss" in values and "training_loss" in baseline.values:
        values["relative_loss"] = values["training_loss"] / baseline.values["training_loss"]
    if "surviving_lineages" in values:
        values["founders_left"] = values["surviving_lineages"].copy()
        values["founders_left"][:, 0] = 1.0
    return replace(curves, values=values)


def strong_lines(settings: MotionSettings) -> list[str]:
    """The lines by share that an experiment asks about, and the uncorrected line."""
    return [ArmSettings("replace", corrector).title for corrector in ("none", *select_asked_correctors(settings))]


OPENING_CAPTION = (
    "Diversity (recall) and sliding of the feet over generations, and below them two early signs of collapse: the "
    "training loss as a multiple of the loss on real data only, and the share of real training motions from which a "
    "sample still descends. Lines are means over seeds, bands their 95 % intervals; the dotted line is real motion on "
    "which no model is trained."
)


def _curves_svg(outcome: MotionOutcome) -> str:
    settings = outcome.settings
    more = RETRIEVAL_DRAWN * settings.captions + FIELD_DRAWN * bool(settings.published.mdm)
    drawn = [find_metric(key) for key in (*DRAWN, *more)]
    return curve_grid(outcome.columns(), drawn, outcome.levels)


def last_generation_section(judged: MotionJudged) -> Section:
    """Return a section with all metrics of all arms."""
    return Section(
        "Last generation",
        "Mean over seeds, 95 % interval below (Student's t; it assumes roughly normal seeds). Realism and "
        "diversity belong together: a model can win realism by losing diversity.",
        last_generation_table(judged.outcome),
    )


def difference_section(judged: MotionJudged) -> Section:
    """Return a section with the paired differences."""
    return Section(
        "Corrected against uncorrected",
        "Paired differences at the last generation: both arms start from the same generation 0 and draw the same "
        f"noise. {verdict.JUDGEMENT} Realism and diversity of the arms that the answer speaks of are one such "
        "family, their feet and root force another; all other arms have two families of their own.",
        differences_table(judged),
    )


def speed_section(judged: MotionJudged) -> Section:
    """Return a section with half-lives of diversity."""
    return Section(
        "How fast diversity goes",
        "Half-lives are medians over seeds, in generations, with their 95 % intervals. The factor is that of an "
        "exponential through the first and the last generation, with its interval; 1 is no loss. The contraction "
        "rates of theory are for models near their optimum and are not claimed for these.",
        speed_table(judged.outcome),
    )


def budget_section(judged: MotionJudged) -> Section:
    """Return a section with the knowledge of correctors."""
    return Section(
        "What each arm was given",
        "A corrector that knows more about real motion than the training data do brings new information into the "
        "loop; stability and new information must not be confused.",
        budgets_table(judged.outcome),
    )


def descent_section(judged: MotionJudged) -> Section:
    """Return a section with surviving lines of descent."""
    return Section(
        "Lines of descent",
        "Every synthetic sample descends from the nearest training sample of its label; the founders are the real "
        "training data. Lines die by drift, which grows with the offspring variance, and by the learner's bias. "
        "Novelty is the distance to the nearest founder, in median distances between neighbouring real samples; "
        "persistence is 1 for lines that walk at random and grows for lines that walk in one direction.",
        descent_table(judged.outcome),
    )


def remedy_section(judged: MotionJudged) -> Section:
    """Return a section with remedies side by side."""
    return Section(
        "Remedies of the fully synthetic loop",
        "Without information from outside, no remedy is better than to train for ever on the first synthetic "
        "set; what it buys is new motion in every generation, so novelty stands beside survival. Costs are the "
        "time of sampling and training, in units of a generation without remedy.",
        remedies_table(judged.outcome.curves),
    )


SECTIONS = (
    last_generation_section,
    difference_section,
    speed_section,
    budget_section,
    descent_section,
    remedy_section,
)
"""Sections of the page, each a function of the judged results."""


def _facts(
    outcome: MotionOutcome, counts: Mapping[str, str], rows: Sequence[Mapping[str, Any]], seconds: float
) -> dict[str, str]:
    settings = outcome.settings
    spent = seconds_by_phase(rows)
    total = sum(spent.values())
    shares = [f"{phase} {value / total:.0%}" for phase, value in spent.items() if value]
    steps = []
    for name in outcome.curves:
        steps.append(f"{name} {settings.steps[name]} ({settings.initial_steps[name]} in generation 0)")
    return {
        "Data": f"{', '.join(settings.data)}: windows of {settings.frames} frames at {settings.fps:g} per second",
        "Training windows per seed": f"n = {settings.real_count}",
        "Evaluated against": _reference_in_words(motion_data(settings, streams(settings.first_seed))),
        "Evaluated in each generation": (
            f"{settings.evaluated_count} raw samples, the same noise and labels in every arm"
        ),
        "Engine": settings.engine,
        **counts,
        "Optimiser steps per generation": ", ".join(steps),
        "Time of this call": f"{seconds / 60:.1f} minutes",
        "Time by phase": ", ".join(shares),
    }


def _reference_in_words(data: MotionData) -> str:
    count = len(data.reference)
    if data.held_out == "sources":
        return f"{count} real windows of other sources than the training windows; real against real compares the two"
    if data.held_out == "times":
        return f"{count} real windows of times that no training window shows"
    return (
        f"{count} other real windows of the same clips, which are too short to hold out whole windows: they share "
        "frames with training windows, so this shows how far a loop drifts from what it was given, and the level of "
        "real against real is a little optimistic"
    )
