"""Arrays of several people are read as one motion each, and written back in their layout."""

from pathlib import Path

import numpy as np
import pytest
from helpers import smpl_joints_m
from made_rigs import base_walk

import selfcorrect as sc
from selfcorrect.core.errors import InputError
from selfcorrect.datasets.files.open import open_motion


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_people_round_trip(tmp_path: Path, axis: int, count: int) -> None:
    joints_m = smpl_joints_m(base_walk(2))
    people_m = [joints_m + np.array([1.5 * person, 0.0, 0.0]) for person in range(count)]
    array = np.stack(people_m, axis=axis).astype(np.float32)
    np.save(tmp_path / "in.npy", array)
    file = open_motion(tmp_path / "in.npy")
    assert len(file.motions) == count
    for motion, person_m in zip(file.motions, people_m, strict=True):
        np.testing.assert_allclose(sc.joint_positions(motion), person_m, atol=0.01)
    file.write(tmp_path / "out.npy", *file.motions)
    written = np.load(tmp_path / "out.npy")
    assert (written.shape, written.dtype) == (array.shape, array.dtype)
    np.testing.assert_allclose(written, array, atol=0.01)


def test_axes_that_move_alike_are_refused(tmp_path: Path) -> None:
    pose_m = smpl_joints_m(base_walk(1))[0]
    np.save(tmp_path / "in.npy", np.tile(pose_m, (5, 7, 1, 1)))
    with pytest.raises(InputError, match="both axes move alike"):
        open_motion(tmp_path / "in.npy")
