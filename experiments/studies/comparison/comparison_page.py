"""What stands on the page of a comparison: headline, curves and tables of user arms, whatever is measured."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from selfcorrect.core.errors import SettingError
from selfcorrect.loop.ancestry import ENTROPY
from selfcorrect.loop.calibration import SamplerCalibration
from selfcorrect.loop.run import TRAINING_LOSS
from selfcorrect.motion.measures.metrics import NOVELTY, Metric
from selfcorrect.statistics import UNBOUNDED, Bounds

from ..arm_curves import HELD_OUT, MEMORISER, ArmCurves
from ..arm_words import describe_line
from ..arms import ArmSettings
from ..claims import check_claims
from ..effects import format_headline
from ..figures import SHARE_CAPTION, Levels, curve_grid, share_picture
from ..outcome import Outcome, Pair, list_effects_by_share
from ..page import (
    Page,
    Section,
    answer_sections,
    claims_section,
    count_runs,
    curves_section,
    difference_section,
    made_section,
    notes_section,
    table_section,
)
from ..study import Study
from ..study_rows import list_measured, read_measures
from ..tables import LOOP_COLUMNS, arm_table, last_generation_table, loop_cells
from .arguments import ComparisonOptions, Direction

COMPARISON_NOTES = (
    "λ is the number of synthetic samples per real one. γ is the correction strength: each sample is replaced by its "
    "corrected form with probability γ/(1 + γ), so that γ = ∞, the default, corrects every sample.",
    "Arms of a seed start from the same generation 0 and draw the same random numbers, so their differences are taken "
    "seed by seed.",
)

PRIMARY_NOTE = "The primary score is {}: its differences are one family of tests, those of all other scores another."


UNASKED = (NOVELTY, TRAINING_LOSS, ENTROPY)
"""Keys of what is measured beside the evaluation: reported, and judged only if the user asks."""
REAL_SCORES_FILE = "real.json"
"""File of the evaluation of real data, in the folder of each task and seed."""
CALIBRATION_FILE = "sampler.json"
"""File of what the sampler of generation 0 keeps, in the same folder; empty if that cannot be measured."""
REAL_SCORES = {"held_out": HELD_OUT, "memoriser": MEMORISER}
"""Key of what the evaluation says of real data → row in tables. The first existing key gives the aim of `real`."""


@dataclass(frozen=True, kw_only=True)
class ComparisonPage(Page):
    """The page of a comparison of user arms."""

    references: Mapping[str, str]
    """Name of each arm → name of the arm of comparison."""
    options: ComparisonOptions

    def show(self, study: Study, outcome: Outcome) -> list[Section]:
        """Return the page of a finished comparison."""
        answer = format_headline(list_effects_by_share(outcome) or outcome.asked_effects) or NO_PAIRS
        checks = check_claims(self.options.claims, _list_curves_by_name(outcome))
        primary = [PRIMARY_NOTE.format(outcome.judged_metrics[0].name)] if self.options.primary else []
        arms = _list_arms(outcome)
        facts = {
            **count_runs(study),
            "Tasks": ", ".join(outcome.curves),
            "Arms": ", ".join(arm.key for arm in arms),
            "Optimiser steps per generation": ", ".join(dict.fromkeys(str(arm.steps) for arm in arms)),
        }
        last = last_generation_table(outcome, outcome.metrics)
        loops = arm_table("loop", LOOP_COLUMNS, outcome, loop_cells)
        return [
            *answer_sections(outcome, "\n".join([answer, *describe_calibrations(study, outcome)])),
            share_section(outcome),
            difference_section(outcome, REFERENCE_TEXT),
            curves_section(outcome, outcome.metrics),
            Section("Tables"),
            *([claims_section("Predicted and measured", "claims", checks)] if checks else []),
            table_section("Last generation", MEANS_TEXT, last),
            table_section("What the loop did", LOOP_TEXT, loops),
            made_section(outcome.command, facts),
            notes_section([*COMPARISON_NOTES, *primary]),
        ]

    def judge(self, study: Study, measured: Outcome) -> Outcome:
        """Add scores of real data and pairs; raises SettingError if a quality of an option is missing."""
        curves = measured.curves
        values = [arm.values for arms in curves.values() for arm in arms.values()]
        keys = list_measured(study, measured.folder)
        if any(ENTROPY in arm_values for arm_values in values):  # training sets are compared from generation 1 on
            keys.append(ENTROPY)
        self.options.check_measured(keys)
        metrics = [self._make_metric(key, [table[key] for table in values if key in table]) for key in keys]
        floors: dict[str, Mapping[str, np.ndarray]] = {}
        floor_of: dict[str, str] = {}
        missing = ""
        for task in curves:
            contents = read_measures(study, REAL_SCORES_FILE, task, measured.folder)
            missing = missing or next((str(content["missing"]) for content in contents if "missing" in content), "")
            for key, words in REAL_SCORES.items():
                if all(key in content for content in contents if content) and any(contents):
                    title = ", ".join(filter(None, (words, study.titles[task])))
                    floors[title] = _tabulate_scores([content.get(key, {}) for content in contents])
                    floor_of.setdefault(task, title)
        pairs = []
        for task, arms in curves.items():
            for arm in arms:
                references = [other for other in arms if other.key == self.references.get(arm.key)]
                pairs += [Pair(task, arm, reference) for reference in references]
        judged = self._select_judged(metrics)
        count = 1 if self.options.primary else 0
        return replace(
            measured,
            floors={} if missing else floors,
            floor_of={} if missing else floor_of,
            aims={key: float(aim) for key, aim in self.options.better.items() if not isinstance(aim, str)},
            metrics=metrics,
            pairs=pairs,
            questions=[family for family in (judged[:count], judged[count:]) if family],
            gaps=[*measured.gaps, *_list_unmeasured(curves, study.titles, metrics)],
            remarks=_list_remarks(judged, missing),
        )

    def list_final(self, outcome: Outcome) -> dict[str, float]:
        """List each arm's judged mean over seeds at the last generation."""
        figures = {}
        for task, arms in outcome.curves.items():
            for arm, curves in arms.items():
                for metric in outcome.judged_metrics:
                    name = "/".join(filter(None, (outcome.titles[task], arm.key, metric.key)))
                    figures[name] = float(curves.last(metric.key).mean())
        return figures

    def _make_metric(self, key: str, curves: Sequence[np.ndarray]) -> Metric:
        """Make a metric from its curves (S, T + 1); raises SettingError for a value beyond the user's bounds."""
        bounds = self.options.bounds.get(key, UNBOUNDED)
        _check_bounds(key, bounds, curves)
        better: Direction | Literal["neutral"] = self.options.better.get(key, "neutral")
        return Metric(
            key=key,
            name="novelty" if key == NOVELTY else key.replace("_", " "),
            axis="",
            better="aim" if isinstance(better, int | float) else better,
            digits=_count_digits(curves),
            bounds=bounds,
        )

    def _select_judged(self, metrics: Sequence[Metric]) -> list[Metric]:
        """Select the judged metrics, the primary one first.

        They are those that `better` or `primary` name, or else all that users measure.
        """
        named = [metric for metric in metrics if metric.key in self.options.better]
        judged = named or [metric for metric in metrics if metric.key not in UNASKED]
        primary = [metric for metric in metrics if metric.key == self.options.primary]
        return primary + [metric for metric in judged if metric not in primary]


