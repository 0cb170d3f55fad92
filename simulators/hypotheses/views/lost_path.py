"""Restore a path that was lost.

A tracker that loses a body may hold the root in place for some strides while the feet step on. The feet that bear
weight then slide back as fast as the body should advance, so the path is the reverse of theirs. All later frames move
with the end of the restored path, unless the root jumps to where the body is: in that case, the path leads there.
"""

from dataclasses import replace
from functools import partial

import numpy as np

from selfcorrect.motion.body.surface import sole_corners_m
from selfcorrect.motion.geometry.filters import gaussian_filter1d
from selfcorrect.motion.geometry.floor_speeds import floor_velocities_between_m_s
from selfcorrect.motion.geometry.runs import find_runs
from selfcorrect.motion.geometry.vectors import median, norms
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.observation import observe

from ...body.soles import lowest_corner_velocities, lowness_weights, split_by_foot
from ...core.drift import StabilizeFloor
from ...core.settings import ViewSettings
from ...results.comparison import include_repair
from ...results.results import Note, NoteKind
from ...results.view import CorrectionView, Part
from ..row import Hypothesis

LOST_PATH = Hypothesis(
    name="lost-path",
    reference=f"{__name__}:restore_path",
    summary="The root is held in place for some strides while the feet step on.",
    evidence="trackers that lose a body",
)

_HELD_M_S = 0.005
"""Maximum speed of a held root, in m/s. Standing people sway faster."""
_MIN_HELD_S = 0.4
"""Minimum duration for which the root is held, in s."""
_TRAVEL_WINDOW_S = 1.0
"""Time before and after a held stretch that shows the body's travelling speed, in s."""
_MIN_TRAVEL_M_S = 0.4
"""Minimum travelling speed, in m/s."""
_MAX_SPEED_RATIO = 2.0
"""Maximum ratio between the restored speed and the travelling speed, either way."""
_JUMP_SPEED_RATIO = 4.0
"""Root speed, in multiples of the travelling speed, above which the root jumps to where the body is."""
_MAX_JUMP_MISMATCH = 0.5
"""Maximum difference between the jump and the path from feet, relative to that path."""
_MAX_ROLLING_FACTOR = 1.25
"""Maximum factor for rolling feet, either way. Feet that bear weight roll, and so show a shorter or longer path; where
the body travels, the root shows by how much."""
_MIN_RESTING_WEIGHT = 0.3
"""Minimum total weight of resting feet in a frame."""
_SMOOTHING_S = 0.1
"""Smoothing time of the feet's velocity, in s. Changes from step to step are not the body's."""
_SETTLING_M_S = 0.3
"""Difference from the smoothed velocity at which a foot counts for half, in m/s. Landing feet still settle."""
_ROUNDS = 5
"""Number of smoothing rounds."""


def restore_path(part: Part, settings: ViewSettings) -> CorrectionView:
    """Hide that the path was lost for some strides.

    The path is left unchanged if it is to be kept, or if floors are not estimated.
    """
    floor = settings.cleanup.find_step(StabilizeFloor)
    if floor is None or floor.keep_path:
        return CorrectionView.from_part(part)
    restored, frames = restore_lost_path(part.motion)
    if not frames:
        return CorrectionView.from_part(part)
    note = Note(NoteKind.PATH_RESTORED, frames=frames)
    return CorrectionView.from_motion(restored, partial(include_repair, part.motion, note))


