"""Following a motion without residual force: muscles and contacts alone hold the body up.

The root gets no force and no moment. The floor has to give them instead (`balance`), and a search finds what that
misses. Copies of the body take the motion a window at a time, each with its control nudged at random. The best become
parents of the next window's copies (Liu et al. 2010, "Sampling-based contact-rich motion control"). Draws come from a
fixed seed, so that a motion always gives the same result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np

from selfcorrect.motion.geometry.rotations import composed, inverted, rotation_vectors
from selfcorrect.simulators.body.leg_ik import Legs
from selfcorrect.simulators.engines.support_colliders import present
from selfcorrect.simulators.engines.world import RootState, World
from selfcorrect.simulators.scene import PLAIN, Scene
from selfcorrect.simulators.settings.tracker import WITHOUT_RESIDUAL, TrackerSettings
from selfcorrect.simulators.stages import Plan, Track
from selfcorrect.simulators.tracking.balance import Away, Balance, Bodies, Nudges
from selfcorrect.simulators.tracking.reference_trajectory import ReferenceTrajectory, reference_trajectory_of
from selfcorrect.simulators.tracking.tracker import Record

NUDGED = ("hip", "knee", "ankle", "spine1", "spine2", "spine3")
"""Joints whose targets are nudged."""


@dataclass(frozen=True, eq=False)
class Copies:
    """N copies of a body between windows: their state, and what continues with them."""

    root: RootState
    rotations: np.ndarray
    velocities_rad_s: np.ndarray
    feet_m: np.ndarray
    """(N, 2, 3) low-passed errors of their legs."""
    nudges: Nudges

    @classmethod
    def at_start(cls, trajectory: ReferenceTrajectory, step_s: float) -> Self:
        """One, on its trajectory and moving with it."""
        now, then = trajectory.controls.rotations
        joints = now.shape[1]
        return cls(
            root=trajectory.controls.goal(0),
            rotations=now,
            velocities_rad_s=rotation_vectors(composed(inverted(now), then)) / step_s,
            feet_m=np.zeros((1, 2, 3)),
            nudges=Nudges(np.zeros((1, 3)), np.zeros((1, 3)), np.zeros((1, 2, 2)), np.zeros((1, joints, 3))),
        )

    def taken(self, copies: np.ndarray) -> Self:
        """Some of them, or some several times."""
        root = RootState(*(each[copies] for each in self.root))
        own = (self.rotations[copies], self.velocities_rad_s[copies], self.feet_m[copies])
        return type(self)(root, *own, self.nudges.taken(copies))


@dataclass(frozen=True, eq=False)
class _Poses:
    """What N copies did in F frames, and what bore their links in the step before each."""

    centre_m: np.ndarray
    orientations: np.ndarray
    rotations: np.ndarray
    loads_n: np.ndarray

    @classmethod
    def now(cls, world: World) -> Self:
        """Those of a world, one frame."""
        root = world.root()
        poses = (root.position_m, root.orientation, world.rotations(), world.loads_n())
        return cls(*(each[None].copy() for each in poses))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """One after the other."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def taken(self, copies: np.ndarray) -> Self:
        """Those of some copies."""
        return type(self)(*(getattr(self, field.name)[:, copies] for field in fields(self)))


def follow_residual_free(
    world: World, planned: Sequence[Plan], settings: TrackerSettings, scene: Scene = PLAIN
) -> list[list[Track]]:
    """Simulate bodies following their motions without help; what became of each of the planned ones."""
    return [[_followed(world, each.taken([index]), settings, scene) for index in range(len(each))] for each in planned]


def _followed(world: World, planned: Plan, settings: TrackerSettings, scene: Scene) -> Track:
    """What became of one motion, with more and more copies until one gets to its end, or else as far as any got."""
    tracks = []
    for copies in (settings.residual_free or WITHOUT_RESIDUAL).copies:
        tracks.append(_Search(world, planned, settings, scene, copies).track())
        if tracks[-1].lost_at is None:
            break
    return max(tracks, key=lambda track: track.lost_at or planned.frames)


