"""AMASS' files, and files of programs that write like it: poses of a body model.

Mahmood et al., "AMASS: Archive of Motion Capture as Surface Shapes", ICCV 2019. A file holds rotation vectors of every
joint (T, 3 J) and translations (T, 3), world z up, metres; 52 joints in the SMPL+H files, 55 in the SMPL-X files.
HY-Motion's files have the root's rotation once more as `Rh`, y up, 30 frames per second, which older files do not
state.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.smpl import LAYOUTS, SMPL_H, SMPL_X, Body, Layout, average_body, to_smpl
from selfcorrect.motion.geometry.kinematics import in_chunks
from selfcorrect.motion.geometry.views import Y_UP, Z_UP, to_y_up
from selfcorrect.motion.motion import Motion
from selfcorrect.storage.files.arrays import read_npz, write_npz
from selfcorrect.storage.files.limits import open_file

from ..motion_file import (
    AVERAGE_BODY,
    FRAME_NAMES,
    MotionFile,
    body_model_of,
    check_real,
    check_size,
    checked_rate,
    doubt_height,
    note_gaps,
)
from ..skeletons.reading import Reading
from ..skeletons.vertical import UpAxis, up_of_motion
from .average import put_on_average_body
from .keeping import keep_places, keep_rotations

if TYPE_CHECKING:
    from selfcorrect.motion.body.body_model import BodyModel

_MOST = {"poses": 1e6, "trans": 1e12, "Rh": 1e6}
"""Beyond any rotation vector (radians) and any place (metres)."""

_RATES = ("mocap_framerate", "mocap_frame_rate", "fps")
_ROOT = "Rh"
"""Rotation of the root in files of HY-Motion."""
_ROOT_FPS = 30.0
"""Frame rate of files of HY-Motion."""
_SAME_RAD = 1e-3
"""Largest angle between the root's rotation and the rotation in `poses`."""

_PARTS_OF_SMPL_X = {
    "root_orient": slice(0, 3),
    "pose_body": slice(3, 66),
    "pose_jaw": slice(66, 69),
    "pose_eye": slice(69, 75),
    "pose_hand": slice(75, 165),
}


def read(path: Path, body: Body | None = None, reading: Reading | None = None) -> Motion:
    """Read the motion in an AMASS file, at its own frame rate, y up, with fingers if the file has them.

    Args:
        body: Person whose joints move, from `body_in`; None for an average one.
        reading: Options for what the file leaves out.

    Raises:
        InputError: The file is damaged or lacks arrays.
    """
    motion, _, _ = _read(path, body, reading or Reading())
    return motion


def _read(path: Path, body: Body | None, reading: Reading) -> tuple[Motion, UpAxis, tuple[str, ...]]:
    """Return the motion y up, the vertical axis of its file, and notes."""
    arrays = read_npz(path, ("poses", "trans", _ROOT, *_RATES))
    if missing := [name for name in ("poses", "trans") if name not in arrays]:
        raise InputError(f"{path}: AMASS files have poses and trans, here is no {' and no '.join(missing)}")
    layout = _layout(path, arrays["poses"])
    pelvis_m = (body or average_body()).pelvis_m
    frames = len(arrays["poses"])
    for name in ("trans", _ROOT):
        if name in arrays and arrays[name].shape != (frames, 3):
            raise InputError(f"{path}: expected {name} of shape ({frames}, 3), got {arrays[name].shape}")
    for name, most in _MOST.items():
        if name in arrays:
            check_real(str(path), name, arrays[name], most)
    check_size(path, [(frames, len(layout.names))])
    vectors = arrays["poses"].astype(float).reshape(-1, len(layout.names), 3)
    if _ROOT in arrays:
        vectors[:, 0] = _root(path, arrays[_ROOT], vectors[:, 0])
    fps, notes = _rate(path, arrays, reading.fps)
    skeleton = body.skeleton if body else layout.average()
    rotations = in_chunks(lambda rows: Rotation.from_rotvec(rows).as_quat(), vectors)
    motion = Motion(skeleton, arrays["trans"] + pelvis_m, rotations, fps, source=str(path))
    format_axis = Y_UP if _ROOT in arrays else Z_UP
    up = up_of_motion(motion, reading.up, format_axis)
    notes = (*notes, *up.notes)
    if reading.up is None and up.axis == format_axis == Y_UP:
        notes = (*notes, "y up, as of HY-Motion (--up)")
    return to_y_up(up.axis).view(motion), up, notes


