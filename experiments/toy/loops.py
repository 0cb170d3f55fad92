"""Runs toy loops by name, each a job that leaves what it showed in the folder, and writes their gallery."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from selfcorrect.core.errors import DamagedError
from selfcorrect.storage.files.digests import sealed, unsealed
from selfcorrect.storage.files.listings import states_of
from selfcorrect.storage.files.locks import FolderLock
from selfcorrect.storage.files.writing import explain_write_error, write_atomically
from selfcorrect.storage.files.written import Written
from selfcorrect.storage.runs.run_folder import environment

from ..jobs.progress_bars import Progress
from ..jobs.run import Job, require_runner, run_jobs
from ..jobs.targets import check_output
from ..jobs.where import Where
from .engine import run
from .gallery import PAGE, RESULTS, Exhibit, section_of, write_gallery
from .table import TOYS

OTHERWISE = "it is not what this command wrote; move it away, or choose another folder with --out"
Section = dict[str, Any]


def run_loops(names: Sequence[str], out: Path, where: Where, *, quick: bool = False, **options: object) -> None:
    """Run the loops that `out` does not show yet with these settings, print one line each, and write the gallery.

    For the options see `settings_of`.
    """
    _check_folder(names, out)
    require_runner(where)
    with explain_write_error(out):
        out.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(out)
    with lock:
        settings = {name: settings_of(name, quick=quick, **options) for name in names}
        waiting = [name for name in names if finished_section(name, settings[name], out) is None]
        if done := len(names) - len(waiting):
            print(f"{done} of {len(names)} loops are finished already with these settings")
        jobs = [Job(name, run_loop, (name, settings[name], out), 1) for name in waiting]
        run_jobs(jobs, where, "toy", unit="loop", folder=out)
        sections = [unsealed(_file(name, out)) for name in names]
        print(*map(summary, sections), f"Gallery: {write_gallery(sections, out)}", sep="\n")


def run_loop(name: str, settings: Any, out: Path, progress: Progress) -> None:
    """Run one loop and leave what it showed below `out`."""
    progress("run", 0, 1)
    section = {**section_of(exhibit(name, settings)), "made_of": _made_of(settings)}
    with explain_write_error(out):
        write_atomically(_file(name, out), sealed(section))
    progress("generation", 1, 1)


def finished_section(name: str, settings: Any, out: Path) -> Section | None:
    """What an earlier run with the same settings in the same environment showed, None if there is none."""
    section = _section_in(_file(name, out))
    return section if section and section.get("made_of") == _made_of(settings) else None


def _section_in(path: Path) -> Section | None:
    """What a file says that `run_loop` wrote, None where there is none or another."""
    try:
        return unsealed(path)
    except DamagedError:
        return None


def _file(name: str, out: Path) -> Path:
    return out / "loops" / f"{name}.json"


def _made_of(settings: Any) -> Mapping[str, Any]:
    """All that a result depends on: settings, state of the files that they name, software."""
    paths = [path for one in fields(settings) if isinstance(path := getattr(settings, one.name), Path)]
    files = states_of(file for path in paths for file in (path.rglob("*") if path.is_dir() else [path]))
    return {"settings": repr(settings), "files": list(map(list, files)), **environment()}


def _check_folder(names: Sequence[str], out: Path) -> None:
    """Refuse a folder whose files of these names are not what an earlier run wrote, before hours go by."""
    for path in (out / PAGE, out / RESULTS):
        check_output(path, Written(out).owns(path), otherwise=OTHERWISE)
    for path in (_file(name, out) for name in names):
        check_output(path, path.is_file() and _section_in(path) is not None, otherwise=OTHERWISE)


def settings_of(name: str, *, quick: bool = False, **options: object) -> Any:
    """A loop's settings with those of the options that it has and that are not None."""
    small = TOYS.load(name).QUICK
    settings = small if quick else type(small)()
    known = {one.name for one in fields(settings)}
    return replace(settings, **{key: value for key, value in options.items() if value is not None and key in known})


def exhibit(name: str, settings: Any) -> Exhibit:
    """Run one loop with the given settings."""
    row, start = TOYS.row(name), time.perf_counter()
    result = run(TOYS.load(name).toy(settings))
    return Exhibit(name, row.summary, row.source, settings, result, time.perf_counter() - start)


def summary(section: Section) -> str:
    """How many statements hold, and which do not."""
    checks = section["checks"]
    by_outcome = {
        outcome: [check["statement"] for check in checks if check["outcome"] == outcome]
        for outcome in ("holds", "fails", "undecided")
    }
    held = len(by_outcome.pop("holds"))
    rest = "".join(f"; {outcome}: {'; '.join(told)}" for outcome, told in by_outcome.items() if told)
    return f"{section['name']}: {held} of {len(checks)} statements hold, {section['seconds']:.1f} s{rest}"
