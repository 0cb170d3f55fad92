"""Skip unrelated poses, as in pose libraries.

Stretches of such poses are left unchanged, and the motion beside them is corrected.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from selfcorrect.motion.geometry.runs import find_runs
from selfcorrect.motion.geometry.vectors import median, norms
from selfcorrect.motion.kinematics import in_chunks, joint_positions
from selfcorrect.motion.measures.moves import UNCHANGED_M
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import UNTURNED

from ...core.settings import ViewSettings
from ...results.comparison import measure_correction
from ...results.results import SHORTEST_FRAMES, CorrectedMotion, Note, NoteKind
from ...results.view import CorrectionView, Part
from ...results.way_back import join, map_time
from ..row import Hypothesis

UNRELATED_POSES = Hypothesis(
    name="unrelated-poses",
    reference=f"{__name__}:skip_unrelated_poses",
    summary="Poses have nothing to do with each other, as in a pose library.",
    evidence="pose libraries as BVH",
)

_MIN_JUMP_M = 0.12
"""Minimum mean joint displacement of a jump between poses, in m relative to the root.

For frames longer than 1/30 s, it grows with their duration, because no body moves all of its joints
faster than that."""
_MIN_MEDIAN_JUMP_M = 0.25
"""Minimum median jump of a stretch, in m. Noise of 5 degrees in every joint reaches 0.2 m."""
_MIN_POSES = 5
"""Minimum number of consecutive unrelated poses. A body that is turned over and back shows fewer."""
_MAX_RETURN = 0.5
"""Maximum distance of a returning pose from the pose before the last jump, as a share of the jump."""


def find_unrelated_poses(motion: Motion) -> list[tuple[int, int]]:
    """Find stretches of unrelated poses, as start and stop (exclusive).

    Such poses are held, or jump further than a body could, with no motion between them. Noise, spikes and poses that
    turn over and back are not unrelated: after two jumps, the body is where it was.
    """
    enough_m = _MIN_JUMP_M * max(1.0, 30 / motion.fps)
    steps_m = _measure_steps_m(motion)
    is_jump = steps_m > enough_m
    if np.count_nonzero(is_jump) < _MIN_POSES - 1:
        return []
    upright = replace(motion, rotations=motion.rotations.copy())
    upright.rotations[:, 0] = UNTURNED
    is_jump &= _measure_steps_m(upright) > enough_m  # the root alone may turn
    if np.count_nonzero(is_jump) < _MIN_POSES - 1:
        return []
    poses_m = _find_poses_m(motion)
    is_moving = ~is_jump & (steps_m > UNCHANGED_M)
    is_motion = np.zeros(len(steps_m), dtype=bool)
    for start, stop in find_runs(is_moving, 2):
        is_motion[start:stop] = True
    stretches = []
    for start, stop in find_runs(~is_motion):
        jumps = start + np.flatnonzero(is_jump[start:stop])
        if len(jumps) < _MIN_POSES - 1 or median(steps_m[jumps]) < _MIN_MEDIAN_JUMP_M:
            continue
        if _count_new_poses(poses_m, steps_m, jumps) >= _MIN_POSES:
            stretches.append((start, stop + 1))
    return stretches


def _measure_steps_m(motion: Motion) -> np.ndarray:
    """Measure mean joint displacements between frames, relative to the root.

    Returns:
        (T − 1,) in m.
    """

    def measure_m(frames: np.ndarray) -> np.ndarray:
        poses_m = _find_poses_m(motion.frames(frames[0], frames[-1] + 2))
        return norms(np.ascontiguousarray(np.diff(poses_m, axis=0))).mean(axis=1)

    return in_chunks(measure_m, np.arange(len(motion) - 1))


def _find_poses_m(motion: Motion) -> np.ndarray:
    """Return joint positions (T, J, 3) relative to the root."""
    positions_m = joint_positions(motion)
    return positions_m - positions_m[:, :1]


def _count_new_poses(poses_m: np.ndarray, steps_m: np.ndarray, jumps: np.ndarray) -> int:
    """Count the new poses around jumps (N,).

    A new pose differs from the pose before the last jump.
    """
    count = min(len(jumps), 1) + 1
    for before, after in pairwise(jumps):
        distance_m = float(norms(poses_m[after + 1] - poses_m[before]).mean())
        count += int(distance_m > _MAX_RETURN * steps_m[after])
    return count


@dataclass(frozen=True, eq=False)
class _PoseLibrary:
    """A motion with stretches of unrelated poses, and the stretches to correct."""

    motion: Motion
    unrelated: Sequence[tuple[int, int]]
    corrected: Sequence[tuple[int, int]]

    def restore(self, corrections: Sequence[CorrectedMotion]) -> CorrectedMotion:
        """Merge corrections around unrelated poses, which are left unchanged.

        If a stretch fails, the motion is rejected.
        """
        root_m = self.motion.root_m.copy()
        rotations = self.motion.rotations.copy()
        remarks = []
        placed = []
        for start, stop in self.unrelated:
            remarks.append(Note(NoteKind.UNRELATED_POSES, frames=(start, stop - 1)))
        for (start, stop), part in zip(self.corrected, corrections, strict=True):
            correction = map_time(part, range(start, stop + 1))
            if not correction.accepted:
                return replace(correction, motion=self.motion)
            root_m[start:stop] = correction.motion.root_m
            rotations[start:stop] = correction.motion.rotations
            placed.append(correction)
        merged = replace(self.motion, root_m=root_m, rotations=rotations)
        joined = join(merged, placed, remarks)
        return measure_correction(self.motion, replace(joined, beliefs=replace(joined.beliefs, is_carried=True)))


def skip_unrelated_poses(part: Part, settings: ViewSettings) -> CorrectionView:
    """Hide unrelated poses, as in pose libraries.

    Parts between them that are too short to be corrected are hidden, too.
    """
    motion = part.motion
    unrelated = find_unrelated_poses(motion)
    if not unrelated:
        return CorrectionView.from_part(part)
    bounds = [0, *np.ravel(unrelated).tolist(), len(motion)]
    beside = []
    for start, stop in zip(bounds[::2], bounds[1::2], strict=True):
        if stop - start >= SHORTEST_FRAMES:
            beside.append((start, stop))
    library = _PoseLibrary(motion, unrelated, beside)
    return CorrectionView([part.frames(*span) for span in beside], library.restore)
