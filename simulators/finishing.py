"""What comes out of plan and simulation: blended where the simulation gained something, then polished.

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
from typing import Self

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d
from scipy.spatial.transform import Rotation

from selfcorrect.motion.geometry.kinematics import forward_kinematics, poses_of
from selfcorrect.motion.geometry.rotations import composed, inverted, quaternions, rotation_vectors, slerp
from selfcorrect.motion.geometry.vectors import lengths
from selfcorrect.motion.measures.contacts import foot_contacts
from selfcorrect.motion.measures.roughness import joint_jerks_m_s3, joints_by_part
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.motion.support import Support

from .body.curves import at_frames, smoothed, smoothstep
from .body.humanoid import Humanoid
from .body.leg_ik import Legs
from .body.soft_legs import legs_reaching
from .cleanup.foot_lock import worthwhile
from .contacts.contact_plan import plan_contacts
from .settings.plan import (
    PLAN,
    POLISH,
    GainSettings,
    PlanSettings,
    PolishSettings,
    StandingSettings,
)
from .stages.values import Cleaned, MotionPlan, Tracked, taken

Changes = tuple[np.ndarray, np.ndarray]
"""Shifts (N, T, 3) of roots and turns (N, T, J, 3) of joints, see `_changes`."""


def may_gain(plan: MotionPlan, settings: GainSettings = PLAN.gain) -> np.ndarray:
    """(N,) whether simulated states could replace those of each plan in whole, in any frame.

    A simulation saves no more than what contacts leave unexplained of the plan. Below the upper bound of
    `saved_bodyweights` its share is never 1, and on captures next to nothing. What is not finite is simulated too.
    """
    explained = unexplained_bodyweights(plan, settings) <= settings.saved_bodyweights[1]
    return np.asarray(~explained.all(axis=1))


def unexplained_bodyweights(plan: MotionPlan, settings: GainSettings = PLAN.gain) -> np.ndarray:
    """(N, T) force that contacts leave unexplained of a plan, smoothed as gains are."""
    missing_n = np.linalg.norm(plan.contacts.rest[..., :3], axis=-1)
    return _smoothed(missing_n / plan.body.weight_n, settings.gain_smoothing_s, plan.links.fps)


def blended(tracked: Tracked, friction: float, fast_s: float, settings: PlanSettings) -> tuple[MotionBatch, np.ndarray]:
    """The planned motions, simulated where that gained something, and the shares (N, T) of the simulation."""
    plan, cleaned = tracked.planned.plan, tracked.planned.cleaned
    planned = plan.body.joints_of(cleaned.motions).back(plan.links)
    followed = without_small_shifts(planned, cleaned.motions, settings.gain)
    shares = np.zeros(followed.root_m.shape[:2])
    if tracked.states is None:
        return followed, shares
    here, simulated = tracked.simulated, tracked.states
    own = plan.taken(here)
    shares[here] = shares_of_gain(plan.body, own.contacts.rest, simulated, friction, own.supports, settings)
    kept = between(taken(followed, here), simulated, shares[here], fast_s, settings.gain)
    root_m, rotations = followed.root_m.copy(), followed.rotations.copy()
    root_m[here], rotations[here] = kept.root_m, kept.rotations
    return replace(followed, root_m=root_m, rotations=rotations), shares


def without_small_shifts(planned: MotionBatch, cleaned: MotionBatch, settings: GainSettings) -> MotionBatch:
    """Planned motions whose roots are where they were in the cleaned ones, but for fast and for large shifts.

    What is fast in a shift changes forces; what is slow in it hardly does, and a second correction would shift again.
    """
    shift_m, fps = planned.root_m - cleaned.root_m, planned.fps
    slow_m = _smoothed(shift_m, settings.slow_s, fps)
    share = worthwhile(lengths(slow_m)[..., None], settings.small_shift_m, fps)
    return replace(planned, root_m=planned.root_m - (1 - share) * slow_m)


def shares_of_gain(
    body: Humanoid,
    unexplained: np.ndarray,
    simulated: MotionBatch,
    friction: float,
    supports: Sequence[Sequence[Support]],
    settings: PlanSettings = PLAN,
) -> np.ndarray:
    """(N, T) in [0, 1], the share of the simulation that is kept.

    unexplained: (N, T, 6) force and moment about the centre of mass that contacts cannot explain of the motions that
    were followed; simulated: what came of it, on the whole skeleton.
    """
    gain, fps = settings.gain, simulated.fps
    after = plan_contacts(body, body.links_of(simulated), friction, supports, settings.contacts).rest
    missing_n, left_n = (np.linalg.norm(rest[..., :3], axis=-1) for rest in (unexplained, after))
    low, high = gain.saved_bodyweights
    saved = _smoothed((missing_n - left_n) / body.weight_n, gain.gain_smoothing_s, fps)
    return _smoothed(smoothstep((saved - low) / (high - low)), gain.share_smoothing_s, fps)


def _smoothed(values: np.ndarray, seconds: float, fps: float) -> np.ndarray:
    return gaussian_filter1d(values, seconds * fps, axis=1, mode="nearest")


def between(
    first: MotionBatch, second: MotionBatch, share: np.ndarray, fast_s: float, settings: GainSettings = PLAN.gain
) -> MotionBatch:
    """Motions a share (N, T) of the way from the first to the second, and all of the way in what is fast between them.

    Fast is what a Gaussian with the standard deviation `fast_s` takes out. Polishing then leaves of it what calms the
    motion, such as capture noise that a body cannot follow. Joints that lost their way do not follow anything.
    """
    shift_m = second.root_m - first.root_m
    turns = rotation_vectors(composed(inverted(first.rotations), second.rotations))
    slow_m, slow = (_smoothed(change, fast_s, first.fps) for change in (shift_m, turns))
    share = share[..., None]
    lost = np.linalg.norm(turns, axis=-1) / settings.lost_rad - 1
    follows = share + (1 - share) * (1 - smoothstep(lost))
    kept_m, kept = share * slow_m + (shift_m - slow_m), share[..., None] * slow + follows[..., None] * (turns - slow)
    rotations = Rotation.from_rotvec(kept.reshape(-1, 3)).as_quat().reshape(first.rotations.shape)
    return replace(first, root_m=first.root_m + kept_m, rotations=composed(first.rotations, rotations))


def polish(
    cleaned: Cleaned, made: MotionBatch, shares: np.ndarray, settings: PolishSettings, standing: StandingSettings
) -> tuple[MotionBatch, np.ndarray]:
    """Take out of corrections what is fast and roughens, and put feet that stand where the clean-up has them.

    Where a part of the body still is rougher than before, the cleaned motion takes its place: by shares (N, T), which
    are returned as well. shares: (N, T) how much of the simulation is in each frame.
    """
    given = cleaned.unplanted
    bounds = JerkBounds.of(given, settings)
    calm, milder = (calmed(bounds, each, settings) for each in (polished(given, made, settings), cleaned.motions))
    return no_rougher(bounds, standing_as(calm, milder, given, shares, standing), milder, settings)


def polish_cleaned(cleaned: Cleaned, settings: PolishSettings, *, soft: bool) -> MotionBatch:
    """The same of a clean-up alone; where feet are held softly, nothing in it is fast."""
    given, made = cleaned.unplanted, cleaned.motions
    made = made if soft else polished(given, made, settings)
    return calmed(JerkBounds.of(given, settings), made, settings)


@dataclass(frozen=True, eq=False)
class JerkBounds:
    """The jerk that corrections of motions may have, which depends on that of the motions before."""

    before: MotionBatch
    groups: Sequence[_Group]
    around: float
    """Frames over which jerk is averaged, a standard deviation."""
    most_m_s3: np.ndarray
    """(N, T, G) the jerk that parts of the body may have around each frame."""

    @classmethod
    def of(cls, before: MotionBatch, settings: PolishSettings = POLISH) -> Self:
        """The bounds for corrections of some motions; those too short to have jerk have none."""
        groups, around = _groups(before.skeleton), settings.around_s * before.fps
        if before.root_m.shape[1] < settings.fewest_frames:
            return cls(before, groups, around, np.full((*before.root_m.shape[:2], len(groups)), np.inf))
        usual_m_s3 = _jerk_m_s3(before, groups, around)
        most_m_s3 = np.maximum(settings.rougher * usual_m_s3, usual_m_s3 + settings.rougher_m_s3)
        return cls(before, groups, around, most_m_s3)

    def excess(self, motions: MotionBatch) -> np.ndarray:
        """(N, T, G) share by which parts of the body have more jerk than they may, below 0 where they have less."""
        return _jerk_m_s3(motions, self.groups, self.around) / np.maximum(self.most_m_s3, 1e-9) - 1

    def passed(self, motions: MotionBatch, settings: PolishSettings) -> np.ndarray:
        """(N, T, G) in [0, 1] how far parts of the body have more jerk than they may."""
        return _how_far(self.excess(motions), settings)


def _how_far(excess: np.ndarray, settings: PolishSettings) -> np.ndarray:
    """See `JerkBounds.passed`: by degrees, so that no motion hangs on a threshold."""
    return np.clip(excess / settings.all_rough, 0.0, 1.0)


def polished(before: MotionBatch, after: MotionBatch, settings: PolishSettings = POLISH) -> MotionBatch:
    """The motions `after` without the fast part of what was changed since `before`, where that made them rougher.

    Both share skeleton, frame rate and one length.
    """
    frames, fps = after.root_m.shape[1], after.fps
    if frames < settings.fewest_frames:
        return after
    shift_m, turns = _changes(before, after)
    slow_m, slow = (smoothed(change, settings.fast_s * fps) for change in (shift_m, turns))
    slow_joints_m, joints_m = (_body_m(each) for each in (_changed(before, slow_m, slow), after))
    share = _calming(slow_joints_m, joints_m, settings.around_s * fps)[..., None]
    return _changed(before, slow_m + share * (shift_m - slow_m), slow + share[..., None] * (turns - slow))


def calmed(bounds: JerkBounds, after: MotionBatch, settings: PolishSettings = POLISH) -> MotionBatch:
    """The motions `after` with smoother changes where a part of the body still has more jerk than its bound.

    What is slower than `polished` takes out roughens a motion too, if that is calm: limbs that are lifted, simulated
    bodies that catch up. A part that gets rougher by it is left: where a captured knee flips from one side to the
    other, changes flip with it, and their mean fits neither side.
    """
    if after.root_m.shape[1] < settings.fewest_frames:
        return after
    before, excess, changes = bounds.before, bounds.excess(after), None
    for times in settings.wider:
        rough = _how_far(excess, settings)
        if not rough.any():
            break
        changes = _changes(before, after) if changes is None else changes
        width = times * settings.fast_s * after.fps
        slow = smoothed(changes[0], width), smoothed(changes[1], width)
        share = np.clip(2 * smoothed(rough, bounds.around / 2), 0.0, 1.0)
        calm, left, mixed = _calmer(bounds, after, changes, slow, share)
        rougher = share.any(1) & (np.maximum(left, 0.0).sum(1) >= np.maximum(excess, 0.0).sum(1))
        if rougher.any():
            share = np.where(rougher[:, None], 0.0, share)
            calm, left, mixed = _calmer(bounds, after, changes, slow, share)
        after, excess, changes = calm, left, mixed
    return after


def _calmer(
    bounds: JerkBounds, after: MotionBatch, changes: Changes, slow: Changes, share: np.ndarray
) -> tuple[MotionBatch, np.ndarray, Changes]:
    """Motions with changes a share (N, T, G) of the way to slow ones, their excess of jerk, and those changes."""
    groups = bounds.groups
    joints = np.stack([share[..., group.share] for group in groups], axis=-1) @ [group.turned for group in groups]
    shares = share[..., :1], joints[..., None]
    shift_m, turns = (own + part * (smooth - own) for own, smooth, part in zip(changes, slow, shares, strict=True))
    calm = _chosen(np.asarray(share.any(axis=(1, 2))), _changed(bounds.before, shift_m, turns), after)
    return calm, bounds.excess(calm), (shift_m, turns)


def no_rougher(
    bounds: JerkBounds, made: MotionBatch, milder: MotionBatch, settings: PolishSettings = POLISH
) -> tuple[MotionBatch, np.ndarray]:
    """The motions `made`, with those of a milder correction wherever they have more jerk than the bounds.

    A simulated trunk that calms down carries legs along, so that no part of a body can be smoothed alone. Returns the
    motions and the share (N, T) of the milder ones.
    """
    share = np.zeros(made.root_m.shape[:2])
    if made.root_m.shape[1] < settings.fewest_frames:
        return made, share
    kept = made
    shift_m, turns = _changes(made, milder)
    for _ in range(settings.rounds):
        rough = bounds.passed(kept, settings).max(axis=-1)
        if not rough.any():
            break
        widest = maximum_filter1d(rough, 2 * round(bounds.around) + 1, axis=1, mode="nearest")
        share = np.minimum(share + smoothed(widest, bounds.around / 2), 1.0)
        mixed = _changed(made, share[..., None] * shift_m, share[..., None, None] * turns)
        kept = _chosen(np.asarray(share.any(axis=1)), mixed, made)
    return kept, share


def standing_as(
    motions: MotionBatch,
    mended: MotionBatch,
    before: MotionBatch,
    simulated: np.ndarray,
    settings: StandingSettings = PLAN.standing,
) -> MotionBatch:
    """Restores planted feet to their cleaned-up pose; the legs follow.

    simulated: (N, T) the share of a simulation in the motions. Without it other feet are put so, too. before: the
    motions before clean-up, whose knees are followed.
    """
    skeleton, legs = motions.skeleton, Legs.of(motions.skeleton)
    stands = _shares(foot_contacts(mended), motions.fps, settings)
    share = np.maximum(stands, 1 - simulated[..., None])[..., None]
    toes = [joint for side in ("left", "right") if (joint := skeleton.joint(f"{side}_foot")) is not None]
    if len(toes) == 2:
        rotations = motions.rotations.copy()
        rotations[..., toes, :] = slerp(rotations[..., toes, :], mended.rotations[..., toes, :], share)
        motions = replace(motions, rotations=rotations)
    here, there = (forward_kinematics(skeleton, each.root_m, each.rotations) for each in (motions, mended))
    (own_m, own), (wanted_m, wanted) = (
        (places[..., legs.ankles, :], turned[..., legs.ankles, :]) for places, turned in (here, there)
    )
    ankles_m = own_m + share * (wanted_m - own_m)
    return legs_reaching(motions, before, ankles_m, slerp(own, wanted, share), stands)


def _shares(stands: np.ndarray, fps: float, settings: StandingSettings) -> np.ndarray:
    """(N, T, 2) in [0, 1]: 1 while a foot stands, fading around that."""
    around = maximum_filter1d(stands.astype(float), 2 * round(settings.around_s * fps) + 1, axis=1, mode="nearest")
    return gaussian_filter1d(around, settings.smoothing_s * fps, axis=1, mode="nearest")


def _chosen(first: np.ndarray, one: MotionBatch, other: MotionBatch) -> MotionBatch:
    """Of each of two motions the first where `first` (N,), so that no motion depends on its company."""
    root_m = np.where(first[:, None, None], one.root_m, other.root_m)
    return replace(one, root_m=root_m, rotations=np.where(first[:, None, None, None], one.rotations, other.rotations))


@dataclass(frozen=True, eq=False)
class _Group:
    """A part of the body that is smoothed where it is rough."""

    share: int
    told: list[int]
    """Joints whose jerk measures how rough it is."""
    turned: np.ndarray
    """(J,) 1 for the joints that are turned to smooth it, 0 for others."""


@lru_cache(maxsize=8)
def _groups(skeleton: Skeleton) -> tuple[_Group, ...]:
    """The trunk with the root, then arms and legs as far as the skeleton has them."""
    parts, groups, rest = joints_by_part(skeleton), [], np.ones(len(skeleton))
    for limb, first in ((("arm",), "shoulder"), (("knee", "foot"), "hip")):
        for side in ("left", "right"):
            told = [joint for name in limb for joint in parts.get(f"{side} {name}", [])]
            start = skeleton.joint(f"{side}_{first}")
            if told and start is not None:
                turned = skeleton.descendants[start].astype(float)
                groups.append(_Group(len(groups) + 1, told, turned))
                rest = rest - turned
    return (_Group(0, parts["trunk"], rest), *groups)


def _changes(before: MotionBatch, after: MotionBatch) -> Changes:
    """Shifts (N, T, 3) of roots and turns (N, T, J, 3) of joints in their parents' frames, as vectors.

    Seen from a parent they are the same on rigs that split bones for their twist.
    """
    turns = rotation_vectors(composed(after.rotations, inverted(before.rotations)))
    return after.root_m - before.root_m, turns


def _body_m(motions: MotionBatch) -> np.ndarray:
    """(N, T, B, 3) of the body's joints: fingers and props weigh nothing."""
    return poses_of(motions)[0][..., [joint for joint, part in enumerate(motions.skeleton.parts) if part], :]


