"""A crash-safe store in a run folder.

A run can be resumed, and other processes can read its folder meanwhile. The folder holds config.json, environment.json
and a folder per generation. A generation is written to a temporary folder beside its final place, synced to disk and
renamed, so that it exists completely or not at all.
"""

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from ...core.errors import DamagedError
from ...core.samples import Samples
from ...runtime.machine import Machine
from ...storage.files.digests import compute_digest, read_with_digest
from ...storage.files.locks import FolderLock
from ...storage.files.strict_json import from_json, parse_json
from ...storage.files.writing import explain_write_error, remove_folder, write_folder
from ..correctors.loop_correction import CorrectedBatch
from .generation_files import (
    CORRECTOR,
    MACHINE,
    METRICS_FILE,
    MODEL,
    SAMPLER,
    SAMPLES_FILE,
    TIMINGS_FILE,
    check_generation_files,
    drop_samples,
    encode_generation,
    is_listed,
    keep_sampler,
    read_listed,
    read_provenance,
    read_tensors,
)
from .origin import (
    BELONGS_TO,
    LATEST,
    ORIGIN,
    PUT_BACK,
    Owner,
    describe_misplacement,
    digest_settings,
    read_latest,
    read_origin,
    write_latest,
)
from .protocol import Generation, Metrics, check_next
from .run_folder import claim_folder


class FolderReader:
    """Read the committed generations of a run folder, without a lock.

    Whatever is read of a generation, its origin is checked first.
    """

    def __init__(self, folder: Path, owner: Owner | None = None, first: "FolderReader | None" = None) -> None:
        """Open a run folder.

        Args:
            owner: Run, arm and seed to which the generations must belong; None if the folder stands alone.
            first: Reader of generation 0, if it is in another folder.
        """
        self.folder = folder
        self._owner = owner
        self._first = first
        self._samples: dict[int, Samples] = {}
        self._digests: dict[int, str] = {}
        self._latest = max((number for number, _ in generation_folders(folder)), default=-1)

    @property
    def latest(self) -> int:
        return self._latest

    @property
    def continues_another(self) -> bool:
        """Return whether the generations continue a generation 0 in another folder, as far as they are intact."""
        folders = dict(generation_folders(self.folder))
        if 0 in folders or 1 not in folders:
            return False
        try:
            return bool(read_origin(folders[1])[0].get("parent"))
        except DamagedError:
            return False

    def digest(self, generation: int) -> str:
        """Return the digest that stands for a generation and all before it, after a check of its origin.

        Returns:
            The digest of the generation's origin; "" for a generation of an older version.

        Raises:
            DamagedError: The generation is damaged, missing, or belongs to another folder.
        """
        if generation not in self._digests:
            path = self._path_of(generation)
            origin, digest = read_origin(path)
            parent = self._digest_before(generation) if origin and origin["parent"] else None
            if origin and (fault := describe_misplacement(path, origin, self._owner, generation, parent)):
                raise DamagedError(fault)
            self._digests[generation] = digest
        return self._digests[generation]

    def check_complete(self) -> None:
        """Raise DamagedError if generations that were committed are not there, or belong to another folder."""
        for path in find_missing(self.folder).values():
            raise DamagedError(f"{path} is missing")
        for number, _ in generation_folders(self.folder):
            self.digest(number)
        for fault in find_other_latest(self.folder).values():
            raise DamagedError(fault)

    def _digest_before(self, generation: int) -> str | None:
        if self._path_of(generation - 1).is_dir():
            return self.digest(generation - 1)
        return self._first.digest(0) if self._first is not None and generation == 1 else None

    def state(self, generation: int) -> dict[str, Tensor]:
        """Read the model's state, which may be limited to what sampling needs."""
        self.digest(generation)
        sampler = self._path_of(generation, SAMPLER)
        return read_tensors(sampler if is_listed(sampler) else sampler.with_name(MODEL))

    def samples(self, generation: int) -> Samples:
        if generation not in self._samples:
            self._samples[generation] = self.batch(generation).samples
        return self._samples[generation]

    def batch(self, generation: int) -> CorrectedBatch:
        """Read a generation's synthetic batch with provenance, raw draws and diagnostics."""
        self.digest(generation)
        path = self._path_of(generation, SAMPLES_FILE)
        tensors = read_tensors(path)
        provenance, info = read_provenance(path.parent)
        samples = Samples(tensors["values"], tensors["labels"], provenance.take(tensors["row"]), tensors["weights"])
        if "drawn_values" not in tensors:
            return CorrectedBatch(samples, samples, info)
        drawn = Samples(tensors["drawn_values"], tensors["drawn_labels"], provenance, torch.ones(len(provenance)))
        return CorrectedBatch(samples, drawn, info)

    def metrics(self, generation: int) -> Metrics:
        self.digest(generation)
        path = self._path_of(generation, METRICS_FILE)
        return from_json(parse_json(read_listed(path), path))

    def timings(self, generation: int) -> Mapping[str, float]:
        timings = self._read_timings(generation)
        timings.pop(MACHINE, None)
        return timings

    def list_machines(self) -> list[Machine]:
        """List the machines on which the generations were made, the latest last; older versions did not record them."""
        machines: dict[Machine, None] = {}
        for number, _ in generation_folders(self.folder):
            if values := self._read_timings(number).get(MACHINE):
                machine = Machine(**values)
                machines.pop(machine, None)
                machines[machine] = None
        return list(machines)

    def _read_timings(self, generation: int) -> dict[str, Any]:
        path = self._path_of(generation, TIMINGS_FILE)
        timings = read_with_digest(path)
        if timings.pop(BELONGS_TO, "") != self.digest(generation):
            raise DamagedError(f"{path} is of another generation; {PUT_BACK}")
        return timings

    def has_samples(self, generation: int) -> bool:
        """Return whether a generation's samples are kept."""
        return self._path_of(generation, SAMPLES_FILE).is_file()

    def has_whole_model(self, generation: int) -> bool:
        """Return whether training can continue from a generation."""
        return self._path_of(generation, MODEL).is_file()

    def corrector_state(self, generation: int) -> dict[str, Tensor]:
        self.digest(generation)
        path = self._path_of(generation, CORRECTOR)
        return read_tensors(path) if is_listed(path) else {}

    def _path_of(self, generation: int, name: str = "") -> Path:
        return self.folder / generation_name(generation) / name


