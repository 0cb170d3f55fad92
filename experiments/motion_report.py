"""The motion experiment's results as files that people open: report.html, metrics.jsonl, motions as BVH, W&B runs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from selfcorrect.experiments import verdict
from selfcorrect.experiments.arms import BASELINE, Arm
from selfcorrect.experiments.figures import colours, curve_grid
from selfcorrect.experiments.media import Clip, render_clips
from selfcorrect.experiments.places import Place, places
from selfcorrect.experiments.presets import CHARACTER, MotionSettings
from selfcorrect.experiments.references import CORRECTED_REAL, REAL, read_references
from selfcorrect.experiments.results import QUANTITIES, ArmCurves, Quantity, collect
from selfcorrect.experiments.webpage import Cell, Page, Row, Section, Table, render_page
from selfcorrect.run_folder import write_atomically
from selfcorrect.statistics import Interval, half_life_interval, mean_interval
from selfcorrect.store import FolderReader
from selfcorrect.tracking import TrackedRun, WandbMode, publish_to_wandb, rows_of, write_rows

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

JUDGED = ("fid_kinematic", "recall")
"""The two measures, one per axis, that the verdict rests on; judging more would need stronger evidence for each."""


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


@dataclass(frozen=True)
class Outcome:
    """Everything measured, arranged: curves of every denoiser's arms, and what real data score.

    curves: denoiser → arm → curves; real, corrected_real: quantity → (S,) values per seed.
    """

    settings: MotionSettings
    curves: Mapping[str, Mapping[Arm, ArmCurves]]
    real: Mapping[str, np.ndarray]
    corrected_real: Mapping[str, np.ndarray]

    @property
    def floor(self) -> dict[str, float]:
        """What real data score on average."""
        return {key: float(values.mean()) for key, values in self.real.items()}

    def groups(self) -> Iterator[tuple[str, str, list[Arm]]]:
        """Denoiser, title of a group of arms that share a policy, the arms; the baseline is in every group."""
        for denoiser, arms in self.curves.items():
            for group in dict.fromkeys(arm.group for arm in arms if arm != BASELINE):
                members = [arm for arm in arms if arm == BASELINE or arm.group == group]
                yield denoiser, f"{CHARACTER[denoiser]} ({denoiser}), {group}", members


def read_outcome(settings: MotionSettings, folder: Path) -> Outcome:
    """Collect a finished experiment from its run folders."""
    everywhere = places(settings, folder)
    curves = {
        comparison.denoiser: {
            arm: collect(
                [row for place in everywhere if place.comparison == comparison for row in arm_rows(place, arm)],
                arm.name,
                f"{CHARACTER[comparison.denoiser]}, {arm.group}",
                arm.title,
            )
            for arm in comparison.arms
        }
        for comparison in settings.comparisons
    }
    scores = [read_references(place.seed_folder) for place in everywhere if place.comparison == settings.comparisons[0]]
    return Outcome(settings, curves, _stack(scores, REAL), _stack(scores, CORRECTED_REAL))


def arm_rows(place: Place, arm: Arm) -> list[dict[str, Any]]:
    """One row per generation of an arm: who it is, its metrics, its timings."""
    store, first = FolderReader(place.arm_folder(arm)), FolderReader(place.first_folder)
    who = {"denoiser": place.comparison.denoiser, "arm": arm.name, "seed": place.seed}
    return [
        {**who, **row, **_seconds((first if row["generation"] == 0 else store).timings(row["generation"]))}
        for row in rows_of(store, first)
    ]


def _seconds(timings: Mapping[str, float]) -> dict[str, float]:
    return {f"seconds_{phase}": value for phase, value in timings.items()}


def _stack(scores: Sequence[Mapping[str, Mapping[str, float]]], name: str) -> dict[str, np.ndarray]:
    return {key: np.array([score[name][key] for score in scores]) for key in scores[0][name]}


def write_report(settings: MotionSettings, folder: Path, preset: str, wandb: WandbMode, seconds: float) -> str:
    """Write every result of a finished experiment below `folder`; returns the verdict as text."""
    outcome = read_outcome(settings, folder)
    rows = [row for place in places(settings, folder) for arm in place.comparison.arms for row in arm_rows(place, arm)]
    write_rows(folder / "metrics.jsonl", rows)
    clips = render_clips(settings, folder)
    sentences = verdict_sentences(outcome)
    page = Page(
        title="Does physics keep a self-consuming motion model from collapsing?",
        subtitle=f"selfcorrect motion --preset {preset}",
        verdict=sentences,
        warnings=_warnings(settings),
        curves=_curves_svg(outcome),
        sections=_sections(outcome),
        media=_by_section(clips),
        facts=_facts(outcome, rows, seconds),
        notes=NOTES,
    )
    write_atomically(folder / "report.html", render_page(page).encode())
    publish_to_wandb(_tracked_runs(settings, folder, preset, clips), folder, wandb)
    return "\n".join(sentences)


# --- the verdict -----------------------------------------------------------------------------------------------------


def _pairs(outcome: Outcome) -> list[tuple[str, Arm, Arm]]:
    """Denoiser, corrected arm, and the uncorrected arm of the same policy."""
    return [
        (denoiser, arm, uncorrected)
        for denoiser, arms in outcome.curves.items()
        for arm in arms
        for uncorrected in arms
        if arm.corrector != "none" and uncorrected == Arm(arm.policy)
    ]


def _judged(outcome: Outcome) -> list[verdict.Effect]:
    pairs = [(outcome.curves[name][arm], outcome.curves[name][other]) for name, arm, other in _pairs(outcome)]
    return verdict.effects(pairs, [_quantity(key) for key in JUDGED], outcome.floor)


def _quantity(key: str) -> Quantity:
    return next(quantity for quantity in QUANTITIES if quantity.key == key)


def verdict_sentences(outcome: Outcome) -> list[str]:
    """The headline, then one sentence for each corrected arm."""
    judged = _judged(outcome)
    baselines = [outcome.curves[denoiser][BASELINE] for denoiser, _, _ in _pairs(outcome)]
    details = [
        verdict.sentence(judged[start : start + len(JUDGED)], baseline, outcome.settings.generations)
        for start, baseline in zip(range(0, len(judged), len(JUDGED)), baselines, strict=True)
    ]
    return [verdict.headline(judged, "physics"), *details]


def _warnings(settings: MotionSettings) -> list[str]:
    if settings.seeds == 1:
        return ["One seed proves nothing: this run shows that the machinery works, and no more."]
    return []


# --- curves and tables -----------------------------------------------------------------------------------------------


def _curves_svg(outcome: Outcome) -> str:
    columns = {title: [outcome.curves[name][arm] for arm in arms] for name, title, arms in outcome.groups()}
    palette = colours([arm.title for arms in columns.values() for arm in arms])
    return curve_grid(columns, [_quantity(key) for key in DRAWN], outcome.floor, palette)


def _sections(outcome: Outcome) -> list[Section]:
    return [
        Section(
            "Last generation",
            "Mean over seeds, 95 % interval below (Student's t; it assumes roughly normal seeds). Realism and "
            "diversity belong together: a model can win one by losing the other.",
            last_generation_table(outcome),
        ),
        Section(
            "Corrected against uncorrected",
            "Paired differences at the last generation: both arms start from the same generation 0 and draw the same "
            "noise. A difference counts as better or worse where its p-value, adjusted for all differences of this "
            "table (Holm), is "
            f"at most {verdict.LEVEL}.",
            differences_table(outcome),
        ),
        Section(
            "What each arm was given",
            "A corrector that knows more about real motion than the training data do brings new information into the "
            "loop; stability and new information must not be confused.",
            budgets_table(outcome),
        ),
    ]


def last_generation_table(outcome: Outcome) -> Table:
    """All quantities of all arms at the last generation, real data on top."""
    columns = [quantity.title for quantity in QUANTITIES]
    halves = ["Half-life of recall", "Half-life of coverage", "Rate of recall per generation"]
    table = Table("arms", "Arm", [*columns, *halves], [])
    for title, scores in ((REAL, outcome.real), (CORRECTED_REAL, outcome.corrected_real)):
        cells = [_cell(mean_interval(scores[quantity.key]), quantity.digits) for quantity in QUANTITIES]
        table.rows.append(Row(title, [*cells, *[Cell("")] * len(halves)], soft=True))
    for denoiser, title, arms in outcome.groups():
        table.rows.append(Row(title, []))
        table.rows.extend(_arm_row(outcome.curves[denoiser][arm]) for arm in arms)
    return table


def _arm_row(arm: ArmCurves) -> Row:
    cells = [_cell(mean_interval(arm.last(quantity.key)), quantity.digits) for quantity in QUANTITIES]
    halves = [_half_life(arm.values[key]) for key in ("recall", "coverage")]
    return Row(arm.title, [*cells, *halves, _cell(mean_interval(_rates(arm.values["recall"])), 2)])


def _cell(interval: Interval, digits: int) -> Cell:
    bounds = "" if math.isnan(interval.low) else f"{interval.low:.{digits}f} … {interval.high:.{digits}f}"
    return Cell(f"{interval.estimate:.{digits}f}", bounds)


def _half_life(curves: np.ndarray) -> Cell:
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
    judged = _judged(outcome)
    rows = [
        Row(
            f"{effects[0].arm.group}: {effects[0].arm.title}",
            [Cell(f"{effect.word}", verdict.signed(effect.change, effect.quantity.digits)) for effect in effects],
        )
        for effects in (judged[start : start + len(JUDGED)] for start in range(0, len(judged), len(JUDGED)))
    ]
    return Table("differences", "Corrected against uncorrected", [_quantity(key).title for key in JUDGED], rows)


def budgets_table(outcome: Outcome) -> Table:
    """What each arm's corrector knew, and what the loop really did."""
    columns = ["Corrector knows", "λ realised", "synthetic share", "rejected of drawn", "moved (feature units)"]
    rows = [
        Row(f"{CHARACTER[denoiser]}, {arm.group}: {arm.title}", _budget_cells(arm, curves))
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


def _facts(outcome: Outcome, rows: Sequence[Mapping[str, Any]], seconds: float) -> dict[str, str]:
    settings = outcome.settings
    phases = ("train", "sample", "correct", "evaluate", "mix", "else")
    # All arms share generation 0, so its time counts once for each denoiser and seed.
    counted = {
        (row["denoiser"], row["seed"], row["arm"] if row["generation"] else "", row["generation"]): row for row in rows
    }
    spent = {phase: sum(row.get(f"seconds_{phase}", 0.0) for row in counted.values()) for phase in phases}
    total = sum(spent.values())
    return {
        "Data": f"{', '.join(settings.data)}: windows of {settings.frames} frames at {settings.fps:g} per second",
        "Training windows per seed": f"n = {settings.real_count}",
        "Judged in each generation": f"{settings.judged_count} raw samples, the same noise and labels in every arm",
        "Seeds": f"{settings.seeds}, from {settings.first_seed}",
        "Generations": str(settings.generations),
        "Optimiser steps per generation": ", ".join(
            f"{name} {settings.steps[name]} ({settings.initial_steps[name]} in generation 0)" for name in outcome.curves
        ),
        "Time of this call": f"{seconds / 60:.1f} minutes",
        "Time by phase": ", ".join(f"{phase} {value / total:.0%}" for phase, value in spent.items() if value),
    }


# --- motions and W&B -------------------------------------------------------------------------------------------------


def _by_section(clips: Sequence[Clip]) -> dict[str, list[Clip]]:
    return {
        name: [clip for clip in clips if clip.section == name] for name in dict.fromkeys(clip.section for clip in clips)
    }


def _tracked_runs(settings: MotionSettings, folder: Path, preset: str, clips: Sequence[Clip]) -> list[TrackedRun]:
    """A W&B run for every arm and seed, with the first seed's videos."""
    return [
        TrackedRun(
            name=f"{place.comparison.denoiser} {arm.name} seed {place.seed}",
            group=f"motion-{preset}",
            config=json.loads(json.dumps(settings.config())) | {"arm": arm.name, "seed": place.seed},
            rows=arm_rows(place, arm),
            media=_media_of(place, arm, clips),
        )
        for place in places(settings, folder)
        for arm in place.comparison.arms
    ]


def _media_of(place: Place, arm: Arm, clips: Sequence[Clip]) -> dict[int, dict[str, Path]]:
    media: dict[int, dict[str, Path]] = {}
    for clip in clips:
        if (clip.denoiser, clip.arm, clip.seed) == (place.comparison.denoiser, arm.name, place.seed):
            media.setdefault(clip.generation, {})["samples"] = clip.path
    return media
