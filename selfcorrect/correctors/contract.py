"""Correctors: what happens to synthetic samples before they are used again.

A corrector is a plain callable `Samples -> Samples | Corrected`, or one of tensors (N, *event) whose first parameter
is named `values`. It may take a second argument named `stream` when it draws random numbers. It sees synthetic samples
only, never held-out data.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from ..core.errors import CorrectorError, SampleError, SettingError
from ..core.randomness import Stream
from ..core.samples import Samples
from ..runtime.process_state import preserve_global_state
from ..runtime.supervision import forbid_exit
from .identity import name_of

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


def call_corrector(corrector: Corrector, samples: Samples, stream: Stream) -> Corrected:
    """Call `corrector` once, on a copy of the samples, and check its answer, a copy of what it returned.

    Global random generators start from `stream` and come out as they were, as do the settings of `process_state`.
    Raises CorrectorError for a wrong type, length, shape or dtype and SampleError for an accepted non-finite sample.
    """
    called = _of_samples(corrector)
    copy = replace(
        samples,
        values=samples.values.clone(),
        labels=samples.labels.clone(),
        weights=samples.weights.clone(),
        provenance=samples.provenance.take(np.arange(len(samples))),
    )
    name = f"corrector {name_of(corrector)!r}"
    with preserve_global_state(name, stream.child("global generators").seed), forbid_exit(name):
        answer = called(copy, stream) if _takes_stream(called) else called(copy)  # type: ignore[call-arg]
    if isinstance(answer, Samples):
        answer = Corrected(answer, torch.ones(len(answer), dtype=torch.bool))
    if not isinstance(answer, Corrected):
        hint = f"; {LIFTED}" if isinstance(answer, Tensor) else ""
        raise CorrectorError(f"returned {_describe_answer(answer)}, expected Samples or Corrected{hint}")
    return _checked(answer, samples)


LIFTED = "a function of tensors calls its first parameter `values`, or becomes a corrector by sc.lift(function)"


def _describe_answer(answer: object) -> str:
    """Return an answer of a wrong kind in words, with the likely mistake."""
    if answer is None:
        return "None (is a `return` missing?)"
    if inspect.isgenerator(answer):
        return "a generator (it must `return` all values, not `yield` them)"
    if inspect.iscoroutine(answer):
        answer.close()  # nobody awaits it
        return "a coroutine (it must not be an `async` function)"
    return f"a {type(answer).__name__}"


def _of_samples(corrector: Corrector) -> Corrector:
    """The corrector itself, or the one that a network or a function of `values` is."""
    if isinstance(corrector, nn.Module):
        return evaluating(corrector)
    return lift(corrector) if next(iter(_parameters(corrector)), "") == "values" else corrector  # type: ignore[arg-type]


def evaluating(module: nn.Module) -> Corrector:
    """The corrector that a network of values (N, *event) → (N, *event) is: in eval mode and without gradients.

    Values are brought to the type and the device of its first parameter.
    """

    def corrector(samples: Samples) -> Samples:
        parameter = next(module.parameters(), samples.values)
        modes = {each: each.training for each in module.modules()}
        module.eval()
        try:
            with torch.no_grad():
                return samples.with_values(module(samples.values.to(parameter)))
        finally:
            for each, training in modes.items():
                each.training = training

    corrector.__name__ = name_of(module)
    return corrector


def _takes_stream(corrector: Corrector) -> bool:
    return "stream" in _parameters(corrector)


def _parameters(function: Callable[..., object]) -> Sequence[str]:
    try:
        return [*inspect.signature(function).parameters]
    except ValueError:  # some built-in callables have no signature
        return []


def _checked(answer: Corrected, given: Samples) -> Corrected:
    """A copy of the answer, which the corrector may go on to change, with the type and device of what was given."""
    values = _dense(answer.samples.values, "values")
    if len(values) != len(given):
        raise CorrectorError(
            f"a corrector must return one sample per input, got {len(values)} for {len(given)}; "
            "to reject samples return Corrected with an `accepted` mask"
        )
    if values.shape != given.values.shape:
        raise CorrectorError(f"a corrector must keep the shape {tuple(given.values.shape)}, got {tuple(values.shape)}")
    if not values.is_floating_point():
        raise CorrectorError(f"a corrector must return floating-point values, got {values.dtype}")
    labels = _column(answer.samples.labels, "labels", given.labels)
    weights = _column(answer.samples.weights, "weights", given.weights)
    if not (weights.isfinite().all() and (weights >= 0).all()):
        raise CorrectorError("a corrector must return weights that are finite and not negative")
    accepted = _dense(torch.as_tensor(answer.accepted), "`accepted`")
    if accepted.shape != (len(given),) or accepted.dtype != torch.bool:
        raise CorrectorError(
            f"`accepted` must be bool of shape ({len(given)},), got {accepted.dtype} of shape {tuple(accepted.shape)}"
        )
    _check_finite(values, accepted)
    samples = Samples(_copied(values, given.values), labels, given.provenance, weights)
    return Corrected(samples, accepted.cpu().clone(), _checked_info(answer.info, len(given)))


def _dense(tensor: Tensor, what: str) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise CorrectorError(f"a corrector must return {what} as a torch tensor, got {type(tensor).__name__}")
    if tensor.layout != torch.strided or tensor.is_meta:
        raise CorrectorError(
            f"a corrector must return {what} as a dense tensor, got {tensor.layout} on {tensor.device}"
        )
    return tensor.detach()


def _column(column: Tensor, what: str, given: Tensor) -> Tensor:
    """Labels or weights (N,) as they were given: whole numbers for whole numbers."""
    column = _dense(column, what)
    fractions = column.is_floating_point() and not given.is_floating_point()
    if column.shape != given.shape or column.is_complex() or fractions:
        raise CorrectorError(
            f"a corrector must return {what} of shape {tuple(given.shape)} and type {given.dtype}, "
            f"got {tuple(column.shape)} and {column.dtype}"
        )
    return _copied(column, given)


def _copied(tensor: Tensor, like: Tensor) -> Tensor:
    """A plain tensor with the type and device of another, which nobody else holds."""
    return tensor.to(like, copy=True).as_subclass(Tensor).contiguous()


def _checked_info(info: Info, count: int) -> Info:
    checked: dict[str, np.ndarray] = {}
    for key, column in info.items():
        if np.shape(column) != (count,):
            raise CorrectorError(f"info[{key!r}] must have shape ({count},), got {np.shape(column)}")
        array = np.array(column)
        if array.dtype.kind not in "biufUT":
            raise CorrectorError(f"info[{key!r}] must hold numbers or text, got {array.dtype}")
        checked[str(key)] = array
    return checked


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
    return {key: np.concatenate([_filled(key, length, info, parts) for length, info in parts]) for key in keys}


def _filled(key: str, length: int, info: Info, parts: Sequence[tuple[int, Info]]) -> np.ndarray:
    if key in info:
        return np.asarray(info[key])
    example = next(np.asarray(other[key]) for _, other in parts if key in other)
    return np.full(length, np.nan) if example.dtype.kind in "biuf" else np.full(length, "")


# --- correctors that keep something between calls --------------------------------------------------------------------


def state_of(corrector: object) -> dict[str, Tensor]:
    """What a corrector's own `state()` returns, as tensors on the CPU that nobody else holds; {} for one without.

    CorrectorError where that is no dictionary of numbers and tensors by name, or where `load_state` is missing.
    """
    read = getattr(corrector, "state", None)
    if not callable(read) or not callable(getattr(corrector, "load_state", None)):
        return {}
    state: Any = read()
    try:
        return {name: torch.as_tensor(value).detach().cpu().clone().contiguous() for name, value in state.items()}
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise CorrectorError(
            f"state() of corrector {name_of(corrector)!r} must return tensors by name, "
            f"got {type(state).__name__}: {error}"
        ) from error


def load_state(corrector: object, state: Mapping[str, Tensor]) -> None:
    """Have a corrector go on from what `state_of` returned; nothing for one without state."""
    if state:
        corrector.load_state(dict(state))  # type: ignore[attr-defined]


# --- making correctors -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Named:
    """A corrector with a name for reports and provenance."""

    function: Callable[[Samples, Stream], Corrected]
    name: str
    parts: tuple[object, ...] = ()
    """The correctors that it calls."""

    def __call__(self, samples: Samples, stream: Stream) -> Corrected:
        return self.function(samples, stream)

    def state(self) -> dict[str, Tensor]:
        """The states of its parts."""
        return {
            f"{index}.{name}": value for index, part in enumerate(self.parts) for name, value in state_of(part).items()
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Have the parts go on from their states."""
        for index, part in enumerate(self.parts):
            start = f"{index}."
            own = {name.removeprefix(start): value for name, value in state.items() if name.startswith(start)}
            load_state(part, own)


