"""Motion files are corrected and otherwise unchanged."""

import csv
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from turned_joints import pose_joint

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.files.formats import FORMATS, find_format, is_motion_file
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.datasets.files.rigs.bvh import clip_of, read_bvh, write_bvh
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.motion.body.rest_pose import find_upright_turns
from selfcorrect.motion.editing.transforms import raise_motion
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.corrector import KinematicCorrector


@pytest.fixture
def mb_clip(cmu: Path) -> Path:
    """Return a real clip whose rest pose stands with legs apart."""
    rows = csv.DictReader((cmu / "index.csv").open())
    return cmu / next(row["file"] for row in rows if row["skeleton"] == "mb" and row["category"] == "walk")


def test_straddled_rest_is_upright(mb_clip: Path) -> None:
    assert find_upright_turns(read_bvh(mb_clip).motion) is not None
    file = open_motion(mb_clip, Reading())
    assert find_upright_turns(file.motion) is None
    assert any("rest pose" in note for note in file.notes)


@pytest.mark.parametrize("kind", ["humanml3d", "joints"])
def test_humanml3d_keeps_type_and_place(walker: Motion, tmp_path: Path, kind: str) -> None:
    save_motion(tmp_path / "a.npy", walker, kind)
    file = open_motion(tmp_path / "a.npy", Reading())
    assert file.motion.fps == 20.0
    file.write(tmp_path / "b.npy", file.motion)
    old = np.load(tmp_path / "a.npy")
    new = np.load(tmp_path / "b.npy")
    assert (old.shape, old.dtype) == (new.shape, new.dtype)
    assert np.abs(old - new).max() < 2e-3


def test_npy_rate_option(walker: Motion, tmp_path: Path) -> None:
    save_motion(tmp_path / "a.npy", walker, "joints")
    file = open_motion(tmp_path / "a.npy", Reading(fps=60.0))
    assert file.motion.fps == 60.0
    file.write(tmp_path / "b.npy", file.motion)
    assert np.load(tmp_path / "b.npy").shape == np.load(tmp_path / "a.npy").shape


def test_hinge_knees_may_raise(walker: Motion, tmp_path: Path) -> None:
    clip = clip_of(walker)
    hinges = tuple(("Xrotation",) if joint in (4, 5) else names for joint, names in enumerate(clip.channels))
    write_bvh(tmp_path / "a.bvh", replace(clip, channels=hinges))
    file = open_motion(tmp_path / "a.bvh", Reading())
    file.write(tmp_path / "b.bvh", raise_motion(file.motion, 0.1))
    bent = pose_joint(file.motion, file.motion.skeleton.names.index("left_knee"), Rotation.from_euler("z", 0.3))
    with pytest.raises(ValueError, match=r"a\.bvh:.*left_foot"):
        file.write(tmp_path / "c.bvh", bent)


def test_leg_without_length_raises(walker: Motion, tmp_path: Path) -> None:
    offsets_m = walker.skeleton.offsets_m.copy()
    offsets_m[5] = 0
    write_bvh(tmp_path / "a.bvh", clip_of(replace(walker, skeleton=replace(walker.skeleton, offsets_m=offsets_m))))
    with pytest.raises(ValueError, match=r"a\.bvh:.*right_hip.*right_knee"):
        open_motion(tmp_path / "a.bvh", Reading())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("height_m", [0.0, 50.0])
def test_body_without_length_raises(walker: Motion, tmp_path: Path, height_m: float) -> None:
    """A body without length is refused along every axis.

    The message names the bones, not the axis.
    """
    nowhere = replace(walker.skeleton, offsets_m=np.zeros_like(walker.skeleton.offsets_m))
    raised_m = walker.root_m + np.array([0.0, height_m, 0.0])
    write_bvh(tmp_path / "a.bvh", clip_of(replace(walker, skeleton=nowhere, root_m=raised_m)))
    with pytest.raises(ValueError, match=r"a\.bvh: .*no length"):
        open_motion(tmp_path / "a.bvh", Reading())


