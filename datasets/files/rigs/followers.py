"""Helper joints that follow the body: targets of inverse kinematics, weapons, copies of a joint, twist bones.

Some hang elsewhere in the tree, and their file moves them so that they keep their places on a joint of the body, their
leader. A corrected body leaves them behind, unless they are put back: in every frame they get the pose on their leader
that they had before. Twist bones lie along a bone and turn about it by a share of the twist of the joint at its
beginning or end. They get the same share of a change of this twist. A body that did not change so leaves all of them
as they were.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from selfcorrect.motion.geometry.kinematics import make_continuous
from selfcorrect.motion.geometry.rotations import compose, invert, quaternions, rotate, rotation_vectors
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.motion import Motion

from .rig import RiggedMotion
from .stretching import world_poses_of

_MOVES_M = 0.02
"""Least way that a helper moves in its parent's frame."""
_HOLDS_M = 0.005
"""Most by which the place of a helper on its leader may change."""
_HOLDS = 1e-4
"""Most by which half a turn's cosine on the leader may fall short of 1: 1.6 degrees."""
_TWISTS_RAD = 0.03
"""Least angle by which a twist bone and the twist of its leader change."""
_STEADY_RAD = 0.02
"""Most by which a twist bone turns off its axis, or is off its share of the leader's twist."""
_STEADY = 0.1
"""Most by which it is off that share on average, in relation to its turns."""


