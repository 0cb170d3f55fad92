"""Read and write joint positions (T, J, 3), recognised by number and geometry.

Files state neither joint order, unit nor axes. Known orders with the same number of joints are told apart by their
bones: in the right order bones are short, of constant length, and as long on the left as on the right. If no known
order fits, the joints get the bone tree that is best by the same criteria, provided that it forms a body. The unit is
the power of ten of a metre that gives the legs human length. The body shows where y and z point. HumanML3D's 22 joints
are taken for metres and y up unless the body clearly shows otherwise.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.requirements import REQUIRED_PARTS
from selfcorrect.motion.body.smpl import SMPL, SMPL_BODY, SMPL_H, SMPL_X, Layout
from selfcorrect.motion.encodings.humanml3d import FPS as HUMANML3D_FPS
from selfcorrect.motion.geometry.rotations import invert, rotate
from selfcorrect.motion.geometry.vectors import median, norms
from selfcorrect.motion.inverse_kinematics import fit_body, fit_motion
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.position_noise import MIN_NOISE_M, measure_position_noise
from selfcorrect.motion.skeleton import ADULT_LEG_M, SIDES, SMPL_22, Skeleton, swap_sides
from selfcorrect.motion.views import Y_UP, to_y_up
from selfcorrect.storage.files.arrays import write_npy

from ..motion_file import MotionFile, rate_of
from ..skeletons.anatomy import recognize_parts
from ..skeletons.file_note import FileNote
from ..skeletons.reading import Reading, Up
from ..skeletons.sides import SWAPPED_NOTE, has_swapped_sides
from ..skeletons.vertical import ALL_AXES, TracedBody, UpAxis, resolve_up_axis
from .damaged_frames import fill_damaged_frames

_MAX_BONE_ERROR = 0.6
"""Largest error, by `measure_bones`, with which a known order still fits."""
_TIE = 0.7
"""Two orders tie if the smaller error is more than this share of the larger one."""
_FRAMES_OF_ORDER = 64
"""Maximum number of frames on which orders are compared."""
_LENGTH_WEIGHT = 0.02
"""Weight of the mean joint distance, compared with its deviation, when an unknown bone tree is built."""
_MIN_JOINTS = 13
_MAX_JOINTS = 128
"""Range of joint counts in which a body is looked for if no known order fits."""
_MIN_METRE = 0.05
"""Smallest inferred unit, in m, that still counts as a metre in HumanML3D's joints, with its reciprocal as the largest.
Outside this range, the joints are in the inferred unit."""
_MIN_REPORTED_MM = 0.5
_LEFT = (1.0, 0.0, 0.0)
_UP = (0.0, 1.0, 0.0)
_DOWN = (0.0, -1.0, 0.0)
_AHEAD = (0.0, -0.3, 1.0)
_DIRECTIONS = {
    "hip": _LEFT,
    "collar": _LEFT,
    "shoulder": _LEFT,
    "foot": _AHEAD,
    "knee": _DOWN,
    "ankle": _DOWN,
    "elbow": _DOWN,
    "wrist": _DOWN,
    "hand": _DOWN,
    "tip": _DOWN,
    "thumb": _DOWN,
    "tiptoe": _AHEAD,
    "heel": (0.0, -1.0, -0.5),
}
"""Rest directions of the bones that end in these joints, on the left side; all other bones point up."""


@dataclass(frozen=True)
class JointSet:
    """A known order of joints."""

    name: str
    fps: float
    """Frame rate of files that do not state one."""
    joints: tuple[tuple[str, str], ...]
    """Joints in file order, each with its parent; "" for the root's parent."""
    is_humanml3d: bool = False
    """True if files are in metres and y up unless the body clearly shows another unit or axis."""
    has_joints_on_floor: bool = False
    """True if the lowest joint is on the floor, and false if the sole below it is."""

    def __len__(self) -> int:
        return len(self.joints)

    @cached_property
    def order(self) -> list[int]:
        """Indices of the joints, parents first."""
        parents = [parent for _, parent in self.joints]
        order = [parents.index("")]
        for joint in order:
            order += [child for child, parent in enumerate(parents) if parent == self.joints[joint][0]]
        return order

    @cached_property
    def template(self) -> Skeleton:
        """Return the joints at rest, with bones of 1 m unless average lengths are known."""
        if self.is_humanml3d:
            return SMPL_BODY.average()
        names: list[str] = []
        parents: list[int] = []
        for joint in self.order:
            name, parent = self.joints[joint]
            parents.append(names.index(parent) if parent else -1)
            names.append(name)
        offsets_m = np.array([_direction(name) for name in names])
        offsets_m[0] = 0
        parts = tuple(name if name in SMPL_22 else "" for name in names)
        return Skeleton(tuple(names), tuple(parents), offsets_m, parts)


