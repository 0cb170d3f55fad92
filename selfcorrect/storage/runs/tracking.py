"""Curves of a run: rows of metrics as JSON lines, and as runs of Weights & Biases.

W&B runs are written offline into the run folder unless "online" is chosen. Otherwise nothing leaves the machine,
whatever the environment asks for, and a W&B failure is a single warning, never the end of a run.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ...core.errors import InputError
from ..files.limits import read_text
from ..files.locks import read_identity
from ..files.strict_json import to_json
from ..files.writing import write_atomically
from .protocol import Record

MetricRow: TypeAlias = Mapping[str, Any]
WandbMode: TypeAlias = Literal["off", "offline", "online"]
WandbChoice: TypeAlias = Literal["auto", "off", "offline", "online"]


def list_metrics(store: Record, first: Record | None = None) -> list[MetricRow]:
    """Return a row per committed generation, with its number as `generation`; `first` may hold generation 0."""
    records = dict.fromkeys(range(store.latest + 1), store)
    if first is not None:
        records = {0: first} | {number: store for number in records if number > 0}
    return [{"generation": number, **record.metrics(number)} for number, record in records.items()]


def write_json_lines(path: Path, rows: Iterable[MetricRow]) -> None:
    """Write rows as JSON lines, at once; numbers that are not finite become null."""
    write_atomically(path, "".join(json.dumps(to_json(row), allow_nan=False) + "\n" for row in rows))


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
class TrackedRun:
    """A W&B run: an arm of a seed, or the figures of all arms."""

    name: str
    """Unique among the runs of an experiment."""
    group: str
    """Group of the runs of an experiment."""
    config: Mapping[str, object]
    """Settings by name."""
    rows: Sequence[MetricRow] = ()
    """Metrics, each row with a `generation`, which is the x-axis."""
    tags: Sequence[str] = ()
    """Words to filter by."""
    job_type: str = ""
    """Kind of run, such as "arm"."""
    summary: Mapping[str, float] = field(default_factory=dict)
    """Final figures, which sweeps optimise."""
    pictures: Sequence[Path] = ()
    """Pictures as SVG, which W&B shows as pages."""
    report: Path | None = None
    """Page that is stored beside the run."""
    is_of_sweep: bool = False
    """True for the run that the agent of a W&B sweep waits for."""


class WandbLog:
    """W&B runs of an experiment, written while it runs.

    Ids come from the identity of the run folder, so that a resumed experiment continues its runs and two experiments
    never share a W&B run. Errors of W&B become warnings, and set `failed`. Threads may share a log.
    """

    def __init__(self, folder: Path, target: WandbTarget) -> None:
        self.failed = False
        self._folder = folder
        self._target = target
        self._project = target.project or os.environ.get("WANDB_PROJECT") or "selfcorrect"
        self._open: dict[str, Any] = {}
        self._logged: dict[str, int] = {}
        self._mode = wandb_mode(target.mode)
        self._unusable = self._mode == "off"
        self._lock = threading.RLock()
        self._environment: dict[str, str | None] = {}

    def __enter__(self) -> WandbLog:
        if not self._unusable:
            data = self._folder.absolute() / "wandb"
            variables = {  # read when wandb is imported
                "WANDB_DATA_DIR": str(data), "WANDB_CACHE_DIR": str(data / "cache"), "WANDB_ERROR_REPORTING": "false"
            }  # fmt: skip
            self._environment = {name: os.environ.pop(name, None) for name in (*variables, *SWEEP_SETTINGS)}
            os.environ |= variables
        return self

    def __exit__(self, *_: object) -> None:
        for name in [*self._open]:
            self.finish(name)
        for name, value in self._environment.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value

    @property
    def words(self) -> str:
        """Line about the place of the runs and their use; "" if nothing is logged."""
        if self._unusable:
            return ""
        if self._mode == "online":
            return f"W&B: sent to project {self._project}"
        place = self._folder / "wandb"
        return f"W&B: {place}, offline; `wandb sync {place}/offline-run-*` sends it"

    def log(self, run: TrackedRun) -> None:
        """Log the new rows, pictures and page of a run."""
        self.attempt(lambda: self._log(run))

    def finish(self, name: str) -> None:
        """End a run; W&B keeps what was logged."""
        if name in self._open:
            self.attempt(self._open.pop(name).finish)

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
        if run.name not in self._open:
            if run.rows and run.rows[-1]["generation"] <= self._logged.get(run.name, -1):
                return  # it has ended with all of its generations
            try:
                self._open[run.name] = self._init(run)
            except Exception:
                self._unusable = True  # each further attempt would wait as long
                raise
            self._logged[run.name] = self._open[run.name].step - 1 if self._mode == "online" else -1
        opened = self._open[run.name]
        for row in run.rows:
            if row["generation"] > self._logged[run.name]:
                self._logged[run.name] = row["generation"]
                opened.log(_scalars(row), step=row["generation"], commit=True)
        opened.summary.update(_scalars(run.summary))
        for path in run.pictures:
            self.attempt(lambda path=path: opened.log({path.stem: _read_picture(path)}))
        if run.report is not None:
            artifact = f"report-{_hash(run.group)}"
            self.attempt(lambda: opened.log_artifact(str(run.report), artifact, "report"))

    def _init(self, run: TrackedRun) -> Any:
        import wandb

        sweep = {name: self._environment[name] for name in SWEEP_SETTINGS if self._environment[name]}
        if not run.is_of_sweep:
            sweep = {}
        id = sweep.get("WANDB_RUN_ID") or _hash(f"{experiment_id(self._folder)}\x1f{run.name}")
        for path in (self._folder / "wandb").glob("offline-run-*"):  # committed generations are logged again, whole
            if path.name.split("-", 3)[3:] == [id] and path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
        settings: dict[str, Any] = PRIVATE | {SWEEP_SETTINGS[name]: value for name, value in sweep.items()}
        opened = wandb.init(
            project=self._project,
            entity=self._target.entity or os.environ.get("WANDB_ENTITY") or None,
            group=run.group,
            name=run.name,
            id=id,
            config=dict(run.config),
            tags=[tag[:_LONGEST_TAG] for tag in run.tags],
            job_type=run.job_type or None,
            dir=self._folder,
            mode="online" if self._mode == "online" else "offline",
            resume="allow" if self._mode == "online" else None,
            reinit="create_new",
            settings=wandb.Settings(**settings),
        )
        opened.define_metric("*", step_metric="generation")
        return opened


SWEEP_SETTINGS = {
    "WANDB_RUN_ID": "run_id", "WANDB_SWEEP_ID": "sweep_id", "WANDB_SWEEP_PARAM_PATH": "sweep_param_path"
}  # fmt: skip
"""Variables by which a sweep's agent names its run, and W&B's settings; other runs of an experiment do without."""
PRIVATE: dict[str, Any] = {
    "silent": True, "console": "off", "host": "", "program": "", "disable_git": True, "disable_code": True,
    "save_code": False, "x_disable_meta": True, "x_disable_stats": True, "x_disable_machine_info": True,
    "x_save_requirements": False, "login_timeout": 20.0, "init_timeout": 20.0,
}  # fmt: skip
"""Settings that record nothing about the machine, the console, the code or its repository, and wait 20 s for a
server.
"""
_LONGEST_TAG = 64


def experiment_id(folder: Path) -> str:
    """Return the name of the experiment in a run folder, which is random and never changes once the folder is
    claimed.
    """
    return read_identity(folder) or _hash(str(folder.absolute()))


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _scalars(row: MetricRow) -> dict[str, float]:
    return {key: value for key, value in row.items() if isinstance(value, int | float) and math.isfinite(value)}


def _read_picture(path: Path) -> Any:
    import wandb

    if not path.is_file():
        raise InputError(f"no picture at {path}")
    return wandb.Html(read_text(path), data_is_not_path=True)
