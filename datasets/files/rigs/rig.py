"""Rigs: bodies that are trees of a scene's nodes, as in glTF, FBX and USD.

Nodes rotate, move and scale. The scales above a joint are multiplied into its offset, so that a skeleton in centimetres
below a node of scale 0.01 is read in metres. Scales that differ by axis or change with time, as when baked inverse
kinematics stretches limbs, move the joints below. A body that they deform or grow by much is refused.
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
from selfcorrect.motion.geometry.vectors import median, norms
from selfcorrect.motion.kinematics import forward_kinematics, make_continuous
from selfcorrect.motion.motion import FURTHEST_READ_M, LENGTHS_READ, Motion
from selfcorrect.motion.skeleton import MAX_JOINTS, MAX_LEVELS, Skeleton

from ..skeletons.anatomy import has_parts_outside_pelvis, recognize_parts
from ..skeletons.file_note import FileNote
from ..skeletons.units import infer_unit, measure_stature

BODY_M = (0.5, 2.6)
"""Range of body sizes, in m, in which a file's unit is taken for the metre, as the formats require."""

_STRETCHED = 0.2
"""Largest relative difference of a node's scale between axes, and of its scale along an axis over time."""
_GROWN = 0.05
"""Largest relative change of a node's size over time."""
_UNEVEN = 0.005
"""Largest relative difference of scales that count as uniform and constant."""

Tracks: TypeAlias = Mapping[tuple[int, str], np.ndarray]
"""Animated tracks by joint and property.

The properties are "translation" (T, 3), in the parent's frame and the file's unit, "rotation" (T, 4), and "scale"
(T, 3)."""

MIN_BODY = 12
"""Minimum number of joints of a skeleton that may be a further body."""

LARGEST = FURTHEST_READ_M
"""Largest magnitude accepted: far beyond any length or angle, but small enough that no computation overflows."""

ANIMATED = 1e-6
"""Change above which a number counts as animated, larger than the rounding of 32-bit floats at 1 m."""
MIN_LENGTH = LENGTHS_READ[0]
"""Length below which a quaternion is refused."""


@dataclass(frozen=True, eq=False)
class RiggedMotion:
    """A motion on a file's rig, with everything needed to write it back unchanged."""

    motion: Motion
    channels: tuple[tuple[str, ...], ...]
    """Channels of each joint in file order, such as ("Zrotation", "Xrotation", "Yrotation")."""
    offsets: np.ndarray
    """(J, 3) offsets in the file's unit."""
    end_sites: frozenset[int]
    """Joints that are end sites."""
    metres_per_unit: float
    """Length of the file's unit."""
    stretches_m: Mapping[int, np.ndarray] = field(default_factory=dict)
    """Positions (T, 3) of joints that move in their parent's frame; the skeleton has their median positions."""
    bends: Mapping[int, np.ndarray] = field(default_factory=dict)
    """Effect of the scales above each joint on its position; see `Rig.find_bends`."""
    relative: frozenset[int] = frozenset()
    """Joints whose channel positions are added to their offsets, as some programs write them."""
    rest_positions: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Rest positions (3,) of joints by name, in the file's world and unit."""
    notes: tuple[str, ...] = ()
    """Notes on assumptions and on dropped data."""
    placeholder_rate: FileNote | None = None
    """Note on the frame rate assumed because the file's is usually a placeholder; None if it is not."""
    encoding: str = "utf-8"
    """Encoding of the joint names in the file."""


