"""Move helper joints along with a corrected body.

Helpers are targets of inverse kinematics, weapons, copies of a joint, and twist bones. Some are elsewhere in the tree,
and the file animates them so that they stay in place relative to a joint of the body, the leader. A correction that
changes only the body would leave such followers behind, so in every frame each follower is put back to its old pose
relative to the leader.

Twist bones lie along a bone and rotate about it by a share of the twist of the joint at its start or end. If a
correction changes this twist, they get the same share of the change. If a twist bone carries the rest of the limb, the
change is shared between it and a neighbour, so that no other joint moves. While the body does not change, all followers
stay as they were.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from selfcorrect.motion.geometry.rotations import compose, invert, quaternions, rotate, rotation_vectors
from selfcorrect.motion.geometry.vectors import median, norms
from selfcorrect.motion.kinematics import make_continuous
from selfcorrect.motion.motion import Motion

from .rig import RiggedMotion
from .stretching import StretchedLeg, compute_world_poses

_MOVES_M = 0.02
"""Displacement relative to its parent above which a helper counts as animated, in m."""
_HOLDS_M = 0.005
"""Largest displacement of a follower relative to its leader, in m."""
_HOLDS = 1e-4
"""Largest rotation of a follower relative to its leader, as 1 - cos(angle / 2); it is 1.6 degrees."""
_TWISTS_RAD = 0.03
"""Smallest range of a twist that counts, in rad, for the twist bone and for its leader."""
_STEADY_RAD = 0.02
"""Largest deviation of a twist bone's rotation from the axis, and from its share of the leader's twist, in rad."""
_FRAMES_OF_TWIST = 64
"""Maximum number of frames first tested for a twist axis."""
_STEADY = 0.1
"""Largest mean deviation from the share of the leader's twist, relative to the mean rotation of the twist bone."""
_ALONG = 0.02
"""Largest sine of the angle between a bone and the twist axis."""


