"""Balance without help: what would be put on the root is asked of the floor instead.

A spring and damper want a force at the body's centre of mass and a moment about it (Pratt et al. 2001, "Virtual model
control: an intuitive approach for bipedal locomotion"). The corners of the soles that touch give as much of both as
friction cones allow, and from these forces follow the torques of the joints above them. A swinging foot lands beside
its place by as much as the body's capture point is beside its own (Pratt et al. 2006, "Capture point: a step toward
humanoid push recovery").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from selfcorrect.motion.geometry.kinematics import forward_kinematics
from selfcorrect.motion.geometry.rotations import compose, rotate
from selfcorrect.motion.geometry.vectors import cross

from ..body.frames import (
    from_simulator,
    rotate_inverse,
    rotation_error,
    small_rotation,
    to_simulator,
)
from ..body.humanoid import GRAVITY_M_S2, Humanoid
from ..body.leg_ik import Legs
from ..contacts.contact_plan import continue_contact_forces
from ..engines.world import RootState, World
from ..settings.tracker import WITHOUT_RESIDUAL, TrackerSettings
from .control_sequence import ReferenceTrajectory

TOUCH_M = 0.006
"""A corner of a sole touches up to a third of this height, and not at all above it.

Contact spheres stick out of the soles by as little. Forces that are asked of corners in the air move the legs instead.
"""
LOWEST_CENTRE_M = 0.1
"""A body that lies has its centre of mass no lower."""
UNPLANNED = 0.02
"""How well a foot may carry that is not planned to."""


@dataclass(frozen=True, eq=False)
class BodyStates:
    """How N like bodies are, in the simulator's frame."""

    root: RootState
    rotations: np.ndarray
    """(N, J, 4) of the joints."""
    velocities_rad_s: np.ndarray
    """(N, J, 3) of the joints."""
    positions_m: np.ndarray
    """(N, L, 3) of the links' joints."""
    orientations: np.ndarray
    """(N, L, 4) of the links."""
    centre_m: np.ndarray
    """(N, 3) their centres of mass."""
    centre_m_s: np.ndarray
    """(N, 3)."""

    @classmethod
    def from_world(cls, world: World, body: Humanoid) -> Self:
        """Those of a world."""
        root, rotations, velocities_rad_s = world.root(), world.rotations(), world.velocities_rad_s()
        lever_m = rotate(root.orientation, body.centre_m[0])
        local = np.concatenate([root.orientation[:, None], rotations], axis=1)
        positions_m, orientations = forward_kinematics(body.tree, root.position_m - lever_m, local)
        share = body.mass_kg[:, None] / body.total_mass_kg
        moments_m = share * (positions_m + rotate(orientations, body.centre_m))
        return cls(
            root=root,
            rotations=rotations,
            velocities_rad_s=velocities_rad_s,
            positions_m=positions_m,
            orientations=orientations,
            centre_m=np.sum(moments_m, axis=1),
            centre_m_s=_centre_m_s(body, root, velocities_rad_s, positions_m, orientations, moments_m, lever_m),
        )


def _centre_m_s(
    body: Humanoid,
    root: RootState,
    velocities_rad_s: np.ndarray,
    positions_m: np.ndarray,
    orientations: np.ndarray,
    moments_m: np.ndarray,
    lever_m: np.ndarray,
) -> np.ndarray:
    """Velocities (N, 3) of centres of mass: each joint's turning carries the mass that hangs on it.

    moments_m: (N, L, 3) mass of each link, as a share of the whole, times where its centre is. lever_m: (N, 3) from the
    root's joint to its centre of mass.
    """
    below = body.tree.descendants.astype(float)
    turning_rad_s = np.concatenate(
        [root.angular_velocity_rad_s[:, None], rotate(orientations[:, 1:], velocities_rad_s)], axis=1
    )
    share = below @ (body.mass_kg / body.total_mass_kg)
    arms_m = below @ moments_m - share[:, None] * positions_m
    moving_m_s = root.velocity_m_s - cross(root.angular_velocity_rad_s, lever_m)
    return moving_m_s + np.sum(cross(turning_rad_s, arms_m), axis=1)


