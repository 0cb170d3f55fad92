"""Whole-body control without residual force.

The floor exerts the wrench that would otherwise act on the root. A virtual spring and damper define the wanted force at
the body's centre of mass and the wanted moment about that centre (Pratt et al. 2001, "Virtual model control: an
intuitive approach for bipedal locomotion"). The sole corners that touch the floor provide as much of this wrench as
friction cones allow, and the joints above get the torques that bear these forces. A swinging foot lands beside its
planned position by the error of the body's capture point (Pratt et al. 2006, "Capture point: a step toward humanoid
push recovery").
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from selfcorrect.motion.geometry.rotations import compose, rotate
from selfcorrect.motion.geometry.vectors import GRAVITY_M_S2, cross, limit_factors, norms
from selfcorrect.motion.kinematics import forward_kinematics

from ..body.contact_forces import net_wrench, solve_contact_forces
from ..body.humanoid import Humanoid
from ..body.leg_ik import Legs
from ..body.soles import corner_positions
from ..engines.simulator_frame import (
    from_simulator,
    rotate_inverse,
    rotation_error,
    small_rotation,
    to_simulator,
    wrenches_from_simulator,
)
from ..engines.world import RootState, World
from ..settings.tracker import WITHOUT_RESIDUAL, TrackerSettings
from .control_sequence import ReferenceTrajectory

CONTACT_HEIGHT_M = 0.006
"""Height below which a sole corner touches, in m. Up to a third of this height, it touches fully. The height is as
small as the part of the contact spheres that sticks out of the soles, because forces planned for corners in the air
move the legs instead."""
MIN_CENTRE_HEIGHT_M = 0.1
"""Minimum height of the centre of mass when capture points are computed, in m. It matters for lying bodies."""
UNPLANNED_CONTACT_WEIGHT = 0.02
"""Weight of contacts on a foot that the plan leaves unloaded."""


@dataclass(frozen=True, eq=False)
class BodyStates:
    """States of N equal bodies, in the simulator's frame."""

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
    """(N, 3) centres of mass."""
    centre_m_s: np.ndarray
    """(N, 3) velocities of the centres of mass."""

    @classmethod
    def from_world(cls, world: World, body: Humanoid) -> Self:
        """Compute the states of a world's bodies."""
        root = world.root()
        rotations = world.rotations()
        velocities_rad_s = world.velocities_rad_s()
        lever_m = rotate(root.orientation, body.centre_m[0])
        local = np.concatenate([root.orientation[:, None], rotations], axis=1)
        positions_m, orientations = forward_kinematics(body.tree, root.position_m - lever_m, local)
        share = body.mass_kg[:, None] / body.total_mass_kg
        centres_m = positions_m + rotate(orientations, body.centre_m)
        moments_m = share * centres_m
        root_joint_m_s = root.velocity_m_s - cross(root.angular_velocity_rad_s, lever_m)
        relative_m_s = _centre_velocities_m_s(body, root, velocities_rad_s, positions_m, orientations, moments_m)
        return cls(
            root=root,
            rotations=rotations,
            velocities_rad_s=velocities_rad_s,
            positions_m=positions_m,
            orientations=orientations,
            centre_m=np.sum(moments_m, axis=1),
            centre_m_s=root_joint_m_s + relative_m_s,
        )


def _centre_velocities_m_s(
    body: Humanoid,
    root: RootState,
    velocities_rad_s: np.ndarray,
    positions_m: np.ndarray,
    orientations: np.ndarray,
    moments_m: np.ndarray,
) -> np.ndarray:
    """Return velocities (N, 3) of centres of mass relative to root joints.

    Each joint's rotation moves the mass of its subtree.

    Args:
        moments_m: (N, L, 3) centres of the links, each times the link's share of the mass.
    """
    descendants = body.tree.descendants.astype(float)
    joint_rad_s = rotate(orientations[:, 1:], velocities_rad_s)
    angular_rad_s = np.concatenate([root.angular_velocity_rad_s[:, None], joint_rad_s], axis=1)
    share = descendants @ (body.mass_kg / body.total_mass_kg)
    arms_m = descendants @ moments_m - share[:, None] * positions_m
    return np.sum(cross(angular_rad_s, arms_m), axis=1)


@dataclass(frozen=True, eq=False)
class PerBody:
    """Arrays, root states, or nested values, with a row for each of N bodies."""

    AXIS: ClassVar = 0
    """Axis of the bodies in arrays."""

    def select(self, bodies: np.ndarray) -> Self:
        """Return the rows of some bodies, which may repeat."""
        selected = [_select_values(getattr(self, field.name), bodies, self.AXIS) for field in fields(self)]
        return type(self)(*selected)

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """Concatenate the rows of all parts."""
        columns = []
        for field in fields(cls):
            columns.append(_concatenate_values([getattr(part, field.name) for part in parts], cls.AXIS))
        return cls(*columns)


