"""What curves may look like to be drawn."""

from dataclasses import replace

import numpy as np

from selfcorrect.experiments.studies.drawables import Line, Panel
from selfcorrect.experiments.studies.figures import draw


def test_curve_begins_where_measured() -> None:
    late = np.tile([np.nan, 1.0, 2.0], (3, 1))
    lines = [Line("late", late), Line("never", np.full((3, 3), np.nan))]
    text = draw(Panel("title", "generation", "value", np.arange(3), lines))
    assert "late" in text
    assert "never" in text
    assert "nan" not in text.lower()


def test_logarithmic_axes_have_plain_numbers() -> None:
    panel = Panel("title", "x", "y", np.array([1.0, 10.0, 100.0]), [Line("l", np.array([[100.0, 150.0, 220.0]]))])
    text = draw(replace(panel, log_x=True, log_y=True))
    assert "mathdefault" not in text
    assert all(f">{number}<" in text for number in (1, 10, 100, 200))
