"""Inverse kinematics of legs with smooth knee bends.

Solving frame by frame snaps knees: near full length, a leg that gets 5 mm longer stretches the knee by 15 degrees. Here
both knee bends and the height of the pelvis are solved for all frames at once by least squares, in Gauss-Newton steps
with banded matrices. Knee bends change slowly, and the pelvis gives way to both legs. Ankles miss their targets by some
millimetres where knees would otherwise snap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from selfcorrect.motion.geometry.curves import (
    apply_transposed_second_difference,
    blur,
    second_difference_bands,
    smooth_gaussian,
    thirds_to_frames,
)
from selfcorrect.motion.geometry.filters import maximum_filter1d, solve_banded
from selfcorrect.motion.geometry.rotations import compose, invert, rotate, shortest_turn
from selfcorrect.motion.geometry.vectors import UP, cross, dot, norms, split_components
from selfcorrect.motion.kinematics import forward_kinematics, pose_joints
from selfcorrect.motion.measures.roughness import joint_jerks_m_s3
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.skeleton import Skeleton

from .leg_ik import Legs, knee_forward, turn_segments

_SWING_WEIGHT = 0.1
"""Weight of a swinging ankle's error, relative to a standing ankle's."""
_KNEE_S = 0.03
"""Time in which a knee's bend may change, in s."""
_LEVER_M = 0.05
"""Leg length change that weighs as much as a radian of knee bend in smoothness, in m."""
_MIN_BEND_RAD = 0.14
"""Minimum bend of stretched knees, in rad. Knees that were straighter before may stay so."""
_STRETCHING_WEIGHT = 0.01
"""Weight of stretching knees beyond that, per square radian."""
_PELVIS_S = 0.12
"""Time in which the pelvis' height may change, in s."""
ROUGHER = 1.05
"""Ratio of jerk above which a part is rougher, if its jerk also grows by a tolerance."""
_JERK_TOLERANCE_M_S3 = 4.0
"""Tolerated increase in knee jerk, in m/s³. Rougher changes are spread over more frames."""
_MAX_SPREADING = 3.0
"""Maximum relative increase of the smoothness weight in a step, where knees are fast or rough."""
_FIRST_STEPS = 3
"""Number of Gauss-Newton steps before knee speed and jerk are checked."""
_MAX_STEPS = 12
"""Maximum number of Gauss-Newton steps."""
_MAX_SPEED_EXCESS = 3.0
"""Increase in a knee's speed above which its bend is reduced, in multiples of `max_speed_gain_rad_s`."""
_WINDOW_S = 0.1
"""Time before and after a frame, in s, in which the knee's largest reference speed sets the limit, and in which bends
are reduced."""
_MAX_REDUCTIONS = 6
"""Maximum number of times that bends are halved."""


@dataclass(frozen=True)
class SoftLegSettings:
    """Weights and limits of knees and pelvis.

    The weights multiply squares in metres, radians and seconds, and are relative to the squared error of a standing
    ankle. They were set on CMU's training clips at 30, 60 and 120 frames per second.
    """

    pelvis: float = 0.15
    """Weight of the pelvis' rise, and of changes in it."""
    max_speed_gain_rad_s: float = 0.8
    """Maximum increase in a knee's angular speed, in rad/s. Faster changes are spread over more frames."""
    max_jerk_ratio: float = ROUGHER
    """Maximum ratio of knee jerk after the solve to that before."""
    braking: float = 3.0
    """Weight of the speed of knees that are too fast, added in each step. At a motion's ends, nothing else limits that
    speed."""


SOFT_LEGS = SoftLegSettings()
"""Default settings."""

_FORWARD_WEIGHT = 0.1
"""Sine of the knee bend below which the forward direction determines the knee's axis."""

_OVERSTRETCHED_RAD = 0.3
"""Maximum backward bend of an overstretched knee, in rad. Beyond it, the knee's axis is taken to have turned."""
_MAX_TURNED_COSINE = 0.5
"""Maximum cosine between the axis of a turned knee and the usual axis."""

_DAMPING_M2 = 1e-4
"""Damping added to a knee's squared lever, in m². Without it, straight legs would have no solution."""

JERK_AROUND_S = 0.15
"""Smoothing time of jerk, in s."""

