"""Targets, torques and goals of each step, computed before the simulation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from selfcorrect.motion.geometry.rotations import compose, invert, rotate, rotation_vectors, to_matrices
from selfcorrect.motion.geometry.vectors import GRAVITY_M_S2, limit_factors
from selfcorrect.motion.kinematics import forward_kinematics
from selfcorrect.motion.support import ground_of_feet_m

from ..body.contact_forces import net_wrench
from ..body.dynamics import compute_joint_torques, compute_whole_inertia
from ..body.humanoid import Humanoid
from ..body.leg_ik import Legs, solve_leg_ik
from ..body.soles import split_by_foot
from ..engines.simulator_frame import (
    TO_SIMULATOR,
    orientations_to_simulator,
    tensors_to_simulator,
    to_simulator,
    wrenches_to_simulator,
)
from ..engines.world import Reference, RootState, World, interpolate_frames, rotation_velocities, velocities_m_s
from ..settings.tracker import TrackerSettings
from ..stages.scene import PLAIN, Scene
from ..stages.staging import compute_push_n
from ..stages.values import ContactPlan, MotionPlan

JACOBIAN_STEP_M = 0.012
"""Finite difference step of the leg Jacobians, in m."""
MAX_JACOBIAN_RAD_M = 8.0
"""Maximum size of Jacobian entries, in rad/m. The Jacobian is singular for a straight leg."""


@dataclass(frozen=True, eq=False)
class ControlSequence:
    """Control of N bodies over S steps, in the simulator's frame."""

    goal_m: np.ndarray
    """(S + 1, N, 3) goal of the root's centre of mass, at each step and after the last."""
    goal_orientation: np.ndarray
    """(S + 1, N, 4) goal of the root's orientation."""
    goal_m_s: np.ndarray
    """(S + 1, N, 3) goal velocity of the root's centre of mass."""
    goal_rad_s: np.ndarray
    """(S + 1, N, 3) goal angular velocity of the root."""
    rotations: np.ndarray
    """(2, N, J, 4) joint rotations at the start and one step later."""
    targets: np.ndarray
    """(S, N, J, 4) targets of the joint drives."""
    torques_nm: np.ndarray
    """(S, N, J, 3) feed-forward joint torques."""
    unexplained: np.ndarray
    """(S, N, 6) wrench that contacts leave unexplained."""
    inertia: np.ndarray
    """(S, N, 3, 3) inertia of the whole body about its centre of mass, in kg m²."""
    lever_m: np.ndarray
    """(S, N, 3) from the root's centre of mass to the body's."""
    push_n: np.ndarray
    """(S, N, 3) push of the scene on the root, beside the residual wrench."""
    leg_loads: np.ndarray
    """(S, N, 2) planned load of each leg, in [0, 1]."""
    ankles_m: np.ndarray
    """(S, N, 2, 3) planned positions of the ankles."""
    jacobians: np.ndarray
    """(T, N, 2, 9, 3) rotations of hip, knee and ankle per metre of ankle displacement."""

    def goal(self, step: int, bodies: slice = slice(None)) -> RootState:
        """Return the goals of some bodies' roots at a step."""
        return RootState(
            self.goal_m[step, bodies],
            self.goal_orientation[step, bodies],
            self.goal_m_s[step, bodies],
            self.goal_rad_s[step, bodies],
        )

    @classmethod
    def concatenate(cls, sequences: Sequence[ControlSequence]) -> ControlSequence:
        """Concatenate the sequences of all bodies.

        Steps beyond the end of a shorter sequence are 0.
        """
        columns = []
        for field in fields(cls):
            columns.append(_concatenate_padded([getattr(sequence, field.name) for sequence in sequences]))
        return cls(*columns)


