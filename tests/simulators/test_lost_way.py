"""Ways that are lost where a tracker holds the root, while the feet step on."""

from dataclasses import replace

import numpy as np
import pytest

import selfcorrect as sc
from selfcorrect.motion.corrector_interface.results import NoteKind
from selfcorrect.motion.editing.transforms import repeat_cycle
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.lost_way import restore_lost_way

from ..made_motions import made_motion


@pytest.fixture(scope="module")
def strides(walk: Motion) -> Motion:
    """Four cycles of a real walk."""
    return repeat_cycle(walk, 4)


def hold_root(motion: Motion, first: int, last: int) -> Motion:
    """Hold the root over the floor; all that follows goes on from there."""
    root_m = motion.root_m.copy()
    way_m = root_m[last, [0, 2]] - root_m[first, [0, 2]]
    root_m[first:last, [0, 2]] = root_m[first, [0, 2]]
    root_m[last:, [0, 2]] -= way_m
    return replace(motion, root_m=root_m)


@pytest.mark.parametrize(("first", "last"), [(60, 90), (30, 110), (80, 120), (1, 60)])
def test_a_way_that_was_lost_is_the_way_of_the_feet(strides: Motion, first: int, last: int) -> None:
    lost = hold_root(strides, first, last)
    restored, frames = restore_lost_way(lost)
    assert frames == pytest.approx((first, last), abs=1)
    lost_m = np.linalg.norm(strides.root_m[last] - lost.root_m[last])
    assert np.linalg.norm((restored.root_m - strides.root_m)[:, [0, 2]], axis=1).max() < 0.05 * lost_m
    np.testing.assert_array_equal(restored.root_m[:, 1], lost.root_m[:, 1])


@pytest.mark.parametrize(("first", "last"), [(60, 90), (30, 110)])
def test_a_way_that_is_found_again_leads_there(strides: Motion, first: int, last: int) -> None:
    """The root jumps to where the body is, so that all that follows stays."""
    root_m = strides.root_m.copy()
    root_m[first:last, [0, 2]] = root_m[first, [0, 2]]
    restored, frames = restore_lost_way(replace(strides, root_m=root_m))
    assert frames == pytest.approx((first, last - 1), abs=1)
    np.testing.assert_allclose(restored.root_m[last:], strides.root_m[last:], atol=1e-9)
    lost_m = np.linalg.norm(strides.root_m[last] - strides.root_m[first])
    assert np.linalg.norm((restored.root_m - strides.root_m)[:, [0, 2]], axis=1).max() < 0.05 * lost_m
    root_m[last:, 0] += 3 * lost_m
    assert restore_lost_way(replace(strides, root_m=root_m))[1] == ()


def test_other_motions_keep_their_way(strides: Motion, clips: dict[str, Motion]) -> None:
    in_place = replace(strides, root_m=strides.root_m * (0.0, 1.0, 0.0))
    stands_still = hold_root(made_motion("idle", frames=90), 20, 60)
    for motion in (strides, in_place, stands_still, *clips.values()):
        assert restore_lost_way(motion) == (motion, ())


def test_a_correction_restores_the_way_unless_the_path_is_kept(strides: Motion) -> None:
    lost = hold_root(strides, 60, 100)
    correction = sc.correct(lost, kinematic=True)
    (note,) = [note for note in correction.notes if note.kind is NoteKind.WAY_RESTORED]
    assert note.stretches == ((60, 100),)
    assert sc.check(lost, ["F11"])
    assert not sc.check(correction.motion, ["F11"])
    kept = sc.correct(lost, kinematic=True, keep=["path"])
    np.testing.assert_allclose(kept.motion.root_m[:, [0, 2]], lost.root_m[:, [0, 2]], atol=0.05)
