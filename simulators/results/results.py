"""Results of corrections: corrected motions, failures, stages and notes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Self, TypeAlias

from selfcorrect.core.moved_fields import read_moved_field
from selfcorrect.motion.checks.findings import Finding
from selfcorrect.motion.measures.moves import UNCHANGED_M
from selfcorrect.motion.measures.physical import SHOWN_ERRORS
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.ground_plane import LEVEL, TILTED_DEG, GroundPlane
from selfcorrect.motion.support import Support
from selfcorrect.motion.views import TurnedWorld

from .motion_world import FloorDecision, MotionWorld
from .timeline import Contact, Timeline

_TRY_FOLLOWING = {"faithful": "try strength 'faithful'", "kinematic": "try 'kinematic'"}


class FailureKind(StrEnum):
    """Kinds of failure.

    Each has a name, and a sentence with the failure's figures and frames.
    """

    sentence: str
    advice: Mapping[str, str]
    """Advice, by the option that it uses."""

    def __new__(cls, name: str, sentence: str, advice: Mapping[str, str] = MappingProxyType({})) -> Self:
        kind = str.__new__(cls, name)
        kind._value_ = name
        kind.sentence = sentence
        kind.advice = advice
        return kind

    TOO_SHORT = (
        "too short",
        "too short: at least {limit:.0f} frames are needed, got {value:.0f}; join it with another",
    )
    NOT_FINITE = "not finite", "not finite at frame {frame}; repair the file there"
    LOST = "lost", "lost: the root was over {limit} m from the motion's at frame {frame}", _TRY_FOLLOWING
    FELL = (
        "fell",
        "fell: without residual force, the root was over {limit} m from the motion's at frame {frame}",
        {"fallback": "try fallback 'balanced'", "strength": "try another strength"},
    )
    OFF = "off", "off: joints were {value:.2f} m from the motion on average at frame {frame}", _TRY_FOLLOWING
    FLOATING = (
        "floating",
        "floating from frame {frame} to frame {last_frame}: no support was found",
        {
            "drop": "'drop' puts it onto the floor",
            "floor": "'floor' {value:.2f} puts the floor under it",
            "support": "support 'off' keeps its height",
        },
    )
    SUNK = (
        "sunk",
        "{value:.2f} m below its ground on average, more than {limit} m",
        {"floor": "'floor' says where the floor is"},
    )
    OTHER = "other", "{words}"


@dataclass(frozen=True)
class Failure:
    """Why a motion was rejected, as data; `str` gives a sentence."""

    kind: FailureKind = FailureKind.OTHER
    frame: int | None = None
    """Frame of the failure, or its first frame; None if unknown."""
    last_frame: int | None = None
    """Last frame of a failure that lasts."""
    joint: str = ""
    """The worst joint, if the failure has one."""
    value: float | None = None
    """The measured value. Its meaning and unit depend on the kind."""
    limit: float | None = None
    """The allowed value, in the same unit."""
    words: str = ""
    """Reason in words, for correctors with other kinds of failure."""
    tried: tuple[str, ...] = ()
    """Options that are not advised, because they were used already or cannot help."""

    def __str__(self) -> str:
        if self.kind is FailureKind.OTHER:
            return self.words if self.frame is None else f"{self.words} at frame {self.frame}"
        sentence = self.kind.sentence.format(**vars(self))
        advice = []
        for option, words in self.kind.advice.items():
            if option not in self.tried and not (self.value is None and "{value" in words):
                advice.append(words.format(**vars(self)))
        return f"{sentence}; {', or '.join(advice)}" if advice else sentence


class Stage(StrEnum):
    """Stage of a correction from which the motion comes."""

    CLEANED = "cleaned"
    """The kinematic clean-up only."""
    PLANNED = "planned"
    """The plan: a cleaned motion that was shifted and stepped until contact forces explain it."""
    SIMULATED = "simulated"
    """The plan with simulated states, in some or all frames."""

    @classmethod
    def last(cls, stages: Iterable[Stage | None]) -> Stage | None:
        """Return the last of the stages that a motion's segments come from, or None."""
        order = list(cls)
        return max((stage for stage in stages if stage is not None), key=order.index, default=None)


