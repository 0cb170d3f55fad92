"""Sampling search for control without residual force.

Only joints and contacts hold the body up. The floor provides the wrench that would otherwise act on the root
(`whole_body_control`), and a search makes up for what this control misses. Particles, copies of the body with randomly
perturbed control, are simulated one window at a time. The best become parents of the next window's particles (Liu et
al. 2010, "Sampling-based contact-rich motion control"). If the best particle does well, few particles suffice;
otherwise more are tried. If all fall, the search goes back some windows and tries more from there. How close the best
particle stays is partly chance, so a motion that falls or ends up far away is searched again in longer windows, and the
better result counts. Random numbers come from a fixed seed, so that a motion always gives the same result.

A motion that still falls may get a fallback, in a second search. From shortly before the fall on, the root gets the
part of the wanted wrench that the floor cannot provide, up to a bound that doubles until the body gets past the fall.
Particles get different shares of this residual force, and the force counts as cost, so that little of it is used. The
force ends as soon as a particle does well without it. A body that falls in spite of the force gets a larger bound at
once. After as many windows as the settings allow, the bound takes its largest value and stays there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Self

import numpy as np

from selfcorrect.motion.geometry.rotations import compose, invert, rotation_vectors
from selfcorrect.motion.geometry.vectors import cross, norms
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.runtime.progress import part_of_work, report_progress, split_work

from ..body.leg_ik import Legs
from ..engines.support_colliders import find_present_supports
from ..engines.world import RootState, World
from ..settings.tracker import WITHOUT_RESIDUAL, TrackerSettings
from ..stages.scene import PLAIN, Scene
from ..stages.values import MotionPlan, SimulatedMotion
from .control_sequence import ReferenceTrajectory, make_reference_trajectory
from .tracker import BodyTrajectories
from .whole_body_control import CONTACT_HEIGHT_M, BodyStates, PerBody, Perturbations, TrackingError, WholeBodyController

PERTURBED_PARTS = ("hip", "knee", "ankle", "spine1", "spine2", "spine3")
"""Ends of the names of parts whose joint targets are perturbed."""


def track_residual_free(
    world: World, planned: Sequence[MotionPlan], settings: TrackerSettings, scene: Scene = PLAIN
) -> list[list[SimulatedMotion]]:
    """Simulate bodies that follow their plans without residual force."""
    shares = iter(split_work([1] * sum(map(len, planned))))
    results = []
    for plan in planned:
        simulated = []
        for index in range(len(plan)):
            with part_of_work(*next(shares)):
                simulated.append(_search_motion(world, plan.select([index]), settings, scene))
        results.append(simulated)
    return results


def _search_motion(world: World, planned: MotionPlan, settings: TrackerSettings, scene: Scene) -> SimulatedMotion:
    """Simulate a motion, with up to two more searches.

    If the motion ends up far away or falls, the alternative settings are searched, too. If it still falls and the
    settings have a fallback, the search with that fallback counts.
    """
    search_settings = settings.residual_free or WITHOUT_RESIDUAL
    simulated = _BeamSearch(world, planned, settings, scene).find_motion()
    if search_settings.alternative is not None and not _is_close(simulated, planned, search_settings.close_m):
        other_settings = replace(settings, residual_free=search_settings.alternative)
        other = _BeamSearch(world, planned, other_settings, scene).find_motion()
        simulated = min(simulated, other, key=lambda motion: _rank(motion, planned))
    if simulated.lost_at is None or search_settings.retry_after_fall is None:
        return simulated
    with part_of_work(simulated.lost_at / planned.frames, 1.0):
        retry = replace(settings, residual_free=search_settings.retry_after_fall)
        return _search_motion(world, planned, retry, scene)


def _is_close(simulated: SimulatedMotion, planned: MotionPlan, close_m: float) -> bool:
    """Return whether a body follows the plan to the end, within a mean distance."""
    return simulated.lost_at is None and _mean_distance_m(simulated, planned) < close_m


def _rank(simulated: SimulatedMotion, planned: MotionPlan) -> tuple[int, float]:
    """Return a key that sorts the best motion first.

    The best is the longest, and among equally long ones the closest to the plan.
    """
    lasts = planned.frames if simulated.lost_at is None else simulated.lost_at
    return -lasts, _mean_distance_m(simulated, planned)


def _mean_distance_m(simulated: SimulatedMotion, planned: MotionPlan) -> float:
    """Return the simulated joints' mean distance from the plan, in m."""
    return float(norms(joint_positions(simulated.motion) - joint_positions(planned.motions[0])).mean())


