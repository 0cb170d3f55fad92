"""What a correction of motions is, and what came out for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self, TypeAlias

from ..motion import Motion
from ..support import Support
from .timeline import Timeline


class FailureKind(StrEnum):
    """Why motions are rejected."""

    TOO_SHORT = "too short"
    """It has `value` frames and needs `limit`."""
    NOT_FINITE = "not finite"
    """There is a NaN or an infinity."""
    LOST = "lost"
    """The simulated root was more than `limit` metres from where it should be."""
    FELL = "fell"
    """The simulated body, which got no help, was more than `limit` metres from where it should be."""
    OFF = "off"
    """Joints were `value` metres from where they should be on average over the body, `limit` at most are allowed."""
    FLOATING = "floating"
    """From `frame` to `last_frame` something that cannot be inferred holds the body up, or nothing does."""
    OTHER = "other"
    """What `words` say."""


_SENTENCES = {
    FailureKind.TOO_SHORT: "too short: {value:.0f} frames, at least {limit:.0f} are needed; join it with its neighbour",
    FailureKind.NOT_FINITE: "not finite at frame {frame}; repair the file there",
    FailureKind.LOST: "lost: the root was not within {limit} m of the motion's at frame {frame}; "
    "try strength 'faithful', or 'kinematic'",
    FailureKind.FELL: "fell: without residual force the root was not within {limit} m of the motion's at frame "
    "{frame}; try fallback 'balanced', or another strength",
    FailureKind.OFF: "off: joints were {value:.2f} m from the motion on average at frame {frame}; "
    "try strength 'faithful', or 'kinematic'",
    FailureKind.FLOATING: "held up by what cannot be inferred, or floating, from frame {frame} to frame {last_frame}; "
    "'drop' puts it onto the floor, 'floor' says where that is, and support 'off' keeps its height",
}


@dataclass(frozen=True)
class Failure:
    """Why a motion was rejected, as data; `str` makes it a sentence."""

    kind: FailureKind = FailureKind.OTHER
    frame: int | None = None
    """Where, or where it begins, if that is known."""
    last_frame: int | None = None
    """Where it ends, if it lasts."""
    joint: str = ""
    """The joint that is worst, if one is."""
    value: float | None = None
    """What was measured; its meaning and unit are the kind's."""
    limit: float | None = None
    """What is allowed, in the same unit."""
    words: str = ""
    """The words of a corrector with other kinds than these."""

    def __str__(self) -> str:
        if self.kind is FailureKind.OTHER:
            return self.words if self.frame is None else f"{self.words} at frame {self.frame}"
        return _SENTENCES[self.kind].format(**vars(self))

    def later(self, frames: int) -> Self:
        """The same in a motion that begins so many frames before."""
        frame, last = (None if each is None else each + frames for each in (self.frame, self.last_frame))
        return replace(self, frame=frame, last_frame=last)


class Stage(StrEnum):
    """Which stage of a correction its motion comes from."""

    CLEANED = "cleaned"
    """The kinematic clean-up alone."""
    PLANNED = "planned"
    """The plan, a cleaned motion that was shifted and stepped until contact forces explain it."""
    SIMULATED = "simulated"
    """The plan with simulated states, in some frames or in all."""

    @classmethod
    def last(cls, stages: Iterable[Stage | None]) -> Stage | None:
        """The last of some stages, that of a motion whose parts come from them; None where no part has one."""
        order = list(cls)
        return max((stage for stage in stages if stage is not None), key=order.index, default=None)


class Repair(StrEnum):
    """What moves a motion: repairs of its root, and the simulation of all of it."""

    SPLICES = "splices"
    DRIFT = "drift"
    FLOOR = "floor"
    SIMULATION = "simulation"
    OTHER = "other"


_REPAIRS = {
    Repair.SPLICES: "parts that were spliced are joined",
    Repair.DRIFT: "the drift of the floor is taken out",
    Repair.FLOOR: "it is put on the floor",
    Repair.SIMULATION: "the simulated body went another way",
    Repair.OTHER: "knees, spikes, limbs or steps are repaired",
}


