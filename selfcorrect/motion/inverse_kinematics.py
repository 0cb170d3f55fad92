"""Inverse kinematics: a skeleton and rotations from joint positions.

Bone directions are matched in closed form, joint by joint from the root. Joints that bones of constant length cannot
meet are approached by least squares, and the two bones above a wrist or an ankle are bent until its position is met.
"""

from dataclasses import replace

import numpy as np

from ..core.errors import InputError
from .geometry.rotations import compose, from_matrices, identity_rotations, invert, quaternions, rotate, to_matrices
from .geometry.vectors import dot, normalize_safely, norms
from .kinematics import local_rotations, pose_joints
from .motion import Motion
from .position_noise import remove_position_noise
from .skeleton import Skeleton

_PRIOR = 1e-6  # weight of the parent's orientation, relative to the bones', where these leave a joint free to turn
_MAX_ITERATIONS = 20
"""Maximum number of iterations for a mean shape."""
_CONVERGED_M = 1e-6
_FRAMES_TO_FIT = 256
_DAMPING_M2 = 1e-6
"""Damping of least squares, in m². It is small compared with the squared length of a bone."""
_LIMB_ENDS = {"left_ankle": 1.0, "right_ankle": 1.0, "left_wrist": -1.0, "right_wrist": -1.0}
"""Ends of two-bone limbs, with the usual bend direction of the middle joint: the sign of its z seen from the trunk."""
_EXACT_M = 1e-4
"""Distance below which an end is where it should be, in m."""
_KEPT_ERROR_M = 0.002
"""Distance over which an end's error may be kept instead of bending the limb, in m. Near full length, one millimetre of
reach moves the middle joint sideways by two centimetres."""
MAXIMUM_REACH = 0.9985
"""Maximum reach of a limb, as a share of its full length, beyond which knees and elbows snap."""
STRAIGHT_M = 0.02
"""Distance of a knee or elbow from the line between its limb's ends, in m, below which the limb bends in its usual
direction."""


def fit_motion(joints_m: np.ndarray, fps: float, skeleton: Skeleton) -> Motion:
    """Fit rotations to the directions between joint positions.

    The fit is exact if `skeleton` can take these positions. Positions do not determine the twist about a bone, so twist
    follows the parent.

    Args:
        joints_m: (T, J, 3) joint positions in the world, y up, in m.

    Raises:
        InputError: The joints have another shape or are not finite.
    """
    _check(joints_m, skeleton)
    orientations = np.empty((*joints_m.shape[:2], 4))
    for joint, children in enumerate(skeleton.children):
        before = orientations[:, skeleton.parents[joint]] if joint else identity_rotations(len(joints_m))
        bones_m = joints_m[:, list(children)] - joints_m[:, [joint]]
        orientations[:, joint] = aligning_turns(skeleton.offsets_m[list(children)], bones_m, before)
    return Motion(skeleton, joints_m[:, 0].astype(float), local_rotations(skeleton, orientations), fps)


def fit_body(joints_m: np.ndarray, fps: float, template: Skeleton) -> Motion:
    """Fit a motion with constant bone lengths to joint positions, which may be noisy.

    White noise is removed first, see `position_noise`. The skeleton is that of `fit_skeleton`. Root and rotations
    minimise the sum of squared distances between joints and their positions, from the rotations of `fit_motion` on.
    Unless there was noise, the two bones above each wrist and ankle are then bent so that the end meets its position,
    as far as the limb can reach. Knees and elbows stay as close as possible to their positions, and hands and feet keep
    their directions.

    Args:
        joints_m: (T, J, 3) joint positions in the world, y up, in m.
        template: Skeleton with J joints. Its offsets give the directions that the joints leave open.

    Raises:
        InputError: The joints have another shape or are not finite.
    """
    _check(joints_m, template)
    calm_m = remove_position_noise(joints_m, template.parents, fps)
    motion = _minimize_distances(fit_motion(calm_m, fps, fit_skeleton(calm_m, template)), calm_m)
    return motion if calm_m is not joints_m else _bend_limbs(motion, joints_m)


def _minimize_distances(motion: Motion, joints_m: np.ndarray) -> Motion:
    """Move root and joints of a motion so that it is as close as possible to joint positions (T, J, 3).

    The sum of squared distances is minimised by a Gauss–Newton step, after which further ones change little.
    """
    skeleton = motion.skeleton
    positions_m, orientations = pose_joints(motion)
    errors_m = joints_m - positions_m
    if norms(errors_m).max() < _EXACT_M:
        return motion
    root_m = motion.root_m.copy()
    for start in range(0, len(motion), _FRAMES_TO_FIT):
        frames = slice(start, start + _FRAMES_TO_FIT)
        moves_m, turns = _solve_least_squares(skeleton, orientations[frames], errors_m[frames])
        root_m[frames] += moves_m
        orientations[frames] = compose(quaternions(turns), orientations[frames])
    return replace(motion, root_m=root_m, rotations=local_rotations(skeleton, orientations))


