"""Hold heels and toes in edited contacts of their own.

Let h(t) and b(t) be the middle of a foot's heel and ball. In its contacts, each has a place on the ground, from which
it is off by a displacement e. Outside them, e fades within `FADING_S`. The foot turns by the smallest rotation from
b − h to (b + e_b) − (h + e_h), and moves so that the part in contact is in its place, or the middle of both if both or
none are. Legs follow by inverse kinematics.

A heel that an edit releases rises clear of the ground, gradually within `FADING_S`, and so do toes. Otherwise it would
stay where the correction had planted it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.surface import find_sole_middles_m
from selfcorrect.motion.geometry.curves import FADING_S, smoothstep
from selfcorrect.motion.geometry.rotations import rotate, shortest_turn
from selfcorrect.motion.geometry.runs import find_runs
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.kinematics import pose_joints
from selfcorrect.motion.measures.physical import TOLERANCE_M
from selfcorrect.motion.motion import Motion

from ..body.leg_ik import Legs, solve_leg_ik
from ..core.contact_solve import CLEAR_M
from .contact_holding import MissedContact, fade
from .edited_contacts import (
    FEET,
    HOLDING_TOLERANCE_M,
    POINTS,
    Contacts,
    LimbContact,
    StandingFoot,
    point_heights_m,
    pose_level,
)


@dataclass(frozen=True, eq=False)
class _FootPoints:
    """Heels and balls of both feet of a posed motion in T frames."""

    points_m: np.ndarray
    """(T, 2, 2, 3) heel and ball, left foot first, world."""
    heights_m: np.ndarray
    """(T, 2, 2) their lowest corner above a known ground or y = 0."""
    fps: float

    @classmethod
    def from_motion(cls, motion: Motion) -> "_FootPoints":
        posed = pose_level(motion)
        return cls(find_sole_middles_m(posed.feet_m[0])[..., :2, :], point_heights_m(posed), motion.fps)

    def find_errors_m(self, contact: LimbContact) -> np.ndarray:
        """Return the displacements (F, 3) of a contact's point into its place on the ground."""
        assert contact.point is not None
        point_m = self.points_m[contact.frames, contact.foot, contact.point]
        standing = StandingFoot.from_corners(point_m[:, None], self.fps)
        errors_m = np.zeros_like(point_m)
        errors_m[:, [0, 2]] = standing.displacements_m(standing.position_m)
        heights_m = self.heights_m[contact.frames, contact.foot, contact.point]
        off_m = heights_m - self._find_ground_m(contact)
        errors_m[:, 1] = np.clip(off_m, -TOLERANCE_M, TOLERANCE_M) - off_m
        return errors_m

    def _find_ground_m(self, contact: LimbContact) -> float:
        """Return the height of the ground below a foot: where its lower point is lowest in the contact."""
        return float(self.heights_m[contact.frames, contact.foot].min())


def find_own_points(motion: Motion, contacts: Contacts) -> Contacts:
    """Return the contacts of heels and toes of a corrected motion.

    Raises:
        InputError: The skeleton has no toe joints.
    """
    if motion.skeleton.pair("foot") is None:
        part = next(contact.part for contact in contacts.contacts if contact.point is not None)
        raise InputError(f"{motion.source}: has no toe joints for contacts of the {part}; use those of the whole foot")
    return Contacts.from_motion(motion, by_point=True)


def find_point_edits(own: Contacts, edited: Contacts) -> np.ndarray:
    """Find the frames (T,) in which the heel or toes of a foot are in contact in only one of two.

    Feet with contacts as a whole count as they are.
    """
    is_edited = own.point_mask() != edited.point_mask()
    for foot, part in enumerate(FEET):
        if edited.of_part(part):
            is_edited[:, foot] &= edited.point_mask()[:, foot].any(axis=1, keepdims=True)
    return is_edited.any(axis=(1, 2))


def join_whole_feet(own_points: Contacts, own: Contacts, edited: Contacts) -> Contacts:
    """Return own contacts of whole feet: merged ones of feet that are edited by heel and toes, and else as they are."""
    merged = own_points.merge_points()
    parts = [part for part in FEET if not edited.of_part(part)]
    kept = [contact for contact in own.contacts if contact.part not in parts]
    return replace(own, contacts=(*kept, *(contact for part in parts for contact in merged.of_part(part))))


