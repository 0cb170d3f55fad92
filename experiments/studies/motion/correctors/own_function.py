"""Load and call a user's function inside a sandbox.

Nothing here imports PyTorch, so that a process for a function of motions starts at once.
"""

import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from selfcorrect.core.errors import SettingError
from selfcorrect.loop.correctors.sandbox import Memory
from selfcorrect.motion.motion import Motion
from selfcorrect.runtime.registry import import_callable
from selfcorrect.runtime.supervision import fence, report_place
from selfcorrect.runtime.user_code import locate_code, name_of
from selfcorrect.simulators.results.each import each_motion
from selfcorrect.simulators.results.results import CorrectedMotion

from .table import CORRECTORS


@dataclass(frozen=True)
class OwnFunction:
    """A user's function."""

    function: Callable[..., Any]
    takes: str
    """The name of the first parameter, "samples" if no parameter can be found."""
    name: str


def load(name: str) -> OwnFunction:
    """Load a user's function by "package.module:function", or by the name that another package gives its corrector.

    A class that takes `inputs` makes correctors. Of a class that needs no arguments, an object is made.
    """
    function: Any = import_callable(name) if ":" in name else CORRECTORS.load(name)
    takes = _get_first_parameter(function)
    if inspect.isclass(function) and takes != "inputs":
        try:
            function = function()
        except TypeError as error:
            raise SettingError(
                f"corrector {name!r} is a class, which must need no arguments or take `inputs`: {error}"
            ) from error
        takes = _get_first_parameter(function)
    return OwnFunction(function, takes, name_of(function))


def _get_first_parameter(function: Callable[..., Any]) -> str:
    """Return the first parameter's name; a network takes values unless that is `motion`."""
    network = getattr(function, "forward", None) if _is_network(function) else None
    try:
        first = next(iter(inspect.signature(network or function).parameters), "samples")
    except ValueError:  # some built-in callables have no signature
        return "samples"
    return "values" if network and first != "motion" else first


def _is_network(function: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(function, torch.nn.Module)


# --- called in a sandbox, whose memory keeps the corrector ------------------------------------------------------------


def load_in_sandbox(memory: Memory, name: str) -> tuple[str, str, str]:
    """Load the function in the sandbox.

    Returns the names of the first parameter and the function, and file and line if known.
    """
    report_place("its module")
    own = load(name)
    memory["corrector"] = own.function
    return own.takes, own.name, locate_code(own.function)


def make_in_sandbox(memory: Memory, name: str, inputs: object) -> str:
    """Let the loaded function make the corrector from inputs in the sandbox, and return the corrector's name."""
    report_place("the corrector that it makes")
    with fence(f"corrector {name!r}"):
        memory["corrector"] = memory["corrector"](inputs)
    return name_of(memory["corrector"])


def apply_in_sandbox(memory: Memory, function: Callable[..., Any], *arguments: Any) -> Any:
    """Apply a function to the sandbox's corrector, which may keep something between calls."""
    return function(memory["corrector"], *arguments)


def correct_motions_in_sandbox(
    corrector: Callable[[Motion], Motion], motions: Sequence[Motion]
) -> list[CorrectedMotion]:
    """Correct motions by a single-motion corrector."""
    return [*each_motion(corrector)(motions)]
