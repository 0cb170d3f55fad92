"""Baselines without root force: predictive sampling, and an annealed sampler.

Both search, again and again, for the joints' targets of a short horizon ahead. These are the reference's, turned by a
spline in time. Bodies that start in one state simulate candidates; the first part of what comes out is executed.

Predictive sampling adds Gaussian noise to the best spline so far and takes the best (Howell et al. 2022, "Predictive
sampling: real-time behaviour synthesis with MuJoCo"). The annealed sampler takes several rounds of smaller and smaller
noise, each of which moves the spline to the mean of its candidates, weighted by their costs (Xue et al. 2024,
"Full-order sampling-based MPC for torque-level locomotion control via diffusion-style annealing"; Pan et al. 2025,
"SPIDER: scalable physics-informed dexterous retargeting").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import make_interp_spline

from selfcorrect.motion.geometry.kinematics import forward_kinematics
from selfcorrect.motion.geometry.rotations import compose, invert, quaternions, rotate, rotation_vectors
from selfcorrect.simulators.engines.support_colliders import find_present_supports
from selfcorrect.simulators.engines.world import RootState, World
from selfcorrect.simulators.settings.tracker import TrackerSettings
from selfcorrect.simulators.stages.scene import PLAIN, Scene
from selfcorrect.simulators.stages.values import MotionPlan, SimulatedMotion
from selfcorrect.simulators.tracking.control_sequence import make_reference_trajectory
from selfcorrect.simulators.tracking.tracker import BodyTrajectories


@dataclass(frozen=True)
class PlannerSettings:
    """How a planner searches."""

    rounds: int
    """Rounds of candidates before each part is executed; 1 is predictive sampling."""
    noise_rad: float
    """Standard deviation of the noise on each knot in the first round."""
    horizon_s: float
    """How far ahead candidates are simulated."""
    decay: float = 0.5
    """Factor on the noise from round to round."""
    temperature: float = 0.1
    """Of the weights of candidates, in standard deviations of their costs; for several rounds."""
    executed_s: float = 0.1
    """How much of it is executed before the next search."""
    knots: int = 4
    """Of the spline over a horizon."""
    speed_cost_s: float = 0.05
    """Weight of the links' velocities against their positions."""
    budget: int = 64
    """Simulated steps for each step of the motion."""

    @property
    def candidates(self) -> int:
        """Bodies simulated at once, with which a search takes the budget."""
        return max(2, round(self.budget * self.executed_s / (self.horizon_s * self.rounds)))


@dataclass(frozen=True, eq=False)
class _State:
    """N bodies at a frame."""

    root: RootState
    rotations: np.ndarray
    velocities_rad_s: np.ndarray
    loads_n: np.ndarray

    @classmethod
    def of(cls, world: World) -> _State:
        root = RootState(*(each.copy() for each in world.root()))
        return cls(root, world.rotations().copy(), world.velocities_rad_s().copy(), world.loads_n().copy())

    def taken(self, body: int, count: int) -> _State:
        """One body, `count` times."""
        rows = np.full(count, body)
        root = RootState(*(each[rows] for each in self.root))
        return _State(root, self.rotations[rows], self.velocities_rad_s[rows], self.loads_n[rows])


def follow_by_planner(
    planner: PlannerSettings,
    world: World,
    planned: Sequence[MotionPlan],
    settings: TrackerSettings,
    scene: Scene = PLAIN,
) -> list[list[SimulatedMotion]]:
    """What became of each planned motion; in place of `track_residual_free`."""
    return [
        [_Planner(planner, world, each.select([index]), settings, scene).track() for index in range(len(each))]
        for each in planned
    ]


