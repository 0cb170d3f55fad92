from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from selfcorrect.motion.kinematics import forward_kinematics
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.simulators.body.humanoid import humanoid
from selfcorrect.simulators.body.links import onto_links
from selfcorrect.simulators.mending.precondition import PreconditionSettings
from selfcorrect.simulators.pipeline import precondition
from selfcorrect.simulators.planning.contact_plan import plan_contacts
from selfcorrect.simulators.planning.foot_placement import foot_moves, place_feet

FRICTION = 0.5
FRAMES, CORNERS = 20, 4
ARMS_M = np.tile(
    [[0.04, -0.08, -0.05], [-0.04, -0.08, -0.05], [0.04, -0.08, 0.13], [-0.04, -0.08, 0.13]], (1, 20, 2, 1, 1)
)


def pressed(heights_m: list[float], load: list[float]) -> np.ndarray:
    """Heights of a foot's corners (heel pair, toe pair) after it was brought down in a still motion."""
    heights, loads = (np.tile(np.array(values), (1, FRAMES, 2, 1)) for values in (heights_m, load))
    rise_m, turns_rad = foot_moves(heights, ARMS_M, loads, fps=30.0)
    turned = Rotation.from_rotvec(turns_rad[0, 10, 0]).apply(ARMS_M[0, 10, 0])
    return np.array(heights_m) + (turned - ARMS_M[0, 10, 0])[:, 1] + rise_m[0, 10, 0]


def test_a_loaded_toe_that_hovers_is_pressed_down_and_the_heel_stays_out_of_the_floor():
    before = [0.0, 0.0, 0.01, 0.01]
    after = pressed(before, [1.0, 1.0, 1.0, 1.0])
    assert after[2:].max() < 0.005
    assert after.min() > -1e-4


def test_a_foot_that_carries_nothing_stays():
    before = [0.02, 0.02, 0.05, 0.05]
    assert np.allclose(pressed(before, [0.0] * CORNERS), before)


def test_a_flat_foot_on_the_floor_stays():
    assert np.allclose(pressed([0.0] * CORNERS, [1.0] * CORNERS), 0.0)


def test_feet_of_a_mirrored_pair_turn_as_mirror_images():
    left = pressed([0.0, 0.01, 0.0, 0.01], [1.0] * CORNERS)
    right = pressed([0.01, 0.0, 0.01, 0.0], [1.0] * CORNERS)
    assert np.allclose(left[[1, 0, 3, 2]], right)


@pytest.mark.parametrize("label", ["walk", "run", "jump"])
def test_loads_lie_lower_afterwards_and_the_body_above_the_ankles_stays(clips, label):
    mended = precondition(MotionBatch.stack([clips[label]]), PreconditionSettings())
    body = humanoid(mended.motions.skeleton, soles=mended.soles)
    links = onto_links(body, mended.motions)
    trodden = place_feet(body, links, FRICTION)
    before, after = (hovering_m(body, motions) for motions in (links, trodden))
    assert after < before
    positions_m = [forward_kinematics(body.tree, motions.root_m, motions.rotations)[0] for motions in (links, trodden)]
    hip = body.tree.joint("left_hip")
    assert np.allclose(positions_m[0][..., hip, :], positions_m[1][..., hip, :])


def hovering_m(body, motions) -> float:
    """Mean height of the soles' corners, weighted by what they are to carry."""
    plan, corners = plan_contacts(body, motions, FRICTION), slice(len(body.soles))
    load_n = plan.force_n[:, :, corners, 1]
    return float(np.sum(load_n * np.abs(plan.points_m[:, :, corners, 1])) / load_n.sum())
