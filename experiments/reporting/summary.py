"""A finished experiment in one small file: every arm's curves, what real data score, and how it was made.

Run folders take hundreds of megabytes; a summary takes some hundred kilobytes, can be kept beside a text, and holds all
that tables and figures are made from.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from selfcorrect.errors import InputError
from selfcorrect.experiments.reporting.results import ArmCurves
from selfcorrect.storage.files import write_atomically

FORMAT = 1
_DIGITS = 5


@dataclass(frozen=True)
class Summary:
    """What a finished experiment measured."""

    command: str
    """The command that does it again."""
    made: Mapping[str, Any]
    """When, where, and how long it took."""
    settings: Mapping[str, Any]
    """All settings, as JSON values."""
    arms: Mapping[str, tuple[ArmCurves, ...]]
    """Denoiser → arms, with quantities (S, G + 1) by key."""
    floors: Mapping[str, Mapping[str, np.ndarray]]
    """What real data score, raw and corrected: title → quantity → (S,)."""

    @property
    def seeds(self) -> int:
        return int(self.settings["seeds"])

    @property
    def first_seed(self) -> int:
        return int(self.settings["first_seed"])

    @property
    def generations(self) -> int:
        return int(self.settings["generations"])


def write_summary(path: Path, summary: Summary) -> None:
    """Write a summary as JSON, numbers to five digits, NaN as null."""
    arms = {name: [_told(curves) for curves in group] for name, group in summary.arms.items()}
    content = {
        "format": FORMAT,
        "command": summary.command,
        "made": summary.made,
        "settings": summary.settings,
        "floors": {title: _rounded(scores) for title, scores in summary.floors.items()},
        "arms": arms,
    }
    write_atomically(path, json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n")


def read_summary(path: Path) -> Summary:
    """What `write_summary` wrote; InputError where a file is anything else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise InputError(f"{path}: expected a summary of format {FORMAT}, got {content['format']}")
        arms = {name: tuple(_curves(one) for one in group) for name, group in content["arms"].items()}
        floors = {title: _arrays(scores) for title, scores in content["floors"].items()}
        return Summary(content["command"], content["made"], content["settings"], arms, floors)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise (
            error if isinstance(error, InputError) else InputError(f"{path}: is no summary of a run: {error}")
        ) from error


def joined(summaries: Sequence[Summary]) -> Summary:
    """The summary of all seeds of runs that differ in nothing else, such as one run on each of several machines.

    Dates are of the last, hours those of all, the rest is told as of the first; InputError where settings or what was
    measured differ, or seeds do not follow each other.
    """
    runs = sorted(summaries, key=lambda summary: summary.first_seed)
    first = runs[0]
    for before, after in pairwise(runs):
        if _same(after) != _same(first):
            raise InputError(f"seeds from {after.first_seed}: expected the settings of those from {first.first_seed}")
        if after.first_seed != (expected := before.first_seed + before.seeds):
            raise InputError(f"seeds from {after.first_seed}: expected seeds that go on from {expected}")
    made = {
        **first.made,
        "date": max(run.made["date"] for run in runs),
        "core_hours": round(sum(run.made["core_hours"] for run in runs), 3),
    }
    settings = {**first.settings, "seeds": sum(run.seeds for run in runs)}
    arms = {
        name: tuple(
            replace(curves, values=_stacked([run.arms[name][place].values for run in runs]))
            for place, curves in enumerate(group)
        )
        for name, group in first.arms.items()
    }
    floors = {title: _stacked([run.floors[title] for run in runs]) for title in first.floors}
    return Summary(first.command, made, settings, arms, floors)


def _same(summary: Summary) -> tuple[Any, ...]:
    """What summaries that can be joined have in common."""
    settings = {key: value for key, value in summary.settings.items() if key not in ("seeds", "first_seed")}
    arms = {name: [(each.name, sorted(each.values)) for each in group] for name, group in summary.arms.items()}
    return settings, arms, {title: sorted(scores) for title, scores in summary.floors.items()}


def _stacked(values: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Quantity → (S, …) over all seeds, of quantities over some seeds each."""
    return {key: np.concatenate([each[key] for each in values]) for key in values[0]}


def machine() -> dict[str, object]:
    """The machine in words that say nothing of whose it is."""
    model = ""
    if (told := Path("/proc/cpuinfo")).is_file():
        names = [line.partition(":")[2].strip() for line in told.read_text().splitlines() if "model name" in line]
        model = names[0] if names else ""
    return {"processor": model or "not known", "cores": os.cpu_count()}


def _told(curves: ArmCurves) -> dict[str, Any]:
    return {"name": curves.name, "group": curves.group, "title": curves.title, "values": _rounded(curves.values)}


def _curves(told: Mapping[str, Any]) -> ArmCurves:
    return ArmCurves(told["name"], told["group"], told["title"], _arrays(told["values"]))


def _rounded(values: Mapping[str, np.ndarray]) -> dict[str, Any]:
    return {key: _short(np.asarray(array, dtype=float).tolist()) for key, array in values.items()}


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return [_short(one) for one in value]
    return float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None


def _arrays(values: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {key: np.array(value, dtype=float) for key, value in values.items()}
