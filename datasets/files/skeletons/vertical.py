"""Infer the vertical axis of a file, and view its motion y up on a skeleton with an upright rest pose.

Cues are the format, the rest pose, how the body stands, the floor, and flights. Each may be wrong or missing: the rest
pose may be in a world of its own, people crawl, and flights are rare. No cue decides alone, therefore. Each gives
log-odds of the axes, and the axis with the largest sum is taken. If its lead is small, the file is refused, because a
wrongly rotated motion still looks like a motion.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.rest_pose import find_upright_turns
from selfcorrect.motion.geometry.vectors import GRAVITY_M_S2, find_distinct, median, normalize_safely, norms
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.motion_features import MotionFeatures
from selfcorrect.motion.views import X_UP, FrameChange, FrameChanges, TurnedFrames, to_y_up

from .anatomy import note_overruled_names
from .file_note import FileNote
from .reading import Up
from .sides import unswap_sides

WORDS = ("y up", "z up", "y down", "z down", "x up", "x down")
OPTIONS: tuple[Up, ...] = ("y", "z", "y-down", "z-down", "x", "x-down")
"""Options that name these worlds."""
AXES = np.array(
    [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]
)
"""(6, 3) upward directions in these worlds."""
ALL_AXES = range(len(AXES))

_RESTS = 0.85
"""Smallest cosine between an axis and the line from ankles to neck of a rest pose that stands along this axis."""

_USUAL_AXES = np.array([0.0, 0.0, -2.0, -2.0, -1.5, -1.5])
"""Prior log-odds of the axes for formats without a vertical axis."""
_BY_FORMAT = 3.0
"""Log-odds of the format's axis."""
_BY_REST = 2.5
"""Log-odds of the axis along which the rest pose stands."""
_BY_FLIGHT = 2.2
"""Log-odds of the axis along which the body falls freely."""
_BY_POSTURE = 4.0
"""Log-odds of an axis along which the body stands all the time, negative if the body is upside down."""
_STANDS_STRAINED = (3.0, 5.0)
"""Strains at which an upright body is certainly standing (up to the first) and rather swimming (from the second)."""
_SWIMS_SHARE = 0.25
"""Share of the log-odds by posture that remains for a swimming body, if format and rest pose favour another axis."""
_BY_ZERO = 2.6
"""Log-odds of an axis along which the body is on a floor at 0 and never far below it."""
_BY_TRAVEL = 2.0
"""Log-odds against an axis of travel, because people rarely climb, and those who swim or crawl stay level."""
_LEAD_OF_AXIS = 0.5
"""Smallest lead of the chosen axis, in log-odds."""
_LEAD_OF_CUE = 0.5
"""Smallest lead with which a cue favours an axis, in log-odds."""
_LEAD_AGAINST_OPTION = 5.0
"""Lead of another axis that contradicts the option, in log-odds, if no cue supports the option."""

_LEVEL = 0.06
"""Deviation of the lowest joint from its median height at strain 1, in leg lengths."""
_SUPPORT = 0.12
"""Height above the lowest joint up to which a joint bears weight, in leg lengths."""
_TIPS = 0.1
"""Overhang of the centre of mass, beyond the joints that bear weight, at strain 1, in leg lengths."""
_STILL_PER_S = 0.3
"""Speed of the stillest joint that bears weight at strain 1, in leg lengths per s."""
_HELD_PER_S = 0.1
"""Speed below which any joint may be supported by something unseen, such as a seat or a wall, in leg lengths per s."""

_MAX_STRAIN = 3.0
"""Largest strain that a single criterion adds."""
_AT_ZERO = (-0.04, 0.15)
"""Height range of the lowest joint of a body on a floor at 0, in leg lengths."""
_SHARE_AT_ZERO = 0.2
"""Smallest share of frames in which the lowest joint is in this range."""
_MAX_SINK = 0.3
"""Largest depth to which files let people sink into a floor at 0, in leg lengths."""
_FAR = 1.0
"""Smallest travel along an axis that counts, in leg lengths."""
_STRAIGHT = 0.8
"""Smallest cosine between the travel and the axis."""

_FLIGHT_S = 0.2
"""Minimum duration of a flight, in s."""
_MIN_FLIGHT_FRAMES = 6
"""Minimum number of frames of a flight."""
_GRAVITY_OFF = 0.25
"""Largest relative difference between gravity and the acceleration of the centre of mass in a flight."""
_ALONG = 0.95
"""Smallest cosine between this acceleration and the axis."""
_ROUGH_M = 0.004
"""Largest deviation of a flight from its parabola, in m. The parabola of a minimum flight is 5 cm high."""

