"""Files whose world or clock is not what it seems: a tilted floor, and frames that stand twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from selfcorrect.motion.corrector_interface.repeats import FrameRepeats
from selfcorrect.motion.corrector_interface.results import CorrectedMotion, NoteKind
from selfcorrect.motion.geometry.kinematics import joint_positions
from selfcorrect.motion.geometry.views import TurnedWorld
from selfcorrect.motion.measures.contacts import standing_speeds_m_s
from selfcorrect.motion.measures.ground_plane import estimate_ground_plane
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.cleanup.clean import CleanupSettings
from selfcorrect.simulators.corrector import KinematicCorrector

from ...made_motions import KINDS, Kind, made_motion
from ...made_rigs import base_walk


def notes_of(correction: CorrectedMotion, kind: NoteKind) -> list[float | None]:
    return [note.value for note in correction.notes if note.kind is kind]


def turning_walk() -> Motion:
    """A walk along a curve, whose stances are apart along both axes of the floor."""
    return made_motion("turn", frames=180)


def tilt_world(motion: Motion, tilt_deg: float, direction_rad: float = 0.7) -> Motion:
    axis = np.array([np.cos(direction_rad), 0.0, np.sin(direction_rad)])
    return TurnedWorld(Rotation.from_rotvec(np.radians(tilt_deg) * axis)).view(motion)


@settings(max_examples=40, deadline=None)
@given(
    walks_straight=st.booleans(),
    tilt_deg=st.floats(0.0, 15.0),
    direction_rad=st.floats(0.0, 6.28),
    height_m=st.floats(-1.0, 1.0),
)
def test_the_plane_of_stances_is_that_of_the_tilted_floor(
    walks_straight: bool, tilt_deg: float, direction_rad: float, height_m: float
) -> None:
    """The places of a straight walk show its slope along the path; its posture shows that across it."""
    motion = tilt_world(base_walk() if walks_straight else turning_walk(), tilt_deg, direction_rad)
    plane = estimate_ground_plane(replace(motion, root_m=motion.root_m + np.array([0.0, height_m, 0.0])))
    assert plane.tilt_deg == pytest.approx(tilt_deg, abs=1.5)


def test_stairs_are_no_tilted_floor() -> None:
    """Steps of 17 cm every 0.65 m: as steep as 15 degrees, but feet land on different heights."""
    walk = turning_walk()
    frames = np.arange(len(walk))
    climbed_m = 0.17 * np.floor(frames / 40)
    plane = estimate_ground_plane(replace(walk, root_m=walk.root_m + climbed_m[:, None] * np.array([0.0, 1.0, 0.0])))
    assert plane.tilt_deg < 1.0


@pytest.mark.parametrize("tilt_deg", [5.0, 8.0, 15.0])
def test_a_motion_in_a_tilted_world_is_corrected_on_its_plane(tilt_deg: float) -> None:
    level = turning_walk()
    motion = tilt_world(level, tilt_deg)
    (correction,) = KinematicCorrector()([motion])
    (on_level,) = KinematicCorrector()([level])
    (tilt,) = notes_of(correction, NoteKind.TILTED)
    assert tilt == pytest.approx(tilt_deg, abs=1.5)
    before_m_s, after_m_s = standing_speeds_m_s(motion, correction.motion)
    assert after_m_s < before_m_s + 0.005
    apart_m = joint_positions(correction.motion) - joint_positions(tilt_world(on_level.motion, tilt_deg))
    assert np.linalg.norm(apart_m, axis=-1).max() < 0.08
    assert not notes_of(on_level, NoteKind.TILTED)


@settings(max_examples=15, deadline=None)
@given(tilt_deg=st.floats(4.0, 15.0), direction_rad=st.floats(0.0, 6.28), heading_rad=st.floats(0.0, 6.28))
def test_correction_commutes_with_the_tilt_of_the_world(
    tilt_deg: float, direction_rad: float, heading_rad: float
) -> None:
    level = TurnedWorld(Rotation.from_rotvec([0.0, heading_rad, 0.0])).view(base_walk())
    (on_level,) = KinematicCorrector()([level])
    (on_plane,) = KinematicCorrector()([tilt_world(level, tilt_deg, direction_rad)])
    expected = tilt_world(on_level.motion, tilt_deg, direction_rad)
    apart_m = np.linalg.norm(joint_positions(on_plane.motion) - joint_positions(expected), axis=-1)
    assert apart_m.max() < 0.05
    assert notes_of(on_plane, NoteKind.TILTED) == [pytest.approx(tilt_deg, abs=1.5)]


@settings(max_examples=25, deadline=None)
@given(kind=st.sampled_from(KINDS), tilt_deg=st.floats(3.0, 15.0), direction_rad=st.floats(0.0, 6.28))
def test_standing_feet_do_not_slide_faster_in_a_tilted_world(kind: Kind, tilt_deg: float, direction_rad: float) -> None:
    """If they would, the motion is kept, with a note."""
    motion = tilt_world(made_motion(kind), tilt_deg, direction_rad)
    (correction,) = KinematicCorrector()([motion])
    before_m_s, after_m_s = correction.before["standing_m_s"], correction.after["standing_m_s"]
    if np.isfinite(before_m_s):
        assert after_m_s <= 1.25 * before_m_s + 0.02
    if notes_of(correction, NoteKind.FEET_KEPT):
        np.testing.assert_allclose(joint_positions(correction.motion), joint_positions(motion), atol=1e-9)


@pytest.mark.parametrize("direction_rad", [0.0, 0.8, 1.6, 2.4])
def test_a_tilted_world_is_levelled_on_request(direction_rad: float) -> None:
    motion = tilt_world(base_walk(), 9.0, direction_rad)
    (correction,) = KinematicCorrector(CleanupSettings(level=True))([motion])
    (on_level,) = KinematicCorrector()([base_walk()])
    assert notes_of(correction, NoteKind.LEVELLED) == [pytest.approx(9.0, abs=1.5)]
    assert not notes_of(correction, NoteKind.TILTED)
    assert estimate_ground_plane(correction.motion).tilt_deg < 1.0
    heights_m = joint_positions(correction.motion)[..., 1]
    assert np.abs(heights_m - joint_positions(on_level.motion)[..., 1]).max() < 0.03


def test_a_level_world_is_not_levelled() -> None:
    (levelled,) = KinematicCorrector(CleanupSettings(level=True))([base_walk()])
    (plain,) = KinematicCorrector()([base_walk()])
    assert not notes_of(levelled, NoteKind.LEVELLED)
    np.testing.assert_array_equal(levelled.motion.root_m, plain.motion.root_m)


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("first", [0, 1])
def test_repeated_frames_are_corrected_as_without_repeats(count: int, first: int) -> None:
    walk = made_motion("walk", frames=90)
    walk = replace(walk, root_m=walk.root_m + 0.04 * np.sin(np.arange(90) / 5)[:, None] * np.array([1.0, 0.0, 0.0]))
    sources = np.repeat(np.arange(90), count)[first:]
    repeated = replace(walk.select_frames(sources), fps=count * walk.fps)
    correction, alone = KinematicCorrector()([repeated, walk])
    assert correction.motion.fps == repeated.fps
    np.testing.assert_array_equal(correction.motion.root_m, alone.motion.root_m[sources])
    np.testing.assert_array_equal(correction.motion.rotations, alone.motion.rotations[sources])
    assert notes_of(correction, NoteKind.REPEATED_FRAMES) == [count]


@pytest.mark.parametrize("kind", ["walk", "idle", "hop"])
def test_motions_without_repeats_have_none(kind) -> None:
    assert FrameRepeats.from_motion(made_motion(kind)) == FrameRepeats()


def test_a_pose_that_is_held_is_no_repeat() -> None:
    walk = made_motion("walk", frames=60)
    paused = walk.select_frames(np.r_[:30, np.full(40, 30), 30:60])
    assert FrameRepeats.from_motion(paused) == FrameRepeats()
