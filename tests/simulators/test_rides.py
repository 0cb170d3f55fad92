"""Bodies that stand on a lift are corrected as on a floor that rests, and nothing else is taken for a lift."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfcorrect.motion.corrector_interface.results import NoteKind
from selfcorrect.motion.corrector_interface.rides import Ride
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.corrector import KinematicCorrector

from ..made_motions import KINDS, Kind, made_motion

UP = np.array([0.0, 1.0, 0.0])


def idle_above_floor(height_m: float) -> Motion:
    motion = made_motion("idle", frames=150)
    return replace(motion, root_m=motion.root_m + height_m * UP)


def make_rises_m(frames: int, height_m: float, *, is_even: bool) -> np.ndarray:
    """Height of a lift, which starts after a fifth of the frames and stops a fifth before their end."""
    share = np.clip((np.arange(frames) / frames - 0.2) / 0.6, 0.0, 1.0)
    return height_m * (share if is_even else share**2 * (3 - 2 * share))


@pytest.mark.parametrize(("height_m", "is_even"), [(3.0, True), (3.0, False), (-4.0, False)])
def test_a_ride_is_corrected_as_standing_on_a_floor(height_m: float, is_even: bool) -> None:
    level = idle_above_floor(-0.06)
    rises_m = make_rises_m(len(level), height_m, is_even=is_even)
    carried = replace(level, root_m=level.root_m + rises_m[:, None] * UP)
    on_floor, on_lift = KinematicCorrector()([level, carried])
    assert [note.value for note in on_lift.notes if note.kind is NoteKind.RIDE] == [pytest.approx(height_m, abs=0.02)]
    expected_m = joint_positions(on_floor.motion) + rises_m[:, None, None] * UP
    assert np.abs(joint_positions(on_lift.motion) - expected_m).max() < 0.02
    assert np.abs(joint_positions(on_floor.motion) - joint_positions(level)).max() > 0.03, "there is something to mend"


@settings(max_examples=20, deadline=None)
@given(kind=st.sampled_from(KINDS), slope=st.floats(-0.4, 0.4), pace=st.floats(0.6, 1.5))
def test_walks_and_jumps_up_a_slope_are_no_rides(kind: Kind, slope: float, pace: float) -> None:
    motion = made_motion(kind, pace, frames=150)
    travelled_m = np.linalg.norm(motion.root_m - motion.root_m[0], axis=1)
    ride = Ride.from_motion(replace(motion, root_m=motion.root_m + slope * travelled_m[:, None] * UP))
    assert ride.rises_m is None or ride.kind is NoteKind.RISES


def test_a_flight_is_no_ride() -> None:
    """Jumps of 1.8 m on a trampoline last 1.2 s."""
    motion = made_motion("idle", frames=90)
    seconds = np.arange(90) / motion.fps % 1.2
    height_m = 9.81 / 2 * seconds * (1.2 - seconds)
    assert height_m.max() > 1.7
    assert Ride.from_motion(replace(motion, root_m=motion.root_m + height_m[:, None] * UP)).rises_m is None
