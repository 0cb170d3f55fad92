"""Arrays of any name are read from files with a body; unread ones are named."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.files.motion_file import MotionFile
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.motion.body.smpl import LAYOUTS
from selfcorrect.motion.geometry.rotations import turn_angles
from selfcorrect.motion.motion import Motion

FRAMES = 24
READING = Reading(fps=30.0)
SPLITS = {
    "AMASS": ("trans", {"root_orient": 1, "pose_body": 21, "pose_jaw": 1, "pose_eye": 2, "pose_hand": 30}),
    "SMPL-X": (
        "transl",
        {"global_orient": 1, "body_pose": 21, "jaw_pose": 1, "leye_pose": 1, "reye_pose": 1, "left_hand_pose": 15,
         "right_hand_pose": 15},
    ),
}  # fmt: skip
"""Name of the places and of the rotations, with the joints of each array."""


def random_vectors(joints: int = 55) -> np.ndarray:
    """Return random rotation vectors (T, J, 3).

    A person stands upright in a world whose z axis is up.
    """
    random = np.random.default_rng(joints)
    vectors = random.normal(0, 0.05, (1, joints, 3)) + np.cumsum(random.normal(0, 0.01, (FRAMES, joints, 3)), axis=0)
    vectors[:, 0] = Rotation.from_euler("x", 90, degrees=True).as_rotvec()
    return vectors


def split(vectors: np.ndarray, naming: str) -> dict[str, np.ndarray]:
    """Return the arrays of a file without `poses`."""
    trans, names = SPLITS[naming]
    parts = np.split(vectors, np.cumsum(list(names.values()))[:-1], axis=1)
    arrays = {name: part.reshape(FRAMES, -1) for name, part in zip(names, parts, strict=True)}
    return {**arrays, trans: np.tile([0.0, 0.0, 1.0], (FRAMES, 1)), "betas": np.zeros(16)}


def save(path: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    np.savez(path, **arrays)
    return path


def read(path: Path) -> MotionFile:
    return open_motion(path, READING)


def local_vectors(motion: Motion) -> dict[str, np.ndarray]:
    """Map joints but the root to rotation vectors (T, 3)."""
    vectors = Rotation.from_quat(motion.rotations).as_rotvec()
    return {name: vectors[:, joint] for joint, name in enumerate(motion.skeleton.names) if joint}


@pytest.mark.parametrize("naming", SPLITS)
def test_hands_jaw_and_eyes_are_converted(naming: str, tmp_path: Path) -> None:
    vectors = random_vectors()
    motion = read(save(tmp_path / "a.npz", split(vectors, naming))).motion
    assert motion.skeleton.names == LAYOUTS[55].names
    for joint, values in enumerate(local_vectors(motion).values(), 1):
        np.testing.assert_allclose(values, vectors[:, joint], atol=1e-6)
    save_motion(tmp_path / "b.npz", motion, "amass")
    again = local_vectors(read(tmp_path / "b.npz").motion)
    for name, values in local_vectors(motion).items():
        np.testing.assert_allclose(again[name], values, atol=1e-6, err_msg=name)


@pytest.mark.parametrize(("naming", "name"), [(naming, name) for naming in SPLITS for name in [*SPLITS[naming][1]][2:]])
def test_missing_part_keeps_others(naming: str, name: str, tmp_path: Path) -> None:
    vectors = random_vectors()
    arrays = split(vectors, naming)
    del arrays[name]
    file = read(save(tmp_path / "a.npz", arrays))
    start = sum(list(SPLITS[naming][1].values())[: [*SPLITS[naming][1]].index(name)])
    missing = range(start, start + SPLITS[naming][1][name])
    by_joint = local_vectors(file.motion)
    for joint, joint_name in enumerate(LAYOUTS[55].names):
        if joint and joint_name in by_joint:
            expected = 0 * vectors[:, joint] if joint in missing else vectors[:, joint]
            np.testing.assert_allclose(by_joint[joint_name], expected, atol=1e-6, err_msg=joint_name)
    assert {joint_name for joint, joint_name in enumerate(LAYOUTS[55].names) if joint and joint not in missing} <= {
        *by_joint
    }
    file.write(tmp_path / "b.npz", file.motion)
    written = np.load(tmp_path / "b.npz")
    assert set(written.files) == set(arrays)
    for array in arrays:
        np.testing.assert_allclose(written[array], arrays[array], atol=1e-6, err_msg=array)


def test_hands_alone_give_52_joints(tmp_path: Path) -> None:
    arrays = split(random_vectors(), "AMASS")
    for name in ("pose_jaw", "pose_eye"):
        del arrays[name]
    assert len(read(save(tmp_path / "a.npz", arrays)).motion.skeleton) == 52


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("expression", (10,)),
        ("obj_trans", (3,)),
        ("left_hand_pose", (12,)),
        ("object_poses", (4, 4)),
        ("face_pose", (3,)),
    ],
)
def test_unread_arrays_are_named(name: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    arrays = split(random_vectors(), "SMPL-X") | {name: np.ones((FRAMES, *shape))}
    notes = read(save(tmp_path / "a.npz", arrays)).notes
    assert f"not read: {name}" in notes
    plain = {key: value for key, value in arrays.items() if key != name}
    assert not any(note.startswith("not read") for note in read(save(tmp_path / "b.npz", plain)).notes)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "joints"), [("amass", 52), ("amass", 55), ("kimodo", 22)])
def test_missing_arrays_are_reported(kind: str, joints: int, tmp_path: Path) -> None:
    vectors = random_vectors(joints)
    poses = {"poses": vectors.reshape(FRAMES, -1), "trans": np.tile([0.0, 0.0, 1.0], (FRAMES, 1))}
    save_motion(tmp_path / "complete.npz", read(save(tmp_path / "a.npz", poses)).motion, kind)
    complete = read(tmp_path / "complete.npz")
    arrays = dict(np.load(tmp_path / "complete.npz"))
    for joint, values in enumerate(local_vectors(complete.motion).values(), 1):
        np.testing.assert_allclose(values, vectors[:, joint], atol=1e-4)
    for name in arrays:
        others = {key: array for key, array in arrays.items() if key != name}
        try:
            file = read(save(tmp_path / "partial.npz", others))
        except InputError:
            continue
        is_same = file.motion.skeleton.names == complete.motion.skeleton.names
        if is_same:
            angles_rad = turn_angles(file.motion.rotations, complete.motion.rotations)
            is_same = angles_rad.max() < 1e-4 and np.allclose(file.motion.root_m, complete.motion.root_m, atol=1e-4)
        assert is_same or {*file.notes} - {*complete.notes}, f"{name} is missing, and nothing says so"
