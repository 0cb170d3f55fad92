"""Motions of a large dataset on disk, ready to be read in any order: shards that are mapped into memory.

A cache is a folder named after the content of the files it was made from, so that it is never stale. Each shard is a
safetensors file with the numbers of some hundred recordings, and a parquet table with a row per motion; digests of both
lie beside them. Shards are written whole or not at all: a build that was stopped goes on where it was, and a shard that
is not what was written is built again.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from tqdm import tqdm

from selfcorrect.bugs import sentence_of
from selfcorrect.datasets.collections import catalog
from selfcorrect.datasets.collections.dataset import Clip
from selfcorrect.errors import DamagedError, InputError, SettingError
from selfcorrect.motion.body.smpl import SMPL_BODY, to_smpl
from selfcorrect.motion.motion import Motion, MotionBatch, check_numbers
from selfcorrect.motion.skeleton import SMPL_22, Skeleton
from selfcorrect.motion.transforms import on_skeleton, resample
from selfcorrect.processes import start_processes
from selfcorrect.storage.digests import digest_of_file, sealed, unsealed
from selfcorrect.storage.files import replacing, write_atomically

_VERSION = 2
_DATA_SUFFIXES = (".npy", ".npz", ".bvh", ".txt", ".json", ".csv", ".pkl", ".gz")


@dataclass(frozen=True)
class CacheSettings:
    """What is cached: a dataset of the catalog in a folder, or one of its splits."""

    dataset: str
    folder: Path
    split: str | None = None
    fps: float | None = 30.0
    """Frame rate to which motions are resampled, None for their own."""
    body_only: bool = True
    """Only SMPL's 22 joints, so that motions of any source stack."""
    allow_pickle: bool = False
    """As in `ListsClips`."""
    clips_per_shard: int = 64
    """Recordings in a file of the cache."""

    def clips(self) -> list[Clip]:
        """The recordings, in the order of the cache."""
        return catalog.dataset(self.dataset).clips(self.folder, self.split, allow_pickle=self.allow_pickle)

    def fingerprint(self, clips: Sequence[Clip]) -> str:
        """Hash of the settings and of the content of the dataset's files, its recordings and what describes them."""
        around = [self.folder] if self.folder.is_file() else self.folder.rglob("*")
        paths = {path for path in around if path.suffix in _DATA_SUFFIXES} | {clip.path for clip in clips}
        files = sorted(path for path in paths if path.is_file())
        with ThreadPoolExecutor() as pool:
            hashes = list(pool.map(_hash_of_file, files))
        lines = [f"{os.path.relpath(path, self.folder)} {digest}" for path, digest in zip(files, hashes, strict=True)]
        settings = repr((_VERSION, replace(self, folder=Path())))
        return hashlib.sha256("\n".join([settings, *lines]).encode(errors="surrogateescape")).hexdigest()[:32]


def _hash_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


