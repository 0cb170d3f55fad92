"""Of a simulation stays what the floor explains better; the rest is as it was followed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.body.humanoid import humanoid
from selfcorrect.simulators.body.links import onto_links
from selfcorrect.simulators.corrector import PhysicsCorrector
from selfcorrect.simulators.mending.polishing import POLISH
from selfcorrect.simulators.planning.contact_plan import plan_contacts
from selfcorrect.simulators.planning.gain import between, shares_of_gain


def shares(reference: MotionBatch, simulated: MotionBatch) -> np.ndarray:
    body = humanoid(reference.skeleton)
    return shares_of_gain(body, plan_contacts(body, onto_links(body, reference), 0.5).rest, simulated, 0.5, [()])


@pytest.fixture
def walking(walk: Motion) -> MotionBatch:
    return MotionBatch.stack([PhysicsCorrector()([walk])[0].motion])


def test_a_simulation_that_gains_nothing_is_not_kept(walking: MotionBatch) -> None:
    aside = replace(walking, root_m=walking.root_m + np.array([0.0, 0.001, 0.0]))
    assert shares(walking, aside).max() == 0.0


def test_a_simulation_that_calms_what_no_floor_explains_is_kept(walking: MotionBatch) -> None:
    times_s = np.arange(walking.root_m.shape[1]) / walking.fps
    shaken = replace(
        walking, root_m=walking.root_m + 0.1 * np.sin(15 * times_s)[None, :, None] * np.array([1.0, 0.0, 0.0])
    )
    assert shares(shaken, walking).mean() > 0.9


def test_no_share_keeps_only_what_is_fast_and_a_whole_share_all(walking: MotionBatch, walk: Motion) -> None:
    other = MotionBatch.stack([walk])
    nothing, whole = (between(walking, other, np.full((1, len(walk)), share), POLISH.fast_s) for share in (0.0, 1.0))
    np.testing.assert_allclose(joint_positions(whole), joint_positions(other), atol=1e-9)
    off_m = [
        np.linalg.norm(joint_positions(one) - joint_positions(walking), axis=-1).mean() for one in (nothing, other)
    ]
    assert off_m[0] < 0.2 * off_m[1]  # only what is fast between them


def test_a_joint_that_lost_its_way_leaves_no_trace(walking: MotionBatch) -> None:
    ankle, frames = walking.skeleton.parts.index("left_ankle"), walking.root_m.shape[1]
    wound = walking.rotations.copy()
    turns = Rotation.from_rotvec(np.linspace(1.5, 6.0, frames)[:, None] * [0.0, 1.0, 0.0])
    wound[0, :, ankle] = (Rotation.from_quat(wound[0, :, ankle]) * turns).as_quat()
    kept = between(walking, replace(walking, rotations=wound), np.zeros((1, frames)), POLISH.fast_s)
    np.testing.assert_allclose(joint_positions(kept), joint_positions(walking), atol=1e-9)


def test_a_second_correction_moves_less_than_the_first(walk: Motion) -> None:
    once = PhysicsCorrector()([walk])[0]
    twice = PhysicsCorrector()([once.motion])[0]
    first_m, second_m = (
        np.linalg.norm(joint_positions(after) - joint_positions(before), axis=-1).mean()
        for before, after in ((walk, once.motion), (once.motion, twice.motion))
    )
    assert second_m < 0.003
    assert second_m < 0.5 * first_m