def _jerk_m_s3(motions: MotionBatch, groups: Sequence[_Group], around: float) -> np.ndarray:
    """(N, T, G) mean jerk of parts of the body around each frame; around: frames, a standard deviation."""
    joints = joint_jerks_m_s3(poses_of(motions)[0], motions.fps)
    jerks = np.stack([joints[..., group.told].mean(-1) for group in groups], axis=-1)
    return at_frames(smoothed(jerks, around))


def _changed(motions: MotionBatch, shift_m: np.ndarray, turns: np.ndarray) -> MotionBatch:
    """Motions with the root moved by (N, T, 3) and joints turned in their parents' frames by (N, T, J, 3)."""
    return replace(motions, root_m=motions.root_m + shift_m, rotations=composed(quaternions(turns), motions.rotations))


def _calming(slow_m: np.ndarray, whole_m: np.ndarray, around: float) -> np.ndarray:
    """(N, T) share of the fast part by which third differences are least: 0 where it only roughens, 1 where it calms.

    slow_m, whole_m: (N, T, J, 3) joints without and with the fast part; around: frames, a standard deviation.
    """
    own, fast = np.diff(slow_m, 3, axis=1), np.diff(whole_m - slow_m, 3, axis=1)
    against, size = (np.einsum("ntji,ntji->nt", fast, other) for other in (own, fast))
    local = [smoothed(sums, around) for sums in (against, size)]
    share = np.clip(-local[0] / np.maximum(local[1], 1e-18), 0.0, 1.0)
    return at_frames(share)
