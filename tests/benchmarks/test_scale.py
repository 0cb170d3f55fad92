"""The benchmarks of shards and of training: made motions are sound, and the tables have their lines."""

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import shards, training
from selfcorrect.datasets.collections.deepmimic import load_deepmimic
from selfcorrect.experiments.correction.options import CorrectionOptions
from selfcorrect.motion.motion import check_numbers


def test_perturbed_motions_differ_and_are_the_same_again() -> None:
    clips = load_deepmimic()
    motions = [shards.perturbed(clips, number, (16, 48)) for number in range(40)]
    assert all(16 <= len(check_numbers(motion)) <= 48 for motion in motions)
    assert len({motion.skeleton.offsets_m.tobytes() for motion in motions}) > 4
    assert len({len(motion) for motion in motions}) > 10
    again = shards.perturbed(clips, 7, (16, 48))
    np.testing.assert_array_equal(again.rotations, motions[7].rotations)
    np.testing.assert_allclose(np.linalg.norm(again.rotations, axis=-1), 1.0)


def test_overhead_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = shards.make(tmp_path / "shards", shards.Arguments(motions=6, frames=(8, 12)))
    shards.overhead(tmp_path / "shards", CorrectionOptions(kinematic=True), made.shards)
    told = capsys.readouterr().out
    assert re.search(r"kinematic: 6 motions, .* ms each, .* a second and core, [\d.]+% beside corrections", told)


def test_training_is_timed_beside_the_reference(capsys: pytest.CaptureFixture[str]) -> None:
    training.main(training.Arguments(width=16, depth=1, batch=4, frames=8, features=5, steps=1, rounds=1))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["published", "ours", "ours, accelerated"]
    assert "1.00 x" in lines[0]
