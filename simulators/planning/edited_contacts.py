"""Editable contacts of feet, heels, toes and hands.

Users read and edit the part, kind, first and last frame, and position of each contact.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.surface import sole_points
from selfcorrect.motion.geometry.runs import spans
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.perception.foot_frames import level_feet
from selfcorrect.motion.perception.stance_model import LIKELY
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.storage.files.strict_json import read_file_as
from selfcorrect.storage.files.writing import refuse_to_replace, write_atomically

from ..body.soles import stance_velocities
from ..core.stance import PosedMotions

_FLAT_SOLE_M = 0.015
"""Steepness of the sole at which a frame's weight for the position of a contact falls to 1/e, in m above the flattest
frame."""
_STILL_SOLE_M_S = 0.2
"""Sliding speed at which that weight falls to 1/e, in m/s above the slowest frame."""

HAND_NAMES = ("left hand", "right hand")

PartName = Literal[
    "left foot", "right foot", "left heel", "left toes", "right heel", "right toes", "left hand", "right hand"
]
FEET: tuple[PartName, PartName] = ("left foot", "right foot")
POINTS: tuple[tuple[PartName, PartName], ...] = (("left heel", "left toes"), ("right heel", "right toes"))
"""Heel and toes of each foot, which may be in contact at different times."""
PARTS = get_args(PartName)

ContactKind = Literal["stands", "slides", "rides"]
"""Kinds of contacts. "stands": the foot stays in place. "slides": the foot rests on the ground and moves along it as in
the file. "rides": the foot stays in place on something that moves with it, such as a board, a walkway or a lift; path
and height stay as in the file."""

HOLDING_TOLERANCE_M = 0.01
"""Maximum distance of a held part from its contact, in m."""

FRAME_RATE_TOLERANCE = 0.01
"""Tolerated relative difference between frame rates. For example, 29.97 is often written as 30."""


@dataclass(frozen=True)
class LimbContact:
    """A contact of a foot or hand, or of a heel or toes alone.

    A foot stands, slides or rides, and all other parts stay in place, from a first to a last frame. While a foot
    stands as a whole, it may roll over heel and toes.
    """

    part: PartName
    first_frame: int
    last_frame: int
    """Inclusive."""
    position_m: tuple[float, ...] | None = None
    """(3,) position of the wrist, or of the middle of the flat sole, in the world (y up). None keeps the position that
    the correction gives it."""
    kind: ContactKind = "stands"

    def __post_init__(self) -> None:
        for name, allowed in (("part", PARTS), ("kind", get_args(ContactKind))):
            if getattr(self, name) not in allowed:
                raise InputError(
                    f"{name} of a contact must be one of {', '.join(allowed)}, got {getattr(self, name)!r}"
                )
        if self.part not in FEET and self.kind != "stands":
            raise InputError(f"contact of the {self.part}: only feet can be of kind {self.kind}; other parts stand")
        if self.point is not None and self.position_m is not None:
            raise InputError(f"contact of the {self.part}: heels and toes have no position_m; leave it out")
        if self.position_m is None:
            return
        if self.kind != "stands":
            raise InputError(f"contact of the {self.part}: kind {self.kind} has no position_m; leave it out")
        if len(self.position_m) != 3 or not np.isfinite(self.position_m).all():
            raise InputError(f"contact of the {self.part}: position_m must be three finite numbers")
        object.__setattr__(self, "position_m", tuple(self.position_m))

    def __str__(self) -> str:
        return f"{self.part}, frames {self.first_frame} to {self.last_frame}"

    @property
    def is_hand(self) -> bool:
        """Whether the part is a hand."""
        return self.part in HAND_NAMES

    @property
    def foot(self) -> int:
        """0 for the left side, 1 for the right."""
        return int(self.part.startswith("right"))

    @property
    def point(self) -> int | None:
        """0 for a heel, 1 for toes, None for other parts."""
        points = POINTS[self.foot]
        return points.index(self.part) if self.part in points else None

    @property
    def frames(self) -> slice:
        """The frames of the contact."""
        return slice(self.first_frame, self.last_frame + 1)


@dataclass(frozen=True)
class Contacts:
    """All contacts of feet and hands in a motion.

    A foot without contact swings. `save` and `load` keep contacts as JSON: `frames`, `fps`, and `contacts`, a list of
    objects with the fields of `LimbContact`. A contact that is listed twice counts once.

    Raises:
        InputError: Two contacts of a part overlap, a foot stands as a whole and by its heel or toes at a time, or a
            contact is not within the frames.
    """

    frames: int
    fps: float
    """Frames per second."""
    contacts: tuple[LimbContact, ...] = ()

    def __post_init__(self) -> None:
        if self.frames < 1 or not (np.isfinite(self.fps) and self.fps > 0):
            raise InputError(f"contacts need at least 1 frame and a positive fps, got {self.frames} and {self.fps}")
        object.__setattr__(self, "contacts", tuple(dict.fromkeys(self.contacts)))
        for contact in self.contacts:
            if not 0 <= contact.first_frame <= contact.last_frame < self.frames:
                raise InputError(
                    f"contact of the {contact.part} from frame {contact.first_frame} to {contact.last_frame}: "
                    f"expected first ≤ last, both from 0 to {self.frames - 1}"
                )
        for part in PARTS:
            for earlier, later in pairwise(self.of_part(part)):
                if later.first_frame <= earlier.last_frame:
                    raise InputError(
                        f"contacts of the {part} overlap: frames {earlier.first_frame} to {earlier.last_frame} "
                        f"and {later.first_frame} to {later.last_frame}; a part is in one contact at a time"
                    )
        if self.has_points:
            for foot, part in enumerate(FEET):
                both = self.is_in_contact(part) & self.point_mask()[:, foot].any(axis=1)
                if both.any():
                    raise InputError(
                        f"contacts of the {part} in frame {int(both.argmax())}: the foot stands both as a whole and by "
                        "its heel or toes; leave one of them out"
                    )

    @classmethod
    def from_motion(cls, motion: Motion, *, by_point: bool = False) -> Contacts:
        """Detect contacts with a floor at y = 0, as a correction does.

        They follow from the height and speed of the soles.

        Args:
            by_point: Contacts of heels and toes instead of feet, for a skeleton that has toe joints.
        """
        posed = pose_level(motion)
        stands = posed.stands_on(0.0)[0]
        contacts = []
        if by_point and list_foot_parts(motion.skeleton) != FEET:
            touches = _find_touching_points(posed, stands)
            return cls(len(motion), motion.fps, tuple(_list_point_contacts(touches)))
        for foot, part in enumerate(FEET):
            for first, last in spans(stands[:, foot]):
                position_m = StandingFoot.from_pose(posed, foot, first, last).position_m
                contacts.append(LimbContact(part, first, last, tuple(np.round(position_m, 4).tolist())))
        return cls(len(motion), motion.fps, tuple(sorted(contacts, key=lambda contact: contact.first_frame)))

    @classmethod
    def load(cls, path: str | Path) -> Contacts:
        """Read contacts from a file.

        Raises:
            InputError: The file does not contain contacts.
        """
        return read_file_as(cls, Path(path))

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the contacts as JSON.

        Raises:
            SettingError: The file exists and may not be replaced.
        """
        path = Path(path).expanduser()
        refuse_to_replace(path, overwrite)
        write_atomically(path, self.text(), overwrite=overwrite)

    def text(self) -> str:
        """Return the JSON that `save` writes."""
        return json.dumps(asdict(self), indent=1) + "\n"

    def of_part(self, part: str, *kinds: ContactKind) -> list[LimbContact]:
        """Return the contacts of a foot or hand, in order of time.

        Args:
            kinds: Kinds of contacts to return; all if none is given.
        """
        contacts = [contact for contact in self.contacts if contact.part == part]
        chosen = [contact for contact in contacts if not kinds or contact.kind in kinds]
        return sorted(chosen, key=lambda contact: contact.first_frame)

    @property
    def has_points(self) -> bool:
        """Whether any contact is of a heel or of toes alone."""
        return any(contact.point is not None for contact in self.contacts)

    def point_mask(self) -> np.ndarray:
        """Return the frames (T, 2, 2) in which left and right heel and toes are in contacts of their own."""
        masks = [[self.is_in_contact(part) for part in points] for points in POINTS]
        return np.moveaxis(np.array(masks), -1, 0)

    def merge_points(self) -> Contacts:
        """Return contacts of whole feet, which stand while their heel or toes do."""
        if not self.has_points:
            return self
        stands = np.asarray(self.point_mask().any(axis=2))
        merged = [contact for contact in self.contacts if contact.point is None]
        for foot, part in enumerate(FEET):
            merged += [LimbContact(part, first, last) for first, last in spans(stands[:, foot])]
        return Contacts(self.frames, self.fps, tuple(sorted(merged, key=lambda contact: contact.first_frame)))

    def mask(self, kind: ContactKind) -> np.ndarray:
        """Return the frames in which feet have a kind of contact.

        Returns:
            (T, 2) bool, left foot first.
        """
        is_in_contact = np.zeros((self.frames, len(FEET)), dtype=bool)
        for foot, part in enumerate(FEET):
            for contact in self.of_part(part, kind):
                is_in_contact[contact.frames, foot] = True
        return is_in_contact

    def has_kinds(self, *kinds: ContactKind) -> bool:
        """Return whether any contact is of one of these kinds."""
        return any(contact.kind in kinds for contact in self.contacts)

    def is_in_contact(self, part: str) -> np.ndarray:
        """Return the frames (T,) in which a part is in contact."""
        is_in_contact = np.zeros(self.frames, dtype=bool)
        for contact in self.of_part(part):
            is_in_contact[contact.frames] = True
        return is_in_contact

    def positions_m(self, part: str) -> np.ndarray:
        """Return a part's positions (T, 3) in contact.

        They are NaN in frames without contact, or without a position.
        """
        positions_m = np.full((self.frames, 3), np.nan)
        for contact in self.of_part(part):
            if contact.position_m is not None:
                positions_m[contact.frames] = contact.position_m
        return positions_m

    def cut(self, frames: slice) -> Contacts:
        """Return the contacts within a piece of the motion, in frames that count from its first one."""
        start, stop, _ = frames.indices(self.frames)
        inside = []
        for contact in self.contacts:
            first = max(contact.first_frame, start)
            last = min(contact.last_frame, stop - 1)
            if first <= last:
                inside.append(replace(contact, first_frame=first - start, last_frame=last - start))
        return Contacts(stop - start, self.fps, tuple(inside))

    def check_times(self, motion: Motion) -> None:
        """Check that a motion has the same times as the contacts.

        Raises:
            InputError: The length or the frame rate differs.
        """
        if len(motion) != self.frames:
            raise InputError(f"{motion.source}: has {len(motion)} frames, but the contacts have {self.frames}")
        if abs(self.fps / motion.fps - 1) > FRAME_RATE_TOLERANCE:
            raise InputError(
                f"{motion.source}: has {motion.fps:g} frames per second, but the contacts have {self.fps:g}"
            )


