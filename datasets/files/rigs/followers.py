"""Helper joints that follow the body: targets of inverse kinematics, weapons, copies of a joint.

Such a joint hangs elsewhere in the tree, and its file moves it so that it keeps its place on a joint of the body, its
leader. A corrected body leaves it behind, unless it is put back: in every frame it gets the pose on its leader that it
had before. A body that did not change so leaves it where it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from selfcorrect.motion.geometry.kinematics import make_continuous
from selfcorrect.motion.geometry.rotations import compose, invert, rotate
from selfcorrect.motion.geometry.vectors import norms

from .rig import RiggedMotion
from .stretching import world_poses_of

_MOVES_M = 0.02
"""Least way that a helper moves in its parent's frame."""
_HOLDS_M = 0.005
"""Most by which the place of a helper on its leader may change."""
_HOLDS = 1e-4
"""Most by which half a turn's cosine on the leader may fall short of 1: 1.6 degrees."""


@dataclass(frozen=True, eq=False)
class Follower:
    """A joint that keeps its pose on another one over T frames."""

    joint: int
    leader: int
    places_m: np.ndarray
    """(T, 3) in the leader's frame."""
    turns: np.ndarray | None
    """(T, 4) in the leader's frame; None if the joint keeps only its place there."""

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


def find_followers(clip: RiggedMotion) -> tuple[Follower, ...]:
    """Return the joints of no part that move in their parents' frames and yet keep their places on a part of the body.

    Of parts that a joint follows, the nearest one leads.
    """
    skeleton = clip.motion.skeleton
    helpers = []
    for joint, track_m in clip.stretches_m.items():
        if not skeleton.parts[joint] and np.ptp(track_m, axis=0).max() > _MOVES_M:
            helpers.append(joint)
    leaders = [joint for joint, part in enumerate(skeleton.parts) if part]
    if not helpers or not leaders:
        return ()
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
    return tuple(followers)


def put_followers(clip: RiggedMotion, followers: Sequence[Follower]) -> RiggedMotion:
    """Return a clip with another motion of its body, in which followers have their poses on their leaders."""
    for follower in followers:
        joint = follower.joint
        parent = clip.motion.skeleton.parents[joint]
        positions_m, orientations = world_poses_of(clip)
        position_m, orientation = follower.pose(positions_m[:, follower.leader], orientations[:, follower.leader])
        to_parent = invert(orientations[:, parent])
        track_m = rotate(to_parent, position_m - positions_m[:, parent])
        clip = replace(clip, stretches_m={**clip.stretches_m, joint: track_m})
        if orientation is not None:
            rotations = clip.motion.rotations.copy()
            rotations[:, joint] = compose(to_parent, orientation)
            clip = replace(clip, motion=replace(clip.motion, rotations=rotations))
    return clip
