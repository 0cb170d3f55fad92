"""NumPy files of 22 joints or of HumanML3D's 263 columns, and `results.npy` of the Motion Diffusion Model, in and out.

Guo et al., "Generating Diverse and Natural 3D Human Motions from Text", CVPR 2022. The numbers themselves are described
in `selfcorrect.motion.encodings.humanml3d`. HumanML3D puts the lowest joint on the floor; a motion's soles stand there,
which are `SOLE_BELOW_TOE_JOINT_M` below the joints of the toes.

Tevet et al., "Human Motion Diffusion Model", ICLR 2023, and the models that were made from its code. The file is a
pickled dictionary: motion (N, 22, 3, T) joints as in HumanML3D, metres, y up, 20 fps; lengths (N,) frames that count;
text, N prompts; and counts. It is read without unpickling (see `storage.pickles`).
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.smpl import SMPL_BODY, body_joints
from selfcorrect.motion.editing.transforms import resample
from selfcorrect.motion.encodings.humanml3d import (
    FPS,
    RAISED_M,
    TARGET_OFFSETS_M,
    columns,
    decode_contacts,
    decode_joints,
    encode,
)
from selfcorrect.motion.geometry.inverse_kinematics import fit_body
from selfcorrect.motion.geometry.rotations import invert, rotate
from selfcorrect.motion.geometry.views import Y_DOWN, Y_UP, Z_UP, to_y_up
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import SMPL_22, swap_sides
from selfcorrect.storage.files.arrays import read_npy, write_npy
from selfcorrect.storage.pickles.numbers import read_pickled_npy

from ..motion_file import MotionFile, check_size, check_within, rate_of, refuse_world
from ..skeletons.reading import Reading
from ..skeletons.sides import SWAPPED_NOTE, has_swapped_sides
from ..skeletons.vertical import axis_of
from . import motionstreamer, rows
from .joint_sets import JOINT_SETS, find_joint_set, fit_notes, infer_joints_unit, open_joints, up_of_joints

_LARGEST = 1e12
"""Beyond any place, and small enough that nothing that is worked out of it overflows."""
_LEAST_METRE = 0.05
"""Joints of 22 are in metres unless legs are a person's only in smaller units, or in units as many times as large."""


def open_npy(path: Path, reading: Reading) -> MotionFile:
    """Open a file of 22 joints or 263 columns, at 20 fps without the reading's; of other files as in `joint_sets`."""
    array = _floats(path)
    if array.ndim == 3 and array.shape[-1] == 3 and (joint_set := find_joint_set(array.shape[1])) is not None:
        _decode(path, array)
        return open_joints(path, array, joint_set, reading)
    if array.ndim == 2 and array.shape[1] == motionstreamer.COLUMNS:
        return motionstreamer.open_motionstreamer(path, array, reading)
    if array.ndim == 2 and array.shape[1] in rows.ROWS:
        return rows.open_rows(path, array, reading)
    if array.ndim == 2:
        refuse_world(path, reading, "HumanML3D")
        _refuse_standardised(path, array)
    world = world_of(path, reading)
    joints = _decode(path, array)
    if joints.shape[1] != len(SMPL_22):
        others = ", ".join(joint_set.name for joint_set in JOINT_SETS)
        raise InputError(f"{path}: expected 22 joints, or {others}, got {joints.shape[1]}")
    if array.ndim == 3 and not reading.metres_per_unit:
        world = _infer_unit(world, joints)
    if array.ndim == 3 and reading.up is None:
        world = _infer_axis(world, joints)
    read_m = world.from_file(joints)
    contacts = None
    if array.ndim == 2:
        row_contacts = decode_contacts(array.astype(float))
        contacts = np.concatenate([row_contacts, row_contacts[-1:]])  # T − 1 rows lead to T frames
    motion = motion_of_joints(read_m, str(path))
    order = list(range(len(SMPL_22)))
    if array.ndim == 3 and has_swapped_sides(motion):
        order = [SMPL_22.index(swap_sides(part)) for part in SMPL_22]
        read_m = read_m[:, order]
        motion = motion_of_joints(read_m, str(path))
        world = replace(world, notes=(*world.notes, SWAPPED_NOTE))
    motion = replace(motion, fps=world.fps, contacts=contacts)

    def write(target: Path, changed: Motion) -> None:
        joints_m = world.to_file((body_joints(changed) - RAISED_M)[:, order])
        values = encode(joints_m) if array.ndim == 2 else joints_m
        write_npy(target, values.astype(array.dtype))

    fitted_m = body_joints(motion) - RAISED_M
    notes = (*world.notes, *fit_notes([(read_m, fitted_m)]))
    return MotionFile((motion,), notes, write)


