"""HumanML3D folders load, small ones and the published clip.

The small one has the published layout.
"""

from pathlib import Path

import numpy as np
import pytest
from humanml3d_files import kit_joints_mm, kit_rows
from made_rigs import base_walk
from scipy.spatial.transform import Rotation

from selfcorrect.datasets.collections import catalog, humanml3d
from selfcorrect.datasets.collections.dataset import MissingData, read_all
from selfcorrect.datasets.files.people.humanml3d import motion_of_joints
from selfcorrect.motion.encodings.humanml3d import BONE_AXES, decode_joints, encode
from selfcorrect.motion.kinematics import forward_kinematics, joint_positions
from selfcorrect.motion.skeleton import smpl_22

CAPTIONS = {
    "000001": "a person waves.#a/DET person/NOUN wave/VERB#0.0#0.0\nsomeone greets#someone/PRON greet/VERB#nan#nan\n",
    "000002": "he walks#he/PRON walk/VERB#0.0#0.0\nhe stops#he/PRON stop/VERB#1.0#2.0\n",
    "M000002": "he walks#he/PRON walk/VERB#0.0#0.0\n",
}


def rows(seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    turns = Rotation.from_rotvec(np.cumsum(random.normal(0, 0.03, (51, 22, 3)), axis=0)).as_quat()
    path_m = np.cumsum(random.normal(0, 0.02, (51, 3)), axis=0)
    return encode(forward_kinematics(smpl_22(BONE_AXES * 0.3), path_m, turns)[0]).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("new_joint_vecs", "new_joints", "texts"):
        (tmp_path / name).mkdir()
    for seed, (name, lines) in enumerate(CAPTIONS.items()):
        np.save(tmp_path / "new_joint_vecs" / f"{name}.npy", rows(seed))
        np.save(
            tmp_path / "new_joints" / f"{name}.npy", decode_joints(rows(seed).astype(float))[:-1].astype(np.float32)
        )
        (tmp_path / "texts" / f"{name}.txt").write_text(lines)
    (tmp_path / "train.txt").write_text("000001\n000002\n")
    (tmp_path / "test.txt").write_text("M000002\n")
    np.save(tmp_path / "Mean.npy", rows(0).mean(0))
    np.save(tmp_path / "Std.npy", rows(0).std(0) + 1)
    return tmp_path


def test_clip_per_captioned_span(folder: Path) -> None:
    motions = list(read_all(humanml3d.list_humanml3d_clips(folder, "train")))
    assert [(motion.text, len(motion)) for motion in motions] == [
        ("a person waves.\nsomeone greets", 51),
        ("he walks", 51),
        ("he stops", 20),
    ]
    joints_m = joint_positions(motions[1])
    np.testing.assert_allclose(joints_m, decode_joints(rows(1).astype(float)), atol=1e-3)
    np.testing.assert_allclose(joint_positions(motions[2]), joints_m[20:40], atol=1e-9)


def test_folder_is_recognised(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert catalog.recognise(folder) is humanml3d.HUMANML3D
    assert catalog.recognise(tmp_path_factory.mktemp("empty")) is None


def test_21_joints_are_kit_ml(tmp_path: Path) -> None:
    for name in ("new_joint_vecs", "texts"):
        (tmp_path / name).mkdir()
    np.save(tmp_path / "new_joint_vecs" / "00001.npy", kit_rows(kit_joints_mm(base_walk(1))).astype(np.float32))
    (tmp_path / "texts" / "00001.txt").write_text("a person walks.#a/DET person/NOUN walk/VERB#0.0#0.0\n")
    assert catalog.recognise(tmp_path) is humanml3d.KIT_ML
    (clip,) = humanml3d.list_kit_clips(tmp_path)
    (motion,) = clip.read()
    assert (motion.text, motion.fps, len(motion)) == ("a person walks.", 12.5, len(base_walk(1)))


def test_rows_and_joints_agree(folder: Path) -> None:
    from_rows = decode_joints(np.load(folder / "new_joint_vecs" / "000001.npy").astype(float))
    np.testing.assert_allclose(from_rows[:-1], np.load(folder / "new_joints" / "000001.npy"), atol=1e-6)


def test_without_split_lists_all_files(folder: Path) -> None:
    assert [clip.name for clip in humanml3d.list_humanml3d_clips(folder)] == ["000001", "000002", "M000002"]


def test_captions_keep_tokens_and_times(folder: Path) -> None:
    caption, part = humanml3d.read_captions(folder / "texts" / "000002.txt")
    assert (caption.span_s, part.span_s) == (None, (1.0, 2.0))
    assert part.tokens == "he/PRON stop/VERB"


def test_published_clip_is_read(shared: Path) -> None:
    rows = np.load(shared / "humanml3d" / "joint_vecs_012314.npy").astype(float)
    motion = motion_of_joints(decode_joints(rows), "012314")
    published_m = np.load(shared / "humanml3d" / "joints_012314.npy")
    assert np.abs(joint_positions(motion)[:-1] - published_m).max() < 1e-4
    assert motion.fps == 20


def test_missing_file_names_source(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"HumanML3D.*GitHub.*Licence: .*AMASS"):
        humanml3d.list_humanml3d_clips(tmp_path)


def test_unknown_split_lists_splits(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"'dev'.*\['test', 'train'\]"):
        humanml3d.list_humanml3d_clips(folder, "dev")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "texts" / "000001.txt").write_text("ok#a/DET#0#0\nno tags\n"), "line 2: expected"),
        (
            lambda folder: (folder / "new_joint_vecs" / "000001.npy").write_bytes(b"junk"),
            r"000001\.npy: not a NumPy file",
        ),
        (lambda folder: np.save(folder / "new_joint_vecs" / "000001.npy", np.full((9, 263), np.nan)), "frame 0"),
        (
            lambda folder: np.save(folder / "new_joint_vecs" / "000001.npy", np.zeros((9, 7))),
            r"000001\.npy: expected rows",
        ),
        (lambda folder: np.save(folder / "new_joint_vecs" / "000001.npy", np.array([{}])), "unknown layout"),
        (lambda folder: (folder / "new_joint_vecs" / "000001.npy").unlink(), "No such file"),
    ],
)
def test_bad_clip_is_skipped(folder: Path, spoil, message: str) -> None:
    spoil(folder)
    complaints: list[str] = []
    motions = list(read_all(humanml3d.list_humanml3d_clips(folder, "train"), complaints.append))
    assert [motion.text for motion in motions] == ["he walks", "he stops"]
    assert len(complaints) == 1
    assert "000001" in complaints[0]
    with pytest.raises((ValueError, OSError), match=message):
        humanml3d.list_humanml3d_clips(folder, "train")[0].read()


def test_caption_beyond_end_raises(folder: Path) -> None:
    (folder / "texts" / "000001.txt").write_text("late#late/ADV#7.0#9.0\n")
    with pytest.raises(ValueError, match=r"2\.50.*\(7\.0, 9\.0\)"):
        humanml3d.list_humanml3d_clips(folder, "train")[0].read()
