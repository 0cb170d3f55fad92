"""A correction of many motions from a function of one."""

from collections.abc import Callable, Sequence

import numpy as np

from ...core.errors import SampleError
from ...runtime.bugs import describe_with_place
from ...runtime.supervision import EndedError, report_place
from ..motion import Motion
from .results import CorrectedMotion, CorrectMotions


def each_motion(function: Callable[[Motion], Motion]) -> CorrectMotions:
    """A correction from a function of one motion; an exception in it names the motion.

    What the function returns is copied, so that one which fills the same arrays for every motion is understood. A
    motion that it hands back stays the one that was given.
    """

    def correct(motions: Sequence[Motion]) -> list[CorrectedMotion]:
        return [CorrectedMotion(_call(function, index, motion)) for index, motion in enumerate(motions)]

    return correct


def _call(function: Callable[[Motion], Motion], index: int, motion: Motion) -> Motion:
    try:
        report_place(f"motion {index}")
        answer = function(motion)
    except EndedError as error:
        raise SampleError(index, str(error)) from error
    except Exception as error:
        raise SampleError(index, describe_with_place(error)) from error
    return answer if answer is motion else _copied(index, answer)


def _copied(index: int, motion: Motion) -> Motion:
    """A plain motion of the answer's numbers."""
    if not isinstance(motion, Motion):
        raise SampleError(index, f"a correction must return a motion, got {type(motion).__name__}")
    root_m, rotations = (_numbers(index, array) for array in (motion.root_m, motion.rotations))
    return Motion(motion.skeleton, root_m, rotations, motion.fps, motion.label, motion.text, motion.source)


def _numbers(index: int, array: np.ndarray) -> np.ndarray:
    copied = np.array(array)
    if copied.dtype.kind not in "fiu":
        raise SampleError(index, f"a correction must return a motion of real numbers, got {copied.dtype}")
    return copied.astype(np.float64)