def make_comparison_page(
    arms: Sequence[ArmSettings], references: Mapping[str, str], options: ComparisonOptions, generations: int
) -> ComparisonPage:
    """Return the page of a comparison of users' arms."""
    primary = {"primary": options.primary} if options.primary else {}
    counts = {"seeds": options.seeds, "first_seed": options.first_seed, "generations": generations}
    return ComparisonPage(
        title=options.title or _format_question(arms),
        settings={**counts, "better": dict(options.better), **primary},
        early=[*dict.fromkeys([*primary.values(), *options.better])],
        references=references,
        options=options,
    )


def _tabulate_scores(scores: Sequence[Mapping[str, float]]) -> dict[str, np.ndarray]:
    """Return each metric's scores (S,) over seeds from each seed's scores by metric, NaN for a seed without."""
    keys = dict.fromkeys(key for score in scores for key in score)
    return {key: np.array([score.get(key, np.nan) for score in scores], dtype=float) for key in keys}


MEANS_TEXT = "Mean over seeds, 95 % interval below (Student's t, which assumes roughly normal seeds)."
REFERENCE_TEXT = (
    "Paired differences at the last generation. Unless you chose a reference, an arm with a correction is compared "
    "with the same arm without, any other with the one on real data alone."
)
LOOP_TEXT = (
    "The realised mixture of the last training set, and what the corrector rejected and moved over all generations."
)