def _direction(name: str) -> tuple[float, float, float]:
    side, _, joint = name.partition("_")
    x, y, z = _DIRECTIONS.get(joint, _UP)
    if side == "right":
        x = -x
    return x, y, z


def _limb(side: str, start: str, *joints: str) -> tuple[tuple[str, str], ...]:
    """Return the joints of one side's limb, with `start` as the parent of the first one."""
    names = [f"{side}_{joint}" for joint in joints]
    return tuple(zip(names, [start, *names[:-1]], strict=True))


def _joints_of_layout(layout: Layout) -> JointSet:
    """Return the joints of a body model."""
    joints = []
    for name, parent in zip(layout.names, layout.parents, strict=True):
        joints.append((name, layout.names[parent] if parent >= 0 else ""))
    return JointSet(f"{layout.name}'s {len(joints)}", 30.0, tuple(joints))


_LEG = ("hip", "knee", "ankle")
_ARM = ("shoulder", "elbow", "wrist")
_HUMAN36M = (
    ("pelvis", ""),
    *_limb("right", "pelvis", *_LEG),
    *_limb("left", "pelvis", *_LEG),
    ("spine1", "pelvis"), ("spine3", "spine1"), ("neck", "spine3"), ("head", "neck"),
    *_limb("left", "spine3", *_ARM),
    *_limb("right", "spine3", *_ARM),
)  # fmt: skip
_KINECT = (
    ("pelvis", ""), ("spine1", "pelvis"), ("neck", "spine3"), ("head", "neck"),
    *_limb("left", "spine3", *_ARM, "hand"),
    *_limb("right", "spine3", *_ARM, "hand"),
    *_limb("left", "pelvis", *_LEG, "foot"),
    *_limb("right", "pelvis", *_LEG, "foot"),
    ("spine3", "spine1"),
    ("left_tip", "left_hand"), ("left_thumb", "left_wrist"),
    ("right_tip", "right_hand"), ("right_thumb", "right_wrist"),
)  # fmt: skip
_LEGS = tuple(_limb(side, "pelvis", *_LEG, "foot") for side in SIDES)
_SPINE = (("spine1", "pelvis"), ("spine2", "spine1"), ("spine3", "spine2"), ("neck", "spine3"), ("head", "neck"))
_FINGERS = ("index", "middle", "pinky", "ring", "thumb")


def _arm(side: str, *fingers: str, hand: tuple[str, ...] = ()) -> tuple[tuple[str, str], ...]:
    """Return an arm's joints from the collar outwards, with three joints per finger."""
    joints = _limb(side, "spine3", "collar", *_ARM, *hand)
    for finger in fingers:
        joints += _limb(side, f"{side}_wrist", *(f"{finger}{number}" for number in (1, 2, 3)))
    return joints


def _by_limbs(*fingers: str, hand: tuple[str, ...] = ()) -> tuple[tuple[str, str], ...]:
    """Return the joints of legs, trunk and arms."""
    arms = [_arm(side, *fingers, hand=hand) for side in SIDES]
    return (("pelvis", ""), *_LEGS[0], *_LEGS[1], *_SPINE, *arms[0], *arms[1])


