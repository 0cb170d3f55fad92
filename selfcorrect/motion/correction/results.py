"""What a correction of motions is, and what became of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from selfcorrect.motion.correction.support import Support
from selfcorrect.motion.correction.timeline import Timeline
from selfcorrect.motion.motion import Motion


@dataclass(frozen=True, eq=False)
class MotionCorrection:
    """What became of one motion.

    motion: the corrected motion, with the skeleton, frame rate and length of the given one;
    accepted: whether it may be used; reason: why not, "" where it may; diagnostics: figures by name, with their unit;
    timeline: what a simulation found in each frame, None where nothing was simulated; supports: what carries the
    corrected motion beside the floor; notes: what else was assumed or found.
    """

    motion: Motion
    accepted: bool = True
    reason: str = ""
    diagnostics: Mapping[str, float] = field(default_factory=dict)
    timeline: Timeline | None = None
    supports: tuple[Support, ...] = ()
    notes: tuple[str, ...] = ()


CorrectMotions: TypeAlias = Callable[[Sequence[Motion]], Sequence[MotionCorrection]]
"""A correction of several motions at once, in their order, so that it can share the work among processes."""
