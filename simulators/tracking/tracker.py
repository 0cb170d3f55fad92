"""Tracker: simulated humanoids follow motions by joint drives, feed-forward and a bounded root wrench."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.motion.geometry.rotations import compose
from selfcorrect.motion.geometry.vectors import cross
from selfcorrect.runtime.progress import report_progress

from ..body.frames import (
    from_simulator,
    orientations_from_simulator,
    rotate_inverse,
    rotation_error,
    small_rotation,
)
from ..body.humanoid import GRAVITY_M_S2
from ..body.leg_ik import Legs
from ..engines.support_colliders import find_present_supports
from ..engines.world import RootState, World
from ..settings.plan import PLAN, FeedbackSettings
from ..settings.tracker import DriveSettings, TrackerSettings
from ..stages.scene import PLAIN, Scene
from ..stages.values import MotionPlan, SimulatedMotion
from .control_sequence import ControlSequence, make_control_sequence


@dataclass(frozen=True, eq=False)
class BodyTrajectories:
    """What N bodies did, in the simulator's frame: (T, N, ...) at frames, (S, N, ...) at steps."""

    centre_m: np.ndarray
    orientations: np.ndarray
    rotations: np.ndarray
    loads_n: np.ndarray
    wrench: np.ndarray
    lost_at: np.ndarray
    """(N,) frame at which each was given up, 0 for none."""

    @classmethod
    def empty(cls, frames: int, steps: int, bodies: int, links: int) -> BodyTrajectories:
        """Nothing yet."""
        return cls(
            centre_m=np.zeros((frames, bodies, 3)),
            orientations=np.zeros((frames, bodies, 4)),
            rotations=np.zeros((frames, bodies, links - 1, 4)),
            loads_n=np.zeros((frames, bodies, links)),
            wrench=np.zeros((steps, bodies, 6)),
            lost_at=np.zeros(bodies, dtype=int),
        )

    def record_frame(self, frame: int, world: World) -> None:
        """The state of the bodies at a frame."""
        self.centre_m[frame], self.orientations[frame], *_ = world.root()
        self.rotations[frame] = world.rotations()

    def to_simulated_motions(self, planned: MotionPlan, first: int) -> list[SimulatedMotion]:
        """Those of some planned motions, the first of which is that of body `first`."""
        bodies, frames = slice(first, first + len(planned)), planned.frames
        orientations = orientations_from_simulator(self.orientations[:frames, bodies].reshape(-1, 4))
        lever_m = Rotation.from_quat(orientations).apply(planned.body.centre_m[0])
        root_m = from_simulator(self.centre_m[:frames, bodies]) - lever_m.reshape(frames, -1, 3)
        roots = orientations.reshape(frames, -1, 1, 4)
        rotations = np.concatenate([roots, self.rotations[:frames, bodies]], axis=2)
        wrench = from_simulator(self.wrench[:, bodies].reshape(len(self.wrench), -1, 2, 3))
        tracks = []
        for index, lost_at in enumerate(self.lost_at[bodies].tolist()):
            held, last = np.minimum(np.arange(frames), (lost_at or frames) - 1), lost_at or frames - 1
            motion = replace(planned.links[index], root_m=root_m[held, index], rotations=rotations[held, index])
            steps = last * len(wrench) // (len(self.centre_m) - 1)
            loads_n = self.loads_n[1 : last + 1, first + index]
            tracks.append(SimulatedMotion(motion, wrench[:steps, index].reshape(-1, 6), loads_n, lost_at or None))
        return tracks


def track_motions(
    world: World, planned: Sequence[MotionPlan], settings: TrackerSettings, scene: Scene = PLAIN
) -> list[list[SimulatedMotion]]:
    """Simulate bodies following their motions; the outcome of each of the planned ones.

    Their trees may differ in lengths only, and their frame rates are one. What becomes of a motion does not depend on
    the others. A push of the scene is no residual force, and not reported as such.
    """
    longest_first = sorted(range(len(planned)), key=lambda index: -planned[index].frames)
    tracks = dict(
        zip(
            longest_first,
            _track_longest_first(world, [planned[index] for index in longest_first], settings, scene),
            strict=True,
        )
    )
    return [tracks[index] for index in range(len(planned))]


def _track_longest_first(
    world: World, planned: Sequence[MotionPlan], settings: TrackerSettings, scene: Scene
) -> list[list[SimulatedMotion]]:
    """The same for motions in the order of their lengths, so that those that still go on are the first ones."""
    bodies = [each.body for each in planned for _ in range(len(each))]
    fps, substeps = planned[0].links.fps, settings.engine.steps_per_frame(planned[0].links.fps)
    world.build(bodies, 1 / (fps * substeps), [own for each in planned for own in each.supports])
    controls = ControlSequence.concatenate([make_control_sequence(world, each, settings, scene) for each in planned])
    record = BodyTrajectories.empty(planned[0].frames, len(controls.targets), len(bodies), len(bodies[0]))
    _simulate(world, planned, controls, record, settings)
    starts = np.cumsum([0, *map(len, planned)]).tolist()
    return [record.to_simulated_motions(each, start) for each, start in zip(planned, starts, strict=False)]


