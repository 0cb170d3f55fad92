"""AMASS files in both published layouts, in and out."""

from pathlib import Path

import numpy as np
import pytest
from numpy.lib.npyio import NpzFile
from posed_motions import walking
from program_files import save_hy_motion
from scipy.spatial.transform import Rotation

from selfcorrect.datasets.collections.amass import list_amass_clips, recognises_amass
from selfcorrect.datasets.collections.dataset import MissingData, read_all
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.people import amass
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.motion.body.smpl import AVERAGE_PELVIS_M, LAYOUTS, SMPL_H, to_smpl
from selfcorrect.motion.editing.transforms import resample
from selfcorrect.motion.encodings.humanml3d import BONE_AXES
from selfcorrect.motion.kinematics import forward_kinematics, joint_positions, local_rotations
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton, smpl_22


def fields(joints: int, frames: int = 40) -> dict[str, np.ndarray]:
    """What a published file of so many joints holds, the person walking about upright."""
    random = np.random.default_rng(joints)
    poses = np.cumsum(random.normal(0, 0.03, (frames, 3 * joints)), axis=0)
    upright = Rotation.from_euler("x", 90, degrees=True)  # the models' y axis onto the world's z axis
    poses[:, :3] = (Rotation.from_rotvec([0, 0, 0.01] * np.arange(frames)[:, None]) * upright).as_rotvec()
    trans = np.cumsum(random.normal(0, 0.01, (frames, 3)), axis=0) + np.array([0, 0, 0.9])
    common = {"poses": poses, "trans": trans, "betas": random.normal(0, 1, 16), "gender": np.array("female")}
    if joints != 55:
        return common | {"mocap_framerate": np.array(120.0), "dmpls": random.normal(0, 1, (frames, 8))}
    parts = np.split(poses, [3, 66, 69, 75], axis=1)
    names = ("root_orient", "pose_body", "pose_jaw", "pose_eye", "pose_hand")
    rest = {"mocap_frame_rate": np.array(120.0), "mocap_time_length": np.array(frames / 120), "num_betas": np.array(16)}
    return common | dict(zip(names, parts, strict=True)) | rest | {"surface_model_type": np.array("smplx")}


@pytest.fixture(params=[52, 55], ids=["SMPL+H", "SMPL-X"])
def original(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "CMU" / "01" / "01_01_poses.npz"
    path.parent.mkdir(parents=True)
    np.savez(path, **fields(request.param))
    return path


def test_z_up_becomes_y_up(original: Path) -> None:
    motion = open_motion(original).motion
    arrays = np.load(original)
    assert (motion.fps, len(motion), motion.skeleton.names[21]) == (120.0, 40, "right_wrist")
    np.testing.assert_allclose(motion.root_m[:, 1], arrays["trans"][:, 2] + AVERAGE_PELVIS_M[2])
    joints_m = joint_positions(motion)
    up_m = joints_m[0, 12] - joints_m[0, 0]
    assert up_m[1] > 0.95 * np.linalg.norm(up_m)


def test_the_person_turns_about_the_vertical(original: Path) -> None:
    turned = Rotation.from_quat(open_motion(original).motion.rotations[:, 0])
    np.testing.assert_allclose((turned[39] * turned[0].inv()).as_rotvec(), [0, 0.39, 0], atol=1e-9)


def test_a_file_comes_back_as_it_was(original: Path, tmp_path: Path) -> None:
    file = open_motion(original)
    file.write(tmp_path / "again.npz", file.motion)
    before = np.load(original)
    after = np.load(tmp_path / "again.npz")
    assert_same(after, before, atol=1e-9)


def assert_same(file: NpzFile, expected: NpzFile, atol: float) -> None:
    """Two files have the same fields, of the same types and shapes, with the same numbers but for rounding."""
    assert set(file.files) == set(expected.files)
    for name in expected.files:
        assert (file[name].shape, file[name].dtype) == (expected[name].shape, expected[name].dtype)
        if expected[name].dtype.kind == "f":
            np.testing.assert_allclose(file[name], expected[name], atol=atol, err_msg=name)
        else:
            np.testing.assert_array_equal(file[name], expected[name])


def test_other_frames_keep_the_person_and_drop_what_was_per_frame(original: Path, tmp_path: Path) -> None:
    file = open_motion(original)
    motion = resample(file.motion, 30.0)
    file.write(tmp_path / "again.npz", motion)
    after = np.load(tmp_path / "again.npz")
    assert "dmpls" not in after.files
    np.testing.assert_array_equal(after["betas"], np.load(original)["betas"])
    reread = open_motion(tmp_path / "again.npz").motion
    assert (reread.fps, len(reread)) == (30.0, len(motion))
    np.testing.assert_allclose(joint_positions(reread), joint_positions(motion), atol=1e-9)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.name)
