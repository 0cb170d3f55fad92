"""The contract of correctors: functions that change or reject synthetic samples before further use.

A corrector is a callable `Samples -> Samples | Corrected`, or a function of tensors (N, *event) whose first parameter
is named `values`. If it needs random numbers, it takes a second argument named `stream`. Correctors see synthetic
samples only, never held-out data.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from ...core.errors import CorrectorError, SampleError, SelfcorrectError, SettingError
from ...core.randomness import Stream
from ...core.samples import Samples
from ...runtime import global_generators
from ...runtime.bugs import describe_with_location
from ...runtime.supervision import forbid_exit
from ...runtime.user_code import name_of

Info: TypeAlias = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Corrected:
    """A corrector's answer for N samples, in their order."""

    samples: Samples
    """(N, *event) corrected samples."""
    accepted: Tensor
    """(N,) bool, false for samples that must not be used."""
    info: Info = field(default_factory=dict)
    """Diagnostics per sample, as arrays (N,), such as a reason or a penetration in m."""


Corrector: TypeAlias = Callable[[Samples], Samples | Corrected] | Callable[[Samples, Stream], Samples | Corrected]


def call_corrector(corrector: Corrector, samples: Samples, stream: Stream) -> Corrected:
    """Call a corrector and check its answer.

    The corrector gets a copy of the samples, and a copy of its answer is returned. Global random generators are seeded
    from `stream` and restored afterwards.

    Raises:
        CorrectorError: The answer has a wrong type, length, shape or dtype.
        SampleError: An accepted sample is not finite.
    """
    called = corrector
    if isinstance(corrector, nn.Module):
        called = evaluating(corrector)
    elif next(iter(_parameters(corrector)), "") == "values":
        called = lift(corrector)  # type: ignore[arg-type]
    arguments = (stream,) if "stream" in _parameters(called) else ()
    copy = replace(
        samples,
        values=samples.values.clone(),
        labels=samples.labels.clone(),
        weights=samples.weights.clone(),
        provenance=samples.provenance.take(np.arange(len(samples))),
    )
    with global_generators.use_seed(stream.child("global generators").seed), forbid_exit():
        answer = called(copy, *arguments)  # type: ignore[call-arg]
    if isinstance(answer, Samples):
        answer = Corrected(answer, torch.ones(len(answer), dtype=torch.bool))
    if not isinstance(answer, Corrected):
        hint = f"; {LIFTED}" if isinstance(answer, Tensor) else ""
        raise CorrectorError(f"returned {_describe_answer(answer)}, expected Samples or Corrected{hint}")
    return _check_answer(answer, samples)


LIFTED = "a function of tensors needs a first parameter `values`, or sc.lift(function) around it"


def _describe_answer(answer: object) -> str:
    """Describe an answer of a wrong type, with the likely mistake."""
    if answer is None:
        return "None (is a `return` missing?)"
    if inspect.isgenerator(answer):
        return "a generator (it must `return` all values, not `yield` them)"
    if inspect.iscoroutine(answer):
        answer.close()  # nobody awaits it
        return "a coroutine (it must not be an `async` function)"
    return f"a {type(answer).__name__}"


def evaluating(module: nn.Module) -> Corrector:
    """Make a corrector from a network that maps values (N, *event) to values.

    The network runs in eval mode and without gradients. Values are converted to the type and device of the module's
    first parameter.
    """

    def corrector(samples: Samples) -> Samples:
        parameter = next(module.parameters(), samples.values)
        modes = {submodule: submodule.training for submodule in module.modules()}
        module.eval()
        try:
            with torch.no_grad():
                return samples.with_values(module(samples.values.to(parameter)))
        finally:
            for submodule, training in modes.items():
                submodule.training = training

    corrector.__name__ = name_of(module)
    return corrector


def _parameters(function: Callable[..., object]) -> Sequence[str]:
    try:
        return [*inspect.signature(function).parameters]
    except ValueError:  # some built-in callables have no signature
        return []


def _check_answer(answer: Corrected, inputs: Samples) -> Corrected:
    """Return a checked copy of the answer, with the inputs' type and device.

    Later changes by the corrector do not affect the copy.
    """
    values = _dense(answer.samples.values, "values")
    if len(values) != len(inputs):
        raise CorrectorError(
            f"a corrector must return one sample per input, got {len(values)} for {len(inputs)}; "
            "to reject samples return Corrected with an `accepted` mask"
        )
    if values.shape != inputs.values.shape:
        raise CorrectorError(f"a corrector must keep the shape {tuple(inputs.values.shape)}, got {tuple(values.shape)}")
    if not values.is_floating_point():
        raise CorrectorError(f"a corrector must return floating-point values, got {values.dtype}")
    labels = _check_column(answer.samples.labels, "labels", inputs.labels)
    weights = _check_column(answer.samples.weights, "weights", inputs.weights)
    if not (weights.isfinite().all() and (weights >= 0).all()):
        raise CorrectorError("a corrector must return weights that are finite and not negative")
    accepted = _dense(torch.as_tensor(answer.accepted), "`accepted`")
    if accepted.shape != (len(inputs),) or accepted.dtype != torch.bool:
        raise CorrectorError(
            f"`accepted` must be bool of shape ({len(inputs)},), got {accepted.dtype} of shape {tuple(accepted.shape)}"
        )
    _check_finite(values, accepted)
    samples = Samples(_copy_like(values, inputs.values), labels, inputs.provenance, weights)
    return Corrected(samples, accepted.cpu().clone(), _check_info(answer.info, len(inputs)))


