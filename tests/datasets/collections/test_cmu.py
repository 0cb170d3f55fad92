"""CMU motion on SMPL-22 agrees with an independent reader."""

import csv
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from selfcorrect.datasets.collections.cmu import load_cmu
from selfcorrect.datasets.files.rigs.bvh import read_bvh
from selfcorrect.motion.kinematics import forward_kinematics, joint_positions
from selfcorrect.motion.measures.physical import physical_errors
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.perception.observation import observe
from selfcorrect.motion.skeleton import SMPL_22


@pytest.fixture(scope="module")
def captured_motions(cmu: Path) -> dict[str, Motion]:
    """The test split as captured, by file name."""
    return {Path(motion.source).name: motion for motion in load_cmu(cmu, "test", on_floor=False)}


@pytest.fixture(scope="module")
def test_split(captured_motions: dict[str, Motion]) -> dict[str, Motion]:
    """Return the test split with its floors at 0, which another test compares with `load_cmu`."""
    heights_m = {name: observe(motion).floor_m for name, motion in captured_motions.items()}
    return {
        name: replace(motion, root_m=motion.root_m - np.array([0, heights_m[name], 0]))
        for name, motion in captured_motions.items()
    }


def rows(cmu: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((cmu / "index.csv").open()))


def small_copy(cmu: Path, folder: Path, clips: int = 2) -> Path:
    """Copy the first clips of the test split."""
    copy = folder / "small"
    (copy / "test").mkdir(parents=True)
    shutil.copytree(cmu / "tpose", copy / "tpose")
    lines = (cmu / "index.csv").read_text().splitlines()
    test_lines = [line for line in lines if line.startswith("test/")][:clips]
    (copy / "index.csv").write_text("\n".join([lines[0], *test_lines]) + "\n")
    for line in test_lines:
        shutil.copy(cmu / line.split(",")[0], copy / "test")
    return copy


@pytest.mark.slow
def test_split_and_labels_come_from_index(cmu: Path, test_split):
    expected = {Path(row["file"]).name: row for row in rows(cmu) if row["split"] == "test"}
    assert len(expected) == 45
    assert test_split.keys() == expected.keys()
    for name, motion in test_split.items():
        assert (motion.label, motion.text) == (expected[name]["category"], expected[name]["description"])
        assert (len(motion), motion.fps) == (int(expected[name]["frames"]), 30)
        assert motion.skeleton.parts == SMPL_22


@pytest.mark.parametrize(
    ("name", "unit_m", "exact", "near"),
    [
        ("10_01.bvh", 0.01, {"rShin": "right_knee", "lFoot_end": "left_foot"}, {"lHand": "left_wrist", "head": "head"}),
        ("27_01.bvh", 0.0254 / 0.45, {"LeftHand": "left_wrist", "RightToeBase": "right_foot"}, {"Head": "head"}),
    ],
)
def test_joints_match_the_file(
    cmu: Path, captured_motions, name: str, unit_m: float, exact: dict[str, str], near: dict[str, str]
):
    """Joints are exact up to the files' rounding.

    Spines and necks bend at other positions on SMPL-22.
    """
    clip = read_bvh(cmu / "test" / name, unit_m)
    raw = joint_positions(clip.motion)
    ours = joint_positions(captured_motions[name])
    for joint, part in (exact | near).items():
        expected = raw[:, clip.motion.skeleton.names.index(joint)]
        tolerance_m = 1e-4 if joint in exact else 0.03
        np.testing.assert_allclose(ours[:, SMPL_22.index(part)], expected, atol=tolerance_m, err_msg=part)


def test_rest_pose_is_upright(test_split):
    for name, motion in test_split.items():
        rest, _ = forward_kinematics(motion.skeleton, np.zeros(3), np.tile([0.0, 0, 0, 1], (22, 1)))
        place = dict(zip(SMPL_22, rest, strict=True))
        assert place["head"][1] > 0.4, name
        assert place["left_ankle"][1] < -0.6, name
        assert place["left_wrist"][0] > 0.5 > -0.5 > place["right_wrist"][0], name
        assert abs(place["left_wrist"][1] - place["left_shoulder"][1]) < 0.1, name
        assert place["left_foot"][2] > place["left_ankle"][2] + 0.05, name
        assert abs(place["left_hip"][0] - place["left_knee"][0]) < 0.05, name


