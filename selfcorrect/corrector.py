"""Correctors: what happens to synthetic samples before they are used again.

A corrector is a plain callable `Samples -> Samples | Corrected`. It may take a second argument named `stream` when
it draws random numbers. It sees synthetic samples only, never held-out data.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias, cast

import numpy as np
import torch
from torch import Tensor

from selfcorrect.errors import CorrectorError, SampleError, SettingError
from selfcorrect.randomness import Stream
from selfcorrect.samples import Samples
from selfcorrect.supervision import nothing_ends_here

Info: TypeAlias = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Corrected:
    """A corrector's answer for N samples, in the order they came in."""

    samples: Samples
    """(N, *event)."""
    accepted: Tensor
    """(N,) bool, false where a sample must not be used."""
    info: Info = field(default_factory=dict)
    """Per-sample diagnostics, arrays of shape (N,), such as a reason or a penetration in metres."""


Corrector: TypeAlias = Callable[[Samples], Samples | Corrected] | Callable[[Samples, Stream], Samples | Corrected]


def name_of(corrector: Corrector) -> str:
    """The corrector's `name`, else the function's or the class's name."""
    named = getattr(corrector, "name", None) or getattr(corrector, "__name__", None)
    return str(named or type(corrector).__name__)


def call_corrector(corrector: Corrector, samples: Samples, stream: Stream) -> Corrected:
    """Call `corrector` once, on a copy of the samples, and check its answer against the contract.

    Raises CorrectorError for a wrong type, length, shape or dtype and SampleError for an accepted non-finite sample.
    """
    copy = replace(
        samples,
        values=samples.values.clone(),
        labels=samples.labels.clone(),
        weights=samples.weights.clone(),
        provenance=samples.provenance.take(np.arange(len(samples))),
    )
    with nothing_ends_here():
        answer = corrector(copy, stream) if _takes_stream(corrector) else corrector(copy)  # type: ignore[call-arg]
    if isinstance(answer, Samples):
        answer = Corrected(answer, torch.ones(len(answer), dtype=torch.bool))
    if not isinstance(answer, Corrected):
        raise CorrectorError(f"a corrector must return Samples or Corrected, got {type(answer).__name__}")
    return _checked(answer, samples)


def _takes_stream(corrector: Corrector) -> bool:
    try:
        return "stream" in inspect.signature(corrector).parameters
    except ValueError:  # some built-in callables have no signature
        return False


def _checked(answer: Corrected, given: Samples) -> Corrected:
    values = answer.samples.values
    if len(values) != len(given):
        raise CorrectorError(
            f"a corrector must return one sample per input, got {len(values)} for {len(given)}; "
            "to reject samples return Corrected with an `accepted` mask"
        )
    if values.shape != given.values.shape:
        raise CorrectorError(f"a corrector must keep the shape {tuple(given.values.shape)}, got {tuple(values.shape)}")
    if not values.is_floating_point():
        raise CorrectorError(f"a corrector must return floating-point values, got {values.dtype}")
    accepted = torch.as_tensor(answer.accepted)
    if accepted.shape != (len(given),) or accepted.dtype != torch.bool:
        raise CorrectorError(
            f"`accepted` must be bool of shape ({len(given)},), got {accepted.dtype} of shape {tuple(accepted.shape)}"
        )
    for key, column in answer.info.items():
        if np.shape(column) != (len(given),):
            raise CorrectorError(f"info[{key!r}] must have shape ({len(given)},), got {np.shape(column)}")
        if np.asarray(column).dtype.kind not in "biufUT":
            raise CorrectorError(f"info[{key!r}] must hold numbers or text, got {np.asarray(column).dtype}")
    _check_finite(values, accepted)
    values = values.detach().to(given.values)
    return Corrected(answer.samples.with_values(values), accepted.cpu(), answer.info)


def _check_finite(values: Tensor, accepted: Tensor) -> None:
    broken = ~values.isfinite().flatten(1).all(dim=1).cpu() & accepted.cpu()
    if broken.any():
        raise SampleError(int(broken.nonzero()[0]), "it returned a value that is not finite (NaN or infinity)")


def with_trailing_axes(column: Tensor, ndim: int) -> Tensor:
    """`column` with axes of length one added at the end, to broadcast against values of `ndim` axes."""
    return column.reshape(column.shape + (1,) * (ndim - column.ndim))


def merge_info(parts: Sequence[tuple[int, Info]]) -> dict[str, np.ndarray]:
    """Join diagnostics of batches with the given lengths; a key that a batch lacks becomes NaN or "" there."""
    keys = dict.fromkeys(key for _, info in parts for key in info)
    return {key: np.concatenate([_column(key, length, info, parts) for length, info in parts]) for key in keys}


def _column(key: str, length: int, info: Info, parts: Sequence[tuple[int, Info]]) -> np.ndarray:
    if key in info:
        return np.asarray(info[key])
    example = next(np.asarray(other[key]) for _, other in parts if key in other)
    return np.full(length, np.nan) if example.dtype.kind in "biuf" else np.full(length, "")


# --- making correctors -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Named:
    """A corrector with a name for reports and provenance."""

    function: Callable[[Samples, Stream], Corrected]
    name: str

    def __call__(self, samples: Samples, stream: Stream) -> Corrected:
        return self.function(samples, stream)


