"""Views in which motions are corrected.

A view shows a motion as one or several parts, and leads back from the parts' corrections to the motion's. It follows
the law of `motion.views`, `restore(view(motion)) == motion`: unchanged parts restore the motion, up to rounding.
Exceptions are options that ask for another motion (a level floor, even frame times, a slope) and loops with a gap,
which are closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from selfcorrect.motion.motion import Motion

from .results import CorrectedMotion, CorrectMotions

Improve: TypeAlias = Callable[[CorrectedMotion, CorrectMotions], CorrectedMotion]
"""A function that improves a restored correction. Its second argument corrects other parts through the inner views."""


@dataclass(frozen=True, eq=False)
class CorrectionView:
    """The parts that a view shows of a motion, and the way back."""

    parts: Sequence[Motion]
    restore: Callable[[Sequence[CorrectedMotion]], CorrectedMotion]
    """Combines the corrections of the parts to the motion's correction."""
    improve: Improve | None = None
    """Returns a better correction if it finds one, made from other parts or from none."""

    @classmethod
    def from_part(
        cls,
        part: Motion,
        restore: Callable[[CorrectedMotion], CorrectedMotion] = lambda correction: correction,
        improve: Improve | None = None,
    ) -> CorrectionView:
        """Return a view with one part."""
        return cls([part], lambda corrections: restore(corrections[0]), improve)


def restore_views(
    views: Sequence[CorrectionView], corrections: Sequence[CorrectedMotion], correct: CorrectMotions
) -> list[CorrectedMotion]:
    """Restore each motion's correction from those of its parts.

    Args:
        corrections: Corrections of the parts of all views, in order.
        correct: Correction of other parts, for views that improve what they restore.
    """
    remaining: Iterator[CorrectedMotion] = iter(corrections)
    restored = [view.restore(list(islice(remaining, len(view.parts)))) for view in views]
    improved = []
    for view, correction in zip(views, restored, strict=True):
        improved.append(view.improve(correction, correct) if view.improve else correction)
    return improved
