"""Hold feet and hands in edited contacts.

Contacts are held before and after a correction. In the frames of a contact, the part of the foot that touches the
ground must not move over it. Let s(t) be its slip since the first frame, m(t) the middle of the sole, p the contact's
position, and w weights of the frames in which the foot is flat and still. The foot is displaced horizontally by

d(t) = c − s(t),  with c such that  Σ w (m + d − p) = 0,

and vertically by the distance of the sole from the ground. Outside the contact, the displacement fades within
`FADING_S` or until the foot's next contact. Legs follow by inverse kinematics. A foot that slides is only brought to
the ground (d = 0). A foot that rides is held in the same way relative to what carries it, whose path is the foot's own,
smoothed. A hand is moved to its position, towards which the body moves by the length of a leg at most.

`place_feet` and `move_into_contacts` hold contacts in a motion before the correction, so that body and plan follow.
`hold_contacts` holds them in the corrected motion. `find_missed` measures which contacts are still missed, for example
because legs do not reach them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.geometry.curves import FADING_S, smoothstep
from selfcorrect.motion.geometry.filters import gaussian_filter1d
from selfcorrect.motion.geometry.runs import find_runs
from selfcorrect.motion.geometry.vectors import limit_factors, norms
from selfcorrect.motion.kinematics import joint_positions, pose_joints
from selfcorrect.motion.measures.physical import TOLERANCE_M
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.observation import find_feet_m

from ..body.leg_ik import Legs, move_joints_to, solve_leg_ik
from ..core.stance import PosedMotions
from ..results.results import CorrectMotions
from .edited_contacts import FEET, HAND_NAMES, HOLDING_TOLERANCE_M, Contacts, LimbContact, StandingFoot, pose_level

_RIDE_S = 0.1
"""Smoothing time of the velocity of what carries feet, in s."""

HEIGHT_TOLERANCE_M = 0.1
"""Tolerated difference between a contact's height and the foot's, in m. The middle of a sole on tiptoe is higher."""

_MIN_PLACEMENT_M = 0.03
"""Minimum error of feet that are moved before the correction, in m."""


_MAX_ANKLE_TO_SOLE_M = 0.3
"""Maximum distance from the ankle to the middle of the sole, in m."""


def find_ride_m(motion: Motion, contacts: Contacts) -> np.ndarray:
    """Return the path (T, 3) of what carries the feet that ride.

    The path is relative to frame 0, and does not move while no foot rides.

    Raises:
        InputError: The contacts have another length or frame rate.
    """
    contacts.check_times(motion)
    rides = contacts.mask("rides")
    rides = rides[1:] & rides[:-1]
    riding = rides.sum(axis=1)
    feet_m = find_feet_m(replace(motion, ground=None)).mean(axis=2)
    steps_m = (np.diff(feet_m, axis=0) * rides[..., None]).sum(axis=1) / np.maximum(riding, 1)[:, None]
    for start, stop in find_runs(riding > 0):
        steps_m[start:stop] = gaussian_filter1d(steps_m[start:stop], _RIDE_S * motion.fps, axis=0, mode="nearest")
    return np.concatenate([np.zeros((1, 3)), np.cumsum(steps_m, axis=0)])


def place_feet(motion: Motion, contacts: Contacts, correct: CorrectMotions) -> Motion:
    """Move a motion's feet into contacts before a correction.

    The contacts also become labels of the motion, so that a correction plants feet there and only there.

    Args:
        correct: A kinematic correction that finds the ground and the feet on it.

    Returns:
        The motion with moved legs and with `Motion.contacts` of ±inf, relative to what carries feet that ride.

    Raises:
        InputError: The contacts have another length or frame rate, or a position is out of reach of its leg or arm.
    """
    ride_m = find_ride_m(motion, contacts)
    seen = _shift_root(motion, -ride_m)
    (corrected,) = correct([seen])
    in_world = _shift_root(corrected.motion, ride_m)
    check_reach(in_world, contacts)
    labelled = label_contacts(seen, contacts)
    return move_into_contacts(labelled, in_world, contacts) if corrected.accepted else labelled


def move_into_contacts(motion: Motion, corrected: Motion, contacts: Contacts) -> Motion:
    """Move feet before a correction by what its result without contacts lacks."""
    standing = [contact for contact in contacts.contacts if not contact.is_hand and contact.kind == "stands"]
    displacements_m = _foot_displacements_m(pose_level(corrected), contacts, _MIN_PLACEMENT_M, standing)
    return _displace_feet(motion, displacements_m, Legs.from_skeleton(motion.skeleton))


def label_contacts(motion: Motion, contacts: Contacts) -> Motion:
    """Label a motion with contacts, so that a correction plants feet there and only there."""
    rides = contacts.mask("rides")
    stands = rides | (contacts.mask("stands") & ~rides.any(axis=1, keepdims=True))  # in what carries the body
    return replace(motion, contacts=np.where(stands, np.inf, -np.inf))


def hold_contacts(
    motion: Motion, contacts: Contacts, ride_m: np.ndarray, chosen: Sequence[LimbContact]
) -> tuple[Motion, float]:
    """Hold feet and hands of a corrected motion in chosen contacts.

    Contacts that are already held within `HOLDING_TOLERANCE_M` are left unchanged.

    Args:
        motion: The correction of a motion with these contacts as labels.
        contacts: All contacts of the motion.
        ride_m: (T, 3) path of what carries feet that ride. The motion gets it back.
        chosen: The contacts to hold.

    Returns:
        The motion, and the largest distance in m by which the body moved so that hands reach.
    """
    motion = _hold_feet(motion, contacts, [contact for contact in chosen if contact.kind == "rides"])
    others = [contact for contact in chosen if contact.kind != "rides"]
    motion = _hold_feet(_shift_root(motion, ride_m), contacts, others)
    largest_move_m = 0.0
    for hand in HAND_NAMES:
        if held := contacts.of_part(hand):
            joint = _find_wrist(motion, hand)
            wrist_m = joint_positions(motion, [joint])[:, 0]
            for contact, window, shares in fade(held, contacts):
                if contact not in chosen:
                    continue
                target_m = contact.position_m or wrist_m[contact.frames].mean(axis=0)
                steps = np.clip(np.arange(window.start, window.stop), contact.first_frame, contact.last_frame)
                wrist_m[window] += shares[:, None] * (target_m - wrist_m[steps])
            wrist_m = _limit_reach(motion, joint, wrist_m)
            motion, body_moved_m = move_joints_to(motion, [joint], wrist_m[:, None])
            largest_move_m = max(largest_move_m, float(body_moved_m.max()))
    return motion, largest_move_m


def _hold_feet(motion: Motion, contacts: Contacts, chosen: Sequence[LimbContact]) -> Motion:
    displacements_m = _foot_displacements_m(pose_level(motion), contacts, HOLDING_TOLERANCE_M, chosen)
    legs = replace(Legs.from_skeleton(motion.skeleton), soft=False)
    return _displace_feet(motion, displacements_m, legs)


def _shift_root(motion: Motion, path_m: np.ndarray) -> Motion:
    return replace(motion, root_m=motion.root_m + path_m) if path_m.any() else motion


def _find_wrist(motion: Motion, hand: str) -> int:
    """Find a hand's wrist.

    Raises:
        InputError: The skeleton has no such wrist.
    """
    joint = motion.skeleton.joint(f"{hand.split()[0]}_wrist")
    if joint is None:
        raise InputError(f"{motion.source}: has no wrist for contacts of the {hand}; leave them out")
    return joint


@dataclass(frozen=True)
class MissedContact:
    """A contact that is not held."""

    contact: LimbContact
    frame: int
    """Frame in which the part is furthest from the contact."""
    distance_m: float
    """Distance in that frame."""

    def __str__(self) -> str:
        return f"{self.contact}: off by {1000 * self.distance_m:.0f} mm at frame {self.frame}"


def find_missed(motion: Motion, contacts: Contacts, ride_m: np.ndarray) -> list[MissedContact]:
    """Find contacts of feet and hands that a motion misses by more than `HOLDING_TOLERANCE_M`, worst first.

    Args:
        ride_m: (T, 3) path of what carries feet that ride.
    """
    posed = pose_level(motion)
    seen = pose_level(_shift_root(motion, -ride_m)) if ride_m.any() else posed
    missed = []
    for contact in contacts.contacts:
        if contact.point is not None:
            continue
        if contact.is_hand:
            positions_m = joint_positions(motion, [_find_wrist(motion, contact.part)])[contact.frames, 0]
            distances_m = norms(positions_m - (contact.position_m or positions_m.mean(axis=0)))
        else:
            distances_m = _distances_m(seen if contact.kind == "rides" else posed, contact)
        worst = int(distances_m.argmax())
        if distances_m[worst] > HOLDING_TOLERANCE_M:
            missed.append(MissedContact(contact, contact.first_frame + worst, float(distances_m[worst])))
    return sorted(missed, key=lambda missed_contact: -missed_contact.distance_m)


def _distances_m(posed: PosedMotions, contact: LimbContact) -> np.ndarray:
    """Return a foot's distances (F,) from its contact in the contact's frames."""
    foot = StandingFoot.from_pose(posed, contact.foot, contact.first_frame, contact.last_frame)
    along_m = _displacements_m(foot, contact)
    heights_m = _lowest_m(posed, contact.foot)[contact.frames]
    ground_m = _ground_m(posed, foot, heights_m)
    height_errors_m = np.maximum(np.abs(heights_m - ground_m) - TOLERANCE_M, 0.0)
    distances_m = np.hypot(norms(along_m), height_errors_m)
    if contact.position_m is None:
        return distances_m
    height_error_m = abs(contact.position_m[1] - foot.position_m[1])
    return np.maximum(distances_m, height_error_m if height_error_m > HEIGHT_TOLERANCE_M else 0.0)


def _displacements_m(foot: StandingFoot, contact: LimbContact) -> np.ndarray:
    """Return displacements (F, 2) into a contact, or zeros for a sliding foot."""
    if contact.kind == "slides":
        return np.zeros((len(foot.weights), 2))
    return foot.displacements_m(foot.position_m if contact.position_m is None else np.array(contact.position_m))


def _foot_displacements_m(
    posed: PosedMotions, contacts: Contacts, deadband_m: float, chosen: Sequence[LimbContact]
) -> np.ndarray:
    """Return displacements (T, 2, 3) that bring feet into chosen contacts.

    Args:
        posed: A corrected motion.
        contacts: All contacts of the motion.
        deadband_m: Feet that are at most this far off in all frames of a contact are left unchanged.
        chosen: The contacts to hold.
    """
    moves_m = np.zeros((contacts.frames, len(FEET), 3))
    for foot in range(len(FEET)):
        stances = []
        for stance in _find_stances(posed, foot, contacts):
            if stance.contact in chosen and _distances_m(posed, stance.contact).max() > deadband_m:
                stances.append(stance)
        for stance in stances:
            moves_m[stance.window, foot, ::2] += stance.fade(_displacements_m(stance.foot, stance.contact))
        lowest_m = _lowest_m(posed, foot, moves_m[:, foot])
        for stance in stances:
            above_m = lowest_m[stance.window] - stance.ground_m
            excess_m = above_m - np.clip(above_m, -TOLERANCE_M, TOLERANCE_M)
            rises_m = stance.fade(-excess_m[stance.inside, None])[:, 0]
            moves_m[stance.window, foot, 1] += np.maximum(rises_m, np.minimum(-above_m, 0.0))
    return moves_m


@dataclass(frozen=True, eq=False)
class _FadingStance:
    """A foot in a contact, with a displacement that fades around it."""

    contact: LimbContact
    foot: StandingFoot
    ground_m: float
    """Stance height above a known ground or y = 0, in m. On an inferred step, it is the step's height."""
    window: slice
    """The W frames that are displaced."""
    shares: np.ndarray
    """(W,) share of the displacement in each frame, which is 1 inside the contact."""

    @property
    def inside(self) -> slice:
        """The frames of the contact within the window."""
        first = self.contact.first_frame - self.window.start
        return slice(first, first + len(self.foot.weights))

    def fade(self, values: np.ndarray) -> np.ndarray:
        """Extend a contact's values (F, K) to the window (W, K).

        Outside the contact, the first and last values fade out.
        """
        steps = np.arange(len(self.shares)) - self.inside.start
        return self.shares[:, None] * values[np.clip(steps, 0, len(values) - 1)]


