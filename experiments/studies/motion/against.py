"""Compare new arms with the kept arms of an earlier run, paired by seed.

The reference arms of a comparison cost most of its time, and they are the same for everybody. Let k(s) be the kept
scores of a reference arm at seed s, and m(s) those of a new arm that starts from the same generation 0 and draws the
same noise. Then m(s) − k(s) are paired differences, as if both arms had run together. That only holds if the kept run
would have the same scores here, but for rounding: a deviation δ of k(s) adds δ² to the variance of the differences. So
the settings must be equal, and each seed's generation 0 must have the kept scores, and so must the references of the
new arms at the first seed, which run once more. Processors of two makers differ by at most 1 % of the standard
deviation over seeds after ten generations.
"""

import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import fields as dataclass_fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.motion.measures.metrics import CLEANED, Metric, find_metric
from selfcorrect.storage.files.strict_json import as_json

from ...jobs.where import Where
from ..arm_curves import REAL_AGAINST_REAL, ArmCurves, find_aims
from ..arm_words import describe_treatment
from ..arms import BASELINE, ArmSettings
from ..effects import judge_effects
from ..outcome import Outcome
from ..page import Section
from ..run import run_study
from ..study import Study
from ..study_rows import collect_curves
from ..summary import COMMIT, ROUNDING_OF_SUMMARIES, Summary, read_summary, round_curves
from ..tables import MARKS_LEGEND, PageRow, Table, change_cell, last_generation_table
from .answer import select_questions, select_shown_pairs
from .media import Media, show_motions
from .motion_page import MotionPage, make_motion_page
from .settings import MotionSettings, RunOptions, arms_from_config, list_differences
from .study import check_motion_study, make_motion_study

PUBLISHED = "published"
"""Name of the kept run that the package has."""
PUBLISHED_FILE = Path(__file__).with_name("published.json")
"""Summary of `selfcorrect motion`, made by `python docs/tools/results.py short RUN`."""
MAX_DEVIATION = 0.1
"""Largest deviation of a score that is measured again, in standard deviations over the kept seeds. It widens intervals
by 0.5 %."""
IN_README = ("energy_ankles", "penetration_mm", "slide_m_s", "fid_kinematic", "fid_ground", "coverage")
"""Metrics of the table in the README, the independent judge first."""


