"""Built-in clips agree with PyBullet's humanoid and SMPL's joints."""

import json
from pathlib import Path

import numpy as np
import pytest

from selfcorrect.datasets.collections.deepmimic import CYCLIC, on_smpl, read_built_in_texts, skeleton
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import SMPL_22

PART_TO_LINK = {"spine3": "chest"}


def test_reads_fifteen_clips_at_given_rate(clips):
    labels = list(clips)
    assert len(labels) == 15
    assert labels == sorted(labels)
    assert {"walk", "run", "backflip", "getup_faceup"} <= set(labels)
    assert set(labels) >= CYCLIC
    assert all(clip.fps == 30 and np.isfinite(clip.rotations).all() for clip in clips.values())


def test_cycles_keep_their_last_frame(clips):
    assert (len(clips["walk"]), len(clips["run"])) == (39, 25)


def test_poses_agree_with_pybullets_humanoid(clips):
    """Joints agree with PyBullet's posed humanoid.

    PyBullet poses its URDF, which is four times as large, by the numbers of the file.
    """
    pybullet = pytest.importorskip("pybullet")
    folder = Path(pytest.importorskip("pybullet_data").getDataPath())
    frame = np.array(json.loads(read_built_in_texts()["humanoid3d_spinkick.txt"])["Frames"][0])
    client = pybullet.connect(pybullet.DIRECT)
    try:
        body = pybullet.loadURDF(str(folder / "humanoid" / "humanoid.urdf"), globalScaling=0.25, physicsClientId=client)
        pybullet.resetBasePositionAndOrientation(body, frame[1:4], np.roll(frame[4:8], -1), physicsClientId=client)
        start = 8
        links = {}
        by_name = {
            pybullet.getJointInfo(body, index, client)[12].decode(): index
            for index in range(pybullet.getNumJoints(body, client))
        }
        for part in skeleton().names[1:13]:
            index = by_name[PART_TO_LINK.get(part, part)]
            size = 1 if pybullet.getJointInfo(body, index, client)[2] == pybullet.JOINT_REVOLUTE else 4
            value = frame[start : start + size] if size == 1 else np.roll(frame[start : start + 4], -1)
            pybullet.resetJointStateMultiDof(body, index, value, physicsClientId=client)
            start += size
            links[part] = index
        links |= {part: by_name[part] for part in ("right_wrist", "left_wrist")}
        expected = {
            part: np.array(pybullet.getLinkState(body, index, computeForwardKinematics=True, physicsClientId=client)[4])
            for part, index in links.items()
        }
    finally:
        pybullet.disconnect(client)
    spinkick = clips["spinkick"]
    ours = joint_positions(spinkick)[0]
    for part, position in expected.items():
        x, y, z = position
        np.testing.assert_allclose(ours[spinkick.skeleton.names.index(part)], (-z, y, x), atol=1e-5, err_msg=part)


def test_built_in_clips_equal_pybullets():
    folder = Path(pytest.importorskip("pybullet_data").getDataPath()) / "data" / "motions"
    assert read_built_in_texts() == {path.name: path.read_bytes() for path in sorted(folder.glob("humanoid3d_*.txt"))}


def test_smpl_joints_keep_positions(walk: Motion) -> None:
    on = on_smpl(walk)
    assert on.skeleton.names == SMPL_22
    before_m = joint_positions(walk)
    after_m = joint_positions(on)
    for joint, name in enumerate(walk.skeleton.names):
        np.testing.assert_allclose(after_m[:, on.skeleton.names.index(name)], before_m[:, joint], atol=0.01)
    toes_m = after_m[:, [on.skeleton.names.index(f"{side}_foot") for side in ("left", "right")], 1]
    assert 0.0 < toes_m.min() < 0.08
