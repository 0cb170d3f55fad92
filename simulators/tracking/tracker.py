"""Tracking of planned motions by simulated humanoids.

Each body follows its plan with joint drives, feed-forward torques and a bounded wrench on the root.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from selfcorrect.motion.geometry.compiled import find_kernel
from selfcorrect.motion.geometry.rotations import compose, invert, rotation_vectors, to_matrices
from selfcorrect.motion.geometry.vectors import GRAVITY_M_S2, cross, limit_factors, norms
from selfcorrect.runtime.progress import report_progress

from ..body.leg_ik import Legs
from ..engines.simulator_frame import (
    from_simulator,
    orientations_from_simulator,
    rotate_inverse,
    rotation_error,
    small_rotation,
    wrenches_from_simulator,
)
from ..engines.support_colliders import find_present_supports
from ..engines.world import RootState, World
from ..settings.plan import PLAN, FeedbackSettings
from ..settings.tracker import DriveSettings, TrackerSettings
from ..stages.scene import PLAIN, Scene
from ..stages.values import MotionPlan, SimulatedMotion
from .control_sequence import ControlSequence, make_control_sequence


@dataclass(frozen=True, eq=False)
class BodyTrajectories:
    """Trajectories of N simulated bodies, in the simulator's frame.

    Arrays are (T, N, ...) at frames, except for the wrench, which is (S, N, 6) at steps.
    """

    centre_m: np.ndarray
    orientations: np.ndarray
    rotations: np.ndarray
    loads_n: np.ndarray
    wrench: np.ndarray
    lost_at: np.ndarray
    """(N,) frame at which each body was lost; 0 if it was not."""

    def record_frame(self, frame: int, world: World) -> None:
        """Record the bodies' states at a frame."""
        root = world.root()
        self.centre_m[frame] = root.position_m
        self.orientations[frame] = root.orientation
        self.rotations[frame] = world.rotations()

    def to_simulated_motions(self, planned: MotionPlan, first: int) -> list[SimulatedMotion]:
        """Return the simulated motions of a plan.

        Args:
            first: Index of the body of the plan's first motion.
        """
        bodies = slice(first, first + len(planned))
        frames = planned.frames
        simulated_orientations = self.orientations[:frames, bodies]
        orientations = orientations_from_simulator(simulated_orientations.reshape(-1, 4))
        lever_m = to_matrices(orientations) @ planned.body.centre_m[0]
        centre_m = from_simulator(self.centre_m[:frames, bodies])
        root_m = centre_m - lever_m.reshape(frames, -1, 3)
        roots = orientations.reshape(frames, -1, 1, 4)
        rotations = np.concatenate([roots, self.rotations[:frames, bodies]], axis=2)
        wrench = wrenches_from_simulator(self.wrench[:, bodies])
        simulated = []
        for index, lost_at in enumerate(self.lost_at[bodies].tolist()):
            last = lost_at or frames - 1
            last_good = (lost_at or frames) - 1
            rows = np.minimum(np.arange(frames), last_good)
            motion = replace(planned.motions[index], root_m=root_m[rows, index], rotations=rotations[rows, index])
            steps = last * len(wrench) // (len(self.centre_m) - 1)
            loads_n = self.loads_n[1 : last + 1, first + index]
            simulated.append(SimulatedMotion(motion, wrench[:steps, index], loads_n, lost_at or None))
        return simulated


def track_motions(
    world: World, planned: Sequence[MotionPlan], settings: TrackerSettings, scene: Scene = PLAIN
) -> list[list[SimulatedMotion]]:
    """Simulate bodies that follow their plans.

    The result of a motion does not depend on the other bodies.

    Args:
        planned: Plans with the same frame rate, whose link trees differ only in lengths.
        scene: Scene. Its push does not count as residual force, and is not reported.
    """
    # Sorted by length, bodies that still go on are always the first.
    longest_first = sorted(range(len(planned)), key=lambda index: -planned[index].frames)
    sorted_plans = [planned[index] for index in longest_first]
    sorted_motions = _track_longest_first(world, sorted_plans, settings, scene)
    motions_of_plans = dict(zip(longest_first, sorted_motions, strict=True))
    return [motions_of_plans[index] for index in range(len(planned))]


