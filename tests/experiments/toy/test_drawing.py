"""What curves may look like to be drawn."""

from __future__ import annotations

import numpy as np

from selfcorrect.experiments.toy.drawing import draw
from selfcorrect.experiments.toy.result import Line, Panel


def test_a_curve_begins_where_it_is_measured_and_one_without_measurements_is_left_empty() -> None:
    late = np.tile([np.nan, 1.0, 2.0], (3, 1))
    lines = [Line("late", late), Line("never", np.full((3, 3), np.nan))]
    text = draw(Panel("title", "generation", "value", np.arange(3), lines))
    assert "late" in text
    assert "never" in text
    assert "nan" not in text.lower()
