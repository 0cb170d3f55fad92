"""Helper joints that follow the body in the file follow it after correction, too."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_rigs import TWIST_BONES, base_walk, insert_twist_bones, with_chains
from scipy.spatial.transform import Rotation
from turned_joints import pose_joint, turn_joint

import selfcorrect as sc
from selfcorrect.datasets.files.rigs.bvh import clip_of, read_bvh, write_bvh
from selfcorrect.datasets.files.rigs.rig import RiggedMotion
from selfcorrect.datasets.files.rigs.stretching import compute_world_poses
from selfcorrect.motion.editing.loops import is_loop
from selfcorrect.motion.editing.transforms import resample
from selfcorrect.motion.geometry.rotations import compose, invert, quaternions, rotate, turn_angles
from selfcorrect.motion.skeleton import Skeleton

SIX = ("Xposition", "Yposition", "Zposition", "Zrotation", "Yrotation", "Xrotation")
HELPERS = {"ik_foot_l": "left_ankle", "ik_foot_r": "right_ankle", "weapon": "right_wrist", "camera": ""}
"""Helpers under the root and the parts that they follow; the camera moves on its own."""
HELD_M = np.array([0.1, -0.2, 0.05])
"""Place of the helpers on their leaders."""


def write_with_helpers(path: Path, *, has_scene: bool) -> None:
    """Write a walk with helpers that its root carries.

    The root is the pelvis, or a joint above. The format is BVH.
    """
    walk = base_walk(2)
    skeleton = walk.skeleton
    first = int(has_scene)
    parts_m, turns = compute_world_poses(clip_of(walk))
    names = [*["scene"] * first, *skeleton.names, *HELPERS]
    parents = [*[-1] * first, *(parent + first for parent in skeleton.parents), *[0] * len(HELPERS)]
    offsets_m = np.vstack([np.zeros((first, 3)), skeleton.offsets_m, np.zeros((len(HELPERS), 3))])
    still = np.tile([0.0, 0.0, 0.0, 1.0], (len(walk), 1, 1))
    root_m = np.zeros_like(walk.root_m) if has_scene else walk.root_m
    root_turns = still[:, 0] if has_scene else walk.rotations[:, 0]
    tracks_m = {1: walk.root_m} if has_scene else {}
    helper_turns = []
    for helper, part in enumerate(HELPERS.values()):
        place_m = np.stack([np.sin(np.arange(len(walk)) / 9)] * 3, axis=1)
        turn = root_turns
        if part:
            leader = skeleton.parts.index(part)
            turn = turns[:, leader]
            place_m = parts_m[:, leader] + rotate(turn, np.broadcast_to(HELD_M, place_m.shape))
        tracks_m[len(names) - len(HELPERS) + helper] = rotate(invert(root_turns), place_m - root_m)
        helper_turns.append(compose(invert(root_turns), turn))
    rotations = np.concatenate([*[still] * first, walk.rotations, np.stack(helper_turns, axis=1)], axis=1)
    rigged = Skeleton(tuple(names), tuple(parents), offsets_m, ("",) * len(names))
    channels = tuple(SIX if joint in tracks_m or not joint else SIX[3:] for joint in range(len(names)))
    motion = replace(walk, skeleton=rigged, root_m=root_m, rotations=rotations)
    write_bvh(path, RiggedMotion(motion, channels, offsets_m / 0.01, frozenset(), 0.01, tracks_m))


def places_on_leaders(path: Path) -> dict[str, np.ndarray]:
    """Map helpers to positions (T, 3) on their leaders, and the camera's to the world."""
    clip = read_bvh(path, 0.01)
    positions_m, orientations = compute_world_poses(clip)
    places_m = {}
    for name, part in HELPERS.items():
        position_m = positions_m[:, clip.motion.skeleton.names.index(name)]
        leader = clip.motion.skeleton.joint(part)
        if part and leader is not None:
            position_m = rotate(invert(orientations[:, leader]), position_m - positions_m[:, leader])
        places_m[name] = position_m
    return places_m


