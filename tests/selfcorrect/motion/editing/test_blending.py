"""Parts of changes: the ends are exact, the way between is smooth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect.experiments.correction.controls import blended, over_time
from selfcorrect.motion.geometry.rotations import turn_angles
from selfcorrect.motion.motion import Motion


def test_nothing_is_the_one_motion_and_all_the_other_bit_for_bit(random_motion: Callable[..., Motion]) -> None:
    before, after = random_motion(0, frames=9), random_motion(1, frames=9)
    shares = np.zeros((9, len(before.skeleton)))
    shares[4:] = 1.0
    made = blended(before, after, shares)
    for name in ("root_m", "rotations"):
        assert np.array_equal(getattr(made, name)[:4], getattr(before, name)[:4])
        assert np.array_equal(getattr(made, name)[4:], getattr(after, name)[4:])


def test_a_share_is_that_of_the_angle(random_motion: Callable[..., Motion]) -> None:
    before, after = random_motion(0, frames=5), random_motion(1, frames=5)
    made = blended(before, after, np.full((5, len(before.skeleton)), 0.3))
    whole_rad = turn_angles(before.rotations, after.rotations)
    assert np.allclose(turn_angles(before.rotations, made.rotations), 0.3 * whole_rad)
    assert np.allclose(made.root_m, 0.7 * before.root_m + 0.3 * after.root_m)


@given(st.dictionaries(st.integers(0, 40), st.floats(0, 1), min_size=1))
def test_shares_go_from_keyframe_to_keyframe_and_never_beyond_them(keyframes: dict[int, float]) -> None:
    shares = over_time([*keyframes.items()], 41)
    assert np.allclose(shares[list(keyframes)], list(keyframes.values()))
    assert min(keyframes.values()) - 1e-9 <= shares.min() <= shares.max() <= max(keyframes.values()) + 1e-9
    assert np.allclose(shares[: min(keyframes)], keyframes[min(keyframes)])
    assert np.allclose(shares[max(keyframes) :], keyframes[max(keyframes)])
