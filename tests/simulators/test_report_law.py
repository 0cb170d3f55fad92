"""The report of a correction says what its file holds: read again, each figure before is the figure after."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_motions import KINDS, Kind, made_motion

import selfcorrect as sc
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.transforms import resample
from selfcorrect.simulators.corrector import KinematicCorrector

COLUMNS = ("penetration_m", "floating_m", "skate_m_s", "jerk_m_s3")


def spoiled(motion: Motion, sunk_m: float, drift_m_s: float) -> Motion:
    """The motion sunk into the floor, drifting and swaying over it."""
    times_s = np.arange(len(motion))[:, None] / motion.fps
    away_m = [drift_m_s, -sunk_m, 0.0] * np.hstack([times_s, np.ones_like(times_s), times_s])
    return replace(motion, root_m=motion.root_m + away_m + 0.01 * np.sin(5 * times_s) * [1.0, 0.0, 1.0])


@pytest.mark.parametrize("suffix", [".bvh", ".npz", ".glb"])
@pytest.mark.parametrize(
    ("kind", "pace", "fps", "kinematic"),
    [("walk", 1.0, 30.0, False), ("run", 0.8, 60.0, True), ("turn", 1.2, 24.0, True), ("idle", 1.0, 120.0, True)],
)
def test_figures_are_those_of_the_written_file(
    kind: Kind, pace: float, fps: float, kinematic: bool, suffix: str, tmp_path: Path
):
    sc.save_motion(tmp_path / f"in{suffix}", spoiled(made_motion(kind, pace, fps, round(3 * fps)), 0.02, 0.03))
    (first,) = sc.correct_files([tmp_path / f"in{suffix}"], tmp_path / "one", kinematic=kinematic)
    (again,) = sc.correct_files([tmp_path / "one" / f"in{suffix}"], tmp_path / "two", kinematic=kinematic)
    assert first.verdict == again.verdict == "accepted"
    for column in COLUMNS:
        assert again.before[column] == pytest.approx(first.after[column], rel=0.01, abs=2e-4), column


@pytest.mark.parametrize("kind", KINDS)
def test_rigid_ends_of_a_file_never_turn(kind: Kind):
    """What a file cannot hold is no part of a correction: figures without it would be those of another motion."""
    motion = spoiled(resample(made_motion(kind), 30.0), 0.03, 0.0)
    rigid = replace(motion.skeleton, rigid=frozenset({"left_foot", "right_foot"}))
    ends = [motion.skeleton.joint("left_foot"), motion.skeleton.joint("right_foot")]
    (made,) = KinematicCorrector()([replace(motion, skeleton=rigid)])
    assert made.accepted
    turned = np.abs(np.sum(made.motion.rotations[:, ends] * motion.rotations[:, ends], axis=-1))
    np.testing.assert_allclose(turned, 1.0, atol=1e-12)
