"""The plane that feet stand on.

It shows the tilt of a world without a level floor. Motion from a tilted camera or a wrongly levelled capture walks
uphill and leans. The feet stand near a plane all the same. Two sources show the plane:

* Places. The plane is fitted to the places of stances, robustly. The plane is believed only along directions where
  places are far enough apart, and only if nearly all places are near the plane: feet on steps and curbs are not.
* Posture. Gravity acts on the centre of mass, so on average it is above the middle between the stances of both feet,
  but for the acceleration from the stances' beginning to the end; and standing soles are flat. In a world that is
  tilted by an angle, both lean by that angle. The posture shows the tilt along directions where places do not, and is
  believed only if the body, both soles and the heights of the two feet agree.

No plane is believed if feet dive through the plane, as those of a body that crouches, leaps and lands elsewhere.

A tilt may grow with time. Body and soles then lean more and more alike, whatever the rest pose of the feet, and the
stances lie on a bent surface; the mean plane is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..body.mass import mass_shares
from ..geometry.rotations import identity_rotations, quaternions, rotate
from ..geometry.runs import find_runs
from ..geometry.vectors import GRAVITY_M_S2, UP, median, normalize_safely, percentile
from ..kinematics import SLAB, forward_kinematics
from ..motion import Motion
from ..skeleton import SIDES
from .observation import Observation, observe

TILTED_DEG = 3.5
"""Minimum tilt of a floor, in degrees. Of pieces of 5 s of CMU's training clips 4 of 364 show more."""
_STEEPEST_DEG = 20.0
"""A steeper plane is a staircase."""
_SHORTEST_S = 0.1
"""A stance lasts at least as long."""
_FEWEST_OF_FOOT = 2
"""Minimum number of stances of each foot for a plane."""
_OFF_M = 0.015
"""Distance at which a stance loses weight, in m."""
_NEAR_M = 0.022
"""Maximum distance of most stances from a plane, in m. Feet may be as much deeper below it than below a level one."""
_NEAR_PERCENTILE = 80
"""Percentage of the stances that are that near."""
_GROWTHS_AGREE = 0.35
"""Maximum difference of slope growths, relative to the mean. Body and soles show them."""
_LEAST_GROWTH = 0.06
"""Minimum growth of a slope from the first to the last stance."""
_BENDS = (0.5, 2.5)
"""Range of the bend of stance heights, relative to the growth's. The growth bends the heights of feet that stand; a
world that turns about a point has twice that."""
_SPREAD_M = 0.06
"""Minimum spread of stances that show a tilt, in m: a standard deviation along a direction."""
_UNSURE_RAD = 0.018
"""Largest standard error of a tilt that is believed."""
_TO_DEVIATION = 1.48
"""Ratio of standard deviation to median magnitude. Numbers are normally distributed."""
_HEIGHT_ERROR_M = 0.006
"""Minimum height error of stances on a plane, in m."""
_ROUNDS = 6
"""Number of rounds that down-weight stances off the plane."""

_LONGEST_S = 1.0
"""A longer stance counts as one of this duration."""
_FORWARD_LEAN = 0.02
"""Usual forward lean, as a slope: 0.045 for CMU's walkers, less for people who stand."""
_FORWARD_SOLE = 0.03
"""Usual forward slope of soles, relative to the rest pose: 0.07 in CMU's recordings, 0 if a rest pose stands flat."""
_LEAST_SIDEWAYS = 0.03
"""Smallest slope to the side that a posture shows."""
_LEAST_FORWARD = 0.09
"""Minimum forward slope that posture shows. People lean forwards and backwards more than to the side."""
_AGREE_SIDEWAYS = 0.05
"""Maximum difference of sideways slopes. Body and soles show them."""
_AGREE_FORWARD = 0.09
"""Largest difference of the slopes forwards."""
_AGREE_SHARE = 0.25
"""Additional relative difference of the slopes."""
_SOLES_AGREE = 0.15
"""Maximum half difference of both soles' slopes."""
_INCLINED = 0.2
"""Sole slope at which a stance has half its weight. Feet on tiptoe have such slopes."""
_STEP_LEAN = 0.23
"""Maximum half difference of sideways leans. The body leans over both feet: half the width of a step over the
height."""
_FEET_AGREE_M = 0.02
"""Maximum distance of a foot from the other's plane, in m."""
_LONG_M = 0.8
"""Stance distance that overrules the body, in m. Such stances also show the slope of a ramp with inclined soles."""
_MANY_STANCES = 10
"""So do this many stances."""
_CONTRADICTS = 0.08
"""Minimum slope difference that contradicts stances. Body or soles show it."""
_LEAN_SHARE = 0.7
"""Weight of the body's slope in the mean."""
_LONG_STANCES_S = 0.8
"""Minimum total stance time for posture to count, in s. It holds for each foot."""
_TALL = 0.92
"""Minimum centre height that shows a forward tilt, as a share of the usual largest height: who crouches leans forwards
and lifts the heels."""