class FolderStore(FolderReader):
    """A run folder that only this process may write.

    The lock is released when the store is closed or the process ends.
    """

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, object],
        *,
        keep_models: bool = True,
        keep_samples: bool = True,
        repair: bool = False,
        owner: Owner | None = None,
        first: FolderReader | None = None,
    ) -> None:
        """Open a run folder, creating it if necessary.

        Args:
            config: Settings of the run, as JSON values.
            keep_models: Keep the models of all generations. Otherwise only the last two are kept: a resume needs the
                last, and a repair the one before.
            keep_samples: Keep the samples of all generations, otherwise only of the last two. Policies then cannot read
                past generations (`policy.reads_past`).
            repair: Remove damaged and misplaced generations and all later ones, back to the last generation that the
                loop can resume from.
            owner: Run, arm and seed to which the generations belong; None if the folder stands alone.
            first: Reader of generation 0, if it is in another folder.

        Raises:
            DamagedError: Generations are damaged, missing or of another folder, and `repair` is false.
            RunFolderError: Another process has the folder, the config differs, or the folder cannot be written.
        """
        self._lock: FolderLock = claim_folder(folder, config)
        self._keep_models = keep_models
        self._keep_samples = keep_samples
        self._settings = digest_settings(config)
        try:
            _check_generations(folder, repair, owner, first)
            super().__init__(folder, owner, first)
            latest = (self._latest, self.digest(self._latest) if self._latest >= 0 else "")
            if _read_latest(folder) != latest:
                write_latest(folder, *latest)
            for number, _ in generation_folders(folder):
                self._prune(number)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._lock.release()

    def commit(self, generation: Generation) -> None:
        """Write a generation's files, all of them or none."""
        check_next(generation.number, self._latest)
        parent = self._digest_before(generation.number) or ""
        files = encode_generation(generation, self._owner, self._settings, parent)
        with explain_write_error(self.folder):
            write_folder(self._path_of(generation.number), files, self._lock.require_held)
            write_latest(self.folder, generation.number, compute_digest(files[ORIGIN]))
        self._latest = generation.number
        if self._path_of(generation.number - 2).is_dir():
            self._prune(generation.number - 2)

    def finish(self, sampling: Mapping[str, Tensor]) -> None:
        """Drop all models and samples that sampling does not need.

        Only what sampling from the last model needs is kept, so no loop can continue from this folder.

        Args:
            sampling: Part of the last model's state that sampling needs.
        """
        keep_sampler(self._path_of(self._latest), sampling)
        for number, folder in generation_folders(self.folder):
            drop_samples(folder)
            if number < self._latest:
                (folder / MODEL).unlink(missing_ok=True)

    def _prune(self, generation: int) -> None:
        """Remove files of an old generation that need not be kept."""
        if generation >= self._latest - 1:
            return
        if not self._keep_models:
            (self._path_of(generation, MODEL)).unlink(missing_ok=True)
        if not self._keep_samples:
            drop_samples(self._path_of(generation))


