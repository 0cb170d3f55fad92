"""Model files: states as safetensors, to keep a trained model beyond a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

from torch import Tensor

from ...core.errors import InputError, shorten_message
from ...core.extras import requires_extra
from ...storage.files.limits import read_bytes
from ...storage.files.writing import refuse_to_replace, replacing

_LOAD_ERRORS = (KeyError, IndexError, RuntimeError, TypeError, ValueError)
"""Errors that `load_state` raises for the state of another model."""


class Saveable:
    """Base of models that can be saved to files."""

    PER_SAMPLE: ClassVar[tuple[str, ...]] = ()
    """Names of tensors with one row per training sample, whose shapes are not checked."""

    def state(self) -> dict[str, Tensor]:
        """Return the model's state."""
        raise NotImplementedError

    def load_state(self, state: dict[str, Tensor]) -> Self:
        """Return this model with a state."""
        raise NotImplementedError

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the model's state as safetensors, completely or not at all.

        The file holds numbers only. To read it, create a model with the same configuration and call `load`.

        Raises:
            SettingError: The file exists, and `overwrite` is false.
        """
        with requires_extra("saving a model"):
            from safetensors.torch import save_file
        path = Path(path).expanduser()
        refuse_to_replace(path, overwrite)
        tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in self.state().items()}
        with replacing(path, overwrite=overwrite) as temporary:
            save_file(tensors, temporary)

    def load(self, path: str | Path) -> Self:
        """Return this model with a state written by `save`.

        Raises:
            InputError: The file cannot be read, or holds the state of another model or configuration.
        """
        path = Path(path).expanduser()
        state = _read_state(path)
        try:
            model = self.load_state(state)
        except _LOAD_ERRORS as error:
            reason = shorten_message(error) or type(error).__name__
            message = f"{path}: does not hold the state of this {type(self).__name__}: {reason}"
            raise InputError(message) from error
        self.check_loaded(path, state, model)
        return model

    def check_loaded(self, where: object, state: Mapping[str, Tensor], model: Self) -> None:
        """Check that a state fits this model's configuration.

        Raises:
            InputError: A tensor is missing, unexpected, or has another type or shape.
        """
        expected = model.state()
        for name, tensor in self.state().items():
            if name in expected and name not in self.PER_SAMPLE:
                expected[name] = tensor
        for name in sorted(state.keys() | expected.keys()):
            stored = _describe_tensor(state.get(name))
            needed = _describe_tensor(expected.get(name))
            if stored != needed:
                raise InputError(
                    f"{where}: does not hold the state of this {type(self).__name__}: expected {needed} as {name}, "
                    f"got {stored}"
                )


def _read_state(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file, on the CPU.

    Raises:
        InputError: The file cannot be read, or a value is NaN or infinite.
    """
    with requires_extra("loading a model"):
        from safetensors.torch import load
    try:
        state = load(read_bytes(path))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except InputError:
        raise
    except Exception as error:  # a damaged file makes its reader raise errors of any kind
        raise InputError(f"{path}: not a readable safetensors file ({shorten_message(error)})") from error
    check_finite(path, state)
    return state


def check_finite(where: object, tensors: Mapping[str, Tensor]) -> None:
    """Raise InputError if a tensor holds NaN or infinity."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.double().isfinite().all():
            raise InputError(f"{where}: {name} is not finite (NaN or infinity)")


def _describe_tensor(tensor: Tensor | None) -> str:
    return "missing" if tensor is None else f"{tensor.dtype} of shape {tuple(tensor.shape)}"
