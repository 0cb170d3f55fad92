"""What bodies are given, step by step, while they follow their motions: all that is known before they start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.motion.geometry.kinematics import forward_kinematics
from selfcorrect.motion.geometry.rotations import compose, invert, rotate, rotation_vectors
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.support import ground_of_feet_m

from ..body.frames import (
    Y_UP_TO_Z_UP,
    orientations_to_simulator,
    tensors_to_simulator,
    to_simulator,
)
from ..body.humanoid import GRAVITY_M_S2, Humanoid
from ..body.leg_ik import Legs, solve_leg_ik
from ..contacts.contact_plan import ContactPlan, net_wrench
from ..contacts.dynamics import compute_joint_torques
from ..engines.world import (
    Reference,
    RootState,
    World,
    interpolate_frames,
    rotation_velocities,
    velocities_m_s,
)
from ..settings.tracker import TrackerSettings
from ..stages.scene import PLAIN, Scene
from ..stages.staging import push_n
from ..stages.values import MotionPlan

DIFFERENCE_M = 0.012


STEEPEST_RAD_M = 8.0
"""Step of the finite differences, and bound on the Jacobian near the straight leg, where it is singular."""


@dataclass(frozen=True, eq=False)
class ControlSequence:
    """What N bodies are given at each of S simulation steps, in the simulator's frame."""

    goal_m: np.ndarray
    """(S + 1, N, 3) where the root's centre of mass should be, at each step and after the last."""
    goal_orientation: np.ndarray
    """(S + 1, N, 4)."""
    goal_m_s: np.ndarray
    """(S + 1, N, 3)."""
    goal_rad_s: np.ndarray
    """(S + 1, N, 3)."""
    rotations: np.ndarray
    """(2, N, J, 4) of the joints at the start and a step later."""
    targets: np.ndarray
    """(S, N, J, 4) of the joints' drives."""
    torques_nm: np.ndarray
    """(S, N, J, 3) of the joints."""
    rest: np.ndarray
    """(S, N, 6) wrench that contacts leave unexplained."""
    inertia: np.ndarray
    """(S, N, 3, 3) of the whole body about its centre of mass, kg m²."""
    lever_m: np.ndarray
    """(S, N, 3) from the root's centre of mass to the body's."""
    push_n: np.ndarray
    """(S, N, 3) that pushes the root beside the wrench."""
    loaded: np.ndarray
    """(S, N, 2) in [0, 1], whether each leg is to bear weight."""
    ankles_m: np.ndarray
    """(S, N, 2, 3) where the ankles should be."""
    jacobians: np.ndarray
    """(T, N, 2, 9, 3) turns of the legs' joints per metre by which the ankle shall move, per frame."""

    def goal(self, step: int, bodies: slice = slice(None)) -> RootState:
        """How the roots of some bodies should be at a step."""
        columns = (self.goal_m, self.goal_orientation, self.goal_m_s, self.goal_rad_s)
        return RootState(*(column[step, bodies] for column in columns))

    @classmethod
    def concatenate(cls, sequences: Sequence[ControlSequence]) -> ControlSequence:
        """All bodies of some sequences; what is beyond the end of a shorter one is 0."""
        return cls(*(_concatenate_padded([getattr(each, field.name) for each in sequences]) for field in fields(cls)))


