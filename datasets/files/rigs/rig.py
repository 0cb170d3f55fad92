"""Bodies among a scene's nodes, in glTF and FBX.

They are a tree of nodes that turn, move and scale. Scales above a joint are counted into the joint's offset, so that a
skeleton in centimetres below a node of scale 0.01 comes in metres. Scales that differ by axis or change with time, as
baked inverse kinematics stretches limbs, move the joints below; a body that they bend or grow far is refused.
"""

import warnings
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import Self, TypeAlias

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.geometry.rotations import to_matrices
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.kinematics import forward_kinematics, make_continuous
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import MOST_JOINTS, MOST_LEVELS, Skeleton

from ..skeletons.anatomy import has_parts_outside_pelvis, recognize_parts
from ..skeletons.file_note import FileNote
from ..skeletons.units import infer_unit, measure_stature

BODY_M = (0.5, 2.6)
"""Body sizes that may be in metres. The formats require metres."""

_STRETCHED = 0.2
"""Maximum relative difference of scales. A node's scale may differ by axis, or along an axis with time."""
_GROWN = 0.05
"""Maximum relative change of a node's size with time."""
_UNEVEN = 0.005
"""Relative difference of even, constant scales."""

Tracks: TypeAlias = Mapping[tuple[int, str], np.ndarray]
"""Tracks by joint and property: "translation" (T, 3), in the parent's frame and the file's unit, "rotation" (T, 4), or
"scale" (T, 3)."""

LEAST_BODY = 12
"""Minimum number of joints of another body."""

LARGEST = 1e12
"""Maximum magnitude of a number, beyond any length and angle in a motion, and small enough that no computation
overflows."""

LEAST_LENGTH = 1e-6
"""Least length of a quaternion that is a rotation."""


@dataclass(frozen=True, eq=False)
class RiggedMotion:
    """A motion on a file's rig, with all that is needed to write the motion back unchanged."""

    motion: Motion
    channels: tuple[tuple[str, ...], ...]
    """Channels of each joint, in file order. An example is ("Zrotation", "Xrotation", "Yrotation")."""
    offsets: np.ndarray
    """(J, 3) offsets in the file's units."""
    end_sites: frozenset[int]
    """The joints that are end sites."""
    metres_per_unit: float
    """Length of the file's unit."""
    stretches_m: Mapping[int, np.ndarray] = field(default_factory=dict)
    """Positions (T, 3) of joints that move in their parents. In the motion's skeleton such a joint has the median
    position."""
    bends: Mapping[int, np.ndarray] = field(default_factory=dict)
    """Effects of scales on positions. The scales are above the joints; see `Rig.find_bends`."""
    relative: frozenset[int] = frozenset()
    """Joints whose positions add to offsets. Some programs write them so."""
    rest_places: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Rest positions (3,) of joints by name, in the file's world and unit."""
    notes: tuple[str, ...] = ()
    """Notes on assumptions and on what was left out."""
    placeholder_rate: FileNote | None = None
    """Note on an assumed frame rate, or None. The file's is usually a placeholder."""
    encoding: str = "utf-8"
    """Encoding of the names of joints in the file."""


