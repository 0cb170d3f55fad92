"""`sc.compare_runs` compares the arms of two finished runs seed by seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.loop.store.run_folder import IDENTITIES_FILE, config_differences
from selfcorrect.motion.measures.metrics import Metric
from selfcorrect.storage.files.digests import read_with_digest

from ..arm_curves import ArmCurves, find_aims, mean_scores
from ..effects import DISTANCES, JUDGEMENT, judge_effects, tabulate_effects
from ..outcome import make_metric
from ..summary import ROUNDING_OF_SUMMARIES, Summary, read_summary
from ..tables import MARKS_LEGEND, PageRow, Table, fit_screen, format_text, marked_cell
from .arguments import DIRECTION_WORDS

COUNTED = ("seeds", "first_seed", "generations")
"""Settings that may differ between runs: common seeds and generations are compared."""
ARMS = "comparisons"
"""Setting of the motion experiment that lists the arms; common arms are compared."""
RUN_WORDS = ("in the first run", "in the second")
BESIDE_SCORES = ("seconds_", "real_count", "synthetic_", "drawn_count", "rejected_count", "corrector_calls")
"""Beginnings of the keys of what a loop counts beside scores."""


@dataclass(frozen=True)
class RunComparison:
    """Differences between two runs' arms: second − first, paired by seed."""

    disagreements: Sequence[str]
    """Differences of settings, versions, seeds and arms between the runs, a sentence each."""
    differences: Sequence[Mapping[str, str | float]]
    """A row for each common arm and score, as in `Comparison.differences`."""
    table: Table

    def __str__(self) -> str:
        found = ["The runs differ:", *(f"- {sentence}" for sentence in self.disagreements)]
        heading = found if self.disagreements else ["The runs agree in data, seeds, settings and versions."]
        legend = [MARKS_LEGEND, JUDGEMENT]
        paragraphs = [*heading, "", "Second run − first run:", *format_text(self.table), "", *legend]
        return "\n".join(map(fit_screen, paragraphs))


def compare_runs(
    first: str | Path, second: str | Path, *, scores: Sequence[str] = (), primary: str = ""
) -> RunComparison:
    """Compare the arms that two finished runs share, seed by seed, at the last generation that both runs have.

    Args:
        first: Run folder, or a summary.json.
        second: Run folder with arms to compare with those of the first.
        scores: Scores to compare; by default those with a known better direction, or else all.
        primary: The score that decides: the differences in this score are a separate family of tests.

    Raises:
        InputError: A folder has no summary of a finished run, or that of another run.
        SettingError: The runs share no seed, no arm or no score, or were trained on other data.
    """
    folders = (Path(first), Path(second))
    summaries = [read_summary(folder) for folder in folders]
    seeds = _find_common_seeds(folders, summaries)
    disagreements = _check_data(folders, seeds) + _describe_differences(summaries)
    end = min(summary.generations for summary in summaries)
    summaries = [_restrict(summary, seeds, end) for summary in summaries]
    triples = _pair_arms(folders, summaries, disagreements)
    pairs = [(arm, reference) for _, reference, arm in triples]
    metrics = _choose_metrics(summaries, pairs, scores, primary)
    aims = _find_common_aims(summaries, [task for task, _, _ in triples], metrics, disagreements)
    count = 1 if primary else 0
    families = []
    for family in (metrics[:count], metrics[count:]):
        if family:
            families.append(judge_effects(pairs, family, aims, ROUNDING_OF_SUMMARIES))
    table = Table("differences", "Arm", [metric.title for metric in metrics])
    effects = []
    for arm, _ in pairs:
        arm_effects = [effect for family in families for effect in family if effect.arm is arm]
        table.rows.append(PageRow(arm.label, [marked_cell(arm, effect.metric, effect) for effect in arm_effects]))
        effects += arm_effects
    return RunComparison(disagreements, tabulate_effects(effects), table)


def _find_common_seeds(folders: Sequence[Path], summaries: Sequence[Summary]) -> list[int]:
    ranges = [range(summary.first_seed, summary.first_seed + summary.seeds) for summary in summaries]
    common = sorted(set(ranges[0]) & set(ranges[1]))
    if not common:
        listed = [f"{folder} has {seeds[0]} to {seeds[-1]}" for folder, seeds in zip(folders, ranges, strict=True)]
        raise SettingError(f"the runs share no seed, so that nothing can be paired: {', '.join(listed)}")
    return common


def _check_data(folders: Sequence[Path], seeds: Sequence[int]) -> list[str]:
    """Check that common seeds have equal data.

    Raises SettingError if the data differ; returns a sentence if data cannot be compared.
    """
    identities = [_read_data_identities(folder) for folder in folders]
    compared = {name for name in identities[0] if name in identities[1]}
    for name in sorted(compared):
        if identities[0][name] != identities[1][name] and int(name.rpartition("seed-")[2].partition("/")[0]) in seeds:
            raise SettingError(f"the data of the runs differ ({name}): seeds of different data cannot be paired")
    return [] if compared else ["No data identities are in both folders: that the data are the same was not checked."]


def _read_data_identities(folder: Path) -> dict[str, Any]:
    """Read the latest data identities of each seed, by the seed's folder and the name of the data."""
    identities = {}
    for path in sorted(folder.glob(f"*/seed-*/{IDENTITIES_FILE}")) if folder.is_dir() else ():
        for name, versions in read_with_digest(path).items():
            identities[f"{name}, {path.parent.relative_to(folder).as_posix()}"] = versions[-1]
    return identities