def _concatenate_padded(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays (S, N, ...) of any S and N joined along N."""
    if len(parts) == 1:
        return parts[0]
    whole = np.zeros((max(map(len, parts)), sum(part.shape[1] for part in parts), *parts[0].shape[2:]))
    start = 0
    for part in parts:
        whole[: len(part), start : start + part.shape[1]] = part
        start += part.shape[1]
    return whole


def make_control_sequence(
    world: World, planned: MotionPlan, settings: TrackerSettings, scene: Scene = PLAIN
) -> ControlSequence:
    """The controls of planned motions in a scene, for a world in which their body is built."""
    body, plan, fps = planned.body, planned.contacts, planned.links.fps
    substeps = settings.engine.steps_per_frame(fps)
    times_s = np.arange((planned.frames - 1) * substeps + 1) / (fps * substeps)
    step_s = times_s[1]
    root_m, rotations = (np.swapaxes(each, 0, 1) for each in (planned.links.root_m, planned.links.rotations))
    reference = Reference.from_frames(root_m, rotations, fps)
    followed = reference.rotations(times_s)
    orientations = followed[:, :, 0]
    centre_m = reference.positions_m(times_s) + _rotate_vector(orientations, body.centre_m[0])

    def at_steps(values: np.ndarray) -> np.ndarray:
        return interpolate_frames(np.swapaxes(values, 0, 1), fps, times_s[:-1])

    forward_nm = compute_joint_torques(body, plan.needs, plan.force_n, plan.points_m)
    targets, torques_nm = world.drive(body, reference, times_s[:-1], at_steps(forward_nm))
    rest_n = plan.rest[..., :3] * scene.is_plain  # in a scene it would hold bodies on paths that gravity there forbids
    root_centre_m = plan.needs.positions_m[:, :, 0] + _rotate_vector(plan.needs.orientations[:, :, 0], body.centre_m[0])
    ankles_m = plan.needs.positions_m[:, :, Legs.from_skeleton(body.tree).ankles]
    own = compute_leg_jacobians(body, planned.links, plan)
    jacobians = (own @ Y_UP_TO_Z_UP.as_matrix().T).reshape(*own.shape[:3], 9, 3)
    return ControlSequence(
        goal_m=to_simulator(centre_m),
        goal_orientation=orientations_to_simulator(orientations.reshape(-1, 4)).reshape(orientations.shape),
        goal_m_s=to_simulator(velocities_m_s(centre_m, step_s)),
        goal_rad_s=to_simulator(rotation_velocities(orientations, step_s)),
        rotations=followed[:2, :, 1:],
        targets=targets,
        torques_nm=torques_nm,
        rest=at_steps(np.concatenate([to_simulator(rest_n), to_simulator(plan.rest[..., 3:])], axis=-1)),
        inertia=at_steps(tensors_to_simulator(plan.needs.inertia_kgm2)),
        lever_m=at_steps(to_simulator(plan.needs.centre_m - root_centre_m)),
        push_n=np.repeat(to_simulator(push_n(scene, times_s[:-1]))[:, None], len(planned), axis=1),
        loaded=at_steps(_leg_loads(planned, settings.plan.feedback.full_load_bodyweights)),
        ankles_m=at_steps(to_simulator(ankles_m)),
        jacobians=np.swapaxes(jacobians, 0, 1),
    )


def compute_leg_jacobians(body: Humanoid, motions: MotionBatch, plans: ContactPlan) -> np.ndarray:
    """Turns (N, T, 2, 3 joints, 3) of hip, knee and ankle per metre by which the ankle shall move.

    Rotation vectors in the links' frames; the last axis is the ankle's direction in the world, y up. Root and foot keep
    their orientation.
    """
    legs = Legs.from_skeleton(body.tree)
    joints = np.stack([legs.hips, legs.knees, legs.ankles], axis=-1)
    pose = (body.tree, plans.needs.positions_m, plans.needs.orientations)
    ankles_m = plans.needs.positions_m[:, :, legs.ankles]
    still_m = np.zeros_like(motions.root_m)
    upright = np.broadcast_to([0.0, 0.0, 0.0, 1.0], (*ankles_m.shape[:-1], 4))

    steps_m = DIFFERENCE_M * np.stack([-np.eye(3), np.eye(3)])
    bent = solve_leg_ik(*pose, still_m, ankles_m + steps_m[:, :, None, None, None], upright)[..., joints, :]
    turns = rotation_vectors(compose(invert(bent[0]), bent[1]))
    jacobians = np.moveaxis(turns, 0, -1) / (2 * DIFFERENCE_M)
    steepest = np.abs(jacobians).max((-3, -2, -1), keepdims=True)
    return jacobians * np.minimum(1.0, STEEPEST_RAD_M / np.maximum(steepest, 1e-9))  # hip and knee bend in concert


def _leg_loads(planned: MotionPlan, full_load_bodyweights: float) -> np.ndarray:
    """(N, T, 2) in [0, 1] whether each leg is planned to bear weight."""
    body = planned.body
    corners_n = planned.contacts.force_n[:, :, : len(body.soles), 1]
    load_n = corners_n.reshape(*corners_n.shape[:2], 2, -1).sum(-1)
    return np.clip(load_n / (full_load_bodyweights * body.total_mass_kg * GRAVITY_M_S2), 0.0, 1.0)


def _rotate_vector(orientations: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """A vector (3,) turned by each of quaternions (..., 4)."""
    return Rotation.from_quat(orientations.reshape(-1, 4)).apply(vector).reshape(*orientations.shape[:-1], 3)


@dataclass(frozen=True, eq=False)
class ReferenceTrajectory:
    """What a body without help is to follow, in the simulator's frame: one motion at each of S simulation steps.

    Where it says so, after the last as well.
    """

    body: Humanoid
    controls: ControlSequence
    """What a body with help is given."""
    positions_m: np.ndarray
    """(S + 1, L, 3) of the links' joints."""
    centre_m: np.ndarray
    """(S + 1, 3) of the body's centre of mass."""
    centre_m_s: np.ndarray
    """(S + 1, 3)."""
    wrench: np.ndarray
    """(S, 6) that the soles must give, about that centre."""
    torques_nm: np.ndarray
    """(S, J, 3) of the joints, were there nothing beneath the soles."""
    drive_nm: np.ndarray
    """(S, J, 3) that the joints' drive takes beside them."""
    ground_m: np.ndarray
    """(S, 2) height of what is beneath each foot."""


def make_reference_trajectory(
    world: World, planned: MotionPlan, settings: TrackerSettings, scene: Scene = PLAIN
) -> ReferenceTrajectory:
    """The trajectory of the one motion that is planned, for a world in which its body is built."""
    body, plan, links = planned.body, planned.contacts, planned.links
    fps, substeps = links.fps, settings.engine.steps_per_frame(links.fps)
    times_s = np.arange((planned.frames - 1) * substeps + 1) / (fps * substeps)
    reference = Reference.from_frames(np.swapaxes(links.root_m, 0, 1), np.swapaxes(links.rotations, 0, 1), fps)
    rotations = reference.rotations(times_s)
    positions_m, orientations = forward_kinematics(body.tree, reference.positions_m(times_s)[:, 0], rotations[:, 0])
    centres_m = positions_m + rotate(orientations, body.centre_m)
    centre_m = to_simulator(np.sum(body.mass_kg[:, None] * centres_m, axis=1) / body.total_mass_kg)
    not_soles_n = plan.force_n.copy()
    not_soles_n[:, :, : len(body.soles)] = 0.0
    arms_m = plan.points_m - plan.needs.centre_m[:, :, None]
    wrench = plan.needs.wrench - net_wrench(arms_m, not_soles_n)
    torques_nm = compute_joint_torques(body, plan.needs, not_soles_n, plan.points_m)
    _, drive_nm = world.drive(body, reference, times_s[:-1], np.zeros((len(times_s) - 1, 1, len(body) - 1, 3)))

    def at_steps(values: np.ndarray) -> np.ndarray:
        return interpolate_frames(values[0], fps, times_s[:-1])

    return ReferenceTrajectory(
        body=body,
        controls=make_control_sequence(world, planned, settings, scene),
        positions_m=to_simulator(positions_m),
        centre_m=centre_m,
        centre_m_s=velocities_m_s(centre_m, times_s[1]),
        wrench=at_steps(np.concatenate([to_simulator(wrench[..., :3]), to_simulator(wrench[..., 3:])], axis=-1)),
        torques_nm=at_steps(torques_nm),
        drive_nm=drive_nm[:, 0],
        ground_m=interpolate_frames(ground_of_feet_m(planned.supports[0], planned.frames), fps, times_s[:-1]),
    )
