"""KIT-ML in a small folder of the published layout."""

from pathlib import Path

import numpy as np
import pytest
from action_datasets import kit
from scipy.spatial.transform import Rotation

from selfcorrect.datasets.collections.dataset import read_all
from selfcorrect.motion.geometry.kinematics import forward_kinematics, joint_positions
from selfcorrect.motion.skeleton import Skeleton


def kit_joints(first_side: str, frames: int = 20) -> np.ndarray:
    """Joints (T, 21, 3), mm, of a person who stands and sways; the skeleton is written out here on its own."""
    left = 1.0 if first_side == "left" else -1.0
    offsets_m = np.zeros((21, 3))
    offsets_m[[1, 2, 3, 4], 1] = [0.1, 0.3, 0.15, 0.1]
    offsets_m[[5, 8, 11, 16], 0] = np.array([0.2, -0.2, 0.1, -0.1]) * left
    offsets_m[[6, 7, 9, 10], 1] = -0.28
    offsets_m[[12, 13, 17, 18], 1] = -0.4
    offsets_m[[14, 15, 19, 20], 2] = [0.03, 0.12, 0.03, 0.12]
    parents = (-1, 0, 1, 2, 3, 3, 5, 6, 3, 8, 9, 0, 11, 12, 13, 14, 0, 16, 17, 18, 19)
    skeleton = Skeleton(tuple(map(str, range(21))), parents, offsets_m, ("",) * 21)
    turns = Rotation.from_rotvec(np.random.default_rng(0).normal(0, 0.1, (frames, 21, 3))).as_quat()
    return 1000 * forward_kinematics(skeleton, np.tile([0.0, 0.9, 0.0], (frames, 1)), turns)[0]


@pytest.mark.parametrize("first_side", ["left", "right"])
@pytest.mark.parametrize("unit", [1.0, 1000.0])
def test_kit_joints_become_a_motion_in_metres(tmp_path: Path, first_side: str, unit: float) -> None:
    for name in ("new_joints", "texts"):
        (tmp_path / name).mkdir()
    joints_m = kit_joints(first_side) / 1000
    np.save(tmp_path / "new_joints" / "00001.npy", joints_m * unit)
    (tmp_path / "texts" / "00001.txt").write_text("a person sways#a/DET person/NOUN sway/VERB#0.0#0.0\n")
    assert kit.KIT.recognises(tmp_path)
    (motion,) = read_all(kit.clips(tmp_path))
    np.testing.assert_allclose(joint_positions(motion), joints_m, atol=2e-3)
    assert (motion.text, motion.fps) == ("a person sways", 12.5)
    left_hip = motion.skeleton.joint("left_hip")
    left_foot = motion.skeleton.joint("left_foot")
    assert left_hip is not None
    assert left_foot is not None
    assert joints_m[:, left_hip, 0].mean() > 0.05
    assert np.sum(motion.rotations[:, 0, 3] ** 2) / len(motion) > 0.9  # nobody was turned round
