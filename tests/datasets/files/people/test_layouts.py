"""Layouts of datasets and robot tools: read as the same person, and written back with nothing else changed."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_motions import made_motion
from scipy.spatial.transform import Rotation
from turned_joints import turn_joint

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.people.dictionaries import CHARACTERS
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.motion.body.smpl import AVERAGE_PELVIS_M, body_joints
from selfcorrect.motion.views import Z_UP, to_y_up

WALK = made_motion("walk", 1.0, frames=40)
RANDOM = np.random.default_rng(0)


def make_vectors(joints: int, *, z_up: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return rotation vectors (T, joints, 3) of the walk, and its translations."""
    motion = to_y_up(Z_UP).restore(WALK) if z_up else WALK
    vectors = np.zeros((len(WALK), joints, 3))
    vectors[:, :22] = Rotation.from_quat(motion.rotations.reshape(-1, 4)).as_rotvec().reshape(len(WALK), 22, 3)
    return vectors, motion.root_m - AVERAGE_PELVIS_M


def make_six(vectors: np.ndarray) -> np.ndarray:
    """Return the first two rows of the matrices of rotation vectors (T, J, 3), (T, 6 J)."""
    matrices = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix()
    return matrices[:, :2].reshape(len(vectors), -1)


def write_phc(path: Path) -> None:
    vectors, trans = make_vectors(24, z_up=True)
    content = {
        "pose_aa": vectors.reshape(len(WALK), -1),
        "trans_orig": trans,
        "root_trans_offset": trans + 0.25,
        "pose_quat_global": RANDOM.normal(size=(len(WALK), 24, 4)),
        "beta": np.zeros(10),
        "gender": "neutral",
        "fps": 30,
    }
    path.write_bytes(pickle.dumps({"0-walk": content}))


def write_heirs(path: Path) -> None:
    vectors, trans = make_vectors(24, z_up=True)
    content = {"pose_aa": vectors, "root_trans_offset": trans + AVERAGE_PELVIS_M, "fps": 30}
    path.write_bytes(pickle.dumps({"walk": content}))


def write_aist(path: Path) -> None:
    vectors, trans = make_vectors(24)
    content = {
        "smpl_poses": vectors.reshape(len(WALK), -1),
        "smpl_trans": 93.8 * trans,
        "smpl_scaling": np.array([93.8]),
    }
    path.write_bytes(pickle.dumps(content))


def write_frames(path: Path) -> None:
    vectors, trans = make_vectors(22)
    frames = []
    for row, place in zip(vectors, trans, strict=True):
        person = {"global_orient": row[0], "body_pose": row[1:].ravel(), "transl": place, "betas": np.zeros(10)}
        frames.append({"people": [person], "size": (1080, 1920)})
    path.write_bytes(pickle.dumps(frames))


def write_motion_x(path: Path) -> None:
    vectors, trans = make_vectors(22)
    rows = RANDOM.normal(0, 0.1, (len(WALK), 322))
    rows[:, :66], rows[:, 309:312] = vectors.reshape(len(WALK), -1), trans
    np.save(path, rows.astype(np.float32))


def write_phuma(path: Path) -> None:
    vectors, trans = make_vectors(22)
    np.save(path, np.concatenate([trans, vectors.reshape(len(WALK), -1)], axis=1))


def write_finedance(path: Path) -> None:
    vectors, trans = make_vectors(52)
    np.save(path, np.concatenate([trans, make_six(vectors)], axis=1))


def write_edge(path: Path) -> None:
    vectors, trans = make_vectors(24)
    contacts = RANDOM.integers(0, 2, (len(WALK), 4))
    np.save(path, np.concatenate([contacts, trans, make_six(vectors)], axis=1))


WRITERS: dict[str, Callable[[Path], None]] = {
    "phc.pkl": write_phc,
    "heirs.pkl": write_heirs,
    "aist.pkl": write_aist,
    "frames.p": write_frames,
    "motion-x.npy": write_motion_x,
    "phuma.npy": write_phuma,
    "finedance.npy": write_finedance,
    "edge.npy": write_edge,
}


def load(path: Path) -> dict[str, np.ndarray]:
    """Return all values of a file by the keys that lead there."""
    if path.suffix == ".npy":
        return {"rows": np.load(path)}
    values: dict[str, Any] = {}

    def collect(value: Any, name: str) -> None:
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
        for key, item in items or ():
            collect(item, f"{name}.{key}")
        if items is None:
            values[name] = np.asarray(value)

    collect(pickle.loads(path.read_bytes()), "")
    return values


