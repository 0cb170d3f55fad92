"""BVH agrees with bvhio and survives round trips.

The files are made or real; malformed ones are refused in words.
"""

from dataclasses import replace
from pathlib import Path

import bvhio
import numpy as np
import pytest
from helpers import format_bvh
from hypothesis import given, settings
from hypothesis import strategies as st

from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.rigs.bvh import clip_of, format_channels, parse_bvh, read_bvh, write_bvh
from selfcorrect.datasets.files.rigs.rig import RiggedMotion
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.motion.editing.transforms import resample
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import SMPL_22, smpl_22


def oracle_positions(path: Path) -> list[dict[str, np.ndarray]]:
    """Return bvhio's world positions of all joints and frames, in file units."""
    root = bvhio.readAsHierarchy(str(path))
    first, last = root.getKeyframeRange()
    frames = []
    for frame in range(first, last + 1):
        root.loadPose(frame)
        frames.append({joint.Name: np.array(joint.PositionWorld) for joint, _, _ in root.layout()})
    return frames


def assert_same_as_oracle(path: Path, clip: RiggedMotion) -> None:
    ours = joint_positions(clip.motion) / clip.metres_per_unit
    theirs = oracle_positions(path)
    assert len(theirs) == len(clip.motion)
    for frame, positions in enumerate(theirs):
        for name, position in positions.items():
            actual = ours[frame, clip.motion.skeleton.names.index(name)]
            np.testing.assert_allclose(actual, position, atol=2e-3, err_msg=f"{name}, frame {frame}")


def assert_same(first: RiggedMotion, second: RiggedMotion) -> None:
    assert first.channels == second.channels
    assert first.end_sites == second.end_sites
    assert first.motion.skeleton.names == second.motion.skeleton.names
    assert first.motion.skeleton.parents == second.motion.skeleton.parents
    assert first.motion.fps == pytest.approx(second.motion.fps, rel=1e-5)
    np.testing.assert_allclose(first.offsets, second.offsets, atol=1e-6)
    np.testing.assert_allclose(joint_positions(first.motion), joint_positions(second.motion), atol=1e-6)
    turned = np.abs(np.sum(first.motion.rotations * second.motion.rotations, axis=-1))
    np.testing.assert_allclose(turned, 1, atol=1e-9)
    assert first.stretches_m.keys() == second.stretches_m.keys()
    for joint, track_m in first.stretches_m.items():
        np.testing.assert_allclose(track_m, second.stretches_m[joint], atol=1e-8)


def test_matches_bvhio_on_mixed_channels(bvh_text: str, tmp_path: Path):
    path = tmp_path / "made.bvh"
    # bvhio knows one end site per joint.
    one_end = bvh_text.replace("      End Site\n      {\n        OFFSET 0.0 0.0 10.0\n      }\n", "")
    path.write_text(one_end)
    assert_same_as_oracle(path, read_bvh(path, 0.01))


@pytest.mark.parametrize("name", ["train/01_03.bvh", "test/10_01.bvh", "test/27_01.bvh", "tpose/mb_01.bvh"])
def test_matches_bvhio_on_real_files(cmu: Path, tmp_path: Path, name: str):
    clip = read_bvh(cmu / name)
    path = tmp_path / "short.bvh"
    write_bvh(path, replace(clip, motion=clip.motion.frames(0, 8)))
    assert_same_as_oracle(path, read_bvh(path))
    np.testing.assert_allclose(
        joint_positions(read_bvh(path).motion), joint_positions(clip.motion.frames(0, 8)), atol=1e-6
    )


def test_file_round_trip_is_exact(bvh_text: str):
    clip = parse_bvh(bvh_text, "made", 0.01)
    skeleton = clip.motion.skeleton
    motion = clip.motion
    assert skeleton.names == (
        "Hips", "LeftUpLeg", "LeftLeg", "LeftFoot", "LeftFoot_end", "Spine", "Head", "Head_end", "Head_end2",
    )  # fmt: skip
    assert skeleton.parents == (-1, 0, 1, 2, 3, 0, 5, 6, 6)
    assert skeleton.parts[:5] == ("pelvis", "left_hip", "left_knee", "left_ankle", "left_foot")
    assert clip.end_sites == {4, 7, 8}
    assert clip.channels[2] == ("Xrotation",)
    assert motion.fps == 30
    np.testing.assert_allclose(motion.root_m, [[0.01, 0.95, -0.03], [0.02, 0.96, -0.02], [0.03, 0.97, -0.01]])
    np.testing.assert_allclose(skeleton.offsets_m[0], 0)
    np.testing.assert_allclose(skeleton.offsets_m[3], [0, -0.415, -0.0025])
    np.testing.assert_allclose(skeleton.offsets_m[5], [0.005, 0.12, -0.0025])