def restore_lost_path(motion: Motion) -> tuple[Motion, tuple[int, ...]]:
    """Restore the path that feet show while the root is held.

    A body that does not travel before or after a stretch moves in place, and is left unchanged.

    Returns:
        The motion, and the first and last frame of each restored stretch, alternating.
    """
    fps = motion.fps
    velocities_m_s = floor_velocities_between_m_s(motion.root_m, fps)
    speeds_m_s = norms(velocities_m_s)
    held = []
    for start, stop in find_runs(speeds_m_s < _HELD_M_S):
        if _MIN_HELD_S * fps <= stop - start < len(speeds_m_s):
            held.append((start, stop))
    if not held or motion.skeleton.pair("ankle") is None:
        return motion, ()
    from_feet_m_s = _smooth_robustly(velocities_m_s - _measure_resting_velocities_m_s(motion), fps)
    travels = speeds_m_s > _MIN_TRAVEL_M_S
    travels &= speeds_m_s < _JUMP_SPEED_RATIO * median(speeds_m_s[travels]) if travels.any() else True
    along_m2_s2 = (from_feet_m_s * velocities_m_s)[travels].sum()
    rolling = np.clip(
        (speeds_m_s[travels] ** 2).sum() / max(along_m2_s2, 1e-9), 1 / _MAX_ROLLING_FACTOR, _MAX_ROLLING_FACTOR
    )
    around = round(_TRAVEL_WINDOW_S * fps)
    frames: list[int] = []
    restored_m_s = np.zeros_like(velocities_m_s)
    for start, stop in held:
        beside_m_s = np.concatenate([speeds_m_s[max(start - around, 0) : start], speeds_m_s[stop : stop + around]])
        travel_m_s = float(median(beside_m_s))
        missing_path_m_s = rolling * from_feet_m_s[start:stop]
        speed_m_s = float(np.linalg.norm(missing_path_m_s.mean(axis=0)))
        if travel_m_s > _MIN_TRAVEL_M_S and travel_m_s / _MAX_SPEED_RATIO < speed_m_s < travel_m_s * _MAX_SPEED_RATIO:
            if stop < len(speeds_m_s) and speeds_m_s[stop] > _JUMP_SPEED_RATIO * travel_m_s:
                missing_m_s = velocities_m_s[stop] - missing_path_m_s[-1] - missing_path_m_s.sum(axis=0)
                if np.linalg.norm(missing_m_s) > _MAX_JUMP_MISMATCH * np.linalg.norm(missing_path_m_s.sum(axis=0)):
                    continue  # a cut, not the end of the path
                missing_path_m_s += missing_m_s / len(missing_path_m_s)
                restored_m_s[stop] = -missing_path_m_s.sum(axis=0)
            restored_m_s[start:stop] = missing_path_m_s
            frames += [start, stop]
    if not frames:
        return motion, ()
    root_m = motion.root_m.copy()
    root_m[1:, [0, 2]] += np.cumsum(restored_m_s, axis=0) / fps
    return replace(motion, root_m=root_m), tuple(frames)


def _measure_resting_velocities_m_s(motion: Motion) -> np.ndarray:
    """Measure the velocity of the lowest resting foot.

    The ground beneath may slide. The velocity is interpolated where no foot rests.

    Returns:
        (T − 1, 2) along x and z, in m/s.
    """
    feet_m = split_by_foot(sole_corners_m(motion))
    by_foot_m_s = lowest_corner_velocities(feet_m[None], motion.fps)[0]
    weights = observe(motion).resting * lowness_weights(feet_m[..., 1].min(axis=-1))
    weights = weights[1:] * weights[:-1]
    total = weights.sum(axis=1)
    rests = total > _MIN_RESTING_WEIGHT
    if not rests.any():
        return np.zeros((len(total), 2))
    means_m_s = (by_foot_m_s * weights[..., None]).sum(axis=1) / np.maximum(total, 1e-9)[:, None]
    steps = np.arange(len(total))
    return np.stack([np.interp(steps, steps[rests], means[rests]) for means in means_m_s.T], axis=1)


def _smooth_robustly(velocities_m_s: np.ndarray, fps: float) -> np.ndarray:
    """Smooth velocities (T, 2) over time.

    Velocities far from their neighbours have little weight.
    """

    def smooth(values: np.ndarray) -> np.ndarray:
        return gaussian_filter1d(values, _SMOOTHING_S * fps, axis=0, mode="nearest")

    weights = np.ones((len(velocities_m_s), 1))
    smooth_m_s = velocities_m_s
    for _ in range(_ROUNDS):
        smooth_m_s = smooth(weights * velocities_m_s) / smooth(weights)
        differences_m_s = norms(velocities_m_s - smooth_m_s)[:, None]
        weights = 1 / (1 + (differences_m_s / _SETTLING_M_S) ** 2)
    return smooth_m_s