_OVERSTRETCH_TOLERANCE_RAD = 0.03
"""Further bend up to which an overstretched knee stays overstretched, in rad."""

_CONVERGENCE_TOLERANCE = 1e-3
"""Step size below which the solver has converged, in rad and m."""

_MAX_STEP_RAD = 0.35
"""Maximum change of a knee's bend in a step, in rad."""


def solve_soft_legs(
    skeleton: Skeleton,
    positions_m: np.ndarray,
    orientations: np.ndarray,
    ankles_m: np.ndarray,
    foot_turns: np.ndarray,
    firmness: np.ndarray,
    fps: float,
    settings: SoftLegSettings = SOFT_LEGS,
    reference_m: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Solve legs whose ankles follow targets with smooth knee bends.

    Args:
        positions_m: (N, T, J, 3) joints of the posed skeleton, world. Knees stay close to this pose.
        orientations: (N, T, J, 4) joints, world.
        ankles_m: (N, T, 2, 3) targets of the ankles.
        foot_turns: (N, T, 2, 4) rotations applied to the feet, world.
        firmness: (N, T, 2) 0 for feet that swing, 1 for feet that stand.
        reference_m: (N, T, J, 3) joints whose knee jerk and speed set the limits; by default `positions_m`.

    Returns:
        Rises (N, T) of the pelvis in m, and local rotations (N, T, J, 4).
    """
    legs = Legs.from_skeleton(skeleton)
    hips_m = positions_m[..., legs.hips, :]
    knees_m = positions_m[..., legs.knees, :]
    thighs_m = knees_m - hips_m
    shanks_m = positions_m[..., legs.ankles, :] - knees_m
    parents = np.array(skeleton.parents)
    forward = knee_forward(orientations[..., parents[legs.hips], :], thighs_m)
    axes = _knee_axes(thighs_m, shanks_m, forward, orientations[..., parents[legs.knees], :])
    reference_m = positions_m if reference_m is None else reference_m
    reference_m_s3 = _average_around_frames(joint_jerks_m_s3(reference_m[..., legs.knees, :], fps), fps)
    reference_rad_s = _knee_speeds_rad_s(reference_m, legs, fps)
    targets_m = ankles_m - hips_m
    bends_rad = np.empty(thighs_m.shape[:-1])
    rises_m = np.empty(thighs_m.shape[:-2])
    for motion in range(len(thighs_m)):
        reach = _ReachProblem.from_legs(
            thighs_m[motion],
            shanks_m[motion],
            axes[motion],
            hips_m[motion],
            targets_m[motion],
            firmness[motion],
            reference_m_s3[motion],
            reference_rad_s[motion],
            fps=fps,
            settings=settings,
        )
        bends_rad[motion], rises_m[motion] = _solve_reach(reach)
    flexing = _rotations_about(axes, bends_rad)
    upwards_m = rises_m[..., None, None] * UP
    swings = shortest_turn(thighs_m + rotate(flexing, shanks_m), targets_m - upwards_m)
    shank_turns = compose(swings, flexing)
    return rises_m, turn_segments(skeleton, orientations, legs, swings, shank_turns, foot_turns)


def move_ankles_to(
    motions: MotionBatch, before: MotionBatch, ankles_m: np.ndarray, feet: np.ndarray, firmness: np.ndarray
) -> MotionBatch:
    """Move ankles to targets while knees bend as before.

    Ankles get as close as such legs reach.

    Args:
        motions: N motions of T frames.
        before: The same motions before changes, whose legs are followed.
        ankles_m: (N, T, 2, 3) targets of the ankles, world.
        feet: (N, T, 2, 4) target orientations of the ankles, world.
        firmness: (N, T, 2) as for `solve_soft_legs`.
    """
    skeleton = motions.skeleton
    legs = Legs.from_skeleton(skeleton)
    is_leg = np.any(legs.with_thigh | legs.with_shank, axis=0)
    rotations = np.where(is_leg[:, None], before.rotations, motions.rotations)
    positions_m, orientations = forward_kinematics(skeleton, motions.root_m, rotations)
    reference_m, _ = pose_joints(before)
    foot_turns = compose(feet, invert(orientations[..., legs.ankles, :]))
    rises_m, rotations = solve_soft_legs(
        skeleton, positions_m, orientations, ankles_m, foot_turns, firmness, motions.fps, reference_m=reference_m
    )
    return replace(motions, root_m=motions.root_m + rises_m[..., None] * UP, rotations=rotations)


def _knee_axes(thighs_m: np.ndarray, shanks_m: np.ndarray, forward: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Estimate knee axes from the frames in which knees are bent.

    The axes are fixed in the joints above, except where a knee has turned.

    Args:
        thighs_m: (N, T, 2, 3) from hips to knees.
        shanks_m: (N, T, 2, 3) from knees to ankles.
        forward: (N, T, 2, 3) bend direction of straight knees.
        above: (N, T, 2, 4) orientations of the joints above the knees.

    Returns:
        (N, T, 2, 3) unit vectors, world.
    """
    lengths_m2 = np.maximum((norms(thighs_m) * norms(shanks_m))[..., None], 1e-12)
    from_bend = cross(thighs_m, shanks_m) / lengths_m2
    from_forward = cross(forward, thighs_m) / np.maximum(norms(thighs_m)[..., None], 1e-12)
    local_axes = rotate(invert(above), from_bend + _FORWARD_WEIGHT * from_forward)
    axes = local_axes.mean(axis=1, keepdims=True)
    usual = rotate(above, axes / np.maximum(norms(axes)[..., None], 1e-12))
    sines = norms(from_bend)
    own = from_bend / np.maximum(sines[..., None], 1e-12)
    cosines = dot(thighs_m, shanks_m) / lengths_m2[..., 0]
    is_bent = np.arctan2(sines, cosines) > _OVERSTRETCHED_RAD
    is_turned = is_bent & (dot(own, usual) < _MAX_TURNED_COSINE)
    return np.where(is_turned[..., None], own, usual)


def _knee_speeds_rad_s(positions_m: np.ndarray, legs: Legs, fps: float) -> np.ndarray:
    """Return angular speeds (N, T − 1, 2) of the knees.

    Args:
        positions_m: (N, T, J, 3) posed joints.
    """
    thighs_m = positions_m[..., legs.knees, :] - positions_m[..., legs.hips, :]
    shanks_m = positions_m[..., legs.ankles, :] - positions_m[..., legs.knees, :]
    angles_rad = np.arctan2(norms(cross(thighs_m, shanks_m)), dot(thighs_m, shanks_m))
    return np.abs(np.diff(angles_rad, axis=1)) * fps


def _rotations_about(axes: np.ndarray, angles_rad: np.ndarray) -> np.ndarray:
    """Return quaternions (..., 4) of rotations by angles (...) about unit axes (..., 3)."""
    half = 0.5 * angles_rad[..., None]
    return np.concatenate([np.sin(half) * axes, np.cos(half)], axis=-1)


@dataclass(frozen=True, eq=False)
class _ReachProblem:
    """Geometry and limits of a motion's legs.

    Arrays are (T, 2), and vectors (3, T, 2). If a knee bends further by an angle, its shank becomes fixed + cos(angle)
    across + sin(angle) turned.
    """

    thighs_m: np.ndarray
    fixed_m: np.ndarray
    """Components of the shanks along the knee axes."""
    across_m: np.ndarray
    """Components of the shanks perpendicular to the knee axes."""
    turned_m: np.ndarray
    """These components, rotated by a right angle about the knee axes."""
    hips_m: np.ndarray
    targets_m: np.ndarray
    """Vectors from hips to ankle targets if the body does not rise."""
    weights: np.ndarray
    """Weights of squared ankle errors."""
    allowed_m_s3: np.ndarray
    """Maximum knee jerk around each frame."""
    speeds_rad_s: np.ndarray
    """(T − 1, 2) angular speeds of the reference's knees."""
    fps: float
    settings: SoftLegSettings

    @classmethod
    def from_legs(
        cls,
        thighs_m: np.ndarray,
        shanks_m: np.ndarray,
        axes: np.ndarray,
        hips_m: np.ndarray,
        targets_m: np.ndarray,
        firmness: np.ndarray,
        reference_m_s3: np.ndarray,
        reference_rad_s: np.ndarray,
        *,
        fps: float,
        settings: SoftLegSettings,
    ) -> _ReachProblem:
        """Set up the problem.

        Args:
            thighs_m: (T, 2, 3) from hips to knees.
            shanks_m: (T, 2, 3) from knees to ankles.
            axes: (T, 2, 3) unit axes of the knees.
            hips_m: (T, 2, 3) hips.
            targets_m: (T, 2, 3) from the hips to the ankle targets.
            firmness: (T, 2) 0 for feet that swing, 1 for those that stand.
            reference_m_s3: (T, 2) jerk of the reference's knees.
            reference_rad_s: (T − 1, 2) angular speeds of the reference's knees.
        """
        fixed_m = dot(axes, shanks_m)[..., None] * axes
        return cls(
            thighs_m=split_components(thighs_m),
            fixed_m=split_components(fixed_m),
            across_m=split_components(shanks_m - fixed_m),
            turned_m=split_components(cross(axes, shanks_m)),
            hips_m=split_components(hips_m),
            targets_m=split_components(targets_m),
            weights=_SWING_WEIGHT + (1 - _SWING_WEIGHT) * firmness,
            allowed_m_s3=settings.max_jerk_ratio * reference_m_s3 + _JERK_TOLERANCE_M_S3,
            speeds_rad_s=reference_rad_s,
            fps=fps,
            settings=settings,
        )

    @cached_property
    def squares_m2(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Coefficients of the squared leg lengths after bending by an angle.

        The first is constant, and the others multiply the cosine and sine of the angle.
        """
        middle_m = self.thighs_m + self.fixed_m
        constant_m2 = _dots(middle_m, middle_m) + _dots(self.across_m, self.across_m)
        return constant_m2, 2 * _dots(middle_m, self.across_m), 2 * _dots(middle_m, self.turned_m)

    @cached_property
    def flexion_rad(self) -> np.ndarray:
        """Knee bends before the solve, negative for overstretched knees."""
        _, cosine_m2, sine_m2 = self.squares_m2
        return np.arctan2(-sine_m2, cosine_m2)

    def knee_angles_rad(self, bends_rad: np.ndarray) -> np.ndarray:
        """Return unsigned angles (T, 2) between thighs and shanks after further bends (T, 2)."""
        shanks_m = self.fixed_m + np.cos(bends_rad) * self.across_m + np.sin(bends_rad) * self.turned_m
        lengths_m2 = np.sqrt(_dots(self.thighs_m, self.thighs_m) * _dots(shanks_m, shanks_m))
        return np.arccos(np.clip(_dots(self.thighs_m, shanks_m) / np.maximum(lengths_m2, 1e-12), -1.0, 1.0))

    @cached_property
    def level_m2(self) -> np.ndarray:
        """Squared horizontal distances from hips to ankle targets."""
        return self.targets_m[0] ** 2 + self.targets_m[2] ** 2

    def first_bends_rad(self) -> np.ndarray:
        """Return further bends (T, 2) that reach the targets without overstretching more knees."""
        constant_m2, cosine_m2, sine_m2 = self.squares_m2
        largest_m2 = np.maximum(np.hypot(cosine_m2, sine_m2), 1e-9)
        distance_m2 = self.level_m2 + self.targets_m[1] ** 2
        bend_rad = np.arccos(np.clip((distance_m2 - constant_m2) / largest_m2, -1.0, 1.0))
        before_rad = self.flexion_rad
        is_overstretched = (before_rad < 0) & (bend_rad < _OVERSTRETCH_TOLERANCE_RAD - before_rad)
        bent_rad = np.maximum(bend_rad, np.minimum(before_rad, _MIN_BEND_RAD))
        return np.where(is_overstretched, -bend_rad, bent_rad) - before_rad


@dataclass(frozen=True, eq=False)
class _LegPose:
    """Legs after further knee bends (T, 2) and body rises (T,)."""

    bends_rad: np.ndarray
    rises_m: np.ndarray
    cosine: np.ndarray
    sine: np.ndarray
    length_m: np.ndarray
    """(T, 2) lengths of the legs."""
    up_m: np.ndarray
    """(T, 2) heights of ankle targets above the hips."""
    distance_m: np.ndarray
    """(T, 2) distances from hips to ankle targets."""

    @classmethod
    def from_bends(cls, reach: _ReachProblem, bends_rad: np.ndarray, rises_m: np.ndarray) -> _LegPose:
        cosine = np.cos(bends_rad)
        sine = np.sin(bends_rad)
        constant_m2, cosine_m2, sine_m2 = reach.squares_m2
        length_m = np.sqrt(np.maximum(constant_m2 + cosine_m2 * cosine + sine_m2 * sine, 1e-6))
        up_m = reach.targets_m[1] - rises_m[:, None]
        distance_m = np.maximum(np.sqrt(reach.level_m2 + up_m * up_m), 1e-6)
        return cls(bends_rad, rises_m, cosine, sine, length_m, up_m, distance_m)

    def knees_m(self, reach: _ReachProblem) -> np.ndarray:
        """Return knee positions (3, T, 2), world.

        Each leg swings towards its target by two half turns: about its own axis, and about the bisector of leg and
        target.
        """
        bent_m = reach.thighs_m + reach.fixed_m + self.cosine * reach.across_m + self.sine * reach.turned_m
        leg = bent_m / self.length_m
        targets_m = np.stack([reach.targets_m[0], self.up_m, reach.targets_m[2]])
        middle = leg + targets_m / self.distance_m
        once_m = 2 * _dots(leg, reach.thighs_m) * leg - reach.thighs_m
        twice_m = 2 * _dots(middle, once_m) / np.maximum(_dots(middle, middle), 1e-12) * middle - once_m
        knees_m = reach.hips_m + twice_m
        knees_m[1] += self.rises_m[:, None]
        return knees_m


def _dots(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return scalar products (...) of vectors (3, ...)."""
    return np.add.reduce(first * second, axis=0)


def _solve_reach(reach: _ReachProblem) -> tuple[np.ndarray, np.ndarray]:
    """Solve knee bends (T, 2) and body rises (T,)."""
    frames = len(reach.weights)
    pose = _LegPose.from_bends(reach, reach.first_bends_rad(), np.zeros(frames))
    smoothness = np.ones((frames - 2, 2))
    braking = np.zeros((frames - 1, 2))
    for count in range(1, _MAX_STEPS + 1):
        step = _gauss_newton_step(reach, pose, smoothness, braking)
        turned_rad = np.minimum(np.maximum(step[:, :2], -_MAX_STEP_RAD), _MAX_STEP_RAD)
        pose = _LegPose.from_bends(reach, pose.bends_rad + turned_rad, pose.rises_m + step[:, 2])
        if count < _FIRST_STEPS:
            continue
        factors, too_fast = _spread_factors(reach, pose)
        braking = braking + reach.settings.braking * too_fast
        if factors.max() == 1.0 and np.abs(step).max() < _CONVERGENCE_TOLERANCE:
            break
        smoothness = smoothness * factors
    return _limit_knee_speeds(reach, pose.bends_rad), pose.rises_m


def _limit_knee_speeds(reach: _ReachProblem, bends_rad: np.ndarray) -> np.ndarray:
    """Reduce bends (T, 2) where knees are too fast.

    Bends change slowly, but a knee's angle changes fast where its thigh flips about its length. There, the ankle misses
    its target.
    """
    around = 2 * round(_WINDOW_S * reach.fps) + 1
    fastest_before_rad_s = maximum_filter1d(reach.speeds_rad_s, around, axis=0)
    allowed_rad_s = fastest_before_rad_s + _MAX_SPEED_EXCESS * reach.settings.max_speed_gain_rad_s
    for _ in range(_MAX_REDUCTIONS):
        speeds_rad_s = np.abs(np.diff(reach.knee_angles_rad(bends_rad), axis=0)) * reach.fps
        is_too_fast = np.zeros(bends_rad.shape)
        is_too_fast[1:] = speeds_rad_s > allowed_rad_s
        if not is_too_fast.any():
            break
        widest = maximum_filter1d(is_too_fast, around, axis=0)
        bends_rad = bends_rad * (1 - 0.5 * smooth_gaussian(widest[None], 0.5 * _WINDOW_S * reach.fps)[0])
    return bends_rad


def _spread_factors(reach: _ReachProblem, pose: _LegPose) -> tuple[np.ndarray, np.ndarray]:
    """Return factors on the smoothness weight around fast or rough knees.

    Returns:
        Factors (T − 2, 2), and by how much knees are too fast (T − 1, 2), in [0, 1].
    """
    fps = reach.fps
    after_rad_s = np.abs(np.diff(reach.flexion_rad + pose.bends_rad, axis=0)) * fps
    too_fast = _clip_to_unit((after_rad_s - reach.speeds_rad_s) / reach.settings.max_speed_gain_rad_s - 1)
    fast = too_fast[None, 1:]
    if fast.any():
        widest = maximum_filter1d(fast, 2 * round(_KNEE_S * fps) + 1, axis=1)
        fast = blur(widest, 1.0, fps)
    squares = np.square(np.diff(pose.knees_m(reach), 3, axis=1))
    jerks_m_s3 = _average_around_frames(np.sqrt(squares.sum(axis=0))[None] * fps**3, fps)
    rough = _clip_to_unit((jerks_m_s3[0, 1:-1] / reach.allowed_m_s3[1:-1] - 1) / 0.1)
    return 1 + _MAX_SPREADING * np.maximum(fast[0], rough), too_fast


def _clip_to_unit(values: np.ndarray) -> np.ndarray:
    """Clip values to [0, 1]."""
    return np.minimum(np.maximum(values, 0.0), 1.0)


def _average_around_frames(jerks_m_s3: np.ndarray, fps: float) -> np.ndarray:
    """Return mean jerks (N, T, K) around frames, from jerks (N, T − 3, K)."""
    return smooth_gaussian(thirds_to_frames(jerks_m_s3), JERK_AROUND_S * fps)


def _gauss_newton_step(reach: _ReachProblem, pose: _LegPose, smoothness: np.ndarray, braking: np.ndarray) -> np.ndarray:
    """Return a Gauss-Newton step (T, 3) of both bends and the rise of a motion.

    Args:
        smoothness: (T − 2, 2) factors on the smoothness weight of the knees.
        braking: (T − 1, 2) weights of the knees' speed.
    """
    _, cosine_m2, sine_m2 = reach.squares_m2
    weights = reach.weights
    pelvis = reach.settings.pelvis
    fps = reach.fps
    frames = len(weights)
    lever_m = 0.5 * (sine_m2 * pose.cosine - cosine_m2 * pose.sine) / pose.length_m
    missed_m = pose.length_m - pose.distance_m
    down = pose.up_m / pose.distance_m
    least_rad = np.minimum(_MIN_BEND_RAD - reach.flexion_rad, 0.0)
    ahead_rad = pose.bends_rad - lever_m * missed_m / (lever_m**2 + _DAMPING_M2)
    overstretch = _STRETCHING_WEIGHT * (np.minimum(pose.bends_rad, ahead_rad) < least_rad)

    smooth = np.full((frames - 2, 3), pelvis * (_PELVIS_S * fps) ** 4)
    smooth[:, :2] = _LEVER_M**2 * (_KNEE_S * fps) ** 4 * smoothness
    values = np.concatenate([pose.bends_rad, pose.rises_m[:, None]], axis=1)
    bands = np.zeros((7, frames, 3))
    bands[[0, 3, 6]] = second_difference_bands(smooth)
    right_side = -apply_transposed_second_difference(smooth * np.diff(values, 2, axis=0))
    if braking.any():
        speed_weights = _LEVER_M**2 * (_KNEE_S * fps) ** 2 * braking
        bands[6, 1:, :2] += speed_weights
        bands[6, :-1, :2] += speed_weights
        bands[3, 1:, :2] -= speed_weights
        weighted_steps = speed_weights * np.diff(pose.bends_rad, axis=0)
        right_side[1:, :2] -= weighted_steps
        right_side[:-1, :2] += weighted_steps

    weighted_lever_m = weights * lever_m
    weighted_down = weights * down
    bands[6, :, :2] += weighted_lever_m * lever_m + overstretch + _DAMPING_M2
    bands[6, :, 2] += _sum_sides(weighted_down * down) + pelvis
    bands[4, :, 2], bands[5, :, 2] = (weighted_lever_m * down).T
    right_side[:, :2] -= weighted_lever_m * missed_m + overstretch * (pose.bends_rad - least_rad)
    right_side[:, 2] -= _sum_sides(weighted_down * missed_m) + pelvis * pose.rises_m
    return solve_banded(bands.reshape(7, -1), right_side.ravel()).reshape(frames, 3)


def _sum_sides(values: np.ndarray) -> np.ndarray:
    """Return sums (T,) of values (T, 2) over both legs."""
    return values[:, 0] + values[:, 1]
