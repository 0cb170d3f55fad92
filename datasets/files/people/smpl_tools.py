"""Read and write SMPL body parameters as datasets and video trackers store them.

The table `TOOLS` has a row per program. A file (.npz, .npy, .pkl or .pt; see `storage.pickles`) is a dictionary that
may be nested, and each dictionary in it that has the keys of a row is a person. Rotations of the pelvis and all other
joints are rotation vectors or matrices, in one array or two. On writing, other arrays of the file stay unchanged,
except those that repeat the same numbers or hold the number or duration of frames.
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
from selfcorrect.motion.motion import FURTHEST_READ_M, Motion
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
from .damaged_frames import fill_damaged_frames
from .keeping import SAME_RAD, check_rotations, keep_positions, keep_rotations
from .soma import SOMA_77

_MAX_SHAPE = 100
_MAX_PEOPLE = 1024
_FRAME_NAMES = ("frame_ids", "frame_id", "frame", "frames")
"""Arrays with the numbers of the video frames in which a person is seen."""


@dataclass(frozen=True)
class Tool:
    """A program's array names, and its conventions that files do not state."""

    name: str
    rotations: tuple[str, ...]
    """Arrays of joint rotations, the pelvis first, to be concatenated: (T, 3 J), (T, J, 3) or (T, J, 3, 3)."""
    translation: str
    """Array of the body model's translation, (T, 3) or (T, 1, 3), in m."""
    shape: str = "betas"
    """Array of the body model's shape, (B,) or (T, B)."""
    fps: float | None = None
    """Frame rate of all files; None if files have the frame rate of a video."""
    up: int | None = None
    """Vertical axis of the program's world; None if it may be any axis."""
    camera: str = ""
    """Name of the file, beside this one, with the camera pose of each frame; "" if there is none."""
    is_root: bool = False
    """True if positions are the root joint's, and false if they are translations of the body model."""
    scale: str = ""
    """Array with the scale of positions, or "" if there is none. Positions divided by it are in metres."""
    followers: tuple[str, ...] = ()
    """Other arrays (T, 3) of positions that move with the translation."""
    derived: tuple[str, ...] = ()
    """Arrays that the program derives from the motion, which keep their old content, as a note says."""
    root: str = ""
    """Array with the root's rotation vectors, or "" if there is none. The first joint's rotations repeat it or are
    zero."""
    axes: tuple[int, ...] = (Y_UP, Z_UP, Y_DOWN, Z_DOWN)
    """Axes that may be vertical."""
    kind: str = "names"
    """What showed that the file is this program's, for a note."""
    parts: tuple[tuple[str, int], ...] = ()
    """Optional arrays of jaw, eyes and hands, with joint counts, which follow a body of 22 joints."""
    is_about_origin: bool = False
    """True if the root rotates about the origin of the body model, and false if it rotates about the pelvis."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Arrays that all files of the program have."""
        return (*self.rotations, self.translation, *filter(None, [self.root, self.scale]))


_BODY_JOINTS = 22
_OWN_PARTS = (("jaw_pose", 1), ("leye_pose", 1), ("reye_pose", 1), ("left_hand_pose", 15), ("right_hand_pose", 15))
_AMASS_PARTS = (("pose_jaw", 1), ("pose_eye", 2), ("pose_hand", 30))
"""Arrays of jaw, eyes and hands in SMPL-X's names (above) and in AMASS's, with joint counts."""
_HEAD_JOINTS = 3
"""Number of jaw and eye joints, which SMPL+H does not have."""
_MOVING = ("expression", "jaw", "eye", "hand", "face", "obj")
"""Words in the names of arrays with motion other than the body's."""

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
"""Known programs, those with the most specific names first.

The order matters because a file may hold one set of arrays in the world and another in the camera's frame."""


def detect_program(names: Iterable[str]) -> tuple[Tool, list[str]] | None:
    """Detect the program that wrote a file, by its array names.

    Returns:
        The program and the prefixes of the people's arrays, or None for an unknown program.
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
    """A person's arrays and motion, and the mapping between them."""

    prefix: str
    tool: Tool
    """The program, with the optional parts that this person has."""
    arrays: Mapping[str, np.ndarray]
    motion: Motion
    """The motion, y up."""
    file_motion: Motion
    """The motion in the file's world."""
    view: FrameChange
    """Mapping from the file's world to the y-up world."""
    up: UpAxis
    pelvis_m: np.ndarray
    """(3,) rest position of the root in the body model's coordinates, in m."""


