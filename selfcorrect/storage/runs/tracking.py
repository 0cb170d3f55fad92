"""Curves of a run: rows of metrics as JSON lines, and as runs of Weights & Biases.

W&B runs are written offline into the run folder unless "online" is chosen. Otherwise nothing leaves the machine,
whatever the environment asks for, and a W&B failure is one warning, never the end of a run.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import secrets
import shutil
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from ...core.errors import InputError
from ..files.limits import read_text
from ..files.locks import read_own_identity
from ..files.strict_json import read_json, to_json
from ..files.writing import write_atomically
from .protocol import Metrics, Record

Row: TypeAlias = Mapping[str, Any]
WandbMode: TypeAlias = Literal["off", "offline", "online"]
WandbChoice: TypeAlias = Literal["auto", "off", "offline", "online"]
CONNECT_TIMEOUT_S = 20.0


def make_rows(store: Record, first: Record | None = None) -> list[Row]:
    """Return one row per committed generation, with its number as `generation`; `first` may hold generation 0."""
    start = [_row(0, first.metrics(0))] if first is not None and first is not store else []
    earliest = 1 if start else 0
    return start + [_row(number, store.metrics(number)) for number in range(earliest, store.latest + 1)]


def _row(generation: int, metrics: Metrics) -> Row:
    return {"generation": generation, **metrics}


def format_row(row: Row) -> str:
    """Format a row as a line of metrics.jsonl."""
    return json.dumps(to_json(row), allow_nan=False) + "\n"


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as JSON lines, at once; numbers that are not finite become null."""
    write_atomically(path, "".join(format_row(row) for row in rows))


# --- Weights & Biases -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WandbTarget:
    """Destination of runs in Weights & Biases."""

    mode: WandbChoice = "offline"
    """offline writes files into the run folder, online sends them, auto is off if `WANDB_MODE` is disabled, and offline
    otherwise: no environment variable makes it send."""
    project: str = ""
    """W&B project, by default `WANDB_PROJECT` or selfcorrect."""
    entity: str = ""
    """W&B user or team, by default `WANDB_ENTITY` or your own."""


OFF = WandbTarget("off")


def wandb_mode(choice: WandbChoice) -> WandbMode:
    """Return the mode of a choice; auto never connects, whatever `WANDB_MODE` asks for."""
    if choice != "auto":
        return choice
    return "off" if os.environ.get("WANDB_MODE") == "disabled" else "offline"


@dataclass(frozen=True)
class LineChart:
    """Lines through the points of a table."""

    rows: Sequence[Row]
    """A row for each point, all with the same keys."""
    x: str
    """Key of the horizontal axis."""
    y: str
    """Key of the vertical axis."""
    line: str
    """Key of the name of a point's line."""


@dataclass(frozen=True)
class TrackedRun:
    """A W&B run: one arm of one seed, or the figures of all arms."""

    name: str
    """Unique among the runs of an experiment."""
    group: str
    """Group of the runs of an experiment."""
    config: Mapping[str, object]
    """Settings by name."""
    rows: Sequence[Row] = ()
    """Metrics, each row with a `generation`, which is the x-axis."""
    tags: Sequence[str] = ()
    """Words to filter by."""
    job_type: str = ""
    """Kind of run, such as "arm"."""
    summary: Mapping[str, float] = field(default_factory=dict)
    """Final figures, which sweeps optimise."""
    tables: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    """Tables by name, rows with the same keys; a path is a picture or a video (PNG, JPEG, GIF, MP4)."""
    charts: Mapping[str, LineChart] = field(default_factory=dict)
    """Figures by name."""
    pictures: Mapping[str, Path] = field(default_factory=dict)
    """SVG files by name."""
    artifacts: Mapping[str, tuple[str, Path]] = field(default_factory=dict)
    """Files by artifact name, each with its type, such as "model"."""
    is_of_sweep: bool = False
    """True for the run that the agent of a W&B sweep waits for."""


SWEEP_VARIABLES = ("WANDB_SWEEP_ID", "WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH")
"""Variables by which a sweep's agent names its run; other runs of an experiment must not use them."""


