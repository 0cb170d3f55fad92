"""Tracker: a simulated humanoid follows a motion by joint drives, feed-forward and a bounded root wrench."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.motion.correction.support import Support
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.body.frames import (
    from_simulator,
    orientations_from_simulator,
    orientations_to_simulator,
    tensors_to_simulator,
    to_simulator,
)
from selfcorrect.simulators.body.humanoid import Humanoid
from selfcorrect.simulators.body.vectors import Numbers, cross
from selfcorrect.simulators.engines.props import present
from selfcorrect.simulators.engines.world import PerJoint, RootState, World
from selfcorrect.simulators.planning.contact_plan import ContactPlan
from selfcorrect.simulators.planning.dynamics import joint_torques
from selfcorrect.simulators.planning.reference import Reference, between_frames, rotation_velocities
from selfcorrect.simulators.scene import PLAIN, Scene
from selfcorrect.simulators.settings import TrackerSettings
from selfcorrect.simulators.staging import push_n
from selfcorrect.simulators.tracking.leg_feedback import LegFeedback
from selfcorrect.simulators.tracking.root_wrench import root_wrench


@dataclass(frozen=True, eq=False)
class Track:
    """What the bodies did.

    motion: on the body's tree, the last good pose held where the body was given up; wrench: (S, 6) residual root force
    (N) and moment about the centre of mass (N m) of every simulation step, world; loads_n: (F, L) vertical force of the
    surroundings on each link in the last step before each frame but the first; lost_at: frame at which the body was
    given up, None if it held out to the end.
    """

    motion: Motion
    wrench: np.ndarray
    loads_n: np.ndarray
    lost_at: int | None


class Step(NamedTuple):
    """What one simulation step is given, in the simulator's frame.

    rest: (6,) wrench that contacts leave unexplained; inertia: (9,) of the whole body about its centre of mass;
    lever_m: (3,) from the root's centre of mass to the body's.
    """

    targets: PerJoint
    torques_nm: PerJoint
    rest: Numbers
    inertia: Numbers
    lever_m: Numbers


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Tracking makes no cycles, and every collection would scan all the lists that it prepares."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@_no_garbage_collection()
def follow(
    world: World,
    body: Humanoid,
    motion: Motion,
    plan: ContactPlan,
    jacobians: np.ndarray,
    settings: TrackerSettings,
    supports: Sequence[Support] = (),
    scene: Scene = PLAIN,
) -> Track:
    """Simulate `body` following `motion` (on the body's tree, two frames or more), as explained by `plan`.

    `plan`, `jacobians` (T, 2, 3, 3, 3), see `leg_jacobians`, and `supports` are of this motion alone. A push of
    the scene is no help, and not told as such.
    """
    substeps = settings.engine.steps_per_frame(motion.fps)
    times_s = np.arange((len(motion) - 1) * substeps + 1) / (motion.fps * substeps)
    reference = Reference.through(motion.root_m, motion.rotations, motion.fps)
    world.build(body, times_s[1], supports)
    presence = present(supports, len(motion))
    goals = _root_goals(body, reference, times_s)
    steps = _steps(world, body, reference, plan, motion.fps, times_s[:-1])
    _start(world, goals[0], reference.rotations(times_s[:2])[:, 1:], times_s[1])

    wrench = root_wrench(settings.drive, body.total_mass_kg)
    anchors = LegFeedback(body, plan, jacobians, motion.fps, times_s[:-1], settings.plan.feedback)
    pushes_n = to_simulator(push_n(scene, times_s[:-1])).tolist()
    poses, wrenches, loads_n, lost_at = [(world.root(), world.rotations())], [], [], None
    for count, (goal, step) in enumerate(zip(goals, steps, strict=False), start=1):
        root = world.root()
        force_n, moment_nm = wrench(goal, root, step.rest, step.inertia)
        lever_nm = cross(step.lever_m, force_n)
        pushed_n = [one + other for one, other in zip(force_n, pushes_n[count - 1], strict=True)]
        torque_nm = (moment_nm[0] + lever_nm[0], moment_nm[1] + lever_nm[1], moment_nm[2] + lever_nm[2])
        targets = anchors.move(count - 1, step.targets, goal, root, world.positions_m(anchors.ankles))
        if supports and (count - 1) % substeps == 0:
            world.show(presence[(count - 1) // substeps])
        world.step(targets, step.torques_nm, pushed_n, torque_nm)
        wrenches.append(force_n + moment_nm)
        if count % substeps == 0:
            root = world.root()
            loads_n.append(world.loads_n())
            if not math.dist(root.position_m, goals[count].position_m) < settings.acceptance.lost_root_m:
                lost_at = count // substeps
                break
            poses.append((root, world.rotations()))
    poses += poses[-1:] * (len(motion) - len(poses))
    return Track(_as_motion(body, motion, poses), _wrenches_world(wrenches), np.array(loads_n), lost_at)


def _root_goals(body: Humanoid, reference: Reference, times_s: np.ndarray) -> list[RootState]:
    """The reference root at equally spaced times (S,), in the simulator's frame."""
    step_s = times_s[1]
    root_m, orientations = reference.positions_m(times_s), reference.rotations(times_s)[:, 0]
    centre_m = root_m + Rotation.from_quat(orientations).apply(body.centre_m[0])
    columns = (
        to_simulator(centre_m),
        orientations_to_simulator(orientations),
        to_simulator(np.gradient(centre_m, step_s, axis=0)),
        to_simulator(rotation_velocities(orientations, step_s)),
    )
    return [RootState(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def _steps(
    world: World, body: Humanoid, reference: Reference, plan: ContactPlan, fps: float, times_s: np.ndarray
) -> list[Step]:
    """The plan and the drive at every step's time (S,)."""
    root_m = plan.needs.positions_m[:, 0]
    centre_m = root_m + Rotation.from_quat(plan.needs.orientations[:, 0]).apply(body.centre_m[0])
    rest = np.concatenate([to_simulator(plan.rest[:, :3]), to_simulator(plan.rest[:, 3:])], axis=-1)
    lever_m = to_simulator(plan.needs.centre_m - centre_m)
    inertia = tensors_to_simulator(plan.needs.inertia_kgm2).reshape(-1, 9)
    forward_nm = joint_torques(body, plan.needs, plan.force_n, plan.points_m)
    targets, torques_nm = world.drive(reference, times_s, between_frames(forward_nm, fps, times_s))
    aids = (between_frames(values, fps, times_s).tolist() for values in (rest, inertia, lever_m))
    return [Step(*row) for row in zip(targets, torques_nm, *aids, strict=True)]


def _start(world: World, goal: RootState, rotations: np.ndarray, step_s: float) -> None:
    """Put the body on its reference, moving with it; rotations: (2, L − 1, 4) of the joints now and a step later."""
    turns = Rotation.from_quat(rotations[0]).inv() * Rotation.from_quat(rotations[1])
    world.reset(goal, rotations[0].tolist(), (turns.as_rotvec() / step_s).tolist())


def _as_motion(body: Humanoid, motion: Motion, poses: list[tuple[RootState, list[Numbers]]]) -> Motion:
    """Simulated poses as a motion of the body's tree in the world."""
    orientations = orientations_from_simulator(np.array([root.orientation for root, _ in poses]))
    centre_m = from_simulator(np.array([root.position_m for root, _ in poses]))
    root_m = centre_m - Rotation.from_quat(orientations).apply(body.centre_m[0])
    joints = np.array([rotations for _, rotations in poses])
    return replace(motion, root_m=root_m, rotations=np.concatenate([orientations[:, None], joints], axis=1))


def _wrenches_world(wrenches: list[tuple[float, ...]]) -> np.ndarray:
    forces_and_moments = np.array(wrenches).reshape(-1, 2, 3)
    return from_simulator(forces_and_moments).reshape(-1, 6)
