"""Finishing: what comes out of plan and simulation, one step after another.

`POSTPROCESS` lists the steps after plan and simulation, `KINEMATIC_POSTPROCESS` those after a clean-up. Each says what
it chooses or minimises. With no step, simulated states come out as they are.

What a motion demands beyond the forces of contacts falls where physics has fixed something. Where it hardly falls, the
simulated body only lags behind what was planned for it, and the plan is the better motion. So a plan that contacts
explain nearly everywhere cannot gain: that is known before it is simulated.

Locks that close, contacts that meet and solvers that chatter leave traces above the bandwidth of people's motion; seen
at 60 or 120 frames per second they are most of the jerk. A correction, the difference between a motion after and before
it, is therefore smoothed, except where its fast part calms the motion rather than roughens it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol, Self

import numpy as np
from scipy.ndimage import maximum_filter1d
from scipy.spatial.transform import Rotation

from selfcorrect.core.checks import Positive
from selfcorrect.motion.geometry.kinematics import cached_poses, forward_kinematics
from selfcorrect.motion.geometry.rotations import compose, invert, quaternions, rotation_vectors, slerp
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.measures.contacts import foot_contacts
from selfcorrect.motion.measures.roughness import joint_jerks_m_s3, joints_by_part
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.skeleton import Skeleton

from .body.curves import smooth_gaussian, smoothstep, thirds_to_frames
from .body.leg_ik import Legs
from .body.soft_legs import JERK_AROUND_S, move_ankles_to
from .cleanup.foot_lock import deadband
from .contacts.contact_plan import plan_contacts
from .stages.values import CleanedMotions, MotionPlan, TrackingResult, select_motions

Changes = tuple[np.ndarray, np.ndarray]
"""Shifts (N, T, 3) of roots and turns (N, T, J, 3) of joints, see `_compute_changes`."""

FAST_S = 0.015
"""Standard deviation of the Gaussian that takes out what is fast in a correction: it halves what has 12 Hz."""

FEWEST_FRAMES = 5
"""Frames that show whether a motion is rougher than before."""

ROUGHER, ROUGHER_M_S3 = 1.05, 5.0
"""A part of the body is rougher in frames in which it has more jerk than before by this factor and by this much."""

ALL_ROUGH = 0.1
"""It is wholly rough where it passes its bound by this share, in part before."""


class PostprocessStep(Protocol):
    """A step of the finishing: a value with its parameters, which takes motions on."""

    def __call__(self, finishing: PostprocessState, /) -> PostprocessState: ...


@dataclass(frozen=True, eq=False)
class PostprocessState:
    """Motions between two steps of their finishing."""

    tracked: TrackingResult | None
    """Their plans and simulations; None after a clean-up alone."""
    cleaned: MotionBatch
    """The motions that are wanted, as cleaned."""
    motions: MotionBatch
    fallback: MotionBatch
    """The cleaned motions, smoothed where they are rough, which take the place of what stays too rough."""
    shares: np.ndarray
    """(N, T) how much of the simulation is in each frame of those that are made."""
    bounds: JerkBounds
    """The motions before their clean-up, and the jerk that this may leave."""

    @classmethod
    def from_stages(cls, cleaned: CleanedMotions, tracked: TrackingResult | None = None) -> Self:
        """Motions before the first step: as planned, or as cleaned where nothing was planned."""
        motions = made = cleaned.motions
        if tracked is not None:
            plan = tracked.plan
            made = plan.body.link_view(motions).restore(plan.links)
        shares = np.zeros(motions.root_m.shape[:2])
        return cls(tracked, motions, made, motions, shares, JerkBounds.from_motions(cleaned.unplanted))

    def apply_steps(self, steps: Sequence[PostprocessStep]) -> PostprocessState:
        """The motions after some steps."""
        finishing = self
        for step in steps:
            finishing = step(finishing)
        return finishing


@dataclass(frozen=True)
class BlendSimulation(Positive):
    """Keeps of a simulation what lowers the force that contacts leave unexplained, and elsewhere the plan.

    The share s of the simulation is a smooth step of that gain. Of the slow difference between both, s is taken, of the
    fast one all: capture noise that a body cannot follow.

    Set on 3 s of each fourth of CMU's training clips, 30 and 120 frames per second. MuJoCo replays the results. At 30
    frames per second it needs 0.104 body weights of residual force with them, as much as with all or none of PyBullet's
    simulation. Jerk is lower than with none, and distance (9.7 mm) a third lower than with all. Twice the bounds change
    nothing.
    """

    saved_bodyweights: tuple[float, float] = (0.05, 0.2)
    """Unexplained force that is saved: below the first none of the simulation is kept, above the second all."""
    slow_s: float = 0.03
    """Standard deviation of the Gaussian that leaves what is slow in a planned shift of the body."""
    small_shift_m: tuple[float, float] = (0.003, 0.006)
    """The body is not slowly shifted by less than the first, and as far as planned by more than the second."""
    gain_smoothing_s: float = 0.15
    """Standard deviation of the Gaussian over which that is measured."""
    share_smoothing_s: float = 0.1
    """Standard deviation of the Gaussian over which the share comes and goes."""
    lost_rad: float = 0.5
    """A simulated joint turned further than this against its plan begins to have lost its way, at twice this it has."""

    def __call__(self, finishing: PostprocessState) -> PostprocessState:
        tracked, followed = finishing.tracked, self.without_small_shifts(finishing.motions, finishing.cleaned)
        if tracked is None or tracked.states is None:
            return replace(finishing, motions=followed)
        here, shares = tracked.simulated, finishing.shares.copy()
        shares[here] = self.shares(tracked.plan.select(here), tracked.states)
        kept = self.blend(select_motions(followed, here), tracked.states, shares[here])
        root_m, rotations = followed.root_m.copy(), followed.rotations.copy()
        root_m[here], rotations[here] = kept.root_m, kept.rotations
        return replace(finishing, motions=replace(followed, root_m=root_m, rotations=rotations), shares=shares)

    def can_gain(self, plan: MotionPlan) -> np.ndarray:
        """(N,) whether simulated states could replace those of each plan in whole, in any frame.

        A simulation saves no more than what contacts leave unexplained of the plan. Below the upper bound of
        `saved_bodyweights` its share is never 1, and on captures next to nothing. What is not finite is simulated too.
        """
        return np.asarray(~(self.unexplained_bodyweights(plan) <= self.saved_bodyweights[1]).all(axis=1))

    def unexplained_bodyweights(self, plan: MotionPlan) -> np.ndarray:
        """(N, T) force that contacts leave unexplained of a plan, smoothed as gains are."""
        missing_n = np.linalg.norm(plan.contacts.rest[..., :3], axis=-1)
        return smooth_gaussian(missing_n / plan.body.weight_n, self.gain_smoothing_s * plan.links.fps)

    def without_small_shifts(self, planned: MotionBatch, cleaned: MotionBatch) -> MotionBatch:
        """Planned motions whose roots are where they were in the cleaned ones, but for fast and for large shifts.

        What is fast in a shift changes forces; what is slow in it hardly does, and a second correction would shift
        again.
        """
        shift_m, fps = planned.root_m - cleaned.root_m, planned.fps
        slow_m = smooth_gaussian(shift_m, self.slow_s * fps)
        share = deadband(norms(slow_m)[..., None], self.small_shift_m, fps)
        return replace(planned, root_m=planned.root_m - (1 - share) * slow_m)

    def shares(self, plan: MotionPlan, simulated: MotionBatch) -> np.ndarray:
        """(N, T) in [0, 1], the share that is kept of what came of plans in a simulation, on the whole skeleton."""
        body, fps = plan.body, simulated.fps
        after = plan_contacts(body, body.select_links(simulated), plan.friction, plan.supports).rest
        missing_n, left_n = (np.linalg.norm(rest[..., :3], axis=-1) for rest in (plan.contacts.rest, after))
        low, high = self.saved_bodyweights
        saved = smooth_gaussian((missing_n - left_n) / body.weight_n, self.gain_smoothing_s * fps)
        return smooth_gaussian(smoothstep((saved - low) / (high - low)), self.share_smoothing_s * fps)

    def blend(self, first: MotionBatch, second: MotionBatch, share: np.ndarray) -> MotionBatch:
        """Motions a share (N, T) of the way from the first to the second, and all of the way in what is fast there.

        Joints that lost their way do not follow anything.
        """
        shift_m = second.root_m - first.root_m
        turns = rotation_vectors(compose(invert(first.rotations), second.rotations))
        slow_m, slow = (smooth_gaussian(change, FAST_S * first.fps) for change in (shift_m, turns))
        share = share[..., None]
        lost = np.linalg.norm(turns, axis=-1) / self.lost_rad - 1
        follows = share + (1 - share) * (1 - smoothstep(lost))
        kept_m = share * slow_m + (shift_m - slow_m)
        kept = share[..., None] * slow + follows[..., None] * (turns - slow)
        rotations = Rotation.from_rotvec(kept.reshape(-1, 3)).as_quat().reshape(first.rotations.shape)
        return replace(first, root_m=first.root_m + kept_m, rotations=compose(first.rotations, rotations))


@dataclass(frozen=True)
class SmoothFast:
    """Takes out of a correction what is fast, as far as that roughens the motion.

    Beside the slow part p of a motion a share s ∈ [0, 1] of the fast part f stays, which minimises Σ ‖Δ³p + s Δ³f‖²
    around each frame. Set on CMU's training clips at 30, 60 and 120 frames per second.
    """

    def __call__(self, finishing: PostprocessState) -> PostprocessState:
        return replace(finishing, motions=self.smooth(finishing.bounds.before, finishing.motions))

    def smooth(self, before: MotionBatch, after: MotionBatch) -> MotionBatch:
        """The motions `after` without the fast part of what was changed since `before`, where that made them rougher.

        Both share skeleton, frame rate and one length.
        """
        frames, fps = after.root_m.shape[1], after.fps
        if frames < FEWEST_FRAMES:
            return after
        shift_m, turns = _compute_changes(before, after)
        slow_m, slow = (smooth_gaussian(change, FAST_S * fps) for change in (shift_m, turns))
        slow_joints_m, joints_m = (_body_joints_m(each) for each in (_apply_changes(before, slow_m, slow), after))
        share = _calming_share(slow_joints_m, joints_m, JERK_AROUND_S * fps)[..., None]
        return _apply_changes(before, slow_m + share * (shift_m - slow_m), slow + share[..., None] * (turns - slow))


@dataclass(frozen=True)
class SmoothRough:
    """Smooths a correction over longer times around frames in which a part of the body has more jerk than its bound.

    What is slower than `SmoothFast` takes out roughens a motion too, if that is calm: limbs that are lifted, simulated
    bodies that catch up. A part that gets rougher by it is left: where a captured knee flips from one side to the
    other, changes flip with it, and their mean fits neither side.
    """

    wider: tuple[float, ...] = (2.0, 4.0, 8.0)
    """So many times as long as what is fast, one after the other until that suffices."""

    def __call__(self, finishing: PostprocessState) -> PostprocessState:
        made, milder, bounds = finishing.motions, finishing.fallback, finishing.bounds
        smooth = self.smooth(bounds, made)
        return replace(finishing, motions=smooth, fallback=smooth if milder is made else self.smooth(bounds, milder))

    def smooth(self, bounds: JerkBounds, after: MotionBatch) -> MotionBatch:
        """The motions `after` with smoother changes where a part of the body still has more jerk than its bound."""
        before, excess, changes = bounds.before, bounds.excess(after), None
        for times in self.wider:
            rough = bounds.roughness(excess)
            if not rough.any():
                break
            changes = _compute_changes(before, after) if changes is None else changes
            width = times * FAST_S * after.fps
            slow = smooth_gaussian(changes[0], width), smooth_gaussian(changes[1], width)
            share = np.clip(2 * smooth_gaussian(rough, bounds.around / 2), 0.0, 1.0)
            calm, left, mixed = _smooth_changes(bounds, after, changes, slow, share)
            rougher = share.any(1) & (np.maximum(left, 0.0).sum(1) >= np.maximum(excess, 0.0).sum(1))
            if rougher.any():
                share = np.where(rougher[:, None], 0.0, share)
                calm, left, mixed = _smooth_changes(bounds, after, changes, slow, share)
            after, excess, changes = calm, left, mixed
        return after


@dataclass(frozen=True)
class RestoreFeet(Positive):
    """Leads planted feet to their cleaned-up pose; the legs follow. Without a simulation other feet are put so, too.

    Set by hand on CMU's training clips. Of 20 of them sliding falls from 22.5 to 19.4 mm/s by that, 18.5 by kinematics
    alone; jerk and distance stay.
    """

    around_s: float = 0.15
    """Time around a stance in which its foot is led to its place."""
    smoothing_s: float = 0.05
    """Standard deviation of the Gaussian that smooths that."""

    def __call__(self, finishing: PostprocessState) -> PostprocessState:
        own = finishing.motions, finishing.fallback, finishing.bounds.before, finishing.shares
        return replace(finishing, motions=self.restore(*own))

    def restore(
        self, motions: MotionBatch, cleaned: MotionBatch, before: MotionBatch, simulated: np.ndarray
    ) -> MotionBatch:
        """The motions with feet as the cleaned ones have them.

        before: the motions before clean-up, whose knees are followed; simulated: (N, T) the share of a simulation.
        """
        skeleton, legs = motions.skeleton, Legs.from_skeleton(motions.skeleton)
        stands = self._shares(foot_contacts(cleaned), motions.fps)
        share = np.maximum(stands, 1 - simulated[..., None])[..., None]
        toes = [joint for side in ("left", "right") if (joint := skeleton.joint(f"{side}_foot")) is not None]
        if len(toes) == 2:
            rotations = motions.rotations.copy()
            rotations[..., toes, :] = slerp(rotations[..., toes, :], cleaned.rotations[..., toes, :], share)
            motions = replace(motions, rotations=rotations)
        here, there = (forward_kinematics(skeleton, each.root_m, each.rotations) for each in (motions, cleaned))
        (own_m, own), (wanted_m, wanted) = (
            (places[..., legs.ankles, :], turned[..., legs.ankles, :]) for places, turned in (here, there)
        )
        ankles_m = own_m + share * (wanted_m - own_m)
        return move_ankles_to(motions, before, ankles_m, slerp(own, wanted, share), stands)

    def _shares(self, stands: np.ndarray, fps: float) -> np.ndarray:
        """(N, T, 2) in [0, 1]: 1 while a foot stands, fading around that."""
        frames = 2 * round(self.around_s * fps) + 1
        around = maximum_filter1d(stands.astype(float), frames, axis=1, mode="nearest")
        return smooth_gaussian(around, self.smoothing_s * fps)


@dataclass(frozen=True)
class RevertHighJerk:
    """Puts the milder correction wherever a part of the body still has more jerk than its bound.

    A simulated trunk that calms down carries legs along, so that no part of a body can be smoothed alone.
    """

    rounds: int = 3
    """How often what is rougher still gives way."""

    def __call__(self, finishing: PostprocessState) -> PostprocessState:
        kept, share = self.revert(finishing.bounds, finishing.motions, finishing.fallback)
        return replace(finishing, motions=kept, shares=finishing.shares * (1 - share))

    def revert(self, bounds: JerkBounds, made: MotionBatch, milder: MotionBatch) -> tuple[MotionBatch, np.ndarray]:
        """The motions `made`, with milder ones wherever they have more jerk than the bounds, and the share (N, T) of
        these.
        """
        kept, share = made, np.zeros(made.root_m.shape[:2])
        shift_m, turns = _compute_changes(made, milder)
        for _ in range(self.rounds):
            rough = bounds.roughness(bounds.excess(kept)).max(axis=-1)
            if not rough.any():
                break
            widest = maximum_filter1d(rough, 2 * round(bounds.around) + 1, axis=1, mode="nearest")
            share = np.minimum(share + smooth_gaussian(widest, bounds.around / 2), 1.0)
            mixed = _apply_changes(made, share[..., None] * shift_m, share[..., None, None] * turns)
            kept = _select_per_motion(np.asarray(share.any(axis=1)), mixed, made)
        return kept, share


BLEND_SIMULATION = BlendSimulation()
"""What is kept of a simulation, which says before it whether there is anything to gain."""

POSTPROCESS: tuple[PostprocessStep, ...] = (
    BLEND_SIMULATION,
    SmoothFast(),
    SmoothRough(),
    RestoreFeet(),
    RevertHighJerk(),
)
"""What is done to motions of files after a simulation, or where none can gain."""

KINEMATIC_POSTPROCESS: tuple[PostprocessStep, ...] = (SmoothRough(),)
"""What is done after a clean-up alone, in which nothing is fast: feet are held softly."""


@dataclass(frozen=True, eq=False)
class JerkBounds:
    """The jerk that corrections of motions may have, which depends on that of the motions before.

    Set on CMU's training clips at 30, 60 and 120 frames per second: no more jerk than in the motion, for hardly more
    sliding.
    """

    before: MotionBatch
    groups: Sequence[_JointGroup]
    around: float
    """Frames over which jerk is averaged, a standard deviation."""
    most_m_s3: np.ndarray
    """(N, T, G) the jerk that parts of the body may have around each frame."""

    @classmethod
    def from_motions(cls, before: MotionBatch) -> Self:
        """The bounds for corrections of some motions; those too short to have jerk have none."""
        groups, around = _make_joint_groups(before.skeleton), JERK_AROUND_S * before.fps
        if before.root_m.shape[1] < FEWEST_FRAMES:
            return cls(before, groups, around, np.full((*before.root_m.shape[:2], len(groups)), np.inf))
        usual_m_s3 = _jerk_m_s3(before, groups, around)
        most_m_s3 = np.maximum(ROUGHER * usual_m_s3, usual_m_s3 + ROUGHER_M_S3)
        return cls(before, groups, around, most_m_s3)

    def excess(self, motions: MotionBatch) -> np.ndarray:
        """(N, T, G) share by which parts of the body have more jerk than they may, below 0 where they have less."""
        return _jerk_m_s3(motions, self.groups, self.around) / self.most_m_s3 - 1

    def roughness(self, excess: np.ndarray) -> np.ndarray:
        """(N, T, G) in [0, 1] how rough parts are by such shares, by degrees: no motion hangs on a threshold."""
        return np.clip(excess / ALL_ROUGH, 0.0, 1.0)


def _smooth_changes(
    bounds: JerkBounds, after: MotionBatch, changes: Changes, slow: Changes, share: np.ndarray
) -> tuple[MotionBatch, np.ndarray, Changes]:
    """Motions with changes a share (N, T, G) of the way to slow ones, their excess of jerk, and those changes."""
    groups = bounds.groups
    joints = np.stack([share[..., group.share] for group in groups], axis=-1) @ [
        group.turned_joints for group in groups
    ]
    shares = share[..., :1], joints[..., None]
    shift_m, turns = (own + part * (smooth - own) for own, smooth, part in zip(changes, slow, shares, strict=True))
    calm = _select_per_motion(np.asarray(share.any(axis=(1, 2))), _apply_changes(bounds.before, shift_m, turns), after)
    return calm, bounds.excess(calm), (shift_m, turns)


def _select_per_motion(first: np.ndarray, one: MotionBatch, other: MotionBatch) -> MotionBatch:
    """Of each of two motions the first where `first` (N,), so that no motion depends on its company."""
    root_m = np.where(first[:, None, None], one.root_m, other.root_m)
    return replace(one, root_m=root_m, rotations=np.where(first[:, None, None, None], one.rotations, other.rotations))


@dataclass(frozen=True, eq=False)
class _JointGroup:
    """A part of the body that is smoothed where it is rough."""

    share: int
    measured_joints: list[int]
    """Joints whose jerk measures how rough it is."""
    turned_joints: np.ndarray
    """(J,) 1 for the joints that are turned to smooth it, 0 for others."""


@lru_cache(maxsize=8)
def _make_joint_groups(skeleton: Skeleton) -> tuple[_JointGroup, ...]:
    """The trunk with the root, then arms and legs as far as the skeleton has them."""
    parts, groups, rest = joints_by_part(skeleton), [], np.ones(len(skeleton))
    for limb, first in ((("arm",), "shoulder"), (("knee", "foot"), "hip")):
        for side in ("left", "right"):
            told = [joint for name in limb for joint in parts.get(f"{side} {name}", [])]
            start = skeleton.joint(f"{side}_{first}")
            if told and start is not None:
                turned = skeleton.descendants[start].astype(float)
                groups.append(_JointGroup(len(groups) + 1, told, turned))
                rest = rest - turned
    return (_JointGroup(0, parts["trunk"], rest), *groups)


def _compute_changes(before: MotionBatch, after: MotionBatch) -> Changes:
    """Shifts (N, T, 3) of roots and turns (N, T, J, 3) of joints in their parents' frames, as vectors.

    Seen from a parent they are the same on rigs that split bones for their twist.
    """
    turns = rotation_vectors(compose(after.rotations, invert(before.rotations)))
    return after.root_m - before.root_m, turns


def _body_joints_m(motions: MotionBatch) -> np.ndarray:
    """(N, T, B, 3) of the body's joints: fingers and props weigh nothing."""
    return cached_poses(motions)[0][..., [joint for joint, part in enumerate(motions.skeleton.parts) if part], :]


