"""What no floor explains: nothing of a walk, much of a shaken one, and at which arm and generation it is written."""

from dataclasses import replace

import numpy as np

from benchmarks.unexplained import KEYS, feasibility, with_last
from selfcorrect.experiments.reporting.results import ArmCurves
from selfcorrect.motion.motion import Motion, MotionBatch


def test_a_body_that_hangs_in_the_air_is_unsupported_and_a_walking_one_is_not(walk: Motion) -> None:
    walk = walk.frames(0, 30)
    root_m = walk.root_m.copy()
    root_m[:, 1] += 0.5
    walks, hangs = (
        feasibility(MotionBatch.stack([motion]), "pybullet") for motion in (walk, replace(walk, root_m=root_m))
    )
    assert walks["unsupported_percent"] < 10
    assert hangs["unsupported_percent"] > 90
    assert walks["without_support_percent"] < 10
    assert hangs["without_support_percent"] > 90
    assert hangs["needed_force_bodyweights"] > 0.8 > 2 * walks["needed_force_bodyweights"]
    assert hangs["missing_bodyweights"] > 0.8 > 2 * walks["missing_bodyweights"]


def test_figures_stand_at_the_last_generation_of_their_seed() -> None:
    curves = ArmCurves("arm", "group", "title", {"recall": np.ones((2, 4))})
    added = with_last(curves, [dict.fromkeys(KEYS, 1.0), dict.fromkeys(KEYS, 2.0)])
    for key in KEYS:
        assert added.last(key).tolist() == [1.0, 2.0]
        assert np.isnan(added.values[key][:, :-1]).all()
    assert added.values["recall"] is curves.values["recall"]
