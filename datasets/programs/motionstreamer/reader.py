"""Read and write MotionStreamer's .npy files, which hold rows of 272 numbers at 30 fps.

Source: Xiao et al., "MotionStreamer", ICCV 2025. A row holds the root's step along x and z (2), the rotation of the
heading (6), and then, with heading and horizontal position removed, 22 joint positions (66), their steps (66) and local
rotations (132). A rotation is given by the first two rows of its matrix. Steps and heading rotations are relative to
the previous frame, and the root's step is seen from its heading. The lowest joint is on the floor, so the skeletons of
these motions have their soles at the height of the toe joints.
"""

from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.smpl import SMPL_BODY, body_joints, to_smpl
from selfcorrect.motion.editing.transforms import raise_motion, resample
from selfcorrect.motion.geometry.rotations import quaternions
from selfcorrect.motion.kinematics import forward_kinematics, joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.views import ShiftedWorld, TurnedWorld
from selfcorrect.storage.files.arrays import write_npy
from selfcorrect.storage.pickles.results import Results

from ...files.motion_file import MotionFile, check_size, check_within, rate_of, refuse_world
from ...files.people.keeping import check_rotations, matrices_of_rows
from ...files.people.posed_bones import motion_of_poses
from ...files.skeletons.reading import Reading
from . import COLUMNS

_FPS = 30.0
_STEP = slice(0, 2)
_HEADING_CHANGE = slice(2, 8)
_POSITIONS = slice(8, 74)
_ROTATIONS = slice(140, 272)


def open_motionstreamer(results: Results, reading: Reading) -> MotionFile:
    """Open the motion in MotionStreamer rows, y up.

    Joint rotations are the file's, and bones get their mean lengths.

    Args:
        results: The file, whose only array is (T, 272).
        reading: Options. The vertical axis and the unit cannot be changed: the format is y up and in metres.

    Raises:
        InputError: The numbers are not MotionStreamer rows.
    """
    path = results.path
    (name,) = results.shapes
    rows = results.array(name)
    refuse_world(path, reading, "MotionStreamer")
    if rows.dtype.kind != "f" or not len(rows):
        raise InputError(f"{path}: expected rows of {COLUMNS} floating-point numbers, got {rows.dtype} {rows.shape}")
    check_within(f"{path}:", rows)
    check_size(path, [(len(rows), len(SMPL_BODY.names))])
    values = rows.astype(float)
    headings = _headings(path, values)
    steps_m = np.insert(values[:, _STEP], 1, 0.0, axis=1)
    previous_headings = np.concatenate([np.eye(3)[None], headings[:-1]])
    path_m = np.cumsum(np.einsum("tji,tj->ti", previous_headings, steps_m), axis=0)
    local = _matrices(path, values[:, _ROTATIONS].reshape(-1, 22, 6))
    local[:, 0] = headings.transpose(0, 2, 1) @ local[:, 0]
    from_root_m = values[:, _POSITIONS].reshape(-1, 22, 3)
    positions_m = from_root_m @ headings + path_m[:, None]
    fps, notes = rate_of(path, {}, reading, _FPS, "MotionStreamer")
    body = SMPL_BODY.average()
    _, world = forward_kinematics(body, positions_m[:, 0], Rotation.from_matrix(local).as_quat())
    orientations = Rotation.from_quat(world).as_matrix()
    file_motion = motion_of_poses(str(path), body, positions_m, orientations, fps, rigid=False)
    motion = replace(file_motion, skeleton=replace(file_motion.skeleton, usual_sole_m=0.0))

    def write(target: Path, changed: Motion) -> None:
        if len(changed) == len(motion):
            differences = rows_of(changed, headings) - rows_of(motion, headings)
            new = values + differences
        else:
            new = rows_of(changed)
        write_npy(target, new.astype(rows.dtype))

    return MotionFile((motion,), ("rows of MotionStreamer", *notes), write)


def _headings(path: Path, rows: np.ndarray) -> np.ndarray:
    """Return the rotations (T, 3, 3) that turn each frame's heading to +z."""
    matrices = _matrices(path, rows[:, None, _HEADING_CHANGE])
    heading_changes = Rotation.from_matrix(matrices[:, 0])
    headings = accumulate(heading_changes, lambda heading, heading_change: heading_change * heading)
    return Rotation.concatenate(list(headings)).as_matrix()


def _matrices(path: Path, values: np.ndarray) -> np.ndarray:
    """Return matrices (T, J, 3, 3) from their first two rows (T, J, 6), made orthonormal."""
    matrices = matrices_of_rows(values)
    check_rotations(f"{path}: six numbers do not form a rotation", matrices)
    return matrices


def rows_of(motion: Motion, headings: np.ndarray | None = None) -> np.ndarray:
    """Encode a motion on SMPL's joints as rows (T, 272), y up.

    Args:
        headings: (T, 3, 3) rotations that turn each frame's heading to +z; by default from the root's yaw.
    """
    smpl_motion = to_smpl(motion)
    joints_m = joint_positions(smpl_motion)
    local = np.asarray(Rotation.from_quat(smpl_motion.rotations).as_matrix())
    if headings is None:
        yaw_rad = np.arctan2(local[:, 0, 0, 2], local[:, 0, 2, 2])
        headings = np.asarray(Rotation.from_euler("y", -yaw_rad[:, None]).as_matrix())
    steps_m = np.diff(joints_m[:, 0], axis=0, prepend=joints_m[:1, 0])
    steps_m[1:] = np.einsum("tij,tj->ti", headings[:-1], steps_m[1:])
    heading_changes = np.concatenate([headings[:1], headings[1:] @ headings[:-1].transpose(0, 2, 1)])
    over_floor_m = joints_m - joints_m[:, :1] * [1.0, 0.0, 1.0]
    positions_m = over_floor_m @ headings.transpose(0, 2, 1)
    local[:, 0] = headings @ local[:, 0]
    moves_m = np.diff(positions_m, axis=0, prepend=positions_m[:1])
    parts = (steps_m[:, [0, 2]], heading_changes[:, :2], positions_m, moves_m, local[:, :, :2])
    return np.concatenate([part.reshape(len(smpl_motion), -1) for part in parts], axis=1)


def write_motionstreamer(path: Path, motion: Motion) -> None:
    """Write a motion as rows (T, 272) at 30 fps.

    The written motion starts at the origin and faces +z.
    """
    motion = resample(motion, _FPS)
    first_frame = to_smpl(motion.frames(0, 1))
    first = Rotation.from_quat(first_frame.rotations[0, 0]).as_matrix()
    yaw_rad = np.arctan2(first[0, 2], first[2, 2])
    lowest_m = body_joints(motion)[..., 1].min()
    centred = ShiftedWorld(motion.root_m[0] * [-1.0, 0.0, -1.0]).view(motion)
    facing = TurnedWorld(quaternions(np.array([0.0, -yaw_rad, 0.0]))).view(centred)
    rows = rows_of(raise_motion(facing, -lowest_m))
    write_npy(path, rows.astype(np.float32))
