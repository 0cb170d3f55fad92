"""HumanAct12, UESTC, KIT-ML and BABEL in small folders of the published layouts."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from selfcorrect.datasets.collections import babel, catalog, humanact12, kit, uestc
from selfcorrect.datasets.collections.amass import AMASS
from selfcorrect.datasets.collections.dataset import MissingData, read_all
from selfcorrect.motion.body.smpl import SMPL_H
from selfcorrect.motion.encodings.humanml3d import RAISED_M
from selfcorrect.motion.geometry.kinematics import forward_kinematics, joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton

TO_CAMERA = Rotation.from_euler("x", 180, degrees=True)  # a camera's y axis points down


def poses(seed: int, frames: int = 12, view: Rotation = TO_CAMERA) -> np.ndarray:
    """(T, 72) pose parameters of a standing person as a camera sees them."""
    random = np.random.default_rng(seed)
    turns = random.normal(0, 0.1, (frames, 24, 3))
    turns[:, 0] = (view * Rotation.from_rotvec(0.3 * turns[:, 0])).as_rotvec()
    return turns.reshape(frames, 72).astype(np.float32)


def stands_on_the_floor(motion: Motion) -> bool:
    joints_m = joint_positions(motion)
    heights_m = joints_m[:, motion.skeleton.names.index("neck"), 1] - joints_m[:, 0, 1]
    return bool(np.all(heights_m > 0.4) and abs(joints_m[..., 1].min() - RAISED_M[1]) < 1e-9)


@pytest.fixture
def humanact12_folder(tmp_path: Path) -> Path:
    roots = [np.cumsum(np.full((12, 24, 3), 0.01), axis=0) for _ in range(3)]
    data = {"poses": [poses(seed) for seed in range(3)], "joints3D": roots, "y": [1, 11, 5], "oldposes": []}
    (tmp_path / humanact12.FILE).write_bytes(pickle.dumps(data))
    return tmp_path


def test_humanact12_gives_upright_labelled_motions(humanact12_folder: Path) -> None:
    motions = list(read_all(humanact12.clips(humanact12_folder, allow_pickle=True)))
    assert [motion.label for motion in motions] == ["walk", "throw", "lift dumbbell"]
    assert all(stands_on_the_floor(motion) for motion in motions)
    assert {motion.fps for motion in motions} == {20.0}
    # Half a turn about x: what went right, down and away goes right, up and towards.
    np.testing.assert_allclose(np.diff(motions[0].root_m, axis=0), np.tile([0.01, -0.01, -0.01], (11, 1)), atol=1e-9)
    expected = (TO_CAMERA * Rotation.from_rotvec(poses(0)[:, :3])).as_matrix()
    np.testing.assert_allclose(Rotation.from_quat(motions[0].rotations[:, 0]).as_matrix(), expected, atol=1e-6)


def test_humanact12_needs_a_word_for_pickle(humanact12_folder: Path) -> None:
    with pytest.raises(ValueError, match=r"humanact12poses\.pkl: is a pickle file"):
        humanact12.clips(humanact12_folder)


def test_a_clip_of_an_unknown_action_is_told_of_and_the_others_go_on(humanact12_folder: Path) -> None:
    data = {"poses": [poses(0), poses(1)], "joints3D": [np.zeros((12, 24, 3))] * 2, "y": [12, 0]}
    (humanact12_folder / humanact12.FILE).write_bytes(pickle.dumps(data))
    complaints: list[str] = []
    motions = list(read_all(humanact12.clips(humanact12_folder, allow_pickle=True), complaints.append))
    assert [motion.label for motion in motions] == ["warm up"]
    assert "clip 0: expected an action from 0 to 11, got 12" in complaints[0]


@pytest.fixture
def uestc_folder(tmp_path: Path) -> Path:
    names = ["a1_d0_p001_c1_color.avi", "a0_d2_p003_c2_color.avi", "a0_d8_p001_c2_color.avi"]
    quarter = Rotation.from_euler("y", 90, degrees=True)  # direction 2 is seen from 90° further round
    views = [TO_CAMERA, quarter * TO_CAMERA, TO_CAMERA]
    data = {
        "pose": [poses(7, view=view) for view in views],
        "joints3d": [np.zeros((12, 49, 3)) for _ in names],
        "orig_cam": [np.stack([np.full(12, 0.5), np.full(12, 0.5), 0.01 * np.arange(12), np.zeros(12)], 1)] * 3,
    }
    (tmp_path / "info").mkdir()
    (tmp_path / uestc.NAMES).write_text("\n".join(names) + "\n")
    (tmp_path / uestc.ACTIONS).write_text("punching\nstretching\n")
    (tmp_path / uestc.POSES).write_bytes(pickle.dumps(data))
    return tmp_path


def test_uestc_turns_all_views_to_the_front_and_leaves_out_the_moving_camera(uestc_folder: Path) -> None:
    front, side = read_all(uestc.clips(uestc_folder, allow_pickle=True))
    assert (front.label, side.label) == ("stretching", "punching")
    assert stands_on_the_floor(front)
    np.testing.assert_allclose(
        joint_positions(front) - front.root_m[:, None], joint_positions(side) - side.root_m[:, None], atol=1e-6
    )
    np.testing.assert_allclose(front.root_m[-1] - front.root_m[0], [0.11, 0, 0], atol=1e-9)


def test_uestc_splits_by_subject(uestc_folder: Path) -> None:
    assert [clip.name for clip in uestc.clips(uestc_folder, "train", allow_pickle=True)] == ["a1_d0_p001_c1_color"]
    assert [clip.name for clip in uestc.clips(uestc_folder, "test", allow_pickle=True)] == ["a0_d2_p003_c2_color"]
    with pytest.raises(ValueError, match="'train' and 'test', got 'val'"):
        uestc.clips(uestc_folder, "val", allow_pickle=True)


def test_uestc_names_a_line_that_is_no_video(uestc_folder: Path) -> None:
    (uestc_folder / uestc.NAMES).write_text("a1_d0_p001_c1_color.avi\nholiday.avi\n")
    with pytest.raises(ValueError, match=r"names\.txt, line 2: expected a name such as .* got 'holiday\.avi'"):
        uestc.clips(uestc_folder, allow_pickle=True)


def kit_joints(first_side: str, frames: int = 20) -> np.ndarray:
    """Joints (T, 21, 3), mm, of a person who stands and sways; the skeleton is written out here on its own."""
    left = 1.0 if first_side == "left" else -1.0
    offsets_m = np.zeros((21, 3))
    offsets_m[[1, 2, 3, 4], 1] = [0.1, 0.3, 0.15, 0.1]
    offsets_m[[5, 8, 11, 16], 0] = np.array([0.2, -0.2, 0.1, -0.1]) * left
    offsets_m[[6, 7, 9, 10], 1] = -0.28
    offsets_m[[12, 13, 17, 18], 1] = -0.4
    offsets_m[[14, 15, 19, 20], 2] = [0.03, 0.12, 0.03, 0.12]
    parents = (-1, 0, 1, 2, 3, 3, 5, 6, 3, 8, 9, 0, 11, 12, 13, 14, 0, 16, 17, 18, 19)
    skeleton = Skeleton(tuple(map(str, range(21))), parents, offsets_m, ("",) * 21)
    turns = Rotation.from_rotvec(np.random.default_rng(0).normal(0, 0.1, (frames, 21, 3))).as_quat()
    return 1000 * forward_kinematics(skeleton, np.tile([0.0, 0.9, 0.0], (frames, 1)), turns)[0]


@pytest.mark.parametrize("first_side", ["left", "right"])
@pytest.mark.parametrize("unit", [1.0, 1000.0])
def test_kit_joints_become_a_motion_in_metres(tmp_path: Path, first_side: str, unit: float) -> None:
    for name in ("new_joints", "texts"):
        (tmp_path / name).mkdir()
    joints_m = kit_joints(first_side) / 1000
    np.save(tmp_path / "new_joints" / "00001.npy", joints_m * unit)
    (tmp_path / "texts" / "00001.txt").write_text("a person sways#a/DET person/NOUN sway/VERB#0.0#0.0\n")
    assert kit.KIT.recognises(tmp_path)
    (motion,) = read_all(kit.clips(tmp_path))
    np.testing.assert_allclose(joint_positions(motion), joints_m + RAISED_M, atol=2e-3)
    assert (motion.text, motion.fps) == ("a person sways", 12.5)
    left_hip, left_foot = motion.skeleton.joint("left_hip"), motion.skeleton.joint("left_foot")
    assert left_hip is not None
    assert left_foot is not None
    assert joints_m[:, left_hip, 0].mean() > 0.05
    assert np.sum(motion.rotations[:, 0, 3] ** 2) / len(motion) > 0.9  # nobody was turned round


@pytest.fixture
def babel_folder(tmp_path: Path) -> Path:
    turns = Rotation.from_rotvec(np.random.default_rng(0).normal(0, 0.1, (90, 52, 3))).as_rotvec().reshape(90, 156)
    for part in ("amass/CMU/01/01_01_poses.npz", "amass/KIT/3/wave_poses.npz"):
        (tmp_path / part).parent.mkdir(parents=True)
        np.savez(tmp_path / part, poses=turns, trans=np.zeros((90, 3)), mocap_framerate=30.0)
    spans = [
        {"raw_label": "walks on", "act_cat": ["walk"], "start_t": 0, "end_t": 1.0},
        {"raw_label": "then turns", "act_cat": ["turn", "walk"], "start_t": 1.0, "end_t": 3.0},
    ]
    whole = [{"raw_label": "wave", "act_cat": None}]
    records = {
        "1": {
            "babel_sid": 1,
            "feat_p": "CMU/CMU/01/01_01_poses.npz",
            "seq_ann": {"labels": whole},
            "frame_ann": {"labels": spans},
        },
        "2": {"babel_sid": 2, "feat_p": "KIT/3/wave_poses.npz", "seq_ann": {"labels": whole}, "frame_ann": None},
        "3": {"babel_sid": 3, "feat_p": "SFU/none_poses.npz", "seq_ann": {"labels": whole}, "frame_ann": None},
    }
    (tmp_path / "train.json").write_text(json.dumps(records))
    extra = {
        "4": {"babel_sid": 4, "feat_p": "KIT/3/wave_poses.npz", "seq_anns": [{"labels": whole}] * 2, "frame_anns": None}
    }
    (tmp_path / "extra_train.json").write_text(json.dumps(extra))
    return tmp_path


def test_babel_cuts_spans_and_keeps_words(babel_folder: Path) -> None:
    complaints: list[str] = []
    motions = list(read_all(babel.clips(babel_folder), complaints.append))
    assert [(motion.label, motion.text, len(motion)) for motion in motions] == [
        ("walk", "walks on", 30),
        ("turn", "then turns", 60),
        ("", "wave", 90),
    ]
    assert motions[0].skeleton.names == SMPL_H.names
    assert len(complaints) == 1
    assert "none_poses.npz" in complaints[0]
    assert babel.BABEL.recognises(babel_folder)


def test_babel_takes_all_annotators_of_the_extra_files(babel_folder: Path) -> None:
    assert [motion.text for motion in read_all(babel.clips(babel_folder, "extra_train"))] == ["wave", "wave"]


def test_folders_are_recognised_by_their_layout(humanact12_folder: Path) -> None:
    assert catalog.recognise(humanact12_folder) is humanact12.HUMANACT12


def test_uestc_is_recognised(uestc_folder: Path) -> None:
    assert catalog.recognise(uestc_folder) is uestc.UESTC


def test_babel_is_not_taken_for_the_amass_in_it(babel_folder: Path) -> None:
    assert catalog.recognise(babel_folder) is babel.BABEL
    assert catalog.recognise(babel_folder / "amass") is AMASS


def test_babel_says_what_is_missing(babel_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"BABEL needs val\.json here\. To be had: after registration"):
        babel.clips(babel_folder, "val")
    alone = tmp_path / "a" / "b"
    alone.mkdir(parents=True)
    (alone / "train.json").write_text("{")
    with pytest.raises(ValueError, match=r"train\.json, line 1: not JSON"):
        babel.clips(alone)
    (alone / "train.json").write_text("{}")
    with pytest.raises(MissingData, match=r"BABEL needs AMASS' SMPL\+H files in .*/amass or"):
        babel.clips(alone)
