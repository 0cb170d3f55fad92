"""Curves of a run: metrics.jsonl always, Weights & Biases from it when a run is done.

W&B runs are written in one go, offline in the run folder unless "online" is asked for. Nothing leaves the machine
otherwise, and a W&B failure is one warning, never the end of a run.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from selfcorrect.errors import InputError
from selfcorrect.storage.files import write_atomically
from selfcorrect.storage.protocol import Generation, Metrics, Record
from selfcorrect.storage.strict_json import to_json

Row: TypeAlias = Mapping[str, Any]
WandbMode: TypeAlias = Literal["off", "offline", "online"]
CONNECT_TIMEOUT_S = 20.0


def rows_of(store: Record, first: Record | None = None) -> list[Row]:
    """One row per committed generation, with its number as `generation`; generation 0 comes from `first` if given."""
    start = [_row(0, first.metrics(0))] if first is not None and first is not store else []
    earliest = 1 if start else 0
    return start + [_row(number, store.metrics(number)) for number in range(earliest, store.latest + 1)]


def _row(generation: int, metrics: Metrics) -> Row:
    return {"generation": generation, **metrics}


class MetricsFile:
    """metrics.jsonl: one line per generation of an arm, for `observe` of the loop.

    Opening it rewrites the file from what is committed, so that no line is lost or doubled by a resume.
    """

    def __init__(self, path: Path, store: Record, first: Record | None = None) -> None:
        self._path = path
        write_atomically(path, "".join(_line(row) for row in rows_of(store, first)))

    def __call__(self, generation: Generation) -> None:
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(_line(_row(generation.number, generation.metrics)))


def _line(row: Row) -> str:
    return json.dumps(to_json(row), allow_nan=False) + "\n"


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as JSON lines, at once; numbers that are not finite become null."""
    write_atomically(path, "".join(_line(row) for row in rows))


@dataclass(frozen=True)
class TrackedRun:
    """One arm of one seed for W&B."""

    name: str
    group: str
    config: Mapping[str, object]
    rows: Sequence[Row]
    """Each with a `generation`, which is the x-axis."""
    media: Mapping[int, Mapping[str, Path]] = field(default_factory=dict)
    """Pictures and videos (PNG, JPEG, GIF, MP4) by generation and name."""

    @property
    def id(self) -> str:
        """Stable, so that writing the same run again replaces it."""
        return hashlib.blake2b(f"{self.group}\x1f{self.name}".encode(), digest_size=8).hexdigest()


def publish_to_wandb(runs: Sequence[TrackedRun], folder: Path, mode: WandbMode, project: str = "selfcorrect") -> bool:
    """Write `runs` as W&B runs below `folder`/wandb, or send them if mode is "online"; true if all went well."""
    if mode == "off":
        return True
    try:
        for run in runs:
            _publish(run, folder, mode, project)
    except Exception as error:  # whatever W&B raises, the run itself has succeeded
        warnings.warn(f"W&B ({mode}) failed, results are complete without it: {error}", stacklevel=2)
        return False
    return True


def _publish(run: TrackedRun, folder: Path, mode: WandbMode, project: str) -> None:
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read when wandb is imported
    import wandb

    for earlier in (folder / "wandb").glob(f"offline-run-*-{run.id}"):
        shutil.rmtree(earlier)
    with wandb.init(
        project=project,
        group=run.group,
        name=run.name,
        id=run.id,
        config=dict(run.config),
        dir=folder,
        mode="online" if mode == "online" else "offline",
        settings=_private_settings(),
    ) as wandb_run:
        wandb_run.define_metric("generation")
        wandb_run.define_metric("*", step_metric="generation")
        for row in run.rows:
            media = {name: _medium(path) for name, path in run.media.get(row["generation"], {}).items()}
            wandb_run.log({**_scalars(row), **media})


def _private_settings() -> Any:
    """Record what was passed and nothing about the machine, the console, the code or its repository."""
    import wandb

    return wandb.Settings(
        silent=True,
        console="off",
        host="",
        disable_git=True,
        disable_code=True,
        save_code=False,
        x_disable_meta=True,
        x_disable_stats=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
        login_timeout=CONNECT_TIMEOUT_S,
        init_timeout=CONNECT_TIMEOUT_S,
    )


def _scalars(row: Row) -> dict[str, float]:
    return {key: value for key, value in row.items() if isinstance(value, int | float) and math.isfinite(value)}


def _medium(path: Path) -> Any:
    import wandb

    if not path.is_file():
        raise InputError(f"no picture or video at {path}")
    if path.suffix in (".gif", ".mp4"):
        return wandb.Video(str(path))
    return wandb.Image(str(path))
