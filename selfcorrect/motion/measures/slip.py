"""Slip: how far feet move over the floor while they bear weight.

A stance lasts from touch-down to lift-off. Perception is off by up to a tenth of a second: so close to the ends of a
stance, captured feet move up to twice as fast as in between. Frames of this time at both ends count only if the foot
moves as in the rest of the stance. The slip of a stance is the length of the horizontal path of the point that bears
weight. In each frame, that is the slowest low point of the foot: the centre of the round heel, the toe joint, or the
tip. A foot that rolls over heel and toe has one that stands still, a foot that slides has none. Corrections let the
same points rest. Paths are averaged over a tenth of a second within the stance, so that jitter, which `jerk` measures,
does not count.

Slip is a property of one motion: neither its height, its position, its heading nor another motion changes it. Commands,
Python, checks, references, pages and pictures use this measure. Stances do not end where feet slide: a foot that rests
on the ground, however fast it slides, bears weight if the other foot does not.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ...runtime.object_cache import remember_by_object
from ..body.surface import find_bearing_points_m
from ..geometry.filters import uniform_filter1d
from ..geometry.runs import find_runs
from ..geometry.vectors import median, norms
from ..kinematics import in_chunks
from ..motion import Motion
from ..perception.foot_frames import get_foot_frames
from ..perception.observation import Observation, observe
from ..perception.stance_model import LIKELY, STANDS_M_S
from ..perception.stances import SHORTEST_STANCE_S
from ..views import LevelFeet
from .skating import find_belts_m_s

JUMP_M = 0.15
"""Minimum length of a jump beyond that of the steps before and after, in m. It separates stances at cuts."""
_SWINGS = 1.5
"""Minimum speed of feet that land or leave, in multiples of the usual speed in the stance."""
LOW_M = 0.02
"""Maximum height of a bearing point above the lowest point of its foot, in m."""


@dataclass(frozen=True, eq=False)
class StanceSlip:
    """A stance of a foot and its slip, over F frames."""

    foot: int
    """0 for left, 1 for right."""
    first: int
    """Frame of touch-down."""
    last: int
    """Last frame before lift-off, inclusive."""
    path_m: np.ndarray
    """(F, 2) path along x and z of the point that bears weight, from (0, 0) on."""

    @property
    def slip_m(self) -> float:
        """Length of the path."""
        return float(norms(np.diff(self.path_m, axis=0)).sum())


@dataclass(frozen=True, eq=False)
class Slip:
    """Stances of a motion of T frames, and how far they slip."""

    stances: tuple[StanceSlip, ...]
    """All stances, the left foot's first, each in order of time."""
    speeds_m_s: np.ndarray
    """(T − 1, 2) slip speed of each foot from the frame before, left foot first; NaN outside stances."""

    @property
    def per_stance_m(self) -> float:
        """Mean slip per stance, or 0 without stances."""
        return float(np.mean([stance.slip_m for stance in self.stances])) if self.stances else 0.0

    @property
    def mean_m_s(self) -> float:
        """Mean slip speed over the time of all stances, or 0 without stances."""
        return float(np.nanmean(self.speeds_m_s)) if np.isfinite(self.speeds_m_s).any() else 0.0

    @property
    def figures(self) -> dict[str, float]:
        """Slip per stance and mean slip speed, by the keys of `physical.FIGURES`."""
        return {"slip_m": self.per_stance_m, "slip_m_s": self.mean_m_s}


NO_SLIP = Slip((), np.zeros((0, 2)))
"""Slip of a motion without stances."""


def find_bearing_feet(observation: Observation) -> np.ndarray:
    """Find when each foot bears weight, (T, 2).

    A foot bears weight while it probably touches the ground, also if it rolls. If neither foot seems to touch the
    ground for the time of a stance, because both move, the one that rests on it bears weight and slides. Shorter times
    are those in which one foot lands and the other one leaves.
    """
    touches = observation.touches
    is_unheld = np.zeros(len(touches), dtype=bool)
    for start, stop in find_runs(np.asarray(~touches.any(axis=1)), SHORTEST_STANCE_S * observation.fps):
        is_unheld[start:stop] = True
    return touches | ((observation.resting > LIKELY) & is_unheld[:, None])


@remember_by_object
def measure_slip(motion: Motion) -> Slip:
    """Measure the slip of a motion.

    Args:
        motion: Motion of T frames. On the belt of a treadmill, slip is relative to the belt. A motion without feet has
            no stances.
    """
    observation = observe(motion)
    speeds_m_s = np.full((max(len(motion) - 1, 0), 2), np.nan)
    if not observation.has_feet or len(motion) < 2:
        return Slip((), speeds_m_s)
    belt_m_s, _ = find_belts_m_s(motion, motion)
    points_m = _find_points_m(motion)
    points_m[..., [0, 2]] -= (np.arange(len(motion)) / motion.fps)[:, None, None, None] * belt_m_s
    jumps = _find_jumps(points_m)
    window = _count_averaged(motion.fps)
    bears = find_bearing_feet(observation)
    stances = []
    for foot in range(2):
        for first, last in _find_runs_between(bears[:, foot], jumps[:, foot], max(2, window)):
            start, stop = _trim_swings(points_m[:, foot], first, last, motion.fps)
            if stop - start < max(2, window):
                continue
            steps_m = _find_bearing_steps_m(points_m[start:stop, foot], window)
            speeds_m_s[start : stop - 1, foot] = norms(steps_m) * motion.fps
            path_m = np.concatenate([np.zeros((1, 2)), np.cumsum(steps_m, axis=0)])
            stances.append(StanceSlip(foot, start, stop - 1, path_m))
    return Slip(tuple(stances), speeds_m_s)


