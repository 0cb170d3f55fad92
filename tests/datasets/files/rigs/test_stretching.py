"""Rigs with sliding or stretching joints round-trip.

Feet are where the file and the correction have them.
"""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import smpl_joints_m
from made_motions import made_motion
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

import selfcorrect as sc
from selfcorrect.commands.cli import main
from selfcorrect.commands.correct import correct_file
from selfcorrect.commands.correct.demonstration import walk
from selfcorrect.datasets.files.motion_file import MotionFile
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.datasets.files.rigs.bvh import clip_of, read_bvh, write_bvh
from selfcorrect.datasets.files.rigs.bvh_text import parse_text
from selfcorrect.datasets.files.rigs.gltf_document import numbers, read_document, with_tracks, write_document
from selfcorrect.datasets.files.rigs.stretching import hold_shaking_bones
from selfcorrect.motion.geometry.rotations import compose, invert, quaternions, rotate
from selfcorrect.motion.kinematics import forward_kinematics, joint_positions
from selfcorrect.motion.skeleton import SIDES


def joint_of(motion: sc.Motion, part: str) -> int:
    """Index of a part of the body."""
    joint = motion.skeleton.joint(part)
    assert joint is not None
    return joint


def sway(motion: sc.Motion, axis: int, amount: float) -> np.ndarray:
    """(T, 3) of a wave along an axis."""
    wave = np.zeros((len(motion), 3))
    wave[:, axis] = amount * np.sin(2 * np.pi * 0.9 * np.arange(len(motion)) / motion.fps)
    return wave


def write_moving(path: Path, motion: sc.Motion, moved_m: dict[str, np.ndarray], animations: int = 1) -> None:
    """Write glTF whose joints move by (T, 3) in their parents, in the first animation."""
    save_motion(path, motion)
    document = read_document(path)
    content = json.loads(json.dumps(document.content))
    for number in range(1, animations):
        content["animations"].append({**json.loads(json.dumps(content["animations"][0])), "name": f"take {number}"})
    document = replace(document, content=content)
    tracks = {}
    for name, offsets_m in moved_m.items():
        joint = motion.skeleton.names.index(name)
        tracks[joint, "translation"] = motion.skeleton.offsets_m[joint] + offsets_m
    times_s = np.arange(len(motion)) / motion.fps
    write_document(path, with_tracks(document, {0: (times_s, tracks)}))


def find_values(path: Path, name: str, kind: str) -> np.ndarray:
    """Return a joint's translations (T, 3) or rotations (T, 4).

    Values are relative to the parent, as in the file.
    """
    document = read_document(path)
    (node,) = [index for index, node in enumerate(document.content["nodes"]) if node.get("name") == name]
    animation = document.content["animations"][0]
    (channel,) = [channel for channel in animation["channels"] if channel["target"] == {"node": node, "path": kind}]
    return numbers(document, animation["samplers"][channel["sampler"]]["output"])


