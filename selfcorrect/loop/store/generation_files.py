"""The files of a generation.

Tensors are stored as safetensors, provenance as parquet, metrics and timings as JSON. `origin.json` says what the
generation belongs to. `digests.json` has the digests of all other files except the timings, which differ between runs
and contain their own digest.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
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
from ...runtime.machine import find_machine
from ...storage.files.digests import (
    DIGESTS,
    check_listing,
    compute_digest,
    describe_damage,
    encode_with_digest,
    read_checked,
    read_with_digest,
    write_with_digest,
)
from ...storage.files.strict_json import to_json
from ...storage.files.writing import write_atomically
from ..correctors.loop_correction import CorrectedBatch
from .origin import BELONGS_TO, ORIGIN, Owner, encode_origin
from .protocol import Generation

MODEL = "model.safetensors"
SAMPLER = "sampler.safetensors"
CORRECTOR = "corrector.safetensors"
SAMPLES_FILE = "synthetic.safetensors"
_PROVENANCE = "provenance.parquet"
METRICS_FILE = "metrics.json"
TIMINGS_FILE = "timings.json"
MACHINE = "machine"
"""Member of the timings with the processor and GPU that made the generation."""


def encode_generation(
    generation: Generation, owner: Owner | None = None, settings: str = "", parent: str = ""
) -> dict[str, bytes]:
    """Encode a generation's files by name. Equal generations give equal bytes.

    Args:
        owner: Run, arm and seed to which it belongs; None for none.
        settings: Digest of the settings of its folder.
        parent: Digest of the origin of the generation before.
    """
    files = {
        MODEL: _tensor_bytes(generation.state),
        METRICS_FILE: (json.dumps(to_json(generation.metrics), indent=1, allow_nan=False) + "\n").encode(),
    }
    if generation.corrector:
        files[CORRECTOR] = _tensor_bytes(generation.corrector)
    if generation.batch is not None:
        files[SAMPLES_FILE] = _tensor_bytes(_synthetic_tensors(generation.batch))
        files[_PROVENANCE] = _provenance_bytes(generation.batch)
    contents = {name: compute_digest(content) for name, content in files.items()}
    files[ORIGIN] = encode_origin(owner, generation.number, settings, parent, contents)
    digests = {**contents, ORIGIN: compute_digest(files[ORIGIN])}
    timings = {**generation.timings, BELONGS_TO: digests[ORIGIN], MACHINE: asdict(find_machine())}
    return {**files, TIMINGS_FILE: encode_with_digest(timings), DIGESTS: encode_with_digest(digests)}


def drop_samples(folder: Path) -> None:
    """Remove the samples of a generation.

    They are removed from the digests first, so that no listed file is ever missing.
    """
    digests = read_with_digest(folder / DIGESTS)
    other_digests = {name: value for name, value in digests.items() if name not in (SAMPLES_FILE, _PROVENANCE)}
    if other_digests != digests:
        write_with_digest(folder / DIGESTS, other_digests)
    for name in (SAMPLES_FILE, _PROVENANCE):
        (folder / name).unlink(missing_ok=True)


def keep_sampler(folder: Path, state: Mapping[str, Tensor]) -> None:
    """Replace the model by the state that sampling needs.

    Training can no longer continue from it. Whenever the process ends, one of both exists and is listed.
    """
    digests = read_with_digest(folder / DIGESTS)
    if MODEL in digests:
        content = _tensor_bytes(state)
        write_atomically(folder / SAMPLER, content)
        other_digests = {name: value for name, value in digests.items() if name != MODEL}
        write_with_digest(folder / DIGESTS, other_digests | {SAMPLER: compute_digest(content)})
    (folder / MODEL).unlink(missing_ok=True)


def check_generation_files(folder: Path) -> list[tuple[Path, str]]:
    """Check the files of a generation.

    Only the model may be missing, because models of early generations are removed.

    Returns:
        Each file with a description of its damage, "" for an intact file.
    """
    results = []
    for path, damage in check_listing(folder / DIGESTS):
        if path.name != MODEL or path.exists():
            results.append((path, damage))
    results.append((folder / TIMINGS_FILE, describe_damage(folder / TIMINGS_FILE)))
    return results


def read_listed(path: Path) -> bytes:
    """Read a file and check its digest.

    Raises:
        DamagedError: The digest is another one or missing.
    """
    digests = read_with_digest(path.parent / DIGESTS)
    if path.name not in digests:
        raise DamagedError(f"{path} is missing")
    return read_checked(path, digests[path.name])


def is_listed(path: Path) -> bool:
    """Return whether a folder's digests list a file."""
    return path.name in read_with_digest(path.parent / DIGESTS)


def _tensor_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    return safetensors.torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors in a generation's file."""
    try:
        return safetensors.torch.load(read_listed(path))
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
    """Encode provenance and diagnostics as bytes.

    The table has one row per raw draw. Its columns are the provenance, then the corrector's diagnostics as
    `info.<name>`.
    """
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


def read_provenance(folder: Path) -> tuple[Provenance, dict[str, np.ndarray]]:
    """Read provenance and diagnostics of raw draws from a generation's folder."""
    table = pq.read_table(io.BytesIO(read_listed(folder / _PROVENANCE)))
    columns = {name: table[name].to_numpy() for name in table.column_names}
    info = {name.removeprefix("info."): columns.pop(name) for name in table.column_names if name.startswith("info.")}
    if missing := {field.name for field in fields(Provenance)} - columns.keys():
        raise RunFolderError(
            f"{folder}: expected {', '.join(sorted(missing))} of each sample; the run is of another version"
        )
    columns["corrector"] = columns["corrector"].astype(np.dtypes.StringDType())
    return Provenance(**columns), info