def _find_stances(posed: PosedMotions, foot: int, contacts: Contacts) -> list[_FadingStance]:
    """Return the contacts of a foot of a posed motion, in order of time."""
    heights_m = _lowest_m(posed, foot)
    stances = []
    for contact, window, shares in fade(contacts.of_part(FEET[foot]), contacts):
        standing = StandingFoot.from_pose(posed, foot, contact.first_frame, contact.last_frame)
        ground_m = _ground_m(posed, standing, heights_m[contact.frames])
        stances.append(_FadingStance(contact, standing, ground_m, window, shares))
    return stances


def fade(of_part: Sequence[LimbContact], contacts: Contacts) -> Iterator[tuple[LimbContact, slice, np.ndarray]]:
    """Yield contacts of a part with the frames that they displace.

    Contacts come in order of time, each with its frames W and their shares (W,). Displacements fade within `FADING_S`,
    or sooner if the next contact is nearer, so that none reaches into another contact.
    """
    longest = max(FADING_S * contacts.fps, 1.0)
    gaps = [later.first_frame - earlier.last_frame for earlier, later in pairwise(of_part)]
    fading = [longest, *(min(longest, gap) for gap in gaps), longest]
    for index, contact in enumerate(of_part):
        fade_in, fade_out = fading[index : index + 2]
        start = max(contact.first_frame - ceil(fade_in) + 1, 0)
        stop = min(contact.last_frame + ceil(fade_out), contacts.frames)
        frames = np.arange(start, stop)
        rising = smoothstep(1 - (contact.first_frame - frames) / fade_in)
        falling = smoothstep(1 - (frames - contact.last_frame) / fade_out)
        yield contact, slice(start, stop), np.minimum(rising, falling)


