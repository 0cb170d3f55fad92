"""Solve contacts: standing feet rest, none sinks, and root and legs share the change.

Objective. The unknowns c are small corrections of a body in each frame t: of its root's position, and of the rotations
of pelvis, hips, knees and ankles, as rotation vectors in the parents' frames. Foot points are at x_p(c) along the floor
and h_p(c) above the ground beneath. The corrections minimise

    Σ_k Σ_t  α_k (|c_kt|² + |D²c_kt|² / ω_k⁴)              corrections are small and slow
  + Σ_p Σ_t  w_pt |D(x_p(c) − q_p)_t|² / rest²             a standing point follows its rest q,
  + Σ_p Σ_t  w_pt |x_p(c) − q_p|² / place_p²               which is known as well as the point stays
  + Σ_p Σ_t  u_pt |h_p(c) − g_pt|² / height²               a standing point is near the ground, and none sinks

where D are differences between frames. The first line is the prior: each unknown is noise of second order with a
deviation and a corner frequency ω (`_ERRORS`), so knees stay calm wherever contacts do not ask for more. Its precision
α follows from both. A rest q is the mean place of a point in a stance if it strays by some millimetres, and otherwise
its own path. Feet that stand well thus have no error, and a motion without errors is returned as it is. The place of a
stance is as uncertain as its point strays and as its foot is deep, so a foot that stands well keeps its place when root
and legs follow another one. Weights w are the probability that a point stands.

Method. Gauss-Newton steps, which are exact but for the legs' rotations: the first step suffices unless legs turn far.
Each frame has 24 unknowns and depends on the two frames before and after, so a step solves a banded system.

Compared with locks of each foot and inverse kinematics of each leg, on 12 captures that were corrected: toes in stance
move at 15 instead of 28 mm/s, and knees exceed those of the capture by 18 instead of 36 °/s. In noisy captures, 19
instead of 31 % of contacts slip by over 20 mm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from selfcorrect.motion.body.surface import find_pivots_m, heel_relief_m, sole_points
from selfcorrect.motion.geometry.curves import second_difference_bands, smoothstep
from selfcorrect.motion.geometry.filters import solve_banded_rows
from selfcorrect.motion.geometry.rotations import compose, quaternions, rotate, to_matrices
from selfcorrect.motion.geometry.runs import find_runs
from selfcorrect.motion.geometry.vectors import UP, norms, sum_points
from selfcorrect.motion.kinematics import forward_kinematics, make_continuous
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.perception.observed_ground import observe_ground
from selfcorrect.motion.perception.stance_model import LIKELY
from selfcorrect.motion.skeleton import Skeleton

from ..body.leg_ik import Legs
from ..body.soles import corner_positions, split_by_foot
from .solid_feet import BALL_CORNERS, HEEL_CORNERS, TIPS_BELOW_BALL_M
from .stance import SOLE_NEAR_M, PosedMotions

_ERRORS = {
    "along": (0.002, 1.0),
    "up": (0.003, 2.0),
    "pelvis": (0.003, 1.0),
    "hip": (0.015, 1.5),
    "knee": (0.02, 1.5),
    "ankle": (0.03, 1.5),
}
"""Deviation, in m or rad, and corner frequency, in Hz, of errors of the root along the floor and upwards, and of the
rotations of parts. The body's height changes with each step."""
_ROTATED = ("pelvis", *(2 * ("hip", "knee", "ankle")))
"""Parts that rotate. The left leg comes first."""
_KINDS = ("along", "up", "along", *(part for part in _ROTATED for _ in range(3)))
"""Kinds of the unknowns."""
_UNKNOWNS = len(_KINDS)
_SHORTEST = 5
"""Minimum number of frames that can be solved."""
_STRAYS_M = (0.0025, 0.005)
"""Distances from its place, in m, up to which a standing point keeps its path, and from which on it rests. Up to the
first one, it stays within 5 mm."""
_MAY_STAND = 0.01
"""Minimum probability of standing, before and after which a stance ends."""
DRAG_LIMIT_M = 0.3
"""Distance from its place up to which a sliding point is held, in m. From twice as far on, the body glides."""
_REST_M_S = 0.02
"""Deviation of the velocity of resting points, in m/s."""
_PLACE_M = 0.001
"""Deviation of the place of a point that does not stray in its stance, in m."""
_SUNK_M = 0.004
"""Depth up to which feet may sink, in m."""
CLEAR_M = 0.008
"""Height above which feet swing if labels say so, in m."""
_HOVER_M = 0.02
"""Height up to which standing points may hover, in m."""
_SUNK_DEVIATION_M = 0.003
"""Deviation of the depth of sunken feet beyond that, in m."""
_HOVER_DEVIATION_M = 0.08
"""Deviation of the height of standing points beyond that, in m. Floors are hardly known to the centimetre."""
_PER_FRAME_S = 1 / 30
"""Duration of a frame whose height counts once, in s."""
_FAR_RAD = 0.1
"""Change of a rotation in a step from which on another one is taken, in rad."""
_STEPS = 3
"""Maximum number of Gauss-Newton steps."""