@dataclass(frozen=True)
class GroundPlane:
    """A plane that feet stand on."""

    normal: tuple[float, float, float]
    """Upward normal, world."""
    stances: int
    """Number of stances that show the plane."""
    is_bent: bool = False
    """True for a mean of planes whose tilt changes."""

    @classmethod
    def from_slopes(cls, slopes: np.ndarray, stances: int) -> GroundPlane:
        """Return the plane with slopes (2,).

        It rises along x and z.
        """
        x, z = (-slopes / np.sqrt(1 + slopes @ slopes)).tolist()
        return cls((x, float(1 / np.sqrt(1 + slopes @ slopes)), z), stances)

    @property
    def tilt_deg(self) -> float:
        """Angle between the plane and the level."""
        return float(np.degrees(np.arccos(np.clip(self.normal[1], -1.0, 1.0))))

    @property
    def is_tilted(self) -> bool:
        """True if the tilt should be corrected."""
        return self.tilt_deg >= TILTED_DEG

    @property
    def to_level(self) -> np.ndarray:
        """Quaternion (4,) that levels the plane.

        It is the smallest such rotation of the world.
        """
        x, y, z = self.normal
        axis = np.array([-z, 0.0, x])
        length = float(np.linalg.norm(axis))
        if length < 1e-12:
            return identity_rotations()
        return quaternions(np.arctan2(length, y) / length * axis)


LEVEL = GroundPlane(normal=(0.0, 1.0, 0.0), stances=0)


@dataclass(frozen=True)
class _Stance:
    """A stance.

    Slopes and directions are horizontal vectors (2,), along x and z.
    """

    side: int
    """0 is left, 1 is right."""
    seconds: float
    middle_s: float
    """Time of the stance's middle."""
    place_m: np.ndarray
    """(3,) mean position of the toe joint: the ankle's without a toe joint."""
    lean: np.ndarray
    """Mean slope of the line from foot to centre of mass, against the vertical, less the slope of the body's
    acceleration."""
    sole: np.ndarray
    """Mean slope of the sole: that of the ankle joint's upward axis at rest."""
    leftward: np.ndarray
    """Direction from the right hip to the left."""
    tallness: float
    """Height of the centre of mass above the foot, as a share of the usual largest one of the motion."""

    @property
    def weight(self) -> float:
        """Weight among the stances of the foot."""
        return min(self.seconds, _LONGEST_S)

    @property
    def sole_weight(self) -> float:
        """Weight among the soles of these stances."""
        return self.weight / (1 + float(self.sole @ self.sole) / _INCLINED**2)


def estimate_ground_plane(motion: Motion, observation: Observation | None = None) -> GroundPlane:
    """Estimate the ground plane of a motion.

    The feet stand on it.

    Args:
        motion: Motion of T frames; the first few thousand count.
        observation: Observation of the motion; None to observe it.

    Returns:
        The plane; a level one if nothing shows a plane, feet dive through, or the plane is as steep as stairs.
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
    """Measure how deep feet dive below a plane.

    Feet are (T, 2, 3); the plane goes through most stances.
    """
    stand_m = [np.dot(stance.place_m, plane.normal) for stance in stances]
    return float(median(np.array(stand_m)) - (feet_m @ plane.normal).min())


def _fit_growing_tilt(stances: Sequence[_Stance], posture: _Posture) -> GroundPlane | None:
    """Fit ground whose tilt grows steadily.

    Returns the mean plane of K stances, or None if body and soles show no growth. Along directions where places do not
    show the mean, the first stances are taken to be level.
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
    if not _BENDS[0] < solution[2] < _BENDS[1]:
        return None
    flattened = []
    for stance, bend_m in zip(ordered, solution[2] * bends_m, strict=True):
        flattened.append(replace(stance, place_m=stance.place_m - np.array([0.0, bend_m, 0.0])))
    plane = _fit_places(flattened, growth * np.ptp(middles_s) / 2, posture)
    return None if plane is None else replace(plane, is_bent=True)


