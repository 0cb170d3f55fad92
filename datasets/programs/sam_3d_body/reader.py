"""Read and write results of SAM 3D Body.

Source: Yang et al., "SAM 3D Body", Meta 2025. A file holds a dictionary for each frame and person, or for each person
arrays whose first axis is the frames. The joints are the 127 of the Momentum Human Rig, in metres, without the
translation `pred_cam_t`. Positions are in the camera's frame (x right, y down, z away from the camera), but global
rotations are y up. People have no names, so each person is matched with the nearest person of the next frame. On
writing, joints, key points and vertices move with the body part that carries them. The parameters of the rig stay
unchanged.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.smpl import SMPL_BODY
from selfcorrect.motion.geometry.rotations import rotate, to_matrices
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.inverse_kinematics import fit_motion, fit_skeleton
from selfcorrect.motion.kinematics import pose_joints
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.views import Y_DOWN, to_y_up
from selfcorrect.storage.pickles.results import Results

from ...files.motion_file import MotionFile, check_size, check_within, rate_of
from ...files.people.frames import FramesOfPeople
from ...files.skeletons.reading import Reading
from ...files.skeletons.vertical import up_of_motion
from . import JOINTS, ROOT_POSITION

ROTATIONS = "pred_global_rots"
_POINTS = ("pred_keypoints_3d", "pred_vertices")
_KEYS = (JOINTS, ROOT_POSITION, ROTATIONS, *_POINTS)
_COUNT = 127
_MAX_PEOPLE = 64
_PARTS = {  # the joint that is a body part, and joints that it carries beside itself
    "pelvis": (1, 0, 34), "spine1": (35,), "spine2": (36,), "spine3": (37,), "neck": (110, 111, 112),
    "head": (113, *range(114, 127)),
    "left_hip": (2, *range(13, 18)), "left_knee": (3, *range(9, 13)), "left_ankle": (4, 5, 6, 7), "left_foot": (8,),
    "right_hip": (18, *range(29, 34)), "right_knee": (19, *range(25, 29)), "right_ankle": (20, 21, 22, 23),
    "right_foot": (24,),
    "right_collar": (38,), "right_shoulder": (39, *range(69, 74)), "right_elbow": (40, 41, *range(65, 69)),
    "right_wrist": (42, *range(43, 65)),
    "left_collar": (74,), "left_shoulder": (75, *range(105, 110)), "left_elbow": (76, 77, *range(101, 105)),
    "left_wrist": (78, *range(79, 101)),
}  # fmt: skip
_CAMERA_TO_Y_UP = to_y_up(Y_DOWN)
_TO_Y_UP = _CAMERA_TO_Y_UP.turn
"""Rotation from the camera's frame to the y-up frame of the global rotations."""


