"""Try models and correctors of users before anything is trained: do both work, and would a second run agree?

Code that answers the same samples and stream differently keeps state, or draws from other generators. A run with such
code differs after a resume, and nobody can repeat the run. The code is refused unless an attribute says `repeatable =
False`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import cloudpickle
import torch

from ..core.errors import CorrectorError, SettingError
from ..core.randomness import Stream
from ..core.samples import Samples, check_drawn, digest_tensors
from ..correctors.contract import Corrector, load_state, name_of, state_of
from ..correctors.loop_correction import CorrectedBatch, Correction, apply_corrector
from ..runtime import global_generators
from ..runtime.identity import is_of_users, locate_code
from ..runtime.supervision import EndedError

if TYPE_CHECKING:
    from ..models.protocol import GenerativeModel

_DECLARE = "or declare that it cannot with an attribute `repeatable = False`"
_TRIAL_SIZES = (2, 256)
"""Samples of a trial. The second size is for correctors that need a batch, such as a whitening corrector."""


def try_correction(correction: Correction, model: GenerativeModel, real: Samples, stream: Stream) -> None:
    """Try a copy of a user's corrector on a few samples; see `find_unrepeatable_kind`.

    Raises:
        CorrectorError: The corrector fails, or is not repeatable and does not declare so. The message names the place
            of the corrector, the samples, and what was expected.
    """
    try:
        corrector = cloudpickle.loads(cloudpickle.dumps(correction.corrector))
    except Exception:  # whatever a user's object raises, e.g. for an open file
        corrector = correction.corrector
    place = locate_code(getattr(corrector, "parts", (corrector,))[0])
    title = _with_place(f"corrector {correction.name!r}", place)
    try:
        kind = find_unrepeatable_kind(corrector, model, real, stream)
    except CorrectorError as error:
        raise CorrectorError(f"{title} was tried before anything was trained: {error}") from error
    if kind and getattr(corrector, "repeatable", True):
        raise CorrectorError(describe_unrepeatable(title, kind))
    if kind:
        warnings.warn(f"{title} declares that its runs cannot be repeated", stacklevel=2)


def find_unrepeatable_kind(corrector: Corrector, model: GenerativeModel, real: Samples, stream: Stream) -> str:
    """Call a corrector twice on real and on generated samples, and return the kind with different answers.

    Each trial takes two samples. If the corrector fails on two samples without ending the process, or rejects both real
    samples, the trial takes a batch. A warning says if the corrector rejects the batch, too.

    Returns:
        "real", "generated", or "" for a repeatable corrector.

    Raises:
        CorrectorError: The corrector fails. The message names the samples.
    """
    unrepeatable_kind = ""
    for kind in ("real", "generated"):
        first, second = _try_kind(corrector, kind, model, real, stream.child("trial", kind))
        if _digest(first.samples) != _digest(second.samples):
            unrepeatable_kind = unrepeatable_kind or kind
        if kind == "real" and not len(second.samples):
            warnings.warn(
                f"corrector {name_of(corrector)!r} rejects all {len(second.drawn)} real samples that it was tried on; "
                "a run stops if it rejects all generated samples too",
                stacklevel=2,
            )
    return unrepeatable_kind


def describe_unrepeatable(title: str, kind: str) -> str:
    """Return the message about a corrector that gave two answers to the same kind of samples."""
    return (
        f"{title} gave two answers to the same {kind} samples and the same stream: the corrector keeps state or draws "
        "from other generators, so that a resumed run would differ from a whole run; draw from `stream`, give state to "
        f"`state()` and `load_state()`, {_DECLARE}"
    )


def has_user_code(correction: Correction | None) -> bool:
    """Return whether a correction calls code of users."""
    if correction is None:
        return False
    correctors: list[object] = [correction.corrector]
    for corrector in correctors:
        if is_of_users(corrector):
            return True
        correctors.extend(getattr(corrector, "parts", ()))
    return False


def _has_ended_process(error: BaseException | None) -> bool:
    return error is not None and (isinstance(error, EndedError) or _has_ended_process(error.__cause__))


def _draw_samples(kind: str, count: int, model: GenerativeModel, real: Samples, stream: Stream) -> Samples:
    """Return at most `count` real samples, or generated samples with the same labels."""
    rows = torch.arange(len(real))[:: max(len(real) // count, 1)][:count]
    samples = real.take(rows)
    if kind == "real":
        return samples
    values = model.sample(samples.labels, stream.child("sample")).to(real.values)
    return Samples.synthetic(values, samples.labels, 0)


def _try_kind(
    corrector: Corrector, kind: str, model: GenerativeModel, real: Samples, stream: Stream
) -> list[CorrectedBatch]:
    """Return two answers of a corrector to the same samples: a few, or a batch if a few do not work."""
    few, many = _TRIAL_SIZES
    try:
        batches = _call_corrector_twice(corrector, kind, _draw_samples(kind, few, model, real, stream), stream)
        if len(batches[1].samples) or kind == "generated":
            return batches
    except CorrectorError as error:
        if _has_ended_process(error):
            raise
    return _call_corrector_twice(corrector, kind, _draw_samples(kind, many, model, real, stream), stream)


def _call_corrector_twice(corrector: Corrector, kind: str, samples: Samples, stream: Stream) -> list[CorrectedBatch]:
    """Call a corrector twice with the same samples and stream; CorrectorError names the kind of samples."""
    batches = []
    try:
        start = state_of(corrector)
        for _ in range(2):
            batches.append(apply_corrector(samples, Correction(corrector), stream))
            load_state(corrector, start)
    except CorrectorError as error:
        raise CorrectorError(f"on {len(samples)} {kind} samples {error}") from error
    return batches


def _with_place(title: str, place: str) -> str:
    return f"{title} ({place})" if place else title


def _digest(samples: Samples) -> str:
    """Return a digest of all that training sees of the samples."""
    return digest_tensors(samples.values, samples.labels, samples.weights)


class DataGuard:
    """Notices changes by users' code to the loop's own data, before training and commits."""

    def __init__(self, real: Samples, correction: Correction | None) -> None:
        self._real = real
        self._digest = _digest(real)
        self._name = f"corrector {correction.name!r}" if correction else ""

    def check_real(self) -> None:
        """Raise CorrectorError if real data were changed in place."""
        if _digest(self._real) != self._digest:
            suspect = f"{self._name} or the evaluation" if self._name else "the evaluation"
            raise CorrectorError(
                f"{suspect} changed the real training data in place; work on a copy (`values.clone()`)"
            )

    def check_labels(self, batch: CorrectedBatch) -> None:
        """Raise CorrectorError if corrected samples have a label that no real sample has."""
        labels = batch.samples.labels
        real_labels = self._real.labels.unique()
        new_labels = labels[~torch.isin(labels, real_labels)]
        if len(new_labels):
            raise CorrectorError(
                f"{self._name} returned the label {int(new_labels[0])}, which no real sample has; "
                f"real labels are from {int(real_labels[0])} to {int(real_labels[-1])}"
            )


def try_model(model: GenerativeModel, real: Samples, stream: Stream) -> GenerativeModel:
    """Fit a model twice for a step with the same stream, draw two samples twice, and return the fitted model.

    Raises:
        SettingError: The results differ. The message names the method and the global generator that was drawn from.
    """
    fitted = _call_twice(model, "fit", lambda: model.fit(real, 1, stream.child("train")), _have_equal_states)
    labels = real.labels[:2]
    draws = _call_twice(model, "sample", lambda: fitted.sample(labels, stream.child("sample")), torch.equal)
    check_drawn(draws, len(labels), real)
    return fitted


def _call_twice(
    model: GenerativeModel, method: str, call: Callable[[], Any], are_equal: Callable[[Any, Any], bool]
) -> Any:
    """Return the first of two results, with other starts of global generators; SettingError if the results differ."""
    results = []
    generators: list[str] = []
    for seed in (1, 2):
        with global_generators.use_seed(seed):
            start = global_generators.get_state()
            results.append(call())
            generators = global_generators.find_changed(start)
    if are_equal(*results):
        return results[0]
    title = _with_place(f"model {name_of(model)}", locate_code(type(model)))
    if not getattr(model, "repeatable", True):
        warnings.warn(f"{title} declares that its runs cannot be repeated", stacklevel=3)
        return results[0]
    cause = f"draws from the global generator of {' and '.join(generators)}" if generators else "gave two results"
    raise SettingError(
        f"{title} {cause} in `{method}`: called twice with the same data and stream it differs, so that no run of it "
        "can be repeated or resumed; draw from `stream.generator()`, put layers that draw themselves (initialisation, "
        f"dropout) within `selfcorrect.models.training.layer_randomness(stream, device)`, {_DECLARE}"
    )


def _have_equal_states(first: GenerativeModel, second: GenerativeModel) -> bool:
    """Return whether two models have equal states. NaN equals NaN: divergence is reported elsewhere."""
    state = first.state()
    other_state = second.state()
    return state.keys() == other_state.keys() and all(
        torch.allclose(tensor.double(), other_state[name].double(), rtol=0, atol=0, equal_nan=True)
        for name, tensor in state.items()
    )