def _dense(tensor: Tensor, name: str) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise CorrectorError(f"a corrector must return {name} as a torch tensor, got {type(tensor).__name__}")
    if tensor.layout != torch.strided or tensor.is_meta:
        raise CorrectorError(
            f"a corrector must return {name} as a dense tensor, got {tensor.layout} on {tensor.device}"
        )
    return tensor.detach()


def _check_column(column: Tensor, name: str, like: Tensor) -> Tensor:
    """Return labels or weights (N,) in the inputs' type.

    Raises:
        CorrectorError: The shape is another one, or integers are needed and the column has another type.
    """
    column = _dense(column, name)
    has_fractions = column.is_floating_point() and not like.is_floating_point()
    if column.shape != like.shape or column.is_complex() or has_fractions:
        raise CorrectorError(
            f"a corrector must return {name} of shape {tuple(like.shape)} and type {like.dtype}, "
            f"got {tuple(column.shape)} and {column.dtype}"
        )
    return _copy_like(column, like)


def _copy_like(tensor: Tensor, like: Tensor) -> Tensor:
    """Return a contiguous copy with the type and device of another tensor."""
    return tensor.to(like, copy=True).as_subclass(Tensor).contiguous()


def _check_info(info: Info, count: int) -> Info:
    checked: dict[str, np.ndarray] = {}
    for key, column in info.items():
        if np.shape(column) != (count,):
            raise CorrectorError(f"info[{key!r}] must have shape ({count},), got {np.shape(column)}")
        array = np.array(column)
        if array.dtype.kind not in "biufUT":
            raise CorrectorError(f"info[{key!r}] must hold numbers or strings, got {array.dtype}")
        checked[str(key)] = array
    return checked


def _check_finite(values: Tensor, accepted: Tensor) -> None:
    is_finite = values.isfinite().flatten(1).all(dim=1)
    broken = ~is_finite.cpu() & accepted.cpu()
    if broken.any():
        raise SampleError(int(broken.nonzero()[0]), "it returned a value that is not finite (NaN or infinity)")


def with_trailing_axes(column: Tensor, ndim: int) -> Tensor:
    """Append axes of length 1, to broadcast a column against values with `ndim` axes."""
    return column.reshape(column.shape + (1,) * (ndim - column.ndim))


def merge_info(parts: Sequence[tuple[int, Info]]) -> dict[str, np.ndarray]:
    """Concatenate the diagnostics of batches.

    If a batch lacks a key, its entries are NaN or "".
    """
    columns = {}
    for key in dict.fromkeys(key for _, info in parts for key in info):
        example = next(np.asarray(info[key]) for _, info in parts if key in info)
        missing = np.nan if example.dtype.kind in "biuf" else ""
        columns[key] = np.concatenate([info.get(key, np.full(length, missing)) for length, info in parts])
    return columns


def state_of(corrector: object) -> dict[str, Tensor]:
    """Return CPU copies of a corrector's `state()`.

    The result is {} for correctors without state methods.

    Raises:
        CorrectorError: `state()` fails, or does not return numbers and tensors by name.
    """
    read = getattr(corrector, "state", None)
    if not callable(read) or not callable(getattr(corrector, "load_state", None)):
        return {}
    try:
        with forbid_exit():
            state: Any = read()
    except SelfcorrectError:
        raise
    except Exception as error:
        raise CorrectorError(f"state() of corrector {name_of(corrector)!r}: {describe_with_location(error)}") from error
    try:
        return {name: torch.as_tensor(value).detach().cpu().clone().contiguous() for name, value in state.items()}
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise CorrectorError(
            f"state() of corrector {name_of(corrector)!r} must return tensors by name, "
            f"got {type(state).__name__}: {error}"
        ) from error


def load_state(corrector: object, state: Mapping[str, Tensor]) -> None:
    """Restore the state from `state_of`, if any."""
    if not state:
        return
    try:
        with forbid_exit():
            corrector.load_state(dict(state))  # type: ignore[attr-defined]
    except SelfcorrectError:
        raise
    except Exception as error:
        location = describe_with_location(error)
        raise CorrectorError(f"load_state() of corrector {name_of(corrector)!r}: {location}") from error