def _root(path: Path, root_vectors: np.ndarray, in_poses: np.ndarray) -> np.ndarray:
    """Return the root's rotation vectors (T, 3): those apart, which `poses` repeat or leave zero."""
    root_vectors = root_vectors.astype(float)
    differences = Rotation.from_rotvec(in_poses).inv() * Rotation.from_rotvec(root_vectors)
    angles_rad = differences.magnitude()
    if in_poses.any() and angles_rad.max(initial=0.0) > _SAME_RAD:
        raise InputError(f"{path}: {_ROOT} and poses turn the root differently in frame {int(angles_rad.argmax())}")
    return root_vectors


def open_amass(path: Path, reading: Reading) -> MotionFile:
    """Open the motion of an AMASS file on the body that the reading's body model gives it, or an average one."""
    model = body_model_of(reading)
    notes: tuple[str, ...] = ()
    body = None
    if model is None:
        notes = (f"{AVERAGE_BODY}, as AMASS files hold no bone lengths (--body-model)",)
    else:
        body = body_in(path, model)
    motion, up, axis_notes = _read(path, body, reading)
    if body is None:
        motion = doubt_height(motion, read_npz(path, ("betas",)).get("betas"))
    notes = (*notes, *axis_notes)
    for name, frames in read_npz(path, FRAME_NAMES, skip_pickled=True).items():
        if frames.shape == (len(motion),):
            notes = (*notes, *note_gaps(name, frames))

    def write_back(target: Path, changed: Motion) -> None:
        write_amass(target, changed, body, like=path, up=up.axis)

    return MotionFile((motion,), notes, write_back, up=up)


def array_names(path: Path) -> set[str]:
    """Return names of the arrays in a .npz file, none of a damaged file."""
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as archive:  # noqa: TID251 - of an open file
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except (OSError, ValueError, zipfile.BadZipFile):
        return set()


def body_in(path: Path, model: BodyModel) -> Body:
    """Return the person of an AMASS file, by the shape coefficients in it."""
    from selfcorrect.motion.body.body_model import make_body

    betas = read_npz(path, ("betas",)).get("betas")
    if betas is None:
        return make_body(model, None)
    if betas.ndim == 2 and len(betas) == 1:
        betas = betas[0]
    is_row = betas.ndim == 1 and betas.dtype.kind in "fiu"
    if not is_row or not np.all(np.abs(betas) <= 100):
        raise InputError(f"{path}: expected betas to be a row of numbers from -100 to 100, got shape {betas.shape}")
    return make_body(model, betas)


def write_amass(path: Path, motion: Motion, body: Body | None = None, like: Path | None = None, up: int = Z_UP) -> None:
    """Write a motion as an AMASS file; on other skeletons than SMPL's, joint positions are what is kept.

    Files hold no bone lengths. Without a body, the motion is put on an average body, whose feet stand where they stood.

    Args:
        body: Person with whom it was read; None for an average one.
        like: File whose layout and other fields (shape, gender) are kept, but for those per frame if the number of
            frames has changed. Without it, 55 joints give the SMPL-X layout, others SMPL+H's.
        up: Vertical axis of the file's world.

    Raises:
        InputError: The motion lacks parts that every body has.
    """
    new_layout = SMPL_X if len(motion.skeleton) == 55 else SMPL_H
    old = read_npz(like, skip_pickled=True) if like else _new(new_layout)
    layout = _layout(like or path, old["poses"])
    motion = to_smpl(motion, layout)
    if body is None:
        motion = put_on_average_body(motion, layout)
    motion = to_y_up(up).restore(motion)
    rotations = Rotation.from_quat(motion.rotations.reshape(-1, 4))
    poses = rotations.as_rotvec().reshape(len(motion), -1)
    trans = motion.root_m - (body or average_body()).pelvis_m
    if like and len(old["poses"]) == len(motion):
        vectors = old["poses"].astype(float)
        vectors[:, :3] = old.get(_ROOT, vectors[:, :3])
        old_rotations = Rotation.from_rotvec(vectors.reshape(*motion.rotations.shape[:2], 3))
        poses = keep_rotations(vectors, old_rotations.as_quat(), motion.rotations)
        trans = keep_places(old["trans"], old["trans"].astype(float), trans)
    before = len(old["poses"])
    fields = {}
    for name, array in old.items():  # with another number of frames, other arrays per frame are left out
        if before == len(motion) or array.ndim == 0 or len(array) != before:
            fields[name] = array
    fields |= _moving(old, poses, trans, motion.fps)
    write_npz(path, fields, objects_of=like if before == len(motion) else None)


