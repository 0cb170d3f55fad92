"""Moves of the whole body are measured: how far, in which frames, and what standing feet show of them."""

import numpy as np
import pytest
from made_motions import made_motion
from turned_joints import shift

from selfcorrect.commands.correct.body_moves import MIN_M, find_body_moves
from selfcorrect.motion.editing.transforms import raise_motion

WALK = made_motion("walk", frames=120)


@pytest.mark.parametrize("up_m", [0.12, -0.08])
def test_floating_stretch_is_named(up_m: float) -> None:
    (rise,) = find_body_moves(raise_motion(WALK, up_m * (np.arange(120) // 40 == 1)), WALK)
    assert (rise.first_frame, rise.last_frame, rise.along_m) == (40, 79, 0.0)
    assert rise.up_m == pytest.approx(-up_m)
    assert rise.before is not None
    assert rise.after is not None
    assert rise.before - rise.after == pytest.approx(up_m)
    assert abs(rise.after) < 0.02


def test_floor_move_spans_all_frames() -> None:
    (rise,) = find_body_moves(raise_motion(WALK, -0.3), WALK)
    assert (rise.first_frame, rise.last_frame) == (0, 119)
    assert rise.up_m == pytest.approx(0.3)
    assert rise.before == pytest.approx(-0.3, abs=0.02)


def test_sliding_feet_are_named() -> None:
    standing = made_motion("idle", frames=120)
    drift_m = 0.4 * np.clip(np.arange(120) - 30, 0, 60) / 30
    (slide,) = find_body_moves(shift(standing, np.outer(drift_m, [1.0, 0.0, 0.0])), standing)
    assert slide.first_frame == pytest.approx(30, abs=1)
    assert slide.last_frame == pytest.approx(90, abs=1)
    assert slide.along_m == pytest.approx(0.8, abs=0.02)
    assert slide.before == pytest.approx(0.4, abs=0.02)
    assert slide.after == pytest.approx(0.0, abs=0.02)


def test_small_moves_are_omitted() -> None:
    assert find_body_moves(raise_motion(WALK, 0.9 * MIN_M), WALK) == []
    jump = made_motion("hop", frames=12)
    for moved in find_body_moves(raise_motion(jump, 0.2), jump):
        assert (moved.before is None) == (moved.after is None)
        assert str(moved).endswith("no foot stands there") == (moved.before is None)
