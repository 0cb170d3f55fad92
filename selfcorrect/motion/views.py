"""Views: invertible changes of a motion's frame.

A motion is processed in another frame and then returned to its own. `view` converts a motion to the other frame;
`restore` converts any motion of that frame back, even if it was changed there. Views satisfy `restore(view(motion)) ==
motion` up to rounding and quaternion signs.

A change that loses something which `restore` would need is not a view. Fitting a motion to a slope, which bends the
legs, is not one, and neither is removing the joints above a file's pelvis.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from heapq import heappop, heappush
from itertools import pairwise
from typing import Generic, Protocol, Self

import numpy as np

from .geometry.rotations import compose, from_euler_angles, invert, normalize, rotate
from .kinematics import forward_kinematics, in_chunks, local_rotations, make_continuous, pose_joints
from .motion import Motion, Moving
from .skeleton import SMPL_22, UNTURNED, FootFrames, Skeleton

Y_UP, Z_UP, Y_DOWN, Z_DOWN, X_UP, X_DOWN = range(6)
"""World frames, named by their vertical axis."""


class FrameChange(Protocol):
    """A change of frame that can be undone."""

    def view(self, motion: Motion, /) -> Motion: ...

    def restore(self, motion: Motion, /) -> Motion: ...


@dataclass(frozen=True)
class FrameChanges:
    """Several changes of frame, applied in order."""

    changes: tuple[FrameChange, ...] = ()

    def view(self, motion: Motion) -> Motion:
        for change in self.changes:
            motion = change.view(motion)
        return motion

    def restore(self, motion: Motion) -> Motion:
        for change in reversed(self.changes):
            motion = change.restore(motion)
        return motion


@dataclass(frozen=True, eq=False)
class TurnedWorld:
    """The world rotated about a point."""

    turn: np.ndarray
    """Quaternion (4,), or (T, 4) if the rotation changes over time."""
    pivot_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """The point that stays."""

    def view(self, motion: Motion) -> Motion:
        rotations = motion.rotations.copy()
        rotations[:, 0] = compose(self.turn, normalize(rotations[:, 0]))
        return replace(motion, root_m=self.view_points_m(motion.root_m), rotations=rotations)

    def view_points_m(self, points_m: np.ndarray) -> np.ndarray:
        """Return where points (..., 3) are in the rotated world."""
        return rotate(self.turn, points_m - self.pivot_m) + self.pivot_m

    def restore(self, motion: Motion) -> Motion:
        return self.invert().view(motion)

    def invert(self) -> Self:
        """Return the rotation back."""
        return replace(self, turn=invert(self.turn))


def to_y_up(axis: int) -> TurnedWorld:
    """Return the change from another world to y up.

    `axis` is its vertical axis, a constant such as `Z_UP`.
    """
    about, angle_deg = _TURNS_TO_Y_UP[axis]
    return TurnedWorld(from_euler_angles(about, np.array([angle_deg])))


_TURNS_TO_Y_UP = (("X", 0.0), ("X", -90.0), ("X", 180.0), ("X", 90.0), ("Z", 90.0), ("Z", -90.0))
"""Rotation of each world to y up: axis and angle in degrees."""


@dataclass(frozen=True, eq=False)
class TurnedFrames:
    """Joint frames rotated in place, so that zero rotation means another pose.

    No joint moves.
    """

    turns: np.ndarray
    """(J, 4) quaternions, one per joint."""

    def view(self, motion: Motion) -> Motion:
        skeleton = motion.skeleton
        to_parents = invert(_parent_turns(skeleton, self.turns))
        turned = replace(skeleton, offsets_m=rotate(to_parents, skeleton.offsets_m))
        local = in_chunks(
            lambda rotations: _compose_sparse(to_parents, normalize(rotations), self.turns), motion.rotations
        )
        return replace(motion, skeleton=turned, rotations=make_continuous(local))

    def restore(self, motion: Motion) -> Motion:
        return TurnedFrames(invert(self.turns)).view(motion)


@dataclass(frozen=True, eq=False)
class Rerooted:
    """The same tree with another joint, `root`, as its root.

    In the new tree, the frames on the path to the old root carry the bones in the opposite direction. Each of these
    frames keeps its orientation, moves to the other end of its bone, and takes the name of the joint there. A rigid
    joint takes the old root's position and carries its remaining children. So every name stays at its position. The new
    tree has another joint order, and no parts.
    """

    skeleton: Skeleton
    root: int

    def view(self, motion: Motion) -> Motion:
        positions_m, orientations = forward_kinematics(motion.skeleton, motion.root_m, motion.rotations)
        rotations = local_rotations(self.tree, orientations[:, np.array(self.order) % len(self.skeleton)])
        return replace(motion, skeleton=self.tree, root_m=positions_m[:, self.root], rotations=rotations)

    def restore(self, motion: Motion) -> Motion:
        positions_m, turned = forward_kinematics(motion.skeleton, motion.root_m, motion.rotations)
        orientations = turned[:, np.argsort(self.order)[:-1]]
        rotations = local_rotations(self.skeleton, orientations)
        root_m = positions_m[:, self.order.index(len(self.skeleton))]
        return replace(motion, skeleton=self.skeleton, root_m=root_m, rotations=rotations)

    @cached_property
    def order(self) -> list[int]:
        """Old index of each joint of the new tree, parents before children.

        The index J stands for the rigid joint at the old root.
        """
        order = [self.root]
        for joint in order:
            order += [child for child, parent in enumerate(self._parents) if parent == joint]
        return order

    @cached_property
    def tree(self) -> Skeleton:
        """The skeleton with the new root."""
        skeleton = self.skeleton
        path = skeleton.path_to_root(self.root)
        offsets_m = np.vstack([skeleton.offsets_m, -skeleton.offsets_m[path[-2]]])
        offsets_m[self.root] = 0.0
        names = [*skeleton.names, skeleton.names[0]]
        for below, joint in pairwise(path):
            for child in skeleton.children[joint]:
                if joint and child != below:
                    offsets_m[child] = skeleton.offsets_m[child] - skeleton.offsets_m[below]
            offsets_m[joint] = 0.0 if below == self.root else -skeleton.offsets_m[path[path.index(below) - 1]]
            names[joint] = skeleton.names[below]
        names[path[1]] = f"{skeleton.names[self.root]} carrier"
        place = {joint: index for index, joint in enumerate(self.order)} | {-1: -1}
        return replace(
            skeleton,
            names=tuple(names[joint] for joint in self.order),
            parents=tuple(place[self._parents[joint]] for joint in self.order),
            offsets_m=offsets_m[self.order],
            parts=("",) * len(names),
            rigid=skeleton.rigid | {skeleton.names[0]},
        )

    @cached_property
    def _parents(self) -> Sequence[int]:
        """New parent of each joint, and of the rigid joint at the old root."""
        path = self.skeleton.path_to_root(self.root)
        parents = [parent or len(self.skeleton) for parent in self.skeleton.parents]
        for below, joint in pairwise(path):
            parents[joint] = below
        parents[self.root] = -1
        return [*parents, 0]


@dataclass(frozen=True, eq=False)
class JointOrder:
    """A skeleton with its joints in another order.

    `order` has J joint indices, parents before their children.
    """

    skeleton: Skeleton
    order: np.ndarray

    @classmethod
    def canonical(cls, skeleton: Skeleton) -> Self:
        """Return an order that does not depend on the file's.

        Joints of body parts come in SMPL's order, then all others by their rest position. Otherwise, solvers that visit
        joints in turn, and rounding in sums, would depend on how a file lists its joints. Joints without a part that
        share a position keep the skeleton's order; they affect no other joint.
        """
        order: list[int] = []
        waiting: list[tuple[tuple[float, ...], int]] = [((), 0)]
        while waiting:
            _, joint = heappop(waiting)
            order.append(joint)
            for child in skeleton.children[joint]:
                part = skeleton.parts[child]
                place_m = skeleton.rest_positions_m[child]
                rank = SMPL_22.index(part) if part else len(SMPL_22)
                heappush(waiting, ((rank, *place_m.tolist()), child))
        return cls(skeleton, np.array(order))

    def view(self, motion: Moving) -> Moving:
        skeleton = self.skeleton
        place = np.argsort(self.order)
        parents = [skeleton.parents[joint] for joint in self.order]
        moved = replace(
            skeleton,
            names=tuple(skeleton.names[joint] for joint in self.order),
            parents=tuple(-1 if parent < 0 else int(place[parent]) for parent in parents),
            offsets_m=skeleton.offsets_m[self.order],
            parts=tuple(skeleton.parts[joint] for joint in self.order),
        )
        rotations = np.take(motion.rotations, self.order, axis=-2)
        return replace(motion, skeleton=moved, rotations=rotations)

    def restore(self, motion: Moving) -> Moving:
        rotations = np.take(motion.rotations, np.argsort(self.order), axis=-2)
        return replace(motion, skeleton=self.skeleton, rotations=rotations)


@dataclass(frozen=True)
class LevelFeet:
    """Feet with frames that are level in stance.

    In stance, each foot's y axis points up, and soles have the depth given by `feet`. No joint moves. `restore` drops
    the sole depth because motions from files do not have one.
    """

    feet: FootFrames

    def view(self, motion: Motion) -> Motion:
        return self._turn(motion, self.feet.soles_m, back=False)

    def restore(self, motion: Motion) -> Motion:
        return self._turn(motion, None, back=True)

    def _turn(self, motion: Motion, soles_m: tuple[float, float] | None, *, back: bool) -> Motion:
        """Rotate joint frames to foot frames, or back."""
        if self.feet == FootFrames():
            return motion
        skeleton, parent_turns, turns_back = _turn_skeleton(motion.skeleton, self.feet, soles_m, back=back)
        rotations = _compose_sparse(parent_turns, motion.rotations, turns_back)
        return replace(motion, skeleton=skeleton, rotations=rotations)


@lru_cache(maxsize=64)
def _turn_skeleton(
    skeleton: Skeleton, feet: FootFrames, soles_m: tuple[float, float] | None, *, back: bool
) -> tuple[Skeleton, np.ndarray, np.ndarray]:
    """Rotate a skeleton's frames for `LevelFeet`.

    Returns the skeleton, the rotations (J, 4) of each joint's parent, and the inverse rotations (J, 4) of each joint.
    """
    turns = invert(feet.turns(skeleton)) if back else feet.turns(skeleton)
    parent_turns = _parent_turns(skeleton, turns)
    turned = replace(skeleton, offsets_m=rotate(parent_turns, skeleton.offsets_m), soles_m=soles_m)
    return turned, parent_turns, invert(turns)


def _compose_sparse(first: np.ndarray, rotations: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Compose `first` (J, 4), rotations (T, J, 4) and `last` (J, 4).

    Joints for which both are the identity are skipped.
    """
    few = np.flatnonzero((first[:, 3] != 1) | (last[:, 3] != 1))
    turned = rotations.astype(float)
    turned[:, few] = compose(first[few], compose(turned[:, few], last[few]))
    return turned


