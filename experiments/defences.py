"""What each row of `defence_table.DEFENCES` makes of a plan: one change on one axis of the loop, or two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from selfcorrect.anchors import Embedding, flat
from selfcorrect.experiments.defence_table import DEFENCES
from selfcorrect.fitting import extrapolated
from selfcorrect.loop import Plan
from selfcorrect.matching import lineage_matched


@dataclass(frozen=True)
class DefenceInputs:
    """What a defence may use of a task beside its model: nothing here has seen real data after generation 0.

    embed: values to vectors of the training side, in which likeness is measured.
    """

    embed: Embedding = flat


Defend: TypeAlias = Callable[[Plan, DefenceInputs], Plan]


def defended(plan: Plan, name: str, inputs: DefenceInputs) -> Plan:
    """The plan with the defence of that name."""
    defend: Defend = DEFENCES.load(name)
    return defend(plan, inputs)


def none(plan: Plan, inputs: DefenceInputs) -> Plan:
    """The plan as it is."""
    return plan


def matched(plan: Plan, inputs: DefenceInputs) -> Plan:
    """Children matched to parents; see `selfcorrect.matching`."""
    return replace(plan, bias=lineage_matched(8, inputs.embed))


def extrapolation(plan: Plan, inputs: DefenceInputs) -> Plan:
    """Negative extrapolation at w = 1; see `selfcorrect.fitting`."""
    return replace(plan, fitting=extrapolated(1.0))


def lineages(plan: Plan, inputs: DefenceInputs) -> Plan:
    """Matching and extrapolation together."""
    return extrapolation(matched(plan, inputs), inputs)
