"""Apply the options that control a correction: contacts before it; frames, shares of limbs and kept joints after it."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from selfcorrect.core.errors import CorrectorError, InputError
from selfcorrect.motion.checks.floor import find_level_under
from selfcorrect.motion.editing.blending import blend_motions
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.measures.roughness import added_by_joint_deg_s
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.motion_features import MotionFeatures
from selfcorrect.motion.perception.observation import observe
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.simulators.body.leg_ik import move_joints_to
from selfcorrect.simulators.corrector import correct_through_views
from selfcorrect.simulators.planning.contact_edits import apply_contact_edits, list_missed
from selfcorrect.simulators.results.comparison import include_slip, measure_correction
from selfcorrect.simulators.results.results import CorrectedMotion, Failure, FailureKind, Note

from .options import LIMB_PARTS, PATH, CorrectionOptions, parse_amounts, parse_span, read_contacts

BLEND_S = 0.25
"""Time for blending in and out within the corrected frames, in s."""

KEPT_M = 0.002
"""Largest displacement of kept joints, in m."""

_ON_FLOOR_M = 0.02
"""Largest height of a level that is the floor itself, in m, so that the option `floor` does not help."""
_DROPPED_M = 0.05
"""Largest distance between the level and the inferred floor, in m, at which the option `drop` helps."""


def finish_correction(motion: Motion, correction: CorrectedMotion, options: CorrectionOptions) -> CorrectedMotion:
    """Apply the options to a finished correction, measure its slip, and add advice if it failed."""
    if correction.failure is not None:
        correction = replace(correction, failure=_advise(motion, correction.failure, options))
    return include_slip(motion, apply_controls(motion, correction, options))


def _advise(motion: Motion, failure: Failure, options: CorrectionOptions) -> Failure:
    """Add to a failure the remedies that were already used or cannot help, and the floor that would help."""
    floor_m = options.reading.floor
    is_tried = {
        "drop": True,
        "support": options.support == "off",
        "faithful": options.strength == 0.0,
        "kinematic": options.kinematic,
        "fallback": options.fallback != "none",
    }
    if failure.kind is FailureKind.FLOATING and not options.reading.drop:
        features = MotionFeatures(motion)
        level_m = find_level_under(features, failure.frame or 0, failure.last_frame)
        if level_m is not None and abs(level_m) > _ON_FLOOR_M:
            failure = replace(failure, value=level_m + (floor_m or 0.0))
            is_off = abs(observe(features.motion).floor_m - level_m) > _DROPPED_M
            is_tried["drop"] = floor_m is not None or is_off
    return replace(failure, tried=tuple(remedy for remedy, is_used in is_tried.items() if is_used))


def apply_controls(
    motion: Motion, correction: CorrectedMotion, options: CorrectionOptions, *, is_measured: bool = True
) -> CorrectedMotion:
    """Apply contacts, frames, shares and kept joints of the options, and measure the result again.

    Args:
        motion: The input.
        correction: Correction of the motion without these controls.
        options: Options of the correction.
        is_measured: Whether to measure the result and find contacts that are missed, which takes longer than an edit.

    Raises:
        CorrectorError: The corrected motion is not finite.
    """
    _check_finite(correction.motion)
    if options.contacts is None and not (options.frames or options.amount or options.keep):
        return correction
    contacts = read_contacts(options.contacts)
    ride_m = np.zeros_like(motion.root_m)
    gave_way_m = 0.0
    unedited = correction.motion
    if contacts is not None:
        correction, ride_m, gave_way_m = apply_contact_edits(
            motion,
            correction,
            contacts,
            correct=partial(correct_through_views, pipeline=options.pipeline),
            find_ground=partial(correct_through_views, pipeline=options.kinematic_pipeline),
        )
    if not correction.accepted:
        return replace(correction, motion=motion)
    corrected = correction.motion
    remarks = (*correction.remarks, *_note_cost_of_keeping(gave_way_m, 0.0))
    missed_contacts = correction.left.missed_contacts
    corrected = blend_motions(motion, corrected, _compute_shares(motion, options))
    joints = [joint for name in options.keep if name != PATH for joint in _find_joints(motion.skeleton, name)]
    if joints:
        places_m = joint_positions(motion, joints)
        corrected, body_moved_m = move_joints_to(corrected, joints, places_m)
        off_m = norms(joint_positions(corrected, joints) - places_m)
        remarks += _note_cost_of_keeping(float(body_moved_m.max()), float(off_m.max()))
    if not is_measured:
        return replace(correction, motion=corrected, remarks=remarks)
    if contacts is not None:
        missed_contacts += tuple(map(str, list_missed(corrected, contacts, ride_m, unedited)))
    changed = replace(
        correction,
        motion=corrected,
        changes=replace(correction.changes, added_angular_speed_deg_s=added_by_joint_deg_s(motion, corrected)),
        left=replace(correction.left, missed_contacts=missed_contacts),
        remarks=remarks,
    )
    return measure_correction(motion, changed)


def _compute_shares(motion: Motion, options: CorrectionOptions) -> np.ndarray:
    """Return the share (T, J) of the correction that each joint gets in each frame."""
    by_frame = np.ones(len(motion))
    if (span := parse_span(options.frames)) is not None:
        first, last = span
        if last >= len(motion):
            raise InputError(
                f"{motion.source}: expected frames up to {len(motion) - 1}, the last one, got {options.frames}"
            )
        fade = max(1, min(round(BLEND_S * motion.fps), (last - first) // 2))
        keyframes = {first + fade: 1.0, last - fade: 1.0}
        keyframes[first] = float(first == 0)
        keyframes[last] = float(last == len(motion) - 1)
        by_frame = interpolate_keyframes(list(keyframes.items()), len(motion))
    shares = np.repeat(by_frame[:, None], len(motion.skeleton), axis=1)
    for limb, keyframes in parse_amounts(options.amount).items():
        joints = _find_joints(motion.skeleton, limb) if limb else slice(None)
        shares[:, joints] *= interpolate_keyframes(keyframes, len(motion))[:, None]
    return shares


def _check_finite(motion: Motion) -> None:
    finite = np.isfinite(motion.root_m).all(axis=1) & np.isfinite(motion.rotations).all(axis=(1, 2))
    if not finite.all():
        raise CorrectorError(f"{motion.source}: the corrected motion is not finite in frame {int(finite.argmin())}")


def _note_cost_of_keeping(body_moved_m: float, off_m: float) -> tuple[Note, ...]:
    """Note how far the body moved to keep joints in place, and how far they are still off."""
    notes = []
    if body_moved_m > KEPT_M:
        notes.append(Note(words=f"the body moved by up to {body_moved_m:.3f} m so that limbs reach kept joints"))
    if off_m > KEPT_M:
        notes.append(Note(words=f"limbs do not reach kept joints, which are off by up to {off_m:.3f} m"))
    return tuple(notes)


def _find_joints(skeleton: Skeleton, name: str) -> Sequence[int]:
    """Return the joints of a limb, or the joint of this name. Raises InputError for an unknown name."""
    joints = []
    for part in LIMB_PARTS.get(name, ()):
        for side in ("", "left_", "right_"):
            joint = skeleton.joint(f"{side}{part}")
            if joint is not None:
                joints.append(joint)
    if not joints and name in skeleton.names:
        joints = [skeleton.names.index(name)]
    if not joints:
        raise InputError(f"no joint is named {name!r}; joints: {', '.join(skeleton.names)}")
    return joints


def interpolate_keyframes(keyframes: Sequence[tuple[int, float]], frames: int) -> np.ndarray:
    """Interpolate shares (T,) smoothly between keyframes (frame, share); outside they are constant."""
    key_frames, key_shares = np.array(sorted(keyframes), dtype=float).T
    place = np.interp(np.arange(frames), key_frames, np.arange(len(key_frames)))
    first = np.minimum(place.astype(int), max(len(key_frames) - 2, 0))
    last = np.minimum(first + 1, len(key_frames) - 1)
    part = place - first
    smooth_part = (3 - 2 * part) * part**2
    return key_shares[first] + smooth_part * (key_shares[last] - key_shares[first])