class Repair(StrEnum):
    """Causes of large moves: repairs of the root, or the simulation."""

    SPLICES = "spliced parts were joined"
    DRIFT = "the drift of the floor was removed (--keep path leaves it, as on a walkway)"
    SWING = "swings of the floor were removed, its steady drift was not (--keep path leaves both)"
    FLOOR = "the motion was put on the floor"
    SIMULATION = "the simulation diverged"
    OTHER = "knees, spikes, limbs or steps were repaired"


class NoteKind(Enum):
    """Kinds of notes on a corrected motion.

    Each has a sentence with the note's `value`, `words` and `frames`.
    """

    def __init__(self, sentence: str, is_left: bool = False) -> None:
        self.sentence = sentence
        self.is_left = is_left
        """Whether the note is on something that was found and left unchanged."""

    HEIGHT_KEPT = "height left unchanged"
    LOWEST_GROUND = "the lowest ground is at {value:.2f} m"
    FLOOR_MOVED = "the floor was at {value:+.3f} m and was moved to 0 (--keep-level leaves it)"
    FLOOR_UNKNOWN = (
        "the floor is unknown, so the height is unchanged (feet at {value:+.2f} m); pass --floor if you know it",
        True,
    )
    FLOOR_KEPT = "height unchanged: an average body's feet would stand at {value:.2f} m, but this person's bones differ"
    MOVED_FAR = "moved by up to {value:.2f} m: {words}"
    IN_PLACE = "the body stays in place, as on a treadmill at {value:.1f} m/s; its feet stand on that belt", True
    CARRIED = "the body {words}; feet are not planted and the floor stays (--without carried plants the feet)", True
    RIDE = "the ground moves by {value:+.2f} m and carries the body, as a lift does (--level removes the rise)"
    DRIFT_KEPT = "steady drift of the floor at {value:.2g} m/s is left in the path (--remove-drift removes it)", True
    TILTED = "the floor is tilted by {value:.1f} degrees; feet stand on that plane (--level levels it)"
    LEVELLED = "the floor was tilted by {value:.1f} degrees and is level now"
    NOT_LEVELLED = "the floor was not levelled: {words}", True
    TILT_CHANGES = "the tilt of the floor changes; it is {value:.1f} degrees on average (--level removes it)", True
    TILT_IGNORED = "the floor seems tilted by {value:.1f} degrees, but feet stand better on a level floor"
    FEET_KEPT = "corrected feet would slide faster by {value:.3f} m/s, so this correction was dropped", True
    CONTACTS_KEPT = "corrected feet would lose {value:.0%} of their contacts, so this correction was dropped", True
    PATH_RESTORED = "frames {frames}: the path was lost and is restored from the feet (--keep path keeps the root's)"
    FEET_GLIDE = (
        "the feet glide at {value:.1f} m/s, as on skates, and are not planted (--contacts says where they stand)",
        True,
    )
    GLIDE_REMOVED = "the body stands and glides at {value:.2f} m/s; the glide is removed (--keep path keeps it)"
    GLIDE_KEPT = "the body stands and glides at {value:.2f} m/s, as on a walkway; its feet stand on that walkway"
    RISES = "the height of the floor changes by {value:+.2f} m from beginning to end (--level removes the change)"
    RISE_REMOVED = "the height of the floor changed by {value:+.2f} m from beginning to end; the floor is level now"
    REPEATED_FRAMES = "each frame appears {value:.0f} times in a row; corrected without the copies, then repeated again"
    COPIES_REPLACED = "in-between frames replace {value:.0f} repeated frames (--frame-times keep leaves them)"
    COPIES_KEPT = "{value:.0f} frames repeat other frames; corrected without them, then repeated again"
    LINEAR_FRAMES = (
        "linear interpolation between keys every {value:.0f} frames was replaced by curves "
        "(--frame-times keep leaves it)"
    )
    LEGS_RESTORED = "frames {frames}: the left and the right leg were swapped, and are swapped back"
    CURVES_REPAIRED = "frames {words}: curves left their path and were interpolated"
    CHANNELS_HELD = "{words}: held for {value:.2g} frames at a time, now interpolated (--frame-times keep leaves them)"
    STRETCH_KEPT = (
        "frames {frames} were left unchanged: contacts cannot explain them, or corrected feet would slide more"
    )
    UNRELATED_POSES = "frames {frames}: poses without a motion between them, left unchanged"
    NOT_FOLLOWED = "the simulated body could not follow the motion; contacts were planned instead"
    TAKES = "cuts between takes at frames {frames}; each take was corrected in place (--join-takes joins them)", True
    FRAMES_LOST = (
        "frame {frames}: about {value:.0f} frames before it were never written, as the body goes on at the same speed",
        True,
    )
    T_POSE = "T-pose in the first {value:.0f} frames left unchanged"
    T_POSE_AT_END = "T-pose in the last {value:.0f} frames left unchanged"
    LOOP = "loop of {value:.2f} s, which still closes"
    UNEXPLAINED = (
        "unexplained force of {value:.1f} body weights: the motion plays too fast or too slow, or the feet glide"
    )
    CONTACT_MISSED = "a contact is not held: {words}"
    OTHER = "{words}"