def placed_m(path: Path, moved: dict[str, np.ndarray], part: str) -> np.ndarray:
    """Return where a part is, (T, 3).

    Moving joints are included, computed by hand from the rotations in the file.
    """
    document = read_document(path)
    for animation in document.content["animations"]:
        animation["channels"] = [
            channel
            for channel in animation["channels"]
            if channel["target"]["path"] == "rotation" or channel["target"]["node"] == 0
        ]
    write_document(path.with_name("still.glb"), document)
    still = open_motion(path.with_name("still.glb")).motion
    positions_m, orientations = forward_kinematics(still.skeleton, still.root_m, still.rotations)
    added_m = np.zeros((len(still), 3))
    for joint in still.skeleton.path_to_root(joint_of(still, part)):
        name = still.skeleton.names[joint]
        if name in moved:
            added_m += rotate(orientations[:, still.skeleton.parents[joint]], moved[name])
    return positions_m[:, joint_of(still, part)] + added_m


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_sliding_sockets_keep_feet(tmp_path: Path, axis: int) -> None:
    base = walk()
    names = [base.skeleton.names[joint_of(base, f"{side}_hip")] for side in ("left", "right")]
    moved = {names[0]: sway(base, axis, 0.01), names[1]: -sway(base, axis, 0.01)}
    write_moving(tmp_path / "a.glb", base, moved)
    file = open_motion(tmp_path / "a.glb")
    ankle = joint_of(file.motion, "left_ankle")
    expected_m = placed_m(tmp_path / "a.glb", moved, "left_ankle")
    away_m = np.linalg.norm(joint_positions(file.motion)[:, ankle] - expected_m, axis=1)
    assert np.median(away_m) < 1e-4
    assert away_m.max() < 0.01  # a straight leg does not reach a place below it
    file.write(tmp_path / "b.glb", file.motion)
    for name, track_m in moved.items():
        before_m = find_values(tmp_path / "a.glb", name, "translation")
        after_m = find_values(tmp_path / "b.glb", name, "translation")
        np.testing.assert_allclose(after_m, before_m, atol=1e-5)
        assert np.ptp(after_m[:, axis]) == pytest.approx(np.ptp(track_m[:, axis]), abs=1e-4)
    written_m = placed_m(tmp_path / "b.glb", moved, "left_ankle")
    np.testing.assert_allclose(written_m, joint_positions(file.motion)[:, ankle], atol=0.01)
    assert np.median(np.linalg.norm(written_m - expected_m, axis=1)) < 1e-4


@pytest.mark.slow
def test_standing_feet_stay_on_sliding_sockets(tmp_path: Path) -> None:
    base = walk()
    names = [base.skeleton.names[joint_of(base, f"{side}_hip")] for side in ("left", "right")]
    moved = {name: sway(base, 2, 0.01) for name in names}
    write_moving(tmp_path / "a.glb", base, moved)
    assert main(["correct", str(tmp_path / "a.glb"), "--kinematic", "-o", str(tmp_path / "out")]) == 0
    (result,) = json.loads((tmp_path / "out" / "report.json").read_text())["motions"]
    ankle_m = placed_m(tmp_path / "out" / "a.glb", moved, "left_ankle")
    reread = open_motion(tmp_path / "out" / "a.glb").motion
    away_m = np.linalg.norm(joint_positions(reread)[:, joint_of(reread, "left_ankle")] - ankle_m, axis=1)
    assert np.median(away_m) < 1e-4
    still_m_s = sc.correct(base, kinematic=True).after["skate_m_s"]  # feet that roll hardly slide
    added_m_s = result["before"]["skate_m_s"] - still_m_s
    assert result["after"]["skate_m_s"] - still_m_s < 0.2 * added_m_s


@pytest.mark.parametrize("part", ["knee", "hip"])
def test_stretched_legs_round_trip(tmp_path: Path, part: str) -> None:
    """Also where a rigid leg cannot reach as far."""
    motion = walk()
    moved = {motion.skeleton.names[joint_of(motion, f"{side}_{part}")]: sway(motion, 1, 0.02) for side in SIDES}
    write_moving(tmp_path / "a.glb", motion, moved)
    file = open_motion(tmp_path / "a.glb")
    file.write(tmp_path / "b.glb", file.motion)
    for name in motion.skeleton.names:
        before = find_values(tmp_path / "a.glb", name, "rotation")
        np.testing.assert_allclose(find_values(tmp_path / "b.glb", name, "rotation"), before, atol=1e-6)


def test_small_stretches_are_read(tmp_path: Path) -> None:
    base = walk()
    stretched = {}
    for part in ("left_ankle", "right_ankle", "left_wrist"):
        joint = joint_of(base, part)
        share = sway(base, 0, 0.04)[:, :1]
        stretched[base.skeleton.names[joint]] = share * base.skeleton.offsets_m[joint]
    write_moving(tmp_path / "a.glb", base, stretched)
    motion = open_motion(tmp_path / "a.glb").motion
    ankle_m = joint_positions(motion)[:, joint_of(motion, "left_ankle")]
    away_m = np.linalg.norm(ankle_m - placed_m(tmp_path / "a.glb", stretched, "left_ankle"), axis=1)
    assert np.median(away_m) < 1e-3  # a rigid leg that is straight does not reach further
    assert away_m.max() < 0.02


