"""Timelines: when each foot is in contact, how far it slips in its stances, and which problems are left.

Heights are those of the drawn shoes (see `figure`), so a page's figures describe what it shows. Slips and stances are
those of `measures.slip`, from touch-down to lift-off. A contact, in which the foot should stand still, is mostly
shorter than its stance.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..geometry.runs import spans
from ..geometry.vectors import norms
from ..measures.physical import ERRORS, TOLERANCE_M
from ..measures.roughness import angular_speeds_rad_s, joint_jerks_m_s3
from ..measures.slip import Slip, measure_slip
from ..motion import Motion
from .figure import FOOT_RADIUS_M, pose_figure

TIMELINE_SCRIPT = Path(__file__).with_name("timeline.js")
"""Script that draws a timeline on the player's page."""

_FEET = ("left foot", "right foot")

(_JERK_ERROR,) = (error for error in ERRORS if error.key == "jerk_m_s3")

VISIBLE_M = 0.01
"""Distance from which on a depth or a height is a problem, in m. Foot tracks label slips from it on."""
SLIPS_M = 0.06
"""Slip of a stance from which on it is a problem, in m: the median slip of the stances of 30 captures."""
_POP_DEG_S = 100.0
"""Increase in a knee's angular speed by a correction from which on the knee pops, in °/s."""
_JERKY = 4.0
"""Increase in the body's jerk by a correction, in multiples of the clip's median, from which on it is a problem."""
_SAME_S = 0.2
"""Longest pause within one problem, in s."""
_MOST_PROBLEMS = 300
"""Maximum number of problems on a page; those that are left out are the smallest."""


@dataclass(frozen=True)
class Bar:
    """A foot in contact from a first to a last frame."""

    foot: int
    first: int
    last: int
    """Inclusive."""


@dataclass(frozen=True)
class Problem:
    """A fault that is left."""

    kind: str
    """"slip", "knee", "penetration", "floating", "jerk" or "contact"."""
    frame: int
    """The worst frame."""
    first: int
    last: int
    severity: float
    """Multiple of the smallest value that is a problem."""
    words: str


@dataclass(frozen=True, eq=False)
class FrameErrors:
    """Errors of a motion in each of T frames, left foot first."""

    fps: float
    slip: Slip
    """Stances of the whole motion, and how far they slip."""
    heights_m: np.ndarray
    """(T, 2) height of each sole's lowest point above the ground."""
    knee_speeds_deg_s: np.ndarray
    """(T − 1, 2) angular speed of the knees; no columns without knees."""
    jerks_m_s3: np.ndarray
    """(T − 3,) mean jerk of the joints."""

    @classmethod
    def from_motion(cls, motion: Motion, slip: Slip | None = None) -> "FrameErrors | None":
        """Measure a motion, or return None without two feet.

        Without `slip`, which is that of a motion of which this is a piece, it is measured.
        """
        figure, points_m = pose_figure(motion)
        soles_m = [points_m[:, np.unique(figure.bones[figure.feet == foot])] for foot in (0, 1)]
        if not all(sole_m.size for sole_m in soles_m):
            return None
        standing_m = soles_m if motion.ground is None else [motion.ground.standing_on(sole_m) for sole_m in soles_m]
        heights_m = np.stack([sole_m[..., 1].min(axis=1) for sole_m in standing_m], axis=1) - FOOT_RADIUS_M
        knees = list(motion.skeleton.pair("knee") or ())
        return cls(
            motion.fps,
            measure_slip(motion) if slip is None else slip,
            heights_m,
            np.degrees(angular_speeds_rad_s(motion)[:, knees]),
            joint_jerks_m_s3(points_m[:, : len(motion.skeleton)], motion.fps).mean(axis=1),
        )

    def find_slip_m(self, bar: Bar) -> float | None:
        """Return the slip of the stance that a contact belongs to, in m.

        Of several stances, the one that slips furthest counts. Without a stance, the result is None.
        """
        slips_m = []
        for stance in self.slip.stances:
            if stance.foot == bar.foot and stance.first <= bar.last and bar.first <= stance.last:
                slips_m.append(stance.slip_m)
        return max(slips_m, default=None)

    def with_piece(self, start: int, piece: "FrameErrors") -> "FrameErrors":
        """Return the errors with those of a piece that was measured again.

        Frames at its ends are taken only where the differences to their neighbours lie within the piece.

        Args:
            start: First frame of the piece, which has at least four frames.
            piece: Errors of the piece, with the slip of the whole motion.
        """

        def insert(whole: np.ndarray, part: np.ndarray) -> np.ndarray:
            joined = whole.copy()
            joined[start : start + len(part)] = part
            return joined

        return FrameErrors(
            self.fps,
            piece.slip,
            insert(self.heights_m, piece.heights_m),
            insert(self.knee_speeds_deg_s, piece.knee_speeds_deg_s),
            insert(self.jerks_m_s3, piece.jerks_m_s3),
        )

    @property
    def depths_m(self) -> np.ndarray:
        """Depth (T,) of the lower foot below the ground, or 0 up to 5 mm."""
        depths_m = -self.heights_m.min(axis=1)
        return np.where(depths_m > TOLERANCE_M, depths_m, 0.0)

    def floats_m(self, bars: Sequence[Bar]) -> np.ndarray:
        """Return heights (T, 2) of feet in contact above the ground; feet without contact have 0."""
        is_in_contact = np.zeros(self.heights_m.shape, dtype=bool)
        for bar in bars:
            is_in_contact[bar.first : bar.last + 1, bar.foot] = True
        return np.where(is_in_contact & (self.heights_m > TOLERANCE_M), self.heights_m, 0.0)

    def summarize(self, bars: Sequence[Bar]) -> dict[str, float]:
        """Return the figures of a page: mean slip per stance, depth and height, fastest knee, mean jerk."""
        return {
            "slip_mm": 1000 * self.slip.per_stance_m,
            "penetration_mm": 1000 * float(self.depths_m.mean()),
            "floating_mm": 1000 * float(self.floats_m(bars).max(axis=1, initial=0.0).mean()),
            "knee_deg_s": float(self.knee_speeds_deg_s.max(initial=0.0)),
            "jerk_m_s3": float(self.jerks_m_s3.mean()) if len(self.jerks_m_s3) else 0.0,
        }


