"""Body parameters of video trackers, read and written.

There is a table row per program. A file is a dictionary, however deep (.npz, .npy, .pkl, .pt; see `storage.pickles`).
Each dictionary inside that has the keys of a row is a person. Rotations of the pelvis and the joints below are rotation
vectors or matrices, in an array or two. Other arrays of a file stay the same, unless an array repeats the same numbers,
or holds the number and the duration of frames.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.core.checks import count_noun
from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.smpl import LAYOUTS, Body, average_body
from selfcorrect.motion.geometry.rotations import rotate, turn_angles
from selfcorrect.motion.kinematics import in_chunks, make_continuous
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.motion.views import (
    Y_DOWN,
    Y_UP,
    Z_DOWN,
    Z_UP,
    FrameChange,
    FrameChanges,
    ShiftedWorld,
    TurnedWorld,
    to_y_up,
)
from selfcorrect.storage.files.limits import is_there, path_below
from selfcorrect.storage.pickles.results import Results, open_results

from ..motion_file import RATES, MotionFile, body_model_of, check_real, check_size, doubt_height, rate_of
from ..skeletons.file_note import FileNote
from ..skeletons.reading import Reading
from ..skeletons.vertical import WORDS, UpAxis, up_of_motion
from .amass import PARTS_OF_POSES
from .keeping import check_rotations, keep_positions, keep_rotations
from .soma import SOMA_77

_LARGEST = 1e6
_FURTHEST_M = 1e12
"""Beyond any rotation vector (radians) and any place."""
_MOST_SHAPE = 100
_MOST_PEOPLE = 1024
_FRAME_NAMES = ("frame_ids", "frame_id", "frame", "frames")
"""Names of the frames that show a person: frames of a video."""
_SAME_RAD = 1e-3
"""Maximum angle between repeated root rotations, in rad. The file holds them twice."""


@dataclass(frozen=True)
class Tool:
    """A program's array names, and what its files omit."""

    name: str
    rotations: tuple[str, ...]
    """Arrays of joint rotations, to be joined. They turn the pelvis and the joints below: (T, 3 J), (T, J, 3) or (T, J,
    3, 3)."""
    translation: str
    """Array of the body model's translation, in m. It is (T, 3) or (T, 1, 3)."""
    shape: str = "betas"
    """Shape of the body model, (B,) or (T, B)."""
    fps: float | None = None
    """Frame rate of all files. None stands for the frame rate of the video."""
    up: int | None = None
    """Vertical axis of the program's world; None if any axis may be vertical."""
    camera: str = ""
    """File with the camera of each frame, or "". It lies beside this file."""
    is_root: bool = False
    """True if positions are the root joint's. Otherwise they are translations of the body model."""
    scale: str = ""
    """Array with the scale of positions, or "". Positions divided by this number are in metres."""
    followers: tuple[str, ...] = ()
    """Other arrays (T, 3) of positions that move as the translation does."""
    derived: tuple[str, ...] = ()
    """Arrays derived from the motion. The program derives them; a note says that these keep the old content."""
    root: str = ""
    """Array of the root's rotation vectors, or "". The first rotations repeat it or are zero."""
    axes: tuple[int, ...] = (Y_UP, Z_UP, Y_DOWN, Z_DOWN)
    """Vertical axes that come into question."""
    kind: str = "names"
    """Feature that shows the program, for a note."""
    parts: tuple[tuple[str, int], ...] = ()
    """Arrays of jaw, eyes and hands, with joint counts. Each is optional, after a body of 22 joints."""
    is_about_origin: bool = False
    """True if the root rotates about the origin of the body model. Otherwise it rotates about the pelvis."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Arrays that all files have."""
        return (*self.rotations, self.translation, *filter(None, [self.root, self.scale]))


_BODY_JOINTS = 22
_OWN_PARTS = (("jaw_pose", 1), ("leye_pose", 1), ("reye_pose", 1), ("left_hand_pose", 15), ("right_hand_pose", 15))
_AMASS_PARTS = (("pose_jaw", 1), ("pose_eye", 2), ("pose_hand", 30))
"""Jaw, eyes and hands of SMPL-X, by its own names and AMASS's."""
_HEAD_JOINTS = 3
"""Joints of jaw and eyes, not part of SMPL+H."""
_MOVING = ("expression", "jaw", "eye", "hand", "face", "obj")
"""Words in array names for motion beside a body."""

