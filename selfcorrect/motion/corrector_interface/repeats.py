"""Motions in which every frame stands several times in a row, as in files written at a multiple of their frame rate."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..motion import Motion
from .results import CorrectedMotion, Note, NoteKind

MOST_REPEATS = 8
"""Largest number of times that a frame may stand in a row."""
_UNCHANGED = 1e-6
"""Repeats differ by less, metres and components of quaternions."""
_FEWEST_CHANGES = 6
"""Smallest number of changes that show repeats."""
_OFTEN_CHANGED = 0.6
"""Smallest share of the steps between repeats in which the body moves; who holds a pose repeats frames as well."""


@dataclass(frozen=True)
class FrameRepeats:
    """Repeats of the frames of a motion."""

    count: int = 1
    """Number of times that each frame stands in a row; 1 if frames do not repeat."""
    offset: int = 0
    """Index of the first frame that differs from the one before; less than `count` if the first stands less often."""

    @classmethod
    def from_motion(cls, motion: Motion) -> FrameRepeats:
        """Find the repeats of a motion: steps without any change at all, all but every `count`-th."""
        root_steps = np.abs(np.diff(motion.root_m, axis=0)).max(axis=1, initial=0.0)
        turns = np.abs(np.diff(motion.rotations, axis=0)).max(axis=(1, 2), initial=0.0)
        changes = np.flatnonzero((root_steps > _UNCHANGED) | (turns > _UNCHANGED)) + 1
        if len(changes) < _FEWEST_CHANGES:
            return cls()
        for count in range(2, MOST_REPEATS + 1):
            offset = int(changes[0]) % count
            possible_changes = (len(motion) - 1 - offset) // count + 1
            if (changes % count == offset).all() and len(changes) >= _OFTEN_CHANGED * possible_changes:
                return cls(count, offset or count)
        return cls()

    def drop(self, motion: Motion) -> Motion:
        """Return a motion without its repeats, at its real frame rate."""
        if self.count == 1:
            return motion
        frames = np.r_[0, np.arange(self.offset, len(motion), self.count)]
        return replace(motion.select_frames(frames), fps=motion.fps / self.count)

    def find_starts(self, frames: int) -> list[int]:
        """Return the first index, in the motion with repeats, of each of so many frames without them."""
        return np.r_[0, self.offset + self.count * np.arange(frames)].tolist()

    def restore(self, original: Motion, correction: CorrectedMotion) -> CorrectedMotion:
        """Return the correction of a motion with repeats from that of the motion without them."""
        if self.count == 1:
            return correction
        sources = (np.arange(len(original)) - self.offset) // self.count + 1
        starts = self.find_starts(len(original))
        failure = correction.failure
        if failure is not None:
            first = None if failure.frame is None else starts[failure.frame]
            last = None if failure.last_frame is None else starts[failure.last_frame]
            failure = replace(failure, frame=first, last_frame=last)
        motion = original
        if correction.accepted:
            corrected = correction.motion.select_frames(sources)
            motion = replace(original, root_m=corrected.root_m, rotations=corrected.rotations)
        timeline = correction.timeline
        if timeline is not None:
            repeated = timeline.select_frames(sources[sources < len(timeline)])
            timeline = replace(repeated, fps=timeline.fps * self.count)
        supports = []
        for support in correction.supports:
            supports.append(replace(support, first=starts[support.first], last=starts[support.last + 1] - 1))
        return replace(
            correction,
            motion=motion,
            failure=failure,
            timeline=timeline,
            supports=tuple(supports),
            notes=(Note(NoteKind.REPEATED_FRAMES, self.count), *correction.notes),
        )
