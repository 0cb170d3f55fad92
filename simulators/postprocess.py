"""Combine plan and simulation, step by step.

The result is the corrected motion. `POSTPROCESS` lists the steps after plan and simulation, `KINEMATIC_POSTPROCESS` the
steps after a clean-up. The docstring of a step states its objective. Without steps, simulated states come out
unchanged.

The force that a motion demands beyond contacts falls where physics has fixed something. Where the force hardly falls,
the simulated body only lags behind the plan, and the plan is the better motion. So a plan that contacts explain nearly
everywhere cannot gain, and this is known before the simulation.

Locks that close, contacts that meet and solvers that chatter leave traces above the bandwidth of people's motion; at 60
or 120 frames per second these traces are most of the jerk. A correction, the difference between the motions after and
before, is therefore smoothed, except where the fast part calms the motion rather than roughens the motion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import attrgetter
from typing import Protocol, Self

import numpy as np

from selfcorrect.core.checks import Positive
from selfcorrect.motion.geometry.filters import maximum_filter1d
from selfcorrect.motion.geometry.rotations import compose, invert, quaternions, rotation_vectors, slerp
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.kinematics import joint_positions, pose_joints
from selfcorrect.motion.measures.roughness import joint_jerks_m_s3, joints_by_part
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.perception.observation import observe_feet
from selfcorrect.motion.skeleton import Skeleton

from .body.curves import smooth_gaussian, smoothstep, thirds_to_frames
from .body.leg_ik import Legs
from .body.soft_legs import JERK_AROUND_S, move_ankles_to
from .contacts.contact_plan import plan_contacts
from .stages.changes import deadband, keep_changes
from .stages.values import CleanedMotions, MotionPlan, TrackingResult, select_motions

Changes = tuple[np.ndarray, np.ndarray]
"""Root shifts (N, T, 3) and joint rotations (N, T, J, 3). See `_compute_changes`."""

FAST_S = 0.015
"""Smoothing time that removes fast corrections, in s. Amplitudes are halved at 12 Hz."""

FEWEST_FRAMES = 5
"""Minimum number of frames that show roughness."""

ROUGHER = 1.05
"""Jerk ratio above which a part is rougher. Its jerk must also grow by `ROUGHER_M_S3`."""

ROUGHER_M_S3 = 5.0
"""Minimum jerk increase of a rougher part, in m/s³."""

ALL_ROUGH = 0.1
"""Relative excess of a fully rough part. Below, the part is partly rough."""


class PostprocessStep(Protocol):
    """A post-processing step.

    It has parameters, and a call that returns the next state.
    """

    def __call__(self, state: PostprocessState, /) -> PostprocessState: ...


@dataclass(frozen=True, eq=False)
class PostprocessState:
    """Motions between two steps of post-processing."""

    tracked: TrackingResult | None
    """Plans and simulations, or None. None stands for a clean-up alone."""
    cleaned: MotionBatch
    """The cleaned motions, the targets."""
    motions: MotionBatch
    fallback: MotionBatch
    """The smoothed cleaned motions. They replace frames that stay too rough."""
    shares: np.ndarray
    """(N, T) simulated share of each frame."""
    bounds: JerkBounds
    """The largest jerk that a correction may have. The motions before the clean-up define it."""

    @classmethod
    def from_stages(cls, cleaned: CleanedMotions, tracked: TrackingResult | None = None) -> Self:
        """Return the state before the first step.

        Motions are as planned, or as cleaned if nothing was planned.
        """
        motions = cleaned.motions
        if tracked is not None:
            plan = tracked.plan
            motions = plan.body.link_view(cleaned.motions).restore(plan.motions)
        return cls(
            tracked=tracked,
            cleaned=cleaned.motions,
            motions=motions,
            fallback=cleaned.motions,
            shares=np.zeros(cleaned.motions.root_m.shape[:2]),
            bounds=JerkBounds.from_motions(cleaned.before_planting),
        )

    def apply_steps(self, steps: Sequence[PostprocessStep]) -> PostprocessState:
        """Return the state after some steps."""
        state = self
        for step in steps:
            state = step(state)
        return state


@dataclass(frozen=True)
class BlendSimulation(Positive):
    """Blend the simulation where it helps.

    It is used where it lowers the force that contacts leave unexplained, and elsewhere the plan. The share s of the
    simulation is a smooth step of that gain. The share applies to the slow part of the difference between both; the
    fast part, capture noise that a body cannot follow, is removed fully.

    Set on 3 s of each fourth of CMU's training clips, 30 and 120 frames per second. MuJoCo replays the results. At 30
    frames per second MuJoCo needs 0.104 body weights of residual force with these shares, as much as with all or none
    of PyBullet's simulation. Jerk is lower than with none, and distance (9.7 mm) a third lower than with all. Twice the
    bounds change nothing.
    """

    saved_bodyweights: tuple[float, float] = (0.05, 0.2)
    """Saved force at which the simulation is used, in body weights. None of it is used below the first value, all above
    the second."""
    slow_s: float = 0.03
    """Smoothing time that extracts slow shifts, in s."""
    small_shift_m: tuple[float, float] = (0.003, 0.006)
    """Deadband of slow shifts, in m. Smaller ones than the first distance are removed; those above the second stay."""
    gain_smoothing_s: float = 0.15
    """Standard deviation of the Gaussian for measuring the gain."""
    share_smoothing_s: float = 0.1
    """Smoothing time of the simulation's share, in s."""
    lost_rad: float = 0.5
    """Angle at which a joint counts as lost, in rad between the simulated and the planned joint; the joint is fully
    lost at twice the angle."""

    def __call__(self, state: PostprocessState) -> PostprocessState:
        tracked = state.tracked
        planned = self.without_small_shifts(state.motions, state.cleaned)
        if tracked is None or tracked.states is None:
            return replace(state, motions=planned)
        simulated = tracked.simulated
        shares = state.shares.copy()
        shares[simulated] = self.shares(tracked.plan.select(simulated), tracked.states)
        blended = self.blend(select_motions(planned, simulated), tracked.states, shares[simulated])
        root_m = planned.root_m.copy()
        root_m[simulated] = blended.root_m
        rotations = planned.rotations.copy()
        rotations[simulated] = blended.rotations
        return replace(state, motions=replace(planned, root_m=root_m, rotations=rotations), shares=shares)

    def can_gain(self, plan: MotionPlan) -> np.ndarray:
        """Return which plans (N,) a simulation could improve.

        Its states could replace the plan fully in any frame. A simulation saves no more than the unexplained force of
        the plan. Below the upper bound of `saved_bodyweights` the simulation's share is never 1, and on captures nearly
        0. Plans that are not finite are simulated, too.
        """
        is_explained = self.unexplained_bodyweights(plan) <= self.saved_bodyweights[1]
        return np.asarray(~is_explained.all(axis=1))

    def unexplained_bodyweights(self, plan: MotionPlan) -> np.ndarray:
        """Return a plan's unexplained force (N, T).

        It is smoothed like gains.
        """
        missing_n = np.linalg.norm(plan.contacts.rest[..., :3], axis=-1)
        return smooth_gaussian(missing_n / plan.body.weight_n, self.gain_smoothing_s * plan.motions.fps)

    def without_small_shifts(self, planned: MotionBatch, cleaned: MotionBatch) -> MotionBatch:
        """Remove small slow root shifts from a plan.

        They are shifts from the cleaned motions. The fast part of a shift changes forces. The slow part hardly does,
        and a second correction would shift again.
        """
        shift_m = planned.root_m - cleaned.root_m
        slow_m = smooth_gaussian(shift_m, self.slow_s * planned.fps)
        share = deadband(norms(slow_m)[..., None], self.small_shift_m, planned.fps)
        return replace(planned, root_m=planned.root_m - (1 - share) * slow_m)

    def shares(self, plan: MotionPlan, simulated: MotionBatch) -> np.ndarray:
        """Return the share (N, T) of the simulation.

        Shares are in [0, 1]; simulated states are on the whole skeleton.
        """
        body = plan.body
        fps = simulated.fps
        contacts = plan_contacts(body, body.select_links(simulated), plan.friction, plan.supports)
        planned_n = np.linalg.norm(plan.contacts.rest[..., :3], axis=-1)
        simulated_n = np.linalg.norm(contacts.rest[..., :3], axis=-1)
        saved = smooth_gaussian((planned_n - simulated_n) / body.weight_n, self.gain_smoothing_s * fps)
        low, high = self.saved_bodyweights
        share = smoothstep((saved - low) / (high - low))
        return smooth_gaussian(share, self.share_smoothing_s * fps)

    def blend(self, first: MotionBatch, second: MotionBatch, share: np.ndarray) -> MotionBatch:
        """Blend two batches of motions.

        The share applies to the slow part of the difference; the fast part is taken fully. Joints of the second motions
        that are lost are not followed.

        Args:
            first: Motions at share 0.
            second: Motions at share 1, of the same skeleton and length.
            share: (N, T) in [0, 1].
        """
        shift_m = second.root_m - first.root_m
        turns = rotation_vectors(compose(invert(first.rotations), second.rotations))
        slow_m = smooth_gaussian(shift_m, FAST_S * first.fps)
        slow_turns = smooth_gaussian(turns, FAST_S * first.fps)
        share = share[..., None]
        lost = np.linalg.norm(turns, axis=-1) / self.lost_rad - 1
        follows = share + (1 - share) * (1 - smoothstep(lost))
        blended_m = share * slow_m + (shift_m - slow_m)
        blended_turns = share[..., None] * slow_turns + follows[..., None] * (turns - slow_turns)
        rotations = compose(first.rotations, quaternions(blended_turns))
        return replace(first, root_m=first.root_m + blended_m, rotations=rotations)


