"""Files of a generation: tensors (safetensors), provenance (parquet), metrics and timings (JSON).

`digests.json` has the digest of every other file except the timings, which differ between runs and hold their own.
"""

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
from safetensors import SafetensorError
from torch import Tensor

from ...core.errors import DamagedError, RunFolderError
from ...core.provenance import Provenance
from ...core.samples import Samples
from ...correctors.loop_correction import CorrectedBatch
from ..files.digests import (
    DIGESTS,
    check_listing,
    compute_digest,
    describe_sealed_damage,
    encode_sealed,
    read_checked,
    read_sealed,
)
from ..files.strict_json import from_json, parse_json, to_json
from ..files.writing import write_atomically
from .protocol import Generation, Metrics

MODEL = "model.safetensors"
_SAMPLER = "sampler.safetensors"
_CORRECTOR = "corrector.safetensors"
SAMPLES_FILE = "synthetic.safetensors"
_PROVENANCE = "provenance.parquet"
_METRICS = "metrics.json"
_TIMINGS = "timings.json"


def encode_generation(generation: Generation) -> dict[str, bytes]:
    """Return the content of every file of a generation by name; equal generations give equal bytes."""
    files = {
        MODEL: _tensor_bytes(generation.state),
        _METRICS: _json_bytes(to_json(generation.metrics)),
    }
    if generation.corrector:
        files[_CORRECTOR] = _tensor_bytes(generation.corrector)
    if generation.batch is not None:
        files[SAMPLES_FILE] = _tensor_bytes(_synthetic_tensors(generation.batch))
        files[_PROVENANCE] = _provenance_bytes(generation.batch)
    digests = {name: compute_digest(content) for name, content in files.items()}
    return {**files, _TIMINGS: encode_sealed(dict(generation.timings)), DIGESTS: encode_sealed(digests)}


def drop_samples(folder: Path) -> None:
    """Remove the samples from the folder of a generation, their digests first, so that they are not missed."""
    digests = read_sealed(folder / DIGESTS)
    other_digests = {name: value for name, value in digests.items() if name not in (SAMPLES_FILE, _PROVENANCE)}
    if other_digests != digests:
        write_atomically(folder / DIGESTS, encode_sealed(other_digests))
    for name in (SAMPLES_FILE, _PROVENANCE):
        (folder / name).unlink(missing_ok=True)


def keep_sampler(folder: Path, state: Mapping[str, Tensor]) -> None:
    """Replace the whole model, from which training can continue, by the state that sampling needs.

    Whenever the process ends, one of both exists and is listed.
    """
    digests = read_sealed(folder / DIGESTS)
    if MODEL in digests:
        content = _tensor_bytes(state)
        write_atomically(folder / _SAMPLER, content)
        other_digests = {name: value for name, value in digests.items() if name != MODEL}
        write_atomically(folder / DIGESTS, encode_sealed(other_digests | {_SAMPLER: compute_digest(content)}))
    (folder / MODEL).unlink(missing_ok=True)


def has_whole_model(folder: Path) -> bool:
    """Return whether the folder of a generation has a model from which training can continue."""
    return (folder / MODEL).is_file()


def can_sample(folder: Path) -> bool:
    """Return whether the folder of a generation has a model, be it only for sampling."""
    return has_whole_model(folder) or (folder / _SAMPLER).is_file()


def list_damage(folder: Path) -> list[str]:
    """Return a sentence for each damaged file in the folder of a generation."""
    return [sentence for _, sentence in check_generation_files(folder) if sentence]


def check_generation_files(folder: Path) -> list[tuple[Path, str]]:
    """Return the files in the folder of a generation, each with a sentence about damage, "" for an intact file.

    Only the model may be missing, because models of early generations are removed.
    """
    results = []
    for path, damage in check_listing(folder / DIGESTS):
        if path.name != MODEL or path.exists():
            results.append((path, damage))
    results.append((folder / _TIMINGS, describe_sealed_damage(folder / _TIMINGS)))
    return results


def _read_checked(folder: Path, name: str) -> bytes:
    digests = read_sealed(folder / DIGESTS)
    if name not in digests:
        raise DamagedError(f"{folder / name} is missing")
    return read_checked(folder / name, digests[name])


def read_state(folder: Path) -> dict[str, Tensor]:
    """Read the model's state from the folder of a generation, be it only for sampling."""
    return _read_tensors(folder, _SAMPLER if _SAMPLER in read_sealed(folder / DIGESTS) else MODEL)


def read_corrector_state(folder: Path) -> dict[str, Tensor]:
    """Read the state of the corrector from the folder of a generation, {} for none."""
    return _read_tensors(folder, _CORRECTOR) if _CORRECTOR in read_sealed(folder / DIGESTS) else {}


def read_batch(folder: Path) -> CorrectedBatch:
    """Read the synthetic samples from the folder of a generation, with provenance, raw draws and diagnostics."""
    tensors = _read_tensors(folder, SAMPLES_FILE)
    provenance, info = _read_provenance(folder)
    samples = Samples(tensors["values"], tensors["labels"], provenance.take(tensors["row"]), tensors["weights"])
    if "drawn_values" not in tensors:
        return CorrectedBatch(samples, samples, info)
    drawn = Samples(tensors["drawn_values"], tensors["drawn_labels"], provenance, torch.ones(len(provenance)))
    return CorrectedBatch(samples, drawn, info)


def read_metrics(folder: Path) -> Metrics:
    """Read the metrics from the folder of a generation."""
    return from_json(parse_json(_read_checked(folder, _METRICS), folder / _METRICS))


def read_timings(folder: Path) -> Mapping[str, float]:
    """Read the seconds per phase from the folder of a generation."""
    return read_sealed(folder / _TIMINGS)


def _tensor_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    return safetensors.torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def _read_tensors(folder: Path, name: str) -> dict[str, Tensor]:
    return _decode_tensors(folder / name, _read_checked(folder, name))


def _decode_tensors(path: Path, content: bytes) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(content)
    except SafetensorError as error:
        raise RunFolderError(f"cannot read {path}: {error}") from error


def _synthetic_tensors(batch: CorrectedBatch) -> dict[str, Tensor]:
    samples = batch.samples
    drawn = batch.drawn
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
    """Encode a row per raw draw: its provenance, then the corrector's diagnostics as `info.<name>`."""
    columns = batch.drawn.provenance.columns() | {
        f"info.{key}": np.asarray(column) for key, column in batch.info.items()
    }
    arrays = {}
    for name, column in columns.items():
        kind = pa.from_numpy_dtype(column.dtype) if column.dtype.kind in "biuf" else pa.string()
        arrays[name] = pa.array(column.tolist(), kind)
    buffer = io.BytesIO()
    pq.write_table(pa.table(arrays), buffer)
    return buffer.getvalue()


def _read_provenance(folder: Path) -> tuple[Provenance, dict[str, np.ndarray]]:
    return _provenance(pq.read_table(io.BytesIO(_read_checked(folder, _PROVENANCE))))


def _provenance(table: pa.Table) -> tuple[Provenance, dict[str, np.ndarray]]:
    columns = {name: table[name].to_numpy() for name in table.column_names}
    info = {name.removeprefix("info."): columns.pop(name) for name in table.column_names if name.startswith("info.")}
    if missing := {field.name for field in fields(Provenance)} - columns.keys():
        raise RunFolderError(f"a run folder of another version lacks {', '.join(sorted(missing))} of its samples")
    columns["corrector"] = columns["corrector"].astype(np.dtypes.StringDType())
    return Provenance(**columns), info


def _json_bytes(value: object) -> bytes:
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()