def _track_longest_first(
    world: World, planned: Sequence[MotionPlan], settings: TrackerSettings, scene: Scene
) -> list[list[SimulatedMotion]]:
    """Track plans sorted by length, longest first."""
    fps = planned[0].motions.fps
    substeps = settings.engine.steps_per_frame(fps)
    bodies = []
    supports = []
    for plan in planned:
        bodies += [plan.body] * len(plan)
        supports += plan.supports
    world.build(bodies, 1 / (fps * substeps), supports)
    controls = ControlSequence.concatenate([make_control_sequence(world, plan, settings, scene) for plan in planned])
    shape = (planned[0].frames, len(bodies))
    links = len(bodies[0])
    record = BodyTrajectories(
        centre_m=np.zeros((*shape, 3)),
        orientations=np.zeros((*shape, 4)),
        rotations=np.zeros((*shape, links - 1, 4)),
        loads_n=np.zeros((*shape, links)),
        wrench=np.zeros((len(controls.targets), len(bodies), 6)),
        lost_at=np.zeros(len(bodies), dtype=int),
    )
    _simulate(world, planned, controls, record, settings)
    simulated = []
    first = 0
    for plan in planned:
        simulated.append(record.to_simulated_motions(plan, first))
        first += len(plan)
    return simulated


def _simulate(
    world: World,
    planned: Sequence[MotionPlan],
    controls: ControlSequence,
    record: BodyTrajectories,
    settings: TrackerSettings,
) -> None:
    """Step each body through its controls.

    A body stops at the end of its motion, or when it is lost.
    """
    last = planned[0].frames - 1
    substeps = settings.engine.steps_per_frame(planned[0].motions.fps)
    frames = np.repeat([plan.frames for plan in planned], [len(plan) for plan in planned])
    presence = _present_supports_of_bodies(planned)
    controller = _Controller(planned, controls, settings)
    controller.start(world)
    record.record_frame(0, world)
    for frame in range(last):
        has_next = frames > frame + 1
        remaining = slice(int(has_next.sum()))
        is_held = record.lost_at[remaining] == 0
        running = np.flatnonzero(is_held).tolist()
        for body in running:
            if presence[body]:
                world.show(body, presence[body][frame])
        for step in range(frame * substeps, (frame + 1) * substeps):
            record.wrench[step, remaining] = controller.step(world, step, remaining, running)
            record.loads_n[frame + 1] += world.loads_n() / substeps  # loads of a single step chatter
        record.record_frame(frame + 1, world)
        goals_m = controls.goal_m[(frame + 1) * substeps]
        errors_m = norms(record.centre_m[frame + 1] - goals_m)
        is_lost = ~(errors_m < settings.acceptance.lost_root_m)
        record.lost_at[running] = np.where(is_lost[running], frame + 1, 0)
        report_progress((frame + 1) / last)


def _present_supports_of_bodies(planned: Sequence[MotionPlan]) -> list[list[set[int]]]:
    """Return the supports present in each frame of each body.

    A body without supports gets an empty list.
    """
    presence = []
    for plan in planned:
        for supports in plan.supports:
            presence.append(find_present_supports(supports, plan.frames) if supports else [])
    return presence


