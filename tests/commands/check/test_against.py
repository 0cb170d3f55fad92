"""Known changes to a motion are found, named, and undone before joints are compared."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from helpers import Says
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from turned_joints import turn_joint

from selfcorrect.commands.check.against import compare_files, compare_motions
from selfcorrect.core.errors import InputError
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.motion.editing.transforms import resample, turn
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton


def scaled(motion: Motion, factor: float) -> Motion:
    skeleton = replace(motion.skeleton, offsets_m=motion.skeleton.offsets_m * factor)
    return replace(motion, skeleton=skeleton, root_m=motion.root_m * factor)


def shuffled(motion: Motion) -> Motion:
    """Return the motion with its legs in another order, as another program may write them."""
    names = motion.skeleton.names
    left, right = names.index("left_hip"), names.index("right_hip")
    order = [*range(len(names))]
    chains = {joint: sorted(np.flatnonzero(motion.skeleton.descendants[joint])) for joint in (left, right)}
    middle = [joint for joint in order if joint not in chains[left] and joint not in chains[right]]
    order = [middle[0], *chains[right], *chains[left], *middle[1:]]
    index = {joint: place for place, joint in enumerate(order)}
    parents = tuple(-1 if joint == 0 else index[motion.skeleton.parents[joint]] for joint in order)
    skeleton = Skeleton(
        tuple(f"mixamorig:{names[joint].title()}" for joint in order),
        parents,
        motion.skeleton.offsets_m[order],
        tuple(motion.skeleton.parts[joint] for joint in order),
    )
    return replace(motion, skeleton=skeleton, rotations=motion.rotations[:, order])


def test_motion_equals_itself(walk: Motion) -> None:
    difference = compare_motions(shuffled(walk), walk)
    assert not difference.is_elsewhere
    assert difference.joints == len(walk.skeleton)
    assert difference.worst_mm < 1e-6
    assert not difference.rest_deg
    assert not difference.missing
    assert not difference.exceeds(0.001)


@settings(max_examples=30)
@given(angle=st.floats(0.05, 3.1), scale=st.floats(0.01, 100.0), stretch=st.sampled_from([0.5, 0.8, 1.01, 1.25, 2.0]))
def test_size_world_and_duration_are_separate(
    clips: dict[str, Motion], angle: float, scale: float, stretch: float
) -> None:
    motion = clips["run"]
    changed = turn(replace(scaled(motion, scale), fps=motion.fps / stretch), angle)
    difference = compare_motions(changed, motion)
    assert difference.scale == pytest.approx(scale if abs(scale - 1) > 0.005 else 1)
    assert difference.stretch == pytest.approx(stretch)
    assert difference.turn_deg == pytest.approx(np.degrees(angle), abs=0.01)
    assert difference.worst_mm < 0.1 or abs(scale - 1) <= 0.005
    assert difference.exceeds(5.0)


@pytest.mark.parametrize("delay", [-2, -1, 1, 3])
def test_delayed_start_is_found(walk: Motion, delay: int) -> None:
    frames = np.clip(np.arange(len(walk) + 1) - delay, 0, len(walk) - 1)
    difference = compare_motions(walk.select_frames(frames), walk)
    assert difference.delay_s == pytest.approx(delay / walk.fps)
    assert difference.worst_mm < 1e-6


def test_worst_joint_is_named(walk: Motion) -> None:
    difference = compare_motions(turn_joint(walk, "left_knee", Rotation.from_rotvec([0.1, 0, 0]), 12), walk)
    assert difference.worst_frame == 12
    assert difference.worst_joint in ("left_ankle", "left_foot")
    assert not difference.is_elsewhere
    assert difference.exceeds(5.0)
    assert not difference.exceeds(1000.0)


def test_sinking_is_a_shift(walk: Motion) -> None:
    """Penetration is that of `measure`: below y = 0."""
    difference = compare_motions(replace(walk, root_m=walk.root_m - [0, 0.1, 0]), walk)
    assert difference.shift_m == pytest.approx((0, -0.1, 0), abs=1e-6)
    assert difference.penetration_mm[1] == pytest.approx(100, abs=10)


def test_good_resampling_is_within_tolerance(walk: Motion) -> None:
    smooth = resample(walk, 120.0)
    difference = compare_motions(smooth, walk)
    assert difference.stretch == 1
    assert difference.worst_mm < 1.0


@pytest.mark.parametrize("change", [lambda m: shuffled(m), lambda m: scaled(m, 1.1), lambda m: turn(m, 0.3)])
def test_comparison_is_antisymmetric(walk: Motion, change: Callable[[Motion], Motion]) -> None:
    there, back = compare_motions(change(walk), walk), compare_motions(walk, change(walk))
    assert there.scale * back.scale == pytest.approx(1)
    assert there.turn_deg == pytest.approx(back.turn_deg)
    assert there.worst_mm == pytest.approx(back.worst_mm, abs=0.01)


def test_rebuilt_limb_tips_are_ignored(walk: Motion, tmp_path: Path) -> None:
    save_motion(tmp_path / "a.bvh", walk)
    before = open_motion(tmp_path / "a.bvh").motion
    offsets_m = before.skeleton.offsets_m.copy()
    tips = [name.endswith("_end") for name in before.skeleton.names]
    offsets_m[tips] *= 0.2
    difference = compare_motions(replace(before, skeleton=replace(before.skeleton, offsets_m=offsets_m)), before)
    assert not difference.is_elsewhere
    assert difference.worst_joint.endswith("_end")
    assert difference.exceeds(5.0)


def test_disjoint_bodies_raise(walk: Motion) -> None:
    skeleton = walk.skeleton
    other = replace(skeleton, names=tuple(f"bone{i}" for i in range(len(skeleton))), parts=("",) * len(skeleton))
    with pytest.raises(InputError, match=r"joints in common with .*, got 0"):
        compare_motions(replace(walk, skeleton=other), walk)


@pytest.fixture
def folder(tmp_path: Path, walk: Motion, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save_motion(tmp_path / "before" / "a.bvh", walk)
    save_motion(tmp_path / "after" / "a.glb", walk)
    save_motion(tmp_path / "slow" / "a.bvh", replace(walk, fps=walk.fps * 0.8))
    return tmp_path


def test_command_compares_formats(folder: Path, says: Says) -> None:
    assert "joints moved by 0.00 mm" in says("check after --against before")
    slow = "check slow/a.bvh --against after/a.glb --format"
    (values,) = json.loads(says(slow, "json", code=1))
    assert values["stretch"] == pytest.approx(1.25, rel=1e-3)
    assert values["exceeds"] is True
    assert ElementTree.fromstring(says(slow, "junit", code=1).encode()).get("failures") == "1"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--against before/b.bvh", "no such file"),
        ("before --against after/a.glb", "2 files against one"),
        ("--against empty", "expected one motion file named a"),
        ("--against before --physics", "--physics and --against"),
        ("--against before --tolerance-mm -1", "tolerance-mm must be 0 or more"),
        ("--tolerance-mm 1", "--tolerance-mm needs --against"),
    ],
)
def test_mistakes_are_one_sentence(folder: Path, words: str, message: str, says: Says) -> None:
    (folder / "empty").mkdir()
    assert message in says(f"check slow {words}", code=2)


def without(motion: Motion, *parts: str) -> Motion:
    """Remove parts of the body and joints below."""
    skeleton = motion.skeleton
    lost = np.zeros(len(skeleton), dtype=bool)
    for part in parts:
        lost |= skeleton.descendants[skeleton.joint(part)]
    kept = np.flatnonzero(~lost).tolist()
    index = {joint: place for place, joint in enumerate(kept)}
    smaller = Skeleton(
        tuple(skeleton.names[joint] for joint in kept),
        tuple(index.get(skeleton.parents[joint], -1) for joint in kept),
        skeleton.offsets_m[kept],
        tuple(skeleton.parts[joint] for joint in kept),
    )
    return replace(motion, skeleton=smaller, rotations=motion.rotations[:, kept])


@pytest.mark.parametrize("parts", [("left_shoulder", "right_shoulder"), ("left_wrist",), ("neck",)])
@pytest.mark.parametrize("suffix", ["bvh", "glb"])
def test_lost_joints_are_a_difference(parts: tuple[str, ...], suffix: str, walk: Motion, tmp_path: Path) -> None:
    save_motion(tmp_path / f"before.{suffix}", walk)
    save_motion(tmp_path / f"after.{suffix}", without(walk, *parts))
    difference = compare_files(tmp_path / f"after.{suffix}", tmp_path / f"before.{suffix}", Reading())
    assert set(parts) <= set(difference.lost)
    assert difference.worst_mm < 0.1
    assert difference.exceeds(5.0)


def test_missing_rigid_tips_are_ignored(walk: Motion, tmp_path: Path) -> None:
    save_motion(tmp_path / "a.bvh", walk)
    save_motion(tmp_path / "a.glb", walk)
    difference = compare_files(tmp_path / "a.glb", tmp_path / "a.bvh", Reading())
    assert difference.missing
    assert not difference.lost
    assert not difference.rest_deg
    assert not difference.exceeds(5.0)


def with_other_rest(motion: Motion, part: str, turn: Rotation) -> Motion:
    """Turn one limb of the rest pose, and keep all joint positions of the motion."""
    skeleton = motion.skeleton
    joint = skeleton.joint(part)
    offsets_m = skeleton.offsets_m.copy()
    rotations = motion.rotations.copy()
    below = [child for child, parent in enumerate(skeleton.parents) if parent == joint]
    offsets_m[below] = turn.apply(offsets_m[below])
    rotations[:, joint] = (Rotation.from_quat(rotations[:, joint]) * turn.inv()).as_quat()
    for child in below:
        rotations[:, child] = (turn * Rotation.from_quat(rotations[:, child])).as_quat()
    return replace(motion, skeleton=replace(skeleton, offsets_m=offsets_m), rotations=rotations)


@pytest.mark.parametrize(("part", "suffix"), [("left_shoulder", "bvh"), ("right_hip", "glb"), ("left_elbow", "usda")])
def test_changed_rest_pose_is_reported(part: str, suffix: str, walk: Motion, tmp_path: Path) -> None:
    other = with_other_rest(walk, part, Rotation.from_euler("z", 30, degrees=True))
    np.testing.assert_allclose(joint_positions(other), joint_positions(walk), atol=1e-9)
    save_motion(tmp_path / "before.bvh", walk)
    save_motion(tmp_path / f"after.{suffix}", other)
    save_motion(tmp_path / f"same.{suffix}", walk)
    assert not compare_files(tmp_path / f"same.{suffix}", tmp_path / "before.bvh", Reading()).rest_deg
    difference = compare_files(tmp_path / f"after.{suffix}", tmp_path / "before.bvh", Reading())
    assert difference.worst_mm < 0.1 or difference.worst_joint.endswith("_end")
    assert difference.rest_deg == pytest.approx(30, abs=5)
    assert difference.exceeds(5.0)


def test_turned_rest_pose_is_equal(walk: Motion) -> None:
    turned = Rotation.from_euler("xyz", [90, 20, 0], degrees=True).apply(walk.skeleton.rest_positions_m)
    rests = tuple(dict(zip(walk.skeleton.names, places, strict=True)) for places in (turned, 100 * turned))
    assert not compare_motions(walk, walk, rests=(None, rests[1])).rest_deg
    assert not compare_motions(walk, walk, rests=rests).rest_deg


@pytest.mark.parametrize("frames", [(0, 20), (20, 45), (30, 31), (0, 1), (59, 60)])
@pytest.mark.parametrize("label", ["dance_b", "getup_facedown"])
def test_cut_file_is_not_faster(label: str, frames: tuple[int, int], clips: dict[str, Motion]) -> None:
    motion = clips[label].frames(0, 60)
    cut = motion.frames(*frames)
    difference = compare_motions(cut, motion)
    assert difference.stretch == 1
    assert difference.worst_mm < 0.1
    start_s, end_s = -difference.delay_s, -difference.end_s
    assert start_s == pytest.approx(frames[0] / motion.fps, abs=1e-6)
    assert end_s == pytest.approx((60 - frames[1]) / motion.fps, abs=1.6 / motion.fps)
    assert difference.exceeds(5.0)
    back = compare_motions(motion, cut)
    assert (back.stretch, back.delay_s) == (1, pytest.approx(start_s))
    assert any("missing" in line for line in difference.lines(5.0))


def test_cut_file_of_other_rate(clips: dict[str, Motion]) -> None:
    motion = clips["dance_b"].frames(0, 90)
    cut = resample(motion.frames(20, 61), 60.0)
    difference = compare_motions(cut, motion)
    assert difference.stretch == 1
    assert difference.delay_s == pytest.approx(-20 / 30)
    assert difference.worst_mm < 2.0


def test_empty_file_raises(walk: Motion) -> None:
    with pytest.raises(InputError, match="at least one frame, got none"):
        compare_motions(walk, walk.frames(0, 0))


@pytest.mark.parametrize("encoding", ["utf-8", "shift_jis", "euc_jp"])
def test_any_script_is_compared(encoding: str, walk: Motion, tmp_path: Path) -> None:
    names = [
        "腰",
        "左足",
        "右足",
        "上半身",
        "左ひざ",
        "右ひざ",
        "上半身2",
        "左足首",
        "右足首",
        "首",
        "左つま先",
        "右つま先",
    ]
    save_motion(tmp_path / "ascii.bvh", walk)
    text = (tmp_path / "ascii.bvh").read_text()
    for old, new in zip(walk.skeleton.names, names, strict=False):
        text = text.replace(f" {old}\n", f" {new}\n")
    (tmp_path / "a.bvh").write_bytes(text.encode(encoding))
    (tmp_path / "b.bvh").write_bytes(text.encode(encoding))
    difference = compare_files(tmp_path / "b.bvh", tmp_path / "a.bvh", Reading())
    assert not difference.missing
    assert difference.worst_mm < 1e-6
    assert not difference.exceeds(0.01)
