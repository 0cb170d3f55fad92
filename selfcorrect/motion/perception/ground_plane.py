"""The plane that feet stand on, which shows how far a world is tilted.

A motion from a tilted camera, or from a capture that was levelled wrongly, walks uphill and leans. But its feet still
stand near a plane. Two sources show that plane:

* Positions. A plane is fitted robustly to the positions of stances. It is accepted only along directions in which
  positions spread widely enough, and only if almost all positions are near the plane, unlike feet on steps and curbs.
* Posture. Because of gravity, the centre of mass is above the middle between both feet's stances on average, apart from
  the acceleration between the beginning and the end of stances. Standing soles are flat. In a world tilted by an angle,
  both lean by that angle. Posture shows the tilt along directions in which positions do not. It is accepted only if the
  body, both soles and the heights of both feet agree.

A plane is rejected if feet would go through it, as in a body that crouches, leaps and lands elsewhere.

The tilt may grow over time. Then body and soles lean more and more in the same direction, whatever the feet's rest
pose, and stances lie on a curved surface. The mean plane is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..body.mass import mass_shares
from ..geometry.rotations import identity_rotations, quaternions, rotate
from ..geometry.runs import find_runs
from ..geometry.vectors import GRAVITY_M_S2, UP, median, normalize_safely, percentile
from ..kinematics import forward_kinematics
from ..motion import SLAB, Motion
from ..skeleton import SIDES
from .observation import Observation, observe
from .stances import SHORTEST_STANCE_S

TILTED_DEG = 3.5
"""Minimum tilt that is corrected, in degrees. Of 364 pieces of 5 s from CMU's training clips, 4 have a larger one."""
_STEEPEST_DEG = 20.0
"""Maximum tilt of a plane, in degrees; steeper ground is stairs."""
_MIN_PER_FOOT = 2
"""Minimum number of stances of each foot to fit a plane."""
_HALF_WEIGHT_M = 0.015
"""Distance from the plane at which a stance has half its weight, in m."""
_NEAR_M = 0.022
"""Maximum distance of most stances from a plane, in m. It also limits how much deeper feet may be below this plane than
below a level one."""
_NEAR_PERCENTILE = 80
"""Percentage of stances that must be that near."""
_GROWTH_TOLERANCE = 0.35
"""Maximum difference between the slope growth of body and soles, relative to their mean."""
_MIN_GROWTH = 0.06
"""Minimum growth of the slope from the first to the last stance."""
_BEND_RANGE = (0.5, 2.5)
"""Range of the measured curvature of stance heights, relative to what the growth of the tilt causes. It is 1 for feet
that stand, and 2 if the world turns about a point."""
_SPREAD_M = 0.06
"""Minimum standard deviation of stance positions along a direction that shows a tilt, in m."""
_MAX_ERROR_RAD = 0.018
"""Maximum standard error of a tilt that is accepted, in rad."""
_DEVIATION_PER_MEDIAN = 1.48
"""Ratio of standard deviation to median magnitude of a normal distribution."""
_HEIGHT_ERROR_M = 0.006
"""Minimum standard error of stance heights on a plane, in m."""
_ROUNDS = 6
"""Number of reweighting iterations."""