def lift(function: Callable[..., Tensor], name: str = "") -> Corrector:
    """A corrector from a function of the values (N, *event) → (N, *event), and of a `stream` where it draws."""
    draws = "stream" in _parameters(function)

    def corrector(samples: Samples, stream: Stream) -> Corrected:
        values = function(samples.values, stream) if draws else function(samples.values)
        if not isinstance(values, Tensor):
            raise CorrectorError(
                f"returned {_describe_answer(values)}, expected a tensor {tuple(samples.values.shape)}"
            )
        return Corrected(samples.with_values(values), torch.ones(len(samples), dtype=torch.bool))

    return _Named(corrector, name or name_of(function), (function,))  # type: ignore[arg-type]


def verifier(accept: Callable[[Samples], Tensor], name: str = "") -> Corrector:
    """A corrector that changes nothing and rejects samples where `accept` gives false, (N,) bool."""

    def corrector(samples: Samples, stream: Stream) -> Corrected:
        return Corrected(samples, accept(samples))

    return _Named(corrector, name or name_of(accept), (accept,))  # type: ignore[arg-type]


def filter_of(corrector: Corrector, name: str = "") -> Corrector:
    """The control that rejects what `corrector` rejects and moves nothing."""

    def filtered(samples: Samples, stream: Stream) -> Corrected:
        answer = call_corrector(corrector, samples, stream)
        return Corrected(samples, answer.accepted, answer.info)

    return _Named(filtered, name or f"filter({name_of(corrector)})", (corrector,))


def random_perturbation(corrector: Corrector, name: str = "") -> Corrector:
    """The control that differs from `corrector` in direction only.

    Each sample moves as far (Euclidean norm over the event) as `corrector` would move it, in a direction drawn
    uniformly from the sphere, and the same samples are rejected.
    """

    def perturb(samples: Samples, stream: Stream) -> Corrected:
        answer = call_corrector(corrector, samples, stream.child("corrector"))
        shift = (answer.samples.values - samples.values).flatten(1).norm(dim=1)
        direction = torch.randn(samples.values.shape, generator=stream.child("direction").generator()).to(
            samples.values
        )
        length = direction.flatten(1).norm(dim=1)
        moved = samples.values + direction * with_trailing_axes(shift / length, direction.ndim)
        return Corrected(samples.with_values(moved), answer.accepted, answer.info)

    return _Named(perturb, name or f"random-perturbation({name_of(corrector)})", (corrector,))


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

    return _Named(chained, name or "+".join(name_of(corrector) for corrector in correctors), correctors)


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