def describe_calibrations(study: Study, outcome: Outcome) -> list[str]:
    """Describe what each task's sampler keeps at generation 0, as a mean over seeds."""
    sentences = []
    for task in outcome.curves:
        contents = read_measures(study, CALIBRATION_FILE, task, outcome.folder)
        if not all(contents):
            continue
        means = {
            key: float(np.mean([content[key] for content in contents]))
            for key in ("offspring_variance", "within_labels")
        }
        kept = {}
        for variance in contents[0]["variance_kept"]:
            kept[float(variance)] = float(np.mean([content["variance_kept"][variance] for content in contents]))
        calibration = SamplerCalibration(**means, variance_kept=kept)
        title = f"Sampler of {study.titles[task]}" if study.titles[task] else "Sampler"
        sentences.append(f"{title} at generation 0: {calibration}.")
    return sentences


def _list_curves_by_name(outcome: Outcome) -> dict[str, Mapping[str, np.ndarray]]:
    """Return all curves by claim name: the arm, after the task if there are several."""
    curves_by_name = {}
    for task, arms in outcome.curves.items():
        for arm, curves in arms.items():
            name = f"{task}, {arm.key}" if len(outcome.curves) > 1 else arm.key
            curves_by_name[name] = curves.values
    return curves_by_name


def share_section(outcome: Outcome) -> Section:
    """Return the section of judged metrics by synthetic share, or over generations if only one share was run."""
    picture = share_picture(outcome, outcome.judged_metrics, [describe_line(arm) for arm in _list_arms(outcome)])
    words = SHARE_CAPTION
    if not picture:
        picture = curve_grid(outcome.columns(), outcome.judged_metrics, outcome.levels)
        words = "The qualities that are compared, over generations: means over seeds, bands their 95 % intervals."
    return Section(figures=[picture], caption=f"{words} {describe_levels(outcome.levels)}".strip(), id="answer")


def describe_levels(levels: Levels) -> str:
    """Describe the horizontal lines of figures, and what a missing line means."""
    if not levels:
        return ""
    words = "The dashed grey line is a memoriser, which draws its training samples: to reach it is no sign of quality."
    if HELD_OUT in levels:
        return f"The dotted line is held-out real data, on which no model is trained. {words}"
    return f"{words} The tasks have no held-out data (`held_out`), so the level of new real data is not known."


def _check_bounds(key: str, bounds: Bounds, curves: Sequence[np.ndarray]) -> None:
    lowest, highest = bounds
    for values in curves:
        outside = values[(values < lowest) | (values > highest)]
        if len(outside):
            raise SettingError(f"`bounds` of {key!r} are {lowest:g} and {highest:g}, and {outside[0]:g} was measured")


def _list_unmeasured(
    curves: Mapping[str, Mapping[ArmSettings, ArmCurves]], titles: Mapping[str, str], metrics: Sequence[Metric]
) -> Iterator[str]:
    """Yield a sentence for each arm and quality without a value at the last generation in some seeds."""
    for task, arms in curves.items():
        for arm in arms.values():
            for metric in metrics:
                if metric.key in UNASKED:
                    continue
                last = arm.last(metric.key)
                who = ", ".join(filter(None, (titles[task], arm.title)))
                if lacking := int(np.isnan(last).sum()):
                    yield f"{who}: {metric.title} has no value at the end in {lacking} of {len(last)} seeds"


def _count_digits(values: Sequence[np.ndarray]) -> int:
    """Return decimals for three significant digits of the largest value."""
    largest = max((float(np.nanmax(np.abs(curve))) for curve in values if np.isfinite(curve).any()), default=0.0)
    return 2 if largest == 0 or not math.isfinite(largest) else min(max(2 - math.floor(math.log10(largest)), 0), 6)


def _format_question(arms: Sequence[ArmSettings]) -> str:
    names = [name for name in dict.fromkeys(arm.corrector for arm in arms) if name != "none"]
    if not names:
        return "How do the loops compare?"
    return f"Does {names[0] if len(names) == 1 else 'correction'} keep the loop from collapsing?"


NO_PAIRS = "No arm has another to be compared with: add the same arm without correction, or one with RealOnly."


def _list_remarks(judged: Sequence[Metric], missing: str) -> list[str]:
    """Return reservations about an answer.

    Args:
        missing: Reason that real data have no scores, "" with scores.
    """
    remarks = []
    if missing:
        remarks.append(
            f"The evaluation could not score real data, so no level of real data is shown: {missing}. "
            "If the value of real data is your aim, give it as a number, as in better={'quality': 1.0}."
        )
    if any(metric.better == "neutral" for metric in judged):
        remarks.append("Which way a quality is good was not given (`better`): changes are called higher or lower.")
    return remarks


def _list_arms(outcome: Outcome) -> list[ArmSettings]:
    return list(next(iter(outcome.curves.values())))
