"""Tracker: simulated humanoids follow motions by joint drives, feed-forward and a bounded root wrench."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.body.frames import from_simulator, orientations_from_simulator
from selfcorrect.simulators.body.leg_ik import Legs
from selfcorrect.simulators.body.vectors import cross
from selfcorrect.simulators.engines.props import present
from selfcorrect.simulators.engines.world import RootState, World
from selfcorrect.simulators.scene import PLAIN, Scene
from selfcorrect.simulators.settings.tracker import TrackerSettings
from selfcorrect.simulators.tracking.leg_feedback import LegFeedback
from selfcorrect.simulators.tracking.root_wrench import root_wrench
from selfcorrect.simulators.tracking.script import Planned, Script, script_of


@dataclass(frozen=True, eq=False)
class Track:
    """What a body did.

    motion: on the body's tree, the last good pose held where the body was given up; wrench: (S, 6) residual root force
    (N) and moment about the centre of mass (N m) of every simulation step, world; loads_n: (F, L) vertical force of the
    surroundings on each link in the last step before each frame but the first; lost_at: frame at which the body was
    given up, None if it held out to the end.
    """

    motion: Motion
    wrench: np.ndarray
    loads_n: np.ndarray
    lost_at: int | None


@dataclass(frozen=True, eq=False)
class Record:
    """What N bodies did, in the simulator's frame: (T, N, ...) at frames, (S, N, ...) at steps."""

    centre_m: np.ndarray
    orientations: np.ndarray
    rotations: np.ndarray
    loads_n: np.ndarray
    wrench: np.ndarray
    lost_at: np.ndarray
    """(N,) frame at which each was given up, 0 for none."""

    @classmethod
    def empty(cls, frames: int, steps: int, bodies: int, links: int) -> Record:
        """Nothing yet."""
        return cls(
            centre_m=np.zeros((frames, bodies, 3)),
            orientations=np.zeros((frames, bodies, 4)),
            rotations=np.zeros((frames, bodies, links - 1, 4)),
            loads_n=np.zeros((frames, bodies, links)),
            wrench=np.zeros((steps, bodies, 6)),
            lost_at=np.zeros(bodies, dtype=int),
        )

    def note(self, frame: int, world: World) -> None:
        """The state of the bodies at a frame, and what bore them in the step before that."""
        self.centre_m[frame], self.orientations[frame], *_ = world.root()
        self.rotations[frame], self.loads_n[frame] = world.rotations(), world.loads_n()

    def tracks(self, planned: Planned, first: int) -> list[Track]:
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
            tracks.append(Track(motion, wrench[:steps, index].reshape(-1, 6), loads_n, lost_at or None))
        return tracks


def follow(
    world: World, planned: Sequence[Planned], settings: TrackerSettings, scene: Scene = PLAIN
) -> list[list[Track]]:
    """Simulate bodies following their motions; what became of each of the planned ones.

    Their trees may differ in lengths only, and their frame rates are one. What becomes of a motion does not depend on
    the others. A push of the scene is no help, and not told as such.
    """
    longest_first = sorted(range(len(planned)), key=lambda index: -planned[index].frames)
    tracks = dict(
        zip(longest_first, _follow(world, [planned[index] for index in longest_first], settings, scene), strict=True)
    )
    return [tracks[index] for index in range(len(planned))]


def _follow(world: World, planned: Sequence[Planned], settings: TrackerSettings, scene: Scene) -> list[list[Track]]:
    """The same for motions in the order of their lengths, so that those that still go on are the first ones."""
    bodies = [each.body for each in planned for _ in range(len(each))]
    fps, substeps = planned[0].links.fps, settings.engine.steps_per_frame(planned[0].links.fps)
    world.build(bodies, 1 / (fps * substeps), [own for each in planned for own in each.supports])
    script = Script.joined([script_of(world, each, settings, scene) for each in planned])
    record = Record.empty(planned[0].frames, len(script.targets), len(bodies), len(bodies[0]))
    _simulate(world, planned, script, record, settings)
    starts = np.cumsum([0, *map(len, planned)]).tolist()
    return [record.tracks(each, start) for each, start in zip(planned, starts, strict=False)]


def _simulate(
    world: World, planned: Sequence[Planned], script: Script, record: Record, settings: TrackerSettings
) -> None:
    """Take the bodies through their script, each as long as it has frames and is not lost."""
    substeps = settings.engine.steps_per_frame(planned[0].links.fps)
    frames = np.repeat([each.frames for each in planned], [len(each) for each in planned])
    presence = [present(own, each.frames) if own else [] for each in planned for own in each.supports]
    control = _Control(planned, script, settings)
    control.start(world)
    record.note(0, world)
    for frame in range(planned[0].frames - 1):
        still = slice(int((frames > frame + 1).sum()))
        running = np.flatnonzero(record.lost_at[still] == 0).tolist()
        for body in running:
            if presence[body]:
                world.show(body, presence[body][frame])
        for step in range(frame * substeps, (frame + 1) * substeps):
            record.wrench[step, still] = control.step(world, step, still, running)
        record.note(frame + 1, world)
        off_m = np.linalg.norm(record.centre_m[frame + 1] - script.goal_m[(frame + 1) * substeps], axis=-1)
        lost = ~(off_m < settings.acceptance.lost_root_m)
        record.lost_at[running] = np.where(lost[running], frame + 1, 0)


class _Control:
    """What acts on N bodies at each step, by their script and by where they are."""

    def __init__(self, planned: Sequence[Planned], script: Script, settings: TrackerSettings) -> None:
        fps, substeps = planned[0].links.fps, settings.engine.steps_per_frame(planned[0].links.fps)
        self._script, self._step_s, self._legs = script, 1 / (fps * substeps), Legs.of(planned[0].body.tree)
        masses_kg = np.repeat([each.body.total_mass_kg for each in planned], [len(each) for each in planned])
        self._wrench = root_wrench(settings.drive, masses_kg)
        self._feedback = LegFeedback(self._legs, script, self._step_s, settings.plan.feedback)
        self._nearest_frames = np.round(np.arange(len(script.targets)) / (fps * substeps) * fps).astype(int)

    def start(self, world: World) -> None:
        """Put the bodies on their references, moving with them."""
        now, then = (Rotation.from_quat(each.reshape(-1, 4)) for each in self._script.rotations)
        turns_rad = (now.inv() * then).as_rotvec().reshape(*self._script.rotations.shape[1:3], 3)
        world.reset(self._script.goal(0), self._script.rotations[0], turns_rad / self._step_s)

    def step(self, world: World, step: int, still: slice, running: Sequence[int]) -> np.ndarray:
        """Advance those bodies that are running, of the first ones that `still` go on.

        Returns the latter's residual wrenches (n, 6).
        """
        script, goal = self._script, self._script.goal(step, still)
        root, ankles_m = (
            RootState(*(each[still] for each in world.root())),
            world.positions_m(self._legs.ankles.tolist())[still],
        )
        force_n, moment_nm = self._wrench(goal, root, script.rest[step, still], script.inertia[step, still])
        torque_nm = moment_nm + cross(script.lever_m[step, still], force_n)
        targets = self._feedback.move(step, self._nearest_frames[step], goal, root, ankles_m)
        pushed_n = force_n + script.push_n[step, still]
        world.step(running, targets, script.torques_nm[step, still], pushed_n, torque_nm)
        return np.concatenate([force_n, moment_nm], axis=-1)