@pytest.mark.parametrize("has_scene", [True, False])
def test_helpers_follow_their_leaders(tmp_path: Path, has_scene: bool) -> None:
    write_with_helpers(tmp_path / "a.bvh", has_scene=has_scene)
    file = sc.open_motion(tmp_path / "a.bvh")
    assert [note.endswith(": camera") for note in file.notes if "follow no body part" in note] == [True]
    file.write(tmp_path / "same.bvh", file.motion)
    before = read_bvh(tmp_path / "a.bvh", 0.01)
    same = read_bvh(tmp_path / "same.bvh", 0.01)
    np.testing.assert_allclose(compute_world_poses(same)[0], compute_world_poses(before)[0], atol=1e-6)
    motion = file.motion
    for part in ("left_hip", "right_knee", "right_shoulder"):
        motion = pose_joint(motion, part, [0.3, 0.0, 0.0, np.sqrt(1 - 0.09)])
    file.write(tmp_path / "b.bvh", motion)
    moved_m = places_on_leaders(tmp_path / "b.bvh")
    for name, part in HELPERS.items():
        if part:
            np.testing.assert_allclose(moved_m[name], np.broadcast_to(HELD_M, moved_m[name].shape), atol=1e-5)
    np.testing.assert_allclose(moved_m["camera"], places_on_leaders(tmp_path / "a.bvh")["camera"], atol=1e-5)


def test_helpers_follow_other_lengths(tmp_path: Path) -> None:
    write_with_helpers(tmp_path / "a.bvh", has_scene=True)
    file = sc.open_motion(tmp_path / "a.bvh")
    longer = resample(file.motion, 45.0)
    file.write(tmp_path / "b.bvh", longer)
    moved_m = places_on_leaders(tmp_path / "b.bvh")
    assert len(moved_m["weapon"]) == len(longer)
    np.testing.assert_allclose(moved_m["weapon"], np.broadcast_to(HELD_M, moved_m["weapon"].shape), atol=1e-5)


TWISTS = {
    "upperarm_twist": ("left_shoulder", "left_shoulder", -0.5),
    "forearm_twist": ("right_elbow", "right_wrist", 0.6),
    "calf_twist": ("left_knee", "left_ankle", 0.3),
    "thigh_twist": ("right_hip", "right_hip", -0.7),
    "finger": ("right_wrist", "", 0.0),
}
"""Twist bones: part that carries each one, part whose twist it shares, and share. The finger moves on its own."""


def twists_rad(motion: sc.Motion, part: str, bone_m: np.ndarray) -> np.ndarray:
    """(T,) twist of a part about a bone."""
    turns = motion.rotations[:, motion.skeleton.parts.index(part)]
    return 2 * np.arctan2(turns[:, :3] @ (bone_m / np.linalg.norm(bone_m)), turns[:, 3])


def find_bone_m(skeleton: Skeleton, part: str) -> np.ndarray:
    joint = skeleton.parts.index(part)
    return skeleton.offsets_m[skeleton.children[joint][0]] if skeleton.children[joint] else skeleton.offsets_m[joint]


def with_twists(motion: sc.Motion, parts: dict[str, float]) -> sc.Motion:
    """Turn parts to and fro about the bones below."""
    for part, angle_rad in parts.items():
        bone_m = find_bone_m(motion.skeleton, part)
        turns = angle_rad * np.sin(np.arange(len(motion)) / 7)[:, None] * bone_m / np.linalg.norm(bone_m)
        motion = turn_joint(motion, part, Rotation.from_rotvec(turns))
    return motion


def add_twist_bones(motion: sc.Motion) -> sc.Motion:
    rigged = with_chains(motion, {name: (part, [(0.05, 0.05, 0.05)]) for name, (part, _, _) in TWISTS.items()})
    for joint, (part, leader, share) in enumerate(TWISTS.values(), len(motion.skeleton)):
        bone_m = find_bone_m(motion.skeleton, part)
        angles_rad = np.cos(np.arange(len(motion)) / 3) if not leader else share * twists_rad(motion, leader, bone_m)
        rigged = pose_joint(rigged, joint, quaternions(angles_rad[:, None] * bone_m / np.linalg.norm(bone_m)))
    return rigged