_TRACED_PARTS = ("left_hip", "left_knee", "left_ankle", "right_ankle", "neck")
"""Parts that show how a body stands."""
_NO_LEG_M = 1e-6
"""Leg length, in m, that stands for legs of length 0."""
_MOMENTS = 256
"""Maximum number of sampled frames."""
_DIRECTIONS = 16
_MAX_FRAMES = 8192


@dataclass(frozen=True, eq=False)
class TracedBody:
    """A body whose vertical axis is unknown, with positions (T, …) in m."""

    joints_m: np.ndarray
    """(T, B, 3) positions of the body's joints."""
    centre_m: np.ndarray
    """(T, 3) positions of the centre of mass."""
    upwards_m: np.ndarray
    """(T, 3) vectors from the midpoint between the ankles to the neck."""
    leg_m: float
    """Length of a leg."""
    fps: float
    format_axis: int | None = None
    """Vertical axis of the format, or None if it has none."""
    rest_axis: int | None = None
    """Axis along which the rest pose stands, or None."""

    @classmethod
    def from_parts(
        cls,
        parts_m: Mapping[str, np.ndarray],
        joints_m: np.ndarray,
        centre_m: np.ndarray,
        fps: float,
        format_axis: int | None = None,
        rest_axis: int | None = None,
    ) -> Self:
        """Make a body from the positions of its parts.

        Args:
            parts_m: Positions (T, 3) of the left leg's joints, the right ankle and the neck.
            joints_m: As in the class, like all other arguments.
        """
        knee_m = parts_m["left_knee"]
        ankle_m = parts_m["left_ankle"]
        leg_m = norms(knee_m - parts_m["left_hip"]) + norms(ankle_m - knee_m)
        upwards_m = parts_m["neck"] - (ankle_m + parts_m["right_ankle"]) / 2
        usual_leg_m = max(float(median(leg_m)), _NO_LEG_M)
        return cls(joints_m, centre_m, upwards_m, usual_leg_m, fps, format_axis, rest_axis)

    @cached_property
    def moments(self) -> np.ndarray:
        """Sampled frames, which never include the last one."""
        latest = max(len(self.joints_m) - 2, 0)
        frames = np.linspace(0, latest, _MOMENTS).round()
        return find_distinct(frames.astype(int))


@dataclass(frozen=True)
class AxisEvidence:
    """Evidence for a vertical axis."""

    words: str
    axis: int | None = None
    """Index in `AXES` of the axis that a cue favours; None for an option, which names the axis."""

    def __str__(self) -> str:
        return self.words if self.axis is None else f"{WORDS[self.axis]} {self.words}"


@dataclass(frozen=True)
class UpAxis:
    """The vertical axis of a world, with the evidence for it."""

    axis: int
    """Index in `AXES`."""
    evidence: tuple[AxisEvidence, ...] = ()
    notes: tuple[FileNote, ...] = ()
    """Note on an axis that is not the format's, or ()."""
    unknown: tuple[str, ...] = ()
    """Cues that favour no axis."""

    @classmethod
    def from_option(cls, up: Up) -> Self:
        """Return the axis that an option names."""
        return cls(OPTIONS.index(up.removesuffix("!")), (AxisEvidence(f"--up {up}"),))


def up_of_motion(
    motion: Motion,
    up: Up | None,
    format_axis: int | None = None,
    rest_axis: int | None = None,
    among: Sequence[int] = ALL_AXES,
) -> UpAxis:
    """Infer the vertical axis of a motion's world.

    Args:
        up: Axis from the options, which is used unless the motion clearly contradicts it.
        format_axis: Vertical axis of the format or program, or None if it has none.
        rest_axis: Axis along which the rest pose stands, or None.
        among: Candidate axes.

    Raises:
        InputError: The motion contradicts the option, or no axis is clearly more likely than the others.
    """
    source = motion.source or "the motion"
    if up is not None and up.endswith("!"):
        return UpAxis.from_option(up)
    body = None
    features = MotionFeatures.of_joints(motion.frames(0, _MAX_FRAMES))
    if len(motion) and (positions_m := features.places(*_TRACED_PARTS)) is not None:
        parts_m: dict[str, np.ndarray] = dict(zip(_TRACED_PARTS, np.moveaxis(positions_m, 1, 0), strict=True))
        body = TracedBody.from_parts(parts_m, features.body_m, features.centre_m, motion.fps, format_axis, rest_axis)
    if up is not None:
        return _check_option(body, up, source)
    return resolve_up_axis(body, source, format_axis, among)


