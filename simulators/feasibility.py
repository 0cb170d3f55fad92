"""Feasibility of motions, measured by the root residual that they need.

The root residual is the force and moment that floor and muscles cannot provide. It is measured in two ways. Without an
engine, contact forces within friction cones explain a motion after kinematic clean-up, and what they miss is the
residual. With an engine that did not make the motion, bodies follow the unchanged motion; a stiff drive of the root
keeps them there, and the drive's wrench is the residual. Still feet and low jerk do not by themselves lower the
residual: a body that glides is held back by the soles' friction, and a body that hovers is held up by the drive.

The physics rules of `check` use contacts without an engine. Kinematic clean-up comes first, because feet that float by
two centimetres are a matter of the floor rules, and would carry nothing here.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from selfcorrect.core.errors import MissingExtraError, SettingError
from selfcorrect.motion.checks.check import RuleChoice
from selfcorrect.motion.checks.findings import Finding, find_violations
from selfcorrect.motion.checks.rules import RULE_TABLE, all_rules
from selfcorrect.motion.geometry.vectors import median
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.perception.floor_frame import view_on_known_floor
from selfcorrect.motion.perception.foot_frames import level_feet
from selfcorrect.motion.perception.motion_features import MotionFeatures
from selfcorrect.motion.support import Surroundings

from .body.dynamics import compute_demand
from .body.humanoid import Humanoid, build_humanoid
from .clean import CleanupSettings, clean_motions
from .engines.checked_world import make_world
from .planning.contact_plan import plan_contacts
from .results.results import MAX_PIECES_AT_ONCE, PIECE_FRAMES
from .settings.engine_table import ENGINES
from .settings.tracker import STRENGTHS, AcceptanceSettings, DriveSettings, EngineSettings, TrackerSettings
from .stages.values import MotionPlan
from .tracking.simulate import simulate_plans

UNSUPPORTED_BODYWEIGHTS = AcceptanceSettings.floating_bodyweights
"""Minimum upward residual force of a frame without support, in body weights."""

LONGEST_INFERRED = MAX_PIECES_AT_ONCE * PIECE_FRAMES
"""Maximum number of frames of a motion whose surroundings are inferred. Memory grows with the number of frames."""

_MIN_FRAMES = 8
"""Minimum number of frames of a motion that is measured."""

EVALUATION_DRIVE = replace(
    DriveSettings.at_strength(STRENGTHS["faithful"]), force_limit_bodyweights=10.0, torque_limit_nm=5000.0
)
"""Stiff drive that keeps a body on its motion. Its limits are beyond what human motion reaches."""

_WITHOUT_SETTLING = CleanupSettings(without=("displaced-body",))
"""Clean-up in which no stretch of the motion is brought back to the floor."""


@dataclass(frozen=True, eq=False)
class RootResidual:
    """Root force and moment beyond floor and muscles, world (y up)."""

    force_bodyweights: np.ndarray
    """(N, T, 3) for N motions of T frames, in body weights."""
    moment_nm: np.ndarray
    """(N, T, 3) about the centre of mass, in N m."""

    @classmethod
    def from_wrench(cls, body: Humanoid, wrench: np.ndarray) -> Self:
        """Return the residual of wrenches (N, T, 6) in newtons and newton metres."""
        return cls(wrench[..., :3] / body.weight_n, wrench[..., 3:])

    @property
    def mean_force_bodyweights(self) -> np.ndarray:
        """Mean magnitude (N,) of the force over frames."""
        return np.linalg.norm(self.force_bodyweights, axis=-1).mean(-1)

    @property
    def mean_moment_nm(self) -> np.ndarray:
        """Mean magnitude (N,) of the moment over frames."""
        return np.linalg.norm(self.moment_nm, axis=-1).mean(-1)

    @property
    def without_support(self) -> np.ndarray:
        """Share (N,) of frames without support."""
        return (self.force_bodyweights[..., 1] > UNSUPPORTED_BODYWEIGHTS).mean(-1)


def compute_contact_residual(motions: MotionBatch, settings: CleanupSettings) -> RootResidual:
    """Compute the wrench that contacts cannot explain.

    The motions, of equal length, first pass the kinematic clean-up.
    """
    cleaned = clean_motions(motions, settings)
    body = build_humanoid(motions.skeleton, soles=cleaned.soles).with_up_from(motions.ground)
    links = body.select_links(cleaned.motions)
    plan = plan_contacts(body, links, TrackerSettings().engine.friction, supports=cleaned.supports)
    return RootResidual.from_wrench(body, plan.unexplained)


def measure_missing_bodyweights(motion: Motion) -> float:
    """Measure the mean force that contacts cannot explain, in body weights.

    The motion first passes the kinematic clean-up. A motion that is too short has 0.

    Raises:
        InputError: The skeleton has no legs.
    """
    if len(motion) < _MIN_FRAMES:
        return 0.0
    residual = compute_contact_residual(_view_with_level_feet(motion), _WITHOUT_SETTLING)
    return float(residual.mean_force_bodyweights[0])


def simulate_residual(motions: MotionBatch, settings: CleanupSettings, engine: str) -> RootResidual:
    """Simulate bodies on motions, and return the root wrench needed.

    Engines need light links to have more inertia than they really have. The moment that this excess demands is not part
    of the motion's residual and is subtracted. If a body loses its motion in spite of the drive, the last residual
    counts for the remaining frames.

    Args:
        motions: Motions of equal length, not cleaned up.
        settings: Clean-up that finds floor and supports.
        engine: Name of the engine.
    """
    tracker = TrackerSettings(engine=EngineSettings(name=engine), drive=EVALUATION_DRIVE)
    cleaned = clean_motions(motions, settings)
    body = build_humanoid(motions.skeleton, soles=cleaned.soles).with_up_from(motions.ground)
    simulated_body = body.with_minimum_inertia(tracker.body.minimum_inertia_kgm2)
    links = body.select_links(cleaned.on_floor.view(cleaned.original))
    friction = tracker.engine.friction
    contacts = plan_contacts(body, links, friction, cleaned.supports)
    smoothing_s = tracker.plan.contacts.smoothing_s
    excess = compute_demand(simulated_body, links, smoothing_s).wrench - contacts.demand.wrench
    excess = 0.5 * (excess[:, 1:] + excess[:, :-1])
    plan = MotionPlan(simulated_body, links, contacts, cleaned.supports, friction)
    world = make_world(tracker.engine)
    steps = tracker.engine.steps_per_frame(motions.fps)
    bodies_together = ENGINES.row(engine).bodies_together
    wrenches = []
    for start in range(0, len(motions), bodies_together):
        stop = min(start + bodies_together, len(motions))
        with ENGINES.fence(engine):
            (tracks,) = simulate_plans(world, [plan.select(range(start, stop))], tracker)
        for track in tracks:
            by_frame = track.wrench.reshape(-1, steps, 6).mean(1)
            missing_frames = plan.frames - 1 - len(by_frame)
            body_wrench = by_frame - excess[len(wrenches), : len(by_frame)]
            wrenches.append(np.pad(body_wrench, ((0, missing_frames), (0, 0)), mode="edge"))
    return RootResidual.from_wrench(body, np.stack(wrenches))


def select_evaluation_engine(made_by: str) -> str | None:
    """Return the first installed engine that did not make the motions, or None."""
    for name in ENGINES.names:
        if name != made_by:
            try:
                ENGINES.load(name)
            except (MissingExtraError, SettingError):
                continue
            return name
    return None


def check_physics(motion: Motion, choice: RuleChoice) -> list[Finding]:
    """Check the chosen physics rules.

    A motion that is too short has no findings.

    Raises:
        InputError: The skeleton has no legs.
    """
    rules = [rule for rule in choice.select_rules(all_rules()) if rule.measure_force is not None]
    if not rules or len(motion) < _MIN_FRAMES:
        return []
    missing_force = compute_contact_residual(_view_with_level_feet(motion), _WITHOUT_SETTLING).force_bodyweights[0]
    findings = []
    for rule in rules:
        assert rule.measure_force is not None
        with RULE_TABLE.fence(rule.code):
            measured = rule.measure_force(missing_force, motion.fps)
            findings += find_violations(rule, measured, len(motion), motion.fps)
    return findings


def compute_needed_residual(motion: Motion, engine: str) -> RootResidual | None:
    """Compute the root residual of a motion in an engine.

    Heights are measured from the motion's own floor.

    Returns:
        The residual; None for a motion that is too short.

    Raises:
        InputError: The skeleton has no legs.
    """
    if len(motion) < _MIN_FRAMES:
        return None
    features = MotionFeatures(motion)
    standing = replace(features.motion, root_m=features.motion.root_m - [0.0, features.ground_m, 0.0])
    return simulate_residual(MotionBatch.stack([standing]), _WITHOUT_SETTLING, engine)


def infer_surroundings(motion: Motion) -> Surroundings:
    """Infer a motion's steps, seats, holds or treadmill belt, as `correct` does.

    Nothing is inferred for motions that are too short or longer than `LONGEST_INFERRED` frames.

    Raises:
        InputError: The skeleton has no legs.
    """
    if not _MIN_FRAMES <= len(motion) <= LONGEST_INFERRED:
        return Surroundings()
    cleaned = clean_motions(_view_with_level_feet(motion), CleanupSettings())
    floor = cleaned.floor
    supports = cleaned.supports[0]
    belt_m = floor.displacement_m[0] if floor.is_in_place[0] else None
    if not supports:
        return Surroundings(belt_m=belt_m)
    raised_m = float(median((cleaned.before_planting.root_m - cleaned.original.root_m)[0, :, 1]))
    moved = tuple(support.shift((0.0, -raised_m, 0.0)) for support in supports)
    return Surroundings(moved, -raised_m, belt_m)


def _view_with_level_feet(motion: Motion) -> MotionBatch:
    return MotionBatch.stack([level_feet(view_on_known_floor(motion))])