def _layout(path: Path, poses: np.ndarray) -> Layout:
    widths = [3 * joints for joints in LAYOUTS]
    if poses.ndim != 2 or poses.shape[1] not in widths:
        raise InputError(f"{path}: expected poses (frames, one of {widths}), got shape {poses.shape}")
    return LAYOUTS[poses.shape[1] // 3]


def _rate(path: Path, arrays: Mapping[str, np.ndarray], fps: float | None) -> tuple[float, tuple[str, ...]]:
    """Return frames per second, and a note if they are assumed."""
    for name in _RATES:
        if name not in arrays:
            continue
        rate = arrays[name]
        if rate.size != 1 or rate.dtype.kind not in "fiu":
            raise InputError(f"{path}: expected one number as {name}, got {str(rate)[:60]!r}")
        return checked_rate(path, float(rate.item())), ()
    if fps is None and _ROOT in arrays:
        return _ROOT_FPS, (f"{_ROOT_FPS:g} fps assumed, as of HY-Motion (--fps)",)
    if fps is None:
        raise InputError(f"{path}: has no frame rate, neither {' nor '.join(_RATES)}; say it with --fps")
    return fps, ()


def _new(layout: Layout) -> dict[str, np.ndarray]:
    """Return the fields of a new file, no frame yet."""
    poses = np.zeros((0, 3 * len(layout.names)))
    fields = {"poses": poses, "betas": np.zeros(16), "gender": np.array("neutral")}
    if layout is SMPL_H:
        return {**fields, _RATES[0]: np.zeros(())}
    fields |= {name: poses[:, columns] for name, columns in _PARTS_OF_SMPL_X.items()}
    return {
        **fields,
        _RATES[1]: np.zeros(()),
        "mocap_time_length": np.zeros(()),
        "num_betas": np.array(16),
        "surface_model_type": np.array("smplx"),
    }


def _moving(old: Mapping[str, np.ndarray], poses: np.ndarray, trans: np.ndarray, fps: float) -> dict[str, np.ndarray]:
    """Return the fields that hold the motion, of the kinds that `old` has."""
    fields: dict[str, np.ndarray] = {"poses": poses, "trans": trans}
    rate = next((name for name in _RATES if name in old), None)
    if rate is not None:
        fields[rate] = np.array(fps)
    if _ROOT in old:
        fields[_ROOT] = poses[:, :3]
        if len(old["poses"]) and not old["poses"][:, :3].any():
            fields["poses"] = poses.copy()
            fields["poses"][:, :3] = 0.0
    fields |= {name: poses[:, columns] for name, columns in _PARTS_OF_SMPL_X.items() if name in old}
    if "mocap_time_length" in old:
        fields["mocap_time_length"] = np.array(len(poses) / fps)
    if "num_frames" in old:
        fields["num_frames"] = np.array(len(poses))
    return {name: _like(old.get(name, array), array) for name, array in fields.items()}


def _like(old: np.ndarray, array: np.ndarray) -> np.ndarray:
    """Return an array with the type of number, and for a single number the shape, of an old array."""
    if array.ndim == 0:
        array = array.reshape(old.shape)
    can_keep_type = old.dtype.kind == "f" or np.array_equal(array, array.round())
    return array.astype(old.dtype) if can_keep_type else array
