"""Physical errors of motions, without a reference: penetration, floating, foot skate and jerk.

The first three follow Yuan et al. 2023, "PhysDiff: Physics-Guided Human Motion Diffusion Model", section 4, with
PhysDiff's tolerance of 5 mm, but sole corners and spheres of body surface in place of a mesh. All are averages over all
frames; frames without an error count 0. Real motion capture has errors, too (jumps float, soft soles sink), so compare
with real motion and not with zero.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import inf
from typing import TypeVar

import numpy as np

from ..body.surface import lowest_point_m, world_sole_points
from ..geometry.vectors import norms
from ..kinematics import forward_kinematics
from ..motion import MotionBatch
from ..support import Support, gripping, ground_heights_m

TOLERANCE_M = 0.005
"""Depth or height up to which nothing counts as an error, in m."""


@dataclass(frozen=True, eq=False)
class PhysicalErrors:
    """Errors of N motions, as arrays (N,)."""

    penetration_m: np.ndarray
    """Mean depth of the body's lowest point below the floor, in m, counted in frames in which it is deeper than 5 mm.
    """
    floating_m: np.ndarray
    """Mean height of the body's lowest point above the floor, in m, counted in frames in which it is higher than 5 mm.
    """
    skate_m_s: np.ndarray
    """Mean horizontal speed of sole corners that are at most 5 mm above the floor in two consecutive frames, in m/s:
    PhysDiff's displacement per frame, times the frame rate."""
    jerk_m_s3: np.ndarray
    """Mean jerk of the joints, in m/s³: the magnitude of the third derivative of positions, by finite differences (a
    measure of smoothness of Flash and Hogan 1985)."""

    def mean(self) -> dict[str, float]:
        """Return each error's mean over motions, by name."""
        return {field.name: float(getattr(self, field.name).mean()) for field in fields(self)}


def penetration_by_frame_m(batch: MotionBatch) -> np.ndarray:
    """Return how deep the body's lowest point is, (N, T) in m.

    Depths are below floor or ground, and 0 up to 5 mm.
    """
    poses = forward_kinematics(batch.skeleton, batch.root_m, batch.rotations)
    lowest_m, _ = _stand_on_ground(batch, *poses, supports=())
    return _depth_below_floor(lowest_m)


def physical_errors(batch: MotionBatch, supports: Sequence[Sequence[Support]] = ()) -> PhysicalErrors:
    """Return each motion's physical errors, without its padding.

    A motion that is too short for an error has 0.

    Args:
        batch: N motions.
        supports: What carries each motion besides the floor. A support is the ground of the parts that it carries, and
            a body that grips a hold does not float.
    """
    return errors_of_poses(batch, *forward_kinematics(batch.skeleton, batch.root_m, batch.rotations), supports)


def errors_of_poses(
    batch: MotionBatch, positions_m: np.ndarray, orientations: np.ndarray, supports: Sequence[Sequence[Support]] = ()
) -> PhysicalErrors:
    """Return physical errors (N,) of known poses, see `physical_errors`.

    Args:
        batch: N motions of up to T frames.
        positions_m: (N, T, J, 3) world positions of all joints, in m.
        orientations: (N, T, J, 4) world orientations of all joints.
        supports: What carries each motion besides the floor.
    """
    jerk = norms(np.diff(positions_m, n=3, axis=1)).mean(axis=-1) * batch.fps**3
    lowest_m, soles_m = _stand_on_ground(batch, positions_m, orientations, supports)
    return PhysicalErrors(
        penetration_m=_mean(_depth_below_floor(lowest_m), batch.lengths),
        floating_m=_mean(_depth_below_floor(-lowest_m), batch.lengths),
        skate_m_s=_mean(_skate(soles_m), batch.lengths - 1) * batch.fps,
        jerk_m_s3=_mean(jerk, batch.lengths - 3),
    )


def _stand_on_ground(
    batch: MotionBatch, positions_m: np.ndarray, orientations: np.ndarray, supports: Sequence[Sequence[Support]]
) -> tuple[np.ndarray, np.ndarray]:
    """Return heights above whatever carries the body.

    Returns:
        Heights (N, T) of the body's lowest point, and sole corners (N, T, P, 3) above the ground.
    """
    world_m = positions_m
    has_supports = any(supports)
    if has_supports:
        positions_m = positions_m.copy()
        for motion_m, motion_supports in zip(positions_m, supports, strict=False):
            motion_m[..., 1] -= ground_heights_m(batch.skeleton, motion_supports, len(motion_m))
    soles_m = world_sole_points(batch.skeleton, positions_m, orientations)
    if batch.ground is not None:
        soles_m = batch.ground.standing_on(world_sole_points(batch.skeleton, world_m, orientations))
        standing_m = batch.ground.standing_on(world_m)
        is_seated = has_supports and batch.ground.is_level
        positions_m = np.minimum(positions_m, standing_m) if is_seated else standing_m
    lowest_m = lowest_point_m(batch.skeleton, soles_m, positions_m, orientations)
    for motion_lowest_m, motion_supports in zip(lowest_m, supports, strict=False):
        is_gripping = gripping(motion_supports, len(motion_lowest_m))
        np.minimum(motion_lowest_m, 0.0, out=motion_lowest_m, where=is_gripping)
    return lowest_m, soles_m


