"""Legs that reach for ankles without haste: knees change their bend slowly, and the pelvis gives way to both legs.

Near its full length a leg that grows by 5 mm stretches its knee by 15 degrees. A frame by frame inverse kinematics
therefore snaps knees. Here both knees and the height of the pelvis are found for all frames at once, by least squares.
It uses Gauss-Newton steps with banded matrices. Ankles miss their targets by some millimetres where knees would else
snap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.ndimage import maximum_filter1d

from selfcorrect.motion.geometry.kinematics import forward_kinematics, local_rotations
from selfcorrect.motion.geometry.rotations import compose, invert, rotate
from selfcorrect.motion.geometry.vectors import cross, dot, norms
from selfcorrect.motion.measures.roughness import joint_jerks_m_s3
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.skeleton import Skeleton

from .curves import blur, smooth_gaussian, solve_banded, thirds_to_frames
from .leg_ik import Legs, knee_forward, shortest_turn


@dataclass(frozen=True)
class SoftLegSettings:
    """What knees, ankles and the pelvis cost; set on CMU's training clips at 30, 60 and 120 frames per second.

    Weights are those of squares, in metres, radians and seconds, against the square of a standing ankle's distance.
    """

    swing: float = 0.1
    """Weight of the distance of swinging ankles."""
    knee_s: float = 0.03
    """Time over which knees change their bend, where a radian is as long as `lever_m`."""
    lever_m: float = 0.05
    """Change of a leg's length that weighs as much as a radian of its knee's bend, for its smoothness alone."""
    straight_rad: float = 0.14
    """Knees are not stretched further than this bend, unless they were."""
    straight: float = 0.01
    """Weight of stretching them further, per square radian."""
    pelvis: float = 0.15
    """Weight of the pelvis' height."""
    pelvis_s: float = 0.12
    """Time over which the pelvis rises and sinks."""
    fastest_rad_s: float = 2.0
    """Angular speed that a knee may gain; where it gains more its changes are spread further."""
    rougher: float = 1.05
    """Factor by which knees may have more jerk than before around each frame."""
    rougher_m_s3: float = 4.0
    """Jerk that knees may have in addition; where they have more, their changes are spread further."""
    braking: float = 3.0
    """Weight, added in each step, of how fast knees that gain more change: at the ends of a motion nothing else holds
    them."""
    spreading: float = 3.0
    """Factor by which that is done in each step, less 1."""
    first_steps: int = 3
    """Gauss-Newton steps before knees' speed and jerk are looked at."""
    steps: int = 12
    """Largest number of Gauss-Newton steps."""


SOFT_LEGS = SoftLegSettings()
"""The defaults."""

_USUAL = 0.1
"""Sine of a knee's bend below which the direction in which knees usually point determines its axis better than the bend
itself."""

_DAMPING_M2 = 1e-4
"""Added to the square of a knee's lever, so that straight legs have a solution."""

JERK_AROUND_S = 0.15
"""Standard deviation of the Gaussian over which jerk is measured around each frame."""

_ALIKE = 0.03
"""Overstretched knees (rad) stay so where their legs get no shorter than by this further bend."""

_CONVERGED = 1e-3
"""Steps smaller than this, in radians and metres, change nothing that is seen."""

_LONGEST_STEP_RAD = 0.35