@dataclass(frozen=True, eq=False)
class Particles(PerBody):
    """States of N particles between windows."""

    root: RootState
    rotations: np.ndarray
    """(N, J, 4) of the joints."""
    velocities_rad_s: np.ndarray
    """(N, J, 3) of the joints."""
    leg_errors_m: np.ndarray
    """(N, 2, 3) low-pass filtered errors of the legs."""
    perturbations: Perturbations

    @classmethod
    def start_on(cls, trajectory: ReferenceTrajectory, step_s: float) -> Self:
        """Return a particle at the start of the trajectory, moving along."""
        first, second = trajectory.controls.rotations
        joints = first.shape[1]
        perturbations = Perturbations(
            force_n=np.zeros((1, 3)),
            moment_nm=np.zeros((1, 3)),
            step_m=np.zeros((1, 2, 2)),
            turns_rad=np.zeros((1, joints, 3)),
            contact_height_m=np.full(1, CONTACT_HEIGHT_M),
        )
        return cls(
            root=trajectory.controls.goal(0),
            rotations=first,
            velocities_rad_s=rotation_vectors(compose(invert(first), second)) / step_s,
            leg_errors_m=np.zeros((1, 2, 3)),
            perturbations=perturbations,
        )

    def __len__(self) -> int:
        return len(self.rotations)

    def from_world(self, world: World) -> Self:
        """Return the particles in the current state of a world's bodies."""
        return replace(
            self,
            root=RootState(*(column.copy() for column in world.root())),
            rotations=world.rotations().copy(),
            velocities_rad_s=world.velocities_rad_s().copy(),
        )


@dataclass(frozen=True, eq=False)
class PoseHistory(PerBody):
    """Poses (F, N, ...) of N particles in F frames, with loads and residual wrenches."""

    AXIS: ClassVar = 1

    centre_m: np.ndarray
    orientations: np.ndarray
    rotations: np.ndarray
    loads_n: np.ndarray
    """(F, N, L) loads on the links in the step before each frame."""
    wrench: np.ndarray
    """(F, N, steps, 6) residual wrench in each step from the previous frame. It is zero unless a fallback is
    allowed."""

    @classmethod
    def from_world(cls, world: World, wrench: np.ndarray) -> Self:
        """Return a world's poses as one frame.

        Args:
            wrench: (N, steps, 6) residual wrench in the steps that have led there.
        """
        root = world.root()
        columns = (root.position_m, root.orientation, world.rotations(), world.loads_n(), wrench)
        return cls(*(column[None].copy() for column in columns))

    @classmethod
    def concatenate_frames(cls, parts: Sequence[Self]) -> Self:
        """Concatenate parts in time."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


@dataclass(frozen=True, eq=False)
class Beam(PerBody):
    """Particles at the end of a window, and their history."""

    particles: Particles
    parents: np.ndarray
    """(N,) particle of the previous window that each one continues."""
    poses: PoseHistory
    """Poses in the window's frames."""
    costs: np.ndarray
    """(N,) tracking costs in m, infinite for lost particles."""

    def select_best(self, count: int) -> Self:
        """Select at most `count` particles that are not lost, best first."""
        best = np.argsort(self.costs, kind="stable")[:count]
        return self.select(best[np.isfinite(self.costs[best])])


def trace_history(beams: Sequence[Beam]) -> PoseHistory:
    """Trace the poses of the last beam's first particle from the start."""
    particle = 0
    parts: list[PoseHistory] = []
    for beam in reversed(beams):
        parts.append(beam.poses.select(np.array([particle])))
        particle = int(beam.parents[particle])
    return PoseHistory.concatenate_frames(parts[::-1])


