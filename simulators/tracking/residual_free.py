"""Following a motion without residual force: muscles and contacts alone hold the body up.

The root gets no force and no moment. The floor has to give them instead (`balance`), and a search finds what that
misses. Copies of the body take the motion a window at a time, each with its control nudged at random. The best become
parents of the next window's copies (Liu et al. 2010, "Sampling-based contact-rich motion control"). Where the best does
well, few copies suffice; elsewhere more are tried. Where all fall, the search goes back and tries more from there.
Draws come from a fixed seed, so that a motion always gives the same result.

A motion that falls all the same may get a fallback, in a second search. From a little before the fall on, the root
is given what the floor cannot give, up to a bound that doubles until the body gets past. Copies get different shares of
it, and help counts as cost, so that they need little. As soon as one does well without, the help ends. A body that
falls although it is helped gets more at once. Where the search has taken as many windows as the settings allow, help is
as large as it may be, and stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Self

import numpy as np

from selfcorrect.motion.geometry.rotations import compose, invert, rotation_vectors
from selfcorrect.motion.geometry.vectors import cross
from selfcorrect.runtime.progress import part_of_work, report_progress, split_work

from ..body.leg_ik import Legs
from ..engines.support_colliders import find_present_supports
from ..engines.world import RootState, World
from ..settings.tracker import WITHOUT_RESIDUAL, TrackerSettings
from ..stages.scene import PLAIN, Scene
from ..stages.values import MotionPlan, SimulatedMotion
from .balance import TOUCH_M, BodyStates, ControllerState, PerBody, Perturbations, TrackingError, WholeBodyController
from .control_sequence import ReferenceTrajectory, make_reference_trajectory
from .tracker import BodyTrajectories

NUDGED = ("hip", "knee", "ankle", "spine1", "spine2", "spine3")
"""Joints whose targets are nudged."""


def follow_residual_free(
    world: World, planned: Sequence[MotionPlan], settings: TrackerSettings, scene: Scene = PLAIN
) -> list[list[SimulatedMotion]]:
    """Simulate bodies following their motions without help; what became of each of the planned ones."""
    alone = [each.select([index]) for each in planned for index in range(len(each))]
    results = []
    for plan, (first, last) in zip(alone, split_work([1] * len(alone)), strict=True):
        with part_of_work(first, last):
            results.append(_search_motion(world, plan, settings, scene))
    found = iter(results)
    return [[next(found) for _ in range(len(each))] for each in planned]


def _search_motion(world: World, planned: MotionPlan, settings: TrackerSettings, scene: Scene) -> SimulatedMotion:
    """What became of one motion, searched anew after a fall as far as the settings have it."""
    track, own = _BeamSearch(world, planned, settings, scene).track(), settings.residual_free
    if track.lost_at is None or own is None or own.after_fall is None:
        return track
    with part_of_work(track.lost_at / planned.frames, 1.0):
        return _search_motion(world, planned, replace(settings, residual_free=own.after_fall), scene)


@dataclass(frozen=True, eq=False)
class Particles(PerBody):
    """N copies of a body between windows: their state, and what continues with them."""

    root: RootState
    rotations: np.ndarray
    """(N, J, 4)."""
    velocities_rad_s: np.ndarray
    """(N, J, 3)."""
    memory: ControllerState
    nudges: Perturbations

    @classmethod
    def start_on(cls, trajectory: ReferenceTrajectory, step_s: float) -> Self:
        """One, on its trajectory and moving with it."""
        now, then = trajectory.controls.rotations
        joints = now.shape[1]
        return cls(
            root=trajectory.controls.goal(0),
            rotations=now,
            velocities_rad_s=rotation_vectors(compose(invert(now), then)) / step_s,
            memory=ControllerState.initial(trajectory.body),
            nudges=Perturbations(
                np.zeros((1, 3)), np.zeros((1, 3)), np.zeros((1, 2, 2)), np.zeros((1, joints, 3)), np.full(1, TOUCH_M)
            ),
        )

    def __len__(self) -> int:
        return len(self.rotations)

    def from_world(self, world: World) -> Self:
        """They in the state of the bodies of a world."""
        root = RootState(*(each.copy() for each in world.root()))
        return replace(
            self, root=root, rotations=world.rotations().copy(), velocities_rad_s=world.velocities_rad_s().copy()
        )


@dataclass(frozen=True, eq=False)
class PoseHistory(PerBody):
    """What N copies did in F frames, what bore their links in the step before each, and the residual wrench since."""

    AXIS: ClassVar = 1

    centre_m: np.ndarray
    orientations: np.ndarray
    rotations: np.ndarray
    loads_n: np.ndarray
    wrench: np.ndarray
    """(F, N, steps, 6) in the steps from the frame before; zero but where help is allowed."""

    @classmethod
    def from_world(cls, world: World, wrench: np.ndarray) -> Self:
        """Those of a world, one frame; wrench: (N, steps, 6)."""
        root = world.root()
        poses = (root.position_m, root.orientation, world.rotations(), world.loads_n(), wrench)
        return cls(*(each[None].copy() for each in poses))

    @classmethod
    def concatenate_frames(cls, parts: Sequence[Self]) -> Self:
        """One after the other in time."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