@dataclass(frozen=True)
class SmoothFast:
    """Remove the fast part of a correction.

    It is removed as far as it roughens the motion. Beside the slow part p of a motion a share s ∈ [0, 1] of the fast
    part f stays: s minimises Σ ‖Δ³p + s Δ³f‖² around each frame. Set on CMU's training clips at 30, 60 and 120 frames
    per second.
    """

    def __call__(self, state: PostprocessState) -> PostprocessState:
        return replace(state, motions=self.smooth(state.bounds.before, state.motions))

    def smooth(self, before: MotionBatch, after: MotionBatch) -> MotionBatch:
        """Smooth fast changes that roughen.

        Motions are `after` without the fast part of the changes since `before`. Both share skeleton, frame rate and
        length.
        """
        frames = after.root_m.shape[1]
        if frames < FEWEST_FRAMES:
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
    """Smooth a correction around rough frames.

    A part of the body has more jerk than the bound there; changes are smoothed over longer times. Changes slower than
    the changes that `SmoothFast` removes roughen calm motions, too: limbs that are lifted, simulated bodies that catch
    up. A part that smoothing makes rougher is skipped: if a captured knee flips to the opposite side, changes flip too,
    and the mean fits neither side. Smoothed all the same, walks are moved by 4 mm in their second correction.
    """

    wider: tuple[float, ...] = (2.0, 4.0, 8.0)
    """Multiples of the fast time, tried in order. The first that suffices is taken."""

    def __call__(self, state: PostprocessState) -> PostprocessState:
        smooth = self.smooth(state.bounds, state.motions)
        if state.fallback is state.motions:
            return replace(state, motions=smooth, fallback=smooth)
        return replace(state, motions=smooth, fallback=self.smooth(state.bounds, state.fallback))

    def smooth(self, bounds: JerkBounds, after: MotionBatch) -> MotionBatch:
        """Smooth changes where a part is rough.

        The part has more jerk than the bound; motions are `after` with smoother changes.
        """
        excess = bounds.excess(after)
        changes = None
        for times in self.wider:
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


