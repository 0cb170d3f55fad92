"""Load the motion diffusion model's checkpoints, as its authors publish them.

A folder has `args.json` and `modelNNNNNNNNN.pt`, which is named after its optimiser steps. The file holds the
parameters by name. Those of the text encoder (`clip_model.…`) are left out.
"""

import pickle
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from selfcorrect.core.errors import InputError, shorten_message
from selfcorrect.loop.models.saving import check_finite
from selfcorrect.storage.files.limits import check_unpacked, open_file

from .arguments import TEXT_WIDTH, MdmArguments, read_arguments
from .model import MdmDiffusion
from .network import Mdm, Prompts

ARGUMENTS = "args.json"
_FIXED = "sequence_pos_encoder.pe"
"""Sinusoids that every network computes itself; files of different age have tables of different length."""
_TEXT_ENCODER = "clip_model."


@dataclass(frozen=True, eq=False)
class MdmCheckpoint:
    """Weights of a model with their arguments."""

    arguments: MdmArguments
    text_width: int
    """Numbers per encoded caption."""
    network: Mdm | None
    """None for arguments without weights, which are yet to be drawn."""
    steps: int = 0
    """Optimiser steps so far."""

    def model(self, prompts: Prompts, device: torch.device) -> MdmDiffusion:
        """Return the model for some prompts."""
        if prompts.text.shape[1] != self.text_width:
            raise InputError(
                f"captions are encoded as {prompts.text.shape[1]} numbers, and this checkpoint takes {self.text_width}"
            )
        model = MdmDiffusion.from_arguments(self.arguments, prompts, device)
        return model if self.network is None else model.with_weights(self.network, self.steps)


def load_mdm(path: Path) -> MdmCheckpoint:
    """Load a published checkpoint or `args.json`.

    A checkpoint is `modelNNNNNNNNN.pt`; `args.json` is for a network that was not trained yet. Nothing in the file is
    run. For other networks, an InputError names what is missing or has another shape.
    """
    if not path.is_file():
        raise InputError(f"{path}: is no file; expected a checkpoint of MDM (model000475000.pt) or its {ARGUMENTS}")
    if path.name.endswith(".json"):
        arguments = read_arguments(path)
        return MdmCheckpoint(arguments, TEXT_WIDTH, None)
    arguments = read_arguments(path.with_name(ARGUMENTS))
    network = _make_network(path, arguments, read_tensors(path))
    numbers = re.search(r"(\d+)\.pt$", path.name)
    steps = int(numbers[1]) if numbers else 0
    return MdmCheckpoint(arguments, network.embed_text.in_features, network, steps)


def _make_network(path: Path, arguments: MdmArguments, table: Mapping[str, Any]) -> Mdm:
    parameters = {
        name: value
        for name, value in table.items()
        if not str(name).startswith(_TEXT_ENCODER) and not str(name).endswith(_FIXED)
    }
    embed = parameters.get("embed_text.weight")
    width = embed.shape[1] if isinstance(embed, Tensor) and embed.ndim == 2 else TEXT_WIDTH
    with torch.random.fork_rng(devices=[]):  # what new layers draw is overwritten
        network = Mdm(arguments, width)
    load_weights(path, network, parameters, "the parameters of MDM's trans_enc")
    return network


def read_tensors(path: Path) -> dict[str, Any]:
    """Read a PyTorch file's dictionary to the CPU.

    Raises:
        InputError: The file holds other things than tensors, or its archive unpacks to more than the memory limit.
    """
    _check_archive(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: refused or damaged: only tensors are read from a file of PyTorch, and nothing in it is run"
        ) from error
    except Exception as error:  # a damaged file makes PyTorch's reader raise errors of any kind
        raise InputError(f"{path}: is no readable file of PyTorch ({str(error)[:120].splitlines()[0]})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a table of parameters by name, got {type(content).__name__}")
    return content


def _check_archive(path: Path) -> None:
    """Refuse archives that unpack beyond the memory limit.

    PyTorch unpacks compressed archives without a limit.
    """
    with open_file(path) as file:
        try:
            members = zipfile.ZipFile(file).infolist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
            return  # PyTorch says what is wrong with it, or reads its older format, which compresses nothing
        check_unpacked(path, sum(member.file_size for member in members), stored=path.stat().st_size)


def load_weights(where: object, network: nn.Module, table: Mapping[str, Any], what: str) -> None:
    """Load weights into a network.

    InputError for missing, unexpected, misshapen or not finite ones. what: Name of the weights in messages.
    """
    try:
        network.load_state_dict(table)
    except (RuntimeError, TypeError, AttributeError) as error:  # names the weights
        raise InputError(f"{where}: is not laid out as {what} are: {shorten_message(error)}") from error
    for name, value in network.state_dict().items():
        if table[name].dtype.is_floating_point != value.dtype.is_floating_point:
            raise InputError(f"{where}: {name} must hold numbers like {value.dtype}, got {table[name].dtype}")
    check_finite(where, network.state_dict())
    network.float().eval()