def _check_option(body: TracedBody | None, up: Up, source: str) -> UpAxis:
    """Return the axis that an option names.

    Raises InputError if another axis leads clearly and no cue supports the option.
    """
    axis = UpAxis.from_option(up).axis
    cues = [] if body is None else _find_cues(body)
    log_odds = sum((cue.log_odds for cue in cues), _USUAL_AXES)
    shown = int(log_odds.argmax())
    is_supported = any(cue.find_lead(axis, ALL_AXES) > _LEAD_OF_CUE for cue in cues)
    if not is_supported and log_odds[shown] - log_odds[axis] > _LEAD_AGAINST_OPTION:
        option = OPTIONS[axis]
        raise InputError(
            f"{source}: --up {option} contradicts the motion, which is {WORDS[shown]} judging by how the body stands "
            f"and moves; leave --up out, or insist with --up {option}!"
        )
    return UpAxis.from_option(up)


def resolve_up_axis(body: TracedBody | None, source: str, format_axis: int | None, among: Sequence[int]) -> UpAxis:
    """Infer the vertical axis of a body's world, or else take the format's.

    Args:
        body: Body in the file's world. If it is None, because legs or neck are unknown, or its legs have length 0, it
            shows nothing.
        source: Name of the motion in messages.
        format_axis: Vertical axis of the format, or None if it has none.
        among: Candidate axes. The first one is assumed if neither body nor format shows an axis.

    Returns:
        The axis, with a note if it is not the format's.

    Raises:
        InputError: No axis is clearly more likely than the others.
    """
    if body is None or body.leg_m == _NO_LEG_M:
        axis = among[0] if format_axis is None else format_axis
        return UpAxis(axis, notes=() if axis == format_axis else (FileNote(f"{WORDS[axis]} assumed", "--up"),))
    cues = _find_cues(body)
    among = _leave_out_upside_down(among, body, cues)
    prior = _Cue("habit", _USUAL_AXES if format_axis is None else np.zeros(len(AXES)))
    total = _Cue("all", sum((cue.log_odds for cue in cues), prior.log_odds))
    axis, second, *_ = sorted(among, key=lambda candidate: -total.log_odds[candidate])
    shown = [(cue.name, cue.get_evidence(among)) for cue in cues]
    evidence = tuple(sign for _, sign in shown if sign is not None)
    unknown = tuple(name for name, sign in shown if sign is None)
    if total.find_lead(axis, among) < _LEAD_OF_AXIS:
        either = " or ".join(f"--up {OPTIONS[candidate]}" for candidate in sorted((axis, second)))
        raise InputError(
            f"{source}: the vertical axis is ambiguous ({', '.join(map(str, evidence)) or 'no evidence'}); "
            f"pass {either}"
        )
    notes = () if axis == format_axis else (FileNote(f"{WORDS[axis]} inferred", "--up"),)
    return UpAxis(axis, evidence, notes, unknown)


_REST = "the rest pose"
_POSTURE = "how the body stands"


@dataclass(frozen=True, eq=False)
class _Cue:
    """A cue to the vertical axis."""

    name: str
    log_odds: np.ndarray
    """(6,) log-odds of the axes."""

    def find_lead(self, axis: int, candidates: Sequence[int]) -> float:
        """Return the lead of an axis over the next candidate, in log-odds."""
        return float(self.log_odds[axis] - max(self.log_odds[other] for other in candidates if other != axis))

    def get_evidence(self, candidates: Sequence[int]) -> AxisEvidence | None:
        """Return the axis that the cue favours, with its lead, or None if it favours none."""
        axis = max(candidates, key=lambda candidate: self.log_odds[candidate])
        lead = self.find_lead(axis, candidates)
        return AxisEvidence(f"by {self.name} (+{lead:.1f})", axis) if lead > _LEAD_OF_CUE else None


def _leave_out_upside_down(among: Sequence[int], body: TracedBody, cues: Sequence[_Cue]) -> Sequence[int]:
    """Drop the axis opposite to the rest pose's if only the posture favours it.

    A person upside down, on the hands or on a bar, looks like a person who stands in an upside-down world. Only floor,
    supports, travel and flights tell the two apart.
    """
    if body.rest_axis is None:
        return among
    opposite = int((AXES @ AXES[body.rest_axis]).argmin())
    others = [cue.log_odds for cue in cues if cue.name not in (_REST, _POSTURE)]
    lead = sum(log_odds[opposite] - log_odds[body.rest_axis] for log_odds in others)
    return among if lead > _LEAD_OF_CUE else [axis for axis in among if axis != opposite]