@pytest.mark.parametrize(("part", "is_refused"), [("head", False), ("left_elbow", True)])
def test_limbs_may_not_pop(tmp_path: Path, part: str, is_refused: bool) -> None:
    base = made_motion("walk", frames=40)
    joint = joint_of(base, part)
    grown_m = np.linspace(0, 0.6, len(base))[:, None] * base.skeleton.offsets_m[joint]
    write_moving(tmp_path / "a.glb", base, {base.skeleton.names[joint]: grown_m}, animations=2)
    assert [bool(refusal) for refusal in open_motion(tmp_path / "a.glb").refusals] == [True, False][: 2 * is_refused]


def test_stretching_trunk_is_noted(tmp_path: Path) -> None:
    base = walk()
    spine = base.skeleton.names[joint_of(base, "neck")]
    offset_m = base.skeleton.offsets_m[joint_of(base, "neck")]
    write_moving(tmp_path / "a.glb", base, {spine: sway(base, 0, 0.2)[:, :1] * offset_m})
    save_motion(tmp_path / "still.glb", base)
    file = open_motion(tmp_path / "a.glb")
    assert "bones" in {note.topic for note in file.assumed}
    file.write(tmp_path / "b.glb", file.motion)
    np.testing.assert_allclose(
        find_values(tmp_path / "b.glb", spine, "translation"),
        find_values(tmp_path / "a.glb", spine, "translation"),
        atol=1e-5,
    )
    assert "bones" not in {note.topic for note in open_motion(tmp_path / "still.glb").assumed}


def test_small_stretches_add_up_in_note(tmp_path: Path) -> None:
    base = made_motion("walk", frames=60)
    names = [base.skeleton.names[joint_of(base, part)] for part in ("spine1", "spine2", "spine3", "neck")]
    write_moving(tmp_path / "a.glb", base, {name: sway(base, 1, 0.015) for name in names})
    (note,) = [note for note in open_motion(tmp_path / "a.glb").assumed if note.topic == "bones"]
    assert 0.05 < float(note.split()[-2]) < 0.13
    write_moving(tmp_path / "b.glb", base, {names[0]: sway(base, 1, 0.015)})
    assert "bones" not in {note.topic for note in open_motion(tmp_path / "b.glb").assumed}


def write_scaled(path: Path, motion: sc.Motion, part: str, scales: np.ndarray) -> None:
    """Write glTF whose animation scales a joint.

    By (T,), or by axis (T, 3).
    """
    save_motion(path, motion)
    by_axis = scales if scales.ndim == 2 else np.repeat(scales[:, None], 3, axis=1)
    tracks = {(joint_of(motion, part), "scale"): by_axis}
    times_s = np.arange(len(motion)) / motion.fps
    write_document(path, with_tracks(read_document(path), {0: (times_s, tracks)}))


def scaled_places_m(motion: sc.Motion, part: str, scales: np.ndarray) -> np.ndarray:
    """Return joints (T, J, 3) with a scaled joint.

    The scales (T, 3) are applied by products of matrices, as in the formats.
    """
    skeleton = motion.skeleton
    scaled = joint_of(motion, part)
    places_m = np.zeros((len(motion), len(skeleton), 3))
    frames = np.zeros((len(motion), len(skeleton), 3, 3))
    for joint, parent in enumerate(skeleton.parents):
        turns = Rotation.from_quat(motion.rotations[:, joint]).as_matrix()
        turns = turns * scales[:, None] if joint == scaled else turns
        frames[:, joint] = turns if parent < 0 else frames[:, parent] @ turns
        places_m[:, joint] = motion.root_m
        if parent >= 0:
            places_m[:, joint] = places_m[:, parent] + frames[:, parent] @ skeleton.offsets_m[joint]
    return places_m