def find_damage(folder: Path, owner: Owner | None = None, first: FolderReader | None = None) -> dict[int, list[str]]:
    """Describe damaged, missing and misplaced generations of a run folder, by number.

    Args:
        owner: Run, arm and seed to which the generations must belong; None if they are not known.
        first: Reader of generation 0, if it is in another folder.
    """
    damage: dict[int, list[str]] = {}
    reader = FolderReader(folder, owner, first)
    for number, path in generation_folders(folder):
        damage[number] = [sentence for _, sentence in check_generation_files(path) if sentence]
        try:
            reader.timings(number)
        except DamagedError as error:
            if not any(str(error) in sentences for sentences in damage.values()):
                damage[number].append(str(error))
    for number, path in find_missing(folder).items():
        damage.setdefault(number, []).append(f"{path} is missing")
    for number, fault in find_other_latest(folder).items():
        if not any(fault in sentences for sentences in damage.values()):
            damage.setdefault(number, []).append(fault)
    return {number: damage[number] for number in sorted(damage) if damage[number]}


def find_missing(folder: Path) -> dict[int, Path]:
    """Find what a run folder lacks.

    It may lack generations between others, the last ones of those that were committed, and the model of the last one.
    """
    latest = _read_latest(folder)
    folders = dict(generation_folders(folder))
    last = max(folders, default=-1)
    end = last if latest is None else max(last, latest[0])
    start = 0 if 0 in folders or end < 1 else 1  # generation 0 may be in another folder
    gaps = set(range(start, end + 1)) - folders.keys()
    missing = {number: folder / generation_name(number) for number in gaps}
    if folders and not any((folders[last] / name).is_file() for name in (MODEL, SAMPLER)):
        missing[last] = folders[last] / MODEL
    return missing


def _read_latest(folder: Path) -> tuple[int, str] | None:
    try:
        return read_latest(folder)
    except DamagedError:
        return None  # `find_other_latest` says so


def find_other_latest(folder: Path) -> dict[int, str]:
    """Describe that a folder's record of its last generation is missing or damaged, or of another generation.

    Returns:
        A sentence by the number of the generation that is another one, or by that of the next generation for a fault of
        the record itself. Empty if there is no fault.
    """
    folders = dict(generation_folders(folder))
    following = max(folders, default=-1) + 1
    try:
        latest = read_latest(folder)
        if latest is None:
            has_origin = any(is_listed(path / ORIGIN) for path in folders.values())
            return {following: f"{folder / LATEST} is missing"} if has_origin else {}
        number, digest = latest
        if number in folders and read_origin(folders[number])[1] != digest:
            return {number: f"{folders[number]} is another generation than the one that was committed; {PUT_BACK}"}
        last = max(folders, default=-1)
        before = max((other for other in folders if other < last), default=-1)
        if number < last and number != before:  # a commit that was interrupted leaves the record of the one before
            return {following: f"{folder / LATEST} is of generation {number}, expected {last}; {PUT_BACK}"}
    except DamagedError as error:
        return {following: str(error)}
    return {}


def _check_generations(folder: Path, repair: bool, owner: Owner | None, first: FolderReader | None) -> None:
    damage = find_damage(folder, owner, first)
    if not damage:
        return
    first_damaged = min(damage)
    folders = generation_folders(folder)
    sound = {number: path for number, path in folders if number < first_damaged and (path / MODEL).is_file()}
    last = max(sound, default=-1)
    after = f"generation {last}" if sound else "the start"
    if repair and first_damaged > max(dict(folders), default=-1) and not find_missing(folder):
        warnings.warn(f"{damage[first_damaged][0]}; it is written again", stacklevel=3)
        return
    if not repair:
        raise DamagedError(f"{damage[first_damaged][0]}; --repair runs everything after {after} again")
    warnings.warn(f"{damage[first_damaged][0]}; everything after {after} is run again", stacklevel=3)
    write_latest(folder, last, read_origin(sound[last])[1] if sound else "")
    for number, path in reversed(generation_folders(folder)):
        if number > last:
            remove_folder(path)


def generation_name(generation: int) -> str:
    return f"generation-{generation:04d}"


def generation_folders(folder: Path) -> list[tuple[int, Path]]:
    """List the committed generations by number.

    The list is empty if there is no folder.
    """
    paths = folder.iterdir() if folder.is_dir() else ()
    names = ((re.fullmatch(r"generation-(\d{4,})", path.name), path) for path in paths)
    return sorted((int(match[1]), path) for match, path in names if match)
