"""Models and correctors of users, tried before anything is trained: do they work, and would a run repeat itself?

Code that answers twice differently to the same samples and stream keeps state, or draws from other generators. A run
with it differs after a resume, and nobody can repeat it. Such code is refused, unless it declares so with an attribute
`repeatable = False`.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import cloudpickle
import torch
from torch import Tensor

from ..core.errors import CorrectorError, SettingError
from ..core.randomness import Stream
from ..core.samples import Samples, check_drawn, content_hash
from ..correctors.contract import Corrector, load_state, name_of, state_of
from ..correctors.correction import Correction, apply_corrector
from ..correctors.identity import is_of_users, place_of
from ..runtime import global_generators
from ..runtime.process_state import as_it_was
from ..runtime.supervision import EndedError

if TYPE_CHECKING:
    from ..models.protocol import GenerativeModel

DECLARE = "or declare that it cannot with an attribute `repeatable = False`"


def unrepeatable(who: str, kind: str) -> str:
    """The message about a corrector that gave two answers."""
    return (
        f"{who} gave two answers to the same {kind} samples and the same stream: it keeps state or draws numbers of "
        "its own, so that a resumed run would differ from a whole one; draw from `stream`, give what it keeps to "
        f"`state()` and `load_state()`, {DECLARE}"
    )


FEW, MANY = 2, 256
"""Samples of each kind in a trial, and in a second one for correctors that need a batch, such as one that whitens."""


def try_correction(correction: Correction, model: GenerativeModel, real: Samples, stream: Stream) -> None:
    """Try a user's corrector as `differing_kind` does, a copy of it where there can be.

    Raises CorrectorError, which says where the corrector is, what it was tried on, and what was expected; warns of one
    that does not repeat itself and says so.
    """
    corrector = _copied(correction.corrector)
    place = place_of(getattr(corrector, "parts", (corrector,))[0])
    who = f"corrector {correction.name!r}" + (f" ({place})" if place else "")
    try:
        differing = differing_kind(corrector, model, real, stream)
    except CorrectorError as error:
        raise CorrectorError(f"{who} was tried before anything was trained: {error}") from error
    if differing and getattr(corrector, "repeatable", True):
        raise CorrectorError(unrepeatable(who, differing))
    if differing:
        warnings.warn(f"{who} declares that its runs cannot be repeated", stacklevel=2)


def differing_kind(corrector: Corrector, model: GenerativeModel, real: Samples, stream: Stream) -> str:
    """Call a corrector twice on two real samples and on two that a model draws; returns which it answers differently.

    "real", "generated", or "" for neither. What fails on two is tried on a batch, unless it ended its process. Raises
    CorrectorError, which names the samples.
    """
    differing = ""
    for kind in ("real", "generated"):
        here = stream.child("trial", kind)
        try:
            same = repeats(corrector, kind, some_of(kind, FEW, model, real, here), here)
        except CorrectorError as error:
            if _ended(error):
                raise
            same = repeats(corrector, kind, some_of(kind, MANY, model, real, here), here)
        differing = differing or ("" if same else kind)
    return differing


def _ended(error: BaseException | None) -> bool:
    """Whether an error comes from a process that is gone, or took too long."""
    return error is not None and (isinstance(error, EndedError) or _ended(error.__cause__))


def some_of(kind: str, count: int, model: GenerativeModel, real: Samples, stream: Stream) -> Samples:
    """At most so many samples for a trial: "real" ones, or "generated" ones that a model draws with their labels."""
    some = real.take(torch.arange(len(real))[:: max(len(real) // count, 1)][:count])
    if kind == "real":
        return some
    values = model.sample(some.labels, stream.child("sample")).to(real.values)
    return Samples.synthetic(values, some.labels, 0)


def repeats(corrector: Corrector, kind: str, samples: Samples, stream: Stream) -> bool:
    """Whether two calls of a corrector give the same; CorrectorError names the kind of samples."""
    try:
        start = state_of(corrector)
        one = apply_corrector(samples, Correction(corrector), stream)
        load_state(corrector, start)
        two = apply_corrector(samples, Correction(corrector), stream)
        load_state(corrector, start)
    except CorrectorError as error:
        raise CorrectorError(f"on {len(samples)} {kind} samples {error}") from error
    return content_hash(one.samples) == content_hash(two.samples)


def is_tried(correction: Correction | None) -> bool:
    """Whether a correction calls code of users, which nobody has tested."""
    if correction is None:
        return False
    return any(is_of_users(part) for part in _parts(correction.corrector))


def _parts(corrector: object) -> Iterator[object]:
    yield corrector
    for part in getattr(corrector, "parts", ()):
        yield from _parts(part)


def _copied(corrector: Corrector) -> Corrector:
    """A copy, so that a trial leaves nothing behind; itself where there is no copying it."""
    try:
        return cloudpickle.loads(cloudpickle.dumps(corrector))
    except Exception:  # whatever a user's object raises, e.g. for an open file
        return corrector


# --- models ----------------------------------------------------------------------------------------------------------


def try_model(model: GenerativeModel, real: Samples, stream: Stream) -> GenerativeModel:
    """Fit a model twice for one step with the same stream, and draw two samples twice; returns the fitted model.

    Raises SettingError where the results differ: it names the method, and the global generator that was drawn from.
    """
    fitted, again = _twice(model, "fit", lambda: model.fit(real, 1, stream.child("train")))
    _refuse_unrepeatable(model, "fit", again, _same(fitted[0].state(), fitted[1].state()))
    labels = real.labels[:2]
    drawn, again = _twice(model, "sample", lambda: fitted[0].sample(labels, stream.child("sample")))
    check_drawn(drawn[0], len(labels), real)
    _refuse_unrepeatable(model, "sample", again, torch.equal(*drawn))
    return fitted[0]


def _twice(model: GenerativeModel, method: str, call: Callable[[], Any]) -> tuple[list[Any], list[str]]:
    """Two results, with global generators that start elsewhere, and the names of those that were drawn from."""
    results, used = [], list[str]()
    for number in (1, 2):
        with as_it_was(f"{method} of model {name_of(model)!r}", number):
            start = global_generators.state()
            results.append(call())
            used = global_generators.drawn_since(start)
    return results, used


def _same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Whether two states are equal, NaN included: divergence is reported elsewhere."""
    return one.keys() == other.keys() and all(
        torch.allclose(one[name].double(), other[name].double(), rtol=0, atol=0, equal_nan=True) for name in one
    )