class _Controller:
    """Controller of N bodies by a control sequence and the bodies' state."""

    def __init__(self, planned: Sequence[MotionPlan], controls: ControlSequence, settings: TrackerSettings) -> None:
        fps = planned[0].motions.fps
        substeps = settings.engine.steps_per_frame(fps)
        self._controls = controls
        self._step_s = 1 / (fps * substeps)
        legs = Legs.from_skeleton(planned[0].body.tree)
        self._ankles = legs.ankles.tolist()
        masses_kg = np.repeat([plan.body.total_mass_kg for plan in planned], [len(plan) for plan in planned])
        self._root_wrench = RootWrench(settings.drive, masses_kg)
        self._feedback = LegFeedback(legs, controls, self._step_s, settings.plan.feedback)
        self._compiled = _CompiledControl.make(controls, self._root_wrench, self._feedback)
        times_s = np.arange(len(controls.targets)) / (fps * substeps)
        self._nearest_frames = np.round(times_s * fps).astype(int)

    def start(self, world: World) -> None:
        """Put the bodies on their references, with the references' velocities."""
        first, second = self._controls.rotations
        turns_rad = rotation_vectors(compose(invert(first), second))
        world.reset(self._controls.goal(0), first, turns_rad / self._step_s)

    def step(self, world: World, step: int, remaining: slice, running: Sequence[int]) -> np.ndarray:
        """Advance the running bodies by a step.

        Args:
            remaining: The first n bodies, whose motions have not ended.
            running: Indices of those that are not lost.

        Returns:
            (n, 6) residual wrenches of the remaining bodies.
        """
        controls = self._controls
        frame = self._nearest_frames[step]
        ankles_m = world.positions_m(self._ankles)[remaining]
        if self._compiled is not None:
            wrench, applied, targets = self._compiled.compute(step, frame, world.root(), ankles_m)
            world.step(running, targets, controls.torques_nm[step, remaining], applied[:, :3], applied[:, 3:])
            return wrench
        goal = controls.goal(step, remaining)
        root = RootState(*(values[remaining] for values in world.root()))
        unexplained = controls.unexplained[step, remaining]
        force_n = self._root_wrench.force_n(goal, root, unexplained)
        tilt_rad = rotation_error(goal.orientation, root.orientation)
        spin_rad_s = goal.angular_velocity_rad_s - root.angular_velocity_rad_s
        moment_nm = self._root_wrench.moment_nm(tilt_rad, spin_rad_s, unexplained, controls.inertia[step, remaining])
        torque_nm = moment_nm + cross(controls.lever_m[step, remaining], force_n)
        targets = self._feedback.move(step, frame, goal, root, tilt_rad, ankles_m)
        pushed_n = force_n + controls.push_n[step, remaining]
        world.step(running, targets, controls.torques_nm[step, remaining], pushed_n, torque_nm)
        return np.concatenate([force_n, moment_nm], axis=-1)