UPRIGHT = (Y_UP, Z_UP)
TOOLS = (
    Tool("EasyMocap", ("poses",), "Th", "shapes", root="Rh", is_about_origin=True),
    Tool("HY-Motion", ("poses",), "trans", fps=30.0, up=Y_UP, axes=UPRIGHT, root="Rh"),
    Tool("AMASS", ("poses",), "trans", up=Z_UP, axes=(*UPRIGHT, Y_DOWN)),
    Tool("WHAM", ("pose_world",), "trans_world", up=Y_UP),
    Tool("GVHMR", ("smpl_params_global.global_orient", "smpl_params_global.body_pose"), "smpl_params_global.transl",
         "smpl_params_global.betas", fps=30.0, up=Y_UP),
    Tool("GEM-X", ("body_params_global.global_orient", "body_params_global.body_pose"), "body_params_global.transl",
         "body_params_global.betas", fps=30.0, up=Y_UP),
    Tool("PHC", ("pose_aa",), "trans_orig", "beta", up=Z_UP, followers=("root_trans_offset",),
         derived=("pose_quat_global", "pose_quat")),
    Tool("PHC's heirs", ("pose_aa",), "root_trans_offset", "beta", up=Z_UP, is_root=True,
         derived=("pose_quat_global", "pose_quat", "smpl_joints", "contact_mask")),
    Tool("GLAMR", ("smpl_orient_world", "smpl_pose"), "root_trans_world", "smpl_beta", is_root=True),
    Tool("ROMP", ("smpl_thetas",), "cam_trans", "smpl_betas", up=Y_DOWN),
    Tool("AIST++", ("smpl_poses",), "smpl_trans", fps=60.0, scale="smpl_scaling"),
    Tool("EDGE", ("smpl_poses",), "smpl_trans", fps=30.0, derived=("full_pose",)),
    Tool("PromptHMR", ("smplx_world.pose",), "smplx_world.trans", "smplx_world.shape", up=Y_UP),
    Tool("TRAM", ("pred_rotmat",), "pred_trans", "pred_shape", up=Y_DOWN, camera="camera.npy"),
    Tool("SMPL-X (GVHMR, 4D-Humans)", ("global_orient", "body_pose"), "transl",
         parts=_OWN_PARTS),
    Tool("HuMoR", ("root_orient", "pose_body"), "trans", parts=_AMASS_PARTS),
    Tool("WHAM in the camera's frame", ("pose",), "trans"),
    Tool("WHAM in the camera's frame, with transl", ("pose",), "transl"),
)  # fmt: skip
"""Tools, most specific names first. A file may hold several sets, in the world and in the camera's frame."""


def detect_program(names: Iterable[str]) -> tuple[Tool, list[str]] | None:
    """Detect the program whose keys a file has, and the prefixes of people.

    Returns None for other files.
    """
    names = dict.fromkeys(names)
    for tool in TOOLS:
        ends = [name.removesuffix(tool.translation) for name in names if name.endswith(tool.translation)]
        people = [end for end in ends if end[-1:] in ("", ".") and all(f"{end}{key}" in names for key in tool.keys)]
        if people:
            return tool, people
    return None


@dataclass(frozen=True, eq=False)
class _Person:
    """A person's arrays, and how they map to the world."""

    prefix: str
    tool: Tool
    """The program, with the parts that this person has."""
    arrays: Mapping[str, np.ndarray]
    motion: Motion
    """Y up."""
    file_motion: Motion
    """As read, in the world of the file."""
    view: FrameChange
    """The view that shows the world y up."""
    up: UpAxis
    pelvis_m: np.ndarray
    """(3,) root position at rest, in the body model's coordinates."""