class _Search:
    """The search for one motion with so many copies."""

    def __init__(self, world: World, planned: Plan, settings: TrackerSettings, scene: Scene, count: int) -> None:
        self._world, self._planned, self._settings, self._count = world, planned, settings, count
        self._own = settings.residual_free or WITHOUT_RESIDUAL
        self._substeps = settings.engine.steps_per_frame(planned.links.fps)
        step_s = 1 / (planned.links.fps * self._substeps)
        world.build([planned.body] * count, step_s, [planned.supports[0]] * count)
        self._trajectory = reference_trajectory_of(world, planned, settings, scene)
        self._balance = Balance(self._trajectory, step_s, settings)
        self._start = Copies.at_start(self._trajectory, step_s)
        self._shown = present(planned.supports[0], planned.frames)
        self._draw = np.random.default_rng(0)

    def track(self) -> Track:
        """What the best of the copies did."""
        frames, own = self._planned.frames, self._own
        length = max(1, round(own.window_s * self._planned.links.fps))
        kept, lost_at = self._start, None
        self._put(kept.taken(np.zeros(self._count, dtype=int)))
        done = _Poses.now(self._world).taken(np.array([0]))
        for first in range(0, frames - 1, length):
            last = min(first + length, frames - 1)
            parents = self._parents(len(kept.rotations))
            copies = self._nudged(kept.taken(parents), len(kept.rotations))
            window = self._simulated(range(first, last), copies)
            costs = self._costs(last)
            best = np.argsort(costs, kind="stable")[: own.kept]
            best = best[np.isfinite(costs[best])]
            if not len(best):
                lost_at = last
                break
            done = _Poses.joined([done.taken(parents[best]), window.taken(best)])
            kept = self._ended(copies).taken(best)
        return self._as_track(done, lost_at)

    def _parents(self, known: int) -> np.ndarray:
        """From which copy each of the next ones goes on: each is a parent once, then some at random."""
        return np.concatenate([np.arange(known), self._draw.integers(0, known, self._count - known)])

    def _nudged(self, copies: Copies, known: int) -> Copies:
        """The copies with other nudges, but for the first of each parent, whose nudges fade."""
        own = self._own
        nudged = [any(part.endswith(name) for name in NUDGED) for part in self._planned.body.tree.parts[1:]]
        spreads = (own.force_n, own.moment_nm, own.step_m, own.turn_rad * np.array(nudged, dtype=float)[:, None])
        fresh = np.arange(self._count) >= known
        nudges = []
        for field, spread in zip(fields(Nudges), spreads, strict=True):
            old = getattr(copies.nudges, field.name)
            drawn = spread * self._draw.standard_normal(old.shape)
            nudges.append(own.persistence * old + fresh.reshape(-1, *[1] * (old.ndim - 1)) * drawn)
        return replace(copies, nudges=Nudges(*nudges))

    def _put(self, copies: Copies) -> None:
        """Put the bodies into the copies' state."""
        self._world.reset(copies.root, copies.rotations, copies.velocities_rad_s)

    def _simulated(self, frames: range, copies: Copies) -> _Poses:
        """What the copies do from each of some frames to the next; changes their `feet_m`."""
        world, nothing, poses = self._world, np.zeros((self._count, 3)), []
        pushes_n = self._trajectory.controls.push_n
        self._put(copies)
        for frame in frames:
            for copy in range(self._count) if self._shown[frame] else ():
                world.show(copy, self._shown[frame])
            for step in range(frame * self._substeps, (frame + 1) * self._substeps):
                nearest = round(step / self._substeps)
                bodies = Bodies.of(world, self._planned.body)
                drive = self._balance.command(step, nearest, bodies, copies.feet_m, copies.nudges)
                world.step(range(self._count), *drive, nothing + pushes_n[step], nothing)
            poses.append(_Poses.now(world))
        return _Poses.joined(poses)

    def _ended(self, copies: Copies) -> Copies:
        """The copies as they are now."""
        world = self._world
        root = RootState(*(each.copy() for each in world.root()))
        return replace(
            copies, root=root, rotations=world.rotations().copy(), velocities_rad_s=world.velocities_rad_s().copy()
        )

    def _costs(self, frame: int) -> np.ndarray:
        """How badly (N,) the copies do at a frame, infinite where they are lost."""
        trajectory, own, step = self._trajectory, self._own, frame * self._substeps
        bodies = Bodies.of(self._world, self._planned.body)
        away = Away.of(trajectory, step, bodies)
        off_m = np.linalg.norm(bodies.positions_m - trajectory.positions_m[step], axis=-1)
        costs = (
            off_m.mean(axis=1)
            + np.linalg.norm(away.captured_m(trajectory.centre_m[step, 2]), axis=-1)
            + np.abs(away.centre_m[:, 2])
            + own.fall_cost_s * np.abs(away.centre_m_s[:, 2])
            + own.feet_cost * off_m[:, Legs.of(trajectory.body.tree).ankles].mean(axis=1)
            + own.tilt_cost_m * np.linalg.norm(away.tilt_rad, axis=-1)
            + own.spin_cost_m_s * np.linalg.norm(away.tilt_rad_s, axis=-1)
        )
        near = np.linalg.norm(away.root_m, axis=-1) < self._settings.acceptance.lost_root_m
        return np.where(near & np.isfinite(costs), costs, np.inf)

    def _as_track(self, done: _Poses, lost_at: int | None) -> Track:
        """The track of the best copy, which got no help."""
        planned = self._planned
        record = Record.empty(planned.frames, (planned.frames - 1) * self._substeps, 1, len(planned.body))
        held = np.minimum(np.arange(planned.frames), len(done.centre_m) - 1)
        for field in fields(_Poses):
            getattr(record, field.name)[:, 0] = getattr(done, field.name)[held, 0]
        record.lost_at[0] = lost_at or 0
        return record.tracks(planned, 0)[0]