class _BeamSearch:
    """The search for one motion."""

    def __init__(self, world: World, planned: MotionPlan, settings: TrackerSettings, scene: Scene) -> None:
        self._world = world
        self._planned = planned
        self._settings = settings
        self._search = settings.residual_free or WITHOUT_RESIDUAL
        fps = planned.motions.fps
        self._substeps = settings.engine.steps_per_frame(fps)
        self._step_s = 1 / (fps * self._substeps)
        self._steps_per_command = max(1, round(1 / (self._search.control_hz * self._step_s)))
        self._bodies = 0
        self._build_world(1)
        self._trajectory = make_reference_trajectory(world, planned, settings, scene)
        self._controller = WholeBodyController(self._trajectory, self._step_s * self._steps_per_command, settings)
        self._present_supports = find_present_supports(planned.supports[0], planned.frames)
        self._generator = np.random.default_rng(0)
        length = max(1, round(self._search.window_s * fps))
        last = planned.frames - 1
        self._windows = [range(first, min(first + length, last)) for first in range(0, last, length)]
        self._needs_more = np.zeros(len(self._windows), dtype=bool)
        """Windows in which all of `particle_counts` are simulated."""
        self._bounds = np.zeros(len(self._windows))
        """Bound on the residual wrench in each window, as a share of the drive's bounds."""
        self._searched = 0
        """Number of searched windows, repetitions included."""

    def find_motion(self) -> SimulatedMotion:
        """Search window by window, and return the motion of the best particle."""
        start = Particles.start_on(self._trajectory, self._step_s)
        self._reset_world(start)
        start_pose = PoseHistory.from_world(self._world, np.zeros((1, self._substeps, 6)))
        beams = [Beam(start, np.zeros(1, dtype=int), start_pose, np.zeros(1))]
        furthest_fall = -1
        attempts = 0
        while (window := len(beams) - 1) < len(self._windows):
            beam = self._expand(beams[-1].particles, window)
            if len(beam.costs):
                if window > furthest_fall:
                    beam = self._end_fallback(beam, window)
                beams.append(beam)
                report_progress((window + 1) / len(self._windows))
                continue
            fell_again = furthest_fall >= 0 and window <= furthest_fall + self._search.backtrack_windows[0]
            attempts = attempts + 1 if fell_again else 0
            furthest_fall = max(furthest_fall, window)
            restart = self._restart_window(window, attempts)
            if restart is None:
                return self._make_simulated_motion(trace_history(beams), self._windows[window].stop)
            beams = beams[: restart + 1]
        return self._make_simulated_motion(trace_history(beams), None)

    def _end_fallback(self, beam: Beam, window: int) -> Beam:
        """End the residual force after a window if particles do well without it.

        Returns:
            Those particles if there are any, or else the beam unchanged.
        """
        if not self._bounds[window] or self._is_at_limit:
            return beam
        independent = self._succeed_without_residual(beam)
        if not len(independent):
            return beam
        self._bounds[window + 1 :] = 0.0
        return beam.select(independent)

    def _restart_window(self, window: int, attempts: int) -> int | None:
        """Choose the window to restart from after all particles fell.

        From there on, more particles are tried, or a larger residual force is allowed.

        Returns:
            The window; None to give up.
        """
        search = self._search
        bound = self._bounds[window]
        if attempts < len(search.backtrack_windows) and not (bound or self._is_at_limit):
            restart = max(0, window - search.backtrack_windows[attempts])
            self._needs_more[restart : window + 1] = True
            return restart
        if not search.fallback:
            return None
        restart_with_residual = self._window_with_residual(window)
        if restart_with_residual is None:
            return None
        larger_bounds = [share for share in search.fallback if share > bound] or [bound]
        self._needs_more[restart_with_residual : window + 1] = True
        self._bounds[restart_with_residual:] = larger_bounds[-1 if self._is_at_limit else 0]
        return restart_with_residual

    @property
    def _is_at_limit(self) -> bool:
        """Whether a search with a fallback has searched as many windows as allowed.

        From then on, bounds take their largest value.
        """
        limit = self._search.max_windows_per_s * self._planned.frames / self._planned.motions.fps
        return bool(self._search.fallback) and self._searched >= limit

    def _window_with_residual(self, window: int) -> int | None:
        """Return the window from which a fallen body gets more residual force.

        If the body fell although it had the most, it gets it for twice as long before the fall, or all the time once
        the search is at its limit.

        Returns:
            The window; None if the body has the most force all the time.
        """
        smaller = np.flatnonzero(self._bounds[: window + 1] < self._search.fallback[-1])
        if not len(smaller):
            return None
        windows_at_most = window - int(smaller[-1])
        if windows_at_most and self._is_at_limit:
            return 0
        return max(0, window - max(self._search.backtrack_windows[0], 2 * windows_at_most))

    def _succeed_without_residual(self, beam: Beam) -> np.ndarray:
        """Return the particles without residual force in a window that end close to the motion."""
        had_residual = beam.poses.wrench.any(axis=(0, 2, 3))
        return np.flatnonzero(~had_residual & (beam.costs < self._search.good_cost_m))

    def _expand(self, parents: Particles, window: int) -> Beam:
        """Simulate children in a window, and more if none does well; return the best."""
        search = self._search
        first_count = search.particle_counts[0]
        count = len(parents)
        self._searched += 1
        unperturbed = min(count, first_count // 2)
        drawn = self._generator.integers(0, count, first_count - unperturbed)
        origins = np.concatenate([np.arange(unperturbed), drawn])
        beam = self._rollout(parents, origins, np.arange(first_count) >= unperturbed, window)
        best = beam.select_best(search.beam_width)
        does_well = len(best.costs) and best.costs[0] < search.good_cost_m
        more_counts = search.particle_counts[1:2] if not does_well else ()
        for more in search.particle_counts[1:] if self._needs_more[window] else more_counts:
            origins = self._generator.integers(0, count, more)
            beam = self._rollout(parents, origins, np.ones(more, dtype=bool), window)
            best = Beam.concatenate([best, beam]).select_best(search.beam_width)
        return best

    def _rollout(self, parents: Particles, origins: np.ndarray, is_perturbed: np.ndarray, window: int) -> Beam:
        """Roll out particles over a window.

        Args:
            origins: (N,) parent of each particle.
            is_perturbed: (N,) whether a particle gets new perturbations.
        """
        self._build_world(len(origins))
        particles = self._perturb(parents.select(origins), is_perturbed)
        shares = np.resize(self._search.fallback_shares, len(origins))
        poses = self._simulate(self._windows[window], particles, self._bounds[window] * shares)
        costs = self._compute_costs(self._windows[window].stop) + self._residual_costs(poses)
        return Beam(particles.from_world(self._world), origins, poses, costs)

    def _residual_costs(self, poses: PoseHistory) -> np.ndarray:
        """Return the costs (N,) of residual wrenches in a window."""
        wrenches = poses.wrench.reshape(*poses.wrench.shape[:3], 2, 3)
        sizes = norms(wrenches).mean(axis=(0, 2))
        return self._search.costs.residual_m * np.sum(sizes / self._controller.residual_limits, axis=-1)

    def _build_world(self, count: int) -> None:
        """Build as many bodies as there are particles."""
        if count != self._bodies:
            planned = self._planned
            self._world.build([planned.body] * count, self._step_s, [planned.supports[0]] * count)
            self._bodies = count

    def _perturb(self, particles: Particles, is_perturbed: np.ndarray) -> Particles:
        """Let perturbations decay, and add noise to those of some particles (N,)."""
        settings = self._search.perturbations
        parts = self._planned.body.tree.parts[1:]
        is_perturbed_joint = np.array([any(part.endswith(name) for name in PERTURBED_PARTS) for part in parts])
        deviations = {
            "force_n": settings.force_n,
            "moment_nm": settings.moment_nm,
            "step_m": settings.step_m,
            "turns_rad": settings.joint_rad * is_perturbed_joint.astype(float)[:, None],
        }
        scales = np.zeros(len(is_perturbed))
        scales[is_perturbed] = np.resize(settings.scales, is_perturbed.sum())
        perturbed = {}
        for name, deviation in deviations.items():
            decayed = settings.persistence * getattr(particles.perturbations, name)
            noise = deviation * self._generator.standard_normal(decayed.shape)
            perturbed[name] = decayed + scales.reshape(-1, *[1] * (decayed.ndim - 1)) * noise
        is_high = self._generator.random(len(is_perturbed)) < settings.high_contact_share
        heights_m = np.where(is_high, settings.high_contact_m, CONTACT_HEIGHT_M)
        contact_height_m = np.where(is_perturbed, heights_m, particles.perturbations.contact_height_m)
        return replace(particles, perturbations=Perturbations(**perturbed, contact_height_m=contact_height_m))

    def _reset_world(self, particles: Particles) -> None:
        """Set the bodies to the particles' states."""
        self._world.reset(particles.root, particles.rotations, particles.velocities_rad_s)

    def _simulate(self, frames: range, particles: Particles, bounds: np.ndarray) -> PoseHistory:
        """Simulate particles over some frames, and update their leg errors.

        Args:
            bounds: (N,) bounds on the residual wrenches.

        Returns:
            Poses one frame after each of the frames.
        """
        world = self._world
        poses = list[PoseHistory]()
        self._reset_world(particles)
        for frame in frames:
            if self._present_supports[frame]:
                for body in range(len(particles)):
                    world.show(body, self._present_supports[frame])
            wrench = np.zeros((len(particles), self._substeps, 6))
            for first in range(0, self._substeps, self._steps_per_command):
                last = min(first + self._steps_per_command, self._substeps)
                steps = range(frame * self._substeps + first, frame * self._substeps + last)
                wrench[:, first:last] = self._apply_command(steps, particles, bounds)[:, None]
            poses.append(PoseHistory.from_world(world, wrench))
        return PoseHistory.concatenate_frames(poses)

    def _apply_command(self, steps: range, particles: Particles, bounds: np.ndarray) -> np.ndarray:
        """Advance the world by some steps under one command.

        Returns:
            (N, 6) residual wrenches.
        """
        nearest_frame = round(steps.start / self._substeps)
        bodies = BodyStates.from_world(self._world, self._planned.body)
        command = self._controller.command(
            steps, nearest_frame, bodies, particles.leg_errors_m, particles.perturbations, bounds
        )
        force_n = command.wrench[:, :3]
        torque_nm = command.wrench[:, 3:] + cross(bodies.centre_m - bodies.root.position_m, force_n)
        pushes_n = self._trajectory.controls.push_n
        for index, step in enumerate(steps):
            self._world.step(
                range(len(particles)),
                command.targets[index],
                command.torques_nm[index],
                force_n + pushes_n[step],
                torque_nm,
            )
        return command.wrench

    def _compute_costs(self, frame: int) -> np.ndarray:
        """Compute tracking costs (N,) at a frame, infinite for lost particles."""
        trajectory = self._trajectory
        search = self._search
        step = frame * self._substeps
        bodies = BodyStates.from_world(self._world, self._planned.body)
        error = TrackingError.at_step(trajectory, step, bodies)
        distances_m = norms(bodies.positions_m - trajectory.positions_m[step])
        ankles = Legs.from_skeleton(trajectory.body.tree).ankles
        capture_errors_m = error.capture_point_error_m(trajectory.centre_m[step, 2])
        costs = (
            distances_m.mean(axis=1)
            + norms(capture_errors_m)
            + np.abs(error.centre_m[:, 2])
            + search.costs.vertical_speed_s * np.abs(error.centre_m_s[:, 2])
            + search.costs.feet * distances_m[:, ankles].mean(axis=1)
            + search.costs.tilt_m * norms(error.tilt_rad)
            + search.costs.spin_m_s * norms(error.tilt_rad_s)
        )
        is_near = norms(error.root_m) < self._settings.acceptance.lost_root_m
        return np.where(is_near & (costs < search.prune_cost_m), costs, np.inf)

    def _make_simulated_motion(self, history: PoseHistory, lost_at: int | None) -> SimulatedMotion:
        """Convert a particle's history to a simulated motion.

        A lost particle keeps its last pose.
        """
        planned = self._planned
        rows = np.minimum(np.arange(planned.frames), len(history.centre_m) - 1)
        wrench = np.zeros((planned.frames - 1, self._substeps, 6))
        wrench[: len(history.wrench) - 1] = history.wrench[1:, 0]
        record = BodyTrajectories(
            centre_m=history.centre_m[rows],
            orientations=history.orientations[rows],
            rotations=history.rotations[rows],
            loads_n=history.loads_n[rows],
            wrench=wrench.reshape(-1, 1, 6),
            lost_at=np.array([lost_at or 0]),
        )
        return record.to_simulated_motions(planned, 0)[0]