def list_foot_parts(skeleton: Skeleton) -> tuple[PartName, ...]:
    """List the parts of feet that have contacts: heels and toes, or whole feet without toe joints."""
    return FEET if skeleton.pair("foot") is None else (*POINTS[0], *POINTS[1])


def _find_touching_points(posed: PosedMotions, stands: np.ndarray) -> np.ndarray:
    """Find the frames (T, 2, 2) in which heel and toes of standing feet (T, 2) stand still on the ground.

    On the ground is what a contact would hold: within `HOLDING_TOLERANCE_M` of the foot's lowest height in the stance.
    """
    touches = posed.standing[0] > LIKELY
    heights_m = point_heights_m(posed)
    for foot in range(len(FEET)):
        touches[~stands[:, foot], foot] = False
        for first, last in spans(stands[:, foot]):
            of_stance_m = heights_m[first : last + 1, foot]
            touches[first : last + 1, foot] &= of_stance_m < of_stance_m.min() + HOLDING_TOLERANCE_M
    return touches


def point_heights_m(posed: PosedMotions) -> np.ndarray:
    """Return the height (T, 2, 2) of heels and balls above a known ground or y = 0, in feet with toe joints."""
    corners_m = posed.standing_m(posed.feet_m[0])[..., 1]
    return corners_m[..., :4].reshape(*corners_m.shape[:2], 2, 2).min(-1)


