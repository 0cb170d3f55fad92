"""Views in which motions are corrected.

A view has the parts of a motion, and the way back from their corrections to its own. The law is that of `motion.views`,
`restore(view(motion)) == motion`: parts that come back as they are give the motion, up to rounding. Options that ask
for another motion break it: a level floor, even frame times, a slope. So do loops with a gap, which are closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from selfcorrect.motion.motion import Motion

from .results import CorrectedMotion, CorrectMotions

Improve: TypeAlias = Callable[[CorrectedMotion, CorrectMotions], CorrectedMotion]
"""A function that improves restored corrections. It is called with a restored correction, and with the views below it
as a function that corrects other parts."""


@dataclass(frozen=True, eq=False)
class CorrectionView:
    """Parts of one motion, and the way back."""

    parts: Sequence[Motion]
    restore: Callable[[Sequence[CorrectedMotion]], CorrectedMotion]
    """Restores the motion's correction from its parts'."""
    improve: Improve | None = None
    """Returns a better correction if there is any. It is compared with the restored one, and made from other parts or
    from none."""

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
    """Restore corrections through all views.

    Each motion gets its correction from those of all parts.

    Args:
        corrections: Corrections of the parts of all views, in their order.
        correct: Correction of other parts, for views that improve on what they restore.
    """
    remaining: Iterator[CorrectedMotion] = iter(corrections)
    restored = [view.restore(list(islice(remaining, len(view.parts)))) for view in views]
    improved = []
    for view, correction in zip(views, restored, strict=True):
        improved.append(view.improve(correction, correct) if view.improve else correction)
    return improved