_LONGEST_S = 1.0
"""Duration beyond which a stance gains no more weight, in s."""
_FORWARD_LEAN = 0.02
"""Usual forward lean, as a slope. It is 0.045 in CMU's walks, and less in standing people."""
_FORWARD_SOLE = 0.03
"""Usual forward slope of soles relative to the rest pose. It is 0.07 in CMU's recordings, and 0 if the rest pose stands
flat."""
_MIN_SIDEWAYS = 0.03
"""Minimum sideways slope that posture can show."""
_SIDEWAYS_TOLERANCE = 0.05
"""Maximum difference between the sideways slopes of body and soles."""
_FORWARD_TOLERANCE = 0.09
"""Maximum difference between the forward slopes of body and soles."""
_TOLERANCE_SHARE = 0.25
"""Further difference that is tolerated, as a share of the slope."""
_SOLE_TOLERANCE = 0.15
"""Half the maximum difference between both soles' slopes."""
_HALF_WEIGHT_SLOPE = 0.2
"""Sole slope, as of feet on tiptoe, at which a stance has half its weight."""
_STEP_LEAN = 0.23
"""Half the maximum difference between the body's leans over the left and the right foot: half the step width over the
height."""
_FEET_TOLERANCE_M = 0.02
"""Maximum distance between the planes of the left and the right foot, in m."""
_FAR_APART_M = 0.8
"""Distance between stances from which on they overrule the body's lean, in m. They then also show the slope of a ramp,
on which soles are inclined."""
_MANY_STANCES = 10
"""Number of stances from which on they overrule the body's lean."""
_CONTRADICTING_SLOPE = 0.08
"""Minimum difference of slopes by which body or soles contradict the stances."""
_LEAN_SHARE = 0.7
"""Weight of the body's slope in the mean with the soles'."""
_LONG_STANCES_S = 0.8
"""Minimum total stance time of each foot for posture to count, in s."""
_MIN_TALLNESS = 0.92
"""Minimum height of the centre of mass for posture to show a forward tilt, relative to its usual maximum. People who
crouch lean forwards and lift their heels."""


@dataclass(frozen=True)
class GroundPlane:
    """A plane that feet stand on."""

    normal: tuple[float, float, float]
    """Upward normal in the world."""
    stances: int
    """Number of stances that the plane was estimated from."""
    is_bent: bool = False
    """True if it is the mean of a plane whose tilt changes over time."""

    @classmethod
    def from_slopes(cls, slopes: np.ndarray, stances: int) -> GroundPlane:
        """Return the plane with slopes (2,) along x and z."""
        x, z = (-slopes / np.sqrt(1 + slopes @ slopes)).tolist()
        return cls((x, float(1 / np.sqrt(1 + slopes @ slopes)), z), stances)

    @property
    def tilt_deg(self) -> float:
        """Angle between the plane and the horizontal, in degrees."""
        return float(np.degrees(np.arccos(np.clip(self.normal[1], -1.0, 1.0))))

    @property
    def is_tilted(self) -> bool:
        """True if the tilt should be corrected."""
        return self.tilt_deg >= TILTED_DEG

    @property
    def to_level(self) -> np.ndarray:
        """Smallest rotation (4,) of the world that levels the plane."""
        x, y, z = self.normal
        axis = np.array([-z, 0.0, x])
        length = float(np.linalg.norm(axis))
        if length < 1e-12:
            return identity_rotations()
        return quaternions(np.arctan2(length, y) / length * axis)


LEVEL = GroundPlane(normal=(0.0, 1.0, 0.0), stances=0)


@dataclass(frozen=True)
class _Stance:
    """One stance of a foot.

    Slopes and directions are horizontal vectors (2,) along x and z.
    """

    side: int
    """0 for left, 1 for right."""
    seconds: float
    middle_s: float
    """Time at the middle of the stance, in s."""
    place_m: np.ndarray
    """(3,) mean position of the toe joint, or of the ankle if there is none."""
    lean: np.ndarray
    """Mean slope, from the vertical, of the line from the foot to the centre of mass, minus the slope that the body's
    acceleration explains."""
    sole: np.ndarray
    """Mean slope of the sole, from the vertical: that of the axis of the ankle that points up at rest."""
    leftward: np.ndarray
    """Direction from the right hip to the left hip."""
    tallness: float
    """Height of the centre of mass above the foot, relative to its usual maximum in the motion."""

    @property
    def weight(self) -> float:
        """Weight among stances of the same foot."""
        return min(self.seconds, _LONGEST_S)

    @property
    def sole_weight(self) -> float:
        """Weight of the stance's sole, lower if the sole is inclined."""
        return self.weight / (1 + float(self.sole @ self.sole) / _HALF_WEIGHT_SLOPE**2)


