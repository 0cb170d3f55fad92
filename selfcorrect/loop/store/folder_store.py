"""A crash-safe store in a run folder.

A run can be resumed, and other processes can read its folder meanwhile. The folder holds config.json, environment.json
and a folder per generation. A generation is written to a temporary folder beside its final place, synced to disk and
renamed, so that it exists completely or not at all.
"""

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from ...core.errors import DamagedError
from ...core.samples import Samples
from ...storage.files.digests import read_with_digest
from ...storage.files.locks import FolderLock
from ...storage.files.strict_json import from_json, parse_json
from ...storage.files.writing import explain_write_error, remove_folder, write_folder
from ..correctors.loop_correction import CorrectedBatch
from .generation_files import (
    CORRECTOR,
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
from .protocol import Generation, Metrics, check_next
from .run_folder import claim_folder


class FolderReader:
    """Read the committed generations of a run folder, without a lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._samples: dict[int, Samples] = {}
        self._latest = max((number for number, _ in generation_folders(folder)), default=-1)

    @property
    def latest(self) -> int:
        return self._latest

    def state(self, generation: int) -> dict[str, Tensor]:
        """Read the model's state, which may be limited to what sampling needs."""
        sampler = self._path_of(generation, SAMPLER)
        return read_tensors(sampler if is_listed(sampler) else sampler.with_name(MODEL))

    def samples(self, generation: int) -> Samples:
        if generation not in self._samples:
            self._samples[generation] = self.batch(generation).samples
        return self._samples[generation]

    def batch(self, generation: int) -> CorrectedBatch:
        """Read a generation's synthetic batch with provenance, raw draws and diagnostics."""
        path = self._path_of(generation, SAMPLES_FILE)
        tensors = read_tensors(path)
        provenance, info = read_provenance(path.parent)
        samples = Samples(tensors["values"], tensors["labels"], provenance.take(tensors["row"]), tensors["weights"])
        if "drawn_values" not in tensors:
            return CorrectedBatch(samples, samples, info)
        drawn = Samples(tensors["drawn_values"], tensors["drawn_labels"], provenance, torch.ones(len(provenance)))
        return CorrectedBatch(samples, drawn, info)

    def metrics(self, generation: int) -> Metrics:
        path = self._path_of(generation, METRICS_FILE)
        return from_json(parse_json(read_listed(path), path))

    def timings(self, generation: int) -> Mapping[str, float]:
        return read_with_digest(self._path_of(generation, TIMINGS_FILE))

    def has_samples(self, generation: int) -> bool:
        """Return whether a generation's samples are kept."""
        return self._path_of(generation, SAMPLES_FILE).is_file()

    def has_whole_model(self, generation: int) -> bool:
        """Return whether training can continue from a generation."""
        return self._path_of(generation, MODEL).is_file()

    def corrector_state(self, generation: int) -> dict[str, Tensor]:
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
    ) -> None:
        """Open a run folder, creating it if necessary.

        Args:
            config: Settings of the run, as JSON values.
            keep_models: Keep the models of all generations. Otherwise only the last two are kept: a resume needs the
                last, and a repair the one before.
            keep_samples: Keep the samples of all generations, otherwise only of the last two. Policies then cannot read
                past generations (`policy.reads_past`).
            repair: Remove damaged generations and all later ones, back to the last generation that the loop can resume
                from.

        Raises:
            DamagedError: Generations are damaged, and `repair` is false.
            RunFolderError: Another process has the folder, the config differs, or the folder cannot be written.
        """
        self._lock: FolderLock = claim_folder(folder, config)
        self._keep_models = keep_models
        self._keep_samples = keep_samples
        try:
            _check_generations(folder, repair)
            super().__init__(folder)
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
        with explain_write_error(self.folder):
            write_folder(self._path_of(generation.number), encode_generation(generation), self._lock.require_held)
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


def find_damage(folder: Path) -> dict[int, list[str]]:
    """Describe damaged and missing generations of a run folder, by number."""
    damage = {}
    for number, path in generation_folders(folder):
        damage[number] = [sentence for _, sentence in check_generation_files(path) if sentence]
    for number, path in find_missing(folder).items():
        damage.setdefault(number, []).append(f"{path} is missing")
    return {number: damage[number] for number in sorted(damage) if damage[number]}


def find_missing(folder: Path) -> dict[int, Path]:
    """Find what a run folder lacks.

    It may lack generations between others, and the model of the last one.
    """
    folders = dict(generation_folders(folder))
    gaps = set(range(min(folders, default=0), max(folders, default=0))) - folders.keys()
    missing = {number: folder / generation_name(number) for number in gaps}
    if folders and not any((folders[max(folders)] / name).is_file() for name in (MODEL, SAMPLER)):
        missing[max(folders)] = folders[max(folders)] / MODEL
    return missing


def _check_generations(folder: Path, repair: bool) -> None:
    damage = find_damage(folder)
    if not damage:
        return
    first = min(damage)
    sound = [number for number, path in generation_folders(folder) if number < first and (path / MODEL).is_file()]
    last = max(sound, default=-1)
    after = f"generation {last}" if sound else "the start"
    if not repair:
        raise DamagedError(f"{damage[first][0]}; --repair runs everything after {after} again")
    warnings.warn(f"{damage[first][0]}; everything after {after} is run again", stacklevel=3)
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
