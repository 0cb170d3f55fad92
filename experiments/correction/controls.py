"""What people change of a correction: the contacts, the frames, how much of it each limb gets, and what stays."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from selfcorrect.core.checks import describe_value
from selfcorrect.core.errors import CorrectorError, InputError, SettingError
from selfcorrect.motion.correction.results import CorrectedMotion, CorrectMotions, Note, NoteKind
from selfcorrect.motion.geometry.kinematics import joint_positions
from selfcorrect.motion.geometry.rotations import slerp
from selfcorrect.motion.measures.contacts import standing_speeds_m_s
from selfcorrect.motion.measures.roughness import added_by_joint_deg_s
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton

if TYPE_CHECKING:
    from selfcorrect.simulators.foot_contacts import Contacts

_FRAME = re.compile("[0-9]{1,9}")
"""The number of a frame as text."""

BLEND_S = 0.25
"""Time in which the correction of a range of frames comes and goes, inside the range."""

KEPT_M = 0.002
"""Joints that were to stay may be off by this."""

LIMBS: Mapping[str, tuple[str, ...]] = {
    "arms": ("collar", "shoulder", "elbow", "wrist"),
    "hands": ("wrist",),
    "legs": ("hip", "knee", "ankle", "foot"),
    "feet": ("ankle", "foot"),
    "head": ("neck", "head"),
    "trunk": ("pelvis", "spine1", "spine2", "spine3"),
}
"""Parts of the body by name; those that people have twice are meant on both sides."""


@dataclass(frozen=True)
class Controls:
    """What to change of a correction, nothing by default; the fields are those of `CorrectionOptions`."""

    contacts: str | Path | Contacts | None = None
    frames: str = ""
    amount: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._span()
        self._amounts()

    def __bool__(self) -> bool:
        """Whether anything is changed after a correction."""
        return bool(self.contacts is not None or self.frames or self.amount or self.keep)

    def _span(self) -> tuple[int, int] | None:
        """First and last frame to correct, None for all; SettingError where that is none."""
        if not self.frames:
            return None
        first, _, last = self.frames.partition(":")
        if not (_FRAME.fullmatch(first) and _FRAME.fullmatch(last)) or int(first) >= int(last):
            raise SettingError(
                f"frames must be FIRST:LAST with first < last, such as 40:120, got {describe_value(self.frames)}"
            )
        return int(first), int(last)

    def _amounts(self) -> dict[str, list[tuple[int, float]]]:
        """Keyframes, (frame, share), by limb, those of the whole body by ""; SettingError for what is none."""
        amounts = defaultdict[str, list[tuple[int, float]]](list)
        for word in self.amount:
            place, _, number = word.partition("=")
            limb, _, frame = ("", "", place) if _FRAME.fullmatch(place) else place.partition("@")
            try:
                share = float(number)
            except ValueError:
                share = np.nan
            if not 0 <= share <= 1 or limb not in ("", *LIMBS) or not _FRAME.fullmatch(frame or "0") or not place:
                limb_names = ", ".join(LIMBS)
                raise SettingError(
                    "amount must be LIMB=SHARE, FRAME=SHARE or LIMB@FRAME=SHARE, 0 to 1, "
                    f"with {limb_names}; got {describe_value(word)}"
                )
            amounts[limb].append((int(frame or 0), share))
        return amounts

    def edited_contacts(self) -> Contacts | None:
        """Return the contacts that people give, None where a correction finds its own; InputError for a bad file."""
        if not isinstance(self.contacts, str | Path):
            return self.contacts
        from selfcorrect.simulators.foot_contacts import Contacts

        return Contacts.load(self.contacts)

    def prepare(self, motion: Motion, correct: CorrectMotions) -> Motion:
        """Return the motion to correct: with its feet in the contacts that people give.

        correct: a kinematic correction, which shows the ground.
        """
        contacts = self.edited_contacts()
        if contacts is None:
            return motion
        from selfcorrect.simulators.contact_holding import place_feet

        return place_feet(motion, contacts, correct)

    def apply(
        self, motion: Motion, correction: CorrectedMotion, measure: Callable[[Motion], Mapping[str, float]]
    ) -> CorrectedMotion:
        """Return what is left of the correction of a motion, with figures that are measured anew.

        Args:
            motion: the motion as it was given, before `prepare`.
            correction: the correction of what `prepare` made of it.
            measure: measures the errors of a motion by name.

        Raises:
            CorrectorError: if the corrected motion is not finite.
        """
        _check_finite(correction.motion)
        if not self:
            return correction
        if not correction.accepted:
            return replace(correction, motion=motion)
        contacts = self.edited_contacts()
        corrected = correction.motion
        if contacts is not None:
            from selfcorrect.simulators.contact_holding import hold_contacts

            corrected = replace(hold_contacts(corrected, contacts), contacts=motion.contacts)
        notes = correction.notes
        corrected = blend_motions(motion, corrected, self._shares(motion))
        if joints := [joint for name in self.keep for joint in _find_joints(motion.skeleton, name)]:
            from selfcorrect.simulators.body.leg_ik import move_joints_to

            places_m = joint_positions(motion, joints)
            corrected, gave_way_m = move_joints_to(corrected, joints, places_m)
            notes += _note_cost_of_keeping(gave_way_m, joint_positions(corrected, joints) - places_m)
        before = correction.before
        if contacts is not None:
            from selfcorrect.simulators.contact_holding import find_missed

            notes += tuple(
                Note(NoteKind.CONTACT_MISSED, words=str(missed)) for missed in find_missed(corrected, contacts)
            )
            before = {**before, **measure(motion)}
        moved_m = np.linalg.norm(joint_positions(corrected) - joint_positions(motion), axis=-1).mean()
        raised_m = np.median((corrected.root_m - motion.root_m)[:, 1])
        before_m_s, after_m_s = standing_speeds_m_s(motion, corrected)
        return replace(
            correction,
            motion=corrected,
            before={**before, "standing_m_s": before_m_s},
            after={**correction.after, **measure(corrected), "standing_m_s": after_m_s},
            figures={**correction.figures, "moved_m": float(moved_m), "raised_m": float(raised_m)},
            added_angular_speed_deg_s=added_by_joint_deg_s(motion, corrected),
            notes=notes,
        )

    def _shares(self, motion: Motion) -> np.ndarray:
        """(T, J) how much of the correction each joint gets."""
        time = np.ones(len(motion))
        if (span := self._span()) is not None:
            if span[1] >= len(motion):
                raise InputError(f"{motion.source}: has {len(motion)} frames, and {self.frames} were to be corrected")
            first, last = span
            fade = max(1, min(round(BLEND_S * motion.fps), (last - first) // 2))
            ends = {first: float(first == 0), last: float(last == len(motion) - 1)}
            time = time * interpolate_keyframes([*({first + fade: 1.0, last - fade: 1.0} | ends).items()], len(motion))
        shares = np.repeat(time[:, None], len(motion.skeleton), axis=1)
        for limb, keyframes in self._amounts().items():
            joints = _find_joints(motion.skeleton, limb) if limb else slice(None)
            shares[:, joints] *= interpolate_keyframes(keyframes, len(motion))[:, None]
        return shares


def _check_finite(motion: Motion) -> None:
    finite = np.isfinite(motion.root_m).all(axis=1) & np.isfinite(motion.rotations).all(axis=(1, 2))
    if not finite.all():
        raise CorrectorError(f"{motion.source}: the corrected motion is not finite in frame {int(finite.argmin())}")


def _note_cost_of_keeping(gave_way_m: np.ndarray, missing_m: np.ndarray) -> tuple[Note, ...]:
    """What is said where the body gave way (T,), and where joints (T, K, 3) are not where they were to stay."""
    most_m = float(gave_way_m.max())
    furthest_m = float(np.linalg.norm(missing_m, axis=-1).max())
    gave_way = f"the body gave way by up to {most_m:.3f} m, so that limbs reach what was to stay"
    missed = f"limbs do not reach what was to stay: off by up to {furthest_m:.3f} m"
    words = ((gave_way, most_m), (missed, furthest_m))
    return tuple(Note(words=sentence) for sentence, by_m in words if by_m > KEPT_M)


def _find_joints(skeleton: Skeleton, name: str) -> Sequence[int]:
    """The joints of a limb, or one by its name in the file; InputError where there is none."""
    parts = LIMBS.get(name, ())
    sided = [f"{side}{part}" for part in parts for side in ("", "left_", "right_")]
    joints = [joint for part in sided if (joint := skeleton.joint(part)) is not None]
    if not joints and name in skeleton.names:
        joints = [skeleton.names.index(name)]
    if not joints:
        raise InputError(f"there is no joint {name!r}; there are {', '.join(skeleton.names)}")
    return joints


def blend_motions(before: Motion, after: Motion, shares: np.ndarray) -> Motion:
    """The motion that has gone a share (T, J) of the way from one motion to another of the same skeleton.

    A joint's share is that of its rotation, the root's that of its position, too. 0 gives `before` and 1 `after`, bit
    for bit.
    """
    share = shares[..., None]
    root_m = before.root_m + share[:, 0] * (after.root_m - before.root_m)
    rotations = slerp(before.rotations, after.rotations, share)
    rotations = np.where(share == 1, after.rotations, np.where(share == 0, before.rotations, rotations))
    return replace(after, root_m=np.where(share[:, 0] == 1, after.root_m, root_m), rotations=rotations)


def interpolate_keyframes(keyframes: Sequence[tuple[int, float]], frames: int) -> np.ndarray:
    """Shares (T,) that go smoothly from keyframe to keyframe, (frame, share), and stay before the first and after the
    last.
    """
    at, shares = np.array(sorted(keyframes), dtype=float).T
    place = np.interp(np.arange(frames), at, np.arange(len(at)))
    first = np.minimum(place.astype(int), max(len(at) - 2, 0))
    part = place - first
    last = np.minimum(first + 1, len(at) - 1)
    return shares[first] + (3 - 2 * part) * part**2 * (shares[last] - shares[first])