@dataclass(frozen=True)
class Rig:
    """Nodes that are joints or above joints: a tree, parents first, in any unit."""

    nodes: tuple[int, ...]
    parents: tuple[int, ...]
    """Index of each node's parent in `nodes`; −1 for the first."""
    names: tuple[str, ...]
    parts: tuple[str, ...]
    """Body parts by the file's names. All are "" without names."""
    rest: tuple[dict[str, np.ndarray], ...]
    """Rest transforms of nodes that nothing moves: translation (3,), rotation (4,) xyzw and scale (3,)."""
    bind: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Bind positions (3,) of joints, by name. A mesh is bound to them: the rest pose of a file that poses its nodes."""

    @classmethod
    def from_tree(
        cls,
        tree: Sequence[int],
        parents: Sequence[int],
        names: Sequence[str],
        rest: Sequence[dict[str, np.ndarray]],
        parts: Sequence[str] | None = None,
    ) -> Self:
        """Return the rig of a tree of nodes.

        Args:
            tree: The nodes, parents first.
            parents: Parent of every node of the scene, −1 for a root.
            names: Names of the tree's nodes; repeated ones are numbered.
            rest: Translation, rotation and scale of the tree's nodes at rest.
            parts: Parts of the body at the nodes; None if the file does not name parts.
        """
        joint_of_node = {node: joint for joint, node in enumerate(tree)}
        return cls(
            nodes=tuple(tree),
            parents=tuple(joint_of_node.get(parents[node], -1) for node in tree),
            names=unique(names),
            parts=tuple(parts or [""] * len(tree)),
            rest=tuple(rest),
        )

    @cached_property
    def scales(self) -> np.ndarray:
        """(J,) scale from each node's frame to the world."""
        scales = np.ones(len(self.nodes))
        for joint, parent in enumerate(self.parents):
            scale = np.abs(self.rest[joint]["scale"]).mean()
            scales[joint] = scale * (scales[parent] if parent >= 0 else 1.0)
        return scales

    def find_rest_positions(self) -> dict[str, np.ndarray]:
        """Return each node's rest position (3,) by name.

        If any joint is bound to a mesh, the bind pose counts.
        """
        if self.bind:
            return dict(self.bind)
        rotations = np.array([rest["rotation"] for rest in self.rest], dtype=float)
        lengths = np.maximum(np.linalg.norm(rotations, axis=-1, keepdims=True), LEAST_LENGTH)
        offsets = np.array([rest["translation"] for rest in self.rest], dtype=float) * self.offset_scales[:, None]
        offsets[0] = 0
        skeleton = Skeleton(self.names, self.parents, offsets, ("",) * len(self.names))
        joints = list(range(len(self.names)))
        places, _ = forward_kinematics(skeleton, np.zeros((1, 3)), (rotations / lengths)[None], joints)
        return dict(zip(self.names, places[0], strict=True))

    def apply_median_scales(self, tracks: Tracks) -> Self:
        """Return the rig at rest with median scales over an animation."""
        rest = [dict(place) for place in self.rest]
        for (joint, kind), values in tracks.items():
            if kind == "scale":
                rest[joint]["scale"] = np.median(values, axis=0)
        return replace(self, rest=tuple(rest))

    def check_scales(self, parts: Sequence[str], tracks: Tracks) -> None:
        """Refuse a body with uneven or changing scales.

        An uneven scale bends all nodes below. `parts` is the body part of each node, "" for none.
        """
        paths = [list(_path_up(self.parents, joint)) for joint, part in enumerate(parts) if part]
        for joint in sorted(set(chain(*paths))):
            scale = np.abs(self.rest[joint]["scale"])
            if np.ptp(scale) > _STRETCHED * scale.max():
                raise InputError(f"the node {self.names[joint]} is stretched, by {scale.round(3).tolist()}")
        for joint in sorted(set(chain(*(path[1:] for path in paths)))):
            scales = np.abs(tracks.get((joint, "scale"), np.ones((1, 3))))
            size = np.cbrt(scales.prod(axis=1))
            for values, most in ((size[:, None], _GROWN), (scales, _STRETCHED)):
                low, high = np.percentile(values, (5, 95), axis=0)
                if (high - low > most * high).any():
                    factor = (high / np.maximum(low, LEAST_LENGTH)).max()
                    raise InputError(f"the node {self.names[joint]} grows by {factor:.3g} times; expected rigid bones")

    def find_bends(self, rotations: np.ndarray, tracks: Tracks) -> dict[int, np.ndarray]:
        """Find matrices (T, 3, 3) that scales apply below.

        The matrices map the translation of each joint below an uneven or changing scale, in the parent's frame without
        scales. As the formats have it, the scale of a node also acts across the frames of all nodes below.

        Args:
            rotations: (T, J, 4) rotations of the nodes.
            tracks: What moves in the file.
        """
        frames: dict[int, np.ndarray] = {}
        bends: dict[int, np.ndarray] = {}
        for joint, parent in enumerate(self.parents):
            if parent in frames:
                bends[joint] = frames[parent]
            scales = np.abs(tracks.get((joint, "scale"), self.rest[joint]["scale"][None]))
            if parent not in frames and np.ptp(scales) <= _UNEVEN * scales.max():
                continue
            above = frames.get(parent, self.offset_scales[joint] * np.eye(3))
            turns = to_matrices(rotations[:, joint])
            frames[joint] = (turns.swapaxes(1, 2) @ above @ turns) * scales[:, None]
        return bends

    @property
    def offset_scales(self) -> np.ndarray:
        """(J,) scale of each node's translation to the world."""
        return np.array([1.0 if parent < 0 else self.scales[parent] for parent in self.parents])


