"""Observations ignore dips, noise and slides.

Heights move with a motion, and none of these changes what stands.
"""

import tracemalloc
import weakref
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from turned_joints import shift

from selfcorrect.motion.body.smpl import to_smpl
from selfcorrect.motion.editing.transforms import raise_motion
from selfcorrect.motion.geometry.rotations import compose
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.perception import stances
from selfcorrect.motion.perception.observation import Observation, observe
from selfcorrect.motion.perception.observed_ground import observe_ground
from selfcorrect.motion.views import JointOrder, LevelFeet, ScaledBody, ShiftedWorld

from ....made_motions import KINDS, Kind, dip_toes, made_motion, walk_with_stances


def score(observation: Observation, stands: np.ndarray) -> float:
    """F1 of the frames in which feet stand."""
    return 2 * (observation.stands & stands).sum() / (observation.stands.sum() + stands.sum())


@settings(max_examples=15, deadline=None)
@given(kind=st.sampled_from(KINDS), height_m=st.floats(-3.0, 3.0), pace=st.floats(0.6, 1.3))
def test_shift_moves_floor_only(kind: Kind, height_m: float, pace: float) -> None:
    motion = made_motion(kind, pace, frames=60)
    low = observe(motion)
    high = observe(shift(motion, np.array([0.0, height_m, 0.0])))
    np.testing.assert_array_equal(high.standing, low.standing)
    np.testing.assert_array_equal(high.bearing, low.bearing)
    np.testing.assert_allclose(high.levels_m - low.levels_m, height_m, atol=1e-8)
    assert high.floor_m - low.floor_m == pytest.approx(height_m, abs=1e-8)


@pytest.mark.parametrize(
    "change",
    [
        lambda motion: raise_motion(motion, 0.37),
        lambda motion: ShiftedWorld(np.array([0.0, -1.2, 0.0])).view(motion),
        lambda motion: JointOrder.canonical(motion.skeleton).view(motion),
        lambda motion: LevelFeet(observe_ground(motion).feet).view(motion),
        lambda motion: MotionBatch.stack([motion])[0],
    ],
    ids=["raised", "lowered", "joint order", "level feet", "stacked"],
)
def test_shared_stances_are_those_perceived_anew(clips: dict[str, Motion], change: Callable[[Motion], Motion]) -> None:
    motion = to_smpl(clips["walk"])
    changed = change(motion)
    assert changed is not motion
    assert observe(changed).standing is observe(motion).standing
    anew = observe(replace(changed, root_m=changed.root_m + 1e-7 * np.sin(np.arange(len(changed)))[:, None]))
    assert anew.standing is not observe(motion).standing
    np.testing.assert_allclose(anew.standing, observe(changed).standing, atol=1e-3)
    assert anew.floor_m == pytest.approx(observe(changed).floor_m, abs=1e-6)


def test_other_shifts_share_no_stances() -> None:
    motion = made_motion("walk", frames=40)
    for changed in (
        raise_motion(motion, np.linspace(0.0, 0.2, 40)),
        ShiftedWorld(np.array([0.1, 0.2, 0.0])).view(motion),
    ):
        assert observe(changed).standing is not observe(motion).standing
    assert not len(raise_motion(motion.frames(0, 0), np.zeros(0)))


@pytest.mark.parametrize("label", ["walk", "spinkick"])
def test_child_soles_scale(clips: dict[str, Motion], label: str) -> None:
    adult = clips[label]
    for body in (adult, to_smpl(adult)):  # without and with toe joints
        child = ScaledBody(0.6).view(body)
        assert observe(child).sole_depth_m == pytest.approx(0.6 * observe(body).sole_depth_m)


@pytest.mark.filterwarnings("error")
def test_held_foot_has_no_vote() -> None:
    """A held foot does not vote.

    Here its stances are the only ones of its heel, so none votes for the floor.
    """
    observation = observe(made_motion("turn", 6.52, 6.52, 7, bend_rad=0.25))
    assert np.isfinite([observation.floor_m, *observation.levels_m]).all()


@pytest.mark.parametrize("dip_m", [0.01, 0.02, 0.03, 0.04, 0.05])
def test_dipping_toes_do_not_set_floor(dip_m: float) -> None:
    motion, stands = walk_with_stances()
    floor_m = observe(motion).floor_m
    assert observe(dip_toes(motion, stands, dip_m)).floor_m == pytest.approx(floor_m, abs=0.005)


