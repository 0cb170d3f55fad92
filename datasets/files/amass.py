"""AMASS' files: poses of one body model.

Mahmood et al., "AMASS: Archive of Motion Capture as Surface Shapes", ICCV 2019. A file holds rotation vectors of every
joint (T, 3 J) and translations (T, 3), world z up, metres; 52 joints in the SMPL+H files, 55 in the SMPL-X ones.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.datasets.files.motion_file import MotionFile, Reading, body_model_of
from selfcorrect.errors import InputError
from selfcorrect.motion.body.smpl import LAYOUTS, SMPL_H, SMPL_X, Body, Layout, average_body, to_smpl
from selfcorrect.motion.motion import Motion
from selfcorrect.storage.arrays import read_npz
from selfcorrect.storage.files import replacing
from selfcorrect.storage.limits import open_file

if TYPE_CHECKING:
    from selfcorrect.motion.body.body_model import BodyModel

_MOST = {"poses": 1e6, "trans": 1e12}
"""Beyond any rotation vector (radians) and any place (metres)."""

_RATES = ("mocap_framerate", "mocap_frame_rate", "fps")
_TO_Y_UP = Rotation.from_euler("x", -90, degrees=True)
_PARTS_OF_SMPL_X = {
    "root_orient": slice(0, 3),
    "pose_body": slice(3, 66),
    "pose_jaw": slice(66, 69),
    "pose_eye": slice(69, 75),
    "pose_hand": slice(75, 165),
}


def read(path: Path, body: Body | None = None, fps: float | None = None) -> Motion:
    """The motion in an AMASS file, at its own frame rate, y up, with fingers where the file has them.

    body: whose joints it moves, from `body_in`; an average body without; fps: of a file that does not tell.
    """
    arrays = read_npz(path, ("poses", "trans", *_RATES))
    if missing := [name for name in ("poses", "trans") if name not in arrays]:
        raise InputError(f"{path}: AMASS files have poses and trans, here is no {' and no '.join(missing)}")
    layout, root = _layout(path, arrays["poses"]), (body or average_body()).pelvis_m
    if arrays["trans"].shape != (len(arrays["poses"]), 3):
        raise InputError(f"{path}: expected trans of shape ({len(arrays['poses'])}, 3), got {arrays['trans'].shape}")
    for name, most in _MOST.items():
        if arrays[name].dtype.kind not in "fiu":
            raise InputError(f"{path}: expected {name} to be real numbers, got {arrays[name].dtype}")
        if not (sound := np.abs(arrays[name].astype(float)) <= most).all():
            frame = int(np.argwhere(~sound)[0][0])
            raise InputError(f"{path}: {name} is not finite in frame {frame}, or beyond ±{most:g}")
    rotations = Rotation.from_rotvec(arrays["poses"].astype(float).reshape(-1, len(layout.names), 3)).as_quat()
    rotations[:, 0] = (_TO_Y_UP * Rotation.from_quat(rotations[:, 0])).as_quat()
    skeleton = body.skeleton if body else layout.average()
    return Motion(
        skeleton, _TO_Y_UP.apply(arrays["trans"] + root), rotations, _rate(path, arrays, fps), source=str(path)
    )


def open_amass(path: Path, reading: Reading) -> MotionFile:
    """The motion of an AMASS file on the body that the reading's body model gives it, or an average one."""
    model, notes, body = body_model_of(reading), (), None
    if model is None:
        notes = ("AMASS files hold no bone lengths: an average body stands in",)
    else:
        body = body_in(path, model)

    def put_back(target: Path, changed: Motion) -> None:
        write(target, changed, body, like=path)

    return MotionFile((read(path, body, reading.fps),), notes, put_back, body and body.mass_kg)


def array_names(path: Path) -> set[str]:
    """Names of the arrays in a .npz file, none of a damaged one."""
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except (OSError, ValueError, zipfile.BadZipFile):
        return set()


