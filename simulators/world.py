"""Perceive a motion's world once, and correct the motion in it.

The world is what feet and posture show before the correction: ground that moves, floor, T-poses and takes. The
correction then works on a level floor that stands still, and its result returns to the world.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from selfcorrect.motion.checks.body import count_held_t_pose_frames, count_t_pose_frames, find_ends_in_t_pose
from selfcorrect.motion.editing.transforms import raise_motion
from selfcorrect.motion.geometry.vectors import UP, median, normalize_safely
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.measures.moves import UNCHANGED_M
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.floor_frame import FloorFrame
from selfcorrect.motion.perception.foot_frames import estimate_foot_frames
from selfcorrect.motion.perception.ground_plane import LEVEL, GroundPlane
from selfcorrect.motion.perception.motion_features import MotionFeatures
from selfcorrect.motion.perception.observation import observe
from selfcorrect.motion.perception.observed_ground import observe_ground
from selfcorrect.motion.perception.sinking import find_steady_rise
from selfcorrect.motion.perception.stances import RISES_FAR_M, SAME_LEVEL_M
from selfcorrect.motion.support import Surroundings
from selfcorrect.motion.views import TurnedWorld

from .core.levelling import FitSoles, LevelFloor
from .core.settings import CleanupChoices, ViewSettings
from .hypotheses.splices import JoinSplices, find_takes
from .results.motion_world import FloorDecision, MotionWorld, Ride, TPoses
from .results.results import NOTED_M, SHORTEST_FRAMES, CorrectedMotion, Note, NoteKind
from .results.view import CorrectionView, Part
from .results.way_back import map_space


def find_ride(motion: Motion) -> Ride | None:
    """Find the ride of a motion on unknown ground.

    A body that rises or sinks evenly for longer than any flight is carried by a lift. Its feet do not travel, and move
    up or down together. Without a lift, it is the steady rise of the ground under all steps, if that is certain or no
    tilted plane. Seen from the ride, the motion stands on a single level, and at a constant speed forces are the same.
    If the root's height was never recorded, so that it is the same in all frames, it shows no ride.
    """
    if len(motion) and np.ptp(motion.root_m[:, 1]) < UNCHANGED_M:
        return None
    ground = observe_ground(motion)
    seen = ground.feet_seen
    if seen.lift_m.any():
        return Ride(seen.lift_m, is_lift=True)
    steady = find_steady_rise(seen)
    if steady.is_certain and abs(steady.rate_m_s) * len(motion) / motion.fps < RISES_FAR_M:
        frames = np.arange(len(motion))
        return Ride(steady.rate_m_s * (frames - frames.mean()) / motion.fps, is_lift=False, is_certain=True)
    rises = seen.rise_m.any() and (seen.rises_underfoot or not ground.plane.is_tilted)
    return Ride(seen.rise_m, is_lift=False) if rises else None


def find_t_poses(motion: Motion) -> TPoses:
    """Find the T-poses at both ends of a motion.

    The motion jumps out of a T-pose, or holds one rigidly.
    """
    if not any(find_ends_in_t_pose(motion)):
        return TPoses()
    opening, fades_in = _count_opening_frames(motion)
    rest = motion.frames(opening, len(motion))
    reversed_rest = replace(rest, root_m=rest.root_m[::-1], rotations=rest.rotations[::-1], contacts=None)
    closing, fades_out = _count_opening_frames(reversed_rest)
    return TPoses(opening, closing, fades_in, fades_out)


def perceive_world(motion: Motion, cleanup: CleanupChoices) -> Part:
    """Perceive the world of a motion, and return the motion as seen from ground that moves.

    The floor is that of the known ground, or else the plane under the feet. If the ground is unknown and floors are not
    estimated, the floor is at y = 0. If uncertain bone lengths explain the height of an estimated floor (see
    `ObservedGround.kept_m`), it is at y = 0 only in the floor's frame, and the correction returns to that height.
    """
    if motion.ground is not None or cleanup.find_step(LevelFloor) is None:
        given = motion
        world = MotionWorld(floor_frame=FloorFrame.from_ground(motion))
    else:
        ride = find_ride(motion) if cleanup.considers("moving-ground") else None
        given = raise_motion(motion, -ride.rises_m) if ride else motion
        world = replace(_estimate_floor(given, cleanup), ride=ride)
    world = replace(world, is_height_kept=not cleanup.mode.moves_to_floor)
    seen = world.floor_frame.view(given)
    if cleanup.find_step(FitSoles) is not None and cleanup.considers("t-poses"):
        world = replace(world, t_poses=find_t_poses(seen))
    first, last = world.find_frames_between_t_poses(motion)
    splicing = cleanup.find_step(JoinSplices)
    if splicing is None or splicing.join_takes or not cleanup.considers("takes") or last - first < SHORTEST_FRAMES:
        return Part(given, world)
    takes = find_takes(seen.frames(first, last))[1:]
    return Part(given, replace(world, takes=tuple(first + frame for frame in takes)))


def _estimate_floor(motion: Motion, cleanup: CleanupChoices) -> MotionWorld:
    """Estimate the plane under the feet, and whether its height stays."""
    plane = observe_ground(motion).plane if cleanup.considers("tilted-floor") else LEVEL
    world = MotionWorld(estimated_plane=plane, levels=cleanup.level)
    turned = _turn_level(motion, world.plane) if world.plane.is_tilted else None
    kept_m = observe_ground(turned.view(motion) if turned else motion).kept_m or 0.0
    moves_floor = not (cleanup.keep_level or kept_m)
    return replace(world, floor_frame=FloorFrame(turned, kept_m), moves_floor=moves_floor)


def _turn_level(motion: Motion, plane: GroundPlane) -> TurnedWorld:
    """Return the rotation that turns a tilted floor level, about the first place where a foot stands.

    Any place on a slope could be the one at y = 0. About the first, the height at which a body starts is corrected as
    on a level floor, wherever the body starts and goes. About the origin, a floor would be moved by as much as it
    climbs from there to the body.
    """
    uphill = normalize_safely(np.array(plane.normal)[[0, 2]])
    stances = observe(motion).stances
    if stances:
        first = min(stance.first for stance in stances)  # of both feet, so that a mirror image is turned alike
        start_m = np.mean([stance.place_m for stance in stances if stance.first == first], axis=0)
    else:
        start_m = joint_positions(motion.frames(0, 1), motion.skeleton.pair("ankle"))[0].mean(axis=0)
    x_m, z_m = ((start_m[[0, 2]] @ uphill) * uphill).tolist()
    return TurnedWorld(plane.to_level, (x_m, 0.0, z_m))


def see_from_ride(part: Part, settings: ViewSettings) -> CorrectionView:
    """Perceive the world, and hide that the ground carries the motion up or down, or rises steadily."""
    seen = perceive_world(part.motion, settings.cleanup)
    return CorrectionView.from_part(seen, partial(_restore_ride, seen.world))


def _restore_ride(world: MotionWorld, correction: CorrectedMotion) -> CorrectedMotion:
    """Restore a correction from moving ground to the world, with a note."""
    ride = world.ride
    if ride is None:
        return correction
    kind = NoteKind.RIDE if ride.is_lift else NoteKind.RISES
    note = Note(NoteKind.RISE_REMOVED if world.is_rise_removed else kind, round(ride.extent_m, 3))
    correction = replace(correction, remarks=(note, *correction.remarks))
    if world.is_rise_removed and correction.accepted:
        return correction
    beliefs = correction.beliefs
    beliefs = replace(beliefs, is_carried=beliefs.is_carried or ride.is_lift, loops_s=())
    carried = replace(correction, beliefs=beliefs)
    return map_space(carried, ride.rises_m[:, None] * UP)


@dataclass(frozen=True, eq=False)
class MotionOnFloor:
    """A motion in the frame of its floor, and the way back."""

    given: Motion
    """The motion in its world, seen from ground that moves."""
    world: MotionWorld

    @cached_property
    def motion(self) -> Motion:
        """The motion in the frame of its floor."""
        return self.world.floor_frame.view(self.given)

    @property
    def part(self) -> Part:
        """The motion that inner views see."""
        return Part(self.motion, self.world)

    def on_level_floor(self) -> MotionOnFloor:
        """Return the motion as if its estimated floor were level."""
        return MotionOnFloor(self.given, self.world.on_level_floor())

    def restore(self, correction: CorrectedMotion) -> CorrectedMotion:
        """Restore a correction to the world of `given`, and decide the floor.

        If corrections stay level, it is restored to the level world.
        """
        world = self.world
        correction = replace(correction, remarks=(*self._remark_on_plane(), *correction.remarks), world=world)
        if self.motion is self.given:
            return self.decide_floor(correction)
        if not correction.accepted:
            return replace(correction, motion=self.given)
        turned = None if world.is_levelled else world.floor_frame.turned
        placed = map_space(correction, (0.0, world.floor_frame.lowest_m, 0.0), turned)
        return self.decide_floor(replace(placed, motion=replace(placed.motion, ground=self.given.ground)))

    def _remark_on_plane(self) -> Iterator[Note]:
        """Yield remarks on the plane and height of the floor."""
        world = self.world
        if world.plane.is_tilted:
            yield Note(NoteKind.LEVELLED if world.levels else NoteKind.TILTED, world.plane.tilt_deg)
        elif world.estimated_plane.is_bent and not world.levels:
            yield Note(NoteKind.TILT_CHANGES, world.estimated_plane.tilt_deg)
        if self.given.ground is None and abs(world.floor_frame.lowest_m) > NOTED_M:
            yield Note(NoteKind.FLOOR_KEPT, world.floor_frame.lowest_m)

    def decide_floor(self, correction: CorrectedMotion, least_m: float = 0.0) -> CorrectedMotion:
        """Decide the floor of a restored correction, and move it to y = 0 if it is at least `least_m` away.

        The feet of the correction show the floor. A tilted floor is moved vertically, too, so that the horizontal path
        does not change. With the given motion's feet, the floor of captures would be 1 mm more accurate, but that of
        sinking motions 4 mm less, because the clean-up removes some of the sinking.
        """
        if not correction.accepted or self.given.ground is not None:
            return correction
        world = self.world
        _, level = correction.see_level(self.given)
        level = level.frames(*world.find_frames_between_t_poses(level))
        ground = observe_ground(level)
        shown_m = ground.floor_to_zero_m
        floor_m = shown_m or 0.0 if world.moves_floor else 0.0
        if abs(floor_m) < least_m:
            floor_m = 0.0
        lowest_level_m = float(ground.feet_seen.levels_m[0])
        lowest_m = lowest_level_m - floor_m
        has_lower_ground = ground.is_shown and ground.is_stood_on and abs(lowest_m) > SAME_LEVEL_M
        is_floor_unknown = shown_m is None and world.moves_floor and not has_lower_ground
        kept_m = world.floor_frame.lowest_m
        if not world.moves_floor and not kept_m:
            kept_m = max(_measure_standing_height_m(level), 0.0)  # bodies below y = 0 are in the floor
        decision = FloorDecision(
            moved_m=floor_m,
            kept_m=kept_m,
            lowest_ground_m=lowest_m if has_lower_ground else None,
            unknown_m=lowest_level_m if is_floor_unknown else None,
        )
        placed = replace(correction, floor=decision)
        if not floor_m:
            return placed
        down_m = floor_m
        if world.plane.is_tilted and not world.levels:
            down_m = floor_m / world.plane.normal[1]  # the height is along the normal
        moved = map_space(placed, -down_m * UP)
        return replace(moved, motion=_fit_soles_to_floor(moved.motion))


def _measure_standing_height_m(motion: Motion) -> float:
    """Measure the median height of soles above y = 0 in stance, or 0 if no foot stands."""
    stands = observe(motion).stands
    if not stands.any():
        return 0.0
    return float(median(MotionFeatures(motion, Surroundings(ground_m=0.0)).sole_heights_m[stands]))


def _count_opening_frames(motion: Motion) -> tuple[int, bool]:
    """Count opening T-pose frames.

    Also returns whether the motion leaves the last one smoothly.
    """
    rest = motion
    while len(rest) >= SHORTEST_FRAMES and (frames := count_t_pose_frames(rest)):
        rest = rest.frames(frames, len(rest))
    held_count = 0 if len(rest) < SHORTEST_FRAMES else count_held_t_pose_frames(rest)
    return len(motion) - len(rest) + held_count, held_count > 0


def _fit_soles_to_floor(motion: Motion) -> Motion:
    """Fit soles to a moved floor, if the motion comes with soles."""
    if motion.feet is None or motion.feet.soles_m is None:
        return motion
    soles_m = estimate_foot_frames([replace(motion, feet=None)]).soles_m
    return motion if soles_m is None else replace(motion, feet=replace(motion.feet, soles_m=soles_m))
