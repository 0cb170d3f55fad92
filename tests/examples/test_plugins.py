"""The example package of datasets, in small folders of the published layouts, as if it were installed."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from helpers import install_plugin
from scipy.spatial.transform import Rotation

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.collections import catalog
from selfcorrect.datasets.collections.amass import AMASS
from selfcorrect.datasets.collections.dataset import Dataset, read_all
from selfcorrect.datasets.load import load_motions
from selfcorrect.experiments.cli import main
from selfcorrect.motion.body.smpl import SMPL_H
from selfcorrect.motion.geometry.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import SOLE_BELOW_TOE_JOINT_M

PACKAGE = Path(__file__).resolve().parents[2] / "examples" / "plugins" / "action_datasets"
TO_CAMERA = Rotation.from_euler("x", 180, degrees=True)  # a camera's y axis points down
HUMANACT12_FILE = "humanact12poses.pkl"
UESTC_FILE = "vibe_cache_refined.pkl"


@pytest.fixture(autouse=True)
def installed_plugin(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    install_plugin(PACKAGE, tmp_path_factory.mktemp("site"), monkeypatch)


def dataset(name: str) -> Dataset:
    return catalog.dataset(name)


def poses(seed: int, frames: int = 12, view: Rotation = TO_CAMERA) -> np.ndarray:
    """(T, 72) pose parameters of a standing person as a camera sees them."""
    random = np.random.default_rng(seed)
    turns = random.normal(0, 0.1, (frames, 24, 3))
    turns[:, 0] = (view * Rotation.from_rotvec(0.3 * turns[:, 0])).as_rotvec()
    return turns.reshape(frames, 72).astype(np.float32)


def stands_on_the_floor(motion: Motion) -> bool:
    joints_m = joint_positions(motion)
    heights_m = joints_m[:, motion.skeleton.names.index("neck"), 1] - joints_m[:, 0, 1]
    return bool(np.all(heights_m > 0.4) and abs(joints_m[..., 1].min() - SOLE_BELOW_TOE_JOINT_M) < 1e-9)


@pytest.fixture
def humanact12(tmp_path: Path) -> Path:
    roots = [np.cumsum(np.full((12, 24, 3), 0.01), axis=0) for _ in range(3)]
    table = {"poses": [poses(seed) for seed in range(3)], "joints3D": roots, "y": [1, 11, 5], "oldposes": []}
    (tmp_path / HUMANACT12_FILE).write_bytes(pickle.dumps(table))
    return tmp_path


@pytest.fixture
def uestc(tmp_path: Path) -> Path:
    names = ["a1_d0_p001_c1_color.avi", "a0_d2_p003_c2_color.avi", "a0_d8_p001_c2_color.avi"]
    quarter = Rotation.from_euler("y", 90, degrees=True)  # direction 2 is seen from 90° further round
    views = [TO_CAMERA, quarter * TO_CAMERA, TO_CAMERA]
    table = {
        "pose": [poses(7, view=view) for view in views],
        "joints3d": [np.zeros((12, 49, 3)) for _ in names],
        "orig_cam": [np.stack([np.full(12, 0.5), np.full(12, 0.5), 0.01 * np.arange(12), np.zeros(12)], 1)] * 3,
    }
    (tmp_path / "info").mkdir()
    (tmp_path / "info" / "names.txt").write_text("\n".join(names) + "\n")
    (tmp_path / "info" / "action_classes.txt").write_text("punching\nstretching\n")
    (tmp_path / UESTC_FILE).write_bytes(pickle.dumps(table))
    return tmp_path


@pytest.fixture
def babel(tmp_path: Path) -> Path:
    turns = Rotation.from_rotvec(np.random.default_rng(0).normal(0, 0.1, (90, 52, 3))).as_rotvec().reshape(90, 156)
    for part in ("amass/CMU/01/01_01_poses.npz", "amass/KIT/3/wave_poses.npz"):
        (tmp_path / part).parent.mkdir(parents=True)
        np.savez(tmp_path / part, poses=turns, trans=np.zeros((90, 3)), mocap_framerate=30.0)
    spans = [
        {"raw_label": "walks on", "act_cat": ["walk"], "start_t": 0, "end_t": 1.0},
        {"raw_label": "then turns", "act_cat": ["turn", "walk"], "start_t": 1.0, "end_t": 3.0},
    ]
    segments = [{"raw_label": "wave", "act_cat": None}]
    records = {
        "1": {
            "babel_sid": 1,
            "feat_p": "CMU/CMU/01/01_01_poses.npz",
            "seq_ann": {"labels": segments},
            "frame_ann": {"labels": spans},
        },
        "2": {"babel_sid": 2, "feat_p": "KIT/3/wave_poses.npz", "seq_ann": {"labels": segments}, "frame_ann": None},
        "3": {"babel_sid": 3, "feat_p": "SFU/none_poses.npz", "seq_ann": {"labels": segments}, "frame_ann": None},
        "4": {"babel_sid": 4, "feat_p": "../../outside.npz", "seq_ann": {"labels": segments}, "frame_ann": None},
    }
    (tmp_path / "train.json").write_text(json.dumps(records))
    extra = {
        "4": {
            "babel_sid": 4,
            "feat_p": "KIT/3/wave_poses.npz",
            "seq_anns": [{"labels": segments}] * 2,
            "frame_anns": None,
        }
    }
    (tmp_path / "extra_train.json").write_text(json.dumps(extra))
    return tmp_path


def test_installed_datasets_are_listed_and_their_folders_recognised(
    humanact12: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "list"]) == 0
    listed = capsys.readouterr().out
    assert all(title in listed for title in ("BABEL", "HumanAct12", "UESTC"))
    assert catalog.recognise(humanact12) is dataset("humanact12")


def test_humanact12_gives_upright_labelled_motions(humanact12: Path) -> None:
    motions = list(read_all(dataset("humanact12").clips(humanact12, allow_pickle=True)))
    assert [motion.label for motion in motions] == ["walk", "throw", "lift dumbbell"]
    assert all(stands_on_the_floor(motion) for motion in motions)
    assert {motion.fps for motion in motions} == {20.0}
    # Half a turn about x: what went right, down and away goes right, up and towards.
    np.testing.assert_allclose(np.diff(motions[0].root_m, axis=0), np.tile([0.01, -0.01, -0.01], (11, 1)), atol=1e-9)
    expected = (TO_CAMERA * Rotation.from_rotvec(poses(0)[:, :3])).as_matrix()
    np.testing.assert_allclose(Rotation.from_quat(motions[0].rotations[:, 0]).as_matrix(), expected, atol=1e-6)


def test_humanact12_is_a_pickle_whose_source_must_be_trusted(humanact12: Path) -> None:
    with pytest.raises(InputError, match=r"humanact12poses\.pkl: is a pickle file"):
        load_motions(humanact12)


def test_uestc_turns_all_views_to_the_front_and_leaves_out_the_moving_camera(uestc: Path) -> None:
    assert catalog.recognise(uestc) is dataset("uestc")
    front, side = read_all(dataset("uestc").clips(uestc, allow_pickle=True))
    assert (front.label, side.label) == ("stretching", "punching")
    assert stands_on_the_floor(front)
    np.testing.assert_allclose(
        joint_positions(front) - front.root_m[:, None], joint_positions(side) - side.root_m[:, None], atol=1e-6
    )
    np.testing.assert_allclose(front.root_m[-1] - front.root_m[0], [0.11, 0, 0], atol=1e-9)


def test_uestc_splits_by_subject(uestc: Path) -> None:
    list_clips = dataset("uestc").clips
    assert [clip.name for clip in list_clips(uestc, "train", allow_pickle=True)] == ["a1_d0_p001_c1_color"]
    assert [clip.name for clip in list_clips(uestc, "test", allow_pickle=True)] == ["a0_d2_p003_c2_color"]
    with pytest.raises(ValueError, match="'train' and 'test', got 'val'"):
        list_clips(uestc, "val", allow_pickle=True)


def test_babel_cuts_spans_and_keeps_words(babel: Path) -> None:
    complaints: list[str] = []
    motions = list(read_all(dataset("babel").clips(babel), complaints.append))
    assert [(motion.label, motion.text, len(motion)) for motion in motions] == [
        ("walk", "walks on", 30),
        ("turn", "then turns", 60),
        ("", "wave", 90),
    ]
    assert motions[0].skeleton.names == SMPL_H.names
    assert len(complaints) == 2
    assert "none_poses.npz" in complaints[0]
    assert "expected a path below the folder of AMASS" in complaints[1]


def test_babel_takes_all_annotators_of_the_extra_files(babel: Path) -> None:
    assert [motion.text for motion in read_all(dataset("babel").clips(babel, "extra_train"))] == ["wave", "wave"]


def test_babel_is_not_taken_for_the_amass_in_it(babel: Path) -> None:
    assert catalog.recognise(babel) is dataset("babel")
    assert catalog.recognise(babel / "amass") is AMASS


def test_babel_lists_what_is_missing(babel: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"BABEL needs val\.json here\. Available after registration"):
        dataset("babel").clips(babel, "val")
    alone = tmp_path / "a" / "b"
    alone.mkdir(parents=True)
    (alone / "train.json").write_text("{")
    with pytest.raises(InputError, match=r"train\.json: not JSON"):
        dataset("babel").clips(alone)
    (alone / "train.json").write_text("{}")
    with pytest.raises(InputError, match=r"BABEL needs AMASS' SMPL\+H files in .*/amass or"):
        dataset("babel").clips(alone)