def test_walkers_walk_forward(test_split):
    walk = test_split["16_15.bvh"]
    facing = Rotation.from_quat(walk.rotations[:, 0]).apply([0, 0, 1])
    velocity = np.gradient(walk.root_m, axis=0)
    assert np.mean(np.sum(facing * velocity, axis=1) > 0) > 0.95


def test_captured_floor_offset_is_found(captured_motions, test_split):
    assert max(abs(observe(motion).floor_m) for motion in captured_motions.values()) > 0.1
    flat = [motion for name, motion in test_split.items() if not name.startswith("03")]
    errors = [physical_errors(MotionBatch.stack([motion])).mean() for motion in flat]
    assert np.mean([error["penetration_m"] for error in errors]) < 0.01


def test_loaded_clips_stand_on_floor(cmu: Path, tmp_path: Path, captured_motions):
    for motion in load_cmu(small_copy(cmu, tmp_path)):
        assert observe(motion).floor_m == pytest.approx(0, abs=1e-9)
        np.testing.assert_array_equal(motion.rotations, captured_motions[Path(motion.source).name].rotations)


def test_archive_equals_folder(cmu: Path, tmp_path: Path):
    folder = small_copy(cmu, tmp_path)
    with tarfile.open(tmp_path / "set.tar.gz", "w:gz") as archive:
        archive.add(folder, arcname="some-name")
    from_folder = load_cmu(folder)
    from_archive = load_cmu(tmp_path / "set.tar.gz")
    assert len(from_folder) == len(from_archive) == 2
    for from_first, from_second in zip(from_folder, from_archive, strict=True):
        np.testing.assert_array_equal(from_first.rotations, from_second.rotations)
        np.testing.assert_array_equal(from_first.root_m, from_second.root_m)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_damage_is_named(cmu: Path, tmp_path: Path):
    folder = small_copy(cmu, tmp_path)
    with pytest.raises(ValueError, match=r"'valid'.*\['test'\]"):
        load_cmu(folder, "valid")
    edit(folder / "test" / "03_01.bvh", "JOINT lShin", "JOINT shin")
    assert len(load_cmu(folder)) == 2  # the structure of the body shows the knee
    head = "HIERARCHY\nROOT hip\n{\nOFFSET 0 0 0\nCHANNELS 3 Zrotation Xrotation Yrotation\n}\n"
    (folder / "test" / "03_01.bvh").write_text(f"{head}MOTION\nFrames: 1\nFrame Time: 0.0333333\n0 0 0\n")
    with pytest.warns(UserWarning, match=r"03_01\.bvh:.*CMU.*left_hip"):
        assert len(load_cmu(folder)) == 1
    (folder / "test" / "03_01.bvh").unlink()
    with pytest.warns(UserWarning, match=r"test/03_01\.bvh.*CMU"):
        assert len(load_cmu(folder)) == 1
    edit(folder / "index.csv", ",daz,", ",dax,")
    with pytest.raises(ValueError, match=r"index\.csv,.*2:.*\['mb', 'daz'\],.*'dax'"):
        load_cmu(folder)
    edit(folder / "index.csv", "category", "kind")
    with pytest.raises(ValueError, match=r"line 1: .*\['category'\]"):
        load_cmu(folder)


def test_other_archive_raises(tmp_path: Path):
    (tmp_path / "no.tar.gz").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"no\.tar\.gz: .*tar"):
        load_cmu(tmp_path / "no.tar.gz")
    (tmp_path / "text.bvh").write_text("HIERARCHY")
    with tarfile.open(tmp_path / "other.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "text.bvh")
    with pytest.raises(ValueError, match=r"expected index\.csv"):
        load_cmu(tmp_path / "other.tar.gz")
