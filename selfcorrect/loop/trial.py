"""Trials of users' models and correctors before training.

A trial shows whether they work, and whether a second run would give the same results. Code that answers the same
samples and stream differently keeps state or uses other random generators. A run with such code changes if it is
resumed, and cannot be repeated. It is refused unless an attribute says `repeatable = False`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cloudpickle
import numpy as np
import torch

from ..core.checks import describe_value
from ..core.errors import CorrectorError, InputError, SettingError
from ..core.randomness import Stream
from ..core.samples import Samples, check_drawn, concatenate, digest_tensors
from ..runtime import global_generators
from ..runtime.bugs import describe_with_location
from ..runtime.supervision import EndedError
from ..runtime.user_code import locate_code, name_of
from .correctors.contract import Corrector, load_state, state_of
from .correctors.loop_correction import CorrectedBatch, Correction, apply_corrector
from .policy import Policy, count_draws, mix_samples

if TYPE_CHECKING:
    from .models.protocol import GenerativeModel

_DECLARATION = "or set the attribute `repeatable = False`"
_TRIAL_SIZES = (2, 256)
"""Numbers of real samples in a trial. The second is for correctors that need a batch, such as a whitening corrector."""


def try_correction(
    correction: Correction, model: GenerativeModel, real: Samples, stream: Stream, location: str = ""
) -> None:
    """Try a copy of a user's corrector twice.

    The copy is called on two real and two generated samples. If it fails on them without ending its process, or rejects
    the real ones, it is called on a batch. A warning is given if it rejects the batch's real samples, too.

    Args:
        location: File and line of the corrector's code; "" to find them.

    Raises:
        CorrectorError: The corrector fails, or is not repeatable and does not declare so. The message names the
            corrector's place in the code, the samples, and what was expected.
    """
    try:
        corrector = cloudpickle.loads(cloudpickle.dumps(correction.corrector))
    except Exception:  # whatever a user's object raises, e.g. for an open file
        corrector = correction.corrector
    location = location or locate_code(getattr(corrector, "parts", (corrector,))[0])
    title = _with_location(f"corrector {correction.name!r}", location)
    first, second = _correct_twice(corrector, title, model, real, stream.child("trial"))
    if not (accepted := _accepted_real(second)).any():
        warnings.warn(
            f"{title} rejects all {len(accepted)} real samples that it was tried on; "
            "a run stops if it rejects all generated samples too",
            stacklevel=2,
        )
    if _digest(first.samples) == _digest(second.samples):
        return
    if getattr(corrector, "repeatable", True):
        raise CorrectorError(
            f"{title} gave different answers to the same samples and stream: it keeps state or draws from other "
            "generators, so a resumed run would differ from an uninterrupted one; draw from `stream`, implement "
            f"`state()` and `load_state()`, {_DECLARATION}"
        )
    warnings.warn(f"{title} declares that its runs cannot be repeated", stacklevel=2)


def _correct_twice(
    corrector: Corrector, title: str, model: GenerativeModel, real: Samples, stream: Stream
) -> list[CorrectedBatch]:
    """Correct the same samples twice with the same stream.

    See `try_correction` for the number of samples.
    """
    batches: list[CorrectedBatch] = []
    for count in _TRIAL_SIZES:
        samples = _draw_samples(count, model, real, stream)
        try:
            start = state_of(corrector)
            batches = []
            for _ in range(2):
                batches.append(apply_corrector(samples, Correction(corrector), stream))
                load_state(corrector, start)
            if _accepted_real(batches[1]).any():
                break
        except (CorrectorError, EndedError) as error:
            if count == _TRIAL_SIZES[-1] or isinstance(error.__cause__ or error, EndedError):
                drawn = f"{len(samples) // 2} real and as many generated samples"
                raise CorrectorError(f"{title} failed in a trial before training: on {drawn} {error}") from error
    return batches


def _draw_samples(count: int, model: GenerativeModel, real: Samples, stream: Stream) -> Samples:
    """Return up to `count` real samples, and generated ones with their labels."""
    samples = real.take(torch.arange(len(real))[:: max(len(real) // count, 1)][:count])
    values = model.sample(samples.labels, stream.child("sample")).to(real.values)
    return concatenate([samples, Samples.synthetic(values, samples.labels, 0)])


def _accepted_real(batch: CorrectedBatch) -> np.ndarray:
    """Return which real samples of a trial were accepted."""
    return batch.drawn.provenance.accepted[: len(batch.drawn) // 2]


def _with_location(title: str, location: str) -> str:
    return f"{title} ({location})" if location else title


def _digest(samples: Samples) -> str:
    """Return a digest of everything that training uses."""
    return digest_tensors(samples.values, samples.labels, samples.weights)


class DataGuard:
    """Checks, before training and commits, that users' code changes no data of the loop."""

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
        """Raise CorrectorError if a corrected sample has a label that no real one has."""
        labels = batch.samples.labels
        real_labels = self._real.labels.unique()
        new_labels = labels[~torch.isin(labels, real_labels)]
        if len(new_labels):
            raise CorrectorError(
                f"{self._name} returned the label {int(new_labels[0])}, but no real sample has it; "
                f"real labels are from {int(real_labels[0])} to {int(real_labels[-1])}"
            )


