"""The files of one generation: tensors (safetensors), provenance (parquet), metrics and timings (JSON).

`digests.json` has the digest of every other file but the timings, which differ from run to run and hold their own.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import prod
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ...core.errors import DamagedError, RunFolderError
from ...core.provenance import Provenance
from ...core.samples import Samples, StoredSamples
from ...correctors.correction import CorrectedBatch
from ..files.digests import DIGESTS, damage_of_sealed, digest, listed_in, read_checked, sealed, unsealed
from ..files.strict_json import from_json, parsed, to_json
from ..files.writing import write_atomically
from .protocol import Generation, Metrics

MODEL = "model.safetensors"
_SAMPLER = "sampler.safetensors"
_CORRECTOR = "corrector.safetensors"
SAMPLES = "synthetic.safetensors"
_PROVENANCE = "provenance.parquet"
_METRICS = "metrics.json"
_TIMINGS = "timings.json"


def encode_generation(generation: Generation) -> dict[str, bytes]:
    """The content of every file of a generation by name; the same generation gives the same bytes."""
    files = {
        MODEL: _tensor_bytes(generation.state),
        _METRICS: _json_bytes(to_json(generation.metrics)),
    }
    if generation.corrector:
        files[_CORRECTOR] = _tensor_bytes(generation.corrector)
    if generation.batch is not None:
        files[SAMPLES] = _tensor_bytes(_synthetic_tensors(generation.batch))
        files[_PROVENANCE] = _provenance_bytes(generation.batch)
    digests = {name: digest(content) for name, content in files.items()}
    return {**files, _TIMINGS: sealed(dict(generation.timings)), DIGESTS: sealed(digests)}


def drop_samples(folder: Path) -> None:
    """Remove the samples from the folder of a generation, their digests first, so that nothing misses them."""
    digests = unsealed(folder / DIGESTS)
    kept = {name: value for name, value in digests.items() if name not in (SAMPLES, _PROVENANCE)}
    if kept != digests:
        write_atomically(folder / DIGESTS, sealed(kept))
    for name in (SAMPLES, _PROVENANCE):
        (folder / name).unlink(missing_ok=True)


def keep_sampler(folder: Path, state: Mapping[str, Tensor]) -> None:
    """Put the state that sampling takes in the place of the whole model, which training would go on from.

    Whenever the process ends, one of both is there and listed.
    """
    digests = unsealed(folder / DIGESTS)
    if MODEL in digests:
        content = _tensor_bytes(state)
        write_atomically(folder / _SAMPLER, content)
        kept = {name: value for name, value in digests.items() if name != MODEL}
        write_atomically(folder / DIGESTS, sealed(kept | {_SAMPLER: digest(content)}))
    (folder / MODEL).unlink(missing_ok=True)


def is_whole(folder: Path) -> bool:
    """Whether the folder of a generation has the model from which training goes on."""
    return (folder / MODEL).is_file()


def can_sample(folder: Path) -> bool:
    """Whether the folder of a generation has a model, be it for sampling alone."""
    return is_whole(folder) or (folder / _SAMPLER).is_file()


def damage_in(folder: Path) -> list[str]:
    """A sentence for each file in the folder of a generation that is not what was written."""
    return [wrong for _, wrong in looked_at(folder) if wrong]


def looked_at(folder: Path) -> list[tuple[Path, str]]:
    """The files in the folder of a generation whose digests are known, and what is wrong with each, "" for nothing.

    The model alone may be missing, because that of a generation long past is removed.
    """
    found = listed_in(folder / DIGESTS)
    found = [(path, wrong) for path, wrong in found if path.name != MODEL or path.exists()]
    return [*found, (folder / _TIMINGS, damage_of_sealed(folder / _TIMINGS))]


def _checked(folder: Path, name: str) -> bytes:
    digests = unsealed(folder / DIGESTS)
    if name not in digests:
        raise DamagedError(f"{folder / name} is missing")
    return read_checked(folder / name, digests[name])


def read_state(folder: Path) -> dict[str, Tensor]:
    """The model's state from the folder of a generation, be it for sampling alone."""
    return _tensors(folder, _SAMPLER if _SAMPLER in unsealed(folder / DIGESTS) else MODEL)


def read_corrector_state(folder: Path) -> dict[str, Tensor]:
    """What the corrector kept, from the folder of a generation; {} where it kept nothing."""
    return _tensors(folder, _CORRECTOR) if _CORRECTOR in unsealed(folder / DIGESTS) else {}


