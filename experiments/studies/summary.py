"""Summaries: a finished study in one small file.

A summary has every arm's curves, the scores of real data, and how the study was made. Run folders take hundreds of
megabytes; a summary takes some hundred kilobytes, can be kept beside a text, and holds everything that tables and
figures are made from.
"""

import csv
import io
import json
import math
import os
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.loop.store.run_folder import PARTS_FILE, SUMMARY_FILE
from selfcorrect.runtime.machine import find_processor
from selfcorrect.storage.files.digests import append_digest, compute_digest, read_with_digest
from selfcorrect.storage.files.writing import write_atomically

from .arm_curves import ArmCurves

FORMAT = 1
SUMMARY_ENTRY = "summary"
"""Entry of the record of a run's parts, with the digest of its summary's figures."""
COMMIT = "git_commit"
"""Key of the commit of the code in `Summary.made`; null if the code was not in a repository."""
_DIGITS = 5
ROUNDING_OF_SUMMARIES = 10.0 ** (1 - _DIGITS)
"""Share of a value of a summary that may be rounding."""


@dataclass(frozen=True)
class Summary:
    """Results of a finished experiment."""

    command: str
    """The command that repeats the experiment."""
    made: Mapping[str, Any]
    """Date, machine, processor time, versions and the commit of the code."""
    settings: Mapping[str, Any]
    """All settings, as JSON values."""
    arms: Mapping[str, tuple[ArmCurves, ...]]
    """Denoiser → arms, with quantities (S, G + 1) by key."""
    floors: Mapping[str, Mapping[str, np.ndarray]]
    """Scores of real data, raw and corrected: title → quantity → (S,), NaN for a seed without a score."""
    floor_of: Mapping[str, str] = field(default_factory=dict)
    """Task → title of what real data score if each task has separate real data."""

    @property
    def seeds(self) -> int:
        return self._count("seeds")

    @property
    def first_seed(self) -> int:
        return self._count("first_seed")

    @property
    def generations(self) -> int:
        return self._count("generations")

    def rows(self) -> Iterator[dict[str, float | int | str]]:
        """Yield a row per group (denoiser or task), arm, seed and generation, with axes and all quantities.

        Quantities that have the name of an axis are what the loop realised, such as `realised_synthetic_share`.
        """
        for group, arms in self.arms.items():
            for curves in arms:
                who = {"group": group, "arm": curves.label, **curves.axes}
                measured = [name for name in curves.values if name not in ("seed", "generation")]
                named = {name: realised_name(name, who) for name in measured}
                for (seed, generation), _ in np.ndenumerate(next(iter(curves.values.values()))):
                    values = {new: float(curves.values[name][seed, generation]) for name, new in named.items()}
                    yield {**who, "seed": self.first_seed + seed, "generation": generation, **values}

    def to_frame(self) -> Any:
        """Return the rows as a pandas DataFrame, or a pyarrow Table if pandas is not installed."""
        rows = list(self.rows())
        columns = {name: [row.get(name, math.nan) for row in rows] for name in _list_columns(rows)}
        try:
            import pandas
        except ImportError:
            import pyarrow

            return pyarrow.table(columns)
        return pandas.DataFrame(columns)

    def to_csv(self) -> str:
        """Return the rows as CSV; a cell is empty for what was not measured."""
        return format_rows(list(self.rows()))

    def _count(self, name: str) -> int:
        value = self.settings.get(name)
        if type(value) is not int:
            raise InputError(f"a summary's settings should give {name} as a whole number, got {value!r}")
        return value


def realised_name(name: str, axes: Container[str]) -> str:
    """Return a quantity's name beside axes, such as the realised λ beside the λ asked for."""
    return f"realised_{name}" if name in axes else name


