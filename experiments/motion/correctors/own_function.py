"""Load and call a user's function inside a sandbox.

Nothing here imports PyTorch, so that a process for a function of motions starts at once.
"""

import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from selfcorrect.core.errors import SettingError
from selfcorrect.correctors.sandbox import Memory
from selfcorrect.motion.corrector_interface.each import each_motion
from selfcorrect.motion.corrector_interface.results import CorrectedMotion
from selfcorrect.motion.motion import Motion
from selfcorrect.runtime.identity import Identity, identity_of, locate_code, name_of
from selfcorrect.runtime.registry import import_callable
from selfcorrect.runtime.supervision import report_place

from .table import CORRECTORS

FUNCTION = "function"
"""Key of the function in the memory of a sandbox."""


@dataclass(frozen=True)
class OwnFunction:
    """A user's function."""

    function: Callable[..., Any]
    takes: str
    """The name of the first parameter, "samples" if no parameter can be found."""
    name: str


def load(name: str) -> OwnFunction:
    """Return the function at "package.module:function", or of a corrector that another package adds by name.

    Of a class that needs no arguments an object is made; a class that takes `inputs` makes correctors.
    """
    function: Any = import_callable(name) if ":" in name else CORRECTORS.load(name)
    takes = _first_parameter(function)
    if inspect.isclass(function) and takes != "inputs":
        try:
            function = function()
        except TypeError as error:
            raise SettingError(
                f"corrector {name!r} is a class, which must need no arguments or take `inputs`: {error}"
            ) from error
        takes = _first_parameter(function)
    return OwnFunction(function, takes, name_of(function))


def _first_parameter(function: Callable[..., Any]) -> str:
    """Return the name of the first parameter; a network takes values unless that parameter is `motion`."""
    network = getattr(function, "forward", None) if _is_network(function) else None
    try:
        first = next(iter(inspect.signature(network or function).parameters), "samples")
    except ValueError:  # some built-in callables have no signature
        return "samples"
    return "values" if network and first != "motion" else first


def _is_network(function: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(function, torch.nn.Module)


# --- called in a sandbox ---------------------------------------------------------------------------------------------


def load_there(memory: Memory, name: str) -> tuple[str, str, str]:
    """Load the function; return the name of the first parameter, the function's name, and file and line if known."""
    report_place("its module")
    function = load(name)
    memory[FUNCTION] = function
    return function.takes, function.name, locate_code(function.function)


def identify_there(memory: Memory) -> Identity:
    """Return the identity of the function."""
    return identity_of(memory[FUNCTION].function)


def correct_motions_there(memory: Memory, motions: Sequence[Motion]) -> list[CorrectedMotion]:
    """Return the motions that the function corrected."""
    return [*each_motion(memory[FUNCTION].function)(motions)]
