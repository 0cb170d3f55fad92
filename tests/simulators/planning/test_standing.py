"""Feet stand where the mended motion has them, swing as there unless a simulation is kept, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from selfcorrect.motion.kinematics import forward_kinematics, joint_positions
from selfcorrect.motion.measures.contacts import foot_contacts
from selfcorrect.motion.measures.physical import physical_errors
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.corrector import KinematicCorrector, PhysicsCorrector
from selfcorrect.simulators.planning.standing import standing_as


@pytest.fixture
def mended(walk: Motion) -> MotionBatch:
    return MotionBatch.stack([KinematicCorrector()([walk])[0].motion])


def whole(motions: MotionBatch) -> np.ndarray:
    """All of the motions is simulated."""
    return np.ones(motions.root_m.shape[:2])


def ankles_m(motions: MotionBatch) -> np.ndarray:
    return joint_positions(motions)[
        ..., [motions.skeleton.parts.index(f"{side}_ankle") for side in ("left", "right")], :
    ]


@pytest.mark.parametrize("simulated", [0.0, 1.0])
def test_feet_swing_as_simulated_where_that_is_kept_and_else_as_mended(mended: MotionBatch, simulated: float) -> None:
    aside = replace(mended, root_m=mended.root_m + np.array([0.0, -0.01, 0.02]))
    swings = foot_contacts(mended, longest_gap_s=0.6).sum(axis=(0, 1)) < len(mended.root_m[0])
    assert swings.any()
    off_m = np.linalg.norm(ankles_m(standing_as(aside, mended, simulated * whole(aside))) - ankles_m(mended), axis=-1)
    assert (off_m.max() > 0.02) == bool(simulated)


def test_feet_that_were_moved_with_the_body_stand_again(mended: MotionBatch) -> None:
    aside = replace(mended, root_m=mended.root_m + np.array([0.0, -0.01, 0.02]))
    result = standing_as(aside, mended, whole(aside))
    stands = foot_contacts(mended)
    assert stands.any(axis=(0, 1)).all()
    ankles = [mended.skeleton.parts.index(f"{side}_ankle") for side in ("left", "right")]
    for motions, most_m in ((aside, None), (result, 0.001)):
        places = forward_kinematics(motions.skeleton, motions.root_m, motions.rotations)
        wanted = forward_kinematics(mended.skeleton, mended.root_m, mended.rotations)
        off_m = np.linalg.norm(places[0][..., ankles, :] - wanted[0][..., ankles, :], axis=-1)[stands]
        assert off_m.max() == pytest.approx(np.hypot(0.01, 0.02)) if most_m is None else off_m.max() < most_m
    above = [joint for joint, part in enumerate(mended.skeleton.parts) if not part.endswith(("knee", "ankle", "foot"))]
    np.testing.assert_allclose(joint_positions(result)[..., above, :], joint_positions(aside)[..., above, :], atol=1e-9)


def test_what_stands_already_stays(mended: MotionBatch) -> None:
    off_m = np.linalg.norm(
        joint_positions(standing_as(mended, mended, whole(mended))) - joint_positions(mended), axis=-1
    )
    assert off_m.max() < 0.001


def test_physics_slides_no_more_than_kinematics(walk: Motion) -> None:
    kinematic, physical = (
        physical_errors(MotionBatch.stack([corrector([walk])[0].motion])).skate_m_s[0]
        for corrector in (KinematicCorrector(), PhysicsCorrector())
    )
    assert physical < kinematic + 0.002
