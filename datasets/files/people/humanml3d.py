"""NumPy files of 22 joints or of HumanML3D's 263 columns, in and out.

Guo et al., "Generating Diverse and Natural 3D Human Motions from Text", CVPR 2022. The numbers themselves are described
in `selfcorrect.motion.encodings.humanml3d`. HumanML3D puts the lowest joint on the floor; a motion's soles stand there,
which are `SOLE_BELOW_TOE_JOINT_M` below the joints of the toes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.smpl import SMPL_BODY, body_joints
from selfcorrect.motion.body.surface import SOLE_BELOW_TOE_JOINT_M
from selfcorrect.motion.editing.transforms import resample
from selfcorrect.motion.encodings.humanml3d import FPS, TARGET_OFFSETS_M, decode_contacts, decode_joints, encode
from selfcorrect.motion.geometry.inverse_kinematics import fit_body
from selfcorrect.motion.geometry.views import to_y_up
from selfcorrect.motion.motion import Motion
from selfcorrect.storage.files.arrays import read_npy
from selfcorrect.storage.files.writing import replacing

from ..motion_file import MotionFile
from ..skeletons.reading import Reading
from ..skeletons.vertical import axis_of
from . import motionstreamer
from .joint_sets import JOINT_SETS, fit_notes, known, open_joints

_LARGEST = 1e12
"""Beyond any place, and small enough that nothing that is worked out of it overflows."""

RAISED_M = np.array([0.0, SOLE_BELOW_TOE_JOINT_M, 0.0])


def open_npy(path: Path, reading: Reading) -> MotionFile:
    """The motion of a file of 22 joints or 263 columns, 20 fps without the reading's; of others as in `joint_sets`."""
    array = _floats(path)
    if array.ndim == 3 and array.shape[-1] == 3 and (other := known(array.shape[1])) is not None:
        return open_joints(path, read_joints(path).astype(array.dtype), other, reading)
    if array.ndim == 2 and array.shape[1] == motionstreamer.COLUMNS:
        return motionstreamer.open_rows(path, array, reading)
    if array.ndim == 2 and ((reading.up or "y")[0] == "z" or reading.metres_per_unit not in (None, 1.0)):
        raise InputError(f"{path}: HumanML3D's rows are y up, in metres; leave out --up and --metres-per-unit")
    world = world_of(reading)
    read_m = world.seen(_joints_22(path))
    contacts = _contacts(array) if array.ndim == 2 else None
    motion = motion_of_joints(read_m, str(path))
    motion = replace(motion, fps=reading.fps or FPS, contacts=contacts)

    def write(target: Path, changed: Motion) -> None:
        joints_m = world.back(body_joints(changed) - RAISED_M)
        values = encode(joints_m) if array.ndim == 2 else joints_m
        np.save(target, values.astype(array.dtype), allow_pickle=False)

    return MotionFile((motion,), (*world.notes, *fit_notes([(read_m, body_joints(motion) - RAISED_M)])), write)


def _contacts(rows: np.ndarray) -> np.ndarray:
    """Contacts (T, 2) of T − 1 rows; what the last says holds for the frame to which it leads."""
    labels = decode_contacts(rows.astype(float))
    return np.concatenate([labels, labels[-1:]])


@dataclass(frozen=True)
class JointsWorld:
    """The world of files that hold joints y up, in metres, at 20 fps, unless a reading says otherwise."""

    turn: Rotation
    metres_per_unit: float
    notes: tuple[str, ...]

    def seen(self, joints: np.ndarray) -> np.ndarray:
        """Joints (T, J, 3) of a file, y up, in metres."""
        return self.turn.apply(joints.reshape(-1, 3)).reshape(joints.shape) * self.metres_per_unit if self else joints

    def back(self, joints_m: np.ndarray) -> np.ndarray:
        """Joints (T, J, 3) as the file has them."""
        own = joints_m / self.metres_per_unit
        return self.turn.inv().apply(own.reshape(-1, 3)).reshape(own.shape) if self else joints_m

    def __bool__(self) -> bool:
        return self.metres_per_unit != 1.0 or bool(self.turn.magnitude() > 0)


def world_of(reading: Reading) -> JointsWorld:
    """What a reading says of such files, and notes on what is assumed."""
    notes = () if reading.fps else (f"{FPS:g} fps assumed, as of HumanML3D (--fps)",)
    return JointsWorld(to_y_up(axis_of(reading.up or "y")).turn, reading.metres_per_unit or 1.0, notes)


def write_rows(path: Path, motion: Motion) -> None:
    """Write a motion as rows (T − 1, 263) at 20 fps, with HumanML3D's bone lengths, from the origin facing +z."""
    _save(path, encode(body_joints(resample(motion, FPS)), TARGET_OFFSETS_M))


def write_joints(path: Path, motion: Motion) -> None:
    """Write a motion as joints (T, 22, 3), metres, at 20 fps."""
    _save(path, body_joints(resample(motion, FPS)) - RAISED_M)


def _save(path: Path, array: np.ndarray) -> None:
    with replacing(path) as temporary:
        np.save(temporary, array.astype(np.float32), allow_pickle=False)


def read_joints(path: Path) -> np.ndarray:
    """Joints (T, J, 3) of T − 1 rows (T − 1, 12 J − 1), as in new_joint_vecs, or of joints, as in new_joints."""
    array = _floats(path).astype(float)
    _check_numbers(str(path), array)
    if array.ndim == 2 and len(array) and array.shape[1] > 12 and array.shape[1] % 12 == 11:
        array = decode_joints(array, last_frame=True)
    if array.ndim != 3 or array.shape[-1] != 3 or not len(array):
        raise InputError(
            f"{path}: expected rows (frames, 263) or (frames, 272), or joints (frames, 22, 3), got shape {array.shape}"
        )
    _check_numbers(str(path), array)
    return array


def _floats(path: Path) -> np.ndarray:
    array = read_npy(path)
    if array.dtype.kind != "f":
        raise InputError(f"{path}: expected floating-point numbers, got {array.dtype}")
    return array


def _check_numbers(source: str, array: np.ndarray) -> None:
    if array.ndim and not (sound := np.abs(array) <= _LARGEST).all():
        frame = int(np.argwhere(~sound)[0][0])
        raise InputError(f"{source}: not finite in frame {frame}, or beyond ±{_LARGEST:g}")


def read_motion(path: Path) -> Motion:
    """The motion in a file of 22 joints or 263 columns, 20 fps, soles on the floor, on a skeleton made for it."""
    return motion_of_joints(_joints_22(path), str(path))


def _joints_22(path: Path) -> np.ndarray:
    """Joints (T, 22, 3) of a file; InputError where there are others."""
    joints_m = read_joints(path)
    if joints_m.shape[1] != 22:
        others = ", ".join(f"{one.name}" for one in JOINT_SETS)
        raise InputError(f"{path}: expected 22 joints, or {others}, got {joints_m.shape[1]}")
    return joints_m


def motion_of_joints(joints_m: np.ndarray, source: str) -> Motion:
    """The motion of joints (T, 22, 3), metres, y up, 20 fps, on a skeleton made for it, soles on the floor."""
    _check_numbers(source, joints_m)
    fitted = fit_body(joints_m, FPS, SMPL_BODY.average())
    return replace(fitted, root_m=fitted.root_m + RAISED_M, source=source)
