"""Joint files of further programs are read and written back.

Files hold joint positions, named bones and parameters.
"""

import pickle
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import smpl_joints_m
from made_rigs import base_walk

import selfcorrect as sc
from selfcorrect.datasets.files.formats import is_motion_file
from selfcorrect.datasets.files.open import motion_files, open_motion, save_motion
from selfcorrect.datasets.files.people.joint_sets import JOINT_SETS
from selfcorrect.motion.body.smpl import SMPL_H, SMPL_X, body_joints, to_smpl

LIFT_M = np.array([0.0, 0.1, 0.0])


def lift(motion: sc.Motion) -> sc.Motion:
    return replace(motion, root_m=motion.root_m + LIFT_M)


@pytest.mark.parametrize("count", [22, 52])
@pytest.mark.parametrize("key", ["global_joint_positions", "joints"])
def test_joint_archives_round_trip(tmp_path: Path, key: str, count: int) -> None:
    joints = next(joints for joints in JOINT_SETS if len(joints) == count and "'" in joints.name)
    motion = to_smpl(base_walk(), SMPL_H)
    places_m = dict(zip(SMPL_H.names, np.moveaxis(sc.joint_positions(motion), 1, 0), strict=True))
    z_up = np.stack([places_m[name] for name, _ in joints.joints], axis=1)[..., [2, 0, 1]].astype(np.float32)
    np.savez(tmp_path / "a.npz", **{key: z_up}, height=1.7)
    file = open_motion(tmp_path / "a.npz")
    assert file.motion.fps == 30
    np.testing.assert_allclose(smpl_joints_m(file.motion)[:, :, 1], body_joints(base_walk())[:, :, 1], atol=5e-3)
    file.write(tmp_path / "b.npz", lift(file.motion))
    written = np.load(tmp_path / "b.npz")
    assert written[key].dtype == np.float32
    assert written["height"] == 1.7
    np.testing.assert_allclose(written[key] - z_up, np.tile([0, 0, 0.1], (*z_up.shape[:2], 1)), atol=6e-3)


def test_gmr_file_has_all_names(tmp_path: Path) -> None:
    save_motion(tmp_path / "a.npz", base_walk(), "gmr")
    arrays = np.load(tmp_path / "a.npz")
    assert {"pose_body", "root_orient", "trans", "betas", "gender", "mocap_frame_rate"} <= set(arrays)
    assert arrays["pose_body"].shape[1] == 63
    joints_m = smpl_joints_m(sc.load_motion(tmp_path / "a.npz"))
    toes = [SMPL_X.names.index(f"{side}_foot") for side in ("left", "right")]
    np.testing.assert_allclose(
        joints_m[:, toes, 1].min(axis=0), body_joints(base_walk())[:, toes, 1].min(axis=0), atol=0.01
    )


@pytest.mark.parametrize(("fps", "written"), [(24, 30), (50, 60), (60, 60), (100, 120)])
def test_gmr_rate_is_kept(fps: float, written: float, tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        save_motion(tmp_path / "a.npz", replace(base_walk(), fps=fps), "gmr")
    motion = sc.load_motion(tmp_path / "a.npz")
    assert motion.fps == pytest.approx(written)
    assert motion.seconds == pytest.approx((len(base_walk()) - 1) / fps, abs=1 / written)
    assert (f"{written:g} fps; GMR" in " ".join(str(warning.message) for warning in caught)) == (fps != written)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (
            "lafan.csv",
            ",".join(["0.1", "0.2", "0.8", "0", "0", "0", "1", *["0.1"] * 29]) + "\n",
            "robot.*Before retargeting",
        ),
        ("seed.csv", "Frame,root_translateX,left_hip_dof\n0,1,2\n", "robot.*Before retargeting"),
        ("take.csv", "Format Version,1.23,Take Name,walk\n\n,Type,Bone\n", "Motive.*export BVH or FBX"),
        ("gait.mot", "Coordinates\nversion=1\n", "OpenSim.*export"),
    ],
)
def test_tables_get_advice(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(sc.InputError, match=words):
        open_motion(tmp_path / name)
    if name.endswith(".csv"):
        assert motion_files(tmp_path) == [tmp_path / name]
        (tmp_path / "index.csv").write_text("name,frames\nwalk,3\n")
        assert not is_motion_file(tmp_path / "index.csv")


def test_robot_files_are_named(tmp_path: Path) -> None:
    robot = {"fps": 30, "root_pos": np.zeros((5, 3)), "root_rot": np.zeros((5, 4)), "dof_pos": np.zeros((5, 29))}
    (tmp_path / "g1.pkl").write_bytes(pickle.dumps(robot))
    assert motion_files(tmp_path) == [tmp_path / "g1.pkl"]
    with pytest.raises(sc.InputError, match=r"robot.*retargeting"):
        open_motion(tmp_path / "g1.pkl")