def _simulate(
    world: World,
    planned: Sequence[MotionPlan],
    controls: ControlSequence,
    record: BodyTrajectories,
    settings: TrackerSettings,
) -> None:
    """Take the bodies through their controls, each as long as it has frames and is not lost."""
    substeps = settings.engine.steps_per_frame(planned[0].links.fps)
    frames = np.repeat([each.frames for each in planned], [len(each) for each in planned])
    presence = [find_present_supports(own, each.frames) if own else [] for each in planned for own in each.supports]
    control = _Control(planned, controls, settings)
    control.start(world)
    record.record_frame(0, world)
    for frame in range(planned[0].frames - 1):
        still = slice(int((frames > frame + 1).sum()))
        running = np.flatnonzero(record.lost_at[still] == 0).tolist()
        for body in running:
            if presence[body]:
                world.show(body, presence[body][frame])
        for step in range(frame * substeps, (frame + 1) * substeps):
            record.wrench[step, still] = control.step(world, step, still, running)
            record.loads_n[frame + 1] += world.loads_n() / substeps  # those of one step chatter
        record.record_frame(frame + 1, world)
        off_m = np.linalg.norm(record.centre_m[frame + 1] - controls.goal_m[(frame + 1) * substeps], axis=-1)
        lost = ~(off_m < settings.acceptance.lost_root_m)
        record.lost_at[running] = np.where(lost[running], frame + 1, 0)
        report_progress((frame + 1) / (planned[0].frames - 1))


class _Control:
    """What acts on N bodies at each step, by their controls and by where they are."""

    def __init__(self, planned: Sequence[MotionPlan], controls: ControlSequence, settings: TrackerSettings) -> None:
        fps, substeps = planned[0].links.fps, settings.engine.steps_per_frame(planned[0].links.fps)
        self._controls, self._step_s, self._legs = (
            controls,
            1 / (fps * substeps),
            Legs.from_skeleton(planned[0].body.tree),
        )
        masses_kg = np.repeat([each.body.total_mass_kg for each in planned], [len(each) for each in planned])
        self._wrench = make_root_wrench(settings.drive, masses_kg)
        self._feedback = LegFeedback(self._legs, controls, self._step_s, settings.plan.feedback)
        self._nearest_frames = np.round(np.arange(len(controls.targets)) / (fps * substeps) * fps).astype(int)

    def start(self, world: World) -> None:
        """Put the bodies on their references, moving with them."""
        now, then = (Rotation.from_quat(each.reshape(-1, 4)) for each in self._controls.rotations)
        turns_rad = (now.inv() * then).as_rotvec().reshape(*self._controls.rotations.shape[1:3], 3)
        world.reset(self._controls.goal(0), self._controls.rotations[0], turns_rad / self._step_s)

    def step(self, world: World, step: int, still: slice, running: Sequence[int]) -> np.ndarray:
        """Advance those bodies that are running, of the first ones that `still` go on.

        Returns the latter's residual wrenches (n, 6).
        """
        controls, goal = self._controls, self._controls.goal(step, still)
        root, ankles_m = (
            RootState(*(each[still] for each in world.root())),
            world.positions_m(self._legs.ankles.tolist())[still],
        )
        force_n, moment_nm = self._wrench(goal, root, controls.rest[step, still], controls.inertia[step, still])
        torque_nm = moment_nm + cross(controls.lever_m[step, still], force_n)
        targets = self._feedback.move(step, self._nearest_frames[step], goal, root, ankles_m)
        pushed_n = force_n + controls.push_n[step, still]
        world.step(running, targets, controls.torques_nm[step, still], pushed_n, torque_nm)
        return np.concatenate([force_n, moment_nm], axis=-1)


