"""Files of motion and video programs are read and written."""

import itertools
import pickle
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from made_rigs import base_walk
from posed_motions import walking
from program_files import (
    LAYOUTS,
    PROGRAMS,
    Program,
    load_arrays,
    parts_m,
    reading_of,
    sam3d,
    save_gvhmr,
    save_tram,
    select_joints,
    tensors,
)
from scipy.spatial.transform import Rotation
from turned_joints import shift, turn_joint

import selfcorrect as sc
from selfcorrect.commands.check.check_files import check_files
from selfcorrect.datasets.files.motion_file import MotionFile
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.motion.body.smpl import average_body
from selfcorrect.motion.checks.check import RuleChoice
from selfcorrect.motion.perception.observation import observe

FILES = PROGRAMS | LAYOUTS


@pytest.fixture(scope="module", params=FILES)
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Program, Path, MotionFile]:
    """Return a program, its file of a walk, and the motion that was read."""
    program = FILES[request.param]
    path = tmp_path_factory.mktemp("saved") / program.file
    program.save(path, walking())
    return program, path, open_motion(path, reading_of(program))


def test_motions_are_upright(saved: tuple[Program, Path, MotionFile]) -> None:
    program, _, file = saved
    expected_m = parts_m(select_joints(program.joints, walking()) if program.joints else walking())
    found_m = parts_m(file.motion)
    if program.away:
        expected_m = expected_m - expected_m[0, 0]
        found_m = found_m - found_m[0, 0]
    np.testing.assert_allclose(found_m, expected_m, atol=1e-4)
    assert file.motion.fps == 30.0