def test_single_toes_are_ignored(walker: Motion, tmp_path: Path) -> None:
    write_bvh(tmp_path / "a.bvh", clip_of(walker))
    text = (tmp_path / "a.bvh").read_text()
    (tmp_path / "a.bvh").write_text(text.replace("left_foot", "left_shoe"))
    file = open_motion(tmp_path / "a.bvh", Reading())
    assert not {"left_foot", "right_foot"} & set(file.motion.skeleton.parts)
    (correction,) = KinematicCorrector()([file.motion])
    file.write(tmp_path / "b.bvh", correction.motion)
    assert "left_shoe" in read_bvh(tmp_path / "b.bvh").motion.skeleton.names


@pytest.mark.parametrize("kind", ["amass", "joints", "bvh"])
def test_wrong_gravity_raises(walker: Motion, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a{next(format.suffixes[0] for format in FORMATS if format.name == kind)}"
    root_m = walker.root_m.copy()
    root_m[6:] += 1e9
    save_motion(path, replace(walker, root_m=root_m), kind)
    away = rf"{path.name}: (the body is 1e\+09 m away in frame \d|unknown joint order)"
    with pytest.raises(ValueError, match=away):
        open_motion(path, Reading())


@pytest.mark.parametrize("kind", ["bvh", "amass", "kimodo", "gltf"])
@pytest.mark.parametrize("change", [{"fps": np.inf}, {"fps": 1e30}, {"root_m": np.full((48, 3), np.nan)}])
def test_failed_read_is_not_written(walker: Motion, tmp_path: Path, kind: str, change: dict) -> None:
    path = tmp_path / f"a{find_format(kind).suffixes[0]}"
    with pytest.raises(InputError, match="expected"):
        save_motion(path, replace(walker, **change), kind)
    assert not path.exists()


def test_no_frames_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", poses=np.zeros((0, 156)), trans=np.zeros((0, 3)), mocap_framerate=30.0)
    with pytest.raises(ValueError, match=r"a\.npz: .*frame"):
        open_motion(tmp_path / "a.npz", Reading())


@pytest.mark.parametrize(("name", "value"), [("metres_per_unit", 0.0), ("fps", -20.0), ("fps", float("nan"))])
def test_a_reading_is_checked(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name.replace('_', '-')} must be a number from"):
        Reading(**{name: value})


def test_statistics_are_no_motions() -> None:
    assert is_motion_file(Path("a/WALK.BVH"))
    assert not any(map(is_motion_file, map(Path, ("Mean.npy", "a/shape.npz", "x_stagei.npz", "notes.txt"))))


def test_an_opened_file_survives_pickling(walker: Motion, tmp_path: Path) -> None:
    save_motion(tmp_path / "walk.bvh", walker)
    unpickled = pickle.loads(pickle.dumps(open_motion(tmp_path / "walk.bvh")))
    unpickled.write(tmp_path / "copy.bvh", raise_motion(unpickled.motion, 0.1))
    np.testing.assert_allclose(
        open_motion(tmp_path / "copy.bvh").motion.root_m, raise_motion(unpickled.motion, 0.1).root_m, atol=1e-5
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n", "a Git LFS pointer.*git lfs pull"),
        (b"<!DOCTYPE html>\n<html lang='en'>", "an HTML page, not a motion file"),
        (b"\xef\xbb\xbf\n <HTML>", "an HTML page, not a motion file"),
        (b'<?xml version="1.0"?>\n<!DOCTYPE html>', "an HTML page"),
    ],
)
@pytest.mark.parametrize("suffix", [".bvh", ".glb", ".fbx", ".npz", ".npy"])
def test_placeholders_are_named(tmp_path: Path, suffix: str, content: bytes, message: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"a\{suffix}: {message}"):
        open_motion(path)