@dataclass(frozen=True)
class Note:
    """An assumption or observation, as data; `str` gives a sentence."""

    kind: NoteKind = NoteKind.OTHER
    value: float | None = None
    """A figure. Its meaning and unit depend on the kind."""
    words: str = ""
    """Words within the kind's sentence, or the whole sentence of a corrector with other kinds of notes."""
    repair: Repair | None = None
    """The repair that caused most of a large move, if any did."""
    frames: tuple[int, ...] = ()
    """For takes, the first frame of each except the first. For stretches, the first and last frame of each,
    alternating."""

    def __str__(self) -> str:
        words = self.words if self.repair is None else self.repair
        frames = ", ".join(map(str, self.frames))
        if self.kind in (
            NoteKind.STRETCH_KEPT,
            NoteKind.UNRELATED_POSES,
            NoteKind.PATH_RESTORED,
            NoteKind.LEGS_RESTORED,
        ):
            frames = ", ".join(f"{first} to {last}" for first, last in self.stretches)
        return self.kind.sentence.format(value=self.value, words=words, frames=frames)

    @property
    def stretches(self) -> tuple[tuple[int, int], ...]:
        """First and last frame of each kept stretch."""
        return tuple(zip(self.frames[::2], self.frames[1::2], strict=True))


@dataclass(frozen=True)
class LargeMove:
    """A large move of a joint, which may undo what was intended."""

    distance_m: float
    repair: Repair
    """The repair that moved the root by most of the distance."""

    @property
    def note(self) -> Note:
        """The move as a note."""
        return Note(NoteKind.MOVED_FAR, self.distance_m, repair=self.repair)


LARGE_MOVE_M = 0.2
"""Largest joint move that capture errors explain, in m. Larger moves may undo what was intended, and are reported."""

SHORTEST_FRAMES = 4
"""Minimum number of frames of a motion that can be corrected."""

NOTED_M = 0.01
"""Distance by which a floor must move for a note to report it, in m."""

PIECE_FRAMES = 2048
"""Maximum number of frames that are corrected at once; longer motions are cut into pieces."""
MAX_PIECES_AT_ONCE = 4
"""Maximum length of a loop that is corrected as a whole, and of a motion whose surroundings are inferred, in pieces."""


