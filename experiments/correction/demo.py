"""A clip that ships, spoiled and corrected: what `selfcorrect demo` shows."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.datasets.load import load_motions
from selfcorrect.motion.correction.results import CorrectedMotion
from selfcorrect.motion.editing.transforms import close_cycle, repeat_cycle
from selfcorrect.motion.measures.physical import physical_errors
from selfcorrect.motion.motion import Motion, MotionBatch

from .in_python import correct

SUNK_M = 0.06
"""Depth of the spoiled walk in the floor."""
SWAY_M, SWAYS_PER_S = 0.06, 0.8
"""Distance by which, and times per second, it glides from side to side while its feet stand."""
FASTER = 1.2
"""Factor by which it travels further than its steps reach."""
SHAKE_RAD = float(np.radians(1.5))
"""Standard deviation of what is added to each joint's rotation in each frame."""


def walk(cycles: int = 3) -> Motion:
    """The walk of the built-in motion capture, so many times."""
    once = next(motion for motion in load_motions("deepmimic") if motion.label == "walk")
    return repeat_cycle(close_cycle(once), cycles)


def spoil(motion: Motion, random: np.random.Generator) -> Motion:
    """A motion whose feet sink and skate and whose limbs shake, as those of generated motions do."""
    seconds = np.arange(len(motion)) / motion.fps
    travel_m = motion.root_m - motion.root_m[0]
    root_m = motion.root_m + (FASTER - 1) * travel_m * (1.0, 0.0, 1.0) - (0.0, SUNK_M, 0.0)
    root_m[:, 0] += SWAY_M * np.sin(2 * np.pi * SWAYS_PER_S * seconds)
    shake_rad = random.normal(0.0, SHAKE_RAD, (*motion.rotations.shape[:2], 3))
    turns = Rotation.from_rotvec(shake_rad) * Rotation.from_quat(motion.rotations)
    return replace(motion, root_m=root_m, rotations=turns.as_quat())


@dataclass(frozen=True, eq=False)
class Demonstration:
    """A spoiled motion and its correction."""

    before: Motion
    after: CorrectedMotion

    def lines(self) -> list[str]:
        """Four figures before and after, a line each."""
        earlier, later = (
            physical_errors(MotionBatch.stack([motion])).mean() for motion in (self.before, self.after.motion)
        )
        return [
            f"{title:<16}{scale * earlier[name]:8.{digits}f} → {scale * later[name]:.{digits}f} {unit}"
            for name, title, scale, digits, unit in FIGURES
        ]


FIGURES = (
    ("penetration_m", "penetration", 1000.0, 0, "mm"),
    ("skate_m_s", "skating", 1.0, 2, "m/s"),
    ("jerk_m_s3", "jerk", 1.0, 0, "m/s³"),
    ("floating_m", "floating", 1000.0, 0, "mm"),
)
"""Key in `PhysicalErrors`, title, factor, digits and unit."""


def spoiled_walk() -> Motion:
    """The walk, spoiled: the same each time."""
    return spoil(walk(), np.random.default_rng(0))


def demonstration() -> Demonstration:
    """The walk, spoiled and corrected."""
    before = spoiled_walk()
    return Demonstration(before, correct(before))
