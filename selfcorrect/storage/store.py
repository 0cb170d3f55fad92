"""Where generations are kept: in memory for toys, in run folders for everything else.

A run folder holds config.json, environment.json and one folder per generation. A generation is written to a temporary
folder beside its place, synced to disk and renamed, so that it is there as a whole or not at all.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from selfcorrect.correction import CorrectedBatch
from selfcorrect.errors import RunFolderError
from selfcorrect.provenance import Provenance
from selfcorrect.samples import Samples
from selfcorrect.storage.run_folder import FolderLock, claim_folder, explain_write_error, write_folder

Metrics: TypeAlias = Mapping[str, float | Sequence[float]]  # a sequence holds one value per replicate


@dataclass(frozen=True)
class Generation:
    """What a finished generation leaves behind.

    state: of its model; batch: the synthetic samples that the policy could train it on, None in generation 0;
    metrics: same in every rerun; timings: seconds per phase.
    """

    number: int
    state: Mapping[str, Tensor]
    batch: CorrectedBatch | None
    metrics: Metrics
    timings: Mapping[str, float]


class Record(Protocol):
    """Committed generations, read one at a time."""

    @property
    def latest(self) -> int:
        """The last committed generation, -1 before the first."""
        ...

    def state(self, generation: int) -> dict[str, Tensor]: ...

    def count(self, generation: int) -> int:
        """Number of synthetic samples that a generation had for training, without reading them."""
        ...

    def batch(self, generation: int) -> CorrectedBatch: ...

    def metrics(self, generation: int) -> Metrics: ...

    def timings(self, generation: int) -> Mapping[str, float]: ...


class Store(Record, Protocol):
    """A record that a loop can continue."""

    def commit(self, generation: Generation) -> None: ...


class MemoryStore:
    """A store that lives as long as the process."""

    def __init__(self) -> None:
        self._generations: dict[int, Generation] = {}

    @property
    def latest(self) -> int:
        return max(self._generations, default=-1)

    def commit(self, generation: Generation) -> None:
        _check_next(generation.number, self.latest)
        self._generations[generation.number] = generation

    def state(self, generation: int) -> dict[str, Tensor]:
        return dict(self._generations[generation].state)

    def count(self, generation: int) -> int:
        return len(self.batch(generation).samples)

    def batch(self, generation: int) -> CorrectedBatch:
        batch = self._generations[generation].batch
        if batch is None:
            raise RunFolderError(f"generation {generation} has no synthetic samples")
        return batch

    def metrics(self, generation: int) -> Metrics:
        return self._generations[generation].metrics

    def timings(self, generation: int) -> Mapping[str, float]:
        return self._generations[generation].timings


class FolderReader:
    """The committed generations of a run folder, read-only and without a lock, for reports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._latest = max((number for number, _ in generation_folders(folder)), default=-1)

    @property
    def latest(self) -> int:
        return self._latest

    def state(self, generation: int) -> dict[str, Tensor]:
        return _read_tensors(self._path(generation, "model.safetensors"))

    def count(self, generation: int) -> int:
        path = self._path(generation, "synthetic.safetensors")
        try:
            with safe_open(path, framework="pt") as file:
                return file.get_slice("labels").get_shape()[0]
        except (OSError, SafetensorError) as error:
            raise RunFolderError(f"cannot read {path}: {error}") from error

    def batch(self, generation: int) -> CorrectedBatch:
        tensors = _read_tensors(self._path(generation, "synthetic.safetensors"))
        table = pq.read_table(self._path(generation, "provenance.parquet"))
        provenance, info = _provenance(table)
        rows = tensors["row"]
        samples = Samples(tensors["values"], tensors["labels"], provenance.take(rows), tensors["weights"])
        if "drawn_values" not in tensors:
            return CorrectedBatch(samples, samples, info)
        weights = torch.ones(len(provenance))
        drawn = Samples(tensors["drawn_values"], tensors["drawn_labels"], provenance, weights)
        return CorrectedBatch(samples, drawn, info)

    def metrics(self, generation: int) -> Metrics:
        return _from_json(json.loads(self._path(generation, "metrics.json").read_text()))

    def timings(self, generation: int) -> Mapping[str, float]:
        return json.loads(self._path(generation, "timings.json").read_text())

    def _path(self, generation: int, file: str) -> Path:
        return self.folder / generation_name(generation) / file


