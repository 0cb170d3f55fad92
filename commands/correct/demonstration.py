"""The demonstration of `selfcorrect demo`: a built-in clip, damaged and corrected."""

from dataclasses import dataclass, replace

import numpy as np

from selfcorrect.datasets.load import load_motions
from selfcorrect.motion.editing.transforms import close_cycle, repeat_cycle
from selfcorrect.motion.geometry.rotations import compose, quaternions
from selfcorrect.motion.measures.physical import SHOWN_ERRORS
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.results.results import CorrectedMotion

from .in_python import correct

_SUNK_M = 0.06
"""Depth to which the spoiled walk sinks into the floor, in m."""
SWAY_M = 0.06
"""Amplitude of the sideways glide, in m."""
SWAYS_PER_S = 0.8
"""Frequency of the sideways glide, in Hz."""
FASTER = 1.2
"""Factor by which the path is stretched, so that feet slide."""
SHAKE_RAD = float(np.radians(1.5))
"""Standard deviation of the noise added to each joint's rotation in each frame, in rad."""


def walk() -> Motion:
    """Return the walk of the built-in motion capture, three times."""
    cycle = next(motion for motion in load_motions("deepmimic") if motion.label == "walk")
    return repeat_cycle(close_cycle(cycle), 3)


def spoil(motion: Motion, random: np.random.Generator) -> Motion:
    """Add sinking, skating and shaking to a motion."""
    seconds = np.arange(len(motion)) / motion.fps
    travel_m = motion.root_m - motion.root_m[0]
    root_m = motion.root_m + (FASTER - 1) * travel_m * (1.0, 0.0, 1.0) - (0.0, _SUNK_M, 0.0)
    root_m[:, 0] += SWAY_M * np.sin(2 * np.pi * SWAYS_PER_S * seconds)
    shake_rad = random.normal(0.0, SHAKE_RAD, (*motion.rotations.shape[:2], 3))
    return replace(motion, root_m=root_m, rotations=compose(quaternions(shake_rad), motion.rotations))


@dataclass(frozen=True, eq=False)
class Demonstration:
    """A spoiled motion and its correction."""

    before: Motion
    after: CorrectedMotion

    def lines(self) -> list[str]:
        """Return a line for each of four figures before and after the correction, as `correct` measures them."""
        lines = []
        for figure in SHOWN_ERRORS:
            value_before = figure.unit.convert(self.after.before[figure.key])
            value_after = figure.unit.convert(self.after.after[figure.key])
            lines.append(f"{figure.title:<16}{value_before:8.0f} → {value_after:.0f} {figure.unit.symbol}")
        return lines


def spoiled_walk() -> Motion:
    """Return the spoiled walk, which is always the same."""
    return spoil(walk(), np.random.default_rng(0))


def demonstration() -> Demonstration:
    """Return the spoiled walk and its correction."""
    before = spoiled_walk()
    return Demonstration(before, correct(before))
