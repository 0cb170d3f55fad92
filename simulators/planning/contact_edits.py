"""Apply edited contacts to a finished correction, only near what was edited.

A correction that is given its own contacts must return the same motion, so contacts are compared with those of the
correction without edits. Let r be that correction, and E the frames in which a part's contact begins, ends or moves by
an edit. Around E, a piece of the motion is corrected once more, with the edited contacts as labels. The result l, moved
to the world of r, replaces r near E:

m(t) = r(t) + s(t) (l(t) − r(t)),  with s = 1 in E, falling to 0 within `FADING_S`.

Contacts that meet frames with s > 0 are then held in m. All other frames stay those of r, bit for bit. Contacts of
heels and toes count as those of their foot first, and are then held one by one.

Feet that slide or ride change what counts as drift in the whole motion, so with them, all frames are corrected again.
"""

from dataclasses import replace

import numpy as np

from selfcorrect.motion.editing.blending import blend_motions
from selfcorrect.motion.geometry.curves import FADING_S, smoothstep
from selfcorrect.motion.geometry.runs import spans
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.motion import Motion

from ..results.results import CorrectedMotion, CorrectMotions
from ..results.way_back import replace_supports
from .contact_holding import (
    MissedContact,
    check_reach,
    find_missed,
    find_ride_m,
    hold_contacts,
    label_contacts,
    move_into_contacts,
    place_feet,
)
from .edited_contacts import FEET, HAND_NAMES, HOLDING_TOLERANCE_M, Contacts
from .point_holding import find_missed_points, find_own_points, find_point_edits, hold_points, join_whole_feet

_AROUND_S = 5.0
"""Time before and after an edit that is corrected again with it, in s. It holds some steps of a walk, from which ground
and speeds of standing feet are perceived."""


def apply_contact_edits(
    motion: Motion,
    correction: CorrectedMotion,
    contacts: Contacts,
    *,
    correct: CorrectMotions,
    find_ground: CorrectMotions,
) -> tuple[CorrectedMotion, np.ndarray, float]:
    """Apply edited contacts to a correction.

    Args:
        motion: The input.
        correction: Its correction without contacts.
        contacts: The contacts to hold.
        correct: The same correction, for pieces of the motion whose contacts are labelled.
        find_ground: A kinematic correction that finds the ground of feet that ride.

    Returns:
        The correction, not yet measured again; the path (T, 3) of what carries feet that ride; and the largest distance
        in m by which the body moved so that hands reach.

    Raises:
        InputError: The contacts have another length or frame rate, or a position is out of reach.
    """
    contacts.check_times(motion)
    standing_still = np.zeros_like(motion.root_m)
    given = contacts
    contacts = given.merge_points()
    if contacts.has_kinds("slides", "rides") or not correction.accepted:
        correction, ride_m, gave_way_m = _correct_again(motion, contacts, correct, find_ground)
        if given.has_points and correction.accepted:
            own = find_own_points(correction.motion, given)
            held = hold_points(correction.motion, given, own, np.ones(len(motion)))
            correction = replace(correction, motion=held)
        return correction, ride_m, gave_way_m
    check_reach(correction.motion, contacts)
    own = Contacts.from_motion(correction.motion)
    if given.has_points:
        own_points = find_own_points(correction.motion, given)
        is_edited = find_edits(join_whole_feet(own_points, own, given), contacts) | find_point_edits(own_points, given)
    else:
        own_points = None
        is_edited = find_edits(own, contacts)
    if not is_edited.any():
        return correction, standing_still, 0.0
    shares = _fade(is_edited, motion.fps)
    edited = correction.motion
    for first, last in spans(shares > 0, round(2 * _AROUND_S * motion.fps)):
        piece = slice(max(first - round(_AROUND_S * motion.fps), 0), last + 1 + round(_AROUND_S * motion.fps))
        inside = contacts.cut(piece)
        labelled = label_contacts(motion.select_frames(piece), inside)
        (again,) = correct([move_into_contacts(labelled, correction.motion.select_frames(piece), inside)])
        if not again.accepted:
            return again, standing_still, 0.0
        edited = _insert(edited, again.motion, shares, piece)
    meets_edit = [contact for contact in contacts.contacts if shares[contact.frames].any()]
    edited, gave_way_m = hold_contacts(edited, contacts, standing_still, meets_edit)
    if own_points is not None:
        edited = hold_points(edited, given, own_points, shares)
    edited = replace(edited, contacts=motion.contacts)
    return replace(correction, motion=edited), standing_still, gave_way_m