def try_model(model: GenerativeModel, real: Samples, stream: Stream) -> GenerativeModel:
    """Train and sample a model twice, and return the trained model.

    Training takes two steps with the same stream, then two samples are drawn. One step would not suffice, because
    Adam's first step depends only on the signs of the gradients.

    Raises:
        SettingError: The results differ. The message names the method and the global generator that it used.
    """
    fitted = _call_twice(model, "fit", lambda: model.fit(real, 2, stream.child("train")), digest_state)
    labels = real.labels[:2]
    draws = _call_twice(model, "sample", lambda: fitted.sample(labels, stream.child("sample")), digest_tensors)
    check_drawn(draws, len(labels), real)
    return fitted


def try_policy(policy: Policy, real: Samples, stream: Stream) -> None:
    """Try a copy of a user's policy twice, on real data and as many stand-ins for synthetic ones as it asks for.

    Raises:
        SettingError: The policy fails, or gives another training set for the same samples and stream and does not
            declare so. The message names the policy.
    """
    title = _with_location(f"policy {name_of(policy)}", locate_code(type(policy)))
    with suppress(Exception):  # whatever a user's object raises, e.g. for an open file
        policy = cloudpickle.loads(cloudpickle.dumps(policy))
    digests = []
    generators: list[str] = []
    for seed in (1, 2):
        with global_generators.use_seed(seed):
            start = global_generators.get_state()
            try:
                count = count_draws(policy, len(real), 1)
                rows = torch.arange(min(count, _MOST_STAND_INS)) % max(len(real), 1)
                drawn = Samples.synthetic(real.values[rows], real.labels[rows], 0)
                mixed = mix_samples(policy, real, _FirstBatch(drawn), 1, stream.child("trial", "mix"))
            except Exception as error:
                where = describe_with_location(error)
                raise SettingError(f"{title} failed in a trial before training: {where}") from error
            digests.append((count, _digest(mixed)))
            generators = global_generators.find_changed(start)
    if digests[0] == digests[1]:
        return
    if not getattr(policy, "repeatable", True):
        warnings.warn(f"{title} declares that its runs cannot be repeated", stacklevel=2)
        return
    cause = f"draws from the global generator of {' and '.join(generators)}" if generators else "keeps state or draws"
    raise SettingError(
        f"{title} gave different training sets for the same samples and stream: it {cause}, so a resumed run would "
        f"differ from an uninterrupted one; draw from `stream.generator()`, {_DECLARATION}"
    )


_MOST_STAND_INS = 100_000
"""Most synthetic samples in the trial of a policy."""


@dataclass(frozen=True)
class _FirstBatch:
    """The history in generation 1."""

    samples: Samples

    @property
    def latest(self) -> int:
        return 1

    def batch(self, generation: int) -> Samples:
        if generation != 1:
            raise InputError(f"expected generation 1, the only one so far, got {generation}")
        return self.samples


def _call_twice(
    model: GenerativeModel, method: str, call: Callable[[], Any], compute_digest: Callable[[Any], object]
) -> Any:
    """Call a function twice, with other global random states, and return the first result.

    Raises:
        SettingError: The digests of the results differ.
    """
    results = []
    generators: list[str] = []
    for seed in (1, 2):
        with global_generators.use_seed(seed):
            start = global_generators.get_state()
            results.append(call())
            generators = global_generators.find_changed(start)
    digests = [_compute(compute_digest, result, model, method) for result in results]
    if digests[0] == digests[1]:
        return results[0]
    title = _with_location(f"model {name_of(model)}", locate_code(type(model)))
    if not getattr(model, "repeatable", True):
        warnings.warn(f"{title} declares that its runs cannot be repeated", stacklevel=3)
        return results[0]
    cause = f"draws from the global generator of {' and '.join(generators)}" if generators else "gave different results"
    raise SettingError(
        f"{title} {cause} in `{method}` when called twice with the same data and stream, so its runs cannot be "
        "repeated or resumed; draw from `stream.generator()`, use layers with random initialisation or dropout within "
        f"`selfcorrect.loop.models.training.layer_randomness(stream, device)`, {_DECLARATION}"
    )


def _compute(compute_digest: Callable[[Any], object], result: Any, model: GenerativeModel, method: str) -> object:
    """Return the digest of a method's result. Raises SettingError if it is not what the method should return."""
    expected = "a tensor" if method == "sample" else "a model with `fit`, `sample` and `state`"
    has_methods = all(callable(getattr(result, name, None)) for name in ("fit", "sample", "state"))
    if not (isinstance(result, torch.Tensor) if method == "sample" else has_methods):
        title = _with_location(f"model {name_of(model)}", locate_code(type(model)))
        raise SettingError(f"{title}: `{method}` returned {describe_value(result)}, expected {expected}")
    return compute_digest(result)


def digest_state(model: GenerativeModel) -> dict[str, str]:
    """Return a digest of each tensor in a model's state, by name.

    NaN equals NaN here, because divergence is reported elsewhere.
    """
    return {name: digest_tensors(tensor) for name, tensor in model.state().items()}
