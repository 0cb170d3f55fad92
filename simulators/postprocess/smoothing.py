"""Smooth corrections that roughen the motion.

A correction is the difference between the motions after and before. It is smoothed, except where its fast part calms
the motion.
"""

from dataclasses import dataclass, replace

import numpy as np

from selfcorrect.motion.geometry.curves import smooth_gaussian, thirds_to_frames
from selfcorrect.motion.geometry.rotations import compose, invert, quaternions, rotation_vectors
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import MotionBatch

from ..body.soft_legs import JERK_AROUND_S
from ..stages.changes import keep_changes
from .jerk_bounds import MIN_FRAMES, JerkBounds
from .state import PostprocessState

Changes = tuple[np.ndarray, np.ndarray]
"""Root shifts (N, T, 3), and joint rotations (N, T, J, 3) as vectors in the parents' frames."""
FAST_S = 0.015
"""Smoothing time that removes fast corrections, in s. It halves amplitudes at 12 Hz."""


@dataclass(frozen=True)
class SmoothFast:
    """Remove the fast part of a correction as far as it roughens the motion.

    A share s ∈ [0, 1] of the fast part f is added to the slow part p of the motion. It minimises Σ ‖Δ³p + s Δ³f‖²
    around each frame. The parameters were set on CMU's training clips at 30, 60 and 120 frames per second.
    """

    def __call__(self, state: PostprocessState) -> PostprocessState:
        return replace(state, motions=self.smooth(state.bounds.before, state.motions))

    def smooth(self, before: MotionBatch, after: MotionBatch) -> MotionBatch:
        """Remove the fast part of the changes from `before` to `after`, as far as it roughens.

        Both have the same skeleton, frame rate and length.
        """
        frames = after.root_m.shape[1]
        if frames < MIN_FRAMES:
            return after
        shift_m, turns = _compute_changes(before, after)
        slow_m = smooth_gaussian(shift_m, FAST_S * after.fps)
        slow_turns = smooth_gaussian(turns, FAST_S * after.fps)
        slow_joints_m = _body_joints_m(_apply_changes(before, slow_m, slow_turns))
        joints_m = _body_joints_m(after)
        share = _calming_share(slow_joints_m, joints_m, JERK_AROUND_S * after.fps)[..., None]
        mixed_m = slow_m + share * (shift_m - slow_m)
        mixed_turns = slow_turns + share[..., None] * (turns - slow_turns)
        return _apply_changes(before, mixed_m, mixed_turns)


@dataclass(frozen=True)
class SmoothRough:
    """Smooth a correction around frames whose jerk exceeds a bound.

    Changes that are too slow for `SmoothFast` roughen calm motions, too, for example where limbs are lifted or
    simulated bodies catch up. They are smoothed over longer times. A part that smoothing makes rougher is skipped: if a
    captured knee flips to the opposite side, changes flip too, and their mean fits neither side. If such parts were
    smoothed, the second correction of walks would move them by 4 mm.
    """

    def __call__(self, state: PostprocessState) -> PostprocessState:
        smooth = self.smooth(state.bounds, state.motions)
        if state.fallback is state.motions:
            return replace(state, motions=smooth, fallback=smooth)
        return replace(state, motions=smooth, fallback=self.smooth(state.bounds, state.fallback))

    def smooth(self, bounds: JerkBounds, after: MotionBatch) -> MotionBatch:
        """Smooth the changes that led to `after` where a part has more jerk than its bound."""
        excess = bounds.excess(after)
        changes = None
        for times in (2.0, 4.0, 8.0):  # until one suffices
            rough = bounds.roughness(excess)
            if not rough.any():
                break
            if changes is None:
                changes = _compute_changes(bounds.before, after)
            width = times * FAST_S * after.fps
            slow = (smooth_gaussian(changes[0], width), smooth_gaussian(changes[1], width))
            share = np.clip(2 * smooth_gaussian(rough, bounds.around / 2), 0.0, 1.0)
            calm, calm_excess, mixed = _smooth_changes(bounds, after, changes, slow, share)
            total_excess = np.maximum(excess, 0.0).sum(1)
            total_calm_excess = np.maximum(calm_excess, 0.0).sum(1)
            is_rougher = share.any(1) & (total_calm_excess >= total_excess)
            if is_rougher.any():
                share = np.where(is_rougher[:, None], 0.0, share)
                calm, calm_excess, mixed = _smooth_changes(bounds, after, changes, slow, share)
            after = calm
            excess = calm_excess
            changes = mixed
        return after


def _smooth_changes(
    bounds: JerkBounds, after: MotionBatch, changes: Changes, slow: Changes, share: np.ndarray
) -> tuple[MotionBatch, np.ndarray, Changes]:
    """Mix changes with slow changes by shares (N, T, G).

    Returns the motions, their excess of jerk, and the mixed changes.
    """
    groups = bounds.groups
    group_shares = np.stack([share[..., group.share] for group in groups], axis=-1)
    joint_shares = group_shares @ [group.turned_joints for group in groups]
    shift_m, turns = changes
    slow_m, slow_turns = slow
    mixed_m = shift_m + share[..., :1] * (slow_m - shift_m)
    mixed_turns = turns + joint_shares[..., None] * (slow_turns - turns)
    is_changed = np.asarray(share.any(axis=(1, 2)))
    calm = keep_changes(after, _apply_changes(bounds.before, mixed_m, mixed_turns), is_changed)
    return calm, bounds.excess(calm), (mixed_m, mixed_turns)


def _compute_changes(before: MotionBatch, after: MotionBatch) -> Changes:
    """Return the root shifts and joint rotations that lead from one batch to another.

    Rotations are in the parents' frames, where they are the same on rigs that split bones for twist.
    """
    turns = rotation_vectors(compose(after.rotations, invert(before.rotations)))
    return after.root_m - before.root_m, turns


def _apply_changes(motions: MotionBatch, shift_m: np.ndarray, turns: np.ndarray) -> MotionBatch:
    """Apply root shifts (N, T, 3) and joint rotations (N, T, J, 3) in the parents' frames."""
    rotations = compose(quaternions(turns), motions.rotations)
    return replace(motions, root_m=motions.root_m + shift_m, rotations=rotations)


def _body_joints_m(motions: MotionBatch) -> np.ndarray:
    """Return the positions (N, T, B, 3) of body joints.

    Fingers and props are left out, because they weigh nothing.
    """
    body_joints = [joint for joint, part in enumerate(motions.skeleton.parts) if part]
    return joint_positions(motions, body_joints)


def _calming_share(slow_m: np.ndarray, whole_m: np.ndarray, around: float) -> np.ndarray:
    """Return the share (N, T) of the fast part that minimises third differences.

    Where the fast part only roughens, the share is 0, and where it calms, 1.

    Args:
        slow_m: (N, T, J, 3) joints without the fast part.
        whole_m: (N, T, J, 3) joints with the fast part.
        around: Standard deviation of the average, in frames.
    """
    slow_jerk = np.diff(slow_m, 3, axis=1)
    fast_jerk = np.diff(whole_m - slow_m, 3, axis=1)
    products = np.einsum("ntji,ntji->nt", fast_jerk, slow_jerk)
    squares = np.einsum("ntji,ntji->nt", fast_jerk, fast_jerk)
    local_products = smooth_gaussian(products, around)
    local_squares = smooth_gaussian(squares, around)
    share = np.clip(-local_products / np.maximum(local_squares, 1e-18), 0.0, 1.0)
    return thirds_to_frames(share)
