"""Values print in one line, as in a notebook."""

import pytest

import selfcorrect as sc
from selfcorrect.commands.correct.demonstration import spoiled_walk


@pytest.mark.slow
def test_values_print_in_one_line() -> None:
    motion = spoiled_walk()
    correction = sc.correct(motion)
    shown = [repr(value) for value in (motion.skeleton, motion, sc.measure(motion), correction)]
    assert all("\n" not in line and len(line) < 250 for line in shown)
    assert f"{len(motion)} frames" in shown[1]
    assert f"slip {1000 * sc.measure(motion).slip_m:.1f} mm per stance" in shown[2]
    assert f"slip {1000 * correction.after['slip_m']:.1f} mm per stance" in shown[3]
