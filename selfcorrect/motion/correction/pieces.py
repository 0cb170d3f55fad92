"""Long motions corrected piece by piece, so that memory does not grow with their length."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from math import inf
from typing import TypeVar

import numpy as np

from ...runtime.progress import in_turn, part_of_work
from ..body.foot_frames import get_foot_frames
from ..editing.loops import is_loop
from ..geometry.kinematics import make_continuous
from ..geometry.rotations import slerp
from ..measures.roughness import added_by_joint_deg_s
from ..motion import Motion
from ..support import Support
from .results import CorrectedMotion, CorrectMotions, Note, Stage
from .timeline import Timeline

T = TypeVar("T")

PIECE_FRAMES = 2048
PIECES_TOGETHER = 4
"""Pieces that are corrected together: more take less time and more memory."""
OVERLAP_S = 1.0
"""Time that neighbouring pieces share; there one is blended into the other."""
SAME_FLOOR_M = 0.12
"""Pieces that differ by more in height took different levels for the floor."""
SAME_PLACE_M = 0.1
"""Pieces that differ by more took out drifts of their own."""


def correct_long(correct: CorrectMotions, motion: Motion, piece_frames: int = PIECE_FRAMES) -> CorrectedMotion:
    """Correct a motion of any length, in pieces where it is longer than `piece_frames`, or as a loop than four of them.

    A piece is moved over the floor to where the one before it ends, because each finds the floor's drift alone. It is
    moved up or down where it took another step of the same stairs for the floor. Where both agree on the place but for
    some centimetres, it ends where it would have. Figures are means over the pieces, weighted by their frames. The
    first piece that fails rejects the motion.
    """
    longest = PIECES_TOGETHER * piece_frames if is_loop(motion) else piece_frames  # a loop in pieces would open
    if len(motion) <= longest:
        return correct([motion])[0]
    whole, known = Whole(motion), replace(motion, feet=get_foot_frames(motion))
    spans = list(pieces(len(motion), piece_frames, max(2, round(OVERLAP_S * motion.fps))))
    for first in range(0, len(spans), PIECES_TOGETHER):
        together = spans[first : first + PIECES_TOGETHER]
        with part_of_work(together[0][0] / len(motion), together[-1][1] / len(motion)):
            corrections = correct([known.frames(*span) for span in together])
        for (start, _), correction in zip(together, corrections, strict=True):
            if not correction.accepted:
                return whole.rejected(start, correction)
            whole.append(start, correction)
    return whole.correction


def correct_any(correct: CorrectMotions, motions: Sequence[Motion]) -> list[CorrectedMotion]:
    """Correct motions of any lengths, those of one piece together and the others one after the other."""
    whole = [len(motion) <= PIECE_FRAMES for motion in motions]
    short = [motion for motion, is_whole in zip(motions, whole, strict=True) if is_whole]
    long = [motion for motion, is_whole in zip(motions, whole, strict=True) if not is_whole]
    done = sum(map(len, short)) / max(sum(map(len, motions)), 1)
    with part_of_work(0.0, done):
        together = iter(correct(short))
    with part_of_work(done, 1.0):
        alone = iter(in_turn(partial(correct_long, correct), long, list(map(len, long))))
    return [next(together if is_whole else alone) for is_whole in whole]


def bounded(items: Iterable[T], size: Callable[[T], int], most_size: int, most: float = inf) -> Iterator[list[T]]:
    """Cut a sequence where so many items, or items of such a size in all, are together; a larger one stands alone."""
    group, total = list[T](), 0
    for item in items:
        if group and (len(group) >= most or total + size(item) > most_size):
            yield group
            group, total = [], 0
        group.append(item)
        total += size(item)
    if group:
        yield group


def pieces(frames: int, longest: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Starts and stops of about equally long pieces that cover all frames; neighbours share `overlap` frames."""
    count = max(1, -(-(frames - overlap) // max(longest - overlap, 1)))
    edges = np.linspace(0, frames - overlap, count + 1).round().astype(int)
    for start, stop in pairwise(edges):
        yield int(start), int(stop) + overlap


class Whole:
    """The correction of a motion that grows out of those of its pieces, which follow one another or overlap."""

    def __init__(self, motion: Motion) -> None:
        self.given = motion
        self.motion = replace(motion, root_m=np.empty_like(motion.root_m), rotations=np.empty_like(motion.rotations))
        self.stop = 0
        self.parts: list[CorrectedMotion] = []
        self.counts: list[int] = []
        self.timeline: Timeline | None = None
        self.supports: list[Support] = []
        self.notes: dict[Note, None] = {}

    @property
    def correction(self) -> CorrectedMotion:
        """What became of the pieces so far."""
        return CorrectedMotion(
            self.motion,
            stage=Stage.last(part.stage for part in self.parts),
            before=self._mean([part.before for part in self.parts]),
            after=self._mean([part.after for part in self.parts]),
            residual=self._mean([part.residual for part in self.parts]),
            figures=self._mean([part.figures for part in self.parts]),
            added_angular_speed_deg_s=added_by_joint_deg_s(self.given, self.motion),
            timeline=self.timeline,
            supports=tuple(self.supports),
            notes=tuple(self.notes),
        )

    def rejected(self, start: int, correction: CorrectedMotion) -> CorrectedMotion:
        """What becomes of the motion where the piece from `start` on is rejected."""
        failure = correction.failure and correction.failure.later(start)
        timeline = self._timeline_with(start, correction)
        return replace(correction, motion=self.given, failure=failure, timeline=timeline)

    def _timeline_with(self, start: int, correction: CorrectedMotion) -> Timeline | None:
        """The timeline up to the middle of what it shares with a piece from `start` on, then the piece's.

        None where any piece has none.
        """
        piece = correction.timeline
        if not self.parts:
            return piece
        if self.timeline is None or piece is None:
            return None
        middle = (start + self.stop) // 2
        return self.timeline.frames(0, middle).then(piece.frames(middle - start, len(piece)))

    def append(self, start: int, correction: CorrectedMotion) -> None:
        """Continue with the correction of the piece from `start` on."""
        self.timeline = self._timeline_with(start, correction)
        piece, shared, away_m = correction.motion, self.stop - start, np.zeros(3)
        root_m, rotations = piece.root_m, piece.rotations
        if shared > 0:
            before_m, before = self.motion.root_m[start : self.stop], self.motion.rotations[start : self.stop]
            away_m = (before_m - root_m[:shared]).mean(axis=0)
            away_m[1] *= abs(away_m[1]) > SAME_FLOOR_M
            agrees = np.linalg.norm(away_m) < SAME_PLACE_M
            root_m = root_m + np.linspace(1.0, 0.0 if agrees else 1.0, len(piece))[:, None] * away_m
            share = _ease(shared)
            root_m[:shared] = before_m + share[:, None] * (root_m[:shared] - before_m)
            rotations = rotations.copy()
            rotations[:shared] = slerp(before, rotations[:shared], share[:, None, None])
        self.stop = start + len(piece)
        self.motion.root_m[start : self.stop] = root_m
        self.motion.rotations[start : self.stop] = make_continuous(rotations)
        self.supports += [support.shift(away_m, start) for support in correction.supports]
        self.notes |= dict.fromkeys(correction.notes)
        self.parts.append(replace(correction, motion=self.motion, timeline=None))  # whose figures alone are kept
        self.counts.append(len(piece) - max(shared, 0))

    def _mean(self, tables: Sequence[Mapping[str, float]]) -> dict[str, float]:
        """Means of the figures that all pieces have."""
        shared = [name for name in tables[0] if all(name in each for each in tables)]
        return {name: float(np.average([each[name] for each in tables], weights=self.counts)) for name in shared}


def _ease(count: int) -> np.ndarray:
    """(count,) from near 0 to near 1, flat at both ends."""
    share = np.arange(1, count + 1) / (count + 1)
    return share**2 * (3 - 2 * share)