def _parent_turns(skeleton: Skeleton, turns: np.ndarray) -> np.ndarray:
    """Return the rotation (J, 4) of each joint's parent."""
    return np.concatenate([[UNTURNED], turns[list(skeleton.parents[1:])]])


@dataclass(frozen=True, eq=False)
class ShiftedWorld:
    """The world shifted by `shift_m`, (3,) or (..., T, 3) for each frame."""

    shift_m: np.ndarray

    def view(self, motion: Moving) -> Moving:
        return replace(motion, root_m=motion.root_m + self.shift_m)

    def restore(self, motion: Moving) -> Moving:
        return ShiftedWorld(-self.shift_m).view(motion)


@dataclass(frozen=True)
class ScaledBody:
    """The body scaled by `size`, performing the scaled motion in the same time."""

    size: float

    def view(self, motion: Moving) -> Moving:
        skeleton = motion.skeleton
        size = self.size
        soles_m = None if skeleton.soles_m is None else (size * skeleton.soles_m[0], size * skeleton.soles_m[1])
        scaled = replace(skeleton, offsets_m=size * skeleton.offsets_m, soles_m=soles_m)
        return replace(motion, skeleton=scaled, root_m=size * motion.root_m)

    def restore(self, motion: Moving) -> Moving:
        return ScaledBody(1 / self.size).view(motion)