class NoteKind(StrEnum):
    """What may be said of a corrected motion."""

    HEIGHT_KEPT = "height kept"
    """Whatever holds the body at its height was not asked for."""
    LOWEST_GROUND = "lowest ground"
    """The motion stands on several heights, of which the lowest is at y = `value` metres."""
    MOVED_FAR = "moved far"
    """A joint was moved by `value` metres, further than errors of captures are wide, mostly by `repair`."""
    IN_PLACE = "in place"
    """The body walks or runs in place, as on a treadmill of `value` metres per second."""
    DRIFT_KEPT = "drift kept"
    """The floor seems to drift at `value` metres per second; the root's way was left."""
    TAKES = "takes"
    """There are cuts between takes at the frames that `words` say."""
    T_POSE = "T-pose"
    """Its first frames, `value` of them, hold a rig's T-pose."""
    LOOP = "loop"
    """It is a loop of `value` seconds."""
    UNEXPLAINED = "unexplained"
    """It moves as if pushed by `value` body weights, which neither floor nor muscles explain."""
    CONTACT_MISSED = "contact missed"
    """A contact that people gave is not held: where, when and by how much, `words` say."""
    OTHER = "other"
    """What `words` say."""


_NOTES = {
    NoteKind.HEIGHT_KEPT: "height left alone",
    NoteKind.LOWEST_GROUND: "the lowest ground lies at {value:.2f} m",
    NoteKind.MOVED_FAR: "moved by up to {value:.2f} m: {words}",
    NoteKind.IN_PLACE: "stays in place, as on a treadmill of {value:.1f} m/s, on which its feet stand",
    NoteKind.DRIFT_KEPT: "its floor seems to drift at {value:.1f} m/s; its way stays, --remove-drift changes it",
    NoteKind.TAKES: "cuts between takes at frames {words}: each was corrected where it is; --join-takes joins them",
    NoteKind.T_POSE: "T-pose in the first frames ({value:.0f}), from which it jumps: left, the rest is corrected",
    NoteKind.LOOP: "a loop of {value:.2f} s, which closes",
    NoteKind.UNEXPLAINED: "moves as if pushed by {value:.1f} body weights: its pace is not gravity's or its feet glide",
    NoteKind.CONTACT_MISSED: "a contact is not held; {words}",
    NoteKind.OTHER: "{words}",
}


@dataclass(frozen=True)
class Note:
    """What was assumed or found, as data; `str` makes it a sentence."""

    kind: NoteKind = NoteKind.OTHER
    value: float | None = None
    """A figure, its meaning and unit the kind's."""
    words: str = ""
    """Frames, or the words of a corrector with other kinds than these."""
    repair: Repair | None = None
    """The repair that did most of it, where one did."""

    def __str__(self) -> str:
        values = vars(self) if self.repair is None else vars(self) | {"words": _REPAIRS[self.repair]}
        return _NOTES[self.kind].format(**values)


@dataclass(frozen=True, eq=False)
class CorrectedMotion:
    """What came out for one motion."""

    motion: Motion
    """The corrected motion, with the skeleton, frame rate and length of the given one."""
    failure: Failure | None = None
    """Why it may not be used, None where it may."""
    stage: Stage | None = None
    """The stage that it comes from, None where the corrector has none or the motion failed before any."""
    before: Mapping[str, float] = field(default_factory=dict)
    """`PhysicalErrors` of the motion before correction, by name, as far as they were measured. Where soles were looked
    for, also the mean speed of ankles and toe joints that stand in it (`standing_m_s`)."""
    after: Mapping[str, float] = field(default_factory=dict)
    """The same of the corrected motion, its `standing_m_s` in the same frames."""
    residual: Mapping[str, float] = field(default_factory=dict)
    """What a simulated body needed from outside: mean residual force, torque, and force that nothing explains."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """All other figures by name, with their unit. `moved_m` is the mean distance by which joints were moved. `raised_m`
    is by how much the whole body was raised, the median of its root, part of the former."""
    added_angular_speed_deg_s: Mapping[str, float] = field(default_factory=dict)
    """Largest angular speed that each joint gained in any frame, by its name; none where it was not measured."""
    timeline: Timeline | None = None
    """What a simulation found in each frame, None where nothing was simulated."""
    supports: tuple[Support, ...] = ()
    """What carries the corrected motion beside the floor."""
    notes: tuple[Note, ...] = ()
    """What else was assumed or found."""

    @property
    def accepted(self) -> bool:
        """Whether it may be used."""
        return self.failure is None

    @property
    def reason(self) -> str:
        """Why it may not be used, a sentence; "" where it may."""
        return "" if self.failure is None else str(self.failure)

    @property
    def diagnostics(self) -> dict[str, float]:
        """All figures in one table: those before and after under NAME_before and NAME_after."""
        times = (("before", self.before), ("after", self.after))
        names = {**self.before, **self.after}
        errors = {f"{name}_{when}": errors[name] for name in names for when, errors in times if name in errors}
        return {**self.figures, **errors, **self.residual}


CorrectMotions: TypeAlias = Callable[[Sequence[Motion]], Sequence[CorrectedMotion]]
"""A correction of several motions at once, in their order, so that it can share the work among processes."""
