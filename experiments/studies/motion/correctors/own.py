"""Correctors of users and of other packages, called in a separate process or in this one with the same results."""

from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from selfcorrect.core.errors import CorrectorError, SettingError
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.loop.correctors.contract import Corrected, Corrector, call_corrector, chain, load_state, state_of
from selfcorrect.loop.correctors.loop_correction import Correction
from selfcorrect.loop.correctors.sandbox import Sandbox, make_sandbox
from selfcorrect.loop.models.diffusion.model import MotionDiffusion
from selfcorrect.loop.models.protocol import GenerativeModel
from selfcorrect.loop.trial import try_correction
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.runtime.identity import Identity, identity_of
from selfcorrect.runtime.progress import Progress, silent
from selfcorrect.runtime.supervision import EndedError
from selfcorrect.simulators.settings.engine_table import PUBLISHED_ENGINE

from .lifting import lift_motions
from .own_function import apply_in_sandbox, correct_motions_in_sandbox, load_in_sandbox, make_in_sandbox
from .table import CORRECTORS, is_own, stages


@dataclass(frozen=True)
class CorrectorInputs:
    """Inputs for making correctors, none of which has seen held-out data."""

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
    simulation: str = "fine"
    """Name of the simulation of `physics`, in the table `SIMULATIONS`."""


def build_corrector(name: str, inputs: CorrectorInputs) -> Corrector | None:
    """Build a corrector from a name of `CORRECTORS` or "package.module:function"; "none" gives None.

    Names joined by "+" are built-in correctors that are applied in turn.

    The first parameter of a user's function decides the call: `motion` (a Motion → a Motion), `values` (a tensor → a
    tensor) or `samples` (Samples → Samples or Corrected). A function of `inputs` (CorrectorInputs → Corrector) makes a
    corrector. User code runs in a separate process unless `inputs.in_process`.
    """
    if name == "none":
        return None
    if is_own(name):
        return own_corrector(name, inputs)
    correctors = [CORRECTORS.load(stage)(inputs) for stage in stages(name)]
    return correctors[0] if len(correctors) == 1 else chain(*correctors, name=name)


def own_corrector(name: str, inputs: CorrectorInputs, sandbox: Sandbox | None = None) -> Corrector:
    """Return a user's corrector: the function itself, or what it makes.

    The function gets copies of the inputs, never the loop's own data.

    Args:
        name: "package.module:function", or the name of a corrector that another package adds.
        sandbox: Place where the function is called (default: a new one).

    Raises:
        CorrectorError: The function ends its process while it is loaded or makes a corrector.
    """
    if sandbox is None:
        sandbox = make_sandbox(name, inputs.limit_s, in_process=inputs.in_process)
    lifted = None
    try:
        takes, called, location = sandbox.call(load_in_sandbox, name)
        if takes == "motion":
            lifted = lift_motions(
                partial(sandbox.call, apply_in_sandbox, correct_motions_in_sandbox), inputs.codec, called
            )
        elif takes == "inputs":
            called = sandbox.call(make_in_sandbox, name, _to_sendable(inputs))
        else:
            sandbox.call(apply_in_sandbox, _move_network, getattr(inputs.first_model, "device", torch.device("cpu")))
    except EndedError as error:
        raise CorrectorError(f"corrector {name!r} could not be made: {error}") from error
    return _Sandboxed(sandbox, called, location, lifted)


def _move_network(corrector: object, device: torch.device) -> None:
    """Move a network to the device of the run."""
    if isinstance(corrector, nn.Module):
        corrector.to(device)


def try_corrector(name: str, inputs: CorrectorInputs) -> None:
    """Try a user's corrector in its own process; see `try_correction`."""
    with closing(make_sandbox(name, inputs.limit_s)) as sandbox:
        corrector = own_corrector(name, inputs, sandbox)
        location = getattr(corrector, "location", "")
        try_correction(Correction(corrector, name=name), inputs.first_model, inputs.real, inputs.stream, location)


def own_identity(name: str, limit_s: float | None) -> Identity:
    """Return the identity of a user's function, loaded in a sandbox; SettingError if loading fails."""
    with closing(make_sandbox(name, limit_s)) as sandbox:
        try:
            sandbox.call(load_in_sandbox, name)
            return sandbox.call(apply_in_sandbox, identity_of)
        except EndedError as error:
            raise SettingError(f"cannot load corrector {name!r}: {error}") from error


def _to_sendable(inputs: CorrectorInputs) -> CorrectorInputs:
    """Drop callbacks that show progress in this process."""
    model = inputs.first_model
    if isinstance(model, MotionDiffusion):
        model = replace(model, on_training_step=None, on_sampling_step=None)
    return replace(inputs, first_model=model, progress=silent)


@dataclass(frozen=True)
class _Sandboxed:
    """A corrector whose function runs in a sandbox."""

    sandbox: Sandbox
    name: str
    location: str
    """File and line of the function, "" if unknown."""
    lifted: Corrector | None = None
    """Corrector of features, if the function corrects motions."""

    @property
    def repeatable(self) -> bool:
        """False if the corrector declares that it does not repeat."""
        return self.sandbox.call(apply_in_sandbox, getattr, "repeatable", True)

    def __call__(self, samples: Samples, stream: Stream) -> Corrected:
        if self.lifted is not None:
            return call_corrector(self.lifted, samples, stream)
        return self.sandbox.call(apply_in_sandbox, call_corrector, samples, stream)

    def state(self) -> dict[str, Tensor]:
        """Return the state of the corrector in the sandbox."""
        return self.sandbox.call(apply_in_sandbox, state_of)

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Continue from a state in the sandbox."""
        self.sandbox.call(apply_in_sandbox, load_state, state)
