"""Claims of a study: a statement, what of the curves it is about, and the value or the side that is expected."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeAlias

import numpy as np

from selfcorrect.statistics import Interval, mean_interval, ratio_interval

from ..reporting.webpage import Cell, PageRow, Section, Table

Curves: TypeAlias = Mapping[str, Mapping[str, np.ndarray]]
"""Arm → quantity → (S, T + 1) by seed and generation."""
Measure: TypeAlias = Callable[[Curves], Interval]
Outcome = Literal["holds", "fails", "undecided"]
Kind = Literal["above", "below", "agrees"]
OPPOSITE: Mapping[Kind, Kind] = {"above": "below", "below": "above"}


@dataclass(frozen=True)
class Quantity:
    """A number per seed that is read from curves; arithmetic of quantities is done within each seed."""

    per_seed: Callable[[Curves], np.ndarray]
    """Curves → (S,)."""

    def __call__(self, curves: Curves) -> Interval:
        """The mean over seeds."""
        return mean_interval(self.per_seed(curves))

    def __sub__(self, other: Quantity | float) -> Quantity:
        return self._with(np.subtract, other)

    def __truediv__(self, other: Quantity | float) -> Quantity:
        return self._with(np.divide, other)

    def __mul__(self, factor: float) -> Quantity:
        return self._with(np.multiply, factor)

    def map(self, function: Callable[[np.ndarray], np.ndarray]) -> Quantity:
        """A function of the numbers, such as `np.log`."""
        return Quantity(lambda curves: function(self.per_seed(curves)))

    def _with(self, operation: Callable[..., np.ndarray], other: Quantity | float) -> Quantity:
        if isinstance(other, Quantity):
            return Quantity(lambda curves: operation(self.per_seed(curves), other.per_seed(curves)))
        return Quantity(lambda curves: operation(self.per_seed(curves), other))


def at(arm: str, key: str, generation: int) -> Quantity:
    """A quantity of an arm at a generation."""
    return Quantity(lambda curves: curves[arm][key][:, generation])


def start(arm: str, key: str) -> Quantity:
    """At generation 0."""
    return at(arm, key, 0)


def end(arm: str, key: str) -> Quantity:
    """At the last generation."""
    return at(arm, key, -1)


def rise(arm: str, key: str) -> Quantity:
    """From generation 0 to the last."""
    return end(arm, key) - start(arm, key)


def gain(arm: str, than: str, key: str) -> Quantity:
    """By how much an arm ends above another."""
    return end(arm, key) - end(than, key)


def late(arm: str, key: str, count: int) -> Quantity:
    """The mean over the last `count` generations."""
    return Quantity(lambda curves: curves[arm][key][:, -count:].mean(1))


def pooled(quantities: Sequence[Quantity]) -> Quantity:
    """All numbers of several quantities as if each were one of a separate seed."""
    return Quantity(lambda curves: np.concatenate([one.per_seed(curves) for one in quantities]))


def ratio(above: Quantity, below: Quantity) -> Measure:
    """The ratio of two means."""
    return lambda curves: ratio_interval(above.per_seed(curves), below.per_seed(curves))


@dataclass(frozen=True)
class Check:
    """A statement, what was predicted and measured, and whether the run bears it out."""

    statement: str
    outcome: Outcome
    measured: str
    predicted: str = ""
    published: bool = True
    """The statement is a claim of the cited papers, so that "fails" means that it did not reproduce."""


class Claimed(Protocol):
    """What a study claims; see `Claim`."""

    @property
    def statement(self) -> str: ...
    def check(self, curves: Curves) -> Check: ...


@dataclass(frozen=True)
class Claim:
    """A statement about curves, to be checked in a run."""

    statement: str
    kind: Kind
    measure: Measure
    value: float
    """The threshold, or the prediction of "agrees"."""
    published: bool = True
    """A claim of the cited papers."""
    tolerance: float = 0.0
    """Relative distance from a prediction that counts as agreement. It stands for what a first-order prediction leaves
    out, so that many seeds do not refute it for that."""

    def check(self, curves: Curves) -> Check:
        """What the curves say."""
        measured = self.measure(curves)
        sign = {"above": "> ", "below": "< "}.get(self.kind, "")
        return Check(self.statement, self._outcome(measured), str(measured), f"{sign}{self.value:.3g}", self.published)

    def _outcome(self, measured: Interval) -> Outcome:
        if math.isnan(measured.estimate):
            return "undecided"
        if self.kind == "agrees":
            near = abs(measured.estimate - self.value) <= self.tolerance * abs(self.value)
            return "holds" if near or measured.low <= self.value <= measured.high else "fails"
        if self.kind == "above":
            return "holds" if measured.low > self.value else "fails" if measured.high <= self.value else "undecided"
        return "holds" if measured.high < self.value else "fails" if measured.low >= self.value else "undecided"


def agrees(statement: str, measure: Measure, predicted: float, tolerance: float = 0.05) -> Claim:
    """Holds where the prediction lies in the interval, or within `tolerance` (relative) of the estimate."""
    return Claim(statement, "agrees", measure, float(predicted), tolerance=tolerance)


def as_predicted(
    statement: str, key: str, laws: Mapping[str, np.ndarray], tolerance: float = 0.05, times: Sequence[int] = (-1,)
) -> list[Claim]:
    """A quantity of each arm agrees with its prediction (T + 1,) at each of some generations.

    statement: with {arm} and {t} for the two.
    """
    return [
        agrees(statement.format(arm=arm, t=t), at(arm, key, t), law[t], tolerance)
        for arm, law in laws.items()
        for t in times
    ]


def above(statement: str, measure: Measure, threshold: float = 0.0) -> Claim:
    """Holds where the whole interval is above the threshold, fails where it is all below, else undecided."""
    return Claim(statement, "above", measure, threshold)


def below(statement: str, measure: Measure, threshold: float = 0.0) -> Claim:
    """Holds where the whole interval is below the threshold, fails where it is all above, else undecided."""
    return Claim(statement, "below", measure, threshold)


def ours(*claims: Claim) -> list[Claim]:
    """Claims that no cited paper makes."""
    return [replace(claim, published=False) for claim in claims]


def claims_section(id: str, title: str, checks: Sequence[Check]) -> Section:
    """Each statement with what was predicted and measured."""
    table = Table(id, "Statement", ["Predicted", "Measured, 95 % interval", "Outcome"])
    table.rows.extend(
        PageRow(
            check.statement + ("" if check.published else " (ours)"),
            [*map(Cell, (check.predicted, check.measured, check.outcome))],
        )
        for check in checks
    )
    text = "A statement holds or fails where the whole interval is on one side. No paper has those marked “ours”."
    return Section(title, text, table)