def _measure_growth(stances: Sequence[_Stance]) -> np.ndarray:
    """Measure how the ground's slope grows.

    The growth (2,) is per second, as body and soles show it alike; else 0. Both lean by a constant in the frame of the
    body, for each foot, and by a part in the world that grows.
    """
    if len(stances) < 2 * _FEWEST_OF_FOOT:
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
    is_shown = size * np.ptp(middles_s) > _LEAST_GROWTH
    agrees = np.linalg.norm(growths[0] - growths[1]) < _GROWTHS_AGREE * size
    return mean if is_shown and agrees else np.zeros(2)


def _fit_places(stances: Sequence[_Stance], slopes: np.ndarray, posture: _Posture) -> GroundPlane | None:
    """Fit a plane to the places of K stances.

    Args:
        slopes: Slopes (2,) of the plane in directions where the places do not show a slope.
        posture: The posture; places must not contradict it.

    Returns:
        The plane, or None if the places are on none.
    """
    is_left = np.array([stance.side == 0 for stance in stances], dtype=bool)
    if is_left.all() or not is_left.any():
        return None
    places_m = np.array([stance.place_m for stance in stances])
    across_m = places_m[:, [0, 2]] - median(places_m[:, [0, 2]], axis=0)
    heights_m = places_m[:, 1] - median(places_m[:, 1])
    shown = np.zeros((0, 2))
    if min(is_left.sum(), (~is_left).sum()) >= _FEWEST_OF_FOOT:
        shown = _find_shown_directions(across_m, _HEIGHT_ERROR_M)
    fitted, off_m = _fit_along(across_m, heights_m, shown, slopes)
    error_m = max(_HEIGHT_ERROR_M, _TO_DEVIATION * float(median(np.abs(off_m))))
    surely_shown = _find_shown_directions(across_m, error_m)
    if len(surely_shown) < len(shown):
        shown = surely_shown
        fitted, off_m = _fit_along(across_m, heights_m, shown, slopes)
    is_near = np.ptp(across_m @ shown.T, axis=0) < _LONG_M
    is_weak = is_near & (len(stances) < _MANY_STANCES)
    rises = np.abs(shown @ fitted)
    contradicts = _CONTRADICTS + _AGREE_SHARE * rises
    if len(shown) < 2 and not posture.is_known:
        return None
    off_lean = (np.abs(shown @ (fitted - posture.lean_slopes)) > contradicts) & (rises > _LEAST_SIDEWAYS)
    off_soles = np.abs(shown @ (fitted - posture.sole_slopes)) > contradicts
    if (off_lean & (is_weak | off_soles)).any():  # upright on flat soles: stairs
        return None
    apart_m = float(median(off_m[is_left]) - median(off_m[~is_left]))
    level_apart_m = float(median(heights_m[is_left]) - median(heights_m[~is_left]))
    off_m = np.abs(off_m - median(off_m))
    distance_m = float(percentile(off_m, _NEAR_PERCENTILE))
    stand_level = abs(apart_m) > max(abs(level_apart_m), _HEIGHT_ERROR_M)  # the body leans; its feet stand level
    if stand_level or abs(apart_m) >= _FEET_AGREE_M or distance_m >= _NEAR_M:
        return None
    return GroundPlane.from_slopes(fitted, len(stances))


