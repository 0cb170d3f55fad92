"""The corrector's benchmarks: their measures on known answers, their tables on a real clip."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from selfcorrect.datasets.deepmimic import load_deepmimic
from selfcorrect.experiments.benchmarks import correction, throughput, tracking
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.settings import TrackerSettings


@pytest.fixture(scope="module")
def walk() -> Motion:
    return next(clip for clip in load_deepmimic() if clip.label == "walk")


def test_a_motion_has_no_distance_to_itself(walk):
    errors = tracking.tracking_errors(walk, walk)
    assert errors.mpjpe_mm == errors.acceleration_mm == 0
    assert errors.relative_mm == pytest.approx(0.0, abs=1e-9)
    assert errors.jerk_mm > 0


def test_a_shifted_motion_is_off_by_its_shift_and_not_relative_to_its_root(walk):
    errors = tracking.tracking_errors(walk, correction.moved(0.08)(walk, np.random.default_rng(0)))
    assert errors.mpjpe_mm == pytest.approx(80.0)
    assert errors.relative_mm == pytest.approx(0.0, abs=1e-9)
    assert errors.acceleration_mm == pytest.approx(0.0, abs=1e-9)
    assert errors.floating_mm > 70


def test_acceleration_errors_are_second_differences(walk):
    """A root that goes to and fro by 1 mm from frame to frame is off by 4 mm in second differences."""
    zigzag = 0.001 * (-1.0) ** np.arange(len(walk))[:, None] * [1.0, 0.0, 0.0]
    errors = tracking.tracking_errors(walk, replace(walk, root_m=walk.root_m + zigzag))
    assert errors.mpjpe_mm == pytest.approx(1.0)
    assert errors.acceleration_mm == pytest.approx(4.0)


@pytest.mark.parametrize("name", correction.SPOILS)
def test_spoiled_clips_are_as_bad_as_they_say(walk, name):
    spoiled = correction.SPOILS[name](walk, np.random.default_rng(0))
    moved_m = np.linalg.norm(joint_positions(spoiled) - joint_positions(walk), axis=-1)
    assert (moved_m.max() == 0) == (name == "clean")
    assert np.isfinite(moved_m).all()
    assert len(spoiled) == len(walk)


def test_a_clip_is_measured_before_and_after_both_corrections(walk):
    result = tracking.measure(replace(walk, source="set/walk.bvh"), TrackerSettings())
    assert result.correction.accepted
    assert result.before.mpjpe_mm == 0
    assert 0 < result.kinematic.mpjpe_mm < result.physical.mpjpe_mm
    assert 0 < result.engine_seconds < result.seconds
    table = tracking.table([result])
    assert "walk" in table
    assert "1/1" in table
    assert "x real time per core" in table


def test_as_many_short_motions_as_asked_for_are_cut():
    motions = throughput.windows(300)
    assert len(motions) == 300
    assert {len(motion) for motion in motions} == {48}


def test_throughput_is_printed_for_each_corrector(capsys):
    throughput.main(throughput.Arguments(count=2, workers=1))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("2 motions of 48 frames")
    assert sum("x real time" in line and "2 accepted" in line for line in lines) == 3