def lift(function: Callable[[Tensor], Tensor], name: str = "") -> Corrector:
    """A corrector from a function of the values (N, *event) → (N, *event)."""

    def corrector(samples: Samples, stream: Stream) -> Corrected:
        return Corrected(samples.with_values(function(samples.values)), torch.ones(len(samples), dtype=torch.bool))

    return _Named(corrector, name or name_of(function))  # type: ignore[arg-type]


def verifier(accept: Callable[[Samples], Tensor], name: str = "") -> Corrector:
    """A corrector that changes nothing and rejects samples where `accept` gives false, (N,) bool."""

    def corrector(samples: Samples, stream: Stream) -> Corrected:
        return Corrected(samples, accept(samples))

    return _Named(corrector, name or name_of(accept))  # type: ignore[arg-type]


def filter_of(corrector: Corrector, name: str = "") -> Corrector:
    """The control that rejects what `corrector` rejects and moves nothing."""

    def filtered(samples: Samples, stream: Stream) -> Corrected:
        answer = call_corrector(corrector, samples, stream)
        return Corrected(samples, answer.accepted, answer.info)

    return _Named(filtered, name or f"filter({name_of(corrector)})")


def placebo(corrector: Corrector, name: str = "") -> Corrector:
    """The control that differs from `corrector` in direction only.

    Each sample moves as far (Euclidean norm over the event) as `corrector` would move it, in a direction drawn
    uniformly from the sphere, and the same samples are rejected.
    """

    def moved_at_random(samples: Samples, stream: Stream) -> Corrected:
        answer = call_corrector(corrector, samples, stream.child("corrector"))
        shift = (answer.samples.values - samples.values).flatten(1).norm(dim=1)
        direction = torch.randn(samples.values.shape, generator=stream.child("direction").torch()).to(samples.values)
        length = direction.flatten(1).norm(dim=1)
        moved = samples.values + direction * with_trailing_axes(shift / length, direction.ndim)
        return Corrected(samples.with_values(moved), answer.accepted, answer.info)

    return _Named(moved_at_random, name or f"placebo({name_of(corrector)})")


def chain(*correctors: Corrector, name: str = "") -> Corrector:
    """Correctors one after another; what one rejects does not reach the next. Diagnostics are named `corrector.key`."""
    if not correctors:
        raise SettingError("a chain needs at least one corrector")

    def chained(samples: Samples, stream: Stream) -> Corrected:
        values, accepted = samples, torch.ones(len(samples), dtype=torch.bool)
        info: dict[str, np.ndarray] = {}
        for index, corrector in enumerate(correctors):
            rows = accepted.nonzero().squeeze(1)
            answer = _call_link(corrector, values, rows, stream.child(index))
            values = _put(values, rows, answer.samples)
            accepted[rows] = answer.accepted
            info |= {
                f"{name_of(corrector)}.{key}": _scatter(np.asarray(column), rows.numpy(), len(samples))
                for key, column in answer.info.items()
            }
        return Corrected(values, accepted, info)

    return _Named(chained, name or "+".join(name_of(corrector) for corrector in correctors))


def _call_link(corrector: Corrector, samples: Samples, rows: Tensor, stream: Stream) -> Corrected:
    try:
        return call_corrector(corrector, samples.take(rows), stream)
    except SampleError as error:
        raise SampleError(int(rows[error.sample]), f"{name_of(corrector)}: {error}") from error


def _put(samples: Samples, rows: Tensor, changed: Samples) -> Samples:
    """`samples` with values, labels and weights of `rows` taken from `changed`; provenance stays."""
    return replace(
        samples,
        values=samples.values.index_copy(0, rows.to(samples.values.device), changed.values),
        labels=samples.labels.index_copy(0, rows, changed.labels),
        weights=samples.weights.index_copy(0, rows, changed.weights),
    )


def _scatter(column: np.ndarray, rows: np.ndarray, length: int) -> np.ndarray:
    """`column` at `rows` of an array (length,); NaN or "" elsewhere."""
    numeric = column.dtype.kind in "biuf"
    full = np.full(length, np.nan) if numeric else np.full(length, "", dtype=object)
    full[rows] = column
    return full if numeric else full.astype(str)


# --- correctors by name ----------------------------------------------------------------------------------------------


def import_corrector(reference: str) -> Corrector:
    """The callable at "package.module:function"; modules in the current folder are found too.

    Raises ValueError with one sentence when the reference is malformed or leads to nothing that can be called.
    """
    module_name, _, attribute = reference.partition(":")
    if not (module_name and attribute):
        raise SettingError(f"a corrector is given as package.module:function, got {reference!r}")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        with nothing_ends_here():
            module = importlib.import_module(module_name)
    except Exception as error:
        raise SettingError(f"cannot import the module {module_name!r} of corrector {reference!r}: {error}") from error
    if not hasattr(module, attribute):
        raise SettingError(f"module {module_name!r} has no {attribute!r}, asked for as corrector {reference!r}")
    corrector = getattr(module, attribute)
    if inspect.isclass(corrector) or not callable(corrector):
        raise SettingError(f"corrector {reference!r} must be a function or a callable object, got {corrector!r}")
    return cast(Corrector, corrector)
