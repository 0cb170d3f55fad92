"""What a program changed in a motion: known changes are found, named, and undone before joints are compared."""

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

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.experiments.checking.against import compare_motions
from selfcorrect.motion.editing.transforms import resample, turn
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton


def scaled(motion: Motion, factor: float) -> Motion:
    skeleton = replace(motion.skeleton, offsets_m=motion.skeleton.offsets_m * factor)
    return replace(motion, skeleton=skeleton, root_m=motion.root_m * factor)


def shuffled(motion: Motion) -> Motion:
    """The same motion with the two legs in the other order, as another program may have them."""
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


def test_a_motion_does_not_differ_from_itself_whatever_the_order_and_names_of_its_joints(walk: Motion) -> None:
    difference = compare_motions(shuffled(walk), walk)
    assert not difference.is_elsewhere
    assert difference.joints == len(walk.skeleton)
    assert difference.worst_mm < 1e-6
    assert not difference.rest_deg
    assert not difference.missing
    assert not difference.exceeds(0.001)


@settings(max_examples=30)
@given(angle=st.floats(0.05, 3.1), scale=st.floats(0.01, 100.0), stretch=st.sampled_from([0.5, 0.8, 1.01, 1.25, 2.0]))
def test_size_world_and_duration_are_told_apart_from_joints(
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
def test_a_motion_that_begins_later_is_found_and_not_taken_for_another(walk: Motion, delay: int) -> None:
    frames = np.clip(np.arange(len(walk) + 1) - delay, 0, len(walk) - 1)
    difference = compare_motions(walk.select_frames(frames), walk)
    assert difference.delay_s == pytest.approx(delay / walk.fps)
    assert difference.worst_mm < 1e-6


def test_the_worst_joint_and_frame_are_named(walk: Motion) -> None:
    difference = compare_motions(turn_joint(walk, "left_knee", Rotation.from_rotvec([0.1, 0, 0]), 12), walk)
    assert difference.worst_frame == 12
    assert difference.worst_joint in ("left_ankle", "left_foot")
    assert not difference.is_elsewhere
    assert difference.exceeds(5.0)
    assert not difference.exceeds(1000.0)


def test_feet_that_sink_are_shifted_world_and_penetration(walk: Motion) -> None:
    difference = compare_motions(replace(walk, root_m=walk.root_m - [0, 0.1, 0]), walk)
    assert difference.shift_m == pytest.approx((0, -0.1, 0), abs=1e-6)
    assert difference.penetration_mm[1] - difference.penetration_mm[0] == pytest.approx(100, abs=10)


def test_resampling_by_a_good_program_stays_within_the_tolerance(walk: Motion) -> None:
    smooth = resample(walk, 120.0)
    difference = compare_motions(smooth, walk)
    assert difference.stretch == 1
    assert difference.worst_mm < 1.0


@pytest.mark.parametrize("change", [lambda m: shuffled(m), lambda m: scaled(m, 1.1), lambda m: turn(m, 0.3)])
def test_comparing_the_other_way_round_undoes_the_change(walk: Motion, change: Callable[[Motion], Motion]) -> None:
    there, back = compare_motions(change(walk), walk), compare_motions(walk, change(walk))
    assert there.scale * back.scale == pytest.approx(1)
    assert there.turn_deg == pytest.approx(back.turn_deg)
    assert there.worst_mm == pytest.approx(back.worst_mm, abs=0.01)


def test_tips_of_limbs_that_a_program_makes_anew_change_no_size_and_no_world(walk: Motion, tmp_path: Path) -> None:
    save_motion(tmp_path / "a.bvh", walk)
    before = open_motion(tmp_path / "a.bvh").motion
    offsets_m = before.skeleton.offsets_m.copy()
    tips = [name.endswith("_end") for name in before.skeleton.names]
    offsets_m[tips] *= 0.2
    difference = compare_motions(replace(before, skeleton=replace(before.skeleton, offsets_m=offsets_m)), before)
    assert not difference.is_elsewhere
    assert difference.worst_joint.endswith("_end")
    assert difference.exceeds(5.0)


def test_two_bodies_without_joints_in_common_are_refused(walk: Motion) -> None:
    skeleton = walk.skeleton
    other = replace(skeleton, names=tuple(f"bone{i}" for i in range(len(skeleton))), parts=("",) * len(skeleton))
    with pytest.raises(InputError, match="0 joints in common"):
        compare_motions(replace(walk, skeleton=other), walk)


@pytest.fixture
def folder(tmp_path: Path, walk: Motion, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save_motion(tmp_path / "before" / "a.bvh", walk)
    save_motion(tmp_path / "after" / "a.glb", walk)
    save_motion(tmp_path / "slow" / "a.bvh", replace(walk, fps=walk.fps * 0.8))
    return tmp_path


def test_the_command_compares_across_formats_and_folders(folder: Path, says: Says) -> None:
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
        ("--against before --physics", "physics does not go with --against"),
        ("--against before --tolerance-mm -1", "tolerance-mm must be 0 or more"),
        ("--tolerance-mm 1", "tolerance-mm is for --against"),
    ],
)
def test_mistakes_are_one_sentence(folder: Path, words: str, message: str, says: Says) -> None:
    (folder / "empty").mkdir()
    assert message in says(f"check slow {words}", code=2)
