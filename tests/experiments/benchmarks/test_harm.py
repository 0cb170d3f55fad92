"""Rigs in disguise are read as the body they are, plausible motions are not harmed, and harm is seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from selfcorrect.datasets.collections.deepmimic import load_deepmimic
from selfcorrect.experiments.benchmarks.harm import RIGS, finer, judged, on_rig
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.corrector import PhysicsCorrector


@pytest.fixture(scope="module")
def walk() -> Motion:
    return next(clip for clip in load_deepmimic(60.0) if clip.label == "walk")


@pytest.mark.parametrize("rig", RIGS)
def test_motions_on_rigs_in_disguise_are_not_harmed(walk: Motion, rig: str, tmp_path: Path) -> None:
    read = on_rig(walk, rig, tmp_path)
    assert sorted(filter(None, read.skeleton.parts)) == sorted(walk.skeleton.parts)
    (correction,) = PhysicsCorrector()([read])
    assert correction.accepted, correction.reason
    own = judged(read, correction.motion)
    assert own.harms == []
    assert own.moved_m < 0.03


def test_each_kind_of_harm_is_seen(walk: Motion) -> None:
    still_m = np.zeros((len(walk), 3))
    frames = np.arange(len(walk))[:, None]
    for kind, shift_m in {
        "jerk": still_m + 0.005 * (-1.0) ** frames * (0.0, 1.0, 0.0),
        "sliding": still_m + 0.1 / walk.fps * frames * (1.0, 0.0, 0.0),
        "penetration": still_m - (0.0, 0.05, 0.0),
    }.items():
        assert kind in judged(walk, replace(walk, root_m=walk.root_m + shift_m)).harms
    assert judged(walk, walk).harms == []


def test_a_finer_motion_goes_through_the_same_places(walk: Motion) -> None:
    fine = finer(walk, 120.0)
    assert (len(fine), fine.fps) == (2 * len(walk) - 1, 120.0)
    np.testing.assert_allclose(fine.root_m[::2], walk.root_m, atol=1e-9)
