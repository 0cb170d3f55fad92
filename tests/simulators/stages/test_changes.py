"""Changes are kept as far as their share says."""

from dataclasses import replace

import numpy as np
from made_motions import made_motion

from selfcorrect.motion.geometry.rotations import quaternions, turn_angles
from selfcorrect.motion.geometry.vectors import UP
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.simulators.stages.changes import deadband, keep_changes

TURNED = quaternions(np.array([0.0, 0.4, 0.0]))


def change(batch: MotionBatch) -> MotionBatch:
    """Raise roots by 1 m, and turn all joints to one rotation."""
    return replace(batch, root_m=batch.root_m + UP, rotations=np.broadcast_to(TURNED, batch.rotations.shape))


def test_whole_motions_are_kept_exactly() -> None:
    before = MotionBatch.stack([made_motion("walk", frames=12)] * 3)
    after = change(before)
    kept = keep_changes(before, after, np.array([True, False, True]))
    for index, source in enumerate((after, before, after)):
        np.testing.assert_array_equal(kept.root_m[index], source.root_m[index])
        np.testing.assert_array_equal(kept.rotations[index], source.rotations[index])
    for share, source in ((np.ones(3), after), (np.zeros(3), before)):
        np.testing.assert_array_equal(keep_changes(before, after, share).root_m, source.root_m)
        np.testing.assert_array_equal(keep_changes(before, after, share).rotations, source.rotations)


def test_frames_fade_between_before_and_after() -> None:
    before = MotionBatch.stack([made_motion("walk", frames=5)])
    after = change(before)
    share = np.array([[0.0, 0.25, 0.5, 0.75, 1.0]])
    kept = keep_changes(before, after, share)
    np.testing.assert_allclose((kept.root_m - before.root_m)[0, :, 1], share[0], atol=1e-12)
    whole_rad = turn_angles(before.rotations, after.rotations)
    np.testing.assert_allclose(turn_angles(before.rotations, kept.rotations), share[..., None] * whole_rad, atol=1e-7)
    np.testing.assert_array_equal(kept.rotations[0, 0], before.rotations[0, 0])
    np.testing.assert_array_equal(kept.rotations[0, -1], after.rotations[0, -1])


def test_changes_without_share_may_be_undefined() -> None:
    before = MotionBatch.stack([made_motion("walk", frames=4)] * 2)
    broken = replace(before, root_m=before.root_m * np.array([1.0, np.nan])[:, None, None])
    assert np.isfinite(keep_changes(before, broken, np.array([True, False])).root_m).all()


def test_small_changes_are_dropped_and_large_ones_made() -> None:
    sizes = np.zeros((1, 90, 1))
    sizes[0, :30] = 0.001
    sizes[0, 60:] = 0.02
    share = deadband(sizes, (0.002, 0.01), fps=30.0)
    assert not share[0, :20].any()
    np.testing.assert_allclose(share[0, 75:], 1.0)
