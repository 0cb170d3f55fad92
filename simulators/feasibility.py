"""Feasibility: the root residual that a motion needs, which is the force and moment that floor and muscles cannot give.

Two judges measure it. Contact forces within friction cones explain a motion after kinematic clean-up; no engine takes
part. Or bodies follow the motion as it is, in an engine that did not make it. A stiff drive of the root keeps them
there, and what it gives is the residual. Still feet and low jerk do not lower it: a body that glides is held back by
its soles' friction, and one that hovers is held up by the drive.

The rules of physics judge by contacts. Kinematic clean-up comes first: feet that float by two centimetres concern the
rules of the floor, and would carry nothing here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from scipy.ndimage import uniform_filter1d

from selfcorrect.core.errors import MissingExtraError
from selfcorrect.motion.body.foot_frames import level_feet
from selfcorrect.motion.checks.check import RuleChoice
from selfcorrect.motion.checks.findings import Finding, Measurement, find_violations
from selfcorrect.motion.checks.motion_features import MotionFeatures
from selfcorrect.motion.checks.rules import RULES
from selfcorrect.motion.correction.grounding import MotionOnFloor
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.support import Surroundings

from .body.humanoid import Humanoid, build_humanoid
from .cleanup.clean import CleanupSettings, clean_motions
from .contacts.contact_plan import plan_contacts
from .settings.engine_table import ENGINES
from .settings.tracker import STRENGTHS, DriveSettings, EngineSettings, TrackerSettings
from .stages.values import MotionPlan
from .tracking.tracker import track_motions

UNSUPPORTED_BODYWEIGHTS = 0.5
"""A frame is without support in which the residual lifts the body with more than this."""

JUDGING = replace(
    DriveSettings.at_strength(STRENGTHS["faithful"]), force_limit_bodyweights=10.0, torque_limit_nm=5000.0
)
"""The drive of a body that is to stay on its motion: stiff, and with bounds that people's motions do not reach."""


@dataclass(frozen=True, eq=False)
class RootResidual:
    """What N motions of T frames need beyond floor and muscles, in the world (y up)."""

    force_bodyweights: np.ndarray
    """(N, T, 3)."""
    moment_nm: np.ndarray
    """(N, T, 3) about the centre of mass."""

    @classmethod
    def from_wrench(cls, body: Humanoid, wrench: np.ndarray) -> Self:
        """From forces in newtons and moments in newton metres, (N, T, 6)."""
        return cls(wrench[..., :3] / body.weight_n, wrench[..., 3:])

    @property
    def mean_force_bodyweights(self) -> np.ndarray:
        """(N,) size of the force, a mean over frames."""
        return np.linalg.norm(self.force_bodyweights, axis=-1).mean(-1)

    @property
    def mean_moment_nm(self) -> np.ndarray:
        """(N,) size of the moment, a mean over frames."""
        return np.linalg.norm(self.moment_nm, axis=-1).mean(-1)

    @property
    def without_support(self) -> np.ndarray:
        """(N,) share of frames without support."""
        return (self.force_bodyweights[..., 1] > UNSUPPORTED_BODYWEIGHTS).mean(-1)


def compute_contact_residual(motions: MotionBatch, settings: CleanupSettings) -> RootResidual:
    """What contact forces leave unexplained of motions of one length, after kinematic clean-up with these settings."""
    cleaned = clean_motions(motions, settings)
    body = build_humanoid(motions.skeleton, soles=cleaned.soles).with_up_from(motions.ground)
    links = body.select_links(cleaned.motions)
    rest = plan_contacts(body, links, TrackerSettings().engine.friction, supports=cleaned.supports).rest
    return RootResidual.from_wrench(body, rest)


