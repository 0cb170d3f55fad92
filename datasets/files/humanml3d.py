"""NumPy files of 22 joints or of HumanML3D's 263 columns, in and out.

Guo et al., "Generating Diverse and Natural 3D Human Motions from Text", CVPR 2022. The numbers themselves are described
in `selfcorrect.motion.encodings.humanml3d`. HumanML3D puts the lowest joint on the floor; a motion's soles stand there,
which are `SOLE_BELOW_TOE_JOINT_M` below the joints of the toes.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from selfcorrect.datasets.files.joint_sets import JOINT_SETS, known, open_joints
from selfcorrect.datasets.files.motion_file import MotionFile, Reading
from selfcorrect.errors import InputError
from selfcorrect.motion.body.flesh import SOLE_BELOW_TOE_JOINT_M
from selfcorrect.motion.body.smpl import SMPL_BODY, body_joints
from selfcorrect.motion.encodings.humanml3d import FPS, TARGET_OFFSETS_M, decode_joints, encode
from selfcorrect.motion.inverse_kinematics import fit_motion, fit_skeleton
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.transforms import resample
from selfcorrect.storage.arrays import read_npy
from selfcorrect.storage.files import replacing

_LARGEST = 1e12
"""Beyond any place, and small enough that nothing that is worked out of it overflows."""

RAISED_M = np.array([0.0, SOLE_BELOW_TOE_JOINT_M, 0.0])


def open_npy(path: Path, reading: Reading) -> MotionFile:
    """The motion of a file of 22 joints or 263 columns, 20 fps without the reading's; of others as in `joint_sets`."""
    array = read_npy(path)
    if array.ndim == 3 and array.shape[-1] == 3 and (other := known(array.shape[1])) is not None:
        return open_joints(path, read_joints(path).astype(array.dtype), other, reading)
    motion = replace(read_motion(path), fps=reading.fps or FPS)

    def write(target: Path, changed: Motion) -> None:
        joints_m = body_joints(changed) - RAISED_M
        values = encode(joints_m) if array.ndim == 2 else joints_m
        np.save(target, values.astype(array.dtype), allow_pickle=False)

    return MotionFile((motion,), (), write)


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
    array = read_npy(path)
    if array.dtype.kind != "f":
        raise InputError(f"{path}: expected floating-point numbers, got {array.dtype}")
    array = array.astype(float)
    _check_numbers(str(path), array)
    if array.ndim == 2 and len(array):
        array = decode_joints(array, last_frame=True)
    if array.ndim != 3 or array.shape[-1] != 3 or not len(array):
        raise InputError(f"{path}: expected rows (frames, 263) or joints (frames, 22, 3), got shape {array.shape}")
    _check_numbers(str(path), array)
    return array


def _check_numbers(source: str, array: np.ndarray) -> None:
    if array.ndim and not (sound := np.abs(array) <= _LARGEST).all():
        frame = int(np.argwhere(~sound)[0][0])
        raise InputError(f"{source}: not finite in frame {frame}, or beyond ±{_LARGEST:g}")


def read_motion(path: Path) -> Motion:
    """The motion in a file of 22 joints or 263 columns, 20 fps, soles on the floor, on a skeleton of its own."""
    joints_m = read_joints(path)
    if joints_m.shape[1] != 22:
        others = ", ".join(f"{one.name}" for one in JOINT_SETS)
        raise InputError(f"{path}: expected 22 joints, or {others}, got {joints_m.shape[1]}")
    return motion_of_joints(joints_m, str(path))


def motion_of_joints(joints_m: np.ndarray, source: str) -> Motion:
    """The motion of joints (T, 22, 3), metres, y up, 20 fps, on a skeleton of its own, soles on the floor."""
    _check_numbers(source, joints_m)
    fitted = fit_motion(joints_m, FPS, fit_skeleton(joints_m, SMPL_BODY.average()))
    return replace(fitted, root_m=fitted.root_m + RAISED_M, source=source)