@pytest.mark.parametrize("fps", [20.0, 30.0, 60.0, 120.0])
def test_feet_that_stand_are_found(fps: float) -> None:
    motion, stands = walk_with_stances(fps, frames=round(4 * fps))
    assert score(observe(motion), stands) > 0.9


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 99))
def test_noise_hides_nothing(seed: int) -> None:
    motion, stands = walk_with_stances()
    generator = np.random.default_rng(seed)
    noise = Rotation.from_rotvec(generator.normal(0, 0.02, (motion.rotations[..., :3].size // 3, 3)))
    rotations = (Rotation.from_quat(motion.rotations.reshape(-1, 4)) * noise).as_quat()
    noisy = replace(motion, rotations=rotations.reshape(motion.rotations.shape))
    noisy = shift(noisy, generator.normal(0, 0.004, motion.root_m.shape))
    observation = observe(noisy)
    assert score(observation, stands) > 0.8
    assert observation.floor_m == pytest.approx(observe(motion).floor_m, abs=0.012)
    assert (observation.noise_m > 0.002).all()


def test_flying_body_bears_no_load() -> None:
    motion = made_motion("hop", frames=120)
    apex = motion.root_m[:, 1] > np.percentile(motion.root_m[:, 1], 80)
    assert not observe(motion).touches[apex].any()


def test_restless_feet_do_not_stand() -> None:
    motion = made_motion("run", frames=60)
    times_s = np.arange(60) / 30
    circling_m = 0.6 * np.stack([np.cos(9 * times_s), np.sin(11 * times_s), np.sin(7 * times_s)], axis=1)
    assert observe(shift(motion, circling_m)).stands.mean() < 0.25


def test_hovering_stance_contradicts_floor() -> None:
    motion, stands = walk_with_stances()
    start, stop = np.flatnonzero(np.diff(stands[:, 0].astype(int)))[1:3] + 1
    lift_m = np.zeros((120, 3))
    lift_m[start:stop, 1] = 0.04
    observation = observe(shift(motion, lift_m))
    assert observation.floor_m == pytest.approx(observe(motion).floor_m, abs=0.01)
    assert (observation.off_m[start + 2 : stop - 2, 0] > 0.02).mean() > 0.7
    assert (observe(motion).off_m != 0).mean() < 0.03


def test_other_speeds_use_own_stances() -> None:
    motion, _ = walk_with_stances()
    slides = shift(motion, np.arange(120)[:, None] / 30 * [0.3, 0.0, 0.0])
    lifted = shift(slides, np.array([0.0, 0.5, 0.0]))
    observation = observe(motion)
    standing_m_s = observation.standing_speed_m_s(motion)
    assert observation.standing_speed_m_s(slides) == pytest.approx(0.3, abs=0.05 + standing_m_s)
    assert observation.standing_speed_m_s(lifted) == pytest.approx(observation.standing_speed_m_s(slides), abs=1e-9)


@pytest.mark.parametrize("frames", [0, 1, 2, 4, 5])
def test_short_motions_are_observed(frames: int) -> None:
    observation = observe(made_motion("walk", frames=20).frames(0, frames))
    assert observation.standing.shape == (frames, 2, 2)
    assert np.isfinite(observation.floor_m)
    assert np.isfinite(observation.off_m).all()


def test_footless_body_shows_no_floor() -> None:
    motion = made_motion("walk", frames=20)
    parts = tuple("" if "ankle" in part else part for part in motion.skeleton.parts)
    observation = observe(replace(motion, skeleton=replace(motion.skeleton, parts=parts)))
    assert not observation.has_feet
    assert not observation.touches.any()
    assert observation.floor_m == 0.0


def test_observations_are_cached_weakly() -> None:
    motion = made_motion("walk", frames=20)
    observation = observe(motion)
    assert observation.stands.any()
    assert observe(motion) is observation
    assert observe(replace(motion)) is not observation
    reference = weakref.ref(motion)
    del motion
    assert reference() is None


def test_many_votes_need_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many votes need little memory.

    All pairs of votes of a recording of an hour would take gigabytes.
    """
    heights_m = np.random.default_rng(0).normal(0.02, 0.01, 4000)
    weights = np.linspace(0.5, 1.0, 4000)
    tracemalloc.start()
    floor_m, near = stances._find_lowest_mode(heights_m, weights, 0.01)
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most_bytes < heights_m.nbytes * len(heights_m)
    monkeypatch.setattr(stances, "_MAX_PAIRS", len(heights_m) ** 2)
    floor_at_once_m, near_at_once = stances._find_lowest_mode(heights_m, weights, 0.01)
    assert floor_m == pytest.approx(floor_at_once_m, abs=1e-12)
    np.testing.assert_allclose(near, near_at_once, rtol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_shaking_leg_stands(seed: int) -> None:
    """A leg that shakes by 5° for a second stands in the frames of the still one."""
    motion, stands = walk_with_stances(frames=120)
    leg = [motion.skeleton.parts.index(f"left_{part}") for part in ("hip", "knee", "ankle")]
    shaking = motion.rotations.copy()
    noise_rad = np.radians(5.0) * np.random.default_rng(seed).normal(size=(30 * len(leg), 3))
    turns = Rotation.from_rotvec(noise_rad).as_quat().reshape(30, len(leg), 4)
    shaking[40:70, leg] = compose(shaking[40:70, leg], turns)
    found = observe(replace(motion, rotations=shaking)).stands
    np.testing.assert_allclose(found[40:70, 0].mean(), stands[40:70, 0].mean(), atol=0.15)
    assert score(observe(replace(motion, rotations=shaking)), stands) > 0.9
