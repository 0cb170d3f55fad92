"""Correctors of users and of other packages, in a process of their own or in this one, with the same results."""

import copy
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from selfcorrect.core.errors import CorrectorError, SettingError
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.contract import (
    Corrected,
    Corrector,
    call_corrector,
    evaluating,
    lift,
    load_state,
    name_of,
    state_of,
)
from selfcorrect.correctors.identity import Identity
from selfcorrect.correctors.own_process import Kept, OwnProcess, own_process
from selfcorrect.loop.trial import differing_kind, unrepeatable
from selfcorrect.models.diffusion.model import MotionDiffusion
from selfcorrect.models.protocol import GenerativeModel
from selfcorrect.motion.correction.each import each_motion
from selfcorrect.motion.correction.lifting import lift_motions
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.preferences.reward import Reward
from selfcorrect.runtime.progress import Progress, silent
from selfcorrect.runtime.supervision import EndedError, supervised, working_on
from selfcorrect.simulators.settings.engine_table import PUBLISHED_ENGINE

from .own_function import (
    FUNCTION,
    OwnFunction,
    correct_motions_there,
    identity_there,
    load,
    load_there,
    place_there,
)


@dataclass(frozen=True)
class CorrectorInputs:
    """What correctors are made from: nothing here has seen held-out data."""

    codec: FeatureCodec
    real: Samples
    first_model: GenerativeModel
    stream: Stream
    progress: Progress
    limit_s: float | None = None
    """How long one call of a user's corrector may take."""
    in_process: bool = False
    """Whether users' correctors run in this process."""
    engine: str = PUBLISHED_ENGINE
    """In which correctors simulate."""
    reward: Reward | None = None
    """What people preferred, where that is known."""


def own_corrector(name: str, inputs: CorrectorInputs, process: OwnProcess | None = None) -> Corrector:
    """The corrector that a user's function is, or makes; it gets copies of the inputs, never the loop's own data.

    process: where it is to run, a new one by default.
    """
    given = _handed_out(inputs)
    if inputs.in_process:
        return _made(load(name), given, inputs.limit_s)
    process = process or own_process(name, inputs.limit_s)
    takes, called = process.call(load_there, name)
    if takes == "motion":
        lifted = lift_motions(partial(process.call, correct_motions_there), inputs.codec, called)
        return _Elsewhere(process, called, lifted)
    return _Elsewhere(process, process.call(_make_there, given if takes == "inputs" else None, _device_of(inputs)))


def try_corrector(name: str, inputs: CorrectorInputs) -> tuple[Identity, str]:
    """Call a user's corrector twice on real samples and on generated ones.

    Returns what it is, with the files that it opened meanwhile, and a warning, "" where all is well.

    Raises CorrectorError, which says where the corrector is, what it was tried on, and what was expected; also where it
    answers differently and does not declare so (`selfcorrect.loop.trial`).
    """
    process, where = own_process(name, inputs.limit_s), ""
    try:
        process.call(load_there, name)
        where = process.call(place_there)
        corrector = own_corrector(name, replace(inputs, in_process=False), process)
        differing = differing_kind(corrector, inputs.first_model, inputs.real, inputs.stream)
        if differing and process.call(_repeatable_there):
            raise CorrectorError(unrepeatable("it", differing))
        warning = f"corrector {name!r} ({where}) declares that its runs cannot be repeated" if differing else ""
        return process.call(identity_there), warning
    except CorrectorError as error:
        raise CorrectorError(f"{name} ({where}) was tried before anything was trained: {error}") from error
    finally:
        process.close()


def own_identity(name: str, limit_s: float | None) -> Identity:
    """What a user's function is, looked at in a separate process; SettingError where it cannot be loaded."""
    process = own_process(name, limit_s)
    try:
        process.call(load_there, name)
        return process.call(identity_there)
    except EndedError as error:
        raise SettingError(f"cannot load corrector {name!r}: {error}") from error
    finally:
        process.close()


def _handed_out(inputs: CorrectorInputs) -> CorrectorInputs:
    """Copies, without what shows progress in this process."""
    model = inputs.first_model
    if isinstance(model, MotionDiffusion):
        model = replace(model, on_training_step=None, on_sampling_step=None)
    codec, real, model = copy.deepcopy((inputs.codec, inputs.real, model))
    return replace(inputs, codec=codec, real=real, first_model=model, progress=silent)


def _made(own: OwnFunction, inputs: CorrectorInputs, limit_s: float | None) -> Corrector:
    """The corrector in this process."""
    watched = supervised(own.function, own.name, limit_s)
    if own.takes == "motion":
        return _Watched(lift_motions(each_motion(watched), inputs.codec, own.name), own.name, own.function)
    if own.takes == "values":
        network = _lifted(own, _device_of(inputs))
        return _Watched(supervised(network, own.name, limit_s), own.name, own.function)
    corrector = watched(inputs) if own.takes == "inputs" else own.function
    return _Watched(supervised(corrector, name_of(corrector), limit_s), name_of(corrector), corrector)


@dataclass(frozen=True)
class _Watched:
    """A corrector whose calls are watched in this process."""

    function: Corrector
    name: str
    keeper: object
    """What may keep something between calls."""

    def __call__(self, samples: Samples, stream: Stream) -> Corrected:
        return call_corrector(self.function, samples, stream)

    def state(self) -> dict[str, Tensor]:
        """What it keeps."""
        return state_of(self.keeper)

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Have it go on from there."""
        load_state(self.keeper, state)


@dataclass(frozen=True)
class _Elsewhere:
    """A corrector in a separate process."""

    process: OwnProcess
    name: str
    lifted: Corrector | None = None
    """What corrects features where the process corrects motions."""

    def __call__(self, samples: Samples, stream: Stream) -> Corrected:
        if self.lifted is not None:
            return call_corrector(self.lifted, samples, stream)
        return self.process.call(_correct_there, samples, stream)

    def state(self) -> dict[str, Tensor]:
        """What it keeps there."""
        return self.process.call(_state_there)

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Have it go on from there."""
        self.process.call(_load_state_there, state)


def _kept_there(kept: Kept) -> object:
    """The object that corrects, which may keep something between calls."""
    own: OwnFunction = kept[FUNCTION]
    return kept["corrector"] if own.takes == "inputs" else own.function


def _repeatable_there(kept: Kept) -> bool:
    return getattr(_kept_there(kept), "repeatable", True)


def _state_there(kept: Kept) -> dict[str, Tensor]:
    return state_of(_kept_there(kept))


def _load_state_there(kept: Kept, state: dict[str, Tensor]) -> None:
    load_state(_kept_there(kept), state)


def _lifted(own: OwnFunction, device: torch.device) -> Corrector:
    """The corrector of a function of values; networks go to the device of the run."""
    if isinstance(own.function, nn.Module):
        return evaluating(own.function.to(device))
    return lift(own.function, own.name)


def _device_of(inputs: CorrectorInputs) -> torch.device:
    return getattr(inputs.first_model, "device", torch.device("cpu"))


def _make_there(kept: Kept, inputs: CorrectorInputs | None, device: torch.device) -> str:
    """Make the corrector of the function that was loaded; returns its name."""
    own: OwnFunction = kept[FUNCTION]
    with working_on("the corrector that it makes"):
        made = own.function(inputs) if own.takes == "inputs" else own.function
    kept["corrector"] = _lifted(own, device) if own.takes == "values" else made
    return name_of(kept["corrector"])


def _correct_there(kept: Kept, samples: Samples, stream: Stream) -> Corrected:
    return call_corrector(kept["corrector"], samples, stream)
