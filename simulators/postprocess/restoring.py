"""Lead corrected motions back to the cleaned ones where feet stand or jerk stays high."""

from dataclasses import dataclass, replace
from operator import attrgetter

import numpy as np

from selfcorrect.motion.geometry.curves import smooth_gaussian
from selfcorrect.motion.geometry.filters import maximum_filter1d
from selfcorrect.motion.geometry.rotations import slerp
from selfcorrect.motion.kinematics import pose_joints
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.perception.observation import observe_feet

from ..body.leg_ik import Legs
from ..body.soft_legs import move_ankles_to
from ..stages.changes import keep_changes
from .jerk_bounds import JerkBounds
from .state import PostprocessState

_AROUND_S = 0.15
"""Time before and after a stance in which a foot is led to its position, in s."""
_SMOOTHING_S = 0.05
"""Smoothing time of the share of restored feet, in s."""


@dataclass(frozen=True)
class RestoreFeet:
    """Lead planted feet back to the cleaned pose; the legs follow.

    Without a simulation, swinging feet are led back, too. The parameters were set by hand on CMU's training clips. The
    step pays on some clips only: without it, some captures slide much more, but most slide less.
    """

    def __call__(self, state: PostprocessState) -> PostprocessState:
        restored = self.restore(state.motions, state.fallback, state.bounds.before, state.shares)
        return replace(state, motions=restored)

    def restore(
        self, motions: MotionBatch, cleaned: MotionBatch, before: MotionBatch, simulated: np.ndarray
    ) -> MotionBatch:
        """Restore the feet of the cleaned motions.

        Args:
            motions: N motions of T frames.
            before: The motions before the clean-up, whose knees are followed.
            simulated: (N, T) share of the simulation.
        """
        skeleton = motions.skeleton
        ankles = Legs.from_skeleton(skeleton).ankles
        stands = self._shares(observe_feet(cleaned, attrgetter("touches")), motions.fps)
        share = np.maximum(stands, 1 - simulated[..., None])[..., None]
        toes = skeleton.pair("foot")
        if toes is not None:
            rotations = motions.rotations.copy()
            rotations[..., toes, :] = slerp(rotations[..., toes, :], cleaned.rotations[..., toes, :], share)
            motions = replace(motions, rotations=rotations)
        positions_m, orientations = pose_joints(motions)
        cleaned_positions_m, cleaned_orientations = pose_joints(cleaned)
        ankles_m = positions_m[..., ankles, :]
        targets_m = ankles_m + share * (cleaned_positions_m[..., ankles, :] - ankles_m)
        targets = slerp(orientations[..., ankles, :], cleaned_orientations[..., ankles, :], share)
        return move_ankles_to(motions, before, targets_m, targets, stands)

    def _shares(self, stands: np.ndarray, fps: float) -> np.ndarray:
        """Return how fully feet are restored (N, T, 2).

        The share is 1 while a foot stands, and fades around the stance.
        """
        frames = 2 * round(_AROUND_S * fps) + 1
        around = maximum_filter1d(stands.astype(float), frames, axis=1, mode="nearest")
        return smooth_gaussian(around, _SMOOTHING_S * fps)


@dataclass(frozen=True)
class RevertHighJerk:
    """Replace frames whose jerk still exceeds a bound by the fallback.

    A simulated trunk that calms down carries the legs along, so no part can be smoothed alone. Without this step, the
    fastest knees of noisy captures move 6 °/s faster.
    """

    def __call__(self, state: PostprocessState) -> PostprocessState:
        reverted, share = self.revert(state.bounds, state.motions, state.fallback)
        return replace(state, motions=reverted, shares=state.shares * (1 - share))

    def revert(self, bounds: JerkBounds, motions: MotionBatch, fallback: MotionBatch) -> tuple[MotionBatch, np.ndarray]:
        """Blend motions with fallbacks wherever jerk exceeds the bounds.

        Args:
            bounds: Maximum jerk of each part.
            motions: N motions of T frames.
            fallback: Calmer versions of the motions.

        Returns:
            The motions, and the share (N, T) of the fallbacks.
        """
        reverted = motions
        share = np.zeros(motions.root_m.shape[:2])
        for _ in range(3):  # rough frames get calmer in each round
            rough = bounds.roughness(bounds.excess(reverted)).max(axis=-1)
            if not rough.any():
                break
            widest = maximum_filter1d(rough, 2 * round(bounds.around) + 1, axis=1, mode="nearest")
            share = np.minimum(share + smooth_gaussian(widest, bounds.around / 2), 1.0)
            reverted = keep_changes(motions, fallback, share)
        return reverted, share