@dataclass(frozen=True, eq=False)
class PerBody:
    """Values with a row for each of N bodies: arrays, states of roots, and more such values."""

    AXIS: ClassVar = 0
    """Of the rows in its arrays."""

    def select(self, bodies: np.ndarray) -> Self:
        """Those of some bodies, or of some several times."""
        return type(self)(*(_select_values(getattr(self, field.name), bodies, self.AXIS) for field in fields(self)))

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """One after the other."""
        return cls(
            *(_concatenate_values([getattr(part, field.name) for part in parts], cls.AXIS) for field in fields(cls))
        )


def _select_values(values: Any, bodies: np.ndarray, axis: int) -> Any:
    if isinstance(values, PerBody):
        return values.select(bodies)
    if isinstance(values, RootState):
        return RootState(*(each[bodies] for each in values))
    return np.take(values, bodies, axis)


def _concatenate_values(values: Sequence[Any], axis: int) -> Any:
    if isinstance(values[0], PerBody):
        return type(values[0]).concatenate(values)
    if isinstance(values[0], RootState):
        return RootState(*map(np.concatenate, zip(*values, strict=True)))
    return np.concatenate(values, axis)


@dataclass(frozen=True, eq=False)
class ControllerState(PerBody):
    """What the control of N bodies goes on from, from command to command."""

    feet_m: np.ndarray
    """(N, 2, 3) low-passed errors of their legs."""
    iterate: np.ndarray
    """(N, 2, 3, C) of the solver that finds the forces on the C corners of their soles."""

    @classmethod
    def initial(cls, body: Humanoid) -> Self:
        """That of one body which starts."""
        return cls(np.zeros((1, 2, 3)), np.zeros((1, 2, 3, len(body.soles))))


@dataclass(frozen=True, eq=False)
class Perturbations(PerBody):
    """What is added to the control of N bodies, by which they differ."""

    force_n: np.ndarray
    """(N, 3) to the force that is wanted."""
    moment_nm: np.ndarray
    """(N, 3) to the moment."""
    step_m: np.ndarray
    """(N, 2, 2) by which swinging feet land further along x and y."""
    turns_rad: np.ndarray
    """(N, J, 3) of the joints' targets."""
    touch_m: np.ndarray
    """(N,) heights in place of `TOUCH_M`."""


@dataclass(frozen=True, eq=False)
class TrackingError:
    """By how much N bodies are off their trajectory."""

    root_m: np.ndarray
    """(N, 3) of the root's joint."""
    centre_m: np.ndarray
    """(N, 3) of the centre of mass."""
    centre_m_s: np.ndarray
    """(N, 3)."""
    tilt_rad: np.ndarray
    """(N, 3) of the root, world."""
    tilt_rad_s: np.ndarray
    """(N, 3)."""

    @classmethod
    def at_step(cls, trajectory: ReferenceTrajectory, step: int, bodies: BodyStates) -> Self:
        """At a step."""
        controls, root = trajectory.controls, bodies.root
        return cls(
            root_m=bodies.positions_m[:, 0] - trajectory.positions_m[step, 0],
            centre_m=bodies.centre_m - trajectory.centre_m[step],
            centre_m_s=bodies.centre_m_s - trajectory.centre_m_s[step],
            tilt_rad=-rotation_error(controls.goal_orientation[step], root.orientation),
            tilt_rad_s=root.angular_velocity_rad_s - controls.goal_rad_s[step],
        )

    def capture_point_error_m(self, height_m: float) -> np.ndarray:
        """By how much (N, 2) their capture points are off, with centres of mass at a height."""
        return self.centre_m[:, :2] + self.centre_m_s[:, :2] * np.sqrt(max(height_m, LOWEST_CENTRE_M) / GRAVITY_M_S2)


class Actuation(NamedTuple):
    """What N bodies are given in some steps S."""

    targets: np.ndarray
    """(S, N, J, 4) of the joints."""
    torques_nm: np.ndarray
    """(S, N, J, 3) of the joints."""
    wrench: np.ndarray
    """(N, 6) residual force and moment about the centre of mass; zero where none is allowed."""