def estimate_ground_plane(motion: Motion, observation: Observation | None = None) -> GroundPlane:
    """Estimate the plane that feet stand on.

    Args:
        motion: Motion of T frames. Only the first few thousand are used.
        observation: Observation of the motion; None to compute it.

    Returns:
        The plane. It is level if nothing shows a plane, if feet would go through it, or if it is as steep as stairs.
    """
    if observation is None or len(motion) > SLAB:
        motion = motion.frames(0, SLAB)
        observation = observe(motion)
    stances = _find_stances(motion, observation.toes_stand)
    posture = _estimate_posture(stances)
    plane = _fit_places(stances, posture.slopes, posture)
    if plane is None and posture.slopes.any():
        plane = _fit_places(stances, np.zeros(2), posture)
    if plane is None:
        plane = _fit_growing_tilt(stances, posture)
    if plane is None or plane.tilt_deg >= _STEEPEST_DEG:
        return LEVEL
    feet_m = observation.feet_m[:, :, -1]
    added_depth_m = _measure_depth_m(feet_m, stances, plane) - _measure_depth_m(feet_m, stances, LEVEL)
    return LEVEL if added_depth_m > _NEAR_M and not plane.is_bent else plane


def _measure_depth_m(feet_m: np.ndarray, stances: Sequence[_Stance], plane: GroundPlane) -> float:
    """Measure how deep feet (T, 2, 3) go below a plane.

    The plane passes through the median stance. The depth is in m.
    """
    stand_m = [np.dot(stance.place_m, plane.normal) for stance in stances]
    return float(median(np.array(stand_m)) - (feet_m @ plane.normal).min())


def _fit_growing_tilt(stances: Sequence[_Stance], posture: _Posture) -> GroundPlane | None:
    """Fit ground whose tilt grows at a constant rate.

    Returns the mean plane, or None if body and soles do not show a growth. Along directions in which positions do not
    show the mean, the first stances are assumed to be level.
    """
    growth = _measure_growth(stances)
    if not growth.any():
        return None
    ordered = sorted(stances, key=lambda stance: stance.middle_s)
    places_m = np.array([stance.place_m for stance in ordered])
    middles_s = np.array([stance.middle_s for stance in ordered])
    since_middle_s = middles_s - middles_s.mean()
    rises_m = (np.diff(places_m[:, [0, 2]], axis=0) @ growth) * (since_middle_s[1:] + since_middle_s[:-1]) / 2
    bends_m = np.cumsum([0.0, *rises_m])
    solution, _ = _fit_robustly(np.column_stack([places_m[:, [0, 2]], bends_m]), places_m[:, 1])
    if not _BEND_RANGE[0] < solution[2] < _BEND_RANGE[1]:
        return None
    flattened = []
    for stance, bend_m in zip(ordered, solution[2] * bends_m, strict=True):
        flattened.append(replace(stance, place_m=stance.place_m - np.array([0.0, bend_m, 0.0])))
    plane = _fit_places(flattened, growth * np.ptp(middles_s) / 2, posture)
    return None if plane is None else replace(plane, is_bent=True)