@pytest.mark.parametrize("fps", [30.0, 45.0])
def test_twist_bones_keep_share(tmp_path: Path, fps: float) -> None:
    moving = {"left_shoulder": 0.4, "right_wrist": 0.5, "left_ankle": 0.3, "right_hip": 0.2}
    rigged = add_twist_bones(with_twists(base_walk(2), moving))
    sc.save_motion(tmp_path / "a.bvh", rigged)
    file = sc.open_motion(tmp_path / "a.bvh")
    file.write(tmp_path / "same.bvh", file.motion)
    np.testing.assert_allclose(sc.load_motion(tmp_path / "same.bvh").rotations, file.motion.rotations, atol=1e-6)
    changed = with_twists(file.motion, dict.fromkeys(moving, 0.3))
    changed = resample(changed, fps) if fps != changed.fps else changed
    file.write(tmp_path / "b.bvh", changed)
    written = sc.load_motion(tmp_path / "b.bvh")
    for name, (part, leader, share) in TWISTS.items():
        joint = written.skeleton.names.index(f"{name}_0")
        bone_m = find_bone_m(written.skeleton, part)
        if leader:
            expected = quaternions(
                share * twists_rad(written, leader, bone_m)[:, None] * bone_m / np.linalg.norm(bone_m)
            )
        else:
            expected = changed.rotations[:, joint]
        assert turn_angles(expected, written.rotations[:, joint]).max() < 0.02, name


@pytest.mark.parametrize("share", [0.3, 0.5, 1.0])
def test_limb_twist_moves_no_other_joint(tmp_path: Path, share: float) -> None:
    moving = {"left_hip": 0.3, "right_shoulder": 0.5, "left_wrist": 0.4}
    sc.save_motion(tmp_path / "a.bvh", insert_twist_bones(with_twists(base_walk(2), moving), share))
    file = sc.open_motion(tmp_path / "a.bvh")
    file.write(tmp_path / "same.bvh", file.motion)
    np.testing.assert_allclose(sc.load_motion(tmp_path / "same.bvh").rotations, file.motion.rotations, atol=1e-6)
    changed = file.motion
    for part, angle_rad in moving.items():
        _, lower, _ = next(link for link in TWIST_BONES.values() if link[2] == part)
        axis = changed.skeleton.offsets_m[changed.skeleton.parts.index(lower)]
        turns = angle_rad * np.sin(np.arange(len(changed)) / 5)[:, None] * axis / np.linalg.norm(axis)
        changed = turn_joint(changed, part, Rotation.from_rotvec(turns), outside=lower == part)
    file.write(tmp_path / "b.bvh", changed)
    written = sc.load_motion(tmp_path / "b.bvh")
    is_part = np.array([bool(part) for part in changed.skeleton.parts])
    np.testing.assert_allclose(
        sc.joint_positions(written)[:, is_part], sc.joint_positions(changed)[:, is_part], atol=1e-5
    )
    for name, (_, lower, leader) in TWIST_BONES.items():
        axis = written.skeleton.offsets_m[written.skeleton.parts.index(lower)]
        twist_rad = twists_rad(written, leader, axis)
        turn = written.rotations[:, written.skeleton.names.index(name)]
        link_rad = 2 * np.arctan2(turn[:, :3] @ axis / np.linalg.norm(axis), turn[:, 3])
        np.testing.assert_allclose(link_rad, share * (link_rad + twist_rad), atol=0.01, err_msg=name)


@pytest.mark.parametrize("last_deg", [0.0, 5.0, 12.0, 20.0])
def test_limb_twist_makes_no_loop(last_deg: float) -> None:
    """Two joints share a turn, so each looks closed.

    Each turns by half of what a single joint would.
    """
    walk = base_walk(2)
    wrist = walk.skeleton.parts.index("left_wrist")
    bone_m = walk.skeleton.offsets_m[wrist] / np.linalg.norm(walk.skeleton.offsets_m[wrist])
    twists_rad = np.linspace(0.0, np.radians(last_deg), len(walk))
    plain = turn_joint(walk, wrist, Rotation.from_rotvec(twists_rad[:, None] * bone_m), outside=True)
    assert is_loop(plain) == is_loop(insert_twist_bones(plain, 0.5)) == (last_deg < 8.0)