@dataclass(frozen=True, eq=False)
class Follower:
    """A joint that keeps its pose on another joint over T frames."""

    joint: int
    leader: int
    places_m: np.ndarray
    """(T, 3) in the leader's frame."""
    turns: np.ndarray | None
    """(T, 4) in the leader's frame; None if the joint keeps only its place there."""

    def put(self, clip: RiggedMotion) -> RiggedMotion:
        """Return the clip in which the joint has its pose on its leader."""
        parent = clip.motion.skeleton.parents[self.joint]
        positions_m, orientations = world_poses_of(clip)
        position_m, orientation = self.pose(positions_m[:, self.leader], orientations[:, self.leader])
        to_parent = invert(orientations[:, parent])
        track_m = rotate(to_parent, position_m - positions_m[:, parent])
        clip = replace(clip, stretches_m={**clip.stretches_m, self.joint: track_m})
        return clip if orientation is None else _turn_joint(clip, self.joint, compose(to_parent, orientation))

    def pose(self, position_m: np.ndarray, orientation: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return world positions (T, 3) and orientations (T, 4) on the leader's."""
        frames = len(position_m)
        places_m = self.places_m
        turns = self.turns
        if len(places_m) != frames:
            places_m = np.tile(np.median(places_m, axis=0), (frames, 1))
            turns = None if turns is None else np.tile(turns[0], (frames, 1))
        turned = None if turns is None else compose(orientation, turns)
        return position_m + rotate(orientation, places_m), turned


@dataclass(frozen=True, eq=False)
class TwistBone:
    """A joint that turns by a share of the twist of another joint over T frames."""

    joint: int
    leader: int
    axis: np.ndarray
    """(3,) axis of both in the frame of the joint's parent."""
    share: float
    turns: np.ndarray
    """(T, 4) rotations of the joint in its parent's frame."""
    leader_turns: np.ndarray
    """(T, 4) rotations of the leader in its parent's frame."""

    def put(self, clip: RiggedMotion) -> RiggedMotion:
        """Return the clip in which the joint has its share of the change of the leader's twist."""
        leader_turns = clip.motion.rotations[:, self.leader]
        is_as_long = len(leader_turns) == len(self.turns)
        rows = slice(None) if is_as_long else slice(1)
        change_rad = _measure_twists_rad(leader_turns, self.axis) - _measure_twists_rad(
            self.leader_turns[rows], self.axis
        )
        change_rad = (change_rad + np.pi) % (2 * np.pi) - np.pi
        more = quaternions(self.share * change_rad[:, None] * self.axis)
        return _turn_joint(clip, self.joint, compose(more, self.turns[rows]))


def find_followers(clip: RiggedMotion) -> tuple[Follower | TwistBone, ...]:
    """Return the joints of no part that follow parts of the body, by their places or by their twist."""
    followers = _find_placed_followers(clip)
    placed = {follower.joint for follower in followers}
    twist_bones = []
    for joint, part in enumerate(clip.motion.skeleton.parts):
        if not part and joint not in placed:
            twist_bone = _find_twist_bone(clip.motion, joint)
            twist_bones += [twist_bone] * (twist_bone is not None)
    return (*followers, *twist_bones)


def _find_twist_bone(motion: Motion, joint: int) -> TwistBone | None:
    """Return how a joint twists with a part of the body: its parent or a sibling; None if it does not."""
    skeleton = motion.skeleton
    parent = skeleton.parents[joint]
    turns = motion.rotations[:, joint]
    if parent < 0 or np.abs(turns - turns[0]).max() < _TWISTS_RAD / 4:
        return None
    vectors_rad = rotation_vectors(compose(turns, invert(turns[:1])))
    axis = np.linalg.svd(vectors_rad, full_matrices=False)[2][0]
    angles_rad = vectors_rad @ axis
    if np.ptp(angles_rad) < _TWISTS_RAD or norms(vectors_rad - angles_rad[:, None] * axis).max() > _STEADY_RAD:
        return None
    best = None
    least_rad = np.inf
    for leader in (parent, *skeleton.children[parent]):
        if not skeleton.parts[leader]:
            continue
        twists_rad = np.unwrap(_measure_twists_rad(motion.rotations[:, leader], axis))
        twists_rad -= twists_rad[0]
        if np.ptp(twists_rad) < _TWISTS_RAD:
            continue
        share = float(twists_rad @ angles_rad / (twists_rad @ twists_rad))
        off_rad = np.abs(angles_rad - share * twists_rad)
        is_steady = off_rad.max() < _STEADY_RAD and off_rad.mean() < _STEADY * np.abs(angles_rad).mean()
        if is_steady and off_rad.max() < least_rad:
            least_rad = float(off_rad.max())
            best = TwistBone(joint, leader, axis, share, turns.copy(), motion.rotations[:, leader].copy())
    return best


def _measure_twists_rad(turns: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Return the twist (T,) of rotations (T, 4) about an axis (3,)."""
    return 2 * np.arctan2(turns[:, :3] @ axis, turns[:, 3])


def _find_placed_followers(clip: RiggedMotion) -> list[Follower]:
    """Return the joints of no part that move in their parents' frames and yet keep their places on a part of the body.

    Of parts that a joint follows, the nearest part leads.
    """
    skeleton = clip.motion.skeleton
    helpers = []
    for joint, track_m in clip.stretches_m.items():
        if not skeleton.parts[joint] and np.ptp(track_m, axis=0).max() > _MOVES_M:
            helpers.append(joint)
    leaders = [joint for joint, part in enumerate(skeleton.parts) if part]
    if not helpers or not leaders:
        return []
    positions_m, orientations = world_poses_of(clip)
    followers = []
    for joint in sorted(helpers):
        offsets_m = positions_m[:, joint, None] - positions_m[:, leaders]
        places_m = rotate(invert(orientations[:, leaders]), offsets_m)
        changes_m = norms(places_m - np.median(places_m, axis=0)).max(axis=0)
        can_lead = (changes_m < _HOLDS_M) & ~skeleton.descendants[joint, leaders]
        if not can_lead.any():
            continue
        distances_m = np.median(norms(places_m), axis=0)
        best = int(np.where(can_lead, distances_m, np.inf).argmin())
        leader = leaders[best]
        turns = make_continuous(compose(invert(orientations[:, leader]), orientations[:, joint])[:, None])[:, 0]
        is_turning = np.abs(turns @ turns[0]).min() < 1 - _HOLDS
        followers.append(Follower(joint, leader, places_m[:, best], None if is_turning else turns))
    return followers


def put_followers(clip: RiggedMotion, followers: Sequence[Follower | TwistBone]) -> RiggedMotion:
    """Return a clip with another motion of its body, in which followers have their poses on their leaders."""
    for follower in followers:
        clip = follower.put(clip)
    return clip


def _turn_joint(clip: RiggedMotion, joint: int, turns: np.ndarray) -> RiggedMotion:
    """Return a clip with other rotations (T, 4) of a joint in its parent's frame."""
    rotations = clip.motion.rotations.copy()
    rotations[:, joint] = turns
    return replace(clip, motion=replace(clip.motion, rotations=rotations))
