"""The files of one generation: tensors (safetensors), provenance (parquet), metrics and timings (JSON)."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

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
from selfcorrect.storage.protocol import Generation, Metrics
from selfcorrect.storage.strict_json import from_json, to_json

MODEL = "model.safetensors"
_SYNTHETIC = "synthetic.safetensors"
_PROVENANCE = "provenance.parquet"
_METRICS = "metrics.json"
_TIMINGS = "timings.json"


def encode_generation(generation: Generation) -> dict[str, bytes]:
    """The content of every file of a generation by name; the same generation gives the same bytes."""
    files = {
        MODEL: _tensor_bytes(generation.state),
        _METRICS: _json_bytes(to_json(generation.metrics)),
        _TIMINGS: _json_bytes(dict(generation.timings)),
    }
    if generation.batch is not None:
        files[_SYNTHETIC] = _tensor_bytes(_synthetic_tensors(generation.batch))
        files[_PROVENANCE] = _provenance_bytes(generation.batch)
    return files


def read_state(folder: Path) -> dict[str, Tensor]:
    """The model's state from the folder of a generation."""
    return _read_tensors(folder / MODEL)


def read_count(folder: Path) -> int:
    """The number of synthetic samples in the folder of a generation, without reading them."""
    path = folder / _SYNTHETIC
    try:
        with safe_open(path, framework="pt") as file:
            return file.get_slice("labels").get_shape()[0]
    except (OSError, SafetensorError) as error:
        raise RunFolderError(f"cannot read {path}: {error}") from error


def read_batch(folder: Path) -> CorrectedBatch:
    """The synthetic samples from the folder of a generation, with provenance, raw draws and diagnostics."""
    tensors = _read_tensors(folder / _SYNTHETIC)
    provenance, info = _provenance(pq.read_table(folder / _PROVENANCE))
    samples = Samples(tensors["values"], tensors["labels"], provenance.take(tensors["row"]), tensors["weights"])
    if "drawn_values" not in tensors:
        return CorrectedBatch(samples, samples, info)
    drawn = Samples(tensors["drawn_values"], tensors["drawn_labels"], provenance, torch.ones(len(provenance)))
    return CorrectedBatch(samples, drawn, info)


def read_metrics(folder: Path) -> Metrics:
    """The metrics from the folder of a generation."""
    return from_json(json.loads((folder / _METRICS).read_text()))


def read_timings(folder: Path) -> Mapping[str, float]:
    """Seconds per phase from the folder of a generation."""
    return json.loads((folder / _TIMINGS).read_text())


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


def _provenance(table: pa.Table) -> tuple[Provenance, dict[str, np.ndarray]]:
    columns = {name: table[name].to_numpy() for name in table.column_names}
    info = {name.removeprefix("info."): columns.pop(name) for name in table.column_names if name.startswith("info.")}
    if missing := {field.name for field in fields(Provenance)} - columns.keys():
        raise RunFolderError(f"a run folder of another version lacks {', '.join(sorted(missing))} of its samples")
    columns["corrector"] = columns["corrector"].astype(np.dtypes.StringDType())
    return Provenance(**columns), info


def _json_bytes(value: object) -> bytes:
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()
