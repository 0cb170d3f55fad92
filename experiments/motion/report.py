"""The motion experiment's results as files that people open: report.html, metrics.jsonl, motions as BVH, W&B runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from selfcorrect.experiments.motion.arms import BASELINE, Arm
from selfcorrect.experiments.motion.descent import (
    Founders,
    defences_table,
    descent_table,
    disease_sentences,
    founders_of,
)
from selfcorrect.experiments.motion.media import Clip, render_clips
from selfcorrect.experiments.motion.outcome import (
    Outcome,
    arm_rows,
    by_ratio,
    guarantees,
    read_outcome,
    verdict_sentences,
)
from selfcorrect.experiments.motion.presets import MotionSettings
from selfcorrect.experiments.motion.quantities import quantity_of
from selfcorrect.experiments.motion.references import CORRECTED_REAL, REAL
from selfcorrect.experiments.motion.seed_runs import SeedRun, seed_runs
from selfcorrect.experiments.motion.tables import (
    budgets_table,
    differences_table,
    last_generation_table,
    profile_table,
    speed_table,
)
from selfcorrect.experiments.motion.task import MotionData, motion_data
from selfcorrect.experiments.reporting import verdict
from selfcorrect.experiments.reporting.figures import curve_grid, end_points, looks
from selfcorrect.experiments.reporting.summary import Summary, machine, write_summary
from selfcorrect.experiments.reporting.webpage import Page, Section, Video, render_page
from selfcorrect.randomness import streams
from selfcorrect.storage.files import write_atomically
from selfcorrect.storage.run_folder import environment
from selfcorrect.tracking import TrackedRun, WandbMode, publish_to_wandb, write_rows

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
"""Quantities whose curves are shown; the table has all."""

NOTES = (
    "λ is the number of synthetic samples per real one; fully synthetic means that no real sample trains the model "
    "after generation 0. γ is the correction strength: each sample is replaced by its corrected form with probability"
    " γ/(1+γ), so that γ = ∞, the default, corrects every sample.",
    "A Fréchet distance compares means and covariances of fixed motion features, no trained network. Precision and "
    "density say how many samples look real; recall and coverage how much of the real variety the samples reach. "
    "Penetration, floating and skate count what exceeds 5 mm; real motion has some of each, so compare with the first"
    " row.",
    "The half-life is the generation at which a quantity has fallen to half of its value at generation 0 (median over"
    " seeds). The frozen arm trains on nothing but the remembered centroids: what the anchored arm does not do better"
    " than it, it does by memory alone.",
)


def write_report(
    settings: MotionSettings, folder: Path, preset: str, command: str, wandb: WandbMode, seconds: float
) -> str:
    """Write every result of a finished experiment below `folder`; returns the verdict as text.

    command: what does it again, told in the report and the summary.
    """
    outcome = read_outcome(settings, folder)
    rows = [row for run in seed_runs(settings, folder) for arm in run.comparison.arms for row in arm_rows(run, arm)]
    write_rows(folder / "metrics.jsonl", rows)
    write_summary(folder / "summary.json", _summary(outcome, rows, command))
    clips = render_clips(settings, folder)
    founders = founders_of(outcome.settings)
    sentences = [*verdict_sentences(outcome), *disease_sentences(outcome, founders)]
    page = Page(
        title="Does physics keep a self-consuming motion model from collapsing?",
        subtitle=command,
        verdict=sentences,
        warnings=_warnings(settings),
        curves=_curves_svg(outcome),
        sections=_sections(outcome, founders),
        media=_by_section(clips),
        facts=_facts(outcome, rows, seconds),
        notes=NOTES,
    )
    write_atomically(folder / "report.html", render_page(page))
    publish_to_wandb(_tracked_runs(settings, folder, preset, clips), folder, wandb)
    return "\n".join(sentences)


def _warnings(settings: MotionSettings) -> list[str]:
    if settings.seeds == 1:
        return ["One seed proves nothing: this run shows that the machinery works, and no more."]
    return []


def _curves_svg(outcome: Outcome) -> str:
    columns = {title: [outcome.curves[name][arm] for arm in arms] for name, title, arms in outcome.groups()}
    palette = looks([arm.title for arms in columns.values() for arm in arms])
    drawn = [quantity_of(key) for key in DRAWN]
    ratios = [
        end_points(lines, arms[BASELINE], drawn, outcome.floor, palette, guarantees(lines))
        for arms in outcome.curves.values()
        if (lines := by_ratio(arms)) and BASELINE in arms
    ]
    return "\n".join([curve_grid(columns, drawn, outcome.floor, palette), *ratios])


def _sections(outcome: Outcome, founders: Founders) -> list[Section]:
    sections = [
        Section(
            "Last generation",
            "Mean over seeds, 95 % interval below (Student's t; it assumes roughly normal seeds). Realism and "
            "diversity belong together: a model can win one by losing the other.",
            last_generation_table(outcome),
        ),
        Section(
            "Corrected against uncorrected",
            "Paired differences at the last generation: both arms start from the same generation 0 and draw the same "
            "noise. A difference counts as better or worse where its p-value is at most "
            f"{verdict.LEVEL} after adjusting for all differences judged together (Holm): the arms with full physics "
            "correction, which the verdict is about, are one such family, all others a second one.",
            differences_table(outcome),
        ),
        Section(
            "How fast diversity goes",
            "Half-lives are medians over seeds, in generations. The factor is that of an exponential through the first "
            "and the last generation, with its interval; 1 is no loss. The contraction rates of theory are for models "
            "near their optimum and are not claimed for these.",
            speed_table(outcome),
        ),
        Section(
            "Collapse profile",
            "The literature uses definitions of collapse that disagree (Schaeffer et al. 2025). Each is held against "
            "every arm: risk is the geometric Fréchet distance, variance the one within labels, tails are recall, "
            "hallucinated is what precision lacks; a definition whose interval lies on both sides of its threshold, "
            "or that needs what was not varied, is not measurable here.",
            profile_table(outcome),
        ),
        Section(
            "What each arm was given",
            "A corrector that knows more about real motion than the training data do brings new information into the "
            "loop; stability and new information must not be confused.",
            budgets_table(outcome),
        ),
        Section(
            "Lines of descent",
            "Every synthetic sample descends from the nearest training sample of its label; the founders are the real "
            "training data. Drift alone would leave the share of founders that population genetics predicts from the "
            "label sizes and the offspring variance of generation 1; the rest of the loss is the learner's bias, which "
            "also shows where that variance grows. What drift alone leaves of coverage follows from the same numbers "
            "and the founders near each reference window. Novelty is the distance to the nearest of them, in median "
            "distances between neighbouring real samples; persistence is 1 for lines that walk at random and grows for "
            "lines that walk in one direction.",
            descent_table(outcome, founders),
        ),
        Section(
            "Defences of the fully synthetic loop",
            "Without information from outside, no defence is better than to train for ever on the first synthetic "
            "set; what it buys is new motion in every generation, so novelty stands beside survival. Costs are the "
            "time of sampling and training, of an undefended generation's.",
            defences_table(outcome.curves),
        ),
    ]
    return [section for section in sections if section.table.rows]


_PHASES = ("train", "sample", "correct", "trace", "evaluate", "mix", "else")


def _seconds_by_phase(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Over all runs; all arms share generation 0, so its time counts once for each denoiser and seed."""
    counted = {
        (row["denoiser"], row["seed"], row["arm"] if row["generation"] else "", row["generation"]): row for row in rows
    }
    return {phase: sum(row.get(f"seconds_{phase}", 0.0) for row in counted.values()) for phase in _PHASES}