@dataclass(frozen=True)
class Forces:
    """Forces that act in a correction."""

    residual: Mapping[str, float] = field(default_factory=dict)
    """Mean residual force and torque that a simulated body needed, and mean force that contacts leave unexplained."""
    timeline: Timeline | None = None
    """Forces and contacts of a simulation by frame, or None."""
    is_simulation_dropped: bool = False
    """Whether the simulated body could not follow the motion, so that the forces are those of the plan."""


@dataclass(frozen=True)
class GroundContacts:
    """What carries the body: feet that stand, and supports besides the floor."""

    standing_feet: tuple[Contact, ...] = ()
    """Times in which feet stand in the motion before the correction, and on the ground after it; empty if not
    measured."""
    supports: tuple[Support, ...] = ()
    """Supports that carry the corrected motion besides the floor."""


@dataclass(frozen=True)
class Beliefs:
    """Special cases that were believed, apart from those of the world."""

    is_carried: bool = False
    """Whether something carries the body (a belt, a lift, or something unseen), or frames are unrelated poses. Feet
    that rise or slide are then not a fault."""
    loops_s: tuple[float, ...] = ()
    """Duration of each loop that still closes: of the motion, or of its takes."""
    names: tuple[str, ...] = ()
    """Names of the views and steps whose hypotheses were believed: see `CorrectedMotion.hypotheses`."""


@dataclass(frozen=True)
class MotionChanges:
    """What a correction changed that may have been intended, and what it kept."""

    large_moves: tuple[LargeMove, ...] = ()
    """Joint moves that may undo what was intended, one for each part that was corrected."""
    removed_glide_m_s: float = 0.0
    """Mean speed of a standing glide that was removed, in m/s; 0 without one."""
    kept_stretches: tuple[tuple[int, int], ...] = ()
    """First and last frame of each stretch that is kept uncorrected, because it cannot be explained or feet would
    slide."""
    added_angular_speed_deg_s: Mapping[str, float] = field(default_factory=dict)
    """Largest increase in the angular speed of each joint in any frame, by name; empty if it was not measured."""


@dataclass(frozen=True)
class LeftFaults:
    """What is still wrong after a correction."""

    findings: tuple[Finding, ...] = ()
    """Findings of `check` in the written file; () if nothing was written or checked."""
    missed_contacts: tuple[str, ...] = ()
    """A sentence for each requested contact that is not held."""