_COLUMNS = 263
_UNIT_OFF = 0.25
"""Least median distance from one of the lengths of unit vectors, and least depth below zero of contacts or the root's
height, that show rows not to be HumanML3D's own numbers."""


def _refuse_standardised(path: Path, rows: np.ndarray) -> None:
    """Raise InputError for rows of which each column was centred and scaled: their rotations are no unit vectors."""
    if rows.shape[1] != _COLUMNS or not len(rows):
        return
    groups = columns()
    axes = rows[:, groups["rotations"]].astype(float)
    lengths = np.linalg.norm(axes.reshape(len(rows), -1, 3), axis=-1)
    off = float(np.median(np.abs(lengths - 1.0)))
    lowest = min(rows[:, groups["contacts"]].min(), rows[:, groups["height"]].min())
    if off > _UNIT_OFF and lowest < -_UNIT_OFF:
        raise InputError(
            f"{path}: these rows are standardised (mean 0 and spread 1 in each column); expected HumanML3D's own "
            "numbers: multiply by its Std.npy and add its Mean.npy"
        )


@dataclass(frozen=True)
class JointsWorld:
    """World of files that hold joints y up, in metres, at 20 fps, unless the options name another."""

    turn: np.ndarray
    """Quaternion (4,) to a world with y up."""
    metres_per_unit: float
    fps: float
    notes: tuple[str, ...]

    def from_file(self, joints: np.ndarray) -> np.ndarray:
        """Return joints (T, J, 3) of a file, y up, in metres."""
        if self.is_usual:
            return joints
        return rotate(self.turn, joints) * self.metres_per_unit

    def to_file(self, joints_m: np.ndarray) -> np.ndarray:
        """Return joints (T, J, 3) as the file has them."""
        if self.is_usual:
            return joints_m
        return rotate(invert(self.turn), joints_m / self.metres_per_unit)

    @property
    def is_usual(self) -> bool:
        """True for joints with y up and in metres."""
        return self.metres_per_unit == 1.0 and bool(self.turn[3] == 1.0)


def _infer_unit(world: JointsWorld, joints: np.ndarray) -> JointsWorld:
    """Return the world with the unit of joints (T, 22, 3), if they show another unit than the metre."""
    try:
        unit_m, note = infer_joints_unit(Path(), SMPL_BODY.average(), joints)
    except InputError:  # the legs have no length in any unit
        return world
    if _LEAST_METRE < unit_m < 1 / _LEAST_METRE:
        return world
    return replace(world, metres_per_unit=unit_m, notes=(note, *world.notes))


def _infer_axis(world: JointsWorld, joints: np.ndarray) -> JointsWorld:
    """Return the world with the vertical axis that joints (T, 22, 3) show; y if nothing shows another axis."""
    among = (Y_UP, Z_UP, Y_DOWN)
    try:
        up = up_of_joints(Path(), SMPL_BODY.average(), world.from_file(joints), FPS, None, among, Y_UP)
    except InputError:  # HumanML3D's axis is y
        return world
    return replace(world, turn=to_y_up(up.axis).turn, notes=(*up.notes, *world.notes))


def world_of(path: Path, reading: Reading) -> JointsWorld:
    """Return the world that the options name, with notes on what is assumed."""
    fps, notes = rate_of(path, {}, reading, FPS, "HumanML3D")
    return JointsWorld(to_y_up(axis_of(reading.up or "y")).turn, reading.metres_per_unit or 1.0, fps, notes)


def write_rows(path: Path, motion: Motion) -> None:
    """Write a motion as rows (T − 1, 263) at 20 fps, with HumanML3D's bone lengths, from the origin facing +z."""
    rows = encode(body_joints(resample(motion, FPS)), TARGET_OFFSETS_M)
    write_npy(path, rows.astype(np.float32))


def write_joints(path: Path, motion: Motion) -> None:
    """Write a motion as joints (T, 22, 3), metres, at 20 fps."""
    joints_m = body_joints(resample(motion, FPS)) - RAISED_M
    write_npy(path, joints_m.astype(np.float32))


def read_joints(path: Path) -> np.ndarray:
    """Read joints (T, J, 3): of T − 1 rows (T − 1, 12 J − 1), as in new_joint_vecs, or of joints, as in new_joints."""
    return _decode(path, _floats(path))


