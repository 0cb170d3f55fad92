"""Bodies whose bones change their lengths are no bodies."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_rigs import with_chains
from posed_motions import MOTIONS, standing, walking

import selfcorrect as sc
from selfcorrect.datasets.files.rigs.bvh import clip_of, write_bvh
from selfcorrect.datasets.files.rigs.rig import RiggedMotion

SIX = ("Xposition", "Yposition", "Zposition", "Zrotation", "Yrotation", "Xrotation")


def with_positions(motion: sc.Motion, places_m: np.ndarray) -> RiggedMotion:
    """Give all joints position channels with values (T, J, 3)."""
    clip = clip_of(motion)
    tracks = {joint: places_m[:, joint] for joint in range(1, len(motion.skeleton))}
    return replace(clip, channels=(SIX,) * len(motion.skeleton), stretches_m=tracks)


def in_parents(motion: sc.Motion) -> np.ndarray:
    return np.tile(motion.skeleton.offsets_m, (len(motion), 1, 1))


@pytest.mark.parametrize("name", MOTIONS)
def test_world_positions_raise(tmp_path: Path, name: str) -> None:
    """World positions raise, even if the person stands still and joints hardly move."""
    motion = MOTIONS[name]()
    write_bvh(tmp_path / "a.bvh", with_positions(motion, sc.joint_positions(motion)))
    with pytest.raises(sc.InputError, match=r"a\.bvh: .*in the world"):
        sc.open_motion(tmp_path / "a.bvh", sc.Reading(up="y", metres_per_unit=0.01))


def test_parent_positions_are_read(tmp_path: Path) -> None:
    walk_made = walking()
    write_bvh(tmp_path / "a.bvh", with_positions(walk_made, in_parents(walk_made)))
    motion = sc.load_motion(tmp_path / "a.bvh")
    np.testing.assert_allclose(motion.root_m, walk_made.root_m, atol=1e-5)


@pytest.mark.parametrize(("share", "refused"), [(0.01, False), (0.12, True)])
def test_bone_lengths_may_vary_slightly(tmp_path: Path, share: float, refused: bool) -> None:
    motion = standing()
    places_m = in_parents(motion)
    knee = motion.skeleton.names.index("left_knee")
    places_m[:, knee] *= 1 + share * np.sin(np.arange(len(motion)))[:, None]
    write_bvh(tmp_path / "a.bvh", with_positions(motion, places_m))
    if refused:
        with pytest.raises(sc.InputError, match=r"left_knee .*0\.\d+ to 0\.\d+ m"):
            sc.open_motion(tmp_path / "a.bvh")
    else:
        assert sc.open_motion(tmp_path / "a.bvh").motions


def test_props_may_move(tmp_path: Path) -> None:
    motion = with_chains(standing(), {"ball": ("pelvis", [(0.0, 0.2, 0.3)])})
    places_m = in_parents(motion)
    places_m[:, -1, 2] += np.linspace(0, 0.5, len(motion))
    write_bvh(tmp_path / "a.bvh", with_positions(motion, places_m))
    assert sc.open_motion(tmp_path / "a.bvh").motions


def test_body_mover_is_no_bone(tmp_path: Path) -> None:
    """A joint that carries a hand is no bone.

    The rig has no pelvis: the joint travels below a still root.
    """
    skeleton = sc.Skeleton(("carrier", "LeftHand"), (-1, 0), np.array([[0.0, 0, 0], [0, 0, 0.1]]), ("", "left_wrist"))
    root_m = np.linspace([0.5, 0, 1], [2.5, 0, 1], 5)
    turns = np.tile([0.0, 0, 0, 1], (5, 2, 1))
    sc.save_motion(tmp_path / "a.glb", sc.Motion(skeleton, root_m, turns, fps=30.0))
    (motion,) = sc.open_motion(tmp_path / "a.glb", any_body=True).motions
    assert len(motion) == 5


@pytest.mark.parametrize(
    "parts",
    [
        ("left_knee", "left_ankle", "right_knee", "right_ankle"),
        ("left_elbow", "left_wrist"),
        ("left_hip", "right_hip", "left_shoulder", "right_shoulder", "left_collar", "right_collar"),
        ("spine1", "spine2", "spine3", "neck", "left_elbow"),
    ],
)
def test_collapsed_rest_pose_is_detected(tmp_path: Path, parts: tuple[str, ...]) -> None:
    motion = standing()
    offsets_m = motion.skeleton.offsets_m.copy()
    offsets_m[[motion.skeleton.names.index(part) for part in parts]] = 0
    write_bvh(tmp_path / "a.bvh", clip_of(replace(motion, skeleton=replace(motion.skeleton, offsets_m=offsets_m))))
    with pytest.raises(sc.InputError, match=r"a\.bvh: .*collapsed.* \d others"):
        sc.open_motion(tmp_path / "a.bvh", sc.Reading(up="y"))


@pytest.mark.parametrize("name", ["walking", "crouching"])
@pytest.mark.parametrize("added_m", [0.0, 0.002])
def test_positions_added_to_offsets_round_trip(tmp_path: Path, name: str, added_m: float) -> None:
    """Zero position channels give the same bones everywhere.

    Each joint has six channels, whose positions are zero or almost zero.
    """
    motion = MOTIONS[name]()
    places_m = np.full((len(motion), len(motion.skeleton), 3), added_m)
    write_bvh(tmp_path / "six.bvh", with_positions(motion, places_m))
    write_bvh(tmp_path / "three.bvh", clip_of(motion))
    six = sc.open_motion(tmp_path / "six.bvh", sc.Reading(up="y", metres_per_unit=0.01))
    three = sc.open_motion(tmp_path / "three.bvh", sc.Reading(up="y", metres_per_unit=0.01))
    np.testing.assert_allclose(
        sc.joint_positions(six.motion), sc.joint_positions(three.motion), atol=0.02 * bool(added_m) + 1e-5
    )
    six.write(tmp_path / "back.bvh", six.motion)
    reread = sc.open_motion(tmp_path / "back.bvh", sc.Reading(up="y", metres_per_unit=0.01)).motion
    np.testing.assert_allclose(sc.joint_positions(reread), sc.joint_positions(six.motion), atol=1e-5)
    values = (tmp_path / "back.bvh").read_text().splitlines()[-1].split()
    np.testing.assert_allclose(np.array(values[6:9], dtype=float), 100 * added_m, atol=1e-4)