def _fit_along(
    across_m: np.ndarray, heights_m: np.ndarray, shown: np.ndarray, slopes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Fit slopes along shown directions.

    Slopes (2,) differ from given slopes along directions (D, 2). Returns slopes and distances (K,).
    """
    off_m = heights_m - across_m @ slopes
    if not len(shown):
        return slopes, off_m
    more, off_m = _fit_robustly(across_m @ shown.T, off_m)
    return slopes + more @ shown, off_m


def _find_shown_directions(across_m: np.ndarray, error_m: float) -> np.ndarray:
    """Find directions (D, 2) that show a slope.

    Positions (K, 2) spread enough along them.

    Args:
        across_m: Horizontal places of the stances.
        error_m: Standard deviation of the stances' heights.
    """
    _, spreads, directions = np.linalg.svd(across_m, full_matrices=False)
    is_wide = spreads > _SPREAD_M * np.sqrt(len(across_m))
    return directions[is_wide & (_UNSURE_RAD * spreads > error_m)]


def _fit_robustly(along_m: np.ndarray, heights_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit heights robustly by positions.

    Heights (K,) are linear functions of positions (K, D). Returns slopes (D,) and distances (K,).
    """
    design = np.column_stack([along_m, np.ones(len(along_m))])
    weights = np.ones(len(along_m))
    solution = np.zeros(design.shape[1])
    off_m = heights_m
    for _ in range(_ROUNDS):
        root_weights = np.sqrt(weights)
        solution = np.linalg.lstsq(design * root_weights[:, None], heights_m * root_weights, rcond=None)[0]
        off_m = heights_m - design @ solution
        weights = 1 / (1 + (off_m / _OFF_M) ** 2)
    return solution[:-1], off_m


@dataclass(frozen=True)
class _Posture:
    """Slopes (2,) of a plane that makes posture upright.

    They are along x and z.
    """

    slopes: np.ndarray
    """Slopes that body and soles share; 0 along directions where both disagree."""
    lean_slopes: np.ndarray
    """Those that the body shows."""
    sole_slopes: np.ndarray
    """Those that the soles show."""
    is_known: bool
    """False if feet stand too briefly to show a lean."""


def _estimate_posture(stances: Sequence[_Stance]) -> _Posture:
    """Estimate the plane that makes posture usual."""
    feet = [[stance for stance in stances if stance.side == side] for side in (0, 1)]
    leftward = np.zeros(2)
    if all(feet):
        leftward = normalize_safely(np.mean([_average(foot, "leftward") for foot in feet], axis=0))
    if not leftward.any():
        return _Posture(np.zeros(2), np.zeros(2), np.zeros(2), is_known=False)
    forward = np.array([-leftward[1], leftward[0]])
    lean, sole, shown = _measure_lean(feet, leftward, least=_LEAST_SIDEWAYS, agree=_AGREE_SIDEWAYS)
    forward_lean, forward_sole, forward_shown = _measure_lean(
        feet, forward, least=_LEAST_FORWARD, agree=_AGREE_FORWARD, usual_lean=_FORWARD_LEAN, usual_sole=_FORWARD_SOLE
    )
    is_known = min(sum(stance.seconds for stance in foot) for foot in feet) > _LONG_STANCES_S
    is_tall = min(float(_average(foot, "tallness")) for foot in feet) > _TALL
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
    """Measure how a body leans along a direction.

    The direction is (2,); the lean is a slope.

    Args:
        feet: Stances of the left and the right foot.
        direction: Horizontal unit vector of the slope.
        least: Smallest lean that shows a tilt.
        agree: Largest difference of the slopes of body and soles.
        usual_lean: Slope of a body that stands on a level floor.
        usual_sole: Slope of the soles in a rest pose.

    Returns:
        The lean of the body, the lean of the soles, and the mean; the mean is 0 if both disagree or hardly lean.
    """
    leans = [float(_average(foot, "lean") @ direction) - usual_lean for foot in feet]
    sole_slopes = [_average(foot, "sole", "sole_weight") for foot in feet]
    soles = [float(slopes @ direction) - usual_sole for slopes in sole_slopes]
    lean = (leans[0] + leans[1]) / 2
    sole = (soles[0] + soles[1]) / 2
    slope = _LEAN_SHARE * lean + (1 - _LEAN_SHARE) * sole
    is_shown = (
        abs(slope) > least
        and abs(lean - sole) < agree + _AGREE_SHARE * abs(slope)
        and np.linalg.norm(sole_slopes[0] - sole_slopes[1]) < 2 * _SOLES_AGREE
        and abs(leans[0] - leans[1]) < 2 * _STEP_LEAN
    )
    return lean, sole, slope if is_shown else 0.0


def _average(foot: Sequence[_Stance], name: str, weight: str = "weight") -> np.ndarray:
    """Return a field's weighted mean over stances.

    The stances belong to one foot.
    """
    values = [getattr(stance, name) for stance in foot]
    return np.average(values, axis=0, weights=[getattr(stance, weight) for stance in foot])


def _find_stances(motion: Motion, stands: np.ndarray) -> list[_Stance]:
    """Find the stances of both feet.

    Toe joints show them, or ankles without toe joints.
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
        for start, stop in find_runs(stands[:, side], max(2, round(_SHORTEST_S * motion.fps))):
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
    """Return a height, at least the divisor's minimum.

    Slopes are divided by it; slopes of bodies that lie or stand on the head are steep.
    """
    return max(height, 0.05)
