"""The corrector's benchmarks: their measures on known answers, their tables on a real clip."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import faults, tracking
from selfcorrect.motion.geometry.kinematics import joint_positions
from selfcorrect.simulators.settings.tracker import TrackerSettings


def test_a_motion_has_no_distance_to_itself(walk):
    errors = tracking.measure_errors(walk, walk)
    assert errors.mpjpe_mm == errors.acceleration_mm == 0
    assert errors.relative_mm == pytest.approx(0.0, abs=1e-9)
    assert errors.jerk_mm > 0


def test_a_shifted_motion_is_off_by_its_shift_and_not_relative_to_its_root(walk):
    errors = tracking.measure_errors(walk, faults.shift_height(0.08)(walk, np.random.default_rng(0)))
    assert errors.mpjpe_mm == pytest.approx(80.0)
    assert errors.relative_mm == pytest.approx(0.0, abs=1e-9)
    assert errors.acceleration_mm == pytest.approx(0.0, abs=1e-9)
    assert errors.floating_mm > 70


def test_acceleration_errors_are_second_differences(walk):
    """A root that goes to and fro by 1 mm from frame to frame is off by 4 mm in second differences."""
    zigzag = 0.001 * (-1.0) ** np.arange(len(walk))[:, None] * [1.0, 0.0, 0.0]
    errors = tracking.measure_errors(walk, replace(walk, root_m=walk.root_m + zigzag))
    assert errors.mpjpe_mm == pytest.approx(1.0)
    assert errors.acceleration_mm == pytest.approx(4.0)


def test_a_clip_is_measured_before_and_after_both_corrections(walk):
    (result,) = tracking.measure([replace(walk, source="set/walk.bvh")], TrackerSettings())
    assert result.correction.accepted
    assert result.before.mpjpe_mm == 0
    assert 0 < result.kinematic.mpjpe_mm < result.physical.mpjpe_mm
    distances_m = np.linalg.norm(joint_positions(result.correction.motion) - joint_positions(walk), axis=-1)
    assert result.furthest_m == pytest.approx(distances_m.mean(axis=1).max())
    table = tracking.table([result])
    assert "walk" in table
    assert "1/1" in table


def test_a_clip_that_was_left_behind_in_one_frame_is_no_success(walk):
    (result,) = tracking.measure([walk], TrackerSettings())
    assert result.success
    lost = replace(result, furthest_m=0.51)
    assert not lost.success
    lines = tracking.table([result, lost]).splitlines()
    assert sum("1/2" in line for line in lines) == 2  # of the category and of all
    worst = lines[next(index for index, line in enumerate(lines) if line.startswith("worst")) + 1]
    assert " 510 " in worst