RootWrench = Callable[[RootState, RootState, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def make_root_wrench(settings: DriveSettings, masses_kg: np.ndarray) -> RootWrench:
    """A function of (goals, states, rest, inertia) that gives forces (N, 3) in newtons and moments (N, 3) about centres
    of mass.

    The masses_kg (N,) are of the bodies, or of more than are then asked for. Roots should be as goals say, and are as
    states say. Contacts leave forces and moments rest (N, 6) unexplained. The inertia (N, 3, 3) is of whole bodies.
    """
    across, up = settings.horizontal_rad_s, settings.vertical_rad_s
    linear, angular = 2 * settings.linear_damping, 2 * settings.angular_damping
    rate_rad_s = np.array([settings.angular_rad_s, settings.angular_rad_s, settings.yaw_rad_s])
    stiffness = masses_kg[:, None] * np.array([across, across, up]) ** 2
    damping = masses_kg[:, None] * np.array([across, across, up]) * linear
    limits_n = settings.force_limit_bodyweights * masses_kg * GRAVITY_M_S2

    def force(goals: RootState, states: RootState, rest: np.ndarray) -> np.ndarray:
        count = len(rest)
        pull_n = stiffness[:count] * (goals.position_m - states.position_m)
        force_n = pull_n + damping[:count] * (goals.velocity_m_s - states.velocity_m_s) + rest[:, :3]
        limit_n, across_n = limits_n[:count], np.hypot(force_n[:, 0], force_n[:, 1])
        force_n[:, :2] *= np.minimum(1.0, limit_n / np.maximum(across_n, 1e-9))[:, None]
        force_n[:, 2] = np.minimum(np.maximum(force_n[:, 2], -limit_n), limit_n)
        return force_n

    def moment(goals: RootState, states: RootState, rest: np.ndarray, inertia: np.ndarray) -> np.ndarray:
        error_rad = rotation_error(goals.orientation, states.orientation)
        slower_rad_s = goals.angular_velocity_rad_s - states.angular_velocity_rad_s
        x, y, z = (rate_rad_s * (rate_rad_s * error_rad + angular * slower_rad_s)).T[..., None]
        moment_nm = inertia[..., 0] * x + inertia[..., 1] * y + inertia[..., 2] * z + rest[:, 3:]
        x, y, z = moment_nm.T
        size_nm = np.sqrt(x * x + y * y + z * z)
        return moment_nm * np.minimum(1.0, settings.torque_limit_nm / np.maximum(size_nm, 1e-9))[:, None]

    return lambda goals, states, rest, inertia: (force(goals, states, rest), moment(goals, states, rest, inertia))


class LegFeedback:
    """Moves the leg targets of N bodies, step by step, in the simulator's frame; remembers low-passed errors."""

    def __init__(
        self, legs: Legs, controls: ControlSequence, step_s: float, settings: FeedbackSettings = PLAN.feedback
    ) -> None:
        """legs: those of the bodies' tree; step_s: time between steps."""
        self._controls, self._settings = controls, settings
        self._joints = np.stack([legs.hips, legs.knees, legs.ankles], axis=-1) - 1
        self._stand_pace, self._turn_pace, self._swing_pace = (
            min(1.0, step_s / lag_s) for lag_s in (settings.stand_lag_s, settings.turn_lag_s, settings.swing_lag_s)
        )
        count = controls.loaded.shape[1]
        self._stand_m, self._sagged_m, self._turn_rad = (
            np.zeros((count, 2, 2)),
            np.zeros((count, 2)),
            np.zeros((count, 3)),
        )

    def move(self, step: int, frame: int, goal: RootState, root: RootState, ankles_m: np.ndarray) -> np.ndarray:
        """The joint targets (n, J, 4) of a step with those of the legs moved.

        frame: the frame nearest to the step; goal, root: of the first n bodies, as ankles_m (n, 2, 3), where their
        ankles are.
        """
        bodies = slice(len(ankles_m))
        targets, loaded = self._controls.targets[step, bodies].copy(), self._controls.loaded[step, bodies]
        tilt_rad = rotation_error(goal.orientation, root.orientation)
        turn_rad = self._turn_rad[bodies]
        turn_rad += self._turn_pace * (rotate_inverse(root.orientation, tilt_rad) - turn_rad)
        wanted_m = self._controls.ankles_m[step, bodies]
        displaced_m = np.empty_like(ankles_m)
        displaced_m[..., :2] = self._stance_shift_m(loaded, ankles_m[..., :2] - wanted_m[..., :2])
        displaced_m[..., 2] = self._swing_lift_m(loaded, wanted_m, goal.position_m, root.position_m, tilt_rad)
        turns_rad = (self._controls.jacobians[frame, bodies] @ displaced_m[..., None]).reshape(-1, 2, 3, 3)
        moved = compose(targets[:, self._joints], small_rotation(turns_rad))
        upright_rad = (-self._settings.uprighting * loaded)[..., None] * turn_rad[:, None]
        moved[:, :, 0] = compose(small_rotation(upright_rad), moved[:, :, 0])
        targets[:, self._joints] = moved
        return targets

    def _stance_shift_m(self, loaded: np.ndarray, off_m: np.ndarray) -> np.ndarray:
        """How far (n, 2, 2) targets of ankles move over the floor: with the load on them, to where the feet stand."""
        stand_m = self._stand_m[: len(off_m)]
        stand_m += self._stand_pace * (off_m - stand_m)
        far_m = np.hypot(stand_m[..., 0], stand_m[..., 1])
        return (loaded * np.minimum(1.0, self._settings.limit_m / np.maximum(far_m, 1e-9)))[..., None] * stand_m

    def _swing_lift_m(
        self, loaded: np.ndarray, wanted_m: np.ndarray, goal_m: np.ndarray, root_m: np.ndarray, tilt_rad: np.ndarray
    ) -> np.ndarray:
        """How far (n, 2) targets of ankles are lifted: in swing, by as much as root and tilt put them too low."""
        ahead_m = wanted_m - goal_m[:, None]
        tilted_m = tilt_rad[:, :1] * ahead_m[..., 1] - tilt_rad[:, 1:2] * ahead_m[..., 0]
        too_high_m = (root_m[:, 2] - goal_m[:, 2])[:, None] - tilted_m
        sagged_m = self._sagged_m[: len(wanted_m)]
        sagged_m += self._swing_pace * (too_high_m - sagged_m)
        return (1.0 - loaded) * np.minimum(self._settings.limit_m, np.maximum(0.0, -sagged_m))