def tree_of(joints: Iterable[int], parents: Sequence[int]) -> list[int]:
    """Return joints and all nodes above, parents first.

    Args:
        parents: Parent of each node, −1 for a root.

    Returns:
        Of several trees the largest, [] if there is none.

    Raises:
        InputError: There are too many joints, or too many levels of joints.
    """
    joints = set(joints)
    _check_count(joints)
    nodes = sorted({node for joint in joints for node in _path_up(parents, joint)})
    _check_count(nodes)
    children: dict[int, list[int]] = defaultdict(list)
    for node in nodes:
        children[parents[node]].append(node)
    return max((order_below(root, children) for root in children[-1]), key=len, default=[])


def _check_count(nodes: Collection[int]) -> None:
    if len(nodes) > MOST_JOINTS:
        raise InputError(f"a skeleton has at most {MOST_JOINTS} joints, here are {len(nodes)}")


def top_joint(joint: int, joints: Set[int], parents: Sequence[int]) -> int:
    """Return the highest joint above a joint, or the joint itself if there is none.

    The search stays within the levels that a skeleton may have.
    """
    top = joint
    for _ in range(MOST_LEVELS):
        joint = parents[joint]
        if joint < 0:
            break
        if joint in joints:
            top = joint
    return top


def _path_up(parents: Sequence[int], node: int) -> Iterator[int]:
    """Yield a node and its ancestors, nearest first."""
    for _ in range(MOST_LEVELS):
        if not 0 <= node < len(parents):
            raise ValueError(f"there is no node {node}")
        yield node
        node = parents[node]
        if node < 0:
            return
    raise InputError(f"its nodes form a cycle, or there are more than {MOST_LEVELS} below one another")


def order_below(root: int, children: Mapping[int, Sequence[int]] | Sequence[Sequence[int]]) -> list[int]:
    """List a node and all below, depth first.

    Each node is followed by its children, as in BVH.
    """
    order: list[int] = []
    stack = [root]
    while stack:
        order.append(stack.pop())
        stack += reversed(children[order[-1]])
    return order


