"""Standing feet skate at known speeds.

The height of the body may be any.
"""

from dataclasses import replace

import numpy as np
import pytest
from made_motions import made_motion
from turned_joints import shift

from selfcorrect.motion.measures.skating import measure_skating_m_s
from selfcorrect.motion.motion import Motion


def glide(motion: Motion, velocity_m_s: tuple[float, float, float]) -> Motion:
    return shift(motion, np.outer(np.arange(len(motion)) / motion.fps, velocity_m_s))


@pytest.mark.parametrize("fps", [30.0, 120.0])
def test_gliding_stand_skates_at_speed(fps: float) -> None:
    stand = made_motion("idle", fps=fps)
    assert measure_skating_m_s(stand) < 0.01
    assert measure_skating_m_s(glide(stand, (0.18, 0.0, 0.24)), stand) == pytest.approx(0.3, abs=0.01)


def test_height_and_soles_do_not_matter(walk: Motion) -> None:
    slides = glide(walk, (0.2, 0.0, 0.0))
    skating_m_s = measure_skating_m_s(slides)
    deeper = replace(slides, skeleton=replace(slides.skeleton, soles_m=(0.05, 0.05)))
    assert measure_skating_m_s(deeper, slides) == pytest.approx(skating_m_s, abs=0.01)
    assert measure_skating_m_s(glide(slides, (0.0, 1.0, 0.0)), slides) == pytest.approx(skating_m_s, rel=1e-9)


def test_footless_body_does_not_skate(walk: Motion) -> None:
    parts = tuple("" if part.endswith(("ankle", "foot")) else part for part in walk.skeleton.parts)
    assert measure_skating_m_s(replace(walk, skeleton=replace(walk.skeleton, parts=parts))) == 0.0
