"""Curves of a run, as JSON lines and in W&B.

Unless "online" is chosen, W&B runs are written offline into the run folder, and nothing leaves the machine, whatever
the environment asks for. If W&B fails, there is one warning and the run continues.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os
import shutil
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from ...runtime.bugs import describe_error
from ...storage.files.limits import read_text
from ...storage.files.locks import read_identity
from ...storage.files.strict_json import to_json
from ...storage.files.writing import write_atomically
from .protocol import Record
from .wandb_options import WandbOptions

MetricRow: TypeAlias = Mapping[str, Any]


def list_metrics(store: Record, first: Record | None = None) -> list[MetricRow]:
    """Return a row of metrics for each committed generation.

    A row has the generation's number as `generation`. If given, `first` has generation 0.
    """
    records = dict.fromkeys(range(store.latest + 1), store)
    if first is not None:
        records = {0: first} | {number: store for number in records if number > 0}
    return [{"generation": number, **record.metrics(number)} for number, record in records.items()]


def write_json_lines(path: Path, rows: Iterable[MetricRow]) -> None:
    """Write rows as JSON lines, atomically.

    Numbers that are not finite become null.
    """
    write_atomically(path, "".join(json.dumps(to_json(row), allow_nan=False) + "\n" for row in rows))


@dataclass(frozen=True)
class TrackedRun:
    """A W&B run of one arm and seed, or of the figures of all arms."""

    name: str
    """Name, unique among the runs of an experiment."""
    group: str
    """Group of an experiment's runs."""
    config: Mapping[str, object]
    """Settings by name."""
    rows: Sequence[MetricRow] = ()
    """Rows of metrics, each with a `generation`, the x-axis."""
    tags: Sequence[str] = ()
    """Words to filter by."""
    job_type: str = ""
    """Kind of run, such as "arm"."""
    summary: Mapping[str, float] = field(default_factory=dict)
    """Final figures, which sweeps can optimise."""
    report: Path | None = None
    """Page that W&B shows. In a sweep, only the run with the page is logged, because the agent waits for a single run.
    """
    tables: Sequence[Path] = ()
    """CSV files that W&B shows as tables, named by file."""