def find_problems(
    errors: FrameErrors, bars: Sequence[Bar], fps: float, before: FrameErrors | None = None
) -> list[Problem]:
    """Find what is wrong with a motion, worst first.

    Args:
        errors: Errors of the motion.
        bars: Its contacts.
        fps: Frames per second.
        before: Errors before the correction. Without them, no knee pops and jerks are found, because only a comparison
            tells them from quick knees and impacts.
    """
    problems = [*_find_slips(errors), *_find_heights(errors, bars, fps)]
    if before is not None:
        problems += [*_find_pops(errors, before, fps), *_find_jerks(errors, before, fps)]
    return sorted(problems, key=lambda problem: -problem.severity)[:_MOST_PROBLEMS]


def _find_slips(errors: FrameErrors) -> Iterator[Problem]:
    for stance in errors.slip.stances:
        if stance.slip_m <= SLIPS_M:
            continue
        frame = stance.first + 1 + int(norms(np.diff(stance.path_m, axis=0)).argmax())
        words = f"The {_FEET[stance.foot]} slips by {1000 * stance.slip_m:.0f} mm in its stance."
        yield Problem("slip", frame, stance.first, stance.last, stance.slip_m / SLIPS_M, words)


def _find_heights(errors: FrameErrors, bars: Sequence[Bar], fps: float) -> Iterator[Problem]:
    floats_m = errors.floats_m(bars)
    for foot, name in enumerate(_FEET):
        depths_m = -errors.heights_m[:, foot]
        for first, last, frame in _find_peaks(depths_m, VISIBLE_M, fps):
            words = f"The {name} is {1000 * depths_m[frame]:.0f} mm below the floor."
            yield Problem("penetration", frame, first, last, float(depths_m[frame]) / VISIBLE_M, words)
        for first, last, frame in _find_peaks(floats_m[:, foot], VISIBLE_M, fps):
            words = f"The {name} floats {1000 * floats_m[frame, foot]:.0f} mm above the floor in its contact."
            yield Problem("floating", frame, first, last, float(floats_m[frame, foot]) / VISIBLE_M, words)


