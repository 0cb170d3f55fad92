"""Tensors in files of safetensors."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ...core.errors import InputError, shorten_message
from ...core.extras import requires_extra
from .limits import open_file


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors in a file of safetensors, on the CPU; InputError if it is none."""
    with requires_extra("files of safetensors"):
        import safetensors.torch
    try:
        open_file(path).close()  # refuses pipes and devices, which its reader would wait for
        return {name: tensor.clone() for name, tensor in safetensors.torch.load_file(path).items()}
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except InputError:
        raise
    except Exception as error:  # a damaged file makes its reader raise errors of any kind
        raise InputError(f"{path}: no readable file of safetensors ({shorten_message(error)})") from error


def check_finite(where: object, tensors: Mapping[str, Tensor]) -> None:
    """Raise InputError if a tensor holds NaN or infinity."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.double().isfinite().all():
            raise InputError(f"{where}: {name} is not finite (NaN or infinity)")