def _jerk_m_s3(motions: MotionBatch, groups: Sequence[_JointGroup], around: float) -> np.ndarray:
    """(N, T, G) mean jerk of parts of the body around each frame; around: frames, a standard deviation."""
    joints = joint_jerks_m_s3(cached_poses(motions)[0], motions.fps)
    jerks = np.stack([joints[..., group.measured_joints].mean(-1) for group in groups], axis=-1)
    return thirds_to_frames(smooth_gaussian(jerks, around))


def _apply_changes(motions: MotionBatch, shift_m: np.ndarray, turns: np.ndarray) -> MotionBatch:
    """Motions with the root moved by (N, T, 3) and joints turned in their parents' frames by (N, T, J, 3)."""
    return replace(motions, root_m=motions.root_m + shift_m, rotations=compose(quaternions(turns), motions.rotations))


def _calming_share(slow_m: np.ndarray, whole_m: np.ndarray, around: float) -> np.ndarray:
    """(N, T) share of the fast part by which third differences are least: 0 where it only roughens, 1 where it calms.

    slow_m, whole_m: (N, T, J, 3) joints without and with the fast part; around: frames, a standard deviation.
    """
    own, fast = np.diff(slow_m, 3, axis=1), np.diff(whole_m - slow_m, 3, axis=1)
    against, size = (np.einsum("ntji,ntji->nt", fast, other) for other in (own, fast))
    local = [smooth_gaussian(sums, around) for sums in (against, size)]
    share = np.clip(-local[0] / np.maximum(local[1], 1e-18), 0.0, 1.0)
    return thirds_to_frames(share)