def _find_pops(errors: FrameErrors, before: FrameErrors, fps: float) -> Iterator[Problem]:
    added_deg_s = errors.knee_speeds_deg_s - before.knee_speeds_deg_s
    for knee, side in zip(range(added_deg_s.shape[1]), ("left", "right"), strict=False):
        for first, last, frame in _find_peaks(added_deg_s[:, knee], _POP_DEG_S, fps):
            value = float(added_deg_s[frame, knee])
            words = f"The {side} knee turns {value:.0f}°/s faster than before the correction."
            yield Problem("knee", frame + 1, first, last + 1, value / _POP_DEG_S, words)


def _find_jerks(errors: FrameErrors, before: FrameErrors, fps: float) -> Iterator[Problem]:
    """Find jerks that a correction added. Steps and impacts jerk, too, but they did so before."""
    if not len(errors.jerks_m_s3):
        return
    added_m_s3 = errors.jerks_m_s3 - before.jerks_m_s3
    threshold_m_s3 = max(_JERKY * float(np.median(errors.jerks_m_s3)), _JERK_ERROR.repeatability)
    for first, last, frame in _find_peaks(added_m_s3, threshold_m_s3, fps):
        words = f"The body jerks by {added_m_s3[frame]:.0f} m/s³ more than before the correction."
        yield Problem("jerk", frame + 1, first, last + 3, float(added_m_s3[frame]) / threshold_m_s3, words)


def _find_peaks(values: np.ndarray, threshold: float, fps: float) -> Iterator[tuple[int, int, int]]:
    """Yield first, last and largest frame of each run of values (T,) above a threshold."""
    for first, last in spans(values > threshold, round(_SAME_S * fps)):
        yield first, last, first + int(values[first : last + 1].argmax())


@dataclass(frozen=True)
class ContactTimeline:
    """What a page says about the contacts of a motion."""

    contacts: Mapping[str, Any]
    """Content of a contact file: `frames`, `fps` and `contacts`."""
    name: str
    """Name of the contact file."""
    rate: float
    """Number of the motion's frames per frame of the page."""
    slips_mm: tuple[tuple[float | None, float | None], ...]
    """Slip before and after the correction of the stance that each contact of a foot belongs to.

    None for hands, without a stance, and if there is no motion before.
    """
    problems: tuple[Problem, ...]
    figures: Mapping[str, tuple[float | None, float]]
    """Figures by name, before and after."""
    lanes: tuple[str, ...] = _FEET
    """Parts whose contacts are shown, a lane each: feet, or heels and toes."""
    slips_from_mm: float = 1000 * SLIPS_M
    """Slip of a stance from which on it is a problem."""

    @classmethod
    def from_errors(
        cls,
        after: FrameErrors,
        before: FrameErrors | None,
        contacts: Mapping[str, Any],
        name: str,
        rate: float,
        lanes: tuple[str, ...] = _FEET,
        further: Sequence[Problem] = (),
    ) -> "ContactTimeline":
        """Summarize measured errors in given contacts.

        `further` are problems that were found elsewhere.
        """
        entries = contacts["contacts"]
        bars = {index: bar for index, entry in enumerate(entries) if (bar := _read_bar(entry)) is not None}
        slips = []
        for index in range(len(entries)):
            bar = bars.get(index)
            slips.append((_slip_mm(before, bar), _slip_mm(after, bar)))
        standing = list(bars.values())
        of_before = {} if before is None else before.summarize(standing)
        figures = {key: (of_before.get(key), value) for key, value in after.summarize(standing).items()}
        problems = [*find_problems(after, standing, contacts["fps"], before), *further]
        problems.sort(key=lambda problem: -problem.severity)
        return cls(contacts, name, rate, tuple(slips), tuple(problems), figures, lanes)

    def to_json(self) -> dict[str, Any]:
        """Return the values for the page."""
        return asdict(self)


def _read_bar(contact: Mapping[str, Any]) -> Bar | None:
    """Return the bar of a contact of a foot, heel or toes that should stand still, or None."""
    side, _, part = contact["part"].partition(" ")
    if part == "hand" or contact.get("kind", "stands") != "stands":
        return None
    return Bar(("left", "right").index(side), contact["first_frame"], contact["last_frame"])


def _slip_mm(errors: FrameErrors | None, bar: Bar | None) -> float | None:
    slip_m = None if errors is None or bar is None else errors.find_slip_m(bar)
    return None if slip_m is None else round(1000 * slip_m, 1)