def _find_points_m(motion: Motion) -> np.ndarray:
    """Return points (T, 2, K, 3) of both feet, of which one rests while a foot bears weight."""
    level = LevelFeet(replace(get_foot_frames(motion), soles_m=None))

    def find_points(frames: np.ndarray) -> np.ndarray:
        return find_bearing_points_m(level.view(motion.frames(frames[0], frames[-1] + 1)))

    return in_chunks(find_points, np.arange(len(motion)))


def _count_averaged(fps: float) -> int:
    """Return the number of frames over which paths are averaged; odd, so that it has a middle."""
    return 2 * (round(SHORTEST_STANCE_S * fps) // 2) + 1


def _find_jumps(points_m: np.ndarray) -> np.ndarray:
    """Find steps (T − 1, 2) in which a foot jumps, as at a cut: far further than in the steps before and after."""
    steps_m = norms(np.diff(points_m[..., [0, 2]], axis=0)).min(axis=-1)
    beside_m = np.pad(steps_m, ((1, 1), (0, 0)))
    return steps_m > np.maximum(beside_m[:-2], beside_m[2:]) + JUMP_M


def _find_runs_between(holds: np.ndarray, jumps: np.ndarray, shortest: int) -> list[tuple[int, int]]:
    """Find runs of at least `shortest` frames (T,) in which a condition holds, and which jumps (T − 1,) separate."""
    runs = []
    for start, stop in find_runs(holds):
        bounds = [start, *(start + 1 + np.flatnonzero(jumps[start : stop - 1])).tolist(), stop]
        runs += [(first, last) for first, last in pairwise(bounds) if last - first >= shortest]
    return runs


def _trim_swings(points_m: np.ndarray, start: int, stop: int, fps: float) -> tuple[int, int]:
    """Trim swinging frames off both ends of a stance, for up to a tenth of a second.

    In such frames, all low points (T, K, 3) move faster than standing feet, and much faster than in the rest of the
    stance: the foot still lands or already leaves. In a single one of them, it travels further than it slips.
    Stances at both ends of the motion last beyond them.
    """
    steps_m = norms(np.diff(points_m[start:stop, :, [0, 2]], axis=0))
    slowest_m = np.where(_find_low_in_steps(points_m[start:stop, :, 1]), steps_m, np.inf).min(axis=1)
    slides = np.asarray(slowest_m <= max(STANDS_M_S / fps, _SWINGS * float(median(slowest_m))))
    most = max(1, round(SHORTEST_STANCE_S * fps))
    landing = _count_swings(slides, most) if start > 0 else 0
    leaving = _count_swings(slides[::-1], most) if stop < len(points_m) else 0
    return start + landing, stop - leaving


def _count_swings(slides: np.ndarray, most: int) -> int:
    """Count the steps before the first slide (T,), up to a maximum."""
    return most if not slides[:most].any() else int(slides[:most].argmax())


def _find_low_in_steps(heights_m: np.ndarray) -> np.ndarray:
    """Find points (T − 1, K) that are low in their foot before or after each step, by heights (T, K).

    Toe joint and tip are low together, because captured feet that roll turn about either of them.
    """
    is_low = heights_m < heights_m.min(axis=1, keepdims=True) + LOW_M
    is_low[:, 1:-1] |= is_low[:, -1:]
    return is_low[1:] | is_low[:-1]


def _find_bearing_steps_m(points_m: np.ndarray, window: int) -> np.ndarray:
    """Find the displacements (T − 1, 2) along x and z of the point that bears weight in a stance.

    Args:
        points_m: (T, K, 3) points along the sole's midline.
        window: Odd number of frames over which paths are averaged.
    """
    half = window // 2
    flat_m = points_m[..., [0, 2]]
    before_m = 2 * flat_m[:1] - flat_m[half:0:-1]
    after_m = 2 * flat_m[-1:] - flat_m[-2 : -2 - half : -1]
    continued_m = np.concatenate([before_m, flat_m, after_m])
    paths_m = uniform_filter1d(continued_m, window, axis=0)[half : half + len(points_m)]
    steps_m = np.diff(paths_m, axis=0)
    slowest = np.where(_find_low_in_steps(points_m[..., 1]), norms(steps_m), np.inf).argmin(axis=1)
    return np.take_along_axis(steps_m, slowest[:, None, None], axis=1)[:, 0]