def test_unchanged_motion_keeps_numbers(saved: tuple[Program, Path, MotionFile], tmp_path: Path) -> None:
    program, path, file = saved
    file.write(tmp_path / program.file, file.motion)
    before = load_arrays(path)
    after = load_arrays(tmp_path / program.file)
    assert before.keys() == after.keys()
    for key, array in before.items():
        assert (after[key].dtype, after[key].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(after[key], array, err_msg=key)


def test_correction_changes_motion_only(saved: tuple[Program, Path, MotionFile], tmp_path: Path) -> None:
    program, path, file = saved
    out = tmp_path / program.file
    bent = turn_joint(file.motion, "left_knee", Rotation.from_euler("x", 0.2), slice(20, 40))
    changed = shift(bent, np.linspace(0, 0.1, len(bent))[:, None] * [0.0, 1.0, 0.5])
    file.write(out, changed)
    before = load_arrays(path)
    after = load_arrays(out)
    assert before.keys() == after.keys()
    same = {key for key in before if np.array_equal(before[key], after[key])}
    assert all(key.endswith(program.moving) for key in before.keys() - same)
    assert any(not key.endswith(program.moving) for key in same) or program.moving == ("rows",)
    if program.file == "hps_track_0.npy":
        (out.parent / "camera.npy").write_bytes((path.parent / "camera.npy").read_bytes())
    reread = open_motion(out, reading_of(program)).motion
    np.testing.assert_allclose(sc.joint_positions(reread), sc.joint_positions(changed), atol=1e-4)


@pytest.mark.parametrize("name", [name for name, program in PROGRAMS.items() if program.fps])
def test_missing_rate_raises(tmp_path: Path, name: str) -> None:
    program = PROGRAMS[name]
    program.save(tmp_path / program.file, walking())
    with pytest.raises(sc.InputError, match=r"frame rate.*--fps"):
        open_motion(tmp_path / program.file)


@pytest.mark.parametrize("name", ["WHAM", "PromptHMR", "SAM 3D Body"])
def test_each_person_is_a_motion(tmp_path: Path, name: str) -> None:
    program = PROGRAMS[name]
    motion = walking()
    second_person = replace(motion, root_m=motion.root_m + np.array([1.0, 0.0, 0.5]))
    path = tmp_path / program.file
    out = tmp_path / "out" / program.file
    program.save(path, motion, second_person)
    file = open_motion(path, reading_of(program))
    apart_m = parts_m(file.motions[1]) - parts_m(file.motions[0])
    expected_m = np.array([1.0, 0.0, 0.5]) * (1 if apart_m[0, 0, 0] > 0 else -1)
    np.testing.assert_allclose(apart_m, np.broadcast_to(expected_m, apart_m.shape), atol=1e-4)
    second = replace(file.motions[1], root_m=file.motions[1].root_m + np.array([0.0, 0.1, 0.0]))
    file.write(out, file.motions[0], second)
    reread = open_motion(out, reading_of(program))
    np.testing.assert_allclose(parts_m(reread.motions[0]), parts_m(file.motions[0]), atol=1e-5)
    np.testing.assert_allclose(parts_m(reread.motions[1]), parts_m(second), atol=1e-5)


def test_without_camera_track_is_raw(tmp_path: Path) -> None:
    save_tram(tmp_path / "hps_track_0.npy", walking())
    placed = open_motion(tmp_path / "hps_track_0.npy", sc.Reading(fps=30.0))
    assert "placed in the world by camera.npy" in placed.notes
    (tmp_path / "camera.npy").unlink()
    seen = open_motion(tmp_path / "hps_track_0.npy", sc.Reading(fps=30.0))
    assert any("TRAM's camera.npy is not beside the file" in note for note in seen.notes)
    assert np.abs(parts_m(seen.motion) - parts_m(placed.motion)).max() > 0.3


@pytest.mark.parametrize("rate", [1e30, np.inf, np.nan, 0.0, 1e-300])
@pytest.mark.parametrize("name", ["WHAM", "Kimodo, 22", "AMASS"])
def test_impossible_rates_raise(tmp_path: Path, name: str, rate: float) -> None:
    path = tmp_path / PROGRAMS[name].file
    PROGRAMS[name].save(path, walking().frames(0, 6))
    saved = joblib.load(path) if path.suffix == ".pkl" else dict(np.load(path))
    saved["fps" if name != "AMASS" else "mocap_framerate"] = rate
    joblib.dump(saved, path) if path.suffix == ".pkl" else np.savez(path, **saved)
    with pytest.raises(sc.InputError, match=r"0\.01.*100000"):
        open_motion(path)


@pytest.mark.parametrize("damage", ["text", None, [[0.0] * 72] * 6, np.float64(3)])
@pytest.mark.parametrize("key", ["pose_world", "trans_world"])
def test_camera_view_does_not_replace_damage(tmp_path: Path, key: str, damage: object) -> None:
    path = tmp_path / PROGRAMS["WHAM"].file
    PROGRAMS["WHAM"].save(path, walking().frames(0, 6))
    saved = joblib.load(path)
    saved[0][key] = damage
    joblib.dump(saved, path)
    with pytest.raises(sc.InputError, match=f"expected 0.{key} to be an array of numbers"):
        open_motion(path, sc.Reading(fps=30.0))


@pytest.mark.parametrize("key", ["posed_joints", "global_rot_mats"])
@pytest.mark.parametrize("damage", [np.array(["text"]), np.array([None, 3.0], dtype=object)], ids=["text", "objects"])
def test_wrong_array_is_named(tmp_path: Path, key: str, damage: np.ndarray) -> None:
    program = PROGRAMS["Kimodo, 22"]
    path = tmp_path / program.file
    program.save(path, walking().frames(0, 6))
    np.savez(path, **{**np.load(path), key: damage})
    with pytest.raises(sc.InputError, match=f"expected {key} to be an array of numbers"):
        open_motion(path, reading_of(program))


@pytest.mark.parametrize("name", ["Kimodo, 22", "SAM 3D Body, stacked"])
def test_unwritable_file_raises_on_read(tmp_path: Path, name: str) -> None:
    program = PROGRAMS[name]
    complaints = []
    path = tmp_path / program.file
    program.save(path, walking().frames(0, 6))
    arrays = {key: array for key, array in np.load(path).items() if array.ndim}
    for key, change in itertools.product(arrays, [lambda a: a[1:], lambda a: a[:0], lambda a: np.full(a.shape, "x")]):
        np.savez(path, **{**arrays, key: change(arrays[key])})
        try:
            file = open_motion(path, reading_of(program))
        except sc.InputError as error:
            complaints.append(str(error))
        else:
            file.write(tmp_path / "out.npz", replace(file.motion, root_m=file.motion.root_m + 0.01))
    assert len(complaints) > len(arrays)
    assert all(str(path) in complaint for complaint in complaints)


def test_shared_arrays_count_per_person(tmp_path: Path) -> None:
    person = {"pose_world": np.zeros((30_000, 72)), "trans_world": np.zeros((30_000, 3))}
    joblib.dump(dict.fromkeys(range(20), person), tmp_path / "a.pkl", compress=3)
    assert (tmp_path / "a.pkl").stat().st_size < 400_000
    with pytest.raises(sc.InputError, match=r"a\.pkl:.*1758 MB"):
        open_motion(tmp_path / "a.pkl", sc.Reading(fps=30.0))


def test_long_names_are_cut(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"x" * 2**20: np.zeros(3)}))
    with pytest.raises(sc.InputError, match=r"a\.pkl:.*1048576"):
        open_motion(tmp_path / "a.pkl")


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".npz", ".pkl", ".pt", ".npy"])
def test_unknown_file_lists_arrays(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    content = {"pose_world": np.zeros((3, 72)), "thing": np.zeros((2, 5))}
    match suffix:
        case ".npz":
            np.savez(path, **content)
        case ".npy":
            np.save(path, content)  # type: ignore[arg-type]
        case ".pt":
            torch.save(tensors(content), path)
        case _:
            path.write_bytes(pickle.dumps(content))
    with pytest.raises(
        sc.InputError, match=r"pose_world \(3, 72\), thing \(2, 5\); .* WHAM \(pose_world, trans_world\)"
    ):
        open_motion(path)


def test_models_are_not_motions(tmp_path: Path) -> None:
    save_gvhmr(tmp_path / "hmr4d_results.pt", walking())
    torch.save({"weight": torch.zeros(3, 3)}, tmp_path / "model.pt")
    (tmp_path / "split.pkl").write_bytes(pickle.dumps(["a", "b"]))
    with pytest.warns(UserWarning, match=r"model\.pt, split\.pkl"):
        assert [Path(motion.source).name for motion in sc.load_motions(tmp_path)] == ["hmr4d_results.pt"]


def test_unseen_frames_are_reported(tmp_path: Path) -> None:
    frames = [[person] for person in sam3d(walking().frames(0, 8), np.random.default_rng(0))]
    frames[5] = []
    (tmp_path / "frames.pkl").write_bytes(pickle.dumps(frames))
    with pytest.raises(sc.InputError, match=r"people.*got 0 to 1"):
        open_motion(tmp_path / "frames.pkl", sc.Reading(fps=30.0))


@pytest.mark.parametrize("name", ["AMASS", "GEM-X", "GVHMR", "HY-Motion"])
def test_average_body_floor_follows_feet(tmp_path: Path, name: str) -> None:
    """Files without a shape are of the average body."""
    program = PROGRAMS[name]
    path = tmp_path / program.file
    walk = base_walk()
    offsets_m = average_body().skeleton.offsets_m[: len(walk.skeleton)]
    made = replace(walk, skeleton=replace(walk.skeleton, offsets_m=offsets_m))
    made = replace(made, root_m=made.root_m - np.array([0.0, observe(made).floor_m, 0.0]))
    for lowered_m, codes in ((0.0, []), (0.3, ["F4"])):
        program.save(path, replace(made, root_m=made.root_m - np.array([0.0, lowered_m, 0.0])))
        (checked,) = check_files([path], reading_of(program), RuleChoice(("F4",)), None)
        assert [finding.code for finding in checked.all_findings] == codes
