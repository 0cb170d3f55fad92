"""Restore exchanged legs.

For some frames, pose estimators may take the left leg for the right one. Knees and ankles, relative to their hips, then
jump to where the other leg was, and back. Among all labellings of the legs, we take the one with the smoothest paths:
it minimises Σ ‖Δ²p‖, plus a cost for each exchange and for each frame with exchanged legs. Dynamic programming over the
labels of two consecutive frames finds it.
"""

from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np

from selfcorrect.motion.geometry.rotations import invert, rotate
from selfcorrect.motion.geometry.runs import find_runs
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.kinematics import forward_kinematics
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.repeats import FrameRepeats
from selfcorrect.motion.skeleton import SIDES

from ...core.settings import ViewSettings
from ...results.comparison import include_repair
from ...results.results import Note, NoteKind
from ...results.view import CorrectionView, Part
from ..row import Hypothesis

EXCHANGED_LEGS = Hypothesis(
    name="exchanged-legs",
    reference=f"{__name__}:restore_exchanged_legs",
    summary="For some frames, the left leg is taken for the right one.",
    evidence="pose estimators that swap sides",
)

_EXCHANGE_COST_M_S = 3.0
"""Cost of an exchange, in m/s: the change of velocity in the paths if legs are exchanged while they pass each other."""
_FRAME_COST_M_S = 0.15
"""Cost of a frame with exchanged legs, in m/s."""
_MIN_JUMP_M = 0.15
"""Minimum reduction of ‖Δ²p‖ at the ends of a run of exchanged frames, in m, summed over both legs."""
_MAX_REMAINING_JUMP = 0.5
"""Maximum share of ‖Δ²p‖ that may remain there."""
_MAX_EXCHANGE_S = 1.0
"""Maximum duration of an exchange, in s. Longer ones may be on purpose."""


def restore_exchanged_legs(part: Part, settings: ViewSettings) -> CorrectionView:
    """Hide that legs are exchanged for some frames."""
    restored, frames = restore_legs(part.motion)
    if not frames:
        return CorrectionView.from_part(part)
    note = Note(NoteKind.LEGS_RESTORED, frames=frames)
    return CorrectionView.from_motion(restored, partial(include_repair, part.motion, note))


def restore_legs(motion: Motion) -> tuple[Motion, tuple[int, ...]]:
    """Restore exchanged legs.

    Motions with repeated frames are left unchanged, because these look like jumps.

    Returns:
        The motion, and the first and last frame of each restored run, alternating.
    """
    joints = [motion.skeleton.joint(f"{side}_{part}") for side in SIDES for part in ("hip", "knee", "ankle")]
    known = [joint for joint in joints if joint is not None]
    if len(known) < len(joints) or len(motion) < 4 or FrameRepeats.from_motion(motion).has_repeats:
        return motion, ()
    exchanged = _exchange_legs(motion)
    both_m = np.stack([_measure_from_hips(motion, known), _measure_from_hips(exchanged, known)])
    bends_m = _measure_bends_m(both_m)
    if (bends_m[0, 0, 0] - bends_m.min(axis=(0, 1, 2))).max() < _MIN_JUMP_M / 2:
        return motion, ()
    rotations = motion.rotations.copy()
    frames: list[int] = []
    for start, stop in find_runs(_find_exchanged(bends_m, motion.fps)):
        if stop - start <= _MAX_EXCHANGE_S * motion.fps and _jumps_back(both_m, start, stop):
            rotations[start:stop] = exchanged.rotations[start:stop]
            frames += [start, stop - 1]
    return (replace(motion, rotations=rotations), tuple(frames)) if frames else (motion, ())


def _measure_from_hips(motion: Motion, joints: list[int]) -> np.ndarray:
    """Return hip-relative positions (T, 2, 6) of knee and ankle of both legs, as seen from the pelvis.

    A body that is turned around for some frames has the same legs as before.

    Args:
        joints: Hip, knee and ankle of each leg.
    """
    pelvis = motion.skeleton.joint("pelvis") or 0
    positions_m, orientations = forward_kinematics(motion.skeleton, motion.root_m, motion.rotations, [*joints, pelvis])
    places_m = positions_m[:, :-1].reshape(len(motion), 2, 3, 3)
    to_pelvis = invert(orientations[:, -1])[:, None, None]
    return rotate(to_pelvis, places_m[:, :, 1:] - places_m[:, :, :1]).reshape(len(motion), 2, 6)


def _exchange_legs(motion: Motion) -> Motion:
    """Exchange the rotations of both legs."""
    skeleton = motion.skeleton
    first = skeleton.joint("left_hip")
    left = [joint for joint in range(len(skeleton)) if first in skeleton.path_to_root(joint)]
    left = [joint for joint in left if skeleton.mirror_map[joint] != joint]
    right = skeleton.mirror_map[left].tolist()
    rotations = motion.rotations.copy()
    rotations[:, [*left, *right]] = motion.rotations[:, [*right, *left]]
    return replace(motion, rotations=rotations)


def _measure_bends_m(both_m: np.ndarray) -> np.ndarray:
    """Measure ‖Δ²p‖ of both legs for all labellings of three consecutive frames.

    Args:
        both_m: (2, T, 2, 6) positions of the legs as they are, and exchanged.

    Returns:
        (2, 2, 2, T − 2) by whether legs are exchanged before, in and after each frame.
    """
    bends_m = np.empty((2, 2, 2, both_m.shape[1] - 2))
    for before, here, after in product((0, 1), repeat=3):
        bend_m = both_m[before, :-2] - 2 * both_m[here, 1:-1] + both_m[after, 2:]
        bends_m[before, here, after] = norms(bend_m).sum(axis=-1)
    return bends_m


def _find_exchanged(bends_m: np.ndarray, fps: float) -> np.ndarray:
    """Find frames (T,) with exchanged legs, at most half of all frames."""
    prices_m = (_EXCHANGE_COST_M_S * np.array([[0.0, 1.0], [1.0, 0.0]]) + _FRAME_COST_M_S * np.array([0.0, 1.0])) / fps
    total_m = prices_m.copy()  # by the labels in the first two frames
    best = np.empty((bends_m.shape[-1], 2, 2), dtype=int)
    for frame in range(bends_m.shape[-1]):
        costs_m = total_m[:, :, None] + bends_m[..., frame] + prices_m[None]
        best[frame] = costs_m.argmin(axis=0)
        total_m = costs_m.min(axis=0)
    here, after = np.unravel_index(total_m.argmin(), total_m.shape)
    labels = [int(after), int(here)]
    for choice in best[::-1]:
        labels.append(int(choice[labels[-1], labels[-2]]))
    exchanged = np.array(labels[::-1], dtype=bool)
    return ~exchanged if exchanged.mean() > 0.5 else exchanged


def _jumps_back(both_m: np.ndarray, start: int, stop: int) -> bool:
    """Return whether exchanging the legs in a run removes jumps at both ends.

    Args:
        both_m: (2, T, 2, 6) positions of the legs as they are, and exchanged.
    """
    legs_m, exchanged_m = both_m
    restored_m = legs_m.copy()
    restored_m[start:stop] = exchanged_m[start:stop]
    ends = [frame for frame in (start - 2, start - 1, stop - 2, stop - 1) if 0 <= frame < len(legs_m) - 2]
    before_m, after_m = (norms(np.diff(joints_m, 2, axis=0)).sum(axis=-1)[ends] for joints_m in (legs_m, restored_m))
    return bool(before_m.max() - after_m.max() > _MIN_JUMP_M and after_m.max() < _MAX_REMAINING_JUMP * before_m.max())