@pytest.mark.parametrize(("part", "end"), [("left_shoulder", "left_wrist"), ("right_hip", "right_ankle")])
def test_baked_stretch_scales_are_kept(tmp_path: Path, part: str, end: str) -> None:
    """Baked inverse kinematics stretches along and thins across.

    By some per cent.
    """
    base = walk()
    joint = joint_of(base, part)
    along = int(np.abs(base.skeleton.offsets_m[base.skeleton.children[joint][0]]).argmax())
    length = 0.95 + sway(base, 0, 0.025)[:, :1]
    scales = np.where(np.arange(3) == along, length, length**-0.5)
    write_scaled(tmp_path / "a.glb", base, part, scales)
    file = open_motion(tmp_path / "a.glb")
    (note,) = [note for note in file.assumed if note.topic == "bones"]
    assert "stretch" in note
    read_m = joint_positions(file.motion)[:, joint_of(file.motion, end)]
    away_m = np.linalg.norm(read_m - scaled_places_m(base, part, scales)[:, joint_of(base, end)], axis=1)
    assert np.median(away_m) < (1e-3 if end == "right_ankle" else 0.02)  # arms are rigid, of median length
    assert away_m.max() < 0.03
    file.write(tmp_path / "b.glb", file.motion)
    name = base.skeleton.names[joint]
    for kind in ("scale", "rotation"):
        before = find_values(tmp_path / "a.glb", name, kind)
        np.testing.assert_allclose(find_values(tmp_path / "b.glb", name, kind), before, atol=1e-6)
    channels = read_document(tmp_path / "b.glb").items("animations")[0]["channels"]
    moved = [channel["target"]["node"] for channel in channels if channel["target"]["path"] == "translation"]
    assert len(moved) == 1  # the root's


def test_strongly_bent_limb_raises(tmp_path: Path) -> None:
    base = made_motion("walk", frames=40)
    write_scaled(tmp_path / "a.glb", base, "left_shoulder", np.tile([0.7, 1.0, 1.0], (len(base), 1)))
    with pytest.raises(sc.InputError, match="uneven scale"):
        open_motion(tmp_path / "a.glb")


def test_changing_scales_raise(tmp_path: Path) -> None:
    base = made_motion("walk", frames=40)
    grows = np.linspace(0.9, 1.2, len(base))
    write_scaled(tmp_path / "grows.glb", base, "pelvis", grows)
    with pytest.raises(sc.InputError, match=r"pelvis changes by a factor of 1\.\d+"):
        open_motion(tmp_path / "grows.glb")
    write_scaled(tmp_path / "pops.glb", base, "head", grows)
    np.testing.assert_allclose(smpl_joints_m(open_motion(tmp_path / "pops.glb").motion), smpl_joints_m(base), atol=1e-5)
    write_scaled(tmp_path / "large.glb", base, "pelvis", np.full(len(base), 1.1))
    file = open_motion(tmp_path / "large.glb")
    root_m = base.root_m[:, None]
    expected_m = root_m + 1.1 * (smpl_joints_m(base) - root_m)
    np.testing.assert_allclose(smpl_joints_m(file.motion), expected_m, atol=1e-5)
    file.write(tmp_path / "same.glb", file.motion)
    np.testing.assert_allclose(smpl_joints_m(open_motion(tmp_path / "same.glb").motion), expected_m, atol=1e-5)