@dataclass(frozen=True)
class RestoreFeet(Positive):
    """Lead planted feet back to the cleaned pose.

    The legs follow. Without a simulation swinging feet follow, too. Set by hand on CMU's training clips. The step pays
    on some clips only: without it, some captures slide much more, but most slide less.
    """

    around_s: float = 0.15
    """Time in which a foot is led to its stance, in s."""
    smoothing_s: float = 0.05
    """Standard deviation of the Gaussian that smooths that."""

    def __call__(self, state: PostprocessState) -> PostprocessState:
        restored = self.restore(state.motions, state.fallback, state.bounds.before, state.shares)
        return replace(state, motions=restored)

    def restore(
        self, motions: MotionBatch, cleaned: MotionBatch, before: MotionBatch, simulated: np.ndarray
    ) -> MotionBatch:
        """Restore the feet of the cleaned motions.

        Args:
            motions: N motions of T frames.
            before: The motions before clean-up; knees follow these.
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

        It is 1 while a foot stands, fading around that.
        """
        frames = 2 * round(self.around_s * fps) + 1
        around = maximum_filter1d(stands.astype(float), frames, axis=1, mode="nearest")
        return smooth_gaussian(around, self.smoothing_s * fps)


@dataclass(frozen=True)
class RevertHighJerk:
    """Revert frames that still have high jerk.

    The fallback replaces them wherever a part of the body exceeds the bound. A simulated trunk that calms down carries
    legs along, so no part of a body can be smoothed alone. Without this step, the fastest knees of noisy captures move
    6 °/s faster.
    """

    rounds: int = 3
    """Number of rounds in which rough frames give way."""

    def __call__(self, state: PostprocessState) -> PostprocessState:
        reverted, share = self.revert(state.bounds, state.motions, state.fallback)
        return replace(state, motions=reverted, shares=state.shares * (1 - share))

    def revert(self, bounds: JerkBounds, motions: MotionBatch, fallback: MotionBatch) -> tuple[MotionBatch, np.ndarray]:
        """Blend motions with fallbacks wherever jerk exceeds the bounds.

        Args:
            bounds: The largest jerk of each part.
            motions: N motions of T frames.
            fallback: Calmer versions of the motions.

        Returns:
            The motions, and the share (N, T) of the fallbacks.
        """
        reverted = motions
        share = np.zeros(motions.root_m.shape[:2])
        for _ in range(self.rounds):
            rough = bounds.roughness(bounds.excess(reverted)).max(axis=-1)
            if not rough.any():
                break
            widest = maximum_filter1d(rough, 2 * round(bounds.around) + 1, axis=1, mode="nearest")
            share = np.minimum(share + smooth_gaussian(widest, bounds.around / 2), 1.0)
            reverted = keep_changes(motions, fallback, share)
        return reverted, share


