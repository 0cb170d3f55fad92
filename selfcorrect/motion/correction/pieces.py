"""Long motions corrected piece by piece, so that memory does not grow with their length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from selfcorrect.motion.correction.results import CorrectedMotion, CorrectMotions, Note
from selfcorrect.motion.correction.support import Support
from selfcorrect.motion.correction.timeline import Timeline
from selfcorrect.motion.kinematics import continuous
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.rotations import slerp

PIECE_FRAMES = 2048
PIECES_TOGETHER = 4
"""Pieces that are corrected together: more take less time and more memory."""
OVERLAP_S = 1.0
"""Time that neighbouring pieces share; there one is blended into the other."""
SAME_FLOOR_M = 0.12
"""Pieces that differ by more in height took different levels for the floor."""


def correct_long(correct: CorrectMotions, motion: Motion, piece_frames: int = PIECE_FRAMES) -> CorrectedMotion:
    """Correct a motion of any length, in pieces where it is longer than `piece_frames`.

    A piece is moved over the floor to where the one before it ends, because each finds the floor's drift for itself,
    and up or down where it took another step of the same stairs for the floor.
    Figures are means over the pieces, weighted by their frames. The first piece that fails rejects the motion.
    """
    if len(motion) <= piece_frames:
        return correct([motion])[0]
    whole = _Whole(motion)
    spans = list(pieces(len(motion), piece_frames, max(2, round(OVERLAP_S * motion.fps))))
    for first in range(0, len(spans), PIECES_TOGETHER):
        together = spans[first : first + PIECES_TOGETHER]
        corrections = correct([motion.frames(*span) for span in together])
        for (start, _), correction in zip(together, corrections, strict=True):
            if correction.failure is not None:
                failure, timeline = correction.failure.later(start), whole.timeline_with(start, correction)
                return replace(correction, motion=motion, failure=failure, timeline=timeline)
            whole.append(start, correction)
    return CorrectedMotion(
        whole.motion,
        before=whole.mean([part.before for part in whole.parts]),
        after=whole.mean([part.after for part in whole.parts]),
        help=whole.mean([part.help for part in whole.parts]),
        figures=whole.mean([part.figures for part in whole.parts]),
        timeline=whole.timeline,
        supports=tuple(whole.supports),
        notes=tuple(whole.notes),
    )


def correct_each(correct: CorrectMotions, motions: Sequence[Motion]) -> list[CorrectedMotion | Exception]:
    """Correct motions of any lengths, those of one piece together; what came out of each, or the error that it raised.

    Where they fail together, each is tried by itself.
    """
    short = [motion for motion in motions if len(motion) <= PIECE_FRAMES]
    try:
        together = iter(correct(short))
    except Exception:  # the one that it comes from is told of below
        return [_attempted(correct, motion) for motion in motions]
    return [next(together) if len(motion) <= PIECE_FRAMES else _attempted(correct, motion) for motion in motions]


def _attempted(correct: CorrectMotions, motion: Motion) -> CorrectedMotion | Exception:
    try:
        return correct_long(correct, motion)
    except Exception as error:  # whatever is wrong with one motion, the others go on
        return error


def pieces(frames: int, longest: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Starts and stops of about equally long pieces that cover all frames; neighbours share `overlap` frames."""
    count = max(1, -(-(frames - overlap) // max(longest - overlap, 1)))
    edges = np.linspace(0, frames - overlap, count + 1).round().astype(int)
    for start, stop in pairwise(edges):
        yield int(start), int(stop) + overlap


class _Whole:
    """The motion that grows out of corrected pieces."""

    def __init__(self, motion: Motion) -> None:
        self.motion = replace(motion, root_m=np.empty_like(motion.root_m), rotations=np.empty_like(motion.rotations))
        self.stop = 0
        self.parts: list[CorrectedMotion] = []
        self.counts: list[int] = []
        self.timeline: Timeline | None = None
        self.supports: list[Support] = []
        self.notes: dict[Note, None] = {}

    def timeline_with(self, start: int, correction: CorrectedMotion) -> Timeline | None:
        """The timeline up to the middle of what it shares with a piece from `start` on, then the piece's."""
        piece = correction.timeline
        if self.timeline is None or piece is None:
            return piece
        middle = (start + self.stop) // 2
        return self.timeline.frames(0, middle).then(piece.frames(middle - start, len(piece)))

    def append(self, start: int, correction: CorrectedMotion) -> None:
        self.timeline = self.timeline_with(start, correction)
        piece, shared, away_m = correction.motion, self.stop - start, np.zeros(3)
        root_m, rotations = piece.root_m, piece.rotations
        if shared > 0:
            before_m, before = self.motion.root_m[start : self.stop], self.motion.rotations[start : self.stop]
            away_m = (before_m - root_m[:shared]).mean(axis=0)
            away_m[1] *= abs(away_m[1]) > SAME_FLOOR_M
            root_m = root_m + away_m
            share = _ease(shared)
            root_m[:shared] = before_m + share[:, None] * (root_m[:shared] - before_m)
            rotations = rotations.copy()
            rotations[:shared] = slerp(before, rotations[:shared], share[:, None, None])
        self.stop = start + len(piece)
        self.motion.root_m[start : self.stop] = root_m
        self.motion.rotations[start : self.stop] = continuous(rotations)
        self.supports += [support.moved(away_m, start) for support in correction.supports]
        self.notes |= dict.fromkeys(correction.notes)
        self.parts.append(replace(correction, motion=self.motion, timeline=None))  # whose figures alone are kept
        self.counts.append(len(piece) - max(shared, 0))

    def mean(self, tables: Sequence[Mapping[str, float]]) -> dict[str, float]:
        """Means of the figures of the pieces."""
        return {name: float(np.average([each[name] for each in tables], weights=self.counts)) for name in tables[0]}


def _ease(count: int) -> np.ndarray:
    """(count,) from near 0 to near 1, flat at both ends."""
    share = np.arange(1, count + 1) / (count + 1)
    return share**2 * (3 - 2 * share)
