"""AMASS files in both published layouts, in and out."""

from pathlib import Path

import numpy as np
import pytest
from posed_motions import walking
from program_files import save_amass, save_hy_motion
from scipy.spatial.transform import Rotation

from selfcorrect.datasets.collections.amass import is_amass, list_amass_clips
from selfcorrect.datasets.collections.dataset import MissingData, read_all
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.people import amass
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.motion.body.smpl import LAYOUTS
from selfcorrect.motion.editing.transforms import resample
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion


@pytest.fixture
def original(tmp_path: Path) -> Path:
    path = tmp_path / "CMU" / "01" / "01_01_poses.npz"
    path.parent.mkdir(parents=True)
    save_amass(path, walking())
    return path


def test_resampling_drops_per_frame_arrays(original: Path, tmp_path: Path) -> None:
    file = open_motion(original)
    motion = resample(file.motion, 20.0)
    file.write(tmp_path / "again.npz", motion)
    after = np.load(tmp_path / "again.npz")
    assert "dmpls" not in after.files
    np.testing.assert_array_equal(after["betas"], np.load(original)["betas"])
    reread = open_motion(tmp_path / "again.npz").motion
    assert (reread.fps, len(reread)) == (20.0, len(motion))
    np.testing.assert_allclose(joint_positions(reread), joint_positions(motion), atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.name)
def test_smpl_skeletons_round_trip(tmp_path: Path, layout) -> None:
    random = np.random.default_rng(0)
    rotations = Rotation.from_rotvec(random.normal(0, 0.5, (9, len(layout.names), 3))).as_quat()
    motion = Motion(layout.average(), random.normal(0, 1, (9, 3)), rotations, 20.0)
    amass.write_amass(tmp_path / "new.npz", motion)
    reread = open_motion(tmp_path / "new.npz").motion
    assert len(reread.skeleton) == (55 if len(layout.names) == 55 else 52)
    np.testing.assert_allclose(joint_positions(reread)[:, :22], joint_positions(motion)[:, :22], atol=1e-9)


def test_folder_reports_bad_files(original: Path, tmp_path: Path) -> None:
    np.savez(original.parent / "shape.npz", betas=np.zeros(16))
    np.savez(original.parent / "02_poses.npz", **dict(np.load(original)) | {"trans": np.zeros((3, 3))})
    (original.parent / "03_poses.npz").write_bytes(b"PK\x03\x04 cut off")
    complaints: list[str] = []
    motions = list(read_all(list_amass_clips(tmp_path), complaints.append))
    assert [motion.source for motion in motions] == [str(original)]
    assert len(complaints) == 2
    assert any("02_poses.npz: expected trans of shape (90, 3), got (3, 3)" in complaint for complaint in complaints)
    assert is_amass(tmp_path)
    assert is_amass(original)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"poses": np.zeros((4, 150))}, r"expected rotations of one of \[22, 24, 52, 55, 77\] joints, got 50"),
        ({"poses": np.float64(3)}, "expected poses to be real numbers"),
        ({"poses": np.full((90, 156), np.nan)}, "poses is not finite in frame 0"),
        ({"poses": np.full((90, 156), 1e200)}, r"or beyond ±1e\+06"),
        ({"poses": np.full((90, 156), "x")}, "expected poses to be an array of numbers"),
        ({"trans": np.full((90, 3), 1e300)}, r"or beyond ±1e\+12"),
        ({"trans": np.array([{"pickled": 1}])}, "expected trans to be an array of numbers"),
        ({"trans": None}, r"unknown layout: it holds poses .* AMASS \(poses, trans\)"),
        ({"poses": np.zeros((90, 156), complex)}, "expected poses to be real numbers, got complex128"),
        ({"mocap_framerate": np.array([30.0, 60.0])}, r"expected one number as mocap_framerate, got float64 \(2,\)"),
        *(
            ({"mocap_framerate": rate}, "expected a number as mocap_framerate, .*; pass --fps")
            for rate in (np.array("thirty"), np.array(["30"]), np.array(None), np.array(b"30"))
        ),
        ({"mocap_framerate": None}, r"no frame rate \(one of fps, mocap_framerate, .*; pass --fps"),
    ],
)
def test_other_files_are_refused(original: Path, tmp_path: Path, change: dict, message: str) -> None:
    arrays = {name: array for name, array in {**np.load(original), **change}.items() if array is not None}
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(ValueError, match=rf"bad\.npz: .*{message}"):
        open_motion(tmp_path / "bad.npz")


def test_empty_folder_names_source(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"AMASS.*registration.*non-commercial"):
        list_amass_clips(tmp_path)


@pytest.mark.parametrize("says_rate", [True, False])
@pytest.mark.parametrize("reading", [Reading(), Reading(fps=30.0), Reading(up="y", fps=30.0)])
def test_hy_motion_assumptions_are_noted(tmp_path: Path, says_rate: bool, reading: Reading) -> None:
    save_hy_motion(tmp_path / "a.npz", walking())
    rate = {"mocap_framerate": np.array(30), "num_frames": np.array(90)} if says_rate else {}
    np.savez(tmp_path / "b.npz", **np.load(tmp_path / "a.npz"), **rate)
    file = open_motion(tmp_path / "b.npz", reading)
    assert file.motion.fps == 30.0
    assert ("y up, the convention of HY-Motion (--up)" in file.notes) == (reading.up is None)
    assert any("fps assumed" in note for note in file.notes) == (not says_rate and reading.fps is None)


def test_y_up_is_recognised(tmp_path: Path) -> None:
    """The up axis follows the option, else the body.

    The body stands along y.
    """
    written_motion = walking()
    save_hy_motion(tmp_path / "a.npz", written_motion)
    saved = dict(np.load(tmp_path / "a.npz"))
    del saved["Rh"]
    np.savez(tmp_path / "b.npz", **saved)
    with pytest.raises(ValueError, match=r"--fps"):
        open_motion(tmp_path / "b.npz")
    for reading in (Reading(fps=30.0, up="y"), Reading(fps=30.0)):
        motion = open_motion(tmp_path / "b.npz", reading).motion
        np.testing.assert_allclose(joint_positions(motion)[:, :22], joint_positions(written_motion), atol=1e-4)


def test_stated_rate_is_kept(original: Path) -> None:
    file = open_motion(original, Reading(fps=60.0))
    assert file.motion.fps == 30.0
    assert any(getattr(note, "topic", "") == "rate" for note in file.notes)


def test_contradicting_roots_raise(tmp_path: Path) -> None:
    save_hy_motion(tmp_path / "a.npz", walking())
    saved = dict(np.load(tmp_path / "a.npz"))
    np.savez(tmp_path / "b.npz", **saved | {"Rh": saved["Rh"] + 0.5})
    with pytest.raises(ValueError, match=r"b\.npz: Rh.*\d+"):
        open_motion(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", **saved | {"Rh": saved["Rh"][:3]})
    with pytest.raises(ValueError, match=r"c\.npz:.*Rh.*\(90, 3\),.*\(3, 3\)"):
        open_motion(tmp_path / "c.npz")
