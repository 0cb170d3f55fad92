"""Errors of known damages are known, and special cases are counted by what they change."""

from copy import copy
from pathlib import Path

import numpy as np
import pytest
from ground_motions import repeat_walk

import selfcorrect as sc
from benchmarks import rivals, truth
from benchmarks.ablation import Case, Tally, format_table, tally_case
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.hypotheses.table import HYPOTHESES


@pytest.fixture(scope="module")
def clip(walk: Motion, tmp_path_factory: pytest.TempPathFactory) -> truth.Clip:
    path = tmp_path_factory.mktemp("clip") / "walk.bvh"
    sc.save_motion(path, repeat_walk(walk, 3))
    return truth.Clip(path)


@pytest.mark.parametrize(("damage", "level_mm", "height_mm"), [("clean", 0, 0), ("sunk", 0, 40), ("raised", 0, 50)])
def test_lifted_clips_have_known_errors(clip: truth.Clip, damage: str, level_mm: float, height_mm: float) -> None:
    given = clip.compute_world(clip.rows)[0]
    damaged = clip.compute_world(truth.damage_clip(clip, damage))[0]
    measured = truth.measure(damaged, given, clip)
    assert measured["level mm"] == pytest.approx(level_mm, abs=1e-6)
    assert measured["height mm"] == pytest.approx(height_mm)
    assert measured["global mm"] == pytest.approx(height_mm)
    assert measured["jerk ratio"] == pytest.approx(1.0)


def test_drift_slides_standing_toes(clip: truth.Clip) -> None:
    given = clip.compute_world(clip.rows)[0]
    drifting = given + 0.15 * (np.arange(len(given)) / clip.fps)[:, None, None] * np.array([1.0, 0.0, 0.0])
    slides = [truth.measure(positions, given, clip)["slide mm/s"] for positions in (given, drifting)]
    assert slides[1] - slides[0] == pytest.approx(150, abs=2 * slides[0])


@pytest.mark.parametrize("damage", [damage for damage in truth.DAMAGES if damage != "shift"])
def test_damaged_files_are_read_as_damaged(clip: truth.Clip, damage: str, tmp_path: Path) -> None:
    rows = truth.damage_clip(clip, damage)
    truth.write_clip(tmp_path / "clip.bvh", clip, rows, damage)
    again = truth.Clip(tmp_path / "clip.bvh")
    apart_m = np.abs(again.compute_world(again.rows)[0] - clip.compute_world(rows)[0])
    assert apart_m.max() < (0.1 if damage == "bones" else 1e-4)


def test_gains_are_counted_by_their_sign() -> None:
    tally = Tally()
    for with_it, without_it in ((10.0, 20.0), (20.0, 10.0), (10.0, 10.05)):
        tally.count("noise", with_it, without_it, clear=0.1)
    assert (tally.helped["noise"], tally.harmed["noise"], tally.unchanged["noise"]) == (1, 1, 1)


def test_hypotheses_are_tallied(walk: Motion) -> None:
    frames = np.arange(len(walk))
    held = walk.select_frames(frames - frames % 2)
    tallies = {row.name: Tally() for row in HYPOTHESES}
    tally_case(Case("held", held, joint_positions(walk)), tallies)
    tally = tallies["repeated-frames"]
    assert tally.helped["held"] + tally.unchanged["held"] + tally.harmed["held"] == 1
    assert not tallies["carried"].harmed
    assert "`repeated-frames` |" in format_table(tallies)


def test_published_steps_keep_feet_still(clip: truth.Clip) -> None:
    """Both steps hold a sliding foot, and neither moves feet that stand still already."""
    slid = clip.rows.copy()
    slid[:, clip.root[0]] += 0.05 * np.linspace(0.0, 1.0, len(slid)) / clip.unit_m
    given = clip.compute_world(slid)[0]
    stands = truth.find_contacts(given, clip)
    for step in rivals.STEPS:
        moving = copy(clip)
        moving.rows = slid
        cleaned = clip.compute_world(rivals.clean_rows(moving, step))[0]
        slips_mm = [truth.measure_slips(positions, stands, clip).mean() for positions in (given, cleaned)]
        assert slips_mm[1] < 0.5 * slips_mm[0], step
    still_m = np.ones((40, 3))
    path_m = np.concatenate([still_m, still_m[:30] + np.linspace(0.0, 1.0, 30)[:, None]])
    is_still = np.arange(70) < 40
    for follow_contacts, _ in rivals.STEPS.values():
        assert follow_contacts(path_m, is_still) == pytest.approx(path_m, abs=1e-6)
