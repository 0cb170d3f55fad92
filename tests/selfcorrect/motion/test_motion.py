"""The numbers of motions are checked before anything is computed."""

import numpy as np
import pytest

from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.smpl import SMPL_BODY
from selfcorrect.motion.motion import SLAB, Motion, check_numbers


@pytest.mark.parametrize("frame", [0, SLAB - 1, SLAB, SLAB + 5])
@pytest.mark.parametrize(
    ("value", "sentence"),
    [(0.0, "unit quaternions"), (1e-200, "unit quaternions"), (1e200, "unit quaternions"), (np.nan, "finite")],
)
def test_zero_quaternions_raise(frame: int, value: float, sentence: str) -> None:
    rotations = np.tile([0.0, 0, 0, 1], (SLAB + 10, 22, 1))
    motion = Motion(SMPL_BODY.average(), np.zeros((SLAB + 10, 3)), rotations, 30.0)
    assert check_numbers(motion) is motion
    rotations[frame, 7] = value
    with pytest.raises(InputError, match=rf"{sentence}.* frame {frame} "):
        check_numbers(motion)


def test_huge_positions_raise() -> None:
    root_m = np.zeros((SLAB + 10, 3))
    root_m[SLAB + 3, 1] = 1e13
    rotations = np.tile([0.0, 0, 0, 1], (SLAB + 10, 22, 1))
    with pytest.raises(InputError, match=f"finite positions and rotations, frame {SLAB + 3} "):
        check_numbers(Motion(SMPL_BODY.average(), root_m, rotations, 30.0))
