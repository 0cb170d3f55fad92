"""The results of a comparison as files: report.html, summary.json, metrics as CSV and JSON lines, tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from selfcorrect.motion.measures.metrics import Metric
from selfcorrect.storage.files.listings import DIGESTS, write_listing
from selfcorrect.storage.files.writing import write_atomically
from selfcorrect.storage.runs.run_folder import environment
from selfcorrect.storage.runs.tracking import write_rows

from ..reporting import verdict
from ..reporting.cards import card
from ..reporting.figures import curve_grid, looks
from ..reporting.summary import SUMMARY, Summary, machine, write_summary
from ..reporting.tables import (
    LOOP_COLUMNS,
    effects_table,
    half_life_cell,
    last_generation_table,
    loop_cells,
    write_tables,
)
from ..reporting.webpage import Card, Page, Picture, Row, Section, Table, render_page
from .outcome import REAL, Comparison, Outcome

NOTES = (
    "λ is the number of synthetic samples per real one. γ is the correction strength: each sample is replaced by its "
    "corrected form with probability γ/(1 + γ), so that γ = ∞, the default, corrects every sample.",
    "Arms of a seed start from the same generation 0 and draw the same random numbers, so their differences are taken "
    "seed by seed.",
)


def write_report(outcome: Outcome, folder: Path, *, kept: bool) -> Comparison:
    """Write every result of a finished comparison below `folder`, then their digests."""
    (folder / DIGESTS).unlink(missing_ok=True)  # of an earlier call: what is written now may differ
    effects = outcome.effects()
    sentences = [_headline(effects), *(_sentence(outcome, each) for each in effects), *outcome.gaps]
    sections = _sections(outcome, effects)
    summary = _summary(outcome)
    write_rows(folder / "metrics.jsonl", outcome.rows)
    write_atomically(folder / "metrics.csv", summary.to_csv())
    write_summary(folder / SUMMARY, summary)
    page = Page(
        title=outcome.title or _question(outcome),
        subtitle=outcome.command,
        answer=sentences[0],
        picture=Picture(
            _curves_svg(outcome, outcome.judged),
            "What is judged, over generations: means over seeds, and the range of the seeds.",
        ),
        cards=_cards(outcome),
        details=sentences[1:],
        warnings=_warnings(outcome),
        curves=_curves_svg(outcome, outcome.metrics),
        sections=sections,
        facts=_facts(outcome),
        notes=NOTES,
    )
    write_atomically(folder / "report.html", render_page(page))
    tables = write_tables(folder, [section.table for section in sections])
    write_listing(folder, [folder / "metrics.jsonl", folder / "metrics.csv", folder / "report.html", *tables])
    named = {section.table.id: section.table for section in sections}
    return Comparison(sentences, summary, named, folder if kept else None, tuple(outcome.gaps))


def _question(outcome: Outcome) -> str:
    names = list(dict.fromkeys(arm.plan.correction.name for arm in outcome.arms if arm.plan.correction))
    if not names:
        return "How do the loops compare?"
    return f"Does {names[0] if len(names) == 1 else 'correction'} keep the loop from collapsing?"


def _headline(effects: Sequence[Sequence[verdict.Effect]]) -> str:
    """In how many comparisons each judged quality is better, worse or undecided."""
    judged = [effect for each in effects for effect in each]
    if not judged:
        return "No arm has another to be compared with: add the same plan without correction, or one with RealOnly."
    if any(effect.word == "one seed" for effect in judged):
        return verdict.ONE_SEED
    metrics = dict.fromkeys(effect.metric for effect in judged)
    told = [
        f"{metric.title} is {verdict.tally([effect.word for effect in judged if effect.metric == metric])}"
        for metric in metrics
    ]
    return f"Against its reference, {'; '.join(told)}."


def _sentence(outcome: Outcome, effects: Sequence[verdict.Effect]) -> str:
    baseline = outcome.baseline
    if baseline is None:
        return verdict.sentence(effects, None, outcome.generations)
    curves = next(arms for arms in outcome.curves.values() if effects[0].arm in arms.values())
    return verdict.sentence(effects, curves[baseline.title], outcome.generations)


def _warnings(outcome: Outcome) -> list[str]:
    warnings = [*outcome.gaps]
    if len(outcome.seeds) == 1:
        warnings.append("One seed proves nothing: this run shows that the machinery works, and no more.")
    if outcome.unjudged:
        warnings.append(f"The judge could not score real data, so no level of real data is shown: {outcome.unjudged}")
    if any(metric.better == "neutral" for metric in outcome.judged):
        warnings.append("Which way a quality is good was not given (`better`): changes are called higher or lower.")
    return warnings


def _cards(outcome: Outcome) -> list[Card]:
    """A card for each judged metric without negative values, which have no place on an axis from 0."""
    several = len(outcome.curves) > 1
    cards = []
    for metric in outcome.judged:
        groups = {
            task if several else "": {title: metric.interval(arm.last(metric.key)) for title, arm in arms.items()}
            for task, arms in outcome.curves.items()
        }
        floor = next(iter(outcome.floors.values()), {})
        real = metric.interval(floor[metric.key]) if metric.key in floor and not several else None
        groups = {
            task: {title: interval for title, interval in group.items() if not math.isnan(interval.estimate)}
            for task, group in groups.items()
        }
        if all(interval.estimate >= 0 for group in groups.values() for interval in group.values()):
            cards.append(card(metric.title, metric, groups, real))
    return cards


def _curves_svg(outcome: Outcome, metrics: Sequence[Metric]) -> str:
    several = len(outcome.curves) > 1
    columns = {task if several else "": [*arms.values()] for task, arms in outcome.curves.items()}
    palette = looks([arm.title for arms in columns.values() for arm in arms])
    tasks = list(outcome.curves)
    floor = {key: float(values.mean()) for key, values in outcome.floors.get(tasks[0], {}).items()}
    return curve_grid(columns, metrics, {} if several else floor, palette)


def _sections(outcome: Outcome, effects: Sequence[Sequence[verdict.Effect]]) -> list[Section]:
    several = len(outcome.curves) > 1
    groups = [(task if several else "", [*arms.values()]) for task, arms in outcome.curves.items()]
    floors = {f"{REAL}, {task}" if several else REAL: scores for task, scores in outcome.floors.items()}
    falling = [metric for metric in outcome.metrics if metric.better == "higher"]
    sections = [
        Section(
            "Last generation",
            "Mean over seeds, 95 % interval below (Student's t up to 19 seeds; it assumes roughly normal seeds).",
            last_generation_table(groups, outcome.metrics, floors),
        ),
        Section(
            "Against the reference",
            "Paired differences at the last generation. A plan with a correction is compared with the same plan "
            "without, any other with the one on real data alone. A difference counts where its p-value is at most "
            f"{verdict.LEVEL} after adjusting for all differences in this table (Holm).",
            effects_table(effects, "Arm", [metric.title for metric in outcome.judged]),
        ),
        Section(
            "How fast it falls",
            "Half-lives of what is good when high, in generations: the median over seeds and its interval. Up to 5 "
            "seeds it is Student's t of the logarithms, or the range of the seeds where some do not reach it.",
            _table_of_arms(groups, "speed", [f"Half-life, {metric.title}" for metric in falling], falling),
        ),
        Section(
            "What the loop did",
            "The realised mixture of the last training set, and what the corrector rejected and moved over all "
            "generations.",
            Table("loop", "Arm", LOOP_COLUMNS, _loop_rows(groups)),
        ),
    ]
    return [section for section in sections if section.table.rows and section.table.columns]


def _table_of_arms(groups, table_id: str, columns: Sequence[str], metrics: Sequence) -> Table:
    table = Table(table_id, "Arm", columns)
    for title, arms in groups:
        table.rows.extend([Row(title, [])] * bool(title))
        table.rows.extend(Row(arm.title, [half_life_cell(arm.values[each.key]) for each in metrics]) for arm in arms)
    return table


def _loop_rows(groups) -> list[Row]:
    return [
        row
        for title, arms in groups
        for row in (*([Row(title, [])] * bool(title)), *(Row(arm.title, loop_cells(arm)) for arm in arms))
    ]


def _facts(outcome: Outcome) -> Mapping[str, str]:
    return {
        "Tasks": ", ".join(outcome.curves),
        "Arms": ", ".join(arm.title for arm in outcome.arms),
        "Seeds": f"{len(outcome.seeds)}, from {outcome.seeds[0]}",
        "Generations": str(outcome.generations),
        "Optimiser steps per generation": ", ".join(dict.fromkeys(str(arm.plan.steps) for arm in outcome.arms)),
    }


def _summary(outcome: Outcome) -> Summary:
    made = {"date": datetime.now(UTC).date().isoformat(), **machine(), **environment()}
    settings = {
        "seeds": len(outcome.seeds),
        "first_seed": outcome.seeds[0],
        "generations": outcome.generations,
        "better": {metric.key: metric.better for metric in outcome.metrics if metric.better != "neutral"},
    }
    arms = {task: tuple(curves.values()) for task, curves in outcome.curves.items()}
    several = len(arms) > 1
    floors = {f"{REAL}, {task}" if several else REAL: scores for task, scores in outcome.floors.items()}
    return Summary(outcome.command, made, settings, arms, floors)