def hold_points(motion: Motion, contacts: Contacts, own: Contacts, shares: np.ndarray) -> Motion:
    """Hold heels and toes of a corrected motion in their contacts near edits.

    Args:
        motion: The correction with the contacts of whole feet.
        contacts: All contacts.
        own: Contacts of heels and toes before the edits.
        shares: (T,) share of each frame in the edits. Contacts without any are left as they are.
    """
    feet = _FootPoints.from_motion(motion)
    moves_m = np.zeros_like(feet.points_m)
    held = np.zeros(moves_m.shape[:3])
    for foot, parts in enumerate(POINTS):
        for point, part in enumerate(parts):
            for contact, window, fading in fade(contacts.of_part(part), contacts):
                errors_m = feet.find_errors_m(contact)
                held[window, foot, point] = np.maximum(held[window, foot, point], fading)
                if not shares[contact.frames].any() or norms(errors_m).max() <= HOLDING_TOLERANCE_M:
                    continue
                steps = np.clip(np.arange(window.start, window.stop) - contact.first_frame, 0, len(errors_m) - 1)
                moves_m[window, foot, point] += fading[:, None] * errors_m[steps]
    moves_m[..., 1] += _rise_released(feet, moves_m, contacts, own)
    return _displace_points(motion, feet, moves_m, held)


def _rise_released(feet: _FootPoints, moves_m: np.ndarray, contacts: Contacts, own: Contacts) -> np.ndarray:
    """Return rises (T, 2, 2) of heels and toes that an edit releases while the other end of the foot stands."""
    edited = contacts.point_mask()
    released = own.point_mask() & ~edited & edited.any(axis=2, keepdims=True)
    rises_m = np.zeros(released.shape)
    for foot, point in np.ndindex(2, 2):
        for start, stop in find_runs(released[:, foot, point]):
            frames = np.arange(start, stop)
            in_contact = np.flatnonzero(edited[:, foot, point])
            away = np.full(len(frames), np.inf)
            if len(in_contact):
                away = np.abs(frames[:, None] - in_contact).min(axis=1)
            clear_m = CLEAR_M * smoothstep(np.minimum(away / max(FADING_S * feet.fps, 1.0), 1.0))
            heights_m = feet.heights_m[start:stop, foot, point] + moves_m[start:stop, foot, point, 1]
            rises_m[start:stop, foot, point] = np.maximum(clear_m - heights_m, 0.0)
    return rises_m


def _displace_points(motion: Motion, feet: _FootPoints, moves_m: np.ndarray, held: np.ndarray) -> Motion:
    """Displace heels and balls by (T, 2, 2, 3), those that are held first, and let legs follow."""
    frames = np.flatnonzero(moves_m.any(axis=(1, 2, 3)))
    if not len(frames):
        return motion
    legs = replace(Legs.from_skeleton(motion.skeleton), soft=False)
    before_m = feet.points_m[frames]
    after_m = before_m + moves_m[frames]
    turns = shortest_turn(before_m[:, :, 1] - before_m[:, :, 0], after_m[:, :, 1] - after_m[:, :, 0])
    weights = np.where(held[frames] >= 1, 1.0, 1e-3 + held[frames] * (held[frames].max(-1, keepdims=True) < 1))
    weights = (weights / weights.sum(-1, keepdims=True))[..., None]
    pivots_m = (weights * before_m).sum(axis=2)
    positions_m, orientations = pose_joints(motion)
    positions_m = positions_m[frames]
    levers_m = positions_m[:, legs.ankles] - pivots_m
    ankles_m = (weights * after_m).sum(axis=2) + rotate(turns, levers_m)
    rotations = motion.rotations.copy()
    rotations[frames] = solve_leg_ik(
        motion.skeleton, positions_m, orientations[frames], None, ankles_m, turns, limbs=legs
    )
    return replace(motion, rotations=rotations)


def find_missed_points(motion: Motion, contacts: Contacts) -> Iterator[MissedContact]:
    """Yield contacts of heels and toes that a motion misses by more than `HOLDING_TOLERANCE_M`."""
    if not contacts.has_points:
        return
    feet = _FootPoints.from_motion(motion)
    for contact in (contact for contact in contacts.contacts if contact.point is not None):
        distances_m = norms(feet.find_errors_m(contact))
        worst = int(distances_m.argmax())
        if distances_m[worst] > HOLDING_TOLERANCE_M:
            yield MissedContact(contact, contact.first_frame + worst, float(distances_m[worst]))