def _find_cues(body: TracedBody) -> list[_Cue]:
    """Collect the cues to the vertical axis from format, rest pose and motion, in the file's world."""
    strains = _find_strains(body)
    return [
        _Cue("the format", _BY_FORMAT * _mark(body.format_axis)),
        _Cue(_REST, _BY_REST * _mark(body.rest_axis)),
        _Cue(_POSTURE, _weigh_posture(body, strains)),
        _Cue("what it stands on", -strains),
        _Cue("a floor at 0", _BY_ZERO * _stays_above_zero(body)),
        _Cue("where it travels", -_BY_TRAVEL * _travels_along(body)),
        _Cue("flights", _BY_FLIGHT * _find_flights(body)),
    ]


def _weigh_posture(body: TracedBody, strains: np.ndarray) -> np.ndarray:
    """Return log-odds (6,) of the axes by how upright the body is, less for one that may swim."""
    upwards = normalize_safely(body.upwards_m[body.moments])
    posture = _BY_POSTURE * (upwards @ AXES.T).mean(axis=0)
    is_standing = np.interp(strains, _STANDS_STRAINED, (1.0, _SWIMS_SHARE))
    marks = _mark(body.format_axis) + _mark(body.rest_axis)
    is_in_doubt = (posture > 0) & (marks < marks.max())
    return np.where(is_in_doubt, is_standing * posture, posture)


def _stays_above_zero(body: TracedBody) -> np.ndarray:
    """Return for each of the axes (6,) how certainly the body is on a floor at 0, from 0 to 1."""
    low = (body.joints_m[body.moments] @ AXES.T).min(axis=1) / body.leg_m
    share_at_zero = ((_AT_ZERO[0] < low) & (low < _AT_ZERO[1])).mean(axis=0)
    share_below = (low < -_MAX_SINK).mean(axis=0)
    is_often_at_zero = share_at_zero > _SHARE_AT_ZERO
    return np.where(is_often_at_zero, share_at_zero / np.maximum(share_at_zero + share_below, 1e-9), 0.0)


def _travels_along(body: TracedBody) -> np.ndarray:
    """Return a mask (6,) of the axes along which the body travels."""
    travel = (body.centre_m[-1] - body.centre_m[0]) / body.leg_m
    return np.abs(AXES @ travel) > max(_FAR, _STRAIGHT * float(np.linalg.norm(travel)))


def _mark(axis: int | None) -> np.ndarray:
    """Return an array (6,) that is 1 at the axis and 0 elsewhere; all 0 for None."""
    return (np.arange(len(AXES)) == axis).astype(float)


def _find_strains(body: TracedBody) -> np.ndarray:
    """Score how badly a body stands along each of the axes (6,)."""
    frames = body.moments
    next_frames = np.minimum(frames + 1, len(body.joints_m) - 1)
    joints = body.joints_m[frames] / body.leg_m
    centre = body.centre_m[frames] / body.leg_m
    next_joints = body.joints_m[next_frames] / body.leg_m
    speeds_per_s = norms(next_joints - joints) * body.fps
    return np.array([_find_strain(axis, joints, joints - centre[:, None], speeds_per_s) for axis in AXES])


def _find_strain(up: np.ndarray, joints: np.ndarray, from_centre: np.ndarray, speeds_per_s: np.ndarray) -> float:
    """Score how badly a body stands along `up`.

    It stands badly if its lowest joints are not level, not still or not below the centre of mass.

    Args:
        up: (3,) upward direction.
        joints: (T, J, 3) joint positions, in leg lengths.
        from_centre: (T, J, 3) joint positions relative to the centre of mass, in leg lengths.
        speeds_per_s: (T, J) joint speeds, in leg lengths per s.
    """
    heights = joints @ up
    low = heights.min(axis=1)
    bears_weight = heights < low[:, None] + _SUPPORT
    unevenness = np.abs(low - median(low)) / _LEVEL
    across = np.linalg.svd(up[None])[2][1:]
    angles = 2 * np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS
    directions = np.stack([np.cos(angles), np.sin(angles)])
    reach = (from_centre @ across.T) @ directions
    is_support = bears_weight | (speeds_per_s < _HELD_PER_S)
    support_reach = np.where(is_support[..., None], reach, -np.inf).max(axis=1)
    beyond = -support_reach.min(axis=1)
    tipping = np.maximum(beyond - _TIPS, 0) / _TIPS
    sliding = np.where(bears_weight, speeds_per_s, np.inf).min(axis=1) / _STILL_PER_S
    strain = 0.0
    for sign in (unevenness, tipping, sliding):
        strain += np.minimum(sign, _MAX_STRAIN).mean()
    return float(strain)