class WholeBodyController:
    """The control of N bodies that follow one trajectory."""

    def __init__(self, trajectory: ReferenceTrajectory, step_s: float, settings: TrackerSettings) -> None:
        """step_s: time from one command to the next."""
        self._trajectory, self._step_s, self._settings = trajectory, step_s, settings.residual_free or WITHOUT_RESIDUAL
        drive = settings.drive
        force_n = drive.force_limit_bodyweights * trajectory.body.weight_n
        self.residual_limits = np.array([force_n, drive.torque_limit_nm])
        self._lags, self._friction = settings.plan.feedback, settings.engine.friction
        legs, body = Legs.from_skeleton(trajectory.body.tree), trajectory.body
        self._ankles, self._legs = legs.ankles, np.stack([legs.hips, legs.knees, legs.ankles], axis=-1) - 1
        self._foot = np.repeat([0, 1], len(body.soles) // 2)
        self._above = body.tree.descendants[1:, body.soles.joints].astype(float)
        self._limits_nm = body.torque_limit_nm[1:, None]

    def command(
        self,
        steps: range,
        frame: int,
        bodies: BodyStates,
        memory: ControllerState,
        nudges: Perturbations,
        bounds: np.ndarray,
    ) -> Actuation:
        """What the bodies are given in some steps, to the first of which `frame` is the nearest.

        memory: of what came before, which this continues. bounds: (N,) on the residual wrench, as shares of those of
        the drive.
        """
        step = steps[0]
        away = TrackingError.at_step(self._trajectory, step, bodies)
        wanted = self.compute_wanted_wrench(step, away, nudges)
        forces_n, corners_m = self.solve_floor_forces_n(step, bodies, wanted, memory.iterate, nudges.touch_m)
        torques_nm = self._trajectory.torques_nm[step] + self.compute_leg_torques_nm(bodies, forces_n, corners_m)
        torques_nm = np.clip(torques_nm, -self._limits_nm, self._limits_nm)
        return Actuation(
            targets=self._joint_targets(steps, frame, bodies, away, memory.feet_m, nudges),
            torques_nm=torques_nm + self._trajectory.drive_nm[steps.start : steps.stop, None],
            wrench=self._missing_wrench(wanted, forces_n, corners_m - bodies.centre_m[:, None], bounds),
        )

    def _missing_wrench(
        self, wanted: np.ndarray, forces_n: np.ndarray, arms_m: np.ndarray, bounds: np.ndarray
    ) -> np.ndarray:
        """What the floor cannot give (N, 6) of what is wanted, within bounds (N,)."""
        if not bounds.any():
            return np.zeros_like(wanted)
        given = np.concatenate([forces_n.sum(axis=1), cross(arms_m, forces_n).sum(axis=1)], axis=-1)
        missing = (wanted - given).reshape(-1, 2, 3)
        limits = bounds[:, None] * self.residual_limits
        sizes = np.linalg.norm(missing, axis=-1)
        return (missing * np.minimum(1.0, limits / np.maximum(sizes, 1e-9))[..., None]).reshape(-1, 6)

    def compute_wanted_wrench(self, step: int, away: TrackingError, nudges: Perturbations) -> np.ndarray:
        """Force and moment (N, 6) that would bring the bodies back, beside what the motion takes."""
        own, mass_kg = self._settings, self._trajectory.body.total_mass_kg
        rates_rad_s = np.array([own.horizontal_rad_s, own.horizontal_rad_s, own.vertical_rad_s])
        pull_m_s2 = -rates_rad_s * (rates_rad_s * away.centre_m + 2 * away.centre_m_s)
        limit_n = own.force_limit_bodyweights * self._trajectory.body.weight_n
        force_n = np.clip(mass_kg * pull_m_s2 + nudges.force_n, -limit_n, limit_n)
        turn_rad_s2 = -own.angular_rad_s * (own.angular_rad_s * away.tilt_rad + 2 * away.tilt_rad_s)
        moment_nm = (
            np.sum(self._trajectory.controls.inertia[step, 0] * turn_rad_s2[:, None], axis=-1) + nudges.moment_nm
        )
        return self._trajectory.wrench[step] + np.concatenate([force_n, moment_nm], axis=-1)

    def solve_floor_forces_n(
        self, step: int, bodies: BodyStates, wrench: np.ndarray, iterate: np.ndarray, touch_m: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Forces (N, C, 3) on the corners of the soles that come closest to a wrench, and where (N, C, 3) these are.

        iterate: (N, 2, 3, C) of the solver in the last command, which this continues.
        """
        soles, loaded = self._trajectory.body.soles, self._trajectory.controls.loaded[step, 0]
        corners_m = bodies.positions_m[:, soles.joints] + rotate(bodies.orientations[:, soles.joints], soles.offsets_m)
        above_m = corners_m[..., 2] - self._trajectory.ground_m[step, self._foot]
        touches = np.clip(1.5 * (1 - above_m / touch_m[:, None]), 0.0, 1.0)
        activation = touches * np.maximum(loaded, UNPLANNED)[self._foot]
        arms_m = from_simulator(corners_m - bodies.centre_m[:, None])
        wanted = np.concatenate([from_simulator(wrench[:, :3]), from_simulator(wrench[:, 3:])], axis=-1)
        forces_n = continue_contact_forces(wanted, arms_m, activation, self._friction, self._settings.contacts, iterate)
        return to_simulator(forces_n), corners_m

    def compute_leg_torques_nm(self, bodies: BodyStates, forces_n: np.ndarray, corners_m: np.ndarray) -> np.ndarray:
        """Torques (N, J, 3) of the joints, in their links' frames, that bear forces on the soles (N, C, 3)."""
        moments_nm = cross(corners_m, forces_n)
        below_n, below_nm = (np.sum(self._above[:, :, None] * each[:, None], axis=2) for each in (forces_n, moments_nm))
        about_joint_nm = below_nm - cross(bodies.positions_m[:, 1:], below_n)
        return -rotate_inverse(bodies.orientations[:, 1:], about_joint_nm)

    def _joint_targets(
        self,
        steps: range,
        frame: int,
        bodies: BodyStates,
        away: TrackingError,
        feet_m: np.ndarray,
        nudges: Perturbations,
    ) -> np.ndarray:
        """Targets (S, N, J, 4) of the joints.

        A standing leg gives way to where its foot is, and turns the pelvis upright. A swinging one keeps its direction
        in the world, and lands where the body will be.
        """
        controls, loaded = self._trajectory.controls, self._trajectory.controls.loaded[steps[0], 0]
        moves_m = self._ankle_moves_m(steps[0], bodies, away, feet_m, nudges)
        turns_rad = (controls.jacobians[frame, 0] @ moves_m[..., None]).reshape(-1, 2, 3, 3)
        planned = controls.targets[steps.start : steps.stop]
        targets = np.repeat(planned, len(moves_m), axis=1)
        legs = compose(planned[:, :, self._legs], small_rotation(np.clip(turns_rad, -1.0, 1.0)))
        uprighting = _interpolate(loaded, -self._lags.uprighting, 1.0)[:, None]
        tilt_rad = rotate_inverse(bodies.root.orientation, -away.tilt_rad)
        legs[..., 0, :] = compose(small_rotation(uprighting * tilt_rad[:, None]), legs[..., 0, :])
        targets[:, :, self._legs] = legs
        return compose(targets, small_rotation(nudges.turns_rad))

    def _ankle_moves_m(
        self, step: int, bodies: BodyStates, away: TrackingError, feet_m: np.ndarray, nudges: Perturbations
    ) -> np.ndarray:
        """How far (N, 2, 3) the targets of the ankles move, seen from the pelvis."""
        controls, own = self._trajectory.controls, self._settings
        loaded = controls.loaded[step, 0]
        off_m = bodies.positions_m[:, self._ankles] - controls.ankles_m[step, 0] - away.root_m[:, None]
        feet_m[..., :2] += min(1.0, self._step_s / self._lags.stand_lag_s) * (off_m[..., :2] - feet_m[..., :2])
        feet_m[..., 2] += min(1.0, self._step_s / self._lags.swing_lag_s) * (away.root_m[:, None, 2] - feet_m[..., 2])
        captured_m = away.capture_point_error_m(self._trajectory.centre_m[step, 2])
        lands_m = np.clip(captured_m[:, None] + nudges.step_m, -own.step_limit_m, own.step_limit_m)
        moves_m = np.empty_like(feet_m)
        moves_m[..., :2] = _interpolate(loaded[:, None], feet_m[..., :2], lands_m - away.root_m[:, None, :2])
        far_m = np.hypot(moves_m[..., 0], moves_m[..., 1])
        moves_m[..., :2] *= np.minimum(1.0, own.step_limit_m / np.maximum(far_m, 1e-9))[..., None]
        moves_m[..., 2] = (1.0 - loaded) * np.clip(-feet_m[..., 2], 0.0, own.lift_limit_m)
        return moves_m


def _interpolate(share: np.ndarray, one: np.ndarray | float, other: np.ndarray | float) -> np.ndarray:
    return share * one + (1.0 - share) * other
