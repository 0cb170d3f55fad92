"""Planted faults show in their own figures.

The figures are of motions as references; heights show only in one.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from turned_joints import shift

from selfcorrect.motion.checks.references import LIMITS, REFERENCE_FIGURES, measure_reference, rate_reference
from selfcorrect.motion.editing.transforms import raise_motion
from selfcorrect.motion.motion import Motion


def stutter(motion: Motion) -> Motion:
    """Jerk the body for moments while feet stand, faster than a label allows."""
    is_shifted = np.arange(len(motion)) // 4 % 2
    return shift(motion, np.outer(is_shifted, [0.0, 0.0, 0.015]))


FAULTS: dict[str, Callable[[Motion], Motion]] = {
    "stance_height_m": lambda motion: raise_motion(motion, 0.1),
    "slip_m_s": lambda motion: shift(motion, np.outer(np.arange(len(motion)) / motion.fps, [0.0, 0.0, 0.4])),
    "noise_m": lambda motion: shift(motion, np.random.default_rng(0).normal(0.0, 0.02, motion.root_m.shape)),
    "flicker_hz": stutter,
    "first_frame_m": lambda motion: raise_motion(motion, np.maximum(0.2 - 0.1 * np.arange(len(motion)), 0.0)),
    "fps": lambda motion: replace(motion, fps=1000.0),
}


@pytest.mark.parametrize("key", FAULTS)
def test_fault_shows_in_its_figure(walk: Motion, key: str) -> None:
    clean = rate_reference(measure_reference(walk))
    assert clean[key] <= 1
    assert rate_reference(measure_reference(FAULTS[key](walk)))[key] > 1


def test_height_changes_no_other_figure(walk: Motion) -> None:
    """A wrong height changes no other figure.

    Programs shift clips, so it must not hide or show other faults.
    """
    before = measure_reference(walk)
    for by_m in (-0.15, -0.05, 0.05, 0.15):
        after = measure_reference(raise_motion(walk, by_m))
        assert after["stance_height_m"] - before["stance_height_m"] == pytest.approx(by_m, abs=1e-6)
        for key in set(LIMITS) - {"stance_height_m"}:
            assert after[key] == pytest.approx(before[key], abs=1e-6, nan_ok=True)


def test_ratios_are_ranked(walk: Motion) -> None:
    figures = measure_reference(walk.frames(0, 2))
    assert set(figures) == {figure.key for figure in REFERENCE_FIGURES}
    ratios = rate_reference(figures)
    assert np.isnan(figures["noise_m"])
    assert "noise_m" not in ratios
    assert list(ratios.values()) == sorted(ratios.values(), reverse=True)