def _measure_growth(stances: Sequence[_Stance]) -> np.ndarray:
    """Measure how fast the ground's slope grows, (2,) per second.

    Leans of body and soles are each modelled as a constant per foot in the body's frame plus a linear growth in the
    world. The result is 0 if the growths of body and soles disagree.
    """
    if len(stances) < 2 * _MIN_PER_FOOT:
        return np.zeros(2)
    middles_s = np.array([stance.middle_s for stance in stances])
    design = np.zeros((len(stances), 2, 6))
    for row, stance in zip(design, stances, strict=True):
        x, z = normalize_safely(stance.leftward)
        row[:, 2 * stance.side : 2 * stance.side + 2] = [[x, -z], [z, x]]
    design[:, 0, 4] = middles_s - middles_s.mean()
    design[:, 1, 5] = design[:, 0, 4]
    growths = []
    for name in ("lean", "sole"):
        leans = np.array([getattr(stance, name) for stance in stances])
        growths.append(-np.linalg.lstsq(design.reshape(-1, 6), leans.reshape(-1), rcond=None)[0][4:])
    mean = (growths[0] + growths[1]) / 2
    size = float(np.linalg.norm(mean))
    is_shown = size * np.ptp(middles_s) > _MIN_GROWTH
    agrees = np.linalg.norm(growths[0] - growths[1]) < _GROWTH_TOLERANCE * size
    return mean if is_shown and agrees else np.zeros(2)


def _fit_places(stances: Sequence[_Stance], slopes: np.ndarray, posture: _Posture) -> GroundPlane | None:
    """Fit a plane to the positions of K stances.

    Args:
        slopes: Slopes (2,) of the plane along directions in which positions do not show a slope.
        posture: The posture, which positions must not contradict.

    Returns:
        The plane, or None if the positions are not on a plane.
    """
    is_left = np.array([stance.side == 0 for stance in stances], dtype=bool)
    if is_left.all() or not is_left.any():
        return None
    places_m = np.array([stance.place_m for stance in stances])
    across_m = places_m[:, [0, 2]] - median(places_m[:, [0, 2]], axis=0)
    heights_m = places_m[:, 1] - median(places_m[:, 1])
    shown = np.zeros((0, 2))
    if min(is_left.sum(), (~is_left).sum()) >= _MIN_PER_FOOT:
        shown = _find_shown_directions(across_m, _HEIGHT_ERROR_M)
    fitted, off_m = _fit_along(across_m, heights_m, shown, slopes)
    error_m = max(_HEIGHT_ERROR_M, _DEVIATION_PER_MEDIAN * float(median(np.abs(off_m))))
    surely_shown = _find_shown_directions(across_m, error_m)
    if len(surely_shown) < len(shown):
        shown = surely_shown
        fitted, off_m = _fit_along(across_m, heights_m, shown, slopes)
    is_near = np.ptp(across_m @ shown.T, axis=0) < _FAR_APART_M
    is_weak = is_near & (len(stances) < _MANY_STANCES)
    rises = np.abs(shown @ fitted)
    contradicts = _CONTRADICTING_SLOPE + _TOLERANCE_SHARE * rises
    if len(shown) < 2 and not posture.is_known:
        return None
    off_lean = (np.abs(shown @ (fitted - posture.lean_slopes)) > contradicts) & (rises > _MIN_SIDEWAYS)
    off_soles = np.abs(shown @ (fitted - posture.sole_slopes)) > contradicts
    if (off_lean & (is_weak | off_soles)).any():  # upright on flat soles: stairs
        return None
    apart_m = float(median(off_m[is_left]) - median(off_m[~is_left]))
    level_apart_m = float(median(heights_m[is_left]) - median(heights_m[~is_left]))
    off_m = np.abs(off_m - median(off_m))
    distance_m = float(percentile(off_m, _NEAR_PERCENTILE))
    stand_level = abs(apart_m) > max(abs(level_apart_m), _HEIGHT_ERROR_M)  # the body leans; its feet stand level
    if stand_level or abs(apart_m) >= _FEET_TOLERANCE_M or distance_m >= _NEAR_M:
        return None
    return GroundPlane.from_slopes(fitted, len(stances))