def open_parameters(results: Results, reading: Reading, tool: Tool, people: Sequence[str] = ("",)) -> MotionFile:
    """Open a motion per person, y up.

    The body is average, or has the file's shape in the reading's body model.

    Args:
        tool: Program that wrote the file.
        people: Prefixes of the people's arrays.
    """
    path = results.path
    if len(people) > _MOST_PEOPLE:
        raise InputError(f"{path}: expected at most {_MOST_PEOPLE} people, got {len(people)}")
    sizes = []
    for prefix, name in product(people, tool.rotations):
        frames, *sides = results.shapes[f"{prefix}{name}"] or (1,)
        if not frames:
            raise InputError(f"{path}: has no frames")
        sizes.append((frames, math.prod(sides) // 3))
    if path.exists():  # arrays in memory are not a file
        check_size(path, sizes)
    fps, assumed = rate_of(path, _find_numbers(results), reading, tool.fps, tool.name, results.others)
    notes: dict[str, None] = {}
    read = [_person(results, tool, prefix, fps, reading, notes) for prefix in people]
    notes |= dict.fromkeys((f"{tool.kind} of {tool.name}", *assumed))

    def write(target: Path, *motions: Motion) -> None:
        changes: dict[str, np.ndarray] = {}
        for person, motion in zip(read, motions, strict=True):
            changes |= _changes(results, person, motion)
        results.write(target, changes, len(read[0].file_motion))

    return MotionFile(tuple(person.motion for person in read), tuple(notes), write, up=read[0].up)


def _find_numbers(results: Results) -> dict[str, float]:
    """Return the single numbers of a file.

    Frame rates in arrays of one number count, too; other frame rates are refused.
    """
    numbers = dict(results.numbers)
    for name in results.shapes:
        if name.rpartition(".")[2] in RATES and name not in numbers:
            array = results.array(name)
            if array.size != 1 or array.dtype.kind not in "fiu":
                raise InputError(f"{results.path}: expected one number as {name}, got {array.dtype} {array.shape}")
            numbers[name] = float(array.item())
    return numbers


def _find_parts(
    results: Results, tool: Tool, prefix: str, notes: dict[str, None]
) -> tuple[Tool, dict[str, np.ndarray]]:
    """Find a person's parts beside the body.

    Returns the program with these parts, and zeros for parts that the file lacks. A note names arrays with motion that
    are not read: parts of other sizes, such as components of hands, and whatever a skeleton does not have, such as
    expressions and objects.
    """
    shapes = results.shapes
    frames = next(iter(shapes[f"{prefix}{tool.rotations[0]}"]), 0)
    numbers = [math.prod(shapes[f"{prefix}{name}"]) for name in tool.rotations]
    has_body = sum(numbers) in (3 * _BODY_JOINTS * frames, 9 * _BODY_JOINTS * frames)
    found = set[str]()
    for name, joints in tool.parts if has_body else ():
        shape = shapes.get(f"{prefix}{name}", (0,))
        if shape[:1] == (frames,) and math.prod(shape) in (3 * joints * frames, 9 * joints * frames):
            found.add(name)
    repeated = PARTS_OF_POSES if "poses" in tool.rotations and sum(numbers) == 165 * frames else ()
    known = {*found, *repeated, *tool.rotations, *tool.derived, *tool.followers, tool.translation, tool.root}
    left_out = []
    for name in shapes:
        own_name = name.removeprefix(prefix)
        is_moving = any(word in own_name.rpartition(".")[2] for word in _MOVING)
        if name.startswith(prefix) and is_moving and own_name not in known and shapes[name][:1] == (frames,):
            left_out.append(own_name)
    if left_out:
        notes[f"not read: {', '.join(left_out)}"] = None
    parts = [*tool.parts] if found else []
    missing_head = [name for name, joints in parts if joints < _HEAD_JOINTS and name not in found]
    if len(missing_head) == sum(joints < _HEAD_JOINTS for _, joints in parts):
        parts = [(name, joints) for name, joints in parts if name not in missing_head]  # SMPL+H has hands only
    zeros = {name: np.zeros((frames, 3 * joints)) for name, joints in parts if name not in found}
    return replace(tool, rotations=(*tool.rotations, *(name for name, _ in parts))), zeros


def _person(results: Results, tool: Tool, prefix: str, fps: float, reading: Reading, notes: dict[str, None]) -> _Person:
    tool, zeros = _find_parts(results, tool, prefix, notes)
    names = [*(name for name in tool.rotations if name not in zeros), tool.translation]
    for name in (tool.shape, tool.scale, tool.root, *tool.followers):
        if f"{prefix}{name}" in results.shapes:
            names.append(name)
    arrays = {name: results.array(f"{prefix}{name}") for name in names} | zeros
    if tool.is_about_origin:  # its arrays have a row per frame, (T, 1, K)
        arrays = {name: array.reshape(len(array), -1) for name, array in arrays.items()}
    label = f"{results.path}, {prefix.rstrip('.')}" if prefix else str(results.path)
    rotations = _rotations(label, tool, arrays)
    if tool.root:
        rotations[:, 0] = _merge_root(label, tool, arrays, rotations[:, 0])
    trans = _translation(label, tool, arrays) / _scale(label, tool, arrays)
    body, notes_on_body = _body(label, tool, arrays, reading)
    notes |= dict.fromkeys(notes_on_body)
    skeleton, pelvis_m = _skeleton(rotations.shape[1], body)
    if tool.is_root:
        pelvis_m = np.zeros(3)
    derived = [name for name in tool.derived if f"{prefix}{name}" in {*results.shapes, *results.others}]
    if derived:
        notes[f"{', '.join(derived)} of the file stay as they are; {tool.name} derives them from the motion"] = None
    root_m = trans + _find_pelvis_m(tool, pelvis_m, rotations)
    file_motion = Motion(skeleton, root_m, rotations, fps, source=label)
    camera, tool_up, notes_on_camera = _camera_of(results, tool, prefix, len(file_motion))
    up = up_of_motion(camera.view(file_motion), reading.up, tool_up, among=tool.axes)
    if tool.root and reading.up is None and up.axis == tool.up:
        notes[FileNote(f"{WORDS[up.axis]}, the convention of {tool.name}", "--up")] = None
    notes_on_gaps = _note_gaps(results, prefix, len(file_motion))
    notes |= dict.fromkeys((*notes_on_camera, *up.notes, *notes_on_gaps))
    view = FrameChanges((*camera.changes, to_y_up(up.axis)))
    motion = view.view(file_motion)
    motion = replace(motion, rotations=make_continuous(motion.rotations))
    if body is None:
        motion = doubt_height(motion, arrays.get(tool.shape))
    return _Person(prefix, tool, arrays, motion, file_motion, view, up, pelvis_m)


def _find_pelvis_m(tool: Tool, pelvis_m: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Return the position (3,) or (T, 3) of the pelvis before the translation of the body model."""
    return rotate(rotations[:, 0], pelvis_m) if tool.is_about_origin else pelvis_m


def _skeleton(joints: int, body: Body | None) -> tuple[Skeleton, np.ndarray]:
    """Return a skeleton of `joints` joints, and the root's rest position in the body model's coordinates."""
    if joints == len(SOMA_77):
        return SOMA_77, np.zeros(3)
    layout = LAYOUTS[joints]
    if body is None:
        return layout.average(), average_body().pelvis_m
    offsets_m = layout.average().offsets_m
    for joint, name in enumerate(layout.names):
        if name in body.skeleton.names:
            offsets_m[joint] = body.skeleton.offsets_m[body.skeleton.names.index(name)]
    return replace(layout.skeleton(offsets_m), mass_kg=body.skeleton.mass_kg), body.pelvis_m


def _camera_of(
    results: Results, tool: Tool, prefix: str, frames: int
) -> tuple[FrameChanges, int | None, tuple[str, ...]]:
    """Return the mapping from a program's world, the vertical axis of that world, and notes."""
    if not tool.camera:
        return FrameChanges(), tool.up, ()
    near = [path_below(folder, tool.camera) for folder in (results.path.parent, results.path.parent.parent)]
    file = next(filter(is_there, near), None)
    if file is None:
        return FrameChanges(), tool.up, (
            f"places as the camera sees them: {tool.camera} of {tool.name} is not beside the file, and where the "
            "camera moved the body does",
        )  # fmt: skip
    name = f"{prefix}frame"
    seen = results.array(name) if name in results.shapes else np.arange(frames)
    if seen.shape != (frames,) or seen.dtype.kind not in "iu" or (len(seen) and seen.min() < 0):
        raise InputError(f"{results.path}: expected {name} to be {frames} numbers of frames, got {seen.shape}")
    turns, shifts_m, up = _camera(file, seen)
    camera = FrameChanges((TurnedWorld(turns.as_quat()), ShiftedWorld(shifts_m)))
    return camera, up, (f"placed in the world by {file.name}",)


def _note_gaps(results: Results, prefix: str, count: int) -> tuple[str, ...]:
    """Note the video's frames, between a person's first and last, in which the person is not seen."""
    for name in _FRAME_NAMES:
        if results.shapes.get(f"{prefix}{name}") != (count,):
            continue
        frames = results.array(f"{prefix}{name}")
        if frames.dtype.kind not in "fiu" or not np.isfinite(frames).all():
            continue
        gaps = np.flatnonzero(np.diff(frames.astype(float)) > 1)
        if len(gaps):
            first = int(frames[gaps[0]]) + 1
            last = int(frames[gaps[0] + 1]) - 1
            span = f"frame {first}" if first == last else f"frames {first} to {last}"
            others = f", and {count_noun(len(gaps) - 1, 'more gap')}" if len(gaps) > 1 else ""
            return (f"not seen in {span} of the video ({name}), where the motion jumps{others}",)
    return ()


_CAMERAS = ((("world_cam_R", "world_cam_T"), Y_UP), (("pred_cam_R", "pred_cam_T"), Y_DOWN))
"""Arrays that map camera to world, and its vertical axis: rotations and shifts."""


def _camera(path: Path, frames: np.ndarray) -> tuple[Rotation, np.ndarray, int]:
    """Return rotations and shifts (T, 3) from camera frame to world, and the world's vertical axis."""
    results = open_results(path)
    names, up = next((row for row in _CAMERAS if set(row[0]) <= results.shapes.keys()), _CAMERAS[-1])
    if not set(names) <= results.shapes.keys():
        raise InputError(
            f"{path}: expected {' and '.join(names)} of a camera, got {', '.join(results.shapes) or 'none'}"
        )
    matrices = results.array(names[0]).astype(float)
    shifts_m = results.array(names[1]).astype(float)
    if matrices.ndim != 3 or matrices.shape[1:] != (3, 3) or shifts_m.shape != (len(matrices), 3):
        raise InputError(f"{path}: expected {names[0]} (T, 3, 3) and {names[1]} (T, 3), got {matrices.shape}")
    if len(frames) and frames.max() >= len(matrices):
        raise InputError(f"{path}: holds {len(matrices)} frames, and frame {int(frames.max())} is needed")
    if not (np.isfinite(shifts_m).all() and (np.linalg.det(matrices) > 0.5).all()):
        raise InputError(f"{path}: {names[0]} or {names[1]} is not a camera pose")
    return Rotation.from_matrix(matrices[frames]), shifts_m[frames], up


def _rotations(label: str, tool: Tool, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """(T, J, 4) rotations of all joints."""
    parts = [_quaternions(label, name, arrays[name]) for name in tool.rotations]
    if len({len(part) for part in parts}) != 1:
        raise InputError(f"{label}: expected as many frames in {' and '.join(tool.rotations)}")
    rotations = np.concatenate(parts, axis=1)
    joint_counts = [*LAYOUTS, len(SOMA_77)]
    if rotations.shape[1] not in joint_counts:
        raise InputError(f"{label}: expected rotations of one of {joint_counts} joints, got {rotations.shape[1]}")
    return rotations


def _merge_root(label: str, tool: Tool, arrays: dict[str, np.ndarray], root: np.ndarray) -> np.ndarray:
    """Merge root rotations (T, 4) stored separately.

    The first joint's rotations in the file must equal `root`, or be zero.
    """
    array = arrays[tool.root]
    check_real(label, tool.root, array, _LARGEST)
    if array.shape != (len(root), 3):
        raise InputError(f"{label}: expected {tool.root} of shape ({len(root)}, 3), got {array.shape}")
    merged = Rotation.from_rotvec(array.astype(float)).as_quat()
    angles_rad = turn_angles(root, merged)
    (name,) = tool.rotations
    if arrays[name][:, :3].any() and angles_rad.max() > _SAME_RAD:
        frame = int(angles_rad.argmax())
        raise InputError(f"{label}: {tool.root} and {name} turn the root differently in frame {frame}")
    return merged


def _quaternions(label: str, name: str, array: np.ndarray) -> np.ndarray:
    """(T, J, 4) quaternions of rotation vectors or matrices."""
    check_real(label, name, array, _LARGEST)
    frames = len(array)
    if array.shape[-2:] == (3, 3) and array.ndim == 4:
        check_rotations(f"{label}: {name} is no rotation", array)
        return in_chunks(lambda rows: Rotation.from_matrix(rows.astype(float)).as_quat(), array)
    if array.ndim not in (2, 3) or array.size % (3 * frames):
        raise InputError(f"{label}: expected {name} as rotation vectors or matrices, got shape {array.shape}")
    vectors = array.reshape(frames, -1, 3)
    return in_chunks(lambda rows: Rotation.from_rotvec(rows.astype(float)).as_quat(), vectors)


def _translation(label: str, tool: Tool, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    array = arrays[tool.translation]
    frames = len(arrays[tool.rotations[0]])
    check_real(label, tool.translation, array, _FURTHEST_M)
    if array.size != 3 * frames or len(array) != frames:
        raise InputError(f"{label}: expected {tool.translation} of shape ({frames}, 3), got {array.shape}")
    return array.astype(float).reshape(frames, 3)


def _scale(label: str, tool: Tool, arrays: Mapping[str, np.ndarray]) -> float:
    """Return the number of file units per metre."""
    if tool.scale not in arrays:
        return 1.0
    scale = arrays[tool.scale]
    if scale.size != 1 or not 1e-3 < float(scale.item()) < 1e4:
        raise InputError(f"{label}: expected {tool.scale} to be one number from 0.001 to 10000, got {scale}")
    return float(scale.item())


def _body(
    label: str, tool: Tool, arrays: Mapping[str, np.ndarray], reading: Reading
) -> tuple[Body | None, tuple[str, ...]]:
    """Return the body of shape and body model, None for an average person, and notes."""
    if (model := body_model_of(reading)) is None:
        return None, (FileNote("average body, as the file holds no bone lengths", "--body-model"),)
    from selfcorrect.motion.body.body_model import make_body

    shape = arrays.get(tool.shape)
    if shape is not None:
        if not shape.size or shape.dtype.kind not in "fiu" or not np.all(np.abs(shape) <= _MOST_SHAPE):
            raise InputError(
                f"{label}: expected {tool.shape} to be a row of numbers from -{_MOST_SHAPE} to {_MOST_SHAPE}, "
                f"got {shape.dtype} {shape.shape}"
            )
        shape = np.atleast_1d(shape)
        shape = shape.reshape(-1, shape.shape[-1]).mean(axis=0)
    return make_body(model, shape), ()


def _changes(results: Results, person: _Person, changed: Motion) -> dict[str, np.ndarray]:
    """Return a person's arrays with another motion.

    Whatever stays the same keeps its numbers.
    """
    tool = person.tool
    motion = person.view.restore(changed)
    arrays = dict(person.arrays)
    file_motion = person.file_motion if len(person.file_motion) == len(motion) else None
    scale = _scale(person.prefix, tool, arrays)
    old = arrays[tool.translation]
    places = scale * (motion.root_m - _find_pelvis_m(tool, person.pelvis_m, motion.rotations))
    written = {tool.translation: places.reshape(-1, *old.shape[1:])}
    if file_motion is not None:
        before_m = file_motion.root_m - _find_pelvis_m(tool, person.pelvis_m, file_motion.rotations)
        for name in (tool.translation, *(name for name in tool.followers if name in arrays)):
            written[name] = keep_positions(arrays[name], scale * before_m, places)
    start = 0
    for name in tool.rotations:
        old = arrays[name]
        matrices = old.shape[-2:] == (3, 3) and old.ndim == 4
        stop = start + old.size // (len(old) * (9 if matrices else 3))
        columns = slice(start, stop)
        before = None if file_motion is None else file_motion.rotations[:, columns]
        if tool.root:
            old = np.concatenate([arrays[tool.root], old[:, 3:]], axis=1)
        written[name] = keep_rotations(old, before, motion.rotations[:, columns], matrices=matrices)
        start = stop
    if tool.root:
        (name,) = tool.rotations
        written[tool.root] = written[name][:, :3].copy()
        written[name][:, :3] *= arrays[name][:, :3].any()
    derived: dict[str, np.ndarray | float] = {}
    if "poses" in written:
        derived |= {name: written["poses"][:, columns] for name, columns in PARTS_OF_POSES.items()}
    if file_motion is None or file_motion.fps != motion.fps:
        derived |= dict.fromkeys(RATES, motion.fps)
        derived |= {"num_frames": len(motion), "mocap_time_length": len(motion) / motion.fps}
    for name, values in derived.items():
        if f"{person.prefix}{name}" in results.shapes:
            arrays[name] = results.array(f"{person.prefix}{name}")
            written[name] = values if isinstance(values, np.ndarray) else np.full(arrays[name].shape, values)
    in_file = [name for name in written if f"{person.prefix}{name}" in results.shapes]
    changes = {}
    for name in in_file:
        sides = results.shapes[f"{person.prefix}{name}"][1:] if tool.is_about_origin else written[name].shape[1:]
        changes[f"{person.prefix}{name}"] = _match_type(written[name], arrays[name]).reshape(-1, *sides)
    return changes


def _match_type(array: np.ndarray, old: np.ndarray) -> np.ndarray:
    """Convert an array to its old number type, unless that cannot hold the values."""
    can_hold = old.dtype.kind == "f" or np.array_equal(array, array.round())
    return array.astype(old.dtype) if can_hold else array