_HOLOSOMA_FINGERS = ("thumb", "index", "middle", "ring", "pinky")
_HOLOSOMA = (
    ("pelvis", ""), ("spine1", "pelvis"), ("spine3", "spine1"), ("neck", "spine3"), ("head", "neck"),
    *_arm("left", *_HOLOSOMA_FINGERS), *_arm("right", *_HOLOSOMA_FINGERS), *_LEGS[0], *_LEGS[1],
    ("left_heel", "left_ankle"), ("right_heel", "right_ankle"),
)  # fmt: skip
_OPTITRACK = (
    ("pelvis", ""), ("spine1", "pelvis"), ("spine3", "spine1"), ("neck", "spine3"), ("head", "neck"), ("crown", "head"),
    *_arm("left", hand=("hand",)), *_arm("right", hand=("hand",)),
    *_limb("left", "pelvis", *_LEG, "foot", "tiptoe"), *_limb("right", "pelvis", *_LEG, "foot", "tiptoe"),
)  # fmt: skip
_KIT = (
    ("pelvis", ""), ("spine1", "pelvis"), ("spine3", "spine1"), ("neck", "spine3"), ("head", "neck"),
    *_limb("left", "neck", *_ARM), *_limb("right", "neck", *_ARM),
    *_limb("left", "pelvis", *_LEG, "foot", "tiptoe"), *_limb("right", "pelvis", *_LEG, "foot", "tiptoe"),
)  # fmt: skip
_SMPL_X = _joints_of_layout(SMPL_X)
_EYES = ("left_eye", "right_eye")
JOINT_SETS = (
    JointSet("Human3.6M's 17", 50.0, _HUMAN36M),
    JointSet("NTU RGB+D's 25 (Kinect)", 30.0, _KINECT),
    JointSet("KIT-ML's 21", 12.5, _KIT, has_joints_on_floor=True),
    *map(_joints_of_layout, (SMPL, SMPL_H, SMPL_X)),
    replace(
        _joints_of_layout(SMPL_BODY), name="HumanML3D", fps=HUMANML3D_FPS, is_humanml3d=True, has_joints_on_floor=True
    ),
    JointSet("LAFAN1's 22", 30.0, _by_limbs()),
    JointSet("the simulators' 24", 30.0, _by_limbs(hand=("hand",))),
    JointSet("the simulators' 52", 30.0, _by_limbs(*_FINGERS)),
    JointSet("OptiTrack's 26", 30.0, _OPTITRACK),
    JointSet("holosoma's 53", 30.0, _HOLOSOMA),
    JointSet("SMPL-X's 53 without eyes", 30.0, tuple(joint for joint in _SMPL_X.joints if joint[0] not in _EYES)),
)
"""Known orders of joints."""


_KEYPOINTS = {
    17: ("COCO's 17 keypoints", ((5, 7), (7, 9), (11, 13), (13, 15)), ((6, 8), (8, 10), (12, 14), (14, 16))),
    25: ("OpenPose's BODY_25", ((5, 6), (6, 7), (12, 13), (13, 14)), ((2, 3), (3, 4), (9, 10), (10, 11))),
}
"""Keypoint sets of images, by number of points: name, and the bones of the left and right limbs as index pairs.

Such keypoints cannot be read, because they have no joints of the trunk."""
_MAX_RELATIVE_UNEVENNESS = 0.5
"""Keypoints are assumed if their limbs are more even than a joint set's by at least this factor."""


def _refuse_keypoints(path: Path, positions: np.ndarray, joints: JointSet) -> None:
    """Refuse image keypoints (T, J, 3) that have as many points as a joint set has joints."""
    if len(joints) not in _KEYPOINTS:
        return
    keypoints, left, right = _KEYPOINTS[len(joints)]
    names = [name for name, _ in joints.joints]
    bones: dict[str, list[tuple[int, int]]] = {"left": [], "right": []}
    for side, ends in bones.items():
        for upper, lower in (*pairwise(_ARM), *pairwise(_LEG)):
            ends.append((names.index(f"{side}_{upper}"), names.index(f"{side}_{lower}")))
    unevenness = _limb_unevenness(positions, bones["left"], bones["right"])
    if _limb_unevenness(positions, left, right) < _MAX_RELATIVE_UNEVENNESS * unevenness:
        raise InputError(
            f"{path}: these are {keypoints}, which cannot be read; expected {joints.name} joints, "
            f"{', '.join(names[:8])}, …"
        )