def body_in(path: Path, model: BodyModel) -> Body:
    """The person of an AMASS file, by the shape coefficients in it."""
    from selfcorrect.motion.body.body_model import body_of

    betas = read_npz(path, ("betas",)).get("betas")
    if betas is not None and (betas.ndim != 1 or betas.dtype.kind not in "fiu" or not np.all(np.abs(betas) <= 100)):
        raise InputError(f"{path}: expected betas to be a row of numbers from -100 to 100, got shape {betas.shape}")
    return body_of(model, betas)


def write(path: Path, motion: Motion, body: Body | None = None, like: Path | None = None) -> None:
    """Write a motion as an AMASS file, world z up; on other skeletons than SMPL's, joint positions are what is kept.

    body: the one it was read with; like: a file whose layout and other fields (shape, gender) are kept, but for those
    per frame where the number of frames has changed. Without it, 55 joints give the SMPL-X layout, others SMPL+H's.
    """
    old = read_npz(like, skip_pickled=True) if like else _new(SMPL_X if len(motion.skeleton) == 55 else SMPL_H)
    motion = to_smpl(motion, _layout(like or path, old["poses"]))
    poses = Rotation.from_quat(motion.rotations).as_rotvec()
    poses[:, 0] = (_TO_Y_UP.inv() * Rotation.from_quat(motion.rotations[:, 0])).as_rotvec()
    trans = _TO_Y_UP.inv().apply(motion.root_m) - (body or average_body()).pelvis_m
    fields = {**_kept(old, len(motion)), **_moving(old, poses.reshape(len(motion), -1), trans, motion.fps)}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **fields)


def _layout(path: Path, poses: np.ndarray) -> Layout:
    widths = [3 * joints for joints in LAYOUTS]
    if poses.ndim != 2 or poses.shape[1] not in widths:
        raise InputError(f"{path}: expected poses (frames, one of {widths}), got shape {poses.shape}")
    return LAYOUTS[poses.shape[1] // 3]


def _rate(path: Path, arrays: Mapping[str, np.ndarray], fps: float | None) -> float:
    for name in _RATES:
        if name in arrays:
            if arrays[name].size != 1 or arrays[name].dtype.kind not in "fiu":
                raise InputError(f"{path}: expected one number as {name}, got {str(arrays[name])[:60]!r}")
            return float(arrays[name].item())
    if fps is None:
        raise InputError(f"{path}: has no frame rate, neither {' nor '.join(_RATES)}")
    return fps


def _new(layout: Layout) -> dict[str, np.ndarray]:
    """Fields of a new file, no frame yet."""
    fields = {"poses": np.zeros((0, 3 * len(layout.names))), "betas": np.zeros(16), "gender": np.array("neutral")}
    if layout is SMPL_H:
        return {**fields, _RATES[0]: np.zeros(())}
    parts = {name: fields["poses"][:, columns] for name, columns in _PARTS_OF_SMPL_X.items()}
    of_x = {_RATES[1]: np.zeros(()), "mocap_time_length": np.zeros(()), "num_betas": np.array(16)}
    return {**fields, **parts, **of_x, "surface_model_type": np.array("smplx")}


def _kept(old: Mapping[str, np.ndarray], frames: int) -> dict[str, np.ndarray]:
    """What stays of a file's fields when it gets other frames."""
    before = len(old["poses"])
    return {name: array for name, array in old.items() if before == frames or array.ndim == 0 or len(array) != before}


def _moving(old: Mapping[str, np.ndarray], poses: np.ndarray, trans: np.ndarray, fps: float) -> dict[str, np.ndarray]:
    """The fields that hold the motion, of the kinds that `old` has."""
    seconds = np.array(len(poses) / fps)
    rate = next((name for name in _RATES if name in old), _RATES[0])
    fields = {"poses": poses, "trans": trans, rate: np.array(fps)}
    fields |= {name: poses[:, columns] for name, columns in _PARTS_OF_SMPL_X.items() if name in old}
    return fields | ({"mocap_time_length": seconds} if "mocap_time_length" in old else {})
