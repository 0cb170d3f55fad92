"""Files of models: the state of a model as safetensors, to keep a trained model beyond its run."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, Self, TypeVar

from torch import Tensor

from ..core.errors import InputError
from ..core.extras import requires_extra
from ..storage.files.writing import refuse_to_replace, replacing


class _HasState(Protocol):
    def state(self) -> dict[str, Tensor]: ...

    def load_state(self, state: dict[str, Tensor]) -> Self: ...


Model = TypeVar("Model", bound=_HasState)


class Saveable:
    """A model with `state` and `load_state`, which a file can hold, too."""

    def save(self: _HasState, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the model's state to a file of safetensors, whole or not at all.

        The file holds numbers only. To read it, make a model of the same configuration and call its `load`.

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

    def load(self: Model, path: str | Path) -> Model:
        """Return this model with the state in a file that `save` wrote.

        Raises:
            InputError: The file cannot be read, or holds the state of another model or configuration.
        """
        with requires_extra("loading a model"):
            from safetensors import SafetensorError
            from safetensors.torch import load_file
        path = Path(path).expanduser()
        try:
            state = load_file(path)
        except FileNotFoundError as error:
            raise InputError(f"{path}: no such file") from error
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path}: no readable file of safetensors ({error})") from error
        try:
            return self.load_state(state)
        except (KeyError, RuntimeError, InputError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{path}: does not hold the state of this {type(self).__name__}: {reason}") from error
