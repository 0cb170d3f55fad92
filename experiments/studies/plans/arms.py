"""The arms of a comparison: what users' plans are by axis, and which is compared with which."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from selfcorrect.core.errors import SettingError
from selfcorrect.loop.policy import RealOnly, spelled, synthetic_ratio
from selfcorrect.loop.run import Plan, Task

from ..study import folder_name
from .inputs import Given, config_of


@dataclass(frozen=True, eq=False)
class PlanArm:
    """An arm, without the plan itself, which may hold anything."""

    title: str
    axes: Mapping[str, Any]
    line: str
    is_baseline: bool
    steps: int
    reference: str = ""
    """The title of the arm that it is compared with: the same without correction, else the baseline; "" for none."""

    @property
    def name(self) -> str:
        """The name of its folder."""
        return folder_name(self.title)

    @property
    def label(self) -> str:
        """Its title."""
        return self.title

    @property
    def group(self) -> str:
        """All arms are shown together."""
        return ""


def arms_of(given: Given, task: Task, seed: int) -> tuple[tuple[PlanArm, ...], int]:
    """The arms of a comparison, and their generations, by the plans that a seed and a task have."""
    plans = {name: given.plan(name, task, seed) for name in given.plans}
    lengths = {name: plan.generations for name, plan in plans.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{title} has {count}" for title, count in lengths.items())
        raise SettingError(f"all plans of a comparison need as many generations: {told}")
    arms = {name: arm_of(name, plan) for name, plan in plans.items()}
    baseline = next((name for name, arm in arms.items() if arm.is_baseline), "")
    own = tuple(
        arm if arm.is_baseline else replace(arm, reference=_reference(plans[name], plans) or baseline)
        for name, arm in arms.items()
    )
    return own, next(iter(lengths.values()))


def arm_of(title: str, plan: Plan) -> PlanArm:
    """What a plan is, without the arm that it is compared with."""
    return PlanArm(title, axes_of(plan), _line(plan), _is_baseline(plan), plan.steps)


def _is_baseline(plan: Plan) -> bool:
    return isinstance(plan.policy, RealOnly) and plan.correction is None


def _reference(plan: Plan, plans: Mapping[str, Plan]) -> str:
    """The name of the same plan without correction, "" for none."""
    if plan.correction is None:
        return ""
    plain = replace(plan, correction=None, correct_real=False)
    return next((name for name, other in plans.items() if other == plain), "")


def axes_of(plan: Plan) -> dict[str, Any]:
    """What a plan is by axis: words, and numbers of which some may be infinite or, where they vary, NaN."""
    correction, ratio = plan.correction, synthetic_ratio(plan.policy)
    return {
        "policy": spelled(plan.policy).partition(":")[0],
        "synthetic_ratio": ratio,
        "synthetic_share": 1 - 1 / (1 + ratio),
        "corrector": correction.name if correction else "none",
        "strength": correction.strength if correction else 0.0,
        "operator": correction.operator if correction else "mixture",
        "correct_real": plan.correct_real,
        "steps": plan.steps,
    }


def _line(plan: Plan) -> str:
    """What a plan is apart from its synthetic share, in words; "" for one that has none."""
    policy, _, value = spelled(plan.policy).partition(":")
    if policy not in ("augment", "replace") or (policy == "replace" and value):
        return ""
    words = [plan.correction.name if plan.correction else "uncorrected"]
    if plan.correction and math.isfinite(plan.correction.strength):
        words.append(f"γ = {plan.correction.strength:g}")
    words += [str(value) for name, value in config_of(plan).items() if name in ("bias", "fitting")]
    return ", ".join(words + ["from scratch"] * plan.from_scratch + ["real data corrected too"] * plan.correct_real)