def _concatenate_padded(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Concatenate arrays (S, N, ...) along N, with zeros after the end of shorter ones."""
    if len(parts) == 1:
        return parts[0]
    steps = max(map(len, parts))
    bodies = sum(part.shape[1] for part in parts)
    joined = np.zeros((steps, bodies, *parts[0].shape[2:]))
    start = 0
    for part in parts:
        joined[: len(part), start : start + part.shape[1]] = part
        start += part.shape[1]
    return joined


def make_control_sequence(
    world: World, planned: MotionPlan, settings: TrackerSettings, scene: Scene = PLAIN
) -> ControlSequence:
    """Compute the control sequence of planned motions."""
    body = planned.body
    contacts = planned.contacts
    demand = contacts.demand
    fps = planned.motions.fps
    times_s = _simulation_times_s(planned, settings)
    step_s = times_s[1]
    reference = _make_reference(planned)
    rotations = reference.rotations(times_s)
    orientations = rotations[:, :, 0]
    lever_m = _rotate_vector(orientations, body.centre_m[0])
    centre_m = reference.positions_m(times_s) + lever_m

    def at_steps(values: np.ndarray) -> np.ndarray:
        return interpolate_frames(np.swapaxes(values, 0, 1), fps, times_s[:-1])

    forward_nm = compute_joint_torques(body, demand, contacts.force_n, contacts.points_m)
    targets, torques_nm = world.drive(body, reference, times_s[:-1], at_steps(forward_nm))
    # In a scene this force would hold bodies on paths that gravity there forbids.
    unexplained = contacts.unexplained.copy()
    unexplained[..., :3] *= scene.is_plain
    planned_lever_m = _rotate_vector(demand.orientations[:, :, 0], body.centre_m[0])
    root_centre_m = demand.positions_m[:, :, 0] + planned_lever_m
    legs = Legs.from_skeleton(body.tree)
    ankles_m = demand.positions_m[:, :, legs.ankles]
    jacobians = compute_leg_jacobians(body, contacts)
    jacobians = jacobians @ TO_SIMULATOR.T
    jacobians = jacobians.reshape(*jacobians.shape[:3], 9, 3)
    push_n = to_simulator(compute_push_n(scene, times_s[:-1]))
    goal_orientation = orientations_to_simulator(orientations.reshape(-1, 4))
    leg_loads = _leg_loads(planned, settings.plan.feedback.full_load_bodyweights)
    return ControlSequence(
        goal_m=to_simulator(centre_m),
        goal_orientation=goal_orientation.reshape(orientations.shape),
        goal_m_s=to_simulator(velocities_m_s(centre_m, step_s)),
        goal_rad_s=to_simulator(rotation_velocities(orientations, step_s)),
        rotations=rotations[:2, :, 1:],
        targets=targets,
        torques_nm=torques_nm,
        unexplained=at_steps(wrenches_to_simulator(unexplained)),
        inertia=at_steps(tensors_to_simulator(compute_whole_inertia(body, demand))),
        lever_m=at_steps(to_simulator(demand.centre_m - root_centre_m)),
        push_n=np.repeat(push_n[:, None], len(planned), axis=1),
        leg_loads=at_steps(leg_loads),
        ankles_m=at_steps(to_simulator(ankles_m)),
        jacobians=np.swapaxes(jacobians, 0, 1),
    )


def _simulation_times_s(planned: MotionPlan, settings: TrackerSettings) -> np.ndarray:
    """Return the times (S + 1,) of all steps, and of their end."""
    fps = planned.motions.fps
    substeps = settings.engine.steps_per_frame(fps)
    return np.arange((planned.frames - 1) * substeps + 1) / (fps * substeps)


def _make_reference(planned: MotionPlan) -> Reference:
    """Return splines through the planned motions."""
    motions = planned.motions
    return Reference.from_frames(np.swapaxes(motions.root_m, 0, 1), np.swapaxes(motions.rotations, 0, 1), motions.fps)


def compute_leg_jacobians(body: Humanoid, plans: ContactPlan) -> np.ndarray:
    """Compute leg Jacobians by central differences of inverse kinematics.

    Root and feet keep their orientations.

    Args:
        plans: Contact plans of N motions of T frames, which contain their poses.

    Returns:
        (N, T, 2, 3 joints, 3, 3) rotation vectors of hip, knee and ankle in the links' frames per metre of ankle
        displacement. The last axis is the direction of the displacement in the world, y up.
    """
    legs = Legs.from_skeleton(body.tree)
    pose = (body.tree, plans.demand.positions_m, plans.demand.orientations)
    ankles_m = plans.demand.positions_m[:, :, legs.ankles]
    steps_m = JACOBIAN_STEP_M * np.stack([-np.eye(3), np.eye(3)])
    moved_m = ankles_m + steps_m[:, :, None, None, None]
    rotations = solve_leg_ik(*pose, None, moved_m)
    behind, ahead = rotations[..., legs.joints, :]
    turns_rad = rotation_vectors(compose(invert(behind), ahead))
    jacobians = np.moveaxis(turns_rad, 0, -1) / (2 * JACOBIAN_STEP_M)
    largest = np.abs(jacobians).max((-3, -2, -1), keepdims=True)
    return jacobians * limit_factors(largest, MAX_JACOBIAN_RAD_M)  # hip and knee bend in concert


def _leg_loads(planned: MotionPlan, full_load_bodyweights: float) -> np.ndarray:
    """Return each leg's planned load (N, T, 2) in [0, 1]."""
    body = planned.body
    corners_n = planned.contacts.force_n[:, :, : len(body.soles), 1]
    load_n = split_by_foot(corners_n, axis=2).sum(-1)
    full_load_n = full_load_bodyweights * body.total_mass_kg * GRAVITY_M_S2
    return np.clip(load_n / full_load_n, 0.0, 1.0)


def _rotate_vector(orientations: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Rotate a vector (3,) by quaternions (..., 4)."""
    return np.einsum("...ij,j->...i", to_matrices(orientations), vector)


@dataclass(frozen=True, eq=False)
class ReferenceTrajectory:
    """Trajectory that a body follows without residual force.

    Arrays have a row for each of S simulation steps, in the simulator's frame. Those with S + 1 rows include the state
    after the last step.
    """

    body: Humanoid
    controls: ControlSequence
    """Control sequence of the same body with residual force."""
    positions_m: np.ndarray
    """(S + 1, L, 3) of the links' joints."""
    centre_m: np.ndarray
    """(S + 1, 3) position of the body's centre of mass."""
    centre_m_s: np.ndarray
    """(S + 1, 3) velocity of the body's centre of mass."""
    wrench: np.ndarray
    """(S, 6) wrench about the centre of mass that the soles must provide."""
    sole_share: np.ndarray
    """(S,) share of the upward force planned on soles. The rest acts on trunk and thighs and comes from a seat without
    any control."""
    torques_nm: np.ndarray
    """(S, J, 3) joint torques without sole contact."""
    drive_nm: np.ndarray
    """(S, J, 3) torques of the joint drives, to be added."""
    ground_m: np.ndarray
    """(S, 2) height of the ground beneath each foot."""


def make_reference_trajectory(
    world: World, planned: MotionPlan, settings: TrackerSettings, scene: Scene = PLAIN
) -> ReferenceTrajectory:
    """Compute the trajectory of a planned motion."""
    body = planned.body
    contacts = planned.contacts
    fps = planned.motions.fps
    times_s = _simulation_times_s(planned, settings)
    reference = _make_reference(planned)
    rotations = reference.rotations(times_s)
    positions_m, orientations = forward_kinematics(body.tree, reference.positions_m(times_s)[:, 0], rotations[:, 0])
    centres_m = positions_m + rotate(orientations, body.centre_m)
    centre_m = to_simulator(np.sum(body.mass_kg[:, None] * centres_m, axis=1) / body.total_mass_kg)
    not_soles_n = contacts.force_n.copy()
    not_soles_n[:, :, : len(body.soles)] = 0.0
    arms_m = contacts.points_m - contacts.demand.centre_m[:, :, None]
    wrench = contacts.demand.wrench - net_wrench(arms_m, not_soles_n)
    upward_n = contacts.force_n[0, ..., 1]
    seated_n = upward_n[:, np.isin(body.contact_points.links, body.trunk_and_thighs)].sum(axis=-1)
    sole_share = 1.0 - seated_n / np.maximum(upward_n.sum(axis=-1), 1e-9)
    torques_nm = compute_joint_torques(body, contacts.demand, not_soles_n, contacts.points_m)
    no_torques_nm = np.zeros((len(times_s) - 1, 1, len(body) - 1, 3))
    _, drive_nm = world.drive(body, reference, times_s[:-1], no_torques_nm)
    ground_m = ground_of_feet_m(planned.supports[0], planned.frames)
    return ReferenceTrajectory(
        body=body,
        controls=make_control_sequence(world, planned, settings, scene),
        positions_m=to_simulator(positions_m),
        centre_m=centre_m,
        centre_m_s=velocities_m_s(centre_m, times_s[1]),
        wrench=interpolate_frames(wrenches_to_simulator(wrench[0]), fps, times_s[:-1]),
        sole_share=interpolate_frames(sole_share, fps, times_s[:-1]),
        torques_nm=interpolate_frames(torques_nm[0], fps, times_s[:-1]),
        drive_nm=drive_nm[:, 0],
        ground_m=interpolate_frames(ground_m, fps, times_s[:-1]),
    )
