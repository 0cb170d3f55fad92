"""Tensors in files of safetensors, and in tables that are compared with the parameters of a network."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ...core.errors import InputError, shorten_message
from ...core.extras import requires_extra
from .limits import open_file

_SHOWN = 3
"""Number of names in a message."""


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors in a file of safetensors, on the CPU; InputError if it is none."""
    with requires_extra("files of safetensors"):
        import safetensors.torch
    _check_regular(path)
    try:
        return {name: tensor.clone() for name, tensor in safetensors.torch.load_file(path).items()}
    except Exception as error:  # a damaged file makes its reader raise errors of any kind
        raise InputError(f"{path}: no readable file of safetensors ({shorten_message(error)})") from error


def read_shape(path: Path, name: str) -> list[int]:
    """Return the shape of a tensor in a file of safetensors, which is not read; InputError if it is not there."""
    from safetensors import safe_open

    _check_regular(path)
    try:
        with safe_open(path, framework="pt") as file:
            return file.get_slice(name).get_shape()
    except Exception as error:  # as above
        raise InputError(f"{path}: no readable file of safetensors ({shorten_message(error)})") from error


def _check_regular(path: Path) -> None:
    """Refuse pipes, devices and missing files, for a reader that takes a path."""
    try:
        open_file(path).close()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error


def check_tensors(where: object, table: object, expected: Mapping[str, Tensor], what: str) -> dict[str, Tensor]:
    """Return the tensors of a table that a network expects.

    Args:
        expected: Tensors of the network by name.
        what: Name of the tensors in messages.

    Raises:
        InputError: A tensor is missing, unexpected, not finite, or of another shape.
    """
    if not isinstance(table, dict):
        raise InputError(f"{where}: expected a table of {what} by name, got {type(table).__name__}")
    tensors = {name: value for name, value in table.items() if isinstance(value, Tensor)}
    for verb, names in (
        ("lacks", [name for name in expected if name not in tensors]),
        ("has, unexpectedly,", [str(name) for name in table if name not in expected]),
    ):
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            raise InputError(f"{where}: is not laid out as {what} are: it {verb} {', '.join(names[:_SHOWN])}{more}")
    for name, value in expected.items():
        if tensors[name].shape != value.shape:
            raise InputError(f"{where}: {name} must have shape {tuple(value.shape)}, got {tuple(tensors[name].shape)}")
        if tensors[name].is_floating_point() != value.is_floating_point():
            raise InputError(f"{where}: {name} must hold numbers like {value.dtype}, got {tensors[name].dtype}")
    check_finite(where, tensors)
    return tensors


def check_finite(where: object, tensors: Mapping[str, Tensor]) -> None:
    """Raise InputError if a tensor holds NaN or infinity."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.double().isfinite().all():
            raise InputError(f"{where}: {name} is not finite (NaN or infinity)")