@dataclass(frozen=True)
class KeptRun:
    """A finished run of which the scores are kept."""

    name: str
    """Name in messages."""
    summary: Summary

    @classmethod
    def read(cls, name: str) -> "KeptRun":
        """Read "published", a run folder or a summary.json.

        Raises:
            InputError: The name is none of these.
        """
        try:
            return cls(name, read_summary(PUBLISHED_FILE if name == PUBLISHED else name))
        except InputError as error:
            raise InputError(
                f"--against {name}: expected {PUBLISHED}, a run folder or its summary ({error})"
            ) from error

    @cached_property
    def arms(self) -> Mapping[str, Sequence[ArmSettings]]:
        """Denoiser → arms."""
        comparisons = self.summary.settings["comparisons"]
        return {comparison["denoiser"]: arms_from_config(comparison) for comparison in comparisons}

    @property
    def words(self) -> str:
        """The origin in words."""
        made = self.summary.made
        packages = made.get("packages", {})
        return (
            f"{self.summary.command}, selfcorrect {packages.get('selfcorrect')}, commit {str(made.get(COMMIT))[:10]}, "
            f"{made.get('date')}, {made.get('processor')}, torch {packages.get('torch')}"
        )

    def select_new_arms(self, settings: MotionSettings) -> MotionSettings:
        """Drop the arms that are kept.

        Raises:
            SettingError: Pairs would be invalid, because settings differ or seeds or references are not kept, or all
                arms are kept.
        """
        kept = self.summary
        own_metrics = {"metric": kept.settings.get("metric", ())}  # further metrics leave all others as they are
        requested = {**settings.config(), **own_metrics}
        differences = list_differences(
            *(_select_denoisers(of_run, settings.arms) for of_run in (kept.settings, requested))
        )
        if kept.generations != settings.generations:
            differences.append(f"generations is {settings.generations} instead of {kept.generations}")
        if differences:
            raise SettingError(f"--against {self.name}: pairs would be invalid, because {'; '.join(differences)}")
        last_seed, last_kept = (run.first_seed + run.seeds - 1 for run in (settings, kept))
        if settings.first_seed < kept.first_seed or last_seed > last_kept:
            raise SettingError(
                f"--against {self.name}: keeps the seeds {kept.first_seed} to {last_kept}, got {settings.first_seed} "
                f"to {last_seed}; pass fewer --seeds"
            )
        new_arms: dict[str, tuple[ArmSettings, ...]] = {}
        for denoiser, arms in settings.arms.items():
            of_kept = self.arms.get(denoiser, ())
            if BASELINE not in of_kept:
                raise SettingError(
                    f"--against {self.name}: keeps arms of {', '.join(self.arms)}, got the denoiser {denoiser}"
                )
            if own := tuple(arm for arm in arms if arm not in of_kept):
                new_arms[denoiser] = own
        if not new_arms:
            raise SettingError(f"--against {self.name}: all of these arms are kept; name your own with --corrector")
        return replace(settings, arms=new_arms)

    def select_references(self, settings: MotionSettings) -> MotionSettings:
        """Return the settings of the kept arms that run once more: the references of new arms, at the first seed."""
        references = {}
        for denoiser, arms in settings.arms.items():
            wanted = dict.fromkeys((BASELINE, *(arm.plain for arm in arms)))
            references[denoiser] = tuple(arm for arm in wanted if arm in self.arms[denoiser])
        return replace(settings, arms=references, seeds=1)

    def cut(self, settings: MotionSettings) -> Summary:
        """Return the summary of the seeds of these settings."""
        first = settings.first_seed - self.summary.first_seed
        seeds = slice(first, first + settings.seeds)

        def cut(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            return {key: array[seeds] for key, array in values.items()}

        arms = {}
        for denoiser, curves in self.summary.arms.items():
            arms[denoiser] = tuple(replace(arm, values=cut(arm.values)) for arm in curves)
        floors = {title: cut(scores) for title, scores in self.summary.floors.items()}
        return replace(self.summary, arms=arms, floors=floors)

    def curves_of(
        self, settings: MotionSettings, denoiser: str, *, all_seeds: bool = False
    ) -> dict[ArmSettings, ArmCurves]:
        """Return the curves of a denoiser's kept arms, of the seeds of these settings or of all kept seeds."""
        summary = self.summary if all_seeds else self.cut(settings)
        return dict(zip(self.arms[denoiser], summary.arms[denoiser], strict=True))

    def drop(self, keys: Collection[str]) -> "KeptRun":
        """Return the run without some scores."""
        arms = {}
        for denoiser, curves in self.summary.arms.items():
            arms[denoiser] = tuple(replace(arm, values=_drop_keys(arm.values, keys)) for arm in curves)
        floors = {title: _drop_keys(scores, keys) for title, scores in self.summary.floors.items()}
        return replace(self, summary=replace(self.summary, arms=arms, floors=floors))

    def check_pairs(self, curves: Mapping[ArmSettings, ArmCurves], settings: MotionSettings, denoiser: str) -> set[str]:
        """Check that arms that ran here have the kept scores: whole references, and generation 0 of all others.

        Returns:
            Keys of scores after clean-up that differ, because the corrector has changed. They make no loop invalid.

        Raises:
            SettingError: Another score differs by more than `MAX_DEVIATION` and the rounding of kept scores.
        """
        changed = set()
        kept = self.curves_of(settings, denoiser)
        for arm, measured in curves.items():
            stop = None if arm in kept else 1
            reference = arm if arm in kept else BASELINE
            all_seeds = self.curves_of(settings, denoiser, all_seeds=True)[reference].values
            of_kept = kept[reference].values
            for key in measured.values.keys() & of_kept.keys():
                if key.startswith("seconds_"):
                    continue
                new, old = measured.values[key][:, :stop], of_kept[key][:, :stop]
                spread = np.nan_to_num(_spread(all_seeds[key])[:stop])
                differs = np.abs(new - old) > MAX_DEVIATION * spread + ROUNDING_OF_SUMMARIES * np.abs(old)
                if differs.any() and key in CLEANED:
                    changed.add(key)
                elif differs.any():
                    seed, generation = np.argwhere(differs)[0]
                    raise SettingError(
                        f"--against {self.name}: pairs are invalid on this machine or with these versions, because "
                        f"{describe_treatment(arm)} has {key} {new[seed, generation]:.5g} at seed "
                        f"{settings.first_seed + seed}, generation {generation}, and the kept run has "
                        f"{old[seed, generation]:.5g} ({self.words}); leave out --against, which runs all arms here"
                    )
        return changed


def _select_denoisers(config: Mapping[str, Any], denoisers: Collection[str]) -> dict[str, Any]:
    """Drop the training steps of all other denoisers, which have no arm."""
    selected = dict(config)
    for name in ("steps", "initial_steps"):
        selected[name] = {denoiser: steps for denoiser, steps in config[name].items() if denoiser in denoisers}
    return selected


def _drop_keys(values: Mapping[str, np.ndarray], keys: Collection[str]) -> dict[str, np.ndarray]:
    return {key: array for key, array in values.items() if key not in keys}


def _spread(values: np.ndarray) -> np.ndarray:
    """Return the standard deviation (G + 1,) over seeds of (S, G + 1), 0 for a single seed."""
    return values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros(values.shape[1])


@dataclass(frozen=True, kw_only=True)
class AgainstPage(MotionPage):
    """The page of new arms beside kept ones."""

    kept: KeptRun

    def add_arms(
        self, curves: Mapping[str, Mapping[ArmSettings, ArmCurves]]
    ) -> dict[str, dict[ArmSettings, ArmCurves]]:
        """Add the kept arms to new ones.

        Scores are rounded as kept ones are, so that equal arms have no difference.

        Raises:
            SettingError: Generation 0 has other scores than the kept one.
        """
        joined = {}
        for denoiser, arms in curves.items():
            self.kept.check_pairs(arms, self.experiment, denoiser)
            rounded = {arm: round_curves(of_arm) for arm, of_arm in arms.items()}
            joined[denoiser] = {**self.kept.curves_of(self.experiment, denoiser), **rounded}
        return joined

    def show(self, study: Study, outcome: Outcome) -> list[Section]:
        """Return the page, with all arms below the answer."""
        sections = super().show(study, outcome)
        at = 1 + len(outcome.gaps) + len(outcome.remarks)
        origin = f"Kept arms: {self.kept.words}."
        scores = Section("All arms", f"{SCORES_TEXT} {origin}", scores_table(outcome))
        pairs = Section("New arms less others", table=pairs_table(outcome, self.experiment), caption=PAIRS_TEXT)
        return [*sections[:at], scores, pairs, *sections[at:]]

    def show_media(self, outcome: Outcome) -> Media:
        """Show motions of the new arms; kept arms have scores only."""
        own = self.experiment.arms
        curves = {}
        for denoiser, arms in outcome.curves.items():
            curves[denoiser] = {arm: of_arm for arm, of_arm in arms.items() if arm in own[denoiser]}
        beside = {denoiser: own[denoiser] for denoiser in curves}
        pairs = [pair for pair in select_shown_pairs(outcome) if pair.arm in own[pair.task]]
        return show_motions(self.experiment, self.options, replace(outcome, curves=curves), pairs, beside)


def check_references(
    kept: KeptRun, settings: MotionSettings, options: RunOptions, folder: Path, where: Where
) -> KeptRun:
    """Run the references of new arms at the first seed again, in a folder beside, and compare with the kept scores.

    Returns:
        The kept run, without the scores after clean-up that another corrector made.

    Raises:
        SettingError: A score differs, so that pairs would be invalid.
    """
    references = kept.select_references(settings)
    study = check_motion_study(make_motion_study(references, "references", options), where)
    page = make_motion_page(references, options=options)
    beside = folder.with_name(f"{folder.name}-references")
    print(f"selfcorrect: running seed {settings.first_seed} of the references, to check the pairs", file=sys.stderr)
    run_study(study, page, beside, where, accept_changed=options.accept_changed)
    changed = set()
    for denoiser, curves in collect_curves(study, study.runs(beside)).items():
        changed |= kept.check_pairs(curves, references, denoiser)
    if not changed:
        return kept
    names = " and ".join(f"“{find_metric(key).name}”" for key in CLEANED)
    print(
        f"selfcorrect: clean-up has changed since the kept run, so its arms are shown without {names}", file=sys.stderr
    )
    return kept.drop(CLEANED)


def make_against_page(settings: MotionSettings, name: str, options: RunOptions, kept: KeptRun) -> AgainstPage:
    """Return the page of new arms (those of the settings) beside the kept arms of their denoisers."""
    page = make_motion_page(settings, name, options)
    arms = {denoiser: (*kept.arms[denoiser], *own) for denoiser, own in settings.arms.items()}
    recorded = {**replace(settings, arms=arms).config(), "against": kept.summary.made}
    fields = {field.name: getattr(page, field.name) for field in dataclass_fields(page)}
    return AgainstPage(**{**fields, "settings": as_json(recorded), "closing": "", "kept": kept})


SCORES_TEXT = "Means over seeds after the last generation, with 95 % intervals. All arms have the same seeds."
PAIRS_TEXT = (
    f"Paired differences after the last generation. {MARKS_LEGEND} Below each: its 95 % interval, and its p-value, "
    "adjusted over the measures of the row (Holm)."
)


def scores_table(outcome: Outcome) -> Table:
    """Tabulate the metrics of the README for real motion, generation 0 and all arms."""
    metrics = _select_shown(outcome)
    table = last_generation_table(outcome, metrics)
    extra = [title for title in outcome.floors if title != REAL_AGAINST_REAL]
    rows = [row for row in table.rows if row.title not in extra]
    return replace(table, id="scores", rows=rows)


def pairs_table(outcome: Outcome, settings: MotionSettings) -> Table:
    """Tabulate each new arm less the baseline and less each other arm of its policy."""
    metrics = _select_shown(outcome)
    table = Table("pairs", "Difference", [metric.title for metric in metrics])
    for denoiser, arms in outcome.curves.items():
        aims = find_aims(outcome.floors, outcome.floor_of, denoiser, outcome.aims)
        for arm in settings.arms[denoiser]:
            if arm not in arms:
                continue
            others = [other for other in arms if other != arm and (other.is_baseline or other.policy == arm.policy)]
            for other in others:
                effects = judge_effects([(arms[arm], arms[other])], metrics, [aims], ROUNDING_OF_SUMMARIES)
                title = f"{describe_treatment(arm)} less {describe_treatment(other)}"
                table.rows.append(PageRow(title, [change_cell(effect) for effect in effects]))
    return table


def _select_shown(outcome: Outcome) -> list[Metric]:
    """Return the metrics of the README that all arms have, as the answer judges them."""
    judged = {metric.key: metric for question in select_questions(outcome) for metric in question}
    return [judged[key] for key in IN_README if key in judged]
