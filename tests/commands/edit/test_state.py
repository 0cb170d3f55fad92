"""Edits become options of `correct`, and leave ranges alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_motions import made_motion

from selfcorrect.commands.correct.controls import interpolate_keyframes
from selfcorrect.commands.correct.options import CorrectionOptions, parse_amounts
from selfcorrect.commands.edit.state import EditState, UntouchedRange, format_command
from selfcorrect.core.errors import InputError, SettingError

MOTION = made_motion("walk", frames=200)
GIVEN = CorrectionOptions(kinematic=True)


def spans() -> st.SearchStrategy[tuple[UntouchedRange, ...]]:
    ends = st.tuples(st.integers(0, 199), st.integers(0, 199))
    return st.lists(ends.map(lambda pair: UntouchedRange(min(pair), max(pair))), max_size=4).map(tuple)


@given(untouched=spans(), amount=st.sampled_from([1.0, 0.5]))
def test_ranges_get_nothing_and_far_frames_get_all(untouched: tuple[UntouchedRange, ...], amount: float) -> None:
    options = EditState(amount=amount, untouched=untouched).to_options(GIVEN, MOTION)
    shares = np.ones(len(MOTION))
    if options.amount:
        shares = interpolate_keyframes(parse_amounts(options.amount)[""], len(MOTION))
    is_untouched = np.zeros(len(MOTION), dtype=bool)
    is_near = np.zeros(len(MOTION), dtype=bool)
    fade = round(0.25 * MOTION.fps)
    for span in untouched:
        is_untouched[span.first_frame : span.last_frame + 1] = True
        is_near[max(span.first_frame - fade, 0) : span.last_frame + fade + 1] = True
    assert (shares[is_untouched] == 0).all()
    assert shares[~is_near] == pytest.approx(amount if untouched or amount < 1 else 1.0)
    assert shares.min() >= 0
    assert shares.max() <= 1


def test_edits_without_effect_are_default_options() -> None:
    assert EditState().to_options(GIVEN, MOTION) == GIVEN


def test_command_names_all_edits() -> None:
    state = EditState("physical", 0.5, floor_m=0.1, untouched=(UntouchedRange(150, 199),))
    options = state.to_options(GIVEN, MOTION)
    words = format_command(Path("a walk.bvh"), Path("out.bvh"), Path("c.json"), options)
    assert words.startswith("selfcorrect correct 'a walk.bvh' -o out.bvh --strength 1.0 --amount ")
    assert words.endswith(" --floor 0.1")
    assert "--kinematic" not in words


def test_impossible_edits_raise() -> None:
    with pytest.raises(SettingError, match="amount"):
        EditState(amount=1.5)
    with pytest.raises(SettingError, match="strength"):
        EditState(strength="mighty")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="first"):
        EditState(untouched=(UntouchedRange(5, 3),))
    assert replace(EditState(), amount=0.5).amount == 0.5