@dataclass(frozen=True, eq=False)
class Follower:
    """A joint that keeps its pose on a leader over T frames."""

    joint: int
    leader: int
    local_positions_m: np.ndarray
    """(T, 3) positions in the leader's frame."""
    local_rotations: np.ndarray | None
    """(T, 4) rotations in the leader's frame, or None if the joint keeps only its position there."""

    def apply(self, clip: RiggedMotion) -> RiggedMotion:
        """Put the joint back to its pose relative to the leader."""
        parent = clip.motion.skeleton.parents[self.joint]
        positions_m, orientations = compute_world_poses(clip)
        position_m, orientation = self.pose(positions_m[:, self.leader], orientations[:, self.leader])
        to_parent = invert(orientations[:, parent])
        track_m = rotate(to_parent, position_m - positions_m[:, parent])
        clip = replace(clip, stretches_m={**clip.stretches_m, self.joint: track_m})
        return clip if orientation is None else _set_rotations(clip, self.joint, compose(to_parent, orientation))

    def pose(self, position_m: np.ndarray, orientation: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the joint's positions (T, 3) and orientations (T, 4) in the world, for a pose of the leader.

        The orientations are None if the joint keeps only its position.
        """
        frames = len(position_m)
        local_positions_m = self.local_positions_m
        local_rotations = self.local_rotations
        if len(local_positions_m) != frames:
            local_positions_m = np.tile(median(local_positions_m, axis=0), (frames, 1))
            local_rotations = None if local_rotations is None else np.tile(local_rotations[0], (frames, 1))
        turned = None if local_rotations is None else compose(orientation, local_rotations)
        return position_m + rotate(orientation, local_positions_m), turned


@dataclass(frozen=True, eq=False)
class TwistBone:
    """A joint that rotates by a constant share of another joint's twist over T frames."""

    joint: int
    leader: int
    axis: np.ndarray
    """(3,) axis of both twists, in the frame of the joint's parent."""
    share: float
    local_rotations: np.ndarray
    """(T, 4) local rotations of the joint."""
    leader_twists_rad: np.ndarray
    """(T,) twist of the leader."""

    def apply(self, clip: RiggedMotion) -> RiggedMotion:
        """Apply the joint's share of a changed twist."""
        leader_rotations = clip.motion.rotations[:, self.leader]
        rows = slice(None) if len(leader_rotations) == len(self.local_rotations) else slice(1)
        change_rad = _measure_twists_rad(leader_rotations, self.axis) - self.leader_twists_rad[rows]
        more = quaternions(self.share * _wrap(change_rad)[:, None] * self.axis)
        return _set_rotations(clip, self.joint, compose(more, self.local_rotations[rows]))


@dataclass(frozen=True, eq=False)
class TwistLink:
    """A limb joint that shares a twist with its parent or child, in addition to a twist of its own."""

    joint: int
    leader: int
    axis: np.ndarray
    """(3,) axis of both twists, in the frame between the two joints."""
    share: float
    twists_rad: np.ndarray
    """(T,) twist of the joint."""
    leader_twists_rad: np.ndarray
    """(T,) twist of the leader."""

    def apply(self, clip: RiggedMotion) -> RiggedMotion:
        """Share a changed twist between both joints, without moving any joint."""
        local_rotations = clip.motion.rotations[:, self.joint]
        leader_rotations = clip.motion.rotations[:, self.leader]
        rows = slice(None) if len(local_rotations) == len(self.twists_rad) else slice(1)
        change_rad = _measure_twists_rad(local_rotations, self.axis) - self.twists_rad[rows]
        leader_change_rad = _measure_twists_rad(leader_rotations, self.axis) - self.leader_twists_rad[rows]
        more_rad = self.share * _wrap(leader_change_rad) - (1 - self.share) * _wrap(change_rad)
        more = quaternions(more_rad[:, None] * self.axis)
        if clip.motion.skeleton.parents[self.joint] == self.leader:
            clip = _set_rotations(clip, self.leader, compose(leader_rotations, invert(more)))
            return _set_rotations(clip, self.joint, compose(more, local_rotations))
        clip = _set_rotations(clip, self.joint, compose(local_rotations, more))
        return _set_rotations(clip, self.leader, compose(invert(more), leader_rotations))


Following: TypeAlias = Follower | TwistBone | TwistLink | StretchedLeg
"""Joints that are put back to their leaders when another motion of the body is written."""


def find_followers(clip: RiggedMotion) -> tuple[Following, ...]:
    """Find joints that follow parts of the body by position or by twist, but are not parts themselves."""
    skeleton = clip.motion.skeleton
    followers = _find_placed_followers(clip)
    placed = {follower.joint for follower in followers}
    part_joints = [joint for joint, part in enumerate(skeleton.parts) if part]
    carriers = set(np.flatnonzero(skeleton.descendants[:, part_joints].any(axis=1)).tolist())
    twist_bones: list[TwistBone | TwistLink] = []
    for joint in range(len(skeleton)):
        if skeleton.parts[joint] or joint in placed:
            continue
        if joint in carriers:
            twist_bones += _find_twist_links(clip.motion, joint)
        elif twist_bone := _find_twist_bone(clip.motion, joint):
            twist_bones.append(twist_bone)
    return (*followers, *twist_bones)


def _find_twist_links(motion: Motion, joint: int) -> list[TwistLink]:
    """Find the twist that a limb joint shares with its neighbours.

    If both neighbours fit, the one that twists more leads. If neither of them twists, both lead.
    """
    skeleton = motion.skeleton
    local_rotations = motion.rotations[:, joint]
    axis, _ = _find_twist_axis(local_rotations)
    if axis is None:
        return []
    axis_below = rotate(invert(local_rotations[0]), axis)
    links: list[TwistLink] = []
    ranges_rad: list[float] = []
    for leader in (skeleton.parents[joint], *skeleton.children[joint]):
        axis_between = axis if leader < joint else axis_below
        bone_m = skeleton.offsets_m[max(leader, joint)]
        off_axis_m = np.linalg.norm(np.cross(bone_m, axis_between))
        is_along = off_axis_m <= _ALONG * np.linalg.norm(bone_m)  # then twist does not move the bone's end
        if leader < 0 or not skeleton.parts[leader] or not is_along:
            continue
        twists_rad = _measure_twists_rad(local_rotations, axis_between)
        leader_twists_rad = _measure_twists_rad(motion.rotations[:, leader], axis_between)
        changes_rad = _unwrap_from_first(twists_rad)
        leader_changes_rad = _unwrap_from_first(leader_twists_rad)
        total_rad = changes_rad + leader_changes_rad
        share = float(total_rad @ changes_rad / max(total_rad @ total_rad, _TWISTS_RAD**2))
        if _is_share(changes_rad, share, total_rad):
            ranges_rad.append(float(np.ptp(leader_changes_rad)))
            links.append(TwistLink(joint, leader, axis_between, share, twists_rad, leader_twists_rad))
    if max(ranges_rad, default=0.0) < _TWISTS_RAD:
        return links
    return [links[int(np.argmax(ranges_rad))]]


def _find_twist_axis(local_rotations: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
    """Return the axis (3,) of rotations (T, 4), None without one, and the angles (T,)."""
    if np.abs(local_rotations - local_rotations[0]).max() < _TWISTS_RAD / 4:
        return None, np.zeros(len(local_rotations))
    some = local_rotations[:: max(1, len(local_rotations) // _FRAMES_OF_TWIST)]
    some_rad = rotation_vectors(compose(some, invert(local_rotations[:1])))
    if np.linalg.norm(np.linalg.svd(some_rad, compute_uv=False)[1:]) > _STEADY_RAD * np.sqrt(len(some)) + 1e-9:
        return None, np.zeros(len(local_rotations))  # no axis fits all frames
    vectors_rad = rotation_vectors(compose(local_rotations, invert(local_rotations[:1])))
    axis = np.linalg.svd(vectors_rad, full_matrices=False)[2][0]
    angles_rad = vectors_rad @ axis
    is_steady = norms(vectors_rad - angles_rad[:, None] * axis).max() <= _STEADY_RAD
    return axis if is_steady and np.ptp(angles_rad) >= _TWISTS_RAD else None, angles_rad


def _is_share(angles_rad: np.ndarray, share: float, total_rad: np.ndarray) -> bool:
    """Return whether angles (T,) are a constant share of `total_rad` (T,)."""
    off_rad = np.abs(angles_rad - share * total_rad)
    return bool(off_rad.max() < _STEADY_RAD and off_rad.mean() < _STEADY * np.abs(angles_rad).mean())


def _find_twist_bone(motion: Motion, joint: int) -> TwistBone | None:
    """Find the parent or sibling whose twist a joint shares, or return None."""
    skeleton = motion.skeleton
    parent = skeleton.parents[joint]
    local_rotations = motion.rotations[:, joint]
    axis, angles_rad = _find_twist_axis(local_rotations)
    if axis is None or parent < 0:
        return None
    best = None
    smallest_rad = np.inf
    for leader in (parent, *skeleton.children[parent]):
        if not skeleton.parts[leader]:
            continue
        leader_twists_rad = _measure_twists_rad(motion.rotations[:, leader], axis)
        twists_rad = _unwrap_from_first(leader_twists_rad)
        if np.ptp(twists_rad) < _TWISTS_RAD:
            continue
        share = float(twists_rad @ angles_rad / (twists_rad @ twists_rad))
        off_rad = float(np.abs(angles_rad - share * twists_rad).max())
        if off_rad < smallest_rad and _is_share(angles_rad, share, twists_rad):
            smallest_rad = off_rad
            best = TwistBone(joint, leader, axis, share, local_rotations.copy(), leader_twists_rad)
    return best


def _measure_twists_rad(local_rotations: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Return the twist (T,) of rotations (T, 4) about an axis (3,)."""
    return 2 * np.arctan2(local_rotations[:, :3] @ axis, local_rotations[:, 3])


def _unwrap_from_first(angles_rad: np.ndarray) -> np.ndarray:
    """Unwrap angles (T,), and make them relative to the first."""
    unwrapped_rad = np.unwrap(angles_rad)
    return unwrapped_rad - unwrapped_rad[0]


def _wrap(angles_rad: np.ndarray) -> np.ndarray:
    """Wrap angles to -π … π."""
    return (angles_rad + np.pi) % (2 * np.pi) - np.pi


def _find_placed_followers(clip: RiggedMotion) -> list[Follower]:
    """Find animated joints whose position is constant relative to a part of the body.

    Such joints are not parts themselves, and move in their parent's frame. If a joint follows several parts, the
    nearest is its leader.
    """
    skeleton = clip.motion.skeleton
    helpers = _find_helpers(clip)
    leaders = [joint for joint, part in enumerate(skeleton.parts) if part]
    if not helpers or not leaders:
        return []
    positions_m, orientations = compute_world_poses(clip)
    followers = []
    for joint in sorted(helpers):
        offsets_m = positions_m[:, joint, None] - positions_m[:, leaders]
        local_positions_m = rotate(invert(orientations[:, leaders]), offsets_m)
        changes_m = norms(local_positions_m - median(local_positions_m, axis=0)).max(axis=0)
        can_lead = (changes_m < _HOLDS_M) & ~skeleton.descendants[joint, leaders]
        if not can_lead.any():
            continue
        distances_m = median(norms(local_positions_m), axis=0)
        best = int(np.where(can_lead, distances_m, np.inf).argmin())
        leader = leaders[best]
        relative = compose(invert(orientations[:, leader]), orientations[:, joint])
        local_rotations = make_continuous(relative[:, None])[:, 0]
        is_turning = np.abs(local_rotations @ local_rotations[0]).min() < 1 - _HOLDS
        followers.append(Follower(joint, leader, local_positions_m[:, best], None if is_turning else local_rotations))
    return followers


def _find_helpers(clip: RiggedMotion) -> list[int]:
    """List joints that belong to no body part and move in their parent's frame."""
    helpers = []
    for joint, track_m in clip.stretches_m.items():
        if not clip.motion.skeleton.parts[joint] and np.ptp(track_m, axis=0).max() > _MOVES_M:
            helpers.append(joint)
    return helpers


def note_lone_helpers(clip: RiggedMotion, followers: Sequence[Following]) -> tuple[str, ...]:
    """Note the animated joints that follow no part of the body and are therefore not corrected, if any.

    Joints below a limb are not among them, because they move with the limb.
    """
    skeleton = clip.motion.skeleton
    following = {follower.joint for follower in followers if not isinstance(follower, StretchedLeg)}
    names = []
    for joint in _find_helpers(clip):
        above = [skeleton.parts[ancestor] for ancestor in skeleton.path_to_root(joint)]
        carries_body = any(skeleton.parts[below] for below in np.flatnonzero(skeleton.descendants[joint]))
        if joint not in following and not carries_body and set(above) <= {"", "pelvis"}:
            names.append(skeleton.names[joint])
    if not names:
        return ()
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return (f"joints that follow no body part keep their own paths: {', '.join(names[:3])}{more}",)


def _set_rotations(clip: RiggedMotion, joint: int, local_rotations: np.ndarray) -> RiggedMotion:
    """Replace a joint's local rotations (T, 4)."""
    rotations = clip.motion.rotations.copy()
    rotations[:, joint] = local_rotations
    return replace(clip, motion=replace(clip.motion, rotations=rotations))
