"""Generators of users and of other packages: a generative model is enough for all arms of the motion experiment."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from selfcorrect.core.errors import SettingError
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.loop.models.diffusion.model import choose_device
from selfcorrect.loop.models.protocol import GenerativeModel
from selfcorrect.runtime.bugs import describe_with_place
from selfcorrect.runtime.identity import Identity, identity_of
from selfcorrect.runtime.registry import import_callable
from selfcorrect.runtime.supervision import call_fenced, fence

from ..studies.arms import read_value
from .settings import GENERATORS, MotionSettings
from .task import MotionParts, SeedParts, Sharing, load_windows

METHODS = ("fit", "sample", "state", "load_state")
"""Methods of a generative model."""
SHAPE = ("frames", "features", "classes", "device")
"""Parameters of a generator that the experiment gives; all others are options."""


def load_generator(name: str) -> Callable[..., Any]:
    """Return the function of a generator: by an entry point's name, package.module:function or FILE.py:function."""
    return import_callable(name, "generator") if ":" in name else GENERATORS.load(name)


def identify_generator(name: str) -> dict[str, Identity]:
    """Return the identity of a generator's code by a name for messages."""
    return {_name_generator(name): identity_of(load_generator(name))}


def make_own_parts(settings: MotionSettings, stream: Stream) -> SeedParts:
    """Return what the arms of a seed share with the generator that the settings name.

    A function of `settings` and the stream returns all of it. Any other function returns a generative model, from those
    of the parameters `frames`, `features`, `classes`, `device` that it has, and from options such as width=64.

    Raises:
        SettingError: An option is unknown.
    """
    name, *texts = settings.generator
    function = load_generator(name)
    parameters = list(inspect.signature(function).parameters)
    if parameters[:1] == ["settings"]:
        return call_fenced(_name_generator(name), SeedParts, function, settings, stream)
    options = {}
    for text in texts:
        option, _, value = text.partition("=")
        if option not in parameters or option in SHAPE:
            known = [parameter for parameter in parameters if parameter not in SHAPE]
            raise SettingError(f"generator {name!r} has no option {option!r}; it has {', '.join(known) or 'none'}")
        options[option] = read_value(value)
    given = [parameter for parameter in parameters if parameter in SHAPE]
    return OwnParts(settings, load_windows(settings, stream), function, tuple(given), options)


@dataclass(frozen=True, eq=False)
class OwnParts(MotionParts):
    """Real data and evaluator of a seed, with a user's model."""

    function: Callable[..., Any]
    given: tuple[str, ...]
    """Names of the parameters that the experiment gives."""
    options: Mapping[str, object]

    def make_model(self, denoiser: str, real: Samples, classes: int, sharing: Sharing) -> GenerativeModel:
        """Return the untrained model of the user's function.

        Raises:
            SettingError: The function returns something else.
        """
        device = choose_device(sharing.device)
        shape = {"frames": real.values.shape[1], "features": real.values.shape[2], "classes": classes, "device": device}
        name = self.settings.generator[0]
        with fence(_name_generator(name)):
            model = self.function(**{parameter: shape[parameter] for parameter in self.given}, **self.options)
        missing = [method for method in METHODS if not callable(getattr(model, method, None))]
        if missing:
            hint = "; selfcorrect.TorchModel makes one of a torch module" if isinstance(model, torch.nn.Module) else ""
            raise SettingError(
                f"generator {name!r} must return a model with {', '.join(METHODS)}, got {type(model).__name__} without "
                f"{', '.join(missing)}{hint}"
            )
        return model


def try_model(name: str, model: GenerativeModel, real: Samples, stream: Stream) -> None:
    """Train a model for a step on a few windows, sample it, and restore it from its state.

    Raises:
        SettingError: The model fails, with file and line; draws values of another shape or values that are not finite;
            or draws other values after its state is restored.
    """
    few = real.take(torch.arange(min(8, len(real))))
    labels = few.labels[:2]
    try:
        trained = model.fit(few, 1, stream.child("train"))
        values = trained.sample(labels, stream.child("sample"))
        restored = model.load_state(trained.state()).sample(labels, stream.child("sample"))
    except Exception as error:
        raise SettingError(f"generator {name!r}: {describe_with_place(error)}") from error
    expected = (len(labels), *real.values.shape[1:])
    if not isinstance(values, Tensor) or tuple(values.shape) != expected:
        got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise SettingError(f"generator {name!r} must draw values of shape {expected} for two labels, got {got}")
    if not values.isfinite().all():
        raise SettingError(f"generator {name!r} draws values that are not finite after a step of training")
    if not torch.equal(values, restored):
        raise SettingError(
            f"generator {name!r} draws other values after load_state(state()) from the same stream; "
            "a loop that resumes needs the same"
        )


def _name_generator(name: str) -> str:
    """A generator in messages."""
    return f"generator {name!r}"