class WandbLog:
    """W&B runs of an experiment, logged during the experiment.

    Ids derive from the identity of the run folder, so that a resumed experiment continues its runs and two experiments
    never share one. Errors of W&B become warnings. Threads may share a log.
    """

    def __init__(self, folder: Path, options: WandbOptions) -> None:
        self._folder = folder
        self._options = options
        self._project = options.wandb_project or os.environ.get("WANDB_PROJECT") or "selfcorrect"
        self._open: dict[str, Any] = {}
        self._ended: set[str] = set()
        self._is_usable = options.mode != "off"
        self._lock = threading.RLock()
        self._environment: dict[str, str | None] = {}

    def __enter__(self) -> WandbLog:
        if self._is_usable:
            cache = self._folder.absolute() / "wandb" / "cache"
            variables = {"WANDB_CACHE_DIR": str(cache), "WANDB_ERROR_REPORTING": "false"}  # read by its import
            self._environment = {name: os.environ.get(name) for name in variables}
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
        """Sentence about where runs are logged and how to send them, or ""."""
        if not self._is_usable:
            return ""
        if self._options.mode == "online":
            return f"W&B: sent to project {self._project}"
        wandb_folder = self._folder / "wandb"
        return f"W&B: {wandb_folder}, offline; `wandb sync {wandb_folder}/offline-run-*` sends it"

    def log(self, run: TrackedRun) -> None:
        """Log a run's new rows and page."""
        self.attempt(lambda: self._log(run))

    def finish(self, name: str) -> None:
        """End a run; W&B keeps the logged values."""
        if name in self._open:
            self._ended.add(name)
            self.attempt(self._open.pop(name).finish)

    def attempt(self, act: Callable[[], object]) -> None:
        """Call a function that logs something, turning errors into warnings."""
        with self._lock:
            if not self._is_usable:
                return
            try:
                act()
            except Exception as error:  # whatever W&B raises, the experiment goes on
                reason = describe_error(error)
                if isinstance(error, ConnectionError) or type(error).__name__ in _LOST_ERRORS:
                    reason = "its process ended"
                    self._forget_core()
                message = f"W&B ({self._options.mode}) failed, results are complete without it: {reason}"
                warnings.warn(message, stacklevel=3)

    def _forget_core(self) -> None:
        """Stop logging and shut down W&B's process.

        Otherwise, W&B would miss it when the program ends.
        """
        import wandb

        self._is_usable = False
        self._open.clear()
        with suppress(Exception):
            wandb.teardown()

    def _log(self, run: TrackedRun) -> None:
        is_beside_trial = SWEEP in os.environ and run.report is None
        if run.name in self._ended or is_beside_trial:
            return
        if run.name not in self._open:
            try:
                self._open[run.name] = self._init(run)
            except Exception:
                self._is_usable = False  # each further attempt would wait as long
                raise
        opened = self._open[run.name]
        for row in run.rows:
            if row["generation"] >= opened.step:
                opened.log(_scalars(row), step=row["generation"], commit=True)
        opened.summary.update(_scalars(run.summary))
        if run.report is not None:
            import wandb

            page = wandb.Html(read_text(run.report), inject=False, data_is_not_path=True)
            tables = {f"tables/{path.stem}": wandb.Table(*read_columns(path)) for path in run.tables}
            opened.log({"report": page, **tables})

    def _init(self, run: TrackedRun) -> Any:
        import wandb

        identity = f"{read_identity(self._folder)}\x1f{run.name}"
        id = hashlib.blake2b(identity.encode(), digest_size=8).hexdigest()
        for path in (self._folder / "wandb").glob("offline-run-*"):  # committed generations are logged again, whole
            if path.name.split("-", 3)[3:] == [id] and path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
        is_online = self._options.mode == "online"
        opened = wandb.init(
            project=self._project,
            entity=self._options.wandb_entity or os.environ.get("WANDB_ENTITY") or None,
            group=run.group,
            name=run.name,
            id=None if SWEEP in os.environ else id,
            config=dict(run.config),
            tags=[tag[:_LONGEST_TAG] for tag in run.tags],
            job_type=run.job_type or None,
            dir=self._folder,
            mode="online" if is_online else "offline",
            resume="allow" if is_online else None,
            reinit="create_new",
            settings=wandb.Settings(**PRIVATE),
        )
        opened.define_metric("*", step_metric="generation")
        return opened


SWEEP = "WANDB_SWEEP_ID"
"""Environment variable in which a sweep's agent passes the id of the sweep."""
PRIVATE: dict[str, Any] = {
    "silent": True, "console": "off", "host": "", "program": "", "disable_git": True, "disable_code": True,
    "save_code": False, "x_disable_meta": True, "x_disable_stats": True, "x_disable_machine_info": True,
    "x_save_requirements": False, "login_timeout": 20.0, "init_timeout": 20.0,
}  # fmt: skip
"""Settings that keep W&B private and quick. Nothing is recorded about the machine, the console, the code or the
repository, and W&B waits for a server for at most 20 s."""
_LONGEST_TAG = 64
_LOST_ERRORS = ("MailboxClosedError", "HandleAbandonedError")
"""Errors which mean that W&B's process is gone, besides connection errors."""


def read_columns(path: Path) -> tuple[list[Any], list[Any]]:
    """Read the header and the rows of a CSV file.

    Columns of numbers are converted to numbers, with None for empty cells.
    """
    head, *rows = csv.reader(read_text(path).splitlines())
    columns = [[row[index] for row in rows] for index in range(len(head))]
    converted = [_to_numbers(column) for column in columns]
    return head, [list(row) for row in zip(*converted, strict=True)]


def _to_numbers(column: Sequence[str]) -> Sequence[float | str | None]:
    try:
        return [float(cell) if cell else None for cell in column]
    except ValueError:
        return column


def _scalars(row: MetricRow) -> dict[str, float]:
    return {key: value for key, value in row.items() if isinstance(value, int | float) and math.isfinite(value)}