def test_motions_of_all_smpl_skeletons_come_back(tmp_path: Path, layout) -> None:
    random = np.random.default_rng(0)
    rotations = Rotation.from_rotvec(random.normal(0, 0.5, (9, len(layout.names), 3))).as_quat()
    motion = Motion(layout.average(), random.normal(0, 1, (9, 3)), rotations, 20.0)
    amass.write_amass(tmp_path / "new.npz", motion)
    reread = open_motion(tmp_path / "new.npz").motion
    assert len(reread.skeleton) == (55 if len(layout.names) == 55 else 52)
    np.testing.assert_allclose(joint_positions(reread)[:, :22], joint_positions(motion)[:, :22], atol=1e-9)


def test_another_skeleton_keeps_its_joint_positions(tmp_path: Path) -> None:
    """Arms that hang at rest need other rotations on SMPL's T-pose."""
    average_m = np.linalg.norm(SMPL_H.average().offsets_m[:22], axis=-1)
    random = np.random.default_rng(0)
    rotations = Rotation.from_rotvec(random.normal(0, 0.3, (9, 22, 3))).as_quat()
    motion = Motion(smpl_22(BONE_AXES * average_m[:, None]), random.normal(0, 1, (9, 3)), rotations, 20.0)
    amass.write_amass(tmp_path / "new.npz", motion)
    written = to_smpl(motion, SMPL_H)
    np.testing.assert_allclose(joint_positions(written)[:, :22], joint_positions(motion), atol=1e-5)
    poses = np.load(tmp_path / "new.npz")["poses"].reshape(9, 52, 3)
    np.testing.assert_allclose(
        Rotation.from_rotvec(poses[:, 1:22]).as_matrix(), Rotation.from_quat(written.rotations[:, 1:22]).as_matrix()
    )


def test_a_folder_gives_its_recordings_and_tells_of_bad_ones(original: Path, tmp_path: Path) -> None:
    np.savez(original.parent / "shape.npz", betas=np.zeros(16))
    np.savez(original.parent / "02_poses.npz", **fields(52) | {"trans": np.zeros((3, 3))})
    (original.parent / "03_poses.npz").write_bytes(b"PK\x03\x04 cut off")
    complaints: list[str] = []
    motions = list(read_all(list_amass_clips(tmp_path), complaints.append))
    assert [motion.source for motion in motions] == [str(original)]
    assert len(complaints) == 2
    assert any("02_poses.npz: expected trans of shape (40, 3), got (3, 3)" in complaint for complaint in complaints)
    assert recognises_amass(tmp_path)
    assert recognises_amass(original)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"poses": np.zeros((4, 150))}, r"expected rotations of one of \[22, 24, 52, 55, 77\] joints, got 50"),
        ({"poses": np.float64(3)}, "expected poses to be real numbers"),
        ({"poses": np.full((40, 156), np.nan)}, "poses is not finite in frame 0"),
        ({"poses": np.full((40, 156), 1e200)}, r"or beyond ±1e\+06"),
        ({"poses": np.full((40, 156), "x")}, "expected poses to be an array of numbers"),
        ({"trans": np.full((40, 3), 1e300)}, r"or beyond ±1e\+12"),
        ({"trans": np.array([{"pickled": 1}])}, "expected trans to be an array of numbers"),
        ({"trans": None}, r"unknown layout: it holds poses .* AMASS \(poses, trans\)"),
        ({"poses": np.zeros((40, 156), complex)}, "expected poses to be real numbers, got complex128"),
        ({"mocap_framerate": np.array([30.0, 60.0])}, r"expected one number as mocap_framerate, got float64 \(2,\)"),
        *(
            ({"mocap_framerate": rate}, "expected a number as mocap_framerate, .*; say it with --fps")
            for rate in (np.array("thirty"), np.array(["30"]), np.array(None), np.array(b"30"))
        ),
        ({"mocap_framerate": None}, "no frame rate, none of fps, mocap_framerate, .*; say it with --fps"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, change: dict, message: str) -> None:
    arrays = {name: array for name, array in (fields(52) | change).items() if array is not None}
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(ValueError, match=rf"bad\.npz: .*{message}"):
        open_motion(tmp_path / "bad.npz")


def test_an_empty_folder_says_where_the_data_are_to_be_had(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"no AMASS files .* registration .* Licence: non-commercial"):
        list_amass_clips(tmp_path)


def test_a_skeleton_without_body_parts_names_them() -> None:
    stick = Skeleton(("hips", "head"), (-1, 0), np.array([[0.0, 0, 0], [0, 1, 0]]), ("pelvis", "head"))
    with pytest.raises(ValueError, match="no joint is recognised as left_hip, left_knee"):
        to_smpl(Motion(stick, np.zeros((1, 3)), np.tile([0.0, 0, 0, 1], (1, 2, 1)), 20.0))