def _limb_unevenness(positions: np.ndarray, left: Sequence[tuple[int, int]], right: Sequence[tuple[int, int]]) -> float:
    """Return how much bones change in length and differ from the opposite side, relative to their length."""
    lengths = []
    for bones in (left, right):
        starts, ends = np.array(bones).T
        bone_vectors = positions[:, ends].astype(float) - positions[:, starts]
        lengths.append(norms(bone_vectors))
    means = np.maximum(np.mean(lengths, axis=1), 1e-12)
    changes = np.std(lengths, axis=1) / means
    differences = np.abs(np.log(means[0] / means[1]))
    return float(changes.mean() + differences.mean())


def measure_bones(positions: np.ndarray, joints: JointSet) -> float:
    """Measure how badly a joint set fits positions (T, J, 3).

    The result is 0 for bones that are rigid, symmetric and as short as possible. It is the sum of three terms, each
    relative to the length of the shortest tree that connects the joints: the standard deviations of bone lengths over
    time, their differences between left and right, and the length beyond the shortest tree.
    """
    names = [name for name, _ in joints.joints]
    bones = [(names.index(name), names.index(parent)) for name, parent in joints.joints if parent]
    lower, upper = np.array(bones).T
    lengths = norms(positions[:, lower] - positions[:, upper])
    means = lengths.mean(axis=0)
    twins = [names.index(swap_sides(names[joint])) for joint in lower]
    mean_of_joint = dict(zip(lower.tolist(), means.tolist(), strict=True))
    differences = np.abs(means - [mean_of_joint[twin] for twin in twins])
    distances = _measure_distances(positions)[0]
    shortest = minimum_spanning_tree(distances).sum()
    return float((lengths.std(axis=0).sum() + differences.sum() + means.sum()) / max(shortest, 1e-12) - 1)