def _correct_again(
    motion: Motion, contacts: Contacts, correct: CorrectMotions, find_ground: CorrectMotions
) -> tuple[CorrectedMotion, np.ndarray, float]:
    """Correct a whole motion with contacts as labels, and hold them."""
    ride_m = find_ride_m(motion, contacts)
    (correction,) = correct([place_feet(motion, contacts, find_ground)])
    if not correction.accepted:
        return correction, ride_m, 0.0
    held, gave_way_m = hold_contacts(correction.motion, contacts, ride_m, contacts.contacts)
    supports = [support.shift(ride_m[support.first]) for support in correction.contacts.supports]
    corrected = replace_supports(replace(correction, motion=replace(held, contacts=motion.contacts)), supports)
    return corrected, ride_m, gave_way_m


def list_missed(
    motion: Motion, contacts: Contacts, ride_m: np.ndarray, unedited: Motion | None = None
) -> list[MissedContact]:
    """List contacts of all parts that a motion misses, worst first.

    Args:
        ride_m: (T, 3) path of what carries feet that ride.
        unedited: Correction without edits, whose own contacts of heels and toes are left out; None leaves out none.
    """
    points = contacts
    if contacts.has_points and unedited is not None:
        own = Contacts.from_motion(unedited, by_point=True).contacts
        points = replace(contacts, contacts=tuple(contact for contact in contacts.contacts if contact not in own))
    missed = [*find_missed(motion, contacts, ride_m), *find_missed_points(motion, points)]
    return sorted(missed, key=lambda missed_contact: -missed_contact.distance_m)


def find_edits(own: Contacts, edited: Contacts) -> np.ndarray:
    """Find the frames (T,) in which edited contacts differ from a correction's own.

    A part differs where it is in contact in only one of them, or stands elsewhere by more than `HOLDING_TOLERANCE_M`.
    """
    is_edited = np.zeros(edited.frames, dtype=bool)
    for part in FEET + HAND_NAMES:
        own_m = own.positions_m(part)
        edited_m = edited.positions_m(part)
        is_edited |= own.is_in_contact(part) != edited.is_in_contact(part)
        is_edited |= norms((edited_m - own_m)[:, [0, 2]]) > HOLDING_TOLERANCE_M  # NaN, an unknown position, is no edit
    return is_edited


def _fade(is_edited: np.ndarray, fps: float) -> np.ndarray:
    """Return shares (T,) that are 1 in edited frames and fall to 0 within `FADING_S`."""
    frames = np.arange(len(is_edited))
    edited_frames = np.flatnonzero(is_edited)
    later = np.searchsorted(edited_frames, frames)
    after = edited_frames[np.minimum(later, len(edited_frames) - 1)]
    before = edited_frames[np.maximum(later - 1, 0)]
    away = np.minimum(np.abs(frames - before), np.abs(frames - after))
    return smoothstep(1 - away / max(FADING_S * fps, 1.0))


def _insert(motion: Motion, again: Motion, shares: np.ndarray, piece: slice) -> Motion:
    """Blend a piece that was corrected again into a motion, after moving it into the motion's world.

    The worlds are compared where the shares (T,) are 0. If they are 0 nowhere in the piece, it stays where it is.
    """
    inside = shares[piece]
    part = motion.select_frames(piece)
    unedited = inside == 0
    if unedited.any():
        away_m = (part.root_m - again.root_m)[unedited].mean(axis=0)
        again = replace(again, root_m=again.root_m + away_m)
    blended = blend_motions(part, again, np.repeat(inside[:, None], len(motion.skeleton), axis=1))
    root_m = motion.root_m.copy()
    root_m[piece] = blended.root_m
    rotations = motion.rotations.copy()
    rotations[piece] = blended.rotations
    return replace(motion, root_m=root_m, rotations=rotations)
