"""Joints stay in place between all formats."""

from pathlib import Path

import numpy as np
import pytest
from posed_motions import walking
from scipy.spatial.transform import Rotation

from selfcorrect.datasets.files.formats import FORMATS, Format, format_of
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.motion.body.smpl import SMPL_BODY, body_joints
from selfcorrect.motion.body.surface import sole_corners_m
from selfcorrect.motion.editing.transforms import resample
from selfcorrect.motion.encodings.humanml3d import TARGET_OFFSETS_M, canonical, normalise_bones
from selfcorrect.motion.motion import Motion

READABLE = {
    "gltf": "a.glb",
    "vrma": "a.vrma",
    "bvh": "a.bvh",
    "amass": "a.npz",
    "humanml3d": "rows.npy",
    "joints": "a.npy",
}


def read(path: Path) -> Motion:
    return open_motion(path).motion


@pytest.fixture
def motion() -> Motion:
    """Return a body with HumanML3D's bone lengths, which every format can hold."""
    random = np.random.default_rng(2)
    average_m = SMPL_BODY.average().offsets_m
    lengths_m = np.linalg.norm(TARGET_OFFSETS_M, axis=-1, keepdims=True)
    offsets_m = average_m * lengths_m / np.maximum(np.linalg.norm(average_m, axis=-1, keepdims=True), 1e-9)
    rotations = Rotation.from_rotvec(np.cumsum(random.normal(0, 0.05, (41, 22, 3)), axis=0)).as_quat()
    root_m = np.cumsum(random.normal(0, 0.02, (41, 3)), axis=0) + np.array([1.0, 0.9, 2.0])
    return Motion(SMPL_BODY.skeleton(offsets_m), root_m, rotations, 20.0)


@pytest.mark.parametrize("first", READABLE)
@pytest.mark.parametrize("second", READABLE)
def test_joints_stay_where_they_are(tmp_path: Path, motion: Motion, first: str, second: str) -> None:
    save_motion(tmp_path / READABLE[first], motion, first)
    (tmp_path / "out").mkdir()
    save_motion(tmp_path / "out" / READABLE[second], read(tmp_path / READABLE[first]), second)
    reread = read(tmp_path / "out" / READABLE[second])
    assert (len(reread), reread.fps) == (41, 20.0)
    if "amass" in (first, second):  # holds rotations and no bone lengths
        assert_alike(reread, motion, atol_m=5e-3)
    else:
        np.testing.assert_allclose(canonical(body_joints(reread)), canonical(body_joints(motion)), atol=1e-3)


def test_humanml3d_floor_is_at_toes(tmp_path: Path) -> None:
    motion = resample(walking(), 20.0)
    path = tmp_path / "a.npy"
    save_motion(path, motion, "joints")
    reread = read(path)
    np.testing.assert_allclose(body_joints(reread), np.load(path), atol=1e-4)
    np.testing.assert_allclose(body_joints(motion)[..., 1] - body_joints(reread)[..., 1], 0.025, atol=1e-4)
    lowest_m = [sole_corners_m(walk)[..., 1].min(axis=-1) for walk in (motion, reread)]
    assert np.median(np.abs(lowest_m[0] - lowest_m[1])) < 3e-3


def assert_alike(motion: Motion, expected: Motion, atol_m: float) -> None:
    """Assert that joints agree with equal bone lengths."""
    standard_m = [
        canonical(normalise_bones(body_joints(compared), TARGET_OFFSETS_M)) for compared in (motion, expected)
    ]
    np.testing.assert_allclose(*standard_m, atol=atol_m)


def test_rows_have_standard_lengths(tmp_path: Path, motion: Motion) -> None:
    tall = Motion(SMPL_BODY.skeleton(1.3 * motion.skeleton.offsets_m), 1.3 * motion.root_m, motion.rotations, 20.0)
    save_motion(tmp_path / "a.npy", tall)
    joints_m = body_joints(read(tmp_path / "a.npy"))
    np.testing.assert_allclose(joints_m, canonical(normalise_bones(body_joints(tall), TARGET_OFFSETS_M)), atol=1e-3)


@pytest.mark.parametrize(("path", "name"), [("a.fbx", None), ("a.bvh", "amass"), ("a.npy", "nothing")])
def test_unknown_format_lists_formats(path: str, name: str | None) -> None:
    with pytest.raises(ValueError, match=r"bvh \(\.bvh\),.*\(\.npz\)"):
        format_of(Path(path), name)


def test_page_lists_every_format() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "motion-files.md").read_text()
    missing = [suffix for kind in FORMATS for suffix in kind.suffixes if suffix != ".usd" and f"`{suffix}`" not in page]
    assert missing == []


READ_AND_WRITTEN = [kind for kind in FORMATS if kind.reader and kind.writer]


@pytest.mark.parametrize("kind", READ_AND_WRITTEN, ids=lambda kind: kind.name)
def test_layouts_round_trip(tmp_path: Path, kind: Format) -> None:
    walk = walking()
    path = tmp_path / f"a{kind.suffixes[0]}"
    save_motion(path, walk, kind.name)
    motion = open_motion(path).motion
    expected_m = body_joints(resample(walk, motion.fps))
    expected_m[..., 1] += motion.skeleton.usual_sole_m - walk.skeleton.usual_sole_m
    found_m = body_joints(motion)
    tolerance_m = {"humanml3d": 0.02, "motionstreamer": 0.01}.get(kind.name, 1e-4)
    np.testing.assert_allclose(found_m, expected_m[: len(found_m)], atol=tolerance_m)
