"""Knees that flip: in some frames a leg is turned by half a turn about the line from hip to ankle.

A leg that is nearly straight hardly shows where its knee points. So some captures of kicks and leaps have the knee on
the wrong side. It jumps there within a frame, and back, while the ankle swings on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from selfcorrect.motion.geometry.rotations import compose, invert, rotate, rotation_vectors, slerp
from selfcorrect.motion.geometry.vectors import normalize_safely, norms
from selfcorrect.motion.motion import MotionBatch

from ..body.curves import FRAME_S
from .cleaning import CleanupState


@dataclass(frozen=True)
class TurnKnees:
    """Turns legs back that are turned by half a turn for a moment, ankles staying where they are.

    A turn is kept only where the knee's jumps shrink: ‖Δ²p after‖ < `calmer` ‖Δ²p before‖ at the ends of the flip.
    Set by hand on CMU clips of dancers.
    """

    longest_s: float = 2 / 3
    """Longer flips are left: what the foot does meanwhile is not known."""
    calmer: float = 0.8
    """A knee that is turned back accelerates by less than this share of what it did."""

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        return cleaning.with_repaired_motions(unflip_knees(cleaning.motions, self))


def unflip_knees(motions: MotionBatch, settings: TurnKnees) -> MotionBatch:
    """Motions whose knees stay on one side, with ankles where they are.

    What flips and is then twisted further than hips can is turned back. Its foot is turned as it is before and after.
    Flips that take several frames are bridged, which may move the ankle in these by some millimetres.
    """
    rotations = motions.rotations.copy()
    for side in ("left", "right"):
        joints = [motions.skeleton.joint(f"{side}_{part}") for part in ("hip", "knee", "ankle", "foot")]
        if None not in joints[:3]:
            own = [joint for joint in joints if joint is not None]
            for motion in rotations:
                motion[:, own] = _unflip_leg(motion[:, own], motions.skeleton.offsets_m[own], motions.fps, settings)
    return replace(motions, rotations=rotations)


def _unflip_leg(leg: np.ndarray, offsets_m: np.ndarray, fps: float, settings: TurnKnees) -> np.ndarray:
    """Rotations (T, K, 4) of the joints of a leg, hip first, without flips; offsets_m: (K, 3) of the joints."""
    hip, knee, thigh_m = leg[:, 0], leg[:, 1], offsets_m[1]
    line, apart = (
        normalize_safely(rotate(hip, thigh_m) + rotate(compose(hip, knee), offsets_m[2])),
        _flip_duration_frames(fps),
    )
    runs = _find_flipped_frames(leg, line, normalize_safely(thigh_m), fps, settings)
    result = leg.copy()
    for run in runs:
        half_turns = np.concatenate([line[run], np.zeros_like(line[run, :1])], axis=-1)
        result[run, 0] = compose(half_turns, hip[run])
        result[run, 2:] = _interpolate_run(leg[:, 2:], run)
        for edge in (run.start, run.stop):  # in between it may have turned by a part
            if apart > 1 and apart <= edge <= len(leg) - apart:
                within = slice(edge - apart + 1, edge + apart - 1)
                result[within, :1] = _interpolate_run(result[:, :1], within)
    jumps_m = [norms(np.diff(rotate(each[:, 0], thigh_m), 2, axis=0)) for each in (leg, result)]
    for run in runs:
        around = slice(max(run.start - apart, 0), run.stop + apart)
        before_m, after_m = (each[max(around.start - 1, 0) : around.stop].max(initial=0.0) for each in jumps_m)
        if after_m > settings.calmer * before_m:
            result[around] = leg[around]
    return result


def _flip_duration_frames(fps: float) -> int:
    """In how many frames a knee flips."""
    return max(1, round(FRAME_S * fps))


def _find_flipped_frames(
    leg: np.ndarray, line: np.ndarray, thigh: np.ndarray, fps: float, settings: TurnKnees
) -> list[slice]:
    """Frames in which a leg (T, K, 4) is turned about its line (T, 3) from hip to ankle; thigh: (3,) its direction.

    Knees bent by more than a right angle are left: the line from hip to ankle then is short, and turns fast. No hip
    twists its thigh by more than that from where it points at rest.
    """
    straight = norms(rotation_vectors(leg[:, 1])) < np.pi / 2
    twisted = np.abs(_angles_about(leg[:, 0], thigh)) > np.pi / 2
    twists_rad = _twists_rad(leg[:, 0], line, straight[1:] & straight[:-1])
    flips = np.diff(_count_half_turns(twists_rad, _flip_duration_frames(fps)) % 2 != 0)
    return [
        run
        for run in _find_runs(flips)
        if run.stop - run.start <= settings.longest_s * fps and twisted[run].mean() > 0.5 and straight[run].all()
    ]


def _twists_rad(rotations: np.ndarray, line: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(T,) by how much rotations (T, 4) have turned about a line (T, 3) in the steps (T - 1,) in which it is known."""
    steps = _angles_about(compose(rotations[1:], invert(rotations[:-1])), normalize_safely(line[1:] + line[:-1]))
    return np.concatenate([[0.0], np.cumsum(np.where(known, steps, 0.0))])


def _angles_about(rotations: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """By how much (T,) rotations (T, 4) turn about axes (T, 3) or (3,), at most half a turn."""
    twice = 2 * np.arctan2(np.sum(rotations[:, :3] * axes, axis=-1), rotations[:, 3])
    return (twice + np.pi) % (2 * np.pi) - np.pi


def _count_half_turns(twists_rad: np.ndarray, apart: int) -> np.ndarray:
    """(T,) how many half turns are too many in twists (T,), where they jump by about as much in so many frames."""
    frames = np.append(np.arange(0, len(twists_rad) - 1, apart), len(twists_rad) - 1)
    smooth = np.interp(np.arange(len(twists_rad)), frames, np.unwrap(twists_rad[frames], period=np.pi))
    return np.round((twists_rad - smooth) / np.pi).astype(int)


def _find_runs(changes: np.ndarray) -> list[slice]:
    """The frames between changes (T - 1,) from frame to frame, if there are any."""
    edges = np.flatnonzero(changes) + 1
    return [slice(*each) for each in pairwise([0, *edges.tolist(), len(changes) + 1])] if len(edges) else []


def _interpolate_run(values: np.ndarray, run: slice) -> np.ndarray:
    """Rotations (stop - start, K, 4) on the arcs from values (T, K, 4) before to those after; at ends the only ones."""
    before = values[run.start - 1 if run.start else run.stop]
    after = values[run.stop if run.stop < len(values) else run.start - 1]
    shares = np.arange(1, run.stop - run.start + 1) / (run.stop - run.start + 1)
    return np.stack([slerp(before, after, share) for share in shares])