@pytest.mark.slow
def test_bad_animation_keeps_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = walk()
    joint = joint_of(base, "left_wrist")
    grown_m = np.linspace(0, 0.3, len(base))[:, None] * base.skeleton.offsets_m[joint]
    write_moving(tmp_path / "a.glb", base, {base.skeleton.names[joint]: grown_m}, animations=4)
    assert main(["correct", str(tmp_path / "a.glb"), "--kinematic", "-o", str(tmp_path / "out")]) == 1
    assert "a.glb: 1 of 4 motions not corrected: walk" in capsys.readouterr().out
    assert main(["check", str(tmp_path / "a.glb")]) == 1
    assert re.search(r"cannot be corrected: walk: the bone to \w+ changes", capsys.readouterr().out.replace("\n", " "))
    (result,) = json.loads((tmp_path / "out" / "report.json").read_text())["motions"]
    assert [motion["verdict"] for motion in result["motions"]] == ["failed", *["accepted"] * 3]
    assert [motion["name"] for motion in result["motions"]] == ["walk", "take 1", "take 2", "take 3"]
    assert "expected rigid bones" in result["motions"][0]["reason"]
    before = open_motion(tmp_path / "a.glb")
    after = open_motion(tmp_path / "out/a.glb")
    np.testing.assert_array_equal(after.motions[0].rotations, before.motions[0].rotations)
    assert np.abs(after.motions[1].root_m - before.motions[1].root_m).max() > 1e-5


def test_two_skins_are_two_motions(tmp_path: Path) -> None:
    base = walk()
    save_motion(tmp_path / "a.glb", base)
    document = read_document(tmp_path / "a.glb")
    content = json.loads(json.dumps(document.content))
    count = len(content["nodes"])
    for node in json.loads(json.dumps(content["nodes"])):
        if "children" in node:
            node["children"] = [child + count for child in node["children"]]
        content["nodes"].append(node)
    content["nodes"].append({"name": "scene", "children": [count - 1, 2 * count - 1]})
    content["scenes"][0]["nodes"] = [2 * count]
    content["skins"].append({"joints": [joint + count for joint in content["skins"][0]["joints"]]})
    animation = content["animations"][0]
    for channel in json.loads(json.dumps(animation["channels"])):
        channel["target"]["node"] += count
        animation["channels"].append(channel)
    write_document(tmp_path / "b.glb", replace(document, content=content))
    file = open_motion(tmp_path / "b.glb")
    assert file.names == ("walk (pelvis)", "walk (pelvis) 2")
    for motion in file.motions:
        np.testing.assert_allclose(
            joint_positions(motion)[:, joint_of(motion, "left_ankle")],
            joint_positions(base)[:, joint_of(base, "left_ankle")],
            atol=1e-5,
        )
    lifted = replace(file.motions[1], root_m=file.motions[1].root_m + np.array([0.0, 0.2, 0.0]))
    file.write(tmp_path / "c.glb", file.motions[0], lifted)
    first, second = open_motion(tmp_path / "c.glb").motions
    np.testing.assert_allclose(first.root_m, file.motions[0].root_m, atol=1e-5)
    np.testing.assert_allclose(second.root_m, lifted.root_m, atol=1e-5)


def write_moving_bvh(path: Path, motion: sc.Motion, moved_m: np.ndarray) -> None:
    """Write BVH with six channels a joint, whose joints move by (T, J, 3) in their parents."""
    clip = clip_of(motion)
    joints = range(1, len(motion.skeleton))
    tracks_m = {joint: motion.skeleton.offsets_m[joint] + moved_m[:, joint] for joint in joints}
    write_bvh(path, replace(clip, channels=(clip.channels[0],) * len(motion.skeleton), stretches_m=tracks_m))


def make_shakes_m(motion: sc.Motion, size_m: float) -> np.ndarray:
    """Return noise (T, J, 3) of about 2 Hz."""
    white = np.random.default_rng(1).normal(size=(len(motion), len(motion.skeleton), 3))
    smooth = gaussian_filter1d(white, motion.fps / 15, axis=0)
    return size_m * smooth / smooth.std()


def test_shaking_bones_are_held(tmp_path: Path) -> None:
    """If the lengths of all bones shake, the file is read and written as if they did not."""
    base = walk()
    write_moving_bvh(tmp_path / "still.bvh", base, np.zeros((len(base), len(base.skeleton), 3)))
    write_moving_bvh(tmp_path / "shaking.bvh", base, make_shakes_m(base, 0.003))
    still, shaking = (open_motion(tmp_path / f"{name}.bvh") for name in ("still", "shaking"))
    np.testing.assert_allclose(joint_positions(shaking.motion), joint_positions(still.motion), atol=1e-5)
    assert "bones" in {note.topic for note in shaking.assumed}
    for name, file in (("a", still), ("b", shaking)):
        file.write(tmp_path / f"{name}.bvh", file.motion)
    before, after = (parse_text((tmp_path / f"{name}.bvh").read_text(), "").values for name in ("a", "b"))
    np.testing.assert_allclose(after, before, atol=1e-4)