def _fit_along(
    across_m: np.ndarray, heights_m: np.ndarray, shown: np.ndarray, slopes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Fit slopes (2,) along the shown directions (D, 2), starting from slopes (2,).

    Returns the slopes and the stances' distances (K,) from the plane.
    """
    off_m = heights_m - across_m @ slopes
    if not len(shown):
        return slopes, off_m
    more, off_m = _fit_robustly(across_m @ shown.T, off_m)
    return slopes + more @ shown, off_m


def _find_shown_directions(across_m: np.ndarray, error_m: float) -> np.ndarray:
    """Find directions (D, 2) along which positions (K, 2) spread enough to show a slope.

    Args:
        across_m: Horizontal stance positions, in m.
        error_m: Standard deviation of stance heights, in m.
    """
    _, spreads, directions = np.linalg.svd(across_m, full_matrices=False)
    is_wide = spreads > _SPREAD_M * np.sqrt(len(across_m))
    return directions[is_wide & (_MAX_ERROR_RAD * spreads > error_m)]


def _fit_robustly(along_m: np.ndarray, heights_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit heights (K,) robustly as a linear function of positions (K, D).

    Returns the slopes (D,) and residuals (K,).
    """
    design = np.column_stack([along_m, np.ones(len(along_m))])
    weights = np.ones(len(along_m))
    solution = np.zeros(design.shape[1])
    off_m = heights_m
    for _ in range(_ROUNDS):
        root_weights = np.sqrt(weights)
        solution = np.linalg.lstsq(design * root_weights[:, None], heights_m * root_weights, rcond=None)[0]
        off_m = heights_m - design @ solution
        weights = 1 / (1 + (off_m / _HALF_WEIGHT_M) ** 2)
    return solution[:-1], off_m


@dataclass(frozen=True)
class _Posture:
    """Slopes (2,), along x and z, of the plane on which the posture would be upright."""

    slopes: np.ndarray
    """Slopes that body and soles agree on; 0 along directions in which they disagree."""
    lean_slopes: np.ndarray
    """Slopes that the body shows."""
    sole_slopes: np.ndarray
    """Slopes that the soles show."""
    is_known: bool
    """False if feet stand too briefly to show a lean."""


def _estimate_posture(stances: Sequence[_Stance]) -> _Posture:
    """Estimate the plane on which the posture would be usual."""
    feet = [[stance for stance in stances if stance.side == side] for side in (0, 1)]
    leftward = np.zeros(2)
    if all(feet):
        leftward = normalize_safely(np.mean([_average(foot, "leftward") for foot in feet], axis=0))
    if not leftward.any():
        return _Posture(np.zeros(2), np.zeros(2), np.zeros(2), is_known=False)
    forward = np.array([-leftward[1], leftward[0]])
    lean, sole, shown = _measure_lean(feet, leftward, least=_MIN_SIDEWAYS, agree=_SIDEWAYS_TOLERANCE)
    forward_lean, forward_sole, forward_shown = _measure_lean(
        feet,
        forward,
        least=_FORWARD_TOLERANCE,
        agree=_FORWARD_TOLERANCE,
        usual_lean=_FORWARD_LEAN,
        usual_sole=_FORWARD_SOLE,
    )
    is_known = min(sum(stance.seconds for stance in foot) for foot in feet) > _LONG_STANCES_S
    is_tall = min(float(_average(foot, "tallness")) for foot in feet) > _MIN_TALLNESS
    return _Posture(
        slopes=is_known * (-shown * leftward - is_tall * forward_shown * forward),
        lean_slopes=-lean * leftward - forward_lean * forward,
        sole_slopes=-sole * leftward - forward_sole * forward,
        is_known=is_known,
    )


def _measure_lean(
    feet: Sequence[Sequence[_Stance]],
    direction: np.ndarray,
    *,
    least: float,
    agree: float,
    usual_lean: float = 0.0,
    usual_sole: float = 0.0,
) -> tuple[float, float, float]:
    """Measure the leans of body and soles along a direction, as slopes.

    Args:
        feet: Stances of the left and of the right foot.
        direction: Horizontal unit vector (2,).
        least: Minimum lean that shows a tilt.
        agree: Maximum difference between the slopes of body and soles.
        usual_lean: Lean of a body on a level floor.
        usual_sole: Slope of soles on a level floor.

    Returns:
        The body's lean, the soles' lean and their mean. The mean is 0 if both disagree or the lean is small.
    """
    leans = [float(_average(foot, "lean") @ direction) - usual_lean for foot in feet]
    sole_slopes = [_average(foot, "sole", "sole_weight") for foot in feet]
    soles = [float(slopes @ direction) - usual_sole for slopes in sole_slopes]
    lean = (leans[0] + leans[1]) / 2
    sole = (soles[0] + soles[1]) / 2
    slope = _LEAN_SHARE * lean + (1 - _LEAN_SHARE) * sole
    is_shown = (
        abs(slope) > least
        and abs(lean - sole) < agree + _TOLERANCE_SHARE * abs(slope)
        and np.linalg.norm(sole_slopes[0] - sole_slopes[1]) < 2 * _SOLE_TOLERANCE
        and abs(leans[0] - leans[1]) < 2 * _STEP_LEAN
    )
    return lean, sole, slope if is_shown else 0.0


def _average(foot: Sequence[_Stance], name: str, weight: str = "weight") -> np.ndarray:
    """Return the weighted mean of a field over one foot's stances."""
    values = [getattr(stance, name) for stance in foot]
    return np.average(values, axis=0, weights=[getattr(stance, weight) for stance in foot])


def _find_stances(motion: Motion, stands: np.ndarray) -> list[_Stance]:
    """Find the stances of both feet.

    They are those of toe joints, or of ankles if there are none.
    """
    skeleton = motion.skeleton
    shares = mass_shares(skeleton)
    joints = np.flatnonzero(shares)
    hips = skeleton.pair("hip")
    ankles = skeleton.pair("ankle")
    if len(motion) < 3 or hips is None or ankles is None:
        return []
    positions_m, orientations = forward_kinematics(skeleton, motion.root_m, motion.rotations)
    centre_m = np.einsum("tji,j->ti", positions_m[:, joints], shares[joints])
    velocity_m_s = np.gradient(centre_m, 1 / motion.fps, axis=0)
    leftward_m = (positions_m[:, hips[0]] - positions_m[:, hips[1]])[:, [0, 2]]
    heights_m = centre_m[:, 1] - np.min([positions_m[:, ankle, 1] for ankle in ankles], axis=0)
    tall_m = _clamp_height(float(percentile(heights_m, 95)))
    stances = []
    for side, ankle in enumerate(ankles):
        toe = skeleton.joint(f"{SIDES[side]}_foot")
        toes_m = positions_m[:, ankle if toe is None else toe]
        up = rotate(orientations[:, ankle], UP)
        for start, stop in find_runs(stands[:, side], max(2, round(SHORTEST_STANCE_S * motion.fps))):
            run = slice(start, stop)
            seconds = (stop - start) / motion.fps
            to_centre_m = (centre_m[run] - (toes_m[run] + positions_m[run, ankle]) / 2).mean(axis=0)
            accelerates_m_s2 = (velocity_m_s[stop - 1] - velocity_m_s[start]) * motion.fps / (stop - 1 - start)
            lean = to_centre_m / _clamp_height(to_centre_m[1]) - accelerates_m_s2 / GRAVITY_M_S2
            sole = up[run].mean(axis=0)
            stance = _Stance(
                side=side,
                seconds=seconds,
                middle_s=(start + stop - 1) / 2 / motion.fps,
                place_m=toes_m[run].mean(axis=0),
                lean=lean[[0, 2]],
                sole=(sole / _clamp_height(sole[1]))[[0, 2]],
                leftward=leftward_m[run].mean(axis=0),
                tallness=float(heights_m[run].mean()) / tall_m,
            )
            stances.append(stance)
    return stances


def _clamp_height(height: float) -> float:
    """Return a height that slopes can be divided by.

    It is limited because bodies that lie or stand on their heads would have arbitrarily steep slopes.
    """
    return max(height, 0.05)