def _refuse_unrepeatable(model: GenerativeModel, method: str, used: list[str], same: bool) -> None:
    if same:
        return
    place = place_of(type(model))
    who = f"model {name_of(model)}" + (f" ({place})" if place else "")
    if not getattr(model, "repeatable", True):
        warnings.warn(f"{who} declares that its runs cannot be repeated", stacklevel=3)
        return
    cause = f"draws from the global generator of {' and '.join(used)}" if used else "gave two results"
    raise SettingError(
        f"{who} {cause} in `{method}`: called twice with the same data and stream it differs, so that no run of it can "
        "be repeated or resumed; draw from `stream.torch()`, put layers that draw themselves (initialisation, dropout) "
        f"within `selfcorrect.models.training.layer_randomness(stream, device)`, {DECLARE}"
    )


@contextmanager
def global_draws_told(model: GenerativeModel, method: str) -> Iterator[None]:
    """Warn where a model's method draws from a global generator or seeds one.

    Modules may draw as they are imported, so a call that imports some is believed; the next one is not.
    """
    start, loaded = global_generators.state(), len(sys.modules)
    yield
    if (used := global_generators.drawn_since(start)) and len(sys.modules) == loaded:
        warnings.warn(
            f"model {name_of(model)} draws from the global generator of {' and '.join(used)} in `{method}`, so that "
            "its runs cannot be repeated; draw from `stream.torch()`",
            stacklevel=3,
        )
