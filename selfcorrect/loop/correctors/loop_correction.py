"""A corrector in a loop: its strength, and what happens to rejected samples."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor

from ...core.checks import check_callable, check_choice, check_number, explain_arguments
from ...core.errors import CorrectorError, SampleError
from ...core.randomness import Stream
from ...core.samples import Samples, concatenate
from ...runtime.bugs import describe_with_location
from ...runtime.supervision import EndedError
from ...runtime.user_code import name_of
from .contract import LIFTED, Corrected, Corrector, Info, call_corrector, merge_info, with_trailing_axes

Operator: TypeAlias = Literal["mixture", "interpolation"]
OnRejection: TypeAlias = Literal["redraw", "drop", "keep"]
Redraw: TypeAlias = Callable[[Tensor, Stream], Samples]  # (positions (M,) in the batch, stream) → M raw samples


@explain_arguments(gamma="strength")
@dataclass(frozen=True)
class Correction:
    """How a loop applies a corrector.

    A corrector c maps samples x of a distribution p to samples of a corrected distribution p*.
    """

    corrector: Corrector
    strength: float = math.inf
    """γ in [0, ∞]. 0 is the identity, ∞ the full corrector."""
    operator: Operator = "mixture"
    """"mixture" of distributions, (p + γ p*)/(1 + γ), or "interpolation" of samples, (x + γ c(x))/(1 + γ). In a
    mixture, each sample is replaced by its correction with probability γ/(1 + γ) (Gillman et al. 2024)."""
    on_rejection: OnRejection = "redraw"
    """Whether to "redraw" rejected samples until there are as many as requested, to "drop" them and use fewer, or to
    "keep" them uncorrected with the weight `rejected_weight`. Redraws prefer what the corrector accepts."""
    rejected_weight: float = 1.0
    """Factor on the training weight of rejected samples that are kept: 1 for full weight, near 0 for almost none."""
    max_draws_per_sample: float = 20.0
    """Maximum number of raw draws per requested sample."""
    replicate_axes: int = 0
    """Number of leading axes of an event that hold independent replicates, each with its own mixture coin."""
    name: str = ""

    def __post_init__(self) -> None:
        check_callable("a corrector", self.corrector)
        check_number("correction strength γ", self.strength, 0, math.inf)
        check_number("max_draws_per_sample", self.max_draws_per_sample, 1, math.inf)
        check_choice("operator", self.operator, get_args(Operator))
        check_choice("on_rejection", self.on_rejection, get_args(OnRejection))
        check_number("rejected_weight", self.rejected_weight, 0, 1)
        if not self.name:
            object.__setattr__(self, "name", name_of(self.corrector))


@dataclass(frozen=True)
class CorrectedBatch:
    """Result of a correction with redraws."""

    samples: Samples
    """(N, *event) training samples of the next generation. `provenance.draw` is the row in `drawn`."""
    drawn: Samples
    """(M, *event) all raw draws, M ≥ N, whose provenance has each draw's distance and whether it was accepted."""
    info: Info = field(default_factory=dict)
    """The corrector's diagnostics per draw, as arrays (M,)."""

    @property
    def raw(self) -> Samples:
        """The samples (N, *event) before correction."""
        return self.drawn.take(torch.from_numpy(self.samples.provenance.draw))

    @property
    def rejected(self) -> int:
        return len(self.drawn) - int(self.drawn.provenance.accepted.sum())