class FolderStore(FolderReader):
    """A run folder that this process alone may write, until it is closed or the process ends.

    keep_models: keep every generation's model; else only the last, which is all that a resume needs.
    Raises RunFolderError when another process has the folder, its config differs, or it cannot be written.
    """

    def __init__(self, folder: Path, config: Mapping[str, object], *, keep_models: bool = True) -> None:
        self._lock: FolderLock = claim_folder(folder, config)
        self._keep_models = keep_models
        super().__init__(folder)
        self._prune_models()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._lock.release()

    def commit(self, generation: Generation) -> None:
        """Write all files of a generation at once, or none of them."""
        _check_next(generation.number, self._latest)
        with explain_write_error(self.folder):
            write_folder(self.folder / generation_name(generation.number), _files(generation))
        self._latest = generation.number
        self._prune_models()

    def _prune_models(self) -> None:
        if not self._keep_models:
            for number, folder in generation_folders(self.folder):
                if number < self._latest:
                    (folder / "model.safetensors").unlink(missing_ok=True)


def generation_name(generation: int) -> str:
    return f"generation-{generation:04d}"


def generation_folders(folder: Path) -> list[tuple[int, Path]]:
    """The committed generations in a run folder, by number."""
    names = ((re.fullmatch(r"generation-(\d{4,})", path.name), path) for path in folder.iterdir())
    return sorted((int(match[1]), path) for match, path in names if match)


def _check_next(number: int, latest: int) -> None:
    if latest >= 0 and number != latest + 1:
        raise RunFolderError(f"generation {number} cannot follow generation {latest}")


# --- the files of a generation ---------------------------------------------------------------------------------------


def _files(generation: Generation) -> dict[str, bytes]:
    files = {
        "model.safetensors": _tensor_bytes(generation.state),
        "metrics.json": _json_bytes(to_json(generation.metrics)),
        "timings.json": _json_bytes(dict(generation.timings)),
    }
    if generation.batch is not None:
        files["synthetic.safetensors"] = _tensor_bytes(_synthetic_tensors(generation.batch))
        files["provenance.parquet"] = _provenance_bytes(generation.batch)
    return files


def _tensor_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    return safetensors.torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise RunFolderError(f"cannot read {path}: {error}") from error


def _synthetic_tensors(batch: CorrectedBatch) -> dict[str, Tensor]:
    samples, drawn = batch.samples, batch.drawn
    tensors = {
        "values": samples.values,
        "labels": samples.labels,
        "weights": samples.weights,
        "row": torch.from_numpy(samples.provenance.parent),
    }
    if drawn is not samples:
        tensors |= {"drawn_values": drawn.values, "drawn_labels": drawn.labels}
    return tensors


def _provenance_bytes(batch: CorrectedBatch) -> bytes:
    """One row per raw draw: its provenance, then the corrector's diagnostics as `info.<name>`."""
    columns = batch.drawn.provenance.columns() | {
        f"info.{key}": np.asarray(column) for key, column in batch.info.items()
    }
    buffer = io.BytesIO()
    pq.write_table(
        pa.table({name: pa.array(column.tolist(), _arrow_type(column)) for name, column in columns.items()}), buffer
    )
    return buffer.getvalue()


def _arrow_type(column: np.ndarray) -> pa.DataType:
    return pa.from_numpy_dtype(column.dtype) if column.dtype.kind in "biuf" else pa.string()


def _provenance(table: pa.Table) -> tuple[Provenance, dict[str, np.ndarray]]:
    columns = {name: table[name].to_numpy() for name in table.column_names}
    info = {name.removeprefix("info."): columns.pop(name) for name in table.column_names if name.startswith("info.")}
    columns["corrector"] = columns["corrector"].astype(np.dtypes.StringDType())
    return Provenance(**columns), info


def _json_bytes(value: object) -> bytes:
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()


def to_json(value: object) -> object:
    """Metrics as strict JSON: a number that is not finite becomes null."""
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return [to_json(item) for item in value] if isinstance(value, Sequence) and not isinstance(value, str) else value


def _from_json(value: object) -> Any:
    """The inverse of `to_json`, null becoming NaN."""
    if isinstance(value, dict):
        return {key: _from_json(item) for key, item in value.items()}
    return [_from_json(item) for item in value] if isinstance(value, list) else math.nan if value is None else value