@pytest.fixture(params=WRITERS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    file = tmp_path / request.param
    WRITERS[request.param](file)
    return file


def test_each_layout_is_read_as_the_same_walk(path: Path) -> None:
    motion = open_motion(path, Reading(fps=30.0)).motion
    np.testing.assert_allclose(body_joints(motion), body_joints(WALK), atol=2e-6)


def test_what_does_not_change_keeps_every_number(path: Path, tmp_path: Path) -> None:
    file = open_motion(path, Reading(fps=30.0))
    target = tmp_path / f"same{path.suffix}"
    file.write(target, *file.motions)
    before, after = load(path), load(target)
    assert before.keys() == after.keys()
    for name, values in before.items():
        assert after[name].dtype == values.dtype, name
        np.testing.assert_array_equal(after[name], values, err_msg=name)


def test_a_changed_motion_comes_back(path: Path, tmp_path: Path) -> None:
    file = open_motion(path, Reading(fps=30.0))
    motion = file.motion
    bent = turn_joint(motion, "left_knee", Rotation.from_rotvec([0.2, 0.0, 0.0]), slice(10, 20), outside=True)
    moved = replace(bent, root_m=motion.root_m + np.array([0.1, 0.2, 0.3]))
    target = tmp_path / f"moved{path.suffix}"
    file.write(target, moved)
    back = open_motion(target, Reading(fps=30.0)).motion
    np.testing.assert_allclose(body_joints(back), body_joints(moved), atol=2e-6)
    before, after = load(path), load(target)
    assert {name: values.shape for name, values in before.items()} == {n: v.shape for n, v in after.items()}
    if path.name == "phc.pkl":
        moves = after[".0-walk.root_trans_offset"] - before[".0-walk.root_trans_offset"]
        np.testing.assert_allclose(moves, after[".0-walk.trans_orig"] - before[".0-walk.trans_orig"], atol=1e-9)
        assert any("pose_quat_global" in note for note in file.notes)


def test_frames_of_two_people_are_two_motions_and_people_by_number_are_no_frames(tmp_path: Path) -> None:
    vectors, trans = make_vectors(24)
    frames = []
    for row, place in zip(vectors, trans, strict=True):
        people = [{"pose": row.ravel(), "trans": place + np.array([shift, 0.0, 0.0])} for shift in (0.0, 2.0)]
        frames.append(people)
    (tmp_path / "frames.pkl").write_bytes(pickle.dumps(frames))
    people = {number: {"pose": vectors.reshape(len(WALK), -1), "trans": trans} for number in range(2)}
    (tmp_path / "people.pkl").write_bytes(pickle.dumps(people))
    for name in ("frames.pkl", "people.pkl"):
        motions = open_motion(tmp_path / name, Reading(fps=30.0)).motions
        assert [len(motion) for motion in motions] == [len(WALK)] * 2


@pytest.mark.parametrize("program", CHARACTERS)
def test_robots_and_characters_are_named(tmp_path: Path, program: str) -> None:
    arrays: dict[str, Any] = {key: np.zeros((9, 7)) for key in CHARACTERS[program]}
    if program == "MimicKit":
        arrays = {"loop_mode": 1, "fps": 30, "frames": np.zeros((9, 34)).tolist()}
    path = tmp_path / "robot.pkl"
    path.write_bytes(pickle.dumps(arrays))
    with pytest.raises(InputError, match=f"as of {program}; correct the human motion before"):
        open_motion(path)


@pytest.mark.parametrize("name", ["a.c3d", "a.trc", "a.vmd", "a.mvn", "a.motion", "a.csv"])
def test_other_kinds_are_named_with_the_way_to_convert_them(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(InputError, match=r"export .*BVH or FBX|before it is retargeted"):
        open_motion(tmp_path / name)


def test_arrays_of_objects_stay_in_the_file_unread(tmp_path: Path) -> None:
    vectors, trans = make_vectors(52, z_up=True)
    labels = np.array([{"LANK": [0.0, 1.0]}, None], dtype=object)
    fields = {"poses": vectors.reshape(len(WALK), -1), "trans": trans, "mocap_framerate": 30.0}
    np.savez(tmp_path / "a.npz", markers_latent_vids=labels, **fields)
    file = open_motion(tmp_path / "a.npz")
    file.write(tmp_path / "b.npz", file.motion)
    with np.load(tmp_path / "b.npz", allow_pickle=True) as archive:
        assert archive["markers_latent_vids"].tolist() == labels.tolist()
    file.write(tmp_path / "c.npz", file.motion.frames(0, 20))
    with np.load(tmp_path / "c.npz", allow_pickle=True) as archive:
        assert "markers_latent_vids" not in archive.files, "they may be per frame, and frames changed"