def unique(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names, repeated names numbered."""
    numbered: dict[str, None] = {}
    latest_numbers: dict[str, int] = {}
    for name in names:
        number = latest_numbers.get(name, 0) + 1
        while (candidate := f"{name} {number}" if number > 1 else name) in numbered:
            number += 1
        latest_numbers[name] = number
        numbered[candidate] = None
    return tuple(numbered)


def describe_changed_names(kind: str, names: Sequence[str], written: Sequence[str]) -> str:
    """Describe joint names that a file cannot hold.

    The note has the first new name; it is "" if no name changed.
    """
    changed = [(name, other) for name, other in zip(names, written, strict=True) if name != other]
    if not changed:
        return ""
    name, other = changed[0]
    more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
    return f"names that {kind} cannot hold are changed when written: {name[:60]!r} to {other[:60]!r}{more}"


def warn_of_changed_names(kind: str, names: Sequence[str], written: Sequence[str]) -> None:
    """Warn of joint names that a file cannot hold; see `describe_changed_names`."""
    if note := describe_changed_names(kind, names, written):
        warnings.warn(note, stacklevel=2)


def motion_of(rig: Rig, tracks: Tracks, frames: int, fps: float) -> Motion:
    """Return the rig's motion in the file's unit.

    Args:
        tracks: What moves; all else rests.

    Raises:
        InputError: A rotation is no rotation.
    """
    rotations = np.empty((frames, len(rig.nodes), 4))
    offsets = np.empty((len(rig.nodes), 3))
    for joint, rest in enumerate(rig.rest):
        rotations[:, joint] = tracks.get((joint, "rotation"), rest["rotation"])
        place = np.median(tracks.get((joint, "translation"), rest["translation"][None]), axis=0)
        offsets[joint] = place * rig.offset_scales[joint]
    lengths = np.linalg.norm(rotations, axis=-1, keepdims=True)
    if lengths.min() < LEAST_LENGTH:
        raise InputError(f"a rotation of {rig.names[int(lengths.min(axis=(0, 2)).argmin())]} has no length")
    root_track = tracks.get((0, "translation"), rig.rest[0]["translation"])
    root = np.broadcast_to(root_track, (frames, 3)).astype(float)
    offsets[0] = 0
    skeleton = Skeleton(rig.names, rig.parents, offsets, rig.parts)
    return Motion(skeleton, root, make_continuous(rotations / lengths), fps)


def make_rigged_clip(rig: Rig, motion: Motion, tracks: Tracks, metres_per_unit: float | None) -> RiggedMotion:
    """Build a rigged clip in m.

    Joints that move in the parent's frame have tracks, as the pelvis always does.

    Args:
        motion: Motion in the file's unit.
        tracks: What moves in the file.
        metres_per_unit: Length of that unit; None for metres, except for bodies of a size that shows another unit.

    Raises:
        InputError: A node of the body scales one axis more than another, or changes scale with time.
    """
    bends = rig.find_bends(motion.rotations, tracks)
    bent = {}
    offsets = motion.skeleton.offsets_m.copy()
    most_stretch = 0.0
    for joint, bend in bends.items():
        track = np.broadcast_to(tracks.get((joint, "translation"), rig.rest[joint]["translation"]), (len(motion), 3))
        bent[joint] = np.einsum("tij,tj->ti", bend, track)
        offsets[joint] = np.median(bent[joint], axis=0)
        even = norms(track) * rig.offset_scales[joint]
        most_stretch = max(most_stretch, float(np.abs(norms(bent[joint]) / np.maximum(even, LEAST_LENGTH) - 1).max()))
    motion = replace(motion, skeleton=replace(motion.skeleton, offsets_m=offsets))
    read = motion if any(rig.parts) else recognize_parts(motion)
    rig.check_scales(read.skeleton.parts, tracks)
    size = measure_stature(read)
    unit_m = metres_per_unit or 1.0
    notes: tuple[str, ...] = ()
    if metres_per_unit is None and not BODY_M[0] < size < BODY_M[1]:
        unit_m, note = infer_unit(read)
        notes = (note,)
    skeleton = replace(read.skeleton, offsets_m=read.skeleton.offsets_m * unit_m)
    if bent:
        words = f"scales of nodes stretch bones by up to {100 * most_stretch:.0f} %"
        notes = (*notes, FileNote(words, topic="bones"))
    moving = {joint for joint, kind in tracks if kind == "translation" and joint} | set(bent)
    pelvis = skeleton.joint("pelvis")
    if pelvis and not has_parts_outside_pelvis(skeleton):
        moving.add(pelvis)
    stretches_m = {}
    for joint in moving:
        if joint in bent:
            stretches_m[joint] = bent[joint] * unit_m
            continue
        track = tracks.get((joint, "translation"), rig.rest[joint]["translation"])
        stretches_m[joint] = np.broadcast_to(track, (len(motion), 3)) * rig.offset_scales[joint] * unit_m
    six = ("Xposition", "Yposition", "Zposition", "Zrotation", "Xrotation", "Yrotation")
    channels = tuple(six if joint in moving or not joint else six[3:] for joint in range(len(skeleton)))
    motion = replace(read, skeleton=skeleton, root_m=read.root_m * unit_m)
    return RiggedMotion(
        motion,
        channels,
        skeleton.offsets_m,
        frozenset(),
        unit_m,
        stretches_m,
        bends=bends,
        rest_places=rig.find_rest_positions(),
        notes=notes,
    )
