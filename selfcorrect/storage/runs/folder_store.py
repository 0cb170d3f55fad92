"""Generations kept in a run folder: crash-safe, resumable, readable by others while it grows.

A run folder holds config.json, environment.json and one folder per generation. A generation is written to a temporary
folder beside its place, synced to disk and renamed, so that it is there as a whole or not at all.
"""

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from torch import Tensor

from ...core.errors import DamagedError
from ...core.samples import Samples
from ...correctors.correction import CorrectedBatch
from ..files.locks import FolderLock
from ..files.writing import explain_write_error, remove_folder, write_folder
from .generation_files import (
    MODEL,
    SAMPLES,
    can_sample,
    damage_in,
    drop_samples,
    encode_generation,
    is_whole,
    keep_sampler,
    read_batch,
    read_corrector_state,
    read_count,
    read_metrics,
    read_samples,
    read_state,
    read_timings,
)
from .protocol import Generation, Metrics, check_next
from .run_folder import claim_folder


class FolderReader:
    """The committed generations of a run folder, read-only and without a lock, for reports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._samples: dict[int, Samples] = {}  # all but their values
        self._latest = max((number for number, _ in generation_folders(folder)), default=-1)

    @property
    def latest(self) -> int:
        return self._latest

    def state(self, generation: int) -> dict[str, Tensor]:
        return read_state(self._folder_of(generation))

    def count(self, generation: int) -> int:
        return read_count(self._folder_of(generation))

    def samples(self, generation: int) -> Samples:
        if generation not in self._samples:
            self._samples[generation] = read_samples(self._folder_of(generation))
        return self._samples[generation]

    def batch(self, generation: int) -> CorrectedBatch:
        return read_batch(self._folder_of(generation))

    def metrics(self, generation: int) -> Metrics:
        return read_metrics(self._folder_of(generation))

    def timings(self, generation: int) -> Mapping[str, float]:
        return read_timings(self._folder_of(generation))

    def has_samples(self, generation: int) -> bool:
        """Whether the samples of a generation were kept."""
        return (self._folder_of(generation) / SAMPLES).is_file()

    def has_whole_model(self, generation: int) -> bool:
        """Whether the model of a generation was kept so that training can go on from it."""
        return is_whole(self._folder_of(generation))

    def corrector_state(self, generation: int) -> dict[str, Tensor]:
        return read_corrector_state(self._folder_of(generation))

    def _folder_of(self, generation: int) -> Path:
        return self.folder / generation_name(generation)


class FolderStore(FolderReader):
    """A run folder that this process alone may write, until it is closed or the process ends.

    keep_models, keep_samples: keep those of every generation; else only of the last two, since a resume needs one and a
    repair the one before. Without samples, a policy cannot read those of past generations (`policy.reads_past`).
    repair: Remove damaged generations and all that follow the last one from which the loop can resume, so that they are
    done again. Raises DamagedError, which names them, without; RunFolderError when another process has the folder, its
    config differs, or it cannot be written.
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
        self._lock: FolderLock = claim_folder(folder, config)
        self._keep_models, self._keep_samples = keep_models, keep_samples
        try:
            _check(folder, repair)
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
        """Write all files of a generation at once, or none of them."""
        check_next(generation.number, self._latest)
        with explain_write_error(self.folder):
            write_folder(self._folder_of(generation.number), encode_generation(generation), self._lock.still_held)
        self._latest = generation.number
        if self._folder_of(generation.number - 2).is_dir():
            self._prune(generation.number - 2)

    def finish(self, sampling: Mapping[str, Tensor] | None = None) -> None:
        """Drop all models and samples but the last, from which a loop goes on unless its policy reads past samples.

        sampling: what of the last model's state sampling takes; this takes its place, and no loop goes on from there.
        """
        if sampling is not None:
            keep_sampler(self._folder_of(self._latest), sampling)
            drop_samples(self._folder_of(self._latest))
        for number, folder in generation_folders(self.folder):
            if number < self._latest:
                drop_samples(folder)
                (folder / MODEL).unlink(missing_ok=True)

    def _prune(self, generation: int) -> None:
        """Remove what need not be kept of a generation that is long past."""
        if generation >= self._latest - 1:
            return
        if not self._keep_models:
            (self._folder_of(generation) / MODEL).unlink(missing_ok=True)
        if not self._keep_samples:
            drop_samples(self._folder_of(generation))


def damage_below(folder: Path) -> dict[int, list[str]]:
    """Sentences about each damaged generation of a run folder; of one that is missing between others, too."""
    folders = dict(generation_folders(folder))
    damage = {number: damage_in(path) for number, path in folders.items()}
    if folders and not can_sample(folders[max(folders)]):
        damage[max(folders)].append(f"{folders[max(folders)] / MODEL} is missing")
    gaps = set(range(min(folders, default=0), max(folders, default=0))) - folders.keys()
    damage |= {number: [f"{folder / generation_name(number)} is missing"] for number in gaps}
    return {number: damage[number] for number in sorted(damage) if damage[number]}


def _check(folder: Path, repair: bool) -> None:
    damage = damage_below(folder)
    if not damage:
        return
    first = min(damage)
    sound = [number for number, path in generation_folders(folder) if number < first and is_whole(path)]
    last = max(sound, default=-1)
    if not repair:
        after = f"generation {last}" if sound else "the start"
        raise DamagedError(f"{damage[first][0]}; what follows {after} can be done again (--repair)")
    warnings.warn(
        f"{damage[first][0]}; what follows {f'generation {last}' if sound else 'the start'} is done again", stacklevel=3
    )
    for number, path in reversed(generation_folders(folder)):
        if number > last:
            remove_folder(path)


def generation_name(generation: int) -> str:
    return f"generation-{generation:04d}"


def generation_folders(folder: Path) -> list[tuple[int, Path]]:
    """The committed generations in a run folder, by number; none where there is no such folder."""
    paths = folder.iterdir() if folder.is_dir() else ()
    names = ((re.fullmatch(r"generation-(\d{4,})", path.name), path) for path in paths)
    return sorted((int(match[1]), path) for match, path in names if match)