@dataclass(frozen=True, eq=False)
class CorrectedMotion:
    """The result of a correction."""

    motion: Motion
    """The corrected motion, with the skeleton, frame rate and length of the original."""
    failure: Failure | None = None
    """The reason why the motion was rejected; None if it was accepted."""
    stage: Stage | None = None
    """The stage from which the motion comes; None if the corrector has no stages, or if the motion failed before the
    first."""
    before: Mapping[str, float] = field(default_factory=dict)
    """Errors before the correction, by name. Errors that were not measured are missing: see `MotionComparison`."""
    after: Mapping[str, float] = field(default_factory=dict)
    """Errors after the correction, by name, for the stance and ground of the motion before."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """All other figures by name, with units. `moved_m` is the mean distance by which joints were moved, and
    `furthest_m` the largest. `raised_m` is the median height by which the root was raised. `lost_contacts` is the share
    of lost contacts, and `lost_contacts_height_m` the height of these feet. `clear_gain` is the largest gain in skating
    or jerk, as a multiple of a clear gain."""
    forces: Forces = Forces()
    """Residual forces and the forces of a simulation."""
    contacts: GroundContacts = GroundContacts()
    """Standing feet and supports."""
    world: MotionWorld = field(default_factory=MotionWorld)
    """World of the motion before the correction: its floor, cuts and T-poses."""
    floor: FloorDecision = field(default_factory=FloorDecision)
    """Where the correction put the floor."""
    beliefs: Beliefs = Beliefs()
    """Special cases that were believed."""
    changes: MotionChanges = MotionChanges()
    """Large changes, and what was kept."""
    left: LeftFaults = LeftFaults()
    """Faults that are left."""
    remarks: tuple[Note, ...] = ()
    """Further assumptions and observations, only for reports."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            return read_moved_field(self, name, _MOVED_FIELDS)

    def __repr__(self) -> str:
        outcome = "rejected" if self.failure else self.stage.value if self.stage else "corrected"
        after = [error.format(self.after[error.key]) for error in SHOWN_ERRORS if error.key in self.after]
        return f"CorrectedMotion({', '.join([outcome, repr(self.motion), *after])})"

    @property
    def accepted(self) -> bool:
        """Whether the correction may be used."""
        return self.failure is None

    @property
    def is_unchanged(self) -> bool:
        """Whether the motion was accepted, and no joint moved by more than `UNCHANGED_M`."""
        return self.accepted and self.figures.get("furthest_m", inf) <= UNCHANGED_M

    @property
    def reason(self) -> str:
        """Why the motion was rejected; "" if it was accepted."""
        return "" if self.failure is None else str(self.failure)

    def see_level(self, motion: Motion) -> tuple[Motion, Motion]:
        """Return the given and the corrected motion above a level floor."""
        if self.floor.slope != LEVEL:
            return motion, TurnedWorld(self.floor.slope.to_level).view(self.motion)
        turned = self.world.floor_frame.turned
        if turned is None or not self.world.plane.is_tilted:
            return motion, self.motion
        is_level = self.world.is_levelled and self.accepted  # a rejected motion is not levelled yet
        return turned.view(motion), self.motion if is_level else turned.view(self.motion)

    @property
    def hypotheses(self) -> tuple[str, ...]:
        """Names of all hypotheses that were believed, of those in `hypotheses.table`."""
        world = self.world
        about_world = {
            "moving-ground": world.ride is not None,
            "tilted-floor": world.plane.is_tilted,
            "t-poses": bool(world.t_poses),
            "takes": bool(world.takes),
            "loops": bool(self.beliefs.loops_s),
        }
        return (*(name for name, is_believed in about_world.items() if is_believed), *self.beliefs.names)

    @property
    def notes(self) -> tuple[Note, ...]:
        """All assumptions and observations: the remarks, and notes on the facts."""
        large_moves = self.changes.large_moves if self.accepted else ()
        notes = [
            *note_facts(self),
            *self.remarks,
            *_note_changes(self),
            *(move.note for move in large_moves),
            *(Note(NoteKind.CONTACT_MISSED, words=words) for words in self.left.missed_contacts),
        ]
        return tuple(note for note in dict.fromkeys(notes) if self._shows(note))

    def _shows(self, note: Note) -> bool:
        """Return whether the figures of the corrected motion show what a note says.

        Facts of stages are about candidates, of which another may have been chosen, and later steps may undo a change.
        """
        if self.is_unchanged and note.kind in _CHANGES:
            return False
        if note.kind is NoteKind.CARRIED:
            raised_m = self.figures.get("raised_m", 0.0)
            return max(abs(self.floor.moved_m), abs(raised_m)) <= NOTED_M
        if note.value is None:
            return True
        if note.kind is NoteKind.MOVED_FAR:
            return note.value <= self.figures.get("furthest_m", inf) + NOTED_M
        if note.kind is NoteKind.FLOOR_MOVED:
            raised_m = self.figures.get("raised_m", -note.value)
            return raised_m * -note.value >= _SHOWN_SHARE * note.value**2
        if note.kind is NoteKind.FEET_GLIDE:
            return self.after.get("slip_m_s", inf) >= _SHOWN_SHARE * note.value
        return True

    @property
    def diagnostics(self) -> dict[str, float]:
        """All figures in one table.

        Errors before and after have the suffixes _before and _after.
        """
        errors = {}
        for name in {**self.before, **self.after}:
            if name in self.before:
                errors[f"{name}_before"] = self.before[name]
            if name in self.after:
                errors[f"{name}_after"] = self.after[name]
        floor_m = {"floor_m": self.floor.moved_m} if self.floor.moved_m else {}
        return {**self.figures, **floor_m, **errors, **self.forces.residual}


