"""Rules and findings as data. Sentences are formed where they are shown."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ...core.errors import SettingError
from ..geometry.runs import find_runs
from ..perception.motion_features import MotionFeatures


@dataclass(frozen=True, eq=False)
class Measurement:
    """Values of a rule for K joints, bones or feet."""

    values: np.ndarray
    """(T, K) values, or (1, K) for the whole motion."""
    things: tuple[str, ...]


Measured: TypeAlias = Measurement | np.ndarray | float | None
"""Result of a rule: one value for the whole motion, values (T,) of the rule's `thing`, or values of several things.
None means that the rule does not apply to the motion, and NaN that it does not apply to a frame. If all values are
NaN, it is an error."""


@dataclass(frozen=True)
class Rule:
    """A rule with a measurement and a threshold.

    It is broken if the measurement exceeds the threshold for at least `least_s`.
    """

    code: str
    """Stable identifier by which rules are chosen."""
    name: str
    summary: str
    """Description of the fault, as a sentence."""
    threshold: float
    unit: str
    message: str
    """Text of a finding, with {value} in `unit`."""
    measure: Callable[[MotionFeatures], Measured] | None = None
    """Function that measures a motion; None for a rule of physics."""
    measure_force: Callable[[np.ndarray, float], Measured] | None = None
    """Function of a rule of physics. Its arguments are the force (T, 3) that contacts cannot explain, in body weights
    with y up, and the frame rate."""
    source: str = "98th percentile of CMU's training clips"
    """Origin of the threshold."""
    thing: str = "body"
    """Name of what is measured, if the measurement does not name it."""
    needs_feet: bool = False
    """True if the rule needs soles, which are unknown without both ankles."""
    least_frames: int = 1
    """Minimum number of frames that the rule needs."""
    least_s: float = 0.0
    """Minimum duration of a violation, in s; 0 for a single frame."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.threshold):
            raise SettingError(f"rule {self.code}: expected a finite threshold, got {self.threshold}")
        try:
            self.message.format(value=1.0)
        except (LookupError, ValueError) as error:
            raise SettingError(
                f"rule {self.code}: expected a message with no field but {{value}}, got {self.message!r}"
            ) from error


@dataclass(frozen=True)
class Finding:
    """A violation of a rule in frames `start` to `stop` (exclusive).

    `value` is the largest, which occurs in `frame` at the first of `things`.
    """

    code: str
    name: str
    start: int
    stop: int
    frame: int
    value: float
    threshold: float
    unit: str
    things: tuple[str, ...]
    """Everything that broke the rule in these frames, the worst first."""
    says: str
    """Text of the finding, with {value} in `unit`."""

    @property
    def severity(self) -> float:
        """Ratio of value to threshold, or 1 if the threshold is not positive."""
        return self.value / self.threshold if self.threshold > 0 else 1.0

    def words(self) -> str:
        """Return the text with the value."""
        return self.says.format(value=self.value)

    def __str__(self) -> str:
        frames = f"frame {self.start}" if self.stop - self.start == 1 else f"frames {self.start}–{self.stop - 1}"
        things = ""
        if self.things != ("body",):
            things = ", " + ", ".join(self.things[:3]) + (", …" if len(self.things) > 3 else "")
        return f"{self.words()}: {frames}{things} [{self.code} {self.name}]"


def deviation_factor(ratio: float) -> float:
    """Return a positive ratio or its inverse, whichever is larger.

    The result is at most 1000 for ratios near 0.
    """
    return max(ratio, 1 / max(ratio, 1e-3))


def find_violations(rule: Rule, measured: Measured, frames: int, fps: float) -> list[Finding]:
    """Find where a motion breaks a rule.

    Returns:
        The findings by time.

    Raises:
        ValueError: The measurement is invalid for a motion with this number of frames, see `Measured`.
    """
    if measured is None:
        return []
    measured = _check_answer(measured, frames, rule.thing)
    is_broken = np.asarray((measured.values > rule.threshold).any(axis=1))  # False for NaN
    spans = [(0, frames)] if len(is_broken) == 1 and is_broken.any() else find_runs(is_broken)
    shortest = max(1, round(rule.least_s * fps))
    return [_finding(rule, measured, start, stop) for start, stop in spans if stop - start >= shortest]


def _check_answer(measured: Measurement | np.ndarray | float, frames: int, thing: str) -> Measurement:
    """Check that a rule has measured one value per frame, or one for all."""
    things = measured.things if isinstance(measured, Measurement) else (thing,)
    values = np.asarray(measured.values if isinstance(measured, Measurement) else measured)
    if values.dtype.kind not in "biuf":
        raise ValueError(f"expected real numbers, got values of type {values.dtype}")
    shapes: list[tuple[int, ...]] = [(frames,), ()]
    if isinstance(measured, Measurement):
        shapes = [(frames, len(things)), (1, len(things))]
    if values.shape not in shapes:
        raise ValueError(f"expected values of shape {shapes[0]} or {shapes[1]}, got {values.shape}")
    if values.size and np.isnan(values).all():
        raise ValueError("every value is NaN; a rule that cannot judge a motion must return None")
    if np.isposinf(values).any():
        raise ValueError("a value is infinite")
    return Measurement(values.reshape(-1, len(things)), things)


def _finding(rule: Rule, measured: Measurement, start: int, stop: int) -> Finding:
    values = np.nan_to_num(measured.values[start:stop], nan=-np.inf)
    frame, thing = np.unravel_index(values.argmax(), values.shape)
    worst = values.max(axis=0)
    order = [int(index) for index in np.argsort(-worst, kind="stable") if worst[index] > rule.threshold]
    return Finding(
        code=rule.code,
        name=rule.name,
        start=start,
        stop=stop,
        frame=start + int(frame),
        value=float(values[frame, thing]),
        threshold=rule.threshold,
        unit=rule.unit,
        things=tuple(measured.things[index] for index in order),
        says=rule.message,
    )
