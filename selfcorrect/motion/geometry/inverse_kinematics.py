"""From joint positions to a skeleton and its rotations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from ...core.errors import InputError
from ..motion import Motion
from ..skeleton import Skeleton
from .kinematics import local_rotations

_PRIOR = 1e-6  # weight of the parent's orientation, relative to the bones', where these leave a joint free to turn
_FITS = 20
_CONVERGED_M = 1e-6
_FRAMES_TO_FIT = 256


def fit_motion(joints_m: np.ndarray, fps: float, skeleton: Skeleton) -> Motion:
    """The motion whose bones point as nearly as possible where those between joints (T, J, 3) point, y up, metres.

    Exact where the joints move as `skeleton` can. What positions leave open, the twist of a bone about itself, is
    taken over from the parent.
    """
    _check(joints_m, skeleton)
    orientations = np.empty((*joints_m.shape[:2], 4))
    for joint, children in enumerate(skeleton.children):
        before = (
            orientations[:, skeleton.parents[joint]] if joint else np.tile([0.0, 0.0, 0.0, 1.0], (len(joints_m), 1))
        )
        bones_m = joints_m[:, list(children)] - joints_m[:, [joint]]
        orientations[:, joint] = aligning_turns(skeleton.offsets_m[list(children)], bones_m, before)
    return Motion(skeleton, joints_m[:, 0].astype(float), local_rotations(skeleton, orientations), fps)


def fit_skeleton(joints_m: np.ndarray, template: Skeleton) -> Skeleton:
    """The rest pose in which joints (T, J, 3), metres, keep their distances: `template` with offsets that fit them.

    Bones get their mean lengths. Where several hang on one joint, their mean shape over time is kept, turned to the
    template's (generalised Procrustes analysis, Gower 1975); a single bone keeps the template's direction. Of long
    clips, some hundred frames serve.
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
    """Rotations (T, 4) that bring bones at rest (C, 3) closest to bones (T, C, 3), metres (Kabsch 1976).

    Longer bones count for more; of equally good rotations it is the nearest to `before` (T, 4).
    """
    prior = _PRIOR * max(float(np.sum(rest_m**2)), 1e-12)
    spread = np.einsum("tci,cj->tij", bones_m, rest_m) + prior * Rotation.from_quat(before).as_matrix()
    left, _, right = np.linalg.svd(spread)
    left[:, :, 2] *= np.linalg.det(left @ right)[:, None]
    return Rotation.from_matrix(left @ right, assume_valid=True).as_quat()


def _mean_shape(bones_m: np.ndarray, template_m: np.ndarray) -> np.ndarray:
    """(C, 3) shape that bones (T, C, 3) share, with their mean lengths, turned to the template (C, 3)."""
    lengths_m = np.linalg.norm(bones_m, axis=-1).mean(axis=0)[:, None]
    template_m = lengths_m * template_m / np.maximum(np.linalg.norm(template_m, axis=-1, keepdims=True), 1e-12)
    upright = np.array([[0.0, 0.0, 0.0, 1.0]])
    shape_m = template_m
    if len(template_m) < 2:
        return shape_m
    for _ in range(_FITS):
        turned = Rotation.from_quat(aligning_turns(shape_m, bones_m, np.tile(upright, (len(bones_m), 1)))[:, None])
        before_m, shape_m = shape_m, turned.inv().apply(bones_m).mean(axis=0)
        shape_m *= lengths_m / np.maximum(np.linalg.norm(shape_m, axis=-1, keepdims=True), 1e-12)
        if np.abs(shape_m - before_m).max() < _CONVERGED_M:
            break
    return Rotation.from_quat(aligning_turns(shape_m, template_m[None], upright)).apply(shape_m)