@dataclass(frozen=True)
class Rig:
    """A tree of nodes that are joints or ancestors of joints, parents first, in any unit."""

    nodes: tuple[int, ...]
    parents: tuple[int, ...]
    """Index in `nodes` of each node's parent; −1 for the first node."""
    names: tuple[str, ...]
    parts: tuple[str, ...]
    """Body part of each node as the file names it; "" where it does not."""
    rest: tuple[dict[str, np.ndarray], ...]
    """Transform of each node without animation: translation (3,), rotation (4,) xyzw and scale (3,)."""
    bind: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Positions (3,) of joints, by name, in the pose to which the mesh is bound.

    This is the rest pose of a file whose nodes are stored in another pose."""

    @classmethod
    def from_tree(
        cls,
        tree: Sequence[int],
        parents: Sequence[int],
        names: Sequence[str],
        rest: Sequence[dict[str, np.ndarray]],
        parts: Sequence[str] | None = None,
    ) -> Self:
        """Make the rig of a tree of nodes.

        Args:
            tree: Nodes of the tree, parents first.
            parents: Parent of every node of the scene; −1 for a root.
            names: Names of the tree's nodes. Repeated names get numbers.
            rest: Translation, rotation and scale of the tree's nodes at rest.
            parts: Body part of each node of the tree, or None if the file does not name parts.
        """
        joint_of_node = {node: joint for joint, node in enumerate(tree)}
        return cls(
            nodes=tuple(tree),
            parents=tuple(joint_of_node.get(parents[node], -1) for node in tree),
            names=make_unique(names),
            parts=tuple(parts or [""] * len(tree)),
            rest=tuple(rest),
        )

    @cached_property
    def scales(self) -> np.ndarray:
        """(J,) scale from each node's frame to the world, negative if the frame is reflected through its origin."""
        scales = np.ones(len(self.nodes))
        for joint, parent in enumerate(self.parents):
            scale = np.abs(self.rest[joint]["scale"]).mean() * _find_sign(self.rest[joint]["scale"])
            scales[joint] = scale * (scales[parent] if parent >= 0 else 1.0)
        return scales

    def find_rest_positions(self) -> dict[str, np.ndarray]:
        """Return the rest position (3,) of each node by name, in the bind pose if there is one."""
        if self.bind:
            return dict(self.bind)
        rotations = np.array([rest["rotation"] for rest in self.rest], dtype=float)
        lengths = np.maximum(norms(rotations)[..., None], MIN_LENGTH)
        offsets = np.array([rest["translation"] for rest in self.rest], dtype=float) * self.offset_scales[:, None]
        offsets[0] = 0
        skeleton = Skeleton(self.names, self.parents, offsets, ("",) * len(self.names))
        joints = list(range(len(self.names)))
        joint_positions, _ = forward_kinematics(skeleton, np.zeros((1, 3)), (rotations / lengths)[None], joints)
        return dict(zip(self.names, joint_positions[0], strict=True))

    def apply_median_scales(self, tracks: Tracks) -> Self:
        """Return the rig with each node's median scale over an animation as its rest scale."""
        rest = [dict(properties) for properties in self.rest]
        for (joint, kind), values in tracks.items():
            if kind == "scale":
                rest[joint]["scale"] = median(values, axis=0)
        return replace(self, rest=tuple(rest))

    def check_scales(self, parts: Sequence[str], tracks: Tracks) -> None:
        """Refuse a body whose scales differ much by axis, which deforms all nodes below, or change much over time.

        A node that mirrors the nodes below along some of its axes is read without the mirror, with a warning.

        Args:
            parts: Body part of each node; "" for none.
            tracks: Animated tracks.

        Raises:
            InputError: A node's scale is too uneven or changes too much. The message names the node.
        """
        paths = [list(_walk_up(self.parents, joint)) for joint, part in enumerate(parts) if part]
        for joint in sorted(set(chain(*paths))):
            scale = np.abs(self.rest[joint]["scale"])
            signs = np.sign(self.rest[joint]["scale"])
            if np.ptp(signs) > 1:
                axes = "".join(axis for axis, sign in zip("xyz", signs, strict=True) if sign < 0)
                sentence = f"the node {self.names[joint]} mirrors {axes} by a negative scale; the mirror is ignored"
                warnings.warn(sentence, stacklevel=2)
            if np.ptp(scale) > _STRETCHED * scale.max():
                raise InputError(f"the node {self.names[joint]} has an uneven scale: {scale.round(3).tolist()}")
        for joint in sorted(set(chain(*(path[1:] for path in paths)))):
            scales = np.abs(tracks.get((joint, "scale"), np.ones((1, 3))))
            size = np.cbrt(scales.prod(axis=1))
            for values, most in ((size[:, None], _GROWN), (scales, _STRETCHED)):
                low, high = np.percentile(values, (5, 95), axis=0)
                if (high - low > most * high).any():
                    factor = (high / np.maximum(low, MIN_LENGTH)).max()
                    raise InputError(
                        f"the scale of the node {self.names[joint]} changes by a factor of {factor:.3g}; "
                        "expected rigid bones"
                    )

    def find_bends(self, rotations: np.ndarray, tracks: Tracks) -> dict[int, np.ndarray]:
        """Find how uneven or changing scales deform the translations of the joints below them.

        As the formats define it, a node's scale also acts on the frames of all nodes below.

        Args:
            rotations: (T, J, 4) rotations of the nodes.
            tracks: Animated tracks in the file.

        Returns:
            For each joint below such a scale, the matrices (T, 3, 3) that map its translation to the parent's frame
            without scales.
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
            rotation_matrices = to_matrices(rotations[:, joint])
            frames[joint] = (rotation_matrices.swapaxes(1, 2) @ above @ rotation_matrices) * scales[:, None]
            frames[joint] *= _find_sign(self.rest[joint]["scale"])
        return bends

    @property
    def offset_scales(self) -> np.ndarray:
        """(J,) scale of each node's translation to the world."""
        return np.array([1.0 if parent < 0 else self.scales[parent] for parent in self.parents])


def _find_sign(scale: np.ndarray) -> float:
    """Return −1.0 if a scale (3,) is negative along all axes, so that it reflects through the origin, else 1.0."""
    return -1.0 if (scale < 0).all() else 1.0


