"""Feet stand where they stood on a body with other bone lengths."""

from dataclasses import replace

import numpy as np
import pytest
from made_motions import made_motion
from made_rigs import base_walk

from selfcorrect.datasets.files.people.other_body import keep_feet_in_place
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.observation import Observation, find_feet_m, observe


def scale_body(motion: Motion, share: float) -> Motion:
    """Scale the body; keep the poses and root path."""
    return replace(motion, skeleton=replace(motion.skeleton, offsets_m=share * motion.skeleton.offsets_m))


@pytest.fixture(scope="module", params=[0.0, 0.7, -0.3])
def walk(request: pytest.FixtureRequest) -> Motion:
    motion = made_motion("walk", 1.0, frames=90)
    return replace(motion, root_m=motion.root_m + np.array([3.0, request.param, -2.0]))


@pytest.mark.parametrize("share", [0.8, 1.15])
def test_larger_body_takes_larger_steps(walk: Motion, share: float) -> None:
    """The whole motion is scaled about the floor.

    The depth of soles is the exception.
    """
    placed = keep_feet_in_place(walk, scale_body(walk, share))
    floor_m = observe(walk).floor_m
    assert observe(placed).floor_m == pytest.approx(floor_m, abs=2e-3)
    pivot_m = walk.root_m[0] * [1.0, 0.0, 1.0] + [0.0, floor_m, 0.0]
    scaled_m = pivot_m + share * (walk.root_m - pivot_m)
    np.testing.assert_allclose(placed.root_m[:, [0, 2]], scaled_m[:, [0, 2]], atol=5e-3)
    assert np.ptp(placed.root_m[:, 1] - scaled_m[:, 1]) < 5e-3
    unplaced = scale_body(walk, share)
    assert abs(observe(unplaced).floor_m - floor_m) > 0.05, "without the root path of its own it sinks or floats"


def test_other_proportions_keep_feet_still(walk: Motion) -> None:
    offsets_m = walk.skeleton.offsets_m.copy()
    for side in ("left", "right"):
        offsets_m[walk.skeleton.joint(f"{side}_knee")] *= 1.2
        offsets_m[walk.skeleton.joint(f"{side}_ankle")] *= 0.9
    posed = replace(walk, skeleton=replace(walk.skeleton, offsets_m=offsets_m))
    placed = keep_feet_in_place(walk, posed)
    observation = observe(walk)
    speeds_m_s = [observation.standing_speed_m_s(motion) for motion in (walk, posed, placed)]
    assert speeds_m_s[2] < min(speeds_m_s[1], speeds_m_s[0] + 0.05)
    heights_m = find_feet_m(placed)[:, :, -1, 1][observation.stands]
    assert np.std(heights_m) < np.std(find_feet_m(posed)[:, :, -1, 1][observation.stands]) + 1e-3


@pytest.mark.parametrize("shares", [(1.0, 1.5), (1.0, 0.6), (1.2, 1.0), (0.85, 1.0), (0.85, 1.4)])
def test_rolling_feet_slide_no_faster(shares: tuple[float, float]) -> None:
    """Longer legs speed up the motion in proportion."""
    walk = base_walk(2)
    offsets_m = walk.skeleton.offsets_m.copy()
    for part, share in (("knee", shares[0]), ("ankle", shares[0]), ("foot", shares[1])):
        offsets_m[list(walk.skeleton.pair(part) or ())] *= share
    placed = keep_feet_in_place(walk, replace(walk, skeleton=replace(walk.skeleton, offsets_m=offsets_m)))
    observation = observe(walk)
    before_m_s = measure_slide_m_s(walk, observation)
    after_m_s = measure_slide_m_s(placed, observation)
    assert after_m_s < 1.1 * shares[0] * before_m_s + 0.01


def measure_slide_m_s(motion: Motion, observation: Observation) -> float:
    """Mean horizontal speed of heels and toes that stand."""
    velocities_m_s = np.gradient(find_feet_m(motion)[..., [0, 2]], 1 / motion.fps, axis=0)
    return float(np.average(np.linalg.norm(velocities_m_s, axis=-1), weights=observation.standing))


def test_same_legs_keep_every_number(walk: Motion) -> None:
    posed = replace(walk, skeleton=replace(walk.skeleton, offsets_m=walk.skeleton.offsets_m.copy()))
    assert keep_feet_in_place(walk, posed) is posed


def test_legless_skeleton_keeps_path() -> None:
    walk = made_motion("walk", 1.0, frames=20)
    bare = replace(walk, skeleton=replace(walk.skeleton, parts=("",) * len(walk.skeleton)))
    assert bare.skeleton.leg_m == 0.0
    assert keep_feet_in_place(bare, walk) is walk