def recognises_sam3d(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Return whether the arrays are those of SAM 3D Body."""
    return any(shape[-2:] == (_COUNT, 3) for name, shape in shapes.items() if name.rpartition(".")[2] == JOINTS)


def open_sam3d(results: Results, reading: Reading) -> MotionFile:
    """Open one motion per person, on the 22 body joints of SMPL, y up."""
    path = results.path
    results, prefixes = _stack_people(results)
    counts = [results.shapes.get(f"{prefix}{JOINTS}", (0,))[0] for prefix in prefixes]
    check_size(path, [(count, _COUNT) for count in counts])
    fps, rate_notes = rate_of(path, results.numbers, reading, None, "SAM 3D Body", results.others)
    people = []
    axis_notes: dict[str, None] = {}
    for index, prefix in enumerate(prefixes):
        label = f"{path}, person {index}" if len(prefixes) > 1 else str(path)
        person = _Person(results, prefix, label, fps, reading)
        people.append(person)
        axis_notes |= dict.fromkeys(person.up.notes)

    def write(target: Path, *motions: Motion) -> None:
        changes: dict[str, np.ndarray] = {}
        for person, motion in zip(people, motions, strict=True):
            changes |= person.make_changes(motion)
        results.write(target, changes, len(people[0].motion))

    lean = "positions are relative to the camera: if the camera looks down or moves, the body leans or moves"
    notes = ("joints of SAM 3D Body", *rate_notes, *axis_notes, lean)
    return MotionFile(tuple(person.motion for person in people), notes, write, up=people[0].up)


class _Person:
    """One person's motion, with the means to write it back."""

    def __init__(self, results: Results, prefix: str, label: str, fps: float, reading: Reading) -> None:
        self.results = results
        self.prefix = prefix
        joints_m = _numbers(label, JOINTS, self._get(JOINTS), (_COUNT, 3))
        results.check_frames([f"{prefix}{key}" for key in _KEYS], len(joints_m))
        root = self._get(ROOT_POSITION)
        if root is None:
            root = np.zeros((len(joints_m), 3))
        self.root_m = _numbers(label, ROOT_POSITION, root, (3,))
        self.joints_m = joints_m + self.root_m[:, None]
        body_joints = [_PARTS[part][0] for part in SMPL_BODY.names]
        body_m = self.joints_m[:, body_joints]
        standing_m = rotate(_TO_Y_UP, body_m)  # a template that stands fits best
        skeleton = fit_skeleton(standing_m, SMPL_BODY.average())
        fitted = _CAMERA_TO_Y_UP.restore(fit_motion(standing_m, fps, skeleton))
        camera_motion = Motion(fitted.skeleton, fitted.root_m, fitted.rotations, fps, source=label)
        self.up = up_of_motion(camera_motion, reading.up, Y_DOWN)
        self.y_up = to_y_up(self.up.axis)
        self.motion = self.y_up.view(camera_motion)

    def _get(self, key: str) -> np.ndarray | None:
        """Return an array (T, …) of the person, or None if the file does not have it."""
        name = f"{self.prefix}{key}"
        return self.results.array(name) if name in self.results.shapes else None

    def make_changes(self, motion: Motion) -> dict[str, np.ndarray]:
        """Return the person's arrays with another motion; joints that did not move keep their numbers."""
        if len(motion) != len(self.motion):
            raise InputError(f"{self.results.path}: expected {len(self.motion)} frames, got {len(motion)}")
        before_m, before = pose_joints(self.y_up.restore(self.motion))
        after_m, after = pose_joints(self.y_up.restore(motion))
        rotations = Rotation.from_quat(after) * Rotation.from_quat(before).inv()
        moves_m = after_m - before_m
        is_still = (rotations.magnitude() < 1e-8) & (np.abs(moves_m).max(axis=2) < 1e-8)
        matrices = rotations.as_matrix()
        moves = _Moves(before_m, after_m, matrices, is_still)
        root = self._get(ROOT_POSITION)
        shift_m = np.where(is_still[:, :1] | (root is None), 0.0, moves_m[:, 0])
        joint_parts = np.zeros(_COUNT, int)
        for part, joints in _PARTS.items():
            joint_parts[list(joints)] = SMPL_BODY.names.index(part)
        changes: dict[str, np.ndarray] = {}
        for key in (JOINTS, *_POINTS):
            points = self._get(key)
            if points is None or points.ndim != 3 or not points.shape[1] or points.shape[2] != 3:
                continue
            points_m = points.astype(float) + self.root_m[:, None]
            parts = joint_parts if key == JOINTS else joint_parts[self._find_nearest_joints(points_m[0])]
            carried = moves.carry(points, points_m, parts, shift_m)
            changes[f"{self.prefix}{key}"] = carried.astype(points.dtype)
        if root is not None:
            changes[f"{self.prefix}{ROOT_POSITION}"] = (root + shift_m).astype(root.dtype)
        orientations = self._get(ROTATIONS)
        if orientations is not None and orientations.shape[1:] == (_COUNT, 3, 3):
            to_rotations = to_matrices(_TO_Y_UP)
            joint_rotations = to_rotations @ matrices[:, joint_parts] @ to_rotations.T
            is_kept = is_still[:, joint_parts, None, None]
            turned = np.where(is_kept, orientations, joint_rotations @ orientations)
            changes[f"{self.prefix}{ROTATIONS}"] = turned.astype(orientations.dtype)
        return changes

    def _find_nearest_joints(self, points_m: np.ndarray) -> np.ndarray:
        """Find the nearest joint (P,) of each point (P, 3) in the first frame."""
        finite_m = np.where(np.isfinite(points_m), points_m, 0.0)  # unseen points are not finite
        _, nearest_joints = KDTree(self.joints_m[0]).query(finite_m)
        return np.asarray(nearest_joints)


@dataclass(frozen=True, eq=False)
class _Moves:
    """Positions of the body parts before and after a change, in the camera's frame."""

    before_m: np.ndarray
    after_m: np.ndarray
    rotations: np.ndarray
    """(T, 22, 3, 3) rotations of the parts from before to after."""
    is_still: np.ndarray
    """(T, 22) true if a part did not move."""

    def carry(self, old: np.ndarray, points_m: np.ndarray, parts: np.ndarray, shift_m: np.ndarray) -> np.ndarray:
        """Move points with the body parts that carry them.

        Args:
            old: (T, P, 3) numbers of the file.
            points_m: (T, P, 3) the same points in the camera's frame, in metres.
            parts: (P,) index of the part that carries each point.
            shift_m: (T, 3) shift of the whole body, which the file stores in another array.

        Returns:
            (T, P, 3) numbers to write.
        """
        out = np.empty(old.shape)
        for frame in range(len(old)):
            local_m = points_m[frame] - self.before_m[frame, parts]
            turned_m = np.einsum("pij,pj->pi", self.rotations[frame, parts], local_m)
            moved_m = turned_m + self.after_m[frame, parts]
            new = old[frame] + moved_m - points_m[frame] - shift_m[frame]
            is_unchanged = self.is_still[frame, parts] & ~shift_m[frame].any()
            out[frame] = np.where(is_unchanged[:, None], old[frame], new)
        return out


def _numbers(label: str, key: str, array: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    if array is None or array.shape[1:] != shape or array.dtype.kind != "f" or not len(array):
        got = "no such array" if array is None else f"{array.dtype} {array.shape}"
        raise InputError(f"{label}: expected {key} {shape} in every frame, got {got}")
    check_within(f"{label}: {key} is", array)
    return array.astype(float)


def _stack_people(results: Results) -> tuple[Results, list[str]]:
    """Stack each person's arrays over the frames.

    Returns the stacked results, and the prefixes of the people's arrays.
    """
    ends = [name.removesuffix(JOINTS) for name in results.shapes if name.rpartition(".")[2] == JOINTS]
    shapes = {len(results.shapes[f"{end}{JOINTS}"]) for end in ends}
    if shapes == {3}:
        return results, ends
    if shapes != {2}:
        raise InputError(f"{results.path}: expected {JOINTS} of shape (127, 3) in every frame, or (frames, 127, 3)")
    frames = _frames(ends)
    counts = {len(people) for people in frames.values()}
    frame_names = [key[-1] for key in frames if key]
    if all(name.isdecimal() for name in frame_names):
        steps = np.diff([int(name) for name in frame_names])
        if len(set(steps)) > 1:  # frames without people are missing in the file
            counts.add(0)
    if len(counts) != 1 or max(counts) > _MAX_PEOPLE:
        raise InputError(
            f"{results.path}: expected the same number of people in every frame, at most {_MAX_PEOPLE}, got "
            f"{min(counts)} to {max(counts)}; save one file per person"
        )
    followed = _follow_people(results, list(frames.values()))
    stacked = {}
    for person, prefixes in enumerate(zip(*followed, strict=True)):
        for key in _KEYS:
            names = [f"{prefix}{key}" for prefix in prefixes]
            shapes = {results.shapes.get(name) for name in names}
            if len(shapes) == 1 and None not in shapes:
                stacked[f"{person}.{key}"] = names
    return FramesOfPeople(results, stacked), [f"{person}." for person in range(len(followed[0]))]


def _frames(ends: Iterable[str]) -> dict[tuple[str, ...], list[str]]:
    """Group the array prefixes of people by frame."""
    paths = [tuple(end.split(".")[:-1]) for end in ends]
    depth = len(paths[0])
    shared = depth
    for level, words in enumerate(zip(*paths, strict=False)):
        if len(set(words)) > 1:
            shared = level
            break
    common = min(shared, max(depth - 1, 0))
    frames: dict[tuple[str, ...], list[str]] = {}
    for keys in paths:
        prefix = ".".join((*keys, ""))
        frames.setdefault(keys[: common + 1], []).append(prefix)
    return frames


def _follow_people(results: Results, frames: list[list[str]]) -> list[list[str]]:
    """Follow people from frame to frame.

    The people of each frame are matched with those of the previous frame so that the sum of distances is smallest, and
    returned in the order of the first frame.
    """
    if len(frames[0]) == 1:
        return frames
    from scipy.optimize import linear_sum_assignment  # 100 ms, for each file of dictionaries

    followed = [frames[0]]
    before = _centres(results, frames[0])
    for people in frames[1:]:
        centres = _centres(results, people)
        costs = norms(before[:, None] - centres[None])
        if not np.isfinite(costs).all():
            raise InputError(f"{results.path}: {ROOT_POSITION} is not finite in frame {len(followed)}")
        _, order = linear_sum_assignment(costs)
        followed.append([people[index] for index in order])
        before = centres[order]
    return followed


def _centres(results: Results, people: list[str]) -> np.ndarray:
    """Return the centres (P, 3) of the people in a frame."""
    centres = []
    for prefix in people:
        joints = results.array(f"{prefix}{JOINTS}").astype(float)
        centre = joints.mean(axis=0)
        key = f"{prefix}{ROOT_POSITION}"
        if results.shapes.get(key) == (3,):
            centre = centre + results.array(key).astype(float)
        centres.append(centre)
    return np.array(centres)
