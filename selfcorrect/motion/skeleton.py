"""Skeletons: joints, their tree, and the body parts they stand for."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeAlias

import numpy as np

from ..core.errors import InputError
from .geometry.vectors import align, norms

SMPL_22 = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
    "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
)  # fmt: skip
"""The 22 body joints of SMPL, in SMPL's order: the vocabulary of `Skeleton.parts`."""

SIDES = ("left", "right")

MAX_JOINTS = 4096
MAX_LEVELS = 128
"""Maximum depth of the tree. With `MAX_JOINTS`, it limits work and recursion, and is far beyond any character."""

SMPL_22_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)

SOLE_BELOW_TOE_JOINT_M = 0.025
"""Depth of an adult's sole below the toe joint in an ordinary shoe, in m."""
BOX_FOOT_SOLE_M = -0.05
"""Height of an adult's sole relative to the ankle, in m, for a box foot without toe joints."""
ADULT_LEG_M = 0.82
"""Length of an adult's thigh and shank, in m, from SMPL's average body."""

Generations: TypeAlias = tuple[tuple[np.ndarray, np.ndarray], ...]


@lru_cache(maxsize=32)
def _children(parents: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Compute `Skeleton.children`.

    Every motion has its own skeleton object, but many share a tree, so the result is cached per tree.
    """
    below: list[list[int]] = [[] for _ in parents]
    for child, parent in enumerate(parents[1:], start=1):
        below[parent].append(child)
    return tuple(map(tuple, below))


@lru_cache(maxsize=32)
def compute_descendants(parents: tuple[int, ...]) -> np.ndarray:
    """Compute `Skeleton.descendants`."""
    below = np.eye(len(parents), dtype=bool)
    for joint in range(len(parents) - 1, 0, -1):
        below[parents[joint]] |= below[joint]
    below.flags.writeable = False
    return below


@lru_cache(maxsize=32)
def compute_generations(parents: tuple[int, ...]) -> Generations:
    """Compute `Skeleton.generations`."""
    depth = np.zeros(len(parents), dtype=int)
    for joint, parent in enumerate(parents[1:], start=1):
        depth[joint] = depth[parent] + 1
    alike = [np.flatnonzero(depth == level) for level in range(1, depth.max() + 1)]
    return tuple((joints, np.array(parents)[joints]) for joints in alike)


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A tree of J joints in a rest pose.

    With all rotations at identity, the body stands upright, y up, facing +z with its left side towards +x. Arms may
    point anywhere.
    """

    names: tuple[str, ...]
    """J unique joint names."""
    parents: tuple[int, ...]
    """J parent indices. Parents come before their children; the only root is first and has −1."""
    offsets_m: np.ndarray
    """(J, 3) joint positions in the parent's frame, in m; zero for the root."""
    parts: tuple[str, ...]
    """J part names from `SMPL_22`, or "" for joints without a counterpart, such as fingers, eyes and twists."""
    soles_m: tuple[float, float] | None = None
    """Depths of the left and the right sole below the toe joint, or below the ankle if the foot has no toe joint, in m,
    or None for an ordinary shoe."""
    rigid: frozenset[str] = frozenset()
    """Names of joints that cannot rotate, such as the end sites of a BVH file."""
    mass_kg: float | None = None
    """Body mass that follows from the body's shape, in kg, or None."""
    usual_sole_m: float = SOLE_BELOW_TOE_JOINT_M
    """Usual depth of an adult's sole below the toe joint, in m. It is 0 for formats whose toe joints touch the floor,
    such as HumanML3D."""

    def __repr__(self) -> str:
        return f"Skeleton({len(self.names)} joints)"

    def __post_init__(self) -> None:
        count = len(self.names)
        if not count:
            raise InputError("a skeleton needs at least one joint")
        if len(set(self.names)) != count:
            raise InputError(f"joint names must be unique, got {self.names}")
        if len(self.parents) != count or len(self.parts) != count or self.offsets_m.shape != (count, 3):
            raise InputError(
                f"a skeleton of {count} joints needs {count} parents, parts and offsets, "
                f"got {len(self.parents)}, {len(self.parts)} and {self.offsets_m.shape}"
            )
        object.__setattr__(self, "offsets_m", align(self.offsets_m))
        if self.parents[0] != -1 or any(not 0 <= parent < child for child, parent in enumerate(self.parents) if child):
            raise InputError(f"parents must come before their children, with one root first, got {self.parents}")
        if count > MAX_JOINTS or self._levels() > MAX_LEVELS:
            raise InputError(f"a skeleton has at most {MAX_JOINTS} joints, {MAX_LEVELS} below one another")
        if unknown := set(self.parts) - {*SMPL_22, ""}:
            raise InputError(f"unknown body parts {sorted(unknown)}, expected names from {SMPL_22}")

    def _levels(self) -> int:
        """Count the joints on the longest branch, including the root."""
        levels = [1]
        for parent in self.parents[1:]:
            levels.append(levels[parent] + 1)
        return max(levels)

    def __len__(self) -> int:
        return len(self.names)

    def joint(self, part: str) -> int | None:
        """Return the joint of a body part such as "left_knee", or None."""
        return self._joint_of.get(part)

    def pair(self, part: str) -> tuple[int, int] | None:
        """Return the left and right joint of a part such as "knee", or None if one is missing."""
        left = self.joint(f"left_{part}")
        right = self.joint(f"right_{part}")
        return None if left is None or right is None else (left, right)

    @cached_property
    def _joint_of(self) -> dict[str, int]:
        """First joint of each part."""
        return {part: joint for joint, part in reversed([*enumerate(self.parts)])}

    @cached_property
    def mirror_map(self) -> np.ndarray:
        """Index (J,) of each joint's counterpart on the other side.

        Joints on the midline map to themselves.
        """
        index = {name: joint for joint, name in enumerate(self.names)}
        by_part = {part: joint for joint, part in enumerate(self.parts) if part}
        counterparts = []
        for joint, (name, part) in enumerate(zip(self.names, self.parts, strict=True)):
            counterpart = by_part.get(swap_sides(part)) if part else index.get(swap_sides(name))
            counterparts.append(joint if counterpart is None else counterpart)
        return np.array(counterparts)

    @cached_property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """Children of each joint."""
        return _children(self.parents)

    def path_to_root(self, joint: int) -> list[int]:
        """Return a joint and its ancestors, the root last."""
        path = [joint]
        while path[-1]:
            path.append(self.parents[path[-1]])
        return path

    def path_between(self, top: int, low: int) -> list[int]:
        """Return the joints below `top` down to `low`, inclusive.

        The result is empty if `low` is not below `top`.
        """
        path = self.path_to_root(low)
        return path[: path.index(top)][::-1] if top in path else []

    @cached_property
    def descendants(self) -> np.ndarray:
        """Descendants of each joint, (J, J) bool.

        An entry is true if the column's joint is the row's joint or one of its descendants.
        """
        return compute_descendants(self.parents)

    @cached_property
    def generations(self) -> Generations:
        """Joints below the root and their parents, grouped by depth.

        A computation from parents to children then takes one step per group instead of one per joint.
        """
        return compute_generations(self.parents)

    @cached_property
    def rest_positions_m(self) -> np.ndarray:
        """Joint positions (J, 3) at rest, in m, with the root at the origin."""
        positions_m = np.zeros_like(self.offsets_m)
        for joint, parent in enumerate(self.parents[1:], start=1):
            positions_m[joint] = positions_m[parent] + self.offsets_m[joint]
        return positions_m

    @cached_property
    def leg_m(self) -> float:
        """Mean leg length from hip to ankle, in m, or 0 without legs."""
        hips, ankles = self.pair("hip"), self.pair("ankle")
        if hips is None or ankles is None:
            return 0.0
        lengths_m = norms(self.offsets_m)
        legs = [self.path_between(hip, ankle) for hip, ankle in zip(hips, ankles, strict=True)]
        return float(np.mean([lengths_m[leg].sum() for leg in legs]))

    @property
    def size(self) -> float:
        """Leg length as a share of an adult's, or 1 without legs, which also scales the feet."""
        return self.leg_m / ADULT_LEG_M or 1.0

    def same_as(self, skeleton: Skeleton) -> bool:
        """Return whether both skeletons have the same `identity`."""
        return self is skeleton or self.identity == skeleton.identity

    @cached_property
    def identity(self) -> Hashable:
        """Hashable value that is equal for equal skeletons.

        Joints, tree, parts, offsets, soles, rigid joints and mass enter it.
        """
        offsets_m = (self.offsets_m.astype(float) + 0.0).tobytes()  # no zero has a sign
        return self.names, *self.tree, offsets_m, self.soles_m, self.rigid, self.mass_kg, self.usual_sole_m

    @property
    def tree(self) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """Parents and parts, which are equal if bodies can be simulated together."""
        return self.parents, self.parts


Quaternion: TypeAlias = tuple[float, float, float, float]
UNTURNED: Quaternion = (0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class FootFrames:
    """Foot frames and soles of a rig in stance, left foot first.

    They may differ from those of the rest pose.
    """

    ankles: tuple[Quaternion, Quaternion] = (UNTURNED, UNTURNED)
    """Rotations (xyzw) that take each sole's normal, given in the ankle's frame, to the y axis."""
    toes: tuple[Quaternion, Quaternion] = (UNTURNED, UNTURNED)
    """The same for the toe joints. Toes are hinges and can stand flat independently of the foot."""
    soles_m: tuple[float, float] | None = None
    """Depths of the soles, as in `Skeleton.soles_m`."""
    floor_m: float = 0.0
    """Height in m of the floor that feet with these soles stand on."""

    def turns(self, skeleton: Skeleton) -> np.ndarray:
        """Return rotations (J, 4) of joint frames to foot frames.

        Joints of a foot get their foot's rotation, all others the identity.
        """
        turns = np.tile(np.array(UNTURNED), (len(skeleton), 1))
        for part, both in (("ankle", self.ankles), ("foot", self.toes)):
            for side, turn in zip(SIDES, both, strict=True):
                if (joint := skeleton.joint(f"{side}_{part}")) is not None:
                    turns[skeleton.descendants[joint]] = turn
        return turns


_SIDE_WORDS = (SIDES, ("Left", "Right"), ("LEFT", "RIGHT"))


def swap_sides(name: str) -> str:
    """Return the name of the counterpart on the other side.

    Works for names of joints and parts. Names on the midline stay the same.
    """
    for left, right in _SIDE_WORDS:
        if left in name:
            return name.replace(left, right)
        if right in name:
            return name.replace(right, left)
    if name[:1] in "lrLR" and name[1:2].isupper():  # lThigh, rShin
        return {"l": "r", "r": "l", "L": "R", "R": "L"}[name[0]] + name[1:]
    return name


def strip_side(part: str) -> str:
    """Remove the side from a part's name."""
    return part.removeprefix("left_").removeprefix("right_")


def smpl_22(offsets_m: np.ndarray) -> Skeleton:
    """Return SMPL's 22-joint skeleton with offsets (22, 3) in m."""
    return Skeleton(SMPL_22, SMPL_22_PARENTS, np.asarray(offsets_m, dtype=float), SMPL_22)
