"""Correct long motions in pieces.

Memory then does not grow with length.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np

from selfcorrect.motion.editing.loops import ease, is_loop
from selfcorrect.motion.geometry.rotations import slerp
from selfcorrect.motion.kinematics import make_continuous
from selfcorrect.motion.measures.roughness import added_by_joint_deg_s
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.foot_frames import get_foot_frames
from selfcorrect.motion.perception.observed_ground import STAIR_STEP_M

from ..results.results import MAX_PIECES_AT_ONCE, PIECE_FRAMES, CorrectedMotion
from ..results.timeline import Timeline
from ..results.view import CorrectionView, Part
from ..results.way_back import join, map_time, replace_supports
from .settings import ViewSettings

OVERLAP_S = 1.0
"""Overlap of neighbouring pieces, in s, in which they are blended."""
SAME_POSITION_M = 0.1
"""Distance above which pieces have removed different drifts, in m."""


def is_one_piece(motion: Motion, piece_frames: int = PIECE_FRAMES) -> bool:
    """Return whether a motion is corrected as a whole.

    Such a motion has up to `piece_frames` frames, or is a loop of up to four times as many, because a loop in pieces
    would open.
    """
    return len(motion) <= piece_frames or (len(motion) <= MAX_PIECES_AT_ONCE * piece_frames and is_loop(motion))


def split_into_pieces(part: Part, settings: ViewSettings, piece_frames: int = PIECE_FRAMES) -> CorrectionView:
    """Show a long motion piece by piece.

    Pieces overlap by a second.
    """
    motion = part.motion
    if is_one_piece(motion, piece_frames):
        return CorrectionView.from_part(part)
    with_feet = replace(part, motion=replace(motion, feet=get_foot_frames(motion)))
    spans = list(pieces(len(motion), piece_frames, max(2, round(OVERLAP_S * motion.fps))))
    starts = [start for start, _ in spans]
    return CorrectionView([with_feet.frames(*span) for span in spans], partial(merge_corrections, motion, starts))


def pieces(frames: int, longest: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Yield overlapping ranges of about equal length that cover a motion."""
    count = max(1, -(-(frames - overlap) // max(longest - overlap, 1)))
    edges = np.linspace(0, frames - overlap, count + 1).round().astype(int)
    for start, stop in pairwise(edges):
        yield int(start), int(stop) + overlap


def merge_corrections(motion: Motion, starts: Sequence[int], corrections: Sequence[CorrectedMotion]) -> CorrectedMotion:
    """Merge the corrections of adjoining or overlapping pieces.

    Each piece finds its own drift of the floor, so it is moved horizontally to the end of the piece before. A piece
    that has taken another step of the same stairs for the floor is also moved vertically. If two pieces agree up to
    some centimetres, the move fades out, and the later piece ends where it would without the move. Figures are means
    over the pieces, weighted by frames. If a piece fails, the motion is rejected with the first failure.

    Args:
        starts: First frame of each piece.
    """
    merged = replace(motion, root_m=np.empty_like(motion.root_m), rotations=np.empty_like(motion.rotations))
    timeline: Timeline | None = None
    placed = []
    counts = []
    stop = 0
    for start, part in zip(starts, corrections, strict=True):
        correction = map_time(part, range(start, start + len(part.motion) + 1))
        timeline = _append_timeline(timeline, correction.forces.timeline, start, stop)
        if not correction.accepted:
            return replace(correction, motion=motion, forces=replace(correction.forces, timeline=timeline))
        away_m = _append_piece(merged, correction.motion, start, stop)
        supports = [support.shift(away_m) for support in correction.contacts.supports]
        placed.append(replace_supports(correction, supports))
        counts.append(len(correction.motion) - max(stop - start, 0))
        stop = start + len(correction.motion)
    joined = join(merged, placed, weights=counts)
    changes = replace(joined.changes, added_angular_speed_deg_s=added_by_joint_deg_s(motion, merged))
    return replace(joined, forces=replace(joined.forces, timeline=timeline), changes=changes)


def _append_timeline(timeline: Timeline | None, piece: Timeline | None, start: int, stop: int) -> Timeline | None:
    """Append the timeline of a piece to that of the pieces before.

    The piece starts at `start`, and the pieces before end at `stop`. Timelines meet in the middle of the shared frames.
    The result is None if any piece has no timeline.
    """
    if not stop or timeline is None or piece is None:
        return None if stop else piece
    middle = (start + stop) // 2
    return timeline.frames(0, middle).append(piece.frames(middle - start, len(piece)))


def _append_piece(merged: Motion, piece: Motion, start: int, stop: int) -> np.ndarray:
    """Append a piece to a motion that is filled up to `stop`.

    Returns:
        (3,) displacement of the piece.
    """
    shared = stop - start
    away_m = np.zeros(3)
    root_m = piece.root_m
    rotations = piece.rotations
    if shared > 0:
        before_m = merged.root_m[start:stop]
        away_m = (before_m - root_m[:shared]).mean(axis=0)
        away_m[1] *= abs(away_m[1]) > STAIR_STEP_M
        agrees = np.linalg.norm(away_m) < SAME_POSITION_M
        root_m = root_m + np.linspace(1.0, 0.0 if agrees else 1.0, len(piece))[:, None] * away_m
        share = ease(shared + 1)[:-1]
        root_m[:shared] = before_m + share[:, None] * (root_m[:shared] - before_m)
        rotations = rotations.copy()
        rotations[:shared] = slerp(merged.rotations[start:stop], rotations[:shared], share[:, None, None])
    frames = slice(start, start + len(piece))
    merged.root_m[frames] = root_m
    merged.rotations[frames] = make_continuous(rotations)
    return away_m
