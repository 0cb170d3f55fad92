"""Checking motions against the rules."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Self

from ...core.checks import check_kind
from ...core.errors import SettingError
from ...runtime.bugs import try_optional
from ..motion import Motion
from ..perception.motion_features import MotionFeatures
from ..perception.repeats import FrameRepeats
from ..support import Surroundings
from .findings import Finding, Rule, find_violations
from .floor import is_lifted
from .rules import RULE_TABLE, RULES, all_rules


@dataclass(frozen=True)
class RuleChoice:
    """The rules to check, chosen by code, name, or first letters of a code.

    `ignore` takes precedence over `select`.
    """

    select: tuple[str, ...] = ()
    """Rules to check; empty for all."""
    ignore: tuple[str, ...] = ()
    """Rules to leave out."""
    thresholds: Mapping[str, float] = field(default_factory=dict)
    """Thresholds by rule that replace the table's."""

    def __post_init__(self) -> None:
        rules = all_rules()
        for word in (*self.select, *self.ignore, *self.thresholds):
            if not any(_matches(word, rule) for rule in rules):
                names = ", ".join(f"{rule.code} ({rule.name})" for rule in rules)
                raise SettingError(f"unknown rule {word!r}; expected one of {names}")
        for word, value in self.thresholds.items():
            if not math.isfinite(value):
                raise SettingError(f"the threshold of {word} must be a finite number, got {value}")

    def narrow(self, select: Sequence[str], ignore: Sequence[str]) -> Self:
        """Return the choice with another selection and more ignored rules.

        If `select` is empty, the selection is unchanged.
        """
        return replace(self, select=tuple(select) or self.select, ignore=(*self.ignore, *ignore))

    def tolerate_height(self, error_m: float) -> Self:
        """Tolerate a floor within `error_m` of y = 0, unless a threshold was chosen."""
        floor_rule = next(rule for rule in RULES if rule.code == "F4")
        if any(_matches(word, floor_rule) for word in self.thresholds):
            return self
        return replace(self, thresholds={**self.thresholds, floor_rule.name: error_m})

    def select_rules(self, rules: Sequence[Rule]) -> list[Rule]:
        """Return the chosen rules, with their thresholds."""
        chosen = []
        for rule in rules:
            is_selected = not self.select or any(_matches(word, rule) for word in self.select)
            if is_selected and not any(_matches(word, rule) for word in self.ignore):
                chosen.append(self._with_threshold(rule))
        return chosen

    def _with_threshold(self, rule: Rule) -> Rule:
        for word, threshold in self.thresholds.items():
            if _matches(word, rule):
                return replace(rule, threshold=threshold)
        return rule


def _matches(word: str, rule: Rule) -> bool:
    code = word.upper()
    if not rule.code.startswith(code) or not code:
        return word == rule.name
    return rule.code == code or code not in RULE_TABLE.names


def check(motion: Motion, select: Sequence[str] = (), ignore: Sequence[str] = ()) -> list[Finding]:
    """Find what is physically implausible in a motion.

    Steps, seats and treadmills are unknown here; `selfcorrect check` infers them. A RuntimeWarning is issued for each
    rule that cannot be measured.

    Args:
        motion: The motion to check.
        select: Codes or names of rules to check, or first letters of codes; empty for all.
        ignore: Rules to leave out, given likewise. They take precedence over `select`.

    Returns:
        The findings, by rule and then by time; empty if the motion is plausible.

    Raises:
        SettingError: A rule is unknown.
    """
    check_kind("motion", motion, Motion)
    result = check_with(motion, RuleChoice(tuple(select), tuple(ignore)))
    for note in result.notes:
        warnings.warn(note, RuntimeWarning, stacklevel=2)
    return list(result.findings)


@dataclass(frozen=True)
class CheckResult:
    """Findings by rule, and a note about each rule that could not be measured."""

    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    def __add__(self, more: CheckResult) -> CheckResult:
        return CheckResult(self.findings + more.findings, self.notes + more.notes)


def check_with(
    motion: Motion, choice: RuleChoice, infer: Callable[[Motion], Surroundings] | None = None
) -> CheckResult:
    """Apply the chosen rules to a motion.

    Rules of physics are applied elsewhere.

    Args:
        motion: The motion to check.
        choice: Rules to apply, with their thresholds.
        infer: Function that finds the steps, seats and treadmill that carry a motion. It is called only if a rule that
            depends on them is broken; all rules are then applied again.

    Returns:
        Findings, and notes about rules that could not be measured.
    """
    result = check_features(MotionFeatures(motion), choice)
    if infer is None or not any(finding.code in _OF_SURROUNDINGS for finding in result.findings):
        return result
    step = "steps, seats and treadmills were not looked for"
    surroundings, note = try_optional(step, partial(infer, motion), Surroundings())
    if surroundings.supports and is_lifted(MotionFeatures(motion, surroundings)):
        surroundings = Surroundings(belt_m=surroundings.belt_m)
    if surroundings.supports or surroundings.belt_m is not None:
        result = check_features(MotionFeatures(motion, surroundings), choice)
    return result + CheckResult(notes=(note,) if note else ())


_OF_SURROUNDINGS = ("F1", "F2", "F3", "F4", "F6", "F7", "F8", "F9", "F10", "F11", "B5")
"""Codes of rules that are broken if steps, seats or treadmills are unknown."""


def check_samples(motion: Motion, check: Callable[[Motion], CheckResult]) -> CheckResult:
    """Check a motion without its repeated frames.

    Findings refer to the frames of the whole motion.
    """
    repeats = FrameRepeats.from_motion(motion)
    samples = repeats.prepare(motion, "keep")
    result = check(samples)
    if len(samples) == len(motion):
        return result
    starts = repeats.find_bounds()
    findings = []
    for finding in result.findings:
        findings.append(
            replace(finding, start=starts[finding.start], stop=starts[finding.stop], frame=starts[finding.frame])
        )
    return replace(result, findings=tuple(findings))


def check_features(features: MotionFeatures, choice: RuleChoice) -> CheckResult:
    """Apply the chosen rules to a motion's features in its surroundings.

    Rules of physics are applied elsewhere, see `check_with`.
    """
    if features.given.height_error_m:
        choice = choice.tolerate_height(features.given.height_error_m)
    result = CheckResult()
    for rule in choice.select_rules(all_rules()):
        findings, note = try_optional(f"rule {rule.code} was left out", partial(_apply_rule, rule, features), [])
        result += CheckResult(tuple(findings), (note,) if note else ())
    return result


def _apply_rule(rule: Rule, features: MotionFeatures) -> list[Finding]:
    if rule.measure is None or len(features) < rule.least_frames or (rule.needs_feet and not features.has_feet):
        return []
    with RULE_TABLE.fence(rule.code):
        return find_violations(rule, rule.measure(features), len(features), features.fps)
