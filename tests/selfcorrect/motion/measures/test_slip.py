"""Slip is the path of bearing feet from touch-down to lift-off, wherever the motion is."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_motions import made_motion
from scipy.spatial.transform import Rotation
from turned_joints import pose_joint, shift

from selfcorrect.motion.editing.transforms import turn
from selfcorrect.motion.measures.slip import measure_slip
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.corrector import KinematicCorrector


def slide(motion: Motion, speed_m_s: float, first: int = 0) -> Motion:
    """Slide along the floor from a frame on."""
    frames = np.maximum(np.arange(len(motion)) - first, 0)
    return shift(motion, np.outer(frames / motion.fps * speed_m_s, (0.6, 0.0, 0.8)))


@pytest.mark.parametrize("fps", [30.0, 120.0])
@pytest.mark.parametrize("speed_m_s", [0.1, 0.3, 0.7])
def test_sliding_stand_slips_by_path(fps: float, speed_m_s: float) -> None:
    stand = made_motion("idle", fps=fps)
    assert measure_slip(stand).mean_m_s < 0.01
    slip = measure_slip(slide(stand, speed_m_s))
    assert slip.mean_m_s == pytest.approx(speed_m_s, abs=0.01)
    assert sum(stance.slip_m for stance in slip.stances) == pytest.approx(2 * speed_m_s * stand.seconds, rel=0.1)


@pytest.mark.parametrize("fps", [30.0, 120.0])
def test_short_slide_within_stance_slips_by_path(fps: float) -> None:
    """Only at the ends of a stance do fast frames count as landing or leaving."""
    stand = made_motion("idle", fps=fps)
    middle = len(stand) // 2
    slid_m = 0.05 * np.clip((np.arange(len(stand)) - middle) / (0.1 * fps), 0.0, 1.0)
    slips = [measure_slip(motion) for motion in (stand, shift(stand, np.outer(slid_m, (0.0, 0.0, 1.0))))]
    assert len(slips[1].stances) == len(slips[0].stances) == 2
    assert slips[1].per_stance_m - slips[0].per_stance_m == pytest.approx(0.05, abs=0.01)


@settings(max_examples=8, deadline=None)
@given(place_m=st.tuples(*[st.floats(-50, 50)] * 3), turn_rad=st.floats(-3, 3), speed_m_s=st.floats(0, 1))
def test_place_and_heading_do_not_matter(
    walk: Motion, place_m: tuple[float, ...], turn_rad: float, speed_m_s: float
) -> None:
    slides = slide(walk, speed_m_s, 15)
    seen = shift(turn(slides, turn_rad), place_m)
    given_slip, seen_slip = measure_slip(slides), measure_slip(seen)
    assert len(given_slip.stances) == len(seen_slip.stances)
    assert seen_slip.figures == pytest.approx(given_slip.figures, rel=1e-4, abs=1e-6)


@settings(max_examples=8, deadline=None)
@given(slower_m_s=st.floats(0, 1.2), added_m_s=st.floats(0.1, 0.5), first=st.integers(5, 15))
def test_faster_slides_slip_more(walk: Motion, slower_m_s: float, added_m_s: float, first: int) -> None:
    """Stances do not end where feet slide, unless they slide just before lift-off."""
    slips = [measure_slip(slide(walk, speed_m_s, first)) for speed_m_s in (slower_m_s, slower_m_s + added_m_s)]
    assert slips[1].mean_m_s > slips[0].mean_m_s


def test_speeds_add_up_to_slip(walk: Motion) -> None:
    slip = measure_slip(slide(walk, 0.3))
    total_m = sum(stance.slip_m for stance in slip.stances)
    assert np.nansum(slip.speeds_m_s) / walk.fps == pytest.approx(total_m)
    for stance in slip.stances:
        assert np.isfinite(slip.speeds_m_s[stance.first : stance.last, stance.foot]).all()


def test_rolling_feet_hardly_slip(walk: Motion) -> None:
    assert measure_slip(walk).per_stance_m < 0.03


@pytest.mark.parametrize(("label", "slip_m"), [("run", 0.01), ("spinkick", 0.008)])
def test_landing_and_leaving_are_not_slip(clips: Mapping[str, Motion], label: str, slip_m: float) -> None:
    """Feet of these captures stand still in the middle of their stances."""
    assert measure_slip(clips[label]).per_stance_m < slip_m


def test_planted_feet_hardly_slip(clips: Mapping[str, Motion]) -> None:
    """Stances of a roll begin and end with a tenth of a second of swing."""
    (correction,) = KinematicCorrector()([clips["roll"]])
    assert measure_slip(correction.motion).per_stance_m < 0.015


def point_toes(motion: Motion) -> Motion:
    """Point the toes down by 40° and raise them again, in the last third of a motion."""
    thirds = 3 * np.arange(len(motion)) / len(motion)
    bends_rad = np.radians(40) * np.sin(np.pi * np.maximum(thirds - 2, 0)) ** 2
    for part in ("left_foot", "right_foot"):
        motion = pose_joint(motion, part, Rotation.from_rotvec(np.outer(bends_rad, (1.0, 0.0, 0.0))))
    return motion


def test_toes_that_bend_about_resting_joints_do_not_slip() -> None:
    assert measure_slip(point_toes(made_motion("idle"))).per_stance_m < 0.002


@pytest.mark.parametrize("distance_m", [0.005, 0.02, 0.1, 0.5])
@pytest.mark.parametrize("has_pointed_toes", [False, True])
def test_slide_of_known_length_slips_by_it(distance_m: float, has_pointed_toes: bool) -> None:
    stand = made_motion("idle")
    given = point_toes(stand) if has_pointed_toes else stand
    slides = slide(given, distance_m / stand.seconds)
    added_m = measure_slip(slides).per_stance_m - measure_slip(given).per_stance_m
    assert added_m == pytest.approx(distance_m, rel=0.1, abs=0.001)


def test_jitter_is_not_slip() -> None:
    stand = made_motion("idle", fps=120.0)
    shaken = shift(stand, np.random.default_rng(0).normal(0, 0.002, (len(stand), 3)))
    assert measure_slip(shaken).mean_m_s < 0.1


def test_cut_is_not_slip(walk: Motion) -> None:
    at_cut = np.arange(len(walk)) >= len(walk) // 2
    cut = shift(walk, np.outer(at_cut, (2.0, 0.0, 0.0)))
    assert measure_slip(cut).mean_m_s == pytest.approx(measure_slip(walk).mean_m_s, abs=0.03)


def test_footless_body_has_no_stances(walk: Motion) -> None:
    parts = tuple("" if part.endswith(("ankle", "foot")) else part for part in walk.skeleton.parts)
    slip = measure_slip(replace(walk, skeleton=replace(walk.skeleton, parts=parts)))
    assert not slip.stances
    assert slip.figures == {"slip_m": 0.0, "slip_m_s": 0.0}
