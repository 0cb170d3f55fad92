"""What a correction of motions is, and what came out for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from selfcorrect.motion.correction.support import Support
from selfcorrect.motion.correction.timeline import Timeline
from selfcorrect.motion.motion import Motion


@dataclass(frozen=True, eq=False)
class CorrectedMotion:
    """What came out for one motion."""

    motion: Motion
    """The corrected motion, with the skeleton, frame rate and length of the given one."""
    accepted: bool = True
    """Whether it may be used."""
    reason: str = ""
    """Why not, "" where it may."""
    diagnostics: Mapping[str, float] = field(default_factory=dict)
    """Figures by name, with their unit."""
    timeline: Timeline | None = None
    """What a simulation found in each frame, None where nothing was simulated."""
    supports: tuple[Support, ...] = ()
    """What carries the corrected motion beside the floor."""
    notes: tuple[str, ...] = ()
    """What else was assumed or found."""


CorrectMotions: TypeAlias = Callable[[Sequence[Motion]], Sequence[CorrectedMotion]]
"""A correction of several motions at once, in their order, so that it can share the work among processes."""