def test_moving_bones_that_rest_feet_are_kept(tmp_path: Path) -> None:
    """Bones that make up for a shaking pelvis do not shake by themselves."""
    base = made_motion("idle", frames=60)
    shakes_m = make_shakes_m(base, 0.003)
    moved_m = 0.1 * shakes_m
    for side in SIDES:
        moved_m[:, joint_of(base, f"{side}_hip")] = -rotate(invert(base.rotations[:, 0]), shakes_m[:, 0])
    shaken = replace(base, root_m=base.root_m + shakes_m[:, 0])
    write_moving_bvh(tmp_path / "a.bvh", shaken, moved_m)
    clip = read_bvh(tmp_path / "a.bvh")
    assert hold_shaking_bones(clip) is clip
    write_moving_bvh(tmp_path / "b.bvh", base, moved_m)
    clip = read_bvh(tmp_path / "b.bvh")
    assert hold_shaking_bones(clip) is not clip


@pytest.mark.parametrize(("shift_m", "is_accepted"), [(0.0, True), (0.003, False)])
def test_written_legs_that_stretch_are_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shift_m: float, is_accepted: bool
) -> None:
    """Knees of rigid legs are not in the file, feet are as near as legs stretch, and all else is exact."""
    base = walk()
    moved_m = np.zeros((len(base), len(base.skeleton), 3))
    for side in SIDES:
        moved_m[:, joint_of(base, f"{side}_knee")] = sway(base, 1, 0.012)
    write_moving_bvh(tmp_path / "a.bvh", base, moved_m)
    assert open_motion(tmp_path / "a.bvh").leg_stretch_m == pytest.approx(0.012, abs=0.003)
    opened = correct_file.open_input

    def open_shifted(*arguments: Any) -> MotionFile:
        file = opened(*arguments)
        shift = shift_m * np.array([1.0, 0.0, 0.0])
        return replace(file, write=lambda path, motion: file.write(path, replace(motion, root_m=motion.root_m + shift)))

    monkeypatch.setattr(correct_file, "open_input", open_shifted)
    (result,) = sc.correct_files(tmp_path / "a.bvh", tmp_path / "out", kinematic=True)
    assert (result.verdict == "accepted") == is_accepted


def test_stretched_legs_do_not_jump(tmp_path: Path) -> None:
    """A small, smooth correction moves knees smoothly, even where a rigid leg cannot reach as far as the file's."""
    motion = walk()
    knees = {motion.skeleton.names[joint_of(motion, f"{side}_knee")]: sway(motion, 1, 0.005) for side in SIDES}
    write_moving(tmp_path / "a.glb", motion, knees)
    file = open_motion(tmp_path / "a.glb")
    wave_rad = np.radians(4) * (1 + np.sin(np.arange(len(motion)) / motion.fps * 5))
    for axis in np.eye(3):
        rotations = file.motion.rotations.copy()
        for part in ("hip", "knee"):
            joints = [joint_of(file.motion, f"{side}_{part}") for side in SIDES]
            turns = quaternions(wave_rad[:, None] * axis * (-1 if part == "hip" else 2))
            rotations[:, joints] = compose(rotations[:, joints], turns[:, None])
        file.write(tmp_path / "b.glb", replace(file.motion, rotations=rotations))
        for side in SIDES:
            places_m = [placed_m(tmp_path / name, knees, f"{side}_knee") for name in ("b.glb", "a.glb")]
            changes_m = np.linalg.norm(np.diff(places_m[0] - places_m[1], axis=0), axis=1)
            assert changes_m.max() < 0.02
