"""Loops from the settings of arms, and settings from loops."""

import math

from selfcorrect.loop.bias import sample_plainly
from selfcorrect.loop.correctors.loop_correction import Correction
from selfcorrect.loop.fitting import fit_plainly
from selfcorrect.loop.policy import FreshSource, format_policy, parse_policy
from selfcorrect.loop.run import Arm
from selfcorrect.runtime.registry import import_callable
from selfcorrect.runtime.user_code import name_of

from .arms import ArmSettings


def make_loop_arm(
    arm: ArmSettings,
    generations: int,
    steps: int,
    correction: Correction | None = None,
    fresh_source: FreshSource | None = None,
) -> Arm:
    """Make the loop's arm, without remedy.

    Args:
        steps: Optimiser steps per generation, unless the arm sets them.
    """
    return Arm(
        parse_policy(arm.policy, fresh_source),
        generations,
        steps if arm.steps is None else arm.steps,
        arm.from_scratch,
        bias=import_callable(arm.bias, "sampling bias") if arm.bias else sample_plainly,
        correction=correction,
        correct_real=arm.correct_real,
        fitting=import_callable(arm.fitting, "fitting") if arm.fitting else fit_plainly,
    )


def read_loop_arm(loop_arm: Arm, name: str = "") -> ArmSettings:
    """Return the settings of a loop's arm, with its functions by name."""
    correction = loop_arm.correction
    return ArmSettings(
        format_policy(loop_arm.policy, digits=17),
        correction.name if correction else "none",
        correction.strength if correction else math.inf,
        loop_arm.correct_real,
        operator=correction.operator if correction else "mixture",
        from_scratch=loop_arm.from_scratch,
        bias="" if loop_arm.bias is sample_plainly else name_of(loop_arm.bias),
        fitting="" if loop_arm.fitting is fit_plainly else name_of(loop_arm.fitting),
        steps=loop_arm.steps,
        name=name,
    )