def open_parameters(results: Results, reading: Reading, tool: Tool, people: Sequence[str] = ("",)) -> MotionFile:
    """Open one motion per person, y up.

    If the reading names a body model, bones get the lengths of the file's shape in this model. Otherwise the body is
    average.

    Args:
        tool: Program that wrote the file.
        people: Prefixes of the people's arrays.

    Raises:
        InputError: An array has the wrong type, shape or values.
    """
    path = results.path
    if len(people) > _MAX_PEOPLE:
        raise InputError(f"{path}: expected at most {_MAX_PEOPLE} people, got {len(people)}")
    sizes = []
    for prefix, name in product(people, tool.rotations):
        frames, *sides = results.shapes[f"{prefix}{name}"] or (1,)
        if not frames:
            raise InputError(f"{path}: expected at least one frame, got none")
        sizes.append((frames, math.prod(sides) // 3))
    if path.exists():  # arrays in memory are not a file
        check_size(path, sizes)
    fps, assumed = rate_of(path, _find_numbers(results), reading, tool.fps, tool.name, results.others)
    notes = dict.fromkeys(results.notes)
    read = [_person(results, tool, prefix, fps, reading, notes) for prefix in people]
    notes |= dict.fromkeys((f"{tool.kind} of {tool.name}", *assumed))

    def write(target: Path, *motions: Motion) -> None:
        changes: dict[str, np.ndarray] = {}
        for person, motion in zip(read, motions, strict=True):
            changes |= _changes(results, person, motion)
        results.write(target, changes, len(read[0].file_motion))

    return MotionFile(tuple(person.motion for person in read), tuple(notes), write, up=read[0].up)


def _find_numbers(results: Results) -> dict[str, float]:
    """Return the single numbers of a file, including frame rates stored as arrays of one number.

    Raises InputError for a frame rate that is not one number.
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
    """Find a person's optional parts, such as hands.

    Returns the program with these parts, and arrays of zeros for parts that the file lacks. A note names the arrays
    with motion that are not read: parts of other sizes, such as principal components of hands, and motion that a
    skeleton cannot have, such as expressions and objects.
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
    moving = {name: arrays[name] for name in (*tool.rotations, tool.translation, tool.root) if name in arrays}
    filled, notes_on_damage = fill_damaged_frames(moving, rotations=(*tool.rotations, tool.root))
    arrays |= filled
    notes |= dict.fromkeys(notes_on_damage)
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
        notes[f"not updated: {', '.join(derived)}, which {tool.name} derives from the motion"] = None
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
    """Return the pelvis position, (3,) or (T, 3) in m, relative to the body model's translation."""
    return rotate(rotations[:, 0], pelvis_m) if tool.is_about_origin else pelvis_m


def _skeleton(joints: int, body: Body | None) -> tuple[Skeleton, np.ndarray]:
    """Return the skeleton with `joints` joints, and the root's rest position in the body model's coordinates."""
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
    """Return the mapping from the camera's frame to the world, the vertical axis of that world, and notes.

    Without a camera file, the mapping changes nothing.
    """
    if not tool.camera:
        return FrameChanges(), tool.up, ()
    near = [path_below(folder, tool.camera) for folder in (results.path.parent, results.path.parent.parent)]
    file = next(filter(is_there, near), None)
    if file is None:
        return FrameChanges(), tool.up, (
            f"positions are relative to the camera, because {tool.name}'s {tool.camera} is not beside the file: if the "
            "camera moved, the body moves",
        )  # fmt: skip
    name = f"{prefix}frame"
    frame_numbers = results.array(name) if name in results.shapes else np.arange(frames)
    if (
        frame_numbers.shape != (frames,)
        or frame_numbers.dtype.kind not in "iu"
        or (len(frame_numbers) and frame_numbers.min() < 0)
    ):
        raise InputError(
            f"{results.path}: expected {name} to be {frames} frame numbers, "
            f"got {frame_numbers.dtype} {frame_numbers.shape}"
        )
    camera_rotations, shifts_m, up = _camera(file, frame_numbers)
    camera = FrameChanges((TurnedWorld(camera_rotations.as_quat()), ShiftedWorld(shifts_m)))
    return camera, up, (f"placed in the world by {file.name}",)


def _note_gaps(results: Results, prefix: str, count: int) -> tuple[str, ...]:
    """Note the video frames, between a person's first and last, in which the person is not seen."""
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
"""Arrays of rotations and shifts from camera to world, and the vertical axis of that world."""


def _camera(path: Path, frames: np.ndarray) -> tuple[Rotation, np.ndarray, int]:
    """Read a camera file.

    Returns the rotations and shifts (T, 3) from the camera's frame to the world at these video frames, and the vertical
    axis of the world.
    """
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
        raise InputError(f"{path}: expected a camera for frame {int(frames.max())}, got {len(matrices)} frames")
    if not (np.isfinite(shifts_m).all() and (np.linalg.det(matrices) > 0.5).all()):
        raise InputError(
            f"{path}: expected {names[0]} as rotation matrices and {names[1]} as finite positions, got other values"
        )
    return Rotation.from_matrix(matrices[frames]), shifts_m[frames], up


def _rotations(label: str, tool: Tool, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the rotations (T, J, 4) of all joints, as quaternions."""
    parts = [_quaternions(label, name, arrays[name]) for name in tool.rotations]
    if len({len(part) for part in parts}) != 1:
        counts = ", ".join(str(len(part)) for part in parts)
        raise InputError(f"{label}: expected equal frame counts in {' and '.join(tool.rotations)}, got {counts}")
    rotations = np.concatenate(parts, axis=1)
    joint_counts = [*LAYOUTS, len(SOMA_77)]
    if rotations.shape[1] not in joint_counts:
        raise InputError(f"{label}: expected rotations of one of {joint_counts} joints, got {rotations.shape[1]}")
    return rotations


def _merge_root(label: str, tool: Tool, arrays: dict[str, np.ndarray], root: np.ndarray) -> np.ndarray:
    """Return root rotations (T, 4) that the file stores in an array of their own.

    Raises InputError unless the first joint's rotations `root` (T, 4) are the same, or zero in the file.
    """
    array = arrays[tool.root]
    check_real(label, tool.root, array)
    if array.shape != (len(root), 3):
        raise InputError(f"{label}: expected {tool.root} of shape ({len(root)}, 3), got {array.shape}")
    merged = Rotation.from_rotvec(array.astype(float)).as_quat()
    angles_rad = turn_angles(root, merged)
    (name,) = tool.rotations
    if arrays[name][:, :3].any() and angles_rad.max() > SAME_RAD:
        frame = int(angles_rad.argmax())
        raise InputError(f"{label}: {tool.root} and {name} have different root rotations in frame {frame}")
    return merged


def _quaternions(label: str, name: str, array: np.ndarray) -> np.ndarray:
    """Convert rotation vectors or matrices to quaternions (T, J, 4)."""
    check_real(label, name, array)
    frames = len(array)
    if array.shape[-2:] == (3, 3) and array.ndim == 4:
        check_rotations(f"{label}: {name} is not a rotation", array)
        return in_chunks(lambda rows: Rotation.from_matrix(rows.astype(float)).as_quat(), array)
    if array.ndim not in (2, 3) or array.size % (3 * frames):
        raise InputError(f"{label}: expected {name} as rotation vectors or matrices, got shape {array.shape}")
    vectors = array.reshape(frames, -1, 3)
    return in_chunks(lambda rows: Rotation.from_rotvec(rows.astype(float)).as_quat(), vectors)


def _translation(label: str, tool: Tool, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    array = arrays[tool.translation]
    frames = len(arrays[tool.rotations[0]])
    check_real(label, tool.translation, array, FURTHEST_READ_M)
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
    """Return the body of the body model with the file's shape, and notes.

    Without a body model, the body is None and an average person is used.
    """
    if (model := body_model_of(reading)) is None:
        return None, (FileNote("average body, as the file holds no bone lengths", "--body-model"),)
    from selfcorrect.motion.body.body_model import make_body

    shape = arrays.get(tool.shape)
    if shape is not None:
        if not shape.size or shape.dtype.kind not in "fiu" or not np.all(np.abs(shape) <= _MAX_SHAPE):
            raise InputError(
                f"{label}: expected {tool.shape} to be a row of numbers from -{_MAX_SHAPE} to {_MAX_SHAPE}, "
                f"got {shape.dtype} {shape.shape}"
            )
        shape = np.atleast_1d(shape)
        shape = shape.reshape(-1, shape.shape[-1]).mean(axis=0)
    return make_body(model, shape), ()


def _changes(results: Results, person: _Person, changed: Motion) -> dict[str, np.ndarray]:
    """Return the changed arrays of a person whose motion is `changed`.

    Unchanged positions and rotations keep their numbers.
    """
    tool = person.tool
    motion = person.view.restore(changed)
    arrays = dict(person.arrays)
    file_motion = person.file_motion if len(person.file_motion) == len(motion) else None
    scale = _scale(person.prefix, tool, arrays)
    old = arrays[tool.translation]
    positions = scale * (motion.root_m - _find_pelvis_m(tool, person.pelvis_m, motion.rotations))
    written = {tool.translation: positions.reshape(-1, *old.shape[1:])}
    if file_motion is not None:
        before_m = file_motion.root_m - _find_pelvis_m(tool, person.pelvis_m, file_motion.rotations)
        for name in (tool.translation, *(name for name in tool.followers if name in arrays)):
            written[name] = keep_positions(arrays[name], scale * before_m, positions)
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
    """Convert an array to the old number type, unless this type cannot hold the values."""
    can_hold = old.dtype.kind == "f" or np.array_equal(array, array.round())
    return array.astype(old.dtype) if can_hold else array