def simulate_residual(motions: MotionBatch, settings: CleanupSettings, engine: str) -> RootResidual:
    """What the drive gives to bodies that follow motions of one length, as they are, in an engine of the table.

    settings: of the clean-up, by which floor and supports are found; nothing else is taken from it. Where a body is
    lost all the same, the last residual counts for the rest of the motion.
    """
    tracker = TrackerSettings(engine=EngineSettings(name=engine), drive=JUDGING)
    cleaned = clean_motions(motions, settings)
    body = build_humanoid(motions.skeleton, soles=cleaned.soles).with_up_from(motions.ground)
    body = body.with_minimum_inertia(tracker.body.minimum_inertia_kgm2)
    links = body.select_links(cleaned.on_floor.view(cleaned.original))
    friction = tracker.engine.friction
    supports = cleaned.supports
    world = ENGINES.load(engine)(tracker.engine)
    plan = MotionPlan(body, links, plan_contacts(body, links, friction, supports), supports, friction)
    steps = tracker.engine.steps_per_frame(motions.fps)
    together = ENGINES.row(engine).bodies_together
    tracks = [
        track
        for start in range(0, len(motions), together)
        for track in track_motions(world, [plan.select(range(start, min(start + together, len(motions))))], tracker)[0]
    ]
    by_frame = [track.wrench.reshape(-1, steps, 6).mean(1) for track in tracks]
    frames = plan.frames - 1
    return RootResidual.from_wrench(
        body, np.stack([np.pad(each, ((0, frames - len(each)), (0, 0)), mode="edge") for each in by_frame])
    )


def select_evaluation_engine(made_by: str) -> str | None:
    """The first engine of the table that is installed and is not the one that made motions; None without one."""
    for name in ENGINES.names:
        if name != made_by:
            try:
                ENGINES.load(name)
            except MissingExtraError:
                continue
            return name
    return None


# --- the rules of physics --------------------------------------------------------------------------------------------

_HELP_S = 2.0
_FEWEST_FRAMES = 8
LONGEST_INFERRED = 8192
"""Frames of motions whose surroundings are inferred, at most: memory grows with them."""


def check_physics(motion: Motion, choice: RuleChoice) -> list[Finding]:
    """What the chosen rules of physics find; nothing for a motion that is too short.

    Raises InputError where the skeleton has no legs.
    """
    rules = [rule for rule in choice.select_rules(RULES) if rule.measure is None]
    if not rules or len(motion) < _FEWEST_FRAMES:
        return []
    seen = MotionBatch.stack([level_feet(MotionOnFloor.from_motion(motion).motion)])
    missing = compute_contact_residual(seen, CleanupSettings()).force_bodyweights[0]
    measured = {"X1": missing_upward_force(missing), "X2": smooth_residual(missing, motion.fps)}
    return [one for rule in rules for one in find_violations(rule, measured[rule.code], len(motion), motion.fps)]


def compute_needed_residual(motion: Motion, engine: str) -> RootResidual | None:
    """The root residual that a motion needs in an engine of the table; None for one that is too short.

    Heights count from its floor where that is elsewhere as a whole. Raises InputError where the skeleton has no legs.
    """
    if len(motion) < _FEWEST_FRAMES:
        return None
    features = MotionFeatures(motion)
    standing = replace(features.motion, root_m=features.motion.root_m - [0.0, features.ground_m, 0.0])
    return simulate_residual(MotionBatch.stack([standing]), CleanupSettings(), engine)


def infer_surroundings(motion: Motion) -> Surroundings:
    """What carries a motion, as `correct` infers it: steps, seats and holds, or the belt of a treadmill.

    Nothing for motions longer than `LONGEST_INFERRED` frames. Raises InputError where the skeleton has no legs.
    """
    if not _FEWEST_FRAMES <= len(motion) <= LONGEST_INFERRED:
        return Surroundings()
    level = level_feet(MotionOnFloor.from_motion(motion).motion)
    cleaned = clean_motions(MotionBatch.stack([level]), CleanupSettings())
    floor = cleaned.floor
    supports = cleaned.supports[0]
    belt_m = floor.displacement_m[0] if floor.is_in_place[0] else None
    if not supports:
        return Surroundings(belt_m=belt_m)
    raised_m = float(np.median((cleaned.before_planting.root_m - cleaned.original.root_m)[0, :, 1]))
    moved = tuple(support.shift((0.0, -raised_m, 0.0)) for support in supports)
    return Surroundings(moved, -raised_m, belt_m)


def missing_upward_force(missing: np.ndarray) -> Measurement:
    """Upward force that is missing, per frame."""
    return Measurement(missing[:, 1:2], ("body",))


def smooth_residual(missing: np.ndarray, fps: float) -> Measurement:
    """Size of the missing force, averaged over two seconds."""
    window = max(1, round(_HELP_S * fps))
    return Measurement(uniform_filter1d(np.linalg.norm(missing, axis=-1), window, mode="nearest")[:, None], ("body",))
