"""Correctors of users and of other packages, called in a separate process or in this process with the same results."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from selfcorrect.core.errors import CorrectorError, SettingError
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.contract import Corrected, Corrector, call_corrector, chain, load_state, name_of, state_of
from selfcorrect.correctors.sandbox import Memory, Sandbox, make_sandbox
from selfcorrect.loop.trial import describe_unrepeatable, find_unrepeatable_kind
from selfcorrect.models.diffusion.model import MotionDiffusion
from selfcorrect.models.protocol import GenerativeModel
from selfcorrect.motion.corrector_interface.lifting import lift_motions
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.runtime.identity import Identity
from selfcorrect.runtime.progress import Progress, silent
from selfcorrect.runtime.supervision import EndedError, report_place
from selfcorrect.simulators.settings.engine_table import PUBLISHED_ENGINE

from .own_function import FUNCTION, OwnFunction, correct_motions_there, identify_there, load_there
from .table import CORRECTORS, is_own, stages


@dataclass(frozen=True)
class CorrectorInputs:
    """Inputs for making correctors. Nothing here has seen held-out data."""

    codec: FeatureCodec
    real: Samples
    first_model: GenerativeModel
    stream: Stream
    progress: Progress
    limit_s: float | None = None
    """Time limit of a call of a user's corrector."""
    in_process: bool = False
    """Run users' correctors in this process."""
    engine: str = PUBLISHED_ENGINE
    """Engine that correctors simulate in."""


def build_corrector(name: str, inputs: CorrectorInputs) -> Corrector | None:
    """Return the corrector with a name of `CORRECTORS`, or at "package.module:function"; None for "none".

    Names joined by "+" are built-in correctors that are applied in turn.

    The first parameter of a user's function decides the call: `motion` (a Motion → a Motion), `values` (a tensor → a
    tensor) or `samples` (Samples → Samples or Corrected). A function of `inputs` (CorrectorInputs → Corrector) makes a
    corrector. Users' code runs in a separate process unless `inputs.in_process`.
    """
    if name == "none":
        return None
    if is_own(name):
        return own_corrector(name, inputs)
    correctors = [CORRECTORS.load(stage)(inputs) for stage in stages(name)]
    return correctors[0] if len(correctors) == 1 else chain(*correctors, name=name)


def own_corrector(name: str, inputs: CorrectorInputs, sandbox: Sandbox | None = None) -> Corrector:
    """Return the corrector that a user's function is, or makes.

    The function gets copies of the inputs, never the loop's own data.

    Args:
        name: "package.module:function", or the name of a corrector that another package adds.
        sandbox: Place where the function is called (default: a new one).
    """
    if sandbox is None:
        sandbox = make_sandbox(name, inputs.limit_s, in_process=inputs.in_process)
    takes, called, _ = sandbox.call(load_there, name)
    if takes == "motion":
        lifted = lift_motions(partial(sandbox.call, correct_motions_there), inputs.codec, called)
        return _Sandboxed(sandbox, called, lifted)
    device = getattr(inputs.first_model, "device", torch.device("cpu"))
    return _Sandboxed(sandbox, sandbox.call(_make_there, _to_sendable(inputs) if takes == "inputs" else None, device))


def try_corrector(name: str, inputs: CorrectorInputs) -> str:
    """Call a user's corrector twice on real and on generated samples.

    Returns:
        A warning, "" for none.

    Raises:
        CorrectorError: The corrector fails, or answers differently without declaring so (`selfcorrect.loop.trial`). The
            message names the place of the corrector, the samples, and what was expected.
    """
    sandbox = make_sandbox(name, inputs.limit_s)
    place = ""
    try:
        *_, place = sandbox.call(load_there, name)
        corrector = own_corrector(name, inputs, sandbox)
        differing = find_unrepeatable_kind(corrector, inputs.first_model, inputs.real, inputs.stream)
        if differing and sandbox.call(_apply_there, getattr, "repeatable", True):
            raise CorrectorError(describe_unrepeatable("it", differing))
        return f"corrector {name!r} ({place}) declares that its runs cannot be repeated" if differing else ""
    except CorrectorError as error:
        raise CorrectorError(f"{name} ({place}) was tried before anything was trained: {error}") from error
    finally:
        sandbox.close()


def own_identity(name: str, limit_s: float | None) -> Identity:
    """Return the identity of a user's function, loaded in a sandbox; SettingError if loading fails."""
    sandbox = make_sandbox(name, limit_s)
    try:
        sandbox.call(load_there, name)
        return sandbox.call(identify_there)
    except EndedError as error:
        raise SettingError(f"cannot load corrector {name!r}: {error}") from error
    finally:
        sandbox.close()


def _to_sendable(inputs: CorrectorInputs) -> CorrectorInputs:
    """Return the inputs without the callbacks that show progress in this process."""
    model = inputs.first_model
    if isinstance(model, MotionDiffusion):
        model = replace(model, on_training_step=None, on_sampling_step=None)
    return replace(inputs, first_model=model, progress=silent)


@dataclass(frozen=True)
class _Sandboxed:
    """A corrector with a function that is called in a sandbox."""

    sandbox: Sandbox
    name: str
    lifted: Corrector | None = None
    """Corrector of features, if the function corrects motions."""

    def __call__(self, samples: Samples, stream: Stream) -> Corrected:
        if self.lifted is not None:
            return call_corrector(self.lifted, samples, stream)
        return self.sandbox.call(_apply_there, call_corrector, samples, stream)

    def state(self) -> dict[str, Tensor]:
        """Return the state of the corrector in the sandbox."""
        return self.sandbox.call(_apply_there, state_of)

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Have the corrector in the sandbox continue from a state."""
        self.sandbox.call(_apply_there, load_state, state)


_CORRECTOR = "corrector"
"""Key of the corrector of samples in the memory of a sandbox."""

# --- called in a sandbox ---------------------------------------------------------------------------------------------


def _apply_there(memory: Memory, function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function makes of the object that corrects, and that may keep something between calls."""
    own_function: OwnFunction = memory[FUNCTION]
    return function(own_function.function if own_function.takes == "motion" else memory[_CORRECTOR], *arguments)


def _make_there(memory: Memory, inputs: CorrectorInputs | None, device: torch.device) -> str:
    """Make the corrector of the loaded function, and return the name. Networks go to the device of the run."""
    own_function: OwnFunction = memory[FUNCTION]
    corrector = own_function.function
    if own_function.takes == "inputs":
        report_place("the corrector that it makes")
        corrector = corrector(inputs)
    elif isinstance(corrector, nn.Module):
        corrector = corrector.to(device)
    memory[_CORRECTOR] = corrector
    return name_of(corrector)
