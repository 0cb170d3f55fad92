"""Pieces cover long motions without seams, and are as good as the whole."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from helpers import correct_in_pieces

from selfcorrect.motion.motion import Motion
from selfcorrect.motion.support import Support
from selfcorrect.simulators.core.pieces import pieces
from selfcorrect.simulators.results.results import CorrectedMotion, Failure, Forces, GroundContacts, Note
from selfcorrect.simulators.results.timeline import Timeline


@pytest.mark.parametrize(
    ("frames", "longest", "overlap"), [(100, 30, 5), (31, 30, 5), (2049, 2048, 30), (1000, 64, 60)]
)
def test_pieces_cover_and_overlap(frames: int, longest: int, overlap: int) -> None:
    spans = list(pieces(frames, longest, overlap))
    assert (spans[0][0], spans[-1][1]) == (0, frames)
    assert all(stop - start <= longest for start, stop in spans)
    assert all(stop - start == overlap for (start, _), (_, stop) in zip(spans[1:], spans[:-1], strict=True))


def keep_motions(motions: Sequence[Motion]) -> list[CorrectedMotion]:
    return [CorrectedMotion(motion, figures={"frames": float(len(motion))}) for motion in motions]


def test_figures_are_means_over_pieces(random_motion: Callable[..., Motion]) -> None:
    correction = correct_in_pieces(keep_motions, random_motion(1, frames=500), piece_frames=100)
    assert correction.accepted
    assert 70 < correction.diagnostics["frames"] <= 100


def test_pieces_continue_smoothly(random_motion: Callable[..., Motion]) -> None:
    """Pieces without drift make one steady path.

    Their drift was taken out separately, as from a treadmill.
    """
    motion = random_motion(2, frames=450).frames(0, 400)
    path_m = np.linspace(0, 8, 400)[:, None] * [1.0, 0.0, 0.0] + [0.0, 1.0, 0.0]
    motion = replace(motion, root_m=path_m)

    def from_origin(motions: Sequence[Motion]) -> list[CorrectedMotion]:
        return [CorrectedMotion(replace(piece, root_m=piece.root_m - piece.root_m[0] * [1, 0, 1])) for piece in motions]

    joined = correct_in_pieces(from_origin, motion, piece_frames=100).motion
    np.testing.assert_allclose(joined.root_m, path_m, atol=1e-9)


def test_agreeing_pieces_stay(random_motion: Callable[..., Motion]) -> None:
    """Millimetres between pieces do not add up.

    Otherwise, they would add up to a journey.
    """
    motion = random_motion(2, frames=2000)

    def further(motions: Sequence[Motion]) -> list[CorrectedMotion]:
        shares = (np.linspace(0, 0.005, len(piece))[:, None] * [1.0, 0.0, 0.0] for piece in motions)
        return [CorrectedMotion(replace(m, root_m=m.root_m + s)) for m, s in zip(motions, shares, strict=True)]

    joined = correct_in_pieces(further, motion, piece_frames=100).motion
    assert np.abs(joined.root_m - motion.root_m).max() < 0.02


def test_loop_stays_whole(random_motion: Callable[..., Motion]) -> None:
    motion = random_motion(2, frames=200)
    there_and_back = motion.select_frames(np.concatenate([np.arange(200), np.arange(199, -1, -1)]))
    lengths = list[int]()

    def record_lengths(motions: Sequence[Motion]) -> list[CorrectedMotion]:
        lengths.extend(map(len, motions))
        return keep_motions(motions)

    correct_in_pieces(record_lengths, there_and_back, piece_frames=100)
    assert lengths == [400]
    correct_in_pieces(record_lengths, there_and_back, piece_frames=90)
    assert max(lengths[1:]) <= 90


def test_piece_heights_blend(random_motion: Callable[..., Motion]) -> None:
    motion = random_motion(2, frames=230).frames(0, 200)
    motion = replace(motion, root_m=np.tile([0.0, 1.0, 0.0], (200, 1)))
    shifts_m = iter(np.array([[0.0, 0.0, 0.0], [0.0, 0.1, 0.0]]))

    def raise_motions(motions: Sequence[Motion]) -> list[CorrectedMotion]:
        return [CorrectedMotion(replace(motion, root_m=motion.root_m + next(shifts_m))) for motion in motions]

    height_m = correct_in_pieces(raise_motions, motion, piece_frames=120).motion.root_m[:, 1]
    assert (height_m[0], height_m[-1]) == pytest.approx((1.0, 1.1))
    assert np.abs(np.diff(height_m)).max() < 0.006  # 10 cm over a second, eased


def test_upper_floor_piece_stays_up(random_motion: Callable[..., Motion]) -> None:
    """Supports and notes of pieces are merged.

    Supports have the frames of the whole motion; what is said of several pieces is said once.
    """
    motion = random_motion(2, frames=200)
    height_m = np.where(np.arange(200) < 60, 0.0, 3.0)
    motion = replace(motion, root_m=height_m[:, None] * [0.0, 1.0, 0.0])
    starts = [start for start, _ in pieces(200, 120, 30)]
    step = Support("left foot", (0.0, 0.2, 0.0), (0.3, 0.3), 5, 9)

    def lower_motions(motions: Sequence[Motion]) -> list[CorrectedMotion]:
        return [
            CorrectedMotion(
                replace(piece, root_m=piece.root_m - piece.root_m[0]),
                contacts=GroundContacts(supports=(step,)),
                remarks=(Note(words="low"),),
            )
            for piece in motions
        ]

    correction = correct_in_pieces(lower_motions, motion, piece_frames=120)
    np.testing.assert_allclose(correction.motion.root_m, motion.root_m, atol=1e-9)
    assert [support.first for support in correction.contacts.supports] == [start + 5 for start in starts]
    assert [support.top_m[1] for support in correction.contacts.supports] == pytest.approx([0.2, 3.2])
    assert correction.notes == (Note(words="low"),)


def test_failed_piece_rejects_motion(random_motion: Callable[..., Motion]) -> None:
    motion = random_motion(4, frames=300)
    spans = list(pieces(300, 100, 30))

    def fails_in_the_second(motions: Sequence[Motion]) -> list[CorrectedMotion]:
        bad = [np.array_equal(piece.root_m[0], motion.root_m[spans[1][0]]) for piece in motions]
        lost = Failure(words="lost", frame=7)
        return [CorrectedMotion(piece, lost if is_bad else None) for piece, is_bad in zip(motions, bad, strict=True)]

    correction = correct_in_pieces(fails_in_the_second, motion, piece_frames=100)
    assert not correction.accepted
    assert correction.reason == f"lost at frame {spans[1][0] + 7}"
    assert correction.motion is motion


@pytest.mark.parametrize("fails_from", [10_000, 200])
def test_timeline_has_every_frame_once(random_motion: Callable[..., Motion], fails_from: int) -> None:
    """Each frame comes once, up to a failure.

    A frame holds its number. The timeline of a motion that fails ends where its last piece was given up.
    """
    motion = random_motion(3, frames=300)
    numbered = replace(motion, root_m=np.arange(300.0)[:, None] * np.ones(3))

    def tells_numbers(motions: Sequence[Motion]) -> list[CorrectedMotion]:
        return list(map(tells_number, motions))

    def tells_number(piece: Motion) -> CorrectedMotion:
        lost = piece.root_m[0, 0] >= fails_from
        number = piece.root_m[: 25 if lost else None, 0]
        timeline = Timeline(piece.fps, number, number, ("left foot",), number[:, None])
        return CorrectedMotion(
            piece, Failure(words="lost", frame=24) if lost else None, forces=Forces(timeline=timeline)
        )

    correction = correct_in_pieces(tells_numbers, numbered, piece_frames=100)
    lost_from = next((start for start, _ in pieces(300, 100, 30) if start >= fails_from), 300 - 25)
    assert correction.accepted == (fails_from > 300)
    np.testing.assert_array_equal(correction.forces.timeline.residual_torque_nm, np.arange(lost_from + 25))
    np.testing.assert_array_equal(correction.forces.timeline.loads_bodyweights[:, 0], np.arange(lost_from + 25))