def _list_point_contacts(touches: np.ndarray) -> list[LimbContact]:
    """List contacts of heels and toes in order of time, given the frames (T, 2, 2) in which they touch the ground."""
    contacts = []
    for foot, parts in enumerate(POINTS):
        for point, part in enumerate(parts):
            contacts += [LimbContact(part, first, last) for first, last in spans(touches[:, foot, point])]
    return sorted(contacts, key=lambda contact: (contact.first_frame, contact.part))


def pose_level(motion: Motion) -> PosedMotions:
    """Pose a motion with its observed soles, level in standing feet."""
    levelled = level_feet(motion)
    return PosedMotions.from_motions(MotionBatch.stack([levelled]), sole_points(levelled.skeleton))


@dataclass(frozen=True, eq=False)
class StandingFoot:
    """A foot in the F frames of a contact.

    While a foot stands, the part of the sole that touches the ground does not move, but the remaining sole may roll
    about that part.
    """

    corners_m: np.ndarray
    """(F, K, 3) corners of the sole, world."""
    slip_m: np.ndarray
    """(F, 2) displacement of the touching part since the first frame, along x and z."""
    weights: np.ndarray
    """(F,) weights of the frames in the mean position, which sum to 1. Flat and still frames count most."""

    @classmethod
    def from_pose(cls, posed: PosedMotions, foot: int, first: int, last: int) -> StandingFoot:
        """Return a foot of a posed motion during a contact."""
        return cls.from_corners(posed.feet_m[0, first : last + 1, foot], posed.motions.fps)

    @classmethod
    def from_corners(cls, corners_m: np.ndarray, fps: float) -> StandingFoot:
        """Return a foot with corners (F, K, 3) of its sole, world; a single one (K = 1) stays where it is."""
        velocity_m_s = stance_velocities(corners_m[None, :, None], fps)[0, :, 0]
        slip_m = np.zeros((len(corners_m), 2))
        slip_m[1:] = np.cumsum(velocity_m_s, axis=0) / fps
        return cls(corners_m, slip_m, _frame_weights(corners_m, velocity_m_s))

    @property
    def middles_m(self) -> np.ndarray:
        """Middle (F, 3) of the sole in each frame."""
        return self.corners_m.mean(axis=1)

    @property
    def position_m(self) -> np.ndarray:
        """Mean position (3,) of the sole's middle while the sole is flat and still."""
        return self.weights @ self.middles_m

    def displacements_m(self, position_m: np.ndarray) -> np.ndarray:
        """Return the smallest displacements (F, 2) for a still stance.

        Args:
            position_m: (3,) where the foot stands.

        Returns:
            (F, 2) along x and z, in m.
        """
        steady_m = self.middles_m[:, [0, 2]] - self.slip_m
        return position_m[[0, 2]] - self.weights @ steady_m - self.slip_m


def _frame_weights(corners_m: np.ndarray, velocity_m_s: np.ndarray) -> np.ndarray:
    """Weigh frames (F,) for a foot's mean position.

    Args:
        corners_m: (F, K, 3) corners of the sole.
        velocity_m_s: (F − 1, 2) velocities between frames.
    """
    heights_m = corners_m[..., 1]
    steepness_m = heights_m.max(axis=1) - heights_m.min(axis=1)
    between_m_s = norms(velocity_m_s) if len(velocity_m_s) else np.zeros(1)
    before_m_s = np.append(between_m_s[:1], between_m_s)
    after_m_s = np.append(between_m_s, between_m_s[-1:])
    speed_m_s = np.minimum(before_m_s, after_m_s)[: len(corners_m)]
    unevenness = (steepness_m - steepness_m.min()) / _FLAT_SOLE_M
    slipping = (speed_m_s - speed_m_s.min()) / _STILL_SOLE_M_S
    exponents = unevenness**2 + slipping**2
    weights = np.exp(exponents.min() - exponents)
    return weights / weights.sum()
