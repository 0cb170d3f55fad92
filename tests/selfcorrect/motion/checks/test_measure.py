"""Physical errors are measured in total and by frame."""

from dataclasses import replace

import numpy as np
import pytest

import selfcorrect as sc
from selfcorrect.motion.editing.transforms import raise_motion


def test_figures_match_correction(walk: sc.Motion) -> None:
    measures = sc.measure(walk)
    before = sc.correct(walk, kinematic=True).before
    figures = {name: getattr(measures, name) for name in ("skate_m_s", "jerk_m_s3")}
    assert figures == pytest.approx({name: before[name] for name in figures})
    # A correction knows the soles of its result, too, and measures the motion with the median of both.
    assert measures.floating_m == pytest.approx(before["floating_m"], abs=0.005)
    assert not measures.slips


def test_frame_shows_its_error(walk: sc.Motion) -> None:
    frame = len(walk) // 2
    sunk_m = np.zeros(len(walk))
    sunk_m[frame] = -0.2
    measures = sc.measure(raise_motion(walk, sunk_m))
    assert measures.penetration_by_frame_m.argmax() == frame
    assert measures.penetration_by_frame_m[frame] == pytest.approx(0.2, abs=0.03)
    assert measures.jerk_by_frame_m_s3.mean(axis=1).argmax() in range(frame - 3, frame + 1)


def test_dragged_body_slips(walk: sc.Motion) -> None:
    path_m = np.linspace(0, 0.4, len(walk))[:, None] * [1.0, 0.0, 0.0]
    dragged = replace(walk, root_m=walk.root_m + path_m)
    measures = sc.measure(dragged)
    assert measures.skate_m_s == pytest.approx(0.4 / walk.seconds, rel=0.15)
    assert {slip.code for slip in measures.slips} == {"F3"}


def test_height_is_measured_however_far(walk: sc.Motion) -> None:
    heights_m = np.linspace(-0.3, 0.3, 13)
    measured = [sc.measure(raise_motion(walk, height_m)) for height_m in heights_m]
    above_m = np.array([measures.floating_m - measures.penetration_m for measures in measured])
    assert (np.diff(above_m) >= -1e-9).all()
    np.testing.assert_allclose(above_m, heights_m, atol=0.05)
