"""Rules and what they find: data only, words are made where they are shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .motion_features import MotionFeatures


@dataclass(frozen=True, eq=False)
class Measurement:
    """What a rule measures: values (T, K) per frame and thing, and the names of the K things (joints, bones, feet).

    NaN where nothing can be said. What is measured of a motion as a whole has one row.
    """

    values: np.ndarray
    things: tuple[str, ...]

    @classmethod
    def empty(cls) -> Measurement:
        """Of a motion that does not show what the rule looks at."""
        return cls(np.zeros((0, 0)), ())

    @classmethod
    def from_scalar(cls, value: float, thing: str = "body") -> Measurement:
        """One value for the motion as a whole."""
        return cls(np.array([[value]]), (thing,))


@dataclass(frozen=True)
class Rule:
    """A rule is broken where what it measures exceeds the threshold, for at least so long."""

    code: str
    """Stable name, by which rules are chosen."""
    name: str
    tells: str
    """What is wrong, in a sentence."""
    threshold: float
    unit: str
    says: str
    """The same of a finding, with {value} in `unit`."""
    source: str
    """Where the threshold comes from."""
    measure: Callable[[MotionFeatures], Measurement] | None
    """What it measures; None where that needs a body with masses."""
    least_s: float = 0.0
    """For how long it must be broken, seconds; 0 for a single frame."""


@dataclass(frozen=True)
class Finding:
    """A rule broken in frames `start` to `stop` (exclusive), most in `frame`: by `value`, at the joint `thing`."""

    code: str
    name: str
    start: int
    stop: int
    frame: int
    value: float
    threshold: float
    unit: str
    things: tuple[str, ...]
    """All that broke the rule then, the worst first."""
    says: str

    @property
    def severity(self) -> float:
        """How many times the threshold, where that is positive."""
        return self.value / self.threshold if self.threshold > 0 else 1.0

    def words(self) -> str:
        """What is wrong, with the value."""
        return self.says.format(value=self.value)

    def __str__(self) -> str:
        where = f"frame {self.start}" if self.stop - self.start == 1 else f"frames {self.start}–{self.stop - 1}"
        at = (
            "" if self.things == ("body",) else f", {', '.join(self.things[:3])}{', …' if len(self.things) > 3 else ''}"
        )
        return f"{self.code} {self.name}: {where}{at}: {self.words()}"


def find_violations(rule: Rule, measured: Measurement, frames: int, fps: float) -> list[Finding]:
    """Where a rule is broken in a motion of so many frames, in the order of time."""
    if not measured.values.size:
        return []
    broken = measured.values > rule.threshold  # False for NaN
    spans = [(0, frames)] if len(measured.values) == 1 and broken.any() else find_runs(np.asarray(broken.any(axis=1)))
    least = max(1, round(rule.least_s * fps))
    return [_finding(rule, measured, *span) for span in spans if span[1] - span[0] >= least]


def find_runs(broken: np.ndarray) -> list[tuple[int, int]]:
    """Start and stop of each run of True in (T,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], broken, [False]]).astype(int)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _finding(rule: Rule, measured: Measurement, start: int, stop: int) -> Finding:
    inside = np.nan_to_num(measured.values[start:stop], nan=-np.inf)
    frame, thing = np.unravel_index(inside.argmax(), inside.shape)
    worst = inside.max(axis=0)
    order = [int(one) for one in np.argsort(-worst, kind="stable") if worst[one] > rule.threshold]
    things = tuple(measured.things[one] for one in order)
    value = float(inside[frame, thing])
    return Finding(
        rule.code, rule.name, start, stop, start + int(frame), value, rule.threshold, rule.unit, things, rule.says
    )