class WandbLog:
    """W&B runs of one experiment, written while it runs.

    Ids come from the identity of the run folder, so that a resumed experiment continues its runs and two experiments
    never share one. Errors of W&B become warnings, and set `failed`. Threads may share a log.
    """

    def __init__(
        self, folder: Path, target: WandbTarget, best: Mapping[str, Literal["min", "max"]] = MappingProxyType({})
    ) -> None:
        """Prepare the log.

        Args:
            best: Better direction, "min" or "max", of quantities by name.
        """
        self.failed = False
        self._folder = folder
        self._target = target
        self._best = best
        self._open: dict[str, Any] = {}
        self._logged: dict[str, int] = {}
        self._mode = wandb_mode(target.mode)
        self._unusable = self._mode == "off"
        self._lock = threading.RLock()
        self._sweep = {name: os.environ[name] for name in SWEEP_VARIABLES if name in os.environ}
        self._environment: dict[str, str | None] = {}

    def __enter__(self) -> WandbLog:
        if not self._unusable:
            folders = {"WANDB_DATA_DIR": self._folder / "wandb", "WANDB_CACHE_DIR": self._folder / "wandb" / "cache"}
            variables = {name: str(path.absolute()) for name, path in folders.items() if name not in os.environ}
            variables["WANDB_ERROR_REPORTING"] = os.environ.get("WANDB_ERROR_REPORTING", "false")
            self._environment = {name: os.environ.get(name) for name in (*variables, *self._sweep)}
            os.environ.update(variables)  # read when wandb is imported, and when it stages a table
            for name in self._sweep:
                del os.environ[name]
        return self

    def __exit__(self, *_: object) -> None:
        for name in [*self._open]:
            self.finish(name)
        for name, value in self._environment.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value

    @property
    def place(self) -> Path:
        """Folder of W&B's files."""
        return Path(os.environ.get("WANDB_DIR") or self._folder) / "wandb"

    @property
    def words(self) -> str:
        """Line about the place of the runs and their use; "" if nothing is logged."""
        if self._unusable:
            return ""
        if self._mode == "online":
            return f"W&B: sent to project {self._project}"
        return f"W&B: {self.place}, offline; `wandb sync {self.place}/offline-run-*` sends it"

    @property
    def _project(self) -> str:
        return self._target.project or os.environ.get("WANDB_PROJECT") or "selfcorrect"

    def log(self, run: TrackedRun) -> None:
        """Log the new rows, tables and artifacts of a run."""
        self.attempt(lambda: self._log(run))

    def finish(self, name: str) -> None:
        """End a run; W&B keeps what was logged."""
        if (opened := self._open.pop(name, None)) is not None:
            self.attempt(opened.finish)
            self.attempt(lambda: self._record(opened.id, self._logged[name]))

    def _read_ended(self) -> dict[str, int]:
        """Return the last generation of each run that has ended, by id, in this process or an earlier one."""
        path = self._folder / "wandb" / _ENDED
        return read_json(path) if path.is_file() else {}

    def _record(self, id: str, generation: int) -> None:
        (self._folder / "wandb").mkdir(parents=True, exist_ok=True)
        ended = self._read_ended() | {id: generation}
        write_atomically(self._folder / "wandb" / _ENDED, json.dumps(ended, indent=1))

    def attempt(self, act: Callable[[], object]) -> None:
        """Call a function that logs something; its errors become warnings."""
        with self._lock:
            if self._unusable:
                return
            try:
                act()
            except Exception as error:  # whatever W&B raises, the experiment goes on
                self.failed = True
                message = f"W&B ({self._mode}) failed, results are complete without it: {error}"
                warnings.warn(message, stacklevel=3)

    def _log(self, run: TrackedRun) -> None:
        last = max((row["generation"] for row in run.rows), default=-1)
        is_repeated = run.name not in self._open and not run.tables and not run.summary
        if is_repeated and 0 <= last <= self._read_ended().get(self._id(run), -1):
            return  # it has ended with all of its generations
        opened = self._open_run(run)
        for row in run.rows:
            if row["generation"] > self._logged[run.name]:
                self._logged[run.name] = row["generation"]
                opened.log(_scalars(row), step=row["generation"], commit=True)
        opened.summary.update(_scalars(run.summary))
        for name, rows in run.tables.items():
            self.attempt(lambda name=name, rows=rows: opened.log({name: _table(rows)}))
        for name, chart in run.charts.items():
            self.attempt(lambda name=name, chart=chart: opened.log({name: _line_chart(name, chart)}))
        for name, path in run.pictures.items():
            self.attempt(lambda name=name, path=path: opened.log({name: _picture(path)}))
        for name, (kind, path) in run.artifacts.items():
            self.attempt(lambda name=name, kind=kind, path=path: opened.log_artifact(_artifact(name, kind, path)))

    def _open_run(self, run: TrackedRun) -> Any:
        if run.name not in self._open:
            try:
                opened = self._init(run)
            except Exception:
                self._unusable = True  # each further attempt would wait as long
                raise
            self._logged[run.name] = opened.step - 1 if self._mode == "online" else -1
            self._open[run.name] = opened
        return self._open[run.name]

    def _init(self, run: TrackedRun) -> Any:
        import wandb

        id = self._id(run)
        environment_tags = filter(None, map(str.strip, os.environ.get("WANDB_TAGS", "").split(",")))
        self.place.mkdir(parents=True, exist_ok=True)
        self._remove_offline_runs(id)
        names = [os.environ.get("WANDB_NAME"), run.name]
        is_online = self._mode == "online"
        opened = wandb.init(
            project=self._project,
            entity=self._target.entity or os.environ.get("WANDB_ENTITY") or None,
            group=os.environ.get("WANDB_RUN_GROUP") or run.group,
            name=" ".join(filter(None, names)),
            id=id,
            config=dict(run.config),
            tags=[tag[:_LONGEST_TAG] for tag in (*run.tags, *environment_tags)],
            job_type=os.environ.get("WANDB_JOB_TYPE") or run.job_type or None,
            dir=os.environ.get("WANDB_DIR") or self._folder,
            mode="online" if is_online else "offline",
            resume="allow" if is_online else None,
            reinit="create_new",
            settings=_private_settings(self._sweep if run.is_of_sweep else {}),
        )
        opened.define_metric("generation")
        opened.define_metric("*", step_metric="generation")
        for key, best in self._best.items():
            opened.define_metric(key, step_metric="generation", summary=f"last,{best}")
        return opened

    def _remove_offline_runs(self, id: str) -> None:
        """Remove earlier offline runs with an id from the run folder: committed generations are logged again, whole.

        In a folder of `WANDB_DIR`, which programs share, nothing is removed.
        """
        for path in (self._folder / "wandb").glob("offline-run-*"):
            _, _, *time_and_id = path.name.split("-", 3)
            if time_and_id[1:] == [id] and path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)

    def _id(self, run: TrackedRun) -> str:
        if run.is_of_sweep and "WANDB_RUN_ID" in self._sweep:
            return self._sweep["WANDB_RUN_ID"]
        name = f"{experiment_id(self._folder)}\x1f{run.name}".encode()
        return hashlib.blake2b(name, digest_size=8).hexdigest()


