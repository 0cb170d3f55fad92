"""Inverse kinematics: a skeleton and rotations from joint positions.

Bone directions are matched in closed form, joint by joint from the root. Where bones of constant length miss a wrist or
an ankle, the two bones above it are bent until it is met.
"""

from dataclasses import replace

import numpy as np

from ..core.errors import InputError
from .geometry.rotations import from_matrices, identity_rotations, invert, rotate, to_matrices
from .geometry.vectors import dot, normalize_safely, norms
from .kinematics import local_rotations, pose_joints
from .motion import Motion
from .skeleton import Skeleton

_PRIOR = 1e-6  # weight of the parent's orientation, relative to the bones', where these leave a joint free to turn
_MAX_ITERATIONS = 20
"""Maximum number of iterations for a mean shape."""
_CONVERGED_M = 1e-6
_FRAMES_TO_FIT = 256
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
    """Fit a motion with constant bone lengths that meets wrists and ankles.

    The skeleton is that of `fit_skeleton`, and rotations are those of `fit_motion`. Then the two bones above each wrist
    and ankle are bent so that the end meets its position, as far as the limb can reach. Knees and elbows stay as close
    as possible to their positions, and hands and feet keep their directions.

    Args:
        joints_m: (T, J, 3) joint positions in the world, y up, in m.
        template: Skeleton with J joints. Its offsets give the directions that the joints leave open.

    Raises:
        InputError: The joints have another shape or are not finite.
    """
    motion = fit_motion(joints_m, fps, fit_skeleton(joints_m, template))
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