BLEND_SIMULATION = BlendSimulation()
"""The step that uses simulations. Before a simulation it decides whether there is anything to gain."""

POSTPROCESS: tuple[PostprocessStep, ...] = (
    BLEND_SIMULATION,
    SmoothFast(),
    SmoothRough(),
    RestoreFeet(),
    RevertHighJerk(),
)
"""Steps for files after a simulation. They also apply if no simulation can gain."""

KINEMATIC_POSTPROCESS: tuple[PostprocessStep, ...] = (SmoothRough(),)
"""Steps after a clean-up without simulation. Nothing is fast there: feet are held softly."""


@dataclass(frozen=True, eq=False)
class JerkBounds:
    """The jerk that corrections may have.

    It depends on the jerk of the motions before. Set on CMU's training clips at 30, 60 and 120 frames per second: no
    more jerk than in the motion, for hardly more sliding.
    """

    before: MotionBatch
    groups: Sequence[_JointGroup]
    around: float
    """Frames of the average of jerk, a standard deviation."""
    most_m_s3: np.ndarray
    """(N, T, G) largest jerk of each part, in m/s³."""

    @classmethod
    def from_motions(cls, before: MotionBatch) -> Self:
        """Return the bounds for some motions' corrections.

        Motions that are too short to have jerk have none.
        """
        groups = _make_joint_groups(before.skeleton)
        around = JERK_AROUND_S * before.fps
        if before.root_m.shape[1] < FEWEST_FRAMES:
            unbounded = np.full((*before.root_m.shape[:2], len(groups)), np.inf)
            return cls(before, groups, around, unbounded)
        jerk_m_s3 = _jerk_m_s3(before, groups, around)
        most_m_s3 = np.maximum(ROUGHER * jerk_m_s3, jerk_m_s3 + ROUGHER_M_S3)
        return cls(before, groups, around, most_m_s3)

    def excess(self, motions: MotionBatch) -> np.ndarray:
        """Return each part's excess jerk (N, T, G).

        It is a share of the bound, below 0 for less jerk.
        """
        return _jerk_m_s3(motions, self.groups, self.around) / self.most_m_s3 - 1

    def roughness(self, excess: np.ndarray) -> np.ndarray:
        """Return the roughness (N, T, G) of an excess.

        Roughness is in [0, 1]; no motion hangs on a threshold.
        """
        return np.clip(excess / ALL_ROUGH, 0.0, 1.0)