def _select_values(values: Any, bodies: np.ndarray, axis: int) -> Any:
    if isinstance(values, PerBody):
        return values.select(bodies)
    if isinstance(values, RootState):
        return RootState(*(column[bodies] for column in values))
    return np.take(values, bodies, axis)


def _concatenate_values(values: Sequence[Any], axis: int) -> Any:
    if isinstance(values[0], PerBody):
        return type(values[0]).concatenate(values)
    if isinstance(values[0], RootState):
        return RootState(*map(np.concatenate, zip(*values, strict=True)))
    return np.concatenate(values, axis)


@dataclass(frozen=True, eq=False)
class Perturbations(PerBody):
    """Random perturbations of the control of N bodies."""

    force_n: np.ndarray
    """(N, 3) added to the wanted force."""
    moment_nm: np.ndarray
    """(N, 3) added to the wanted moment."""
    step_m: np.ndarray
    """(N, 2, 2) shift of landing positions, x and y."""
    turns_rad: np.ndarray
    """(N, J, 3) added to the joints' targets."""
    contact_height_m: np.ndarray
    """(N,) heights in place of `CONTACT_HEIGHT_M`."""


@dataclass(frozen=True, eq=False)
class TrackingError:
    """Deviations of N bodies from the trajectory."""

    root_m: np.ndarray
    """(N, 3) of the root's joint."""
    centre_m: np.ndarray
    """(N, 3) of the centre of mass."""
    centre_m_s: np.ndarray
    """(N, 3) of the centre of mass' velocity."""
    tilt_rad: np.ndarray
    """(N, 3) of the root's orientation, rotation vectors in the world."""
    tilt_rad_s: np.ndarray
    """(N, 3) of the root's angular velocity."""

    @classmethod
    def at_step(cls, trajectory: ReferenceTrajectory, step: int, bodies: BodyStates) -> Self:
        """Return the deviations of bodies from a step of the trajectory."""
        controls = trajectory.controls
        return cls(
            root_m=bodies.positions_m[:, 0] - trajectory.positions_m[step, 0],
            centre_m=bodies.centre_m - trajectory.centre_m[step],
            centre_m_s=bodies.centre_m_s - trajectory.centre_m_s[step],
            tilt_rad=-rotation_error(controls.goal_orientation[step], bodies.root.orientation),
            tilt_rad_s=bodies.root.angular_velocity_rad_s - controls.goal_rad_s[step],
        )

    def capture_point_error_m(self, height_m: float) -> np.ndarray:
        """Return capture point errors (N, 2) for centres of mass at a height."""
        pendulum_m = max(height_m, MIN_CENTRE_HEIGHT_M)
        seconds = np.sqrt(pendulum_m / GRAVITY_M_S2)
        return self.centre_m[:, :2] + self.centre_m_s[:, :2] * seconds


class Actuation(NamedTuple):
    """Control of N bodies in S steps."""

    targets: np.ndarray
    """(S, N, J, 4) of the joints."""
    torques_nm: np.ndarray
    """(S, N, J, 3) of the joints."""
    wrench: np.ndarray
    """(N, 6) residual force, and moment about the centre of mass. Both are zero unless a fallback is allowed."""


