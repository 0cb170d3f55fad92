"""Read and write OMOMO's motions as rows of 591 numbers.

Simulators store these rows (T, 591) in PyTorch files, z up, at 30 fps. Sources: Li et al., "Object Motion Guided Human
Motion Synthesis", 2023; this layout is from Xu et al., "InterMimic", CVPR 2025. A row holds the position and
orientation of the root, 51 rotation vectors, 52 joint positions, the object, contacts, and 52 orientations in the
world. The motion is read from the joint positions. On writing, orientations are rotated as the bones are.
"""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.core.errors import InputError
from selfcorrect.motion.geometry.rotations import compose, invert
from selfcorrect.motion.inverse_kinematics import fit_body
from selfcorrect.motion.kinematics import pose_joints
from selfcorrect.storage.pickles.results import Results

from ...files.motion_file import MotionFile, check_size, check_within
from ...files.people.joint_sets import JOINT_SETS, open_joints
from ...files.people.keeping import SAME_RAD
from ...files.skeletons.reading import Reading

_COLUMNS = 591
_ROOT = slice(0, 3)
_ROOT_ROTATION = slice(3, 7)
_VECTORS = slice(9, 162)
_POSITIONS = slice(162, 318)
_ROTATIONS = slice(383, 591)
_JOINTS = next(joints for joints in JOINT_SETS if joints.name == "the simulators' 52")


def open_omomo(results: Results, reading: Reading) -> MotionFile:
    """Open the motion in rows (T, 591)."""
    path = results.path
    (name,) = results.shapes
    rows = results.array(name)
    if rows.dtype.kind != "f" or not len(rows):
        raise InputError(f"{path}: expected rows of {_COLUMNS} floating-point numbers, got {rows.dtype} {rows.shape}")
    check_within(f"{path}:", rows)
    check_size(path, [(len(rows), len(_JOINTS))])
    positions = rows[:, _POSITIONS].reshape(len(rows), -1, 3)

    def write_positions(target: Path, written: np.ndarray) -> None:
        if len(written) != len(rows):
            raise InputError(f"{path}: expected {len(rows)} frames, got {len(written)}")
        changed = rows.copy()
        changed[:, _POSITIONS] = written.reshape(len(rows), -1)
        changed[:, _ROOT] += written[:, 0] - positions[:, 0]
        changes_of_joints = compose(_find_orientations(written), invert(_find_orientations(positions)))
        old = rows[:, _ROTATIONS].reshape(len(rows), -1, 4).astype(float)
        new = compose(changes_of_joints, old)
        changed[:, _ROTATIONS] = new.reshape(len(rows), -1)
        changed[:, _ROOT_ROTATION] = compose(changes_of_joints[:, 0], rows[:, _ROOT_ROTATION].astype(float))
        old_vectors = Rotation.from_rotvec(rows[:, _VECTORS].reshape(-1, 3))
        is_same = (_find_local_rotations(old) * old_vectors.inv()).magnitude() < SAME_RAD
        if is_same.all():
            changed[:, _VECTORS] = _find_local_rotations(new).as_rotvec().reshape(len(rows), -1)
        results.write(target, {name: changed.astype(rows.dtype)}, len(rows))

    return open_joints(path, positions, reading, write_array=write_positions)


def _find_orientations(positions: np.ndarray) -> np.ndarray:
    """Find the joint orientations (T, 52, 4) of a body fitted to joint positions (T, 52, 3)."""
    fitted = fit_body(positions[:, _JOINTS.order].astype(float), _JOINTS.fps, _JOINTS.template)
    orientations = np.empty((*positions.shape[:2], 4))
    orientations[:, _JOINTS.order] = pose_joints(fitted)[1]
    return orientations


def _find_local_rotations(orientations: np.ndarray) -> Rotation:
    """Convert world orientations (T, 52, 4) to local rotations in the parents' frames, 51 per frame."""
    names = [name for name, _ in _JOINTS.joints]
    parents = [names.index(parent) for _, parent in _JOINTS.joints[1:]]
    local = compose(invert(orientations[:, parents]), orientations[:, 1:])
    return Rotation.from_quat(local.reshape(-1, 4))
