"""The judge of plain inverse dynamics against known answers."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import inverse_dynamics
from selfcorrect.motion.motion import Motion


@pytest.fixture(scope="module")
def walk(clips: dict[str, Motion]) -> Motion:
    return clips["walk"].frames(0, 20)


def still(motion: Motion, raised_m: float = 0.0) -> Motion:
    """The first frame, for ever, at some height above its own."""
    first = np.zeros(len(motion), dtype=int)
    return replace(motion.taken(first), root_m=motion.root_m[first] + [0.0, raised_m, 0.0])


def test_who_hangs_in_the_air_needs_its_weight_and_who_falls_freely_nothing(walk: Motion) -> None:
    model = inverse_dynamics.body(walk.skeleton)
    assert inverse_dynamics.needed_forces(still(walk, 1.0), model) == pytest.approx(1.0, abs=1e-6)
    seconds = np.arange(len(walk)) / walk.fps
    fall = still(walk, 3.0)
    fall = replace(fall, root_m=fall.root_m - np.outer(9.81 / 2 * seconds**2, [0.0, 1.0, 0.0]))
    assert inverse_dynamics.needed_forces(fall, model) == pytest.approx(0.0, abs=1e-6)


def test_the_floor_carries_a_walk_and_not_one_that_is_pushed(walk: Motion) -> None:
    model = inverse_dynamics.body(walk.skeleton)
    alone = inverse_dynamics.needed_forces(walk, model).mean()
    seconds = np.arange(len(walk)) / walk.fps
    pushed = replace(walk, root_m=walk.root_m + np.outer(10.0 * seconds**2, [1.0, 0.0, 0.0]))
    assert alone < 0.6
    assert inverse_dynamics.needed_forces(pushed, model).mean() > alone + 0.5
