"""Record of the offline W&B runs that an experiment made itself, so that a resumed one replaces only these.

W&B's folder may be shared with other programs, whose runs may have any id. So a name never shows who made a run. The
run folder records the exact folder of each run that it made, and only those are removed.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..files.strict_json import read_as, read_json
from ..files.writing import write_atomically

RECORD = "offline-runs.json"
"""The record's name in the folder `wandb` of a run folder."""


@dataclass(frozen=True)
class OfflineRun:
    """A run that an experiment made.

    A copy of a run folder has a copy of its record. What lies inside a run folder is found by its name alone, so that
    each copy has its own; what lies outside belongs only to the run folder whose path is recorded with it.
    """

    id: str
    """W&B's id of the run."""
    name: str
    """Name of the run's folder."""
    place: str = ""
    """Path of the folder that holds it; "" for the folder `wandb` of the run folder."""
    run_folder: str = ""
    """Path of the run folder that made it; "" where it lies inside."""


class OfflineRuns:
    """Record of the offline runs that a run folder made in W&B's folder."""

    def __init__(self, run_folder: Path, place: Path) -> None:
        self._path = run_folder / "wandb" / RECORD
        self._place = Path(os.path.realpath(place))
        self._run_folder = Path(os.path.realpath(run_folder))
        self._is_inside = self._place == Path(os.path.realpath(run_folder / "wandb"))

    def add(self, id: str, folder: Path) -> None:
        """Record that the experiment made a run in a folder."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._write([*self._read(), self._describe_run(id, folder.name)])

    def remove(self, id: str) -> None:
        """Remove the runs with an id that the experiment made in W&B's folder."""
        runs = self._read()
        recorded = [run for run in runs if run.id == id and run == self._describe_run(id, run.name)]
        for run in recorded:
            folder = self._place / Path(run.name).name
            is_named = folder.name.startswith("offline-run-") and folder.name.endswith(f"-{id}")
            if is_named and folder.is_dir() and not folder.is_symlink():
                shutil.rmtree(folder)
        if recorded:
            self._write([run for run in runs if run not in recorded])

    def _describe_run(self, id: str, name: str) -> OfflineRun:
        if self._is_inside:
            return OfflineRun(id, name)
        return OfflineRun(id, name, str(self._place), str(self._run_folder))

    def _read(self) -> list[OfflineRun]:
        if not self._path.is_file():
            return []
        return [read_as(OfflineRun, run, self._path) for run in read_json(self._path)]

    def _write(self, runs: Sequence[OfflineRun]) -> None:
        write_atomically(self._path, json.dumps([asdict(run) for run in runs], indent=1))
