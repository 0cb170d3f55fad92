"""Correct many motions with a function of one motion."""

from collections.abc import Callable, Sequence

import numpy as np

from selfcorrect.core.checks import check_callable
from selfcorrect.core.errors import SampleError
from selfcorrect.motion.motion import Motion
from selfcorrect.runtime.bugs import describe_with_location
from selfcorrect.runtime.supervision import EndedError, report_place

from .results import CorrectedMotion, CorrectMotions


def each_motion(function: Callable[[Motion], Motion]) -> CorrectMotions:
    """Make a correction of many motions from a function of one.

    An exception in the function is raised with the index of its motion. Results are copied, so the function may fill
    the same arrays for every motion. A motion that is returned unchanged is not copied.
    """
    check_callable("function", function)

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
        raise SampleError(index, describe_with_location(error)) from error
    return answer if answer is motion else _copy_numbers(index, answer)


def _copy_numbers(index: int, motion: Motion) -> Motion:
    """Return a plain motion with copies of another's arrays."""
    if not isinstance(motion, Motion):
        raise SampleError(index, f"a correction must return a motion, got {type(motion).__name__}")
    return Motion(
        motion.skeleton,
        np.array(motion.root_m, dtype=float),
        np.array(motion.rotations, dtype=float),
        motion.fps,
        motion.label,
        motion.text,
        motion.source,
    )