@pytest.mark.parametrize("name", ["train/01_03.bvh", "test/10_01.bvh", "test/94_07.bvh", "tpose/daz.bvh"])
def test_real_files_round_trip(cmu: Path, tmp_path: Path, name: str):
    clip = read_bvh(cmu / name)
    write_bvh(tmp_path / "again.bvh", clip)
    assert_same(read_bvh(tmp_path / "again.bvh"), clip)
    before = (cmu / name).read_text().split("MOTION")[0].split()
    after = (tmp_path / "again.bvh").read_text().split("MOTION")[0].split()
    words = [word for word in before if not _is_number(word)]
    assert [word for word in after if not _is_number(word)] == words


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def test_stretching_bones_round_trip(bvh_text: str):
    stretched = bvh_text.replace("5 0.5 6 12 7 -0.25", "5 0.5 6 15 7 -0.25")
    clip = parse_bvh(stretched, "made", 0.01)
    np.testing.assert_allclose(clip.stretches_m[5][:, 1], [0.12, 0.15, 0.12])
    np.testing.assert_allclose(clip.motion.skeleton.offsets_m[5], [0.005, 0.12, -0.0025])
    assert_same(parse_bvh(format_bvh(clip), "made", 0.01), clip)
    faster = replace(clip, motion=resample(clip.motion, 60.0))
    assert len(parse_bvh(format_bvh(faster), "made").motion) == 5


@given(order=st.permutations("XYZ"), count=st.integers(1, 3))
def test_position_channels_have_names(order: list[str], count: int):
    """Positions belong to the axes that the channels name, in whatever order; missing ones are the offset's."""
    place = {"X": 1.0, "Y": 2.0, "Z": 3.0}
    named = order[:count]
    channels = " ".join(f"{axis}position" for axis in named)
    text = f"""HIERARCHY
ROOT a
{{
OFFSET 7 8 9
CHANNELS {count + 3} {channels} Zrotation Xrotation Yrotation
}}
MOTION
Frames: 1
Frame Time: 0.01
{" ".join(str(place[axis]) for axis in named)} 0 0 0"""
    offset = {"X": 7.0, "Y": 8.0, "Z": 9.0}
    expected = [place[axis] if axis in named else offset[axis] for axis in "XYZ"]
    np.testing.assert_allclose(parse_bvh(text, "made", 1.0).motion.root_m, [expected])


