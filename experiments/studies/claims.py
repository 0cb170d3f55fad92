"""Claims of a study: statements about measured curves, with the expected value or side.

A `Quantity` reads a number per seed from curves, by the key that the evaluation gives it. `expect_…` makes a claim of a
quantity, and `check` holds the claim against a run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeAlias

import numpy as np

from selfcorrect.core.checks import check_number
from selfcorrect.core.errors import SettingError
from selfcorrect.loop.run import TRAINING_LOSS
from selfcorrect.runtime.bugs import describe_error
from selfcorrect.statistics import ROUNDING, Interval, mean_interval, ratio_interval

Curves: TypeAlias = Mapping[str, Mapping[str, np.ndarray]]
"""Arm → quantity → (S, T + 1) by seed and generation."""
MeasureCurves: TypeAlias = Callable[[Curves], Interval]
ClaimOutcome = Literal["holds", "fails", "undecided"]


@dataclass(frozen=True)
class Quantity:
    """A number per seed that is read from curves; arithmetic of quantities is done within each seed."""

    per_seed: Callable[[Curves], np.ndarray]
    """Curves → (S,)."""
    rounding: Callable[[Curves], np.ndarray | float] = lambda curves: 0.0
    """Curves → rounding error of each number, (S,) or one for all, if greater than the share `ROUNDING` of the number.
    A difference has the rounding error of the two values."""

    def __call__(self, curves: Curves) -> Interval:
        """Return the mean over seeds with an interval."""
        return mean_interval(self.measure(curves), rounding=float(np.max(self.rounding(curves))))

    def measure(self, curves: Curves) -> np.ndarray:
        """Return the numbers (S,), with rounding errors as 0."""
        values = np.asarray(self.per_seed(curves), dtype=float)
        return np.where(np.abs(values) <= self.rounding(curves), 0.0, values)

    def __sub__(self, operand: Quantity | float) -> Quantity:
        other = _as_quantity(operand)
        return Quantity(
            lambda curves: self.per_seed(curves) - other.per_seed(curves),
            lambda curves: self.rounding(curves) + other.rounding(curves),
        )

    def __truediv__(self, operand: Quantity | float) -> Quantity:
        other = _as_quantity(operand)

        def divide_rounding(curves: Curves) -> np.ndarray:
            ratio, divisor = self.per_seed(curves) / other.per_seed(curves), other.per_seed(curves)
            return (self.rounding(curves) + np.abs(ratio) * other.rounding(curves)) / np.abs(divisor)

        return Quantity(lambda curves: self.per_seed(curves) / other.per_seed(curves), divide_rounding)

    def __mul__(self, factor: float) -> Quantity:
        return Quantity(
            lambda curves: self.per_seed(curves) * factor, lambda curves: self.rounding(curves) * abs(factor)
        )

    def map(self, function: Callable[[np.ndarray], np.ndarray]) -> Quantity:
        """Apply a function to the numbers, such as `np.log`."""

        def map_rounding(curves: Curves) -> np.ndarray:
            values, rounding = self.per_seed(curves), self.rounding(curves)
            mapped = function(values)
            with np.errstate(all="ignore"):
                changes = [np.abs(function(values + step) - mapped) for step in (rounding, -np.asarray(rounding))]
            return np.nan_to_num(np.maximum(*changes), posinf=0.0)

        return Quantity(lambda curves: function(self.per_seed(curves)), map_rounding)


def _as_quantity(operand: Quantity | float) -> Quantity:
    if isinstance(operand, Quantity):
        return operand
    return Quantity(lambda curves: np.asarray(operand, dtype=float), lambda curves: ROUNDING * abs(operand))


def _read(select: Callable[[Curves], np.ndarray]) -> Quantity:
    """Return a quantity read unchanged from curves."""
    return Quantity(select, lambda curves: ROUNDING * np.abs(select(curves)))


def value_at(arm: str, key: str, generation: int) -> Quantity:
    """Return a quantity of an arm at a generation.

    Args:
        key: Name of the quantity in the evaluation.
        generation: Number of the generation, −1 for the last.
    """
    return _read(lambda curves: curves[arm][key][:, generation])


def initial_value(arm: str, key: str) -> Quantity:
    """Return a quantity of an arm at generation 0."""
    return value_at(arm, key, 0)


def final_value(arm: str, key: str) -> Quantity:
    """Return an arm's quantity at the last generation."""
    return value_at(arm, key, -1)


def final_change(arm: str, key: str) -> Quantity:
    """Return an arm's change from generation 0 to the last."""
    return final_value(arm, key) - initial_value(arm, key)


def final_difference(arm: str, than: str, key: str) -> Quantity:
    """Return two arms' difference at the last generation."""
    return final_value(arm, key) - final_value(than, key)


def loss_ratio(arm: str, than: str) -> Quantity:
    """Return the ratio of two arms' last training losses, for example of a loop and the baseline on real data only.

    Samples that a model fits ever better vary less and less, so a falling ratio is an early sign of collapse. It comes
    free with training.
    """
    return final_value(arm, TRAINING_LOSS) / final_value(than, TRAINING_LOSS)