def apply_corrector(
    raw: Samples, correction: Correction, stream: Stream, redraw: Redraw | None = None
) -> CorrectedBatch:
    """Correct samples with a strength and redraws.

    A rejected sample is redrawn with the same label and the same mixture coin, so that accepted corrected samples make
    up their part of the mixture whatever share of draws is rejected. Each round of redraws draws twice as many
    candidates per sample as the one before, corrects them together, and takes the first that is accepted. Together,
    because a corrector that moves a group's mean to a target would move a single redraw to the target itself.

    Args:
        raw: (N, *event) samples.
        correction: Corrector and strength.
        stream: Random numbers.
        redraw: Function of the positions (M,) of rejected samples in `raw`, possibly repeated, and of a stream. It
            returns new raw samples with the same labels. None to drop rejected samples, unless they are kept.

    Raises:
        CorrectorError: The corrector raised an exception, broke the contract, or rejected too many samples.
    """
    if correction.strength == 0 or len(raw) == 0:
        return CorrectedBatch(raw, raw)
    coins = _mixture_coins(raw, correction, stream.child("mixture").generator())
    attempts = [_attempt(raw, coins, correction, stream.child("corrector", 0), first_row=0)]
    drawn_rows = torch.arange(len(raw))
    slots = (~attempts[0].accepted).nonzero().squeeze(1)
    drawn_count = len(raw)
    while len(slots) and redraw is not None and correction.on_rejection == "redraw":
        left = int(correction.max_draws_per_sample * len(raw)) - drawn_count
        if left < len(slots):
            raise CorrectorError(_describe_rejections(correction, attempts, len(raw), drawn_count))
        candidate_slots = slots.repeat(min(2 ** (len(attempts) - 1), left // len(slots)))
        draw = redraw(candidate_slots, stream.child("redraw", len(attempts)))
        attempt = _attempt(
            draw, coins[candidate_slots], correction, stream.child("corrector", len(attempts)), first_row=drawn_count
        )
        rows = attempt.accepted.nonzero().squeeze(1).flip(0)  # the first accepted candidate of a slot is written last
        drawn_rows[candidate_slots[rows]] = drawn_count + rows
        slots = slots[~torch.isin(slots, candidate_slots[rows])]
        drawn_count += len(draw)
        attempts.append(attempt)
    is_filled = torch.ones(len(drawn_rows), dtype=torch.bool)
    is_filled[slots] = correction.on_rejection == "keep"
    return _assemble(attempts, drawn_rows[is_filled])


@dataclass(frozen=True)
class _Attempt:
    """One call of the corrector.

    It has raw samples, corrected samples, and which of them may be used.
    """

    raw: Samples
    corrected: Samples
    accepted: Tensor
    info: Info


def _mixture_coins(raw: Samples, correction: Correction, generator: torch.Generator) -> Tensor:
    """Draw which samples are replaced by their corrections, (N, *replicates).

    With the same stream, a larger γ replaces the same samples and more.
    """
    shape = raw.values.shape[: 1 + correction.replicate_axes]
    if correction.operator == "interpolation" or math.isinf(correction.strength):
        return torch.ones(shape, dtype=torch.bool)
    probability = correction.strength / (1 + correction.strength)
    return torch.rand(shape, generator=generator, dtype=torch.float64) < probability


def _attempt(raw: Samples, coins: Tensor, correction: Correction, stream: Stream, first_row: int) -> _Attempt:
    answer = _call_guarded(raw, correction, stream, first_row)
    takes_part = coins.flatten(1).any(dim=1) if coins.ndim > 1 else coins
    usable = answer.accepted & takes_part
    corrected = _combine(raw, answer.samples, coins & with_trailing_axes(usable, coins.ndim), correction)
    distance = (corrected.values - raw.values).flatten(1).square().mean(dim=1).sqrt()
    accepted = answer.accepted | ~takes_part
    provenance = raw.provenance.with_correction(correction.name, distance.cpu().numpy(), accepted.numpy())
    provenance = replace(provenance, draw=np.arange(first_row, first_row + len(raw)))
    if correction.on_rejection == "keep":
        weights = torch.where(accepted.to(corrected.weights.device), 1.0, correction.rejected_weight)
        corrected = corrected.with_weights(corrected.weights * weights)
    raw = replace(raw, provenance=provenance)
    corrected = replace(corrected, provenance=provenance)
    return _Attempt(raw, corrected, accepted, answer.info)


def _combine(raw: Samples, full: Samples, coins: Tensor, correction: Correction) -> Samples:
    """Apply the correction's operator where coins (N, *replicates) are true.

    Elsewhere, raw values are unchanged to the bit.
    """
    target = full.values
    if correction.operator == "interpolation" and not math.isinf(correction.strength):
        target = (raw.values + correction.strength * target) / (1 + correction.strength)
    rows = coins.flatten(1).any(dim=1) if coins.ndim > 1 else coins
    is_corrected = with_trailing_axes(coins, target.ndim).to(target.device)
    return replace(
        raw,
        values=torch.where(is_corrected, target, raw.values),
        labels=torch.where(rows, full.labels, raw.labels),
        weights=torch.where(rows, full.weights, raw.weights),
    )


def _assemble(attempts: Sequence[_Attempt], rows: Tensor) -> CorrectedBatch:
    drawn = concatenate([attempt.raw for attempt in attempts])
    corrected = concatenate([attempt.corrected for attempt in attempts])
    return CorrectedBatch(corrected.take(rows), drawn, _join_info(attempts))


def _join_info(attempts: Sequence[_Attempt]) -> Info:
    return merge_info([(len(attempt.raw), attempt.info) for attempt in attempts])


def _describe_rejections(correction: Correction, attempts: Sequence[_Attempt], requested: int, drawn: int) -> str:
    accepted = sum(int(attempt.accepted.sum()) for attempt in attempts)
    reasons = Counter(str(text) for text in _join_info(attempts).get("reason", ()) if str(text))
    reason = f", most often for {reasons.most_common(1)[0][0]!r}" if reasons else ""
    return (
        f"corrector {correction.name!r} rejected {drawn - accepted} of {drawn} draws{reason}, so only {accepted} of "
        f"{requested} samples were accepted within {correction.max_draws_per_sample:g} draws per sample; reject less, "
        "raise max_draws_per_sample, or train on fewer samples with on_rejection='drop'"
    )


def _call_guarded(raw: Samples, correction: Correction, stream: Stream, first_row: int) -> Corrected:
    try:
        return call_corrector(correction.corrector, raw, stream)
    except Exception as error:
        sample = _sample_at_fault(error, raw, correction.corrector, stream)
        where = "" if sample is None else f" on sample {first_row + sample} (label {int(raw.labels[sample])})"
        hint = f"; {LIFTED}" if isinstance(error, TypeError | AttributeError) and "'Samples'" in str(error) else ""
        raise CorrectorError(
            f"corrector {correction.name!r} failed{where}: {describe_with_location(error)}{hint}"
        ) from error


def _sample_at_fault(error: Exception, raw: Samples, corrector: Corrector, stream: Stream) -> int | None:
    """Return the first sample that fails alone.

    Returns None if all or none of them do, so that the batch is at fault.
    """
    if isinstance(error, SampleError):
        return error.sample
    if isinstance(error, EndedError):  # each sample alone might end it again
        return None
    failed_rows = []
    for row in range(len(raw)):
        try:
            call_corrector(corrector, raw.take(torch.tensor([row])), stream.child("single", row))
        except Exception:
            failed_rows.append(row)
    return failed_rows[0] if 0 < len(failed_rows) < len(raw) or len(raw) == 1 else None
