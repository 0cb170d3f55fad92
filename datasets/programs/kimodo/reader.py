"""Read and write Kimodo's .npz files of joint poses in the world.

The bones follow from both arrays: the offset of each joint in its parent's frame. On writing, positions and rotations
change only as far as the motion changed. Arrays that Kimodo derives from these are derived again: local rotations, the
smoothed root path, the heading and the foot contacts. A foot joint is in contact while it is slower than 0.15 m/s and
below 0.1 m, as in Kimodo.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.smpl import SMPL_BODY, to_smpl
from selfcorrect.motion.editing.transforms import resample
from selfcorrect.motion.geometry.filters import gaussian_filter1d
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.kinematics import joint_positions, make_continuous, pose_joints
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import SIDES, Skeleton
from selfcorrect.motion.views import Y_UP, to_y_up
from selfcorrect.storage.files.arrays import write_npz
from selfcorrect.storage.pickles.results import Results

from ...files.motion_file import MotionFile, check_size, check_within, rate_of
from ...files.people.keeping import keep_positions
from ...files.people.posed_bones import motion_of_poses
from ...files.people.soma import SOMA_30, SOMA_77
from ...files.skeletons.reading import Reading
from ...files.skeletons.vertical import up_of_motion
from . import POSE_ARRAYS

_FPS = 30.0

_STILL_M_S = 0.15
"""Speed below which a foot joint is in contact if it is also low, in m/s, as in Kimodo."""
_LOW_M = 0.10
"""Height below which a foot joint is in contact if it is also slow, in m, as in Kimodo."""
_SMOOTH_S = 0.25
"""Smoothing time of the root's path, in s."""
BODIES = {len(body): body for body in (SOMA_77, SOMA_30, SMPL_BODY.average())}
"""Kimodo's bodies, by number of joints."""


def open_kimodo(results: Results, reading: Reading) -> MotionFile:
    """Open a Kimodo motion, with bones of their mean length in the file."""
    path = results.path
    positions = results.array(POSE_ARRAYS[0])
    matrices = results.array(POSE_ARRAYS[1])
    body = _find_body(path, positions, matrices)
    results.check_frames(_WRITTEN, len(positions))
    fps, notes = rate_of(path, results.numbers, reading, _FPS, "Kimodo")
    file_motion = motion_of_poses(str(path), body, positions, matrices, fps)
    up = up_of_motion(file_motion, reading.up, Y_UP)
    y_up = to_y_up(up.axis)
    motion = y_up.view(file_motion)
    contacts = _feet(results, len(file_motion))
    motion = replace(motion, rotations=make_continuous(motion.rotations), contacts=contacts)

    def write(target: Path, changed: Motion) -> None:
        old = {name: results.array(name) for name in _WRITTEN if name in results.shapes}
        changed_contacts = _standing(joint_positions(changed), changed)
        arrays = _write_arrays(old, file_motion, y_up.restore(changed), changed_contacts)
        results.write(target, arrays, len(file_motion))

    return MotionFile((motion,), (f"Kimodo joints, {len(body)}", *notes, *up.notes), write, up=up)


def _find_body(path: Path, positions: np.ndarray, matrices: np.ndarray) -> Skeleton:
    if positions.ndim != 3 or positions.shape[2] != 3 or positions.shape[1] not in BODIES or not len(positions):
        robot = "; 34 joints are those of the robot Unitree G1" if positions.shape[1:2] == (34,) else ""
        raise InputError(
            f"{path}: expected posed_joints (frames, one of {sorted(BODIES)}, 3), got {positions.shape}{robot}"
        )
    if matrices.shape != (*positions.shape[:2], 3, 3):
        raise InputError(f"{path}: expected global_rot_mats {(*positions.shape[:2], 3, 3)}, got {matrices.shape}")
    for name, array in zip(POSE_ARRAYS, (positions, matrices), strict=True):
        if array.dtype.kind != "f":
            raise InputError(f"{path}: expected {name} to be floating-point numbers, got {array.dtype}")
        check_within(f"{path}: {name} is", array)
    check_size(path, [positions.shape[:2]])
    return BODIES[positions.shape[1]]


def _feet(results: Results, frames: int) -> np.ndarray | None:
    """Return left and right foot contacts (T, 2) from the labels of heels and toes, or None without valid labels."""
    shape = results.shapes.get("foot_contacts", ())
    if len(shape) != 2 or shape[0] != frames or shape[1] % 2 or not shape[1]:
        return None
    labels = results.array("foot_contacts")
    if labels.dtype.kind == "c":
        return None
    labels = labels.astype(float).reshape(frames, 2, -1).max(axis=2)
    return labels if ((labels >= 0) & (labels <= 1)).all() else None