_MOVED_FIELDS = {
    "residual": "forces.residual",
    "timeline": "forces.timeline",
    "is_simulation_dropped": "forces.is_simulation_dropped",
    "standing_feet": "contacts.standing_feet",
    "supports": "contacts.supports",
    "is_carried": "beliefs.is_carried",
    "loops_s": "beliefs.loops_s",
    "large_moves": "changes.large_moves",
    "removed_glide_m_s": "changes.removed_glide_m_s",
    "kept_stretches": "changes.kept_stretches",
    "added_angular_speed_deg_s": "changes.added_angular_speed_deg_s",
    "findings_left": "left.findings",
    "missed_contacts": "left.missed_contacts",
}
"""Where each field of `CorrectedMotion` is that stood in it directly before 0.5."""


def note_facts(correction: CorrectedMotion) -> Iterator[Note]:
    """Yield notes on what the file does not show, and on a moved floor."""
    world = correction.world
    floor = correction.floor
    if world.is_height_kept:
        yield Note(NoteKind.HEIGHT_KEPT)
    if world.levels and not (world.is_levelled or world.is_rise_removed):
        yield Note(NoteKind.NOT_LEVELLED, words=_explain_level_floor(world.plane))
    if abs(floor.moved_m) > NOTED_M:
        yield Note(NoteKind.FLOOR_MOVED, floor.moved_m)
    if floor.lowest_ground_m is not None:
        yield Note(NoteKind.LOWEST_GROUND, floor.lowest_ground_m)
    if floor.unknown_m is not None:
        yield Note(NoteKind.FLOOR_UNKNOWN, floor.unknown_m)


def _note_changes(correction: CorrectedMotion) -> Iterator[Note]:
    """Yield notes on what the correction changed and what it left."""
    changes = correction.changes
    if changes.removed_glide_m_s:
        yield Note(NoteKind.GLIDE_REMOVED, changes.removed_glide_m_s)
    if changes.kept_stretches:
        frames = tuple(frame for stretch in sorted(changes.kept_stretches) for frame in stretch)
        yield Note(NoteKind.STRETCH_KEPT, frames=frames)
    if correction.forces.is_simulation_dropped:
        yield Note(NoteKind.NOT_FOLLOWED)
    for seconds in correction.beliefs.loops_s:
        yield Note(NoteKind.LOOP, seconds)


def _explain_level_floor(plane: GroundPlane) -> str:
    """Explain why a plane does not count as tilted."""
    if not plane.stances:
        return "its stances and posture do not show a tilted plane"
    return f"it seems tilted by {plane.tilt_deg:.1f} degrees, and less than {TILTED_DEG:g} count as level"


_SHOWN_SHARE = 0.5
"""Minimum share of a note's value that the corrected motion must show."""
_CHANGES = (
    NoteKind.FLOOR_MOVED,
    NoteKind.MOVED_FAR,
    NoteKind.LEVELLED,
    NoteKind.PATH_RESTORED,
    NoteKind.GLIDE_REMOVED,
    NoteKind.RISE_REMOVED,
    NoteKind.REPEATED_FRAMES,
    NoteKind.COPIES_REPLACED,
    NoteKind.COPIES_KEPT,
    NoteKind.LINEAR_FRAMES,
    NoteKind.LEGS_RESTORED,
    NoteKind.CHANNELS_HELD,
)
"""Kinds of notes on a change, which an unchanged motion does not show."""


CorrectMotions: TypeAlias = Callable[[Sequence[Motion]], Sequence[CorrectedMotion]]
"""A function that corrects several motions at once, in order, and can share the work among processes."""
