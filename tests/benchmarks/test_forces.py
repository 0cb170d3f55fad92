"""Forces at the root, against known answers: of bodies in the air, of planted faults, by plain inverse dynamics."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import inverse_dynamics
from benchmarks.needed import GLIDE_M_S, HOVER_M, _faults, glides, hovers, low_passed
from selfcorrect.motion.motion import Motion


def still(motion: Motion, raised_m: float = 0.0) -> Motion:
    """The first frame, for ever, at some height above its own."""
    first = np.zeros(len(motion), dtype=int)
    return replace(motion.select_frames(first), root_m=motion.root_m[first] + [0.0, raised_m, 0.0])


def test_who_hangs_in_the_air_needs_its_weight_and_who_falls_freely_nothing(walk: Motion) -> None:
    walk, model = walk.frames(0, 20), inverse_dynamics.body(walk.skeleton)
    assert inverse_dynamics.needed_forces(still(walk, 1.0), model) == pytest.approx(1.0, abs=1e-6)
    seconds = np.arange(len(walk)) / walk.fps
    fall = still(walk, 3.0)
    fall = replace(fall, root_m=fall.root_m - np.outer(9.81 / 2 * seconds**2, [0.0, 1.0, 0.0]))
    assert inverse_dynamics.needed_forces(fall, model) == pytest.approx(0.0, abs=1e-6)


def test_the_floor_carries_a_walk_and_not_one_that_is_pushed(walk: Motion) -> None:
    walk, model = walk.frames(0, 20), inverse_dynamics.body(walk.skeleton)
    alone = inverse_dynamics.needed_forces(walk, model).mean()
    seconds = np.arange(len(walk)) / walk.fps
    pushed = replace(walk, root_m=walk.root_m + np.outer(10.0 * seconds**2, [1.0, 0.0, 0.0]))
    assert alone < 0.6
    assert inverse_dynamics.needed_forces(pushed, model).mean() > alone + 0.5


def test_faults_move_the_root_alone_and_the_filter_leaves_them(walk: Motion) -> None:
    (glided,), (hovered,) = glides([walk]), hovers([walk])
    assert (glided.root_m - walk.root_m)[-1] == pytest.approx([GLIDE_M_S * walk.seconds, 0.0, 0.0])
    np.testing.assert_allclose(hovered.root_m - walk.root_m, np.tile([0.0, HOVER_M, 0.0], (len(walk), 1)), atol=1e-12)
    (smooth,), (both,) = low_passed([walk]), low_passed([hovered])
    assert np.linalg.norm(smooth.rotations, axis=-1) == pytest.approx(1.0)
    np.testing.assert_allclose(both.root_m - smooth.root_m, hovered.root_m - walk.root_m, atol=1e-3)


def test_a_fault_is_compared_with_the_same_windows_without_it() -> None:
    forces = {
        "real windows": np.array([0.1, 0.2, 0.3]),
        "low-pass": np.array([0.0, 0.1, 0.2]),
        "gliding": np.array([0.6, 0.7, 0.8]),
        "gliding, low-pass": np.array([0.2, 0.3, 0.4]),
    }
    assert list(_faults(forces)) == [
        "gliding minus real windows: +0.50 [+0.50, +0.50]",
        "gliding, low-pass minus low-pass: +0.20 [+0.20, +0.20]",
    ]
