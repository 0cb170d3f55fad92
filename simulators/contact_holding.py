"""Feet held in contacts that people edit, before and after a correction.

In the frames of a contact the touching part of a foot shall not move over the ground. Let s(t) be the slip since the
first frame, m(t) the middle of the sole, p the place, and w weights of frames with a flat and still foot. The foot is
displaced over the ground by

    d(t) = c − s(t),  with c such that  Σ w (m + d − p) = 0,

and as far as the sole leaves the ground up or down. Away from a contact the displacement fades within `_FADING_S`, or
until the foot's next contact. Legs follow by inverse kinematics.

`place_feet` does that to a motion before the correction, so that body and plan follow. `hold_contacts` does the same to
the corrected motion. `find_missed` measures what is left: what legs do not reach and what people ruled out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.corrector_interface.results import CorrectMotions
from selfcorrect.motion.geometry.kinematics import pose_joints
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.motion import Motion

from .body.curves import smoothstep
from .body.leg_ik import Legs, solve_leg_ik
from .cleanup.stance import PosedMotions
from .foot_contacts import FEET, Contacts, FootContact, StandingFoot, pose_level

_FADING_S = 0.3
"""Time for a displaced foot to return to the path, before and after a contact."""

HOLDING_TOLERANCE_M = 0.01
"""Contacts are held if feet are nearer than this to the places of contacts."""

HEIGHT_TOLERANCE_M = 0.1
"""Places may be higher or lower than the ground by this, as the middle of a sole on tiptoe is."""

_PLACED_FROM_M = 0.03
"""Before a correction feet are put elsewhere only for a move by more than this in some frame."""

_CLEARANCE_M = 0.005
"""Soles this near to the ground stay at the same height."""

_BEYOND_LEG_M = 0.3
"""Largest distance of the middle of a sole from the ankle."""


def place_feet(motion: Motion, contacts: Contacts, correct: CorrectMotions) -> Motion:
    """Put the feet of a motion into contacts, with labels so that a correction plants feet there and only there.

    Args:
        correct: A kinematic correction that finds the ground and the feet on the ground.

    Returns:
        The motion with other legs and with `Motion.contacts` of ±inf.

    Raises:
        InputError: The contacts have another length or frame rate, or no leg reaches one of the places.
    """
    contacts.check_times(motion)
    (corrected,) = correct([motion])
    _check_reach(corrected.motion, contacts)
    labelled = replace(motion, contacts=np.where(contacts.stands(), np.inf, -np.inf))
    if not corrected.accepted:
        return labelled
    displacements_m = _foot_displacements_m(pose_level(corrected.motion), contacts, _PLACED_FROM_M)
    return _displace_feet(labelled, displacements_m, Legs.from_skeleton(motion.skeleton))


def hold_contacts(motion: Motion, contacts: Contacts) -> Motion:
    """Return a corrected motion with feet that stand in contacts, as far as legs reach.

    Contacts that are held within `TOLERANCE_M` stay unchanged.
    """
    displacements_m = _foot_displacements_m(pose_level(motion), contacts, HOLDING_TOLERANCE_M)
    legs = replace(Legs.from_skeleton(motion.skeleton), soft=False)
    return _displace_feet(motion, displacements_m, legs)


@dataclass(frozen=True)
class MissedContact:
    """A contact that is not held."""

    contact: FootContact
    frame: int
    """The frame of the largest distance of the foot from the contact."""
    distance_m: float
    """Distance from there."""

    def __str__(self) -> str:
        return f"{self.contact}: off by {1000 * self.distance_m:.0f} mm at frame {self.frame}"


def find_missed(motion: Motion, contacts: Contacts) -> list[MissedContact]:
    """Return the contacts that a motion does not hold within `TOLERANCE_M`, the worst first."""
    posed = pose_level(motion)
    missed = []
    for contact in contacts.contacts:
        distances_m = _distances_m(posed, contact)
        worst = int(distances_m.argmax())
        if distances_m[worst] > HOLDING_TOLERANCE_M:
            missed.append(MissedContact(contact, contact.first_frame + worst, float(distances_m[worst])))
    return sorted(missed, key=lambda missed_contact: -missed_contact.distance_m)


def _distances_m(posed: PosedMotions, contact: FootContact) -> np.ndarray:
    """Return the distances (F,) of a foot from the place of a contact in the frames of the contact."""
    foot = StandingFoot.from_pose(posed, contact.foot, contact.first_frame, contact.last_frame)
    along_m = foot.displacements_m(_target_place_m(foot, contact))
    heights_m = _lowest_m(posed, contact.foot)[contact.frames]
    ground_m = _ground_m(posed, foot, heights_m)
    height_errors_m = np.maximum(np.abs(heights_m - ground_m) - _CLEARANCE_M, 0.0)
    distances_m = np.hypot(norms(along_m), height_errors_m)
    if contact.position_m is None:
        return distances_m
    place_error_m = abs(contact.position_m[1] - foot.place_m[1])
    return np.maximum(distances_m, place_error_m if place_error_m > HEIGHT_TOLERANCE_M else 0.0)


def _foot_displacements_m(posed: PosedMotions, contacts: Contacts, deadband_m: float) -> np.ndarray:
    """Return the displacements (T, 2, 3) that make the feet of a corrected motion stand in contacts.

    deadband_m: Feet that are off by no more than this in all frames of a contact stay.
    """
    moves_m = np.zeros((contacts.frames, len(FEET), 3))
    for foot in range(len(FEET)):
        stances = []
        for stance in _find_stances(posed, foot, contacts.of_foot(foot)):
            if _distances_m(posed, stance.contact).max() > deadband_m:
                stances.append(stance)
        for stance in stances:
            along_m = stance.foot.displacements_m(_target_place_m(stance.foot, stance.contact))
            moves_m[stance.window, foot, ::2] += stance.fade(along_m)
        lowest_m = _lowest_m(posed, foot, moves_m[:, foot])
        for stance in stances:
            above_m = lowest_m[stance.window] - stance.ground_m
            excess_m = above_m - np.clip(above_m, -_CLEARANCE_M, _CLEARANCE_M)
            rises_m = stance.fade(-excess_m[stance.inside, None])[:, 0]
            moves_m[stance.window, foot, 1] += np.maximum(rises_m, np.minimum(-above_m, 0.0))
    return moves_m


@dataclass(frozen=True, eq=False)
class _FadingStance:
    """A foot in a contact, and the frames around where the displacement fades."""

    contact: FootContact
    foot: StandingFoot
    ground_m: float
    """Height of the stance above a ground that is known, or y = 0: or the height of an inferred step."""
    window: slice
    """Displaced frames, W."""
    shares: np.ndarray
    """(W,) share of the displacement in each frame: 1 inside of the contact."""

    @property
    def inside(self) -> slice:
        """The frames of the contact within the window."""
        first = self.contact.first_frame - self.window.start
        return slice(first, first + len(self.foot.weights))

    def fade(self, values: np.ndarray) -> np.ndarray:
        """Return values (F, K) of the contact over the window, (W, K): the first and last values fade around."""
        steps = np.arange(len(self.shares)) - self.inside.start
        return self.shares[:, None] * values[np.clip(steps, 0, len(values) - 1)]


def _find_stances(posed: PosedMotions, foot: int, contacts: Sequence[FootContact]) -> list[_FadingStance]:
    """Return a foot of a posed motion in each contact, in the order of time.

    Displacements fade within `_FADING_S`, or less if the next contact is nearer, so that none reaches into another.
    """
    frame_count = len(posed.feet_m[0])
    longest = max(_FADING_S * posed.motions.fps, 1.0)
    gaps = [later.first_frame - earlier.last_frame for earlier, later in pairwise(contacts)]
    fading = [longest, *(min(longest, gap) for gap in gaps), longest]
    heights_m = _lowest_m(posed, foot)
    stances = []
    for index, contact in enumerate(contacts):
        fade_in = fading[index]
        fade_out = fading[index + 1]
        start = max(contact.first_frame - ceil(fade_in) + 1, 0)
        stop = min(contact.last_frame + ceil(fade_out), frame_count)
        frames = np.arange(start, stop)
        rising = smoothstep(1 - (contact.first_frame - frames) / fade_in)
        falling = smoothstep(1 - (frames - contact.last_frame) / fade_out)
        standing = StandingFoot.from_pose(posed, foot, contact.first_frame, contact.last_frame)
        stances.append(
            _FadingStance(
                contact=contact,
                foot=standing,
                ground_m=_ground_m(posed, standing, heights_m[contact.frames]),
                window=slice(start, stop),
                shares=np.minimum(rising, falling),
            )
        )
    return stances


def _target_place_m(foot: StandingFoot, contact: FootContact) -> np.ndarray:
    """Return the place (3,) of a contact, or the foot's own if the contact has none."""
    return foot.place_m if contact.position_m is None else np.array(contact.position_m)