def solve_contacts(posed: PosedMotions, ground_m: np.ndarray, standing: np.ndarray | None = None) -> MotionBatch:
    """Let standing feet rest and sunken feet rise.

    Samples of a model on a known floor are projected like this, with `standing` from the model or from a rule, so that
    nothing is estimated from the motions:

        posed = PosedMotions.from_motions(batch, sole_points(batch.skeleton))
        solve_contacts(posed, np.zeros((len(batch), frames, 2)), standing)

    Args:
        posed: N motions of up to T frames.
        ground_m: (N, T, 2) height of the ground beneath each foot, above the known ground if there is one.
        standing: (N, T, 2, K) probability that heel and toe joint (K = 2), or the whole foot (K = 1), stand still; by
            default what the motions show.

    Returns:
        The motions. Those without errors are returned bit by bit.
    """
    motions = posed.motions
    never_stands = np.zeros(len(motions), dtype=bool)
    if standing is None:
        standing = posed.standing
        if motions.ground is None:  # feet that only pass bound the floor, but do not show it
            never_stands = np.asarray((standing <= LIKELY).all((1, 2, 3)))
        is_near = posed.stands_on(ground_m)
    else:
        is_near = posed.standing_m(posed.feet_m)[..., 1].min(-1) - ground_m < SOLE_NEAR_M
    if motions.contacts is not None:  # feet that are said to swing keep clear
        ground_m = ground_m + np.where(np.isneginf(motions.contacts), CLEAR_M + _SUNK_M, 0.0)
    root_m = motions.root_m.copy()
    rotations = motions.rotations.copy()
    is_changed = False
    for index, frames in enumerate(motions.lengths.tolist()):
        is_in_flight = never_stands[index] and observe_ground(motions[index]).lying_m is None
        if frames < _SHORTEST or is_in_flight:
            continue
        feet = _Feet(posed, index, ground_m[index, :frames])
        corrections = _solve(feet, standing[index, :frames], is_near[index, :frames])
        if corrections is None:
            continue
        is_changed = True
        root_m[index, :frames], rotations[index, :frames] = feet.body.correct(corrections)
        root_m[index, frames:] = root_m[index, frames - 1]
        rotations[index, frames:] = rotations[index, frames - 1]
    return replace(motions, root_m=root_m, rotations=rotations) if is_changed else motions


