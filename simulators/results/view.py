"""Views in which motions are corrected.

A view shows a motion as one or several parts, and leads back from the parts' corrections to the motion's. It follows
the law of `motion.views`, `restore(view(motion)) == motion`: unchanged parts restore the motion, up to rounding.
Exceptions are options that ask for another motion (a level floor, even frame times, a slope) and loops with a gap,
which are closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeAlias

from selfcorrect.motion.motion import Motion

from .motion_world import MotionWorld
from .results import CorrectedMotion


@dataclass(frozen=True, eq=False)
class Part:
    """A motion, or a part of one, as views show it."""

    motion: Motion
    world: MotionWorld = field(default_factory=MotionWorld)
    """World of the motion, in its frames; the default until `core.world.see_from_ride` perceives it."""

    def __len__(self) -> int:
        return len(self.motion)

    def frames(self, start: int, stop: int) -> Part:
        """Return frames `start` to `stop` (exclusive), or the part itself if these are all."""
        if start == 0 and stop >= len(self):
            return self
        return Part(self.motion.frames(start, stop), self.world.select_frames(start, stop, len(self)))


CorrectParts: TypeAlias = Callable[[Sequence[Part]], Sequence[CorrectedMotion]]
"""A function that corrects parts through inner views, in order."""

Improve: TypeAlias = Callable[[CorrectedMotion, CorrectParts], CorrectedMotion]
"""A function that improves a restored correction. Its second argument corrects other parts through the inner views."""


@dataclass(frozen=True, eq=False)
class CorrectionView:
    """The parts that a view shows of a motion, and the way back."""

    parts: Sequence[Part]
    restore: Callable[[Sequence[CorrectedMotion]], CorrectedMotion]
    """Combines the corrections of the parts to the motion's correction."""
    improve: Improve | None = None
    """Returns a better correction if it finds one, made from other parts or from none."""

    @classmethod
    def from_part(
        cls,
        part: Part,
        restore: Callable[[CorrectedMotion], CorrectedMotion] = lambda correction: correction,
        improve: Improve | None = None,
    ) -> CorrectionView:
        """Return a view with one part."""
        return cls([part], lambda corrections: restore(corrections[0]), improve)

    @classmethod
    def from_motion(cls, motion: Motion, restore: Callable[[CorrectedMotion], CorrectedMotion]) -> CorrectionView:
        """Return a view with one motion whose world is not perceived yet."""
        return cls.from_part(Part(motion), restore)


def restore_views(
    views: Sequence[CorrectionView], corrections: Sequence[CorrectedMotion], correct: CorrectParts
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