_LONGEST_TAG = 64
_ENDED = "ended.json"
"""File with the last generation of each run that has ended, by id."""


def experiment_id(folder: Path) -> str:
    """Return the random name of the experiment in a run folder, which never changes."""
    if identity := read_own_identity(folder):
        return identity
    path = folder / "wandb" / "experiment"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, secrets.token_hex(16))
    return read_text(path)


def _private_settings(sweep: Mapping[str, str]) -> Any:
    """Return settings that record nothing about the machine, the console, the code or its repository.

    Variables of W&B, such as `WANDB_SILENT`, take precedence.
    """
    import wandb

    names = {"WANDB_SWEEP_ID": "sweep_id", "WANDB_SWEEP_PARAM_PATH": "sweep_param_path"}
    of_sweep: dict[str, Any] = {names[name]: value for name, value in sweep.items() if name in names}
    private: dict[str, Any] = {
        "silent": True,
        "console": "off",
        "host": "",
        "program": "",
        "disable_git": True,
        "disable_code": True,
        "save_code": False,
        "x_disable_meta": True,
        "x_disable_stats": True,
        "x_disable_machine_info": True,
        "x_save_requirements": False,
        "login_timeout": CONNECT_TIMEOUT_S,
        "init_timeout": CONNECT_TIMEOUT_S,
    }
    settings = {name: value for name, value in private.items() if f"WANDB_{name.upper()}" not in os.environ}
    return wandb.Settings(**settings, **of_sweep)


def _scalars(row: Row) -> dict[str, float]:
    return {key: value for key, value in row.items() if isinstance(value, int | float) and math.isfinite(value)}


def _medium(path: Path) -> Any:
    import wandb

    if not path.is_file():
        raise InputError(f"no picture or video at {path}")
    if path.suffix in (".gif", ".mp4"):
        return wandb.Video(str(path))
    return wandb.Image(str(path))


def _picture(path: Path) -> Any:
    """Return an SVG file as W&B shows it: as a page."""
    import wandb

    return wandb.Html(read_text(path), data_is_not_path=True)


def _table(rows: Sequence[Row]) -> Any:
    import wandb

    columns: list[Any] = [*rows[0]]
    cells: list[Any] = []
    for row in rows:
        cells.append([_medium(cell) if isinstance(cell, Path) else cell for cell in row.values()])
    return wandb.Table(columns=columns, data=cells)


def _line_chart(title: str, chart: LineChart) -> Any:
    import wandb

    return wandb.plot.line(_table(chart.rows), chart.x, chart.y, stroke=chart.line, title=title)


def _artifact(name: str, kind: str, path: Path) -> Any:
    import wandb

    artifact = wandb.Artifact(name, kind)
    artifact.add_file(str(path), policy="immutable", skip_cache=True)  # where it lies, without a copy
    return artifact