def _depth_below_floor(heights_m: np.ndarray) -> np.ndarray:
    """Return depths below 0, or 0 within the tolerance."""
    return np.where(heights_m < -TOLERANCE_M, -heights_m, 0.0)


def _skate(soles_m: np.ndarray) -> np.ndarray:
    """Return foot skate (N, T−1) in m per frame.

    It is the mean horizontal displacement of those sole corners (N, T, P, 3) that stay on the floor.
    """
    is_down = soles_m[..., 1] <= TOLERANCE_M
    stays_down = is_down[:, 1:] & is_down[:, :-1]
    displacements_m = norms(np.diff(soles_m[..., [0, 2]], axis=1))
    return np.sum(displacements_m * stays_down, axis=-1) / np.maximum(stays_down.sum(axis=-1), 1)


def _mean(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the mean of each row's first values.

    Values are (N, K), and `counts` (N,) of them count. A row without any has 0.
    """
    is_counted = np.arange(values.shape[1]) < counts[:, None]
    return np.sum(values * is_counted, axis=1) / np.maximum(is_counted.sum(axis=1), 1)


_Value = TypeVar("_Value", float, np.ndarray)


@dataclass(frozen=True)
class Unit:
    """A unit in which figures are shown."""

    symbol: str = ""
    si: str = ""
    """SI unit in which the figure is computed."""
    per_si: float = 1.0
    """Size of one SI unit in this unit."""

    def convert(self, value_si: _Value) -> _Value:
        """Convert a figure from its SI unit."""
        return self.per_si * value_si


NUMBER = Unit()
MILLIMETRES = Unit("mm", "m", 1000.0)
METRES_PER_SECOND = Unit("m/s", "m/s")
MILLIMETRES_PER_SECOND = Unit("mm/s", "m/s", 1000.0)
JERK = Unit("m/s³", "m/s³")
MILLIMETRES_PER_STANCE = Unit("mm per stance", "m", 1000.0)


@dataclass(frozen=True)
class MotionFigure:
    """A figure of a single motion, as shown in records and tables."""

    key: str
    """Name in records, where values are in SI units."""
    title: str
    unit: Unit
    digits: int = 1
    of_correction: bool = False
    """True if the figure describes the effect of a correction. All others are reported before and after."""
    is_signed: bool = False
    repeatability: float = inf
    """Smallest meaningful difference, in SI units, or infinite for figures without a better direction."""
    compared: str = ""
    """Key of the figure that tells whether this one grew, if not its own."""

    @property
    def heading(self) -> str:
        return f"{self.title} {self.unit.symbol}"

    def format(self, value_si: float) -> str:
        """Format the figure with title and unit, such as "skating 52.0 mm/s"."""
        return f"{self.title} {self.unit.convert(value_si):.{self.digits}f} {self.unit.symbol}"


ERRORS = (
    MotionFigure("penetration_m", "penetration", MILLIMETRES, repeatability=0.003),
    MotionFigure("floating_m", "floating", MILLIMETRES, repeatability=0.003),
    MotionFigure("skate_m_s", "skating", MILLIMETRES_PER_SECOND, repeatability=0.01),
    MotionFigure("jerk_m_s3", "jerk", JERK, repeatability=20.0),
)
"""Errors by which corrections are chosen: those of `PhysicalErrors`, but with skating from `measure_skating_m_s`."""

_PENETRATION, _FLOATING, _, _JERK = ERRORS
SLIP_SPEED = MotionFigure("slip_m_s", "slip speed", MILLIMETRES_PER_SECOND)
SLIP = MotionFigure("slip_m", "slip", MILLIMETRES_PER_STANCE, repeatability=0.01, compared=SLIP_SPEED.key)
"""Mean slip per stance (`slip.measure_slip`). Its speed tells whether it grew, because stances may merge or split."""

SHOWN_ERRORS = (_PENETRATION, _FLOATING, SLIP, _JERK)
"""Errors of single motions that commands, pages and Python show."""

FIGURES = (
    _PENETRATION,
    _FLOATING,
    SLIP,
    SLIP_SPEED,
    _JERK,
    MotionFigure("moved_m", "moved", MILLIMETRES, of_correction=True),
    MotionFigure("raised_m", "raised", MILLIMETRES, of_correction=True, is_signed=True),
    MotionFigure("residual_force_bodyweights", "residual", Unit("bw"), 2, of_correction=True),
)
"""Figures of corrections, in the order of tables."""

_MIN_GROWTH = 0.1
"""Minimum relative growth of a figure that got worse; the growth must exceed the figure's repeatability, too."""
_FLOATING_PER_PENETRATION = 3.0
"""Decrease of floating, relative to the increase of penetration, from which on penetration does not count as worse."""


def is_worse(figure: MotionFigure, before: Mapping[str, float], after: Mapping[str, float]) -> bool:
    """Return whether a figure has grown by more than its repeatability.

    Penetration may grow if it is because a floating body was put down.
    """
    key = figure.compared or figure.key
    if key == "floating_m" or key not in before or key not in after:
        return False
    growth = after[key] - before[key]
    if growth <= _MIN_GROWTH * before[key] + figure.repeatability:
        return False
    floating_removed_m = before.get("floating_m", 0.0) - after.get("floating_m", 0.0)
    return key != "penetration_m" or floating_removed_m < _FLOATING_PER_PENETRATION * growth