@dataclass(frozen=True, eq=False)
class Beam(PerBody):
    """Copies at the end of a window, and how they got there."""

    particles: Particles
    parents: np.ndarray
    """(N,) which copy of the window before each continues."""
    poses: PoseHistory
    """Those of the window's frames."""
    costs: np.ndarray
    """(N,) how badly they do, infinite where they are lost."""

    def select_best(self, count: int) -> Self:
        """The best of them, best first; fewer where fewer are not lost."""
        best = np.argsort(self.costs, kind="stable")[:count]
        return self.select(best[np.isfinite(self.costs[best])])


def trace_history(reached: Sequence[Beam], copy: int) -> PoseHistory:
    """What one copy that was reached last did since the start."""
    parts: list[PoseHistory] = []
    for each in reversed(reached):
        parts.append(each.poses.select(np.array([copy])))
        copy = int(each.parents[copy])
    return PoseHistory.concatenate_frames(parts[::-1])


class _BeamSearch:
    """The search for one motion."""

    def __init__(self, world: World, planned: MotionPlan, settings: TrackerSettings, scene: Scene) -> None:
        self._world, self._planned, self._settings = world, planned, settings
        self._own = settings.residual_free or WITHOUT_RESIDUAL
        fps = planned.links.fps
        self._substeps = settings.engine.steps_per_frame(fps)
        self._step_s = 1 / (fps * self._substeps)
        self._held = max(1, round(1 / (self._own.control_hz * self._step_s)))
        self._count = 0
        self._build_world(1)
        self._trajectory = make_reference_trajectory(world, planned, settings, scene)
        self._balance = WholeBodyController(self._trajectory, self._step_s * self._held, settings)
        self._shown = find_present_supports(planned.supports[0], planned.frames)
        self._draw = np.random.default_rng(0)
        length, last = max(1, round(self._own.window_s * fps)), planned.frames - 1
        self._windows = [range(first, min(first + length, last)) for first in range(0, last, length)]
        self._least = np.zeros(len(self._windows), dtype=int)
        """Of `copies`, how many are tried in each window at least."""
        self._bounds = np.zeros(len(self._windows))
        """Of the residual wrench in each window, as a share of that of the drive."""
        self._searched = 0
        """Windows that were searched, each as often as it was."""

    def track(self) -> SimulatedMotion:
        """What the best of the copies did."""
        start = Particles.start_on(self._trajectory, self._step_s)
        self._reset_world(start)
        still = PoseHistory.from_world(self._world, np.zeros((1, self._substeps, 6)))
        reached = [Beam(start, np.zeros(1, dtype=int), still, np.zeros(1))]
        fell, tries = -1, 0
        while (window := len(reached) - 1) < len(self._windows):
            onward = self._expand(reached[-1].particles, window)
            if len(onward.costs):
                helped = self._bounds[window] and not self._is_at_limit
                if window > fell and helped and len(alone := self._succeed_without_residual(onward)):
                    onward, self._bounds[window + 1 :] = onward.select(alone), 0.0
                reached.append(onward)
                report_progress((window + 1) / len(self._windows))
                continue
            tries = tries + 1 if fell >= 0 and window <= fell + self._own.back[0] else 0
            fell = max(fell, window)
            if (again := self._restart_window(window, tries)) is None:
                return self._make_simulated_motion(trace_history(reached, 0), self._windows[window].stop)
            reached = reached[: again + 1]
        return self._make_simulated_motion(trace_history(reached, 0), None)

    def _restart_window(self, window: int, tries: int) -> int | None:
        """The window to go back to after all copies fell in one, with more copies or residual force; or None."""
        own, bound = self._own, self._bounds[window]
        if tries < len(own.back) and not (bound or self._is_at_limit):
            again = max(0, window - own.back[tries])
            self._least[again : window + 1] = min(tries + 1, len(own.copies) - 1)
            return again
        if not own.fallback or (again := self._window_with_residual(window)) is None:
            return None
        larger = [each for each in own.fallback if each > bound] or [bound]
        self._least[again : window + 1] = min(1, len(own.copies) - 1)
        self._bounds[again:] = larger[-1 if self._is_at_limit else 0]
        return again

    @property
    def _is_at_limit(self) -> bool:
        """Whether a search with a fallback has taken as many windows as it may before help is as large as it may be."""
        limit = self._own.searched_windows_per_s * self._planned.frames / self._planned.links.fps
        return bool(self._own.fallback) and self._searched >= limit

    def _window_with_residual(self, window: int) -> int | None:
        """The window from which on a body gets more help that fell in one; None where it had all help from the start.

        A body that had as much help as is allowed gets it for twice as long, and at the limit all the time.
        """
        less = np.flatnonzero(self._bounds[: window + 1] < self._own.fallback[-1])
        if not len(less):
            return None
        helped = window - int(less[-1])
        return 0 if helped and self._is_at_limit else max(0, window - max(self._own.back[0], 2 * helped))

    def _succeed_without_residual(self, reached: Beam) -> np.ndarray:
        """Which copies got no residual force in a window, and are near the motion after it."""
        return np.flatnonzero(~reached.poses.wrench.any(axis=(0, 2, 3)) & (reached.costs < self._own.well_m[0]))

    def _expand(self, known: Particles, window: int) -> Beam:
        """Those that are to go on after a window, from those known at its start."""
        own, first, count = self._own, self._own.copies[0], len(known)
        self._searched += 1
        same = min(count, first // 2)
        parents = np.concatenate([np.arange(same), self._draw.integers(0, count, first - same)])
        best = self._rollout(known, parents, np.arange(first) >= same, window).select_best(own.beam_width)
        for stage, more in enumerate(own.copies[1:]):
            if stage >= self._least[window] and len(best.costs) and best.costs[0] < own.well_m[min(stage, 1)]:
                break
            tried = self._rollout(known, self._draw.integers(0, count, more), np.ones(more, dtype=bool), window)
            best = Beam.concatenate([best, tried]).select_best(own.beam_width)
        return best

    def _rollout(self, known: Particles, parents: np.ndarray, fresh: np.ndarray, window: int) -> Beam:
        """What becomes of copies of some parents in a window; those that are `fresh` get other nudges."""
        self._build_world(len(parents))
        copies = self._perturb(known.select(parents), fresh)
        shares = np.resize(self._own.fallback_shares, len(parents))
        poses = self._simulate(self._windows[window], copies, self._bounds[window] * shares)
        costs = self._compute_costs(self._windows[window].stop) + self._residual_costs(poses)
        return Beam(copies.from_world(self._world), parents, poses, costs)

    def _residual_costs(self, poses: PoseHistory) -> np.ndarray:
        """What the help (N,) that copies got in a window costs."""
        sizes = np.linalg.norm(poses.wrench.reshape(*poses.wrench.shape[:3], 2, 3), axis=-1).mean(axis=(0, 2))
        return self._own.help_cost_m * np.sum(sizes / self._balance.residual_limits, axis=-1)

    def _build_world(self, count: int) -> None:
        """Put so many copies into the world."""
        if count != self._count:
            planned = self._planned
            self._world.build([planned.body] * count, self._step_s, [planned.supports[0]] * count)
            self._count = count

    def _perturb(self, copies: Particles, fresh: np.ndarray) -> Particles:
        """The copies with nudges that fade, to which other ones are added where they are `fresh` (N,)."""
        own = self._own
        nudged = [any(part.endswith(name) for name in NUDGED) for part in self._planned.body.tree.parts[1:]]
        spreads = (own.force_n, own.moment_nm, own.step_m, own.turn_rad * np.array(nudged, dtype=float)[:, None])
        nudges, shares = list[np.ndarray](), np.zeros(len(fresh))
        shares[fresh] = np.resize(own.spreads, fresh.sum())
        for field, spread in zip(fields(Perturbations)[:-1], spreads, strict=True):  # the last is no deviation
            old = getattr(copies.nudges, field.name)
            drawn = spread * self._draw.standard_normal(old.shape)
            nudges.append(own.persistence * old + shares.reshape(-1, *[1] * (old.ndim - 1)) * drawn)
        touch_m = np.where(self._draw.random(len(fresh)) < own.high_touch_share, own.high_touch_m, TOUCH_M)
        nudges.append(np.where(fresh, touch_m, copies.nudges.touch_m))
        return replace(copies, nudges=Perturbations(*nudges))

    def _reset_world(self, copies: Particles) -> None:
        """Put the bodies into the copies' state."""
        self._world.reset(copies.root, copies.rotations, copies.velocities_rad_s)

    def _simulate(self, frames: range, copies: Particles, bounds: np.ndarray) -> PoseHistory:
        """What the copies do from each of some frames to the next; changes their memory."""
        world, poses = self._world, list[PoseHistory]()
        pushes_n, body = self._trajectory.controls.push_n, self._planned.body
        everyone = range(len(copies))
        self._reset_world(copies)
        for frame in frames:
            for copy in everyone if self._shown[frame] else ():
                world.show(copy, self._shown[frame])
            wrench = np.zeros((len(copies), self._substeps, 6))
            for first in range(0, self._substeps, self._held):
                start, last = frame * self._substeps + first, min(first + self._held, self._substeps)
                steps, nearest = range(start, frame * self._substeps + last), round(start / self._substeps)
                bodies = BodyStates.from_world(world, body)
                command = self._balance.command(steps, nearest, bodies, copies.memory, copies.nudges, bounds)
                force_n, moment_nm = command.wrench[:, :3], command.wrench[:, 3:]
                torque_nm = moment_nm + cross(bodies.centre_m - bodies.root.position_m, force_n)
                wrench[:, first:last] = command.wrench[:, None]
                for index, step in enumerate(steps):
                    own = (command.targets[index], command.torques_nm[index])
                    world.step(everyone, *own, force_n + pushes_n[step], torque_nm)
            poses.append(PoseHistory.from_world(world, wrench))
        return PoseHistory.concatenate_frames(poses)

    def _compute_costs(self, frame: int) -> np.ndarray:
        """How badly (N,) the copies do at a frame, infinite where they are lost."""
        trajectory, own, step = self._trajectory, self._own, frame * self._substeps
        bodies = BodyStates.from_world(self._world, self._planned.body)
        away = TrackingError.at_step(trajectory, step, bodies)
        off_m = np.linalg.norm(bodies.positions_m - trajectory.positions_m[step], axis=-1)
        costs = (
            off_m.mean(axis=1)
            + np.linalg.norm(away.capture_point_error_m(trajectory.centre_m[step, 2]), axis=-1)
            + np.abs(away.centre_m[:, 2])
            + own.fall_cost_s * np.abs(away.centre_m_s[:, 2])
            + own.feet_cost * off_m[:, Legs.from_skeleton(trajectory.body.tree).ankles].mean(axis=1)
            + own.tilt_cost_m * np.linalg.norm(away.tilt_rad, axis=-1)
            + own.spin_cost_m_s * np.linalg.norm(away.tilt_rad_s, axis=-1)
        )
        near = np.linalg.norm(away.root_m, axis=-1) < self._settings.acceptance.lost_root_m
        return np.where(near & (costs < own.prune_cost_m), costs, np.inf)

    def _make_simulated_motion(self, done: PoseHistory, lost_at: int | None) -> SimulatedMotion:
        """The track of one copy."""
        planned = self._planned
        record = BodyTrajectories.empty(planned.frames, (planned.frames - 1) * self._substeps, 1, len(planned.body))
        held = np.minimum(np.arange(planned.frames), len(done.centre_m) - 1)
        for name in ("centre_m", "orientations", "rotations", "loads_n"):
            getattr(record, name)[:, 0] = getattr(done, name)[held, 0]
        wrench = done.wrench[1:, 0].reshape(-1, 6)
        record.wrench[: len(wrench), 0] = wrench
        record.lost_at[0] = lost_at or 0
        return record.to_simulated_motions(planned, 0)[0]
