"""Generators of users and of other packages; a generative model is enough for all arms of the motion experiment."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch

from selfcorrect.core.errors import SelfcorrectError, SettingError
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.loop.models.protocol import GenerativeModel
from selfcorrect.loop.trial import try_model
from selfcorrect.runtime.bugs import describe_with_location
from selfcorrect.runtime.identity import Identity, identity_of
from selfcorrect.runtime.registry import import_callable
from selfcorrect.runtime.supervision import fence

from ..arms import read_value
from .settings import GENERATORS

_METHODS = ("fit", "sample", "state", "load_state")
"""Methods of a generative model."""
_GIVEN = ("frames", "features", "classes", "device")
"""Parameters of a generator that the experiment gives; all others are options."""


def load_generator(name: str) -> Callable[..., Any]:
    """Load a generator's function by entry point, package.module:function or FILE.py:function."""
    return import_callable(name, "generator") if ":" in name else GENERATORS.load(name)


def identify_generator(name: str) -> dict[str, Identity]:
    """Return the identity of a generator's code; its name is for messages."""
    return {name_in_messages(name): identity_of(load_generator(name))}


def takes_settings(function: Callable[..., Any]) -> bool:
    """Return True for a function of settings and stream that returns all that the arms of a seed share."""
    return list(inspect.signature(function).parameters)[:1] == ["settings"]


@dataclass(frozen=True, eq=False)
class OwnModel:
    """A user's function that makes a model, with the options it is called with.

    It also gets those of `frames`, `features`, `classes` and `device` that are among its parameters.
    """

    name: str
    function: Callable[..., Any]
    options: Mapping[str, object]

    @classmethod
    def from_words(cls, words: Sequence[str], function: Callable[..., Any]) -> Self:
        """Parse a generator's name and options such as width=64.

        Raises:
            SettingError: An option is unknown.
        """
        name, *texts = words
        known = [parameter for parameter in inspect.signature(function).parameters if parameter not in _GIVEN]
        options = {}
        for text in texts:
            option, _, value = text.partition("=")
            if option not in known:
                raise SettingError(f"generator {name!r} has no option {option!r}; it has {', '.join(known) or 'none'}")
            options[option] = read_value(value)
        return cls(name, function, options)

    def make(self, real: Samples, classes: int, device: torch.device) -> GenerativeModel:
        """Make the untrained model of values (N, T, D) with labels of so many classes.

        Raises:
            SettingError: The function returns something else.
        """
        shape = (real.values.shape[1], real.values.shape[2], classes, device)
        given = dict(zip(_GIVEN, shape, strict=True))
        parameters = inspect.signature(self.function).parameters
        with fence(name_in_messages(self.name)):
            model = self.function(**{name: given[name] for name in _GIVEN if name in parameters}, **self.options)
        missing = [method for method in _METHODS if not callable(getattr(model, method, None))]
        if missing:
            hint = "; selfcorrect.TorchModel makes one of a torch module" if isinstance(model, torch.nn.Module) else ""
            raise SettingError(
                f"generator {self.name!r} must return a model with {', '.join(_METHODS)}, got {type(model).__name__} "
                f"without {', '.join(missing)}{hint}"
            )
        return model


def try_own_model(name: str, model: GenerativeModel, real: Samples, stream: Stream) -> None:
    """Try a user's model on few windows: train, sample and restore it.

    Raises:
        SettingError: The model fails, with file and line; it draws values of another shape, values that are not finite,
            or other values with the same stream or after its state is restored.
    """
    few = real.take(torch.arange(min(8, len(real))))
    labels = few.labels[:2]
    try:
        trained = try_model(model, few, stream)
        values = trained.sample(labels, stream.child("sample"))
        restored = model.load_state(trained.state()).sample(labels, stream.child("sample"))
    except SelfcorrectError as error:
        raise SettingError(f"generator {name!r}: {error}") from error
    except Exception as error:
        raise SettingError(f"generator {name!r}: {describe_with_location(error)}") from error
    if not values.isfinite().all():
        raise SettingError(f"generator {name!r} draws values that are not finite after two steps of training")
    if not torch.equal(values, restored):
        raise SettingError(
            f"generator {name!r} draws other values after load_state(state()) from the same stream; "
            "resuming a loop needs the same values"
        )


def name_in_messages(name: str) -> str:
    """A generator in messages."""
    return f"generator {name!r}"