_WRITTEN = ("posed_joints", "global_rot_mats", "local_rot_mats", "foot_contacts", "smooth_root_pos", "root_positions",
            "global_root_heading")  # fmt: skip


def arrays_of(motion: Motion) -> dict[str, np.ndarray]:
    """Return the arrays that Kimodo writes for a motion, y up."""
    joints_m, orientations = pose_joints(motion)
    smooth_m = motion.root_m.copy()
    level_m = smooth_m[:, [0, 2]]
    smooth_m[:, [0, 2]] = gaussian_filter1d(level_m, _SMOOTH_S * motion.fps, axis=0, mode="nearest")
    hips = [motion.skeleton.parts.index(f"{side}_hip") for side in SIDES]
    across_m = joints_m[:, hips[1]] - joints_m[:, hips[0]]
    heading = np.arctan2(across_m[:, 2], -across_m[:, 0])
    return {
        "posed_joints": joints_m,
        "global_rot_mats": Rotation.from_quat(orientations).as_matrix(),
        "local_rot_mats": Rotation.from_quat(motion.rotations).as_matrix(),
        "foot_contacts": _standing(joints_m, motion),
        "smooth_root_pos": smooth_m,
        "root_positions": motion.root_m,
        "global_root_heading": np.stack([np.cos(heading), np.sin(heading)], axis=1),
    }


def _standing(joints_m: np.ndarray, motion: Motion) -> np.ndarray:
    """Return the contacts (T, 4) of left ankle, left toes, right ankle and right toes.

    A joint is in contact while it is both slow and low.
    """
    feet = ("left_ankle", "left_foot", "right_ankle", "right_foot")
    feet_m = joints_m[:, [motion.skeleton.parts.index(part) for part in feet]]
    steps_m = np.zeros(feet_m.shape[:2])
    if len(feet_m) > 1:
        steps_m[:-1] = norms(np.diff(feet_m, axis=0))
        steps_m[-1] = steps_m[-2]
    return (motion.fps * steps_m < _STILL_M_S) & (feet_m[..., 1] < _LOW_M)


def _write_arrays(
    old: Mapping[str, np.ndarray], before: Motion, after: Motion, contacts: np.ndarray
) -> dict[str, np.ndarray]:
    """Return a file's arrays with the motion `after` instead of `before`, both in the file's world."""
    after_arrays = {**arrays_of(after), "foot_contacts": contacts}
    fitting = [name for name, array in after_arrays.items() if name in old and array.shape[1:] == old[name].shape[1:]]
    new = {name: after_arrays[name] for name in fitting}
    if len(before) == len(after):
        old_arrays = arrays_of(before)
        for name in new.keys() & {"posed_joints", "root_positions", "smooth_root_pos"}:
            new[name] = keep_positions(old[name], old_arrays[name], new[name])
        for name in new.keys() & {"global_rot_mats", "local_rot_mats", "global_root_heading"}:
            inside = (2, 3) if new[name].ndim == 4 else 1
            is_unmoved = np.abs(new[name] - old_arrays[name]).max(axis=inside, keepdims=True) < 1e-8
            new[name] = np.where(is_unmoved, old[name], new[name])
        if "foot_contacts" in new:
            moves_m = np.abs(after_arrays["posed_joints"] - old_arrays["posed_joints"])
            is_moved = moves_m.max(axis=(1, 2)) > 1e-6
            new["foot_contacts"] = np.where(is_moved[:, None], contacts, old["foot_contacts"])
    return {name: array.astype(old[name].dtype) for name, array in new.items()}


def write_kimodo(path: Path, motion: Motion) -> None:
    """Write a motion as Kimodo does, at 30 fps.

    A motion on SOMA's joints keeps them; any other motion is written on the 22 body joints of SMPL-X.
    """
    motion = resample(motion, _FPS)
    if motion.skeleton.names not in (SOMA_77.names, SOMA_30.names):
        motion = to_smpl(motion)
    arrays: dict[str, np.ndarray] = {}
    for name, array in arrays_of(motion).items():
        arrays[name] = array.astype(np.float32)
    arrays["foot_contacts"] = arrays["foot_contacts"] > 0.5
    write_npz(path, arrays)