@dataclass(frozen=True, eq=False)
class JointSubset(Generic[Moving]):
    """A tree of some joints of the motion `whole`.

    Each joint keeps its world orientation. On `restore`, all other joints, such as head, hands, fingers and twists,
    have their local rotations from `whole`.
    """

    tree: Skeleton
    joints: np.ndarray
    """(L,) index of each joint in `whole`."""
    whole: Moving
    """The motion with all joints."""

    def view(self, motion: Moving) -> Moving:
        _, orientations = pose_joints(motion)
        rotations = local_rotations(self.tree, orientations[..., self.joints, :])
        return replace(motion, skeleton=self.tree, rotations=rotations)

    def restore(self, motion: Moving) -> Moving:
        full = self.whole
        tree_joint_of = {joint: index for index, joint in enumerate(self.joints.tolist())}
        _, orientations = forward_kinematics(self.tree, motion.root_m, motion.rotations)
        world = np.empty_like(full.rotations)
        world[..., 0, :] = orientations[..., 0, :]
        for joints, parents in full.skeleton.generations:
            world[..., joints, :] = compose(world[..., parents, :], full.rotations[..., joints, :])
            linked = [joint for joint in joints.tolist() if joint in tree_joint_of]
            world[..., linked, :] = orientations[..., [tree_joint_of[joint] for joint in linked], :]
        rotations = local_rotations(full.skeleton, world)
        carried = [joint for joint in range(len(full.skeleton)) if joint not in tree_joint_of]
        rotations[..., carried, :] = full.rotations[..., carried, :]
        return replace(full, root_m=motion.root_m, rotations=rotations)
