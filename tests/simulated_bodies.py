"""Helpers for tests of simulators: bodies and plans made from motions, and worlds with a single body."""

import numpy as np

from selfcorrect.motion.kinematics import forward_kinematics
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.body.humanoid import Humanoid, build_humanoid
from selfcorrect.simulators.clean import CleanupSettings, FitSoles, clean_motions
from selfcorrect.simulators.engines.simulator_frame import orientations_to_simulator
from selfcorrect.simulators.engines.world import RootState, World
from selfcorrect.simulators.planning.contact_plan import plan_contacts
from selfcorrect.simulators.stages.values import MotionPlan

STILL = (0.0, 0.0, 0.0)
UPRIGHT = tuple(orientations_to_simulator(np.array([0.0, 0.0, 0.0, 1.0])).tolist())
"""Orientation of an upright root in the simulator's frame."""


def clean_motion(motion: Motion) -> tuple[Humanoid, MotionBatch]:
    """Return a motion's body, and the motion of its links with planted feet."""
    batch = clean_motions(MotionBatch.stack([motion]), CleanupSettings().without_steps(FitSoles)).motions
    body = build_humanoid(motion.skeleton)
    return body, body.select_links(batch)


def make_plan(*motions: Motion, friction: float = 0.5) -> MotionPlan:
    """Plan motions without cleaning them first."""
    body = build_humanoid(motions[0].skeleton).with_minimum_inertia(0.06)
    links = body.select_links(MotionBatch.stack(motions))
    return MotionPlan(body, links, plan_contacts(body, links, friction), [()] * len(motions), friction)


def rest_points_m(body: Humanoid) -> np.ndarray:
    """Return the lowest contact points (C, 3) of a body.

    The body is in its rest pose, with its root at the origin.
    """
    still = np.tile([0.0, 0.0, 0.0, 1.0], (len(body), 1))
    return body.contact_points.lowest_points(*forward_kinematics(body.tree, np.zeros(3), still))


def rest_pose(body: Humanoid, bodies: int = 1) -> np.ndarray:
    """Return the joint rotations (N, J, 4) of the rest pose."""
    return np.tile([0.0, 0.0, 0.0, 1.0], (bodies, len(body) - 1, 1))


def no_torques(body: Humanoid, bodies: int = 1) -> np.ndarray:
    """Return zero torques or velocities (N, J, 3)."""
    return np.zeros((bodies, len(body) - 1, 3))


def state(position_m=STILL, orientation=UPRIGHT, velocity_m_s=STILL, angular_rad_s=STILL, bodies: int = 1) -> RootState:
    """Return one root state for all of `bodies` bodies."""
    columns = (position_m, orientation, velocity_m_s, angular_rad_s)
    return RootState(*(np.tile(column, (bodies, 1)) for column in columns))


def step_one(world: World, targets: np.ndarray, torques_nm: np.ndarray, force_n=STILL, torque_nm=STILL) -> None:
    """Advance a world's only body by a step.

    Targets are (1, J, 4) and torques (1, J, 3); a force and a torque act on its root.
    """
    world.step([0], targets, torques_nm, np.reshape(force_n, (1, 3)), np.reshape(torque_nm, (1, 3)))