def _find_flights(body: TracedBody) -> np.ndarray:
    """Find the axis along which the body falls freely, as a mask (6,). If there are several, none is marked."""
    window = max(_MIN_FLIGHT_FRAMES, int(_FLIGHT_S * body.fps))
    if len(body.centre_m) < max(_MIN_FLIGHT_FRAMES, _FLIGHT_S * body.fps):
        return np.zeros(len(AXES))
    times_s = np.arange(window) / body.fps
    powers = np.stack([times_s**2, times_s, np.ones(window)], axis=1)
    positions_m = np.lib.stride_tricks.sliding_window_view(body.centre_m, window, axis=0)
    curves = positions_m @ np.linalg.pinv(powers).T
    residuals_m = norms(positions_m - curves @ powers.T)
    is_smooth = residuals_m.max(axis=-1) < _ROUGH_M
    falls_m_s2 = -2 * curves[..., 0]
    sizes_m_s2 = norms(falls_m_s2)
    is_free = is_smooth & (np.abs(sizes_m_s2 / GRAVITY_M_S2 - 1) < _GRAVITY_OFF)
    falling = falls_m_s2[is_free] / np.maximum(sizes_m_s2[is_free, None], 1e-9)
    is_fall = (falling @ AXES.T > _ALONG).any(axis=0)
    return is_fall * (is_fall.sum() == 1)


@dataclass(frozen=True, eq=False)
class Upright:
    """A motion that is y up and has an upright rest pose."""

    motion: Motion
    view: FrameChange
    """Mapping from the file's motion to `motion`."""
    up: UpAxis
    notes: tuple[str, ...]
    """Notes on assumptions."""
    flaw: str = ""
    """Reason why the rest pose is not upright; "" if it is."""


def turn_upright(motion: Motion, up: Up | None = None, format_axis: int | None = None) -> Upright:
    """Rotate a motion to y up, and its rest pose to upright.

    Args:
        up: Axis from the options, or None to infer it from format, rest pose and motion.
        format_axis: Vertical axis of the format, or None if it has none.

    Raises:
        InputError: No axis is clearly more likely than the others.
    """
    name_notes = note_overruled_names(motion.skeleton)
    motion, swap_notes = unswap_sides(_with_even_feet(motion))
    up_axis = up_of_motion(motion, up, format_axis, _rest_axis(motion))
    notes = (*up_axis.notes, *name_notes, *swap_notes)
    y_up = FrameChanges((to_y_up(up_axis.axis),) if up_axis.axis else ())
    flaw = ""
    turns = None
    try:
        turns = find_upright_turns(y_up.view(motion))
    except InputError as error:
        flaw = str(error)
    if turns is None:
        return Upright(y_up.view(motion), y_up, up_axis, notes, flaw)
    both = FrameChanges((*y_up.changes, TurnedFrames(turns)))
    notes = (*notes, "the rest pose is not upright; measured from an upright pose")
    return Upright(both.view(motion), both, up_axis, notes, flaw)


def _rest_axis(motion: Motion) -> int | None:
    """Return the axis along which the rest pose stands, or None if it does not stand or this is unknown.

    Rest poses along x are not evidence, because they are common in y-up worlds where each bone is along its own x axis.
    """
    skeleton = motion.skeleton
    neck = skeleton.joint("neck")
    tops = skeleton.pair("shoulder") if neck is None else (neck,)
    ankles = skeleton.pair("ankle")
    if tops is None or ankles is None:
        return None
    rest_m = skeleton.rest_positions_m
    upwards_m = rest_m[list(tops)].mean(axis=0) - rest_m[list(ankles)].mean(axis=0)
    cosines = AXES[:X_UP] @ upwards_m / max(float(np.linalg.norm(upwards_m)), 1e-9)
    return int(cosines.argmax()) if cosines.max() > _RESTS else None


def _with_even_feet(motion: Motion) -> Motion:
    """Drop the toe joint if only one foot has one, so that both feet are rigid blocks."""
    toes = {"left_foot", "right_foot"}
    if len(toes & set(motion.skeleton.parts)) != 1:
        return motion
    parts = tuple("" if part in toes else part for part in motion.skeleton.parts)
    return replace(motion, skeleton=replace(motion.skeleton, parts=parts))