@dataclass(frozen=True, eq=False)
class _CompiledControl:
    """Control of N bodies by compiled kernels.

    The kernels also store the errors of the feedback. They give the same bits as `RootWrench` and `LegFeedback` in a
    tenth of the time.
    """

    steer: Callable[..., None]
    turn_legs: Callable[..., None]
    controls: ControlSequence
    by_step: np.ndarray
    """(S, N, 42) goals and further kernel inputs per step."""
    drives: np.ndarray
    """(N, 7) stiffness, damping and limits of root forces."""
    constants: np.ndarray
    """(10,) constants of root moments and leg feedback."""
    joints: np.ndarray
    """(6,) joints of the legs, int32."""
    errors: np.ndarray
    """(N, 9) low-pass filtered errors."""

    @classmethod
    def make(cls, controls: ControlSequence, wrench: RootWrench, feedback: LegFeedback) -> Self | None:
        """Prepare the control; return None if there are no compiled kernels."""
        steer = find_kernel("steer")
        turn_legs = find_kernel("turn_legs")
        if steer is None or turn_legs is None:
            return None
        steps, count = controls.targets.shape[:2]
        goals = (controls.goal_m, controls.goal_orientation, controls.goal_m_s, controls.goal_rad_s)
        others = (
            controls.unexplained,
            controls.inertia,
            controls.lever_m,
            controls.push_n,
            controls.leg_loads,
            controls.ankles_m,
        )
        columns = [values[:steps].reshape(steps, count, -1) for values in (*goals, *others)]
        return cls(
            steer,
            turn_legs,
            controls,
            by_step=np.concatenate(columns, axis=-1),
            drives=wrench.constants_of_bodies,
            constants=np.concatenate([wrench.constants, feedback.constants]),
            joints=feedback.joints.ravel().astype(np.int32),
            errors=np.zeros((count, 9)),
        )

    def compute(
        self, step: int, frame: int, root: RootState, ankles_m: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Compute the wrenches, forces and targets of a step.

        Args:
            root: States of all roots.
            ankles_m: (n, 2, 3) of the first n bodies.

        Returns:
            Residual wrenches (n, 6), force and torque on the roots (n, 6), and joint targets (n, J, 4).
        """
        count = len(ankles_m)
        states = (root.position_m, root.velocity_m_s, root.orientation, root.angular_velocity_rad_s, ankles_m)
        wrench, applied = np.empty((2, count, 6))
        shifts_m, uprights_rad = np.empty((2, count, 2, 3))
        self.steer(
            self.by_step[step],
            *map(np.ascontiguousarray, states),
            self.drives,
            self.constants,
            self.errors,
            wrench,
            applied,
            shifts_m,
            uprights_rad,
        )
        targets = self.controls.targets[step, :count].copy()
        turns_rad = self.controls.jacobians[frame, :count] @ shifts_m[..., None]
        self.turn_legs(self.joints, turns_rad, uprights_rad, targets)
        return wrench, applied, targets


class RootWrench:
    """Bounded wrench that pulls roots to their goals.

    Springs and dampers are added to the wrench that contacts leave unexplained. Methods take the states of the first n
    bodies.
    """

    def __init__(self, settings: DriveSettings, masses_kg: np.ndarray) -> None:
        """Take the masses (N,) of the bodies."""
        across = settings.horizontal_rad_s
        rates_rad_s = np.array([across, across, settings.vertical_rad_s])
        self._stiffness = masses_kg[:, None] * rates_rad_s**2
        self._damping = masses_kg[:, None] * rates_rad_s * (2 * settings.linear_damping)
        self._limits_n = settings.force_limit_bodyweights * masses_kg * GRAVITY_M_S2
        self._rate_rad_s = np.array([settings.angular_rad_s, settings.angular_rad_s, settings.yaw_rad_s])
        self._angular_damping = 2 * settings.angular_damping
        self._torque_limit_nm = settings.torque_limit_nm

    @property
    def constants_of_bodies(self) -> np.ndarray:
        """(N, 7) stiffness, damping and limit of each force."""
        return np.column_stack([self._stiffness, self._damping, self._limits_n])

    @property
    def constants(self) -> np.ndarray:
        """(5,) angular rates, damping, and moment limit."""
        return np.array([*self._rate_rad_s, self._angular_damping, self._torque_limit_nm])

    def force_n(self, goals: RootState, states: RootState, unexplained: np.ndarray) -> np.ndarray:
        """Return the forces on the roots.

        Args:
            goals: Goals of n roots.
            unexplained: (n, 6) force and moment that contacts leave unexplained.

        Returns:
            (n, 3) in N.
        """
        count = len(unexplained)
        pull_n = self._stiffness[:count] * (goals.position_m - states.position_m)
        velocity_error_m_s = goals.velocity_m_s - states.velocity_m_s
        force_n = pull_n + self._damping[:count] * velocity_error_m_s + unexplained[:, :3]
        limit_n = self._limits_n[:count]
        across_n = np.hypot(force_n[:, 0], force_n[:, 1])
        force_n[:, :2] *= limit_factors(across_n, limit_n)[:, None]
        force_n[:, 2] = np.minimum(np.maximum(force_n[:, 2], -limit_n), limit_n)
        return force_n

    def moment_nm(
        self, tilt_rad: np.ndarray, spin_rad_s: np.ndarray, unexplained: np.ndarray, inertia: np.ndarray
    ) -> np.ndarray:
        """Return the moments about the centres of mass.

        Args:
            tilt_rad: (n, 3) rotation vectors from the roots' orientations to their goals.
            spin_rad_s: (n, 3) differences from the roots' angular velocities to their goals.
            unexplained: (n, 6) force and moment that contacts leave unexplained.
            inertia: (n, 3, 3) of the bodies about their centres of mass.

        Returns:
            (n, 3) in N m.
        """
        acceleration = self._rate_rad_s * (self._rate_rad_s * tilt_rad + self._angular_damping * spin_rad_s)
        x, y, z = acceleration.T[..., None]
        moment_nm = inertia[..., 0] * x + inertia[..., 1] * y + inertia[..., 2] * z + unexplained[:, 3:]
        x, y, z = moment_nm.T
        size_nm = np.sqrt(x * x + y * y + z * z)
        return moment_nm * limit_factors(size_nm, self._torque_limit_nm)[:, None]


class LegFeedback:
    """Feedback that moves the leg targets of N bodies step by step.

    All values are in the simulator's frame, and errors are low-pass filtered.
    """

    def __init__(
        self, legs: Legs, controls: ControlSequence, step_s: float, settings: FeedbackSettings = PLAN.feedback
    ) -> None:
        """Start with errors of zero.

        Args:
            legs: Legs of the bodies' link tree.
            step_s: Time between steps.
        """
        self._controls = controls
        self._settings = settings
        self.joints = legs.joints - 1
        self._stand_rate = min(1.0, step_s / settings.stand_lag_s)
        self._turn_rate = min(1.0, step_s / settings.turn_lag_s)
        self._swing_rate = min(1.0, step_s / settings.swing_lag_s)
        count = controls.leg_loads.shape[1]
        self._stand_m = np.zeros((count, 2, 2))
        self._height_error_m = np.zeros((count, 2))
        self._turn_rad = np.zeros((count, 3))

    @property
    def constants(self) -> np.ndarray:
        """(5,) constants: filter rates of stance, swing and pelvis, limit of shifts, and share of uprighting."""
        rates = (self._stand_rate, self._swing_rate, self._turn_rate)
        return np.array([*rates, self._settings.target_limit_m, self._settings.uprighting])

    def move(
        self, step: int, frame: int, goal: RootState, root: RootState, tilt_rad: np.ndarray, ankles_m: np.ndarray
    ) -> np.ndarray:
        """Return a step's joint targets, with leg targets moved.

        Args:
            goal: Goals of the first n roots.
            root: States of these roots.
            tilt_rad: (n, 3) rotation vectors from the roots' orientations to their goals.
            ankles_m: (n, 2, 3) actual positions of the ankles.

        Returns:
            (n, J, 4).
        """
        bodies = slice(len(ankles_m))
        targets = self._controls.targets[step, bodies].copy()
        leg_loads = self._controls.leg_loads[step, bodies]
        local_tilt_rad = rotate_inverse(root.orientation, tilt_rad)
        turn_rad = self._turn_rad[bodies]
        turn_rad += self._turn_rate * (local_tilt_rad - turn_rad)
        target_ankles_m = self._controls.ankles_m[step, bodies]
        displaced_m = np.empty_like(ankles_m)
        off_m = ankles_m[..., :2] - target_ankles_m[..., :2]
        displaced_m[..., :2] = self._stance_shift_m(leg_loads, off_m)
        displaced_m[..., 2] = self._swing_lift_m(leg_loads, target_ankles_m, goal.position_m, root.position_m, tilt_rad)
        turns_rad = self._controls.jacobians[frame, bodies] @ displaced_m[..., None]
        turns_rad = turns_rad.reshape(-1, 2, 3, 3)
        moved = compose(targets[:, self.joints], small_rotation(turns_rad))
        upright_share = -self._settings.uprighting * leg_loads
        upright_rad = upright_share[..., None] * turn_rad[:, None]
        moved[:, :, 0] = compose(small_rotation(upright_rad), moved[:, :, 0])
        targets[:, self.joints] = moved
        return targets

    def _stance_shift_m(self, leg_loads: np.ndarray, off_m: np.ndarray) -> np.ndarray:
        """Return horizontal shifts (n, 2, 2) of ankle targets to where feet stand.

        Shifts are in proportion to the feet's load.
        """
        stand_m = self._stand_m[: len(off_m)]
        stand_m += self._stand_rate * (off_m - stand_m)
        distance_m = np.hypot(stand_m[..., 0], stand_m[..., 1])
        share = leg_loads * limit_factors(distance_m, self._settings.target_limit_m)
        return share[..., None] * stand_m

    def _swing_lift_m(
        self, leg_loads: np.ndarray, targets_m: np.ndarray, goal_m: np.ndarray, root_m: np.ndarray, tilt_rad: np.ndarray
    ) -> np.ndarray:
        """Return lifts (n, 2) of the ankle targets of swinging legs.

        Each is lifted by as much as the root's height and tilt bring it too low.
        """
        ahead_m = targets_m - goal_m[:, None]
        tilted_m = tilt_rad[:, :1] * ahead_m[..., 1] - tilt_rad[:, 1:2] * ahead_m[..., 0]
        too_high_m = (root_m[:, 2] - goal_m[:, 2])[:, None] - tilted_m
        height_error_m = self._height_error_m[: len(targets_m)]
        height_error_m += self._swing_rate * (too_high_m - height_error_m)
        return (1.0 - leg_loads) * np.minimum(self._settings.target_limit_m, np.maximum(0.0, -height_error_m))