class _Planner:
    """The search for one motion."""

    def __init__(
        self, own: PlannerSettings, world: World, planned: MotionPlan, settings: TrackerSettings, scene: Scene
    ) -> None:
        self._own, self._world, self._planned, self._settings = own, world, planned, settings
        self._count, fps = own.candidates, planned.motions.fps
        self._substeps = settings.engine.steps_per_frame(fps)
        step_s = 1 / (fps * self._substeps)
        world.build([planned.body] * self._count, step_s, [planned.supports[0]] * self._count)
        self._trajectory = make_reference_trajectory(world, planned, settings, scene)
        self._step_s, self._shown = step_s, find_present_supports(planned.supports[0], planned.frames)
        self._part, self._ahead = max(1, round(own.executed_s * fps)), max(1, round(own.horizon_s * fps))
        self._knot_s = np.linspace(0.0, self._ahead / fps, own.knots)
        self._spline = make_interp_spline(self._knot_s, np.eye(own.knots), k=min(3, own.knots - 1))
        self._draw = np.random.default_rng(0)

    def track(self) -> SimulatedMotion:
        """Search and execute, part by part, to the end or until the body is lost."""
        frames, spline = self._planned.frames, np.zeros((self._own.knots, len(self._planned.body) - 1, 3))
        now = self._start()
        done, lost_at = [now.taken(0, 1)], None
        for first in range(0, frames - 1, self._part):
            last, ahead = min(first + self._part, frames - 1), min(first + self._ahead, frames - 1)
            spline, states, best = self._searched(now, spline, first, ahead)
            executed = [each.taken(best, 1) for each in states[: last - first]]
            lost = [not self._near(first + 1 + index, each) for index, each in enumerate(executed)]
            if any(lost):
                lost_at = first + 1 + lost.index(True)
                done += executed[: lost.index(True)]
                break
            done, now = done + executed, executed[-1]
            shifted_s = np.minimum(self._knot_s + self._part / self._planned.motions.fps, self._knot_s[-1])
            spline = np.tensordot(self._spline(shifted_s), spline, axes=1)
        return self._as_track(done, lost_at)

    def _searched(self, now: _State, spline: np.ndarray, first: int, last: int) -> tuple[np.ndarray, list[_State], int]:
        """The spline (K, J, 3) that was found, the states of the last round's candidates, and which of them is best."""
        noise_rad, states, best = self._own.noise_rad, [], 0
        for _ in range(self._own.rounds):
            noise = noise_rad * self._draw.standard_normal((self._count, *spline.shape))
            noise[0] = 0.0
            candidates = spline + noise
            costs, states = self._simulated(now, candidates, first, last)
            best, noise_rad = int(costs.argmin()), noise_rad * self._own.decay
            spline = candidates[best] if self._own.rounds == 1 else self._mean(candidates, costs)
        return spline, states, best

    def _mean(self, candidates: np.ndarray, costs: np.ndarray) -> np.ndarray:
        """The mean of candidates by the weights of their costs."""
        finite = np.isfinite(costs)
        if not finite.any():
            return candidates[0]
        scale = max(float(costs[finite].std()), 1e-9)
        weights = np.where(finite, np.exp(-(costs - costs[finite].min()) / (self._own.temperature * scale)), 0.0)
        return np.tensordot(weights / weights.sum(), candidates, axes=1)

    def _simulated(self, now: _State, candidates: np.ndarray, first: int, last: int) -> tuple[np.ndarray, list[_State]]:
        """Costs (N,) of candidates (N, K, J, 3) from one frame to another, and the states at each frame after it."""
        world, controls = self._world, self._trajectory.controls
        start = now.taken(0, self._count)
        world.reset(start.root, start.rotations, start.velocities_rad_s)
        nothing, costs, states = np.zeros((self._count, 3)), np.zeros(self._count), []
        positions_m = self._positions_m()
        for frame in range(first, last):
            for copy in range(self._count) if self._shown[frame] else ():
                world.show(copy, self._shown[frame])
            for step in range(frame * self._substeps, (frame + 1) * self._substeps):
                weights = self._spline((step - first * self._substeps) * self._step_s)
                turns = quaternions(np.tensordot(candidates, weights, axes=(1, 0)))
                targets = compose(np.broadcast_to(controls.targets[step], turns.shape), turns)
                torques_nm = np.broadcast_to(controls.torques_nm[step], turns[..., :3].shape)
                world.step(range(self._count), targets, torques_nm, nothing + controls.push_n[step], nothing)
            before_m, positions_m = positions_m, self._positions_m()
            costs += self._cost((frame + 1) * self._substeps, before_m, positions_m)
            states.append(_State.of(world))
        return np.where(np.isfinite(costs), costs, np.inf), states

    def _cost(self, step: int, before_m: np.ndarray, positions_m: np.ndarray) -> np.ndarray:
        """(N,) mean distance of the links from where they should be, and of their velocities."""
        wanted_m = self._trajectory.positions_m
        frame_s = self._substeps * self._step_s
        speeds_m_s = (positions_m - before_m - (wanted_m[step] - wanted_m[step - self._substeps])) / frame_s
        off_m, off_m_s = (np.linalg.norm(each, axis=-1).mean(-1) for each in (positions_m - wanted_m[step], speeds_m_s))
        return off_m + self._own.speed_cost_s * off_m_s

    def _positions_m(self) -> np.ndarray:
        """(N, L, 3) of the links' joints now, in the simulator's frame."""
        root, body = self._world.root(), self._planned.body
        local = np.concatenate([root.orientation[:, None], self._world.rotations()], axis=1)
        return forward_kinematics(body.tree, root.position_m - rotate(root.orientation, body.centre_m[0]), local)[0]

    def _near(self, frame: int, state: _State) -> bool:
        """Whether the root of the one body is where it may be."""
        goal_m = self._trajectory.controls.goal_m[frame * self._substeps, 0]
        off_m = np.linalg.norm(state.root.position_m[0] - goal_m)
        return bool(off_m < self._settings.acceptance.lost_root_m)

    def _start(self) -> _State:
        """On the trajectory and moving with it."""
        now, then = self._trajectory.controls.rotations
        rows = np.zeros(self._count, dtype=int)
        velocities_rad_s = rotation_vectors(compose(invert(now), then)) / self._step_s
        root = RootState(*(each[rows] for each in self._trajectory.controls.goal(0)))
        self._world.reset(root, now[rows], velocities_rad_s[rows])
        return _State.of(self._world)

    def _as_track(self, done: Sequence[_State], lost_at: int | None) -> SimulatedMotion:
        """The track of what was executed, without root force."""
        planned = self._planned
        record = BodyTrajectories.empty(planned.frames, (planned.frames - 1) * self._substeps, 1, len(planned.body))
        for frame in range(planned.frames):
            state = done[min(frame, len(done) - 1)]
            record.centre_m[frame], record.orientations[frame] = state.root.position_m, state.root.orientation
            record.rotations[frame], record.loads_n[frame] = state.rotations, state.loads_n
        record.lost_at[0] = lost_at or 0
        return record.to_simulated_motions(planned, 0)[0]