def _smooth_changes(
    bounds: JerkBounds, after: MotionBatch, changes: Changes, slow: Changes, share: np.ndarray
) -> tuple[MotionBatch, np.ndarray, Changes]:
    """Mix changes with slow changes.

    Returns the motions, the excess of jerk, and the mixed changes. share: (N, T, G) of the slow changes.
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


@dataclass(frozen=True, eq=False)
class _JointGroup:
    """A part of the body that is smoothed together."""

    share: int
    measured_joints: list[int]
    """Joints with a jerk that measures the part's roughness."""
    turned_joints: np.ndarray
    """(J,) 1 for joints that smooth the part, else 0."""


@lru_cache(maxsize=8)
def _make_joint_groups(skeleton: Skeleton) -> tuple[_JointGroup, ...]:
    """Group the joints by body part.

    The trunk with the root comes first, then arms and legs as far as the skeleton has them.
    """
    parts = joints_by_part(skeleton)
    groups = []
    trunk = np.ones(len(skeleton))
    for limb_parts, first_part in ((("arm",), "shoulder"), (("knee", "foot"), "hip")):
        for side in ("left", "right"):
            measured = [joint for name in limb_parts for joint in parts.get(f"{side} {name}", [])]
            first_joint = skeleton.joint(f"{side}_{first_part}")
            if measured and first_joint is not None:
                turned = skeleton.descendants[first_joint].astype(float)
                groups.append(_JointGroup(len(groups) + 1, measured, turned))
                trunk = trunk - turned
    return (_JointGroup(0, parts["trunk"], trunk), *groups)


def _compute_changes(before: MotionBatch, after: MotionBatch) -> Changes:
    """Return root shifts and joint rotations.

    Shifts are (N, T, 3), rotations (N, T, J, 3) in the parents' frames, as vectors. Seen from a parent, turns are the
    same on rigs that split bones for twist.
    """
    turns = rotation_vectors(compose(after.rotations, invert(before.rotations)))
    return after.root_m - before.root_m, turns


def _body_joints_m(motions: MotionBatch) -> np.ndarray:
    """Return the body's joint positions (N, T, B, 3).

    Fingers and props weigh nothing.
    """
    body_joints = [joint for joint, part in enumerate(motions.skeleton.parts) if part]
    return joint_positions(motions, body_joints)


def _jerk_m_s3(motions: MotionBatch, groups: Sequence[_JointGroup], around: float) -> np.ndarray:
    """Return each part's mean jerk (N, T, G).

    It is around each frame; around: frames, a standard deviation.
    """
    measured = sorted({joint for group in groups for joint in group.measured_joints})
    joints = joint_jerks_m_s3(joint_positions(motions, measured), motions.fps)
    jerks_by_group = []
    for group in groups:
        columns = np.searchsorted(measured, group.measured_joints)
        jerks_by_group.append(joints[..., columns].mean(-1))
    jerks = np.stack(jerks_by_group, axis=-1)
    return thirds_to_frames(smooth_gaussian(jerks, around))


def _apply_changes(motions: MotionBatch, shift_m: np.ndarray, turns: np.ndarray) -> MotionBatch:
    """Apply root shifts and joint rotations.

    Shifts are (N, T, 3), rotations (N, T, J, 3) in the parents' frames.
    """
    rotations = compose(quaternions(turns), motions.rotations)
    return replace(motions, root_m=motions.root_m + shift_m, rotations=rotations)


def _calming_share(slow_m: np.ndarray, whole_m: np.ndarray, around: float) -> np.ndarray:
    """Return the fast share (N, T) that calms most.

    Third differences are least with it. The share is 0 where the fast part only roughens, and 1 where the fast part
    calms.

    Args:
        slow_m: (N, T, J, 3) joints without the fast part.
        whole_m: (N, T, J, 3) joints with the fast part.
        around: Standard deviation of the average, frames.
    """
    slow_jerk = np.diff(slow_m, 3, axis=1)
    fast_jerk = np.diff(whole_m - slow_m, 3, axis=1)
    products = np.einsum("ntji,ntji->nt", fast_jerk, slow_jerk)
    squares = np.einsum("ntji,ntji->nt", fast_jerk, fast_jerk)
    local_products = smooth_gaussian(products, around)
    local_squares = smooth_gaussian(squares, around)
    share = np.clip(-local_products / np.maximum(local_squares, 1e-18), 0.0, 1.0)
    return thirds_to_frames(share)
