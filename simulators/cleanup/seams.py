"""Remove jumps at the seams of blocks.

Some generators and compressions make motions of equally long blocks. At their seams, joints jump: the step from frame
to frame differs from the steps beside it. People do not jump at every n-th frame for long, with smooth motion in
between.
"""

from dataclasses import dataclass, replace

import numpy as np

from selfcorrect.motion.geometry.rotations import steps_between
from selfcorrect.motion.geometry.vectors import median, norms, percentile
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import strip_side

from ..results.results import Repair
from .cleaning import CleanupState, repair_each
from .splices import spread_step

_STEPPING_PARTS = ("hip", "knee", "ankle", "foot")
"""Parts that jump with each step of a walk, when feet land."""

_MIN_BLOCK_FRAMES = 4
"""Minimum number of frames of a block."""
_MAX_BLOCK_FRAMES = 16
"""Maximum number of frames of a block. A stride, which joined cycles repeat, takes longer at 30 fps."""
_MIN_SEAMS = 5
"""Minimum number of seams."""
_MIN_JUMP_RATIO = 3.0
"""Minimum ratio of a jump at a seam to usual jumps, and to 9 in 10 jumps elsewhere."""
_MIN_REGULARITY = 0.7
"""Minimum share of seams that jump, and of jumps that are at seams."""
_MIN_JUMP_RAD = 0.08
"""Minimum median jump at seams, in rad, summed over the joints."""


@dataclass(frozen=True)
class JoinBlocks:
    """Spread each jump at a seam over the adjacent halves of its blocks.

    The parameters were set by hand on CMU clips, which show no seams, and on clips whose blocks were turned at random.
    """

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        motions = cleaning.motions
        joined = replace(cleaning, motions=repair_each(motions, range(len(motions)), self.join))
        return replace(joined, repairs_m=joined.record_repair(Repair.SPLICES, motions))

    def join(self, motion: Motion) -> Motion:
        """Return the motion without jumps at seams."""
        seams, period = find_seams(motion)
        for seam in seams:
            motion = spread_step(motion, int(seam), 0.5 * period / motion.fps)
        return motion


def find_seams(motion: Motion) -> tuple[np.ndarray, int]:
    """Find the seams (K,) of a motion, and the length of blocks.

    Seams are the last frames of blocks. Without blocks, there are none, and the length is 0.
    """
    no_seams = np.zeros(0, dtype=int), 0
    if len(motion) < _MIN_SEAMS * _MIN_BLOCK_FRAMES:
        return no_seams
    upper_body = [joint for joint, part in enumerate(motion.skeleton.parts) if strip_side(part) not in _STEPPING_PARTS]
    steps = steps_between(motion.rotations[:, upper_body])
    jumps_rad = norms(steps[1:-1] - 0.5 * (steps[:-2] + steps[2:])).sum(-1)
    is_peak = jumps_rad > _MIN_JUMP_RATIO * median(jumps_rad)
    is_peak[1:-1] &= (jumps_rad[1:-1] >= jumps_rad[:-2]) & (jumps_rad[1:-1] >= jumps_rad[2:])
    peaks = np.flatnonzero(is_peak)
    if len(peaks) < _MIN_SEAMS:
        return no_seams
    period = int(median(np.diff(peaks)))
    if not _MIN_BLOCK_FRAMES <= period <= _MAX_BLOCK_FRAMES:
        return no_seams
    phase = int(np.bincount(peaks % period).argmax())
    seams = np.arange(phase, len(jumps_rad), period)
    beside = np.zeros(len(jumps_rad), dtype=bool)
    for offset in (-1, 0, 1):  # the step at a seam is a neighbour of those beside it
        beside[np.clip(seams + offset, 0, len(jumps_rad) - 1)] = True
    is_regular = np.mean(is_peak[seams]) >= _MIN_REGULARITY and np.mean(peaks % period == phase) >= _MIN_REGULARITY
    if len(seams) < _MIN_SEAMS or not is_regular or beside.all():
        return no_seams
    jump_rad = float(median(jumps_rad[seams]))
    is_sudden = jump_rad > _MIN_JUMP_RATIO * percentile(jumps_rad[~beside], 90)
    return (seams + 1, period) if is_sudden and jump_rad > _MIN_JUMP_RAD else no_seams