@given(
    order=st.permutations("XYZ").map("".join),
    angles=st.lists(st.floats(-360, 360, allow_nan=False), min_size=3, max_size=3),
)
@settings(max_examples=60)
def test_rotation_orders_round_trip(order: str, angles: list[float]):
    text = f"""HIERARCHY
ROOT a
{{
OFFSET 0 0 0
CHANNELS 3 {order[0]}rotation {order[1]}rotation {order[2]}rotation
}}
MOTION
Frames: 1
Frame Time: 0.01
{" ".join(f"{angle:.6f}" for angle in angles)}"""
    clip = parse_bvh(text, "made", 1.0)
    reread = parse_bvh(format_bvh(clip), "again", 1.0)
    assert abs(np.sum(clip.motion.rotations[:, 0] * reread.motion.rotations[:, 0])) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("  ", "\t"),
        lambda text: text.rstrip("\n") + " ",
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n{", " {").replace("\n  {", " {"),
        lambda text: text.replace("MOTION\n", "\n\nMOTION\n\n").replace("Frames: 3", "Frames:\t3"),
        lambda text: text.replace("1 95 -3 10", "1e0 9.5E+1 -3.0 +10").replace("ROOT", "root"),
        lambda text: text + "\n  \n\n",
    ],
)
def test_spelling_variants_read_alike(bvh_text: str, tmp_path: Path, change):
    path = tmp_path / "changed.bvh"
    path.write_bytes(change(bvh_text).encode())
    assert_same(read_bvh(path, 0.01), parse_bvh(bvh_text, "made", 0.01))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("HIERARCHY\n", "", "line 1: expected \"HIERARCHY\", got 'ROOT Hips'"),
        ("ROOT Hips", "JOINT Hips", "line 2: expected ROOT"),
        ("ROOT Hips", "ROOT", "line 2: expected a name after ROOT"),
        ("  OFFSET 1.0 2.0 3.0", "  OFFSET 1.0 2.0", "line 4: expected 3 finite numbers .* after OFFSET"),
        ("  OFFSET 1.0 2.0 3.0", "  OFFSET 1.0 2.0 x", "line 4: expected 3 finite numbers"),
        ("OFFSET 1.0 2.0 3.0", "OFFSET 1.0 nan 3.0", "line 4: expected 3 finite"),
        ("  OFFSET 1.0 2.0 3.0\n", "", "line 2: expected OFFSET in joint 'Hips'"),
        ("    CHANNELS 3 Yrotation Zrotation Xrotation\n", "", "line 6: expected CHANNELS in joint 'LeftUpLeg'"),
        ("CHANNELS 1 Xrotation", "CHANNELS 2 Xrotation", "line 13: expected CHANNELS, their number"),
        ("CHANNELS 1 Xrotation", "CHANNELS 1 Wrotation", "line 13: expected CHANNELS"),
        ("CHANNELS 1 Xrotation", "CHANNELS 2 Xrotation Xrotation", "line 13: .*different channels"),
        ("JOINT Spine", "JOINT LeftLeg", "line 25: expected a new joint name, got 'LeftLeg', .* line 10"),
        ("MOTION", "ROOT Other\n{\nOFFSET 0 0 0\n}\nMOTION", "line 44: expected MOTION.*several roots"),
        ("Frames: 3", "Frames: many", 'line 45: expected "Frames: <number>"'),
        ("Frames: 3", "Frames: -3", 'line 45: expected "Frames: <number>"'),
        ("Frame Time: 0.0333333", "Frame Time: -1", "line 46: expected .*a positive number"),
        ("Frame Time: 0.0333333", "Frame Time: fast", "line 46: expected .*a positive number"),
        ("8 9 10\n", "8 9\n", "line 48: expected 22 finite numbers in frame 1, got 21 numbers"),
        ("8 9 10\n", "8 9 1,0\n", "line 48: expected 22 finite numbers in frame 1, got '1,0'"),
        ("8 9 10\n", "8 9 inf\n", "line 48: .*frame 1, got 'inf'"),
        ("MOTION", "", "line 45: expected MOTION, got 'Frames: 3'"),
        ("OFFSET 10.0 -5.0 0.0", "OFFSET 10.0 -5.0 0.0 1 2 3", r"line \d+: expected 3 finite numbers .* after OFFSET"),
        ("OFFSET 10.0 -5.0 0.0", "OFFSET 10.0 -5.0-1-2", r"line \d+: expected 3 finite numbers .* after OFFSET"),
        ("Frames: 3", "Frames: 3.5", r'line \d+: expected "Frames: <number>"'),
        ("Frame Time: 0.0333333\n", "", r'line 46: expected "Frame Time: <seconds>" \(or --fps\)'),
        ("1 95 -3 10", "1 oops -3 10", "line 47: expected 22 finite numbers in frame 0, got 'oops'"),
        ("1 95 -3 10", "1 nan -3 10", "line 47: expected 22 finite numbers in frame 0, got 'nan'"),
        ("2 96 -2 20", "2 96 -2 -2 20", "line 48: expected 22 finite numbers in frame 1, got 23 numbers"),
    ],
)
def test_malformed_file_names_line(bvh_text: str, old: str, new: str, message: str):
    assert old in bvh_text
    with pytest.raises(ValueError, match=message) as caught:
        parse_bvh(bvh_text.replace(old, new, 1), "made.bvh")
    assert str(caught.value).startswith("made.bvh, line ")


