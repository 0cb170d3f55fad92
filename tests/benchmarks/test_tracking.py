"""The corrector's benchmarks: their measures on known answers, their tables on a real clip."""

import multiprocessing
import re
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import faults, judge, spoiled_clips, throughput, tracking
from selfcorrect.motion.geometry.kinematics import joint_positions
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.runtime import processes
from selfcorrect.simulators.cleanup.clean import CleanupSettings, clean_motions
from selfcorrect.simulators.pipeline import Pipeline, correct_cleaned
from selfcorrect.simulators.postprocess import POSTPROCESS
from selfcorrect.simulators.settings.tracker import EngineSettings, TrackerSettings


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


@pytest.mark.parametrize("name", spoiled_clips.DAMAGES)
def test_spoiled_clips_are_as_bad_as_they_say(walk, name):
    spoiled = spoiled_clips.DAMAGES[name].spoil(walk, np.random.default_rng(0))
    moved_m = np.linalg.norm(joint_positions(spoiled) - joint_positions(walk), axis=-1)
    assert (moved_m.max() == 0) == (name == "clean")
    assert np.isfinite(moved_m).all()
    assert len(spoiled) == len(walk)


def test_clips_are_joined_where_the_first_ends_and_faces(clips):
    first = clips["walk"]
    second = clips["run"]
    both = faults.join_clips([first, second])[0]
    count = min(len(first), len(second)) // 2
    assert len(both) == 2 * count
    assert np.array_equal(both.rotations[:count], first.rotations[:count])
    assert np.array_equal(both.rotations[count:, 1:], second.rotations[-count:, 1:])
    step_m = (both.root_m[count] - both.root_m[count - 1])[[0, 2]]
    assert np.allclose(step_m, 0.0)


def test_dipping_hands_go_down_and_the_trunk_stays(walk):
    moved_m = joint_positions(faults.dip_limbs(walk, np.random.default_rng(0))) - joint_positions(walk)
    stay = [walk.skeleton.joint(part) for part in ("pelvis", "left_knee")]
    go = [walk.skeleton.joint(part) for part in ("left_wrist",)]
    assert np.abs(moved_m[:, stay]).max() < 1e-12
    assert (moved_m[:, go, 1] < 1e-9).all()
    assert moved_m[:, go, 1].min() < -0.02


def test_a_clip_is_measured_before_and_after_both_corrections(walk):
    (result,), speed = tracking.measure([replace(walk, source="set/walk.bvh")], TrackerSettings())
    assert result.correction.accepted
    assert result.before.mpjpe_mm == 0
    assert 0 < result.kinematic.mpjpe_mm < result.physical.mpjpe_mm
    assert 0 < speed.engine_s < speed.processor_s
    assert speed.motion_s == pytest.approx(walk.seconds)
    distances_m = np.linalg.norm(joint_positions(result.correction.motion) - joint_positions(walk), axis=-1)
    assert result.furthest_m == pytest.approx(distances_m.mean(axis=1).max())
    table = tracking.table([result])
    assert "walk" in table
    assert "1/1" in table
    assert re.fullmatch(r"\d+\.\d x real time per core; \d+% of it in the engine's step", str(speed))


def test_a_clip_that_was_left_behind_in_one_frame_is_no_success(walk):
    (result,), _ = tracking.measure([walk], TrackerSettings())
    assert result.success
    lost = replace(result, furthest_m=0.51)
    assert not lost.success
    lines = tracking.table([result, lost]).splitlines()
    assert sum("1/2" in line for line in lines) == 2  # of the category and of all
    worst = lines[next(index for index, line in enumerate(lines) if line.startswith("worst")) + 1]
    assert " 510 " in worst


@pytest.mark.slow
def test_the_other_engine_confirms_what_one_has_corrected(walk, clips):
    """Both find the same contacts, no penetration, and that the floor carries what help from outside does not."""
    pytest.importorskip("mujoco")
    bullet = TrackerSettings.at_strength(0.7, "pybullet")
    mujoco = TrackerSettings.at_strength(0.7, "mujoco")
    for clip in (walk, clips["jump"], clips["cartwheel"]):
        for corrector, other_engine in ((bullet, mujoco), (mujoco, bullet)):
            verdict = judge.judge(clip, corrector, other_engine)
            assert isinstance(verdict, judge.Verdict), verdict
            assert verdict.contact_agreement > 0.9
            assert max(verdict.penetration_mm) < 6.0  # of soles that each output shows anew
            assert verdict.load_bodyweights == pytest.approx((1.0, 1.0), abs=0.25)
            assert verdict.distance_mm < 31  # what comes out is a plan: the hands of a cartwheel follow it to 29 mm
    lines = judge.table({"walk": verdict, "fall": "mujoco: lost"})
    assert "mean of 1" in lines
    assert "mujoco: lost" in lines


def test_the_other_engine_catches_a_floating_motion(walk):
    """A walk 8 cm above the floor, which its maker believes in, has no contacts in another engine."""
    pytest.importorskip("mujoco")
    batch = MotionBatch.stack([walk])
    as_it_is = CleanupSettings(support="off")
    cleaned = clean_motions(batch, CleanupSettings())
    raised = replace(cleaned.motions, root_m=cleaned.motions.root_m + np.array([0.0, 0.08, 0.0]))
    tracker = TrackerSettings(engine=EngineSettings(name="mujoco"), filter_dynamics=False)
    pipeline = Pipeline(as_it_is, tracker, postprocess=POSTPROCESS)
    stands = correct_cleaned(pipeline, [replace(cleaned, original=cleaned.motions, motions=cleaned.motions)])[0][
        0
    ].timeline
    floats = correct_cleaned(pipeline, [replace(cleaned, original=raised, motions=raised)])[0][0].timeline
    assert stands.loads_bodyweights.sum(axis=1).mean() > 0.7
    assert judge.find_loaded_feet(floats).mean() < 0.7 * judge.find_loaded_feet(stands).mean()
    assert floats.residual_force_bodyweights.mean() > 2 * stands.residual_force_bodyweights.mean()


def test_as_many_short_motions_as_asked_for_are_cut():
    motions = throughput.cut_windows(300)
    assert len(motions) == 300
    assert {len(motion) for motion in motions} == {48}


@pytest.mark.slow
def test_throughput_is_printed_for_each_corrector(capsys, monkeypatch):
    monkeypatch.setattr(processes, "_executors", {})  # new workers, which have done nothing else
    others = {str(child.pid) for child in multiprocessing.active_children()}
    throughput.main(throughput.Arguments(count=4, workers=2))
    output = capsys.readouterr().out
    assert output.startswith("4 motions of 48 frames")
    assert len(re.findall(r"x real time +4 accepted", output)) == 3
    assert re.search(r"2 processes are \d+\.\d\d x as fast as one", output)
    peak_by_worker = dict(re.findall(r"worker (\d+): at most (\d+) MB", output))
    peaks_mb = [float(peak) for worker, peak in peak_by_worker.items() if worker not in others]
    assert len(peaks_mb) >= 2
    assert all(50 < peak < 200 for peak in peaks_mb)