def find_tree(joints: Iterable[int], parents: Sequence[int]) -> list[int]:
    """Find the tree of joints and all their ancestors, parents first.

    Args:
        parents: Parent of each node; −1 for a root.

    Returns:
        Nodes of the largest tree; [] if there is none.

    Raises:
        InputError: The tree has too many joints or too many levels.
    """
    joints = set(joints)
    _check_count(joints)
    nodes = sorted({node for joint in joints for node in _walk_up(parents, joint)})
    _check_count(nodes)
    children: dict[int, list[int]] = defaultdict(list)
    for node in nodes:
        children[parents[node]].append(node)
    return max((order_below(root, children) for root in children[-1]), key=len, default=[])


def _check_count(nodes: Collection[int]) -> None:
    if len(nodes) > MAX_JOINTS:
        raise InputError(f"expected a skeleton of at most {MAX_JOINTS} joints, got {len(nodes)}")


def find_top_joint(joint: int, joints: Set[int], parents: Sequence[int]) -> int:
    """Return the topmost ancestor of a joint that is a joint, or the joint itself.

    The search covers as many levels as a skeleton may have.
    """
    top = joint
    for _ in range(MAX_LEVELS):
        joint = parents[joint]
        if joint < 0:
            break
        if joint in joints:
            top = joint
    return top


def _walk_up(parents: Sequence[int], node: int) -> Iterator[int]:
    """Yield a node and its ancestors, nearest first."""
    for _ in range(MAX_LEVELS):
        if not 0 <= node < len(parents):
            raise ValueError(f"node {node} does not exist")
        yield node
        node = parents[node]
        if node < 0:
            return
    raise InputError(f"expected nodes on at most {MAX_LEVELS} levels, got more or a cycle")


def order_below(root: int, children: Mapping[int, Sequence[int]] | Sequence[Sequence[int]]) -> list[int]:
    """List a node and its descendants depth first, which is the order of BVH files."""
    order: list[int] = []
    stack = [root]
    while stack:
        order.append(stack.pop())
        stack += reversed(children[order[-1]])
    return order


def make_unique(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names with numbers after repeated ones."""
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
    """Describe how joint names change because a format cannot hold them.

    Returns a note with the first changed name, or "" if no name changes.
    """
    changed = [(name, other) for name, other in zip(names, written, strict=True) if name != other]
    if not changed:
        return ""
    name, other = changed[0]
    more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
    return f"names that {kind} cannot hold are written differently: {name[:60]!r} as {other[:60]!r}{more}"


def warn_of_changed_names(kind: str, names: Sequence[str], written: Sequence[str]) -> None:
    """Warn of joint names that a format cannot hold; see `describe_changed_names`."""
    if note := describe_changed_names(kind, names, written):
        warnings.warn(note, stacklevel=2)


def build_motion(rig: Rig, tracks: Tracks, frames: int, fps: float) -> Motion:
    """Build the rig's motion in the file's unit.

    Args:
        tracks: Animated tracks. Everything else keeps its rest transform.

    Raises:
        InputError: A quaternion has length 0.
    """
    rotations = np.empty((frames, len(rig.nodes), 4))
    offsets = np.empty((len(rig.nodes), 3))
    for joint, rest in enumerate(rig.rest):
        rotations[:, joint] = tracks.get((joint, "rotation"), rest["rotation"])
        position = median(tracks.get((joint, "translation"), rest["translation"][None]), axis=0)
        offsets[joint] = position * rig.offset_scales[joint]
    lengths = norms(rotations)[..., None]
    if lengths.min() < MIN_LENGTH:
        raise InputError(f"a quaternion of {rig.names[int(lengths.min(axis=(0, 2)).argmin())]} has length 0")
    root_track = tracks.get((0, "translation"), rig.rest[0]["translation"])
    root = np.broadcast_to(root_track, (frames, 3)).astype(float)
    offsets[0] = 0
    skeleton = Skeleton(rig.names, rig.parents, offsets, rig.parts)
    return Motion(skeleton, root, make_continuous(rotations / lengths), fps)


def make_rigged_clip(rig: Rig, motion: Motion, tracks: Tracks, metres_per_unit: float | None) -> RiggedMotion:
    """Build a rigged clip in metres.

    Joints that move in their parent's frame get tracks of positions. The pelvis always gets one.

    Args:
        motion: Motion of the rig in the file's unit.
        tracks: Animated tracks in the file.
        metres_per_unit: Length of the file's unit. None stands for metres, unless the size of the body shows another
            unit.

    Raises:
        InputError: A node of the body has a scale that differs by axis or changes over time.
    """
    bends = rig.find_bends(motion.rotations, tracks)
    bent = {}
    offsets = motion.skeleton.offsets_m.copy()
    most_stretch = 0.0
    for joint, bend in bends.items():
        track = np.broadcast_to(tracks.get((joint, "translation"), rig.rest[joint]["translation"]), (len(motion), 3))
        bent[joint] = np.einsum("tij,tj->ti", bend, track)
        offsets[joint] = median(bent[joint], axis=0)
        even = norms(track) * rig.offset_scales[joint]
        most_stretch = max(most_stretch, float(np.abs(norms(bent[joint]) / np.maximum(even, MIN_LENGTH) - 1).max()))
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
        rest_positions=rig.find_rest_positions(),
        notes=notes,
    )
