"""Check motions against the rules."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Self

from ...core.errors import SettingError
from ...runtime.bugs import attempted
from ..motion import Motion
from ..support import Surroundings
from .findings import Finding, Rule, find_violations
from .floor import is_lifted
from .motion_features import MotionFeatures
from .rules import RULES


@dataclass(frozen=True)
class RuleChoice:
    """Which rules count, each by its code, its name, or first letters of its code; `ignore` is stronger."""

    select: tuple[str, ...] = ()
    """The rules that count; empty for all."""
    ignore: tuple[str, ...] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)
    """By code, where they are other than the table's."""

    def __post_init__(self) -> None:
        for word in (*self.select, *self.ignore, *self.thresholds):
            if not any(_matches(word, rule) for rule in RULES):
                known = ", ".join(f"{rule.code} ({rule.name})" for rule in RULES)
                raise SettingError(f"no rule is called {word!r}; there are {known}")
        for word, value in self.thresholds.items():
            if not math.isfinite(value):
                raise SettingError(f"the threshold of {word} must be a finite number, got {value}")

    def narrow(self, select: Sequence[str], ignore: Sequence[str]) -> Self:
        """With another selection where there is one, and more that is ignored."""
        return replace(self, select=tuple(select) or self.select, ignore=(*self.ignore, *ignore))

    def select_rules(self, rules: Sequence[Rule]) -> list[Rule]:
        """The rules that count, with their thresholds."""
        counting = [
            rule
            for rule in rules
            if (not self.select or any(_matches(word, rule) for word in self.select))
            and not any(_matches(word, rule) for word in self.ignore)
        ]
        return [self._with_threshold(rule) for rule in counting]

    def _with_threshold(self, rule: Rule) -> Rule:
        own = next((value for word, value in self.thresholds.items() if _matches(word, rule)), rule.threshold)
        return replace(rule, threshold=own)


def _matches(word: str, rule: Rule) -> bool:
    return word == rule.name or (bool(word) and rule.code.startswith(word.upper()))


def check(motion: Motion, select: Sequence[str] = (), ignore: Sequence[str] = ()) -> list[Finding]:
    """What is physically implausible about a motion, rule by rule and each in the order of time; often nothing.

    Steps, seats and treadmills are not known here; `selfcorrect check` infers them. select, ignore: codes or names of
    rules, or first letters of codes. Raises SettingError for unknown ones. Warns of a
    rule that could not be measured.
    """
    checkup = check_with(motion, RuleChoice(tuple(select), tuple(ignore)))
    for note in checkup.notes:
        warnings.warn(note, RuntimeWarning, stacklevel=2)
    return list(checkup.findings)


@dataclass(frozen=True)
class CheckResult:
    """What rules found in a motion, rule by rule, and a sentence for each rule that could not be measured."""

    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    def __add__(self, other: CheckResult) -> CheckResult:
        return CheckResult(self.findings + other.findings, self.notes + other.notes)


def check_with(
    motion: Motion, choice: RuleChoice, infer: Callable[[Motion], Surroundings] = lambda _: Surroundings()
) -> CheckResult:
    """What the chosen rules find, those of physics left out.

    infer: finds what carries a motion. It is asked where a rule of the floor is broken, and all are applied anew.
    """
    if not len(motion):
        return CheckResult()
    rules = [rule for rule in choice.select_rules(RULES) if rule.measure]
    checkup = _check_rules(rules, MotionFeatures(motion))
    if not any(finding.code in _OF_SURROUNDINGS for finding in checkup.findings):
        return checkup
    step = "steps, seats and treadmills were not looked for"
    around, note = attempted(step, partial(infer, motion), Surroundings())
    if around.supports and is_lifted(MotionFeatures(motion, around)):
        around = Surroundings(belt_m=around.belt_m)
    if around.supports or around.belt_m is not None:
        checkup = _check_rules(rules, MotionFeatures(motion, around))
    return checkup + CheckResult(notes=(note,) if note else ())


_OF_SURROUNDINGS = ("F1", "F2", "F3", "F4")
"""Rules that steps, seats and treadmills break where they are not known."""


def _check_rules(rules: Sequence[Rule], features: MotionFeatures) -> CheckResult:
    return sum((_apply_rule(rule, features) for rule in rules), CheckResult())


def _apply_rule(rule: Rule, features: MotionFeatures) -> CheckResult:
    step = f"rule {rule.code} was left out"
    found, note = attempted(step, partial(_findings, rule, features), [])
    return CheckResult(tuple(found), (note,) if note else ())


def _findings(rule: Rule, features: MotionFeatures) -> list[Finding]:
    assert rule.measure, "rules of physics are measured elsewhere"
    return find_violations(rule, rule.measure(features), len(features), features.fps)