def _decode(path: Path, array: np.ndarray) -> np.ndarray:
    """Return the joints (T, J, 3) that `read_joints` reads, of a file's array."""
    array = array.astype(float)
    if array.ndim:
        check_within(f"{path}:", array, _LARGEST)
    if array.ndim == 2 and len(array) and array.shape[1] > 12 and array.shape[1] % 12 == 11:
        array = decode_joints(array, last_frame=True)
    if array.ndim != 3 or array.shape[-1] != 3 or not len(array):
        raise InputError(
            f"{path}: expected rows (frames, 263), (frames, 272), {', '.join(rows.describe_widths())}, or joints "
            f"(frames, 22, 3), got shape {array.shape}"
        )
    check_within(f"{path}:", array, _LARGEST)
    return array


def _floats(path: Path) -> np.ndarray:
    array = read_npy(path)
    if array.dtype.kind != "f":
        raise InputError(f"{path}: expected floating-point numbers, got {array.dtype}")
    return array


def motion_of_joints(joints_m: np.ndarray, source: str) -> Motion:
    """Return the motion of joints (T, 22, 3), metres, y up, 20 fps, on a skeleton made for it, soles on the floor."""
    check_within(f"{source}:", joints_m, _LARGEST)
    fitted = fit_body(joints_m, FPS, SMPL_BODY.average())
    return replace(fitted, root_m=fitted.root_m + RAISED_M, source=source)


def open_mdm(path: Path, reading: Reading) -> MotionFile:
    """Open the motions of a diffusion model's file, their prompts as text; frames beyond their lengths stay."""
    content = _check_mdm(path, read_pickled_npy(path))
    joints = content["motion"]
    lengths = content["lengths"]
    world = world_of(path, reading)
    check_size(path, [(length, joints.shape[1]) for length in lengths.tolist()])
    motions = []
    fits = []
    for index, length in enumerate(lengths.tolist()):
        frames = np.moveaxis(joints[index, :, :, :length], -1, 0)
        joints_m = world.from_file(frames.astype(float))
        motion = motion_of_joints(joints_m, f"{path}, motion {index}")
        motions.append(replace(motion, fps=world.fps, text=_text(content, index)))
        fits.append((joints_m, body_joints(motion) - RAISED_M))

    def write(target: Path, *changed: Motion) -> None:
        written = joints.copy()
        for index, motion in enumerate(changed):
            frames = world.to_file(body_joints(motion) - RAISED_M)
            written[index, :, :, : len(motion)] = np.moveaxis(frames, 0, -1)
        write_npy(target, np.array({**content, "motion": written}, dtype=object))

    return MotionFile(tuple(motions), (*world.notes, *fit_notes(fits)), write)


def _check_mdm(path: Path, content: Any) -> dict[str, Any]:
    """Return the dictionary if its motions and lengths are as they should be, else raise InputError."""
    if not isinstance(content, dict) or not {"motion", "lengths"} <= set(content):
        got = "none"
        if isinstance(content, dict):
            got = f"a dictionary of {', '.join(map(str, content))[:500] or 'nothing'}"
        raise InputError(f"{path}: expected the dictionary of a motion diffusion model (motion, lengths), got {got}")
    motion = np.asarray(content["motion"])
    lengths = np.asarray(content["lengths"])
    if motion.ndim != 4 or motion.shape[1:3] != (22, 3) or motion.dtype.kind != "f" or not motion.size:
        raise InputError(f"{path}: expected motion of shape (N, 22, 3, frames), got {motion.dtype} {motion.shape}")
    if lengths.shape != motion.shape[:1] or lengths.dtype.kind not in "iu":
        raise InputError(f"{path}: expected {len(motion)} lengths, got {lengths.dtype} {lengths.shape}")
    if not (lengths.min() >= 1 and lengths.max() <= motion.shape[3]):
        raise InputError(
            f"{path}: expected lengths from 1 to {motion.shape[3]}, got {lengths.min()} to {lengths.max()}"
        )
    return {**content, "motion": motion, "lengths": lengths}


def _text(content: dict[str, Any], index: int) -> str:
    """Return the prompt of a motion, "" if the file has none for it."""
    texts = content.get("text")
    if isinstance(texts, np.ndarray):
        texts = texts.tolist()
    if not isinstance(texts, list) or len(texts) != len(content["motion"]):
        return ""
    return str(texts[index])


def write_mdm(path: Path, motion: Motion) -> None:
    """Write a motion as a motion diffusion model's `results.npy`, of a single sample."""
    motion = resample(motion, FPS)
    joints_m = np.moveaxis(body_joints(motion) - RAISED_M, 0, -1)
    content = {
        "motion": joints_m[None].astype(np.float32),
        "text": [motion.text or motion.label],
        "lengths": np.array([len(motion)]),
        "num_samples": 1,
        "num_repetitions": 1,
    }
    write_npy(path, np.array(content, dtype=object))
