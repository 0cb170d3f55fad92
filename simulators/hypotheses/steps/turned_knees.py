"""Turn back legs whose knees flip to the wrong side.

A nearly straight leg hardly shows where its knee points. In some captures of kicks and leaps, a leg is therefore
rotated by half a turn about the line from hip to ankle for some frames. The knee jumps to the wrong side within a
frame, and back, while the ankle swings on.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from selfcorrect.motion.geometry.filters import FRAME_S
from selfcorrect.motion.geometry.rotations import compose, invert, rotate, rotation_vectors, slerp
from selfcorrect.motion.geometry.runs import find_runs
from selfcorrect.motion.geometry.vectors import normalize_safely, norms
from selfcorrect.motion.motion import MotionBatch

from ...core.cleaning import CleanupState
from ..row import Hypothesis

TURNED_KNEES = Hypothesis(
    name="turned-knees",
    reference=f"{__name__}:TurnKnees",
    summary="A knee turns over for some frames.",
    place="step",
    evidence="CMU subject 05",
)

_MAX_FLIP_S = 2 / 3
"""Maximum duration of a flip, in s. During a longer flip, the motion of the foot is unknown."""
_MAX_ACCELERATION_RATIO = 0.8
"""Maximum acceleration of a repaired knee, relative to that before."""


@dataclass(frozen=True)
class TurnKnees:
    """Turn legs that flip for a moment back by half a turn.

    Ankles stay in place. A turn is accepted only if the knee's jumps shrink enough at the ends of the flip: ‖Δ²p after‖
    < `_MAX_ACCELERATION_RATIO` ‖Δ²p before‖. The parameters were set by hand on CMU clips of dancers.
    """

    hypothesis: ClassVar[str] = TURNED_KNEES.name

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        return replace(cleaning, motions=unflip_knees(cleaning.motions))


def unflip_knees(motions: MotionBatch) -> MotionBatch:
    """Turn back knees that flip, while ankles stay in place.

    Legs that flip, and are then twisted further than hips can be, are turned back. Their feet are interpolated between
    the frames before and after. Flips that take several frames are bridged, which may move the ankle by some
    millimetres.
    """
    rotations = motions.rotations.copy()
    for side in ("left", "right"):
        joints = [motions.skeleton.joint(f"{side}_{part}") for part in ("hip", "knee", "ankle", "foot")]
        if None in joints[:3]:
            continue
        leg = [joint for joint in joints if joint is not None]
        for motion in rotations:
            motion[:, leg] = _unflip_leg(motion[:, leg], motions.skeleton.offsets_m[leg], motions.fps)
    if np.array_equal(rotations, motions.rotations):
        return motions
    return replace(motions, rotations=rotations)


def _unflip_leg(leg: np.ndarray, offsets_m: np.ndarray, fps: float) -> np.ndarray:
    """Return a leg's rotations (T, K, 4), hip first, without flips.

    Args:
        offsets_m: (K, 3) of the joints.
    """
    hip = leg[:, 0]
    knee = leg[:, 1]
    thigh_m = offsets_m[1]
    shin_world_m = rotate(compose(hip, knee), offsets_m[2])
    line = normalize_safely(rotate(hip, thigh_m) + shin_world_m)
    flip_frames = _flip_duration_frames(fps)
    runs = _find_flipped_frames(leg, line, normalize_safely(thigh_m), fps)
    result = leg.copy()
    for run in runs:
        half_turns = np.concatenate([line[run], np.zeros_like(line[run, :1])], axis=-1)
        result[run, 0] = compose(half_turns, hip[run])
        result[run, 2:] = _interpolate_run(leg[:, 2:], run)
        for edge in (run.start, run.stop):  # the leg may be partly turned around an edge
            if flip_frames > 1 and flip_frames <= edge <= len(leg) - flip_frames:
                around_edge = slice(edge - flip_frames + 1, edge + flip_frames - 1)
                result[around_edge, :1] = _interpolate_run(result[:, :1], around_edge)
    before_m = _knee_jumps_m(leg[:, 0], thigh_m)
    after_m = _knee_jumps_m(result[:, 0], thigh_m)
    for run in runs:
        around = slice(max(run.start - flip_frames, 0), run.stop + flip_frames)
        jumps = slice(max(around.start - 1, 0), around.stop)
        largest_before_m = before_m[jumps].max(initial=0.0)
        largest_after_m = after_m[jumps].max(initial=0.0)
        if largest_after_m > _MAX_ACCELERATION_RATIO * largest_before_m:
            result[around] = leg[around]
    return result


def _knee_jumps_m(hip: np.ndarray, thigh_m: np.ndarray) -> np.ndarray:
    """Return the second differences (T − 2,) of a knee, in m.

    The knee is below a hip with rotations (T, 4).
    """
    return norms(np.diff(rotate(hip, thigh_m), 2, axis=0))


def _flip_duration_frames(fps: float) -> int:
    """Return the number of frames that a flip takes."""
    return max(1, round(FRAME_S * fps))


def _find_flipped_frames(leg: np.ndarray, line: np.ndarray, thigh: np.ndarray, fps: float) -> list[slice]:
    """Find runs in which a leg is turned about its line from hip to ankle.

    Knees bent by more than a right angle are skipped, because their line from hip to ankle is short and turns fast. No
    hip twists its thigh by more than a right angle from its direction at rest.

    Args:
        leg: (T, K, 4) rotations of the joints, hip first.
        line: (T, 3) direction from hip to ankle.
        thigh: (3,) direction of the thigh at rest.
    """
    is_straight = norms(rotation_vectors(leg[:, 1])) < np.pi / 2
    is_twisted = np.abs(_angles_about(leg[:, 0], thigh)) > np.pi / 2
    twists_rad = _twists_rad(leg[:, 0], line, is_straight[1:] & is_straight[:-1])
    half_turns = _count_half_turns(twists_rad, _flip_duration_frames(fps))
    is_odd = half_turns % 2 != 0
    if is_odd.all() or not is_odd.any():
        return []
    flipped = []
    for start, stop in sorted([*find_runs(is_odd), *find_runs(~is_odd)]):
        run = slice(start, stop)
        is_short = stop - start <= _MAX_FLIP_S * fps
        if is_short and is_twisted[run].mean() > 0.5 and is_straight[run].all():
            flipped.append(run)
    return flipped


def _twists_rad(rotations: np.ndarray, line: np.ndarray, is_valid: np.ndarray) -> np.ndarray:
    """Return accumulated twists (T,) of rotations about a line.

    Args:
        rotations: (T, 4).
        line: (T, 3).
        is_valid: (T − 1,) whether a step counts.
    """
    turns = compose(rotations[1:], invert(rotations[:-1]))
    axes = normalize_safely(line[1:] + line[:-1])
    steps_rad = np.where(is_valid, _angles_about(turns, axes), 0.0)
    return np.concatenate([[0.0], np.cumsum(steps_rad)])


def _angles_about(rotations: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Return angles (T,) of rotations (T, 4) about axes (T, 3) or (3,), at most half a turn."""
    along_axis = np.sum(rotations[:, :3] * axes, axis=-1)
    angles_rad = 2 * np.arctan2(along_axis, rotations[:, 3])
    return (angles_rad + np.pi) % (2 * np.pi) - np.pi


def _count_half_turns(twists_rad: np.ndarray, apart: int) -> np.ndarray:
    """Count jumps by about half a turn, within `apart` frames, in twists (T,)."""
    last = len(twists_rad) - 1
    frames = np.append(np.arange(0, last, apart), last)
    unwrapped_rad = np.unwrap(twists_rad[frames], period=np.pi)
    smooth_rad = np.interp(np.arange(len(twists_rad)), frames, unwrapped_rad)
    return np.round((twists_rad - smooth_rad) / np.pi).astype(int)


def _interpolate_run(values: np.ndarray, run: slice) -> np.ndarray:
    """Interpolate rotations over a run of frames.

    Args:
        values: (T, K, 4). Those before and after the run are interpolated. At an end of the motion, only those on the
            other side count.

    Returns:
        (stop − start, K, 4).
    """
    before = values[run.start - 1 if run.start else run.stop]
    after = values[run.stop if run.stop < len(values) else run.start - 1]
    frames = run.stop - run.start
    shares = np.arange(1, frames + 1) / (frames + 1)
    return np.stack([slerp(before, after, share) for share in shares])