def _describe_differences(summaries: Sequence[Summary]) -> list[str]:
    fixed = []
    versions = []
    for summary in summaries:
        fixed.append({key: value for key, value in summary.settings.items() if key not in (*COUNTED, ARMS)})
        versions.append({key: summary.made[key] for key in ("python", "packages", "git_commit") if key in summary.made})
    sentences = config_differences(fixed[0], fixed[1], RUN_WORDS)
    for name in COUNTED:
        first, second = [summary.settings[name] for summary in summaries]
        if first != second:
            words = f"{name} is {first} {RUN_WORDS[0]} and {second} {RUN_WORDS[1]}"
            sentences.append(f"{words}; only what both runs have is compared.")
    return sentences + config_differences(versions[0], versions[1], RUN_WORDS)


def _pair_arms(
    folders: Sequence[Path], summaries: Sequence[Summary], disagreements: list[str]
) -> list[tuple[str, ArmCurves, ArmCurves]]:
    """Pair the arms that both runs have.

    Returns the task of each, and the arm of both runs. Other arms, and differences between common ones, are named in
    `disagreements`.
    """
    arms = []
    for summary in summaries:
        arms.append({(task, curves.label): curves for task, group in summary.arms.items() for curves in group})
    common = [key for key in arms[0] if key in arms[1]]
    for words, own, other in (("first", arms[0], arms[1]), ("second", arms[1], arms[0])):
        if single := [label for task, label in own if (task, label) not in other]:
            disagreements.append(f"Only the {words} run has the arms {'; '.join(single)}.")
    if not common:
        raise SettingError(f"{folders[0]} and {folders[1]} share no arm: {' '.join(disagreements[-2:])}")
    pairs = [(key[0], arms[0][key], arms[1][key]) for key in common]
    for _, first, second in pairs:
        disagreements += config_differences({first.title: first.axes}, {second.title: second.axes}, RUN_WORDS)
    return pairs


def _find_common_aims(
    summaries: Sequence[Summary], tasks: Sequence[str], metrics: Sequence[Metric], disagreements: list[str]
) -> list[dict[str, float]]:
    """Return each task's aims, common to both runs; where the runs differ, the aim is in between, and a sentence says
    so.

    Args:
        tasks: The task of each pair of arms.
    """
    aims_by_task: dict[str, dict[str, float]] = {}
    for task in dict.fromkeys(tasks):
        of_runs = [_find_aims(summary, task) for summary in summaries]
        aims = {}
        for metric in metrics:
            if metric.better in DISTANCES:
                aims[metric.key] = np.array([run_aims.get(metric.key, np.nan) for run_aims in of_runs])
        aims_by_task[task] = mean_scores(aims)
        for key, (first, second) in aims.items():
            if not np.isclose(first, second, rtol=ROUNDING_OF_SUMMARIES, equal_nan=True):
                disagreements.append(
                    f"{task}: the aim of {key} is {first:.4g} {RUN_WORDS[0]} and {second:.4g} {RUN_WORDS[1]}; "
                    "distances to the mean of both are compared."
                )
    return [aims_by_task[task] for task in tasks]


def _find_aims(summary: Summary, task: str) -> dict[str, float]:
    """Return the aims of a task of a run."""
    better = summary.settings.get("better", {})
    numbers = {key: float(aim) for key, aim in better.items() if not isinstance(aim, str)}
    return find_aims(summary.floors, summary.floor_of, task, numbers)


def _restrict(summary: Summary, seeds: Sequence[int], end: int) -> Summary:
    """Restrict a summary's curves and scores to some seeds, up to generation `end`."""
    rows = [seed - summary.first_seed for seed in seeds]
    arms = {}
    for task, group in summary.arms.items():
        arms[task] = tuple(
            replace(curves, values={key: values[rows, : end + 1] for key, values in curves.values.items()})
            for curves in group
        )
    floors = {}
    for title, scores in summary.floors.items():
        has_all_seeds = all(len(values) == summary.seeds for values in scores.values())
        floors[title] = {key: values[rows] for key, values in scores.items()} if has_all_seeds else scores
    return replace(summary, arms=arms, floors=floors)


def _choose_metrics(
    summaries: Sequence[Summary], pairs: Sequence[tuple[ArmCurves, ArmCurves]], scores: Sequence[str], primary: str
) -> list[Metric]:
    """Choose the scores to compare, the primary one first."""
    measured = [key for key in pairs[0][0].values if all(key in curves.values for pair in pairs for curves in pair)]
    measured = [key for key in measured if not key.startswith(BESIDE_SCORES)]
    named = [key for key in (primary, *scores) if key]
    if unknown := [key for key in named if key not in measured]:
        raise SettingError(f"the runs do not both measure {unknown[0]!r}; both measure {', '.join(measured)}")
    metrics = {key: make_metric(key, _find_direction(summaries, key)) for key in measured}
    directed = [key for key in measured if metrics[key].better != "neutral"]
    keys = dict.fromkeys(named if scores else [*named, *(directed or measured)])
    if not keys:
        raise InputError("the runs share no score")
    return [metrics[key] for key in keys]


def _find_direction(
    summaries: Sequence[Summary], key: str
) -> Literal["lower", "higher", "real", "aim", "neutral"] | None:
    """Find the better direction of a score, on which both runs must agree.

    "neutral" stands for different directions or none. None stands for runs with known scores only, such as those of the
    motion experiment.
    """
    named = [summary.settings["better"] for summary in summaries if "better" in summary.settings]
    directions = [better[key] for better in named if key in better]
    if not named:
        return None
    if not directions or any(direction != directions[0] for direction in directions):
        return "neutral"
    return directions[0] if directions[0] in DIRECTION_WORDS else "aim"