class WholeBodyController:
    """Control of N bodies that follow the same trajectory."""

    def __init__(self, trajectory: ReferenceTrajectory, step_s: float, settings: TrackerSettings) -> None:
        """Prepare the control.

        Args:
            step_s: Time from one command to the next.
        """
        body = trajectory.body
        drive = settings.drive
        force_limit_n = drive.force_limit_bodyweights * body.weight_n
        legs = Legs.from_skeleton(body.tree)
        self.residual_limits = np.array([force_limit_n, drive.torque_limit_nm])
        self._trajectory = trajectory
        self._step_s = step_s
        self._settings = (settings.residual_free or WITHOUT_RESIDUAL).balance
        self._feedback = settings.plan.feedback
        self._friction = self._settings.friction_share * settings.engine.friction
        self._ankles = legs.ankles
        self._leg_joints = legs.joints - 1
        self._foot_of_corner = np.repeat([0, 1], len(body.soles) // 2)
        self._is_corner_below = body.tree.descendants[1:, body.soles.joints].astype(float)
        self._torque_limits_nm = body.torque_limit_nm[1:, None]

    def command(
        self,
        steps: range,
        frame: int,
        bodies: BodyStates,
        leg_errors_m: np.ndarray,
        perturbations: Perturbations,
        bounds: np.ndarray,
    ) -> Actuation:
        """Compute the control of some steps from the state at the first.

        Args:
            steps: Simulation steps with the same control.
            frame: Frame nearest to the first step.
            leg_errors_m: (N, 2, 3) low-pass filtered errors of the legs, updated in place.
            perturbations: Random perturbations of each body.
            bounds: (N,) bounds on the residual wrench, as shares of the drive's bounds.
        """
        step = steps[0]
        error = TrackingError.at_step(self._trajectory, step, bodies)
        wanted_wrench = self.compute_wanted_wrench(step, error, perturbations)
        forces_n, corners_m = self.solve_floor_forces_n(step, bodies, wanted_wrench, perturbations.contact_height_m)
        leg_torques_nm = self.compute_leg_torques_nm(bodies, forces_n, corners_m)
        torques_nm = self._trajectory.torques_nm[step] + leg_torques_nm
        torques_nm = np.clip(torques_nm, -self._torque_limits_nm, self._torque_limits_nm)
        drive_nm = self._trajectory.drive_nm[steps.start : steps.stop, None]
        arms_m = corners_m - bodies.centre_m[:, None]
        return Actuation(
            targets=self._joint_targets(steps, frame, bodies, error, leg_errors_m, perturbations),
            torques_nm=torques_nm + drive_nm,
            wrench=self._residual_wrench(wanted_wrench, forces_n, arms_m, bounds),
        )

    def _residual_wrench(
        self, wanted_wrench: np.ndarray, forces_n: np.ndarray, arms_m: np.ndarray, bounds: np.ndarray
    ) -> np.ndarray:
        """Return the part (N, 6) of the wanted wrench that the floor cannot provide.

        Args:
            bounds: (N,) bounds on it, as shares of the drive's bounds.
        """
        if not bounds.any():
            return np.zeros_like(wanted_wrench)
        missing = (wanted_wrench - net_wrench(arms_m, forces_n)).reshape(-1, 2, 3)
        limits = bounds[:, None] * self.residual_limits
        bounded = missing * limit_factors(norms(missing), limits)[..., None]
        return bounded.reshape(-1, 6)

    def compute_wanted_wrench(self, step: int, error: TrackingError, perturbations: Perturbations) -> np.ndarray:
        """Compute the wrench that brings bodies back to the trajectory.

        Critically damped springs of rate ω ask for the acceleration −ω (ω e + 2 ė), which is added to the motion's.

        Returns:
            (N, 6) force in N, and moment about the centre of mass in N m.
        """
        settings = self._settings
        body = self._trajectory.body
        rates_rad_s = np.array([settings.horizontal_rad_s, settings.horizontal_rad_s, settings.vertical_rad_s])
        acceleration_m_s2 = -rates_rad_s * (rates_rad_s * error.centre_m + 2 * error.centre_m_s)
        limit_n = settings.force_limit_bodyweights * body.weight_n
        wanted_n = body.total_mass_kg * acceleration_m_s2 + perturbations.force_n
        force_n = self._trajectory.sole_share[step] * np.clip(wanted_n, -limit_n, limit_n)
        rate_rad_s = settings.angular_rad_s
        acceleration_rad_s2 = -rate_rad_s * (rate_rad_s * error.tilt_rad + 2 * error.tilt_rad_s)
        inertia_kgm2 = self._trajectory.controls.inertia[step, 0]
        moment_nm = np.sum(inertia_kgm2 * acceleration_rad_s2[:, None], axis=-1)
        moment_nm = moment_nm + perturbations.moment_nm
        return self._trajectory.wrench[step] + np.concatenate([force_n, moment_nm], axis=-1)

    def solve_floor_forces_n(
        self, step: int, bodies: BodyStates, wrench: np.ndarray, contact_height_m: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Solve the floor forces on sole corners that come closest to a wrench.

        Args:
            wrench: (N, 6) wanted force and moment.
            contact_height_m: (N,) height below which corners touch.

        Returns:
            Forces (N, C, 3) in N, and positions (N, C, 3) of the corners.
        """
        soles = self._trajectory.body.soles
        leg_loads = self._trajectory.controls.leg_loads[step, 0]
        corners_m = corner_positions(soles, bodies.positions_m, bodies.orientations)
        heights_m = corners_m[..., 2] - self._trajectory.ground_m[step, self._foot_of_corner]
        touches = np.clip(1.5 * (1 - heights_m / contact_height_m[:, None]), 0.0, 1.0)
        activation = touches * np.maximum(leg_loads, UNPLANNED_CONTACT_WEIGHT)[self._foot_of_corner]
        arms_m = from_simulator(corners_m - bodies.centre_m[:, None])
        wrenches = wrenches_from_simulator(wrench)
        forces_n = solve_contact_forces(
            wrenches[None], arms_m[None], activation[None], self._friction, self._settings.contacts
        )[0]
        return to_simulator(forces_n), corners_m

    def compute_leg_torques_nm(self, bodies: BodyStates, forces_n: np.ndarray, corners_m: np.ndarray) -> np.ndarray:
        """Compute joint torques that bear sole forces.

        Args:
            forces_n: (N, C, 3) on the corners of the soles.
            corners_m: (N, C, 3) positions of the corners.

        Returns:
            (N, J, 3) in the links' frames.
        """
        is_below = self._is_corner_below[:, :, None]
        moments_nm = cross(corners_m, forces_n)
        force_below_n = np.sum(is_below * forces_n[:, None], axis=2)
        moment_below_nm = np.sum(is_below * moments_nm[:, None], axis=2)
        about_joint_nm = moment_below_nm - cross(bodies.positions_m[:, 1:], force_below_n)
        return -rotate_inverse(bodies.orientations[:, 1:], about_joint_nm)

    def _joint_targets(
        self,
        steps: range,
        frame: int,
        bodies: BodyStates,
        error: TrackingError,
        leg_errors_m: np.ndarray,
        perturbations: Perturbations,
    ) -> np.ndarray:
        """Return joint targets (S, N, J, 4).

        A standing leg yields to its foot's actual position, and turns the pelvis upright. A swinging leg keeps its
        direction in the world, and lands where the body will be.
        """
        controls = self._trajectory.controls
        leg_loads = controls.leg_loads[steps[0], 0]
        moves_m = self._ankle_moves_m(steps[0], bodies, error, leg_errors_m, perturbations)
        turns_rad = (controls.jacobians[frame, 0] @ moves_m[..., None]).reshape(-1, 2, 3, 3)
        planned = controls.targets[steps.start : steps.stop]
        targets = np.repeat(planned, len(moves_m), axis=1)
        legs = compose(planned[:, :, self._leg_joints], small_rotation(np.clip(turns_rad, -1.0, 1.0)))
        uprighting = _interpolate(leg_loads, -self._feedback.uprighting, 1.0)[:, None]
        tilt_rad = rotate_inverse(bodies.root.orientation, -error.tilt_rad)
        legs[..., 0, :] = compose(small_rotation(uprighting * tilt_rad[:, None]), legs[..., 0, :])
        targets[:, :, self._leg_joints] = legs
        return compose(targets, small_rotation(perturbations.turns_rad))

    def _ankle_moves_m(
        self,
        step: int,
        bodies: BodyStates,
        error: TrackingError,
        leg_errors_m: np.ndarray,
        perturbations: Perturbations,
    ) -> np.ndarray:
        """Return displacements (N, 2, 3) of ankle targets relative to the pelvis.

        Leg errors are updated in place.
        """
        controls = self._trajectory.controls
        settings = self._settings
        leg_loads = controls.leg_loads[step, 0]
        root_m = error.root_m[:, None]
        stand_rate = min(1.0, self._step_s / self._feedback.stand_lag_s)
        swing_rate = min(1.0, self._step_s / self._feedback.swing_lag_s)
        ankle_errors_m = bodies.positions_m[:, self._ankles] - controls.ankles_m[step, 0] - root_m
        stand_rates = _interpolate(leg_loads[:, None], stand_rate, 1.0)
        leg_errors_m[..., :2] += stand_rates * (ankle_errors_m[..., :2] - leg_errors_m[..., :2])
        leg_errors_m[..., 2] += swing_rate * (root_m[..., 2] - leg_errors_m[..., 2])
        captured_m = error.capture_point_error_m(self._trajectory.centre_m[step, 2])
        landing_m = captured_m[:, None] + perturbations.step_m
        landing_m = np.clip(landing_m, -settings.step_limit_m, settings.step_limit_m)
        moves_m = np.empty_like(leg_errors_m)
        moves_m[..., :2] = _interpolate(leg_loads[:, None], leg_errors_m[..., :2], landing_m - root_m[..., :2])
        distances_m = np.hypot(moves_m[..., 0], moves_m[..., 1])
        moves_m[..., :2] *= limit_factors(distances_m, settings.step_limit_m)[..., None]
        moves_m[..., 2] = (1.0 - leg_loads) * np.clip(-leg_errors_m[..., 2], 0.0, settings.lift_limit_m)
        return moves_m


def _interpolate(share: np.ndarray, value_at_1: np.ndarray | float, value_at_0: np.ndarray | float) -> np.ndarray:
    return share * value_at_1 + (1.0 - share) * value_at_0
