"""A user's function where it is called: loaded by its name, asked what it takes, and called on motions.

Nothing here imports PyTorch, so that a process for a function of motions starts at once.
"""

import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from selfcorrect.core.errors import SettingError
from selfcorrect.correctors.identity import Identity, identity_of, name_of, note_opened, place_of
from selfcorrect.correctors.own_process import OWN_IS_POSSIBLE, Kept
from selfcorrect.motion.correction.each import each_motion
from selfcorrect.motion.correction.results import CorrectedMotion
from selfcorrect.motion.motion import Motion
from selfcorrect.runtime.registry import import_callable
from selfcorrect.runtime.supervision import working_on

from .table import CORRECTORS

FUNCTION, _OPENED = "function", "opened"
"""Under which names a process keeps it, and the files that it opened."""


@dataclass(frozen=True)
class OwnFunction:
    """A user's function."""

    function: Callable[..., Any]
    takes: str
    """The name of its first parameter, "samples" where it has none that can be found."""
    name: str


def load(name: str) -> OwnFunction:
    """The function at "package.module:function", or of a corrector that another package adds by name.

    Of a class that needs no arguments an object is made; one that takes `inputs` makes correctors.
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
    """What a function takes; a network takes values unless its first parameter has another name that is known."""
    network = getattr(function, "forward", None) if _is_network(function) else None
    try:
        first = next(iter(inspect.signature(network or function).parameters), "samples")
    except ValueError:  # some built-in callables have no signature
        return "samples"
    return "values" if network and first != "motion" else first


def _is_network(function: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(function, torch.nn.Module)


# --- called in a separate process ------------------------------------------------------------------------------------


def load_there(kept: Kept, name: str) -> tuple[str, str]:
    """Load the function; returns what it takes and what it is called."""
    if OWN_IS_POSSIBLE:
        kept.setdefault(_OPENED, note_opened())
    with working_on("its module"):
        kept[FUNCTION] = own = load(name)
    return own.takes, own.name


def identity_there(kept: Kept) -> Identity:
    """What the function is, with the files that it opened so far."""
    return identity_of(kept[FUNCTION].function, kept.get(_OPENED, ()))


def place_there(kept: Kept) -> str:
    """File and line of the function, "" where that is unknown."""
    return place_of(kept[FUNCTION].function)


def correct_motions_there(kept: Kept, motions: Sequence[Motion]) -> list[CorrectedMotion]:
    """What the function makes of motions."""
    return [*each_motion(kept[FUNCTION].function)(motions)]