def format_rows(rows: Sequence[Mapping[str, object]]) -> str:
    """Format rows as CSV with all columns; NaN becomes an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _list_columns(rows), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: "" if value != value else value for name, value in row.items()})
    return text.getvalue()


def _list_columns(rows: Sequence[Mapping[str, object]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def write_summary(path: Path, summary: Summary) -> None:
    """Write a summary as JSON with a digest, numbers to five digits, and NaN as null."""
    arms = {name: [_encode_curves(curves) for curves in group] for name, group in summary.arms.items()}
    content = {
        "format": FORMAT,
        "command": summary.command,
        "made": summary.made,
        "settings": summary.settings,
        "floors": {title: _round_values(scores) for title, scores in summary.floors.items()},
        **({"floor_of": summary.floor_of} if summary.floor_of else {}),
        "arms": arms,
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    write_atomically(path, append_digest(text.encode()))


def read_summary(path: str | Path) -> Summary:
    """Read the summary of a finished study.

    Args:
        path: Run folder, or a summary.json.

    Raises:
        InputError: The file is not a summary, was changed since it was written, or is that of another run.
    """
    path = Path(path)
    if path.is_dir():
        if fault := find_other_summary(path):
            raise InputError(fault)
        path = path / SUMMARY_FILE
    try:
        content = read_with_digest(path)
        if content.get("format", FORMAT) != FORMAT:
            raise InputError(f"expected format {FORMAT}, got {content['format']}")
        arms = {name: tuple(map(_decode_curves, group)) for name, group in content["arms"].items()}
        floors = {title: _to_arrays(scores) for title, scores in content["floors"].items()}
        floor_of = dict(content["floor_of"]) if "floor_of" in content else _match_floors(arms, floors)
        return Summary(content["command"], content["made"], content["settings"], arms, floors, floor_of)
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise InputError(f"{path}: is not a summary of a run: {error}") from error


def _match_floors(tasks: Iterable[str], floors: Mapping[str, object]) -> dict[str, str]:
    """Match tasks with titles of real data by the titles, as in summaries of version 0.2."""
    titles = [*floors][::-1]
    return {task: title for task in tasks for title in titles if title.endswith(f", {task}")}


def digest_figures(path: Path) -> str:
    """Digest the settings and scores of a summary, but not when, where and how fast it was made.

    Raises:
        DamagedError: The summary is damaged.
    """
    content = read_with_digest(path)
    scores = [
        {name: values for name, values in curves["values"].items() if not name.startswith("seconds_")}
        for group in content["arms"].values()
        for curves in group
    ]
    return compute_digest(json.dumps([content["settings"], content["floors"], scores]).encode())


def find_other_summary(root: Path) -> str:
    """Describe that a run folder's summary was not written with its report, or return "".

    Runs of older versions do not record their summary.

    Raises:
        DamagedError: The record of the parts is damaged.
    """
    path = root / PARTS_FILE
    recorded = read_with_digest(path).get(SUMMARY_ENTRY, "") if path.exists() else ""
    summary = root / SUMMARY_FILE
    if not recorded or not summary.exists() or digest_figures(summary) == recorded:
        return ""
    return f"{summary} was not written with the report of this run; put its own back, or run the command again"


def join_summaries(summaries: Sequence[Summary], *, different_code: bool = False) -> Summary:
    """Join runs of different seeds, for example runs on several machines.

    Args:
        summaries: Runs whose seeds follow each other.
        different_code: Also join runs of different versions or commits. All commits are then listed.

    Returns:
        The summary of all seeds. The date is that of the last run, core hours are summed, and everything else is that
        of the first run.

    Raises:
        InputError: Settings, measured quantities or code differ, or seeds do not follow each other.
    """
    runs = sorted(summaries, key=lambda summary: summary.first_seed)
    first = runs[0]
    for before, after in pairwise(runs):
        if _list_shared(after) != _list_shared(first):
            raise InputError(f"seeds from {after.first_seed}: expected the settings of seed {first.first_seed}")
        if after.first_seed != (expected := before.first_seed + before.seeds):
            raise InputError(f"seeds from {after.first_seed}: expected seeds that go on from {expected}")
        if (code := _describe_code(after)) != (code_of_first := _describe_code(first)) and not different_code:
            raise InputError(
                f"seeds from {after.first_seed}: made by {code}, expected {code_of_first} as for seed "
                f"{first.first_seed}; run these seeds again, or pass different_code"
            )
    origin = {**first.made, "date": max(run.made["date"] for run in runs)}
    origin.pop("core_hours", None)
    if all("core_hours" in run.made for run in runs):
        origin["core_hours"] = round(sum(run.made["core_hours"] for run in runs), 3)
    commits = list(dict.fromkeys(run.made.get(COMMIT) for run in runs))
    if len(commits) > 1:
        origin[COMMIT] = None
        origin["git_commits"] = commits
    settings = {**first.settings, "seeds": sum(run.seeds for run in runs)}
    arms = {}
    for name, group in first.arms.items():
        joined = []
        for index, curves in enumerate(group):
            values = _concatenate_values([run.arms[name][index].values for run in runs])
            joined.append(replace(curves, values=values))
        arms[name] = tuple(joined)
    floors = {title: _concatenate_values([run.floors[title] for run in runs]) for title in first.floors}
    return Summary(first.command, origin, settings, arms, floors, first.floor_of)


def _describe_code(summary: Summary) -> str:
    """Describe the version and commit of the code behind a summary."""
    version = summary.made.get("packages", {}).get("selfcorrect", "of unknown version")
    return f"selfcorrect {version}, commit {summary.made.get(COMMIT) or 'unknown'}"


def _list_shared(summary: Summary) -> tuple[Any, ...]:
    """Return what joined summaries must share."""
    settings = {key: value for key, value in summary.settings.items() if key not in ("seeds", "first_seed")}
    arms = {name: [(curves.name, sorted(curves.values)) for curves in group] for name, group in summary.arms.items()}
    return settings, arms, {title: sorted(scores) for title, scores in summary.floors.items()}


def _concatenate_values(values: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Concatenate quantities over some seeds each into quantity → (S, …) over all seeds."""
    return {key: np.concatenate([seed_values[key] for seed_values in values]) for key in values[0]}


def machine() -> dict[str, object]:
    """Return the machine in words without a name."""
    return {"processor": find_processor(), "cores": os.cpu_count()}


def _encode_curves(curves: ArmCurves) -> dict[str, Any]:
    axes = {name: str(value) if value in (math.inf, -math.inf) else value for name, value in curves.axes.items()}
    axes = {name: None if value != value else value for name, value in axes.items()}
    stored = {"name": curves.name, "group": curves.group, "title": curves.title, "values": _round_values(curves.values)}
    return stored | ({"axes": axes} if axes else {})


def _decode_curves(stored: Mapping[str, Any]) -> ArmCurves:
    numbers = {"inf": math.inf, "-inf": -math.inf, None: math.nan}
    axes = {name: numbers.get(value, value) for name, value in stored.get("axes", {}).items()}
    return ArmCurves(stored["name"], stored["group"], stored["title"], _to_arrays(stored["values"]), axes)


def round_curves(curves: ArmCurves) -> ArmCurves:
    """Round curves to the digits that a summary keeps."""
    return replace(curves, values=_to_arrays(_round_values(curves.values)))


def _round_values(values: Mapping[str, np.ndarray]) -> dict[str, Any]:
    return {key: _round_value(np.asarray(array, dtype=float).tolist()) for key, array in values.items()}


def _round_value(value: Any) -> Any:
    if isinstance(value, list):
        return [_round_value(item) for item in value]
    return float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None


def _to_arrays(values: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {key: np.array(value, dtype=float) for key, value in values.items()}