def _summary(outcome: Outcome, rows: Sequence[Mapping[str, Any]], command: str) -> Summary:
    hours = sum(_seconds_by_phase(rows).values()) / 3600
    made = {"date": datetime.now(UTC).date().isoformat(), "core_hours": round(hours, 3), **machine(), **environment()}
    arms = {denoiser: tuple(arms.values()) for denoiser, arms in outcome.curves.items()}
    floors = {REAL: outcome.real, CORRECTED_REAL: outcome.corrected_real}
    return Summary(command, made, json.loads(json.dumps(outcome.settings.config())), arms, floors)


def _facts(outcome: Outcome, rows: Sequence[Mapping[str, Any]], seconds: float) -> dict[str, str]:
    settings = outcome.settings
    spent = _seconds_by_phase(rows)
    total = sum(spent.values())
    return {
        "Data": f"{', '.join(settings.data)}: windows of {settings.frames} frames at {settings.fps:g} per second",
        "Training windows per seed": f"n = {settings.real_count}",
        "Judged against": _reference_in_words(motion_data(settings, streams(settings.first_seed))),
        "Judged in each generation": f"{settings.judged_count} raw samples, the same noise and labels in every arm",
        "Seeds": f"{settings.seeds}, from {settings.first_seed}",
        "Generations": str(settings.generations),
        "Optimiser steps per generation": ", ".join(
            f"{name} {settings.steps[name]} ({settings.initial_steps[name]} in generation 0)" for name in outcome.curves
        ),
        "Time of this call": f"{seconds / 60:.1f} minutes",
        "Time by phase": ", ".join(f"{phase} {value / total:.0%}" for phase, value in spent.items() if value),
    }


def _reference_in_words(data: MotionData) -> str:
    count = len(data.reference)
    if data.held_out == "sources":
        return f"{count} real windows of other sources than the training windows; real against real compares the two"
    if data.held_out == "times":
        return f"{count} real windows of times that no training window shows"
    return (
        f"{count} other real windows of the same clips, which are too short to hold out whole windows: they share "
        "frames with training windows, so this tells how far a loop drifts from what it was given, and the level of "
        "real against real is a little optimistic"
    )


# --- motions and W&B -------------------------------------------------------------------------------------------------


def _by_section(clips: Sequence[Clip]) -> dict[str, list[Video]]:
    sections: dict[str, list[Video]] = {}
    for clip in clips:
        sections.setdefault(clip.section, []).append(Video(clip.caption, clip.path))
    return sections


def _tracked_runs(settings: MotionSettings, folder: Path, preset: str, clips: Sequence[Clip]) -> list[TrackedRun]:
    """A W&B run for every arm and seed, with the first seed's videos."""
    return [
        TrackedRun(
            name=f"{run.comparison.denoiser} {arm.name} seed {run.seed}",
            group=f"motion-{preset}",
            config=json.loads(json.dumps(settings.config())) | {"arm": arm.name, "seed": run.seed},
            rows=arm_rows(run, arm),
            media=_media_of(run, arm, clips),
        )
        for run in seed_runs(settings, folder)
        for arm in run.comparison.arms
    ]


def _media_of(run: SeedRun, arm: Arm, clips: Sequence[Clip]) -> dict[int, dict[str, Path]]:
    media: dict[int, dict[str, Path]] = {}
    for clip in clips:
        if (clip.denoiser, clip.arm, clip.seed) == (run.comparison.denoiser, arm.name, run.seed):
            media.setdefault(clip.generation, {})["samples"] = clip.path
    return media