def late_mean(arm: str, key: str, count: int) -> Quantity:
    """Return an arm's mean over the last generations."""
    return _read(lambda curves: curves[arm][key][:, -count:].mean(1))


def ratio_of_means(numerator: Quantity, denominator: Quantity) -> MeasureCurves:
    """Return the ratio of two means over the same seeds, with Fieller's interval."""
    return lambda curves: ratio_interval(numerator.measure(curves), denominator.measure(curves))


@dataclass(frozen=True)
class Check:
    """A checked claim: the statement, the prediction, what was measured, and the outcome."""

    statement: str
    outcome: ClaimOutcome
    measured: str
    predicted: str = ""
    published: bool = True
    """The statement is a claim of the cited papers, so that "fails" means "did not reproduce"."""


class Statement(Protocol):
    """Anything that a study may claim; see `Claim`."""

    @property
    def statement(self) -> str: ...
    def check(self, curves: Curves) -> Check: ...


@dataclass(frozen=True)
class Claim:
    """A statement that a quantity is between two values, checked in a run."""

    statement: str
    measure: MeasureCurves
    predicted: str
    """The expected value or side, for tables."""
    low: float = -math.inf
    high: float = math.inf
    """The claim holds if the whole interval is between `low` and `high`, and fails if no part is. NaN, as for an
    infinite prediction, decides nothing."""
    published: bool = True
    """A claim of the cited papers."""

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise SettingError(f"claim {self.statement!r}: expected low ≤ high, got {self.low} and {self.high}")

    def check(self, curves: Curves) -> Check:
        """Hold the claim against curves."""
        measured = self.measure(curves)
        outcome: ClaimOutcome = "undecided"
        if math.isfinite(self.high - self.low):  # both ends count as agreement
            holds = measured.is_within(self.low, self.high)
        elif self.high == math.inf:  # an interval may be infinite, too
            holds = measured.is_above(self.low)
        else:
            holds = measured.is_below(self.high)
        if holds:
            outcome = "holds"
        elif measured.is_above(self.high) or measured.is_below(self.low):
            outcome = "fails"
        return Check(self.statement, outcome, str(measured), self.predicted, self.published)


def expect_agreement(
    statement: str, measure: MeasureCurves, predicted: float, tolerance: float = 0.05, absolute_tolerance: float = 0.0
) -> Claim:
    """Claim that a quantity is near a prediction: true if its whole interval is near, false if no part is.

    Args:
        tolerance: Distance from the prediction that counts as near, as a share of the prediction. The share stands for
            what a first-order prediction leaves out, so that many seeds do not refute the prediction for that.
        absolute_tolerance: Distance that counts as near in any case, for predictions near 0.
    """
    check_number("tolerance", tolerance, 0.0, math.inf)
    check_number("absolute_tolerance", absolute_tolerance, 0.0, math.inf)
    reach = max(tolerance * abs(predicted), absolute_tolerance)
    return Claim(statement, measure, f"{predicted:.3g}", low=predicted - reach, high=predicted + reach)


def expect_predictions(
    statement: str,
    key: str,
    laws: Mapping[str, np.ndarray],
    tolerance: float = 0.05,
    times: Sequence[int] = (-1,),
    absolute_tolerance: float = 0.0,
) -> list[Claim]:
    """Claim that arms agree with their predictions.

    Args:
        statement: The claim in words, with {arm} and {t} for arm and generation.
        key: Name of the quantity in the evaluation.
        laws: Name of each arm → prediction (T + 1,).
        tolerance: Distance from the prediction that counts as agreement, as a share of the prediction.
        times: Generations, −1 for the last.
        absolute_tolerance: Distance that counts as agreement in any case, for predictions near 0.
    """
    claims = []
    for arm, law in laws.items():
        for time in times:
            words = statement.format(arm=arm, t=time)
            measure = value_at(arm, key, time)
            claims.append(expect_agreement(words, measure, law[time], tolerance, absolute_tolerance))
    return claims


def expect_above(statement: str, measure: MeasureCurves, threshold: float = 0.0) -> Claim:
    """Claim that a quantity is above a threshold: true if its whole interval is above, false if no part is.

    The claim is undecided with fewer seeds than `selfcorrect.statistics.FEWEST_SEEDS`, and if seeds do not differ.
    """
    return Claim(statement, measure, f"> {threshold:.3g}", low=threshold)


def expect_below(statement: str, measure: MeasureCurves, threshold: float = 0.0) -> Claim:
    """Claim that a quantity is below a threshold: true if its whole interval is below, false if no part is."""
    return Claim(statement, measure, f"< {threshold:.3g}", high=threshold)


def mark_unpublished(*claims: Claim) -> list[Claim]:
    """Mark claims that no paper makes."""
    return [replace(claim, published=False) for claim in claims]


def check_claims(claims: Sequence[Statement], curves: Curves) -> list[Check]:
    """Check claims; one that cannot be checked, such as a claim about a missing arm, is undecided."""
    checks = []
    for claim in claims:
        try:
            checks.append(claim.check(curves))
        except Exception as error:  # whatever a user's statement raises, all else is reported
            reason = f"no arm {error}" if isinstance(error, KeyError) else describe_error(error)
            checks.append(Check(claim.statement, "undecided", f"could not be checked: {reason}"))
    return checks
