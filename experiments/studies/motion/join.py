"""Join runs of `motion` that differ only in their seeds into one run folder with one report."""

import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from selfcorrect.core.errors import DamagedError, InputError, SettingError
from selfcorrect.loop.store.generation_files import METRICS_FILE
from selfcorrect.loop.store.origin import LATEST, read_origin
from selfcorrect.loop.store.run_folder import CONFIG, ENVIRONMENT, IDENTITIES_FILE, claim_folder, config_differences
from selfcorrect.storage.files.digests import DIGESTS, compute_file_digest, read_with_digest, write_with_digest
from selfcorrect.storage.files.locks import LOCK, FolderLock
from selfcorrect.storage.files.writing import explain_write_error

from ...jobs.machines import read_machines, record_machines
from ..parts import find_lost_parts
from ..study_report import Comparison, write_report
from .motion_page import make_motion_page
from .settings import MotionSettings, extends, settings_from_config
from .study import make_motion_study, motion_runs

GENERATION = "generation-"
_OF_THE_STORE = (LOCK, LATEST, CONFIG, ENVIRONMENT, IDENTITIES_FILE)
_COPYING = ".joining"
"""Ending of a folder that is being copied."""


def join_runs(parts: Sequence[Path], out: Path) -> tuple[Comparison, list[str]]:
    """Join runs into one folder with a report.

    Args:
        parts: Run folders of `motion`; they are left as they are.
        out: Run folder; seeds that it has already are not copied again.

    Returns:
        The results, and a sentence for each difference of software between the parts.

    Raises:
        InputError: A part is not such a run.
        InUseError: A part, or the folder, is in use.
        DamagedError: A part lacks generations, or has those of another arm, seed or run.
        SettingError: The parts differ in more than the seeds, their seeds do not follow each other, or a part changed
            after it was joined.
    """
    configs = {part: _read_config(part) for part in parts}
    ordered = sorted(parts, key=lambda part: configs[part]["first_seed"])
    settings = _join_settings([(part, configs[part]) for part in ordered])
    remarks = _check_software(ordered)
    study = make_motion_study(settings)
    with claim_folder(out, study.config, extends), explain_write_error(out):
        for part in ordered:
            with FolderLock(part):
                own_settings = settings_from_config(configs[part])
                _check_part(part, own_settings)
                _copy_seeds(part, own_settings, out)
        command = shlex.join(["selfcorrect", "join", *map(str, parts), "--out", str(out)])
        comparison = write_report(study, make_motion_page(settings), out, command=command)
    return comparison, remarks


def _read_config(part: Path) -> dict[str, Any]:
    path = part / CONFIG
    config = read_with_digest(path) if path.is_file() else {}
    if "comparisons" not in config:
        raise InputError(f"{part}: expected the run folder of `selfcorrect motion`; it has no such {CONFIG}")
    return config


def _join_settings(parts: Sequence[tuple[Path, Mapping[str, Any]]]) -> MotionSettings:
    """Return the settings of all seeds; `parts` are ordered by their first seeds."""
    (first, config), *_ = parts
    fixed = _without_seeds(config)
    for part, other in parts[1:]:
        if differences := config_differences(fixed, _without_seeds(other), (f"in {first}", f"in {part}")):
            raise SettingError(f"runs that differ in more than their seeds cannot be joined: {differences[0]}")
    for (before, earlier), (after, later) in pairwise(parts):
        expected = earlier["first_seed"] + earlier["seeds"]
        if later["first_seed"] != expected:
            raise SettingError(
                f"{before} ends at seed {expected - 1} and {after} begins at seed {later['first_seed']}; "
                f"expected a run that begins at seed {expected}"
            )
    return replace(settings_from_config(config), seeds=sum(of_part["seeds"] for _, of_part in parts))


def _without_seeds(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name not in ("seeds", "first_seed")}


def _check_software(parts: Sequence[Path]) -> list[str]:
    """Return the differences of software; raises SettingError if user code differs."""
    identities = [read_with_digest(part / IDENTITIES_FILE) for part in parts if (part / IDENTITIES_FILE).exists()]
    if any(others != identities[0] for others in identities[1:]):
        raise SettingError("the runs used different versions of your own code, such as correctors; run one again")
    first = read_with_digest(parts[0] / ENVIRONMENT)
    remarks = []
    for part in parts[1:]:
        remarks += config_differences(first, read_with_digest(part / ENVIRONMENT), (f"in {parts[0]}", f"in {part}"))
    return remarks


def _check_part(part: Path, settings: MotionSettings) -> None:
    """Raise DamagedError if a part lacks generations, or has those of another arm, seed or run."""
    for run in motion_runs(settings, part):
        run.first().check_complete()
        for arm in settings.arms[run.task]:
            run.generations(arm).check_complete()
    for fault in find_lost_parts(part):
        raise DamagedError(fault)


def _check_copy(source: Path, target: Path) -> None:
    """Raise SettingError if a folder changed after it was copied.

    The copy may have more generations, and then other figures of the last one.
    """
    for path in sorted(source.rglob("*")):
        copy = target / path.relative_to(source)
        folders = [folder for folder in path.parents if folder.name.startswith(GENERATION)]
        if path.name.startswith(GENERATION) and path.is_dir():
            is_same = copy.is_dir() and _digest_generation(copy) == _digest_generation(path)
        elif folders or path.name in _OF_THE_STORE or not path.is_file():
            continue
        else:
            was_extended = _count(copy.parent) > _count(path.parent)
            is_same = was_extended or compute_file_digest(copy) == compute_file_digest(path)
        if not is_same:
            raise SettingError(
                f"{path} changed after {target} was copied from there; choose another --out to join it again"
            )


def _digest_generation(folder: Path) -> str:
    """Return what identifies a generation; in an older version, the digest of its metrics."""
    return read_origin(folder)[1] or read_with_digest(folder / DIGESTS).get(METRICS_FILE, "")


def _count(folder: Path) -> int:
    return sum(path.name.startswith(GENERATION) for path in folder.iterdir()) if folder.is_dir() else 0


def _copy_seeds(part: Path, settings: MotionSettings, out: Path) -> None:
    """Copy a part's seed folders, identities and machines."""
    runs = motion_runs(settings, part)
    for source in dict.fromkeys(folder for run in runs for folder in (run.folder, run.data_folder)):
        target = out / source.relative_to(part)
        if not source.is_dir():
            continue
        if target.exists():
            _check_copy(source, target)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = target.with_name(f".{target.name}{_COPYING}")
        shutil.rmtree(copy, ignore_errors=True)  # of a call that was stopped
        shutil.copytree(source, copy)
        copy.rename(target)
    if (part / IDENTITIES_FILE).exists():
        write_with_digest(out / IDENTITIES_FILE, read_with_digest(part / IDENTITIES_FILE))
    for job, machines in read_machines(part).items():
        for machine in machines:
            record_machines(out, {job: machine})