def solve_soft_legs(
    skeleton: Skeleton,
    positions_m: np.ndarray,
    orientations: np.ndarray,
    ankles_m: np.ndarray,
    feet: np.ndarray,
    firmness: np.ndarray,
    fps: float,
    settings: SoftLegSettings = SOFT_LEGS,
    usual_knees_m: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Rises (N, T) of the body, and local rotations (N, T, J, 4) with which its legs reach for ankles (N, T, 2, 3).

    The posed skeleton in the world, whose knees are followed, is positions_m (N, T, J, 3) and orientations (N, T, J,
    4). The feet turn in the world by feet (N, T, 2, 4), from how they are posed. The firmness (N, T, 2) is 0 for feet
    that swing and 1 for those that stand. Knees may have as much jerk as usual_knees_m (N, T, 2, 3), by default those
    of the positions.
    """
    legs = Legs.from_skeleton(skeleton)
    hips_m, knees_m, old_ankles_m = (positions_m[..., joints, :] for joints in (legs.hips, legs.knees, legs.ankles))
    thighs_m, shanks_m = knees_m - hips_m, old_ankles_m - knees_m
    parents = np.array(skeleton.parents)
    forward = knee_forward(orientations[..., parents[legs.hips], :], thighs_m)
    axes = _knee_axes(thighs_m, shanks_m, forward, orientations[..., parents[legs.knees], :])
    usual_m_s3 = _local_jerk_m_s3(knees_m if usual_knees_m is None else usual_knees_m, fps)
    wanted_m = ankles_m - hips_m
    each = zip(thighs_m, shanks_m, axes, hips_m, wanted_m, firmness, usual_m_s3, strict=True)
    found = [_solve_reach(_ReachProblem.from_legs(*one, fps=fps, settings=settings), settings) for one in each]
    bends_rad, rises_m = (np.stack(values) for values in zip(*found, strict=True))
    flexing = _rotations_about(axes, bends_rad)
    upwards_m = rises_m[..., None, None] * (0.0, 1.0, 0.0)
    swings = shortest_turn(thighs_m + rotate(flexing, shanks_m), wanted_m - upwards_m)
    world = orientations.copy()
    turns = ((swings, legs.with_thigh), (compose(swings, flexing), legs.with_shank), (feet, legs.with_foot))
    for side in (0, 1):
        for turn, moving in turns:
            world[..., moving[side], :] = compose(turn[..., [side], :], world[..., moving[side], :])
    return rises_m, local_rotations(skeleton, world)


def move_ankles_to(
    motions: MotionBatch, before: MotionBatch, ankles_m: np.ndarray, feet: np.ndarray, firmness: np.ndarray
) -> MotionBatch:
    """The motions with legs that bend as in `before`, as far as their ankles then reach (N, T, 2, 3).

    feet: (N, T, 2, 4) orientations of the ankles in the world; firmness: as for `solve_soft_legs`.
    """
    skeleton, legs = motions.skeleton, Legs.from_skeleton(motions.skeleton)
    above = np.any(legs.with_thigh | legs.with_shank, axis=0)
    rotations = np.where(above[:, None], before.rotations, motions.rotations)
    positions_m, orientations = forward_kinematics(skeleton, motions.root_m, rotations)
    usual_m, _ = forward_kinematics(skeleton, before.root_m, before.rotations)
    turns = compose(feet, invert(orientations[..., legs.ankles, :]))
    rises_m, rotations = solve_soft_legs(
        skeleton, positions_m, orientations, ankles_m, turns, firmness, motions.fps,
        usual_knees_m=usual_m[..., legs.knees, :],
    )  # fmt: skip
    return replace(motions, root_m=motions.root_m + rises_m[..., None] * (0.0, 1.0, 0.0), rotations=rotations)


def _knee_axes(thighs_m: np.ndarray, shanks_m: np.ndarray, forward: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Unit axes (N, T, 2, 3), world, about which knees bend, fixed in the joints above them.

    A motion shows them where its knees are bent; thighs, shanks and where knees usually point: (N, T, 2, 3); above:
    (N, T, 2, 4) orientations of the joints above the knees.
    """
    bent = cross(thighs_m, shanks_m) / np.maximum((norms(thighs_m) * norms(shanks_m))[..., None], 1e-12)
    usual = cross(forward, thighs_m) / np.maximum(norms(thighs_m)[..., None], 1e-12)
    axes = rotate(invert(above), bent + _USUAL * usual).mean(axis=1, keepdims=True)
    return rotate(above, axes / np.maximum(norms(axes)[..., None], 1e-12))


def _rotations_about(axes: np.ndarray, angles_rad: np.ndarray) -> np.ndarray:
    """Quaternions (..., 4) of turns by angles (...) about unit axes (..., 3)."""
    half = 0.5 * angles_rad[..., None]
    return np.concatenate([np.sin(half) * axes, np.cos(half)], axis=-1)


@dataclass(frozen=True, eq=False)
class _ReachProblem:
    """What the legs of one motion are to reach for: (T, 2), vectors (3, T, 2).

    A knee that bends by a further angle takes its shank to fixed + cos(angle) across + sin(angle) turned.
    """

    thighs_m: np.ndarray
    fixed_m: np.ndarray
    """Of the shanks along the knees' axes."""
    across_m: np.ndarray
    """The rest of the shanks."""
    turned_m: np.ndarray
    """The rest of the shanks turned by a right angle about the knees' axes."""
    hips_m: np.ndarray
    wanted_m: np.ndarray
    """From the hips to where the ankles are wanted, of a body that does not rise."""
    weights: np.ndarray
    """Of the ankles' distances from there, squared."""
    allowed_m_s3: np.ndarray
    """Jerk around each frame that the knees may have."""
    fps: float

    @classmethod
    def from_legs(
        cls,
        thighs_m: np.ndarray,
        shanks_m: np.ndarray,
        axes: np.ndarray,
        hips_m: np.ndarray,
        wanted_m: np.ndarray,
        firmness: np.ndarray,
        usual_m_s3: np.ndarray,
        *,
        fps: float,
        settings: SoftLegSettings,
    ) -> _ReachProblem:
        """Of vectors (T, 2, 3), among them unit axes of the knees, of firmness (T, 2) and of usual jerk (T, 2)."""
        fixed_m = dot(axes, shanks_m)[..., None] * axes
        turned_m, across_m = cross(axes, shanks_m), shanks_m - fixed_m
        vectors = (thighs_m, fixed_m, across_m, turned_m, hips_m, wanted_m)
        return cls(
            *(np.ascontiguousarray(np.moveaxis(values, -1, 0)) for values in vectors),
            weights=settings.swing + (1 - settings.swing) * firmness,
            allowed_m_s3=settings.rougher * usual_m_s3 + settings.rougher_m_s3,
            fps=fps,
        )

    @cached_property
    def squares_m2(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Squared lengths of legs after further bends: a constant, and what goes with cosine and sine of the angle."""
        middle_m = self.thighs_m + self.fixed_m
        constant_m2 = _dots(middle_m, middle_m) + _dots(self.across_m, self.across_m)
        return constant_m2, 2 * _dots(middle_m, self.across_m), 2 * _dots(middle_m, self.turned_m)

    @cached_property
    def flexion_rad(self) -> np.ndarray:
        """Bend of the knees before, negative where they are overstretched."""
        _, cosine_m2, sine_m2 = self.squares_m2
        return np.arctan2(-sine_m2, cosine_m2)

    @cached_property
    def speeds_rad_s(self) -> np.ndarray:
        """(T − 1, 2) of the knees before."""
        return np.abs(np.diff(self.flexion_rad, axis=0)) * self.fps

    @cached_property
    def level_m2(self) -> np.ndarray:
        """Squared horizontal distances from the hips to where the ankles are wanted."""
        return self.wanted_m[0] ** 2 + self.wanted_m[2] ** 2

    def first_bends_rad(self, straight_rad: float) -> np.ndarray:
        """Bends by which legs become as long as wanted, as far as knees are not overstretched."""
        constant_m2, cosine_m2, sine_m2 = self.squares_m2
        largest_m2 = np.maximum(np.hypot(cosine_m2, sine_m2), 1e-9)
        away_m2 = self.level_m2 + self.wanted_m[1] ** 2
        bend_rad, before_rad = np.arccos(np.clip((away_m2 - constant_m2) / largest_m2, -1.0, 1.0)), self.flexion_rad
        overstretched = (before_rad < 0) & (bend_rad < _ALIKE - before_rad)
        bent_rad = np.maximum(bend_rad, np.minimum(before_rad, straight_rad))
        return np.where(overstretched, -bend_rad, bent_rad) - before_rad


@dataclass(frozen=True, eq=False)
class _LegPose:
    """Legs whose knees are bent further by (T, 2), of a body that rises by (T,)."""

    bends_rad: np.ndarray
    rises_m: np.ndarray
    cosine: np.ndarray
    sine: np.ndarray
    long_m: np.ndarray
    """(T, 2) lengths of the legs."""
    up_m: np.ndarray
    """(T, 2) how much higher than the hips the ankles are wanted."""
    away_m: np.ndarray
    """(T, 2) how far from the hips they are wanted."""

    @classmethod
    def from_bends(cls, reach: _ReachProblem, bends_rad: np.ndarray, rises_m: np.ndarray) -> _LegPose:
        cosine, sine = np.cos(bends_rad), np.sin(bends_rad)
        constant_m2, cosine_m2, sine_m2 = reach.squares_m2
        long_m = np.sqrt(np.maximum(constant_m2 + cosine_m2 * cosine + sine_m2 * sine, 1e-6))
        up_m = reach.wanted_m[1] - rises_m[:, None]
        away_m = np.maximum(np.sqrt(reach.level_m2 + up_m * up_m), 1e-6)
        return cls(bends_rad, rises_m, cosine, sine, long_m, up_m, away_m)

    def knees_m(self, reach: _ReachProblem) -> np.ndarray:
        """Where the knees (3, T, 2) are, seen from where the body does not rise.

        A leg swings by two half turns: about itself, and about the middle between it and where it is wanted.
        """
        leg = (reach.thighs_m + reach.fixed_m + self.cosine * reach.across_m + self.sine * reach.turned_m) / self.long_m
        wanted_m = np.stack([reach.wanted_m[0], self.up_m, reach.wanted_m[2]])
        middle = leg + wanted_m / self.away_m
        once_m = 2 * _dots(leg, reach.thighs_m) * leg - reach.thighs_m
        twice_m = 2 * _dots(middle, once_m) / np.maximum(_dots(middle, middle), 1e-12) * middle - once_m
        knees_m = reach.hips_m + twice_m
        knees_m[1] += self.rises_m[:, None]
        return knees_m


def _dots(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Scalar products (...) of vectors (3, ...)."""
    return np.add.reduce(one * other, axis=0)


def _solve_reach(reach: _ReachProblem, settings: SoftLegSettings) -> tuple[np.ndarray, np.ndarray]:
    """Bends (T, 2) of the knees and rises (T,) of the body of one motion."""
    frames = len(reach.weights)
    pose = _LegPose.from_bends(reach, reach.first_bends_rad(settings.straight_rad), np.zeros(frames))
    slow, brake = np.ones((frames - 2, 2)), np.zeros((frames - 1, 2))
    for count in range(1, settings.steps + 1):
        step = _gauss_newton_step(reach, pose, slow, brake, settings)
        turned_rad = np.minimum(np.maximum(step[:, :2], -_LONGEST_STEP_RAD), _LONGEST_STEP_RAD)
        pose = _LegPose.from_bends(reach, pose.bends_rad + turned_rad, pose.rises_m + step[:, 2])
        if count < settings.first_steps:
            continue
        factors, fast = _spread_factors(reach, pose, settings)
        brake = brake + settings.braking * fast
        if factors.max() == 1.0 and np.abs(step).max() < _CONVERGED:
            break
        slow = slow * factors
    return pose.bends_rad, pose.rises_m


def _spread_factors(reach: _ReachProblem, pose: _LegPose, settings: SoftLegSettings) -> tuple[np.ndarray, np.ndarray]:
    """Factors (T − 2, 2) by which knees are to change more slowly around frames that are too fast or too rough, and
    how far (T − 1, 2) they are too fast, from 0 to 1.
    """
    fps = reach.fps
    after_rad_s = np.abs(np.diff(reach.flexion_rad + pose.bends_rad, axis=0)) * fps
    too_fast = _clip_to_unit((after_rad_s - reach.speeds_rad_s) / settings.fastest_rad_s - 1)
    fast = too_fast[None, 1:]
    if fast.any():
        fast = blur(maximum_filter1d(fast, 2 * round(settings.knee_s * fps) + 1, axis=1), 1.0, fps)
    jerks_m_s3 = _average_around_frames(
        np.sqrt(np.square(np.diff(pose.knees_m(reach), 3, axis=1)).sum(axis=0))[None] * fps**3, fps
    )
    rough = _clip_to_unit((jerks_m_s3[0, 1:-1] / reach.allowed_m_s3[1:-1] - 1) / 0.1)
    return 1 + settings.spreading * np.maximum(fast[0], rough), too_fast


def _clip_to_unit(values: np.ndarray) -> np.ndarray:
    """Values between 0 and 1."""
    return np.minimum(np.maximum(values, 0.0), 1.0)


def _local_jerk_m_s3(joints_m: np.ndarray, fps: float) -> np.ndarray:
    """(N, T, K) mean jerk around each frame of joints (N, T, K, 3)."""
    return _average_around_frames(joint_jerks_m_s3(joints_m, fps), fps)


def _average_around_frames(jerks_m_s3: np.ndarray, fps: float) -> np.ndarray:
    """(N, T, K) mean around each frame of jerks (N, T − 3, K)."""
    return smooth_gaussian(thirds_to_frames(jerks_m_s3), JERK_AROUND_S * fps)


def _gauss_newton_step(
    reach: _ReachProblem, pose: _LegPose, slow: np.ndarray, brake: np.ndarray, settings: SoftLegSettings
) -> np.ndarray:
    """(T, 3) what both bends and the rise of one motion are to change by: a step of Gauss and Newton.

    slow: (T − 2, 2) factors of the weight of knees' smoothness; brake: (T − 1, 2) weight of their speed.
    """
    _, cosine_m2, sine_m2 = reach.squares_m2
    lever_m = 0.5 * (sine_m2 * pose.cosine - cosine_m2 * pose.sine) / pose.long_m
    missed_m, down = pose.long_m - pose.away_m, pose.up_m / pose.away_m
    least_rad = np.minimum(settings.straight_rad - reach.flexion_rad, 0.0)
    ahead_rad = pose.bends_rad - lever_m * missed_m / (lever_m**2 + _DAMPING_M2)
    over = settings.straight * (np.minimum(pose.bends_rad, ahead_rad) < least_rad)
    frames, fps, weights = len(missed_m), reach.fps, reach.weights
    smooth = np.full((frames - 2, 3), settings.pelvis * (settings.pelvis_s * fps) ** 4)
    smooth[:, :2] = settings.lever_m**2 * (settings.knee_s * fps) ** 4 * slow
    values = np.concatenate([pose.bends_rad, pose.rises_m[:, None]], axis=1)
    bands = np.zeros((7, frames, 3))
    bands[[0, 3, 6]] = _second_difference_bands(smooth)
    right = -_apply_second_differences(values, smooth)
    if brake.any():
        held = settings.lever_m**2 * (settings.knee_s * fps) ** 2 * brake
        bands[6, 1:, :2] += held
        bands[6, :-1, :2] += held
        bands[3, 1:, :2] -= held
        pulled = held * np.diff(pose.bends_rad, axis=0)
        right[1:, :2] -= pulled
        right[:-1, :2] += pulled
    weighted_m, weighted = weights * lever_m, weights * down
    bands[6, :, :2] += weighted_m * lever_m + over + _DAMPING_M2
    bands[6, :, 2] += (weighted * down).sum(1) + settings.pelvis
    bands[4, :, 2], bands[5, :, 2] = (weighted_m * down).T
    right[:, :2] -= weighted_m * missed_m + over * (pose.bends_rad - least_rad)
    right[:, 2] -= (weighted * missed_m).sum(1) + settings.pelvis * pose.rises_m
    return solve_banded(bands.reshape(7, -1), right.ravel()).reshape(frames, 3)


def _second_difference_bands(weights: np.ndarray) -> np.ndarray:
    """Upper bands (3, T, K) of D′WD for second differences D and weights (T − 2, K) of them."""
    bands = np.zeros((3, len(weights) + 2, weights.shape[1]))
    bands[0, 2:] = weights
    bands[1, 1:-1] -= 2 * weights
    bands[1, 2:] -= 2 * weights
    bands[2, :-2] += weights
    bands[2, 1:-1] += 4 * weights
    bands[2, 2:] += weights
    return bands


def _apply_second_differences(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """D′WD of values (T, K) for second differences D and weights (T − 2, K) of them."""
    second = weights * np.diff(values, 2, axis=0)
    result = np.zeros_like(values)
    result[:-2] += second
    result[1:-1] -= 2 * second
    result[2:] += second
    return result