def _solve_least_squares(
    skeleton: Skeleton, orientations: np.ndarray, errors_m: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the root's moves (T, 3) and the joints' turns (T, J, 3) that reduce position errors (T, J, 3) most.

    A joint's position changes by the root's move and by ω × b for each bone b from the root to the joint, where ω is
    the turn of the bone's parent. Damping keeps turns about single bones at 0.

    Args:
        orientations: (T, J, 4) orientations of the joints in the world. Turns are in the world as well, in rad.
    """
    frames = len(errors_m)
    turning = [joint for joint, children in enumerate(skeleton.children) if children]
    bones = np.zeros(
        (len(skeleton), len(turning)), dtype=int
    )  # at the start of each path; 0 for turns that do not count
    for joint, parent in enumerate(skeleton.parents[1:], start=1):
        bones[joint] = bones[parent]
        bones[joint, turning.index(parent)] = joint
    bones_m = rotate(orientations[:, skeleton.parents], skeleton.offsets_m)
    effects = np.cross(np.eye(3), bones_m[:, :, None])  # row i: effect of a turn about axis i
    jacobian = np.empty((frames, 1 + len(turning), 3, len(skeleton), 3))
    jacobian[:, 0] = np.eye(3)[:, None]
    jacobian[:, 1:] = np.moveaxis(effects[:, bones.T], 3, 2)
    transposed = jacobian.reshape(frames, 3 + 3 * len(turning), -1)
    normal = transposed @ transposed.swapaxes(1, 2) + _DAMPING_M2 * np.eye(transposed.shape[1])
    solution = np.linalg.solve(normal, transposed @ errors_m.reshape(frames, -1, 1)).reshape(frames, -1, 3)
    turns = np.zeros_like(errors_m)
    turns[:, turning] = solution[:, 1:]
    return solution[:, 0], turns


def _bend_limbs(motion: Motion, joints_m: np.ndarray) -> Motion:
    """Bend the limbs of a motion so that wrists and ankles meet their positions, as far as limbs can reach.

    Args:
        joints_m: (T, J, 3) positions of all joints.
    """
    skeleton = motion.skeleton
    positions_m, orientations = pose_joints(motion)
    is_bent = False
    for part, forward in _LIMB_ENDS.items():
        end = skeleton.joint(part)
        middle = -1 if end is None else skeleton.parents[end]
        start = skeleton.parents[middle] if middle > 0 else 0
        if end is None or start <= 0 or norms(positions_m[:, end] - joints_m[:, end]).max() < _EXACT_M:
            continue
        trunk = orientations[:, skeleton.parents[start]]
        limb = [start, middle, end]
        bones_m = _bend_limb(positions_m[:, limb], joints_m[:, limb], trunk, forward)
        for joint, child, bone_m in zip(limb, limb[1:], bones_m, strict=False):
            rest_m = skeleton.offsets_m[[child]]
            orientations[:, joint] = aligning_turns(rest_m, bone_m[:, None], orientations[:, joint])
        is_bent = True
    return replace(motion, rotations=local_rotations(skeleton, orientations)) if is_bent else motion


def _bend_limb(
    posed_m: np.ndarray, places_m: np.ndarray, trunk: np.ndarray, forward: float
) -> tuple[np.ndarray, np.ndarray]:
    """Bend a posed limb so that its end meets a target.

    Args:
        posed_m: (T, 3, 3) start, middle and end of the posed limb in the world, in m.
        places_m: (T, 3, 3) target positions of the same joints.
        trunk: (T, 4) orientations of the joint above the limb.
        forward: Usual bend direction, see `_LIMB_ENDS`.

    Returns:
        The upper and the lower bone, each (T, 3).
    """
    start_m = posed_m[:, 0]
    upper_m = norms(posed_m[:, 1] - posed_m[:, 0]).max()
    lower_m = norms(posed_m[:, 2] - posed_m[:, 1]).max()
    to_end_m = places_m[:, 2] - start_m
    along = normalize_safely(to_end_m)
    wanted_m = norms(to_end_m)
    posed_reach_m = norms(posed_m[:, 2] - start_m)
    softened_m = wanted_m + _KEPT_ERROR_M * np.tanh((posed_reach_m - wanted_m) / _KEPT_ERROR_M)
    reach_m = np.minimum(softened_m, np.maximum(posed_reach_m, MAXIMUM_REACH * (upper_m + lower_m)))
    reach_m = np.maximum(reach_m, max(abs(upper_m - lower_m), 1e-6))
    before_m = np.clip((upper_m**2 - lower_m**2 + reach_m**2) / (2 * reach_m), -upper_m, upper_m)
    aside_m = np.sqrt(upper_m**2 - before_m**2)
    bend = _bend_direction(places_m[:, 1] - start_m, along, trunk, forward)
    middle_m = before_m[:, None] * along + aside_m[:, None] * bend
    return middle_m, reach_m[:, None] * along - middle_m


def _bend_direction(middle_m: np.ndarray, along: np.ndarray, trunk: np.ndarray, forward: float) -> np.ndarray:
    """Return the unit direction (T, 3) in which a limb bends.

    It is perpendicular to the limb's axis `along` (T, 3) and points to the middle joint (T, 3), given relative to the
    limb's start. Where the limb is almost straight, it blends into the clip's average bend direction relative to the
    trunk (T, 4).
    """
    across_m = middle_m - dot(middle_m, along)[:, None] * along
    usual = rotate(invert(trunk), across_m).mean(axis=0) + np.array([0.0, 0.0, 1e-6 * forward])
    usual = rotate(trunk, np.broadcast_to(normalize_safely(usual), across_m.shape))
    usual = usual - dot(usual, along)[:, None] * along
    straight = np.clip(1 - norms(across_m) / STRAIGHT_M, 0.0, 1.0)[:, None]
    return normalize_safely(across_m + STRAIGHT_M * straight**2 * (3 - 2 * straight) * usual)


def fit_skeleton(joints_m: np.ndarray, template: Skeleton) -> Skeleton:
    """Fit bone offsets to joint positions.

    Bones get their mean lengths over time. Where several bones meet at a joint, their offsets are the mean shape over
    time, aligned to the template (generalised Procrustes analysis, Gower 1975). A single bone keeps the template's
    direction. Long clips are sampled at some hundred frames.

    Args:
        joints_m: (T, J, 3) joint positions, in m.
        template: Skeleton with J joints, returned with other offsets.
    """
    _check(joints_m, template)
    joints_m = joints_m[:: -(-len(joints_m) // _FRAMES_TO_FIT)]
    offsets_m = np.zeros((len(template), 3))
    for joint, children in enumerate(template.children):
        bones_m = joints_m[:, list(children)] - joints_m[:, [joint]]
        offsets_m[list(children)] = _mean_shape(bones_m, template.offsets_m[list(children)])
    return replace(template, offsets_m=offsets_m)


def _check(joints_m: np.ndarray, skeleton: Skeleton) -> None:
    if joints_m.ndim != 3 or joints_m.shape[1:] != (len(skeleton), 3):
        raise InputError(f"expected joints of shape (frames, {len(skeleton)}, 3), got {joints_m.shape}")
    if not np.isfinite(joints_m).all():
        raise InputError(f"joint positions are not finite in frame {np.argwhere(~np.isfinite(joints_m))[0][0]}")


def aligning_turns(rest_m: np.ndarray, bones_m: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return rotations that align rest bones with posed bones.

    Longer bones have more weight. If the bones leave a rotation open, the one nearest to `before` is chosen (Kabsch
    1976).

    Args:
        rest_m: (C, 3) bones at rest, in m.
        bones_m: (T, C, 3) posed bones, in m.
        before: (T, 4) preferred rotations.

    Returns:
        (T, 4) quaternions xyzw.
    """
    prior = _PRIOR * max(float(np.sum(rest_m**2)), 1e-12)
    spread = np.einsum("tci,cj->tij", bones_m, rest_m) + prior * to_matrices(before)
    left, _, right = np.linalg.svd(spread)
    left[:, :, 2] *= np.linalg.det(left @ right)[:, None]
    return from_matrices(left @ right)


def _mean_shape(bones_m: np.ndarray, template_m: np.ndarray) -> np.ndarray:
    """Return the mean shape (C, 3) of bones (T, C, 3).

    Bones have their mean lengths, and the shape is aligned to the template (C, 3).
    """
    lengths_m = norms(bones_m).mean(axis=0)[:, None]
    template_lengths_m = norms(template_m)[..., None]
    template_m = lengths_m * template_m / np.maximum(template_lengths_m, 1e-12)
    shape_m = template_m
    if len(template_m) < 2:
        return shape_m
    for _ in range(_MAX_ITERATIONS):
        turns = aligning_turns(shape_m, bones_m, identity_rotations(len(bones_m)))
        before_m = shape_m
        shape_m = rotate(invert(turns[:, None]), bones_m).mean(axis=0)
        shape_lengths_m = norms(shape_m)[..., None]
        shape_m *= lengths_m / np.maximum(shape_lengths_m, 1e-12)
        if np.abs(shape_m - before_m).max() < _CONVERGED_M:
            break
    return rotate(aligning_turns(shape_m, template_m[None], identity_rotations(1)), shape_m)