@dataclass(frozen=True)
class _Named:
    """A corrector with a name for reports and provenance."""

    function: Callable[[Samples, Stream], Corrected]
    name: str
    parts: tuple[object, ...] = ()
    """Correctors that the function calls."""

    def __call__(self, samples: Samples, stream: Stream) -> Corrected:
        return self.function(samples, stream)

    def state(self) -> dict[str, Tensor]:
        """Return the states of all parts."""
        states = {}
        for index, part in enumerate(self.parts):
            for name, value in state_of(part).items():
                states[f"{index}.{name}"] = value
        return states

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore the states of all parts."""
        for index, part in enumerate(self.parts):
            prefix = f"{index}."
            names = [name for name in state if name.startswith(prefix)]
            load_state(part, {name.removeprefix(prefix): state[name] for name in names})


def lift(function: Callable[..., Tensor], name: str = "") -> Corrector:
    """Make a corrector from a function of tensors.

    Args:
        function: Function of values (N, *event) that returns values (N, *event). It may take a second argument named
            `stream`.
        name: Name in reports (default: that of the function).

    Returns:
        A corrector that accepts all samples.
    """
    has_stream = "stream" in _parameters(function)

    def corrector(samples: Samples, stream: Stream) -> Corrected:
        values = function(samples.values, stream) if has_stream else function(samples.values)
        if not isinstance(values, Tensor):
            raise CorrectorError(
                f"returned {_describe_answer(values)}, expected a tensor {tuple(samples.values.shape)}"
            )
        return Corrected(samples.with_values(values), torch.ones(len(samples), dtype=torch.bool))

    return _Named(corrector, name or name_of(function), (function,))  # type: ignore[arg-type]


def verifier(accept: Callable[[Samples], Tensor], name: str = "") -> Corrector:
    """Make a corrector that rejects samples without changing any.

    Args:
        accept: Function of N samples that returns a mask (N,) bool, false for samples to reject.
        name: Name in reports (default: that of the function).
    """

    def corrector(samples: Samples, stream: Stream) -> Corrected:
        return Corrected(samples, accept(samples))

    return _Named(corrector, name or name_of(accept), (accept,))  # type: ignore[arg-type]


def filter_of(corrector: Corrector, name: str = "") -> Corrector:
    """Return a control that rejects the same samples as the corrector and changes none.

    Args:
        name: Name in reports (default: `filter(NAME)`).
    """

    def apply_filter(samples: Samples, stream: Stream) -> Corrected:
        answer = call_corrector(corrector, samples, stream)
        return Corrected(samples, answer.accepted, answer.info)

    return _Named(apply_filter, name or f"filter({name_of(corrector)})", (corrector,))


def random_perturbation(corrector: Corrector, name: str = "") -> Corrector:
    """Return a control that moves samples in random directions.

    Each sample is moved by the Euclidean distance (over the event) by which `corrector` would move it, in a direction
    drawn uniformly from the sphere. The same samples are rejected.

    Args:
        name: Name in reports (default: `random-perturbation(NAME)`).
    """

    def perturb(samples: Samples, stream: Stream) -> Corrected:
        answer = call_corrector(corrector, samples, stream.child("corrector"))
        shift = (answer.samples.values - samples.values).flatten(1).norm(dim=1)
        generator = stream.child("direction").generator()
        direction = torch.randn(samples.values.shape, generator=generator).to(samples.values)
        length = direction.flatten(1).norm(dim=1)
        moved = samples.values + direction * with_trailing_axes(shift / length, direction.ndim)
        return Corrected(samples.with_values(moved), answer.accepted, answer.info)

    return _Named(perturb, name or f"random-perturbation({name_of(corrector)})", (corrector,))


def chain(*correctors: Corrector, name: str = "") -> Corrector:
    """Chain correctors.

    Samples that one of them rejects do not reach the next.

    Args:
        name: Name in reports (default: all names, joined by +).

    Returns:
        A corrector whose diagnostics are named `corrector.key`.

    Raises:
        SettingError: No corrector is given.
    """
    if not correctors:
        raise SettingError("a chain needs at least one corrector")

    def apply_chain(samples: Samples, stream: Stream) -> Corrected:
        values = samples
        accepted = torch.ones(len(samples), dtype=torch.bool)
        info: dict[str, np.ndarray] = {}
        for index, corrector in enumerate(correctors):
            rows = accepted.nonzero().squeeze(1)
            try:
                answer = call_corrector(corrector, values.take(rows), stream.child(index))
            except SampleError as error:
                raise SampleError(int(rows[error.sample]), f"{name_of(corrector)}: {error}") from error
            corrected = answer.samples
            rows_on_device = rows.to(values.values.device)
            values = replace(
                values,
                values=values.values.index_copy(0, rows_on_device, corrected.values),
                labels=values.labels.index_copy(0, rows, corrected.labels),
                weights=values.weights.index_copy(0, rows, corrected.weights),
            )
            accepted[rows] = answer.accepted
            for key, column in answer.info.items():
                is_number = np.asarray(column).dtype.kind in "biuf"
                full = np.full(len(samples), np.nan) if is_number else np.full(len(samples), "", dtype=object)
                full[rows.numpy()] = column
                info[f"{name_of(corrector)}.{key}"] = full if is_number else full.astype(str)
        return Corrected(values, accepted, info)

    return _Named(apply_chain, name or "+".join(name_of(corrector) for corrector in correctors), correctors)
