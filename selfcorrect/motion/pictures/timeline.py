"""Timelines: when each foot is in contact, how far it slips there, and which problems are left.

Heights are those of the drawn shoes (see `figure`), so a page's figures describe what it shows. Slips are measured as
in `measures.slip`, between the first and the last frame of a contact.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..geometry.runs import find_runs, spans
from ..geometry.vectors import norms
from ..measures.physical import ERRORS, TOLERANCE_M
from ..measures.roughness import angular_speeds_rad_s, joint_jerks_m_s3
from ..measures.skating import find_belts_m_s
from ..measures.slip import find_midlines_m, measure_steps_m
from ..motion import Motion
from ..perception.observation import observe
from ..perception.stance_model import LIKELY
from .figure import FOOT_RADIUS_M, pose_figure

TIMELINE_SCRIPT = Path(__file__).with_name("timeline.js")
"""Script that draws a timeline on the player's page."""

_FEET = ("left foot", "right foot")

(_JERK_ERROR,) = (error for error in ERRORS if error.key == "jerk_m_s3")

VISIBLE_M = 0.01
"""Distance from which on a slip, a depth or a height is a problem, in m. Foot tracks label slips from it on, too."""
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
    midlines_m: np.ndarray
    """(T, 2, K, 3) points along the midline of each sole."""
    belt_m_s: np.ndarray
    """(2,) velocity along x and z of the belt of a treadmill."""
    heights_m: np.ndarray
    """(T, 2) height of each sole's lowest point above the ground."""
    knee_speeds_deg_s: np.ndarray
    """(T − 1, 2) angular speed of the knees; no columns without knees."""
    jerks_m_s3: np.ndarray
    """(T − 3,) mean jerk of the joints."""
    _slips_m: dict[Bar, float] = field(default_factory=dict)
    """Slips that are already known."""

    @classmethod
    def from_motion(cls, motion: Motion, belt_m_s: np.ndarray | None = None) -> "FrameErrors | None":
        """Measure a motion, or return None without two feet.

        Without `belt_m_s`, the belt of a treadmill is inferred.
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
            find_midlines_m(motion),
            find_belts_m_s(motion, motion)[0] if belt_m_s is None else belt_m_s,
            heights_m,
            np.degrees(angular_speeds_rad_s(motion)[:, knees]),
            joint_jerks_m_s3(points_m[:, : len(motion.skeleton)], motion.fps).mean(axis=1),
        )

    def slip_m(self, bar: Bar) -> float:
        """Return the slip of a foot in a contact, in m."""
        if bar not in self._slips_m:
            self._slips_m[bar] = float(norms(self.steps_m(bar)).sum())
        return self._slips_m[bar]

    def steps_m(self, bar: Bar) -> np.ndarray:
        """Return the displacements (F − 1, 2) of the point that bears weight in the F frames of a contact."""
        frames = slice(bar.first, bar.last + 1)
        midlines_m = self.midlines_m[frames, bar.foot].copy()
        midlines_m[..., [0, 2]] -= (np.arange(len(midlines_m)) / self.fps)[:, None, None] * self.belt_m_s
        return measure_steps_m(midlines_m, self.fps)

    def with_piece(self, start: int, piece: "FrameErrors") -> "FrameErrors":
        """Return the errors with those of a piece that was measured again.

        Frames at its ends are taken only where the differences to their neighbours lie within the piece.

        Args:
            start: First frame of the piece, which has at least four frames.
        """

        def insert(whole: np.ndarray, part: np.ndarray) -> np.ndarray:
            joined = whole.copy()
            joined[start : start + len(part)] = part
            return joined

        stop = start + len(piece.heights_m)
        slips_m = {bar: slip_m for bar, slip_m in self._slips_m.items() if bar.last < start or bar.first >= stop}
        return FrameErrors(
            self.fps,
            insert(self.midlines_m, piece.midlines_m),
            self.belt_m_s,
            insert(self.heights_m, piece.heights_m),
            insert(self.knee_speeds_deg_s, piece.knee_speeds_deg_s),
            insert(self.jerks_m_s3, piece.jerks_m_s3),
            slips_m,
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
        """Return the figures of a page: slips, mean depth and height, fastest knee, mean jerk."""
        slips_m = [self.slip_m(bar) for bar in bars]
        return {
            "slip_mm": 1000 * max(slips_m, default=0.0),
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
    problems = [*_find_slips(errors, bars), *_find_heights(errors, bars, fps)]
    if before is not None:
        problems += [*_find_pops(errors, before, fps), *_find_jerks(errors, before, fps)]
    return sorted(problems, key=lambda problem: -problem.severity)[:_MOST_PROBLEMS]


def _find_slips(errors: FrameErrors, bars: Sequence[Bar]) -> Iterator[Problem]:
    for bar in bars:
        slip_m = errors.slip_m(bar)
        if slip_m <= VISIBLE_M:
            continue
        frame = bar.first + 1 + int(norms(errors.steps_m(bar)).argmax())
        words = f"The {_FEET[bar.foot]} slips by {1000 * slip_m:.0f} mm in its contact."
        yield Problem("slip", frame, bar.first, bar.last, slip_m / VISIBLE_M, words)


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
    """Slip before and after the correction in each contact of a foot, None for hands and if there is no motion
    before."""
    problems: tuple[Problem, ...]
    figures: Mapping[str, tuple[float | None, float]]
    """Figures by name, before and after."""
    heel_and_toe: tuple[tuple[tuple[int, int], ...], ...] = ()
    """Start and stop of each contact of left heel, left toe, right heel and right toe, as the motion shows them."""

    @classmethod
    def from_errors(
        cls,
        after: FrameErrors,
        before: FrameErrors | None,
        contacts: Mapping[str, Any],
        name: str,
        rate: float,
        heel_and_toe: tuple[tuple[tuple[int, int], ...], ...] = (),
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
        return cls(contacts, name, rate, tuple(slips), tuple(problems), figures, heel_and_toe)

    def to_json(self) -> dict[str, Any]:
        """Return the values for the page."""
        return asdict(self)


def _read_bar(contact: Mapping[str, Any]) -> Bar | None:
    """Return the bar of a foot's contact that should stand still, or None."""
    if contact["part"] not in _FEET or contact.get("kind", "stands") != "stands":
        return None
    return Bar(_FEET.index(contact["part"]), contact["first_frame"], contact["last_frame"])


def _slip_mm(errors: FrameErrors | None, bar: Bar | None) -> float | None:
    return None if errors is None or bar is None else round(1000 * errors.slip_m(bar), 1)


def find_heel_and_toe(motion: Motion) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Find when left heel, left toe, right heel and right toe stand, as starts and stops."""
    standing = observe(motion).standing
    points = [standing[:, foot, point] for foot in (0, 1) for point in (0, -1)]
    return tuple(tuple(find_runs(likely > LIKELY)) for likely in points)