def test_another_pose_at_rest_is_taken_into_account(tmp_path: Path) -> None:
    """Rotations are measured from the T-pose, whatever the skeleton's own rest; its bones may still turn."""
    random = np.random.default_rng(1)
    rest = Rotation.random(22, rng=random)
    parents = [0, *SMPL_H.parents[1:22]]
    offsets_m = rest[parents].inv().apply(SMPL_H.average().offsets_m[:22])
    person = Motion(
        smpl_22(SMPL_H.average().offsets_m[:22]),
        np.zeros((9, 3)),
        Rotation.from_rotvec(random.normal(0, 0.5, (9, 22, 3))).as_quat(),
        20.0,
    )
    _, orientations = forward_kinematics(person.skeleton, person.root_m, person.rotations)
    turned = (Rotation.from_quat(orientations) * Rotation.from_quat(rest.as_quat()[None])).as_quat()
    odd = smpl_22(offsets_m)
    rested = to_smpl(Motion(odd, person.root_m, local_rotations(odd, turned), 20.0))
    np.testing.assert_allclose(joint_positions(rested), joint_positions(person), atol=1e-9)
    np.testing.assert_allclose(rested.skeleton.offsets_m, person.skeleton.offsets_m, atol=1e-5)


@pytest.mark.parametrize("says_rate", [True, False])
@pytest.mark.parametrize("reading", [Reading(), Reading(fps=30.0), Reading(up="y", fps=30.0)])
def test_what_a_file_of_hy_motion_does_not_say_is_noted(tmp_path: Path, says_rate: bool, reading: Reading) -> None:
    save_hy_motion(tmp_path / "a.npz", walking())
    rate = {"mocap_framerate": np.array(30), "num_frames": np.array(90)} if says_rate else {}
    np.savez(tmp_path / "b.npz", **np.load(tmp_path / "a.npz"), **rate)
    file = open_motion(tmp_path / "b.npz", reading)
    assert file.motion.fps == 30.0
    assert ("y up, as of HY-Motion (--up)" in file.notes) == (reading.up is None)
    assert any("fps assumed" in note for note in file.notes) == (not says_rate and reading.fps is None)


def test_an_amass_like_file_with_y_up_is_honoured(tmp_path: Path) -> None:
    """By its option, and where there is none, because it stands along y."""
    written_motion = walking()
    save_hy_motion(tmp_path / "a.npz", written_motion)
    saved = dict(np.load(tmp_path / "a.npz"))
    del saved["Rh"]
    np.savez(tmp_path / "b.npz", **saved)
    with pytest.raises(ValueError, match=r"has no frame rate, .*; say it with --fps"):
        open_motion(tmp_path / "b.npz")
    for reading in (Reading(fps=30.0, up="y"), Reading(fps=30.0)):
        motion = open_motion(tmp_path / "b.npz", reading).motion
        np.testing.assert_allclose(joint_positions(motion)[:, :22], joint_positions(written_motion), atol=1e-4)


def test_frames_in_which_nobody_was_seen_are_named_in_one_note(original: Path) -> None:
    with np.load(original) as archive:
        arrays = dict(archive)

    def gap_notes(**frames: np.ndarray) -> list[str]:
        np.savez(original, **arrays, **frames)
        return [note for note in open_motion(original).notes if "not seen" in note]

    frames = np.arange(40)
    assert gap_notes() == gap_notes(frame_ids=frames) == gap_notes(frame_ids=frames[:9]) == []
    assert gap_notes(frame_ids=np.array(["a"] * 40)) == gap_notes(frame_ids=np.full(40, np.nan)) == []
    frames[17:] += 5
    (note,) = gap_notes(frame_ids=frames)
    assert "17 to 21" in note
    assert "frame_ids" in note
    assert gap_notes(frames=frames) == [note.replace("frame_ids", "frames")]


def test_a_rate_that_the_file_says_is_kept_and_noted(original: Path) -> None:
    file = open_motion(original, Reading(fps=60.0))
    assert file.motion.fps == 120.0
    assert "the file says 120 frames per second, and --fps is for files that do not say" in file.notes


def test_two_roots_that_differ_are_refused(tmp_path: Path) -> None:
    save_hy_motion(tmp_path / "a.npz", walking())
    saved = dict(np.load(tmp_path / "a.npz"))
    np.savez(tmp_path / "b.npz", **saved | {"Rh": saved["Rh"] + 0.5})
    with pytest.raises(ValueError, match=r"b\.npz: Rh and poses turn the root differently in frame \d+"):
        open_motion(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", **saved | {"Rh": saved["Rh"][:3]})
    with pytest.raises(ValueError, match=r"c\.npz: expected Rh of shape \(90, 3\), got \(3, 3\)"):
        open_motion(tmp_path / "c.npz")