def read_count(folder: Path) -> int:
    """The number of synthetic samples in the folder of a generation, without reading them."""
    path = folder / SAMPLES
    try:
        with safe_open(path, framework="pt") as file:
            return file.get_slice("labels").get_shape()[0]
    except (OSError, SafetensorError) as error:
        raise RunFolderError(f"cannot read {path}: {error}") from error


@dataclass(frozen=True)
class _StoredValues:
    """The values in a file of samples. It is opened for each reading, and only the rows asked for are copied.

    By NumPy, because safetensors 0.8 leaks some bytes whenever it makes a tensor of PyTorch's, and a long loop that
    accumulates reads millions of times.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: torch.dtype
    start: int
    """Where in the file they are."""

    def __getitem__(self, indices: Tensor) -> Tensor:
        count, *event = self.shape
        try:
            stored = np.memmap(self.path, np.uint8, "r", self.start, (count, prod(event) * self.dtype.itemsize))
        except (OSError, ValueError) as error:
            raise RunFolderError(f"cannot read {self.path}: {error}") from error
        rows = torch.from_numpy(stored[indices.cpu().numpy()].reshape(-1))
        return rows.view(self.dtype).reshape(len(indices), *event)


def read_samples(folder: Path) -> StoredSamples:
    """The synthetic samples from the folder of a generation; their values are read when they are used."""
    path, content = folder / SAMPLES, _checked(folder, SAMPLES)
    tensors = _decoded(path, content)
    labels, weights, rows = (tensors[name].clone() for name in ("labels", "weights", "row"))
    shape, dtype = tuple(tensors["values"].shape), tensors["values"].dtype
    values = _StoredValues(path, shape, dtype, _start(content, "values"))
    return StoredSamples([values], labels, _stored_provenance(folder)[0].take(rows), weights)


def _start(content: bytes, name: str) -> int:
    """Where a tensor starts in a file of safetensors: a header of JSON, its length before it, then all tensors."""
    stop = 8 + int.from_bytes(content[:8], "little")
    return stop + parsed(content[8:stop], "its header")[name]["data_offsets"][0]


def read_batch(folder: Path) -> CorrectedBatch:
    """The synthetic samples from the folder of a generation, with provenance, raw draws and diagnostics."""
    tensors = _tensors(folder, SAMPLES)
    provenance, info = _stored_provenance(folder)
    samples = Samples(tensors["values"], tensors["labels"], provenance.take(tensors["row"]), tensors["weights"])
    if "drawn_values" not in tensors:
        return CorrectedBatch(samples, samples, info)
    drawn = Samples(tensors["drawn_values"], tensors["drawn_labels"], provenance, torch.ones(len(provenance)))
    return CorrectedBatch(samples, drawn, info)


def read_metrics(folder: Path) -> Metrics:
    """The metrics from the folder of a generation."""
    return from_json(parsed(_checked(folder, _METRICS), folder / _METRICS))


def read_timings(folder: Path) -> Mapping[str, float]:
    """Seconds per phase from the folder of a generation."""
    return unsealed(folder / _TIMINGS)


def _tensor_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    return safetensors.torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def _tensors(folder: Path, name: str) -> dict[str, Tensor]:
    return _decoded(folder / name, _checked(folder, name))


def _decoded(path: Path, content: bytes) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(content)
    except SafetensorError as error:
        raise RunFolderError(f"cannot read {path}: {error}") from error


def _synthetic_tensors(batch: CorrectedBatch) -> dict[str, Tensor]:
    samples, drawn = batch.samples, batch.drawn
    tensors = {
        "values": samples.values,
        "labels": samples.labels,
        "weights": samples.weights,
        "row": torch.from_numpy(samples.provenance.draw),
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


def _stored_provenance(folder: Path) -> tuple[Provenance, dict[str, np.ndarray]]:
    return _provenance(pq.read_table(io.BytesIO(_checked(folder, _PROVENANCE))))


def _provenance(table: pa.Table) -> tuple[Provenance, dict[str, np.ndarray]]:
    columns = {name: table[name].to_numpy() for name in table.column_names}
    info = {name.removeprefix("info."): columns.pop(name) for name in table.column_names if name.startswith("info.")}
    if missing := {field.name for field in fields(Provenance)} - columns.keys():
        raise RunFolderError(f"a run folder of another version lacks {', '.join(sorted(missing))} of its samples")
    columns["corrector"] = columns["corrector"].astype(np.dtypes.StringDType())
    return Provenance(**columns), info


def _json_bytes(value: object) -> bytes:
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()