def open_cache(
    settings: CacheSettings, root: Path, *, workers: int | None = None, progress: bool = True
) -> MotionCache:
    """The cached motions of a dataset; what is missing or damaged in `root` is built first, by `workers` processes.

    Files that cannot be read are left out and told of in `MotionCache.complaints`. ValueError where none can be read.
    """
    clips = settings.clips()
    folder = root / f"{settings.dataset}-{settings.fingerprint(clips)}"
    shards = range(-(-len(clips) // settings.clips_per_shard))
    with ThreadPoolExecutor() as pool:
        whole = list(pool.map(partial(_is_whole, folder), shards))
    if missing := [shard for shard in shards if not whole[shard]]:
        folder.mkdir(parents=True, exist_ok=True)
        built = _built(settings, clips, folder, missing, workers or os.cpu_count() or 1)
        for _ in tqdm(built, "cache", len(missing), unit="shard", disable=not progress):
            pass
    cache = MotionCache(folder)
    if not len(cache):
        raise InputError(f"{settings.folder}: no motion could be read; the first problem: {cache.complaints[:1]}")
    return cache


def _built(
    settings: CacheSettings, clips: Sequence[Clip], folder: Path, shards: Sequence[int], workers: int
) -> Iterator[None]:
    """Builds shards one after the other, or several at once in processes that list the recordings for themselves."""
    if min(workers, len(shards)) == 1:
        yield from (_build(settings, clips, folder, shard) for shard in shards)
        return
    with start_processes(min(workers, len(shards))) as pool:
        yield from pool.map(partial(_build_in_process, settings, folder), shards)


def _build_in_process(settings: CacheSettings, folder: Path, shard: int) -> None:
    _build(settings, _listed(settings), folder, shard)


@lru_cache(maxsize=1)
def _listed(settings: CacheSettings) -> list[Clip]:
    """The recordings, listed once in each process."""
    return settings.clips()


def _build(settings: CacheSettings, clips: Sequence[Clip], folder: Path, shard: int) -> None:
    """Write one shard: the numbers, the table, then their digests, which say that both are there."""
    rows: list[dict[str, Any]] = []
    numbers: dict[str, np.ndarray] = {}
    complaints: list[str] = []
    first = shard * settings.clips_per_shard
    for clip in clips[first : first + settings.clips_per_shard]:
        try:
            motions = [_prepared(check_numbers(motion), settings) for motion in clip.read()]
        except Exception as error:  # whatever is wrong with one file, the others go on
            complaints.append(sentence_of(clip.path, error))
            continue
        for motion in motions:
            numbers |= {f"{len(rows)}.{name}": array for name, array in _numbers(motion).items()}
            rows.append(_row(clip, motion))
    with replacing(_file(folder, shard)) as temporary:
        save_file(numbers, temporary)
    table = pa.Table.from_pylist(rows, schema=pa.schema(_COLUMNS, {"complaints": json.dumps(complaints)}))
    with replacing(_file(folder, shard).with_suffix(".parquet")) as temporary:
        pq.write_table(table, temporary)
    write_atomically(_file(folder, shard).with_suffix(".json"), sealed(_digests(folder, shard)))


def _is_whole(folder: Path, shard: int) -> bool:
    """Whether a shard is there, and is what was written; a warning tells of one that is not."""
    seal = _file(folder, shard).with_suffix(".json")
    if not seal.exists():
        return False
    try:
        whole = unsealed(seal) == _digests(folder, shard)
    except DamagedError:
        whole = False
    if not whole:
        warnings.warn(f"{_file(folder, shard)}: is not what was written, and is made again", stacklevel=2)
    return whole


def _digests(folder: Path, shard: int) -> dict[str, str]:
    path = _file(folder, shard)
    return {suffix: digest_of_file(path.with_suffix(suffix)) for suffix in (".safetensors", ".parquet")}


def _file(folder: Path, shard: int) -> Path:
    return folder / f"shard-{shard:05d}.safetensors"


def _prepared(motion: Motion, settings: CacheSettings) -> Motion:
    motion = motion if settings.fps is None else resample(motion, settings.fps)
    return to_smpl(motion) if settings.body_only else motion


def _numbers(motion: Motion) -> dict[str, np.ndarray]:
    arrays = {"root_m": motion.root_m, "rotations": motion.rotations, "offsets_m": motion.skeleton.offsets_m}
    return {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in arrays.items()}


_COLUMNS = {
    **dict.fromkeys(("clip", "label", "text", "source", "joints"), pa.string()),
    "frames": pa.int64(),
    "fps": pa.float64(),
    "to_average": pa.float64(),
}
"""The table's columns; to_average: what a metre of the root's path becomes on SMPL's average body (1: other joints)."""


def _row(clip: Clip, motion: Motion) -> dict[str, Any]:
    skeleton = motion.skeleton
    joints = json.dumps([skeleton.names, skeleton.parents, skeleton.parts])
    texts = {"clip": clip.name, "label": motion.label, "text": motion.text, "source": motion.source}
    facts = {name: text.encode(errors="backslashreplace").decode() for name, text in texts.items()}
    return facts | {"joints": joints, "frames": len(motion), "fps": motion.fps, "to_average": _to_average(skeleton)}


def _to_average(skeleton: Skeleton) -> float:
    if skeleton.names != SMPL_22:
        return 1.0
    metre = Motion(skeleton, np.ones((1, 3)), np.tile([0.0, 0.0, 0.0, 1.0], (1, 22, 1)), fps=1.0)
    return float(on_skeleton(metre, SMPL_BODY.average()).root_m[0, 0])


_AGAIN = "remove this folder, and it is made again"


def _read_table(path: Path) -> pa.Table:
    try:
        table = pq.read_table(path)
        table.validate(full=True)
        complaints = json.loads((table.schema.metadata or {})[b"complaints"])
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: damaged ({error}); {_AGAIN}") from error
    if table.schema.remove_metadata() != pa.schema(_COLUMNS) or not isinstance(complaints, list):
        raise InputError(f"{path}: expected the columns {', '.join(_COLUMNS)}; {_AGAIN}")
    return table


def _open_shard(path: Path) -> Any:
    try:
        return safe_open(path, framework="np")
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: damaged ({error}); {_AGAIN}") from error


class MotionCache(Sequence[Motion]):
    """The motions of a finished cache, read from disk when they are asked for.

    table: columns (N,) of facts, by the names of `_COLUMNS`; complaints: a sentence per file that was left out.
    """

    def __init__(self, folder: Path) -> None:
        tables = [_read_table(path) for path in sorted(folder.glob("shard-*.parquet"))]
        if not tables:
            raise InputError(f"{folder}: expected shards of a cache here, found none")
        self.folder = folder
        self.table = {name: pa.concat_tables(tables)[name].to_numpy() for name in _COLUMNS}
        self.complaints = [line for table in tables for line in json.loads((table.schema.metadata)[b"complaints"])]
        self._firsts = np.cumsum([0, *(len(table) for table in tables)])
        self._shards = [_open_shard(path) for path in sorted(folder.glob("shard-*.safetensors"))]
        if len(self._shards) != len(tables):
            raise InputError(f"{folder}: expected a .safetensors file beside each table; {_AGAIN}")

    def __len__(self) -> int:
        return len(self.table["frames"])

    def __getitem__(self, index: int) -> Motion:  # type: ignore[override]
        return self.frames(index, 0, int(self.table["frames"][index]))

    def frames(self, index: int, start: int, stop: int) -> Motion:
        """Frames `start` to `stop` (exclusive) of motion `index`; only they are read."""
        index = range(len(self))[index]
        facts = {name: self.table[name][index] for name in ("label", "text", "source")}
        root_m, rotations = (self._slice(index, name, start, stop) for name in ("root_m", "rotations"))
        return Motion(self._skeleton(index), root_m, rotations, float(self.table["fps"][index]), **facts)

    def _slice(self, index: int, name: str, start: int, stop: int) -> np.ndarray:
        shard = int(np.searchsorted(self._firsts, index, side="right")) - 1
        try:
            part = self._shards[shard].get_slice(f"{index - self._firsts[shard]}.{name}")[start:stop]
        except (SafetensorError, ValueError, TypeError) as error:
            raise InputError(f"{_file(self.folder, shard)}: damaged ({error}); {_AGAIN}") from error
        if len(part) != stop - start:
            raise InputError(f"{_file(self.folder, shard)}: damaged (motion {index} is too short); {_AGAIN}")
        return part.astype(float)

    def _skeleton(self, index: int) -> Skeleton:
        try:
            names, parents, parts = _joints(self.table["joints"][index])
        except (ValueError, TypeError) as error:
            raise InputError(f"{self.folder}: the table of motion {index} is damaged ({error}); {_AGAIN}") from error
        return Skeleton(names, parents, self._slice(index, "offsets_m", 0, len(names)), parts)

    def random_windows(self, count: int, frames: int, random: np.random.Generator) -> MotionBatch:
        """Windows drawn from all frames alike, of motions that are long enough, on the average skeleton."""
        starts = np.maximum(self.table["frames"] - frames + 1, 0)
        ends = np.cumsum(starts)
        if not ends[-1]:
            raise InputError(f"{self.folder}: no motion has {frames} frames, the longest {self.table['frames'].max()}")
        places = random.integers(ends[-1], size=count)
        rows = np.searchsorted(ends, places, side="right")
        firsts = (places - (ends - starts)[rows])[:, None]
        root_m, rotations = (
            np.stack([self._slice(row, name, at, at + frames) for row, (at,) in zip(rows, firsts, strict=True)])
            for name in ("root_m", "rotations")
        )
        skeleton, scales = self.common_body
        lengths, fps = np.full(count, frames), float(self.table["fps"][0])
        return MotionBatch(skeleton, root_m * scales[rows, None, None], rotations, lengths, fps)

    @cached_property
    def common_body(self) -> tuple[Skeleton, np.ndarray]:
        """The motions' average skeleton, and (N,) what a metre of each root's path becomes on it (see `on_skeleton`).

        ValueError where motions do not have SMPL's 22 joints and one frame rate.
        """
        skeletons = [self._skeleton(index) for index in range(len(self))]
        if {skeleton.names for skeleton in skeletons} != {SMPL_22} or len(set(self.table["fps"])) > 1:
            raise SettingError(f"{self.folder}: windows need motions of SMPL's body at one rate: set body_only and fps")
        average = replace(skeletons[0], offsets_m=np.mean([skeleton.offsets_m for skeleton in skeletons], axis=0))
        return average, self.table["to_average"] / _to_average(average)


@lru_cache(maxsize=64)
def _joints(text: str) -> tuple[tuple[str, ...], tuple[int, ...], tuple[str, ...]]:
    names, parents, parts = json.loads(text)
    return tuple(names), tuple(parents), tuple(parts)
