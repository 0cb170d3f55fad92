"""Rules of physics: whether forces of the floor on the body explain how it moves, and what it needs beside them.

Kinematic clean-up comes first. Feet that float by two centimetres concern the rules of the floor, and would carry
nothing here.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.ndimage import uniform_filter1d

from selfcorrect.motion.body.foot_frames import level
from selfcorrect.motion.checks.check import RuleChoice
from selfcorrect.motion.checks.findings import Finding, Measured, findings
from selfcorrect.motion.checks.motion_features import MotionFeatures
from selfcorrect.motion.checks.rules import RULES
from selfcorrect.motion.correction.grounding import OnFloor
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.support import Surroundings

from .cleanup.clean import CleanupSettings, clean
from .feasibility import RootResidual, residual_in_engine, residual_of_contacts

_HELP_S = 2.0
_FEWEST_FRAMES = 8
LONGEST_INFERRED = 8192
"""Frames of motions whose surroundings are inferred, at most: memory grows with them."""


def check_physics(motion: Motion, choice: RuleChoice) -> list[Finding]:
    """What the chosen rules of physics find; nothing for a motion that is too short.

    Raises InputError where the skeleton has no legs.
    """
    rules = [rule for rule in choice.of(RULES) if rule.measure is None]
    if not rules or len(motion) < _FEWEST_FRAMES:
        return []
    seen = MotionBatch.stack([level(OnFloor.of(motion).motion)])
    missing = residual_of_contacts(seen, CleanupSettings()).force_bodyweights[0]
    measured = {"X1": unsupported(missing), "X2": helped(missing, motion.fps)}
    return [one for rule in rules for one in findings(rule, measured[rule.code], len(motion), motion.fps)]


def needed_residual(motion: Motion, engine: str) -> RootResidual | None:
    """The root residual that a motion needs in an engine of the table; None for one that is too short.

    Heights count from its floor where that is elsewhere as a whole. Raises InputError where the skeleton has no legs.
    """
    if len(motion) < _FEWEST_FRAMES:
        return None
    features = MotionFeatures(motion)
    standing = replace(features.motion, root_m=features.motion.root_m - [0.0, features.ground_m, 0.0])
    return residual_in_engine(MotionBatch.stack([standing]), CleanupSettings(), engine)


def surroundings_of(motion: Motion) -> Surroundings:
    """What carries a motion, as `correct` infers it: steps, seats and holds, or the belt of a treadmill.

    Nothing for motions longer than `LONGEST_INFERRED` frames. Raises InputError where the skeleton has no legs.
    """
    if not _FEWEST_FRAMES <= len(motion) <= LONGEST_INFERRED:
        return Surroundings()
    cleaned = clean(MotionBatch.stack([level(OnFloor.of(motion).motion)]), CleanupSettings())
    floor, supports = cleaned.floor, cleaned.supports[0]
    belt_m = floor.moved_m[0] if floor.in_place[0] else None
    if not supports:
        return Surroundings(belt_m=belt_m)
    raised_m = float(np.median((cleaned.unplanted.root_m - cleaned.given.root_m)[0, :, 1]))
    moved = tuple(support.moved((0.0, -raised_m, 0.0)) for support in supports)
    return Surroundings(moved, -raised_m, belt_m)


def unsupported(missing: np.ndarray) -> Measured:
    """Upward force that is missing, per frame."""
    return Measured(missing[:, 1:2], ("body",))


def helped(missing: np.ndarray, fps: float) -> Measured:
    """Size of the missing force, averaged over two seconds."""
    window = max(1, round(_HELP_S * fps))
    return Measured(uniform_filter1d(np.linalg.norm(missing, axis=-1), window, mode="nearest")[:, None], ("body",))