@dataclass(frozen=True, eq=False)
class _Body:
    """A motion of T frames whose pelvis and legs are corrected."""

    skeleton: Skeleton
    root_m: np.ndarray
    rotations: np.ndarray
    joints: tuple[int, ...]
    """Pelvis, and hip, knee and ankle of the left and the right leg."""

    def correct(self, corrections: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the root (T, 3) and local rotations (T, J, 4) after corrections (T, U)."""
        rotations = self.rotations.copy()
        for place, joint in enumerate(self.joints):
            turns = quaternions(corrections[:, 3 + 3 * place : 6 + 3 * place])
            rotations[:, joint] = compose(turns, rotations[:, joint])
        return self.root_m + corrections[:, :3], make_continuous(rotations)

    def axes(self, orientations: np.ndarray, corrections: np.ndarray) -> np.ndarray:
        """Return the axes (T, P, 3, 3) about which further corrections rotate the P parts, world, in columns.

        Args:
            orientations: (T, J, 4) joints after the corrections (T, U).
        """
        turns_rad = corrections[:, 3:].reshape(len(corrections), -1, 3)
        axes = np.eye(3) + 0.5 * _cross_matrices(turns_rad)
        above = np.array(self.skeleton.parents)[list(self.joints[1:])]
        axes[:, 1:] = to_matrices(orientations[:, above]) @ axes[:, 1:]
        return axes


def _cross_matrices(vectors: np.ndarray) -> np.ndarray:
    """Return matrices (..., 3, 3) that multiply like the cross product with vectors (..., 3) from the left."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    zero = np.zeros_like(x)
    rows = [[zero, -z, y], [z, zero, -x], [-y, x, zero]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


@dataclass(frozen=True, eq=False)
class _Points:
    """Points of both feet in one pose per frame."""

    along_m: np.ndarray
    """(T, 2, 2, 3) centre of the heel and toe joint, or heel and tip of a foot without. They rest while standing."""
    corners_m: np.ndarray
    """(T, 2, C, 3) corners of the soles."""
    heights_m: np.ndarray
    """(T, 2, C) their heights above the ground. Heels are round, and tips that bend are not deep."""


@dataclass(frozen=True, eq=False)
class _Rests:
    """Where the points of both feet rest."""

    paths_m: np.ndarray
    """(T, 2, 2, 2) paths along the floor that points follow. Outside of stances, they are their own."""
    standing: np.ndarray
    """(T, 2, 2) probability of standing in stances, 0 outside."""
    known: np.ndarray
    """(T, 2, 2) weight of a point's distance from its rest, in 1/m²."""


class _Feet:
    """Foot points of a motion, and how they follow corrections."""

    def __init__(self, posed: PosedMotions, index: int, ground_m: np.ndarray) -> None:
        motions = posed.motions
        frames = len(ground_m)
        skeleton = motions.skeleton
        legs = Legs.from_skeleton(skeleton)
        joints = (0, *legs.joints.ravel().tolist())
        self.body = _Body(skeleton, motions.root_m[index, :frames], motions.rotations[index, :frames], joints)
        self.fps = motions.fps
        self.posed = posed
        self._ground_m = ground_m
        self._ankles = legs.ankles
        self._toes = skeleton.pair("foot")
        self._default_soles = sole_points(skeleton)
        self._poses = posed.positions_m[index, :frames], posed.orientations[index, :frames]

    def linearize(self, corrections: np.ndarray) -> tuple[_Points, np.ndarray, np.ndarray]:
        """Return the points after corrections (T, U), with derivatives by further ones.

        Returns:
            The points, derivatives (T, 2, 2, 2, U) of points along x and z, and (T, 2, C, U) of heights.
        """
        positions_m, orientations = self._poses
        if corrections.any():
            positions_m, orientations = forward_kinematics(self.body.skeleton, *self.body.correct(corrections))
        points = self._find_points(positions_m, orientations)
        axes = self.body.axes(orientations, corrections)
        frames = len(corrections)
        along = np.zeros((frames, 2, 2, 2, _UNKNOWNS))
        along[..., 0, 0] = along[..., 1, 2] = 1.0
        up = np.zeros((*points.heights_m.shape, _UNKNOWNS))
        up[..., 1] = 1.0
        for side in (0, 1):
            for place in (0, *range(1 + 3 * side, 4 + 3 * side)):
                centre_m = positions_m[:, None, self.body.joints[place]]
                columns = slice(3 + 3 * place, 6 + 3 * place)
                x, y, z = np.moveaxis(points.along_m[:, side] - centre_m, -1, 0)
                levers_m = np.stack([np.zeros_like(x), z, -y, y, -x, np.zeros_like(x)], axis=-1)
                along[:, side, ..., columns] = levers_m.reshape(frames, 2, 2, 3) @ axes[:, None, place]
                x, y, z = np.moveaxis(points.corners_m[:, side] - centre_m, -1, 0)
                up[:, side, :, columns] = np.stack([-z, np.zeros_like(x), x], axis=-1) @ axes[:, place]
        return points, along, up

    def _find_points(self, positions_m: np.ndarray, orientations: np.ndarray) -> _Points:
        feet_m = split_by_foot(corner_positions(self.posed.soles, positions_m, orientations))
        pairs_m = feet_m.reshape(*feet_m.shape[:2], -1, 2, 3)
        middles_m = 0.5 * sum_points(pairs_m)
        toes_m = None if self._toes is None else positions_m[:, self._toes]
        pivots_m = find_pivots_m(self.body.skeleton, middles_m, orientations[:, self._ankles], toes_m)
        # Feet reach from their fitted soles up to default soles, which are lower in feet that point back.
        above_m = split_by_foot(corner_positions(self._default_soles, positions_m, orientations))
        points_back = rotate(orientations[:, self._ankles], UP)[..., None, [1]] < 0
        corners_m = np.where(points_back & (above_m[..., [1]] < feet_m[..., [1]]), above_m, feet_m)
        heights_m = self.posed.standing_m(corners_m)[..., 1] - self._ground_m[..., None]
        if self._toes is not None:
            heights_m[..., HEEL_CORNERS] += heel_relief_m(middles_m[..., 0, :], middles_m[..., 1, :])[..., None]
            deepest_m = heights_m[..., BALL_CORNERS].min(-1, keepdims=True) - TIPS_BELOW_BALL_M
            tips_m = heights_m[..., BALL_CORNERS.stop :]
            tips_m[...] = np.where(tips_m < 0, np.minimum(np.maximum(tips_m, deepest_m), 0.0), tips_m)
        return _Points(pivots_m, corners_m, heights_m)


def _solve(feet: _Feet, standing: np.ndarray, is_near: np.ndarray) -> np.ndarray | None:
    """Return the corrections (T, U) of a motion, or None if it has no errors.

    Args:
        standing: (T, 2, K) probability that points stand.
        is_near: (T, 2) whether feet are near the ground.
    """
    frames = len(standing)
    corrections = np.zeros((frames, _UNKNOWNS))
    points, along, up = feet.linearize(corrections)
    standing = np.broadcast_to(standing, points.along_m.shape[:3])
    depths_m = np.maximum(-points.heights_m, 0.0)
    rests = _find_rests(points.along_m[..., [0, 2]], standing, depths_m.max(-1))
    bearing = (rests.standing * is_near[..., None])[..., [0, 0, *[1] * (points.heights_m.shape[2] - 2)]]
    if (
        np.array_equal(rests.paths_m, points.along_m[..., [0, 2]])
        and points.heights_m.min() >= -_SUNK_M
        and feet.posed.motions.ground is None
    ):
        return None
    depths_m = np.zeros_like(points.heights_m)
    is_known = feet.posed.motions.ground is not None
    for step in range(_STEPS):
        if step:
            points, along, up = feet.linearize(corrections)
        depths_m = np.maximum(depths_m, -points.heights_m - _SUNK_M)  # what has sunk keeps from sinking again
        before = corrections
        corrections = _step(feet.fps, corrections, points, along, up, rests, bearing, depths_m, is_known=is_known)
        change = corrections - before
        sinks = (points.heights_m + np.einsum("tspu,tu->tsp", up, change)).min() < -2 * _SUNK_M
        if not sinks and np.abs(change[:, 3:]).max() < _FAR_RAD:
            break
    return corrections


def _find_rests(paths_m: np.ndarray, standing: np.ndarray, depths_m: np.ndarray) -> _Rests:
    """Find where points rest.

    Args:
        paths_m: (T, 2, 2, 2) paths of the points of both feet along the floor.
        standing: (T, 2, 2) probability that they stand.
        depths_m: (T, 2) depth of the feet below the ground. The place of a foot that has to rise is not known.
    """
    rests_m = paths_m.copy()
    weights = np.zeros(standing.shape)
    known = np.zeros(standing.shape)
    for foot, point in np.ndindex(2, 2):
        for first, stop in _find_stances(standing[:, foot, point]):
            stance = slice(first, stop), foot, point
            is_likely = standing[stance] > LIKELY
            path_m = paths_m[stance]
            middle_m = np.average(path_m, axis=0, weights=standing[stance])
            strays_m = norms(path_m - middle_m)
            furthest_m = strays_m[is_likely].max()
            slides = smoothstep((furthest_m - _STRAYS_M[0]) / (_STRAYS_M[1] - _STRAYS_M[0]))
            glides = smoothstep(furthest_m / DRAG_LIMIT_M - 1)
            weights[stance] = standing[stance]
            known[stance] = (1 - glides) / (_PLACE_M**2 + np.mean(strays_m**2) + depths_m[first:stop, foot] ** 2)
            rests_m[stance] += slides * (1 - glides) * (middle_m - path_m)
    return _Rests(rests_m, weights, known * weights)


def _find_stances(standing: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the first and last frame (exclusive) of each stance of a point that stands with probability (T,).

    A stance lasts as long as the point may stand. It ends where the next one begins, where standing is least likely.
    """
    likely = find_runs(standing > LIKELY)
    for first, stop in find_runs(standing > _MAY_STAND):
        within = [run for run in likely if first <= run[0] < stop]
        if not within:
            continue
        bounds = [first]
        for (_, last), (begin, _) in pairwise(within):
            bounds.append(last + int(standing[last:begin].argmin()))
        yield from pairwise([*bounds, stop])


def _step(
    fps: float,
    corrections: np.ndarray,
    points: _Points,
    along: np.ndarray,
    up: np.ndarray,
    rests: _Rests,
    bearing: np.ndarray,
    depths_m: np.ndarray,
    *,
    is_known: bool,
) -> np.ndarray:
    """Return the corrections (T, U) after a Gauss-Newton step."""
    frames = len(corrections)
    standing = rests.standing
    strays_m = points.along_m[..., [0, 2]] - rests.paths_m
    heel_depths_m = depths_m[..., HEEL_CORNERS].max(-1)
    front_depths_m = depths_m[..., HEEL_CORNERS.stop :].max(-1)
    # What is lifted without standing rises along its own path.
    is_lifted = (np.stack([heel_depths_m, front_depths_m], axis=-1) > 0) & (standing == 0)
    held = np.maximum(np.minimum(standing[1:], standing[:-1]), is_lifted[1:] & is_lifted[:-1])
    weights = held * fps * _PER_FRAME_S / (_REST_M_S * _PER_FRAME_S) ** 2
    weights = np.repeat(weights.reshape(frames - 1, -1), 2, axis=1)
    place_weights = np.repeat(rests.known.reshape(frames, -1), 2, axis=1) / (fps * _PER_FRAME_S)
    along = along.reshape(frames, -1, _UNKNOWNS)
    # The next points are x + J (next − now), whose differences should be those of the rests.
    wanted_m = np.einsum("tru,tu->tr", along, corrections) - strays_m.reshape(frames, -1)
    pull = weights * np.diff(wanted_m, axis=0)

    hover_m, hover_deviation_m = (_SUNK_M, _SUNK_DEVIATION_M) if is_known else (_HOVER_M, _HOVER_DEVIATION_M)
    heights_m = points.heights_m
    lower_m = np.repeat(np.minimum(heights_m[..., ::2], heights_m[..., 1::2]), 2, axis=-1)
    if is_known:  # a foot whose heel rises over its toes does not hover
        lower_m = np.broadcast_to(heights_m.min(-1, keepdims=True), heights_m.shape)
    off_m = np.where(depths_m > 0, heights_m + _SUNK_M, np.maximum(lower_m - hover_m, 0.0))
    bearing = bearing * (lower_m < SOLE_NEAR_M)  # a lying foot stands on its heel, not on its toes
    firmness = 1 + (depths_m / _SUNK_M) ** 2
    lift_weights = np.where(depths_m > 0, firmness / _SUNK_DEVIATION_M**2, bearing / hover_deviation_m**2)
    lift_weights /= fps * _PER_FRAME_S
    lift_weights = lift_weights.reshape(frames, -1)
    up = up.reshape(frames, -1, _UNKNOWNS)
    wanted_up_m = np.einsum("tru,tu->tr", up, corrections) - off_m.reshape(frames, -1)

    right = np.einsum("tr,tru->tu", lift_weights * wanted_up_m, up)
    right += np.einsum("tr,tru->tu", place_weights * wanted_m, along)
    right[1:] += np.einsum("tr,tru->tu", pull, along[1:])
    right[:-1] -= np.einsum("tr,tru->tu", pull, along[:-1])
    both_weights = place_weights
    both_weights[1:] += weights
    both_weights[:-1] += weights
    rows = np.concatenate([along, up], axis=1)
    row_weights = np.concatenate([both_weights, lift_weights], axis=1)
    within = (rows * row_weights[..., None]).swapaxes(1, 2) @ rows
    between = -(along[:-1] * weights[..., None]).swapaxes(1, 2) @ along[1:]
    return solve_banded_rows(_fill_bands(fps, within, between), right.ravel()).reshape(frames, _UNKNOWNS)


def _fill_bands(fps: float, within: np.ndarray, between: np.ndarray) -> np.ndarray:
    """Return the rows (T U, 2 U + 1) of the system from the diagonal on, with the prior.

    Args:
        within: (T, U, U) blocks on the diagonal.
        between: (T − 1, U, U) blocks beside it.
    """
    frames = len(within)
    kept = 2 * _UNKNOWNS + 1
    level, bend = _prior_weights(fps)
    # Each of the U rows of a frame begins one entry later, so the blocks are rectangles that overlap in zeros.
    values = np.zeros((frames + 1) * _UNKNOWNS * kept)
    shape = frames, _UNKNOWNS, 2 * _UNKNOWNS
    blocks = np.lib.stride_tricks.as_strided(values, shape, [8 * step for step in (_UNKNOWNS * kept, kept - 1, 1)])
    blocks[:, :, :_UNKNOWNS] = np.triu(within)
    blocks[:-1, :, _UNKNOWNS:] = between
    rows = values[: frames * _UNKNOWNS * kept].reshape(frames, _UNKNOWNS, kept)
    diagonal, beside, beyond = second_difference_bands(np.ones(frames - 2))[::-1]
    rows[..., 0] += level + np.outer(diagonal, bend)
    rows[:-1, :, _UNKNOWNS] += np.outer(beside[1:], bend)
    rows[:-2, :, 2 * _UNKNOWNS] = np.outer(beyond[2:], bend)
    return rows.reshape(-1, kept)


def _prior_weights(fps: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights (U,) of corrections and of their second differences.

    Noise of second order with variance s² has the precision α (1 + (ω / ω_k)⁴), where α = ω_k / (√8 s²), ω_k is the
    corner frequency in radians a frame.
    """
    deviations, corners_hz = np.array([_ERRORS[kind] for kind in _KINDS]).T
    corners = 2 * np.pi * corners_hz / fps
    level = corners / (np.sqrt(8) * deviations**2)
    return level, level / corners**4