def _lowest_m(posed: PosedMotions, foot: int, moves_m: np.ndarray | None = None) -> np.ndarray:
    """Return the height (T,) of the lowest corner of a foot moved by (T, 3), above a known ground or y = 0."""
    corners_m = posed.feet_m[0, :, foot]
    if moves_m is not None:
        corners_m = corners_m + moves_m[:, None]
    return posed.standing_m(corners_m)[..., 1].min(axis=1)


def _ground_m(posed: PosedMotions, foot: StandingFoot, heights_m: np.ndarray) -> float:
    """Return the height of the stance of a foot with heights (F,) in a contact, above a known ground or y = 0."""
    return 0.0 if posed.motions.ground is not None else float(foot.weights @ heights_m)


def _displace_feet(motion: Motion, displacements_m: np.ndarray, legs: Legs) -> Motion:
    """Return a motion with ankles displaced by (T, 2, 3), as far as legs reach; feet do not turn."""
    frames = np.flatnonzero(displacements_m.any(axis=(1, 2)))
    if not len(frames):
        return motion
    positions_m, orientations = pose_joints(motion)
    positions_m = positions_m[frames]
    orientations = orientations[frames]
    ankles_m = positions_m[:, legs.ankles] + displacements_m[frames]
    rotations = motion.rotations.copy()
    rotations[frames] = solve_leg_ik(motion.skeleton, positions_m, orientations, None, ankles_m, limbs=legs)
    return replace(motion, rotations=rotations)


def _check_reach(motion: Motion, contacts: Contacts) -> None:
    """Raise InputError for a place that no leg reaches in any frame of the contact."""
    legs = Legs.from_skeleton(motion.skeleton)
    positions_m, _ = pose_joints(motion)
    for contact in contacts.contacts:
        if contact.position_m is None:
            continue
        hip_m = positions_m[contact.frames, legs.hips[contact.foot]]
        knee_m = positions_m[contact.frames, legs.knees[contact.foot]]
        ankle_m = positions_m[contact.frames, legs.ankles[contact.foot]]
        leg_m = float((norms(knee_m - hip_m) + norms(ankle_m - knee_m)).max())
        nearest_m = float(norms(hip_m - contact.position_m).min())
        if nearest_m > leg_m + _BEYOND_LEG_M:
            raise InputError(
                f"contact of the {contact}: its position_m is {nearest_m:.1f} m from the hip, the leg is {leg_m:.2f} m"
            )