def _measure_distances(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation over time of the distances between joints (T, J, 3), both (J, J)."""
    distances = norms(positions[:, :, None] - positions[:, None])
    return distances.mean(axis=0), distances.std(axis=0)


def select_joint_set(path: Path, array: np.ndarray) -> tuple[JointSet, tuple[str, ...]]:
    """Select the joint order of positions (T, J, 3).

    Returns:
        The order, and sentences that state how well the bones of each known order fit.

    Raises:
        InputError: No known order fits and no body is found, or two orders fit about equally well.
    """
    frames = np.linspace(0, len(array) - 1, min(len(array), _FRAMES_OF_ORDER)).round().astype(int)
    positions = array[frames].astype(float)
    count = array.shape[1]
    candidates = [joints for joints in JOINT_SETS if len(joints) == count]
    if candidates and not np.ptp(positions, axis=(0, 1)).any():
        return candidates[0], ()  # all joints coincide: the reader reports it
    measures = {joints.name: measure_bones(positions, joints) for joints in candidates}
    candidates.sort(key=lambda joints: measures[joints.name])
    evidence = tuple(f"bones of {joints.name} are off by {measures[joints.name]:.2f}" for joints in candidates)
    if candidates:
        _refuse_keypoints(path, array, candidates[0])
    if candidates and measures[candidates[0].name] < _MAX_BONE_ERROR:
        if len(candidates) > 1 and measures[candidates[0].name] > _TIE * measures[candidates[1].name]:
            names = f"{candidates[0].name} or {candidates[1].name}"
            raise InputError(f"{path}: the joint order is ambiguous: {names} ({'; '.join(evidence)})")
        return candidates[0], evidence
    found = _find_body(positions) if _MIN_JOINTS <= count <= _MAX_JOINTS else None
    if found is None:
        known = ", ".join(joints.name for joints in JOINT_SETS)
        reason = "; ".join(evidence) or f"{count} joints"
        raise InputError(f"{path}: unknown joint order, and the joints form no body ({reason}); known orders: {known}")
    return found, (*evidence, "no known order; bones connect joints whose distance is short and constant")


def _find_body(positions: np.ndarray) -> JointSet | None:
    """Find a body in joints (T, J, 3) of unknown order.

    Its parts are recognised on the bone tree that connects the joints. Returns None if there is no body.
    """
    if not np.ptp(positions, axis=(0, 1)).any():
        return None
    means, deviations = _measure_distances(positions)
    costs = np.maximum(deviations + _LENGTH_WEIGHT * means, 1e-9 * means.max())
    tree = minimum_spanning_tree(costs)
    order, motion = _hang_body(positions, tree, 0)
    pelvis = motion.skeleton.joint("pelvis")
    if pelvis is not None:
        order, motion = _hang_body(positions, tree, order[pelvis])
    if not set(REQUIRED_PARTS) <= set(motion.skeleton.parts):
        return None
    skeleton = motion.skeleton
    new_names = [part or name for part, name in zip(skeleton.parts, skeleton.names, strict=True)]
    above = ["", *(new_names[parent] for parent in skeleton.parents[1:])]
    joints = [(new_names[index], above[index]) for index in np.argsort(order)]
    return JointSet("a body in an unknown order", 30.0, tuple(joints))


def _hang_body(positions: np.ndarray, tree: csr_array, root: int) -> tuple[list[int], Motion]:
    """Order joints (T, J, 3) along the tree from a root outwards.

    Returns the order, and the motion with the recognised parts.
    """
    order, parents = breadth_first_order(tree, root, directed=False)
    order = order.tolist()
    above = [-1, *(order.index(parents[joint]) for joint in order[1:])]
    ordered = positions[:, order]
    offsets = np.concatenate([np.zeros((1, 3)), ordered[0, 1:] - ordered[0, above[1:]]])
    names = tuple(f"joint {joint}" for joint in order)
    skeleton = Skeleton(names, tuple(above), offsets, ("",) * len(names))
    return order, recognize_parts(fit_motion(ordered, 30.0, skeleton))


def open_joints(
    path: Path,
    array: np.ndarray,
    reading: Reading,
    numbers: Mapping[str, float] | None = None,
    write_array: Callable[[Path, np.ndarray], None] | None = None,
    format_axis: int | None = None,
) -> MotionFile:
    """Open a motion of joint positions.

    The motion is written back in the unit, axes and number type of the file.

    Args:
        array: (T, J, 3) numbers of the file, in the file's order.
        reading: Options for unit, axis and frame rate.
        numbers: Single numbers in the file, by name, which may include the frame rate.
        write_array: Writes a copy of the file with this array replaced. None if the file is the array alone; 22 joints
            in SMPL's order are then HumanML3D's.
        format_axis: Vertical axis of the file's format, or None if the format has none.

    Raises:
        InputError: The points are not a known set of joints, or the vertical axis cannot be inferred.
    """
    filled, damage = fill_damaged_frames({"": array})
    array = filled[""]
    joints, evidence = select_joint_set(path, array)
    if joints.is_humanml3d and write_array is not None:
        joints = replace(joints, name="SMPL's 22", fps=30.0, is_humanml3d=False, has_joints_on_floor=False)
    positions = array[:, joints.order].astype(float)
    unit_m, notes = _find_unit(path, joints, positions, reading)
    fps, rate_notes = rate_of(path, numbers or {}, reading, joints.fps, joints.name)
    usual_axis = Y_UP if joints.is_humanml3d else format_axis
    try:
        up = up_of_joints(path, joints.template, positions * unit_m, fps, reading.up, usual_axis)
    except InputError:
        if usual_axis is None:
            raise
        up = UpAxis(usual_axis)
    to_y_up_rotation = to_y_up(up.axis).turn

    def fit(order: list[int]) -> tuple[np.ndarray, Motion]:
        joints_m = rotate(to_y_up_rotation, array[:, order].astype(float)) * unit_m
        return joints_m, fit_body(joints_m, fps, joints.template)

    order = joints.order
    joints_m, fitted = fit(order)
    notes = (*damage, *notes, *up.notes, *rate_notes)
    if has_swapped_sides(fitted):
        names = joints.template.names
        order = [order[names.index(swap_sides(name))] for name in names]
        joints_m, fitted = fit(order)
        notes = (*notes, SWAPPED_NOTE)
    if not joints.is_humanml3d:
        notes = (f"joints taken for {joints.name}", *notes)
    notes = (*notes, *fit_notes([(joints_m, joint_positions(fitted))], fitted.skeleton.parents))
    if joints.has_joints_on_floor:
        fitted = replace(fitted, skeleton=replace(fitted.skeleton, usual_sole_m=0.0))

    def write(target: Path, changed: Motion) -> None:
        written = np.empty((len(changed), *array.shape[1:]))
        written[:, order] = rotate(invert(to_y_up_rotation), joint_positions(changed)) / unit_m
        (write_array or write_npy)(target, written.astype(array.dtype))

    motion = replace(fitted, source=str(path))
    return MotionFile((motion,), notes, write, up=up, order=(joints.name, *evidence))


def _find_unit(path: Path, joints: JointSet, positions: np.ndarray, reading: Reading) -> tuple[float, tuple[str, ...]]:
    """Find the unit of joint positions in m, from the reading, the joint set or the length of the legs.

    Also returns a note if the legs decide.
    """
    if reading.metres_per_unit:
        return reading.metres_per_unit, ()
    try:
        unit_m, note = infer_joints_unit(path, joints.template, positions)
    except InputError:
        if not joints.is_humanml3d:
            raise
        unit_m, note = 1.0, ""
    is_in_metres = joints.is_humanml3d and _MIN_METRE < unit_m < 1 / _MIN_METRE
    return (1.0, ()) if is_in_metres else (unit_m, (note,))


def fit_notes(fits: Sequence[tuple[np.ndarray, np.ndarray]], parents: tuple[int, ...]) -> tuple[str, ...]:
    """Report noise that was removed, and how far joints moved when bones were made rigid.

    There is no note if all joints moved by less than 0.5 mm.

    Args:
        fits: Joints (T, J, 3) of each motion, in m in the world, as in the file and as fitted.
        parents: J parent indices.
    """
    noise_mm = 0.0
    most_mm = 0.0
    total_mm = 0.0
    count = 0
    for before_m, after_m in fits:
        noise_mm = max(noise_mm, 1000 * float(measure_position_noise(before_m, parents).max()))
        distances_mm = 1000 * norms(after_m - before_m)
        most_mm = max(most_mm, float(distances_mm.max()))
        total_mm += float(distances_mm.sum())
        count += distances_mm.size
    if most_mm < _MIN_REPORTED_MM:
        return ()
    mean_mm = total_mm / count
    is_noisy = noise_mm > 1000 * MIN_NOISE_M
    noise = f"noise of up to {noise_mm:.0f} mm per coordinate removed, " if is_noisy else ""
    words = f"{noise}bones made rigid: joints moved by {mean_mm:.1f} mm on average and {most_mm:.0f} mm at most"
    return (FileNote(words, topic="bones"),)


def infer_joints_unit(path: Path, skeleton: Skeleton, positions: np.ndarray) -> tuple[float, str]:
    """Infer the unit that gives legs human length.

    Args:
        positions: (T, J, 3) joint positions in the unit of the file.

    Returns:
        The unit in m, which is a power of ten, and a note that states it.

    Raises:
        InputError: The legs have no length.
    """
    leg = [skeleton.parts.index(f"left_{part}") for part in _LEG]
    bones = np.diff(positions[:, leg], axis=1)
    bone_lengths = norms(bones)
    length = float(median(bone_lengths.sum(axis=1)))
    if not length > 0:
        raise InputError(f"{path}: expected legs of some length, got legs of length 0")
    unit_m = 10.0 ** round(np.log10(ADULT_LEG_M / length))
    return unit_m, FileNote(f"{unit_m:.4g} m inferred", "--metres-per-unit", about="unit")


def up_of_joints(
    path: Path, skeleton: Skeleton, joints_m: np.ndarray, fps: float, up: Up | None, format_axis: int | None = None
) -> UpAxis:
    """Return the vertical axis of the world of joints.

    Args:
        joints_m: (T, J, 3) joint positions in metres.
        up: Axis from the options, or None to infer the axis.
        format_axis: Vertical axis of the file's format, or None if the format has none.

    Raises:
        InputError: No axis is clearly more likely than the others.
    """
    if up is not None:
        return UpAxis.from_option(up)
    parts_m = {part: joints_m[:, joint] for joint, part in enumerate(skeleton.parts) if part}
    if "neck" not in parts_m:
        parts_m["neck"] = (parts_m["left_shoulder"] + parts_m["right_shoulder"]) / 2
    body = TracedBody.from_parts(parts_m, joints_m, joints_m.mean(axis=1), fps, format_axis)
    return resolve_up_axis(body, str(path), format_axis, ALL_AXES)
