"""Rigs without some parts give the whole body's figures.

They lack collars, neck, spine, hands or toes, in any rest pose.
"""

from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from made_rigs import OPTIONAL_PARTS, REST_POSES, base_walk, remove_parts, rename_joints, resting, with_bones_up

from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.rigs.bvh import clip_of, write_bvh
from selfcorrect.motion.body.rest_pose import find_upright_turns
from selfcorrect.motion.body.smpl import body_joints, to_smpl
from selfcorrect.motion.checks.check import check
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import SMPL_22
from selfcorrect.simulators.corrector import KinematicCorrector

NEAREST_M = 0.006
"""Largest distance of corrected joints from those of the same rig in T-pose."""
MORE_SKATING_M_S = 0.005
"""Most by which feet may slide faster than those of the whole body."""


@pytest.fixture(scope="module")
def base() -> Motion:
    return base_walk(3)


def made_subsets(count: int) -> list[tuple[str, ...]]:
    """Return subsets of the optional parts: none, each alone, all, and random ones."""
    random = np.random.default_rng(3)
    indices = [[], *([index] for index in range(len(OPTIONAL_PARTS))), list(range(len(OPTIONAL_PARTS)))]
    indices += [np.flatnonzero(random.random(len(OPTIONAL_PARTS)) < 0.4).tolist() for _ in range(count)]
    return [tuple(chain.from_iterable(OPTIONAL_PARTS[index] for index in chosen)) for chosen in indices]


def read_again(motion: Motion, folder: Path) -> Motion:
    write_bvh(folder / "a.bvh", clip_of(motion))
    return open_motion(folder / "a.bvh").motion


def correct_and_measure(motion: Motion) -> tuple[dict[str, np.ndarray], float]:
    """Correct; return positions (T, 3) and sliding speed.

    The positions are of the body's joints, by name.
    """
    (correction,) = KinematicCorrector()([motion])
    assert correction.accepted, correction.reason
    positions_m = joint_positions(correction.motion)
    skeleton = correction.motion.skeleton
    named = zip(skeleton.names, skeleton.parts, strict=True)
    places_m = {name: positions_m[:, joint] for joint, (name, part) in enumerate(named) if part}
    return places_m, correction.after["skate_m_s"]


@pytest.fixture(scope="module")
def base_skate_m_s(base: Motion, tmp_path_factory: pytest.TempPathFactory) -> float:
    """Return the whole body's sliding speed after correction."""
    return correct_and_measure(read_again(base, tmp_path_factory.mktemp("base")))[1]


@pytest.mark.slow
@pytest.mark.parametrize("parts", made_subsets(4)[1::2], ids=" ".join)
def test_missing_parts_keep_correction(base: Motion, base_skate_m_s: float, parts: tuple[str, ...], tmp_path: Path):
    rig = remove_parts(base, parts)
    plain_m, plain_skate_m_s = correct_and_measure(read_again(rig, tmp_path))
    assert plain_skate_m_s < base_skate_m_s + MORE_SKATING_M_S
    for pose in ("sitting", "bones along x", "any frames"):
        reread = read_again(resting(rig, pose), tmp_path)
        assert not check(reread), pose
        joints_m, skate_m_s = correct_and_measure(reread)
        assert joints_m.keys() == plain_m.keys()
        assert max(np.abs(joints_m[name] - plain_m[name]).max() for name in plain_m) < NEAREST_M, pose
        assert skate_m_s < base_skate_m_s + MORE_SKATING_M_S, pose


@pytest.mark.slow
@pytest.mark.parametrize("parts", [(), ("neck",), ("left_collar", "right_collar", "head")])
def test_upward_bones_keep_correction(base: Motion, parts: tuple[str, ...], tmp_path: Path):
    """Only the motion shows which side is which.

    At rest both sides lie in the same positions, hips and shoulders too.
    """
    plain_m, plain_skate_m_s = correct_and_measure(read_again(remove_parts(base, parts), tmp_path))
    reread = read_again(with_bones_up(remove_parts(base, parts)), tmp_path)
    assert not check(reread)
    joints_m, skate_m_s = correct_and_measure(reread)
    assert max(np.abs(joints_m[name] - plain_m[name]).max() for name in plain_m) < NEAREST_M
    assert skate_m_s < plain_skate_m_s + MORE_SKATING_M_S


NAMINGS = ("mixamo", "valve", "unity", "kinect", "advanced skeleton")


@pytest.mark.parametrize("naming", NAMINGS)
def test_program_names_with_missing_parts(base: Motion, naming: str, tmp_path: Path):
    """Each naming meets a third of the subsets.

    Each subset has a naming.
    """
    motion = base.frames(0, 40)
    random = np.random.default_rng(7)
    for parts in made_subsets(2)[NAMINGS.index(naming) % 3 :: 3]:
        rig = remove_parts(motion, parts)
        pose = random.choice(list(REST_POSES))
        reread = read_again(rename_joints(resting(rig, pose), naming, "Model_"), tmp_path)
        expected = read_again(rename_joints(rig, naming, "Model_"), tmp_path)
        assert reread.skeleton.parts == expected.skeleton.parts, (parts, pose)
        assert set(reread.skeleton.parts) >= set(SMPL_22) - set(parts) - {"spine1", "spine2"}, (parts, pose)


@pytest.mark.parametrize("parts", made_subsets(6), ids=lambda parts: " ".join(parts) or "none")
def test_rest_pose_becomes_upright(base: Motion, parts: tuple[str, ...], tmp_path: Path):
    reread = read_again(resting(remove_parts(base.frames(0, 40), parts), "any frames"), tmp_path)
    assert find_upright_turns(reread) is None
    rest_m = reread.skeleton.rest_positions_m
    for side in ("left", "right"):
        hip = reread.skeleton.parts.index(f"{side}_hip")
        ankle = reread.skeleton.parts.index(f"{side}_ankle")
        down = rest_m[ankle] - rest_m[hip]
        assert down[1] < -0.95 * np.linalg.norm(down)


@pytest.mark.parametrize("parts", made_subsets(6), ids=lambda parts: " ".join(parts) or "none")
def test_smpl_conversion_keeps_joints(base: Motion, parts: tuple[str, ...]):
    rig = remove_parts(base.frames(0, 40), parts)
    rig_m = dict(zip(rig.skeleton.parts, np.moveaxis(joint_positions(rig), 1, 0), strict=True))
    smpl = to_smpl(resting(rig, "any frames"))
    assert smpl.skeleton.names == SMPL_22
    smpl_m = dict(zip(SMPL_22, np.moveaxis(joint_positions(smpl), 1, 0), strict=True))
    for part, positions_m in rig_m.items():
        np.testing.assert_allclose(smpl_m[part], positions_m, atol=2e-3, err_msg=part)
    whole_m = body_joints(base.frames(0, 40))
    inner = [part for part in parts if "spine" in part or "collar" in part or part == "neck"]
    for part in inner:  # what lies between other joints is found near its place
        assert np.linalg.norm(smpl_m[part] - whole_m[:, SMPL_22.index(part)], axis=-1).max() < 0.12, part