@settings(max_examples=15, deadline=None)
@given(rows=st.sets(st.integers(1, 37), min_size=1, max_size=3), how=st.sampled_from(["nan", "short", "long", "text"]))
def test_few_damaged_rows_are_filled(walk: Motion, rows: set[int], how: str) -> None:
    """Damaged rows are named, and joints are interpolated between sound rows; all other frames stay."""
    text = format_bvh(clip_of(walk))
    head, frames = text.rstrip("\n").rsplit("Frame Time:", 1)
    time, *lines = frames.split("\n")
    for row in rows:
        words = lines[row].split()
        damaged = {"nan": ["nan", *words[1:]], "short": words[:-2], "long": [*words, "1"], "text": ["oops", *words[1:]]}
        lines[row] = " ".join(damaged[how])
    sound = parse_bvh(text, "sound").motion
    read = parse_bvh("\n".join([f"{head}Frame Time:{time}", *lines, ""]), "damaged")
    assert any("damaged file" in note for note in read.notes)
    sound_m, read_m = joint_positions(sound), joint_positions(read.motion)
    kept = sorted(set(range(len(walk))) - rows)
    np.testing.assert_allclose(read_m[kept], sound_m[kept], atol=1e-9)
    fastest_m = np.abs(np.diff(sound_m, axis=0)).max()
    assert np.abs(read_m - sound_m).max() < len(rows) * fastest_m


def test_other_motion_is_readable_by_bvhio(walk: Motion, tmp_path: Path):
    """Written motions are read by bvhio.

    SMPL's joints are not in the order of a file.
    """
    generator = np.random.default_rng(0)
    walk = walk.frames(0, 5)
    rotations = generator.normal(size=(5, 22, 4))
    rotations /= np.linalg.norm(rotations, axis=-1, keepdims=True)
    motion = replace(
        walk, skeleton=smpl_22(generator.normal(0, 0.2, (22, 3)) * (np.arange(22) > 0)[:, None]), rotations=rotations
    )
    write_bvh(tmp_path / "smpl.bvh", clip_of(motion))
    clip = read_bvh(tmp_path / "smpl.bvh", 0.01)
    order = [clip.motion.skeleton.names.index(name) for name in SMPL_22]
    np.testing.assert_allclose(joint_positions(clip.motion)[:, order], joint_positions(motion), atol=1e-6)
    assert [clip.motion.skeleton.parts[index] for index in order] == list(SMPL_22)
    assert_same_as_oracle(tmp_path / "smpl.bvh", clip)


def test_angles_are_continuous(cmu: Path):
    """Interpolated channels must not spin through 360 degrees."""
    clip = read_bvh(cmu / "test/16_15.bvh")
    turns = np.array([[float(word) for word in line.split()] for line in format_bvh(clip).splitlines()[-40:]])
    assert np.abs(np.diff(turns[:, 3:6], axis=0)).max() < 180


def test_a_moving_root_needs_channels(bvh_text: str):
    clip = parse_bvh(bvh_text, "made", 0.01)
    fixed = replace(clip, channels=(clip.channels[0][3:], *clip.channels[1:]))
    with pytest.raises(ValueError, match="root moves"):
        format_bvh(fixed)


@pytest.mark.parametrize("scale", [0.08, 1.0, 2.3, 20.0])
def test_giant_body_round_trips(walk: Motion, tmp_path: Path, scale: float):
    scaled = replace(walk, skeleton=replace(walk.skeleton, offsets_m=scale * walk.skeleton.offsets_m))
    write_bvh(tmp_path / "a.bvh", clip_of(replace(scaled, root_m=scale * walk.root_m)))
    file = open_motion(tmp_path / "a.bvh")
    skeleton = file.motion.skeleton
    leg_m = -float(skeleton.offsets_m[[skeleton.parts.index(f"left_{part}") for part in ("knee", "ankle")], 1].sum())
    assert 0.5 < leg_m < 1.1
    is_scaled = ["scaled to" in note and note.endswith("1.65 m (--metres-per-unit)") for note in file.notes]
    assert any(is_scaled) == (scale != 1)
    file.write(tmp_path / "b.bvh", file.motion)
    before = read_bvh(tmp_path / "a.bvh", 0.01)
    after = read_bvh(tmp_path / "b.bvh", 0.01)
    np.testing.assert_allclose(joint_positions(after.motion), joint_positions(before.motion), atol=1e-5 * scale)
    assert open_motion(tmp_path / "a.bvh", Reading(metres_per_unit=0.01)).motion.root_m[0, 1] == pytest.approx(
        scale * walk.root_m[0, 1], abs=1e-5
    )


def test_channels_have_six_decimals() -> None:
    values = np.array([[-1e-8, -0.0, 6e-7], [-16e-7, 99.9999995, -1e12]])
    assert [*format_channels(values, [2, 0, 1])] == [
        "0.000001 0.000000 0.000000\n-1000000000000.000000 -0.000002 100.000000"
    ]
