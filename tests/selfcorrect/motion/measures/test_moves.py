"""Moves of joints: their mean, and where they are largest."""

from dataclasses import replace

import numpy as np
import pytest
from made_motions import made_motion
from scipy.spatial.transform import Rotation
from turned_joints import turn_joint

from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.measures import moves
from selfcorrect.motion.measures.moves import JointMoves


def test_a_raised_body_moves_by_its_rise() -> None:
    motion = made_motion("walk", frames=20)
    raised = JointMoves.from_motions(motion, replace(motion, root_m=np.add(motion.root_m, (0.0, 0.03, 0.04))))
    assert raised.figures == pytest.approx({"moved_m": 0.05, "furthest_m": 0.05, "raised_m": 0.03})


@pytest.mark.parametrize("slab", [7, 4096])
def test_a_bent_knee_moves_its_shank_most(slab: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many frames are measured at once."""
    monkeypatch.setattr(moves, "SLAB", slab)
    motion = made_motion("walk", frames=20)
    knee = motion.skeleton.parts.index("left_knee")
    bent = turn_joint(motion, knee, Rotation.from_rotvec([0.5, 0.0, 0.0]), frames=slice(13, 14))
    found = JointMoves.from_motions(motion, bent)
    moved_m = np.linalg.norm(joint_positions(bent) - joint_positions(motion), axis=-1)
    assert (found.furthest_frame, found.furthest_joint) == (13, moved_m[13].argmax())
    assert found.by_joint_m == pytest.approx(moved_m.mean(axis=0))
    assert found.by_joint_m[knee] == 0.0
    assert found.raised_m == 0.0