def _lowest_m(posed: PosedMotions, foot: int, moves_m: np.ndarray | None = None) -> np.ndarray:
    """Return the height (T,) of a foot's lowest point above a known ground or y = 0.

    Args:
        moves_m: (T, 3) displacements of the foot, if any.
    """
    corners_m = posed.feet_m[0, :, foot]
    if moves_m is not None:
        corners_m = corners_m + moves_m[:, None]
    return posed.standing_m(corners_m)[..., 1].min(axis=1)


def _ground_m(posed: PosedMotions, foot: StandingFoot, heights_m: np.ndarray) -> float:
    """Return the height of the ground on which a foot stands.

    Args:
        heights_m: (F,) heights of the foot in a contact, above a known ground or y = 0.
    """
    return 0.0 if posed.motions.ground is not None else float(foot.weights @ heights_m)


def _displace_feet(motion: Motion, displacements_m: np.ndarray, legs: Legs) -> Motion:
    """Displace ankles by (T, 2, 3) as far as legs reach, without turning the feet."""
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


def check_reach(motion: Motion, contacts: Contacts) -> None:
    """Check that limbs reach their contacts.

    Raises:
        InputError: A position is out of reach in all frames of its contact, or a hand has no wrist.
    """
    legs = Legs.from_skeleton(motion.skeleton)
    positions_m, _ = pose_joints(motion)
    for contact in contacts.contacts:
        if contact.is_hand:
            limb = Legs.ending_at(motion.skeleton, _find_wrist(motion, contact.part))
            name, joint, side = "arm", "shoulder", 0
            beyond_m = float(_lengths_m(legs, positions_m).max())
        else:
            limb, name, joint, side = legs, "leg", "hip", contact.foot
            beyond_m = _MAX_ANKLE_TO_SOLE_M
        if contact.position_m is None:
            continue
        limb_m = float(_lengths_m(limb, positions_m[contact.frames])[:, side].max())
        upper_m = positions_m[contact.frames, limb.hips[side]]
        nearest_m = float(norms(upper_m - contact.position_m).min())
        if nearest_m > limb_m + beyond_m:
            raise InputError(
                f"contact of the {contact}: its position_m is {nearest_m:.1f} m from the {joint}, "
                f"but the {name} is only {limb_m:.2f} m long"
            )


def _limit_reach(motion: Motion, joint: int, wrist_m: np.ndarray) -> np.ndarray:
    """Limit wrist positions (T, 3) to what the body can reach.

    From the shoulder, the body reaches as far as an arm and a leg are long.
    """
    positions_m, _ = pose_joints(motion)
    limb = Legs.ending_at(motion.skeleton, joint)
    legs_m = _lengths_m(Legs.from_skeleton(motion.skeleton), positions_m).max(axis=1)
    reach_m = _lengths_m(limb, positions_m)[:, 0] + legs_m
    shoulder_m = positions_m[:, limb.hips[0]]
    away_m = wrist_m - shoulder_m
    return shoulder_m + limit_factors(norms(away_m), reach_m)[:, None] * away_m


def _lengths_m(limbs: Legs, positions_m: np.ndarray) -> np.ndarray:
    """Return limb lengths (T, L), from joints (T, J, 3)."""
    upper_m, middle_m, end_m = (positions_m[:, list(joints)] for joints in (limbs.hips, limbs.knees, limbs.ankles))
    return norms(middle_m - upper_m) + norms(end_m - middle_m)
